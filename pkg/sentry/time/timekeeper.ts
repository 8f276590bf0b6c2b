import {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_REALTIME,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
} from "../../abi/linux/time.ts";
import * as host from "../../hostsyscall/index.ts";
import { setFields, stateType } from "../../state/index.ts";
import { EventIn } from "../../waiter/index.ts";
import type { FDListener, Platform } from "../platform/platform.ts";
import type { Timestamp } from "../vfs/index.ts";

/** Hears that CLOCK_REALTIME jumped: deadlines on it must be computed anew. An object of a named class. */
export interface ClockListener {
  clockWasSet(): void;
}

/** TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET. */
const ABSTIME_CANCEL = 3;
const TFD_NONBLOCK_CLOEXEC = 0o2004000;
/** A point of CLOCK_REALTIME that never comes, exact as a number of nanoseconds. */
const FAR_FUTURE = 2 ** 62;

/** The clocks of a kernel: the host's, read in its vDSO, so that they agree with what guests read in theirs. */
export class Timekeeper implements FDListener {
  static readonly stateType = stateType(
    "time.Timekeeper",
    ["listeners"],
    ["time", "platform", "watchedFD", "readBuffer"],
  );
  /** Filled by read(). */
  readonly time: host.HostTime = new host.HostTime();
  readonly listeners: Set<ClockListener> = new Set();
  platform: Platform | null = null;
  watchedFD = -1;
  readonly readBuffer: Uint8Array = new Uint8Array(8);

  /** Jumps of the clock are watched again once watchClockChanges is called. */
  afterLoad(): void {
    setFields<Timekeeper>(this, { time: new host.HostTime(), readBuffer: new Uint8Array(8) });
    this.platform = null;
    this.watchedFD = -1;
  }

  /** Nanoseconds of CLOCK_MONOTONIC, the clock of all deadlines. */
  monotonic(): number {
    return host.clockGettime(CLOCK_MONOTONIC);
  }

  /** Nanoseconds of a clock that starts near zero: MONOTONIC, its variants, BOOTTIME. */
  now(clock: number): number {
    return host.clockGettime(clock);
  }

  /** Reads any of the system's clocks into `time`; 0 or -EINVAL. */
  read(clock: number): number {
    return host.clockGettimeTo(clock, this.time);
  }

  /** Resolution of one of the system's clocks in ns, or -EINVAL. */
  resolution(clock: number): number {
    return host.clockGetres(clock);
  }

  /** For file timestamps. */
  realtimeCoarse(out: Timestamp): void {
    host.clockGettimeTo(CLOCK_REALTIME_COARSE, this.time);
    out.sec = this.time.sec;
    out.nsec = this.time.nsec;
  }

  /** Seconds since the epoch. */
  realtimeSeconds(): number {
    host.clockGettimeTo(CLOCK_REALTIME_COARSE, this.time);
    return this.time.sec;
  }

  /** Nanoseconds from now until `sec`, `nsec` on a clock; negative when it has passed. */
  untilAbsolute(clock: number, sec: number, nsec: number): number {
    host.clockGettimeTo(clock, this.time);
    return (sec - this.time.sec) * 1e9 + (nsec - this.time.nsec);
  }

  /** The CLOCK_MONOTONIC nanoseconds at which a clock will show `sec`, `nsec`, as things stand. */
  deadline(clock: number, sec: number, nsec: number): number {
    if (clock === CLOCK_MONOTONIC) return sec * 1e9 + nsec;
    const d = this.untilAbsolute(clock, sec, nsec);
    return this.monotonic() + d;
  }

  /** Whether the clock exists here as a system-wide one. */
  isSystemClock(clock: number): boolean {
    switch (clock) {
      case CLOCK_REALTIME:
      case CLOCK_MONOTONIC:
      case CLOCK_MONOTONIC_RAW:
      case CLOCK_REALTIME_COARSE:
      case CLOCK_MONOTONIC_COARSE:
      case CLOCK_BOOTTIME:
      case CLOCK_TAI:
        return true;
      default:
        return false;
    }
  }

  // ---- jumps of CLOCK_REALTIME

  /**
   * Starts to watch for jumps, with a host timer that is cancelled by them; called once, before the process is confined. Without it
   * listeners hear nothing.
   */
  watchClockChanges(platform: Platform): void {
    const fd = host.timerfdCreate(CLOCK_REALTIME, TFD_NONBLOCK_CLOEXEC);
    if (fd < 0) return;
    if (host.timerfdSettime(fd, ABSTIME_CANCEL, FAR_FUTURE, 0) < 0) {
      host.close(fd);
      return;
    }
    this.platform = platform;
    this.watchedFD = fd;
    platform.watchFD(fd, EventIn, this);
  }

  fdReady(fd: number, _mask: number): void {
    // Answers ECANCELED once for every jump; the timer stays armed.
    host.read(fd, this.readBuffer, 0, 8);
    for (const l of [...this.listeners]) l.clockWasSet();
  }
}
