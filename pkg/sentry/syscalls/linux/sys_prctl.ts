import { CAP_SYS_RESOURCE } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import * as linux from "../../../abi/linux/prctl.ts";
import { NSIG } from "../../../abi/linux/signal.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task } from "../../kernel/task.ts";
import { EventSyscall, REG_FS_BASE, REG_GS_BASE } from "../../platform/platform.ts";
import { prctlGetSeccomp, prctlSetSeccomp } from "./sys_seccomp.ts";

/** Longest name of anonymous memory with its NUL (ANON_VMA_NAME_MAX_LEN). */
const ANON_VMA_NAME_MAX_LEN = 80;
const DEFAULT_TIMER_SLACK_NS = 50000;
/** PR_SPEC_STORE_BYPASS, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_L1D_FLUSH. */
const SPEC_CONTROLS = 3;
const PR_GET_AUXV = 0x41555856;

/** Whether arguments from..4 (counting from 0) are all zero. */
function unused(args: SyscallArguments, from: number): boolean {
  for (let i = from; i < 5; i++) if (args.u64(i) !== 0) return false;
  return true;
}

/** prctl(2). */
export function prctl(t: Task, args: SyscallArguments): number {
  const arg = args.u64(1);
  switch (args.i32(0)) {
    case linux.PR_SET_PDEATHSIG:
      if (arg > NSIG) return -errno.EINVAL;
      t.parentDeathSignal = arg;
      return 0;
    case linux.PR_GET_PDEATHSIG:
      t.copyOutU32(arg, t.parentDeathSignal);
      return 0;
    case linux.PR_GET_DUMPABLE:
      return t.mm.dumpable;
    case linux.PR_SET_DUMPABLE:
      if (arg !== linux.SUID_DUMP_DISABLE && arg !== linux.SUID_DUMP_USER) return -errno.EINVAL;
      t.mm.dumpable = arg;
      return 0;
    case linux.PR_GET_KEEPCAPS:
      return t.creds.keepCaps();
    case linux.PR_SET_KEEPCAPS:
      t.creds = t.creds.setKeepCaps(arg);
      return 0;
    case linux.PR_GET_TIMING:
      return 0;
    case linux.PR_SET_TIMING:
      return arg === 0 ? 0 : -errno.EINVAL;
    case linux.PR_SET_NAME:
      setName(t, arg);
      return 0;
    case linux.PR_GET_NAME: {
      const buf = t.kernel.scratch;
      buf.fill(0, 0, linux.TASK_COMM_LEN);
      buf.write(t.name, 0, "latin1");
      t.copyOut(arg, buf, 0, linux.TASK_COMM_LEN);
      return 0;
    }
    case linux.PR_GET_SECCOMP:
      return prctlGetSeccomp(t);
    case linux.PR_SET_SECCOMP:
      return prctlSetSeccomp(t, arg, args.u64(2));
    case linux.PR_CAPBSET_READ:
      return t.creds.capbsetRead(arg);
    case linux.PR_CAPBSET_DROP:
      t.creds = t.creds.capbsetDrop(arg);
      return 0;
    case linux.PR_GET_TSC:
      t.copyOutU32(arg, t.tscMode);
      return 0;
    case linux.PR_SET_TSC:
      // Reading the time stamp counter cannot be made to fault.
      return arg === linux.PR_TSC_ENABLE ? 0 : -errno.EINVAL;
    case linux.PR_GET_SECUREBITS:
      return t.creds.securebits;
    case linux.PR_SET_SECUREBITS:
      t.creds = t.creds.setSecurebits(arg);
      return 0;
    case linux.PR_GET_TIMERSLACK:
      return t.timerSlackNs;
    case linux.PR_SET_TIMERSLACK:
      t.timerSlackNs = args.i64(1) <= 0 ? DEFAULT_TIMER_SLACK_NS : arg;
      return 0;
    case linux.PR_MCE_KILL:
      return setMCEKill(t, args);
    case linux.PR_MCE_KILL_GET:
      return unused(args, 1) ? t.mceKill : -errno.EINVAL;
    case linux.PR_SET_MM:
      return setMM(t, args);
    case linux.PR_SET_CHILD_SUBREAPER:
      setChildSubreaper(t, arg !== 0);
      return 0;
    case linux.PR_GET_CHILD_SUBREAPER:
      t.copyOutU32(arg, t.threadGroup.isChildSubreaper ? 1 : 0);
      return 0;
    case linux.PR_SET_NO_NEW_PRIVS:
      if (arg !== 1 || !unused(args, 2)) return -errno.EINVAL;
      t.noNewPrivs = true;
      return 0;
    case linux.PR_GET_NO_NEW_PRIVS:
      if (!unused(args, 1)) return -errno.EINVAL;
      return t.noNewPrivs ? 1 : 0;
    case linux.PR_GET_TID_ADDRESS:
      t.copyOutU64(arg, t.clearChildTID);
      return 0;
    case linux.PR_GET_THP_DISABLE:
      if (!unused(args, 1)) return -errno.EINVAL;
      return t.threadGroup.thpDisable ? 1 : 0;
    case linux.PR_SET_THP_DISABLE:
      if (!unused(args, 2)) return -errno.EINVAL;
      t.threadGroup.thpDisable = arg !== 0;
      return 0;
    case linux.PR_CAP_AMBIENT:
      return capAmbient(t, args);
    case linux.PR_GET_SPECULATION_CTRL:
      if (!unused(args, 2)) return -errno.EINVAL;
      return arg < SPEC_CONTROLS ? 0 : -errno.ENODEV;
    case linux.PR_SET_SPECULATION_CTRL:
      if (!unused(args, 3)) return -errno.EINVAL;
      return arg < SPEC_CONTROLS ? -errno.ENXIO : -errno.ENODEV;
    case linux.PR_SET_IO_FLUSHER:
      if (!t.creds.capable(CAP_SYS_RESOURCE)) return -errno.EPERM;
      return unused(args, 2) && arg <= 1 ? 0 : -errno.EINVAL;
    case linux.PR_GET_IO_FLUSHER:
      if (!t.creds.capable(CAP_SYS_RESOURCE)) return -errno.EPERM;
      return unused(args, 1) ? 0 : -errno.EINVAL;
    case linux.PR_GET_MDWE:
      return unused(args, 1) ? 0 : -errno.EINVAL;
    case linux.PR_SET_VMA:
      return setVMA(t, args);
    case PR_GET_AUXV: {
      if (args.u64(3) !== 0 || args.u64(4) !== 0) return -errno.EINVAL;
      const auxv = t.mm.auxv;
      t.copyOut(arg, auxv, 0, Math.min(auxv.length, args.u64(2)));
      return auxv.length;
    }
    default:
      return -errno.EINVAL;
  }
}

