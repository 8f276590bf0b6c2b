import { CAP_SYS_RESOURCE } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { RLIM_NLIMITS, RLIMIT_CPU, SIZEOF_RLIMIT64 } from "../../../abi/linux/rlimit.ts";
import { updateCPULimit } from "../../kernel/process_timers.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { Limit } from "../../limits/index.ts";

/** Reads a struct rlimit64. */
function copyInLimit(t: Task, addr: number): Limit {
  t.copyIn(addr, t.kernel.scratch, 0, SIZEOF_RLIMIT64);
  const w = t.kernel.scratchWords;
  return new Limit(w[0] ?? 0, w[1] ?? 0, w[2] ?? 0, w[3] ?? 0);
}

/** Stores a struct rlimit64. */
function copyOutLimit(t: Task, addr: number, l: Limit): void {
  const w = t.kernel.scratchWords;
  w[0] = l.curLo;
  w[1] = l.curHi;
  w[2] = l.maxLo;
  w[3] = l.maxHi;
  t.copyOut(addr, t.kernel.scratch, 0, SIZEOF_RLIMIT64);
}

/** Replaces a limit of a task's process. The privilege is the caller's. */
function setLimit(t: Task, target: Task, resource: number, l: Limit): void {
  const privileged = t.creds.hasCapabilityIn(CAP_SYS_RESOURCE, t.kernel.rootUserNamespace);
  target.threadGroup.limits.set(resource, l, privileged);
  if (resource === RLIMIT_CPU) updateCPULimit(target.threadGroup);
}

/** getrlimit(2). */
export function getrlimit(t: Task, args: SyscallArguments): number {
  const resource = args.u32(0);
  if (resource >= RLIM_NLIMITS) return -errno.EINVAL;
  copyOutLimit(t, args.u64(1), t.threadGroup.limits.get(resource));
  return 0;
}

/** setrlimit(2). */
export function setrlimit(t: Task, args: SyscallArguments): number {
  const resource = args.u32(0);
  const l = copyInLimit(t, args.u64(1));
  if (resource >= RLIM_NLIMITS) return -errno.EINVAL;
  setLimit(t, t, resource, l);
  return 0;
}

/** Whether the caller may read or change limits of another process. */
function mayAccess(t: Task, target: Task): boolean {
  if (target === t) return true;
  const a = t.creds;
  const b = target.creds;
  if (
    a.realKUID === b.effectiveKUID &&
    a.realKUID === b.savedKUID &&
    a.realKUID === b.realKUID &&
    a.realKGID === b.effectiveKGID &&
    a.realKGID === b.savedKGID &&
    a.realKGID === b.realKGID
  ) {
    return true;
  }
  return a.hasCapabilityIn(CAP_SYS_RESOURCE, b.userNamespace);
}

/** prlimit(2). */
export function prlimit64(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const resource = args.u32(1);
  const newAddr = args.u64(2);
  const oldAddr = args.u64(3);
  const l = newAddr !== 0 ? copyInLimit(t, newAddr) : null;
  const target = pid === 0 ? t : t.pidNamespace.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  if (!mayAccess(t, target)) return -errno.EPERM;
  if (resource >= RLIM_NLIMITS) return -errno.EINVAL;
  const old = target.threadGroup.limits.get(resource);
  if (l !== null) setLimit(t, target, resource, l);
  if (oldAddr !== 0) copyOutLimit(t, oldAddr, old);
  return 0;
}
