import { CLONE_THREAD, CLONE_VM } from "../../../pkg/abi/linux/clone.ts";
import { ENOENT, ENOSYS, EPERM } from "../../../pkg/abi/linux/errno.ts";
import { O_CLOEXEC, O_NOFOLLOW } from "../../../pkg/abi/linux/file.ts";
import { PROT_EXEC } from "../../../pkg/abi/linux/mm.ts";
import { PR_SET_NAME, PR_SET_VMA } from "../../../pkg/abi/linux/prctl.ts";
import { SCHED_BATCH, SCHED_NORMAL } from "../../../pkg/abi/linux/sched.ts";
import * as nr from "../../../pkg/abi/linux/syscalls.ts";
import type { Condition, Rule } from "./program.ts";

const AT_FDCWD = 0xffffff9c;
const CLONE_NEW = 0x7e020000 | 0x80; // every CLONE_NEW* namespace flag

/** ioctl requests: the seccomp listener, and what terminals and pipes passed in are asked. */
const ioctls: readonly (readonly [request: number, reason: string])[] = [
  [0xc0502100, "SECCOMP_IOCTL_NOTIF_RECV: a guest's system call arrives"],
  [0xc0182101, "SECCOMP_IOCTL_NOTIF_SEND: and is answered"],
  [0x40082104, "SECCOMP_IOCTL_NOTIF_SET_FLAGS: where a guest is woken"],
  [0x40182103, "SECCOMP_IOCTL_NOTIF_ADDFD: a file to be mapped goes to a stub"],
  [0x5401, "TCGETS of the container's terminal"],
  [0x5402, "TCSETS"],
  [0x5403, "TCSETSW"],
  [0x5404, "TCSETSF"],
  [0x5413, "TIOCGWINSZ"],
  [0x5414, "TIOCSWINSZ"],
  [0x541b, "FIONREAD"],
];

/** fcntl commands: duplicates that close on exec, status flags, seals, sizes of pipes. */
const fcntls: readonly number[] = [1, 2, 3, 4, 1030, 1031, 1032, 1033, 1034];

/** What decides the filter of a sandbox. */
export interface FilterOptions {
  /** Some mount of the host can be written to. */
  readonly hostWrites: boolean;
}

function anyOf(arg: number, values: readonly number[]): Condition[][] {
  return values.map((value) => [{ arg, value }]);
}

/** A path below a descriptor, never an absolute one from the current directory: the roots of the container are descriptors. */
const belowDescriptor: readonly Condition[] = [{ arg: 0, value: AT_FDCWD, not: true }];

