import { stateType } from "../../state/index.ts";

/** Slots; a power of two. */
const SIZE = 4096;
/** Longer strings are not kept. */
const MAX_LENGTH = 64;
/** Nor are parts of longer paths: a part may keep the whole in memory. */
const MAX_PATH = 256;

/** Names that were parts of paths lately: a program that uses a path again makes no new strings, and the hashes of these are known. */
export class NameCache {
  static readonly stateType = stateType("vfs.NameCache", [], ["names"]);
  readonly names: string[] = new Array(SIZE).fill("");

  /** path.slice(start, end); `hash` is one of these characters. */
  part(path: string, start: number, end: number, hash: number): string {
    const n = end - start;
    if (n === path.length) return path;
    if (n > MAX_LENGTH || path.length > MAX_PATH) return path.slice(start, end);
    const i = (hash ^ (hash >>> 15)) & (SIZE - 1);
    const known = this.names[i] ?? "";
    if (known.length === n) {
      let k = 0;
      while (k < n && known.charCodeAt(k) === path.charCodeAt(start + k)) k++;
      if (k === n) return known;
    }
    const name = path.slice(start, end);
    this.names[i] = name;
    return name;
  }
}
