import { type LoadContext, stateType } from "../../state/index.ts";
import type { Kernel } from "./kernel.ts";
import { Usage } from "./thread_group.ts";

/** How often the tasks that run are counted, about as on Linux (LOAD_FREQ); ns. */
const PERIOD = 5_000_000_000;
const MINUTES = [1, 5, 15] as const;
/** Share of the processors in use above which tasks are taken to wait for one. */
const SATURATED = 0.8;

/**
 * The load averages (getloadavg(3)): exponentially damped means of the number of tasks that run or wait uninterruptibly, over 1, 5 and 15
 * minutes. Nothing is woken for them: tasks are counted when the sentry's time is shared out anyway. For a longer time in which
 * nothing happened, the CPU time that was used says how many ran.
 */
export class LoadAverage {
  static readonly stateType = stateType("kernel.LoadAverage", ["kernel", "loads", "countedAt", "usedNs"]);
  readonly kernel: Kernel;
  readonly loads: Float64Array = new Float64Array(MINUTES.length);
  /** CLOCK_MONOTONIC ns of the last count. */
  countedAt: number;
  /** CPU time of everything when it was asked for last. */
  usedNs = 0;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.countedAt = kernel.monotonicNow();
  }

  afterLoad(ctx: LoadContext): void {
    this.countedAt += ctx.monotonicShift;
  }

  /** Counts when it is time. */
  tick(): void {
    const now = this.kernel.monotonicNow();
    if (now - this.countedAt >= PERIOD) this.count(now);
  }

  /** What happened since the last count enters the averages. */
  count(now: number): void {
    const past = now - this.countedAt;
    this.countedAt = now;
    let running = 0;
    for (const t of this.kernel.tasks.all) if (t.isRunning()) running++;
    if (past > 2 * PERIOD) running = this.longTerm(running, past);
    for (const [i, minutes] of MINUTES.entries()) {
      const keep = Math.exp(-past / (minutes * 60e9));
      this.loads[i] = (this.loads[i] ?? 0) * keep + running * (1 - keep);
    }
  }

  /** How many tasks ran on average in a time at whose end `running` do. */
  longTerm(running: number, past: number): number {
    const u = new Usage();
    for (const tg of this.kernel.tasks.threadGroups()) {
      tg.addUsage(u);
      u.add(tg.childUsage);
    }
    const used = u.userNs + u.systemNs;
    const busy = Math.max(used - this.usedNs, 0) / past;
    this.usedNs = used;
    return busy > SATURATED * this.kernel.cpuCount ? Math.max(running, busy) : busy;
  }

  /** The three averages as they are now. */
  read(): Float64Array {
    this.tick();
    return this.loads;
  }
}
