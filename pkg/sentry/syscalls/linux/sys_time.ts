import { CAP_SYS_TIME } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import * as linux from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { type LoadContext, setFields, stateType } from "../../../state/index.ts";
import { UserTimeClock } from "../../kernel/cpu_accounting.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import type { SyscallRestartBlock, Task } from "../../kernel/task.ts";
import type { ThreadGroup } from "../../kernel/thread_group.ts";
import { type AlarmOwner, baseClock, type ClockListener, CPUAlarm, type CPUClock } from "../../time/index.ts";

/** Resolution of the tick-based CPU clocks, in ns. */
const TICK_RESOLUTION = 4000000;

/** Reads struct timespec into the kernel's scratch words [0, 4). Negative numbers are inexact, and invalid anyway. */
function copyInTimespec(t: Task, addr: number): void {
  t.copyIn(addr, t.kernel.scratch, 0, linux.SIZEOF_TIMESPEC);
}

function scratchI64(t: Task, word: number): number {
  const w = t.kernel.scratchWords;
  return ((w[word + 1] ?? 0) | 0) * 4294967296 + (w[word] ?? 0);
}

/** Stores struct timespec (or timeval with microseconds). */
export function copyOutTimespec(t: Task, addr: number, sec: number, nsec: number): void {
  const w = t.kernel.scratchWords;
  w[0] = sec;
  w[1] = Math.floor(sec / 4294967296);
  w[2] = nsec;
  w[3] = 0;
  t.copyOut(addr, t.kernel.scratch, 0, linux.SIZEOF_TIMESPEC);
}

/** Whether a timespec is one: non-negative, normal. */
export function validTimespec(sec: number, nsec: number): boolean {
  return sec >= 0 && nsec >= 0 && nsec < linux.NSEC_PER_SEC;
}

/** A clock id taken apart. */
const KIND_INVALID = 0;
const KIND_SYSTEM = 1;
const KIND_CPU = 2;
/** CLOCK_REALTIME_ALARM and CLOCK_BOOTTIME_ALARM: there is no device to wake the machine with. */
const KIND_ALARM = 3;
/** Clocks of descriptors (CLOCKFD): none exists. */
const KIND_FD = 4;

function kindOf(clock: number): number {
  if (clock < 0) return (clock & 7) === linux.CLOCKFD ? KIND_FD : KIND_CPU;
  switch (clock) {
    case linux.CLOCK_PROCESS_CPUTIME_ID:
    case linux.CLOCK_THREAD_CPUTIME_ID:
      return KIND_CPU;
    case linux.CLOCK_REALTIME_ALARM:
    case linux.CLOCK_BOOTTIME_ALARM:
      return KIND_ALARM;
    case linux.CLOCK_REALTIME:
    case linux.CLOCK_MONOTONIC:
    case linux.CLOCK_MONOTONIC_RAW:
    case linux.CLOCK_REALTIME_COARSE:
    case linux.CLOCK_MONOTONIC_COARSE:
    case linux.CLOCK_BOOTTIME:
    case linux.CLOCK_TAI:
      return KIND_SYSTEM;
    default:
      return KIND_INVALID;
  }
}

/** Whether a system clock can be waited for. */
function canWait(clock: number): boolean {
  return (
    clock === linux.CLOCK_REALTIME ||
    clock === linux.CLOCK_MONOTONIC ||
    clock === linux.CLOCK_BOOTTIME ||
    clock === linux.CLOCK_TAI
  );
}

/** The thread or process of a CPU clock id, or null. `reading` a process's clock may name it by the caller's own thread id. */
function cpuClockOf(t: Task, clock: number, reading: boolean): CPUClock | null {
  if (clock === linux.CLOCK_PROCESS_CPUTIME_ID) return t.threadGroup;
  if (clock === linux.CLOCK_THREAD_CPUTIME_ID) return t;
  const which = clock & linux.CPUCLOCK_CLOCK_MASK;
  if (which > linux.CPUCLOCK_SCHED) return null;
  const whose = cpuClockOwner(t, clock, reading);
  return which === linux.CPUCLOCK_VIRT && whose !== null ? new UserTimeClock(whose) : whose;
}

