import { CAP_SYS_ADMIN } from "../../abi/linux/capability.ts";
import * as errno from "../../abi/linux/errno.ts";
import { TIOCGPGRP, TIOCGSID, TIOCNOTTY, TIOCSCTTY, TIOCSPGRP } from "../../abi/linux/ioctl.ts";
import { SIGCONT, SIGHUP, SIGTTIN, SIGTTOU } from "../../abi/linux/signal.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { type StateType, stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import type { FileDescription, VirtualDentry } from "../vfs/index.ts";
import { ProcessGroup, type Session } from "./sessions.ts";
import * as sigset from "./signal_set.ts";
import type { SyscallArguments } from "./syscalls.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** jobControlIoctl(): the request is not about job control. */
export const NOT_JOB_CONTROL = -515;

/**
 * A terminal as job control sees it (drivers/tty/tty_jobctrl.c). It controls at most one session; the processes of that session know it as
 * ThreadGroup.tty, until they give it up.
 */
export abstract class TTY {
  static readonly stateType: StateType = stateType("kernel.TTY", ["session", "foreground"]);
  /** The session it controls. */
  session: Session | null = null;
  /** The foreground process group. It stays when all its members are gone, and then everybody else is in the background. */
  foreground: ProcessGroup | null = null;

  /** Its number as makeDeviceID(). */
  abstract deviceNumber(): number;

  /** open(2) of /dev/tty by one of its processes, through the node at vd. */
  abstract openCurrent(vd: VirtualDentry, flags: number): FileDescription;

  /** vhangup(2): whoever has it open finds it dead, and its session loses it. */
  abstract hangup(): void;

  /**
   * A background process is about to read from it (SIGTTIN) or to change or write to it (SIGTTOU): 0 to go on, or -ERESTARTSYS after its
   * process group was sent the signal. Throws EIO for members of orphaned groups, and for readers that do not listen to SIGTTIN.
   */
  checkChange(t: Task, sig: number): number {
    const tg = t.threadGroup;
    const pg = tg.processGroup;
    if (tg.tty !== this || this.foreground === null || this.foreground === pg) return 0;
    if (sigset.contains(t.maskLo, t.maskHi, sig) || tg.signalHandlers.isIgnore(sig)) {
      if (sig === SIGTTIN) throw linuxerr.EIO;
      return 0;
    }
    if (pg.isOrphan(null)) throw linuxerr.EIO;
    pg.sendSignal(SignalInfo.kernel(sig));
    return -errno.ERESTARTSYS;
  }

  /** Sends a signal to the foreground group, as the kernel. */
  signalForeground(sig: number): void {
    this.foreground?.sendSignal(SignalInfo.kernel(sig));
  }

  /** open(2) without O_NOCTTY: it becomes the controlling terminal of a session leader that has none and can read from it. */
  opened(t: Task, readable: boolean): void {
    const tg = t.threadGroup;
    if (readable && tg.isSessionLeader() && tg.tty === null && this.session === null) this.control(tg);
  }

  /** It controls the session of this leader from now on. */
  control(leader: ThreadGroup): void {
    this.foreground = leader.processGroup;
    this.session = leader.processGroup.session;
    leader.tty = this;
    leader.ttyOldProcessGroup = null;
  }

  /** TIOCSCTTY. EPERM for those who lead no session, have another terminal, or want one that is taken (root may steal with arg 1). */
  setControlling(t: Task, readable: boolean, arg: number): void {
    const tg = t.threadGroup;
    const leads = tg.isSessionLeader();
    if (leads && tg.processGroup.session === this.session) return;
    if (!leads || tg.tty !== null) throw linuxerr.EPERM;
    const capable = t.creds.capable(CAP_SYS_ADMIN);
    if (this.session !== null) {
      if (arg !== 1 || !capable) throw linuxerr.EPERM;
      clearSessionTTY(this.session);
    }
    if (!readable && !capable) throw linuxerr.EPERM;
    this.control(tg);
  }

