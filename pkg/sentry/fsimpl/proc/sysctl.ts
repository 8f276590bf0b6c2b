import { CAP_LAST_CAP, CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../../abi/linux/capability.ts";
import { MAX_MAP_COUNT, MMAP_MIN_ADDR } from "../../../abi/linux/mm.ts";
import { NR_UNIX98_PTY_DEFAULT, NR_UNIX98_PTY_RESERVE } from "../../../abi/linux/tty.ts";
import { UTS_LEN } from "../../../abi/linux/utsname.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Queue } from "../../../waiter/index.ts";
import {
  type Credentials,
  UCOUNT_CGROUP_NAMESPACES,
  UCOUNT_IPC_NAMESPACES,
  UCOUNT_MNT_NAMESPACES,
  UCOUNT_NET_NAMESPACES,
  UCOUNT_PID_NAMESPACES,
  UCOUNT_USER_NAMESPACES,
  UCOUNT_UTS_NAMESPACES,
  type UserNamespace,
} from "../../kernel/auth/index.ts";
import { NR_OPEN_DEFAULT } from "../../kernel/fd_table.ts";
import { KERNEL_RELEASE, KERNEL_SYSNAME, KERNEL_VERSION } from "../../kernel/version.ts";
import { MAY_READ, MAY_WRITE } from "../../vfs/index.ts";
import { DevptsType } from "../devpts/index.ts";
import { DynamicBytesInode, StaticDirectory, StaticFile } from "../kernfs/index.ts";
import type { ProcFilesystem } from "./filesystem.ts";

const MAX_UINT64_LESS_PAGE = "18446744073692774399";
const MAX_INT64 = "9223372036854775807";

/** Files with constant content, by directory. */
const CONSTANTS: { readonly [dir: string]: { readonly [name: string]: string } } = {
  "dev/tty": { ldisc_autoload: "0", legacy_tiocsti: "1" },
  fs: {
    "aio-max-nr": "65536",
    "aio-nr": "0",
    "dentry-state": "0\t0\t45\t0\t0\t0",
    "file-max": MAX_INT64,
    "file-nr": `0\t0\t${MAX_INT64}`,
    "inode-nr": "0\t0",
    "inode-state": "0\t0\t0\t0\t0\t0\t0",
    "lease-break-time": "45",
    "leases-enable": "0",
    nr_open: String(NR_OPEN_DEFAULT),
    overflowgid: "65534",
    overflowuid: "65534",
    "pipe-max-size": "1048576",
    "pipe-user-pages-hard": "32768",
    "pipe-user-pages-soft": "16384",
    protected_fifos: "0",
    protected_hardlinks: "0",
    protected_regular: "0",
    protected_symlinks: "0",
    suid_dumpable: "0",
  },
  "fs/mqueue": { msg_default: "10", msg_max: "10", msgsize_default: "8192", msgsize_max: "8192", queues_max: "256" },
  kernel: {
    auto_msgmni: "0",
    cap_last_cap: String(CAP_LAST_CAP),
    core_pattern: "core",
    core_uses_pid: "0",
    dmesg_restrict: "1",
    io_uring_disabled: "2",
    kptr_restrict: "2",
    msgmax: "8192",
    msgmnb: "16384",
    msgmni: "32000",
    ngroups_max: "65536",
    osrelease: KERNEL_RELEASE,
    ostype: KERNEL_SYSNAME,
    overflowgid: "65534",
    overflowuid: "65534",
    panic: "0",
    perf_event_paranoid: "3",
    printk: "4\t4\t1\t7",
    randomize_va_space: "2",
    sched_rr_timeslice_ms: "100",
    sched_rt_period_us: "1000000",
    sched_rt_runtime_us: "950000",
    sem: "32000\t1024000000\t500\t32000",
    shm_rmid_forced: "0",
    shmall: MAX_UINT64_LESS_PAGE,
    shmmax: MAX_UINT64_LESS_PAGE,
    shmmni: "4096",
    sysctl_writes_strict: "1",
    tainted: "0",
    unprivileged_bpf_disabled: "2",
    version: KERNEL_VERSION,
  },
  "kernel/keys": { maxbytes: "20000", maxkeys: "200", root_maxbytes: "25000000", root_maxkeys: "1000000" },
  "kernel/pty": { max: String(NR_UNIX98_PTY_DEFAULT), reserve: String(NR_UNIX98_PTY_RESERVE) },
  "kernel/random": {
    entropy_avail: "256",
    poolsize: "256",
    urandom_min_reseed_secs: "60",
    write_wakeup_threshold: "256",
  },
  "kernel/seccomp": {
    actions_avail: "kill_process kill_thread trap errno trace log allow",
    actions_logged: "kill_process kill_thread trap errno trace log",
  },
  vm: {
    dirty_background_ratio: "10",
    dirty_expire_centisecs: "3000",
    dirty_ratio: "20",
    dirty_writeback_centisecs: "500",
    legacy_va_layout: "0",
    max_map_count: String(MAX_MAP_COUNT),
    memfd_noexec: "0",
    min_free_kbytes: "0",
    mmap_min_addr: String(MMAP_MIN_ADDR),
    nr_hugepages: "0",
    nr_overcommit_hugepages: "0",
    oom_kill_allocating_task: "0",
    overcommit_kbytes: "0",
    overcommit_memory: "0",
    overcommit_ratio: "50",
    "page-cluster": "3",
    panic_on_oom: "0",
    swappiness: "60",
    unprivileged_userfaultfd: "0",
    vfs_cache_pressure: "100",
  },
  "net/core": {
    default_qdisc: "pfifo_fast",
    message_burst: "10",
    message_cost: "5",
    optmem_max: "131072",
    rmem_default: "212992",
    rmem_max: "212992",
    somaxconn: "4096",
    wmem_default: "212992",
    wmem_max: "212992",
  },
  "net/ipv4": {
    ip_forward: "0",
    ip_local_port_range: "32768\t60999",
    ip_local_reserved_ports: "",
    ip_nonlocal_bind: "0",
    tcp_allowed_congestion_control: "reno",
    tcp_available_congestion_control: "reno",
    tcp_congestion_control: "reno",
    tcp_fin_timeout: "60",
    tcp_keepalive_intvl: "75",
    tcp_keepalive_probes: "9",
    tcp_keepalive_time: "7200",
    tcp_max_syn_backlog: "512",
    tcp_mem: "286629\t382173\t573258",
    tcp_retries1: "3",
    tcp_retries2: "15",
    tcp_rmem: "4096\t131072\t6291456",
    tcp_sack: "1",
    tcp_syn_retries: "6",
    tcp_synack_retries: "5",
    tcp_timestamps: "1",
    tcp_tw_reuse: "2",
    tcp_wmem: "4096\t16384\t4194304",
  },
  "net/ipv6": { bindv6only: "0" },
  "net/unix": { max_dgram_qlen: "10" },
};

/** Names of files that show, and some of them change, state of the kernel. */
type LiveName =
  | "boot_id"
  | "domainname"
  | "hostname"
  | "inotify/max_queued_events"
  | "inotify/max_user_instances"
  | "inotify/max_user_watches"
  | "max_user_watches"
  | "mount-max"
  | "nr"
  | "ns_last_pid"
  | "pid_max"
  | "threads-max"
  | "uuid";

/** Live files: directory, name (of a directory below too, where a name alone is not clear), permissions. */
const LIVE: readonly (readonly [string, LiveName, number])[] = [
  ["kernel", "hostname", 0o644],
  ["kernel", "domainname", 0o644],
  ["kernel", "pid_max", 0o644],
  ["kernel", "ns_last_pid", 0o444],
  ["kernel", "threads-max", 0o444],
  ["kernel/pty", "nr", 0o444],
  ["kernel/random", "boot_id", 0o444],
  ["kernel/random", "uuid", 0o444],
  ["fs", "mount-max", 0o644],
  ["fs/epoll", "max_user_watches", 0o644],
  ["fs", "inotify/max_queued_events", 0o644],
  ["fs", "inotify/max_user_instances", 0o644],
  ["fs", "inotify/max_user_watches", 0o644],
];

/** The permission check of /proc/sys: the mode decides, for root too; root is the first user namespace's. */
function checkSysctl(creds: Credentials, mode: number, mask: number): number {
  let perms = mode;
  if (creds.effectiveKUID === 0) perms >>= 6;
  else if (creds.inEffectiveGroup(0)) perms >>= 3;
  return (mask & ~perms & 7) === 0 ? 0 : -linuxerr.EACCES.errno;
}

/** A directory of /proc/sys. */
export class SysctlDirectory extends StaticDirectory {
  static override readonly stateType = stateType("proc.SysctlDirectory", []);

  override newSubdirectory(perm: number): StaticDirectory {
    return new SysctlDirectory(this.kernfs(), perm);
  }

  override checkPermissions(creds: Credentials, mask: number): number {
    return checkSysctl(creds, this.mode(), mask);
  }
}

/** Fills /proc/sys. */
export function buildSysctl(fs: ProcFilesystem, root: StaticDirectory): void {
  for (const path of Object.keys(CONSTANTS)) {
    const dir = directory(root, path);
    const files = CONSTANTS[path] ?? {};
    for (const name of Object.keys(files)) dir.add(name, new StaticFile(fs, `${files[name] ?? ""}\n`));
  }
  const user = directory(root, "user");
  for (const [name, kind] of NAMESPACE_LIMITS) user.add(name, new NamespaceLimit(fs, kind));
  for (const [path, name, perm] of LIVE) {
    const [file = "", below] = name.split("/").reverse();
    const dir = directory(root, below === undefined ? path : `${path}/${below}`);
    dir.add(file, new LiveSysctl(fs, name, perm));
  }
}

/** Files of /proc/sys/user by name, and what they limit. Without time namespaces their limit is left out. */
const NAMESPACE_LIMITS: readonly (readonly [string, number])[] = [
  ["max_cgroup_namespaces", UCOUNT_CGROUP_NAMESPACES],
  ["max_ipc_namespaces", UCOUNT_IPC_NAMESPACES],
  ["max_mnt_namespaces", UCOUNT_MNT_NAMESPACES],
  ["max_net_namespaces", UCOUNT_NET_NAMESPACES],
  ["max_pid_namespaces", UCOUNT_PID_NAMESPACES],
  ["max_user_namespaces", UCOUNT_USER_NAMESPACES],
  ["max_uts_namespaces", UCOUNT_UTS_NAMESPACES],
];
const INT_MAX = 0x7fffffff;

/** A file of /proc/sys/user: how many namespaces of a kind a user of the reader's user namespace may have there. */
export class NamespaceLimit extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.NamespaceLimit", ["kind"]);
  readonly kind: number;

  constructor(fs: ProcFilesystem, kind: number) {
    super(fs, 0o644);
    this.kind = kind;
  }

  /** The reader's user namespace. */
  namespace(): UserNamespace {
    const fs = this.fs as ProcFilesystem;
    return fs.reader()?.creds.userNamespace ?? fs.kernel.rootUserNamespace;
  }

  /** Whoever may change resources in the namespace may write; the rest may read. */
  override checkPermissions(creds: Credentials, mask: number): number {
    const granted = creds.hasCapability(CAP_SYS_RESOURCE) ? MAY_READ | MAY_WRITE : MAY_READ;
    return (mask & ~granted) === 0 ? 0 : -linuxerr.EACCES.errno;
  }

  override generate(): string {
    return `${this.namespace().limits[this.kind] ?? 0}\n`;
  }

  override writeBytes(data: string, offset: number): number {
    if (offset === 0) this.namespace().limits[this.kind] = integer(data, 0, INT_MAX);
    return data.length;
  }
}

