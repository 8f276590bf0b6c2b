import { CAP_SYS_PTRACE } from "../../abi/linux/capability.ts";
import { type Task, TaskExitZombie } from "./task.ts";

/** Which ids and capabilities of the caller count: those for files, or the real and permitted ones (PTRACE_MODE_*CREDS). */
export type AccessIDs = "filesystem" | "real";

/**
 * Whether `t` may look into another task, or take hold of it: the access check of ptrace(2), "Ptrace access mode checking", which proc,
 * process_vm_readv(2) and others make too.
 */
export function mayAccessTask(t: Task, target: Task, ids: AccessIDs): boolean {
  if (t.threadGroup === target.threadGroup) return true;
  const c = t.creds;
  const o = target.creds;
  const real = ids === "real";
  const uid = real ? c.realKUID : c.fsKUID;
  const gid = real ? c.realKGID : c.fsKGID;
  const capable = c.hasCapabilityIn(CAP_SYS_PTRACE, o.userNamespace);
  const same =
    uid === o.effectiveKUID &&
    uid === o.savedKUID &&
    uid === o.realKUID &&
    gid === o.effectiveKGID &&
    gid === o.savedKGID &&
    gid === o.realKGID;
  if (!same && !capable) return false;
  if (target.exitState < TaskExitZombie && target.mm.users > 0 && !mayDump(t, target)) return false;
  const caps = real ? c.permittedCaps : c.effectiveCaps;
  return capable || (c.userNamespace === o.userNamespace && o.permittedCaps.isSubsetOf(caps));
}

/** Whether the memory of a task may be shown: it is dumpable, or the caller has the capability where the program could be read. */
function mayDump(t: Task, target: Task): boolean {
  if (target.mm.dumpable === 1) return true;
  const owner = target.mm.userNamespace;
  return owner === null ? t.creds.capable(CAP_SYS_PTRACE) : t.creds.hasCapabilityIn(CAP_SYS_PTRACE, owner);
}
