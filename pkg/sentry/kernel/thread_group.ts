import { type LoadContext, setFields, stateType } from "../../state/index.ts";
import { Queue } from "../../waiter/index.ts";
import type { SignalInfo } from "../arch/signal_info.ts";
import type { LimitSet } from "../limits/index.ts";
import type { Kernel } from "./kernel.ts";
import { PendingSignals } from "./pending_signals.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import { newProcessGroup, newSession, type ProcessGroup } from "./sessions.ts";
import type { SignalHandlers } from "./signal_handlers.ts";
import type { Task } from "./task.ts";
import { groupContinue, sendGroupSignal } from "./task_signals.ts";
import type { TTY } from "./tty.ts";

/** Bits notified on ThreadGroup.eventQueue. */
export const EventExit = 0x10000;
export const EventChildStop = 0x20000;
export const EventChildContinue = 0x40000;
/** The group's own last thread exited (pidfd). */
export const EventGroupExit = 0x80000;

/** Timers of a process (interval and POSIX timers), owned by the timer system calls. */
export interface GroupTimers {
  /** exec: POSIX timers are deleted, interval timers go on. */
  onExec(): void;
  /** The last thread exits. */
  onExit(): void;
}

/** Resource usage that was added up, in nanoseconds and counts (getrusage(2)). */
export class Usage {
  static readonly stateType = stateType("kernel.Usage", [
    "userNs",
    "systemNs",
    "maxRSS",
    "minorFaults",
    "majorFaults",
    "voluntarySwitches",
    "involuntarySwitches",
    "blocksIn",
    "blocksOut",
    "readBytes",
    "writtenBytes",
    "readCalls",
    "writeCalls",
  ]);
  userNs = 0;
  systemNs = 0;
  /** Bytes. */
  maxRSS = 0;
  minorFaults = 0;
  majorFaults = 0;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  blocksIn = 0;
  blocksOut = 0;
  /** What read and write calls moved, and how many there were (/proc/[pid]/io). */
  readBytes = 0;
  writtenBytes = 0;
  readCalls = 0;
  writeCalls = 0;

  /** Adds another usage; the maximum of maxRSS. */
  add(o: Usage): void {
    this.userNs += o.userNs;
    this.systemNs += o.systemNs;
    if (o.maxRSS > this.maxRSS) this.maxRSS = o.maxRSS;
    this.minorFaults += o.minorFaults;
    this.majorFaults += o.majorFaults;
    this.voluntarySwitches += o.voluntarySwitches;
    this.involuntarySwitches += o.involuntarySwitches;
    this.blocksIn += o.blocksIn;
    this.blocksOut += o.blocksOut;
    this.readBytes += o.readBytes;
    this.writtenBytes += o.writtenBytes;
    this.readCalls += o.readCalls;
    this.writeCalls += o.writeCalls;
  }
}

/** A process: tasks that share a tgid, signal actions, limits, children and exit. */
export class ThreadGroup {
  static readonly stateType = stateType("kernel.ThreadGroup", [
    "kernel",
    "pidNamespace",
    "leader",
    "tasks",
    "liveTasks",
    "parent",
    "parentExecID",
    "exitSignal",
    "processGroup",
    "tty",
    "ttyOldProcessGroup",
    "signalHandlers",
    "pending",
    "limits",
    "eventQueue",
    "signalfdQueue",
    "exiting",
    "exitStatus",
    "execing",
    "stopCount",
    "stopSignal",
    "stopped",
    "stopWaitable",
    "continueWaitable",
    "unkillable",
    "isChildSubreaper",
    "hasChildSubreaper",
    "usage",
    "childUsage",
    "timers",
    "oomScoreAdj",
    "containerID",
    "startTime",
    "didExec",
    "signalTarget",
    "thpDisable",
  ]);
  readonly kernel: Kernel;
  readonly pidNamespace: PIDNamespace;
  leader: Task;
  /** Every task not yet reaped: running ones, and the leader while it is a zombie. */
  readonly tasks: Set<Task> = new Set();
  /** Tasks that have not begun to exit. */
  liveTasks = 0;
  /** The task that created this process or adopted it; null for the first process. */
  parent: Task | null = null;
  /** Task.execID of the parent when it created this process: a parent that changed program gets SIGCHLD, nothing else. */
  parentExecID = 0;
  /** What the parent is sent when the group is dead; 0 for none. */
  exitSignal = 0;
  processGroup: ProcessGroup;
  /** The controlling terminal. Children have it from their parent. */
  tty: TTY | null = null;
  /** Of a session leader whose terminal hung up: the group that was in the foreground, to be hung up at the leader's end. */
  ttyOldProcessGroup: ProcessGroup | null = null;
  signalHandlers: SignalHandlers;
  /** Signals sent to the process, not to one thread. */
  readonly pending: PendingSignals = new PendingSignals();
  limits: LimitSet;
  /** wait4 and friends: EventExit etc. of children; pidfds: EventGroupExit. */
  readonly eventQueue: Queue = new Queue();
  /** signalfd: EventIn when a signal was queued to any task of the group. */
  readonly signalfdQueue: Queue = new Queue();
  /** exit_group, or a fatal signal: all threads are on their way out with exitStatus. */
  exiting = false;
  exitStatus = 0;
  /** The thread in execve that is waiting for the others to be gone. */
  execing: Task | null = null;
  /** Threads that still have to stop in the group stop under way. */
  stopCount = 0;
  /** Signal of the group stop under way or complete. */
  stopSignal = 0;
  /** A group stop is complete. */
  stopped = false;
  /** wait(WSTOPPED) has a stop to report. */
  stopWaitable = false;
  /** wait(WCONTINUED) has a continue to report. */
  continueWaitable = false;
  /** Init of a PID namespace: signals with the default action do not reach it. */
  unkillable = false;
  /** prctl(PR_SET_CHILD_SUBREAPER), and whether an ancestor has it. */
  isChildSubreaper = false;
  hasChildSubreaper = false;
  /** Of threads that are gone. */
  readonly usage: Usage = new Usage();
  /** Of children that were waited for. */
  readonly childUsage: Usage = new Usage();
  timers: GroupTimers | null = null;
  oomScoreAdj = 0;
  containerID = "";
  /** CLOCK_MONOTONIC ns. */
  readonly startTime: number;
  /** setpgid(2) of a parent fails after the child's exec. */
  didExec = false;
  /** The thread that got the last group-directed signal: the next search starts behind it. */
  signalTarget: Task | null = null;
  /** PR_SET_THP_DISABLE. */
  thpDisable = false;

