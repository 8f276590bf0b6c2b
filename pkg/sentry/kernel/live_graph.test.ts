import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SIGIO } from "../../abi/linux/signal.ts";
import { findViolations, type Violation } from "../../state/index.ts";
import { compileGuest, GuestJob, LIVE_GUEST, RestoredSandbox, saveTo, TestSandbox } from "../testutil/index.ts";
import type { Kernel } from "./kernel.ts";
import { type Task, TaskExitNone } from "./task.ts";

const program = compileGuest(LIVE_GUEST);

/** Runs the guest until it says that all wait, and reports what could not be saved of the kernel then. */
function violationsOf(s: TestSandbox): Violation[] {
  s.startGuest(program);
  const k = s.kernel;
  let found: Violation[] = [];
  const job = new GuestJob(k, 20_000_000, () => {
    if (!s.stdout.text.includes("ready")) return true;
    k.pause();
    found = findViolations(k);
    k.unpause();
    k.kill(9);
    return false;
  }).start();
  s.run();
  s.destroy();
  if (job.error !== null) throw job.error;
  expect(s.stdout.text).toBe("ready\n");
  expect(s.log.warnings.filter((m) => !m.includes("is not implemented"))).toEqual([]);
  return found;
}

test("a live kernel of many processes can be described completely", () => {
  expect(violationsOf(new TestSandbox())).toEqual([]);
}, 30_000);

test("so can one over a directory of the host, as containers have it", () => {
  const dir = mkdtempSync(join(tmpdir(), "runsc-live-"));
  try {
    writeFileSync(join(dir, "file"), "x");
    symlinkSync("file", join(dir, "link"));
    expect(violationsOf(new TestSandbox({ hostDirectory: dir }))).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}, 30_000);

/** Which tasks there are, alive or zombies. The one that is to be a zombie, with exit code 3, may still be on its way there. */
function describeTasks(k: Kernel): string[] {
  const stateOf = (t: Task): number => (t.exitStatus === 3 << 8 ? TaskExitNone : t.exitState);
  return [...k.tasks.all].map((t) => `${t.tid} ${t.name} ${t.threadGroup.id} ${stateOf(t)}`);
}

/** Wait statuses of the two that end by themselves, perhaps only after the image was made: a child that exits with 3, one with O_ASYNC on its own socket. */
const ENDINGS: readonly number[] = [3 << 8, SIGIO];

/** Of the tasks described, those that are gone although nothing in the guest has them end. */
function lost(k: Kernel, tasks: string[]): string[] {
  const now = describeTasks(k);
  const ended = new Set<number>();
  for (const t of k.tasks.all) if (t.exitState !== 0 && ENDINGS.includes(t.threadGroup.exitStatus)) ended.add(t.tid);
  return tasks.filter((d) => !now.includes(d) && !ended.has(Number.parseInt(d, 10)));
}

test("all of it comes back from an image, and again", () => {
  const dir = mkdtempSync(join(tmpdir(), "runsc-live-"));
  const image = join(dir, "image");
  try {
    const s = new TestSandbox();
    s.startGuest(program);
    let tasks: string[] = [];
    const first = new GuestJob(s.kernel, 20_000_000, () => {
      if (!s.stdout.text.includes("ready")) return true;
      saveTo(s.kernel, image);
      tasks = describeTasks(s.kernel);
      s.kernel.leaveLoop = true;
      return false;
    }).start();
    s.run();
    s.destroy();
    if (first.error !== null) throw first.error;
    for (let i = 0; i < 2; i++) {
      const r = new RestoredSandbox(image);
      const k = r.kernel;
      expect(describeTasks(k)).toEqual(tasks);
      const job = new GuestJob(k, 50_000_000, () => {
        k.pause();
        expect(findViolations(k)).toEqual([]);
        k.unpause();
        expect(lost(k, tasks)).toEqual([]);
        tasks = describeTasks(k);
        saveTo(k, image);
        k.leaveLoop = true;
        return false;
      }).start();
      r.run();
      const warnings = r.log.warnings.filter((m) => !m.includes("is not implemented"));
      r.destroy();
      if (job.error !== null) throw job.error;
      expect(warnings).toEqual([]);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}, 30_000);
