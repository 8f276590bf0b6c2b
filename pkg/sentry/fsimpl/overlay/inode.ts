import * as errno from "../../../abi/linux/errno.ts";
import { makeDeviceID, S_IALLUGO, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { Task } from "../../kernel/task.ts";
import {
  ATTR_ATIME,
  ATTR_CTIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_UID,
  checkModePermissions,
  Dentry,
  type FileDescription,
  Inode,
  SetStatOptions,
  Statx,
  type VirtualDentry,
} from "../../vfs/index.ts";
import type { OverlayFilesystem } from "./overlay.ts";

/** Attributes of this name are the overlay's own, and hidden. */
export const OVERLAY_XATTR_PREFIX = "trusted.overlay.";
/** On a directory of a layer: what is below it in lower layers does not show. */
export const OPAQUE_XATTR = "trusted.overlay.opaque";
/** On a copied-up file: the inode number it had before, which it keeps. */
export const INO_XATTR = "trusted.overlay.ino";

/** Whether a dentry of a layer stands for a removed name: a character device 0:0. */
export function isWhiteout(d: Dentry): boolean {
  return isWhiteoutInode(d.inode);
}

/** See isWhiteout. */
export function isWhiteoutInode(inode: Inode): boolean {
  return (inode.mode() & S_IFMT) === S_IFCHR && inode.rdev() === 0;
}

/** Whether a dentry of a layer is a directory. */
export function isDirectory(d: Dentry): boolean {
  return (d.inode.mode() & S_IFMT) === S_IFDIR;
}

/** A file of the overlay: the file of the topmost layer that has it, which copying up changes to the upper one. */
export abstract class OverlayInode extends Inode {
  static override readonly stateType: StateType = stateType("overlay.Inode", [
    "overlay",
    "upper",
    "lower",
    "lowerPlace",
    "lowerInode",
    "lowerDir",
    "parent",
    "name",
    "unlinked",
  ]);
  readonly overlay: OverlayFilesystem;
  /** In the upper layer; null until copied up. */
  upper: Dentry | null;
  /** What shows of the lower layers, in the topmost that has it; null when there is none, or once a file is copied up. */
  lowerInode: Inode | null;
  /** The directory of that file in its layer. null for directories, which have their own dentry. */
  lowerDir: Dentry | null;
  /** Its dentry. Of a file it is made when it is opened or copied up, and nothing else knows it: the overlay's own is found first. */
  lower: Dentry | null;
  /** The same as a place, once it was opened. */
  lowerPlace: VirtualDentry | null = null;
  /** The directory and name by which it was found: where it is to be copied up. Stale for files in the upper layer. */
  parent: OverlayInode | null = null;
  name = "";
  /** The name was removed before the file was copied up. */
  unlinked = false;

  /** `upper`, `lower`: dentries in the layers; a file has either, a directory may have both. */
  constructor(fs: OverlayFilesystem, ino: number, upper: Dentry | null, lower: Dentry | null) {
    super(fs, ino);
    this.overlay = fs;
    this.upper = upper;
    this.lower = lower;
    this.lowerInode = lower === null ? null : lower.inode;
    this.lowerDir = null;
    upper?.incRef();
    lower?.incRef();
  }

  /** A file of a lower layer that has no dentry there. */
  setLowerFile(dir: Dentry, inode: Inode): void {
    this.lowerDir = dir;
    this.lowerInode = inode;
    dir.incRef();
    inode.incRef();
  }

  /** Gives back what shows of the lower layers. */
  dropLower(): void {
    this.lower?.decRef();
    if (this.lowerDir !== null) {
      this.lowerInode?.decRef();
      this.lowerDir.decRef();
    }
    this.lower = null;
    this.lowerPlace = null;
    this.lowerInode = null;
    this.lowerDir = null;
  }

  /** The inode that shows. */
  topInode(): Inode {
    if (this.upper !== null) return this.upper.inode;
    if (this.lowerInode === null) throw new Error("overlay: inode without a layer");
    return this.lowerInode;
  }

  /** The dentry that shows. */
  top(): Dentry {
    if (this.upper !== null) return this.upper;
    if (this.lower !== null) return this.lower;
    const inode = this.lowerInode;
    if (inode === null || this.lowerDir === null) throw new Error("overlay: inode without a layer");
    const d = new Dentry(inode.fs, this.lowerDir, this.name, inode);
    d.incRef();
    this.lower = d;
    return d;
  }

  /** The place that shows, for opening. */
  topPlace(): VirtualDentry {
    if (this.upper !== null) return this.overlay.upperPlace(this.upper);
    this.lowerPlace ??= this.overlay.lowerPlace(this.top());
    return this.lowerPlace;
  }

  override mode(): number {
    return this.topInode().mode();
  }

  override uid(): number {
    return this.topInode().uid();
  }

  override gid(): number {
    return this.topInode().gid();
  }

  override rdev(): number {
    return this.topInode().rdev();
  }

  override checkPermissions(creds: Credentials, mask: number): number {
    const top = this.topInode();
    return checkModePermissions(creds, mask, top.mode(), top.uid(), top.gid());
  }

  override stat(out: Statx): void {
    this.topInode().stat(out);
    out.ino = this.ino;
    out.dev = makeDeviceID(0, this.overlay.devMinor);
  }

  override revalidate(_dir: Dentry | null, _name: string): boolean {
    const u = this.upper;
    if (u?.fs.revalidates === true && u.hashed && !u.inode.revalidate(u.parent, u.name)) return false;
    const l = this.lowerInode;
    if (l === null || (!l.fs.revalidates && !this.fs.vfs.strict)) return true;
    if (this.lowerDir !== null) return l.revalidate(this.lowerDir, this.name);
    return this.lower === null || (!this.lower.deleted && l.revalidate(this.lower.parent, this.lower.name));
  }

  override validUntil(_dir: Dentry | null, _name: string): number {
    const u = this.upper;
    let until = Number.POSITIVE_INFINITY;
    if (u?.fs.revalidates === true && u.hashed) until = u.validUntil();
    const l = this.lowerInode;
    if (l === null || !l.fs.revalidates) return until;
    if (this.lowerDir !== null) return Math.min(until, l.validUntil(this.lowerDir, this.name));
    const d = this.lower;
    return d === null || d.deleted ? 0 : Math.min(until, d.validUntil());
  }

  override linkRefused(): boolean {
    return this.upper !== null ? this.upper.inode.linkRefused() : this.unlinked;
  }

  override readlink(t: Task | null): string {
    return this.topInode().readlink(t);
  }

  override getLink(t: Task | null): VirtualDentry | null {
    return this.topInode().getLink(t);
  }

  override open(_vd: VirtualDentry, flags: number, creds: Credentials): FileDescription {
    const place = this.topPlace();
    return place.dentry.inode.open(place, flags, creds);
  }

  override keepsAtime(): boolean {
    return this.upper?.inode.keepsAtime() ?? false;
  }

  override touchAtime(relatime: boolean): void {
    this.upper?.inode.touchAtime(relatime);
  }

  override sync(): void {
    this.upper?.inode.sync();
  }

  override setStat(opts: SetStatOptions, creds: Credentials): void {
    this.copyUp().inode.setStat(opts, creds);
  }

  // ---- extended attributes

  override getXattr(name: string, creds: Credentials): string | number {
    if (name.startsWith(OVERLAY_XATTR_PREFIX)) return -errno.EOPNOTSUPP;
    return this.topInode().getXattr(name, creds);
  }

  override setXattr(name: string, value: string, flags: number, creds: Credentials): void {
    if (name.startsWith(OVERLAY_XATTR_PREFIX)) throw linuxerr.EOPNOTSUPP;
    this.copyUp().inode.setXattr(name, value, flags, creds);
  }

  override listXattr(creds: Credentials): string[] {
    return this.topInode()
      .listXattr(creds)
      .filter((n) => !n.startsWith(OVERLAY_XATTR_PREFIX));
  }

  override removeXattr(name: string, creds: Credentials): void {
    if (name.startsWith(OVERLAY_XATTR_PREFIX)) throw linuxerr.EOPNOTSUPP;
    if (this.upper === null && typeof this.topInode().getXattr(name, creds) === "number") throw linuxerr.ENODATA;
    this.copyUp().inode.removeXattr(name, creds);
  }

  // ---- copying up

  /**
   * Makes sure that the file is in the upper layer and returns it there. Of regular files at most `limit` bytes are copied. EROFS without an upper
   * layer.
   */
  copyUp(limit = Number.POSITIVE_INFINITY): Dentry {
    if (this.upper !== null) return this.upper;
    if (!this.overlay.hasUpper()) throw linuxerr.EROFS;
    // Parents first, from the top. Not recursive: a guest decides how deep the tree is.
    const chain: OverlayInode[] = [this as OverlayInode];
    for (let p = this.parent; p !== null && p.upper === null; p = p.parent) chain.push(p);
    for (let i = chain.length - 1; i >= 0; i--) {
      const inode = chain[i];
      if (inode !== undefined && inode.upper === null) inode.copyUpSelf(limit);
    }
    if (this.upper === null) throw new Error("overlay: copy-up left nothing");
    return this.upper;
  }

  /** Copies up this file; its directory is in the upper layer. */
  copyUpSelf(limit: number): void {
    const c = this.beginCopyUp();
    try {
      this.copyContents(c.from, c.to, limit);
      this.finishCopyUp(c);
    } catch (e) {
      this.abandonCopyUp(c);
      throw e;
    }
  }

  /** Makes the file in the upper layer, empty. Until finishCopyUp the lower one shows. */
  beginCopyUp(): UnfinishedCopy {
    const creds = this.overlay.creds;
    const from = this.top();
    const parent = this.unlinked ? null : (this.parent?.upper ?? null);
    const dir = parent ?? this.overlay.upperRoot();
    const before = new Statx();
    dir.inode.stat(before);
    const inode = this.makeCopy(dir, parent === null, from.inode, creds);
    const to = new Dentry(dir.fs, dir, parent === null ? `#${this.ino}` : this.name, inode);
    to.incRef();
    if (parent === null) to.deleted = true;
    else to.hash();
    restoreTimes(before, dir.inode, creds);
    this.overlay.byUpper.set(inode, this);
    return new UnfinishedCopy(from, to, dir);
  }

  /** The copy has its data: gives it everything else, and lets it show. */
  finishCopyUp(c: UnfinishedCopy): void {
    const creds = this.overlay.creds;
    const copy = c.to.inode;
    copyXattrs(c.from.inode, copy, creds);
    this.keepIno(copy, creds);
    const st = new Statx();
    c.from.inode.stat(st);
    copyAttributes(st, copy, creds);
    this.copied(c.to);
  }

  /** Undoes beginCopyUp. */
  abandonCopyUp(c: UnfinishedCopy): void {
    this.overlay.byUpper.delete(c.to.inode);
    if (c.to.hashed) {
      if (this.isDir()) c.dir.inode.rmdir(c.dir, c.to);
      else c.dir.inode.unlink(c.dir, c.to);
      c.to.markDeleted();
    }
    c.to.decRef();
  }

  /** An empty file of the same type in the upper directory. Files without a name are only made for those who have them open. */
  abstract makeCopy(dir: Dentry, unnamed: boolean, from: Inode, creds: Credentials): Inode;

  /** The data of regular files. */
  copyContents(_from: Dentry, _to: Dentry, _limit: number): void {}

  /** Notes the inode number in the copy, which is looked up anew when this inode has been forgotten. */
  keepIno(copy: Inode, creds: Credentials): void {
    try {
      copy.setXattr(INO_XATTR, String(this.ino), 0, creds);
    } catch (e) {
      if (!(e instanceof linuxerr.LinuxError)) throw e;
    }
  }

  /** The copy shows from now on. Takes over the reference of beginCopyUp. */
  copied(d: Dentry): void {
    this.upper = d;
    this.dropLower();
  }

  override release(): void {
    const u = this.upper;
    if (u !== null) {
      if (this.overlay.byUpper.get(u.inode) === this) this.overlay.byUpper.delete(u.inode);
      u.decRef();
    }
    this.dropLower();
    this.upper = null;
  }
}

/** A copy that does not show yet. */
export class UnfinishedCopy {
  static readonly stateType = stateType("overlay.UnfinishedCopy", ["from", "to", "dir"]);
  readonly from: Dentry;
  /** With a reference. */
  readonly to: Dentry;
  /** The directory of `to`. */
  readonly dir: Dentry;

  constructor(from: Dentry, to: Dentry, dir: Dentry) {
    this.from = from;
    this.to = to;
    this.dir = dir;
  }
}

/** A symbolic link, FIFO, socket or device node. */
export class OverlaySpecialFile extends OverlayInode {
  static override readonly stateType = stateType("overlay.SpecialFile", []);

  override makeCopy(dir: Dentry, unnamed: boolean, from: Inode, creds: Credentials): Inode {
    // Only what has a name can be changed by name, and these cannot be opened otherwise.
    if (unnamed) throw linuxerr.ENOENT;
    const mode = from.mode();
    if ((mode & S_IFMT) === S_IFLNK) return dir.inode.symlink(dir, this.name, from.readlink(null), creds);
    return dir.inode.mknod(dir, this.name, mode, from.rdev(), creds);
  }
}

/** Sets owner, mode and times of a copy to those of the original. */
function copyAttributes(st: Statx, copy: Inode, creds: Credentials): void {
  const o = new SetStatOptions();
  o.mask = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME | ATTR_CTIME;
  o.uid = st.uid;
  o.gid = st.gid;
  if ((st.mode & S_IFMT) !== S_IFLNK) {
    o.mask |= ATTR_MODE;
    o.mode = st.mode & S_IALLUGO;
  }
  copyTimes(st, o);
  copy.setStat(o, creds);
}

/** Making an entry for a copy has changed the times of the directory, which nobody shall see. */
function restoreTimes(before: Statx, dir: Inode, creds: Credentials): void {
  const o = new SetStatOptions();
  o.mask = ATTR_ATIME | ATTR_MTIME | ATTR_CTIME;
  copyTimes(before, o);
  dir.setStat(o, creds);
}

function copyTimes(st: Statx, o: SetStatOptions): void {
  o.atimeSec = st.atimeSec;
  o.atimeNsec = st.atimeNsec;
  o.mtimeSec = st.mtimeSec;
  o.mtimeNsec = st.mtimeNsec;
  o.ctimeSec = st.ctimeSec;
  o.ctimeNsec = st.ctimeNsec;
}

function copyXattrs(from: Inode, to: Inode, creds: Credentials): void {
  for (const name of from.listXattr(creds)) {
    if (name.startsWith(OVERLAY_XATTR_PREFIX)) continue;
    const value = from.getXattr(name, creds);
    if (typeof value !== "string") continue;
    try {
      to.setXattr(name, value, 0, creds);
    } catch (e) {
      // A layer that cannot keep it does without.
      if (e !== linuxerr.EOPNOTSUPP) throw e;
    }
  }
}
