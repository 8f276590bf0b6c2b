import * as errno from "../../../abi/linux/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  RENAME_EXCHANGE,
} from "../../../abi/linux/file.ts";
import { S_IALLUGO, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFSOCK } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { fillStatx } from "../../fsutil/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  type Dentry,
  type FileDescription,
  type Inode,
  newInodeGID,
  STAT_FILLED,
  STAT_MISSING,
  STAT_UNKNOWN,
  type Statx,
  type VirtualDentry,
} from "../../vfs/index.ts";
import type { CachedDescriptor } from "./descriptor_cache.ts";
import { GoferDirectoryDescription } from "./directory_fd.ts";
import { check, GoferInode } from "./inode.ts";
import { GoferRegularFile } from "./regular_file.ts";

const OPEN_DIRECTORY = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/**
 * A directory. Its descriptor is opened when a child is needed, and may be closed again by the descriptor cache. One open description at a time
 * reads entries through it.
 */
export class GoferDirectory extends GoferInode implements CachedDescriptor {
  static override readonly stateType = stateType(
    "gofer.Directory",
    ["pinned"],
    ["fd", "readable", "moved", "lent", "cachePrev", "cacheNext", "cached"],
  );
  /** -1: not open. */
  fd = -1;
  /** Entries can be read through the descriptor; otherwise it is O_PATH. */
  readable = false;
  /** Entries have been read through it: it does not stand at the first one. */
  moved = false;
  /** A description reads through it, and it must stay open. */
  lent = false;
  /** Not to be closed: the root, and removed directories that somebody still holds. */
  pinned = false;
  cachePrev: CachedDescriptor | null = null;
  cacheNext: CachedDescriptor | null = null;
  cached = false;

  closeCached(): void {
    if (this.fd >= 0) host.close(this.fd);
    this.fd = -1;
  }

  override anyFD(): number {
    return this.fd;
  }

  override directoryFD(): number {
    if (this.fd < 0) {
      const r = this.reopen();
      if (r < 0) return r;
    }
    if (!this.pinned && !this.lent) this.gofer.descriptors.use(this);
    return this.fd;
  }

  /** Opens this directory below an open one, for reading if the host allows that: a descriptor, or a negative errno. */
  openBelow(parentFD: number): number {
    const fs = this.gofer;
    let fd = fs.openat(parentFD, this.name, OPEN_DIRECTORY | O_RDONLY, 0);
    this.readable = fd >= 0;
    if (fd === -errno.EACCES) fd = fs.openat(parentFD, this.name, OPEN_DIRECTORY | O_PATH, 0);
    return fd;
  }

  /** A descriptor to read entries with, at any position; a negative errno. Give it back with takeBack. */
  lend(): number {
    if (this.lent) return this.openForReading();
    const fd = this.directoryFD();
    if (fd < 0 || !this.readable) return this.openForReading();
    this.lent = true;
    this.gofer.descriptors.remove(this);
    return fd;
  }

  /** Undoes lend. */
  takeBack(fd: number): void {
    if (fd !== this.fd) {
      host.close(fd);
      return;
    }
    this.lent = false;
    if (!this.pinned) this.gofer.descriptors.use(this);
  }

  /** Opens it by name from the nearest ancestor that is open. Not recursive: a guest decides how deep the tree is. */
  reopen(): number {
    const chain: GoferDirectory[] = [];
    let d: GoferInode = this as GoferInode;
    while (d instanceof GoferDirectory && d.fd < 0) {
      chain.push(d);
      if (d.parent === null) return -errno.ESTALE;
      d = d.parent;
    }
    if (!(d instanceof GoferDirectory)) return -errno.ENOTDIR;
    let parentFD = d.fd;
    for (let i = chain.length - 1; i >= 0; i--) {
      const c = chain[i];
      if (c === undefined || c.parent === null) return -errno.ESTALE;
      const fd = c.openBelow(parentFD);
      if (fd < 0) return fd;
      const st = this.gofer.beginStat();
      const r = host.fstat(fd, st);
      if (r < 0 || !c.matches(st)) {
        host.close(fd);
        return r < 0 ? r : -errno.ESTALE;
      }
      c.fd = fd;
      c.moved = false;
      this.gofer.descriptors.use(c);
      parentFD = fd;
    }
    return 0;
  }

  /** The descriptor to reach children by; throws. Names are single components: the vfs split the path and never passes "." or "..". */
  needFD(name: string): number {
    checkName(name);
    const fd = this.directoryFD();
    if (fd < 0) throw linuxerr.fromErrno(-fd);
    return fd;
  }

