import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import {
  FIONREAD,
  TCFLSH,
  TCGETS,
  TCGETS2,
  TCSBRK,
  TCSBRKP,
  TCSETS,
  TCSETS2,
  TCSETSF,
  TCSETSF2,
  TCSETSW,
  TCSETSW2,
  TCXONC,
  TIOCGETD,
  TIOCGPGRP,
  TIOCGSID,
  TIOCGWINSZ,
  TIOCNOTTY,
  TIOCOUTQ,
  TIOCSCTTY,
  TIOCSPGRP,
  TIOCSTI,
  TIOCSWINSZ,
} from "../../../abi/linux/ioctl.ts";
import { SIGCONT, SIGHUP, SIGTTIN, SIGTTOU } from "../../../abi/linux/signal.ts";
import { SizeofTermios, SizeofTermios2, SizeofWinsize, TERMIOS_LFLAG, TOSTOP } from "../../../abi/linux/tty.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { SignalInfo } from "../../arch/signal_info.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { ControllingTerminal, ProcessGroup, Session } from "../../kernel/sessions.ts";
import * as sigset from "../../kernel/signal_set.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { IOSequence } from "../../usermem/index.ts";
import type { FileDescription, VirtualDentry } from "../../vfs/index.ts";
import { HostFileDescription, thrown } from "./file_description.ts";
import type { HostFilesystem } from "./host.ts";
import type { HostInode } from "./inode.ts";

/** A terminal of the host in its role as the controlling terminal of a session of the sandbox. The host knows nothing of that role. */
export class HostTerminal implements ControllingTerminal {
  static readonly stateType = stateType("host.Terminal", ["hostfs", "rdev", "session", "inodes"]);
  readonly hostfs: HostFilesystem;
  /** The host's device number. */
  readonly rdev: number;
  /** The session it controls. */
  session: Session | null = null;
  /** Imported descriptors of it. */
  readonly inodes: Set<HostInode> = new Set();

  constructor(fs: HostFilesystem, rdev: number) {
    this.hostfs = fs;
    this.rdev = rdev;
  }

  /** Makes it the controlling terminal of a session that has none, with a foreground process group. */
  setSession(s: Session, foreground: ProcessGroup): void {
    this.session = s;
    s.controllingTTY = this;
    s.foreground = foreground;
  }

  sessionLeaderExited(s: Session): void {
    if (this.session === s) this.disassociate(s);
  }

  /** The session loses it; its foreground group is hung up. */
  disassociate(s: Session): void {
    const pg = s.foreground;
    this.session = null;
    s.controllingTTY = null;
    s.foreground = null;
    pg?.sendSignal(SignalInfo.kernel(SIGHUP));
    pg?.sendSignal(SignalInfo.kernel(SIGCONT));
  }

  /** /dev/tty. */
  open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    for (const inode of this.inodes) return new HostTTYFileDescription(vd, flags, inode, this);
    throw linuxerr.EIO;
  }

  /** An imported descriptor was closed. */
  inodeReleased(inode: HostInode): void {
    this.inodes.delete(inode);
    if (this.inodes.size === 0 && this.session === null) this.hostfs.terminals.delete(this.rdev);
  }
}

/** An open description of a host terminal. */
export class HostTTYFileDescription extends HostFileDescription {
  static override readonly stateType = stateType("host.TTYFileDescription", ["terminal"]);
  readonly terminal: HostTerminal;

  constructor(vd: VirtualDentry, flags: number, inode: HostInode, terminal: HostTerminal) {
    super(vd, flags, inode);
    this.terminal = terminal;
  }

  override canPoll(): boolean {
    return true;
  }

  override read(dst: IOSequence): number {
    const t = this.vd.mount.fs.vfs.currentTask();
    if (t !== null) {
      const r = this.checkChange(t, SIGTTIN);
      if (r !== 0) return r;
    }
    return super.read(dst);
  }

  override write(src: IOSequence): number {
    const t = this.vd.mount.fs.vfs.currentTask();
    if (t !== null && this.inBackground(t) && this.stopsOutput()) {
      const r = this.checkChange(t, SIGTTOU);
      if (r !== 0) return r;
    }
    return super.write(src);
  }

  /** Whether the task belongs to a background group of the session that this terminal controls. */
  inBackground(t: Task): boolean {
    const pg = t.threadGroup.processGroup;
    const s = pg.session;
    return s.controllingTTY === this.terminal && s.foreground !== null && s.foreground !== pg;
  }

  /** Whether background output stops: stty tostop. */
  stopsOutput(): boolean {
    const buf = this.terminal.hostfs.ioctlBuffer;
    if (host.ioctl(this.fd, TCGETS, buf) < 0) return false;
    return (((buf[TERMIOS_LFLAG] ?? 0) | ((buf[TERMIOS_LFLAG + 1] ?? 0) << 8)) & TOSTOP) !== 0;
  }

