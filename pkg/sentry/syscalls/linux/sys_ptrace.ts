/** ptrace(2). */
import { CAP_SYS_ADMIN, CAP_SYS_PTRACE } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { ARCH_GET_FS, ARCH_GET_GS, ARCH_SET_FS, ARCH_SET_GS } from "../../../abi/linux/prctl.ts";
import * as linux from "../../../abi/linux/ptrace.ts";
import { AUDIT_ARCH_X86_64, SECCOMP_MODE_DISABLED, SECCOMP_MODE_FILTER } from "../../../abi/linux/seccomp.ts";
import { NSIG, SIGINFO_SIZE, SIGKILL, SIGTRAP } from "../../../abi/linux/signal.ts";
import { encode } from "../../../bpf/index.ts";
import { SignalInfo } from "../../arch/signal_info.ts";
import type { PendingSignals } from "../../kernel/pending_signals.ts";
import {
  attachPtrace,
  isPtraceStopped,
  linkPtrace,
  PTRACE_MODE_CONT,
  PTRACE_MODE_SYSCALL,
  PTRACE_MODE_SYSEMU,
  Ptrace,
  type PtraceStop,
  resumePtrace,
  wakeListening,
} from "../../kernel/ptrace.ts";
import {
  getFXState,
  getUserRegs,
  getXState,
  peekUser,
  pokeUser,
  putFXState,
  putUserRegs,
  putXState,
  xstateSize,
} from "../../kernel/ptrace_amd64.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task, TaskExitZombie } from "../../kernel/task.ts";
import { detachPtrace } from "../../kernel/task_exit.ts";
import { JOBCTL_LISTENING, JOBCTL_TRAP_NOTIFY, JOBCTL_TRAP_STOP, setJobctlPending } from "../../kernel/task_signals.ts";
import { ARGUMENT_REGISTERS } from "../../kernel/task_syscall.ts";
import { REG_FS_BASE, REG_GS_BASE, REG_RAX, REG_RIP, REG_RSP } from "../../platform/platform.ts";
import { mayAttach } from "./sys_pidfd.ts";

const WORD = 8;
const SIZEOF_SIGSET = 8;
const SIZEOF_FXREGS = 512;
const MAX_ERRNO = 4095;
/** Sizes of struct ptrace_syscall_info up to the last member of each kind. */
const INFO_NONE_SIZE = 24;
const INFO_ENTRY_SIZE = 80;
const INFO_EXIT_SIZE = 33;
const INFO_SECCOMP_SIZE = 84;
/** Most siginfos that one PTRACE_PEEKSIGINFO copies; the caller asks again. */
const SIGINFO_BATCH = 128;

/** ptrace(request, pid, addr, data). */
export function ptrace(t: Task, args: SyscallArguments): number {
  const request = args.u64(0);
  if (request === linux.PTRACE_TRACEME) return traceme(t);
  const target = t.pidNamespace.taskWithID(args.i32(1));
  if (target === null) return -errno.ESRCH;
  if (request === linux.PTRACE_ATTACH) return attach(t, target, false, 0);
  if (request === linux.PTRACE_SEIZE) return seize(t, target, args);
  const p = target.ptrace;
  if (p === null || p.tracer !== t) return -errno.ESRCH;
  if (request === linux.PTRACE_KILL) {
    target.sendSignal(SignalInfo.user(SIGKILL, 0, t.tgid, t.creds.userNamespace.uidOrOverflow(t.creds.realKUID)));
    return 0;
  }
  if (request === linux.PTRACE_INTERRUPT) return interrupt(target, p);
  const s = target.ptraceStop;
  if (s === null || !isPtraceStopped(target)) return -errno.ESRCH;
  return stopped(t, target, p, s, request, args);
}

// ---- beginning and end

/** PTRACE_TRACEME: the parent becomes the tracer. */
function traceme(t: Task): number {
  if (t.ptrace !== null) return -errno.EPERM;
  const { parent } = t.threadGroup;
  if (parent !== null && !parent.isExiting()) linkPtrace(t, new Ptrace(parent, t.creds, false));
  return 0;
}

