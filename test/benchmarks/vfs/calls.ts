/**
 * What system calls on files cost in the sentry, with copies of arguments and dispatch but without the trap:
 * `bun test/benchmarks/vfs/calls.ts [--young] [--only=REGEX]`.
 *
 * A guest sleeps; calls are made in its name, in memory of its own. The root is as `runsc do` puts it together. With --young each line is the
 * mean of the first calls of that kind, made in turns as a short program would make them: code that is not compiled yet.
 */
import { parseArgs } from "node:util";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_RDONLY } from "../../../pkg/abi/linux/file.ts";
import * as nr from "../../../pkg/abi/linux/syscalls.ts";
import type { GoferOptions } from "../../../pkg/sentry/fsimpl/gofer/index.ts";
import type { Task } from "../../../pkg/sentry/kernel/task.ts";
import { invoke } from "../../../pkg/sentry/kernel/task_syscall.ts";
import { GuestJob, TestSandbox } from "../../../pkg/sentry/testutil/index.ts";

const { values: options } = parseArgs({
  options: { young: { type: "boolean", default: false }, only: { type: "string", default: "" } },
});
const only = new RegExp(options.only);
/** Milliseconds that answers of the host are trusted for in `runsc do`. */
const TRUST = 1000;
const AREA = 262144;
/** Calls of each kind that a young sandbox makes. */
const YOUNG = 2000;

class TimedSandbox extends TestSandbox {
  override goferOptions(dir: string): GoferOptions {
    const o = super.goferOptions(dir);
    o.trustFor = TRUST;
    return o;
  }
}

/** Makes calls in the name of a task. */
class Caller {
  readonly task: Task;
  readonly area: number;

  constructor(task: Task) {
    this.task = task;
    this.area = this.call(nr.SYS_mmap, 0, AREA, 3, 0x22, -1, 0);
    task.mm.zeroOut(this.area, AREA);
  }

  call(sysno: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
    const w = this.task.args.words;
    w[0] = a;
    w[1] = Math.floor(a / 4294967296);
    w[2] = b;
    w[3] = Math.floor(b / 4294967296);
    w[4] = c;
    w[5] = Math.floor(c / 4294967296);
    w[6] = d;
    w[7] = Math.floor(d / 4294967296);
    w[8] = e;
    w[9] = Math.floor(e / 4294967296);
    w[10] = f;
    w[11] = Math.floor(f / 4294967296);
    const r = invoke(this.task, sysno);
    if (typeof r !== "number") throw new Error(`call ${sysno} blocks`);
    return r;
  }

  /** Puts a string into the guest's memory: its address. */
  text(slot: number, s: string): number {
    const at = this.area + 4096 * slot;
    this.task.mm.copyOut(at, Buffer.from(`${s}\0`, "latin1"), 0, s.length + 1);
    return at;
  }
}

interface Line {
  readonly name: string;
  readonly run: () => number;
  /** What the call must return; null: anything but an error. */
  readonly result: number | null;
}

