import { O_RDONLY, O_WRONLY, SEEK_DATA, SEEK_HOLE } from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import { BytesIO, IOSequence } from "../../usermem/index.ts";
import { ATTR_SIZE, type FileDescription, SetStatOptions, type VirtualDentry } from "../../vfs/index.ts";

/** Bytes of one step. */
export const COPY_UP_STEP = 256 * 1024;

/** The copying of one regular file's data between layers, a step at a time. Holes stay holes. */
export class CopyUp {
  static readonly stateType = stateType(
    "overlay.CopyUp",
    ["from", "to", "at", "size", "dataEnd", "creds"],
    ["io", "sequence"],
  );
  readonly from: FileDescription;
  readonly to: FileDescription;
  readonly creds: Credentials;
  readonly io: BytesIO;
  readonly sequence: IOSequence = new IOSequence();
  at = 0;
  /** Bytes to copy. */
  size: number;
  /** End of the data that `at` is in. */
  dataEnd = 0;

  /** `buffer` is used during steps only. */
  constructor(from: VirtualDentry, to: VirtualDentry, size: number, creds: Credentials, buffer: Uint8Array) {
    this.io = new BytesIO(buffer);
    this.size = size;
    this.creds = creds;
    this.from = from.dentry.inode.open(from, O_RDONLY, creds);
    try {
      this.to = to.dentry.inode.open(to, O_WRONLY, creds);
    } catch (e) {
      this.from.decRef();
      throw e;
    }
  }

  /** Copies up to COPY_UP_STEP bytes. Returns false when all is done. */
  step(): boolean {
    if (this.at >= this.dataEnd && !this.findData()) return false;
    const want = Math.min(COPY_UP_STEP, this.io.bytes.length, this.dataEnd - this.at);
    const n = this.from.pread(this.sequence.setSingle(this.io, 0, want), this.at);
    if (n < 0) throw linuxerr.EIO;
    if (n === 0) {
      // The file became shorter.
      this.size = this.at;
      return this.findData();
    }
    let done = 0;
    while (done < n) {
      const m = this.to.pwrite(this.sequence.setSingle(this.io, done, n - done), this.at + done);
      if (m <= 0) throw linuxerr.EIO;
      done += m;
    }
    this.at += n;
    return true;
  }

  /** Goes to the next data. At the end sets the size of the copy and returns false. */
  findData(): boolean {
    if (this.at < this.size) {
      try {
        this.at = Math.min(this.from.seek(this.at, SEEK_DATA), this.size);
        this.dataEnd = Math.min(this.from.seek(this.at, SEEK_HOLE), this.size);
        if (this.at < this.dataEnd) return true;
      } catch (e) {
        // Nothing but a hole is left, or the layer does not know.
        if (e === linuxerr.EINVAL || e === linuxerr.EOPNOTSUPP) {
          this.dataEnd = this.size;
          return true;
        }
        if (e !== linuxerr.ENXIO) throw e;
      }
    }
    const o = new SetStatOptions();
    o.mask = ATTR_SIZE;
    o.size = this.size;
    this.to.inode.setStat(o, this.creds);
    return false;
  }

  /** Closes both files; once. */
  finish(): void {
    this.from.decRef();
    this.to.decRef();
  }
}
