import { O_APPEND, SEEK_CUR, SEEK_DATA, SEEK_END, SEEK_HOLE, SEEK_SET } from "../../abi/linux/file.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import type { IOSequence } from "../usermem/index.ts";
import { FileDescription } from "./file_description.ts";

/** Largest file offset: numbers beyond are not exact. Linux's limit for tmpfs and ext4 lies above and below it, respectively. */
export const MAX_FILE_OFFSET = Number.MAX_SAFE_INTEGER;

/** A description with a file offset, for files that are read and written at positions. Subclasses give size(), pread and pwrite. */
export abstract class SeekableFileDescription extends FileDescription {
  static override readonly stateType: StateType = stateType("vfs.SeekableFileDescription", ["offset"]);
  /** The file offset, shared by all descriptors of the description. */
  offset = 0;

  /** Current size of the file, for SEEK_END and O_APPEND. */
  abstract size(): number;

  override read(dst: IOSequence, noWait = false): number {
    const n = this.pread(dst, this.offset, noWait);
    if (n > 0) this.offset += n;
    return n;
  }

  override write(src: IOSequence): number {
    const at = this.writePosition(this.offset);
    const n = this.pwrite(src, at);
    if (n > 0) this.offset = at + n;
    return n;
  }

  /** Where a write asked for at `offset` goes: the end under O_APPEND. Implementations of pwrite call it first. */
  writePosition(offset: number): number {
    return (this.statusFlags & O_APPEND) !== 0 ? this.size() : offset;
  }

  override canSeek(): boolean {
    return true;
  }

  override position(): number {
    return this.offset;
  }

  override seek(offset: number, whence: number): number {
    let to: number;
    switch (whence) {
      case SEEK_SET:
        to = offset;
        break;
      case SEEK_CUR:
        to = this.offset + offset;
        break;
      case SEEK_END:
        to = this.size() + offset;
        break;
      case SEEK_DATA:
        to = this.seekData(offset);
        break;
      case SEEK_HOLE:
        to = this.seekHole(offset);
        break;
      default:
        throw linuxerr.EINVAL;
    }
    if (to < 0 || to > MAX_FILE_OFFSET) throw linuxerr.EINVAL;
    this.offset = to;
    return to;
  }

  /** SEEK_DATA: the first byte of data at or after `offset`; ENXIO at or beyond the end. The default knows no holes. */
  seekData(offset: number): number {
    if (offset < 0 || offset >= this.size()) throw linuxerr.ENXIO;
    return offset;
  }

  /** SEEK_HOLE: the first hole at or after `offset`, at the latest the end of the file. */
  seekHole(offset: number): number {
    const size = this.size();
    if (offset < 0 || offset >= size) throw linuxerr.ENXIO;
    return size;
  }
}
