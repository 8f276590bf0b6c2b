import { stateType } from "../../state/index.ts";

/** Buffers come in powers of two from 2^8 to 2^16 bytes; longer ones are made for the occasion. */
const MIN_SHIFT = 8;
const MAX_SHIFT = 16;
/** Bytes of free buffers that are kept of each size. */
const KEEP_BYTES = 512 * 1024;
const NOTHING = new Uint8Array(0) as Readonly<Uint8Array> as Uint8Array;

/** Buffers for messages on their way. What a buffer holds is undefined. */
export class BufferPool {
  static readonly stateType = stateType("socket.BufferPool", [], ["free"]);
  /** By size. */
  readonly free: Uint8Array[][] = [];

  constructor() {
    for (let s = MIN_SHIFT; s <= MAX_SHIFT; s++) this.free.push([]);
  }

  /** A buffer of at least n bytes. */
  get(n: number): Uint8Array {
    if (n === 0) return NOTHING;
    const c = sizeClass(n);
    const list = this.free[c];
    if (list === undefined) return new Uint8Array(n);
    return list.pop() ?? new Uint8Array(1 << (MIN_SHIFT + c));
  }

  /** Gives a buffer back; nobody may use it afterwards. */
  put(b: Uint8Array): void {
    if (b.length === 0) return;
    const c = sizeClass(b.length);
    const list = this.free[c];
    if (list === undefined || b.length !== 1 << (MIN_SHIFT + c)) return;
    if (list.length * b.length < KEEP_BYTES) list.push(b);
  }
}

function sizeClass(n: number): number {
  return n <= 1 << MIN_SHIFT ? 0 : 32 - Math.clz32(n - 1) - MIN_SHIFT;
}
