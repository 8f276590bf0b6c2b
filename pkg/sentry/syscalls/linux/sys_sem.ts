/** System V semaphores: semget(2), semop(2), semtimedop(2), semctl(2). */
import * as errno from "../../../abi/linux/errno.ts";
import { IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT } from "../../../abi/linux/ipc.ts";
import * as linux from "../../../abi/linux/sem.ts";
import { S_IRUGO, S_IWUGO } from "../../../abi/linux/stat.ts";
import {
  SEM_BLOCKED,
  type SemaphoreRegistry,
  type SemaphoreSet,
  SemaphoreWaiter,
  undoListOf,
} from "../../kernel/semaphore/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import {
  beginStruct,
  endStruct,
  objectForStat,
  ownedObject,
  putPermissions,
  putU64,
  setPermissions,
} from "./ipc_encode.ts";
import { deadlineIn, FOREVER, timeoutFrom } from "./timeout.ts";

/** semget(key, nsems, semflg). */
export function semget(t: Task, args: SyscallArguments): number {
  return t.ipcNamespace.semaphores.findOrCreate(t, args.i32(0), args.i32(1), args.i32(2));
}

/** semop(semid, sops, nsops). */
export function semop(t: Task, args: SyscallArguments): SyscallResult {
  return operate(t, args.i32(0), args.u64(1), args.u32(2), false, 0, 0);
}

/** semtimedop(semid, sops, nsops, timeout). */
export function semtimedop(t: Task, args: SyscallArguments): SyscallResult {
  const timeout = args.u64(3);
  if (timeout === 0) return operate(t, args.i32(0), args.u64(1), args.u32(2), false, 0, 0);
  t.copyIn(timeout, t.kernel.scratch, 0, 16);
  const w = t.kernel.scratchWords;
  const sec = ((w[1] ?? 0) | 0) * 4294967296 + (w[0] ?? 0);
  const nsec = ((w[3] ?? 0) | 0) * 4294967296 + (w[2] ?? 0);
  return operate(t, args.i32(0), args.u64(1), args.u32(2), true, sec, nsec);
}

function operate(
  t: Task,
  id: number,
  addr: number,
  count: number,
  timed: boolean,
  sec: number,
  nsec: number,
): SyscallResult {
  if (count > linux.SEMOPM) return -errno.E2BIG;
  if (count < 1) return -errno.EINVAL;
  const { bytes, view } = t.kernel.syscallScratch;
  t.copyIn(addr, bytes, 0, count * linux.SIZEOF_SEMBUF);
  if (id < 0) return -errno.EINVAL;
  const timeout = timed ? timeoutFrom(sec, nsec) : FOREVER;
  const ops = new Int32Array(count * 3);
  let max = 0;
  let undos = 0;
  let alters = false;
  for (let i = 0; i < count; i++) {
    const at = i * linux.SIZEOF_SEMBUF;
    const num = view.getUint16(at, true);
    const op = view.getInt16(at + 2, true);
    const flags = view.getInt16(at + 4, true);
    ops[3 * i] = num;
    ops[3 * i + 1] = op;
    ops[3 * i + 2] = flags;
    if (num > max) max = num;
    if ((flags & linux.SEM_UNDO) !== 0) undos++;
    if (op !== 0) alters = true;
  }
  const ns = t.ipcNamespace.semaphores;
  const set = ns.get(id);
  if (undos > 0 && !ns.mayUndo(undos)) return -errno.ENOMEM;
  if (max >= set.values.length) return -errno.EFBIG;
  if (!set.mayAccess(t.creds, alters ? S_IWUGO : S_IRUGO)) return -errno.EACCES;
  const undo = undos > 0 ? undoListOf(t).of(set) : null;
  const w = new SemaphoreWaiter(t, ops, undo, alters);
  const r = set.attempt(w);
  if (r === SEM_BLOCKED) return waitFor(t, set, w, deadlineIn(t, timeout));
  if (r === 0 && alters) set.wakeWaiters();
  return r;
}

function* waitFor(t: Task, set: SemaphoreSet, w: SemaphoreWaiter, deadline: number): SyscallGenerator {
  set.enqueue(w);
  try {
    for (;;) {
      const why = yield t.block(deadline);
      if (w.status !== SEM_BLOCKED) return w.status;
      if (why === WAKE_TIMEOUT) return -errno.EAGAIN;
      if (why === WAKE_INTERRUPT) return -errno.EINTR;
    }
  } finally {
    set.dequeue(w);
  }
}