  /**
   * The descriptor of another directory, while this one's (from needFD) stays open: reaching a deep directory opens all
   * those above it and may close others.
   */
  otherFD(other: GoferInode): number {
    const fs = this.gofer;
    fs.descriptors.remove(this);
    const fd = other.directoryFD();
    if (!this.pinned && !this.lent) fs.descriptors.use(this);
    check(fd);
    return fd;
  }

  override lookup(_dir: Dentry, name: string): Inode | null {
    const fs = this.gofer;
    if (!fs.hasAsked(this, name) && !this.ask(name)) return null;
    fs.askedName = "";
    const inode = fs.inodeOf(fs.hostStat);
    inode.setLocation(this, name);
    inode.tookStat();
    return inode;
  }

  /** Asks the host about a name, into gofer.hostStat; false when it does not exist. */
  ask(name: string): boolean {
    const fd = this.needFD(name);
    const r = host.fstatat(fd, name, this.gofer.beginStat(), AT_SYMLINK_NOFOLLOW);
    if (r >= 0) return true;
    if (r === -errno.ENOENT) return false;
    throw linuxerr.fromErrno(-r);
  }

  override statName(_dir: Dentry, name: string, out: Statx): number {
    const fs = this.gofer;
    if (!this.ask(name)) return STAT_MISSING;
    const st = fs.hostStat;
    const type = st.mode & S_IFMT;
    if (type === S_IFDIR || type === S_IFLNK) {
      // The lookup that may follow need not ask.
      fs.askedName = name;
      fs.askedDirectory = this;
      fs.askedIn = fs.vfs.operation;
      // It will be walked through.
      if (type === S_IFDIR) return STAT_UNKNOWN;
    }
    fillStatx(out, st, fs.deviceOf(st.dev));
    return STAT_FILLED;
  }

  // ---- new names

  /** The inode of a name just made, with the owner and mode asked for. On failure the name is removed again. */
  adopt(dirFD: number, name: string, mode: number, creds: Credentials, removeFlags: number): GoferInode {
    const fs = this.gofer;
    const st = fs.beginStat();
    this.changed();
    try {
      check(host.fstatat(dirFD, name, st, AT_SYMLINK_NOFOLLOW));
      const gid = newInodeGID(this, creds);
      if (st.uid !== creds.fsKUID || st.gid !== gid) {
        check(host.fchownat(dirFD, name, creds.fsKUID, gid, AT_SYMLINK_NOFOLLOW));
        check(host.fstatat(dirFD, name, st, AT_SYMLINK_NOFOLLOW));
      }
      const inode = fs.inodeOf(st);
      inode.setLocation(this, name);
      // The host has its own umask and rules for set-id bits.
      if ((st.mode & S_IFMT) !== S_IFLNK && ((st.mode ^ mode) & S_IALLUGO) !== 0) {
        inode.changeMode(mode & S_IALLUGO);
        inode.fileMode = (st.mode & S_IFMT) | (mode & S_IALLUGO);
        inode.changed();
      }
      return inode;
    } catch (e) {
      host.unlinkat(dirFD, name, removeFlags);
      throw e;
    }
  }

  override create(_dir: Dentry, name: string, mode: number, creds: Credentials): Inode {
    const dirFD = this.needFD(name);
    const flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
    const fd = this.gofer.openat(dirFD, name, flags, mode & S_IALLUGO);
    check(fd);
    let inode: GoferInode;
    try {
      inode = this.adopt(dirFD, name, mode, creds, 0);
    } catch (e) {
      host.close(fd);
      throw e;
    }
    if (inode instanceof GoferRegularFile) inode.keepCreated(fd);
    else host.close(fd);
    return inode;
  }

  override mkdir(_dir: Dentry, name: string, mode: number, creds: Credentials): Inode {
    const dirFD = this.needFD(name);
    check(host.mkdirat(dirFD, name, mode & S_IALLUGO));
    return this.adopt(dirFD, name, mode, creds, AT_REMOVEDIR);
  }

  override mknod(_dir: Dentry, name: string, mode: number, rdev: number, creds: Credentials): Inode {
    const type = mode & S_IFMT;
    // Device nodes would be the host's devices; a whiteout is none.
    if (type !== S_IFIFO && type !== S_IFSOCK && !(type === S_IFCHR && rdev === 0)) throw linuxerr.EPERM;
    const dirFD = this.needFD(name);
    check(host.mknodat(dirFD, name, type | (mode & S_IALLUGO), 0));
    return this.adopt(dirFD, name, mode, creds, 0);
  }

  override symlink(_dir: Dentry, name: string, target: string, creds: Credentials): Inode {
    const dirFD = this.needFD(name);
    check(host.symlinkat(target, dirFD, name));
    return this.adopt(dirFD, name, 0o777, creds, 0);
  }

