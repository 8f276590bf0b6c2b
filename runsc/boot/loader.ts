import * as host from "../../pkg/hostsyscall/index.ts";
import { type Features, featuresFromAuxv } from "../../pkg/sentry/loader/index.ts";
import { MemoryFile } from "../../pkg/sentry/pgalloc/index.ts";
import type { Platform } from "../../pkg/sentry/platform/platform.ts";
import { loadSystrapNative, SystrapPlatform } from "../../pkg/sentry/platform/systrap/index.ts";
import { Watchdog } from "../../pkg/sentry/watchdog/index.ts";
import { SandboxLog } from "./log.ts";
import { type BootSpec, FD } from "./spec.ts";

/** The command cannot be run; a message for the user and the exit code that says so (127, 126, 128). */
export class StartError extends Error {
  readonly code: number;
  constructor(message: string, code: number) {
    super(message);
    this.code = code;
  }
}

/** What the processor offers, from our own auxiliary vector. */
function readFeatures(): Features {
  const text = host.readFile("/proc/self/auxv");
  if (typeof text === "number") throw new Error(`boot: /proc/self/auxv: ${text}`);
  return featuresFromAuxv(Buffer.from(text, "latin1"));
}

/**
 * Makes a kernel from a specification and runs it. The constructor does what needs the host's files or starts threads and
 * processes; start() builds the rest once this process is confined.
 */
export class Loader {
  readonly spec: BootSpec;
  readonly log: SandboxLog;
  readonly features: Features;
  readonly memoryFile: MemoryFile;
  readonly platform: Platform;
  readonly watchdog: Watchdog;

  constructor(spec: BootSpec) {
    this.spec = spec;
    this.log = new SandboxLog(FD.log, spec.debug, false);
    this.features = readFeatures();
    this.memoryFile = new MemoryFile();
    this.platform = new SystrapPlatform(loadSystrapNative(), this.memoryFile, this.log);
    this.watchdog = new Watchdog({ logFD: FD.log });
    const r = this.watchdog.start();
    if (r < 0) throw new Error(`boot: watchdog: ${r}`);
  }

  /** Puts the stack of a bug of ours into the log. */
  logPanic(text: string): void {
    this.log.warning(text);
  }
  start(): void {
    const line = Buffer.from(`placeholder: ${this.spec.argv.join(" ")}\n`);
    host.write(FD.stdio + 1, line);
    const as = this.platform.newAddressSpace();
    const off = this.memoryFile.allocate(65536, 0);
    as.mapFile(0x400000, this.memoryFile, off, 65536, 7, true);
    as.unmap(0x400000, 65536);
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
