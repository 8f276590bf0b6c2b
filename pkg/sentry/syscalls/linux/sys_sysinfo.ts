import * as linux from "../../../abi/linux/sysinfo.ts";
import { CLOCK_BOOTTIME } from "../../../abi/linux/time.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** sysinfo(2). */
export function sysinfo(t: Task, args: SyscallArguments): number {
  const k = t.kernel;
  const buf = new Uint8Array(linux.SIZEOF_SYSINFO);
  const v = new DataView(buf.buffer);
  const put = (off: number, value: number): void => {
    v.setUint32(off, value >>> 0, true);
    v.setUint32(off + 4, Math.floor(value / 4294967296), true);
  };
  const total = k.totalMemory;
  put(linux.SI_UPTIME, Math.ceil(k.timekeeper.now(CLOCK_BOOTTIME) / 1e9));
  k.loadAverage.read().forEach((load, i) => {
    put(linux.SI_LOADS + 8 * i, Math.round(load * 2 ** linux.SI_LOAD_SHIFT));
  });
  put(linux.SI_TOTALRAM, total);
  put(linux.SI_FREERAM, Math.max(total - k.memoryFile.usedBytes, 0));
  v.setUint16(linux.SI_PROCS, Math.min(k.tasks.liveCount(), 65535), true);
  v.setUint32(linux.SI_MEM_UNIT, 1, true);
  t.copyOut(args.u64(0), buf);
  return 0;
}
