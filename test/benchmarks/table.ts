/** The figures as people read them. */
import type { Line, Statistic } from "./lines.ts";

/** What one system did in one line. */
export interface Result {
  /** Nanoseconds or bytes of each run. */
  readonly runs: readonly number[];
  /** The figure; null: there is none. */
  readonly value: number | null;
  /** Why there is none: "timeout", "failed: ...". */
  readonly error: string;
}

/** A line with the results of the systems by name. */
export interface Row {
  readonly line: Line;
  readonly results: Readonly<Record<string, Result>>;
  /** CPUs that others kept busy while the host's figure was taken. */
  readonly disturbance: number;
}

/** From so many CPUs on a ratio to the host says little: it is too good. */
export const DISTURBED = 0.25;

/** The figure of some runs. */
export function figure(runs: readonly number[], statistic: Statistic): number | null {
  if (runs.length === 0) return null;
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (statistic === "min") return sorted[0] ?? null;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}

/** Three significant digits. */
function digits(v: number): string {
  return v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2);
}

/** A figure with its unit. */
export function format(v: number, unit: Line["unit"]): string {
  if (unit === "bytes") return `${digits(v / 1e6)} MB`;
  if (v < 1e3) return `${digits(v)} ns`;
  if (v < 1e6) return `${digits(v / 1e3)} us`;
  if (v < 1e9) return `${digits(v / 1e6)} ms`;
  return `${digits(v / 1e9)} s`;
}

/** a/b of two results, or null. */
export function ratio(a: Result | undefined, b: Result | undefined): number | null {
  return a?.value == null || b?.value == null || b.value <= 0 ? null : a.value / b.value;
}

/** Whether a line does what is asked of it; null: nothing is, or it could not be measured. */
export function meets(row: Row, wanted: string): boolean | null {
  const m = /^([\d.]+) ?(x|ms|MB)$/.exec(wanted);
  if (m === null) return null;
  const ours = row.results["ours"];
  const value = m[2] === "x" ? ratio(ours, row.results["host"]) : (ours?.value ?? null);
  if (value === null) return null;
  return value <= Number(m[1]) * (m[2] === "x" ? 1 : 1e6);
}

/** Widths of the table's columns. */
const WIDTHS = [44, 10, 10, 10, 8, 8, 8, 14] as const;

/** Cells in a row. */
function cells(texts: readonly string[]): string {
  return texts.map((t, i) => (i === 0 ? t.padEnd(WIDTHS[i] ?? 0) : t.padStart(WIDTHS[i] ?? 0))).join(" ");
}

/** The head of the table. */
export function headLines(): string {
  const head = cells(["", "host", "gVisor", "ours", "gV/host", "us/host", "us/gV", "must / aim"]);
  return `${head}\n${"-".repeat(head.length)}`;
}

/** One row of the table. */
export function rowLine(row: Row): string {
  const show = (name: string): string => {
    const r = row.results[name];
    if (r === undefined) return "";
    return r.value === null ? r.error.split(":")[0] || "-" : format(r.value, row.line.unit);
  };
  const x = (a: string, b: string): string => {
    const v = ratio(row.results[a], row.results[b]);
    return v === null ? "" : `${digits(v)}x`;
  };
  const { must, aim } = row.line;
  const mark =
    row.disturbance >= DISTURBED && !/ms|MB/.test(must)
      ? " ? "
      : must === ""
        ? ""
        : meets(row, aim)
          ? " **"
          : meets(row, must)
            ? " * "
            : "   ";
  return cells([
    row.line.name,
    show("host"),
    show("gvisor"),
    show("ours"),
    x("gvisor", "host"),
    x("ours", "host"),
    x("ours", "gvisor"),
    must === "" ? mark : `${must}/${aim}${mark}`,
  ]).trimEnd();
}
