import * as errno from "../../../abi/linux/errno.ts";
import {
  F_RDLCK,
  F_UNLCK,
  F_WRLCK,
  FLOCK_L_LEN,
  FLOCK_L_PID,
  FLOCK_L_START,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
  SIZEOF_FLOCK,
} from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { Entry, EventIn } from "../../../waiter/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
} from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { type FileDescription, FileLocks, LOCK_MAX, type LockRange } from "../../vfs/index.ts";
import { openFile } from "./path.ts";

/** Mandatory locks of flock(2), long gone: accepted and ignored. */
const LOCK_MAND = 32;

/** Largest file offset. */
const OFFSET_MAX = 2n ** 63n - 1n;

/** A struct flock as the guest gave it, resolved to an absolute range. */
interface LockRequest {
  type: number;
  pid: number;
  start: number;
  /** Exclusive; LOCK_MAX for "to the end". */
  end: number;
}

function copyInLock(t: Task, file: FileDescription, addr: number): LockRequest {
  const k = t.kernel;
  t.copyIn(addr, k.scratch, 0, SIZEOF_FLOCK);
  const w = k.scratchWords;
  const type = ((w[0] ?? 0) << 16) >> 16;
  const whence = (w[0] ?? 0) >>> 16;
  const lStart = signed64(w, FLOCK_L_START / 4);
  const len = signed64(w, FLOCK_L_LEN / 4);
  const pid = (w[FLOCK_L_PID / 4] ?? 0) | 0;
  let base = 0;
  if (whence === SEEK_CUR) base = file.position();
  else if (whence === SEEK_END) {
    const st = k.syscallScratch.statx;
    file.stat(st);
    base = st.size;
  } else if (whence !== SEEK_SET) throw linuxerr.EINVAL;
  let start = base + lStart;
  if (start < 0) throw linuxerr.EINVAL;
  if (start + Math.abs(len) > Number.MAX_SAFE_INTEGER) {
    const from = BigInt(base) + exact64(w, FLOCK_L_START / 4);
    const n = exact64(w, FLOCK_L_LEN / 4);
    if (from > OFFSET_MAX || (n > 0n && from + n - 1n > OFFSET_MAX)) throw linuxerr.EOVERFLOW;
  }
  let end = LOCK_MAX;
  if (len > 0) end = start + len;
  else if (len < 0) {
    if (start + len < 0) throw linuxerr.EINVAL;
    end = start;
    start += len;
  }
  // Offsets beyond the exact range of numbers: no file is that large, all such locks meet in the last byte.
  if (start >= LOCK_MAX) start = LOCK_MAX - 1;
  if (end > LOCK_MAX) end = LOCK_MAX;
  return { type, pid, start, end };
}

/** A signed 64-bit value at word i, exactly. */
function exact64(w: Uint32Array, i: number): bigint {
  return BigInt.asIntN(64, (BigInt(w[i + 1] ?? 0) << 32n) | BigInt(w[i] ?? 0));
}

function signed64(w: Uint32Array, i: number): number {
  return ((w[i + 1] ?? 0) | 0) * 4294967296 + (w[i] ?? 0);
}

/** F_GETLK, F_OFD_GETLK. */
export function getLock(t: Task, file: FileDescription, addr: number, ofd: boolean): number {
  const r = copyInLock(t, file, addr);
  if (r.type !== F_RDLCK && r.type !== F_WRLCK && !(ofd && r.type === F_UNLCK)) return -errno.EINVAL;
  if (ofd && r.pid !== 0) return -errno.EINVAL;
  const owner: object = ofd ? file : t.fdTable;
  const type = r.type === F_UNLCK ? F_WRLCK : r.type;
  const c = file.inode.locks?.conflict(owner, type, r.start, r.end) ?? null;
  const w = t.kernel.scratchWords;
  if (c === null) {
    // The rest of the structure stays as it came: only l_type is stored.
    w[0] = F_UNLCK;
    t.copyOut(addr, t.kernel.scratch, 0, 2);
    return 0;
  }
  w.fill(0, 0, SIZEOF_FLOCK / 4);
  w[0] = c.type;
  w[FLOCK_L_START / 4] = c.start;
  w[FLOCK_L_START / 4 + 1] = Math.floor(c.start / 4294967296);
  const len = c.end === LOCK_MAX ? 0 : c.end - c.start;
  w[FLOCK_L_LEN / 4] = len;
  w[FLOCK_L_LEN / 4 + 1] = Math.floor(len / 4294967296);
  w[FLOCK_L_PID / 4] = lockPID(t, c);
  t.copyOut(addr, t.kernel.scratch, 0, SIZEOF_FLOCK);
  return 0;
}

