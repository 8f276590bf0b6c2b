import { stateType } from "../../state/index.ts";
import type { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";

/**
 * A place in a mount tree: a dentry as seen through one mount. Immutable. Whoever keeps one across system calls (an open
 * file, a working directory, an executable) holds a reference: incRef() and later decRef(). Inside one call none is needed.
 */
export class VirtualDentry {
  static readonly stateType = stateType("vfs.VirtualDentry", ["mount", "dentry"]);
  readonly mount: Mount;
  readonly dentry: Dentry;

  constructor(mount: Mount, dentry: Dentry) {
    this.mount = mount;
    this.dentry = dentry;
  }

  /** The inode behind the name. */
  get inode(): Inode {
    return this.dentry.inode;
  }

  /** Keeps the mount busy and the dentry in memory. */
  incRef(): void {
    this.mount.refs++;
    this.dentry.refs++;
  }

  /** Gives back what incRef took. */
  decRef(): void {
    this.mount.decRef();
    this.dentry.decRef();
  }

  /** Whether both name the same place. */
  equals(other: VirtualDentry): boolean {
    return this.mount === other.mount && this.dentry === other.dentry;
  }
}
