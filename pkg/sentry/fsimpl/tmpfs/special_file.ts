import { S_IFLNK } from "../../../abi/linux/stat.ts";
import { stateType } from "../../../state/index.ts";
import { TmpfsInode } from "./inode.ts";
import type { Tmpfs } from "./tmpfs.ts";

/** Targets up to this length cost no page of the quota. */
const SHORT_SYMLINK = 128;

/** A symbolic link. */
export class TmpfsSymlink extends TmpfsInode {
  static override readonly stateType = stateType("tmpfs.Symlink", ["target"]);
  readonly target: string;

  constructor(fs: Tmpfs, target: string, kuid: number, kgid: number) {
    super(fs, S_IFLNK | 0o777, kuid, kgid);
    this.target = target;
    if (target.length < SHORT_SYMLINK) return;
    try {
      fs.takePages(1);
    } catch (e) {
      fs.inodeFreed();
      throw e;
    }
  }

  override sizeBytes(): number {
    return this.target.length;
  }

  override blocks(): number {
    return this.target.length >= SHORT_SYMLINK ? 8 : 0;
  }

  override readlink(): string {
    return this.target;
  }

  override free(): void {
    if (this.target.length >= SHORT_SYMLINK) this.tmpfs.returnPages(1);
    super.free();
  }
}

/** A FIFO, socket or device node. */
export class TmpfsSpecialFile extends TmpfsInode {
  static override readonly stateType = stateType("tmpfs.SpecialFile", ["device"]);
  /** makeDeviceID(), 0 for FIFOs and sockets. */
  readonly device: number;

  constructor(fs: Tmpfs, mode: number, device: number, kuid: number, kgid: number) {
    super(fs, mode, kuid, kgid);
    this.device = device;
  }

  override rdev(): number {
    return this.device;
  }

  override sizeBytes(): number {
    return 0;
  }
}
