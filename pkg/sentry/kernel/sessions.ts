import * as linux from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** A session: process groups that share a controlling terminal (credentials(7)). Which one that is, each process knows: ThreadGroup.tty. */
export class Session {
  static readonly stateType = stateType("kernel.Session", ["leader", "ids", "processGroups"]);
  readonly leader: ThreadGroup;
  /** Its id in each PID namespace that sees it. */
  readonly ids: Map<PIDNamespace, number> = new Map();
  readonly processGroups: Set<ProcessGroup> = new Set();

  constructor(leader: ThreadGroup) {
    this.leader = leader;
  }

  /** Its id in the namespace of its leader. */
  get id(): number {
    return this.ids.get(this.leader.pidNamespace) ?? 0;
  }
}

/** A process group: what a shell calls a job. */
export class ProcessGroup {
  static readonly stateType = stateType("kernel.ProcessGroup", ["originator", "session", "ids", "threadGroups"]);
  readonly originator: ThreadGroup;
  readonly session: Session;
  /** Its id in each PID namespace that sees it. */
  readonly ids: Map<PIDNamespace, number> = new Map();
  /** Members, zombies included. */
  readonly threadGroups: Set<ThreadGroup> = new Set();

  constructor(originator: ThreadGroup, session: Session) {
    this.originator = originator;
    this.session = session;
  }

  /** Its id in the namespace of its originator. */
  get id(): number {
    return this.ids.get(this.originator.pidNamespace) ?? 0;
  }

  /**
   * Whether no member has a parent in another group of the same session, so that nobody could continue it if it stopped. `ignored` is
   * a thread group to leave out (it is exiting).
   */
  isOrphan(ignored: ThreadGroup | null): boolean {
    for (const tg of this.threadGroups) {
      if (tg === ignored || tg.isDead()) continue;
      const parent = tg.parent?.threadGroup ?? null;
      if (parent === null) continue;
      const pg = parent.processGroup;
      if (pg !== this && pg.session === this.session) return false;
    }
    return true;
  }

  /** Whether a member is stopped. */
  hasStoppedJobs(): boolean {
    for (const tg of this.threadGroups) if (tg.isStopped()) return true;
    return false;
  }

  /** Sends a signal to every member without permission checks. */
  sendSignal(info: SignalInfo): void {
    for (const tg of [...this.threadGroups]) tg.sendSignal(info);
  }

  /** SIGHUP and SIGCONT if the group is now orphaned with stopped members (POSIX 3.2.2.2); called when it may just have become so. */
  handleOrphan(exiting: ThreadGroup | null): void {
    if (!this.isOrphan(exiting) || !this.hasStoppedJobs()) return;
    this.sendSignal(SignalInfo.kernel(linux.SIGHUP));
    this.sendSignal(SignalInfo.kernel(linux.SIGCONT));
  }

  /** Adds a member. */
  add(tg: ThreadGroup): void {
    this.threadGroups.add(tg);
  }

  /** Removes a member; an empty group ceases to exist. */
  remove(tg: ThreadGroup): void {
    this.threadGroups.delete(tg);
    if (this.threadGroups.size > 0) return;
    for (const [ns, id] of this.ids) if (ns.processGroups.get(id) === this) ns.processGroups.delete(id);
    const s = this.session;
    s.processGroups.delete(this);
    if (s.processGroups.size > 0) return;
    for (const [ns, id] of s.ids) if (ns.sessions.get(id) === s) ns.sessions.delete(id);
  }
}

/** Makes a session and a process group led by `tg`, registered in every namespace that sees it. */
export function newSession(tg: ThreadGroup): ProcessGroup {
  const s = new Session(tg);
  for (let ns: PIDNamespace | null = tg.pidNamespace; ns !== null; ns = ns.parent) {
    const id = ns.idOfThreadGroup(tg);
    s.ids.set(ns, id);
    ns.sessions.set(id, s);
  }
  return newProcessGroup(tg, s);
}

/** Makes a process group led by `tg` in a session. `tg` is not moved into it. */
export function newProcessGroup(tg: ThreadGroup, s: Session): ProcessGroup {
  const pg = new ProcessGroup(tg, s);
  for (let ns: PIDNamespace | null = tg.pidNamespace; ns !== null; ns = ns.parent) {
    const id = ns.idOfThreadGroup(tg);
    pg.ids.set(ns, id);
    ns.processGroups.set(id, pg);
  }
  s.processGroups.add(pg);
  return pg;
}
