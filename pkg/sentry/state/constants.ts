import { stateConstants as kernelConstants } from "../kernel/save.ts";

/** Objects of the program that kernels refer to and that compare by identity, with the names they have in images. */
export const stateConstants: readonly (readonly [string, object])[] = [...kernelConstants];
