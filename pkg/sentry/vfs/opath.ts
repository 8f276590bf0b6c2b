import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { SyscallArguments } from "../kernel/syscalls.ts";
import type { Task } from "../kernel/task.ts";
import type { MMapOpts } from "../memmap/index.ts";
import type { IOSequence } from "../usermem/index.ts";
import { FileDescription } from "./file_description.ts";
import type { DirentCallback, SetStatOptions } from "./options.ts";

/** A description opened with O_PATH: it names a place and does nothing else; EBADF for the rest. See open(2). */
export class OPathFileDescription extends FileDescription {
  static override readonly stateType = stateType("vfs.OPathFileDescription", []);

  override read(_dst: IOSequence): number {
    throw linuxerr.EBADF;
  }

  override write(_src: IOSequence): number {
    throw linuxerr.EBADF;
  }

  override pread(_dst: IOSequence, _offset: number): number {
    throw linuxerr.EBADF;
  }

  override pwrite(_src: IOSequence, _offset: number): number {
    throw linuxerr.EBADF;
  }

  override seek(_offset: number, _whence: number): number {
    throw linuxerr.EBADF;
  }

  override iterDirents(_cb: DirentCallback): void {
    throw linuxerr.EBADF;
  }

  override sync(): void {
    throw linuxerr.EBADF;
  }

  override allocate(_mode: number, _offset: number, _length: number): void {
    throw linuxerr.EBADF;
  }

  override ioctl(_t: Task, _cmd: number, _args: SyscallArguments): number {
    throw linuxerr.EBADF;
  }

  override configureMMap(_opts: MMapOpts): void {
    throw linuxerr.EBADF;
  }

  override setStat(_opts: SetStatOptions, _creds: Credentials): void {
    throw linuxerr.EBADF;
  }
}
