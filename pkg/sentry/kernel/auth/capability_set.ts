import { CAP_LAST_CAP } from "../../../abi/linux/capability.ts";
import { stateType } from "../../../state/index.ts";

const HI_MASK = 2 ** (CAP_LAST_CAP - 31) - 1;

/** An immutable set of capabilities, as the two words of Linux's kernel_cap_t. Bits above CAP_LAST_CAP are never set. */
export class CapabilitySet {
  static readonly stateType = stateType("auth.CapabilitySet", ["lo", "hi"]);
  /** Capabilities 0 to 31, an unsigned word. */
  readonly lo: number;
  /** Capabilities 32 to 63, an unsigned word. */
  readonly hi: number;

  constructor(lo: number, hi: number) {
    this.lo = lo >>> 0;
    this.hi = (hi & HI_MASK) >>> 0;
  }

  /** The set of the capabilities listed. */
  static of(...caps: readonly number[]): CapabilitySet {
    let s = EMPTY_CAPS;
    for (const c of caps) s = s.with(c);
    return s;
  }

  /** Whether the capability is in the set. */
  has(cap: number): boolean {
    return ((cap < 32 ? this.lo : this.hi) & (1 << (cap & 31))) !== 0;
  }

  /** This set and the capability. */
  with(cap: number): CapabilitySet {
    const bit = 1 << (cap & 31);
    return cap < 32 ? new CapabilitySet(this.lo | bit, this.hi) : new CapabilitySet(this.lo, this.hi | bit);
  }

  /** This set without the capability. */
  without(cap: number): CapabilitySet {
    const bit = 1 << (cap & 31);
    return cap < 32 ? new CapabilitySet(this.lo & ~bit, this.hi) : new CapabilitySet(this.lo, this.hi & ~bit);
  }

  /** What is in either set. */
  union(o: CapabilitySet): CapabilitySet {
    return new CapabilitySet(this.lo | o.lo, this.hi | o.hi);
  }

  /** What is in both sets. */
  intersect(o: CapabilitySet): CapabilitySet {
    return new CapabilitySet(this.lo & o.lo, this.hi & o.hi);
  }

  /** What is in this set and not in the other. */
  minus(o: CapabilitySet): CapabilitySet {
    return new CapabilitySet(this.lo & ~o.lo, this.hi & ~o.hi);
  }

  /** Whether every member is in the other set. */
  isSubsetOf(o: CapabilitySet): boolean {
    return (this.lo & ~o.lo) === 0 && (this.hi & ~o.hi) === 0;
  }

  /** Whether both sets have the same members. */
  equals(o: CapabilitySet): boolean {
    return this.lo === o.lo && this.hi === o.hi;
  }

  /** Whether the set has no members. */
  isEmpty(): boolean {
    return this.lo === 0 && this.hi === 0;
  }

  /** 16 hexadecimal digits, as in /proc/[pid]/status. */
  toString(): string {
    return this.hi.toString(16).padStart(8, "0") + this.lo.toString(16).padStart(8, "0");
  }
}

/** No capability. */
export const EMPTY_CAPS = new CapabilitySet(0, 0);
/** Every capability. */
export const ALL_CAPS = new CapabilitySet(0xffffffff, 0xffffffff);
