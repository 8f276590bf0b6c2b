import * as tty from "../../../abi/linux/tty.ts";
import { type StateType, stateType } from "../../../state/index.ts";

/** The settings of a terminal: struct ktermios. Speeds are bits per second. */
export class Termios {
  static readonly stateType: StateType = stateType("devpts.Termios", [
    "iflag",
    "oflag",
    "cflag",
    "lflag",
    "line",
    "cc",
    "ispeed",
    "ospeed",
  ]);
  iflag = 0;
  oflag = 0;
  cflag = 0;
  lflag = 0;
  line = 0;
  readonly cc: Uint8Array = new Uint8Array(tty.NCCS);
  ispeed = 0;
  ospeed = 0;

  /** Becomes equal to another. */
  assign(o: Termios): void {
    this.iflag = o.iflag;
    this.oflag = o.oflag;
    this.cflag = o.cflag;
    this.lflag = o.lflag;
    this.line = o.line;
    this.cc.set(o.cc);
    this.ispeed = o.ispeed;
    this.ospeed = o.ospeed;
  }

  /** Takes back what a lock (TIOCSLCKTRMIOS) keeps as it was. */
  unsetLocked(old: Termios, locked: Termios): void {
    this.iflag = merge(this.iflag, old.iflag, locked.iflag);
    this.oflag = merge(this.oflag, old.oflag, locked.oflag);
    this.cflag = merge(this.cflag, old.cflag, locked.cflag);
    this.lflag = merge(this.lflag, old.lflag, locked.lflag);
    if (locked.line !== 0) this.line = old.line;
    for (let i = 0; i < tty.NCCS; i++) if ((locked.cc[i] ?? 0) !== 0) this.cc[i] = old.cc[i] ?? 0;
  }

  /** Makes the speeds those that the codes in cflag stand for. */
  decodeSpeeds(): void {
    const out = baudRate(this.cflag & tty.CBAUD, this.ospeed);
    const code = (this.cflag >>> tty.IBSHIFT) & tty.CBAUD;
    this.ispeed = code === tty.B0 ? out : baudRate(code, this.ispeed);
    this.ospeed = out;
  }

  /** Writes a struct termios, or a termios2 when there is room for one. */
  encode(v: DataView): void {
    v.setUint32(tty.TERMIOS_IFLAG, this.iflag, true);
    v.setUint32(tty.TERMIOS_OFLAG, this.oflag, true);
    v.setUint32(tty.TERMIOS_CFLAG, this.cflag, true);
    v.setUint32(tty.TERMIOS_LFLAG, this.lflag, true);
    v.setUint8(tty.TERMIOS_LINE, this.line);
    for (let i = 0; i < tty.NCCS; i++) v.setUint8(tty.TERMIOS_CC + i, this.cc[i] ?? 0);
    if (v.byteLength < tty.SizeofTermios2) return;
    v.setUint32(tty.TERMIOS_ISPEED, this.ispeed, true);
    v.setUint32(tty.TERMIOS_OSPEED, this.ospeed, true);
  }

  /** Reads a struct termios, or a termios2 when there are bytes for one. */
  decode(v: DataView): void {
    this.iflag = v.getUint32(tty.TERMIOS_IFLAG, true);
    this.oflag = v.getUint32(tty.TERMIOS_OFLAG, true);
    this.cflag = v.getUint32(tty.TERMIOS_CFLAG, true);
    this.lflag = v.getUint32(tty.TERMIOS_LFLAG, true);
    this.line = v.getUint8(tty.TERMIOS_LINE);
    for (let i = 0; i < tty.NCCS; i++) this.cc[i] = v.getUint8(tty.TERMIOS_CC + i);
    if (v.byteLength < tty.SizeofTermios2) return;
    this.ispeed = v.getUint32(tty.TERMIOS_ISPEED, true);
    this.ospeed = v.getUint32(tty.TERMIOS_OSPEED, true);
  }

  /** Writes a struct termio: the low halves of the flags and the first characters. */
  encodeTermio(v: DataView): void {
    v.setUint16(0, this.iflag & 0xffff, true);
    v.setUint16(2, this.oflag & 0xffff, true);
    v.setUint16(4, this.cflag & 0xffff, true);
    v.setUint16(6, this.lflag & 0xffff, true);
    v.setUint8(8, this.line);
    for (let i = 0; i < tty.NCC; i++) v.setUint8(9 + i, this.cc[i] ?? 0);
    v.setUint8(tty.SizeofTermio - 1, 0);
  }

  /** Reads a struct termio; what it does not hold stays. */
  decodeTermio(v: DataView): void {
    this.iflag = withLow(this.iflag, v.getUint16(0, true));
    this.oflag = withLow(this.oflag, v.getUint16(2, true));
    this.cflag = withLow(this.cflag, v.getUint16(4, true));
    this.lflag = withLow(this.lflag, v.getUint16(6, true));
    this.line = v.getUint8(8);
    for (let i = 0; i < tty.NCC; i++) this.cc[i] = v.getUint8(9 + i);
  }
}

/** `a` with the bits of `mask` from `b`. */
function merge(a: number, b: number, mask: number): number {
  return ((a & ~mask) | (b & mask)) >>> 0;
}

function withLow(word: number, low: number): number {
  return ((word & 0xffff0000) | low) >>> 0;
}

/** What a code of CBAUD means; `other` for BOTHER. */
function baudRate(code: number, other: number): number {
  if (code === tty.BOTHER) return other;
  const i = (code & tty.CBAUDEX) !== 0 ? (code & ~tty.CBAUDEX) + 15 : code;
  return tty.BaudRates[i] ?? 0;
}

/** The settings of a fresh replica. */
export function newReplicaTermios(): Termios {
  const t = newMasterTermios();
  t.iflag = tty.DefaultInputFlags;
  t.oflag = tty.DefaultOutputFlags;
  t.lflag = tty.DefaultLocalFlags;
  return t;
}

/** The settings of a master, which never change: everything passes as it is. */
export function newMasterTermios(): Termios {
  const t = new Termios();
  t.cflag = tty.B38400 | tty.CS8 | tty.CREAD;
  t.cc.set(tty.DefaultControlCharacters);
  t.ispeed = 38400;
  t.ospeed = 38400;
  return t;
}
