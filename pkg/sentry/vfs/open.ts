import * as errno from "../../abi/linux/errno.ts";
import {
  __O_TMPFILE,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
} from "../../abi/linux/file.ts";
import { MS_NODEV, MS_NOEXEC } from "../../abi/linux/fs.ts";
import { IN_CREATE, IN_OPEN } from "../../abi/linux/inotify.ts";
import {
  deviceMajor,
  deviceMinor,
  S_IALLUGO,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_ISVTX,
  S_IWOTH,
} from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import { checkCreate, newFileMode } from "./create.ts";
import { Dentry } from "./dentry.ts";
import { BLOCK_DEVICE, CHAR_DEVICE } from "./device.ts";
import type { FileDescription } from "./file_description.ts";
import type { Inode } from "./inode.ts";
import { notifyChange, notifyFile, notifyName } from "./inotify.ts";
import type { KnownPath } from "./known_path.ts";
import type { Mount } from "./mount.ts";
import { OPathFileDescription } from "./opath.ts";
import { ATTR_SIZE, type OpenOptions, type PathOperation, SetStatOptions } from "./options.ts";
import { LAST_DOTDOT, LAST_NORM, mountedAt, type Walker } from "./path_walk.ts";
import { MAY_EXEC, MAY_READ, MAY_WRITE } from "./permissions.ts";
import { checkSetStat, ownerOrCapable } from "./setstat.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import { VirtualDentry } from "./virtual_dentry.ts";

/** Access wanted for each access mode; 3 asks for both and gives neither. */
const ACCESS: readonly number[] = [MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE];

/** What one open(2) asks for, after normalisation of its flags. */
export interface OpenRequest {
  flags: number;
  /** MAY_* on the file. */
  access: number;
  mode: number;
  exec: boolean;
}

/** Throws EINVAL for flags that do not go together. */
export function normalise(opts: OpenOptions): OpenRequest {
  let flags = opts.flags;
  if ((flags & O_PATH) !== 0) {
    flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    return { flags, access: 0, mode: 0, exec: false };
  }
  if ((flags & (O_DIRECTORY | O_CREAT)) === (O_DIRECTORY | O_CREAT)) throw linuxerr.EINVAL;
  let access = ACCESS[flags & O_ACCMODE] ?? 0;
  if ((flags & __O_TMPFILE) !== 0 && ((flags & O_DIRECTORY) === 0 || (access & MAY_WRITE) === 0)) {
    throw linuxerr.EINVAL;
  }
  if ((flags & O_TRUNC) !== 0) access |= MAY_WRITE;
  const exec = opts.fileExec === true;
  if (exec) access = MAY_EXEC;
  return { flags: flags | O_LARGEFILE, access, mode: opts.mode & S_IALLUGO, exec };
}

/** VirtualFilesystem.tryOpenAt. */
export function tryOpenAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  pop: PathOperation,
  opts: OpenOptions,
): FileDescription | null {
  const r = normalise(opts);
  const follow = pop.followFinalSymlink && (r.flags & O_NOFOLLOW) === 0;
  const { known } = pop;
  if (known !== null && (r.flags & (O_CREAT | __O_TMPFILE)) === 0 && pop.resolve === 0 && !vfs.strict) {
    if (known.holds(vfs, creds, pop.root, known.absolute ? null : pop.start, follow)) {
      if (known.missing) return null;
      const file = openKnown(vfs, known, r, creds);
      if (file !== null) return file;
    }
  }
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    if ((r.flags & O_CREAT) !== 0) return openCreate(vfs, w, r, follow && (r.flags & O_EXCL) === 0);
    if (w.tryWalkFull(follow, (r.flags & O_DIRECTORY) !== 0) !== 0) return null;
    if ((r.flags & __O_TMPFILE) !== 0) return openTmpfile(vfs, w, r);
    return openExisting(vfs, w.mount, w.dentry, r, creds);
  } catch (e) {
    if (!vfs.stale(e)) throw e;
  } finally {
    vfs.releaseWalker(w);
  }
  try {
    return tryOpenAt(vfs, creds, pop, opts);
  } finally {
    vfs.strict = false;
  }
}

/** Opens what is known to be at the end of a path; null: the file there has been replaced, and the path is to be walked. */
export function openKnown(
  vfs: VirtualFilesystem,
  known: KnownPath,
  r: OpenRequest,
  creds: Credentials,
): FileDescription | null {
  const { mount, dentry } = known;
  if (mount === null || dentry === null) return null;
  vfs.beginKnown(dentry);
  try {
    if ((r.flags & O_DIRECTORY) !== 0 && !dentry.inode.isDir()) throw linuxerr.ENOTDIR;
    return openExisting(vfs, mount, dentry, r, creds);
  } catch (e) {
    if (e !== linuxerr.ESTALE) throw e;
    return null;
  } finally {
    vfs.endKnown();
  }
}

