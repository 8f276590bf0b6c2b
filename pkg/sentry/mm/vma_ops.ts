import { MMAP_MIN_ADDR, PAGE_SIZE } from "../../abi/linux/mm.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK } from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { AccessExec, AccessWrite } from "../memmap/index.ts";
import { pageUp } from "./address.ts";
import { unmapHost } from "./host_mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { dropPMAs } from "./pma_ops.ts";
import { LOCK_NONE, type VMA } from "./vma.ts";

/** What of a vma decides how it is counted. */
interface Countable {
  perms: number;
  isPrivate: boolean;
  growsDown: boolean;
}

function isData(v: Countable): boolean {
  return (v.perms & AccessWrite) !== 0 && v.isPrivate && !v.growsDown;
}

/** Whether `bytes` more of such memory stay within RLIMIT_AS and RLIMIT_DATA. */
export function mayExpand(mm: MemoryManager, v: Countable, bytes: number): boolean {
  if (mm.totalVM + bytes > roundLimit(mm.limits.cur(RLIMIT_AS))) return false;
  if (isData(v) && mm.dataVM + bytes > roundLimit(mm.limits.cur(RLIMIT_DATA))) return false;
  return true;
}

function roundLimit(limit: number): number {
  return limit === Number.POSITIVE_INFINITY ? limit : limit - (limit % PAGE_SIZE);
}

/** Whether `bytes` more may be locked (RLIMIT_MEMLOCK; privileged: CAP_IPC_LOCK). */
export function mlockFutureOK(mm: MemoryManager, bytes: number, privileged: boolean): boolean {
  return privileged || mm.lockedVM + bytes <= roundLimit(mm.limits.cur(RLIMIT_MEMLOCK));
}

/** Whether private writable memory of this size is promised at all: the heuristic of vm.overcommit_memory = 0. */
export function enoughMemory(mm: MemoryManager, perms: number, noReserve: boolean, bytes: number): boolean {
  return noReserve || (perms & AccessWrite) === 0 || bytes <= mm.totalMemory;
}

/** Counts `bytes` (negative: fewer) of a vma. */
export function accountVMA(mm: MemoryManager, v: VMA, bytes: number): void {
  mm.totalVM += bytes;
  if (v.growsDown) mm.stackVM += bytes;
  else if ((v.perms & AccessExec) !== 0 && (v.perms & AccessWrite) === 0) mm.execVM += bytes;
  else if (isData(v)) mm.dataVM += bytes;
  if (v.lockMode !== LOCK_NONE) mm.lockedVM += bytes;
  if (mm.totalVM > mm.peakVM) mm.peakVM = mm.totalVM;
}

/** Adds a vma whose range is free. The vma owns a reference on its identity already. */
export function insertVMA(mm: MemoryManager, v: VMA): void {
  mm.vmas.insert(v);
  accountVMA(mm, v, v.end - v.start);
  v.mappable?.addMapping(mm, v.start, v.end, v.offset, v.canWriteMappable());
}

/** Makes `addr` a border between vmas; returns the vma that starts there or after. */
export function splitVMAAt(mm: MemoryManager, addr: number): VMA | null {
  const v = mm.vmas.lowerBound(addr);
  if (v === null || v.start >= addr) return v;
  const second = v.copy(addr, v.end);
  second.identity?.incRef();
  mm.vmas.setRange(v, v.start, addr);
  mm.vmas.insert(second);
  return second;
}

/** Cuts a vma so that one over exactly [start, end) exists, and returns that. ENOMEM at the limit of mappings. */
export function isolateVMA(mm: MemoryManager, v: VMA, start: number, end: number): VMA {
  if ((v.start < start || v.end > end) && mm.vmas.count >= mm.maxMapCount) throw linuxerr.ENOMEM;
  if (v.end > end) splitVMAAt(mm, end);
  if (v.start >= start) return v;
  return splitVMAAt(mm, start) ?? v;
}

/** Merges a vma with its neighbours where possible; returns the vma that now covers it. */
export function mergeVMA(mm: MemoryManager, v: VMA): VMA {
  let at = v;
  const { prev } = at;
  if (prev?.canMerge(at)) {
    mergeInto(mm, prev, at);
    at = prev;
  }
  const { next } = at;
  if (next !== null && at.canMerge(next)) mergeInto(mm, at, next);
  return at;
}

function mergeInto(mm: MemoryManager, a: VMA, b: VMA): void {
  const end = b.end;
  mm.vmas.remove(b);
  mm.vmas.setRange(a, a.start, end);
  b.identity?.decRef();
}

