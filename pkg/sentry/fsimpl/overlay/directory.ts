import { RENAME_EXCHANGE } from "../../../abi/linux/file.ts";
import { makeDeviceID, S_IALLUGO, S_IFCHR, S_IFDIR, S_IFMT } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  Dentry,
  type DirentCallback,
  dentryOf,
  type FileDescription,
  finishRename,
  type Inode,
  lookupChild,
  lookupInode,
  STAT_FILLED,
  STAT_UNKNOWN,
  type Statx,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { OverlayDirectoryDescription } from "./directory_fd.ts";
import { isDirectory, isWhiteout, isWhiteoutInode, OPAQUE_XATTR, OverlayInode } from "./inode.ts";
import type { OverlayFilesystem } from "./overlay.ts";

/** A directory: of one layer, or merged from several. */
export class OverlayDirectory extends OverlayInode {
  static override readonly stateType = stateType("overlay.Directory", ["lowers", "lastDev"]);
  /** All that shows of it in lower layers, from the top. */
  lowers: Dentry[];
  /** The device of the last layer, once it was asked for; -1 before. */
  lastDev = -1;

  constructor(fs: OverlayFilesystem, ino: number, upper: Dentry | null, lowers: Dentry[]) {
    super(fs, ino, upper, lowers[0] ?? null);
    this.lowers = lowers;
    for (let i = 1; i < lowers.length; i++) lowers[i]?.incRef();
  }

  override revalidate(dir: Dentry | null, name: string): boolean {
    if (!super.revalidate(dir, name)) return false;
    for (let i = 1; i < this.lowers.length; i++) {
      const l = this.lowers[i];
      if (l === undefined || (!l.fs.revalidates && !this.fs.vfs.strict)) continue;
      if (l.deleted || !l.inode.revalidate(l.parent, l.name)) return false;
    }
    return true;
  }

  override validUntil(dir: Dentry | null, name: string): number {
    let until = super.validUntil(dir, name);
    for (let i = 1; i < this.lowers.length; i++) {
      const l = this.lowers[i];
      if (l?.fs.revalidates === true) until = Math.min(until, l.deleted ? 0 : l.validUntil());
    }
    return until;
  }

  override release(): void {
    for (let i = 1; i < this.lowers.length; i++) this.lowers[i]?.decRef();
    this.lowers = [];
    super.release();
  }

  /** Whether more than one layer shows, or may hold whiteouts for one that does. */
  isMerged(): boolean {
    return this.lowers.length > (this.upper === null ? 1 : 0);
  }

  override stat(out: Statx): void {
    super.stat(out);
    // As Linux: nobody has counted the subdirectories.
    if (this.isMerged()) out.nlink = 1;
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    const inode = this.find(name);
    if (inode !== null && inode.parent === null) {
      inode.parent = this;
      inode.name = name;
    }
    return inode;
  }

  find(name: string): OverlayInode | null {
    const o = this.overlay;
    let upper: Dentry | null = null;
    if (this.upper !== null) {
      upper = lookupChild(this.upper, name);
      if (upper !== null) {
        if (isWhiteout(upper)) return null;
        if (!isDirectory(upper)) return o.upperFile(upper);
        if (this.isOpaque(upper)) return o.directory(upper, []);
      }
    }
    let lowers: Dentry[] | null = null;
    for (let i = 0; i < this.lowers.length; i++) {
      const l = this.lowers[i];
      if (l === undefined) continue;
      const inode = lookupInode(l, name);
      if (inode === null) continue;
      if (!inode.isDir()) {
        if (upper === null && lowers === null && !isWhiteoutInode(inode)) return o.lowerFile(l, name, inode);
        inode.incRef();
        inode.decRef();
        break;
      }
      const c = dentryOf(l, name, inode);
      lowers ??= [];
      lowers.push(c);
      if (i + 1 < this.lowers.length && this.isOpaque(c)) break;
    }
    return upper === null && lowers === null ? null : o.directory(upper, lowers ?? []);
  }

  /** Only where it is the lower layer's alone. */
  override statName(_dir: Dentry, name: string, out: Statx): number {
    const l = this.lowers.length === 1 ? this.lowers[0] : undefined;
    if (l === undefined || l.children?.has(name) === true) return STAT_UNKNOWN;
    if (this.upper !== null && lookupChild(this.upper, name) !== null) return STAT_UNKNOWN;
    const r = l.inode.statName(l, name, out);
    if (r !== STAT_FILLED) return r;
    const o = this.overlay;
    // A whiteout?
    if ((out.mode & S_IFMT) === S_IFCHR && out.rdev === 0) return STAT_UNKNOWN;
    out.ino = o.packIno(out.dev, out.ino);
    out.dev = makeDeviceID(0, o.devMinor);
    return STAT_FILLED;
  }

  isOpaque(d: Dentry): boolean {
    return d.inode.getXattr(OPAQUE_XATTR, this.overlay.creds) === "y";
  }

  /** Whether the lower layers have a file of this name, so that removing it needs a whiteout. */
  lowerHas(name: string): boolean {
    for (const l of this.lowers) {
      const c = lookupChild(l, name);
      if (c !== null) return !isWhiteout(c);
    }
    return false;
  }

