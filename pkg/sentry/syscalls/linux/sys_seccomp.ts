import { BPF_MAXINSNS, SIZEOF_SOCK_FILTER, SIZEOF_SOCK_FPROG } from "../../../abi/linux/bpf.ts";
import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import * as linux from "../../../abi/linux/seccomp.ts";
import { decode, validateSeccomp } from "../../../bpf/index.ts";
import { SeccompFilter } from "../../kernel/seccomp.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

const KNOWN_FLAGS =
  linux.SECCOMP_FILTER_FLAG_TSYNC |
  linux.SECCOMP_FILTER_FLAG_LOG |
  linux.SECCOMP_FILTER_FLAG_SPEC_ALLOW |
  linux.SECCOMP_FILTER_FLAG_TSYNC_ESRCH;

/** seccomp(2). There is no user notification: SECCOMP_FILTER_FLAG_NEW_LISTENER is an unknown flag. */
export function seccomp(t: Task, args: SyscallArguments): number {
  const flags = args.u32(1);
  const addr = args.u64(2);
  switch (args.u32(0)) {
    case linux.SECCOMP_SET_MODE_STRICT:
      return flags !== 0 || addr !== 0 ? -errno.EINVAL : setStrict(t);
    case linux.SECCOMP_SET_MODE_FILTER:
      return setFilter(t, flags, addr);
    case linux.SECCOMP_GET_ACTION_AVAIL:
      return flags !== 0 ? -errno.EINVAL : actionAvailable(t, addr);
    case linux.SECCOMP_GET_NOTIF_SIZES: {
      if (flags !== 0) return -errno.EINVAL;
      const w = t.kernel.scratchWords;
      w[0] = linux.SIZEOF_SECCOMP_NOTIF | (linux.SIZEOF_SECCOMP_NOTIF_RESP << 16);
      w[1] = linux.SIZEOF_SECCOMP_DATA;
      t.copyOut(addr, t.kernel.scratch, 0, 6);
      return 0;
    }
    default:
      return -errno.EINVAL;
  }
}

/** prctl(PR_SET_SECCOMP). */
export function prctlSetSeccomp(t: Task, mode: number, addr: number): number {
  switch (mode) {
    case linux.SECCOMP_MODE_STRICT:
      return setStrict(t);
    case linux.SECCOMP_MODE_FILTER:
      return setFilter(t, 0, addr);
    default:
      return -errno.EINVAL;
  }
}

/** prctl(PR_GET_SECCOMP). */
export function prctlGetSeccomp(t: Task): number {
  return t.seccompMode;
}

/** Whether the mode may be taken up: there is no way from one to the other. */
function mayAssign(t: Task, mode: number): boolean {
  return t.seccompMode === linux.SECCOMP_MODE_DISABLED || t.seccompMode === mode;
}

function setStrict(t: Task): number {
  if (!mayAssign(t, linux.SECCOMP_MODE_STRICT)) return -errno.EINVAL;
  t.seccompMode = linux.SECCOMP_MODE_STRICT;
  return 0;
}

function actionAvailable(t: Task, addr: number): number {
  switch (t.copyInU32(addr)) {
    case linux.SECCOMP_RET_KILL_PROCESS:
    case linux.SECCOMP_RET_KILL_THREAD:
    case linux.SECCOMP_RET_TRAP:
    case linux.SECCOMP_RET_ERRNO:
    case linux.SECCOMP_RET_TRACE:
    case linux.SECCOMP_RET_LOG:
    case linux.SECCOMP_RET_ALLOW:
      return 0;
    default:
      return -errno.EOPNOTSUPP;
  }
}

/** Adds a filter to the caller's, and with TSYNC gives all its threads the same. */
function setFilter(t: Task, flags: number, addr: number): number {
  if ((flags & ~KNOWN_FLAGS) !== 0) return -errno.EINVAL;
  const k = t.kernel;
  t.copyIn(addr, k.scratch, 0, SIZEOF_SOCK_FPROG);
  const w = k.scratchWords;
  const count = (w[0] ?? 0) & 0xffff;
  const code = (w[3] ?? 0) * 4294967296 + (w[2] ?? 0);
  if (count === 0 || count > BPF_MAXINSNS) return -errno.EINVAL;
  if (!t.noNewPrivs && !t.creds.hasCapability(CAP_SYS_ADMIN)) return -errno.EACCES;
  const bytes = new Uint8Array(count * SIZEOF_SOCK_FILTER);
  t.copyIn(code, bytes);
  const program = decode(bytes, count);
  if (!validateSeccomp(program)) return -errno.EINVAL;
  if (!mayAssign(t, linux.SECCOMP_MODE_FILTER)) return -errno.EINVAL;
  if ((flags & linux.SECCOMP_FILTER_FLAG_TSYNC) !== 0) {
    for (const o of t.threadGroup.tasks) {
      if (o === t || o.isExiting() || canFollow(t, o)) continue;
      return (flags & linux.SECCOMP_FILTER_FLAG_TSYNC_ESRCH) !== 0 ? -errno.ESRCH : t.pidNamespace.idOfTask(o);
    }
  }
  if (!k.seccompUsage.take(count, t.seccompFilter)) return -errno.ENOMEM;
  const filter = new SeccompFilter(program, t.seccompFilter);
  if ((flags & linux.SECCOMP_FILTER_FLAG_TSYNC) !== 0) {
    for (const o of t.threadGroup.tasks) {
      if (o === t || o.isExiting()) continue;
      filter.incRef();
      o.seccompFilter?.decRef(k.seccompUsage);
      o.seccompFilter = filter;
      o.seccompMode = linux.SECCOMP_MODE_FILTER;
      if (t.noNewPrivs) o.noNewPrivs = true;
    }
  }
  t.seccompFilter = filter;
  t.seccompMode = linux.SECCOMP_MODE_FILTER;
  return 0;
}

/** Whether a thread's filters are among those of t. */
function canFollow(t: Task, o: Task): boolean {
  if (o.seccompMode === linux.SECCOMP_MODE_DISABLED) return true;
  if (o.seccompMode !== linux.SECCOMP_MODE_FILTER) return false;
  return t.seccompFilter?.hasAncestor(o.seccompFilter) ?? false;
}
