/** The real processes of a running sandbox, as the host's /proc shows them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { SCHED_BATCH } from "../../pkg/abi/linux/sched.ts";
import { SYS_futex } from "../../pkg/abi/linux/syscalls.ts";
import { alive, namespace, type Running, separateNamespaces, start, statusField, threads } from "./processes.ts";

/** CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID: the most a sandbox process may ever have. */
const MOST_CAPABILITIES = 0x1fn;
/** What it has when nothing of the host can be written to: DAC_READ_SEARCH. */
const READ_CAPABILITIES = 0x4n;
const caps = (path: number | string, set: string): bigint => BigInt(`0x${statusField(path, set)}`);

let r: Running;
beforeAll(async () => {
  r = await start();
});
afterAll(() => {
  r.process.kill("SIGKILL");
});

describe("the sandbox process", () => {
  test("runs", () => {
    expect(alive(r.sentry)).toBe(true);
    expect(statusField(r.sentry, "NSpid").split(/\s+/).at(-1)).toBe("1");
  });

  test("every thread is filtered, without privileges to gain and without capabilities to lose", () => {
    for (const t of threads(r.sentry)) {
      expect(statusField(t, "Seccomp")).toBe("2");
      expect(statusField(t, "NoNewPrivs")).toBe("1");
      const expected = process.geteuid?.() === 0 ? READ_CAPABILITIES : 0n;
      expect(caps(t, "CapEff")).toBe(expected);
      expect(caps(t, "CapPrm")).toBe(expected);
      expect(caps(t, "CapPrm") & ~MOST_CAPABILITIES).toBe(0n);
      expect(caps(t, "CapBnd")).toBe(0n);
      // Only the main thread starts processes; threads of the runtime that are older than its first line keep what they were born with.
      const main = t.endsWith(`/task/${r.sentry}`);
      for (const set of ["CapInh", "CapAmb"]) expect(caps(t, set) & (main ? ~0n : ~expected)).toBe(0n);
    }
  });

  test.if(navigator.hardwareConcurrency > 1)(
    "has one thread that compiles, and it waits for work without a limit: another could be refused by a limit of processes",
    async () => {
      const compilers = threads(r.sentry).filter((t) => readFileSync(`/proc/${t}/comm`, "latin1") === "JITWorker\n");
      expect(compilers.length).toBe(1);
      // First it waits a tenth of a second and gives memory back. The limit is the fourth argument of futex(2).
      let limit: string | undefined;
      for (let i = 0; i < 100 && limit !== "0x0"; i++) {
        await Bun.sleep(50);
        const [nr, ...args] = readFileSync(`/proc/${compilers[0]}/syscall`, "latin1").split(" ");
        limit = Number(nr) === SYS_futex ? args[3] : undefined;
      }
      expect(limit).toBe("0x0");
      const stat = readFileSync(`/proc/${compilers[0]}/stat`, "latin1");
      expect(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[38])).toBe(SCHED_BATCH);
    },
  );

  test("is in namespaces of its own", () => {
    for (const kind of separateNamespaces) expect(namespace(r.sentry, kind)).not.toBe(namespace("self", kind));
  });

  test("has an empty root that nothing can be written to, and no other mount", () => {
    expect(readdirSync(`/proc/${r.sentry}/root/`)).toEqual([]);
    expect(readlinkSync(`/proc/${r.sentry}/cwd`)).toBe("/");
    const mounts = readFileSync(`/proc/${r.sentry}/mountinfo`, "latin1").trim().split("\n");
    expect(mounts.length).toBe(1);
    expect(mounts[0]).toContain(" / / ro,nosuid,nodev,noexec");
    expect(statSync(`/proc/${r.sentry}/root/`).mode & 0o222).toBe(0);
  });

  test("has nothing of our environment and none of our descriptors", () => {
    const names = readFileSync(`/proc/${r.sentry}/environ`, "latin1")
      .split("\0")
      .map((e) => e.split("=")[0]);
    for (const n of names) expect(n).toMatch(/^(|TZ|LANG|BUN_JSC_\w+|GLIBC_TUNABLES)$/);
    for (const fd of ["0", "1"]) expect(readlinkSync(`/proc/${r.sentry}/fd/${fd}`)).toBe("/dev/null");
    const shared = ["0", "1", "2"].map((fd) => readlinkSync(`/proc/${r.parent}/fd/${fd}`));
    for (const fd of readdirSync(`/proc/${r.sentry}/fd`)) {
      const target = readlinkSync(`/proc/${r.sentry}/fd/${fd}`);
      // Directories and files below the root that were walked through, memory files, pipes, the loop's own descriptors.
      if (!shared.includes(target)) {
        expect(target).toMatch(/^(\/dev\/null|\/(?!dev\/|proc\/|sys\/).*|pipe:.*|anon_inode:.*|\/memfd:.*)$/);
      }
    }
  });

  test("is in a session of its own and makes no core dump", () => {
    const stat = readFileSync(`/proc/${r.sentry}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    expect(Number(fields[3])).toBe(r.sentry);
    expect(readFileSync(`/proc/${r.sentry}/limits`, "latin1")).toMatch(/Max core file size\s+0\s+0/);
  });
});

describe("the processes guest code runs in", () => {
  test("exist", () => {
    expect(r.stubs.length).toBeGreaterThan(0);
  });

  test("every thread is filtered and has no capability at all", () => {
    for (const pid of r.stubs) {
      for (const t of threads(pid)) {
        expect(statusField(t, "Seccomp")).toBe("2");
        expect(statusField(t, "NoNewPrivs")).toBe("1");
        for (const set of ["CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"]) expect(caps(t, set)).toBe(0n);
      }
    }
  });

  test("share the sandbox's namespaces and empty root, not ours", () => {
    for (const pid of r.stubs) {
      for (const kind of separateNamespaces) {
        expect(namespace(pid, kind)).toBe(namespace(r.sentry, kind));
        expect(namespace(pid, kind)).not.toBe(namespace("self", kind));
      }
      expect(readdirSync(`/proc/${pid}/root/`)).toEqual([]);
    }
  });

  test("hold no descriptor but memory files and files they map", () => {
    for (const pid of r.stubs) {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
        expect(target).not.toMatch(/^(pipe|socket|anon_inode|\/dev\/(?!null))/);
      }
    }
  });

  test("carry nothing of the sentry's memory", () => {
    for (const pid of r.stubs) {
      const maps = readFileSync(`/proc/${pid}/maps`, "latin1");
      expect(maps).not.toContain("bin/runsc");
      expect(maps).not.toContain("[heap]");
    }
  });
});
