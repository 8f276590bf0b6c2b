import { S_IFLNK, S_IFMT } from "../../abi/linux/stat.ts";
import { stateType } from "../../state/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

const SLASH = 0x2f;

/**
 * A path as a guest gave it, and where it led the last time. That is used again, instead of a walk, only where a walk could not find anything else:
 * by the same credentials, from the same places, while nothing on the way has changed (VirtualFilesystem.changes), the name at the end is still
 * what it was, and as long as the filesystems on the way would not ask anybody again.
 */
export class KnownPath {
  static readonly stateType = stateType(
    "vfs.KnownPath",
    [],
    [
      "text",
      "absolute",
      "creds",
      "root",
      "start",
      "changes",
      "until",
      "mount",
      "dentry",
      "missing",
      "additions",
      "isLink",
      "followed",
    ],
  );
  /** A byte string. */
  text = "";
  /** It begins at the root: to be told without a look at the characters. */
  absolute = false;
  creds: Credentials | null = null;
  root: VirtualDentry | null = null;
  /** Where it began; null: at the root. */
  start: VirtualDentry | null = null;
  changes = 0;
  /** Milliseconds of the vfs's elapsed(). */
  until = 0;
  mount: Mount | null = null;
  /** null: nothing is known. */
  dentry: Dentry | null = null;
  /** A name was missing in that directory. */
  missing = false;
  /** The directory's additions then. */
  additions = 0;
  /** A symbolic link, not followed. */
  isLink = false;
  /** There was a symbolic link at the end, and it was followed. */
  followed = false;

  /** Becomes another path. */
  become(text: string): void {
    this.text = text;
    this.absolute = text.charCodeAt(0) === SLASH;
    this.forget();
  }

  /** Where it leads is not known. Nothing is kept in memory by it. */
  forget(): void {
    this.dentry = null;
    this.mount = null;
    this.creds = null;
    this.root = null;
    this.start = null;
  }

  /** Whether a walk of `creds` that began there would end here. */
  holds(
    vfs: VirtualFilesystem,
    creds: Credentials,
    root: VirtualDentry,
    start: VirtualDentry | null,
    follow: boolean,
  ): boolean {
    const d = this.dentry;
    if (d === null || this.changes !== vfs.changes || this.creds !== creds) return false;
    if (this.root !== root || this.start !== start || (follow ? this.isLink : this.followed)) return false;
    return (this.missing ? d.additions === this.additions : d.hashed) && vfs.elapsed() < this.until;
  }

  /** Notes where a walk ended, good until a time. `missing`: at a directory without the name. */
  learn(
    vfs: VirtualFilesystem,
    creds: Credentials,
    root: VirtualDentry,
    start: VirtualDentry | null,
    mount: Mount,
    dentry: Dentry,
    missing: boolean,
    until: number,
  ): void {
    if (until <= vfs.elapsed()) {
      this.forget();
      return;
    }
    this.creds = creds;
    this.root = root;
    this.start = start;
    this.changes = vfs.changes;
    this.until = until;
    this.mount = mount;
    this.dentry = dentry;
    this.missing = missing;
    this.additions = dentry.additions;
    this.isLink = !missing && (dentry.inode.mode() & S_IFMT) === S_IFLNK;
  }
}
