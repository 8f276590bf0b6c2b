import { stateType } from "../../state/index.ts";
import type { Alarm, AlarmOwner } from "./clock_alarm.ts";
import type { Timekeeper } from "./timekeeper.ts";
import { Timer, type TimerListener, type TimerQueue } from "./timer_queue.ts";

/** Something that uses CPU time: a kernel.Task or kernel.ThreadGroup. */
export interface CPUClock {
  /** CPU time used so far, in ns. */
  cpuTimeNs(): number;
}

/** How often a clock that is not running is looked at, at least and at most; ns. The lower bound is about Linux's tick. */
const MIN_POLL = 2_000_000;
const MAX_POLL = 64_000_000;

/**
 * An alarm on CPU time. There is no event for "this thread used so much": the clock is read when it can be due at the earliest, and
 * less and less often while it stands still.
 */
export class CPUAlarm implements Alarm, TimerListener {
  static readonly stateType = stateType("time.CPUAlarm", [
    "timers",
    "timekeeper",
    "timer",
    "owner",
    "clock",
    "parallel",
    "expires",
    "interval",
    "quiet",
    "lastSeen",
    "backoff",
  ]);
  readonly timers: TimerQueue;
  readonly timekeeper: Timekeeper;
  readonly timer: Timer;
  readonly owner: AlarmOwner;
  readonly clock: CPUClock;
  /** How many CPUs the clock may run on at once. */
  readonly parallel: number;
  /** CPU time of the next expiration; Infinity: not armed. */
  expires = Number.POSITIVE_INFINITY;
  interval = 0;
  quiet = false;
  lastSeen = 0;
  backoff = MIN_POLL;

  constructor(timers: TimerQueue, timekeeper: Timekeeper, clock: CPUClock, parallel: number, owner: AlarmOwner) {
    this.timers = timers;
    this.timekeeper = timekeeper;
    this.clock = clock;
    this.parallel = parallel;
    this.owner = owner;
    this.timer = new Timer(this);
  }

  arm(absolute: boolean, sec: number, nsec: number, interval: number, quiet: boolean): void {
    this.disarm();
    this.interval = interval;
    this.quiet = quiet;
    const now = this.clock.cpuTimeNs();
    this.expires = sec * 1e9 + nsec + (absolute ? 0 : now);
    if (!quiet) this.poll(now);
  }

  disarm(): void {
    this.timers.removeTimer(this.timer);
    this.expires = Number.POSITIVE_INFINITY;
  }

  armed(): boolean {
    return this.expires !== Number.POSITIVE_INFINITY;
  }

  remaining(): number {
    return this.armed() ? this.expires - this.clock.cpuTimeNs() : Number.POSITIVE_INFINITY;
  }

  forward(slack: number): number {
    if (!this.armed() || this.interval === 0) return 0;
    const now = this.clock.cpuTimeNs();
    const late = now + slack - this.expires;
    if (late < 0) return 0;
    const n = Math.floor(late / this.interval) + 1;
    this.expires += n * this.interval;
    if (!this.quiet) this.poll(now);
    return n;
  }

  /** Chooses when to look again. */
  poll(now: number): void {
    this.backoff = now === this.lastSeen ? Math.min(this.backoff * 2, MAX_POLL) : MIN_POLL;
    this.lastSeen = now;
    const wait = Math.max((this.expires - now) / this.parallel, this.backoff);
    this.timers.addTimer(this.timer, this.expires <= now ? 0 : this.timekeeper.monotonic() + wait);
  }

  timerExpired(): void {
    const now = this.clock.cpuTimeNs();
    if (now < this.expires) {
      this.poll(now);
      return;
    }
    if (this.interval === 0) this.disarm();
    this.owner.alarmExpired();
  }
}
