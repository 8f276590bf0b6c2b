import { SIGINT, SIGQUIT, SIGTSTP } from "../../../abi/linux/signal.ts";
import * as linux from "../../../abi/linux/tty.ts";
import { stateType } from "../../../state/index.ts";
import { EventIn, EventRdNorm } from "../../../waiter/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { isAlphanumeric, isContinuation, isControl, toLower } from "./ctype.ts";
import { Output } from "./output.ts";
import type { TerminalEnd } from "./terminal.ts";
import type { Termios } from "./termios.ts";

/** Bytes of input that are kept: so a line has at most 4095 and its end. */
const SIZE = 4096;
const NEWLINE = 10;
const RETURN = 13;
const TAB = 9;
const SLASH = 47;
const BACKSLASH = 92;
const CARET = 94;
const BACKSPACE = 8;
const UNDERSCORE = 95;

/** One of these in c_iflag or c_lflag, and input has to be looked at. */
const LOOKS_I = linux.ISTRIP | linux.IUCLC | linux.IGNCR | linux.ICRNL | linux.INLCR | linux.IXON | linux.PARMRK;
const LOOKS_L = linux.ICANON | linux.ISIG | linux.ECHO;

/**
 * The line discipline N_TTY of one end of a terminal: what c_iflag, c_lflag and c_cc say about input, and through Output what c_oflag says about
 * output. Behaves as drivers/tty/n_tty.c. Positions in the buffer grow for ever; their place is the position modulo its size.
 */
export class LineDiscipline {
  static readonly stateType = stateType("devpts.LineDiscipline", [
    "tty",
    "output",
    "buffer",
    "lineEnds",
    "head",
    "tail",
    "canonHead",
    "canonical",
    "raw",
    "special",
    "literalNext",
    "erasing",
    "pushed",
  ]);
  readonly tty: TerminalEnd;
  readonly output: Output;
  /** null until the first input. */
  buffer: Uint8Array | null = null;
  /** 1 where a line ends; a DISABLED_CHAR there is an end of file, and not to be read. */
  lineEnds: Uint8Array | null = null;
  /** End of the input. */
  head = 0;
  /** Its beginning. */
  tail = 0;
  /** End of the complete lines. */
  canonHead = 0;
  canonical = false;
  /** No character means anything. */
  raw = false;
  /** 1 for characters that mean something. */
  readonly special: Uint8Array = new Uint8Array(256);
  /** VLNEXT was typed. */
  literalNext = false;
  /** Erased characters are being shown, between backslash and slash (ECHOPRT). */
  erasing = false;
  /** The last line end is none: it stands where ICANON was switched on. */
  pushed = false;

  constructor(tty: TerminalEnd) {
    this.tty = tty;
    this.output = new Output(tty);
  }

  // ---- settings

  /** The settings have changed; `old` is null in the beginning. */
  setTermios(old: Termios | null): void {
    const { termios } = this.tty;
    const { iflag, lflag, cc } = termios;
    if (old === null || ((old.lflag ^ lflag) & (linux.ICANON | linux.EXTPROC)) !== 0) {
      this.lineEnds?.fill(0);
      this.canonHead = this.tail;
      this.pushed = false;
      if ((lflag & linux.ICANON) !== 0 && this.head !== this.tail) {
        // What was typed so far is given away as a line.
        this.endLine(this.head - 1);
        this.canonHead = this.head;
        this.pushed = true;
      }
      this.erasing = false;
      this.literalNext = false;
    }
    this.canonical = (lflag & linux.ICANON) !== 0;
    this.raw = (iflag & LOOKS_I) === 0 && (lflag & LOOKS_L) === 0;
    const s = this.special.fill(0);
    if ((iflag & (linux.IGNCR | linux.ICRNL)) !== 0) s[RETURN] = 1;
    if ((iflag & linux.INLCR) !== 0) s[NEWLINE] = 1;
    const mark = (i: number): void => {
      s[cc[i] ?? 0] = 1;
    };
    if (this.canonical) {
      s[NEWLINE] = 1;
      for (const i of [linux.VERASE, linux.VKILL, linux.VEOF, linux.VEOL]) mark(i);
      if ((lflag & linux.IEXTEN) !== 0) {
        for (const i of [linux.VWERASE, linux.VLNEXT, linux.VEOL2]) mark(i);
        if ((lflag & linux.ECHO) !== 0) mark(linux.VREPRINT);
      }
    }
    if ((iflag & linux.IXON) !== 0) for (const i of [linux.VSTART, linux.VSTOP]) mark(i);
    if ((lflag & linux.ISIG) !== 0) for (const i of [linux.VINTR, linux.VQUIT, linux.VSUSP]) mark(i);
    s[linux.DISABLED_CHAR] = 0;
    if (old !== null && (iflag & linux.IXON) === 0 && (old.iflag & linux.IXON) !== 0 && !this.tty.stoppedByIoctl) {
      this.tty.startOutput();
      this.output.processEchoes();
    }
  }

