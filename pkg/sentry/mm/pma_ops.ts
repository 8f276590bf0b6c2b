import { AccessWrite } from "../memmap/index.ts";
import { anyMapped, beginBatch, endBatch, protectHost, unmapHost } from "./host_mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import type { PMA } from "./pma.ts";
import type { VMA } from "./vma.ts";

/** Adds a pma that already owns its reference and its perms. */
export function insertPMA(mm: MemoryManager, p: PMA): void {
  mm.pmas.insert(p);
  mm.addRSS(p, p.end - p.start);
}

/** Takes a pma out; its reference is then the caller's. */
export function takePMA(mm: MemoryManager, p: PMA): void {
  mm.pmas.remove(p);
  mm.addRSS(p, p.start - p.end);
}

/** Makes `addr` a border between pmas. */
export function splitPMAAt(mm: MemoryManager, addr: number): void {
  const p = mm.pmas.find(addr);
  if (p === null || p.start === addr) return;
  const second = p.copy(addr, p.end);
  mm.pmas.setRange(p, p.start, addr);
  mm.pmas.insert(second);
}

/** Cuts a pma so that one over exactly [start, end) exists, and returns that. The range lies within p. */
export function isolatePMA(mm: MemoryManager, p: PMA, start: number, end: number): PMA {
  if (p.end > end) splitPMAAt(mm, end);
  if (p.start === start) return p;
  const second = p.copy(start, p.end);
  mm.pmas.setRange(p, p.start, start);
  mm.pmas.insert(second);
  return second;
}

/** Merges a pma with its neighbours where possible; returns the pma that now covers it. */
export function mergePMA(mm: MemoryManager, p: PMA): PMA {
  let at = p;
  const { prev } = at;
  if (prev?.canMerge(at)) {
    mergeInto(mm, prev, at);
    at = prev;
  }
  const { next } = at;
  if (next !== null && at.canMerge(next)) mergeInto(mm, at, next);
  return at;
}

/** The same with the one before it alone. */
export function mergePMABefore(mm: MemoryManager, p: PMA): PMA {
  const { prev } = p;
  if (prev === null || !prev.canMerge(p)) return p;
  mergeInto(mm, prev, p);
  return prev;
}

function mergeInto(mm: MemoryManager, a: PMA, b: PMA): void {
  const end = b.end;
  mm.pmas.remove(b);
  mm.pmas.setRange(a, a.start, end);
  a.committed &&= b.committed;
  // The two may lie in different host mappings of the file.
  a.hostBase = 0;
}

/** Forgets what backs [start, end) in the guest and drops the references, after the host mapping is gone. */
export function dropPMAs(mm: MemoryManager, start: number, end: number): void {
  let p = mm.pmas.lowerBound(start);
  if (p === null || p.start >= end) return;
  if (anyMapped(mm, start, end)) unmapHost(mm, start, end);
  if (p.start < start) {
    // Only its end goes.
    if (p.end > end) splitPMAAt(mm, end);
    const bytes = p.end - start;
    mm.pmas.setRange(p, p.start, start);
    mm.addRSS(p, -bytes);
    p.file.decRef(p.offset + (start - p.start), bytes);
    p = p.next;
  }
  while (p !== null && p.start < end) {
    if (p.end > end) splitPMAAt(mm, end);
    const next: PMA | null = p.next;
    takePMA(mm, p);
    p.file.decRef(p.offset, p.end - p.start);
    p = next;
  }
}

/** Drops the pmas of [start, end) that show the mapped object itself (and, with `all`, private copies too). */
export function invalidatePMAs(mm: MemoryManager, start: number, end: number, all: boolean): void {
  if (all) mm.hostSpace?.forgetCode(start, end);
  let p = mm.pmas.lowerBound(start);
  while (p !== null && p.start < end) {
    let next: PMA | null = p.next;
    if (all || !p.isPrivate) {
      const lo = Math.max(start, p.start);
      const hi = Math.min(end, p.end);
      const q = isolatePMA(mm, p, lo, hi);
      next = q.next;
      if (q.mapped) unmapHost(mm, lo, hi);
      takePMA(mm, q);
      q.file.decRef(q.offset, hi - lo);
    }
    p = next;
  }
}

/** Access a pma gives under a vma without a fault. */
export function pmaPerms(p: PMA, v: VMA): number {
  const perms = p.translatePerms & v.effective;
  return p.needCOW ? perms & ~AccessWrite : perms;
}

/** After the protection of a vma changed: brings its pmas and the host mapping up to date. The pmas' borders are the vma's. */
export function reprotectPMAs(mm: MemoryManager, v: VMA): void {
  let runStart = 0;
  let runEnd = 0;
  let runPerms = 0;
  let batched = false;
  for (let p = mm.pmas.lowerBound(v.start); p !== null && p.start < v.end; p = p.next) {
    const perms = pmaPerms(p, v);
    if (perms === p.perms) continue;
    p.perms = perms;
    if (!p.mapped) continue;
    if (p.start === runEnd && perms === runPerms) {
      runEnd = p.end;
      continue;
    }
    if (runEnd !== 0) {
      if (!batched) beginBatch(mm);
      batched = true;
      protectHost(mm, runStart, runEnd, runPerms);
    }
    runStart = p.start;
    runEnd = p.end;
    runPerms = perms;
  }
  if (runEnd !== 0) protectHost(mm, runStart, runEnd, runPerms);
  if (batched) endBatch(mm);
}
