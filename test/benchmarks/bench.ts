/**
 * `npm run bench`: one table of what work costs on the host, under Debian's gVisor when it is installed, and here, all in one run.
 *
 *   --full         each small line also with 8 threads and with 100 processes alive
 *   --only=REGEX   these lines
 *   --json=FILE    all runs of all lines as JSON too
 *   --gvisor=PATH  gVisor's runsc (default: runsc of PATH); "none": without
 *   --ours=PATH    our runsc (default: bin/runsc)
 *   --list         only name the lines
 *   --keep         leave the directory with the program, the project and the large file
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { copyDebianSource } from "./debian_source.ts";
import { allLines, grownLines, type Line, type Workplace } from "./lines.ts";
import { incrementalPSS } from "./memory.ts";
import { writeLargeFile, writeProject } from "./project.ts";
import { cpuSeconds, runCommand, type System, which } from "./systems.ts";
import { DISTURBED, figure, headLines, type Result, type Row, rowLine } from "./table.ts";

const root = dirname(dirname(import.meta.dir));
const LARGE_SIZE = 2 ** 30;

/** Ends with a message. */
function fail(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}

/** The systems to compare. */
function systems(ours: string, gvisor: string, dir: string): System[] {
  const out: System[] = [{ name: "host", title: "host", prefix: [] }];
  const path = gvisor === "" ? which("runsc") : gvisor === "none" ? null : resolve(gvisor);
  if (path !== null) {
    const version = spawnSync(path, ["--version"], { encoding: "utf8", timeout: 10_000 }).stdout ?? "";
    // Our own executable has the same name.
    if (/^spec: /m.test(version)) {
      const flags = [`--root=${join(dir, "gvisor")}`, "--platform=ptrace", "--network=none"];
      out.push({ name: "gvisor", title: `${path} (${version.split("\n")[0]})`, prefix: [path, ...flags, "do"] });
    } else if (gvisor !== "") {
      fail(`${path} is not gVisor's runsc`);
    }
  }
  out.push({ name: "ours", title: ours, prefix: [ours, "do", "--"] });
  return out;
}

/** The file that python3 really is: a wrapper would be measured with it. */
function pythonPath(): string {
  const r = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  const path = r.status === 0 ? r.stdout.trim() : "";
  return existsSync("/usr/bin/python3") ? "/usr/bin/python3" : path === "" ? "python3" : path;
}

/** Makes what the lines work on. */
function prepare(dir: string): Workplace {
  const bench = join(dir, "bench");
  const cc = spawnSync("cc", ["-O2", "-pthread", "-o", bench, join(import.meta.dir, "bench.c")], { encoding: "utf8" });
  if (cc.status !== 0) fail(`compiling bench.c: ${cc.error?.message ?? cc.stderr}`);
  const w = {
    bench,
    large: join(dir, "large"),
    lua: fetchLua(join(dir, "lua")),
    project: join(dir, "project"),
    tree: "/usr",
    python: pythonPath(),
  };
  writeLargeFile(w.large, LARGE_SIZE);
  writeProject(w.project);
  return w;
}

/** Puts Lua's source into a directory: its path, or "" when it cannot be had. */
function fetchLua(dir: string): string {
  try {
    copyDebianSource("lua5.4", join(root, "build/bench"), dir);
    return dir;
  } catch (e) {
    console.log(
      `without the build of Lua: fetching the source of Debian's lua5.4: ${e instanceof Error ? e.message : e}`,
    );
    return "";
  }
}

/** The figures that bench.c printed. */
function parseRuns(text: string): number[] {
  return text
    .split(/\s+/)
    .filter((t) => t !== "")
    .map(Number);
}

/** A result without figures. */
function nothing(error: string): Result {
  return { runs: [], value: null, error };
}

