import * as errno from "../../../abi/linux/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
} from "../../../abi/linux/file.ts";
import { IN_MODIFY } from "../../../abi/linux/inotify.ts";
import { RLIMIT_FSIZE } from "../../../abi/linux/rlimit.ts";
import { SIGXFSZ } from "../../../abi/linux/signal.ts";
import {
  S_IALLUGO,
  S_IFBLK,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  UTIME_NOW,
  UTIME_OMIT,
} from "../../../abi/linux/stat.ts";
import { NSEC_PER_SEC } from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { NO_ID } from "../../kernel/auth/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import {
  ATTR_ATIME,
  ATTR_ATIME_NOW,
  ATTR_CHOWN,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_MTIME_NOW,
  ATTR_SIZE,
  ATTR_UID,
  type Inode,
  MAX_FILE_OFFSET,
  MAY_WRITE,
  notifyFile,
  removePrivileges,
  type SetStatOptions,
} from "../../vfs/index.ts";
import { copyInPathOperation, copyInPathOrFile, openFile } from "./path.ts";

/** The shared SetStatOptions, asking for `mask`. */
function options(t: Task, mask: number): SetStatOptions {
  const o = t.kernel.syscallScratch.setStat;
  o.mask = mask;
  return o;
}

/** Applies a change to what (dirfd, path, flags) name. */
function setStatAt(t: Task, dirfd: number, pathAddr: number, flags: number, o: SetStatOptions): number {
  const p = copyInPathOrFile(t, dirfd, pathAddr, flags);
  const vfs = t.kernel.vfs;
  if (p.pop !== null) vfs.setStatAt(t.creds, p.pop, o);
  else vfs.setStatVirtualDentry(t.creds, p.file !== null ? p.file.vd : t.fsContext.cwd, o);
  return 0;
}

// ---- mode

/** chmod(2). */
export function chmod(t: Task, args: SyscallArguments): number {
  return changeMode(t, AT_FDCWD, args.u64(0), args.u32(1), 0);
}

/** fchmodat(2): the system call has no flags. */
export function fchmodat(t: Task, args: SyscallArguments): number {
  return changeMode(t, args.i32(0), args.u64(1), args.u32(2), 0);
}

/** fchmodat2(2). */
export function fchmodat2(t: Task, args: SyscallArguments): number {
  return changeMode(t, args.i32(0), args.u64(1), args.u32(2), args.u32(3));
}

function changeMode(t: Task, dirfd: number, pathAddr: number, mode: number, flags: number): number {
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  const o = options(t, ATTR_MODE);
  o.mode = mode & S_IALLUGO;
  return setStatAt(t, dirfd, pathAddr, flags, o);
}

/** fchmod(2). */
export function fchmod(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  const o = options(t, ATTR_MODE);
  o.mode = args.u32(1) & S_IALLUGO;
  file.setStat(o, t.creds);
  return 0;
}

// ---- owner

/** chown(2). */
export function chown(t: Task, args: SyscallArguments): number {
  return setStatAt(t, AT_FDCWD, args.u64(0), 0, ownerOptions(t, args.u32(1), args.u32(2)));
}

/** lchown(2). */
export function lchown(t: Task, args: SyscallArguments): number {
  return setStatAt(t, AT_FDCWD, args.u64(0), AT_SYMLINK_NOFOLLOW, ownerOptions(t, args.u32(1), args.u32(2)));
}

/** fchownat(2). */
export function fchownat(t: Task, args: SyscallArguments): number {
  const flags = args.i32(4);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  return setStatAt(t, args.i32(0), args.u64(1), flags, ownerOptions(t, args.u32(2), args.u32(3)));
}

/** fchown(2). */
export function fchown(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  file.setStat(ownerOptions(t, args.u32(1), args.u32(2)), t.creds);
  return 0;
}

