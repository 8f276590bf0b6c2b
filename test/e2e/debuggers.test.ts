/** Debuggers trace programs in the sandbox as they do on the host. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Outcome, run, sandbox } from "./harness.ts";

const PACKAGES = ["strace", "gdb", "gcc", "ltrace"] as const;
const INSTALL_TIMEOUT = 300_000;

const work = mkdtempSync(join(tmpdir(), "runsc-debuggers-"));
const program = join(work, "program");
const SOURCE = `#include <pthread.h>
#include <stdio.h>
int depth;
static int leaf(int n)
{
	depth = n;
	return n * 2;
}
static int middle(int n)
{
	int r = leaf(n + 1);
	r += 1;
	return r;
}
static void *thread(void *arg)
{
	return (char *)arg + middle(1);
}
int main(void)
{
	pthread_t t;
	void *r;
	int x = middle(20);
	pthread_create(&t, 0, thread, 0);
	pthread_join(t, &r);
	printf("x=%d r=%ld\\n", x, (long)r);
	return x == 43 ? 0 : 1;
}
`;

/** Whether a program is there; as root it is installed if need be. */
function has(name: string): boolean {
  return existsSync(join("/usr/bin", name));
}

function installMissing(): void {
  const missing = PACKAGES.filter((p) => !has(p));
  if (missing.length === 0 || process.geteuid?.() !== 0 || !has("apt-get")) return;
  const env = { ...(process.env as Record<string, string>), DEBIAN_FRONTEND: "noninteractive" };
  // One at a time: that one is not to be had does not keep the others away.
  for (const p of missing) run(["/usr/bin/apt-get", "install", "-y", "-q", p], { env, timeout: INSTALL_TIMEOUT });
}

installMissing();

