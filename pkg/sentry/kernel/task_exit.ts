import * as errno from "../../abi/linux/errno.ts";
import { PTRACE_EVENT_EXIT, PTRACE_O_EXITKILL } from "../../abi/linux/ptrace.ts";
import * as linux from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";
import { ReadableEvents } from "../../waiter/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { EventDied, EventSyscall } from "../platform/platform.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import { eventStop, hasPtraceEvent, isReparented, unlinkPtrace } from "./ptrace.ts";
import type { RunState } from "./run_state.ts";
import { exitSemaphores } from "./semaphore/index.ts";
import { type Task, TaskExitDead, TaskExitInitiated, TaskExitNone, TaskExitZombie } from "./task.ts";
import { runExecveAfterSiblings } from "./task_exec.ts";
import { releaseNamespaces } from "./task_namespaces.ts";
import {
  childSignal,
  childSignalOf,
  dropsSIGCHLD,
  JOBCTL_STOP_PENDING,
  notifyParentOfStop,
  participateGroupStop,
  retarget,
} from "./task_signals.ts";
import { EventExit, EventGroupExit, type ThreadGroup } from "./thread_group.ts";
import { disassociateTTY } from "./tty.ts";

/** What a task that begins to exit reports: the status of the group if that exits, else its own (exit(2), exec of another thread). */
function statusOf(t: Task): number {
  const tg = t.threadGroup;
  if (tg.exiting) return tg.exitStatus;
  if (!t.killed) return t.exitStatus;
  return tg.execing === null ? linux.SIGKILL : 0;
}

/** The task is about to exit; its tracer may want to see it before. */
class RunExit implements RunState {
  static readonly stateType = stateType("kernel.RunExit", ["name"]);
  readonly name = "exit";

  execute(t: Task): RunState | null {
    const ctx = t.context;
    if (t.exitState !== TaskExitNone) return null;
    if (!hasPtraceEvent(t, PTRACE_EVENT_EXIT) || ctx.event === EventDied) return runExitBegin;
    t.runState = this;
    if (!ctx.stopped) return null;
    if (ctx.event === EventSyscall) {
      // For its registers.
      t.origRax = ctx.sysno;
      ctx.finishSyscall(-errno.EINTR, true);
      return null;
    }
    return eventStop(t, PTRACE_EVENT_EXIT, statusOf(t), runExitBegin, null);
  }
}

/** The task begins to exit. */
class RunExitBegin implements RunState {
  static readonly stateType = stateType("kernel.RunExitBegin", ["name"]);
  readonly name = "exit-begin";

  execute(t: Task): RunState | null {
    if (t.exitState !== TaskExitNone) return null;
    const tg = t.threadGroup;
    t.exitStatus = statusOf(t);
    t.exitState = TaskExitInitiated;
    tg.liveTasks--;
    t.groupStopped = false;
    if ((t.jobctl & JOBCTL_STOP_PENDING) !== 0 && participateGroupStop(t) && tg.liveTasks > 0) {
      notifyParentOfStop(tg, linux.CLD_STOPPED);
    }
    retarget(t, tg.pending.lo & ~t.maskLo, tg.pending.hi & ~t.maskHi);
    // The namespace dies with its init: everyone else in it is killed first.
    if (tg.liveTasks === 0 && tg.isNamespaceInit()) killNamespace(tg.pidNamespace, tg);
    return runExitMain;
  }
}

/** The task lets go of everything it holds. */
class RunExitMain implements RunState {
  static readonly stateType = stateType("kernel.RunExitMain", ["name"]);
  readonly name = "exit-main";

  execute(t: Task): RunState | null {
    const tg = t.threadGroup;
    const k = t.kernel;
    const groupDead = tg.liveTasks === 0;
    k.timers.removeTimer(t.blockTimer);
    if (groupDead) {
      if (!tg.exiting) tg.exitStatus = t.exitStatus;
      tg.timers?.onExit();
      tg.timers = null;
    }
    if (t.exec !== null) t.exec.release();
    t.exec = null;
    releaseUserMemory(t);
    t.context.release();
    t.mm.decUsers();
    // A platform reads the CPU clock of a released context on the way.
    t.foldUsage();
    exitSemaphores(t);
    t.fdTable.decRef();
    t.fsContext.decRef();
    releaseNamespaces(t);
    t.seccompFilter?.decRef(k.seccompUsage);
    t.seccompFilter = null;
    t.seccompMode = 0;
    t.pending.discard(0xffffffff, 0xffffffff);
    if (groupDead) {
      tg.pending.discard(0xffffffff, 0xffffffff);
      disassociateTTY(tg, true);
    }
    return runExitNotify;
  }
}

