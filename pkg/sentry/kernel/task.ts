import { RLIMIT_NOFILE } from "../../abi/linux/rlimit.ts";
import { SIGKILL, SS_DISABLE } from "../../abi/linux/signal.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { type LoadContext, setFields, stateType } from "../../state/index.ts";
import type { Entry, EventListener } from "../../waiter/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import type { LimitSet } from "../limits/index.ts";
import { AccessRead } from "../memmap/index.ts";
import type { MemoryManager } from "../mm/index.ts";
import {
  type Context,
  type ContextOwner,
  EventDied,
  EventFault,
  type EventKind,
  EventSyscall,
} from "../platform/platform.ts";
import type { NetworkNamespace } from "../socket/index.ts";
import { Timer, type TimerListener } from "../time/index.ts";
import { IOSequence } from "../usermem/index.ts";
import type { FileDescription, KnownPath, MountNamespace } from "../vfs/index.ts";
import type { Credentials } from "./auth/index.ts";
import type { CgroupNamespace } from "./cgroup_namespace.ts";
import { TaskCPU } from "./cpu_accounting.ts";
import type { FDTable } from "./fd_table.ts";
import type { FSContext } from "./fs_context.ts";
import type { IPCNamespace } from "./ipc_namespace.ts";
import type { Kernel } from "./kernel.ts";
import { runTask } from "./kernel_run.ts";
import { PendingSignals } from "./pending_signals.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import type { Ptrace, PtraceStop } from "./ptrace.ts";
import type { RunState } from "./run_state.ts";
import type { SeccompFilter } from "./seccomp.ts";
import type { SemaphoreUndoList } from "./semaphore/index.ts";
import type { ProcessGroup } from "./sessions.ts";
import type { SignalHandlers } from "./signal_handlers.ts";
import { BlockRequest, SyscallArguments, type SyscallGenerator } from "./syscalls.ts";
import type { ExecImage } from "./task_exec.ts";
import type { TaskNamespaces } from "./task_namespaces.ts";
import { runApp } from "./task_run.ts";
import { forceSignal, JOBCTL_PENDING_MASK, sendTaskSignal, setSignalMask } from "./task_signals.ts";
import { serveSyscall } from "./task_syscall.ts";
import { ThreadGroup, Usage } from "./thread_group.ts";
import type { UTSNamespace } from "./uts_namespace.ts";

/** Task.exitState: runs. */
export const TaskExitNone = 0;
/** Is on its way out. */
export const TaskExitInitiated = 1;
/** Is gone but for its status. */
export const TaskExitZombie = 2;
/** Was reaped. */
export const TaskExitDead = 3;

/** Longest path name with its NUL. */
const PATH_MAX = 4096;
/** Most bytes one read or write moves (MAX_RW_COUNT). */
export const MAX_RW_COUNT = 0x7ffff000;
/** Most pieces of readv and writev (UIO_MAXIOV). */
export const UIO_MAXIOV = 1024;
/** One past the highest address a system call argument may name (TASK_SIZE_MAX). */
export const TASK_SIZE_MAX = 0x7ffffffff000;

/** Continues a system call that a signal interrupted, through restart_syscall(2). */
export interface SyscallRestartBlock {
  /** The call again with what is left of its time-out. */
  restart(t: Task): number | SyscallGenerator;
}

/** Wakes the task when the deadline of its block passes. */
export class BlockTimerListener implements TimerListener {
  static readonly stateType = stateType("kernel.BlockTimerListener", ["task"]);
  readonly task: Task;

  constructor(task: Task) {
    this.task = task;
  }

  timerExpired(): void {
    const t = this.task;
    t.timedOut = true;
    if (t.blocked) t.kernel.schedule(t);
  }
}

/** What a new task is made of. References on the shared parts are handed over. */
export interface TaskConfig {
  kernel: Kernel;
  pidNamespace: PIDNamespace;
  /** Ids in pidNamespace and its ancestors, innermost first; free in each. */
  tids: readonly number[];
  name: string;
  creds: Credentials;
  mm: MemoryManager;
  /** Stopped, of mm's address space; the new task becomes its owner. */
  context: Context;
  fdTable: FDTable;
  fsContext: FSContext;
  namespaces: TaskNamespaces;
  /** null: the task leads a new thread group, made of what follows. */
  threadGroup: ThreadGroup | null;
  /** null: a new session. */
  processGroup: ProcessGroup | null;
  signalHandlers: SignalHandlers;
  limits: LimitSet;
}

