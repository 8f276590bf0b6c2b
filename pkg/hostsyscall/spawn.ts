/**
 * Starting a process from a program with threads: the child shares our memory until it execs (native/spawn.c), runs a list of
 * system calls and nothing else. Its handlers are reset, its signal mask is empty when the new program starts.
 */
import { ptr } from "bun:ffi";
import { native } from "../../native/host.ts";
import { EINVAL } from "../abi/linux/errno.ts";
import { CLOSE_RANGE_CLOEXEC } from "../abi/linux/fcntl.ts";
import { AT_EMPTY_PATH, F_DUPFD_CLOEXEC } from "../abi/linux/file.ts";
import { TIOCSCTTY } from "../abi/linux/ioctl.ts";
import { PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG } from "../abi/linux/prctl.ts";
import { SIG_SETMASK } from "../abi/linux/signal.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { close, fcntl, writeFile } from "./file.ts";
import { mmap, munmap } from "./memory.ts";
import { HostWaitStatus, kill, prctl, wait4 } from "./process.ts";
import { cString, type PathArg, path1, put64, sys6 } from "./raw.ts";

/** One system call of the child. Strings and arrays are passed as addresses; strings get a NUL. */
export interface SpawnCall {
  /** Shown in SpawnResult.failed. */
  readonly name: string;
  readonly nr: number;
  readonly args: readonly (number | PathArg)[];
  /** A failure does not end the child. */
  readonly ignoreError?: boolean;
}

/** One line of /proc/PID/uid_map or gid_map. */
export interface SpawnIDMap {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** What to start, and how. Steps happen in the order of the fields, `cloneFlags` first and exec last. */
export interface SpawnOptions {
  /** CLONE_NEW* for the child. */
  readonly cloneFlags?: number;
  /** Maps of a new user namespace, written by this process while the child waits. */
  readonly uidMap?: readonly SpawnIDMap[];
  readonly gidMap?: readonly SpawnIDMap[];
  /** Writes "deny" to /proc/PID/setgroups before the maps: needed without CAP_SETGID outside. */
  readonly denySetgroups?: boolean;
  /** Runs here while the child waits (cgroup, map helpers); a negative result gives up. */
  readonly beforeGo?: (pid: number) => number;
  readonly setsid?: boolean;
  /** Arbitrary calls, with the privileges of the new namespaces. */
  readonly calls?: readonly SpawnCall[];
  /** The calling ids inside the user namespace. */
  readonly groups?: readonly number[];
  readonly gid?: number;
  readonly uid?: number;
  /** Calls after the ids have changed (capabilities, for instance). */
  readonly lateCalls?: readonly SpawnCall[];
  readonly noNewPrivs?: boolean;
  /** Signal for the child when the THREAD that called spawn ends. */
  readonly pdeathsig?: number;
  readonly cwd?: PathArg;
  /** [ours, child's] descriptors. The child has these, and our 0, 1, 2 where it has no others; everything else closes at exec. */
  readonly fds?: readonly (readonly [number, number])[];
  /** Makes this descriptor of the child its controlling terminal (with setsid). */
  readonly controllingTTY?: number;
  /** The program: a path in the child's root, or a descriptor of ours. */
  readonly path?: PathArg;
  readonly execFD?: number;
  readonly argv: readonly PathArg[];
  /** NAME=value strings, all of the environment. */
  readonly env: readonly PathArg[];
}

/** The outcome of spawn. */
export interface SpawnResult {
  /** Pid in our namespace, or a negative errno: then the child is gone and reaped. */
  readonly pid: number;
  /** Close-on-exec pidfd of the child; -1 on failure. */
  readonly pidfd: number;
  /** The step that failed: a SpawnCall's name, or one of ours ("clone", "uid_map", "execve" ...); "" on success. */
  readonly failed: string;
}

const SPAWN_WAIT_GO = -1;
const SPAWN_IGNORE = 1;
const CALL_WORDS = 14;
const STACK_SIZE = 65536;
const __WALL = 0x40000000;

/** Collects the calls of a child and keeps the memory they point at alive. */
class CallList {
  readonly calls: SpawnCall[] = [];
  readonly memory: Uint8Array[] = [];

