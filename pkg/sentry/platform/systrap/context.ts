import { ptr } from "bun:ffi";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import {
  type Context,
  type ContextOwner,
  EventDied,
  EventFault,
  EventInterrupted,
  type EventKind,
  EventSyscall,
  EventSyscallRegs,
  type HostUsage,
  REG_EFLAGS,
  REG_FS_BASE,
  REG_GS_BASE,
  REG_R8,
  REG_R9,
  REG_R10,
  REG_R11,
  REG_RAX,
  REG_RCX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
} from "../platform.ts";
import { setAffinity } from "./affinity.ts";
import { learnFPState, storeFPState } from "./fp_state.ts";
import { SystrapRegisters } from "./registers.ts";
import {
  SIGNAL_INTERRUPT,
  SIZEOF_RUSAGE,
  SLOT_BASE,
  SLOT_CLOCK,
  SLOT_ENTRY,
  SLOT_LINE,
  SLOT_RUSAGE,
  SLOT_SELECTOR,
  SLOT_SIZE,
  TRAPPED_SYSCALLS,
} from "./stub.ts";
import { HOT_DISPATCHED, type Subprocess } from "./subprocess.ts";
import { completed, normalise, normaliseEntry, restoreFlags } from "./trampoline.ts";

/** CPUCLOCK_SCHED of one thread (include/linux/posix-timers.h). */
const CPUCLOCK_PERTHREAD_SCHED = 6;
/** struct timespec; words of the fields of struct rusage. */
const SIZEOF_TIMESPEC = 16;
const RU_UTIME = 0;
const RU_STIME = 4;
const RU_MINFLT = 16;
const RU_MAJFLT = 18;
const RU_NIVCSW = 34;
const SIGILL = 4;
/** Numbers of the debug exception and of page faults. */
const TRAP_DEBUG = 1;
const TRAP_PAGE_FAULT = 14;
const SIGSYS = 31;
const EINTR = 4;
const ENOSYS = 38;
/** SIGSEGV of a general protection fault. */
const SIGSEGV = 11;
const SIGTRAP = 5;
/** A single step's trap follows each instruction. */
const EFLAGS_TF = 0x100;
/** Of linux/audit.h. */
const AUDIT_ARCH_X86_64 = 0xc000003e;
/** State that a dispatched call's request had. */
const LINE_DISPATCHED = 2;

// How the call being served came.
const BY_NOTIFICATION = 0;
/** By the line, from the trampoline. */
const BY_LINE = 1;
/** By the line, from the handler of SIGSYS. */
const BY_DISPATCH = 2;
type Way = 0 | 1 | 2;

// Offsets in words of the host's signal frame from its ucontext on (struct ucontext, then siginfo; include/uapi/asm/sigcontext.h).
const UC_WORDS = 76;
const FRAME_WORDS = UC_WORDS + 32;
const FRAME_BYTES = FRAME_WORDS * 4;
const SIGCONTEXT = 10;
const SIGCONTEXT_REGS = 18;
const W_ERR = 48;
const W_TRAPNO = 50;
const W_FPSTATE = 56;
const W_FS = 58;
const W_GS = 60;
const W_SIGMASK = 74;
const W_SI_CODE = UC_WORDS + 2;
const W_SI_ADDR = UC_WORDS + 4;
const W_SI_ARCH = UC_WORDS + 7;

const RUNNING = 0;
const STOPPED = 1;
const PARKING = 2;
const PARKED = 3;
const DEAD = 4;

/** By number: 1 for calls whose handling needs registers, which only a signal report has. */
const TRAPPED: Readonly<Uint8Array> = trappedTable();

function trappedTable(): Uint8Array {
  const t = new Uint8Array(512);
  for (const nr of TRAPPED_SYSCALLS) t[nr] = 1;
  return t;
}

/** A time of two 64-bit words, seconds and a fraction in units of `unit` ns. A guest can write it: kept within reason. */
function nanoseconds(w: Uint32Array, at: number, unit: number): number {
  return ((w[at] ?? 0) % 1e8) * 1e9 + (((w[at + 2] ?? 0) * unit) % 1e9);
}

