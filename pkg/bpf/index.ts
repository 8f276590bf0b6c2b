/**
 * Package bpf is classic BPF: instructions, the checks the kernel makes, and an interpreter.
 * The sandbox's own seccomp filters are written with it, and it runs the filters that guests install. A Program is immutable once
 * validated; only validated programs may be run.
 */
export {
  ALU_AND_K,
  encode,
  type Instruction,
  insn,
  JA,
  JEQ_K,
  JGE_K,
  LD_W_ABS,
  type Program,
  RET_K,
} from "./instruction.ts";
export { run } from "./interpreter.ts";
export { decode, validate, validateSeccomp } from "./validate.ts";
