import { CAP_SYS_ADMIN } from "../../abi/linux/capability.ts";
import * as errno from "../../abi/linux/errno.ts";
import { MS_RDONLY } from "../../abi/linux/fs.ts";
import { S_IFLNK, S_IFMT, STATX_ATTR_MOUNT_ROOT } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { setFields, stateType } from "../../state/index.ts";
import type { IOPool } from "../iopool/index.ts";
import type { Credentials, UserNamespace } from "../kernel/auth/index.ts";
import type { Task } from "../kernel/task.ts";
import { AnonFilesystem } from "./anon_fs.ts";
import { linkAt, mkdirAt, mknodAt, rmdirAt, symlinkAt, unlinkAt } from "./create.ts";
import { type Dentry, DentryCache } from "./dentry.ts";
import { CHAR_DEVICE, type Device, type DeviceKind } from "./device.ts";
import { EpollAccounting } from "./epoll.ts";
import type { FileDescription } from "./file_description.ts";
import type { Filesystem, FilesystemType, GetFilesystemOptions } from "./filesystem.ts";
import { HostCopier } from "./host_copy.ts";
import { type Fifo, type Inode, STAT_FILLED } from "./inode.ts";
import { InotifyState, notifyChange, notifyUnmount } from "./inotify.ts";
import type { KnownPath } from "./known_path.ts";
import { LockWaits } from "./lock.ts";
import { MissingNames } from "./missing_names.ts";
import { Mount } from "./mount.ts";
import { MountNamespace } from "./mount_namespace.ts";
import * as mountops from "./mount_ops.ts";
import * as mounttables from "./mount_tables.ts";
import { NameCache } from "./name_cache.ts";
import { checkAccess, normalise, openKnown, tryAccessAt, tryOpenAt } from "./open.ts";
import {
  type Clock,
  type OpenOptions,
  type PathOperation,
  type SetStatOptions,
  type Statfs,
  type Statx,
  Timestamp,
} from "./options.ts";
import { Walker } from "./path_walk.ts";
import { pathnameForGetcwd, pathnameWithDeleted } from "./pathname.ts";
import { renameAt } from "./rename.ts";
import { SeenNames } from "./seen_names.ts";
import { checkSetStat } from "./setstat.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";
import { getXattr, listXattr, removeXattr, setXattr } from "./xattr.ts";

/** Dentries kept in memory, over all filesystems of a sandbox. */
const DEFAULT_DENTRY_LIMIT = 40000;

/** Makes what is behind a FIFO; fsimpl/pipefs. */
export interface FifoFactory {
  newFifo(inode: Inode): Fifo;
}

/** Knows which task the system call under way belongs to; the Kernel. */
export interface CurrentTaskSource {
  readonly current: Task | null;
}

/**
 * The virtual filesystem of a kernel: what system calls on paths do. Methods throw LinuxErrors. The dentries and VirtualDentries that they
 * return are good until the next call here; whoever keeps one longer takes a reference first.
 */