/** A guest thread: one host thread of a stub, whose signal frames lie in a slot that the sentry maps too. */
export class SystrapContext implements Context {
  static readonly stateType = stateType(
    "systrap.SystrapContext",
    ["owner", "regs"],
    [
      "subprocess",
      "slot",
      "slotHost",
      "hostTID",
      "event",
      "state",
      "sysno",
      "args",
      "notifiedIP",
      "faultSignal",
      "faultCode",
      "faultAddr",
      "faultTrapno",
      "faultError",
      "idLow",
      "idHigh",
      "frame",
      "framePtr",
      "ucAddr",
      "fpAddr",
      "fpSize",
      "ownGSLow",
      "ownGSHigh",
      "way",
      "hot",
      "finishing",
      "pendingReturn",
      "reported",
      "pinned",
      "home",
      "cpu",
      "stoppedAt",
      "ranAt",
      "interruptedAt",
      "retriedIP",
      "clockNs",
      "clockKnown",
      "fsLow",
      "fsHigh",
      "gsLow",
      "gsHigh",
    ],
  );
  owner: ContextOwner;
  subprocess: Subprocess;
  /** Index of the slot; its address in the stub follows from it. */
  readonly slot: number;
  /** The slot in the sentry's own address space. */
  readonly slotHost: number;
  hostTID = 0;
  event: EventKind = EventInterrupted;
  state = STOPPED;
  sysno = 0;
  readonly args: Uint32Array = new Uint32Array(12);
  /** Address behind the instruction of a notified call. */
  notifiedIP = 0;
  faultSignal = 0;
  faultCode = 0;
  faultAddr = 0;
  faultTrapno = 0;
  faultError = 0;
  readonly regs: SystrapRegisters = new SystrapRegisters();
  /** The notification to answer. */
  idLow = 0;
  idHigh = 0;
  /** Our copy of the frame: read once at the event, written back at resume. */
  readonly frame: Uint32Array = new Uint32Array(new ArrayBuffer(FRAME_BYTES));
  readonly framePtr: number = ptr(this.frame);
  /** Sentry address of the frame's ucontext, of its fpstate, and the fpstate's size (0: no valid one). */
  ucAddr = 0;
  fpAddr = 0;
  fpSize = 0;
  /** GS base while the guest has none. */
  readonly ownGSLow: number;
  readonly ownGSHigh: number;
  /** How the call being served came; it is to be answered by the next report; a report came meanwhile. */
  way: Way = BY_NOTIFICATION;
  finishing = false;
  pendingReturn = 0;
  reported = false;
  /** Its line is polled. */
  hot = false;
  /** Its host thread has an affinity of its own. */
  pinned = false;
  /** CPU of its own, and the CPU on which it was woken while it runs; -1: none. When it stopped and when it ran on, in events (see Placement). */
  home = -1;
  cpu = -1;
  stoppedAt = 0;
  ranAt = 0;
  /** When it was told to report, in the platform's patience(); 0: it was not, or did. */
  interruptedAt = 0;
  /** Where it faulted last in what may have been patched before; 0: nowhere. */
  retriedIP = 0;
  /** The thread's CPU clock when it was read last (0 would say that there is no thread), and whether it has not run since. */
  clockNs = 1;
  clockKnown = true;
  fsLow = 0;
  fsHigh = 0;
  gsLow = 0;
  gsHigh = 0;

  constructor(owner: ContextOwner, subprocess: Subprocess, slot: number) {
    this.owner = owner;
    this.subprocess = subprocess;
    this.slot = slot;
    this.slotHost = subprocess.platform.slotAddress(slot);
    const base = SLOT_BASE + slot * SLOT_SIZE;
    this.ownGSLow = base % 4294967296;
    this.ownGSHigh = Math.floor(base / 4294967296);
  }

  get stopped(): boolean {
    return this.state === STOPPED || this.state === PARKED;
  }

  /** Its request line in the sentry. */
  lineAddress(): number {
    return this.slotHost + SLOT_LINE;
  }

