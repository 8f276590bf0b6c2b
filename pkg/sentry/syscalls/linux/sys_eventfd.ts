import * as errno from "../../../abi/linux/errno.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE } from "../../../abi/linux/eventfd.ts";
import { EventFileDescription } from "../../fsimpl/eventfd/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** eventfd(2). */
export function eventfd(t: Task, args: SyscallArguments): number {
  return create(t, args.u32(0), 0);
}

/** eventfd2(2). */
export function eventfd2(t: Task, args: SyscallArguments): number {
  return create(t, args.u32(0), args.i32(1));
}

function create(t: Task, initial: number, flags: number): number {
  if ((flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK)) !== 0) return -errno.EINVAL;
  const vd = t.kernel.vfs.newAnonVirtualDentry("[eventfd]");
  const file = new EventFileDescription(vd, initial, flags, (flags & EFD_SEMAPHORE) !== 0);
  try {
    return t.newFD(file, (flags & EFD_CLOEXEC) !== 0);
  } finally {
    file.decRef();
  }
}
