import { UTS_NS_INIT_INO } from "../../pkg/abi/linux/nsfs.ts";
import { RLIM_INFINITY, RLIM_NLIMITS, RLIMIT_NOFILE } from "../../pkg/abi/linux/rlimit.ts";
import * as linuxerr from "../../pkg/errors/linuxerr/index.ts";
import { LinuxError } from "../../pkg/errors/linuxerr/index.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { randomUUID } from "../../pkg/sentry/fsimpl/proc/index.ts";
import { IOPool } from "../../pkg/sentry/iopool/index.ts";
import {
  ALL_CAPS,
  type Credentials,
  EMPTY_CAPS,
  newRootCredentials,
  newRootUserNamespace,
  newUserCredentials,
} from "../../pkg/sentry/kernel/auth/index.ts";
import { FutexManager } from "../../pkg/sentry/kernel/futex/index.ts";
import {
  type CreateProcessArgs,
  FDTable,
  Kernel,
  type ThreadGroup,
  UTSNamespace,
} from "../../pkg/sentry/kernel/index.ts";
import { Limit, type LimitSet, NR_OPEN, newDefaultLimitSet } from "../../pkg/sentry/limits/index.ts";
import { type Features, featuresFromAuxv } from "../../pkg/sentry/loader/index.ts";
import { MemoryFile } from "../../pkg/sentry/pgalloc/index.ts";
import { loadSystrapNative, SystrapPlatform } from "../../pkg/sentry/platform/systrap/index.ts";
import { Strace } from "../../pkg/sentry/strace/index.ts";
import { syscallTable } from "../../pkg/sentry/syscalls/linux/table.ts";
import { Timekeeper } from "../../pkg/sentry/time/index.ts";
import { type MountNamespace, PathOperation, VirtualFilesystem } from "../../pkg/sentry/vfs/index.ts";
import { Watchdog } from "../../pkg/sentry/watchdog/index.ts";
import { EventIn } from "../../pkg/waiter/index.ts";
import { ControlListener } from "./control.ts";
import { WatchdogHeartbeat } from "./heartbeat.ts";
import { SandboxLog } from "./log.ts";
import { makeMounts, registerFilesystems } from "./mounts.ts";
import { type BootSpec, EXIT_FAILURE, FD, type SpecLimit } from "./spec.ts";
import { giveTerminal, makeStdio } from "./stdio.ts";

/** The command cannot be run; a message for the user and the exit code that says so (127, 126, 128). */
export class StartError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** Exit codes of shells and container engines for a command that cannot be run. */
const EXIT_NOT_FOUND = 127;
const EXIT_NOT_EXECUTABLE = 126;

/** Threads that wait for disks. */
const IO_THREADS = 4;

/** The least limit of open files a sandbox works with. */
const MIN_DESCRIPTORS = 1024;

/** A file of the host's /proc as a byte string. */
function readProc(path: string): string {
  const text = host.readFile(path);
  if (typeof text === "number") throw new Error(`boot: ${path}: ${linuxerr.nameOf(-text)}`);
  return text;
}

/** What strerror(3) says, for the errors that running a command has. */
const messages: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  ENOEXEC: "exec format error",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  ELOOP: "too many levels of symbolic links",
  ENAMETOOLONG: "file name too long",
  ELIBBAD: "accessing a corrupted shared library",
  EINVAL: "invalid argument",
  ENOMEM: "cannot allocate memory",
  E2BIG: "argument list too long",
  EIO: "input/output error",
  ETXTBSY: "text file busy",
  EPERM: "operation not permitted",
  EFAULT: "the file is truncated or damaged",
};

/** Linux's limits, with those of a specification. */
function newLimitSet(limits: readonly SpecLimit[]): LimitSet {
  const set = newDefaultLimitSet();
  for (const { resource, soft, hard } of limits) {
    if (resource < 0 || resource >= RLIM_NLIMITS) continue;
    const most = resource === RLIMIT_NOFILE ? NR_OPEN : RLIM_INFINITY;
    set.setUnchecked(resource, Limit.of(Math.min(soft ?? RLIM_INFINITY, most), Math.min(hard ?? RLIM_INFINITY, most)));
  }
  return set;
}

