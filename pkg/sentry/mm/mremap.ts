import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE } from "../../abi/linux/mm.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { pageUp, ULONG_SPAN } from "./address.ts";
import { anyMapped, beginBatch, endBatch, mapPMA, unmapHost } from "./host_mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { populateVMA } from "./mmap.ts";
import type { PMA } from "./pma.ts";
import { mergePMA, splitPMAAt } from "./pma_ops.ts";
import { LOCK_EAGER, LOCK_NONE, type VMA } from "./vma.ts";
import {
  accountVMA,
  enoughMemory,
  findUnmappedArea,
  insertVMA,
  isolateVMA,
  mayExpand,
  mergeVMA,
  mlockFutureOK,
  removeVMAs,
} from "./vma_ops.ts";

/** After a move, so many pieces are mapped at their new place at once. */
const MAX_EAGER = 32;

/** What one vma's part of an mremap is about; lengths are page-aligned. */
interface Remap {
  addr: number;
  oldLen: number;
  newLen: number;
  flags: number;
  newAddr: number;
  privileged: boolean;
}

/** See MemoryManager.mremap. The order of the checks is Linux 6.18's. */
export function mremap(
  mm: MemoryManager,
  addr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddr: number,
  privileged: boolean,
): number {
  const r: Remap = { addr, oldLen: pageUp(oldLength), newLen: pageUp(newLength), flags, newAddr, privileged };
  checkParameters(mm, r);
  if ((flags & MREMAP_FIXED) !== 0 && r.oldLen === r.newLen) return moveAll(mm, r);
  const vma = mm.vmas.find(addr);
  if (vma === null) throw linuxerr.EFAULT;
  checkRemap(mm, vma, r);
  const result = implies(flags) ? moveTo(mm, r) : resize(mm, vma, r);
  if (r.newLen > r.oldLen) {
    const v = mm.vmas.find(result);
    if (v !== null && v.lockMode === LOCK_EAGER) populateVMA(mm, v, result + r.oldLen, result + r.newLen);
  }
  return result;
}