/** PR_SET_MM: the layout of an address space is not to be changed. */
function setMM(t: Task, args: SyscallArguments): number {
  const option = args.u64(1);
  const hasSize = option >= linux.PR_SET_MM_AUXV && option !== linux.PR_SET_MM_EXE_FILE;
  if (args.u64(4) !== 0 || (args.u64(3) !== 0 && !hasSize)) return -errno.EINVAL;
  if (option === linux.PR_SET_MM_MAP || option === linux.PR_SET_MM_MAP_SIZE) return -errno.EINVAL;
  return t.creds.capable(CAP_SYS_RESOURCE) ? -errno.EINVAL : -errno.EPERM;
}

/** PR_SET_NAME: at most 15 bytes. */
function setName(t: Task, addr: number): void {
  const max = linux.TASK_COMM_LEN - 1;
  const buf = t.kernel.scratch;
  let n = 0;
  // The string may end right before memory that cannot be read.
  while (n < max) {
    t.copyIn(addr + n, buf, n, 1);
    if (buf[n] === 0) break;
    n++;
  }
  t.name = buf.toString("latin1", 0, n);
}

/** PR_MCE_KILL: stored only. */
function setMCEKill(t: Task, args: SyscallArguments): number {
  if (!unused(args, 3)) return -errno.EINVAL;
  const what = args.u64(1);
  const policy = args.u64(2);
  if (what === 0) {
    if (policy !== 0) return -errno.EINVAL;
    t.mceKill = linux.PR_MCE_KILL_DEFAULT;
    return 0;
  }
  if (what !== 1 || policy > 2) return -errno.EINVAL;
  t.mceKill = policy;
  return 0;
}

