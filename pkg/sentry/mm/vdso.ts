import * as host from "../../hostsyscall/index.ts";
import type { IovecArray } from "../../hostsyscall/iovec.ts";
import { AccessRead } from "../memmap/index.ts";
import type { MemoryManager } from "./memory_manager.ts";

/*
 * The platform's vdso has no pmas: what the sentry reads of it on a guest's behalf it reads from where it has it itself.
 */

/** Bytes of the vdso that can be read at an address, at most `len`; 0 where it is not. `forced`: whatever the protection says. */
function readable(mm: MemoryManager, addr: number, len: number, forced: boolean): number {
  const { vdso } = mm.platform;
  if (vdso === null || vdso.hostAddress === 0 || addr < vdso.start || addr >= vdso.end) return 0;
  const v = mm.vmas.find(addr);
  if (v === null || !v.special || (!forced && (v.effective & AccessRead) === 0)) return 0;
  return Math.min(len, v.end - addr, vdso.end - addr);
}

/** Where the sentry has what is at an address of the vdso. */
function hostAddress(mm: MemoryManager, addr: number): number {
  const { vdso } = mm.platform;
  return vdso === null ? 0 : vdso.hostAddress + (addr - vdso.start);
}

/** Copies from the vdso; answers how much: 0 where it is not. */
export function copyInVdso(
  mm: MemoryManager,
  addr: number,
  dst: Uint8Array,
  off: number,
  len: number,
  forced: boolean,
): number {
  const n = readable(mm, addr, len, forced);
  return n === 0 ? 0 : n - host.copyFromHost(dst, off, hostAddress(mm, addr), n);
}

/** Appends what is at an address of the vdso, for reading; answers how much: 0 where it is not. */
export function appendVdso(mm: MemoryManager, addr: number, len: number, iov: IovecArray): number {
  const n = readable(mm, addr, len, false);
  if (n !== 0) iov.append(hostAddress(mm, addr), n);
  return n;
}
