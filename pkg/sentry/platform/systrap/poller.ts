import { ptr } from "bun:ffi";
import { SCHED_BATCH, SCHED_NORMAL } from "../../../abi/linux/sched.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { onlyCPU, setAffinity } from "./affinity.ts";
import type { SystrapContext } from "./context.ts";
import { CPU_WORDS, SLOT_SELECTOR } from "./stub.ts";
import type { SystrapPlatform } from "./systrap.ts";

/** Threads whose request lines are polled at a time. */
const HOT_MAX = 16;
/**
 * How long (us) a guest waits for an answer on its core before it sleeps: longer than our code takes while it is young, as waking a core is the dearest way to
 * go on. Who waits in vain is told to sleep. In rounds of a pause each it is between these bounds.
 */
const GUEST_WAIT_US = 250;
const GUEST_ROUNDS_MIN = 4000;
const GUEST_ROUNDS_MAX = 40_000;
/** Rounds of polling that are timed to know how long they take. */
const TIMED_ROUNDS = 1000;
/** Rounds without a request after which those who wait for something that has not happened are told to sleep. */
const CALM_ROUNDS = 1000;
/** Rounds of polling without a request after which the sentry sleeps. */
const SPIN_ROUNDS = 2000;
/** The same at the beginning of a spell, when the guest's core has to wake up. */
const SPIN_ROUNDS_FIRST = 10_000;
/**
 * Rounds that a served request allows to be spent waiting while more threads run than there are cores without ours: about what a notified call
 * would have cost on top. Calls that come faster than this are served faster on fewer cores.
 */
const CREDIT_ROUNDS = 80;
/** Calls while no core was to spare that took less than so many ms in all are frequent. */
const FREQUENT_CALLS = 64;
const FREQUENT_MS = 0.8;
/** The most that is saved up. */
const CREDIT_MAX = 2000;
/** Rounds between two looks at other events: faults of guests are among them. */
const SPIN_CHUNK = 40;
/** Requests served before other events are looked at. */
const SPIN_SERVED = 64;
/** A spell that served fewer requests than this was not worth it ... */
const SPIN_WORTH = 16;
/** ... or fewer than this for each event of another kind: a fault, a call that needs registers, a command, a thread that slept while it waited. Each is another core to wake or to interrupt ... */
const OTHERS_WEIGHT = 12;
/** ... and then so many notified calls are waited for before the next one, doubled each time up to the maximum. */
const PENALTY_MIN = 8;
const PENALTY_MAX = 4096;
/** The maximum where others on the host took our core: what a spell was worth to us it may have cost them. */
const PENALTY_PUSHED = 1024;
/** Requests after which half of what a spell has seen is forgotten: what it is worth changes with what guests do. */
const SERVED_REMEMBERED = 2048;
/** Notified calls without a report by signal between them that come before a spell. */
const UNDISTURBED = 24;
/** Result of systrap_spin: others want our core. */
const PREEMPTED = -2;

/**
 * Polls the request lines of threads that call often, while a core is to spare for it: a call then needs no switch between the thread and the
 * sentry. Threads make requests only while they are told that lines are polled; their selectors make calls from sites that are not
 * patched use the line, too.
 */