/** Runs one line on one system. `shared` holds the runs of commands that several lines look at. */
async function measure(line: Line, system: System, w: Workplace, shared: Map<string, Result>): Promise<Result> {
  const m = line.method;
  switch (m.kind) {
    case "memory": {
      try {
        const bytes = await incrementalPSS([...system.prefix, w.bench, "sleep"], m.count, line.limit);
        return { runs: [bytes], value: bytes, error: "" };
      } catch (e) {
        const text = e instanceof Error ? e.message : String(e);
        return nothing(text === "timeout" ? text : `failed: ${text}`);
      }
    }
    case "start": {
      const runs: number[] = [];
      for (let i = 0; i < m.runs; i++) {
        const r = await runCommand([...system.prefix, ...m.argv], line.limit / m.runs + 5);
        if (r.timedOut) return nothing("timeout");
        if (r.status !== 0) return nothing(`failed: ${r.stderr}`);
        runs.push(r.milliseconds * 1e6);
      }
      return { runs, value: figure(runs, line.statistic), error: "" };
    }
    default: {
      const key = `${system.name} ${line.shares}`;
      let result = line.shares === "" ? undefined : shared.get(key);
      if (result === undefined) {
        const r = await runCommand([...system.prefix, w.bench, ...m.args], line.limit);
        const runs = parseRuns(r.stdout);
        if (r.timedOut) result = { runs, value: null, error: "timeout" };
        else if (r.status !== 0 || runs.length === 0) result = nothing(`failed: ${r.status}: ${r.stderr}`);
        else result = { runs, value: null, error: "" };
        if (line.shares !== "") shared.set(key, result);
      }
      const { runs, error } = result;
      // Of a walk in several rounds the first is a line of its own, and good even when the limit ended a later one.
      if (m.kind === "first")
        return runs.length > 0 ? { runs: runs.slice(0, 1), value: runs[0] ?? null, error: "" } : result;
      const rest = line.shares === "" ? runs : runs.slice(1);
      return error === "" || (line.shares !== "" && rest.length > 0)
        ? { runs: rest, value: figure(rest, line.statistic), error: "" }
        : { runs: rest, value: null, error };
    }
  }
}

const { values: options } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    json: { type: "string", default: "" },
    gvisor: { type: "string", default: "" },
    ours: { type: "string", default: join(root, "bin/runsc") },
    list: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const ours = resolve(options.ours);
if (!existsSync(ours)) fail(`${ours} does not exist: npm run build`);
const dir = mkdtempSync(join(tmpdir(), "runsc-bench-"));
const remove = (): void => {
  if (options.keep) console.log(`kept ${dir}`);
  else rmSync(dir, { recursive: true, force: true });
};
for (const s of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(s, () => {
    remove();
    process.exit(130);
  });
}
const started = performance.now();
const rows: Row[] = [];
let failures = 0;
try {
  const w = prepare(dir);
  const base = allLines(w);
  const pattern = new RegExp(options.only);
  const lines = [...base, ...(options.full ? grownLines(base) : [])].filter((l) => pattern.test(l.name));
  if (options.list) {
    for (const l of lines) console.log(l.name);
  } else {
    const compared = systems(ours, options.gvisor, dir);
    const model = cpus()[0]?.model ?? "";
    console.log(`${availableParallelism()} CPUs (${model}), Linux ${release()}, load ${loadavg()[0]?.toFixed(1)}`);
    for (const s of compared.slice(1)) console.log(`${s.name}: ${s.title}`);
    console.log(`\n${headLines()}`);
    const shared = new Map<string, Result>();
    const errors: string[] = [];
    for (const line of lines) {
      const results: Record<string, Result> = {};
      // A line that looks at the runs of the one before was measured with it.
      let disturbance = line.shares === "" ? 0 : (rows.at(-1)?.disturbance ?? 0);
      for (const s of compared) {
        const before = cpuSeconds();
        const started = performance.now();
        const r = await measure(line, s, w, shared);
        const seconds = (performance.now() - started) / 1000;
        if (s.name === "host" && seconds > 0.1) {
          const after = cpuSeconds();
          disturbance = Math.max(0, after.all - before.all - (after.own - before.own)) / seconds;
        }
        results[s.name] = r;
        if (r.value === null) {
          errors.push(`${line.name}, ${s.name}: ${r.error.trim().slice(0, 300)}`);
          if (s.name === "ours") failures++;
        }
      }
      const row = { line, results, disturbance };
      rows.push(row);
      console.log(rowLine(row));
    }
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    console.log(
      `\nSmall lines: minimum of 5 runs; others: median unless one run is meant. * must, ** aim reached; ? others kept ${DISTURBED} CPUs or more busy while the host was measured. ${seconds} s.`,
    );
    for (const e of errors) console.log(`no figure: ${e}`);
    if (options.json !== "") {
      writeFileSync(
        options.json,
        `${JSON.stringify(
          {
            date: new Date().toISOString(),
            machine: { cpus: availableParallelism(), model, linux: release(), load: loadavg() },
            commit: readCommit(),
            systems: compared.map((s) => ({ name: s.name, title: s.title })),
            lines: rows.map((r) => ({
              name: r.line.name,
              unit: r.line.unit === "time" ? "ns" : "bytes",
              statistic: r.line.statistic,
              must: r.line.must,
              aim: r.line.aim,
              results: r.results,
              disturbance: r.disturbance,
            })),
          },
          null,
          1,
        )}\n`,
      );
    }
  }
} finally {
  remove();
}
process.exit(failures === 0 ? 0 : 1);

/** The commit that is checked out, as far as .git says plainly. */
function readCommit(): string {
  try {
    const head = readFileSync(join(root, ".git/HEAD"), "utf8").trim();
    return head.startsWith("ref: ") ? readFileSync(join(root, ".git", head.slice(5)), "utf8").trim() : head;
  } catch {
    return "";
  }
}
