import { type LoadContext, stateType } from "../../state/index.ts";

/** Hears of a timer's expiration; an object of a named class. */
export interface TimerListener {
  /** The timer left the queue because `now` (CLOCK_MONOTONIC ns) reached its expiration; it may be added again here. */
  timerExpired(timer: Timer, now: number): void;
}

/** One deadline. Allocate once, add and remove as often as needed. */
export class Timer {
  static readonly stateType = stateType("time.Timer", ["listener", "expiration", "index"]);
  listener: TimerListener;
  /** CLOCK_MONOTONIC nanoseconds; meaningful while queued. */
  expiration = 0;
  /** Position in the heap, -1 when not queued. */
  index = -1;

  constructor(listener: TimerListener) {
    this.listener = listener;
  }

  /** All timers move by the same: their order stays. */
  afterLoad(ctx: LoadContext): void {
    this.expiration += ctx.monotonicShift;
  }

  /** Whether it is in a queue. */
  get queued(): boolean {
    return this.index >= 0;
  }
}

/** Timers in order of expiration: a binary heap. */
export class TimerQueue {
  static readonly stateType = stateType("time.TimerQueue", ["heap"]);
  readonly heap: Timer[] = [];

  /** Queues a timer, or moves it when it is queued already. An expiration of Infinity removes it. */
  addTimer(t: Timer, expiration: number): void {
    if (expiration === Number.POSITIVE_INFINITY) {
      this.removeTimer(t);
      return;
    }
    t.expiration = expiration;
    if (t.index < 0) {
      t.index = this.heap.length;
      this.heap.push(t);
      this.up(t);
    } else {
      this.up(t);
      this.down(t);
    }
  }

  /** Takes a timer out; a no-op when it is not queued. */
  removeTimer(t: Timer): void {
    const i = t.index;
    if (i < 0) return;
    t.index = -1;
    const last = this.heap.pop();
    if (last === undefined || last === t) return;
    this.heap[i] = last;
    last.index = i;
    this.up(last);
    this.down(last);
  }

  /** The earliest expiration, Infinity when empty. */
  next(): number {
    const t = this.heap[0];
    return t === undefined ? Number.POSITIVE_INFINITY : t.expiration;
  }

  /** Expires timers due at `now`, at most `limit` of them; returns how many. */
  runDue(now: number, limit: number): number {
    let n = 0;
    while (n < limit) {
      const t = this.heap[0];
      if (t === undefined || t.expiration > now) break;
      this.removeTimer(t);
      t.listener.timerExpired(t, now);
      n++;
    }
    return n;
  }

  /** Moves a timer towards the root. */
  up(t: Timer): void {
    let i = t.index;
    while (i > 0) {
      const pi = (i - 1) >> 1;
      const p = this.heap[pi];
      if (p === undefined || p.expiration <= t.expiration) break;
      this.heap[i] = p;
      p.index = i;
      i = pi;
    }
    this.heap[i] = t;
    t.index = i;
  }

  /** Moves a timer towards the leaves. */
  down(t: Timer): void {
    const n = this.heap.length;
    let i = t.index;
    for (;;) {
      let ci = 2 * i + 1;
      if (ci >= n) break;
      let c = this.heap[ci];
      const r = this.heap[ci + 1];
      if (c !== undefined && r !== undefined && r.expiration < c.expiration) {
        c = r;
        ci++;
      }
      if (c === undefined || c.expiration >= t.expiration) break;
      this.heap[i] = c;
      c.index = i;
      i = ci;
    }
    this.heap[i] = t;
    t.index = i;
  }
}
