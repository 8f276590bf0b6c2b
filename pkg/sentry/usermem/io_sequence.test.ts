import { expect, test } from "bun:test";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { IovecArray } from "../../hostsyscall/iovec.ts";
import { BytesIO, IOSequence } from "./index.ts";

test("a sequence walks, limits and rewinds over its pieces", () => {
  const mem = new BytesIO(new Uint8Array(100));
  const s = new IOSequence().begin(mem);
  s.add(10, 5);
  s.add(0, 0);
  s.add(30, 5);
  s.add(50, 10);
  expect(s.numBytes()).toBe(20);
  const src = Uint8Array.from({ length: 20 }, (_, i) => i + 1);
  expect(s.copyOut(src, 0, 7)).toBe(7);
  expect(Array.from(mem.bytes.subarray(10, 15))).toEqual([1, 2, 3, 4, 5]);
  expect(Array.from(mem.bytes.subarray(30, 33))).toEqual([6, 7, 0]);
  const mark = s.position();
  const cut = s.limit(4);
  expect(s.numBytes()).toBe(4);
  expect(s.copyOut(src, 7, 13)).toBe(4);
  s.unlimit(cut);
  expect(s.numBytes()).toBe(9);
  s.rewind(mark);
  expect(s.copyOut(src, 7, 13)).toBe(13);
  expect(s.numBytes()).toBe(0);
  s.rewind(0);
  const back = new Uint8Array(20);
  expect(s.copyIn(back, 0, 20)).toBe(20);
  expect(back).toEqual(src);
  s.rewind(5);
  const t = s.takeFirst(6);
  expect(t.numBytes()).toBe(6);
  expect(t.zeroOut(100)).toBe(6);
  expect(s.position()).toBe(5);
  s.rewind(0);
  s.copyIn(back, 0, 20);
  expect(Array.from(back.subarray(4, 12))).toEqual([5, 0, 0, 0, 0, 0, 0, 12]);
  s.rewind(3);
  s.advance(17);
  expect(s.numBytes()).toBe(0);
  s.rewind(19);
  expect(s.numBytes()).toBe(1);
});

test("faults give what was moved, or EFAULT", () => {
  const mem = new BytesIO(new Uint8Array(16));
  const s = new IOSequence().begin(mem);
  s.add(10, 6);
  s.add(14, 8);
  s.add(0, 4);
  const buf = new Uint8Array(64).fill(9);
  expect(s.copyOut(buf, 0, 64)).toBe(8);
  expect(s.position()).toBe(8);
  let e: unknown;
  try {
    s.copyOut(buf, 0, 64);
  } catch (x) {
    e = x;
  }
  expect(e).toBe(linuxerr.EFAULT);
});

test("host ranges cover the pieces without moving", () => {
  const mem = new BytesIO(new Uint8Array(100));
  const s = new IOSequence().begin(mem);
  s.add(0, 10);
  s.add(10, 10);
  s.add(40, 10);
  s.advance(5);
  const iov = new IovecArray();
  expect(s.prepareHost(iov, true, 20)).toBe(20);
  expect(iov.count).toBe(2);
  expect(s.position()).toBe(5);
});
