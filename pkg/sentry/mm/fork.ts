import { AccessWrite } from "../memmap/index.ts";
import { beginBatch, endBatch, mapPMA, protectHost } from "./host_mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { insertPMA } from "./pma_ops.ts";
import { LOCK_NONE, type VMA } from "./vma.ts";
import { insertVMA } from "./vma_ops.ts";

/** A new host address space is given the pmas that exist, when they are not more than this. */
const MAX_PREMAP = 96;

/** Fills a new, empty child with copies of what mm has; private memory becomes shared copy-on-write. */
export function forkInto(mm: MemoryManager, child: MemoryManager): void {
  beginBatch(mm);
  for (let v = mm.vmas.head; v !== null; v = v.next) {
    if (v.dontFork) continue;
    const c = v.copy(v.start, v.end);
    c.lockMode = LOCK_NONE;
    c.identity?.incRef();
    insertVMA(child, c);
    if (!v.wipeOnFork && !v.special) forkPMAs(mm, child, v);
  }
  endBatch(mm);
}

function forkPMAs(mm: MemoryManager, child: MemoryManager, v: VMA): void {
  let runStart = 0;
  let runEnd = 0;
  const readOnly = v.effective & ~AccessWrite;
  for (let p = mm.pmas.lowerBound(v.start); p !== null && p.start < v.end; p = p.next) {
    const lo = Math.max(p.start, v.start);
    const hi = Math.min(p.end, v.end);
    if (p.isPrivate && !p.needCOW) {
      p.needCOW = true;
      if ((p.perms & AccessWrite) !== 0) {
        p.perms &= ~AccessWrite;
        if (p.mapped && p.start === runEnd) {
          runEnd = p.end;
        } else if (p.mapped) {
          if (runEnd !== 0) protectHost(mm, runStart, runEnd, readOnly);
          runStart = p.start;
          runEnd = p.end;
        }
      }
    }
    const c = p.copy(lo, hi);
    c.mapped = false;
    c.file.incRef(c.offset, hi - lo);
    insertPMA(child, c);
  }
  if (runEnd !== 0) protectHost(mm, runStart, runEnd, readOnly);
}

/** Maps the pmas of a space whose host side has just come to be: cheaper in one go than a fault each. */
export function premap(mm: MemoryManager): void {
  if (mm.pmas.count > MAX_PREMAP) return;
  beginBatch(mm);
  for (let p = mm.pmas.head; p !== null; p = p.next) mapPMA(mm, p, false);
  endBatch(mm);
}
