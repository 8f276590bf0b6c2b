import * as errno from "../../../abi/linux/errno.ts";
import {
  O_APPEND,
  O_DSYNC,
  O_SYNC,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_SYNC,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import type { HostFile } from "../../fsutil/index.ts";
import type { IOJob, IOResource } from "../../iopool/index.ts";
import type { MMapOpts } from "../../memmap/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { SeekableFileDescription, type VirtualDentry } from "../../vfs/index.ts";
import { check } from "./inode.ts";
import type { GoferRegularFile } from "./regular_file.ts";

/** A host call of another thread that uses a handle, which may not be closed meanwhile. */
export class HandleUse implements IOResource {
  static readonly stateType = stateType("gofer.HandleUse", [], ["file", "handle"]);
  readonly file: GoferRegularFile;
  readonly handle: HostFile;

  constructor(file: GoferRegularFile, handle: HostFile) {
    this.file = file;
    this.handle = handle;
    handle.incUsers();
  }

  decUsers(): void {
    this.file.putHandle(this.handle);
  }

  /** The job that got the handle, or null: then it is given back. */
  handOver(job: IOJob | null): IOJob | null {
    if (job === null) this.decUsers();
    return job;
  }
}

/** An open regular file: a share of one of the inode's handles, with an offset of its own. */
export class GoferFileDescription extends SeekableFileDescription {
  static override readonly stateType = stateType("gofer.FileDescription", ["file"], ["handle"]);
  readonly file: GoferRegularFile;
  readonly handle: HostFile;

  constructor(vd: VirtualDentry, flags: number, file: GoferRegularFile, handle: HostFile) {
    super(vd, flags);
    this.file = file;
    this.handle = handle;
  }

  override size(): number {
    return this.file.size();
  }

  override pread(dst: IOSequence, offset: number, noWait = false): number {
    const { file, handle } = this;
    const fs = file.gofer;
    const end = file.attributesValid ? file.bytes : Number.POSITIVE_INFINITY;
    file.accessed();
    try {
      if (noWait && !handle.waits && fs.vfs.ioPool !== null) {
        const got = fs.io.readNoWait(handle.fd, dst, offset, end);
        if (got >= 0 || got === -errno.EAGAIN) return got;
        if (got !== -errno.EOPNOTSUPP) throw linuxerr.fromErrno(-got);
        handle.waits = true;
      }
      const n = fs.io.read(handle.fd, dst, offset, 0);
      if (n >= 0) return n;
      throw linuxerr.fromErrno(-n);
    } catch (e) {
      // At the end of the file nothing is stored, so that the buffer does not matter.
      if (e === linuxerr.EFAULT && offset >= this.size()) return 0;
      throw e;
    }
  }

  override write(src: IOSequence): number {
    if ((this.statusFlags & O_APPEND) === 0) {
      const n = this.pwrite(src, this.offset);
      this.offset += n;
      return n;
    }
    const n = this.pwrite(src, 0);
    if (n > 0) this.offset = this.size();
    return n;
  }

  override pwrite(src: IOSequence, offset: number): number {
    let flags = 0;
    if ((this.statusFlags & O_APPEND) !== 0) flags |= RWF_APPEND;
    if ((this.statusFlags & O_SYNC) === O_SYNC) flags |= RWF_SYNC;
    else if ((this.statusFlags & O_DSYNC) !== 0) flags |= RWF_DSYNC;
    this.file.changed();
    const n = this.file.gofer.io.write(this.handle.fd, src, offset, flags);
    if (n < 0) throw linuxerr.fromErrno(-n);
    return n;
  }

  override seekData(offset: number): number {
    return this.hostSeek(offset, SEEK_DATA);
  }

  override seekHole(offset: number): number {
    return this.hostSeek(offset, SEEK_HOLE);
  }

  /** The position of the shared handle means nothing, so it may be moved. */
  hostSeek(offset: number, whence: number): number {
    if (offset < 0) throw linuxerr.ENXIO;
    const r = host.lseek(this.handle.fd, offset, whence);
    if (r < 0) throw linuxerr.fromErrno(-r);
    return r;
  }

  override sync(): void {
    check(host.fsync(this.handle.fd));
  }

  override startFetch(offset: number, length: number): IOJob | null {
    const pool = this.file.gofer.vfs.ioPool;
    if (pool === null) return null;
    const use = new HandleUse(this.file, this.handle);
    return use.handOver(pool.fetch(use, this.handle.fd, offset, length));
  }

  override startSync(dataOnly: boolean): IOJob | null {
    const pool = this.file.gofer.vfs.ioPool;
    if (pool === null) return null;
    const use = new HandleUse(this.file, this.handle);
    return use.handOver(pool.sync(use, this.handle.fd, dataOnly));
  }

  override allocate(mode: number, offset: number, length: number): void {
    this.file.changed();
    const r = host.fallocate(this.handle.fd, mode, offset, length);
    if (r === -errno.EINTR) throw linuxerr.ERESTARTSYS;
    check(r);
  }

  override configureMMap(opts: MMapOpts): void {
    opts.mappable = this.file;
    opts.mappingIdentity = this;
    this.incRef();
  }

  override msyncRange(_start: number, _end: number): void {
    this.file.changed();
    if (this.handle.writable) check(host.fdatasync(this.handle.fd));
  }

  override release(): void {
    this.file.putHandle(this.handle);
    super.release();
  }
}
