import { expect, test } from "bun:test";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { KIND_ANONYMOUS, KIND_TMPFS, MemoryFile } from "./index.ts";

host.safeInstall();
const PAGE = 4096;

function fill(f: MemoryFile, offset: number, length: number, value: number): void {
  const b = new Uint8Array(length).fill(value);
  expect(host.copyToHost(f.mapInternal(offset), b, 0, length)).toBe(0);
}

function isZero(f: MemoryFile, offset: number, length: number): boolean {
  const b = new Uint8Array(length);
  expect(host.copyFromHost(b, 0, f.mapInternal(offset), length)).toBe(0);
  return b.every((x) => x === 0);
}

test("memory is zero whenever it is allocated, counted by kind", () => {
  const f = new MemoryFile();
  const a = f.allocate(16 * PAGE, KIND_ANONYMOUS);
  const b = f.allocate(64 * PAGE, KIND_TMPFS);
  fill(f, a, 16 * PAGE, 1);
  fill(f, b, 64 * PAGE, 2);
  expect(f.usage[KIND_ANONYMOUS]).toBe(16 * PAGE);
  expect(f.usage[KIND_TMPFS]).toBe(64 * PAGE);
  f.incRef(a + PAGE, 2 * PAGE);
  f.decRef(a, 16 * PAGE);
  expect(f.usedBytes).toBe(66 * PAGE);
  expect(f.refsAt(a)).toBe(0);
  expect(f.refsAt(a + PAGE)).toBe(1);
  f.decRef(b, 64 * PAGE);
  const c = f.allocate(70 * PAGE, KIND_ANONYMOUS);
  expect(isZero(f, c, 70 * PAGE)).toBe(true);
  const d = f.allocate(PAGE, KIND_ANONYMOUS);
  expect(d).toBe(a);
  expect(isZero(f, d, PAGE)).toBe(true);
  f.used.check();
  f.dirty.check();
  f.destroy();
});

test("the host gets freed memory back", () => {
  const f = new MemoryFile();
  const a = f.allocate(1024 * PAGE, KIND_ANONYMOUS);
  fill(f, a, 1024 * PAGE, 3);
  expect(f.committedBytes()).toBe(1024 * PAGE);
  f.decRef(a, 1024 * PAGE);
  f.flush();
  expect(f.committedBytes()).toBe(0);
  const b = f.allocate(8 * PAGE, KIND_ANONYMOUS);
  expect(f.nextData(b, b + 8 * PAGE)).toBe(false);
  fill(f, b + 3 * PAGE, PAGE, 1);
  expect(f.nextData(b, b + 8 * PAGE)).toBe(true);
  expect(f.extentStart).toBe(b + 3 * PAGE);
  expect(f.extentEnd).toBe(b + 4 * PAGE);
  f.destroy();
});

test("memory that the host still holds is cleared and said to be held; the rest is given back", () => {
  const f = new MemoryFile();
  const pages = 1024;
  const a = f.allocate(pages * PAGE, KIND_ANONYMOUS);
  expect(f.recycled).toBe(false);
  // All of the first half, some pages of the second.
  fill(f, a, (pages / 2) * PAGE, 1);
  for (const page of [600, 700, 701]) fill(f, a + page * PAGE, PAGE, 2);
  f.decRef(a, pages * PAGE);
  const b = f.allocate((pages / 2) * PAGE, KIND_ANONYMOUS);
  expect(b).toBe(a);
  expect(f.recycled).toBe(true);
  const c = f.allocate((pages / 2) * PAGE, KIND_ANONYMOUS);
  expect(f.recycled).toBe(false);
  expect(f.committedBytes()).toBe((pages / 2 + 3) * PAGE);
  expect(isZero(f, b, pages * PAGE)).toBe(true);
  f.decRef(c, (pages / 2) * PAGE);
  // Many small runs are not worth it.
  const d = f.allocate((pages / 2) * PAGE, KIND_ANONYMOUS);
  f.decommit(d, (pages / 2) * PAGE);
  for (let page = 0; page < pages / 2; page += 8) fill(f, d + page * PAGE, PAGE, 4);
  f.decRef(d, (pages / 2) * PAGE);
  expect(f.allocate((pages / 2) * PAGE, KIND_ANONYMOUS)).toBe(d);
  expect(f.recycled).toBe(false);
  expect(isZero(f, d, (pages / 2) * PAGE)).toBe(true);
  f.used.check();
  f.dirty.check();
  f.destroy();
});

