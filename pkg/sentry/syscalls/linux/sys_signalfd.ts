import * as errno from "../../../abi/linux/errno.ts";
import { SFD_CLOEXEC, SFD_NONBLOCK, SIGNAL_SET_SIZE } from "../../../abi/linux/signal.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as sigset from "../../kernel/signal_set.ts";
import { SignalFileDescription } from "../../kernel/signalfd.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** signalfd(2). */
export function signalfd(t: Task, args: SyscallArguments): number {
  return create(t, args.i32(0), args.u64(1), args.u64(2), 0);
}

/** signalfd4(2). */
export function signalfd4(t: Task, args: SyscallArguments): number {
  return create(t, args.i32(0), args.u64(1), args.u64(2), args.i32(3));
}

function create(t: Task, fd: number, maskAddr: number, size: number, flags: number): number {
  if (size !== SIGNAL_SET_SIZE) return -errno.EINVAL;
  t.copyIn(maskAddr, t.kernel.scratch, 0, 8);
  const lo = ((t.kernel.scratchWords[0] ?? 0) & ~sigset.UNBLOCKABLE_LO) >>> 0;
  const hi = t.kernel.scratchWords[1] ?? 0;
  if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) !== 0) return -errno.EINVAL;
  if (fd !== -1) {
    const old = t.getFile(fd);
    if (!(old instanceof SignalFileDescription)) throw linuxerr.EINVAL;
    old.setMask(lo, hi);
    return fd;
  }
  const vd = t.kernel.vfs.newAnonVirtualDentry("[signalfd]");
  const file = new SignalFileDescription(vd, flags & SFD_NONBLOCK, t.kernel, lo, hi);
  try {
    return t.newFD(file, (flags & SFD_CLOEXEC) !== 0);
  } finally {
    file.decRef();
  }
}
