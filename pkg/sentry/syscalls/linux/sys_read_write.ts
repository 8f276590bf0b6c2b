import * as errno from "../../../abi/linux/errno.ts";
import { RWF_DONTCACHE, RWF_NOAPPEND, RWF_NOSIGNAL } from "../../../abi/linux/fcntl.ts";
import {
  O_APPEND,
  O_NONBLOCK,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOWAIT,
  RWF_SYNC,
} from "../../../abi/linux/file.ts";
import { IN_ACCESS, IN_MODIFY } from "../../../abi/linux/inotify.ts";
import { RLIMIT_FSIZE } from "../../../abi/linux/rlimit.ts";
import { SIGPIPE, SIGXFSZ } from "../../../abi/linux/signal.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { Entry, ReadableEvents, WritableEvents } from "../../../waiter/index.ts";
import { TerminalFileDescription } from "../../fsimpl/devpts/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task } from "../../kernel/task.ts";
import { Socket } from "../../socket/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { type FileDescription, notifyFile, removePrivileges } from "../../vfs/index.ts";
import { waitForJob } from "./io_job.ts";
import { readSocket, writeSocket } from "./sys_sendmsg.ts";

/** A transfer longer than this goes on in slices, so that other tasks are served between them: about 0.1 ms. */
export const SLICE = 1024 * 1024;
/** Times that data is fetched from a disk before the kernel waits for it: it may be pushed out of the page cache again and again. */
const MAX_FETCHES = 3;
/** "At the file offset" for the functions below. */
const AT_OFFSET = -1;
/** The flags preadv2(2) and pwritev2(2) know and this kernel can do. */
const RWF_KNOWN =
  RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND | RWF_DONTCACHE | RWF_NOSIGNAL;

/** read(2). */
export function read(t: Task, args: SyscallArguments): SyscallResult {
  const file = t.fdTable.get(args.i32(0));
  if (file === null || !file.readable) return -errno.EBADF;
  const addr = args.u64(1);
  const len = args.u64(2);
  if (addr + len > TASK_SIZE_MAX) return -errno.EFAULT;
  return readFile(t, file, t.singleIOSequence(addr, len), AT_OFFSET, 0);
}

/** write(2). */
export function write(t: Task, args: SyscallArguments): SyscallResult {
  const file = t.fdTable.get(args.i32(0));
  if (file === null || !file.writable) return -errno.EBADF;
  const addr = args.u64(1);
  const len = args.u64(2);
  if (addr + len > TASK_SIZE_MAX) return -errno.EFAULT;
  return writeFile(t, file, t.singleIOSequence(addr, len), AT_OFFSET, 0);
}

/** Positions a transfer may not reach: beyond loff_t (rw_verify_area in fs/read_write.c). */
const OFFSET_END = 2 ** 63;

/** pread64(2). */
export function pread64(t: Task, args: SyscallArguments): SyscallResult {
  const offset = args.i64(3);
  if (offset < 0) return -errno.EINVAL;
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  if (!file.canSeek()) return noPositions(file);
  if (!file.readable) return -errno.EBADF;
  const addr = args.u64(1);
  const len = args.u64(2);
  if (addr + len > TASK_SIZE_MAX) return -errno.EFAULT;
  if (offset + len >= OFFSET_END) return -errno.EINVAL;
  return readFile(t, file, t.singleIOSequence(addr, len), offset, 0);
}

/** pwrite64(2). */
export function pwrite64(t: Task, args: SyscallArguments): SyscallResult {
  const offset = args.i64(3);
  if (offset < 0) return -errno.EINVAL;
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  if (!file.canSeek()) return noPositions(file);
  if (!file.writable) return -errno.EBADF;
  const addr = args.u64(1);
  const len = args.u64(2);
  if (addr + len > TASK_SIZE_MAX) return -errno.EFAULT;
  if (offset + len >= OFFSET_END) return -errno.EINVAL;
  return writeFile(t, file, t.singleIOSequence(addr, len), offset, 0);
}

/** readv(2). */
export function readv(t: Task, args: SyscallArguments): SyscallResult {
  const file = t.fdTable.get(args.i32(0));
  if (file === null || !file.readable) return -errno.EBADF;
  return readVector(t, file, args.u64(1), args.u64(2), AT_OFFSET, 0);
}

