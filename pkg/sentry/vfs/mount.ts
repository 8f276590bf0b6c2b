import { O_NOATIME } from "../../abi/linux/file.ts";
import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_STRICTATIME,
  ST_NOATIME,
  ST_NODEV,
  ST_NODIRATIME,
  ST_NOEXEC,
  ST_NOSUID,
  ST_NOSYMFOLLOW,
  ST_RDONLY,
  ST_RELATIME,
  ST_VALID,
} from "../../abi/linux/fs.ts";
import { stateType } from "../../state/index.ts";
import type { Dentry } from "./dentry.ts";
import type { Filesystem } from "./filesystem.ts";
import type { Inode } from "./inode.ts";
import type { MountNamespace } from "./mount_namespace.ts";
import type { PeerGroup } from "./mount_propagation.ts";
import { VirtualDentry } from "./virtual_dentry.ts";

/** Mount flags that belong to the mount itself (not to the filesystem). */
export const MOUNT_FLAGS =
  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME | MS_NOSYMFOLLOW;

/** A filesystem (or a subtree of it) as it appears at a place of a mount namespace. */
export class Mount {
  static readonly stateType = stateType("vfs.Mount", [
    "id",
    "fs",
    "root",
    "source",
    "flags",
    "ns",
    "parent",
    "mountpoint",
    "children",
    "locked",
    "lockedFlags",
    "lockedAtime",
    "peers",
    "master",
    "unbindable",
    "refs",
    "released",
    "expiryMark",
    "rootVD",
  ]);
  /** Unique while the kernel lives: /proc/self/mountinfo, statx(2). */
  readonly id: number;
  readonly fs: Filesystem;
  /** What shows at the mountpoint. */
  readonly root: Dentry;
  /** The device or name given to mount(2), for mountinfo. */
  source: string;
  /** MOUNT_FLAGS bits. */
  flags: number;
  /** The namespace, or null for internal mounts and after unmounting. */
  ns: MountNamespace | null = null;
  parent: Mount | null = null;
  /** A dentry of the parent's filesystem. */
  mountpoint: Dentry | null = null;
  /** By mountpoint, in order of mounting: what is mounted later at the same place is a child of what is there. */
  readonly children: Map<Dentry, Mount> = new Map();
  /** Cannot be taken off its place: it came from a more privileged mount namespace, and hides what is below (MNT_LOCKED). */
  locked = false;
  /** Flags that cannot be cleared, for the same reason. */
  lockedFlags = 0;
  /** Nor can those about access times change. */
  lockedAtime = false;
  /** The mounts that share what is mounted on them; null: private or a slave only. */
  peers: PeerGroup | null = null;
  /** The group whose changes it receives; null: none. */
  master: PeerGroup | null = null;
  /** Private, and cannot be bound elsewhere. */
  unbindable = false;
  /** Open files, working directories and other holders below it; umount(2) is EBUSY while positive. */
  refs = 0;
  released = false;
  /** umount2(MNT_EXPIRE) was asked for, and nobody has used it since. */
  expiryMark = false;
  /** The root as a virtual dentry. */
  readonly rootVD: VirtualDentry;

  /** A mount of `root`, nowhere yet. Holds the root and the filesystem. */
  constructor(id: number, fs: Filesystem, root: Dentry, source: string, flags: number) {
    this.id = id;
    this.fs = fs;
    this.root = root;
    this.source = source;
    this.flags = flags & MOUNT_FLAGS;
    this.rootVD = new VirtualDentry(this, root);
    root.incRef();
    fs.mounts++;
  }

  /** Whether writing through it is EROFS. */
  readOnly(): boolean {
    return (this.flags & MS_RDONLY) !== 0 || this.fs.readOnly;
  }

  /** Puts it at a place. What is mounted there already comes to lie on top of it. */
  link(parent: Mount, mountpoint: Dentry): void {
    const covered = parent.children.get(mountpoint);
    if (covered !== undefined) {
      covered.unlink();
      let top: Mount = this;
      for (let m = top.children.get(top.root); m !== undefined; m = top.children.get(top.root)) top = m;
      covered.link(top, top.root);
    }
    this.fs.vfs.changes++;
    this.parent = parent;
    this.mountpoint = mountpoint;
    parent.children.set(mountpoint, this);
    mountpoint.incRef();
    if (mountpoint.mounts === null) mountpoint.mounts = new Set([this]);
    else mountpoint.mounts.add(this);
  }

