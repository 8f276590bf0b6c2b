import * as errno from "../../../abi/linux/errno.ts";
import * as linux from "../../../abi/linux/futex.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from "../../../abi/linux/time.ts";
import { type LoadContext, setFields, stateType } from "../../../state/index.ts";
import { Waiter } from "../../kernel/futex/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import type { SyscallRestartBlock, Task } from "../../kernel/task.ts";
import { mayAccessTask } from "../../kernel/task_access.ts";
import { ClockSetWaker, validTimespec } from "./sys_time.ts";

/** When a wait ends: a point of CLOCK_MONOTONIC, or of CLOCK_REALTIME, which may be set meanwhile. */
export class FutexDeadline {
  static readonly stateType = stateType("syscalls.FutexDeadline", ["realtime", "mono", "sec", "nsec"]);
  readonly realtime: boolean;
  /** For CLOCK_MONOTONIC: ns, Infinity without a timeout. */
  readonly mono: number;
  readonly sec: number;
  readonly nsec: number;

  constructor(realtime: boolean, mono: number, sec: number, nsec: number) {
    this.realtime = realtime;
    this.mono = mono;
    this.sec = sec;
    this.nsec = nsec;
  }

  afterLoad(ctx: LoadContext): void {
    setFields<FutexDeadline>(this, { mono: this.mono + ctx.monotonicShift });
  }

  /** CLOCK_MONOTONIC ns as things stand. */
  now(t: Task): number {
    return this.realtime ? t.kernel.timekeeper.deadline(CLOCK_REALTIME, this.sec, this.nsec) : this.mono;
  }

  /** Whether there is a timeout at all. */
  finite(): boolean {
    return this.realtime || this.mono !== Number.POSITIVE_INFINITY;
  }
}

const NO_DEADLINE = new FutexDeadline(false, Number.POSITIVE_INFINITY, 0, 0);

/** Reads the timeout of a wait. EFAULT, EINVAL. */
function readDeadline(t: Task, addr: number, relative: boolean, realtime: boolean): FutexDeadline | number {
  t.copyIn(addr, t.kernel.scratch, 0, 16);
  const w = t.kernel.scratchWords;
  const sec = ((w[1] ?? 0) | 0) * 4294967296 + (w[0] ?? 0);
  const nsec = ((w[3] ?? 0) | 0) * 4294967296 + (w[2] ?? 0);
  if (!validTimespec(sec, nsec)) return -errno.EINVAL;
  const ns = sec * 1e9 + nsec;
  if (relative) return new FutexDeadline(false, t.kernel.monotonicNow() + ns, 0, 0);
  return realtime ? new FutexDeadline(true, 0, sec, nsec) : new FutexDeadline(false, ns, 0, 0);
}

/** Waits again after a signal that ran no handler. */
export class FutexRestart implements SyscallRestartBlock {
  static readonly stateType = stateType("syscalls.FutexRestart", ["addr", "isPrivate", "val", "bitset", "deadline"]);
  readonly addr: number;
  readonly isPrivate: boolean;
  readonly val: number;
  readonly bitset: number;
  readonly deadline: FutexDeadline;

  constructor(addr: number, isPrivate: boolean, val: number, bitset: number, deadline: FutexDeadline) {
    this.addr = addr;
    this.isPrivate = isPrivate;
    this.val = val;
    this.bitset = bitset;
    this.deadline = deadline;
  }

  restart(t: Task): SyscallResult {
    return wait(t, this.addr, this.isPrivate, this.val, this.bitset, this.deadline);
  }
}

function wait(t: Task, addr: number, isPrivate: boolean, val: number, bitset: number, d: FutexDeadline): SyscallResult {
  if (bitset === 0) return -errno.EINVAL;
  const futexes = t.kernel.futexes;
  const w = futexes.waiterOf(t);
  const r = futexes.waitPrepare(t, w, addr, isPrivate, val, bitset);
  return r < 0 ? r : blockOn(t, w, addr, isPrivate, val, bitset, d);
}