export class VirtualFilesystem {
  static readonly stateType = stateType(
    "vfs.VirtualFilesystem",
    [
      "clock",
      "dentryCache",
      "fsTypes",
      "charDevices",
      "blockDevices",
      "fifoFactory",
      "taskSource",
      "lastMountID",
      "lastAnonMinor",
      "lastDentry",
      "mountMax",
      "mountCount",
      "mountLimit",
      "lastPeerGroup",
      "anonFilesystem",
      "epollAccounting",
      "inotify",
      "lockWaits",
    ],
    [
      "walkers",
      "walkersInUse",
      "changes",
      "operation",
      "timestamp",
      "hostCopier",
      "missingNames",
      "names",
      "seenNames",
      "ioPool",
      "strict",
      "elapsedIn",
      "elapsedMs",
    ],
  );
  readonly clock: Clock;
  readonly dentryCache: DentryCache;
  /** By name, in order of registration. */
  readonly fsTypes: Map<string, FilesystemType> = new Map();
  /** By major << 20 | minor. */
  readonly charDevices: Map<number, Device> = new Map();
  readonly blockDevices: Map<number, Device> = new Map();
  /** Set once at start-up. */
  fifoFactory: FifoFactory | null = null;
  /** Set once at start-up; null in tests and tools. */
  taskSource: CurrentTaskSource | null = null;
  lastMountID = 0;
  lastAnonMinor = 0;
  lastDentry = 0;
  /** Most mounts of one namespace. */
  mountMax = 100000;
  /** Mounts of all namespaces, and the most there may be. */
  mountCount = 0;
  mountLimit = 100000;
  lastPeerGroup = 0;
  /** Made at first use. */
  anonFilesystem: AnonFilesystem | null = null;
  readonly epollAccounting: EpollAccounting = new EpollAccounting();
  readonly inotify: InotifyState = new InotifyState();
  /** Tasks blocked in F_SETLKW. */
  readonly lockWaits: LockWaits = new LockWaits();
  readonly walkers: Walker[] = [];
  walkersInUse = 0;
  /**
   * Counts changes that can lead paths elsewhere, or be in their way: of mounts, of directories and links that lose their names, of modes and owners of all but regular files. Where
   * the name at the end leads is its dentry's to tell. See KnownPath.
   */
  changes = 0;
  /** Counts operations on paths: what a filesystem learned in this one is fresh until it ends. */
  operation = 0;
  readonly timestamp: Timestamp = new Timestamp();
  /** For filesystems with data in memory files; holds nothing between calls. */
  readonly hostCopier: HostCopier = new HostCopier();
  readonly missingNames: MissingNames = new MissingNames();
  readonly names: NameCache = new NameCache();
  readonly seenNames: SeenNames = new SeenNames();
  /** Threads for host calls that wait for disks; null: they are made here. */
  ioPool: IOPool | null = null;
  /** Nothing remembered is good enough: what was turned out to be wrong. See stale(). */
  strict = false;
  /** The operation in which elapsedMs was read. */
  elapsedIn = -1;
  elapsedMs = 0;

  constructor(clock: Clock, dentryLimit: number = DEFAULT_DENTRY_LIMIT) {
    this.clock = clock;
    this.dentryCache = new DentryCache(dentryLimit);
  }

  afterLoad(): void {
    setFields<VirtualFilesystem>(this, {
      walkers: [],
      walkersInUse: 0,
      changes: 0,
      operation: 0,
      timestamp: new Timestamp(),
      hostCopier: new HostCopier(),
      missingNames: new MissingNames(),
      names: new NameCache(),
      seenNames: new SeenNames(),
      ioPool: null,
      strict: false,
      elapsedIn: -1,
      elapsedMs: 0,
    });
  }

  // ---- registries

  /** Makes a filesystem type known to mount(2) and /proc/filesystems. */
  registerFilesystemType(type: FilesystemType): void {
    if (this.fsTypes.has(type.name)) throw new Error(`vfs: filesystem type ${type.name} registered twice`);
    this.fsTypes.set(type.name, type);
  }

  /** Makes device nodes with the number openable. */
  registerDevice(kind: DeviceKind, major: number, minor: number, device: Device): void {
    const map = kind === CHAR_DEVICE ? this.charDevices : this.blockDevices;
    const key = major * 0x100000 + minor;
    if (map.has(key)) throw new Error(`vfs: device ${major}:${minor} registered twice`);
    map.set(key, device);
  }

  /** The device with a number, or null. */
  device(kind: DeviceKind, major: number, minor: number): Device | null {
    const map = kind === CHAR_DEVICE ? this.charDevices : this.blockDevices;
    return map.get(major * 0x100000 + minor) ?? null;
  }

  /** A new minor of major 0, for st_dev. */
  newAnonDevMinor(): number {
    return ++this.lastAnonMinor;
  }

  /** The place of descriptors without a file behind them; `name` as /proc/[pid]/fd shows it, e.g. "[eventfd]". */
  newAnonVirtualDentry(name: string): VirtualDentry {
    if (this.anonFilesystem === null) this.anonFilesystem = new AnonFilesystem(this);
    return this.anonFilesystem.place(name);
  }

  // ---- for the other files of this package and for filesystems

  /** The current time for timestamps of files; the object is reused by the next call. */
  now(): Timestamp {
    this.clock.realtimeCoarse(this.timestamp);
    return this.timestamp;
  }

  /** Milliseconds of a clock that only goes forward, read once in an operation: for how old what is remembered may be. */
  elapsed(): number {
    if (this.elapsedIn !== this.operation || this.walkersInUse === 0) {
      this.elapsedIn = this.operation;
      this.elapsedMs = performance.now();
    }
    return this.elapsedMs;
  }