test("memory is copied to pages that the host holds and to new ones, and no further than its source goes", () => {
  const f = new MemoryFile();
  const src = f.allocate(8 * PAGE, KIND_ANONYMOUS);
  fill(f, src, 8 * PAGE, 7);
  const from = f.mapInternal(src);
  const a = f.allocate(8 * PAGE, KIND_ANONYMOUS);
  expect(f.copyFrom(a, from, 8 * PAGE)).toBe(true);
  f.decRef(a, 8 * PAGE);
  // Cleared, and so in the sentry's page tables.
  expect(f.allocate(4 * PAGE, KIND_ANONYMOUS)).toBe(a);
  expect(f.recycled).toBe(true);
  expect(isZero(f, a, 4 * PAGE)).toBe(true);
  expect(f.copyFrom(a, from, 4 * PAGE)).toBe(true);
  // Half of these are.
  expect(f.allocate(4 * PAGE, KIND_ANONYMOUS)).toBe(a + 4 * PAGE);
  f.decommit(a + 4 * PAGE, 2 * PAGE);
  expect(f.copyFrom(a + 4 * PAGE, from, 4 * PAGE)).toBe(true);
  const b = new Uint8Array(8 * PAGE);
  expect(host.copyFromHost(b, 0, f.mapInternal(a), b.length)).toBe(0);
  expect(b.every((x) => x === 7)).toBe(true);
  // What cannot be read is not copied.
  const hole = host.mmap(0, 4 * PAGE, 0, 0x22, -1, 0);
  expect(f.copyFrom(a, hole, 4 * PAGE)).toBe(false);
  const c = f.allocate(4 * PAGE, KIND_ANONYMOUS);
  expect(f.copyFrom(c, hole, 4 * PAGE)).toBe(false);
  host.munmap(hole, 4 * PAGE);
  f.destroy();
});

test("how much free memory stays depends on how much there is", () => {
  const small = new MemoryFile({ totalMemory: 256 << 20 });
  const large = new MemoryFile({ totalMemory: 2 ** 36 });
  for (const f of [small, large]) {
    const a = f.allocate(64 << 20, KIND_ANONYMOUS);
    f.decRef(a, 64 << 20);
    expect(f.needsFlush(true)).toBe(true);
    expect(f.needsFlush()).toBe(f === small);
    f.flush();
    expect(f.needsFlush(true)).toBe(false);
    f.destroy();
  }
});

test("hints continue, limits refuse, unique extents stop at shared pages", () => {
  const f = new MemoryFile({ limit: 100 * PAGE });
  const a = f.allocate(10 * PAGE, KIND_ANONYMOUS);
  expect(f.allocate(10 * PAGE, KIND_ANONYMOUS, a + 10 * PAGE)).toBe(a + 10 * PAGE);
  expect(f.allocate(10 * PAGE, KIND_ANONYMOUS, a + 50 * PAGE)).toBe(a + 50 * PAGE);
  let e: unknown;
  try {
    f.allocate(71 * PAGE, KIND_ANONYMOUS);
  } catch (x) {
    e = x;
  }
  expect(e).toBe(linuxerr.ENOMEM);
  f.incRef(a + 4 * PAGE, PAGE);
  expect(f.uniqueExtent(a + 4 * PAGE, a, a + 20 * PAGE)).toBe(false);
  expect(f.uniqueExtent(a + 6 * PAGE, a, a + 20 * PAGE)).toBe(true);
  expect(f.extentStart).toBe(a + 5 * PAGE);
  expect(f.extentEnd).toBe(a + 20 * PAGE);
  f.decRef(a + 4 * PAGE, PAGE);
  expect(f.used.count).toBe(2);
  f.used.check();
  f.destroy();
});

test("random references agree with a page by page model", () => {
  const f = new MemoryFile();
  const pages = 600;
  const refs = new Uint8Array(pages);
  let x = 99;
  const rnd = (n: number) => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return (x >>> 8) % n;
  };
  for (let i = 0; i < 4000; i++) {
    const n = 1 + rnd(12);
    const at = rnd(pages - n);
    const op = rnd(3);
    const all = refs.subarray(at, at + n).every((r) => r > 0 && r < 5);
    if (op === 0) {
      const off = f.allocate(n * PAGE, KIND_ANONYMOUS, at * PAGE) / PAGE;
      expect(refs.subarray(off, off + n).every((r) => r === 0)).toBe(true);
      if (off + n > pages) {
        f.decRef(off * PAGE, n * PAGE);
        continue;
      }
      expect(isZero(f, off * PAGE, n * PAGE)).toBe(true);
      fill(f, off * PAGE, n * PAGE, 0xaa);
      refs.fill(1, off, off + n);
    } else if (all && op === 1) {
      f.incRef(at * PAGE, n * PAGE);
      for (let k = at; k < at + n; k++) refs[k] = (refs[k] ?? 0) + 1;
    } else if (all) {
      f.decRef(at * PAGE, n * PAGE);
      for (let k = at; k < at + n; k++) refs[k] = (refs[k] ?? 0) - 1;
    }
    if (i % 100 === 0) {
      f.used.check();
      f.dirty.check();
      for (let k = 0; k < pages; k++) expect(f.refsAt(k * PAGE)).toBe(refs[k] ?? 0);
      f.flush();
    }
  }
  f.destroy();
});
