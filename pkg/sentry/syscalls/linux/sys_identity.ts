import { NGROUPS_MAX } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { commitCreds } from "../../kernel/task_creds.ts";

/** getuid(2). */
export function getuid(t: Task): number {
  return t.creds.userNamespace.uidOrOverflow(t.creds.realKUID);
}

/** geteuid(2). */
export function geteuid(t: Task): number {
  return t.creds.userNamespace.uidOrOverflow(t.creds.effectiveKUID);
}

/** getgid(2). */
export function getgid(t: Task): number {
  return t.creds.userNamespace.gidOrOverflow(t.creds.realKGID);
}

/** getegid(2). */
export function getegid(t: Task): number {
  return t.creds.userNamespace.gidOrOverflow(t.creds.effectiveKGID);
}

/** getresuid(2). */
export function getresuid(t: Task, args: SyscallArguments): number {
  const c = t.creds;
  const ns = c.userNamespace;
  t.copyOutU32(args.u64(0), ns.uidOrOverflow(c.realKUID));
  t.copyOutU32(args.u64(1), ns.uidOrOverflow(c.effectiveKUID));
  t.copyOutU32(args.u64(2), ns.uidOrOverflow(c.savedKUID));
  return 0;
}

/** getresgid(2). */
export function getresgid(t: Task, args: SyscallArguments): number {
  const c = t.creds;
  const ns = c.userNamespace;
  t.copyOutU32(args.u64(0), ns.gidOrOverflow(c.realKGID));
  t.copyOutU32(args.u64(1), ns.gidOrOverflow(c.effectiveKGID));
  t.copyOutU32(args.u64(2), ns.gidOrOverflow(c.savedKGID));
  return 0;
}

/** setuid(2), for the calling thread alone as all of these. */
export function setuid(t: Task, args: SyscallArguments): number {
  commitCreds(t, t.creds.setuid(args.u32(0)));
  return 0;
}

/** setgid(2). */
export function setgid(t: Task, args: SyscallArguments): number {
  commitCreds(t, t.creds.setgid(args.u32(0)));
  return 0;
}

/** setreuid(2). */
export function setreuid(t: Task, args: SyscallArguments): number {
  commitCreds(t, t.creds.setreuid(args.u32(0), args.u32(1)));
  return 0;
}

/** setregid(2). */
export function setregid(t: Task, args: SyscallArguments): number {
  commitCreds(t, t.creds.setregid(args.u32(0), args.u32(1)));
  return 0;
}

/** setresuid(2). */
export function setresuid(t: Task, args: SyscallArguments): number {
  commitCreds(t, t.creds.setresuid(args.u32(0), args.u32(1), args.u32(2)));
  return 0;
}

/** setresgid(2). */
export function setresgid(t: Task, args: SyscallArguments): number {
  commitCreds(t, t.creds.setresgid(args.u32(0), args.u32(1), args.u32(2)));
  return 0;
}

/** setfsuid(2): the previous id, whether it changed or not. */
export function setfsuid(t: Task, args: SyscallArguments): number {
  const old = t.creds.userNamespace.uidOrOverflow(t.creds.fsKUID);
  commitCreds(t, t.creds.setfsuid(args.u32(0)));
  return old;
}

/** setfsgid(2). */
export function setfsgid(t: Task, args: SyscallArguments): number {
  const old = t.creds.userNamespace.gidOrOverflow(t.creds.fsKGID);
  commitCreds(t, t.creds.setfsgid(args.u32(0)));
  return old;
}

/** getgroups(2). */
export function getgroups(t: Task, args: SyscallArguments): number {
  const size = args.i32(0);
  if (size < 0) return -errno.EINVAL;
  const groups = t.creds.extraKGIDs;
  if (size === 0) return groups.length;
  if (groups.length > size) return -errno.EINVAL;
  const out = new Uint32Array(groups.length);
  for (let i = 0; i < out.length; i++) out[i] = t.creds.userNamespace.gidOrOverflow(groups[i] ?? 0);
  t.copyOut(args.u64(1), new Uint8Array(out.buffer));
  return out.length;
}

/** setgroups(2). */
export function setgroups(t: Task, args: SyscallArguments): number {
  const size = args.u32(0);
  if (!t.creds.maySetgroups()) return -errno.EPERM;
  if (size > NGROUPS_MAX) return -errno.EINVAL;
  const groups = new Uint32Array(size);
  t.copyIn(args.u64(1), new Uint8Array(groups.buffer));
  commitCreds(t, t.creds.setgroups([...groups]));
  return 0;
}
