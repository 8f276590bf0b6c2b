import * as elf from "../../abi/linux/elf.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { AccessExec, AccessRead, AccessWrite, newMMapOpts } from "../memmap/index.ts";
import type { MemoryManager } from "../mm/index.ts";
import type { FileDescription } from "../vfs/index.ts";
import type { ElfHeader, ProgramHeader } from "./elf.ts";
import { PAGE_SIZE, pageDown, pageUp, pieBase, type RandomSource, TASK_SIZE } from "./layout.ts";

/** Where an executable came to be, all addresses final. */
export interface LoadedElf {
  /** Added to the addresses in the file. */
  bias: number;
  entry: number;
  /** Address of the program headers, for AT_PHDR. */
  phdrAddr: number;
  startCode: number;
  endCode: number;
  startData: number;
  endData: number;
  /** End of the highest segment. */
  end: number;
}

/** Whether an address lies outside of what a program may use. */
function isBad(addr: number): boolean {
  return addr >= TASK_SIZE || addr < 0;
}

function protection(flags: number): number {
  return (
    ((flags & elf.PF_R) !== 0 ? AccessRead : 0) |
    ((flags & elf.PF_W) !== 0 ? AccessWrite : 0) |
    ((flags & elf.PF_X) !== 0 ? AccessExec : 0)
  );
}

/** How a segment's address is to be taken, as with mmap(2). */
const PLACE_HINT = 0;
const PLACE_FIXED = 1;
const PLACE_NOREPLACE = 2;

/** Bytes from the page of the first segment to the end of the last in address, or 0 when there is none. */
function totalMappingSize(phdrs: readonly ProgramHeader[]): number {
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  for (const p of phdrs) {
    if (p.type !== elf.PT_LOAD) continue;
    min = Math.min(min, pageDown(p.vaddr));
    max = Math.max(max, p.vaddr + p.memsz);
  }
  return max > min ? max - min : 0;
}

/** The largest alignment that is a power of two, at least a page. */
function maximumAlignment(phdrs: readonly ProgramHeader[]): number {
  let alignment = 0;
  for (const p of phdrs) {
    if (p.type !== elf.PT_LOAD || p.align === 0) continue;
    if (2 ** Math.floor(Math.log2(p.align)) !== p.align) continue;
    alignment = Math.max(alignment, p.align);
  }
  return Math.max(alignment, PAGE_SIZE);
}

/** Maps the file's part of a segment. With `total` room for the whole image is found first. Returns the address. */
function mapFilePart(
  mm: MemoryManager,
  file: FileDescription,
  addr: number,
  p: ProgramHeader,
  prot: number,
  place: number,
  total: number,
): number {
  const pageOffset = p.vaddr % PAGE_SIZE;
  const start = pageDown(addr);
  const size = pageUp(p.filesz + pageOffset);
  const offset = p.offset - pageOffset;
  if (size === 0) return start;
  const length = Math.max(size, total === 0 ? 0 : pageUp(total));
  if (offset < 0 || offset % PAGE_SIZE !== 0) throw linuxerr.EINVAL;
  if (length > TASK_SIZE) throw linuxerr.ENOMEM;
  if (!Number.isSafeInteger(offset + length)) throw linuxerr.EOVERFLOW;
  const opts = newMMapOpts();
  // A hint that makes no sense is none.
  opts.addr = place === PLACE_HINT && isBad(start) ? 0 : start;
  opts.length = length;
  opts.fixed = place !== PLACE_HINT;
  opts.unmap = place === PLACE_FIXED;
  opts.perms = prot;
  opts.isPrivate = true;
  opts.offset = offset;
  file.configureMMap(opts);
  const at = mm.mmap(opts);
  if (length > size) mm.munmap(at + size, length - size);
  return at;
}

/** Maps zeros over [start, end), readable and writable. */
function mapZeros(mm: MemoryManager, start: number, end: number, exec: boolean): void {
  if (end <= start) return;
  const opts = newMMapOpts();
  opts.addr = start;
  opts.length = end - start;
  opts.fixed = true;
  opts.unmap = true;
  opts.perms = AccessRead | AccessWrite | (exec ? AccessExec : 0);
  mm.mmap(opts);
}

/** Maps one segment: the file's part, zeros to the end of its last page, zero pages behind. Returns the address of the first page. */
function loadSegment(
  mm: MemoryManager,
  file: FileDescription,
  addr: number,
  p: ProgramHeader,
  place: number,
  total: number,
): number {
  const prot = protection(p.flags);
  const pageOffset = p.vaddr % PAGE_SIZE;
  let at: number;
  let zeroStart: number;
  let zeroEnd: number;
  if (p.filesz > 0) {
    at = mapFilePart(mm, file, addr, p, prot, place, total);
    zeroStart = at + pageOffset + p.filesz;
    zeroEnd = at + pageOffset + p.memsz;
    if (p.memsz > p.filesz) {
      const tail = pageUp(zeroStart) - zeroStart;
      // A segment that is not writable keeps what the file has there.
      if (tail > 0 && (prot & AccessWrite) !== 0) {
        if (mm.zeroOut(zeroStart, tail) !== tail) throw linuxerr.EFAULT;
      }
    }
  } else {
    at = pageDown(addr);
    zeroStart = at;
    zeroEnd = at + pageOffset + p.memsz;
  }
  if (p.memsz > p.filesz) {
    if (zeroEnd > TASK_SIZE) throw linuxerr.ENOMEM;
    mapZeros(mm, pageUp(zeroStart), pageUp(zeroEnd), (prot & AccessExec) !== 0);
  }
  return at;
}

