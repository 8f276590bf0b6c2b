import { CAP_SYS_ADMIN, CAP_SYS_NICE } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { RLIMIT_NICE, RLIMIT_RTPRIO } from "../../../abi/linux/rlimit.ts";
import * as linux from "../../../abi/linux/sched.ts";
import type { SyscallArguments, SyscallGenerator, SyscallResult } from "../../kernel/syscalls.ts";
import { WAKE_INTERRUPT } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

const RT_PRIO_MAX = 99;
/** Round-robin slice and the base slice of ordinary tasks, in ns. */
const RR_SLICE_NS = 100_000_000;
const NORMAL_SLICE_NS = 4_000_000;

/** The task a pid argument names: 0 is the caller. Null: ESRCH. */
function find(t: Task, pid: number): Task | null {
  return pid === 0 ? t : t.pidNamespace.taskWithID(pid);
}

/** Whether a task belongs to the caller's user. */
function isSameOwner(t: Task, target: Task): boolean {
  const euid = t.creds.effectiveKUID;
  return euid === target.creds.effectiveKUID || euid === target.creds.realKUID;
}

/** Whether t may change where another task runs. */
function mayChange(t: Task, target: Task): boolean {
  return isSameOwner(t, target) || t.creds.hasCapabilityIn(CAP_SYS_NICE, target.creds.userNamespace);
}

/** sched_yield(2). */
export function* schedYield(t: Task, _args: SyscallArguments): SyscallGenerator {
  yield t.reschedule();
  return 0;
}

// ---- policies: kept as data; the host schedules all threads alike

/** Whether a policy and priority go together. */
function isValid(policy: number, priority: number): boolean {
  switch (policy) {
    case linux.SCHED_FIFO:
    case linux.SCHED_RR:
      return priority >= 1 && priority <= RT_PRIO_MAX;
    case linux.SCHED_NORMAL:
    case linux.SCHED_BATCH:
    case linux.SCHED_IDLE:
      return priority === 0;
    default:
      return false;
  }
}

/** Changes policy and priority after the checks of sched_setscheduler(2). */
function setPolicy(t: Task, target: Task, policy: number, priority: number, resetOnFork: boolean): number {
  if (!isValid(policy, priority)) return -errno.EINVAL;
  if (!t.creds.capable(CAP_SYS_NICE)) {
    if (!isSameOwner(t, target)) return -errno.EPERM;
    if (policy === linux.SCHED_FIFO || policy === linux.SCHED_RR) {
      const limit = target.threadGroup.limits.cur(RLIMIT_RTPRIO);
      if (policy !== target.schedPolicy && limit === 0) return -errno.EPERM;
      if (priority > target.schedPriority && priority > limit) return -errno.EPERM;
    }
    if (target.schedPolicy === linux.SCHED_IDLE && policy !== linux.SCHED_IDLE && !mayRenice(target, target.nice)) {
      return -errno.EPERM;
    }
    if (target.schedResetOnFork && !resetOnFork) return -errno.EPERM;
  }
  target.schedPolicy = policy;
  target.schedPriority = priority;
  target.schedResetOnFork = resetOnFork;
  return 0;
}

/** sched_setscheduler(2). */
export function schedSetscheduler(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const policy = args.i32(1);
  const addr = args.u64(2);
  if (policy < 0 || addr === 0 || pid < 0) return -errno.EINVAL;
  const priority = t.copyInI32(addr);
  const target = find(t, pid);
  if (target === null) return -errno.ESRCH;
  const reset = (policy & linux.SCHED_RESET_ON_FORK) !== 0;
  return setPolicy(t, target, policy & ~linux.SCHED_RESET_ON_FORK, priority, reset);
}

/** sched_getscheduler(2). */
export function schedGetscheduler(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  if (pid < 0) return -errno.EINVAL;
  const target = find(t, pid);
  if (target === null) return -errno.ESRCH;
  return target.schedPolicy | (target.schedResetOnFork ? linux.SCHED_RESET_ON_FORK : 0);
}

/** sched_setparam(2). */
export function schedSetparam(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const addr = args.u64(1);
  if (addr === 0 || pid < 0) return -errno.EINVAL;
  const priority = t.copyInI32(addr);
  const target = find(t, pid);
  if (target === null) return -errno.ESRCH;
  return setPolicy(t, target, target.schedPolicy, priority, target.schedResetOnFork);
}

/** sched_getparam(2). */
export function schedGetparam(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const addr = args.u64(1);
  if (addr === 0 || pid < 0) return -errno.EINVAL;
  const target = find(t, pid);
  if (target === null) return -errno.ESRCH;
  t.copyOutU32(addr, target.schedPriority);
  return 0;
}

/** sched_get_priority_max(2). */
export function schedGetPriorityMax(_t: Task, args: SyscallArguments): number {
  return priorityBound(args.i32(0), RT_PRIO_MAX);
}

