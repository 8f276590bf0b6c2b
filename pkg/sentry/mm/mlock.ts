import { MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT, MS_INVALIDATE, MS_SYNC, PAGE_SIZE } from "../../abi/linux/mm.ts";
import { RLIMIT_MEMLOCK } from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { pageDown, pageUp, ULONG_SPAN } from "./address.ts";
import { AnonMappable } from "./anon_mappable.ts";
import { FAULT_NOMEM, FAULT_RESOLVED } from "./faults.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { populateVMA } from "./mmap.ts";
import { LOCK_EAGER, LOCK_NONE, LOCK_ONFAULT, type LockMode, type VMA } from "./vma.ts";
import { isolateVMA, mergeVMARange } from "./vma_ops.ts";

/** Whether any memory may be locked at all (can_do_mlock). */
export function canLock(mm: MemoryManager, privileged: boolean): boolean {
  return privileged || mm.limits.cur(RLIMIT_MEMLOCK) !== 0;
}

function setLock(mm: MemoryManager, v: VMA, lo: number, hi: number, mode: LockMode): void {
  if (v.lockMode === mode || v.special) return;
  const t = isolateVMA(mm, v, lo, hi);
  if (t.lockMode === LOCK_NONE) mm.lockedVM += hi - lo;
  if (mode === LOCK_NONE) mm.lockedVM -= hi - lo;
  t.lockMode = mode;
}

/** Sets the lock mode of all of [start, end); ENOMEM at a hole, after what lies before it was done. */
function lockRange(mm: MemoryManager, start: number, end: number, mode: LockMode): void {
  let at = start;
  try {
    while (at < end) {
      const v = mm.vmas.find(at);
      if (v === null) throw linuxerr.ENOMEM;
      const hi = Math.min(end, v.end);
      setLock(mm, v, at, hi, mode);
      at = hi;
    }
  } finally {
    mergeVMARange(mm, start, at);
  }
}

/** See MemoryManager.mlock. */
export function mlock(mm: MemoryManager, addr: number, length: number, mode: LockMode, privileged: boolean): void {
  if (!canLock(mm, privileged)) throw linuxerr.EPERM;
  const start = pageDown(addr);
  const bytes = pageUp(length + (addr - start));
  const limit = mm.limits.cur(RLIMIT_MEMLOCK);
  if (!privileged) {
    let locked = mm.lockedVM + bytes;
    if (locked > limit) locked -= lockedBytes(mm, start, start + bytes);
    if (locked > limit) throw linuxerr.ENOMEM;
  }
  const end = start + bytes;
  if (end >= ULONG_SPAN) throw linuxerr.EINVAL;
  if (end === start) return;
  lockRange(mm, start, end, mode);
  for (let v = mm.vmas.lowerBound(start); v !== null && v.start < end; v = v.next) {
    if (v.lockMode !== LOCK_EAGER || v.special) continue;
    // A mapping that nobody may touch, or that has nothing behind it, is locked but an error.
    if (v.effective === 0) throw linuxerr.ENOMEM;
    const r = populateVMA(mm, v, Math.max(start, v.start), Math.min(end, v.end));
    if (r === FAULT_NOMEM) throw linuxerr.EAGAIN;
    if (r !== FAULT_RESOLVED) throw linuxerr.ENOMEM;
  }
}

function lockedBytes(mm: MemoryManager, start: number, end: number): number {
  let n = 0;
  for (let v = mm.vmas.lowerBound(start); v !== null && v.start < end; v = v.next) {
    if (v.lockMode !== LOCK_NONE) n += Math.min(end, v.end) - Math.max(start, v.start);
  }
  return n;
}

/** See MemoryManager.munlock. */
export function munlock(mm: MemoryManager, addr: number, length: number): void {
  const start = pageDown(addr);
  const end = start + pageUp(length + (addr - start));
  if (end >= ULONG_SPAN) throw linuxerr.EINVAL;
  if (end > start) lockRange(mm, start, end, LOCK_NONE);
}

