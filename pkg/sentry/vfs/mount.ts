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
import { EventErr, EventPri, Queue } from "../../waiter/index.ts";
import type { UserNamespace } from "../kernel/auth/index.ts";
import type { Dentry } from "./dentry.ts";
import type { Filesystem } from "./filesystem.ts";
import type { Inode } from "./inode.ts";
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
    "refs",
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
  /** In order of mounting. */
  children: Set<Mount> = new Set();
  /** Open files, working directories and other holders below it; umount(2) is EBUSY while positive. */
  refs = 0;
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

  /** Attaches to a place of a namespace, above what is mounted there already. */
  attach(ns: MountNamespace, parent: Mount, mountpoint: Dentry): void {
    this.ns = ns;
    this.parent = parent;
    this.mountpoint = mountpoint;
    parent.children.add(this);
    mountpoint.incRef();
    if (mountpoint.mounts === null) mountpoint.mounts = [this];
    else mountpoint.mounts.push(this);
    ns.mountCount++;
    ns.changed();
  }

  /** Takes it off its place. It lives on while it has holders. */
  detach(): void {
    const point = this.mountpoint;
    if (this.parent !== null) this.parent.children.delete(this);
    if (this.ns !== null) {
      this.ns.mountCount--;
      this.ns.changed();
    }
    this.ns = null;
    this.parent = null;
    this.mountpoint = null;
    if (point !== null && point.mounts !== null) {
      const i = point.mounts.indexOf(this);
      if (i >= 0) point.mounts.splice(i, 1);
      if (point.mounts.length === 0) point.mounts = null;
      point.decRef();
    }
    if (this.refs === 0) this.release();
  }

  /** Drops a holder. */
  decRef(): void {
    this.refs--;
    if (this.refs === 0 && this.ns === null) this.release();
  }

  /** Nobody holds it and it is nowhere. */
  release(): void {
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

/** A tree of mounts that a set of tasks sees: mount_namespaces(7). */
export class MountNamespace {
  static readonly stateType = stateType("vfs.MountNamespace", [
    "root",
    "refs",
    "mountCount",
    "owner",
    "ino",
    "changeQueue",
    "changes",
  ]);
  /** The root mount's root. */
  root: VirtualDentry;
  refs = 1;
  /** Mounts in the tree: bounded like /proc/sys/fs/mount-max. */
  mountCount = 1;
  /** The user namespace it belongs to. */
  owner: UserNamespace;
  /** Inode number of /proc/[pid]/ns/mnt. */
  ino = 0;
  /** Notified at every change, for those who poll /proc/[pid]/mounts. */
  readonly changeQueue: Queue = new Queue();
  /** Grows with every change. */
  changes = 0;

  constructor(root: Mount, owner: UserNamespace) {
    this.root = root.rootVD;
    this.owner = owner;
    root.ns = this;
  }

  /** A mount came, went or changed. */
  changed(): void {
    this.changes++;
    this.changeQueue.notify(EventErr | EventPri);
  }

  /** A task joins. */
  incRef(): void {
    this.refs++;
  }

  /** A task leaves; the last one takes the whole tree down. */
  decRef(): void {
    this.refs--;
    if (this.refs === 0) this.root.mount.fs.vfs.umountTree(this.root.mount);
  }
}
