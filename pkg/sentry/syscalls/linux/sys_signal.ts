import { CAP_KILL } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import * as linux from "../../../abi/linux/signal.ts";
import { NSEC_PER_SEC } from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { altStackState, popSignalFrame } from "../../arch/index.ts";
import { SignalInfo } from "../../arch/signal_info.ts";
import type { Credentials } from "../../kernel/auth/index.ts";
import * as sigset from "../../kernel/signal_set.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { dequeueOf, discardFromGroup, forceSignal } from "../../kernel/task_signals.ts";
import { runSigreturn } from "../../kernel/task_syscall.ts";
import type { ThreadGroup } from "../../kernel/thread_group.ts";
import { EventSyscall, REG_RAX, REG_RSP } from "../../platform/platform.ts";

/** Offset and value of the first magic in the FP state of a signal frame. */
const FP_SW_RESERVED = 464;
const FP_XSTATE_MAGIC1 = 0x46505853;
const FXSAVE_SIZE = 512;

// ---- actions and masks

/** rt_sigaction(2). */
export function rtSigaction(t: Task, args: SyscallArguments): number {
  const sig = args.i32(0);
  const newAddr = args.u64(1);
  const oldAddr = args.u64(2);
  if (args.u64(3) !== linux.SIGNAL_SET_SIZE) return -errno.EINVAL;
  const k = t.kernel;
  if (newAddr !== 0) t.copyIn(newAddr, k.scratch, 0, linux.SIGACTION_SIZE);
  if (sig < 1 || sig > linux.NSIG) return -errno.EINVAL;
  if (newAddr !== 0 && sigset.contains(sigset.UNBLOCKABLE_LO, 0, sig)) return -errno.EINVAL;
  const tg = t.threadGroup;
  const handlers = tg.signalHandlers;
  if (newAddr === 0) {
    // Whoever starts a program asks for all of them.
    if (oldAddr !== 0) t.copyOut(oldAddr, handlers.bytesOf(sig), 0, linux.SIGACTION_SIZE);
    return 0;
  }
  const action = handlers.get(sig);
  const old = oldAddr === 0 ? null : action.bytes().slice();
  action.assign(k.scratch);
  if (handlers.ignores(sig)) discardFromGroup(tg, sigset.bitLo(sig), sigset.bitHi(sig));
  if (old !== null) t.copyOut(oldAddr, old);
  return 0;
}

/** rt_sigprocmask(2). */
export function rtSigprocmask(t: Task, args: SyscallArguments): number {
  const newAddr = args.u64(1);
  const oldAddr = args.u64(2);
  if (args.u64(3) !== linux.SIGNAL_SET_SIZE) return -errno.EINVAL;
  const w = t.kernel.scratchWords;
  const oldLo = t.maskLo;
  const oldHi = t.maskHi;
  if (newAddr !== 0) {
    t.copyIn(newAddr, t.kernel.scratch, 0, 8);
    const lo = (w[0] ?? 0) & ~sigset.UNBLOCKABLE_LO;
    const hi = w[1] ?? 0;
    switch (args.i32(0)) {
      case linux.SIG_BLOCK:
        t.setSignalMask(oldLo | lo, oldHi | hi);
        break;
      case linux.SIG_UNBLOCK:
        t.setSignalMask(oldLo & ~lo, oldHi & ~hi);
        break;
      case linux.SIG_SETMASK:
        t.setSignalMask(lo, hi);
        break;
      default:
        return -errno.EINVAL;
    }
  }
  if (oldAddr !== 0) {
    w[0] = oldLo;
    w[1] = oldHi;
    t.copyOut(oldAddr, t.kernel.scratch, 0, 8);
  }
  return 0;
}

/** rt_sigpending(2). */
export function rtSigpending(t: Task, args: SyscallArguments): number {
  const size = args.u64(1);
  if (size > linux.SIGNAL_SET_SIZE) return -errno.EINVAL;
  const w = t.kernel.scratchWords;
  w[0] = (t.pending.lo | t.threadGroup.pending.lo) & t.maskLo;
  w[1] = (t.pending.hi | t.threadGroup.pending.hi) & t.maskHi;
  t.copyOut(args.u64(0), t.kernel.scratch, 0, size);
  return 0;
}

/** rt_sigsuspend(2). */
export function rtSigsuspend(t: Task, args: SyscallArguments): SyscallResult {
  if (args.u64(1) !== linux.SIGNAL_SET_SIZE) return -errno.EINVAL;
  t.copyIn(args.u64(0), t.kernel.scratch, 0, 8);
  const w = t.kernel.scratchWords;
  t.setTemporarySignalMask(w[0] ?? 0, w[1] ?? 0);
  return waitForSignal(t);
}