/** The holder's id in the caller's PID namespace; -1 for OFD locks. */
function lockPID(t: Task, c: LockRange): number {
  if (c.pid < 0) return -1;
  const tg = t.kernel.tasks.root.threadGroupWithID(c.pid);
  return tg === null ? 0 : t.pidNamespace.idOfThreadGroup(tg);
}

/** F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW. */
export function setLock(
  t: Task,
  fd: number,
  file: FileDescription,
  addr: number,
  wait: boolean,
  ofd: boolean,
): SyscallResult {
  const r = copyInLock(t, file, addr);
  if (r.type !== F_RDLCK && r.type !== F_WRLCK && r.type !== F_UNLCK) return -errno.EINVAL;
  if (r.type === F_RDLCK && !file.readable) return -errno.EBADF;
  if (r.type === F_WRLCK && !file.writable) return -errno.EBADF;
  if (ofd && r.pid !== 0) return -errno.EINVAL;
  if (file.inode.locks === null) {
    if (r.type === F_UNLCK) return 0;
    file.inode.locks = new FileLocks();
  }
  const owner: object = ofd ? file : t.fdTable;
  if (ofd) file.holdsLocks = true;
  const pid = ofd ? -1 : t.kernel.tasks.root.idOfThreadGroup(t.threadGroup);
  const n = file.inode.locks.setRange(owner, pid, r.type, r.start, r.end);
  if (n !== -errno.EAGAIN || !wait) return n;
  return waitLock(t, fd, file, file.inode.locks, owner, pid, r, ofd);
}

function* waitLock(
  t: Task,
  fd: number,
  file: FileDescription,
  locks: FileLocks,
  owner: object,
  pid: number,
  r: LockRequest,
  ofd: boolean,
): SyscallGenerator {
  const waits = t.kernel.vfs.lockWaits;
  const entry = new Entry(t, EventIn);
  file.incRef();
  locks.queue.eventRegister(entry);
  try {
    for (;;) {
      const c = locks.conflict(owner, r.type, r.start, r.end);
      if (c === null) {
        const n = locks.setRange(owner, pid, r.type, r.start, r.end);
        if (n !== -errno.EAGAIN) {
          // The descriptor was closed meanwhile: nobody would ever drop the lock.
          if (n === 0 && !ofd && t.fdTable.get(fd) !== file) {
            locks.setRange(owner, pid, F_UNLCK, r.start, r.end);
            return -errno.EBADF;
          }
          return n;
        }
        continue;
      }
      if (!ofd && waits.wouldDeadlock(owner, c.owner)) return -errno.EDEADLK;
      const w = waits.add(owner, c.owner);
      try {
        if ((yield t.block(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT) return -errno.ERESTARTSYS;
      } finally {
        waits.remove(w);
      }
    }
  } finally {
    locks.queue.eventUnregister(entry);
    file.decRef();
  }
}

/** flock(2). */
export function flock(t: Task, args: SyscallArguments): SyscallResult {
  const op = args.i32(1);
  if ((op & LOCK_MAND) !== 0) return 0;
  const type = op & ~LOCK_NB;
  if (type !== LOCK_SH && type !== LOCK_EX && type !== LOCK_UN) return -errno.EINVAL;
  const file = openFile(t, args.i32(0));
  if (file === null) return -errno.EBADF;
  if (type !== LOCK_UN && !file.readable && !file.writable) return -errno.EBADF;
  if (file.inode.locks === null) {
    if (type === LOCK_UN) return 0;
    file.inode.locks = new FileLocks();
  }
  file.holdsLocks = true;
  const n = file.inode.locks.flock(file, type);
  if (n !== -errno.EAGAIN || (op & LOCK_NB) !== 0) return n;
  return waitFlock(t, file, file.inode.locks, type);
}

function* waitFlock(t: Task, file: FileDescription, locks: FileLocks, type: number): SyscallGenerator {
  const entry = new Entry(t, EventIn);
  file.incRef();
  locks.queue.eventRegister(entry);
  try {
    for (;;) {
      if ((yield t.block(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT) return -errno.ERESTARTSYS;
      const n = locks.flock(file, type);
      if (n !== -errno.EAGAIN) return n;
    }
  } finally {
    locks.queue.eventUnregister(entry);
    file.decRef();
  }
}
