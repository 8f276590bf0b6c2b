import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import * as cap from "../../pkg/abi/linux/capability.ts";
import * as nr from "../../pkg/abi/linux/syscalls.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { FD } from "../boot/index.ts";
import { Child } from "./child.ts";

const CLONE_NEWNS = 0x00020000;
const CLONE_NEWUTS = 0x04000000;
const CLONE_NEWIPC = 0x08000000;
const CLONE_NEWUSER = 0x10000000;
const CLONE_NEWPID = 0x20000000;
const CLONE_NEWNET = 0x40000000;
const PR_SET_PDEATHSIG = 1;
const PR_CAPBSET_DROP = 24;
const PR_SET_SECUREBITS = 28;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
/** NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE off; all locked but the last, which the list below needs. */
const SECUREBITS = 0x1 | 0x2 | 0x4 | 0x8 | 0x20;
const SIGKILL = 9;
const MS_RDONLY = 0x1;
const MS_NOSUID = 0x2;
const MS_NODEV = 0x4;
const MS_NOEXEC = 0x8;
const MS_REMOUNT = 0x20;
const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;
const MNT_DETACH = 2;
const RLIMIT_CORE = 4;
const F_DUPFD_CLOEXEC = 1030;
/** Donated descriptors are first moved here, so that none stands where another is to go. */
const HIGH_FD = 100;
const CAPABILITY_VERSION_3 = 0x20080522;

/** How the sandbox process is started. */
export interface LaunchArgs {
  /** Program file and its arguments. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** Descriptor for each number from 0 to FD.end - 1. */
  readonly fds: readonly number[];
  /** Capabilities (numbers) it keeps in its user namespace. */
  readonly capabilities: readonly number[];
}

/** A started sandbox process. */
export interface Launched {
  readonly pid: number;
  readonly pidfd: number;
}

/** An array of pointers to NUL-terminated strings, ended by a null pointer; `keep` holds the strings. */
function pointers(strings: readonly string[], keep: Uint8Array[]): BigUint64Array {
  const out = new BigUint64Array(new ArrayBuffer(8 * (strings.length + 1)));
  strings.forEach((s, i) => {
    const c = host.cString(s);
    keep.push(c);
    out[i] = BigInt(host.addressOf(c));
  });
  return out;
}

/** Identity mapping of all ids we have ourselves, or of our own one when we may not map more. */
function writeMaps(pid: number): void {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const identity = (kind: "uid" | "gid"): string =>
    readFileSync(`/proc/self/${kind}_map`, "latin1")
      .trim()
      .split("\n")
      .map((line) => {
        const [inside, , count] = line.trim().split(/\s+/);
        return `${inside} ${inside} ${count}\n`;
      })
      .join("");
  if (uid === 0) {
    try {
      writeFileSync(`/proc/${pid}/gid_map`, identity("gid"));
      writeFileSync(`/proc/${pid}/uid_map`, identity("uid"));
      return;
    } catch {
      // Root without the capabilities: map what anybody may map.
    }
  }
  writeFileSync(`/proc/${pid}/setgroups`, "deny");
  writeFileSync(`/proc/${pid}/gid_map`, `${gid} ${gid} 1\n`);
  writeFileSync(`/proc/${pid}/uid_map`, `${uid} ${uid} 1\n`);
}

/** The capability sets of capset(2), all three equal. */
function capabilityData(caps: readonly number[]): Uint8Array {
  const data = new Uint8Array(new ArrayBuffer(24));
  const view = new DataView(data.buffer);
  let low = 0;
  let high = 0;
  for (const c of caps) {
    if (c < 32) low |= 1 << c;
    else high |= 1 << (c - 32);
  }
  for (let i = 0; i < 3; i++) {
    view.setInt32(4 * i, low, true);
    view.setInt32(12 + 4 * i, high, true);
  }
  return data;
}

/**
 * Starts a process in new namespaces of every kind, with only the given capabilities and no new privileges from its first
 * instruction on (so every thread it ever has is born with them), in a session of its own, killed when this one dies. Its root is
 * still the host's: see removeRoot. Throws Error with one line.
 */