/** The thread or process that a clock id names. */
function cpuClockOwner(t: Task, clock: number, reading: boolean): Task | ThreadGroup | null {
  const pid = ~(clock >> 3);
  if ((clock & linux.CPUCLOCK_PERTHREAD_MASK) !== 0) {
    if (pid === 0) return t;
    const o = t.pidNamespace.taskWithID(pid);
    return o !== null && o.threadGroup === t.threadGroup ? o : null;
  }
  if (pid === 0 || (reading && pid === t.tid)) return t.threadGroup;
  const tg: ThreadGroup | null = t.pidNamespace.threadGroupWithID(pid);
  return tg;
}

/** Whether a CPU clock counts in scheduler precision, not in ticks. */
function isPreciseCPUClock(clock: number): boolean {
  return clock >= 0 || (clock & linux.CPUCLOCK_CLOCK_MASK) === linux.CPUCLOCK_SCHED;
}

/** clock_gettime(2). */
export function clockGettime(t: Task, args: SyscallArguments): number {
  const clock = args.i32(0);
  const addr = args.u64(1);
  const kind = kindOf(clock);
  if (kind === KIND_SYSTEM) {
    const tk = t.kernel.timekeeper;
    if (tk.read(clock) < 0) return -errno.EINVAL;
    copyOutTimespec(t, addr, tk.time.sec, tk.time.nsec);
    return 0;
  }
  if (kind !== KIND_CPU) return -errno.EINVAL;
  const c = cpuClockOf(t, clock, true);
  if (c === null) return -errno.EINVAL;
  const ns = c.cpuTimeNs();
  copyOutTimespec(t, addr, Math.floor(ns / linux.NSEC_PER_SEC), ns % linux.NSEC_PER_SEC);
  return 0;
}

/** clock_getres(2). */
export function clockGetres(t: Task, args: SyscallArguments): number {
  const clock = args.i32(0);
  const addr = args.u64(1);
  const kind = kindOf(clock);
  let ns: number;
  if (kind === KIND_SYSTEM) {
    ns = t.kernel.timekeeper.resolution(clock);
    if (ns < 0) return -errno.EINVAL;
  } else if (kind === KIND_CPU) {
    if (cpuClockOf(t, clock, false) === null) return -errno.EINVAL;
    ns = isPreciseCPUClock(clock) ? 1 : TICK_RESOLUTION;
  } else {
    return -errno.EINVAL;
  }
  if (addr !== 0) copyOutTimespec(t, addr, 0, ns);
  return 0;
}

/** clock_settime(2): the clocks are the host's and cannot be set. */
export function clockSettime(t: Task, args: SyscallArguments): number {
  const clock = args.i32(0);
  const kind = kindOf(clock);
  if (clock !== linux.CLOCK_REALTIME && !(clock < 0 && kind === KIND_CPU)) return -errno.EINVAL;
  copyInTimespec(t, args.u64(1));
  if (kind === KIND_CPU) return cpuClockOf(t, clock, false) === null ? -errno.EINVAL : -errno.EPERM;
  if (!validTimespec(scratchI64(t, 0), scratchI64(t, 2))) return -errno.EINVAL;
  return -errno.EPERM;
}

/** gettimeofday(2). */
export function gettimeofday(t: Task, args: SyscallArguments): number {
  const tv = args.u64(0);
  const tz = args.u64(1);
  if (tv !== 0) {
    const tk = t.kernel.timekeeper;
    tk.read(linux.CLOCK_REALTIME);
    copyOutTimespec(t, tv, tk.time.sec, Math.floor(tk.time.nsec / linux.NSEC_PER_USEC));
  }
  // The kernel's time zone is UTC.
  if (tz !== 0) t.copyOutU64(tz, 0);
  return 0;
}

