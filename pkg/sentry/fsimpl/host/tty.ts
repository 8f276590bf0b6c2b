import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import { O_ACCMODE, O_RDONLY, O_WRONLY } from "../../../abi/linux/file.ts";
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
  TIOCGDEV,
  TIOCGETD,
  TIOCGWINSZ,
  TIOCOUTQ,
  TIOCSPGRP,
  TIOCSTI,
  TIOCSWINSZ,
  TIOCVHANGUP,
} from "../../../abi/linux/ioctl.ts";
import { SIGTTIN, SIGTTOU } from "../../../abi/linux/signal.ts";
import { SizeofTermios, SizeofTermios2, SizeofWinsize, TERMIOS_LFLAG, TOSTOP } from "../../../abi/linux/tty.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { EventErr, EventHUp, ReadableEvents, WritableEvents } from "../../../waiter/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { jobControlIoctl, NOT_JOB_CONTROL, TTY } from "../../kernel/tty.ts";
import type { IOSequence } from "../../usermem/index.ts";
import type { FileDescription, VirtualDentry } from "../../vfs/index.ts";
import { HostFileDescription, thrown } from "./file_description.ts";
import type { HostFilesystem } from "./host.ts";
import type { HostInode } from "./inode.ts";

/**
 * A terminal of the host in its role as the controlling terminal of a session of the sandbox. The host, whose line discipline it has, knows
 * nothing of that role.
 */
export class HostTerminal extends TTY {
  static override readonly stateType = stateType("host.Terminal", ["hostfs", "rdev", "number", "inodes", "files"]);
  readonly hostfs: HostFilesystem;
  /** The host's device number. */
  readonly rdev: number;
  /** Its number in the sandbox, as makeDeviceID(). */
  number: number;
  /** Imported descriptors of it. */
  readonly inodes: Set<HostInode> = new Set();
  /** Open descriptions. */
  readonly files: Set<HostTTYFileDescription> = new Set();

  constructor(fs: HostFilesystem, rdev: number) {
    super();
    this.hostfs = fs;
    this.rdev = rdev;
    this.number = rdev;
  }

  override deviceNumber(): number {
    return this.number;
  }

  /** Through one of the imported descriptors that allows the access. EACCES when none does. */
  override openCurrent(vd: VirtualDentry, flags: number): FileDescription {
    const acc = flags & O_ACCMODE;
    for (const inode of this.inodes) {
      const { readable, writable } = inode.file;
      if ((acc === O_WRONLY || readable) && (acc === O_RDONLY || writable)) {
        return new HostTTYFileDescription(vd, flags, inode, this);
      }
    }
    throw this.inodes.size === 0 ? linuxerr.EIO : linuxerr.EACCES;
  }

  /** Only the sandbox loses it: it stays with its other users on the host. */
  override hangup(): void {
    for (const f of this.files) f.hangUp();
    this.signalSessionLeader();
  }

  /** An imported descriptor was closed. */
  inodeReleased(inode: HostInode): void {
    this.inodes.delete(inode);
    if (this.inodes.size === 0 && this.session === null) this.hostfs.terminals.delete(this.rdev);
  }
}

/** An open description of a host terminal. */
export class HostTTYFileDescription extends HostFileDescription {
  static override readonly stateType = stateType("host.TTYFileDescription", ["terminal", "isHungUp"]);
  readonly terminal: HostTerminal;
  /** The sandbox hung the terminal up: this description is dead. */
  isHungUp = false;

  constructor(vd: VirtualDentry, flags: number, inode: HostInode, terminal: HostTerminal) {
    super(vd, flags, inode);
    this.terminal = terminal;
    terminal.files.add(this);
  }

  override release(): void {
    this.terminal.files.delete(this);
    super.release();
  }

  /** From now on reading gives nothing and the rest fails. */
  hangUp(): void {
    this.isHungUp = true;
    this.host.queue.notify(ReadableEvents | WritableEvents | EventErr | EventHUp);
  }

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    if (!this.isHungUp) return super.readiness(mask);
    return (mask | EventErr | EventHUp) & (ReadableEvents | WritableEvents | EventErr | EventHUp);
  }

  override read(dst: IOSequence): number {
    if (this.isHungUp) return 0;
    const r = this.checkChange(SIGTTIN);
    return r !== 0 ? r : super.read(dst);
  }

  override write(src: IOSequence): number {
    if (this.isHungUp) throw linuxerr.EIO;
    const r = this.terminal.foreground !== null && this.stopsOutput() ? this.checkChange(SIGTTOU) : 0;
    return r !== 0 ? r : super.write(src);
  }

  /** TTY.checkChange for the task that calls. */
  checkChange(sig: number): number {
    const t = this.terminal.hostfs.vfs.currentTask();
    return t === null ? 0 : this.terminal.checkChange(t, sig);
  }

  /** Whether background output stops: stty tostop. */
  stopsOutput(): boolean {
    const buf = this.terminal.hostfs.ioctlBuffer;
    if (host.ioctl(this.fd, TCGETS, buf) < 0) return false;
    return (((buf[TERMIOS_LFLAG] ?? 0) | ((buf[TERMIOS_LFLAG + 1] ?? 0) << 8)) & TOSTOP) !== 0;
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    if (this.isHungUp) throw cmd === TIOCSPGRP ? linuxerr.ENOTTY : linuxerr.EIO;
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
        const r = this.checkChange(SIGTTOU);
        return r !== 0 ? r : thrown(host.ioctl(this.fd, cmd, args.u32(2)));
      }
      case TIOCVHANGUP:
        if (!t.creds.capable(CAP_SYS_ADMIN)) throw linuxerr.EPERM;
        this.terminal.hangup();
        return 0;
      case TIOCGDEV:
        t.copyOutU32(addr, this.terminal.deviceNumber());
        return 0;
      case TIOCSTI:
        // Typing on the user's terminal is what a sandbox must not do; Linux says EIO with dev.tty.legacy_tiocsti = 0.
        throw linuxerr.EIO;
      default: {
        const r = jobControlIoctl(t, this, this.terminal, this.terminal, cmd, args);
        if (r === NOT_JOB_CONTROL) throw linuxerr.ENOTTY;
        return r;
      }
    }
  }

  get(t: Task, cmd: number, addr: number, size: number): number {
    const buf = this.terminal.hostfs.ioctlBuffer;
    thrown(host.ioctl(this.fd, cmd, buf));
    t.copyOut(addr, buf, 0, size);
    return 0;
  }

  set(t: Task, cmd: number, addr: number, size: number): number {
    const r = this.checkChange(SIGTTOU);
    if (r !== 0) return r;
    const buf = this.terminal.hostfs.ioctlBuffer;
    t.copyIn(addr, buf, 0, size);
    return thrown(host.ioctl(this.fd, cmd, buf));
  }
}
