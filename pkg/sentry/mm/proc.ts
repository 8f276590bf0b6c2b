import * as linux from "../../abi/linux/mm.ts";
import { AccessExec, AccessRead, AccessWrite } from "../memmap/index.ts";
import { AnonMappable } from "./anon_mappable.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { LOCK_NONE, type VMA } from "./vma.ts";

/** Receives lines, each with its newline; byte strings. */
export interface LineWriter {
  writeLine(line: string): void;
}

/** Column at which names start in /proc/[pid]/maps. */
const NAME_COLUMN = 73;
const MINOR_BITS = 1048576;

function hex(n: number, width: number): string {
  return n.toString(16).padStart(width, "0");
}

/** The name of a vma in /proc/[pid]/maps, "" for none. */
export function vmaName(v: VMA): string {
  if (v.identity !== null) {
    if (v.anonName !== null && v.mappable instanceof AnonMappable) return `[anon_shmem:${v.anonName}]`;
    // seq_file_path escapes what would break the line.
    return v.identity.mappedName().replaceAll("\n", "\\012");
  }
  if (v.hint !== "") return v.hint;
  return v.anonName === null ? "" : `[anon:${v.anonName}]`;
}

/** The line of a vma in /proc/[pid]/maps (show_map_vma of Linux's fs/proc/task_mmu.c). */
export function mapsLine(v: VMA): string {
  const dev = v.identity === null ? 0 : v.identity.deviceID();
  const inode = v.identity === null ? 0 : v.identity.inodeID();
  const perms =
    ((v.perms & AccessRead) !== 0 ? "r" : "-") +
    ((v.perms & AccessWrite) !== 0 ? "w" : "-") +
    ((v.perms & AccessExec) !== 0 ? "x" : "-") +
    (v.isPrivate ? "p" : "s");
  const offset = v.identity === null ? 0 : v.offset;
  const device = `${hex(Math.floor(dev / MINOR_BITS), 2)}:${hex(dev % MINOR_BITS, 2)}`;
  const head = `${hex(v.start, 8)}-${hex(v.end, 8)} ${perms} ${hex(offset, 8)} ${device} ${inode} `;
  const name = vmaName(v);
  return name === "" ? `${head}\n` : `${head.padEnd(NAME_COLUMN, " ")}${name}\n`;
}

/** The page of the vsyscalls, which no vma is for and whose calls are emulated (get_gate_vma() of arch/x86). */
const VSYSCALL_LINE = "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

/** Writes /proc/[pid]/maps. */
export function writeMaps(mm: MemoryManager, out: LineWriter): void {
  for (let v = mm.vmas.head; v !== null; v = v.next) out.writeLine(mapsLine(v));
  out.writeLine(VSYSCALL_LINE);
}

/** Memory behind a vma in bytes, page by page: what is committed, not what is promised. */
export class MemoryUsage {
  rss = 0;
  pss = 0;
  sharedClean = 0;
  privateClean = 0;
  sharedDirty = 0;
  privateDirty = 0;
  pssDirty = 0;
  anonymous = 0;

  /** Adds what is behind [start, end). */
  add(mm: MemoryManager, start: number, end: number): void {
    const mf = mm.memoryFile;
    for (let p = mm.pmas.lowerBound(start); p !== null && p.start < end; p = p.next) {
      const lo = Math.max(start, p.start);
      const hi = Math.min(end, p.end);
      if (p.file !== mf) {
        // What of a host file is cached is the host's knowledge: all of it counts, as clean and ours.
        this.rss += hi - lo;
        this.pss += hi - lo;
        this.privateClean += hi - lo;
        continue;
      }
      let off = p.offset + (lo - p.start);
      const stop = off + (hi - lo);
      while (off < stop && mf.nextData(off, stop)) {
        this.addData(mm, mf.extentStart, mf.extentEnd, p.isPrivate);
        off = mf.extentEnd;
      }
    }
  }

  addData(mm: MemoryManager, start: number, end: number, anonymous: boolean): void {
    for (let at = start; at < end; at += linux.PAGE_SIZE) {
      // What backs a shared mapping holds one reference of its own.
      const refs = Math.max(1, mm.memoryFile.refsAt(at) - (anonymous ? 0 : 1));
      const share = linux.PAGE_SIZE / refs;
      this.rss += linux.PAGE_SIZE;
      this.pss += share;
      this.pssDirty += share;
      if (anonymous) this.anonymous += linux.PAGE_SIZE;
      if (refs > 1) this.sharedDirty += linux.PAGE_SIZE;
      else this.privateDirty += linux.PAGE_SIZE;
    }
  }
}

function kb(name: string, bytes: number): string {
  return `${`${name}:`.padEnd(15)} ${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`;
}

