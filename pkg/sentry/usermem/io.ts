import type { IovecArray } from "../../hostsyscall/iovec.ts";

/** An address space as a target of copies; mm.MemoryManager for a guest, BytesIO for kernel buffers. */
export interface IO {
  /**
   * Copies src[off, off+len) to the address. Returns the number of bytes copied: less than `len` when a later page
   * faults; throws EFAULT when not one byte could be copied (and len > 0).
   */
  copyOut(addr: number, src: Uint8Array, off: number, len: number): number;
  /** Copies memory at the address to dst[off, off+len); same contract. */
  copyIn(addr: number, dst: Uint8Array, off: number, len: number): number;
  /** Writes zeros; same contract. */
  zeroOut(addr: number, len: number): number;
  /**
   * Translates up to `len` bytes at `addr` into ranges of the sentry's own address space and appends them to `iov` (as
   * many as fit). `write` says the host will store there. Returns the number of bytes covered, less than len when a later
   * page is not accessible or iov is full; throws EFAULT when the first byte is not accessible.
   */
  hostRanges(addr: number, len: number, write: boolean, iov: IovecArray): number;
}
