import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { O_NONBLOCK } from "../../../abi/linux/file.ts";
import * as ioctl from "../../../abi/linux/ioctl.ts";
import { SIGTTIN, SIGTTOU } from "../../../abi/linux/signal.ts";
import * as linux from "../../../abi/linux/tty.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { type StateType, stateType } from "../../../state/index.ts";
import {
  type Entry,
  EventErr,
  EventHUp,
  EventIn,
  EventOut,
  EventPri,
  EventRdNorm,
  EventWrNorm,
} from "../../../waiter/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { jobControlIoctl, NOT_JOB_CONTROL } from "../../kernel/tty.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../../vfs/index.ts";
import type { TerminalEnd } from "./terminal.ts";
import { Termios } from "./termios.ts";

/** Linux reads in pieces of this size, and VMIN is about the first of them (iterate_tty_read() in drivers/tty/tty_io.c). */
const READ_PIECE = 64;
/** VTIME counts tenths of a second. */
const VTIME_NS = 100_000_000;
/** Times of the node are brought up to date when they are this many seconds old (tty_update_time()): others shall not see single keystrokes. */
const TIME_GRAIN = 8;

/** An open description of an end of a pseudoterminal. */
export abstract class TerminalFileDescription extends FileDescription {
  static override readonly stateType: StateType = stateType("devpts.TerminalFileDescription", ["end", "isHungUp"]);
  readonly end: TerminalEnd;
  /** The terminal was hung up: this description is dead. */
  isHungUp = false;

  constructor(vd: VirtualDentry, flags: number, end: TerminalEnd) {
    super(vd, flags);
    this.end = end;
    end.fileOpened(this);
  }

  override release(): void {
    this.end.fileReleased(this);
    super.release();
  }

  /** From now on reading gives nothing and the rest fails. */
  hangUp(): void {
    this.isHungUp = true;
    if (this.async === null || this.async.notifier === null) return;
    this.eventUnregister(this.async.notifier.entry);
    this.async.notifier = null;
  }

  // ---- reading

  override read(dst: IOSequence): number {
    if (this.isHungUp) return 0;
    const t = this.end.terminal.devpts.vfs.currentTask();
    const r = t === null ? 0 : this.end.checkChange(t, SIGTTIN);
    return r !== 0 ? r : this.readInput(dst);
  }

  /** Reads without a look at job control: -EAGAIN when read(2) would wait, be it only for VMIN. */
  readInput(dst: IOSequence): number {
    const wanted = dst.numBytes();
    if (wanted === 0) return 0;
    const d = this.end.discipline;
    const available = d.available();
    if (available > 0) {
      const enough = available >= Math.min(this.minimum(), wanted);
      const more = !this.end.otherClosed && (this.statusFlags & O_NONBLOCK) === 0;
      return enough || !more ? this.take(dst) : -errno.EAGAIN;
    }
    if (this.end.otherClosed) throw linuxerr.EIO;
    if (this.isHungUp) return 0;
    return this.returnsNothing() ? 0 : -errno.EAGAIN;
  }

  /** Reads what is there, VMIN or not: when a wait was ended by the time or a signal. 0 when there is nothing. */
  readAvailable(dst: IOSequence): number {
    return this.isHungUp || this.end.discipline.available() === 0 ? 0 : this.take(dst);
  }

  take(dst: IOSequence): number {
    const { end } = this;
    const onePiece = !end.discipline.canonical && (end.termios.cc[linux.VMIN] ?? 0) > READ_PIECE;
    const cut = onePiece ? dst.limit(READ_PIECE) : 0;
    const n = end.discipline.read(dst);
    dst.unlimit(cut);
    if (end.input.length > 0) end.pump();
    if (n > 0) this.touch(false);
    return n;
  }

  /** Bytes that read(2) waits for: VMIN, at least 1. More than a piece is as much as one piece. */
  minimum(): number {
    if (this.end.discipline.canonical) return 1;
    return Math.min(Math.max(this.end.termios.cc[linux.VMIN] ?? 0, 1), READ_PIECE);
  }

