import * as errno from "../../../abi/linux/errno.ts";
import { O_CLOEXEC, O_DIRECT, O_NONBLOCK } from "../../../abi/linux/file.ts";
import { newPipe, PipeFS } from "../../fsimpl/pipefs/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { fdLimit } from "./sys_file.ts";

/** pipe(2). */
export function pipe(t: Task, args: SyscallArguments): number {
  return create(t, args.u64(0), 0);
}

/** pipe2(2). */
export function pipe2(t: Task, args: SyscallArguments): number {
  return create(t, args.u64(0), args.i32(1));
}

function create(t: Task, addr: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return -errno.EINVAL;
  const fs = t.kernel.vfs.fifoFactory;
  if (!(fs instanceof PipeFS)) return -errno.ENFILE;
  const [reader, writer] = newPipe(fs, t.creds, flags);
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const limit = fdLimit(t);
  let r = -1;
  let w = -1;
  try {
    r = t.fdTable.newFD(reader, 0, cloexec, limit);
    if (r < 0) return r;
    w = t.fdTable.newFD(writer, 0, cloexec, limit);
    if (w < 0) {
      t.fdTable.remove(r);
      return w;
    }
    const words = t.kernel.scratchWords;
    words[0] = r;
    words[1] = w;
    t.copyOut(addr, t.kernel.scratch, 0, 8);
    return 0;
  } catch (e) {
    if (r >= 0) t.fdTable.remove(r);
    if (w >= 0) t.fdTable.remove(w);
    throw e;
  } finally {
    reader.decRef();
    writer.decRef();
  }
}
