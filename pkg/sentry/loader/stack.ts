import * as auxv from "../../abi/linux/auxv.ts";
import { MAX_ARG_STRLEN } from "../../abi/linux/elf.ts";
import { RLIMIT_STACK } from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { LimitSet } from "../limits/index.ts";
import { PAGE_SIZE } from "./layout.ts";

const DEFAULT_STACK_LIMIT = 8 << 20;
/** Argument space that even a tiny stack limit leaves. */
const ARG_MAX = 131072;

/** Bytes that argument and environment strings and their pointers may take together, for a RLIMIT_STACK. */
export function argumentSpace(limits: LimitSet): number {
  const quarter = Math.floor(limits.cur(RLIMIT_STACK) / 4);
  return Math.max(Math.min((DEFAULT_STACK_LIMIT / 4) * 3, quarter), ARG_MAX);
}

/** Counts strings against the limits of execve(2). */
export class ArgumentBudget {
  left: number;

  /** Throws E2BIG when the pointers alone are too many. */
  constructor(limits: LimitSet, argc: number, envc: number) {
    const pointers = (Math.max(argc, 1) + envc) * 8;
    const space = argumentSpace(limits);
    if (space <= pointers) throw linuxerr.E2BIG;
    this.left = space - pointers;
  }

  /** Takes a string of `length` bytes without its NUL. Throws E2BIG. */
  take(length: number): void {
    if (length + 1 > MAX_ARG_STRLEN) throw linuxerr.E2BIG;
    this.left -= length + 1;
    if (this.left < 0) throw linuxerr.E2BIG;
  }
}

/** What goes on the first stack of a program. */
export interface StackContents {
  argv: readonly string[];
  envv: readonly string[];
  /** AT_EXECFN. */
  filename: string;
  /** AT_RANDOM: 16 bytes. */
  random: Uint8Array;
  /** The auxiliary vector up to AT_SECURE; buildStack adds the rest. */
  auxv: AuxvBuilder;
  hwcap2Lo: number;
  hwcap2Hi: number;
}

/** An auxiliary vector while it is made: words tag, value low, value high. */
export class AuxvBuilder {
  readonly entries: number[] = [];

  /** Appends a value below 2^53. */
  add(tag: number, value: number): this {
    this.entries.push(tag, value >>> 0, Math.floor(value / 4294967296));
    return this;
  }

  /** Appends a value given as words. */
  addWords(tag: number, lo: number, hi: number): this {
    this.entries.push(tag, lo, hi);
    return this;
  }

  /** Bytes it takes with AT_NULL. */
  size(): number {
    return (this.entries.length / 3 + 1) * 16;
  }

  /** Writes it, with AT_NULL. */
  writeTo(v: DataView, off: number): void {
    let p = off;
    for (let i = 0; i < this.entries.length; i += 3) {
      v.setUint32(p, this.entries[i] ?? 0, true);
      v.setUint32(p + 8, this.entries[i + 1] ?? 0, true);
      v.setUint32(p + 12, this.entries[i + 2] ?? 0, true);
      p += 16;
    }
    v.setUint32(p, auxv.AT_NULL, true);
  }
}

const PLATFORM_NAME = "x86_64";

/** A finished stack image. */
export interface StackImage {
  /** Its bytes, which belong at [sp, top). */
  bytes: Uint8Array;
  sp: number;
  argStart: number;
  argEnd: number;
  envStart: number;
  envEnd: number;
  /** The auxiliary vector, for /proc/[pid]/auxv. */
  auxv: Uint8Array;
}

/** Bytes of all the strings at the top of a stack. */
export function stringBytes(argv: readonly string[], envv: readonly string[], filename: string): number {
  let n = 8 + filename.length + 1;
  for (const s of argv) n += s.length + 1;
  for (const s of envv) n += s.length + 1;
  return n;
}

/**
 * Builds the stack that a program starts with, from the top down: eight zero bytes, the file name, environment and argument strings, a random gap of
 * at most 8 KiB (`shuffle`), the platform's name, 16 random bytes, the auxiliary vector, environment and argument pointers, the number of
 * arguments at sp, which is a multiple of 16. `top` is a multiple of the page size.
 */
export function buildStack(top: number, shuffle: number, c: StackContents): StackImage {
  const strings = stringBytes(c.argv, c.envv, c.filename);
  const stringsStart = top - strings;
  let p = stringsStart - shuffle;
  p -= p % 16;
  p -= PLATFORM_NAME.length + 1;
  const platformAddr = p;
  p -= 16;
  const randomAddr = p;
  const execfnAddr = top - 8 - c.filename.length - 1;

  const aux = c.auxv;
  aux.add(auxv.AT_RANDOM, randomAddr);
  aux.addWords(auxv.AT_HWCAP2, c.hwcap2Lo, c.hwcap2Hi);
  aux.add(auxv.AT_EXECFN, execfnAddr);
  aux.add(auxv.AT_PLATFORM, platformAddr);

  const pointers = 1 + c.argv.length + 1 + c.envv.length + 1;
  // Linux reserves the vector first, without rounding, and rounds once below the pointers: the vector follows them directly.
  let sp = p - (p % 8) - aux.size() - pointers * 8;
  sp -= sp % 16;
  const image = new Uint8Array(top - sp);
  const v = new DataView(image.buffer);
  const put = (addr: number, value: number): void => {
    v.setUint32(addr - sp, value >>> 0, true);
    v.setUint32(addr - sp + 4, Math.floor(value / 4294967296), true);
  };
  const putString = (addr: number, s: string): number => {
    const at = addr - sp;
    for (let i = 0; i < s.length; i++) image[at + i] = s.charCodeAt(i);
    return addr + s.length + 1;
  };

  let at = sp;
  put(at, c.argv.length);
  at += 8;
  let str = stringsStart;
  const argStart = str;
  for (const s of c.argv) {
    put(at, str);
    at += 8;
    str = putString(str, s);
  }
  at += 8;
  const envStart = str;
  for (const s of c.envv) {
    put(at, str);
    at += 8;
    str = putString(str, s);
  }
  at += 8;
  const envEnd = str;
  putString(execfnAddr, c.filename);
  putString(platformAddr, PLATFORM_NAME);
  image.set(c.random.subarray(0, 16), randomAddr - sp);
  aux.writeTo(v, at - sp);
  const auxBytes = image.slice(at - sp, at - sp + aux.size());
  return { bytes: image, sp, argStart, argEnd: envStart, envStart, envEnd, auxv: auxBytes };
}

/** Room that the first stack mapping has below what is on it; more comes by faults. */
export const STACK_EXPAND = 32 * PAGE_SIZE;
