/**
 * The debug registers of a tracee. The host's cannot be set without tracing our own stubs, so a tracee whose DR7 enables a breakpoint runs in single
 * steps, and what its breakpoints say is looked at behind each of them: slow, but what debuggers rely on works. Reads are not noticed.
 */
import * as errno from "../../abi/linux/errno.ts";
import * as signal from "../../abi/linux/signal.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { REG_EFLAGS, REG_RIP } from "../platform/platform.ts";
import type { Ptrace } from "./ptrace.ts";
import type { Task } from "./task.ts";
import { forceSignal } from "./task_signals.ts";

const DR6 = 6;
const DR7 = 7;
const BREAKPOINTS = 4;
/** Bits of DR6 that read as one, and that of a single step. */
const DR6_RESERVED = 0xffff0ff0;
const DR6_STEP = 0x4000;
/** Where the (type, length) pairs of the breakpoints begin in DR7. */
const DR7_CONTROL = 16;
const TYPE_EXECUTE = 0;
const TYPE_PORT = 2;
/** Bytes by length code. */
const LENGTHS = [1, 2, 8, 4] as const;
const EFLAGS_RF = 0x10000;
/** High word of the first address that is not the user's. */
const TASK_SIZE_HIGH = 0x7fff;
const WORD = 8;

/** The value of a debug register, in `out`. */
export function getDebugReg(p: Ptrace, n: number, out: { lo: number; hi: number }): void {
  out.lo = p.debugRegs[2 * n] ?? 0;
  out.hi = p.debugRegs[2 * n + 1] ?? 0;
  if (n === DR6) out.lo = (out.lo ^ DR6_RESERVED) >>> 0;
}

/** Sets a debug register. Returns 0 or a negative errno. */
export function setDebugReg(t: Task, p: Ptrace, n: number, lo: number, hi: number): number {
  let value = lo;
  if (n < BREAKPOINTS) {
    if (hi > TASK_SIZE_HIGH) return -errno.EINVAL;
  } else if (n === DR6) {
    value = (lo ^ DR6_RESERVED) >>> 0;
  } else if (n === DR7) {
    if (!isValidControl(p, lo)) return -errno.EINVAL;
  } else {
    return -errno.EIO;
  }
  p.debugRegs[2 * n] = value;
  p.debugRegs[2 * n + 1] = hi;
  p.watching = false;
  for (let i = 0; i < BREAKPOINTS; i++) if (isEnabled(p.debugRegs[2 * DR7] ?? 0, i)) p.watching = true;
  if (p.watching) lookAgain(t, p);
  return 0;
}

/** exec: the addresses mean nothing any more. */
export function flushBreakpoints(p: Ptrace): void {
  p.debugRegs.fill(0);
  p.watching = false;
}

function isEnabled(dr7: number, i: number): boolean {
  return ((dr7 >>> (2 * i)) & 3) !== 0;
}

function typeOf(dr7: number, i: number): number {
  return (dr7 >>> (DR7_CONTROL + 4 * i)) & 3;
}

function lengthOf(dr7: number, i: number): number {
  return LENGTHS[(dr7 >>> (DR7_CONTROL + 4 * i + 2)) & 3] ?? 1;
}

function addressOf(p: Ptrace, i: number): number {
  return (p.debugRegs[2 * i + 1] ?? 0) * 4294967296 + (p.debugRegs[2 * i] ?? 0);
}

/** Ports cannot be watched; data only where it is aligned; execution breakpoints have length 1. */
function isValidControl(p: Ptrace, dr7: number): boolean {
  for (let i = 0; i < BREAKPOINTS; i++) {
    if (!isEnabled(dr7, i)) continue;
    const type = typeOf(dr7, i);
    const length = lengthOf(dr7, i);
    if (type === TYPE_PORT || (type === TYPE_EXECUTE && length !== 1) || addressOf(p, i) % length !== 0) return false;
  }
  return true;
}

/** Whether what breakpoint i watches differs from what was seen last; that is noted. */
function hasChanged(t: Task, p: Ptrace, i: number, length: number): boolean {
  const { scratch, scratchWords } = t.kernel;
  scratchWords[0] = 0;
  scratchWords[1] = 0;
  try {
    t.mm.forced.peek(addressOf(p, i), scratch, 0, length);
  } catch (e) {
    t.kernel.errnoOf(e, t);
  }
  const lo = scratchWords[0] ?? 0;
  const hi = length === WORD ? (scratchWords[1] ?? 0) : 0;
  const changed = lo !== p.watched[2 * i] || hi !== p.watched[2 * i + 1];
  p.watched[2 * i] = lo;
  p.watched[2 * i + 1] = hi;
  return changed;
}

/** Takes what the watched data are now for what they are to differ from: changes by the kernel do not count. */
export function lookAgain(t: Task, p: Ptrace): void {
  const dr7 = p.debugRegs[2 * DR7] ?? 0;
  for (let i = 0; i < BREAKPOINTS; i++) {
    if (isEnabled(dr7, i) && typeOf(dr7, i) !== TYPE_EXECUTE) hasChanged(t, p, i, lengthOf(dr7, i));
  }
}

/** Bits of DR6 for the breakpoints on the instruction that comes next, if the program has not just been let go on from one. */
function executionHits(t: Task, p: Ptrace): number {
  const { regs } = t.context;
  if (((regs.words[2 * REG_EFLAGS] ?? 0) & EFLAGS_RF) !== 0) return 0;
  const dr7 = p.debugRegs[2 * DR7] ?? 0;
  const at = regs.get(REG_RIP);
  let hits = 0;
  for (let i = 0; i < BREAKPOINTS; i++) {
    if (isEnabled(dr7, i) && typeOf(dr7, i) === TYPE_EXECUTE && addressOf(p, i) === at) hits |= 1 << i;
  }
  if (hits !== 0) regs.words[2 * REG_EFLAGS] = (regs.words[2 * REG_EFLAGS] ?? 0) | EFLAGS_RF;
  return hits;
}

/** The same for data that the last instruction changed. */
function dataHits(t: Task, p: Ptrace): number {
  const dr7 = p.debugRegs[2 * DR7] ?? 0;
  let hits = 0;
  for (let i = 0; i < BREAKPOINTS; i++) {
    if (!isEnabled(dr7, i) || typeOf(dr7, i) === TYPE_EXECUTE) continue;
    if (hasChanged(t, p, i, lengthOf(dr7, i))) hits |= 1 << i;
  }
  return hits;
}

/** Before a tracee goes on: raises SIGTRAP when there is a breakpoint on its next instruction. */
export function stopsAtBreakpoint(t: Task, p: Ptrace): boolean {
  lookAgain(t, p);
  return raise(t, p, executionHits(t, p), signal.TRAP_HWBKPT);
}

/** The processor trapped behind an instruction, by our trap flag. Raises SIGTRAP if that is what the tracer waits for. */
export function steppedOver(t: Task, p: Ptrace): boolean {
  const hits = p.watching ? dataHits(t, p) | executionHits(t, p) : 0;
  const step = p.step ? DR6_STEP : 0;
  return raise(t, p, hits | step, hits !== 0 && step === 0 ? signal.TRAP_HWBKPT : signal.TRAP_TRACE);
}

function raise(t: Task, p: Ptrace, dr6: number, code: number): boolean {
  if (dr6 === 0) return false;
  p.debugRegs[2 * DR6] = dr6;
  p.debugRegs[2 * DR6 + 1] = 0;
  forceSignal(t, SignalInfo.fault(signal.SIGTRAP, code, t.context.regs.get(REG_RIP)), false);
  return true;
}
