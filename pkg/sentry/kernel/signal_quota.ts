import { stateType } from "../../state/index.ts";

/** Queued signals of one user, against RLIMIT_SIGPENDING. */
export class SignalQuota {
  static readonly stateType = stateType("kernel.SignalQuota", ["uid", "signals"]);
  /** The user in the root user namespace. */
  readonly uid: number;
  signals = 0;

  constructor(uid: number) {
    this.uid = uid;
  }

  /** A queued signal is gone. */
  release(): void {
    this.signals--;
  }
}
