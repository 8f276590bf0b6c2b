import { CAP_WAKE_ALARM } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
} from "../../../abi/linux/time.ts";
import * as linux from "../../../abi/linux/timer.ts";
import { TimerFileDescription } from "../../fsimpl/timerfd/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { validTimespec } from "./sys_time.ts";
import { copyInInterval, copyOutInterval, readTimer } from "./sys_timer.ts";

function isAlarmClock(clock: number): boolean {
  return clock === CLOCK_REALTIME_ALARM || clock === CLOCK_BOOTTIME_ALARM;
}

/** timerfd_create(2). */
export function timerfdCreate(t: Task, args: SyscallArguments): number {
  const clock = args.i32(0);
  const flags = args.i32(1);
  if ((flags & ~(linux.TFD_CLOEXEC | linux.TFD_NONBLOCK)) !== 0) return -errno.EINVAL;
  if (clock !== CLOCK_REALTIME && clock !== CLOCK_MONOTONIC && clock !== CLOCK_BOOTTIME && !isAlarmClock(clock)) {
    return -errno.EINVAL;
  }
  if (isAlarmClock(clock) && !t.creds.hasCapabilityIn(CAP_WAKE_ALARM, t.kernel.rootUserNamespace)) return -errno.EPERM;
  const vd = t.kernel.vfs.newAnonVirtualDentry("[timerfd]");
  const file = new TimerFileDescription(t.kernel, vd, clock, flags & linux.TFD_NONBLOCK);
  try {
    return t.newFD(file, (flags & linux.TFD_CLOEXEC) !== 0);
  } finally {
    file.decRef();
  }
}

/** timerfd_settime(2). */
export function timerfdSettime(t: Task, args: SyscallArguments): number {
  const fd = args.i32(0);
  const flags = args.i32(1);
  const oldAddr = args.u64(3);
  const s = copyInInterval(t, args.u64(2));
  if ((flags & ~(linux.TFD_TIMER_ABSTIME | linux.TFD_TIMER_CANCEL_ON_SET)) !== 0) return -errno.EINVAL;
  if (!validTimespec(s.intervalSec, s.intervalSub) || !validTimespec(s.valueSec, s.valueSub)) return -errno.EINVAL;
  const f = t.getFile(fd);
  if (!(f instanceof TimerFileDescription)) return -errno.EINVAL;
  if (isAlarmClock(f.clock) && !t.creds.hasCapabilityIn(CAP_WAKE_ALARM, t.kernel.rootUserNamespace))
    return -errno.EPERM;
  const old = readTimer(f);
  f.set(
    (flags & linux.TFD_TIMER_ABSTIME) !== 0,
    (flags & linux.TFD_TIMER_CANCEL_ON_SET) !== 0,
    s.valueSec,
    s.valueSub,
    s.intervalSec,
    s.intervalSub,
  );
  if (oldAddr !== 0) copyOutInterval(t, oldAddr, old);
  return 0;
}

/** timerfd_gettime(2). */
export function timerfdGettime(t: Task, args: SyscallArguments): number {
  const f = t.getFile(args.i32(0));
  if (!(f instanceof TimerFileDescription)) return -errno.EINVAL;
  copyOutInterval(t, args.u64(1), readTimer(f));
  return 0;
}
