/** A sandbox with nothing to do uses no processor: what is asserted is the time its processes used, not how fast anything was. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { allGone, children, runsc, threads } from "../security/processes.ts";

const SECONDS = 10;
/** A hundredth of a core. */
const ALLOWED_NS = SECONDS * 1e7;
/** The host counts time in which a virtual machine stood still as the running thread's: of so many looks one has to be good, as none is of a sandbox that is not idle. */
const LOOKS = 3;

const work = mkdtempSync(join(tmpdir(), "runsc-idle-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Nanoseconds that the threads of a process ran on a processor. */
function cpuTime(pid: number): number {
  let ns = 0;
  for (const t of threads(pid)) ns += Number(readFileSync(`/proc/${t}/schedstat`, "latin1").split(" ")[0]);
  return ns;
}

test("100 sleeping processes and a timer of one second use less than 1% of a core", async () => {
  const program = join(work, "idle");
  const cc = Bun.spawnSync(["cc", "-O1", "-static", "-o", program, join(import.meta.dir, "idle.c")]);
  expect(cc.stderr.toString()).toBe("");
  const p = Bun.spawn([runsc, "do", program], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  const reader = p.stdout.getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("up\n");
  const sentry = children(p.pid)[0] ?? 0;
  const stubs = children(sentry);
  expect(stubs.length).toBeGreaterThan(100);
  // What comes after a burst of work, as collecting garbage, is over then.
  await Bun.sleep(2000);
  const all = [p.pid, sentry, ...stubs];
  let total = Number.POSITIVE_INFINITY;
  for (let look = 0; look < LOOKS && total >= ALLOWED_NS; look++) {
    const before = all.map(cpuTime);
    await Bun.sleep(SECONDS * 1000);
    const used = all.map((pid, i) => cpuTime(pid) - (before[i] ?? 0));
    total = used.reduce((a, b) => a + b, 0);
    console.log(
      `idle: ${(total / SECONDS / 1e7).toFixed(2)}% of a core, the sentry ${((used[1] ?? 0) / SECONDS / 1e7).toFixed(2)}%`,
    );
  }
  p.kill("SIGKILL");
  expect(total).toBeLessThan(ALLOWED_NS);
  expect(await allGone(all)).toBe(true);
}, 60_000);
