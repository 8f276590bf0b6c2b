import {
  DIRENT_NAME,
  DIRENT64_INO,
  DIRENT64_NAME,
  DIRENT64_OFF,
  DIRENT64_RECLEN,
  DIRENT64_TYPE,
} from "../../../abi/linux/dirent.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { SEEK_SET } from "../../../abi/linux/file.ts";
import { IN_ACCESS } from "../../../abi/linux/inotify.ts";
import type { HostDirents } from "../../../hostsyscall/index.ts";
import { type StateType, stateType } from "../../../state/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { type DirentCallback, notifyFile } from "../../vfs/index.ts";
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
  // A size beyond INT_MAX has room for nothing.
  const size = Math.min(Math.max(args.i32(2), 0), MAX_BYTES);
  const w = is64 ? new Dirent64Writer(s.bytes, s.view, size, is64) : new DirentWriter(s.bytes, s.view, size, is64);
  const before = file.position();
  file.iterDirents(w);
  notifyFile(file, IN_ACCESS);
  // Not one record fits.
  if (w.used === 0) return w.full ? -errno.EINVAL : 0;
  const copied = t.mm.copyOut(args.u64(1), s.bytes, 0, w.used);
  if (copied === w.used) return copied;
  // The whole records that arrived count; the next call goes on after them.
  let kept = 0;
  let next = before;
  for (;;) {
    const reclen = s.view.getUint16(kept + DIRENT64_RECLEN, true);
    if (kept + reclen > copied) break;
    next = s.view.getUint32(kept + DIRENT64_OFF + 4, true) * 4294967296 + s.view.getUint32(kept + DIRENT64_OFF, true);
    kept += reclen;
  }
  file.seek(next, SEEK_SET);
  return kept === 0 ? -errno.EFAULT : kept;
}

/** Makes linux_dirent or linux_dirent64 records. */
class DirentWriter implements DirentCallback {
  static readonly stateType: StateType = stateType(
    "linux.DirentWriter",
    [],
    ["bytes", "view", "size", "is64", "used", "full"],
  );
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

/** Takes records of the host over, too. */
class Dirent64Writer extends DirentWriter {
  static override readonly stateType = stateType("linux.Dirent64Writer", []);

  take(d: HostDirents, first: number, inoHigh: number, offsets: Uint32Array<ArrayBuffer>, index: number): boolean {
    this.used += d.take(this.bytes, this.used, this.size - this.used, first, inoHigh, offsets, index);
    this.full = d.taken[3] !== 0;
    return !this.full;
  }
}