  /** Takes a request that was put into the line: nr, six arguments, the state it had. False when it is not one we serve this way. */
  requested(words: Uint32Array): boolean {
    const nr = (words[0] ?? 0) | 0;
    if (TRAPPED[nr] === 1 || this.state !== RUNNING) return false;
    this.sysno = nr;
    this.retriedIP = 0;
    const { args, subprocess } = this;
    for (let i = 0; i < 12; i++) args[i] = words[1 + i] ?? 0;
    this.way = words[13] === LINE_DISPATCHED ? BY_DISPATCH : BY_LINE;
    this.event = EventSyscall;
    this.stop();
    if (this.way === BY_DISPATCH) subprocess.countCall(this.syscallIP, nr, HOT_DISPATCHED);
    this.owner.platformEvent(this);
    // Not answered at once.
    if (this.isWaiting()) subprocess.platform.poller?.waits(this);
    return true;
  }

  /** Whether its thread waits for the answer to a request. */
  isWaiting(): boolean {
    return this.way !== BY_NOTIFICATION && this.state === STOPPED;
  }

  /** Whether its host thread is gone. */
  isDead(): boolean {
    return this.state === DEAD;
  }

  /** Address behind the instruction of the call. A guest can falsify that of a call by the line, as it can jump to any such instruction. */
  get syscallIP(): number {
    if (this.way === BY_NOTIFICATION) return this.notifiedIP;
    const at = this.slotWord(SLOT_ENTRY);
    const { calls } = this.subprocess;
    const index = calls.indexOf(at);
    // What is dispatched may be the ordinary way of an entry.
    if (index === 0) return this.way === BY_DISPATCH ? at : 0;
    return calls.returnOf(index);
  }

  /** An address that the stub left in the slot. */
  slotWord(offset: number): number {
    const { wordBytes, words } = this.subprocess.platform;
    host.copyFromHost(wordBytes, 0, this.slotHost + offset, 8);
    return (words[1] ?? 0) * 4294967296 + (words[0] ?? 0);
  }

  /** Whether it runs in the guest. */
  isRunning(): boolean {
    return this.state === RUNNING;
  }

  /** Tells the owner that the thread stands with its registers known. */
  tellInterrupted(): void {
    if (this.state !== STOPPED) return;
    this.event = EventInterrupted;
    this.owner.platformEvent(this);
  }

  /** From running to stopped. */
  stop(): void {
    const { platform } = this.subprocess;
    if (this.state === RUNNING) platform.runsNoMore(this);
    this.state = STOPPED;
    platform.placement.stopped(this);
    // Whatever it was told, it stands.
    if (this.interruptedAt !== 0) platform.reportCame(this);
  }

  /** From stopped to running. */
  run(): void {
    this.clockKnown = false;
    // One that only faulted in what is the stub's own affair never stopped.
    if (this.state === RUNNING) return;
    this.state = RUNNING;
    const { platform } = this.subprocess;
    platform.running++;
    const { poller, placement } = platform;
    if (poller?.on) poller.runs(this);
    else placement.runs(this);
  }

  /** Answers a request of the line. */
  finishRequest(ret: number, thenInterrupt: boolean): void {
    const platform = this.subprocess.platform;
    const byLine = this.way === BY_LINE;
    if (this.reported) {
      // It was interrupted while we worked: it stands in its handler already.
      this.way = BY_NOTIFICATION;
      this.reported = false;
      platform.native.systrap_clear(this.lineAddress());
      completed(this, ret);
      this.event = EventInterrupted;
      platform.defer(this);
      return;
    }
    this.way = BY_NOTIFICATION;
    this.run();
    if (thenInterrupt) this.signalHost();
    if (thenInterrupt && byLine) {
      // Answered only in the handler: the guest may not go on before the interrupt. (A handler of SIGSYS has it blocked until it returns.)
      this.finishing = true;
      this.pendingReturn = ret;
    } else {
      if (platform.native.systrap_answer(this.lineAddress(), ret) === 1) platform.poller?.wokeSleeper();
    }
  }

