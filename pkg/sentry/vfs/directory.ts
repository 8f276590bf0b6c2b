import { DT_DIR } from "../../abi/linux/dirent.ts";
import { SEEK_CUR, SEEK_SET } from "../../abi/linux/file.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import type { IOSequence } from "../usermem/index.ts";
import { FileDescription } from "./file_description.ts";
import type { DirentCallback } from "./options.ts";

/** Offset of the first entry after "." and "..". */
export const DIR_FIRST_OFFSET = 2;

/** An open directory. Here its inode gives the entries, by Inode.readDir: offsets 0 and 1 are "." and "..". */
export class DirectoryFileDescription extends FileDescription {
  static override readonly stateType: StateType = stateType("vfs.DirectoryFileDescription", ["offset"]);
  /** Where the next getdents(2) starts. */
  offset = 0;

  override iterDirents(cb: DirentCallback): void {
    const d = this.vd.dentry;
    if (!d.hashed && d.deleted) throw linuxerr.ENOENT;
    if (this.offset === 0) {
      if (!cb.handle(".", DT_DIR, this.inode.ino, 1)) return;
      this.offset = 1;
    }
    if (this.offset === 1) {
      const up = d.parent ?? d;
      if (!cb.handle("..", DT_DIR, up.inode.ino, DIR_FIRST_OFFSET)) return;
      this.offset = DIR_FIRST_OFFSET;
    }
    this.offset = this.inode.readDir(this.offset, cb);
    this.vd.mount.touchAtime(this.inode, this.statusFlags);
  }

  override seek(offset: number, whence: number): number {
    let to = offset;
    if (whence === SEEK_CUR) to += this.offset;
    else if (whence !== SEEK_SET) throw linuxerr.EINVAL;
    if (to < 0) throw linuxerr.EINVAL;
    this.moveTo(to);
    this.offset = to;
    return to;
  }

  /** The offset is about to become `to`. */
  moveTo(_to: number): void {}

  override position(): number {
    return this.offset;
  }

  override canSeek(): boolean {
    return true;
  }

  override read(_dst: IOSequence): number {
    throw linuxerr.EISDIR;
  }

  override pread(_dst: IOSequence, _offset: number): number {
    throw linuxerr.EISDIR;
  }

  override sync(): void {
    this.inode.sync();
  }
}
