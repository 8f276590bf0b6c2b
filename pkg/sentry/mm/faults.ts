import { MMAP_MIN_ADDR, PAGE_SIZE, STACK_GUARD_GAP } from "../../abi/linux/mm.ts";
import { RLIMIT_STACK } from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import { AccessExec, AccessRead, AccessWrite, type Mappable, type Translation } from "../memmap/index.ts";
import { KIND_ANONYMOUS } from "../pgalloc/index.ts";
import { pageDown } from "./address.ts";
import { beginBatch, endBatch, mapPMA, protectHost, unmapHost } from "./host_mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { PMA } from "./pma.ts";
import { insertPMA, isolatePMA, mergePMA, pmaPerms, takePMA } from "./pma_ops.ts";
import { LOCK_NONE, type VMA } from "./vma.ts";
import { accountVMA, mayExpand, mlockFutureOK } from "./vma_ops.ts";

/** The fault is resolved: continue the guest. The others are negative errnos, as copies between kernel and user would give. */
export const FAULT_RESOLVED = 0;
/** No mapping there: SIGSEGV with SEGV_MAPERR (-EFAULT). */
export const FAULT_MAPERR = -14;
/** The mapping does not allow the access: SIGSEGV with SEGV_ACCERR (-EACCES). */
export const FAULT_ACCERR = -13;
/** Nothing behind the mapping (beyond the end of a file, I/O error): SIGBUS with BUS_ADRERR (-EIO). */
export const FAULT_BUSERR = -5;
/** No memory: Linux calls the OOM killer (-ENOMEM). */
export const FAULT_NOMEM = -12;
/** What handleUserFault returns. */
export type FaultResult = 0 | -14 | -13 | -5 | -12;

/** Anonymous memory is given in pieces of at most this size, aligned to it. */
const PIECE = 2 * 1024 * 1024;
/** When memory is short, this much. */
const SMALL_PIECE = 64 * 1024;
/** A store to shared memory copies at most this much, aligned to it. */
const COW_PIECE = 64 * 1024;
/** So often that is doubled for a file's pages, each time that more of a data segment is stored to. */
const MAX_DOUBLED = 3;
/** A private file mapping that can be written, up to this size, is copied whole at the first store: relocation goes through all of a library's data. */
const DATA_PIECE = 128 * 1024;
/** Mappings of the same file below the one that faulted that are mapped along: the text of a library whose data is touched first. */
const MAP_BELOW = 6;
/** A new mapping of this size is committed in the host before it is touched. */
const MAX_COMMIT = 16 * 1024;
/** A new stack gets so much where it begins, that much of it below. */
const STACK_PIECE = 32 * 1024;
const STACK_BELOW = 16 * 1024;
/** Neighbouring unmapped pmas that a fault maps along, in each direction. */
const MAP_AROUND = 8;
/** The stack grows by at least this much when nothing is in the way. */
const STACK_STEP = 128 * 1024;
/** See MemoryManager.handleUserFault. */
export function handleUserFault(mm: MemoryManager, addr: number, access: number): FaultResult {
  const vma = mm.vmas.find(addr) ?? growStack(mm, addr);
  if (vma === null) return FAULT_MAPERR;
  if ((vma.effective & access) !== access) return FAULT_ACCERR;
  if (vma.special) return FAULT_BUSERR;
  const p = resolve(mm, vma, addr, access);
  if (p === null) return mm.failure;
  if (p.mapped) {
    // What was put off is wanted now.
    beginBatch(mm);
    endBatch(mm);
    // Another thread was first, or resolve mapped it. A second fault in a row means that the mapping got lost.
    if (p.mapped && mm.spuriousAddr !== addr) {
      mm.spuriousAddr = addr;
      return FAULT_RESOLVED;
    }
  }
  mm.spuriousAddr = -1;
  if (vma.mappable === null || !vma.isPrivate)
    return mapAround(mm, vma.start, vma.end, p) ? FAULT_RESOLVED : FAULT_BUSERR;
  return mapImage(mm, vma, addr, p) ? FAULT_RESOLVED : FAULT_BUSERR;
}

