import * as errno from "../../../abi/linux/errno.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
  SIZEOF_POLLFD,
} from "../../../abi/linux/poll.ts";
import { RLIMIT_NOFILE } from "../../../abi/linux/rlimit.ts";
import { NSEC_PER_MSEC, NSEC_PER_SEC } from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { type LoadContext, setFields, stateType } from "../../../state/index.ts";
import { Entry } from "../../../waiter/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import type { SyscallRestartBlock, Task } from "../../kernel/task.ts";
import type { FileDescription } from "../../vfs/index.ts";
import { copyInTimeout, deadlineIn, FOREVER, timeoutFrom, useSignalMask } from "./timeout.ts";

/** Most entries that fit the kernel's scratch buffer. */
const SCRATCH_FDS = 2048;
/** personality(2): timeouts are not written back. */
const STICKY_TIMEOUTS = 0x4000000;

/** What select(2) calls readable, writable, exceptional. */
const SELECT_IN = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
const SELECT_OUT = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
const SELECT_EX = POLLPRI;

/** The waiter entries of one poll under way, and references on its files. */
class PollWait {
  static readonly stateType = stateType("linux.PollWait", ["task", "entries", "files"]);
  readonly task: Task;
  readonly entries: Entry[] = [];
  readonly files: FileDescription[] = [];

  constructor(task: Task) {
    this.task = task;
  }

  /** Has the file wake the task for the bits of mask. */
  add(file: FileDescription, mask: number): void {
    if (!file.canPoll()) return;
    const e = new Entry(this.task, mask);
    file.eventRegister(e);
    file.incRef();
    this.entries.push(e);
    this.files.push(file);
  }

  /** Ends the wait. */
  release(): void {
    for (let i = 0; i < this.entries.length; i++) {
      const e = this.entries[i];
      const f = this.files[i];
      if (e === undefined || f === undefined) continue;
      f.eventUnregister(e);
      f.decRef();
    }
  }
}

// ---- poll

/** poll(2). */
export function poll(t: Task, args: SyscallArguments): SyscallResult {
  const ms = args.i32(2);
  return pollFor(t, args.u64(0), args.u32(1), ms < 0 ? FOREVER : ms * NSEC_PER_MSEC, true);
}

/** ppoll(2). */
export function ppoll(t: Task, args: SyscallArguments): SyscallResult {
  const timeoutAddr = args.u64(2);
  const ns = timeoutAddr === 0 ? FOREVER : copyInTimeout(t, timeoutAddr, 1);
  const deadline = deadlineIn(t, ns);
  useSignalMask(t, args.u64(3), args.u64(4));
  let r: SyscallResult;
  try {
    r = pollFor(t, args.u64(0), args.u32(1), ns, false);
  } catch (e) {
    t.endTemporarySignalMask(false);
    throw e;
  }
  if (typeof r === "number") return finishTimed(t, r, timeoutAddr, ns, deadline, 1);
  return finishTimedLater(t, r, timeoutAddr, ns, deadline, 1);
}

/** The rest of poll(2) after a signal without handler: same descriptors, same deadline. */
export class PollRestart implements SyscallRestartBlock {
  static readonly stateType = stateType("linux.PollRestart", ["addr", "nfds", "deadline"]);
  readonly addr: number;
  readonly nfds: number;
  readonly deadline: number;

  constructor(addr: number, nfds: number, deadline: number) {
    this.addr = addr;
    this.nfds = nfds;
    this.deadline = deadline;
  }

  afterLoad(ctx: LoadContext): void {
    setFields<PollRestart>(this, { deadline: this.deadline + ctx.monotonicShift });
  }

  restart(t: Task): SyscallResult {
    const left = this.deadline === FOREVER ? FOREVER : Math.max(0, this.deadline - t.kernel.monotonicNow());
    return pollFor(t, this.addr, this.nfds, left, true);
  }
}

