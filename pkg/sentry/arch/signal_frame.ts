import {
  SA_ONSTACK,
  SA_RESTORER,
  SA_SIGINFO,
  SIGINFO_SIZE,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
} from "../../abi/linux/signal.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import {
  REG_COUNT,
  REG_EFLAGS,
  REG_FS_BASE,
  REG_RAX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
  REG_RSP,
  type Registers,
} from "../platform/platform.ts";
import type { IO } from "../usermem/index.ts";
import type { SignalInfo } from "./signal_info.ts";

// struct rt_sigframe: pretcode, struct ucontext, siginfo; then, at the next multiple of 64 above, the FP state
// (arch/x86/include/asm/sigframe.h, include/uapi/asm/{ucontext,sigcontext}.h). Offsets in 32-bit words.
const W_PRETCODE = 0;
const W_UC_FLAGS = 2;
const W_UC_STACK = 6;
const W_MCONTEXT = 12;
const W_SEGMENTS = W_MCONTEXT + 36;
const W_ERR = W_MCONTEXT + 38;
const W_TRAPNO = W_MCONTEXT + 40;
const W_OLDMASK = W_MCONTEXT + 42;
const W_CR2 = W_MCONTEXT + 44;
const W_FPSTATE = W_MCONTEXT + 46;
const W_SIGMASK = W_MCONTEXT + 64;
const UCONTEXT_OFFSET = 8;
const UCONTEXT_SIZE = 304;
const SIGINFO_OFFSET = UCONTEXT_OFFSET + UCONTEXT_SIZE;
const FRAME_SIZE = SIGINFO_OFFSET + SIGINFO_SIZE;
/** What a sigreturn reads: up to the end of the ucontext. */
const SIGRETURN_SIZE = SIGINFO_OFFSET;
/** The general registers of sigcontext have the order of Registers. */
const SIGCONTEXT_REGS = REG_FS_BASE;

const RED_ZONE = 128;
const USER_CS = 0x33;
const USER_DS = 0x2b;
/** UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS. */
const UC_FLAGS = 7;

const EFLAGS_CF = 0x1;
const EFLAGS_PF = 0x4;
const EFLAGS_AF = 0x10;
const EFLAGS_ZF = 0x40;
const EFLAGS_SF = 0x80;
const EFLAGS_TF = 0x100;
const EFLAGS_DF = 0x400;
const EFLAGS_OF = 0x800;
const EFLAGS_RF = 0x10000;
const EFLAGS_AC = 0x40000;
/** What a guest may change by sigreturn (FIX_EFLAGS). */
const EFLAGS_USER =
  EFLAGS_AC | EFLAGS_OF | EFLAGS_DF | EFLAGS_TF | EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF | EFLAGS_RF;

/** An alternate signal stack as sigaltstack(2) stored it. */
export interface AltStack {
  altStackAddr: number;
  altStackSize: number;
  altStackFlags: number;
}

/** What the processor said about the last fault of a thread. */
export interface TrapInfo {
  trapErr: number;
  trapNo: number;
  trapAddr: number;
}

/** Whether sp lies on the alternate stack, armed or not. */
export function isOnAltStack(a: AltStack, sp: number): boolean {
  return sp > a.altStackAddr && sp - a.altStackAddr <= a.altStackSize;
}

/** SS_DISABLE, SS_ONSTACK or 0, as sigaltstack(2) reports the state. An SS_AUTODISARM stack is never "on". */
export function altStackState(a: AltStack, sp: number): number {
  if (a.altStackSize === 0) return SS_DISABLE;
  if ((a.altStackFlags & SS_AUTODISARM) !== 0) return 0;
  return isOnAltStack(a, sp) ? SS_ONSTACK : 0;
}

/** Inputs of pushSignalFrame. */
export interface FrameArgs {
  regs: Registers;
  io: IO;
  /** The FP state as Context.getFPState gives it. */
  fpState: Uint8Array;
  handler: number;
  restorer: number;
  /** sa_flags. */
  flags: number;
  info: SignalInfo;
  /** The mask that the handler's return restores. */
  maskLo: number;
  maskHi: number;
  altStack: AltStack;
  trap: TrapInfo;
}

/** Room to build a frame in, one per kernel. */
export class FrameBuffer {
  readonly words: Uint32Array = new Uint32Array(FRAME_SIZE / 4);
  readonly bytes: Uint8Array = new Uint8Array(this.words.buffer);
}

/**
 * Puts a signal frame on the guest's stack and points the registers at the handler. Returns false, with registers
 * unchanged, when the frame cannot be written: the caller then forces SIGSEGV.
 */
