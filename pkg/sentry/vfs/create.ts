import { CAP_FOWNER, CAP_FSETID, CAP_MKNOD } from "../../abi/linux/capability.ts";
import { IN_ATTRIB, IN_CREATE, IN_DELETE } from "../../abi/linux/inotify.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISVTX, S_IXGRP } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import { notifyIfGone, notifyInode, notifyName } from "./inotify.ts";
import type { PathOperation } from "./options.ts";
import { LAST_DOT, LAST_DOTDOT, LAST_NORM, LAST_ROOT, type Walker } from "./path_walk.ts";
import { MAY_EXEC, MAY_WRITE } from "./permissions.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import { VirtualDentry } from "./virtual_dentry.ts";

/** The group of a new file: the directory's when that has S_ISGID, else the caller's. */
export function newInodeGID(dir: Inode, creds: Credentials): number {
  return (dir.mode() & S_ISGID) !== 0 ? dir.gid() : creds.fsKGID;
}

/** The mode of a new file with S_ISGID inherited by directories, and taken from executables of groups the caller is not in. */
export function newFileMode(dir: Inode, mode: number, creds: Credentials): number {
  const dirMode = dir.mode();
  if ((dirMode & S_ISGID) === 0) return mode;
  if ((mode & S_IFMT) === S_IFDIR) return mode | S_ISGID;
  if ((mode & (S_ISGID | S_IXGRP)) !== (S_ISGID | S_IXGRP)) return mode;
  if (creds.inGroup(dir.gid()) || creds.capableOverFile(CAP_FSETID, dir.uid(), dir.gid())) return mode;
  return mode & ~S_ISGID;
}

/**
 * Whether a name may be made in the directory: ENOENT when it was removed, EOVERFLOW when the file's owner would not exist in
 * the user namespace of the filesystem, EACCES.
 */
export function checkCreate(dir: Dentry, creds: Credentials): void {
  if (dir.deleted) throw linuxerr.ENOENT;
  const owner = dir.fs.userNamespace;
  if (owner !== null && !owner.mapsIDs(creds.fsKUID, creds.fsKGID)) throw linuxerr.EOVERFLOW;
  if (dir.inode.checkPermissions(creds, MAY_WRITE | MAY_EXEC) !== 0) throw linuxerr.EACCES;
}

/** Whether the sticky bit of the directory keeps the caller from removing or renaming the file. */
export function stickyForbids(dir: Inode, target: Inode, creds: Credentials): boolean {
  if ((dir.mode() & S_ISVTX) === 0) return false;
  const uid = target.uid();
  if (uid === creds.fsKUID || dir.uid() === creds.fsKUID) return false;
  return !creds.capableOverFile(CAP_FOWNER, uid, target.gid());
}

/** Whether a name may be removed from its directory, as a directory or as another file: EACCES, EPERM, ENOTDIR, EISDIR, ENOENT. */
export function checkDelete(dir: Dentry, d: Dentry, isDir: boolean, creds: Credentials): void {
  if (dir.inode.checkPermissions(creds, MAY_WRITE | MAY_EXEC) !== 0) throw linuxerr.EACCES;
  if (stickyForbids(dir.inode, d.inode, creds)) throw linuxerr.EPERM;
  if (isDir) {
    if (!d.inode.isDir()) throw linuxerr.ENOTDIR;
  } else if (d.inode.isDir()) throw linuxerr.EISDIR;
  if (dir.deleted) throw linuxerr.ENOENT;
}

/**
 * The common part of mkdir, mknod, symlink and link: walks to the directory and makes sure that the name is new and may be made. EEXIST
 * comes before ENOENT (trailing slash on what is no directory), that before EROFS, that before EACCES.
 */
export function walkToNew(w: Walker, wantDir: boolean): void {
  w.walkParent();
  if (w.lastType !== LAST_NORM) throw linuxerr.EEXIST;
  if (w.dentry.deleted) throw linuxerr.ENOENT;
  if (w.lookupLast() !== null) throw linuxerr.EEXIST;
  if (w.trailingSlash && !wantDir) throw linuxerr.ENOENT;
  if (w.mount.readOnly()) throw linuxerr.EROFS;
}

function addDentry(w: Walker, inode: Inode): Dentry {
  const d = new Dentry(w.dentry.fs, w.dentry, w.last, inode);
  d.hash();
  return d;
}

/** VirtualFilesystem.mkdirAt. */
export function mkdirAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation, mode: number): void {
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    walkToNew(w, true);
    const dir = w.dentry;
    checkCreate(dir, creds);
    const full = newFileMode(dir.inode, S_IFDIR | (mode & 0o1777), creds);
    addDentry(w, dir.inode.mkdir(dir, w.last, full, creds));
    notifyName(dir.inode, IN_CREATE, w.last, true);
  } finally {
    vfs.releaseWalker(w);
  }
}

