import { S_IFLNK, S_IFMT } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import { cachedChild, lookupChild } from "./path_walk.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

const SLASH = 0x2f;

/**
 * A path as a guest gave it, and where it led the last time. That is used again, instead of a walk, only where a walk could not find anything else:
 * by the same credentials, from the same places, while nothing on the way has changed (VirtualFilesystem.changes), the name at the end is still
 * what it was, and as long as the filesystems on the way would not ask anybody again; or when they have been asked and say that nothing has changed.
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
      "name",
      "plain",
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
  /** That name. */
  name = "";
  /** Each name on the way was one of the directory before it: no links, no "..", nothing mounted. */
  plain = false;
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
    if (this.missing ? d.additions !== this.additions : !d.hashed) return false;
    if (vfs.elapsed() < this.until) return true;
    return this.plain && this.renew(vfs, d, start === null ? root.dentry : start.dentry);
  }

  /**
   * The time is up: asks for those names between `top` and `end` again that are not fresh by now, which is less than a walk does. False when one of them
   * leads elsewhere, or cannot be told about here: the path is to be walked.
   */
  renew(vfs: VirtualFilesystem, end: Dentry, top: Dentry): boolean {
    vfs.beginKnown(end);
    let until = Number.POSITIVE_INFINITY;
    try {
      const now = vfs.elapsed();
      for (let d = end; d !== top; ) {
        const dir: Dentry | null = d.parent;
        if (dir === null) return false;
        let good = d.validUntil();
        if (good <= now) {
          if (cachedChild(dir, d.name) !== d) return false;
          good = d.validUntil();
        }
        if (good < until) until = good;
        d = dir;
      }
      if (this.missing) {
        let good = vfs.missingNames.untilOf(end, this.name);
        if (good <= now) {
          if (lookupChild(end, this.name) !== null) return false;
          good = vfs.missingNames.untilOf(end, this.name);
        }
        if (good < until) until = good;
      }
      if (until <= now || this.changes !== vfs.changes) return false;
    } catch (e) {
      // The walk comes across it, too.
      if (e instanceof linuxerr.LinuxError) return false;
      throw e;
    } finally {
      vfs.endKnown();
    }
    this.until = until;
    return true;
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
    this.plain = false;
    this.isLink = !missing && (dentry.inode.mode() & S_IFMT) === S_IFLNK;
  }
}
