import { readFile } from "./file.ts";

/** Where the headers of our program are, and how many. */
export const AT_PHDR = 3;
/** See AT_PHDR. */
export const AT_PHNUM = 5;
/** Where the vdso is. */
export const AT_SYSINFO_EHDR = 33;

/** Our own auxiliary vector (getauxval(3)) by type; empty when /proc cannot be read. */
export function auxiliaryVector(): ReadonlyMap<number, number> {
  const out = new Map<number, number>();
  const text = readFile("/proc/self/auxv", 1024);
  if (typeof text === "number") return out;
  const auxv = Buffer.from(text, "latin1");
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    out.set(auxv.readUInt32LE(at), auxv.readUInt32LE(at + 12) * 4294967296 + auxv.readUInt32LE(at + 8));
  }
  return out;
}
