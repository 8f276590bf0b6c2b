import * as errno from "../../../abi/linux/errno.ts";
import {
  F_ADD_SEALS,
  F_ALL_SEALS,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETOWNER_UIDS,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_SETFD,
  F_SETFL,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_UNLCK,
  FD_CLOEXEC,
  O_ASYNC,
  O_DIRECT,
  O_NOATIME,
  O_PATH,
  SETFL_MASK,
} from "../../../abi/linux/file.ts";
import { S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../../abi/linux/stat.ts";
import { PipeFileDescription } from "../../fsimpl/pipefs/index.ts";
import { TmpfsFileDescription } from "../../fsimpl/tmpfs/index.ts";
import type { SyscallArguments, SyscallResult } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { type FileDescription, ownerOrCapable } from "../../vfs/index.ts";
import { getLock, setLock } from "./file_lock.ts";
import { getOwner, getOwnerEx, getSignal, setAsync, setOwner, setOwnerEx, setSignal } from "./file_owner.ts";
import { fdLimit } from "./sys_file.ts";

/** Flag of F_NOTIFY. */
const DN_MULTISHOT = 0x80000000;

/** fcntl(2). */
export function fcntl(t: Task, args: SyscallArguments): SyscallResult {
  const fd = args.i32(0);
  const cmd = args.i32(1);
  const file = t.fdTable.get(fd);
  if (file === null) return -errno.EBADF;
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC: {
      const min = args.u32(2);
      const limit = fdLimit(t);
      if (min >= limit) return -errno.EINVAL;
      return t.fdTable.newFD(file, min, cmd === F_DUPFD_CLOEXEC, limit);
    }
    case F_DUPFD_QUERY: {
      const other = t.fdTable.get(args.i32(2));
      if (other === null) return -errno.EBADF;
      return other === file ? 1 : 0;
    }
    case F_GETFD:
      return t.fdTable.getFlags(fd);
    case F_SETFD:
      return t.fdTable.setCloexec(fd, (args.u32(2) & FD_CLOEXEC) !== 0);
    case F_GETFL:
      return file.statusFlags;
    default:
      break;
  }
  if ((file.statusFlags & O_PATH) !== 0) return -errno.EBADF;
  switch (cmd) {
    case F_SETFL:
      return setStatusFlags(t, fd, file, args.i32(2));
    case F_GETLK:
    case F_OFD_GETLK:
      return getLock(t, file, args.u64(2), cmd === F_OFD_GETLK);
    case F_SETLK:
    case F_SETLKW:
      return setLock(t, fd, file, args.u64(2), cmd === F_SETLKW, false);
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return setLock(t, fd, file, args.u64(2), cmd === F_OFD_SETLKW, true);
    case F_GETOWN:
      return getOwner(t, file);
    case F_SETOWN:
      return setOwner(t, file, args.i32(2));
    case F_GETOWN_EX:
      return getOwnerEx(t, file, args.u64(2));
    case F_SETOWN_EX:
      return setOwnerEx(t, file, args.u64(2));
    case F_GETOWNER_UIDS: {
      const creds = file.async?.creds ?? null;
      const ns = t.creds.userNamespace;
      const w = t.kernel.scratchWords;
      w[0] = creds === null ? 0 : ns.uidOrOverflow(creds.realKUID);
      w[1] = creds === null ? 0 : ns.uidOrOverflow(creds.effectiveKUID);
      t.copyOut(args.u64(2), t.kernel.scratch, 0, 8);
      return 0;
    }
    case F_GETSIG:
      return getSignal(file);
    case F_SETSIG:
      return setSignal(file, args.u64(2));
    case F_GETLEASE:
      // No file system offers leases: F_SETLEASE is EINVAL below, and nobody has one.
      return F_UNLCK;
    case F_NOTIFY:
      // Asking for no events ends a watch there never was. Directory notification itself is not offered.
      return (args.u32(2) & ~DN_MULTISHOT) === 0 ? 0 : -errno.EINVAL;
    case F_GETPIPE_SZ:
      return file instanceof PipeFileDescription ? file.pipe.capacity() : -errno.EBADF;
    case F_SETPIPE_SZ:
      return file instanceof PipeFileDescription ? file.pipe.setCapacity(args.u32(2)) : -errno.EBADF;
    case F_ADD_SEALS: {
      if (!file.writable) return -errno.EPERM;
      const seals = args.u32(2);
      if ((seals & ~F_ALL_SEALS) !== 0 || !(file instanceof TmpfsFileDescription)) return -errno.EINVAL;
      file.file.addSeals(seals);
      return 0;
    }
    case F_GET_SEALS:
      return file instanceof TmpfsFileDescription ? file.file.seals : -errno.EINVAL;
    default:
      return -errno.EINVAL;
  }
}

/** F_SETFL. */
function setStatusFlags(t: Task, fd: number, file: FileDescription, arg: number): number {
  const old = file.statusFlags;
  if ((arg & O_NOATIME) !== 0 && (old & O_NOATIME) === 0 && !ownerOrCapable(t.creds, file.inode)) return -errno.EPERM;
  const type = file.inode.mode() & S_IFMT;
  if ((arg & O_DIRECT) !== 0 && type !== S_IFIFO && type !== S_IFREG) return -errno.EINVAL;
  const mask = SETFL_MASK & ~O_ASYNC;
  let flags = (arg & mask) | (old & ~mask);
  if (((arg ^ old) & O_ASYNC) !== 0 && canSignal(file)) {
    setAsync(t, file, (arg & O_ASYNC) !== 0, fd);
    flags ^= O_ASYNC;
  }
  file.setStatusFlags(flags);
  return 0;
}

/** Whether a file can send SIGIO: pipes, sockets and terminals. Others take the flag and forget it. */
export function canSignal(file: FileDescription): boolean {
  const type = file.inode.mode() & S_IFMT;
  return type === S_IFIFO || type === S_IFSOCK || (type === S_IFCHR && file.canPoll());
}