/** Maps a pma of a private file mapping, what is near it and the file's mappings below. */
function mapImage(mm: MemoryManager, vma: VMA, addr: number, p: PMA): boolean {
  const low = resolveBelow(mm, vma);
  // It may have become one with what was found below.
  return mapAround(mm, low, vma.end, mm.pmas.find(addr) ?? p);
}

/**
 * Maps a library whose data segment has just been mapped, which comes last: its linker stores to the data next (relocation), and a fault costs four times
 * as much. Large segments are left to faults.
 */
export function mapLibrary(mm: MemoryManager, vma: VMA, addr: number): void {
  if (mm.hostSpace === null || vma.end - vma.start > DATA_PIECE) return;
  const { failure } = mm;
  const p = resolve(mm, vma, addr, AccessWrite);
  mm.failure = failure;
  if (p !== null && !p.mapped) mapImage(mm, vma, addr, p);
}

/**
 * Maps a small new mapping, anonymous ones with memory: programs make such mappings to use them, and a fault costs more. With `later` the host may come to
 * know with the next change: nobody touches the zeros that end a library before it is relocated, after which its linker calls mprotect(2).
 */
export function mapNew(mm: MemoryManager, vma: VMA, addr: number, later: boolean): void {
  const access = vma.mappable === null ? AccessWrite : AccessRead;
  if (mm.hostSpace === null || (vma.effective & access) === 0) return;
  const { failure } = mm;
  const p = resolve(mm, vma, addr, access);
  mm.failure = failure;
  if (p === null || p.mapped) return;
  if (later) beginBatch(mm);
  const mapped = mapPMA(mm, p, p.end - p.start <= MAX_COMMIT || isCommitted(p));
  if (later) endBatch(mm, true);
  if (mapped) mergePMA(mm, p);
}

/** Finds what is behind the other mappings of a file that end where `vma` starts (an image is mapped from its start on). Returns where they begin. */
function resolveBelow(mm: MemoryManager, vma: VMA): number {
  const { failure } = mm;
  let low = vma.start;
  for (let v = vma.prev, n = 0; v !== null && n < MAP_BELOW; v = v.prev, n++) {
    if (v.end !== low || v.mappable !== vma.mappable || !v.isPrivate || v.effective === 0) break;
    if (mm.pmas.isFree(v.start, v.end) && resolve(mm, v, v.start, AccessRead) === null) break;
    low = v.start;
  }
  mm.failure = failure;
  return low;
}

/** Maps a pma and the unmapped ones near it between two addresses. */
function mapAround(mm: MemoryManager, low: number, high: number, p: PMA): boolean {
  let first = p;
  for (let n = 0; n < MAP_AROUND && first.prev !== null && first.prev.start >= low; n++) {
    if (first.prev.mapped || first.prev.perms === 0) break;
    first = first.prev;
  }
  let last = p;
  for (let n = 0; n < MAP_AROUND && last.next !== null && last.next.end <= high; n++) {
    if (last.next.mapped || last.next.perms === 0) break;
    last = last.next;
  }
  if (first === last) {
    if (!mapPMA(mm, p, isCommitted(p))) return false;
    mergePMA(mm, p);
    return true;
  }
  beginBatch(mm);
  let ok = true;
  for (let q: PMA | null = first; q !== null; q = q === last ? null : q.next) {
    const mapped = mapPMA(mm, q, isCommitted(q));
    if (q === p) ok = mapped;
  }
  endBatch(mm);
  // A batch that failed leaves nothing mapped.
  if (ok && !p.mapped) ok = mapPMA(mm, p, false);
  if (p.mapped) mergePMA(mm, p);
  return ok;
}

