import { DELAYTIMER_MAX, SIGEV_NONE } from "../../abi/linux/timer.ts";
import { stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { type Alarm, type AlarmOwner, baseClock, ClockAlarm, CPUAlarm, type CPUClock } from "../time/index.ts";
import type { SignalTimer } from "./pending_signals.ts";
import type { SignalQuota } from "./signal_quota.ts";
import type { Task } from "./task.ts";
import { sendGroupSignal, sendTaskSignal } from "./task_signals.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** A periodic timer whose signal is ignored is not looked at more often than this, in ns. */
const IGNORED_SLACK = 4_000_000;

/**
 * A timer of timer_create(2). At most one signal of it is pending; when that one is delivered the timer is armed for its next
 * expiration and the ones passed meanwhile are the overrun count.
 */
export class PosixTimer implements AlarmOwner, SignalTimer {
  static readonly stateType = stateType("kernel.PosixTimer", [
    "threadGroup",
    "id",
    "clock",
    "alarm",
    "notify",
    "signal",
    "valueLo",
    "valueHi",
    "target",
    "quota",
    "pending",
    "overrun",
    "lastOverrun",
    "intervalSec",
    "intervalNsec",
  ]);
  readonly threadGroup: ThreadGroup;
  readonly id: number;
  /** As given to timer_create. */
  readonly clock: number;
  readonly alarm: Alarm;
  /** SIGEV_* */
  readonly notify: number;
  readonly signal: number;
  readonly valueLo: number;
  readonly valueHi: number;
  /** SIGEV_THREAD_ID: who gets the signal. */
  readonly target: Task | null;
  /** Who pays for it. */
  readonly quota: SignalQuota;
  /** Its signal is queued. */
  pending = false;
  /** Expirations since the last signal beyond the one that sent it. */
  overrun = 0;
  /** What timer_getoverrun(2) reports. */
  lastOverrun = 0;
  intervalSec = 0;
  intervalNsec = 0;

  /** `cpu`: the clock for CPU time timers, else null. Takes one from the quota. */
  constructor(
    tg: ThreadGroup,
    id: number,
    clock: number,
    cpu: CPUClock | null,
    notify: number,
    signal: number,
    valueLo: number,
    valueHi: number,
    target: Task | null,
    quota: SignalQuota,
  ) {
    this.threadGroup = tg;
    this.id = id;
    this.clock = clock;
    this.notify = notify;
    this.signal = signal;
    this.valueLo = valueLo;
    this.valueHi = valueHi;
    this.target = target;
    this.quota = quota;
    quota.take();
    const k = tg.kernel;
    this.alarm =
      cpu !== null
        ? new CPUAlarm(k.timers, k.timekeeper, cpu, k.cpuCount, this)
        : new ClockAlarm(k.timers, k.timekeeper, baseClock(clock), this);
  }

  /** timer_settime(2); a value of zero disarms. */
  set(absolute: boolean, sec: number, nsec: number, intervalSec: number, intervalNsec: number): void {
    this.alarm.disarm();
    this.dropSignal();
    this.overrun = 0;
    this.lastOverrun = 0;
    if (sec === 0 && nsec === 0) {
      this.intervalSec = 0;
      this.intervalNsec = 0;
      return;
    }
    this.intervalSec = intervalSec;
    this.intervalNsec = intervalNsec;
    this.alarm.arm(absolute, sec, nsec, intervalSec * 1e9 + intervalNsec, this.notify === SIGEV_NONE);
  }

  /** Nanoseconds to the next expiration as timer_gettime(2) shows them; 0 when disarmed. */
  remaining(): number {
    const a = this.alarm;
    if (!a.armed()) return 0;
    let r = a.remaining();
    if (r <= 0 && a.interval > 0 && (this.pending || this.notify === SIGEV_NONE)) {
      r += (Math.floor(-r / a.interval) + 1) * a.interval;
    }
    if (r > 0) return r;
    // Due, but the loop has not come to it.
    return this.notify === SIGEV_NONE ? 0 : 1;
  }

  /** timer_delete(2), exec, exit. */
  release(): void {
    this.alarm.disarm();
    this.dropSignal();
    this.quota.release();
  }

  /** Takes a queued signal back. */
  dropSignal(): void {
    if (!this.pending) return;
    this.pending = false;
    if (this.target !== null) this.target.pending.discardTimer(this);
    else this.threadGroup.pending.discardTimer(this);
  }

  alarmExpired(): void {
    this.pending = true;
    const info = SignalInfo.timer(this.signal, this.id, 0, this.valueLo, this.valueHi);
    if (this.target !== null) sendTaskSignal(this.target, info, this);
    else sendGroupSignal(this.threadGroup, info, this, false);
  }

  signalDequeued(info: SignalInfo): SignalInfo {
    this.pending = false;
    const n = this.alarm.forward(0);
    if (n > 0) this.overrun += n - 1;
    this.lastOverrun = Math.min(this.overrun, DELAYTIMER_MAX);
    this.overrun = 0;
    return SignalInfo.timer(info.signo, this.id, this.lastOverrun, this.valueLo, this.valueHi);
  }

  signalRejected(): void {
    this.pending = false;
    this.overrun += this.alarm.forward(IGNORED_SLACK);
  }
}
