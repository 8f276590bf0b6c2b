/** Running validated programs. */
import * as b from "../abi/linux/bpf.ts";
import type { Program } from "./instruction.ts";

/**
 * Runs a validated program on `data` and returns its 32-bit unsigned result. Multi-byte loads read little-endian when
 * `littleEndian` (seccomp on x86), else network order (packets). A load outside the data ends the program with 0, as does a division by X = 0.
 */
export function run(program: Program, data: Uint8Array, littleEndian: boolean): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const mem = new Uint32Array(b.BPF_MEMWORDS);
  let a = 0;
  let x = 0;
  for (let pc = 0; pc < program.length; pc++) {
    const insn = program[pc];
    if (insn === undefined) {
      break;
    }
    const { code, k } = insn;
    const operand = (code & b.BPF_X) !== 0 ? x : k;
    switch (code & 7) {
      case b.BPF_LD: {
        const mode = code & 0xe0;
        if (mode === b.BPF_IMM) {
          a = k;
        } else if (mode === b.BPF_MEM) {
          a = mem[k] ?? 0;
        } else if (mode === b.BPF_LEN) {
          a = data.length;
        } else {
          const at = mode === b.BPF_IND ? x + k : k;
          const size = code & 0x18;
          const bytes = size === b.BPF_W ? 4 : size === b.BPF_H ? 2 : 1;
          if (at + bytes > data.length) {
            return 0;
          }
          a =
            bytes === 4
              ? view.getUint32(at, littleEndian)
              : bytes === 2
                ? view.getUint16(at, littleEndian)
                : view.getUint8(at);
        }
        break;
      }
      case b.BPF_LDX: {
        const mode = code & 0xe0;
        if (mode === b.BPF_IMM) {
          x = k;
        } else if (mode === b.BPF_MEM) {
          x = mem[k] ?? 0;
        } else if (mode === b.BPF_LEN) {
          x = data.length;
        } else {
          if (k >= data.length) {
            return 0;
          }
          x = (view.getUint8(k) & 15) * 4;
        }
        break;
      }
      case b.BPF_ST:
        mem[k] = a;
        break;
      case b.BPF_STX:
        mem[k] = x;
        break;
      case b.BPF_ALU:
        switch (code & 0xf0) {
          case b.BPF_ADD:
            a = (a + operand) >>> 0;
            break;
          case b.BPF_SUB:
            a = (a - operand) >>> 0;
            break;
          case b.BPF_MUL:
            a = Math.imul(a, operand) >>> 0;
            break;
          case b.BPF_DIV:
            if (operand === 0) {
              return 0;
            }
            a = Math.floor(a / operand);
            break;
          case b.BPF_MOD:
            if (operand === 0) {
              return 0;
            }
            a = a % operand;
            break;
          case b.BPF_OR:
            a = (a | operand) >>> 0;
            break;
          case b.BPF_AND:
            a = (a & operand) >>> 0;
            break;
          case b.BPF_XOR:
            a = (a ^ operand) >>> 0;
            break;
          case b.BPF_LSH:
            a = (a << operand) >>> 0;
            break;
          case b.BPF_RSH:
            a = a >>> operand;
            break;
          case b.BPF_NEG:
            a = -a >>> 0;
            break;
        }
        break;
      case b.BPF_JMP: {
        let taken = false;
        switch (code & 0xf0) {
          case b.BPF_JA:
            pc += k;
            continue;
          case b.BPF_JEQ:
            taken = a === operand;
            break;
          case b.BPF_JGT:
            taken = a > operand;
            break;
          case b.BPF_JGE:
            taken = a >= operand;
            break;
          case b.BPF_JSET:
            taken = (a & operand) !== 0;
            break;
        }
        pc += taken ? insn.jt : insn.jf;
        break;
      }
      case b.BPF_RET:
        return (code & 0x18) === b.BPF_A ? a : k;
      default:
        if ((code & 0xf8) === b.BPF_TXA) {
          a = x;
        } else {
          x = a;
        }
    }
  }
  return 0;
}
