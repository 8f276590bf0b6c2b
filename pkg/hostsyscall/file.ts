/** Descriptors and paths: open, close, read, write, and the *at(2) family. Results are >= 0 or a negative errno. */
import { ptr } from "bun:ffi";
import { pinnedBytes } from "../../native/index.ts";
import { EINTR } from "../abi/linux/errno.ts";
import { AT_FDCWD } from "../abi/linux/file.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import type { IovecArray } from "./iovec.ts";
import {
  byteString,
  cString,
  type NativePtr,
  type PathArg,
  path1,
  path2,
  put64,
  putTimespec,
  scratch,
  scratchAddress,
  span,
  struct,
  sys3,
  sys6,
  whole,
} from "./raw.ts";

/** openat(2). */
export function openat(dirfd: number, path: PathArg, flags: number, mode = 0): number {
  const p = path1(path);
  return p < 0 ? p : sys6(nr.SYS_openat, dirfd, p, flags, mode, 0, 0);
}

/** open(2). */
export function open(path: PathArg, flags: number, mode = 0): number {
  return openat(AT_FDCWD, path, flags, mode);
}

/** openat2(2); `resolve` is RESOLVE_*. */
export function openat2(dirfd: number, path: PathArg, flags: number, mode: number, resolve: number): number {
  const p = path1(path);
  if (p < 0) {
    return p;
  }
  put64(scratch, 0, flags >>> 0);
  put64(scratch, 2, mode);
  put64(scratch, 4, resolve);
  return sys6(nr.SYS_openat2, dirfd, p, scratchAddress, 24, 0, 0);
}

/** close(2). */
export function close(fd: number): number {
  return sys3(nr.SYS_close, fd, 0, 0);
}

/** close_range(2). */
export function closeRange(first: number, last: number, flags: number): number {
  return sys3(nr.SYS_close_range, first, last, flags);
}

/** read(2) into buf[off, off+len). */
export function read(fd: number, buf: Uint8Array, off = 0, len = buf.length - off): number {
  return sys3(nr.SYS_read, fd, span(buf, off, len), len);
}

/** write(2) of buf[off, off+len). */
export function write(fd: number, buf: Uint8Array, off = 0, len = buf.length - off): number {
  return sys3(nr.SYS_write, fd, span(buf, off, len), len);
}

/** Writes a text as UTF-8, all of it: 0, or a negative errno. */
export function writeText(fd: number, text: string): number {
  const bytes = Buffer.from(text, "utf8");
  for (let done = 0; done < bytes.length; ) {
    const n = write(fd, bytes, done);
    if (n === -EINTR) continue;
    if (n < 0) return n;
    done += n;
  }
  return 0;
}

/** pread64(2) into buf[off, off+len). */
export function pread(fd: number, buf: Uint8Array, off: number, len: number, offset: number): number {
  return sys6(nr.SYS_pread64, fd, span(buf, off, len), len, offset, 0, 0);
}

/** pwrite64(2) of buf[off, off+len). */
export function pwrite(fd: number, buf: Uint8Array, off: number, len: number, offset: number): number {
  return sys6(nr.SYS_pwrite64, fd, span(buf, off, len), len, offset, 0, 0);
}

/** read(2) to a checked address of the sentry's own address space. */
export function readAddr(fd: number, address: number, len: number): number {
  return sys3(nr.SYS_read, fd, address, len);
}

/** write(2) from a checked address. */
export function writeAddr(fd: number, address: number, len: number): number {
  return sys3(nr.SYS_write, fd, address, len);
}

/** pread64(2) to a checked address. */
export function preadAddr(fd: number, address: number, len: number, offset: number): number {
  return sys6(nr.SYS_pread64, fd, address, len, offset, 0, 0);
}

/** pwrite64(2) from a checked address. */
export function pwriteAddr(fd: number, address: number, len: number, offset: number): number {
  return sys6(nr.SYS_pwrite64, fd, address, len, offset, 0, 0);
}

/** readv(2). */
export function readv(fd: number, iov: IovecArray): number {
  return sys3(nr.SYS_readv, fd, iov.address, iov.count);
}