/** writev(2). */
export function writev(t: Task, args: SyscallArguments): SyscallResult {
  const file = t.fdTable.get(args.i32(0));
  if (file === null || !file.writable) return -errno.EBADF;
  return writeVector(t, file, args.u64(1), args.u64(2), AT_OFFSET, 0);
}

/** preadv(2). */
export function preadv(t: Task, args: SyscallArguments): SyscallResult {
  return positionedRead(t, args, 0);
}

/** pwritev(2). */
export function pwritev(t: Task, args: SyscallArguments): SyscallResult {
  return positionedWrite(t, args, 0);
}

/** preadv2(2). */
export function preadv2(t: Task, args: SyscallArguments): SyscallResult {
  const flags = args.i32(5);
  if (args.i64(3) !== -1) return positionedRead(t, args, flags);
  const file = t.fdTable.get(args.i32(0));
  if (file === null || !file.readable) return -errno.EBADF;
  return readVector(t, file, args.u64(1), args.u64(2), AT_OFFSET, flags);
}

/** pwritev2(2). */
export function pwritev2(t: Task, args: SyscallArguments): SyscallResult {
  const flags = args.i32(5);
  if (args.i64(3) !== -1) return positionedWrite(t, args, flags);
  const file = t.fdTable.get(args.i32(0));
  if (file === null || !file.writable) return -errno.EBADF;
  return writeVector(t, file, args.u64(1), args.u64(2), AT_OFFSET, flags);
}

function positionedRead(t: Task, args: SyscallArguments, flags: number): SyscallResult {
  const offset = args.i64(3);
  if (offset < 0) return -errno.EINVAL;
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  if (!file.canSeek()) return noPositions(file);
  if (!file.readable) return -errno.EBADF;
  return readVector(t, file, args.u64(1), args.u64(2), offset, flags);
}

function positionedWrite(t: Task, args: SyscallArguments, flags: number): SyscallResult {
  const offset = args.i64(3);
  if (offset < 0) return -errno.EINVAL;
  const file = t.fdTable.get(args.i32(0));
  if (file === null) return -errno.EBADF;
  if (!file.canSeek()) return noPositions(file);
  if (!file.writable) return -errno.EBADF;
  return writeVector(t, file, args.u64(1), args.u64(2), offset, flags);
}

/** The answer of a file without positions: O_PATH descriptions are not files at all. */
function noPositions(file: FileDescription): number {
  return isPathOnly(file) ? -errno.EBADF : -errno.ESPIPE;
}

/** Whether a description was opened with O_PATH. */
export function isPathOnly(file: FileDescription): boolean {
  return (file.statusFlags & 0o10000000) !== 0;
}

function readVector(
  t: Task,
  file: FileDescription,
  addr: number,
  count: number,
  offset: number,
  flags: number,
): SyscallResult {
  const seq = t.iovecsIOSequence(addr, count);
  if (offset !== AT_OFFSET && offset + seq.numBytes() >= OFFSET_END) return -errno.EINVAL;
  if (seq.numBytes() === 0) return 0;
  const bad = checkFlags(flags, file);
  if (bad !== 0) return bad;
  return readFile(t, file, seq, offset, flags);
}

function writeVector(
  t: Task,
  file: FileDescription,
  addr: number,
  count: number,
  offset: number,
  flags: number,
): SyscallResult {
  const seq = t.iovecsIOSequence(addr, count);
  if (offset !== AT_OFFSET && offset + seq.numBytes() >= OFFSET_END) return -errno.EINVAL;
  if (seq.numBytes() === 0) return 0;
  const bad = checkFlags(flags, file);
  if (bad !== 0) return bad;
  return writeFile(t, file, seq, offset, flags);
}

/** The checks of kiocb_set_rw_flags(). */
function checkFlags(flags: number, file: FileDescription): number {
  if (flags === 0) return 0;
  if ((flags & ~RWF_KNOWN) !== 0) return -errno.EOPNOTSUPP;
  if ((flags & RWF_APPEND) !== 0 && (flags & RWF_NOAPPEND) !== 0) return -errno.EINVAL;
  if ((flags & RWF_NOWAIT) !== 0 && (file.inode.mode() & S_IFMT) === S_IFDIR) return -errno.EOPNOTSUPP;
  return 0;
}

