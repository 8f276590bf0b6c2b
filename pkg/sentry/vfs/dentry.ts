import { S_IFDIR, S_IFLNK, S_IFMT } from "../../abi/linux/stat.ts";
import { stateType } from "../../state/index.ts";
import type { Filesystem } from "./filesystem.ts";
import type { Inode } from "./inode.ts";
import { notifyIfGone } from "./inotify.ts";
import type { Mount } from "./mount.ts";

/**
 * A name in a directory of one filesystem, in memory while it is used or cached. Dentries form a tree per filesystem;
 * a name that does not exist has none. The filesystem gives inodes, the vfs makes and links the dentries.
 *
 * A dentry is *hashed* while its parent (or its filesystem, for a root) knows it. Removing the name, evicting it from the
 * cache or failing revalidation takes it out; it then lives on only for those that hold references.
 */
export class Dentry {
  static readonly stateType = stateType("vfs.Dentry", [
    "fs",
    "parent",
    "name",
    "inode",
    "children",
    "refs",
    "mounts",
    "hashed",
    "deleted",
    "recentlyUsed",
    "cachePrev",
    "cacheNext",
    "serial",
    "hasMissing",
    "additions",
  ]);
  readonly fs: Filesystem;
  /** Tells dentries apart in hashes. */
  readonly serial: number;
  /** null for the root of a filesystem and for files that never had a name. */
  parent: Dentry | null;
  /** Byte string; the root's is empty. */
  name: string;
  readonly inode: Inode;
  /** Children in memory; null until there is one. */
  children: Map<string, Dentry> | null = null;
  /** Holders: virtual dentries that were incRef'd, mounts, and every child, hashed or not (it needs its way up). */
  refs = 0;
  /** Mounts whose mountpoint this is, in any namespace. */
  mounts: Set<Mount> | null = null;
  /** Names of this directory may be among the vfs's missingNames. */
  hasMissing = false;
  /** Counts names that came into memory in this directory. */
  additions = 0;
  /** Reachable from the parent. */
  hashed = false;
  /** The name was removed by unlink(2), rmdir(2) or rename(2): pathnames end in " (deleted)". */
  deleted = false;
  /** Second chance in the dentry cache. */
  recentlyUsed = false;
  cachePrev: Dentry | null = null;
  cacheNext: Dentry | null = null;

  /** A dentry that nothing knows yet. Takes a reference on the inode and the parent. */
  constructor(fs: Filesystem, parent: Dentry | null, name: string, inode: Inode) {
    this.fs = fs;
    this.serial = ++fs.vfs.lastDentry;
    this.parent = parent;
    this.name = name;
    this.inode = inode;
    inode.incRef();
    if (parent !== null) parent.refs++;
  }

  /** Takes a reference. */
  incRef(): void {
    this.refs++;
  }

  /** Drops a reference; unhashed dentries without holders end. */
  decRef(): void {
    this.refs--;
    if (this.refs <= 1 && !this.hashed) this.lostHolder();
  }

  /** Unhashed, and at most one holder is left, which may be the watches of the inode. */
  lostHolder(): void {
    const watched = this.deleted && this.inode.watches !== null;
    if (this.refs === 0) this.destroy();
    if (watched) notifyIfGone(this);
  }

  /** Whether d is this dentry or below it. */
  isAncestorOrSelf(d: Dentry): boolean {
    for (let p: Dentry | null = d; p !== null; p = p.parent) {
      if (p === this) return true;
    }
    return false;
  }

  /** Milliseconds of the vfs's elapsed() until which a walk takes it as it is in memory, without asking anybody. */
  validUntil(): number {
    if (!this.fs.steady) return 0;
    return this.fs.revalidates ? this.inode.validUntil(this.parent, this.name) : Number.POSITIVE_INFINITY;
  }

  /** Whether something is mounted here, in any namespace. */
  isMountpoint(): boolean {
    return this.mounts !== null;
  }

  /** Makes an unhashed dentry reachable from its parent. */
  hash(): void {
    const p = this.parent;
    if (p !== null) {
      if (p.children === null) p.children = new Map();
      p.children.set(this.name, this);
      p.additions++;
      if (p.hasMissing) this.fs.vfs.missingNames.forget(p, this.name);
      this.fs.vfs.dentryCache.add(this);
    }
    this.hashed = true;
  }

  /** Takes it out of its parent and the cache. Its holders keep it; without any it ends. */
  unhash(): void {
    if (!this.hashed) return;
    this.hashed = false;
    // Nothing else leads on.
    const type = this.inode.mode() & S_IFMT;
    if (type === S_IFDIR || type === S_IFLNK) this.fs.vfs.changes++;
    this.unlinkFromParent();
    this.fs.vfs.dentryCache.remove(this);
    if (this.refs === 0) this.destroy();
  }

