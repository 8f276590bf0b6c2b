import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { IovecArray } from "../../hostsyscall/iovec.ts";
import { stateType } from "../../state/index.ts";
import type { IO } from "./io.ts";

/**
 * A cursor over one or more pieces of an IO: what read(2), readv(2) and their relatives fill or drain. One object is used
 * again and again: setSingle (or begin and add) starts over. Addresses and lengths have been validated by the caller.
 *
 * Copies move min(len, numBytes()) bytes and advance by what they moved. They return less when a later page is not
 * accessible and throw EFAULT when nothing could be moved.
 */
export class IOSequence {
  static readonly stateType = stateType("usermem.IOSequence", [
    "io",
    "addrs",
    "lens",
    "count",
    "index",
    "offset",
    "remaining",
    "consumed",
  ]);
  io: IO | null = null;
  /** Pieces in use are [0, count). */
  readonly addrs: number[] = [];
  readonly lens: number[] = [];
  count = 0;
  /** Current piece and position in it. */
  index = 0;
  offset = 0;
  remaining = 0;
  consumed = 0;

  /** Starts over with a single piece. */
  setSingle(io: IO, addr: number, len: number): this {
    this.begin(io);
    this.add(addr, len);
    return this;
  }

  /** Starts over without pieces. */
  begin(io: IO): this {
    this.io = io;
    this.count = 0;
    this.index = 0;
    this.offset = 0;
    this.remaining = 0;
    this.consumed = 0;
    return this;
  }

  /** Adds a piece at the end; empty ones are dropped. Call before any copy. */
  add(addr: number, len: number): void {
    if (len <= 0) return;
    this.addrs[this.count] = addr;
    this.lens[this.count] = len;
    this.count++;
    this.remaining += len;
  }

  /** Bytes left between the current position and the end (or the limit). */
  numBytes(): number {
    return this.remaining;
  }

  /** Bytes passed since the start: a mark for rewind. */
  position(): number {
    return this.consumed;
  }

  /** Goes back to an earlier position(); for another try after would-block. */
  rewind(mark: number): void {
    let back = this.consumed - mark;
    if (back < 0 || mark < 0) throw new Error("usermem: rewind to a position not yet reached");
    this.remaining += back;
    this.consumed = mark;
    while (back > this.offset) {
      back -= this.offset;
      this.index--;
      this.offset = this.lens[this.index] ?? 0;
    }
    this.offset -= back;
  }

  /** Cuts what is left to at most n bytes; returns how many were cut off, for unlimit. */
  limit(n: number): number {
    const cut = this.remaining > n ? this.remaining - n : 0;
    this.remaining -= cut;
    return cut;
  }

  /** Gives back what limit() cut off. */
  unlimit(cut: number): void {
    this.remaining += cut;
  }

  /** A new sequence over the first n bytes that are left; this one does not move. Cold paths only: it allocates. */
  takeFirst(n: number): IOSequence {
    const s = new IOSequence();
    if (this.io === null) return s;
    s.begin(this.io);
    let left = Math.min(n, this.remaining);
    let off = this.offset;
    for (let i = this.index; i < this.count && left > 0; i++) {
      const part = Math.min(left, (this.lens[i] ?? 0) - off);
      s.add((this.addrs[i] ?? 0) + off, part);
      left -= part;
      off = 0;
    }
    return s;
  }

  /** Moves forward by n bytes (at most numBytes()) without copying. */
  advance(n: number): void {
    if (n > this.remaining) throw new Error("usermem: advance past the end");
    this.remaining -= n;
    this.consumed += n;
    let left = n;
    while (left > 0) {
      const room = (this.lens[this.index] ?? 0) - this.offset;
      if (left < room) {
        this.offset += left;
        return;
      }
      left -= room;
      this.index++;
      this.offset = 0;
    }
  }

  /** Copies src[off, off+len) to the pieces. */
  copyOut(src: Uint8Array, off: number, len: number): number {
    return this.transfer(OP_OUT, src, off, len);
  }

  /** Copies from the pieces to dst[off, off+len). */
  copyIn(dst: Uint8Array, off: number, len: number): number {
    return this.transfer(OP_IN, dst, off, len);
  }

  /** Writes zeros. */
  zeroOut(len: number): number {
    return this.transfer(OP_ZERO, null, 0, len);
  }

  /**
   * Appends the host ranges of up to maxBytes from the current position to iov (which it does not clear) and stays where it is;
   * the caller advances by what its host call moved. `write`: the host will store there. Returns the bytes covered, 0
   * when nothing is left or iov is full; throws EFAULT when the first byte is not accessible.
   */
  prepareHost(iov: IovecArray, write: boolean, maxBytes: number): number {
    const io = this.io;
    if (io === null) return 0;
    let left = Math.min(maxBytes, this.remaining);
    let off = this.offset;
    let done = 0;
    for (let i = this.index; i < this.count && left > 0 && !iov.full(); i++) {
      const part = Math.min(left, (this.lens[i] ?? 0) - off);
      let n = 0;
      try {
        n = io.hostRanges((this.addrs[i] ?? 0) + off, part, write, iov);
      } catch (e) {
        if (done === 0 || e !== linuxerr.EFAULT) throw e;
        return done;
      }
      done += n;
      if (n < part) return done;
      left -= part;
      off = 0;
    }
    return done;
  }

  transfer(op: number, buf: Uint8Array | null, off: number, len: number): number {
    const io = this.io;
    let left = Math.min(len, this.remaining);
    if (io === null || left <= 0) return 0;
    let done = 0;
    while (left > 0) {
      const room = (this.lens[this.index] ?? 0) - this.offset;
      const part = Math.min(left, room);
      const addr = (this.addrs[this.index] ?? 0) + this.offset;
      let n = 0;
      try {
        if (op === OP_ZERO || buf === null) n = io.zeroOut(addr, part);
        else if (op === OP_OUT) n = io.copyOut(addr, buf, off + done, part);
        else n = io.copyIn(addr, buf, off + done, part);
      } catch (e) {
        if (done === 0 || e !== linuxerr.EFAULT) throw e;
        return done;
      }
      done += n;
      left -= n;
      this.remaining -= n;
      this.consumed += n;
      if (n < part) {
        this.offset += n;
        return done;
      }
      if (n === room) {
        this.index++;
        this.offset = 0;
      } else {
        this.offset += n;
      }
    }
    return done;
  }
}

const OP_OUT = 0;
const OP_IN = 1;
const OP_ZERO = 2;