function pollFor(t: Task, addr: number, nfds: number, ns: number, restartable: boolean): SyscallResult {
  if (nfds > t.threadGroup.limits.cur(RLIMIT_NOFILE)) return -errno.EINVAL;
  const bytes = nfds <= SCRATCH_FDS ? t.kernel.scratch : new Uint8Array(nfds * SIZEOF_POLLFD);
  const len = nfds * SIZEOF_POLLFD;
  t.copyIn(addr, bytes, 0, len);
  const words = nfds <= SCRATCH_FDS ? t.kernel.scratchWords : new Uint32Array(bytes.buffer);
  const n = scanPoll(t, words, nfds);
  if (n > 0 || ns === 0) {
    t.copyOut(addr, bytes, 0, len);
    return n === 0 && t.hasPendingSignal() ? interruptedPoll(t, addr, nfds, 0, restartable) : n;
  }
  // The scratch buffer is for others while this task waits.
  const mine = nfds <= SCRATCH_FDS ? Uint8Array.from(bytes.subarray(0, len)) : bytes;
  return waitPoll(t, addr, nfds, mine, deadlineIn(t, ns), restartable);
}

function interruptedPoll(t: Task, addr: number, nfds: number, deadline: number, restartable: boolean): number {
  if (!restartable) return -errno.ERESTARTNOHAND;
  t.restartBlock = new PollRestart(addr, nfds, deadline);
  return -errno.ERESTART_RESTARTBLOCK;
}

/** Fills the revents of all entries; returns how many are not 0. Words: fd, events | revents << 16. */
function scanPoll(t: Task, words: Uint32Array, nfds: number): number {
  let ready = 0;
  for (let i = 0; i < nfds; i++) {
    const fd = (words[2 * i] ?? 0) | 0;
    const events = (words[2 * i + 1] ?? 0) & 0xffff;
    let revents = 0;
    if (fd >= 0) {
      const file = t.fdTable.get(fd);
      if (file === null || (file.statusFlags & 0o10000000) !== 0) revents = POLLNVAL;
      else {
        const want = events | POLLERR | POLLHUP;
        revents = file.readiness(want) & want;
      }
    }
    words[2 * i + 1] = events | (revents << 16);
    if (revents !== 0) ready++;
  }
  return ready;
}

function* waitPoll(
  t: Task,
  addr: number,
  nfds: number,
  bytes: Uint8Array,
  deadline: number,
  restartable: boolean,
): SyscallGenerator {
  const words = new Uint32Array(bytes.buffer);
  const wait = new PollWait(t);
  try {
    for (let i = 0; i < nfds; i++) {
      const fd = (words[2 * i] ?? 0) | 0;
      const file = fd >= 0 ? t.fdTable.get(fd) : null;
      if (file !== null) wait.add(file, ((words[2 * i + 1] ?? 0) & 0xffff) | POLLERR | POLLHUP);
    }
    // Registering may have told the host to watch: what became ready before shows now.
    let n = scanPoll(t, words, nfds);
    while (n === 0) {
      const why = yield t.block(deadline);
      n = scanPoll(t, words, nfds);
      if (n > 0) break;
      if (why === WAKE_INTERRUPT) {
        t.copyOut(addr, bytes);
        return interruptedPoll(t, addr, nfds, deadline, restartable);
      }
      if (why === WAKE_TIMEOUT) break;
    }
    t.copyOut(addr, bytes);
    return n;
  } finally {
    wait.release();
  }
}

// ---- select

/** select(2). */
export function select(t: Task, args: SyscallArguments): SyscallResult {
  const timeoutAddr = args.u64(4);
  let ns = FOREVER;
  if (timeoutAddr !== 0) {
    t.copyIn(timeoutAddr, t.kernel.scratch, 0, 16);
    const w = t.kernel.scratchWords;
    const sec = ((w[1] ?? 0) | 0) * 4294967296 + (w[0] ?? 0);
    const usec = ((w[3] ?? 0) | 0) * 4294967296 + (w[2] ?? 0);
    // Too many microseconds are carried over, as Linux does.
    ns = timeoutFrom(sec + Math.trunc(usec / 1e6), (usec % 1e6) * 1000);
  }
  const deadline = deadlineIn(t, ns);
  const r = selectFor(t, args, ns);
  if (typeof r === "number") return finishTimed(t, r, timeoutAddr, ns, deadline, 1000);
  return finishTimedLater(t, r, timeoutAddr, ns, deadline, 1000);
}

