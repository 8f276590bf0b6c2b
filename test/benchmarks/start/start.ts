/**
 * Where the time from exec of `runsc do` to its end goes, stage by stage, in an executable as it is: stages are told apart by host calls
 * that only they make, which `perf record` notes at some 0.3 us each. Needs perf and the right to use tracepoints.
 *
 *   bun test/benchmarks/start/start.ts [--runs=N] [--ours=PATH] [COMMAND [ARGUMENT...]]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

/** Something that happened: a host call about to be made, or a tracepoint of the scheduler. Times in ms. */
interface Event {
  readonly time: number;
  readonly tid: number;
  /** The call's number, or -1. */
  readonly nr: number;
  readonly args: readonly string[];
  /** The tracepoint's name and text. */
  readonly text: string;
}

const SYS_write = 1;
const SYS_rt_sigreturn = 15;
const SYS_clone = 56;
const SYS_prctl = 157;
const SYS_exit_group = 231;
const SYS_seccomp = 317;
const CLONE_NEWUSER = 0x10000000;
const PR_CAP_AMBIENT = 0x2f;
/** Where the sandbox process reports to its parent. */
const STATUS_FD = "4";

/** One line of perf script; null for others. */
function parseEvent(line: string): Event | null {
  const m = /\s(\d+) \[\d+\] +(\d+\.\d+): +(\w+:\w+): (.*)$/.exec(line);
  if (m === null) return null;
  const text = `${m[3]} ${m[4]}`;
  const call = /^NR (\d+) \((.*)\)$/.exec(m[4] ?? "");
  return {
    time: Number(m[2]) * 1000,
    tid: Number(m[1]),
    nr: call === null ? -1 : Number(call[1]),
    args: call?.[2]?.split(", ") ?? [],
    text,
  };
}

/** The stages in order: what is done when the event comes that ends it. */
const stages: readonly (readonly [name: string, end: (e: Event, parent: number, sentry: number) => boolean])[] = [
  [
    "parent: runtime, command line, preparations",
    (e, p) => e.tid === p && e.nr === SYS_clone && (Number.parseInt(e.args[0] ?? "", 16) & CLONE_NEWUSER) !== 0,
  ],
  ["namespaces, capabilities, exec", (e, _p, s) => e.tid === s && e.text.startsWith("sched:sched_process_exec")],
  [
    "sentry: runtime and modules",
    (e, _p, s) => e.tid === s && e.nr === SYS_prctl && e.args[0] === PR_CAP_AMBIENT.toString(16) && e.args[1] === "4",
  ],
  [
    "sentry: platform until exec of the first stub",
    (e, _p, s) => e.tid !== s && e.text.includes("exec filename=/dev/fd/1023 "),
  ],
  ["first stub, watchdog", (e, _p, s) => e.tid === s && e.nr === SYS_write && e.args[0] === STATUS_FD],
  ["root taken away; filter and kernel made", (e, _p, s) => e.tid === s && e.nr === SYS_seccomp],
  [
    "filter installed, mounts, program loaded",
    (e, _p, s) => e.tid === s && e.nr === SYS_write && e.args[0] === STATUS_FD,
  ],
  ["first guest instruction", (e, p, s) => e.tid !== p && e.tid !== s && e.nr === SYS_rt_sigreturn],
  ["the command", (e, _p, s) => e.tid === s && e.nr === SYS_write && e.args[0] === STATUS_FD],
  ["sentry ends", (e, _p, s) => e.tid === s && e.text.startsWith("sched:sched_process_exit")],
  ["host ends its processes and namespaces, parent reaps", (e, p) => e.tid === p && e.nr === SYS_exit_group],
];

/** Milliseconds of each stage in one run. Throws Error when a stage is not seen. */
function measure(data: string, argv: readonly string[]): number[] {
  const events = [
    "raw_syscalls:sys_enter",
    "sched:sched_process_exec",
    "sched:sched_process_fork",
    "sched:sched_process_exit",
  ];
  const record = ["record", "-q", "-m", "4096", "-e", events.join(","), "-o", data, "--", ...argv];
  const run = spawnSync("perf", record, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  if (run.error !== undefined) throw run.error;
  const script = spawnSync("perf", ["script", "-i", data], { encoding: "utf8", maxBuffer: 1 << 28 });
  const all = script.stdout
    .split("\n")
    .map(parseEvent)
    .filter((e) => e !== null);
  const first = all.find((e) => e.text.startsWith("sched:sched_process_exec"));
  if (first === undefined) throw new Error(`perf shows nothing: ${run.stderr}`);
  const parent = first.tid;
  let sentry = -1;
  let last = first.time;
  const out: number[] = [];
  for (const e of all) {
    const stage = stages[out.length];
    if (stage === undefined) break;
    if (out.length === 1 && sentry < 0 && e.tid === parent) {
      sentry = Number(/process_fork .*child_pid=(\d+)/.exec(e.text)?.[1] ?? -1);
    }
    if (!stage[1](e, parent, sentry)) continue;
    out.push(e.time - last);
    last = e.time;
  }
  if (out.length < stages.length) throw new Error(`not seen: ${stages[out.length]?.[0]}`);
  return out;
}

const root = dirname(dirname(dirname(import.meta.dir)));
const { values, positionals } = parseArgs({
  options: { runs: { type: "string", default: "20" }, ours: { type: "string", default: join(root, "bin/runsc") } },
  allowPositionals: true,
});
const command = positionals.length === 0 ? ["/bin/true"] : positionals;
const dir = mkdtempSync(join(tmpdir(), "runsc-start-"));
try {
  const runs = Array.from({ length: Number(values.runs) }, () =>
    measure(join(dir, "data"), [values.ours, "do", ...command]),
  );
  const median = (v: readonly number[]): number => [...v].sort((a, b) => a - b)[v.length >> 1] ?? 0;
  const line = (name: string, ms: readonly number[]): string =>
    `${name.padEnd(56)}${median(ms).toFixed(1).padStart(8)}${Math.min(...ms)
      .toFixed(1)
      .padStart(8)}`;
  console.log(
    `${`ms of \`do ${command.join(" ")}\`, ${runs.length} runs`.padEnd(56)}${"median".padStart(8)}${"min".padStart(8)}`,
  );
  stages.forEach(([name], i) => {
    console.log(
      line(
        name,
        runs.map((r) => r[i] ?? 0),
      ),
    );
  });
  console.log(
    line(
      "all",
      runs.map((r) => r.reduce((a, b) => a + b, 0)),
    ),
  );
} finally {
  rmSync(dir, { recursive: true, force: true });
}