  // ---- copying up

  override makeCopy(dir: Dentry, unnamed: boolean, from: Inode, creds: Credentials): Inode {
    if (unnamed) throw linuxerr.ENOENT;
    return dir.inode.mkdir(dir, this.name, S_IFDIR | (from.mode() & S_IALLUGO), creds);
  }

  /** A directory's number comes from its lower layers, which go on showing. */
  override keepIno(_copy: Inode, _creds: Credentials): void {}

  override copied(d: Dentry): void {
    this.upper = d;
    this.fs.vfs.changes++;
    // Only files are found by their upper inode: a directory has one name.
    this.overlay.byUpper.delete(d.inode);
  }

  // ---- new names

  /**
   * Makes a name in the upper layer with `make`, in place of a whiteout if there is one, and returns its dentry there. On failure the whiteout
   * is put back.
   */
  makeUpper(name: string, make: (dir: Dentry) => Inode): Dentry {
    const dir = this.copyUp();
    const old = lookupChild(dir, name);
    if (old !== null) {
      if (!isWhiteout(old)) throw linuxerr.EEXIST;
      this.removeUpper(dir, old);
    }
    try {
      return addDentry(dir, name, make(dir));
    } catch (e) {
      if (old !== null) this.makeWhiteout(dir, name);
      throw e;
    }
  }

  /** Removes a name of the upper layer that is not a directory. */
  removeUpper(dir: Dentry, d: Dentry): void {
    dir.inode.unlink(dir, d);
    d.markDeleted();
  }

  makeWhiteout(dir: Dentry, name: string): void {
    addDentry(dir, name, dir.inode.mknod(dir, name, S_IFCHR, 0, this.overlay.creds));
  }

  adopt<T extends OverlayInode>(inode: T, name: string): T {
    inode.parent = this;
    inode.name = name;
    return inode;
  }

  override create(_dir: Dentry, name: string, mode: number, creds: Credentials): Inode {
    const d = this.makeUpper(name, (dir) => dir.inode.create(dir, name, mode, creds));
    return this.adopt(this.overlay.upperFile(d), name);
  }

  override mknod(_dir: Dentry, name: string, mode: number, rdev: number, creds: Credentials): Inode {
    // It would be a whiteout.
    if ((mode & S_IFMT) === S_IFCHR && rdev === 0) throw linuxerr.EPERM;
    const d = this.makeUpper(name, (dir) => dir.inode.mknod(dir, name, mode, rdev, creds));
    return this.adopt(this.overlay.upperFile(d), name);
  }

  override symlink(_dir: Dentry, name: string, target: string, creds: Credentials): Inode {
    const d = this.makeUpper(name, (dir) => dir.inode.symlink(dir, name, target, creds));
    return this.adopt(this.overlay.upperFile(d), name);
  }

  override mkdir(_dir: Dentry, name: string, mode: number, creds: Credentials): Inode {
    const d = this.makeUpper(name, (dir) => {
      const inode = dir.inode.mkdir(dir, name, mode, creds);
      // A directory of this name in a lower layer, now or later, has nothing to do with it.
      if (this.lowers.length > 0) {
        const made = new Dentry(dir.fs, dir, name, inode);
        try {
          this.setOpaque(inode);
        } catch (e) {
          dir.inode.rmdir(dir, made);
          throw e;
        } finally {
          made.destroy();
        }
      }
      return inode;
    });
    return this.adopt(this.overlay.directory(d, []), name);
  }

  setOpaque(upper: Inode): void {
    upper.setXattr(OPAQUE_XATTR, "y", 0, this.overlay.creds);
  }

  override link(_dir: Dentry, name: string, target: Inode, creds: Credentials): Inode {
    if (!(target instanceof OverlayInode)) throw linuxerr.EXDEV;
    const from = target.copyUp().inode;
    this.makeUpper(name, (dir) => dir.inode.link(dir, name, from, creds));
    return target;
  }

  override tmpfile(_dir: Dentry, mode: number, linkable: boolean, creds: Credentials): Inode {
    const dir = this.copyUp();
    const inode = dir.inode.tmpfile(dir, mode, linkable, creds);
    const d = new Dentry(dir.fs, dir, `#${inode.ino}`, inode);
    d.deleted = true;
    return this.overlay.upperFile(d);
  }

  // ---- names that go

  override unlink(_dir: Dentry, d: Dentry): void {
    const hidden = this.lowerHas(d.name);
    const dir = this.copyUp();
    const u = lookupChild(dir, d.name);
    if (u !== null) this.removeUpper(dir, u);
    if (hidden) this.makeWhiteout(dir, d.name);
    markUnlinked(d.inode);
  }

  override rmdir(_dir: Dentry, d: Dentry): void {
    const victim = d.inode;
    if (!(victim instanceof OverlayDirectory)) throw linuxerr.ENOTDIR;
    if (!victim.isEmpty()) throw linuxerr.ENOTEMPTY;
    const hidden = this.lowerHas(d.name);
    const dir = this.copyUp();
    const u = lookupChild(dir, d.name);
    if (u !== null) this.removeUpperDirectory(dir, u);
    if (hidden) this.makeWhiteout(dir, d.name);
    markUnlinked(victim);
  }

