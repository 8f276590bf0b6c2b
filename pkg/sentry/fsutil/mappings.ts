import { stateType } from "../../state/index.ts";
import type { Mappable, MappingSpace } from "../memmap/index.ts";

/** One range of an object mapped at one place. */
export class FileMapping {
  static readonly stateType = stateType("fsutil.FileMapping", ["start", "end", "offset", "writable"]);
  /** Guest addresses. */
  start: number;
  end: number;
  /** Offset in the object of `start`. */
  offset: number;
  /** Whether it is a shared mapping that can be written. */
  writable: boolean;

  constructor(start: number, end: number, offset: number, writable: boolean) {
    this.start = start;
    this.end = end;
    this.offset = offset;
    this.writable = writable;
  }
}

/**
 * Where an object is mapped, for objects that must take translations back (truncation, copy-up). Grouped by address space: a
 * library is mapped by many processes, and by each a few times.
 */
export class FileMappings {
  static readonly stateType = stateType("fsutil.FileMappings", ["spaces"]);
  spaces: Map<MappingSpace, FileMapping[]> = new Map();

  /** Notes a mapping (Mappable.addMapping). */
  add(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    const list = this.spaces.get(ms);
    const m = new FileMapping(start, end, offset, writable);
    if (list === undefined) this.spaces.set(ms, [m]);
    else list.push(m);
  }

  /** Forgets a mapping or a part of one (Mappable.removeMapping). */
  remove(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    const list = this.spaces.get(ms);
    if (list === undefined) return;
    for (let i = list.length - 1; i >= 0; i--) {
      const m = list[i];
      if (m === undefined || m.writable !== writable || m.start >= end || m.end <= start) continue;
      if (m.offset - m.start !== offset - start) continue;
      const before = start > m.start;
      const after = end < m.end;
      if (before && after) {
        list.push(new FileMapping(end, m.end, m.offset + (end - m.start), writable));
        m.end = start;
      } else if (before) {
        m.end = start;
      } else if (after) {
        m.offset += end - m.start;
        m.start = end;
      } else {
        const last = list.pop();
        if (last !== undefined && last !== m) list[i] = last;
      }
    }
    if (list.length === 0) this.spaces.delete(ms);
  }

  /** Whether nothing maps the object. */
  isEmpty(): boolean {
    return this.spaces.size === 0;
  }

  /** Drops all translations of the object from `offset` (inclusive) to `limit` (exclusive). */
  invalidate(offset: number, limit: number, invalidatePrivate: boolean): void {
    for (const [ms, list] of this.spaces) {
      for (const m of list) {
        const start = Math.max(offset, m.offset);
        const end = Math.min(limit, m.offset + (m.end - m.start));
        if (start < end) {
          ms.invalidate(m.start + (start - m.offset), m.start + (end - m.offset), invalidatePrivate);
        }
      }
    }
  }

  /** Repeats every mapping on another object, which takes over. */
  moveTo(to: Mappable): void {
    for (const [ms, list] of this.spaces) {
      for (const m of list) to.addMapping(ms, m.start, m.end, m.offset, m.writable);
    }
  }

  /** Takes every mapping away from an object that had them too. */
  removeFrom(from: Mappable): void {
    for (const [ms, list] of this.spaces) {
      for (const m of list) from.removeMapping(ms, m.start, m.end, m.offset, m.writable);
    }
  }
}