/** PR_SET_CHILD_SUBREAPER: descendants learn that there is one. */
function setChildSubreaper(t: Task, on: boolean): void {
  const tg = t.threadGroup;
  tg.isChildSubreaper = on;
  if (!on) return;
  const todo = [tg];
  for (let g = todo.pop(); g !== undefined; g = todo.pop()) {
    for (const o of g.tasks) {
      for (const c of o.children) {
        if (c.hasChildSubreaper) continue;
        c.hasChildSubreaper = true;
        todo.push(c);
      }
    }
  }
}

/** PR_CAP_AMBIENT. */
function capAmbient(t: Task, args: SyscallArguments): number {
  const cap = args.u64(2);
  switch (args.u64(1)) {
    case linux.PR_CAP_AMBIENT_CLEAR_ALL:
      if (!unused(args, 2)) return -errno.EINVAL;
      t.creds = t.creds.ambientClearAll();
      return 0;
    case linux.PR_CAP_AMBIENT_IS_SET:
      return unused(args, 3) ? t.creds.ambientIsSet(cap) : -errno.EINVAL;
    case linux.PR_CAP_AMBIENT_RAISE:
      if (!unused(args, 3)) return -errno.EINVAL;
      t.creds = t.creds.ambientRaise(cap);
      return 0;
    case linux.PR_CAP_AMBIENT_LOWER:
      if (!unused(args, 3)) return -errno.EINVAL;
      t.creds = t.creds.ambientLower(cap);
      return 0;
    default:
      return -errno.EINVAL;
  }
}

/** PR_SET_VMA_ANON_NAME. */
function setVMA(t: Task, args: SyscallArguments): number {
  if (args.u64(1) !== linux.PR_SET_VMA_ANON_NAME) return -errno.EINVAL;
  const start = args.u64(2);
  const size = args.u64(3);
  const nameAddr = args.u64(4);
  let name: string | null = null;
  if (nameAddr !== 0) {
    name = t.tryCopyInString(nameAddr, ANON_VMA_NAME_MAX_LEN);
    if (name === null || !/^[\x20-\x7e]*$/.test(name) || /[\\`$[\]]/.test(name)) return -errno.EINVAL;
  }
  if (start % PAGE_SIZE !== 0) return -errno.EINVAL;
  const end = start + Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  if (end >= 2 ** 64) return -errno.EINVAL;
  if (end === start) return 0;
  if (end > TASK_SIZE_MAX) return -errno.ENOMEM;
  t.mm.setAnonName(start, end, name);
  return 0;
}

/** arch_prctl(2). */
export function archPrctl(t: Task, args: SyscallArguments): number {
  const addr = args.u64(1);
  const ctx = t.context;
  if (ctx.event === EventSyscall) return -errno.EINVAL;
  const regs = ctx.regs;
  switch (args.i32(0)) {
    case linux.ARCH_SET_FS:
      if (addr >= TASK_SIZE_MAX) return -errno.EPERM;
      regs.set(REG_FS_BASE, addr);
      return 0;
    case linux.ARCH_SET_GS:
      if (addr >= TASK_SIZE_MAX) return -errno.EPERM;
      regs.set(REG_GS_BASE, addr);
      return 0;
    case linux.ARCH_GET_FS:
      t.copyOutU64(addr, regs.get(REG_FS_BASE));
      return 0;
    case linux.ARCH_GET_GS:
      t.copyOutU64(addr, regs.get(REG_GS_BASE));
      return 0;
    case linux.ARCH_GET_CPUID:
      return 1;
    case linux.ARCH_SET_CPUID:
      return -errno.ENODEV;
    default:
      return -errno.EINVAL;
  }
}

/** personality(2): stored; only ADDR_NO_RANDOMIZE has an effect. */
export function personality(t: Task, args: SyscallArguments): number {
  const persona = args.u32(0);
  const old = t.personality;
  if (persona !== linux.PER_GET) t.personality = persona;
  return old;
}
