/**
 * Runs a few real programs in sandboxes and shows what they did, and what the host has of it afterwards.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dir);
const runsc = join(root, "bin/runsc");
const log = join(root, "build/demo.log");
mkdirSync(dirname(log), { recursive: true });
let good = true;

/** Prints a heading. */
function say(text: string): void {
  console.log(`\n-- ${text}`);
}

/** Runs a command in a sandbox and shows it; answers its output. */
function show(argv: readonly string[], flags: readonly string[] = [], wanted = 0): string {
  console.log(`$ bin/runsc ${[...flags, "do", ...argv.map((a) => (/^[\w/.:=-]+$/.test(a) ? a : `'${a}'`))].join(" ")}`);
  const started = performance.now();
  const r = spawnSync(runsc, [...flags, "do", "--", ...argv], {
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
  });
  const ms = (performance.now() - started).toFixed(0);
  writeSync(1, r.stdout + r.stderr);
  console.log(`[exit ${r.status ?? r.signal}, ${ms} ms]`);
  if (r.status !== wanted) good = false;
  return r.stdout;
}

say("a program of the host, its files read through our kernel");
show(["/bin/sh", "-c", "echo \"hello from pid $$ of $(uname -sr)\"; ls / | head -n 5 | tr '\\n' ' '; echo"]);

say("what it writes stays in the sandbox");
const dir = join(root, "build/demo");
mkdirSync(dir, { recursive: true });
writeFileSync(join(dir, "precious"), "of the host\n");
show(
  [
    "/bin/sh",
    "-c",
    `echo changed > /etc/runsc-demo; cat /etc/runsc-demo; cat ${dir}/precious; rm -r ${dir}; ls ${dir}`,
  ],
  [],
  2,
);
const intact = !existsSync("/etc/runsc-demo") && readFileSync(join(dir, "precious"), "utf8") === "of the host\n";
console.log(intact ? `on the host: no /etc/runsc-demo, and ${dir}/precious is still there` : "the host was changed!");
if (!intact) good = false;
rmSync(dir, { recursive: true, force: true });

say("the same result as on the host");
const sum = show(["/usr/bin/sha256sum", "/bin/sh"]);
const want = spawnSync("/usr/bin/sha256sum", ["/bin/sh"], { encoding: "utf8" }).stdout;
console.log(sum === want ? "equal to the host's" : `the host says: ${want}`);
if (sum !== want) good = false;

say("exit codes are the command's");
show(["/bin/sh", "-c", "exit 42"], [], 42);

say("the system calls it made, each answered by our kernel");
rmSync(log, { force: true });
show(["/bin/cat", "/etc/hostname"], [`--debug-log=${log}`, "--strace"]);
const calls = readFileSync(log, "utf8")
  .split("\n")
  .filter((l) => / = /.test(l));
for (const l of calls.slice(-8)) console.log(l);
console.log(`${calls.length} system calls, all in ${log}`);
if (calls.length === 0) good = false;

console.log(good ? "\ndemo: all as it should be" : "\ndemo: something above is not as it should be");
process.exit(good ? 0 : 1);
