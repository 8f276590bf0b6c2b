import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { CLASSES_FILE, classesText, findClasses } from "./generate.ts";
import { newKernelRegistry, stateConstants } from "./index.ts";

/** Classes whose objects live within one system call, or are constants: a kernel that is saved holds none. */
const transient = new Set([
  "DirentWriter",
  "Dirent64Writer",
  "PollWait",
  "SelectSets",
  "Transfer",
  "CPUSleeper",
  "Lines",
]);

test("the list of classes is complete and up to date", () => {
  const classes = findClasses();
  expect(classes.length).toBeGreaterThan(150);
  const constants = new Set(stateConstants.map(([, o]) => o.constructor.name));
  const hidden = classes.filter((c) => !c.exported && !transient.has(c.name) && !constants.has(c.name));
  // Export the class, and run generate.ts.
  expect(hidden.map((c) => `${c.file}: ${c.name}`)).toEqual([]);
  expect(readFileSync(CLASSES_FILE, "utf8") === classesText()).toBe(true);
});

test("every class has a name of its own", () => {
  const registry = newKernelRegistry();
  expect(registry.types.size).toBeGreaterThan(150);
  for (const name of registry.types.keys()) expect(name).toMatch(/^[a-z0-9_]+\.[A-Za-z0-9]+$/);
});
