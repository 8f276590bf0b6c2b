import { stateType } from "../../state/index.ts";
import type { Job } from "../kernel/index.ts";
import { Timer, type TimerListener, type TimerQueue } from "../time/index.ts";

/**
 * Calls a function of the test from the kernel's loop, between two tasks, every `periodNs` until it returns false. An error it throws
 * is kept, for the test to throw again, and ends the loop.
 */
export class GuestJob implements Job, TimerListener {
  static readonly stateType = stateType("testutil.GuestJob", [], ["kernel", "periodNs", "step", "timer", "error"]);
  readonly kernel: { readonly timers: TimerQueue; addJob(job: Job): void; monotonicNow(): number; leaveLoop: boolean };
  periodNs: number;
  readonly step: () => boolean;
  readonly timer: Timer = new Timer(this);
  error: unknown = null;

  constructor(kernel: GuestJob["kernel"], periodNs: number, step: () => boolean) {
    this.kernel = kernel;
    this.periodNs = periodNs;
    this.step = step;
  }

  /** Begins. */
  start(): this {
    this.kernel.timers.addTimer(this.timer, this.kernel.monotonicNow() + this.periodNs);
    return this;
  }

  timerExpired(): void {
    this.kernel.addJob(this);
  }

  run(): boolean {
    try {
      if (this.step()) this.start();
    } catch (e) {
      this.error = e;
      this.kernel.leaveLoop = true;
    }
    return false;
  }
}
