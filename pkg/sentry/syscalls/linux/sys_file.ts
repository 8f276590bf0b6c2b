import { CAP_DAC_READ_SEARCH, CAP_SYS_CHROOT, SECBIT_NO_SETUID_FIXUP } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { CLOSE_RANGE_CLOEXEC, CLOSE_RANGE_UNSHARE } from "../../../abi/linux/fcntl.ts";
import {
  __O_TMPFILE,
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  PATH_MAX,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
  SIZEOF_OPEN_HOW,
  VALID_OPEN_FLAGS,
} from "../../../abi/linux/file.ts";
import { RLIMIT_NOFILE } from "../../../abi/linux/rlimit.ts";
import {
  S_IALLUGO,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "../../../abi/linux/stat.ts";
import { Entry, EventInternal, ReadableEvents, WritableEvents } from "../../../waiter/index.ts";
import { type Credentials, EMPTY_CAPS } from "../../kernel/auth/index.ts";
import { NR_OPEN_DEFAULT } from "../../kernel/fd_table.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
} from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { checkAccess, type FileDescription, MAY_EXEC, type PathOperation } from "../../vfs/index.ts";
import { copyInPathOperation, copyInPathOrFile, isKnown, onlyPath, pathOperation } from "./path.ts";

// ---- descriptors

/** The first descriptor number a task may not have: the smaller of RLIMIT_NOFILE and nr_open. */
export function fdLimit(t: Task): number {
  return Math.min(t.threadGroup.limits.cur(RLIMIT_NOFILE), NR_OPEN_DEFAULT);
}

/** close(2). */
export function close(t: Task, args: SyscallArguments): number {
  const r = t.fdTable.remove(args.i32(0));
  // The descriptor is gone whatever flush said: the call must not be restarted.
  return r <= -errno.ERESTARTSYS && r >= -errno.ERESTART_RESTARTBLOCK ? -errno.EINTR : r;
}

/** close_range(2). */
export function closeRange(t: Task, args: SyscallArguments): number {
  const first = args.u32(0);
  const last = args.u32(1);
  const flags = args.u32(2);
  if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) !== 0) return -errno.EINVAL;
  if (first > last) return -errno.EINVAL;
  const cloexec = (flags & CLOSE_RANGE_CLOEXEC) !== 0;
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && t.fdTable.refs > 1) {
    const own = cloexec ? t.fdTable.fork() : t.fdTable.fork(first, last);
    t.fdTable.decRef();
    t.fdTable = own;
  }
  if (cloexec) t.fdTable.setCloexecRange(first, last);
  else t.fdTable.removeRange(first, last);
  return 0;
}

/** dup(2). */
export function dup(t: Task, args: SyscallArguments): number {
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  return t.fdTable.newFD(file, 0, false, fdLimit(t));
}

/** dup2(2). */
export function dup2(t: Task, args: SyscallArguments): number {
  const oldFD = args.i32(0);
  const newFD = args.i32(1);
  if (oldFD === newFD) return t.fdTable.get(oldFD) === null ? -errno.EBADF : newFD;
  return dupTo(t, oldFD, newFD, false);
}

/** dup3(2). */
export function dup3(t: Task, args: SyscallArguments): number {
  const flags = args.i32(2);
  if ((flags & ~O_CLOEXEC) !== 0) return -errno.EINVAL;
  const oldFD = args.i32(0);
  const newFD = args.i32(1);
  if (oldFD === newFD) return -errno.EINVAL;
  return dupTo(t, oldFD, newFD, (flags & O_CLOEXEC) !== 0);
}

function dupTo(t: Task, oldFD: number, newFD: number, cloexec: boolean): number {
  if (newFD >>> 0 >= fdLimit(t)) return -errno.EBADF;
  const file = t.fdTable.get(oldFD);
  if (file === null) return -errno.EBADF;
  t.fdTable.newFDAt(newFD, file, cloexec);
  return newFD;
}

// ---- open

/** open(2). */
export function open(t: Task, args: SyscallArguments): SyscallResult {
  return openPath(t, AT_FDCWD, args.u64(0), args.i32(1) & VALID_OPEN_FLAGS, args.u32(2), 0);
}

/** openat(2). */
export function openat(t: Task, args: SyscallArguments): SyscallResult {
  return openPath(t, args.i32(0), args.u64(1), args.i32(2) & VALID_OPEN_FLAGS, args.u32(3), 0);
}

