import * as errno from "../../../abi/linux/errno.ts";
import {
  SYNC_FILE_RANGE_WAIT_AFTER,
  SYNC_FILE_RANGE_WAIT_BEFORE,
  SYNC_FILE_RANGE_WRITE,
} from "../../../abi/linux/fcntl.ts";
import {
  POSIX_FADV_DONTNEED,
  POSIX_FADV_NOREUSE,
  POSIX_FADV_NORMAL,
  POSIX_FADV_RANDOM,
  POSIX_FADV_SEQUENTIAL,
  POSIX_FADV_WILLNEED,
} from "../../../abi/linux/file.ts";
import { S_IFBLK, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "../../../abi/linux/stat.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { Filesystem, Mount } from "../../vfs/index.ts";
import { openFile } from "./path.ts";

/** sync(2): every filesystem of the caller's mount namespace. */
export function sync(t: Task, _args: SyscallArguments): number {
  const seen = new Set<Filesystem>();
  const todo: Mount[] = [t.mountNamespace.root.mount];
  for (let m = todo.pop(); m !== undefined; m = todo.pop()) {
    seen.add(m.fs);
    for (const c of m.children.values()) todo.push(c);
  }
  for (const fs of seen) fs.sync();
  return 0;
}

/** syncfs(2). */
export function syncfs(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  file.inode.fs.sync();
  return 0;
}

/** fsync(2). */
export function fsync(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  file.sync();
  return 0;
}

/** fdatasync(2): no cheaper than fsync here. */
export function fdatasync(t: Task, args: SyscallArguments): number {
  return fsync(t, args);
}

/** sync_file_range(2): the host is asked to write the whole file when the caller wants to wait for it. */
export function syncFileRange(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  const offset = args.i64(1);
  const bytes = args.i64(2);
  const flags = args.u32(3);
  const wait = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;
  if ((flags & ~(wait | SYNC_FILE_RANGE_WRITE)) !== 0) return -errno.EINVAL;
  if (offset < 0 || bytes < 0 || offset + bytes > 2 ** 63) return -errno.EINVAL;
  const type = file.inode.mode() & S_IFMT;
  if (type !== S_IFREG && type !== S_IFBLK && type !== S_IFDIR && type !== S_IFLNK) return -errno.ESPIPE;
  if ((flags & wait) !== 0) file.sync();
  return 0;
}

/** fadvise64(2): checked, then left to the host's own judgement. */
export function fadvise64(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  if ((file.inode.mode() & S_IFMT) === S_IFIFO) return -errno.ESPIPE;
  if (args.i64(2) < 0) return -errno.EINVAL;
  switch (args.i32(3)) {
    case POSIX_FADV_NORMAL:
    case POSIX_FADV_RANDOM:
    case POSIX_FADV_SEQUENTIAL:
    case POSIX_FADV_WILLNEED:
    case POSIX_FADV_DONTNEED:
    case POSIX_FADV_NOREUSE:
      return 0;
    default:
      return -errno.EINVAL;
  }
}

/** readahead(2): checked, then left to the host. */
export function readahead(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null || !file.readable) return -errno.EBADF;
  const type = file.inode.mode() & S_IFMT;
  if (type !== S_IFREG && type !== S_IFBLK) return -errno.EINVAL;
  return 0;
}
