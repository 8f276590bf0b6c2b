import * as errno from "../../abi/linux/errno.ts";
import { RLIMIT_SIGPENDING } from "../../abi/linux/rlimit.ts";
import * as linux from "../../abi/linux/signal.ts";
import { NSEC_PER_TICK } from "../../abi/linux/time.ts";
import { EventIn } from "../../waiter/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { type PendingSignals, QueuedSignal, type SignalTimer } from "./pending_signals.ts";
import { isReparented, notifyTracer, trapNotify } from "./ptrace.ts";
import * as sigset from "./signal_set.ts";
import type { Task } from "./task.ts";
import { EventChildContinue, EventChildStop, type ThreadGroup, Usage } from "./thread_group.ts";

/** Task.jobctl: the signal of the group stop the task took part in last (include/linux/sched/jobctl.h). */
export const JOBCTL_STOP_SIGMASK = 0xffff;
/** A stop signal was dequeued, and no SIGCONT came since. */
export const JOBCTL_STOP_DEQUEUED = 1 << 16;
/** Has to take part in the group stop under way. */
export const JOBCTL_STOP_PENDING = 1 << 17;
/** It counts in ThreadGroup.stopCount. */
export const JOBCTL_STOP_CONSUME = 1 << 18;
/** Ptrace: has to stop; group stops began or ended; the tracer listens. */
export const JOBCTL_TRAP_STOP = 1 << 19;
export const JOBCTL_TRAP_NOTIFY = 1 << 20;
export const JOBCTL_LISTENING = 1 << 22;
/** What a tracee has to stop for. */
export const JOBCTL_TRAP_MASK = JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY;
/** What ends waits. */
export const JOBCTL_PENDING_MASK = JOBCTL_STOP_PENDING | JOBCTL_TRAP_MASK;

/** Sets pending bits, with the signal of a stop; false when the task is on its way out. */
export function setJobctlPending(t: Task, mask: number): boolean {
  if (t.killed || t.isExiting()) return false;
  if ((mask & JOBCTL_STOP_SIGMASK) !== 0) t.jobctl &= ~JOBCTL_STOP_SIGMASK;
  t.jobctl |= mask;
  return true;
}

// ---- sending

/** Sends a signal to one thread. Returns 0 (also when the signal is ignored) or -EAGAIN. */
export function sendTaskSignal(t: Task, info: SignalInfo, timer: SignalTimer | null): number {
  return send(t.threadGroup, t, true, info, timer, false);
}

/** Sends a signal to a process. `force`: the sender is outside its PID namespace, so SIGKILL and SIGSTOP reach init. */
export function sendGroupSignal(tg: ThreadGroup, info: SignalInfo, timer: SignalTimer | null, force: boolean): number {
  return send(tg, tg.leader, false, info, timer, force);
}

function send(
  tg: ThreadGroup,
  t: Task,
  toThread: boolean,
  info: SignalInfo,
  timer: SignalTimer | null,
  force: boolean,
): number {
  const sig = info.signo;
  if (sig === 0) return 0;
  if (toThread ? t.exitState >= 2 : tg.isDead()) {
    timer?.signalRejected();
    return 0;
  }
  if (!prepareSignal(tg, t, sig, force)) {
    timer?.signalRejected();
    return 0;
  }
  const pending = toThread ? t.pending : tg.pending;
  const r = enqueue(pending, t, info, timer);
  if (r < 0) return r;
  completeSignal(tg, t, toThread, sig);
  return 0;
}

/** What a signal does on arrival whatever its fate: stops and continues cancel each other. False: drop it. */
function prepareSignal(tg: ThreadGroup, t: Task, sig: number, force: boolean): boolean {
  if (tg.exiting) return false;
  if (sigset.contains(sigset.STOP_LO, 0, sig)) {
    discardFromGroup(tg, sigset.CONT_LO, 0);
  } else if (sig === linux.SIGCONT) {
    discardFromGroup(tg, sigset.STOP_LO, 0);
    groupContinue(tg);
  }
  return !isIgnored(t, sig, force);
}

/** Whether a signal to this thread has no effect and need not be queued. Blocked signals are kept: the action may change. */
function isIgnored(t: Task, sig: number, force: boolean): boolean {
  if (sigset.contains(t.maskLo, t.maskHi, sig)) return false;
  const tg = t.threadGroup;
  const kernelOnly = sigset.contains(sigset.UNBLOCKABLE_LO, 0, sig);
  if (tg.unkillable && tg.signalHandlers.isDefault(sig) && !(force && kernelOnly)) return true;
  // Tracers want to know about ignored signals too.
  if (t.ptrace !== null && sig !== linux.SIGKILL) return false;
  return tg.signalHandlers.ignores(sig);
}

/** Whether a SIGCHLD to a process would have no effect, so that it need not be made. */
export function dropsSIGCHLD(tg: ThreadGroup): boolean {
  return tg.isDead() || tg.exiting || isIgnored(tg.leader, linux.SIGCHLD, false);
}

