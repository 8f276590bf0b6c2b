import { ENOSYS } from "../../../abi/linux/errno.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** rseq(2): not offered; C libraries ask for it at every start and do without. */
export function rseq(_t: Task, _args: SyscallArguments): number {
  return -ENOSYS;
}
