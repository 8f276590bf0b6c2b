/**
 * Profiles the sentry while a command runs: `bun test/benchmarks/profile/profile.ts [options] -- COMMAND [ARGUMENT...]`.
 *
 * The command runs twice, in a sentry started from source and without confinement: once under JavaScriptCore's sampling profiler, which
 * knows every JavaScript function, inlined ones too, and counts waiting; once under perf(1), when it is there, which counts time on a
 * CPU and knows the host kernel's share by host call.
 *
 *   --interval=US   between samples of the first (default 250)
 *   --after=S       leaves the first seconds of each out: code that is not compiled yet
 *   --top=N         lines of each list (default 20)
 *   --folded=FILE   the stacks of the first, one a line, for flame graph tools
 *   --svg=FILE      a flame graph of the first
 *   --perf-svg=FILE a flame graph of the second
 *   --no-perf       only the first
 *   --no-sampler    only the second
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, hostname, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import * as host from "../../../pkg/hostsyscall/index.ts";
import { type BootSpec, encodeSpec, FD } from "../../../runsc/boot/index.ts";
import { bootEnvironment } from "../../../runsc/sandbox/sandbox.ts";
import { which } from "../systems.ts";
import { flameGraph } from "./flame_graph.ts";
import { JITDump } from "./jitdump.ts";
import { folded, readPerf, readSampler, report } from "./stacks.ts";

const O_PATH_DIRECTORY = 0x200000 | 0x10000 | 0x80000;
const root = dirname(dirname(dirname(import.meta.dir)));

/** The sandbox process's own, without which the figures would be another program's. */
const environment: readonly string[] = [...bootEnvironment, `PATH=${process.env["PATH"] ?? ""}`];

const { values: options, positionals: command } = parseArgs({
  allowPositionals: true,
  options: {
    interval: { type: "string", default: "250" },
    after: { type: "string", default: "0" },
    top: { type: "string", default: "20" },
    folded: { type: "string", default: "" },
    svg: { type: "string", default: "" },
    "perf-svg": { type: "string", default: "" },
    "no-perf": { type: "boolean", default: false },
    "no-sampler": { type: "boolean", default: false },
  },
});
if (command.length === 0) {
  console.error("profile: no command given");
  process.exit(2);
}
const dir = mkdtempSync(join(tmpdir(), "runsc-profile-"));

/** Runs the command in an unconfined sentry behind `prefix`; answers the wait status. */
function runSentry(prefix: readonly string[], env: readonly string[]): number {
  const spec: BootSpec = {
    argv: command,
    env: [`PATH=${process.env["PATH"] ?? ""}`, "HOME=/root"],
    cwd: "/",
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    groups: [],
    rlimits: [],
    umask: 0o22,
    hostname: hostname(),
    debug: false,
    strace: false,
    platform: "systrap",
    systrapPatching: true,
    fileAccess: "timed",
    cpus: availableParallelism(),
    memory: totalmem(),
  };
  writeFileSync(join(dir, "spec"), encodeSpec(spec));
  const nothing = openSync("/dev/null", "r+");
  const fds: number[] = new Array(FD.end).fill(nothing);
  fds[2] = 2;
  fds[FD.spec] = openSync(join(dir, "spec"), "r");
  // A pipe that says nothing and whose other end stays here.
  const control: number[] = [];
  host.pipe2(control, 0x80000);
  fds[FD.control] = control[0] ?? nothing;
  fds[FD.root] = openSync("/", O_PATH_DIRECTORY);
  fds[FD.log] = openSync(join(dir, "log"), "w");
  for (let i = 0; i < 3; i++) fds[FD.stdio + i] = i;
  const argv = [...prefix, process.execPath, join(import.meta.dir, "sentry.ts")];
  const r = host.spawn({
    setsid: true,
    cwd: root,
    fds: fds.map((fd, i) => [fd, i] as const),
    path: argv[0] ?? "",
    argv,
    env: [...environment, ...env],
  });
  if (r.pid < 0) throw new Error(`starting ${argv[0]}: ${r.failed}`);
  const status = new host.HostWaitStatus();
  while (host.wait4(r.pid, 0, status) === -4);
  return status.status;
}

try {
  const after = Number(options.after);
  const top = Number(options.top);
  const title = command.join(" ");
  if (!options["no-sampler"]) {
    const out = join(dir, "samples");
    const status = runSentry([], [`PROFILE_OUT=${out}`, `PROFILE_INTERVAL=${options.interval}`]);
    console.log(`\n== JavaScript, elapsed time (wait status ${status})`);
    const stacks = readSampler(out, root, after);
    console.log(report(stacks, top));
    if (options.folded !== "") writeFileSync(options.folded, folded(stacks));
    if (options.svg !== "") writeFileSync(options.svg, flameGraph(stacks, `${title}: the sentry's elapsed time`));
  }
  const perf = which("perf");
  if (!options["no-perf"] && perf !== null) {
    const data = join(dir, "perf.data");
    const record = [perf, "record", "-q", "-g", "-k", "mono", "-e", "cpu-clock", "-F", "1999", "-o", data];
    const status = runSentry(record, ["BUN_JSC_useJITDump=1", `BUN_JSC_jitDumpDirectory=${dir}`]);
    console.log(`\n== everything, time on a CPU (wait status ${status})`);
    const script = spawnSync(perf, ["script", "-i", data, "-F", "comm,pid,tid,time,ip,sym,dso"], {
      encoding: "latin1",
      maxBuffer: 1 << 30,
      stdio: ["ignore", "pipe", "ignore"],
    });
    // Named jit-THREAD-PROCESS.dump.
    const dumps = readdirSync(dir).filter((f) => /^jit-.*\.dump$/.test(f));
    const sentry = Number(/-(\d+)\.dump$/.exec(dumps.at(-1) ?? "")?.[1] ?? 0);
    const jit = dumps.length === 0 ? null : new JITDump(join(dir, dumps.at(-1) ?? ""));
    const stacks = readPerf(script.stdout, sentry, jit, after);
    console.log(report(stacks, top));
    const graph = options["perf-svg"];
    if (graph !== "") writeFileSync(graph, flameGraph(stacks, `${title}: time on a CPU`));
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
