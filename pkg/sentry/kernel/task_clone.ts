import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../abi/linux/capability.ts";
import * as linux from "../../abi/linux/clone.ts";
import * as errno from "../../abi/linux/errno.ts";
import { PAGE_SIZE } from "../../abi/linux/mm.ts";
import {
  PTRACE_EVENT_CLONE,
  PTRACE_EVENT_FORK,
  PTRACE_EVENT_VFORK,
  PTRACE_EVENT_VFORK_DONE,
} from "../../abi/linux/ptrace.ts";
import { RLIMIT_NOFILE, RLIMIT_NPROC } from "../../abi/linux/rlimit.ts";
import { SCHED_NORMAL } from "../../abi/linux/sched.ts";
import { SIGCHLD } from "../../abi/linux/signal.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import { copyRegisters } from "../arch/index.ts";
import type { LimitSet } from "../limits/index.ts";
import type { MemoryManager } from "../mm/index.ts";
import { type Context, REG_FS_BASE, REG_RAX, REG_RSP } from "../platform/platform.ts";
import type { Credentials } from "./auth/index.ts";
import type { FSContext } from "./fs_context.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import { newPIDFD, reservePIDFD } from "./pidfd.ts";
import { updateCPULimit } from "./process_timers.ts";
import { eventStop, hasPtraceEvent, idForTracer, inheritPtrace } from "./ptrace.ts";
import type { RunState } from "./run_state.ts";
import { undoListOf } from "./semaphore/index.ts";
import { TASK_SIZE_MAX, Task } from "./task.ts";
import { runExit } from "./task_exit.ts";
import { copyNamespaces, decRefs, moveDirectories, newUserNamespace, type TaskNamespaces } from "./task_namespaces.ts";
import { afterSyscall } from "./task_syscall.ts";

/** Arguments of clone(2) and clone3(2), which name the same things differently. */
export interface CloneArgs {
  /** CLONE_* below 2^32, without the exit signal. */
  flags: number;
  /** Upper word: CLONE_CLEAR_SIGHAND_HI. */
  flagsHi: number;
  exitSignal: number;
  /** New stack pointer, 0: the caller's. */
  stack: number;
  parentTID: number;
  childTID: number;
  tls: number;
  /** Where the descriptor goes. */
  pidfd: number;
  /** Ids asked for, innermost namespace first. */
  setTID: readonly number[];
}

/** Checks of Linux's copy_process() that need no resources. Throws. */
function checkFlags(t: Task, a: CloneArgs): void {
  const f = a.flags;
  const fs = (f & linux.CLONE_FS) !== 0;
  if (fs && (f & (linux.CLONE_NEWNS | linux.CLONE_NEWUSER)) !== 0) throw linuxerr.EINVAL;
  if ((f & linux.CLONE_THREAD) !== 0 && (f & linux.CLONE_SIGHAND) === 0) throw linuxerr.EINVAL;
  if ((f & linux.CLONE_SIGHAND) !== 0 && (f & linux.CLONE_VM) === 0) throw linuxerr.EINVAL;
  // Siblings of init would have no parent in the namespace.
  if ((f & linux.CLONE_PARENT) !== 0 && t.threadGroup.isNamespaceInit()) throw linuxerr.EINVAL;
  if ((f & linux.CLONE_THREAD) !== 0) {
    if ((f & (linux.CLONE_NEWUSER | linux.CLONE_NEWPID)) !== 0) throw linuxerr.EINVAL;
    if (t.childPIDNamespace !== t.pidNamespace) throw linuxerr.EINVAL;
  }
  if ((f & linux.CLONE_PIDFD) !== 0) {
    if ((f & linux.CLONE_DETACHED) !== 0) throw linuxerr.EINVAL;
    if ((f & linux.CLONE_PARENT_SETTID) !== 0 && a.pidfd === a.parentTID) throw linuxerr.EINVAL;
  }
  if ((f & (linux.CLONE_NS_FLAGS | linux.CLONE_NEWTIME)) !== 0) {
    if ((f & linux.CLONE_NEWUSER) === 0 && !t.creds.hasCapability(CAP_SYS_ADMIN)) throw linuxerr.EPERM;
    if ((f & linux.CLONE_NEWIPC) !== 0 && (f & linux.CLONE_SYSVSEM) !== 0) throw linuxerr.EINVAL;
  }
  if ((f & linux.CLONE_SETTLS) !== 0 && a.tls >= TASK_SIZE_MAX) throw linuxerr.EPERM;
}

