import * as auxv from "../../abi/linux/auxv.ts";
import { MAX_ARG_STRLEN } from "../../abi/linux/elf.ts";
import { RLIMIT_STACK } from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { StringBlock } from "../../hostsyscall/index.ts";
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

  /** Takes all strings of a block. Throws E2BIG. */
  takeBlock(b: StringBlock): void {
    if (b.longest > MAX_ARG_STRLEN) throw linuxerr.E2BIG;
    this.takeBytes(b.length);
  }

  /** Takes strings of so many bytes, NULs included, none of which is too long. Throws E2BIG. */
  takeBytes(length: number): void {
    this.left -= length;
    if (this.left < 0) throw linuxerr.E2BIG;
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
  argv: StringBlock;
  /** The environment; the file name (AT_EXECFN) is added to it. */
  envv: StringBlock;
  filename: string;
  /** AT_RANDOM: 16 bytes. */
  random: Uint8Array;
  /** The auxiliary vector up to AT_SECURE; buildStack adds the rest. */
  auxv: AuxvBuilder;
  hwcap2Lo: number;
  hwcap2Hi: number;
}

/** Entries that an auxiliary vector may have, AT_NULL included. */
const MAX_AUXV = 32;

/** An auxiliary vector while it is made. */
export class AuxvBuilder {
  /** Tag and value of 64 bits each. */
  readonly words: Uint32Array = new Uint32Array(4 * MAX_AUXV);
  /** Words in use. */
  used = 0;

  /** Appends a value below 2^53. */
  add(tag: number, value: number): this {
    return this.addWords(tag, value, Math.floor(value / 4294967296));
  }

  /** Appends a value given as words. */
  addWords(tag: number, lo: number, hi: number): this {
    const { words, used } = this;
    words[used] = tag;
    words[used + 2] = lo;
    words[used + 3] = hi;
    this.used = used + 4;
    return this;
  }

  /** Its bytes, with AT_NULL. */
  bytes(): Uint8Array {
    return new Uint8Array(this.words.buffer, 0, 4 * this.used + 16);
  }
}

/** "x86_64" with its NUL. */
const PLATFORM_NAME: Readonly<Uint8Array> = new Uint8Array([0x78, 0x38, 0x36, 0x5f, 0x36, 0x34, 0]);

/** A finished stack image. */
export interface StackImage {
  /** The lower part, which belongs at sp. */
  bytes: Uint8Array;
  sp: number;
  /** The strings belong at argStart, and envStart. */
  argStart: number;
  argEnd: number;
  envStart: number;
  envEnd: number;
  /** The auxiliary vector, for /proc/[pid]/auxv. */
  auxv: Uint8Array;
}

/** Bytes of all the strings at the top of a stack. */
export function stringBytes(argv: StringBlock, envv: StringBlock, filename: string): number {
  return 8 + filename.length + 1 + argv.length + envv.length;
}

/**
 * Builds the stack that a program starts with, from the top down: eight zero bytes, the file name, environment and argument strings, a random gap of
 * at most 8 KiB (`shuffle`), the platform's name, 16 random bytes, the auxiliary vector, environment and argument pointers, the number of
 * arguments at sp, which is a multiple of 16. `top` is a multiple of the page size. What lies in between are zeros, as they are in new memory.
 */
export function buildStack(top: number, shuffle: number, c: StackContents): StackImage {
  const { argv, envv } = c;
  const argc = argv.count;
  const envc = envv.count;
  const argStart = top - stringBytes(argv, envv, c.filename);
  const envStart = argStart + argv.length;
  const envEnd = envStart + envv.length;
  envv.append(c.filename);
  let p = argStart - shuffle;
  p -= p % 16;
  p -= PLATFORM_NAME.length;
  const platformAddr = p;
  p -= 16;
  const randomAddr = p;

  const aux = c.auxv;
  aux.add(auxv.AT_RANDOM, randomAddr);
  aux.addWords(auxv.AT_HWCAP2, c.hwcap2Lo, c.hwcap2Hi);
  aux.add(auxv.AT_EXECFN, envEnd);
  aux.add(auxv.AT_PLATFORM, platformAddr);
  const auxBytes = aux.bytes();

  const pointers = 1 + argc + 1 + envc + 1;
  // Linux reserves the vector first, without rounding, and rounds once below the pointers: the vector follows them directly.
  let sp = p - (p % 8) - auxBytes.length - pointers * 8;
  sp -= sp % 16;
  const image = new Uint8Array(new ArrayBuffer(platformAddr + PLATFORM_NAME.length - sp));
  new Uint32Array(image.buffer, 0, 1)[0] = argc;
  argv.point(image, 8, argStart, argc);
  envv.point(image, 8 * (argc + 2), envStart, envc);
  image.set(auxBytes, 8 * pointers);
  image.set(c.random, randomAddr - sp);
  image.set(PLATFORM_NAME, platformAddr - sp);
  return { bytes: image, sp, argStart, argEnd: envStart, envStart, envEnd, auxv: auxBytes };
}

/** Room that the first stack mapping has below what is on it; more comes by faults. */
export const STACK_EXPAND = 32 * PAGE_SIZE;
