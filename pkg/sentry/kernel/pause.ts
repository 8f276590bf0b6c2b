import type { Kernel } from "./kernel.ts";

/** How long contexts may take to stop before their process is killed. */
const STOP_LIMIT_NS = 1_000_000_000;
/** Longest single wait for them. */
const STOP_STEP_NS = 10_000_000;

/** Raises the pause count and waits until every context of a live task is stopped; one that will not stop loses its process. */
export function pauseWorld(k: Kernel): void {
  k.pauseCount++;
  if (k.pauseCount > 1) return;
  const limit = k.monotonicNow() + STOP_LIMIT_NS;
  for (;;) {
    let running = 0;
    const late = k.monotonicNow() >= limit;
    for (const t of k.tasks.all) {
      if (t.isExiting() || t.context.stopped) continue;
      if (late) {
        k.log.warning(`task ${t.tid} (${t.name}) does not stop: killing its process`);
        t.threadGroup.prepareGroupExit(9);
        continue;
      }
      running++;
      t.context.interrupt();
    }
    if (running === 0) return;
    k.platform.poll(STOP_STEP_NS);
    k.heartbeat?.beat();
  }
}

/** Lowers the pause count; at zero tasks run again. */
export function unpauseWorld(k: Kernel): void {
  if (k.pauseCount === 0) throw new Error("kernel: unpause without pause");
  k.pauseCount--;
}
