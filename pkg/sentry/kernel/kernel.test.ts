import { describe, expect, test } from "bun:test";
import * as errno from "../../abi/linux/errno.ts";
import * as linux from "../../abi/linux/signal.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { findViolations } from "../../state/walk.ts";
import { Entry, EventIn, Queue } from "../../waiter/index.ts";
import { SignalInfo } from "../arch/signal_info.ts";
import { newMMapOpts } from "../memmap/index.ts";
import { EventInterrupted, REG_RAX, REG_RIP, REG_RSP } from "../platform/platform.ts";
import type { SyscallEntry } from "./kernel.ts";
import { runTasks } from "./kernel_run.ts";
import { type SyscallArguments, type SyscallGenerator, WAKE_EVENT, WAKE_TIMEOUT } from "./syscalls.ts";
import { type Task, TaskExitDead, TaskExitZombie } from "./task.ts";
import { tryWait, WaitResult } from "./task_wait.ts";
import { TestKernel } from "./testutil/index.ts";

const queue = new Queue();
const NR_ADD = 0;
const NR_THROW = 1;
const NR_WAIT = 2;
const NR_BUG = 3;
const NR_YIELD = 4;
const NR_TIMED = 5;
const NR_RESTARTBLOCK = 6;

function* wait(t: Task, args: SyscallArguments): SyscallGenerator {
  const e = new Entry(t, EventIn);
  queue.eventRegister(e);
  try {
    for (;;) {
      const why = yield t.block(Number.POSITIVE_INFINITY);
      if (why === WAKE_EVENT) return args.i32(0);
      return -errno.ERESTARTSYS;
    }
  } finally {
    queue.eventUnregister(e);
  }
}

function* timed(t: Task): SyscallGenerator {
  return (yield t.block(t.kernel.monotonicNow() + 1000)) === WAKE_TIMEOUT ? 7 : -errno.EINTR;
}

function* yielding(t: Task): SyscallGenerator {
  for (let i = 0; i < 3; i++) yield t.reschedule();
  return 3;
}

const table: SyscallEntry[] = [
  { name: "add", fn: (_t, a) => a.i32(0) + a.i32(1) },
  {
    name: "throw",
    fn: () => {
      throw linuxerr.EXDEV;
    },
  },
  { name: "wait", fn: wait },
  {
    name: "bug",
    fn: () => {
      throw new TypeError("oops");
    },
  },
  { name: "yield", fn: yielding },
  { name: "timed", fn: timed },
  { name: "restartblock", fn: () => -errno.ERESTART_RESTARTBLOCK },
];

describe("system calls", () => {
  test("results, errors and missing calls are answered at once", () => {
    const { kernel, log, newTask } = make();
    const { ctx } = newTask();
    ctx.syscall(NR_ADD, 2, 3);
    ctx.syscall(NR_THROW);
    ctx.syscall(999);
    ctx.syscall(999);
    ctx.syscall(-1);
    expect(ctx.results).toEqual([5, -errno.EXDEV, -errno.ENOSYS, -errno.ENOSYS, -errno.ENOSYS]);
    expect(ctx.thenInterrupt).toBe(false);
    expect(log.lines.length).toBe(1);
    expect(kernel.runQueue.count).toBe(0);
  });

  test("a blocked call goes on after its event", () => {
    const { kernel, newTask } = make();
    const { t, ctx } = newTask();
    ctx.syscall(NR_WAIT, 42);
    expect(t.blocked).toBe(true);
    expect(t.stateLetter()).toBe("S");
    queue.notify(EventIn);
    queue.notify(EventIn);
    runTasks(kernel);
    expect(ctx.results).toEqual([42]);
    expect(queue.isEmpty()).toBe(true);
  });

  test("a deadline ends a wait; rescheduling takes turns", () => {
    const { kernel, newTask } = make();
    const { ctx } = newTask();
    ctx.syscall(NR_TIMED);
    expect(kernel.timers.runDue(kernel.monotonicNow() + 2000, 10)).toBe(1);
    runTasks(kernel);
    ctx.syscall(NR_YIELD);
    for (let i = 0; i < 3; i++) {
      expect(ctx.results).toEqual([7]);
      runTasks(kernel);
    }
    expect(ctx.results).toEqual([7, 3]);
    expect(kernel.timers.heap.length).toBe(0);
  });

  test("anything else that is thrown is a panic that says what was going on", () => {
    const { kernel, newTask } = make();
    const { ctx } = newTask();
    ctx.syscall(NR_BUG, 0xabc);
    expect(kernel.panicked?.message).toContain("bug(0xabc");
    expect(kernel.panicked?.message).toContain("TypeError: oops");
    expect(() => kernel.run()).toThrow("oops");
  });
});

