import * as errno from "../../abi/linux/errno.ts";
import * as linux from "../../abi/linux/signal.ts";
import { SYS_restart_syscall } from "../../abi/linux/syscalls.ts";
import { stateType } from "../../state/index.ts";
import { pushSignalFrame } from "../arch/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import {
  EventDied,
  EventFault,
  EventInterrupted,
  EventSyscall,
  EventSyscallRegs,
  REG_RAX,
  REG_RIP,
} from "../platform/platform.ts";
import { steppedOver, stopsAtBreakpoint } from "./hw_breakpoint.ts";
import { type Ptrace, signalStop, stepStop, trapStop } from "./ptrace.ts";
import { endStep, hideTrapFlag, showTrapFlag } from "./ptrace_amd64.ts";
import type { RunState } from "./run_state.ts";
import * as sigset from "./signal_set.ts";
import type { Task } from "./task.ts";
import { runExit } from "./task_exit.ts";
import { handleFault } from "./task_fault.ts";
import {
  dequeueSignal,
  forceSignal,
  initiateGroupStop,
  JOBCTL_STOP_PENDING,
  JOBCTL_TRAP_MASK,
  JOBCTL_TRAP_STOP,
  notifyParentOfStop,
  participateGroupStop,
  requeueSignal,
  setJobctlPending,
  setSignalMask,
} from "./task_signals.ts";
import { runSyscallEntry, startSyscall } from "./task_syscall.ts";

/** Number of the debug exception. */
const TRAP_DEBUG = 1;
/** Length of the syscall instruction. */
export const SYSCALL_INSTRUCTION = 2;

/** The guest's code runs, or its context stopped and is to be served. */
class RunApp implements RunState {
  static readonly stateType = stateType("kernel.RunApp", ["name"]);
  readonly name = "running";

  execute(t: Task): RunState | null {
    const ctx = t.context;
    if (ctx.event === EventDied) return contextDied(t);
    if (!ctx.stopped) return null;
    if (t.killed) return runExit;
    // Only the stop that was asked for stands behind the system call instruction.
    if (ctx.event !== EventInterrupted) {
      t.restartCode = 0;
      t.origRax = -1;
    }
    switch (ctx.event) {
      case EventSyscall:
      case EventSyscallRegs:
        return startSyscall(t);
      case EventFault:
        return handleFault(t);
      case EventInterrupted:
        return runInterrupt;
      default:
        return null;
    }
  }
}

/**
 * As RunApp, for a tracee that stops at system calls or after single instructions: whatever its context stopped for, its registers are made known
 * before anything else happens.
 */
class RunAppTraced implements RunState {
  static readonly stateType = stateType("kernel.RunAppTraced", ["name"]);
  readonly name = "running-traced";

  execute(t: Task): RunState | null {
    const ctx = t.context;
    if (t.ptrace === null || t.killed || !ctx.stopped) return runApp.execute(t);
    const ours = ctx.event !== EventSyscall && hideTrapFlag(t, t.ptrace);
    if (ours && ctx.event === EventFault && ctx.faultTrapno === TRAP_DEBUG) return trapped(t, t.ptrace);
    if (ctx.event !== EventSyscall && ctx.event !== EventSyscallRegs) return runApp.execute(t);
    t.restartCode = 0;
    t.origRax = ctx.sysno;
    t.runState = runSyscallEntry;
    if (ctx.event === EventSyscallRegs) {
      ctx.regs.set(REG_RAX, -errno.ENOSYS);
      return runSyscallEntry;
    }
    // The interrupt behind the "end" of the call reports the registers; the call is made only then.
    ctx.finishSyscall(-errno.ENOSYS, true);
    return null;
  }
}

/** The processor trapped behind an instruction of a tracee, by our trap flag. */
function trapped(t: Task, p: Ptrace): RunState | null {
  t.restartCode = 0;
  t.origRax = -1;
  t.trapNo = TRAP_DEBUG;
  t.trapErr = 0;
  if (steppedOver(t, p) || t.mustInterrupt()) return runInterrupt;
  resumeApp(t);
  return null;
}

/** The context is stopped with its registers known: signals, stops and exits are dealt with before the guest goes on. */
class RunInterrupt implements RunState {
  static readonly stateType = stateType("kernel.RunInterrupt", ["name"]);
  readonly name = "interrupted";

  execute(t: Task): RunState | null {
    for (;;) {
      if (t.killed) return runExit;
      if (t.context.event === EventDied) return contextDied(t);
      if (t.kernel.pauseCount > 0) {
        t.kernel.schedule(t);
        return this.park(t);
      }
      if (t.groupStopped) return this.park(t);
      const p = t.ptrace;
      if ((t.jobctl & JOBCTL_STOP_PENDING) !== 0) {
        if (p === null) {
          t.groupStopped = true;
          if (participateGroupStop(t)) notifyParentOfStop(t.threadGroup, linux.CLD_STOPPED);
          return this.park(t);
        }
        setJobctlPending(t, JOBCTL_TRAP_STOP);
      }
      if (p !== null && (t.jobctl & JOBCTL_TRAP_MASK) !== 0) return trapStop(t, p);
      const info = dequeueSignal(t);
      if (info === null) break;
      if (p !== null && info.signo !== linux.SIGKILL) return signalStop(t, info);
      const next = deliverSignal(t, info);
      if (next !== null) return next;
    }
    if (t.restartCode !== 0) restartSyscall(t);
    if (t.haveSavedMask) {
      t.endTemporarySignalMask(false);
      // The old mask may let something through.
      if (t.hasPendingSignal()) return this;
    }
    if (t.ptrace?.watching && stopsAtBreakpoint(t, t.ptrace)) return this;
    t.origRax = -1;
    resumeApp(t);
    return null;
  }

