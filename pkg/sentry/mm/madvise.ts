import * as linux from "../../abi/linux/mm.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { AccessRead, AccessWrite } from "../memmap/index.ts";
import { pageUp, ULONG_SPAN } from "./address.ts";
import { AnonMappable } from "./anon_mappable.ts";
import { FAULT_ACCERR, FAULT_NOMEM, FAULT_RESOLVED } from "./faults.ts";
import { unmapHost } from "./host_mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { populate } from "./mmap.ts";
import type { PMA } from "./pma.ts";
import { isolatePMA, takePMA } from "./pma_ops.ts";
import { LOCK_NONE, type VMA } from "./vma.ts";
import { isolateVMA, mergeVMARange } from "./vma_ops.ts";

/** Advice that only sets bits on the vma; a group replaces each other. */
const READ_ADVICE = (1 << linux.MADV_RANDOM) | (1 << linux.MADV_SEQUENTIAL);
const HUGE_ADVICE = (1 << linux.MADV_HUGEPAGE) | (1 << linux.MADV_NOHUGEPAGE);

/**
 * Something that gives back ranges of a mapped object (MADV_REMOVE). A file description with a fallocate that punches holes has it, and
 * shared anonymous memory.
 */
export interface Punchable {
  /** Makes [offset, offset+length) of the object read as zeros and frees its memory; for file descriptions. */
  allocate(mode: number, offset: number, length: number): void;
}

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

function isPunchable(x: object | null): x is Punchable {
  return x !== null && "allocate" in x && typeof x.allocate === "function";
}

/** Whether Linux knows the advice. MADV_GUARD_* is not offered, nor is what needs memory failure injection. */
export function madviseValid(advice: number): boolean {
  return (advice >= 0 && advice <= 4) || (advice >= linux.MADV_FREE && advice <= linux.MADV_COLLAPSE);
}

/** See MemoryManager.madvise. */
export function madvise(mm: MemoryManager, addr: number, length: number, advice: number): void {
  if (!madviseValid(advice)) throw linuxerr.EINVAL;
  if (addr % linux.PAGE_SIZE !== 0) throw linuxerr.EINVAL;
  const end = addr + pageUp(length);
  if (end >= ULONG_SPAN) throw linuxerr.EINVAL;
  if (length === 0) return;
  if (advice === linux.MADV_POPULATE_READ || advice === linux.MADV_POPULATE_WRITE) {
    madvisePopulate(mm, addr, end, advice === linux.MADV_POPULATE_WRITE ? AccessWrite : AccessRead);
    return;
  }
  let hole = false;
  let at = addr;
  try {
    while (at < end) {
      const v: VMA | null = mm.vmas.lowerBound(at);
      if (v === null || v.start >= end) {
        hole = true;
        break;
      }
      if (v.start > at) hole = true;
      const lo = Math.max(at, v.start);
      const hi = Math.min(end, v.end);
      adviseVMA(mm, v, lo, hi, advice);
      at = hi;
    }
  } finally {
    mergeVMARange(mm, addr, Math.max(addr, at));
  }
  if (hole) throw linuxerr.ENOMEM;
}

function adviseVMA(mm: MemoryManager, v: VMA, lo: number, hi: number, advice: number): void {
  switch (advice) {
    case linux.MADV_DONTNEED:
    case linux.MADV_DONTNEED_LOCKED:
      if (v.special || (v.lockMode !== LOCK_NONE && advice === linux.MADV_DONTNEED)) throw linuxerr.EINVAL;
      discard(mm, v, lo, hi);
      return;
    case linux.MADV_FREE:
      if (v.special || v.lockMode !== LOCK_NONE || v.mappable !== null) throw linuxerr.EINVAL;
      discard(mm, v, lo, hi);
      return;
    case linux.MADV_REMOVE:
      remove(v, lo, hi);
      return;
    case linux.MADV_WILLNEED:
      return;
    case linux.MADV_COLD:
    case linux.MADV_PAGEOUT:
      if (v.special || v.lockMode !== LOCK_NONE) throw linuxerr.EINVAL;
      return;
    case linux.MADV_COLLAPSE:
      // Huge pages are the host's business: none can be made here.
      throw linuxerr.EINVAL;
    case linux.MADV_DOFORK:
    case linux.MADV_DODUMP:
      if (v.special) throw linuxerr.EINVAL;
      break;
    case linux.MADV_WIPEONFORK:
      if (v.mappable !== null || !v.isPrivate) throw linuxerr.EINVAL;
      break;
    default:
      break;
  }
  let target: VMA;
  if (!changes(v, advice)) return;
  try {
    target = isolateVMA(mm, v, lo, hi);
  } catch (e) {
    throw e === linuxerr.ENOMEM ? linuxerr.EAGAIN : e;
  }
  apply(target, advice);
}

