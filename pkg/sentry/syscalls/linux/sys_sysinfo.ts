import { ptr } from "bun:ffi";
import { SYS_sysinfo } from "../../../abi/linux/syscalls.ts";
import * as linux from "../../../abi/linux/sysinfo.ts";
import { CLOCK_BOOTTIME } from "../../../abi/linux/time.ts";
import * as host from "../../../hostsyscall/index.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** Memory that is shown when neither a limit nor the host's size is known, in bytes. */
const DEFAULT_MEMORY = 2 ** 31;

/** Bytes of memory that the guest is shown to have: its limit, or all of the host's. */
export function totalMemory(k: Kernel): number {
  const limit = k.memoryFile.limit;
  if (Number.isFinite(limit)) return limit;
  const buf = new Uint8Array(linux.SIZEOF_SYSINFO);
  if (host.sys3(SYS_sysinfo, ptr(buf), 0, 0) < 0) return DEFAULT_MEMORY;
  const v = new DataView(buf.buffer);
  const units = v.getUint32(linux.SI_TOTALRAM + 4, true) * 4294967296 + v.getUint32(linux.SI_TOTALRAM, true);
  return units * v.getUint32(linux.SI_MEM_UNIT, true);
}

/** sysinfo(2). */
export function sysinfo(t: Task, args: SyscallArguments): number {
  const k = t.kernel;
  const buf = new Uint8Array(linux.SIZEOF_SYSINFO);
  const v = new DataView(buf.buffer);
  const put = (off: number, value: number): void => {
    v.setUint32(off, value >>> 0, true);
    v.setUint32(off + 4, Math.floor(value / 4294967296), true);
  };
  const total = totalMemory(k);
  put(linux.SI_UPTIME, Math.ceil(k.timekeeper.now(CLOCK_BOOTTIME) / 1e9));
  put(linux.SI_TOTALRAM, total);
  put(linux.SI_FREERAM, Math.max(total - k.memoryFile.usedBytes, 0));
  v.setUint16(linux.SI_PROCS, Math.min(k.tasks.liveCount(), 65535), true);
  v.setUint32(linux.SI_MEM_UNIT, 1, true);
  t.copyOut(args.u64(0), buf);
  return 0;
}
