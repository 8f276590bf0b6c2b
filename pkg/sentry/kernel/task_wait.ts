import * as errno from "../../abi/linux/errno.ts";
import * as linux from "../../abi/linux/signal.ts";
import * as wait from "../../abi/linux/wait.ts";
import { Entry } from "../../waiter/index.ts";
import type { ProcessGroup } from "./sessions.ts";
import { type SyscallGenerator, WAKE_INTERRUPT } from "./syscalls.ts";
import { type Task, TaskExitZombie } from "./task.ts";
import { reap } from "./task_exit.ts";
import { EventChildContinue, EventChildStop, EventExit, type ThreadGroup, Usage } from "./thread_group.ts";

/** Which children to wait for, and how: wait4(2), waitid(2). */
export interface WaitOptions {
  /** One process; null: see processGroup. */
  threadGroup: ThreadGroup | null;
  /** One process group; null with threadGroup null: any child. */
  processGroup: ProcessGroup | null;
  /** The process or group that was named does not exist. */
  nothing: boolean;
  /** W* flags. */
  flags: number;
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
      if (!isEligible(o, child)) continue;
      // The dead have nothing more to report to who does not wait for deaths.
      if (isWaitableZombie(child) && (o.flags & wait.WEXITED) === 0) continue;
      exists = true;
      const r = consider(t, o, child);
      if (r !== null) return r;
    }
  }
  return exists ? null : -errno.ECHILD;
}

/** Whether a child is among those asked for. */
function isEligible(o: WaitOptions, child: ThreadGroup): boolean {
  if (o.threadGroup !== null && o.threadGroup !== child) return false;
  if (o.processGroup !== null && o.processGroup !== child.processGroup) return false;
  if ((o.flags & wait.__WALL) !== 0) return true;
  const isClone = child.exitSignal !== linux.SIGCHLD;
  return isClone === ((o.flags & wait.__WCLONE) !== 0);
}

/** Whether a child is dead with all its threads. */
function isWaitableZombie(child: ThreadGroup): boolean {
  return child.leader.exitState === TaskExitZombie && child.tasks.size <= 1;
}

/** What a child has to report; a dead one is waited for. */
function consider(t: Task, o: WaitOptions, child: ThreadGroup): WaitResult | null {
  const keep = (o.flags & wait.WNOWAIT) !== 0;
  if (isWaitableZombie(child)) return reportZombie(t, child, keep);
  if (child.stopWaitable && child.stopped && (o.flags & wait.WSTOPPED) !== 0) {
    if (!keep) child.stopWaitable = false;
    return report(t, child, wait.stopStatusWord(child.stopSignal), linux.CLD_STOPPED, child.stopSignal);
  }
  if (child.continueWaitable && (o.flags & wait.WCONTINUED) !== 0) {
    if (!keep) child.continueWaitable = false;
    return report(t, child, wait.CONTINUED_STATUS_WORD, linux.CLD_CONTINUED, linux.SIGCONT);
  }
  return null;
}

function report(t: Task, child: ThreadGroup, status: number, code: number, siStatus: number): WaitResult {
  const r = new WaitResult();
  r.pid = t.pidNamespace.idOfThreadGroup(child);
  r.uid = t.creds.userNamespace.uidOrOverflow(child.leader.creds.realKUID);
  r.status = status;
  r.code = code;
  r.siStatus = siStatus;
  r.usage = new Usage();
  child.addUsage(r.usage);
  r.usage.add(child.childUsage);
  return r;
}

/** A dead child: its status, and (unless it is only looked at) its end. */
function reportZombie(t: Task, child: ThreadGroup, keep: boolean): WaitResult {
  const st = child.exitStatus;
  const sig = st & 0x7f;
  const code = sig === 0 ? linux.CLD_EXITED : (st & wait.WCOREFLAG) !== 0 ? linux.CLD_DUMPED : linux.CLD_KILLED;
  const r = report(t, child, st, code, sig === 0 ? (st >> 8) & 0xff : sig);
  if (!keep) {
    if (r.usage !== null) t.threadGroup.childUsage.add(r.usage);
    reap(child.leader);
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