/** What the JavaScript runtime needs after start: memory, its threads, its locks, the log, the clock. */
const runtimeRules: readonly Rule[] = [
  { nr: nr.SYS_futex, name: "futex", reason: "locks of the runtime; waits of the sentry's threads" },
  {
    nr: nr.SYS_mmap,
    name: "mmap",
    reason: "memory of the runtime, windows on guest memory; never executable: the JIT's pool is mapped at start",
    when: [[{ arg: 2, mask: PROT_EXEC, value: 0 }]],
  },
  {
    nr: nr.SYS_mprotect,
    name: "mprotect",
    reason: "the garbage collector, thread stacks; never executable",
    when: [[{ arg: 2, mask: PROT_EXEC, value: 0 }]],
  },
  { nr: nr.SYS_munmap, name: "munmap", reason: "memory of the runtime and windows on guest memory" },
  { nr: nr.SYS_mremap, name: "mremap", reason: "realloc of large blocks by libc; keeps the protection" },
  { nr: nr.SYS_madvise, name: "madvise", reason: "the garbage collector; freed guest memory" },
  { nr: nr.SYS_brk, name: "brk", reason: "malloc of libc" },
  { nr: nr.SYS_rt_sigreturn, name: "rt_sigreturn", reason: "return from the runtime's and the safe copies' handlers" },
  { nr: nr.SYS_rt_sigprocmask, name: "rt_sigprocmask", reason: "thread creation, thread suspension by the collector" },
  { nr: nr.SYS_rt_sigsuspend, name: "rt_sigsuspend", reason: "a thread suspended by the collector" },
  { nr: nr.SYS_sigaltstack, name: "sigaltstack", reason: "stack of the handlers of a new runtime thread" },
  {
    nr: nr.SYS_rt_sigaction,
    name: "rt_sigaction",
    reason: "the runtime's first use of a signal; a handler cannot be new code, as nothing becomes executable",
  },
  { nr: nr.SYS_sched_yield, name: "sched_yield", reason: "spinning locks of the runtime" },
  { nr: nr.SYS_nanosleep, name: "nanosleep", reason: "spinning locks of the runtime" },
  { nr: nr.SYS_clock_nanosleep, name: "clock_nanosleep", reason: "timed waits of the runtime" },
  { nr: nr.SYS_restart_syscall, name: "restart_syscall", reason: "a timed wait goes on after SIGSTOP and SIGCONT" },
  { nr: nr.SYS_clock_gettime, name: "clock_gettime", reason: "where the vDSO cannot answer; the guest's CPU clocks" },
  { nr: nr.SYS_clock_getres, name: "clock_getres", reason: "the guest's clocks" },
  { nr: nr.SYS_gettimeofday, name: "gettimeofday", reason: "where the vDSO cannot answer" },
  { nr: nr.SYS_getrandom, name: "getrandom", reason: "hash seeds; the guest's random numbers" },
  { nr: nr.SYS_gettid, name: "gettid", reason: "locks of libc" },
  { nr: nr.SYS_getpid, name: "getpid", reason: "thread signalling of libc" },
  {
    nr: nr.SYS_tgkill,
    name: "tgkill",
    reason:
      "suspending a thread of the runtime; interrupting a guest thread. Only the sandbox's processes can be named",
  },
  { nr: nr.SYS_exit, name: "exit", reason: "threads end" },
  { nr: nr.SYS_exit_group, name: "exit_group", reason: "the sandbox ends" },
  { nr: nr.SYS_rseq, name: "rseq", reason: "registration by a new thread" },
  { nr: nr.SYS_set_robust_list, name: "set_robust_list", reason: "registration by a new thread" },
  { nr: nr.SYS_membarrier, name: "membarrier", reason: "the JIT's cross-thread code changes" },
  {
    nr: nr.SYS_clone,
    name: "clone",
    reason: "threads of the runtime, started late; never a process or a namespace",
    when: [
      [
        { arg: 0, mask: CLONE_VM | CLONE_THREAD, value: CLONE_VM | CLONE_THREAD },
        { arg: 0, mask: CLONE_NEW, value: 0 },
      ],
    ],
  },
  {
    nr: nr.SYS_clone3,
    name: "clone3",
    reason: "its flags are in memory: libc falls back to clone",
    when: [],
    otherwise: ENOSYS,
  },
  {
    nr: nr.SYS_prctl,
    name: "prctl",
    reason: "names of threads and of memory",
    when: anyOf(0, [PR_SET_NAME, PR_SET_VMA]),
    otherwise: EPERM,
  },
  {
    nr: nr.SYS_sched_setscheduler,
    name: "sched_setscheduler",
    reason:
      "guest threads whose lines are polled do not preempt each other; the compiler's thread does not preempt anybody",
    when: anyOf(1, [SCHED_NORMAL, SCHED_BATCH]),
    otherwise: EPERM,
  },
  { nr: nr.SYS_sched_setaffinity, name: "sched_setaffinity", reason: "affinity of guest threads" },
  { nr: nr.SYS_sched_getaffinity, name: "sched_getaffinity", reason: "how many threads the runtime starts" },
  { nr: nr.SYS_getrusage, name: "getrusage", reason: "CPU time of the sentry and its stubs" },
  { nr: nr.SYS_sysinfo, name: "sysinfo", reason: "memory size, for the collector's pace", when: [], otherwise: EPERM },
  { nr: nr.SYS_prlimit64, name: "prlimit64", reason: "stack size of a new thread", when: [], otherwise: EPERM },
  { nr: nr.SYS_uname, name: "uname", reason: "the runtime's version checks", when: [], otherwise: EPERM },
  // The runtime tries to open files of /proc, /sys and /etc that an empty root does not have; it lives without them.
  { nr: nr.SYS_open, name: "open", reason: "not there", when: [], otherwise: ENOENT },
  { nr: nr.SYS_stat, name: "stat", reason: "not there", when: [], otherwise: ENOENT },
  { nr: nr.SYS_lstat, name: "lstat", reason: "not there", when: [], otherwise: ENOENT },
  { nr: nr.SYS_access, name: "access", reason: "not there", when: [], otherwise: ENOENT },
  { nr: nr.SYS_readlink, name: "readlink", reason: "not there", when: [], otherwise: ENOENT },
  { nr: nr.SYS_getcwd, name: "getcwd", reason: "not there", when: [], otherwise: ENOENT },
];

