import { type StateType, stateType } from "../../../state/index.ts";
import { Filesystem, type Statfs } from "../../vfs/index.ts";

/** A filesystem whose files exist in the kernel's head: proc, sysfs and their like. */
export abstract class KernfsFilesystem extends Filesystem {
  static override readonly stateType: StateType = stateType("kernfs.KernfsFilesystem", [
    "magic",
    "lastIno",
    "unknownNamesAreErrors",
  ]);
  /** *_MAGIC of statfs(2). */
  abstract readonly magic: number;
  lastIno = 0;
  /** Creating a name is ENOENT instead of a refusal (proc). */
  unknownNamesAreErrors = false;
  /** A new inode number. */
  newIno(): number {
    return ++this.lastIno;
  }

  override statFS(out: Statfs): void {
    out.type = this.magic;
    out.bsize = 4096;
    out.frsize = 4096;
    out.namelen = 255;
  }
}
