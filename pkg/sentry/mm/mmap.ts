import { PAGE_SIZE, STACK_GUARD_GAP } from "../../abi/linux/mm.ts";
import { RLIMIT_DATA } from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { AccessRead, AccessWrite, type MappingIdentity, type MMapOpts } from "../memmap/index.ts";
import { pageUp, ULONG_SPAN } from "./address.ts";
import { AnonMappable } from "./anon_mappable.ts";
import { FAULT_BUSERR, FAULT_RESOLVED, type FaultResult, mapLibrary, mapNew, resolve } from "./faults.ts";
import { mapPMA } from "./host_mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { isolatePMA, mergePMA, reprotectPMAs, splitPMAAt } from "./pma_ops.ts";
import { LOCK_EAGER, LOCK_NONE, type LockMode, VMA } from "./vma.ts";
import {
  accountVMA,
  enoughMemory,
  findUnmappedArea,
  insertVMA,
  isolateVMA,
  mayExpand,
  mergeVMA,
  mergeVMARange,
  mlockFutureOK,
  removeVMAs,
} from "./vma_ops.ts";

/** The most memory that populating commits in the host at once; the rest is committed as it is touched. */
const MAX_PRECOMMIT = 16 * 1024 * 1024;
/** New anonymous mappings, files to be read and heaps up to these sizes are mapped before they are touched. */
const MAX_MAP_NEW = 64 * 1024;
const MAX_MAP_FILE = 512 * 1024;
const MAX_BRK_NEW = 256 * 1024;

/** See MemoryManager.mmap. */
export function mmap(mm: MemoryManager, opts: MMapOpts, privileged: boolean): number {
  let identity = opts.mappingIdentity;
  try {
    if (opts.length <= 0) throw linuxerr.EINVAL;
    const length = pageUp(opts.length);
    if (length > mm.maxAddr()) throw linuxerr.ENOMEM;
    if (!Number.isSafeInteger(opts.offset + length)) throw linuxerr.EOVERFLOW;
    if (mm.vmas.count > mm.maxMapCount) throw linuxerr.ENOMEM;
    const start = findUnmappedArea(mm, opts.addr, length, opts.fixed, opts.map32Bit);
    const end = start + length;
    if (opts.fixed && !opts.unmap && !mm.vmas.isFree(start, end)) throw linuxerr.EEXIST;
    const lockMode: LockMode = opts.locked ? LOCK_EAGER : mm.defaultLockMode;
    if (lockMode !== LOCK_NONE && !mlockFutureOK(mm, length, privileged)) throw linuxerr.EAGAIN;

    const v = new VMA(start, end);
    v.setPerms(opts.perms);
    v.maxPerms = opts.maxPerms;
    v.isPrivate = opts.isPrivate;
    v.growsDown = opts.growsDown;
    v.guard = opts.growsDown ? STACK_GUARD_GAP : 0;
    v.noReserve = opts.noReserve;
    v.lockMode = lockMode;
    v.mappable = opts.mappable;
    v.offset = opts.mappable === null ? 0 : opts.offset;
    v.hint = opts.hint;
    const replaced = mappedBytes(mm, start, end);
    if (!mayExpand(mm, v, length - replaced)) throw linuxerr.ENOMEM;
    if (opts.mappable === null || opts.isPrivate) {
      if (!enoughMemory(mm, opts.perms, opts.noReserve, length)) throw linuxerr.ENOMEM;
    }
    if (replaced > 0) removeVMAs(mm, start, end);
    if (opts.mappable === null && !opts.isPrivate) {
      const shared: AnonMappable & MappingIdentity = new AnonMappable(mm.memoryFile, length);
      identity?.decRef();
      identity = shared;
      v.mappable = shared;
      v.offset = 0;
    }
    v.identity = identity;
    identity = null;
    insertVMA(mm, v);
    const merged = mergeVMA(mm, v);
    if (opts.precommit || lockMode === LOCK_EAGER) populateVMA(mm, merged, start, end);
    else if (isForUse(merged, opts, length)) mapNew(mm, merged, start, opts.fixed && followsData(merged, start));
    else if (opts.library) mapLibrary(mm, merged, start);
    return start;
  } catch (e) {
    identity?.decRef();
    throw e;
  }
}

