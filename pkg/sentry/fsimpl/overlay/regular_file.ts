import { O_ACCMODE, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from "../../../abi/linux/file.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import { S_IALLUGO, S_IFREG } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { EventInternal, Queue } from "../../../waiter/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { type Mappable, MappingSet, type MappingSpace, type Translation } from "../../memmap/index.ts";
import {
  ATTR_SIZE,
  type Dentry,
  type FileDescription,
  type Inode,
  type SetStatOptions,
  Statx,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { CopyUp } from "./copy_up.ts";
import { OverlayInode, type UnfinishedCopy } from "./inode.ts";
import { OverlayFileDescription } from "./regular_file_fd.ts";

/** Files larger than this are copied up bit by bit while the opener waits; smaller ones at once. */
const LARGE_FILE = 1024 * 1024;

/** A regular file. Mappings of it follow when it is copied up. */
export class OverlayRegularFile extends OverlayInode implements Mappable {
  static override readonly stateType = stateType("overlay.RegularFile", ["mappings", "pending"]);
  /** Mappings made before it was copied up. The layer below does not change and need not know. */
  mappings: MappingSet | null = null;
  /** A copy-up under way; until it is done the lower file shows. */
  pending: PendingCopyUp | null = null;

  override open(vd: VirtualDentry, flags: number, creds: Credentials): FileDescription {
    const acc = flags & O_ACCMODE;
    if (this.upper === null && (acc === O_WRONLY || acc === O_RDWR)) {
      // What is truncated anyway is not copied.
      const truncated = (flags & O_TRUNC) !== 0;
      if (!truncated && this.startCopyUp()) {
        // The description reads the lower file until it changes over; nobody gets it before.
        const lower = this.topPlace();
        const real = lower.dentry.inode.open(lower, O_RDONLY, creds);
        const fd = new OverlayFileDescription(vd, flags, this, real, creds);
        fd.pending = this.pending;
        return fd;
      }
      this.copyUp(truncated ? 0 : Number.POSITIVE_INFINITY);
    }
    const place = this.topPlace();
    const real = place.dentry.inode.open(place, flags & ~O_TRUNC, creds);
    return new OverlayFileDescription(vd, flags, this, real, creds);
  }

  override setStat(opts: SetStatOptions, creds: Credentials): void {
    if (this.upper === null && (opts.mask & ATTR_SIZE) !== 0) {
      this.dropPagesBehind(opts.size);
      this.copyUp(opts.size);
    }
    super.setStat(opts, creds);
  }

  /** Private copies of pages behind the new end go, too. */
  dropPagesBehind(size: number): void {
    const mappings = this.mappings;
    if (mappings === null || mappings.isEmpty()) return;
    const st = new Statx();
    this.topInode().stat(st);
    const from = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
    if (from < st.size) mappings.invalidate(from, Math.ceil(st.size / PAGE_SIZE) * PAGE_SIZE, true);
  }

  // ---- copying up

  /** Begins to copy up a large file in the background, unless that is under way. False: do it now. */
  startCopyUp(): boolean {
    if (this.pending !== null) return true;
    const t = this.fs.vfs.currentTask();
    if (t === null || !this.overlay.hasUpper()) return false;
    const st = new Statx();
    this.topInode().stat(st);
    if (st.size <= LARGE_FILE) return false;
    if (!this.unlinked) this.parent?.copyUp();
    this.pending = new PendingCopyUp(this, st.size);
    t.kernel.addJob(this.pending);
    return true;
  }

  override copyUpSelf(limit: number): void {
    const p = this.pending;
    if (p === null) {
      super.copyUpSelf(limit);
      return;
    }
    while (p.run());
    if (p.error !== null) throw p.error;
  }

  override makeCopy(dir: Dentry, unnamed: boolean, from: Inode, creds: Credentials): Inode {
    const mode = S_IFREG | (from.mode() & S_IALLUGO);
    return unnamed ? dir.inode.tmpfile(dir, mode, false, creds) : dir.inode.create(dir, this.name, mode, creds);
  }

  override copyContents(from: Dentry, to: Dentry, limit: number): void {
    const st = new Statx();
    from.inode.stat(st);
    const size = Math.min(st.size, limit);
    const o = this.overlay;
    const job = new CopyUp(o.lowerPlace(from), o.upperPlace(to), size, o.creds, o.copyBuffer());
    try {
      while (job.step());
    } finally {
      job.finish();
    }
  }

  override copied(d: Dentry): void {
    super.copied(d);
    const mappings = this.mappings;
    this.mappings = null;
    if (mappings === null || mappings.isEmpty()) return;
    const to = mappableOf(d.inode);
    for (const [ms, list] of mappings.spaces) {
      for (const m of list) to.addMapping(ms, m.start, m.end, m.offset, m.writable);
    }
    mappings.invalidate(0, Number.MAX_SAFE_INTEGER, false);
  }

  // ---- memmap.Mappable

  addMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    if (this.upper !== null) mappableOf(this.upper.inode).addMapping(ms, start, end, offset, writable);
    else {
      this.mappings ??= new MappingSet();
      this.mappings.addMapping(ms, start, end, offset, writable);
    }
  }

  removeMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    if (this.upper !== null) mappableOf(this.upper.inode).removeMapping(ms, start, end, offset, writable);
    else this.mappings?.removeMapping(ms, start, end, offset, writable);
  }

  translate(start: number, end: number, optionalEnd: number, access: number): Translation[] {
    return mappableOf(this.topInode()).translate(start, end, optionalEnd, access);
  }
}

/** The copy-up of a large file: a job of the kernel. Those who opened the file wait on the queue. */
export class PendingCopyUp {
  static readonly stateType = stateType("overlay.PendingCopyUp", ["file", "copy", "data", "done", "error", "queue"]);
  readonly file: OverlayRegularFile;
  readonly copy: UnfinishedCopy;
  readonly data: CopyUp;
  done = false;
  /** Why it failed. */
  error: linuxerr.LinuxError | null = null;
  readonly queue: Queue = new Queue();

  /** The directory of the file is in the upper layer. */
  constructor(file: OverlayRegularFile, size: number) {
    this.file = file;
    const o = file.overlay;
    this.copy = file.beginCopyUp();
    try {
      const { from, to } = this.copy;
      this.data = new CopyUp(o.lowerPlace(from), o.upperPlace(to), size, o.creds, o.copyBuffer());
    } catch (e) {
      file.abandonCopyUp(this.copy);
      throw e;
    }
    // Nothing else may keep the file in memory.
    file.incRef();
  }

  /** Copies a piece. Returns whether there is more to do. */
  run(): boolean {
    if (this.done) return false;
    try {
      if (this.data.step()) return true;
    } catch (e) {
      this.failed(e);
    }
    this.data.finish();
    try {
      if (this.error === null) this.file.finishCopyUp(this.copy);
    } catch (e) {
      this.failed(e);
    }
    if (this.error !== null) this.file.abandonCopyUp(this.copy);
    this.done = true;
    this.file.pending = null;
    this.queue.notify(EventInternal);
    this.file.decRef();
    return false;
  }

  /** Keeps an error for those who wait; anything but a LinuxError is a bug. */
  failed(e: unknown): void {
    if (!(e instanceof linuxerr.LinuxError)) throw e;
    this.error = e;
  }
}

/** A layer's regular file as something to map; ENODEV when it is not. */
export function mappableOf(inode: Inode): Mappable {
  if (isMappable(inode)) return inode;
  throw linuxerr.ENODEV;
}

function isMappable(inode: Inode): inode is Inode & Mappable {
  return "translate" in inode && "addMapping" in inode && "removeMapping" in inode;
}
