import { CLONE_NEWPID } from "../../abi/linux/clone.ts";
import { stateType } from "../../state/index.ts";
import { Namespace, UCOUNT_PID_NAMESPACES, type UserNamespace } from "./auth/index.ts";
import type { ProcessGroup, Session } from "./sessions.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** Default of /proc/sys/kernel/pid_max: ids are below it. */
export const PID_MAX_DEFAULT = 32768;
/** Where allocation starts again after the highest id was given out (RESERVED_PIDS). */
const RESERVED_PIDS = 300;

/**
 * A PID namespace: the ids of the tasks in it and in its descendants. A task has one id in its own namespace (Task.tid)
 * and one in each ancestor of it. Process groups and sessions share the number space.
 */
export class PIDNamespace extends Namespace {
  static override readonly stateType = stateType("kernel.PIDNamespace", [
    "parent",
    "userNamespace",
    "level",
    "tasks",
    "tids",
    "processGroups",
    "sessions",
    "last",
    "pidMax",
    "init",
    "exiting",
  ]);
  readonly parent: PIDNamespace | null;
  readonly userNamespace: UserNamespace;
  /** Distance from the root namespace. */
  readonly level: number;
  /** Tasks by id, zombies included. */
  readonly tasks: Map<number, Task> = new Map();
  /** Ids of the tasks of descendant namespaces; those of its own tasks are in Task.tid. */
  readonly tids: Map<Task, number> = new Map();
  readonly processGroups: Map<number, ProcessGroup> = new Map();
  readonly sessions: Map<number, Session> = new Map();
  /** The id given out last: the next one is higher, so that no id is reused soon. */
  last = 0;
  /** Ids are below it. */
  pidMax = PID_MAX_DEFAULT;
  /** The thread group with id 1: reaper of orphans; its end ends the namespace. */
  init: ThreadGroup | null = null;
  /** Set when init dies: no new tasks. */
  exiting = false;

  constructor(parent: PIDNamespace | null, userNamespace: UserNamespace, ino: number) {
    super(ino);
    this.parent = parent;
    this.userNamespace = userNamespace;
    this.level = parent === null ? 0 : parent.level + 1;
    userNamespace.incRef();
    parent?.incRef();
  }

  override cloneFlag(): number {
    return CLONE_NEWPID;
  }

  override kindName(): string {
    return "pid";
  }

  override countedAs(): number {
    return UCOUNT_PID_NAMESPACES;
  }

  override governor(): UserNamespace {
    return this.userNamespace;
  }

  override release(): void {
    this.parent?.decRef();
  }

  /** The task with an id, or null. */
  taskWithID(tid: number): Task | null {
    return this.tasks.get(tid) ?? null;
  }

  /** The thread group whose leader has the id, or null. */
  threadGroupWithID(tgid: number): ThreadGroup | null {
    const t = this.tasks.get(tgid) ?? null;
    return t !== null && t.threadGroup.leader === t ? t.threadGroup : null;
  }

  /** The id of a task here, 0 when it is not visible. */
  idOfTask(t: Task): number {
    return t.pidNamespace === this ? t.tid : (this.tids.get(t) ?? 0);
  }

  /** The id of a thread group here, 0 when it is not visible. */
  idOfThreadGroup(tg: ThreadGroup): number {
    return this.idOfTask(tg.leader);
  }

  /** The id of a process group here, 0 when it is not visible. */
  idOfProcessGroup(pg: ProcessGroup): number {
    return pg.ids.get(this) ?? 0;
  }

  /** The id of a session here, 0 when it is not visible. */
  idOfSession(s: Session): number {
    return s.ids.get(this) ?? 0;
  }

  /** All thread groups visible here, in order of id. */
  threadGroups(): ThreadGroup[] {
    const out: ThreadGroup[] = [];
    for (const t of this.tasks.values()) if (t.threadGroup.leader === t) out.push(t.threadGroup);
    return out.sort((a, b) => this.idOfThreadGroup(a) - this.idOfThreadGroup(b));
  }

  /** A free id, or 0 when there is none. The caller registers it before the next allocation. */
  allocate(): number {
    let id = this.last;
    for (let i = 0; i < this.pidMax; i++) {
      id++;
      if (id >= this.pidMax) id = RESERVED_PIDS;
      if (this.isFree(id)) {
        this.last = id;
        return id;
      }
    }
    return 0;
  }

  /** Whether nothing bears the id. */
  isFree(id: number): boolean {
    return !this.tasks.has(id) && !this.processGroups.has(id) && !this.sessions.has(id);
  }

  /** Whether `ns` is this namespace or a descendant of it. */
  contains(ns: PIDNamespace): boolean {
    let n: PIDNamespace | null = ns;
    while (n !== null && n !== this) n = n.parent;
    return n !== null;
  }
}