/** Whether the user may not have another task (RLIMIT_NPROC), or the sandbox is full. */
function atTaskLimit(t: Task): boolean {
  const set = t.kernel.tasks;
  if (set.all.size >= set.maxTasks) return true;
  const limit = t.threadGroup.limits.cur(RLIMIT_NPROC);
  const uid = t.creds.realKUID;
  if (limit > set.all.size || uid === 0) return false;
  if (t.creds.capable(CAP_SYS_RESOURCE) || t.creds.capable(CAP_SYS_ADMIN)) return false;
  let n = 0;
  for (const o of set.all) if (o.creds.realKUID === uid) n++;
  return n >= limit;
}

/** Makes a task as clone(2) says. Returns its id, or a negative errno or restart code. With CLONE_VFORK the call goes on as a run state. */
export function clone(t: Task, a: CloneArgs): number {
  checkFlags(t, a);
  // A signal sent to the group must reach either both or the parent before there is a child.
  if (t.hasPendingSignal()) return -errno.ERESTARTNOINTR;
  if (atTaskLimit(t)) return -errno.EAGAIN;
  const k = t.kernel;
  const f = a.flags;
  const isThread = (f & linux.CLONE_THREAD) !== 0;
  const places = newPlaces(t, f);
  const ns = places.namespaces.childPID;
  const limits = isThread ? t.threadGroup.limits : t.threadGroup.limits.getCopy();
  let mm: MemoryManager | null = null;
  const shareMemory = (f & linux.CLONE_VM) !== 0;
  let context: Context | null = null;
  let child: Task;
  try {
    if (ns.exiting) throw linuxerr.ENOMEM;
    const tids = allocateTIDs(t, ns, a.setTID);
    if (shareMemory) {
      t.mm.incUsers();
      mm = t.mm;
    } else {
      // Both sides go on with their stack and their thread block.
      const { regs } = t.context;
      const { hot } = t.mm;
      hot.note(regs.get(REG_RSP));
      hot.note(regs.get(REG_RSP) - PAGE_SIZE);
      hot.note(regs.get(REG_FS_BASE));
      mm = t.mm.fork(limits);
      // Before the memory is mapped.
      if ((f & linux.CLONE_CHILD_SETTID) !== 0) tryStore(t, mm, a.childTID, tids[0] ?? 0);
    }
    context = mm.activate().newContext(t);
    copyContext(context, t, a);
    if ((f & linux.CLONE_PIDFD) !== 0) {
      t.copyOutU32(a.pidfd, reservePIDFD(t, t.threadGroup.limits.cur(RLIMIT_NOFILE)));
    }
    child = makeChild(t, a, places, tids, mm, context, limits);
  } catch (e) {
    context?.release();
    mm?.decUsers();
    decRefs(places.namespaces);
    places.fs.decRef();
    if (places.creds !== t.creds) places.creds.userNamespace.decRef();
    throw e;
  }
  // The child has its own reference on its user namespace.
  if (places.creds !== t.creds) places.creds.userNamespace.decRef();
  const tid = t.pidNamespace.idOfTask(child);
  const event = traceEvent(t, a);
  if (event !== 0 || (f & linux.CLONE_PTRACE) !== 0) inheritPtrace(child, t);
  if ((f & linux.CLONE_PIDFD) !== 0) newPIDFD(t, child, isThread, 0);
  if ((f & linux.CLONE_PARENT_SETTID) !== 0) tryStore(t, t.mm, a.parentTID, tid);
  if (shareMemory && (f & linux.CLONE_CHILD_SETTID) !== 0) tryStore(t, t.mm, a.childTID, child.tid);
  k.schedule(child);
  let next: RunState | null = null;
  if ((f & linux.CLONE_VFORK) !== 0) {
    child.vforkParent = t;
    t.vforkWaiting = child;
    t.context.regs.set(REG_RAX, tid);
    next = runVforkWait;
  }
  t.nextState = event === 0 ? next : eventStop(t, event, idForTracer(t, child), next ?? afterSyscall(t), tid);
  return tid;
}