/** sched_get_priority_min(2). */
export function schedGetPriorityMin(_t: Task, args: SyscallArguments): number {
  return priorityBound(args.i32(0), 1);
}

function priorityBound(policy: number, realTime: number): number {
  switch (policy) {
    case linux.SCHED_FIFO:
    case linux.SCHED_RR:
      return realTime;
    case linux.SCHED_NORMAL:
    case linux.SCHED_BATCH:
    case linux.SCHED_IDLE:
    case linux.SCHED_DEADLINE:
    case linux.SCHED_EXT:
      return 0;
    default:
      return -errno.EINVAL;
  }
}

/** sched_rr_get_interval(2). */
export function schedRrGetInterval(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  if (pid < 0) return -errno.EINVAL;
  const target = find(t, pid);
  if (target === null) return -errno.ESRCH;
  const ns =
    target.schedPolicy === linux.SCHED_RR ? RR_SLICE_NS : target.schedPolicy === linux.SCHED_FIFO ? 0 : NORMAL_SLICE_NS;
  const w = t.kernel.scratchWords;
  w.fill(0, 0, 4);
  w[2] = ns;
  t.copyOut(args.u64(1), t.kernel.scratch, 0, 16);
  return 0;
}

/** sched_setattr(2). */
export function schedSetattr(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const addr = args.u64(1);
  if (addr === 0 || pid < 0 || args.u32(2) !== 0) return -errno.EINVAL;
  let size = t.copyInU32(addr);
  if (size === 0) size = linux.SCHED_ATTR_SIZE_VER0;
  if (size < linux.SCHED_ATTR_SIZE_VER0 || size > 4096) {
    t.copyOutU32(addr, linux.SCHED_ATTR_SIZE_VER1);
    return -errno.E2BIG;
  }
  t.copyIn(addr, t.kernel.scratch, 0, size);
  for (let i = linux.SCHED_ATTR_SIZE_VER1; i < size; i++) {
    if (t.kernel.scratch[i] === 0) continue;
    t.copyOutU32(addr, linux.SCHED_ATTR_SIZE_VER1);
    return -errno.E2BIG;
  }
  const w = t.kernel.scratchWords;
  const flags = w[2] ?? 0;
  let policy = (w[1] ?? 0) | 0;
  const nice = Math.max(-20, Math.min(19, (w[4] ?? 0) | 0));
  let priority = w[5] ?? 0;
  if ((flags & linux.SCHED_FLAG_UTIL_CLAMP_MIN) !== 0 && size < linux.SCHED_ATTR_SIZE_VER1) return -errno.EINVAL;
  if (policy < 0) return -errno.EINVAL;
  const target = find(t, pid);
  if (target === null) return -errno.ESRCH;
  if ((w[3] ?? 0) !== 0 || (flags & ~linux.SCHED_FLAG_ALL) !== 0) return -errno.EINVAL;
  if ((flags & linux.SCHED_FLAG_KEEP_POLICY) !== 0) policy = target.schedPolicy;
  if ((flags & linux.SCHED_FLAG_KEEP_PARAMS) !== 0) priority = target.schedPriority;
  const ordinary = policy === linux.SCHED_NORMAL || policy === linux.SCHED_BATCH;
  const renice = ordinary && (flags & linux.SCHED_FLAG_KEEP_PARAMS) === 0;
  if (renice && nice < target.nice && !mayRenice(target, nice) && !t.creds.capable(CAP_SYS_NICE)) {
    return -errno.EPERM;
  }
  const r = setPolicy(t, target, policy, priority, (flags & linux.SCHED_FLAG_RESET_ON_FORK) !== 0);
  if (r === 0 && renice) target.nice = nice;
  return r;
}

/** sched_getattr(2). */
export function schedGetattr(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const addr = args.u64(1);
  const size = args.u32(2);
  if (addr === 0 || pid < 0 || size > 4096 || size < linux.SCHED_ATTR_SIZE_VER0 || args.u32(3) !== 0) {
    return -errno.EINVAL;
  }
  const target = find(t, pid);
  if (target === null) return -errno.ESRCH;
  const w = t.kernel.scratchWords;
  const n = Math.min(size, linux.SCHED_ATTR_SIZE_VER1);
  w.fill(0, 0, linux.SCHED_ATTR_SIZE_VER1 / 4);
  w[0] = n;
  w[1] = target.schedPolicy;
  w[2] = target.schedResetOnFork ? linux.SCHED_FLAG_RESET_ON_FORK : 0;
  w[4] = target.nice;
  w[5] = target.schedPriority;
  if (n >= linux.SCHED_ATTR_SIZE_VER1) w[13] = 1024;
  t.copyOut(addr, t.kernel.scratch, 0, n);
  return 0;
}

// ---- CPUs