/** PTRACE_SEIZE. */
function seize(t: Task, target: Task, args: SyscallArguments): number {
  const options = args.u64(3);
  if (args.u64(2) !== 0) return -errno.EIO;
  if (options > 0xffffffff || (options & ~linux.PTRACE_O_MASK) !== 0) return -errno.EIO;
  const bad = checkOptions(t, options);
  return bad !== 0 ? bad : attach(t, target, true, options);
}

function attach(t: Task, target: Task, seized: boolean, options: number): number {
  if (target.threadGroup === t.threadGroup || !mayAttach(t, target)) return -errno.EPERM;
  if (target.exitState >= TaskExitZombie || target.ptrace !== null) return -errno.EPERM;
  const p = new Ptrace(t, t.creds, seized);
  p.options = options;
  attachPtrace(target, p);
  return 0;
}

/** Whether options may be set: 0 or a negative errno. */
function checkOptions(t: Task, options: number): number {
  if ((options & ~linux.PTRACE_O_MASK) !== 0) return -errno.EINVAL;
  if ((options & linux.PTRACE_O_SUSPEND_SECCOMP) === 0) return 0;
  const suspended = ((t.ptrace?.options ?? 0) & linux.PTRACE_O_SUSPEND_SECCOMP) !== 0;
  if (!t.creds.capable(CAP_SYS_ADMIN)) return -errno.EPERM;
  return t.seccompMode !== SECCOMP_MODE_DISABLED || suspended ? -errno.EPERM : 0;
}

/** PTRACE_INTERRUPT. */
function interrupt(target: Task, p: Ptrace): number {
  if (!p.seized) return -errno.EIO;
  if (target.exitState >= TaskExitZombie) return -errno.EIO;
  if (setJobctlPending(target, JOBCTL_TRAP_STOP)) wakeListening(target);
  return 0;
}

// ---- requests to a stopped tracee

function stopped(t: Task, target: Task, p: Ptrace, s: PtraceStop, request: number, args: SyscallArguments): number {
  const addr = args.u64(2);
  const data = args.u64(3);
  switch (request) {
    case linux.PTRACE_PEEKTEXT:
    case linux.PTRACE_PEEKDATA:
      return peekData(t, target, p, addr, data);
    case linux.PTRACE_POKETEXT:
    case linux.PTRACE_POKEDATA:
      return pokeData(t, target, p, addr, args);
    case linux.PTRACE_PEEKUSR: {
      const word = { lo: 0, hi: 0 };
      const r = peekUser(target, s, p, addr, word);
      if (r === 0) putWord(t, data, word.lo, word.hi);
      return r;
    }
    case linux.PTRACE_POKEUSR:
      return pokeUser(target, s, p, addr, args.words[6] ?? 0, args.words[7] ?? 0);
    case linux.PTRACE_CONT:
      return resume(target, s, PTRACE_MODE_CONT, false, data);
    case linux.PTRACE_SYSCALL:
      return resume(target, s, PTRACE_MODE_SYSCALL, false, data);
    case linux.PTRACE_SINGLESTEP:
      return resume(target, s, PTRACE_MODE_CONT, true, data);
    case linux.PTRACE_SYSEMU:
      return resume(target, s, PTRACE_MODE_SYSEMU, false, data);
    case linux.PTRACE_SYSEMU_SINGLESTEP:
      return resume(target, s, PTRACE_MODE_SYSEMU, true, data);
    case linux.PTRACE_DETACH:
      if (data > NSIG) return -errno.EIO;
      s.signal = data;
      detachPtrace(target, t);
      return 0;
    case linux.PTRACE_LISTEN:
      return listen(target, p, s);
    case linux.PTRACE_GETREGS:
      return getRegset(t, target, s, linux.NT_PRSTATUS, data, linux.SIZEOF_USER_REGS);
    case linux.PTRACE_SETREGS:
      return setRegset(t, target, s, linux.NT_PRSTATUS, data, linux.SIZEOF_USER_REGS);
    case linux.PTRACE_GETFPREGS:
      return getRegset(t, target, s, linux.NT_PRFPREG, data, SIZEOF_FXREGS);
    case linux.PTRACE_SETFPREGS:
      return setRegset(t, target, s, linux.NT_PRFPREG, data, SIZEOF_FXREGS);
    case linux.PTRACE_GETREGSET:
    case linux.PTRACE_SETREGSET:
      return regset(t, target, s, request, addr, data);
    case linux.PTRACE_ARCH_PRCTL:
      return archPrctl(t, target, data, addr);
    case linux.PTRACE_SETOPTIONS: {
      const bad = data > 0xffffffff ? -errno.EINVAL : checkOptions(t, data);
      if (bad === 0) p.options = data;
      return bad;
    }
    case linux.PTRACE_GETEVENTMSG:
      t.copyOutU64(data, s.message);
      return 0;
    case linux.PTRACE_GETSIGINFO: {
      if (s.info === null) return -errno.EINVAL;
      const b = t.kernel.scratch;
      s.info.writeTo(b, 0);
      t.copyOut(data, b, 0, SIGINFO_SIZE);
      return 0;
    }
    case linux.PTRACE_SETSIGINFO:
      t.copyIn(data, t.kernel.scratch, 0, SIGINFO_SIZE);
      if (s.info === null) return -errno.EINVAL;
      s.info = SignalInfo.fromBytes(t.kernel.scratch);
      return 0;
    case linux.PTRACE_PEEKSIGINFO:
      return peekSiginfo(t, target, addr, data);
    case linux.PTRACE_GETSIGMASK: {
      if (addr !== SIZEOF_SIGSET) return -errno.EINVAL;
      const { haveSavedMask } = target;
      const lo = haveSavedMask ? target.savedMaskLo : target.maskLo;
      putWord(t, data, lo, haveSavedMask ? target.savedMaskHi : target.maskHi);
      return 0;
    }
    case linux.PTRACE_SETSIGMASK: {
      if (addr !== SIZEOF_SIGSET) return -errno.EINVAL;
      t.copyIn(data, t.kernel.scratch, 0, SIZEOF_SIGSET);
      const w = t.kernel.scratchWords;
      target.haveSavedMask = false;
      target.setSignalMask(w[0] ?? 0, w[1] ?? 0);
      return 0;
    }
    case linux.PTRACE_SECCOMP_GET_FILTER:
      return seccompFilter(t, target, addr, data);
    case linux.PTRACE_GET_SYSCALL_INFO:
      return syscallInfo(t, target, s, addr, data);
    default:
      return -errno.EIO;
  }
}