  override link(_dir: Dentry, name: string, target: Inode, _creds: Credentials): Inode {
    if (!(target instanceof GoferInode) || target.gofer !== this.gofer) throw linuxerr.EXDEV;
    const dirFD = this.needFD(name);
    const at = target.parent;
    if (at === null) {
      // An O_TMPFILE file.
      check(host.linkat(target.anyFD(), "", dirFD, name, AT_EMPTY_PATH));
    } else {
      check(host.linkat(this.otherFD(at), target.name, dirFD, name, 0));
    }
    this.gofer.remember(target);
    target.changed();
    this.changed();
    target.setLocation(this, name);
    return target;
  }

  override tmpfile(_dir: Dentry, mode: number, linkable: boolean, creds: Credentials): Inode {
    const dirFD = this.directoryFD();
    check(dirFD);
    const flags = O_TMPFILE | O_RDWR | O_CLOEXEC | (linkable ? 0 : O_EXCL);
    const fd = this.gofer.openat(dirFD, ".", flags, mode & S_IALLUGO);
    check(fd);
    const st = this.gofer.beginStat();
    const gid = newInodeGID(this, creds);
    try {
      check(host.fchown(fd, creds.fsKUID, gid));
      check(host.fchmod(fd, mode & S_IALLUGO));
      check(host.fstat(fd, st));
    } catch (e) {
      host.close(fd);
      throw e;
    }
    const inode = this.gofer.inodeOf(st);
    if (!(inode instanceof GoferRegularFile)) {
      host.close(fd);
      throw linuxerr.EIO;
    }
    inode.linkable = linkable;
    inode.keepCreated(fd);
    return inode;
  }

  // ---- names that go

  override unlink(_dir: Dentry, d: Dentry): void {
    const inode = d.inode;
    if (inode instanceof GoferInode) inode.prepareUnlink(d.refs > 0);
    check(host.unlinkat(this.needFD(d.name), d.name, 0));
    this.gone(inode, d.name);
  }

  override rmdir(_dir: Dentry, d: Dentry): void {
    const inode = d.inode;
    if (inode instanceof GoferInode) inode.prepareUnlink(d.refs > 0);
    check(host.unlinkat(this.needFD(d.name), d.name, AT_REMOVEDIR));
    this.gone(inode, d.name);
  }

  /** A name of the inode in this directory has gone. */
  gone(inode: Inode, name: string): void {
    this.changed();
    if (!(inode instanceof GoferInode)) return;
    inode.dropLocation(this, name);
    if (inode instanceof GoferRegularFile) inode.unlinked();
  }

  override prepareUnlink(held: boolean): void {
    if (!held || this.directoryFD() < 0) return;
    this.pinned = true;
    this.gofer.descriptors.remove(this);
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
    const target = newDir.inode;
    const moved = oldD.inode;
    if (!(target instanceof GoferDirectory) || !(moved instanceof GoferInode)) throw linuxerr.EXDEV;
    checkName(newName);
    if ((flags & ~RENAME_EXCHANGE) !== 0) throw linuxerr.EINVAL;
    const exchange = (flags & RENAME_EXCHANGE) !== 0;
    const other = newD?.inode ?? null;
    if (!exchange && other instanceof GoferInode) other.prepareUnlink(newD !== null && newD.refs > 0);
    const oldFD = this.needFD(oldD.name);
    const newFD = this.otherFD(target);
    check(host.renameat2(oldFD, oldD.name, newFD, newName, flags));
    target.changed();
    this.changed();
    moved.dropLocation(this, oldD.name);
    if (other !== null) target.gone(other, newName);
    moved.setLocation(target, newName);
    if (exchange && other instanceof GoferInode) other.setLocation(this, oldD.name);
  }

  // ---- the rest

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new GoferDirectoryDescription(vd, flags, this);
  }

  /** A new descriptor for reading the directory; a negative errno. */
  openForReading(): number {
    const fd = this.directoryFD();
    return fd < 0 ? fd : this.gofer.openat(fd, ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
  }

  override withDescriptor<T>(use: (fd: number) => T): T {
    const fd = this.openForReading();
    check(fd);
    try {
      return use(fd);
    } finally {
      host.close(fd);
    }
  }

  override canHaveXattr(): boolean {
    return true;
  }

  override sync(): void {
    this.withDescriptor((fd) => check(host.fsync(fd)));
  }

  override release(): void {
    super.release();
    this.gofer.descriptors.remove(this);
    // The root's belongs to the filesystem.
    if (this.fd >= 0 && this.fd !== this.gofer.rootFD) this.closeCached();
  }
}

/** The last line of defence: nothing but a single component reaches the host. */
function checkName(name: string): void {
  if (name.length === 0 || name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
    throw linuxerr.EINVAL;
  }
}