function lines(c: Caller): Line[] {
  const buf = c.area + 4096 * 60;
  const dir = c.text(0, "/usr/lib");
  const gone = c.text(1, "/usr/lib/gcc/x86_64-linux-gnu/crt1.o");
  const file = c.text(2, "/usr/bin/env");
  const empty = c.text(3, "");
  const link = c.text(4, "/lib");
  const long = c.text(5, "/usr/lib/gcc/x86_64-linux-gnu/../../x86_64-linux-gnu/libc.so.6");
  const fd = c.call(nr.SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
  const none: Line[] = [];
  if (fd < 0) return none;
  return [
    { name: "getpid", run: () => c.call(nr.SYS_getpid), result: null },
    { name: "lseek", run: () => c.call(nr.SYS_lseek, fd, 0, 0), result: 0 },
    { name: "readlink of a directory", run: () => c.call(nr.SYS_readlink, dir, buf, 1023), result: -22 },
    { name: "readlink of a missing name", run: () => c.call(nr.SYS_readlink, gone, buf, 1023), result: -2 },
    { name: "readlink", run: () => c.call(nr.SYS_readlink, link, buf, 1023), result: null },
    { name: "openat of a missing name", run: () => c.call(nr.SYS_openat, AT_FDCWD, gone, O_RDONLY), result: -2 },
    {
      name: "openat+close",
      run: () => c.call(nr.SYS_close, c.call(nr.SYS_openat, AT_FDCWD, file, O_RDONLY)),
      result: 0,
    },
    { name: "stat", run: () => c.call(nr.SYS_newfstatat, AT_FDCWD, file, buf, 0), result: 0 },
    { name: "stat of a missing name", run: () => c.call(nr.SYS_newfstatat, AT_FDCWD, gone, buf, 0), result: -2 },
    {
      name: "lstat, 7 components with ..",
      run: () => c.call(nr.SYS_newfstatat, AT_FDCWD, long, buf, AT_SYMLINK_NOFOLLOW),
      result: 0,
    },
    { name: "access", run: () => c.call(nr.SYS_access, file, 4), result: 0 },
    { name: "fstat", run: () => c.call(nr.SYS_fstat, fd, buf), result: 0 },
    { name: "fstat as newfstatat", run: () => c.call(nr.SYS_newfstatat, fd, empty, buf, 0x1000), result: 0 },
    { name: "pread of a byte", run: () => c.call(nr.SYS_pread64, fd, buf, 1, 5), result: 1 },
    {
      name: "lseek+read of a byte",
      run: () => {
        c.call(nr.SYS_lseek, fd, 0, 0);
        return c.call(nr.SYS_read, fd, buf, 1);
      },
      result: 1,
    },
    { name: "rt_sigaction", run: () => c.call(nr.SYS_rt_sigaction, 10, 0, buf, 8), result: 0 },
    { name: "brk", run: () => c.call(nr.SYS_brk, 0), result: null },
  ].filter((l) => only.test(l.name));
}

function check(l: Line, r: number): void {
  if (l.result === null ? r < 0 : r !== l.result) throw new Error(`${l.name}: ${r}`);
}

/** Nanoseconds of a call, the least of seven rounds of about 40 ms. */
function measure(l: Line): number {
  let n = 64;
  let best = Number.POSITIVE_INFINITY;
  for (let rounds = 0; rounds < 7; ) {
    const from = Bun.nanoseconds();
    for (let i = 0; i < n; i++) check(l, l.run());
    const took = Bun.nanoseconds() - from;
    if (took < 30e6) n *= 2;
    else {
      rounds++;
      best = Math.min(best, took / n);
    }
  }
  return best;
}

function young(all: Line[]): number[] {
  const sums = all.map(() => 0);
  for (let i = 0; i < YOUNG; i++) {
    for (let k = 0; k < all.length; k++) {
      const l = all[k];
      if (l === undefined) continue;
      const from = Bun.nanoseconds();
      const r = l.run();
      sums[k] = (sums[k] ?? 0) + Bun.nanoseconds() - from;
      check(l, r);
    }
  }
  return sums.map((s) => s / YOUNG);
}

const sandbox = new TimedSandbox({ hostDirectory: "/" });
const tg = sandbox.start(["/bin/sleep", "1000"]);
const job = new GuestJob(sandbox.kernel, 300e6, () => {
  const { leader } = tg;
  if (leader === null) throw new Error("no task");
  sandbox.kernel.current = leader;
  const all = lines(new Caller(leader));
  const figures = options.young ? young(all) : all.map(measure);
  all.forEach((l, i) => {
    console.log(`${l.name.padEnd(36)}${(figures[i] ?? 0).toFixed(0).padStart(8)} ns`);
  });
  process.exit(0);
}).start();
const status = sandbox.run();
if (job.error !== null) throw job.error;
throw new Error(`the guest ended: ${status} ${sandbox.stdout.text}`);