/** writev(2). */
export function writev(fd: number, iov: IovecArray): number {
  return sys3(nr.SYS_writev, fd, iov.address, iov.count);
}

/** preadv(2). */
export function preadv(fd: number, iov: IovecArray, offset: number): number {
  return sys6(nr.SYS_preadv, fd, iov.address, iov.count, offset, 0, 0);
}

/** pwritev(2). */
export function pwritev(fd: number, iov: IovecArray, offset: number): number {
  return sys6(nr.SYS_pwritev, fd, iov.address, iov.count, offset, 0, 0);
}

/** preadv2(2); offset -1 is the file's own position; flags are RWF_*. */
export function preadv2(fd: number, iov: IovecArray, offset: number, flags: number): number {
  return sys6(nr.SYS_preadv2, fd, iov.address, iov.count, offset, 0, flags);
}

/** pwritev2(2); offset -1 is the file's own position; flags are RWF_*. */
export function pwritev2(fd: number, iov: IovecArray, offset: number, flags: number): number {
  return sys6(nr.SYS_pwritev2, fd, iov.address, iov.count, offset, 0, flags);
}

/** lseek(2). */
export function lseek(fd: number, offset: number, whence: number): number {
  return sys3(nr.SYS_lseek, fd, offset, whence);
}

/** getdents64(2): bytes of struct linux_dirent64 put into buf. */
export function getdents64(fd: number, buf: Uint8Array): number {
  return sys3(nr.SYS_getdents64, fd, whole(buf), buf.length);
}

const linkBytes = pinnedBytes(4096);

/** readlinkat(2): the target as a byte string (cut at 4096 bytes), or a negative errno. An empty path reads the link `dirfd` itself. */
export function readlinkat(dirfd: number, path: PathArg): string | number {
  const p = path1(path);
  if (p < 0) {
    return p;
  }
  const n = sys6(nr.SYS_readlinkat, dirfd, p, linkBytes, linkBytes.length, 0, 0);
  return n < 0 ? n : byteString(linkBytes, 0, n);
}

/** mkdirat(2). */
export function mkdirat(dirfd: number, path: PathArg, mode: number): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_mkdirat, dirfd, p, mode);
}

/** mknodat(2); `dev` is encoded as makeDeviceID does. */
export function mknodat(dirfd: number, path: PathArg, mode: number, dev: number): number {
  const p = path1(path);
  return p < 0 ? p : sys6(nr.SYS_mknodat, dirfd, p, mode, dev, 0, 0);
}

/** symlinkat(2). */
export function symlinkat(target: PathArg, dirfd: number, path: PathArg): number {
  const t = path1(target);
  const p = path2(path);
  return t < 0 ? t : p < 0 ? p : sys3(nr.SYS_symlinkat, t, dirfd, p);
}

/** linkat(2). */
export function linkat(oldDirfd: number, oldPath: PathArg, newDirfd: number, newPath: PathArg, flags: number): number {
  const o = path1(oldPath);
  const n = path2(newPath);
  return o < 0 ? o : n < 0 ? n : sys6(nr.SYS_linkat, oldDirfd, o, newDirfd, n, flags, 0);
}

/** unlinkat(2). */
export function unlinkat(dirfd: number, path: PathArg, flags: number): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_unlinkat, dirfd, p, flags);
}

/** renameat2(2). */
export function renameat2(
  oldDirfd: number,
  oldPath: PathArg,
  newDirfd: number,
  newPath: PathArg,
  flags: number,
): number {
  const o = path1(oldPath);
  const n = path2(newPath);
  return o < 0 ? o : n < 0 ? n : sys6(nr.SYS_renameat2, oldDirfd, o, newDirfd, n, flags, 0);
}

/** faccessat2(2): checks with the caller's real ids unless AT_EACCESS. */
export function faccessat2(dirfd: number, path: PathArg, mode: number, flags: number): number {
  const p = path1(path);
  return p < 0 ? p : sys6(nr.SYS_faccessat2, dirfd, p, mode, flags, 0, 0);
}

