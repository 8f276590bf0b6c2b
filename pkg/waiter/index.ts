/**
 * Package waiter is readiness notification: who can become ready offers a Queue, who waits puts an Entry on it.
 * Event bits are poll(2)'s. All objects belong to the sentry's one thread.
 */
import { stateType } from "../state/index.ts";

/** Bits of poll(2), as in include/uapi/asm-generic/poll.h. */
export const EventIn = 0x01;
export const EventPri = 0x02;
export const EventOut = 0x04;
export const EventErr = 0x08;
export const EventHUp = 0x10;
export const EventRdHUp = 0x2000;
export const EventRdNorm = 0x40;
export const EventWrNorm = 0x100;
/** Sent by objects themselves, never asked for by a guest: wakes whatever waits. */
export const EventInternal = 0x8000;
/** What read(2) waits for. */
export const ReadableEvents = EventIn | EventRdNorm;
/** What write(2) waits for. */
export const WritableEvents = EventOut | EventWrNorm;

/** Receives a notification; an object of a named class, never a closure. */
export interface EventListener {
  /** Called inside notify(); must not call back into the notifying object. `mask` holds the bits that became ready. */
  notifyEvent(entry: Entry, mask: number): void;
}

/** Something that can become ready. */
export interface Waitable {
  /** The subset of `mask` (and always EventErr, EventHUp) that is ready now. */
  readiness(mask: number): number;
  /** Puts the entry on the queue of this object. May throw a LinuxError (EPERM for what epoll refuses). */
  eventRegister(entry: Entry): void;
  /** Removes the entry; a no-op when it is not on the queue. */
  eventUnregister(entry: Entry): void;
}

/** One waiter on one queue. Allocate once, register and unregister as often as needed; on at most one queue at a time. */
export class Entry {
  static readonly stateType = stateType("waiter.Entry", ["listener", "mask", "queue", "prev", "next"]);
  listener: EventListener;
  mask: number;
  queue: Queue | null = null;
  prev: Entry | null = null;
  next: Entry | null = null;

  constructor(listener: EventListener, mask: number) {
    this.listener = listener;
    this.mask = mask;
  }
}

/** A list of waiting entries, in order of registration. */
export class Queue {
  static readonly stateType = stateType("waiter.Queue", ["head", "tail"]);
  head: Entry | null = null;
  tail: Entry | null = null;

  /** Adds an entry at the end. */
  eventRegister(e: Entry): void {
    if (e.queue !== null) throw new Error("waiter: entry is already on a queue");
    e.queue = this;
    e.prev = this.tail;
    e.next = null;
    if (this.tail === null) this.head = e;
    else this.tail.next = e;
    this.tail = e;
  }

  /** Removes an entry; a no-op when it is not on this queue. */
  eventUnregister(e: Entry): void {
    if (e.queue !== this) return;
    if (e.prev === null) this.head = e.next;
    else e.prev.next = e.next;
    if (e.next === null) this.tail = e.prev;
    else e.next.prev = e.prev;
    e.queue = null;
    e.prev = null;
    e.next = null;
  }

  /** Tells every entry interested in one of the bits. An entry may unregister itself from inside its callback. */
  notify(mask: number): void {
    let e = this.head;
    while (e !== null) {
      const next = e.next;
      const hit = (e.mask | EventErr | EventHUp) & mask;
      if (hit !== 0) e.listener.notifyEvent(e, hit);
      e = next;
    }
  }

  /** Whether nobody waits. */
  isEmpty(): boolean {
    return this.head === null;
  }
}