  /**
   * Job control (drivers/tty/tty_jobctrl.c, __tty_check_change): 0 to go on, or -ERESTARTSYS after the signal was sent to the background
   * group. Throws EIO for orphaned groups, and for readers that ignore SIGTTIN.
   */
  checkChange(t: Task, sig: number): number {
    if (!this.inBackground(t)) return 0;
    const pg = t.threadGroup.processGroup;
    if (sigset.contains(t.maskLo, t.maskHi, sig) || t.threadGroup.signalHandlers.ignores(sig)) {
      if (sig === SIGTTIN) throw linuxerr.EIO;
      return 0;
    }
    if (pg.isOrphan(null)) throw linuxerr.EIO;
    pg.sendSignal(SignalInfo.kernel(sig));
    return -errno.ERESTARTSYS;
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    const addr = args.u64(2);
    switch (cmd) {
      case TCGETS:
        return this.get(t, cmd, addr, SizeofTermios);
      case TCGETS2:
        return this.get(t, cmd, addr, SizeofTermios2);
      case TIOCGWINSZ:
        return this.get(t, cmd, addr, SizeofWinsize);
      case FIONREAD:
      case TIOCOUTQ:
      case TIOCGETD:
        return this.get(t, cmd, addr, 4);
      case TCSETS:
      case TCSETSW:
      case TCSETSF:
        return this.set(t, cmd, addr, SizeofTermios);
      case TCSETS2:
      case TCSETSW2:
      case TCSETSF2:
        return this.set(t, cmd, addr, SizeofTermios2);
      case TIOCSWINSZ: {
        // Linux does not ask whether the caller is in the background.
        const buf = this.terminal.hostfs.ioctlBuffer;
        t.copyIn(addr, buf, 0, SizeofWinsize);
        return thrown(host.ioctl(this.fd, cmd, buf));
      }
      case TCFLSH:
      case TCSBRK:
      case TCSBRKP:
      case TCXONC: {
        const r = this.checkChange(t, SIGTTOU);
        return r !== 0 ? r : thrown(host.ioctl(this.fd, cmd, args.u32(2)));
      }
      case TIOCGPGRP: {
        const s = this.ownSession(t);
        t.copyOutI32(addr, s.foreground === null ? 0 : t.pidNamespace.idOfProcessGroup(s.foreground));
        return 0;
      }
      case TIOCSPGRP:
        return this.setForeground(t, addr);
      case TIOCGSID:
        t.copyOutI32(addr, t.pidNamespace.idOfSession(this.ownSession(t)));
        return 0;
      case TIOCSCTTY:
        return this.setControlling(t, args.i32(2));
      case TIOCNOTTY: {
        const s = this.ownSession(t);
        if (s.leader === t.threadGroup) this.terminal.disassociate(s);
        return 0;
      }
      case TIOCSTI:
        // Typing on the user's terminal is what a sandbox must not do; Linux says EIO with dev.tty.legacy_tiocsti = 0.
        throw linuxerr.EIO;
      default:
        throw linuxerr.ENOTTY;
    }
  }

  get(t: Task, cmd: number, addr: number, size: number): number {
    const buf = this.terminal.hostfs.ioctlBuffer;
    thrown(host.ioctl(this.fd, cmd, buf));
    t.copyOut(addr, buf, 0, size);
    return 0;
  }

  set(t: Task, cmd: number, addr: number, size: number): number {
    const r = this.checkChange(t, SIGTTOU);
    if (r !== 0) return r;
    const buf = this.terminal.hostfs.ioctlBuffer;
    t.copyIn(addr, buf, 0, size);
    return thrown(host.ioctl(this.fd, cmd, buf));
  }

  /** The caller's session, when this is its controlling terminal: ENOTTY. */
  ownSession(t: Task): Session {
    const s = t.threadGroup.processGroup.session;
    if (s.controllingTTY !== this.terminal) throw linuxerr.ENOTTY;
    return s;
  }

  /** TIOCSPGRP: tcsetpgrp(3). */
  setForeground(t: Task, addr: number): number {
    const s = this.ownSession(t);
    const r = this.checkChange(t, SIGTTOU);
    if (r !== 0) return r;
    const id = t.copyInI32(addr);
    if (id < 0) throw linuxerr.EINVAL;
    const pg = t.pidNamespace.processGroups.get(id);
    if (pg === undefined) throw linuxerr.ESRCH;
    if (pg.session !== s) throw linuxerr.EPERM;
    s.foreground = pg;
    return 0;
  }

  /** TIOCSCTTY: see ioctl_tty(2). */
  setControlling(t: Task, steal: number): number {
    const pg = t.threadGroup.processGroup;
    const s = pg.session;
    if (s.leader === t.threadGroup && s.controllingTTY === this.terminal) return 0;
    if (s.leader !== t.threadGroup || s.controllingTTY !== null) throw linuxerr.EPERM;
    const other = this.terminal.session;
    if (other !== null) {
      if (steal !== 1 || !t.creds.capable(CAP_SYS_ADMIN)) throw linuxerr.EPERM;
      other.controllingTTY = null;
      other.foreground = null;
    }
    this.terminal.setSession(s, pg);
    return 0;
  }
}
