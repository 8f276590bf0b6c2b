import { setFields, stateType } from "../../../state/index.ts";
import type { Job, Kernel } from "../../kernel/kernel.ts";
import type { FileDescription } from "../../vfs/index.ts";

/** Descriptors that all messages on their way may hold together. */
export const MAX_IN_FLIGHT = 262144;

/** Messages whose descriptors are released in one go. */
const DROPS_PER_TURN = 64;

/** Counts descriptors in messages on their way, and lets go of those that nobody received. */
export class RightsAccounting implements Job {
  static readonly stateType = stateType(
    "control.RightsAccounting",
    ["kernel", "users", "total"],
    ["dropped", "dropping", "scheduled"],
  );
  readonly kernel: Kernel;
  /** Descriptors in flight by sender (kernel uid). */
  readonly users: Map<number, number> = new Map();
  /** Of all senders. */
  total = 0;
  /** Rights to be released. */
  readonly dropped: SCMRights[] = [];
  dropping = false;
  scheduled = false;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
  }

  /** Jobs are done before a kernel is saved. */
  afterLoad(): void {
    setFields<RightsAccounting>(this, { dropped: [], dropping: false, scheduled: false });
  }

  /** How many descriptors a user has in flight. */
  ofUser(kuid: number): number {
    return this.users.get(kuid) ?? 0;
  }

  /** Rights were queued (n > 0) or left the queue (n < 0). */
  change(kuid: number, n: number): void {
    this.total += n;
    const now = (this.users.get(kuid) ?? 0) + n;
    if (now === 0) this.users.delete(kuid);
    else this.users.set(kuid, now);
  }

  /**
   * Drops the references of rights. The last reference on a socket lets go of the rights in its queue, and so on: that is done one
   * after the other, and what is too much for one call goes on between turns of the loop, since a guest can make such chains long.
   */
  drop(r: SCMRights): void {
    this.dropped.push(r);
    if (!this.dropping) this.work();
  }

  /** See Job. */
  run(): boolean {
    this.scheduled = false;
    this.work();
    return false;
  }

  /** Releases some of what was dropped. */
  work(): void {
    this.dropping = true;
    try {
      for (let left = DROPS_PER_TURN; left > 0; left--) {
        const r = this.dropped.pop();
        if (r === undefined) return;
        for (let i = r.files.length - 1; i >= 0; i--) r.files[i]?.decRef();
        r.files.length = 0;
      }
    } finally {
      this.dropping = false;
    }
    if (this.dropped.length > 0 && !this.scheduled) {
      this.scheduled = true;
      this.kernel.addJob(this);
    }
  }
}

/** The descriptors of one message; holds a reference on each description. */
export class SCMRights {
  static readonly stateType = stateType("control.SCMRights", ["accounting", "files", "user", "inFlight"]);
  readonly accounting: RightsAccounting;
  readonly files: FileDescription[] = [];
  /** The sender, a kernel uid. */
  readonly user: number;
  /** In a queue: counted, and known to the collector. */
  inFlight = false;

  constructor(accounting: RightsAccounting, user: number) {
    this.accounting = accounting;
    this.user = user;
  }

  /** Adds a description and takes a reference. */
  add(file: FileDescription): void {
    file.incRef();
    this.files.push(file);
  }

  /** A copy with references of its own, for MSG_PEEK. */
  clone(): SCMRights {
    const r = new SCMRights(this.accounting, this.user);
    for (const f of this.files) r.add(f);
    return r;
  }

  /** Drops all references; the rights must not be in flight. */
  release(): void {
    this.accounting.drop(this);
  }
}
