/**
 * Package filter is the seccomp filter of the sandbox process: what the host may be asked for once guest code exists. rules.ts
 * lists each call with its reason, program.ts turns the list into BPF, install.ts puts it on every thread. The
 * filter is installed once, as the last step of the confinement, and cannot be taken back.
 */
export { Filter } from "./install.ts";
export { buildProgram, type Condition, type Instruction, type Rule } from "./program.ts";
export { type FilterOptions, sentryRules } from "./rules.ts";
