import * as errno from "../../abi/linux/errno.ts";
import * as linux from "../../abi/linux/ptrace.ts";
import * as signal from "../../abi/linux/signal.ts";
import { stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { EventSyscall, REG_RAX } from "../platform/platform.ts";
import type { Credentials } from "./auth/index.ts";
import type { RunState } from "./run_state.ts";
import type { Task } from "./task.ts";
import { runExitBegin } from "./task_exit.ts";
import { runApp, runAppTraced, runInterrupt, runSignalStopped } from "./task_run.ts";
import {
  childSignalOf,
  JOBCTL_LISTENING,
  JOBCTL_STOP_DEQUEUED,
  JOBCTL_STOP_PENDING,
  JOBCTL_STOP_SIGMASK,
  JOBCTL_TRAP_MASK,
  JOBCTL_TRAP_NOTIFY,
  JOBCTL_TRAP_STOP,
  notifyParentOfStop,
  participateGroupStop,
  setJobctlPending,
} from "./task_signals.ts";
import { isRestart } from "./task_syscall.ts";
import { EventChildStop } from "./thread_group.ts";

/** Ptrace.mode: the tracee runs until a signal or an event. */
export const PTRACE_MODE_CONT = 0;
/** It stops at the entry and at the end of system calls. */
export const PTRACE_MODE_SYSCALL = 1;
/** It stops at the entry of system calls, which are not made. */
export const PTRACE_MODE_SYSEMU = 2;

/** What a ptrace stop is: of a signal about to be delivered. */
export const STOP_SIGNAL = 0;
/** Entry or end of a system call. */
export const STOP_SYSCALL = 1;
/** PTRACE_EVENT_*, or the end of a single step over a signal's delivery. */
export const STOP_EVENT = 2;
/** Group stop, PTRACE_INTERRUPT. */
export const STOP_TRAP = 3;
/** As above. */
export type StopKind = 0 | 1 | 2 | 3;

const DEBUG_REGISTERS = 8;

/** That a task is traced, and how. */
export class Ptrace {
  static readonly stateType = stateType("kernel.Ptrace", [
    "tracer",
    "creds",
    "seized",
    "options",
    "mode",
    "step",
    "forcedTrapFlag",
    "seccompData",
    "debugRegs",
    "watching",
    "watched",
  ]);
  readonly tracer: Task;
  /** The tracer's when it attached. */
  readonly creds: Credentials;
  /** PTRACE_SEIZE: the tracee knows group stops and PTRACE_EVENT_STOP. */
  readonly seized: boolean;
  /** PTRACE_O_*. */
  options = 0;
  /** PTRACE_MODE_*: how it was resumed. */
  mode = PTRACE_MODE_CONT;
  /** PTRACE_SINGLESTEP. */
  step = false;
  /** The trap flag of the thread is ours, not the program's. */
  forcedTrapFlag = false;
  /** SECCOMP_RET_DATA of the PTRACE_EVENT_SECCOMP under way. */
  seccompData = 0;
  /** DR0 to DR7, two words each. */
  readonly debugRegs: Uint32Array = new Uint32Array(2 * DEBUG_REGISTERS);
  /** DR7 enables breakpoints; what the data they watch were when last seen. */
  watching = false;
  readonly watched: Uint32Array = new Uint32Array(DEBUG_REGISTERS);

  constructor(tracer: Task, creds: Credentials, seized: boolean) {
    this.tracer = tracer;
    this.creds = creds;
    this.seized = seized;
  }
}

/** A stop of a tracee, from when its tracer is told until it goes on. */
export class PtraceStop {
  static readonly stateType = stateType("kernel.PtraceStop", [
    "kind",
    "code",
    "info",
    "message",
    "next",
    "result",
    "killable",
    "resumed",
    "signal",
    "origLo",
    "origHi",
  ]);
  readonly kind: StopKind;
  /** What wait(2) reports: signal and event; 0 once it did. */
  code: number;
  /** PTRACE_GETSIGINFO; null in a group stop of a tracee that was not seized. */
  info: SignalInfo | null;
  /** PTRACE_GETEVENTMSG. */
  readonly message: number;
  /** How the task goes on. */
  readonly next: RunState;
  /** The value of the system call it stopped in, which rax gets behind the stop; null: rax is the tracer's to set. */
  readonly result: number | null;
  /** SIGKILL ends it: not when the task is dying already. */
  readonly killable: boolean;
  /** The tracer let it go on, with this signal. */
  resumed = false;
  signal = 0;
  /** orig_rax as the tracer sees it: two words. */
  origLo: number;
  origHi: number;

  constructor(
    kind: StopKind,
    code: number,
    info: SignalInfo | null,
    message: number,
    next: RunState,
    result: number | null,
    t: Task,
  ) {
    this.kind = kind;
    this.code = code;
    this.info = info;
    this.message = message;
    this.next = next;
    this.result = result;
    this.killable = !t.killed;
    this.origLo = t.origRax >>> 0;
    this.origHi = t.origRax < 0 ? 0xffffffff : 0;
  }
}

// ---- who traces whom

/** Makes `tracer` the tracer of a task that has none. */
export function linkPtrace(t: Task, p: Ptrace): void {
  t.ptrace = p;
  const { tracer } = p;
  tracer.tracees ??= new Set<Task>();
  tracer.tracees.add(t);
}

/** Ends the tracing: a task in a stop goes on, or takes part in the group stop of its process. */
export function unlinkPtrace(t: Task): void {
  const p = t.ptrace;
  if (p === null) return;
  t.ptrace = null;
  p.tracer.tracees?.delete(t);
  t.appState = runApp;
  t.jobctl &= ~JOBCTL_TRAP_MASK;
  const tg = t.threadGroup;
  if (!t.isExiting() && (tg.stopped || tg.stopCount > 0)) t.jobctl |= JOBCTL_STOP_PENDING;
  const s = t.ptraceStop;
  if (s !== null) {
    s.resumed = true;
    t.kernel.schedule(t);
  } else if ((t.jobctl & JOBCTL_STOP_PENDING) !== 0) {
    t.interrupt();
  }
}

/** Whether the tracer does not belong to the task's real parent process. */
export function isReparented(t: Task): boolean {
  return t.ptrace !== null && t.ptrace.tracer.threadGroup !== t.threadGroup.parent?.threadGroup;
}

/** Whether the tracer had CAP_SYS_PTRACE over the task when it attached. True without a tracer. */
export function ptracerCapable(t: Task, capability: number): boolean {
  return t.ptrace === null || t.ptrace.creds.hasCapabilityIn(capability, t.creds.userNamespace);
}

/** The id of a task as the tracer of `t` sees it. */
export function idForTracer(t: Task, other: Task): number {
  return t.ptrace === null ? 0 : t.ptrace.tracer.pidNamespace.idOfTask(other);
}

/** PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE after their checks. */
export function attachPtrace(t: Task, p: Ptrace): void {
  linkPtrace(t, p);
  // No siginfo of a user's kill, and not to be ignored.
  if (!p.seized) t.sendSignal(SignalInfo.kernel(signal.SIGSTOP));
  if (!t.groupStopped) return;
  // It turns from a stopped task into a traced one without having run.
  t.groupStopped = false;
  if (setJobctlPending(t, JOBCTL_TRAP_STOP)) t.runState = trapStop(t, p);
}

/** A new task has its creator's tracer when that asked for it. */
export function inheritPtrace(child: Task, parent: Task): void {
  const from = parent.ptrace;
  if (from === null) return;
  const p = new Ptrace(from.tracer, from.creds, from.seized);
  p.options = from.options;
  linkPtrace(child, p);
  if (p.seized) child.jobctl |= JOBCTL_TRAP_STOP;
  else child.pending.mark(signal.SIGSTOP);
}

// ---- stops

/** In a ptrace stop. */
class RunPtraceStop implements RunState {
  static readonly stateType = stateType("kernel.RunPtraceStop", ["name"]);
  readonly name = "ptrace-stop";

  execute(t: Task): RunState | null {
    const s = t.ptraceStop;
    if (s === null) return runInterrupt;
    if (!s.resumed && !(t.killed && s.killable)) {
      t.runState = this;
      return null;
    }
    t.ptraceStop = null;
    t.jobctl &= ~JOBCTL_LISTENING;
    takeRegisters(t, s);
    switch (s.kind) {
      case STOP_SIGNAL:
        return runSignalStopped(t, s.info, s.signal);
      case STOP_SYSCALL:
        if (s.signal !== 0) t.sendSignal(SignalInfo.kernel(s.signal));
        return s.next;
      default:
        return s.next;
    }
  }
}

export const runPtraceStop: RunState = new RunPtraceStop();

/** Shows the registers as Linux has them inside the kernel. */
function showRegisters(t: Task): void {
  if (t.restartCode !== 0) t.context.regs.set(REG_RAX, -t.restartCode);
}

/** What the tracer left in the registers decides whether a system call is made again. */
function takeRegisters(t: Task, s: PtraceStop): void {
  const { regs, stopped } = t.context;
  if (!stopped) return;
  t.origRax = s.origLo | 0;
  t.restartCode = 0;
  if (s.result !== null) {
    regs.set(REG_RAX, s.result);
    return;
  }
  const low = (regs.words[2 * REG_RAX] ?? 0) | 0;
  if (t.origRax === -1 || regs.words[2 * REG_RAX + 1] !== 0xffffffff || !isRestart(low)) return;
  if (s.kind === STOP_SYSCALL && s.message === linux.PTRACE_EVENTMSG_SYSCALL_ENTRY) return;
  t.restartCode = -low;
  regs.set(REG_RAX, -errno.EINTR);
}

/**
 * Stops a tracee whose registers are known and tells its tracer. `why` is the CLD_* code of the SIGCHLD. Returns the state to go on with: the stop,
 * or what follows it when there is no tracer or the task is to die.
 */
function stop(t: Task, s: PtraceStop, why: number): RunState {
  const p = t.ptrace;
  if (p === null) return s.next;
  showRegisters(t);
  let complete = false;
  if (why === signal.CLD_STOPPED && (t.jobctl & JOBCTL_STOP_PENDING) !== 0) complete = participateGroupStop(t);
  t.jobctl &= ~JOBCTL_TRAP_STOP;
  if (s.info !== null && s.info.code >> 8 === linux.PTRACE_EVENT_STOP) t.jobctl &= ~JOBCTL_TRAP_NOTIFY;
  t.ptraceStop = s;
  notifyTracer(t, p, why, why === signal.CLD_STOPPED ? t.threadGroup.stopSignal : s.code);
  if (complete && isReparented(t)) notifyParentOfStop(t.threadGroup, signal.CLD_STOPPED);
  return runPtraceStop;
}

/** A SIGTRAP-like stop with the siginfo of ptrace_notify(): si_code is the wait code. */
function notifyStop(
  t: Task,
  kind: StopKind,
  code: number,
  message: number,
  next: RunState,
  result: number | null,
): RunState {
  // Only the stop of a dying task happens although it was killed.
  if (t.ptrace === null || (t.killed && next !== runExitBegin)) return next;
  const uid = t.creds.userNamespace.uidOrOverflow(t.creds.realKUID);
  const info = SignalInfo.user(signal.SIGTRAP, code, t.tid, uid);
  return stop(t, new PtraceStop(kind, code, info, message, next, result, t), signal.CLD_TRAPPED);
}

/** A stop at the entry or the end of a system call. */
export function syscallStop(t: Task, message: number, next: RunState): RunState {
  const good = t.ptrace !== null && (t.ptrace.options & linux.PTRACE_O_TRACESYSGOOD) !== 0;
  return notifyStop(t, STOP_SYSCALL, signal.SIGTRAP | (good ? 0x80 : 0), message, next, null);
}

/** Whether the tracer asked for an event. */
export function hasPtraceEvent(t: Task, event: number): boolean {
  return t.ptrace !== null && (t.ptrace.options & (1 << event)) !== 0;
}

/** A PTRACE_EVENT stop, if the tracer asked for it. `result` is the value of the call it happens in. */
export function eventStop(t: Task, event: number, message: number, next: RunState, result: number | null): RunState {
  if (!hasPtraceEvent(t, event)) {
    if (result !== null) t.context.regs.set(REG_RAX, result);
    return next;
  }
  if (result !== null) t.context.regs.set(REG_RAX, event === linux.PTRACE_EVENT_EXEC ? 0 : -errno.ENOSYS);
  const code = signal.SIGTRAP | (event << 8);
  return notifyStop(t, STOP_EVENT, code, message, next, result);
}

/** The stop behind a single step that ended in a signal handler's first instruction. */
export function stepStop(t: Task, next: RunState): RunState {
  return notifyStop(t, STOP_EVENT, signal.SIGTRAP, 0, next, null);
}

/** A signal is about to be delivered. */
export function signalStop(t: Task, info: SignalInfo): RunState {
  t.jobctl |= JOBCTL_STOP_DEQUEUED;
  return stop(t, new PtraceStop(STOP_SIGNAL, info.signo, info, 0, runInterrupt, null, t), signal.CLD_TRAPPED);
}

/** The stop for JOBCTL_TRAP_STOP and JOBCTL_TRAP_NOTIFY: a group stop, or PTRACE_INTERRUPT. */
export function trapStop(t: Task, p: Ptrace): RunState {
  const tg = t.threadGroup;
  let sig = t.jobctl & JOBCTL_STOP_SIGMASK || tg.stopSignal;
  if (!p.seized) {
    return stop(t, new PtraceStop(STOP_TRAP, sig, null, 0, runInterrupt, null, t), signal.CLD_STOPPED);
  }
  if (tg.stopCount === 0 && !tg.stopped) sig = signal.SIGTRAP;
  const uid = t.creds.userNamespace.uidOrOverflow(t.creds.realKUID);
  const code = sig | (linux.PTRACE_EVENT_STOP << 8);
  const info = SignalInfo.user(sig, code, t.tid, uid);
  return stop(t, new PtraceStop(STOP_TRAP, code, info, 0, runInterrupt, null, t), signal.CLD_STOPPED);
}

/** SIGCHLD about a tracee for its tracer, and waiters. */
export function notifyTracer(t: Task, p: Ptrace, why: number, status: number): void {
  const { tracer } = p;
  const pg = tracer.threadGroup;
  const action = pg.signalHandlers.get(signal.SIGCHLD);
  if (!action.isIgnore() && (action.flags & signal.SA_NOCLDSTOP) === 0) {
    pg.sendSignal(childSignalOf(t, tracer, signal.SIGCHLD, why, status & 0x7f));
  }
  pg.eventQueue.notify(EventChildStop);
}

/** A task is traced and its group stop or continue is news for its tracer. */
export function trapNotify(t: Task): void {
  if (!setJobctlPending(t, JOBCTL_TRAP_NOTIFY)) return;
  wakeListening(t);
}

/** Has a tracee look at its traps, out of a stop only if its tracer listens. */
export function wakeListening(t: Task): void {
  const s = t.ptraceStop;
  if (s === null) {
    t.interrupt();
  } else if ((t.jobctl & JOBCTL_LISTENING) !== 0) {
    s.resumed = true;
    t.kernel.schedule(t);
  }
}

/** Lets a stopped tracee go on: PTRACE_CONT and its relatives. */
export function resumePtrace(t: Task, s: PtraceStop, mode: number, step: boolean, sig: number): void {
  const p = t.ptrace;
  if (p !== null) {
    p.mode = mode;
    p.step = step;
    t.appState = mode === PTRACE_MODE_CONT && !step && !p.watching ? runApp : runAppTraced;
  }
  s.signal = sig;
  s.code = 0;
  s.resumed = true;
  t.kernel.schedule(t);
}

/** Whether a tracee stands in a stop that its tracer may look into. */
export function isPtraceStopped(t: Task): boolean {
  return t.ptraceStop !== null && !t.ptraceStop.resumed && (t.jobctl & JOBCTL_LISTENING) === 0 && !isKilledInStop(t);
}

function isKilledInStop(t: Task): boolean {
  return t.killed && (t.ptraceStop?.killable ?? false);
}

/** Whether a context that was stopped by an ordinary system call still has to report its registers. */
export function needsRegisters(t: Task): boolean {
  return t.context.stopped && t.context.event === EventSyscall;
}