/** creat(2). */
export function creat(t: Task, args: SyscallArguments): SyscallResult {
  return openPath(t, AT_FDCWD, args.u64(0), O_CREAT | O_WRONLY | O_TRUNC, args.u32(1), 0);
}

/** openat2(2). */
export function openat2(t: Task, args: SyscallArguments): SyscallResult {
  const size = args.u64(3);
  if (size < SIZEOF_OPEN_HOW) return -errno.EINVAL;
  if (size > 4096) return -errno.E2BIG;
  const k = t.kernel;
  t.copyIn(args.u64(2), k.scratch, 0, size);
  for (let i = SIZEOF_OPEN_HOW; i < size; i++) if (k.scratch[i] !== 0) return -errno.E2BIG;
  const w = k.scratchWords;
  const flags = (w[0] ?? 0) | 0;
  const mode = w[2] ?? 0;
  const resolve = w[4] ?? 0;
  if ((w[1] ?? 0) !== 0 || (flags & ~VALID_OPEN_FLAGS) !== 0) return -errno.EINVAL;
  const known =
    RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
  if ((w[5] ?? 0) !== 0 || (resolve & ~known) !== 0) return -errno.EINVAL;
  if ((resolve & RESOLVE_BENEATH) !== 0 && (resolve & RESOLVE_IN_ROOT) !== 0) return -errno.EINVAL;
  const creates = (flags & (O_CREAT | __O_TMPFILE)) !== 0;
  if (creates ? (w[3] ?? 0) !== 0 || (mode & ~S_IALLUGO) !== 0 : mode !== 0 || (w[3] ?? 0) !== 0) return -errno.EINVAL;
  if ((flags & O_PATH) !== 0 && (flags & ~(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)) !== 0) return -errno.EINVAL;
  // Nothing is in memory for sure: the caller falls back to a call without RESOLVE_CACHED.
  if ((resolve & RESOLVE_CACHED) !== 0) return -errno.EAGAIN;
  return openPath(t, args.i32(0), args.u64(1), flags, mode, resolve);
}

function openPath(
  t: Task,
  dirfd: number,
  pathAddr: number,
  flags: number,
  mode: number,
  resolve: number,
): SyscallResult {
  if ((flags & O_PATH) === 0) {
    // The flags are checked before the path is read.
    if ((flags & (O_DIRECTORY | O_CREAT)) === (O_DIRECTORY | O_CREAT)) return -errno.EINVAL;
    if ((flags & __O_TMPFILE) !== 0) {
      if ((flags & O_TMPFILE) !== O_TMPFILE || (flags & O_ACCMODE) === 0) return -errno.EINVAL;
    }
  }
  const known = t.copyInKnownPath(pathAddr);
  const path = known === null ? t.copyInPath(pathAddr) : known.text;
  if (path.length === 0) return -errno.ENOENT;
  const fd = t.fdTable.lowestFree(0);
  if (fd >= fdLimit(t)) return -errno.EMFILE;
  const follow = (flags & O_NOFOLLOW) === 0;
  const creates = (flags & (O_CREAT | __O_TMPFILE)) !== 0;
  const { vfs } = t.kernel;
  let file: FileDescription | null = null;
  if (known !== null && !creates && resolve === 0 && isKnown(t, dirfd, known, follow)) {
    // Compilers ask many directories for what is in one of them.
    if (known.missing) return -errno.ENOENT;
    file = vfs.openKnown(t.creds, known, { flags, mode: 0 });
  }
  if (file === null) {
    const pop = onlyPath(t, dirfd, path, known, follow);
    pop.resolve = resolve;
    file = vfs.tryOpenAt(t.creds, pop, { flags, mode: creates ? mode & S_IALLUGO & ~t.fsContext.umask : 0 });
    if (file === null) return -errno.ENOENT;
  }
  const cloexec = (flags & O_CLOEXEC) !== 0;
  if (!file.openReady()) return waitOpen(t, file, cloexec);
  t.fdTable.give(fd, file, cloexec);
  return fd;
}