  /** VMIN and VTIME are 0: read(2) never waits. */
  returnsNothing(): boolean {
    const { cc } = this.end.termios;
    return !this.end.discipline.canonical && cc[linux.VMIN] === 0 && cc[linux.VTIME] === 0;
  }

  /**
   * How many nanoseconds read(2) waits, from its beginning (`first`) or since it has seen new bytes; Infinity without VTIME. Without VMIN the time
   * is that of the whole call: then only the first answer counts.
   */
  readTimeout(first: boolean): number {
    const d = this.end.discipline;
    const { cc } = this.end.termios;
    const time = (cc[linux.VTIME] ?? 0) * VTIME_NS;
    if (d.canonical || time === 0) return Number.POSITIVE_INFINITY;
    if (cc[linux.VMIN] === 0) return first ? time : -1;
    return d.available() > 0 ? time : Number.POSITIVE_INFINITY;
  }

  // ---- writing

  override write(src: IOSequence): number {
    const { end } = this;
    if (this.isHungUp) throw linuxerr.EIO;
    if ((end.termios.lflag & linux.TOSTOP) !== 0) {
      const t = end.terminal.devpts.vfs.currentTask();
      const r = t === null ? 0 : end.checkChange(t, SIGTTOU);
      if (r !== 0) return r;
    }
    const { buffer } = end.terminal.driver;
    let done = 0;
    while (src.numBytes() > 0) {
      const mark = src.position();
      const n = Math.min(src.numBytes(), buffer.length);
      const got = copyPiece(src, buffer, n, done > 0);
      if (got < n) {
        src.rewind(mark);
        if (done > 0) break;
        throw linuxerr.EFAULT;
      }
      const taken = end.discipline.output.write(buffer, 0, n);
      done += taken;
      if (taken < n) {
        src.rewind(mark + taken);
        break;
      }
    }
    if (done === 0) return src.numBytes() === 0 ? 0 : -errno.EAGAIN;
    this.touch(true);
    return done;
  }

  /** Access or modification time of the node. */
  touch(_modified: boolean): void {}