/** Memory that the host holds already (small pieces are taken for such): filling the page tables spares a host fault for each page. */
export function isCommitted(p: PMA): boolean {
  if (!p.isPrivate || p.needCOW) return false;
  return p.end - p.start <= (p.committed ? PIECE : COW_PIECE);
}

/**
 * The pma behind an address with the access wanted, or null and mm.failure. The address lies in vma, which allows the access.
 */
export function resolve(mm: MemoryManager, vma: VMA, addr: number, access: number): PMA | null {
  let p = mm.pmas.find(addr);
  if (p === null) {
    if (vma.special) {
      mm.failure = FAULT_BUSERR;
      return null;
    }
    p = fill(mm, vma, addr, access);
    if (p === null) return null;
  }
  if ((p.perms & access) === access) return p;
  if ((access & AccessWrite) !== 0 && p.needCOW) return breakCOW(mm, vma, p, addr);
  // Translated for less than is wanted now.
  const lo = Math.max(p.start, vma.start);
  const hi = Math.min(p.end, vma.end);
  const q = isolatePMA(mm, p, lo, hi);
  if (q.mapped) unmapHost(mm, lo, hi);
  takePMA(mm, q);
  q.file.decRef(q.offset, hi - lo);
  p = fill(mm, vma, addr, access);
  if (p === null || (p.perms & access) === access) return p;
  mm.failure = FAULT_BUSERR;
  return null;
}

/**
 * The pma for an access by a debugger (FOLL_FORCE of Linux), or null: mappings without access are read all the same, private ones are written
 * to whatever their protection, in a copy of their own.
 */
export function resolveForced(mm: MemoryManager, addr: number, write: boolean): PMA | null {
  const vma = mm.vmas.find(addr);
  if (vma === null || vma.special) return null;
  if (write && (vma.effective & AccessWrite) === 0 && !(vma.isPrivate && (vma.maxPerms & AccessWrite) !== 0))
    return null;
  if (!write && (vma.maxPerms & AccessRead) === 0) return null;
  const p = mm.pmas.find(addr) ?? fill(mm, vma, addr, write && !vma.isPrivate ? AccessWrite : AccessRead);
  if (p === null || !write) return p;
  if (p.needCOW) return breakCOW(mm, vma, p, addr);
  return (p.translatePerms & AccessWrite) !== 0 ? p : resolve(mm, vma, addr, AccessWrite);
}

/** Puts memory behind an address that has none. */
function fill(mm: MemoryManager, vma: VMA, addr: number, access: number): PMA | null {
  const next = mm.pmas.lowerBound(addr);
  const prev = next === null ? mm.pmas.tail : next.prev;
  const low = prev !== null && prev.end > vma.start ? prev.end : vma.start;
  const high = next !== null && next.start < vma.end ? next.start : vma.end;
  if (vma.mappable === null) return fillAnonymous(mm, vma, addr, low, high, prev, next);
  return fillMappable(mm, vma, vma.mappable, addr, access, low, high);
}

function fillAnonymous(
  mm: MemoryManager,
  vma: VMA,
  addr: number,
  low: number,
  high: number,
  prev: PMA | null,
  next: PMA | null,
): PMA | null {
  const first = vma.growsDown && high === vma.end;
  for (let size = first ? STACK_PIECE : PIECE; ; size = size === PIECE ? SMALL_PIECE : PAGE_SIZE) {
    const base = first ? pageDown(addr) - STACK_BELOW : addr - (addr % size);
    const lo = high - low <= size ? low : Math.max(low, base);
    const hi = high - low <= size ? high : Math.min(high, base + size);
    let hint = -1;
    if (prev !== null && prev.end === lo && prev.file === mm.memoryFile) hint = prev.offset + (prev.end - prev.start);
    else if (next !== null && next.start === hi && next.file === mm.memoryFile) hint = next.offset - (hi - lo);
    let offset: number;
    try {
      offset = mm.memoryFile.allocate(hi - lo, KIND_ANONYMOUS, hint);
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
      if (size > PAGE_SIZE) continue;
      mm.failure = FAULT_NOMEM;
      return null;
    }
    const p = new PMA(lo, hi, mm.memoryFile, offset, AccessRead | AccessWrite | AccessExec, true);
    p.perms = vma.effective;
    p.committed = mm.memoryFile.recycled;
    insertPMA(mm, p);
    return mergePMA(mm, p);
  }
}