/** A guest thread. All of its kernel state is here or in the objects it shares with others. */
export class Task implements ContextOwner, EventListener {
  static readonly stateType = stateType(
    "kernel.Task",
    [
      "kernel",
      "tid",
      "pidNamespace",
      "childPIDNamespace",
      "threadGroup",
      "name",
      "creds",
      "noNewPrivs",
      "mm",
      "fdTable",
      "fsContext",
      "utsNamespace",
      "ipcNamespace",
      "networkNamespace",
      "cgroupNamespace",
      "mountNamespace",
      "runState",
      "nextState",
      "appState",
      "queued",
      "stopCount",
      "children",
      "execID",
      "exitState",
      "exitStatus",
      "killed",
      "pending",
      "maskLo",
      "maskHi",
      "savedMaskLo",
      "savedMaskHi",
      "haveSavedMask",
      "waitSetLo",
      "waitSetHi",
      "altStackAddr",
      "altStackSize",
      "altStackFlags",
      "jobctl",
      "groupStopped",
      "parentDeathSignal",
      "trapErr",
      "trapNo",
      "trapAddr",
      "lastBusAddr",
      "origRax",
      "restartCode",
      "restartBlock",
      "clearChildTID",
      "robustListHead",
      "semaphoreUndo",
      "vforkParent",
      "vforkWaiting",
      "blockTimer",
      "startTime",
      "cpu",
      "usage",
      "nice",
      "schedPolicy",
      "schedPriority",
      "schedResetOnFork",
      "affinity",
      "ioprio",
      "memoryPolicy",
      "timerSlackNs",
      "personality",
      "tscMode",
      "mceKill",
      "seccompMode",
      "seccompFilter",
      "ptrace",
      "ptraceStop",
      "tracees",
      "futexWaiter",
      "exec",
    ],
    [
      "context",
      "args",
      "sysno",
      "generator",
      "blocked",
      "blockKind",
      "woken",
      "timedOut",
      "request",
      "ioSequence",
      "stops",
      "work",
      "deadlineCap",
    ],
  );
  readonly kernel: Kernel;
  /** Thread id in its own PID namespace. */
  tid: number;
  readonly pidNamespace: PIDNamespace;
  /** Where children go (unshare, setns); usually pidNamespace. */
  childPIDNamespace: PIDNamespace;
  threadGroup: ThreadGroup;
  /** comm: byte string, at most 15 bytes. */
  name: string;
  creds: Credentials;
  noNewPrivs = false;
  /** After exit: the manager that was let go of. */
  mm: MemoryManager;
  fdTable: FDTable;
  fsContext: FSContext;
  utsNamespace: UTSNamespace;
  ipcNamespace: IPCNamespace;
  networkNamespace: NetworkNamespace;
  cgroupNamespace: CgroupNamespace;
  mountNamespace: MountNamespace;
  context: Context;

  // ---- running
  runState: RunState = runApp;
  /** Set by a system call that continues as a run state (exit, exec, vfork, sigreturn): its result is not used. */
  nextState: RunState | null = null;
  /** The state in which the guest's code runs: runApp, or another one while system calls or single steps are traced. */
  appState: RunState = runApp;
  /** On the kernel's run queue. */
  queued = false;
  /** Stops from outside (pause of one task): the task does not run while it is above zero. */
  stopCount = 0;

  // ---- the system call being served
  sysno = -1;
  args: SyscallArguments;
  generator: SyscallGenerator | null = null;
  /** The generator waits. */
  blocked = false;
  /** What the wait ends for: BLOCK_* of task_block.ts. */
  blockKind = 0;
  /** A waiter entry of the task fired since the wait began. */
  woken = false;
  timedOut = false;
  readonly request: BlockRequest = new BlockRequest();
  readonly blockTimer: Timer;
  /** Number of the system call that the registers stand behind, as Linux keeps it in orig_rax; -1: none. */
  origRax = -1;
  /** How that call goes on after a signal: its ERESTART code, positive; 0: it was not interrupted. */
  restartCode = 0;
  restartBlock: SyscallRestartBlock | null = null;
  /** Ends waits earlier than they ask for: a call that was given up for a save and is made again keeps its first deadline. */
  deadlineCap = Number.POSITIVE_INFINITY;
  /** Reused for every transfer: valid until the next call of singleIOSequence or iovecsIOSequence. */
  readonly ioSequence: IOSequence = new IOSequence();
  /** execve on its way: what will replace the program once the other threads are gone. */
  exec: ExecImage | null = null;