function ownerOptions(t: Task, uid: number, gid: number): SetStatOptions {
  const o = options(t, ATTR_CHOWN);
  const ns = t.creds.userNamespace;
  if (uid !== NO_ID) {
    o.uid = ns.mapToKUID(uid);
    if (o.uid === NO_ID) throw linuxerr.EINVAL;
    o.mask |= ATTR_UID;
  }
  if (gid !== NO_ID) {
    o.gid = ns.mapToKGID(gid);
    if (o.gid === NO_ID) throw linuxerr.EINVAL;
    o.mask |= ATTR_GID;
  }
  return o;
}

// ---- size

/** truncate(2). */
export function truncate(t: Task, args: SyscallArguments): number {
  const size = args.i64(1);
  if (size < 0) return -errno.EINVAL;
  const vfs = t.kernel.vfs;
  const vd = vfs.getDentryAt(t.creds, copyInPathOperation(t, AT_FDCWD, args.u64(0), true));
  const inode = vd.dentry.inode;
  if ((inode.mode() & S_IFMT) === S_IFREG && inode.checkPermissions(t.creds, MAY_WRITE) === 0) {
    const r = checkNewSize(t, inode, size);
    if (r !== 0) return r;
  }
  const o = options(t, ATTR_SIZE);
  o.size = size;
  vfs.setStatVirtualDentry(t.creds, vd, o);
  return 0;
}

/** ftruncate(2). */
export function ftruncate(t: Task, args: SyscallArguments): number {
  const size = args.i64(1);
  if (size < 0) return -errno.EINVAL;
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  if ((file.inode.mode() & S_IFMT) !== S_IFREG || !file.writable) return -errno.EINVAL;
  const r = checkNewSize(t, file.inode, size);
  if (r !== 0) return r;
  const o = options(t, ATTR_SIZE);
  o.size = size;
  file.setStat(o, t.creds);
  return 0;
}

/** RLIMIT_FSIZE and the largest offset, for a file that is to grow: 0 or -EFBIG. */
function checkNewSize(t: Task, inode: Inode, size: number): number {
  if (size > MAX_FILE_OFFSET) return -errno.EFBIG;
  const limit = t.threadGroup.limits.cur(RLIMIT_FSIZE);
  if (size <= limit) return 0;
  const st = t.kernel.syscallScratch.statx;
  inode.stat(st);
  if (st.size >= size) return 0;
  t.sendSelfSignal(SIGXFSZ);
  return -errno.EFBIG;
}

/** fallocate(2). */
export function fallocate(t: Task, args: SyscallArguments): number {
  const mode = args.i32(1);
  const offset = args.i64(2);
  const length = args.i64(3);
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  if (offset < 0 || length <= 0) return -errno.EINVAL;
  switch (mode & ~FALLOC_FL_KEEP_SIZE) {
    case 0:
    case FALLOC_FL_UNSHARE_RANGE:
    case FALLOC_FL_ZERO_RANGE:
      break;
    case FALLOC_FL_PUNCH_HOLE:
      if ((mode & FALLOC_FL_KEEP_SIZE) === 0) return -errno.EOPNOTSUPP;
      break;
    case FALLOC_FL_COLLAPSE_RANGE:
    case FALLOC_FL_INSERT_RANGE:
      if ((mode & FALLOC_FL_KEEP_SIZE) !== 0) return -errno.EOPNOTSUPP;
      break;
    default:
      return -errno.EOPNOTSUPP;
  }
  if (!file.writable) return -errno.EBADF;
  const type = file.inode.mode() & S_IFMT;
  if (type === S_IFIFO) return -errno.ESPIPE;
  if (type === S_IFDIR) return -errno.EISDIR;
  if (type !== S_IFREG && type !== S_IFBLK) return -errno.ENODEV;
  if (offset + length > MAX_FILE_OFFSET) return -errno.EFBIG;
  if ((mode & FALLOC_FL_KEEP_SIZE) === 0) {
    const r = checkNewSize(t, file.inode, offset + length);
    if (r !== 0) return r;
  }
  removePrivileges(file.inode, t.creds);
  file.allocate(mode, offset, length);
  notifyFile(file, IN_MODIFY);
  return 0;
}

