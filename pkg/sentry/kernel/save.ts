import { ERESTARTNOINTR } from "../../abi/linux/errno.ts";
import { encode, StateError, stateType, type TypeRegistry } from "../../state/index.ts";
import {
  type Context,
  EventDied,
  EventSyscall,
  EventSyscallRegs,
  REG_COUNT,
  REG_RAX,
  REG_RIP,
  type Registers,
  type Vdso,
} from "../platform/platform.ts";
import type { Kernel } from "./kernel.ts";
import { runJobs, runTask } from "./kernel_run.ts";
import { runPtraceStop } from "./ptrace.ts";
import type { Task } from "./task.ts";
import { runVforkWait } from "./task_clone.ts";
import { runExecve, runExecveAfterSiblings } from "./task_exec.ts";
import { runExit, runExitBegin, runExitDone, runExitMain, runExitNotify } from "./task_exit.ts";
import { runApp, runAppTraced, runInterrupt, SYSCALL_INSTRUCTION } from "./task_run.ts";
import {
  runSeccompTrace,
  runSeccompTraced,
  runSigreturn,
  runSyscallEntry,
  runSyscallExit,
  runSyscallInvoke,
  runSyscallResume,
  syscallReturn,
} from "./task_syscall.ts";

/** How long system calls that work, and jobs, may take to come to their end; and then, told to stop, again. */
const SETTLE_LIMIT_NS = 10_000_000_000;
/** Longest single wait for contexts. */
const STEP_NS = 10_000_000;

/** What a kernel refers to that belongs to the program: run states. */
export const stateConstants: readonly (readonly [string, object])[] = [
  runApp,
  runAppTraced,
  runInterrupt,
  runPtraceStop,
  runSyscallEntry,
  runSyscallInvoke,
  runSyscallExit,
  runSyscallResume,
  runSeccompTrace,
  runSeccompTraced,
  runSigreturn,
  runVforkWait,
  runExecve,
  runExecveAfterSiblings,
  runExit,
  runExitBegin,
  runExitMain,
  runExitNotify,
  runExitDone,
].map((s) => [`kernel.runState.${s.name}`, s] as const);

/** The names of the objects around a kernel in an image: others take their place when it is restored. */
export const EXTERNAL_PLATFORM = "platform";

/** A guest thread's part of the processor. */
export class SavedContext {
  static readonly stateType = stateType("kernel.SavedContext", ["words", "fpState"]);
  /** As Registers.words. */
  readonly words: Uint32Array = new Uint32Array(REG_COUNT * 2);
  readonly fpState: Uint8Array;

  constructor(regs: Registers, fpState: Uint8Array) {
    this.words.set(regs.words);
    this.fpState = fpState;
  }
}

/** The root of an image. */
export class SavedKernel {
  static readonly stateType = stateType("kernel.SavedKernel", ["kernel", "contexts", "monotonicNs", "vdso"]);
  readonly kernel: Kernel;
  /** Of tasks that live; those without one lost their host thread and are about to die. */
  readonly contexts: Map<Task, SavedContext> = new Map();
  /** When it was saved. */
  readonly monotonicNs: number;
  /** The vDSO that its programs know. */
  readonly vdso: Vdso | null;

  constructor(kernel: Kernel) {
    const { platform } = kernel;
    this.kernel = kernel;
    this.monotonicNs = kernel.monotonicNow();
    this.vdso = platform.vdso === null ? null : { ...platform.vdso, hostAddress: 0 };
  }
}

/** Whether a task has registers to save. */
function isLive(t: Task): boolean {
  return !t.isExiting() && t.context.event !== EventDied;
}

/**
 * Brings a paused kernel to a state without suspended system calls: jobs are done, calls that wait are given up, so that they are made
 * again or go on through restart_syscall(2), and every guest thread stands with its registers known. The kernel can also go on from there.
 */
export function settle(k: Kernel): void {
  if (k.pauseCount === 0) throw new Error("kernel: settling a kernel that is not paused");
  const begin = k.monotonicNow();
  k.givingUp = 1;
  try {
    for (;;) {
      const waited = k.monotonicNow() - begin;
      if (waited > SETTLE_LIMIT_NS) k.givingUp = 2;
      if (waited > 2 * SETTLE_LIMIT_NS) throw new StateError("kernel: the kernel does not come to rest for a save");
      runJobs(k);
      let busy = k.jobs.length;
      for (const t of [...k.tasks.all]) if (!settleTask(k, t)) busy++;
      if (k.panicked !== null) throw k.panicked;
      if (busy === 0) return;
      k.platform.poll(k.jobs.length > 0 ? 0 : STEP_NS);
      k.heartbeat?.beat();
    }
  } finally {
    k.givingUp = 0;
  }
}

/** Whether what the context stopped for was not looked at yet. */
function isInApp(t: Task): boolean {
  return t.runState === runApp || t.runState === runAppTraced;
}

/** Returns whether a task has come to rest. */
function settleTask(k: Kernel, t: Task): boolean {
  if (t.isExiting()) return true;
  if (t.generator !== null || t.killed) {
    runTask(k, t);
    return t.generator === null && !isBusy(t);
  }
  if (isLive(t) && t.context.stopped && t.context.event === EventSyscall && isInApp(t)) {
    // The call came during the pause: it is made again.
    t.sysno = t.context.sysno;
    const next = syscallReturn(t, -ERESTARTNOINTR);
    if (next !== null) t.runState = next;
  }
  return !isBusy(t);
}

/** Whether a thread's registers are not known yet. */
function isBusy(t: Task): boolean {
  return isLive(t) && (!t.context.stopped || t.context.event === EventSyscall);
}

/** A copy of a stopped thread's registers, as they are to be when it goes on elsewhere. */
function saveContext(t: Task): SavedContext {
  const ctx = t.context;
  const fp = new Uint8Array(ctx.fpStateSize());
  ctx.getFPState(fp);
  const saved = new SavedContext(ctx.regs, fp);
  t.updateUsage();
  if (ctx.event === EventSyscallRegs && isInApp(t)) rewindSaved(saved.words, ctx);
  return saved;
}

/** A call that was not looked at yet is made again. */
function rewindSaved(words: Uint32Array, ctx: Context): void {
  const put = (i: number, v: number): void => {
    words[2 * i] = v;
    words[2 * i + 1] = Math.floor(v / 4294967296);
  };
  put(REG_RIP, ctx.regs.get(REG_RIP) - SYSCALL_INSTRUCTION);
  put(REG_RAX, ctx.sysno);
}

/**
 * Pauses a kernel and writes its graph; the caller writes the memory (pgalloc.MemoryFile) and then unpauses or destroys it. `registry` has
 * every class there is. Throws StateError, naming the object, for what cannot be saved: the kernel is then paused and can go on.
 * Not from inside platform.poll: use a Job.
 */
export function saveKernel(k: Kernel, registry: TypeRegistry): Uint8Array {
  k.pause();
  settle(k);
  // The first wait for a job's turn may have freed memory: only what is in use is written.
  k.memoryFile.flush();
  for (const t of k.tasks.all) if (isLive(t)) t.mm.hostSpace?.restoreCode(0, k.platform.maxUserAddress);
  const saved = new SavedKernel(k);
  for (const t of k.tasks.all) if (isLive(t)) saved.contexts.set(t, saveContext(t));
  return encode(saved, registry, new Map<string, object>([[EXTERNAL_PLATFORM, k.platform]]));
}