  /** Drops all input. */
  flush(): void {
    this.head = 0;
    this.tail = 0;
    this.canonHead = 0;
    this.lineEnds?.fill(0);
    this.erasing = false;
    this.pushed = false;
  }

  // ---- input

  /** Input comes in; returns how many bytes of it there is room for. */
  receive(src: Uint8Array, start: number, n: number): number {
    if (this.buffer === null) this.buffer = new Uint8Array(SIZE);
    let done = 0;
    while (done < n) {
      let room = SIZE - (this.head - this.tail);
      if ((this.tty.termios.iflag & linux.PARMRK) !== 0) room = Math.ceil(room / 3);
      room--;
      if (room <= 0) {
        // A line that is too long can still be edited and ended; what comes meanwhile is lost.
        if (!this.canonical || this.canonHead !== this.tail) break;
        if (room < 0) this.head--;
        room = 1;
      }
      const part = Math.min(n - done, room);
      this.receivePart(this.buffer, src, start + done, part);
      done += part;
    }
    return done;
  }

  receivePart(buffer: Uint8Array, src: Uint8Array, start: number, n: number): void {
    const { iflag, lflag } = this.tty.termios;
    const lowers = (iflag & linux.IUCLC) !== 0 && (lflag & linux.IEXTEN) !== 0;
    const strips = (iflag & linux.ISTRIP) !== 0;
    const external = (lflag & linux.EXTPROC) !== 0;
    if (this.raw || (external && !strips && !lowers)) {
      const at = this.head % SIZE;
      const first = Math.min(n, SIZE - at);
      buffer.set(src.subarray(start, start + first), at);
      if (first < n) buffer.set(src.subarray(start + first, start + n), 0);
      this.head += n;
    } else {
      for (let i = start; i < start + n; i++) {
        let c = src[i] ?? 0;
        if (strips) c &= 0x7f;
        if (lowers) c = toLower(c);
        if (this.literalNext) {
          this.literalNext = false;
          this.receiveOrdinary(c);
        } else if (external) this.put(c);
        else if (this.special[c] === 1) this.receiveSpecial(c);
        else this.receiveOrdinary(c);
      }
      this.output.flushEchoes();
    }
    if ((!this.canonical || external) && this.head !== this.tail) this.tty.queue.notify(EventIn | EventRdNorm);
  }

  put(c: number): void {
    if (this.buffer !== null) this.buffer[this.head++ % SIZE] = c;
  }

  /** A character that means nothing but itself. */
  receiveOrdinary(c: number): void {
    const { iflag, lflag } = this.tty.termios;
    this.restartAny(iflag);
    if ((lflag & linux.ECHO) !== 0) {
      this.finishErasing();
      this.echoInLine(c);
    }
    if (c === 0xff && (iflag & linux.PARMRK) !== 0) this.put(c);
    this.put(c);
  }