  /** Takes a notification of this thread (80 bytes, struct seccomp_notif) and tells the owner. */
  notified(notif: Uint32Array, isReport: boolean): void {
    this.idLow = notif[0] ?? 0;
    this.idHigh = notif[1] ?? 0;
    if (!isReport && this.isWaiting()) {
      this.subprocess.kill("a guest thread made two system calls at once");
      return;
    }
    if (isReport) {
      if (this.interruptedAt !== 0) this.subprocess.platform.reportCame(this);
      const midRequest = this.isWaiting();
      if (!this.readFrame(notif)) {
        // Only a forged frame gets here: the guest jumped into the stub or moved its signal stack.
        this.subprocess.kill("a guest thread forged a signal frame");
        return;
      }
      if (midRequest) {
        if (this.event !== EventInterrupted) {
          this.subprocess.kill("a guest thread faulted inside a system call");
          return;
        }
        this.event = EventSyscall;
        this.reported = true;
        return;
      }
      if (this.state !== PARKING && this.fixStubFault()) return;
    } else {
      this.sysno = (notif[4] ?? 0) | 0;
      this.retriedIP = 0;
      this.way = BY_NOTIFICATION;
      this.notifiedIP = (notif[7] ?? 0) * 4294967296 + (notif[6] ?? 0);
      for (let i = 0; i < 12; i++) this.args[i] = notif[8 + i] ?? 0;
      this.event = EventSyscall;
    }
    if (this.state === PARKING) {
      this.park();
      return;
    }
    this.stop();
    if (isReport) {
      this.subprocess.platform.poller?.disturbed();
    } else {
      if (TRAPPED[this.sysno] === 1) {
        // From the stub's own text only, where the filter does not trap it.
        this.finishSyscall(-ENOSYS, false);
        return;
      }
      this.subprocess.platform.called(this);
    }
    this.owner.platformEvent(this);
  }

  /** Faults that are the stub's own affair: GS that is the guest's, a jump into the middle of a patched site, a step into an entry. True when the thread goes on. */
  fixStubFault(): boolean {
    if (this.event !== EventFault) return false;
    const { calls, platform } = this.subprocess;
    const ip = this.regs.get(REG_RIP);
    if (ip === platform.image.checkIP) {
      const index = calls.indexOf(this.regs.get(REG_RCX));
      if (index === 0) return false;
      restoreFlags(this, this.regs.words[2 * REG_RAX] ?? 0, true);
      this.regs.set(REG_RAX, this.regs.words[2 * REG_R11] ?? 0);
      this.regs.set(REG_RIP, calls.slowIP(index));
      this.resume();
      return true;
    }
    if (this.faultSignal === SIGTRAP) {
      // resume() has the program's own instruction stepped over.
      if (this.faultTrapno !== TRAP_DEBUG || !this.isStepping() || !normaliseEntry(this)) return false;
      this.resume();
      return true;
    }
    if (this.faultSignal !== SIGILL && this.faultSignal !== SIGSEGV) return false;
    // resume() leads a thread that stands inside of what was patched to the original instruction.
    if (calls.resumeIP(ip) === 0 && !this.isStaleFault(ip)) return false;
    this.resume();
    return true;
  }

  /**
   * Whether a fault at `ip` is that of a patch which was undone before we got to know of it. The program's own instructions there do not
   * fault; if it has changed them meanwhile, they are tried once.
   */
  isStaleFault(ip: number): boolean {
    if (this.faultTrapno === TRAP_PAGE_FAULT) return false;
    const { calls } = this.subprocess;
    const site = calls.siteAround(ip);
    if (site === null) return false;
    const isNew = ip !== this.retriedIP;
    this.retriedIP = isNew ? ip : 0;
    return isNew || this.subprocess.isAsWritten(site);
  }

  /** Whether its next instruction is to be followed by a trap. */
  isStepping(): boolean {
    return ((this.regs.words[2 * REG_EFLAGS] ?? 0) & EFLAGS_TF) !== 0;
  }

