import { setFields, stateType } from "../../state/index.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** Who did something (sent a message, made a segment): outlives the process without keeping it in memory. */
export class PIDRef {
  static readonly stateType = stateType("kernel.PIDRef", ["namespace", "ids"], ["process"]);
  /** The innermost namespace it has an id in. */
  readonly namespace: PIDNamespace;
  /** Its ids there and in the ancestors of the namespace, innermost first. */
  readonly ids: readonly number[];
  /** The process while anything else remembers it. */
  readonly process: WeakRef<ThreadGroup> | null;

  constructor(namespace: PIDNamespace, ids: readonly number[], tg: ThreadGroup) {
    this.namespace = namespace;
    this.ids = ids;
    this.process = new WeakRef(tg);
  }

  /** In a restored kernel: whoever has the id. A process that was gone then may be taken for a later one with its id. */
  afterLoad(): void {
    const t = this.namespace.tasks.get(this.ids[0] ?? 0);
    setFields<PIDRef>(this, { process: t === undefined ? null : new WeakRef(t.threadGroup) });
  }

  /** The reference to a task: its own ids, which for a leader are those of the process. */
  static ofTask(t: Task): PIDRef {
    const ids: number[] = [];
    for (let n: PIDNamespace | null = t.pidNamespace; n !== null; n = n.parent) ids.push(n.idOfTask(t));
    return new PIDRef(t.pidNamespace, ids, t.threadGroup);
  }

  /** The reference to a task's process: `old` when it is that already. */
  static ofProcess(t: Task, old: PIDRef | null): PIDRef {
    return old !== null && old.namespace === t.pidNamespace && old.ids[0] === t.tgid
      ? old
      : PIDRef.ofTask(t.threadGroup.leader);
  }

  /** Its id as a namespace sees it, 0 when it does not. */
  idIn(ns: PIDNamespace): number {
    let i = 0;
    for (let n: PIDNamespace | null = this.namespace; n !== null; n = n.parent) {
      if (n === ns) return this.ids[i] ?? 0;
      i++;
    }
    return 0;
  }

  /** Whether both mean the same process. */
  static same(a: PIDRef | null, b: PIDRef | null): boolean {
    if (a === b) return true;
    return a !== null && b !== null && a.namespace === b.namespace && a.ids[0] === b.ids[0];
  }
}
