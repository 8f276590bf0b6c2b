import type { StateType } from "./index.ts";

/** One way in which a graph could not be saved. */
export interface Violation {
  /** How the object was reached from the root: field names joined by dots. */
  readonly path: string;
  readonly problem: string;
}

/** Field lists of a class, joined along its prototype chain. */
interface Fields {
  readonly saved: ReadonlySet<string>;
  readonly unsaved: ReadonlySet<string>;
  /** The class that lacks a descriptor of its own, or null. */
  readonly missing: string | null;
}

function describe(ctor: { name: string }, cache: Map<unknown, Fields>): Fields {
  const known = cache.get(ctor);
  if (known !== undefined) return known;
  const saved = new Set<string>();
  const unsaved = new Set<string>();
  let missing: string | null = null;
  for (let c: unknown = ctor; typeof c === "function" && c !== Function.prototype; c = Object.getPrototypeOf(c)) {
    const type: unknown = Object.getOwnPropertyDescriptor(c, "stateType")?.value;
    if (type === undefined) {
      // An abstract base without fields of its own needs no descriptor: a field it has shows up as unlisted.
      if (c === ctor) missing = c.name;
      continue;
    }
    const t = type as StateType;
    for (const f of t.saved) saved.add(f);
    for (const f of t.unsaved) unsaved.add(f);
  }
  const fields = { saved, unsaved, missing };
  cache.set(ctor, fields);
  return fields;
}

/**
 * Walks everything a checkpoint of `root` would save and reports what it could not: instances of classes without a `stateType`,
 * fields that no list names, functions (closures), generators and promises. Each distinct problem is reported once.
 */
export function findViolations(root: object): Violation[] {
  const out: Violation[] = [];
  const reported = new Set<string>();
  const seen = new Set<object>();
  const cache = new Map<unknown, Fields>();
  const queue: { value: unknown; path: string }[] = [{ value: root, path: "" }];
  const report = (path: string, problem: string): void => {
    if (reported.has(problem)) return;
    reported.add(problem);
    out.push({ path, problem });
  };
  for (let i = 0; i < queue.length; i++) {
    const item = queue[i];
    if (item === undefined) break;
    const { value, path } = item;
    if (typeof value === "function") {
      report(path, `a function is held at ${path}`);
      continue;
    }
    if (typeof value !== "object" || value === null || seen.has(value)) continue;
    seen.add(value);
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) continue;
    if (Array.isArray(value)) {
      value.forEach((v, n) => {
        queue.push({ value: v, path: `${path}[${n}]` });
      });
    } else if (value instanceof Map) {
      for (const [k, v] of value) {
        queue.push({ value: k, path: `${path}<key>` }, { value: v, path: `${path}<${String(k)}>` });
      }
    } else if (value instanceof Set) {
      for (const v of value) queue.push({ value: v, path: `${path}<member>` });
    } else if (Object.prototype.toString.call(value) === "[object Generator]") {
      report(path, `a suspended generator is held at ${path}`);
    } else {
      const proto: unknown = Object.getPrototypeOf(value);
      const plain = proto === Object.prototype || proto === null;
      const fields = plain ? null : describe(value.constructor, cache);
      if (fields !== null && fields.missing !== null) report(path, `class ${fields.missing} has no stateType`);
      for (const [name, v] of Object.entries(value)) {
        if (fields !== null) {
          if (fields.unsaved.has(name)) continue;
          if (!fields.saved.has(name) && fields.missing === null) {
            report(`${path}.${name}`, `field ${value.constructor.name}.${name} is in neither list of its stateType`);
          }
        }
        queue.push({ value: v, path: path === "" ? name : `${path}.${name}` });
      }
    }
  }
  return out;
}