/** fchmod(2). */
export function fchmod(fd: number, mode: number): number {
  return sys3(nr.SYS_fchmod, fd, mode, 0);
}

/** fchmodat(2): follows links, takes no flags. */
export function fchmodat(dirfd: number, path: PathArg, mode: number): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_fchmodat, dirfd, p, mode);
}

/** fchmodat2(2), Linux 6.6: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. ENOSYS before. */
export function fchmodat2(dirfd: number, path: PathArg, mode: number, flags: number): number {
  const p = path1(path);
  return p < 0 ? p : sys6(nr.SYS_fchmodat2, dirfd, p, mode, flags, 0, 0);
}

/** fchown(2); -1 leaves an id unchanged. */
export function fchown(fd: number, uid: number, gid: number): number {
  return sys3(nr.SYS_fchown, fd, uid, gid);
}

/** fchownat(2); with AT_EMPTY_PATH and "" it acts on dirfd itself, also an O_PATH one. -1 leaves an id unchanged. */
export function fchownat(dirfd: number, path: PathArg, uid: number, gid: number, flags: number): number {
  const p = path1(path);
  return p < 0 ? p : sys6(nr.SYS_fchownat, dirfd, p, uid, gid, flags, 0);
}

/** ftruncate(2). */
export function ftruncate(fd: number, length: number): number {
  return sys3(nr.SYS_ftruncate, fd, length, 0);
}

/** fallocate(2). */
export function fallocate(fd: number, mode: number, offset: number, length: number): number {
  return sys6(nr.SYS_fallocate, fd, mode, offset, length, 0, 0);
}

/** fsync(2). */
export function fsync(fd: number): number {
  return sys3(nr.SYS_fsync, fd, 0, 0);
}

/** fdatasync(2). */
export function fdatasync(fd: number): number {
  return sys3(nr.SYS_fdatasync, fd, 0, 0);
}

/** syncfs(2). */
export function syncfs(fd: number): number {
  return sys3(nr.SYS_syncfs, fd, 0, 0);
}

/** sync_file_range(2). */
export function syncFileRange(fd: number, offset: number, length: number, flags: number): number {
  return sys6(nr.SYS_sync_file_range, fd, offset, length, flags, 0, 0);
}

/** posix_fadvise(2). */
export function fadvise(fd: number, offset: number, length: number, advice: number): number {
  return sys6(nr.SYS_fadvise64, fd, offset, length, advice, 0, 0);
}

/** copy_file_range(2) at explicit offsets. */
export function copyFileRange(inFD: number, inOff: number, outFD: number, outOff: number, length: number): number {
  put64(scratch, 0, inOff);
  put64(scratch, 2, outOff);
  return sys6(nr.SYS_copy_file_range, inFD, scratchAddress, outFD, scratchAddress + 8, length, 0);
}

/** flock(2). Without LOCK_NB it may block the sentry. */
export function flock(fd: number, operation: number): number {
  return sys3(nr.SYS_flock, fd, operation, 0);
}

/**
 * utimensat(2). A null path acts on dirfd itself (not an O_PATH one: use "" and AT_EMPTY_PATH). nsec may be UTIME_NOW or UTIME_OMIT; seconds may be negative.
 */
export function utimensat(
  dirfd: number,
  path: PathArg | null,
  atimeSec: number,
  atimeNsec: number,
  mtimeSec: number,
  mtimeNsec: number,
  flags: number,
): number {
  const p = path === null ? 0 : path1(path);
  if (p < 0) {
    return p;
  }
  put64(scratch, 0, atimeSec);
  put64(scratch, 2, atimeNsec);
  put64(scratch, 4, mtimeSec);
  put64(scratch, 6, mtimeNsec);
  return sys6(nr.SYS_utimensat, dirfd, p, scratchAddress, flags, 0, 0);
}

/** fgetxattr(2): bytes of the value; buf null asks for its length. */
export function fgetxattr(fd: number, name: PathArg, buf: Uint8Array | null): number {
  const n = path1(name);
  return n < 0 ? n : sys6(nr.SYS_fgetxattr, fd, n, whole(buf), buf?.length ?? 0, 0, 0);
}

