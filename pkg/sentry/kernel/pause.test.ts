import { expect, test } from "bun:test";
import * as host from "../../hostsyscall/index.ts";
import {
  type CaptureFile,
  compileGuest,
  GuestJob,
  LOAD_COUNTERS,
  LOAD_GUEST,
  stopLoadGuest,
  TestSandbox,
} from "../testutil/index.ts";
import { isRunning } from "./pause.ts";

/** Waits without yielding. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** The words the guest counts in. */
function counters(s: TestSandbox): Uint32Array {
  const out = new Uint8Array(4096);
  const t = s.kernel.globalInit?.leader;
  if (t === undefined) throw new Error("no task");
  t.mm.copyIn(LOAD_COUNTERS, out, 0, out.length);
  return new Uint32Array(out.buffer);
}

/** How many pauses, and what was seen that should not be. */
function pauseUnderLoad(s: TestSandbox, program: Uint8Array, pauses: number, stdout: CaptureFile): string[] {
  const k = s.kernel;
  s.startGuest(program);
  const wrong: string[] = [];
  let n = 0;
  let seed = 12345;
  const random = (): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648;
  };
  const job = new GuestJob(k, 1_000_000, () => {
    if (!stdout.text.includes("started")) return true;
    k.pause();
    for (const t of k.tasks.all) if (isRunning(t)) wrong.push(`task ${t.tid} runs during pause ${n}`);
    if (s.platform.running !== 0) wrong.push(`${s.platform.running} contexts run during pause ${n}`);
    const queued = k.runQueue.count;
    const before = counters(s);
    spin(random() * 2);
    k.platform.poll(0);
    if (Buffer.compare(Buffer.from(before.buffer), Buffer.from(counters(s).buffer)) !== 0)
      wrong.push(`pause ${n}: the guest counts`);
    if (k.runQueue.count < queued) wrong.push(`pause ${n}: tasks were run`);
    if (n % 7 === 0) {
      // Pauses nest.
      k.pause();
      k.unpause();
      if (k.pauseCount !== 1) wrong.push("the pause count is wrong");
    }
    k.unpause();
    n++;
    if (n >= pauses) {
      stopLoadGuest(k);
      return false;
    }
    job.periodNs = Math.floor(random() * random() * 10_000_000);
    return true;
  }).start();
  const status = s.run();
  if (job.error !== null) throw job.error;
  if (status !== 0) wrong.push(`status ${status}`);
  if (n < pauses) wrong.push(`only ${n} pauses`);
  return wrong;
}

test("the world stops and goes on at any moment", () => {
  const program = compileGuest(LOAD_GUEST);
  for (const cpus of [1, 2]) {
    const s = new TestSandbox({ cpus });
    expect(pauseUnderLoad(s, program, 100, s.stdout)).toEqual([]);
    s.destroy();
    expect(s.stdout.text).toBe("started\nfailed 0\n");
    expect(s.log.warnings.filter((m) => !m.includes("is not implemented"))).toEqual([]);
  }
}, 60_000);

/** A process that computes, and one that waits for it. */
const STUBBORN = String.raw`
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
  pid_t p = fork();
  int st;
  if (p == 0) for (volatile long i = 0;; i++);
  usleep(100000);
  write(1, "started\n", 8);
  waitpid(p, &st, 0);
  dprintf(1, "child %x\n", st);
  return 0;
}
`;

test("a process that does not stop is killed, and only that", () => {
  const s = new TestSandbox();
  s.startGuest(compileGuest(STUBBORN));
  const k = s.kernel;
  let took = 0;
  const job = new GuestJob(k, 10_000_000, () => {
    if (!s.stdout.text.includes("started")) return true;
    // The host stops the stub: its threads cannot report.
    for (const ctx of s.platform.threads.values()) {
      if (ctx.isRunning()) host.kill(ctx.subprocess.pid, 19);
    }
    const begin = performance.now();
    k.pause();
    took = performance.now() - begin;
    for (const t of k.tasks.all) expect(isRunning(t)).toBe(false);
    k.unpause();
    return false;
  }).start();
  expect(s.run()).toBe(0);
  if (job.error !== null) throw job.error;
  s.destroy();
  expect(took).toBeGreaterThan(900);
  expect(took).toBeLessThan(2500);
  expect(s.stdout.text).toBe("started\nchild 9\n");
  expect(s.log.warnings.join("\n")).toContain("does not stop: killing its process");
}, 20_000);