/** An errno as people read it. */
function describe(e: LinuxError): string {
  return messages[e.name] ?? e.name;
}

/** A byte string as text for a message: quoted, bytes that are not UTF-8 replaced. */
function quote(bytes: string): string {
  return JSON.stringify(Buffer.from(bytes, "latin1").toString("utf8"));
}

/**
 * Makes a kernel from a specification and runs it. The constructor does what needs the host's files or starts threads and
 * processes; start() builds the rest once this process is confined.
 */
export class Loader {
  readonly spec: BootSpec;
  readonly log: SandboxLog;
  readonly features: Features;
  /** The host's /proc/cpuinfo. */
  readonly cpuInfo: string;
  /** How many descriptors this process may have. */
  readonly descriptors: number;
  readonly memoryFile: MemoryFile;
  readonly platform: SystrapPlatform;
  readonly timekeeper: Timekeeper = new Timekeeper();
  readonly watchdog: Watchdog;
  readonly ioPool: IOPool = new IOPool();
  kernel: Kernel | null = null;

  constructor(spec: BootSpec) {
    this.spec = spec;
    this.log = new SandboxLog(FD.log, spec.debug);
    this.features = featuresFromAuxv(Buffer.from(readProc("/proc/self/auxv"), "latin1"));
    this.cpuInfo = readProc("/proc/cpuinfo");
    const limit = new host.HostRlimit();
    this.descriptors = host.getrlimit(0, RLIMIT_NOFILE, limit) === 0 ? limit.soft : MIN_DESCRIPTORS;
    if (this.descriptors < MIN_DESCRIPTORS) {
      throw new StartError(
        `at most ${this.descriptors} open files are allowed; ${MIN_DESCRIPTORS} are needed`,
        EXIT_FAILURE,
      );
    }
    this.memoryFile = new MemoryFile({ totalMemory: spec.memory });
    this.platform = new SystrapPlatform(loadSystrapNative(), this.memoryFile, this.log, {
      cores: spec.cpus,
      accelerate: spec.systrapPatching,
    });
    this.timekeeper.watchClockChanges(this.platform);
    this.watchdog = new Watchdog({ logFD: FD.log });
    const r = this.watchdog.start();
    if (r < 0) throw new Error(`boot: watchdog: ${linuxerr.nameOf(-r)}`);
    const p = this.ioPool.start(IO_THREADS);
    if (p < 0) throw new Error(`boot: threads for I/O: ${linuxerr.nameOf(-p)}`);
  }

  /** Puts the stack of a bug of ours into the log. */
  logPanic(text: string): void {
    for (const line of text.split("\n")) this.log.warning(line);
  }

  /** Builds the kernel, without file systems and processes: nothing of the container is looked at. */
  prepare(): void {
    const spec = this.spec;
    const users = newRootUserNamespace();
    const { timekeeper } = this;
    const vfs = new VirtualFilesystem(timekeeper);
    const kernel = new Kernel({
      platform: this.platform,
      memoryFile: this.memoryFile,
      vfs,
      timekeeper,
      futexes: new FutexManager(),
      syscallTable,
      rootUserNamespace: users,
      rootUTSNamespace: new UTSNamespace(spec.hostname, "(none)", users, UTS_NS_INIT_INO),
      log: this.log,
      cpuCount: spec.cpus,
      totalMemory: spec.memory,
      features: this.features,
      allowSUID: true,
    });
    this.kernel = kernel;
    vfs.taskSource = kernel;
    vfs.ioPool = this.ioPool;
    this.platform.watchFD(this.ioPool.eventFD, EventIn, this.ioPool);
    kernel.heartbeat = new WatchdogHeartbeat(this.watchdog);
    if (spec.strace) kernel.strace = new Strace(this.log);
    registerFilesystems(kernel, { cpuInfo: this.cpuInfo, bootID: randomUUID() });
  }