function openCreate(vfs: VirtualFilesystem, w: Walker, r: OpenRequest, follow: boolean): FileDescription {
  let dir: Inode;
  for (;;) {
    w.walkParent();
    dir = w.dentry.inode;
    if (w.lastType !== LAST_NORM) {
      if (w.lastType === LAST_DOTDOT) w.dotDot();
      break;
    }
    if (w.trailingSlash) throw linuxerr.EISDIR;
    const d = w.lookupLast();
    if (d === null) return createAndOpen(vfs, w, r);
    if (follow && (d.inode.mode() & S_IFMT) === S_IFLNK && mountedAt(w.mount, d) === null) {
      if (w.followLink(d, "")) continue;
    } else w.stepInto(d);
    break;
  }
  if ((r.flags & O_EXCL) !== 0) throw linuxerr.EEXIST;
  if (w.dentry.inode.isDir()) throw linuxerr.EISDIR;
  if (strangerInSticky(dir, w.dentry.inode, w.creds)) throw linuxerr.EACCES;
  return openExisting(vfs, w.mount, w.dentry, r, w.creds);
}

/**
 * Whether O_CREAT met a file that another user put into a world-writable sticky directory. Regular files and FIFOs are excepted while the
 * protected_regular and protected_fifos sysctls are 0; nothing else is.
 */
function strangerInSticky(dir: Inode, inode: Inode, creds: Credentials): boolean {
  const dirMode = dir.mode();
  if ((dirMode & S_ISVTX) === 0 || (dirMode & S_IWOTH) === 0) return false;
  const type = inode.mode() & S_IFMT;
  if (type === S_IFREG || type === S_IFIFO) return false;
  return inode.uid() !== dir.uid() && inode.uid() !== creds.fsKUID;
}

function createAndOpen(vfs: VirtualFilesystem, w: Walker, r: OpenRequest): FileDescription {
  const dir = w.dentry;
  if (w.mount.readOnly()) throw linuxerr.EROFS;
  checkCreate(dir, w.creds);
  const mode = newFileMode(dir.inode, S_IFREG | r.mode, w.creds);
  const d = new Dentry(dir.fs, dir, w.last, dir.inode.create(dir, w.last, mode, w.creds));
  d.hash();
  notifyName(dir.inode, IN_CREATE, w.last, false);
  return openInode(vfs, w.mount, d, S_IFREG, r, w.creds);
}

function openTmpfile(vfs: VirtualFilesystem, w: Walker, r: OpenRequest): FileDescription {
  const dir = w.dentry;
  if (w.mount.readOnly()) throw linuxerr.EROFS;
  checkCreate(dir, w.creds);
  const mode = newFileMode(dir.inode, S_IFREG | r.mode, w.creds);
  const inode = dir.inode.tmpfile(dir, mode, (r.flags & O_EXCL) === 0, w.creds);
  const d = new Dentry(dir.fs, dir, `#${inode.ino}`, inode);
  d.deleted = true;
  d.incRef();
  try {
    return openInode(vfs, w.mount, d, S_IFREG, r, w.creds);
  } finally {
    d.decRef();
  }
}

