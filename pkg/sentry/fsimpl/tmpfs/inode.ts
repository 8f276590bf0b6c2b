import * as errno from "../../../abi/linux/errno.ts";
import {
  deviceMajor,
  deviceMinor,
  makeDeviceID,
  S_IALLUGO,
  S_IFDIR,
  S_IFMT,
  STATX_BTIME,
} from "../../../abi/linux/stat.ts";
import {
  XATTR_CREATE,
  XATTR_REPLACE,
  XATTR_SECURITY_CAPABILITY,
  XATTR_SECURITY_PREFIX,
  XATTR_TRUSTED_PREFIX,
  XATTR_USER_PREFIX,
} from "../../../abi/linux/xattr.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  ATTR_ATIME,
  ATTR_CTIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  ATTR_UID,
  Inode,
  type SetStatOptions,
  type Statx,
} from "../../vfs/index.ts";
import type { Tmpfs } from "./tmpfs.ts";

/** A day: relatime refreshes access times that are older. */
const DAY = 24 * 60 * 60;

/** What all files of a tmpfs have: owner, mode, times, link count, extended attributes. */
export abstract class TmpfsInode extends Inode {
  static override readonly stateType: StateType = stateType("tmpfs.Inode", [
    "tmpfs",
    "fileMode",
    "kuid",
    "kgid",
    "nlink",
    "atimeSec",
    "atimeNsec",
    "mtimeSec",
    "mtimeNsec",
    "ctimeSec",
    "ctimeNsec",
    "btimeSec",
    "btimeNsec",
    "xattrs",
  ]);
  readonly tmpfs: Tmpfs;
  fileMode: number;
  kuid: number;
  kgid: number;
  /** Names; a directory also counts itself and its subdirectories. */
  nlink = 1;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  btimeSec: number;
  btimeNsec: number;
  /** null until the first. */
  xattrs: Map<string, string> | null = null;

  /** Takes an inode of the filesystem's quota: ENOSPC. */
  constructor(fs: Tmpfs, mode: number, kuid: number, kgid: number) {
    super(fs, fs.newInode());
    this.tmpfs = fs;
    this.fileMode = mode;
    this.kuid = kuid;
    this.kgid = kgid;
    const now = fs.vfs.now();
    this.atimeSec = now.sec;
    this.atimeNsec = now.nsec;
    this.mtimeSec = now.sec;
    this.mtimeNsec = now.nsec;
    this.ctimeSec = now.sec;
    this.ctimeNsec = now.nsec;
    this.btimeSec = now.sec;
    this.btimeNsec = now.nsec;
  }

  override mode(): number {
    return this.fileMode;
  }

  override uid(): number {
    return this.kuid;
  }

  override gid(): number {
    return this.kgid;
  }

  /** st_size. */
  abstract sizeBytes(): number;

  /** st_blocks, in units of 512 bytes. */
  blocks(): number {
    return 0;
  }

  override stat(out: Statx): void {
    out.reset();
    out.mask |= STATX_BTIME;
    out.nlink = this.nlink;
    out.uid = this.kuid;
    out.gid = this.kgid;
    out.mode = this.fileMode;
    out.ino = this.ino;
    out.size = this.sizeBytes();
    out.blocks = this.blocks();
    out.atimeSec = this.atimeSec;
    out.atimeNsec = this.atimeNsec;
    out.btimeSec = this.btimeSec;
    out.btimeNsec = this.btimeNsec;
    out.ctimeSec = this.ctimeSec;
    out.ctimeNsec = this.ctimeNsec;
    out.mtimeSec = this.mtimeSec;
    out.mtimeNsec = this.mtimeNsec;
    const rdev = this.rdev();
    out.rdev = makeDeviceID(deviceMajor(rdev), deviceMinor(rdev));
    out.dev = makeDeviceID(0, this.fs.devMinor);
  }

  override setStat(opts: SetStatOptions, creds: Credentials): void {
    if ((opts.mask & ATTR_SIZE) !== 0) this.setSize(opts.size);
    if ((opts.mask & (ATTR_SIZE | ATTR_UID | ATTR_GID)) !== 0 && this.xattrs !== null) this.dropFileCapabilities();
    if ((opts.mask & ATTR_MODE) !== 0) {
      this.checkMode(opts.mode);
      this.fileMode = (this.fileMode & S_IFMT) | (opts.mode & S_IALLUGO);
    }
    if ((opts.mask & ATTR_UID) !== 0) this.kuid = opts.uid;
    if ((opts.mask & ATTR_GID) !== 0) this.kgid = opts.gid;
    if ((opts.mask & ATTR_ATIME) !== 0) {
      this.atimeSec = opts.atimeSec;
      this.atimeNsec = opts.atimeNsec;
    }
    if ((opts.mask & ATTR_MTIME) !== 0) {
      this.mtimeSec = opts.mtimeSec;
      this.mtimeNsec = opts.mtimeNsec;
    }
    if ((opts.mask & ATTR_CTIME) !== 0) {
      this.ctimeSec = opts.ctimeSec;
      this.ctimeNsec = opts.ctimeNsec;
    }
  }