  /** IXANY: any character starts output again. */
  restartAny(iflag: number): void {
    const { tty } = this;
    if (!tty.stopped || tty.stoppedByIoctl) return;
    if ((iflag & (linux.IXON | linux.IXANY)) !== (linux.IXON | linux.IXANY)) return;
    tty.startOutput();
    this.output.processEchoes();
  }

  /** Echoes a character of the line being edited. */
  echoInLine(c: number): void {
    if (this.canonHead === this.head) this.output.echoSetCanonColumn();
    this.output.echo(c);
    this.output.commitEchoes();
  }

  /** A character that may mean something. */
  receiveSpecial(char: number): void {
    let c = char;
    const { tty, output } = this;
    const { iflag, lflag, cc } = tty.termios;
    if ((iflag & linux.IXON) !== 0) {
      if (c === cc[linux.VSTART]) {
        tty.startOutput();
        output.processEchoes();
        return;
      }
      if (c === cc[linux.VSTOP]) {
        tty.stopOutput();
        return;
      }
    }
    if ((lflag & linux.ISIG) !== 0) {
      const sig = signalOf(c, cc);
      if (sig !== 0) {
        this.receiveSignal(c, sig);
        return;
      }
    }
    this.restartAny(iflag);
    if (c === RETURN) {
      if ((iflag & linux.IGNCR) !== 0) return;
      if ((iflag & linux.ICRNL) !== 0) c = NEWLINE;
    } else if (c === NEWLINE && (iflag & linux.INLCR) !== 0) c = RETURN;
    if (this.canonical && this.receiveEditing(c)) return;
    if ((lflag & linux.ECHO) !== 0) {
      this.finishErasing();
      if (c === NEWLINE) {
        output.echoRaw(c);
        output.commitEchoes();
      } else this.echoInLine(c);
    }
    if (c === 0xff && (iflag & linux.PARMRK) !== 0) this.put(c);
    this.put(c);
  }

  /** VINTR, VQUIT, VSUSP: the foreground group gets a signal; what was typed and what is on its way out is dropped, unless NOFLSH. */
  receiveSignal(c: number, sig: number): void {
    const { tty, output } = this;
    const { iflag, lflag } = tty.termios;
    tty.signalForeground(sig);
    if ((lflag & linux.NOFLSH) === 0) {
      output.discardEchoes();
      tty.flushOutput();
      this.flush();
      tty.inputFlushed();
    }
    if ((iflag & linux.IXON) !== 0) tty.startOutput();
    if ((lflag & linux.ECHO) !== 0) {
      output.echo(c);
      output.commitEchoes();
    } else output.processEchoes();
  }

  /** Editing and ending a line, in canonical mode: whether the character was that. */
  receiveEditing(c: number): boolean {
    const { output } = this;
    const { iflag, lflag, cc } = this.tty.termios;
    const extended = (lflag & linux.IEXTEN) !== 0;
    const echoes = (lflag & linux.ECHO) !== 0;
    if (c === cc[linux.VERASE] || c === cc[linux.VKILL] || (c === cc[linux.VWERASE] && extended)) {
      this.erase(c);
      output.commitEchoes();
      return true;
    }
    if (c === cc[linux.VLNEXT] && extended) {
      this.literalNext = true;
      if (!echoes) return true;
      this.finishErasing();
      if ((lflag & linux.ECHOCTL) === 0) return true;
      output.echoRaw(CARET);
      output.echoRaw(BACKSPACE);
      output.commitEchoes();
      return true;
    }
    if (c === cc[linux.VREPRINT] && echoes && extended) {
      this.finishErasing();
      output.echo(c);
      output.echoRaw(NEWLINE);
      for (let i = this.canonHead; i < this.head; i++) output.echo(this.at(i));
      output.commitEchoes();
      return true;
    }
    if (c === NEWLINE) {
      if ((lflag & (linux.ECHO | linux.ECHONL)) !== 0) {
        output.echoRaw(c);
        output.commitEchoes();
      }
      this.receiveLineEnd(c);
      return true;
    }
    if (c === cc[linux.VEOF]) {
      this.receiveLineEnd(linux.DISABLED_CHAR);
      return true;
    }
    if (c === cc[linux.VEOL] || (c === cc[linux.VEOL2] && extended)) {
      if (echoes) this.echoInLine(c);
      if (c === 0xff && (iflag & linux.PARMRK) !== 0) this.put(c);
      this.receiveLineEnd(c);
      return true;
    }
    return false;
  }

