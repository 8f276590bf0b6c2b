/**
 * Signal sets are two uint32 words: signal n is bit n-1. These are the constants and operations on such pairs; the
 * pairs themselves live as two fields in whatever owns them.
 */
import * as linux from "../../abi/linux/signal.ts";

/** Bits of the low word (signals 1..32). */
export function bitLo(sig: number): number {
  return sig <= 32 ? (1 << (sig - 1)) >>> 0 : 0;
}

/** Bits of the high word (signals 33..64). */
export function bitHi(sig: number): number {
  return sig > 32 ? (1 << (sig - 33)) >>> 0 : 0;
}

/** Whether signal `sig` is in the set. */
export function contains(lo: number, hi: number, sig: number): boolean {
  return sig <= 32 ? ((lo >>> (sig - 1)) & 1) !== 0 : ((hi >>> (sig - 33)) & 1) !== 0;
}

/** The lowest signal of a set, or 0. */
export function lowest(lo: number, hi: number): number {
  if (lo !== 0) return 32 - Math.clz32(lo & -lo);
  if (hi !== 0) return 64 - Math.clz32(hi & -hi);
  return 0;
}

const bits = (...sigs: readonly number[]): number => sigs.reduce((m, s) => m | (1 << (s - 1)), 0) >>> 0;

/** SIGKILL and SIGSTOP: never blocked, caught or ignored. */
export const UNBLOCKABLE_LO = bits(linux.SIGKILL, linux.SIGSTOP);
/** Signals whose default action stops the process. */
export const STOP_LO = bits(linux.SIGSTOP, linux.SIGTSTP, linux.SIGTTIN, linux.SIGTTOU);
/** Signals whose default action is to do nothing. */
export const IGNORE_LO = bits(linux.SIGCONT, linux.SIGCHLD, linux.SIGWINCH, linux.SIGURG);
/** Signals whose default action dumps core. */
export const CORE_LO = bits(
  linux.SIGQUIT,
  linux.SIGILL,
  linux.SIGTRAP,
  linux.SIGABRT,
  linux.SIGBUS,
  linux.SIGFPE,
  linux.SIGSEGV,
  linux.SIGXCPU,
  linux.SIGXFSZ,
  linux.SIGSYS,
);
/** Signals that faults raise: delivered before all others. */
export const SYNCHRONOUS_LO = bits(
  linux.SIGSEGV,
  linux.SIGBUS,
  linux.SIGILL,
  linux.SIGTRAP,
  linux.SIGFPE,
  linux.SIGSYS,
);
/** SIGCONT. */
export const CONT_LO = bits(linux.SIGCONT);

/** Name of a signal for logs. */
export function signalName(sig: number): string {
  return linux.SIGNAL_NAMES[sig] ?? `SIGRT${sig - linux.SIGRTMIN}`;
}
