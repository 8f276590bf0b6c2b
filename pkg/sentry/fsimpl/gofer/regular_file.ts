import * as errno from "../../../abi/linux/errno.ts";
import { O_ACCMODE, O_NONBLOCK, O_PATH, O_RDONLY, O_RDWR, O_WRONLY } from "../../../abi/linux/file.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import { HostFile } from "../../fsutil/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { AccessWrite, type Mappable, MappingSet, type MappingSpace, type Translation } from "../../memmap/index.ts";
import type { FileDescription, VirtualDentry } from "../../vfs/index.ts";
import type { CachedDescriptor } from "./descriptor_cache.ts";
import { check, GoferInode } from "./inode.ts";
import { GoferFileDescription } from "./regular_file_fd.ts";

/**
 * A regular file. Descriptions share one descriptor for reading, which stays open in the descriptor cache when the last of them has gone, and
 * one for writing, which does not: the host would refuse to execute the file.
 */
export class GoferRegularFile extends GoferInode implements CachedDescriptor, Mappable {
  static override readonly stateType = stateType(
    "gofer.RegularFile",
    ["mappings", "linkable"],
    ["readHandle", "writeHandle", "createdHandle", "cachePrev", "cacheNext", "cached"],
  );
  /** This inode is one of its users. It is in the descriptor cache while it is the only one. */
  readHandle: HostFile | null = null;
  /** Open while it has users: descriptions. */
  writeHandle: HostFile | null = null;
  /** The user of writeHandle that creating the file left behind for the open that follows. */
  createdHandle: HostFile | null = null;
  cachePrev: CachedDescriptor | null = null;
  cacheNext: CachedDescriptor | null = null;
  cached = false;
  /** For truncation. */
  mappings: MappingSet | null = null;
  /** An O_TMPFILE file that linkat(2) may name. */
  linkable = false;

  // ---- handles

  override anyFD(): number {
    return this.readHandle?.fd ?? this.writeHandle?.fd ?? this.controlFD;
  }

  closeCached(): void {
    const h = this.readHandle;
    this.readHandle = null;
    if (h !== null) h.decUsers();
  }

  /** Takes over the descriptor that created the file. */
  keepCreated(fd: number): void {
    this.createdHandle = new HostFile(fd, true, true, this.gofer.fileIDs);
    this.writeHandle = this.createdHandle;
  }

  dropCreated(): void {
    const h = this.createdHandle;
    this.createdHandle = null;
    if (h !== null) this.putHandle(h);
  }

  /** A handle for the access mode, with a user added; give it back with putHandle. Throws the host's error. */
  getHandle(write: boolean): HostFile {
    const w = this.writeHandle;
    if (w !== null && (write || w.readable)) {
      w.incUsers();
      return w;
    }
    if (write) return this.openWriteHandle();
    if (this.readHandle === null) {
      // Without O_NONBLOCK, a FIFO that has just taken the name would hold us up.
      const fd = this.openLocation(O_RDONLY | O_NONBLOCK);
      check(fd);
      this.readHandle = new HostFile(fd, true, false, this.gofer.fileIDs);
    } else {
      this.gofer.descriptors.remove(this);
    }
    this.readHandle.incUsers();
    return this.readHandle;
  }

  openWriteHandle(): HostFile {
    let readable = true;
    let fd = this.openLocation(O_RDWR | O_NONBLOCK);
    if (fd === -errno.EACCES) {
      readable = false;
      fd = this.openLocation(O_WRONLY | O_NONBLOCK);
    }
    check(fd);
    this.writeHandle = new HostFile(fd, readable, true, this.gofer.fileIDs);
    return this.writeHandle;
  }

  /** Undoes getHandle. */
  putHandle(h: HostFile): void {
    h.decUsers();
    if (h === this.writeHandle) {
      if (h.users === 0) this.writeHandle = null;
    } else if (h === this.readHandle && h.users === 1) {
      if (this.parent === null) this.closeCached();
      else this.gofer.descriptors.use(this);
    }
  }

  /** The name is gone: nothing may keep the data alive but those who have the file open. */
  unlinked(): void {
    if (this.parent === null && this.cached) {
      this.gofer.descriptors.remove(this);
      this.closeCached();
    }
  }

  override prepareUnlink(held: boolean): void {
    // A cached handle may be closed at any time.
    if (held && this.cached && this.controlFD < 0) {
      const fd = this.openLocation(O_PATH);
      if (fd >= 0) this.controlFD = fd;
      return;
    }
    super.prepareUnlink(held);
  }

  override withDescriptor<T>(use: (fd: number) => T): T {
    const h = this.getHandle(false);
    try {
      return use(h.fd);
    } finally {
      this.putHandle(h);
    }
  }

  override canHaveXattr(): boolean {
    return true;
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    const d = vd.dentry;
    const dir = d.parent?.inode;
    if ((this.parent !== dir || this.name !== d.name) && !d.deleted && dir instanceof GoferInode) {
      // It was another name that the host was asked about last.
      this.namedAt = Number.NEGATIVE_INFINITY;
      this.setLocation(dir, d.name);
    }
    const acc = flags & O_ACCMODE;
    const h = this.getHandle(acc === O_WRONLY || acc === O_RDWR);
    this.dropCreated();
    try {
      if (acc !== O_WRONLY && acc !== O_ACCMODE && !h.readable) throw linuxerr.EACCES;
      return new GoferFileDescription(vd, flags, this, h);
    } catch (e) {
      this.putHandle(h);
      throw e;
    }
  }

  override linkRefused(): boolean {
    return this.linkable ? false : super.linkRefused();
  }

  override isBeingStored(): boolean {
    return this.mappings !== null && this.mappings.writableBytes > 0;
  }

  // ---- size

  /** The size now. */
  size(): number {
    if (this.isCurrent()) return this.bytes;
    const r = this.fetch();
    if (r < 0) throw linuxerr.fromErrno(-r);
    return this.gofer.hostStat.size;
  }

  override truncate(size: number): void {
    const old = this.mappings === null || this.mappings.isEmpty() ? 0 : this.size();
    const h = this.getHandle(true);
    try {
      check(host.ftruncate(h.fd, size));
    } finally {
      this.putHandle(h);
    }
    this.changed();
    if (size < old) {
      const from = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
      const to = Math.ceil(old / PAGE_SIZE) * PAGE_SIZE;
      if (from < to) this.mappings?.invalidate(from, to, true);
    }
  }

  override sync(): void {
    this.withDescriptor((fd) => check(host.fsync(fd)));
  }

  // ---- memmap.Mappable

  addMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    this.mappings ??= new MappingSet();
    this.mappings.addMapping(ms, start, end, offset, writable);
  }

  removeMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    if (writable) this.changed();
    this.mappings?.removeMapping(ms, start, end, offset, writable);
  }

  translate(start: number, end: number, optionalEnd: number, access: number): Translation[] {
    const write = (access & AccessWrite) !== 0;
    if (write) this.changed();
    const h = this.getHandle(write);
    try {
      // A file that somebody else shortened since gives SIGBUS by the host, as it does when that happens after the question.
      const known = end <= Math.ceil(this.knownSize / PAGE_SIZE) * PAGE_SIZE;
      return h.translate(start, end, optionalEnd, access, known ? this.knownSize : this.size());
    } finally {
      this.putHandle(h);
    }
  }

  override release(): void {
    this.dropCreated();
    this.gofer.descriptors.remove(this);
    this.closeCached();
    super.release();
  }
}
