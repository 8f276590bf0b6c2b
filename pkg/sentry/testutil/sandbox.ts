import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_PATH, O_RDWR, O_TRUNC } from "../../abi/linux/file.ts";
import { UTS_NS_INIT_INO } from "../../abi/linux/nsfs.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { DevType, registerDevices } from "../fsimpl/dev/index.ts";
import { DevptsType } from "../fsimpl/devpts/index.ts";
import { GoferOptions, GoferType } from "../fsimpl/gofer/index.ts";
import { HostFilesystem } from "../fsimpl/host/index.ts";
import { OverlayOptions, OverlayType } from "../fsimpl/overlay/index.ts";
import { PipeFS } from "../fsimpl/pipefs/index.ts";
import { ProcType } from "../fsimpl/proc/index.ts";
import { SysType } from "../fsimpl/sys/index.ts";
import { TmpfsType } from "../fsimpl/tmpfs/index.ts";
import { type Credentials, newRootCredentials, newRootUserNamespace } from "../kernel/auth/index.ts";
import { FutexManager } from "../kernel/futex/index.ts";
import { FDTable, Kernel, type KernelLog, type ThreadGroup, UTSNamespace } from "../kernel/index.ts";
import { newDefaultLimitSet } from "../limits/index.ts";
import { type Features, featuresFromAuxv } from "../loader/index.ts";
import { MemoryFile } from "../pgalloc/index.ts";
import { loadSystrapNative, SystrapPlatform } from "../platform/systrap/index.ts";
import { syscallTable } from "../syscalls/linux/table.ts";
import { Timekeeper } from "../time/index.ts";
import { BytesIO, IOSequence } from "../usermem/index.ts";
import { type FileDescription, type MountNamespace, PathOperation, VirtualFilesystem } from "../vfs/index.ts";
import { CaptureFile } from "./capture.ts";

const MEMORY = 1 << 30;

/** What a sandbox under test is told. */
export interface TestSandboxOptions {
  /** False: no call site is patched and no line polled, which the host's load decides about. */
  readonly accelerate?: boolean;
  /** CPUs, of the guest and for the platform. Default 2. */
  readonly cpus?: number;
  /** A directory of the host: the root is then an overlay in memory over it, it is also mounted writable at /host, and standard input is /dev/null. */
  readonly hostDirectory?: string;
}

/** Keeps warnings: a test that expects none looks at them. */
export class TestLog implements KernelLog {
  readonly warnings: string[] = [];
  debug(): void {}
  info(): void {}
  warning(m: string): void {
    this.warnings.push(m);
  }
}

/** The processor's features, as the host tells programs. */
export function hostFeatures(): Features {
  const auxv = host.readFile("/proc/self/auxv");
  if (typeof auxv === "number") throw linuxerr.fromErrno(-auxv);
  return featuresFromAuxv(Buffer.from(auxv, "latin1"));
}

/** The result of a host call that has to succeed. */
function must(r: number): number {
  if (r < 0) throw linuxerr.fromErrno(-r);
  return r;
}

/** Whether call sites are patched and lines polled, as `runsc` does; RUNSC_TEST_PATCHING=0 tests without. */
export const patching: boolean = process.env.RUNSC_TEST_PATCHING !== "0";

/** A kernel with its platform, ready to run guests. */
export class TestSandbox {
  readonly log: TestLog = new TestLog();
  readonly memoryFile: MemoryFile;
  readonly platform: SystrapPlatform;
  readonly kernel: Kernel;
  readonly creds: Credentials;
  readonly mounts: MountNamespace;
  /** Standard output and error of the first process. */
  readonly stdout: CaptureFile;
  readonly stdin: FileDescription;

