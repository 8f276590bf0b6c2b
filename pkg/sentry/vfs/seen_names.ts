import { stateType } from "../../state/index.ts";

/** Slots; a power of two. */
const SIZE = 16384;

/** Which names were asked for of late, by hash: only a hint. */
export class SeenNames {
  static readonly stateType = stateType("vfs.SeenNames", [], ["hashes"]);
  readonly hashes: Int32Array = new Int32Array(SIZE);

  /** Whether the name of a directory (by its serial and the hash of the characters) was not asked for of late; it is from now on. */
  isFirst(dir: number, name: number): boolean {
    const h = Math.imul(Math.imul(dir, 0x9e3779b1) ^ name, 0x85ebca6b);
    const i = (h ^ (h >>> 15)) & (SIZE - 1);
    if (this.hashes[i] === h) return false;
    this.hashes[i] = h;
    return true;
  }
}
