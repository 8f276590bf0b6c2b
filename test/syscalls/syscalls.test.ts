/**
 * Runs the conformance cases: every linux/*.c is compiled by the system's compiler and run twice, on the host kernel and in the
 * sandbox; each case must pass on both. `RUNSC_TEST_CASES=glob,glob` limits the files.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

/** Cases pass bad pointers and lengths on purpose. */
const QUIET = ["nonnull", "stringop-overflow", "stringop-overread", "array-bounds", "unused-result"].map(
  (w) => `-Wno-${w}`,
);
const FLAGS = ["-O1", "-Wall", "-Werror", ...QUIET, "-pthread"];

const here = import.meta.dir;
const runsc = join(here, "../../bin/runsc");
const work = mkdtempSync(join(tmpdir(), "runsc-syscalls-"));
const only = process.env.RUNSC_TEST_CASES?.split(",").map((g) => new Bun.Glob(g));

afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

/** Result lines by case name. */
function results(output: string): Map<string, string> {
  const lines = new Map<string, string>();
  for (const line of output.split("\n")) {
    const m = /^(?:ok|skip|not ok) ([A-Za-z0-9_]+)/.exec(line);
    if (m?.[1] !== undefined) lines.set(m[1], line);
  }
  return lines;
}

/** Runs a binary; its output, with the exit code and the end of stderr when it printed nothing. */
async function run(cmd: string[]): Promise<{ lines: Map<string, string>; note: string }> {
  const p = Bun.spawn(cmd, { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const timer = setTimeout(() => p.kill("SIGKILL"), 240_000);
  const [out, err] = await Promise.all([new Response(p.stdout).text(), new Response(p.stderr).text()]);
  const code = await p.exited;
  clearTimeout(timer);
  return { lines: results(out), note: `exit ${code}; stderr: ${err.slice(-2000)}` };
}

const names: string[] = readdirSync(join(here, "linux"))
  .filter((f) => f.endsWith(".c"))
  .map((f) => basename(f, ".c"))
  .filter((n) => only === undefined || only.some((g) => g.match(n)))
  .sort();

/** Names of a file's cases, from its text: known before anything runs, so a case that vanishes fails. */
async function casesOf(name: string): Promise<string[]> {
  const text = await Bun.file(join(here, "linux", `${name}.c`)).text();
  return [...text.matchAll(/^TEST(?:_TIMEOUT)?\(([A-Za-z0-9_]+)/gm)].map((m) => m[1] ?? "");
}

for (const name of names) {
  const cases = await casesOf(name);
  describe(name, () => {
    const binary = join(work, name);
    let ready: Promise<{ host: Awaited<ReturnType<typeof run>>; sandbox: Awaited<ReturnType<typeof run>> }> | undefined;
    const both = (): NonNullable<typeof ready> => {
      ready ??= (async () => {
        const cc = Bun.spawn(["cc", ...FLAGS, "-o", binary, join(here, "linux", `${name}.c`), "-lm", "-lrt"], {
          stderr: "pipe",
        });
        const errors = await new Response(cc.stderr).text();
        if ((await cc.exited) !== 0) throw new Error(`compiling ${name}.c failed:\n${errors}`);
        const host = await run([binary]);
        const sandbox = await run([runsc, "do", "--", binary]);
        return { host, sandbox };
      })();
      return ready;
    };
    for (const c of cases) {
      test(c, async () => {
        const { host, sandbox } = await both();
        const onHost = host.lines.get(c) ?? `no result on the host: ${host.note}`;
        const inSandbox = sandbox.lines.get(c) ?? `no result in the sandbox: ${sandbox.note}`;
        expect(onHost).toMatch(/^(ok|skip) /);
        expect(inSandbox).toBe(onHost);
      }, 600_000);
    }
  });
}