  /**
   * Whether to repeat an operation on a path that failed with `e`, this time asking filesystems about everything: another file has taken
   * the name of one that was remembered. The caller sets `strict` back.
   */
  stale(e: unknown): boolean {
    if (e !== linuxerr.ESTALE || this.strict) return false;
    this.strict = true;
    return true;
  }

  /** The task whose system call is being served, or null. */
  currentTask(): Task | null {
    return this.taskSource === null ? null : this.taskSource.current;
  }

  /** A walker from the pool; begin() it, and give it back with releaseWalker in a finally block, last taken first. */
  acquireWalker(creds: Credentials, pop: PathOperation): Walker {
    const depth = this.walkersInUse;
    // Nobody has unreferenced dentries in hand between operations.
    if (depth === 0) {
      this.operation++;
      if (this.dentryCache.count > this.dentryCache.limit) this.dentryCache.evict();
    }
    let w = this.walkers[depth];
    if (w === undefined) {
      w = new Walker(this, creds, null, pop);
      this.walkers.push(w);
    }
    this.walkersInUse = depth + 1;
    return w;
  }

  /** See acquireWalker. */
  releaseWalker(w: Walker): void {
    this.walkersInUse--;
    w.finish();
  }

  /** Begins an operation at a dentry that is known, for which no walker is needed. Call endKnown in a finally block. */
  beginKnown(d: Dentry): void {
    d.recentlyUsed = true;
    this.operation++;
    this.walkersInUse++;
  }

  /** See beginKnown. */
  endKnown(): void {
    this.walkersInUse--;
  }

  /** The pipe behind a FIFO inode. */
  newFifo(inode: Inode): Fifo {
    if (this.fifoFactory === null) throw linuxerr.ENXIO;
    return this.fifoFactory.newFifo(inode);
  }

  /** The last mount of a filesystem is gone. */
  releaseFilesystem(fs: Filesystem): void {
    const root = fs.root;
    if (root !== null) {
      const below = root.descendants();
      if (this.inotify.watches > 0) for (const d of [root, ...below].reverse()) notifyUnmount(d.inode);
      for (let i = below.length - 1; i >= 0; i--) below[i]?.unhash();
      root.unhash();
    }
    fs.release();
  }

  // ---- paths

  /** open(2). The description has one reference, the caller's. Wait for file.openReady() before giving it to a guest. */
  openAt(creds: Credentials, pop: PathOperation, opts: OpenOptions): FileDescription {
    const file = tryOpenAt(this, creds, pop, opts);
    if (file === null) throw linuxerr.ENOENT;
    return file;
  }

  /** As openAt, but null when a name is missing. */
  tryOpenAt(creds: Credentials, pop: PathOperation, opts: OpenOptions): FileDescription | null {
    return tryOpenAt(this, creds, pop, opts);
  }

  /** As tryOpenAt for a path that holds (KnownPath.holds) and is not missing; null: it is to be opened by tryOpenAt. Creates nothing. */
  openKnown(creds: Credentials, known: KnownPath, opts: OpenOptions): FileDescription | null {
    return openKnown(this, known, normalise(opts), creds);
  }

  /** Resolves a path. With checkSearchable it must be a directory that the caller may enter (chdir, chroot). */
  getDentryAt(creds: Credentials, pop: PathOperation, opts?: { checkSearchable?: boolean }): VirtualDentry {
    const w = this.acquireWalker(creds, pop);
    try {
      w.begin(creds, this.currentTask(), pop);
      const searchable = opts?.checkSearchable === true;
      w.walkFull(pop.followFinalSymlink, searchable);
      if (searchable && w.dentry.inode.checkPermissions(creds, 1) !== 0) throw linuxerr.EACCES;
      return w.result();
    } finally {
      this.releaseWalker(w);
    }
  }

  /** stat(2). */
  statAt(creds: Credentials, pop: PathOperation, out: Statx): void {
    if (this.tryStatAt(creds, pop, out) !== 0) throw linuxerr.ENOENT;
  }

