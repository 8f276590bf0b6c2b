import * as errno from "../../abi/linux/errno.ts";
import { type LoadContext, setFields, stateType } from "../../state/index.ts";
import { type Context, EventDied, EventSyscallRegs, REG_RAX } from "../platform/platform.ts";
import type { RunState } from "./run_state.ts";
import { checkSeccomp } from "./seccomp.ts";
import type { SyscallGenerator, SyscallResult, WakeReason } from "./syscalls.ts";
import { WAKE_EVENT, WAKE_INTERRUPT, WAKE_TIMEOUT } from "./syscalls.ts";
import { BLOCK_KILLABLE, BLOCK_RESCHEDULE, type SyscallRestartBlock, type Task } from "./task.ts";
import { runExit } from "./task_exit.ts";
import { runApp, runInterrupt } from "./task_run.ts";

/** Range of the restart codes, which never reach a guest. */
const RESTART_MIN = -errno.ERESTART_RESTARTBLOCK;
const RESTART_MAX = -errno.ERESTARTSYS;

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
  const r = invoke(t, t.context.sysno);
  return typeof r === "number" ? syscallReturn(t, r) : beginGenerator(t, r);
}

/** Calls the implementation. */
export function invoke(t: Task, nr: number): SyscallResult {
  const k = t.kernel;
  t.sysno = nr;
  if (k.strace !== null) k.strace.enter(t, nr, t.args);
  if (t.seccompMode !== 0) {
    const answer = checkSeccomp(t, nr);
    if (answer !== null) return answer;
  }
  const e = k.syscallTable[nr];
  if (e === undefined) return missing(t, nr);
  try {
    return e.fn(t, t.args);
  } catch (err) {
    return k.errnoOf(err, t);
  }
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
          t.blocked = true;
          t.runState = runSyscallResume;
          k.schedule(t);
          return null;
        }
        if (isInterrupted(t)) {
          why = WAKE_INTERRUPT;
          continue;
        }
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
    return s;
  }
  if (t.killed) return runExit;
  if (ctx.event === EventDied) return runInterrupt;
  let ret = result;
  if (isRestart(ret)) {
    t.restartNr = t.sysno;
    t.restartCode = -ret;
    ret = -errno.EINTR;
  }
  if (ctx.event === EventSyscallRegs) {
    ctx.regs.set(REG_RAX, ret);
    return runInterrupt;
  }
  t.runState = runApp;
  ctx.finishSyscall(ret, t.restartCode !== 0 || t.mustInterrupt());
  return null;
}
