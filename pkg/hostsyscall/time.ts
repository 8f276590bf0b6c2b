/** Clocks, sleeping, timerfd. Nanoseconds are numbers; wall-clock times need HostTime, since 2^53 ns is 104 days. */
import { dlopen, ptr } from "bun:ffi";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import { getI64, putTimespec, scratch, scratchAddress, sys3, sys6 } from "./raw.ts";

// libc's function reads the clock in the vDSO, without entering the kernel, where the clock allows it.
const libc = dlopen("libc.so.6", { clock_gettime: { args: ["i32", "ptr"], returns: "i32" } });
const vdsoClockGettime = libc.symbols.clock_gettime;

/** A point in time as seconds and nanoseconds. */
export class HostTime {
  static readonly stateType = stateType("hostsyscall.HostTime", [], ["words", "address"]);
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(16));
  readonly address: number = ptr(this.words);

  get sec(): number {
    return getI64(this.words, 0);
  }
  get nsec(): number {
    return this.words[2] ?? 0;
  }
}

const clockBuffer = new HostTime();

/** clock_gettime(2) in nanoseconds: exact for clocks that start near zero (monotonic, boot, CPU time); -EINVAL for an unknown clock. */
export function clockGettime(clock: number): number {
  if (vdsoClockGettime(clock, clockBuffer.words) !== 0) {
    return -22;
  }
  return clockBuffer.sec * 1e9 + clockBuffer.nsec;
}

/** clock_gettime(2) into seconds and nanoseconds. 0 or -EINVAL. */
export function clockGettimeTo(clock: number, out: HostTime): number {
  return vdsoClockGettime(clock, out.words) === 0 ? 0 : -22;
}

/** clock_getres(2) in nanoseconds. */
export function clockGetres(clock: number): number {
  const r = sys3(nr.SYS_clock_getres, clock, scratchAddress, 0);
  return r < 0 ? r : getI64(scratch, 0) * 1e9 + (scratch[2] ?? 0);
}

/** clock_nanosleep(2) on CLOCK_MONOTONIC for a time: 0 or -EINTR. */
export function nanosleep(ns: number): number {
  putTimespec(scratch, 0, ns);
  return sys6(nr.SYS_clock_nanosleep, 1, 0, scratchAddress, 0, 0, 0);
}

/** timerfd_create(2). */
export function timerfdCreate(clock: number, flags: number): number {
  return sys3(nr.SYS_timerfd_create, clock, flags, 0);
}

/** timerfd_settime(2); value 0 disarms. */
export function timerfdSettime(fd: number, flags: number, valueNs: number, intervalNs: number): number {
  putTimespec(scratch, 0, intervalNs);
  putTimespec(scratch, 4, valueNs);
  return sys6(nr.SYS_timerfd_settime, fd, flags, scratchAddress, 0, 0, 0);
}

/** clock id of another process's or thread's CPU time (see clock_getcpuclockid(3)): `perThread` for a tid. */
export function cpuClock(id: number, perThread: boolean): number {
  return (~id << 3) | (perThread ? 6 : 2);
}
