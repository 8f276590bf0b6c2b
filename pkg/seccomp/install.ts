/** Installing filters on this process. */
import { ptr } from "bun:ffi";
import { ESRCH } from "../abi/linux/errno.ts";
import { PR_SET_NO_NEW_PRIVS } from "../abi/linux/prctl.ts";
import {
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
  SECCOMP_SET_MODE_FILTER,
} from "../abi/linux/seccomp.ts";
import { encode, type Program } from "../bpf/index.ts";
import { prctl, put64, seccomp } from "../hostsyscall/index.ts";

function set(program: Program, flags: number): number {
  const insns = encode(program);
  const fprog = new Uint32Array(new ArrayBuffer(16));
  fprog[0] = program.length;
  put64(fprog, 2, ptr(insns));
  return seccomp(SECCOMP_SET_MODE_FILTER, flags, ptr(fprog));
}

/**
 * Sets no_new_privs and installs the filter on all threads of the process at once. 0 or a negative errno; -ESRCH when a
 * thread could not follow (it has a filter of its own): nothing is installed then.
 */
export function install(program: Program): number {
  const r = prctl(PR_SET_NO_NEW_PRIVS, 1);
  if (r < 0) {
    return r;
  }
  const s = set(program, SECCOMP_FILTER_FLAG_TSYNC);
  return s > 0 ? -ESRCH : s;
}

/** The same with a notification listener for SECCOMP_RET_USER_NOTIF: its descriptor (close-on-exec), or a negative errno. Linux 5.7. */
export function installWithListener(program: Program): number {
  const r = prctl(PR_SET_NO_NEW_PRIVS, 1);
  return r < 0
    ? r
    : set(program, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH | SECCOMP_FILTER_FLAG_NEW_LISTENER);
}
