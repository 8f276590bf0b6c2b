import * as linux from "../../../abi/linux/clone.ts";
import { MAX_ARG_STRLEN } from "../../../abi/linux/elf.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_NOFOLLOW, O_RDONLY } from "../../../abi/linux/file.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import { NSIG, SIGCHLD } from "../../../abi/linux/signal.ts";
import * as wait from "../../../abi/linux/wait.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { PointerBlock, StringBlock } from "../../../hostsyscall/index.ts";
import { PIDFileDescription } from "../../kernel/pidfd.ts";
import type { SyscallArguments, SyscallGenerator, SyscallResult } from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task } from "../../kernel/task.ts";
import { type CloneArgs, clone as cloneTask, FORK_ARGS, VFORK_ARGS } from "../../kernel/task_clone.ts";
import { startExecve } from "../../kernel/task_exec.ts";
import { runExit } from "../../kernel/task_exit.ts";
import { tryWait, type WaitOptions, type WaitResult, waitForChild, waitForTask } from "../../kernel/task_wait.ts";
import { ArgumentBudget, argumentSpace } from "../../loader/index.ts";
import { AccessRead } from "../../memmap/index.ts";
import type { FileDescription } from "../../vfs/index.ts";
import { MAY_EXEC, PathOperation } from "../../vfs/index.ts";
import { openExisting } from "../../vfs/open.ts";
import { startAt } from "./path.ts";
import { encodeUsage } from "./sys_rusage.ts";

const INT_MIN = -2147483648;

// ---- identities

/** getpid(2). */
export function getpid(t: Task, _args: SyscallArguments): number {
  return t.threadGroup.leader.tid;
}

/** gettid(2). */
export function gettid(t: Task, _args: SyscallArguments): number {
  return t.tid;
}

/** getppid(2): 0 when the parent is outside the PID namespace. */
export function getppid(t: Task, _args: SyscallArguments): number {
  const p = t.threadGroup.parent;
  return p === null ? 0 : t.pidNamespace.idOfThreadGroup(p.threadGroup);
}

/** getpgrp(2). */
export function getpgrp(t: Task, _args: SyscallArguments): number {
  return t.pidNamespace.idOfProcessGroup(t.threadGroup.processGroup);
}

/** getpgid(2). */
export function getpgid(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const target = pid === 0 ? t : t.pidNamespace.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  return t.pidNamespace.idOfProcessGroup(target.threadGroup.processGroup);
}

/** getsid(2). */
export function getsid(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const target = pid === 0 ? t : t.pidNamespace.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  return t.pidNamespace.idOfSession(target.threadGroup.processGroup.session);
}

/** setsid(2). */
export function setsid(t: Task, _args: SyscallArguments): number {
  const tg = t.threadGroup;
  const ns = t.pidNamespace;
  if (tg.processGroup.session.leader === tg || ns.processGroups.has(tg.id)) return -errno.EPERM;
  tg.createSession();
  return ns.idOfSession(tg.processGroup.session);
}

/** setpgid(2). */
export function setpgid(t: Task, args: SyscallArguments): number {
  const ns = t.pidNamespace;
  const tg = t.threadGroup;
  const pid = args.i32(0) === 0 ? tg.id : args.i32(0);
  const pgid = args.i32(1) === 0 ? pid : args.i32(1);
  if (pgid < 0) return -errno.EINVAL;
  const target = ns.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  if (!target.isLeader()) return -errno.EINVAL;
  const other = target.threadGroup;
  const session = tg.processGroup.session;
  if (other.parent?.threadGroup === tg) {
    if (other.processGroup.session !== session) return -errno.EPERM;
    if (other.didExec) return -errno.EACCES;
  } else if (other !== tg) {
    return -errno.ESRCH;
  }
  if (other.processGroup.session.leader === other) return -errno.EPERM;
  const pg = ns.processGroups.get(pgid);
  if (pgid !== pid) {
    if (pg === undefined || pg.session !== session) return -errno.EPERM;
    other.moveToProcessGroup(pg);
  } else if (pg === undefined) {
    other.createProcessGroup();
  } else {
    other.moveToProcessGroup(pg);
  }
  return 0;
}

/** set_tid_address(2). */
export function setTidAddress(t: Task, args: SyscallArguments): number {
  t.clearChildTID = args.u64(0);
  return t.tid;
}

// ---- creation

/** fork(2). */
export function fork(t: Task, _args: SyscallArguments): number {
  return cloneTask(t, FORK_ARGS);
}

/** vfork(2). */
export function vfork(t: Task, _args: SyscallArguments): number {
  return cloneTask(t, VFORK_ARGS);
}