/** pselect6(2). */
export function pselect6(t: Task, args: SyscallArguments): SyscallResult {
  const packAddr = args.u64(5);
  let maskAddr = 0;
  let maskSize = 0;
  if (packAddr !== 0) {
    t.copyIn(packAddr, t.kernel.scratch, 0, 16);
    const w = t.kernel.scratchWords;
    maskAddr = (w[1] ?? 0) * 4294967296 + (w[0] ?? 0);
    maskSize = (w[3] ?? 0) * 4294967296 + (w[2] ?? 0);
  }
  const timeoutAddr = args.u64(4);
  const ns = timeoutAddr === 0 ? FOREVER : copyInTimeout(t, timeoutAddr, 1);
  const deadline = deadlineIn(t, ns);
  useSignalMask(t, maskAddr, maskSize);
  let r: SyscallResult;
  try {
    r = selectFor(t, args, ns);
  } catch (e) {
    t.endTemporarySignalMask(false);
    throw e;
  }
  if (typeof r === "number") return finishTimed(t, r, timeoutAddr, ns, deadline, 1);
  return finishTimedLater(t, r, timeoutAddr, ns, deadline, 1);
}

/** The three sets of one select: input in, output out. */
class SelectSets {
  static readonly stateType = stateType("linux.SelectSets", ["n", "words", "addrs", "input", "output"]);
  /** Descriptors looked at. */
  readonly n: number;
  /** 32-bit words of one set; an even number. */
  readonly words: number;
  readonly addrs: readonly number[];
  readonly input: Uint32Array;
  readonly output: Uint32Array;

  constructor(t: Task, n: number, addrs: readonly number[]) {
    this.n = n;
    this.words = 2 * Math.ceil(n / 64);
    this.addrs = addrs;
    this.input = new Uint32Array(3 * this.words);
    this.output = new Uint32Array(3 * this.words);
    const bytes = new Uint8Array(this.input.buffer);
    for (let s = 0; s < 3; s++) {
      const a = addrs[s] ?? 0;
      if (a !== 0) t.copyIn(a, bytes, s * this.words * 4, this.words * 4);
    }
    // Bits beyond n do not count.
    const rest = n & 31;
    if (rest !== 0) {
      for (let s = 0; s < 3; s++) {
        const last = s * this.words + (n >>> 5);
        this.input[last] = (this.input[last] ?? 0) & ((1 << rest) - 1);
      }
    }
    if ((n + 31) >>> 5 < this.words) {
      for (let s = 0; s < 3; s++) this.input[s * this.words + this.words - 1] = 0;
    }
  }

  /** All descriptors asked for in word w. */
  asked(w: number): number {
    return (this.input[w] ?? 0) | (this.input[this.words + w] ?? 0) | (this.input[2 * this.words + w] ?? 0);
  }

  /** The poll bits asked for by the bit of word w. */
  wants(w: number, bit: number): number {
    let m = 0;
    if (((this.input[w] ?? 0) & bit) !== 0) m |= SELECT_IN;
    if (((this.input[this.words + w] ?? 0) & bit) !== 0) m |= SELECT_OUT;
    if (((this.input[2 * this.words + w] ?? 0) & bit) !== 0) m |= SELECT_EX;
    return m;
  }

  /** Fills the output sets; returns how many bits are set in them. EBADF for a descriptor that is not open when `strict`. */
  scan(t: Task, strict: boolean): number {
    let count = 0;
    const { input, output, words } = this;
    output.fill(0);
    for (let w = 0; w < words; w++) {
      let left = this.asked(w);
      while (left !== 0) {
        const bit = left & -left;
        left ^= bit;
        const file = t.fdTable.get(w * 32 + (31 - Math.clz32(bit)));
        if (file === null) {
          if (strict) throw linuxerr.EBADF;
          continue;
        }
        const wants = this.wants(w, bit);
        const is = (file.statusFlags & 0o10000000) !== 0 ? 0x3ff : file.readiness(wants | POLLERR | POLLHUP);
        if (((input[w] ?? 0) & bit) !== 0 && (is & SELECT_IN) !== 0) {
          output[w] = (output[w] ?? 0) | bit;
          count++;
        }
        if (((input[words + w] ?? 0) & bit) !== 0 && (is & SELECT_OUT) !== 0) {
          output[words + w] = (output[words + w] ?? 0) | bit;
          count++;
        }
        if (((input[2 * words + w] ?? 0) & bit) !== 0 && (is & SELECT_EX) !== 0) {
          output[2 * words + w] = (output[2 * words + w] ?? 0) | bit;
          count++;
        }
      }
    }
    return count;
  }

