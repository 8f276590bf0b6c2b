import { stateType } from "../../../state/index.ts";
import type { PIDNamespace } from "../pid_namespace.ts";
import type { Task } from "../task.ts";

/** The ids of a process, good for telling who did something when it is gone long since. */
export class PIDRef {
  static readonly stateType = stateType("ipc.PIDRef", ["namespace", "ids"]);
  readonly namespace: PIDNamespace;
  /** In `namespace` and its ancestors, innermost first. */
  readonly ids: readonly number[];

  constructor(t: Task) {
    const ids: number[] = [];
    for (let n: PIDNamespace | null = t.pidNamespace; n !== null; n = n.parent) {
      ids.push(n.idOfThreadGroup(t.threadGroup));
    }
    this.namespace = t.pidNamespace;
    this.ids = ids;
  }

  /** Its id in a namespace, 0 when it is not visible there. */
  idIn(ns: PIDNamespace): number {
    let i = 0;
    for (let n: PIDNamespace | null = this.namespace; n !== null; n = n.parent) {
      if (n === ns) return this.ids[i] ?? 0;
      i++;
    }
    return 0;
  }

  /** `old` when that names the task's process already, else a new one. */
  static of(t: Task, old: PIDRef | null): PIDRef {
    return old !== null && old.namespace === t.pidNamespace && old.ids[0] === t.tgid ? old : new PIDRef(t);
  }
}
