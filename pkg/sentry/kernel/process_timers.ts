import { RLIMIT_CPU } from "../../abi/linux/rlimit.ts";
import { SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { Limit } from "../limits/index.ts";
import { type Alarm, type AlarmOwner, ClockAlarm, CPUAlarm, type CPUClock } from "../time/index.ts";
import { UserTimeClock } from "./cpu_accounting.ts";
import type { SignalTimer } from "./pending_signals.ts";
import type { PosixTimer } from "./posix_timer.ts";
import { sendGroupSignal } from "./task_signals.ts";
import type { GroupTimers, ThreadGroup } from "./thread_group.ts";

const CLOCK_MONOTONIC = 1;

/** ITIMER_REAL: after each SIGALRM it rests until that signal was taken, so that a process cannot be flooded. */
export class RealIntervalTimer implements AlarmOwner, SignalTimer {
  static readonly stateType = stateType("kernel.RealIntervalTimer", ["threadGroup", "alarm"]);
  readonly threadGroup: ThreadGroup;
  readonly alarm: ClockAlarm;

  constructor(tg: ThreadGroup) {
    this.threadGroup = tg;
    this.alarm = new ClockAlarm(tg.kernel.timers, tg.kernel.timekeeper, CLOCK_MONOTONIC, this);
  }

  alarmExpired(): void {
    sendGroupSignal(this.threadGroup, SignalInfo.kernel(SIGALRM), this, false);
  }

  signalDequeued(info: SignalInfo): SignalInfo {
    this.alarm.forward(0);
    return info;
  }

  /** Somebody else's SIGALRM is pending: try again an interval later. One that is ignored stops the timer, as on Linux. */
  signalRejected(): void {
    if (this.threadGroup.pending.has(SIGALRM)) this.alarm.forward(0);
  }
}

/** ITIMER_VIRTUAL, which counts user time, and ITIMER_PROF, which counts all CPU time. */
export class CPUIntervalTimer implements AlarmOwner {
  static readonly stateType = stateType("kernel.CPUIntervalTimer", ["threadGroup", "alarm", "signal"]);
  readonly threadGroup: ThreadGroup;
  readonly alarm: CPUAlarm;
  readonly signal: number;

  constructor(tg: ThreadGroup, signal: number, clock: CPUClock) {
    this.threadGroup = tg;
    this.signal = signal;
    this.alarm = new CPUAlarm(tg.kernel.timers, tg.kernel.timekeeper, clock, tg.kernel.cpuCount, this);
  }

  alarmExpired(): void {
    this.alarm.forward(0);
    this.threadGroup.sendSignal(SignalInfo.kernel(this.signal));
  }
}

/** RLIMIT_CPU: SIGXCPU at the soft limit and every second after it, SIGKILL at the hard one. */
export class CPULimitTimer implements AlarmOwner {
  static readonly stateType = stateType("kernel.CPULimitTimer", ["threadGroup", "alarm"]);
  readonly threadGroup: ThreadGroup;
  readonly alarm: CPUAlarm;

  constructor(tg: ThreadGroup) {
    this.threadGroup = tg;
    this.alarm = new CPUAlarm(tg.kernel.timers, tg.kernel.timekeeper, tg, tg.kernel.cpuCount, this);
  }

  /** Takes note of the limit as it now is. */
  update(): void {
    const l = this.threadGroup.limits.get(RLIMIT_CPU);
    const seconds = Math.min(l.cur, l.max);
    if (seconds === Number.POSITIVE_INFINITY) this.alarm.disarm();
    else this.alarm.arm(true, seconds, 0, 0, false);
  }

  alarmExpired(): void {
    const tg = this.threadGroup;
    const l = tg.limits.get(RLIMIT_CPU);
    const used = tg.cpuTimeNs() / 1e9;
    if (used >= l.max) {
      tg.sendSignal(SignalInfo.kernel(SIGKILL));
      return;
    }
    if (used >= l.cur) {
      tg.sendSignal(SignalInfo.kernel(SIGXCPU));
      tg.limits.setUnchecked(RLIMIT_CPU, Limit.of(Math.min(l.cur + 1, l.max), l.max));
    }
    this.update();
  }
}

/** The timers of one process. */
export class ProcessTimers implements GroupTimers {
  static readonly stateType = stateType("kernel.ProcessTimers", [
    "threadGroup",
    "real",
    "virtual",
    "prof",
    "cpuLimit",
    "posix",
    "nextID",
  ]);
  readonly threadGroup: ThreadGroup;
  real: RealIntervalTimer | null = null;
  virtual: CPUIntervalTimer | null = null;
  prof: CPUIntervalTimer | null = null;
  cpuLimit: CPULimitTimer | null = null;
  readonly posix: Map<number, PosixTimer> = new Map();
  nextID = 0;

  constructor(tg: ThreadGroup) {
    this.threadGroup = tg;
  }

  /** The alarm of an interval timer (ITIMER_*: 0, 1, 2), made when it is first needed. */
  intervalTimer(which: number): Alarm {
    const tg = this.threadGroup;
    if (which === 0) {
      this.real ??= new RealIntervalTimer(tg);
      return this.real.alarm;
    }
    if (which === 1) {
      this.virtual ??= new CPUIntervalTimer(tg, SIGVTALRM, new UserTimeClock(tg));
      return this.virtual.alarm;
    }
    this.prof ??= new CPUIntervalTimer(tg, SIGPROF, tg);
    return this.prof.alarm;
  }

  /** An id for a new POSIX timer: ids are not used again soon. */
  newID(): number {
    let id = this.nextID;
    while (this.posix.has(id)) id = (id + 1) & 0x7fffffff;
    this.nextID = (id + 1) & 0x7fffffff;
    return id;
  }

  /** timer_delete(2). */
  deletePosix(timer: PosixTimer): void {
    this.posix.delete(timer.id);
    timer.release();
  }

  deleteAllPosix(): void {
    for (const t of [...this.posix.values()]) this.deletePosix(t);
    this.nextID = 0;
  }

  onExec(): void {
    this.deleteAllPosix();
  }

  onExit(): void {
    this.deleteAllPosix();
    this.real?.alarm.disarm();
    this.virtual?.alarm.disarm();
    this.prof?.alarm.disarm();
    this.cpuLimit?.alarm.disarm();
  }
}

/** The timers of a process, made when they are first needed. */
export function processTimers(tg: ThreadGroup): ProcessTimers {
  const t = tg.timers;
  if (t instanceof ProcessTimers) return t;
  const n = new ProcessTimers(tg);
  tg.timers = n;
  return n;
}

/** RLIMIT_CPU of a process may have changed: by prlimit(2), or because it is new. Cheap when it has none. */
export function updateCPULimit(tg: ThreadGroup): void {
  const limited = tg.limits.cur(RLIMIT_CPU) !== Number.POSITIVE_INFINITY;
  if (!limited && (!(tg.timers instanceof ProcessTimers) || tg.timers.cpuLimit === null)) return;
  const t = processTimers(tg);
  t.cpuLimit ??= new CPULimitTimer(tg);
  t.cpuLimit.update();
}
