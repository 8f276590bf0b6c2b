import { direntType } from "../../../abi/linux/dirent.ts";
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from "../../../abi/linux/file.ts";
import { S_IFCHR } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  type Dentry,
  DirectoryFileDescription,
  type DirentCallback,
  type FileDescription,
  type Inode,
  newInodeGID,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { TmpfsInode } from "./inode.ts";
import { TmpfsRegularFile } from "./regular_file.ts";
import { TmpfsSpecialFile, TmpfsSymlink } from "./special_file.ts";
import type { Tmpfs } from "./tmpfs.ts";

/** What Linux says an entry adds to the size of a directory. */
const DIRENT_SIZE = 20;
/** Offset of the entry that was made first. */
const FIRST_OFFSET = 3;
/** The offset after the last entry. */
const END_OFFSET = 0x7fffffff;

/** A name in a directory. */
export class TmpfsDirent {
  static readonly stateType = stateType("tmpfs.Dirent", ["name", "inode", "offset"]);
  name: string;
  /** null: removed, waiting to be compacted away. */
  inode: TmpfsInode | null;
  /** Directory offset, never used twice in a directory. */
  readonly offset: number;

  constructor(name: string, inode: TmpfsInode, offset: number) {
    this.name = name;
    this.inode = inode;
    this.offset = offset;
  }
}

/** A directory: names with offsets that stay. */
export class TmpfsDirectory extends TmpfsInode {
  static override readonly stateType = stateType(
    "tmpfs.Directory",
    ["entries", "list", "dead", "nextOffset"],
    ["found"],
  );
  readonly entries: Map<string, TmpfsDirent> = new Map();
  /** All entries by ascending offset, with removed ones in between. */
  list: TmpfsDirent[] = [];
  /** Removed entries in `list`. */
  dead = 0;
  nextOffset = FIRST_OFFSET;
  /** Answer of liveBelow. */
  found = 0;

  constructor(fs: Tmpfs, mode: number, kuid: number, kgid: number) {
    super(fs, mode, kuid, kgid);
    this.nlink = 2;
  }

  afterLoad(): void {
    this.found = 0;
  }

  override sizeBytes(): number {
    return (this.entries.size + 2) * DIRENT_SIZE;
  }

  override lookup(_dir: Dentry, name: string): TmpfsInode | null {
    return this.entries.get(name)?.inode ?? null;
  }

  /** Newest first, as Linux lists its tmpfs. An offset is that of the entry to go on with, or of the next older one. */
  override readDir(offset: number, cb: DirentCallback): number {
    if (offset === END_OFFSET) return END_OFFSET;
    const list = this.list;
    let lo = 0;
    let hi = list.length;
    if (offset >= FIRST_OFFSET) {
      while (lo < hi) {
        const mid = (lo + hi) >>> 1;
        if ((list[mid]?.offset ?? 0) <= offset) lo = mid + 1;
        else hi = mid;
      }
    } else lo = hi;
    let e = this.liveBelow(lo);
    while (e !== null && e.inode !== null) {
      const next = this.liveBelow(this.found);
      const nextOff = next === null ? END_OFFSET : next.offset;
      if (!cb.handle(e.name, direntType(e.inode.fileMode), e.inode.ino, nextOff)) return e.offset;
      e = next;
    }
    return END_OFFSET;
  }

  /** The last entry before index `i` of the list that was not removed; sets `found` to its index. */
  liveBelow(i: number): TmpfsDirent | null {
    for (let k = i - 1; k >= 0; k--) {
      const e = this.list[k];
      if (e !== undefined && e.inode !== null) {
        this.found = k;
        return e;
      }
    }
    return null;
  }

  override create(_dir: Dentry, name: string, mode: number, creds: Credentials): Inode {
    return this.insert(name, new TmpfsRegularFile(this.tmpfs, mode, creds.fsKUID, newInodeGID(this, creds)));
  }

  override mkdir(_dir: Dentry, name: string, mode: number, creds: Credentials): Inode {
    const d = this.insert(name, new TmpfsDirectory(this.tmpfs, mode, creds.fsKUID, newInodeGID(this, creds)));
    this.nlink++;
    return d;
  }

  override mknod(_dir: Dentry, name: string, mode: number, rdev: number, creds: Credentials): Inode {
    return this.insert(name, new TmpfsSpecialFile(this.tmpfs, mode, rdev, creds.fsKUID, newInodeGID(this, creds)));
  }

  override symlink(_dir: Dentry, name: string, target: string, creds: Credentials): Inode {
    return this.insert(name, new TmpfsSymlink(this.tmpfs, target, creds.fsKUID, newInodeGID(this, creds)));
  }