function* blockOn(
  t: Task,
  w: Waiter,
  addr: number,
  isPrivate: boolean,
  val: number,
  bitset: number,
  d: FutexDeadline,
): SyscallGenerator {
  const k = t.kernel;
  const waker = d.realtime ? new ClockSetWaker(t) : null;
  if (waker !== null) k.timekeeper.listeners.add(waker);
  try {
    for (;;) {
      const why = yield t.block(d.now(t));
      if (w.bucket === null) return 0;
      if (why === WAKE_TIMEOUT) return -errno.ETIMEDOUT;
      if (why !== WAKE_INTERRUPT) continue;
      if (!d.finite()) return -errno.ERESTARTSYS;
      t.restartBlock = new FutexRestart(addr, isPrivate, val, bitset, d);
      return -errno.ERESTART_RESTARTBLOCK;
    }
  } finally {
    if (waker !== null) k.timekeeper.listeners.delete(waker);
    k.futexes.dequeue(w);
  }
}

/** FUTEX_LOCK_PI. */
function lockPI(t: Task, addr: number, isPrivate: boolean, d: FutexDeadline): SyscallResult {
  const futexes = t.kernel.futexes;
  const r = futexes.lockPI(t, futexes.waiterOf(t), addr, isPrivate, false);
  if (r === 1) return 0;
  if (r < 0 && r !== -errno.EAGAIN) return r;
  return blockOnPI(t, addr, isPrivate, d, r);
}

function* blockOnPI(t: Task, addr: number, isPrivate: boolean, d: FutexDeadline, first: number): SyscallGenerator {
  const k = t.kernel;
  const w = k.futexes.waiterOf(t);
  const waker = d.realtime ? new ClockSetWaker(t) : null;
  if (waker !== null) k.timekeeper.listeners.add(waker);
  try {
    let r = first;
    // The owner is exiting, or the word is being fought over: try again.
    while (r === -errno.EAGAIN) {
      if ((yield t.reschedule()) === WAKE_INTERRUPT) return -errno.ERESTARTNOINTR;
      if (d.now(t) <= k.monotonicNow()) return -errno.ETIMEDOUT;
      r = k.futexes.lockPI(t, w, addr, isPrivate, false);
    }
    if (r < 0) return r;
    if (r === 1) return 0;
    for (;;) {
      const why = yield t.block(d.now(t));
      if (w.bucket === null) return 0;
      if (why === WAKE_TIMEOUT) return -errno.ETIMEDOUT;
      if (why === WAKE_INTERRUPT) return -errno.ERESTARTNOINTR;
    }
  } finally {
    if (waker !== null) k.timekeeper.listeners.delete(waker);
    k.futexes.dequeue(w);
  }
}

/** FUTEX_WAIT_REQUEUE_PI. */
function waitRequeuePI(
  t: Task,
  addr: number,
  isPrivate: boolean,
  val: number,
  addr2: number,
  d: FutexDeadline,
): SyscallResult {
  const futexes = t.kernel.futexes;
  const w = futexes.waiterOf(t);
  const r = futexes.waitRequeuePrepare(t, w, addr, isPrivate, val, addr2);
  return r < 0 ? r : blockOnRequeue(t, w, d);
}

function* blockOnRequeue(t: Task, w: Waiter, d: FutexDeadline): SyscallGenerator {
  const k = t.kernel;
  const waker = d.realtime ? new ClockSetWaker(t) : null;
  if (waker !== null) k.timekeeper.listeners.add(waker);
  try {
    for (;;) {
      const why = yield t.block(d.now(t));
      if (w.bucket === null) return 0;
      if (why === WAKE_TIMEOUT) return -errno.ETIMEDOUT;
      // Once it was moved the call cannot begin again: the word has changed.
      if (why === WAKE_INTERRUPT) return w.pi ? -errno.EAGAIN : -errno.ERESTARTNOINTR;
    }
  } finally {
    if (waker !== null) k.timekeeper.listeners.delete(waker);
    k.futexes.dequeue(w);
    w.requeueObject = null;
  }
}