/** Refuses segments that do not fit the address space or have more bytes in the file than in memory. */
function checkSegment(k: number, p: ProgramHeader, err: linuxerr.LinuxError): void {
  if (isBad(k) || p.filesz > p.memsz || p.memsz > TASK_SIZE || TASK_SIZE - p.memsz < k) throw err;
}

/** Maps an executable. Errors after the first mapping leave mm half built: the caller throws it away. */
export function mapExecutable(
  mm: MemoryManager,
  file: FileDescription,
  h: ElfHeader,
  phdrs: readonly ProgramHeader[],
  hasInterpreter: boolean,
  random: RandomSource,
): LoadedElf {
  const out: LoadedElf = {
    bias: 0,
    entry: 0,
    phdrAddr: 0,
    startCode: Number.POSITIVE_INFINITY,
    endCode: 0,
    startData: 0,
    endData: 0,
    end: 0,
  };
  let bias = 0;
  let first = true;
  let phdr = 0;
  for (const p of phdrs) {
    if (p.type !== elf.PT_LOAD) continue;
    let place = PLACE_FIXED;
    let total = 0;
    if (first) {
      if (h.type === elf.ET_EXEC) {
        place = PLACE_NOREPLACE;
      } else {
        total = totalMappingSize(phdrs);
        if (total === 0) throw linuxerr.EINVAL;
        const alignment = maximumAlignment(phdrs);
        place = PLACE_HINT;
        if (hasInterpreter) {
          bias = pieBase(random);
          bias -= bias % alignment;
          place = PLACE_NOREPLACE;
        } else if (alignment > PAGE_SIZE) {
          // Where there is room decides; then that address is aligned.
          const room = newMMapOpts();
          room.length = pageUp(total + alignment);
          const at = mm.mmap(room);
          mm.munmap(at, room.length);
          bias = at + alignment - 1;
          bias -= bias % alignment;
          place = PLACE_NOREPLACE;
        }
        bias = pageDown(bias - p.vaddr);
      }
    }
    const addr = bias + p.vaddr;
    if (place !== PLACE_HINT && isBad(addr)) throw linuxerr.EINVAL;
    const at = loadSegment(mm, file, addr, p, place, total);
    if (first) {
      first = false;
      if (h.type === elf.ET_DYN) bias += at - pageDown(addr);
    }
    if (p.offset <= h.phoff && h.phoff < p.offset + p.filesz) phdr = h.phoff - p.offset + p.vaddr;
    checkSegment(p.vaddr, p, linuxerr.EINVAL);
    const exec = (p.flags & elf.PF_X) !== 0;
    if (exec && p.vaddr < out.startCode) out.startCode = p.vaddr;
    if (out.startData < p.vaddr) out.startData = p.vaddr;
    const fileEnd = p.vaddr + p.filesz;
    if (exec && out.endCode < fileEnd) out.endCode = fileEnd;
    if (out.endData < fileEnd) out.endData = fileEnd;
    out.end = Math.max(out.end, p.vaddr + p.memsz);
  }
  out.bias = bias;
  out.entry = h.entry + bias;
  out.phdrAddr = phdr + bias;
  out.startCode = out.startCode === Number.POSITIVE_INFINITY ? 0 : out.startCode + bias;
  out.endCode += bias;
  out.startData += bias;
  out.endData += bias;
  out.end += bias;
  return out;
}

/** Maps a program interpreter; returns its load bias. `anywhere` asks for any place (the program itself was moved). */
export function mapInterpreter(
  mm: MemoryManager,
  file: FileDescription,
  h: ElfHeader,
  phdrs: readonly ProgramHeader[],
  anywhere: boolean,
): number {
  let total = totalMappingSize(phdrs);
  if (total === 0) throw linuxerr.EINVAL;
  let bias = 0;
  let biasSet = false;
  for (const p of phdrs) {
    if (p.type !== elf.PT_LOAD) continue;
    let place = PLACE_HINT;
    if (h.type === elf.ET_EXEC || biasSet) place = PLACE_FIXED;
    else if (anywhere) bias = -p.vaddr;
    const addr = bias + p.vaddr;
    if (place !== PLACE_HINT && isBad(addr)) throw linuxerr.ENOMEM;
    const at = loadSegment(mm, file, addr, p, place, total);
    total = 0;
    if (!biasSet && h.type === elf.ET_DYN) {
      bias = at - pageDown(p.vaddr);
      biasSet = true;
    }
    checkSegment(bias + p.vaddr, p, linuxerr.ENOMEM);
  }
  return bias;
}
