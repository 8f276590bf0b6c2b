import { stateType } from "../../state/index.ts";

/** Slots; a power of two. */
const SIZE = 1024;
/** Longer strings are not kept. */
const MAX_LENGTH = 256;

/** Byte strings that were copied in lately: a program that gives the same path again makes no new string. */
export class StringCache {
  static readonly stateType = stateType("kernel.StringCache", [], ["strings"]);
  readonly strings: string[] = new Array(SIZE).fill("");

  /** The first n bytes of a private buffer as a byte string; `hash` is one of these bytes. */
  get(bytes: Buffer, n: number, hash: number): string {
    if (n > MAX_LENGTH) return bytes.toString("latin1", 0, n);
    const i = (hash ^ (hash >>> 15)) & (SIZE - 1);
    const known = this.strings[i] ?? "";
    if (known.length === n) {
      let k = 0;
      while (k < n && known.charCodeAt(k) === bytes[k]) k++;
      if (k === n) return known;
    }
    const s = bytes.toString("latin1", 0, n);
    this.strings[i] = s;
    return s;
  }
}
