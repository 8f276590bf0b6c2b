import { stateType } from "../../state/index.ts";
import { AccessExec, AccessRead, AccessWrite, type Mappable, type MappingIdentity, Segment } from "../memmap/index.ts";

/** Not locked. */
export const LOCK_NONE = 0;
/** mlock(2): pages are brought in at once. */
export const LOCK_EAGER = 1;
/** MLOCK_ONFAULT: pages stay once they were touched. */
export const LOCK_ONFAULT = 2;
/** One of the LOCK constants. */
export type LockMode = 0 | 1 | 2;

/** The access that protection bits give on x86-64: whatever may be written or executed may be read. */
export function effectivePerms(perms: number): number {
  return (perms & (AccessWrite | AccessExec)) !== 0 ? perms | AccessRead : perms;
}

/** A virtual memory area: what the guest asked for. Owned by one MemoryManager; holds a reference on its identity. */
export class VMA extends Segment<VMA> {
  static override readonly stateType = stateType("mm.VMA", [
    "mappable",
    "offset",
    "perms",
    "effective",
    "maxPerms",
    "isPrivate",
    "growsDown",
    "dontFork",
    "wipeOnFork",
    "dontDump",
    "noReserve",
    "special",
    "lockMode",
    "advice",
    "memoryPolicy",
    "identity",
    "hint",
    "anonName",
    "copies",
  ]);
  /** null: anonymous private memory. */
  mappable: Mappable | null = null;
  /** Offset in mappable of `start`. */
  offset = 0;
  /** Protection as asked for. */
  perms = 0;
  /** effectivePerms(perms). */
  effective = 0;
  /** What mprotect may give. */
  maxPerms = 0;
  isPrivate = true;
  growsDown = false;
  dontFork = false;
  wipeOnFork = false;
  dontDump = false;
  noReserve = false;
  /** Pages of the platform ([vvar], [vdso]) that are in every host address space: no pmas, never faulted in. */
  special = false;
  lockMode: LockMode = LOCK_NONE;
  /** MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_HUGEPAGE... as bits 1 << advice; shown in smaps only. */
  advice = 0;
  /** mbind(2), as the system call encodes it; 0: none. */
  memoryPolicy = 0;
  identity: MappingIdentity | null = null;
  /** "[heap]", "[stack]", "[vdso]" ... for /proc. */
  hint = "";
  /** PR_SET_VMA_ANON_NAME, or null. */
  anonName: string | null = null;
  /** How often a store had pieces of a file copied. */
  copies = 0;

  /** Sets the protection bits. */
  setPerms(perms: number): void {
    this.perms = perms;
    this.effective = effectivePerms(perms);
  }

  /** Whether stores through this mapping reach the object. */
  canWriteMappable(): boolean {
    return !this.isPrivate && (this.maxPerms & AccessWrite) !== 0;
  }

  /** Offset in the object of an address of this vma. */
  offsetAt(addr: number): number {
    return this.offset + (addr - this.start);
  }

  /** A copy with the same attributes over [start, end), not in any set. The reference on the identity is the caller's business. */
  copy(start: number, end: number): VMA {
    const v = new VMA(start, end);
    v.mappable = this.mappable;
    v.offset = this.mappable === null ? 0 : this.offset + (start - this.start);
    v.perms = this.perms;
    v.effective = this.effective;
    v.maxPerms = this.maxPerms;
    v.isPrivate = this.isPrivate;
    v.growsDown = this.growsDown;
    v.guard = this.guard;
    v.dontFork = this.dontFork;
    v.wipeOnFork = this.wipeOnFork;
    v.dontDump = this.dontDump;
    v.noReserve = this.noReserve;
    v.special = this.special;
    v.lockMode = this.lockMode;
    v.advice = this.advice;
    v.memoryPolicy = this.memoryPolicy;
    v.identity = this.identity;
    v.hint = this.hint;
    v.anonName = this.anonName;
    return v;
  }

  /** Whether it is what brk(2) maps, and nothing was changed about it since: what brk(2) adds is the same. */
  isPlainHeap(lockMode: LockMode): boolean {
    return (
      this.hint === "[heap]" &&
      this.mappable === null &&
      this.perms === (AccessRead | AccessWrite) &&
      this.maxPerms === 7 &&
      this.isPrivate &&
      !this.growsDown &&
      !this.dontFork &&
      !this.wipeOnFork &&
      !this.dontDump &&
      !this.noReserve &&
      !this.special &&
      this.lockMode === lockMode &&
      this.advice === 0 &&
      this.memoryPolicy === 0 &&
      this.identity === null &&
      this.anonName === null
    );
  }

  /** Whether `next`, which starts where this one ends, has the same attributes. */
  canMerge(next: VMA): boolean {
    return (
      this.end === next.start &&
      this.mappable === next.mappable &&
      (this.mappable === null || this.offset + (this.end - this.start) === next.offset) &&
      this.perms === next.perms &&
      this.maxPerms === next.maxPerms &&
      this.isPrivate === next.isPrivate &&
      this.growsDown === next.growsDown &&
      this.dontFork === next.dontFork &&
      this.wipeOnFork === next.wipeOnFork &&
      this.dontDump === next.dontDump &&
      this.noReserve === next.noReserve &&
      !this.special &&
      !next.special &&
      this.lockMode === next.lockMode &&
      this.advice === next.advice &&
      this.memoryPolicy === next.memoryPolicy &&
      this.identity === next.identity &&
      this.hint === next.hint &&
      this.anonName === next.anonName
    );
  }
}