/** Merges all that can be merged in and at the borders of [start, end). */
export function mergeVMARange(mm: MemoryManager, start: number, end: number): void {
  let v = mm.vmas.lowerBound(start - 1);
  while (v !== null && v.start <= end) {
    const next: VMA | null = v.next;
    if (next === null) return;
    if (v.canMerge(next)) mergeInto(mm, v, next);
    else v = next;
  }
}

/** Unmaps [start, end): memory, vmas, references. ENOMEM when it would split a vma at the limit of mappings. */
export function removeVMAs(mm: MemoryManager, start: number, end: number): void {
  const first = mm.vmas.lowerBound(start);
  if (first === null || first.start >= end) return;
  if (first.start < start && first.end > end && mm.vmas.count >= mm.maxMapCount) throw linuxerr.ENOMEM;
  splitVMAAt(mm, end);
  mm.hostSpace?.forgetCode(start, end);
  dropPMAs(mm, start, end);
  let v: VMA | null = first;
  if (first.start < start) {
    // Only its end goes: heaps shrink like this.
    const bytes = first.end - start;
    accountVMA(mm, first, -bytes);
    if (first.special) unmapHost(mm, start, first.end);
    first.mappable?.removeMapping(mm, start, first.end, first.offsetAt(start), first.canWriteMappable());
    mm.vmas.setRange(first, first.start, start);
    v = first.next;
  }
  while (v !== null && v.start < end) {
    const next: VMA | null = v.next;
    mm.vmas.remove(v);
    accountVMA(mm, v, v.start - v.end);
    if (v.special) unmapHost(mm, v.start, v.end);
    v.mappable?.removeMapping(mm, v.start, v.end, v.offset, v.canWriteMappable());
    v.identity?.decRef();
    v = next;
  }
}

/** Unmaps everything at the end of an address space that has no host side any more. */
export function removeAll(mm: MemoryManager): void {
  for (let p = mm.pmas.head; p !== null; p = p.next) p.file.decRef(p.offset, p.end - p.start);
  mm.pmas.clear();
  const first = mm.vmas.head;
  mm.vmas.clear();
  for (let v = first; v !== null; v = v.next) {
    v.mappable?.removeMapping(mm, v.start, v.end, v.offset, v.canWriteMappable());
    v.identity?.decRef();
  }
  mm.totalVM = 0;
  mm.dataVM = 0;
  mm.stackVM = 0;
  mm.execVM = 0;
  mm.lockedVM = 0;
  mm.rssAnon = 0;
  mm.rssFile = 0;
  mm.rssShmem = 0;
}

/**
 * Where a mapping goes (get_unmapped_area of Linux for x86-64). `addr` is the address asked for (0: none), page-aligned only if the
 * guest is well behaved. Throws ENOMEM without room, EINVAL for a fixed address off a page, EPERM for one below the minimum.
 */
export function findUnmappedArea(
  mm: MemoryManager,
  addr: number,
  length: number,
  fixed: boolean,
  map32Bit: boolean,
): number {
  const max = mm.maxAddr();
  if (length > max) throw linuxerr.ENOMEM;
  let at = addr;
  if (!fixed) {
    at = hinted(mm, addr, length, map32Bit ? MAP32_END : max);
    if (at < 0) at = search(mm, length, map32Bit);
    if (at < 0) throw linuxerr.ENOMEM;
  }
  if (at > max - length) throw linuxerr.ENOMEM;
  if (at % PAGE_SIZE !== 0) throw linuxerr.EINVAL;
  if (at < mm.minAddr()) throw linuxerr.EPERM;
  return at;
}

/** Where MAP_32BIT mappings go. */
const MAP32_START = 0x40000000;
const MAP32_END = 0x80000000;

function hinted(mm: MemoryManager, addr: number, length: number, end: number): number {
  if (addr <= 0) return -1;
  const at = pageUp(Math.max(addr, MMAP_MIN_ADDR, mm.minAddr()));
  if (length > end || at > end - length) return -1;
  const next = mm.vmas.lowerBound(at);
  return next === null || at + length <= next.start - next.guard ? at : -1;
}

function search(mm: MemoryManager, length: number, map32Bit: boolean): number {
  const min = mm.minAddr();
  const max = mm.maxAddr();
  if (map32Bit) return mm.vmas.findFirstGap(MAP32_START, Math.min(MAP32_END, max), length);
  if (mm.topDown) {
    const at = mm.vmas.findLastGap(min, mm.mmapBase, length);
    if (at >= 0) return at;
    return mm.vmas.findFirstGap(Math.max(min, pageUp(max / 3)), max, length);
  }
  return mm.vmas.findFirstGap(mm.mmapBase, max, length);
}
