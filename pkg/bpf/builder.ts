/** Building programs with named jump targets. */
import { BPF_JA, BPF_JMP } from "../abi/linux/bpf.ts";
import type { Instruction, Program } from "./instruction.ts";

/** A jump target, made by ProgramBuilder.newLabel and given its place by bind. */
export class Label {
  /** Index of the item it stands before; -1 while unbound. */
  item = -1;
}

interface Item {
  readonly code: number;
  readonly k: number;
  readonly onTrue: Label | null;
  readonly onFalse: Label | null;
}

/**
 * Collects instructions; program() resolves the labels. Jumps go forward only. A conditional jump reaches 255
 * instructions; where that is not enough, unconditional jumps (32-bit reach) are put after it.
 */
export class ProgramBuilder {
  private readonly items: Item[] = [];

  /** A target for jumps, not yet placed. */
  newLabel(): Label {
    return new Label();
  }

  /** Places a label before the next instruction. */
  bind(label: Label): void {
    if (label.item >= 0) {
      throw new Error("bpf: label bound twice");
    }
    label.item = this.items.length;
  }

  /** Appends an instruction that does not jump. */
  statement(code: number, k: number): void {
    this.items.push({ code, k: k >>> 0, onTrue: null, onFalse: null });
  }

  /** Appends a conditional jump; null goes on with the next instruction. */
  jump(code: number, k: number, onTrue: Label | null, onFalse: Label | null): void {
    this.items.push({ code: BPF_JMP | code, k: k >>> 0, onTrue, onFalse });
  }

  /** Appends an unconditional jump. */
  jumpTo(label: Label): void {
    this.items.push({ code: BPF_JMP | BPF_JA, k: 0, onTrue: label, onFalse: null });
  }

  /** Resolves all labels. Throws Error when a label is unbound or lies behind its jump. */
  program(): Program {
    const items = this.items;
    // Bits: 1 the true branch needs a long jump, 2 the false branch. They only ever get set, so this ends.
    const long = new Uint8Array(items.length);
    const start = new Int32Array(items.length + 1);
    for (let changed = true; changed; ) {
      changed = false;
      for (let i = 0; i < items.length; i++) {
        const l = long[i] ?? 0;
        start[i + 1] = (start[i] ?? 0) + 1 + (l & 1) + (l >> 1);
      }
      for (const [i, it] of items.entries()) {
        if (it.code === (BPF_JMP | BPF_JA)) {
          continue;
        }
        for (const [bit, label] of [
          [1, it.onTrue],
          [2, it.onFalse],
        ] as const) {
          if (label !== null && ((long[i] ?? 0) & bit) === 0 && this.distance(start, i, label) > 253) {
            long[i] = (long[i] ?? 0) | bit;
            changed = true;
          }
        }
      }
    }
    const out: Instruction[] = [];
    for (const [i, it] of items.entries()) {
      if (it.code === (BPF_JMP | BPF_JA)) {
        out.push({ code: it.code, jt: 0, jf: 0, k: it.onTrue === null ? 0 : this.distance(start, i, it.onTrue) });
        continue;
      }
      const l = long[i] ?? 0;
      const extra = (l & 1) + (l >> 1);
      const first = start[i] ?? 0;
      // The long jumps follow the instruction: the true one first. "Next" is behind them.
      const jt = (l & 1) !== 0 ? 0 : it.onTrue === null ? extra : this.distance(start, i, it.onTrue) + extra;
      const jf = (l & 2) !== 0 ? l & 1 : it.onFalse === null ? extra : this.distance(start, i, it.onFalse) + extra;
      const isJump = (it.code & 7) === BPF_JMP;
      out.push({ code: it.code, jt: isJump ? jt : 0, jf: isJump ? jf : 0, k: it.k });
      if ((l & 1) !== 0 && it.onTrue !== null) {
        out.push({ code: BPF_JMP | BPF_JA, jt: 0, jf: 0, k: this.target(start, it.onTrue) - (first + 2) });
      }
      if ((l & 2) !== 0 && it.onFalse !== null) {
        out.push({ code: BPF_JMP | BPF_JA, jt: 0, jf: 0, k: this.target(start, it.onFalse) - (first + 1 + extra) });
      }
    }
    return out;
  }

  private target(start: Int32Array, label: Label): number {
    if (label.item < 0) {
      throw new Error("bpf: unbound label");
    }
    return start[label.item] ?? 0;
  }

  /** Instructions between the end of item i and the label. */
  private distance(start: Int32Array, i: number, label: Label): number {
    const d = this.target(start, label) - (start[i + 1] ?? 0);
    if (d < 0) {
      throw new Error("bpf: backward jump");
    }
    return d;
  }
}