/** clone(2). */
export function clone(t: Task, args: SyscallArguments): number {
  const word = args.u32(0);
  const flags = (word & ~linux.CSIGNAL) >>> 0;
  const parentTID = args.u64(2);
  return cloneTask(t, {
    flags,
    flagsHi: 0,
    exitSignal: word & linux.CSIGNAL,
    stack: args.u64(1),
    parentTID,
    childTID: args.u64(3),
    tls: args.u64(4),
    pidfd: parentTID,
    setTID: [],
  });
}

/** clone3(2). */
export function clone3(t: Task, args: SyscallArguments): number {
  const addr = args.u64(0);
  const size = args.u64(1);
  if (size > PAGE_SIZE) return -errno.E2BIG;
  if (size < linux.CLONE_ARGS_SIZE_VER0) return -errno.EINVAL;
  const k = t.kernel;
  k.scratch.fill(0, 0, linux.CLONE_ARGS_SIZE_VER2);
  t.copyIn(addr, k.scratch, 0, size);
  for (let i = linux.CLONE_ARGS_SIZE_VER2; i < size; i++) if (k.scratch[i] !== 0) return -errno.E2BIG;
  const w = k.scratchWords.slice(0, linux.CLONE_ARGS_SIZE_VER2 / 4);
  const u64 = (i: number): number => (w[2 * i + 1] ?? 0) * 4294967296 + (w[2 * i] ?? 0);
  const flags = w[0] ?? 0;
  const flagsHi = w[1] ?? 0;
  const exitSignal = u64(4);
  const stack = u64(5);
  const stackSize = u64(6);
  const setTID = u64(8);
  const setTIDSize = u64(9);
  if (setTIDSize > linux.MAX_PID_NS_LEVEL) return -errno.EINVAL;
  if ((setTID === 0) !== (setTIDSize === 0)) return -errno.EINVAL;
  if (exitSignal > NSIG) return -errno.EINVAL;
  if ((flagsHi & linux.CLONE_INTO_CGROUP_HI) !== 0 && (size < linux.CLONE_ARGS_SIZE_VER2 || u64(10) > 0x7fffffff)) {
    return -errno.EINVAL;
  }
  const wanted: number[] = [];
  for (let i = 0; i < setTIDSize; i++) wanted.push(t.copyInI32(setTID + 4 * i));
  if ((flagsHi & ~(linux.CLONE_CLEAR_SIGHAND_HI | linux.CLONE_INTO_CGROUP_HI)) !== 0) return -errno.EINVAL;
  if ((flags & (linux.CLONE_DETACHED | (linux.CSIGNAL & ~linux.CLONE_NEWTIME))) !== 0) return -errno.EINVAL;
  if ((flags & linux.CLONE_SIGHAND) !== 0 && (flagsHi & linux.CLONE_CLEAR_SIGHAND_HI) !== 0) return -errno.EINVAL;
  if ((flags & (linux.CLONE_THREAD | linux.CLONE_PARENT)) !== 0 && exitSignal !== 0) return -errno.EINVAL;
  if ((stack === 0) !== (stackSize === 0)) return -errno.EINVAL;
  if (stack + stackSize > TASK_SIZE_MAX) return -errno.EINVAL;
  // There are no control groups a descriptor could name.
  if ((flagsHi & linux.CLONE_INTO_CGROUP_HI) !== 0) return -errno.EBADF;
  const a: CloneArgs = {
    flags,
    flagsHi,
    exitSignal,
    stack: stack + stackSize,
    parentTID: u64(3),
    childTID: u64(2),
    tls: u64(7),
    pidfd: u64(1),
    setTID: wanted,
  };
  return cloneTask(t, a);
}

// ---- exec

/** execve(2). */
export function execve(t: Task, args: SyscallArguments): number {
  return exec(t, AT_FDCWD, args.u64(0), args.u64(1), args.u64(2), 0);
}

/** execveat(2). */
export function execveat(t: Task, args: SyscallArguments): number {
  return exec(t, args.i32(0), args.u64(1), args.u64(2), args.u64(3), args.i32(4));
}

