/** Reads the file in which JavaScriptCore says what machine code it made (perf's jitdump format). */
import { readFileSync } from "node:fs";

const JIT_CODE_LOAD = 0;
const RECORD_HEADER = 16;
const LOAD_HEADER = 56;

/** A piece of code. */
interface Code {
  readonly start: number;
  readonly end: number;
  /** Seconds of CLOCK_MONOTONIC. */
  readonly time: number;
  readonly name: string;
}

/** The pieces of code of one process over time. */
export class JITDump {
  /** By 64-byte line of addresses, in order of time. */
  readonly lines: Map<number, Code[]> = new Map();

  constructor(path: string) {
    const b = readFileSync(path);
    let at = b.length >= 12 ? b.readUInt32LE(8) : b.length;
    while (at + RECORD_HEADER <= b.length) {
      const size = b.readUInt32LE(at + 4);
      if (size < RECORD_HEADER || at + size > b.length) break;
      if (b.readUInt32LE(at) === JIT_CODE_LOAD) {
        const start = Number(b.readBigUInt64LE(at + 32));
        const end = start + Number(b.readBigUInt64LE(at + 40));
        const text = b.toString("utf8", at + LOAD_HEADER, b.indexOf(0, at + LOAD_HEADER));
        this.add({ start, end, time: Number(b.readBigUInt64LE(at + 8)) / 1e9, name: text });
      }
      at += size;
    }
  }

  add(code: Code): void {
    for (let line = Math.floor(code.start / 64); line * 64 < code.end; line++) {
      const list = this.lines.get(line);
      if (list === undefined) this.lines.set(line, [code]);
      else list.push(code);
    }
  }

  /** What code an address was at a time (seconds), or null. */
  find(address: number, time: number): string | null {
    let found: string | null = null;
    for (const c of this.lines.get(Math.floor(address / 64)) ?? []) {
      if (address >= c.start && address < c.end && (c.time <= time || found === null)) found = c.name;
    }
    return found;
  }
}
