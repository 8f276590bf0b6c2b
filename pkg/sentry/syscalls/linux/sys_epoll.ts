import { CAP_BLOCK_SUSPEND } from "../../../abi/linux/capability.ts";
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLWAKEUP,
  SIZEOF_EPOLL_EVENT,
} from "../../../abi/linux/epoll.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { O_RDWR } from "../../../abi/linux/file.ts";
import { NSEC_PER_MSEC } from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { Entry, EventIn } from "../../../waiter/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task } from "../../kernel/task.ts";
import { EventPoll } from "../../vfs/index.ts";
import { openFile } from "./path.ts";
import { copyInTimeout, deadlineIn, FOREVER, useSignalMask } from "./timeout.ts";

/** INT_MAX / sizeof(struct epoll_event). */
const EP_MAX_EVENTS = 178956970;
const EXCLUSIVE_OK = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/** epoll_create(2). */
export function epollCreate(t: Task, args: SyscallArguments): number {
  if (args.i32(0) <= 0) return -errno.EINVAL;
  return createEpoll(t, false);
}

/** epoll_create1(2). */
export function epollCreate1(t: Task, args: SyscallArguments): number {
  const flags = args.i32(0);
  if ((flags & ~EPOLL_CLOEXEC) !== 0) return -errno.EINVAL;
  return createEpoll(t, (flags & EPOLL_CLOEXEC) !== 0);
}

function createEpoll(t: Task, cloexec: boolean): number {
  const vfs = t.kernel.vfs;
  const ep = new EventPoll(vfs.newAnonVirtualDentry("[eventpoll]"), O_RDWR, vfs.epollAccounting);
  try {
    return t.newFD(ep, cloexec);
  } finally {
    ep.decRef();
  }
}

/** epoll_ctl(2). */
export function epollCtl(t: Task, args: SyscallArguments): number {
  const op = args.i32(1);
  const fd = args.i32(2);
  let mask = 0;
  let dataLow = 0;
  let dataHigh = 0;
  if (op !== EPOLL_CTL_DEL) {
    t.copyIn(args.u64(3), t.kernel.scratch, 0, SIZEOF_EPOLL_EVENT);
    const w = t.kernel.scratchWords;
    mask = (w[0] ?? 0) | 0;
    dataLow = w[1] ?? 0;
    dataHigh = w[2] ?? 0;
  }
  const ep = openFile(t, args.i32(0));
  if (ep === null) return -errno.EBADF;
  const file = openFile(t, fd);
  if (file === null) return -errno.EBADF;
  if (!file.canPoll()) return -errno.EPERM;
  if ((mask & EPOLLWAKEUP) !== 0 && !t.creds.capable(CAP_BLOCK_SUSPEND)) mask &= ~EPOLLWAKEUP;
  if (ep === file || !(ep instanceof EventPoll)) return -errno.EINVAL;
  if (op !== EPOLL_CTL_DEL && (mask & EPOLLEXCLUSIVE) !== 0) {
    if (op === EPOLL_CTL_MOD) return -errno.EINVAL;
    if (op === EPOLL_CTL_ADD && (file instanceof EventPoll || (mask & ~EXCLUSIVE_OK) !== 0)) return -errno.EINVAL;
  }
  if (op === EPOLL_CTL_ADD) return ep.add(file, fd, mask, dataLow, dataHigh);
  const i = ep.find(file, fd);
  if (op === EPOLL_CTL_DEL) {
    if (i === null) return -errno.ENOENT;
    ep.remove(i);
    return 0;
  }
  if (op === EPOLL_CTL_MOD) return i === null ? -errno.ENOENT : ep.modify(i, mask, dataLow, dataHigh);
  return -errno.EINVAL;
}

/** epoll_wait(2). */
export function epollWait(t: Task, args: SyscallArguments): SyscallResult {
  return waitFor(t, args, timeoutOf(args));
}

/** epoll_pwait(2). */
export function epollPwait(t: Task, args: SyscallArguments): SyscallResult {
  return waitWithMask(t, args, timeoutOf(args));
}

