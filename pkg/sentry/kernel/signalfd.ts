import * as errno from "../../abi/linux/errno.ts";
import { O_RDWR } from "../../abi/linux/file.ts";
import * as linux from "../../abi/linux/signal.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { setFields, stateType } from "../../state/index.ts";
import { type Entry, EventIn, ReadableEvents } from "../../waiter/index.ts";
import type { SignalInfo } from "../arch/signal_info.ts";
import type { IOSequence } from "../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../vfs/index.ts";
import type { Kernel } from "./kernel.ts";
import type { Task } from "./task.ts";
import { dequeueOf } from "./task_signals.ts";
import type { ThreadGroup } from "./thread_group.ts";

/**
 * signalfd(2): takes pending signals of whoever reads it. Who polls it waits for signals of the process it belongs to at
 * that moment.
 */
export class SignalFileDescription extends FileDescription {
  static override readonly stateType = stateType(
    "kernel.SignalFileDescription",
    ["kernel", "lo", "hi", "waiters"],
    ["record", "words"],
  );
  readonly kernel: Kernel;
  /** The signals it takes. */
  lo: number;
  hi: number;
  /** Which process each registered entry waits for. */
  readonly waiters: Map<Entry, ThreadGroup> = new Map();
  readonly record: Uint8Array = new Uint8Array(linux.SIGNALFD_SIGINFO_SIZE);
  readonly words: Uint32Array = new Uint32Array(this.record.buffer);

  constructor(vd: VirtualDentry, flags: number, kernel: Kernel, lo: number, hi: number) {
    super(vd, O_RDWR | flags);
    this.kernel = kernel;
    this.lo = lo;
    this.hi = hi;
  }

  afterLoad(): void {
    const record = new Uint8Array(linux.SIGNALFD_SIGINFO_SIZE);
    setFields<SignalFileDescription>(this, { record, words: new Uint32Array(record.buffer) });
  }

  /** signalfd(2) on an existing descriptor: another set. */
  setMask(lo: number, hi: number): void {
    this.lo = lo;
    this.hi = hi;
    for (const tg of this.waiters.values()) tg.signalfdQueue.notify(EventIn);
  }

  /** The task on whose behalf the kernel works. */
  reader(): Task {
    const t = this.kernel.current;
    if (t === null) throw linuxerr.EAGAIN;
    return t;
  }

  override read(dst: IOSequence): number {
    const t = this.reader();
    let done = 0;
    if (dst.numBytes() < linux.SIGNALFD_SIGINFO_SIZE) throw linuxerr.EINVAL;
    while (dst.numBytes() >= linux.SIGNALFD_SIGINFO_SIZE) {
      const info = dequeueOf(t, this.lo, this.hi);
      if (info === null) break;
      this.encode(info);
      if (dst.copyOut(this.record, 0, this.record.length) !== this.record.length) throw linuxerr.EFAULT;
      done += this.record.length;
    }
    return done > 0 ? done : -errno.EAGAIN;
  }

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    const t = this.kernel.current;
    if (t === null) return 0;
    const lo = (t.pending.lo | t.threadGroup.pending.lo) & this.lo;
    const hi = (t.pending.hi | t.threadGroup.pending.hi) & this.hi;
    return lo !== 0 || hi !== 0 ? ReadableEvents & mask & EventIn : 0;
  }

  override eventRegister(e: Entry): void {
    const tg = this.reader().threadGroup;
    tg.signalfdQueue.eventRegister(e);
    this.waiters.set(e, tg);
  }

  override eventUnregister(e: Entry): void {
    this.waiters.get(e)?.signalfdQueue.eventUnregister(e);
    this.waiters.delete(e);
  }

  override fdInfo(): string {
    const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, "0");
    return `sigmask:\t${hex(this.hi)}${hex(this.lo)}\n`;
  }

  /** Writes struct signalfd_siginfo (include/uapi/linux/signalfd.h) to the record. */
  encode(info: SignalInfo): void {
    const w = this.words;
    const s = info.words;
    w.fill(0);
    w[0] = info.signo;
    w[1] = info.errno;
    w[2] = info.code;
    const code = info.code;
    if (info.isChild()) {
      w[3] = info.pid;
      w[4] = info.uid;
      w[10] = info.status;
      w[14] = s[8] ?? 0;
      w[15] = s[9] ?? 0;
      w[16] = s[10] ?? 0;
      w[17] = s[11] ?? 0;
    } else if (code === linux.SI_TIMER) {
      w[6] = s[4] ?? 0;
      w[8] = s[5] ?? 0;
      this.encodeValue(s);
    } else if (code > 0 && code !== linux.SI_KERNEL && isFault(info.signo)) {
      w[18] = s[4] ?? 0;
      w[19] = s[5] ?? 0;
    } else if (code > 0 && code !== linux.SI_KERNEL && info.signo === linux.SIGIO) {
      w[7] = s[4] ?? 0;
      w[5] = s[6] ?? 0;
    } else {
      w[3] = info.pid;
      w[4] = info.uid;
      if (code < 0 && code !== linux.SI_TKILL) this.encodeValue(s);
    }
  }

  /** ssi_int and ssi_ptr. */
  encodeValue(s: Uint32Array): void {
    this.words[11] = s[6] ?? 0;
    this.words[12] = s[6] ?? 0;
    this.words[13] = s[7] ?? 0;
  }
}

function isFault(sig: number): boolean {
  return (
    sig === linux.SIGSEGV ||
    sig === linux.SIGBUS ||
    sig === linux.SIGFPE ||
    sig === linux.SIGILL ||
    sig === linux.SIGTRAP
  );
}
