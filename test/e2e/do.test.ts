/** `runsc do`: the command line, the overlay over the host, signals, standard streams. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { mounts, run, runsc, sandbox, shell } from "./harness.ts";

const work = mkdtempSync(join(tmpdir(), "runsc-do-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe("command line", () => {
  test("--version", () => {
    const r = run([runsc, "--version"]);
    expect(r.stdout).toMatch(/^runsc version \d+\.\d+\.\d+\n$/);
    expect(r.code).toBe(0);
  });

  test("help lists the commands", () => {
    for (const args of [["help"], ["--help"], ["-h"]]) {
      const r = run([runsc, ...args]);
      expect(r.code).toBe(0);
      expect(r.stdout).toContain("runsc do");
      expect(r.stdout).toContain("--debug-log");
    }
    const r = run([runsc, "help", "do"]);
    expect(r.stdout).toContain("--root");
    expect(r.code).toBe(0);
  });

  test.each([
    [["--frobnicate", "do", "true"], "--frobnicate"],
    [["do", "--frobnicate", "true"], "--frobnicate"],
    [["--platform=abacus", "do", "true"], "--platform"],
    [["frobnicate"], "frobnicate"],
    [["help", "frobnicate"], "frobnicate"],
    [[], "no command"],
    [["do"], "no command"],
    [["do", "--"], "no command"],
  ])("usage error of %j", (args, names) => {
    const r = run([runsc, ...args]);
    expect(r.code).toBe(2);
    expect(r.stdout).toBe("");
    expect(r.stderr).toStartWith("runsc: ");
    expect(r.stderr).toContain(names);
    expect(r.stderr.split("\n").length).toBe(2);
  });

  test("flags of the command are the command's", () => {
    const r = run([runsc, "do", "/bin/echo", "--frobnicate", "--", "-x"]);
    expect(r.stdout).toBe("--frobnicate -- -x\n");
  });

  test("resource limits are the caller's", () => {
    const set = "ulimit -S -n 300; ulimit -S -s 4096; ulimit -H -p 1000 2>/dev/null; ulimit -S -v 99999999";
    const host = run(["sh", "-c", `${set}; sh -c "ulimit -S -a; ulimit -H -a"`]);
    const sandbox = run(["sh", "-c", `${set}; ${runsc} do sh -c "ulimit -S -a; ulimit -H -a"`]);
    expect(sandbox.stdout).toBe(host.stdout);
    expect(sandbox.stdout).toContain("4096");
  });

  test("arguments and environment are bytes", () => {
    const script = `exec ${runsc} do -- /usr/bin/printf '%s' "$(printf '\\377\\001x')"`;
    expect(run(["/bin/sh", "-c", script]).stdout).toBe("\xff\x01x");
  });

  test("no file of the current directory is read", () => {
    const dir = join(work, "here");
    mkdirSync(dir);
    writeFileSync(join(dir, ".env"), "SNEAKED=in\n");
    writeFileSync(join(dir, "bunfig.toml"), "this is not toml [[[");
    writeFileSync(join(dir, "package.json"), "not json");
    const r = run([runsc, "do", "/bin/sh", "-c", "echo $SNEAKED; pwd"], { cwd: dir });
    expect(r.stdout).toBe(`\n${dir}\n`);
    expect(r.stderr).toBe("");
  });
});

describe("the host is seen and not changed", () => {
  test("writes stay in the sandbox", () => {
    const r = shell("echo x > /etc/x; cat /etc/x");
    expect(r).toEqual({ stdout: "x\n", stderr: "", code: 0 });
    expect(existsSync("/etc/x")).toBe(false);
  });

  test("changes, removals and renames stay in the sandbox", () => {
    const dir = join(work, "tree");
    mkdirSync(join(dir, "sub"), { recursive: true });
    writeFileSync(join(dir, "a"), "old\n");
    writeFileSync(join(dir, "sub/b"), "b\n");
    const before = statSync(join(dir, "a"));
    const r = shell(
      `cd ${dir} && echo new > a && rm sub/b && mkdir made && mv a made/c && cat made/c && ls -R . && chmod 700 .`,
    );
    expect(r.stderr).toBe("");
    expect(r.stdout).toBe("new\n.:\nmade\nsub\n\n./made:\nc\n\n./sub:\n");
    expect(readdirSync(dir).sort()).toEqual(["a", "sub"]);
    expect(readFileSync(join(dir, "a"), "utf8")).toBe("old\n");
    const after = statSync(join(dir, "a"));
    expect(after.mtimeMs).toBe(before.mtimeMs);
    expect(after.ino).toBe(before.ino);
  });

  test("there is as much room for changes as memory, and statfs says so", () => {
    const r = shell("stat -fc '%b %a' /; head -c 1M /dev/zero > /tmp/x; stat -fc %a /");
    const [blocks = 0, before = 0, after = 0] = r.stdout.split(/\s/).map(Number);
    expect(blocks).toBe(Math.floor(totalmem() / 4096));
    expect(before - after).toBe(256);
  });

  test("sandboxes do not see each other's writes", () => {
    expect(shell("echo 1 > /tmp/runsc-e2e-own").code).toBe(0);
    expect(shell("test -e /tmp/runsc-e2e-own").code).toBe(1);
  });

  test("--root and --cwd", () => {
    const root = join(work, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    mkdirSync(join(root, "data"));
    writeFileSync(join(root, "data/f"), "inside\n");
    const busybox = "/bin/busybox";
    if (!existsSync(busybox)) return;
    writeFileSync(join(root, "bin/busybox"), readFileSync(busybox), { mode: 0o755 });
    const at = (flags: string[], ...argv: string[]) => run([runsc, "do", `--root=${root}`, ...flags, ...argv]);
    expect(at([], "/bin/busybox", "cat", "/data/f").stdout).toBe("inside\n");
    expect(at(["--cwd=/data"], "/bin/busybox", "cat", "f").stdout).toBe("inside\n");
    expect(at([], "/bin/busybox", "pwd").stdout).toBe("/\n");
    expect(at([], "/bin/busybox", "cat", "/etc/passwd").code).toBe(1);
    // ".." does not lead out.
    expect(at([], "/bin/busybox", "ls", "/../../..").stdout).toContain("data\n");
    expect(at([], "/bin/busybox", "ls", "/../../..").stdout).not.toContain("usr\n");
    const missing = at(["--cwd=/nope"], "/bin/busybox", "true");
    expect(missing.stderr).toContain("/nope");
    expect(missing.code).toBe(128);
  });
});

describe("what others change on the host while a sandbox runs", () => {
  // Tells what it saw, and again after each line of input.
  const script = `cat file; stat -c %s file; [ -e new ] && echo new || echo none
    while read line; do cat file; stat -c %s file; [ -e new ] && echo new || echo none; done`;
  for (const [mode, at, after] of [
    ["shared", "bb\n3\nnew\n", "bb\n3\nnew\n"],
    ["timed", null, "bb\n3\nnew\n"],
    // The contents are the host's; names and attributes are remembered.
    ["exclusive", "bb\n2\nnone\n", "bb\n2\nnone\n"],
  ] as const) {
    test(`--file-access=${mode}`, async () => {
      const dir = mkdtempSync(join(work, "access-"));
      writeFileSync(join(dir, "file"), "a\n");
      const argv = [runsc, `--file-access=${mode}`, "do", `--cwd=${dir}`, "--", "/bin/sh", "-c", script];
      const p = Bun.spawn(argv, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
      const reader = p.stdout.getReader();
      /** The next three lines. */
      const next = async (): Promise<string> => {
        let text = "";
        while (text.split("\n").length < 4) {
          const { value, done } = await reader.read();
          if (done) break;
          text += Buffer.from(value).toString("latin1");
        }
        return text;
      };
      expect(await next()).toBe("a\n2\nnone\n");
      writeFileSync(join(dir, "file"), "bb\n");
      writeFileSync(join(dir, "new"), "");
      p.stdin.write("\n");
      p.stdin.flush();
      const seen = await next();
      if (at !== null) expect(seen).toBe(at);
      await Bun.sleep(1100);
      p.stdin.write("\n");
      p.stdin.flush();
      expect(await next()).toBe(after);
      p.stdin.end();
      expect(await p.exited).toBe(0);
    });
  }
});

