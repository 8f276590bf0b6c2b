import { STATX_BASIC_STATS } from "../../abi/linux/stat.ts";
import type { HostDirents } from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";
import type { KnownPath } from "./known_path.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** A path and where to resolve it. Cheap to make; callers may reuse one. */
export class PathOperation {
  static readonly stateType = stateType(
    "vfs.PathOperation",
    ["root", "start", "path", "followFinalSymlink", "resolve"],
    ["known"],
  );
  /** The process's root directory: ".." stops here, absolute paths and symlinks start here. */
  root: VirtualDentry;
  /** Where a relative path starts: the working directory or a directory descriptor. */
  start: VirtualDentry;
  /** Byte string. Empty is ENOENT; callers handle AT_EMPTY_PATH before. */
  path: string;
  followFinalSymlink: boolean;
  /** RESOLVE_* of openat2(2), else 0. */
  resolve = 0;
  /** What is known of the path; null: it is to be walked. */
  known: KnownPath | null = null;

  constructor(root: VirtualDentry, start: VirtualDentry, path: string, followFinalSymlink: boolean) {
    this.root = root;
    this.start = start;
    this.path = path;
    this.followFinalSymlink = followFinalSymlink;
  }

  afterLoad(): void {
    this.known = null;
  }
}

/** How to open a file. */
export interface OpenOptions {
  /** O_*, as the guest gave them. */
  flags: number;
  /** Permission bits for O_CREAT and O_TMPFILE, with the umask already applied. */
  mode: number;
  /**
   * The file is to be executed (execve, interpreters): execute instead of read permission is needed, only regular files on mounts
   * without MS_NOEXEC qualify (EACCES), and writers are kept out (ETXTBSY) until the description is released.
   */
  fileExec?: boolean;
}

/** A point in CLOCK_REALTIME. */
export class Timestamp {
  static readonly stateType = stateType("vfs.Timestamp", ["sec", "nsec"]);
  /** Seconds since the epoch, may be negative. */
  sec = 0;
  /** 0..999999999 */
  nsec = 0;
}

/** Where the timestamps of files come from: the kernel's timekeeper. */
export interface Clock {
  /** Reads CLOCK_REALTIME_COARSE (a few ms old at most) into `out`. */
  realtimeCoarse(out: Timestamp): void;
}

/** Attributes of a file; what stat(2) and statx(2) show. Reuse one object: Inode.stat fills every field. */
export class Statx {
  static readonly stateType = stateType("vfs.Statx", [
    "mask",
    "blksize",
    "attributes",
    "attributesMask",
    "nlink",
    "uid",
    "gid",
    "mode",
    "ino",
    "size",
    "blocks",
    "atimeSec",
    "atimeNsec",
    "btimeSec",
    "btimeNsec",
    "ctimeSec",
    "ctimeNsec",
    "mtimeSec",
    "mtimeNsec",
    "rdev",
    "dev",
    "mountID",
  ]);
  /** STATX_* of the fields that mean something. */
  mask = STATX_BASIC_STATS;
  blksize = 4096;
  /** STATX_ATTR_* */
  attributes = 0;
  attributesMask = 0;
  nlink = 1;
  /** Kernel ids. */
  uid = 0;
  gid = 0;
  /** S_IFMT and permission bits. */
  mode = 0;
  ino = 0;
  size = 0;
  /** In units of 512 bytes. */
  blocks = 0;
  atimeSec = 0;
  atimeNsec = 0;
  btimeSec = 0;
  btimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  /** makeDeviceID() of the device a node stands for. */
  rdev = 0;
  /** makeDeviceID() of the filesystem. */
  dev = 0;
  /** Filled by the vfs. */
  mountID = 0;

  /** The values of an empty file; implementations call it first when they do not set all fields. */
  reset(): void {
    this.mask = STATX_BASIC_STATS;
    this.blksize = 4096;
    this.attributes = 0;
    this.attributesMask = 0;
    this.nlink = 1;
    this.uid = 0;
    this.gid = 0;
    this.mode = 0;
    this.ino = 0;
    this.size = 0;
    this.blocks = 0;
    this.atimeSec = 0;
    this.atimeNsec = 0;
    this.btimeSec = 0;
    this.btimeNsec = 0;
    this.ctimeSec = 0;
    this.ctimeNsec = 0;
    this.mtimeSec = 0;
    this.mtimeNsec = 0;
    this.rdev = 0;
    this.dev = 0;
    this.mountID = 0;
  }
}

// Bits of SetStatOptions.mask.
export const ATTR_MODE = 1;
export const ATTR_UID = 2;
export const ATTR_GID = 4;
export const ATTR_SIZE = 8;
/** Set atime to the value given. */
export const ATTR_ATIME = 16;
export const ATTR_MTIME = 32;
/** Set atime to now; replaced by ATTR_ATIME and a value before an inode sees it. */
export const ATTR_ATIME_NOW = 64;
export const ATTR_MTIME_NOW = 128;
/** Set ctime to the value given; the vfs always does, except when nothing changes. */
export const ATTR_CTIME = 256;
/** The change is a chown(2), even if it changes neither id: set-id bits fall. */
export const ATTR_CHOWN = 512;

/** A change of attributes: chmod, chown, truncate, utimensat. */
export class SetStatOptions {
  static readonly stateType = stateType("vfs.SetStatOptions", [
    "mask",
    "mode",
    "uid",
    "gid",
    "size",
    "atimeSec",
    "atimeNsec",
    "mtimeSec",
    "mtimeNsec",
    "ctimeSec",
    "ctimeNsec",
  ]);
  /** ATTR_* */
  mask = 0;
  /** Permission bits only (07777). */
  mode = 0;
  uid = 0;
  gid = 0;
  size = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
}

/** What statfs(2) shows. */
export class Statfs {
  static readonly stateType = stateType("vfs.Statfs", [
    "type",
    "bsize",
    "blocks",
    "bfree",
    "bavail",
    "files",
    "ffree",
    "fsid0",
    "fsid1",
    "namelen",
    "frsize",
    "flags",
  ]);
  /** *_MAGIC */
  type = 0;
  bsize = 4096;
  blocks = 0;
  bfree = 0;
  bavail = 0;
  files = 0;
  ffree = 0;
  fsid0 = 0;
  fsid1 = 0;
  namelen = 255;
  frsize = 4096;
  /** ST_*; filled by the vfs. */
  flags = 0;

  /** Zeros and defaults. */
  reset(): void {
    this.type = 0;
    this.bsize = 4096;
    this.blocks = 0;
    this.bfree = 0;
    this.bavail = 0;
    this.files = 0;
    this.ffree = 0;
    this.fsid0 = 0;
    this.fsid1 = 0;
    this.namelen = 255;
    this.frsize = 4096;
    this.flags = 0;
  }
}

/** Receives directory entries: getdents(2), and whoever else reads directories. */
export interface DirentCallback {
  /**
   * One entry: name (byte string), DT_* type, inode number, and the offset to continue at after it. Returns false when
   * there is no room: the entry will be given again next time.
   */
  handle(name: string, type: number, ino: number, nextOff: number): boolean;
  /**
   * Takes entries over from where a buffer of the host's stands: see HostDirents.take. Returns false when there is no room for the next. Absent: it wants
   * each by itself.
   */
  take?(d: HostDirents, first: number, inoHigh: number, offsets: Uint32Array<ArrayBuffer>, index: number): boolean;
}