function usageLines(u: MemoryUsage): string {
  return (
    kb("Rss", u.rss) +
    kb("Pss", u.pss) +
    kb("Pss_Dirty", u.pssDirty) +
    kb("Shared_Clean", u.sharedClean) +
    kb("Shared_Dirty", u.sharedDirty) +
    kb("Private_Clean", u.privateClean) +
    kb("Private_Dirty", u.privateDirty) +
    kb("Referenced", u.rss) +
    kb("Anonymous", u.anonymous) +
    kb("KSM", 0) +
    kb("LazyFree", 0) +
    kb("AnonHugePages", 0) +
    kb("ShmemPmdMapped", 0) +
    kb("FilePmdMapped", 0) +
    kb("Shared_Hugetlb", 0) +
    kb("Private_Hugetlb", 0) +
    kb("Swap", 0) +
    kb("SwapPss", 0)
  );
}

/** VmFlags of smaps, in Linux's order. */
export function vmFlags(v: VMA): string {
  let s = "";
  if ((v.perms & AccessRead) !== 0) s += "rd ";
  if ((v.perms & AccessWrite) !== 0) s += "wr ";
  if ((v.perms & AccessExec) !== 0) s += "ex ";
  if (!v.isPrivate && (v.maxPerms & AccessWrite) !== 0) s += "sh ";
  if ((v.maxPerms & AccessRead) !== 0) s += "mr ";
  if ((v.maxPerms & AccessWrite) !== 0) s += "mw ";
  if ((v.maxPerms & AccessExec) !== 0) s += "me ";
  if (!v.isPrivate) s += "ms ";
  if (v.growsDown) s += "gd ";
  if (v.lockMode !== LOCK_NONE) s += "lo ";
  if ((v.advice & (1 << linux.MADV_SEQUENTIAL)) !== 0) s += "sr ";
  if ((v.advice & (1 << linux.MADV_RANDOM)) !== 0) s += "rr ";
  if (v.dontFork) s += "dc ";
  if (v.special) s += "de ";
  if (v.isPrivate && (v.perms & AccessWrite) !== 0 && !v.noReserve) s += "ac ";
  if (v.noReserve) s += "nr ";
  if (v.wipeOnFork) s += "wf ";
  if (v.dontDump) s += "dd ";
  if ((v.advice & (1 << linux.MADV_HUGEPAGE)) !== 0) s += "hg ";
  if ((v.advice & (1 << linux.MADV_NOHUGEPAGE)) !== 0) s += "nh ";
  if ((v.advice & (1 << linux.MADV_MERGEABLE)) !== 0) s += "mg ";
  return s;
}

function sizeLines(size: number): string {
  return kb("Size", size) + kb("KernelPageSize", linux.PAGE_SIZE) + kb("MMUPageSize", linux.PAGE_SIZE);
}

function lockedLines(locked: number, flags: string): string {
  return `${kb("Locked", locked)}THPeligible:           0\nVmFlags: ${flags}\n`;
}

/** The block of a vma in /proc/[pid]/smaps. */
export function smapsBlock(mm: MemoryManager, v: VMA): string {
  const u = new MemoryUsage();
  if (!v.special) u.add(mm, v.start, v.end);
  return (
    mapsLine(v) +
    sizeLines(v.end - v.start) +
    usageLines(u) +
    lockedLines(v.lockMode !== LOCK_NONE ? u.pss : 0, vmFlags(v))
  );
}

/** Writes /proc/[pid]/smaps. */
export function writeSmaps(mm: MemoryManager, out: LineWriter): void {
  for (let v = mm.vmas.head; v !== null; v = v.next) out.writeLine(smapsBlock(mm, v));
  out.writeLine(VSYSCALL_LINE + sizeLines(linux.PAGE_SIZE) + usageLines(new MemoryUsage()) + lockedLines(0, "ex "));
}

/** The text of /proc/[pid]/smaps_rollup. */
export function smapsRollup(mm: MemoryManager): string {
  const first = mm.vmas.head;
  const last = mm.vmas.tail;
  if (first === null || last === null) return "";
  const u = new MemoryUsage();
  let locked = 0;
  for (let v: VMA | null = first; v !== null; v = v.next) {
    const before = u.pss;
    if (!v.special) u.add(mm, v.start, v.end);
    if (v.lockMode !== LOCK_NONE) locked += u.pss - before;
  }
  const range = `${hex(first.start, 8)}-${hex(last.end, 8)} ---p 00000000 00:00 0 `;
  // Rollup tells apart where the proportional share comes from, between Pss_Dirty and Shared_Clean.
  const split = usageLines(u).replace(
    /^Shared_Clean/m,
    `${kb("Pss_Anon", u.anonymous)}${kb("Pss_File", u.privateClean)}${kb("Pss_Shmem", 0)}Shared_Clean`,
  );
  return `${range.padEnd(NAME_COLUMN, " ")}[rollup]\n${split}${kb("Locked", locked)}`;
}

/** Numbers of /proc/[pid]/statm, in pages: size, resident, shared, text, 0, data, 0. */
export function statm(mm: MemoryManager): number[] {
  const pages = 1 / linux.PAGE_SIZE;
  const textStart = mm.startCode - (mm.startCode % linux.PAGE_SIZE);
  const text = Math.max(0, Math.ceil((mm.endCode - textStart) * pages));
  return [
    mm.totalVM * pages,
    mm.currentRSS() * pages,
    (mm.rssFile + mm.rssShmem) * pages,
    text,
    0,
    (mm.dataVM + mm.stackVM) * pages,
    0,
  ];
}
