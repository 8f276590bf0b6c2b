import * as host from "../../hostsyscall/index.ts";

/** CPUCLOCK_SCHED of one thread (include/linux/posix-timers.h). */
const CPUCLOCK_PERTHREAD_SCHED = 6;

/** CPU time of a host thread in ns; 0 when it is gone. */
export function cpuTimeOfThread(hostTID: number): number {
  if (hostTID <= 0) return 0;
  const ns = host.clockGettime((~hostTID << 3) | CPUCLOCK_PERTHREAD_SCHED);
  return ns > 0 ? ns : 0;
}
