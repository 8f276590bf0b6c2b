import { makeDeviceID, S_IALLUGO, S_IFMT, S_IFREG } from "../../abi/linux/stat.ts";
import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { Filesystem } from "./filesystem.ts";
import { Inode } from "./inode.ts";
import {
  ATTR_ATIME,
  ATTR_CTIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_UID,
  type SetStatOptions,
  type Statx,
} from "./options.ts";

/** An inode whose type, permissions, owner and times are in memory. All times begin as now. */
export abstract class MemoryInode extends Inode {
  static override readonly stateType: StateType = stateType("vfs.MemoryInode", [
    "fileMode",
    "kuid",
    "kgid",
    "atimeSec",
    "atimeNsec",
    "mtimeSec",
    "mtimeNsec",
    "ctimeSec",
    "ctimeNsec",
  ]);
  /** S_IFMT and permission bits. */
  fileMode: number;
  /** Kernel ids. */
  kuid: number;
  kgid: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;

  constructor(fs: Filesystem, ino: number, mode: number, kuid: number, kgid: number) {
    super(fs, ino);
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

  /** One link, no size: a subclass that has more adds it. */
  override stat(out: Statx): void {
    out.reset();
    out.mode = this.mode();
    out.uid = this.uid();
    out.gid = this.gid();
    out.ino = this.ino;
    out.atimeSec = this.atimeSec;
    out.atimeNsec = this.atimeNsec;
    out.mtimeSec = this.mtimeSec;
    out.mtimeNsec = this.mtimeNsec;
    out.ctimeSec = this.ctimeSec;
    out.ctimeNsec = this.ctimeNsec;
    out.rdev = this.rdev();
    out.dev = makeDeviceID(0, this.fs.devMinor);
  }

  override setStat(opts: SetStatOptions, _creds: Credentials): void {
    if ((opts.mask & (ATTR_MODE | ATTR_UID | ATTR_GID)) !== 0 && (this.fileMode & S_IFMT) !== S_IFREG) {
      this.fs.vfs.changes++;
    }
    if ((opts.mask & ATTR_MODE) !== 0) this.fileMode = (this.fileMode & S_IFMT) | (opts.mode & S_IALLUGO);
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
}
