import {
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_PATH,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
} from "../../abi/linux/file.ts";
import { IN_CLOSE_NOWRITE, IN_CLOSE_WRITE } from "../../abi/linux/inotify.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import {
  type Entry,
  EventIn,
  type EventListener,
  EventOut,
  EventRdNorm,
  EventWrNorm,
  type Queue,
  type Waitable,
} from "../../waiter/index.ts";
import type { IOJob } from "../iopool/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { SyscallArguments } from "../kernel/syscalls.ts";
import type { Task } from "../kernel/task.ts";
import type { MappingIdentity, MMapOpts } from "../memmap/index.ts";
import type { IOSequence } from "../usermem/index.ts";
import type { EpollInterest } from "./epoll.ts";
import type { Inode } from "./inode.ts";
import { notifyChange, notifyFile } from "./inotify.ts";
import type { DirentCallback, SetStatOptions, Statfs, Statx } from "./options.ts";
import { pathnameForMaps } from "./pathname.ts";
import { checkSetStat } from "./setstat.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** Flags that only matter to open(2) itself and that F_GETFL does not show. */
const OPEN_ONLY_FLAGS = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

/** What turns events of a description into signals. */
export interface AsyncListener extends EventListener {
  readonly entry: Entry;
}

/** Who gets SIGIO for a description: fcntl(F_SETOWN), F_SETSIG, FIOASYNC. */
export class FileAsync {
  static readonly stateType = stateType("vfs.FileAsync", ["ownerType", "owner", "signal", "creds", "notifier"]);
  /** F_OWNER_TID, F_OWNER_PID or F_OWNER_PGRP. */
  ownerType = 1;
  /** The task, thread group or process group that was named, as an object of the kernel; null: nobody. */
  owner: object | null = null;
  /** F_SETSIG; 0 means SIGIO without details. */
  signal = 0;
  /** Of the task that called F_SETOWN: they must be allowed to signal the owner. */
  creds: Credentials | null = null;
  /** Registered with the description while O_ASYNC is set: sends the signal. */
  notifier: AsyncListener | null = null;
}

/**
 * An open file description: what open(2) makes and descriptors point to. Made with one reference, which belongs to the maker; a
 * descriptor table takes its own. This base class refuses everything in the way Linux refuses it for a file without the operation.
 */
export abstract class FileDescription implements Waitable, MappingIdentity {
  static readonly stateType: StateType = stateType("vfs.FileDescription", [
    "vd",
    "inode",
    "statusFlags",
    "readable",
    "writable",
    "refs",
    "epolls",
    "async",
    "countsAsWriter",
    "deniesWriters",
    "holdsLocks",
    "openerCreds",
  ]);
  readonly vd: VirtualDentry;
  readonly inode: Inode;
  /** O_* as F_GETFL shows them. Change through setStatusFlags. */
  statusFlags: number;
  /** Opened for reading; false for O_PATH. */
  readonly readable: boolean;
  /** Opened for writing; false for O_PATH. */
  readonly writable: boolean;
  refs = 1;
  /** Interests of epoll instances in this description, linked by fileNext. */
  epolls: EpollInterest | null = null;
  /** null until F_SETOWN, F_SETSIG or O_ASYNC. */
  async: FileAsync | null = null;
  /** Holds write access to the inode. */
  countsAsWriter = false;
  /** Keeps writers of the inode out. */
  deniesWriters = false;
  /** flock(2) or OFD locks were taken through it. */
  holdsLocks = false;
  /** Of the task that opened it by a path; null for descriptions made otherwise. */
  openerCreds: Credentials | null = null;

  constructor(vd: VirtualDentry, flags: number) {
    this.vd = vd;
    this.inode = vd.dentry.inode;
    this.statusFlags = flags & ~OPEN_ONLY_FLAGS;
    const acc = flags & O_ACCMODE;
    const path = (flags & O_PATH) !== 0;
    this.readable = !path && acc !== O_WRONLY && acc !== O_ACCMODE;
    this.writable = !path && (acc === O_WRONLY || acc === O_RDWR);
    vd.incRef();
  }

  // ---- lifetime

  /** Takes a reference. */
  incRef(): void {
    this.refs++;
  }

  /** Drops a reference; the last one releases the description. */
  decRef(): void {
    this.refs--;
    if (this.refs === 0) this.release();
    else if (this.refs < 0) throw new Error("vfs: file description released twice");
  }

