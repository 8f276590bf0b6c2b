import { stateType } from "../../state/index.ts";

/** Memory is remembered in pieces of this size, aligned to it. */
export const HOT_PIECE = 16 * 1024;
/** How many: it bounds what a fork copies (512 KiB, some 50 us). */
const MAX_PIECES = 32;

/**
 * Where processes store soon after a fork: the tops of stacks, thread blocks, data of libraries. Each such store would be a fault on shared
 * memory, in the parent and again in the child; fork gives the child its own copy of these pieces at once and leaves the parent's alone. One object
 * serves a process and all that were forked from it, until exec: a child dies too young to use what it learns.
 */
export class HotPages {
  static readonly stateType = stateType("mm.HotPages", [], ["pieces", "age", "oldest"]);
  /** Start addresses in order. */
  pieces: number[] = [];
  /** The same in order of arrival, from `oldest` on, around. */
  age: number[] = [];
  oldest = 0;

  afterLoad(): void {
    this.pieces = [];
    this.age = [];
    this.oldest = 0;
  }

  /** Remembers the piece of an address; the oldest makes room. */
  note(addr: number): void {
    const piece = addr - (addr % HOT_PIECE);
    const { pieces, age } = this;
    let at = 0;
    while (at < pieces.length && (pieces[at] ?? 0) < piece) at++;
    if (pieces[at] === piece) return;
    pieces.splice(at, 0, piece);
    if (age.length < MAX_PIECES) {
      age.push(piece);
      return;
    }
    pieces.splice(pieces.indexOf(age[this.oldest] ?? 0), 1);
    age[this.oldest] = piece;
    this.oldest = (this.oldest + 1) % MAX_PIECES;
  }
}