  /** A line is complete. */
  receiveLineEnd(c: number): void {
    this.endLine(this.head);
    this.put(c);
    this.canonHead = this.head;
    this.tty.queue.notify(EventIn | EventRdNorm);
  }

  endLine(position: number): void {
    if (this.lineEnds === null) this.lineEnds = new Uint8Array(SIZE);
    this.lineEnds[position % SIZE] = 1;
  }

  at(position: number): number {
    return this.buffer === null ? 0 : (this.buffer[position % SIZE] ?? 0);
  }

  // ---- erasing

  finishErasing(): void {
    if (!this.erasing) return;
    this.output.echoRaw(SLASH);
    this.erasing = false;
  }

  /** VERASE, VWERASE, VKILL. */
  erase(char: number): void {
    if (this.head === this.canonHead) return;
    const { iflag, lflag, cc } = this.tty.termios;
    const echoes = (lflag & linux.ECHO) !== 0;
    const utf8 = (iflag & linux.IUTF8) !== 0;
    const one = char === cc[linux.VERASE];
    const word = !one && char === cc[linux.VWERASE];
    if (!one && !word && !this.killWipes(lflag)) return;
    let inWord = false;
    while (this.head !== this.canonHead) {
      let head = this.head;
      let c: number;
      do c = this.at(--head);
      while (utf8 && isContinuation(c) && head !== this.canonHead);
      // Not a part of a character.
      if (utf8 && isContinuation(c)) break;
      if (word) {
        if (isAlphanumeric(c) || c === UNDERSCORE) inWord = true;
        else if (inWord) break;
      }
      const length = this.head - head;
      this.head = head;
      if (echoes) this.echoErased(c, length, one);
      if (one) break;
    }
    if (this.head === this.canonHead && echoes) this.finishErasing();
  }

  /** VKILL: whether the line is to be wiped from the screen. If not, it is gone already and only VKILL itself is shown. */
  killWipes(lflag: number): boolean {
    const { output } = this;
    const wipes = linux.ECHO | linux.ECHOK | linux.ECHOKE | linux.ECHOE;
    if ((lflag & wipes) === wipes) return true;
    this.head = this.canonHead;
    if ((lflag & linux.ECHO) === 0) return false;
    this.finishErasing();
    output.echo(this.tty.termios.cc[linux.VKILL] ?? 0);
    if ((lflag & linux.ECHOK) !== 0) output.echoRaw(NEWLINE);
    return false;
  }

  /** Shows that a character of `length` bytes, the first of them c, was erased; it is what is behind head. */
  echoErased(c: number, length: number, one: boolean): void {
    const { output } = this;
    const { lflag, cc } = this.tty.termios;
    const showsControls = (lflag & linux.ECHOCTL) !== 0;
    if ((lflag & linux.ECHOPRT) !== 0) {
      if (!this.erasing) output.echoRaw(BACKSLASH);
      this.erasing = true;
      output.echo(c);
      for (let i = 1; i < length; i++) {
        output.echoRaw(this.at(this.head + i));
        output.echoMoveBack();
      }
    } else if (one && (lflag & linux.ECHOE) === 0) output.echo(cc[linux.VERASE] ?? 0);
    else if (c === TAB) this.echoErasedTab(showsControls);
    else {
      if (isControl(c) && showsControls) output.echoRubOut();
      if (!isControl(c) || showsControls) output.echoRubOut();
    }
  }

