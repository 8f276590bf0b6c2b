import { CAP_LAST_CAP, CAP_SETPCAP } from "../../pkg/abi/linux/capability.ts";
import {
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../../pkg/abi/linux/clone.ts";
import { EINTR, ENOSPC, EPERM } from "../../pkg/abi/linux/errno.ts";
import { O_CLOEXEC } from "../../pkg/abi/linux/file.ts";
import {
  MNT_DETACH,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
} from "../../pkg/abi/linux/fs.ts";
import { PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_CAPBSET_DROP, PR_SET_SECUREBITS } from "../../pkg/abi/linux/prctl.ts";
import { RLIMIT_CORE } from "../../pkg/abi/linux/rlimit.ts";
import { SIGKILL } from "../../pkg/abi/linux/signal.ts";
import * as nr from "../../pkg/abi/linux/syscalls.ts";
import * as linuxerr from "../../pkg/errors/linuxerr/index.ts";
import * as host from "../../pkg/hostsyscall/index.ts";
import { reason } from "./reason.ts";

/** SECBIT_NOROOT, NO_SETUID_FIXUP and the lock of KEEP_CAPS, each locked: user 0 gets nothing from exec. */
const SECUREBITS = 0x1 | 0x2 | 0x4 | 0x8 | 0x20;
const CAPABILITY_VERSION_3 = 0x20080522;

/** How the sandbox process is started. */
export interface LaunchArgs {
  /** Program file and its arguments. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** Our descriptor for each of its numbers from 0 on. */
  readonly fds: readonly number[];
  /** Capabilities (numbers) it keeps in its user namespace. */
  readonly capabilities: readonly number[];
}

/** A started sandbox process. */
export interface Launched {
  readonly pid: number;
  readonly pidfd: number;
}

/** Ids of ours mapped to themselves: what /proc/self/uid_map lists, each extent as it is inside. */
function identityMap(kind: "uid" | "gid"): host.SpawnIDMap[] {
  const text = host.readFile(`/proc/self/${kind}_map`);
  if (typeof text === "number") throw new Error(`/proc/self/${kind}_map: ${reason(-text)}`);
  const out: host.SpawnIDMap[] = [];
  for (const line of text.trim().split("\n")) {
    const [inside, , count] = line.trim().split(/\s+/).map(Number);
    if (inside !== undefined && count !== undefined) out.push({ inside, outside: inside, count });
  }
  return out;
}

/** A call of capset(2). */
function capset(effective: readonly number[], inheritable: readonly number[]): host.SpawnCall {
  const header = new Uint8Array(new ArrayBuffer(8));
  new DataView(header.buffer).setUint32(0, CAPABILITY_VERSION_3, true);
  const data = new Uint8Array(new ArrayBuffer(24));
  const view = new DataView(data.buffer);
  [effective, effective, inheritable].forEach((caps, i) => {
    for (const c of caps) {
      const at = (c < 32 ? 0 : 12) + 4 * i;
      view.setInt32(at, view.getInt32(at, true) | (1 << (c % 32)), true);
    }
  });
  return { name: "capset", nr: nr.SYS_capset, args: [header, data] };
}

/** The child's calls with the privileges of its new namespaces. */
function confinement(capabilities: readonly number[]): host.SpawnCall[] {
  const drops: host.SpawnCall[] = [];
  for (let i = 0; i <= CAP_LAST_CAP; i++) {
    // A kernel that knows fewer capabilities refuses the others.
    drops.push({ name: "PR_CAPBSET_DROP", nr: nr.SYS_prctl, args: [PR_CAPBSET_DROP, i, 0, 0, 0], ignoreError: true });
  }
  const procFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  return [
    { name: "private mounts", nr: nr.SYS_mount, args: [0, "/", 0, MS_REC | MS_PRIVATE, 0] },
    // A view of the own processes, for the start only. Where the host hides parts of /proc it cannot be had; the host's then stays.
    { name: "proc", nr: nr.SYS_mount, args: ["proc", "/proc", "proc", procFlags, 0], ignoreError: true },
    { name: "no core dumps", nr: nr.SYS_prlimit64, args: [0, RLIMIT_CORE, new Uint8Array(16), 0] },
    // Inheritable first: what is out of the bounding set cannot be made so any more. Ambient is what survives the exec.
    capset([...capabilities, CAP_SETPCAP], capabilities),
    ...capabilities.map((c) => ({
      name: "PR_CAP_AMBIENT_RAISE",
      nr: nr.SYS_prctl,
      args: [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0],
    })),
    ...drops,
    { name: "securebits", nr: nr.SYS_prctl, args: [PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0] },
    capset(capabilities, capabilities),
  ];
}

/** One line about a failed start. */
function failure(r: host.SpawnResult, path: string): Error {
  const name = linuxerr.nameOf(-r.pid);
  if (r.failed === "clone" && (-r.pid === EPERM || -r.pid === ENOSPC)) {
    return new Error(`the host does not let this user create namespaces (clone: ${name})`);
  }
  if (r.failed.startsWith("exec")) return new Error(`starting ${path}: ${name}`);
  return new Error(`starting the sandbox: ${r.failed}: ${name}`);
}

/**
 * Starts a process in new namespaces of every kind, with only the given capabilities and no new privileges from its first
 * instruction on (so every thread it ever has is born with them), in a session of its own, killed when this one dies. Its root is
 * still the host's: see removeRoot. Throws Error with one line.
 */
export function launch(args: LaunchArgs): Launched {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const common: host.SpawnOptions = {
    cloneFlags: CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS,
    setsid: true,
    calls: confinement(args.capabilities),
    noNewPrivs: true,
    pdeathsig: SIGKILL,
    cwd: "/",
    fds: args.fds.map((fd, i) => [fd, i] as const),
    path: args.path,
    argv: args.argv,
    env: args.env,
  };
  let r: host.SpawnResult | null = null;
  if (uid === 0) {
    r = host.spawn({ ...common, uidMap: identityMap("uid"), gidMap: identityMap("gid") });
    // Root without the capabilities for it maps what anybody may map: itself.
    if (r.pid < 0 && /_map$/.test(r.failed)) r = null;
  }
  r ??= host.spawn({
    ...common,
    uidMap: [{ inside: uid, outside: uid, count: 1 }],
    gidMap: [{ inside: gid, outside: gid, count: 1 }],
    denySetgroups: true,
  });
  if (r.pid < 0) throw failure(r, args.path);
  return { pid: r.pid, pidfd: r.pidfd };
}

/** Waits for a child that is ending and answers its wait status. */
export function reap(pid: number): number {
  const status = new host.HostWaitStatus();
  for (;;) {
    const r = host.wait4(pid, 0, status);
    if (r === pid) return status.status;
    if (r !== -EINTR) return 0;
  }
}

/**
 * Leaves a started sandbox process with an empty read-only root: a helper enters its namespaces, pivots all processes there
 * into a tmpfs without files and detaches the host's root. (The process itself has no capability for it, and never had.)
 */
export function removeRoot(pidfd: number): void {
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const r = host.spawn({
    calls: [
      { name: "setns", nr: nr.SYS_setns, args: [pidfd, CLONE_NEWUSER | CLONE_NEWNS] },
      { name: "tmpfs", nr: nr.SYS_mount, args: ["none", "/proc", "tmpfs", flags, "size=4k,nr_inodes=1,mode=555"] },
      { name: "chdir", nr: nr.SYS_chdir, args: ["/proc"] },
      { name: "pivot_root", nr: nr.SYS_pivot_root, args: [".", "."] },
      { name: "umount2", nr: nr.SYS_umount2, args: [".", MNT_DETACH] },
      { name: "read-only root", nr: nr.SYS_mount, args: [0, "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, 0] },
      { name: "exit", nr: nr.SYS_exit, args: [0] },
    ],
    path: "/",
    argv: [],
    env: [],
  });
  if (r.pid < 0) throw new Error(`removing the sandbox's root: ${r.failed}: ${linuxerr.nameOf(-r.pid)}`);
  host.close(r.pidfd);
  const status = reap(r.pid);
  if (status !== 0) throw new Error(`removing the sandbox's root: wait status ${status}`);
}

/** A pipe, both ends closed on exec: [read, write]. Throws Error. */
export function openPipe(): [number, number] {
  const fds: number[] = [];
  const r = host.pipe2(fds, O_CLOEXEC);
  const [a, b] = fds;
  if (r < 0 || a === undefined || b === undefined) throw new Error(`pipe2: ${linuxerr.nameOf(-r)}`);
  return [a, b];
}
