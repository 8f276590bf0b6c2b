import { stateType } from "../../state/index.ts";

/**
 * A range [start, end) that is a member of a SegmentSet. `class VMA extends Segment<VMA>`. Only the set writes
 * these fields while the segment is a member.
 */
export class Segment<S extends Segment<S>> {
  static readonly stateType = stateType("memmap.Segment", [
    "start",
    "end",
    "guard",
    "prev",
    "next",
    "parent",
    "left",
    "right",
    "priority",
    "gap",
    "maxGap",
  ]);
  start: number;
  end: number;
  /** Bytes below `start` that gap searches leave free (the guard gap of a growable stack). */
  guard = 0;
  /** Neighbours in order of address. */
  prev: S | null = null;
  next: S | null = null;
  parent: S | null = null;
  left: S | null = null;
  right: S | null = null;
  priority = 0;
  /** Free bytes between the previous segment (or 0) and this one; and the largest such number in this subtree. */
  gap = 0;
  maxGap = 0;

  constructor(start: number, end: number) {
    this.start = start;
    this.end = end;
  }

  /** Bytes covered. */
  length(): number {
    return this.end - this.start;
  }
}

/**
 * Disjoint segments in order of address: a treap whose nodes are the segments, threaded as a list, knowing the largest free
 * gap of every subtree. Lookups, changes and searches for free room take O(log n).
 */
export class SegmentSet<S extends Segment<S>> {
  static readonly stateType = stateType("memmap.SegmentSet", ["root", "head", "tail", "count", "seed"], ["cache"]);
  root: S | null = null;
  head: S | null = null;
  tail: S | null = null;
  count = 0;
  seed = (Math.random() * 4294967296) | 1;
  /** The segment found last. */
  cache: S | null = null;

  afterLoad(): void {
    this.cache = null;
  }

  /** The segment that contains the address. */
  find(addr: number): S | null {
    const c = this.cache;
    if (c !== null && addr >= c.start && addr < c.end) return c;
    let n = this.root;
    while (n !== null) {
      if (addr < n.start) n = n.left;
      else if (addr >= n.end) n = n.right;
      else {
        this.cache = n;
        return n;
      }
    }
    return null;
  }

  /** The first segment that ends above the address: the one that contains it, or else the next one. */
  lowerBound(addr: number): S | null {
    const c = this.cache;
    if (c !== null && addr >= c.start && addr < c.end) return c;
    let n = this.root;
    let best: S | null = null;
    while (n !== null) {
      if (n.end > addr) {
        best = n;
        if (n.start <= addr) return n;
        n = n.left;
      } else n = n.right;
    }
    return best;
  }

  /** The last segment that starts below the address. */
  upperBound(addr: number): S | null {
    let n = this.root;
    let best: S | null = null;
    while (n !== null) {
      if (n.start < addr) {
        best = n;
        n = n.right;
      } else n = n.left;
    }
    return best;
  }

  /** Whether no segment touches [start, end). */
  isFree(start: number, end: number): boolean {
    const s = this.lowerBound(start);
    return s === null || s.start >= end;
  }

  /** Adds a segment whose range is free. */
  insert(s: S): void {
    if (this.tail !== null && s.start >= this.tail.end && s.start < s.end) {
      this.append(s, this.tail);
      return;
    }
    let parent: S | null = null;
    let n = this.root;
    let prev: S | null = null;
    let next: S | null = null;
    while (n !== null) {
      parent = n;
      if (s.start < n.start) {
        next = n;
        n = n.left;
      } else {
        prev = n;
        n = n.right;
      }
    }
    if (s.start >= s.end || (prev !== null && prev.end > s.start) || (next !== null && next.start < s.end)) {
      throw new Error("memmap: segment is empty or overlaps another");
    }
    s.prev = prev;
    s.next = next;
    if (prev === null) this.head = s;
    else prev.next = s;
    if (next === null) this.tail = s;
    else next.prev = s;
    s.parent = parent;
    s.left = null;
    s.right = null;
    s.priority = this.random();
    s.gap = s.start - (prev === null ? 0 : prev.end);
    s.maxGap = s.gap;
    if (parent === null) this.root = s;
    else if (next === parent) parent.left = s;
    else parent.right = s;
    this.count++;
    for (let p = s.parent; p !== null && p.priority < s.priority; p = s.parent) this.rotateUp(s, p);
    this.refreshUp(s.parent);
    if (next !== null) this.setGap(next, next.start - s.end);
  }