/** Checks what open(2) checks of a file that was there, opens it and truncates it. */
export function openExisting(
  vfs: VirtualFilesystem,
  mount: Mount,
  d: Dentry,
  r: OpenRequest,
  creds: Credentials,
): FileDescription {
  if ((r.flags & O_PATH) !== 0) {
    const named = new OPathFileDescription(new VirtualDentry(mount, d), r.flags);
    named.openerCreds = creds;
    return named;
  }
  const inode = d.inode;
  const type = inode.mode() & S_IFMT;
  let truncate = (r.flags & O_TRUNC) !== 0 && type === S_IFREG;
  if (truncate && mount.readOnly()) throw linuxerr.EROFS;
  if (type === S_IFLNK) throw linuxerr.ELOOP;
  if (type === S_IFDIR) {
    if ((r.access & MAY_WRITE) !== 0) throw linuxerr.EISDIR;
    if (r.exec) throw linuxerr.EACCES;
    truncate = false;
  } else if (type === S_IFREG) {
    if (r.exec && (mount.flags & MS_NOEXEC) !== 0) throw linuxerr.EACCES;
    if ((r.access & MAY_WRITE) !== 0 && inode.fs.readOnly) throw linuxerr.EROFS;
  } else {
    const device = type === S_IFCHR || type === S_IFBLK;
    if (device && ((mount.flags & MS_NODEV) !== 0 || inode.fs.refusesDevices())) throw linuxerr.EACCES;
    if (r.exec) throw linuxerr.EACCES;
  }
  if (inode.checkPermissions(creds, r.access) !== 0) throw linuxerr.EACCES;
  if ((r.flags & O_NOATIME) !== 0 && !ownerOrCapable(creds, inode)) throw linuxerr.EPERM;
  if ((r.flags & O_DIRECT) !== 0 && type !== S_IFREG) throw linuxerr.EINVAL;
  const file = openInode(vfs, mount, d, type, r, creds);
  if (!truncate) return file;
  try {
    if (!file.writable && inode.getWriteAccess() !== 0) throw linuxerr.ETXTBSY;
    if (!file.writable) inode.putWriteAccess();
    const opts = new SetStatOptions();
    opts.mask = ATTR_SIZE;
    checkSetStat(file.vd, inode, opts, creds, true);
    inode.setStat(opts, creds);
    notifyChange(d, opts.mask);
  } catch (e) {
    file.decRef();
    throw e;
  }
  return file;
}

/** Opens a file of a type (S_IF*) without permission checks: counts writers, and finds the device or FIFO behind special files. */
function openInode(
  vfs: VirtualFilesystem,
  mount: Mount,
  d: Dentry,
  type: number,
  r: OpenRequest,
  creds: Credentials,
): FileDescription {
  const inode = d.inode;
  const vd = new VirtualDentry(mount, d);
  const acc = r.flags & O_ACCMODE;
  const writes = type === S_IFREG && acc !== O_RDONLY && acc !== O_ACCMODE;
  if (writes) {
    if (inode.getWriteAccess() !== 0) throw linuxerr.ETXTBSY;
    if (mount.readOnly()) {
      inode.putWriteAccess();
      throw linuxerr.EROFS;
    }
  } else if (r.exec && inode.denyWriteAccess() !== 0) throw linuxerr.ETXTBSY;
  let file: FileDescription;
  try {
    const flags = r.flags & ~(O_CREAT | O_EXCL);
    file = type === S_IFREG ? inode.open(vd, flags, creds) : openSpecial(vfs, vd, type, flags, creds);
  } catch (e) {
    if (writes) inode.putWriteAccess();
    else if (r.exec) inode.allowWriteAccess();
    throw e;
  }
  file.openerCreds = creds;
  file.countsAsWriter = writes;
  file.deniesWriters = r.exec && !writes;
  notifyFile(file, IN_OPEN);
  return file;
}

function openSpecial(
  vfs: VirtualFilesystem,
  vd: VirtualDentry,
  type: number,
  flags: number,
  creds: Credentials,
): FileDescription {
  const inode = vd.dentry.inode;
  if (type === S_IFCHR || type === S_IFBLK) {
    const rdev = inode.rdev();
    const kind = type === S_IFCHR ? CHAR_DEVICE : BLOCK_DEVICE;
    const device = vfs.device(kind, deviceMajor(rdev), deviceMinor(rdev));
    if (device !== null) return device.open(vd, flags, creds);
  } else if (type === S_IFIFO) {
    if (inode.fifo === null) inode.fifo = vfs.newFifo(inode);
    return inode.fifo.openFifo(vd, flags);
  }
  return inode.open(vd, flags, creds);
}

/** VirtualFilesystem.tryAccessAt. */
export function tryAccessAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation, mask: number): number {
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    const r = w.tryWalkFull(pop.followFinalSymlink, false);
    if (r === 0) checkAccess(w.mount, w.dentry, creds, mask);
    return r;
  } finally {
    vfs.releaseWalker(w);
  }
}

/** faccessat(2) on a file that was found. */
export function checkAccess(mount: Mount, d: Dentry, creds: Credentials, mask: number): void {
  const inode = d.inode;
  const type = inode.mode() & S_IFMT;
  if ((mask & MAY_EXEC) !== 0 && type === S_IFREG && (mount.flags & MS_NOEXEC) !== 0) throw linuxerr.EACCES;
  if (inode.checkPermissions(creds, mask) === -errno.EACCES) throw linuxerr.EACCES;
  if ((mask & MAY_WRITE) === 0 || !mount.readOnly()) return;
  if (type === S_IFREG || type === S_IFDIR || type === S_IFLNK) throw linuxerr.EROFS;
}
