import { closeSync, openSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { CAP_DAC_READ_SEARCH } from "../../pkg/abi/linux/capability.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { type BootSpec, CONFINED, encodeSpec, FD, type StatusMessage } from "../boot/index.ts";
import type { Config } from "../config/index.ts";
import { type Launched, launch, openPipe, reap, removeRoot } from "./launch.ts";
import { type ControlSink, forwardSignals } from "./signals.ts";
import { readStatus } from "./status.ts";

/** What a sandbox is made of. */
export interface SandboxArgs {
  readonly config: Config;
  readonly spec: BootSpec;
  /** O_PATH descriptor of the directory that becomes the root. Stays the caller's. */
  readonly rootFD: number;
  /** Standard input, output and error of the command. Stay the caller's. */
  readonly stdio: readonly [number, number, number];
}

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const F_SEAL_SHRINK_GROW = 2 | 4;
const F_SEAL_WRITE = 8;
/** What a crashing runtime may say at most. */
const CRASH_SIZE = 65536;

/**
 * Environment of the sandbox process: nothing of the caller's. The collector and the compiler work on the main thread: no
 * thread starts late, and throughput was measured equal. All compilers wait until code is about ten times as hot as by default: most
 * sandboxes are too short to earn back what they cost (half of the time of the first hundred execs, a quarter of a short command's). TZ:
 * else the clock looks for a file. No rseq: stubs must not inherit one.
 */
const bootEnvironment: readonly string[] = [
  "TZ=UTC",
  "LANG=C",
  "BUN_JSC_useConcurrentJIT=0",
  "BUN_JSC_thresholdForJITAfterWarmUp=4000",
  "BUN_JSC_useConcurrentGC=0",
  "BUN_JSC_numberOfGCMarkers=1",
  "BUN_JSC_thresholdForOptimizeAfterWarmUp=10000",
  "BUN_JSC_thresholdForOptimizeAfterLongWarmUp=10000",
  "BUN_JSC_thresholdForOptimizeSoon=10000",
  "BUN_JSC_thresholdForFTLOptimizeAfterWarmUp=1000000",
  "BUN_JSC_thresholdForFTLOptimizeSoon=10000",
  "GLIBC_TUNABLES=glibc.pthread.rseq=0",
];

/** The program and arguments that start ourselves again as `runsc boot`. */
function ourselves(): { path: string; argv: string[] } {
  const main = Bun.main;
  if (main.startsWith("/$bunfs/")) return { path: process.execPath, argv: ["runsc-sandbox", "boot"] };
  const script = join(dirname(dirname(import.meta.dir)), "runsc/cli/main.ts");
  return {
    path: process.execPath,
    argv: ["runsc-sandbox", "--no-env-file", "--config=/dev/null", "--no-install", script, "boot"],
  };
}

/** A memory file with these bytes that nobody can change any more. */
function sealedFile(name: string, text: string): number {
  const fd = host.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw new Error("memfd_create failed");
  const bytes = Buffer.from(text, "utf8");
  let done = 0;
  while (done < bytes.length) {
    const n = host.pwrite(fd, bytes, done, bytes.length - done, done);
    if (n <= 0) throw new Error("writing a memory file failed");
    done += n;
  }
  host.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK_GROW | F_SEAL_WRITE);
  return fd;
}

/** A memory file of a fixed size that a dying runtime may write to. */
function crashFile(): number {
  const fd = host.memfdCreate("runsc-crash", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) throw new Error("memfd_create failed");
  host.ftruncate(fd, CRASH_SIZE);
  host.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK_GROW);
  return fd;
}

/** The text in a crash file. */
function crashText(fd: number): string {
  const buf = new Uint8Array(CRASH_SIZE);
  const n = Math.max(0, host.pread(fd, buf, 0, buf.length, 0));
  const end = buf.indexOf(0);
  return Buffer.from(buf.subarray(0, end >= 0 ? end : n)).toString("utf8");
}

/** Opens where the sandbox's log goes. */
function openLog(config: Config, stderr: number): number {
  if (config.debugLog !== "") {
    try {
      return openSync(config.debugLog, "a", 0o644);
    } catch (e) {
      throw new Error(`debug log "${config.debugLog}": ${e instanceof Error ? e.message : String(e)}`);
    }
  }
  if (config.strace || config.debug) {
    const fd = host.dup(stderr);
    if (fd >= 0) return fd;
  }
  return openSync("/dev/null", "w");
}

/** A running sandbox, as its parent sees it. */
class Sandbox implements ControlSink {
  readonly process: Launched;
  readonly control: number;
  /** Signals that came before the command could take them. */
  readonly early: number[] = [];
  started = false;

