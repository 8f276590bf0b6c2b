import { CLOCK_BOOTTIME, CLOCK_REALTIME, NSEC_PER_SEC, NSEC_PER_TICK } from "../../../abi/linux/time.ts";
import { stateType } from "../../../state/index.ts";
import { Usage } from "../../kernel/thread_group.ts";
import { KERNEL_RELEASE, KERNEL_SYSNAME, KERNEL_VERSION } from "../../kernel/version.ts";
import { DynamicBytesInode } from "../kernfs/index.ts";
import type { ProcFilesystem } from "./filesystem.ts";

/** A text file about the whole system. */
export interface SystemFileSpec {
  readonly perm?: number;
  read(fs: ProcFilesystem): string;
  /** A write is accepted and has no effect. */
  readonly ignoresWrites?: boolean;
}

/** The processors: the host's first block, once for each processor of the guest. */
function cpuInfo(fs: ProcFilesystem): string {
  const text = fs.info.cpuInfo;
  const end = text.indexOf("\n\n");
  const block = end < 0 ? text.trimEnd() : text.slice(0, end);
  const n = fs.kernel.cpuCount;
  let s = "";
  for (let i = 0; i < n; i++) {
    for (const line of block.split("\n")) s += `${cpuLine(line, i, n)}\n`;
    s += "\n";
  }
  return s;
}

/** A line of the block of processor i of n; topology is one package of single-threaded cores. */
function cpuLine(line: string, i: number, n: number): string {
  const colon = line.indexOf(":");
  const key = colon < 0 ? "" : line.slice(0, colon).trimEnd();
  const head = line.slice(0, colon + 1);
  switch (key) {
    case "processor":
    case "core id":
    case "apicid":
    case "initial apicid":
      return `${head} ${i}`;
    case "physical id":
      return `${head} 0`;
    case "siblings":
    case "cpu cores":
      return `${head} ${n}`;
    default:
      return line;
  }
}