/** The task becomes a zombie, or is gone at once; relatives hear of it. */
class RunExitNotify implements RunState {
  static readonly stateType = stateType("kernel.RunExitNotify", ["name"]);
  readonly name = "exit-notify";

  execute(t: Task): RunState | null {
    const tg = t.threadGroup;
    const groupDead = tg.liveTasks === 0;
    if (tg.isNamespaceInit() && groupDead && othersIn(tg.pidNamespace, tg)) {
      // Nobody will wait for its tracees and children any more.
      releaseTracees(t);
      killNamespace(tg.pidNamespace, tg);
      if (othersIn(tg.pidNamespace, tg)) {
        // Waits until the namespace is empty: reap() schedules it again.
        t.runState = this;
        return null;
      }
    }
    t.exitState = TaskExitZombie;
    releaseTracees(t);
    reparentChildren(t);
    if (groupDead) orphanProcessGroups(tg);
    tg.eventQueue.notify(ReadableEvents);
    if (t.ptrace !== null && !(t.isLeader() && tg.tasks.size <= 1)) {
      // It stays until its tracer has waited for it; the leader is told of again when the other threads are gone.
      notifyOfExit(t, t.ptrace.tracer, linux.SIGCHLD, t.exitStatus);
    } else if (!t.isLeader()) {
      reapThread(t);
    } else if (tg.tasks.size <= 1) {
      // Otherwise the last of the other threads does it.
      groupExited(tg);
    }
    const execing = tg.execing;
    if (execing !== null && execing !== t) execing.kernel.schedule(execing);
    t.runState = runExitDone;
    return null;
  }
}

/** Nothing is left to run. */
class RunExitDone implements RunState {
  static readonly stateType = stateType("kernel.RunExitDone", ["name"]);
  readonly name = "exited";

  execute(): RunState | null {
    return null;
  }
}

export const runExit: RunState = new RunExit();
export const runExitBegin: RunState = new RunExitBegin();
export const runExitMain: RunState = new RunExitMain();
export const runExitNotify: RunState = new RunExitNotify();
export const runExitDone: RunState = new RunExitDone();

/**
 * What a thread does when it stops using its address space, by exit or exec: robust futexes, the thread id word, and the parent that
 * waits for its vfork child.
 */
export function releaseUserMemory(t: Task): void {
  const k = t.kernel;
  k.futexes.exitRobustList(t);
  // Nobody can be waiting in an address space that goes away.
  const addr = t.clearChildTID;
  t.clearChildTID = 0;
  if (addr !== 0 && t.mm.users > 1) {
    try {
      t.copyOutU32(addr, 0);
      k.futexes.wakeAddress(t, addr, 1);
    } catch (e) {
      k.errnoOf(e, t);
    }
  }
  releaseVforkParent(t);
}

/** The vfork child execs or exits: its parent goes on. */
export function releaseVforkParent(t: Task): void {
  const p = t.vforkParent;
  if (p === null) return;
  t.vforkParent = null;
  if (p.vforkWaiting !== t) return;
  p.vforkWaiting = null;
  p.kernel.schedule(p);
}

/** The whole group is gone: the parent, or the leader's tracer, is told, and the zombie reaped when nobody wants it. */
function groupExited(tg: ThreadGroup): void {
  const leader = tg.leader;
  const parent = tg.parent;
  tg.eventQueue.notify(EventGroupExit | ReadableEvents);
  if (leader.ptrace !== null) {
    // The parent is told when the tracer has waited.
    const sig = isReparented(leader) ? linux.SIGCHLD : exitSignalFor(tg, leader.ptrace.tracer);
    notifyOfExit(leader, leader.ptrace.tracer, sig, tg.exitStatus);
    return;
  }
  if (parent === null || notifyParent(tg, parent)) reap(leader);
}

