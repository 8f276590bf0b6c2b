/** System V shared memory: shmget(2), shmat(2), shmdt(2), shmctl(2). */
import { CAP_IPC_LOCK } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT } from "../../../abi/linux/ipc.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import { RLIMIT_MEMLOCK } from "../../../abi/linux/rlimit.ts";
import * as linux from "../../../abi/linux/shm.ts";
import { S_IRUGO, S_IWUGO, S_IXUGO } from "../../../abi/linux/stat.ts";
import { ShmAttachment, type ShmRegistry, type ShmSegment } from "../../kernel/shm/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { AccessExec, AccessRead, AccessWrite, newMMapOpts } from "../../memmap/index.ts";
import {
  beginStruct,
  endStruct,
  objectForStat,
  ownedObject,
  putPermissions,
  putU64,
  setPermissions,
} from "./ipc_encode.ts";

/** shmget(key, size, shmflg). */
export function shmget(t: Task, args: SyscallArguments): number {
  const key = args.i32(0);
  const size = args.u64(1);
  const flags = args.i32(2);
  const ns = t.ipcNamespace.shm;
  if ((flags & linux.SHM_HUGETLB) !== 0) {
    const found = ns.find(key, flags);
    if (found === null) return refuseHuge(t, ns, size, flags);
  }
  return ns.findOrCreate(t, key, size, flags);
}

/** A new segment of huge pages, whose pools are empty. */
function refuseHuge(t: Task, ns: ShmRegistry, size: number, flags: number): number {
  ns.checkSize(size);
  const shift = (flags >>> linux.SHM_HUGE_SHIFT) & linux.SHM_HUGE_MASK;
  if (shift !== 0 && shift !== 21 && shift !== 30) return -errno.EINVAL;
  return t.creds.capable(CAP_IPC_LOCK) ? -errno.ENOMEM : -errno.EPERM;
}

/** shmat(shmid, shmaddr, shmflg). */
export function shmat(t: Task, args: SyscallArguments): number {
  const id = args.i32(0);
  let addr = args.u64(1);
  const flags = args.i32(2);
  const remap = (flags & linux.SHM_REMAP) !== 0;
  if (id < 0) return -errno.EINVAL;
  if (addr !== 0) {
    const rest = args.u32(1) & (PAGE_SIZE - 1);
    if (rest !== 0) {
      if ((flags & linux.SHM_RND) === 0) return -errno.EINVAL;
      addr -= rest;
      if (addr === 0 && remap) return -errno.EINVAL;
    }
  } else if (remap) {
    return -errno.EINVAL;
  }
  const readOnly = (flags & linux.SHM_RDONLY) !== 0;
  const execute = (flags & linux.SHM_EXEC) !== 0;
  const s = t.ipcNamespace.shm.get(id);
  if (!s.mayAccess(t.creds, S_IRUGO | (readOnly ? 0 : S_IWUGO) | (execute ? S_IXUGO : 0))) return -errno.EACCES;
  const fixed = addr !== 0;
  if (fixed && !remap && !t.mm.vmas.isFree(addr, addr + s.pageSize)) return -errno.EINVAL;
  const opts = newMMapOpts();
  opts.addr = addr;
  opts.length = s.pageSize;
  opts.fixed = fixed;
  opts.unmap = true;
  opts.isPrivate = false;
  opts.perms = AccessRead | (readOnly ? 0 : AccessWrite) | (execute ? AccessExec : 0);
  if (readOnly) opts.maxPerms &= ~AccessWrite;
  opts.mappable = s;
  const { attachTime, detachTime, last } = s;
  // A segment that was removed meanwhile goes with this reference if mapping it fails.
  opts.mappingIdentity = new ShmAttachment(s);
  let done = false;
  try {
    const r = t.mm.mmap(opts, t.creds.capable(CAP_IPC_LOCK));
    done = true;
    return r;
  } finally {
    if (!done) {
      s.attachTime = attachTime;
      s.detachTime = detachTime;
      s.last = last;
    }
  }
}

/** shmdt(shmaddr). */
export function shmdt(t: Task, args: SyscallArguments): number {
  if ((args.u32(0) & (PAGE_SIZE - 1)) !== 0) return -errno.EINVAL;
  const addr = args.u64(0);
  const { mm } = t;
  // What is left of the mapping: mprotect and munmap may have cut it up, and its start may be gone.
  let v = mm.vmas.lowerBound(addr);
  while (v !== null && !(v.identity instanceof ShmAttachment && v.start - addr === v.offset)) v = v.next;
  if (v === null || !(v.identity instanceof ShmAttachment)) return -errno.EINVAL;
  const attachment = v.identity;
  const end = addr + attachment.segment.pageSize;
  const pieces: number[] = [v.start, v.end - v.start];
  for (v = v.next; v !== null && v.end <= end; v = v.next) {
    if (v.identity === attachment && v.start - addr === v.offset) pieces.push(v.start, v.end - v.start);
  }
  for (let i = 0; i < pieces.length; i += 2) mm.munmap(pieces[i] ?? 0, pieces[i + 1] ?? 0);
  return 0;
}