/** Bytes of a CPU mask: whole 64-bit words. */
function maskBytes(t: Task): number {
  return Math.ceil(t.kernel.cpuCount / 64) * 8;
}

/** Fills bits 0..cpuCount-1 of the scratch words. */
function fillAllCPUs(t: Task): void {
  const w = t.kernel.scratchWords;
  const n = t.kernel.cpuCount;
  w.fill(0, 0, maskBytes(t) / 4);
  for (let i = 0; i < n; i++) w[i >>> 5] = (w[i >>> 5] ?? 0) | (1 << (i & 31));
}

/** sched_setaffinity(2): the host thread is kept there, as what the vDSO's getcpu says comes from the host. */
export function schedSetaffinity(t: Task, args: SyscallArguments): number {
  const bytes = maskBytes(t);
  const len = Math.min(args.u32(1), bytes);
  const mask = new Uint32Array(bytes / 4);
  t.copyIn(args.u64(2), new Uint8Array(mask.buffer), 0, len);
  const target = find(t, args.i32(0));
  if (target === null) return -errno.ESRCH;
  if (!mayChange(t, target)) return -errno.EPERM;
  fillAllCPUs(t);
  let any = 0;
  for (let i = 0; i < mask.length; i++) {
    mask[i] = (mask[i] ?? 0) & (t.kernel.scratchWords[i] ?? 0);
    any |= mask[i] ?? 0;
  }
  if (any === 0) return -errno.EINVAL;
  target.affinity = mask;
  target.context.setAffinity(mask);
  return 0;
}

/** sched_getaffinity(2): the number of bytes stored. */
export function schedGetaffinity(t: Task, args: SyscallArguments): number {
  const len = args.u32(1);
  if (len * 8 < t.kernel.cpuCount || len % 8 !== 0) return -errno.EINVAL;
  const target = find(t, args.i32(0));
  if (target === null) return -errno.ESRCH;
  const n = Math.min(len, maskBytes(t));
  fillAllCPUs(t);
  if (target.affinity !== null) t.kernel.scratchWords.set(target.affinity);
  t.copyOut(args.u64(2), t.kernel.scratch, 0, n);
  return n;
}

/** getcpu(2): a CPU the task may run on. */
export function getcpu(t: Task, args: SyscallArguments): number {
  let cpu = t.tid % t.kernel.cpuCount;
  const mask = t.affinity;
  if (mask !== null && ((mask[cpu >>> 5] ?? 0) & (1 << (cpu & 31))) === 0) {
    for (cpu = 0; cpu < t.kernel.cpuCount; cpu++) if (((mask[cpu >>> 5] ?? 0) & (1 << (cpu & 31))) !== 0) break;
  }
  if (args.u64(0) !== 0) t.copyOutU32(args.u64(0), cpu);
  if (args.u64(1) !== 0) t.copyOutU32(args.u64(1), 0);
  return 0;
}

// ---- nice values and I/O priorities

/** Whether RLIMIT_NICE lets a task have a nice value. */
function mayRenice(target: Task, nice: number): boolean {
  return 20 - nice <= target.threadGroup.limits.cur(RLIMIT_NICE);
}

/** The tasks that which and who of getpriority(2) name; null for an invalid `which`. */
function priorityTargets(t: Task, which: number, who: number, processes: boolean): Task[] | null {
  const out: Task[] = [];
  switch (which) {
    case linux.PRIO_PROCESS: {
      const target = find(t, who);
      if (target !== null) out.push(target);
      return out;
    }
    case linux.PRIO_PGRP: {
      const pg = who === 0 ? t.threadGroup.processGroup : t.pidNamespace.processGroups.get(who);
      if (pg !== undefined) for (const tg of pg.threadGroups) for (const o of tg.tasks) out.push(o);
      return out;
    }
    case linux.PRIO_USER: {
      const kuid = who === 0 ? t.creds.realKUID : t.creds.userNamespace.mapToKUID(who);
      for (const o of t.pidNamespace.tasks.values()) {
        if (o.creds.realKUID === kuid && (processes || o.tid > 0)) out.push(o);
      }
      return out;
    }
    default:
      return null;
  }
}

/** getpriority(2): 20 minus the lowest nice value. */
export function getpriority(t: Task, args: SyscallArguments): number {
  const targets = priorityTargets(t, args.i32(0), args.i32(1), true);
  if (targets === null) return -errno.EINVAL;
  let best = -errno.ESRCH;
  for (const o of targets) best = Math.max(best, 20 - o.nice);
  return best;
}