/** The PTRACE_EVENT that the tracer is to see, 0 for none. */
function traceEvent(t: Task, a: CloneArgs): number {
  if ((a.flags & linux.CLONE_UNTRACED) !== 0) return 0;
  let event = PTRACE_EVENT_FORK;
  if ((a.flags & linux.CLONE_VFORK) !== 0) event = PTRACE_EVENT_VFORK;
  else if (a.exitSignal !== SIGCHLD) event = PTRACE_EVENT_CLONE;
  return hasPtraceEvent(t, event) ? event : 0;
}

/** Where the child is and as whom: credentials, namespaces, root and working directory, each with a reference. */
interface ChildPlaces {
  readonly creds: Credentials;
  readonly namespaces: TaskNamespaces;
  readonly fs: FSContext;
}

/** What CLONE_NEW* and CLONE_FS ask for. EPERM, ENOSPC, EINVAL. */
function newPlaces(t: Task, flags: number): ChildPlaces {
  const creds = (flags & linux.CLONE_NEWUSER) !== 0 ? newUserNamespace(t) : t.creds;
  let fs = t.fsContext;
  if ((flags & linux.CLONE_FS) !== 0) fs.incRef();
  else fs = fs.fork();
  try {
    const n = copyNamespaces(t, flags, creds, fs);
    moveDirectories(fs, n);
    return { creds, namespaces: n.namespaces, fs };
  } catch (e) {
    fs.decRef();
    if (creds !== t.creds) creds.userNamespace.decRef();
    throw e;
  }
}

/** Ids for the child. EAGAIN when there are none; for ids asked for: EPERM, EINVAL, EEXIST. */
function allocateTIDs(t: Task, ns: PIDNamespace, wanted: readonly number[]): readonly number[] {
  if (wanted.length > ns.level + 1) throw linuxerr.EINVAL;
  let n: PIDNamespace | null = ns;
  for (const id of wanted) {
    if (n === null || id < 1 || id >= n.pidMax) throw linuxerr.EINVAL;
    if (id !== 1 && n.init === null) throw linuxerr.EINVAL;
    if (!t.creds.hasCapabilityIn(CAP_SYS_ADMIN, n.userNamespace)) throw linuxerr.EPERM;
    if (!n.isFree(id)) throw linuxerr.EEXIST;
    n = n.parent;
  }
  const tids = t.kernel.tasks.allocateTIDs(ns, wanted);
  if (tids === null) throw linuxerr.EAGAIN;
  return tids;
}

/** The child's registers are the parent's, with 0 as the result of the call. */
function copyContext(ctx: Context, t: Task, a: CloneArgs): void {
  const parent = t.context;
  copyRegisters(ctx.regs, parent.regs);
  ctx.regs.set(REG_RAX, 0);
  if (a.stack !== 0) ctx.regs.set(REG_RSP, a.stack);
  if ((a.flags & linux.CLONE_SETTLS) !== 0) ctx.regs.set(REG_FS_BASE, a.tls);
  const fp = t.kernel.fpBuffer(parent.fpStateSize());
  parent.getFPState(fp);
  ctx.setFPState(fp);
}

