import { stateType } from "../../state/index.ts";
import {
  AccessExec,
  AccessRead,
  AccessWrite,
  type Mappable,
  type MappingIdentity,
  type MappingSpace,
  Segment,
  SegmentSet,
  type Translation,
} from "../memmap/index.ts";
import { KIND_ANONYMOUS, type MemoryFile } from "../pgalloc/index.ts";

/** Memory is allocated in pieces of this size. */
const PIECE = 1024 * 1024;

/** A range of an AnonMappable that has memory. */
export class AnonPiece extends Segment<AnonPiece> {
  static override readonly stateType = stateType("mm.AnonPiece", ["offset"]);
  /** Offset in the memory file of `start`. */
  offset: number;

  constructor(start: number, end: number, offset: number) {
    super(start, end);
    this.offset = offset;
  }
}

/**
 * The object behind mmap(MAP_SHARED | MAP_ANONYMOUS): zero-filled memory of fixed size, shared by all who inherit the mapping. Its life
 * is counted by the references on it as a MappingIdentity; it starts with one.
 */
export class AnonMappable implements Mappable, MappingIdentity {
  static readonly stateType = stateType("mm.AnonMappable", ["memoryFile", "size", "inode", "refs", "pieces"]);
  readonly memoryFile: MemoryFile;
  /** In bytes, page-aligned. */
  readonly size: number;
  /** Inode number for /proc/[pid]/maps. */
  readonly inode: number;
  refs = 1;
  readonly pieces: SegmentSet<AnonPiece> = new SegmentSet();

  constructor(memoryFile: MemoryFile, size: number) {
    this.memoryFile = memoryFile;
    this.size = size;
    this.inode = memoryFile.fileIDs.newFileID();
  }

  incRef(): void {
    this.refs++;
  }

  decRef(): void {
    this.refs--;
    if (this.refs > 0) return;
    for (let p = this.pieces.head; p !== null; p = p.next) this.memoryFile.decRef(p.offset, p.end - p.start);
    this.pieces.clear();
  }

  mappedName(): string {
    return "/dev/zero (deleted)";
  }

  /** The device of Linux's internal tmpfs: 0:1. */
  deviceID(): number {
    return 1;
  }

  inodeID(): number {
    return this.inode;
  }

  msyncRange(_start: number, _end: number): void {}

  /** Nothing to note: it is never truncated. */
  addMapping(_ms: MappingSpace, _start: number, _end: number, _offset: number, _writable: boolean): void {}

  removeMapping(_ms: MappingSpace, _start: number, _end: number, _offset: number, _writable: boolean): void {}

  translate(start: number, end: number, optionalEnd: number, _access: number): Translation[] {
    const out: Translation[] = [];
    const limit = Math.min(end, this.size);
    let at = start;
    while (at < limit) {
      const p = this.pieces.find(at) ?? this.allocatePiece(at);
      const stop = Math.min(p.end, Math.max(limit, optionalEnd));
      out.push({
        start: at,
        end: stop,
        file: this.memoryFile,
        offset: p.offset + (at - p.start),
        perms: AccessRead | AccessWrite | AccessExec,
      });
      at = p.end;
    }
    return out;
  }

  /** MADV_REMOVE: the range reads as zeros again, for all who map it. */
  punch(start: number, end: number): void {
    for (let p = this.pieces.lowerBound(start); p !== null && p.start < end; p = p.next) {
      const lo = Math.max(start, p.start);
      const hi = Math.min(end, p.end);
      this.memoryFile.decommit(p.offset + (lo - p.start), hi - lo);
    }
  }

  allocatePiece(at: number): AnonPiece {
    const next = this.pieces.lowerBound(at);
    const prev = next === null ? this.pieces.tail : next.prev;
    const base = at - (at % PIECE);
    const lo = Math.max(base, prev === null ? 0 : prev.end);
    const hi = Math.min(base + PIECE, next === null ? this.size : next.start);
    const hint = prev !== null && prev.end === lo ? prev.offset + (prev.end - prev.start) : -1;
    const offset = this.memoryFile.allocate(hi - lo, KIND_ANONYMOUS, hint);
    if (prev !== null && prev.end === lo && offset === hint) {
      this.pieces.setRange(prev, prev.start, hi);
      return prev;
    }
    const p = new AnonPiece(lo, hi, offset);
    this.pieces.insert(p);
    return p;
  }
}
