/** The lines of the benchmark: what each measures, how, and what is asked of it. */

import { join } from "node:path";

/** How the figure of a line follows from its runs. */
export type Statistic = "min" | "median";

/** How a line is measured. */
export type Method =
  /** bench.c prints nanoseconds per operation. */
  | { readonly kind: "program"; readonly args: readonly string[] }
  /** The same; the first run is the figure. */
  | { readonly kind: "first"; readonly args: readonly string[] }
  /** From outside: the time of a whole `do COMMAND`. */
  | { readonly kind: "start"; readonly argv: readonly string[]; readonly runs: number }
  /** From outside: growth of the proportional set size with the last of `count` sleeping sandboxes. */
  | { readonly kind: "memory"; readonly count: number };

/** One line. */
export interface Line {
  readonly name: string;
  readonly unit: "time" | "bytes";
  readonly statistic: Statistic;
  readonly method: Method;
  /** Seconds for one system. */
  readonly limit: number;
  /** Runs it is repeated in in --full: with threads, with sleeping processes. */
  readonly grows: readonly ("threads" | "processes")[];
  /** Asked for: "12x" of the host, or an absolute figure. */
  readonly must: string;
  readonly aim: string;
  /** What it does first in the sandbox, not measured, is this line too: both come from one command. */
  readonly shares: string;
}

/** Where the things are that lines work on. */
export interface Workplace {
  /** The compiled bench.c. */
  readonly bench: string;
  /** A file of 1 GiB. */
  readonly large: string;
  /** A real C project: Lua's source; "" when it could not be had. */
  readonly lua: string;
  /** A made-up one of many small files. */
  readonly project: string;
  /** The tree to walk. */
  readonly tree: string;
  readonly python: string;
}

const BOTH = ["threads", "processes"] as const;
const PROCESSES = ["processes"] as const;

/** One of the small operations of bench.c. */
function micro(
  name: string,
  op: string,
  w: Workplace,
  o: { must?: string; aim?: string; grows?: Line["grows"]; ms?: number } = {},
): Line {
  return {
    name,
    unit: "time",
    statistic: "min",
    method: { kind: "program", args: [op, "-f", w.bench, "-m", String(o.ms ?? 40)] },
    limit: 15,
    grows: o.grows ?? BOTH,
    must: o.must ?? "",
    aim: o.aim ?? "",
    shares: "",
  };
}

/** A larger piece of work. */
function work(
  name: string,
  method: Method,
  o: { must?: string; aim?: string; limit?: number; statistic?: Statistic; unit?: Line["unit"]; shares?: string } = {},
): Line {
  return {
    name,
    unit: o.unit ?? "time",
    statistic: o.statistic ?? "median",
    method,
    limit: o.limit ?? 30,
    grows: [],
    must: o.must ?? "",
    aim: o.aim ?? "",
    shares: o.shares ?? "",
  };
}

/** All lines, in the table's order. */
export function allLines(w: Workplace): Line[] {
  const make = (jobs: number, dir: string, ...targets: readonly string[]): Method => ({
    kind: "program",
    // In a sandbox the results stay in it; on the host they go away with the directory.
    args: ["time", "1", "make", "-s", "-B", "-C", dir, `-j${jobs}`, ...targets],
  });
  const lua = (jobs: number): Method => make(jobs, join(w.lua, "src"), "linux-noreadline");
  const builds =
    w.lua === ""
      ? []
      : [
          work("build of Lua, make -j1", lua(1), { limit: 60 }),
          work("build of Lua, make -j2", lua(2), { must: "1.5x", aim: "1.15x", limit: 60 }),
        ];
  const walk = ["walk", w.tree, "4"];
  return [
    micro("getpid", "getpid", w),
    micro("lseek", "lseek", w, { must: "12x", aim: "5x" }),
    micro("lseek, site that cannot be patched", "lseek-unpatched", w, { must: "30x", aim: "20x" }),
    micro("pread 1 byte", "pread", w, { must: "12x", aim: "5x" }),
    micro("read 1 byte", "read", w, { must: "12x", aim: "5x" }),
    micro("write 1 byte, /dev/null", "write", w, { must: "12x", aim: "5x" }),
    micro("pwrite 1 byte, file", "pwrite", w, { must: "12x", aim: "5x" }),
    micro("fstat", "fstat", w, { must: "12x", aim: "5x" }),
    micro("stat", "stat", w, { must: "15x", aim: "6x" }),
    micro("stat, missing name", "stat-missing", w),
    micro("open+close", "open-close", w, { must: "15x", aim: "6x" }),
    micro("clock_gettime, vDSO", "clock-vdso", w),
    micro("clock_gettime, call", "clock-call", w),
    micro("pipe ping-pong, threads", "pipe-threads", w, { grows: PROCESSES }),
    micro("pipe ping-pong, processes", "pipe-processes", w, { must: "3x", aim: "1.5x", grows: PROCESSES }),
    micro("futex ping-pong, threads", "futex-threads", w, { grows: PROCESSES }),
    micro("futex ping-pong, processes", "futex-processes", w, { must: "3x", aim: "1.5x", grows: PROCESSES }),
    micro("thread create+join", "thread", w, { grows: PROCESSES }),
    micro("fork+exit+wait", "fork", w, { must: "8x", aim: "4x", grows: PROCESSES, ms: 40 }),
    micro("fork+exec+wait", "exec", w, { must: "4x", aim: "2x", grows: PROCESSES, ms: 60 }),
    micro("mmap+touch 64 KiB+munmap", "mmap", w, { must: "4x", aim: "2x" }),
    work("read of 1 GiB, warm", { kind: "program", args: ["readfile", w.large, "4"] }),
    work(`walk of ${w.tree}, first in the sandbox`, { kind: "first", args: walk }, { limit: 60, shares: "walk" }),
    work(
      `walk of ${w.tree}, warm`,
      { kind: "program", args: walk },
      {
        must: "4x",
        aim: "2x",
        limit: 60,
        statistic: "min",
        shares: "walk",
      },
    ),
    ...builds,
    work("build of small C files, make -j1", make(1, w.project), { limit: 60 }),
    work("build of small C files, make -j2", make(2, w.project), { must: "1.5x", aim: "1.15x", limit: 60 }),
    work("python3 -c pass", { kind: "program", args: ["time", "5", w.python, "-c", "pass"] }),
    work("start of `do /bin/true`", { kind: "start", argv: ["/bin/true"], runs: 11 }, { must: "45 ms", aim: "20 ms" }),
    work(
      "memory of the 10th sandbox asleep",
      { kind: "memory", count: 10 },
      {
        unit: "bytes",
        must: "20 MB",
        aim: "12 MB",
        limit: 40,
      },
    ),
  ];
}

/** The lines again with 8 threads and with 100 processes alive, for those that grow. */
export function grownLines(lines: readonly Line[]): Line[] {
  const out: Line[] = [];
  for (const l of lines) {
    if (l.method.kind !== "program") continue;
    const bare = { must: "", aim: "", grows: [], shares: "", limit: 30 } as const;
    if (l.grows.includes("threads")) {
      const method: Method = { kind: "program", args: [...l.method.args, "-t", "8"] };
      out.push({ ...l, ...bare, name: `${l.name}; 8 threads`, method });
    }
    if (l.grows.includes("processes")) {
      const method: Method = { kind: "program", args: [...l.method.args, "-p", "100"] };
      out.push({ ...l, ...bare, name: `${l.name}; 100 processes`, method });
    }
  }
  return out;
}
