import * as errno from "../../abi/linux/errno.ts";
import { S_IFDIR, S_IFMT } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import type { Credentials, Namespace } from "../kernel/auth/index.ts";
import type { Task } from "../kernel/task.ts";
import type { Dentry } from "./dentry.ts";
import type { FileDescription } from "./file_description.ts";
import type { Filesystem } from "./filesystem.ts";
import type { InodeWatches } from "./inotify.ts";
import type { FileLocks } from "./lock.ts";
import type { DirentCallback, SetStatOptions, Statx } from "./options.ts";
import { checkModePermissions } from "./permissions.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

// What Inode.statName answers.
export const STAT_UNKNOWN = 0;
export const STAT_FILLED = 1;
export const STAT_MISSING = 2;

/** What a FIFO inode leads to: made by the vfs's FifoFactory (pipefs) when the FIFO is first opened. */
export interface Fifo {
  /** open(2) of the FIFO; see fifo(7). ENXIO for a writer without reader under O_NONBLOCK. */
  openFifo(vd: VirtualDentry, flags: number): FileDescription;
}

/** A socket with a name in a filesystem; an object of pkg/sentry/socket. It holds a reference on the name it was bound to. */
export interface BoundEndpoint {
  /** SOCK_* */
  readonly type: number;
}

/**
 * A file of any type, shared by its hard links. The vfs has checked permissions, name lengths, read-only mounts and that names exist or
 * not before it calls any method; implementations check what only they can know. Directory methods throw EPERM or EROFS
 * by default: a filesystem overrides what it can do.
 */
export abstract class Inode {
  static readonly stateType: StateType = stateType("vfs.Inode", [
    "fs",
    "ino",
    "refs",
    "writers",
    "locks",
    "fifo",
    "boundEndpoint",
    "watches",
  ]);
  readonly fs: Filesystem;
  /** Inode number, unique in the filesystem. */
  ino: number;
  /** Dentries that show it. */
  refs = 0;
  /** Descriptions open for writing when positive; executions that keep writers out when negative. */
  writers = 0;
  /** Advisory locks; null until the first. */
  locks: FileLocks | null = null;
  /** The pipe behind an S_IFIFO inode, while anybody has it open. */
  fifo: Fifo | null = null;
  /** The socket bound to an S_IFSOCK inode (bind(2)), while it is open. */
  boundEndpoint: BoundEndpoint | null = null;
  /** inotify(7); null: nobody watches it. */
  watches: InodeWatches | null = null;

  constructor(fs: Filesystem, ino: number) {
    this.fs = fs;
    this.ino = ino;
  }

  /** Current type and permission bits. */
  abstract mode(): number;

  /** Current owner, as a kernel id. */
  abstract uid(): number;

  /** Current group, as a kernel id. */
  abstract gid(): number;

  /** Fills every field but mountID. */
  abstract stat(out: Statx): void;

  /**
   * Changes attributes. The vfs has checked permissions, replaced "now" by values, resolved which set-id bits fall (as ATTR_MODE) and set
   * ATTR_CTIME. A size change of what is not a regular file does not get here.
   */
  setStat(_opts: SetStatOptions, _creds: Credentials): void {
    throw linuxerr.EPERM;
  }

  /** Whether it is a directory. */
  isDir(): boolean {
    return (this.mode() & S_IFMT) === S_IFDIR;
  }

  /** Device number of an S_IFCHR or S_IFBLK inode (makeDeviceID). */
  rdev(): number {
    return 0;
  }

  /** Whether the inode has no name any more, so that link(2) must refuse it. O_TMPFILE files without O_EXCL say false. */
  linkRefused(): boolean {
    return false;
  }

  /** Whether the access (MAY_READ | MAY_WRITE | MAY_EXEC) is allowed: 0 or -EACCES. */
  checkPermissions(creds: Credentials, mask: number): number {
    return checkModePermissions(creds, mask, this.mode(), this.uid(), this.gid());
  }

  /** How pathnames show a file that is in no directory tree: "pipe:[12]", "/memfd:x (deleted)"; null for all others. */
  specialName(): string | null {
    return null;
  }

  /** The namespace that this is the file of (nsfs); null for all other files. */
  boundNamespace(): Namespace | null {
    return null;
  }

  /** Whether what it shows is gone for good, so that mounts on it go too. */
  isDead(): boolean {
    return false;
  }

  /** Whether a directory has no entries, to decide what a mount on it hides. */
  isEmptyDirectory(): boolean {
    return false;
  }

  // ---- directories

  /** The inode of a name in this directory, or null when there is none. `dir` is the dentry it was reached by. */
  lookup(_dir: Dentry, _name: string): Inode | null {
    throw linuxerr.ENOTDIR;
  }

  /**
   * Attributes of a name of this directory that is not in memory, without making an inode: STAT_FILLED, STAT_MISSING, or STAT_UNKNOWN: look it up. Of a symbolic
   * link they are its own.
   */
  statName(_dir: Dentry, _name: string, _out: Statx): number {
    return STAT_UNKNOWN;
  }

  /**
   * Whether the name, found in memory with this inode, still leads to it; `dir` is null for a root. Only asked when fs.revalidates, or when something
   * remembered has turned out to be wrong. On false the vfs drops the dentry and looks the name up again.
   */
  revalidate(_dir: Dentry | null, _name: string): boolean {
    return true;
  }

  /** Until when (the vfs's elapsed()) revalidate() of the name will say true without asking anybody; for steady filesystems that revalidate. */
  validUntil(_dir: Dentry | null, _name: string): number {
    return 0;
  }

