import * as errno from "../../../abi/linux/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
} from "../../../abi/linux/file.ts";
import { STATX__RESERVED, STATX_MNT_ID, STATX_MNT_ID_UNIQUE } from "../../../abi/linux/stat.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { Statx } from "../../vfs/index.ts";
import { isKnown, onlyPath } from "./path.ts";
import { copyOutStat, copyOutStatfs, copyOutStatx } from "./stat_encode.ts";

/** stat(2). */
export function stat(t: Task, args: SyscallArguments): number {
  return statPath(t, args.u64(0), args.u64(1), true);
}

/** lstat(2). */
export function lstat(t: Task, args: SyscallArguments): number {
  return statPath(t, args.u64(0), args.u64(1), false);
}

function statPath(t: Task, pathAddr: number, addr: number, follow: boolean): number {
  const st = t.kernel.syscallScratch.statx;
  const r = statPathOrFile(t, AT_FDCWD, pathAddr, follow ? 0 : AT_SYMLINK_NOFOLLOW, st);
  if (r === 0) copyOutStat(t, addr, st);
  return r;
}

/** fstat(2). */
export function fstat(t: Task, args: SyscallArguments): number {
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  const st = t.kernel.syscallScratch.statx;
  file.stat(st);
  copyOutStat(t, args.u64(1), st);
  return 0;
}

/** newfstatat(2). */
export function newfstatat(t: Task, args: SyscallArguments): number {
  const flags = args.i32(3);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) !== 0) {
    return -errno.EINVAL;
  }
  const st = t.kernel.syscallScratch.statx;
  const r = statPathOrFile(t, args.i32(0), args.u64(1), flags, st);
  if (r === 0) copyOutStat(t, args.u64(2), st);
  return r;
}

/** statx(2). */
export function statx(t: Task, args: SyscallArguments): number {
  const flags = args.i32(2);
  const mask = args.u32(3);
  if ((mask & STATX__RESERVED) !== 0) return -errno.EINVAL;
  if ((flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -errno.EINVAL;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) !== 0) {
    return -errno.EINVAL;
  }
  const st = t.kernel.syscallScratch.statx;
  const r = statPathOrFile(t, args.i32(0), args.u64(1), flags, st);
  if (r !== 0) return r;
  // Linux fills mnt_id whatever was asked for; the unique form is asked for by its own bit.
  st.mask |= (mask & STATX_MNT_ID_UNIQUE) !== 0 ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID;
  copyOutStatx(t, args.u64(4), st);
  return 0;
}

/** 0, or -ENOENT when a name is missing. */
function statPathOrFile(t: Task, dirfd: number, pathAddr: number, flags: number, st: Statx): number {
  const vfs = t.kernel.vfs;
  const empty = (flags & AT_EMPTY_PATH) !== 0;
  const known = empty && pathAddr === 0 ? null : t.copyInKnownPath(pathAddr);
  if (known !== null && isKnown(t, dirfd, known, (flags & AT_SYMLINK_NOFOLLOW) === 0)) {
    if (known.missing) return -errno.ENOENT;
    if (vfs.statKnown(known, st)) return 0;
  }
  const path = known !== null ? known.text : empty && pathAddr === 0 ? "" : t.copyInPath(pathAddr);
  if (path.length > 0 || !empty) {
    return vfs.tryStatAt(t.creds, onlyPath(t, dirfd, path, known, (flags & AT_SYMLINK_NOFOLLOW) === 0), st);
  }
  if (dirfd === AT_FDCWD) vfs.statVirtualDentry(t.fsContext.cwd, st);
  else t.getFile(dirfd).stat(st);
  return 0;
}

/** statfs(2). */
export function statfs(t: Task, args: SyscallArguments): number {
  const st = t.kernel.syscallScratch.statfs;
  const known = t.copyInKnownPath(args.u64(0));
  // Every program that knows SELinux asks for what is not there.
  if (known?.missing === true && isKnown(t, AT_FDCWD, known, true)) return -errno.ENOENT;
  const path = known === null ? t.copyInPath(args.u64(0)) : known.text;
  t.kernel.vfs.statFSAt(t.creds, onlyPath(t, AT_FDCWD, path, known, true), st);
  copyOutStatfs(t, args.u64(1), st);
  return 0;
}

/** fstatfs(2). */
export function fstatfs(t: Task, args: SyscallArguments): number {
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  const st = t.kernel.syscallScratch.statfs;
  file.statFS(st);
  copyOutStatfs(t, args.u64(1), st);
  return 0;
}

/** ustat(2): only block devices with a filesystem have an answer, and there are none. */
export function ustat(_t: Task, _args: SyscallArguments): number {
  return -errno.EINVAL;
}
