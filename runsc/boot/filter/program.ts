import {
  AUDIT_ARCH_X86_64,
  SECCOMP_DATA_ARCH,
  SECCOMP_DATA_ARGS,
  SECCOMP_DATA_NR,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
} from "../../../pkg/abi/linux/seccomp.ts";
import { ALU_AND_K, type Instruction, insn, JA, JEQ_K, JGE_K, LD_W_ABS, RET_K } from "../../../pkg/bpf/index.ts";

/** A test of the low 32 bits of an argument: (argument & mask) == value, or != when `not`. Mask defaults to all bits. */
export interface Condition {
  readonly arg: number;
  readonly mask?: number;
  readonly value: number;
  readonly not?: boolean;
}

/** What one host call is allowed for. */
export interface Rule {
  readonly nr: number;
  readonly name: string;
  /** Who needs it, for what. */
  readonly reason: string;
  /** Any one of these sets of conditions must hold entirely; without, every use is allowed. An empty list allows no use. */
  readonly when?: readonly (readonly Condition[])[];
  /** A use that is not allowed fails with this errno instead of killing the process: the runtime tries it and lives without. */
  readonly otherwise?: number;
}

function ret(action: number): Instruction {
  return insn(RET_K, 0, 0, action);
}

/** The code for a call that has been recognised; always ends in a return. */
function ruleBody(rule: Rule): Instruction[] {
  if (rule.when === undefined) return [ret(SECCOMP_RET_ALLOW)];
  const out: Instruction[] = [];
  for (const conditions of rule.when) {
    const tests: Instruction[][] = conditions.map((c) => {
      const load: Instruction[] = [insn(LD_W_ABS, 0, 0, SECCOMP_DATA_ARGS + 8 * c.arg)];
      if (c.mask !== undefined) load.push(insn(ALU_AND_K, 0, 0, c.mask));
      return load;
    });
    // A failed test goes past the rest of its set, where the next set begins.
    let left = tests.reduce((n, t) => n + t.length + 1, 1);
    conditions.forEach((c, i) => {
      const load = tests[i] ?? [];
      left -= load.length + 1;
      out.push(...load, c.not === true ? insn(JEQ_K, left, 0, c.value) : insn(JEQ_K, 0, left, c.value));
    });
    out.push(ret(SECCOMP_RET_ALLOW));
  }
  out.push(ret(rule.otherwise === undefined ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | rule.otherwise));
  return out;
}

/** A search tree over rules sorted by number, for A = call number; falls to a kill when the number is not there. */
function tree(rules: readonly Rule[]): Instruction[] {
  const only = rules[0];
  if (only === undefined) return [ret(SECCOMP_RET_KILL_PROCESS)];
  if (rules.length === 1) return [insn(JEQ_K, 1, 0, only.nr), ret(SECCOMP_RET_KILL_PROCESS), ...ruleBody(only)];
  const middle = rules.length >> 1;
  const left = tree(rules.slice(0, middle));
  const right = tree(rules.slice(middle));
  return [insn(JGE_K, 0, 1, rules[middle]?.nr ?? 0), insn(JA, 0, 0, left.length), ...left, ...right];
}

/**
 * The filter that allows what the rules say and kills the process for anything else. Throws when a call is named twice: two
 * entries would be two reasons for one permission, of which one would be wrong.
 */
export function buildProgram(rules: readonly Rule[]): Instruction[] {
  const sorted = [...rules].sort((a, b) => a.nr - b.nr);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i]?.nr === sorted[i - 1]?.nr) throw new Error(`filter: two rules for ${sorted[i]?.name}`);
  }
  const program: Instruction[] = [
    insn(LD_W_ABS, 0, 0, SECCOMP_DATA_ARCH),
    insn(JEQ_K, 1, 0, AUDIT_ARCH_X86_64),
    ret(SECCOMP_RET_KILL_PROCESS),
    insn(LD_W_ABS, 0, 0, SECCOMP_DATA_NR),
    ...tree(sorted),
  ];
  if (program.length > 4096) throw new Error("filter: more than 4096 instructions");
  return program;
}
