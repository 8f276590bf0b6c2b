import type { StateType } from "./index.ts";

/** A class with a `stateType`. */
export type StateClass = abstract new (...args: never[]) => object;

/** What hooks are told about the world that a graph is restored into. */
export interface LoadContext {
  /** To be added to every point of CLOCK_MONOTONIC (ns) that the saved kernel knew: the clock stood still while it was saved. */
  readonly monotonicShift: number;
}

/** A class whose objects need work after their saved fields are there. */
export interface AfterLoad {
  /**
   * Sets every unsaved field. Hooks run once the whole graph is filled, in the order of a breadth-first walk from the root; a hook may
   * look at saved fields of other objects, and at nothing else of them. A subclass calls super.afterLoad.
   */
  afterLoad(ctx: LoadContext): void;
}

/** For hooks: sets fields of an object that are readonly to everybody else. */
export function setFields<T extends object>(o: T, fields: { readonly [K in keyof T]?: T[K] }): void {
  Object.assign(o, fields);
}

/** An image that cannot be read, or a graph that cannot be written; the message says what and where. */
export class StateError extends Error {
  override readonly name: string = "StateError";
}

/** The fields of a class and its bases. */
export interface ClassFields {
  readonly name: string;
  readonly prototype: object;
  readonly saved: ReadonlySet<string>;
  readonly unsaved: ReadonlySet<string>;
}

/** The descriptor that a class itself carries, not a base of it; undefined when it has none. */
export function ownStateType(c: StateClass): StateType | undefined {
  return Object.getOwnPropertyDescriptor(c, "stateType")?.value as StateType | undefined;
}

/** The classes whose objects can be written and read, by wire name, and constants that exist on both sides and are only named. */
export class TypeRegistry {
  /** By wire name. */
  readonly types: ReadonlyMap<string, ClassFields>;
  /** By class. */
  readonly byClass: ReadonlyMap<unknown, ClassFields>;
  /** Constants of the program by name. */
  readonly constants: ReadonlyMap<string, object>;

  /** Throws for a class without a descriptor of its own and for a wire name used twice. */
  constructor(classes: Iterable<StateClass>, constants: Iterable<readonly [string, object]> = []) {
    const types = new Map<string, ClassFields>();
    const byClass = new Map<unknown, ClassFields>();
    for (const c of classes) {
      const own = ownStateType(c);
      if (own === undefined) throw new StateError(`state: class ${c.name} has no stateType of its own`);
      if (types.has(own.name)) throw new StateError(`state: two classes are called ${own.name}`);
      const saved = new Set<string>();
      const unsaved = new Set<string>();
      for (let b: unknown = c; typeof b === "function" && b !== Function.prototype; b = Object.getPrototypeOf(b)) {
        const t = ownStateType(b as StateClass);
        for (const f of t?.saved ?? []) saved.add(f);
        for (const f of t?.unsaved ?? []) unsaved.add(f);
      }
      // A subclass may say that it rebuilds what its base saves.
      for (const f of own.unsaved) saved.delete(f);
      const fields = { name: own.name, prototype: c.prototype as object, saved, unsaved };
      types.set(own.name, fields);
      byClass.set(c, fields);
    }
    this.types = types;
    this.byClass = byClass;
    this.constants = new Map(constants);
  }
}
