import { stateType } from "../../state/index.ts";

/** Queued signals and processes of one user, against RLIMIT_SIGPENDING and RLIMIT_NPROC. */
export class SignalQuota {
  static readonly stateType = stateType("kernel.SignalQuota", ["uid", "signals", "tasks"]);
  /** The user in the root user namespace. */
  readonly uid: number;
  signals = 0;
  tasks = 0;

  constructor(uid: number) {
    this.uid = uid;
  }

  /** A queued signal is gone. */
  release(): void {
    this.signals--;
  }
}
