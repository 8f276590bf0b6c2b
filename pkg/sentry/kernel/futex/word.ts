import { EAGAIN, EFAULT } from "../../../abi/linux/errno.ts";
import { LinuxError } from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { IovecArray } from "../../../hostsyscall/iovec.ts";
import { stateType } from "../../../state/index.ts";
import type { MemoryManager } from "../../mm/index.ts";

/** Most attempts at a word that guest threads keep changing. */
const MAX_TRIES = 100;

/** Atomic access to 32-bit words of guest memory. Addresses are multiples of 4. Answers are words, or negative errnos. */
export class WordAccess {
  static readonly stateType = stateType("futex.WordAccess", [], ["iov"]);
  readonly iov: IovecArray = new IovecArray();

  /** The sentry's address of a guest word, or -EFAULT. */
  translate(mm: MemoryManager, addr: number, write: boolean): number {
    const iov = this.iov;
    iov.clear();
    try {
      if (mm.hostRanges(addr, 4, write, iov) < 4) return -EFAULT;
    } catch (e) {
      if (e instanceof LinuxError) return -e.errno;
      throw e;
    }
    return (iov.words[1] ?? 0) * 4294967296 + (iov.words[0] ?? 0);
  }

  /** The word. */
  load(mm: MemoryManager, addr: number): number {
    const a = this.translate(mm, addr, false);
    return a < 0 ? a : host.loadU32(a);
  }

  /** Stores a word; 0 or -EFAULT. */
  store(mm: MemoryManager, addr: number, value: number): number {
    const a = this.translate(mm, addr, true);
    return a < 0 ? a : host.storeU32(a, value);
  }

  /** Compare and exchange: the word before. */
  cas(mm: MemoryManager, addr: number, old: number, value: number): number {
    const a = this.translate(mm, addr, true);
    return a < 0 ? a : host.casU32(a, old, value);
  }

  /** Atomic read-modify-write with a FUTEX_OP_*: the word before. */
  op(mm: MemoryManager, addr: number, op: number, operand: number): number {
    const a = this.translate(mm, addr, true);
    if (a < 0) return a;
    for (let i = 0; i < MAX_TRIES; i++) {
      const r = host.opU32(a, op, operand);
      if (r !== -EAGAIN) return r;
    }
    return -EAGAIN;
  }
}
