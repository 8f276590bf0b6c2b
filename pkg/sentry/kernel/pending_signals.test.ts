import { expect, test } from "bun:test";
import { SI_QUEUE, SIGCHLD, SIGKILL, SIGSEGV, SIGUSR1 } from "../../abi/linux/signal.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { PendingSignals, QueuedSignal, type SignalTimer } from "./pending_signals.ts";
import { type SignalQuota, SignalQuotas } from "./signal_quota.ts";
import * as sigset from "./signal_set.ts";

class Timer implements SignalTimer {
  rejected = 0;
  signalDequeued(info: SignalInfo): SignalInfo {
    return SignalInfo.timer(info.signo, 9, 3, 1, 2);
  }
  signalRejected(): void {
    this.rejected++;
  }
}

function queued(sig: number, value: number, quota: SignalQuota | null, timer: SignalTimer | null = null): QueuedSignal {
  const info = SignalInfo.user(sig, SI_QUEUE, 1, 2);
  info.words[6] = value;
  return new QueuedSignal(info, quota, timer);
}

test("faults come first, then the lowest number, real-time signals in order", () => {
  const p = new PendingSignals();
  const q = new SignalQuotas().of(0);
  q.signals = 5;
  p.enqueue(queued(40, 1, q));
  p.enqueue(queued(40, 2, q));
  p.enqueue(queued(64, 3, q));
  p.enqueue(queued(SIGUSR1, 4, q));
  p.enqueue(queued(SIGSEGV, 5, q));
  p.mark(SIGCHLD);
  const got: number[][] = [];
  for (let i = p.dequeue(0, 0); i !== null; i = p.dequeue(0, 0)) got.push([i.signo, i.status]);
  expect(got).toEqual([
    [SIGSEGV, 5],
    [SIGUSR1, 4],
    [SIGCHLD, 0],
    [40, 1],
    [40, 2],
    [64, 3],
  ]);
  expect([p.lo, p.hi, q.signals]).toEqual([0, 0, 0]);
});

test("masks, discarding and timers", () => {
  const p = new PendingSignals();
  const t = new Timer();
  const q = new SignalQuotas().of(0);
  q.signals = 3;
  p.enqueue(queued(34, 1, q, t));
  p.enqueue(queued(SIGUSR1, 2, q));
  p.mark(SIGKILL);
  expect(p.dequeue(sigset.bitLo(SIGUSR1) | sigset.bitLo(SIGKILL), sigset.bitHi(34))).toBeNull();
  expect(p.dequeue(0xffffffff, 0)?.uid).toBe(3);
  p.enqueue(queued(34, 1, q, t));
  p.discard(0, sigset.bitHi(34));
  expect([t.rejected, p.hi, p.has(SIGUSR1)]).toEqual([1, 0, true]);
  p.enqueue(queued(34, 1, null, t));
  p.enqueue(queued(34, 7, null));
  p.discardTimer(t);
  expect(p.dequeueSpecific(34)?.status).toBe(7);
  expect(p.has(34)).toBe(false);
});

test("sets", () => {
  expect([sigset.bitLo(32), sigset.bitHi(32), sigset.bitLo(33), sigset.bitHi(33), sigset.bitHi(64)]).toEqual([
    0x80000000, 0, 0, 1, 0x80000000,
  ]);
  expect([sigset.lowest(0, 0), sigset.lowest(0x80000000, 1), sigset.lowest(0, 0x80000000)]).toEqual([0, 32, 64]);
});
