import * as linux from "../../../abi/linux/tty.ts";
import { stateType } from "../../../state/index.ts";
import { isContinuation, isControl, toUpper } from "./ctype.ts";
import type { TerminalEnd } from "./terminal.ts";

const BACKSPACE = 8;
const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const CARET = 94;

/** Bytes of the ring of echoes. */
const ECHO_SIZE = 4096;
/** So many echoes are gathered before they are written out in the middle of input. */
const ECHO_BLOCK = 256;
/** With so many that cannot be written the oldest are forgotten. */
const ECHO_LIMIT = ECHO_SIZE - (ECHO_BLOCK + 32);

/** In the ring, announces one of the codes below; or itself as a character; or a control character to be shown as ^X. */
const OP = 0xff;
const OP_BACK = 0x80;
const OP_CANON_COLUMN = 0x81;
const OP_ERASE_TAB = 0x82;
/** Of the column count of OP_ERASE_TAB: it begins behind another tab. */
const AFTER_TAB = 0x80;

/** One character takes at most this much room. */
const WIDEST = 8;

/** Output that is gathered, so that it is handed on in one piece. Between calls it is empty: one serves all terminals. */
export class Stage {
  static readonly stateType = stateType("devpts.Stage", [], ["bytes", "used"]);
  readonly bytes: Uint8Array = new Uint8Array(4096);
  used = 0;

  /** Whether one more character may not fit. */
  full(): boolean {
    return this.used > this.bytes.length - WIDEST;
  }

  put(c: number): void {
    this.bytes[this.used++] = c;
  }
}

/**
 * The output side of the line discipline: c_oflag, the column where the cursor is, and echoes. What is to be echoed goes through a ring, since the
 * terminal may be stopped or full; column changes go with it. As in drivers/tty/n_tty.c.
 */
export class Output {
  static readonly stateType = stateType("devpts.Output", [
    "tty",
    "column",
    "canonColumn",
    "ring",
    "head",
    "mark",
    "commit",
    "tail",
  ]);
  readonly tty: TerminalEnd;
  column = 0;
  /** Column at which the line being edited began. */
  canonColumn = 0;
  /** null until something is echoed. */
  ring: Uint8Array | null = null;
  /** Positions in the ring, ever growing: the end, the end of what belongs together, the end of what is to be written, the beginning. */
  head = 0;
  mark = 0;
  commit = 0;
  tail = 0;

  constructor(tty: TerminalEnd) {
    this.tty = tty;
  }

  // ---- what is written

  /** write(2): takes as much as there is room for, and returns how much. */
  write(src: Uint8Array, start: number, n: number): number {
    const { tty } = this;
    this.processEchoes();
    if ((tty.termios.oflag & linux.OPOST) === 0) return tty.transmit(src, start, n);
    const { stage } = tty.terminal.driver;
    let space = tty.writeRoom();
    let i = 0;
    while (i < n) {
      if (stage.full()) this.flush(stage);
      const took = this.process(stage, src[start + i] ?? 0, space);
      if (took < 0) break;
      space -= took;
      i++;
    }
    this.flush(stage);
    return i;
  }

  /** Puts a character through output processing. Returns the room it took, or -1 when there is too little. */
  process(stage: Stage, char: number, space: number): number {
    if (space === 0) return -1;
    const { oflag, iflag } = this.tty.termios;
    let c = char;
    switch (c) {
      case NEWLINE:
        if ((oflag & linux.ONLRET) !== 0) this.column = 0;
        if ((oflag & linux.ONLCR) !== 0) {
          if (space < 2) return -1;
          this.column = 0;
          this.canonColumn = 0;
          stage.put(RETURN);
          stage.put(NEWLINE);
          return 2;
        }
        this.canonColumn = this.column;
        break;
      case RETURN:
        if ((oflag & linux.ONOCR) !== 0 && this.column === 0) return 0;
        if ((oflag & linux.OCRNL) !== 0) {
          c = NEWLINE;
          if ((oflag & linux.ONLRET) === 0) break;
        }
        this.column = 0;
        this.canonColumn = 0;
        break;
      case TAB: {
        const spaces = 8 - (this.column & 7);
        if ((oflag & linux.TABDLY) === linux.XTABS) {
          if (space < spaces) return -1;
          this.column += spaces;
          for (let i = 0; i < spaces; i++) stage.put(SPACE);
          return spaces;
        }
        this.column += spaces;
        break;
      }
      case BACKSPACE:
        if (this.column > 0) this.column--;
        break;
      default:
        if (isControl(c)) break;
        if ((oflag & linux.OLCUC) !== 0) c = toUpper(c);
        if ((iflag & linux.IUTF8) === 0 || !isContinuation(c)) this.column++;
    }
    stage.put(c);
    return 1;
  }