  /** As statAt, but returns 0, or -ENOENT when a name is missing. */
  tryStatAt(creds: Credentials, pop: PathOperation, out: Statx): number {
    const w = this.acquireWalker(creds, pop);
    try {
      w.begin(creds, this.currentTask(), pop);
      w.attributes = out;
      const r = w.tryWalkFull(pop.followFinalSymlink, false);
      if (r < 0) return r;
      if (r === STAT_FILLED) {
        out.mountID = w.mount.id;
        out.attributesMask |= STATX_ATTR_MOUNT_ROOT;
      } else statDentry(w.mount, w.dentry, out);
      return 0;
    } catch (e) {
      if (!this.stale(e)) throw e;
    } finally {
      this.releaseWalker(w);
    }
    try {
      return this.tryStatAt(creds, pop, out);
    } finally {
      this.strict = false;
    }
  }

  /** As tryStatAt for a path that holds (KnownPath.holds) and is not missing; false: it is to be asked for by tryStatAt. */
  statKnown(known: KnownPath, out: Statx): boolean {
    const { mount, dentry } = known;
    if (mount === null || dentry === null) return false;
    this.beginKnown(dentry);
    try {
      statDentry(mount, dentry, out);
      return true;
    } catch (e) {
      if (e !== linuxerr.ESTALE) throw e;
      return false;
    } finally {
      this.endKnown();
    }
  }

  /** fstat(2) of a place, e.g. the working directory with AT_EMPTY_PATH. */
  statVirtualDentry(vd: VirtualDentry, out: Statx): void {
    statDentry(vd.mount, vd.dentry, out);
  }

  /** chmod(2), chown(2), truncate(2), utimensat(2); opts is used up. */
  setStatAt(creds: Credentials, pop: PathOperation, opts: SetStatOptions): void {
    this.setStatVirtualDentry(creds, this.getDentryAt(creds, pop), opts);
  }

  /** The same for a place that was found: O_PATH descriptions with AT_EMPTY_PATH. */
  setStatVirtualDentry(creds: Credentials, vd: VirtualDentry, opts: SetStatOptions): void {
    const inode = vd.dentry.inode;
    checkSetStat(vd, inode, opts, creds, null);
    inode.setStat(opts, creds);
    notifyChange(vd.dentry, opts.mask);
  }

  /** access(2): mask of MAY_READ | MAY_WRITE | MAY_EXEC, which equal R_OK, W_OK, X_OK; 0 only asks for existence. */
  accessAt(creds: Credentials, pop: PathOperation, mask: number): void {
    if (tryAccessAt(this, creds, pop, mask) !== 0) throw linuxerr.ENOENT;
  }

  /** As tryAccessAt for a path that holds (KnownPath.holds) and is not missing; false: it is to be asked for by tryAccessAt. */
  accessKnown(creds: Credentials, known: KnownPath, mask: number): boolean {
    const { mount, dentry } = known;
    if (mount === null || dentry === null) return false;
    this.beginKnown(dentry);
    try {
      checkAccess(mount, dentry, creds, mask);
      return true;
    } finally {
      this.endKnown();
    }
  }

  /** As accessAt, but returns 0, or -ENOENT when a name is missing. */
  tryAccessAt(creds: Credentials, pop: PathOperation, mask: number): number {
    return tryAccessAt(this, creds, pop, mask);
  }

  /** mkdir(2); mode with the umask applied. */
  mkdirAt(creds: Credentials, pop: PathOperation, mode: number): void {
    mkdirAt(this, creds, pop, mode);
  }

  /** mknod(2) and bind(2) of a unix socket: mode with type and the umask applied. The type was checked. Returns the new place. */
  mknodAt(creds: Credentials, pop: PathOperation, mode: number, rdev: number): VirtualDentry {
    return mknodAt(this, creds, pop, mode, rdev);
  }

  /** symlink(2). */
  symlinkAt(creds: Credentials, pop: PathOperation, target: string): void {
    symlinkAt(this, creds, pop, target);
  }

  /** link(2). */
  linkAt(creds: Credentials, oldPop: PathOperation, newPop: PathOperation): void {
    linkAt(this, creds, this.getDentryAt(creds, oldPop), newPop);
  }

  /** linkat(2) with AT_EMPTY_PATH, after its permission check. */
  linkVirtualDentry(creds: Credentials, old: VirtualDentry, newPop: PathOperation): void {
    linkAt(this, creds, old, newPop);
  }

  /** renameat2(2); flags RENAME_*. */
  renameAt(creds: Credentials, oldPop: PathOperation, newPop: PathOperation, flags: number): void {
    renameAt(this, creds, oldPop, newPop, flags);
  }

