import * as errno from "../../abi/linux/errno.ts";
import * as linux from "../../abi/linux/signal.ts";
import { SYS_getcpu, SYS_gettimeofday, SYS_time } from "../../abi/linux/syscalls.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { AccessExec, AccessRead, AccessWrite } from "../memmap/index.ts";
import { FAULT_ACCERR, FAULT_BUSERR, FAULT_NOMEM, FAULT_RESOLVED } from "../mm/index.ts";
import { type Context, REG_RAX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP } from "../platform/platform.ts";
import type { RunState } from "./run_state.ts";
import { SyscallArguments } from "./syscalls.ts";
import type { Task } from "./task.ts";
import { runExit } from "./task_exit.ts";
import { resumeApp, runInterrupt } from "./task_run.ts";
import { forceSignal } from "./task_signals.ts";
import { invoke } from "./task_syscall.ts";

const TRAP_PAGE_FAULT = 14;
/** Bits of a page fault's error code. */
const FAULT_PRESENT = 1;
const FAULT_WRITE = 2;
const FAULT_USER = 4;
const FAULT_EXEC = 16;

/** The vsyscall page: 0xffffffffff600000, three entries 1 KiB apart. */
const VSYSCALL_HIGH = 0xffffffff;
const VSYSCALL_LOW = 0xff600000;

/** The guest faulted: brings the page in, emulates the vsyscall page, or raises the signal. */
export function handleFault(t: Task): RunState | null {
  const ctx = t.context;
  const sig = ctx.faultSignal;
  if (ctx.faultTrapno === TRAP_PAGE_FAULT && (sig === linux.SIGSEGV || sig === linux.SIGBUS)) {
    const rip = ctx.regs.words;
    if (rip[2 * REG_RIP + 1] === VSYSCALL_HIGH && ((rip[2 * REG_RIP] ?? 0) & 0xfffff000) >>> 0 === VSYSCALL_LOW) {
      return emulateVsyscall(t, ctx);
    }
    return handlePageFault(t, ctx);
  }
  t.trapNo = ctx.faultTrapno;
  t.trapErr = ctx.faultError;
  forceSignal(t, SignalInfo.fault(sig, ctx.faultCode, ctx.faultAddr), false);
  return runInterrupt;
}

/** Asks the memory manager for the page; unresolved faults become SIGSEGV or SIGBUS. */
function handlePageFault(t: Task, ctx: Context): RunState | null {
  const k = t.kernel;
  const addr = ctx.faultAddr;
  const e = ctx.faultError;
  const access = (e & FAULT_EXEC) !== 0 ? AccessExec : (e & FAULT_WRITE) !== 0 ? AccessWrite : AccessRead;
  // A host file that shrank under a mapping that is known here gives SIGBUS again and again: try once.
  const retried = ctx.faultSignal === linux.SIGBUS && t.lastBusAddr === addr;
  t.lastBusAddr = ctx.faultSignal === linux.SIGBUS ? addr : -1;
  const r = retried ? FAULT_BUSERR : t.mm.handleUserFault(addr, access);
  if (r === FAULT_RESOLVED) {
    t.usage.minorFaults++;
    if (t.mustInterrupt()) return runInterrupt;
    resumeApp(t);
    return null;
  }
  if (r === FAULT_NOMEM) {
    k.log.warning(`out of memory: killing process ${t.tgid} (${t.name})`);
    t.threadGroup.prepareGroupExit(linux.SIGKILL);
    return runExit;
  }
  const sig = r === FAULT_BUSERR ? linux.SIGBUS : linux.SIGSEGV;
  const code = r === FAULT_BUSERR ? linux.BUS_ADRERR : r === FAULT_ACCERR ? linux.SEGV_ACCERR : linux.SEGV_MAPERR;
  t.trapNo = TRAP_PAGE_FAULT;
  // Whether the host had a page there says nothing about the guest's address space.
  t.trapErr = (e & (FAULT_WRITE | FAULT_EXEC)) | FAULT_USER | (r === FAULT_ACCERR ? FAULT_PRESENT : 0);
  t.trapAddr = addr;
  forceSignal(t, SignalInfo.fault(sig, code, addr), false);
  return runInterrupt;
}

/** A call into the vsyscall page is the system call of that entry, followed by a return. */
function emulateVsyscall(t: Task, ctx: Context): RunState | null {
  const regs = ctx.regs;
  const w = regs.words;
  const entry = (w[2 * REG_RIP] ?? 0) & 0xfff;
  const nr = entry === 0 ? SYS_gettimeofday : entry === 0x400 ? SYS_time : entry === 0x800 ? SYS_getcpu : -1;
  if (nr >= 0) {
    const sp = regs.get(REG_RSP);
    let back = -1;
    try {
      back = t.copyInU64num(sp);
    } catch (e) {
      t.kernel.errnoOf(e, t);
    }
    if (back >= 0) {
      const saved = t.args;
      const args = new SyscallArguments(new Uint32Array(12));
      for (const [i, r] of [REG_RDI, REG_RSI, REG_RDX].entries()) {
        args.words[2 * i] = w[2 * r] ?? 0;
        args.words[2 * i + 1] = w[2 * r + 1] ?? 0;
      }
      t.args = args;
      const ret = invoke(t, nr);
      t.args = saved;
      // A bad pointer makes a real vsyscall page fault.
      if (typeof ret === "number" && ret !== -errno.EFAULT) {
        if (t.kernel.strace !== null) t.kernel.strace.exit(t, nr, args, ret);
        regs.set(REG_RAX, ret);
        regs.set(REG_RIP, back);
        regs.set(REG_RSP, sp + 8);
        return runInterrupt;
      }
    }
  }
  t.trapNo = TRAP_PAGE_FAULT;
  t.trapErr = FAULT_USER | FAULT_EXEC;
  forceSignal(t, SignalInfo.fault(linux.SIGSEGV, linux.SEGV_MAPERR, ctx.faultAddr), false);
  return runInterrupt;
}