  // ---- readiness

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    const { end } = this;
    const wanted = mask | EventErr | EventHUp;
    if (this.isHungUp) return wanted & (EventIn | EventRdNorm | EventOut | EventWrNorm | EventErr | EventHUp);
    let r = 0;
    if (this.pollReadable()) r |= EventIn | EventRdNorm;
    if (this.hasPacket()) r |= EventIn | EventRdNorm | EventPri;
    if (end.otherClosed) r |= EventHUp;
    if (end.writeRoom() > 0) r |= EventOut | EventWrNorm;
    return r & wanted;
  }

  /** Whether there is what poll(2) promises: VMIN bytes, unless VTIME would end a read earlier. */
  pollReadable(): boolean {
    const d = this.end.discipline;
    if (d.readsLines()) return d.available() > 0;
    const { cc } = this.end.termios;
    return d.available() >= (cc[linux.VTIME] === 0 ? Math.max(cc[linux.VMIN] ?? 0, 1) : 1);
  }

  /** Whether packet mode has something to tell. */
  hasPacket(): boolean {
    return false;
  }

  override eventRegister(e: Entry): void {
    this.end.queue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.end.queue.eventUnregister(e);
  }

  // ---- ioctl_tty(2)

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    const { end } = this;
    const { replica } = end.terminal;
    if (this.isHungUp) throw cmd === ioctl.TIOCSPGRP ? linuxerr.ENOTTY : linuxerr.EIO;
    const addr = args.u64(2);
    switch (cmd) {
      case ioctl.TCGETS:
        return copyOutTermios(t, addr, replica.termios, linux.SizeofTermios);
      case ioctl.TCGETS2:
        return copyOutTermios(t, addr, replica.termios, linux.SizeofTermios2);
      case ioctl.TCGETA: {
        const bytes = new Uint8Array(linux.SizeofTermio);
        replica.termios.encodeTermio(new DataView(bytes.buffer));
        t.copyOut(addr, bytes, 0, bytes.length);
        return 0;
      }
      case ioctl.TCSETS:
      case ioctl.TCSETSW:
        return this.setTermios(t, addr, linux.SizeofTermios, false);
      case ioctl.TCSETSF:
        return this.setTermios(t, addr, linux.SizeofTermios, true);
      case ioctl.TCSETS2:
      case ioctl.TCSETSW2:
        return this.setTermios(t, addr, linux.SizeofTermios2, false);
      case ioctl.TCSETSF2:
        return this.setTermios(t, addr, linux.SizeofTermios2, true);
      case ioctl.TCSETA:
      case ioctl.TCSETAW:
        return this.setTermios(t, addr, linux.SizeofTermio, false);
      case ioctl.TCSETAF:
        return this.setTermios(t, addr, linux.SizeofTermio, true);
      case ioctl.TIOCGLCKTRMIOS:
        return copyOutTermios(t, addr, replica.lockedTermios ?? new Termios(), linux.SizeofTermios);
      case ioctl.TIOCSLCKTRMIOS: {
        if (!t.creds.capable(CAP_SYS_ADMIN)) throw linuxerr.EPERM;
        const locked = new Termios();
        copyInTermios(t, addr, locked, linux.SizeofTermios);
        replica.lockedTermios = locked;
        return 0;
      }
      case ioctl.TIOCGSOFTCAR:
        t.copyOutI32(addr, (replica.termios.cflag & linux.CLOCAL) !== 0 ? 1 : 0);
        return 0;
      case ioctl.TIOCSSOFTCAR: {
        const on = t.copyInI32(addr) !== 0;
        replica.termios.cflag = (replica.termios.cflag & ~linux.CLOCAL) | (on ? linux.CLOCAL : 0);
        return 0;
      }
      case ioctl.TIOCGWINSZ: {
        const { winsize } = end.terminal;
        t.copyOut(addr, new Uint8Array(winsize.buffer), 0, linux.SizeofWinsize);
        return 0;
      }
      case ioctl.TIOCSWINSZ: {
        const size = new Uint16Array(linux.SizeofWinsize / 2);
        t.copyIn(addr, new Uint8Array(size.buffer), 0, linux.SizeofWinsize);
        end.terminal.resize(size);
        return 0;
      }
      case ioctl.FIONREAD:
        t.copyOutI32(addr, end.discipline.inputCount());
        return 0;
      case ioctl.TIOCOUTQ:
        // Everything is at the other end at once.
        t.copyOutI32(addr, 0);
        return 0;
      case ioctl.TCFLSH:
        return this.flushQueues(t, args.i32(2));
      case ioctl.TCXONC:
        return this.flowControl(t, args.i32(2));
      case ioctl.TCSBRK:
      case ioctl.TCSBRKP:
      case ioctl.TIOCSBRK:
      case ioctl.TIOCCBRK:
        // There is no line to break.
        return end.checkChange(t, SIGTTOU);
      case ioctl.TIOCSTI:
        return this.simulateInput(t, addr);
      case ioctl.TIOCEXCL:
      case ioctl.TIOCNXCL:
        end.exclusive = cmd === ioctl.TIOCEXCL;
        return 0;
      case ioctl.TIOCGEXCL:
        t.copyOutI32(addr, end.exclusive ? 1 : 0);
        return 0;
      case ioctl.TIOCGETD:
        t.copyOutI32(addr, linux.N_TTY);
        return 0;
      case ioctl.TIOCSETD: {
        const r = end.checkChange(t, SIGTTOU);
        if (r !== 0) return r;
        if (t.copyInI32(addr) !== linux.N_TTY) throw linuxerr.EINVAL;
        return 0;
      }
      case ioctl.TIOCVHANGUP:
        if (!t.creds.capable(CAP_SYS_ADMIN)) throw linuxerr.EPERM;
        end.hangup();
        return 0;
      case ioctl.TIOCGDEV:
        t.copyOutU32(addr, replica.deviceNumber());
        return 0;
      case ioctl.TIOCGPTPEER:
        return this.openPeer(t, args.i32(2));
      case ioctl.TIOCCONS:
        // Messages of the kernel stay where they are.
        throw end === replica ? linuxerr.EPERM : linuxerr.EINVAL;
      default: {
        const r = jobControlIoctl(t, this, end, replica, cmd, args);
        return r === NOT_JOB_CONTROL ? this.ownIoctl(t, cmd, args) : r;
      }
    }
  }

  /** Requests of one end alone. */
  ownIoctl(_t: Task, _cmd: number, _args: SyscallArguments): number {
    throw linuxerr.ENOTTY;
  }

  /** TIOCGPTPEER. EIO for replicas. */
  openPeer(_t: Task, _flags: number): number {
    throw linuxerr.EIO;
  }

  /** TCSETS and its kind; `flush` drops input first. Output is always drained. */
  setTermios(t: Task, addr: number, size: number, flush: boolean): number {
    const { replica } = this.end.terminal;
    const r = replica.checkChange(t, SIGTTOU);
    if (r !== 0) return r;
    const next = new Termios();
    next.assign(replica.termios);
    copyInTermios(t, addr, next, size);
    next.decodeSpeeds();
    if (flush) {
      replica.discipline.flush();
      replica.inputFlushed();
      replica.pump();
    }
    replica.setTermios(next);
    return 0;
  }

  /** TCFLSH. */
  flushQueues(t: Task, which: number): number {
    const { end } = this;
    const r = end.checkChange(t, SIGTTOU);
    if (r !== 0) return r;
    if (which !== linux.TCIFLUSH && which !== linux.TCOFLUSH && which !== linux.TCIOFLUSH) throw linuxerr.EINVAL;
    if (which !== linux.TCOFLUSH) end.flushInput();
    if (which !== linux.TCIFLUSH) end.flushOutput();
    return 0;
  }

  /** TCXONC: tcflow(3). */
  flowControl(t: Task, what: number): number {
    const { end } = this;
    const r = end.checkChange(t, SIGTTOU);
    if (r !== 0) return r;
    switch (what) {
      case linux.TCOOFF:
        if (!end.stoppedByIoctl) {
          end.stoppedByIoctl = true;
          end.stopOutput();
        }
        return 0;
      case linux.TCOON:
        if (end.stoppedByIoctl) {
          end.stoppedByIoctl = false;
          end.startOutput();
        }
        return 0;
      case linux.TCIOFF:
        this.sendControl(end.termios.cc[linux.VSTOP] ?? 0);
        return 0;
      case linux.TCION:
        this.sendControl(end.termios.cc[linux.VSTART] ?? 0);
        return 0;
      default:
        throw linuxerr.EINVAL;
    }
  }

  /** Sends a character to the other end although output may be stopped. */
  sendControl(c: number): void {
    if (c !== linux.DISABLED_CHAR) this.end.link().insert(Uint8Array.of(c), 0, 1);
  }

  /** TIOCSTI: a character as if it had been typed. On one's own terminal, as with dev.tty.legacy_tiocsti, or by root. */
  simulateInput(t: Task, addr: number): number {
    const { end } = this;
    if (t.threadGroup.tty !== end && !t.creds.capable(CAP_SYS_ADMIN)) throw linuxerr.EPERM;
    const c = new Uint8Array(1);
    t.copyIn(addr, c, 0, 1);
    end.discipline.receive(c, 0, 1);
    return 0;
  }
}

/** Copies a piece of a write; what cannot be read behind other pieces is no error yet. */
function copyPiece(src: IOSequence, buffer: Uint8Array, n: number, more: boolean): number {
  if (!more) return src.copyIn(buffer, 0, n);
  try {
    return src.copyIn(buffer, 0, n);
  } catch (e) {
    if (e === linuxerr.EFAULT) return 0;
    throw e;
  }
}

function copyOutTermios(t: Task, addr: number, termios: Termios, size: number): number {
  const bytes = new Uint8Array(size);
  termios.encode(new DataView(bytes.buffer));
  t.copyOut(addr, bytes, 0, size);
  return 0;
}

function copyInTermios(t: Task, addr: number, termios: Termios, size: number): void {
  const bytes = new Uint8Array(size);
  t.copyIn(addr, bytes, 0, size);
  const v = new DataView(bytes.buffer);
  if (size === linux.SizeofTermio) termios.decodeTermio(v);
  else termios.decode(v);
}

/** Whether a timestamp of a node is to be replaced by the time now, both in seconds. */
export function isOutdated(old: number, now: number): boolean {
  return Math.floor(old / TIME_GRAIN) !== Math.floor(now / TIME_GRAIN);
}
