import { O_ACCMODE, O_CLOEXEC, O_NOCTTY, O_NONBLOCK } from "../../../abi/linux/file.ts";
import * as ioctl from "../../../abi/linux/ioctl.ts";
import { RLIMIT_NOFILE } from "../../../abi/linux/rlimit.ts";
import { SIGINT, SIGQUIT, SIGTSTP } from "../../../abi/linux/signal.ts";
import { TIOCPKT_DATA } from "../../../abi/linux/tty.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { MAY_READ, MAY_WRITE, type VirtualDentry } from "../../vfs/index.ts";
import type { MasterEnd, Terminal } from "./terminal.ts";
import { TerminalFileDescription } from "./tty_fd.ts";

/** The flags of TIOCGPTPEER that mean something. */
const PEER_FLAGS = O_ACCMODE | O_NOCTTY | O_NONBLOCK;
const ACCESS: readonly number[] = [MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE];

/** The master of a pseudoterminal: what opening ptmx gives. */
export class MasterFileDescription extends TerminalFileDescription {
  static override readonly stateType = stateType("devpts.MasterFileDescription", ["master", "place"]);
  readonly master: MasterEnd;
  /** /dev/pts/N, in the mount that ptmx was opened in. */
  readonly place: VirtualDentry;

  constructor(vd: VirtualDentry, flags: number, terminal: Terminal, place: VirtualDentry) {
    super(vd, flags, terminal.master);
    this.master = terminal.master;
    this.place = place;
    place.incRef();
  }

  override release(): void {
    super.release();
    this.place.decRef();
  }

  // ---- packet mode

  override readInput(dst: IOSequence): number {
    const { master } = this;
    if (!master.packet || this.isHungUp) return super.readInput(dst);
    if (dst.numBytes() === 0) return 0;
    const { replica } = master.terminal;
    if (replica.packetStatus !== 0) {
      dst.copyOut(Uint8Array.of(replica.packetStatus), 0, 1);
      replica.packetStatus = 0;
      return 1;
    }
    if (master.discipline.available() === 0) return super.readInput(dst);
    dst.copyOut(Uint8Array.of(TIOCPKT_DATA), 0, 1);
    const n = dst.numBytes() === 0 ? 0 : this.take(dst);
    return n + 1;
  }

  override hasPacket(): boolean {
    return this.master.packet && this.master.terminal.replica.packetStatus !== 0;
  }

  override fdInfo(): string {
    return `tty-index:\t${this.master.terminal.index}\n`;
  }

  // ---- ioctl_tty(2): requests of masters

  override ownIoctl(t: Task, cmd: number, args: SyscallArguments): number {
    const { master } = this;
    const { terminal } = master;
    const addr = args.u64(2);
    switch (cmd) {
      case ioctl.TIOCSPTLCK:
        terminal.locked = t.copyInI32(addr) !== 0;
        return 0;
      case ioctl.TIOCGPTLCK:
        t.copyOutI32(addr, terminal.locked ? 1 : 0);
        return 0;
      case ioctl.TIOCGPTN:
        t.copyOutU32(addr, terminal.index);
        return 0;
      case ioctl.TIOCPKT: {
        const on = t.copyInI32(addr) !== 0;
        if (on && !master.packet) terminal.replica.packetStatus = 0;
        master.packet = on;
        return 0;
      }
      case ioctl.TIOCGPKT:
        t.copyOutI32(addr, master.packet ? 1 : 0);
        return 0;
      case ioctl.TIOCSIG: {
        const sig = args.i32(2);
        if (sig !== SIGINT && sig !== SIGQUIT && sig !== SIGTSTP) throw linuxerr.EINVAL;
        terminal.replica.signalForeground(sig);
        return 0;
      }
      default:
        throw linuxerr.ENOTTY;
    }
  }

  /** Opens the replica whatever the caller's paths lead to. Returns the descriptor. */
  override openPeer(t: Task, flags: number): number {
    const { terminal } = this.master;
    const access = ACCESS[flags & O_ACCMODE] ?? 0;
    if (terminal.inode.checkPermissions(t.creds, access) !== 0) throw linuxerr.EACCES;
    if (!t.fdTable.hasRoom(t.threadGroup.limits.cur(RLIMIT_NOFILE))) throw linuxerr.EMFILE;
    const file = terminal.replica.open(this.place, flags & PEER_FLAGS);
    file.openerCreds = t.creds;
    try {
      return t.newFD(file, (flags & O_CLOEXEC) !== 0);
    } finally {
      file.decRef();
    }
  }
}
