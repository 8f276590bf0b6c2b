import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import * as nr from "../../../abi/linux/syscalls.ts";
import { syscallTable } from "./table.ts";

/** Functions with a system call's signature that other calls use. */
const HELPERS = new Set(["fdLimit", "prctlGetSeccomp", "prctlSetSeccomp"]);

test("every system call that is implemented is in the table", async () => {
  const known = new Set(syscallTable.map((e) => e?.fn));
  const missing: string[] = [];
  for (const name of readdirSync(import.meta.dir)) {
    if (!/^sys_\w+\.ts$/.test(name)) continue;
    const text = readFileSync(`${import.meta.dir}/${name}`, "utf8");
    const module: Record<string, unknown> = await import(`./${name}`);
    const pattern = /^export function (\w+)\(\s*_?t: Task(?:, _?args: SyscallArguments)?,?\s*\)/gm;
    for (const [, fn] of text.matchAll(pattern)) {
      if (fn === undefined || HELPERS.has(fn)) continue;
      if (!known.has(module[fn] as never)) missing.push(`${name}: ${fn}`);
    }
  }
  expect(missing).toEqual([]);
});

test("entries have the names of their numbers", () => {
  const numbers = nr as unknown as Record<string, number>;
  for (const [number, entry] of syscallTable.entries()) {
    if (entry !== undefined) expect(numbers[`SYS_${entry.name}`]).toBe(number);
  }
});
