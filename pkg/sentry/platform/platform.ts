/**
 * Package platform runs guest code: contexts (a guest thread's registers), address spaces, switch to the guest and events back.
 * All objects belong to the sentry's one thread; guest threads run in parallel between events.
 */
import { stateType } from "../../state/index.ts";
import type { File } from "../memmap/index.ts";

/** What made a context stop. */
export const EventSyscall = 1; // sysno and args are valid, registers are NOT: answer with finishSyscall
export const EventSyscallRegs = 2; // registers, sysno and args are valid: answer with resume
export const EventFault = 3; // registers and the fault fields are valid: answer with resume
export const EventInterrupted = 4; // registers are valid, nothing to answer: resume when done
export const EventDied = 5; // the host thread is gone: kill the guest process
/** One of the above. */
export type EventKind = 1 | 2 | 3 | 4 | 5;

/** The general registers of a stopped context, as struct user_regs_struct has them, two 32-bit words each (low, high). */
export interface Registers {
  /** Index constants below; word pair i is words[2*i], words[2*i+1]. */
  readonly words: Uint32Array;
  /** Register i as a number: exact below 2^53, which every valid user address is. */
  get(i: number): number;
  /** Sets register i from a number: non-negative, or a negative integer above -2^53 (two's complement). */
  set(i: number, value: number): void;
}

/** Order of the registers in Registers.words. */
export const REG_R8 = 0;
export const REG_R9 = 1;
export const REG_R10 = 2;
export const REG_R11 = 3;
export const REG_R12 = 4;
export const REG_R13 = 5;
export const REG_R14 = 6;
export const REG_R15 = 7;
export const REG_RDI = 8;
export const REG_RSI = 9;
export const REG_RBP = 10;
export const REG_RBX = 11;
export const REG_RDX = 12;
export const REG_RAX = 13;
export const REG_RCX = 14;
export const REG_RSP = 15;
export const REG_RIP = 16;
export const REG_EFLAGS = 17;
export const REG_FS_BASE = 18;
export const REG_GS_BASE = 19;
/** Number of registers. */
export const REG_COUNT = 20;

/** Receives the events of a context; kernel.Task. */
export interface ContextOwner {
  /** The context stopped; its fields describe why. Must not throw. */
  platformEvent(ctx: Context): void;
}

/** What the host accounts to a guest thread and to the stub around it, in ns and counts. */
export class HostUsage {
  static readonly stateType = stateType("platform.HostUsage", [
    "cpuNs",
    "userNs",
    "systemNs",
    "minorFaults",
    "majorFaults",
    "involuntarySwitches",
  ]);
  /** CPU time of the host thread, also for guest threads that used it before. */
  cpuNs = 0;
  /** CPU time of all threads of the stub since that began, told apart. */
  userNs = 0;
  systemNs = 0;
  /** Page faults and preemptions in the stub since it was read last, by whichever thread. */
  minorFaults = 0;
  majorFaults = 0;
  involuntarySwitches = 0;

  clear(): void {
    this.cpuNs = 0;
    this.userNs = 0;
    this.systemNs = 0;
    this.minorFaults = 0;
    this.majorFaults = 0;
    this.involuntarySwitches = 0;
  }
}

/** A guest thread. It is either running in the guest or stopped with an event not yet answered. */
export interface Context {
  owner: ContextOwner;
  /** Why it stopped last. */
  readonly event: EventKind;
  /** True from an event until finishSyscall or resume. */
  readonly stopped: boolean;
  /** Host thread id in the sentry's pid namespace, for CPU accounting. */
  readonly hostTID: number;
  /** What the host accounts to the thread and its stub. False, and zeros, when they are gone. Some microseconds dear; a hostile guest can falsify its own. */
  readUsage(out: HostUsage): boolean;
  /** For EventSyscall and EventSyscallRegs: the low 32 bits of rax at entry, signed; and the six arguments, (low, high) words. */
  readonly sysno: number;
  readonly args: Uint32Array;
  /** For EventSyscall: address after the syscall instruction. */
  readonly syscallIP: number;
  /** For EventFault: the host's signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP), si_code, si_addr, trapno and page fault error code (bit 1 write, bit 4 exec). */
  readonly faultSignal: number;
  readonly faultCode: number;
  readonly faultAddr: number;
  readonly faultTrapno: number;
  readonly faultError: number;
  /** Valid after EventSyscallRegs, EventFault, EventInterrupted until resume. Includes FS and GS base. */
  readonly regs: Registers;

  /** Answers an EventSyscall; `ret` goes to rax (two's complement when negative). With `thenInterrupt` an EventInterrupted follows
   * before the guest executes another instruction: used to deliver signals, whose frame needs the registers. */
  finishSyscall(ret: number, thenInterrupt: boolean): void;
  /** Continues the guest with `regs` and the FP state as they now are. */
  resume(): void;
  /** Makes a running context stop soon with EventInterrupted (or another event that comes first). No-op when stopped. */
  interrupt(): void;

  /** Keeps the host thread on the CPUs of a bit mask; null: all. A mask the host refuses is ignored: where a thread runs is no matter of correctness. */
  setAffinity(mask: Uint32Array | null): void;

