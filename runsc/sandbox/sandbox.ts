import { constants } from "node:os";
import { dirname, join } from "node:path";
import { CAP_DAC_READ_SEARCH } from "../../pkg/abi/linux/capability.ts";
import {
  F_ADD_SEALS,
  F_DUPFD_CLOEXEC,
  F_SETFL,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_RDWR,
  O_WRONLY,
} from "../../pkg/abi/linux/file.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { type BootSpec, CONFINED, EXIT_FAILURE, encodeSpec, FD, type StatusMessage } from "../boot/index.ts";
import type { Config } from "../config/index.ts";
import { type Launched, launch, openPipe, reap, removeRoot } from "./launch.ts";
import { reason } from "./reason.ts";
import { type ForwardedSignals, forwardSignals } from "./signals.ts";
import { parseStatus, StatusReader } from "./status.ts";
import { becomeWaiter } from "./waiter.ts";

/** What a sandbox is made of. */
export interface SandboxArgs {
  readonly config: Config;
  /** Asked for while the sandbox process starts. */
  readonly spec: () => BootSpec;
  /** O_PATH descriptor of the directory that becomes the root. Stays the caller's. */
  readonly rootFD: number;
  /** Standard input, output and error of the command. Stay the caller's. */
  readonly stdio: readonly [number, number, number];
}

const F_SEAL_SHRINK_GROW = 2 | 4;
/** What a crashing runtime may say at most. */
const CRASH_SIZE = 65536;

/**
 * Environment of the sandbox process: nothing of the caller's. The compiler works on one thread beside the sentry (boot.startCompiler), if there
 * is a second CPU: 7 to 9% less time for a start, a short command and a build. The collector works on the main thread:
 * throughput was measured equal; nor does it touch memory ahead of the heap, half a megabyte that an idle sandbox never uses. All compilers wait until
 * code is about ten times as hot as by default: most sandboxes are too short to earn back what they cost (half of the time of the first hundred
 * execs, a quarter of a short command's). TZ: else the clock looks for a file. No rseq: stubs must not inherit one.
 */
