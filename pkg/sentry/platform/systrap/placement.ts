import { stateType } from "../../../state/index.ts";
import { cpusOf, onlyCPU, setAffinity } from "./affinity.ts";
import type { SystrapContext } from "./context.ts";
import { CPU_WORDS } from "./stub.ts";
import type { SystrapPlatform } from "./systrap.ts";

/** Events of other threads during which a thread runs without one of its own before it is taken to compute. */
const COMPUTES = 6;
/** How long (ns) a CPU of its own is a thread's: the host, which knows what others do, may think otherwise. If not, the next conflict settles it again. */
export const REVIEW_NS = 200_000_000;

/**
 * On which CPUs guest threads run whose calls are notified. The host wakes the sentry where the thread that calls stops, and has threads go on
 * where they are answered, as is right for threads that wait for each other: waking one on a CPU that sleeps is the dearest way to go on. But so all
 * threads end up on one CPU, also those that compute, with the others idle. Threads that compute are therefore kept where they are, and others go on elsewhere.
 */
export class Placement {
  static readonly stateType = stateType(
    "systrap.Placement",
    [],
    ["platform", "cpus", "running", "settled", "since", "events", "mask", "moves"],
  );
  readonly platform: SystrapPlatform;
  /** The CPUs we may use. */
  readonly cpus: readonly number[];
  /** Threads that run, by the CPU on which they were woken. */
  readonly running: SystrapContext[][] = [];
  /** Threads with a CPU of their own, and since when there are any (performance.now). */
  readonly settled: SystrapContext[] = [];
  since = 0;
  /** Events of all threads so far. */
  events = 0;
  readonly mask: Uint32Array = new Uint32Array(CPU_WORDS);
  /** Statistics: how often a thread was given a CPU of its own. */
  moves = 0;

  constructor(platform: SystrapPlatform) {
    this.platform = platform;
    this.cpus = cpusOf(platform.allCPUs);
    for (const cpu of this.cpus) this.running[cpu] = [];
  }

  /** A thread that ran has an event. */
  stopped(ctx: SystrapContext): void {
    this.events++;
    ctx.stoppedAt = this.events;
  }

  /** A thread is no longer among those that run. */
  leave(ctx: SystrapContext): void {
    const list = this.running[ctx.cpu];
    ctx.cpu = -1;
    if (list === undefined) return;
    const last = list.pop();
    if (last === ctx || last === undefined) return;
    list[list.indexOf(ctx)] = last;
  }

  /** A thread is about to go on: decides where. */
  runs(ctx: SystrapContext): void {
    ctx.ranAt = this.events;
    if (this.cpus.length < 2) return;
    const here = this.platform.native.systrap_cpu();
    const list = this.running[here];
    if (list === undefined) return;
    // One that goes on behind its own call is not the one that others wait for: it stays where its caches are.
    let cpu = ctx.home >= 0 && ctx.stoppedAt === this.events ? ctx.home : here;
    if (cpu === here && list.length > 0) {
      const busy = this.computing(list, list.length);
      if (busy !== null) {
        cpu = this.free(ctx, here);
        if (cpu !== here) this.settle(busy, here);
      }
    }
    if (cpu !== here) this.settle(ctx, cpu);
    else if (ctx.home >= 0 && ctx.home !== here) this.unsettle(ctx);
    ctx.cpu = cpu;
    this.running[cpu]?.push(ctx);
  }

  /** One of the first `n` threads that computes, all of which run. */
  computing(list: readonly SystrapContext[], n: number): SystrapContext | null {
    const since = this.events - COMPUTES;
    for (let i = 0; i < n; i++) {
      const c = list[i];
      if (c !== undefined && c.ranAt <= since) return c;
    }
    return null;
  }

  /** Whether any thread that runs computes. */
  isComputing(): boolean {
    for (const cpu of this.cpus) {
      const list = this.running[cpu];
      if (list !== undefined && this.computing(list, list.length) !== null) return true;
    }
    return false;
  }

  /** A CPU on which no guest runs, the thread's last one if possible; `here` when there is none. */
  free(ctx: SystrapContext, here: number): number {
    if (ctx.pinned) return here;
    if (ctx.home >= 0 && this.running[ctx.home]?.length === 0) return ctx.home;
    for (const cpu of this.cpus) if (cpu !== here && this.running[cpu]?.length === 0) return cpu;
    return here;
  }

  /** Gives a thread a CPU of its own. */
  settle(ctx: SystrapContext, cpu: number): void {
    if (ctx.home === cpu || ctx.pinned) return;
    if (this.settled.length === 0) this.since = performance.now();
    if (ctx.home < 0) this.settled.push(ctx);
    ctx.home = cpu;
    this.moves++;
    onlyCPU(this.mask, cpu);
    setAffinity(ctx.hostTID, this.mask);
  }

  /** ... and takes it away: it goes on where it is woken. */
  unsettle(ctx: SystrapContext): void {
    if (ctx.home < 0) return;
    this.forget(ctx);
    setAffinity(ctx.hostTID, this.platform.allCPUs);
  }

  /** A thread gets another affinity, or is gone. */
  forget(ctx: SystrapContext): void {
    if (ctx.home < 0) return;
    ctx.home = -1;
    const at = this.settled.indexOf(ctx);
    const last = this.settled.pop();
    if (last !== undefined && last !== ctx) this.settled[at] = last;
  }

  /** Takes CPUs away again that threads have had for long enough. */
  review(): void {
    if (performance.now() - this.since < REVIEW_NS / 1e6) return;
    for (let c = this.settled.at(-1); c !== undefined; c = this.settled.at(-1)) this.unsettle(c);
  }
}
