import * as errno from "../../../abi/linux/errno.ts";
import { AT_FDCWD, O_RDONLY } from "../../../abi/linux/file.ts";
import * as linux from "../../../abi/linux/inotify.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { InotifyFileDescription, MAY_READ } from "../../vfs/index.ts";
import { copyInPathOperation } from "./path.ts";

/** inotify_init(). */
export function inotifyInit(t: Task, _args: SyscallArguments): number {
  return newInstance(t, 0);
}

/** inotify_init1(2). */
export function inotifyInit1(t: Task, args: SyscallArguments): number {
  const flags = args.i32(0);
  if ((flags & ~(linux.IN_CLOEXEC | linux.IN_NONBLOCK)) !== 0) return -errno.EINVAL;
  return newInstance(t, flags);
}

function newInstance(t: Task, flags: number): number {
  const { vfs } = t.kernel;
  const place = vfs.newAnonVirtualDentry("inotify");
  const user = vfs.inotify.user(t.creds.realKUID);
  const file = new InotifyFileDescription(place, O_RDONLY | (flags & linux.IN_NONBLOCK), user);
  try {
    return t.newFD(file, (flags & linux.IN_CLOEXEC) !== 0);
  } finally {
    file.decRef();
  }
}

/** The instance behind a descriptor: EBADF, EINVAL. */
function instance(t: Task, fd: number): InotifyFileDescription {
  const file = t.fdTable.get(fd);
  if (file === null) throw linuxerr.EBADF;
  if (!(file instanceof InotifyFileDescription)) throw linuxerr.EINVAL;
  return file;
}

/** inotify_add_watch(2). */
export function inotifyAddWatch(t: Task, args: SyscallArguments): number {
  const mask = args.u32(2);
  if ((mask & linux.ALL_INOTIFY_BITS) === 0) return -errno.EINVAL;
  const fd = args.i32(0);
  if (t.fdTable.get(fd) === null) return -errno.EBADF;
  if ((mask & linux.IN_MASK_ADD) !== 0 && (mask & linux.IN_MASK_CREATE) !== 0) return -errno.EINVAL;
  const file = instance(t, fd);
  const pop = copyInPathOperation(t, AT_FDCWD, args.u64(1), (mask & linux.IN_DONT_FOLLOW) === 0);
  const place = t.kernel.vfs.getDentryAt(t.creds, pop);
  if ((mask & linux.IN_ONLYDIR) !== 0 && !place.inode.isDir()) return -errno.ENOTDIR;
  if (place.inode.checkPermissions(t.creds, MAY_READ) !== 0) return -errno.EACCES;
  return file.addWatch(place, mask);
}

/** inotify_rm_watch(2). */
export function inotifyRmWatch(t: Task, args: SyscallArguments): number {
  instance(t, args.i32(0)).removeWatch(args.i32(1));
  return 0;
}
