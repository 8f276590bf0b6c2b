/**
 * How many host calls the sentry makes for a process: what fork and exec cost is mostly that (docs/performance.md). A guest is started, its shell
 * forks and executes programs one after the other, and everything between two waits for guests is counted to what the guest had asked for.
 */
import { expect, test } from "bun:test";
import { SYS_clone, SYS_execve, SYS_fork, SYS_vfork } from "../../abi/linux/syscalls.ts";
import * as host from "../../hostsyscall/index.ts";
import type { SystrapNative } from "../platform/systrap/native.ts";
import { NR_EVENT } from "../platform/systrap/stub.ts";
import { TestSandbox } from "../testutil/index.ts";

const SIGSEGV = 11;
const SIGSYS = 31;
/** Set in the result of systrap_wait when it received a notification, by a call of its own. */
const RECEIVED = 0x10000;

/** What a guest asked for, and the host calls until the sentry waited again. */
interface Turn {
  /** Host thread that asked; signal it reported by, 0: a notified call. */
  readonly tid: number;
  readonly signal: number;
  /** Number of the system call. */
  sysno: number;
  calls: number;
}

/** Counts the host calls of a sandbox: the raw ones are counted natively, the platform's own here. */
class Counter {
  readonly turns: Turn[] = [];
  readonly sandbox: TestSandbox;
  own = 0;
  before = 0;

  constructor(sandbox: TestSandbox) {
    this.sandbox = sandbox;
    const native: SystrapNative = sandbox.platform.native;
    const counting: SystrapNative = {
      ...native,
      systrap_send: (...args) => {
        this.own++;
        return native.systrap_send(...args);
      },
      systrap_await: (...args) => {
        this.own += 2;
        return native.systrap_await(...args);
      },
      systrap_wait: (...args) => {
        this.endTurn();
        const r = native.systrap_wait(...args);
        this.own += r >= RECEIVED ? 2 : 1;
        if (r >= RECEIVED) this.beginTurn();
        return r;
      },
    };
    Object.defineProperty(sandbox.platform, "native", { value: counting });
  }

  endTurn(): void {
    const now = host.hostCalls();
    const turn = this.turns.at(-1);
    if (turn !== undefined) {
      turn.calls += now - this.before + this.own;
      if (turn.signal === SIGSYS) turn.sysno = this.sandbox.platform.threads.get(turn.tid)?.sysno ?? turn.sysno;
    }
    this.before = now;
    this.own = 0;
  }

  beginTurn(): void {
    const { notif } = this.sandbox.platform;
    const report = notif[4] === NR_EVENT;
    const signal = report ? (notif[8] ?? 0) : 0;
    this.turns.push({ tid: notif[2] ?? 0, signal, sysno: report ? -1 : (notif[4] ?? -1), calls: 0 });
  }
}

/** Runs a shell script; the turns of it. */
function count(script: string): Turn[] {
  // When lines are polled depends on what else runs on the host, and has host calls of its own.
  const s = new TestSandbox({ hostDirectory: "/", accelerate: false });
  const counter = new Counter(s);
  s.start(["/bin/sh", "-c", script]);
  expect(s.run()).toBe(0);
  s.destroy();
  return counter.turns;
}

/**
 * Calls that some system calls need, when stubs are pooled and paths are known: the least of the last turns, because what the host lets come at the
 * same time is counted together.
 */
function least(turns: readonly Turn[], ...numbers: readonly number[]): number {
  return Math.min(
    ...turns
      .filter((t) => numbers.includes(t.sysno))
      .slice(-6)
      .map((t) => t.calls),
  );
}

/** The turns from one of these system calls to the next, for the last of them. */
function roundsOf(turns: readonly Turn[], ...numbers: readonly number[]): Turn[][] {
  const at = turns.flatMap((t, i) => (numbers.includes(t.sysno) ? [i] : []));
  return at.slice(-9, -1).map((from, i, starts) => turns.slice(from, starts[i + 1] ?? at.at(-1)));
}

/** Page faults that came to the sentry. */
function faults(turns: readonly Turn[]): number {
  return turns.filter((t) => t.signal === SIGSEGV).length;
}

const ROUNDS = 12;

test("a fork is at most 14 host calls; fork, exit and wait 30, with no fault", () => {
  const turns = count(`i=0; while [ $i -lt ${ROUNDS} ]; do (exit 0); i=$((i+1)); done`);
  expect(least(turns, SYS_clone, SYS_fork)).toBeLessThanOrEqual(14);
  // From one fork to the next: all there is to a process that does nothing. In which order two processes are served is up to the host.
  const rounds = roundsOf(turns, SYS_clone, SYS_fork);
  expect(Math.min(...rounds.map(faults))).toBe(0);
  expect(Math.min(...rounds.map((r) => r.reduce((sum, t) => sum + t.calls, 0)))).toBeLessThanOrEqual(30);
});

test("an exec of a dynamic program is at most 40 host calls, its start 4 faults", () => {
  const turns = count(`i=0; while [ $i -lt ${ROUNDS} ]; do /bin/true; i=$((i+1)); done`);
  expect(least(turns, SYS_execve)).toBeLessThanOrEqual(40);
  expect(Math.min(...roundsOf(turns, SYS_execve).map(faults))).toBeLessThanOrEqual(4);
  expect(least(turns, SYS_clone, SYS_fork, SYS_vfork)).toBeLessThanOrEqual(8);
});

test("an exec by a process of its own, with one thread, goes on in the stub that is there: at most 28 host calls", () => {
  const turns = count(`i=0; while [ $i -lt ${ROUNDS} ]; do (exec /bin/true); i=$((i+1)); done`);
  expect(least(turns, SYS_execve)).toBeLessThanOrEqual(28);
});