/** The task object with everything it inherits. */
function makeChild(
  t: Task,
  a: CloneArgs,
  places: ChildPlaces,
  tids: readonly number[],
  mm: MemoryManager,
  context: Context,
  limits: LimitSet,
): Task {
  const f = a.flags;
  const tg = t.threadGroup;
  const isThread = (f & linux.CLONE_THREAD) !== 0;
  const shareFiles = (f & linux.CLONE_FILES) !== 0;
  if (shareFiles) t.fdTable.incRef();
  let handlers = tg.signalHandlers;
  if (!isThread) {
    if ((f & linux.CLONE_SIGHAND) !== 0) handlers.refs++;
    else handlers = handlers.fork();
    if ((a.flagsHi & linux.CLONE_CLEAR_SIGHAND_HI) !== 0) handlers.clearHandlers();
  }
  const child = new Task({
    kernel: t.kernel,
    pidNamespace: places.namespaces.childPID,
    tids,
    name: t.name,
    creds: places.creds,
    mm,
    context,
    fdTable: shareFiles ? t.fdTable : t.fdTable.fork(),
    fsContext: places.fs,
    namespaces: places.namespaces,
    threadGroup: isThread ? tg : null,
    processGroup: tg.processGroup,
    signalHandlers: handlers,
    limits,
  });
  if ((f & linux.CLONE_SYSVSEM) !== 0) {
    child.semaphoreUndo = undoListOf(t);
    child.semaphoreUndo.refs++;
  }
  child.maskLo = t.maskLo;
  child.maskHi = t.maskHi;
  if ((f & linux.CLONE_VM) !== 0 && (f & linux.CLONE_VFORK) === 0) {
    child.resetAltStack();
  } else {
    child.altStackAddr = t.altStackAddr;
    child.altStackSize = t.altStackSize;
    child.altStackFlags = t.altStackFlags;
  }
  if ((f & linux.CLONE_CHILD_CLEARTID) !== 0) child.clearChildTID = a.childTID;
  child.noNewPrivs = t.noNewPrivs;
  child.execID = t.execID;
  child.origRax = t.sysno;
  child.personality = t.personality;
  child.tscMode = t.tscMode;
  child.mceKill = t.mceKill;
  child.seccompMode = t.seccompMode;
  child.seccompFilter = t.seccompFilter;
  t.seccompFilter?.incRef();
  child.timerSlackNs = t.timerSlackNs;
  child.affinity = t.affinity;
  child.context.setAffinity(child.affinity);
  child.ioprio = t.ioprio;
  child.memoryPolicy = t.memoryPolicy;
  child.nice = t.nice;
  if (t.schedResetOnFork) {
    child.schedPolicy = SCHED_NORMAL;
    if (child.nice < 0) child.nice = 0;
  } else {
    child.schedPolicy = t.schedPolicy;
    child.schedPriority = t.schedPriority;
  }
  if (!isThread) inheritGroup(t, child, a);
  return child;
}

/** What a new process has from its parent's. */
function inheritGroup(t: Task, child: Task, a: CloneArgs): void {
  const from = t.threadGroup;
  const tg = child.threadGroup;
  const sibling = (a.flags & linux.CLONE_PARENT) !== 0;
  tg.parent = sibling ? from.parent : t;
  tg.parentExecID = sibling ? from.parentExecID : t.execID;
  tg.exitSignal = sibling ? from.exitSignal : a.exitSignal;
  tg.parent?.children.add(tg);
  tg.tty = from.tty;
  tg.oomScoreAdj = from.oomScoreAdj;
  tg.containerID = from.containerID;
  tg.thpDisable = from.thpDisable;
  tg.hasChildSubreaper = from.hasChildSubreaper || from.isChildSubreaper;
  if (child.pidNamespace.init === null) {
    child.pidNamespace.init = tg;
    tg.unkillable = true;
  }
  updateCPULimit(tg);
}

/** Stores a tid; Linux ignores bad pointers here. */
function tryStore(t: Task, mm: MemoryManager, addr: number, tid: number): void {
  const k = t.kernel;
  k.scratchWords[0] = tid;
  try {
    mm.copyOut(addr, k.scratch, 0, 4);
  } catch (e) {
    k.errnoOf(e, t);
  }
}

/** The parent of a vfork child: waits until that execs or exits; only a fatal signal gets through. */
class RunVforkWait implements RunState {
  static readonly stateType = stateType("kernel.RunVforkWait", ["name"]);
  readonly name = "vfork-wait";

  execute(t: Task): RunState | null {
    if (t.killed) {
      t.vforkWaiting = null;
      return runExit;
    }
    if (t.vforkWaiting !== null) {
      t.runState = this;
      return null;
    }
    const tid = t.context.regs.get(REG_RAX);
    const child = t.pidNamespace.taskWithID(tid);
    const message = child === null ? tid : idForTracer(t, child);
    return eventStop(t, PTRACE_EVENT_VFORK_DONE, message, afterSyscall(t), tid);
  }
}

export const runVforkWait: RunState = new RunVforkWait();

/** fork(2). */
export const FORK_ARGS: Readonly<CloneArgs> = {
  flags: 0,
  flagsHi: 0,
  exitSignal: SIGCHLD,
  stack: 0,
  parentTID: 0,
  childTID: 0,
  tls: 0,
  pidfd: 0,
  setTID: [],
};

/** vfork(2). */
export const VFORK_ARGS: Readonly<CloneArgs> = { ...FORK_ARGS, flags: linux.CLONE_VFORK | linux.CLONE_VM };
