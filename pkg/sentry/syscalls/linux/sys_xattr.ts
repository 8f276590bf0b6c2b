import * as errno from "../../../abi/linux/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../../abi/linux/file.ts";
import {
  XATTR_CREATE,
  XATTR_LIST_MAX,
  XATTR_NAME_MAX,
  XATTR_REPLACE,
  XATTR_SIZE_MAX,
} from "../../../abi/linux/xattr.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { getXattr, listXattr, removeXattr, setXattr, type VirtualDentry } from "../../vfs/index.ts";
import { copyInPathOperation, copyInPathOrFile, openFile } from "./path.ts";

/** struct xattr_args: u64 value, u32 size, u32 flags. */
const SIZEOF_XATTR_ARGS = 16;

/** The place that (dirfd, path, flags) name. */
function placeAt(t: Task, dirfd: number, pathAddr: number, flags: number): VirtualDentry {
  const p = copyInPathOrFile(t, dirfd, pathAddr, flags);
  if (p.pop !== null) return t.kernel.vfs.getDentryAt(t.creds, p.pop);
  return p.file !== null ? p.file.vd : t.fsContext.cwd;
}

function placeByPath(t: Task, pathAddr: number, follow: boolean): VirtualDentry {
  return t.kernel.vfs.getDentryAt(t.creds, copyInPathOperation(t, AT_FDCWD, pathAddr, follow));
}

function placeByFD(t: Task, fd: number): VirtualDentry {
  const file = openFile(t, fd);
  if (file === null) throw linuxerr.EBADF;
  return file.vd;
}

function copyInName(t: Task, addr: number): string {
  const name = t.tryCopyInString(addr, XATTR_NAME_MAX + 1);
  if (name === null || name.length === 0) throw linuxerr.ERANGE;
  return name;
}

// ---- set

/** setxattr(2). */
export function setxattr(t: Task, args: SyscallArguments): number {
  const v = copyInValue(t, args.u64(1), args.u64(2), args.u64(3), args.i32(4));
  return store(t, placeByPath(t, args.u64(0), true), v);
}

/** lsetxattr(2). */
export function lsetxattr(t: Task, args: SyscallArguments): number {
  const v = copyInValue(t, args.u64(1), args.u64(2), args.u64(3), args.i32(4));
  return store(t, placeByPath(t, args.u64(0), false), v);
}

/** fsetxattr(2). */
export function fsetxattr(t: Task, args: SyscallArguments): number {
  const vd = placeByFD(t, args.i32(0));
  return store(t, vd, copyInValue(t, args.u64(1), args.u64(2), args.u64(3), args.i32(4)));
}

/** setxattrat(2). */
export function setxattrat(t: Task, args: SyscallArguments): number {
  const a = copyInArgs(t, args);
  const v = copyInValue(t, args.u64(3), a.value, a.size, a.flags);
  return store(t, placeAt(t, args.i32(0), args.u64(1), args.u32(2)), v);
}

interface NewValue {
  name: string;
  value: string;
  flags: number;
}

function copyInValue(t: Task, nameAddr: number, addr: number, size: number, flags: number): NewValue {
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) throw linuxerr.EINVAL;
  const name = copyInName(t, nameAddr);
  if (size > XATTR_SIZE_MAX) throw linuxerr.E2BIG;
  let value = "";
  if (size > 0) {
    const buf = Buffer.alloc(size);
    t.copyIn(addr, buf, 0, size);
    value = buf.toString("latin1");
  }
  return { name, value, flags };
}

function store(t: Task, vd: VirtualDentry, v: NewValue): number {
  setXattr(vd, v.name, v.value, v.flags, t.creds);
  return 0;
}

// ---- get

/** getxattr(2). */
export function getxattr(t: Task, args: SyscallArguments): number {
  const name = copyInName(t, args.u64(1));
  return fetch(t, placeByPath(t, args.u64(0), true), name, args.u64(2), args.u64(3));
}

/** lgetxattr(2). */
export function lgetxattr(t: Task, args: SyscallArguments): number {
  const name = copyInName(t, args.u64(1));
  return fetch(t, placeByPath(t, args.u64(0), false), name, args.u64(2), args.u64(3));
}