/** The signal that tells of the end of a process: one that changed program since gets SIGCHLD. */
function exitSignalFor(tg: ThreadGroup, parent: Task): number {
  return tg.exitSignal !== linux.SIGCHLD && tg.parentExecID !== parent.execID ? linux.SIGCHLD : tg.exitSignal;
}

/** Sends the exit signal and wakes waiters. Returns whether the parent ignores its children, so that they leave no zombie. */
function notifyParent(tg: ThreadGroup, parent: Task): boolean {
  const pg = parent.threadGroup;
  const sig = exitSignalFor(tg, parent);
  // A parent whose threads are all on their way out will not wait.
  let autoReap = pg.isDead();
  if (sig === linux.SIGCHLD) {
    const action = pg.signalHandlers.get(linux.SIGCHLD);
    autoReap = autoReap || action.isIgnore() || (action.flags & linux.SA_NOCLDWAIT) !== 0;
  }
  notifyOfExit(tg.leader, parent, sig, tg.exitStatus);
  return autoReap;
}

/** Tells a parent or tracer of the end of a process or thread. */
function notifyOfExit(t: Task, parent: Task, sig: number, status: number): void {
  const pg = parent.threadGroup;
  const ignored = sig === linux.SIGCHLD && t.ptrace === null && pg.signalHandlers.isIgnore(linux.SIGCHLD);
  const dropped = ignored || (sig === linux.SIGCHLD && dropsSIGCHLD(pg));
  if (!dropped && sig > 0 && sig <= linux.NSIG) {
    const killed = (status & 0x7f) !== 0;
    const code = !killed ? linux.CLD_EXITED : (status & 0x80) !== 0 ? linux.CLD_DUMPED : linux.CLD_KILLED;
    const value = killed ? status & 0x7f : (status >> 8) & 0xff;
    const info = t.isLeader()
      ? childSignal(t.threadGroup, parent, sig, code, value)
      : childSignalOf(t, parent, sig, code, value);
    pg.sendSignal(info);
  }
  pg.eventQueue.notify(EventExit);
}

/** Removes a thread that is not the leader; the last one uncovers a dead leader. */
export function reapThread(t: Task): void {
  const tg = t.threadGroup;
  reap(t);
  if (tg.leader.exitState === TaskExitZombie && tg.tasks.size <= 1) groupExited(tg);
  wakeExec(tg);
}

/** The tracer has waited for the leader of a dead process that is not its child: now the parent may. */
export function handBack(tg: ThreadGroup): void {
  unlinkPtrace(tg.leader);
  if (tg.parent === null || notifyParent(tg, tg.parent)) reap(tg.leader);
}

/** A tracer lets go of a tracee: PTRACE_DETACH, or its exit. What is dead already is left to the parent, or reaped. */
export function detachPtrace(t: Task, tracer: Task): void {
  unlinkPtrace(t);
  if (t.exitState !== TaskExitZombie) return;
  const tg = t.threadGroup;
  if (!t.isLeader()) {
    reapThread(t);
    return;
  }
  if (tg.tasks.size > 1) return;
  const { parent } = tg;
  if (parent === null) {
    reap(t);
  } else if (parent.threadGroup !== tracer.threadGroup) {
    if (notifyParent(tg, parent)) reap(t);
  } else {
    const action = tracer.threadGroup.signalHandlers.get(linux.SIGCHLD);
    if (!action.isIgnore() && (action.flags & linux.SA_NOCLDWAIT) === 0) return;
    tracer.threadGroup.eventQueue.notify(EventExit);
    reap(t);
  }
}

/** A task exits: whoever it traced goes on without it, or dies (PTRACE_O_EXITKILL). */
function releaseTracees(t: Task): void {
  if (t.tracees === null) return;
  for (const o of [...t.tracees]) {
    if (((o.ptrace?.options ?? 0) & PTRACE_O_EXITKILL) !== 0) o.sendSignal(SignalInfo.kernel(linux.SIGKILL));
    detachPtrace(o, t);
  }
}