  /** Adds a segment behind the last one: constant time on the average, for copies of whole sets. */
  append(s: S, last: S): void {
    s.priority = this.random();
    s.prev = last;
    s.next = null;
    last.next = s;
    this.tail = s;
    s.gap = s.start - last.end;
    // The last segment ends the right spine: what is lighter there goes below the new one.
    let below: S | null = null;
    let p: S | null = last;
    while (p !== null && p.priority < s.priority) {
      below = p;
      p = p.parent;
    }
    s.left = below;
    s.right = null;
    s.parent = p;
    if (below !== null) below.parent = s;
    if (p === null) this.root = s;
    else p.right = s;
    s.maxGap = below === null ? s.gap : Math.max(s.gap, below.maxGap);
    this.count++;
    this.refreshUp(p);
  }

  /** Removes a member. Its start and end stay as they are. */
  remove(s: S): void {
    for (;;) {
      const l = s.left;
      const r = s.right;
      if (l === null && r === null) break;
      if (l === null) this.rotateUp(r as S, s);
      else if (r === null || l.priority > r.priority) this.rotateUp(l, s);
      else this.rotateUp(r, s);
    }
    const p = s.parent;
    if (p === null) this.root = null;
    else if (p.left === s) p.left = null;
    else p.right = null;
    s.parent = null;
    this.refreshUp(p);
    const { prev, next } = s;
    if (prev === null) this.head = next;
    else prev.next = next;
    if (next === null) this.tail = prev;
    else next.prev = prev;
    s.prev = null;
    s.next = null;
    this.count--;
    if (this.cache === s) this.cache = null;
    if (next !== null) this.setGap(next, next.start - (prev === null ? 0 : prev.end));
  }

  /** Moves the borders of a member; the order must not change. */
  setRange(s: S, start: number, end: number): void {
    const floor = s.prev === null ? 0 : s.prev.end;
    if (start >= end || start < floor || (s.next !== null && end > s.next.start)) {
      throw new Error("memmap: segment is empty or overlaps another");
    }
    s.start = start;
    s.end = end;
    this.setGap(s, start - floor);
    if (s.next !== null) this.setGap(s.next, s.next.start - end);
  }

  /** Removes all members. */
  clear(): void {
    this.root = null;
    this.head = null;
    this.tail = null;
    this.cache = null;
    this.count = 0;
  }

  /** The lowest address in [low, high) with `size` free bytes behind it, or -1. */
  findFirstGap(low: number, high: number, size: number): number {
    let s = this.lowerBound(low);
    while (s !== null) {
      const from = Math.max(s.prev === null ? 0 : s.prev.end, low);
      if (from + size > high) return -1;
      if (from + size <= s.start - s.guard) return from;
      s = this.nextWithGap(s, size);
    }
    const from = Math.max(this.tail === null ? 0 : this.tail.end, low);
    return from + size <= high ? from : -1;
  }

  /** The highest address in [low, high) with `size` free bytes behind it, below high, or -1. */
  findLastGap(low: number, high: number, size: number): number {
    const above = this.lowerBound(high - 1);
    // The gap that reaches up to `high`: below the first segment at or above it.
    let top = high;
    let floor: number;
    let s: S | null;
    if (above === null) {
      floor = this.tail === null ? 0 : this.tail.end;
    } else {
      top = Math.min(high, above.start - above.guard);
      floor = above.prev === null ? 0 : above.prev.end;
    }
    if (top - size >= Math.max(floor, low)) return top - size;
    s = above === null ? this.lastWithGap(this.root, size) : this.prevWithGap(above, size);
    while (s !== null) {
      top = Math.min(high, s.start - s.guard);
      if (top - size < low) return -1;
      floor = s.prev === null ? 0 : s.prev.end;
      if (top - size >= floor) return top - size;
      s = this.prevWithGap(s, size);
    }
    return -1;
  }

