/** Compiling rules to classic BPF. */
import * as b from "../abi/linux/bpf.ts";
import {
  AUDIT_ARCH_X86_64,
  SECCOMP_DATA_ARCH,
  SECCOMP_DATA_ARGS,
  SECCOMP_DATA_IP,
  SECCOMP_DATA_NR,
  SECCOMP_RET_KILL_PROCESS,
  X32_SYSCALL_BIT,
} from "../abi/linux/seccomp.ts";
import type { Label } from "../bpf/builder.ts";
import { type Program, ProgramBuilder, validateSeccomp } from "../bpf/index.ts";
import { type ArgCheck, INSTRUCTION_POINTER, type Rules, type SyscallRule } from "./rules.ts";

/** What a filter does. Actions are SECCOMP_RET_* with data. */
export interface FilterOptions {
  /** Earlier sets win: a call matched by the first set gets its action. */
  readonly sets: readonly { readonly rules: Rules; readonly action: number }[];
  /** For calls that no rule matches. */
  readonly defaultAction: number;
  /** For other architectures (int 0x80) and x32 numbers; default KILL_PROCESS. */
  readonly badArchAction?: number;
}

interface Alternative {
  readonly rule: SyscallRule;
  readonly action: number;
}

/** Emits code for one filter. Returns are shared: one per action. */
class Emitter {
  readonly builder = new ProgramBuilder();
  readonly returns: Map<number, Label> = new Map();

  returnLabel(action: number): Label {
    let l = this.returns.get(action);
    if (l === undefined) {
      l = this.builder.newLabel();
      this.returns.set(action, l);
    }
    return l;
  }

  load(offset: number): void {
    this.builder.statement(b.BPF_LD | b.BPF_W | b.BPF_ABS, offset);
  }

  /** Goes on when the condition holds, to `miss` otherwise. */
  condition(c: ArgCheck, miss: Label): void {
    const p = this.builder;
    const low = c.index === INSTRUCTION_POINTER ? SECCOMP_DATA_IP : SECCOMP_DATA_ARGS + 8 * c.index;
    const high = low + 4;
    const hit = p.newLabel();
    switch (c.op) {
      case "eq":
        this.load(high);
        p.jump(b.BPF_JEQ, c.high, null, miss);
        this.load(low);
        p.jump(b.BPF_JEQ, c.low, null, miss);
        break;
      case "ne":
        this.load(high);
        p.jump(b.BPF_JEQ, c.high, null, hit);
        this.load(low);
        p.jump(b.BPF_JEQ, c.low, miss, null);
        break;
      case "gt":
      case "ge":
        this.load(high);
        p.jump(b.BPF_JGT, c.high, hit, null);
        p.jump(b.BPF_JEQ, c.high, null, miss);
        this.load(low);
        p.jump(c.op === "gt" ? b.BPF_JGT : b.BPF_JGE, c.low, null, miss);
        break;
      case "lt":
      case "le":
        this.load(high);
        p.jump(b.BPF_JGT, c.high, miss, null);
        p.jump(b.BPF_JEQ, c.high, null, hit);
        this.load(low);
        p.jump(c.op === "lt" ? b.BPF_JGE : b.BPF_JGT, c.low, miss, null);
        break;
      case "maskedEq":
        if (c.maskHigh !== 0) {
          this.load(high);
          p.statement(b.BPF_ALU | b.BPF_AND | b.BPF_K, c.maskHigh);
          p.jump(b.BPF_JEQ, c.high, null, miss);
        } else if (c.high !== 0) {
          p.jumpTo(miss);
          break;
        }
        this.load(low);
        p.statement(b.BPF_ALU | b.BPF_AND | b.BPF_K, c.maskLow);
        p.jump(b.BPF_JEQ, c.low, null, miss);
        break;
    }
    p.bind(hit);
  }

  /** The alternatives of one call, in order; the number is known to match. */
  call(alternatives: readonly Alternative[], defaultAction: number): void {
    const p = this.builder;
    for (const { rule, action } of alternatives) {
      if (rule.args.length === 0) {
        p.jumpTo(this.returnLabel(action));
        return; // later alternatives cannot be reached
      }
      const miss = p.newLabel();
      for (const c of rule.args) {
        this.condition(c, miss);
      }
      p.jumpTo(this.returnLabel(action));
      p.bind(miss);
    }
    p.jumpTo(this.returnLabel(defaultAction));
  }

  /** Binary search on the number, which is in the accumulator. */
  search(numbers: readonly number[], leaf: (nr: number) => void, miss: Label): void {
    const p = this.builder;
    if (numbers.length === 0) {
      p.jumpTo(miss);
      return;
    }
    if (numbers.length === 1) {
      const nr = numbers[0] ?? 0;
      p.jump(b.BPF_JEQ, nr, null, miss);
      leaf(nr);
      return;
    }
    const middle = numbers.length >> 1;
    const right = p.newLabel();
    p.jump(b.BPF_JGE, numbers[middle] ?? 0, right, null);
    this.search(numbers.slice(0, middle), leaf, miss);
    p.bind(right);
    this.search(numbers.slice(middle), leaf, miss);
  }
}

/** Compiles rules to a filter program. Throws Error when it comes out larger than the kernel takes (4096 instructions). */
export function compile(options: FilterOptions): Program {
  const badArch = options.badArchAction ?? SECCOMP_RET_KILL_PROCESS;
  const byNumber = new Map<number, Alternative[]>();
  for (const { rules, action } of options.sets) {
    for (const rule of rules.list) {
      const have = byNumber.get(rule.nr);
      if (have === undefined) {
        byNumber.set(rule.nr, [{ rule, action }]);
      } else {
        have.push({ rule, action });
      }
    }
  }
  const e = new Emitter();
  const p = e.builder;
  const bad = e.returnLabel(badArch);
  const miss = e.returnLabel(options.defaultAction);
  e.load(SECCOMP_DATA_ARCH);
  p.jump(b.BPF_JEQ, AUDIT_ARCH_X86_64, null, bad);
  e.load(SECCOMP_DATA_NR);
  p.jump(b.BPF_JGE, X32_SYSCALL_BIT, bad, null);
  const numbers = [...byNumber.keys()].sort((x, y) => x - y);
  e.search(numbers, (nr) => e.call(byNumber.get(nr) ?? [], options.defaultAction), miss);
  for (const [action, label] of e.returns) {
    p.bind(label);
    p.statement(b.BPF_RET | b.BPF_K, action);
  }
  const program = p.program();
  if (!validateSeccomp(program)) {
    throw new Error(`seccomp: invalid filter of ${program.length} instructions`);
  }
  return program;
}
