import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { SIZEOF_UTSNAME, UTS_LEN } from "../../../abi/linux/utsname.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { KERNEL_MACHINE, KERNEL_RELEASE, KERNEL_SYSNAME, KERNEL_VERSION } from "../../kernel/version.ts";

/** uname(2). */
export function uname(t: Task, args: SyscallArguments): number {
  const buf = new Uint8Array(SIZEOF_UTSNAME);
  const ns = t.utsNamespace;
  const fields = [KERNEL_SYSNAME, ns.hostName, KERNEL_RELEASE, KERNEL_VERSION, KERNEL_MACHINE, ns.domainName];
  let p = 0;
  for (const f of fields) {
    for (let i = 0; i < f.length && i < UTS_LEN; i++) buf[p + i] = f.charCodeAt(i);
    p += UTS_LEN + 1;
  }
  t.copyOut(args.u64(0), buf);
  return 0;
}

/** The name that sethostname(2) and setdomainname(2) are given, up to its first NUL, or a negative errno. */
function readName(t: Task, args: SyscallArguments): string | number {
  if (!t.creds.hasCapabilityIn(CAP_SYS_ADMIN, t.utsNamespace.userNamespace)) return -errno.EPERM;
  const len = args.i32(1);
  if (len < 0 || len > UTS_LEN) return -errno.EINVAL;
  const buf = new Uint8Array(len);
  t.copyIn(args.u64(0), buf);
  let s = "";
  for (const c of buf) {
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

/** sethostname(2). */
export function sethostname(t: Task, args: SyscallArguments): number {
  const name = readName(t, args);
  if (typeof name === "number") return name;
  t.utsNamespace.setHostName(name);
  return 0;
}

/** setdomainname(2). */
export function setdomainname(t: Task, args: SyscallArguments): number {
  const name = readName(t, args);
  if (typeof name === "number") return name;
  t.utsNamespace.setDomainName(name);
  return 0;
}
