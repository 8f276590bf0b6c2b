import * as errno from "../../../abi/linux/errno.ts";
import { O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../../abi/linux/file.ts";
import { MS_RDONLY } from "../../../abi/linux/fs.ts";
import { makeDeviceID, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../../abi/linux/stat.ts";
import { SYS_syncfs } from "../../../abi/linux/syscalls.ts";
import { XATTR_SIZE_MAX } from "../../../abi/linux/xattr.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { fillStatfs, HostIO } from "../../fsutil/index.ts";
import type { IOJob } from "../../iopool/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { FileIDs } from "../../memmap/index.ts";
import {
  Filesystem,
  type FilesystemType,
  type GetFilesystemOptions,
  type Statfs,
  type VirtualFilesystem,
} from "../../vfs/index.ts";
import { DescriptorCache } from "./descriptor_cache.ts";
import { GoferDirectory } from "./directory.ts";
import type { GoferInode } from "./inode.ts";
import { OwnDescriptor } from "./own_descriptor.ts";
import { GoferRegularFile } from "./regular_file.ts";
import { GoferSpecialFile, GoferSymlink } from "./special_file.ts";

/** Host descriptors kept open for later. */
const DEFAULT_MAX_DESCRIPTORS = 4096;
/** Directory read buffers kept for the next open directory. */
const MAX_DIRENT_BUFFERS = 4;
/** Entries whose offsets have room at first, and at most in what is kept. */
const FIRST_OFFSETS = 64;
const MAX_OFFSETS = 4096;

/** What a gofer mount is made from: GetFilesystemOptions.internalData. */
export class GoferOptions {
  static readonly stateType = stateType("gofer.Options", ["exclusive", "trustFor", "maxDescriptors"], ["rootFD"]);
  /** A host directory, open with O_PATH or O_RDONLY. The filesystem owns it from now on. */
  readonly rootFD: number;
  /** Nobody else changes the directory while it is mounted: attributes and names are kept. */
  exclusive = false;
  /** Others may change it, but may wait this many milliseconds to be seen by those who ask for a path. */
  trustFor = 0;
  /** Host descriptors kept open for later. Lower it when RLIMIT_NOFILE is low. */
  maxDescriptors = DEFAULT_MAX_DESCRIPTORS;

  constructor(rootFD: number) {
    this.rootFD = rootFD;
  }
}

/** A mounted host directory. */
export class GoferFilesystem extends Filesystem {
  static override readonly stateType = stateType(
    "gofer.Filesystem",
    ["exclusive", "trustFor", "fileIDs", "descriptors", "rootDev", "devices"],
    [
      "rootFD",
      "inodes",
      "hostStat",
      "statOwner",
      "askedName",
      "askedDirectory",
      "askedIn",
      "io",
      "xattrBytes",
      "direntBuffers",
      "offsetBuffers",
    ],
  );
  override readonly type = "9p";
  readonly rootFD: number;
  readonly exclusive: boolean;
  /** Milliseconds for which an answer about a name is good for path walks. */
  readonly trustFor: number;
  readonly fileIDs: FileIDs;
  readonly descriptors: DescriptorCache;
  /** The host's device of the root. */
  readonly rootDev: number;
  /** st_dev for other host devices below the root, by the host's number. */
  readonly devices: Map<number, number> = new Map();
  /**
   * Inodes in memory by host device, then by inode number (a string where a number is not exact): directories, and files with several names. A
   * file with one name is found by its dentry.
   */
  readonly inodes: Map<number, Map<number | string, GoferInode>> = new Map();
  /** The answer of the last stat call ... */
  readonly hostStat: host.HostStat = new host.HostStat();
  /** ... and the inode it is about, when the path walk under way asked for it. */
  statOwner: GoferInode | null = null;
  /** ... or the name it is about, asked for in that operation of the vfs without making an inode; "": of no name. */
  askedName = "";
  askedDirectory: GoferDirectory | null = null;
  askedIn = -1;
  readonly io: HostIO = new HostIO();
  xattrBytes: Uint8Array<ArrayBuffer> | null = null;
  readonly direntBuffers: host.HostDirents[] = [];
  readonly offsetBuffers: Uint32Array<ArrayBuffer>[] = [];

  /** Throws ENOTDIR, or the host's error, when the descriptor is no directory. */
  constructor(vfs: VirtualFilesystem, opts: GoferOptions, fileIDs: FileIDs) {
    super(vfs);
    this.rootFD = opts.rootFD;
    this.exclusive = opts.exclusive;
    this.trustFor = opts.exclusive ? Number.POSITIVE_INFINITY : opts.trustFor;
    this.missingFor = this.trustFor;
    this.revalidates = !opts.exclusive;
    this.steady = true;
    this.fileIDs = fileIDs;
    this.descriptors = new DescriptorCache(opts.maxDescriptors);
    const st = this.hostStat;
    const r = host.fstat(opts.rootFD, st);
    if (r < 0) throw linuxerr.fromErrno(-r);
    if ((st.mode & S_IFMT) !== S_IFDIR) throw linuxerr.ENOTDIR;
    this.rootDev = st.dev;
    const root = this.inodeOf(st);
    if (!(root instanceof GoferDirectory)) throw linuxerr.ENOTDIR;
    root.fd = opts.rootFD;
    root.pinned = true;
    this.setRoot(root);
  }

  /** Where the answer of a stat call that is about to be made goes. */
  beginStat(): host.HostStat {
    this.statOwner = null;
    this.askedName = "";
    return this.hostStat;
  }

  /** Whether hostStat is the answer about a name of a directory, asked for in the path walk under way. */
  hasAsked(dir: GoferDirectory, name: string): boolean {
    const { vfs } = this;
    return (
      this.askedName === name && this.askedDirectory === dir && this.askedIn === vfs.operation && vfs.walkersInUse > 0
    );
  }

  /** The inode for the host's answer about a file: the one in memory, or a new one. */
  inodeOf(st: host.HostStat): GoferInode {
    if (st.nlink === 1) {
      const known = this.inodes.get(st.dev)?.get(inodeKey(st.inoLow, st.inoHigh));
      if (known === undefined || ((known.fileMode ^ st.mode) & S_IFMT) !== 0) {
        const inode = this.newInode(st);
        inode.seen(st);
        return inode;
      }
    }
    let byIno = this.inodes.get(st.dev);
    if (byIno === undefined) {
      byIno = new Map();
      this.inodes.set(st.dev, byIno);
    }
    const key = inodeKey(st.inoLow, st.inoHigh);
    let inode = byIno.get(key);
    // Another type: the host has given the number to a new file.
    if (inode === undefined || ((inode.fileMode ^ st.mode) & S_IFMT) !== 0) {
      inode = this.newInode(st);
      byIno.set(key, inode);
    }
    inode.seen(st);
    return inode;
  }

  /** A file gets a second name. */
  remember(inode: GoferInode): void {
    const key = inodeKey(inode.inoLow, inode.inoHigh);
    const byIno = this.inodes.get(inode.hostDev);
    if (byIno === undefined) this.inodes.set(inode.hostDev, new Map([[key, inode]]));
    else byIno.set(key, inode);
  }

  newInode(st: host.HostStat): GoferInode {
    switch (st.mode & S_IFMT) {
      case S_IFDIR:
        return new GoferDirectory(this, st);
      case S_IFREG:
        return new GoferRegularFile(this, st);
      case S_IFLNK:
        return new GoferSymlink(this, st);
      default:
        return new GoferSpecialFile(this, st);
    }
  }

  /** An inode is not in use any more. */
  forget(inode: GoferInode): void {
    const byIno = this.inodes.get(inode.hostDev);
    const key = inodeKey(inode.inoLow, inode.inoHigh);
    if (byIno?.get(key) === inode) byIno.delete(key);
  }

  /** st_dev of files on a device of the host. Each has a number of its own, so that inode numbers stay unique. */
  deviceOf(hostDev: number): number {
    if (hostDev === this.rootDev) return makeDeviceID(0, this.devMinor);
    let dev = this.devices.get(hostDev);
    if (dev === undefined) {
      dev = makeDeviceID(0, this.vfs.newAnonDevMinor());
      this.devices.set(hostDev, dev);
    }
    return dev;
  }

  /** openat(2); when the sentry runs out of descriptors, some of the cached ones make room. */
  openat(dirFD: number, name: string, flags: number, mode: number): number {
    const fd = host.openat(dirFD, name, flags, mode);
    if (fd !== -errno.EMFILE && fd !== -errno.ENFILE) return fd;
    if (this.descriptors.evict(Math.max(16, this.descriptors.count >>> 1)) === 0) return fd;
    return host.openat(dirFD, name, flags, mode);
  }

  /** Room for any attribute value or list of names; good until the next call. */
  xattrBuffer(): Uint8Array<ArrayBuffer> {
    this.xattrBytes ??= new Uint8Array(new ArrayBuffer(XATTR_SIZE_MAX));
    return this.xattrBytes;
  }

  /** Room for the offsets of a directory's entries: what is in it means nothing. */
  acquireOffsets(): Uint32Array<ArrayBuffer> {
    return this.offsetBuffers.pop() ?? new Uint32Array(new ArrayBuffer(FIRST_OFFSETS * 8));
  }

  /** Gives it back. */
  releaseOffsets(o: Uint32Array<ArrayBuffer>): void {
    if (this.offsetBuffers.length < MAX_DIRENT_BUFFERS && o.length <= MAX_OFFSETS * 2) this.offsetBuffers.push(o);
  }

  /** A buffer for reading a directory. */
  acquireDirents(): host.HostDirents {
    return this.direntBuffers.pop() ?? new host.HostDirents();
  }

  /** Gives a buffer back. */
  releaseDirents(b: host.HostDirents): void {
    if (this.direntBuffers.length < MAX_DIRENT_BUFFERS) this.direntBuffers.push(b);
  }

  override statFS(out: Statfs): void {
    fillStatfs(out, this.rootFD);
  }

  override mountOptions(): string {
    if (this.exclusive) return "directfs,cache=fscache";
    return this.trustFor > 0 ? `directfs,cache=fscache,timeo=${this.trustFor}` : "directfs,cache=remote_revalidating";
  }

  override sync(): void {
    const fd = this.openForSync();
    if (fd < 0) return;
    host.syncfs(fd);
    host.close(fd);
  }

  override startSync(): IOJob | null {
    const pool = this.vfs.ioPool;
    const fd = pool === null ? -1 : this.openForSync();
    if (pool === null || fd < 0) return null;
    const job = pool.submit(new OwnDescriptor(fd), SYS_syncfs, fd, 0, 0, 0);
    if (job === null) host.close(fd);
    return job;
  }

  openForSync(): number {
    return host.openat(this.rootFD, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  }

  override release(): void {
    this.descriptors.clear();
    host.close(this.rootFD);
  }
}

/** Exact for all inode numbers, and a plain number for those in real life. */
function inodeKey(low: number, high: number): number | string {
  return high < 0x200000 ? high * 4294967296 + low : `${high}:${low}`;
}

/** The filesystem type of host directories; mounted by the runtime only. */
export class GoferType implements FilesystemType {
  static readonly stateType = stateType("gofer.Type", [
    "name",
    "requiresDevice",
    "allowUserMount",
    "allowUserList",
    "fileIDs",
  ]);
  readonly name = "9p";
  readonly requiresDevice = false;
  readonly allowUserMount = false;
  readonly allowUserList = true;
  readonly fileIDs: FileIDs;

  constructor(fileIDs: FileIDs) {
    this.fileIDs = fileIDs;
  }

  /** Needs a GoferOptions as internalData. */
  getFilesystem(vfs: VirtualFilesystem, _creds: Credentials, _source: string, opts: GetFilesystemOptions): Filesystem {
    if (!(opts.internalData instanceof GoferOptions)) throw linuxerr.EINVAL;
    const fs = new GoferFilesystem(vfs, opts.internalData, this.fileIDs);
    fs.readOnly = (opts.flags & MS_RDONLY) !== 0;
    return fs;
  }
}
