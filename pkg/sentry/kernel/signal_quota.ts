import { stateType } from "../../state/index.ts";

/** Most signals queued in one sandbox, whatever the limits of its users say: they live in the sentry's memory. */
const MAX_QUEUED = 65536;
/** Users remembered before those without queued signals are forgotten. */
const MAX_IDLE_USERS = 256;

/** Queued signals of one user, against RLIMIT_SIGPENDING. */
export class SignalQuota {
  static readonly stateType = stateType("kernel.SignalQuota", ["all", "signals"]);
  readonly all: SignalQuotas;
  signals = 0;

  constructor(all: SignalQuotas) {
    this.all = all;
  }

  /** Whether another signal may be queued under a limit of the user. */
  hasRoom(limit: number): boolean {
    return this.signals < limit && !this.all.isFull();
  }

  /** A signal is queued. */
  take(): void {
    this.signals++;
    this.all.total++;
  }

  /** A queued signal is gone. */
  release(): void {
    this.signals--;
    this.all.total--;
  }
}

/** The queued signals of all users of a kernel. */
export class SignalQuotas {
  static readonly stateType = stateType("kernel.SignalQuotas", ["users", "total"]);
  /** By kernel uid. */
  readonly users: Map<number, SignalQuota> = new Map();
  total = 0;

  /** The counter of a user, made on first use. */
  of(kuid: number): SignalQuota {
    let q = this.users.get(kuid);
    if (q !== undefined) return q;
    if (this.users.size >= MAX_IDLE_USERS) {
      for (const [id, old] of this.users) if (old.signals === 0) this.users.delete(id);
    }
    q = new SignalQuota(this);
    this.users.set(kuid, q);
    return q;
  }

  /** Whether the sandbox may queue no more signals. */
  isFull(): boolean {
    return this.total >= MAX_QUEUED;
  }
}
