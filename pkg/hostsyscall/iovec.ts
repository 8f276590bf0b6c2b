import { ptr } from "bun:ffi";
import { stateType } from "../state/index.ts";

/** Entries of one IovecArray; also the most one vectored host call moves. */
export const IOVEC_MAX = 64;

/** A reusable array of struct iovec for host calls. Entries are addresses of the sentry's own address space. */
export class IovecArray {
  static readonly stateType = stateType("hostsyscall.IovecArray", [], ["words", "address", "count"]);
  /** 4 words an entry: base low, base high, length low, length high. */
  readonly words: Uint32Array = new Uint32Array(new ArrayBuffer(IOVEC_MAX * 16));
  /** Host address of the array, for preadv and pwritev. */
  readonly address: number = ptr(this.words);
  /** Entries in use. */
  count = 0;

  /** Forgets all entries. */
  clear(): void {
    this.count = 0;
  }

  /** Whether another entry fits. */
  full(): boolean {
    return this.count >= IOVEC_MAX;
  }

  /** Appends a range, merging it with the last one when they touch. The caller has checked full(). */
  append(base: number, length: number): void {
    const w = this.words;
    if (this.count > 0) {
      const p = (this.count - 1) * 4;
      const lastBase = (w[p + 1] ?? 0) * 4294967296 + (w[p] ?? 0);
      const lastLen = (w[p + 3] ?? 0) * 4294967296 + (w[p + 2] ?? 0);
      if (lastBase + lastLen === base) {
        const n = lastLen + length;
        w[p + 2] = n;
        w[p + 3] = n / 4294967296;
        return;
      }
    }
    const i = this.count * 4;
    w[i] = base;
    w[i + 1] = base / 4294967296;
    w[i + 2] = length;
    w[i + 3] = length / 4294967296;
    this.count++;
  }
}