/** fsetxattr(2). */
export function fsetxattr(fd: number, name: PathArg, value: Uint8Array, flags: number): number {
  const n = path1(name);
  return n < 0 ? n : sys6(nr.SYS_fsetxattr, fd, n, whole(value), value.length, flags, 0);
}

/** flistxattr(2): bytes of NUL-terminated names; buf null asks for the length. */
export function flistxattr(fd: number, buf: Uint8Array | null): number {
  return sys3(nr.SYS_flistxattr, fd, whole(buf), buf?.length ?? 0);
}

/** fremovexattr(2). */
export function fremovexattr(fd: number, name: PathArg): number {
  const n = path1(name);
  return n < 0 ? n : sys3(nr.SYS_fremovexattr, fd, n, 0);
}

/** getxattr(2), or lgetxattr(2) when `follow` is false. */
export function getxattr(path: PathArg, name: PathArg, buf: Uint8Array | null, follow: boolean): number {
  const p = path1(path);
  const n = path2(name);
  const call = follow ? nr.SYS_getxattr : nr.SYS_lgetxattr;
  return p < 0 ? p : n < 0 ? n : sys6(call, p, n, whole(buf), buf?.length ?? 0, 0, 0);
}

/** setxattr(2), or lsetxattr(2) when `follow` is false. */
export function setxattr(path: PathArg, name: PathArg, value: Uint8Array, flags: number, follow: boolean): number {
  const p = path1(path);
  const n = path2(name);
  const call = follow ? nr.SYS_setxattr : nr.SYS_lsetxattr;
  return p < 0 ? p : n < 0 ? n : sys6(call, p, n, whole(value), value.length, flags, 0);
}

/** listxattr(2), or llistxattr(2) when `follow` is false. */
export function listxattr(path: PathArg, buf: Uint8Array | null, follow: boolean): number {
  const p = path1(path);
  return p < 0 ? p : sys3(follow ? nr.SYS_listxattr : nr.SYS_llistxattr, p, whole(buf), buf?.length ?? 0);
}

/** removexattr(2), or lremovexattr(2) when `follow` is false. */
export function removexattr(path: PathArg, name: PathArg, follow: boolean): number {
  const p = path1(path);
  const n = path2(name);
  return p < 0 ? p : n < 0 ? n : sys3(follow ? nr.SYS_removexattr : nr.SYS_lremovexattr, p, n, 0);
}

/** ioctl(2). A buffer must be as long as the request says; that is for the caller to know. */
export function ioctl(fd: number, request: number, arg: NativePtr): number {
  return sys3(nr.SYS_ioctl, fd, request, arg);
}

/** dup(2). */
export function dup(fd: number): number {
  return sys3(nr.SYS_dup, fd, 0, 0);
}

/** dup3(2). */
export function dup3(oldFD: number, newFD: number, flags: number): number {
  return sys3(nr.SYS_dup3, oldFD, newFD, flags);
}

/** fcntl(2). */
export function fcntl(fd: number, cmd: number, arg: NativePtr = 0): number {
  return sys3(nr.SYS_fcntl, fd, cmd, arg);
}

/** pipe2(2): puts the read end into out[0] and the write end into out[1]. */
export function pipe2(out: Int32Array | number[], flags: number): number {
  const r = sys3(nr.SYS_pipe2, scratchAddress, flags, 0);
  if (r === 0) {
    out[0] = scratch[0] ?? 0;
    out[1] = scratch[1] ?? 0;
  }
  return r;
}

/** eventfd2(2). */
export function eventfd(initial: number, flags: number): number {
  return sys3(nr.SYS_eventfd2, initial, flags, 0);
}

/** memfd_create(2). */
export function memfdCreate(name: PathArg, flags: number): number {
  const n = path1(name);
  return n < 0 ? n : sys3(nr.SYS_memfd_create, n, flags, 0);
}

/** chdir(2). */
export function chdir(path: PathArg): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_chdir, p, 0, 0);
}

