import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import { O_NOCTTY } from "../../../abi/linux/file.ts";
import { SIGWINCH } from "../../../abi/linux/signal.ts";
import { makeDeviceID } from "../../../abi/linux/stat.ts";
import * as linux from "../../../abi/linux/tty.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { type StateType, setFields, stateType } from "../../../state/index.ts";
import {
  EventErr,
  EventHUp,
  EventIn,
  EventOut,
  EventPri,
  EventRdNorm,
  EventWrNorm,
  Queue,
} from "../../../waiter/index.ts";
import type { Task } from "../../kernel/task.ts";
import { TTY } from "../../kernel/tty.ts";
import type { FileDescription, VirtualDentry } from "../../vfs/index.ts";
import type { DevptsFilesystem, ReplicaInode } from "./devpts.ts";
import { LineDiscipline } from "./line_discipline.ts";
import { Stage } from "./output.ts";
import { InputQueue } from "./queue.ts";
import { ReplicaFileDescription } from "./replica.ts";
import { newMasterTermios, newReplicaTermios, Termios } from "./termios.ts";
import type { TerminalFileDescription } from "./tty_fd.ts";

const ALL_EVENTS = EventIn | EventRdNorm | EventOut | EventWrNorm | EventPri | EventErr | EventHUp;

/** What all pseudoterminals of a kernel share. */
export class PtyDriver {
  static readonly stateType = stateType("devpts.PtyDriver", ["count"], ["stage", "buffer"]);
  /** How many there are: /proc/sys/kernel/pty/nr. */
  count = 0;
  readonly stage: Stage = new Stage();
  /** A piece of a write; used within one call. */
  readonly buffer: Uint8Array = new Uint8Array(2048);

  afterLoad(): void {
    setFields<PtyDriver>(this, { stage: new Stage(), buffer: new Uint8Array(2048) });
  }
}

/** A pseudoterminal: two ends, each a terminal with a line discipline, where what is written to one is the input of the other. */
export class Terminal {
  static readonly stateType = stateType("devpts.Terminal", [
    "devpts",
    "driver",
    "index",
    "master",
    "replica",
    "masterOpen",
    "locked",
    "winsize",
    "inode",
  ]);
  readonly devpts: DevptsFilesystem;
  readonly driver: PtyDriver;
  /** The N of /dev/pts/N. */
  readonly index: number;
  readonly master: MasterEnd;
  readonly replica: ReplicaEnd;
  masterOpen = true;
  /** The replica cannot be opened before unlockpt(3). */
  locked = true;
  /** struct winsize: rows, columns, and their sizes in pixels. */
  readonly winsize: Uint16Array = new Uint16Array(4);
  /** /dev/pts/N. */
  readonly inode: ReplicaInode;

  constructor(devpts: DevptsFilesystem, index: number, inode: ReplicaInode) {
    this.devpts = devpts;
    this.driver = devpts.driver;
    this.index = index;
    this.inode = inode;
    this.master = new MasterEnd(this);
    this.replica = new ReplicaEnd(this);
  }

  /** TIOCSWINSZ: the foreground group hears of a change. */
  resize(size: Uint16Array): void {
    if (this.winsize.every((v, i) => v === size[i])) return;
    this.replica.signalForeground(SIGWINCH);
    this.winsize.set(size);
  }

  /** An end was closed: with the last one the number is free. */
  closed(): void {
    if (this.masterOpen || this.replica.files.size > 0) return;
    this.devpts.releaseTerminal(this);
  }
}

/** One end of a pseudoterminal. */
export abstract class TerminalEnd extends TTY {
  static override readonly stateType: StateType = stateType("devpts.TerminalEnd", [
    "terminal",
    "termios",
    "lockedTermios",
    "discipline",
    "input",
    "queue",
    "files",
    "otherClosed",
    "exclusive",
    "hungUp",
    "stopped",
    "stoppedByIoctl",
  ]);
  readonly terminal: Terminal;
  readonly termios: Termios;
  /** TIOCSLCKTRMIOS: bits that are set cannot be changed. null: none. */
  lockedTermios: Termios | null = null;
  readonly discipline: LineDiscipline;
  /** What the discipline had no room for. */
  readonly input: InputQueue = new InputQueue();
  /** Readers and writers that wait. */
  readonly queue: Queue = new Queue();
  /** Open descriptions, those that were hung up included. */
  readonly files: Set<TerminalFileDescription> = new Set();
  /** Nobody has the other end open any more. */
  otherClosed = false;
  /** TIOCEXCL: only root may open it again. */
  exclusive = false;
  /** It was hung up and not opened since: input waits. */
  hungUp = false;
  /** Output is stopped: by VSTOP, or by tcflow(3), which VSTART does not lift. */
  stopped = false;
  stoppedByIoctl = false;

