import { O_APPEND, SEEK_CUR, SEEK_SET } from "../../../abi/linux/file.ts";
import { S_IFREG } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { StateType } from "../../../state/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Entry, Queue } from "../../../waiter/index.ts";
import { EventErr, EventIn, EventPri, EventRdNorm } from "../../../waiter/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, MAX_FILE_OFFSET, type VirtualDentry } from "../../vfs/index.ts";
import type { KernfsFilesystem } from "./filesystem.ts";
import { KernfsInode } from "./inode.ts";

/** The most bytes one write to such a file may carry. */
const MAX_WRITE = 4096;

/** A regular file whose content is made when it is read. */
export abstract class DynamicBytesInode extends KernfsInode {
  static override readonly stateType: StateType = stateType("kernfs.DynamicBytesInode", []);

  constructor(fs: KernfsFilesystem, perm = 0o444, ino = 0) {
    super(fs, S_IFREG | perm, ino);
  }

  /** The content now, as a byte string. May throw a LinuxError, which read(2) then gives. */
  abstract generate(): string;

  /** A write(2) of the bytes given, at `offset`. Returns the bytes taken. Throws EIO or EINVAL by default. */
  writeBytes(_data: string, _offset: number): number {
    throw linuxerr.EIO;
  }

  /** Checked at open(2) beyond the permission bits; throws. */
  checkOpen(_flags: number, _creds: Credentials): void {}

  /** Notified when the content changes (poll(2) shows EventErr | EventPri once per change), or null. */
  changeQueue(): Queue | null {
    return null;
  }

  /** A number that grows with every change; only with changeQueue(). */
  changeCount(): number {
    return 0;
  }

  override open(vd: VirtualDentry, flags: number, creds: Credentials): FileDescription {
    this.checkOpen(flags, creds);
    return new DynamicBytesFileDescription(vd, flags, this);
  }
}

/** An open DynamicBytesInode. The content is made anew by each read at offset 0 and stays the same between. */
export class DynamicBytesFileDescription extends FileDescription {
  static override readonly stateType: StateType = stateType("kernfs.DynamicBytesFileDescription", [
    "source",
    "data",
    "offset",
    "seenChange",
  ]);
  readonly source: DynamicBytesInode;
  data: Buffer | null = null;
  offset = 0;
  /** changeCount() when it was last read or polled. */
  seenChange: number;

  constructor(vd: VirtualDentry, flags: number, source: DynamicBytesInode) {
    super(vd, flags);
    this.source = source;
    this.seenChange = source.changeCount();
  }

  /** The content now: what the inode says, unless it depends on what was there at open(2). */
  generate(): string {
    return this.source.generate();
  }

  /** The content for a read at `offset`. */
  content(offset: number): Buffer {
    if (offset === 0 || this.data === null) {
      this.data = Buffer.from(this.generate(), "latin1");
      this.seenChange = this.source.changeCount();
    }
    return this.data;
  }

  override pread(dst: IOSequence, offset: number): number {
    if (dst.numBytes() === 0) return 0;
    const data = this.content(offset);
    const left = data.length - offset;
    if (left <= 0) return 0;
    return dst.copyOut(data, offset, Math.min(left, dst.numBytes()));
  }

  override read(dst: IOSequence): number {
    const n = this.pread(dst, this.offset);
    this.offset += n;
    return n;
  }

  override pwrite(src: IOSequence, offset: number): number {
    const n = Math.min(src.numBytes(), MAX_WRITE);
    const buf = Buffer.alloc(n);
    const got = src.copyIn(buf, 0, n);
    return this.source.writeBytes(buf.toString("latin1", 0, got), offset);
  }

  override write(src: IOSequence): number {
    const at = (this.statusFlags & O_APPEND) !== 0 ? 0 : this.offset;
    const n = this.pwrite(src, at);
    this.offset += n;
    return n;
  }

  override canSeek(): boolean {
    return true;
  }

  override position(): number {
    return this.offset;
  }

  override seek(offset: number, whence: number): number {
    let to: number;
    if (whence === SEEK_SET) to = offset;
    else if (whence === SEEK_CUR) to = this.offset + offset;
    else throw linuxerr.EINVAL;
    if (to < 0 || to > MAX_FILE_OFFSET) throw linuxerr.EINVAL;
    this.offset = to;
    return to;
  }

  override canPoll(): boolean {
    return this.source.changeQueue() !== null;
  }

  override readiness(mask: number): number {
    if (this.source.changeQueue() === null) return super.readiness(mask);
    const ready = mask & (EventIn | EventRdNorm);
    const count = this.source.changeCount();
    if (count === this.seenChange) return ready;
    // Seen now: each change is told once.
    this.seenChange = count;
    return ready | ((EventErr | EventPri) & (mask | EventErr));
  }

  override eventRegister(e: Entry): void {
    const q = this.source.changeQueue();
    if (q === null) throw linuxerr.EPERM;
    q.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    // The queue it is on: that of the source may be another by now.
    e.queue?.eventUnregister(e);
  }
}

/** A file with constant content. */
export class StaticFile extends DynamicBytesInode {
  static override readonly stateType = stateType("kernfs.StaticFile", ["text"]);
  readonly text: string;

  constructor(fs: KernfsFilesystem, text: string, perm = 0o444) {
    super(fs, perm);
    this.text = text;
  }

  override generate(): string {
    return this.text;
  }
}
