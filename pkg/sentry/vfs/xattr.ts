import { CAP_SETFCAP, CAP_SYS_ADMIN } from "../../abi/linux/capability.ts";
import * as errno from "../../abi/linux/errno.ts";
import { IN_ATTRIB } from "../../abi/linux/inotify.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISVTX } from "../../abi/linux/stat.ts";
import {
  XATTR_SECURITY_CAPABILITY,
  XATTR_SECURITY_PREFIX,
  XATTR_SYSTEM_PREFIX,
  XATTR_TRUSTED_PREFIX,
  XATTR_USER_PREFIX,
} from "../../abi/linux/xattr.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { Inode } from "./inode.ts";
import { notifyDentry } from "./inotify.ts";
import { MAY_READ, MAY_WRITE } from "./permissions.ts";
import { ownerOrCapable } from "./setstat.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** The permission rules of xattr(7): 0 or a negative errno. `mask` is MAY_READ or MAY_WRITE. */
function xattrPermission(inode: Inode, name: string, mask: number, creds: Credentials): number {
  if (name.startsWith(XATTR_SECURITY_PREFIX)) {
    if (mask === MAY_READ) return 0;
    if (name === XATTR_SECURITY_CAPABILITY) {
      return creds.capableOverFile(CAP_SETFCAP, inode.uid(), inode.gid()) ? 0 : -errno.EPERM;
    }
    const owner = inode.fs.userNamespace;
    const allowed = owner === null ? creds.capable(CAP_SYS_ADMIN) : creds.hasCapabilityIn(CAP_SYS_ADMIN, owner);
    return allowed ? 0 : -errno.EPERM;
  }
  if (name.startsWith(XATTR_SYSTEM_PREFIX)) return 0;
  const refusal = mask === MAY_WRITE ? -errno.EPERM : -errno.ENODATA;
  if (name.startsWith(XATTR_TRUSTED_PREFIX)) return creds.capable(CAP_SYS_ADMIN) ? 0 : refusal;
  if (!name.startsWith(XATTR_USER_PREFIX)) return -errno.EOPNOTSUPP;
  const mode = inode.mode();
  const type = mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR) return refusal;
  if (type === S_IFDIR && (mode & S_ISVTX) !== 0 && mask === MAY_WRITE && !ownerOrCapable(creds, inode)) {
    return -errno.EPERM;
  }
  return inode.checkPermissions(creds, mask);
}

/** Whether a name is nothing but its namespace's prefix. */
function isBarePrefix(name: string): boolean {
  return (
    name === XATTR_USER_PREFIX ||
    name === XATTR_TRUSTED_PREFIX ||
    name === XATTR_SECURITY_PREFIX ||
    name === XATTR_SYSTEM_PREFIX
  );
}

/** getxattr(2) on a file that was found: the value (byte string), -ENODATA or another negative errno. The name's length was checked. */
export function getXattr(vd: VirtualDentry, name: string, creds: Credentials): string | number {
  const inode = vd.dentry.inode;
  const r = xattrPermission(inode, name, MAY_READ, creds);
  if (r !== 0) return r;
  if (isBarePrefix(name)) return -errno.EINVAL;
  const value = inode.getXattr(name, creds);
  return name === XATTR_SECURITY_CAPABILITY && typeof value === "string" ? creds.readFileCapabilities(value) : value;
}

function checkWrite(vd: VirtualDentry, name: string, creds: Credentials): void {
  if (vd.mount.readOnly()) throw linuxerr.EROFS;
  const r = xattrPermission(vd.dentry.inode, name, MAY_WRITE, creds);
  if (r !== 0) throw linuxerr.fromErrno(-r);
  if (isBarePrefix(name)) throw linuxerr.EINVAL;
}

/** setxattr(2) on a file that was found; name and value lengths and flags were checked. */
export function setXattr(vd: VirtualDentry, name: string, value: string, flags: number, creds: Credentials): void {
  const { inode } = vd.dentry;
  checkWrite(vd, name, creds);
  const stored =
    name === XATTR_SECURITY_CAPABILITY ? creds.writeFileCapabilities(value, inode.uid(), inode.gid()) : value;
  inode.setXattr(name, stored, flags, creds);
  notifyDentry(vd.dentry, IN_ATTRIB);
}

/** removexattr(2) on a file that was found. */
export function removeXattr(vd: VirtualDentry, name: string, creds: Credentials): void {
  checkWrite(vd, name, creds);
  vd.dentry.inode.removeXattr(name, creds);
  notifyDentry(vd.dentry, IN_ATTRIB);
}

/** listxattr(2): the names the caller may see. */
export function listXattr(vd: VirtualDentry, creds: Credentials): string[] {
  const names = vd.dentry.inode.listXattr(creds);
  if (creds.capable(CAP_SYS_ADMIN)) return names;
  return names.filter(isNotTrusted);
}

function isNotTrusted(name: string): boolean {
  return !name.startsWith(XATTR_TRUSTED_PREFIX);
}
