import * as errno from "../../../abi/linux/errno.ts";
import { RLIMIT_SIGPENDING } from "../../../abi/linux/rlimit.ts";
import { NSIG, SIGALRM } from "../../../abi/linux/signal.ts";
import {
  NSEC_PER_SEC,
  NSEC_PER_USEC,
  SIZEOF_ITIMERSPEC,
  TIMER_ABSTIME,
  USEC_PER_SEC,
} from "../../../abi/linux/time.ts";
import * as linux from "../../../abi/linux/timer.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { PosixTimer } from "../../kernel/posix_timer.ts";
import { processTimers } from "../../kernel/process_timers.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { Alarm } from "../../time/index.ts";
import { timerClock, validTimespec } from "./sys_time.ts";

/** struct itimerspec or itimerval, decoded: fractions in nanoseconds (timespec) or microseconds (timeval). */
export interface IntervalSpec {
  intervalSec: number;
  intervalSub: number;
  valueSec: number;
  valueSub: number;
}

/** Reads a struct itimerspec or itimerval. Not validated. */
export function copyInInterval(t: Task, addr: number): IntervalSpec {
  t.copyIn(addr, t.kernel.scratch, 0, SIZEOF_ITIMERSPEC);
  const w = t.kernel.scratchWords;
  const at = (i: number): number => ((w[i + 1] ?? 0) | 0) * 4294967296 + (w[i] ?? 0);
  return { intervalSec: at(0), intervalSub: at(2), valueSec: at(4), valueSub: at(6) };
}

/** Stores a struct itimerspec or itimerval. */
export function copyOutInterval(t: Task, addr: number, s: IntervalSpec): void {
  const w = t.kernel.scratchWords;
  const put = (i: number, v: number): void => {
    w[i] = v;
    w[i + 1] = Math.floor(v / 4294967296);
  };
  put(0, s.intervalSec);
  put(2, s.intervalSub);
  put(4, s.valueSec);
  put(6, s.valueSub);
  t.copyOut(addr, t.kernel.scratch, 0, SIZEOF_ITIMERSPEC);
}

// ---- interval timers

/** What getitimer(2) shows of an alarm. */
function readIntervalTimer(a: Alarm): IntervalSpec {
  let left = a.armed() ? a.remaining() : 0;
  if (left < 0) left = 0;
  const usec = left > 0 ? Math.max(1, Math.floor(left / NSEC_PER_USEC)) : 0;
  const interval = Math.floor(a.interval / NSEC_PER_USEC);
  return {
    intervalSec: Math.floor(interval / USEC_PER_SEC),
    intervalSub: interval % USEC_PER_SEC,
    valueSec: Math.floor(usec / USEC_PER_SEC),
    valueSub: usec % USEC_PER_SEC,
  };
}

/** Sets an interval timer; a value of zero stops it and forgets the interval. */
function setIntervalTimer(a: Alarm, s: IntervalSpec): void {
  const zero = s.valueSec === 0 && s.valueSub === 0;
  const interval = zero ? 0 : s.intervalSec * NSEC_PER_SEC + s.intervalSub * NSEC_PER_USEC;
  a.arm(false, s.valueSec, s.valueSub * NSEC_PER_USEC, interval, zero);
  if (zero) a.disarm();
}

/** getitimer(2). */
export function getitimer(t: Task, args: SyscallArguments): number {
  const which = args.i32(0);
  if (which < 0 || which > linux.ITIMER_PROF) return -errno.EINVAL;
  copyOutInterval(t, args.u64(1), readIntervalTimer(processTimers(t.threadGroup).intervalTimer(which)));
  return 0;
}

/** setitimer(2). */
export function setitimer(t: Task, args: SyscallArguments): number {
  const which = args.i32(0);
  const newAddr = args.u64(1);
  const oldAddr = args.u64(2);
  let s: IntervalSpec = { intervalSec: 0, intervalSub: 0, valueSec: 0, valueSub: 0 };
  if (newAddr !== 0) {
    s = copyInInterval(t, newAddr);
    if (!validTimespec(s.valueSec, s.valueSub * NSEC_PER_USEC)) return -errno.EINVAL;
    if (!validTimespec(s.intervalSec, s.intervalSub * NSEC_PER_USEC)) return -errno.EINVAL;
  }
  if (which < 0 || which > linux.ITIMER_PROF) return -errno.EINVAL;
  const a = processTimers(t.threadGroup).intervalTimer(which);
  const old = readIntervalTimer(a);
  setIntervalTimer(a, s);
  if (oldAddr !== 0) copyOutInterval(t, oldAddr, old);
  return 0;
}