/** fchdir(2). */
export function fchdir(fd: number): number {
  return sys3(nr.SYS_fchdir, fd, 0, 0);
}

/** umask(2): the mask before. */
export function umask(mask: number): number {
  return sys3(nr.SYS_umask, mask, 0, 0);
}

/** inotify_init1(2). */
export function inotifyInit(flags: number): number {
  return sys3(nr.SYS_inotify_init1, flags, 0, 0);
}

/** inotify_add_watch(2): a watch descriptor. */
export function inotifyAddWatch(fd: number, path: PathArg, mask: number): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_inotify_add_watch, fd, p, mask);
}

/** inotify_rm_watch(2). */
export function inotifyRmWatch(fd: number, wd: number): number {
  return sys3(nr.SYS_inotify_rm_watch, fd, wd, 0);
}

/** splice(2) at the files' own positions. */
export function splice(inFD: number, outFD: number, length: number, flags: number): number {
  return sys6(nr.SYS_splice, inFD, 0, outFD, 0, length, flags);
}

/** A struct pollfd array for poll(). */
export class PollSet {
  static readonly stateType = stateType("hostsyscall.PollSet", [], ["words", "address"]);
  /** Entry i: words[2i] is the descriptor (negative: skipped), words[2i+1] holds events low, revents high (16 bits each). */
  readonly words: Int32Array<ArrayBuffer>;
  /** Host address of words. */
  readonly address: number;

  constructor(capacity: number) {
    this.words = new Int32Array(new ArrayBuffer(capacity * 8));
    this.address = ptr(this.words);
  }

  /** Sets entry i. */
  set(i: number, fd: number, events: number): void {
    this.words[2 * i] = fd;
    this.words[2 * i + 1] = events & 0xffff;
  }

  /** What happened on entry i in the last poll. */
  revents(i: number): number {
    return (this.words[2 * i + 1] ?? 0) >>> 16;
  }
}

/** ppoll(2) without a signal mask on the first `count` entries; a negative timeout waits for ever. Ready entries, or a negative errno (EINTR included). */
export function poll(set: PollSet, count: number, timeoutNs: number): number {
  if (count * 2 > set.words.length) {
    throw new RangeError("poll: count");
  }
  if (timeoutNs >= 0) {
    putTimespec(scratch, 0, timeoutNs);
  }
  return sys6(nr.SYS_ppoll, set.address, count, timeoutNs < 0 ? 0 : scratchAddress, 0, 8, 0);
}

/** Whole-file read for small files of known origin (/proc, /sys, configuration): a byte string, or a negative errno. At most `max` bytes. */
export function readFile(path: PathArg, max = 1 << 20): string | number {
  const fd = open(path, 0o2000000);
  if (fd < 0) {
    return fd;
  }
  const parts: string[] = [];
  const buf = pinnedBytes(Math.min(max, 65536));
  let total = 0;
  try {
    while (total < max) {
      const n = read(fd, buf, 0, Math.min(buf.length, max - total));
      if (n < 0) {
        return n;
      }
      if (n === 0) {
        break;
      }
      parts.push(byteString(buf, 0, n));
      total += n;
    }
  } finally {
    close(fd);
  }
  return parts.join("");
}

/** Writes a byte string to an existing file in one write(2), as files of /proc and /sys want it. 0 or a negative errno. */
export function writeFile(path: PathArg, text: PathArg): number {
  const fd = open(path, 0o2000001);
  if (fd < 0) {
    return fd;
  }
  const bytes = cString(text);
  const n = write(fd, bytes, 0, text.length);
  close(fd);
  return Math.min(n, 0);
}

/** fstatfs(2) into a buffer of at least 120 bytes (struct statfs). */
export function fstatfs(fd: number, out: Uint8Array): number {
  return sys3(nr.SYS_fstatfs, fd, struct(out, 120), 0);
}

/** statfs(2) into a buffer of at least 120 bytes. */
export function statfs(path: PathArg, out: Uint8Array): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_statfs, p, struct(out, 120), 0);
}
