import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import * as host from "../../../hostsyscall/index.ts";
import {
  AFTER_SIZE,
  BEFORE_SIZE,
  CallTable,
  SITE_COMPARED,
  SITE_NUMBERED,
  SITE_SIZE,
  type Site,
  siteAt,
  TABLE_BASE,
  TABLE_SIZE,
} from "./call_table.ts";

const TRAMPOLINE = 0x7fff_0000_0200;
const ENTRY = 128;
const address = host.mmap(0, 2 * TABLE_SIZE, 3, 0x22, -1, 0);
let table: CallTable;

beforeEach(() => {
  host.zeroHost(address, 2 * TABLE_SIZE);
  table = new CallTable(address, TRAMPOLINE);
});
afterAll(() => {
  host.munmap(address, 2 * TABLE_SIZE);
});

/** What stands before a system call instruction and the instruction itself: `prefix` and `mov $nr, %eax`. */
function moves(nr: number, prefix = 0x90): Uint8Array {
  return new Uint8Array([prefix, 0xb8, nr & 255, (nr >> 8) & 255, (nr >> 16) & 255, (nr >> 24) & 255, 0x0f, 0x05]);
}
const COMPARES = new Uint8Array([0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff]);
const OTHER = new Uint8Array(AFTER_SIZE).fill(0x90);

/** A site that must exist. */
function must(site: Site | null): Site {
  if (site === null) throw new Error("no site");
  return site;
}
const numbered = (ip: number, nr = 39): Site => must(siteAt(ip, nr, moves(nr), OTHER));
const compared = (ip: number): Site => must(siteAt(ip, 1, null, COMPARES));
const word = (at: number): number => table.view.getUint32(at, true) + table.view.getUint32(at + 4, true) * 4294967296;
const bytes = (at: number, n: number): number[] => [...table.bytes.subarray(at, at + n)];

describe("siteAt", () => {
  test("knows a moved number", () => {
    expect(siteAt(0x401007, 39, moves(39), OTHER)).toEqual({
      kind: SITE_NUMBERED,
      address: 0x401000,
      original: new Uint8Array([0xb8, 39, 0, 0, 0, 0x0f, 0x05]),
      operand: 39,
      syscallReturn: 0x401007,
    });
    expect(siteAt(0x401007, 39, moves(39), null)?.kind).toBe(SITE_NUMBERED);
    expect(siteAt(0x401007, -2, moves(-2), null)?.operand).toBe(-2);
  });
  test("knows a compared result, whatever comes before", () => {
    for (const before of [null, moves(39)]) {
      expect(siteAt(0x401002, 39, before, COMPARES)).toEqual({
        kind: SITE_COMPARED,
        address: 0x401000,
        original: new Uint8Array([0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff]),
        operand: -4095,
        syscallReturn: 0x401002,
      });
    }
  });
  test("knows nothing else", () => {
    expect(moves(39).length).toBe(BEFORE_SIZE);
    expect(siteAt(0x401007, 40, moves(39), OTHER)).toBe(null);
    expect(siteAt(0x401007, 39, null, OTHER)).toBe(null);
    expect(siteAt(0x401007, 39, null, null)).toBe(null);
    // mov $39, %r8d
    expect(siteAt(0x401007, 39, moves(39, 0x41), OTHER)).toBe(null);
    expect(siteAt(0x401007, 39, new Uint8Array([0, 0x31, 0xc0, 0, 0, 0, 0x0f, 0x05]), OTHER)).toBe(null);
    // int 0x80
    expect(siteAt(0x401007, 39, new Uint8Array([0x90, 0xb8, 39, 0, 0, 0, 0xcd, 0x80]), OTHER)).toBe(null);
    // cmp $imm, %eax
    expect(siteAt(0x401002, 39, null, new Uint8Array([0x3d, 0x01, 0xf0, 0xff, 0xff, 0x90]))).toBe(null);
  });
});