/** Reads at `offset`, or at the file offset when it is negative; blocks unless O_NONBLOCK. The caller checked access. */
export function readFile(
  t: Task,
  file: FileDescription,
  dst: IOSequence,
  offset: number,
  flags: number,
): SyscallResult {
  const r = tryRead(t, file, dst, offset, flags);
  if (typeof r !== "number") return countedRead(t, file, r);
  countRead(t, r);
  if (r > 0) notifyFile(file, IN_ACCESS);
  return r;
}

/** For /proc/[pid]/io: a read came to an end. */
export function countRead(t: Task, n: number): void {
  t.usage.readCalls++;
  if (n > 0) t.usage.readBytes += n;
}

/** For /proc/[pid]/io: a write came to an end. */
export function countWrite(t: Task, n: number): void {
  t.usage.writeCalls++;
  if (n > 0) t.usage.writtenBytes += n;
}

function* countedRead(t: Task, file: FileDescription, call: SyscallGenerator): SyscallGenerator {
  const n = yield* call;
  countRead(t, n);
  if (n > 0) notifyFile(file, IN_ACCESS);
  return n;
}

function* countedWrite(t: Task, file: FileDescription, call: SyscallGenerator): SyscallGenerator {
  const n = yield* call;
  countWrite(t, n);
  if (n > 0) notifyFile(file, IN_MODIFY);
  return n;
}

function tryRead(t: Task, file: FileDescription, dst: IOSequence, offset: number, flags: number): SyscallResult {
  if (file instanceof Socket) return readSocket(t, file, dst, (flags & RWF_NOWAIT) !== 0);
  if (dst.numBytes() > SLICE && file.canSeek()) return readSlow(t, file, dst, offset, 0, flags);
  const n = offset < 0 ? file.read(dst, true) : file.pread(dst, offset, true);
  if (n !== -errno.EAGAIN || (flags & RWF_NOWAIT) !== 0) return n;
  // O_NONBLOCK means nothing to what has positions: the data is on its way.
  if ((file.statusFlags & O_NONBLOCK) !== 0 && !file.canSeek()) return n;
  if (file instanceof TerminalFileDescription) return readTerminal(t, file, dst);
  return readSlow(t, file, dst, offset, n, flags);
}

