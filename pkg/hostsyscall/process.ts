/** Processes, threads, identity, limits, signals, waiting. Results are >= 0 or a negative errno. */
import { native } from "../../native/host.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import {
  type NativePtr,
  type PathArg,
  path1,
  put64,
  putTimespec,
  scratch,
  scratchAddress,
  span,
  struct,
  sys3,
  sys6,
  whole,
} from "./raw.ts";

/** struct sched_param of a policy without priorities. */
const noPriority: Readonly<Uint8Array> = new Uint8Array(4);

/** getpid(2). */
export function getpid(): number {
  return sys3(nr.SYS_getpid, 0, 0, 0);
}

/** getppid(2). */
export function getppid(): number {
  return sys3(nr.SYS_getppid, 0, 0, 0);
}

/** gettid(2). */
export function gettid(): number {
  return sys3(nr.SYS_gettid, 0, 0, 0);
}

/** getuid(2). */
export function getuid(): number {
  return sys3(nr.SYS_getuid, 0, 0, 0);
}

/** geteuid(2). */
export function geteuid(): number {
  return sys3(nr.SYS_geteuid, 0, 0, 0);
}

/** getgid(2). */
export function getgid(): number {
  return sys3(nr.SYS_getgid, 0, 0, 0);
}

/** getegid(2). */
export function getegid(): number {
  return sys3(nr.SYS_getegid, 0, 0, 0);
}

/** kill(2). */
export function kill(pid: number, sig: number): number {
  return sys3(nr.SYS_kill, pid, sig, 0);
}

/** tgkill(2). */
export function tgkill(tgid: number, tid: number, sig: number): number {
  return sys3(nr.SYS_tgkill, tgid, tid, sig);
}

/** tkill(2). */
export function tkill(tid: number, sig: number): number {
  return sys3(nr.SYS_tkill, tid, sig, 0);
}

/** rt_tgsigqueueinfo(2) with a siginfo of 128 bytes. */
export function rtTgsigqueueinfo(tgid: number, tid: number, sig: number, info: Uint8Array): number {
  return sys6(nr.SYS_rt_tgsigqueueinfo, tgid, tid, sig, struct(info, 128), 0, 0);
}

/** Where wait4 puts the status word. */
export class HostWaitStatus {
  static readonly stateType = stateType("hostsyscall.HostWaitStatus", [], ["status"]);
  /** As wait(2) encodes it. */
  status = 0;
}

/** wait4(2): pid, 0 with WNOHANG and nothing to report, or a negative errno (EINTR happens). */
export function wait4(pid: number, options: number, out: HostWaitStatus): number {
  scratch[0] = 0;
  const r = sys6(nr.SYS_wait4, pid, scratchAddress, options, 0, 0, 0);
  if (r > 0) {
    out.status = scratch[0] ?? 0;
  }
  return r;
}

/** waitid(2) into a siginfo of 128 bytes; idtype P_PIDFD is 3. */
export function waitid(idtype: number, id: number, info: Uint8Array, options: number): number {
  return sys6(nr.SYS_waitid, idtype, id, struct(info, 128), options, 0, 0);
}

/** pidfd_open(2). */
export function pidfdOpen(pid: number, flags: number): number {
  return sys3(nr.SYS_pidfd_open, pid, flags, 0);
}

/** pidfd_send_signal(2) without siginfo. */
export function pidfdSendSignal(pidfd: number, sig: number): number {
  return sys6(nr.SYS_pidfd_send_signal, pidfd, sig, 0, 0, 0, 0);
}

/** pidfd_getfd(2): a descriptor of another process in our table. */
export function pidfdGetfd(pidfd: number, targetFD: number): number {
  return sys3(nr.SYS_pidfd_getfd, pidfd, targetFD, 0);
}

/** setsid(2). */
export function setsid(): number {
  return sys3(nr.SYS_setsid, 0, 0, 0);
}

/** getsid(2). */
export function getsid(pid: number): number {
  return sys3(nr.SYS_getsid, pid, 0, 0);
}

/** setpgid(2). */
export function setpgid(pid: number, pgid: number): number {
  return sys3(nr.SYS_setpgid, pid, pgid, 0);
}

/** getpgid(2). */
export function getpgid(pid: number): number {
  return sys3(nr.SYS_getpgid, pid, 0, 0);
}

/** setresuid(2) of the calling thread only; -1 leaves an id unchanged. */
export function setresuid(ruid: number, euid: number, suid: number): number {
  return sys3(nr.SYS_setresuid, ruid, euid, suid);
}

/** setresgid(2) of the calling thread only. */
export function setresgid(rgid: number, egid: number, sgid: number): number {
  return sys3(nr.SYS_setresgid, rgid, egid, sgid);
}

/** setgroups(2) of the calling thread only. */
export function setgroups(groups: Uint32Array): number {
  return sys3(nr.SYS_setgroups, groups.length, groups.length === 0 ? 0 : groups, 0);
}

