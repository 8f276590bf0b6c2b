import * as host from "../../pkg/hostsyscall/index.ts";
import { type BootSpec, FD } from "./spec.ts";

/** The command cannot be run; a message for the user and the exit code that says so (127, 126, 128). */
export class StartError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** Placeholder. */
export class Loader {
  readonly spec: BootSpec;
  constructor(spec: BootSpec) {
    this.spec = spec;
  }
  logPanic(text: string): void {
    host.write(FD.log, Buffer.from(`${text}\n`));
  }
  start(): void {
    const line = Buffer.from(`placeholder: ${this.spec.argv.join(" ")}\n`);
    host.write(FD.stdio + 1, line);
  }
  run(): number {
    const b = new Uint8Array(1);
    const t0 = Date.now();
    let x: unknown[] = [];
    while (Date.now() - t0 < Number(this.spec.argv[1] ?? 0)) {
      x.push({ a: x.length });
      if (x.length > 100000) x = [];
    }
    if (this.spec.argv[0] === "wait") host.read(FD.control, b);
    return 42 << 8;
  }
}