/** settimeofday(2). */
export function settimeofday(t: Task, args: SyscallArguments): number {
  const tv = args.u64(0);
  const tz = args.u64(1);
  if (tv !== 0) {
    copyInTimespec(t, tv);
    const sec = scratchI64(t, 0);
    const usec = scratchI64(t, 2);
    if (usec < 0 || usec > linux.USEC_PER_SEC) return -errno.EINVAL;
    if (!validTimespec(sec, usec * linux.NSEC_PER_USEC)) return -errno.EINVAL;
  }
  if (tz !== 0) t.copyIn(tz, t.kernel.scratch, 0, linux.SIZEOF_TIMEZONE);
  if (tv === 0 && tz === 0 && t.creds.hasCapabilityIn(CAP_SYS_TIME, t.kernel.rootUserNamespace)) return 0;
  return -errno.EPERM;
}

/** time(2). */
export function time(t: Task, args: SyscallArguments): number {
  const now = t.kernel.timekeeper.realtimeSeconds();
  const addr = args.u64(0);
  if (addr !== 0) t.copyOutI64(addr, now);
  return now;
}

// ---- adjtimex

/** adjtimex(2): reports a clock that nobody disciplines. */
export function adjtimex(t: Task, args: SyscallArguments): number {
  return reportTimex(t, args.u64(0));
}

/** clock_adjtime(2). */
export function clockAdjtime(t: Task, args: SyscallArguments): number {
  const clock = args.i32(0);
  const addr = args.u64(1);
  const kind = kindOf(clock);
  const buf = new Uint8Array(linux.SIZEOF_TIMEX);
  t.copyIn(addr, buf);
  if (kind === KIND_INVALID || kind === KIND_FD) return -errno.EINVAL;
  if (clock !== linux.CLOCK_REALTIME) return -errno.EOPNOTSUPP;
  return reportTimex(t, addr);
}

function reportTimex(t: Task, addr: number): number {
  const buf = new Uint8Array(linux.SIZEOF_TIMEX);
  t.copyIn(addr, buf);
  const v = new DataView(buf.buffer);
  const modes = v.getUint32(linux.TIMEX_MODES, true);
  if ((modes & linux.ADJ_ADJTIME) !== 0) {
    if ((modes & linux.ADJ_OFFSET_SINGLESHOT) === 0) return -errno.EINVAL;
    if ((modes & linux.ADJ_OFFSET_READONLY) === 0) return -errno.EPERM;
  } else if (modes !== 0) {
    return -errno.EPERM;
  }
  const put = (off: number, value: number): void => {
    v.setUint32(off, value >>> 0, true);
    v.setInt32(off + 4, Math.floor(value / 4294967296), true);
  };
  const tk = t.kernel.timekeeper;
  tk.read(linux.CLOCK_REALTIME);
  buf.fill(0, linux.TIMEX_OFFSET);
  put(linux.TIMEX_MAXERROR, 16000000);
  put(linux.TIMEX_ESTERROR, 16000000);
  v.setInt32(linux.TIMEX_STATUS, linux.STA_UNSYNC, true);
  put(linux.TIMEX_CONSTANT, 2);
  put(linux.TIMEX_PRECISION, 1);
  put(linux.TIMEX_TOLERANCE, 32768000);
  put(linux.TIMEX_TIME, tk.time.sec);
  put(linux.TIMEX_TIME + 8, Math.floor(tk.time.nsec / linux.NSEC_PER_USEC));
  put(linux.TIMEX_TICK, 10000);
  t.copyOut(addr, buf);
  return linux.TIME_ERROR;
}

// ---- sleeping

