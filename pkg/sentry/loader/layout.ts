import { RLIM_INFINITY } from "../../abi/linux/rlimit.ts";
import type { Platform } from "../platform/platform.ts";

/** Bytes of a page. */
export const PAGE_SIZE = 4096;
/** TASK_SIZE on x86-64 with four-level page tables: one past the last address a program may use. */
export const TASK_SIZE = 0x7ffffffff000;
/** Where programs that can be loaded anywhere go (ELF_ET_DYN_BASE): two thirds of the address space. */
export const PIE_BASE = 0x555555554aaa;

const STACK_RANDOM_PAGES = 0x400000;
const MMAP_RANDOM_PAGES = 2 ** 28;
const STACK_GUARD_GAP = 256 * PAGE_SIZE;
const MIN_GAP = 128 << 20;
/** How much of the address space brk may be moved up by. */
const BRK_RANDOM_PAGES = 2 ** 18;

/** Rounds an address (also a negative one) down to its page. */
export function pageDown(addr: number): number {
  return Math.floor(addr / PAGE_SIZE) * PAGE_SIZE;
}

/** Rounds an address up to a page. */
export function pageUp(addr: number): number {
  return pageDown(addr + PAGE_SIZE - 1);
}

/** A source of uniformly distributed numbers for address space randomization. */
export interface RandomSource {
  /** An integer in [0, limit), limit <= 2^32. */
  below(limit: number): number;
}

/** A source that always gives 0: no randomization (personality ADDR_NO_RANDOMIZE). */
export class NoRandom implements RandomSource {
  below(_limit: number): number {
    return 0;
  }
}

/** Where the parts of an address space go. */
export interface Layout {
  /** One past the stack. */
  stackTop: number;
  /** mmap places mappings below this address, going down; or above it, going up, when `topDown` is false. */
  mmapBase: number;
  topDown: boolean;
}

/**
 * Chooses a layout as Linux does on x86-64: the stack below the top of the address space, moved down by up to 16 GiB; mappings below the
 * room the stack may need. The vDSO is the host's, near the top of its address space: everything goes below it.
 */
export function newLayout(platform: Platform, stackLimit: number, random: RandomSource): Layout {
  let top = Math.min(TASK_SIZE, platform.maxUserAddress);
  if (platform.vdso !== null && platform.vdso.vvarStart < top) top = pageDown(platform.vdso.vvarStart) - PAGE_SIZE;
  const stackTop = pageUp(top - random.below(STACK_RANDOM_PAGES) * PAGE_SIZE - random.below(8192));
  const rnd = random.below(MMAP_RANDOM_PAGES) * PAGE_SIZE;
  if (stackLimit === RLIM_INFINITY) {
    return { stackTop, mmapBase: pageUp(top / 3) + rnd, topDown: false };
  }
  const pad = STACK_RANDOM_PAGES * PAGE_SIZE + STACK_GUARD_GAP;
  const gap = Math.min(Math.max(stackLimit + pad, MIN_GAP), Math.floor(top / 6) * 5);
  return { stackTop, mmapBase: pageUp(top - gap - rnd), topDown: true };
}

/** The base address of a program that can be loaded anywhere and has an interpreter, before alignment. */
export function pieBase(random: RandomSource): number {
  return PIE_BASE + random.below(MMAP_RANDOM_PAGES) * PAGE_SIZE;
}

/** Moves the start of the heap up by at most 1 GiB. */
export function randomizeBrk(start: number, random: RandomSource): number {
  return pageUp(start) + random.below(BRK_RANDOM_PAGES) * PAGE_SIZE;
}