function exec(t: Task, dirfd: number, pathAddr: number, argvAddr: number, envvAddr: number, flags: number): number {
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return -errno.EINVAL;
  const known = t.copyInKnownPath(pathAddr);
  const path = known === null ? t.copyInPath(pathAddr) : known.text;
  let file: FileDescription;
  let filename = path;
  let inaccessible = false;
  if (path === "" && (flags & AT_EMPTY_PATH) !== 0) {
    const vd = dirfd === AT_FDCWD ? t.fsContext.cwd : t.getFile(dirfd).vd;
    const request = { flags: O_RDONLY, access: MAY_EXEC, mode: 0, exec: true };
    file = openExisting(t.kernel.vfs, vd.mount, vd.dentry, request, t.creds);
  } else {
    if (path === "") return -errno.ENOENT;
    const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
    const pop = new PathOperation(t.fsContext.root, startAt(t, dirfd, path), path, follow);
    pop.known = known;
    const opts = { flags: O_RDONLY | (follow ? 0 : O_NOFOLLOW), mode: 0, fileExec: true };
    // Most that execvp(3) tries is not there.
    const found = t.kernel.vfs.tryOpenAt(t.creds, pop, opts);
    if (found === null) return -errno.ENOENT;
    file = found;
  }
  try {
    if (dirfd !== AT_FDCWD && !path.startsWith("/")) {
      filename = path === "" ? `/dev/fd/${dirfd}` : `/dev/fd/${dirfd}/${path}`;
      inaccessible = t.fdTable.cloexec(dirfd);
    }
    const { argvPointers, envvPointers, argv, envv } = t.kernel.syscallScratch.exec();
    copyInPointers(t, argvAddr, argvPointers);
    copyInPointers(t, envvAddr, envvPointers);
    const budget = new ArgumentBudget(t.threadGroup.limits, argvPointers.count, envvPointers.count);
    budget.take(filename.length);
    copyInStrings(t, envvPointers, envv, budget);
    copyInStrings(t, argvPointers, argv, budget);
    return startExecve(t, filename, file, argv, envv, inaccessible);
  } finally {
    file.decRef();
  }
}

/** The pointers of a NULL-terminated array; a null array is empty. E2BIG when they alone fill the argument space. */
function copyInPointers(t: Task, addr: number, out: PointerBlock): void {
  out.count = 0;
  if (addr === 0) return;
  const most = argumentSpace(t.threadGroup.limits) / 8;
  let at = addr;
  for (;;) {
    let n = PAGE_SIZE - (at % PAGE_SIZE);
    // An unaligned array may have a pointer across two pages.
    n = n < 8 ? 8 : n - (n % 8);
    out.reserve(n / 8);
    t.copyIn(at, out.bytes, 8 * out.count, n);
    const last = out.added(n / 8);
    if (out.count > most) throw linuxerr.E2BIG;
    if (last) return;
    at += n;
  }
}

/** The strings behind pointers. */
function copyInStrings(t: Task, pointers: PointerBlock, out: StringBlock, budget: ArgumentBudget): void {
  out.clear();
  while (out.count < pointers.count) {
    const p = pointers.at(out.count);
    const before = out.length;
    const pma = t.mm.accessible(p, AccessRead);
    if (pma === null) throw linuxerr.EFAULT;
    // Those in the same piece of memory come along.
    const n = out.take(pointers, out.count, p, p + pma.hostLength(p), pma.hostAddress(p));
    if (n > 0) {
      budget.takeBytes(out.length - before);
      continue;
    }
    const s = t.tryCopyInString(p, MAX_ARG_STRLEN);
    if (s === null) throw linuxerr.E2BIG;
    budget.take(s.length);
    out.append(s);
  }
}

// ---- exit and wait

/** exit(2). */
export function exit(t: Task, args: SyscallArguments): number {
  t.exitStatus = wait.exitStatusWord(args.i32(0));
  t.nextState = runExit;
  return 0;
}

/** exit_group(2). */
export function exitGroup(t: Task, args: SyscallArguments): number {
  t.threadGroup.prepareGroupExit(wait.exitStatusWord(args.i32(0)));
  t.nextState = runExit;
  return 0;
}

/** wait4(2). */
export function wait4(t: Task, args: SyscallArguments): SyscallResult {
  const pid = args.i32(0);
  const options = args.i32(2);
  const allowed = wait.WNOHANG | wait.WUNTRACED | wait.WCONTINUED | wait.__WNOTHREAD | wait.__WCLONE | wait.__WALL;
  if ((options & ~allowed) !== 0) return -errno.EINVAL;
  if (pid === INT_MIN) return -errno.ESRCH;
  const o = waitFor(t, options | wait.WEXITED);
  if (pid > 0) {
    waitForTask(o, t.pidNamespace.taskWithID(pid));
  } else if (pid !== -1) {
    o.processGroup = (pid === 0 ? t.threadGroup.processGroup : t.pidNamespace.processGroups.get(-pid)) ?? null;
    o.nothing = o.processGroup === null;
  }
  const statusAddr = args.u64(1);
  const usageAddr = args.u64(3);
  const r = tryWait(t, o);
  if (typeof r === "number") return r;
  if (r !== null) return wait4Result(t, r, statusAddr, usageAddr);
  if ((options & wait.WNOHANG) !== 0) return 0;
  return wait4Blocking(t, o, statusAddr, usageAddr);
}