  constructor(
    kernel: Kernel,
    pidNamespace: PIDNamespace,
    leader: Task,
    processGroup: ProcessGroup | null,
    signalHandlers: SignalHandlers,
    limits: LimitSet,
  ) {
    this.kernel = kernel;
    this.pidNamespace = pidNamespace;
    this.leader = leader;
    this.signalHandlers = signalHandlers;
    this.limits = limits;
    this.startTime = kernel.monotonicNow();
    // The first process of a container begins a session.
    this.processGroup = processGroup ?? newSession(this);
    this.processGroup.add(this);
  }

  afterLoad(ctx: LoadContext): void {
    setFields<ThreadGroup>(this, { startTime: this.startTime + ctx.monotonicShift });
  }

  /** The tgid in its own PID namespace. */
  get id(): number {
    return this.leader.tid;
  }

  /** Whether this is init of its PID namespace. */
  isNamespaceInit(): boolean {
    return this.pidNamespace.init === this;
  }

  /** Whether it made the session it is in. */
  isSessionLeader(): boolean {
    return this.processGroup.session.leader === this;
  }

  /** Whether every thread has begun to exit. */
  isDead(): boolean {
    return this.liveTasks === 0;
  }

  /** Whether a group stop is complete. */
  isStopped(): boolean {
    return this.stopped;
  }

  /** Whether the leader is the only task not yet reaped. */
  isEmpty(): boolean {
    return this.tasks.size <= 1;
  }

  /** Sends a signal to the process as the kernel; no permission checks. Returns 0 or -EAGAIN. */
  sendSignal(info: SignalInfo): number {
    return sendGroupSignal(this, info, null, false);
  }

  /** A signal from outside the PID namespace (runsc kill): reaches init even with the default action if it is SIGKILL or SIGSTOP. */
  sendExternalSignal(info: SignalInfo): number {
    return sendGroupSignal(this, info, null, true);
  }

  /** Continues a stopped group without a signal (checkpoint, debugger). */
  continue(): void {
    groupContinue(this);
  }

  /** Begins the exit of all threads with a wait status; a no-op when an exit is under way. */
  prepareGroupExit(status: number): void {
    if (this.exiting) return;
    this.exiting = true;
    this.exitStatus = status;
    this.stopCount = 0;
    this.stopped = false;
    for (const t of this.tasks) t.kill();
  }

  /** CPU time of all threads, dead ones included, in ns. */
  cpuTimeNs(): number {
    let ns = this.usage.userNs + this.usage.systemNs;
    for (const t of this.tasks) if (!t.cpu.folded) ns += t.cpuTimeNs();
    return ns;
  }

  /** User time of all threads, dead ones included, in ns. */
  userTimeNs(): number {
    let ns = this.usage.userNs;
    for (const t of this.tasks) if (!t.cpu.folded) ns += t.userTimeNs();
    return ns;
  }

  /** Adds the usage of all threads, dead ones included, to `out`. */
  addUsage(out: Usage): void {
    out.add(this.usage);
    for (const t of this.tasks) {
      if (t.cpu.folded) continue;
      t.updateUsage();
      out.add(t.usage);
    }
  }

  /** Moves the process to another process group. */
  moveToProcessGroup(pg: ProcessGroup): void {
    const old = this.processGroup;
    if (old === pg) return;
    pg.add(this);
    this.processGroup = pg;
    old.remove(this);
  }

  /** setsid(2) after its checks: a new session and process group led by this process. */
  createSession(): void {
    const old = this.processGroup;
    const pg = newSession(this);
    pg.add(this);
    this.processGroup = pg;
    this.tty = null;
    old.remove(this);
  }

  /** Makes a process group of its own in its session. */
  createProcessGroup(): void {
    this.moveToProcessGroup(newProcessGroup(this, this.processGroup.session));
  }

  /** Any task that has not begun to exit, the leader by preference; null when dead. */
  liveTask(): Task | null {
    if (!this.leader.isExiting()) return this.leader;
    for (const t of this.tasks) if (!t.isExiting()) return t;
    return null;
  }
}
