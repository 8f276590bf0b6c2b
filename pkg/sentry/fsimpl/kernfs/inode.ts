import { makeDeviceID, S_IFMT } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { ATTR_GID, ATTR_MODE, ATTR_SIZE, ATTR_UID, Inode, type SetStatOptions, type Statx } from "../../vfs/index.ts";
import type { KernfsFilesystem } from "./filesystem.ts";

/** An inode with attributes in memory, owned by root unless said otherwise. */
export abstract class KernfsInode extends Inode {
  static override readonly stateType: StateType = stateType("kernfs.KernfsInode", [
    "modeBits",
    "ownerUID",
    "ownerGID",
    "timeSec",
    "timeNsec",
  ]);
  /** S_IFMT and permission bits. */
  modeBits: number;
  /** Kernel ids. */
  ownerUID = 0;
  ownerGID = 0;
  /** All three timestamps: when the inode came to be. */
  timeSec: number;
  timeNsec: number;

  constructor(fs: KernfsFilesystem, mode: number, ino = 0) {
    super(fs, ino === 0 ? fs.newIno() : ino);
    this.modeBits = mode;
    fs.vfs.clock.realtimeCoarse(fs.stamp);
    this.timeSec = fs.stamp.sec;
    this.timeNsec = fs.stamp.nsec;
  }

  override mode(): number {
    return this.modeBits;
  }

  override uid(): number {
    return this.ownerUID;
  }

  override gid(): number {
    return this.ownerGID;
  }

  /** Links, for stat(2). */
  linkCount(): number {
    return 1;
  }

  /** Size for stat(2): files whose content is made on the fly have none. */
  size(): number {
    return 0;
  }

  override stat(out: Statx): void {
    out.reset();
    out.blksize = this.blockSize();
    out.mode = this.mode();
    out.uid = this.uid();
    out.gid = this.gid();
    out.ino = this.ino;
    out.nlink = this.linkCount();
    out.size = this.size();
    out.rdev = this.rdev();
    out.dev = makeDeviceID(0, this.fs.devMinor);
    out.atimeSec = this.timeSec;
    out.atimeNsec = this.timeNsec;
    out.mtimeSec = this.timeSec;
    out.mtimeNsec = this.timeNsec;
    out.ctimeSec = this.timeSec;
    out.ctimeNsec = this.timeNsec;
  }

  /** st_blksize. */
  blockSize(): number {
    return 4096;
  }

  /** proc and sysfs let root change mode and owner in memory; a size change (O_TRUNC) has no effect. */
  override setStat(opts: SetStatOptions, _creds: Credentials): void {
    if ((opts.mask & ATTR_MODE) !== 0) {
      if (!this.chmodAllowed()) throw linuxerr.EPERM;
      this.modeBits = (this.modeBits & S_IFMT) | (opts.mode & 0o7777);
    }
    if ((opts.mask & ATTR_UID) !== 0) this.ownerUID = opts.uid;
    if ((opts.mask & ATTR_GID) !== 0) this.ownerGID = opts.gid;
    if ((opts.mask & ATTR_SIZE) !== 0) return;
  }

  /** Whether chmod(2) works. */
  chmodAllowed(): boolean {
    return true;
  }
}
