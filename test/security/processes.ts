/** Looks at the processes of a running sandbox through the host's /proc. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";

/** The executable under test. */
export const runsc = join(dirname(dirname(import.meta.dir)), "bin/runsc");

/** The namespaces a sandbox process must not share with us. */
export const separateNamespaces = ["user", "pid", "mnt", "net", "ipc", "uts"] as const;

/** A sandbox whose command has started and sleeps. */
export interface Running {
  readonly process: Bun.Subprocess<"ignore", "pipe", "inherit">;
  /** `runsc do` itself. */
  readonly parent: number;
  readonly sentry: number;
  /** Processes that guest code runs in. */
  readonly stubs: readonly number[];
}

/** All children of a process, by whatever thread. */
export function children(pid: number): number[] {
  const out: number[] = [];
  try {
    for (const tid of readdirSync(`/proc/${pid}/task`)) {
      const text = readFileSync(`/proc/${pid}/task/${tid}/children`, "latin1");
      out.push(...text.split(" ").filter(Boolean).map(Number));
    }
  } catch {
    // Gone meanwhile.
  }
  return out;
}

/** A field of /proc/PID/status or of one of its threads. */
export function statusField(pid: number | string, name: string): string {
  const text = readFileSync(`/proc/${pid}/status`, "latin1");
  return new RegExp(`^${name}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "";
}

/** Whether a process is there and no zombie. */
export function alive(pid: number): boolean {
  try {
    return !statusField(pid, "State").startsWith("Z");
  } catch {
    return false;
  }
}

/** Threads of a process as paths below /proc. */
export function threads(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => `${pid}/task/${tid}`);
}

/** The identity of a namespace of a process. */
export function namespace(pid: number | "self", kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

/** Starts a sandbox with a command that says "up" and goes on living. */
export async function start(script = "echo up; exec sleep 100"): Promise<Running> {
  const process = Bun.spawn([runsc, "do", "/bin/sh", "-c", script], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = process.stdout.getReader();
  const first = await reader.read();
  reader.releaseLock();
  if (first.done) throw new Error("the sandbox did not start");
  const sentry = children(process.pid)[0];
  if (sentry === undefined) throw new Error("no sandbox process");
  return { process, parent: process.pid, sentry, stubs: children(sentry) };
}

/** Waits until none of the processes is alive; false after two seconds. */
export async function allGone(pids: readonly number[]): Promise<boolean> {
  for (let i = 0; i < 100; i++) {
    if (!pids.some(alive)) return true;
    await Bun.sleep(20);
  }
  return false;
}
