import { ENOENT } from "../../abi/linux/errno.ts";
import {
  MAXSYMLINKS,
  NAME_MAX,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../../abi/linux/file.ts";
import { MS_NOSYMFOLLOW } from "../../abi/linux/fs.ts";
import { S_IFDIR, S_IFLNK, S_IFMT } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { Task } from "../kernel/task.ts";
import { Dentry } from "./dentry.ts";
import { type Inode, STAT_FILLED, STAT_MISSING, STAT_UNKNOWN } from "./inode.ts";
import type { KnownPath } from "./known_path.ts";
import type { Mount } from "./mount.ts";
import type { NameCache } from "./name_cache.ts";
import type { PathOperation, Statx } from "./options.ts";
import { MAY_EXEC } from "./permissions.ts";
import type { VirtualFilesystem } from "./vfs.ts";
import { VirtualDentry } from "./virtual_dentry.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** The last component is an ordinary name. */
export const LAST_NORM = 0;
/** There is no last component: the path is "/" (or only slashes). */
export const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

/** The mount that covers `d` as seen through `m`, or null. */
export function mountedAt(m: Mount, d: Dentry): Mount | null {
  return d.mounts === null ? null : (m.children.get(d) ?? null);
}

/** A child in memory that still is what its name says, or null; what is not is dropped. */
export function cachedChild(dir: Dentry, name: string): Dentry | null {
  const cached = dir.children?.get(name);
  if (cached === undefined) return null;
  const fs = dir.fs;
  // A mountpoint stays where it is whatever happens to the directory below it, until that is gone for good.
  const pinned = cached.mounts !== null && !cached.inode.isDead();
  if ((!fs.revalidates && !fs.vfs.strict) || pinned || cached.inode.revalidate(dir, name)) {
    cached.recentlyUsed = true;
    return cached;
  }
  if (cached.mounts !== null) for (const m of [...cached.mounts]) fs.vfs.umountTree(m, false);
  cached.invalidate();
  return null;
}

/** Whether the name is known to be missing. */
function isMissing(dir: Dentry, name: string): boolean {
  const vfs = dir.fs.vfs;
  return dir.hasMissing && !vfs.strict && vfs.missingNames.has(dir, name, vfs.elapsed());
}

/** The filesystem does not have the name: remembers that, if it says for how long. */
function noteMissing(dir: Dentry, name: string): void {
  const { missingFor, vfs } = dir.fs;
  if (missingFor === 0) return;
  dir.hasMissing = true;
  vfs.missingNames.add(dir, name, vfs.elapsed() + missingFor);
}

/** Asks the filesystem, unless the name is known to be missing. */
function askFilesystem(dir: Dentry, name: string): Inode | null {
  if (name.length > NAME_MAX) throw linuxerr.ENAMETOOLONG;
  if (isMissing(dir, name)) return null;
  const inode = dir.inode.lookup(dir, name);
  if (inode === null) noteMissing(dir, name);
  return inode;
}

/**
 * The dentry of a name in a directory of a filesystem, from memory or by asking the filesystem; null when the name does not exist. No
 * permissions, no mounts: the vfs and stacked filesystems use it.
 */
export function lookupChild(dir: Dentry, name: string): Dentry | null {
  return cachedChild(dir, name) ?? newChild(dir, name);
}

/** As lookupChild, for a name that is not in memory. */
function newChild(dir: Dentry, name: string): Dentry | null {
  const inode = askFilesystem(dir, name);
  if (inode === null) return null;
  const d = new Dentry(dir.fs, dir, name, inode);
  d.hash();
  return d;
}

/** As lookupChild, but only the inode: no dentry is made. The caller takes a reference, or takes and drops one when it has no use for it. */
export function lookupInode(dir: Dentry, name: string): Inode | null {
  const cached = cachedChild(dir, name);
  return cached !== null ? cached.inode : askFilesystem(dir, name);
}

/** The dentry of a name that lookupInode has just answered. */
export function dentryOf(dir: Dentry, name: string, inode: Inode): Dentry {
  const cached = dir.children?.get(name);
  if (cached?.inode === inode) return cached;
  const d = new Dentry(dir.fs, dir, name, inode);
  d.hash();
  return d;
}

/**
 * One path resolution: path_resolution(7), with the order of checks of Linux's namei. Objects are pooled by the vfs; the fields mount
 * and dentry are where the walk stands. Throws what the path deserves (ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG).
 */
export class Walker {
  static readonly stateType = stateType(
    "vfs.Walker",
    [],
    [
      "vfs",
      "names",
      "mount",
      "dentry",
      "rootMount",
      "rootDentry",
      "startMount",
      "startDentry",
      "root",
      "start",
      "creds",
      "task",
      "known",
      "until",
      "path",
      "pos",
      "links",
      "lastFollowed",
      "plain",
      "resolve",
      "attributes",
      "last",
      "lastHash",
      "lastType",
      "trailingSlash",
    ],
  );
  mount: Mount;
  dentry: Dentry;
  rootMount: Mount;
  rootDentry: Dentry;
  startMount: Mount;
  startDentry: Dentry;
  /** The same two places, but the start is null where the path is absolute: see KnownPath. */
  root: VirtualDentry;
  start: VirtualDentry | null = null;
  creds: Credentials;
  /** For magic links; null inside the sentry. */
  task: Task | null;
  /** What is known of the path; null: nothing, and what is found is not to be remembered. */
  known: KnownPath | null = null;
  /** Until when (the vfs's elapsed()) the names on the way are good. */
  until = 0;
  path = "";
  pos = 0;
  links = 0;
  resolve = 0;
  /** Where the attributes go, if no more is wanted than these; null: the dentry is wanted. */
  attributes: Statx | null = null;
  /** Name of the last component when lastType is LAST_NORM. */
  last = "";
  /** Of the characters of it. */
  lastHash = 0;
  lastType = LAST_ROOT;
  /** The path's end was a symbolic link that was followed. */
  lastFollowed = false;
  /** See KnownPath. */
  plain = true;
  /** Slashes follow the last component. */
  trailingSlash = false;

  readonly vfs: VirtualFilesystem;
  readonly names: NameCache;

  constructor(vfs: VirtualFilesystem, creds: Credentials, task: Task | null, pop: PathOperation) {
    this.vfs = vfs;
    this.names = vfs.names;
    this.root = pop.root;
    this.mount = pop.start.mount;
    this.dentry = pop.start.dentry;
    this.rootMount = pop.root.mount;
    this.rootDentry = pop.root.dentry;
    this.startMount = this.mount;
    this.startDentry = this.dentry;
    this.creds = creds;
    this.task = task;
  }

  /** Starts over with another path. */
  begin(creds: Credentials, task: Task | null, pop: PathOperation): void {
    this.creds = creds;
    this.task = task;
    this.resolve = pop.resolve;
    this.known = pop.resolve === 0 && !this.vfs.strict ? pop.known : null;
    this.root = pop.root;
    this.startMount = pop.start.mount;
    this.startDentry = pop.start.dentry;
    if ((pop.resolve & RESOLVE_IN_ROOT) !== 0) {
      this.rootMount = this.startMount;
      this.rootDentry = this.startDentry;
    } else {
      this.rootMount = pop.root.mount;
      this.rootDentry = pop.root.dentry;
    }
    this.links = 0;
    this.path = pop.path;
    this.pos = 0;
    if (this.path.length === 0) throw linuxerr.ENOENT;
    if (this.path.charCodeAt(0) === SLASH) {
      this.start = null;
      this.jumpToRoot();
    } else {
      this.start = pop.start;
      this.mount = this.startMount;
      this.dentry = this.startDentry;
      if (!this.isDir(this.dentry)) throw linuxerr.ENOTDIR;
    }
  }

  /** An absolute path or link. */
  jumpToRoot(): void {
    if ((this.resolve & RESOLVE_BENEATH) !== 0) throw linuxerr.EXDEV;
    if ((this.resolve & RESOLVE_NO_XDEV) !== 0 && this.mount !== this.rootMount) throw linuxerr.EXDEV;
    this.mount = this.rootMount;
    this.dentry = this.rootDentry;
  }

  isDir(d: Dentry): boolean {
    return (d.inode.mode() & S_IFMT) === S_IFDIR;
  }

  /**
   * Walks to the directory of the last component and sets last, lastType and trailingSlash. Symbolic links on the way are followed. Returns 0, or
   * -ENOENT when a name on the way is missing: that is too frequent to be thrown.
   */
  tryWalkParent(): number {
    for (;;) {
      const path = this.path;
      const end = path.length;
      let i = this.pos;
      while (i < end && path.charCodeAt(i) === SLASH) i++;
      if (i === end) {
        this.lastType = LAST_ROOT;
        this.trailingSlash = true;
        return 0;
      }
      if (this.dentry.inode.checkPermissions(this.creds, MAY_EXEC) !== 0) throw linuxerr.EACCES;
      const start = i;
      let hash = 0;
      for (; i < end; i++) {
        const c = path.charCodeAt(i);
        if (c === SLASH) break;
        hash = (Math.imul(hash, 31) + c) | 0;
      }
      const stop = i;
      while (i < end && path.charCodeAt(i) === SLASH) i++;
      let type = LAST_NORM;
      if (stop - start <= 2 && path.charCodeAt(start) === DOT) {
        if (stop - start === 1) type = LAST_DOT;
        else if (path.charCodeAt(start + 1) === DOT) type = LAST_DOTDOT;
      }
      this.pos = i;
      if (i === end) {
        this.lastType = type;
        this.trailingSlash = stop !== end;
        if (type === LAST_NORM) this.last = this.names.part(path, start, stop, hash);
        this.lastHash = hash;
        return 0;
      }
      if (type === LAST_DOT) continue;
      if (type === LAST_DOTDOT) {
        this.dotDot();
        continue;
      }
      this.last = this.names.part(path, start, stop, hash);
      const d = lookupChild(this.dentry, this.last);
      if (d === null) return -ENOENT;
      if (this.known !== null) this.until = Math.min(this.until, d.validUntil());
      const mode = d.inode.mode() & S_IFMT;
      if (mode === S_IFLNK && mountedAt(this.mount, d) === null) {
        // The rest of the path starts with a slash.
        this.followLink(d, path.slice(stop));
        if (!this.isDir(this.dentry)) throw linuxerr.ENOTDIR;
        continue;
      }
      this.stepInto(d);
      if (mode !== S_IFDIR && !this.isDir(this.dentry)) throw linuxerr.ENOTDIR;
    }
  }

  /** As tryWalkParent, but throws ENOENT. */
  walkParent(): void {
    if (this.tryWalkParent() !== 0) throw linuxerr.ENOENT;
  }

  /** After walkParent: the dentry of the last component (LAST_NORM), or null. Mounts on it are not entered. */
  lookupLast(): Dentry | null {
    return lookupChild(this.dentry, this.last);
  }

  /**
   * Walks to the end. With `follow`, or when a slash follows, a symbolic link at the end is followed; with a trailing slash (or `directory`)
   * the end must be a directory. Returns 0, -ENOENT when it does not exist, or STAT_FILLED when `attributes` have the answer: then the walk stands at the
   * directory.
   */
  tryWalkFull(follow: boolean, directory: boolean): number {
    const { known, vfs } = this;
    if (known === null) return this.walkToEnd(follow, directory);
    if (known.holds(vfs, this.creds, this.root, this.start, follow) && known.dentry !== null && known.mount !== null) {
      if (known.missing) return -ENOENT;
      this.mount = known.mount;
      this.dentry = known.dentry;
      this.dentry.recentlyUsed = true;
      if (directory && !this.isDir(this.dentry)) throw linuxerr.ENOTDIR;
      return 0;
    }
    this.until = Number.POSITIVE_INFINITY;
    this.lastFollowed = false;
    this.plain = true;
    const r = this.walkToEnd(follow, directory);
    let { until } = this;
    if (r === STAT_FILLED) until = 0;
    else if (r !== 0) until = Math.min(until, vfs.missingNames.untilOf(this.dentry, this.last));
    known.learn(vfs, this.creds, this.root, this.start, this.mount, this.dentry, r !== 0, until);
    known.followed = this.lastFollowed;
    known.plain = this.plain;
    if (r !== 0) known.name = this.last;
    return r;
  }

  /** See tryWalkFull: step by step. */
  walkToEnd(follow: boolean, directory: boolean): number {
    for (;;) {
      if (this.tryWalkParent() !== 0) return -ENOENT;
      if (this.lastType === LAST_ROOT || this.lastType === LAST_DOT) break;
      if (this.lastType === LAST_DOTDOT) {
        this.dotDot();
        break;
      }
      let d = cachedChild(this.dentry, this.last);
      if (d === null) {
        const r = this.attributes === null ? STAT_UNKNOWN : this.statLast(this.attributes, follow);
        if (r === STAT_FILLED) return STAT_FILLED;
        if (r === STAT_UNKNOWN) d = newChild(this.dentry, this.last);
        if (d === null) return -ENOENT;
      }
      if (this.known !== null) this.until = Math.min(this.until, d.validUntil());
      const isLink = (d.inode.mode() & S_IFMT) === S_IFLNK && mountedAt(this.mount, d) === null;
      if (isLink && (follow || this.trailingSlash)) {
        this.lastFollowed = true;
        if (this.followLink(d, this.trailingSlash ? "/" : "")) continue;
      } else this.stepInto(d);
      if ((directory || this.trailingSlash) && !this.isDir(this.dentry)) throw linuxerr.ENOTDIR;
      return 0;
    }
    // "/", "." and "..": always directories, unless the walk began at something else.
    if ((directory || this.trailingSlash) && !this.isDir(this.dentry)) throw linuxerr.ENOTDIR;
    return 0;
  }

  /**
   * Attributes of the last name, which is not in memory, without a dentry for it: the first time that it is asked for. Who asks for it again may do so often. A
   * walk over more names than there can be dentries would make each in vain.
   */
  statLast(out: Statx, follow: boolean): number {
    const { dentry, last, vfs } = this;
    if (vfs.strict || this.trailingSlash || last.length > NAME_MAX) return STAT_UNKNOWN;
    if (!vfs.seenNames.isFirst(dentry.serial, this.lastHash)) return STAT_UNKNOWN;
    if (isMissing(dentry, last)) return STAT_MISSING;
    const r = dentry.inode.statName(dentry, last, out);
    if (r === STAT_MISSING) noteMissing(dentry, last);
    if (r !== STAT_FILLED) return r;
    return follow && (out.mode & S_IFMT) === S_IFLNK ? STAT_UNKNOWN : STAT_FILLED;
  }

  /** As tryWalkFull, but throws ENOENT. */
  walkFull(follow: boolean, directory: boolean): void {
    if (this.tryWalkFull(follow, directory) !== 0) throw linuxerr.ENOENT;
  }

  /** Goes to a child, and into what is mounted there. */
  stepInto(d: Dentry): void {
    this.dentry = d;
    if (d.mounts !== null) this.enterMounts();
  }

  /** Goes down into the mounts at the place where the walk stands. */
  enterMounts(): void {
    for (let m = mountedAt(this.mount, this.dentry); m !== null; m = mountedAt(this.mount, this.dentry)) {
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0) throw linuxerr.EXDEV;
      this.mount = m;
      this.dentry = m.root;
      this.plain = false;
    }
  }

  /** "..": up, out of mounts, never above the root. */
  dotDot(): void {
    this.plain = false;
    if (this.mount === this.rootMount && this.dentry === this.rootDentry) {
      if ((this.resolve & RESOLVE_BENEATH) !== 0) throw linuxerr.EXDEV;
      return;
    }
    let m = this.mount;
    let d = this.dentry;
    if ((this.resolve & RESOLVE_BENEATH) !== 0 && m === this.startMount && d === this.startDentry) throw linuxerr.EXDEV;
    while (d === m.root) {
      if (m.parent === null || m.mountpoint === null) return;
      d = m.mountpoint;
      m = m.parent;
      if (m === this.rootMount && d === this.rootDentry) return;
    }
    if (m !== this.mount && (this.resolve & RESOLVE_NO_XDEV) !== 0) throw linuxerr.EXDEV;
    if (d.parent === null) return;
    this.mount = m;
    this.dentry = d.parent;
    // A directory that was moved out of its bind mount has no way back into it.
    if (m.root.parent !== null && !m.root.isAncestorOrSelf(d.parent)) throw linuxerr.ENOENT;
    this.enterMounts();
  }

  /**
   * Follows the symbolic link d, a child of where the walk stands; `rest` is what follows it in the path. Returns false when the walk has
   * arrived (a magic link without rest), true when this.path is to be walked on.
   */
  followLink(d: Dentry, rest: string): boolean {
    if (++this.links > MAXSYMLINKS) throw linuxerr.ELOOP;
    this.plain = false;
    if ((this.resolve & RESOLVE_NO_SYMLINKS) !== 0 || (this.mount.flags & MS_NOSYMFOLLOW) !== 0) throw linuxerr.ELOOP;
    this.mount.touchAtime(d.inode, 0);
    const magic = d.inode.getLink(this.task);
    // What is to happen each time is not to be left out.
    if (magic !== null || this.mount.keepsAtime(d.inode)) this.until = 0;
    if (magic !== null) {
      if ((this.resolve & RESOLVE_NO_MAGICLINKS) !== 0) throw linuxerr.ELOOP;
      if ((this.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) throw linuxerr.EXDEV;
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0 && magic.mount !== this.mount) throw linuxerr.EXDEV;
      this.mount = magic.mount;
      this.dentry = magic.dentry;
      this.path = rest;
      this.pos = 0;
      return rest !== "" && rest !== "/" ? this.requireDir() : false;
    }
    const target = d.inode.readlink(this.task);
    if (target.length === 0) throw linuxerr.ENOENT;
    if (target.charCodeAt(0) === SLASH) this.jumpToRoot();
    this.path = rest === "" ? target : target + rest;
    this.pos = 0;
    return true;
  }

  /** ENOTDIR unless the walk stands at a directory; returns true. */
  requireDir(): boolean {
    if (!this.isDir(this.dentry)) throw linuxerr.ENOTDIR;
    return true;
  }

  /** Where the walk stands, as an object that can be kept. */
  result(): VirtualDentry {
    if (this.dentry === this.mount.root) return this.mount.rootVD;
    return new VirtualDentry(this.mount, this.dentry);
  }

  /** Forgets what it walked through: pooled walkers must not keep dentries alive. */
  finish(): void {
    this.path = "";
    this.last = "";
    this.known = null;
    this.attributes = null;
  }
}