  /** A tab goes back to where the characters before it end. */
  echoErasedTab(showsControls: boolean): void {
    const utf8 = (this.tty.termios.iflag & linux.IUTF8) !== 0;
    let columns = 0;
    for (let i = this.head - 1; i >= this.canonHead; i--) {
      const c = this.at(i);
      if (c === TAB) {
        this.output.echoEraseTab(columns, true);
        return;
      }
      if (isControl(c)) columns += showsControls ? 2 : 0;
      else if (!utf8 || !isContinuation(c)) columns++;
    }
    this.output.echoEraseTab(columns, false);
  }

  // ---- reading

  /** Whether lines are read. */
  readsLines(): boolean {
    return this.canonical && (this.tty.termios.lflag & linux.EXTPROC) === 0;
  }

  /** Bytes that read(2) could take. */
  available(): number {
    return (this.readsLines() ? this.canonHead : this.head) - this.tail;
  }

  /** FIONREAD: bytes that would be read, ends of file left out. */
  inputCount(): number {
    if (!this.readsLines()) return this.head - this.tail;
    let n = this.canonHead - this.tail;
    for (let i = this.tail; i < this.canonHead; i++) if (this.endsFile(i)) n--;
    return n;
  }

  endsFile(position: number): boolean {
    return this.lineEnds?.[position % SIZE] === 1 && this.at(position) === linux.DISABLED_CHAR;
  }

  /** Reads what is there, in canonical mode at most a line. 0 is an end of file. */
  read(dst: IOSequence): number {
    return this.readsLines() ? this.readLine(dst) : this.readBytes(dst);
  }

  readBytes(dst: IOSequence): number {
    const n = Math.min(this.head - this.tail, dst.numBytes());
    const { cc } = this.tty.termios;
    // With EXTPROC a single VEOF ends the file.
    const ends = this.canonical && this.head - this.tail === 1 && this.at(this.tail) === cc[linux.VEOF];
    if (ends) {
      this.tail++;
      return 0;
    }
    return this.copyOut(dst, n);
  }

  readLine(dst: IOSequence): number {
    const limit = Math.min(this.canonHead, this.tail + dst.numBytes());
    let end = this.tail;
    while (end < limit && this.lineEnds?.[end % SIZE] !== 1) end++;
    const complete = end < limit;
    const data = complete && this.at(end) !== linux.DISABLED_CHAR ? 1 : 0;
    const n = end - this.tail + data;
    const got = this.copyOut(dst, n);
    if (got < n) return got;
    if (complete) {
      this.passLineEnd(end);
      this.pushed = false;
    } else if (this.tail < this.canonHead && this.endsFile(this.tail)) {
      // The end of file ended this line, which filled the buffer; it is no end of file by itself.
      this.passLineEnd(this.tail);
    }
    return got;
  }

  passLineEnd(position: number): void {
    if (this.lineEnds !== null) this.lineEnds[position % SIZE] = 0;
    this.tail = position + 1;
  }

  /** Copies n bytes out of the buffer. */
  copyOut(dst: IOSequence, n: number): number {
    const { buffer } = this;
    let done = 0;
    while (buffer !== null && done < n) {
      const at = this.tail % SIZE;
      const part = Math.min(n - done, SIZE - at);
      const got = dst.copyOut(buffer, at, part);
      this.tail += got;
      done += got;
      if (got < part) break;
    }
    return done;
  }
}

/** The signal that a character stands for, 0 for none. */
function signalOf(c: number, cc: Uint8Array): number {
  if (c === cc[linux.VINTR]) return SIGINT;
  if (c === cc[linux.VQUIT]) return SIGQUIT;
  return c === cc[linux.VSUSP] ? SIGTSTP : 0;
}
