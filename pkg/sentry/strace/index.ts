/**
 * Package strace prints system calls as readable lines, arguments decoded. Give Kernel.strace a Strace; it reads guest memory
 * for display only and changes nothing.
 */
export { Strace, type StraceSink } from "./strace.ts";
export type { SyscallFormat } from "./table.ts";
