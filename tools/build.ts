/**
 * Makes bin/runsc, one executable with Bun, the bundled program as bytecode and the compiled C inside.
 *
 * The executable reads no `.env` and no `bunfig.toml` from where it is started.
 */
import { mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { nativeImages } from "./native_image.ts";

const root = dirname(import.meta.dir);
const out = join(root, "bin/runsc");
// Built beside its final place and renamed: a running bin/runsc cannot be written to, and nobody sees half of one.
const temporary = join(root, `bin/.runsc-${process.pid}`);
mkdirSync(dirname(out), { recursive: true });
const started = performance.now();

const define: Readonly<Record<string, string>> = {
  // yargs asks for the terminal's width when it is loaded. Making the real process.stdout sets O_NONBLOCK on a description that
  // others share, the sandboxed command among them; runsc itself uses no such stream.
  "process.stdout": '{"columns":80}',
  NATIVE_IMAGES: JSON.stringify(nativeImages()),
};

/** What a module that main.ts imports later becomes when it is bundled with all it needs. */
async function bundle(path: string): Promise<string> {
  const r = await Bun.build({ entrypoints: [path], target: "bun", format: "esm", define });
  const [output] = r.outputs;
  if (output === undefined) throw new AggregateError(r.logs, `bundling ${path}`);
  return await output.text();
}

// The sandbox process's program is a bundle of its own. Parts that it shared with the command line's would be modules between which some hundred
// names had to be resolved at each start.
const boot = await bundle(join(root, "runsc/boot/main.ts"));
const r = await Bun.build({
  entrypoints: [join(root, "runsc/cli/main.ts")],
  target: "bun",
  format: "esm",
  bytecode: true,
  // What a process does not import is not even read: the sandbox process has no command line, the launcher no kernel.
  splitting: true,
  define,
  plugins: [
    {
      name: "boot",
      setup(build): void {
        build.onLoad({ filter: /\/runsc\/boot\/main\.ts$/ }, () => ({ contents: boot, loader: "js" }));
      },
    },
  ],
  compile: {
    outfile: temporary,
    autoloadDotenv: false,
    autoloadBunfig: false,
    // What runs once is not compiled: ten times as hot as otherwise is not hot enough. The sandbox process ends that when the command starts.
    jitPolicy: 10,
  },
});
if (!r.success) {
  for (const l of r.logs) console.log(String(l));
  rmSync(temporary, { force: true });
  process.exit(1);
}
renameSync(temporary, out);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`bin/runsc: ${(statSync(out).size / 1048576).toFixed(0)} MiB, built in ${seconds} s`);