  /** Removes a directory of the upper layer that holds nothing but whiteouts. */
  removeUpperDirectory(dir: Dentry, d: Dentry): void {
    this.clearWhiteouts(d);
    dir.inode.rmdir(dir, d);
    d.markDeleted();
  }

  clearWhiteouts(d: Dentry): void {
    const names = new NameList();
    readLayer(this.overlay.upperPlace(d), names, this.overlay.creds);
    for (const name of names.names) {
      const c = lookupChild(d, name);
      if (c !== null && isWhiteout(c)) this.removeUpper(d, c);
    }
  }

  /** Whether no name shows. */
  isEmpty(): boolean {
    const o = this.overlay;
    const hidden = new Set<string>();
    const layers: VirtualDentry[] = [];
    if (this.upper !== null) layers.push(o.upperPlace(this.upper));
    for (const l of this.lowers) layers.push(o.lowerPlace(l));
    for (const layer of layers) {
      const names = new NameList();
      readLayer(layer, names, o.creds);
      for (const name of names.names) {
        if (hidden.has(name)) continue;
        const c = lookupChild(layer.dentry, name);
        if (c === null) continue;
        if (!isWhiteout(c)) return false;
        hidden.add(name);
      }
    }
    return true;
  }

  override rename(
    _oldDir: Dentry,
    oldD: Dentry,
    newDir: Dentry,
    newName: string,
    newD: Dentry | null,
    flags: number,
    _creds: Credentials,
  ): void {
    const o = this.overlay;
    const target = newDir.inode;
    const moved = oldD.inode;
    const other = newD?.inode ?? null;
    if (!(target instanceof OverlayDirectory) || !(moved instanceof OverlayInode)) throw linuxerr.EXDEV;
    if ((flags & ~RENAME_EXCHANGE) !== 0) throw linuxerr.EINVAL;
    const exchange = (flags & RENAME_EXCHANGE) !== 0;
    // What lower layers show of a directory cannot move: mv(1) copies.
    if (moved instanceof OverlayDirectory && moved.lowers.length > 0) throw linuxerr.EXDEV;
    if (exchange) {
      if (other instanceof OverlayDirectory && other.lowers.length > 0) throw linuxerr.EXDEV;
    } else if (other instanceof OverlayDirectory && !other.isEmpty()) throw linuxerr.ENOTEMPTY;

    const hidden = !exchange && this.lowerHas(oldD.name);
    moved.copyUp();
    const from = this.copyUp();
    const to = target.copyUp();
    const oldU = lookupChild(from, oldD.name);
    if (oldU === null) throw linuxerr.ENOENT;
    if (exchange && other instanceof OverlayInode) {
      other.copyUp();
      if (other instanceof OverlayDirectory && other.upper !== null && this.lowers.length > 0) {
        this.setOpaque(other.upper.inode);
      }
    }
    if (moved instanceof OverlayDirectory && target.lowers.length > 0) this.setOpaque(oldU.inode);
    let newU = lookupChild(to, newName);
    if (exchange) {
      if (newU === null) throw linuxerr.ENOENT;
      from.inode.rename(from, oldU, to, newName, newU, RENAME_EXCHANGE, o.creds);
      finishRename(oldU, to, newName, newU, true);
      if (other instanceof OverlayInode) this.adopt(other, oldD.name);
      target.adopt(moved, newName);
      return;
    }
    if (newU !== null) {
      if (isDirectory(newU)) this.clearWhiteouts(newU);
      else if (isWhiteout(newU) && isDirectory(oldU)) {
        this.removeUpper(to, newU);
        newU = null;
      } else if (isDirectory(oldU)) throw linuxerr.ENOTDIR;
    }
    from.inode.rename(from, oldU, to, newName, newU, 0, o.creds);
    finishRename(oldU, to, newName, newU, false);
    if (hidden) this.makeWhiteout(from, oldD.name);
    if (other !== null) markUnlinked(other);
    target.adopt(moved, newName);
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new OverlayDirectoryDescription(vd, flags, this);
  }
}

/** A dentry for a name just made in a layer. */
function addDentry(dir: Dentry, name: string, inode: Inode): Dentry {
  const d = new Dentry(dir.fs, dir, name, inode);
  d.hash();
  return d;
}

/** A file lost its name: if it is copied up later, then without one. */
function markUnlinked(inode: Inode): void {
  if (inode instanceof OverlayInode && inode.upper === null) inode.unlinked = true;
}

/** Collects the names of a directory. */
class NameList implements DirentCallback {
  readonly names: string[] = [];

  handle(name: string): boolean {
    if (name !== "." && name !== "..") this.names.push(name);
    return true;
  }
}

/** Reads a directory of one layer. */
function readLayer(place: VirtualDentry, cb: DirentCallback, creds: Credentials): void {
  const fd = place.dentry.inode.open(place, 0, creds);
  try {
    fd.iterDirents(cb);
  } finally {
    fd.decRef();
  }
}