  // ---- kinship
  /** Processes whose parent is this thread. */
  readonly children: Set<ThreadGroup> = new Set();
  /** Grows with every execve. */
  execID = 0;
  exitState = TaskExitNone;
  /** Wait status; meaningful from TaskExitInitiated on. */
  exitStatus = 0;
  /** The child of a vfork is still using our address space: who waits for us, and what we wait for. */
  vforkParent: Task | null = null;
  vforkWaiting: Task | null = null;

  // ---- signals
  /** SIGKILL, or the exit of the whole group: nothing else matters any more. */
  killed = false;
  readonly pending: PendingSignals = new PendingSignals();
  /** Blocked signals: 1..32 and 33..64. */
  maskLo = 0;
  maskHi = 0;
  /** The mask to restore when a call with a temporary one (sigsuspend, ppoll) ends. */
  savedMaskLo = 0;
  savedMaskHi = 0;
  haveSavedMask = false;
  /** Signals sigtimedwait(2) is waiting for: they wake the task although blocked. */
  waitSetLo = 0;
  waitSetHi = 0;
  altStackAddr = 0;
  altStackSize = 0;
  /** SS_* as sigaltstack(2) stored them. */
  altStackFlags = 0;
  /** Stops to take part in, JOBCTL_* of task_signals.ts. */
  jobctl = 0;
  /** Stands in a group stop. */
  groupStopped = false;
  parentDeathSignal = 0;
  /** The processor's words on the last fault, shown in every signal frame. */
  trapErr = 0;
  trapNo = 0;
  trapAddr = 0;
  /** Address of the last SIGBUS that was retried, -1 for none. */
  lastBusAddr = -1;

  // ---- what the guest registered
  /** set_tid_address(2), CLONE_CHILD_CLEARTID; 0: none. */
  clearChildTID = 0;
  /** set_robust_list(2); 0: none. */
  robustListHead = 0;
  /** What SEM_UNDO operations of semop(2) noted; shared by CLONE_SYSVSEM. */
  semaphoreUndo: SemaphoreUndoList | null = null;
  /** State of the futex call under way, owned by the futex package. */
  futexWaiter: object | null = null;

  // ---- accounting and scheduling data
  /** CLOCK_MONOTONIC ns. */
  readonly startTime: number;
  readonly cpu: TaskCPU = new TaskCPU();
  /** Its own; times and maxRSS as of the last updateUsage. */
  readonly usage: Usage = new Usage();
  nice = 0;
  schedPolicy = 0;
  schedPriority = 0;
  schedResetOnFork = false;
  /** CPU mask, 32 CPUs a word; null: all. */
  affinity: Uint32Array | null = null;
  ioprio = 0;
  /** set_mempolicy(2), as the system call encodes it. */
  memoryPolicy = 0;
  timerSlackNs = 50000;
  personality = 0;
  /** PR_SET_TSC. */
  tscMode = 1;
  /** SECCOMP_MODE_*, and the newest filter. */
  seccompMode = 0;
  seccompFilter: SeccompFilter | null = null;
  /** PR_MCE_KILL. */
  mceKill = 2;
  /** Who traces the task; the ptrace stop it is in; whom it traces (null: nobody so far). */
  ptrace: Ptrace | null = null;
  ptraceStop: PtraceStop | null = null;
  tracees: Set<Task> | null = null;
  /** Counts the events of the context; and those since the sentry's time was shared out. */
  stops = 0;
  work = 0;

