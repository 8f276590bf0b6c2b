import type { SyscallFn } from "../../kernel/syscalls.ts";

/** One implemented system call. */
export interface SyscallEntry {
  readonly fn: SyscallFn;
  /** Name as in syscall_64.tbl. */
  readonly name: string;
}

/** The x86-64 system calls by number; a missing entry answers ENOSYS. */
export const syscallTable: readonly (SyscallEntry | undefined)[] = [];
