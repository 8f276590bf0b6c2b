/** The two entry points of every host call, and how arguments get into C: scratch memory and checked spans. */
import { ptr } from "bun:ffi";
import { native } from "../../native/host.ts";
import { type NativePtr, pinnedBytes } from "../../native/index.ts";
import { EINVAL, ENAMETOOLONG } from "../abi/linux/errno.ts";
import { PATH_MAX } from "../abi/linux/file.ts";

export type { NativePtr } from "../../native/index.ts";

/** A path or name as a byte string (one byte per character) or as bytes; without a terminating NUL. */
export type PathArg = string | Uint8Array;

/** Calls system call `nr` with up to three arguments: its result, or a negative errno. */
export const sys3: (nr: number, a: NativePtr, b: NativePtr, c: NativePtr) => number = native.host_sys3;

/** Calls system call `nr` with up to six arguments: its result, or a negative errno. */
export const sys6: (
  nr: number,
  a: NativePtr,
  b: NativePtr,
  c: NativePtr,
  d: NativePtr,
  e: NativePtr,
  f: NativePtr,
) => number = native.host_sys6;

/** How many calls were made by the two so far, for tests that count them. */
export const hostCalls: () => number = native.host_calls;

const SLOT = PATH_MAX + 64;
const pathBytes = pinnedBytes(2 * SLOT);
const pathBuffer = Buffer.from(pathBytes.buffer);
const pathAddress = ptr(pathBytes);

function putPath(slot: number, path: PathArg): number {
  const n = path.length;
  if (n >= PATH_MAX) {
    return -ENAMETOOLONG;
  }
  const at = slot * SLOT;
  if (typeof path === "string") {
    if (n <= 32) {
      for (let i = 0; i < n; i++) {
        pathBytes[at + i] = path.charCodeAt(i);
      }
    } else {
      pathBuffer.write(path, at, n, "latin1");
    }
  } else {
    pathBytes.set(path, at);
  }
  pathBytes[at + n] = 0;
  // A NUL inside would silently name another file.
  if (pathBytes.indexOf(0, at) !== at + n) {
    return -EINVAL;
  }
  return pathAddress + at;
}

/**
 * Puts a path where C can read it: its address, or -ENAMETOOLONG (4096 bytes with the NUL) or -EINVAL (a NUL inside).
 * Good until the next call of path1.
 */
export function path1(path: PathArg): number {
  return putPath(0, path);
}

/** A second path, for calls that take two; good until the next call of path2. */
export function path2(path: PathArg): number {
  return putPath(1, path);
}

/** A NUL-terminated copy of a byte string, for rare calls with strings of any length. Keep it alive while C may read it. */
export function cString(s: PathArg): Uint8Array<ArrayBuffer> {
  const b = pinnedBytes(s.length + 1);
  if (typeof s === "string") {
    for (let i = 0; i < s.length; i++) {
      b[i] = s.charCodeAt(i);
    }
  } else {
    b.set(s);
  }
  return b;
}

/** The byte string of a JavaScript string's UTF-8 form: for paths that come from configuration or arguments. */
export function fromUTF8(s: string): string {
  return Buffer.from(s, "utf8").toString("latin1");
}

/** The JavaScript string of a byte string that holds UTF-8. */
export function toUTF8(s: string): string {
  return Buffer.from(s, "latin1").toString("utf8");
}

/** Bytes [start, end) as a byte string. */
export function byteString(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

/**
 * The address of buf[off, off+len) for C. Hot calls pass addresses, not arrays: a call site that sees both is several times slower.
 * A range outside the buffer would be memory corruption: it throws RangeError.
 */
export function span(buf: Uint8Array, off: number, len: number): number {
  if (!(off >= 0 && len >= 0 && off + len <= buf.length)) {
    throw new RangeError(`host buffer of ${buf.length} bytes: range ${off}+${len}`);
  }
  return len === 0 ? 0 : ptr(buf, off);
}

/** The address of a whole buffer; 0 for null and for an empty one. */
export function whole(buf: Uint8Array | null): number {
  return buf === null || buf.length === 0 ? 0 : ptr(buf);
}

/** The address of a buffer of at least `size` bytes that C reads or fills as a structure. Shorter throws RangeError. */
export function struct(buf: Uint8Array, size: number): number {
  if (buf.length < size) {
    throw new RangeError(`host structure of ${size} bytes in a buffer of ${buf.length}`);
  }
  return ptr(buf);
}

/** Scratch memory for small structures of a single call: 64 words of 32 bits. Nothing in it outlives the call. */
export const scratch: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(256));

/** Host address of `scratch`. */
export const scratchAddress: number = ptr(scratch);

/** Stores a number (|v| < 2^53, two's complement) as 64 bits at words[i], words[i+1]. */
export function put64(words: Uint32Array, i: number, v: number): void {
  words[i] = v;
  words[i + 1] = Math.floor(v / 4294967296);
}

/** Reads 64 bits at words[i], words[i+1] as an unsigned number; inexact above 2^53. */
export function getU64(words: Uint32Array, i: number): number {
  return (words[i + 1] ?? 0) * 4294967296 + (words[i] ?? 0);
}

/** Reads 64 bits at words[i], words[i+1] as a signed number; inexact beyond 2^53. */
export function getI64(words: Uint32Array, i: number): number {
  return ((words[i + 1] ?? 0) | 0) * 4294967296 + (words[i] ?? 0);
}

/** Stores nanoseconds (>= 0) as a struct timespec at words[i..i+3]. */
export function putTimespec(words: Uint32Array, i: number, ns: number): void {
  const sec = Math.floor(ns / 1e9);
  put64(words, i, sec);
  put64(words, i + 2, ns - sec * 1e9);
}