  constructor(c: TaskConfig) {
    this.kernel = c.kernel;
    this.pidNamespace = c.pidNamespace;
    this.childPIDNamespace = c.namespaces.childPID;
    this.tid = c.tids[0] ?? 0;
    this.name = c.name;
    this.creds = c.creds;
    this.mm = c.mm;
    this.context = c.context;
    this.args = new SyscallArguments(c.context.args);
    this.fdTable = c.fdTable;
    this.fsContext = c.fsContext;
    this.utsNamespace = c.namespaces.uts;
    this.ipcNamespace = c.namespaces.ipc;
    this.networkNamespace = c.namespaces.network;
    this.cgroupNamespace = c.namespaces.cgroup;
    this.mountNamespace = c.namespaces.mount;
    c.pidNamespace.incRef();
    c.creds.userNamespace.incRef();
    this.blockTimer = new Timer(new BlockTimerListener(this));
    this.startTime = c.kernel.monotonicNow();
    let i = 0;
    for (let ns: PIDNamespace | null = c.pidNamespace; ns !== null; ns = ns.parent) {
      const tid = c.tids[i] ?? 0;
      ns.tasks.set(tid, this);
      if (i > 0) ns.tids.set(this, tid);
      i++;
    }
    this.threadGroup =
      c.threadGroup ?? new ThreadGroup(c.kernel, c.pidNamespace, this, c.processGroup, c.signalHandlers, c.limits);
    this.threadGroup.tasks.add(this);
    this.threadGroup.liveTasks++;
    this.context.owner = this;
    this.cpu.attach(this.context, c.kernel.accounting.hostUsage);
    c.kernel.tasks.add(this);
  }

  /** The rest (context, arguments of the call) comes with the context that the kernel's restore makes. */
  afterLoad(ctx: LoadContext): void {
    setFields<Task>(this, {
      startTime: this.startTime + ctx.monotonicShift,
      request: new BlockRequest(),
      ioSequence: new IOSequence(),
    });
    this.sysno = -1;
    this.generator = null;
    this.blocked = false;
    this.blockKind = BLOCK_INTERRUPTIBLE;
    this.woken = false;
    this.timedOut = false;
    this.stops = 0;
    this.work = 0;
    this.queued = false;
    this.deadlineCap = Number.POSITIVE_INFINITY;
  }

  // ---- events

  /** The platform stopped our context: ordinary calls and faults are served at once, the rest is queued. */
  platformEvent(ctx: Context): void {
    const k = this.kernel;
    if (ctx !== this.context) return;
    this.stops++;
    const accounting = k.accounting;
    if (this.work++ === 0) accounting.active.push(this);
    if (--accounting.left <= 0) accounting.settle();
    if (ctx.event === EventDied) {
      k.log.warning(`host thread of task ${this.tid} (${this.name}) is gone: killing its process`);
      this.threadGroup.prepareGroupExit(SIGKILL);
    }
    const event: EventKind = ctx.event;
    const free = !this.queued && this.stopCount === 0 && k.pauseCount === 0 && this.runState === runApp;
    if (free && event === EventSyscall) serveSyscall(this, ctx);
    else if (free && event === EventFault) runTask(k, this);
    else k.schedule(this);
  }

  /** A waiter entry whose listener is this task fired. */
  notifyEvent(_entry: Entry, _mask: number): void {
    this.wake();
  }

  /** Wakes a blocked system call with WAKE_EVENT. */
  wake(): void {
    this.woken = true;
    if (this.blocked) this.kernel.schedule(this);
  }

  /** Makes the task look at its signals: ends a wait, stops the guest. */
  interrupt(): void {
    const k = this.kernel;
    if (k.current === this || this.exitState !== TaskExitNone) return;
    if (this.context.stopped) k.schedule(this);
    else this.context.interrupt();
  }

  /** The task must die: SIGKILL, exit_group of another thread, exec of another thread. */
  kill(): void {
    if (this.killed || this.exitState !== TaskExitNone) return;
    this.killed = true;
    this.groupStopped = false;
    this.jobctl &= ~JOBCTL_PENDING_MASK;
    this.interrupt();
  }

  // ---- blocking

  /**
   * To be yielded by a system call that would block: waits for one of the task's waiter entries, the deadline
   * (CLOCK_MONOTONIC ns, Infinity for none) or a signal. Register the entries and try once more before it.
   */
  block(deadline: number): BlockRequest {
    this.blockKind = BLOCK_INTERRUPTIBLE;
    this.request.deadline = Math.min(deadline, this.deadlineCap);
    return this.request;
  }

