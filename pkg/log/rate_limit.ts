/** Limiting how often something is logged because a guest did it. */
import { stateType } from "../state/index.ts";

/** Allows `burst` events at once and one more per period; counts what it refuses. */
export class RateLimiter {
  static readonly stateType = stateType("log.RateLimiter", ["periodNs", "burst", "credit", "dropped"], ["last"]);
  readonly periodNs: number;
  readonly burst: number;
  credit: number;
  last = Number.NEGATIVE_INFINITY;
  /** Events refused since the last one allowed. */
  dropped = 0;

  constructor(periodNs: number, burst: number) {
    this.periodNs = periodNs;
    this.burst = burst;
    this.credit = burst;
  }

  /** Whether to log now; `nowNs` is a monotonic clock. */
  allow(nowNs: number): boolean {
    if (this.last > nowNs) {
      this.last = nowNs;
    }
    const earned = Math.floor((nowNs - this.last) / this.periodNs);
    if (earned > 0) {
      this.credit = Math.min(this.burst, this.credit + earned);
      this.last = nowNs;
    }
    if (this.credit <= 0) {
      this.dropped++;
      return false;
    }
    this.credit--;
    this.dropped = 0;
    return true;
  }
}