/** pause(2). */
export function pause(t: Task, _args: SyscallArguments): SyscallResult {
  return waitForSignal(t);
}

function* waitForSignal(t: Task): SyscallGenerator {
  while ((yield t.block(Number.POSITIVE_INFINITY)) !== WAKE_INTERRUPT);
  return -errno.ERESTARTNOHAND;
}

/** rt_sigtimedwait(2). */
export function rtSigtimedwait(t: Task, args: SyscallArguments): SyscallResult {
  const infoAddr = args.u64(1);
  const timeoutAddr = args.u64(2);
  if (args.u64(3) !== linux.SIGNAL_SET_SIZE) return -errno.EINVAL;
  const w = t.kernel.scratchWords;
  t.copyIn(args.u64(0), t.kernel.scratch, 0, 8);
  const lo = ((w[0] ?? 0) & ~sigset.UNBLOCKABLE_LO) >>> 0;
  const hi = w[1] ?? 0;
  let timeout = Number.POSITIVE_INFINITY;
  if (timeoutAddr !== 0) {
    t.copyIn(timeoutAddr, t.kernel.scratch, 0, 16);
    const sec = ((w[1] ?? 0) | 0) * 4294967296 + (w[0] ?? 0);
    const nsec = ((w[3] ?? 0) | 0) * 4294967296 + (w[2] ?? 0);
    if (sec < 0 || nsec < 0 || nsec >= NSEC_PER_SEC) return -errno.EINVAL;
    timeout = sec * NSEC_PER_SEC + nsec;
  }
  const info = dequeueOf(t, lo, hi);
  if (info !== null) return signalTaken(t, info, infoAddr);
  if (timeout === 0) return -errno.EAGAIN;
  return waitForSet(t, lo, hi, infoAddr, timeout);
}

function* waitForSet(t: Task, lo: number, hi: number, infoAddr: number, timeout: number): SyscallGenerator {
  const deadline = timeout === Number.POSITIVE_INFINITY ? timeout : t.kernel.monotonicNow() + timeout;
  t.waitSetLo = lo;
  t.waitSetHi = hi;
  try {
    for (;;) {
      const why = yield t.block(deadline);
      const info = dequeueOf(t, lo, hi);
      if (info !== null) return signalTaken(t, info, infoAddr);
      if (why === WAKE_TIMEOUT) return -errno.EAGAIN;
      if (why === WAKE_INTERRUPT) return -errno.EINTR;
    }
  } finally {
    t.waitSetLo = 0;
    t.waitSetHi = 0;
  }
}

function signalTaken(t: Task, info: SignalInfo, infoAddr: number): number {
  if (infoAddr !== 0) copyOutSignalInfo(t, infoAddr, info);
  return info.signo;
}

/** Stores a siginfo_t. */
export function copyOutSignalInfo(t: Task, addr: number, info: SignalInfo): void {
  info.writeTo(t.kernel.scratch, 0);
  t.copyOut(addr, t.kernel.scratch, 0, linux.SIGINFO_SIZE);
}

// ---- stacks and frames

/** sigaltstack(2). */
export function sigaltstack(t: Task, args: SyscallArguments): number {
  const newAddr = args.u64(0);
  const oldAddr = args.u64(1);
  const w = t.kernel.scratchWords;
  const sp = t.context.event === EventSyscall ? 0 : t.context.regs.get(REG_RSP);
  const oldStack = t.altStackAddr;
  const oldSize = t.altStackSize;
  const oldFlags = (altStackState(t, sp) | (t.altStackFlags & linux.SS_AUTODISARM)) >>> 0;
  if (newAddr !== 0) {
    t.copyIn(newAddr, t.kernel.scratch, 0, linux.STACK_T_SIZE);
    const addr = (w[1] ?? 0) * 4294967296 + (w[0] ?? 0);
    const size = (w[5] ?? 0) * 4294967296 + (w[4] ?? 0);
    const r = setAltStack(t, sp, addr, size, w[2] ?? 0);
    if (r < 0) return r;
  }
  if (oldAddr !== 0) {
    w.fill(0, 0, 6);
    w[0] = oldStack;
    w[1] = Math.floor(oldStack / 4294967296);
    w[2] = oldFlags;
    w[4] = oldSize;
    w[5] = Math.floor(oldSize / 4294967296);
    t.copyOut(oldAddr, t.kernel.scratch, 0, linux.STACK_T_SIZE);
  }
  return 0;
}