function adviceBits(v: VMA, advice: number): number {
  switch (advice) {
    case linux.MADV_NORMAL:
      return v.advice & ~READ_ADVICE;
    case linux.MADV_RANDOM:
    case linux.MADV_SEQUENTIAL:
      return (v.advice & ~READ_ADVICE) | (1 << advice);
    case linux.MADV_HUGEPAGE:
    case linux.MADV_NOHUGEPAGE:
      return (v.advice & ~HUGE_ADVICE) | (1 << advice);
    case linux.MADV_MERGEABLE:
      return v.isPrivate ? v.advice | (1 << advice) : v.advice;
    case linux.MADV_UNMERGEABLE:
      return v.advice & ~(1 << linux.MADV_MERGEABLE);
    default:
      return v.advice;
  }
}

function changes(v: VMA, advice: number): boolean {
  switch (advice) {
    case linux.MADV_DONTFORK:
      return !v.dontFork;
    case linux.MADV_DOFORK:
      return v.dontFork;
    case linux.MADV_WIPEONFORK:
      return !v.wipeOnFork;
    case linux.MADV_KEEPONFORK:
      return v.wipeOnFork;
    case linux.MADV_DONTDUMP:
      return !v.dontDump;
    case linux.MADV_DODUMP:
      return v.dontDump;
    default:
      return adviceBits(v, advice) !== v.advice;
  }
}

function apply(v: VMA, advice: number): void {
  if (advice === linux.MADV_DONTFORK || advice === linux.MADV_DOFORK) v.dontFork = advice === linux.MADV_DONTFORK;
  else if (advice === linux.MADV_WIPEONFORK || advice === linux.MADV_KEEPONFORK) {
    v.wipeOnFork = advice === linux.MADV_WIPEONFORK;
  } else if (advice === linux.MADV_DONTDUMP || advice === linux.MADV_DODUMP)
    v.dontDump = advice === linux.MADV_DONTDUMP;
  else v.advice = adviceBits(v, advice);
}

/** Makes private memory of [start, end) fresh again: zeros, or the file's bytes. Shared memory stays. */
function discard(mm: MemoryManager, v: VMA, start: number, end: number): void {
  if (!v.isPrivate) return;
  mm.hostSpace?.forgetCode(start, end);
  let p = mm.pmas.lowerBound(start);
  while (p !== null && p.start < end) {
    let next: PMA | null = p.next;
    if (p.isPrivate) {
      const lo = Math.max(start, p.start);
      const hi = Math.min(end, p.end);
      const from = p.offset + (lo - p.start);
      const mf = mm.memoryFile;
      const own = v.mappable === null && mf.uniqueExtent(from, from, from + (hi - lo));
      if (own && mf.extentEnd === from + (hi - lo)) {
        // Nobody else has it: emptied in place, all mappings of it stay good.
        mf.decommit(from, hi - lo);
        p.committed = false;
      } else {
        const q = isolatePMA(mm, p, lo, hi);
        next = q.next;
        if (q.mapped) unmapHost(mm, lo, hi);
        takePMA(mm, q);
        q.file.decRef(q.offset, hi - lo);
      }
    }
    p = next;
  }
}

function remove(v: VMA, lo: number, hi: number): void {
  if (v.lockMode !== LOCK_NONE || v.mappable === null) throw linuxerr.EINVAL;
  if (!v.canWriteMappable()) throw linuxerr.EACCES;
  const offset = v.offsetAt(lo);
  if (v.mappable instanceof AnonMappable) {
    v.mappable.punch(offset, offset + (hi - lo));
    return;
  }
  const file = v.identity;
  if (!isPunchable(file)) throw linuxerr.EOPNOTSUPP;
  file.allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, hi - lo);
}

function madvisePopulate(mm: MemoryManager, start: number, end: number, access: number): void {
  let at = start;
  while (at < end) {
    const v = mm.vmas.find(at);
    if (v === null) throw linuxerr.ENOMEM;
    // The protection as asked for counts, not what the hardware makes of it.
    if (v.special || (v.perms & access) === 0) throw linuxerr.EINVAL;
    const hi = Math.min(end, v.end);
    const r = populate(mm, v, at, hi, access);
    if (r === FAULT_NOMEM) throw linuxerr.ENOMEM;
    if (r === FAULT_ACCERR) throw linuxerr.EINVAL;
    if (r !== FAULT_RESOLVED) throw linuxerr.EFAULT;
    at = hi;
  }
}
