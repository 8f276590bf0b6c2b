import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";
import { type File, FileIDs, Segment, SegmentSet } from "../memmap/index.ts";
import { KIND_COUNT, type MemoryKind } from "./memory_kind.ts";

const PAGE_SIZE = 4096;
/** Bytes of the file behind one host mapping; also the step by which the (sparse) file grows. */
const CHUNK_SIZE = 1024 * 1024 * 1024;
/** Freed memory that may stay committed until it is reused or flushed. */
const MAX_DIRTY = 32 * 1024 * 1024;
/** A dirty range up to this size is cleared in place when it is reused; larger ones are given back to the host and come back zero. */
const MAX_CLEAR = 128 * 1024;

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MFD_CLOEXEC = 1;
const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = 6;

/** An allocated range: every page of it has the same reference count and kind. */
export class UsedRange extends Segment<UsedRange> {
  static override readonly stateType = stateType("pgalloc.UsedRange", ["refs", "kind"]);
  refs: number;
  kind: MemoryKind;

  constructor(start: number, end: number, refs: number, kind: MemoryKind) {
    super(start, end);
    this.refs = refs;
    this.kind = kind;
  }
}

/** A free range that still holds old bytes. */
export class DirtyRange extends Segment<DirtyRange> {
  static override readonly stateType = stateType("pgalloc.DirtyRange", []);
}

/** Options of a MemoryFile. */
export interface MemoryFileOpts {
  /** Bytes that may be allocated at one time; beyond that allocate throws ENOMEM. Default: no limit. */
  limit?: number;
  /** Name of the memfd, shown in the host's /proc/[pid]/maps. */
  name?: string;
  /** Where fileID comes from. Default: a new source, which then serves all other Files of the sentry. */
  fileIDs?: FileIDs;
}

/**
 * A memfd from which guest memory is allocated in page ranges. Each page of an allocated range carries a reference count; at zero it
 * is free. The last reference may be dropped only when no address space maps the page any more. Allocated memory is zero.
 */
export class MemoryFile implements File {
  static readonly stateType = stateType(
    "pgalloc.MemoryFile",
    ["fileID", "fileIDs", "limit", "length", "used", "dirty", "dirtyBytes", "usedBytes", "usage"],
    ["fd", "chunks", "extentStart", "extentEnd"],
  );
  readonly fileID: number;
  /** Source of File.fileID for everything else that can be mapped. */
  readonly fileIDs: FileIDs;
  fd: number;
  limit: number;
  /** Size of the file, a multiple of CHUNK_SIZE. */
  length = 0;
  /** Host address of each mapped chunk; 0: not mapped yet. */
  chunks: number[] = [];
  readonly used: SegmentSet<UsedRange> = new SegmentSet();
  /** Part of what is not in `used`. */
  readonly dirty: SegmentSet<DirtyRange> = new SegmentSet();
  dirtyBytes = 0;
  usedBytes = 0;
  /** Allocated bytes by MemoryKind. */
  readonly usage: number[] = new Array<number>(KIND_COUNT).fill(0);
  /** Answer of uniqueExtent and nextData. */
  extentStart = 0;
  extentEnd = 0;

  /** Creates the memfd; throws the host's error. */
  constructor(opts: MemoryFileOpts = {}) {
    this.limit = opts.limit ?? Number.POSITIVE_INFINITY;
    this.fileIDs = opts.fileIDs ?? new FileIDs();
    this.fileID = this.fileIDs.newFileID();
    this.fd = host.memfdCreate(opts.name ?? "runsc-memory", MFD_CLOEXEC);
    if (this.fd < 0) throw linuxerr.fromErrno(-this.fd);
  }

  /** Unmaps and closes the file. No address space may use it any more. */
  destroy(): void {
    for (const base of this.chunks) if (base !== 0) host.munmap(base, CHUNK_SIZE);
    this.chunks = [];
    if (this.fd >= 0) host.close(this.fd);
    this.fd = -1;
  }

  /** See File. */
  hostFD(): number {
    return this.fd;
  }

  /** See File. */
  mapInternal(offset: number): number {
    const i = Math.floor(offset / CHUNK_SIZE);
    const base = this.chunks[i] ?? 0;
    return (base === 0 ? this.mapChunk(i) : base) + (offset - i * CHUNK_SIZE);
  }

