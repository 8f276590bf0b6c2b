import * as errno from "../../abi/linux/errno.ts";
import {
  PTRACE_EVENT_SECCOMP,
  PTRACE_EVENTMSG_SYSCALL_ENTRY,
  PTRACE_EVENTMSG_SYSCALL_EXIT,
} from "../../abi/linux/ptrace.ts";
import * as signal from "../../abi/linux/signal.ts";
import { type LoadContext, setFields, stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import {
  type Context,
  EventDied,
  EventSyscall,
  EventSyscallRegs,
  REG_R8,
  REG_R9,
  REG_R10,
  REG_RAX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
} from "../platform/platform.ts";
import { eventStop, PTRACE_MODE_CONT, PTRACE_MODE_SYSCALL, PTRACE_MODE_SYSEMU, syscallStop } from "./ptrace.ts";
import { hideTrapFlag } from "./ptrace_amd64.ts";
import type { RunState } from "./run_state.ts";
import { checkSeccomp } from "./seccomp.ts";
import type { SyscallGenerator, SyscallResult, WakeReason } from "./syscalls.ts";
import { WAKE_EVENT, WAKE_INTERRUPT, WAKE_TIMEOUT } from "./syscalls.ts";
import { BLOCK_KILLABLE, BLOCK_RESCHEDULE, type SyscallRestartBlock, type Task } from "./task.ts";
import { runExit } from "./task_exit.ts";
import { runInterrupt } from "./task_run.ts";
import { forceSignal } from "./task_signals.ts";

/** Range of the restart codes, which never reach a guest. */
const RESTART_MIN = -errno.ERESTART_RESTARTBLOCK;
const RESTART_MAX = -errno.ERESTARTSYS;
/** Where the vsyscall page begins: no other code of a guest is there. Rounded, as all numbers of this size are. */
const VSYSCALL_ADDR = 2 ** 64 - 0xa00000;
/** Where the arguments of a system call are. */
export const ARGUMENT_REGISTERS = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9] as const;

/** Whether a result is one of the ERESTART codes. */
export function isRestart(ret: number): boolean {
  return ret >= RESTART_MIN && ret <= RESTART_MAX;
}

/**
 * Serves an ordinary system call from inside platform.poll: one that ends at once is answered without queueing. Does not throw.
 */
export function serveSyscall(t: Task, ctx: Context): void {
  const k = t.kernel;
  k.current = t;
  try {
    const r = invoke(t, ctx.sysno);
    let next: RunState | null;
    if (typeof r === "number") {
      if (t.nextState === null && (r > RESTART_MAX || r < RESTART_MIN) && !t.mustInterrupt() && k.strace === null) {
        ctx.finishSyscall(r, false);
        k.current = null;
        return;
      }
      next = syscallReturn(t, r);
    } else {
      next = beginGenerator(t, r);
    }
    if (next !== null) {
      t.runState = next;
      k.schedule(t);
    }
  } catch (e) {
    k.panic(e, t);
  }
  k.current = null;
}

/** Begins the system call the context stopped for. */
export function startSyscall(t: Task): RunState | null {
  const ctx = t.context;
  // In a stop inside the call its tracer sees what Linux puts there.
  if (t.ptrace !== null && ctx.event === EventSyscallRegs) ctx.regs.set(REG_RAX, -errno.ENOSYS);
  return begin(t, invoke(t, ctx.sysno));
}

function begin(t: Task, r: SyscallResult): RunState | null {
  return typeof r === "number" ? syscallReturn(t, r) : beginGenerator(t, r);
}

/** Calls the implementation. */
export function invoke(t: Task, nr: number): SyscallResult {
  const k = t.kernel;
  t.sysno = nr;
  if (k.strace !== null) k.strace.enter(t, nr, t.args);
  if (t.seccompMode !== 0) {
    const answer = checkSeccomp(t, nr, false);
    if (answer !== null) return answer;
  }
  return call(t, nr);
}

function call(t: Task, nr: number): SyscallResult {
  const k = t.kernel;
  const e = k.syscallTable[nr];
  if (e === undefined) return missing(t, nr);
  try {
    return e.fn(t, t.args);
  } catch (err) {
    const r = k.errnoOf(err, t);
    if (r === -errno.EFAULT) faultVsyscall(t);
    return r;
  }
}

/** A bad pointer of a vsyscall that the host emulated raises a signal, as if the page had been code. */
function faultVsyscall(t: Task): void {
  const ctx = t.context;
  if (ctx.event !== EventSyscall || ctx.syscallIP < VSYSCALL_ADDR) return;
  forceSignal(t, SignalInfo.fault(signal.SIGSEGV, signal.SEGV_MAPERR, t.args.u64(0)), false);
}

/** ENOSYS, and a line in the log the first time. */
function missing(t: Task, nr: number): number {
  const k = t.kernel;
  // A guest may try any number: remember only those that a table could hold.
  if (nr >= 0 && nr < 1024 && !k.missingLogged.has(nr)) {
    k.missingLogged.add(nr);
    k.log.warning(`system call ${nr} is not implemented (first used by ${t.name})`);
  }
  return -errno.ENOSYS;
}

