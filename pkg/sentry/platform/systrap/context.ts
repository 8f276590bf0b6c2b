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
  REG_COUNT,
  REG_FS_BASE,
  REG_GS_BASE,
  REG_R8,
  REG_R9,
  REG_R10,
  REG_RAX,
  REG_RDI,
  REG_RDX,
  REG_RSI,
  type Registers,
} from "../platform.ts";
import { SIGNAL_INTERRUPT, SLOT_BASE, SLOT_SIZE } from "./stub.ts";
import type { Subprocess } from "./subprocess.ts";

/** As many CPUs as the host may have. */
const ALL_CPUS: Readonly<Uint32Array> = new Uint32Array(32).fill(0xffffffff);
/** CPUCLOCK_SCHED of one thread (include/linux/posix-timers.h). */
const CPUCLOCK_PERTHREAD_SCHED = 6;
const SIGILL = 4;
const SIGSYS = 31;
const EINTR = 4;

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

// The fpstate of a frame (struct _xstate): legacy area with software-reserved words, xsave header, the rest, FP_XSTATE_MAGIC2.
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const SW_RESERVED = 464;
const XSAVE_HEADER = 512;
const MXCSR_DEFAULT = 0x1f80;
const FCW_DEFAULT = 0x37f;
const MXCSR_MASK_DEFAULT = 0xffff;

const RUNNING = 0;
const STOPPED = 1;
const PARKING = 2;
const PARKED = 3;
const DEAD = 4;

/** General registers as word pairs; FS and GS base are kept beside the signal frame's set. */
class SystrapRegisters implements Registers {
  static readonly stateType = stateType("systrap.SystrapRegisters", ["words"]);
  readonly words: Uint32Array = new Uint32Array(REG_COUNT * 2);

  get(i: number): number {
    return (this.words[2 * i + 1] ?? 0) * 4294967296 + (this.words[2 * i] ?? 0);
  }

  set(i: number, value: number): void {
    this.words[2 * i] = value;
    this.words[2 * i + 1] = Math.floor(value / 4294967296);
  }
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
      "syscallIP",
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
      "pinned",
      "interruptedAt",
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
  state = RUNNING;
  sysno = 0;
  readonly args: Uint32Array = new Uint32Array(12);
  syscallIP = 0;
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
  readonly frame: Uint32Array = new Uint32Array(FRAME_WORDS);
  readonly framePtr: number = ptr(this.frame);
  /** Sentry address of the frame's ucontext, of its fpstate, and the fpstate's size (0: no valid one). */
  ucAddr = 0;
  fpAddr = 0;
  fpSize = 0;
  /** Its host thread has an affinity of its own. */
  pinned = false;
  /** When it was told to report, performance.now(); 0: it was not, or did. */
  interruptedAt = 0;
  fsLow = 0;
  fsHigh = 0;
  gsLow = 0;
  gsHigh = 0;

  constructor(owner: ContextOwner, subprocess: Subprocess, slot: number) {
    this.owner = owner;
    this.subprocess = subprocess;
    this.slot = slot;
    this.slotHost = subprocess.platform.slotAddress(slot);
  }

  get stopped(): boolean {
    return this.state === STOPPED || this.state === PARKED;
  }

