/** Runs commands on the host and in a sandbox, and compares what came out. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The executable under test. */
export const runsc = join(dirname(dirname(import.meta.dir)), "bin/runsc");

/** What a command did. Output is bytes as latin1, so that a difference shows whatever it is. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit code, 128 + signal when killed. */
  readonly code: number;
}

/** How a command is run. */
export interface RunOptions {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds until it is killed. */
  readonly timeout?: number;
  /** Flags before `do`, flags of `do`. */
  readonly globalFlags?: readonly string[];
  readonly doFlags?: readonly string[];
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** Runs a command as it is. */
export function run(argv: readonly string[], options: RunOptions = {}): Outcome {
  if (!existsSync(argv[0] ?? "") && (argv[0] ?? "").startsWith("/")) return { stdout: "", stderr: "", code: 127 };
  const r = Bun.spawnSync([...argv], {
    stdin: options.stdin === undefined ? "ignore" : Buffer.from(options.stdin),
    stdout: "pipe",
    stderr: "pipe",
    env: { ...(options.env ?? (process.env as Record<string, string>)) },
    cwd: options.cwd ?? "/",
    timeout: options.timeout ?? 30_000,
    killSignal: "SIGKILL",
  });
  const code = r.signalCode ? 128 + (signalNumbers[r.signalCode] ?? 0) : (r.exitCode ?? -1);
  return {
    stdout: Buffer.from(r.stdout).toString("latin1"),
    stderr: Buffer.from(r.stderr).toString("latin1"),
    code,
  };
}

/** Runs a command in a sandbox over the host's root. */
export function sandbox(argv: readonly string[], options: RunOptions = {}): Outcome {
  return run([runsc, ...(options.globalFlags ?? []), "do", ...(options.doFlags ?? []), "--", ...argv], options);
}

/** A shell script in a sandbox. */
export function shell(script: string, options: RunOptions = {}): Outcome {
  return sandbox(["/bin/sh", "-c", script], options);
}

/** The names of what is mounted in our mount namespace. */
export async function mounts(): Promise<string> {
  return await Bun.file("/proc/self/mountinfo").text();
}
