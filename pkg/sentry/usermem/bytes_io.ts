import { ptr } from "bun:ffi";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { IovecArray } from "../../hostsyscall/iovec.ts";
import { stateType } from "../../state/index.ts";
import type { IO } from "./io.ts";

/** A kernel buffer as a target of copies: address 0 is its first byte. The buffer is private to the sentry. */
export class BytesIO implements IO {
  static readonly stateType = stateType("usermem.BytesIO", ["bytes"]);
  /** The memory behind the addresses; may be replaced between uses. */
  bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** See IO. Never throws for len = 0. */
  copyOut(addr: number, src: Uint8Array, off: number, len: number): number {
    const n = this.clip(addr, len);
    if (n === 0) return 0;
    this.bytes.set(src.subarray(off, off + n), addr);
    return n;
  }

  /** See IO. */
  copyIn(addr: number, dst: Uint8Array, off: number, len: number): number {
    const n = this.clip(addr, len);
    if (n === 0) return 0;
    dst.set(this.bytes.subarray(addr, addr + n), off);
    return n;
  }

  /** See IO. */
  zeroOut(addr: number, len: number): number {
    const n = this.clip(addr, len);
    this.bytes.fill(0, addr, addr + n);
    return n;
  }

  /** See IO. The caller keeps the buffer alive for as long as it uses the range. */
  hostRanges(addr: number, len: number, _write: boolean, iov: IovecArray): number {
    const n = this.clip(addr, len);
    if (n === 0 || iov.full()) return 0;
    iov.append(ptr(this.bytes) + addr, n);
    return n;
  }

  clip(addr: number, len: number): number {
    if (len <= 0) return 0;
    const room = this.bytes.length - addr;
    if (addr < 0 || room <= 0) throw linuxerr.EFAULT;
    return Math.min(len, room);
  }
}
