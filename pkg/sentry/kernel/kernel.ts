import { CGROUP_NS_INIT_INO, IPC_NS_INIT_INO, NET_NS_INIT_INO } from "../../abi/linux/nsfs.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { setFields, stateType } from "../../state/index.ts";
import { FrameBuffer } from "../arch/index.ts";
import type { NSFilesystem } from "../fsimpl/nsfs/index.ts";
import type { LimitSet } from "../limits/index.ts";
import { type Features, KnownHeads } from "../loader/index.ts";
import type { MemoryFile } from "../pgalloc/index.ts";
import type { Platform, WorkSource } from "../platform/platform.ts";
import type { SocketSystem } from "../socket/index.ts";
import { NetworkNamespace } from "../socket/namespace.ts";
import type { Timekeeper } from "../time/index.ts";
import { TimerQueue } from "../time/index.ts";
import type { FileDescription, Mount, MountNamespace, VirtualDentry, VirtualFilesystem } from "../vfs/index.ts";
import { KnownPath } from "../vfs/known_path.ts";
import type { Credentials, UserNamespace } from "./auth/index.ts";
import { CgroupNamespace } from "./cgroup_namespace.ts";
import { CPUAccounting } from "./cpu_accounting.ts";
import type { FDTable } from "./fd_table.ts";
import type { FutexManager } from "./futex/index.ts";
import { IPCUsage } from "./ipc/index.ts";
import { IPCNamespace } from "./ipc_namespace.ts";
import { runLoop } from "./kernel_run.ts";
import { LoadAverage } from "./load_average.ts";
import type { SentryPanic } from "./panic.ts";
import { makePanic } from "./panic.ts";
import { pauseWorld, unpauseWorld } from "./pause.ts";
import type { PIDNamespace } from "./pid_namespace.ts";
import { createProcess } from "./process.ts";
import { RunQueue } from "./run_queue.ts";
import { SeccompData, SeccompUsage } from "./seccomp.ts";
import { type SignalQuota, SignalQuotas } from "./signal_quota.ts";
import { StringTable } from "./string_table.ts";
import { SyscallScratch } from "./syscall_scratch.ts";
import type { SyscallArguments, SyscallFn } from "./syscalls.ts";
import type { Task } from "./task.ts";
import { TaskSet } from "./task_set.ts";
import type { ThreadGroup } from "./thread_group.ts";
import type { UTSNamespace } from "./uts_namespace.ts";

const CLOCK_MONOTONIC = 1;
/** Size of Kernel.scratch: an iovec array at its largest. */
const SCRATCH_BYTES = 16384;

/** One entry of the system call table. */
export interface SyscallEntry {
  readonly fn: SyscallFn;
  /** Name as in syscall_64.tbl. */
  readonly name: string;
}

/** Sees every system call; pkg/sentry/strace. */
export interface SyscallTracer {
  /** Before the call. */
  enter(t: Task, nr: number, args: SyscallArguments): void;
  /** After it; `result` is the value or a negative errno (or restart code). */
  exit(t: Task, nr: number, args: SyscallArguments, result: number): void;
}

/** Where the kernel's messages go. */
export interface KernelLog {
  debug(msg: string): void;
  info(msg: string): void;
  warning(msg: string): void;
}

/** Is told that the loop is alive; pkg/sentry/watchdog. */
export interface Heartbeat {
  /** A turn of the loop begins. */
  beat(): void;
  /** The loop is about to sleep; silence is no alarm until the next beat. */
  idle(): void;
}

/** Work for the loop outside of any task; done in pieces. */
export interface Job {
  /** Works for about a millisecond at most; returns true when there is more to do (called again next turn). */
  run(): boolean;
}

/** What a Kernel is made of. */
export interface KernelArgs {
  platform: Platform;
  memoryFile: MemoryFile;
  vfs: VirtualFilesystem;
  timekeeper: Timekeeper;
  futexes: FutexManager;
  syscallTable: readonly (SyscallEntry | undefined)[];
  rootUserNamespace: UserNamespace;
  rootUTSNamespace: UTSNamespace;
  log: KernelLog;
  /** CPUs shown to guests. */
  cpuCount: number;
  /** Bytes of memory guests are told of. */
  totalMemory: number;
  /** What the processor offers, for auxiliary vectors. */
  features: Features;
  /** Set-user-ID bits and file capabilities count at exec. */
  allowSUID: boolean;
}

/** The first process of a container, or one joining it (exec). */
export interface CreateProcessArgs {
  /** Executable; resolved against the working directory. When it has no slash, PATH of envv is searched. */
  filename: string;
  /** Opened already (then filename is only a name), or null. */
  file: FileDescription | null;
  argv: readonly string[];
  envv: readonly string[];
  /** Absolute path; "" is the root directory. */
  workingDirectory: string;
  credentials: Credentials;
  /** Its reference is handed over. */
  fdTable: FDTable;
  umask: number;
  limits: LimitSet;
  mountNamespace: MountNamespace;
  /** The root directory; null: that of the mount namespace. */
  root: VirtualDentry | null;
  utsNamespace: UTSNamespace;
  containerID: string;
  noNewPrivs: boolean;
  oomScoreAdj: number;
  /** null: the root namespace. The first process in a namespace becomes its init. */
  pidNamespace: PIDNamespace | null;
}

