import * as errno from "../../abi/linux/errno.ts";
import { FD_CLOEXEC } from "../../abi/linux/file.ts";
import { stateType } from "../../state/index.ts";
import type { FileDescription } from "../vfs/file_description.ts";

/** Default of /proc/sys/fs/nr_open: the most descriptors a table can hold whatever RLIMIT_NOFILE says. */
export const NR_OPEN_DEFAULT = 1048576;

/** Descriptors of one block: the table is a sparse array of blocks, so that dup2(fd, 1000000) costs little. */
const BLOCK_SHIFT = 8;
const BLOCK_SIZE = 1 << BLOCK_SHIFT;
const BLOCK_MASK = BLOCK_SIZE - 1;
const BLOCK_WORDS = BLOCK_SIZE / 32;

/** 256 consecutive slots of a table. */
export class FDBlock {
  static readonly stateType = stateType("kernel.FDBlock", ["files", "bits", "count"]);
  /** Grows up to the highest slot ever used. */
  files: (FileDescription | null)[] = [];
  /** Words 0-7: slots in use; words 8-15: close-on-exec. */
  bits: Uint32Array = new Uint32Array(2 * BLOCK_WORDS);
  /** Slots in use. */
  count = 0;

  /** A copy that shares the descriptions, whose references the caller takes. */
  copy(): FDBlock {
    const b = new FDBlock();
    b.files = this.files.slice();
    b.bits.set(this.bits);
    b.count = this.count;
    return b;
  }
}

/**
 * The file descriptors of a process (Linux's files_struct), shared by tasks under CLONE_FILES. The table holds one
 * reference on each description in it. It is also the owner of POSIX record locks.
 */
export class FDTable {
  static readonly stateType = stateType("kernel.FDTable", ["refs", "blocks", "next", "used", "nrOpen"]);
  /** Tasks sharing the table. */
  refs = 1;
  blocks: (FDBlock | null)[] = [];
  /** No descriptor below it is free. */
  next = 0;
  /** Descriptors in use. */
  used = 0;
  /** The size the table was grown to as Linux would have: FDSize of /proc/[pid]/status. */
  nrOpen = 64;

  /** Adds a sharer (CLONE_FILES). */
  incRef(): void {
    this.refs++;
  }

  /** Drops a sharer; the last one closes everything. */
  decRef(): void {
    this.refs--;
    if (this.refs > 0) return;
    for (let fd = this.nextUsed(0); fd >= 0; fd = this.nextUsed(fd + 1)) this.remove(fd);
    this.blocks = [];
  }

  /** The description of a descriptor, without taking a reference; null when it is not open (or out of range). */
  get(fd: number): FileDescription | null {
    // A negative int becomes a huge index here, and there is no such block.
    const b = this.blocks[fd >>> BLOCK_SHIFT];
    if (b === undefined || b === null) return null;
    return b.files[fd & BLOCK_MASK] ?? null;
  }

  /** Whether close-on-exec is set; false when the descriptor is not open. */
  cloexec(fd: number): boolean {
    const b = this.blocks[fd >>> BLOCK_SHIFT];
    if (b === undefined || b === null) return false;
    const i = fd & BLOCK_MASK;
    return ((b.bits[BLOCK_WORDS + (i >>> 5)] ?? 0) & (1 << (i & 31))) !== 0;
  }

  /** FD_CLOEXEC or 0, or -EBADF: fcntl(F_GETFD). */
  getFlags(fd: number): number {
    if (this.get(fd) === null) return -errno.EBADF;
    return this.cloexec(fd) ? FD_CLOEXEC : 0;
  }

  /** Sets or clears close-on-exec of an open descriptor. Returns 0 or -EBADF. */
  setCloexec(fd: number, on: boolean): number {
    const b = this.blocks[fd >>> BLOCK_SHIFT];
    if (b === undefined || b === null || (b.files[fd & BLOCK_MASK] ?? null) === null) return -errno.EBADF;
    setCloexecBit(b, fd & BLOCK_MASK, on);
    return 0;
  }

