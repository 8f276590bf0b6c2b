/** The registers of a tracee as ptrace(2) lays them out on x86-64 (arch/x86/kernel/ptrace.c), and single steps. */
import * as errno from "../../abi/linux/errno.ts";
import { SIZEOF_USER, SIZEOF_USER_REGS, USER_DEBUGREG } from "../../abi/linux/ptrace.ts";
import {
  REG_EFLAGS,
  REG_FS_BASE,
  REG_GS_BASE,
  REG_R8,
  REG_R9,
  REG_R10,
  REG_R11,
  REG_R12,
  REG_R13,
  REG_R14,
  REG_R15,
  REG_RAX,
  REG_RBP,
  REG_RBX,
  REG_RCX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
  REG_RSP,
} from "../platform/platform.ts";
import { getDebugReg, setDebugReg } from "./hw_breakpoint.ts";
import type { Ptrace, PtraceStop } from "./ptrace.ts";
import type { Task } from "./task.ts";

// Members of struct user_regs_struct that Registers does not have.
const ORIG_RAX = -1;
const SEGMENT_CS = -2;
const SEGMENT_SS = -3;
const SEGMENT_NULL = -4;

/** struct user_regs_struct in order. */
const USER_REGS = [
  REG_R15,
  REG_R14,
  REG_R13,
  REG_R12,
  REG_RBP,
  REG_RBX,
  REG_R11,
  REG_R10,
  REG_R9,
  REG_R8,
  REG_RAX,
  REG_RCX,
  REG_RDX,
  REG_RSI,
  REG_RDI,
  ORIG_RAX,
  REG_RIP,
  SEGMENT_CS,
  REG_EFLAGS,
  REG_RSP,
  SEGMENT_SS,
  REG_FS_BASE,
  REG_GS_BASE,
  SEGMENT_NULL,
  SEGMENT_NULL,
  SEGMENT_NULL,
  SEGMENT_NULL,
] as const;

const USER_CS = 0x33;
const USER_SS = 0x2b;
const USER_RPL = 3;
const EFLAGS_TF = 0x100;
/** u_debugreg has eight members. */
const USER_DEBUGREG_END = USER_DEBUGREG + 64;
/** What a tracer may change of the flags: CF PF AF ZF SF TF DF OF NT RF AC. */
const EFLAGS_MASK = 0x54dd5;
/** TASK_SIZE_MAX, high word, with the low one. */
const TASK_SIZE_HIGH = 0x7fff;
const TASK_SIZE_LOW = 0xfffff000;

const FXSAVE_SIZE = 512;
/** Bytes of the FP state that say what it holds; ptrace has the features there (USER_XSTATE_XCR0_WORD). */
const SW_RESERVED = 464;
const SW_SIZE = 48;
const SW_XFEATURES = 8;
const MAGIC2_SIZE = 4;
const MXCSR = 24;
const MXCSR_MASK = 28;
const XSTATE_BV = 512;
const XSTATE_HEADER_END = 576;
const FEATURES_FP_SSE = 3;

/** A word of the user area, filled in by the getters. */
export interface UserWord {
  lo: number;
  hi: number;
}

/** Member i of struct user_regs_struct. */
function getUserReg(t: Task, s: PtraceStop, i: number, out: UserWord): void {
  const r = USER_REGS[i] ?? SEGMENT_NULL;
  out.hi = 0;
  switch (r) {
    case ORIG_RAX:
      out.lo = s.origLo;
      out.hi = s.origHi;
      break;
    case SEGMENT_CS:
      out.lo = USER_CS;
      break;
    case SEGMENT_SS:
      out.lo = USER_SS;
      break;
    case SEGMENT_NULL:
      out.lo = 0;
      break;
    default:
      out.lo = t.context.regs.words[2 * r] ?? 0;
      out.hi = t.context.regs.words[2 * r + 1] ?? 0;
  }
}