/** Wakes a task when the clock it waits for was set, so that it computes its deadline anew. */
export class ClockSetWaker implements ClockListener {
  static readonly stateType = stateType("syscalls.ClockSetWaker", ["task"]);
  readonly task: Task;

  constructor(task: Task) {
    this.task = task;
  }

  clockWasSet(): void {
    this.task.wake();
  }
}

/** Sleeps on with what is left of a relative sleep. */
export class SleepRestart implements SyscallRestartBlock {
  static readonly stateType = stateType("syscalls.SleepRestart", ["deadline", "rmtp"]);
  /** CLOCK_MONOTONIC ns. */
  readonly deadline: number;
  /** Where the remaining time goes, or 0. */
  readonly rmtp: number;

  constructor(deadline: number, rmtp: number) {
    this.deadline = deadline;
    this.rmtp = rmtp;
  }

  afterLoad(ctx: LoadContext): void {
    setFields<SleepRestart>(this, { deadline: this.deadline + ctx.monotonicShift });
  }

  restart(t: Task): SyscallResult {
    return sleepUntil(t, this.deadline, this.rmtp);
  }
}

/** A relative sleep: to a point of CLOCK_MONOTONIC, which setting CLOCK_REALTIME does not move. */
function* sleepUntil(t: Task, deadline: number, rmtp: number): SyscallGenerator {
  for (;;) {
    const why = yield t.block(deadline);
    if (why === WAKE_TIMEOUT) return 0;
    if (why !== WAKE_INTERRUPT) continue;
    const left = deadline - t.kernel.monotonicNow();
    if (left <= 0) return 0;
    if (rmtp !== 0) copyOutTimespec(t, rmtp, Math.floor(left / linux.NSEC_PER_SEC), left % linux.NSEC_PER_SEC);
    t.restartBlock = new SleepRestart(deadline, rmtp);
    return -errno.ERESTART_RESTARTBLOCK;
  }
}

/** An absolute sleep. */
function* sleepUntilAbsolute(t: Task, clock: number, sec: number, nsec: number): SyscallGenerator {
  const tk = t.kernel.timekeeper;
  const waker = new ClockSetWaker(t);
  tk.listeners.add(waker);
  try {
    for (;;) {
      const deadline = tk.deadline(clock, sec, nsec);
      if (deadline <= t.kernel.monotonicNow()) return 0;
      const why = yield t.block(deadline);
      if (why === WAKE_INTERRUPT) return -errno.ERESTARTNOHAND;
    }
  } finally {
    tk.listeners.delete(waker);
  }
}

/** Wakes a task that sleeps on CPU time. */
class CPUSleeper implements AlarmOwner {
  static readonly stateType = stateType("syscalls.CPUSleeper", ["task"]);
  readonly task: Task;

  constructor(task: Task) {
    this.task = task;
  }

  alarmExpired(): void {
    this.task.wake();
  }
}

/** Sleeps on with what is left of a relative sleep on CPU time. */
export class CPUSleepRestart implements SyscallRestartBlock {
  static readonly stateType = stateType("syscalls.CPUSleepRestart", ["clock", "expires", "rmtp"]);
  readonly clock: CPUClock;
  readonly expires: number;
  readonly rmtp: number;

  constructor(clock: CPUClock, expires: number, rmtp: number) {
    this.clock = clock;
    this.expires = expires;
    this.rmtp = rmtp;
  }

  restart(t: Task): SyscallResult {
    return sleepOnCPU(t, this.clock, this.expires, this.rmtp, false);
  }
}