  override tmpfile(_dir: Dentry, mode: number, linkable: boolean, creds: Credentials): Inode {
    const f = new TmpfsRegularFile(this.tmpfs, mode, creds.fsKUID, newInodeGID(this, creds));
    f.nlink = 0;
    f.linkable = linkable;
    return f;
  }

  override link(_dir: Dentry, name: string, target: Inode, _creds: Credentials): Inode {
    if (!(target instanceof TmpfsInode)) throw linuxerr.EXDEV;
    // The first name of an O_TMPFILE file is paid for.
    if (target.nlink > 0) this.tmpfs.takeInode();
    target.nlink++;
    target.touchCtime();
    return this.insert(name, target);
  }

  override unlink(_dir: Dentry, d: Dentry): void {
    const inode = this.remove(d.name);
    if (inode.nlink > 1) this.tmpfs.inodeFreed();
    inode.dropLink();
  }

  override rmdir(_dir: Dentry, d: Dentry): void {
    const inode = this.entries.get(d.name)?.inode;
    if (!(inode instanceof TmpfsDirectory)) throw linuxerr.ENOTDIR;
    if (inode.entries.size > 0) throw linuxerr.ENOTEMPTY;
    this.removeDirectory(d.name, inode);
  }

  removeDirectory(name: string, inode: TmpfsDirectory): void {
    this.remove(name);
    this.nlink--;
    inode.nlink = 1;
    inode.dropLink();
  }

  override rename(
    _oldDir: Dentry,
    oldD: Dentry,
    newDir: Dentry,
    newName: string,
    newD: Dentry | null,
    flags: number,
    creds: Credentials,
  ): void {
    const target = newDir.inode;
    const from = this.entries.get(oldD.name);
    if (!(target instanceof TmpfsDirectory) || from === undefined || from.inode === null) throw linuxerr.EXDEV;
    const moved = from.inode;
    const movedIsDir = moved instanceof TmpfsDirectory;
    if (newD !== null) {
      const to = target.entries.get(newName);
      if (to === undefined || to.inode === null) throw linuxerr.ENOENT;
      const other = to.inode;
      if ((flags & RENAME_EXCHANGE) !== 0) {
        this.remove(oldD.name);
        target.remove(newName);
        this.insert(oldD.name, other);
        target.insert(newName, moved);
        const shift = Number(other instanceof TmpfsDirectory) - Number(movedIsDir);
        this.nlink += shift;
        target.nlink -= shift;
        other.touchCtime();
        this.renamed(moved, target);
        return;
      }
      if (other instanceof TmpfsDirectory) {
        if (other.entries.size > 0) throw linuxerr.ENOTEMPTY;
      }
      const whiteout = this.newWhiteout(flags, creds);
      if (other instanceof TmpfsDirectory) target.removeDirectory(newName, other);
      else target.unlink(newDir, newD);
      this.moveEntry(oldD.name, target, newName, moved, whiteout);
    } else {
      this.moveEntry(oldD.name, target, newName, moved, this.newWhiteout(flags, creds));
    }
    if (movedIsDir) {
      this.nlink--;
      target.nlink++;
    }
    this.renamed(moved, target);
  }

  /** The node that takes the old name's place under RENAME_WHITEOUT, or null. */
  newWhiteout(flags: number, creds: Credentials): TmpfsSpecialFile | null {
    if ((flags & RENAME_WHITEOUT) === 0) return null;
    return new TmpfsSpecialFile(this.tmpfs, S_IFCHR, 0, creds.fsKUID, newInodeGID(this, creds));
  }

  moveEntry(
    oldName: string,
    target: TmpfsDirectory,
    newName: string,
    moved: TmpfsInode,
    whiteout: TmpfsSpecialFile | null,
  ): void {
    this.remove(oldName);
    if (whiteout !== null) this.insert(oldName, whiteout);
    target.insert(newName, moved);
  }

  renamed(moved: TmpfsInode, target: TmpfsDirectory): void {
    moved.touchCtime();
    this.touchCMtime();
    target.touchCMtime();
  }

  /** Adds an entry under a free name. */
  insert<T extends TmpfsInode>(name: string, inode: T): T {
    const e = new TmpfsDirent(name, inode, this.nextOffset++);
    this.entries.set(name, e);
    this.list.push(e);
    this.touchCMtime();
    return inode;
  }

  /** Takes an entry out and returns its inode. */
  remove(name: string): TmpfsInode {
    const e = this.entries.get(name);
    if (e === undefined || e.inode === null) throw linuxerr.ENOENT;
    const inode = e.inode;
    e.inode = null;
    this.entries.delete(name);
    this.dead++;
    if (this.dead > 32 && this.dead > this.list.length >>> 1) {
      this.list = this.list.filter((d) => d.inode !== null);
      this.dead = 0;
    }
    this.touchCMtime();
    return inode;
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new DirectoryFileDescription(vd, flags);
  }
}