  /** The capabilities of a program do not survive a change of its owner or content (capabilities(7)). */
  dropFileCapabilities(): void {
    if ((this.fileMode & S_IFMT) === S_IFDIR || this.xattrs === null) return;
    const old = this.xattrs.get(XATTR_SECURITY_CAPABILITY);
    if (old === undefined) return;
    this.xattrs.delete(XATTR_SECURITY_CAPABILITY);
    this.tmpfs.xattrBytes -= XATTR_SECURITY_CAPABILITY.length + old.length;
  }

  /** Truncates or extends; only regular files are asked. */
  setSize(_size: number): void {
    throw linuxerr.EINVAL;
  }

  /** Throws EPERM when a seal forbids the mode. */
  checkMode(_mode: number): void {}

  override linkRefused(): boolean {
    return this.nlink === 0;
  }

  override touchAtime(relatime: boolean): void {
    const now = this.fs.vfs.now();
    if (
      relatime &&
      later(this.atimeSec, this.atimeNsec, this.mtimeSec, this.mtimeNsec) &&
      later(this.atimeSec, this.atimeNsec, this.ctimeSec, this.ctimeNsec) &&
      now.sec - this.atimeSec < DAY
    ) {
      return;
    }
    this.atimeSec = now.sec;
    this.atimeNsec = now.nsec;
  }

  /** Sets ctime to now. */
  touchCtime(): void {
    const now = this.fs.vfs.now();
    this.ctimeSec = now.sec;
    this.ctimeNsec = now.nsec;
  }

  /** Sets mtime and ctime to now. */
  touchCMtime(): void {
    const now = this.fs.vfs.now();
    this.mtimeSec = now.sec;
    this.mtimeNsec = now.nsec;
    this.ctimeSec = now.sec;
    this.ctimeNsec = now.nsec;
  }

  override sync(): void {}

  /** A name is gone. The data goes when nothing in memory leads here either. */
  dropLink(): void {
    this.nlink--;
    this.touchCtime();
    if (this.nlink === 0 && this.refs === 0) this.free();
  }

  override release(): void {
    if (this.nlink === 0) this.free();
  }

  /** Neither a name nor an open file leads here: gives memory and quota back. */
  free(): void {
    this.tmpfs.inodeFreed();
    if (this.xattrs !== null) {
      for (const [k, v] of this.xattrs) this.tmpfs.xattrBytes -= k.length + v.length;
      this.xattrs = null;
    }
  }

  // ---- extended attributes

  override getXattr(name: string, _creds: Credentials): string | number {
    if (!isStorable(name)) return -errno.EOPNOTSUPP;
    return this.xattrs?.get(name) ?? -errno.ENODATA;
  }

  override setXattr(name: string, value: string, flags: number, _creds: Credentials): void {
    if (!isStorable(name)) throw linuxerr.EOPNOTSUPP;
    const old = this.xattrs?.get(name);
    if (old !== undefined && (flags & XATTR_CREATE) !== 0) throw linuxerr.EEXIST;
    if (old === undefined && (flags & XATTR_REPLACE) !== 0) throw linuxerr.ENODATA;
    const grows = value.length - (old === undefined ? -name.length : old.length);
    if (this.tmpfs.xattrBytes + grows > this.tmpfs.maxXattrBytes) throw linuxerr.ENOSPC;
    this.tmpfs.xattrBytes += grows;
    if (this.xattrs === null) this.xattrs = new Map();
    this.xattrs.set(name, value);
    this.touchCtime();
  }

  override listXattr(_creds: Credentials): string[] {
    return this.xattrs === null ? [] : [...this.xattrs.keys()];
  }

  override removeXattr(name: string, _creds: Credentials): void {
    if (!isStorable(name)) throw linuxerr.EOPNOTSUPP;
    const old = this.xattrs?.get(name);
    if (this.xattrs === null || old === undefined) throw linuxerr.ENODATA;
    this.xattrs.delete(name);
    this.tmpfs.xattrBytes -= name.length + old.length;
    this.touchCtime();
  }
}

/** The namespaces whose attributes tmpfs keeps. */
function isStorable(name: string): boolean {
  return (
    name.startsWith(XATTR_USER_PREFIX) ||
    name.startsWith(XATTR_TRUSTED_PREFIX) ||
    name.startsWith(XATTR_SECURITY_PREFIX)
  );
}

/** Whether time a is after time b. */
function later(aSec: number, aNsec: number, bSec: number, bNsec: number): boolean {
  return aSec > bSec || (aSec === bSec && aNsec > bNsec);
}
