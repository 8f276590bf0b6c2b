/** Host mappings, and copies and atomics on memory that may fault (safeInstall first). */
import { native } from "../../native/host.ts";
import { EAGAIN } from "../abi/linux/errno.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { span, sys3, sys6, whole } from "./raw.ts";

/** mmap(2): the address, or a negative errno. Addresses are below 2^47. */
export function mmap(addr: number, length: number, prot: number, flags: number, fd: number, offset: number): number {
  return sys6(nr.SYS_mmap, addr, length, prot, flags, fd, offset);
}

/** munmap(2). */
export function munmap(addr: number, length: number): number {
  return sys3(nr.SYS_munmap, addr, length, 0);
}

/** mprotect(2). */
export function mprotect(addr: number, length: number, prot: number): number {
  return sys3(nr.SYS_mprotect, addr, length, prot);
}

/** madvise(2). */
export function madvise(addr: number, length: number, advice: number): number {
  return sys3(nr.SYS_madvise, addr, length, advice);
}

/** mremap(2): the new address, or a negative errno. */
export function mremap(addr: number, oldLength: number, newLength: number, flags: number, newAddr: number): number {
  return sys6(nr.SYS_mremap, addr, oldLength, newLength, flags, newAddr, 0);
}

/** msync(2). */
export function msync(addr: number, length: number, flags: number): number {
  return sys3(nr.SYS_msync, addr, length, flags);
}

/** mincore(2): one byte per page into vec. */
export function mincore(addr: number, length: number, vec: Uint8Array): number {
  if (vec.length * 4096 < length) {
    throw new RangeError("mincore: vec");
  }
  return sys3(nr.SYS_mincore, addr, length, whole(vec));
}

/** mlock(2). */
export function mlock(addr: number, length: number): number {
  return sys3(nr.SYS_mlock, addr, length, 0);
}

/** munlock(2). */
export function munlock(addr: number, length: number): number {
  return sys3(nr.SYS_munlock, addr, length, 0);
}

/**
 * Takes over SIGSEGV and SIGBUS so that the functions below report a fault instead of dying of it. Call once, before the first of
 * them and before a seccomp filter that forbids rt_sigaction. Other faults still reach the handlers that were there. 0 or a negative errno.
 */
export function safeInstall(): number {
  return native.safe_install();
}

/** Copies `len` bytes at a host address to dst[off, off+len). Returns the number of bytes NOT copied; 0 is success. */
export function copyFromHost(dst: Uint8Array, off: number, address: number, len: number): number {
  return native.safe_copy(span(dst, off, len), address, len);
}

/** Copies src[off, off+len) to a host address. Returns the number of bytes NOT copied. */
export function copyToHost(address: number, src: Uint8Array, off: number, len: number): number {
  return native.safe_copy(address, span(src, off, len), len);
}

/** Copies between host addresses; forward, so overlapping ranges need dst below src. Returns the number of bytes NOT copied. */
export function copyHost(dstAddress: number, srcAddress: number, len: number): number {
  return native.safe_copy(dstAddress, srcAddress, len);
}

/** Writes zeros. Returns the number of bytes NOT written. */
export function zeroHost(address: number, len: number): number {
  return native.safe_zero(address, len);
}

/** Reads an aligned 32-bit word: its unsigned value, or -EFAULT. */
export function loadU32(address: number): number {
  return native.safe_load32(address);
}

/** Stores an aligned 32-bit word: 0 or -EFAULT. */
export function storeU32(address: number, value: number): number {
  return native.safe_store32(address, value | 0);
}

/** Compare and exchange on an aligned 32-bit word: the unsigned value before (equal to `old` when exchanged), or -EFAULT. */
export function casU32(address: number, old: number, value: number): number {
  return native.safe_cas32(address, old | 0, value | 0);
}

/** Operations of opU32, numbered as futex(2)'s FUTEX_OP_*. */
export const OP_SET = 0;
export const OP_ADD = 1;
export const OP_OR = 2;
export const OP_ANDN = 3;
export const OP_XOR = 4;

/** Atomic read-modify-write of an aligned 32-bit word: the unsigned value before, -EFAULT, or -EAGAIN when a guest thread keeps changing it. */
export function opU32(address: number, op: number, operand: number): number {
  let r = -EAGAIN;
  for (let i = 0; i < 100 && r === -EAGAIN; i++) {
    r = native.safe_op32(address, op, operand | 0);
  }
  return r;
}