/** Whether a command takes a timeout. */
function hasTimeout(cmd: number): boolean {
  return (
    cmd === linux.FUTEX_WAIT ||
    cmd === linux.FUTEX_WAIT_BITSET ||
    cmd === linux.FUTEX_LOCK_PI ||
    cmd === linux.FUTEX_LOCK_PI2 ||
    cmd === linux.FUTEX_WAIT_REQUEUE_PI
  );
}

/** Whether a command knows FUTEX_CLOCK_REALTIME. */
function mayUseRealtime(cmd: number): boolean {
  return cmd === linux.FUTEX_WAIT_BITSET || cmd === linux.FUTEX_LOCK_PI2 || cmd === linux.FUTEX_WAIT_REQUEUE_PI;
}

/** futex(2). */
export function futex(t: Task, args: SyscallArguments): SyscallResult {
  const addr = args.u64(0);
  const op = args.i32(1);
  const val = args.u32(2);
  const timeout = args.u64(3);
  const addr2 = args.u64(4);
  const val3 = args.u32(5);
  const cmd = op & linux.FUTEX_CMD_MASK;
  const isPrivate = (op & linux.FUTEX_PRIVATE_FLAG) !== 0;
  const realtime = (op & linux.FUTEX_CLOCK_REALTIME) !== 0;
  let d: FutexDeadline = NO_DEADLINE;
  if (timeout !== 0 && hasTimeout(cmd)) {
    const r = readDeadline(t, timeout, cmd === linux.FUTEX_WAIT, realtime || cmd === linux.FUTEX_LOCK_PI);
    if (typeof r === "number") return r;
    d = r;
  }
  if (realtime && !mayUseRealtime(cmd)) return -errno.ENOSYS;
  const futexes = t.kernel.futexes;
  // Where the timeout pointer is a second count.
  const val2 = args.i32(3);
  switch (cmd) {
    case linux.FUTEX_WAIT:
      return wait(t, addr, isPrivate, val, linux.FUTEX_BITSET_MATCH_ANY, d);
    case linux.FUTEX_WAIT_BITSET:
      return wait(t, addr, isPrivate, val, val3, d);
    case linux.FUTEX_WAKE:
      return futexes.wake(t, addr, isPrivate, val | 0, linux.FUTEX_BITSET_MATCH_ANY);
    case linux.FUTEX_WAKE_BITSET:
      return futexes.wake(t, addr, isPrivate, val | 0, val3);
    case linux.FUTEX_REQUEUE:
      return futexes.requeue(t, addr, isPrivate, val | 0, val2, addr2, isPrivate, -1);
    case linux.FUTEX_CMP_REQUEUE:
      return futexes.requeue(t, addr, isPrivate, val | 0, val2, addr2, isPrivate, val3);
    case linux.FUTEX_WAKE_OP:
      return futexes.wakeOp(t, addr, isPrivate, val | 0, addr2, val2, val3);
    case linux.FUTEX_WAIT_REQUEUE_PI:
      return waitRequeuePI(t, addr, isPrivate, val, addr2, d);
    case linux.FUTEX_CMP_REQUEUE_PI:
      return futexes.requeuePI(t, addr, isPrivate, val | 0, val2, addr2, val3);
    case linux.FUTEX_LOCK_PI:
    case linux.FUTEX_LOCK_PI2:
      return lockPI(t, addr, isPrivate, d);
    case linux.FUTEX_UNLOCK_PI:
      return futexes.unlockPI(t, addr, isPrivate);
    case linux.FUTEX_TRYLOCK_PI: {
      const r = futexes.lockPI(t, futexes.waiterOf(t), addr, isPrivate, true);
      return r === 1 ? 0 : r;
    }
    default:
      return -errno.ENOSYS;
  }
}

/** set_robust_list(2). */
export function setRobustList(t: Task, args: SyscallArguments): number {
  if (args.u64(1) !== linux.SIZEOF_ROBUST_LIST_HEAD) return -errno.EINVAL;
  t.robustListHead = args.u64(0);
  return 0;
}

