import { KTIME_SEC_MAX, NSEC_PER_SEC } from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { Task } from "../../kernel/task.ts";

/** sizeof(sigset_t) of the kernel. */
const SIZEOF_SIGSET = 8;
/** No timeout: wait for ever. */
export const FOREVER = Number.POSITIVE_INFINITY;

/** Reads a struct timespec (or timeval with `perUnit` 1000) as nanoseconds. EFAULT; EINVAL for negative or denormal values. */
export function copyInTimeout(t: Task, addr: number, perUnit: number): number {
  t.copyIn(addr, t.kernel.scratch, 0, 16);
  const w = t.kernel.scratchWords;
  const sec = ((w[1] ?? 0) | 0) * 4294967296 + (w[0] ?? 0);
  const sub = ((w[3] ?? 0) | 0) * 4294967296 + (w[2] ?? 0);
  return timeoutFrom(sec, sub * perUnit);
}

/** Nanoseconds of a validated (seconds, nanoseconds) pair; EINVAL when it is not normal. */
export function timeoutFrom(sec: number, nsec: number): number {
  if (sec < 0 || nsec < 0 || nsec >= NSEC_PER_SEC) throw linuxerr.EINVAL;
  return sec > KTIME_SEC_MAX ? FOREVER : sec * NSEC_PER_SEC + nsec;
}

/** The deadline of a wait that begins now: CLOCK_MONOTONIC ns. */
export function deadlineIn(t: Task, ns: number): number {
  return ns === FOREVER ? FOREVER : t.kernel.monotonicNow() + ns;
}

/** Installs the signal mask at `addr` for the time of a call, when there is one. EINVAL for a wrong size, EFAULT. */
export function useSignalMask(t: Task, addr: number, size: number): void {
  if (addr === 0) return;
  if (size !== SIZEOF_SIGSET) throw linuxerr.EINVAL;
  t.copyIn(addr, t.kernel.scratch, 0, 8);
  const w = t.kernel.scratchWords;
  t.setTemporarySignalMask(w[0] ?? 0, w[1] ?? 0);
}
