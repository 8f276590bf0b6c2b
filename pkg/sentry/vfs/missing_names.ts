import { stateType } from "../../state/index.ts";
import type { Dentry } from "./dentry.ts";

/** Slots; a power of two. */
const SIZE = 4096;

/**
 * Names that lookups did not find, for filesystems that say how long this is good (Filesystem.missingFor). A table with one place per hash
 * value: a guest that asks for ever more names pushes out its own.
 */
export class MissingNames {
  static readonly stateType = stateType("vfs.MissingNames", [], ["dirs", "names", "until"]);
  readonly dirs: (Dentry | null)[] = new Array(SIZE).fill(null);
  readonly names: string[] = new Array(SIZE).fill("");
  /** Milliseconds of the vfs's elapsed(). */
  readonly until: number[] = new Array(SIZE).fill(0);

  slot(dir: Dentry, name: string): number {
    let h = dir.serial;
    for (let i = 0; i < name.length; i++) h = (Math.imul(h, 31) + name.charCodeAt(i)) | 0;
    return (h ^ (h >>> 15)) & (SIZE - 1);
  }

  /** Whether the name is known to be missing at the time. */
  has(dir: Dentry, name: string, now: number): boolean {
    const i = this.slot(dir, name);
    return this.dirs[i] === dir && now < (this.until[i] ?? 0) && this.names[i] === name;
  }

  /** Until when the name is known to be missing; 0: it is not. */
  untilOf(dir: Dentry, name: string): number {
    const i = this.slot(dir, name);
    return this.dirs[i] === dir && this.names[i] === name ? (this.until[i] ?? 0) : 0;
  }

  /** Remembers that the name is missing, until a time. */
  add(dir: Dentry, name: string, until: number): void {
    const i = this.slot(dir, name);
    this.dirs[i] = dir;
    this.names[i] = name;
    this.until[i] = until;
  }

  /** The name is there now. */
  forget(dir: Dentry, name: string): void {
    const i = this.slot(dir, name);
    if (this.dirs[i] === dir) this.dirs[i] = null;
  }
}
