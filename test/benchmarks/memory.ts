/** Measures the memory that sleeping sandboxes add. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { descendants, killTree } from "./systems.ts";

/** A sandbox is looked at this long after it said that it is about to sleep, in ms. */
const SETTLE_MS = 1500;

/** The proportional set size of a process in bytes; 0 when it is gone. */
function pss(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The sum over all processes of some sandboxes. */
function total(children: readonly ChildProcess[]): number {
  let sum = 0;
  for (const c of children) if (c.pid !== undefined) for (const p of descendants(c.pid)) sum += pss(p);
  return sum;
}

/** Sleeps. */
function delay(ms: number): Promise<void> {
  return new Promise((r) => setTimeout(r, ms));
}

/**
 * Starts `count` times the command (which says "ready" and sleeps) and answers by how many bytes the last one raised the sum. Throws Error when one does not start, or
 * at the limit (seconds).
 */
export async function incrementalPSS(argv: readonly string[], count: number, limit: number): Promise<number> {
  const children: ChildProcess[] = [];
  const deadline = performance.now() + limit * 1000;
  try {
    let before = 0;
    for (let i = 0; i < count; i++) {
      const child = spawn(argv[0] ?? "", argv.slice(1), { cwd: "/", stdio: ["ignore", "pipe", "ignore"] });
      children.push(child);
      const left = Math.max(1, deadline - performance.now());
      const ready = await Promise.race([
        once(child.stdout ?? child, "data").then(() => "ready"),
        once(child, "exit").then(() => "it ended"),
        delay(left).then(() => "timeout"),
      ]);
      if (ready !== "ready") throw new Error(ready);
      if (i >= count - 2) {
        await delay(SETTLE_MS);
        const now = total(children);
        if (i === count - 1) return now - before;
        before = now;
      }
    }
    return 0;
  } finally {
    for (const c of children) if (c.pid !== undefined) killTree(c.pid);
  }
}
