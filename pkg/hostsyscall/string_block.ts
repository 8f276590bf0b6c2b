/** Many strings at once: arguments and environments on their way from one program to the next. */
import { ptr } from "bun:ffi";
import { native } from "../../native/host.ts";
import { pinnedBytes } from "../../native/index.ts";
import { stateType } from "../state/index.ts";

/** Room that a block begins with, and the most that one keeps when it is emptied. */
const FIRST_ROOM = 8192;
const KEPT_ROOM = 65536;
/** Bytes behind the strings that may be read with them. */
const SLACK = 8;
const FIRST_POINTERS = 512;

/** Byte strings, each with a NUL, one behind another in memory that native code fills. */
export class StringBlock {
  static readonly stateType = stateType(
    "hostsyscall.StringBlock",
    [],
    ["bytes", "address", "length", "count", "longest"],
  );
  bytes: Buffer = Buffer.alloc(0);
  address = 0;
  /** Bytes of all strings, with their NULs. */
  length = 0;
  /** Number of strings. */
  count = 0;
  /** Bytes of the longest that was appended, with its NUL. */
  longest = 0;

  constructor() {
    this.allocate(FIRST_ROOM);
  }

  /** A block of these strings. */
  static of(strings: readonly string[]): StringBlock {
    const b = new StringBlock();
    for (const s of strings) b.append(s);
    return b;
  }

  allocate(room: number): void {
    this.bytes = Buffer.from(pinnedBytes(room + SLACK).buffer);
    this.address = ptr(this.bytes);
  }

  /** Forgets the strings. */
  clear(): void {
    this.length = 0;
    this.count = 0;
    this.longest = 0;
    if (this.bytes.length > KEPT_ROOM) this.allocate(FIRST_ROOM);
  }

  /** How many bytes fit behind the strings. */
  room(): number {
    return this.bytes.length - SLACK - this.length;
  }

  /** Makes room for that many bytes more. */
  reserve(n: number): void {
    if (this.room() >= n) return;
    const old = this.bytes;
    this.allocate(Math.max(2 * old.length, this.length + n));
    old.copy(this.bytes, 0, 0, this.length);
  }

  /** Adds a string. */
  append(s: string): void {
    this.reserve(s.length + 1);
    this.bytes.write(s, this.length, "latin1");
    this.bytes[this.length + s.length] = 0;
    this.length += s.length + 1;
    this.count++;
    if (s.length >= this.longest) this.longest = s.length + 1;
  }

  /** Adds the strings of another block from its string number `first` on. */
  appendBlock(b: StringBlock, first: number): void {
    let at = 0;
    for (let i = 0; i < first; i++) at = b.bytes.indexOf(0, at) + 1;
    const n = b.length - at;
    this.reserve(n);
    b.bytes.copy(this.bytes, this.length, at, b.length);
    this.length += n;
    this.count += b.count - first;
    if (b.longest > this.longest) this.longest = b.longest;
  }

  /** The string that begins at an offset. */
  stringAt(offset: number): string {
    return this.bytes.toString("latin1", offset, this.bytes.indexOf(0, offset));
  }

  /**
   * Adds the strings behind guest pointers from number `first` on, as long as they lie in guest memory [start, end), which is at `host`, and are neither too long nor without end
   * in it, and fit. Returns how many.
   */
  take(pointers: PointerBlock, first: number, start: number, end: number, host: number): number {
    const left = pointers.count - first;
    const from = pointers.address + 8 * first;
    const r = native.strings_take(this.address + this.length, this.room(), from, left, start, end, host);
    const n = Math.floor(r / 4294967296);
    this.length += r - n * 4294967296;
    this.count += n;
    return n;
  }

  /** Stores pointers to the first `count` strings, which will be at `address` for a guest, in `out` from an offset on. */
  point(out: Uint8Array, offset: number, address: number, count: number): void {
    if (count > 0) native.strings_point(ptr(out) + offset, this.address, count, address);
  }
}

/** Pointers of a guest, 64 bits each. */
export class PointerBlock {
  static readonly stateType = stateType("hostsyscall.PointerBlock", [], ["bytes", "words", "address", "count"]);
  bytes: Uint8Array<ArrayBuffer> = pinnedBytes(8 * FIRST_POINTERS);
  words: Uint32Array = new Uint32Array(this.bytes.buffer);
  address: number = ptr(this.bytes);
  count = 0;

  /** Makes room for so many behind those that are there. */
  reserve(n: number): void {
    const size = 8 * (this.count + n);
    if (this.bytes.length >= size) return;
    const old = this.bytes;
    this.bytes = pinnedBytes(Math.max(2 * old.length, size));
    this.bytes.set(old);
    this.words = new Uint32Array(this.bytes.buffer);
    this.address = ptr(this.bytes);
  }

  /** Counts the next n, which have just been stored behind the others, up to one that is null; returns whether there was one. */
  added(n: number): boolean {
    const found = native.words_until_zero(this.address + 8 * this.count, n);
    this.count += found;
    return found < n;
  }

  /** The pointer with a number. */
  at(i: number): number {
    return (this.words[2 * i + 1] ?? 0) * 4294967296 + (this.words[2 * i] ?? 0);
  }
}