describe("bad commands", () => {
  const write = (name: string, data: string | Uint8Array, mode = 0o755): string => {
    const path = join(work, name);
    writeFileSync(path, data, { mode });
    return path;
  };
  const real = readFileSync("/bin/true");
  const patched = (at: number, bytes: readonly number[]): Uint8Array => {
    const copy = new Uint8Array(real);
    copy.set(bytes, at);
    return copy;
  };
  const interpreterAt = real.indexOf(Buffer.from("/lib64/ld-linux-x86-64.so.2"));
  const otherInterpreter = new Uint8Array(real);
  if (interpreterAt >= 0)
    otherInterpreter.set(Buffer.from("/lib64/ld-nothere-86-64.so.2").subarray(0, 27), interpreterAt);

  const cases: readonly (readonly [what: string, argv: () => string[], code: number])[] = [
    ["not in PATH", () => ["no-such-command-here"], 127],
    ["path that is not there", () => ["/no/such/path"], 127],
    ["empty name", () => [""], 127],
    ["a directory", () => ["/etc"], 126],
    ["no execute permission", () => [write("plain", "#!/bin/sh\n", 0o644)], 126],
    ["a file used as a directory", () => ["/etc/passwd/x"], 126],
    ["empty file", () => [write("empty", "")], 126],
    ["no known format", () => [write("text", "just some text\n")], 126],
    ["ELF header cut off", () => [write("cut40", real.subarray(0, 40))], 126],
    ["program headers cut off", () => [write("cut100", real.subarray(0, 100))], 126],
    ["ELF of another machine", () => [write("arm", patched(18, [0xb7, 0]))], 126],
    ["ELF with a wrong magic number", () => [write("magic", patched(1, [0x46]))], 126],
    ["ELF cut off behind its headers", () => [write("cut8k", real.subarray(0, 8192))], 126],
    [
      "ELF with wild program header offset",
      () => [write("phoff", patched(32, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))],
      126,
    ],
    ["ELF with too many program headers", () => [write("phnum", patched(56, [0xff, 0xff]))], 126],
    ["ELF with a missing interpreter", () => [write("interp", otherInterpreter)], 127],
    ["script with a missing interpreter", () => [write("script", "#!/no/such/interpreter\n")], 127],
    ["script without an interpreter", () => [write("script2", "#!\n")], 126],
    ["script that is its own interpreter", () => [write("loop", `#!${join(work, "loop")}\n`)], 126],
  ];
  test.each(cases)("%s", (_what, argv, code) => {
    const r = sandbox(argv());
    expect(r.stderr).toStartWith("runsc: ");
    expect(r.stderr.split("\n").length).toBe(2);
    expect(r.stdout).toBe("");
    expect(r.code).toBe(code);
  });

  test("unreadable root", () => {
    for (const root of ["/no/such/root", "/etc/passwd"]) {
      const r = run([runsc, "do", `--root=${root}`, "true"]);
      expect(r.stderr).toStartWith("runsc: root directory");
      expect(r.stderr.split("\n").length).toBe(2);
      expect(r.code).toBe(128);
    }
  });

  test("debug log that cannot be opened", () => {
    const r = run([runsc, "--debug-log=/no/such/dir/log", "do", "true"]);
    expect(r.stderr).toStartWith("runsc: debug log");
    expect(r.code).toBe(128);
  });
});