export class LinePoller {
  static readonly stateType = stateType(
    "systrap.LinePoller",
    [],
    [
      "platform",
      "cores",
      "on",
      "hot",
      "waiting",
      "running",
      "lines",
      "linesPtr",
      "request",
      "requestPtr",
      "status",
      "tired",
      "served",
      "credit",
      "crowdedCalls",
      "crowdedSince",
      "penalty",
      "skip",
      "spells",
      "lineCalls",
      "crowded",
      "preempted",
      "pushed",
      "silent",
      "mixed",
      "others",
      "ourCPU",
      "otherCPUs",
    ],
  );
  readonly platform: SystrapPlatform;
  /** Cores that guests and the sentry can use; polling takes one. */
  readonly cores: number;
  /** Guests are told that lines are polled. */
  on = false;
  /** Threads that made calls of late. */
  readonly hot: SystrapContext[] = [];
  /** Of these, the ones that run, in the order of their lines. */
  readonly running: SystrapContext[] = [];
  /** Threads that wait on their cores for the answer to a request. */
  readonly waiting: SystrapContext[] = [];
  readonly lines: Uint32Array = new Uint32Array(new ArrayBuffer(8 * HOT_MAX));
  readonly linesPtr: number = ptr(this.lines);
  readonly request: Uint32Array = new Uint32Array(new ArrayBuffer(64));
  readonly requestPtr: number = ptr(this.request);
  /** The words that tell guests whether lines are polled and how long to wait. */
  readonly status: Int32Array;
  /** Polling ended because nothing came, or no core is to spare. */
  tired = false;
  /** This spell ended because others took our core. */
  pushed = false;
  /** Requests served in this spell, and events of other kinds, of late. */
  served = 0;
  others = 0;
  /** Rounds that may be spent while it is crowded. */
  credit = 0;
  /** Notified calls while no core was to spare, and since when they are counted (performance.now). */
  crowdedCalls = 0;
  crowdedSince = 0;
  penalty = PENALTY_MIN;
  /** Notified calls to be waited for before the next spell. */
  skip = PENALTY_MIN;

  /** Statistics: spells of polling, calls served in them, and how spells ended: no core to spare, ours taken by others, nothing came, too few calls among faults. */
  spells = 0;
  lineCalls = 0;
  crowded = 0;
  preempted = 0;
  silent = 0;
  mixed = 0;
  /** Masks of the CPU that is ours while lines are polled, and of all others. */
  readonly ourCPU: Uint32Array = new Uint32Array(CPU_WORDS);
  readonly otherCPUs: Uint32Array = new Uint32Array(CPU_WORDS);

  constructor(platform: SystrapPlatform, cores: number, status: Int32Array) {
    this.platform = platform;
    this.cores = cores;
    this.status = status;
    Atomics.store(status, 1, GUEST_ROUNDS_MIN);
  }

  /** A thread made a notified call and is about to be answered: perhaps its next ones should come by its line. */
  called(ctx: SystrapContext): void {
    if (this.on || (this.platform.running >= this.cores - 1 && !this.isFrequent())) return;
    if (this.skip > 0) {
      this.skip--;
      return;
    }
    this.on = true;
    this.spells++;
    this.served = 0;
    this.others = 0;
    this.pushed = false;
    this.credit = CREDIT_MAX;
    this.takeCore();
    if (this.spells === 1) this.timeRounds();
    // Before the call is answered: the next one may come before we get to poll.
    Atomics.store(this.status, 0, 1);
    if (!ctx.hot) this.heat(ctx);
  }

  /**
   * A thread reported by signal (a fault, or a call that needs its registers), or its stub is to change mappings. It sleeps until we wake it, which is dear on a core that is not
   * ours. A process that has just begun does so all the time and is served better on our core.
   */
  disturbed(): void {
    if (!this.on && this.skip < UNDISTURBED) this.skip = UNDISTURBED;
  }

  /** Whether calls that come although no core is to spare come so fast that serving them by line needs fewer cores. */
  isFrequent(): boolean {
    this.crowdedCalls++;
    if (this.crowdedCalls < FREQUENT_CALLS) return false;
    this.crowdedCalls = 0;
    const now = performance.now();
    const took = now - this.crowdedSince;
    this.crowdedSince = now;
    // One that computes would lose our core and share that of those that call.
    return took < FREQUENT_MS && !this.platform.placement.isComputing();
  }

