import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { ATTR_MODE, MemoryInode, type SetStatOptions, type Statx } from "../../vfs/index.ts";
import type { KernfsFilesystem } from "./filesystem.ts";

/** An inode with attributes in memory, owned by root unless said otherwise. */
export abstract class KernfsInode extends MemoryInode {
  static override readonly stateType: StateType = stateType("kernfs.KernfsInode", []);

  constructor(fs: KernfsFilesystem, mode: number, ino = 0) {
    super(fs, ino === 0 ? fs.newIno() : ino, mode, 0, 0);
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
    super.stat(out);
    out.blksize = this.blockSize();
    out.nlink = this.linkCount();
    out.size = this.size();
  }

  /** st_blksize. */
  blockSize(): number {
    return 4096;
  }

  /** proc and sysfs let root change attributes in memory; a size change (O_TRUNC) has no effect. */
  override setStat(opts: SetStatOptions, creds: Credentials): void {
    if ((opts.mask & ATTR_MODE) !== 0 && !this.chmodAllowed()) throw linuxerr.EPERM;
    super.setStat(opts, creds);
  }

  /** Whether chmod(2) works. */
  chmodAllowed(): boolean {
    return true;
  }
}
