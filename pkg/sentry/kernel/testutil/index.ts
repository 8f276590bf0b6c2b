/** Package testutil is a kernel on a platform without a processor: tests play the guest by raising events. */
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { newDefaultLimitSet } from "../../limits/index.ts";
import { Features } from "../../loader/index.ts";
import type { File } from "../../memmap/index.ts";
import { MemoryManager } from "../../mm/index.ts";
import {
  type AddressSpace,
  type Context,
  type ContextOwner,
  EventFault,
  EventInterrupted,
  type EventKind,
  EventSyscall,
  EventSyscallRegs,
  type FDListener,
  type HostUsage,
  type Platform,
  REG_COUNT,
  REG_RAX,
  type Registers,
  type WorkSource,
} from "../../platform/platform.ts";
import { Timekeeper } from "../../time/index.ts";
import { MountNamespace } from "../../vfs/index.ts";
import { TestFS } from "../../vfs/testutil/index.ts";
import { FDTable } from "../fd_table.ts";
import { FSContext } from "../fs_context.ts";
import { FutexManager } from "../futex/index.ts";
import { Kernel, type SyscallEntry } from "../kernel.ts";
import { SignalHandlers } from "../signal_handlers.ts";
import { Task } from "../task.ts";
import { initialNamespaces } from "../task_namespaces.ts";
import { UTSNamespace } from "../uts_namespace.ts";

/** Plain registers. */
class TestRegisters implements Registers {
  static readonly stateType = stateType("testutil.TestRegisters", ["words"]);
  readonly words: Uint32Array = new Uint32Array(REG_COUNT * 2);

  get(i: number): number {
    return (this.words[2 * i + 1] ?? 0) * 4294967296 + (this.words[2 * i] ?? 0);
  }

  set(i: number, value: number): void {
    this.words[2 * i] = value;
    this.words[2 * i + 1] = Math.floor(value / 4294967296);
  }
}

/** A guest thread played by a test. */
export class TestContext implements Context {
  static readonly stateType = stateType("testutil.TestContext", [
    "owner",
    "event",
    "stopped",
    "hostTID",
    "sysno",
    "args",
    "syscallIP",
    "faultSignal",
    "faultCode",
    "faultAddr",
    "faultTrapno",
    "faultError",
    "regs",
    "results",
    "interrupts",
    "thenInterrupt",
    "resumes",
    "released",
  ]);
  owner: ContextOwner;
  event: EventKind = EventInterrupted;
  stopped = true;
  hostTID = 0;
  sysno = 0;
  readonly args: Uint32Array = new Uint32Array(12);
  syscallIP = 0;
  faultSignal = 0;
  faultCode = 0;
  faultAddr = 0;
  faultTrapno = 0;
  faultError = 0;
  readonly regs: TestRegisters = new TestRegisters();
  /** What finishSyscall was given. */
  results: number[] = [];
  /** interrupt() was called while running. */
  interrupts = 0;
  /** The last finishSyscall asked for an EventInterrupted. */
  thenInterrupt = false;
  resumes = 0;
  released = false;

  constructor(owner: ContextOwner) {
    this.owner = owner;
  }

  /** The guest makes a system call that is notified without registers. */
  syscall(nr: number, ...args: number[]): void {
    this.setCall(nr, args);
    this.raise(EventSyscall);
  }

  /** The guest makes a system call that stops with registers. */
  trap(nr: number, ...args: number[]): void {
    this.regs.set(REG_RAX, nr);
    this.setCall(nr, args);
    this.raise(EventSyscallRegs);
  }

  /** Number and arguments of a call. */
  setCall(nr: number, args: readonly number[]): void {
    this.sysno = nr;
    this.args.fill(0);
    for (const [i, a] of args.entries()) {
      this.args[2 * i] = a;
      this.args[2 * i + 1] = Math.floor(a / 4294967296);
    }
  }

  /** Delivers an event. */
  raise(event: EventKind): void {
    if (this.stopped) throw new Error("the context is stopped");
    this.stopped = true;
    this.event = event;
    this.owner.platformEvent(this);
  }

  /** A page fault. */
  fault(signal: number, addr: number, error: number): void {
    this.faultSignal = signal;
    this.faultAddr = addr;
    this.faultTrapno = 14;
    this.faultError = error;
    this.raise(EventFault);
  }

  finishSyscall(ret: number, thenInterrupt: boolean): void {
    this.results.push(ret);
    this.regs.set(REG_RAX, ret);
    this.thenInterrupt = thenInterrupt;
    this.stopped = false;
  }

  resume(): void {
    this.stopped = false;
    this.resumes++;
  }

  interrupt(): void {
    if (!this.stopped) this.interrupts++;
  }

