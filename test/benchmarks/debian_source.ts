/** Fetches the source of a Debian package, for builds of real programs. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, extname, join } from "node:path";

const APT = "/etc/apt";

/** apt's lists of the host, as lists of sources instead of programs: one-line and deb822 style (sources.list(5)). */
function writeSourceLists(parts: string): void {
  const lists = [
    join(APT, "sources.list"),
    ...(existsSync(join(APT, "sources.list.d"))
      ? readdirSync(join(APT, "sources.list.d")).map((name) => join(APT, "sources.list.d", name))
      : []),
  ];
  lists.forEach((path, i) => {
    const kind = extname(path);
    if (!existsSync(path) || (kind !== ".list" && kind !== ".sources")) return;
    const text = readFileSync(path, "utf8");
    const sources =
      kind === ".sources"
        ? text.replace(/^Types:.*$/gm, "Types: deb-src")
        : text.replace(/^deb-src .*$/gm, "").replace(/^deb /gm, "deb-src ");
    writeFileSync(join(parts, `${i}${kind}`), sources);
  });
}

/** Runs a program; an error with what it said when it fails. */
function run(argv: readonly string[], cwd: string): void {
  const r = spawnSync(argv[0] ?? "", argv.slice(1), { cwd, encoding: "utf8", timeout: 120_000 });
  if (r.error !== undefined) throw r.error;
  if (r.status !== 0) throw new Error(`${argv[0]}: ${r.stderr.trim().split("\n").at(-1) ?? r.status}`);
}

/**
 * Copies the unpacked upstream source of a package to `target`. It is fetched from where the host's apt fetches programs, which checks its signature,
 * with lists of its own: the host's are left alone. `cache` keeps it for the next time. Throws when there is no apt or no such source.
 */
export function copyDebianSource(name: string, cache: string, target: string): void {
  const kept = join(cache, name);
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    const dir = mkdtempSync(join(cache, "fetch-"));
    try {
      for (const d of ["parts", "lists/partial", "archives/partial", "source", "tree"]) {
        mkdirSync(join(dir, d), { recursive: true });
      }
      writeSourceLists(join(dir, "parts"));
      const options = Object.entries({
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": join(dir, "parts"),
        "Dir::State::lists": join(dir, "lists"),
        "Dir::Cache": dir,
        "APT::Sandbox::User": "root",
      }).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
      run(["apt-get", "-q", ...options, "update"], dir);
      run(["apt-get", "-q", ...options, "source", "--download-only", name], join(dir, "source"));
      const archive = readdirSync(join(dir, "source")).find((f) => /\.orig\.tar\.\w+$/.test(f));
      if (archive === undefined) throw new Error(`${name}: no upstream archive`);
      run(["tar", "-xf", join(dir, "source", archive), "--strip-components=1", "--no-same-owner"], join(dir, "tree"));
      renameSync(join(dir, "tree"), kept);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  mkdirSync(dirname(target), { recursive: true });
  cpSync(kept, target, { recursive: true });
}
