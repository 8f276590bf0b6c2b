import { stateType } from "../../state/index.ts";
import { type File, Segment } from "../memmap/index.ts";

/**
 * A piece of memory behind guest addresses: what backs [start, end) now. Owned by one MemoryManager; holds a reference on its
 * range of `file`.
 */
export class PMA extends Segment<PMA> {
  static override readonly stateType = stateType(
    "mm.PMA",
    ["file", "offset", "translatePerms", "perms", "needCOW", "isPrivate"],
    ["mapped", "committed", "hostBase"],
  );
  file: File;
  /** Offset in file of `start`. */
  offset: number;
  /** Access the backing allows. */
  translatePerms: number;
  /** Access that needs no fault: translatePerms and the vma's, without write while needCOW. */
  perms = 0;
  /** The memory is shared with others and must be copied before a store. */
  needCOW = false;
  /** The memory is this address space's own (anonymous, or copied), not the mapped object's. */
  isPrivate: boolean;
  /** All of it is mapped in the host address space with `perms`. */
  mapped = false;
  /** The host holds memory for all of it, as far as we know: mapping it completely costs none. */
  committed = false;
  /** Sentry address of `start` when the whole range is contiguous there; 0: not known. */
  hostBase = 0;

  constructor(start: number, end: number, file: File, offset: number, translatePerms: number, isPrivate: boolean) {
    super(start, end);
    this.file = file;
    this.offset = offset;
    this.translatePerms = translatePerms;
    this.isPrivate = isPrivate;
  }

  afterLoad(): void {
    this.mapped = false;
    this.committed = false;
    this.hostBase = 0;
  }

  /** Whether `next`, which starts where this one ends, continues it in every respect. */
  canMerge(next: PMA): boolean {
    return (
      this.end === next.start &&
      this.file === next.file &&
      this.offset + (this.end - this.start) === next.offset &&
      this.perms === next.perms &&
      this.translatePerms === next.translatePerms &&
      this.needCOW === next.needCOW &&
      this.isPrivate === next.isPrivate &&
      this.mapped === next.mapped
    );
  }

  /** A copy over the sub-range [start, end), not in any set and without a reference of its own. */
  copy(start: number, end: number): PMA {
    const p = new PMA(start, end, this.file, this.offset + (start - this.start), this.translatePerms, this.isPrivate);
    p.perms = this.perms;
    p.needCOW = this.needCOW;
    p.mapped = this.mapped;
    p.committed = this.committed;
    if (this.hostBase !== 0) p.hostBase = this.hostBase + (start - this.start);
    return p;
  }

  /** Sentry address of an address in this pma; good for hostLength(addr) bytes. */
  hostAddress(addr: number): number {
    if (this.hostBase !== 0) return this.hostBase + (addr - this.start);
    const base = this.file.mapInternal(this.offset);
    if (this.file.mappedLength(this.offset) >= this.end - this.start) {
      this.hostBase = base;
      return base + (addr - this.start);
    }
    return this.file.mapInternal(this.offset + (addr - this.start));
  }

  /** Contiguous bytes behind hostAddress(addr), at most to the end of the pma. Call after hostAddress. */
  hostLength(addr: number): number {
    const room = this.end - addr;
    if (this.hostBase !== 0) return room;
    return Math.min(room, this.file.mappedLength(this.offset + (addr - this.start)));
  }
}