  /** Makes a regular file. `mode` has S_IFREG, permissions after umask, and is owned by (creds.fsKUID, newGID(creds)). */
  create(_dir: Dentry, _name: string, _mode: number, _creds: Credentials): Inode {
    throw linuxerr.EACCES;
  }

  /** Makes a directory; `mode` has S_IFDIR, permissions and an inherited S_ISGID. */
  mkdir(_dir: Dentry, _name: string, _mode: number, _creds: Credentials): Inode {
    throw linuxerr.EPERM;
  }

  /** Makes a FIFO, socket, device node or regular file; `rdev` as makeDeviceID. */
  mknod(_dir: Dentry, _name: string, _mode: number, _rdev: number, _creds: Credentials): Inode {
    throw linuxerr.EPERM;
  }

  /** Makes a symbolic link. */
  symlink(_dir: Dentry, _name: string, _target: string, _creds: Credentials): Inode {
    throw linuxerr.EPERM;
  }

  /** Adds a name for an inode of the same filesystem. Throws EMLINK. Returns the inode of the new name, normally `target`. */
  link(_dir: Dentry, _name: string, _target: Inode, _creds: Credentials): Inode {
    throw linuxerr.EPERM;
  }

  /** Makes a regular file without a name (O_TMPFILE), which linkat(2) may name later when `linkable`. */
  tmpfile(_dir: Dentry, _mode: number, _linkable: boolean, _creds: Credentials): Inode {
    throw linuxerr.EOPNOTSUPP;
  }

  /** Removes the name of a file that is not a directory. */
  unlink(_dir: Dentry, _d: Dentry): void {
    throw linuxerr.EPERM;
  }

  /** Removes a directory; throws ENOTEMPTY. */
  rmdir(_dir: Dentry, _d: Dentry): void {
    throw linuxerr.EPERM;
  }

  /**
   * Renames oldD of this directory to newName in newDir, over newD unless null (ENOTEMPTY when that is a directory with entries).
   * Flags: RENAME_EXCHANGE (newD is not null), RENAME_WHITEOUT (owned by creds); RENAME_NOREPLACE has been dealt with. EINVAL for flags it cannot do.
   */
  rename(
    _oldDir: Dentry,
    _oldD: Dentry,
    _newDir: Dentry,
    _newName: string,
    _newD: Dentry | null,
    _flags: number,
    _creds: Credentials,
  ): void {
    throw linuxerr.EPERM;
  }

  /**
   * Gives the entries at or after `offset` (>= 2; 0 and 1 are "." and "..", which the description deals with) until the callback returns
   * false. Returns the offset to go on at. An offset stays valid while entries come and go.
   */
  readDir(_offset: number, _cb: DirentCallback): number {
    throw linuxerr.ENOTDIR;
  }

  // ---- symbolic links

  /** The target; `t` is the task that asks (for /proc/self), null inside the sentry. */
  readlink(_t: Task | null): string {
    throw linuxerr.EINVAL;
  }

  /** Where a magic link (/proc/self/fd/3) leads, bypassing its text; null for ordinary links. */
  getLink(_t: Task | null): VirtualDentry | null {
    return null;
  }

  // ---- open files

  /**
   * Opens a regular file, a directory, or a special file that is not a FIFO and not a device with a number (those the vfs
   * dispatches). O_CREAT and O_EXCL have been dealt with; O_TRUNC is a hint that setStat to size 0 follows.
   */
  open(_vd: VirtualDentry, _flags: number, _creds: Credentials): FileDescription {
    throw linuxerr.ENXIO;
  }

  /**
   * The file was read, the directory listed, or the link followed, through a mount that keeps access times. With `relatime` only when the
   * old time is not after mtime and ctime, or a day old.
   */
  touchAtime(_relatime: boolean): void {}

  /** Whether touchAtime() can change anything. When that changes, VirtualFilesystem.changes does. */
  keepsAtime(): boolean {
    return false;
  }

  /** fsync(2) without a description. */
  sync(): void {}

  // ---- extended attributes; names were checked for length and namespace permissions

  /** The value as a byte string, or -ENODATA, or -EOPNOTSUPP. */
  getXattr(_name: string, _creds: Credentials): string | number {
    return -errno.EOPNOTSUPP;
  }

  /** Sets a value; flags XATTR_CREATE (EEXIST), XATTR_REPLACE (ENODATA). */
  setXattr(_name: string, _value: string, _flags: number, _creds: Credentials): void {
    throw linuxerr.EOPNOTSUPP;
  }

  /** All names the caller may see. */
  listXattr(_creds: Credentials): string[] {
    return [];
  }

  /** Removes an attribute; throws ENODATA. */
  removeXattr(_name: string, _creds: Credentials): void {
    throw linuxerr.EOPNOTSUPP;
  }

  // ---- lifetime and write access

  /** A dentry shows the inode. */
  incRef(): void {
    this.refs++;
  }

  /** A dentry is gone; at zero no name in memory and no open file leads here. */
  decRef(): void {
    this.refs--;
    if (this.refs === 0) this.release();
  }

  /** Nothing in memory leads here: close host descriptors, free the data of a file without links. May be looked up again later. */
  release(): void {}

  /** Takes write access: 0, or -ETXTBSY while the file is being executed. */
  getWriteAccess(): number {
    if (this.writers < 0) return -errno.ETXTBSY;
    this.writers++;
    return 0;
  }

  /** Gives write access back. */
  putWriteAccess(): void {
    this.writers--;
  }

  /** Keeps writers out: 0, or -ETXTBSY while somebody has the file open for writing. */
  denyWriteAccess(): number {
    if (this.writers > 0) return -errno.ETXTBSY;
    this.writers--;
    return 0;
  }

  /** Lets writers in again. */
  allowWriteAccess(): void {
    this.writers++;
  }
}