/** setpriority(2). */
export function setpriority(t: Task, args: SyscallArguments): number {
  const nice = Math.max(-20, Math.min(19, args.i32(2)));
  const targets = priorityTargets(t, args.i32(0), args.i32(1), true);
  if (targets === null) return -errno.EINVAL;
  let result = -errno.ESRCH;
  for (const o of targets) {
    const c = t.creds;
    const privileged = c.hasCapabilityIn(CAP_SYS_NICE, o.creds.userNamespace);
    const same = o.creds.realKUID === c.effectiveKUID || o.creds.effectiveKUID === c.effectiveKUID;
    if (!same && !privileged) {
      result = -errno.EPERM;
    } else if (nice < o.nice && !c.capable(CAP_SYS_NICE) && !mayRenice(o, nice)) {
      result = -errno.EACCES;
    } else {
      if (result === -errno.ESRCH) result = 0;
      o.nice = nice;
    }
  }
  return result;
}

/** The tasks of ioprio_get(2), whose `which` counts from 1. */
function ioprioTargets(t: Task, args: SyscallArguments): Task[] | null {
  return priorityTargets(t, args.i32(0) - 1, args.i32(1), false);
}

/** ioprio_get(2). */
export function ioprioGet(t: Task, args: SyscallArguments): number {
  const targets = ioprioTargets(t, args);
  if (targets === null) return -errno.EINVAL;
  let best = -errno.ESRCH;
  for (const o of targets) if (best < 0 || (o.ioprio !== 0 && o.ioprio < best)) best = o.ioprio;
  return best;
}

/** ioprio_set(2): stored only. */
export function ioprioSet(t: Task, args: SyscallArguments): number {
  const prio = args.i32(2);
  const cls = (prio >> linux.IOPRIO_CLASS_SHIFT) & 7;
  const level = prio & 7;
  switch (cls) {
    case linux.IOPRIO_CLASS_RT:
      if (!t.creds.capable(CAP_SYS_ADMIN) && !t.creds.capable(CAP_SYS_NICE)) return -errno.EPERM;
      break;
    case linux.IOPRIO_CLASS_BE:
    case linux.IOPRIO_CLASS_IDLE:
      break;
    case linux.IOPRIO_CLASS_NONE:
      if (level !== 0) return -errno.EINVAL;
      break;
    default:
      return -errno.EINVAL;
  }
  const targets = ioprioTargets(t, args);
  if (targets === null) return -errno.EINVAL;
  let result = -errno.ESRCH;
  for (const o of targets) {
    const same = o.creds.realKUID === t.creds.effectiveKUID || o.creds.realKUID === t.creds.realKUID;
    if (!same && !t.creds.capable(CAP_SYS_NICE)) return -errno.EPERM;
    o.ioprio = prio;
    result = 0;
  }
  return result;
}

// ---- membarrier

const MEMBARRIER_SUPPORTED =
  linux.MEMBARRIER_CMD_GLOBAL |
  linux.MEMBARRIER_CMD_GLOBAL_EXPEDITED |
  linux.MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
  linux.MEMBARRIER_CMD_PRIVATE_EXPEDITED |
  linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
  linux.MEMBARRIER_CMD_GET_REGISTRATIONS;

/** membarrier(2): every thread concerned is made to enter the kernel, which orders its memory accesses. */
export function membarrier(t: Task, args: SyscallArguments): SyscallResult {
  const cmd = args.i32(0);
  if (args.u32(1) !== 0) return -errno.EINVAL;
  switch (cmd) {
    case linux.MEMBARRIER_CMD_QUERY:
      return MEMBARRIER_SUPPORTED;
    case linux.MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
      t.mm.membarrier |= cmd;
      return 0;
    case linux.MEMBARRIER_CMD_GET_REGISTRATIONS:
      return t.mm.membarrier;
    case linux.MEMBARRIER_CMD_PRIVATE_EXPEDITED:
      if ((t.mm.membarrier & linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) === 0) return -errno.EPERM;
      return barrier(t, true);
    case linux.MEMBARRIER_CMD_GLOBAL:
    case linux.MEMBARRIER_CMD_GLOBAL_EXPEDITED:
      return barrier(t, false);
    default:
      return -errno.EINVAL;
  }
}

/** Has every running context stop once. */
function barrier(t: Task, own: boolean): SyscallResult {
  const pending: Task[] = [];
  const counts: number[] = [];
  for (const o of t.kernel.tasks.all) {
    if (o === t || o.isExiting() || o.context.stopped || (own && o.mm !== t.mm)) continue;
    pending.push(o);
    counts.push(o.stops);
    o.context.interrupt();
  }
  return pending.length === 0 ? 0 : waitForStops(t, pending, counts);
}

function* waitForStops(t: Task, pending: readonly Task[], counts: readonly number[]): SyscallGenerator {
  for (let i = 0; i < pending.length; i++) {
    const o = pending[i];
    while (o !== undefined && !o.isExiting() && !o.context.stopped && o.stops === counts[i]) {
      if ((yield t.reschedule()) === WAKE_INTERRUPT) return -errno.EINTR;
    }
  }
  return 0;
}
