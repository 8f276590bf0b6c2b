import {
  CLD_CONTINUED,
  CLD_EXITED,
  SI_KERNEL,
  SI_TIMER,
  SI_TKILL,
  SI_USER,
  SIGCHLD,
  SIGINFO_SIZE,
} from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";

/** Words of a siginfo the kernel keeps; the rest of the 128 bytes is zero. */
const KERNEL_SIGINFO_WORDS = 12;

/**
 * A siginfo_t: the 48 bytes of it that carry information, as the guest's bytes. Immutable once queued.
 * Layout (include/uapi/asm-generic/siginfo.h): signo, errno, code, pad, then a union at byte 16.
 */
export class SignalInfo {
  static readonly stateType = stateType("arch.SignalInfo", ["words"]);
  readonly words: Uint32Array;

  constructor(sig: number, code: number) {
    this.words = new Uint32Array(KERNEL_SIGINFO_WORDS);
    this.words[0] = sig;
    this.words[2] = code;
  }

  /** kill(2), tgkill(2): si_pid and si_uid as the receiver sees them. */
  static user(sig: number, code: number, pid: number, uid: number): SignalInfo {
    const i = new SignalInfo(sig, code);
    i.words[4] = pid;
    i.words[5] = uid;
    return i;
  }

  /** A signal of the kernel itself: SI_KERNEL, no sender. */
  static kernel(sig: number): SignalInfo {
    return new SignalInfo(sig, SI_KERNEL);
  }

  /** A fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP) at an address. */
  static fault(sig: number, code: number, addr: number): SignalInfo {
    const i = new SignalInfo(sig, code);
    i.words[4] = addr;
    i.words[5] = Math.floor(addr / 4294967296);
    return i;
  }

  /** SIGCHLD and other exit signals. `utime` and `stime` are clock ticks (1/100 s). */
  static child(sig: number, code: number, pid: number, uid: number, status: number, utime: number, stime: number) {
    const i = new SignalInfo(sig, code);
    const w = i.words;
    w[4] = pid;
    w[5] = uid;
    w[6] = status;
    w[8] = utime;
    w[9] = Math.floor(utime / 4294967296);
    w[10] = stime;
    w[11] = Math.floor(stime / 4294967296);
    return i;
  }

  /** SI_TIMER of a POSIX timer: its id, overrun count and sigev_value (low, high words). */
  static timer(sig: number, timerID: number, overrun: number, valueLo: number, valueHi: number): SignalInfo {
    const i = new SignalInfo(sig, SI_TIMER);
    i.words[4] = timerID;
    i.words[5] = overrun;
    i.words[6] = valueLo;
    i.words[7] = valueHi;
    return i;
  }

  /** SIGIO of a descriptor: band is the poll mask. */
  static poll(sig: number, code: number, band: number, fd: number): SignalInfo {
    const i = new SignalInfo(sig, code);
    i.words[4] = band;
    i.words[6] = fd;
    return i;
  }

  /** SIGSYS of seccomp: address of the call, its number and architecture. `err` is the filter's data. */
  static sys(sig: number, code: number, err: number, callAddr: number, nr: number, arch: number): SignalInfo {
    const i = SignalInfo.fault(sig, code, callAddr);
    i.words[1] = err;
    i.words[6] = nr;
    i.words[7] = arch;
    return i;
  }

  /** A siginfo as a guest gave it to rt_sigqueueinfo(2); `raw` holds at least 48 bytes. */
  static fromBytes(raw: Uint8Array): SignalInfo {
    const i = new SignalInfo(0, 0);
    i.bytes().set(raw.subarray(0, KERNEL_SIGINFO_WORDS * 4));
    return i;
  }

  /** The 48 bytes, as a view. */
  bytes(): Uint8Array {
    return new Uint8Array(this.words.buffer, this.words.byteOffset, KERNEL_SIGINFO_WORDS * 4);
  }

  /** si_signo. */
  get signo(): number {
    return this.words[0] ?? 0;
  }

  /** si_errno. */
  get errno(): number {
    return (this.words[1] ?? 0) | 0;
  }

  /** si_code. */
  get code(): number {
    return (this.words[2] ?? 0) | 0;
  }

  /** si_pid (also si_timerid). */
  get pid(): number {
    return (this.words[4] ?? 0) | 0;
  }

  /** si_uid (also si_overrun). */
  get uid(): number {
    return this.words[5] ?? 0;
  }

  /** si_addr. */
  get addr(): number {
    return (this.words[5] ?? 0) * 4294967296 + (this.words[4] ?? 0);
  }

  /** si_status of a SIGCHLD (also the low word of si_value). */
  get status(): number {
    return (this.words[6] ?? 0) | 0;
  }

  /** Whether the code says a user process made it: SI_FROMUSER. */
  fromUser(): boolean {
    return this.code <= 0;
  }

  /** Whether si_pid and si_uid mean a sender. */
  hasSender(): boolean {
    const c = this.code;
    return c === SI_USER || c === SI_TKILL || (c < 0 && c !== SI_TIMER);
  }

  /** Whether it has the layout of SIGCHLD. */
  isChild(): boolean {
    return this.signo === SIGCHLD && this.code >= CLD_EXITED && this.code <= CLD_CONTINUED;
  }

  /** Writes the whole siginfo_t (128 bytes) at `off`. */
  writeTo(dst: Uint8Array, off: number): void {
    dst.set(this.bytes(), off);
    dst.fill(0, off + KERNEL_SIGINFO_WORDS * 4, off + SIGINFO_SIZE);
  }
}