function directory(root: StaticDirectory, path: string): StaticDirectory {
  let d = root;
  for (const name of path.split("/")) d = d.addDir(name);
  return d;
}

/** A file of /proc/sys that shows state of the kernel. */
export class LiveSysctl extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.LiveSysctl", ["name"]);
  readonly name: LiveName;

  constructor(fs: ProcFilesystem, name: LiveName, perm: number) {
    super(fs, perm);
    this.name = name;
  }

  /** The filesystem, typed. */
  proc(): ProcFilesystem {
    return this.fs as ProcFilesystem;
  }

  override generate(): string {
    return `${this.value()}\n`;
  }

  override checkPermissions(creds: Credentials, mask: number): number {
    return checkSysctl(creds, this.mode(), mask);
  }

  override changeQueue(): Queue | null {
    const isName = this.name === "hostname" || this.name === "domainname";
    return isName ? this.proc().kernel.rootUTSNamespace.changes.queue : null;
  }

  override changeCount(): number {
    const changes = this.proc().kernel.rootUTSNamespace.changes;
    return this.name === "hostname" ? changes.hostNames : changes.domainNames;
  }

  value(): string {
    const fs = this.proc();
    const k = fs.kernel;
    const uts = fs.reader()?.utsNamespace ?? k.rootUTSNamespace;
    switch (this.name) {
      case "hostname":
        return uts.hostName;
      case "domainname":
        return uts.domainName;
      case "pid_max":
        return String(fs.pidNamespace.pidMax);
      case "ns_last_pid":
        return String(fs.pidNamespace.last);
      case "threads-max":
        return String(k.tasks.maxTasks);
      case "mount-max":
        return String(fs.vfs.mountMax);
      case "nr": {
        const devpts = fs.vfs.fsTypes.get("devpts");
        return String(devpts instanceof DevptsType ? devpts.driver.count : 0);
      }
      case "inotify/max_queued_events":
        return String(fs.vfs.inotify.maxQueuedEvents);
      case "inotify/max_user_instances":
        return String(fs.vfs.inotify.maxUserInstances);
      case "inotify/max_user_watches":
        return String(fs.vfs.inotify.maxUserWatches);
      case "max_user_watches":
        return String(fs.vfs.epollAccounting.maxUserWatches);
      case "boot_id":
        return fs.info.bootID;
      default:
        return randomUUID();
    }
  }

  override writeBytes(data: string, offset: number): number {
    const fs = this.proc();
    const reader = fs.reader();
    if (offset !== 0) return data.length;
    switch (this.name) {
      case "hostname":
      case "domainname": {
        const uts = reader?.utsNamespace ?? fs.kernel.rootUTSNamespace;
        if (reader !== null && !reader.creds.hasCapabilityIn(CAP_SYS_ADMIN, uts.userNamespace)) throw linuxerr.EPERM;
        const end = data.search(/[\n\0]/);
        const name = (end < 0 ? data : data.slice(0, end)).slice(0, UTS_LEN);
        if (this.name === "hostname") uts.setHostName(name);
        else uts.setDomainName(name);
        return data.length;
      }
      case "pid_max":
        fs.pidNamespace.pidMax = integer(data, 301, 4194304);
        return data.length;
      case "mount-max":
        fs.vfs.mountMax = integer(data, 1, 1000000);
        return data.length;
      case "inotify/max_queued_events":
        fs.vfs.inotify.maxQueuedEvents = integer(data, 0, 65536);
        return data.length;
      case "inotify/max_user_instances":
        fs.vfs.inotify.maxUserInstances = integer(data, 0, 8192);
        return data.length;
      case "inotify/max_user_watches":
        fs.vfs.inotify.maxUserWatches = integer(data, 0, 1000000);
        return data.length;
      case "max_user_watches":
        fs.vfs.epollAccounting.maxUserWatches = integer(data, 0, 1000000);
        return data.length;
      default:
        return super.writeBytes(data, offset);
    }
  }
}

/** A number in [min, max], else EINVAL. */
function integer(data: string, min: number, max: number): number {
  const word = data.trim();
  if (!/^[0-9]+$/.test(word)) throw linuxerr.EINVAL;
  const n = Number(word);
  if (n < min || n > max) throw linuxerr.EINVAL;
  return n;
}

/** A random (version 4) UUID. */
export function randomUUID(): string {
  const b = new Uint8Array(16);
  if (host.getrandom(b) !== 16) throw linuxerr.EIO;
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x40;
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
  const h = Buffer.from(b).toString("hex");
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
}
