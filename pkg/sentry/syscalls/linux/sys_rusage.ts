import * as errno from "../../../abi/linux/errno.ts";
import { NSEC_PER_SEC, NSEC_PER_TICK } from "../../../abi/linux/time.ts";
import { RUSAGE_CHILDREN, RUSAGE_SELF, RUSAGE_SIZE, RUSAGE_THREAD } from "../../../abi/linux/wait.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { Usage } from "../../kernel/thread_group.ts";

/** Stores a struct rusage. */
export function encodeUsage(t: Task, addr: number, u: Usage): void {
  const w = t.kernel.scratchWords;
  w.fill(0, 0, RUSAGE_SIZE / 4);
  putTime(w, 0, u.userNs);
  putTime(w, 4, u.systemNs);
  put(w, 8, Math.floor(u.maxRSS / 1024));
  put(w, 16, u.minorFaults);
  put(w, 18, u.majorFaults);
  put(w, 22, u.blocksIn);
  put(w, 24, u.blocksOut);
  put(w, 32, u.voluntarySwitches);
  put(w, 34, u.involuntarySwitches);
  t.copyOut(addr, t.kernel.scratch, 0, RUSAGE_SIZE);
}

function put(w: Uint32Array, i: number, v: number): void {
  w[i] = v;
  w[i + 1] = Math.floor(v / 4294967296);
}

/** A struct timeval. */
function putTime(w: Uint32Array, i: number, ns: number): void {
  put(w, i, Math.floor(ns / NSEC_PER_SEC));
  put(w, i + 2, Math.floor((ns % NSEC_PER_SEC) / 1000));
}

/** getrusage(2). */
export function getrusage(t: Task, args: SyscallArguments): number {
  const u = new Usage();
  switch (args.i32(0)) {
    case RUSAGE_SELF:
      t.threadGroup.addUsage(u);
      break;
    case RUSAGE_CHILDREN:
      u.add(t.threadGroup.childUsage);
      break;
    case RUSAGE_THREAD:
      t.updateUsage();
      u.add(t.usage);
      break;
    default:
      return -errno.EINVAL;
  }
  encodeUsage(t, args.u64(1), u);
  return 0;
}

/** times(2). */
export function times(t: Task, args: SyscallArguments): number {
  const addr = args.u64(0);
  if (addr !== 0) {
    const own = new Usage();
    t.threadGroup.addUsage(own);
    const kids = t.threadGroup.childUsage;
    const w = t.kernel.scratchWords;
    put(w, 0, Math.floor(own.userNs / NSEC_PER_TICK));
    put(w, 2, Math.floor(own.systemNs / NSEC_PER_TICK));
    put(w, 4, Math.floor(kids.userNs / NSEC_PER_TICK));
    put(w, 6, Math.floor(kids.systemNs / NSEC_PER_TICK));
    t.copyOut(addr, t.kernel.scratch, 0, 32);
  }
  return Math.floor(t.kernel.monotonicNow() / NSEC_PER_TICK);
}
