/** Reading host directories. */
import { ptr } from "bun:ffi";
import { native } from "../../native/host.ts";
import { pinnedBytes } from "../../native/index.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import { getU64, span, sys3 } from "./raw.ts";

/** A buffer of struct linux_dirent64 with a cursor: fill() from a descriptor, then next() until it says false, again until fill() gives 0. */
export class HostDirents {
  static readonly stateType = stateType(
    "hostsyscall.HostDirents",
    [],
    ["bytes", "buffer", "words", "address", "at", "end", "taken", "takenAddress"],
  );
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory: a name becomes a string without a view of its own. */
  readonly buffer: Buffer;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly address: number;
  /** Start of the current entry; -1 before the first. */
  at = -1;
  end = 0;
  /** What take() did: where it stopped, bytes stored, entries passed, 1 when there was no room for the next. */
  readonly taken: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(16));
  readonly takenAddress: number = ptr(this.taken);

  constructor(capacity = 32768) {
    this.bytes = pinnedBytes(capacity);
    this.buffer = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, capacity);
    this.words = new Uint32Array(this.bytes.buffer);
    this.address = ptr(this.bytes);
  }

  /** getdents64(2): bytes read, 0 at the end of the directory, or a negative errno. */
  fill(fd: number): number {
    const n = sys3(nr.SYS_getdents64, fd, this.address, this.bytes.length);
    this.at = -1;
    this.end = Math.max(n, 0);
    return n;
  }

  /** Moves to the next entry; false when the buffer is used up. */
  next(): boolean {
    this.at = this.at < 0 ? 0 : this.at + ((this.words[(this.at >> 2) + 4] ?? 0) & 0xffff);
    return this.at < this.end;
  }

  /**
   * Takes entries over, from the current one on, to out[off, off+room) as they are but for inode numbers, of which the low 48 bits are kept and inoHigh is added,
   * and offsets, which count from `first`. "." and ".." are passed over; at a character device, or after `max` entries, it stops. The host's offsets go to words
   * 2i and 2i+1 of `offsets` from entry `index` on. Returns the bytes stored; see `taken`. Then the cursor is behind the last entry passed.
   */
  take(
    out: Uint8Array,
    off: number,
    room: number,
    first: number,
    inoHigh: number,
    offsets: Uint32Array<ArrayBuffer>,
    index: number,
  ): number {
    const max = offsets.length / 2 - index;
    if (max <= 0) {
      this.taken.fill(0);
      return 0;
    }
    native.dirents_take(
      this.address,
      this.at,
      this.end,
      span(out, off, room),
      room,
      first,
      inoHigh,
      ptr(offsets, 8 * index),
      max,
      this.takenAddress,
    );
    this.at = this.taken[0] ?? 0;
    return this.taken[1] ?? 0;
  }

  /** Whether the cursor stands at an entry. */
  hasEntry(): boolean {
    return this.at >= 0 && this.at < this.end;
  }

  /** Inode number of the entry; inexact above 2^53. */
  get ino(): number {
    return getU64(this.words, this.at >> 2);
  }

  /** DT_* of the entry; DT_UNKNOWN on some filesystems. */
  get type(): number {
    return this.bytes[this.at + 18] ?? 0;
  }

  /** Name of the entry as a byte string. */
  get name(): string {
    const start = this.at + 19;
    return this.buffer.toString("latin1", start, this.bytes.indexOf(0, start));
  }
}
