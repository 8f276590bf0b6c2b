/**
 * Package bpf is classic BPF: instructions, a program builder with labels, the checks the kernel makes, and an interpreter.
 * The sentry builds its own seccomp filters with it, and runs the filters that guests install. A Program is immutable once
 * validated; only validated programs may be run.
 */
export { ProgramBuilder } from "./builder.ts";
export { encode, type Instruction, type Program } from "./instruction.ts";
export { run } from "./interpreter.ts";
export { decode, validate, validateSeccomp } from "./validate.ts";
