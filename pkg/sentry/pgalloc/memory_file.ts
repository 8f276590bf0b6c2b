import { ENXIO } from "../../abi/linux/errno.ts";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, MFD_CLOEXEC, SEEK_DATA, SEEK_HOLE } from "../../abi/linux/file.ts";
import { MADV_POPULATE_READ, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from "../../abi/linux/mm.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { setFields, stateType } from "../../state/index.ts";
import { type File, FileIDs, Segment, SegmentSet } from "../memmap/index.ts";
import { KIND_COUNT, type MemoryKind } from "./memory_kind.ts";

/** Bytes of the file behind one host mapping; also the step by which the (sparse) file grows. */
const CHUNK_SIZE = 1024 * 1024 * 1024;
/** Freed memory that may stay committed until it is reused or flushed: a share of the container's memory within these bounds. */
const DIRTY_SHARE = 64;
const MIN_DIRTY = 32 * 1024 * 1024;
const MAX_DIRTY = 128 * 1024 * 1024;
/** Flushed at once when there is more than that. */
const FLUSH_STEP = 4 * 1024 * 1024;
/** A dirty range up to this size is cleared in place when it is reused, whether the host holds memory for all of it or not. */
const MAX_CLEAR = 32 * 1024;
/** The host is asked about its memory in steps of this size; so many runs of pages that it holds in one are cleared, else all is given back. */
const CLEAR_STEP = 2 * 1024 * 1024;
const MAX_RUNS = 8;
/** From so many pages on page tables are filled in one go before memory is cleared. */
const MIN_POPULATE = 2;

/** What is known of a page that was stored to since the host gave it: it is in the sentry's page tables, or it was written with pwrite(2). */
const STORED = 1;
const WRITTEN = 2;

const PAGES_PER_CHUNK = CHUNK_SIZE / PAGE_SIZE;

/** An allocated range of one kind; the pages of it may belong to many and be shared differently. */
export class UsedRange extends Segment<UsedRange> {
  static override readonly stateType = stateType("pgalloc.UsedRange", ["kind"]);
  kind: MemoryKind;

  constructor(start: number, end: number, kind: MemoryKind) {
    super(start, end);
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
  /** Memory of the container: how much free memory may stay committed depends on it. Default: little. */
  totalMemory?: number;
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
    ["fileID", "fileIDs", "limit", "length", "used", "refs", "dirty", "dirtyBytes", "usedBytes", "usage"],
    ["fd", "maxDirty", "chunks", "extentStart", "extentEnd", "recycled", "resident", "stored"],
  );
  readonly fileID: number;
  /** Source of File.fileID for everything else that can be mapped. */
  readonly fileIDs: FileIDs;
  fd: number;
  limit: number;
  /** Freed memory that may stay committed while there is work. */
  maxDirty: number;
  /** Size of the file, a multiple of CHUNK_SIZE. */
  length = 0;
  /** Host address of each mapped chunk; 0: not mapped yet. */
  chunks: number[] = [];
  readonly used: SegmentSet<UsedRange> = new SegmentSet();
  /** References of each page, an array for each chunk. Private memory of the sentry: 0.1 % of what the guests have. */
  readonly refs: Uint32Array[] = [];
  /** Part of what is not in `used`. */
  readonly dirty: SegmentSet<DirtyRange> = new SegmentSet();
  dirtyBytes = 0;
  usedBytes = 0;
  /** Allocated bytes by MemoryKind. */
  readonly usage: number[] = new Array<number>(KIND_COUNT).fill(0);
  /** Answer of uniqueExtent and nextData. */
  extentStart = 0;
  extentEnd = 0;
  /** The host holds memory for all that allocate returned last: mapping it costs no more for being complete. */
  recycled = false;
  /** Which pages of a step the host holds. */
  readonly resident: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(CLEAR_STEP / PAGE_SIZE));

  /** STORED, WRITTEN or 0 for each page, by chunk. */
  stored: Uint8Array[] = [];

  /** Creates the memfd; throws the host's error. */
  constructor(opts: MemoryFileOpts = {}) {
    this.limit = opts.limit ?? Number.POSITIVE_INFINITY;
    this.maxDirty = Math.min(MAX_DIRTY, Math.max(MIN_DIRTY, (opts.totalMemory ?? 0) / DIRTY_SHARE));
    this.fileIDs = opts.fileIDs ?? new FileIDs();
    this.fileID = this.fileIDs.newFileID();
    this.fd = host.memfdCreate(opts.name ?? "runsc-memory", MFD_CLOEXEC);
    if (this.fd < 0) throw linuxerr.fromErrno(-this.fd);
  }

  /** The file itself comes by adopt(). */
  afterLoad(): void {
    this.fd = -1;
    this.maxDirty = MIN_DIRTY;
    this.chunks = [];
    this.extentStart = 0;
    this.extentEnd = 0;
    this.recycled = false;
    this.stored = this.refs.map(() => new Uint8Array(PAGES_PER_CHUNK));
    setFields<MemoryFile>(this, { resident: new Uint8Array(new ArrayBuffer(CLEAR_STEP / PAGE_SIZE)) });
  }

  /** In a restored kernel: takes over the file of a MemoryFile that nothing was allocated from, which is then empty. */
  adopt(from: MemoryFile): void {
    if (from.fileID !== this.fileID || from.length !== 0) throw new Error("pgalloc: this file cannot be adopted");
    this.fd = from.fd;
    this.maxDirty = from.maxDirty;
    from.fd = -1;
    if (this.length > 0 && host.ftruncate(this.fd, this.length) < 0) throw linuxerr.ENOMEM;
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

  /** See File. It stays open as long as the sentry. */
  listenClose(): void {}

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
   * every byte before anybody else sees it, and the memory need not be zero. Sets `recycled`. Throws ENOMEM at the limit.
   */
  allocate(length: number, kind: MemoryKind, hint = -1, overwritten = false): number {
    if (length <= 0 || length % PAGE_SIZE !== 0) throw new Error("pgalloc: bad length");
    if (this.usedBytes + length > this.limit) throw linuxerr.ENOMEM;
    let start = -1;
    if (hint >= 0 && hint + length <= this.length && this.used.isFree(hint, hint + length)) start = hint;
    if (start < 0) start = this.used.findFirstGap(0, Number.MAX_SAFE_INTEGER, length);
    if (start < 0) throw linuxerr.ENOMEM;
    if (start + length > this.length) this.grow(start + length);
    const end = start + length;
    this.recycled = this.dirty.count > 0 && this.clean(start, end, !overwritten) === length;
    const after = this.used.lowerBound(start);
    const before = after === null ? this.used.tail : after.prev;
    // The common case, continuing an allocation of the same kind, needs no new segment.
    if (before !== null && before.end === start && before.kind === kind) {
      this.used.setRange(before, before.start, end);
      if (after !== null) this.tryMerge(before, after);
    } else if (after !== null && after.start === end && after.kind === kind) {
      this.used.setRange(after, start, after.end);
    } else {
      this.used.insert(new UsedRange(start, end, kind));
    }
    for (let at = start; at < end; ) at += this.setRefs(at, end, 1);
    this.usedBytes += length;
    this.usage[kind] = (this.usage[kind] ?? 0) + length;
    return start;
  }

  /** See File. The range must be allocated. */
  incRef(offset: number, length: number): void {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const refs = this.chunkRefs(at);
      const first = (at % CHUNK_SIZE) / PAGE_SIZE;
      const last = Math.min(PAGES_PER_CHUNK, first + (end - at) / PAGE_SIZE);
      for (let i = first; i < last; i++) {
        const n = refs[i] ?? 0;
        if (n === 0) throw new Error("pgalloc: incRef of free memory");
        refs[i] = n + 1;
      }
      at += (last - first) * PAGE_SIZE;
    }
  }

  /** See File. Pages without references become free. */
  decRef(offset: number, length: number): void {
    const end = offset + length;
    let freeStart = -1;
    for (let at = offset; at < end; ) {
      const refs = this.chunkRefs(at);
      const base = at - (at % CHUNK_SIZE);
      const first = (at - base) / PAGE_SIZE;
      const last = Math.min(PAGES_PER_CHUNK, first + (end - at) / PAGE_SIZE);
      for (let i = first; i < last; i++) {
        const n = refs[i] ?? 0;
        if (n === 0) throw new Error("pgalloc: decRef of free memory");
        refs[i] = n - 1;
        if (n === 1) {
          if (freeStart < 0) freeStart = base + i * PAGE_SIZE;
        } else if (freeStart >= 0) {
          this.free(freeStart, base + i * PAGE_SIZE);
          freeStart = -1;
        }
      }
      at += (last - first) * PAGE_SIZE;
    }
    if (freeStart >= 0) this.free(freeStart, end);
    // The rest of a large range follows between turns of the loop.
    if (this.needsFlush()) this.flush(FLUSH_STEP);
  }

  /**
   * Finds the largest range around `offset`, within [low, high), whose pages have exactly one reference; sets extentStart and
   * extentEnd. Returns false when the page at offset itself is shared.
   */
  uniqueExtent(offset: number, low: number, high: number): boolean {
    const page = offset - (offset % PAGE_SIZE);
    if (this.refsAt(page) !== 1) return false;
    let start = page;
    while (start > low && this.refsAt(start - PAGE_SIZE) === 1) start -= PAGE_SIZE;
    let end = page + PAGE_SIZE;
    while (end < high && this.refsAt(end) === 1) end += PAGE_SIZE;
    this.extentStart = start;
    this.extentEnd = end;
    return true;
  }

  /** References on the page at `offset`; 0: free. */
  refsAt(offset: number): number {
    const refs = this.refs[Math.floor(offset / CHUNK_SIZE)];
    return refs === undefined ? 0 : (refs[Math.floor((offset % CHUNK_SIZE) / PAGE_SIZE)] ?? 0);
  }

  chunkRefs(offset: number): Uint32Array {
    const refs = this.refs[Math.floor(offset / CHUNK_SIZE)];
    if (refs === undefined) throw new Error("pgalloc: offset beyond the end");
    return refs;
  }

  chunkStored(offset: number): Uint8Array {
    const stored = this.stored[Math.floor(offset / CHUNK_SIZE)];
    if (stored === undefined) throw new Error("pgalloc: offset beyond the end");
    return stored;
  }

  /** Sets the references of pages from `at` to `end` or the end of the chunk; returns the bytes covered. */
  setRefs(at: number, end: number, value: number): number {
    const first = (at % CHUNK_SIZE) / PAGE_SIZE;
    const last = Math.min(PAGES_PER_CHUNK, first + (end - at) / PAGE_SIZE);
    this.chunkRefs(at).fill(value, first, last);
    return (last - first) * PAGE_SIZE;
  }

  /** Makes an allocated range read as zeros and gives its memory back; mappings of it stay valid. */
  decommit(offset: number, length: number): void {
    const rc = host.fallocate(this.fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, length);
    if (rc < 0) throw linuxerr.fromErrno(-rc);
    const end = offset + length;
    for (let at = offset; at < end; at += CHUNK_SIZE - (at % CHUNK_SIZE)) {
      const first = at % CHUNK_SIZE;
      const last = Math.min(first + end - at, CHUNK_SIZE);
      this.chunkStored(at).fill(0, first / PAGE_SIZE, Math.ceil(last / PAGE_SIZE));
    }
  }

  /**
   * Gives memory that is free but still committed back to the host, at most maxBytes of it (8 MiB take about a millisecond). Returns how much is
   * left. The kernel calls it between turns while needsFlush(), and before long sleeps.
   */
  flush(maxBytes = Number.POSITIVE_INFINITY): number {
    let left = maxBytes;
    for (let r = this.dirty.head; r !== null && left > 0; r = this.dirty.head) {
      const n = Math.min(left, r.end - r.start);
      this.decommit(r.start, n);
      this.dirtyBytes -= n;
      left -= n;
      if (n < r.end - r.start) this.dirty.setRange(r, r.start + n, r.end);
      else this.dirty.remove(r);
    }
    return this.dirtyBytes;
  }

  /** Whether more free memory is committed than is good for; `asleep`: for a sandbox that nothing happens in. */
  needsFlush(asleep = false): boolean {
    return this.dirtyBytes > (asleep ? MIN_DIRTY : this.maxDirty);
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

  /** Whether any page in [offset, end) is committed. */
  hasData(offset: number, end: number): boolean {
    const start = host.lseek(this.fd, offset, SEEK_DATA);
    if (start < 0 && start !== -ENXIO) throw linuxerr.fromErrno(-start);
    return start >= 0 && start < end;
  }

  grow(end: number): void {
    const length = Math.ceil(end / CHUNK_SIZE) * CHUNK_SIZE;
    const rc = host.ftruncate(this.fd, length);
    if (rc < 0) throw linuxerr.ENOMEM;
    this.length = length;
    while (this.refs.length < length / CHUNK_SIZE) {
      this.refs.push(new Uint32Array(PAGES_PER_CHUNK));
      this.stored.push(new Uint8Array(PAGES_PER_CHUNK));
    }
  }

  /** Takes pages whose references are zero out of the used set, and remembers that they are not clean. */
  free(start: number, end: number): void {
    let r = this.used.lowerBound(start);
    while (r !== null && r.start < end) {
      const next: UsedRange | null = r.next;
      const lo = Math.max(start, r.start);
      const hi = Math.min(end, r.end);
      const rEnd = r.end;
      const kind = r.kind;
      if (r.start < lo) {
        this.used.setRange(r, r.start, lo);
        if (rEnd > hi) this.used.insert(new UsedRange(hi, rEnd, kind));
      } else if (rEnd > hi) {
        this.used.setRange(r, hi, rEnd);
      } else {
        this.used.remove(r);
      }
      this.usage[kind] = (this.usage[kind] ?? 0) - (hi - lo);
      r = next;
    }
    this.usedBytes -= end - start;
    this.dirtyBytes += end - start;
    const after = this.dirty.lowerBound(end);
    const before = after === null ? this.dirty.tail : after.prev;
    if (before !== null && before.end === start) {
      if (after !== null && after.start === end) {
        const last = after.end;
        this.dirty.remove(after);
        this.dirty.setRange(before, before.start, last);
      } else {
        this.dirty.setRange(before, before.start, end);
      }
    } else if (after !== null && after.start === end) {
      this.dirty.setRange(after, start, after.end);
    } else {
      this.dirty.insert(new DirtyRange(start, end));
    }
  }

  /** Takes [start, end) out of the dirty set, clearing it when `zero`. Returns for how many bytes of it the host is known to hold memory. */
  clean(start: number, end: number, zero: boolean): number {
    let held = 0;
    let r = this.dirty.lowerBound(start);
    while (r !== null && r.start < end) {
      const lo = Math.max(start, r.start);
      const hi = Math.min(end, r.end);
      if (zero) for (let at = lo; at < hi; at += CLEAR_STEP) held += this.clear(at, Math.min(at + CLEAR_STEP, hi));
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
    return held;
  }

  /** Has a range of at most CLEAR_STEP bytes read as zeros. Memory that the host holds for it is cleared: that is cheaper than new memory. Returns how much. */
  clear(start: number, end: number): number {
    const length = end - start;
    if (length > this.mappedLength(start)) {
      this.decommit(start, length);
      return 0;
    }
    const base = this.mapInternal(start);
    const { resident } = this;
    const pages = length / PAGE_SIZE;
    const stored = this.chunkStored(start);
    const first = (start % CHUNK_SIZE) / PAGE_SIZE;
    let known = 0;
    while (known < pages && stored[first + known] === STORED) known++;
    // What we have stored to is in memory, or has been swapped out and comes back.
    if (known === pages || length <= MAX_CLEAR) {
      if (pages - known >= MIN_POPULATE) host.madvise(base, length, MADV_POPULATE_READ);
      if (host.zeroHost(base, length) === 0) {
        stored.fill(STORED, first, first + pages);
        return length;
      }
    }
    if (host.zeroHost(base, known * PAGE_SIZE) !== 0) known = 0;
    if (host.mincore(base, length, resident) < 0) resident.fill(0);
    let runs = 0;
    let held = known * PAGE_SIZE;
    for (let i = known; i < pages; ) {
      const has = (resident[i] ?? 0) & 1;
      let j = i + 1;
      while (j < pages && ((resident[j] ?? 0) & 1) === has) j++;
      const n = (j - i) * PAGE_SIZE;
      const at = base + i * PAGE_SIZE;
      if (has === 1 && ++runs <= MAX_RUNS) {
        // The sentry's own page tables may lack it: a fault for each page costs more than the memory.
        if (j - i >= MIN_POPULATE) host.madvise(at, n, MADV_POPULATE_READ);
        if (host.zeroHost(at, n) !== 0) throw linuxerr.ENOMEM;
        stored.fill(STORED, first + i, first + j);
        held += n;
      } else {
        // What is swapped out does not count as held, and is not to come back.
        if (runs > MAX_RUNS) j = pages;
        this.decommit(start + i * PAGE_SIZE, (j - i) * PAGE_SIZE);
      }
      i = j;
    }
    return held;
  }

  /** Copies `length` bytes at a host address, which may fault, to an allocated range of whole pages. False when they cannot be read or held. */
  copyFrom(offset: number, src: number, length: number): boolean {
    const stored = this.chunkStored(offset);
    const first = (offset % CHUNK_SIZE) / PAGE_SIZE;
    const last = first + length / PAGE_SIZE;
    let i = first;
    while (i < last && stored[i] === STORED) i++;
    const to = this.mapInternal(offset);
    if (i < last) {
      let j = i;
      while (j < last && stored[j] !== 0) j++;
      // Pages that are not in our page tables would fault one by one, and new ones be cleared first. What is used again is worth having there.
      if (j < last || host.madvise(to, length, MADV_POPULATE_READ) < 0) {
        if (host.pwriteAddr(this.fd, src, length, offset) !== length) return false;
        for (; i < last; i++) if (stored[i] === 0) stored[i] = WRITTEN;
        return true;
      }
    }
    if (host.copyHost(to, src, length) !== 0) return false;
    stored.fill(STORED, first, last);
    return true;
  }

  tryMerge(a: UsedRange, b: UsedRange): void {
    if (a.end !== b.start || a.kind !== b.kind) return;
    const end = b.end;
    this.used.remove(b);
    this.used.setRange(a, a.start, end);
  }
}
