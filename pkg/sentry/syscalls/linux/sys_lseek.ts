import * as errno from "../../../abi/linux/errno.ts";
import { SEEK_HOLE } from "../../../abi/linux/file.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { openFile } from "./path.ts";

/** lseek(2). */
export function lseek(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  const whence = args.u32(2);
  if (whence > SEEK_HOLE) return -errno.EINVAL;
  return file.seek(args.i64(1), whence);
}
