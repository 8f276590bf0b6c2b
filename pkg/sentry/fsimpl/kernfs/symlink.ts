import { S_IFLNK } from "../../../abi/linux/stat.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { KernfsFilesystem } from "./filesystem.ts";
import { KernfsInode } from "./inode.ts";

/** A symbolic link; the target is up to the subclass. */
export abstract class KernfsSymlink extends KernfsInode {
  static override readonly stateType: StateType = stateType("kernfs.KernfsSymlink", []);

  constructor(fs: KernfsFilesystem, perm = 0o777, ino = 0) {
    super(fs, S_IFLNK | perm, ino);
  }

  override chmodAllowed(): boolean {
    return false;
  }
}

/** A symbolic link with a constant target. */
export class StaticSymlink extends KernfsSymlink {
  static override readonly stateType = stateType("kernfs.StaticSymlink", ["target"]);
  readonly target: string;

  constructor(fs: KernfsFilesystem, target: string) {
    super(fs);
    this.target = target;
  }

  override readlink(): string {
    return this.target;
  }
}
