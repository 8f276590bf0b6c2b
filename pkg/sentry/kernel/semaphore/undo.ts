import { SEMVMX } from "../../../abi/linux/sem.ts";
import { stateType } from "../../../state/index.ts";
import { PIDRef } from "../pid_ref.ts";
import type { Task } from "../task.ts";
import type { SemaphoreSet } from "./set.ts";

/** What a process's SEM_UNDO operations on one set come to. */
export class SemaphoreUndo {
  static readonly stateType = stateType("semaphore.SemaphoreUndo", ["set", "adjustments"]);
  readonly set: SemaphoreSet;
  /** To be added to a semaphore at exit, by its number; zero is left out. */
  readonly adjustments: Map<number, number> = new Map();

  constructor(set: SemaphoreSet) {
    this.set = set;
  }

  /** The adjustment of a semaphore. */
  get(num: number): number {
    return this.adjustments.get(num) ?? 0;
  }

  /** Changes it. */
  store(num: number, value: number): void {
    const { registry } = this.set;
    const before = this.adjustments.size;
    if (value === 0) this.adjustments.delete(num);
    else this.adjustments.set(num, value);
    registry.countUndos(this.adjustments.size - before);
  }

  /** Forgets everything. */
  clear(): void {
    this.set.registry.countUndos(-this.adjustments.size);
    this.adjustments.clear();
  }
}

/** The undo lists of tasks that share them (CLONE_SYSVSEM). */
export class SemaphoreUndoList {
  static readonly stateType = stateType("semaphore.SemaphoreUndoList", ["refs", "undos"]);
  refs = 1;
  readonly undos: Map<SemaphoreSet, SemaphoreUndo> = new Map();

  /** The record for a set, made when there is none. */
  of(set: SemaphoreSet): SemaphoreUndo {
    let u = this.undos.get(set);
    if (u === undefined) {
      u = new SemaphoreUndo(set);
      this.undos.set(set, u);
      set.undos.set(u, this);
    }
    return u;
  }
}

/** The list of a task, made when it has none. */
export function undoListOf(t: Task): SemaphoreUndoList {
  const l = t.semaphoreUndo ?? new SemaphoreUndoList();
  t.semaphoreUndo = l;
  return l;
}

/** A task exits or gives up its list: the last one undoes what was to be undone. */
export function exitSemaphores(t: Task): void {
  const list = t.semaphoreUndo;
  t.semaphoreUndo = null;
  if (list === null || --list.refs > 0) return;
  for (const u of list.undos.values()) {
    const { set } = u;
    set.undos.delete(u);
    for (const [num, delta] of u.adjustments) {
      const v = (set.values[num] ?? 0) + delta;
      set.values[num] = Math.min(Math.max(v, 0), SEMVMX);
      set.users.set(num, PIDRef.ofProcess(t, set.users.get(num) ?? null));
    }
    const changed = u.adjustments.size > 0;
    u.clear();
    if (changed) {
      set.operationTime = set.registry.now();
      set.wakeWaiters();
    }
  }
  list.undos.clear();
}
