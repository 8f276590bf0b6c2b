import * as errno from "../../abi/linux/errno.ts";
import * as linux from "../../abi/linux/signal.ts";
import * as wait from "../../abi/linux/wait.ts";
import { Entry } from "../../waiter/index.ts";
import { isPtraceStopped, isReparented } from "./ptrace.ts";
import type { ProcessGroup } from "./sessions.ts";
import { type SyscallGenerator, WAKE_INTERRUPT } from "./syscalls.ts";
import { type Task, TaskExitZombie } from "./task.ts";
import { handBack, reap, reapThread } from "./task_exit.ts";
import { EventChildContinue, EventChildStop, EventExit, type ThreadGroup, Usage } from "./thread_group.ts";

/** Which children to wait for, and how: wait4(2), waitid(2). */
export interface WaitOptions {
  /** One process, whichever thread leads it; null: see thread. */
  threadGroup: ThreadGroup | null;
  /** One traced thread that does not lead its process; null: see processGroup. */
  thread: Task | null;
  /** One process group; null with the others null: any child. */
  processGroup: ProcessGroup | null;
  /** The process or group that was named does not exist. */
  nothing: boolean;
  /** W* flags. */
  flags: number;
}

/** Limits what to wait for to the task with an id: null is a task that does not exist. */
export function waitForTask(o: WaitOptions, p: Task | null): void {
  if (p === null) o.nothing = true;
  else if (p.isLeader()) o.threadGroup = p.threadGroup;
  else o.thread = p;
}

/** What was found. */
export class WaitResult {
  /** Id of the child as the waiter sees it; 0: nothing (WNOHANG). */
  pid = 0;
  uid = 0;
  /** As wait4 reports it. */
  status = 0;
  /** As waitid reports it: CLD_* and si_status. */
  code = 0;
  siStatus = 0;
  usage: Usage | null = null;
}

/** Looks once: a result, null when there are children but none has anything to report, or -ECHILD. */
export function tryWait(t: Task, o: WaitOptions): WaitResult | number | null {
  if (o.nothing) return -errno.ECHILD;
  let exists = false;
  const own = (o.flags & wait.__WNOTHREAD) !== 0;
  for (const parent of own ? [t] : t.threadGroup.tasks) {
    for (const child of parent.children) {
      // Traced by its own parent it is seen as a tracee.
      const traced = child.leader.ptrace !== null && !isReparented(child.leader);
      if (!isEligible(o, child.leader, traced)) continue;
      const r = consider(t, o, child.leader, traced);
      if (r === NOTHING_YET) exists = true;
      else if (r !== null) return r;
    }
    if (parent.tracees === null) continue;
    for (const tracee of parent.tracees) {
      if (!isEligible(o, tracee, true)) continue;
      const r = consider(t, o, tracee, true);
      if (r === NOTHING_YET) exists = true;
      else if (r !== null) return r;
    }
  }
  return exists ? null : -errno.ECHILD;
}

/** A child that may have something to report later. */
const NOTHING_YET = 0;

/** Whether a child or tracee is among those asked for. */
function isEligible(o: WaitOptions, p: Task, traced: boolean): boolean {
  const tg = p.threadGroup;
  if (o.threadGroup !== null && (o.threadGroup !== tg || !p.isLeader())) return false;
  if (o.thread !== null && o.thread !== p) return false;
  if (o.processGroup !== null && o.processGroup !== tg.processGroup) return false;
  if (traced || (o.flags & wait.__WALL) !== 0) return true;
  const isClone = tg.exitSignal !== linux.SIGCHLD;
  return isClone === ((o.flags & wait.__WCLONE) !== 0);
}

/** Whether nothing is left of a task but its status: a leader only counts when its threads are gone. */
function isWaitableZombie(p: Task): boolean {
  return p.exitState === TaskExitZombie && (!p.isLeader() || p.threadGroup.tasks.size <= 1);
}

