import {
  F_SEAL_EXEC,
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
} from "../../../abi/linux/file.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import { S_IXUGO } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import {
  AccessExec,
  AccessRead,
  AccessWrite,
  type Mappable,
  MappingSet,
  type MappingSpace,
  type MMapOpts,
  Segment,
  SegmentSet,
  type Translation,
} from "../../memmap/index.ts";
import { KIND_TMPFS } from "../../pgalloc/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { type FileDescription, MAX_FILE_OFFSET, SeekableFileDescription, type VirtualDentry } from "../../vfs/index.ts";
import { TmpfsInode } from "./inode.ts";

const PAGE_MASK = PAGE_SIZE - 1;
/** Page faults fill holes in windows of this size, so that a file written through a mapping needs few of them. */
const FAULT_WINDOW = 64 * 1024;
/** Most bytes of data one call zeroes or allocates page by page before it is split by the memory file's own limits. */
const MAX_SIZE = MAX_FILE_OFFSET - PAGE_SIZE;

/** Pages [start, end) of a file that have memory, at `offset` of the memory file. What no extent covers is a hole. */
export class TmpfsExtent extends Segment<TmpfsExtent> {
  static override readonly stateType = stateType("tmpfs.Extent", ["offset"]);
  offset: number;

  constructor(start: number, end: number, offset: number) {
    super(start, end);
    this.offset = offset;
  }
}

function pageDown(n: number): number {
  return n - (n % PAGE_SIZE);
}

function pageUp(n: number): number {
  return pageDown(n + PAGE_MASK);
}

/** A regular file. */
export class TmpfsRegularFile extends TmpfsInode implements Mappable {
  static override readonly stateType = stateType("tmpfs.RegularFile", [
    "size",
    "extents",
    "pages",
    "preallocated",
    "mappings",
    "seals",
    "linkable",
    "specialPath",
  ]);
  size = 0;
  readonly extents: SegmentSet<TmpfsExtent> = new SegmentSet();
  /** Pages in `extents`. */
  pages = 0;
  /** End of the pages beyond the size that fallocate(2) with FALLOC_FL_KEEP_SIZE has asked for, or 0. */
  preallocated = 0;
  readonly mappings: MappingSet = new MappingSet();
  /** F_SEAL_*; ordinary files cannot be sealed. */
  seals = F_SEAL_SEAL;
  /** An O_TMPFILE file that linkat(2) may name. */
  linkable = false;
  /** What pathnames show for a file that never had a name, or null. */
  specialPath: string | null = null;

  override sizeBytes(): number {
    return this.size;
  }

  override blocks(): number {
    return this.pages * (PAGE_SIZE / 512);
  }

  override specialName(): string | null {
    return this.specialPath;
  }

  override linkRefused(): boolean {
    return this.nlink === 0 && !this.linkable;
  }

  override checkMode(mode: number): void {
    if ((this.seals & F_SEAL_EXEC) !== 0 && ((mode ^ this.fileMode) & S_IXUGO) !== 0) throw linuxerr.EPERM;
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    return new TmpfsFileDescription(vd, flags, this);
  }

  override free(): void {
    this.dropPages(0, Number.MAX_SAFE_INTEGER);
    super.free();
  }

  // ---- data

  /** Reads up to n bytes at an offset below the size. */
  readAt(dst: IOSequence, offset: number, n: number): number {
    const end = Math.min(offset + n, this.size);
    const file = this.tmpfs.memoryFile;
    let at = offset;
    while (at < end) {
      const e = this.extents.lowerBound(at);
      let want: number;
      let got: number;
      try {
        if (e === null || e.start > at) {
          want = (e === null ? end : Math.min(end, e.start)) - at;
          got = dst.zeroOut(want);
        } else {
          const m = e.offset + (at - e.start);
          want = Math.min(Math.min(end, e.end) - at, file.mappedLength(m));
          got = this.fs.vfs.hostCopier.copyOut(dst, file.mapInternal(m), want);
        }
      } catch (err) {
        if (at > offset && err === linuxerr.EFAULT) break;
        throw err;
      }
      at += got;
      if (got < want) break;
    }
    return at - offset;
  }