/** First step of a call that may block. */
export function beginGenerator(t: Task, g: SyscallGenerator): RunState | null {
  t.generator = g;
  t.woken = false;
  t.timedOut = false;
  return step(t, g, WAKE_EVENT);
}

/** Resumes a generator until it ends or has to wait. */
function step(t: Task, g: SyscallGenerator, reason: WakeReason): RunState | null {
  const k = t.kernel;
  let why = reason;
  for (;;) {
    let ret: number;
    try {
      const r = g.next(why);
      if (r.done !== true) {
        if (t.blockKind === BLOCK_RESCHEDULE || t.woken) {
          // Also what was woken already goes to the end of the queue: an event that never ceases must not hold the loop.
          t.usage.involuntarySwitches++;
          t.blocked = true;
          t.runState = runSyscallResume;
          k.schedule(t);
          return null;
        }
        if (isInterrupted(t)) {
          why = WAKE_INTERRUPT;
          continue;
        }
        t.usage.voluntarySwitches++;
        t.blocked = true;
        t.runState = runSyscallResume;
        if (t.request.deadline !== Number.POSITIVE_INFINITY) k.timers.addTimer(t.blockTimer, t.request.deadline);
        return null;
      }
      ret = r.value;
    } catch (e) {
      ret = k.errnoOf(e, t);
    }
    t.generator = null;
    if (t.kernel.givingUp !== 0) ret = givenUp(t, ret);
    return syscallReturn(t, ret);
  }
}

/** A call that was given up for a save and cannot say how it goes on by itself: it is made again, with the deadline it had. */
export class GivenUpCall implements SyscallRestartBlock {
  static readonly stateType = stateType("kernel.GivenUpCall", ["nr", "deadline"]);
  readonly nr: number;
  /** CLOCK_MONOTONIC ns. */
  readonly deadline: number;

  constructor(nr: number, deadline: number) {
    this.nr = nr;
    this.deadline = deadline;
  }

  afterLoad(ctx: LoadContext): void {
    setFields<GivenUpCall>(this, { deadline: this.deadline + ctx.monotonicShift });
  }

  restart(t: Task): SyscallResult {
    const r = invoke(t, this.nr);
    return typeof r === "number" ? r : untilDeadline(t, r, this.deadline);
  }
}

/** Runs a call whose waits end at a deadline even if it asks for longer ones. */
function* untilDeadline(t: Task, call: SyscallGenerator, deadline: number): SyscallGenerator {
  t.deadlineCap = deadline;
  try {
    return yield* call;
  } finally {
    t.deadlineCap = Number.POSITIVE_INFINITY;
  }
}

/** The result of a call that was given up for a save. EINTR without a signal would be seen by the guest. */
function givenUp(t: Task, ret: number): number {
  if (ret !== -errno.EINTR || t.hasPendingSignal()) return ret;
  t.restartBlock = new GivenUpCall(t.sysno, t.request.deadline);
  return -errno.ERESTART_RESTARTBLOCK;
}

/** Whether what the task waits for is to be given up. */
function isInterrupted(t: Task): boolean {
  if (t.kernel.givingUp !== 0) return true;
  return t.blockKind === BLOCK_KILLABLE ? t.killed : t.hasPendingSignal();
}

/** A blocked system call; executed when something may have ended the wait. */
class RunSyscallResume implements RunState {
  static readonly stateType = stateType("kernel.RunSyscallResume", ["name"]);
  readonly name = "blocked";

  execute(t: Task): RunState | null {
    const g = t.generator;
    if (g === null || t.kernel.panicked !== null) return null;
    let why: WakeReason;
    if (t.blockKind === BLOCK_RESCHEDULE) why = t.killed || t.kernel.givingUp === 2 ? WAKE_INTERRUPT : WAKE_EVENT;
    else if (t.woken) why = WAKE_EVENT;
    else if (t.timedOut) why = WAKE_TIMEOUT;
    else if (isInterrupted(t)) why = WAKE_INTERRUPT;
    else return null;
    t.blocked = false;
    t.woken = false;
    t.timedOut = false;
    t.kernel.timers.removeTimer(t.blockTimer);
    return step(t, g, why);
  }
}

export const runSyscallResume: RunState = new RunSyscallResume();

/** A system call ended with a result: answers the context, or has its registers looked at first. */
export function syscallReturn(t: Task, result: number): RunState | null {
  const ctx = t.context;
  const k = t.kernel;
  if (k.strace !== null) k.strace.exit(t, t.sysno, t.args, result);
  if (t.nextState !== null) {
    const s = t.nextState;
    t.nextState = null;
    t.origRax = t.sysno;
    return s;
  }
  if (t.killed) return runExit;
  if (ctx.event === EventDied) return runInterrupt;
  let ret = result;
  if (isRestart(ret)) {
    t.restartCode = -ret;
    ret = -errno.EINTR;
  }
  if (ctx.event !== EventSyscall) {
    t.origRax = t.sysno;
    ctx.regs.set(REG_RAX, ret);
    return afterSyscall(t);
  }
  const stop = t.restartCode !== 0 || t.mustInterrupt();
  if (stop) t.origRax = t.sysno;
  t.runState = t.appState;
  ctx.finishSyscall(ret, stop);
  return null;
}