/** Whether a new mapping is so small that it was made to be used at once. */
function isForUse(v: VMA, opts: MMapOpts, length: number): boolean {
  if (v.mappable !== null) return opts.reading && length <= MAX_MAP_FILE;
  return length <= MAX_MAP_NEW && !opts.growsDown && !opts.noReserve;
}

/** Whether a new anonymous mapping at `start` lies directly behind private data of a file: the zeros that end a library's. */
function followsData(v: VMA, start: number): boolean {
  const { prev } = v;
  if (v.mappable !== null || v.start !== start || prev === null || prev.end !== start) return false;
  return prev.mappable !== null && prev.isPrivate && (prev.perms & v.perms & AccessWrite) !== 0;
}

/** Bytes of [start, end) that are mapped. */
export function mappedBytes(mm: MemoryManager, start: number, end: number): number {
  let n = 0;
  for (let v = mm.vmas.lowerBound(start); v !== null && v.start < end; v = v.next) {
    n += Math.min(end, v.end) - Math.max(start, v.start);
  }
  return n;
}

/** See MemoryManager.munmap. */
export function munmap(mm: MemoryManager, addr: number, length: number): void {
  const max = mm.maxAddr();
  if (addr % PAGE_SIZE !== 0 || addr > max || length > max - addr) throw linuxerr.EINVAL;
  const end = addr + pageUp(length);
  if (end === addr) throw linuxerr.EINVAL;
  removeVMAs(mm, addr, end);
}

/** Brings memory in for [start, end) of a vma, as far as it can be; errors are ignored as mmap(2) and mlock(2) do. */
export function populateVMA(mm: MemoryManager, vma: VMA, start: number, end: number): FaultResult {
  if (vma.effective === 0 || vma.special) return FAULT_BUSERR;
  const access = (vma.effective & AccessWrite) !== 0 && vma.isPrivate ? AccessWrite : vma.effective & AccessRead;
  return populate(mm, vma, start, end, access === 0 ? vma.effective : access);
}

/** Faults [start, end) of a vma in for an access that it allows. */
export function populate(mm: MemoryManager, vma: VMA, start: number, end: number, access: number): FaultResult {
  let budget = MAX_PRECOMMIT;
  for (let at = start; at < end; ) {
    let p = resolve(mm, vma, at, access);
    if (p === null) return mm.failure;
    const stop = Math.min(end, p.end);
    if (mm.hostSpace !== null && budget > 0) {
      // Only what was asked for is committed, not the rest of a large piece.
      p = isolatePMA(mm, p, Math.max(p.start, at), Math.min(stop, at + budget));
      budget -= p.end - p.start;
      mapPMA(mm, p, true);
      mergePMA(mm, p);
    }
    at = stop;
  }
  return FAULT_RESOLVED;
}

/** See MemoryManager.mprotect. */
export function mprotect(mm: MemoryManager, addr: number, length: number, perms: number, growsDown: boolean): void {
  if (addr % PAGE_SIZE !== 0) throw linuxerr.EINVAL;
  if (length === 0) return;
  const end = addr + pageUp(length);
  if (end <= addr || end >= ULONG_SPAN) throw linuxerr.ENOMEM;
  let v = mm.vmas.lowerBound(addr);
  if (v === null) throw linuxerr.ENOMEM;
  let at = addr;
  if (growsDown) {
    if (v.start >= end) throw linuxerr.ENOMEM;
    at = v.start;
    if (!v.growsDown) throw linuxerr.EINVAL;
  } else if (v.start > addr) {
    throw linuxerr.ENOMEM;
  }
  const from = at;
  try {
    for (;;) {
      if ((perms & ~v.maxPerms) !== 0) throw linuxerr.EACCES;
      const stop = Math.min(end, v.end);
      protectVMA(mm, v, at, stop, perms);
      at = stop;
      if (at >= end) return;
      v = mm.vmas.lowerBound(at);
      if (v === null || v.start !== at) throw linuxerr.ENOMEM;
    }
  } finally {
    mergeVMARange(mm, from, at);
  }
}

