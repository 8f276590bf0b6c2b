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
import type { IOJob } from "../../iopool/index.ts";
import type { SyscallArguments, SyscallGenerator, SyscallResult } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { Filesystem, Mount } from "../../vfs/index.ts";
import { waitForJob } from "./io_job.ts";
import { openFile } from "./path.ts";

/** sync(2): every filesystem of the caller's mount namespace. */
export function sync(t: Task, _args: SyscallArguments): SyscallResult {
  const seen = new Set<Filesystem>();
  const todo: Mount[] = [t.mountNamespace.root.mount];
  for (let m = todo.pop(); m !== undefined; m = todo.pop()) {
    seen.add(m.fs);
    for (const c of m.children.values()) todo.push(c);
  }
  const jobs: IOJob[] = [];
  for (const fs of seen) {
    const job = fs.startSync();
    if (job === null) fs.sync();
    else jobs.push(job);
  }
  return jobs.length === 0 ? 0 : waitForAll(t, jobs);
}

/** Waits for host calls whose results do not matter: 0. */
function* waitForAll(t: Task, jobs: readonly IOJob[]): SyscallGenerator {
  for (const job of jobs) if ((yield* waitForJob(t, job)) === -errno.ERESTARTSYS) return -errno.ERESTARTSYS;
  return 0;
}

/** syncfs(2). */
export function syncfs(t: Task, args: SyscallArguments): SyscallResult {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  const job = file.inode.fs.startSync();
  if (job !== null) return waitForJob(t, job);
  file.inode.fs.sync();
  return 0;
}

/** fsync(2). */
export function fsync(t: Task, args: SyscallArguments): SyscallResult {
  return syncFile(t, args.i32(0), false);
}

/** fdatasync(2). */
export function fdatasync(t: Task, args: SyscallArguments): SyscallResult {
  return syncFile(t, args.i32(0), true);
}

function syncFile(t: Task, fd: number, dataOnly: boolean): SyscallResult {
  const file = openFile(t, fd);
  if (file === null) return -errno.EBADF;
  const job = file.startSync(dataOnly);
  if (job !== null) return waitForJob(t, job);
  file.sync();
  return 0;
}

/** sync_file_range(2): the host is asked to write the whole file when the caller wants to wait for it. */
export function syncFileRange(t: Task, args: SyscallArguments): SyscallResult {
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
  return (flags & wait) !== 0 ? syncFile(t, args.i32(0), true) : 0;
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