  add(name: string, number: number, args: readonly (number | PathArg)[], ignoreError = false): void {
    this.calls.push({ name, nr: number, args, ignoreError });
  }

  address(v: PathArg): number {
    const m = typeof v === "string" ? cString(v) : v;
    this.memory.push(m);
    return m.length === 0 ? 0 : ptr(m);
  }

  /** A NULL-terminated array of strings. */
  vector(strings: readonly PathArg[]): Uint8Array {
    const words = new Uint32Array(new ArrayBuffer((strings.length + 1) * 8));
    for (const [i, s] of strings.entries()) {
      put64(words, 2 * i, this.address(cString(s)));
    }
    return new Uint8Array(words.buffer);
  }

  encode(): Uint32Array<ArrayBuffer> {
    const words = new Uint32Array(new ArrayBuffer(this.calls.length * CALL_WORDS * 4));
    for (const [i, c] of this.calls.entries()) {
      const p = i * CALL_WORDS;
      words[p] = c.nr;
      words[p + 1] = c.ignoreError === true ? SPAWN_IGNORE : 0;
      for (const [k, a] of c.args.entries()) {
        put64(words, p + 2 + 2 * k, typeof a === "number" ? a : this.address(a));
      }
    }
    return words;
  }
}

/**
 * execveat(2) of a descriptor: this process becomes another program, or the result is a negative errno. Threads end, handlers are
 * forgotten; what the calling thread blocks stays blocked.
 */
export function execFD(fd: number, argv: readonly PathArg[], env: readonly PathArg[]): number {
  const strings = new CallList();
  return sys6(nr.SYS_execveat, fd, path1(""), strings.vector(argv), strings.vector(env), AT_EMPTY_PATH, 0);
}

function mapText(maps: readonly SpawnIDMap[]): string {
  return maps.map((m) => `${m.inside} ${m.outside} ${m.count}\n`).join("");
}

function build(list: CallList, o: SpawnOptions, fds: readonly (readonly [number, number])[]): void {
  if (o.pdeathsig !== undefined) {
    // Already while it waits, and again below: a change of ids takes it back.
    list.add("pdeathsig", nr.SYS_prctl, [PR_SET_PDEATHSIG, o.pdeathsig, 0, 0, 0]);
  }
  if (o.uidMap !== undefined || o.gidMap !== undefined || o.beforeGo !== undefined) {
    list.add("wait", SPAWN_WAIT_GO, []);
  }
  if (o.setsid === true) {
    list.add("setsid", nr.SYS_setsid, []);
  }
  list.calls.push(...(o.calls ?? []));
  if (o.groups !== undefined) {
    const g = new Uint8Array(Uint32Array.from(o.groups).buffer);
    list.add("setgroups", nr.SYS_setgroups, [o.groups.length, g]);
  }
  if (o.gid !== undefined) {
    list.add("setresgid", nr.SYS_setresgid, [o.gid, o.gid, o.gid]);
  }
  if (o.uid !== undefined) {
    list.add("setresuid", nr.SYS_setresuid, [o.uid, o.uid, o.uid]);
  }
  list.calls.push(...(o.lateCalls ?? []));
  if (o.noNewPrivs === true) {
    list.add("no_new_privs", nr.SYS_prctl, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
  }
  if (o.pdeathsig !== undefined) {
    list.add("pdeathsig", nr.SYS_prctl, [PR_SET_PDEATHSIG, o.pdeathsig, 0, 0, 0]);
  }
  if (o.cwd !== undefined) {
    list.add("chdir", nr.SYS_chdir, [o.cwd]);
  }
  for (const [from, to] of fds) {
    list.add("dup3", nr.SYS_dup3, [from, to, 0]);
  }
  // Everything that was not asked for closes at exec. Kernels before 5.11 cannot do this: all our descriptors are close-on-exec anyway.
  let next = 3;
  for (const to of fds.map((f) => f[1]).sort((a, b) => a - b)) {
    if (to > next) {
      list.add("close_range", nr.SYS_close_range, [next, to - 1, CLOSE_RANGE_CLOEXEC], true);
    }
    next = Math.max(next, to + 1);
  }
  list.add("close_range", nr.SYS_close_range, [next, 0xffffffff, CLOSE_RANGE_CLOEXEC], true);
  if (o.controllingTTY !== undefined) {
    list.add("TIOCSCTTY", nr.SYS_ioctl, [o.controllingTTY, TIOCSCTTY, 0]);
  }
  list.add("sigprocmask", nr.SYS_rt_sigprocmask, [SIG_SETMASK, new Uint8Array(8), 0, 8]);
}

/** What this process does while the child waits: "" or the name of the failing step with its errno. */
function beforeGo(o: SpawnOptions, pid: number): { failed: string; error: number } {
  const steps: [string, () => number][] = [];
  if (o.denySetgroups === true) {
    steps.push(["setgroups", () => writeFile(`/proc/${pid}/setgroups`, "deny")]);
  }
  const { uidMap, gidMap, beforeGo: hook } = o;
  if (gidMap !== undefined) {
    steps.push(["gid_map", () => writeFile(`/proc/${pid}/gid_map`, mapText(gidMap))]);
  }
  if (uidMap !== undefined) {
    steps.push(["uid_map", () => writeFile(`/proc/${pid}/uid_map`, mapText(uidMap))]);
  }
  if (hook !== undefined) {
    steps.push(["beforeGo", () => hook(pid)]);
  }
  for (const [failed, step] of steps) {
    const error = step();
    if (error < 0) {
      return { failed, error };
    }
  }
  return { failed: "", error: 0 };
}

/** Starts a process; returns when its program has been loaded, or with the step that failed. */
export function spawn(o: SpawnOptions): SpawnResult {
  const fail = (failed: string, error: number): SpawnResult => ({ pid: error, pidfd: -1, failed });
  const stack = mmap(0, STACK_SIZE, 3, 0x22, -1, 0);
  if (stack < 0) {
    return fail("mmap", stack);
  }
  // Sources move out of the way of targets first, so that the order of dup3 does not matter.
  const wanted = o.fds ?? [];
  const above = wanted.reduce((m, [a, b]) => Math.max(m, a, b), 2) + 1;
  const moved: (readonly [number, number])[] = [];
  const list = new CallList();
  const before = prctl(PR_GET_DUMPABLE);
  try {
    for (const [from, to] of wanted) {
      const d = fcntl(from, F_DUPFD_CLOEXEC, above);
      if (d < 0) {
        return fail(`dup of descriptor ${from}`, d);
      }
      moved.push([d, to]);
    }
    build(list, o, moved);
    const argv = list.vector(o.argv);
    const env = list.vector(o.env);
    if (o.execFD !== undefined) {
      list.add("execveat", nr.SYS_execveat, [o.execFD, "", argv, env, AT_EMPTY_PATH]);
    } else if (o.path !== undefined) {
      list.add("execve", nr.SYS_execve, [o.path, argv, env]);
    } else {
      return fail("execve", -EINVAL);
    }
    const calls = list.encode();
    const s = new Uint32Array(new ArrayBuffer(64));
    put64(s, 0, o.cloneFlags ?? 0);
    put64(s, 2, ptr(calls));
    put64(s, 4, list.calls.length);
    put64(s, 6, stack);
    put64(s, 8, STACK_SIZE);
    const pid = native.spawn_start(s);
    if (pid < 0) {
      return fail("clone", pid);
    }
    const pidfd = (s[10] ?? 0) | 0;
    const hook = beforeGo(o, pid);
    if (hook.failed === "") {
      native.spawn_go(s);
    } else {
      kill(pid, 9);
    }
    const error = native.spawn_wait(s);
    if (hook.failed !== "" || error < 0) {
      close(pidfd);
      while (wait4(pid, __WALL, new HostWaitStatus()) === -4) {}
      return hook.failed !== ""
        ? fail(hook.failed, hook.error)
        : fail(list.calls[(s[13] ?? 0) - 1]?.name ?? "?", error);
    }
    return { pid, pidfd, failed: "" };
  } finally {
    for (const [d] of moved) {
      close(d);
    }
    munmap(stack, STACK_SIZE);
    // A child that changed its ids made the memory it shared with us undumpable, and our /proc/self root's.
    if (before === 1 && prctl(PR_GET_DUMPABLE) !== 1) {
      prctl(PR_SET_DUMPABLE, 1);
    }
  }
}