/** What a child or tracee has to report (the dead are waited for), NOTHING_YET, or null: nothing that is asked for, ever. */
function consider(t: Task, o: WaitOptions, p: Task, traced: boolean): WaitResult | 0 | null {
  const keep = (o.flags & wait.WNOWAIT) !== 0;
  const tg = p.threadGroup;
  if (isWaitableZombie(p) && (traced || p.ptrace === null)) {
    // The dead have nothing more to report to who does not wait for deaths.
    return (o.flags & wait.WEXITED) === 0 ? null : reportZombie(t, p, keep);
  }
  const zombie = p.exitState === TaskExitZombie;
  const maybe = zombie && traced && (o.flags & (wait.WCONTINUED | wait.WEXITED)) === 0 ? null : NOTHING_YET;
  if (traced) {
    const s = p.ptraceStop;
    if (s !== null && s.code !== 0 && isPtraceStopped(p)) {
      const { code } = s;
      if (!keep) s.code = 0;
      return report(t, p, wait.stopStatusWord(code), linux.CLD_TRAPPED, code);
    }
  } else if (tg.stopWaitable && tg.stopped && (o.flags & wait.WSTOPPED) !== 0) {
    if (!keep) tg.stopWaitable = false;
    return report(t, p, wait.stopStatusWord(tg.stopSignal), linux.CLD_STOPPED, tg.stopSignal);
  }
  if (tg.continueWaitable && (o.flags & wait.WCONTINUED) !== 0) {
    if (!keep) tg.continueWaitable = false;
    return report(t, p, wait.CONTINUED_STATUS_WORD, linux.CLD_CONTINUED, linux.SIGCONT);
  }
  return maybe;
}

function report(t: Task, p: Task, status: number, code: number, siStatus: number): WaitResult {
  const r = new WaitResult();
  r.pid = t.pidNamespace.idOfTask(p);
  r.uid = t.creds.userNamespace.uidOrOverflow(p.creds.realKUID);
  r.status = status;
  r.code = code;
  r.siStatus = siStatus;
  r.usage = new Usage();
  // Of the whole process also when a thread is reported to its tracer (k_getrusage()).
  p.threadGroup.addUsage(r.usage);
  r.usage.add(p.threadGroup.childUsage);
  return r;
}

/** A dead child or tracee: its status, and (unless it is only looked at) its end. */
function reportZombie(t: Task, p: Task, keep: boolean): WaitResult {
  const tg = p.threadGroup;
  const leader = p.isLeader();
  const st = leader || tg.exiting || tg.isDead() ? tg.exitStatus : p.exitStatus;
  const sig = st & 0x7f;
  const code = sig === 0 ? linux.CLD_EXITED : (st & wait.WCOREFLAG) !== 0 ? linux.CLD_DUMPED : linux.CLD_KILLED;
  const r = report(t, p, st, code, sig === 0 ? (st >> 8) & 0xff : sig);
  if (keep) return r;
  if (!leader) {
    reapThread(p);
  } else if (isReparented(p)) {
    handBack(tg);
  } else {
    if (r.usage !== null) t.threadGroup.childUsage.add(r.usage);
    reap(p);
  }
  return r;
}

/** Waits; `out` receives the result. Returns 0 or a negative errno or restart code. */
export function* waitForChild(t: Task, o: WaitOptions, out: { result: WaitResult | null }): SyscallGenerator {
  const entry = new Entry(t, EventExit | EventChildStop | EventChildContinue);
  t.threadGroup.eventQueue.eventRegister(entry);
  try {
    for (;;) {
      const r = tryWait(t, o);
      if (typeof r === "number") return r;
      if (r !== null) {
        out.result = r;
        return 0;
      }
      if ((yield t.block(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT) return -errno.ERESTARTSYS;
    }
  } finally {
    entry.queue?.eventUnregister(entry);
  }
}