/** Installs an alternate stack: 0, -EPERM while the thread runs on the old one, -EINVAL, -ENOMEM. */
function setAltStack(t: Task, sp: number, addr: number, size: number, flags: number): number {
  if (altStackState(t, sp) === linux.SS_ONSTACK) return -errno.EPERM;
  const mode = (flags & ~linux.SS_AUTODISARM) >>> 0;
  if (mode !== 0 && mode !== linux.SS_ONSTACK && mode !== linux.SS_DISABLE) return -errno.EINVAL;
  if (t.altStackAddr === addr && t.altStackSize === size && t.altStackFlags === flags) return 0;
  if (mode === linux.SS_DISABLE) {
    t.altStackAddr = 0;
    t.altStackSize = 0;
  } else {
    if (size < linux.MINSIGSTKSZ) return -errno.ENOMEM;
    t.altStackAddr = addr;
    t.altStackSize = size;
  }
  t.altStackFlags = flags;
  return 0;
}

/** rt_sigreturn(2). */
export function rtSigreturn(t: Task, _args: SyscallArguments): number {
  const ctx = t.context;
  t.nextState = runSigreturn;
  const frame = popSignalFrame(ctx.regs, t.mm, t.kernel.frameBuffer);
  if (frame === null || !restoreFPState(t, frame.fpAddr)) {
    forceSignal(t, SignalInfo.kernel(linux.SIGSEGV), false);
    return 0;
  }
  t.setSignalMask(frame.maskLo, frame.maskHi);
  setAltStack(t, ctx.regs.get(REG_RSP), frame.altStackAddr, frame.altStackSize, frame.altStackFlags);
  return ctx.regs.get(REG_RAX);
}

/** Restores the FP state of a frame. A state without the extended part restores the legacy registers only, as on Linux. */
function restoreFPState(t: Task, addr: number): boolean {
  const ctx = t.context;
  if (addr === 0) {
    ctx.resetFPState();
    return true;
  }
  const fp = t.kernel.fpBuffer(ctx.fpStateSize());
  try {
    t.copyIn(addr, fp, 0, FXSAVE_SIZE);
    const extended = new DataView(fp.buffer, fp.byteOffset).getUint32(FP_SW_RESERVED, true) === FP_XSTATE_MAGIC1;
    if (extended) {
      t.copyIn(addr + FXSAVE_SIZE, fp, FXSAVE_SIZE, fp.length - FXSAVE_SIZE);
      if (ctx.setFPState(fp)) return true;
    }
  } catch (e) {
    t.kernel.errnoOf(e, t);
    return false;
  }
  const legacy = fp.slice(0, FP_SW_RESERVED);
  ctx.resetFPState();
  ctx.getFPState(fp);
  fp.set(legacy);
  // XSTATE_BV: x87 and SSE state are in use.
  fp[FXSAVE_SIZE] = (fp[FXSAVE_SIZE] ?? 0) | 3;
  return ctx.setFPState(fp);
}

/** restart_syscall(2). */
export function restartSyscall(t: Task, _args: SyscallArguments): SyscallResult {
  const r = t.restartBlock;
  return r === null ? -errno.EINTR : r.restart(t);
}

// ---- sending

/** Whether `creds` may signal a task by their ids alone (kill(2)). */
function mayKill(creds: Credentials, target: Task): boolean {
  const c = target.creds;
  return (
    creds.effectiveKUID === c.savedKUID ||
    creds.effectiveKUID === c.realKUID ||
    creds.realKUID === c.savedKUID ||
    creds.realKUID === c.realKUID ||
    creds.hasCapabilityIn(CAP_KILL, c.userNamespace)
  );
}

/** 0, -EINVAL for a signal that does not exist, or -EPERM. */
export function checkKill(t: Task, target: Task, sig: number): number {
  if (sig < 0 || sig > linux.NSIG) return -errno.EINVAL;
  if (t.threadGroup === target.threadGroup || mayKill(t.creds, target)) return 0;
  if (sig === linux.SIGCONT && t.threadGroup.processGroup.session === target.threadGroup.processGroup.session) return 0;
  return -errno.EPERM;
}

/** The siginfo of a signal that t sends, as `target` sees it. */
function userInfo(t: Task, target: Task, sig: number, code: number): SignalInfo {
  const pid = target.pidNamespace.idOfThreadGroup(t.threadGroup);
  return SignalInfo.user(sig, code, pid, target.creds.userNamespace.uidOrOverflow(t.creds.realKUID));
}

