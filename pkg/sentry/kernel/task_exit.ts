import * as linux from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";
import { ReadableEvents } from "../../waiter/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import type { RunState } from "./run_state.ts";
import { exitSemaphores } from "./semaphore/index.ts";
import { type Task, TaskExitDead, TaskExitInitiated, TaskExitNone, TaskExitZombie } from "./task.ts";
import { runExecveAfterSiblings } from "./task_exec.ts";
import { childSignal, participateGroupStop, retarget } from "./task_signals.ts";
import { EventExit, EventGroupExit, type ThreadGroup } from "./thread_group.ts";

/** The task begins to exit: with the status of the group if that exits, else with its own (exit(2), exec of another thread). */
class RunExit implements RunState {
  static readonly stateType = stateType("kernel.RunExit", ["name"]);
  readonly name = "exit";

  execute(t: Task): RunState | null {
    if (t.exitState !== TaskExitNone) return null;
    const tg = t.threadGroup;
    t.exitState = TaskExitInitiated;
    if (tg.exiting) t.exitStatus = tg.exitStatus;
    else if (t.killed) t.exitStatus = linux.SIGKILL;
    tg.liveTasks--;
    if (t.stopPending || t.groupStopped) {
      t.groupStopped = false;
      if (t.stopPending) participateGroupStop(t, true);
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
    t.addUsage(tg.usage);
    exitSemaphores(t);
    t.fdTable.decRef();
    t.fsContext.decRef();
    t.mountNamespace.decRef();
    t.seccompFilter?.decRef(k.seccompUsage);
    t.seccompFilter = null;
    t.seccompMode = 0;
    t.pending.discard(0xffffffff, 0xffffffff);
    if (groupDead) {
      tg.pending.discard(0xffffffff, 0xffffffff);
      const s = tg.processGroup.session;
      if (s.leader === tg && s.controllingTTY !== null) s.controllingTTY.sessionLeaderExited(s);
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
      // Waits until the namespace is empty: reap() schedules it again.
      t.runState = this;
      return null;
    }
    t.exitState = TaskExitZombie;
    reparentChildren(t);
    if (groupDead) orphanProcessGroups(tg);
    tg.eventQueue.notify(ReadableEvents);
    if (t.isLeader()) {
      // Otherwise the last of the other threads does it.
      if (tg.tasks.size <= 1) groupExited(tg);
    } else {
      reap(t);
      if (tg.leader.exitState === TaskExitZombie && tg.tasks.size <= 1) groupExited(tg);
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

/** The whole group is gone: the parent is told, and the zombie reaped when nobody wants it. */
function groupExited(tg: ThreadGroup): void {
  const leader = tg.leader;
  const parent = tg.parent;
  tg.eventQueue.notify(EventGroupExit | ReadableEvents);
  if (parent === null) {
    reap(leader);
    return;
  }
  if (notifyParent(tg, parent)) reap(leader);
}

/** Sends the exit signal and wakes waiters. Returns whether the parent ignores its children, so that they leave no zombie. */
function notifyParent(tg: ThreadGroup, parent: Task): boolean {
  const pg = parent.threadGroup;
  let sig = tg.exitSignal;
  if (sig !== linux.SIGCHLD && tg.parentExecID !== parent.execID) sig = linux.SIGCHLD;
  // A parent whose threads are all on their way out will not wait.
  let autoReap = pg.isDead();
  if (sig === linux.SIGCHLD) {
    const action = pg.signalHandlers.get(linux.SIGCHLD);
    const ignored = action.isIgnore();
    autoReap = autoReap || ignored || (action.flags & linux.SA_NOCLDWAIT) !== 0;
    if (ignored) sig = 0;
  }
  if (sig > 0 && sig <= linux.NSIG) {
    const st = tg.exitStatus;
    const killed = (st & 0x7f) !== 0;
    const code = !killed ? linux.CLD_EXITED : (st & 0x80) !== 0 ? linux.CLD_DUMPED : linux.CLD_KILLED;
    pg.sendSignal(childSignal(tg, parent, sig, code, killed ? st & 0x7f : (st >> 8) & 0xff));
  }
  pg.eventQueue.notify(EventExit);
  return autoReap;
}

/** Removes a zombie for good: its ids are free. */
export function reap(t: Task): void {
  if (t.exitState === TaskExitDead) return;
  const tg = t.threadGroup;
  const k = t.kernel;
  t.exitState = TaskExitDead;
  tg.tasks.delete(t);
  k.tasks.remove(t);
  if (t.isLeader()) {
    const parent = tg.parent;
    if (parent !== null) parent.children.delete(tg);
    tg.processGroup.remove(tg);
    if (tg.signalHandlers.refs > 0) tg.signalHandlers.refs--;
  }
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
    if (child.leader.exitState === TaskExitZombie && child.tasks.size <= 1) {
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
