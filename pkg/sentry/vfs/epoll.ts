import { EPOLLERR, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP, EPOLLONESHOT, EPOLLWAKEUP } from "../../abi/linux/epoll.ts";
import * as errno from "../../abi/linux/errno.ts";
import { stateType } from "../../state/index.ts";
import { Entry, EventIn, type EventListener, EventRdNorm, Queue } from "../../waiter/index.ts";
import { FileDescription } from "./file_description.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** Bits of an interest's mask that are instructions, not events: they stay when EPOLLONESHOT disarms it. */
const PRIVATE_BITS = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;
/** Event bits: the sixteen of poll(2). */
const EVENT_BITS = 0xffff;
/** Longest chain of epoll instances (Linux's EP_MAX_NESTS). */
const MAX_NESTS = 4;
/** How many chains of each length may lead away from one file, so that one wakeup stays cheap; any number of length 1. */
const PATH_LIMITS: readonly number[] = [1000, 500, 100, 50, 10];
/** Watches all epoll instances of a sandbox may hold; Linux has a limit per user that depends on memory. */
const MAX_USER_WATCHES = 200000;

/** Counts the watches of all epoll instances of a kernel. */
export class EpollAccounting {
  static readonly stateType = stateType("vfs.EpollAccounting", ["watches", "maxUserWatches"]);
  watches = 0;
  /** /proc/sys/fs/epoll/max_user_watches. */
  maxUserWatches = MAX_USER_WATCHES;
}

/** One (file, descriptor) pair that an epoll instance watches. */
export class EpollInterest implements EventListener {
  static readonly stateType = stateType("vfs.EpollInterest", [
    "epoll",
    "file",
    "fd",
    "mask",
    "dataLow",
    "dataHigh",
    "entry",
    "ready",
    "readyNext",
    "readyPrev",
    "sameFD",
    "filePrev",
    "fileNext",
  ]);
  epoll: EventPoll;
  /** No reference is held: the description takes its interests down when it is released. */
  file: FileDescription;
  fd: number;
  mask = 0;
  dataLow = 0;
  dataHigh = 0;
  entry: Entry;
  /** On the ready list. */
  ready = false;
  readyNext: EpollInterest | null = null;
  readyPrev: EpollInterest | null = null;
  /** The next interest with the same descriptor number (and another, older file). */
  sameFD: EpollInterest | null = null;
  /** Neighbours in the list of the file. */
  filePrev: EpollInterest | null = null;
  fileNext: EpollInterest | null = null;

  constructor(epoll: EventPoll, file: FileDescription, fd: number) {
    this.epoll = epoll;
    this.file = file;
    this.fd = fd;
    this.entry = new Entry(this, 0);
  }

  notifyEvent(_entry: Entry, mask: number): void {
    if ((this.mask & EVENT_BITS) === 0) return;
    if (mask !== 0 && (mask & this.mask) === 0) return;
    this.epoll.setReady(this);
  }

  /** Events of the interest that are pending now. */
  pending(): number {
    const want = this.mask & EVENT_BITS;
    if (want === 0) return 0;
    return this.file.readiness(want) & want;
  }
}

/** An epoll instance: epoll_create(2). */
export class EventPoll extends FileDescription {
  static override readonly stateType = stateType("vfs.EventPoll", [
    "interests",
    "readyHead",
    "readyTail",
    "readyCount",
    "queue",
    "waiters",
    "accounting",
  ]);
  /** By descriptor number. */
  interests: Map<number, EpollInterest> = new Map();
  readyHead: EpollInterest | null = null;
  readyTail: EpollInterest | null = null;
  readyCount = 0;
  /** poll(2), select(2) and outer epoll instances. */
  queue: Queue = new Queue();
  /** epoll_wait(2): woken one at a time, in order. */
  waiters: Queue = new Queue();
  accounting: EpollAccounting;

  constructor(vd: VirtualDentry, flags: number, accounting: EpollAccounting) {
    super(vd, flags);
    this.accounting = accounting;
  }

  /** Tears down all interests. */
  override release(): void {
    for (const first of this.interests.values()) {
      for (let i: EpollInterest | null = first; i !== null; i = i.sameFD) this.detach(i);
    }
    this.interests.clear();
    super.release();
  }

  override canPoll(): boolean {
    return true;
  }

  /** An epoll instance is readable while an event is pending. */
  override readiness(mask: number): number {
    if ((mask & (EventIn | EventRdNorm)) === 0) return 0;
    return this.anyPending() ? mask & (EventIn | EventRdNorm) : 0;
  }

  override eventRegister(e: Entry): void {
    this.queue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.queue.eventUnregister(e);
  }

  /** Whether any entry of the ready list is still ready; those that are not leave the list. */
  anyPending(): boolean {
    while (this.readyHead !== null) {
      if (this.readyHead.pending() !== 0) return true;
      this.unsetReady(this.readyHead);
    }
    return false;
  }