  /** The lowest free descriptor >= minFD. */
  lowestFree(minFD: number): number {
    let fd = Math.max(minFD, this.next);
    for (;;) {
      const b = this.blocks[fd >>> BLOCK_SHIFT];
      if (b === undefined || b === null) return fd;
      if (b.count < BLOCK_SIZE) {
        let w = (fd & BLOCK_MASK) >>> 5;
        // Slots below fd count as used in the first word.
        let free = ~(b.bits[w] ?? 0) & (-1 << (fd & 31));
        while (free === 0 && ++w < BLOCK_WORDS) free = ~(b.bits[w] ?? 0);
        if (free !== 0) return (fd & ~BLOCK_MASK) + w * 32 + (31 - Math.clz32(free & -free));
      }
      fd = (fd & ~BLOCK_MASK) + BLOCK_SIZE;
    }
  }

  /** Whether a descriptor below `limit` is free: callers ask before they do what cannot be undone. */
  hasRoom(limit: number): boolean {
    return this.lowestFree(0) < limit;
  }

  /** Puts a description at the lowest free descriptor, which lowestFree(0) has told. Takes over the caller's reference. */
  give(fd: number, file: FileDescription, cloexec: boolean): void {
    this.next = fd + 1;
    this.install(fd, file, cloexec);
  }

  /**
   * Puts a description at the lowest free descriptor >= minFD and below `limit` (the smaller of RLIMIT_NOFILE and
   * nr_open). Takes a reference of its own. Returns the descriptor or -EMFILE.
   */
  newFD(file: FileDescription, minFD: number, cloexec: boolean, limit: number): number {
    const fd = this.lowestFree(minFD);
    if (fd >= limit) return -errno.EMFILE;
    if (minFD <= this.next) this.next = fd + 1;
    file.incRef();
    this.install(fd, file, cloexec);
    return fd;
  }

  /** dup2(2)'s second half: puts a description at `fd` (checked by the caller), closing what was there. */
  newFDAt(fd: number, file: FileDescription, cloexec: boolean): void {
    const old = this.get(fd);
    if (old === null) {
      file.incRef();
      this.install(fd, file, cloexec);
      return;
    }
    const b = this.blocks[fd >>> BLOCK_SHIFT];
    if (b === undefined || b === null) return;
    // The new reference comes before the old one goes: they may be of the same description.
    file.incRef();
    b.files[fd & BLOCK_MASK] = file;
    setCloexecBit(b, fd & BLOCK_MASK, cloexec);
    this.closeFile(old);
  }

  /** close(2): takes the descriptor out, flushes, releases POSIX locks and drops the reference. Returns 0 or a negative errno. */
  remove(fd: number): number {
    const file = this.take(fd);
    if (file === null) return -errno.EBADF;
    return this.closeFile(file);
  }

  /** close_range(2): closes every open descriptor in [first, last]. */
  removeRange(first: number, last: number): void {
    for (let fd = this.nextUsed(first); fd >= 0 && fd <= last; fd = this.nextUsed(fd + 1)) this.remove(fd);
  }

  /** close_range(2) with CLOSE_RANGE_CLOEXEC. */
  setCloexecRange(first: number, last: number): void {
    for (let fd = this.nextUsed(first); fd >= 0 && fd <= last; fd = this.nextUsed(fd + 1)) this.setCloexec(fd, true);
  }

  /** execve(2): closes all descriptors marked close-on-exec. The table must not be shared by then. */
  closeOnExec(): void {
    for (let bi = 0; bi < this.blocks.length; bi++) {
      const b = this.blocks[bi];
      if (b === undefined || b === null) continue;
      for (let w = 0; w < BLOCK_WORDS; w++) {
        let bits = b.bits[BLOCK_WORDS + w] ?? 0;
        while (bits !== 0) {
          const low = bits & -bits;
          bits ^= low;
          this.remove((bi << BLOCK_SHIFT) + w * 32 + (31 - Math.clz32(low)));
        }
      }
    }
  }