function resume(target: Task, s: PtraceStop, mode: number, step: boolean, data: number): number {
  if (data > NSIG) return -errno.EIO;
  resumePtrace(target, s, mode, step, data);
  return 0;
}

/** PTRACE_LISTEN: stays stopped until something happens to the group stop. */
function listen(target: Task, p: Ptrace, s: PtraceStop): number {
  if (!p.seized || s.info === null || s.info.code >> 8 !== linux.PTRACE_EVENT_STOP) return -errno.EIO;
  target.jobctl |= JOBCTL_LISTENING;
  if ((target.jobctl & JOBCTL_TRAP_NOTIFY) !== 0) wakeListening(target);
  return 0;
}

// ---- memory

/** Whether the tracer may see the memory of the program that runs now. */
function mayAccess(target: Task, p: Ptrace): boolean {
  const { mm } = target;
  if (mm.users === 0) return false;
  if (mm.dumpable === 1) return true;
  const owner = mm.userNamespace;
  return owner === null ? p.creds.capable(CAP_SYS_PTRACE) : p.creds.hasCapabilityIn(CAP_SYS_PTRACE, owner);
}

/** Stores a 64-bit word for the tracer. */
function putWord(t: Task, addr: number, lo: number, hi: number): void {
  const w = t.kernel.scratchWords;
  w[0] = lo;
  w[1] = hi;
  t.copyOut(addr, t.kernel.scratch, 0, WORD);
}

/** PTRACE_PEEKTEXT, PTRACE_PEEKDATA: the raw call stores the word. */
function peekData(t: Task, target: Task, p: Ptrace, addr: number, data: number): number {
  const b = t.kernel.scratch;
  if (!mayAccess(target, p) || addr > TASK_SIZE_MAX - WORD) return -errno.EIO;
  try {
    if (target.mm.forced.copyIn(addr, b, 0, WORD) !== WORD) return -errno.EIO;
  } catch (e) {
    t.kernel.errnoOf(e, t);
    return -errno.EIO;
  }
  t.copyOut(data, b, 0, WORD);
  return 0;
}

