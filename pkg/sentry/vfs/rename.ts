import { RENAME_EXCHANGE, RENAME_NOREPLACE, RENAME_WHITEOUT } from "../../abi/linux/file.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import { checkCreate, checkDelete, detachMounts, isLocalMountpoint } from "./create.ts";
import type { Dentry } from "./dentry.ts";
import { notifyMove } from "./inotify.ts";
import type { PathOperation } from "./options.ts";
import { LAST_NORM, type Walker } from "./path_walk.ts";
import { MAY_WRITE } from "./permissions.ts";
import type { VirtualFilesystem } from "./vfs.ts";

/** VirtualFilesystem.renameAt, in the order of checks of Linux's renameat2. */
export function renameAt(
  vfs: VirtualFilesystem,
  creds: Credentials,
  oldPop: PathOperation,
  newPop: PathOperation,
  flags: number,
): void {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) throw linuxerr.EINVAL;
  if ((flags & RENAME_EXCHANGE) !== 0 && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0) throw linuxerr.EINVAL;
  const from = vfs.acquireWalker(creds, oldPop);
  const to = vfs.acquireWalker(creds, newPop);
  try {
    from.begin(creds, vfs.currentTask(), oldPop);
    from.walkParent();
    to.begin(creds, vfs.currentTask(), newPop);
    to.walkParent();
    renameWalked(vfs, from, to, flags, creds);
  } finally {
    vfs.releaseWalker(to);
    vfs.releaseWalker(from);
  }
}

function renameWalked(vfs: VirtualFilesystem, from: Walker, to: Walker, flags: number, creds: Credentials): void {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (from.mount !== to.mount) throw linuxerr.EXDEV;
  if (from.lastType !== LAST_NORM) throw linuxerr.EBUSY;
  if (to.lastType !== LAST_NORM) throw (flags & RENAME_NOREPLACE) !== 0 ? linuxerr.EEXIST : linuxerr.EBUSY;
  if (from.mount.readOnly()) throw linuxerr.EROFS;
  const oldDir = from.dentry;
  const newDir = to.dentry;
  const oldD = from.lookupLast();
  if (oldD === null) throw linuxerr.ENOENT;
  if (newDir.deleted) throw linuxerr.ENOENT;
  const newD = to.lookupLast();
  if (newD !== null && (flags & RENAME_NOREPLACE) !== 0) throw linuxerr.EEXIST;
  const oldIsDir = oldD.inode.isDir();
  if (exchange) {
    if (newD === null) throw linuxerr.ENOENT;
    if (!newD.inode.isDir() && to.trailingSlash) throw linuxerr.ENOTDIR;
  }
  if (!oldIsDir && (from.trailingSlash || (!exchange && to.trailingSlash))) throw linuxerr.ENOTDIR;
  // Neither may be an ancestor of the other's directory.
  if (oldIsDir && oldDir !== newDir && oldD.isAncestorOrSelf(newDir)) throw linuxerr.EINVAL;
  if (newD !== null && oldDir !== newDir && newD.isAncestorOrSelf(oldDir)) {
    throw exchange ? linuxerr.EINVAL : linuxerr.ENOTEMPTY;
  }
  if (newD !== null && newD.inode === oldD.inode) return;
  checkDelete(oldDir, oldD, oldIsDir, creds);
  if (newD === null) checkCreate(newDir, creds);
  else checkDelete(newDir, newD, exchange ? newD.inode.isDir() : oldIsDir, creds);
  if (oldDir !== newDir) {
    // The ".." of a directory that moves is written.
    if (oldIsDir) needWrite(oldD, creds);
    if (exchange && newD?.inode.isDir() === true) needWrite(newD, creds);
  }
  if (isLocalMountpoint(vfs, oldD) || (newD !== null && isLocalMountpoint(vfs, newD))) throw linuxerr.EBUSY;
  oldDir.inode.rename(oldDir, oldD, newDir, to.last, newD, flags & ~RENAME_NOREPLACE, creds);
  if (newD !== null && !exchange) detachMounts(vfs, newD);
  const oldName = from.last;
  finishRename(oldD, newDir, to.last, newD, exchange);
  notifyMove(oldD, oldDir, oldName, newDir, to.last, exchange ? null : newD);
  if (exchange && newD !== null) notifyMove(newD, newDir, to.last, oldDir, oldName, null);
}

function needWrite(d: Dentry, creds: Credentials): void {
  if (d.inode.checkPermissions(creds, MAY_WRITE) !== 0) throw linuxerr.EACCES;
}

/** Makes the dentries follow a rename that a filesystem has done. A whiteout in the old place is looked up when needed. */
export function finishRename(
  oldD: Dentry,
  newDir: Dentry,
  newName: string,
  newD: Dentry | null,
  exchange: boolean,
): void {
  if (exchange && newD !== null) {
    oldD.exchange(newD);
    return;
  }
  if (newD !== null) newD.markDeleted();
  oldD.move(newDir, newName);
}
