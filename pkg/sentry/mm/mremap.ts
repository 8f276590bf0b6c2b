import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE, PAGE_SIZE } from "../../abi/linux/mm.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { pageUp } from "./address.ts";
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

/** See MemoryManager.mremap. */
export function mremap(
  mm: MemoryManager,
  addr: number,
  oldLength: number,
  newLength: number,
  flags: number,
  newAddr: number,
  privileged: boolean,
): number {
  const implies = (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
  if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0) throw linuxerr.EINVAL;
  if (addr % PAGE_SIZE !== 0) throw linuxerr.EINVAL;
  const oldLen = pageUp(oldLength);
  const newLen = pageUp(newLength);
  if (newLen === 0 || newLen >= 18446744073709551616) throw linuxerr.EINVAL;
  if (implies) {
    if (newAddr % PAGE_SIZE !== 0) throw linuxerr.EINVAL;
    if ((flags & MREMAP_MAYMOVE) === 0) throw linuxerr.EINVAL;
    if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLength !== newLength) throw linuxerr.EINVAL;
    if (mm.vmas.count + 2 >= mm.maxMapCount - 3) throw linuxerr.ENOMEM;
  }
  const vma = mm.vmas.find(addr);
  if (vma === null) throw linuxerr.EFAULT;
  const result = implies
    ? moveTo(mm, vma, addr, oldLen, newLen, flags, newAddr, privileged)
    : resize(mm, vma, addr, oldLen, newLen, flags, privileged);
  if (newLen > oldLen) {
    const v = mm.vmas.find(result);
    if (v !== null && v.lockMode === LOCK_EAGER) populateVMA(mm, v, result + oldLen, result + newLen);
  }
  return result;
}

/** Whether [addr, addr+oldLen) of the vma may become newLen long. */
function checkRemap(
  mm: MemoryManager,
  vma: VMA,
  addr: number,
  oldLen: number,
  newLen: number,
  flags: number,
  privileged: boolean,
): void {
  if (oldLen === 0 && vma.isPrivate) throw linuxerr.EINVAL;
  if ((flags & MREMAP_DONTUNMAP) !== 0 && vma.special) throw linuxerr.EINVAL;
  if (oldLen > vma.end - addr) throw linuxerr.EFAULT;
  if (newLen === oldLen) return;
  if (!Number.isSafeInteger(vma.offsetAt(addr) + newLen)) throw linuxerr.EINVAL;
  if (vma.special) throw linuxerr.EFAULT;
  const delta = Math.abs(newLen - oldLen);
  if (vma.lockMode !== LOCK_NONE && !mlockFutureOK(mm, delta, privileged)) throw linuxerr.EAGAIN;
  if (!mayExpand(mm, vma, delta)) throw linuxerr.ENOMEM;
}

function resize(
  mm: MemoryManager,
  vma: VMA,
  addr: number,
  oldLen: number,
  newLen: number,
  flags: number,
  privileged: boolean,
): number {
  if (newLen === oldLen) return addr;
  if (newLen < oldLen) {
    // Linux unmaps the tail whatever mappings it belongs to.
    if (oldLen > mm.maxAddr() - addr) throw linuxerr.EINVAL;
    removeVMAs(mm, addr + newLen, addr + oldLen);
    return addr;
  }
  checkRemap(mm, vma, addr, oldLen, newLen, flags, privileged);
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
  if ((flags & MREMAP_MAYMOVE) === 0) throw linuxerr.ENOMEM;
  const to = findUnmappedArea(mm, 0, newLen, false, false);
  return move(mm, vma, addr, oldLen, to, newLen, false);
}

function canExpand(mm: MemoryManager, vma: VMA, delta: number): boolean {
  const end = vma.end + delta;
  return end <= mm.maxAddr() && (vma.next === null || end <= vma.next.start);
}

function moveTo(
  mm: MemoryManager,
  first: VMA,
  addr: number,
  oldLength: number,
  newLen: number,
  flags: number,
  newAddr: number,
  privileged: boolean,
): number {
  const max = mm.maxAddr();
  const fixed = (flags & MREMAP_FIXED) !== 0;
  const dontUnmap = (flags & MREMAP_DONTUNMAP) !== 0;
  let vma = first;
  let oldLen = oldLength;
  if (newLen > max || newAddr > max - newLen) throw linuxerr.EINVAL;
  if (addr + oldLen > newAddr && newAddr + newLen > addr) throw linuxerr.EINVAL;
  if (fixed) {
    if (newAddr < mm.minAddr()) throw linuxerr.EPERM;
    removeVMAs(mm, newAddr, newAddr + newLen);
    const again = mm.vmas.find(addr);
    if (again === null) throw linuxerr.EFAULT;
    vma = again;
  }
  if (oldLen > newLen) {
    if (oldLen > max - addr) throw linuxerr.EINVAL;
    removeVMAs(mm, addr + newLen, addr + oldLen);
    const again = mm.vmas.find(addr);
    if (again === null) throw linuxerr.EFAULT;
    vma = again;
    oldLen = newLen;
  }
  checkRemap(mm, vma, addr, oldLen, newLen, flags, privileged);
  if (dontUnmap && !mayExpand(mm, vma, oldLen)) throw linuxerr.ENOMEM;
  const to = findUnmappedArea(mm, newAddr, newLen, fixed, false);
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
    const old = isolateVMA(mm, vma, addr, addr + oldLen);
    if (old.lockMode !== LOCK_NONE) {
      mm.lockedVM -= old.end - old.start;
      old.lockMode = LOCK_NONE;
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