  /** Copies and checks the signal frame that a report points to. */
  readFrame(notif: Uint32Array): boolean {
    const signo = notif[8] ?? 0;
    const uc = (notif[13] ?? 0) * 4294967296 + (notif[12] ?? 0);
    const base = SLOT_BASE + this.slot * SLOT_SIZE;
    const off = uc - base;
    if (!(off >= 8 && off <= SLOT_SIZE - FRAME_BYTES)) return false;
    const f = this.frame;
    this.ucAddr = this.slotHost + off;
    host.copyHost(this.framePtr, this.ucAddr, FRAME_BYTES);
    const w = this.regs.words;
    for (let i = 0; i < SIGCONTEXT_REGS * 2; i++) w[i] = f[SIGCONTEXT + i] ?? 0;
    this.fsLow = w[REG_FS_BASE * 2] = notif[14] ?? 0;
    this.fsHigh = w[REG_FS_BASE * 2 + 1] = notif[15] ?? 0;
    this.gsLow = w[REG_GS_BASE * 2] = notif[16] ?? 0;
    this.gsHigh = w[REG_GS_BASE * 2 + 1] = notif[17] ?? 0;
    const fp = (f[W_FPSTATE + 1] ?? 0) * 4294967296 + (f[W_FPSTATE] ?? 0) - base;
    const { platform } = this.subprocess;
    const size = platform.fpStateSize;
    this.fpSize = fp >= 0 && fp <= SLOT_SIZE - size ? size : 0;
    this.fpAddr = this.slotHost + fp;
    if (w[REG_GS_BASE * 2] === this.ownGSLow && w[REG_GS_BASE * 2 + 1] === this.ownGSHigh) {
      // The slot's address while the guest has none of its own.
      w[REG_GS_BASE * 2] = 0;
      w[REG_GS_BASE * 2 + 1] = 0;
    }
    if (this.finishing) {
      this.finishing = false;
      platform.native.systrap_clear(this.lineAddress());
      completed(this, this.pendingReturn);
      this.event = EventInterrupted;
      return true;
    }
    if (signo === SIGSYS) {
      this.event = EventSyscallRegs;
      // Other than by its own instruction no call is known: int 0x80 is dispatched, too.
      const foreign = f[W_SI_ARCH] !== AUDIT_ARCH_X86_64;
      this.sysno = foreign ? -1 : (w[2 * REG_RAX] ?? 0) | 0;
      normaliseEntry(this);
      const a = this.args;
      a[0] = w[2 * REG_RDI] ?? 0;
      a[1] = w[2 * REG_RDI + 1] ?? 0;
      a[2] = w[2 * REG_RSI] ?? 0;
      a[3] = w[2 * REG_RSI + 1] ?? 0;
      a[4] = w[2 * REG_RDX] ?? 0;
      a[5] = w[2 * REG_RDX + 1] ?? 0;
      a[6] = w[2 * REG_R10] ?? 0;
      a[7] = w[2 * REG_R10 + 1] ?? 0;
      a[8] = w[2 * REG_R8] ?? 0;
      a[9] = w[2 * REG_R8 + 1] ?? 0;
      a[10] = w[2 * REG_R9] ?? 0;
      a[11] = w[2 * REG_R9 + 1] ?? 0;
    } else if (signo === SIGNAL_INTERRUPT) {
      this.event = EventInterrupted;
      if (this.way === BY_NOTIFICATION) normalise(this);
    } else {
      this.event = EventFault;
      this.faultSignal = signo;
      this.faultCode = (f[W_SI_CODE] ?? 0) | 0;
      this.faultAddr = (f[W_SI_ADDR + 1] ?? 0) * 4294967296 + (f[W_SI_ADDR] ?? 0);
      this.faultTrapno = f[W_TRAPNO] ?? 0;
      this.faultError = f[W_ERR] ?? 0;
    }
    return true;
  }

  /** The first report of a new thread: SIGILL of the entry instruction. */
  begin(notif: Uint32Array): void {
    this.idLow = notif[0] ?? 0;
    this.idHigh = notif[1] ?? 0;
    if ((notif[8] ?? 0) !== SIGILL || !this.readFrame(notif))
      throw new Error("systrap: a new thread did not report its entry");
    this.fresh();
  }

  /** Whether it stands in a report, with its registers known. */
  isRestartable(): boolean {
    return this.state === STOPPED && this.fpSize !== 0 && (this.event !== EventSyscall || this.reported);
  }