/** The kernel of one sandbox: everything is reachable from here. */
export class Kernel implements WorkSource {
  static readonly stateType = stateType(
    "kernel.Kernel",
    [
      "memoryFile",
      "vfs",
      "timekeeper",
      "futexes",
      "tasks",
      "timers",
      "rootUserNamespace",
      "rootUTSNamespace",
      "ipcUsage",
      "rootIPCNamespace",
      "rootNetworkNamespace",
      "rootCgroupNamespace",
      "nsfs",
      "cpuCount",
      "totalMemory",
      "features",
      "allowSUID",
      "globalInit",
      "signalQuotas",
      "seccompUsage",
      "nextInode",
      "shmMount",
      "sockets",
      "loadAverage",
      "accounting",
    ],
    [
      "platform",
      "syscallTable",
      "strace",
      "log",
      "heartbeat",
      "runQueue",
      "jobs",
      "current",
      "pauseCount",
      "panicked",
      "stopRequested",
      "leaveLoop",
      "givingUp",
      "scratch",
      "scratchWords",
      "strings",
      "knownInterpreter",
      "knownHeads",
      "syscallScratch",
      "fpScratch",
      "frameBuffer",
      "seccompData",
      "missingLogged",
      "eventsSinceGC",
    ],
  );
  readonly platform: Platform;
  readonly memoryFile: MemoryFile;
  readonly vfs: VirtualFilesystem;
  readonly timekeeper: Timekeeper;
  readonly futexes: FutexManager;
  readonly tasks: TaskSet;
  readonly timers: TimerQueue = new TimerQueue();
  readonly rootUserNamespace: UserNamespace;
  readonly rootUTSNamespace: UTSNamespace;
  /** What the objects of all IPC namespaces take. */
  readonly ipcUsage: IPCUsage = new IPCUsage();
  readonly rootIPCNamespace: IPCNamespace;
  readonly rootNetworkNamespace: NetworkNamespace;
  readonly rootCgroupNamespace: CgroupNamespace;
  readonly syscallTable: readonly (SyscallEntry | undefined)[];
  readonly log: KernelLog;
  readonly cpuCount: number;
  readonly totalMemory: number;
  readonly features: Features;
  readonly allowSUID: boolean;
  strace: SyscallTracer | null = null;
  heartbeat: Heartbeat | null = null;
  /** The first process: when it is gone the sandbox ends with its status. */
  globalInit: ThreadGroup | null = null;
  readonly runQueue: RunQueue = new RunQueue();
  readonly jobs: Job[] = [];
  /** The task being served. */
  current: Task | null = null;
  /** Above zero: no task runs. */
  pauseCount = 0;
  panicked: SentryPanic | null = null;
  stopRequested = false;
  /** run() returns at the end of this turn, to be called again or not. */
  leaveLoop = false;
  /** System calls are being given up for a save: 0: no, 1: those that wait, 2: those that work too. */
  givingUp = 0;
  readonly signalQuotas: SignalQuotas = new SignalQuotas();
  /** The internal tmpfs of memfd_create(2); made at first use. */
  shmMount: Mount | null = null;
  /** Made at first use, by socketSystem(). */
  sockets: SocketSystem | null = null;
  /** The filesystem of namespaces' files; made at first use, by namespacePlace(). */
  nsfs: NSFilesystem | null = null;
  /** The next inode number for namespaces. */
  nextInode = 0xf0000000;
  /** For copies that end before anything else happens. */
  readonly scratch: Buffer;
  /** The same bytes as 32-bit words. */
  readonly scratchWords: Uint32Array;
  /** Paths and other strings of system calls. */
  readonly strings: StringTable = new StringTable();
  /** The program interpreter that was named last. */
  readonly knownInterpreter: KnownPath = new KnownPath();
  /** Programs that were loaded lately. */
  readonly knownHeads: KnownHeads = new KnownHeads();
  /** Buffers of the file system calls. */
  readonly syscallScratch: SyscallScratch = new SyscallScratch();
  /** Holds one FP state. */
  fpScratch: Uint8Array = new Uint8Array(0);
  /** For building signal frames. */
  readonly frameBuffer: FrameBuffer = new FrameBuffer();
  readonly seccompUsage: SeccompUsage = new SeccompUsage();
  /** For running seccomp filters. */
  readonly seccompData: SeccompData = new SeccompData();
  /** System call numbers whose absence was logged. */
  readonly missingLogged: Set<number> = new Set();
  /** Work done since the last garbage collection of ours. */
  eventsSinceGC = 0;
  readonly loadAverage: LoadAverage = new LoadAverage(this);
  readonly accounting: CPUAccounting = new CPUAccounting(this.loadAverage);

