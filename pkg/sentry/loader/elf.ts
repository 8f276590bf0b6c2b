import * as elf from "../../abi/linux/elf.ts";
import { stateType } from "../../state/index.ts";
import type { FileDescription } from "../vfs/index.ts";
import { readFull } from "./read.ts";

/** Bytes of a Head: header, program headers, the interpreter's name. */
const HEAD_SIZE = 2048;

/** The fields of an ELF header that the loader uses. */
export interface ElfHeader {
  type: number;
  entry: number;
  phoff: number;
  phentsize: number;
  phnum: number;
}

/** One program header. 64-bit fields are exact below 2^53 and at least 2^53 otherwise: never valid then. */
export interface ProgramHeader {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  filesz: number;
  memsz: number;
  align: number;
}

/** Types of program headers that the loader looks at. */
const USED: readonly number[] = [elf.PT_LOAD, elf.PT_INTERP, elf.PT_GNU_STACK];

/** Reads an unsigned 64-bit little-endian field as a number. */
export function getU64(v: DataView, off: number): number {
  return v.getUint32(off + 4, true) * 4294967296 + v.getUint32(off, true);
}

/** The same, of two words. */
function u64At(words: Uint32Array, i: number): number {
  return (words[i + 1] ?? 0) * 4294967296 + (words[i] ?? 0);
}

/** Decodes a header; null when the file is not an x86-64 executable or shared object. Linux looks at no more than this. */
export function parseHeader(buf: Uint8Array): ElfHeader | null {
  if (buf.length < elf.SIZEOF_EHDR) return null;
  const v = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
  if (v.getUint32(0, true) !== elf.ELF_MAGIC) return null;
  const type = v.getUint16(elf.E_TYPE, true);
  if (type !== elf.ET_EXEC && type !== elf.ET_DYN) return null;
  if (v.getUint16(elf.E_MACHINE, true) !== elf.EM_X86_64) return null;
  return {
    type,
    entry: getU64(v, elf.E_ENTRY),
    phoff: getU64(v, elf.E_PHOFF),
    phentsize: v.getUint16(elf.E_PHENTSIZE, true),
    phnum: v.getUint16(elf.E_PHNUM, true),
  };
}

/** The beginning of a file as read by one call: the header and, nearly always, all that a loader asks for. */
export class Head {
  readonly file: FileDescription;
  readonly bytes: Buffer;
  /** Bytes that were there, or a negative errno. */
  readonly length: number;

  constructor(file: FileDescription) {
    this.file = file;
    this.bytes = Buffer.from(new ArrayBuffer(HEAD_SIZE));
    this.length = readFull(file, this.bytes, HEAD_SIZE, 0);
  }

  /** `size` bytes from an offset on, from the head or the file; less at the end of the file; or a negative errno. */
  read(offset: number, size: number): Uint8Array | number {
    if (offset + size <= this.length) return this.bytes.subarray(offset, offset + size);
    const buf = new Uint8Array(size);
    const n = readFull(this.file, buf, size, offset);
    return n < 0 ? n : buf.subarray(0, n);
  }
}

/** The beginning of a program, and what it says. */
export class KnownHead {
  static readonly stateType = stateType("loader.KnownHead", [], ["bytes", "length", "header", "phdrs"]);
  readonly bytes: Buffer;
  readonly length: number;
  readonly header: ElfHeader;
  readonly phdrs: readonly ProgramHeader[];

  constructor(head: Head, header: ElfHeader, phdrs: readonly ProgramHeader[]) {
    this.bytes = head.bytes;
    this.length = head.length;
    this.header = header;
    this.phdrs = phdrs;
  }
}

/** How many are kept: the programs of a build. */
const MAX_KNOWN = 16;

/** Programs that ran lately: the same beginning need not be decoded again. It is read and compared each time. */
export class KnownHeads {
  static readonly stateType = stateType("loader.KnownHeads", [], ["entries", "oldest"]);
  readonly entries: KnownHead[] = [];
  oldest = 0;

  /** What is known of a beginning, or null. */
  find(head: Head): KnownHead | null {
    for (const e of this.entries) if (e.length === head.length && e.bytes.equals(head.bytes)) return e;
    return null;
  }

  /** Keeps what was decoded, if all of it is in the beginning. */
  add(head: Head, header: ElfHeader, phdrs: readonly ProgramHeader[]): void {
    if (header.phoff + header.phnum * elf.SIZEOF_PHDR > head.length) return;
    this.entries[this.oldest] = new KnownHead(head, header, phdrs);
    this.oldest = (this.oldest + 1) % MAX_KNOWN;
  }
}

/** Reads the program headers that the loader looks at, in their order; null when their description or the file is too short. */
export function readProgramHeaders(head: Head, h: ElfHeader): ProgramHeader[] | null {
  if (h.phentsize !== elf.SIZEOF_PHDR) return null;
  const size = h.phnum * elf.SIZEOF_PHDR;
  if (size === 0 || size > elf.ELF_MAX_PHDRS_SIZE) return null;
  const buf = head.read(h.phoff, size);
  if (typeof buf === "number" || buf.length !== size) return null;
  const words = new Uint32Array(new ArrayBuffer(size));
  new Uint8Array(words.buffer).set(buf);
  const out: ProgramHeader[] = [];
  for (let p = 0; p < words.length; p += elf.SIZEOF_PHDR / 4) {
    const type = words[p + elf.P_TYPE / 4] ?? 0;
    if (!USED.includes(type)) continue;
    out.push({
      type,
      flags: words[p + elf.P_FLAGS / 4] ?? 0,
      offset: u64At(words, p + elf.P_OFFSET / 4),
      vaddr: u64At(words, p + elf.P_VADDR / 4),
      filesz: u64At(words, p + elf.P_FILESZ / 4),
      memsz: u64At(words, p + elf.P_MEMSZ / 4),
      align: u64At(words, p + elf.P_ALIGN / 4),
    });
  }
  return out;
}
