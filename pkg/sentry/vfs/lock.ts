import * as errno from "../../abi/linux/errno.ts";
import { F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH } from "../../abi/linux/file.ts";
import { stateType } from "../../state/index.ts";
import { EventIn, Queue } from "../../waiter/index.ts";

/** The end of a lock that reaches to the end of the file, however it grows (OFFSET_MAX + 1, as far as numbers are exact). */
export const LOCK_MAX = Number.MAX_SAFE_INTEGER;
/** Ranges one file can hold; ENOLCK beyond. */
const MAX_RANGES = 65536;

/** A locked byte range. */
export class LockRange {
  static readonly stateType = stateType("vfs.LockRange", ["type", "start", "end", "owner", "pid"]);
  /** F_RDLCK or F_WRLCK. */
  type: number;
  start: number;
  /** Exclusive. */
  end: number;
  /** The FDTable for POSIX locks, the FileDescription for OFD locks. */
  owner: object;
  /** For F_GETLK: the thread group id in the root pid namespace; -1 for OFD locks. */
  pid: number;

  constructor(type: number, start: number, end: number, owner: object, pid: number) {
    this.type = type;
    this.start = start;
    this.end = end;
    this.owner = owner;
    this.pid = pid;
  }
}

/** What F_GETLK reports. */
export type PosixLockConflict = LockRange;

/** A task that waits for a POSIX lock, for deadlock detection: made by the system call, registered while it blocks. */
export class LockWait {
  static readonly stateType = stateType("vfs.LockWait", ["owner", "blocker"]);
  owner: object;
  /** Owner of the lock in the way. */
  blocker: object;

  constructor(owner: object, blocker: object) {
    this.owner = owner;
    this.blocker = blocker;
  }
}

/**
 * Advisory locks of one inode: record locks (POSIX and open-file-description, fcntl(2)) and whole-file locks (flock(2)).
 * The two kinds do not see each other. Nothing blocks here: -EAGAIN means wait on `queue` and try again.
 */
export class FileLocks {
  static readonly stateType = stateType("vfs.FileLocks", ["ranges", "flocks", "queue"]);
  /** Sorted by start. Ranges of one owner do not overlap; neighbours of one type are merged. */
  ranges: LockRange[] = [];
  /** Holder (FileDescription) to LOCK_SH or LOCK_EX. */
  readonly flocks: Map<object, number> = new Map();
  /** Notified (EventIn) when a lock is released or weakened. */
  readonly queue: Queue = new Queue();

  /** The first lock that keeps `owner` from a lock of this type on [start, end), or null. */
  conflict(owner: object, type: number, start: number, end: number): PosixLockConflict | null {
    for (const r of this.ranges) {
      if (r.start >= end) break;
      if (r.end <= start || r.owner === owner) continue;
      if (type === F_WRLCK || r.type === F_WRLCK) return r;
    }
    return null;
  }

  /**
   * Sets (F_RDLCK, F_WRLCK) or clears (F_UNLCK) a lock of `owner` on [start, end). Returns 0, -EAGAIN when another owner is in the way, or
   * -ENOLCK when there are too many ranges.
   */
  setRange(owner: object, pid: number, type: number, start: number, end: number): number {
    if (type !== F_UNLCK && this.conflict(owner, type, start, end) !== null) return -errno.EAGAIN;
    if (this.ranges.length >= MAX_RANGES && type !== F_UNLCK) return -errno.ENOLCK;
    const kept: LockRange[] = [];
    let from = start;
    let to = end;
    let weaker = false;
    for (const r of this.ranges) {
      if (r.owner !== owner || r.end < start || r.start > end) {
        kept.push(r);
        continue;
      }
      if (r.type === type) {
        // Touching or overlapping: one lock.
        if (r.start < from) from = r.start;
        if (r.end > to) to = r.end;
        continue;
      }
      if (r.end <= start || r.start >= end) {
        kept.push(r);
        continue;
      }
      if (r.type === F_WRLCK || type === F_UNLCK) weaker = true;
      if (r.start < start) kept.push(new LockRange(r.type, r.start, start, owner, r.pid));
      if (r.end > end) kept.push(new LockRange(r.type, end, r.end, owner, r.pid));
    }
    if (type !== F_UNLCK) kept.push(new LockRange(type, from, to, owner, pid));
    kept.sort(byStart);
    this.ranges = kept;
    if (weaker) this.queue.notify(EventIn);
    return 0;
  }

  /**
   * flock(2): LOCK_SH, LOCK_EX or LOCK_UN for a description. Converting first gives up the old lock, as on Linux. Returns 0 or -EAGAIN.
   */
  flock(holder: object, operation: number): number {
    const had = this.flocks.get(holder);
    if (had === operation) return 0;
    if (had !== undefined) {
      this.flocks.delete(holder);
      this.queue.notify(EventIn);
    }
    if (operation !== LOCK_SH && operation !== LOCK_EX) return 0;
    for (const t of this.flocks.values()) {
      if (operation === LOCK_EX || t === LOCK_EX) return -errno.EAGAIN;
    }
    this.flocks.set(holder, operation);
    return 0;
  }

  /** A process closes a descriptor of the file: its POSIX locks end. */
  releasePOSIX(owner: object): void {
    this.releaseOwner(owner);
  }

  /** A description ends: its OFD and flock locks end. */
  releaseDescription(file: object): void {
    this.releaseOwner(file);
    if (this.flocks.delete(file)) this.queue.notify(EventIn);
  }

  releaseOwner(owner: object): void {
    let found = false;
    for (const r of this.ranges) if (r.owner === owner) found = true;
    if (!found) return;
    this.ranges = this.ranges.filter((r) => r.owner !== owner);
    this.queue.notify(EventIn);
  }

  /** Whether no lock is held. */
  isEmpty(): boolean {
    return this.ranges.length === 0 && this.flocks.size === 0;
  }
}

function byStart(a: LockRange, b: LockRange): number {
  return a.start - b.start;
}

/**
 * POSIX lock waits of a kernel, to find deadlocks (EDEADLK of F_SETLKW). An owner waits for at most as many locks as it has tasks;
 * like Linux this follows one chain and gives up after ten steps.
 */
export class LockWaits {
  static readonly stateType = stateType("vfs.LockWaits", ["waits"]);
  readonly waits: Set<LockWait> = new Set();

  /** Whether `owner` waiting for `blocker` would close a circle. */
  wouldDeadlock(owner: object, blocker: object): boolean {
    let at: object | null = blocker;
    for (let steps = 0; at !== null && steps < 10; steps++) {
      if (at === owner) return true;
      let next: object | null = null;
      for (const w of this.waits) if (w.owner === at) next = w.blocker;
      at = next;
    }
    return false;
  }

  /** A task begins to wait; remove() when it stops. */
  add(owner: object, blocker: object): LockWait {
    const w = new LockWait(owner, blocker);
    this.waits.add(w);
    return w;
  }

  /** The wait is over. */
  remove(w: LockWait): void {
    this.waits.delete(w);
  }
}