/** See MemoryManager.mlockAll. */
export function mlockAll(mm: MemoryManager, flags: number, privileged: boolean): void {
  if (flags === 0 || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0 || flags === MCL_ONFAULT) {
    throw linuxerr.EINVAL;
  }
  if (!canLock(mm, privileged)) throw linuxerr.EPERM;
  const current = (flags & MCL_CURRENT) !== 0;
  if (current && !privileged && mm.totalVM > mm.limits.cur(RLIMIT_MEMLOCK)) throw linuxerr.ENOMEM;
  const mode = (flags & MCL_ONFAULT) !== 0 ? LOCK_ONFAULT : LOCK_EAGER;
  mm.defaultLockMode = (flags & MCL_FUTURE) !== 0 ? mode : LOCK_NONE;
  if (!current) return;
  setAll(mm, mode);
  if (mode !== LOCK_EAGER) return;
  for (let v = mm.vmas.head; v !== null; v = v.next) if (v.lockMode === LOCK_EAGER) populateVMA(mm, v, v.start, v.end);
}

/** See MemoryManager.munlockAll. */
export function munlockAll(mm: MemoryManager): void {
  mm.defaultLockMode = LOCK_NONE;
  setAll(mm, LOCK_NONE);
}

function setAll(mm: MemoryManager, mode: LockMode): void {
  for (let v = mm.vmas.head; v !== null; v = v.next) setLock(mm, v, v.start, v.end, mode);
  mergeVMARange(mm, 0, mm.maxAddr());
}

/** See MemoryManager.msync. */
export function msync(mm: MemoryManager, addr: number, end: number, flags: number): void {
  let hole = false;
  let at = addr;
  while (at < end) {
    const v = mm.vmas.lowerBound(at);
    if (v === null || v.start >= end) {
      hole = true;
      break;
    }
    if (v.start > at) hole = true;
    if ((flags & MS_INVALIDATE) !== 0 && v.lockMode !== LOCK_NONE) throw linuxerr.EBUSY;
    const lo = Math.max(at, v.start);
    const hi = Math.min(end, v.end);
    if ((flags & MS_SYNC) !== 0 && !v.isPrivate && v.identity !== null) {
      v.identity.msyncRange(v.offsetAt(lo), v.offsetAt(hi));
    }
    at = hi;
  }
  if (hole) throw linuxerr.ENOMEM;
}

/**
 * mincore(2) for [addr, addr + 4096 * pages): one byte a page into vec. Returns how many pages were answered, fewer when a hole comes (at
 * once: ENOMEM).
 */
export function mincore(mm: MemoryManager, addr: number, pages: number, vec: Uint8Array): number {
  const end = addr + pages * PAGE_SIZE;
  let at = addr;
  while (at < end) {
    const v = mm.vmas.find(at);
    if (v === null) {
      if (at === addr) throw linuxerr.ENOMEM;
      break;
    }
    const hi = Math.min(end, v.end);
    // Pages of files count as cached, untouched memory does not.
    const filled = v.mappable !== null && !(v.mappable instanceof AnonMappable) ? 1 : 0;
    vec.fill(v.special ? 1 : filled, (at - addr) / PAGE_SIZE, (hi - addr) / PAGE_SIZE);
    markResident(mm, addr, at, hi, vec);
    at = hi;
  }
  return (at - addr) / PAGE_SIZE;
}

function markResident(mm: MemoryManager, base: number, start: number, end: number, vec: Uint8Array): void {
  const mf = mm.memoryFile;
  for (let p = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) {
    const lo = Math.max(start, p.start);
    const hi = Math.min(end, p.end);
    if (p.file !== mf) {
      vec.fill(1, (lo - base) / PAGE_SIZE, (hi - base) / PAGE_SIZE);
      continue;
    }
    vec.fill(0, (lo - base) / PAGE_SIZE, (hi - base) / PAGE_SIZE);
    const delta = p.start - p.offset;
    let off = lo - delta;
    const stop = hi - delta;
    while (off < stop && mf.nextData(off, stop)) {
      vec.fill(1, (mf.extentStart + delta - base) / PAGE_SIZE, (mf.extentEnd + delta - base) / PAGE_SIZE);
      off = mf.extentEnd;
    }
  }
}