/** epoll_pwait2(2). */
export function epollPwait2(t: Task, args: SyscallArguments): SyscallResult {
  const addr = args.u64(3);
  return waitWithMask(t, args, addr === 0 ? FOREVER : copyInTimeout(t, addr, 1));
}

function timeoutOf(args: SyscallArguments): number {
  const ms = args.i32(3);
  return ms < 0 ? FOREVER : ms * NSEC_PER_MSEC;
}

function waitWithMask(t: Task, args: SyscallArguments, ns: number): SyscallResult {
  useSignalMask(t, args.u64(4), args.u64(5));
  let r: SyscallResult;
  try {
    r = waitFor(t, args, ns);
  } catch (e) {
    t.endTemporarySignalMask(false);
    throw e;
  }
  if (typeof r !== "number") return restoreMaskAfter(t, r);
  t.endTemporarySignalMask(r === -errno.EINTR);
  return r;
}

function* restoreMaskAfter(t: Task, g: SyscallGenerator): SyscallGenerator {
  let r = -errno.EINTR;
  try {
    r = yield* g;
  } catch (e) {
    t.endTemporarySignalMask(false);
    throw e;
  }
  t.endTemporarySignalMask(r === -errno.EINTR);
  return r;
}

function waitFor(t: Task, args: SyscallArguments, ns: number): SyscallResult {
  const max = args.i32(2);
  const addr = args.u64(1);
  const ep = openFile(t, args.i32(0));
  if (ep === null) return -errno.EBADF;
  if (max <= 0 || max > EP_MAX_EVENTS) return -errno.EINVAL;
  if (addr + max * SIZEOF_EPOLL_EVENT > TASK_SIZE_MAX) return -errno.EFAULT;
  if (!(ep instanceof EventPoll)) return -errno.EINVAL;
  const n = ep.readyHead === null ? 0 : deliver(t, ep, addr, max);
  if (n !== 0 || ns === 0) return n;
  return waitSlow(t, ep, addr, max, deadlineIn(t, ns));
}

function* waitSlow(t: Task, ep: EventPoll, addr: number, max: number, deadline: number): SyscallGenerator {
  const entry = new Entry(t, EventIn);
  ep.incRef();
  try {
    for (;;) {
      ep.waiters.eventRegister(entry);
      const why = yield t.block(deadline);
      ep.waiters.eventUnregister(entry);
      const n = deliver(t, ep, addr, max);
      if (n !== 0) return n;
      if (why === WAKE_INTERRUPT) return -errno.EINTR;
      if (why === WAKE_TIMEOUT) return 0;
    }
  } finally {
    ep.waiters.eventUnregister(entry);
    // Events that are left, or that this task was woken for and does not take, are for the next waiter.
    ep.passOn();
    ep.decRef();
  }
}

/** Stores pending events; returns how many, or -EFAULT when not one could be stored. */
function deliver(t: Task, ep: EventPoll, addr: number, max: number): number {
  const s = t.kernel.syscallScratch;
  const room = Math.min(max, ep.readyCount);
  if (room === 0) return 0;
  s.growEpoll(room);
  const reported = s.epollReported;
  const n = ep.collect(s.epollWords, room, reported);
  if (n === 0) return 0;
  let copied = n;
  try {
    t.copyOut(addr, s.epollBytes, 0, n * SIZEOF_EPOLL_EVENT);
  } catch (e) {
    if (e !== linuxerr.EFAULT) throw e;
    copied = 0;
    while (copied < n && tryCopy(t, addr, s.epollBytes, copied)) copied++;
    ep.uncollect(reported, copied, n);
  }
  ep.delivered(reported, copied);
  reported.length = 0;
  return copied === 0 ? -errno.EFAULT : copied;
}

function tryCopy(t: Task, addr: number, bytes: Uint8Array, i: number): boolean {
  const off = i * SIZEOF_EPOLL_EVENT;
  return tryCopyOut(t, addr + off, bytes, off, SIZEOF_EPOLL_EVENT);
}

function tryCopyOut(t: Task, addr: number, bytes: Uint8Array, off: number, len: number): boolean {
  try {
    t.copyOut(addr, bytes, off, len);
    return true;
  } catch (e) {
    if (e !== linuxerr.EFAULT) throw e;
    return false;
  }
}