/** getgroups(2): how many were put into out. */
export function getgroups(out: Uint32Array): number {
  return sys3(nr.SYS_getgroups, out.length, out.length === 0 ? 0 : out, 0);
}

/** setfsuid(2) of the calling thread: the id before. */
export function setfsuid(uid: number): number {
  return sys3(nr.SYS_setfsuid, uid, 0, 0);
}

/** setfsgid(2) of the calling thread: the id before. */
export function setfsgid(gid: number): number {
  return sys3(nr.SYS_setfsgid, gid, 0, 0);
}

/** The capability sets of a thread, low and high 32 bits each. */
export class HostCaps {
  effectiveLow = 0;
  effectiveHigh = 0;
  permittedLow = 0;
  permittedHigh = 0;
  inheritableLow = 0;
  inheritableHigh = 0;
}

const CAPABILITY_VERSION_3 = 0x20080522;

/** capget(2) of a thread (0: ours). */
export function capget(tid: number, out: HostCaps): number {
  scratch[0] = CAPABILITY_VERSION_3;
  scratch[1] = tid;
  const r = sys3(nr.SYS_capget, scratchAddress, scratchAddress + 8, 0);
  if (r === 0) {
    out.effectiveLow = scratch[2] ?? 0;
    out.permittedLow = scratch[3] ?? 0;
    out.inheritableLow = scratch[4] ?? 0;
    out.effectiveHigh = scratch[5] ?? 0;
    out.permittedHigh = scratch[6] ?? 0;
    out.inheritableHigh = scratch[7] ?? 0;
  }
  return r;
}

/** capset(2) of the calling thread: other threads keep theirs. */
export function capset(caps: HostCaps): number {
  scratch[0] = CAPABILITY_VERSION_3;
  scratch[1] = 0;
  scratch[2] = caps.effectiveLow;
  scratch[3] = caps.permittedLow;
  scratch[4] = caps.inheritableLow;
  scratch[5] = caps.effectiveHigh;
  scratch[6] = caps.permittedHigh;
  scratch[7] = caps.inheritableHigh;
  return sys3(nr.SYS_capset, scratchAddress, scratchAddress + 8, 0);
}

/** prctl(2). */
export function prctl(option: number, a: NativePtr = 0, b: NativePtr = 0, c: NativePtr = 0, d: NativePtr = 0): number {
  return sys6(nr.SYS_prctl, option, a, b, c, d, 0);
}

/** seccomp(2). */
export function seccomp(operation: number, flags: number, args: NativePtr): number {
  return sys3(nr.SYS_seccomp, operation, flags, args);
}

/** ptrace(2), the raw call: PEEK requests store through `data`. */
export function ptrace(request: number, pid: number, addr: NativePtr, data: NativePtr): number {
  return sys6(nr.SYS_ptrace, request, pid, addr, data, 0, 0);
}

/** sched_yield(2). */
export function schedYield(): number {
  return sys3(nr.SYS_sched_yield, 0, 0, 0);
}

/** sched_setaffinity(2) with a bit mask. */
export function schedSetaffinity(tid: number, mask: Uint8Array): number {
  return sys3(nr.SYS_sched_setaffinity, tid, mask.length, whole(mask));
}

/** sched_setscheduler(2) with a policy that has no priorities. */
export function schedSetscheduler(tid: number, policy: number): number {
  return sys3(nr.SYS_sched_setscheduler, tid, policy, whole(noPriority));
}

/** sched_getaffinity(2): bytes of the mask put into out. */
export function schedGetaffinity(tid: number, out: Uint8Array): number {
  return sys3(nr.SYS_sched_getaffinity, tid, out.length, whole(out));
}

/** setpriority(2); which: 0 process (a thread in fact), 1 group, 2 user. */
export function setpriority(which: number, who: number, nice: number): number {
  return sys3(nr.SYS_setpriority, which, who, nice);
}

/** getpriority(2), the raw call: 20 - nice, 1..40. */
export function getpriority(which: number, who: number): number {
  return sys3(nr.SYS_getpriority, which, who, 0);
}

/** unshare(2) of the calling thread: with more than one thread, CLONE_NEWUSER, CLONE_NEWNS (it implies CLONE_FS) touch this one only or fail. */
export function unshare(flags: number): number {
  return sys3(nr.SYS_unshare, flags, 0, 0);
}

/** setns(2). */
export function setns(fd: number, nstype: number): number {
  return sys3(nr.SYS_setns, fd, nstype, 0);
}

/** sethostname(2). */
export function sethostname(name: PathArg): number {
  const p = path1(name);
  return p < 0 ? p : sys3(nr.SYS_sethostname, p, name.length, 0);
}

/** setdomainname(2). */
export function setdomainname(name: PathArg): number {
  const p = path1(name);
  return p < 0 ? p : sys3(nr.SYS_setdomainname, p, name.length, 0);
}