  park(t: Task): null {
    t.runState = this;
    return null;
  }
}

/** There is no host thread to go on with. */
function contextDied(t: Task): RunState {
  t.threadGroup.prepareGroupExit(linux.SIGKILL);
  return runExit;
}

export const runApp: RunState = new RunApp();
export const runAppTraced: RunState = new RunAppTraced();
export const runInterrupt: RunState = new RunInterrupt();

/** Has the guest go on with its registers as they are. */
export function resumeApp(t: Task): void {
  t.runState = t.appState;
  if (t.appState !== runApp && t.ptrace !== null) showTrapFlag(t, t.ptrace);
  t.context.resume();
}

/** A tracee leaves the stop of a signal: delivers what its tracer made of it (`sig` 0: nothing). */
export function runSignalStopped(t: Task, was: SignalInfo | null, sig: number): RunState {
  if (sig === 0) return runInterrupt;
  let info = was;
  if (info === null || info.signo !== sig) {
    const sender = t.ptrace?.tracer ?? t.threadGroup.parent;
    const uid = sender === null ? 0 : t.creds.userNamespace.uidOrOverflow(sender.creds.realKUID);
    info = SignalInfo.user(
      sig,
      linux.SI_USER,
      sender === null ? 0 : t.pidNamespace.idOfThreadGroup(sender.threadGroup),
      uid,
    );
  }
  if (t.killed || sigset.contains(t.maskLo, t.maskHi, sig)) {
    requeueSignal(t, info);
    return runInterrupt;
  }
  return deliverSignal(t, info) ?? runInterrupt;
}

/** Carries out the action of a dequeued signal. Returns a state when something other than the next signal comes then. */
function deliverSignal(t: Task, info: SignalInfo): RunState | null {
  const tg = t.threadGroup;
  const sig = info.signo;
  if (sig === linux.SIGKILL) {
    tg.prepareGroupExit(sig);
    return runExit;
  }
  const handlers = tg.signalHandlers;
  if (handlers.isIgnore(sig)) return null;
  if (!handlers.isDefault(sig)) return deliverToHandler(t, info);
  if (sigset.contains(sigset.IGNORE_LO, 0, sig)) return null;
  if (tg.unkillable && !sigset.contains(sigset.UNBLOCKABLE_LO, 0, sig)) return null;
  if (sigset.contains(sigset.STOP_LO, 0, sig)) {
    // A job that nobody could continue is not stopped by the terminal's signals.
    if (sig !== linux.SIGSTOP && tg.processGroup.isOrphan(null)) return null;
    initiateGroupStop(t, sig);
    return null;
  }
  tg.prepareGroupExit(sig);
  return runExit;
}

/** Calls the guest's handler, after deciding whether the interrupted system call is restarted behind it. */
function deliverToHandler(t: Task, info: SignalInfo): RunState | null {
  const k = t.kernel;
  const ctx = t.context;
  const sig = info.signo;
  const action = t.threadGroup.signalHandlers.get(sig);
  const flags = action.flags;
  if (t.restartCode !== 0) {
    const restart =
      t.restartCode === errno.ERESTARTNOINTR ||
      (t.restartCode === errno.ERESTARTSYS && (flags & linux.SA_RESTART) !== 0);
    if (restart) rewind(t, t.origRax);
    t.restartCode = 0;
  }
  const fpState = k.fpBuffer(ctx.fpStateSize());
  ctx.getFPState(fpState);
  const pushed = pushSignalFrame(
    {
      regs: ctx.regs,
      io: t.mm,
      fpState,
      handler: action.handler,
      restorer: action.restorer,
      flags,
      info,
      maskLo: t.haveSavedMask ? t.savedMaskLo : t.maskLo,
      maskHi: t.haveSavedMask ? t.savedMaskHi : t.maskHi,
      altStack: t,
      trap: t,
    },
    k.frameBuffer,
  );
  const maskLo = action.maskLo;
  const maskHi = action.maskHi;
  if ((flags & linux.SA_RESETHAND) !== 0) action.handler = linux.SIG_DFL;
  if (!pushed) {
    forceSignal(t, SignalInfo.kernel(linux.SIGSEGV), sig === linux.SIGSEGV);
    return null;
  }
  // The handler does not inherit rounding modes and the like.
  ctx.resetFPState();
  t.haveSavedMask = false;
  if ((t.altStackFlags & linux.SS_AUTODISARM) !== 0) t.resetAltStack();
  let lo = t.maskLo | maskLo;
  let hi = t.maskHi | maskHi;
  if ((flags & linux.SA_NODEFER) === 0) {
    lo |= sigset.bitLo(sig);
    hi |= sigset.bitHi(sig);
  }
  setSignalMask(t, lo, hi);
  return t.ptrace !== null && endStep(t.ptrace) ? stepStop(t, runInterrupt) : null;
}

/** No handler runs: the interrupted call is made again, or goes on through restart_syscall(2). */
function restartSyscall(t: Task): void {
  rewind(t, t.restartCode === errno.ERESTART_RESTARTBLOCK ? SYS_restart_syscall : t.origRax);
  t.restartCode = 0;
}

/** Has the guest execute its syscall instruction again. */
function rewind(t: Task, nr: number): void {
  const regs = t.context.regs;
  regs.set(REG_RAX, nr);
  regs.set(REG_RIP, regs.get(REG_RIP) - SYSCALL_INSTRUCTION);
}
