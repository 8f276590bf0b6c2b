import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_TAI,
} from "../../abi/linux/time.ts";
import { type LoadContext, stateType } from "../../state/index.ts";
import type { ClockListener, Timekeeper } from "./timekeeper.ts";
import { Timer, type TimerListener, type TimerQueue } from "./timer_queue.ts";

/** Hears of a timer's expiration; an object of a named class. */
export interface AlarmOwner {
  /** The alarm went off and is at rest until it is armed or forwarded. */
  alarmExpired(): void;
}

/** What timers are made on: a clock that can be waited for. Times are nanoseconds. */
export interface Alarm {
  /** Starts over: at `sec`, `nsec` of the clock, or after that time. With `quiet` the owner is not told. */
  arm(absolute: boolean, sec: number, nsec: number, interval: number, quiet: boolean): void;
  disarm(): void;
  /** Whether it was armed and has not gone off for good. */
  armed(): boolean;
  /** Time to the next expiration, at most 0 when it is due; Infinity when not armed. */
  remaining(): number;
  /**
   * Moves an expired periodic alarm to its first expiration after now (and `slack`) and arms it; returns how many intervals that was,
   * 0 when it is not due or not periodic.
   */
  forward(slack: number): number;
  readonly interval: number;
}

/** An alarm on a clock of the system: REALTIME, MONOTONIC, BOOTTIME, TAI. */
export class ClockAlarm implements Alarm, TimerListener, ClockListener {
  static readonly stateType = stateType("time.ClockAlarm", [
    "timers",
    "timekeeper",
    "timer",
    "owner",
    "clock",
    "deadline",
    "interval",
    "followsClock",
    "targetSec",
    "targetNsec",
    "advanced",
    "quiet",
  ]);
  readonly timers: TimerQueue;
  readonly timekeeper: Timekeeper;
  readonly timer: Timer;
  readonly owner: AlarmOwner;
  readonly clock: number;
  /** Next expiration in CLOCK_MONOTONIC ns; Infinity: not armed. */
  deadline = Number.POSITIVE_INFINITY;
  interval = 0;
  /** The target is a point of a clock that may be set: deadline changes with it. */
  followsClock = false;
  targetSec = 0;
  targetNsec = 0;
  /** Intervals added to the target so far, in ns. */
  advanced = 0;
  quiet = false;

  constructor(timers: TimerQueue, timekeeper: Timekeeper, clock: number, owner: AlarmOwner) {
    this.timers = timers;
    this.timekeeper = timekeeper;
    this.clock = clock;
    this.owner = owner;
    this.timer = new Timer(this);
  }

  /** What follows a clock that can be set is computed anew by whoever restores the kernel. */
  afterLoad(ctx: LoadContext): void {
    this.deadline += ctx.monotonicShift;
  }

  arm(absolute: boolean, sec: number, nsec: number, interval: number, quiet: boolean): void {
    this.disarm();
    this.interval = interval;
    this.quiet = quiet;
    if (absolute) {
      this.followsClock = this.clock === CLOCK_REALTIME || this.clock === CLOCK_TAI;
      this.targetSec = sec;
      this.targetNsec = nsec;
      this.advanced = 0;
      this.deadline = this.timekeeper.deadline(this.clock, sec, nsec);
      if (this.followsClock) this.timekeeper.listeners.add(this);
    } else {
      this.deadline = this.timekeeper.monotonic() + (sec * 1e9 + nsec);
    }
    if (!quiet) this.timers.addTimer(this.timer, this.deadline);
  }

  disarm(): void {
    this.timers.removeTimer(this.timer);
    if (this.followsClock) {
      this.followsClock = false;
      this.timekeeper.listeners.delete(this);
    }
    this.deadline = Number.POSITIVE_INFINITY;
  }

  armed(): boolean {
    return this.deadline !== Number.POSITIVE_INFINITY;
  }

  remaining(): number {
    return this.armed() ? this.deadline - this.timekeeper.monotonic() : Number.POSITIVE_INFINITY;
  }

  forward(slack: number): number {
    if (!this.armed() || this.interval === 0) return 0;
    const late = this.timekeeper.monotonic() + slack - this.deadline;
    if (late < 0) return 0;
    const n = Math.floor(late / this.interval) + 1;
    this.deadline += n * this.interval;
    this.advanced += n * this.interval;
    if (!this.quiet) this.timers.addTimer(this.timer, this.deadline);
    return n;
  }

  timerExpired(): void {
    if (this.interval === 0) this.disarm();
    this.owner.alarmExpired();
  }

  clockWasSet(): void {
    this.deadline = this.timekeeper.deadline(this.clock, this.targetSec, this.targetNsec) + this.advanced;
    // One that has gone off waits to be forwarded.
    if (this.timer.queued) this.timers.addTimer(this.timer, this.deadline);
  }
}

/** The clock that an alarm for `clock` is made on: the alarm clocks differ only in waking a suspended machine. */
export function baseClock(clock: number): number {
  switch (clock) {
    case CLOCK_REALTIME_ALARM:
      return CLOCK_REALTIME;
    case CLOCK_BOOTTIME_ALARM:
      return CLOCK_BOOTTIME;
    default:
      return clock;
  }
}