  constructor(process: Launched, control: number) {
    this.process = process;
    this.control = control;
  }

  /** Sends a signal byte, now or as soon as the command runs. */
  send(byte: number): void {
    if (this.started) this.write(byte);
    else if (this.early.length < 64) this.early.push(byte);
  }

  /** The command runs. */
  start(): void {
    this.started = true;
    for (const b of this.early.splice(0)) this.write(b);
  }

  write(byte: number): void {
    // The other end may be gone; the status pipe tells.
    host.write(this.control, Uint8Array.of(byte));
  }

  kill(): void {
    host.pidfdSendSignal(this.process.pidfd, constants.signals.SIGKILL);
  }
}

/** What the command's wait status is as an exit code. */
export function exitCode(status: number): number {
  const signal = status & 0x7f;
  return signal !== 0 ? 128 + signal : (status >> 8) & 0xff;
}

/** Says on standard error what went wrong with the sandbox process, in one line; the crash text follows when there is one. */
function reportDeath(status: number, crash: string, config: Config): void {
  const signal = status & 0x7f;
  const how = signal !== 0 ? `was killed by signal ${signal}` : `ended with ${(status >> 8) & 0xff}`;
  const hint = config.debugLog === "" ? "; --debug-log=FILE keeps its log" : "";
  writeSync(2, `runsc: the sandbox process ${how} unexpectedly${hint}\n${crash}`);
}

/** Follows a sandbox to its end; answers the exit code. */
async function follow(sandbox: Sandbox, statusFD: number, crashFD: number, config: Config): Promise<number> {
  let last: StatusMessage | null = null;
  let failed: unknown = null;
  for await (const m of readStatus(statusFD)) {
    last = m;
    if (m.state === "loaded") {
      try {
        removeRoot(sandbox.process.pidfd);
        sandbox.write(CONFINED);
      } catch (e) {
        failed = e;
        sandbox.kill();
      }
    } else if (m.state === "started") {
      sandbox.start();
    } else if (m.state === "exit" || m.state === "error" || m.state === "panic") {
      // The last message: nothing is left to forward, and it would end by itself.
      sandbox.kill();
      break;
    }
  }
  const status = reap(sandbox.process.pid);
  if (failed !== null) throw failed;
  if (last?.state === "exit") return exitCode(last.status);
  if (last?.state === "error") {
    writeSync(2, `runsc: ${last.message}\n`);
    return last.code;
  }
  if (last?.state === "panic") {
    writeSync(2, `runsc: ${last.message}\n`);
    return 128;
  }
  reportDeath(status, crashText(crashFD), config);
  return 128;
}

/** Runs a command in a new sandbox and answers its exit code. Throws Error with one line when the sandbox cannot be made. */
export async function runSandbox(args: SandboxArgs): Promise<number> {
  const opened: number[] = [];
  const own = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  const disown = (fd: number): void => {
    opened.splice(opened.indexOf(fd), 1);
    closeSync(fd);
  };
  try {
    const log = own(openLog(args.config, args.stdio[2]));
    const nothing = own(openSync("/dev/null", "r+"));
    const crash = own(crashFile());
    const spec = own(sealedFile("runsc-spec", encodeSpec(args.spec)));
    const [statusRead, statusWrite] = openPipe().map(own) as [number, number];
    const [controlRead, controlWrite] = openPipe().map(own) as [number, number];
    const fds: number[] = new Array(FD.end).fill(nothing);
    fds[2] = crash;
    fds[FD.spec] = spec;
    fds[FD.status] = statusWrite;
    fds[FD.control] = controlRead;
    fds[FD.root] = args.rootFD;
    fds[FD.log] = log;
    args.stdio.forEach((fd, i) => {
      fds[FD.stdio + i] = fd;
    });
    // Nothing of the host can be written to, so all it needs is to read what its user may read.
    const capabilities = process.geteuid?.() === 0 ? [CAP_DAC_READ_SEARCH] : [];
    const sandbox = new Sandbox(launch({ ...ourselves(), env: bootEnvironment, fds, capabilities }), controlWrite);
    own(sandbox.process.pidfd);
    try {
      forwardSignals(sandbox);
      // Only the sandbox process may hold these ends: their end of file is how each side learns of the other's death.
      disown(statusWrite);
      disown(controlRead);
      return await follow(sandbox, statusRead, crash, args.config);
    } catch (e) {
      sandbox.kill();
      reap(sandbox.process.pid);
      throw e;
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