  /** unlink(2). */
  unlinkAt(creds: Credentials, pop: PathOperation): void {
    unlinkAt(this, creds, pop);
  }

  /** rmdir(2). */
  rmdirAt(creds: Credentials, pop: PathOperation): void {
    rmdirAt(this, creds, pop);
  }

  /** readlink(2). */
  readlinkAt(creds: Credentials, pop: PathOperation): string {
    const target = this.tryReadlinkAt(creds, pop);
    if (typeof target === "number") throw linuxerr.fromErrno(-target);
    return target;
  }

  /** As readlinkAt, but returns -ENOENT when a name is missing, and -EINVAL for what is no link. */
  tryReadlinkAt(creds: Credentials, pop: PathOperation): string | number {
    const w = this.acquireWalker(creds, pop);
    try {
      const t = this.currentTask();
      w.begin(creds, t, pop);
      if (w.tryWalkFull(pop.followFinalSymlink, false) !== 0) return -errno.ENOENT;
      const { mount, dentry } = w;
      if ((dentry.inode.mode() & S_IFMT) !== S_IFLNK) return -errno.EINVAL;
      const target = dentry.inode.readlink(t);
      mount.touchAtime(dentry.inode, 0);
      return target;
    } finally {
      this.releaseWalker(w);
    }
  }

  /** statfs(2). */
  statFSAt(creds: Credentials, pop: PathOperation, out: Statfs): void {
    this.statFSVirtualDentry(this.getDentryAt(creds, pop), out);
  }

  /** fstatfs(2). */
  statFSVirtualDentry(vd: VirtualDentry, out: Statfs): void {
    out.reset();
    vd.dentry.fs.statFS(out);
    out.flags = vd.mount.statfsFlags();
  }

  // ---- extended attributes

  /** getxattr(2): the value as a byte string, or a negative errno. */
  getXattrAt(creds: Credentials, pop: PathOperation, name: string): string | number {
    return getXattr(this.getDentryAt(creds, pop), name, creds);
  }

  /** setxattr(2). */
  setXattrAt(creds: Credentials, pop: PathOperation, name: string, value: string, flags: number): void {
    setXattr(this.getDentryAt(creds, pop), name, value, flags, creds);
  }

  /** listxattr(2). */
  listXattrAt(creds: Credentials, pop: PathOperation): string[] {
    return listXattr(this.getDentryAt(creds, pop), creds);
  }

  /** removexattr(2). */
  removeXattrAt(creds: Credentials, pop: PathOperation, name: string): void {
    removeXattr(this.getDentryAt(creds, pop), name, creds);
  }

  // ---- names

  /** How /proc/[pid]/fd, exe, cwd show a place to a process with this root. */
  pathnameWithDeleted(root: VirtualDentry, vd: VirtualDentry): string {
    return pathnameWithDeleted(root, vd);
  }

  /** getcwd(2): throws ENOENT for a removed directory; "(unreachable)" in front of what is outside the root. */
  pathnameForGetcwd(root: VirtualDentry, vd: VirtualDentry): string {
    return pathnameForGetcwd(root, vd);
  }

  // ---- mounts

  /** An instance of a registered filesystem type; ENODEV for an unknown one. */
  newFilesystem(creds: Credentials, type: string, source: string, opts: GetFilesystemOptions): Filesystem {
    const t = this.fsTypes.get(type);
    if (t === undefined) throw linuxerr.ENODEV;
    const fs = t.getFilesystem(this, creds, source, opts);
    const owner = t.userNamespace?.(creds, this) ?? null;
    if (fs.mounts === 0 && owner !== null && owner.parent !== null) fs.userNamespace = owner;
    return fs;
  }

  /** Whether the caller may make an instance of a filesystem type, and mount it somewhere. */
  mayMountType(creds: Credentials, type: FilesystemType): boolean {
    const owner = type.userNamespace?.(creds, this) ?? null;
    return owner === null ? creds.capable(CAP_SYS_ADMIN) : creds.hasCapabilityIn(CAP_SYS_ADMIN, owner);
  }

  /** A mount that is in no namespace: for internal filesystems, and to be attached with connectMount. */
  newDisconnectedMount(fs: Filesystem, root: Dentry, source: string, flags: number): Mount {
    return new Mount(++this.lastMountID, fs, root, source, flags);
  }

