import { ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { pinnedBytes } from "../../native/index.ts";
import { safeInstall } from "./memory.ts";
import { PointerBlock, StringBlock } from "./string_block.ts";

safeInstall();

/** Where a guest would have its memory. */
const GUEST = 0x7fff12340000;
const TOO_LONG = 131072;

/** A guest's memory with strings in it, and pointers to them. */
function guest(strings: readonly string[]): { memory: Uint8Array; pointers: PointerBlock } {
  const memory = Buffer.from(pinnedBytes(strings.reduce((n, s) => n + s.length + 1, 0)).buffer);
  const pointers = new PointerBlock();
  pointers.reserve(strings.length + 1);
  let at = 0;
  strings.forEach((s, i) => {
    memory.write(s, at, "latin1");
    pointers.words[2 * i] = (GUEST + at) % 4294967296;
    pointers.words[2 * i + 1] = Math.floor((GUEST + at) / 4294967296);
    at += s.length + 1;
  });
  expect(pointers.added(strings.length + 1)).toBe(true);
  return { memory, pointers };
}

function stringsOf(b: StringBlock): string[] {
  const out: string[] = [];
  for (let at = 0; out.length < b.count; at += (out.at(-1)?.length ?? 0) + 1) out.push(b.stringAt(at));
  return out;
}

test("strings are taken from a guest's memory, whatever their length", () => {
  const strings: string[] = [];
  for (let n = 0; n < 300; n++) strings.push(String.fromCharCode(1 + (n % 255)).repeat(n));
  const { memory, pointers } = guest(strings);
  expect(pointers.count).toBe(300);
  expect(pointers.at(1)).toBe(GUEST + 1);
  const b = new StringBlock();
  b.reserve(memory.length);
  expect(b.take(pointers, 0, GUEST, GUEST + memory.length, ptr(memory))).toBe(300);
  expect(stringsOf(b)).toEqual(strings);
  expect(b.length).toBe(memory.length);
  // Pointers to them, somewhere else.
  const out = new BigUint64Array(301);
  b.point(new Uint8Array(out.buffer), 8, 0x7ffffff00000, 300);
  expect([out[0], out[1], out[2], out[3]]).toEqual([0n, 0x7ffffff00000n, 0x7ffffff00001n, 0x7ffffff00003n]);
  expect(out[300]).toBe(0x7ffffff00000n + BigInt(b.length - 300));
});

test("what lies elsewhere, does not fit, has no end or is too long ends the taking", () => {
  const { memory, pointers } = guest(["one", "two", "three"]);
  const b = new StringBlock();
  expect(b.take(pointers, 0, GUEST, GUEST + 8, ptr(memory))).toBe(2);
  expect(b.take(pointers, 2, GUEST, GUEST + 8, ptr(memory))).toBe(0);
  // The last one begins there, and ends behind it.
  expect(b.take(pointers, 2, GUEST, GUEST + 13, ptr(memory))).toBe(0);
  expect(b.take(pointers, 2, GUEST + 100, GUEST + 200, ptr(memory))).toBe(0);
  expect(b.take(pointers, 2, GUEST, GUEST + 14, ptr(memory))).toBe(1);
  expect(stringsOf(b)).toEqual(["one", "two", "three"]);

  const long = guest(["x".repeat(TOO_LONG - 1), "x".repeat(TOO_LONG)]);
  const c = new StringBlock();
  const end = GUEST + long.memory.length;
  expect(c.take(long.pointers, 0, GUEST, end, ptr(long.memory))).toBe(0);
  c.reserve(long.memory.length);
  expect(c.take(long.pointers, 0, GUEST, end, ptr(long.memory))).toBe(1);
  expect(c.length).toBe(TOO_LONG);
});

test("a block grows, is put together and emptied", () => {
  const strings = Array.from({ length: 3000 }, (_, i) => `string ${i}`);
  const b = StringBlock.of(strings);
  expect(stringsOf(b)).toEqual(strings);
  expect(b.longest).toBe("string 2999".length + 1);
  const c = StringBlock.of(["a", ""]);
  c.appendBlock(b, 2998);
  expect(stringsOf(c)).toEqual(["a", "", "string 2998", "string 2999"]);
  c.appendBlock(c, 4);
  expect(c.count).toBe(4);
  c.clear();
  expect([c.length, c.count, c.longest]).toEqual([0, 0, 0]);
});