describe("signals", () => {
  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
    ["SIGHUP", 129],
    ["SIGUSR1", 138],
  ] as const)("%s kills the command", async (signal, code) => {
    const p = Bun.spawn([runsc, "do", "/bin/sh", "-c", "echo up; exec sleep 30"], {
      stdout: "pipe",
      stderr: "inherit",
    });
    const reader = p.stdout.getReader();
    await reader.read();
    p.kill(signal);
    expect(await p.exited).toBe(code);
  });

  test("one that comes while the sandbox starts reaches the command", async () => {
    for (const delay of [10, 15, 20, 25, 30, 40]) {
      const p = Bun.spawn([runsc, "do", "/bin/sleep", "30"], { stdout: "ignore", stderr: "inherit" });
      await Bun.sleep(delay);
      p.kill("SIGTERM");
      expect(await p.exited).toBe(143);
    }
  });

  test("a handler of the command runs", async () => {
    const script = "trap 'echo caught; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    const p = Bun.spawn([runsc, "do", "/bin/sh", "-c", script], { stdout: "pipe", stderr: "inherit" });
    const reader = p.stdout.getReader();
    const decoder = new TextDecoder();
    let text = decoder.decode((await reader.read()).value);
    p.kill("SIGTERM");
    for (;;) {
      const r = await reader.read();
      if (r.done) break;
      text += decoder.decode(r.value);
    }
    expect(text).toBe("up\ncaught\n");
    expect(await p.exited).toBe(3);
  });
});