export function launch(args: LaunchArgs): Launched {
  const child = new Child();
  const keep: Uint8Array[] = [];
  const high: number[] = [];
  const c = (s: string): Uint8Array => {
    const b = host.cString(s);
    keep.push(b);
    return b;
  };
  try {
    for (const fd of args.fds) {
      const r = host.fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
      if (r < 0) throw new Error(`descriptor ${fd} cannot be donated`);
      high.push(r);
    }
    child.call("prctl(PR_SET_PDEATHSIG)", nr.SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    child.waitForGo();
    child.call("setsid", nr.SYS_setsid);
    child.call("chdir", nr.SYS_chdir, c("/"));
    child.call("making mounts private", nr.SYS_mount, 0, c("/"), 0, MS_REC | MS_PRIVATE, 0);
    // A view of the own processes, for the start only. Where the host hides parts of /proc it cannot be had, and the host's will do.
    child.attempt("mounting /proc", nr.SYS_mount, c("proc"), c("/proc"), c("proc"), MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    high.forEach((fd, i) => {
      child.call("dup3", nr.SYS_dup3, fd, i, 0);
    });
    child.call("close_range", nr.SYS_close_range, FD.end, 0xffffffff, 0);
    child.call("setting RLIMIT_CORE", nr.SYS_prlimit64, 0, RLIMIT_CORE, new BigUint64Array(new ArrayBuffer(16)), 0);
    for (let i = 0; i <= cap.CAP_LAST_CAP; i++) {
      // Kernels that know fewer capabilities refuse the others.
      child.attempt("prctl(PR_CAPBSET_DROP)", nr.SYS_prctl, PR_CAPBSET_DROP, i, 0, 0, 0);
    }
    child.call("prctl(PR_SET_SECUREBITS)", nr.SYS_prctl, PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0);
    const header = new Uint8Array(new ArrayBuffer(8));
    new DataView(header.buffer).setUint32(0, CAPABILITY_VERSION_3, true);
    child.call("capset", nr.SYS_capset, header, capabilityData(args.capabilities));
    for (const k of args.capabilities) {
      child.call("prctl(PR_CAP_AMBIENT)", nr.SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, k, 0, 0);
    }
    child.call("prctl(PR_SET_NO_NEW_PRIVS)", nr.SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    const argv = pointers(args.argv, keep);
    const env = pointers(args.env, keep);
    child.call(`executing ${args.path}`, nr.SYS_execve, c(args.path), argv, env);
    child.start(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS);
    const pidfd = child.pidfd();
    try {
      try {
        writeMaps(child.pid);
        child.go(true);
      } catch (e) {
        child.go(false);
        throw new Error(`mapping users: ${e instanceof Error ? e.message : String(e)}`);
      } finally {
        child.wait();
      }
    } catch (e) {
      reap(child.pid);
      closeSync(pidfd);
      throw e;
    }
    if (keep.length === 0) throw new Error("launch: no memory");
    return { pid: child.pid, pidfd };
  } finally {
    for (const fd of high) closeSync(fd);
  }
}

/** Waits for a child that is ending and answers its wait status. */
export function reap(pid: number): number {
  const status = new host.HostWaitStatus();
  for (;;) {
    const r = host.wait4(pid, 0, status);
    if (r === pid) return status.status;
    if (r !== -4) return 0;
  }
}

/**
 * Leaves a started sandbox process with an empty read-only root: a helper enters its namespaces, pivots all of its processes
 * into a tmpfs without files and detaches the host's root. (The process itself has no capability for it, and never had.)
 */
export function removeRoot(pidfd: number): void {
  const child = new Child();
  const keep: Uint8Array[] = [];
  const c = (s: string): Uint8Array => {
    const b = host.cString(s);
    keep.push(b);
    return b;
  };
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  child.call("prctl(PR_SET_PDEATHSIG)", nr.SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  child.call("setns", nr.SYS_setns, pidfd, CLONE_NEWUSER | CLONE_NEWNS);
  child.call("mounting the empty root", nr.SYS_mount, c("none"), c("/proc"), c("tmpfs"), flags, c("size=4k,nr_inodes=1,mode=555"));
  child.call("chdir", nr.SYS_chdir, c("/proc"));
  child.call("pivot_root", nr.SYS_pivot_root, c("."), c("."));
  child.call("detaching the host's root", nr.SYS_umount2, c("."), MNT_DETACH);
  child.call("making the root read-only", nr.SYS_mount, 0, c("/"), 0, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, 0);
  child.call("exit", nr.SYS_exit, 0);
  child.start(0);
  closeSync(child.pidfd());
  try {
    child.wait();
  } finally {
    const status = reap(child.pid);
    if (status !== 0 && child.view.getInt32(52, true) === 0) throw new Error(`removing the root: wait status ${status}`);
  }
  if (keep.length === 0) throw new Error("launch: no memory");
}

/** Opens the pipe of a child, both ends closed on exec: [read, write]. */
export function openPipe(): [number, number] {
  const fds: number[] = [];
  const r = host.pipe2(fds, 0x80000);
  const [a, b] = fds;
  if (r < 0 || a === undefined || b === undefined) throw new Error("pipe2 failed");
  return [a, b];
}

/** Opens /dev/null. */
export function openNull(): number {
  return openSync("/dev/null", "r+");
}