  /** A mount, nowhere yet, of what mount(2) asked for: MS_RDONLY makes a new instance read-only as a whole. */
  newFirstMount(fs: Filesystem, source: string, flags: number): Mount {
    if (fs.mounts === 0) fs.readOnly = (flags & MS_RDONLY) !== 0;
    return this.newDisconnectedMount(fs, fs.rootDentry(), source, flags);
  }

  /** The mount of a filesystem that is never seen in a tree (pipes, memfds); it stays until its maker drops the reference. */
  newInternalMount(fs: Filesystem): Mount {
    const m = this.newDisconnectedMount(fs, fs.rootDentry(), "none", 0);
    m.refs++;
    return m;
  }

  /** A namespace with a new filesystem as its root. */
  newMountNamespace(
    creds: Credentials,
    source: string,
    type: string,
    opts: GetFilesystemOptions,
    owner: UserNamespace,
  ): MountNamespace {
    const fs = this.newFilesystem(creds, type, source, opts);
    return this.newMountNamespaceFrom(fs, source, opts.flags, owner);
  }

  /** A namespace with a filesystem as its root. */
  newMountNamespaceFrom(fs: Filesystem, source: string, flags: number, owner: UserNamespace): MountNamespace {
    return new MountNamespace(this.newFirstMount(fs, source, flags), owner);
  }

  /** mount(2) of a new filesystem. Privileges were checked. */
  mountAt(creds: Credentials, source: string, pop: PathOperation, type: string, opts: GetFilesystemOptions): Mount {
    return mountops.mountAt(this, creds, source, pop, type, opts);
  }

  /** Puts a disconnected mount at a place. ENOENT, ENOTDIR, EINVAL, ENOSPC. */
  connectMount(mount: Mount, at: VirtualDentry): void {
    mountops.connectMount(this, mount, at);
  }

  /** mount(2) with MS_BIND. */
  bindMountAt(creds: Credentials, source: PathOperation, target: PathOperation, recursive: boolean): Mount {
    return mountops.bindMountAt(this, creds, source, target, recursive);
  }

  /** mount(2) with MS_MOVE. */
  moveMountAt(creds: Credentials, source: PathOperation, target: PathOperation): void {
    mountops.moveMountAt(this, creds, source, target);
  }

  /** mount(2) with MS_REMOUNT; without MS_BIND the filesystem's read-only state follows. */
  remountAt(creds: Credentials, pop: PathOperation, flags: number): void {
    mountops.remountAt(this, creds, pop, flags);
  }

  /** mount(2) with MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE. */
  setPropagationAt(creds: Credentials, pop: PathOperation, type: number, recursive: boolean): void {
    mountops.setPropagationAt(this, creds, pop, type, recursive);
  }

  /** umount2(2) with MNT_DETACH or 0. */
  umountAt(creds: Credentials, pop: PathOperation, flags: number): void {
    mountops.umountAt(this, creds, pop, flags);
  }

  /** Takes a mount and all mounts on it off their places, and with `propagate` those of mounts that receive that. */
  umountTree(mount: Mount, propagate: boolean): void {
    mountops.umountTree(mount, propagate);
  }

  /** pivot_root(2): the caller's root directory is given; processes whose root or cwd was the old root are the caller's business. */
  pivotRootAt(creds: Credentials, newRoot: PathOperation, putOld: PathOperation): void {
    mountops.pivotRootAt(this, creds, newRoot, putOld);
  }

  /**
   * unshare(CLONE_NEWNS): a copy of a namespace. The places (roots and working directories) are translated into the copy, in
   * place.
   */
  cloneMountNamespace(ns: MountNamespace, owner: UserNamespace, ino: number, places: VirtualDentry[]): MountNamespace {
    return mountops.cloneMountNamespace(this, ns, owner, ino, places);
  }

  /** /proc/[pid]/mountinfo as seen from a root directory. */
  mountInfo(root: VirtualDentry): string {
    return mounttables.mountInfo(root);
  }

  /** /proc/[pid]/mounts. */
  mounts(root: VirtualDentry): string {
    return mounttables.mountsTable(root);
  }
}

function statDentry(mount: Mount, d: Dentry, out: Statx): void {
  d.inode.stat(out);
  out.mountID = mount.id;
  out.attributesMask |= STATX_ATTR_MOUNT_ROOT;
  if (d === mount.root) out.attributes |= STATX_ATTR_MOUNT_ROOT;
}
