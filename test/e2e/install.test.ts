/** The executable on other machines: without development files, without root, from source, anywhere in the file system. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { run, runsc } from "./harness.ts";

const repository = dirname(dirname(import.meta.dir));
const work = mkdtempSync(join(tmpdir(), "runsc-install-"));
const copy = join(work, "somewhere else");
const isRoot = process.geteuid?.() === 0;
const canUnshare = isRoot && run(["/usr/bin/unshare", "-m", "true"]).code === 0;

beforeAll(() => {
  chmodSync(work, 0o755);
  copyFileSync(runsc, copy);
  chmodSync(copy, 0o755);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const hello = ["do", "/bin/sh", "-c", "echo hello; exit 5"];

describe("bin/runsc", () => {
  test("runs from anywhere, without environment", () => {
    const r = run([copy, ...hello], { env: {} });
    expect(r).toEqual({ stdout: "hello\n", stderr: "", code: 5 });
  });

  test("is not turned into something else by the environment of the sandbox process", () => {
    const env = {
      PATH: "/usr/bin:/bin",
      LD_PRELOAD: "/nonexistent.so",
      BUN_JSC_useJIT: "1",
      NODE_OPTIONS: "--inspect",
    };
    const r = run([copy, "do", "/bin/sh", "-c", "echo $NODE_OPTIONS"], { env });
    expect(r.stdout).toBe("--inspect\n");
    expect(r.code).toBe(0);
  });

  test("writes nothing to the temporary directory, home and current directory", () => {
    // Directories of our own: others use the real ones at the same time.
    const home = join(work, "home");
    mkdirSync(home);
    const env = { HOME: home, TMPDIR: home, BUN_TMPDIR: home, XDG_CACHE_HOME: home, PATH: "/bin" };
    const r = run([copy, ...hello], { cwd: home, env });
    expect(r.code).toBe(5);
    expect(readdirSync(home)).toEqual([]);
  });

  test.skipIf(!canUnshare)("needs no development files of libc and no compiler", () => {
    const hide = [
      "set -e",
      "mount -t tmpfs none /usr/include",
      "for f in /usr/lib/x86_64-linux-gnu/*.o /usr/lib/x86_64-linux-gnu/libc.so /usr/lib/x86_64-linux-gnu/*.a; do",
      '  if [ -e "$f" ]; then mount --bind /dev/null "$f"; fi',
      "done",
      "for d in /usr/lib/gcc /usr/local/include; do if [ -d $d ]; then mount -t tmpfs none $d; fi; done",
      `exec '${copy}' do /bin/sh -c 'echo hello; exit 5'`,
    ].join("\n");
    const r = run(["/usr/bin/unshare", "-m", "/bin/sh", "-c", hide]);
    expect(r).toEqual({ stdout: "hello\n", stderr: "", code: 5 });
  });

  const setpriv = "/usr/bin/setpriv";
  test.skipIf(!isRoot || !existsSync(setpriv))("works for a user without privileges", () => {
    const as = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    if (run([...as, "/usr/bin/unshare", "-U", "true"]).code !== 0) return;
    const script = "id -u; cat /etc/hostname > /dev/null && echo read; cat /etc/shadow 2>/dev/null; echo $?";
    const want = run([...as, "/bin/sh", "-c", script]);
    const r = run([...as, copy, "do", "/bin/sh", "-c", `${script}; echo x > /tmp/y && cat /tmp/y`]);
    expect(r.stderr).toBe("");
    expect(r.stdout).toBe(`${want.stdout}x\n`);
    expect(r.code).toBe(0);
  });
});

test("runs from source", () => {
  const r = run([process.execPath, join(repository, "runsc/cli/main.ts"), ...hello]);
  expect(r).toEqual({ stdout: "hello\n", stderr: "", code: 5 });
});