  /** The last reference is gone. Overriding methods call it at their end. */
  release(): void {
    if ((this.statusFlags & O_PATH) === 0) notifyFile(this, this.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    for (let i = this.epolls; i !== null; i = this.epolls) i.epoll.remove(i);
    if (this.async !== null && this.async.notifier !== null) this.eventUnregister(this.async.notifier.entry);
    if (this.holdsLocks) this.inode.locks?.releaseDescription(this);
    if (this.countsAsWriter) this.inode.putWriteAccess();
    if (this.deniesWriters) this.allowWriters();
    this.vd.decRef();
  }

  /** close(2) of one descriptor: 0 or a negative errno, which close returns. */
  flush(): number {
    return 0;
  }

  /** Drops the POSIX locks of a process that closes a descriptor of this file. */
  unlockPOSIX(owner: object): void {
    this.inode.locks?.releasePOSIX(owner);
  }

  /** Ends the exclusion of writers that OpenOptions.fileExec began: for an interpreter, once it is mapped. */
  allowWriters(): void {
    if (!this.deniesWriters) return;
    this.deniesWriters = false;
    this.inode.allowWriteAccess();
  }

  // ---- data

  /**
   * Reads at the file offset and advances it. Returns the bytes read (0 at the end), or -EAGAIN when it would block. With `noWait` also
   * when data would have to come from a disk: then startFetch() has it fetched.
   */
  read(_dst: IOSequence, _noWait?: boolean): number {
    throw linuxerr.EINVAL;
  }

  /** Writes at the file offset (the end under O_APPEND) and advances it. Returns bytes written, or -EAGAIN, -EPIPE. */
  write(_src: IOSequence): number {
    throw linuxerr.EINVAL;
  }

  /** Reads at a position; the file offset stays. See read for `noWait`. */
  pread(_dst: IOSequence, _offset: number, _noWait?: boolean): number {
    throw linuxerr.ESPIPE;
  }

  /** Writes at a position (at the end under O_APPEND, as Linux does). */
  pwrite(_src: IOSequence, _offset: number): number {
    throw linuxerr.ESPIPE;
  }

  /** Whether pread and pwrite work (FMODE_PREAD): false for streams. */
  canSeek(): boolean {
    return false;
  }

  /** lseek(2): the new offset. */
  seek(_offset: number, _whence: number): number {
    throw linuxerr.ESPIPE;
  }

  /** The file offset, for /proc/[pid]/fdinfo and mmap bookkeeping. */
  position(): number {
    return 0;
  }

  /** Gives directory entries from the offset on and advances it. */
  iterDirents(_cb: DirentCallback): void {
    throw linuxerr.ENOTDIR;
  }

  /**
   * As iterDirents, for a directory that is shown as another one: `cb` takes entries over in bulk where the filesystem can give them so, with inoHigh added to their
   * numbers and `base` to their offsets. All others go to `each`, among them "." and ".." and character devices.
   */
  giveDirents(_cb: DirentCallback, each: DirentCallback, _inoHigh: number, _base: number): void {
    this.iterDirents(each);
  }

  /** fsync(2), fdatasync(2). */
  sync(): void {
    throw linuxerr.EINVAL;
  }

  /** Has another thread read a part of the file from the disk, as much as one host call; null when that is not to be had: read and wait. */
  startFetch(_offset: number, _length: number): IOJob | null {
    return null;
  }

  /** As sync(), on another thread; null when that is not to be had, or needless: call sync(). */
  startSync(_dataOnly: boolean): IOJob | null {
    return null;
  }

  /** fallocate(2); mode is FALLOC_FL_*, offset >= 0 and length > 0 were checked. */
  allocate(_mode: number, _offset: number, _length: number): void {
    throw linuxerr.ENODEV;
  }

  /** ioctl(2) beyond the generic ones. */
  ioctl(_t: Task, _cmd: number, _args: SyscallArguments): number {
    throw linuxerr.ENOTTY;
  }

  /** Prepares a mapping: sets opts.mappable and opts.mappingIdentity (with a reference). opts.offset, length, perms are given. */
  configureMMap(_opts: MMapOpts): void {
    throw linuxerr.ENODEV;
  }

  // ---- attributes

  /** fstat(2). */
  stat(out: Statx): void {
    this.inode.stat(out);
    out.mountID = this.vd.mount.id;
  }

  /** fchmod(2), fchown(2), ftruncate(2), futimens(3), with all checks. */
  setStat(opts: SetStatOptions, creds: Credentials): void {
    checkSetStat(this.vd, this.inode, opts, creds, this.writable);
    this.inode.setStat(opts, creds);
    notifyChange(this.vd.dentry, opts.mask);
  }

  /** fstatfs(2). */
  statFS(out: Statfs): void {
    out.reset();
    this.inode.fs.statFS(out);
    out.flags = this.vd.mount.statfsFlags();
  }

  /** fcntl(F_SETFL), O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC; the rest of the flags is kept by the caller. */
  setStatusFlags(flags: number): void {
    this.statusFlags = flags;
  }

  /** Type-specific lines of /proc/[pid]/fdinfo/N, each with its newline. */
  fdInfo(): string {
    return "";
  }

  // ---- readiness

  /** Whether poll(2) and epoll(7) can wait for it; false for regular files and directories, which are always ready. */
  canPoll(): boolean {
    return false;
  }

  /** The bits of `mask` that are ready. */
  readiness(mask: number): number {
    return mask & (EventIn | EventOut | EventRdNorm | EventWrNorm);
  }

  /** Registers for notifications. EPERM when !canPoll(), which is what epoll_ctl(2) answers. */
  eventRegister(_e: Entry): void {
    throw linuxerr.EPERM;
  }

  eventUnregister(_e: Entry): void {}

  // ---- opening a FIFO

  /**
   * Whether open(2) may return the description to the guest. A FIFO opened for one direction is not ready until the other end is opened:
   * the system call then waits on openQueue() and asks again. Giving up is decRef().
   */
  openReady(): boolean {
    return true;
  }

  /** Notified when openReady() may have become true; null when it always is. */
  openQueue(): Queue | null {
    return null;
  }

  // ---- memmap.MappingIdentity

  mappedName(): string {
    return pathnameForMaps(this.vd);
  }

  deviceID(): number {
    return this.inode.fs.devMinor;
  }

  inodeID(): number {
    return this.inode.ino;
  }

  /** msync(2) of a mapping of the range. */
  msyncRange(_start: number, _end: number): void {}
}