function meminfo(fs: ProcFilesystem): string {
  const k = fs.kernel;
  const total = fs.kernel.totalMemory;
  const used = Math.min(k.memoryFile.usedBytes, total);
  const free = total - used;
  const lines: readonly (readonly [string, number])[] = [
    ["MemTotal", total],
    ["MemFree", free],
    ["MemAvailable", free],
    ["Buffers", 0],
    ["Cached", 0],
    ["SwapCached", 0],
    ["Active", used],
    ["Inactive", 0],
    ["Active(anon)", used],
    ["Inactive(anon)", 0],
    ["Active(file)", 0],
    ["Inactive(file)", 0],
    ["Unevictable", 0],
    ["Mlocked", 0],
    ["SwapTotal", 0],
    ["SwapFree", 0],
    ["Dirty", 0],
    ["Writeback", 0],
    ["AnonPages", used],
    ["Mapped", 0],
    ["Shmem", 0],
    ["KReclaimable", 0],
    ["Slab", 0],
    ["SReclaimable", 0],
    ["SUnreclaim", 0],
    ["KernelStack", 0],
    ["PageTables", 0],
    ["CommitLimit", Math.floor(total / 2)],
    ["Committed_AS", used],
    ["VmallocTotal", 35184372087808],
    ["VmallocUsed", 0],
    ["VmallocChunk", 0],
    ["AnonHugePages", 0],
    ["ShmemHugePages", 0],
  ];
  let s = "";
  for (const [name, bytes] of lines)
    s += `${`${name}:`.padEnd(15)} ${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`;
  for (const name of ["HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "HugePages_Surp"]) {
    s += `${`${name}:`.padEnd(15)} ${"0".padStart(8)}\n`;
  }
  return `${s}Hugepagesize:       2048 kB\nHugetlb:               0 kB\n`;
}

/** User and system time of everything, in ticks, never less than said before. */
function busyTicks(fs: ProcFilesystem): readonly [user: number, system: number] {
  const u = new Usage();
  for (const tg of fs.kernel.tasks.threadGroups()) {
    tg.addUsage(u);
    u.add(tg.childUsage);
  }
  fs.userTicks = Math.max(fs.userTicks, Math.floor(u.userNs / NSEC_PER_TICK));
  fs.systemTicks = Math.max(fs.systemTicks, Math.floor(u.systemNs / NSEC_PER_TICK));
  return [fs.userTicks, fs.systemTicks];
}

function stat(fs: ProcFilesystem): string {
  const k = fs.kernel;
  const n = k.cpuCount;
  const up = k.timekeeper.now(CLOCK_BOOTTIME);
  const [user, system] = busyTicks(fs);
  const idle = Math.max(0, Math.floor((up / NSEC_PER_TICK) * n) - user - system);
  let s = `cpu  ${user} 0 ${system} ${idle} 0 0 0 0 0 0\n`;
  for (let i = 0; i < n; i++) {
    s += `cpu${i} ${Math.floor(user / n)} 0 ${Math.floor(system / n)} ${Math.floor(idle / n)} 0 0 0 0 0 0\n`;
  }
  k.timekeeper.read(CLOCK_REALTIME);
  const boot = Math.floor(k.timekeeper.time.sec - up / NSEC_PER_SEC);
  let running = 0;
  for (const t of k.tasks.all) if (t.stateLetter() === "R") running++;
  s += `intr 0\nctxt 0\nbtime ${boot}\nprocesses ${k.tasks.forks}\nprocs_running ${running}\nprocs_blocked 0\n`;
  return `${s}softirq 0 0 0 0 0 0 0 0 0 0 0\n`;
}

function uptime(fs: ProcFilesystem): string {
  const k = fs.kernel;
  const up = k.timekeeper.now(CLOCK_BOOTTIME) / NSEC_PER_SEC;
  const [user, system] = busyTicks(fs);
  const idle = Math.max(0, up * k.cpuCount - (user + system) / 100);
  return `${up.toFixed(2)} ${idle.toFixed(2)}\n`;
}

function loadavg(fs: ProcFilesystem): string {
  let running = 0;
  let all = 0;
  for (const t of fs.kernel.tasks.all) {
    all++;
    if (t.stateLetter() === "R") running++;
  }
  const loads = Array.from(fs.kernel.loadAverage.read(), (load) => load.toFixed(2)).join(" ");
  return `${loads} ${running}/${all} ${fs.pidNamespace.last}\n`;
}

function filesystems(fs: ProcFilesystem): string {
  let s = "";
  for (const t of fs.vfs.fsTypes.values()) {
    if (t.allowUserList) s += `${t.requiresDevice ? "" : "nodev"}\t${t.name}\n`;
  }
  return s;
}

/** The files of /proc that are text made by the kernel. */
export const SYSTEM_FILES: { readonly [name: string]: SystemFileSpec } = {
  cgroups: { read: () => "#subsys_name\thierarchy\tnum_cgroups\tenabled\n" },
  cmdline: { read: () => `BOOT_IMAGE=/vmlinuz-${KERNEL_RELEASE} quiet\n` },
  cpuinfo: { read: cpuInfo },
  devices: {
    read: () =>
      "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n128 ptm\n136 pts\n\nBlock devices:\n",
  },
  filesystems: { read: filesystems },
  loadavg: { read: loadavg },
  meminfo: { read: meminfo },
  partitions: { read: () => "major minor  #blocks  name\n\n" },
  stat: { read: stat },
  swaps: { read: () => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" },
  "sysrq-trigger": { perm: 0o200, read: () => "", ignoresWrites: true },
  uptime: { read: uptime },
  version: { read: () => `${KERNEL_SYSNAME} version ${KERNEL_RELEASE} (runsc) ${KERNEL_VERSION}\n` },
  vmstat: {
    read: (fs) => {
      const free = Math.max(0, fs.kernel.totalMemory - fs.kernel.memoryFile.usedBytes);
      return `nr_free_pages ${Math.floor(free / 4096)}\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n`;
    },
  },
};

/** A file of SYSTEM_FILES. */
export class SystemFile extends DynamicBytesInode {
  static override readonly stateType = stateType("proc.SystemFile", ["name"]);
  readonly name: string;

  constructor(fs: ProcFilesystem, name: string) {
    super(fs, SYSTEM_FILES[name]?.perm ?? 0o444);
    this.name = name;
  }

  override generate(): string {
    return SYSTEM_FILES[this.name]?.read(this.fs as ProcFilesystem) ?? "";
  }

  override writeBytes(data: string, offset: number): number {
    if (SYSTEM_FILES[this.name]?.ignoresWrites === true) return data.length;
    return super.writeBytes(data, offset);
  }
}