/** Whether a new address is certain. */
function implies(flags: number): boolean {
  return (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
}

function checkParameters(mm: MemoryManager, r: Remap): void {
  const max = mm.maxAddr();
  if ((r.flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0) throw linuxerr.EINVAL;
  if (r.addr % PAGE_SIZE !== 0) throw linuxerr.EINVAL;
  if (r.newLen === 0 || r.newLen > max) throw linuxerr.EINVAL;
  if (!implies(r.flags)) return;
  if (r.newAddr > max - r.newLen || r.newAddr % PAGE_SIZE !== 0) throw linuxerr.EINVAL;
  if ((r.flags & MREMAP_MAYMOVE) === 0) throw linuxerr.EINVAL;
  if ((r.flags & MREMAP_DONTUNMAP) !== 0 && r.oldLen !== r.newLen) throw linuxerr.EINVAL;
  // The end of the old range may wrap.
  const oldEnd = (r.addr + r.oldLen) % ULONG_SPAN;
  if (oldEnd > r.newAddr && r.newAddr + r.newLen > r.addr) throw linuxerr.EINVAL;
  if (mm.vmas.count + 2 >= mm.maxMapCount - 3) throw linuxerr.ENOMEM;
}

/** Whether a vma may be resized or moved so. */
function checkRemap(mm: MemoryManager, vma: VMA, r: Remap): void {
  if (r.newLen <= r.oldLen && !implies(r.flags)) return;
  if (r.oldLen === 0 && vma.isPrivate) throw linuxerr.EINVAL;
  if ((r.flags & MREMAP_DONTUNMAP) !== 0 && vma.special) throw linuxerr.EINVAL;
  // A range that shrinks may reach into other mappings: that part is unmapped.
  const oldLen = Math.min(r.oldLen, r.newLen);
  if (oldLen > vma.end - r.addr) throw linuxerr.EFAULT;
  if (r.newLen === oldLen) return;
  if (!Number.isSafeInteger(vma.offsetAt(r.addr) + r.newLen)) throw linuxerr.EINVAL;
  if (vma.special) throw linuxerr.EFAULT;
  const delta = r.newLen - oldLen;
  if (vma.lockMode !== LOCK_NONE && !mlockFutureOK(mm, delta, r.privileged)) throw linuxerr.EAGAIN;
  if (!mayExpand(mm, vma, delta)) throw linuxerr.ENOMEM;
}

/** Moves everything in the range, keeping the holes between mappings (Linux 6.17). */
function moveAll(mm: MemoryManager, r: Remap): number {
  const start = r.addr;
  const end = start + r.oldLen;
  let at = start;
  let target = r.newAddr;
  let lastEnd = -1;
  while (at < end) {
    const v: VMA | null = mm.vmas.lowerBound(at);
    if (v === null || v.start >= end) break;
    if (lastEnd < 0 && v.start > start) throw linuxerr.EFAULT;
    const from = Math.max(at, v.start);
    const length = Math.min(end, v.end) - from;
    if (lastEnd >= 0) target += v.start - lastEnd;
    lastEnd = v.end;
    const part: Remap = { ...r, addr: from, oldLen: length, newLen: length, newAddr: target };
    checkRemap(mm, v, part);
    target = moveTo(mm, part) + length;
    at = from + length;
  }
  if (lastEnd < 0) throw linuxerr.EFAULT;
  return r.newAddr;
}

function resize(mm: MemoryManager, vma: VMA, r: Remap): number {
  const { addr, oldLen, newLen } = r;
  if (newLen === oldLen) return addr;
  if (newLen < oldLen) {
    // Linux unmaps the tail whatever mappings it belongs to.
    if (oldLen > mm.maxAddr() - addr) throw linuxerr.EINVAL;
    removeVMAs(mm, addr + newLen, addr + oldLen);
    return addr;
  }
  const delta = newLen - oldLen;
  if (vma.end - addr === oldLen && canExpand(mm, vma, delta)) {
    if (vma.isPrivate && !enoughMemory(mm, vma.perms, vma.noReserve, delta)) throw linuxerr.ENOMEM;
    const end = vma.end;
    vma.mappable?.addMapping(mm, end, end + delta, vma.offsetAt(end), vma.canWriteMappable());
    mm.vmas.setRange(vma, vma.start, end + delta);
    accountVMA(mm, vma, delta);
    mergeVMA(mm, vma);
    return addr;
  }
  if ((r.flags & MREMAP_MAYMOVE) === 0) throw linuxerr.ENOMEM;
  const to = findUnmappedArea(mm, 0, newLen, false, false);
  return move(mm, vma, addr, oldLen, to, newLen, false);
}

function canExpand(mm: MemoryManager, vma: VMA, delta: number): boolean {
  const end = vma.end + delta;
  return end <= mm.maxAddr() && (vma.next === null || end <= vma.next.start);
}

function moveTo(mm: MemoryManager, r: Remap): number {
  const { addr, newLen } = r;
  let { oldLen } = r;
  const fixed = (r.flags & MREMAP_FIXED) !== 0;
  const dontUnmap = (r.flags & MREMAP_DONTUNMAP) !== 0;
  if (fixed) removeVMAs(mm, r.newAddr, r.newAddr + newLen);
  if (oldLen > newLen) {
    if (oldLen > mm.maxAddr() - addr) throw linuxerr.EINVAL;
    removeVMAs(mm, addr + newLen, addr + oldLen);
    oldLen = newLen;
  }
  // The target may have been a part of the same vma.
  const vma = mm.vmas.find(addr);
  if (vma === null) throw linuxerr.EFAULT;
  if (dontUnmap && !mayExpand(mm, vma, oldLen)) throw linuxerr.ENOMEM;
  const to = findUnmappedArea(mm, r.newAddr, newLen, fixed, false);
  return move(mm, vma, addr, oldLen, to, newLen, dontUnmap);
}

/** Moves [addr, addr+oldLen) of the vma to [to, to+newLen), which is free. */
function move(
  mm: MemoryManager,
  vma: VMA,
  addr: number,
  oldLen: number,
  to: number,
  newLen: number,
  dontUnmap: boolean,
): number {
  if (vma.special) throw linuxerr.EINVAL;
  if (mm.vmas.count >= mm.maxMapCount - 3) throw linuxerr.ENOMEM;
  mm.hostSpace?.restoreCode(addr, addr + oldLen);
  const charge = dontUnmap ? newLen : newLen - oldLen;
  if (vma.isPrivate && !enoughMemory(mm, vma.perms, vma.noReserve, charge)) throw linuxerr.ENOMEM;
  const offset = vma.mappable === null ? 0 : vma.offsetAt(addr);
  const created = vma.copy(to, to + newLen);
  created.offset = offset;
  created.identity?.incRef();
  insertVMA(mm, created);
  beginBatch(mm);
  if (oldLen > 0) movePMAs(mm, addr, oldLen, to);
  endBatch(mm);
  if (dontUnmap) {
    // The old place stays mapped, empty and unlocked.
    const old = mm.vmas.find(addr);
    if (old !== null && old.lockMode !== LOCK_NONE) {
      const part = isolateVMA(mm, old, addr, addr + oldLen);
      mm.lockedVM -= oldLen;
      part.lockMode = LOCK_NONE;
      mergeVMA(mm, part);
    }
  } else if (oldLen > 0) {
    removeVMAs(mm, addr, addr + oldLen);
  }
  mergeVMA(mm, created);
  return to;
}

function movePMAs(mm: MemoryManager, addr: number, length: number, to: number): void {
  const end = addr + length;
  const mapped = anyMapped(mm, addr, end);
  splitPMAAt(mm, addr);
  splitPMAAt(mm, end);
  const moved: PMA[] = [];
  for (let p = mm.pmas.lowerBound(addr); p !== null && p.start < end; p = p.next) moved.push(p);
  if (moved.length === 0) return;
  if (mapped) unmapHost(mm, addr, end);
  for (const p of moved) mm.pmas.remove(p);
  for (const p of moved) {
    p.start += to - addr;
    p.end += to - addr;
    p.mapped = false;
    mm.pmas.insert(p);
  }
  if (mapped && moved.length <= MAX_EAGER) for (const p of moved) mapPMA(mm, p, false);
  const first = moved[0];
  if (first !== undefined) mergePMA(mm, first);
  const last = mm.pmas.upperBound(to + length);
  if (last !== null && last.end > to) mergePMA(mm, last);
}