/** semctl(semid, semnum, cmd, arg). */
export function semctl(t: Task, args: SyscallArguments): number {
  const id = args.i32(0);
  const num = args.i32(1);
  const cmd = args.i32(2);
  const arg = args.u64(3);
  const ns = t.ipcNamespace.semaphores;
  if (id < 0) return -errno.EINVAL;
  switch (cmd) {
    case IPC_INFO:
    case linux.SEM_INFO:
      return info(t, ns, cmd === linux.SEM_INFO, arg);
    case IPC_STAT:
    case linux.SEM_STAT:
    case linux.SEM_STAT_ANY: {
      const s = objectForStat(t, ns, id, cmd !== IPC_STAT, cmd === linux.SEM_STAT_ANY);
      status(t, s, arg);
      return cmd === IPC_STAT ? 0 : s.id;
    }
    case linux.GETALL:
    case linux.GETVAL:
    case linux.GETPID:
    case linux.GETNCNT:
    case linux.GETZCNT:
      return read(t, ns.get(id), num, cmd, arg);
    case linux.SETALL:
      return setAll(t, ns.get(id), arg);
    case linux.SETVAL:
      return setOne(t, ns, id, num, args.i32(3));
    case IPC_SET: {
      const { bytes, view } = t.kernel.syscallScratch;
      t.copyIn(arg, bytes, 0, linux.SIZEOF_SEMID64_DS);
      setPermissions(t, view, ownedObject(t, ns, id), ns.now());
      return 0;
    }
    case IPC_RMID:
      ownedObject(t, ns, id).destroy();
      return 0;
    default:
      return -errno.EINVAL;
  }
}

function info(t: Task, ns: SemaphoreRegistry, used: boolean, buf: number): number {
  const v = beginStruct(t, linux.SIZEOF_SEMINFO);
  const fields = [
    linux.SEMMNS,
    linux.SEMMNI,
    linux.SEMMNS,
    linux.SEMMNS,
    linux.SEMMSL,
    linux.SEMOPM,
    linux.SEMOPM,
    used ? ns.objects.size : linux.SEMUSZ,
    linux.SEMVMX,
    used ? ns.total : linux.SEMAEM,
  ];
  for (const [i, n] of fields.entries()) v.setInt32(4 * i, n, true);
  endStruct(t, buf, linux.SIZEOF_SEMINFO);
  return ns.maxIndex();
}

function status(t: Task, s: SemaphoreSet, buf: number): void {
  const v = beginStruct(t, linux.SIZEOF_SEMID64_DS);
  putPermissions(t, v, s);
  putU64(v, linux.SEM_OTIME, s.operationTime);
  putU64(v, linux.SEM_CTIME, s.changeTime);
  putU64(v, linux.SEM_NSEMS, s.values.length);
  endStruct(t, buf, linux.SIZEOF_SEMID64_DS);
}

/** The commands that read values. */
function read(t: Task, s: SemaphoreSet, num: number, cmd: number, buf: number): number {
  if (!s.mayAccess(t.creds, S_IRUGO)) return -errno.EACCES;
  if (cmd === linux.GETALL) {
    t.copyOut(buf, new Uint8Array(s.values.buffer, s.values.byteOffset, s.values.byteLength));
    return 0;
  }
  if (num < 0 || num >= s.values.length) return -errno.EINVAL;
  switch (cmd) {
    case linux.GETVAL:
      return s.values[num] ?? 0;
    case linux.GETPID:
      return s.users.get(num)?.idIn(t.pidNamespace) ?? 0;
    default:
      return s.countWaiters(num, cmd === linux.GETZCNT);
  }
}

function setAll(t: Task, s: SemaphoreSet, buf: number): number {
  if (!s.mayAccess(t.creds, S_IWUGO)) return -errno.EACCES;
  const values = new Uint16Array(s.values.length);
  t.copyIn(buf, new Uint8Array(values.buffer));
  for (const v of values) if (v > linux.SEMVMX) return -errno.ERANGE;
  for (const [i, v] of values.entries()) s.setValue(t, i, v);
  s.changeTime = s.registry.now();
  s.wakeWaiters();
  return 0;
}

function setOne(t: Task, ns: SemaphoreRegistry, id: number, num: number, value: number): number {
  if (value < 0 || value > linux.SEMVMX) return -errno.ERANGE;
  const s = ns.get(id);
  if (num < 0 || num >= s.values.length) return -errno.EINVAL;
  if (!s.mayAccess(t.creds, S_IWUGO)) return -errno.EACCES;
  s.setValue(t, num, value);
  s.changeTime = ns.now();
  s.wakeWaiters();
  return 0;
}