/** Removes a zombie for good: its ids are free. */
export function reap(t: Task): void {
  if (t.exitState === TaskExitDead) return;
  const tg = t.threadGroup;
  const k = t.kernel;
  const p = t.ptrace;
  t.exitState = TaskExitDead;
  if (p !== null) {
    // A waiting tracer may find that it has nobody left.
    unlinkPtrace(t);
    p.tracer.threadGroup.eventQueue.notify(EventExit);
  }
  tg.tasks.delete(t);
  k.tasks.remove(t);
  if (t.isLeader()) {
    const parent = tg.parent;
    if (parent !== null) parent.children.delete(tg);
    tg.processGroup.remove(tg);
    if (tg.signalHandlers.refs > 0) tg.signalHandlers.refs--;
  }
  t.creds.userNamespace.decRef();
  t.pidNamespace.decRef();
  for (let ns: PIDNamespace | null = t.pidNamespace; ns !== null; ns = ns.parent) {
    const init = ns.init;
    if (init === null || !ns.exiting || init.liveTasks > 0) continue;
    for (const o of init.tasks) if (o.exitState === TaskExitInitiated) k.schedule(o);
  }
}

/** Whether tasks outside the group live in a namespace or its descendants. */
function othersIn(ns: PIDNamespace, tg: ThreadGroup): boolean {
  for (const t of ns.tasks.values()) if (t.threadGroup !== tg) return true;
  return false;
}

/** Kills everyone in a namespace whose init dies; zombies are reaped. */
function killNamespace(ns: PIDNamespace, init: ThreadGroup): void {
  ns.exiting = true;
  for (const t of [...ns.tasks.values()]) {
    const tg = t.threadGroup;
    if (tg === init) continue;
    if (t.exitState === TaskExitZombie && t.isLeader() && tg.tasks.size <= 1) reap(t);
    else tg.prepareGroupExit(linux.SIGKILL);
  }
}

/** Gives the children of an exiting thread to another thread of the group, the nearest subreaper, or init. */
function reparentChildren(t: Task): void {
  if (t.children.size === 0) return;
  const heir = findHeir(t);
  for (const child of [...t.children]) {
    t.children.delete(child);
    child.parent = heir;
    heir?.children.add(child);
    for (const c of child.tasks) {
      if (c.parentDeathSignal === 0) continue;
      const uid = c.creds.userNamespace.uidOrOverflow(t.creds.realKUID);
      const pid = c.pidNamespace.idOfThreadGroup(t.threadGroup);
      child.sendSignal(SignalInfo.user(c.parentDeathSignal, linux.SI_USER, pid, uid));
    }
    if (heir !== null && heir.threadGroup === t.threadGroup) continue;
    child.exitSignal = linux.SIGCHLD;
    child.parentExecID = heir?.execID ?? 0;
    if (child.leader.ptrace === null && child.leader.exitState === TaskExitZombie && child.tasks.size <= 1) {
      if (heir === null || notifyParent(child, heir)) reap(child.leader);
    }
    // The old parent may have been what kept the child's job from being orphaned.
    const own = t.threadGroup.processGroup;
    const job = child.processGroup;
    if (job !== own && job.session === own.session) job.handleOrphan(null);
  }
}

/** The adoptive parent of an exiting thread's children; null when nobody is left. */
function findHeir(t: Task): Task | null {
  const own = t.threadGroup.liveTask();
  if (own !== null) return own;
  if (t.threadGroup.hasChildSubreaper) {
    for (let p = t.threadGroup.parent; p !== null; p = p.threadGroup.parent) {
      if (p.pidNamespace !== t.pidNamespace) break;
      if (!p.threadGroup.isChildSubreaper) continue;
      const r = p.threadGroup.liveTask();
      if (r !== null) return r;
    }
  }
  const init = t.pidNamespace.init;
  if (init === null || init === t.threadGroup) {
    // Init itself: what is left goes to the parent namespace's.
    const outer = t.pidNamespace.parent?.init ?? null;
    return outer?.liveTask() ?? null;
  }
  return init.liveTask();
}

/** Job control of the process groups that this process kept from being orphaned (POSIX, _exit()). */
function orphanProcessGroups(tg: ThreadGroup): void {
  const parentGroup = tg.parent?.threadGroup.processGroup ?? null;
  const own = tg.processGroup;
  if (parentGroup !== null && parentGroup !== own && parentGroup.session === own.session) own.handleOrphan(tg);
}

/** All that exec's thread waits for: the other threads of the group. */
export function wakeExec(tg: ThreadGroup): void {
  const t = tg.execing;
  if (t !== null && t.runState === runExecveAfterSiblings) t.kernel.schedule(t);
}
