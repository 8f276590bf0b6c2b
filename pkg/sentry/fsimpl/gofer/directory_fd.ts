import * as errno from "../../../abi/linux/errno.ts";
import { SEEK_SET } from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import type { IOJob } from "../../iopool/index.ts";
import { DirectoryFileDescription, type DirentCallback, type VirtualDentry } from "../../vfs/index.ts";
import type { GoferDirectory } from "./directory.ts";
import { check } from "./inode.ts";
import { OwnDescriptor } from "./own_descriptor.ts";

/** Above this, the high word of a directory offset makes it inexact as a number. */
const MAX_EXACT_HIGH = 0x1fffff;

/**
 * An open directory. Entries come straight from the host's getdents64. Offsets are entry counts: the host's own may be hashes of 63 bits, so
 * they are recorded as the directory is read, for seekdir(3).
 */
export class GoferDirectoryDescription extends DirectoryFileDescription {
  static override readonly stateType = stateType(
    "gofer.DirectoryDescription",
    ["directory"],
    ["fd", "dirents", "pending", "atEnd", "offsets", "known"],
  );
  readonly directory: GoferDirectory;
  /** The host descriptor; -1 until entries are asked for. */
  fd = -1;
  /** Entries read but not given yet; null when there are none. */
  dirents: host.HostDirents | null = null;
  /** The buffer stands at an entry that has not been given. */
  pending = false;
  atEnd = false;
  /** The host's offset behind entry i - 1 is words 2i and 2i+1, of the first `known` entries. */
  offsets: Uint32Array<ArrayBuffer> | null = null;
  known = 0;

  constructor(vd: VirtualDentry, flags: number, directory: GoferDirectory) {
    super(vd, flags);
    this.directory = directory;
  }

  override iterDirents(cb: DirentCallback): void {
    this.begin();
    for (;;) {
      const d = this.next();
      if (d === null || !this.give(d, cb)) return;
    }
  }

  override giveDirents(cb: DirentCallback, each: DirentCallback, inoHigh: number, base: number): void {
    this.begin();
    for (;;) {
      const d = this.next();
      if (d === null) return;
      const hasRoom = cb.take?.(d, base + this.offset + 1, inoHigh, this.room(), this.offset + 1) ?? true;
      const passed = d.taken[2] ?? 0;
      this.offset += passed;
      this.known = Math.max(this.known, this.offset);
      this.pending = d.hasEntry();
      if (!hasRoom) return;
      // One to be looked at.
      if (passed === 0 && !this.give(d, each)) return;
    }
  }

  /** Before entries are given. */
  begin(): void {
    const place = this.vd.dentry;
    if (!place.hashed && place.deleted) throw linuxerr.ENOENT;
    if (this.fd >= 0 || this.atEnd) return;
    const fd = this.directory.lend();
    check(fd);
    this.fd = fd;
    // Another description may have read through it.
    if (this.directory.moved || fd !== this.directory.fd) check(host.lseek(fd, 0, SEEK_SET));
    this.directory.moved = true;
  }

  /** Gives an entry; false when there is no room for it. */
  give(d: host.HostDirents, cb: DirentCallback): boolean {
    const name = d.name;
    const ino = name === ".." ? (this.vd.dentry.parent?.inode.ino ?? this.inode.ino) : d.ino;
    if (!cb.handle(name, d.type, ino, this.offset + 1)) return false;
    const offsets = this.room();
    this.pending = false;
    this.offset++;
    this.known = Math.max(this.known, this.offset);
    const w = d.at >> 2;
    offsets[2 * this.offset] = d.words[w + 2] ?? 0;
    offsets[2 * this.offset + 1] = d.words[w + 3] ?? 0;
    return true;
  }

  /** The offsets, with room for one more. */
  room(): Uint32Array<ArrayBuffer> {
    let o = this.offsets ?? this.directory.gofer.acquireOffsets();
    if (2 * this.offset + 3 >= o.length) {
      const more = new Uint32Array(new ArrayBuffer(o.length * 8));
      more.set(o);
      o = more;
    }
    this.offsets = o;
    return o;
  }

  /** The next entry, not yet given; null at the end. */
  next(): host.HostDirents | null {
    if (this.atEnd) return null;
    let d = this.dirents;
    if (d !== null && (this.pending || d.next())) {
      this.pending = true;
      return d;
    }
    this.directory.accessed();
    d ??= this.directory.gofer.acquireDirents();
    this.dirents = d;
    const n = d.fill(this.fd);
    if (n < 0 && n !== -errno.ENOENT) throw linuxerr.fromErrno(-n);
    if (n > 0 && d.next()) {
      this.pending = true;
      return d;
    }
    this.atEnd = true;
    this.dropBuffer();
    return null;
  }

  dropBuffer(): void {
    if (this.dirents !== null) this.directory.gofer.releaseDirents(this.dirents);
    this.dirents = null;
    this.pending = false;
  }

  override moveTo(to: number): void {
    const known = this.offset;
    if (to === known && to !== 0) return;
    this.dropBuffer();
    this.atEnd = false;
    if (this.fd < 0 && to === 0) return;
    if (to > this.known) {
      // Never been there.
      this.atEnd = true;
      return;
    }
    if (this.fd < 0) return;
    const high = this.offsets?.[2 * to + 1] ?? 0;
    const low = this.offsets?.[2 * to] ?? 0;
    if (to === 0) check(host.lseek(this.fd, 0, SEEK_SET));
    else if (high <= MAX_EXACT_HIGH) check(host.lseek(this.fd, high * 4294967296 + low, SEEK_SET));
    else this.readUpTo(to, low, high);
  }

  /** Starts over and reads until behind the entry whose offset is given, or as many entries when it has gone. */
  readUpTo(index: number, low: number, high: number): void {
    for (let pass = 0; pass < 2; pass++) {
      this.dropBuffer();
      this.atEnd = false;
      check(host.lseek(this.fd, 0, SEEK_SET));
      let n = 0;
      for (let d = this.next(); d !== null; d = this.next()) {
        const w = d.at >> 2;
        this.pending = false;
        n++;
        if (d.words[w + 2] === low && d.words[w + 3] === high) return;
        if (pass === 1 && n === index) return;
      }
    }
  }

  override startSync(dataOnly: boolean): IOJob | null {
    const pool = this.directory.gofer.vfs.ioPool;
    if (pool === null) return null;
    const fd = this.directory.openForReading();
    check(fd);
    const job = pool.sync(new OwnDescriptor(fd), fd, dataOnly);
    if (job === null) host.close(fd);
    return job;
  }

  override release(): void {
    this.dropBuffer();
    if (this.offsets !== null) this.directory.gofer.releaseOffsets(this.offsets);
    this.offsets = null;
    this.known = 0;
    if (this.fd >= 0) this.directory.takeBack(this.fd);
    this.fd = -1;
    super.release();
  }
}
