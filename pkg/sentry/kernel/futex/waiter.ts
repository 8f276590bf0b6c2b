import { FUTEX_BITSET_MATCH_ANY } from "../../../abi/linux/futex.ts";
import { stateType } from "../../../state/index.ts";
import type { Task } from "../task.ts";

/** One task waiting on one futex word. Made at a task's first wait and used again for every later one. */
export class Waiter {
  static readonly stateType = stateType("futex.Waiter", [
    "task",
    "object",
    "offset",
    "bitset",
    "bucket",
    "prev",
    "next",
    "pi",
    "owner",
    "addr",
    "requeueObject",
    "requeueOffset",
    "requeueAddr",
  ]);
  readonly task: Task;
  /** The key: a memory manager and an address for private futexes, a mappable object and an offset for shared ones. */
  object: object | null = null;
  offset = 0;
  /** Bits that a wake must share with it. */
  bitset = FUTEX_BITSET_MATCH_ANY;
  /** Where it is queued; null: it was woken, or does not wait. */
  bucket: Bucket | null = null;
  prev: Waiter | null = null;
  next: Waiter | null = null;
  /** Waits in FUTEX_LOCK_PI for the word itself, not for a wake. */
  pi = false;
  /** For `pi`: who has the lock; null when it died. */
  owner: Task | null = null;
  /** For `pi`: address of the word in the waiter's memory, to store the new owner. */
  addr = 0;
  /** In FUTEX_WAIT_REQUEUE_PI: key and address of the word that FUTEX_CMP_REQUEUE_PI makes it wait for; null otherwise. */
  requeueObject: object | null = null;
  requeueOffset = 0;
  requeueAddr = 0;

  constructor(task: Task) {
    this.task = task;
  }
}

/** Waiters of keys with the same hash, in order of arrival. */
export class Bucket {
  static readonly stateType = stateType("futex.Bucket", ["head", "tail"]);
  head: Waiter | null = null;
  tail: Waiter | null = null;

  /** Appends a waiter whose key is set. */
  append(w: Waiter): void {
    w.bucket = this;
    w.prev = this.tail;
    w.next = null;
    if (this.tail === null) this.head = w;
    else this.tail.next = w;
    this.tail = w;
  }

  /** Puts a waiter whose key is set in front of another of this bucket; null: at the end. */
  insertBefore(w: Waiter, next: Waiter | null): void {
    if (next === null) {
      this.append(w);
      return;
    }
    w.bucket = this;
    w.prev = next.prev;
    w.next = next;
    if (next.prev === null) this.head = w;
    else next.prev.next = w;
    next.prev = w;
  }

  /** Takes a waiter out. */
  remove(w: Waiter): void {
    if (w.prev === null) this.head = w.next;
    else w.prev.next = w.next;
    if (w.next === null) this.tail = w.prev;
    else w.next.prev = w.prev;
    w.bucket = null;
    w.prev = null;
    w.next = null;
  }
}
