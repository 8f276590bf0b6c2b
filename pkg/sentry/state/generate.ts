/*
 * Writes classes.ts: `bun pkg/sentry/state/generate.ts`. The list is in the repository because an executable cannot look for classes.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

/** The file that is written. */
export const CLASSES_FILE = join(import.meta.dir, "classes.ts");

const pkg = join(import.meta.dir, "../..");
/** Where classes of a kernel's graph are. */
const ROOTS = ["sentry", "waiter"] as const;
/** What is made anew with every kernel, and what only tests have. */
const SKIPPED = /^sentry\/(platform|strace|watchdog|state)\/|\/testutil\/|^sentry\/testutil\/|\.test\.ts$/;

/** A class with a stateType. */
interface Found {
  readonly file: string;
  readonly name: string;
  readonly exported: boolean;
  readonly abstract: boolean;
}

/** All classes of the packages that carry a stateType. */
export function findClasses(): Found[] {
  const out: Found[] = [];
  for (const root of ROOTS) {
    for (const entry of readdirSync(join(pkg, root), { recursive: true, encoding: "utf8" }).sort()) {
      const file = `${root}/${entry}`;
      if (!file.endsWith(".ts") || SKIPPED.test(file)) continue;
      const text = readFileSync(join(pkg, file), "utf8");
      const re = /^(export )?(abstract )?class (\w+)[^{]*\{\n {2}static (?:override )?readonly stateType\b/gm;
      for (const m of text.matchAll(re)) {
        out.push({ file, name: m[3] ?? "", exported: m[1] !== undefined, abstract: m[2] !== undefined });
      }
    }
  }
  return out;
}

/** The name under which a module is imported. */
function moduleName(file: string): string {
  const words = file
    .replace(/^sentry\//, "")
    .replace(/\.ts$/, "")
    .split(/[/_.]/);
  return words.map((w, i) => (i === 0 ? w : w.charAt(0).toUpperCase() + w.slice(1))).join("");
}

/** The text of classes.ts. */
export function classesText(): string {
  const classes = findClasses().filter((c) => c.exported && !c.abstract);
  const files = [...new Set(classes.map((c) => c.file))].sort((a, b) => (importPath(a) < importPath(b) ? -1 : 1));
  const lines = [
    "// Written by generate.ts: run it after adding a class with a stateType.",
    'import type { StateClass } from "../../state/index.ts";',
    ...files.map((f) => `import * as ${moduleName(f)} from "${importPath(f)}";`),
    "",
    "/** Every class that an object of a kernel can have. */",
    "export const stateClasses: readonly StateClass[] = [",
    ...classes.map((c) => `  ${moduleName(c.file)}.${c.name},`),
    "];",
    "",
  ];
  return lines.join("\n");
}

function importPath(file: string): string {
  return relative(import.meta.dir, join(pkg, file));
}

if (import.meta.main) writeFileSync(CLASSES_FILE, classesText());