  /** tcsetpgrp(3). */
  setForeground(t: Task, addr: number): number {
    const tg = t.threadGroup;
    let r = 0;
    try {
      r = this.checkChange(t, SIGTTOU);
    } catch (e) {
      throw e === linuxerr.EIO ? linuxerr.ENOTTY : e;
    }
    if (r !== 0) return r;
    const s = tg.processGroup.session;
    if (tg.tty !== this || this.session !== s) throw linuxerr.ENOTTY;
    const id = t.copyInI32(addr);
    if (id < 0) throw linuxerr.EINVAL;
    const ns = t.pidNamespace;
    let pg = ns.processGroups.get(id);
    if (pg === undefined) {
      // A process that leads no group will do: then nobody is in the foreground.
      const leader = ns.taskWithID(id)?.threadGroup;
      if (leader === undefined) throw ns.sessions.has(id) ? linuxerr.EPERM : linuxerr.ESRCH;
      pg = new ProcessGroup(leader, leader.processGroup.session);
      pg.ids.set(ns, id);
    }
    if (pg.session !== s) throw linuxerr.EPERM;
    this.foreground = pg;
    return 0;
  }

  /** It hangs up: SIGHUP and SIGCONT to the session's leader, and its processes have no terminal any more. */
  signalSessionLeader(): void {
    const s = this.session;
    if (s === null) return;
    for (const pg of s.processGroups) {
      for (const tg of pg.threadGroups) {
        if (tg.tty === this) tg.tty = null;
        if (s.leader !== tg) continue;
        tg.sendSignal(SignalInfo.kernel(SIGHUP));
        tg.sendSignal(SignalInfo.kernel(SIGCONT));
        if (this.foreground !== null) tg.ttyOldProcessGroup = this.foreground;
      }
    }
    this.session = null;
    this.foreground = null;
  }
}

/** Takes the controlling terminal from every process of a session. */
export function clearSessionTTY(s: Session): void {
  for (const pg of s.processGroups) for (const tg of pg.threadGroups) tg.tty = null;
}

/**
 * A process gives its terminal up, by TIOCNOTTY or at its end (`exiting`). When it leads its session, the foreground group is hung up and the
 * whole session loses the terminal.
 */
export function disassociateTTY(tg: ThreadGroup, exiting: boolean): void {
  if (!tg.isSessionLeader()) {
    tg.tty = null;
    return;
  }
  const tty = tg.tty;
  const old = tg.ttyOldProcessGroup;
  tg.ttyOldProcessGroup = null;
  if (tty === null) {
    // It was hung up before: those who were in the foreground then are told by the leader's end.
    if (exiting && old !== null) {
      old.sendSignal(SignalInfo.kernel(SIGHUP));
      old.sendSignal(SignalInfo.kernel(SIGCONT));
    }
    return;
  }
  tty.signalForeground(SIGHUP);
  if (!exiting) tty.signalForeground(SIGCONT);
  tty.session = null;
  tty.foreground = null;
  clearSessionTTY(tg.processGroup.session);
}

/**
 * The requests of ioctl_tty(2) that are about job control. `tty` is the terminal that is open, `controlled` the one that controls sessions: the
 * other side when `tty` is the master of a pseudoterminal. Answers NOT_JOB_CONTROL for any other request.
 */
export function jobControlIoctl(
  t: Task,
  file: FileDescription,
  tty: TTY,
  controlled: TTY,
  cmd: number,
  args: SyscallArguments,
): number {
  const isMaster = tty !== controlled;
  const own = t.threadGroup.tty;
  switch (cmd) {
    case TIOCNOTTY:
      if (own !== tty) throw linuxerr.ENOTTY;
      disassociateTTY(t.threadGroup, false);
      return 0;
    case TIOCSCTTY:
      controlled.setControlling(t, file.readable, args.i32(2));
      return 0;
    case TIOCGPGRP: {
      if (!isMaster && own !== tty) throw linuxerr.ENOTTY;
      const pg = controlled.foreground;
      t.copyOutI32(args.u64(2), pg === null ? 0 : t.pidNamespace.idOfProcessGroup(pg));
      return 0;
    }
    case TIOCSPGRP:
      return controlled.setForeground(t, args.u64(2));
    case TIOCGSID:
      if ((!isMaster && own !== tty) || controlled.session === null) throw linuxerr.ENOTTY;
      t.copyOutI32(args.u64(2), t.pidNamespace.idOfSession(controlled.session));
      return 0;
    default:
      return NOT_JOB_CONTROL;
  }
}