describe("an entry", () => {
  test("of a numbered site", () => {
    const jump = table.add(numbered(0x401007));
    expect([...jump]).toEqual([0xff, 0x24, 0x25, 0x80, 0x00, 0x06, 0x00]);
    expect(word(0)).toBe(TRAMPOLINE);
    expect(word(ENTRY)).toBe(TABLE_BASE + ENTRY + 16);
    expect(word(ENTRY + 8)).toBe(0x401007);
    expect(word(ENTRY + 64)).toBe(0x401007);
    expect(bytes(ENTRY + 16, 19)).toEqual([
      ...[0x48, 0x8d, 0x0d, 0xe9, 0xff, 0xff, 0xff], // lea -23(%rip), %rcx: the entry
      ...[0x41, 0xbb, 39, 0, 0, 0], // mov $39, %r11d
      ...[0xff, 0x25, 0x5d, 0xff, 0xff, 0xff], // jmp *table
    ]);
    expect(bytes(ENTRY + 45, 8)).toEqual([0x0f, 0x05, 0xff, 0x25, 0x0b, 0, 0, 0]); // syscall; jmp *64(entry)
  });
  test("of a compared site", () => {
    const jump = table.add(compared(0x401002));
    expect([...jump]).toEqual([0xff, 0x24, 0xe5, 0x80, 0x00, 0x06, 0x00]);
    expect(word(ENTRY + 8)).toBe(TABLE_BASE + ENTRY + 47);
    expect(word(ENTRY + 64)).toBe(0x401008);
    expect(bytes(ENTRY + 23, 3)).toEqual([0x41, 0x89, 0xc3]); // mov %eax, %r11d
    expect(bytes(ENTRY + 45, 14)).toEqual([
      ...[0x0f, 0x05],
      ...[0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff],
      ...[0xff, 0x25, 0x05, 0, 0, 0],
    ]);
  });
  test("is where a thread of the program goes on, and the other way round", () => {
    table.add(numbered(0x401007));
    table.add(compared(0x402002));
    const at = (i: number, part: number): number => TABLE_BASE + i * ENTRY + part;
    expect(table.indexOf(TABLE_BASE + 5)).toBe(0);
    expect(table.indexOf(at(1, 0))).toBe(1);
    expect(table.indexOf(at(2, 127))).toBe(2);
    expect(table.indexOf(at(3, 0))).toBe(0);
    expect(table.indexOf(0x401000)).toBe(0);
    for (const part of [16, 23, 29]) expect(table.originalIP(1, at(1, part))).toBe(0x401000);
    expect(table.originalIP(1, at(1, 45))).toBe(0x401005);
    expect(table.originalIP(1, at(1, 47))).toBe(0x401007);
    for (const part of [16, 23, 45]) expect(table.originalIP(2, at(2, part))).toBe(0x402000);
    expect(table.originalIP(2, at(2, 47))).toBe(0x402002);
    expect(table.originalIP(2, at(2, 53))).toBe(0x402008);
    expect(table.returnOf(1)).toBe(0x401007);
    expect(table.startOf(2)).toBe(0x402000);
    expect(table.slowIP(2)).toBe(at(2, 45));
    expect(table.resumeIP(0x401005)).toBe(at(1, 45));
    expect(table.resumeIP(0x402002)).toBe(at(2, 47));
    for (const ip of [0x401000, 0x401002, 0x401007, 0x402000, 0x402005, 0x402008, 0])
      expect(table.resumeIP(ip)).toBe(0);
    expect(() => table.siteOf(3)).toThrow();
  });
});

describe("a table", () => {
  test("finds the sites of a range", () => {
    for (const a of [0x401000, 0x401007, 0x402000]) table.add(numbered(a + SITE_SIZE));
    const found = (start: number, end: number): number[] => [...table.sitesIn(start, end)].map((s) => s.address);
    expect(found(0x401006, 0x401007)).toEqual([0x401000]);
    expect(found(0x401006, 0x401008)).toEqual([0x401000, 0x401007]);
    expect(found(0x40100e, 0x401010)).toEqual([]);
    expect(found(0x401000, 0x402000)).toEqual([0x401000, 0x401007]);
    expect(found(0, 0x500000)).toEqual([0x401000, 0x401007, 0x402000]);
    expect(found(0x402006, 0x403000)).toEqual([0x402000]);
    expect(table.isPatched(0x401007)).toBe(true);
    expect(table.isPatched(0x401008)).toBe(false);
  });
  test("forgets sites, but not their entries", () => {
    const site = numbered(0x401007);
    table.add(site);
    expect(table.siteAround(0x401005)).toBe(site);
    table.forget(site);
    expect(table.size).toBe(0);
    expect(table.isPatched(0x401007)).toBe(false);
    expect(table.resumeIP(0x401005)).toBe(0);
    expect([...table.sitesIn(0, 0x500000)]).toEqual([]);
    expect(table.originalIP(1, TABLE_BASE + ENTRY + 45)).toBe(0x401005);
    expect(table.siteAround(0x401005)).toBe(site);
    expect(table.siteAround(0x401007)).toBe(null);
    // The same place again has an entry of its own.
    expect([...table.add(numbered(0x401007))].slice(3)).toEqual([0x00, 0x01, 0x06, 0x00]);
    expect(table.resumeIP(0x401005)).toBe(TABLE_BASE + 2 * ENTRY + 45);
  });
  test("is full at last", () => {
    let n = 0;
    for (; !table.full(); n++) table.add(numbered(0x401007 + 16 * n));
    expect(n).toBe(TABLE_SIZE / ENTRY - 1);
    expect(table.size).toBe(n);
    expect(table.indexOf(TABLE_BASE + TABLE_SIZE - 1)).toBe(n);
    // Forgetting makes no room: a thread may stand in the entry.
    table.forget(table.siteOf(1));
    expect(table.full()).toBe(true);
    table.clear();
    expect(table.full()).toBe(false);
    expect(table.size).toBe(0);
    expect(table.bytes.every((b) => b === 0)).toBe(true);
  });
  test("is shared with copies until one changes", () => {
    const child = new CallTable(address + TABLE_SIZE, TRAMPOLINE);
    child.copyFrom(table);
    expect(child.size).toBe(0);
    table.add(numbered(0x401007));
    table.add(compared(0x402002));
    child.copyFrom(table);
    expect(child.list).toBe(table.list);
    expect(child.bytes.subarray(0, 3 * ENTRY)).toEqual(table.bytes.subarray(0, 3 * ENTRY));
    child.forget(child.siteOf(1));
    expect(child.list).not.toBe(table.list);
    expect(table.resumeIP(0x401005)).not.toBe(0);
    expect(child.resumeIP(0x401005)).toBe(0);
    expect([child.list.users, table.list.users]).toEqual([1, 1]);
    child.copyFrom(table);
    table.add(numbered(0x403007));
    expect(child.size).toBe(2);
    expect(child.indexOf(TABLE_BASE + 3 * ENTRY)).toBe(0);
    child.copyFrom(table);
    child.clear();
    expect([table.size, table.list.users]).toEqual([3, 1]);
    expect(word(3 * ENTRY)).toBe(TABLE_BASE + 3 * ENTRY + 16);
  });
});