export const bootEnvironment: readonly string[] = [
  "TZ=UTC",
  "LANG=C",
  `BUN_JSC_useConcurrentJIT=${navigator.hardwareConcurrency > 1 ? 1 : 0}`,
  "BUN_JSC_minNumberOfWorklistThreads=1",
  "BUN_JSC_maxNumberOfWorklistThreads=1",
  "BUN_JSC_useWarmUpMarkedBlocks=0",
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

/** The program and arguments that start ourselves again under a name, with an internal command. */
function ourselves(name: string, ...command: readonly string[]): { path: string; argv: string[] } {
  const main = Bun.main;
  if (main.startsWith("/$bunfs/")) return { path: process.execPath, argv: [name, ...command] };
  const script = join(dirname(dirname(import.meta.dir)), "runsc/cli/main.ts");
  return {
    path: process.execPath,
    argv: [name, "--no-env-file", "--config=/dev/null", "--no-install", script, ...command],
  };
}

/** Ends a sandbox process. */
function kill(p: Launched): void {
  host.pidfdSendSignal(p.pidfd, constants.signals.SIGKILL);
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

/** Opens a file of the host. Throws one line that begins with `what`. */
function openFile(what: string, path: string, flags: number): number {
  const fd = host.open(host.fromUTF8(path), flags | O_CLOEXEC, 0o644);
  if (fd < 0) throw new Error(`${what}: ${reason(-fd)}`);
  return fd;
}

/** Opens where the sandbox's log goes. */
function openLog(config: Config, stderr: number): number {
  const { debugLog } = config;
  if (debugLog !== "") return openFile(`debug log "${debugLog}"`, debugLog, O_WRONLY | O_APPEND | O_CREAT);
  if (config.strace || config.debug) {
    const fd = host.fcntl(stderr, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) return fd;
  }
  return openFile("/dev/null", "/dev/null", O_WRONLY);
}

/** What the command's wait status is as an exit code. */
export function exitCode(status: number): number {
  const signal = status & 0x7f;
  return signal !== 0 ? 128 + signal : (status >> 8) & 0xff;
}

/** Says on standard error what went wrong with the sandbox process, in one line; the crash text follows when there is one. Answers the exit code. */
function reportDeath(status: number, crash: string, logged: boolean): number {
  const signal = status & 0x7f;
  const how = signal !== 0 ? `was killed by signal ${signal}` : `ended with ${(status >> 8) & 0xff}`;
  const hint = logged ? "" : "; --debug-log=FILE keeps its log";
  host.writeText(2, `runsc: the sandbox process ${how} unexpectedly${hint}\n${crash}`);
  return EXIT_FAILURE;
}

/** Ends as the last message and the wait status say: answers the exit code, says on standard error what went wrong. */
function conclude(last: StatusMessage | null, status: number, crashFD: number, logged: boolean): number {
  switch (last?.state) {
    case "exit":
      return exitCode(last.status);
    case "error":
    case "panic":
      host.writeText(2, `runsc: ${last.message}\n`);
      return last.state === "error" ? last.code : EXIT_FAILURE;
    default:
      return reportDeath(status, crashText(crashFD), logged);
  }
}

/** The internal command that reports for the waiting program. Answers the exit code. */
export function report(args: readonly string[]): number {
  const [crashFD = "", logged = "", status = "", text = ""] = args;
  return conclude(parseStatus(text.trimEnd()), Number(status), Number(crashFD), logged === "1");
}

/** A started sandbox, and what its parent holds of it. */
interface Running {
  readonly process: Launched;
  readonly statusFD: number;
  readonly controlFD: number;
  readonly crashFD: number;
  readonly signals: ForwardedSignals;
  /** There is a debug log. */
  readonly logged: boolean;
}

/** Follows a sandbox to its end and answers the exit code; or becomes the program that does, once the command runs. */
function follow(s: Running): number {
  const { process } = s;
  const messages = new StatusReader(s.statusFD);
  let last: StatusMessage | null = null;
  for (let m = messages.next(); m !== null; m = messages.next()) {
    last = m;
    if (m.state === "loaded") {
      removeRoot(process.pidfd);
      host.write(s.controlFD, Uint8Array.of(CONFINED));
    } else if (m.state === "started") {
      // Unless it has ended already.
      if (messages.text !== "") continue;
      const reporter = ourselves("runsc", "report", String(s.crashFD), s.logged ? "1" : "0");
      becomeWaiter({
        process,
        status: s.statusFD,
        control: s.controlFD,
        signals: s.signals,
        keep: [s.crashFD],
        reporter,
      });
    } else {
      // The last message: it would end by itself.
      kill(process);
      break;
    }
  }
  return conclude(last, reap(process.pid), s.crashFD, s.logged);
}

/**
 * Runs a command in a new sandbox and ends with its exit code: answers it, or becomes a program that waits for it. Throws Error with one line when
 * the sandbox cannot be made.
 */
export function runSandbox(args: SandboxArgs): number {
  const opened: number[] = [];
  const own = (fd: number): number => {
    opened.push(fd);
    return fd;
  };
  const disown = (fd: number): void => {
    opened.splice(opened.indexOf(fd), 1);
    host.close(fd);
  };
  try {
    const log = own(openLog(args.config, args.stdio[2]));
    const nothing = own(openFile("/dev/null", "/dev/null", O_RDWR));
    const crash = own(crashFile());
    const [specRead, specWrite] = openPipe().map(own) as [number, number];
    const [statusRead, statusWrite] = openPipe().map(own) as [number, number];
    const [controlRead, controlWrite] = openPipe().map(own) as [number, number];
    const fds: number[] = new Array(FD.end).fill(nothing);
    fds[2] = crash;
    fds[FD.spec] = specRead;
    fds[FD.status] = statusWrite;
    fds[FD.control] = controlRead;
    fds[FD.root] = args.rootFD;
    fds[FD.log] = log;
    args.stdio.forEach((fd, i) => {
      fds[FD.stdio + i] = fd;
    });
    // Nothing of the host can be written to, so all it needs is to read what its user may read.
    const capabilities = process.geteuid?.() === 0 ? [CAP_DAC_READ_SEARCH] : [];
    // A pipe full of signals that nobody takes loses more.
    host.fcntl(controlWrite, F_SETFL, O_NONBLOCK);
    const child = launch({ ...ourselves("runsc-sandbox", "boot"), env: bootEnvironment, fds, capabilities });
    own(child.pidfd);
    try {
      const signals = forwardSignals(controlWrite);
      // Only the sandbox process may hold these ends: their end of file is how each side learns of the other's death.
      disown(statusWrite);
      disown(controlRead);
      disown(specRead);
      // When that fails, the process is gone, and how it ended is said below.
      host.writeText(specWrite, encodeSpec(args.spec()));
      disown(specWrite);
      return follow({
        process: child,
        statusFD: statusRead,
        controlFD: controlWrite,
        crashFD: crash,
        signals,
        logged: args.config.debugLog !== "",
      });
    } catch (e) {
      kill(child);
      reap(child.pid);
      throw e;
    }
  } finally {
    for (const fd of opened) host.close(fd);
  }
}
