/**
 * Package filter is the seccomp filter of the sandbox process: what the host may be asked for once guest code exists. rules.ts
 * lists each call with its reason, program.ts turns the list into BPF when the program is built, install.ts puts it on every thread. The
 * filter is installed once, as the last step of the confinement, and cannot be taken back.
 */
export { installFilter } from "./install.ts";