  /** As block, but only a fatal signal interrupts. */
  blockKillable(deadline: number): BlockRequest {
    this.blockKind = BLOCK_KILLABLE;
    this.request.deadline = deadline;
    return this.request;
  }

  /** To be yielded in the middle of long work: lets others run. WAKE_INTERRUPT then means that the task is being killed. */
  reschedule(): BlockRequest {
    this.blockKind = BLOCK_RESCHEDULE;
    this.request.deadline = 0;
    return this.request;
  }

  // ---- signals

  /** Whether a signal, stop or kill is to be handled: blocked calls must end, running ones should return soon. */
  hasPendingSignal(): boolean {
    const p = this.pending;
    const g = this.threadGroup.pending;
    return (
      ((p.lo | g.lo) & ~this.maskLo) !== 0 ||
      ((p.hi | g.hi) & ~this.maskHi) !== 0 ||
      this.killed ||
      (this.jobctl & JOBCTL_PENDING_MASK) !== 0
    );
  }

  /** Whether the guest must not go on before its registers were looked at. */
  mustInterrupt(): boolean {
    return this.hasPendingSignal() || this.haveSavedMask || this.stopCount > 0 || this.kernel.pauseCount > 0;
  }

  /** Sends a signal to this thread as the kernel; no permission checks. Returns 0 or -EAGAIN. */
  sendSignal(info: SignalInfo): number {
    return sendTaskSignal(this, info, null);
  }

  /** A signal that the thread caused itself (SIGPIPE, SIGXFSZ): si_code SI_USER from itself, as Linux's send_sig(). */
  sendSelfSignal(sig: number): void {
    const uid = this.creds.userNamespace.uidOrOverflow(this.creds.realKUID);
    sendTaskSignal(this, SignalInfo.user(sig, 0, this.threadGroup.id, uid), null);
  }

  /** A signal that cannot be escaped (faults): if it is blocked or ignored, the default action kills. */
  forceSignal(info: SignalInfo): void {
    forceSignal(this, info, false);
  }

  /** Replaces the signal mask; SIGKILL and SIGSTOP are left out. */
  setSignalMask(lo: number, hi: number): void {
    setSignalMask(this, lo, hi);
  }

  /** Installs a mask for the time of a call (ppoll, pselect6, epoll_pwait, sigsuspend); endTemporarySignalMask ends it. */
  setTemporarySignalMask(lo: number, hi: number): void {
    this.savedMaskLo = this.maskLo;
    this.savedMaskHi = this.maskHi;
    this.haveSavedMask = true;
    setSignalMask(this, lo, hi);
  }

  /**
   * The call with the temporary mask ends. When a signal interrupted it the mask stays until that was delivered
   * (whose frame then holds the old one); else the old mask returns now.
   */
  endTemporarySignalMask(interrupted: boolean): void {
    if (!this.haveSavedMask || interrupted) return;
    this.haveSavedMask = false;
    setSignalMask(this, this.savedMaskLo, this.savedMaskHi);
  }

  /** sigaltstack as in a fresh thread. */
  resetAltStack(): void {
    this.altStackAddr = 0;
    this.altStackSize = 0;
    this.altStackFlags = SS_DISABLE;
  }

  // ---- memory of the guest

  /** Copies guest memory to dst[off, off+len): all or EFAULT. */
  copyIn(addr: number, dst: Uint8Array, off = 0, len: number = dst.length): void {
    if (len > 0 && this.mm.copyIn(addr, dst, off, len) !== len) throw linuxerr.EFAULT;
  }

  /** Copies src[off, off+len) to guest memory: all or EFAULT (then a part may have been stored). */
  copyOut(addr: number, src: Uint8Array, off = 0, len: number = src.length): void {
    if (len > 0 && this.mm.copyOut(addr, src, off, len) !== len) throw linuxerr.EFAULT;
  }

  /** A NUL-terminated byte string of at most maxLen bytes with its NUL. ENAMETOOLONG when there is no NUL, EFAULT. */
  copyInString(addr: number, maxLen: number): string {
    const s = this.tryCopyInString(addr, maxLen);
    if (s === null) throw linuxerr.ENAMETOOLONG;
    return s;
  }

