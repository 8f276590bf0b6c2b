import * as linux from "../../abi/linux/inotify.ts";
import { S_IFIFO, S_IFMT } from "../../abi/linux/stat.ts";
import { stateType } from "../../state/index.ts";
import type { Dentry } from "./dentry.ts";
import type { FileDescription } from "./file_description.ts";
import type { Inode } from "./inode.ts";
import { ATTR_ATIME, ATTR_GID, ATTR_MODE, ATTR_MTIME, ATTR_SIZE, ATTR_UID } from "./options.ts";

/** Watches and waiting events there may be in all, whoever has them: they are memory of ours. */
export const MAX_WATCHES = 131072;
export const MAX_EVENTS = 131072;

/** Takes the events of watches: an inotify instance. */
export interface EventSink {
  /** Queues an event; name is empty for events of the watched file itself. */
  queueEvent(wd: number, mask: number, cookie: number, name: string): void;
  /** The watch is gone. */
  watchRemoved(w: Watch): void;
}

/** What one user has of inotify. */
export class InotifyUser {
  static readonly stateType = stateType("vfs.InotifyUser", ["instances", "watches"]);
  instances = 0;
  watches = 0;
}

/** What all inotify instances of a kernel share. */
export class InotifyState {
  static readonly stateType = stateType("vfs.InotifyState", [
    "watches",
    "events",
    "cookie",
    "users",
    "maxUserInstances",
    "maxUserWatches",
    "maxQueuedEvents",
  ]);
  /** Watches there are: while none, nothing is looked at. */
  watches = 0;
  /** Events that wait to be read. */
  events = 0;
  /** Of the last rename. */
  cookie = 0;
  /** By kernel user id. */
  readonly users: Map<number, InotifyUser> = new Map();
  /** The files of /proc/sys/fs/inotify. */
  maxUserInstances = 128;
  maxUserWatches = 65536;
  maxQueuedEvents = 16384;

  /** What a user has. */
  user(kuid: number): InotifyUser {
    let u = this.users.get(kuid);
    if (u === undefined) {
      u = new InotifyUser();
      this.users.set(kuid, u);
    }
    return u;
  }
}

/** What one instance wants to know of one file. */
export class Watch {
  static readonly stateType = stateType("vfs.Watch", ["sink", "wd", "on", "mask"]);
  readonly sink: EventSink;
  /** Its number in the instance. */
  readonly wd: number;
  readonly on: InodeWatches;
  /** IN_ALL_EVENTS, IN_ONESHOT, IN_EXCL_UNLINK. */
  mask: number;

  constructor(sink: EventSink, wd: number, on: InodeWatches, mask: number) {
    this.sink = sink;
    this.wd = wd;
    this.on = on;
    this.mask = mask;
  }

  /** Tells of an event, if it is wanted. `unlinked`: the file has lost the name by which it was reached. */
  notify(mask: number, cookie: number, name: string, unlinked: boolean): void {
    if ((mask & this.mask & linux.IN_ALL_EVENTS) === 0) return;
    if (unlinked && (this.mask & linux.IN_EXCL_UNLINK) !== 0) return;
    this.sink.queueEvent(this.wd, mask, cookie, name);
    if ((this.mask & linux.IN_ONESHOT) !== 0) this.remove();
  }

  /** Ends it, which is an event too. */
  remove(): void {
    this.on.remove(this);
    this.sink.watchRemoved(this);
    this.sink.queueEvent(this.wd, linux.IN_IGNORED, 0, "");
  }
}

/** The watches of a file. */
export class InodeWatches {
  static readonly stateType = stateType("vfs.InodeWatches", ["inode", "place", "watches"]);
  readonly inode: Inode;
  /** Where it was found; held, so that the inode stays. */
  readonly place: Dentry;
  /** By instance: each has one at most. */
  readonly watches: Map<EventSink, Watch> = new Map();

  constructor(place: Dentry) {
    this.inode = place.inode;
    this.place = place;
    place.incRef();
  }

  /** Tells all watches of an event. Those that end with it may be the last. */
  notify(mask: number, cookie = 0, name = "", unlinked = false): void {
    for (const w of this.watches.values()) w.notify(mask, cookie, name, unlinked);
  }

  remove(w: Watch): void {
    if (this.watches.get(w.sink) !== w) return;
    this.watches.delete(w.sink);
    this.inode.fs.vfs.inotify.watches--;
    if (this.watches.size > 0) return;
    this.inode.watches = null;
    this.place.decRef();
  }

