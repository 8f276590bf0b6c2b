import { CAP_SYS_PTRACE } from "../../../abi/linux/capability.ts";
import { NO_ID } from "../../kernel/auth/index.ts";
import { type Task, TaskExitDead, TaskExitZombie } from "../../kernel/task.ts";
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
  if (reader === null || reader.threadGroup === target.threadGroup) return true;
  const c = reader.creds;
  const o = target.creds;
  if (c.hasCapabilityIn(CAP_SYS_PTRACE, o.userNamespace)) return true;
  const same =
    c.fsKUID === o.effectiveKUID &&
    c.fsKUID === o.savedKUID &&
    c.fsKUID === o.realKUID &&
    c.fsKGID === o.effectiveKGID &&
    c.fsKGID === o.savedKGID &&
    c.fsKGID === o.realKGID;
  const mm = memoryOf(target);
  if (!same || c.userNamespace !== o.userNamespace) return false;
  return (mm === null || mm.dumpable === 1) && o.permittedCaps.isSubsetOf(c.permittedCaps);
}

/** The id that root of a namespace is, or the first root where it has none. */
function rootID(kid: number): number {
  return kid === NO_ID ? 0 : kid;
}

/** The kernel user id that owns the files of a task: its effective one, or root when it is not dumpable. */
export function ownerUID(t: Task): number {
  const mm = memoryOf(t);
  return mm !== null && mm.dumpable !== 1 ? rootID(t.creds.userNamespace.mapToKUID(0)) : t.creds.effectiveKUID;
}

/** The kernel group id that owns the files of a task. */
export function ownerGID(t: Task): number {
  const mm = memoryOf(t);
  return mm !== null && mm.dumpable !== 1 ? rootID(t.creds.userNamespace.mapToKGID(0)) : t.creds.effectiveKGID;
}