/** Queues a signal, within the receiver's RLIMIT_SIGPENDING. */
function enqueue(pending: PendingSignals, t: Task, info: SignalInfo, timer: SignalTimer | null): number {
  const sig = info.signo;
  if (sig < linux.SIGRTMIN && pending.has(sig)) {
    timer?.signalRejected();
    return 0;
  }
  if (sig === linux.SIGKILL) {
    pending.mark(sig);
    return 0;
  }
  const quota = t.kernel.quotaOf(t.creds.realKUID);
  const override = sig < linux.SIGRTMIN && info.code >= 0;
  if (!override && timer === null && !quota.hasRoom(t.threadGroup.limits.cur(RLIMIT_SIGPENDING))) {
    if (sig >= linux.SIGRTMIN && info.code !== linux.SI_USER) return -errno.EAGAIN;
    pending.mark(sig);
    return 0;
  }
  quota.take();
  pending.enqueue(new QueuedSignal(info, quota, timer));
  return 0;
}

/** Puts back a signal that a tracee had dequeued: it is blocked by now, or comes too late. */
export function requeueSignal(t: Task, info: SignalInfo): void {
  if (prepareSignal(t.threadGroup, t, info.signo, false)) enqueue(t.pending, t, info, null);
}

/** Whether a thread would take the signal now. */
function wantsSignal(t: Task, sig: number): boolean {
  if (sigset.contains(t.maskLo & ~t.waitSetLo, t.maskHi & ~t.waitSetHi, sig)) return false;
  if (t.isExiting()) return false;
  return sig === linux.SIGKILL || !(t.groupStopped || t.ptraceStop !== null);
}

/** Finds the thread that will handle a queued signal and wakes it; a fatal one ends the whole group at once. */
function completeSignal(tg: ThreadGroup, t: Task, toThread: boolean, sig: number): void {
  if (!tg.signalfdQueue.isEmpty()) tg.signalfdQueue.notify(EventIn);
  let target: Task | null = wantsSignal(t, sig) ? t : null;
  if (target === null) {
    if (toThread || tg.tasks.size <= 1) return;
    target = nextTarget(tg, sig);
    if (target === null) return;
    tg.signalTarget = target;
  }
  const waited = sigset.contains(target.waitSetLo, target.waitSetHi, sig);
  if (
    !waited &&
    tg.signalHandlers.isDefault(sig) &&
    !sigset.contains(sigset.IGNORE_LO | sigset.STOP_LO | sigset.CORE_LO, 0, sig) &&
    (!tg.unkillable || sig === linux.SIGKILL) &&
    (t.ptrace === null || sig === linux.SIGKILL)
  ) {
    tg.prepareGroupExit(sig);
    return;
  }
  if (waited) target.wake();
  else target.interrupt();
}

/** The first thread behind the last target that wants the signal. */
function nextTarget(tg: ThreadGroup, sig: number): Task | null {
  let seen = false;
  for (const t of tg.tasks) {
    if (seen && wantsSignal(t, sig)) return t;
    if (t === tg.signalTarget) seen = true;
  }
  for (const t of tg.tasks) if (wantsSignal(t, sig)) return t;
  return null;
}

/** Throws away signals of the set that are pending anywhere in the group. */
export function discardFromGroup(tg: ThreadGroup, lo: number, hi: number): void {
  tg.pending.discard(lo, hi);
  for (const t of tg.tasks) t.pending.discard(lo, hi);
}

/**
 * A signal for a fault of this thread: it cannot be blocked or ignored. With `fatal` not even a handler may see it
 * (a signal frame could not be written).
 */
export function forceSignal(t: Task, info: SignalInfo, fatal: boolean): void {
  const sig = info.signo;
  const action = t.threadGroup.signalHandlers.get(sig);
  const blocked = sigset.contains(t.maskLo, t.maskHi, sig);
  if (fatal || blocked || action.isIgnore()) {
    action.handler = linux.SIG_DFL;
    if (blocked) setSignalMask(t, t.maskLo & ~sigset.bitLo(sig), t.maskHi & ~sigset.bitHi(sig));
  }
  // Debugging init does not leave it killable.
  if (action.isDefault() && t.ptrace === null) t.threadGroup.unkillable = false;
  sendTaskSignal(t, info, null);
}

/** Replaces the mask of a thread (SIGKILL and SIGSTOP left out) and sees to signals that this lets through or keeps out. */
export function setSignalMask(t: Task, lo: number, hi: number): void {
  const newLo = (lo & ~sigset.UNBLOCKABLE_LO) >>> 0;
  const newHi = hi >>> 0;
  const blockedLo = newLo & ~t.maskLo;
  const blockedHi = newHi & ~t.maskHi;
  t.maskLo = newLo;
  t.maskHi = newHi;
  const tg = t.threadGroup;
  if (tg.tasks.size > 1) retarget(t, tg.pending.lo & blockedLo, tg.pending.hi & blockedHi);
  if (t.hasPendingSignal()) t.interrupt();
}

/** Has other threads look at process signals that this one no longer takes. */
export function retarget(t: Task, lo: number, hi: number): void {
  if (lo === 0 && hi === 0) return;
  for (const o of t.threadGroup.tasks) {
    if (o === t || o.isExiting()) continue;
    if ((lo & ~o.maskLo) !== 0 || (hi & ~o.maskHi) !== 0) o.interrupt();
  }
}