/** VirtualFilesystem.mknodAt. */
export function mknodAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  pop: PathOperation,
  mode: number,
  rdev: number,
): VirtualDentry {
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    walkToNew(w, false);
    const dir = w.dentry;
    checkCreate(dir, creds);
    const type = mode & S_IFMT;
    const isDevice = type === S_IFCHR || type === S_IFBLK;
    // A whiteout (0:0) needs no privilege.
    if (isDevice && !(type === S_IFCHR && rdev === 0) && !creds.capable(CAP_MKNOD)) throw linuxerr.EPERM;
    const full = newFileMode(dir.inode, mode, creds);
    const inode =
      type === S_IFREG
        ? dir.inode.create(dir, w.last, full, creds)
        : dir.inode.mknod(dir, w.last, full, isDevice ? rdev : 0, creds);
    const d = addDentry(w, inode);
    notifyName(dir.inode, IN_CREATE, w.last, false);
    return new VirtualDentry(w.mount, d);
  } finally {
    vfs.releaseWalker(w);
  }
}

/** VirtualFilesystem.symlinkAt. */
export function symlinkAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation, target: string): void {
  if (target.length === 0) throw linuxerr.ENOENT;
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    walkToNew(w, false);
    const dir = w.dentry;
    checkCreate(dir, creds);
    addDentry(w, dir.inode.symlink(dir, w.last, target, creds));
    notifyName(dir.inode, IN_CREATE, w.last, false);
  } finally {
    vfs.releaseWalker(w);
  }
}

/** VirtualFilesystem.linkAt: `old` is what the new name shall lead to. */
export function linkAt(vfs: VirtualFilesystem, creds: Credentials, old: VirtualDentry, pop: PathOperation): void {
  // It comes from another operation: it may be dropped from memory when this one begins.
  old.incRef();
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    walkToNew(w, false);
    const dir = w.dentry;
    const inode = old.dentry.inode;
    if (old.mount !== w.mount) throw linuxerr.EXDEV;
    checkCreate(dir, creds);
    if (old.dentry.fs !== dir.fs) throw linuxerr.EXDEV;
    if (inode.isDir()) throw linuxerr.EPERM;
    if (inode.linkRefused()) throw linuxerr.ENOENT;
    addDentry(w, dir.inode.link(dir, w.last, inode, creds));
    notifyInode(inode, IN_ATTRIB);
    notifyName(dir.inode, IN_CREATE, w.last, false);
  } finally {
    vfs.releaseWalker(w);
    old.decRef();
  }
}

/** Whether something is mounted on a dentry in the caller's namespace: it cannot be removed or renamed then. */
export function isLocalMountpoint(vfs: VirtualFilesystem, d: Dentry): boolean {
  if (d.mounts === null) return false;
  const ns = vfs.currentTask()?.mountNamespace;
  if (ns === undefined) return true;
  for (const m of d.mounts) if (m.ns === ns) return true;
  return false;
}

/** The name is gone: what other namespaces have mounted on it goes too. */
export function detachMounts(vfs: VirtualFilesystem, d: Dentry): void {
  for (const m of [...(d.mounts ?? [])]) vfs.umountTree(m, false);
}

/** VirtualFilesystem.unlinkAt. */
export function unlinkAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation): void {
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    w.walkParent();
    if (w.lastType !== LAST_NORM) throw linuxerr.EISDIR;
    if (w.mount.readOnly()) throw linuxerr.EROFS;
    const dir = w.dentry;
    const d = w.lookupLast();
    if (d === null) throw linuxerr.ENOENT;
    if (w.trailingSlash) throw d.inode.isDir() ? linuxerr.EISDIR : linuxerr.ENOTDIR;
    checkDelete(dir, d, false, creds);
    if (isLocalMountpoint(vfs, d)) throw linuxerr.EBUSY;
    dir.inode.unlink(dir, d);
    detachMounts(vfs, d);
    notifyInode(d.inode, IN_ATTRIB);
    d.markDeleted();
    notifyIfGone(d);
    notifyName(dir.inode, IN_DELETE, w.last, false);
  } finally {
    vfs.releaseWalker(w);
  }
}

/** VirtualFilesystem.rmdirAt. */
export function rmdirAt(vfs: VirtualFilesystem, creds: Credentials, pop: PathOperation): void {
  const w = vfs.acquireWalker(creds, pop);
  try {
    w.begin(creds, vfs.currentTask(), pop);
    w.walkParent();
    if (w.lastType === LAST_DOTDOT) throw linuxerr.ENOTEMPTY;
    if (w.lastType === LAST_DOT) throw linuxerr.EINVAL;
    if (w.lastType === LAST_ROOT) throw linuxerr.EBUSY;
    if (w.mount.readOnly()) throw linuxerr.EROFS;
    const dir = w.dentry;
    const d = w.lookupLast();
    if (d === null) throw linuxerr.ENOENT;
    checkDelete(dir, d, true, creds);
    if (isLocalMountpoint(vfs, d)) throw linuxerr.EBUSY;
    dir.inode.rmdir(dir, d);
    detachMounts(vfs, d);
    d.markDeleted();
    notifyIfGone(d);
    notifyName(dir.inode, IN_DELETE, w.last, true);
  } finally {
    vfs.releaseWalker(w);
  }
}
