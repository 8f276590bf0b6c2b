/**
 * Package state names every class and constant that the graph of a kernel can hold, for pkg/state to read and write it. It is handed to
 * kernel.saveKernel and kernel.restoreKernel by whoever checkpoints; nothing else imports it, since it imports everything.
 */
import { TypeRegistry } from "../../state/index.ts";
import { stateClasses } from "./classes.ts";
import { stateConstants } from "./constants.ts";

export { stateClasses } from "./classes.ts";
export { stateConstants } from "./constants.ts";
export { readGraph, readMemory, writeImage } from "./image.ts";

/** A registry of all that a kernel consists of. */
export function newKernelRegistry(): TypeRegistry {
  return new TypeRegistry(stateClasses, stateConstants);
}