/** Sends to a process after checking. `target` is one of its threads. */
function killGroup(t: Task, target: Task, sig: number): number {
  const r = checkKill(t, target, sig);
  if (r < 0 || sig === 0) return r;
  // A sender outside the target's namespace reaches even init.
  const outside = target.pidNamespace !== t.pidNamespace && t.pidNamespace.contains(target.pidNamespace);
  const info = userInfo(t, target, sig, linux.SI_USER);
  return outside ? target.threadGroup.sendExternalSignal(info) : target.threadGroup.sendSignal(info);
}

/** kill(2). */
export function kill(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const sig = args.i32(1);
  const ns = t.pidNamespace;
  if (pid > 0) {
    const target = ns.taskWithID(pid);
    return target === null ? -errno.ESRCH : killGroup(t, target, sig);
  }
  if (pid === -2147483648) return -errno.ESRCH;
  if (pid === -1) {
    let found = false;
    let result = 0;
    for (const tg of ns.threadGroups()) {
      if (tg === t.threadGroup || ns.idOfThreadGroup(tg) <= 1) continue;
      const r = killGroup(t, tg.leader, sig);
      if (r !== -errno.EPERM) result = r;
      found = true;
    }
    return found ? result : -errno.ESRCH;
  }
  const pg = pid === 0 ? t.threadGroup.processGroup : ns.processGroups.get(-pid);
  if (pg === undefined) return -errno.ESRCH;
  let success = false;
  let result = -errno.ESRCH;
  for (const tg of [...pg.threadGroups]) {
    result = killGroup(t, tg.leader, sig);
    if (result === 0) success = true;
  }
  return success ? 0 : result;
}

/** tkill(2). */
export function tkill(t: Task, args: SyscallArguments): number {
  const tid = args.i32(0);
  if (tid <= 0) return -errno.EINVAL;
  return killThread(t, 0, tid, args.i32(1), null);
}

/** tgkill(2). */
export function tgkill(t: Task, args: SyscallArguments): number {
  const tgid = args.i32(0);
  const tid = args.i32(1);
  if (tgid <= 0 || tid <= 0) return -errno.EINVAL;
  return killThread(t, tgid, tid, args.i32(2), null);
}

/** Sends to one thread; `info` null: SI_TKILL. */
function killThread(t: Task, tgid: number, tid: number, sig: number, info: SignalInfo | null): number {
  const ns = t.pidNamespace;
  const target = ns.taskWithID(tid);
  if (target === null) return -errno.ESRCH;
  if (tgid !== 0 && ns.idOfThreadGroup(target.threadGroup) !== tgid) return -errno.ESRCH;
  const r = checkKill(t, target, sig);
  if (r < 0 || sig === 0) return r;
  return target.sendSignal(info ?? userInfo(t, target, sig, linux.SI_TKILL));
}

/** Reads a siginfo for sending. EPERM for codes that only the kernel uses, unless the receiver is the sender itself. */
export function copyInSignalInfo(t: Task, addr: number, sig: number, toSelf: boolean): SignalInfo {
  t.copyIn(addr, t.kernel.scratch, 0, linux.SIGINFO_SIZE);
  const info = SignalInfo.fromBytes(t.kernel.scratch);
  info.words[0] = sig;
  if ((info.code >= 0 || info.code === linux.SI_TKILL) && !toSelf) throw linuxerr.EPERM;
  return info;
}

/** rt_sigqueueinfo(2). */
export function rtSigqueueinfo(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const sig = args.i32(1);
  const info = copyInSignalInfo(t, args.u64(2), sig, pid === t.tid);
  const target = t.pidNamespace.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  const r = checkKill(t, target, sig);
  if (r < 0 || sig === 0) return r;
  return target.threadGroup.sendSignal(info);
}

/** rt_tgsigqueueinfo(2). */
export function rtTgsigqueueinfo(t: Task, args: SyscallArguments): number {
  const tgid = args.i32(0);
  const tid = args.i32(1);
  const sig = args.i32(2);
  const info = copyInSignalInfo(t, args.u64(3), sig, tid === t.tid);
  if (tgid <= 0 || tid <= 0) return -errno.EINVAL;
  return killThread(t, tgid, tid, sig, info);
}

/** Sends a signal to a process for pidfd_send_signal(2): `info` null is what kill(2) sends. */
export function signalGroup(t: Task, tg: ThreadGroup, sig: number, info: SignalInfo | null): number {
  if (info === null) return killGroup(t, tg.leader, sig);
  const r = checkKill(t, tg.leader, sig);
  return r < 0 || sig === 0 ? r : tg.sendSignal(info);
}

/** Sends a signal to a thread for pidfd_send_signal(2). */
export function signalThread(t: Task, target: Task, sig: number, info: SignalInfo | null): number {
  return killThread(t, 0, t.pidNamespace.idOfTask(target), sig, info);
}