/** fgetxattr(2). */
export function fgetxattr(t: Task, args: SyscallArguments): number {
  const vd = placeByFD(t, args.i32(0));
  return fetch(t, vd, copyInName(t, args.u64(1)), args.u64(2), args.u64(3));
}

/** getxattrat(2). */
export function getxattrat(t: Task, args: SyscallArguments): number {
  const a = copyInArgs(t, args);
  if (a.flags !== 0) return -errno.EINVAL;
  const name = copyInName(t, args.u64(3));
  return fetch(t, placeAt(t, args.i32(0), args.u64(1), args.u32(2)), name, a.value, a.size);
}

function fetch(t: Task, vd: VirtualDentry, name: string, addr: number, size: number): number {
  const value = getXattr(vd, name, t.creds);
  if (typeof value === "number") return value;
  if (size === 0) return value.length;
  if (value.length > size) return -errno.ERANGE;
  if (value.length > 0) t.copyOut(addr, Buffer.from(value, "latin1"));
  return value.length;
}

// ---- list

/** listxattr(2). */
export function listxattr(t: Task, args: SyscallArguments): number {
  return list(t, placeByPath(t, args.u64(0), true), args.u64(1), args.u64(2));
}

/** llistxattr(2). */
export function llistxattr(t: Task, args: SyscallArguments): number {
  return list(t, placeByPath(t, args.u64(0), false), args.u64(1), args.u64(2));
}

/** flistxattr(2). */
export function flistxattr(t: Task, args: SyscallArguments): number {
  return list(t, placeByFD(t, args.i32(0)), args.u64(1), args.u64(2));
}

/** listxattrat(2). */
export function listxattrat(t: Task, args: SyscallArguments): number {
  const flags = args.u32(2);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  return list(t, placeAt(t, args.i32(0), args.u64(1), flags), args.u64(3), args.u64(4));
}

function list(t: Task, vd: VirtualDentry, addr: number, size: number): number {
  let all = "";
  for (const name of listXattr(vd, t.creds)) all += `${name}\0`;
  if (all.length > XATTR_LIST_MAX) return -errno.E2BIG;
  if (size === 0) return all.length;
  if (all.length > size) return -errno.ERANGE;
  if (all.length > 0) t.copyOut(addr, Buffer.from(all, "latin1"));
  return all.length;
}

// ---- remove

/** removexattr(2). */
export function removexattr(t: Task, args: SyscallArguments): number {
  const name = copyInName(t, args.u64(1));
  removeXattr(placeByPath(t, args.u64(0), true), name, t.creds);
  return 0;
}

/** lremovexattr(2). */
export function lremovexattr(t: Task, args: SyscallArguments): number {
  const name = copyInName(t, args.u64(1));
  removeXattr(placeByPath(t, args.u64(0), false), name, t.creds);
  return 0;
}

/** fremovexattr(2). */
export function fremovexattr(t: Task, args: SyscallArguments): number {
  const vd = placeByFD(t, args.i32(0));
  removeXattr(vd, copyInName(t, args.u64(1)), t.creds);
  return 0;
}

/** removexattrat(2). */
export function removexattrat(t: Task, args: SyscallArguments): number {
  const flags = args.u32(2);
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -errno.EINVAL;
  const name = copyInName(t, args.u64(3));
  removeXattr(placeAt(t, args.i32(0), args.u64(1), flags), name, t.creds);
  return 0;
}

interface XattrArgs {
  value: number;
  size: number;
  flags: number;
}

/** The struct xattr_args of setxattrat(2) and getxattrat(2): (dirfd, path, at_flags, name, args, size). */
function copyInArgs(t: Task, args: SyscallArguments): XattrArgs {
  if ((args.u32(2) & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) throw linuxerr.EINVAL;
  const size = args.u64(5);
  if (size < SIZEOF_XATTR_ARGS) throw linuxerr.EINVAL;
  if (size > 4096) throw linuxerr.E2BIG;
  const k = t.kernel;
  t.copyIn(args.u64(4), k.scratch, 0, size);
  for (let i = SIZEOF_XATTR_ARGS; i < size; i++) if (k.scratch[i] !== 0) throw linuxerr.E2BIG;
  const w = k.scratchWords;
  return { value: (w[1] ?? 0) * 4294967296 + (w[0] ?? 0), size: w[2] ?? 0, flags: w[3] ?? 0 };
}
