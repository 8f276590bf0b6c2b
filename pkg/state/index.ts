/**
 * Package state describes what of a kernel object is saved in a checkpoint.
 *
 * Every class whose instances are reachable from a Kernel carries a static `stateType` made by `stateType()`: its
 * wire name, the fields that are saved and the fields that are rebuilt. A test walks a live Kernel and fails on any
 * class without one, any own field that is in neither list, and any function-valued field. encode() writes the graph of a stopped
 * kernel as bytes and decode() makes it anew: saved fields come from the image, unsaved ones from the objects' afterLoad hooks. The classes
 * are handed over in a TypeRegistry; the package knows none.
 */

export { Decoded, decode } from "./decode.ts";
export { encode } from "./encode.ts";
export {
  type AfterLoad,
  type ClassFields,
  type LoadContext,
  ownStateType,
  type StateClass,
  StateError,
  setFields,
  TypeRegistry,
} from "./registry.ts";
export { findViolations, type Violation } from "./walk.ts";

/** The save descriptor of one class. */
export interface StateType {
  /** Wire name, "package.Class", unique in the project. */
  readonly name: string;
  /** Own fields written to a checkpoint. */
  readonly saved: readonly string[];
  /** Own fields that are caches, host resources or otherwise rebuilt after a restore. */
  readonly unsaved: readonly string[];
}

/**
 * Describes a class: `static readonly stateType = stateType("kernel.Task", ["tid", "mm"], ["context"]);`
 * A subclass lists only its own fields; the walker joins the lists along the prototype chain.
 */
export function stateType(name: string, saved: readonly string[], unsaved: readonly string[] = []): StateType {
  return Object.freeze({ name, saved, unsaved });
}