/** get_robust_list(2). */
export function getRobustList(t: Task, args: SyscallArguments): number {
  const tid = args.i32(0);
  const target = tid === 0 ? t : t.pidNamespace.taskWithID(tid);
  if (target === null) return -errno.ESRCH;
  if (!mayAccessTask(t, target, "real")) return -errno.EPERM;
  t.copyOutU64(args.u64(2), linux.SIZEOF_ROBUST_LIST_HEAD);
  t.copyOutU64(args.u64(1), target.robustListHead);
  return 0;
}

// ---- futex2

const FUTEX2_VALID = linux.FUTEX2_SIZE_MASK | linux.FUTEX2_PRIVATE;

/** Whether the flags name a 32-bit futex without NUMA. */
function validFlags2(flags: number): boolean {
  return (flags & ~FUTEX2_VALID) === 0 && (flags & linux.FUTEX2_SIZE_MASK) === linux.FUTEX2_SIZE_U32;
}

/** Timeout of futex_waitv(2) and futex_wait(2): absolute, on one of two clocks. */
function readDeadline2(t: Task, addr: number, clock: number): FutexDeadline | number {
  if (clock !== CLOCK_REALTIME && clock !== CLOCK_MONOTONIC) return -errno.EINVAL;
  return readDeadline(t, addr, false, clock === CLOCK_REALTIME);
}

/** futex_waitv(2). */
export function futexWaitv(t: Task, args: SyscallArguments): SyscallResult {
  const addr = args.u64(0);
  const n = args.u32(1);
  const flags = args.u32(2);
  const timeout = args.u64(3);
  if (flags !== 0) return -errno.EINVAL;
  if (n === 0 || n > linux.FUTEX_WAITV_MAX || addr === 0) return -errno.EINVAL;
  let d: FutexDeadline = NO_DEADLINE;
  if (timeout !== 0) {
    const r = readDeadline2(t, timeout, args.i32(4));
    if (typeof r === "number") return r;
    d = r;
  }
  const buf = new Uint8Array(n * linux.SIZEOF_FUTEX_WAITV);
  t.copyIn(addr, buf);
  const v = new DataView(buf.buffer);
  for (let p = 0; p < buf.length; p += linux.SIZEOF_FUTEX_WAITV) {
    if (v.getUint32(p + linux.WAITV_RESERVED, true) !== 0) return -errno.EINVAL;
    if (!validFlags2(v.getUint32(p + linux.WAITV_FLAGS, true))) return -errno.EINVAL;
    if (v.getUint32(p + linux.WAITV_VAL + 4, true) !== 0) return -errno.EINVAL;
  }
  return waitMultiple(t, v, n, d);
}

/** Queues all waiters, or none: the index of one that need not wait is not reported, -EAGAIN is. */
function waitMultiple(t: Task, v: DataView, n: number, d: FutexDeadline): SyscallResult {
  const futexes = t.kernel.futexes;
  const waiters: Waiter[] = [];
  for (let i = 0; i < n; i++) {
    const p = i * linux.SIZEOF_FUTEX_WAITV;
    const w = new Waiter(t);
    const isPrivate = (v.getUint32(p + linux.WAITV_FLAGS, true) & linux.FUTEX2_PRIVATE) !== 0;
    const addr = v.getUint32(p + linux.WAITV_UADDR + 4, true) * 4294967296 + v.getUint32(p + linux.WAITV_UADDR, true);
    const val = v.getUint32(p + linux.WAITV_VAL, true);
    const r = futexes.waitPrepare(t, w, addr, isPrivate, val, linux.FUTEX_BITSET_MATCH_ANY);
    if (r < 0) {
      for (const q of waiters) futexes.dequeue(q);
      return r;
    }
    waiters.push(w);
  }
  return blockOnMultiple(t, waiters, d);
}

/** Index of the last waiter that was woken, or -1. */
function wokenIndex(waiters: readonly Waiter[]): number {
  for (let i = waiters.length - 1; i >= 0; i--) if (waiters[i]?.bucket === null) return i;
  return -1;
}

