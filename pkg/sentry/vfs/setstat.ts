import { CAP_CHOWN, CAP_FOWNER, CAP_FSETID } from "../../abi/linux/capability.ts";
import { S_IALLUGO, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { Inode } from "./inode.ts";
import {
  ATTR_ATIME,
  ATTR_ATIME_NOW,
  ATTR_CHOWN,
  ATTR_CTIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_MTIME_NOW,
  ATTR_SIZE,
  ATTR_UID,
  SetStatOptions,
} from "./options.ts";
import { MAY_WRITE } from "./permissions.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** Whether the caller owns the inode or has CAP_FOWNER. */
export function ownerOrCapable(creds: Credentials, inode: Inode): boolean {
  const uid = inode.uid();
  if (uid === creds.fsKUID) return true;
  return creds.hasCapability(CAP_FOWNER) && creds.userNamespace.hasUID(uid);
}

/** The set-id bits that a change by these credentials takes away from a regular file's (or any non-directory's) mode. */
export function fallingSetIDBits(creds: Credentials, mode: number, kuid: number, kgid: number): number {
  let bits = mode & S_ISUID;
  // S_ISGID without group execution once marked mandatory locking; only members of the group keep it.
  if ((mode & S_ISGID) !== 0 && ((mode & S_IXGRP) !== 0 || !inGroupOrCapable(creds, kgid, kuid, kgid))) bits |= S_ISGID;
  return bits;
}

/** Whether the caller is in a group, or has CAP_FSETID over a file of this owner and group. */
function inGroupOrCapable(creds: Credentials, group: number, kuid: number, kgid: number): boolean {
  return creds.inGroup(group) || creds.capableOverFile(CAP_FSETID, kuid, kgid);
}

/**
 * Checks a change of attributes as Linux's notify_change and setattr_prepare do, and completes `opts`: times "now" become values, set-id
 * bits that fall become a mode, ctime is set. `fdWritable` is null for changes by path, else whether the description may write.
 */
export function checkSetStat(
  vd: VirtualDentry,
  inode: Inode,
  opts: SetStatOptions,
  creds: Credentials,
  fdWritable: boolean | null,
): void {
  const mode = inode.mode();
  const type = mode & S_IFMT;
  const mask = opts.mask;
  if ((mask & ATTR_SIZE) !== 0) {
    if (fdWritable === null && type === S_IFDIR) throw linuxerr.EISDIR;
    if (type !== S_IFREG || fdWritable === false) throw linuxerr.EINVAL;
  }
  if (vd.mount.readOnly()) throw linuxerr.EROFS;
  if ((mask & ATTR_MODE) !== 0 && type === S_IFLNK) throw linuxerr.EOPNOTSUPP;
  const uid = inode.uid();
  const gid = inode.gid();
  checkIDsInFilesystem(inode, opts);
  if ((mask & ATTR_SIZE) !== 0 && fdWritable === null && inode.checkPermissions(creds, MAY_WRITE) !== 0) {
    throw linuxerr.EACCES;
  }
  if (
    (mask & ATTR_UID) !== 0 &&
    !(uid === creds.fsKUID && opts.uid === uid) &&
    !creds.capableOverFile(CAP_CHOWN, uid, gid)
  ) {
    throw linuxerr.EPERM;
  }
  if (
    (mask & ATTR_GID) !== 0 &&
    !(uid === creds.fsKUID && (opts.gid === gid || creds.inGroup(opts.gid))) &&
    !creds.capableOverFile(CAP_CHOWN, uid, gid)
  ) {
    throw linuxerr.EPERM;
  }
  let falling = 0;
  if ((mask & (ATTR_CHOWN | ATTR_UID | ATTR_GID)) !== 0 && type !== S_IFDIR) {
    falling = fallingSetIDBits(creds, mode, uid, gid);
    // Their fall is a change of mode, which CAP_CHOWN alone does not allow.
    if (falling !== 0 && !ownerOrCapable(creds, inode)) throw linuxerr.EPERM;
  } else if ((mask & ATTR_SIZE) !== 0 && !creds.capable(CAP_FSETID)) {
    falling = fallingSetIDBits(creds, mode, uid, gid);
  }
  if ((mask & ATTR_MODE) !== 0) {
    if (!ownerOrCapable(creds, inode)) throw linuxerr.EPERM;
    opts.mode &= S_IALLUGO;
    if ((opts.mode & S_ISGID) !== 0 && !inGroupOrCapable(creds, (mask & ATTR_GID) !== 0 ? opts.gid : gid, uid, gid)) {
      opts.mode &= ~S_ISGID;
    }
  } else if (falling !== 0) {
    opts.mask |= ATTR_MODE;
    opts.mode = mode & S_IALLUGO & ~falling;
  }
  if ((mask & (ATTR_ATIME | ATTR_MTIME)) !== 0) {
    if (!ownerOrCapable(creds, inode)) throw linuxerr.EPERM;
  } else if ((mask & (ATTR_ATIME_NOW | ATTR_MTIME_NOW)) !== 0 && !ownerOrCapable(creds, inode)) {
    // Both to now: whoever may write may say so. One of them is an explicit time.
    const both = ATTR_ATIME_NOW | ATTR_MTIME_NOW;
    if ((mask & both) !== both) throw linuxerr.EPERM;
    if (inode.checkPermissions(creds, MAY_WRITE) !== 0) throw linuxerr.EACCES;
  }
  if ((mask & ATTR_SIZE) !== 0 && fdWritable === null) {
    if (inode.getWriteAccess() !== 0) throw linuxerr.ETXTBSY;
    inode.putWriteAccess();
  }
  const now = inode.fs.vfs.now();
  if ((mask & ATTR_ATIME_NOW) !== 0) {
    opts.atimeSec = now.sec;
    opts.atimeNsec = now.nsec;
    opts.mask |= ATTR_ATIME;
  }
  if ((mask & ATTR_MTIME_NOW) !== 0 || ((mask & ATTR_SIZE) !== 0 && fdWritable !== null)) {
    opts.mtimeSec = now.sec;
    opts.mtimeNsec = now.nsec;
    opts.mask |= ATTR_MTIME;
  }
  opts.mask &= ~(ATTR_ATIME_NOW | ATTR_MTIME_NOW | ATTR_CHOWN);
  // A truncation by path leaves the times to the filesystem, which knows whether the size changes.
  if (mask !== ATTR_SIZE || fdWritable !== null) {
    opts.ctimeSec = now.sec;
    opts.ctimeNsec = now.nsec;
    opts.mask |= ATTR_CTIME;
  }
}

/** EOVERFLOW for an owner or group that does not exist in the user namespace the filesystem was mounted in. */
function checkIDsInFilesystem(inode: Inode, opts: SetStatOptions): void {
  const ns = inode.fs.userNamespace;
  if (ns === null) return;
  if ((opts.mask & ATTR_UID) !== 0 && !ns.hasUID(opts.uid)) throw linuxerr.EOVERFLOW;
  if ((opts.mask & ATTR_GID) !== 0 && !ns.hasGID(opts.gid)) throw linuxerr.EOVERFLOW;
}

/** Takes set-id bits away from a regular file that these credentials write to. */
export function removePrivileges(inode: Inode, creds: Credentials): void {
  const mode = inode.mode();
  if ((mode & (S_ISUID | S_ISGID)) === 0 || (mode & S_IFMT) !== S_IFREG || creds.capable(CAP_FSETID)) return;
  const falling = fallingSetIDBits(creds, mode, inode.uid(), inode.gid());
  if (falling === 0) return;
  const opts = new SetStatOptions();
  const now = inode.fs.vfs.now();
  opts.mask = ATTR_MODE | ATTR_CTIME;
  opts.mode = mode & S_IALLUGO & ~falling;
  opts.ctimeSec = now.sec;
  opts.ctimeNsec = now.nsec;
  inode.setStat(opts, creds);
}
