import { direntType } from "../../../abi/linux/dirent.ts";
import { SEEK_END, SEEK_SET } from "../../../abi/linux/file.ts";
import { S_IFDIR } from "../../../abi/linux/stat.ts";
import type { LinuxError } from "../../../errors/linuxerr/index.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  type Dentry,
  DIR_FIRST_OFFSET,
  DirectoryFileDescription,
  type DirentCallback,
  type FileDescription,
  type Inode,
  type VirtualDentry,
} from "../../vfs/index.ts";
import type { KernfsFilesystem } from "./filesystem.ts";
import { KernfsInode } from "./inode.ts";

/** A directory that nobody can change; what is in it is up to the subclass. */
export abstract class KernfsDirectory extends KernfsInode {
  static override readonly stateType: StateType = stateType("kernfs.KernfsDirectory", []);

  constructor(fs: KernfsFilesystem, perm = 0o555, ino = 0) {
    super(fs, S_IFDIR | perm, ino);
  }

  override linkCount(): number {
    return 2;
  }

  override create(_dir: Dentry, _name: string, _mode: number, _creds: Credentials): Inode {
    throw this.newNameError(linuxerr.EACCES);
  }

  override mkdir(_dir: Dentry, _name: string, _mode: number, _creds: Credentials): Inode {
    throw this.newNameError(linuxerr.EPERM);
  }

  override mknod(_dir: Dentry, _name: string, _mode: number, _rdev: number, _creds: Credentials): Inode {
    throw this.newNameError(linuxerr.EPERM);
  }

  override symlink(_dir: Dentry, _name: string, _target: string, _creds: Credentials): Inode {
    throw this.newNameError(linuxerr.EPERM);
  }

  override link(_dir: Dentry, _name: string, _target: Inode, _creds: Credentials): Inode {
    throw this.newNameError(linuxerr.EPERM);
  }

  override rename(
    _oldDir: Dentry,
    _oldD: Dentry,
    _newDir: Dentry,
    _newName: string,
    newD: Dentry | null,
    _flags: number,
  ): void {
    throw newD === null ? this.newNameError(linuxerr.EPERM) : linuxerr.EPERM;
  }

  /** What an attempt to make a name gives: `usual`, or ENOENT where names that do not exist cannot even be thought of. */
  newNameError(usual: LinuxError): LinuxError {
    return this.kernfs().unknownNamesAreErrors ? linuxerr.ENOENT : usual;
  }

  /** The filesystem, typed. */
  kernfs(): KernfsFilesystem {
    return this.fs as KernfsFilesystem;
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new KernfsDirectoryFileDescription(vd, flags);
  }
}

/** An open KernfsDirectory. Unlike other directories it has an end to seek from: its size, 0. */
export class KernfsDirectoryFileDescription extends DirectoryFileDescription {
  static override readonly stateType: StateType = stateType("kernfs.KernfsDirectoryFileDescription", []);

  override iterDirents(cb: DirentCallback): void {
    // What the directory was about is gone.
    if (!this.inode.revalidate(this.vd.dentry.parent, this.vd.dentry.name)) throw linuxerr.ENOENT;
    super.iterDirents(cb);
  }

  override seek(offset: number, whence: number): number {
    return super.seek(offset, whence === SEEK_END ? SEEK_SET : whence);
  }
}

/** A directory with a fixed set of entries. */
export class StaticDirectory extends KernfsDirectory {
  static override readonly stateType: StateType = stateType("kernfs.StaticDirectory", ["entries", "subdirs", "filled"]);
  /** In order of listing. */
  entries: Map<string, Inode> = new Map();
  subdirs = 0;
  /** fill() was called. */
  filled = false;

  /** Adds entries at the first look into the directory: where many sandboxes never look, they cost nothing. */
  fill(): void {}

  /** The entries, all of them. */
  contents(): Map<string, Inode> {
    if (!this.filled) {
      this.filled = true;
      this.fill();
    }
    return this.entries;
  }

  /** Adds an entry and keeps its inode. Returns the inode. */
  add<T extends Inode>(name: string, inode: T): T {
    this.entries.set(name, inode);
    inode.incRef();
    if (inode.isDir()) this.subdirs++;
    return inode;
  }

  /** What addDir makes: subclasses have directories of their own kind. */
  newSubdirectory(perm: number): StaticDirectory {
    return new StaticDirectory(this.kernfs(), perm);
  }

  /** Adds a subdirectory, or returns the one that is there. */
  addDir(name: string, perm = 0o555): StaticDirectory {
    const old = this.entries.get(name);
    if (old instanceof StaticDirectory) return old;
    return this.add(name, this.newSubdirectory(perm));
  }

  override linkCount(): number {
    this.contents();
    return 2 + this.subdirs;
  }

  override isEmptyDirectory(): boolean {
    return this.contents().size === 0;
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    return this.contents().get(name) ?? null;
  }

  override readDir(offset: number, cb: DirentCallback): number {
    let at = DIR_FIRST_OFFSET;
    for (const [name, inode] of this.contents()) {
      if (at >= offset && !cb.handle(name, direntType(inode.mode()), inode.ino, at + 1)) return at;
      at++;
    }
    return Math.max(at, offset);
  }
}