export function pushSignalFrame(a: FrameArgs, buf: FrameBuffer): boolean {
  // Without a restorer the handler could not return: Linux refuses on x86-64.
  if ((a.flags & SA_RESTORER) === 0) return false;
  const regs = a.regs;
  const oldSP = regs.get(REG_RSP);
  let sp = oldSP - RED_ZONE;
  const nested = altStackState(a.altStack, oldSP) === SS_ONSTACK;
  let entering = false;
  if ((a.flags & SA_ONSTACK) !== 0 && altStackState(a.altStack, sp) === 0) {
    sp = a.altStack.altStackAddr + a.altStack.altStackSize;
    entering = true;
  }
  const fpAddr = alignDown(sp - a.fpState.length, 64);
  const frame = alignDown(fpAddr - FRAME_SIZE, 16) - 8;
  if (frame <= 0 || !Number.isSafeInteger(frame)) return false;
  if ((nested || entering) && !isOnAltStack(a.altStack, frame)) return false;

  const w = buf.words;
  w.fill(0);
  put64(w, W_PRETCODE, a.restorer);
  w[W_UC_FLAGS] = UC_FLAGS;
  put64(w, W_UC_STACK, a.altStack.altStackAddr);
  w[W_UC_STACK + 2] = a.altStack.altStackFlags;
  put64(w, W_UC_STACK + 4, a.altStack.altStackSize);
  for (let i = 0; i < SIGCONTEXT_REGS * 2; i++) w[W_MCONTEXT + i] = regs.words[i] ?? 0;
  w[W_SEGMENTS] = USER_CS;
  w[W_SEGMENTS + 1] = USER_DS << 16;
  w[W_ERR] = a.trap.trapErr;
  w[W_TRAPNO] = a.trap.trapNo;
  w[W_OLDMASK] = a.maskLo;
  w[W_OLDMASK + 1] = a.maskHi;
  put64(w, W_CR2, a.trap.trapAddr);
  put64(w, W_FPSTATE, fpAddr);
  w[W_SIGMASK] = a.maskLo;
  w[W_SIGMASK + 1] = a.maskHi;
  let size = SIGINFO_OFFSET;
  if ((a.flags & SA_SIGINFO) !== 0) {
    a.info.writeTo(buf.bytes, SIGINFO_OFFSET);
    size = FRAME_SIZE;
  }
  if (!tryCopyOut(a.io, fpAddr, a.fpState, a.fpState.length)) return false;
  if (!tryCopyOut(a.io, frame, buf.bytes, size)) return false;

  regs.set(REG_RDI, a.info.signo);
  regs.set(REG_RSI, frame + SIGINFO_OFFSET);
  regs.set(REG_RDX, frame + UCONTEXT_OFFSET);
  regs.set(REG_RAX, 0);
  regs.set(REG_RIP, a.handler);
  regs.set(REG_RSP, frame);
  regs.words[2 * REG_EFLAGS] = (regs.words[2 * REG_EFLAGS] ?? 0) & ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
  return true;
}

/** What rt_sigreturn takes from a frame besides the registers. */
export interface RestoredFrame {
  maskLo: number;
  maskHi: number;
  /** Address of the FP state, 0 for none. */
  fpAddr: number;
  altStackAddr: number;
  altStackSize: number;
  altStackFlags: number;
}

/**
 * Undoes pushSignalFrame when the handler returned (rsp is just above the return address): restores the general
 * registers and says what else the frame holds. Null when the frame cannot be read or names a code segment that is not ours.
 */
export function popSignalFrame(regs: Registers, io: IO, buf: FrameBuffer): RestoredFrame | null {
  const frame = regs.get(REG_RSP) - 8;
  if (!tryCopyIn(io, frame, buf.bytes, SIGRETURN_SIZE)) return null;
  const w = buf.words;
  const cs = (w[W_SEGMENTS] ?? 0) & 0xffff;
  if ((cs | 3) !== USER_CS) return null;
  const r = regs.words;
  const flags = r[2 * REG_EFLAGS] ?? 0;
  for (let i = 0; i < SIGCONTEXT_REGS * 2; i++) r[i] = w[W_MCONTEXT + i] ?? 0;
  r[2 * REG_EFLAGS] = (flags & ~EFLAGS_USER) | ((r[2 * REG_EFLAGS] ?? 0) & EFLAGS_USER);
  r[2 * REG_EFLAGS + 1] = 0;
  return {
    maskLo: w[W_SIGMASK] ?? 0,
    maskHi: w[W_SIGMASK + 1] ?? 0,
    fpAddr: get64(w, W_FPSTATE),
    altStackAddr: get64(w, W_UC_STACK),
    altStackFlags: w[W_UC_STACK + 2] ?? 0,
    altStackSize: get64(w, W_UC_STACK + 4),
  };
}

/** Copies a register set: clone. */
export function copyRegisters(dst: Registers, src: Registers): void {
  for (let i = 0; i < REG_COUNT * 2; i++) dst.words[i] = src.words[i] ?? 0;
}

function alignDown(n: number, to: number): number {
  return n - (((n % to) + to) % to);
}

function put64(w: Uint32Array, i: number, v: number): void {
  w[i] = v;
  w[i + 1] = Math.floor(v / 4294967296);
}

function get64(w: Uint32Array, i: number): number {
  return (w[i + 1] ?? 0) * 4294967296 + (w[i] ?? 0);
}

function tryCopyOut(io: IO, addr: number, src: Uint8Array, len: number): boolean {
  try {
    return io.copyOut(addr, src, 0, len) === len;
  } catch (e) {
    if (e instanceof LinuxError) return false;
    throw e;
  }
}

function tryCopyIn(io: IO, addr: number, dst: Uint8Array, len: number): boolean {
  try {
    return io.copyIn(addr, dst, 0, len) === len;
  } catch (e) {
    if (e instanceof LinuxError) return false;
    throw e;
  }
}