  /** Takes a notification of this thread (80 bytes, struct seccomp_notif) and tells the owner. */
  notified(notif: Uint32Array, isReport: boolean): void {
    this.idLow = notif[0] ?? 0;
    this.idHigh = notif[1] ?? 0;
    if (isReport) {
      if (this.interruptedAt !== 0) this.subprocess.platform.reportCame(this);
      if (!this.readFrame(notif)) {
        // Only a forged frame gets here: the guest jumped into the stub or moved its signal stack.
        this.subprocess.kill("a guest thread forged a signal frame");
        return;
      }
    } else {
      this.sysno = (notif[4] ?? 0) | 0;
      this.syscallIP = (notif[7] ?? 0) * 4294967296 + (notif[6] ?? 0);
      for (let i = 0; i < 12; i++) this.args[i] = notif[8 + i] ?? 0;
      this.event = EventSyscall;
    }
    if (this.state === PARKING) {
      this.park();
      return;
    }
    this.state = STOPPED;
    this.owner.platformEvent(this);
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
    const size = this.subprocess.platform.fpStateSize;
    this.fpSize = fp >= 0 && fp <= SLOT_SIZE - size ? size : 0;
    this.fpAddr = this.slotHost + fp;
    if (signo === SIGSYS) {
      this.event = EventSyscallRegs;
      this.sysno = (w[2 * REG_RAX] ?? 0) | 0;
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

  /** Gives a parked or new thread the state of a fresh one. */
  fresh(): void {
    this.state = STOPPED;
    this.event = EventInterrupted;
    this.regs.words.fill(0);
    this.setAffinity(null);
    this.resetFPState();
  }

  finishSyscall(ret: number, thenInterrupt: boolean): void {
    if (this.state === DEAD) return;
    this.state = RUNNING;
    if (thenInterrupt) this.signalHost();
    this.subprocess.platform.send(this.idLow, this.idHigh, ret);
  }

  resume(): void {
    if (this.state === DEAD) return;
    this.state = RUNNING;
    const f = this.frame;
    const w = this.regs.words;
    for (let i = 0; i < SIGCONTEXT_REGS * 2; i++) f[SIGCONTEXT + i] = w[i] ?? 0;
    f[W_SIGMASK] = 0;
    f[W_SIGMASK + 1] = 0;
    const fsLow = w[REG_FS_BASE * 2] ?? 0;
    const fsHigh = w[REG_FS_BASE * 2 + 1] ?? 0;
    const gsLow = w[REG_GS_BASE * 2] ?? 0;
    const gsHigh = w[REG_GS_BASE * 2 + 1] ?? 0;
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

  cpuTimeNs(): number {
    if (this.state === DEAD) return 0;
    this.subprocess.readClock((~this.hostTID << 3) | CPUCLOCK_PERTHREAD_SCHED, SLOT_BASE + this.slot * SLOT_SIZE);
    const ts = this.subprocess.platform.timespec;
    host.copyFromHost(ts, 0, this.slotHost, ts.length);
    const view = new DataView(ts.buffer, ts.byteOffset);
    // The guest can write there: keep what it says within reason.
    return (view.getUint32(0, true) % 1e8) * 1e9 + (view.getUint32(8, true) % 1e9);
  }

  setAffinity(mask: Uint32Array | null): void {
    if (this.state === DEAD || (mask === null && !this.pinned)) return;
    this.pinned = mask !== null;
    const bits = mask ?? ALL_CPUS;
    host.schedSetaffinity(this.hostTID, new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength));
  }

  fpStateSize(): number {
    return this.subprocess.platform.fpStateSize;
  }

  getFPState(dst: Uint8Array): void {
    if (this.fpSize === 0 || dst.length < this.fpSize) return;
    host.copyFromHost(dst, 0, this.fpAddr, this.fpSize);
  }

  setFPState(src: Uint8Array): boolean {
    const size = this.fpSize;
    if (size === 0 || src.length < size) return false;
    const fp = src.slice(0, size);
    const view = new DataView(fp.buffer);
    const platform = this.subprocess.platform;
    if (
      view.getUint32(SW_RESERVED, true) !== FP_XSTATE_MAGIC1 ||
      view.getUint32(SW_RESERVED + 4, true) !== size ||
      view.getUint32(size - 4, true) !== FP_XSTATE_MAGIC2
    ) {
      return false;
    }
    view.setUint32(24, view.getUint32(24, true) & platform.mxcsrMask, true);
    // Features the host did not enable and a dirty header would make the host refuse the frame and kill the stub.
    fp.set(platform.fpSoftware, SW_RESERVED);
    const low = view.getUint32(XSAVE_HEADER, true);
    const high = view.getUint32(XSAVE_HEADER + 4, true);
    const features = new DataView(platform.fpSoftware.buffer);
    view.setUint32(XSAVE_HEADER, low & features.getUint32(8, true), true);
    view.setUint32(XSAVE_HEADER + 4, high & features.getUint32(12, true), true);
    fp.fill(0, XSAVE_HEADER + 8, XSAVE_HEADER + 64);
    host.copyToHost(this.fpAddr, fp, 0, size);
    return true;
  }

  resetFPState(): void {
    if (this.fpSize === 0) return;
    const init = this.subprocess.platform.fpInit;
    host.copyToHost(this.fpAddr, init, 0, init.length);
  }

  /** What the first frame ever says of the host's FP layout: total size and the software-reserved words. */
  learnFPState(): void {
    const platform = this.subprocess.platform;
    const sw = new Uint8Array(48);
    const base = SLOT_BASE + this.slot * SLOT_SIZE;
    const fp = (this.frame[W_FPSTATE + 1] ?? 0) * 4294967296 + (this.frame[W_FPSTATE] ?? 0) - base;
    this.fpAddr = this.slotHost + fp;
    host.copyFromHost(sw, 0, this.fpAddr + SW_RESERVED, sw.length);
    const view = new DataView(sw.buffer);
    const mask = new Uint8Array(4);
    host.copyFromHost(mask, 0, this.fpAddr + 28, 4);
    if (view.getUint32(0, true) !== FP_XSTATE_MAGIC1) throw new Error("systrap: the host's CPU has no XSAVE");
    platform.fpStateSize = view.getUint32(4, true);
    platform.fpSoftware = sw;
    platform.mxcsrMask = new DataView(mask.buffer).getUint32(0, true) || MXCSR_MASK_DEFAULT;
    this.fpSize = platform.fpStateSize;
    // The state of a fresh process: all features in their initial configuration.
    const init = new Uint8Array(platform.fpStateSize);
    const fresh = new DataView(init.buffer);
    fresh.setUint16(0, FCW_DEFAULT, true);
    fresh.setUint32(24, MXCSR_DEFAULT, true);
    fresh.setUint32(28, platform.mxcsrMask, true);
    init.set(platform.fpSoftware, SW_RESERVED);
    fresh.setUint32(init.length - 4, FP_XSTATE_MAGIC2, true);
    platform.fpInit = init;
  }

  release(): void {
    switch (this.state) {
      case STOPPED:
        this.park();
        break;
      case RUNNING:
        this.state = PARKING;
        this.signalHost();
        break;
      default:
        break;
    }
  }

  /** Leaves a thread that reported by signal unanswered, for reuse; brings one that stands in a system call there first. */
  park(): void {
    if (this.event === EventSyscall) {
      this.state = PARKING;
      this.signalHost();
      this.subprocess.platform.send(this.idLow, this.idHigh, -EINTR);
      return;
    }
    this.state = PARKED;
    this.subprocess.parked(this);
  }

  /** The host thread is gone. */
  died(): void {
    if (this.interruptedAt !== 0) this.subprocess.platform.reportCame(this);
    const told = this.state === RUNNING || this.state === STOPPED;
    this.state = DEAD;
    this.event = EventDied;
    if (told) this.owner.platformEvent(this);
  }
}