function* wait4Blocking(t: Task, o: WaitOptions, statusAddr: number, usageAddr: number): SyscallGenerator {
  const out: { result: WaitResult | null } = { result: null };
  const r = yield* waitForChild(t, o, out);
  return out.result === null ? r : wait4Result(t, out.result, statusAddr, usageAddr);
}

function wait4Result(t: Task, r: WaitResult, statusAddr: number, usageAddr: number): number {
  if (statusAddr !== 0) t.copyOutU32(statusAddr, r.status);
  if (usageAddr !== 0 && r.usage !== null) encodeUsage(t, usageAddr, r.usage);
  return r.pid;
}

/** waitid(2). */
export function waitid(t: Task, args: SyscallArguments): SyscallResult {
  const id = args.i32(1);
  const infoAddr = args.u64(2);
  const options = args.i32(3);
  const usageAddr = args.u64(4);
  const events = wait.WEXITED | wait.WSTOPPED | wait.WCONTINUED;
  const allowed = events | wait.WNOHANG | wait.WNOWAIT | wait.__WNOTHREAD | wait.__WCLONE | wait.__WALL;
  if ((options & ~allowed) !== 0 || (options & events) === 0) return -errno.EINVAL;
  const o = waitFor(t, options);
  switch (args.i32(0)) {
    case wait.P_ALL:
      break;
    case wait.P_PID:
      if (id <= 0) return -errno.EINVAL;
      waitForTask(o, t.pidNamespace.taskWithID(id));
      break;
    case wait.P_PGID:
      if (id < 0) return -errno.EINVAL;
      o.processGroup = (id === 0 ? t.threadGroup.processGroup : t.pidNamespace.processGroups.get(id)) ?? null;
      o.nothing = o.processGroup === null;
      break;
    case wait.P_PIDFD: {
      if (id < 0) return -errno.EINVAL;
      const f = t.getFile(id);
      if (!(f instanceof PIDFileDescription)) return -errno.EBADF;
      waitForTask(o, f.target);
      // A non-blocking descriptor makes the wait non-blocking, with EAGAIN instead of 0.
      if ((f.statusFlags & 0o4000) !== 0) {
        const r = tryWait(t, o);
        if (typeof r === "number") return r;
        if (r === null && (options & wait.WNOHANG) === 0) return -errno.EAGAIN;
        return waitidResult(t, r, infoAddr, usageAddr);
      }
      break;
    }
    default:
      return -errno.EINVAL;
  }
  const r = tryWait(t, o);
  if (typeof r === "number") return r;
  if (r !== null || (options & wait.WNOHANG) !== 0) return waitidResult(t, r, infoAddr, usageAddr);
  return waitidBlocking(t, o, infoAddr, usageAddr);
}

function* waitidBlocking(t: Task, o: WaitOptions, infoAddr: number, usageAddr: number): SyscallGenerator {
  const out: { result: WaitResult | null } = { result: null };
  const r = yield* waitForChild(t, o, out);
  return out.result === null ? r : waitidResult(t, out.result, infoAddr, usageAddr);
}

/** Stores a siginfo_t (all zeros but for what is known) and the usage. */
function waitidResult(t: Task, r: WaitResult | null, infoAddr: number, usageAddr: number): number {
  if (r !== null && usageAddr !== 0 && r.usage !== null) encodeUsage(t, usageAddr, r.usage);
  if (infoAddr === 0) return 0;
  // Only these members are written, as Linux does: the rest of the guest's structure stays.
  const w = t.kernel.scratchWords;
  w[0] = r === null ? 0 : SIGCHLD;
  w[1] = 0;
  w[2] = r === null ? 0 : r.code;
  t.copyOut(infoAddr, t.kernel.scratch, 0, 12);
  w[0] = r === null ? 0 : r.pid;
  w[1] = r === null ? 0 : r.uid;
  w[2] = r === null ? 0 : r.siStatus;
  t.copyOut(infoAddr + 16, t.kernel.scratch, 0, 12);
  return 0;
}

function waitFor(_t: Task, flags: number): WaitOptions {
  return { threadGroup: null, thread: null, processGroup: null, nothing: false, flags };
}