// ---- system calls of tracees

/** What follows a system call whose registers are known. */
export function afterSyscall(t: Task): RunState {
  return t.ptrace === null ? runInterrupt : runSyscallExit;
}

/** The arguments are in the registers, where a tracer may have changed them. */
function takeArguments(t: Task): void {
  const from = t.context.regs.words;
  const to = t.args.words;
  for (let i = 0; i < ARGUMENT_REGISTERS.length; i++) {
    const r = 2 * (ARGUMENT_REGISTERS[i] ?? 0);
    to[2 * i] = from[r] ?? 0;
    to[2 * i + 1] = from[r + 1] ?? 0;
  }
}

/** A tracee is about to make a system call. */
class RunSyscallEntry implements RunState {
  static readonly stateType = stateType("kernel.RunSyscallEntry", ["name"]);
  readonly name = "syscall-entry";

  execute(t: Task): RunState | null {
    const ctx = t.context;
    if (ctx.event === EventDied) return runInterrupt;
    if (!ctx.stopped) return null;
    if (t.killed) return runExit;
    const p = t.ptrace;
    if (p === null) return runSyscallInvoke;
    hideTrapFlag(t, p);
    if (p.mode === PTRACE_MODE_CONT) return runSyscallInvoke;
    const emulated = p.mode === PTRACE_MODE_SYSEMU;
    return syscallStop(t, PTRACE_EVENTMSG_SYSCALL_ENTRY, emulated ? runSyscallExit : runSyscallInvoke);
  }
}

/** A tracee makes the system call that its registers, and origRax, say. */
class RunSyscallInvoke implements RunState {
  static readonly stateType = stateType("kernel.RunSyscallInvoke", ["name"]);
  readonly name = "syscall-invoke";

  execute(t: Task): RunState | null {
    if (t.killed) return runExit;
    takeArguments(t);
    const nr = t.origRax;
    if (nr !== -1) return begin(t, invoke(t, nr));
    // No call: rax stays as it is, unless a filter has something to say.
    t.sysno = nr;
    const answer = t.seccompMode === 0 ? null : checkSeccomp(t, nr, false);
    return answer === null ? afterSyscall(t) : syscallReturn(t, answer);
  }
}

/** A tracee's system call is over; its result is in the registers. */
class RunSyscallExit implements RunState {
  static readonly stateType = stateType("kernel.RunSyscallExit", ["name"]);
  readonly name = "syscall-exit";

  execute(t: Task): RunState | null {
    if (t.killed) return runExit;
    const p = t.ptrace;
    if (p === null) return runInterrupt;
    if (p.step && p.mode !== PTRACE_MODE_SYSEMU) {
      const at = t.context.regs.get(REG_RIP);
      forceSignal(t, SignalInfo.fault(signal.SIGTRAP, signal.TRAP_BRKPT, at), false);
      return runInterrupt;
    }
    return p.mode === PTRACE_MODE_SYSCALL ? syscallStop(t, PTRACE_EVENTMSG_SYSCALL_EXIT, runInterrupt) : runInterrupt;
  }
}

/** A seccomp filter wants the tracer to decide. */
class RunSeccompTrace implements RunState {
  static readonly stateType = stateType("kernel.RunSeccompTrace", ["name"]);
  readonly name = "seccomp-trace";

  execute(t: Task): RunState | null {
    const ctx = t.context;
    if (ctx.event === EventDied) return runInterrupt;
    if (!ctx.stopped) return null;
    if (t.killed) return runExit;
    if (ctx.event === EventSyscall) {
      t.runState = this;
      ctx.finishSyscall(-errno.ENOSYS, true);
      return null;
    }
    return eventStop(t, PTRACE_EVENT_SECCOMP, t.ptrace?.seccompData ?? 0, runSeccompTraced, null);
  }
}

/** The tracer decided. */
class RunSeccompTraced implements RunState {
  static readonly stateType = stateType("kernel.RunSeccompTraced", ["name"]);
  readonly name = "seccomp-traced";

  execute(t: Task): RunState | null {
    if (t.killed) return runExit;
    const nr = t.origRax;
    if (nr < 0) return afterSyscall(t);
    takeArguments(t);
    t.sysno = nr;
    return begin(t, checkSeccomp(t, nr, true) ?? call(t, nr));
  }
}

/** rt_sigreturn(2) put other registers in place of those of the call. */
class RunSigreturn implements RunState {
  static readonly stateType = stateType("kernel.RunSigreturn", ["name"]);
  readonly name = "sigreturn";

  execute(t: Task): RunState | null {
    t.origRax = -1;
    return afterSyscall(t);
  }
}

export const runSyscallEntry: RunState = new RunSyscallEntry();
export const runSyscallInvoke: RunState = new RunSyscallInvoke();
export const runSyscallExit: RunState = new RunSyscallExit();
export const runSeccompTrace: RunState = new RunSeccompTrace();
export const runSeccompTraced: RunState = new RunSeccompTraced();
export const runSigreturn: RunState = new RunSigreturn();