  /** Gives a thread that stands in a report the state of a new one. */
  fresh(): void {
    this.state = STOPPED;
    this.way = BY_NOTIFICATION;
    this.finishing = false;
    this.reported = false;
    const { platform } = this.subprocess;
    host.copyToHost(this.slotHost, platform.slotInit, 0, SLOT_CLOCK);
    if (this.hot) platform.native.systrap_select(this.slotHost + SLOT_SELECTOR, 1);
    this.event = EventInterrupted;
    this.regs.words.fill(0);
    this.setAffinity(null);
    this.resetFPState();
  }

  finishSyscall(ret: number, thenInterrupt: boolean): void {
    if (this.state === DEAD) return;
    if (this.way !== BY_NOTIFICATION) {
      this.finishRequest(ret, thenInterrupt);
      return;
    }
    this.run();
    if (thenInterrupt) this.signalHost();
    this.subprocess.platform.send(this.idLow, this.idHigh, ret);
  }

  resume(): void {
    if (this.state === DEAD) return;
    const ip = this.regs.get(REG_RIP);
    // Single steps see the program as it was written.
    if (this.isStepping()) this.subprocess.restoreCode(ip, ip + 1);
    this.run();
    const f = this.frame;
    const w = this.regs.words;
    for (let i = 0; i < SIGCONTEXT_REGS * 2; i++) f[SIGCONTEXT + i] = w[i] ?? 0;
    const through = this.subprocess.calls.resumeIP(ip);
    if (through !== 0) {
      f[SIGCONTEXT + 2 * REG_RIP] = through;
      f[SIGCONTEXT + 2 * REG_RIP + 1] = 0;
    }
    f[W_SIGMASK] = 0;
    f[W_SIGMASK + 1] = 0;
    const fsLow = w[REG_FS_BASE * 2] ?? 0;
    const fsHigh = w[REG_FS_BASE * 2 + 1] ?? 0;
    let gsLow = w[REG_GS_BASE * 2] ?? 0;
    let gsHigh = w[REG_GS_BASE * 2 + 1] ?? 0;
    if (gsLow === 0 && gsHigh === 0) {
      gsLow = this.ownGSLow;
      gsHigh = this.ownGSHigh;
    }
    const bases =
      fsLow !== this.fsLow || fsHigh !== this.fsHigh || gsLow !== this.gsLow || gsHigh !== this.gsHigh ? 1 : 0;
    if (bases === 1) {
      // A non-canonical base would fault inside the stub.
      f[W_FS] = fsLow;
      f[W_FS + 1] = fsHigh <= 0x7fff ? fsHigh : 0;
      f[W_GS] = gsLow;
      f[W_GS + 1] = gsHigh <= 0x7fff ? gsHigh : 0;
    }
    const platform = this.subprocess.platform;
    host.copyHost(this.ucAddr + SIGCONTEXT * 4, this.framePtr + SIGCONTEXT * 4, (UC_WORDS - SIGCONTEXT) * 4);
    platform.send(this.idLow, this.idHigh, bases);
  }

  interrupt(): void {
    if (this.state === RUNNING) this.signalHost();
  }

  /** Queues the interrupt signal to the host thread, which must report within the platform's patience. */
  signalHost(): void {
    if (this.interruptedAt === 0) this.subprocess.platform.expectReport(this);
    host.tgkill(this.subprocess.pid, this.hostTID, SIGNAL_INTERRUPT);
  }

  readUsage(out: HostUsage): boolean {
    out.clear();
    const sub = this.subprocess;
    if (this.state === DEAD || sub.dead) return false;
    if (!this.clockKnown) {
      sub.readUsage(this);
      if (sub.dead) return false;
    }
    out.cpuNs = this.clockNs;
    sub.takeUsage(out);
    return true;
  }

  /** The thread's clock as clock_gettime(2) knows it inside its own process, which is the only place where it does. */
  clockID(): number {
    return (~this.hostTID << 3) | CPUCLOCK_PERTHREAD_SCHED;
  }

