import { CAP_SYS_PTRACE } from "../../abi/linux/capability.ts";
import * as errno from "../../abi/linux/errno.ts";
import { ADDR_NO_RANDOMIZE } from "../../abi/linux/prctl.ts";
import { PTRACE_EVENT_EXEC } from "../../abi/linux/ptrace.ts";
import * as linux from "../../abi/linux/signal.ts";
import type { StringBlock } from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";
import { type LoadArgs, type LoadedProgram, loadProgram } from "../loader/index.ts";
import type { MemoryManager } from "../mm/index.ts";
import { type Context, REG_EFLAGS, REG_RAX, REG_RIP, REG_RSP } from "../platform/platform.ts";
import type { FileDescription } from "../vfs/index.ts";
import { flushBreakpoints } from "./hw_breakpoint.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import { EFLAGS_INITIAL, newMemoryManager } from "./process.ts";
import { eventStop, hasPtraceEvent, idForTracer, ptracerCapable } from "./ptrace.ts";
import type { RunState } from "./run_state.ts";
import { type Task, TaskExitZombie } from "./task.ts";
import { reap, releaseUserMemory, runExit } from "./task_exit.ts";
import { runInterrupt } from "./task_run.ts";
import { afterSyscall } from "./task_syscall.ts";

/** A loaded program on its way to replace a task's. */
export class ExecImage {
  static readonly stateType = stateType("kernel.ExecImage", ["program", "mm"]);
  readonly program: LoadedProgram;
  readonly mm: MemoryManager;

  constructor(program: LoadedProgram, mm: MemoryManager) {
    this.program = program;
    this.mm = mm;
  }

  /** Throws it away. */
  release(): void {
    this.mm.decUsers();
  }
}

/**
 * Loads a program for execve(2) and arranges for it to replace the caller's: the call then goes on as a run state. Throws what execve returns. An
 * error after Linux's point of no return ends the process.
 */
export function startExecve(
  t: Task,
  filename: string,
  file: FileDescription,
  argv: StringBlock,
  envv: StringBlock,
  pathInaccessible: boolean,
): number {
  const k = t.kernel;
  const tg = t.threadGroup;
  if (tg.execing !== null) return -errno.EAGAIN;
  const mm = newMemoryManager(k, tg.limits);
  mm.userNamespace = t.creds.userNamespace;
  const args: LoadArgs = {
    mm,
    vfs: k.vfs,
    platform: k.platform,
    features: k.features,
    knownInterpreter: k.knownInterpreter,
    knownHeads: k.knownHeads,
    root: t.fsContext.root,
    cwd: t.fsContext.cwd,
    creds: t.creds,
    limits: tg.limits,
    filename,
    file,
    argv,
    envv,
    noNewPrivs: t.noNewPrivs,
    unsafe: t.fsContext.refs > tg.tasks.size || !ptracerCapable(t, CAP_SYS_PTRACE),
    allowSUID: k.allowSUID,
    randomize: (t.personality & ADDR_NO_RANDOMIZE) === 0,
    pathInaccessible,
    committed: false,
  };
  try {
    const program = loadProgram(args);
    mm.prefault();
    t.exec = new ExecImage(program, mm);
  } catch (e) {
    mm.decUsers();
    const err = k.errnoOf(e, t);
    if (args.committed) die(t);
    return err;
  }
  t.nextState = runExecve;
  return 0;
}

/** There is no program to return to. */
function die(t: Task): void {
  t.threadGroup.prepareGroupExit(linux.SIGSEGV);
  t.killed = true;
}

/** Kills the other threads of the process. */
class RunExecve implements RunState {
  static readonly stateType = stateType("kernel.RunExecve", ["name"]);
  readonly name = "execve";

  execute(t: Task): RunState | null {
    const tg = t.threadGroup;
    if (t.killed) return runExit;
    tg.execing = t;
    for (const o of tg.tasks) if (o !== t) o.kill();
    return runExecveAfterSiblings;
  }
}

/** Waits for the other threads to be gone, then becomes the new program. */
class RunExecveAfterSiblings implements RunState {
  static readonly stateType = stateType("kernel.RunExecveAfterSiblings", ["name"]);
  readonly name = "execve-wait";