function translate(
  mm: MemoryManager,
  m: Mappable,
  start: number,
  end: number,
  optionalEnd: number,
  access: number,
): Translation[] {
  try {
    return m.translate(start, end, optionalEnd, access);
  } catch (e) {
    if (!(e instanceof LinuxError)) throw e;
    mm.failure = e === linuxerr.ENOMEM ? FAULT_NOMEM : FAULT_BUSERR;
    return [];
  }
}

function fillMappable(
  mm: MemoryManager,
  vma: VMA,
  m: Mappable,
  addr: number,
  access: number,
  low: number,
  high: number,
): PMA | null {
  // Stores to a private mapping never reach the object.
  const want = vma.isPrivate ? access & ~AccessWrite : access;
  const delta = vma.offset - vma.start;
  const page = pageDown(addr);
  mm.failure = FAULT_BUSERR;
  const ts = translate(mm, m, page + delta, page + PAGE_SIZE + delta, high + delta, want === 0 ? AccessRead : want);
  let found: PMA | null = null;
  let back = page;
  for (const t of ts) {
    const p = insertTranslation(mm, vma, t, low, high);
    if (p === null) continue;
    if (p.start < back) back = p.start;
    if (addr >= p.start && addr < p.end) found = p;
  }
  if (found === null) return null;
  if (back > low && found.file !== mm.memoryFile) {
    // A host file costs nothing until it is touched: take what lies before the page, too.
    const { failure } = mm;
    for (const t of translate(mm, m, low + delta, back + delta, back + delta, AccessRead)) {
      insertTranslation(mm, vma, t, low, back);
    }
    mm.failure = failure;
  }
  return mergePMA(mm, found);
}

function insertTranslation(mm: MemoryManager, vma: VMA, t: Translation, low: number, high: number): PMA | null {
  const delta = vma.start - vma.offset;
  const lo = Math.max(low, t.start + delta);
  const hi = Math.min(high, t.end + delta);
  if (lo >= hi || !mm.pmas.isFree(lo, hi)) return null;
  const p = new PMA(lo, hi, t.file, t.offset + (lo - delta - t.start), t.perms, false);
  p.needCOW = vma.isPrivate;
  // What the object can do with stores is no matter to a private mapping.
  if (vma.isPrivate) p.translatePerms |= AccessWrite;
  p.perms = pmaPerms(p, vma);
  p.file.incRef(p.offset, hi - lo);
  insertPMA(mm, p);
  return p;
}