  /**
   * Keeps us on the CPU we are on, and (as they become hot) guests off it: the host would wake them where we run, and they would wait for us
   * to get out of the way while we wait for their calls.
   */
  takeCore(): void {
    const cpu = this.platform.native.systrap_cpu();
    onlyCPU(this.ourCPU, cpu);
    this.otherCPUs.forEach((_, i, others) => {
      others[i] = (this.platform.allCPUs[i] ?? 0) & ~(this.ourCPU[i] ?? 0);
    });
    setAffinity(0, this.ourCPU);
  }

  /** A thread goes on while lines are polled. */
  runs(ctx: SystrapContext): void {
    ctx.ranAt = this.platform.placement.events;
    if (!ctx.hot) this.heat(ctx);
    if (this.waiting.length > 0 && this.platform.running >= this.cores - 1) this.calm();
  }

  /** Says how many rounds guests are to wait. */
  timeRounds(): void {
    const before = performance.now();
    this.platform.native.systrap_spin(this.linesPtr, 0, TIMED_ROUNDS, this.requestPtr);
    const rounds = (GUEST_WAIT_US * TIMED_ROUNDS) / (1000 * (performance.now() - before));
    Atomics.store(this.status, 1, Math.min(Math.max(rounds, GUEST_ROUNDS_MIN), GUEST_ROUNDS_MAX));
  }

  /** A stub is about to carry out a command: other cores are told of changed mappings, so that its threads are best on ours. */
  commanded(): void {
    if (this.on) this.wokeOther();
    else this.disturbed();
  }

  /** A thread on another core was woken or interrupted, which line or not takes longer than a notified call. */
  wokeOther(): void {
    this.others++;
  }

  /** A thread that slept on its line was answered. Where others are awake it is not a core that had to wake up: it goes on behind them. */
  wokeSleeper(): void {
    if (this.waiting.length === 0 && this.platform.running <= 1) this.wokeOther();
  }

  /**
   * Puts a thread that is about to run among those whose lines are polled. Such threads share the cores that are not ours and do not preempt each other: one that
   * is woken goes on when the one before it waits.
   */
  heat(ctx: SystrapContext): void {
    const { hot } = this;
    if (hot.length >= HOT_MAX) {
      const cold = hot.shift();
      if (cold !== undefined) this.cool(cold);
    }
    hot.push(ctx);
    ctx.hot = true;
    this.platform.native.systrap_select(ctx.slotHost + SLOT_SELECTOR, 1);
    host.schedSetscheduler(ctx.hostTID, SCHED_BATCH);
    this.platform.placement.forget(ctx);
    if (!ctx.pinned) setAffinity(ctx.hostTID, this.otherCPUs);
  }

  /** The opposite, as far as the thread is concerned. */
  cool(ctx: SystrapContext): void {
    ctx.hot = false;
    if (ctx.isDead()) return;
    this.platform.native.systrap_select(ctx.slotHost + SLOT_SELECTOR, 0);
    host.schedSetscheduler(ctx.hostTID, SCHED_NORMAL);
    if (!ctx.pinned) setAffinity(ctx.hostTID, this.platform.allCPUs);
  }

  /** A thread's request was taken and is not answered yet. */
  waits(ctx: SystrapContext): void {
    if (!this.waiting.includes(ctx)) this.waiting.push(ctx);
    if (this.platform.running >= this.cores - 1) this.calm();
  }

  /** Another thread needs a core: those that wait for answers are told to sleep. */
  calm(): void {
    const { waiting, platform } = this;
    for (const c of waiting) if (c.isWaiting()) platform.native.systrap_calm(c.lineAddress());
    waiting.length = 0;
  }

  /** The lines of threads that run; their number. Forgets the threads that are gone. */
  collect(): number {
    const { hot, lines } = this;
    let n = 0;
    let kept = 0;
    for (const c of hot) {
      if (c.isDead()) continue;
      hot[kept++] = c;
      if (!c.isRunning()) continue;
      const line = c.lineAddress();
      lines[2 * n] = line;
      lines[2 * n + 1] = line / 4294967296;
      this.running[n++] = c;
    }
    hot.length = kept;
    return n;
  }