  constructor(terminal: Terminal, termios: Termios) {
    super();
    this.terminal = terminal;
    this.termios = termios;
    this.discipline = new LineDiscipline(this);
    this.discipline.setTermios(null);
  }

  /** The other end. */
  abstract link(): TerminalEnd;

  // ---- from and to the other end

  /** How many bytes can be written. */
  writeRoom(): number {
    return this.stopped ? 0 : this.link().input.room();
  }

  /** Sends bytes to the other end; returns how many it took. */
  transmit(src: Uint8Array, start: number, n: number): number {
    return this.stopped ? 0 : this.link().insert(src, start, n);
  }

  /** Input arrives. */
  insert(src: Uint8Array, start: number, n: number): number {
    const { input } = this;
    const fits = Math.min(n, input.room());
    const taken = input.length === 0 && !this.hungUp ? this.discipline.receive(src, start, fits) : 0;
    if (taken < fits) input.append(src, start + taken, fits - taken);
    return fits;
  }

  /** Input was read: more of it finds room now, and behind that whoever writes to the other end. */
  pump(): void {
    const { input } = this;
    const before = input.length;
    while (input.length > 0 && input.bytes !== null && !this.hungUp) {
      const n = input.contiguous();
      const taken = this.discipline.receive(input.bytes, input.start, n);
      input.consume(taken);
      if (taken < n) break;
    }
    if (input.length < before) this.link().queue.notify(EventOut | EventWrNorm);
  }

  /** Drops all input: what waits for the discipline, and what that has. */
  flushInput(): void {
    const waiting = this.input.length > 0;
    this.input.clear();
    this.discipline.flush();
    this.inputFlushed();
    if (waiting) this.link().queue.notify(EventOut | EventWrNorm);
  }

  /** Drops what was written and not yet taken by the other end's discipline. */
  flushOutput(): void {
    this.link().input.clear();
    this.outputFlushed();
    this.queue.notify(EventOut | EventWrNorm);
  }

  /** For packet mode. */
  inputFlushed(): void {}

  outputFlushed(): void {}

  /** Stops output. */
  stopOutput(): void {
    this.stopped = true;
  }

  /** Lets output go on that VSTOP stopped. */
  startOutput(): void {
    if (!this.stopped || this.stoppedByIoctl) return;
    this.stopped = false;
    this.queue.notify(EventOut | EventWrNorm);
  }

  // ---- lifetime

  /** Checks open(2): EBUSY. */
  checkOpen(t: Task | null): void {
    if (this.exclusive && t !== null && !t.creds.capable(CAP_SYS_ADMIN)) throw linuxerr.EBUSY;
  }

  /** A description of it is new. */
  fileOpened(file: TerminalFileDescription): void {
    this.files.add(file);
  }

  /** A description of it is gone. */
  fileReleased(file: TerminalFileDescription): void {
    this.files.delete(file);
  }

  hangup(): void {
    if (this.hungUp) return;
    for (const f of this.files) f.hangUp();
    this.signalSessionLeader();
    this.discipline.flush();
    this.flushOutput();
    this.hungUp = true;
    this.queue.notify(ALL_EVENTS);
  }

  /** The other end is closed. */
  linkClosed(): void {
    this.otherClosed = true;
    this.queue.notify(ALL_EVENTS);
  }
}

/** The end that a terminal emulator holds. */
export class MasterEnd extends TerminalEnd {
  static override readonly stateType = stateType("devpts.MasterEnd", ["packet"]);
  /** TIOCPKT: reads begin with a byte that tells what happened at the replica. */
  packet = false;

  constructor(terminal: Terminal) {
    super(terminal, newMasterTermios());
  }

  override link(): ReplicaEnd {
    return this.terminal.replica;
  }

  override deviceNumber(): number {
    return makeDeviceID(linux.UNIX98_PTY_MASTER_MAJOR, this.terminal.index);
  }

  /** Not possible: it controls nobody. */
  override openCurrent(): FileDescription {
    throw linuxerr.EIO;
  }

  /** Something happened that packet mode tells. */
  packetChanged(): void {
    this.queue.notify(EventIn | EventRdNorm | EventPri);
  }

