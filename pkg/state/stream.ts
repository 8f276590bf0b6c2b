import { StateError } from "./registry.ts";

/** Grows by doubling. */
export class Writer {
  bytes: Uint8Array = new Uint8Array(4096);
  view: DataView = new DataView(this.bytes.buffer);
  length = 0;

  /** Makes room for n more bytes. */
  reserve(n: number): void {
    if (this.length + n <= this.bytes.length) return;
    const bytes = new Uint8Array(Math.max(this.bytes.length * 2, this.length + n));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  u8(v: number): void {
    this.reserve(1);
    this.bytes[this.length++] = v;
  }

  u32(v: number): void {
    this.reserve(4);
    this.view.setUint32(this.length, v, true);
    this.length += 4;
  }

  f64(v: number): void {
    this.reserve(8);
    this.view.setFloat64(this.length, v, true);
    this.length += 8;
  }

  /** A number from 0 to 2^53-1, seven bits a byte, low ones first. */
  uint(v: number): void {
    this.reserve(8);
    let n = v;
    while (n >= 128) {
      this.bytes[this.length++] = (n % 128) | 128;
      n = Math.floor(n / 128);
    }
    this.bytes[this.length++] = n;
  }

  raw(b: Uint8Array): void {
    this.reserve(b.length);
    this.bytes.set(b, this.length);
    this.length += b.length;
  }

  /** What was written. */
  done(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** Reads what a Writer wrote; every read past the end throws StateError. */
export class Reader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Advances by n and returns where that began. */
  take(n: number): number {
    if (n > this.left)
      throw new StateError(`state: the image ends at byte ${this.bytes.length}, ${n} more were expected`);
    const at = this.at;
    this.at += n;
    return at;
  }

  u8(): number {
    return this.bytes[this.take(1)] ?? 0;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  f64(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  uint(): number {
    let v = 0;
    for (let scale = 1; ; scale *= 128) {
      const b = this.u8();
      if (scale > 2 ** 49 || v + (b & 127) * scale > Number.MAX_SAFE_INTEGER) {
        throw new StateError(`state: a number at byte ${this.at} is too large`);
      }
      v += (b & 127) * scale;
      if (b < 128) return v;
    }
  }

  /** A count of things that take at least `each` bytes of what follows. */
  count(what: string, each = 1): number {
    const n = this.uint();
    if (n * each > this.left)
      throw new StateError(`state: ${n} ${what} cannot be in the ${this.left} bytes that follow`);
    return n;
  }

  raw(n: number): Uint8Array {
    const at = this.take(n);
    return this.bytes.subarray(at, at + n);
  }
}
