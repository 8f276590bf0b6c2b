import {
  DIRENT_NAME,
  DIRENT64_INO,
  DIRENT64_NAME,
  DIRENT64_OFF,
  DIRENT64_RECLEN,
  DIRENT64_TYPE,
} from "../../../abi/linux/dirent.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { stateType } from "../../../state/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { DirentCallback } from "../../vfs/index.ts";
import { openFile } from "./path.ts";

/** Most bytes of records one call makes: the rest is for the next call. */
const MAX_BYTES = 65536;

/** getdents64(2). */
export function getdents64(t: Task, args: SyscallArguments): number {
  return listDirectory(t, args, true);
}

/** getdents(2). */
export function getdents(t: Task, args: SyscallArguments): number {
  return listDirectory(t, args, false);
}

function listDirectory(t: Task, args: SyscallArguments, is64: boolean): number {
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  const s = t.kernel.syscallScratch;
  const size = Math.min(args.u32(2), MAX_BYTES);
  const w = new DirentWriter(s.bytes, s.view, size, is64);
  const before = file.position();
  file.iterDirents(w);
  // Not one record fits.
  if (w.used === 0) return w.full ? -errno.EINVAL : 0;
  try {
    t.copyOut(args.u64(1), s.bytes, 0, w.used);
  } catch (e) {
    file.seek(before, 0);
    throw e;
  }
  return w.used;
}

/** Makes linux_dirent or linux_dirent64 records. */
class DirentWriter implements DirentCallback {
  static readonly stateType = stateType("linux.DirentWriter", [], ["bytes", "view", "size", "is64", "used", "full"]);
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly size: number;
  readonly is64: boolean;
  used = 0;
  /** An entry did not fit. */
  full = false;

  constructor(bytes: Uint8Array, view: DataView, size: number, is64: boolean) {
    this.bytes = bytes;
    this.view = view;
    this.size = size;
    this.is64 = is64;
  }

  handle(name: string, type: number, ino: number, nextOff: number): boolean {
    const head = this.is64 ? DIRENT64_NAME : DIRENT_NAME;
    // The old form ends with d_type after the NUL.
    const reclen = (head + name.length + (this.is64 ? 1 : 2) + 7) & ~7;
    const at = this.used;
    if (at + reclen > this.size) {
      this.full = true;
      return false;
    }
    const v = this.view;
    v.setUint32(at + DIRENT64_INO, ino >>> 0, true);
    v.setUint32(at + DIRENT64_INO + 4, Math.floor(ino / 4294967296), true);
    v.setUint32(at + DIRENT64_OFF, nextOff >>> 0, true);
    v.setUint32(at + DIRENT64_OFF + 4, Math.floor(nextOff / 4294967296), true);
    v.setUint16(at + DIRENT64_RECLEN, reclen, true);
    if (this.is64) this.bytes[at + DIRENT64_TYPE] = type;
    let p = at + head;
    for (let i = 0; i < name.length; i++) this.bytes[p++] = name.charCodeAt(i);
    const end = at + reclen;
    while (p < end) this.bytes[p++] = 0;
    if (!this.is64) this.bytes[end - 1] = type;
    this.used = end;
    return true;
  }
}
