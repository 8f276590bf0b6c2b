/** Rules: which system calls with which arguments. */

/** How an argument is compared with a value; unsigned 64-bit. */
export type ArgOp = "eq" | "ne" | "gt" | "ge" | "lt" | "le" | "maskedEq";

/** A condition on one argument. Values are unsigned 64 bits as two words. */
export interface ArgCheck {
  /** 0..5; 6 is the instruction pointer. */
  readonly index: number;
  readonly op: ArgOp;
  readonly low: number;
  readonly high: number;
  /** For maskedEq: (argument & mask) must equal the value. */
  readonly maskLow: number;
  readonly maskHigh: number;
}

/** A call allowed when all conditions hold; without conditions always. */
export interface SyscallRule {
  readonly nr: number;
  readonly args: readonly ArgCheck[];
}

/** Index of the instruction pointer in an ArgCheck. */
export const INSTRUCTION_POINTER = 6;

/** The condition `argument op value`; a negative value is its two's complement, so -1 matches (u64)-1 only, see equal32 for ints. */
export function check(index: number, op: ArgOp, value: number): ArgCheck {
  return { index, op, low: value >>> 0, high: Math.floor(value / 4294967296) >>> 0, maskLow: 0, maskHigh: 0 };
}

/** All 64 bits of the argument equal the value. */
export function equalTo(index: number, value: number): ArgCheck {
  return check(index, "eq", value);
}

/** The argument differs from the value. */
export function notEqual(index: number, value: number): ArgCheck {
  return check(index, "ne", value);
}

/** The argument is greater than the value, unsigned. */
export function greaterThan(index: number, value: number): ArgCheck {
  return check(index, "gt", value);
}

/** The argument is at most the value, unsigned. */
export function lessOrEqual(index: number, value: number): ArgCheck {
  return check(index, "le", value);
}

/** The bits of `mask` in the argument equal `value`. */
export function maskedEqual(index: number, mask: number, value: number): ArgCheck {
  return {
    ...check(index, "maskedEq", value),
    maskLow: mask >>> 0,
    maskHigh: Math.floor(mask / 4294967296) >>> 0,
  };
}

/** The low 32 bits equal the value: for arguments the kernel takes as int, whose upper half it ignores. Accepts negative values (-1, AT_FDCWD). */
export function equal32(index: number, value: number): ArgCheck {
  return { index, op: "maskedEq", low: value >>> 0, high: 0, maskLow: 0xffffffff, maskHigh: 0 };
}

/** A set of rules; several rules for one call are alternatives. */
export class Rules {
  readonly list: SyscallRule[] = [];

  /** Adds calls without conditions. */
  allow(...numbers: number[]): this {
    for (const nr of numbers) {
      this.list.push({ nr, args: [] });
    }
    return this;
  }

  /** Adds a call with conditions that must all hold. */
  allowIf(nr: number, ...args: ArgCheck[]): this {
    this.list.push({ nr, args });
    return this;
  }

  /** Adds all rules of another set. */
  merge(other: Rules): this {
    this.list.push(...other.list);
    return this;
  }
}
