/** Reading host directories. */
import { ptr } from "bun:ffi";
import { pinnedBytes } from "../../native/index.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import { getU64, sys3 } from "./raw.ts";

/** A buffer of struct linux_dirent64 with a cursor: fill() from a descriptor, then next() until it says false, again until fill() gives 0. */
export class HostDirents {
  static readonly stateType = stateType(
    "hostsyscall.HostDirents",
    [],
    ["bytes", "buffer", "words", "address", "at", "end"],
  );
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory: a name becomes a string without a view of its own. */
  readonly buffer: Buffer;
  readonly words: Uint32Array<ArrayBuffer>;
  readonly address: number;
  /** Start of the current entry; -1 before the first. */
  at = -1;
  end = 0;

  constructor(capacity = 32768) {
    this.bytes = pinnedBytes(capacity);
    this.buffer = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, capacity);
    this.words = new Uint32Array(this.bytes.buffer);
    this.address = ptr(this.bytes);
  }

  /** getdents64(2): bytes read, 0 at the end of the directory, or a negative errno. */
  fill(fd: number): number {
    const n = sys3(nr.SYS_getdents64, fd, this.address, this.bytes.length);
    this.at = -1;
    this.end = Math.max(n, 0);
    return n;
  }

  /** Moves to the next entry; false when the buffer is used up. */
  next(): boolean {
    this.at = this.at < 0 ? 0 : this.at + ((this.words[(this.at >> 2) + 4] ?? 0) & 0xffff);
    return this.at < this.end;
  }

  /** Inode number of the entry; inexact above 2^53. */
  get ino(): number {
    return getU64(this.words, this.at >> 2);
  }

  /** DT_* of the entry; DT_UNKNOWN on some filesystems. */
  get type(): number {
    return this.bytes[this.at + 18] ?? 0;
  }

  /** Name of the entry as a byte string. */
  get name(): string {
    const start = this.at + 19;
    return this.buffer.toString("latin1", start, this.bytes.indexOf(0, start));
  }
}