  /** See File. */
  mappedLength(offset: number): number {
    return CHUNK_SIZE - (offset % CHUNK_SIZE);
  }

  mapChunk(i: number): number {
    const addr = host.mmap(0, CHUNK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, this.fd, i * CHUNK_SIZE);
    if (addr < 0) throw linuxerr.fromErrno(-addr);
    while (this.chunks.length < i) this.chunks.push(0);
    this.chunks[i] = addr;
    return addr;
  }

  /**
   * Allocates `length` bytes (a multiple of the page size) with one reference and returns their offset. `hint` is the offset
   * where the range is put when there is room (to continue a neighbour), or -1. With `overwritten` the caller promises to store to
   * every byte before anybody else sees it, and the memory need not be zero. Throws ENOMEM at the limit.
   */
  allocate(length: number, kind: MemoryKind, hint = -1, overwritten = false): number {
    if (length <= 0 || length % PAGE_SIZE !== 0) throw new Error("pgalloc: bad length");
    if (this.usedBytes + length > this.limit) throw linuxerr.ENOMEM;
    let start = -1;
    if (hint >= 0 && hint + length <= this.length && this.used.isFree(hint, hint + length)) start = hint;
    if (start < 0) start = this.used.findFirstGap(0, Number.MAX_SAFE_INTEGER, length);
    if (start < 0) throw linuxerr.ENOMEM;
    if (start + length > this.length) this.grow(start + length);
    if (this.dirty.count > 0) this.clean(start, start + length, !overwritten);
    const end = start + length;
    const after = this.used.lowerBound(start);
    const before = after === null ? this.used.tail : after.prev;
    // The common case, continuing an allocation of the same kind, needs no new segment.
    if (before !== null && before.end === start && before.refs === 1 && before.kind === kind) {
      this.used.setRange(before, before.start, end);
      if (after !== null) this.tryMerge(before, after);
    } else {
      const r = new UsedRange(start, end, 1, kind);
      this.used.insert(r);
      if (after !== null) this.tryMerge(r, after);
    }
    this.usedBytes += length;
    this.usage[kind] = (this.usage[kind] ?? 0) + length;
    return start;
  }

  /** See File. The range must be allocated. */
  incRef(offset: number, length: number): void {
    const end = offset + length;
    this.splitAt(offset);
    this.splitAt(end);
    let r = this.used.find(offset);
    for (let at = offset; at < end; ) {
      if (r === null || r.start !== at) throw new Error("pgalloc: incRef of free memory");
      r.refs++;
      at = r.end;
      r = r.next;
    }
    this.mergeRange(offset, end);
  }

  /** See File. Ranges without references become free. */
  decRef(offset: number, length: number): void {
    const end = offset + length;
    this.splitAt(offset);
    this.splitAt(end);
    let r = this.used.find(offset);
    for (let at = offset; at < end; ) {
      if (r === null || r.start !== at) throw new Error("pgalloc: decRef of free memory");
      const next: UsedRange | null = r.next;
      at = r.end;
      r.refs--;
      if (r.refs === 0) this.free(r);
      r = next;
    }
    this.mergeRange(offset, end);
    if (this.dirtyBytes > MAX_DIRTY) this.flush();
  }

  /**
   * Finds the largest range around `offset`, within [low, high), whose pages have exactly one reference; sets extentStart and
   * extentEnd. Returns false when the page at offset itself is shared.
   */
  uniqueExtent(offset: number, low: number, high: number): boolean {
    const at = this.used.find(offset);
    if (at === null || at.refs !== 1) return false;
    let first = at;
    while (first.start > low && first.prev !== null && first.prev.end === first.start && first.prev.refs === 1) {
      first = first.prev;
    }
    let last = at;
    while (last.end < high && last.next !== null && last.next.start === last.end && last.next.refs === 1) {
      last = last.next;
    }
    this.extentStart = Math.max(low, first.start);
    this.extentEnd = Math.min(high, last.end);
    return true;
  }

  /** References on the page at `offset`; 0: free. */
  refsAt(offset: number): number {
    return this.used.find(offset)?.refs ?? 0;
  }

  /** Makes an allocated range read as zeros and gives its memory back; mappings of it stay valid. */
  decommit(offset: number, length: number): void {
    const rc = host.fallocate(this.fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length);
    if (rc < 0) throw linuxerr.fromErrno(-rc);
  }

