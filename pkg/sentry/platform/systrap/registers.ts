import { stateType } from "../../../state/index.ts";
import { REG_COUNT, type Registers } from "../platform.ts";

/** General registers as word pairs; FS and GS base are kept beside the signal frame's set. */
export class SystrapRegisters implements Registers {
  static readonly stateType = stateType("systrap.SystrapRegisters", ["words"]);
  readonly words: Uint32Array = new Uint32Array(REG_COUNT * 2);

  get(i: number): number {
    return (this.words[2 * i + 1] ?? 0) * 4294967296 + (this.words[2 * i] ?? 0);
  }

  set(i: number, value: number): void {
    this.words[2 * i] = value;
    this.words[2 * i + 1] = Math.floor(value / 4294967296);
  }
}
