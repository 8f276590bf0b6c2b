import type { Kernel } from "./kernel.ts";
import type { RunState } from "./run_state.ts";
import type { Task } from "./task.ts";
import { TaskExitDead, TaskExitNone } from "./task.ts";

/** Tasks run and timers expired per turn, so that neither starves the other or the platform. */
const TASKS_PER_TURN = 64;
const TIMERS_PER_TURN = 64;
/** A sleep is cut to this many ns while garbage may be worth collecting: only then the loop knows that it is idle. */
const GC_IDLE_NS = 200_000_000;
/** The same while guests compute: they want the processor, and the next call may come before long. */
const GC_COMPUTING_NS = 5_000_000_000;
/** Events after which a collection is worth its milliseconds. */
const GC_EVENTS = 20_000;

/** Freed guest memory given back to the host per turn: about a millisecond. */
const FLUSH_BYTES = 8 << 20;

/** The sandbox's life: events, timers, jobs and tasks, until the first process is gone. */
export function runLoop(k: Kernel): number {
  for (;;) {
    k.heartbeat?.beat();
    runTasks(k);
    runJobs(k);
    if (k.memoryFile.needsFlush()) k.memoryFile.flush(FLUSH_BYTES);
    if (k.panicked !== null) throw k.panicked;
    if (isFinished(k) || k.leaveLoop) {
      k.leaveLoop = false;
      return k.globalInit?.exitStatus ?? 0;
    }
    let timeout = 0;
    if (k.timers.heap.length > 0) {
      const now = k.monotonicNow();
      if (k.timers.next() <= now) runTimers(k, now);
      else if (!k.hasWork()) timeout = k.timers.next() - now;
    } else if (!k.hasWork()) {
      timeout = -1;
    }
    if (timeout !== 0 && k.hasWork()) timeout = 0;
    if (timeout === 0) k.eventsSinceGC += poll(k, 0);
    else sleep(k, timeout);
    if (k.panicked !== null) throw k.panicked;
  }
}

/** Whether the first process and everything that could outlive it is gone. */
function isFinished(k: Kernel): boolean {
  const init = k.globalInit;
  if (init === null) return k.stopRequested && k.tasks.all.size === 0;
  return init.leader.exitState === TaskExitDead;
}

/** Sleeps until something happens; collects garbage once the loop turns out to be idle. */
function sleep(k: Kernel, timeout: number): void {
  k.heartbeat?.idle();
  const tidy = k.eventsSinceGC < GC_EVENTS && !k.memoryFile.needsFlush(true);
  if (tidy || (timeout >= 0 && timeout <= GC_IDLE_NS)) {
    k.eventsSinceGC += poll(k, timeout);
    return;
  }
  if (!isQuiet(k, GC_IDLE_NS)) return;
  if (isComputing(k)) {
    if (timeout >= 0 && timeout <= GC_COMPUTING_NS) return;
    if (!isQuiet(k, GC_COMPUTING_NS - GC_IDLE_NS)) return;
  }
  k.heartbeat?.beat();
  k.memoryFile.flush();
  Bun.gc(true);
  k.eventsSinceGC = 0;
}

/** Sleeps for a while; whether all of it passed and nothing happened. */
function isQuiet(k: Kernel, ns: number): boolean {
  const until = k.monotonicNow() + ns;
  const n = poll(k, ns);
  k.eventsSinceGC += n;
  // A platform may come back early, and a descriptor's listener may have made work, without an event being counted.
  return n === 0 && !k.hasWork() && k.panicked === null && k.monotonicNow() >= until;
}

/** Whether a guest's code runs. */
function isComputing(k: Kernel): boolean {
  for (const t of k.tasks.all) if (t.exitState === TaskExitNone && !t.context.stopped) return true;
  return false;
}

/** One hand-off of events. A throw out of it is a sentry bug: platformEvent catches what tasks throw. */
function poll(k: Kernel, timeout: number): number {
  try {
    return k.platform.poll(timeout);
  } catch (e) {
    k.panic(e, null);
    return 0;
  }
}

/** Expires timers that are due. */
function runTimers(k: Kernel, now: number): void {
  try {
    k.timers.runDue(now, TIMERS_PER_TURN);
  } catch (e) {
    k.panic(e, null);
  }
}

/** Runs every job once. */
export function runJobs(k: Kernel): void {
  const n = k.jobs.length;
  if (n === 0) return;
  const jobs = k.jobs.splice(0, n);
  for (const j of jobs) {
    try {
      if (j.run()) k.jobs.push(j);
    } catch (e) {
      k.panic(e, null);
    }
  }
}

/** Executes the run states of tasks on the run queue. */
export function runTasks(k: Kernel): void {
  if (k.pauseCount > 0) return;
  let n = k.runQueue.count;
  if (n > TASKS_PER_TURN) n = TASKS_PER_TURN;
  while (n-- > 0 && k.pauseCount === 0) {
    const t = k.runQueue.shift();
    if (t === null) return;
    t.queued = false;
    if (t.stopCount === 0) runTask(k, t);
  }
}

/** Executes run states of a task until it parks. */
export function runTask(k: Kernel, t: Task): void {
  k.current = t;
  try {
    let s: RunState | null = t.runState;
    while (s !== null) {
      t.runState = s;
      s = s.execute(t);
    }
  } catch (e) {
    k.panic(e, t);
  }
  k.current = null;
}
