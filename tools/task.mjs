/**
 * The repository's task runner, behind every npm script. Plain JavaScript for Node, because on a fresh clone Node and npm are
 * all there is: it installs the pinned dependencies when they are missing and hands the rest to the pinned Bun.
 *
 *   node tools/task.mjs demo|test|test:full|bench|build|typecheck|lint|format [suite...]
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const bun = join(root, "node_modules/.bin/bun");

/** The suites of `npm test`, in order. `limit` is in seconds and ends a suite that hangs. */
const suites = [
  { name: "unit", paths: ["pkg", "runsc", "tools"], limit: 240 },
  { name: "syscalls", paths: ["test/syscalls"], limit: 300 },
  { name: "e2e", paths: ["test/e2e"], limit: 300 },
  { name: "security", paths: ["test/security"], limit: 180 },
  { name: "stress", paths: ["test/stress"], limit: 180 },
];

/** `npm run test:full`: what the suites do there at greater length. */
const FULL = { env: { RUNSC_STRESS_SECONDS: "1800" }, extra: { stress: 2000 } };

/** Prints a line and ends with an exit code. */
function fail(message, code = 1) {
  console.error(`task: ${message}`);
  process.exit(code);
}

/** Runs a command with the terminal's output and no input; answers whether it succeeded. */
function run(cmd, args, options = {}) {
  const r = spawnSync(cmd, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], ...options });
  if (r.error) console.error(`task: ${cmd}: ${r.error.message}`);
  return r.status === 0;
}

/** Whether node_modules holds what package-lock.json asks for. */
function installed() {
  let want;
  let have;
  try {
    want = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
    have = JSON.parse(readFileSync(join(root, "node_modules/.package-lock.json"), "utf8")).packages;
  } catch {
    return false;
  }
  for (const [path, p] of Object.entries(want)) {
    if (path === "") continue;
    const h = have[path];
    if (h === undefined ? !p.optional : h.version !== p.version) return false;
  }
  return bunWorks(bun);
}

/** Whether this is a Bun of the pinned version. */
function bunWorks(path) {
  const want = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies.bun;
  const r = spawnSync(path, ["--version"], { encoding: "utf8" });
  return r.status === 0 && r.stdout.trim() === want;
}

/** Installs the locked dependencies when they are missing or of other versions. */
function install() {
  if (process.platform !== "linux" || process.arch !== "x64") fail("runsc needs Linux on x86-64");
  if (installed()) return;
  console.log("== install: npm ci");
  if (!run("npm", ["ci", "--no-audit", "--no-fund"])) fail("npm ci failed");
  // Where npm runs no scripts of packages, Bun has not put its executable into place yet.
  if (!bunWorks(bun)) run(process.execPath, ["install.js"], { cwd: join(root, "node_modules/bun") });
  if (!installed()) fail("the pinned Bun does not run after npm ci");
}

const tasks = {
  build() {
    console.log("== build: bin/runsc");
    return run(bun, ["tools/build.ts"]);
  },
  typecheck() {
    console.log("== typecheck: tsc");
    return run(join(root, "node_modules/.bin/tsc"), ["--noEmit"]);
  },
  lint() {
    console.log("== lint: biome, tools/lint.ts");
    const a = run(join(root, "node_modules/.bin/biome"), ["check", "--error-on-warnings", "."]);
    const b = run(bun, ["tools/lint.ts"]);
    return a && b;
  },
  format() {
    return run(join(root, "node_modules/.bin/biome"), ["check", "--write", "."]);
  },
  demo() {
    return tasks.build() && run(bun, ["tools/demo.ts"]);
  },
  bench(args) {
    return tasks.build() && run(bun, ["test/benchmarks/bench.ts", ...args]);
  },
  test(names) {
    return test(names);
  },
  "test:full"(names) {
    Object.assign(process.env, FULL.env);
    for (const suite of suites) suite.limit += FULL.extra[suite.name] ?? 0;
    return test(names);
  },
};

