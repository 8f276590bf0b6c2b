import { SYSCALL_NAMES } from "../../abi/linux/syscalls.ts";

/**
 * Formats of system calls: "name: kind kind ... [= kind]", kinds of the arguments in order and of the result. A kind with ">" is
 * decoded after the call, because the kernel fills it. Kinds: int uint hex ptr octal size off; fd dirfd path str fdin;
 * buf (length in the next argument), >buf (length is the result), iov, >iov; names in flags.ts and structs.ts.
 */
const FORMATS = `
read: fd >buf size
write: fd buf size
open: path openflags octal
close: fd
stat: path >stat
fstat: fd >stat
lstat: path >stat
poll: >pollfds uint int
lseek: fd off whence
mmap: ptr size prot mapflags fd hex = hex
mprotect: ptr size prot
munmap: ptr size
brk: ptr = hex
rt_sigaction: signal sigaction >sigaction size
rt_sigprocmask: sighow sigset >sigset size
rt_sigreturn:
ioctl: fd ioctlcmd ptr
pread64: fd >buf size off
pwrite64: fd buf size off
readv: fd >iov int
writev: fd iov int
access: path accessmode
pipe: >pipefds
select: int fdset fdset fdset timeval
sched_yield:
mremap: ptr size size mremapflags ptr = hex
msync: ptr size msyncflags
mincore: ptr size ptr
madvise: ptr size madvice
dup: fd
dup2: fd fd
pause:
nanosleep: timespec >timespec
getitimer: itimer >itimerval
alarm: uint
setitimer: itimer itimerval >itimerval
getpid:
sendfile: fd fd u64p size
socket: domain socktypeflags sockproto
connect: fd sockaddr size
accept: fd >sockaddrp intp
sendto: fd buf size msgflags sockaddr size
recvfrom: fd >buf size msgflags >sockaddrp intp
sendmsg: fd msghdr msgflags
recvmsg: fd >msghdr msgflags
shutdown: fd shuthow
bind: fd sockaddr size
listen: fd int
getsockname: fd >sockaddrp intp
getpeername: fd >sockaddrp intp
socketpair: domain socktypeflags sockproto >pipefds
setsockopt: fd socklevel int ptr size
getsockopt: fd socklevel int ptr >intp
clone: clonesig ptr ptr ptr hex
fork:
vfork:
execve: path argv envp
exit: int
wait4: int >wstatus waitoptions >rusage
kill: int signal
uname: >utsname
fcntl: fd fcntlcmd hex
flock: fd flock
fsync: fd
fdatasync: fd
truncate: path off
ftruncate: fd off
getdents: fd ptr size
getcwd: >cstr size
chdir: path
fchdir: fd
rename: path path
mkdir: path octal
rmdir: path
creat: path octal
link: path path
unlink: path
symlink: str path
readlink: path >buf size
chmod: path octal
fchmod: fd octal
chown: path int int
fchown: fd int int
lchown: path int int
umask: octal = octal
gettimeofday: >timeval ptr
getrlimit: resource >rlimit
getrusage: rusagewho >rusage
sysinfo: >sysinfo
times: ptr
getuid:
getgid:
setuid: int
setgid: int
geteuid:
getegid:
setpgid: int int
getppid:
getpgrp:
setsid:
setreuid: int int
setregid: int int
getgroups: int ptr
setgroups: int ptr
setresuid: int int int
getresuid: >intp >intp >intp
setresgid: int int int
getresgid: >intp >intp >intp
getpgid: int
setfsuid: int
setfsgid: int
getsid: int
capget: caphdr >capdata
capset: caphdr capdata
rt_sigpending: >sigset size
rt_sigtimedwait: sigset >siginfo timespec size
rt_sigqueueinfo: int signal siginfo
rt_sigsuspend: sigset size
sigaltstack: stackt >stackt
utime: path ptr
mknod: path octal hex
personality: hex
ustat: hex ptr
statfs: path >statfs
fstatfs: fd >statfs
getpriority: prio int
setpriority: prio int int
sched_setparam: int ptr
sched_getparam: int ptr
sched_setscheduler: int policy ptr
sched_getscheduler: int
sched_get_priority_max: policy
sched_get_priority_min: policy
sched_rr_get_interval: int >timespec
mlock: ptr size
munlock: ptr size
mlockall: mlockall
munlockall:
pivot_root: path path
prctl: prctlop hex hex hex hex
arch_prctl: archop ptr
adjtimex: ptr
setrlimit: resource rlimit
chroot: path
sync:
settimeofday: timeval ptr
mount: path path str mountflags ptr
umount2: path umountflags
sethostname: buf size
setdomainname: buf size
gettid:
readahead: fd off size
setxattr: path str ptr size xattrflags
lsetxattr: path str ptr size xattrflags
fsetxattr: fd str ptr size xattrflags
getxattr: path str >buf size
lgetxattr: path str >buf size
fgetxattr: fd str >buf size
listxattr: path >buf size
llistxattr: path >buf size
flistxattr: fd >buf size
removexattr: path str
lremovexattr: path str
fremovexattr: fd str
tkill: int signal
time: ptr
futex: ptr futexop uint ptr ptr hex
sched_setaffinity: int size ptr
sched_getaffinity: int size ptr
epoll_create: int
getdents64: fd ptr size
set_tid_address: ptr
restart_syscall:
fadvise64: fd off size fadvice
timer_create: clockid sigevent >intp
timer_settime: int timerabs itimerspec >itimerspec
timer_gettime: int >itimerspec
timer_getoverrun: int
timer_delete: int
clock_settime: clockid timespec
clock_gettime: clockid >timespec
clock_getres: clockid >timespec
clock_nanosleep: clockid timerabs timespec >timespec
exit_group: int
epoll_wait: fd >epollevents int int
epoll_ctl: fd epollop fd epollevent
tgkill: int int signal
utimes: path timeval2
waitid: idtype int >siginfo waitoptions >rusage
inotify_init:
inotify_add_watch: fd path inotifymask
inotify_rm_watch: fd int
openat: dirfd path openflags octal
mkdirat: dirfd path octal
mknodat: dirfd path octal hex
fchownat: dirfd path int int atflags
futimesat: dirfd path timeval2
newfstatat: dirfd path >stat atflags
unlinkat: dirfd path atflags
renameat: dirfd path dirfd path
linkat: dirfd path dirfd path atflags
symlinkat: str dirfd path
readlinkat: dirfd path >buf size
fchmodat: dirfd path octal
faccessat: dirfd path accessmode
pselect6: int fdset fdset fdset timespec ptr
ppoll: >pollfds uint timespec sigset size
unshare: cloneflags
set_robust_list: ptr size
get_robust_list: int >u64p >u64p
splice: fd u64p fd u64p size spliceflags
tee: fd fd size spliceflags
sync_file_range: fd off size hex
vmsplice: fd iov int spliceflags
utimensat: dirfd path timespec2 atflags
epoll_pwait: fd >epollevents int int sigset size
signalfd: fd sigset size
timerfd_create: clockid cloexec
eventfd: uint
fallocate: fd falloc off size
timerfd_settime: fd tfdflags itimerspec >itimerspec
timerfd_gettime: fd >itimerspec
accept4: fd >sockaddrp intp cloexec
signalfd4: fd sigset size cloexec
eventfd2: uint eventfdflags
epoll_create1: cloexec
dup3: fd fd cloexec
pipe2: >pipefds cloexec
inotify_init1: inotifyflags
preadv: fd >iov int off
pwritev: fd iov int off
rt_tgsigqueueinfo: int int signal siginfo
recvmmsg: fd ptr uint msgflags timespec
prlimit64: int resource rlimit >rlimit
clock_adjtime: clockid ptr
syncfs: fd
sendmmsg: fd ptr uint msgflags
setns: fd cloneflags
getcpu: >intp >intp ptr
process_vm_readv: int ptr uint ptr uint hex
process_vm_writev: int ptr uint ptr uint hex
sched_setattr: int ptr hex
sched_getattr: int ptr size hex
renameat2: dirfd path dirfd path renameflags
seccomp: seccompop hex ptr
getrandom: >buf size grnd
memfd_create: str memfdflags
execveat: dirfd path argv envp atflags
membarrier: membarrier hex int
mlock2: ptr size hex
copy_file_range: fd u64p fd u64p size hex
preadv2: fd >iov int off hex rwf
pwritev2: fd iov int off hex rwf
pkey_mprotect: ptr size prot int
statx: dirfd path atflags statxmask >statx
rseq: ptr size hex hex
pidfd_send_signal: fd signal siginfo hex
pidfd_open: int pidfdflags
clone3: cloneargs size
close_range: fd fd closerange
openat2: dirfd path openhow size
pidfd_getfd: fd fd hex
faccessat2: dirfd path accessmode atflags
epoll_pwait2: fd >epollevents int timespec sigset size
futex_waitv: ptr uint hex timespec clockid
fchmodat2: dirfd path octal atflags
futex_wake: ptr hex int hex
futex_wait: ptr uint hex hex timespec clockid
futex_requeue: ptr hex int int
`;

/** How one system call is shown. */
export interface SyscallFormat {
  readonly name: string;
  /** Kinds of the arguments, without ">". */
  readonly args: readonly string[];
  /** Which of them are decoded after the call. */
  readonly after: readonly boolean[];
  readonly result: string;
}

/** Formats by system call name. */
export function syscallFormats(): ReadonlyMap<string, SyscallFormat> {
  const out = new Map<string, SyscallFormat>();
  for (const line of FORMATS.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const name = line.slice(0, colon);
    const [args = "", result = "int"] = line.slice(colon + 1).split("=");
    const kinds = args.split(" ").filter((s) => s !== "");
    out.set(name, {
      name,
      args: kinds.map((k) => k.replace(">", "")),
      after: kinds.map((k) => k.startsWith(">")),
      result: result.trim(),
    });
  }
  return out;
}

/** The format of a number: one of those given, or six words for a call that has none. */
export function formatOf(formats: ReadonlyMap<string, SyscallFormat>, nr: number): SyscallFormat {
  const name = SYSCALL_NAMES[nr] ?? `syscall_${nr}`;
  const f = formats.get(name);
  if (f !== undefined) return f;
  return { name, args: ["hex", "hex", "hex", "hex", "hex", "hex"], after: [], result: "int" };
}
