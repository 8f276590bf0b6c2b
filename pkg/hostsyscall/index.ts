/**
 * Package hostsyscall is the sentry's and the launcher's one door to the host kernel: typed, synchronous system calls.
 *
 * Every function returns a result >= 0 or a NEGATIVE ERRNO; none throws for an error of the host, and none retries on EINTR (the
 * JavaScript engine uses signals of its own, so EINTR happens in calls that wait). Paths and names are byte strings (one
 * byte per character) or bytes; addresses, lengths and offsets are plain numbers. This module is the leaf, so it alone owns
 * memory at module level: scratch buffers whose contents never outlive one call. Importing it compiles the native code (a few ms),
 * which needs /proc: import it before the root is pivoted. A path to host memory that may fault goes through the copies of
 * memory.ts; no function here takes a guest's address.
 */
export * from "./auxv.ts";
export * from "./dirent.ts";
export * from "./epoll.ts";
export * from "./file.ts";
export { IOVEC_MAX, IovecArray } from "./iovec.ts";
export * from "./memory.ts";
export * from "./mount.ts";
export * from "./process.ts";
export {
  byteString,
  cString,
  fromUTF8,
  getI64,
  getU64,
  hostCalls,
  type NativePtr,
  type PathArg,
  path1,
  path2,
  put64,
  putTimespec,
  sys3,
  sys6,
  toUTF8,
} from "./raw.ts";
export * from "./socket.ts";
export * from "./spawn.ts";
export * from "./stat.ts";
export { PointerBlock, StringBlock } from "./string_block.ts";
export { HostStrings, STRING_PLACES } from "./strings.ts";
export * from "./time.ts";
