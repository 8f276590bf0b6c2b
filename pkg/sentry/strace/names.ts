import * as clone from "../../abi/linux/clone.ts";
import * as epoll from "../../abi/linux/epoll.ts";
import * as fcntl from "../../abi/linux/fcntl.ts";
import * as file from "../../abi/linux/file.ts";
import * as fs from "../../abi/linux/fs.ts";
import * as futex from "../../abi/linux/futex.ts";
import * as ioctl from "../../abi/linux/ioctl.ts";
import * as mm from "../../abi/linux/mm.ts";
import * as poll from "../../abi/linux/poll.ts";
import * as prctl from "../../abi/linux/prctl.ts";
import * as random from "../../abi/linux/random.ts";
import * as rlimit from "../../abi/linux/rlimit.ts";
import * as sched from "../../abi/linux/sched.ts";
import * as signal from "../../abi/linux/signal.ts";
import * as time from "../../abi/linux/time.ts";
import * as wait from "../../abi/linux/wait.ts";

/** A constant's name and value. */
export interface Named {
  readonly name: string;
  readonly value: number;
}

/** The numeric constants of a module whose names are listed, without a common prefix. */
function pick(module: Readonly<Record<string, unknown>>, prefix: string, names: string): readonly Named[] {
  const out: Named[] = [];
  for (const n of names.split(" ")) {
    const value = module[prefix + n];
    if (typeof value === "number") out.push({ name: prefix + n, value: value >>> 0 });
  }
  return out;
}

/** All numeric constants of a module that begin with a prefix, the first name of each value. */
function all(module: Readonly<Record<string, unknown>>, ...prefixes: readonly string[]): readonly Named[] {
  const out: Named[] = [];
  const seen = new Set<number>();
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== "number" || seen.has(value) || !prefixes.some((p) => name.startsWith(p))) continue;
    seen.add(value);
    out.push({ name, value: value >>> 0 });
  }
  return out;
}

/** Names given as "NAME=value ..." for constants that nothing else uses. */
function list(text: string): readonly Named[] {
  return text.split(" ").map((s) => {
    const i = s.indexOf("=");
    return { name: s.slice(0, i), value: Number(s.slice(i + 1)) };
  });
}

