import { expect, test } from "bun:test";
import { AT_PHDR, AT_PHNUM, AT_SYSINFO_EHDR, auxiliaryVector } from "./auxv.ts";

const AT_PAGESZ = 6;

test("our auxiliary vector", () => {
  const auxv = auxiliaryVector();
  expect(auxv.get(AT_PAGESZ)).toBe(4096);
  expect(auxv.get(AT_PHNUM)).toBeGreaterThan(0);
  for (const type of [AT_PHDR, AT_SYSINFO_EHDR]) expect(auxv.get(type)).toBeGreaterThan(0x10000);
});