  /** Takes it off its place, with what is mounted on it. */
  unlink(): void {
    const point = this.mountpoint;
    if (point === null || this.parent === null) return;
    this.fs.vfs.changes++;
    this.parent.children.delete(point);
    this.parent = null;
    this.mountpoint = null;
    if (point.mounts !== null) {
      point.mounts.delete(this);
      if (point.mounts.size === 0) point.mounts = null;
    }
    point.decRef();
  }

  /** Counts as one of the namespace's. */
  join(ns: MountNamespace): void {
    this.ns = ns;
    ns.mountCount++;
    this.fs.vfs.mountCount++;
    ns.changed();
  }

  /** Belongs to no namespace any more. */
  leave(): void {
    const { ns } = this;
    if (ns === null) return;
    this.ns = null;
    ns.mountCount--;
    this.fs.vfs.mountCount--;
    ns.changed();
  }

  /** Drops a holder. */
  decRef(): void {
    this.refs--;
    this.expiryMark = false;
    this.releaseIfUnused();
  }

  /** Ends it when nobody holds it and it is nowhere. */
  releaseIfUnused(): void {
    if (this.refs === 0 && this.ns === null && this.parent === null && !this.released) this.release();
  }

  /** Nobody holds it and it is nowhere. What stayed on it when it was taken down goes too. */
  release(): void {
    this.released = true;
    for (const c of [...this.children.values()]) {
      c.unlink();
      c.releaseIfUnused();
    }
    this.root.decRef();
    this.fs.mounts--;
    if (this.fs.mounts === 0) this.fs.vfs.releaseFilesystem(this.fs);
  }

  /** The ST_* bits of statfs(2). */
  statfsFlags(): number {
    const f = this.flags;
    let s = ST_VALID;
    if (this.readOnly()) s |= ST_RDONLY;
    if ((f & MS_NOSUID) !== 0) s |= ST_NOSUID;
    if ((f & MS_NODEV) !== 0) s |= ST_NODEV;
    if ((f & MS_NOEXEC) !== 0) s |= ST_NOEXEC;
    if ((f & MS_NODIRATIME) !== 0) s |= ST_NODIRATIME;
    if ((f & MS_NOSYMFOLLOW) !== 0) s |= ST_NOSYMFOLLOW;
    if ((f & MS_NOATIME) !== 0) s |= ST_NOATIME;
    else if ((f & MS_STRICTATIME) === 0) s |= ST_RELATIME;
    return s;
  }

  /** Updates the access time after a read through this mount, unless it, or O_NOATIME in statusFlags, forbids. */
  touchAtime(inode: Inode, statusFlags: number): void {
    if ((this.flags & MS_NOATIME) !== 0 || (statusFlags & O_NOATIME) !== 0 || this.readOnly()) return;
    if ((this.flags & MS_NODIRATIME) !== 0 && inode.isDir()) return;
    inode.touchAtime((this.flags & MS_STRICTATIME) === 0);
  }

  /** Whether touchAtime() of a link can change anything. */
  keepsAtime(inode: Inode): boolean {
    return (this.flags & MS_NOATIME) === 0 && !this.readOnly() && inode.keepsAtime();
  }

  /** Per-mount options as mountinfo shows them. */
  optionString(): string {
    const f = this.flags;
    let s = (f & MS_RDONLY) !== 0 ? "ro" : "rw";
    if ((f & MS_NOSUID) !== 0) s += ",nosuid";
    if ((f & MS_NODEV) !== 0) s += ",nodev";
    if ((f & MS_NOEXEC) !== 0) s += ",noexec";
    if ((f & MS_NOATIME) !== 0) s += ",noatime";
    if ((f & MS_NODIRATIME) !== 0) s += ",nodiratime";
    if ((f & (MS_NOATIME | MS_STRICTATIME)) === 0) s += ",relatime";
    if ((f & MS_NOSYMFOLLOW) !== 0) s += ",nosymfollow";
    return s;
  }
}