/** PTRACE_POKETEXT, PTRACE_POKEDATA. */
function pokeData(t: Task, target: Task, p: Ptrace, addr: number, args: SyscallArguments): number {
  const b = t.kernel.scratch;
  if (!mayAccess(target, p) || addr > TASK_SIZE_MAX - WORD) return -errno.EIO;
  t.kernel.scratchWords[0] = args.words[6] ?? 0;
  t.kernel.scratchWords[1] = args.words[7] ?? 0;
  try {
    return target.mm.forced.copyOut(addr, b, 0, WORD) === WORD ? 0 : -errno.EIO;
  } catch (e) {
    t.kernel.errnoOf(e, t);
    return -errno.EIO;
  }
}

// ---- register sets

/** PTRACE_GETREGSET, PTRACE_SETREGSET: `type` names the set, `addr` an iovec whose length is set to what was moved. */
function regset(t: Task, target: Task, s: PtraceStop, request: number, type: number, addr: number): number {
  t.copyIn(addr, t.kernel.scratch, 0, 16);
  const w = t.kernel.scratchWords;
  const base = (w[1] ?? 0) * 4294967296 + (w[0] ?? 0);
  const len = (w[3] ?? 0) * 4294967296 + (w[2] ?? 0);
  const size = regsetSize(target, type);
  if (size === 0 || len % WORD !== 0) return -errno.EINVAL;
  const n = Math.min(len, size);
  const get = request === linux.PTRACE_GETREGSET;
  const r = get ? getRegset(t, target, s, type, base, n) : setRegset(t, target, s, type, base, n);
  if (r < 0) return r;
  t.copyOutU64(addr + WORD, n);
  return 0;
}

function regsetSize(target: Task, type: number): number {
  switch (type) {
    case linux.NT_PRSTATUS:
      return linux.SIZEOF_USER_REGS;
    case linux.NT_PRFPREG:
      return SIZEOF_FXREGS;
    case linux.NT_X86_XSTATE:
      return xstateSize(target);
    default:
      return 0;
  }
}

/** Stores the first n bytes of a register set at `addr`. */
function getRegset(t: Task, target: Task, s: PtraceStop, type: number, addr: number, n: number): number {
  if (type === linux.NT_PRSTATUS) {
    getUserRegs(target, s, t.kernel.scratchWords);
    t.copyOut(addr, t.kernel.scratch, 0, n);
  } else {
    t.copyOut(addr, type === linux.NT_PRFPREG ? getFXState(target) : getXState(target), 0, n);
  }
  return 0;
}

/** Takes the first n bytes of a register set from `addr`; FP states only as a whole. */
function setRegset(t: Task, target: Task, s: PtraceStop, type: number, addr: number, n: number): number {
  if (type === linux.NT_PRSTATUS) {
    t.copyIn(addr, t.kernel.scratch, 0, n);
    return putUserRegs(target, s, t.kernel.scratchWords, n / WORD);
  }
  const whole = n === regsetSize(target, type);
  if (!whole) return type === linux.NT_PRFPREG ? -errno.EINVAL : -errno.EFAULT;
  const b = new Uint8Array(n);
  t.copyIn(addr, b, 0, n);
  return type === linux.NT_PRFPREG ? putFXState(target, b) : putXState(target, b);
}

/** PTRACE_ARCH_PRCTL. */
function archPrctl(t: Task, target: Task, option: number, addr: number): number {
  const { regs } = target.context;
  switch (option) {
    case ARCH_SET_FS:
    case ARCH_SET_GS:
      if (addr >= TASK_SIZE_MAX) return -errno.EPERM;
      regs.set(option === ARCH_SET_FS ? REG_FS_BASE : REG_GS_BASE, addr);
      return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS:
      t.copyOutU64(addr, regs.get(option === ARCH_GET_FS ? REG_FS_BASE : REG_GS_BASE));
      return 0;
    default:
      return -errno.EINVAL;
  }
}

// ---- signals, system calls