  /** Mounts the file systems and makes the first process, which gets these signals. Throws StartError when the command cannot be run. */
  start(signals: readonly number[]): void {
    const { spec, kernel } = this;
    if (kernel === null) throw new Error("boot: not prepared");
    const users = kernel.rootUserNamespace;
    const root = newRootCredentials(users);
    const mounts = makeMounts(kernel, root, Math.floor(this.descriptors / 2), spec.fileAccess);
    const fds = new FDTable();
    const limits = newLimitSet(spec.rlimits);
    const caps = spec.uid === 0 ? ALL_CAPS : EMPTY_CAPS;
    const credentials = newUserCredentials(users, spec.uid, spec.gid, spec.groups, {
      permitted: caps,
      effective: caps,
      inheritable: EMPTY_CAPS,
      bounding: ALL_CAPS,
      ambient: EMPTY_CAPS,
    });
    const stdio = makeStdio(kernel, credentials, mounts, FD.stdio);
    for (const [i, file] of stdio.entries()) {
      fds.newFDAt(i, file, false);
      file.decRef();
    }
    const init = this.createProcess(kernel, {
      filename: spec.argv[0] ?? "",
      file: null,
      argv: spec.argv,
      envv: spec.env,
      workingDirectory: spec.cwd,
      credentials,
      fdTable: fds,
      umask: spec.umask,
      limits,
      mountNamespace: mounts,
      root: null,
      utsNamespace: kernel.rootUTSNamespace,
      containerID: "",
      noNewPrivs: false,
      oomScoreAdj: 0,
      pidNamespace: null,
    });
    giveTerminal(init, stdio);
    new ControlListener(kernel).start(signals);
  }

  /** Makes the first process, or says why the command cannot be run. */
  createProcess(kernel: Kernel, args: CreateProcessArgs): ThreadGroup {
    this.checkDirectory(kernel, args);
    try {
      const tg = kernel.createProcess(args);
      // A command that happens to be the first process is no init: signals whose default is to kill it do.
      tg.unkillable = false;
      return tg;
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
      const name = quote(args.filename);
      if (e !== linuxerr.ENOENT) throw new StartError(`exec ${name}: ${describe(e)}`, EXIT_NOT_EXECUTABLE);
      const what = args.filename.includes("/") ? this.missing(kernel, args) : "executable file not found in $PATH";
      throw new StartError(`exec ${name}: ${what}`, EXIT_NOT_FOUND);
    }
  }

  /** What it is that is not there: the command, or the interpreter it names. */
  missing(kernel: Kernel, args: CreateProcessArgs): string {
    return this.resolves(kernel, args.mountNamespace, args.credentials, args.workingDirectory, args.filename) === null
      ? "its interpreter is missing"
      : "no such file or directory";
  }

  /** Throws StartError when the working directory cannot be entered. */
  checkDirectory(kernel: Kernel, args: CreateProcessArgs): void {
    const e = this.resolves(kernel, args.mountNamespace, args.credentials, "/", args.workingDirectory, true);
    if (e !== null)
      throw new StartError(`working directory ${quote(args.workingDirectory)}: ${describe(e)}`, EXIT_FAILURE);
  }

  /** null, or why a path does not lead anywhere. */
  resolves(
    kernel: Kernel,
    mounts: MountNamespace,
    creds: Credentials,
    from: string,
    path: string,
    directory = false,
  ): LinuxError | null {
    const root = mounts.root;
    try {
      const start = kernel.vfs.getDentryAt(creds, new PathOperation(root, root, from, true));
      const pop = new PathOperation(root, start, path, true);
      const vd = kernel.vfs.getDentryAt(creds, pop, { checkSearchable: directory });
      return directory && !vd.inode.isDir() ? linuxerr.ENOTDIR : null;
    } catch (e) {
      if (e instanceof LinuxError) return e;
      throw e;
    }
  }

  /** Runs the sandbox to its end; answers the first process's wait status. */
  run(): number {
    if (this.kernel === null) throw new Error("boot: not started");
    const status = this.kernel.run();
    this.log.debug(`systrap: ${this.platform.statistics()}`);
    return status;
  }
}