describe("standard streams", () => {
  test("files", () => {
    writeFileSync(join(work, "in"), "from a file\n");
    const script = `cd ${work} && ${runsc} do /bin/sh -c 'cat; echo err >&2' <in >out 2>err`;
    expect(run(["/bin/sh", "-c", script]).code).toBe(0);
    expect(readFileSync(join(work, "out"), "utf8")).toBe("from a file\n");
    expect(readFileSync(join(work, "err"), "utf8")).toBe("err\n");
  });

  test("keep the flags of their descriptions", () => {
    const script = `${runsc} do /bin/true; grep flags /proc/self/fdinfo/1`;
    const want = run(["/bin/sh", "-c", "true; grep flags /proc/self/fdinfo/1"]);
    expect(run(["/bin/sh", "-c", script]).stdout).toBe(want.stdout);
  });

  test("appending to a file keeps what others wrote", () => {
    const path = join(work, "log");
    writeFileSync(path, "first\n");
    run(["/bin/sh", "-c", `{ ${runsc} do /bin/echo second; echo third; } >>${path}`]);
    expect(readFileSync(path, "utf8")).toBe("first\nsecond\nthird\n");
  });

  test("a reader that goes away ends the writer", () => {
    const r = run(["/bin/bash", "-c", `${runsc} do /usr/bin/yes | head -n 1; echo \${PIPESTATUS[0]}`], {
      timeout: 20_000,
    });
    expect(r.stdout).toBe("y\n141\n");
  });

  test("a terminal", () => {
    if (!existsSync("/usr/bin/script")) return;
    const inner = `${runsc} do /bin/sh -c 'test -t 0 && test -t 1 && echo tty; stty size'`;
    const r = run(["/usr/bin/script", "-qec", `stty rows 33 cols 77; ${inner}`, "/dev/null"]);
    expect(r.stdout).toContain("tty\r\n33 77\r\n");
  });

  test("slow input", async () => {
    const p = Bun.spawn([runsc, "do", "/bin/cat"], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    for (let i = 0; i < 5; i++) {
      p.stdin.write(`line ${i}\n`);
      await p.stdin.flush();
      await Bun.sleep(30);
    }
    await p.stdin.end();
    expect(await new Response(p.stdout).text()).toBe("line 0\nline 1\nline 2\nline 3\nline 4\n");
    expect(await p.exited).toBe(0);
  });
});

describe("while the command runs", () => {
  const start = async (): Promise<[Bun.Subprocess<"ignore", "pipe", "pipe">, sandboxPid: number]> => {
    const p = Bun.spawn([runsc, "do", "/bin/sh", "-c", "echo up; exec sleep 30"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    await p.stdout.getReader().read();
    const child = readFileSync(`/proc/${p.pid}/task/${p.pid}/children`, "latin1").trim();
    return [p, Number(child)];
  };

  test("what waits is small", async () => {
    const [p] = await start();
    // It says "up" when it runs; becoming small takes the launcher a moment.
    let pss = 0;
    for (let i = 0; i < 100; i++) {
      pss = Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${p.pid}/smaps_rollup`, "latin1"))?.[1]);
      if (pss < 256) break;
      await Bun.sleep(20);
    }
    expect(pss).toBeLessThan(256);
    p.kill("SIGKILL");
    await p.exited;
  });

  test("the death of the sandbox process is reported", async () => {
    const [p, child] = await start();
    process.kill(child, "SIGKILL");
    expect(await new Response(p.stderr).text()).toMatch(
      /^runsc: the sandbox process was killed by signal 9 unexpectedly/,
    );
    expect(await p.exited).toBe(128);
  });
});

describe("logs", () => {
  test("--strace prints one readable line a call", () => {
    const log = join(work, "strace.log");
    const r = run([runsc, `--debug-log=${log}`, "--strace", "do", "/bin/echo", "hi"]);
    expect(r.stdout).toBe("hi\n");
    expect(r.stderr).toBe("");
    const text = readFileSync(log, "utf8");
    expect(text).toMatch(/write\(.*\) = /);
    expect(text).toMatch(/execve|mmap/);
    expect(text).toContain("exit_group");
  });
});

test("nothing stays mounted", async () => {
  const before = await mounts();
  for (const argv of [["true"], ["no-such-command"], ["/etc"]]) sandbox(argv);
  expect(await mounts()).toBe(before);
});