  /** The first segment after s with `size` free bytes below it. */
  nextWithGap(s: S, size: number): S | null {
    let n: S = s;
    if (n.right !== null && n.right.maxGap >= size) return this.firstWithGap(n.right, size);
    for (let p = n.parent; p !== null; p = n.parent) {
      if (p.left === n) {
        if (p.gap >= size) return p;
        if (p.right !== null && p.right.maxGap >= size) return this.firstWithGap(p.right, size);
      }
      n = p;
    }
    return null;
  }

  /** The last segment before s with `size` free bytes below it. */
  prevWithGap(s: S, size: number): S | null {
    let n: S = s;
    if (n.left !== null && n.left.maxGap >= size) return this.lastWithGap(n.left, size);
    for (let p = n.parent; p !== null; p = n.parent) {
      if (p.right === n) {
        if (p.gap >= size) return p;
        if (p.left !== null && p.left.maxGap >= size) return this.lastWithGap(p.left, size);
      }
      n = p;
    }
    return null;
  }

  firstWithGap(from: S | null, size: number): S | null {
    let n = from;
    while (n !== null && n.maxGap >= size) {
      if (n.left !== null && n.left.maxGap >= size) n = n.left;
      else if (n.gap >= size) return n;
      else n = n.right;
    }
    return null;
  }

  lastWithGap(from: S | null, size: number): S | null {
    let n = from;
    while (n !== null && n.maxGap >= size) {
      if (n.right !== null && n.right.maxGap >= size) n = n.right;
      else if (n.gap >= size) return n;
      else n = n.left;
    }
    return null;
  }

  /** Checks every invariant; for tests. */
  check(): void {
    let n = 0;
    let prev: S | null = null;
    for (let s = this.head; s !== null; s = s.next) {
      if (s.prev !== prev || (prev !== null && prev.end > s.start) || s.start >= s.end) throw new Error("order");
      if (s.gap !== s.start - (prev === null ? 0 : prev.end)) throw new Error("gap");
      const max = Math.max(s.gap, s.left?.maxGap ?? 0, s.right?.maxGap ?? 0);
      if (s.maxGap !== max) throw new Error("maxGap");
      if (s.parent === null ? this.root !== s : s.parent.left !== s && s.parent.right !== s) throw new Error("parent");
      if (s.parent !== null && s.parent.priority < s.priority) throw new Error("heap order");
      prev = s;
      n++;
    }
    if (this.tail !== prev || n !== this.count) throw new Error("count");
  }

  random(): number {
    let x = this.seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.seed = x;
    return x;
  }

  refresh(n: S): boolean {
    let m = n.gap;
    if (n.left !== null && n.left.maxGap > m) m = n.left.maxGap;
    if (n.right !== null && n.right.maxGap > m) m = n.right.maxGap;
    if (n.maxGap === m) return false;
    n.maxGap = m;
    return true;
  }

  refreshUp(from: S | null): void {
    for (let n = from; n !== null && this.refresh(n); n = n.parent);
  }

  setGap(s: S, gap: number): void {
    if (s.gap === gap) return;
    s.gap = gap;
    this.refreshUp(s);
  }

  /** Rotates child c above its parent p. */
  rotateUp(c: S, p: S): void {
    const g = p.parent;
    if (p.left === c) {
      p.left = c.right;
      if (c.right !== null) c.right.parent = p;
      c.right = p;
    } else {
      p.right = c.left;
      if (c.left !== null) c.left.parent = p;
      c.left = p;
    }
    p.parent = c;
    c.parent = g;
    if (g === null) this.root = c;
    else if (g.left === p) g.left = c;
    else g.right = c;
    this.refresh(p);
    this.refresh(c);
  }
}