  /** Serves what comes by the lines until nothing comes for a while, something else is to be done, or no core is to spare. How many events were handled. */
  poll(busy: boolean): number {
    const { platform } = this;
    const { native } = platform;
    let handled = 0;
    let idle = 0;
    let left = busy ? 1 : this.served > 0 ? SPIN_ROUNDS : SPIN_ROUNDS_FIRST;
    this.tired = false;
    if (this.served >= SERVED_REMEMBERED) {
      this.served >>= 1;
      this.others >>= 1;
    }
    for (;;) {
      const n = this.collect();
      // With nobody running no request can come before we wake somebody: the spell goes on after that.
      if (n === 0) break;
      if (this.others > SPIN_WORTH && !this.isWorthIt()) {
        this.tired = true;
        this.mixed++;
        break;
      }
      const isCrowded = platform.running >= this.cores;
      if (isCrowded && platform.placement.computing(this.running, n) !== null) {
        this.crowded++;
        this.tired = true;
        break;
      }
      if (isCrowded) left = Math.min(left, this.credit);
      if (handled >= SPIN_SERVED || platform.deferred.length > 0) break;
      const i = native.systrap_spin(this.linesPtr, n, Math.min(left, SPIN_CHUNK), this.requestPtr);
      const ctx = i < 0 ? undefined : this.running[i];
      if (ctx !== undefined) {
        handled++;
        idle = 0;
        this.served++;
        if (this.credit < CREDIT_MAX) this.credit += CREDIT_ROUNDS;
        this.lineCalls++;
        if (!ctx.requested(this.request)) native.systrap_refuse(ctx.lineAddress());
        if (platform.work?.hasWork() === true) break;
        if (!busy) left = SPIN_ROUNDS;
        continue;
      }
      if (busy) break;
      if (i === PREEMPTED) {
        this.preempted++;
        this.pushed = true;
        this.tired = true;
        break;
      }
      const rounds = Math.min(left, SPIN_CHUNK);
      left -= rounds;
      idle += rounds;
      if (idle >= CALM_ROUNDS) this.calm();
      if (isCrowded) this.credit -= rounds;
      // Other threads, faults and descriptors do not wait for us to get tired.
      const others = platform.pollHost(0);
      handled += others;
      if (others > 0) {
        this.others += others;
        break;
      }
      if (left <= 0) {
        if (isCrowded) this.crowded++;
        else this.silent++;
        this.tired = true;
        break;
      }
    }
    return handled;
  }

  /** Serves the requests that are there; their number. */
  serveRest(): number {
    const { native } = this.platform;
    const n = this.collect();
    for (let served = 0; served < n; served++) {
      const i = native.systrap_spin(this.linesPtr, n, 1, this.requestPtr);
      const ctx = i < 0 ? undefined : this.running[i];
      if (ctx === undefined) return served;
      if (!ctx.requested(this.request)) native.systrap_refuse(ctx.lineAddress());
    }
    return n;
  }

  /** Whether this spell has served enough by line to go on, or to begin another one soon. */
  isWorthIt(): boolean {
    return this.served >= SPIN_WORTH && this.served > OTHERS_WEIGHT * this.others;
  }

  /**
   * Ends a spell. What came meanwhile is served; a request that comes even later is left to its thread, which takes it back. How many were served:
   * each may have set a timer or made other work, so that how long there was to wait before is no longer known.
   */
  end(): number {
    this.on = false;
    Atomics.store(this.status, 0, 0);
    const served = this.serveRest();
    for (const c of this.hot) this.cool(c);
    this.hot.length = 0;
    this.calm();
    setAffinity(0, this.platform.allCPUs);
    if (this.pushed) this.penalty = Math.max(this.penalty, Math.min(this.penalty * 2, PENALTY_PUSHED));
    else this.penalty = this.isWorthIt() ? PENALTY_MIN : Math.min(this.penalty * 2, PENALTY_MAX);
    this.skip = this.penalty;
    return served;
  }
}
