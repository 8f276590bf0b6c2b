import * as linux from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { CapabilitySet } from "../../kernel/auth/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { commitCreds } from "../../kernel/task_creds.ts";

/** Structures that a version of the header has behind it; 0: an unknown version. */
function dataCount(version: number): number {
  switch (version) {
    case linux.LINUX_CAPABILITY_VERSION_1:
      return 1;
    case linux.LINUX_CAPABILITY_VERSION_2:
    case linux.LINUX_CAPABILITY_VERSION_3:
      return 2;
    default:
      return 0;
  }
}

/** capget(2). */
export function capget(t: Task, args: SyscallArguments): number {
  const headerAddr = args.u64(0);
  const dataAddr = args.u64(1);
  const n = dataCount(t.copyInU32(headerAddr));
  if (n === 0) {
    t.copyOutU32(headerAddr, linux.LINUX_CAPABILITY_VERSION_3);
    // A probe for the version.
    return dataAddr === 0 ? 0 : -errno.EINVAL;
  }
  if (dataAddr === 0) return 0;
  const pid = t.copyInI32(headerAddr + 4);
  if (pid < 0) return -errno.EINVAL;
  const target = pid === 0 ? t : t.pidNamespace.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  const c = target.creds;
  const out = new Uint32Array([
    c.effectiveCaps.lo,
    c.permittedCaps.lo,
    c.inheritableCaps.lo,
    c.effectiveCaps.hi,
    c.permittedCaps.hi,
    c.inheritableCaps.hi,
  ]);
  t.copyOut(dataAddr, new Uint8Array(out.buffer), 0, n * linux.CAP_USER_DATA_SIZE);
  return 0;
}

/** capset(2). */
export function capset(t: Task, args: SyscallArguments): number {
  const headerAddr = args.u64(0);
  const n = dataCount(t.copyInU32(headerAddr));
  if (n === 0) {
    t.copyOutU32(headerAddr, linux.LINUX_CAPABILITY_VERSION_3);
    return -errno.EINVAL;
  }
  const pid = t.copyInI32(headerAddr + 4);
  if (pid !== 0 && pid !== t.tid) return -errno.EPERM;
  const w = new Uint32Array(6);
  t.copyIn(args.u64(1), new Uint8Array(w.buffer), 0, n * linux.CAP_USER_DATA_SIZE);
  const effective = new CapabilitySet(w[0] ?? 0, w[3] ?? 0);
  const permitted = new CapabilitySet(w[1] ?? 0, w[4] ?? 0);
  const inheritable = new CapabilitySet(w[2] ?? 0, w[5] ?? 0);
  commitCreds(t, t.creds.capset(effective, permitted, inheritable));
  return 0;
}
