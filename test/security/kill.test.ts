/** Killing any process of a sandbox leaves no other behind, and no mount. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { allGone, children, start, statusField } from "./processes.ts";

const mounts = (): string => readFileSync("/proc/self/mountinfo", "latin1");
const script = "echo up; sleep 100 & sleep 100 & sleep 100";

test.each([0, 1, 2])("kill -9 of runsc (%d)", async () => {
  const before = mounts();
  const r = await start(script);
  const all = [r.parent, r.sentry, ...r.stubs];
  r.process.kill("SIGKILL");
  await r.process.exited;
  expect(await allGone(all)).toBe(true);
  expect(mounts()).toBe(before);
});

test.each([0, 1, 2])("kill -9 of the sandbox process (%d)", async () => {
  const before = mounts();
  const r = await start(script);
  const all = [r.parent, r.sentry, ...r.stubs];
  process.kill(r.sentry, "SIGKILL");
  expect(await r.process.exited).toBe(128);
  expect(await allGone(all)).toBe(true);
  expect(mounts()).toBe(before);
});

test("a sandbox process that was stopped goes on: the host restarts its waits by a call that is allowed", async () => {
  const r = await start("echo up; sleep 1; exit 7");
  process.kill(r.sentry, "SIGSTOP");
  while (!statusField(r.sentry, "State").startsWith("T")) await Bun.sleep(1);
  process.kill(r.sentry, "SIGCONT");
  expect(await r.process.exited).toBe(7);
});

test("kill -9 of every process of the guest, one sandbox each", async () => {
  const before = mounts();
  const count = (await (async () => {
    const r = await start(script);
    const n = r.stubs.length;
    r.process.kill("SIGKILL");
    await r.process.exited;
    return n;
  })()) as number;
  for (let i = 0; i < count; i++) {
    const r = await start("echo up; sleep 1 & sleep 1 & wait; exit 7");
    const victim = children(r.sentry)[i];
    const all = [r.parent, r.sentry, ...r.stubs];
    if (victim !== undefined) process.kill(victim, "SIGKILL");
    // The guest loses a process, or the sandbox ends with an error; it does not hang.
    const code = await Promise.race([r.process.exited, Bun.sleep(10_000).then(() => -1)]);
    expect(code).not.toBe(-1);
    expect(await allGone(all)).toBe(true);
  }
  expect(mounts()).toBe(before);
});

test("kill -9 at any moment of the start", async () => {
  const before = mounts();
  for (let ms = 0; ms < 60; ms += 4) {
    const p = Bun.spawn([(await import("./processes.ts")).runsc, "do", "/bin/sleep", "100"], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    });
    await Bun.sleep(ms);
    const all = [p.pid, ...children(p.pid), ...children(p.pid).flatMap(children)];
    p.kill("SIGKILL");
    await p.exited;
    expect(await allGone(all)).toBe(true);
  }
  expect(mounts()).toBe(before);
});
