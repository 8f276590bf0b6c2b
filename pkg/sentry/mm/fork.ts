import { LinuxError } from "../../errors/linuxerr/index.ts";
import { AccessExec, AccessRead, AccessWrite } from "../memmap/index.ts";
import { KIND_ANONYMOUS } from "../pgalloc/index.ts";
import { copyPMA, isCommitted, resolve } from "./faults.ts";
import { beginBatch, endBatch, mapPMA, protectHost } from "./host_mapping.ts";
import { HOT_PIECE } from "./hot_pages.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { PMA } from "./pma.ts";
import { insertPMA, mergePMABefore, splitPMAAt } from "./pma_ops.ts";
import { LOCK_NONE, type VMA } from "./vma.ts";
import { insertVMA } from "./vma_ops.ts";

/** A new host address space is given the pmas that exist, when they are not more than this. */
const MAX_PREMAP = 144;
/** A new program gets its own copy of a data segment, and memory for zeros behind it, at once up to these sizes. */
const MAX_DATA = 320 * 1024;
const MAX_ZEROS = 64 * 1024;

/** Fills a new, empty child with copies of what mm has; private memory becomes shared copy-on-write, but for what both will store to. */
export function forkInto(mm: MemoryManager, child: MemoryManager): void {
  const run = new ForkRun(mm, child);
  // The child takes over what the platform knows of patched code, also where that will not be.
  for (let v = mm.vmas.head; v !== null; v = v.next) if (v.dontFork) mm.hostSpace?.restoreCode(v.start, v.end);
  beginBatch(mm);
  for (let v = mm.vmas.head; v !== null; v = v.next) {
    if (v.dontFork) continue;
    const c = v.copy(v.start, v.end);
    c.lockMode = LOCK_NONE;
    c.identity?.incRef();
    insertVMA(child, c);
    if (!v.wipeOnFork && !v.special) run.forkPMAs(v);
  }
  endBatch(mm);
}

/** One fork under way. */
class ForkRun {
  readonly mm: MemoryManager;
  readonly child: MemoryManager;
  readonly hot: readonly number[];
  /** The first hot piece that does not end before where we are. */
  at = 0;
  /** What is to be protected in the host. */
  runStart = 0;
  runEnd = 0;

  constructor(mm: MemoryManager, child: MemoryManager) {
    this.mm = mm;
    this.child = child;
    this.hot = mm.hot.pieces;
  }

  forkPMAs(v: VMA): void {
    const { mm, hot } = this;
    const readOnly = v.effective & ~AccessWrite;
    const stores = v.isPrivate && (v.effective & AccessWrite) !== 0;
    for (let p = mm.pmas.lowerBound(v.start); p !== null && p.start < v.end; p = p.next) {
      if (stores) {
        const from = Math.max(p.start, v.start);
        while (this.at < hot.length && (hot[this.at] ?? 0) + HOT_PIECE <= from) this.at++;
        const piece = hot[this.at] ?? Number.POSITIVE_INFINITY;
        if (piece < p.end && piece < v.end) {
          // A pma may reach over the border of two mappings that are alike to the host.
          splitPMAAt(mm, from);
          if (p.start < from && p.next !== null) p = p.next;
          if (piece <= p.start) {
            splitPMAAt(mm, Math.min(this.endOfPieces(), p.end, v.end));
            if (this.copy(p, v)) continue;
          } else {
            splitPMAAt(mm, piece);
          }
        }
      }
      p = this.share(p, v, readOnly);
    }
    if (this.runEnd !== 0) protectHost(mm, this.runStart, this.runEnd, readOnly);
    this.runStart = 0;
    this.runEnd = 0;
  }

  /** End of the pieces that follow each other from `at` on. */
  endOfPieces(): number {
    const { hot } = this;
    let i = this.at;
    while (hot[i + 1] === (hot[i] ?? 0) + HOT_PIECE) i++;
    return (hot[i] ?? 0) + HOT_PIECE;
  }

  /** Gives the child its own copy of a pma. False when there is no memory for it, or the file behind it has shrunk. */
  copy(p: PMA, v: VMA): boolean {
    const { mm, child } = this;
    const mf = mm.memoryFile;
    const length = p.end - p.start;
    let to: number;
    try {
      to = mf.allocate(length, KIND_ANONYMOUS, -1, true);
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
      return false;
    }
    if (!copyPMA(mm, p, p.start, p.end, to)) {
      mf.decRef(to, length);
      return false;
    }
    const c = new PMA(p.start, p.end, mf, to, AccessRead | AccessWrite | AccessExec, true);
    c.perms = v.effective;
    c.committed = true;
    insertPMA(child, c);
    return true;
  }

  /** Parent and child have the same memory from here on. Returns the parent's pma, which may have grown downwards. */
  share(shared: PMA, v: VMA, readOnly: number): PMA {
    const { mm, child } = this;
    let p = shared;
    const lo = Math.max(p.start, v.start);
    const hi = Math.min(p.end, v.end);
    if (p.isPrivate && !p.needCOW) {
      p.needCOW = true;
      if ((p.perms & AccessWrite) !== 0) {
        p.perms &= ~AccessWrite;
        if (p.mapped && p.start === this.runEnd) {
          this.runEnd = p.end;
        } else if (p.mapped) {
          if (this.runEnd !== 0) protectHost(mm, this.runStart, this.runEnd, readOnly);
          this.runStart = p.start;
          this.runEnd = p.end;
        }
      }
      // What was copied at the last fork and is shared now.
      p = mergePMABefore(mm, p);
    }
    const c = shared.copy(lo, hi);
    c.mapped = false;
    c.file.incRef(c.offset, hi - lo);
    insertPMA(child, c);
    return p;
  }
}

/** Maps the pmas of a space whose host side has just come to be: cheaper in one go than a fault each. */
export function premap(mm: MemoryManager): void {
  if (mm.pmas.count > MAX_PREMAP) return;
  beginBatch(mm);
  for (let p = mm.pmas.head; p !== null; p = p.next) mapPMA(mm, p, isCommitted(p));
  endBatch(mm);
}

/**
 * Brings in what a program that was just loaded is going to touch: all of its file (the host's page cache has it, nothing is read), its own copies
 * of data segments, which relocation stores to, and the zeros behind them.
 */
export function prefault(mm: MemoryManager): void {
  for (let v = mm.vmas.head; v !== null; v = v.next) {
    if (!v.isPrivate || v.special || v.growsDown || v.effective === 0) continue;
    const writable = (v.effective & AccessWrite) !== 0;
    const length = v.end - v.start;
    if (v.mappable === null) {
      if (writable && length <= MAX_ZEROS) resolve(mm, v, v.start, AccessWrite);
    } else {
      const access = writable && length <= MAX_DATA ? AccessWrite : AccessRead;
      let p = resolve(mm, v, v.start, access);
      // Copies are made in pieces.
      while (access === AccessWrite && p !== null && p.end < v.end) p = resolve(mm, v, p.end, access);
    }
  }
}