/** A FIFO waits for its other end. */
function* waitOpen(t: Task, file: FileDescription, cloexec: boolean): SyscallGenerator {
  const queue = file.openQueue();
  const entry = new Entry(t, ReadableEvents | WritableEvents | EventInternal);
  queue?.eventRegister(entry);
  try {
    while (!file.openReady()) {
      if ((yield t.block(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT && !file.openReady()) return -errno.ERESTARTSYS;
    }
    return t.newFD(file, cloexec);
  } finally {
    queue?.eventUnregister(entry);
    file.decRef();
  }
}

// ---- access

/** access(2). */
export function access(t: Task, args: SyscallArguments): number {
  return accessPath(t, AT_FDCWD, args.u64(0), args.u32(1), 0);
}

/** faccessat(2). */
export function faccessat(t: Task, args: SyscallArguments): number {
  return accessPath(t, args.i32(0), args.u64(1), args.u32(2), 0);
}

/** faccessat2(2). */
export function faccessat2(t: Task, args: SyscallArguments): number {
  return accessPath(t, args.i32(0), args.u64(1), args.u32(2), args.i32(3));
}

function accessPath(t: Task, dirfd: number, pathAddr: number, mode: number, flags: number): number {
  if ((mode & ~7) !== 0) return -errno.EINVAL;
  if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  const creds = (flags & AT_EACCESS) !== 0 ? t.creds : realCredentials(t.creds);
  if ((flags & AT_EMPTY_PATH) === 0) {
    const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
    const known = t.copyInKnownPath(pathAddr);
    if (known !== null && creds === t.creds && isKnown(t, dirfd, known, follow)) {
      if (known.missing) return -errno.ENOENT;
      if (t.kernel.vfs.accessKnown(creds, known, mode)) return 0;
    }
    const path = known === null ? t.copyInPath(pathAddr) : known.text;
    return t.kernel.vfs.tryAccessAt(creds, onlyPath(t, dirfd, path, known, follow), mode);
  }
  const p = copyInPathOrFile(t, dirfd, pathAddr, flags);
  if (p.pop !== null) return t.kernel.vfs.tryAccessAt(creds, p.pop, mode);
  const vd = p.file !== null ? p.file.vd : t.fsContext.cwd;
  checkAccess(vd.mount, vd.dentry, creds, mode);
  return 0;
}

/** The credentials access(2) checks with: the real ids, and the capabilities those would have. */
function realCredentials(c: Credentials): Credentials {
  if (c.fsKUID === c.realKUID && c.fsKGID === c.realKGID && (c.securebits & SECBIT_NO_SETUID_FIXUP) === 0) {
    const root = c.realKUID === c.userNamespace.mapToKUID(0);
    if (root ? c.effectiveCaps.equals(c.permittedCaps) : c.effectiveCaps.isEmpty()) return c;
  }
  const r = c.fork();
  r.fsKUID = c.realKUID;
  r.fsKGID = c.realKGID;
  if ((c.securebits & SECBIT_NO_SETUID_FIXUP) === 0) {
    r.effectiveCaps = c.realKUID === c.userNamespace.mapToKUID(0) ? c.permittedCaps : EMPTY_CAPS;
  }
  return r;
}

// ---- working and root directory

/** getcwd(2). */
export function getcwd(t: Task, args: SyscallArguments): number {
  const path = t.kernel.vfs.pathnameForGetcwd(t.fsContext.root, t.fsContext.cwd);
  const len = path.length + 1;
  if (len > PATH_MAX) return -errno.ENAMETOOLONG;
  if (len > args.u64(1)) return -errno.ERANGE;
  const buf = t.kernel.scratch;
  buf.write(path, 0, "latin1");
  buf[path.length] = 0;
  t.copyOut(args.u64(0), buf, 0, len);
  return len;
}

/** chdir(2). */
export function chdir(t: Task, args: SyscallArguments): number {
  const pop = copyInPathOperation(t, AT_FDCWD, args.u64(0), true);
  t.fsContext.setWorkingDirectory(t.kernel.vfs.getDentryAt(t.creds, pop, { checkSearchable: true }));
  return 0;
}

/** fchdir(2). */
export function fchdir(t: Task, args: SyscallArguments): number {
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  if (!file.inode.isDir()) return -errno.ENOTDIR;
  const r = file.inode.checkPermissions(t.creds, MAY_EXEC);
  if (r !== 0) return r;
  t.fsContext.setWorkingDirectory(file.vd);
  return 0;
}

/** chroot(2). */
export function chroot(t: Task, args: SyscallArguments): number {
  const pop = copyInPathOperation(t, AT_FDCWD, args.u64(0), true);
  const vd = t.kernel.vfs.getDentryAt(t.creds, pop, { checkSearchable: true });
  if (!t.creds.hasCapability(CAP_SYS_CHROOT)) return -errno.EPERM;
  t.fsContext.setRootDirectory(vd);
  return 0;
}

/** umask(2). */
export function umask(t: Task, args: SyscallArguments): number {
  return t.fsContext.swapUmask(args.i32(0));
}

// ---- names

/** mkdir(2). */
export function mkdir(t: Task, args: SyscallArguments): number {
  return makeDirectory(t, AT_FDCWD, args.u64(0), args.u32(1));
}

/** mkdirat(2). */
export function mkdirat(t: Task, args: SyscallArguments): number {
  return makeDirectory(t, args.i32(0), args.u64(1), args.u32(2));
}

function makeDirectory(t: Task, dirfd: number, pathAddr: number, mode: number): number {
  const pop = copyInPathOperation(t, dirfd, pathAddr, false);
  // The set-id bits are not for the caller to give: a parent's S_ISGID is inherited.
  t.kernel.vfs.mkdirAt(t.creds, pop, mode & 0o1777 & ~t.fsContext.umask);
  return 0;
}

/** mknod(2). */
export function mknod(t: Task, args: SyscallArguments): number {
  return makeNode(t, AT_FDCWD, args.u64(0), args.u32(1), args.u32(2));
}

/** mknodat(2). */
export function mknodat(t: Task, args: SyscallArguments): number {
  return makeNode(t, args.i32(0), args.u64(1), args.u32(2), args.u32(3));
}

function makeNode(t: Task, dirfd: number, pathAddr: number, mode: number, dev: number): number {
  const type = mode & S_IFMT;
  switch (type) {
    case 0:
    case S_IFREG:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      break;
    case S_IFDIR:
      return -errno.EPERM;
    default:
      return -errno.EINVAL;
  }
  const pop = copyInPathOperation(t, dirfd, pathAddr, false);
  const bits = mode & S_IALLUGO & ~t.fsContext.umask;
  t.kernel.vfs.mknodAt(t.creds, pop, (type === 0 ? S_IFREG : type) | bits, dev);
  return 0;
}

/** rmdir(2). */
export function rmdir(t: Task, args: SyscallArguments): number {
  t.kernel.vfs.rmdirAt(t.creds, copyInPathOperation(t, AT_FDCWD, args.u64(0), false));
  return 0;
}

/** unlink(2). */
export function unlink(t: Task, args: SyscallArguments): number {
  t.kernel.vfs.unlinkAt(t.creds, copyInPathOperation(t, AT_FDCWD, args.u64(0), false));
  return 0;
}

/** unlinkat(2). */
export function unlinkat(t: Task, args: SyscallArguments): number {
  const flags = args.i32(2);
  if ((flags & ~AT_REMOVEDIR) !== 0) return -errno.EINVAL;
  const pop = copyInPathOperation(t, args.i32(0), args.u64(1), false);
  if (flags !== 0) t.kernel.vfs.rmdirAt(t.creds, pop);
  else t.kernel.vfs.unlinkAt(t.creds, pop);
  return 0;
}

/** symlink(2). */
export function symlink(t: Task, args: SyscallArguments): number {
  return makeSymlink(t, args.u64(0), AT_FDCWD, args.u64(1));
}

/** symlinkat(2). */
export function symlinkat(t: Task, args: SyscallArguments): number {
  return makeSymlink(t, args.u64(0), args.i32(1), args.u64(2));
}

function makeSymlink(t: Task, targetAddr: number, dirfd: number, pathAddr: number): number {
  const target = t.copyInPath(targetAddr);
  if (target.length === 0) return -errno.ENOENT;
  t.kernel.vfs.symlinkAt(t.creds, copyInPathOperation(t, dirfd, pathAddr, false), target);
  return 0;
}

/** readlink(2). */
export function readlink(t: Task, args: SyscallArguments): number {
  return readSymlink(t, AT_FDCWD, args.u64(0), args.u64(1), args.i32(2));
}

/** readlinkat(2). */
export function readlinkat(t: Task, args: SyscallArguments): number {
  return readSymlink(t, args.i32(0), args.u64(1), args.u64(2), args.i32(3));
}

function readSymlink(t: Task, dirfd: number, pathAddr: number, addr: number, size: number): number {
  if (size <= 0) return -errno.EINVAL;
  const known = t.copyInKnownPath(pathAddr);
  // realpath(3) asks for each name on the way.
  if (known !== null && !known.isLink && isKnown(t, dirfd, known, false)) {
    if (known.missing) return -errno.ENOENT;
    if (known.dentry !== null) known.dentry.recentlyUsed = true;
    return -errno.EINVAL;
  }
  const path = known === null ? t.copyInPath(pathAddr) : known.text;
  let target: string;
  if (path.length === 0) {
    // An empty path reads the link that was opened with O_PATH | O_NOFOLLOW.
    const vd = dirfd === AT_FDCWD ? t.fsContext.cwd : t.fdTable.get(dirfd)?.vd;
    if (vd === undefined) return -errno.EBADF;
    if ((vd.dentry.inode.mode() & S_IFMT) !== S_IFLNK) return -errno.ENOENT;
    target = vd.dentry.inode.readlink(t);
  } else {
    const r = t.kernel.vfs.tryReadlinkAt(t.creds, onlyPath(t, dirfd, path, known, false));
    if (typeof r === "number") return r;
    target = r;
  }
  // Only links of /proc can lead so deep.
  if (target.length > PATH_MAX) return -errno.ENAMETOOLONG;
  const n = Math.min(target.length, size);
  const buf = t.kernel.scratch;
  buf.write(target, 0, "latin1");
  t.copyOut(addr, buf, 0, n);
  return n;
}

/** link(2). */
export function link(t: Task, args: SyscallArguments): number {
  return makeLink(t, AT_FDCWD, args.u64(0), AT_FDCWD, args.u64(1), 0);
}

/** linkat(2). */
export function linkat(t: Task, args: SyscallArguments): number {
  return makeLink(t, args.i32(0), args.u64(1), args.i32(2), args.u64(3), args.i32(4));
}

function makeLink(
  t: Task,
  oldDirfd: number,
  oldAddr: number,
  newDirfd: number,
  newAddr: number,
  flags: number,
): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  const follow = (flags & AT_SYMLINK_FOLLOW) !== 0;
  const p = copyInPathOrFile(t, oldDirfd, oldAddr, (flags & AT_EMPTY_PATH) | (follow ? 0 : AT_SYMLINK_NOFOLLOW));
  // Linking what a descriptor names goes past the permissions of directories: for who opened it, as they were then, or the privileged.
  if (p.file !== null && p.file.openerCreds !== t.creds) {
    const ns = (p.file.openerCreds ?? t.creds).userNamespace;
    if (!t.creds.hasCapabilityIn(CAP_DAC_READ_SEARCH, ns)) return -errno.ENOENT;
  }
  const vfs = t.kernel.vfs;
  const newPath = t.copyInPath(newAddr);
  let old = t.fsContext.cwd;
  if (p.pop !== null) old = vfs.getDentryAt(t.creds, p.pop);
  else if (p.file !== null) old = p.file.vd;
  vfs.linkVirtualDentry(t.creds, old, pathOperation(t, newDirfd, newPath, false));
  return 0;
}

/** rename(2). */
export function rename(t: Task, args: SyscallArguments): number {
  return renamePath(t, AT_FDCWD, args.u64(0), AT_FDCWD, args.u64(1), 0);
}

/** renameat(2). */
export function renameat(t: Task, args: SyscallArguments): number {
  return renamePath(t, args.i32(0), args.u64(1), args.i32(2), args.u64(3), 0);
}

/** renameat2(2). */
export function renameat2(t: Task, args: SyscallArguments): number {
  return renamePath(t, args.i32(0), args.u64(1), args.i32(2), args.u64(3), args.u32(4));
}

function renamePath(
  t: Task,
  oldDirfd: number,
  oldAddr: number,
  newDirfd: number,
  newAddr: number,
  flags: number,
): number {
  const oldPath = t.copyInPath(oldAddr);
  const newPath = t.copyInPath(newAddr);
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return -errno.EINVAL;
  if ((flags & RENAME_EXCHANGE) !== 0 && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0) return -errno.EINVAL;
  const from: PathOperation = pathOperation(t, oldDirfd, oldPath, false);
  const to: PathOperation = pathOperation(t, newDirfd, newPath, false);
  t.kernel.vfs.renameAt(t.creds, from, to, flags);
  return 0;
}
