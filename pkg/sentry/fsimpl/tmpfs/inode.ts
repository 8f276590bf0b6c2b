import * as errno from "../../../abi/linux/errno.ts";
import { S_IFDIR, S_IFMT, STATX_BTIME } from "../../../abi/linux/stat.ts";
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
  ATTR_GID,
  ATTR_MODE,
  ATTR_SIZE,
  ATTR_UID,
  MemoryInode,
  type SetStatOptions,
  type Statx,
} from "../../vfs/index.ts";
import type { Tmpfs } from "./tmpfs.ts";

/** A day: relatime refreshes access times that are older. */
const DAY = 24 * 60 * 60;

/** What all files of a tmpfs have beyond owner, mode and times: link count, time of birth, extended attributes. */
export abstract class TmpfsInode extends MemoryInode {
  static override readonly stateType: StateType = stateType("tmpfs.Inode", [
    "tmpfs",
    "nlink",
    "btimeSec",
    "btimeNsec",
    "xattrs",
  ]);
  readonly tmpfs: Tmpfs;
  /** Names; a directory also counts itself and its subdirectories. */
  nlink = 1;
  btimeSec: number;
  btimeNsec: number;
  /** null until the first. */
  xattrs: Map<string, string> | null = null;

  /** Takes an inode of the filesystem's quota: ENOSPC. */
  constructor(fs: Tmpfs, mode: number, kuid: number, kgid: number) {
    super(fs, fs.newInode(), mode, kuid, kgid);
    this.tmpfs = fs;
    this.btimeSec = this.ctimeSec;
    this.btimeNsec = this.ctimeNsec;
  }

  /** st_size. */
  abstract sizeBytes(): number;

  /** st_blocks, in units of 512 bytes. */
  blocks(): number {
    return 0;
  }

  override stat(out: Statx): void {
    super.stat(out);
    out.mask |= STATX_BTIME;
    out.nlink = this.nlink;
    out.size = this.sizeBytes();
    out.blocks = this.blocks();
    out.btimeSec = this.btimeSec;
    out.btimeNsec = this.btimeNsec;
  }

  override setStat(opts: SetStatOptions, creds: Credentials): void {
    if ((opts.mask & ATTR_SIZE) !== 0) this.setSize(opts.size);
    if ((opts.mask & (ATTR_SIZE | ATTR_UID | ATTR_GID)) !== 0 && this.xattrs !== null) this.dropFileCapabilities();
    if ((opts.mask & ATTR_MODE) !== 0) this.checkMode(opts.mode);
    super.setStat(opts, creds);
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

  override keepsAtime(): boolean {
    return true;
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
