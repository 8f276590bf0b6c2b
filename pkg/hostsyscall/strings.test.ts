import { ptr } from "bun:ffi";
import { expect, test } from "bun:test";
import { pinnedBytes } from "../../native/index.ts";
import { safeInstall } from "./memory.ts";
import { HostStrings, STRING_PLACES } from "./strings.ts";

safeInstall();

const memory = pinnedBytes(4096);
const buffer = Buffer.from(memory.buffer);

/** What find() says of a string. */
function find(table: HostStrings, s: string): number {
  buffer.write(`${s}\0`, "latin1");
  return table.find(ptr(memory), s.length + 1);
}

test("a string is found again, and two that share a place are both kept", () => {
  const table = new HostStrings();
  const places = new Map<string, number>();
  // With so few, three that share two places are rare; whoever has lost its place has lost it to another one.
  const count = STRING_PLACES / 8;
  for (let i = 0; i < count; i++) {
    const s = `/a/path/of/number/${i}`.repeat(1 + (i % 5));
    const r = find(table, s);
    expect(r).toBeLessThan(0);
    expect(r).toBeGreaterThanOrEqual(-STRING_PLACES);
    places.set(s, -1 - r);
    expect(table.text(-1 - r)).toBe(s);
  }
  const owners = new Map<number, string>();
  for (const [s, place] of places) owners.set(place, s);
  expect(owners.size).toBeGreaterThan(count * 0.98);
  for (const [place, s] of owners) expect(find(table, s)).toBe(place);
});

test("the empty string, long ones and those without an end", () => {
  const table = new HostStrings();
  expect(table.text(find(table, ""))).toBe("");
  const longest = "x".repeat(120);
  const r = find(table, longest);
  expect(table.text(-1 - r)).toBe(longest);
  expect(find(table, longest)).toBe(-1 - r);
  expect(find(table, "x".repeat(121))).toBeLessThan(-STRING_PLACES);
  memory.fill(0x78);
  expect(table.find(ptr(memory), 40)).toBeLessThan(-STRING_PLACES);
  // Nothing may be read there.
  expect(table.find(4096, 40)).toBeLessThan(-STRING_PLACES);
});