beforeAll(async () => {
  if (!has("gcc")) return;
  await Bun.write(`${program}.c`, SOURCE);
  const cc = run(["/usr/bin/gcc", "-g", "-O0", "-pthread", "-o", program, `${program}.c`]);
  if (cc.code !== 0) throw new Error(cc.stderr);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** What a run says without addresses, process ids and what else differs from run to run, as what gdb says of the ends of threads. */
function withoutNumbers(s: string): string {
  return s
    .replace(/0x[0-9a-f]+/g, "ADDR")
    .replace(/(process|Process|LWP|Thread|pid) +\d+/g, "$1 N")
    .replace(/si_pid=\d+/g, "si_pid=N")
    .replace(/Thread ADDR \(LWP N\)/g, "Thread N")
    .replace(/^\[(New|Thread|Switching) .*\n/gm, "");
}

describe.skipIf(!has("strace"))("strace", () => {
  const strace = (args: readonly string[]): readonly [Outcome, Outcome] => {
    const argv = ["/usr/bin/strace", ...args];
    return [run(argv), sandbox(argv)];
  };

  test("of one program", () => {
    const [host, guest] = strace(["-e", "trace=write,exit_group", "/bin/echo", "hello"]);
    expect(guest).toEqual(host);
    expect(guest.stderr).toContain('write(1, "hello\\n", 6)');
  });

  test("-f of a pipeline", () => {
    const script = "echo some text | cat | wc -c; (exit 3); echo $?";
    const argv = ["/usr/bin/strace", "-f", "-o", "/tmp/trace", "/bin/sh", "-c", script];
    const r = sandbox(["/bin/sh", "-c", `"$@"; cat /tmp/trace`, "sh", ...argv]);
    expect(r.code).toBe(0);
    const lines = r.stdout.split("\n");
    expect(lines.slice(0, 2)).toEqual(["10", "3"]);
    const count = (re: RegExp): number => lines.filter((l) => re.test(l)).length;
    expect(count(/execve\("/)).toBe(3);
    expect(count(/\+\+\+ exited with 0 \+\+\+/)).toBe(4);
    expect(count(/\+\+\+ exited with 3 \+\+\+/)).toBe(1);
    expect(count(/--- SIGCHLD \{si_signo=SIGCHLD, si_code=CLD_EXITED,/)).toBeGreaterThanOrEqual(4);
    expect(count(/write\(1, "some text\\n", 10/)).toBe(2);
  });

  test("-c counts", () => {
    const r = sandbox(["/usr/bin/strace", "-f", "-c", "-U", "name,calls", "/bin/ls", "/"]);
    expect(r.code).toBe(0);
    expect(r.stderr).toMatch(/getdents64 +2/);
  });

  test("--seccomp-bpf stops only where it has to", () => {
    const [host, guest] = strace([
      "-f",
      "--seccomp-bpf",
      "-e",
      "trace=execve",
      "/bin/sh",
      "-c",
      "/bin/true; /bin/true",
    ]);
    const clean = (s: string): string => withoutNumbers(s).replace(/\d+ vars/g, "N vars");
    expect(clean(guest.stderr)).toBe(clean(host.stderr));
    expect(guest.code).toBe(0);
  });

  test("of a running process", () => {
    const script =
      "sleep 1000 & p=$!; strace -o /tmp/t -p $p & s=$!; sleep 0.5; kill $p; wait $s; grep -c SIGTERM /tmp/t; wait $p; echo $?";
    const r = sandbox(["/bin/sh", "-c", script]);
    expect(r.stdout).toBe("2\n143\n");
  });
});

describe.skipIf(!has("gdb") || !has("gcc"))("gdb", () => {
  const gdb = (commands: readonly string[]): readonly [Outcome, Outcome] => {
    const all = ["set debuginfod enabled off", "set pagination off", ...commands];
    const argv = ["/usr/bin/gdb", "-batch", "-nx", ...all.flatMap((c) => ["-ex", c]), program];
    return [run(argv, { timeout: 60_000 }), sandbox(argv, { timeout: 60_000 })];
  };

  test("breakpoint, backtrace, finish, single steps", () => {
    const steps = ["break leaf", "run > /dev/null", "backtrace", "stepi", "stepi", "next", "step", "print depth"];
    const [host, guest] = gdb([...steps, "delete", "continue"]);
    expect(withoutNumbers(guest.stdout)).toBe(withoutNumbers(host.stdout));
    expect(guest.stderr).toBe(host.stderr);
    expect(guest.stdout).toContain("#1  0x");
    expect(guest.stdout).toContain("exited normally");
  });

  test("calls a function, changes variables and registers", () => {
    const [host, guest] = gdb([
      "break middle",
      "run > /dev/null",
      "print leaf(100)",
      "set var n = 30",
      "next",
      "print r",
      "kill",
    ]);
    expect(withoutNumbers(guest.stdout)).toBe(withoutNumbers(host.stdout));
    expect(withoutNumbers(guest.stderr)).toBe(withoutNumbers(host.stderr));
    // gdb 13 cannot write the registers of processors with AMX (their state is larger than it expects), on the host either; it can do the rest.
    const calls = !host.stderr.includes("extended state");
    expect(guest.stdout).toContain(calls ? "$1 = 200" : "$1 = 62");
    expect(guest.stdout).toContain(calls ? "$2 = 62" : "$1 = 62");
  });

  test("follows threads", () => {
    const [host, guest] = gdb(["break thread", "run > /dev/null", "backtrace 1", "delete", "continue"]);
    expect(withoutNumbers(guest.stdout)).toBe(withoutNumbers(host.stdout));
    expect(guest.stdout).toContain("hit Breakpoint 1, thread");
    expect(guest.stdout).toContain("exited normally");
  });

  test("watches a variable", () => {
    const [host, guest] = gdb([
      "break main",
      "run > /dev/null",
      "watch depth",
      "continue",
      "backtrace",
      "delete",
      "continue",
    ]);
    expect(withoutNumbers(guest.stdout)).toBe(withoutNumbers(host.stdout));
    expect(guest.stdout).toContain("New value = 21");
    expect(guest.stdout).toContain("exited normally");
  });
});

describe.skipIf(!has("gcc"))("LeakSanitizer", () => {
  test("stops the other threads and finds a leak", async () => {
    const leak = join(work, "leak");
    const source = `#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *sleeper(void *arg) { sleep(100); return arg; }
int main(void) {
	pthread_t t;
	pthread_create(&t, 0, sleeper, 0);
	usleep(10000);
	void *volatile p = malloc(77);
	p = 0;
	return 0;
}
`;
    await Bun.write(`${leak}.c`, source);
    const cc = run(["/usr/bin/gcc", "-g", "-fsanitize=leak", "-pthread", "-o", leak, `${leak}.c`]);
    if (cc.code !== 0) return;
    const r = sandbox([leak]);
    expect(r.stderr).toContain("SUMMARY: LeakSanitizer: 77 byte(s) leaked in 1 allocation(s).");
    expect(r.code).toBe(run([leak]).code);
  });
});

describe.skipIf(!has("ltrace") || !has("gcc"))("ltrace", () => {
  test("shows library calls", () => {
    const argv = ["/usr/bin/ltrace", "-e", "printf", program];
    const r = sandbox(argv);
    expect(r.stdout).toBe("x=43 r=5\n");
    expect(r.stderr).toContain('printf("x=%d r=%ld\\n", 43, 5');
    expect(r.code).toBe(0);
  });
});