  /** As copyInString, but null when there is no NUL within maxLen. */
  tryCopyInString(addr: number, maxLen: number): string | null {
    const short = this.findString(addr);
    if (short !== null) return short.text.length < maxLen ? short.text : null;
    return this.copyInLongString(addr, maxLen);
  }

  /** A string that is not long, if it can be had in one go. EFAULT. */
  findString(addr: number): KnownPath | null {
    const p = this.mm.accessible(addr, AccessRead);
    // The slow way knows what has no pma, and says EFAULT.
    if (p === null) return null;
    const at = p.hostAddress(addr);
    return this.kernel.strings.find(at, p.hostLength(addr));
  }

  /** See tryCopyInString: a page at a time. */
  copyInLongString(addr: number, maxLen: number): string | null {
    const buf = this.kernel.scratch;
    let out = "";
    let done = 0;
    while (done < maxLen) {
      const at = addr + done;
      const n = Math.min(maxLen - done, 4096 - (at % 4096));
      if (this.mm.copyIn(at, buf, 0, n) !== n) throw linuxerr.EFAULT;
      const end = buf.indexOf(0);
      if (end >= 0 && end < n) return out + buf.toString("latin1", 0, end);
      out += buf.toString("latin1", 0, n);
      done += n;
    }
    return null;
  }

  /** A path name: ENAMETOOLONG beyond PATH_MAX. "" is the caller's business. */
  copyInPath(addr: number): string {
    return this.copyInString(addr, PATH_MAX);
  }

  /** As copyInPath, with what is known of the path: good until the next string is copied in. Null for a long one: use copyInPath. */
  copyInKnownPath(addr: number): KnownPath | null {
    return this.findString(addr);
  }

  /** An unsigned int. */
  copyInU32(addr: number): number {
    this.copyIn(addr, this.kernel.scratch, 0, 4);
    return this.kernel.scratchWords[0] ?? 0;
  }

  /** A C int. */
  copyInI32(addr: number): number {
    return this.copyInU32(addr) | 0;
  }

  /** An unsigned 64-bit number: exact below 2^53, at least 2^53 otherwise. */
  copyInU64num(addr: number): number {
    this.copyIn(addr, this.kernel.scratch, 0, 8);
    return (this.kernel.scratchWords[1] ?? 0) * 4294967296 + (this.kernel.scratchWords[0] ?? 0);
  }

  /** A signed 64-bit number: exact within +-2^53. */
  copyInI64(addr: number): number {
    this.copyIn(addr, this.kernel.scratch, 0, 8);
    return ((this.kernel.scratchWords[1] ?? 0) | 0) * 4294967296 + (this.kernel.scratchWords[0] ?? 0);
  }

  /** Stores the low 32 bits of v. */
  copyOutU32(addr: number, v: number): void {
    this.kernel.scratchWords[0] = v;
    this.copyOut(addr, this.kernel.scratch, 0, 4);
  }

  /** Stores a C int. */
  copyOutI32(addr: number, v: number): void {
    this.copyOutU32(addr, v);
  }

  /** Stores a number as 64 bits, two's complement when negative. */
  copyOutU64(addr: number, v: number): void {
    this.kernel.scratchWords[0] = v;
    this.kernel.scratchWords[1] = Math.floor(v / 4294967296);
    this.copyOut(addr, this.kernel.scratch, 0, 8);
  }

  /** Stores a signed number as 64 bits. */
  copyOutI64(addr: number, v: number): void {
    this.copyOutU64(addr, v);
  }

  /** The task's IOSequence over one range; the length is cut to MAX_RW_COUNT. EFAULT when the range leaves user space. */
  singleIOSequence(addr: number, len: number): IOSequence {
    const n = Math.min(len, MAX_RW_COUNT);
    if (addr + n > TASK_SIZE_MAX) throw linuxerr.EFAULT;
    return this.ioSequence.setSingle(this.mm, addr, n);
  }

