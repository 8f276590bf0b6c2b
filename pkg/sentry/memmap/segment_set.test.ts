import { expect, test } from "bun:test";
import { MappingSet, Segment, SegmentSet } from "./index.ts";

class Seg extends Segment<Seg> {}

function randomizer(seed: number): (n: number) => number {
  let x = seed;
  return (n) => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return (x >>> 8) % n;
  };
}

test("random changes and searches agree with brute force", () => {
  const rnd = randomizer(7);
  const set = new SegmentSet<Seg>();
  const size = 400;
  const used = new Uint8Array(size);
  const isFree = (a: number, b: number) => !used.subarray(a, b).includes(1);
  for (let i = 0; i < 6000; i++) {
    const a = rnd(size - 1);
    const n = 1 + rnd(9);
    const b = Math.min(size, a + n);
    switch (rnd(4)) {
      case 0:
        expect(set.isFree(a, b)).toBe(isFree(a, b));
        if (isFree(a, b)) {
          set.insert(new Seg(a, b));
          used.fill(1, a, b);
        } else expect(() => set.insert(new Seg(a, b))).toThrow();
        break;
      case 1: {
        const s = set.find(a);
        expect(s !== null).toBe(used[a] === 1);
        if (s !== null) {
          set.remove(s);
          used.fill(0, s.start, s.end);
        }
        break;
      }
      case 2: {
        const s = set.lowerBound(a);
        if (s === null) break;
        const lo = Math.max(s.prev?.end ?? 0, s.start - rnd(3));
        const hi = Math.min(s.next?.start ?? size, s.end + rnd(3));
        used.fill(0, s.start, s.end);
        set.setRange(s, lo, hi);
        used.fill(1, lo, hi);
        break;
      }
      default: {
        const high = Math.min(size, a + 1 + rnd(300));
        let first = -1;
        let last = -1;
        for (let x = a; x + n <= high; x++) {
          if (!isFree(x, x + n)) continue;
          if (first < 0) first = x;
          last = x;
        }
        expect(set.findFirstGap(a, high, n)).toBe(first);
        expect(set.findLastGap(a, high, n)).toBe(last);
      }
    }
    if (i % 50 === 0) set.check();
  }
});

test("guards keep room below a segment", () => {
  const set = new SegmentSet<Seg>();
  const stack = new Seg(900, 1000);
  stack.guard = 100;
  set.insert(stack);
  expect(set.findLastGap(0, 1000, 50)).toBe(750);
  expect(set.findFirstGap(790, 1000, 20)).toBe(-1);
  expect(set.findFirstGap(780, 1000, 20)).toBe(780);
});

class Space {
  readonly seen: string[] = [];
  invalidate(start: number, end: number, all: boolean): void {
    this.seen.push(`${start}-${end}${all ? "!" : ""}`);
  }
}

test("mapping sets split and invalidate", () => {
  const m = new MappingSet();
  const a = new Space();
  const b = new Space();
  m.addMapping(a, 1000, 1100, 0, true);
  m.addMapping(a, 1100, 1200, 100, true);
  m.addMapping(b, 500, 600, 50, false);
  m.removeMapping(a, 1040, 1060, 40, true);
  expect(m.writableBytes).toBe(180);
  m.invalidate(30, 70, true);
  expect(a.seen.sort()).toEqual(["1030-1040!", "1060-1070!"]);
  expect(b.seen).toEqual(["500-520!"]);
  m.removeMapping(a, 1000, 1200, 0, true);
  m.removeMapping(b, 500, 600, 50, false);
  expect(m.isEmpty()).toBe(true);
});