/** shmctl(shmid, cmd, buf). */
export function shmctl(t: Task, args: SyscallArguments): number {
  const id = args.i32(0);
  const cmd = args.i32(1);
  const buf = args.u64(2);
  const ns = t.ipcNamespace.shm;
  if (cmd < 0 || id < 0) return -errno.EINVAL;
  switch (cmd) {
    case IPC_INFO:
      return limits(t, ns, buf);
    case linux.SHM_INFO:
      return usage(t, ns, buf);
    case IPC_STAT:
    case linux.SHM_STAT:
    case linux.SHM_STAT_ANY: {
      const s = objectForStat(t, ns, id, cmd !== IPC_STAT, cmd === linux.SHM_STAT_ANY);
      status(t, s, buf);
      return cmd === IPC_STAT ? 0 : s.id;
    }
    case IPC_SET: {
      const { bytes, view } = t.kernel.syscallScratch;
      t.copyIn(buf, bytes, 0, linux.SIZEOF_SHMID64_DS);
      setPermissions(t, view, ownedObject(t, ns, id), ns.now());
      return 0;
    }
    case IPC_RMID:
      ns.markRemoved(ownedObject(t, ns, id));
      return 0;
    case linux.SHM_LOCK:
    case linux.SHM_UNLOCK:
      return lock(t, ns, ns.get(id), cmd === linux.SHM_LOCK);
    default:
      return -errno.EINVAL;
  }
}

function limits(t: Task, ns: ShmRegistry, buf: number): number {
  const v = beginStruct(t, linux.SIZEOF_SHMINFO64);
  for (const at of [0, 32]) {
    v.setUint32(at, linux.SHMMAX_LO, true);
    v.setUint32(at + 4, linux.SHMMAX_HI, true);
  }
  putU64(v, 8, linux.SHMMIN);
  putU64(v, 16, linux.SHMMNI);
  putU64(v, 24, linux.SHMMNI);
  endStruct(t, buf, linux.SIZEOF_SHMINFO64);
  return ns.maxIndex();
}

function usage(t: Task, ns: ShmRegistry, buf: number): number {
  const v = beginStruct(t, linux.SIZEOF_SHM_INFO);
  let resident = 0;
  for (const s of ns.objects.values()) resident += s.residentBytes();
  v.setInt32(0, ns.objects.size, true);
  putU64(v, 8, ns.totalPages());
  putU64(v, 16, resident / PAGE_SIZE);
  endStruct(t, buf, linux.SIZEOF_SHM_INFO);
  return ns.maxIndex();
}

function status(t: Task, s: ShmSegment, buf: number): void {
  const v = beginStruct(t, linux.SIZEOF_SHMID64_DS);
  putPermissions(t, v, s);
  putU64(v, linux.SHM_SEGSZ, s.size);
  putU64(v, linux.SHM_ATIME, s.attachTime);
  putU64(v, linux.SHM_DTIME, s.detachTime);
  putU64(v, linux.SHM_CTIME, s.changeTime);
  v.setInt32(linux.SHM_CPID, s.creator.idIn(t.pidNamespace), true);
  v.setInt32(linux.SHM_LPID, s.last?.idIn(t.pidNamespace) ?? 0, true);
  putU64(v, linux.SHM_NATTCH, s.attachCount);
  endStruct(t, buf, linux.SIZEOF_SHMID64_DS);
}

/** SHM_LOCK and SHM_UNLOCK: memory is not swapped anyway, so that only the count is kept. */
function lock(t: Task, ns: ShmRegistry, s: ShmSegment, on: boolean): number {
  const limit = t.threadGroup.limits.cur(RLIMIT_MEMLOCK);
  const uid = t.creds.effectiveKUID;
  const privileged = t.creds.hasCapabilityIn(CAP_IPC_LOCK, ns.userNamespace);
  if (!privileged) {
    if (uid !== s.kuid && uid !== s.creatorKUID) return -errno.EPERM;
    if (on && limit === 0) return -errno.EPERM;
  }
  if (!on) {
    s.mode &= ~linux.SHM_LOCKED;
    s.lockedBy = -1;
  } else if ((s.mode & linux.SHM_LOCKED) === 0) {
    const owner = t.creds.realKUID;
    if (!privileged && ns.lockedBytes(owner) + s.pageSize > limit) return -errno.ENOMEM;
    s.mode |= linux.SHM_LOCKED;
    s.lockedBy = owner;
  }
  return 0;
}