/** Sleeps until a CPU clock shows `expires` ns. */
function* sleepOnCPU(t: Task, clock: CPUClock, expires: number, rmtp: number, absolute: boolean): SyscallGenerator {
  const k = t.kernel;
  const alarm = new CPUAlarm(k.timers, k.timekeeper, clock, k.cpuCount, new CPUSleeper(t));
  alarm.arm(true, Math.floor(expires / linux.NSEC_PER_SEC), expires % linux.NSEC_PER_SEC, 0, false);
  try {
    for (;;) {
      if (!alarm.armed()) return 0;
      const why = yield t.block(Number.POSITIVE_INFINITY);
      if (why !== WAKE_INTERRUPT) continue;
      if (absolute) return -errno.ERESTARTNOHAND;
      const left = expires - clock.cpuTimeNs();
      if (left <= 0) return 0;
      if (rmtp !== 0) copyOutTimespec(t, rmtp, Math.floor(left / linux.NSEC_PER_SEC), left % linux.NSEC_PER_SEC);
      t.restartBlock = new CPUSleepRestart(clock, expires, rmtp);
      return -errno.ERESTART_RESTARTBLOCK;
    }
  } finally {
    alarm.disarm();
  }
}

function sleepFor(t: Task, sec: number, nsec: number, rmtp: number): SyscallResult {
  const ns = sec * linux.NSEC_PER_SEC + nsec;
  if (ns === 0) return 0;
  return sleepUntil(t, t.kernel.monotonicNow() + ns, rmtp);
}

/** nanosleep(2). */
export function nanosleep(t: Task, args: SyscallArguments): SyscallResult {
  copyInTimespec(t, args.u64(0));
  const sec = scratchI64(t, 0);
  const nsec = scratchI64(t, 2);
  if (!validTimespec(sec, nsec)) return -errno.EINVAL;
  return sleepFor(t, sec, nsec, args.u64(1));
}

/** clock_nanosleep(2). */
export function clockNanosleep(t: Task, args: SyscallArguments): SyscallResult {
  const clock = args.i32(0);
  const absolute = (args.i32(1) & linux.TIMER_ABSTIME) !== 0;
  const rmtp = args.u64(3);
  const kind = kindOf(clock);
  if (kind === KIND_INVALID) return -errno.EINVAL;
  if (kind === KIND_FD || clock === linux.CLOCK_THREAD_CPUTIME_ID) return -errno.EOPNOTSUPP;
  if (kind === KIND_SYSTEM && !canWait(clock)) return -errno.EOPNOTSUPP;
  copyInTimespec(t, args.u64(2));
  const sec = scratchI64(t, 0);
  const nsec = scratchI64(t, 2);
  if (!validTimespec(sec, nsec)) return -errno.EINVAL;
  if (kind === KIND_ALARM) return -errno.EOPNOTSUPP;
  if (kind === KIND_CPU) {
    const perThread = clock < 0 && (clock & linux.CPUCLOCK_PERTHREAD_MASK) !== 0;
    const pid = ~(clock >> 3);
    if (perThread && (pid === 0 || pid === t.tid)) return -errno.EINVAL;
    const c = cpuClockOf(t, clock, false);
    if (c === null) return -errno.EINVAL;
    const ns = sec * linux.NSEC_PER_SEC + nsec;
    if (ns === 0) return 0;
    return sleepOnCPU(t, c, absolute ? ns : ns + c.cpuTimeNs(), rmtp, absolute);
  }
  if (absolute) return sleepUntilAbsolute(t, baseClock(clock), sec, nsec);
  return sleepFor(t, sec, nsec, rmtp);
}

/**
 * The clock of a timer that timer_create(2) makes: null for a clock of the system. Throws EINVAL for an unknown clock, EOPNOTSUPP
 * for one that timers cannot be made on.
 */
export function timerClock(t: Task, clock: number): CPUClock | null {
  switch (kindOf(clock)) {
    case KIND_SYSTEM:
      if (!canWait(clock)) throw linuxerr.EOPNOTSUPP;
      return null;
    case KIND_CPU: {
      const c = cpuClockOf(t, clock, false);
      if (c === null) throw linuxerr.EINVAL;
      return c;
    }
    case KIND_INVALID:
      throw linuxerr.EINVAL;
    default:
      throw linuxerr.EOPNOTSUPP;
  }
}
