import * as errno from "../../../abi/linux/errno.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** seccomp(2): as a kernel without CONFIG_SECCOMP. */
export function seccomp(_t: Task, _args: SyscallArguments): number {
  return -errno.ENOSYS;
}

/** prctl(PR_SET_SECCOMP) of such a kernel. */
export function prctlSetSeccomp(_t: Task): number {
  return -errno.EINVAL;
}

/** prctl(PR_GET_SECCOMP) of such a kernel. */
export function prctlGetSeccomp(_t: Task): number {
  return -errno.EINVAL;
}
