import { LinuxError } from "../../errors/linuxerr/index.ts";
import type { AddressSpace } from "../platform/platform.ts";
import type { MemoryManager } from "./memory_manager.ts";
import type { PMA } from "./pma.ts";

/**
 * The host mapping of a guest address space is a cache of its pmas. These functions change it; when the host has no room for another
 * mapping they drop all of it, and what is touched faults in again.
 */

/** Drops every host mapping of pmas; the platform's own pages stay. */
export function dropHostMappings(mm: MemoryManager, as: AddressSpace): void {
  const { minUserAddress: min, maxUserAddress: max, vdso } = mm.platform;
  if (vdso === null || vdso.vvarStart >= max) {
    as.unmap(min, max - min);
  } else {
    as.unmap(min, vdso.vvarStart - min);
    if (vdso.end < max) as.unmap(vdso.end, max - vdso.end);
  }
  for (let p = mm.pmas.head; p !== null; p = p.next) p.mapped = false;
}

/**
 * Maps a whole pma in the host address space, replacing what is there. Returns false when the host cannot: then nothing is mapped in its
 * range.
 */
export function mapPMA(mm: MemoryManager, p: PMA, precommit: boolean): boolean {
  const as = mm.hostSpace;
  if (as === null || p.perms === 0) return false;
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      as.mapFile(p.start, p.file, p.offset, p.end - p.start, p.perms, precommit);
      p.mapped = true;
      return true;
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
      dropHostMappings(mm, as);
    }
  }
  return false;
}

/** Unmaps a range; done when it returns. A guest may name more than it can have mapped: munmap(0, everything). */
export function unmapHost(mm: MemoryManager, start: number, end: number): void {
  const as = mm.hostSpace;
  if (as === null) return;
  const first = Math.max(start, mm.platform.minUserAddress);
  const last = Math.min(end, mm.platform.maxUserAddress);
  if (first >= last) return;
  try {
    as.unmap(first, last - first);
  } catch (e) {
    // Unmapping the middle of a host mapping splits it, which may exceed the host's limit.
    if (!(e instanceof LinuxError)) throw e;
    dropHostMappings(mm, as);
  }
}

/** Changes access of a range that is mapped without holes; done when it returns. */
export function protectHost(mm: MemoryManager, start: number, end: number, perms: number): void {
  const as = mm.hostSpace;
  if (as === null) return;
  try {
    as.protect(start, end - start, perms);
  } catch (e) {
    if (!(e instanceof LinuxError)) throw e;
    dropHostMappings(mm, as);
  }
}

/** Starts a batch of the calls above. */
export function beginBatch(mm: MemoryManager): void {
  mm.hostSpace?.beginBatch();
}

/** Ends it; from here on its effects are there. With `later` they may come with the next change, or when a guest's fault asks for them. */
export function endBatch(mm: MemoryManager, later = false): void {
  const as = mm.hostSpace;
  if (as === null) return;
  try {
    as.endBatch(later);
  } catch (e) {
    if (!(e instanceof LinuxError)) throw e;
    dropHostMappings(mm, as);
  }
}

/** Whether any pma in the range is mapped in the host. */
export function anyMapped(mm: MemoryManager, start: number, end: number): boolean {
  for (let p = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) if (p.mapped) return true;
  return false;
}