/** Takes the next signal this thread may handle, or null. */
export function dequeueSignal(t: Task): SignalInfo | null {
  return t.pending.dequeue(t.maskLo, t.maskHi) ?? t.threadGroup.pending.dequeue(t.maskLo, t.maskHi);
}

/** Takes the next pending signal of a set, blocked or not: sigtimedwait(2), signalfd(2). */
export function dequeueOf(t: Task, lo: number, hi: number): SignalInfo | null {
  return t.pending.dequeue(~lo, ~hi) ?? t.threadGroup.pending.dequeue(~lo, ~hi);
}

// ---- group stops

/** Begins a group stop for a signal: every thread stops at its next look at its signals. */
export function initiateGroupStop(t: Task, sig: number): void {
  const tg = t.threadGroup;
  if (tg.exiting || tg.execing !== null) return;
  // A tracee may have got the signal before a SIGCONT that came while it stood in the signal's stop.
  if (t.ptrace !== null && (t.jobctl & JOBCTL_STOP_DEQUEUED) === 0) return;
  // Traced threads can be let go on in a group stop and begin another one.
  if (!tg.stopped) tg.stopSignal = sig;
  tg.stopCount = 0;
  for (const o of tg.tasks) {
    if (o.groupStopped || !setJobctlPending(o, sig | JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME)) continue;
    tg.stopCount++;
    if (o === t) continue;
    if (o.ptrace?.seized) trapNotify(o);
    else o.interrupt();
  }
}

/** Takes part in the stop under way. Returns whether that completed it: the parent is to be told. */
export function participateGroupStop(t: Task): boolean {
  const tg = t.threadGroup;
  const consume = (t.jobctl & JOBCTL_STOP_CONSUME) !== 0;
  t.jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME | JOBCTL_STOP_DEQUEUED);
  if (!consume) return false;
  if (tg.stopCount > 0) tg.stopCount--;
  if (tg.stopCount > 0 || tg.stopped || tg.exiting) return false;
  tg.stopped = true;
  tg.stopWaitable = true;
  tg.continueWaitable = false;
  return true;
}

/** SIGCONT, or a debugger: ends a group stop, complete or not. */
export function groupContinue(tg: ThreadGroup): void {
  const wasStopped = tg.stopped;
  const wasStopping = tg.stopCount > 0;
  tg.stopped = false;
  tg.stopCount = 0;
  for (const t of tg.tasks) {
    t.jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME | JOBCTL_STOP_DEQUEUED);
    if (t.ptrace?.seized) trapNotify(t);
    if (!t.groupStopped) continue;
    t.groupStopped = false;
    t.kernel.schedule(t);
  }
  if (!wasStopped && !wasStopping) return;
  tg.stopWaitable = false;
  tg.continueWaitable = true;
  // A stop that was under way counts as one that happened.
  const code = wasStopped ? linux.CLD_CONTINUED : linux.CLD_STOPPED;
  notifyParentOfStop(tg, code);
  const { leader } = tg;
  if (leader.ptrace !== null && isReparented(leader)) {
    notifyTracer(leader, leader.ptrace, code, wasStopped ? linux.SIGCONT : 0);
  }
}

/** SIGCHLD for a stop or continue (unless the parent has SA_NOCLDSTOP or ignores it), and waiters. */
export function notifyParentOfStop(tg: ThreadGroup, code: number): void {
  const parent = tg.parent;
  if (parent === null) return;
  const pg = parent.threadGroup;
  const action = pg.signalHandlers.get(linux.SIGCHLD);
  if (!action.isIgnore() && (action.flags & linux.SA_NOCLDSTOP) === 0) {
    const status = code === linux.CLD_CONTINUED ? linux.SIGCONT : tg.stopSignal;
    pg.sendSignal(childSignal(tg, parent, linux.SIGCHLD, code, status));
  }
  pg.eventQueue.notify(code === linux.CLD_CONTINUED ? EventChildContinue : EventChildStop);
}

/** A SIGCHLD-like siginfo about a process, as its parent sees it. */
export function childSignal(tg: ThreadGroup, parent: Task, sig: number, code: number, status: number): SignalInfo {
  const u = new Usage();
  tg.addUsage(u);
  return childInfo(tg.leader, u, parent, sig, code, status);
}

/** A SIGCHLD-like siginfo about one thread, as its tracer sees it. */
export function childSignalOf(t: Task, parent: Task, sig: number, code: number, status: number): SignalInfo {
  t.updateUsage();
  return childInfo(t, t.usage, parent, sig, code, status);
}

function childInfo(t: Task, u: Usage, parent: Task, sig: number, code: number, status: number): SignalInfo {
  const uid = parent.creds.userNamespace.uidOrOverflow(t.creds.realKUID);
  const pid = parent.pidNamespace.idOfTask(t);
  return SignalInfo.child(sig, code, pid, uid, status, u.userNs / NSEC_PER_TICK, u.systemNs / NSEC_PER_TICK);
}
