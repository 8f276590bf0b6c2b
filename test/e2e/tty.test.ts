/** Programs on terminals: in a pseudoterminal inside the sandbox, and on the terminal of whoever starts it. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, type RunOptions, run, runsc, sandbox } from "./harness.ts";

type Step =
  | string
  | { readonly want: string }
  | { readonly sleep: number }
  | { readonly size: readonly [number, number] };

const script = join(import.meta.dir, "expect.py");
const env = {
  PATH: "/usr/bin:/bin",
  PS1: "$ ",
  TERM: "dumb",
  HISTFILE: "/dev/null",
  INPUTRC: "/dev/null",
  HOME: "/tmp",
};
const bash = ["/bin/bash", "--norc", "--noprofile", "-i"];
const prompt: Step = { want: "\\$ $" };
/** What is typed, echoed, and followed by the next prompt. */
const line = (s: string): Step[] => [`${s}\n`, prompt];

function options(steps: readonly Step[]): RunOptions {
  return { stdin: JSON.stringify(steps), env, timeout: 60_000 };
}

/** A command on a terminal of the host. */
function onHost(argv: readonly string[], steps: readonly Step[]): Outcome {
  return run(["/usr/bin/env", "python3", script, "24x80", ...argv], options(steps));
}

/** A command on a pseudoterminal of the sandbox. */
function inside(argv: readonly string[], steps: readonly Step[]): Outcome {
  return sandbox(["/usr/bin/env", "python3", script, "24x80", ...argv], options(steps));
}

/** A sandbox on a terminal of the host. */
function around(argv: readonly string[], steps: readonly Step[]): Outcome {
  return onHost([runsc, "do", ...argv], steps);
}

const places = [
  ["host", onHost],
  ["inside", inside],
  ["around", around],
] as const;

/** Jobs of an interactive shell: Ctrl-Z, jobs, bg, fg, Ctrl-C, kill, readers in the background, the size of the window. */
const jobs: readonly Step[] = [
  prompt,
  "sleep 100\n",
  { sleep: 0.5 },
  "\x1a",
  { want: "Stopped +sleep 100" },
  prompt,
  "jobs\n",
  { want: "\\[1\\]\\+ +Stopped +sleep 100" },
  prompt,
  "bg\n",
  { want: "\\[1\\]\\+ sleep 100 &" },
  prompt,
  "jobs\n",
  { want: "Running +sleep 100 &" },
  prompt,
  "fg\n",
  { want: "sleep 100\r\n" },
  { sleep: 0.3 },
  "\x03",
  { want: "\\^C" },
  prompt,
  "echo status $?\n",
  { want: "status 130" },
  prompt,
  ...line("cat &"),
  { sleep: 0.3 },
  "true\n",
  { want: "Stopped +cat" },
  prompt,
  "fg\n",
  { want: "cat\r\n" },
  "hello\n",
  { want: "hello\r\nhello\r\n" },
  "\x04",
  prompt,
  ...line("sleep 50 &"),
  "kill %1; sleep 0.3; true\n",
  { want: "Terminated +sleep 50" },
  prompt,
  { size: [33, 77] },
  { sleep: 0.3 },
  "stty size\n",
  { want: "33 77" },
  prompt,
  "tty; exit 7\n",
  { want: "(/dev/pts/[0-9]+)\r\n" },
];

describe("job control of bash", () => {
  for (const [name, place] of places) {
    test(name, () => {
      const r = place(bash, jobs);
      expect([r.code, r.stdout.replace(/exit\r\n/, "")]).toEqual([7, ""]);
    }, 60_000);
  }
});

describe("programs that take over the terminal", () => {
  const programs: readonly (readonly [string[], Step[]])[] = [
    [
      ["/usr/bin/less", "/etc/passwd"],
      [{ want: "root:" }, "G", { sleep: 0.2 }, "q"],
    ],
    [
      ["/usr/bin/vim", "-u", "NONE", "-N", "-n", "/tmp/runsc-e2e-vim"],
      [
        { sleep: 1 },
        "ihello\x1b",
        { sleep: 0.3 },
        ":w! | !cat %; rm %\r",
        { want: "hello" },
        "\r",
        { sleep: 0.2 },
        ":q!\r",
      ],
    ],
    [["/usr/bin/top"], [{ sleep: 1 }, "q"]],
    [
      ["/bin/sh", "-c", "stty raw -echo; echo ready; head -c 3 | od -An -c; stty sane; exit 4"],
      [{ want: "ready" }, "ab\x03", { want: "a +b 003" }],
    ],
    [
      ["/bin/bash", "-c", "read -n1 -p '? ' a; echo; echo one $a; read -t 0.3 b; echo timeout $?"],
      [{ want: "\\? " }, "x", { want: "one x" }, { want: "timeout 142" }],
    ],
    [
      ["/usr/bin/env", "python3", "-c", "import getpass; print('got', getpass.getpass('pw: '))"],
      [{ want: "pw: " }, "secret\n", { want: "^\r\ngot secret" }],
    ],
    [
      ["/usr/bin/script", "-qc", "stty -a; tty", "/dev/null"],
      [{ want: "speed 38400" }, { want: "/dev/pts/" }],
    ],
    [
      ["/usr/bin/tmux", "-L", "runsc-e2e", "-f", "/dev/null", "new", "sh"],
      [{ sleep: 1.5 }, "echo in $TMUX_PANE\n", { want: "in %0" }, "exit\n", { want: "exited" }],
    ],
  ];
  for (const [argv, steps] of programs) {
    test(argv.slice(0, 3).join(" "), () => {
      if (!existsSync(argv[0] ?? "")) return;
      const all = argv[0]?.includes("tmux") ? [onHost, inside] : [onHost, inside, around];
      const codes = all.map((place) => {
        const r = place(["/usr/bin/env", "TERM=xterm", ...argv], steps);
        return r.code === 99 ? r.stdout : r.code;
      });
      expect(codes).toEqual(all.map(() => codes[0] ?? 0));
      expect(typeof codes[0]).toBe("number");
    }, 120_000);
  }
});

test("the settings of terminals are those of the host", () => {
  const argv = ["/usr/bin/script", "-qc", "stty -a", "/dev/null"];
  expect(sandbox(argv, { env }).stdout).toBe(run(argv, { env }).stdout);
});

test("python's pty.spawn", () => {
  const code =
    "import pty,os; print(os.waitstatus_to_exitcode(pty.spawn(['sh', '-c', 'test -t 0 && echo on a terminal; exit 3'])))";
  const argv = ["/usr/bin/env", "python3", "-c", code];
  const r = sandbox(argv, { env });
  expect(r.stdout).toBe(run(argv, { env }).stdout);
  expect(r.stdout).toContain("on a terminal");
});

test("a hangup reaches the shell's jobs", () => {
  const code = `import os,pty,signal,time
pid, fd = pty.fork()
if pid == 0: os.execvp("sh", ["sh", "-c", "trap 'echo hup >/tmp/runsc-e2e-hup; exit' HUP; while :; do sleep 0.05; done"])
time.sleep(0.5)
os.close(fd)
print(os.waitpid(pid, 0)[1], open("/tmp/runsc-e2e-hup").read(), end="")
os.unlink("/tmp/runsc-e2e-hup")`;
  const argv = ["/usr/bin/env", "python3", "-c", code];
  expect(sandbox(argv, { env }).stdout).toBe("0 hup\n");
  expect(run(argv, { env }).stdout).toBe("0 hup\n");
});