  setAffinity(): void {}
  readUsage(out: HostUsage): boolean {
    out.clear();
    return true;
  }

  fpStateSize(): number {
    return 576;
  }

  getFPState(dst: Uint8Array): void {
    dst.fill(0);
  }

  setFPState(_src: Uint8Array): boolean {
    return true;
  }

  resetFPState(): void {}

  release(): void {
    this.released = true;
  }
}

/** An address space without a processor. */
class TestAddressSpace implements AddressSpace {
  static readonly stateType = stateType("testutil.TestAddressSpace", []);

  mapFile(_addr: number, _file: File, _offset: number, _length: number, _at: number, _precommit: boolean): void {}
  unmap(_addr: number, _length: number): void {}
  protect(_addr: number, _length: number, _at: number): void {}
  beginBatch(): void {}
  endBatch(): void {}
  setCodeAccess(): void {}
  inheritCode(): void {}
  restoreCode(): void {}
  forgetCode(): void {}
  kill(): void {}
  release(): void {}

  restart(): boolean {
    return false;
  }

  newContext(owner: ContextOwner): Context {
    return new TestContext(owner);
  }
}

/** A platform without a processor. */
export class TestPlatform implements Platform {
  static readonly stateType = stateType("testutil.TestPlatform", [
    "name",
    "minUserAddress",
    "maxUserAddress",
    "vdso",
    "work",
  ]);
  readonly name = "test";
  readonly minUserAddress = 0x10000;
  readonly maxUserAddress = 0x7ffffffff000;
  readonly vdso = null;
  work: WorkSource | null = null;

  newAddressSpace(): AddressSpace {
    return new TestAddressSpace();
  }

  poll(_timeoutNs: number): number {
    return 0;
  }

  watchFD(_fd: number, _mask: number, _listener: FDListener): void {}
  unwatchFD(_fd: number): void {}
  destroy(): void {}
}

/** Log lines. */
class TestLog {
  static readonly stateType = stateType("testutil.TestLog", ["lines"]);
  readonly lines: string[] = [];
  debug(m: string): void {
    this.lines.push(m);
  }
  info(m: string): void {
    this.lines.push(m);
  }
  warning(m: string): void {
    this.lines.push(m);
  }
}

/** A kernel and ways to make tasks in it. */
export class TestKernel {
  readonly fs: TestFS = new TestFS();
  readonly log: TestLog = new TestLog();
  readonly kernel: Kernel;
  readonly mounts: MountNamespace;

  constructor(table: readonly (SyscallEntry | undefined)[]) {
    const ns = this.fs.rootCreds.userNamespace;
    this.mounts = new MountNamespace(this.fs.root.mount, ns);
    this.kernel = new Kernel({
      platform: new TestPlatform(),
      memoryFile: this.fs.memoryFile,
      vfs: this.fs.vfs,
      timekeeper: new Timekeeper(),
      futexes: new FutexManager(),
      syscallTable: table,
      rootUserNamespace: ns,
      rootUTSNamespace: new UTSNamespace("host", "(none)", ns, 1),
      log: this.log,
      cpuCount: 2,
      totalMemory: 2 ** 30,
      features: new Features(),
      allowSUID: false,
    });
  }

  /** A task in a group of its own that "runs in the guest". The first one is init. */
  newTask(): { t: Task; ctx: TestContext } {
    const k = this.kernel;
    const limits = newDefaultLimitSet();
    const mm = new MemoryManager({ platform: k.platform, memoryFile: k.memoryFile, limits });
    const ctx = new TestContext({ platformEvent: () => {} });
    const ns = k.tasks.root;
    const tids = k.tasks.allocateTIDs(ns, []);
    if (tids === null) throw linuxerr.EAGAIN;
    mm.activate();
    const t = new Task({
      kernel: k,
      pidNamespace: ns,
      tids,
      name: `t${tids[0]}`,
      creds: this.fs.rootCreds,
      mm,
      context: ctx,
      fdTable: new FDTable(),
      fsContext: new FSContext(this.fs.root, this.fs.root, 0o22),
      namespaces: initialNamespaces(k, ns, this.mounts, k.rootUTSNamespace),
      threadGroup: null,
      processGroup: null,
      signalHandlers: new SignalHandlers(),
      limits,
    });
    if (ns.init === null) {
      ns.init = t.threadGroup;
      k.globalInit = t.threadGroup;
      t.threadGroup.unkillable = true;
    } else {
      const parent = ns.init.leader;
      t.threadGroup.parent = parent;
      parent.children.add(t.threadGroup);
      t.threadGroup.exitSignal = 17;
    }
    ctx.resume();
    return { t, ctx };
  }
}