/** Bit sets by the kind of argument they belong to. */
export function flagSets(): Readonly<Record<string, readonly Named[]>> {
  return {
    openflags: pick(
      file,
      "O_",
      "CREAT EXCL NOCTTY TRUNC APPEND NONBLOCK SYNC DSYNC ASYNC DIRECT TMPFILE LARGEFILE DIRECTORY NOFOLLOW NOATIME CLOEXEC PATH",
    ),
    atflags: [
      ...pick(
        file,
        "AT_",
        "SYMLINK_NOFOLLOW SYMLINK_FOLLOW NO_AUTOMOUNT EMPTY_PATH STATX_FORCE_SYNC STATX_DONT_SYNC RECURSIVE",
      ),
      { name: "AT_REMOVEDIR", value: 0x200 },
    ],
    accessmode: pick(file, "", "R_OK W_OK X_OK"),
    prot: pick(mm, "PROT_", "READ WRITE EXEC GROWSDOWN GROWSUP"),
    mapflags: pick(
      mm,
      "MAP_",
      "SHARED PRIVATE FIXED ANONYMOUS 32BIT GROWSDOWN DENYWRITE EXECUTABLE LOCKED NORESERVE POPULATE NONBLOCK STACK HUGETLB SYNC FIXED_NOREPLACE",
    ),
    mremapflags: pick(mm, "MREMAP_", "MAYMOVE FIXED DONTUNMAP"),
    msyncflags: pick(mm, "MS_", "ASYNC INVALIDATE SYNC"),
    mlockall: pick(mm, "MCL_", "CURRENT FUTURE ONFAULT"),
    cloneflags: pick(
      clone,
      "CLONE_",
      "VM FS FILES SIGHAND PIDFD PTRACE VFORK PARENT THREAD NEWNS SYSVSEM SETTLS PARENT_SETTID CHILD_CLEARTID DETACHED UNTRACED CHILD_SETTID NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET IO",
    ),
    waitoptions: pick(wait, "", "WNOHANG WUNTRACED WEXITED WCONTINUED WNOWAIT __WNOTHREAD __WALL __WCLONE"),
    saflags: pick(signal, "SA_", "NOCLDSTOP NOCLDWAIT SIGINFO RESTORER ONSTACK RESTART NODEFER RESETHAND"),
    ssflags: list("SS_ONSTACK=1 SS_DISABLE=2 SS_AUTODISARM=2147483648"),
    pollevents: pick(poll, "POLL", "IN PRI OUT ERR HUP NVAL RDNORM RDBAND WRNORM WRBAND MSG REMOVE RDHUP"),
    epollevents: pick(
      epoll,
      "EPOLL",
      "IN PRI OUT ERR HUP RDNORM RDBAND WRNORM WRBAND MSG RDHUP EXCLUSIVE WAKEUP ONESHOT ET",
    ),
    cloexec: pick(file, "O_", "CLOEXEC NONBLOCK DIRECT"),
    eventfdflags: list("EFD_SEMAPHORE=1 EFD_NONBLOCK=2048 EFD_CLOEXEC=524288"),
    timerabs: list("TIMER_ABSTIME=1"),
    tfdflags: list("TFD_TIMER_ABSTIME=1 TFD_TIMER_CANCEL_ON_SET=2"),
    grnd: all(random, "GRND_"),
    memfdflags: pick(file, "MFD_", "CLOEXEC ALLOW_SEALING HUGETLB NOEXEC_SEAL EXEC"),
    renameflags: pick(file, "RENAME_", "NOREPLACE EXCHANGE WHITEOUT"),
    falloc: pick(file, "FALLOC_FL_", "KEEP_SIZE PUNCH_HOLE COLLAPSE_RANGE ZERO_RANGE INSERT_RANGE UNSHARE_RANGE"),
    rwf: pick(file, "RWF_", "HIPRI DSYNC SYNC NOWAIT APPEND"),
    flock: pick(file, "LOCK_", "SH EX NB UN"),
    mountflags: pick(
      fs,
      "MS_",
      "RDONLY NOSUID NODEV NOEXEC SYNCHRONOUS REMOUNT MANDLOCK DIRSYNC NOSYMFOLLOW NOATIME NODIRATIME BIND MOVE REC SILENT POSIXACL UNBINDABLE PRIVATE SLAVE SHARED RELATIME STRICTATIME LAZYTIME",
    ),
    umountflags: [...pick(fs, "MNT_", "FORCE DETACH EXPIRE"), ...pick(fs, "", "UMOUNT_NOFOLLOW")],
    xattrflags: list("XATTR_CREATE=1 XATTR_REPLACE=2"),
    closerange: pick(fcntl, "CLOSE_RANGE_", "UNSHARE CLOEXEC"),
    spliceflags: pick(fcntl, "SPLICE_F_", "MOVE NONBLOCK MORE GIFT"),
    msgflags: list(
      "MSG_OOB=1 MSG_PEEK=2 MSG_DONTROUTE=4 MSG_CTRUNC=8 MSG_TRUNC=32 MSG_DONTWAIT=64 MSG_EOR=128 MSG_WAITALL=256 MSG_CONFIRM=2048 MSG_ERRQUEUE=8192 MSG_NOSIGNAL=16384 MSG_MORE=32768 MSG_WAITFORONE=65536 MSG_ZEROCOPY=67108864 MSG_FASTOPEN=536870912 MSG_CMSG_CLOEXEC=1073741824",
    ),
    inotifyflags: list("IN_NONBLOCK=2048 IN_CLOEXEC=524288"),
    inotifymask: list(
      "IN_ACCESS=1 IN_MODIFY=2 IN_ATTRIB=4 IN_CLOSE_WRITE=8 IN_CLOSE_NOWRITE=16 IN_OPEN=32 IN_MOVED_FROM=64 IN_MOVED_TO=128 IN_CREATE=256 IN_DELETE=512 IN_DELETE_SELF=1024 IN_MOVE_SELF=2048 IN_ONLYDIR=16777216 IN_DONT_FOLLOW=33554432 IN_EXCL_UNLINK=67108864 IN_MASK_CREATE=268435456 IN_MASK_ADD=536870912 IN_ISDIR=1073741824 IN_ONESHOT=2147483648",
    ),
    pidfdflags: list("PIDFD_THREAD=128 PIDFD_NONBLOCK=2048"),
    statxmask: list(
      "STATX_TYPE=1 STATX_MODE=2 STATX_NLINK=4 STATX_UID=8 STATX_GID=16 STATX_ATIME=32 STATX_MTIME=64 STATX_CTIME=128 STATX_INO=256 STATX_SIZE=512 STATX_BLOCKS=1024 STATX_BTIME=2048 STATX_MNT_ID=4096 STATX_DIOALIGN=8192",
    ),
  };
}