  /** Writes all of src at an offset; less when memory or src ends early. Throws when nothing could be written. */
  writeAt(src: IOSequence, offset: number): number {
    const len = src.numBytes();
    if (len === 0) return 0;
    if (offset >= MAX_SIZE) throw linuxerr.EFBIG;
    let end = Math.min(offset + len, MAX_SIZE);
    if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) throw linuxerr.EPERM;
    if (this.xattrs !== null) this.dropFileCapabilities();
    if ((this.seals & F_SEAL_GROW) !== 0 && end > this.size) {
      // Pages are written one by one; the first that would grow the file fails.
      end = pageDown(this.size);
      if (offset >= end) throw linuxerr.EPERM;
    }
    const file = this.tmpfs.memoryFile;
    let at = offset;
    while (at < end) {
      let want: number;
      let got: number;
      try {
        const e = this.needExtent(at, end);
        const m = e.offset + (at - e.start);
        want = Math.min(Math.min(end, e.end) - at, file.mappedLength(m));
        got = this.fs.vfs.hostCopier.copyIn(src, file.mapInternal(m), want);
      } catch (err) {
        if (at === offset) {
          this.trim();
          throw err;
        }
        break;
      }
      at += got;
      // The copy can have faulted in pages of this very file; the size must not lag behind them.
      if (at > this.size) this.size = at;
      if (got < want) break;
    }
    this.trim();
    if (at > offset) this.touchCMtime();
    return at - offset;
  }

  /** Gives back the pages beyond the end that a write allocated and did not use. */
  trim(): void {
    const tail = this.extents.tail;
    const end = Math.max(pageUp(this.size), pageUp(this.preallocated));
    if (tail !== null && tail.end > end) this.dropPages(end, tail.end);
  }

  /** The extent of the page at `at`; a hole there is filled as far as `end` asks and the next extent allows. ENOSPC, ENOMEM. */
  needExtent(at: number, end: number): TmpfsExtent {
    const next = this.extents.lowerBound(at);
    if (next !== null && next.start <= at) return next;
    const start = pageDown(at);
    let stop = pageUp(end);
    if (next !== null && next.start < stop) stop = next.start;
    return this.fill(start, stop, next);
  }

  /** Allocates the hole [start, stop), or as much of it as the quota has room for. `next` is the extent behind it. */
  fill(start: number, stop: number, next: TmpfsExtent | null): TmpfsExtent {
    const pages = this.tmpfs.takeSomePages((stop - start) / PAGE_SIZE);
    const length = pages * PAGE_SIZE;
    const prev = next === null ? this.extents.tail : next.prev;
    const touches = prev !== null && prev.end === start;
    const hint = touches && prev !== null ? prev.offset + (prev.end - prev.start) : -1;
    let offset: number;
    try {
      offset = this.tmpfs.memoryFile.allocate(length, KIND_TMPFS, hint);
    } catch (e) {
      this.tmpfs.returnPages(pages);
      throw e;
    }
    this.pages += pages;
    if (touches && prev !== null && offset === hint) {
      this.extents.setRange(prev, prev.start, start + length);
      return prev;
    }
    const e = new TmpfsExtent(start, start + length, offset);
    this.extents.insert(e);
    return e;
  }

  /** Makes page-aligned [start, end) a hole. Mappings of it have been invalidated. */
  dropPages(start: number, end: number): void {
    let e = this.extents.lowerBound(start);
    while (e !== null && e.start < end) {
      const next: TmpfsExtent | null = e.next;
      const lo = Math.max(start, e.start);
      const hi = Math.min(end, e.end);
      const at = e.offset + (lo - e.start);
      const eEnd = e.end;
      if (lo > e.start) {
        const tailOffset = e.offset + (hi - e.start);
        this.extents.setRange(e, e.start, lo);
        if (hi < eEnd) this.extents.insert(new TmpfsExtent(hi, eEnd, tailOffset));
      } else if (hi < eEnd) {
        e.offset += hi - e.start;
        this.extents.setRange(e, hi, eEnd);
      } else {
        this.extents.remove(e);
      }
      this.pages -= (hi - lo) / PAGE_SIZE;
      this.tmpfs.returnPages((hi - lo) / PAGE_SIZE);
      this.tmpfs.memoryFile.decRef(at, hi - lo);
      e = next;
    }
  }

  /** Writes zeros where there is memory. */
  zeroData(start: number, end: number): void {
    const file = this.tmpfs.memoryFile;
    for (let e = this.extents.lowerBound(start); e !== null && e.start < end; e = e.next) {
      let at = Math.max(start, e.start);
      const stop = Math.min(end, e.end);
      while (at < stop) {
        const m = e.offset + (at - e.start);
        const n = Math.min(stop - at, file.mappedLength(m));
        if (host.zeroHost(file.mapInternal(m), n) !== 0) throw linuxerr.EIO;
        at += n;
      }
    }
  }

  /** Frees whole pages of [start, end) and zeroes the rest. */
  punch(start: number, end: number): void {
    const first = pageUp(start);
    const last = pageDown(end);
    if (first >= last) {
      this.zeroData(start, end);
      return;
    }
    this.mappings.invalidate(first, last, false);
    this.dropPages(first, last);
    this.zeroData(start, first);
    this.zeroData(last, end);
  }

  override setSize(size: number): void {
    if (size > MAX_SIZE) throw linuxerr.EFBIG;
    if (size < this.size) {
      if ((this.seals & F_SEAL_SHRINK) !== 0) throw linuxerr.EPERM;
    } else if (size > this.size && (this.seals & F_SEAL_GROW) !== 0) throw linuxerr.EPERM;
    const old = this.size;
    this.size = size;
    if (size <= old || this.preallocated <= size) this.preallocated = 0;
    const end = pageUp(size);
    if (pageUp(old) > end) this.mappings.invalidate(end, pageUp(old), true);
    if (size <= old) this.dropPages(end, Number.MAX_SAFE_INTEGER);
    // The rest of the last page must read as zeros when the file grows again.
    if (size < old && size < end) this.zeroData(size, end);
    if (size !== old) this.touchCMtime();
  }

  /** fallocate(2). */
  allocate(mode: number, offset: number, length: number): void {
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0) throw linuxerr.EOPNOTSUPP;
    const end = offset + length;
    if (end > MAX_SIZE) throw linuxerr.EFBIG;
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) {
      if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) throw linuxerr.EPERM;
      this.punch(offset, end);
      this.touchCMtime();
      return;
    }
    const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && end > this.size;
    if (grows && (this.seals & F_SEAL_GROW) !== 0) throw linuxerr.EPERM;
    this.reserve(offset, end);
    if (grows) this.size = end;
    else if (end > this.size && end > this.preallocated) this.preallocated = end;
    this.touchCMtime();
  }

  /** Gives every page of the range memory, or none more than it had: ENOSPC. */
  reserve(offset: number, end: number): void {
    const start = pageDown(offset);
    const stop = pageUp(end);
    let missing = stop - start;
    for (let e = this.extents.lowerBound(start); e !== null && e.start < stop; e = e.next) {
      missing -= Math.min(stop, e.end) - Math.max(start, e.start);
    }
    if (missing / PAGE_SIZE > this.tmpfs.freePages()) throw linuxerr.ENOSPC;
    for (let at = start; at < stop; ) at = Math.min(stop, this.needExtent(at, stop).end);
  }

  /** SEEK_DATA. */
  nextData(offset: number): number {
    const e = this.extents.lowerBound(offset);
    if (e === null || Math.max(e.start, offset) >= this.size) throw linuxerr.ENXIO;
    return Math.max(e.start, offset);
  }

  /** SEEK_HOLE. */
  nextHole(offset: number): number {
    let at = offset;
    for (let e = this.extents.lowerBound(at); e !== null && e.start <= at; e = e.next) at = e.end;
    return Math.min(at, this.size);
  }

  // ---- seals

  /** fcntl(F_ADD_SEALS). */
  addSeals(seals: number): void {
    if ((this.seals & F_SEAL_SEAL) !== 0) throw linuxerr.EPERM;
    if ((seals & F_SEAL_WRITE) !== 0 && (this.seals & F_SEAL_WRITE) === 0 && this.mappings.writableBytes > 0) {
      throw linuxerr.EBUSY;
    }
    this.seals |= seals;
    // What cannot be executed cannot be changed by those who execute it either.
    if ((seals & F_SEAL_EXEC) !== 0 && (this.fileMode & S_IXUGO) !== 0) {
      this.seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    }
  }

  // ---- memmap.Mappable

  addMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    this.mappings.addMapping(ms, start, end, offset, writable);
  }

  removeMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    this.mappings.removeMapping(ms, start, end, offset, writable);
  }

  translate(start: number, end: number, optionalEnd: number, _access: number): Translation[] {
    const limit = pageUp(this.size);
    const stop = Math.min(end, limit);
    // Fill the window around the fault, as far as it was offered and the file goes.
    const window = Math.min(pageDown(start) - (pageDown(start) % FAULT_WINDOW) + FAULT_WINDOW, optionalEnd, limit);
    const fillTo = Math.max(stop, window);
    const out: Translation[] = [];
    let at = pageDown(start);
    while (at < stop) {
      const e = this.needExtent(at, fillTo);
      const from = out.length === 0 ? at : e.start;
      const to = Math.min(e.end, Math.max(stop, Math.min(optionalEnd, limit)));
      out.push({
        start: from,
        end: to,
        file: this.tmpfs.memoryFile,
        offset: e.offset + (from - e.start),
        perms: AccessRead | AccessWrite | AccessExec,
      });
      at = to;
    }
    return out;
  }
}