  /** The interest in a pair, or null. */
  find(file: FileDescription, fd: number): EpollInterest | null {
    let i = this.interests.get(fd) ?? null;
    while (i !== null && i.file !== file) i = i.sameFD;
    return i;
  }

  /** EPOLL_CTL_ADD; the mask and the pair have been checked by the system call. Returns 0 or a negative errno. */
  add(file: FileDescription, fd: number, mask: number, dataLow: number, dataHigh: number): number {
    if (file instanceof EventPoll) {
      const memo = new Map<EventPoll, number>();
      const below = depthBelow(file, this, 0, memo);
      if (below > MAX_NESTS || below + heightAbove(this, 0, new Map()) + 1 > MAX_NESTS) return -errno.ELOOP;
    }
    if (this.find(file, fd) !== null) return -errno.EEXIST;
    if (this.accounting.watches >= this.accounting.maxUserWatches) return -errno.ENOSPC;
    const i = new EpollInterest(this, file, fd);
    i.mask = mask | EPOLLERR | EPOLLHUP;
    i.dataLow = dataLow;
    i.dataHigh = dataHigh;
    i.entry.mask = i.mask & EVENT_BITS;
    // Link to the file first: the path check follows these links.
    i.fileNext = file.epolls;
    if (file.epolls !== null) file.epolls.filePrev = i;
    file.epolls = i;
    i.sameFD = this.interests.get(fd) ?? null;
    this.interests.set(fd, i);
    this.accounting.watches++;
    if ((this.epolls !== null || file instanceof EventPoll) && !pathsAllowed(file)) {
      this.remove(i);
      return -errno.EINVAL;
    }
    try {
      file.eventRegister(i.entry);
    } catch (e) {
      this.remove(i);
      throw e;
    }
    if (i.pending() !== 0) this.setReady(i);
    return 0;
  }

  /** EPOLL_CTL_MOD. */
  modify(i: EpollInterest, mask: number, dataLow: number, dataHigh: number): number {
    if ((i.mask & EPOLLEXCLUSIVE) !== 0) return -errno.EINVAL;
    i.mask = mask | EPOLLERR | EPOLLHUP;
    i.dataLow = dataLow;
    i.dataHigh = dataHigh;
    // Register anew: a file may look at the mask of its entries when they arrive.
    i.file.eventUnregister(i.entry);
    i.entry.mask = i.mask & EVENT_BITS;
    i.file.eventRegister(i.entry);
    if (i.pending() !== 0) this.setReady(i);
    return 0;
  }

  /** EPOLL_CTL_DEL, and the end of the file. */
  remove(i: EpollInterest): void {
    const first = this.interests.get(i.fd) ?? null;
    if (first === i) {
      if (i.sameFD === null) this.interests.delete(i.fd);
      else this.interests.set(i.fd, i.sameFD);
    } else {
      for (let p = first; p !== null; p = p.sameFD) {
        if (p.sameFD === i) {
          p.sameFD = i.sameFD;
          break;
        }
      }
    }
    this.detach(i);
  }

  /** Takes an interest off its file and the ready list. */
  detach(i: EpollInterest): void {
    i.file.eventUnregister(i.entry);
    if (i.filePrev === null) i.file.epolls = i.fileNext;
    else i.filePrev.fileNext = i.fileNext;
    if (i.fileNext !== null) i.fileNext.filePrev = i.filePrev;
    i.filePrev = null;
    i.fileNext = null;
    this.unsetReady(i);
    this.accounting.watches--;
  }

  /** Puts an interest on the ready list and wakes a waiter. */
  setReady(i: EpollInterest): void {
    if (!i.ready) this.pushReady(i);
    this.wake();
  }

  /** Wakes one epoll_wait(2) and all pollers. */
  wake(): void {
    const w = this.waiters.head;
    if (w !== null) {
      this.waiters.eventUnregister(w);
      w.listener.notifyEvent(w, EventIn);
    }
    if (!this.queue.isEmpty()) this.queue.notify(EventIn | EventRdNorm);
  }

  /** A waiter gives up: events it may have been woken for go to the next one. */
  passOn(): void {
    if (this.readyHead === null) return;
    const w = this.waiters.head;
    if (w === null) return;
    this.waiters.eventUnregister(w);
    w.listener.notifyEvent(w, EventIn);
  }

  /** Appends to the ready list. */
  pushReady(i: EpollInterest): void {
    i.ready = true;
    i.readyNext = null;
    i.readyPrev = this.readyTail;
    if (this.readyTail === null) this.readyHead = i;
    else this.readyTail.readyNext = i;
    this.readyTail = i;
    this.readyCount++;
  }

  /** Puts an interest back at the head of the ready list: its event could not be delivered. */
  unshiftReady(i: EpollInterest): void {
    if (i.ready) this.unsetReady(i);
    i.ready = true;
    i.readyPrev = null;
    i.readyNext = this.readyHead;
    if (this.readyHead === null) this.readyTail = i;
    else this.readyHead.readyPrev = i;
    this.readyHead = i;
    this.readyCount++;
  }

