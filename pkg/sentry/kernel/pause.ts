import { SIGKILL } from "../../abi/linux/signal.ts";
import { EventDied } from "../platform/platform.ts";
import type { Kernel } from "./kernel.ts";
import type { Task } from "./task.ts";

/** How long contexts may take to stop before their process is killed. */
const STOP_LIMIT_NS = 1_000_000_000;
/** How long the host may take to end a process that was killed. */
const KILL_LIMIT_NS = 10_000_000_000;
/** Longest single wait for them. */
const STOP_STEP_NS = 10_000_000;

/** Whether a task executes guest code now. */
export function isRunning(t: Task): boolean {
  return !t.isExiting() && !t.context.stopped && t.context.event !== EventDied;
}

/**
 * Raises the pause count and waits until no guest thread runs; one that will not stop within a second loses its process. Until the count is
 * zero again tasks only queue up: nothing of them changes but by events of host descriptors and timers.
 */
export function pauseWorld(k: Kernel): void {
  k.pauseCount++;
  if (k.pauseCount > 1) return;
  const begin = k.monotonicNow();
  let killed = false;
  for (;;) {
    let running = 0;
    for (const t of k.tasks.all) {
      if (!isRunning(t)) continue;
      running++;
      if (!killed) t.context.interrupt();
    }
    if (running === 0) return;
    const waited = k.monotonicNow() - begin;
    if (!killed && waited >= STOP_LIMIT_NS) {
      killed = true;
      for (const t of k.tasks.all) if (isRunning(t)) killStubborn(k, t);
    }
    if (waited >= STOP_LIMIT_NS + KILL_LIMIT_NS) throw new Error(`kernel: ${running} guest threads cannot be stopped`);
    k.platform.poll(STOP_STEP_NS);
    k.heartbeat?.beat();
  }
}

/** Ends the process of a guest thread that does not stop. */
function killStubborn(k: Kernel, t: Task): void {
  k.log.warning(`task ${t.tid} (${t.name}) does not stop: killing its process`);
  t.threadGroup.prepareGroupExit(SIGKILL);
  t.mm.hostSpace?.kill("a guest thread did not stop for a pause");
}

/** Lowers the pause count; at zero tasks run again. */
export function unpauseWorld(k: Kernel): void {
  if (k.pauseCount === 0) throw new Error("kernel: unpause without pause");
  k.pauseCount--;
}