  /** Where the stub reads it into, and its rusage. */
  clockAddress(): number {
    return SLOT_BASE + this.slot * SLOT_SIZE + SLOT_CLOCK;
  }

  rusageAddress(): number {
    return SLOT_BASE + this.slot * SLOT_SIZE + SLOT_RUSAGE;
  }

  /** The stub has read it. A thread that is not stopped goes on running. */
  clockRead(): void {
    this.clockKnown = this.state !== RUNNING && this.state !== DEAD;
    const platform = this.subprocess.platform;
    host.copyFromHost(platform.usageBytes, 0, this.slotHost + SLOT_CLOCK, SIZEOF_TIMESPEC);
    this.clockNs = nanoseconds(platform.usageWords, 0, 1);
  }

  /** The stub has read its rusage through this thread's slot. */
  rusageRead(out: HostUsage): void {
    const platform = this.subprocess.platform;
    host.copyFromHost(platform.usageBytes, 0, this.slotHost + SLOT_RUSAGE, SIZEOF_RUSAGE);
    const w = platform.usageWords;
    out.userNs = nanoseconds(w, RU_UTIME, 1000);
    out.systemNs = nanoseconds(w, RU_STIME, 1000);
    out.minorFaults = w[RU_MINFLT] ?? 0;
    out.majorFaults = w[RU_MAJFLT] ?? 0;
    out.involuntarySwitches = w[RU_NIVCSW] ?? 0;
  }

  setAffinity(mask: Uint32Array | null): void {
    if (this.state === DEAD || (mask === null && !this.pinned && this.home < 0)) return;
    this.pinned = mask !== null;
    this.subprocess.platform.placement.forget(this);
    setAffinity(this.hostTID, mask ?? this.subprocess.platform.allCPUs);
  }

  fpStateSize(): number {
    return this.subprocess.platform.fpStateSize;
  }

  getFPState(dst: Uint8Array): void {
    if (this.fpSize === 0 || dst.length < this.fpSize) return;
    host.copyFromHost(dst, 0, this.fpAddr, this.fpSize);
  }

  setFPState(src: Uint8Array): boolean {
    return storeFPState(this.subprocess.platform, this.fpAddr, this.fpSize, src);
  }

  resetFPState(): void {
    if (this.fpSize === 0) return;
    const init = this.subprocess.platform.fpInit;
    host.copyToHost(this.fpAddr, init, 0, init.length);
  }

  /** Learns the host's FP layout from the first frame there ever is. */
  learnFPState(): void {
    const fp = (this.frame[W_FPSTATE + 1] ?? 0) * 4294967296 + (this.frame[W_FPSTATE] ?? 0);
    this.fpAddr = this.slotHost + fp - (SLOT_BASE + this.slot * SLOT_SIZE);
    this.fpSize = learnFPState(this.subprocess.platform, this.fpAddr);
  }

  release(): void {
    switch (this.state) {
      case STOPPED:
        this.park();
        break;
      case RUNNING:
        this.subprocess.platform.runsNoMore(this);
        this.state = PARKING;
        this.signalHost();
        break;
      default:
        break;
    }
  }

  /** Leaves a thread that reported by signal unanswered, for reuse; brings one that stands in a system call there first. */
  park(): void {
    if (this.event === EventSyscall && !this.reported) {
      const { platform } = this.subprocess;
      this.state = PARKING;
      this.signalHost();
      if (this.way === BY_NOTIFICATION) platform.send(this.idLow, this.idHigh, -EINTR);
      else if (this.way === BY_DISPATCH) platform.native.systrap_answer(this.lineAddress(), -EINTR);
      this.way = BY_NOTIFICATION;
      return;
    }
    this.state = PARKED;
    this.subprocess.parked(this);
  }

  /** The host thread is gone. */
  died(): void {
    if (this.interruptedAt !== 0) this.subprocess.platform.reportCame(this);
    if (this.state === RUNNING) this.subprocess.platform.runsNoMore(this);
    this.subprocess.platform.placement.forget(this);
    const told = this.state === RUNNING || this.state === STOPPED;
    this.state = DEAD;
    this.event = EventDied;
    if (told) this.owner.platformEvent(this);
  }
}