/** alarm(2). */
export function alarm(t: Task, args: SyscallArguments): number {
  const seconds = args.u32(0);
  const a = processTimers(t.threadGroup).intervalTimer(linux.ITIMER_REAL);
  const old = readIntervalTimer(a);
  // Linux takes at most INT_MAX seconds.
  const s = Math.min(seconds, 0x7fffffff);
  setIntervalTimer(a, { intervalSec: 0, intervalSub: 0, valueSec: s, valueSub: 0 });
  const up = (old.valueSec === 0 && old.valueSub > 0) || old.valueSub >= USEC_PER_SEC / 2;
  return old.valueSec + (up ? 1 : 0);
}

// ---- POSIX timers

/** timer_create(2). */
export function timerCreate(t: Task, args: SyscallArguments): number {
  const clock = args.i32(0);
  const eventAddr = args.u64(1);
  const idAddr = args.u64(2);
  const tg = t.threadGroup;
  let notify = linux.SIGEV_SIGNAL;
  let signal = SIGALRM;
  let valueLo = 0;
  let valueHi = 0;
  let tid = 0;
  if (eventAddr !== 0) {
    const buf = new Uint8Array(linux.SIZEOF_SIGEVENT);
    t.copyIn(eventAddr, buf);
    const v = new DataView(buf.buffer);
    valueLo = v.getUint32(linux.SIGEV_VALUE, true);
    valueHi = v.getUint32(linux.SIGEV_VALUE + 4, true);
    signal = v.getInt32(linux.SIGEV_SIGNO, true);
    notify = v.getInt32(linux.SIGEV_NOTIFY, true);
    tid = v.getInt32(linux.SIGEV_TID, true);
  }
  const cpu = timerClock(t, clock);
  const timers = processTimers(tg);
  const quota = t.kernel.quotaOf(t.creds.realKUID);
  if (!quota.hasRoom(tg.limits.cur(RLIMIT_SIGPENDING))) return -errno.EAGAIN;
  const id = timers.newID();
  let target: Task | null = null;
  switch (notify) {
    case linux.SIGEV_SIGNAL | linux.SIGEV_THREAD_ID:
      target = tid > 0 ? t.pidNamespace.taskWithID(tid) : null;
      if (target === null || target.threadGroup !== tg) return -errno.EINVAL;
      if (signal <= 0 || signal > NSIG) return -errno.EINVAL;
      break;
    case linux.SIGEV_SIGNAL:
    case linux.SIGEV_THREAD:
      if (signal <= 0 || signal > NSIG) return -errno.EINVAL;
      break;
    case linux.SIGEV_NONE:
      break;
    default:
      return -errno.EINVAL;
  }
  if (eventAddr === 0) valueLo = id;
  t.copyOutI32(idAddr, id);
  timers.posix.set(id, new PosixTimer(tg, id, clock, cpu, notify, signal, valueLo, valueHi, target, quota));
  return 0;
}

/** A timer of the caller's process; EINVAL. */
function getTimer(t: Task, id: number): PosixTimer {
  const timer = processTimers(t.threadGroup).posix.get(id);
  if (timer === undefined) throw linuxerr.EINVAL;
  return timer;
}

/** What timer_gettime(2) and timerfd_gettime(2) show of a timer. */
export function readTimer(timer: Pick<PosixTimer, "intervalSec" | "intervalNsec" | "remaining">): IntervalSpec {
  const left = timer.remaining();
  return {
    intervalSec: timer.intervalSec,
    intervalSub: timer.intervalNsec,
    valueSec: Math.floor(left / NSEC_PER_SEC),
    valueSub: Math.floor(left % NSEC_PER_SEC),
  };
}

/** timer_settime(2). */
export function timerSettime(t: Task, args: SyscallArguments): number {
  const flags = args.i32(1);
  const newAddr = args.u64(2);
  const oldAddr = args.u64(3);
  if (newAddr === 0) return -errno.EINVAL;
  const s = copyInInterval(t, newAddr);
  if (!validTimespec(s.intervalSec, s.intervalSub) || !validTimespec(s.valueSec, s.valueSub)) return -errno.EINVAL;
  const timer = getTimer(t, args.i32(0));
  const old = readTimer(timer);
  timer.set((flags & TIMER_ABSTIME) !== 0, s.valueSec, s.valueSub, s.intervalSec, s.intervalSub);
  if (oldAddr !== 0) copyOutInterval(t, oldAddr, old);
  return 0;
}

/** timer_gettime(2). */
export function timerGettime(t: Task, args: SyscallArguments): number {
  copyOutInterval(t, args.u64(1), readTimer(getTimer(t, args.i32(0))));
  return 0;
}

/** timer_getoverrun(2). */
export function timerGetoverrun(t: Task, args: SyscallArguments): number {
  return getTimer(t, args.i32(0)).lastOverrun;
}

/** timer_delete(2). */
export function timerDelete(t: Task, args: SyscallArguments): number {
  processTimers(t.threadGroup).deletePosix(getTimer(t, args.i32(0)));
  return 0;
}