/** exit_group(2): ends the process at once, no handlers run. */
export function exitGroup(status: number): never {
  sys3(nr.SYS_exit_group, status, 0, 0);
  throw new Error("exit_group returned");
}

/** rt_sigprocmask(2) of the calling thread; how: 0 block, 1 unblock, 2 set. */
export function sigprocmask(how: number, maskLow: number, maskHigh: number): number {
  scratch[0] = maskLow;
  scratch[1] = maskHigh;
  return sys6(nr.SYS_rt_sigprocmask, how, scratchAddress, 0, 8, 0, 0);
}

/**
 * Has each signal of a mask (bit n is signal n + 1) written to a descriptor when it comes, as a byte with its number; plus 0x80 for those of
 * `marked`. No JavaScript is involved.
 */
export function forwardSignals(fd: number, mask: number, marked: number): number {
  return native.signals_forward(fd, mask, marked);
}

/** Sets a signal to SIG_DFL (0) or SIG_IGN (1) for the process. */
export function sigdisposition(sig: number, disposition: 0 | 1): number {
  scratch.fill(0, 0, 8);
  scratch[0] = disposition;
  return sys6(nr.SYS_rt_sigaction, sig, scratchAddress, 0, 8, 0, 0);
}

/** process_vm_readv(2), one range each way: bytes read. */
export function processVMRead(pid: number, remote: number, buf: Uint8Array, off: number, len: number): number {
  return processVM(nr.SYS_process_vm_readv, pid, remote, buf, off, len);
}

/** process_vm_writev(2), one range each way: bytes written. */
export function processVMWrite(pid: number, remote: number, buf: Uint8Array, off: number, len: number): number {
  return processVM(nr.SYS_process_vm_writev, pid, remote, buf, off, len);
}

function processVM(call: number, pid: number, remote: number, buf: Uint8Array, off: number, len: number): number {
  put64(scratch, 0, span(buf, off, len));
  put64(scratch, 2, len);
  put64(scratch, 4, remote);
  put64(scratch, 6, len);
  return sys6(call, pid, scratchAddress, 1, scratchAddress + 16, 1, 0);
}

/** getrusage(2) into a buffer of 36 words of 32 bits (struct rusage). */
export function getrusage(who: number, out: Uint32Array): number {
  if (out.length < 36) {
    throw new RangeError("getrusage");
  }
  return sys3(nr.SYS_getrusage, who, out, 0);
}

/** futex(2) on a word of ours; a negative timeout waits for ever. */
export function futex(address: number, op: number, value: number, timeoutNs: number): number {
  if (timeoutNs >= 0) {
    putTimespec(scratch, 0, timeoutNs);
  }
  return sys6(nr.SYS_futex, address, op, value, timeoutNs < 0 ? 0 : scratchAddress, 0, 0);
}

/** signalfd4(2) with a 64-bit signal mask in two words; descriptor -1 makes a new one. */
export function signalfd(fd: number, maskLow: number, maskHigh: number, flags: number): number {
  scratch[0] = maskLow;
  scratch[1] = maskHigh;
  return sys6(nr.SYS_signalfd4, fd, scratchAddress, 8, flags, 0, 0);
}

/** getrandom(2) into buf[off, off+len). */
export function getrandom(buf: Uint8Array, off = 0, len = buf.length - off, flags = 0): number {
  return sys3(nr.SYS_getrandom, span(buf, off, len), len, flags);
}

/** prlimit64(2)'s value for no limit. */
export const RLIM_INFINITY: number = Number.POSITIVE_INFINITY;

/** A soft and a hard limit; Infinity is no limit. */
export class HostRlimit {
  soft = 0;
  hard = 0;
}

function putLimit(i: number, v: number): void {
  if (v === RLIM_INFINITY) {
    scratch[i] = 0xffffffff;
    scratch[i + 1] = 0xffffffff;
  } else {
    put64(scratch, i, v);
  }
}

function getLimit(i: number): number {
  return scratch[i] === 0xffffffff && scratch[i + 1] === 0xffffffff
    ? RLIM_INFINITY
    : (scratch[i + 1] ?? 0) * 4294967296 + (scratch[i] ?? 0);
}

/** prlimit64(2) reading the limits of a process (0: ours). */
export function getrlimit(pid: number, resource: number, out: HostRlimit): number {
  const r = sys6(nr.SYS_prlimit64, pid, resource, 0, scratchAddress, 0, 0);
  if (r === 0) {
    out.soft = getLimit(0);
    out.hard = getLimit(2);
  }
  return r;
}

/** prlimit64(2) setting them. */
export function setrlimit(pid: number, resource: number, soft: number, hard: number): number {
  putLimit(0, soft);
  putLimit(2, hard);
  return sys6(nr.SYS_prlimit64, pid, resource, scratchAddress, 0, 0, 0);
}
