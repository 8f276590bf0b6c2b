import * as linux from "../../../abi/linux/sysinfo.ts";
import { CLOCK_BOOTTIME } from "../../../abi/linux/time.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** sysinfo(2). */
export function sysinfo(t: Task, args: SyscallArguments): number {
  const k = t.kernel;
  const w = k.scratchWords;
  w.fill(0, 0, linux.SIZEOF_SYSINFO / 4);
  const total = k.totalMemory;
  put(w, linux.SI_UPTIME, Math.ceil(k.timekeeper.now(CLOCK_BOOTTIME) / 1e9));
  const loads = k.loadAverage.read();
  for (let i = 0; i < 3; i++) put(w, linux.SI_LOADS + 8 * i, Math.round((loads[i] ?? 0) * 2 ** linux.SI_LOAD_SHIFT));
  put(w, linux.SI_TOTALRAM, total);
  put(w, linux.SI_FREERAM, Math.max(total - k.memoryFile.usedBytes, 0));
  // 16 bits.
  w[linux.SI_PROCS / 4] = Math.min(k.tasks.liveCount(), 65535);
  w[linux.SI_MEM_UNIT / 4] = 1;
  t.copyOut(args.u64(0), k.scratch, 0, linux.SIZEOF_SYSINFO);
  return 0;
}

/** Stores 64 bits at an offset in bytes. */
function put(w: Uint32Array, offset: number, value: number): void {
  w[offset / 4] = value;
  w[offset / 4 + 1] = Math.floor(value / 4294967296);
}
