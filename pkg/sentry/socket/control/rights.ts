import { setFields, stateType } from "../../../state/index.ts";
import type { FileDescription } from "../../vfs/index.ts";

/** Descriptors that all messages on their way may hold together. */
export const MAX_IN_FLIGHT = 262144;

/** Counts descriptors in messages on their way, and lets go of those that nobody received. */
export class RightsAccounting {
  static readonly stateType = stateType("control.RightsAccounting", ["users", "total"], ["dropped", "dropping"]);
  /** Descriptors in flight by sender (kernel uid). */
  readonly users: Map<number, number> = new Map();
  /** Of all senders. */
  total = 0;
  /** Rights to be released. */
  readonly dropped: SCMRights[] = [];
  dropping = false;

  afterLoad(): void {
    setFields<RightsAccounting>(this, { dropped: [], dropping: false });
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
   * after the other, since a guest can make such chains as long as it likes.
   */
  drop(r: SCMRights): void {
    this.dropped.push(r);
    if (this.dropping) return;
    this.dropping = true;
    try {
      for (let next = this.dropped.pop(); next !== undefined; next = this.dropped.pop()) {
        for (let i = next.files.length - 1; i >= 0; i--) next.files[i]?.decRef();
        next.files.length = 0;
      }
    } finally {
      this.dropping = false;
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
