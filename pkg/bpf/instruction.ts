/** Instructions of classic BPF and their wire form. */
import * as b from "../abi/linux/bpf.ts";

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

// Whole codes of the instructions that our own filters are made of.
export const LD_W_ABS = b.BPF_LD | b.BPF_W | b.BPF_ABS;
export const ALU_AND_K = b.BPF_ALU | b.BPF_AND | b.BPF_K;
export const JA = b.BPF_JMP | b.BPF_JA;
export const JEQ_K = b.BPF_JMP | b.BPF_JEQ | b.BPF_K;
export const JGE_K = b.BPF_JMP | b.BPF_JGE | b.BPF_K;
export const RET_K = b.BPF_RET | b.BPF_K;

/** One instruction; of `k` the low 32 bits count. */
export function insn(code: number, jt: number, jf: number, k: number): Instruction {
  return { code, jt, jf, k: k >>> 0 };
}

/** The array of struct sock_filter that the kernel takes. */
export function encode(program: Program): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(new ArrayBuffer(program.length * b.SIZEOF_SOCK_FILTER));
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, jt, jf, k }, i) => {
    const p = i * b.SIZEOF_SOCK_FILTER;
    view.setUint16(p, code, true);
    view.setUint8(p + 2, jt);
    view.setUint8(p + 3, jf);
    view.setUint32(p + 4, k, true);
  });
  return bytes;
}
