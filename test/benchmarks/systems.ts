/** The systems that are compared, and running a command in one of them with a time limit. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where the benchmarks run. */
export interface System {
  readonly name: "host" | "gvisor" | "ours";
  /** What it is called in the table. */
  readonly title: string;
  /** What comes before the command. */
  readonly prefix: readonly string[];
}

/** What became of a command. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  /** Exit status; null: it was killed. */
  readonly status: number | null;
  readonly timedOut: boolean;
  readonly milliseconds: number;
}

/** Output of a command that is kept. */
const MAX_OUTPUT = 1 << 20;

/** The first file of that name in PATH, or null. */
export function which(name: string): string | null {
  for (const dir of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(dir, name);
    if (dir !== "" && existsSync(path)) return path;
  }
  return null;
}

/** Parents of all processes, from /proc. */
function parents(): Map<number, number> {
  const out = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      // The name in parentheses may hold anything: fields count from its end.
      out.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  return out;
}

/** A process and all that descend from it. */
export function descendants(pid: number): number[] {
  const parent = parents();
  const out = [pid];
  for (let i = 0; i < out.length; i++) {
    for (const [child, of] of parent) if (of === out[i]) out.push(child);
  }
  return out;
}

/** Kills a process and all that descend from it. */
export function killTree(pid: number): void {
  // Who is killed first hands its children to nobody: the list is made before.
  for (const p of descendants(pid)) {
    try {
      process.kill(p, "SIGKILL");
    } catch {
      // It is gone already.
    }
  }
}

/** Runs a command with no input; at the limit (seconds) it is killed with all its descendants. */
export function runCommand(argv: readonly string[], limit: number): Promise<Outcome> {
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(argv[0] ?? "", argv.slice(1), { cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    let timedOut = false;
    let ended = false;
    const finish = (status: number | null, milliseconds: number): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ stdout, stderr, status, timedOut, milliseconds });
    };
    const timer = setTimeout(() => {
      timedOut = true;
      if (child.pid !== undefined) killTree(child.pid);
      // Should a pipe be held by a process that is not ours to find, the end is not waited for.
      setTimeout(() => finish(null, limit * 1000), 1000).unref();
    }, limit * 1000);
    child.stdout.on("data", (d: Buffer) => {
      if (stdout.length < MAX_OUTPUT) stdout += d.toString("latin1");
    });
    child.stderr.on("data", (d: Buffer) => {
      if (stderr.length < MAX_OUTPUT) stderr += d.toString("latin1");
    });
    let took = 0;
    child.on("error", (e) => {
      stderr += e.message;
      finish(-1, 0);
    });
    child.on("exit", () => {
      took = performance.now() - started;
    });
    child.on("close", (status) => finish(status, took));
  });
}

/** USER_HZ, the unit of times in /proc. */
const TICKS = 100;

/** CPU seconds used since boot by anybody, and by this process and its ended descendants. */
export function cpuSeconds(): { readonly all: number; readonly own: number } {
  const fields = (readFileSync("/proc/stat", "latin1").split("\n")[0] ?? "").split(/\s+/).slice(1).map(Number);
  // user nice system idle iowait irq softirq steal
  const all = [0, 1, 2, 5, 6, 7].reduce((sum, i) => sum + (fields[i] ?? 0), 0);
  const stat = readFileSync("/proc/self/stat", "latin1");
  const own = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 15)
    .reduce((sum, f) => sum + Number(f), 0);
  return { all: all / TICKS, own: own / TICKS };
}