  constructor(opts: TestSandboxOptions = {}) {
    const cpus = opts.cpus ?? 2;
    host.safeInstall();
    this.memoryFile = new MemoryFile();
    this.platform = new SystrapPlatform(loadSystrapNative(), this.memoryFile, this.log, {
      cores: cpus,
      accelerate: patching && opts.accelerate !== false,
    });
    const users = newRootUserNamespace();
    this.creds = newRootCredentials(users);
    const timekeeper = new Timekeeper();
    timekeeper.watchClockChanges(this.platform);
    const vfs = new VirtualFilesystem(timekeeper);
    const k = new Kernel({
      platform: this.platform,
      memoryFile: this.memoryFile,
      vfs,
      timekeeper,
      futexes: new FutexManager(),
      syscallTable,
      rootUserNamespace: users,
      rootUTSNamespace: new UTSNamespace("sandbox", "(none)", users, UTS_NS_INIT_INO),
      log: this.log,
      cpuCount: cpus,
      totalMemory: MEMORY,
      features: hostFeatures(),
      allowSUID: true,
    });
    this.kernel = k;
    new PipeFS(vfs);
    vfs.registerFilesystemType(new TmpfsType(this.memoryFile, MEMORY));
    vfs.registerFilesystemType(new ProcType(k, { cpuInfo: "", bootID: "00000000-0000-4000-8000-000000000000" }));
    vfs.registerFilesystemType(new SysType({ cpuCount: cpus, totalMemory: MEMORY }));
    vfs.registerFilesystemType(new DevType());
    vfs.registerFilesystemType(new DevptsType(vfs));
    registerDevices(vfs);
    const { hostDirectory } = opts;
    const options = { flags: 0, data: "mode=755", internalData: null };
    this.mounts =
      hostDirectory === undefined
        ? vfs.newMountNamespace(this.creds, "none", "tmpfs", options, users)
        : this.overlayOver(hostDirectory);
    for (const [dir, type] of [
      ["/proc", "proc"],
      ["/sys", "sysfs"],
      ["/dev", "dev"],
      ["/dev/pts", "devpts"],
      ["/tmp", ""],
    ] as const) {
      if (type !== "devpts") this.mountPoint(dir);
      const data = type === "devpts" ? "ptmxmode=666" : "";
      if (type !== "") vfs.mountAt(this.creds, type, this.path(dir), type, { flags: 0, data, internalData: null });
    }
    this.stdout = new CaptureFile(vfs.newAnonVirtualDentry("[capture]"));
    this.stdin = this.stdout;
    if (hostDirectory === undefined) return;
    this.mountPoint("/host");
    const internalData = this.goferOptions(hostDirectory);
    vfs.mountAt(this.creds, "none", this.path("/host"), "9p", { flags: 0, data: "", internalData });
    const stdio = new HostFilesystem(vfs, this.platform, this.memoryFile.fileIDs);
    this.stdin = stdio.newFD(must(host.openat(AT_FDCWD, "/dev/null", O_RDWR, 0)));
  }

  /** Makes a directory that may be there already. */
  mountPoint(path: string): void {
    try {
      this.kernel.vfs.mkdirAt(this.creds, this.path(path), 0o755);
    } catch (e) {
      if (e !== linuxerr.EEXIST) throw e;
    }
  }

  /** A directory of the host for a gofer mount. */
  goferOptions(dir: string): GoferOptions {
    return new GoferOptions(must(host.openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0)));
  }

  /** The root namespace as containers have it. */
  overlayOver(dir: string): MountNamespace {
    const { vfs, memoryFile } = this.kernel;
    const { creds } = this;
    vfs.registerFilesystemType(new OverlayType());
    vfs.registerFilesystemType(new GoferType(memoryFile.fileIDs));
    const data = { flags: 0, data: "", internalData: null };
    const lower = vfs.newFilesystem(creds, "9p", "none", { ...data, internalData: this.goferOptions(dir) });
    const upper = vfs.newFilesystem(creds, "tmpfs", "none", data);
    const layers = new OverlayOptions(vfs.newDisconnectedMount(upper, upper.rootDentry(), "none", 0).rootVD, [
      vfs.newDisconnectedMount(lower, lower.rootDentry(), "none", 0).rootVD,
    ]);
    layers.private = true;
    const options = { ...data, internalData: layers };
    return vfs.newMountNamespace(creds, "none", "overlay", options, this.kernel.rootUserNamespace);
  }

  /** A path from the root directory. */
  path(p: string): PathOperation {
    return new PathOperation(this.mounts.root, this.mounts.root, p, true);
  }

  /** Makes an executable file. */
  put(path: string, data: Uint8Array): void {
    const fd = this.kernel.vfs.openAt(this.creds, this.path(path), { flags: O_CREAT | O_RDWR | O_TRUNC, mode: 0o755 });
    const io = new BytesIO(data);
    for (let off = 0; off < data.length; ) {
      const n = fd.pwrite(new IOSequence().setSingle(io, off, data.length - off), off);
      if (n <= 0) throw new Error(`testutil: writing ${path}: ${n}`);
      off += n;
    }
    fd.decRef();
  }

  /** Makes a process. The first one is the sandbox's init, but one that default signals kill. */
  start(argv: readonly string[]): ThreadGroup {
    const fds = new FDTable();
    for (let i = 0; i < 3; i++) fds.newFDAt(i, i === 0 ? this.stdin : this.stdout, false);
    const tg = this.kernel.createProcess({
      filename: argv[0] ?? "",
      file: null,
      argv,
      envv: ["PATH=/bin"],
      workingDirectory: "/",
      credentials: this.creds,
      fdTable: fds,
      umask: 0o22,
      limits: newDefaultLimitSet(),
      mountNamespace: this.mounts,
      root: null,
      utsNamespace: this.kernel.rootUTSNamespace,
      containerID: "test",
      noNewPrivs: false,
      oomScoreAdj: 0,
      pidNamespace: null,
    });
    tg.unkillable = false;
    return tg;
  }

  /** Puts a program at /guest and starts it. */
  startGuest(program: Uint8Array, args: readonly string[] = []): ThreadGroup {
    this.put("/guest", program);
    return this.start(["/guest", ...args]);
  }

  /** Runs to the end; the wait status of the first process. */
  run(): number {
    return this.kernel.run();
  }

  /** Ends everything. */
  destroy(): void {
    this.platform.destroy();
    this.memoryFile.destroy();
  }
}
