import { BPF_LD, BPF_LDX, BPF_LEN } from "../../abi/linux/bpf.ts";
import * as errno from "../../abi/linux/errno.ts";
import { PTRACE_EVENT_SECCOMP, PTRACE_O_SUSPEND_SECCOMP } from "../../abi/linux/ptrace.ts";
import * as linux from "../../abi/linux/seccomp.ts";
import { SIGKILL, SIGSYS, SYS_SECCOMP } from "../../abi/linux/signal.ts";
import { SYS_exit, SYS_read, SYS_rt_sigreturn, SYS_write } from "../../abi/linux/syscalls.ts";
import { type Program, run } from "../../bpf/index.ts";
import { setFields, stateType } from "../../state/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { EventFault, EventSyscall, REG_RIP } from "../platform/platform.ts";
import { hasPtraceEvent } from "./ptrace.ts";
import type { Task } from "./task.ts";
import { runExit } from "./task_exit.ts";
import { forceSignal } from "./task_signals.ts";
import { runSeccompTrace } from "./task_syscall.ts";

/** Instructions a chain of filters may have in all, each filter counting four more (MAX_INSNS_PER_PATH). */
const MAX_INSTRUCTIONS = 32768;
const FILTER_PENALTY = 4;
/** Calls whose verdict is remembered. */
const CACHED_CALLS = 512;
const UNKNOWN = -1;
const DEPENDS = -2;
const MAX_ERRNO = 4095;
/** Instructions of all filters of a sandbox: they live in the sentry's memory. */
const MAX_SANDBOX_INSTRUCTIONS = 262144;

/** What a filter sees: struct seccomp_data. */
export class SeccompData {
  static readonly stateType = stateType("kernel.SeccompData", [], ["words", "bytes"]);
  readonly words: Uint32Array = new Uint32Array(linux.SIZEOF_SECCOMP_DATA / 4);
  readonly bytes: Uint8Array = new Uint8Array(this.words.buffer);

  /** Fills it for the call a task makes. */
  fill(t: Task, nr: number): void {
    const w = this.words;
    w[0] = nr;
    w[1] = linux.AUDIT_ARCH_X86_64;
    const ip = callAddress(t);
    w[2] = ip;
    w[3] = Math.floor(ip / 4294967296);
    w.set(t.args.words, linux.SECCOMP_DATA_ARGS / 4);
  }
}

/** What the filters of a sandbox take up. */
export class SeccompUsage {
  static readonly stateType = stateType("kernel.SeccompUsage", ["instructions"]);
  instructions = 0;

  /** Whether a filter of `length` instructions may be added behind `previous` (Linux's limit, and ours). Counts it if so. */
  take(length: number, previous: SeccompFilter | null): boolean {
    if (length + (previous?.instructions ?? 0) > MAX_INSTRUCTIONS) return false;
    if (this.instructions + length > MAX_SANDBOX_INSTRUCTIONS) return false;
    this.instructions += length;
    return true;
  }
}

/** One filter of a chain; shared by the tasks that installed or inherited it. */
export class SeccompFilter {
  static readonly stateType = stateType(
    "kernel.SeccompFilter",
    ["program", "previous", "instructions", "count", "refs"],
    ["cache"],
  );
  readonly program: Program;
  /** The filter installed before it. */
  readonly previous: SeccompFilter | null;
  /** Cost of the chain up to here. */
  readonly instructions: number;
  /** Filters in the chain up to here. */
  readonly count: number;
  /** Tasks that have it as their newest filter, and filters installed after it. */
  refs = 1;
  /** Verdicts of the chain by call number, where they depend on nothing else. */
  readonly cache: Float64Array = new Float64Array(CACHED_CALLS).fill(UNKNOWN);

  /** Takes over the reference that the caller has on `previous`. */
  constructor(program: Program, previous: SeccompFilter | null) {
    this.program = program;
    this.previous = previous;
    this.count = 1 + (previous?.count ?? 0);
    this.instructions = program.length + FILTER_PENALTY + (previous?.instructions ?? 0);
  }

  afterLoad(): void {
    setFields<SeccompFilter>(this, { cache: new Float64Array(CACHED_CALLS).fill(UNKNOWN) });
  }

  /** Another task has it. */
  incRef(): void {
    this.refs++;
  }

  /** A task lets go of it; `usage` is the sandbox's. */
  decRef(usage: SeccompUsage): void {
    for (let f: SeccompFilter | null = this; f !== null; f = f.previous) {
      f.refs--;
      if (f.refs > 0) return;
      usage.instructions -= f.program.length;
    }
  }