/** The number in an attribute of the first <testsuites> of a JUnit report. */
function attribute(xml, name) {
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  return Number(new RegExp(`\\b${name}="([0-9.]+)"`).exec(head)?.[1] ?? 0);
}

/**
 * Runs a command as a process group of its own, with a time limit in seconds. At the limit, and when this process is told
 * to end, the whole group is killed. Answers its exit code, or "timeout".
 */
function runGroup(cmd, args, limit) {
  return new Promise((resolve) => {
    const child = spawn(cmd, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], detached: true });
    const kill = () => {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // The group is gone already.
      }
    };
    const end = () => {
      kill();
      process.exit(130);
    };
    for (const s of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(s, end);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      kill();
    }, limit * 1000);
    const done = (status) => {
      clearTimeout(timer);
      for (const s of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(s, end);
      kill();
      resolve(timedOut ? "timeout" : status);
    };
    child.on("error", (e) => {
      console.error(`task: ${cmd}: ${e.message}`);
      done(1);
    });
    child.on("exit", (code) => done(code ?? 1));
  });
}

/** Runs one suite under `bun test`; answers its counts. */
async function runSuite(suite) {
  const paths = suite.paths.filter((p) => existsSync(join(root, p)));
  mkdirSync(join(root, "build"), { recursive: true });
  const report = join(root, "build", `junit-${suite.name}.xml`);
  rmSync(report, { force: true });
  console.log(`\n== suite ${suite.name}: bun test ${paths.join(" ")}`);
  const started = Date.now();
  const status = await runGroup(
    bun,
    ["test", "--timeout=60000", "--reporter=junit", `--reporter-outfile=${report}`, ...paths.map((p) => `./${p}/`)],
    suite.limit,
  );
  const seconds = (Date.now() - started) / 1000;
  let xml = "";
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    // No report: the suite died or found nothing, which its exit status or a count of zero shows below.
  }
  const tests = attribute(xml, "tests");
  const failed = attribute(xml, "failures") + attribute(xml, "errors");
  const skipped = attribute(xml, "skipped");
  const ok = status === 0 && failed === 0 && tests > 0;
  if (status === "timeout") console.error(`task: suite ${suite.name} was ended after ${suite.limit} s`);
  else if (tests === 0) console.error(`task: suite ${suite.name} ran no test`);
  return { name: suite.name, ok, tests, failed, skipped, seconds };
}

/** `npm test`: everything, or only the suites named. */
async function test(names) {
  const started = Date.now();
  for (const n of names) if (!suites.some((s) => s.name === n)) fail(`no suite "${n}"`, 2);
  const chosen = names.length === 0 ? suites : suites.filter((s) => names.includes(s.name));
  const checks = [["build", tasks.build()]];
  if (names.length === 0) {
    checks.push(["typecheck", tasks.typecheck()]);
    checks.push(["lint", tasks.lint()]);
  }
  const results = [];
  if (checks[0][1]) for (const suite of chosen) results.push(await runSuite(suite));
  console.log("\n== summary");
  for (const [name, ok] of checks) console.log(`${ok ? "ok  " : "FAIL"}  ${name}`);
  let tests = 0;
  let failed = 0;
  let skipped = 0;
  let ok = checks.every(([, good]) => good);
  for (const r of results) {
    console.log(
      `${r.ok ? "ok  " : "FAIL"}  ${r.name}: ${r.tests} tests, ${r.failed} failed, ${r.skipped} skipped, ${r.seconds.toFixed(1)} s`,
    );
    tests += r.tests;
    failed += r.failed;
    skipped += r.skipped;
    ok = ok && r.ok;
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  console.log(
    `${ok ? "PASS" : "FAIL"} in ${seconds} s\n\ntests: ${tests - failed - skipped} passed, ${failed} failed, ${skipped} skipped`,
  );
  return ok;
}

const [name, ...rest] = process.argv.slice(2);
const task = name === undefined || !Object.hasOwn(tasks, name) ? undefined : tasks[name];
if (task === undefined) fail(`usage: node tools/task.mjs ${Object.keys(tasks).join("|")}`, 2);
install();
process.exit((await task(rest)) ? 0 : 1);