/** Sets member i of struct user_regs_struct. Returns 0 or -EIO. */
function putUserReg(t: Task, s: PtraceStop, i: number, lo: number, hi: number): number {
  const r = USER_REGS[i] ?? SEGMENT_NULL;
  const w = t.context.regs.words;
  switch (r) {
    case ORIG_RAX:
      s.origLo = lo >>> 0;
      s.origHi = hi >>> 0;
      return 0;
    case SEGMENT_CS:
    case SEGMENT_SS:
    case SEGMENT_NULL: {
      // Selectors that Linux takes are taken, but there is only one user segment of each kind.
      const selector = lo & 0xffff;
      if (selector === 0) return r === SEGMENT_NULL ? 0 : -errno.EIO;
      return (selector & 3) === USER_RPL ? 0 : -errno.EIO;
    }
    case REG_EFLAGS:
      w[2 * r] = ((w[2 * r] ?? 0) & ~EFLAGS_MASK) | (lo & EFLAGS_MASK);
      return 0;
    case REG_FS_BASE:
    case REG_GS_BASE:
      if (hi > TASK_SIZE_HIGH || (hi === TASK_SIZE_HIGH && lo >= TASK_SIZE_LOW)) return -errno.EIO;
      w[2 * r] = lo;
      w[2 * r + 1] = hi;
      return 0;
    default:
      w[2 * r] = lo;
      w[2 * r + 1] = hi;
      return 0;
  }
}

/** struct user_regs_struct as words. */
export function getUserRegs(t: Task, s: PtraceStop, dst: Uint32Array): void {
  const word: UserWord = { lo: 0, hi: 0 };
  for (let i = 0; i < SIZEOF_USER_REGS / 8; i++) {
    getUserReg(t, s, i, word);
    dst[2 * i] = word.lo;
    dst[2 * i + 1] = word.hi;
  }
}

/** Sets the first `count` members of struct user_regs_struct; stops at the first bad one. Returns 0 or -EIO. */
export function putUserRegs(t: Task, s: PtraceStop, src: Uint32Array, count: number): number {
  for (let i = 0; i < count; i++) {
    const r = putUserReg(t, s, i, src[2 * i] ?? 0, src[2 * i + 1] ?? 0);
    if (r < 0) return r;
  }
  return 0;
}

/** PTRACE_PEEKUSR. Returns 0 or -EIO. */
export function peekUser(t: Task, s: PtraceStop, p: Ptrace, off: number, out: UserWord): number {
  if (off % 8 !== 0 || off >= SIZEOF_USER) return -errno.EIO;
  out.lo = 0;
  out.hi = 0;
  if (off < SIZEOF_USER_REGS) getUserReg(t, s, off / 8, out);
  else if (off >= USER_DEBUGREG && off < USER_DEBUGREG_END) getDebugReg(p, (off - USER_DEBUGREG) / 8, out);
  return 0;
}

/** PTRACE_POKEUSR. Returns 0 or a negative errno. */
export function pokeUser(t: Task, s: PtraceStop, p: Ptrace, off: number, lo: number, hi: number): number {
  if (off % 8 !== 0 || off >= SIZEOF_USER) return -errno.EIO;
  if (off < SIZEOF_USER_REGS) return putUserReg(t, s, off / 8, lo, hi);
  if (off < USER_DEBUGREG || off >= USER_DEBUGREG_END) return -errno.EIO;
  return setDebugReg(t, p, (off - USER_DEBUGREG) / 8, lo, hi);
}

// ---- FP state

/** Size of the NT_X86_XSTATE register set. */
export function xstateSize(t: Task): number {
  return t.context.fpStateSize() - MAGIC2_SIZE;
}

/** The FP state as NT_X86_XSTATE gives it, in a buffer that the next call uses again. */
export function getXState(t: Task): Uint8Array {
  const { context } = t;
  const fp = t.kernel.fpBuffer(context.fpStateSize());
  context.getFPState(fp);
  const features = fp.slice(SW_RESERVED + SW_XFEATURES, SW_RESERVED + SW_XFEATURES + 8);
  fp.fill(0, SW_RESERVED, SW_RESERVED + SW_SIZE);
  fp.set(features, SW_RESERVED);
  return fp.subarray(0, fp.length - MAGIC2_SIZE);
}

