import { PAGE_SIZE } from "../../abi/linux/mm.ts";

/** Rounds down to a page. */
export function pageDown(n: number): number {
  return n - (n % PAGE_SIZE);
}

/** Rounds up to a page. */
export function pageUp(n: number): number {
  const r = n % PAGE_SIZE;
  return r === 0 ? n : n + (PAGE_SIZE - r);
}

/** 2^64: where unsigned long wraps. */
export const ULONG_SPAN = 2 ** 64;