/** An open regular file. */
export class TmpfsFileDescription extends SeekableFileDescription {
  static override readonly stateType = stateType("tmpfs.FileDescription", ["file"]);
  readonly file: TmpfsRegularFile;

  constructor(vd: VirtualDentry, flags: number, file: TmpfsRegularFile) {
    super(vd, flags);
    this.file = file;
  }

  override size(): number {
    return this.file.size;
  }

  override pread(dst: IOSequence, offset: number): number {
    const f = this.file;
    const n = Math.min(dst.numBytes(), f.size - offset);
    const r = n <= 0 ? 0 : f.readAt(dst, offset, n);
    this.vd.mount.touchAtime(f, this.statusFlags);
    return r;
  }

  override pwrite(src: IOSequence, offset: number): number {
    return this.file.writeAt(src, this.writePosition(offset));
  }

  override seekData(offset: number): number {
    if (offset < 0 || offset >= this.file.size) throw linuxerr.ENXIO;
    return this.file.nextData(offset);
  }

  override seekHole(offset: number): number {
    if (offset < 0 || offset >= this.file.size) throw linuxerr.ENXIO;
    return this.file.nextHole(offset);
  }

  override sync(): void {}

  override allocate(mode: number, offset: number, length: number): void {
    this.file.allocate(mode, offset, length);
  }

  override configureMMap(opts: MMapOpts): void {
    const f = this.file;
    if (!opts.isPrivate && (f.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) {
      if ((opts.perms & AccessWrite) !== 0) throw linuxerr.EPERM;
      opts.maxPerms &= ~AccessWrite;
    }
    opts.mappable = f;
    opts.mappingIdentity = this;
    this.incRef();
    this.vd.mount.touchAtime(f, this.statusFlags);
  }
}