  /** Whether `f` is in this chain. */
  hasAncestor(f: SeccompFilter | null): boolean {
    if (f === null) return true;
    for (let x: SeccompFilter | null = this; x !== null; x = x.previous) if (x === f) return true;
    return false;
  }

  /** The verdict of the chain: the strictest action; among equals that of the newest filter. */
  evaluate(t: Task, nr: number): number {
    const cached = nr >= 0 && nr < CACHED_CALLS ? (this.cache[nr] ?? DEPENDS) : DEPENDS;
    if (cached >= 0) return cached;
    const data = t.kernel.seccompData;
    data.fill(t, nr);
    if (cached === UNKNOWN) {
      const known = this.strictest(data.bytes.subarray(0, linux.SECCOMP_DATA_IP), true);
      this.cache[nr] = known;
      if (known >= 0) return known;
    }
    return this.strictest(data.bytes, false);
  }

  /** Runs the chain. With `partial` the data end after number and architecture: DEPENDS when a filter wants to see more. */
  strictest(data: Uint8Array, partial: boolean): number {
    let verdict = linux.SECCOMP_RET_ALLOW;
    for (let f: SeccompFilter | null = this; f !== null; f = f.previous) {
      const v = run(f.program, data, true);
      // Reading beyond the end gives 0 as well.
      if (partial && (v === 0 || readsLength(f.program))) return DEPENDS;
      if (severity(v) < severity(verdict)) verdict = v;
    }
    return verdict;
  }
}

/** Order of actions: the smaller, the stricter. KILL_PROCESS is negative. */
function severity(verdict: number): number {
  return (verdict & linux.SECCOMP_RET_ACTION_FULL) | 0;
}

function readsLength(program: Program): boolean {
  for (const { code } of program) {
    const kind = code & 7;
    if ((kind === BPF_LD || kind === BPF_LDX) && (code & 0xe0) === BPF_LEN) return true;
  }
  return false;
}

/** Address behind the system call instruction. */
function callAddress(t: Task): number {
  return t.context.event === EventSyscall ? t.context.syscallIP : t.context.regs.get(REG_RIP);
}

/**
 * Whether a call may go on (null), or what it returns instead. A task that is to die is sent on its way, as is one whose tracer is to decide;
 * `traced`: the tracer did.
 */
export function checkSeccomp(t: Task, nr: number, traced: boolean): number | null {
  const p = t.ptrace;
  if (p !== null && (p.options & PTRACE_O_SUSPEND_SECCOMP) !== 0) return null;
  if (t.seccompMode === linux.SECCOMP_MODE_STRICT) {
    if (nr === SYS_read || nr === SYS_write || nr === SYS_exit || nr === SYS_rt_sigreturn) return null;
    return exitThread(t, SIGKILL);
  }
  const f = t.seccompFilter;
  if (f === null) return null;
  const verdict = f.evaluate(t, nr);
  const action = (verdict & linux.SECCOMP_RET_ACTION_FULL) >>> 0;
  const data = verdict & linux.SECCOMP_RET_DATA;
  switch (action) {
    case linux.SECCOMP_RET_ALLOW:
    case linux.SECCOMP_RET_LOG:
      return null;
    case linux.SECCOMP_RET_ERRNO:
      return -Math.min(data, MAX_ERRNO);
    case linux.SECCOMP_RET_TRAP:
      forceSignal(t, sysInfo(t, nr, data), false);
      // The registers look as if the call had not been made.
      return nr;
    case linux.SECCOMP_RET_TRACE:
      if (traced) return null;
      if (p === null || !hasPtraceEvent(t, PTRACE_EVENT_SECCOMP) || t.context.event === EventFault)
        return -errno.ENOSYS;
      p.seccompData = data;
      t.nextState = runSeccompTrace;
      return 0;
    case linux.SECCOMP_RET_USER_NOTIF:
      // Nobody listens.
      return -errno.ENOSYS;
    case linux.SECCOMP_RET_KILL_THREAD:
      if (t.threadGroup.liveTasks > 1) return exitThread(t, SIGSYS);
      break;
    default:
      break;
  }
  t.threadGroup.prepareGroupExit(SIGSYS);
  t.nextState = runExit;
  return 0;
}

/** The thread alone dies as if by a signal. */
function exitThread(t: Task, sig: number): number {
  t.exitStatus = sig;
  t.nextState = runExit;
  return 0;
}

function sysInfo(t: Task, nr: number, data: number): SignalInfo {
  return SignalInfo.sys(SIGSYS, SYS_SECCOMP, data, callAddress(t), nr, linux.AUDIT_ARCH_X86_64);
}