/** What the kernel and its platform need. */
const kernelRules: readonly Rule[] = [
  { nr: nr.SYS_read, name: "read", reason: "the container's standard input; the control channel; event counters" },
  { nr: nr.SYS_write, name: "write", reason: "the container's output; the log; the status channel" },
  { nr: nr.SYS_readv, name: "readv", reason: "into guest memory" },
  { nr: nr.SYS_writev, name: "writev", reason: "from guest memory" },
  { nr: nr.SYS_pread64, name: "pread64", reason: "files of the host" },
  { nr: nr.SYS_preadv, name: "preadv", reason: "files of the host into guest memory" },
  { nr: nr.SYS_preadv2, name: "preadv2", reason: "the same, without waiting" },
  { nr: nr.SYS_pwrite64, name: "pwrite64", reason: "memory files" },
  { nr: nr.SYS_pwritev, name: "pwritev", reason: "memory files from guest memory" },
  { nr: nr.SYS_pwritev2, name: "pwritev2", reason: "the same, without waiting" },
  { nr: nr.SYS_lseek, name: "lseek", reason: "holes and directory positions of host files" },
  { nr: nr.SYS_close, name: "close", reason: "files no longer used" },
  { nr: nr.SYS_dup, name: "dup", reason: "a second reference to a donated descriptor" },
  {
    nr: nr.SYS_fcntl,
    name: "fcntl",
    reason: "flags of donated descriptors",
    when: [...anyOf(1, fcntls)],
    otherwise: EPERM,
  },
  {
    nr: nr.SYS_ioctl,
    name: "ioctl",
    reason: "the platform's listener; terminals (see the list)",
    when: anyOf(
      1,
      ioctls.map(([request]) => request),
    ),
    otherwise: EPERM,
  },
  { nr: nr.SYS_fstat, name: "fstat", reason: "attributes of host files" },
  {
    nr: nr.SYS_newfstatat,
    name: "newfstatat",
    reason: "attributes of names below a donated directory",
    when: [belowDescriptor],
    otherwise: ENOENT,
  },
  { nr: nr.SYS_statx, name: "statx", reason: "the same", when: [belowDescriptor], otherwise: ENOENT },
  {
    nr: nr.SYS_readlinkat,
    name: "readlinkat",
    reason: "links below a donated directory",
    when: [belowDescriptor],
    otherwise: ENOENT,
  },
  {
    nr: nr.SYS_openat,
    name: "openat",
    reason: "one component below a donated directory, links not followed",
    when: [
      [
        { arg: 0, value: AT_FDCWD, not: true },
        { arg: 2, mask: O_NOFOLLOW | O_CLOEXEC, value: O_NOFOLLOW | O_CLOEXEC },
      ],
    ],
    otherwise: ENOENT,
  },
  { nr: nr.SYS_getdents64, name: "getdents64", reason: "directories of the host" },
  { nr: nr.SYS_fstatfs, name: "fstatfs", reason: "kind and space of host file systems" },
  { nr: nr.SYS_fgetxattr, name: "fgetxattr", reason: "extended attributes of host files" },
  { nr: nr.SYS_flistxattr, name: "flistxattr", reason: "extended attributes of host files" },
  { nr: nr.SYS_ftruncate, name: "ftruncate", reason: "memory files grow" },
  { nr: nr.SYS_fallocate, name: "fallocate", reason: "freed guest memory goes back to the host" },
  { nr: nr.SYS_fsync, name: "fsync", reason: "the container asks for it" },
  { nr: nr.SYS_fdatasync, name: "fdatasync", reason: "the container asks for it" },
  { nr: nr.SYS_msync, name: "msync", reason: "the container asks for it" },
  { nr: nr.SYS_mincore, name: "mincore", reason: "how much of a memory file is used" },
  { nr: nr.SYS_memfd_create, name: "memfd_create", reason: "a further memory file" },
  { nr: nr.SYS_pipe2, name: "pipe2", reason: "named pipes of the host" },
  { nr: nr.SYS_eventfd2, name: "eventfd2", reason: "wake-ups of the loop" },
  { nr: nr.SYS_epoll_create1, name: "epoll_create1", reason: "the loop" },
  { nr: nr.SYS_epoll_ctl, name: "epoll_ctl", reason: "host descriptors the loop watches" },
  { nr: nr.SYS_epoll_wait, name: "epoll_wait", reason: "the loop" },
  { nr: nr.SYS_epoll_pwait, name: "epoll_pwait", reason: "the loop" },
  { nr: nr.SYS_epoll_pwait2, name: "epoll_pwait2", reason: "the loop, with nanoseconds" },
  { nr: nr.SYS_poll, name: "poll", reason: "readiness of one descriptor; a stub's answer" },
  { nr: nr.SYS_ppoll, name: "ppoll", reason: "the same" },
  { nr: nr.SYS_kill, name: "kill", reason: "ends a stub. Only the sandbox's processes can be named" },
  { nr: nr.SYS_wait4, name: "wait4", reason: "stubs that ended" },
  { nr: nr.SYS_waitid, name: "waitid", reason: "stubs that ended" },
  { nr: nr.SYS_pidfd_open, name: "pidfd_open", reason: "watching a new stub" },
  {
    nr: nr.SYS_rt_tgsigqueueinfo,
    name: "rt_tgsigqueueinfo",
    reason: "signals to guest threads. Only the sandbox's processes can be named",
  },
];

