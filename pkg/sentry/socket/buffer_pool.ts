import { stateType } from "../../state/index.ts";

/** The largest packet of a unix stream fits into the last but one. Longer buffers than the last are made for the occasion. */
const SIZES: readonly number[] = [256, 512, 1024, 2048, 4096, 8192, 16384, 36608, 65536];
/** Bytes of free buffers that are kept of each size. */
const KEEP_BYTES = 512 * 1024;
const NOTHING: Readonly<Uint8Array> = new Uint8Array(0);

/** Buffers for messages on their way. What a buffer holds is undefined. */
export class BufferPool {
  static readonly stateType = stateType("socket.BufferPool", [], ["free"]);
  /** By index in SIZES. */
  readonly free: Uint8Array[][] = SIZES.map(() => []);

  /** A buffer of at least n bytes. */
  get(n: number): Uint8Array {
    if (n === 0) return NOTHING;
    const c = sizeClass(n);
    return this.free[c]?.pop() ?? new Uint8Array(SIZES[c] ?? n);
  }

  /** Gives a buffer back; nobody may use it afterwards. */
  put(b: Uint8Array): void {
    const n = b.length;
    const c = sizeClass(n);
    const list = this.free[c];
    if (list === undefined || n !== SIZES[c]) return;
    if (list.length * n < KEEP_BYTES) list.push(b);
  }
}

/** Index in SIZES of the smallest that holds n bytes; beyond the end when none does. */
function sizeClass(n: number): number {
  let c = 0;
  while (c < SIZES.length && (SIZES[c] ?? 0) < n) c++;
  return c;
}
