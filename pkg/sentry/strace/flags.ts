// Gathered when the program is built: names of constants are gone afterwards, unless whole modules of them become objects.

import { enumSets, flagSets } from "./names.ts" with { type: "macro" };
import type { Named } from "./names.ts";

/** Bit sets by the kind of argument they belong to. */
export const FLAG_SETS: Readonly<Record<string, readonly Named[]>> = flagSets();

/** Enumerations by the kind of argument they belong to. */
export const ENUM_SETS: Readonly<Record<string, readonly Named[]>> = enumSets();

/** Bits as names joined by "|"; what has no name in hexadecimal. Names of several bits come before those of their parts. */
export function formatFlags(set: readonly Named[], value: number): string {
  let rest = value >>> 0;
  if (rest === 0) return "0";
  const out: string[] = [];
  for (const f of set) {
    if (f.value !== 0 && (rest & f.value) >>> 0 === f.value) {
      out.push(f.name);
      rest = (rest & ~f.value) >>> 0;
    }
  }
  if (rest !== 0) out.push(`0x${rest.toString(16)}`);
  return out.join("|");
}

/** A value by name, or in decimal (hexadecimal when large). */
export function formatEnum(set: readonly Named[], value: number): string {
  const v = value >>> 0;
  for (const f of set) if (f.value === v) return f.name;
  return v > 0xffff && v < 0xffff0000 ? `0x${v.toString(16)}` : String(v | 0);
}