describe("signals", () => {
  test("a handler interrupts a wait; SA_RESTART makes the call again", () => {
    for (const restart of [false, true]) {
      const { kernel, newTask } = make();
      newTask();
      const { t, ctx } = newTask();
      mapStack(t);
      setHandler(t, linux.SIGUSR1, 0x1234, restart ? linux.SA_RESTART : 0);
      ctx.syscall(NR_WAIT, 1);
      t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGUSR1));
      runTasks(kernel);
      expect(ctx.results).toEqual([-errno.EINTR]);
      expect(ctx.thenInterrupt).toBe(true);
      ctx.regs.set(REG_RIP, 0x5002);
      ctx.regs.set(REG_RSP, 0x7fff0000);
      ctx.raise(EventInterrupted);
      runTasks(kernel);
      expect(ctx.regs.get(REG_RIP)).toBe(0x1234);
      const frame = ctx.regs.get(REG_RSP);
      expect((frame + 8) % 16).toBe(0);
      // sigcontext: rip and rax of what was interrupted.
      expect(t.copyInU64num(frame + 48 + 128)).toBe(restart ? 0x5000 : 0x5002);
      expect(t.copyInI64(frame + 48 + 104)).toBe(restart ? NR_WAIT : -errno.EINTR);
      expect(t.maskLo).toBe(1 << (linux.SIGUSR1 - 1));
      expect(ctx.stopped).toBe(false);
    }
  });

  test("without a handler the call is made again, or goes through restart_syscall", () => {
    for (const [nr, rax] of [
      [NR_WAIT, NR_WAIT],
      [NR_RESTARTBLOCK, 219],
    ]) {
      const { kernel, newTask } = make();
      newTask();
      const { t, ctx } = newTask();
      ctx.syscall(nr ?? 0);
      t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGTSTP));
      runTasks(kernel);
      ctx.regs.set(REG_RIP, 0x5002);
      ctx.raise(EventInterrupted);
      runTasks(kernel);
      // Its process group is orphaned in this set-up, so that the signal does nothing.
      expect(ctx.regs.get(REG_RIP)).toBe(0x5000);
      expect(ctx.regs.get(REG_RAX)).toBe(rax ?? -1);
    }
  });

  test("a fatal signal ends the process and leaves a zombie", () => {
    const { kernel, newTask } = make();
    const init = newTask();
    const { t, ctx } = newTask();
    ctx.syscall(NR_WAIT, 1);
    t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGTERM));
    runTasks(kernel);
    expect(ctx.results).toEqual([]);
    expect(ctx.released).toBe(true);
    expect(t.exitState).toBe(TaskExitZombie);
    const o = { threadGroup: null, thread: null, processGroup: null, nothing: false, flags: 4 };
    const r = tryWait(init.t, o);
    expect(r).toBeInstanceOf(WaitResult);
    if (r instanceof WaitResult) expect([r.pid, r.status, r.code]).toEqual([t.tid, linux.SIGTERM, linux.CLD_KILLED]);
    expect(t.exitState).toBe(TaskExitDead);
    expect(tryWait(init.t, o)).toBe(-errno.ECHILD);
    expect(kernel.tasks.all.size).toBe(1);
  });

  test("init ignores what it does not handle, and its end is the end", () => {
    const { kernel, newTask } = make();
    const { t, ctx } = newTask();
    const other = newTask();
    ctx.syscall(NR_WAIT, 1);
    t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGTERM));
    t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGKILL));
    runTasks(kernel);
    expect(t.exitState).toBe(0);
    t.threadGroup.sendExternalSignal(SignalInfo.kernel(linux.SIGKILL));
    runTasks(kernel);
    // The other process is in the guest: told to stop, and then gone.
    expect(other.ctx.interrupts).toBe(1);
    other.ctx.raise(EventInterrupted);
    expect(kernel.run()).toBe(linux.SIGKILL);
    expect(kernel.tasks.all.size).toBe(0);
  });

  test("a group stop waits for every thread and ends with SIGCONT", () => {
    const { kernel, newTask } = make();
    newTask();
    const { t, ctx } = newTask();
    t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGSTOP));
    expect(ctx.interrupts).toBe(1);
    ctx.raise(EventInterrupted);
    runTasks(kernel);
    expect([t.threadGroup.stopped, t.stateLetter(), ctx.stopped]).toEqual([true, "T", true]);
    kernel.schedule(t);
    runTasks(kernel);
    expect(ctx.stopped).toBe(true);
    t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGCONT));
    runTasks(kernel);
    expect([t.threadGroup.stopped, t.threadGroup.continueWaitable, ctx.stopped]).toEqual([false, true, false]);
  });

  test("a fault that memory cannot resolve is SIGSEGV", () => {
    const { kernel, newTask } = make();
    newTask();
    const { t, ctx } = newTask();
    mapStack(t);
    setHandler(t, linux.SIGSEGV, 0x1234, linux.SA_SIGINFO);
    ctx.regs.set(REG_RSP, 0x7fff0000);
    ctx.fault(linux.SIGSEGV, 0x123456, 6);
    runTasks(kernel);
    const frame = ctx.regs.get(REG_RSP);
    // siginfo: signo, code, address; sigcontext: err, trapno, cr2.
    expect(t.copyInU32(frame + 312)).toBe(linux.SIGSEGV);
    expect(t.copyInU32(frame + 320)).toBe(linux.SEGV_MAPERR);
    expect(t.copyInU64num(frame + 328)).toBe(0x123456);
    expect([t.copyInU32(frame + 200), t.copyInU32(frame + 208), t.copyInU32(frame + 224)]).toEqual([6, 14, 0x123456]);
    // A second one while the signal is blocked kills.
    ctx.fault(linux.SIGSEGV, 0x123456, 6);
    runTasks(kernel);
    expect([t.exitState, t.threadGroup.exitStatus]).toEqual([TaskExitZombie, linux.SIGSEGV]);
  });
});