/** What writing to directories of the host needs. */
const hostWriteRules: readonly Rule[] = [
  { nr: nr.SYS_mkdirat, name: "mkdirat", reason: "a new directory", when: [belowDescriptor] },
  { nr: nr.SYS_mknodat, name: "mknodat", reason: "a new named pipe or socket", when: [belowDescriptor] },
  { nr: nr.SYS_symlinkat, name: "symlinkat", reason: "a new link", when: [[{ arg: 1, value: AT_FDCWD, not: true }]] },
  { nr: nr.SYS_linkat, name: "linkat", reason: "a new name", when: [belowDescriptor] },
  { nr: nr.SYS_unlinkat, name: "unlinkat", reason: "a name removed", when: [belowDescriptor] },
  { nr: nr.SYS_renameat2, name: "renameat2", reason: "a name moved", when: [belowDescriptor] },
  { nr: nr.SYS_fchmod, name: "fchmod", reason: "permissions changed" },
  { nr: nr.SYS_fchmodat, name: "fchmodat", reason: "permissions changed", when: [belowDescriptor] },
  { nr: nr.SYS_fchown, name: "fchown", reason: "owner changed" },
  { nr: nr.SYS_fchownat, name: "fchownat", reason: "owner changed", when: [belowDescriptor] },
  { nr: nr.SYS_utimensat, name: "utimensat", reason: "times changed", when: [belowDescriptor] },
  { nr: nr.SYS_fsetxattr, name: "fsetxattr", reason: "an extended attribute changed" },
  { nr: nr.SYS_fremovexattr, name: "fremovexattr", reason: "an extended attribute removed" },
  { nr: nr.SYS_syncfs, name: "syncfs", reason: "the container asks for it" },
  { nr: nr.SYS_copy_file_range, name: "copy_file_range", reason: "copies between host files" },
  { nr: nr.SYS_flock, name: "flock", reason: "locks on host files" },
];

/** Every host call of a sandbox process, with its reason. */
export function sentryRules(options: FilterOptions): readonly Rule[] {
  return [...runtimeRules, ...kernelRules, ...(options.hostWrites ? hostWriteRules : [])];
}
