import * as errno from "../../abi/linux/errno.ts";
import * as linux from "../../abi/linux/inotify.ts";
import { FIONREAD } from "../../abi/linux/ioctl.ts";
import { makeDeviceID } from "../../abi/linux/stat.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import { type Entry, Queue, ReadableEvents } from "../../waiter/index.ts";
import type { SyscallArguments } from "../kernel/syscalls.ts";
import type { Task } from "../kernel/task.ts";
import type { IOSequence } from "../usermem/index.ts";
import { FileDescription } from "./file_description.ts";
import { type EventSink, InodeWatches, type InotifyUser, MAX_EVENTS, MAX_WATCHES, Watch } from "./inotify.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

const INT_MAX = 0x7fffffff;
const WATCH_FLAGS = linux.IN_ONESHOT | linux.IN_EXCL_UNLINK;

/** An event that waits to be read. */
export class InotifyEvent {
  static readonly stateType = stateType("vfs.InotifyEvent", ["wd", "mask", "cookie", "name", "next"]);
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
  next: InotifyEvent | null = null;

  constructor(wd: number, mask: number, cookie: number, name: string) {
    this.wd = wd;
    this.mask = mask;
    this.cookie = cookie;
    this.name = name;
  }

  /** Bytes of its struct inotify_event. */
  size(): number {
    const unit = linux.SizeofInotifyEvent;
    return unit + (this.name === "" ? 0 : Math.ceil((this.name.length + 1) / unit) * unit);
  }

  /** Whether another event says the same; only one of them is kept when they follow each other. */
  equals(wd: number, mask: number, name: string): boolean {
    return this.wd === wd && this.mask === mask && this.name === name;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.size());
    const v = new DataView(bytes.buffer);
    v.setInt32(0, this.wd, true);
    v.setUint32(4, this.mask, true);
    v.setUint32(8, this.cookie, true);
    v.setUint32(12, bytes.length - linux.SizeofInotifyEvent, true);
    for (let i = 0; i < this.name.length; i++) bytes[linux.SizeofInotifyEvent + i] = this.name.charCodeAt(i);
    return bytes;
  }
}

/** An inotify instance: watches, and the events that they have seen. */
export class InotifyFileDescription extends FileDescription implements EventSink {
  static override readonly stateType = stateType("vfs.InotifyFileDescription", [
    "user",
    "watches",
    "lastWD",
    "first",
    "last",
    "count",
    "queue",
  ]);
  readonly user: InotifyUser;
  /** By number. */
  readonly watches: Map<number, Watch> = new Map();
  lastWD = 0;
  first: InotifyEvent | null = null;
  last: InotifyEvent | null = null;
  count = 0;
  readonly queue: Queue = new Queue();

  /** EMFILE when the user has too many. */
  constructor(vd: VirtualDentry, flags: number, user: InotifyUser) {
    if (user.instances >= vd.inode.fs.vfs.inotify.maxUserInstances) throw linuxerr.EMFILE;
    super(vd, flags);
    this.user = user;
    user.instances++;
  }

  override release(): void {
    for (const w of [...this.watches.values()]) w.remove();
    this.first = null;
    this.last = null;
    this.user.instances--;
    this.inode.fs.vfs.inotify.events -= this.count;
    super.release();
  }

  // ---- watches

  /** inotify_add_watch(2) on a file that was found: the number. ENOSPC, EEXIST. */
  addWatch(place: VirtualDentry, mask: number): number {
    const { dentry } = place;
    const { inotify } = dentry.fs.vfs;
    const wanted = (mask & (linux.IN_ALL_EVENTS | WATCH_FLAGS)) >>> 0;
    const old = dentry.inode.watches?.watches.get(this);
    if (old !== undefined) {
      if ((mask & linux.IN_MASK_CREATE) !== 0) throw linuxerr.EEXIST;
      old.mask = (mask & linux.IN_MASK_ADD) !== 0 ? (old.mask | wanted) >>> 0 : wanted;
      return old.wd;
    }
    if (this.user.watches >= inotify.maxUserWatches || inotify.watches >= MAX_WATCHES) throw linuxerr.ENOSPC;
    const on = dentry.inode.watches ?? new InodeWatches(dentry);
    dentry.inode.watches = on;
    const w = new Watch(this, this.newWD(), on, wanted);
    on.watches.set(this, w);
    this.watches.set(w.wd, w);
    this.user.watches++;
    inotify.watches++;
    return w.wd;
  }

  /** Numbers are not used again before all others were. */
  newWD(): number {
    do this.lastWD = this.lastWD === INT_MAX ? 1 : this.lastWD + 1;
    while (this.watches.has(this.lastWD));
    return this.lastWD;
  }

  /** inotify_rm_watch(2). EINVAL. */
  removeWatch(wd: number): void {
    const w = this.watches.get(wd);
    if (w === undefined) throw linuxerr.EINVAL;
    w.remove();
  }

  watchRemoved(w: Watch): void {
    this.watches.delete(w.wd);
    this.user.watches--;
  }

  // ---- events

  queueEvent(wd: number, mask: number, cookie: number, name: string): void {
    if (this.refs === 0 || this.last?.equals(wd, mask, name) === true) return;
    const { inotify } = this.inode.fs.vfs;
    if (this.last?.mask === linux.IN_Q_OVERFLOW) return;
    const overflow = this.count >= inotify.maxQueuedEvents || inotify.events >= MAX_EVENTS;
    const e = overflow ? new InotifyEvent(-1, linux.IN_Q_OVERFLOW, 0, "") : new InotifyEvent(wd, mask, cookie, name);
    if (this.last === null) this.first = e;
    else this.last.next = e;
    this.last = e;
    this.count++;
    inotify.events++;
    this.queue.notify(ReadableEvents);
  }

  override read(dst: IOSequence): number {
    if (this.first === null) return -errno.EAGAIN;
    let done = 0;
    for (let e: InotifyEvent | null = this.first; e !== null; e = this.first) {
      const size = e.size();
      if (size > dst.numBytes()) {
        if (done === 0) throw linuxerr.EINVAL;
        break;
      }
      this.first = e.next;
      if (e.next === null) this.last = null;
      this.count--;
      this.inode.fs.vfs.inotify.events--;
      // What cannot be delivered is lost.
      if (dst.copyOut(e.encode(), 0, size) < size) throw linuxerr.EFAULT;
      done += size;
    }
    return done;
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    if (cmd !== FIONREAD) throw linuxerr.ENOTTY;
    let n = 0;
    for (let e = this.first; e !== null; e = e.next) n += e.size();
    t.copyOutI32(args.u64(2), n);
    return 0;
  }

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    return this.first === null ? 0 : mask & ReadableEvents;
  }

  override eventRegister(e: Entry): void {
    this.queue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.queue.eventUnregister(e);
  }

  /** noop_llseek: any seek succeeds and changes nothing. */
  override seek(_offset: number, _whence: number): number {
    return 0;
  }

  override fdInfo(): string {
    let s = "";
    for (const w of this.watches.values()) {
      const { inode } = w.on;
      const dev = makeDeviceID(0, inode.fs.devMinor).toString(16);
      s += `inotify wd:${w.wd.toString(16)} ino:${inode.ino.toString(16)} sdev:${dev} mask:${w.mask.toString(16)} ignored_mask:0 \n`;
    }
    return s;
  }
}
