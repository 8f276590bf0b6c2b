/** A lone thread that sleeps and calls at all moments of the sentry's polling wakes up each time. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runsc } from "../security/processes.ts";

/** Some seconds'. A sleep that is overlooked is found by most runs of a third of them. */
const ROUNDS = "12000";

const work = mkdtempSync(join(tmpdir(), "runsc-naps-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

test("sleeps end, whenever they begin", async () => {
  const program = join(work, "naps");
  const cc = Bun.spawnSync(["cc", "-O1", "-Wall", "-Wextra", "-o", program, join(import.meta.dir, "naps.c")]);
  expect(cc.stderr.toString()).toBe("");
  const p = Bun.spawn([runsc, "do", program, ROUNDS], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  expect(await new Response(p.stdout).text()).toBe("rested\n");
  expect(await p.exited).toBe(0);
}, 90_000);
