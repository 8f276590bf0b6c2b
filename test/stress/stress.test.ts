/**
 * Threads, forks, execs, signals and mappings at the same time, for RUNSC_STRESS_SECONDS (60; `npm run test:full` takes 30 minutes).
 * The program checks itself; here it must end well, and leave no process behind.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const seconds = Number(process.env.RUNSC_STRESS_SECONDS ?? 60);
const runsc = join(import.meta.dir, "../../bin/runsc");
const work = mkdtempSync(join(tmpdir(), "runsc-stress-"));
const program = join(work, "mix");

beforeAll(() => {
  const r = Bun.spawnSync(["cc", "-O1", "-Wall", "-Wextra", "-pthread", "-o", program, join(import.meta.dir, "mix.c")]);
  if (r.exitCode !== 0) throw new Error(r.stderr.toString());
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

test(
  `threads, processes, signals and memory for ${seconds} s`,
  async () => {
    const log = join(work, "log");
    const p = Bun.spawn([runsc, `--debug-log=${log}`, "do", "--cwd=/tmp", program, String(seconds)], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: (seconds + 60) * 1000,
      killSignal: "SIGKILL",
    });
    const [out, err] = await Promise.all([new Response(p.stdout).text(), new Response(p.stderr).text()]);
    expect(err).toBe("");
    expect(await p.exited).toBe(0);
    expect(out).toMatch(/^rounds \d+\n$/);
    expect(readFileSync(log, "utf8")).not.toMatch(/panic|killed|is gone/);
  },
  (seconds + 90) * 1000,
);
