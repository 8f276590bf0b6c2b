/**
 * Package loader makes a fresh address space into a program: it follows `#!` lines, maps ELF64 executables and their interpreter, builds the first
 * stack and auxiliary vector, and computes the credentials after exec (execve(2), elf(5)). It keeps no state; loadProgram runs to its end
 * within one system call.
 */
export { KnownHeads } from "./elf.ts";
export { Features, featuresFromAuxv } from "./features.ts";
export { type LoadArgs, type LoadedProgram, loadProgram } from "./loader.ts";
export { ArgumentBudget, argumentSpace } from "./stack.ts";
