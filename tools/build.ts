/**
 * Makes bin/runsc, one executable with Bun, the bundled program as bytecode and the compiled C inside.
 *
 * The executable reads no `.env` and no `bunfig.toml` from where it is started.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { nativeImages } from "./native_image.ts";

const root = dirname(import.meta.dir);
const out = join(root, "bin/runsc");
// Built beside its final place and renamed: a running bin/runsc cannot be written to, and nobody sees half of one.
const temporary = join(root, `bin/.runsc-${process.pid}`);
mkdirSync(dirname(out), { recursive: true });
const started = performance.now();
const r = spawnSync(
  process.execPath,
  [
    "build",
    "--compile",
    "--bytecode",
    "--format=esm",
    // What a process does not import is not even read: the sandbox process has no command line parser, the launcher no kernel.
    "--splitting",
    "--target=bun",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    // yargs asks for the terminal's width when it is loaded. Making the real process.stdout sets O_NONBLOCK on a description that
    // others share, the sandboxed command among them; runsc itself uses no such stream.
    '--define=process.stdout={"columns":80}',
    `--define=NATIVE_IMAGES=${JSON.stringify(nativeImages())}`,
    `--outfile=${temporary}`,
    join(root, "runsc/cli/main.ts"),
  ],
  { cwd: root, stdio: ["ignore", "pipe", "inherit"], encoding: "utf8" },
);
if (r.status !== 0) {
  process.stdout.write(r.stdout);
  rmSync(temporary, { force: true });
  process.exit(1);
}
renameSync(temporary, out);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`bin/runsc: ${(statSync(out).size / 1048576).toFixed(0)} MiB, built in ${seconds} s`);