test("a paused kernel runs nothing until it goes on", () => {
  const { kernel, newTask } = make();
  const { ctx } = newTask();
  ctx.stopped = true;
  kernel.pause();
  ctx.stopped = false;
  ctx.syscall(NR_ADD, 1, 1);
  runTasks(kernel);
  expect(ctx.results).toEqual([]);
  kernel.unpause();
  runTasks(kernel);
  expect(ctx.results).toEqual([2]);
});

test("garbage is collected in a quiet sleep: not when the platform came back early, later when guests compute", () => {
  const { kernel, newTask } = make();
  const { ctx } = newTask();
  let now = 0;
  kernel.monotonicNow = () => now;
  // Runs a turn that sleeps; each sleep lasts a share of what it may. Returns how long they might have been, in ms.
  const turn = (share: number, events: readonly number[]): number[] => {
    const sleeps: number[] = [];
    kernel.eventsSinceGC = 20_000;
    kernel.platform.poll = (ns: number): number => {
      now += ns * share;
      kernel.leaveLoop = true;
      return events[sleeps.push(ns / 1e6) - 1] ?? 0;
    };
    kernel.run();
    return sleeps;
  };
  ctx.stopped = true;
  expect([turn(0.5, []), kernel.eventsSinceGC]).toEqual([[200], 20_000]);
  expect([turn(1, [1]), kernel.eventsSinceGC]).toEqual([[200], 20_001]);
  expect([turn(1, []), kernel.eventsSinceGC]).toEqual([[200], 0]);
  ctx.stopped = false;
  expect([turn(1, [0, 1]), kernel.eventsSinceGC]).toEqual([[200, 4800], 20_001]);
  expect([turn(1, []), kernel.eventsSinceGC]).toEqual([[200, 4800], 0]);
});

test("everything reachable from a kernel can be saved", () => {
  const { kernel, newTask } = make();
  newTask();
  const { t, ctx } = newTask();
  t.threadGroup.sendSignal(SignalInfo.kernel(linux.SIGCHLD));
  setHandler(t, linux.SIGUSR1, 1, 0);
  ctx.syscall(NR_WAIT, 1);
  // What filesystems are made of is their own business.
  const own = findViolations(kernel).filter((v) => !/^vfs\.|\.mount\.fs/.test(v.path));
  expect(own.map((v) => `${v.path}: ${v.problem}`)).toEqual([]);
  queue.notify(EventIn);
});

function make(): TestKernel {
  const k = new TestKernel(table);
  k.newTask = k.newTask.bind(k);
  return k;
}

/** Memory below 0x7fff1000. */
function mapStack(t: Task): void {
  const o = newMMapOpts();
  o.addr = 0x7ffe0000;
  o.length = 0x11000;
  o.fixed = true;
  o.perms = 3;
  t.mm.mmap(o);
}

function setHandler(t: Task, sig: number, handler: number, flags: number): void {
  const a = t.threadGroup.signalHandlers.get(sig);
  a.handler = handler;
  a.words[2] = flags | linux.SA_RESTORER;
  a.words[4] = 0x777;
}