  /** Takes an interest off the ready list, if it is there. */
  unsetReady(i: EpollInterest): void {
    if (!i.ready) return;
    if (i.readyPrev === null) this.readyHead = i.readyNext;
    else i.readyPrev.readyNext = i.readyNext;
    if (i.readyNext === null) this.readyTail = i.readyPrev;
    else i.readyNext.readyPrev = i.readyPrev;
    i.ready = false;
    i.readyNext = null;
    i.readyPrev = null;
    this.readyCount--;
  }

  /**
   * Collects up to `max` events as struct epoll_event into `words` (three words an event) and returns how many.
   * `reported` gets the interests, so that uncollect can undo what could not be copied to the guest.
   */
  collect(words: Uint32Array, max: number, reported: EpollInterest[]): number {
    let n = 0;
    // Level-triggered interests go to the end of the list again; the count keeps this from going round.
    for (let left = this.readyCount; left > 0 && n < max; left--) {
      const i = this.readyHead;
      if (i === null) break;
      this.unsetReady(i);
      const events = i.pending();
      if (events === 0) continue;
      words[3 * n] = events;
      words[3 * n + 1] = i.dataLow;
      words[3 * n + 2] = i.dataHigh;
      reported[n] = i;
      n++;
      if ((i.mask & (EPOLLET | EPOLLONESHOT)) === 0) this.pushReady(i);
    }
    return n;
  }

  /** Disarms EPOLLONESHOT interests among the first n reported: their events reached the guest. */
  delivered(reported: EpollInterest[], n: number): void {
    for (let k = 0; k < n; k++) {
      const i = reported[k];
      if (i !== undefined && (i.mask & EPOLLONESHOT) !== 0) i.mask &= PRIVATE_BITS;
    }
  }

  /** Puts the interests from index `from` on back to the front of the ready list. */
  uncollect(reported: EpollInterest[], from: number, to: number): void {
    for (let k = to - 1; k >= from; k--) {
      const i = reported[k];
      if (i !== undefined) this.unshiftReady(i);
    }
  }

  /** The lines of /proc/[pid]/fdinfo. */
  override fdInfo(): string {
    let s = "";
    for (const first of this.interests.values()) {
      for (let i: EpollInterest | null = first; i !== null; i = i.sameFD) {
        const data = ((BigInt(i.dataHigh) << 32n) | BigInt(i.dataLow >>> 0)).toString(16);
        s += `tfd: ${String(i.fd).padStart(8)} events: ${(i.mask >>> 0).toString(16).padStart(8)} data: ${data.padStart(16)}`;
        s += `  pos:${i.file.position()} ino:${i.file.inodeID().toString(16)} sdev:${i.file.deviceID().toString(16)}\n`;
      }
    }
    return s;
  }

  /** noop_llseek. */
  override seek(_offset: number, _whence: number): number {
    return 0;
  }
}

/**
 * Length of the longest chain of epoll instances below ep; more than MAX_NESTS when it contains `outer` or is too long. `memo` has the
 * instances already measured: a hostile graph has many paths and few nodes.
 */
function depthBelow(ep: EventPoll, outer: EventPoll, depth: number, memo: Map<EventPoll, number>): number {
  if (ep === outer || depth > MAX_NESTS) return MAX_NESTS + 1;
  const known = memo.get(ep);
  if (known !== undefined) return known;
  let most = 0;
  for (const first of ep.interests.values()) {
    for (let i: EpollInterest | null = first; i !== null; i = i.sameFD) {
      if (i.file instanceof EventPoll) most = Math.max(most, depthBelow(i.file, outer, depth + 1, memo) + 1);
      if (most > MAX_NESTS) return most;
    }
  }
  memo.set(ep, most);
  return most;
}

/** Length of the longest chain of epoll instances that contain ep. */
function heightAbove(ep: EventPoll, depth: number, memo: Map<EventPoll, number>): number {
  if (depth > MAX_NESTS) return MAX_NESTS + 1;
  const known = memo.get(ep);
  if (known !== undefined) return known;
  let most = 0;
  for (let i = ep.epolls; i !== null; i = i.fileNext) {
    most = Math.max(most, heightAbove(i.epoll, depth + 1, memo) + 1);
    if (most > MAX_NESTS) return most;
  }
  memo.set(ep, most);
  return most;
}

/** Whether the number of wakeup paths that leave a file stays within PATH_LIMITS. */
function pathsAllowed(file: FileDescription): boolean {
  const counts = [0, 0, 0, 0, 0];
  return countPaths(file, 0, counts);
}

function countPaths(file: FileDescription, depth: number, counts: number[]): boolean {
  if (depth >= PATH_LIMITS.length) return false;
  for (let i = file.epolls; i !== null; i = i.fileNext) {
    if (i.epoll.epolls !== null) {
      if (!countPaths(i.epoll, depth + 1, counts)) return false;
    } else if (depth > 0) {
      const n = (counts[depth] ?? 0) + 1;
      counts[depth] = n;
      if (n > (PATH_LIMITS[depth] ?? 0)) return false;
    }
  }
  return true;
}
