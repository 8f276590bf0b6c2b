/** Instructions of classic BPF and their wire form. */
import { SIZEOF_SOCK_FILTER } from "../abi/linux/bpf.ts";

/** One struct sock_filter. */
export interface Instruction {
  /** BPF_* bits. */
  readonly code: number;
  /** Instructions to skip when a condition holds. */
  readonly jt: number;
  /** Instructions to skip when it does not. */
  readonly jf: number;
  /** Operand, unsigned 32 bits. */
  readonly k: number;
}

/** A sequence of instructions. */
export type Program = readonly Instruction[];

/** The array of struct sock_filter that the kernel takes. */
export function encode(program: Program): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(program.length * SIZEOF_SOCK_FILTER));
  const view = new DataView(bytes.buffer);
  for (const [i, insn] of program.entries()) {
    const p = i * SIZEOF_SOCK_FILTER;
    view.setUint16(p, insn.code, true);
    view.setUint8(p + 2, insn.jt);
    view.setUint8(p + 3, insn.jf);
    view.setUint32(p + 4, insn.k, true);
  }
  return bytes;
}