  /** The file is gone, or its filesystem: all watches end. */
  removeAll(): void {
    for (const w of [...this.watches.values()]) w.remove();
  }
}

/** Adds IN_ISDIR for directories, except to events of the directory itself that end or move it. */
function withType(inode: Inode, mask: number): number {
  const self = (mask & (linux.IN_DELETE_SELF | linux.IN_MOVE_SELF)) !== 0;
  return self || !inode.isDir() ? mask : (mask | linux.IN_ISDIR) >>> 0;
}

/** An event of a file by itself. */
export function notifyInode(inode: Inode, mask: number): void {
  inode.watches?.notify(withType(inode, mask));
}

/** An event of a name in a directory. */
export function notifyName(dir: Inode, mask: number, name: string, isDir: boolean, cookie = 0): void {
  dir.watches?.notify(isDir ? (mask | linux.IN_ISDIR) >>> 0 : mask, cookie, name);
}

/** An event of a file, told to those who watch its directory and those who watch it. `unlinked`: see Watch.notify. */
export function notifyDentry(d: Dentry, mask: number, unlinked = false): void {
  const { inode, parent } = d;
  const dir = parent === null ? null : parent.inode.watches;
  if (dir === null && inode.watches === null) return;
  const full = withType(inode, mask);
  dir?.notify(full, 0, d.name, unlinked);
  inode.watches?.notify(full, 0, "", unlinked);
}

/** An event of an open file: it was read, written, opened, closed. */
export function notifyFile(file: FileDescription, mask: number): void {
  const { inode } = file;
  if (inode.fs.vfs.inotify.watches === 0) return;
  // What goes through a FIFO is nobody's business (Linux 6.14).
  if ((mask & (linux.IN_ACCESS | linux.IN_MODIFY)) !== 0 && (inode.mode() & S_IFMT) === S_IFIFO) return;
  const d = file.vd.dentry;
  notifyDentry(d, mask, d.deleted);
}

/** A change of attributes, ATTR_* as they were applied (fsnotify_change() of include/linux/fsnotify.h). */
export function notifyChange(d: Dentry, attributes: number): void {
  if (d.fs.vfs.inotify.watches === 0) return;
  let mask = 0;
  if ((attributes & (ATTR_UID | ATTR_GID | ATTR_MODE)) !== 0) mask |= linux.IN_ATTRIB;
  if ((attributes & ATTR_SIZE) !== 0) mask |= linux.IN_MODIFY;
  const times = attributes & (ATTR_ATIME | ATTR_MTIME);
  if (times === (ATTR_ATIME | ATTR_MTIME)) mask |= linux.IN_ATTRIB;
  else if (times === ATTR_ATIME) mask |= linux.IN_ACCESS;
  else if (times === ATTR_MTIME) mask |= linux.IN_MODIFY;
  if (mask !== 0) notifyDentry(d, mask);
}

/** A name was removed, or a holder of a removed name is gone: a file without names and holders is no more. */
export function notifyIfGone(d: Dentry): void {
  const w = d.inode.watches;
  if (w === null || !d.deleted) return;
  const { place } = w;
  const holders = place === d ? d.refs - 1 : d.refs + place.refs - 1;
  if (holders > 0 || (!d.inode.isDir() && !d.inode.linkRefused())) return;
  notifyInode(d.inode, linux.IN_DELETE_SELF);
  w.removeAll();
}

/** The filesystem of a file was unmounted. */
export function notifyUnmount(inode: Inode): void {
  const w = inode.watches;
  if (w === null) return;
  const mask = withType(inode, linux.IN_UNMOUNT);
  for (const each of w.watches.values()) each.sink.queueEvent(each.wd, mask, 0, "");
  w.removeAll();
}

/** A file was renamed. `replaced` has lost its name to it. */
export function notifyMove(
  d: Dentry,
  oldDir: Dentry,
  oldName: string,
  newDir: Dentry,
  newName: string,
  replaced: Dentry | null,
): void {
  const state = d.fs.vfs.inotify;
  if (state.watches === 0) return;
  const isDir = d.inode.isDir();
  state.cookie = (state.cookie + 1) >>> 0 || 1;
  notifyName(oldDir.inode, linux.IN_MOVED_FROM, oldName, isDir, state.cookie);
  notifyName(newDir.inode, linux.IN_MOVED_TO, newName, isDir, state.cookie);
  if (replaced !== null) notifyInode(replaced.inode, linux.IN_ATTRIB);
  notifyInode(d.inode, linux.IN_MOVE_SELF);
  if (replaced !== null) notifyIfGone(replaced);
}
