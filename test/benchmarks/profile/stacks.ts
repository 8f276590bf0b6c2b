/** Samples as stacks of names, from JavaScriptCore's profiler and from perf, and what can be said of them. */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import type { JITDump } from "./jitdump.ts";

/** One sample: names from the outermost caller to where it was, with a count. */
export interface Stack {
  readonly frames: readonly string[];
  /** Which part of the machine worked: the first column of the report. */
  readonly place: string;
}

/** What is read of a frame in JavaScriptCore's samples. */
interface Frame {
  readonly name?: string;
  readonly sourceURL?: string;
}

/** The samples that bun:jsc's profile() wrote. `after`: seconds at the begin that are left out. */
export function readSampler(path: string, root: string, after: number): Stack[] {
  const data = JSON.parse(readFileSync(path, "utf8")) as {
    stackTraces: { traces: readonly { timestamp: number; frames: readonly Frame[] }[] };
  };
  const traces = data.stackTraces.traces;
  const begin = (traces[0]?.timestamp ?? 0) + after;
  return traces
    .filter((t) => t.timestamp >= begin)
    .map((t) => {
      const frames = t.frames.map((f) => frameName(f, root)).reverse();
      // What called run() is the same in all.
      const from = frames.findIndex((f) => f.startsWith("runLoop "));
      return { frames: from < 0 ? frames : frames.slice(from), place: layer(t.frames[0]?.sourceURL ?? "", root) };
    });
}

/** A function with its file. */
function frameName(f: Frame, root: string): string {
  const name = f.name === undefined || f.name === "" ? "(anonymous)" : f.name;
  const url = f.sourceURL ?? "";
  return url.startsWith("/") ? `${name} ${relative(root, url)}` : name;
}

/** The package that a sample is in. */
function layer(url: string, root: string): string {
  if (!url.startsWith("/")) return "native";
  const path = relative(root, url);
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** Entry points of host system calls in a kernel stack. */
const ENTRY = /^__(?:x64|ia32|se)_sys_(\w+)$/;

/** The samples of `perf script -F comm,pid,tid,time,ip,sym,dso`. `pid` is the sentry. */
export function readPerf(text: string, pid: number, jit: JITDump | null, after: number): Stack[] {
  const out: Stack[] = [];
  let begin = -1;
  for (const block of text.split("\n\n")) {
    const lines = block.split("\n").filter((l) => l !== "");
    const head = /^\s*(.*?)\s+(\d+)\/(\d+)\s+([\d.]+):/.exec(lines[0] ?? "");
    if (head === null) continue;
    const time = Number(head[4]);
    const sampledPID = Number(head[2]);
    if (begin < 0) begin = time;
    if (time < begin + after) continue;
    const sentry = sampledPID === pid;
    const main = sentry && Number(head[3]) === pid;
    const frames: string[] = [];
    let call = "";
    let kernel = false;
    let javascript = false;
    let own = false;
    lines.slice(1).forEach((line, depth) => {
      const m = /^\s*([0-9a-f]+) (.*) \(([^()]*(?:\(deleted\))?)\)$/.exec(line);
      if (m === null) return;
      const symbol = (m[2] ?? "").replace(/\+0x[0-9a-f]+$/, "");
      const dso = m[3] ?? "";
      if (dso.startsWith("[kernel")) {
        if (depth === 0) kernel = true;
        call ||= ENTRY.exec(symbol)?.[1] ?? "";
        frames.push(symbol);
        return;
      }
      const name = sentry ? (jit?.find(Number.parseInt(m[1] ?? "0", 16), time) ?? null) : null;
      if (name !== null) {
        const short = name.replace(/^JSC-(\w+): /, "").replace(/#\w+$/, "");
        if (depth === 0) javascript = true;
        if (/^JSC-(Baseline|DFG|FTL): /.test(name)) frames.push(short === "" ? "(anonymous)" : short);
        else if (depth === 0) frames.push(`(${short})`);
      } else if (dso.endsWith("/bun.exe") || dso.endsWith("/bun") || dso.endsWith("/runsc")) {
        // Without symbols the frames say nothing but that it is the runtime's own code.
        if (depth === 0) frames.push("(runtime)");
      } else if (depth === 0) {
        own = /anon|^\[?unknown|perf-\d+\.map/.test(dso);
        frames.push(own ? "(native/*.c)" : symbol === "[unknown]" ? dso : symbol);
      }
    });
    frames.reverse();
    const where = kernel
      ? `host kernel: ${call === "" ? "other" : call}`
      : javascript
        ? "JavaScript"
        : own
          ? "native/*.c"
          : "runtime: interpreter, compiler, collector, FFI";
    const place = main
      ? `sentry, ${where}`
      : sentry
        ? "sentry, other threads"
        : kernel
          ? "guest, host kernel"
          : "guest, own code";
    out.push({ frames: [main ? "sentry" : sentry ? "threads" : "guest", ...frames], place });
  }
  return out;
}

/** Counts by a key of each stack, the largest first. */
function countBy(stacks: readonly Stack[], keys: (s: Stack) => Iterable<string>): [string, number][] {
  const counts = new Map<string, number>();
  for (const s of stacks) for (const k of keys(s)) counts.set(k, (counts.get(k) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

/** Shares as lines. */
function shares(counts: readonly [string, number][], total: number, top: number): string {
  return counts
    .slice(0, top)
    .map(([name, n]) => `${((100 * n) / total).toFixed(1).padStart(6)}%  ${name}`)
    .join("\n");
}

/** The report on some samples. */
export function report(stacks: readonly Stack[], top: number): string {
  const n = stacks.length;
  if (n === 0) return "no samples\n";
  const places = countBy(stacks, (s) => [s.place]);
  const self = countBy(stacks, (s) => [s.frames.at(-1) ?? ""]);
  const all = countBy(stacks, (s) => new Set(s.frames));
  return [
    `${n} samples`,
    `\nwhere:\n${shares(places, n, top)}`,
    `\nitself:\n${shares(self, n, top)}`,
    `\nwith what it calls:\n${shares(all, n, top * 2)}`,
    "",
  ].join("\n");
}

/** One line a stack, as flame graph tools read them. */
export function folded(stacks: readonly Stack[]): string {
  const counts = countBy(stacks, (s) => [s.frames.map((f) => f.replaceAll(";", ",")).join(";")]);
  return counts.map(([k, n]) => `${k} ${n}\n`).join("");
}