/** Reads in slices, and waits for data when there is none; `first` is the result of a first try (0: none was made). */
function* readSlow(
  t: Task,
  file: FileDescription,
  dst: IOSequence,
  offset: number,
  first: number,
  flags: number,
): SyscallGenerator {
  file.incRef();
  let entry: Entry | null = null;
  let done = 0;
  let n = first;
  let fetched = 0;
  const sliced = file.canSeek();
  const nonblock = (file.statusFlags & O_NONBLOCK) !== 0 || (flags & RWF_NOWAIT) !== 0;
  try {
    for (;;) {
      if (n !== -errno.EAGAIN) {
        const cut = sliced ? dst.limit(SLICE) : 0;
        const want = dst.numBytes();
        const noWait = fetched < MAX_FETCHES;
        try {
          n = offset < 0 ? file.read(dst, noWait) : file.pread(dst, offset + done, noWait);
        } catch (e) {
          if (done > 0 && e instanceof linuxerr.LinuxError) return done;
          throw e;
        }
        if (n >= 0) {
          done += n;
          dst.unlimit(cut);
          if (n < want || cut === 0) return done;
          fetched = 0;
          if ((yield t.reschedule()) === WAKE_INTERRUPT) return done;
          continue;
        }
        dst.unlimit(cut);
        if (n !== -errno.EAGAIN) return done > 0 ? done : n;
      }
      if (sliced && (flags & RWF_NOWAIT) === 0 && fetched < MAX_FETCHES) {
        const job = file.startFetch(offset < 0 ? file.position() : offset + done, Math.min(dst.numBytes(), SLICE));
        fetched = job === null ? MAX_FETCHES : fetched + 1;
        if (job !== null && (yield* waitForJob(t, job)) === -errno.ERESTARTSYS)
          return done > 0 ? done : -errno.ERESTARTSYS;
        n = 0;
        continue;
      }
      if (done > 0) return done;
      if (nonblock) return -errno.EAGAIN;
      if (entry === null) {
        entry = new Entry(t, ReadableEvents);
        file.eventRegister(entry);
      }
      if ((yield t.block(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT) return -errno.ERESTARTSYS;
      n = 0;
    }
  } finally {
    if (entry !== null) file.eventUnregister(entry);
    file.decRef();
  }
}

/** Waits for input of a terminal: a line, or as VMIN and VTIME say (termios(3)). */
function* readTerminal(t: Task, file: TerminalFileDescription, dst: IOSequence): SyscallGenerator {
  const k = t.kernel;
  file.incRef();
  const entry = new Entry(t, ReadableEvents);
  file.eventRegister(entry);
  try {
    let deadline = k.monotonicNow() + file.readTimeout(true);
    for (;;) {
      const why = yield t.block(deadline);
      const n = file.readInput(dst);
      if (n !== -errno.EAGAIN) return n;
      if (why === WAKE_INTERRUPT) {
        // Without a signal it was only a pause, after which the wait begins anew.
        const partial = t.hasPendingSignal() ? file.readAvailable(dst) : 0;
        return partial > 0 ? partial : -errno.ERESTARTSYS;
      }
      if (why === WAKE_TIMEOUT) return file.readAvailable(dst);
      const timeout = file.readTimeout(false);
      if (timeout >= 0) deadline = k.monotonicNow() + timeout;
    }
  } finally {
    file.eventUnregister(entry);
    file.decRef();
  }
}

/** Writes at `offset`, or at the file offset when it is negative; blocks until all is written unless O_NONBLOCK. */
export function writeFile(
  t: Task,
  file: FileDescription,
  src: IOSequence,
  offset: number,
  flags: number,
): SyscallResult {
  const r = tryWrite(t, file, src, offset, flags);
  if (typeof r !== "number") return countedWrite(t, file, r);
  countWrite(t, r);
  if (r > 0) notifyFile(file, IN_MODIFY);
  return r;
}

function tryWrite(t: Task, file: FileDescription, src: IOSequence, offset: number, flags: number): SyscallResult {
  if (file instanceof Socket) {
    return writeSocket(t, file, src, (flags & RWF_NOWAIT) !== 0, (flags & RWF_NOSIGNAL) !== 0);
  }
  const limited = limitFileSize(t, file, src, offset);
  if (limited < 0) return limited;
  const mode = file.inode.mode();
  if ((mode & (S_ISUID | S_ISGID)) !== 0 && (mode & S_IFMT) === S_IFREG && src.numBytes() > 0) {
    removePrivileges(file.inode, t.creds);
  }
  if (flags !== 0) return writeWithFlags(t, file, src, offset, flags);
  const len = src.numBytes();
  if (len > SLICE && file.canSeek()) return writeSlow(t, file, src, offset, 0, 0);
  const n = offset < 0 ? file.write(src) : file.pwrite(src, offset);
  if (n === len) return n;
  if (n === -errno.EPIPE) {
    t.sendSelfSignal(SIGPIPE);
    return n;
  }
  if ((file.statusFlags & O_NONBLOCK) !== 0 || (n < 0 && n !== -errno.EAGAIN) || file.canSeek()) return n;
  return writeSlow(t, file, src, offset, n, 0);
}

/** Writes in slices, and waits for room when there is none; `first` is the result of a first try (0: nothing written yet). */
function* writeSlow(
  t: Task,
  file: FileDescription,
  src: IOSequence,
  offset: number,
  first: number,
  flags: number,
): SyscallGenerator {
  file.incRef();
  let entry: Entry | null = null;
  let done = Math.max(first, 0);
  let n = first;
  const sliced = file.canSeek();
  const nonblock = (file.statusFlags & O_NONBLOCK) !== 0 || (flags & RWF_NOWAIT) !== 0;
  try {
    for (;;) {
      if (n !== -errno.EAGAIN) {
        const cut = sliced ? src.limit(SLICE) : 0;
        const want = src.numBytes();
        try {
          n = offset < 0 ? file.write(src) : file.pwrite(src, offset + done);
        } catch (e) {
          if (done > 0 && e instanceof linuxerr.LinuxError) return done;
          throw e;
        }
        src.unlimit(cut);
        if (n >= 0) {
          done += n;
          if (src.numBytes() === 0 || (sliced && n < want)) return done;
          if (sliced) {
            if ((yield t.reschedule()) === WAKE_INTERRUPT) return done;
            continue;
          }
          // A stream took a part: it is full.
          n = -errno.EAGAIN;
        } else if (n === -errno.EPIPE) {
          if ((flags & RWF_NOSIGNAL) === 0) t.sendSelfSignal(SIGPIPE);
          return done > 0 ? done : n;
        } else if (n !== -errno.EAGAIN) {
          return done > 0 ? done : n;
        }
      }
      if (nonblock) return done > 0 ? done : -errno.EAGAIN;
      if (entry === null) {
        entry = new Entry(t, WritableEvents);
        file.eventRegister(entry);
        // Room may have come between the try and the registration for files that learn of it from the host.
        if (file.readiness(WritableEvents) !== 0) {
          n = 0;
          continue;
        }
      }
      if ((yield t.block(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT) return done > 0 ? done : -errno.ERESTARTSYS;
      n = 0;
    }
  } finally {
    if (entry !== null) file.eventUnregister(entry);
    file.decRef();
  }
}

/** pwritev2(2) with flags: RWF_APPEND and RWF_NOAPPEND override O_APPEND for one call, RWF_DSYNC and RWF_SYNC flush after it. */
function* writeWithFlags(
  t: Task,
  file: FileDescription,
  src: IOSequence,
  offset: number,
  flags: number,
): SyscallGenerator {
  const old = file.statusFlags;
  let status = old;
  if ((flags & RWF_APPEND) !== 0) status |= O_APPEND;
  if ((flags & RWF_NOAPPEND) !== 0) status &= ~O_APPEND;
  let n: number;
  if (status !== old || src.numBytes() <= SLICE) {
    // One piece, so that the changed flag is never seen by others.
    file.statusFlags = status;
    try {
      n = offset < 0 ? file.write(src) : file.pwrite(src, offset);
    } finally {
      file.statusFlags = old;
    }
    if (n === -errno.EPIPE && (flags & RWF_NOSIGNAL) === 0) t.sendSelfSignal(SIGPIPE);
    const wait = (flags & RWF_NOWAIT) === 0 && (old & O_NONBLOCK) === 0;
    if (wait && status === old && (n === -errno.EAGAIN || (n >= 0 && src.numBytes() > 0 && !file.canSeek()))) {
      n = yield* writeSlow(t, file, src, offset, n, flags);
    }
  } else {
    n = yield* writeSlow(t, file, src, offset, 0, flags);
  }
  if (n > 0 && (flags & (RWF_DSYNC | RWF_SYNC)) !== 0) {
    const job = file.startSync((flags & RWF_SYNC) === 0);
    if (job === null) file.sync();
    else {
      const r = yield* waitForJob(t, job);
      if (r < 0 && r !== -errno.ERESTARTSYS) return r;
    }
  }
  return n;
}

/**
 * RLIMIT_FSIZE: cuts a write to a regular file at the limit; beyond it SIGXFSZ and -EFBIG. Returns 0 when the write may go on.
 * As generic_write_checks() does it.
 */
export function limitFileSize(t: Task, file: FileDescription, src: IOSequence, offset: number): number {
  const l = t.threadGroup.limits.get(RLIMIT_FSIZE);
  if (l.curHi === 0xffffffff || (file.inode.mode() & S_IFMT) !== S_IFREG || src.numBytes() === 0) return 0;
  const limit = l.cur;
  let pos = offset < 0 ? file.position() : offset;
  if ((file.statusFlags & O_APPEND) !== 0) {
    const st = t.kernel.syscallScratch.statx;
    file.stat(st);
    pos = st.size;
  }
  if (pos >= limit) {
    t.sendSelfSignal(SIGXFSZ);
    return -errno.EFBIG;
  }
  if (src.numBytes() > limit - pos) src.limit(limit - pos);
  return 0;
}
