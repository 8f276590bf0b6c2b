import { PID_NS_INIT_INO } from "../../abi/linux/nsfs.ts";
import { stateType } from "../../state/index.ts";
import type { UserNamespace } from "./auth/index.ts";
import { PIDNamespace } from "./pid_namespace.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** Most tasks a sandbox may have, zombies included: each costs the sentry some kilobytes. */
const MAX_TASKS_DEFAULT = 16384;

/** All tasks of the sandbox. */
export class TaskSet {
  static readonly stateType = stateType("kernel.TaskSet", ["root", "all", "maxTasks", "forks"]);
  /** The PID namespace that sees every task. */
  readonly root: PIDNamespace;
  /** Every task not yet reaped. */
  readonly all: Set<Task> = new Set();
  /** clone gives EAGAIN when this many tasks exist. */
  maxTasks = MAX_TASKS_DEFAULT;
  /** Tasks ever made ("processes" of /proc/stat). */
  forks = 0;

  constructor(userNamespace: UserNamespace) {
    this.root = new PIDNamespace(null, userNamespace, PID_NS_INIT_INO);
  }

  /** Registers a new task. */
  add(t: Task): void {
    this.all.add(t);
    this.forks++;
  }

  /** Every thread group, zombies included. */
  threadGroups(): ThreadGroup[] {
    const out: ThreadGroup[] = [];
    for (const t of this.all) if (t.threadGroup.leader === t) out.push(t.threadGroup);
    return out;
  }

  /** Number of tasks that still run code. */
  liveCount(): number {
    let n = 0;
    for (const t of this.all) if (!t.isExiting()) n++;
    return n;
  }

  /**
   * Ids for a new task in `ns` and its ancestors, innermost first; null when one of them has none left. `wanted` are the ids
   * that clone3(2) asked for, innermost first; null as well when one of those is taken.
   */
  allocateTIDs(ns: PIDNamespace, wanted: readonly number[]): number[] | null {
    const out: number[] = [];
    let i = 0;
    for (let n: PIDNamespace | null = ns; n !== null; n = n.parent) {
      const w = wanted[i] ?? 0;
      if (w !== 0 && !n.isFree(w)) return null;
      const id = w !== 0 ? w : n.allocate();
      if (id === 0) return null;
      out.push(id);
      i++;
    }
    return out;
  }

  /** Forgets a reaped task: its ids are free again. */
  remove(t: Task): void {
    this.all.delete(t);
    for (let n: PIDNamespace | null = t.pidNamespace; n !== null; n = n.parent) {
      const id = n.idOfTask(t);
      if (n.tasks.get(id) === t) n.tasks.delete(id);
      n.tids.delete(t);
    }
  }
}