// ---- times

/** utime(2). */
export function utime(t: Task, args: SyscallArguments): number {
  const addr = args.u64(1);
  const o = nowOptions(t);
  if (addr !== 0) {
    t.copyIn(addr, t.kernel.scratch, 0, 16);
    const w = t.kernel.scratchWords;
    setExplicit(o, signed64(w, 0), 0, signed64(w, 2), 0);
  }
  return setStatAt(t, AT_FDCWD, args.u64(0), 0, o);
}

/** utimes(2). */
export function utimes(t: Task, args: SyscallArguments): number {
  return setTimeval(t, AT_FDCWD, args.u64(0), args.u64(1));
}

/** futimesat(2). */
export function futimesat(t: Task, args: SyscallArguments): number {
  return setTimeval(t, args.i32(0), args.u64(1), args.u64(2));
}

function setTimeval(t: Task, dirfd: number, pathAddr: number, addr: number): number {
  const o = nowOptions(t);
  if (addr !== 0) {
    t.copyIn(addr, t.kernel.scratch, 0, 32);
    const w = t.kernel.scratchWords;
    const au = signed64(w, 2);
    const mu = signed64(w, 6);
    if (au < 0 || au >= 1000000 || mu < 0 || mu >= 1000000) return -errno.EINVAL;
    setExplicit(o, signed64(w, 0), au * 1000, signed64(w, 4), mu * 1000);
  }
  return setTimes(t, dirfd, pathAddr, 0, o);
}

/** utimensat(2). */
export function utimensat(t: Task, args: SyscallArguments): number {
  const addr = args.u64(2);
  const o = nowOptions(t);
  if (addr !== 0) {
    t.copyIn(addr, t.kernel.scratch, 0, 32);
    const w = t.kernel.scratchWords;
    const an = signed64(w, 2);
    const mn = signed64(w, 6);
    // Nothing to do: not even the path is looked at.
    if (an === UTIME_OMIT && mn === UTIME_OMIT) return 0;
    if (!validNsec(an) || !validNsec(mn)) return -errno.EINVAL;
    setExplicit(o, signed64(w, 0), an, signed64(w, 4), mn);
    if (an === UTIME_OMIT) o.mask &= ~ATTR_ATIME;
    else if (an === UTIME_NOW) o.mask = (o.mask & ~ATTR_ATIME) | ATTR_ATIME_NOW;
    if (mn === UTIME_OMIT) o.mask &= ~ATTR_MTIME;
    else if (mn === UTIME_NOW) o.mask = (o.mask & ~ATTR_MTIME) | ATTR_MTIME_NOW;
  }
  return setTimes(t, args.i32(0), args.u64(1), args.i32(3), o);
}

function setTimes(t: Task, dirfd: number, pathAddr: number, flags: number, o: SetStatOptions): number {
  if (pathAddr === 0 && dirfd !== AT_FDCWD) {
    if (flags !== 0) return -errno.EINVAL;
    const file = openFile(t, dirfd);
    if (file === null) return -errno.EBADF;
    t.kernel.vfs.setStatVirtualDentry(t.creds, file.vd, o);
    return 0;
  }
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  return setStatAt(t, dirfd, pathAddr, flags, o);
}

function nowOptions(t: Task): SetStatOptions {
  return options(t, ATTR_ATIME_NOW | ATTR_MTIME_NOW);
}

function setExplicit(o: SetStatOptions, asec: number, ansec: number, msec: number, mnsec: number): void {
  o.mask = ATTR_ATIME | ATTR_MTIME;
  o.atimeSec = asec;
  o.atimeNsec = ansec;
  o.mtimeSec = msec;
  o.mtimeNsec = mnsec;
}

function validNsec(n: number): boolean {
  return n === UTIME_NOW || n === UTIME_OMIT || (n >= 0 && n < NSEC_PER_SEC);
}

function signed64(w: Uint32Array, i: number): number {
  return ((w[i + 1] ?? 0) | 0) * 4294967296 + (w[i] ?? 0);
}