  /** Hands on what was gathered; there was room for it. */
  flush(stage: Stage): void {
    if (stage.used === 0) return;
    const n = stage.used;
    stage.used = 0;
    this.tty.transmit(stage.bytes, 0, n);
  }

  // ---- echoes: what is put into the ring

  put(c: number): void {
    if (this.ring === null) this.ring = new Uint8Array(ECHO_SIZE);
    this.ring[this.head++ % ECHO_SIZE] = c;
  }

  /** A character as it is. */
  echoRaw(c: number): void {
    if (c === OP) this.put(OP);
    this.put(c);
  }

  /** A character, control characters as ^X under ECHOCTL. */
  echo(c: number): void {
    if (c === OP || (isControl(c) && c !== TAB && (this.tty.termios.lflag & linux.ECHOCTL) !== 0)) this.put(OP);
    this.put(c);
  }

  /** The cursor wipes one column to its left. */
  echoRubOut(): void {
    this.put(BACKSPACE);
    this.put(SPACE);
    this.put(BACKSPACE);
  }

  /** The next character is a continuation of the last: it takes no column. */
  echoMoveBack(): void {
    this.put(OP);
    this.put(OP_BACK);
  }

  /** A line begins at the cursor. */
  echoSetCanonColumn(): void {
    this.put(OP);
    this.put(OP_CANON_COLUMN);
  }

  /** A tab is wiped, before which `columns` were used since another tab or since the line began. */
  echoEraseTab(columns: number, afterTab: boolean): void {
    this.put(OP);
    this.put(OP_ERASE_TAB);
    this.put((columns & 7) | (afterTab ? AFTER_TAB : 0));
  }

  // ---- echoes: written out

  /** What was put belongs together. It is written when it has become much. */
  commitEchoes(): void {
    this.mark = this.head;
    const pending = this.head - this.tail;
    if (pending < ECHO_BLOCK || pending % ECHO_BLOCK > (this.commit - this.tail) % ECHO_BLOCK) return;
    this.commit = this.head;
    this.writeEchoes();
  }

  /** Writes what belongs together and was held back. */
  processEchoes(): void {
    if (this.mark === this.tail) return;
    this.commit = this.mark;
    this.writeEchoes();
  }

  /** At the end of a piece of input: writes all. */
  flushEchoes(): void {
    if ((this.tty.termios.lflag & (linux.ECHO | linux.ECHONL)) === 0 || this.commit === this.head) return;
    this.commit = this.head;
    this.writeEchoes();
  }

  /** Forgets all. */
  discardEchoes(): void {
    this.head = 0;
    this.mark = 0;
    this.commit = 0;
    this.tail = 0;
  }

  writeEchoes(): void {
    const { ring, tty } = this;
    if (ring === null) return;
    const { stage } = tty.terminal.driver;
    const post = (tty.termios.oflag & linux.OPOST) !== 0;
    let space = tty.writeRoom();
    let tail = this.tail;
    while (tail < this.commit) {
      if (stage.full()) this.flush(stage);
      const c = ring[tail % ECHO_SIZE] ?? 0;
      if (c === OP) {
        const op = ring[(tail + 1) % ECHO_SIZE] ?? 0;
        const took = this.writeOp(stage, op, ring[(tail + 2) % ECHO_SIZE] ?? 0, space);
        if (took < 0) break;
        space -= took;
        tail += op === OP_ERASE_TAB ? 3 : 2;
        continue;
      }
      if (post) {
        const took = this.process(stage, c, space);
        if (took < 0) break;
        space -= took;
      } else {
        if (space === 0) break;
        stage.put(c);
        space--;
      }
      tail++;
    }
    while (this.commit - tail >= ECHO_LIMIT) {
      const isOp = ring[tail % ECHO_SIZE] === OP;
      if (!isOp) tail++;
      else tail += ring[(tail + 1) % ECHO_SIZE] === OP_ERASE_TAB ? 3 : 2;
    }
    this.tail = tail;
    this.flush(stage);
  }

  /** Carries out a code. Returns the room it took, or -1 when there is too little. */
  writeOp(stage: Stage, op: number, arg: number, space: number): number {
    switch (op) {
      case OP_ERASE_TAB: {
        const columns = (arg & AFTER_TAB) !== 0 ? arg : arg + this.canonColumn;
        const back = 8 - (columns & 7);
        if (back > space) return -1;
        for (let i = 0; i < back; i++) stage.put(BACKSPACE);
        this.column = Math.max(0, this.column - back);
        return back;
      }
      case OP_CANON_COLUMN:
        this.canonColumn = this.column;
        return 0;
      case OP_BACK:
        if (this.column > 0) this.column--;
        return 0;
      case OP:
        if (space < 1) return -1;
        stage.put(OP);
        this.column++;
        return 1;
      default:
        if (space < 2) return -1;
        stage.put(CARET);
        stage.put(op ^ 0x40);
        this.column += 2;
        return 2;
    }
  }
}