  /** The task's IOSequence over an iovec array: EINVAL for too many or negative lengths, EFAULT; cut to MAX_RW_COUNT. */
  iovecsIOSequence(addr: number, count: number): IOSequence {
    if (count > UIO_MAXIOV || count < 0) throw linuxerr.EINVAL;
    const k = this.kernel;
    this.copyIn(addr, k.scratch, 0, count * 16);
    const w = k.scratchWords;
    const seq = this.ioSequence.begin(this.mm);
    let total = 0;
    for (let i = 0; i < count; i++) {
      const p = i * 4;
      const base = (w[p + 1] ?? 0) * 4294967296 + (w[p] ?? 0);
      let len = (w[p + 3] ?? 0) * 4294967296 + (w[p + 2] ?? 0);
      if (len >= 2 ** 63) throw linuxerr.EINVAL;
      if (base + len > TASK_SIZE_MAX) throw linuxerr.EFAULT;
      if (len > MAX_RW_COUNT - total) len = MAX_RW_COUNT - total;
      total += len;
      seq.add(base, len);
    }
    return seq;
  }

  // ---- files

  /** An open file; EBADF. No reference is taken: valid until the next yield. */
  getFile(fd: number): FileDescription {
    const f = this.fdTable.get(fd);
    if (f === null) throw linuxerr.EBADF;
    return f;
  }

  /** Installs a description at the lowest free descriptor >= minFD; the table takes a reference of its own. EMFILE is thrown. */
  newFD(file: FileDescription, cloexec: boolean, minFD = 0): number {
    const fd = this.fdTable.newFD(file, minFD, cloexec, this.threadGroup.limits.cur(RLIMIT_NOFILE));
    if (fd < 0) throw linuxerr.EMFILE;
    return fd;
  }

  // ---- state

  /** The tgid in its own PID namespace: getpid(2). */
  get tgid(): number {
    return this.threadGroup.id;
  }

  /** Whether the task began to exit. */
  isExiting(): boolean {
    return this.exitState !== TaskExitNone;
  }

  /** Whether the task is the leader of its thread group. */
  isLeader(): boolean {
    return this.threadGroup.leader === this;
  }

  /** Brings `usage` up to date; what a task used stays as it was once it is gone. */
  updateUsage(): void {
    if (this.cpu.folded) return;
    const a = this.kernel.accounting;
    a.settle();
    this.cpu.read(this.context, a.hostUsage, this.usage);
    if (this.mm.peakRSS > this.usage.maxRSS) this.usage.maxRSS = this.mm.peakRSS;
  }

  /** The last reading, at exit: from here on the usage counts with the group's dead threads. */
  foldUsage(): void {
    this.updateUsage();
    this.cpu.folded = true;
    this.threadGroup.usage.add(this.usage);
  }

  /** CPU time in ns. */
  cpuTimeNs(): number {
    this.updateUsage();
    return this.usage.userNs + this.usage.systemNs;
  }

  /** User time in ns. */
  userTimeNs(): number {
    this.updateUsage();
    return this.usage.userNs;
  }

  /** Whether it runs, or could if a processor were free, or waits for something that is sure to come (a load average counts these). */
  isRunning(): boolean {
    const s = this.stateLetter();
    return s === "R" || s === "D";
  }

  /** One letter as in /proc/[pid]/stat: R S D T t Z X. */
  stateLetter(): string {
    if (this.exitState === TaskExitZombie) return "Z";
    if (this.exitState === TaskExitDead) return "X";
    if (this.ptraceStop !== null) return "t";
    if (this.groupStopped) return "T";
    if (this.vforkWaiting !== null) return "D";
    return this.blocked && this.blockKind !== BLOCK_RESCHEDULE ? "S" : "R";
  }

  /** Replaces the context (exec). The old one was released already. */
  replaceContext(ctx: Context): void {
    this.updateUsage();
    this.cpu.attach(ctx, this.kernel.accounting.hostUsage);
    this.context = ctx;
    this.args = new SyscallArguments(ctx.args);
    ctx.owner = this;
    ctx.setAffinity(this.affinity);
  }
}

/** Task.blockKind: any signal interrupts. */
export const BLOCK_INTERRUPTIBLE = 0;
/** Only a fatal signal interrupts. */
export const BLOCK_KILLABLE = 1;
/** The task only gave way to others. */
export const BLOCK_RESCHEDULE = 2;
