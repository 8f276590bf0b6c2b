import { stateType } from "../../state/index.ts";
import type { MappingSpace } from "./index.ts";

/** One mapped range of one address space: addresses [start, end) show the object from `offset` on. */
export class MappingEntry {
  static readonly stateType = stateType("memmap.MappingEntry", ["start", "end", "offset", "writable"]);
  start: number;
  end: number;
  offset: number;
  writable: boolean;

  constructor(start: number, end: number, offset: number, writable: boolean) {
    this.start = start;
    this.end = end;
    this.offset = offset;
    this.writable = writable;
  }
}

/**
 * Who maps which range of an object: the implementation of Mappable.addMapping and removeMapping for everything that can be
 * truncated or punched. Addresses within one space never overlap.
 */
export class MappingSet {
  static readonly stateType = stateType("memmap.MappingSet", ["spaces", "writableBytes"]);
  readonly spaces: Map<MappingSpace, MappingEntry[]> = new Map();
  /** Bytes of mappings that were added as writable (F_SEAL_WRITE asks). */
  writableBytes = 0;

  /** Whether nobody maps the object. */
  isEmpty(): boolean {
    return this.spaces.size === 0;
  }

  /** See Mappable.addMapping. */
  addMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    if (writable) this.writableBytes += end - start;
    let list = this.spaces.get(ms);
    if (list === undefined) {
      list = [];
      this.spaces.set(ms, list);
    } else {
      // Growing a mapping at its end is common (stacks of fixed mappings, mremap): no second entry then.
      const last = list[list.length - 1];
      if (last !== undefined && last.end === start && last.writable === writable) {
        if (last.offset + (last.end - last.start) === offset) {
          last.end = end;
          return;
        }
      }
    }
    list.push(new MappingEntry(start, end, offset, writable));
  }

  /** See Mappable.removeMapping. */
  removeMapping(ms: MappingSpace, start: number, end: number, _offset: number, writable: boolean): void {
    if (writable) this.writableBytes -= end - start;
    const list = this.spaces.get(ms);
    if (list === undefined) return;
    for (let i = list.length - 1; i >= 0; i--) {
      const e = list[i];
      if (e === undefined || e.end <= start || e.start >= end) continue;
      if (e.start < start && e.end > end) {
        list.push(new MappingEntry(end, e.end, e.offset + (end - e.start), e.writable));
        e.end = start;
      } else if (e.start < start) {
        e.end = start;
      } else if (e.end > end) {
        e.offset += end - e.start;
        e.start = end;
      } else {
        const last = list.pop();
        if (last !== undefined && last !== e) list[i] = last;
      }
    }
    if (list.length === 0) this.spaces.delete(ms);
  }

  /**
   * Makes every space drop its translations of [start, end) of the object. With invalidatePrivate private copies go too
   * (truncation does that, hole punching and eviction do not).
   */
  invalidate(start: number, end: number, invalidatePrivate: boolean): void {
    for (const [ms, list] of this.spaces) {
      // A copy: an implementation may not change its mappings here, but reading a list that moves would be worse than the copy.
      for (const e of list.slice()) {
        const lo = Math.max(start, e.offset);
        const hi = Math.min(end, e.offset + (e.end - e.start));
        if (lo < hi) ms.invalidate(e.start + (lo - e.offset), e.start + (hi - e.offset), invalidatePrivate);
      }
    }
  }
}
