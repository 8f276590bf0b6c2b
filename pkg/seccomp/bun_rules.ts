/**
 * The host calls that Bun itself makes after start-up: garbage collector, JIT, allocator, thread creation. Found by tracing
 * heavy allocation, compilation and collection, and by denying calls one by one. A filter for a process that goes on running
 * JavaScript is at least these; everything else is the program's own.
 */
import { ENOSYS, EPERM } from "../abi/linux/errno.ts";
import { PR_SET_NAME } from "../abi/linux/prctl.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { equal32, equalTo, maskedEqual, Rules } from "./rules.ts";

const PROT_EXEC = 4;

/** The clone(2) flags of a glibc thread: VM, FS, FILES, SYSVSEM, SIGHAND, THREAD, SETTLS, PARENT_SETTID, CHILD_CLEARTID. */
export const bunThreadFlags = 0x3d0f00;

/**
 * Calls Bun cannot do without. Memory can never become executable after the filter: the JIT's pool is mapped at start, so
 * compile all native code before. Threads may start (JSC starts some late), processes may not.
 */
export function bunRules(): Rules {
  return (
    new Rules()
      // Locks, condition variables, sleeping.
      .allow(nr.SYS_futex, nr.SYS_sched_yield)
      .allow(nr.SYS_clock_nanosleep)
      // Clocks are read in the vDSO, which falls back to the call on hosts without a usable counter.
      .allow(nr.SYS_clock_gettime, nr.SYS_gettimeofday)
      // The heap.
      .allowIf(nr.SYS_mmap, maskedEqual(2, PROT_EXEC, 0))
      .allowIf(nr.SYS_mprotect, maskedEqual(2, PROT_EXEC, 0))
      .allow(nr.SYS_munmap, nr.SYS_madvise)
      // Hash seeds and the like.
      .allow(nr.SYS_getrandom)
      // Threads of the JIT and the collector.
      .allowIf(nr.SYS_clone, equalTo(0, bunThreadFlags))
      .allow(nr.SYS_rseq, nr.SYS_set_robust_list, nr.SYS_rt_sigprocmask, nr.SYS_gettid, nr.SYS_sched_getaffinity)
      .allow(nr.SYS_sigaltstack)
      .allowIf(nr.SYS_prctl, equal32(0, PR_SET_NAME))
      .allow(nr.SYS_exit)
      // Signals: JSC suspends a thread with SIGPWR, whose handler waits in sigsuspend.
      .allow(nr.SYS_getpid, nr.SYS_rt_sigreturn, nr.SYS_rt_sigsuspend)
      .allow(nr.SYS_exit_group)
  );
}

/** Calls Bun tries and does well without: answer them with the errno instead of killing. */
export function bunDeniedRules(): readonly { readonly rules: Rules; readonly errno: number }[] {
  return [
    // glibc then uses clone, whose flags a filter can read.
    { rules: new Rules().allow(nr.SYS_clone3), errno: ENOSYS },
    // Memory statistics of the collector (/proc/self/statm), time zone, source maps for stack traces.
    {
      rules: new Rules().allow(
        nr.SYS_openat,
        nr.SYS_open,
        nr.SYS_readlink,
        nr.SYS_newfstatat,
        nr.SYS_stat,
        nr.SYS_access,
        nr.SYS_getrusage,
        nr.SYS_sysinfo,
        nr.SYS_membarrier,
      ),
      errno: EPERM,
    },
  ];
}
