import { SEEK_CUR, SEEK_SET } from "../../../abi/linux/file.ts";
import { S_IFREG } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import type { Task } from "../../kernel/task.ts";
import type { MemoryManager } from "../../mm/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, MAX_FILE_OFFSET, type VirtualDentry } from "../../vfs/index.ts";
import { KernfsInode } from "../kernfs/index.ts";
import { isGone, mayInspect, memoryOf, ownerGID, ownerUID } from "./access.ts";
import type { ProcFilesystem } from "./filesystem.ts";

/** Bytes moved at once between two address spaces. */
const CHUNK = 4096;

/** /proc/[pid]/mem: the memory of the process at the file offset. */
export class MemInode extends KernfsInode {
  static override readonly stateType = stateType("proc.MemInode", ["task"]);
  readonly task: Task;

  constructor(fs: ProcFilesystem, task: Task, ino: number) {
    super(fs, S_IFREG | 0o600, ino);
    this.task = task;
  }

  override uid(): number {
    return ownerUID(this.task);
  }

  override gid(): number {
    return ownerGID(this.task);
  }

  override revalidate(): boolean {
    return !isGone(this.task);
  }

  override open(vd: VirtualDentry, flags: number, _creds: Credentials): FileDescription {
    if (!mayInspect((this.fs as ProcFilesystem).reader(), this.task)) throw linuxerr.EACCES;
    return new MemFileDescription(vd, flags, memoryOf(this.task));
  }
}

/** An open /proc/[pid]/mem; stays with the address space the process had at open(2). */
export class MemFileDescription extends FileDescription {
  static override readonly stateType = stateType("proc.MemFileDescription", ["mm", "offset"]);
  readonly mm: MemoryManager | null;
  offset = 0;

  constructor(vd: VirtualDentry, flags: number, mm: MemoryManager | null) {
    super(vd, flags);
    this.mm = mm;
  }

  override canSeek(): boolean {
    return true;
  }

  override position(): number {
    return this.offset;
  }

  override seek(offset: number, whence: number): number {
    let to = offset;
    if (whence === SEEK_CUR) to += this.offset;
    else if (whence !== SEEK_SET) throw linuxerr.EINVAL;
    if (to < 0 || to > MAX_FILE_OFFSET) throw linuxerr.EINVAL;
    this.offset = to;
    return to;
  }

  override read(dst: IOSequence): number {
    const n = this.pread(dst, this.offset);
    this.offset += n;
    return n;
  }

  override write(src: IOSequence): number {
    const n = this.pwrite(src, this.offset);
    this.offset += n;
    return n;
  }

  override pread(dst: IOSequence, offset: number): number {
    const mm = this.mm;
    if (mm === null || mm.users === 0) return 0;
    const buf = new Uint8Array(Math.min(CHUNK, dst.numBytes()));
    let done = 0;
    while (dst.numBytes() > 0) {
      const got = tryCopy(mm, offset + done, buf, Math.min(buf.length, dst.numBytes()), false);
      if (got === 0) break;
      const n = dst.copyOut(buf, 0, got);
      done += n;
      if (n < got) break;
    }
    if (done === 0 && dst.numBytes() > 0) throw linuxerr.EIO;
    return done;
  }

  override pwrite(src: IOSequence, offset: number): number {
    const mm = this.mm;
    if (mm === null || mm.users === 0) return 0;
    const buf = new Uint8Array(Math.min(CHUNK, src.numBytes()));
    let done = 0;
    while (src.numBytes() > 0) {
      const mark = src.position();
      const got = src.copyIn(buf, 0, Math.min(buf.length, src.numBytes()));
      const n = tryCopy(mm, offset + done, buf, got, true);
      done += n;
      if (n < got) {
        src.rewind(mark + n);
        break;
      }
    }
    if (done === 0 && src.numBytes() > 0) throw linuxerr.EIO;
    return done;
  }
}

/** Copies between a buffer and an address space as a debugger does, whatever the protection; 0 when nothing is accessible. */
function tryCopy(mm: MemoryManager, addr: number, buf: Uint8Array, len: number, write: boolean): number {
  try {
    return write ? mm.forced.copyOut(addr, buf, 0, len) : mm.forced.copyIn(addr, buf, 0, len);
  } catch (e) {
    if (e !== linuxerr.EFAULT) throw e;
    return 0;
  }
}
