import { LinuxError } from "../../errors/linuxerr/index.ts";
import type { Task } from "../kernel/task.ts";

/** Longest path that is shown. */
const MAX_STRING = 4096;

/** Reads guest memory for display: failures are null, never thrown. */
export function readBytes(t: Task, addr: number, len: number): Uint8Array | null {
  const buf = new Uint8Array(len);
  if (len === 0) return buf;
  try {
    const n = t.mm.copyIn(addr, buf, 0, len);
    return n === len ? buf : buf.subarray(0, n);
  } catch (e) {
    if (e instanceof LinuxError) return null;
    throw e;
  }
}

/** A structure of exactly `len` bytes, or null. */
export function readStruct(t: Task, addr: number, len: number): DataView | null {
  const b = readBytes(t, addr, len);
  return b === null || b.length < len ? null : new DataView(b.buffer, b.byteOffset, len);
}

/** The bytes of a C string without its NUL, at most MAX_STRING; null when it cannot be read. */
export function readCString(t: Task, addr: number): Uint8Array | null {
  const parts: number[] = [];
  let at = addr;
  while (parts.length < MAX_STRING) {
    const n = Math.min(256, 4096 - (at % 4096));
    const b = readBytes(t, at, n);
    if (b === null || b.length === 0) return null;
    for (const c of b) {
      if (c === 0) return Uint8Array.from(parts);
      parts.push(c);
    }
    at += b.length;
  }
  return Uint8Array.from(parts);
}

/** Bytes in double quotes, C-escaped, cut to `max` with an ellipsis. */
export function quote(b: Uint8Array, max: number): string {
  const n = Math.min(b.length, max);
  let s = '"';
  for (let i = 0; i < n; i++) {
    const c = b[i] ?? 0;
    const next = b[i + 1] ?? 0;
    if (c === 0x22) s += '\\"';
    else if (c === 0x5c) s += "\\\\";
    else if (c === 10) s += "\\n";
    else if (c === 13) s += "\\r";
    else if (c === 9) s += "\\t";
    else if (c >= 32 && c < 127) s += String.fromCharCode(c);
    // A digit behind an octal escape would read as part of it.
    else s += `\\${i + 1 < n && next >= 48 && next <= 57 ? c.toString(8).padStart(3, "0") : c.toString(8)}`;
  }
  return `${s}"${b.length > max ? "..." : ""}`;
}

/** An unsigned 64-bit field. */
export function u64(v: DataView, off: number): number {
  return v.getUint32(off + 4, true) * 4294967296 + v.getUint32(off, true);
}

/** A signed 64-bit field. */
export function i64(v: DataView, off: number): number {
  return v.getInt32(off + 4, true) * 4294967296 + v.getUint32(off, true);
}

/** An address or mask. */
export function hex(n: number): string {
  return n === 0 ? "0" : `0x${n.toString(16)}`;
}

/** A pointer: NULL when zero. */
export function pointer(n: number): string {
  return n === 0 ? "NULL" : `0x${n.toString(16)}`;
}