  execute(t: Task): RunState | null {
    const tg = t.threadGroup;
    if (t.killed) {
      tg.execing = null;
      return runExit;
    }
    for (const o of tg.tasks) {
      if (o === t || (o.isLeader() && o.exitState === TaskExitZombie)) continue;
      t.runState = this;
      return null;
    }
    tg.execing = null;
    const oldID = idForTracer(t, t);
    if (!t.isLeader()) becomeLeader(t);
    const image = t.exec;
    t.exec = null;
    if (image === null) return runExit;
    if (!replaceProgram(t, image)) return runExit;
    const p = t.ptrace;
    if (p === null) return runInterrupt;
    flushBreakpoints(p);
    // What PTRACE_ATTACH and PTRACE_TRACEME did before there were events.
    if (!p.seized && !hasPtraceEvent(t, PTRACE_EVENT_EXEC)) t.sendSelfSignal(linux.SIGTRAP);
    return eventStop(t, PTRACE_EVENT_EXEC, oldID, afterSyscall(t), 0);
  }
}

export const runExecve: RunState = new RunExecve();
export const runExecveAfterSiblings: RunState = new RunExecveAfterSiblings();

/** The thread takes the place and the ids of its dead group leader, which goes without a trace. */
function becomeLeader(t: Task): void {
  const tg = t.threadGroup;
  const old = tg.leader;
  for (let ns: PIDNamespace | null = t.pidNamespace; ns !== null; ns = ns.parent) {
    const id = ns.idOfTask(old);
    ns.tasks.delete(ns.idOfTask(t));
    ns.tasks.set(id, t);
    if (ns === t.pidNamespace) t.tid = id;
    else ns.tids.set(t, id);
    ns.tids.delete(old);
  }
  tg.leader = t;
  // Its children went to a living thread when it died.
  reap(old);
}

/**
 * Has the new program's memory take the place of the old one's: in the thread and stub that are there, unless others use them. False when the host has
 * no room for another: the process dies.
 */
function replaceMemory(t: Task, mm: MemoryManager): boolean {
  const old = t.mm;
  if (!mm.takeOver(old, t.context)) {
    let context: Context;
    try {
      context = mm.activate().newContext(t);
    } catch (e) {
      t.kernel.errnoOf(e, t);
      mm.decUsers();
      die(t);
      return false;
    }
    t.context.release();
    old.decUsers();
    t.mm = mm;
    t.replaceContext(context);
    return true;
  }
  old.decUsers();
  t.mm = mm;
  t.context.setAffinity(t.affinity);
  return true;
}

/** Everything that execve(2) changes in a process (execve(2), "Effect on process attributes"). False when the process dies of it. */
function replaceProgram(t: Task, image: ExecImage): boolean {
  const tg = t.threadGroup;
  const p = image.program;
  releaseUserMemory(t);
  image.mm.coredumpFilter = t.mm.coredumpFilter;
  if (!replaceMemory(t, image.mm)) return false;
  const { regs } = t.context;
  regs.words.fill(0);
  regs.set(REG_RIP, p.entry);
  regs.set(REG_RSP, p.sp);
  regs.set(REG_EFLAGS, EFLAGS_INITIAL);
  regs.set(REG_RAX, 0);

  if (t.fdTable.refs > 1) {
    const own = t.fdTable.fork();
    t.fdTable.decRef();
    t.fdTable = own;
  }
  t.fdTable.closeOnExec();
  const old = tg.signalHandlers;
  tg.signalHandlers = old.copyForExec();
  old.refs--;
  t.altStackAddr = 0;
  t.altStackSize = 0;
  t.restartBlock = null;
  t.restartCode = 0;
  t.haveSavedMask = false;
  if (p.secureExec || p.creds.changesDumpability(t.creds)) t.parentDeathSignal = 0;
  t.creds = p.creds;
  t.mm.dumpable = p.dumpable ? 1 : 0;
  t.name = p.name;
  t.execID++;
  tg.didExec = true;
  tg.exitSignal = linux.SIGCHLD;
  tg.timers?.onExec();
  return true;
}
