/** What the kernel checks before it accepts a classic filter (net/core/filter.c, kernel/seccomp.c). */
import * as b from "../abi/linux/bpf.ts";
import { SIZEOF_SECCOMP_DATA } from "../abi/linux/seccomp.ts";
import type { Instruction, Program } from "./instruction.ts";

/** Reads an array of struct sock_filter. */
export function decode(bytes: Uint8Array, count: number): Program {
  const view = new DataView(bytes.buffer, bytes.byteOffset, count * b.SIZEOF_SOCK_FILTER);
  const out: Instruction[] = [];
  for (let p = 0; p < count * b.SIZEOF_SOCK_FILTER; p += b.SIZEOF_SOCK_FILTER) {
    out.push({
      code: view.getUint16(p, true),
      jt: view.getUint8(p + 2),
      jf: view.getUint8(p + 3),
      k: view.getUint32(p + 4, true),
    });
  }
  return out;
}

function aluKnown(code: number): boolean {
  const op = code & 0xf0;
  return op === b.BPF_NEG ? (code & b.BPF_X) === 0 : op <= b.BPF_XOR;
}

/** Whether an instruction code is one that classic BPF has. */
function known(code: number): boolean {
  if (code > 0xff) {
    return false;
  }
  const rest = code & 0xf8;
  switch (code & 7) {
    case b.BPF_LD:
      switch (code & 0xe0) {
        case b.BPF_IMM:
        case b.BPF_MEM:
        case b.BPF_LEN:
          return (code & 0x18) === b.BPF_W;
        case b.BPF_ABS:
        case b.BPF_IND:
          return (code & 0x18) !== 0x18;
        default:
          return false;
      }
    case b.BPF_LDX:
      return rest === b.BPF_IMM || rest === b.BPF_MEM || rest === b.BPF_LEN || rest === (b.BPF_MSH | b.BPF_B);
    case b.BPF_ST:
    case b.BPF_STX:
      return rest === 0;
    case b.BPF_ALU:
      return aluKnown(code);
    case b.BPF_JMP: {
      const op = code & 0xf0;
      return op === b.BPF_JA ? (code & b.BPF_X) === 0 : op <= b.BPF_JSET;
    }
    case b.BPF_RET:
      return rest === b.BPF_K || rest === b.BPF_A;
    default:
      return rest === b.BPF_TAX || rest === b.BPF_TXA;
  }
}

/** Scratch words must be stored on every path before they are loaded. `valid` is followed forward: jumps only go that way. */
function loadsInitialised(program: Program): boolean {
  const masks = new Uint16Array(program.length + 1).fill(0xffff);
  let valid = 0;
  for (const [pc, insn] of program.entries()) {
    valid &= masks[pc] ?? 0;
    const meet = (target: number): void => {
      masks[target] = (masks[target] ?? 0) & valid;
    };
    switch (insn.code) {
      case b.BPF_ST:
      case b.BPF_STX:
        valid |= 1 << insn.k;
        break;
      case b.BPF_LD | b.BPF_MEM:
      case b.BPF_LDX | b.BPF_MEM:
        if ((valid & (1 << insn.k)) === 0) {
          return false;
        }
        break;
      case b.BPF_JMP | b.BPF_JA:
        meet(pc + 1 + insn.k);
        valid = 0xffff;
        break;
      default:
        if ((insn.code & 7) === b.BPF_JMP) {
          meet(pc + 1 + insn.jt);
          meet(pc + 1 + insn.jf);
          valid = 0xffff;
        }
    }
  }
  return true;
}

/** Whether the kernel would accept the program as a socket filter (ancillary loads are not checked). EINVAL when not. */
export function validate(program: Program): boolean {
  const n = program.length;
  if (n === 0 || n > b.BPF_MAXINSNS) {
    return false;
  }
  for (const [pc, insn] of program.entries()) {
    const { code, k } = insn;
    if (!known(code)) {
      return false;
    }
    switch (code & 7) {
      case b.BPF_ALU: {
        const op = code & 0xf0;
        if ((code & b.BPF_X) === 0) {
          if ((op === b.BPF_DIV || op === b.BPF_MOD) && k === 0) {
            return false;
          }
          if ((op === b.BPF_LSH || op === b.BPF_RSH) && k >= 32) {
            return false;
          }
        }
        break;
      }
      case b.BPF_LD:
      case b.BPF_LDX:
        if ((code & 0xe0) === b.BPF_MEM && k >= b.BPF_MEMWORDS) {
          return false;
        }
        break;
      case b.BPF_ST:
      case b.BPF_STX:
        if (k >= b.BPF_MEMWORDS) {
          return false;
        }
        break;
      case b.BPF_JMP:
        if ((code & 0xf0) === b.BPF_JA) {
          if (k >= n - pc - 1) {
            return false;
          }
        } else if (pc + insn.jt + 1 >= n || pc + insn.jf + 1 >= n) {
          return false;
        }
        break;
    }
  }
  return ((program[n - 1]?.code ?? 0) & 7) === b.BPF_RET && loadsInitialised(program);
}

/** Whether the kernel would accept the program as a seccomp filter: loads only of aligned words of struct seccomp_data. EINVAL when not. */
export function validateSeccomp(program: Program): boolean {
  if (!validate(program)) {
    return false;
  }
  for (const { code, k } of program) {
    const mode = code & 0xe0;
    switch (code & 7) {
      case b.BPF_LD:
        if (
          mode === b.BPF_ABS &&
          (code !== (b.BPF_LD | b.BPF_W | b.BPF_ABS) || k >= SIZEOF_SECCOMP_DATA || (k & 3) !== 0)
        ) {
          return false;
        }
        if (mode === b.BPF_IND) {
          return false;
        }
        break;
      case b.BPF_LDX:
        if (mode === b.BPF_MSH) {
          return false;
        }
        break;
      case b.BPF_ALU:
        if ((code & 0xf0) === b.BPF_MOD) {
          return false;
        }
        break;
    }
  }
  return true;
}
