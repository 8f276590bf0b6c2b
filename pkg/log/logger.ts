/** The logger. */
import { nameOf } from "../errors/linuxerr/index.ts";
import { write } from "../hostsyscall/index.ts";
import { stateType } from "../state/index.ts";

/** Levels, from quiet to chatty; a logger writes its own level and those below. */
export const WARNING = 0;
export const INFO = 1;
export const DEBUG = 2;
/** One of the above. */
export type Level = 0 | 1 | 2;

/** "text" is one readable line; "json" is what runtimes give container engines: {"level","msg","time"}. */
export type LogFormat = "text" | "json";

/** The level of a name ("warning", "info", "debug"), or null. */
export function parseLevel(name: string): Level | null {
  switch (name.toLowerCase()) {
    case "warning":
      return WARNING;
    case "info":
      return INFO;
    case "debug":
      return DEBUG;
    default:
      return null;
  }
}

const LETTERS = "WID";
const NAMES = ["warning", "info", "debug"] as const;

/** The text with everything but printable ASCII escaped. */
function printable(s: string): string {
  if (/^[\x20-\x7e]*$/.test(s)) {
    return s;
  }
  return s.replace(/[^\x20-\x7e]/g, (c) => {
    const n = c.charCodeAt(0);
    return c === "\n"
      ? "\\n"
      : c === "\t"
        ? "\\t"
        : n < 256
          ? `\\x${n.toString(16).padStart(2, "0")}`
          : `\\u${n.toString(16).padStart(4, "0")}`;
  });
}

/** Writes lines to one descriptor. */
export class Logger {
  static readonly stateType = stateType("log.Logger", ["level", "format", "debugOn", "infoOn"], ["fd", "bytes"]);
  /** Where lines go; -1 discards them. */
  fd: number;
  level: Level;
  format: LogFormat;
  /** Whether debug() writes anything: check it before building a message. */
  debugOn: boolean;
  /** Whether info() writes anything. */
  infoOn: boolean;
  private readonly bytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(8192));

  constructor(fd: number, level: Level, format: LogFormat = "text") {
    this.fd = fd;
    this.format = format;
    this.level = level;
    this.debugOn = level >= DEBUG;
    this.infoOn = level >= INFO;
  }

  /** Changes the level. */
  setLevel(level: Level): void {
    this.level = level;
    this.debugOn = level >= DEBUG;
    this.infoOn = level >= INFO;
  }

  /** Detail for finding bugs. `who` names the part of the program, or the task. */
  debug(who: string, message: string): void {
    if (this.debugOn) {
      this.emit(DEBUG, who, message);
    }
  }

  /** A normal event worth knowing. */
  info(who: string, message: string): void {
    if (this.infoOn) {
      this.emit(INFO, who, message);
    }
  }

  /** Something is wrong. */
  warning(who: string, message: string): void {
    this.emit(WARNING, who, message);
  }

  /** A host call failed: "who: what: EACCES". `result` is the negative errno it returned. */
  failure(who: string, what: string, result: number): void {
    this.emit(WARNING, who, `${what}: ${nameOf(-result)}`);
  }

  /** An exception, one line per frame of its stack. */
  exception(who: string, error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ""}` : String(error);
    for (const line of text.split("\n")) {
      this.emit(WARNING, who, line);
    }
  }

  private emit(level: Level, who: string, message: string): void {
    if (this.fd < 0) {
      return;
    }
    const time = new Date().toISOString();
    const line =
      this.format === "json"
        ? JSON.stringify({ level: NAMES[level], msg: `${printable(who)}: ${printable(message)}`, time })
        : `${LETTERS[level] ?? ""} ${time} ${printable(who)}: ${printable(message)}`;
    const bytes = this.bytes;
    const n = Math.min(line.length, bytes.length - 1);
    for (let i = 0; i < n; i++) {
      bytes[i] = line.charCodeAt(i);
    }
    bytes[n] = 10;
    // One write per line keeps lines of several processes whole. An interrupted or refused line is lost.
    write(this.fd, bytes, 0, n + 1);
  }
}
