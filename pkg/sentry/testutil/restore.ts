import { AT_FDCWD, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from "../../abi/linux/file.ts";
import * as host from "../../hostsyscall/index.ts";
import { TypeRegistry } from "../../state/index.ts";
import { type Kernel, restoreKernel, saveKernel } from "../kernel/index.ts";
import { MemoryFile } from "../pgalloc/index.ts";
import { loadSystrapNative, SystrapPlatform } from "../platform/systrap/index.ts";
import { readGraph, readMemory, stateClasses, stateConstants, writeImage } from "../state/index.ts";
import { syscallTable } from "../syscalls/linux/table.ts";
import { CaptureFile } from "./capture.ts";
import { patching, TestLog } from "./sandbox.ts";

/** The registry of kernels under test. */
export function newTestRegistry(): TypeRegistry {
  return new TypeRegistry([...stateClasses, CaptureFile], stateConstants);
}

/** Saves a kernel to a file of the host, and leaves it paused. Returns the bytes of the graph. */
export function saveTo(k: Kernel, path: string): number {
  const graph = saveKernel(k, newTestRegistry());
  const fd = host.openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, 0o600);
  if (fd < 0) throw new Error(`open: ${fd}`);
  writeImage(fd, graph, k.memoryFile);
  host.close(fd);
  return graph.length;
}

/** A kernel restored from a file, with all that it runs on. */
export class RestoredSandbox {
  readonly log: TestLog = new TestLog();
  readonly memoryFile: MemoryFile = new MemoryFile();
  readonly platform: SystrapPlatform;
  readonly kernel: Kernel;

  constructor(path: string, cpus = 2) {
    host.safeInstall();
    const { log, memoryFile } = this;
    this.platform = new SystrapPlatform(loadSystrapNative(), memoryFile, log, {
      cores: cpus,
      accelerate: patching,
    });
    const fd = host.openat(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0) throw new Error(`open: ${fd}`);
    this.kernel = restoreKernel(readGraph(fd), newTestRegistry(), {
      platform: this.platform,
      memoryFile,
      syscallTable,
      log,
    });
    readMemory(fd, this.kernel.memoryFile);
    host.close(fd);
  }

  /** Goes on until the first process is gone; its wait status. */
  run(): { status: number; output: string } {
    const file = this.kernel.globalInit?.leader.fdTable.get(1);
    this.kernel.unpause();
    const status = this.kernel.run();
    return { status, output: file instanceof CaptureFile ? file.text : "" };
  }

  /** Ends everything. */
  destroy(): void {
    this.platform.destroy();
    this.kernel.memoryFile.destroy();
  }
}

if (import.meta.main) {
  const s = new RestoredSandbox(process.argv[2] ?? "");
  const r = s.run();
  s.destroy();
  console.log(JSON.stringify({ ...r, warnings: s.log.warnings }));
  process.exit(0);
}