/** The legacy part, as PTRACE_GETFPREGS gives it. */
export function getFXState(t: Task): Uint8Array {
  const fp = getXState(t);
  fp.fill(0, SW_RESERVED, SW_RESERVED + SW_SIZE);
  return fp.subarray(0, FXSAVE_SIZE);
}

/** Whether the control word of the vector unit has bits that the processor does not. */
function badMXCSR(src: DataView, own: DataView): boolean {
  return (src.getUint32(MXCSR, true) & ~own.getUint32(MXCSR_MASK, true)) !== 0;
}

function viewOf(b: Uint8Array): DataView {
  return new DataView(b.buffer, b.byteOffset, b.byteLength);
}

/** Replaces the legacy part of the FP state. Returns 0 or -EINVAL. */
export function putFXState(t: Task, src: Uint8Array): number {
  const { context } = t;
  const fp = t.kernel.fpBuffer(context.fpStateSize());
  context.getFPState(fp);
  if (badMXCSR(viewOf(src), viewOf(fp))) return -errno.EINVAL;
  fp.set(src.subarray(0, MXCSR_MASK));
  fp.set(src.subarray(MXCSR_MASK + 4, SW_RESERVED), MXCSR_MASK + 4);
  fp[XSTATE_BV] = (fp[XSTATE_BV] ?? 0) | FEATURES_FP_SSE;
  return context.setFPState(fp) ? 0 : -errno.EINVAL;
}

/** Replaces the FP state from an NT_X86_XSTATE register set of full size. Returns 0 or -EINVAL. */
export function putXState(t: Task, src: Uint8Array): number {
  const { context } = t;
  const fp = t.kernel.fpBuffer(context.fpStateSize());
  context.getFPState(fp);
  const from = viewOf(src);
  const own = viewOf(fp);
  const features = SW_RESERVED + SW_XFEATURES;
  for (let i = 0; i < 8; i += 4) {
    const known = own.getUint32(features + i, true);
    if ((from.getUint32(XSTATE_BV + i, true) & ~known) !== 0) return -errno.EINVAL;
  }
  // Only the standard format, and nothing in what is reserved.
  for (let i = XSTATE_BV + 8; i < XSTATE_HEADER_END; i++) if (src[i] !== 0) return -errno.EINVAL;
  if (badMXCSR(from, own)) return -errno.EINVAL;
  fp.set(src.subarray(0, MXCSR_MASK));
  fp.set(src.subarray(MXCSR_MASK + 4, SW_RESERVED), MXCSR_MASK + 4);
  fp.set(src.subarray(XSTATE_BV, fp.length - MAGIC2_SIZE), XSTATE_BV);
  return context.setFPState(fp) ? 0 : -errno.EINVAL;
}

// ---- single steps

/** Before a tracee goes on: sets the trap flag for a single step, noting whether the program has it set itself. */
export function showTrapFlag(t: Task, p: Ptrace): void {
  if (!p.step && !p.watching) return;
  const w = t.context.regs.words;
  const flags = w[2 * REG_EFLAGS] ?? 0;
  p.forcedTrapFlag = (flags & EFLAGS_TF) === 0;
  w[2 * REG_EFLAGS] = flags | EFLAGS_TF;
}

/** When its registers are known again: nobody is to see a trap flag that is ours. Returns whether there was one. */
export function hideTrapFlag(t: Task, p: Ptrace): boolean {
  if (!p.forcedTrapFlag) return false;
  p.forcedTrapFlag = false;
  const w = t.context.regs.words;
  w[2 * REG_EFLAGS] = (w[2 * REG_EFLAGS] ?? 0) & ~EFLAGS_TF;
  return true;
}

/** A single step ends early, at the first instruction of a signal handler. Returns whether there was one. */
export function endStep(p: Ptrace): boolean {
  const was = p.step;
  p.step = false;
  return was;
}
