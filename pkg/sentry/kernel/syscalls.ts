import type { Task } from "./task.ts";

/** The six arguments of a system call as register words: argument i is words[2*i] (low) and words[2*i+1] (high). */
export class SyscallArguments {
  readonly words: Uint32Array;

  constructor(words: Uint32Array) {
    this.words = words;
  }

  /** Argument i as a C int. */
  i32(i: number): number {
    return (this.words[2 * i] ?? 0) | 0;
  }

  /** Argument i as an unsigned int. */
  u32(i: number): number {
    return this.words[2 * i] ?? 0;
  }

  /** Argument i as an unsigned 64-bit number: exact below 2^53, at least 2^53 otherwise. Addresses and sizes. */
  u64(i: number): number {
    return (this.words[2 * i + 1] ?? 0) * 4294967296 + (this.words[2 * i] ?? 0);
  }

  /** Argument i as a signed 64-bit number: exact within +-2^53. Offsets. */
  i64(i: number): number {
    return ((this.words[2 * i + 1] ?? 0) | 0) * 4294967296 + (this.words[2 * i] ?? 0);
  }
}

/** The task was woken by one of its waiter entries (or by wake()). */
export const WAKE_EVENT = 0;
/** The deadline of the block passed. */
export const WAKE_TIMEOUT = 1;
/** A signal (or stop, or kill) must be handled: return a partial result, -EINTR or a restart code. */
export const WAKE_INTERRUPT = 2;
/** Why a blocked system call goes on. */
export type WakeReason = 0 | 1 | 2;

/** What a system call generator yields: made by Task.block and Task.reschedule, one object per task, reused. */
export class BlockRequest {
  /** Absolute CLOCK_MONOTONIC nanoseconds; Infinity: no deadline; 0: only let others run. */
  deadline = Number.POSITIVE_INFINITY;
}

/** A system call that may block. */
export type SyscallGenerator = Generator<BlockRequest, number, WakeReason>;

/** The value of a system call: a result >= 0, a negative errno (or restart code), or a generator that will give one. */
export type SyscallResult = number | SyscallGenerator;

/** An implementation of a system call. Throwing a LinuxError equals returning its negative errno. */
export type SyscallFn = (t: Task, args: SyscallArguments) => SyscallResult;