  /** The name is gone from the filesystem. */
  markDeleted(): void {
    this.deleted = true;
    this.unhash();
  }

  /** Drops a dentry that turned out to be stale, and all below it. */
  invalidate(): void {
    this.incRef();
    const below = this.descendants();
    for (let i = below.length - 1; i >= 0; i--) {
      const d = below[i];
      if (d !== undefined && d.mounts === null) d.markDeleted();
    }
    this.markDeleted();
    this.decRef();
  }

  /** All hashed dentries below this one, parents before children. Not recursive: a guest decides how deep the tree is. */
  descendants(): Dentry[] {
    const all: Dentry[] = [];
    let d: Dentry | undefined = this as Dentry;
    for (let i = 0; d !== undefined; d = all[i++]) {
      if (d.children !== null) for (const c of d.children.values()) all.push(c);
    }
    return all;
  }

  /** rename(2): moves to another name or parent. The target name is free. */
  move(newParent: Dentry, newName: string): void {
    this.fs.vfs.changes++;
    const old = this.parent;
    this.unlinkFromParent();
    this.name = newName;
    if (old !== newParent) {
      newParent.refs++;
      this.parent = newParent;
      if (old !== null) old.decRef();
    }
    if (newParent.children === null) newParent.children = new Map();
    newParent.children.set(newName, this);
    if (newParent.hasMissing) this.fs.vfs.missingNames.forget(newParent, newName);
  }

  /** rename(2) with RENAME_EXCHANGE. */
  exchange(other: Dentry): void {
    const p = this.parent;
    const q = other.parent;
    if (p === null || q === null) throw new Error("vfs: exchange of a root");
    this.fs.vfs.changes++;
    const name = this.name;
    this.name = other.name;
    other.name = name;
    this.parent = q;
    other.parent = p;
    p.children?.set(other.name, other);
    q.children?.set(this.name, this);
  }

  /** Takes the name out of the parent's children. */
  unlinkFromParent(): void {
    const p = this.parent;
    if (p === null || p.children === null || p.children.get(this.name) !== this) return;
    p.children.delete(this.name);
    if (p.children.size === 0) p.children = null;
  }

  /** The end of an unhashed dentry without holders; its parents may follow. */
  destroy(): void {
    let d: Dentry = this as Dentry;
    for (;;) {
      const p: Dentry | null = d.parent;
      d.inode.decRef();
      if (p === null) return;
      p.refs--;
      if (p.refs !== 0 || p.hashed) return;
      d = p;
    }
  }
}

/**
 * Bounds the number of dentries in memory: a clock over all hashed dentries that are not roots. When there are too many, those that nobody holds
 * and that were not used since the hand last passed are dropped; their filesystem can look them up again.
 */
export class DentryCache {
  static readonly stateType = stateType("vfs.DentryCache", ["head", "tail", "count", "limit"]);
  head: Dentry | null = null;
  tail: Dentry | null = null;
  count = 0;
  limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Adds a newly hashed dentry. */
  add(d: Dentry): void {
    d.recentlyUsed = true;
    this.link(d);
  }

  /** Forgets a dentry; a no-op when it is not in the cache. */
  remove(d: Dentry): void {
    if (d.cachePrev === null && this.head !== d) return;
    if (d.cachePrev === null) this.head = d.cacheNext;
    else d.cachePrev.cacheNext = d.cacheNext;
    if (d.cacheNext === null) this.tail = d.cachePrev;
    else d.cacheNext.cachePrev = d.cachePrev;
    d.cachePrev = null;
    d.cacheNext = null;
    this.count--;
  }

  /** Appends at the hand's far end. */
  link(d: Dentry): void {
    d.cachePrev = this.tail;
    d.cacheNext = null;
    if (this.tail === null) this.head = d;
    else this.tail.cacheNext = d;
    this.tail = d;
    this.count++;
  }

  /**
   * Drops dentries until the count is within the limit, or the hand has made enough steps for one call. Only called while no operation is
   * under way that has dentries in hand without references.
   */
  evict(): void {
    let left = 64 + 4 * (this.count - this.limit);
    while (left-- > 0 && this.count > this.limit) {
      const d = this.head;
      if (d === null) return;
      if (d.refs === 0 && !d.recentlyUsed) {
        d.unhash();
        continue;
      }
      d.recentlyUsed = false;
      this.remove(d);
      this.link(d);
    }
  }
}
