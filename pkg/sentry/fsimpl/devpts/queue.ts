import { stateType } from "../../../state/index.ts";

/** Bytes that wait here at most; with a full line discipline behind it that is what Linux holds of single bytes. */
const CAPACITY = 16384;
/** What the first byte allocates. */
const FIRST_CHUNK = 1024;

/** Bytes on the way to a line discipline that has no room for them (drivers/tty/tty_buffer.c). */
export class InputQueue {
  static readonly stateType = stateType("devpts.InputQueue", ["bytes", "start", "length"]);
  /** A ring; null until something had to wait. */
  bytes: Uint8Array | null = null;
  start = 0;
  length = 0;

  /** How many bytes fit. */
  room(): number {
    return CAPACITY - this.length;
  }

  /** Adds n bytes, for which there is room. */
  append(src: Uint8Array, offset: number, n: number): void {
    const ring = this.grow(this.length + n);
    const at = (this.start + this.length) % ring.length;
    const first = Math.min(n, ring.length - at);
    ring.set(src.subarray(offset, offset + first), at);
    if (first < n) ring.set(src.subarray(offset + first, offset + n), 0);
    this.length += n;
  }

  /** The length of the first piece that is in one part: it begins at `start`. */
  contiguous(): number {
    return this.bytes === null ? 0 : Math.min(this.length, this.bytes.length - this.start);
  }

  /** Drops n bytes from the front. */
  consume(n: number): void {
    if (this.bytes === null) return;
    this.start = (this.start + n) % this.bytes.length;
    this.length -= n;
    if (this.length === 0) this.clear();
  }

  /** Drops everything. */
  clear(): void {
    this.bytes = null;
    this.start = 0;
    this.length = 0;
  }

  /** The ring with room for n bytes. */
  grow(n: number): Uint8Array {
    const old = this.bytes;
    if (old !== null && old.length >= n) return old;
    let size = old === null ? FIRST_CHUNK : old.length;
    while (size < n) size *= 2;
    const ring = new Uint8Array(size);
    if (old !== null) {
      const first = Math.min(this.length, old.length - this.start);
      ring.set(old.subarray(this.start, this.start + first), 0);
      ring.set(old.subarray(0, this.length - first), first);
    }
    this.start = 0;
    this.bytes = ring;
    return ring;
  }
}