/** Enumerations by the kind of argument they belong to. */
export function enumSets(): Readonly<Record<string, readonly Named[]>> {
  return {
    whence: pick(file, "SEEK_", "SET CUR END DATA HOLE"),
    fcntlcmd: pick(
      file,
      "F_",
      "DUPFD GETFD SETFD GETFL SETFL GETLK SETLK SETLKW SETOWN GETOWN SETSIG GETSIG SETOWN_EX GETOWN_EX GETOWNER_UIDS OFD_GETLK OFD_SETLK OFD_SETLKW SETLEASE GETLEASE NOTIFY DUPFD_QUERY CREATED_QUERY CANCELLK DUPFD_CLOEXEC SETPIPE_SZ GETPIPE_SZ ADD_SEALS GET_SEALS",
    ),
    ioctlcmd: all(ioctl, "T", "FIO", "SIOC", "FI", "FS_IOC", "BLK", "RND", "FUSE", "NS_GET"),
    madvice: all(mm, "MADV_"),
    fadvice: all(file, "POSIX_FADV_"),
    sighow: pick(signal, "SIG_", "BLOCK UNBLOCK SETMASK"),
    clockid: all(time, "CLOCK_"),
    itimer: list("ITIMER_REAL=0 ITIMER_VIRTUAL=1 ITIMER_PROF=2"),
    resource: pick(
      rlimit,
      "RLIMIT_",
      "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME",
    ),
    futexcmd: pick(
      futex,
      "FUTEX_",
      "WAIT WAKE FD REQUEUE CMP_REQUEUE WAKE_OP LOCK_PI UNLOCK_PI TRYLOCK_PI WAIT_BITSET WAKE_BITSET WAIT_REQUEUE_PI CMP_REQUEUE_PI LOCK_PI2",
    ),
    epollop: pick(epoll, "EPOLL_CTL_", "ADD DEL MOD"),
    prctlop: all(prctl, "PR_SET", "PR_GET", "PR_CAP", "PR_TASK", "PR_MCE", "PR_MPX", "PR_SCHED"),
    archop: all(prctl, "ARCH_"),
    rusagewho: list("RUSAGE_SELF=0 RUSAGE_CHILDREN=4294967295 RUSAGE_THREAD=1"),
    idtype: list("P_ALL=0 P_PID=1 P_PGID=2 P_PIDFD=3"),
    policy: pick(sched, "SCHED_", "NORMAL FIFO RR BATCH IDLE DEADLINE EXT"),
    membarrier: all(sched, "MEMBARRIER_CMD_"),
    prio: pick(sched, "PRIO_", "PROCESS PGRP USER"),
    domain: list(
      "AF_UNSPEC=0 AF_UNIX=1 AF_INET=2 AF_INET6=10 AF_NETLINK=16 AF_PACKET=17 AF_ALG=38 AF_VSOCK=40 AF_BLUETOOTH=31",
    ),
    socktype: list("SOCK_STREAM=1 SOCK_DGRAM=2 SOCK_RAW=3 SOCK_RDM=4 SOCK_SEQPACKET=5 SOCK_DCCP=6 SOCK_PACKET=10"),
    sockproto: list(
      "IPPROTO_IP=0 IPPROTO_ICMP=1 IPPROTO_TCP=6 IPPROTO_UDP=17 IPPROTO_IPV6=41 IPPROTO_ICMPV6=58 IPPROTO_RAW=255",
    ),
    socklevel: list(
      "SOL_SOCKET=1 SOL_IP=0 SOL_TCP=6 SOL_UDP=17 SOL_IPV6=41 SOL_ICMPV6=58 SOL_PACKET=263 SOL_NETLINK=270",
    ),
    shuthow: list("SHUT_RD=0 SHUT_WR=1 SHUT_RDWR=2"),
    seccompop: list(
      "SECCOMP_SET_MODE_STRICT=0 SECCOMP_SET_MODE_FILTER=1 SECCOMP_GET_ACTION_AVAIL=2 SECCOMP_GET_NOTIF_SIZES=3",
    ),
  };
}
