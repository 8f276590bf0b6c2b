import { NO_ID, type UserNamespace } from "../../kernel/auth/index.ts";
import { type Task, TaskExitDead, TaskExitZombie } from "../../kernel/task.ts";
import { mayAccessTask } from "../../kernel/task_access.ts";
import type { MemoryManager } from "../../mm/index.ts";

/** Whether the task was reaped: its directory is gone. */
export function isGone(t: Task): boolean {
  return t.exitState === TaskExitDead;
}

/** The address space of a task, or null when it has none any more. */
export function memoryOf(t: Task): MemoryManager | null {
  return t.exitState >= TaskExitZombie || t.mm.users === 0 ? null : t.mm;
}

/**
 * Whether `reader` may look into `target` (PTRACE_MODE_READ_FSCREDS of ptrace(2)); the sentry itself (null) may.
 */
export function mayInspect(reader: Task | null, target: Task): boolean {
  return reader === null || mayAccessTask(reader, target, "filesystem");
}

/** The id that root of a namespace (null: the first one) is, or the first root where it has none. */
function rootID(ns: UserNamespace | null, isUID: boolean): number {
  if (ns === null) return 0;
  const kid = isUID ? ns.mapToKUID(0) : ns.mapToKGID(0);
  return kid === NO_ID ? 0 : kid;
}

/** The kernel user id that owns the files of a task: its effective one, or root when it is not dumpable. */
export function ownerUID(t: Task): number {
  const mm = memoryOf(t);
  return mm !== null && mm.dumpable !== 1 ? rootID(mm.userNamespace, true) : t.creds.effectiveKUID;
}

/** The kernel group id that owns the files of a task. */
export function ownerGID(t: Task): number {
  const mm = memoryOf(t);
  return mm !== null && mm.dumpable !== 1 ? rootID(mm.userNamespace, false) : t.creds.effectiveKGID;
}