function* blockOnMultiple(t: Task, waiters: readonly Waiter[], d: FutexDeadline): SyscallGenerator {
  const k = t.kernel;
  const waker = d.realtime ? new ClockSetWaker(t) : null;
  if (waker !== null) k.timekeeper.listeners.add(waker);
  try {
    for (;;) {
      const why = yield t.block(d.now(t));
      const i = wokenIndex(waiters);
      if (i >= 0) return i;
      if (why === WAKE_TIMEOUT) return -errno.ETIMEDOUT;
      if (why === WAKE_INTERRUPT) return -errno.ERESTARTSYS;
    }
  } finally {
    if (waker !== null) k.timekeeper.listeners.delete(waker);
    for (const w of waiters) k.futexes.dequeue(w);
  }
}

/** futex_wake(2) of futex2: unlike FUTEX_WAKE a count of zero wakes nobody. */
export function futexWake(t: Task, args: SyscallArguments): number {
  const flags = args.u32(3);
  if (!validFlags2(flags)) return -errno.EINVAL;
  if (args.words[3] !== 0) return -errno.EINVAL;
  const mask = args.u32(1);
  if (mask === 0) return -errno.EINVAL;
  const n = args.i32(2);
  const isPrivate = (flags & linux.FUTEX2_PRIVATE) !== 0;
  const r = t.kernel.futexes.getKey(t, args.u64(0), isPrivate, t.kernel.futexes.key1);
  if (r < 0) return r;
  return n === 0 ? 0 : t.kernel.futexes.wake(t, args.u64(0), isPrivate, n, mask);
}

/** futex_wait(2) of futex2. */
export function futexWait(t: Task, args: SyscallArguments): SyscallResult {
  const flags = args.u32(3);
  const timeout = args.u64(4);
  if (!validFlags2(flags)) return -errno.EINVAL;
  if (args.words[3] !== 0 || args.words[5] !== 0) return -errno.EINVAL;
  let d: FutexDeadline = NO_DEADLINE;
  if (timeout !== 0) {
    const r = readDeadline2(t, timeout, args.i32(5));
    if (typeof r === "number") return r;
    d = r;
  }
  return wait(t, args.u64(0), (flags & linux.FUTEX2_PRIVATE) !== 0, args.u32(1), args.u32(2), d);
}

/** futex_requeue(2) of futex2. */
export function futexRequeue(t: Task, args: SyscallArguments): number {
  const addr = args.u64(0);
  if (args.u32(1) !== 0) return -errno.EINVAL;
  if (addr === 0) return -errno.EINVAL;
  const buf = new Uint8Array(2 * linux.SIZEOF_FUTEX_WAITV);
  t.copyIn(addr, buf);
  const v = new DataView(buf.buffer);
  for (let p = 0; p < buf.length; p += linux.SIZEOF_FUTEX_WAITV) {
    if (v.getUint32(p + linux.WAITV_RESERVED, true) !== 0) return -errno.EINVAL;
    if (!validFlags2(v.getUint32(p + linux.WAITV_FLAGS, true))) return -errno.EINVAL;
    if (v.getUint32(p + linux.WAITV_VAL + 4, true) !== 0) return -errno.EINVAL;
  }
  const at = (i: number): number => {
    const p = i * linux.SIZEOF_FUTEX_WAITV + linux.WAITV_UADDR;
    return v.getUint32(p + 4, true) * 4294967296 + v.getUint32(p, true);
  };
  const isPrivate = (i: number): boolean =>
    (v.getUint32(i * linux.SIZEOF_FUTEX_WAITV + linux.WAITV_FLAGS, true) & linux.FUTEX2_PRIVATE) !== 0;
  return t.kernel.futexes.requeue(
    t,
    at(0),
    isPrivate(0),
    args.i32(2),
    args.i32(3),
    at(1),
    isPrivate(1),
    v.getUint32(linux.WAITV_VAL, true),
  );
}