function protectVMA(mm: MemoryManager, vma: VMA, start: number, end: number, perms: number): void {
  if (vma.perms === perms) return;
  const bytes = end - start;
  const wanted = { perms, isPrivate: vma.isPrivate, growsDown: vma.growsDown };
  if ((perms & AccessWrite) !== 0) {
    if (!mayExpand(mm, wanted, bytes) && mayExpand(mm, vma, bytes)) throw linuxerr.ENOMEM;
    if (vma.isPrivate && (vma.perms & AccessWrite) === 0 && !enoughMemory(mm, perms, vma.noReserve, bytes)) {
      throw linuxerr.ENOMEM;
    }
  }
  // Who can write code is to find his own.
  if ((perms & AccessWrite) !== 0) mm.hostSpace?.restoreCode(start, end);
  const v = isolateVMA(mm, vma, start, end);
  accountVMA(mm, v, -bytes);
  v.setPerms(perms);
  accountVMA(mm, v, bytes);
  splitPMAAt(mm, start);
  splitPMAAt(mm, end);
  reprotectPMAs(mm, v);
  const first = mm.pmas.lowerBound(start);
  if (first !== null && first.start < end) mergePMA(mm, first);
  const last = mm.pmas.upperBound(end);
  if (last !== null && last.end > start) mergePMA(mm, last);
}

/** How heaps are counted. */
const HEAP = { perms: AccessRead | AccessWrite, isPrivate: true, growsDown: false } as const;

/** Adds [start, end), with a free page behind it, to the heap. `below` is the vma before it. Returns the vma that covers it. */
function growHeap(mm: MemoryManager, below: VMA | null, start: number, end: number): VMA {
  if (below !== null && below.end === start && below.isPlainHeap(mm.defaultLockMode)) {
    mm.vmas.setRange(below, below.start, end);
    accountVMA(mm, below, end - start);
    return below;
  }
  const v = new VMA(start, end);
  v.setPerms(AccessRead | AccessWrite);
  v.maxPerms = 7;
  v.hint = "[heap]";
  v.lockMode = mm.defaultLockMode;
  insertVMA(mm, v);
  return mergeVMA(mm, v);
}

/** See MemoryManager.brk. */
export function brk(mm: MemoryManager, addr: number, privileged: boolean): number {
  const { brkStart, brkEnd } = mm;
  if (addr < brkStart || addr > mm.maxAddr()) return brkEnd;
  const limit = mm.limits.cur(RLIMIT_DATA);
  if (addr - brkStart + (mm.endData - mm.startData) > limit) return brkEnd;
  const oldEnd = pageUp(brkEnd);
  const newEnd = pageUp(addr);
  if (newEnd < oldEnd) {
    const first = mm.vmas.lowerBound(newEnd);
    if (first === null || first.start >= oldEnd) return brkEnd;
    removeVMAs(mm, newEnd, oldEnd);
  } else if (newEnd > oldEnd) {
    const bytes = newEnd - oldEnd;
    if (newEnd > mm.maxAddr() || oldEnd < mm.minAddr()) return brkEnd;
    if (mm.defaultLockMode !== LOCK_NONE && !mlockFutureOK(mm, bytes, privileged)) return brkEnd;
    const next = mm.vmas.lowerBound(oldEnd);
    if (next !== null && newEnd + PAGE_SIZE > next.start - next.guard) return brkEnd;
    if (mm.vmas.count > mm.maxMapCount) return brkEnd;
    if (!mayExpand(mm, HEAP, bytes) || !enoughMemory(mm, HEAP.perms, false, bytes)) return brkEnd;
    const merged = growHeap(mm, next === null ? mm.vmas.tail : next.prev, oldEnd, newEnd);
    if (merged.lockMode === LOCK_EAGER) populateVMA(mm, merged, oldEnd, newEnd);
    else if (bytes <= MAX_BRK_NEW) mapNew(mm, merged, oldEnd, false);
  }
  mm.brkEnd = addr;
  return addr;
}
