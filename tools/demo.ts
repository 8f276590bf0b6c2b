/**
 * Runs a few real programs in sandboxes and shows what they did, and what the host has of it afterwards.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
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
  process.stdout.write(r.stdout + r.stderr);
  console.log(`[exit ${r.status ?? r.signal}, ${ms} ms]`);
  if (r.status !== wanted) good = false;
  return r.stdout;
}

say("a program of the host, its files read through our kernel");
show(["/bin/sh", "-c", "echo \"hello from pid $$ of $(uname -sr)\"; ls / | head -n 5 | tr '\\n' ' '; echo"]);

say("what it writes stays in the sandbox");
show(["/bin/sh", "-c", "echo changed > /etc/runsc-demo; cat /etc/runsc-demo; rm -rf /usr/share; ls /usr"]);
const leaked = existsSync("/etc/runsc-demo") || !existsSync("/usr/share");
console.log(leaked ? "the host was changed!" : "on the host: no /etc/runsc-demo, and /usr/share is still there");
if (leaked) good = false;

say("the same result as on the host");
const sum = show(["/usr/bin/sha256sum", "/bin/sh"]);
const want = spawnSync("/usr/bin/sha256sum", ["/bin/sh"], { encoding: "utf8" }).stdout;
console.log(sum === want ? "equal to the host's" : `the host says: ${want}`);
if (sum !== want) good = false;

say("exit codes are the command's");
show(["/bin/sh", "-c", "exit 42"], [], 42);

say("what system calls it made: none of them went to the host");
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