/** PTRACE_PEEKSIGINFO: copies of pending signals. Returns how many. */
function peekSiginfo(t: Task, target: Task, addr: number, data: number): number {
  const k = t.kernel;
  t.copyIn(addr, k.scratch, 0, linux.SIZEOF_PTRACE_PEEKSIGINFO_ARGS);
  const w = k.scratchWords;
  const off = (w[1] ?? 0) * 4294967296 + (w[0] ?? 0);
  const flags = w[2] ?? 0;
  const count = (w[3] ?? 0) | 0;
  if ((flags & ~linux.PTRACE_PEEKSIGINFO_SHARED) !== 0 || count < 0) return -errno.EINVAL;
  const pending = (flags & linux.PTRACE_PEEKSIGINFO_SHARED) !== 0 ? target.threadGroup.pending : target.pending;
  const infos = pendingInfos(pending).slice(off, off + Math.min(count, SIGINFO_BATCH));
  for (const [i, info] of infos.entries()) {
    info.writeTo(k.scratch, 0);
    t.copyOut(data + i * SIGINFO_SIZE, k.scratch, 0, SIGINFO_SIZE);
  }
  return infos.length;
}

/** Pending signals in the order of their arrival. */
function pendingInfos(pending: PendingSignals): SignalInfo[] {
  const queued = [];
  for (const head of pending.heads ?? []) for (let q = head; q !== null; q = q.next) queued.push(q);
  return queued.sort((a, b) => a.arrival - b.arrival).map((q) => q.info);
}

/** PTRACE_SECCOMP_GET_FILTER: filter `index` in order of installation; its length in instructions. */
function seccompFilter(t: Task, target: Task, index: number, data: number): number {
  if (!t.creds.capable(CAP_SYS_ADMIN) || t.seccompMode !== SECCOMP_MODE_DISABLED) return -errno.EACCES;
  if (target.seccompMode !== SECCOMP_MODE_FILTER) return -errno.EINVAL;
  let f = target.seccompFilter;
  while (f !== null && f.count !== index + 1) f = f.previous;
  if (f === null) return -errno.ENOENT;
  if (data !== 0) t.copyOut(data, encode(f.program));
  return f.program.length;
}

/** PTRACE_GET_SYSCALL_INFO. Returns the size of what there is to say. */
function syscallInfo(t: Task, target: Task, s: PtraceStop, size: number, data: number): number {
  const { regs } = target.context;
  const w = t.kernel.scratchWords;
  const rw = regs.words;
  w.fill(0, 0, INFO_SECCOMP_SIZE / 4 + 1);
  w[1] = AUDIT_ARCH_X86_64;
  w[2] = rw[2 * REG_RIP] ?? 0;
  w[3] = rw[2 * REG_RIP + 1] ?? 0;
  w[4] = rw[2 * REG_RSP] ?? 0;
  w[5] = rw[2 * REG_RSP + 1] ?? 0;
  let n = INFO_NONE_SIZE;
  const code = s.info?.code ?? 0;
  if (code === (SIGTRAP | 0x80)) {
    if (s.message === linux.PTRACE_EVENTMSG_SYSCALL_ENTRY) {
      w[0] = linux.PTRACE_SYSCALL_INFO_ENTRY;
      putCall(target, s, w);
      n = INFO_ENTRY_SIZE;
    } else if (s.message === linux.PTRACE_EVENTMSG_SYSCALL_EXIT) {
      w[0] = linux.PTRACE_SYSCALL_INFO_EXIT;
      w[6] = rw[2 * REG_RAX] ?? 0;
      w[7] = rw[2 * REG_RAX + 1] ?? 0;
      w[8] = w[7] === 0xffffffff && (w[6] ?? 0) >= 4294967296 - MAX_ERRNO ? 1 : 0;
      n = INFO_EXIT_SIZE;
    }
  } else if (code === (SIGTRAP | (linux.PTRACE_EVENT_SECCOMP << 8))) {
    w[0] = linux.PTRACE_SYSCALL_INFO_SECCOMP;
    putCall(target, s, w);
    w[20] = s.message;
    n = INFO_SECCOMP_SIZE;
  }
  t.copyOut(data, t.kernel.scratch, 0, Math.min(n, size));
  return n;
}

/** Number and arguments of the call as the registers have them: words 6 to 19. */
function putCall(target: Task, s: PtraceStop, w: Uint32Array): void {
  // System call numbers are ints.
  w[6] = s.origLo;
  w[7] = (s.origLo | 0) < 0 ? 0xffffffff : 0;
  const rw = target.context.regs.words;
  for (const [i, r] of ARGUMENT_REGISTERS.entries()) {
    w[8 + 2 * i] = rw[2 * r] ?? 0;
    w[9 + 2 * i] = rw[2 * r + 1] ?? 0;
  }
}
