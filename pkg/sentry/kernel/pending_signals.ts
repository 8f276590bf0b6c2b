import * as linux from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import type { SignalQuota } from "./signal_quota.ts";
import * as sigset from "./signal_set.ts";

/** One queued signal, in a singly linked list per signal number. */
export class QueuedSignal {
  static readonly stateType = stateType("kernel.QueuedSignal", ["info", "quota", "timer", "arrival", "next"]);
  info: SignalInfo;
  /** Who pays for it against RLIMIT_SIGPENDING, or null. */
  quota: SignalQuota | null;
  /** The POSIX timer that sent it: told when it is dequeued or dropped, so that it counts overruns. */
  timer: SignalTimer | null;
  /** Grows from signal to signal of a queue. */
  arrival = 0;
  next: QueuedSignal | null = null;

  constructor(info: SignalInfo, quota: SignalQuota | null, timer: SignalTimer | null) {
    this.info = info;
    this.quota = quota;
    this.timer = timer;
  }
}

/** A POSIX timer as the signal queue sees it. */
export interface SignalTimer {
  /** Its signal is about to be delivered; returns the siginfo to deliver (with the overrun count filled in). */
  signalDequeued(info: SignalInfo): SignalInfo;
  /** Its queued signal was thrown away. */
  signalRejected(): void;
}

/** Pending signals of a task or a thread group. Standard signals queue once, real-time ones as often as sent. */
export class PendingSignals {
  static readonly stateType = stateType("kernel.PendingSignals", ["lo", "hi", "arrivals", "heads", "tails"]);
  /** The set of pending signals: 1..32 and 33..64. */
  lo = 0;
  hi = 0;
  /** Signals queued so far. */
  arrivals = 0;
  /** Queues by signal number, made when the first signal arrives. */
  heads: (QueuedSignal | null)[] | null = null;
  tails: (QueuedSignal | null)[] | null = null;

  /** Whether the signal is pending. */
  has(sig: number): boolean {
    return sigset.contains(this.lo, this.hi, sig);
  }

  /** Marks a signal pending without a siginfo: it will be delivered as SI_USER from nobody (what Linux does out of memory). */
  mark(sig: number): void {
    this.lo = (this.lo | sigset.bitLo(sig)) >>> 0;
    this.hi = (this.hi | sigset.bitHi(sig)) >>> 0;
  }

  /** Appends a signal. The caller has dropped a second instance of a standard signal. */
  enqueue(q: QueuedSignal): void {
    const sig = q.info.signo;
    q.arrival = this.arrivals++;
    if (this.heads === null || this.tails === null) {
      this.heads = new Array<QueuedSignal | null>(linux.NSIG + 1).fill(null);
      this.tails = new Array<QueuedSignal | null>(linux.NSIG + 1).fill(null);
    }
    const tail = this.tails[sig] ?? null;
    if (tail === null) this.heads[sig] = q;
    else tail.next = q;
    this.tails[sig] = q;
    this.mark(sig);
  }

  /** Takes the first instance of a pending signal; null when it is not pending. */
  dequeueSpecific(sig: number): SignalInfo | null {
    if (!this.has(sig)) return null;
    const head = this.heads?.[sig] ?? null;
    if (head === null || this.heads === null || this.tails === null) {
      this.clear(sig);
      return SignalInfo.user(sig, linux.SI_USER, 0, 0);
    }
    this.heads[sig] = head.next;
    if (head.next === null) {
      this.tails[sig] = null;
      this.clear(sig);
    }
    head.quota?.release();
    return head.timer === null ? head.info : head.timer.signalDequeued(head.info);
  }

  /** Takes the next signal outside the mask: those of faults first, then the lowest number. Null when there is none. */
  dequeue(maskLo: number, maskHi: number): SignalInfo | null {
    const lo = this.lo & ~maskLo;
    const hi = this.hi & ~maskHi;
    if (lo === 0 && hi === 0) return null;
    const sync = lo & sigset.SYNCHRONOUS_LO;
    return this.dequeueSpecific(sync !== 0 ? sigset.lowest(sync, 0) : sigset.lowest(lo, hi));
  }

  /** Throws away all instances of the signals in the set. */
  discard(lo: number, hi: number): void {
    let l = this.lo & lo;
    let h = this.hi & hi;
    while (l !== 0 || h !== 0) {
      const sig = sigset.lowest(l, h);
      l &= ~sigset.bitLo(sig);
      h &= ~sigset.bitHi(sig);
      for (let q = this.heads?.[sig] ?? null; q !== null; q = q.next) {
        q.quota?.release();
        q.timer?.signalRejected();
      }
      if (this.heads !== null && this.tails !== null) {
        this.heads[sig] = null;
        this.tails[sig] = null;
      }
      this.clear(sig);
    }
  }

  /** Throws away the queued signal of a deleted timer. */
  discardTimer(timer: SignalTimer): void {
    if (this.heads === null || this.tails === null) return;
    for (let sig = 1; sig <= linux.NSIG; sig++) {
      let prev: QueuedSignal | null = null;
      for (let q = this.heads[sig] ?? null; q !== null; q = q.next) {
        if (q.timer !== timer) {
          prev = q;
          continue;
        }
        q.quota?.release();
        if (prev === null) this.heads[sig] = q.next;
        else prev.next = q.next;
        if (q.next === null) this.tails[sig] = prev;
        if ((this.heads[sig] ?? null) === null) this.clear(sig);
        return;
      }
    }
  }

  /** Takes the signal out of the set. */
  clear(sig: number): void {
    this.lo = (this.lo & ~sigset.bitLo(sig)) >>> 0;
    this.hi = (this.hi & ~sigset.bitHi(sig)) >>> 0;
  }
}
