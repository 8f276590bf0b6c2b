import { stateType } from "../../../state/index.ts";
import type { VirtualDentry } from "../../vfs/index.ts";
import type { ReplicaEnd } from "./terminal.ts";
import { isOutdated, TerminalFileDescription } from "./tty_fd.ts";

/** The replica of a pseudoterminal, opened as /dev/pts/N or /dev/tty, or by TIOCGPTPEER. */
export class ReplicaFileDescription extends TerminalFileDescription {
  static override readonly stateType = stateType("devpts.ReplicaFileDescription", ["replica"]);
  readonly replica: ReplicaEnd;

  constructor(vd: VirtualDentry, flags: number, end: ReplicaEnd) {
    super(vd, flags, end);
    this.replica = end;
  }

  /** Access and modification times of /dev/pts/N tell how long nobody typed or printed. */
  override touch(modified: boolean): void {
    const { inode, devpts } = this.replica.terminal;
    const now = devpts.vfs.now().sec;
    if (!modified && isOutdated(inode.atimeSec, now)) inode.atimeSec = now;
    if (modified && isOutdated(inode.mtimeSec, now)) inode.mtimeSec = now;
  }
}