  /**
   * A copy for fork(2), or for unsharing: every description gains a reference. With `skipFirst`..`skipLast`
   * (CLOSE_RANGE_UNSHARE) those descriptors are left out instead of being copied and closed.
   */
  fork(skipFirst = -1, skipLast = -1): FDTable {
    const t = new FDTable();
    t.nrOpen = this.nrOpen;
    for (let bi = 0; bi < this.blocks.length; bi++) {
      const b = this.blocks[bi];
      if (b === undefined || b === null || b.count === 0) {
        t.blocks.push(null);
        continue;
      }
      const c = b.copy();
      t.blocks.push(c);
      for (let i = 0; i < c.files.length; i++) {
        const f = c.files[i] ?? null;
        if (f === null) continue;
        const fd = (bi << BLOCK_SHIFT) + i;
        if (fd >= skipFirst && fd <= skipLast) {
          c.files[i] = null;
          clearBits(c, i);
          c.count--;
          continue;
        }
        f.incRef();
        t.used++;
      }
    }
    t.next = t.used === this.used ? this.next : 0;
    return t;
  }

  /** The lowest open descriptor >= fd, or -1. Iterates the table: for (fd = nextUsed(0); fd >= 0; fd = nextUsed(fd + 1)). */
  nextUsed(fd: number): number {
    let i = fd;
    for (let bi = i >>> BLOCK_SHIFT; bi < this.blocks.length; bi++) {
      const b = this.blocks[bi];
      if (b !== undefined && b !== null && b.count > 0) {
        let w = (i & BLOCK_MASK) >>> 5;
        let used = (b.bits[w] ?? 0) & (-1 << (i & 31));
        while (used === 0 && ++w < BLOCK_WORDS) used = b.bits[w] ?? 0;
        if (used !== 0) return (bi << BLOCK_SHIFT) + w * 32 + (31 - Math.clz32(used & -used));
      }
      i = (bi + 1) << BLOCK_SHIFT;
    }
    return -1;
  }

  /** Fills a free slot; the reference is the caller's business. */
  install(fd: number, file: FileDescription, cloexec: boolean): void {
    const bi = fd >>> BLOCK_SHIFT;
    while (this.blocks.length <= bi) this.blocks.push(null);
    let b = this.blocks[bi] ?? null;
    if (b === null) {
      b = new FDBlock();
      this.blocks[bi] = b;
    }
    const i = fd & BLOCK_MASK;
    while (b.files.length <= i) b.files.push(null);
    b.files[i] = file;
    const w = i >>> 5;
    b.bits[w] = (b.bits[w] ?? 0) | (1 << (i & 31));
    setCloexecBit(b, i, cloexec);
    b.count++;
    this.used++;
    while (this.nrOpen <= fd) this.nrOpen *= 2;
  }

  /** Empties a slot and hands its reference to the caller. */
  take(fd: number): FileDescription | null {
    const b = this.blocks[fd >>> BLOCK_SHIFT];
    if (b === undefined || b === null) return null;
    const i = fd & BLOCK_MASK;
    const file = b.files[i] ?? null;
    if (file === null) return null;
    b.files[i] = null;
    clearBits(b, i);
    b.count--;
    this.used--;
    if (fd < this.next) this.next = fd;
    return file;
  }

  /** What close(2) does to a description that has left the table. */
  closeFile(file: FileDescription): number {
    const r = file.flush();
    file.unlockPOSIX(this);
    file.decRef();
    return r;
  }
}

function setCloexecBit(b: FDBlock, i: number, on: boolean): void {
  const w = BLOCK_WORDS + (i >>> 5);
  const bit = 1 << (i & 31);
  b.bits[w] = on ? (b.bits[w] ?? 0) | bit : (b.bits[w] ?? 0) & ~bit;
}

function clearBits(b: FDBlock, i: number): void {
  const w = i >>> 5;
  const bit = 1 << (i & 31);
  b.bits[w] = (b.bits[w] ?? 0) & ~bit;
  b.bits[BLOCK_WORDS + w] = (b.bits[BLOCK_WORDS + w] ?? 0) & ~bit;
}