  override fileReleased(file: TerminalFileDescription): void {
    super.fileReleased(file);
    const { terminal } = this;
    terminal.masterOpen = false;
    this.packet = false;
    terminal.devpts.removeTerminal(terminal);
    terminal.replica.linkClosed();
    terminal.replica.hangup();
    terminal.closed();
  }
}

/** The end that programs have as their terminal. */
export class ReplicaEnd extends TerminalEnd {
  static override readonly stateType = stateType("devpts.ReplicaEnd", ["packetStatus"]);
  /** TIOCPKT_*: what the master has not yet been told. */
  packetStatus = 0;

  constructor(terminal: Terminal) {
    super(terminal, newReplicaTermios());
  }

  override link(): MasterEnd {
    return this.terminal.master;
  }

  override deviceNumber(): number {
    return makeDeviceID(linux.UNIX98_PTY_SLAVE_MAJOR, this.terminal.index);
  }

  /** Opens it through a node at vd: EIO when it is locked or the master is closed. */
  open(vd: VirtualDentry, flags: number): FileDescription {
    const { terminal } = this;
    const t = terminal.devpts.vfs.currentTask();
    if (!terminal.masterOpen || terminal.locked) throw linuxerr.EIO;
    this.checkOpen(t);
    const file = new ReplicaFileDescription(vd, flags, this);
    this.link().otherClosed = false;
    if (this.hungUp) {
      this.hungUp = false;
      this.pump();
    }
    if ((flags & O_NOCTTY) === 0 && t !== null) this.opened(t, file.readable);
    return file;
  }

  override openCurrent(vd: VirtualDentry, flags: number): FileDescription {
    return this.open(vd, flags);
  }

  override fileReleased(file: TerminalFileDescription): void {
    super.fileReleased(file);
    if (this.files.size > 0) return;
    if (this.terminal.masterOpen) this.link().linkClosed();
    this.terminal.closed();
  }

  override hangup(): void {
    if (this.hungUp) return;
    super.hangup();
    this.termios.assign(newReplicaTermios());
    this.discipline.setTermios(null);
    this.packetStatus = 0;
  }

  /** tcsetattr(3). */
  setTermios(next: Termios): void {
    const old = new Termios();
    const { termios } = this;
    old.assign(termios);
    termios.assign(next);
    if (this.lockedTermios !== null) termios.unsetLocked(old, this.lockedTermios);
    this.tellSettings(old);
    termios.cflag = (termios.cflag & ~(linux.CSIZE | linux.PARENB)) | linux.CS8 | linux.CREAD;
    termios.cflag >>>= 0;
    this.discipline.setTermios(old);
    this.queue.notify(ALL_EVENTS);
  }

  // ---- packet mode: ioctl_tty(2), TIOCPKT

  /** Changes what the master is to be told, in packet mode. */
  tell(clear: number, set: number): void {
    if (!this.link().packet) return;
    this.packetStatus = (this.packetStatus & ~clear) | set;
    this.link().packetChanged();
  }

  /** Whether VSTOP and VSTART stop output, and EXTPROC. */
  tellSettings(old: Termios): void {
    const before = flowControl(old);
    const now = flowControl(this.termios);
    const external = ((old.lflag | this.termios.lflag) & linux.EXTPROC) !== 0 ? linux.TIOCPKT_IOCTL : 0;
    if (before !== now) {
      const flow = now ? linux.TIOCPKT_DOSTOP : linux.TIOCPKT_NOSTOP;
      this.tell(linux.TIOCPKT_DOSTOP | linux.TIOCPKT_NOSTOP, flow | external);
    } else if (external !== 0) this.tell(0, external);
  }

  override inputFlushed(): void {
    this.tell(0, linux.TIOCPKT_FLUSHREAD);
  }

  override outputFlushed(): void {
    this.tell(0, linux.TIOCPKT_FLUSHWRITE);
  }

  override stopOutput(): void {
    if (this.stopped) return;
    super.stopOutput();
    this.tell(linux.TIOCPKT_START, linux.TIOCPKT_STOP);
  }

  override startOutput(): void {
    const was = this.stopped;
    super.startOutput();
    if (was && !this.stopped) this.tell(linux.TIOCPKT_STOP, linux.TIOCPKT_START);
  }
}

/** Whether output is stopped by ^S and started by ^Q. */
function flowControl(t: Termios): boolean {
  return (t.iflag & linux.IXON) !== 0 && t.cc[linux.VSTOP] === 0x13 && t.cc[linux.VSTART] === 0x11;
}