  constructor(a: KernelArgs) {
    this.platform = a.platform;
    this.memoryFile = a.memoryFile;
    this.vfs = a.vfs;
    this.timekeeper = a.timekeeper;
    this.futexes = a.futexes;
    this.syscallTable = a.syscallTable;
    this.rootUserNamespace = a.rootUserNamespace;
    this.rootUTSNamespace = a.rootUTSNamespace;
    this.rootIPCNamespace = new IPCNamespace(this, a.rootUserNamespace, IPC_NS_INIT_INO);
    this.rootNetworkNamespace = new NetworkNamespace(a.rootUserNamespace, NET_NS_INIT_INO);
    this.rootCgroupNamespace = new CgroupNamespace(a.rootUserNamespace, CGROUP_NS_INIT_INO);
    this.log = a.log;
    this.cpuCount = a.cpuCount;
    this.totalMemory = a.totalMemory;
    this.features = a.features;
    this.allowSUID = a.allowSUID;
    const bytes = new ArrayBuffer(SCRATCH_BYTES);
    this.scratch = Buffer.from(bytes);
    this.scratchWords = new Uint32Array(bytes);
    this.tasks = new TaskSet(a.rootUserNamespace);
    a.vfs.taskSource = this;
    a.platform.work = this;
  }

  /** What belongs to the host comes with the kernel's restore; it is restored paused. */
  afterLoad(): void {
    const bytes = new ArrayBuffer(SCRATCH_BYTES);
    setFields<Kernel>(this, {
      strace: null,
      heartbeat: null,
      runQueue: new RunQueue(),
      jobs: [],
      current: null,
      pauseCount: 1,
      panicked: null,
      stopRequested: false,
      leaveLoop: false,
      givingUp: 0,
      scratch: Buffer.from(bytes),
      scratchWords: new Uint32Array(bytes),
      strings: new StringTable(),
      knownInterpreter: new KnownPath(),
      knownHeads: new KnownHeads(),
      syscallScratch: new SyscallScratch(),
      fpScratch: new Uint8Array(0),
      frameBuffer: new FrameBuffer(),
      seccompData: new SeccompData(),
      missingLogged: new Set(),
      eventsSinceGC: 0,
    });
  }

  /** Whether the loop has something to do without an event. */
  hasWork(): boolean {
    return (this.runQueue.count > 0 && this.pauseCount === 0) || this.jobs.length > 0;
  }

  /** Nanoseconds of the host's CLOCK_MONOTONIC: the clock of deadlines and timers. */
  monotonicNow(): number {
    return host.clockGettime(CLOCK_MONOTONIC);
  }

  /** Runs the sandbox until its first process is gone and returns that one's wait status. Throws SentryPanic. */
  run(): number {
    return runLoop(this);
  }

  /** Makes a process from an executable; LinuxError when it cannot be run. It starts when the loop runs. */
  createProcess(args: CreateProcessArgs): ThreadGroup {
    return createProcess(this, args);
  }

  /** Puts a task on the run queue: the loop executes its run state. A no-op when it is there. */
  schedule(t: Task): void {
    if (t.queued) return;
    t.queued = true;
    this.runQueue.push(t);
  }

  /** Has the loop call job.run() every turn until it returns false. */
  addJob(job: Job): void {
    this.jobs.push(job);
  }

  /** Ends the loop: all processes are killed. */
  kill(status: number): void {
    this.stopRequested = true;
    for (const tg of this.tasks.threadGroups()) tg.prepareGroupExit(status);
  }

  /** Stops the world: returns when no guest thread runs. Not from inside platform.poll: use a Job. */
  pause(): void {
    pauseWorld(this);
  }

  /** Undoes one pause(). */
  unpause(): void {
    unpauseWorld(this);
  }

  /** A sentry bug while serving `t` (null: the loop itself): ends the sandbox. */
  panic(cause: unknown, t: Task | null): void {
    if (this.panicked === null) this.panicked = makePanic(cause, t);
  }

  /** The negative errno of a thrown LinuxError; any other throw is a bug: the sandbox ends. */
  errnoOf(e: unknown, t: Task): number {
    if (e instanceof LinuxError) return -e.errno;
    this.panic(e, t);
    return -5;
  }

  /** The counter of queued signals of a user (kernel uid). */
  quotaOf(kuid: number): SignalQuota {
    return this.signalQuotas.of(kuid);
  }

  /** A buffer for one FP state of a context. */
  fpBuffer(size: number): Uint8Array {
    if (this.fpScratch.length !== size) this.fpScratch = new Uint8Array(size);
    return this.fpScratch;
  }

  /** An inode number for a new namespace. */
  newNamespaceInode(): number {
    return this.nextInode++;
  }
}