  /** Size in bytes of the FP state: the whole fpstate of a signal frame as Linux lays it out, with FP_XSTATE_MAGIC2. */
  fpStateSize(): number;
  /** Copies the FP state of a context stopped with registers to dst. */
  getFPState(dst: Uint8Array): void;
  /** Replaces it; src as getFPState gave it or as a guest's signal frame holds it: magic and features are validated, MXCSR is masked. Returns false when invalid (state unchanged). */
  setFPState(src: Uint8Array): boolean;
  /** Resets FP state to that of a fresh process. */
  resetFPState(): void;
  /** The task is gone: the host thread is parked for reuse or ended. */
  release(): void;
}

/** How a platform reads and changes a guest's code, to make hot system calls cheaper; mm.MemoryManager. */
export interface CodeAccess {
  /** Copies code to dst; false unless all of it lies in private mappings of files that can be executed and not written. */
  readCode(addr: number, dst: Uint8Array): boolean;
  /** Replaces code, in this address space alone and at once as far as its threads can see; false when it could not. It lies within a page. */
  writeCode(addr: number, src: Uint8Array): boolean;
}

/** The host side of one guest address space. Ranges are page-aligned. */
export interface AddressSpace {
  /**
   * Maps [addr, addr+length) to file at offset with the access bits given, replacing what is there. With `precommit` host page
   * tables are filled now. Throws ENOMEM when the host has no room (drop mappings and refault).
   */
  mapFile(addr: number, file: File, offset: number, length: number, at: number, precommit: boolean): void;
  /** Removes mappings; done in every thread of the address space when it returns. */
  unmap(addr: number, length: number): void;
  /** Changes the access bits of mappings that exist; holes are skipped. */
  protect(addr: number, length: number, at: number): void;
  /** Starts collecting mapFile, unmap and protect calls ... */
  beginBatch(): void;
  /** ... and carries them out in as few hand-offs as possible. With `later` they may wait for the next such call or batch, whose errors may be theirs. */
  endBatch(later?: boolean): void;
  /**
   * A program is to take the place of the one that `ctx` runs: all mappings and patches go (in the batch under way, if any), registers and FP state are as in
   * a new context, which stands stopped. False, and nothing done, unless its registers are known and no other thread of the space may run.
   */
  restart(ctx: Context): boolean;
  /** A new guest thread in this address space, stopped with EventInterrupted, registers and FP state fresh (zeros; MXCSR 0x1f80, FCW 0x37f). No event is delivered for it. */
  newContext(owner: ContextOwner): Context;
  /** Lets the platform patch hot call sites in the code. */
  setCodeAccess(code: CodeAccess | null): void;
  /** The address space begins as a copy of another one (fork), patched code included. */
  inheritCode(from: AddressSpace): void;
  /** Undoes the patches in a range: the code in memory is the program's own again, for whoever is to see, change or move it. */
  restoreCode(start: number, end: number): void;
  /** What was mapped in a range is gone, patches included. */
  forgetCode(start: number, end: number): void;
  /** Ends the stub process at once; EventDied follows for each of its contexts. */
  kill(reason: string): void;
  /** Ends the stub process. All its contexts must have been released. */
  release(): void;
}

/** Where guests find the host's vDSO. */
export interface Vdso {
  /** The vvar pages are [vvarStart, start). */
  readonly vvarStart: number;
  /** The vdso's pages, [start, end), begin with its ELF header: AT_SYSINFO_EHDR. */
  readonly start: number;
  readonly end: number;
  /** CRC-32 of the vdso's pages: programs keep addresses in it, so a restored one needs the same. */
  readonly checksum: number;
  /** Where the sentry has the vdso's pages itself; 0: nowhere. */
  readonly hostAddress: number;
}

/** Says whether the sentry has something to do other than to wait for events; kernel.Kernel. */
export interface WorkSource {
  hasWork(): boolean;
}

/** The constructor's choice behind --platform. */
export interface Platform {
  readonly name: string;
  readonly minUserAddress: number;
  /** One past the highest address a guest may use. */
  readonly maxUserAddress: number;
  /** The host's vvar and vdso pages, present in every address space, or null. */
  readonly vdso: Vdso | null;
  /** Whom a platform that waits actively asks whether to return early. */
  work: WorkSource | null;
  newAddressSpace(): AddressSpace;
  /**
   * Waits for guest events and host descriptors, at most timeoutNs (negative: for ever, 0: not at all), hands each guest event to its
   * context's owner and each ready host descriptor to its registered listener. Serves at most 64 guest events. Returns how many events were handled.
   */
  poll(timeoutNs: number): number;
  /** Watches a host descriptor (edge-triggered) until unwatch. */
  watchFD(fd: number, mask: number, listener: FDListener): void;
  unwatchFD(fd: number): void;
  /** Kills all stubs. */
  destroy(): void;
}

/** Hears of a host descriptor becoming ready. */
export interface FDListener {
  /** `mask` is in poll bits (waiter.EventIn ...). */
  fdReady(fd: number, mask: number): void;
}