  /** Gives memory that is free but still committed back to the host. Called when there is too much of it, and before long sleeps. */
  flush(): void {
    for (let r = this.dirty.head; r !== null; r = r.next) this.decommit(r.start, r.end - r.start);
    this.dirty.clear();
    this.dirtyBytes = 0;
  }

  /** Bytes of host memory the file holds now (one host call). */
  committedBytes(): number {
    const st = new host.HostStat();
    const rc = host.fstat(this.fd, st);
    if (rc < 0) throw linuxerr.fromErrno(-rc);
    return st.blocks * 512;
  }

  /**
   * Finds the first committed run of pages in [offset, end); sets extentStart and extentEnd. Returns false when there is none.
   * Pages that were never touched are not committed.
   */
  nextData(offset: number, end: number): boolean {
    const start = host.lseek(this.fd, offset, SEEK_DATA);
    if (start === -ENXIO) return false;
    if (start < 0) throw linuxerr.fromErrno(-start);
    if (start >= end) return false;
    const hole = host.lseek(this.fd, start, SEEK_HOLE);
    this.extentStart = Math.max(offset, start);
    this.extentEnd = hole < 0 ? end : Math.min(end, hole);
    return true;
  }

  grow(end: number): void {
    const length = Math.ceil(end / CHUNK_SIZE) * CHUNK_SIZE;
    const rc = host.ftruncate(this.fd, length);
    if (rc < 0) throw linuxerr.ENOMEM;
    this.length = length;
  }

  free(r: UsedRange): void {
    const length = r.end - r.start;
    this.usedBytes -= length;
    this.usage[r.kind] = (this.usage[r.kind] ?? 0) - length;
    this.used.remove(r);
    const after = this.dirty.lowerBound(r.end);
    const before = after === null ? this.dirty.tail : after.prev;
    if (before !== null && before.end === r.start) {
      if (after !== null && after.start === r.end) {
        const end = after.end;
        this.dirty.remove(after);
        this.dirty.setRange(before, before.start, end);
      } else {
        this.dirty.setRange(before, before.start, r.end);
      }
    } else if (after !== null && after.start === r.end) {
      this.dirty.setRange(after, r.start, after.end);
    } else {
      this.dirty.insert(new DirtyRange(r.start, r.end));
    }
    this.dirtyBytes += length;
  }

  /** Takes [start, end) out of the dirty set, clearing it when `zero`. */
  clean(start: number, end: number, zero: boolean): void {
    let r = this.dirty.lowerBound(start);
    while (r !== null && r.start < end) {
      const lo = Math.max(start, r.start);
      const hi = Math.min(end, r.end);
      if (zero) {
        const small = hi - lo <= MAX_CLEAR && hi - lo <= this.mappedLength(lo);
        if (!small || host.zeroHost(this.mapInternal(lo), hi - lo) !== 0) this.decommit(lo, hi - lo);
      }
      this.dirtyBytes -= hi - lo;
      const next: DirtyRange | null = r.next;
      const rEnd = r.end;
      if (r.start < lo) {
        this.dirty.setRange(r, r.start, lo);
        if (rEnd > hi) this.dirty.insert(new DirtyRange(hi, rEnd));
      } else if (rEnd > hi) {
        this.dirty.setRange(r, hi, rEnd);
      } else {
        this.dirty.remove(r);
      }
      r = next;
    }
  }

  splitAt(offset: number): void {
    const r = this.used.find(offset);
    if (r === null || r.start === offset) return;
    const end = r.end;
    this.used.setRange(r, r.start, offset);
    this.used.insert(new UsedRange(offset, end, r.refs, r.kind));
  }

  tryMerge(a: UsedRange, b: UsedRange): boolean {
    if (a.end !== b.start || a.refs !== b.refs || a.kind !== b.kind) return false;
    const end = b.end;
    this.used.remove(b);
    this.used.setRange(a, a.start, end);
    return true;
  }

  /** Merges what can be merged in and at the borders of [start, end). */
  mergeRange(start: number, end: number): void {
    let r = this.used.lowerBound(start - 1);
    while (r !== null && r.start <= end) {
      const next: UsedRange | null = r.next;
      if (next === null) return;
      if (!this.tryMerge(r, next)) r = next;
    }
  }
}
