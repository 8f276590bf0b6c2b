/** A guest that attacks what it can reach loses itself at most: its sandbox ends or goes on, its neighbour never notices. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alive, allGone, runsc, start, statusField } from "./processes.ts";

const work = mkdtempSync(join(tmpdir(), "runsc-hostile-"));
const program = join(work, "hostile");
beforeAll(() => {
  const r = Bun.spawnSync(["cc", "-O1", "-static", "-pthread", "-o", program, join(import.meta.dir, "hostile.c")]);
  if (r.exitCode !== 0) throw new Error(r.stderr.toString());
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const ATTACKS = [
  "scribble_zeros",
  "scribble_ones",
  "scribble_random",
  "race_frames",
  "jump_into_stub",
  "odd_calls",
  "map_over_stub",
  "fuzz_calls",
  "forge_lines",
  "garbage_selector",
  "jump_to_futex",
  "forge_siginfo",
];

for (const attack of ATTACKS) {
  test(attack, async () => {
    const neighbour = await start("echo up; i=0; while :; do i=$((i+1)); sleep 0.05; done");
    const log = join(work, `${attack}.log`);
    const p = Bun.spawn([runsc, `--debug-log=${log}`, "do", program, attack], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      timeout: 50_000,
      killSignal: "SIGKILL",
    });
    const code = await p.exited;
    // Killed by the time limit would mean that it hung our side.
    expect(p.signalCode).toBe(null);
    expect(await new Response(p.stdout).text()).toBe(`${attack}: over\ncanary alive\n`);
    const stderr = await new Response(p.stderr).text();
    // The guest may die of a signal of its own making; the sandbox process may not fail.
    expect(stderr).not.toContain("sandbox");
    expect(code === 0 || code > 128).toBe(true);
    expect(readFileSync(log, "utf8")).not.toMatch(/panic|sentry bug/);
    expect(alive(neighbour.sentry)).toBe(true);
    expect(statusField(neighbour.sentry, "Seccomp")).toBe("2");
    neighbour.process.kill("SIGKILL");
    expect(await allGone([neighbour.parent, neighbour.sentry, ...neighbour.stubs])).toBe(true);
  }, 60_000);
}