/** Gives the vma memory of its own around an address of a pma that needs copy-on-write. */
function breakCOW(mm: MemoryManager, vma: VMA, p: PMA, addr: number): PMA | null {
  const mf = mm.memoryFile;
  const low = Math.max(p.start, vma.start);
  const high = Math.min(p.end, vma.end);
  if (p.isPrivate) mm.hot.note(addr);
  if (
    p.isPrivate &&
    mf.uniqueExtent(p.offset + (addr - p.start), p.offset + (low - p.start), p.offset + (high - p.start))
  ) {
    // The others have gone: the memory is ours again.
    const lo = p.start + (mf.extentStart - p.offset);
    const hi = p.start + (mf.extentEnd - p.offset);
    const q = isolatePMA(mm, p, lo, hi);
    q.needCOW = false;
    q.perms = pmaPerms(q, vma);
    if (q.mapped) protectHost(mm, lo, hi, q.perms);
    return mergePMA(mm, q);
  }
  const piece = p.isPrivate ? COW_PIECE : COW_PIECE << Math.min(vma.copies++, MAX_DOUBLED);
  for (let size = piece; ; size = PAGE_SIZE) {
    const base = addr - (addr % size);
    const whole = !p.isPrivate && high - low <= DATA_PIECE && size === piece;
    const lo = whole ? low : Math.max(low, base);
    const hi = whole ? high : Math.min(high, base + size);
    const length = hi - lo;
    const from = p.offset + (lo - p.start);
    const blank = p.file === mf && !mf.hasData(from, from + length);
    const before = lo === p.start ? p.prev : null;
    const hint = before !== null && before.end === lo && before.file === mf ? before.offset + (lo - before.start) : -1;
    let to: number;
    try {
      to = mf.allocate(length, KIND_ANONYMOUS, hint, !blank);
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
      if (size > PAGE_SIZE) continue;
      mm.failure = FAULT_NOMEM;
      return null;
    }
    if (!blank && !copyPMA(mm, p, lo, hi, to)) {
      mf.decRef(to, length);
      if (size > PAGE_SIZE) continue;
      mm.failure = FAULT_BUSERR;
      return null;
    }
    return substitute(mm, vma, p, lo, hi, to, !blank);
  }
}

/** Has private memory at `to` take the place of [start, end) of a pma; `committed`: the host holds it. */
export function substitute(
  mm: MemoryManager,
  vma: VMA,
  p: PMA,
  start: number,
  end: number,
  to: number,
  committed: boolean,
): PMA {
  const old = isolatePMA(mm, p, start, end);
  takePMA(mm, old);
  const q = new PMA(start, end, mm.memoryFile, to, AccessRead | AccessWrite | AccessExec, true);
  q.perms = vma.effective;
  q.committed = committed;
  insertPMA(mm, q);
  // The old memory may be freed only when the guest cannot reach it any more.
  if (old.mapped && !mapPMA(mm, q, true)) unmapHost(mm, start, end);
  old.file.decRef(old.offset, end - start);
  return mergePMA(mm, q);
}

/** Copies what is behind [start, end) of a pma to the memory file at `to`. False when it cannot be read. */
export function copyPMA(mm: MemoryManager, p: PMA, start: number, end: number, to: number): boolean {
  const mf = mm.memoryFile;
  let at = start;
  let dst = to;
  while (at < end) {
    let src: number;
    try {
      src = p.hostAddress(at);
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
      return false;
    }
    const n = Math.min(end - at, p.hostLength(at), mf.mappedLength(dst));
    if (!mf.copyFrom(dst, src, n)) return false;
    at += n;
    dst += n;
  }
  return true;
}

/** Grows the stack above an unmapped address down to it, if the rules allow. Returns its vma, or null. */
export function growStack(mm: MemoryManager, addr: number): VMA | null {
  const v = mm.vmas.lowerBound(addr);
  if (v === null || !v.growsDown || addr < MMAP_MIN_ADDR || addr < mm.platform.minUserAddress) return null;
  const { prev } = v;
  const page = pageDown(addr);
  let floor = Math.max(MMAP_MIN_ADDR, mm.platform.minUserAddress);
  if (prev !== null) floor = Math.max(floor, prev.end + (!prev.growsDown && prev.perms !== 0 ? STACK_GUARD_GAP : 0));
  if (page < floor) return null;
  // One step for many pages, as long as that breaks no rule.
  const generous = Math.min(page, Math.max(floor, v.start - STACK_STEP));
  return growTo(mm, v, generous) || growTo(mm, v, page) ? v : null;
}

function growTo(mm: MemoryManager, v: VMA, start: number): boolean {
  const grow = v.start - start;
  if (v.end - start > mm.limits.cur(RLIMIT_STACK)) return false;
  if (!mayExpand(mm, v, grow)) return false;
  if (v.lockMode !== LOCK_NONE && !mlockFutureOK(mm, grow, false)) return false;
  accountVMA(mm, v, grow);
  mm.vmas.setRange(v, start, v.end);
  return true;
}
