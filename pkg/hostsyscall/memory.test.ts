import { expect, test } from "bun:test";
import { EFAULT } from "../abi/linux/errno.ts";
import * as host from "./index.ts";

const PROT_RW = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANON = 0x22;

test("copies report what a truncated file took away", () => {
  expect(host.safeInstall()).toBe(0);
  expect(host.safeInstall()).toBe(0);
  const fd = host.memfdCreate("t", 1);
  expect(host.ftruncate(fd, 8192)).toBe(0);
  const at = host.mmap(0, 8192, PROT_RW, MAP_SHARED, fd, 0);
  const src = new Uint8Array(8192).fill(7);
  expect(host.copyToHost(at, src, 0, 8192)).toBe(0);
  expect(host.ftruncate(fd, 4096)).toBe(0);
  const dst = new Uint8Array(8192);
  expect(host.copyFromHost(dst, 0, at, 8192)).toBe(4096);
  expect(dst[4095]).toBe(7);
  expect(dst[4096]).toBe(0);
  expect(host.copyFromHost(dst, 100, at + 4090, 100)).toBe(94);
  expect(host.copyToHost(at + 4000, src, 0, 200)).toBe(104);
  expect(host.zeroHost(at + 4000, 200)).toBe(104);
  expect(host.copyHost(at, at + 2048, 4096)).toBe(2048);
  expect(host.loadU32(at + 4096)).toBe(-EFAULT);
  expect(host.storeU32(at + 4096, 1)).toBe(-EFAULT);
  expect(host.casU32(at + 4096, 0, 1)).toBe(-EFAULT);
  for (let op = host.OP_SET; op <= host.OP_XOR; op++) {
    expect(host.opU32(at + 4096, op, 1)).toBe(-EFAULT);
  }
  host.munmap(at, 8192);
  expect(host.copyFromHost(dst, 0, at, 10)).toBe(10); // SIGSEGV
  expect(host.copyFromHost(dst, 0, 0, 10)).toBe(10);
  expect(host.copyFromHost(dst, 0, 2 ** 47, 10)).toBe(10); // not canonical: general protection
  host.close(fd);
});

test("a thousand faults leave the process in order", () => {
  host.safeInstall();
  const buf = new Uint8Array(16);
  let missing = 0;
  for (let i = 0; i < 1000; i++) {
    missing += host.copyFromHost(buf, 0, 4096 * (i % 256), 16);
  }
  expect(missing).toBe(16000);
});

test("atomics", () => {
  const at = host.mmap(0, 4096, PROT_RW, MAP_PRIVATE_ANON, -1, 0);
  expect(host.storeU32(at, 0xfffffff0)).toBe(0);
  expect(host.loadU32(at)).toBe(0xfffffff0);
  expect(host.casU32(at, 1, 2)).toBe(0xfffffff0);
  expect(host.casU32(at, 0xfffffff0, 2)).toBe(0xfffffff0);
  expect(host.opU32(at, host.OP_ADD, -3)).toBe(2);
  expect(host.opU32(at, host.OP_SET, 0xf0)).toBe(0xffffffff);
  expect(host.opU32(at, host.OP_OR, 0x0f)).toBe(0xf0);
  expect(host.opU32(at, host.OP_ANDN, 0x81)).toBe(0xff);
  expect(host.opU32(at, host.OP_XOR, 0xffffffff)).toBe(0x7e);
  expect(host.loadU32(at)).toBe(0xffffff81);
  host.munmap(at, 4096);
});

test("a buffer range outside its array throws", () => {
  const buf = new Uint8Array(8);
  expect(() => host.copyFromHost(buf, 4, 0, 5)).toThrow(RangeError);
  expect(() => host.copyToHost(0, buf, -1, 2)).toThrow(RangeError);
  expect(() => host.read(0, buf, 0, Number.NaN)).toThrow(RangeError);
});