  /** Waits on all descriptors. */
  register(t: Task, wait: PollWait): void {
    for (let w = 0; w < this.words; w++) {
      let left = this.asked(w);
      while (left !== 0) {
        const bit = left & -left;
        left ^= bit;
        const file = t.fdTable.get(w * 32 + (31 - Math.clz32(bit)));
        if (file !== null) wait.add(file, this.wants(w, bit) | POLLERR | POLLHUP);
      }
    }
  }

  /** Stores the output sets. */
  copyOut(t: Task): void {
    const bytes = new Uint8Array(this.output.buffer);
    for (let s = 0; s < 3; s++) {
      const a = this.addrs[s] ?? 0;
      if (a !== 0) t.copyOut(a, bytes, s * this.words * 4, this.words * 4);
    }
  }
}

function selectFor(t: Task, args: SyscallArguments, ns: number): SyscallResult {
  let n = args.i32(0);
  if (n < 0) return -errno.EINVAL;
  if (n > t.fdTable.nrOpen) n = t.fdTable.nrOpen;
  const sets = new SelectSets(t, n, [args.u64(1), args.u64(2), args.u64(3)]);
  const ready = sets.scan(t, true);
  if (ready > 0 || ns === 0) {
    if (ready === 0 && t.hasPendingSignal()) return -errno.ERESTARTNOHAND;
    sets.copyOut(t);
    return ready;
  }
  return waitSelect(t, sets, deadlineIn(t, ns));
}

function* waitSelect(t: Task, sets: SelectSets, deadline: number): SyscallGenerator {
  const wait = new PollWait(t);
  try {
    sets.register(t, wait);
    let n = sets.scan(t, false);
    while (n === 0) {
      const why = yield t.block(deadline);
      n = sets.scan(t, false);
      if (n > 0) break;
      if (why === WAKE_INTERRUPT) return -errno.ERESTARTNOHAND;
      if (why === WAKE_TIMEOUT) break;
    }
    sets.copyOut(t);
    return n;
  } finally {
    wait.release();
  }
}

// ---- what ppoll, select and pselect6 have in common at their end

/** Restores the signal mask and writes the time left back. */
function finishTimed(t: Task, r: number, addr: number, ns: number, deadline: number, perUnit: number): number {
  t.endTemporarySignalMask(r === -errno.ERESTARTNOHAND);
  if (addr === 0 || ns === 0 || r === -errno.EINVAL) return r;
  let written = false;
  if ((t.personality & STICKY_TIMEOUTS) === 0) {
    let left = deadline === FOREVER ? 0 : Math.max(0, deadline - t.kernel.monotonicNow());
    if (deadline === FOREVER) left = Number.MAX_SAFE_INTEGER;
    const sec = Math.floor(left / NSEC_PER_SEC);
    const w = t.kernel.scratchWords;
    w[0] = sec;
    w[1] = Math.floor(sec / 4294967296);
    w[2] = Math.floor((left - sec * NSEC_PER_SEC) / perUnit);
    w[3] = 0;
    try {
      t.copyOut(addr, t.kernel.scratch, 0, 16);
      written = true;
    } catch (e) {
      // A timeout in read-only memory is no error, but then the call cannot be restarted with what is left.
      if (e !== linuxerr.EFAULT) throw e;
    }
  }
  return !written && r === -errno.ERESTARTNOHAND ? -errno.EINTR : r;
}

function* finishTimedLater(
  t: Task,
  g: SyscallGenerator,
  addr: number,
  ns: number,
  deadline: number,
  perUnit: number,
): SyscallGenerator {
  let r: number;
  try {
    r = yield* g;
  } catch (e) {
    t.endTemporarySignalMask(false);
    throw e;
  }
  return finishTimed(t, r, addr, ns, deadline, perUnit);
}
