import { SYSFS_MAGIC } from "../../../abi/linux/fs.ts";
import { PTMX_MINOR, TTY_MINOR, TTYAUX_MAJOR } from "../../../abi/linux/tty.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials, UserNamespace } from "../../kernel/auth/index.ts";
import type { Filesystem, FilesystemType, GetFilesystemOptions, VirtualFilesystem } from "../../vfs/index.ts";
import { KernfsFilesystem, StaticDirectory, StaticFile, StaticSymlink } from "../kernfs/index.ts";

/** What /sys tells about the machine. */
export interface SysInfo {
  readonly cpuCount: number;
  /** Memory shown to guests, in bytes. */
  readonly totalMemory: number;
}

/** The root of sysfs. */
export class SysRoot extends StaticDirectory {
  static override readonly stateType = stateType("sys.SysRoot", []);

  override fill(): void {
    (this.fs as SysFilesystem).build(this);
  }
}

/** An instance of sysfs: a fixed tree, read-only. */
export class SysFilesystem extends KernfsFilesystem {
  static override readonly stateType = stateType("sys.SysFilesystem", ["info"]);
  override readonly type = "sysfs";
  override readonly magic = SYSFS_MAGIC;

  readonly info: SysInfo;

  constructor(vfs: VirtualFilesystem, info: SysInfo) {
    super(vfs);
    this.info = info;
    this.setRoot(new SysRoot(this, 0o555));
  }

  /** Makes the tree. */
  build(root: StaticDirectory): void {
    this.buildEmpty(root);
    this.buildTerminals(root);
    this.buildCPUs(root, this.info.cpuCount);
    this.buildNode(root, this.info);
    this.buildKernel(root);
  }

  file(dir: StaticDirectory, name: string, text: string, perm = 0o444): void {
    dir.add(name, new StaticFile(this, `${text}\n`, perm));
  }

  /** Directories that exist on every machine. */
  buildEmpty(root: StaticDirectory): void {
    root.addDir("block", 0o755);
    root.addDir("bus", 0o755);
    const cls = root.addDir("class", 0o755);
    cls.addDir("power_supply", 0o755);
    const dev = root.addDir("dev", 0o755);
    dev.addDir("block", 0o755);
    dev.addDir("char", 0o755);
    root.addDir("devices", 0o755).addDir("virtual", 0o755);
    root.addDir("firmware", 0o755);
    root.addDir("fs", 0o755).addDir("cgroup", 0o755);
    root.addDir("module", 0o755);
    root.addDir("power", 0o755);
  }

  /** /sys/class/tty: the devices that have a fixed number. */
  buildTerminals(root: StaticDirectory): void {
    const cls = root.addDir("class").addDir("tty", 0o755);
    const devices = root.addDir("devices").addDir("virtual").addDir("tty", 0o755);
    const numbers = root.addDir("dev").addDir("char");
    for (const [name, minor] of [
      ["ptmx", PTMX_MINOR],
      ["tty", TTY_MINOR],
    ] as const) {
      const d = devices.addDir(name, 0o755);
      const number = `${TTYAUX_MAJOR}:${minor}`;
      this.file(d, "dev", number);
      this.file(d, "uevent", `MAJOR=${TTYAUX_MAJOR}\nMINOR=${minor}\nDEVNAME=${name}\nDEVMODE=0666`, 0o644);
      d.add("subsystem", new StaticSymlink(this, "../../../../class/tty"));
      cls.add(name, new StaticSymlink(this, `../../devices/virtual/tty/${name}`));
      numbers.add(number, new StaticSymlink(this, `../../devices/virtual/tty/${name}`));
    }
  }

  /** /sys/devices/system/cpu: one package, one thread a core. */
  buildCPUs(root: StaticDirectory, n: number): void {
    const cpu = root.addDir("devices").addDir("system", 0o755).addDir("cpu", 0o755);
    const all = cpuList(n);
    this.file(cpu, "online", all);
    this.file(cpu, "possible", all);
    this.file(cpu, "present", all);
    this.file(cpu, "offline", "");
    this.file(cpu, "isolated", "");
    this.file(cpu, "kernel_max", "8191");
    const everyone = cpuMask(0, n, n);
    for (let i = 0; i < n; i++) {
      const c = cpu.addDir(`cpu${i}`, 0o755);
      if (i > 0) this.file(c, "online", "1", 0o644);
      const t = c.addDir("topology", 0o755);
      const own = cpuMask(i, i + 1, n);
      this.file(t, "physical_package_id", "0");
      this.file(t, "die_id", "0");
      this.file(t, "core_id", String(i));
      for (const name of ["core_cpus", "thread_siblings"]) {
        this.file(t, name, own);
        this.file(t, `${name}_list`, String(i));
      }
      for (const name of ["package_cpus", "core_siblings", "die_cpus"]) {
        this.file(t, name, everyone);
        this.file(t, `${name}_list`, all);
      }
    }
  }

  /** /sys/devices/system/node: one node with all processors and memory. */
  buildNode(root: StaticDirectory, info: SysInfo): void {
    const node = root.addDir("devices").addDir("system").addDir("node", 0o755);
    for (const name of ["online", "possible", "has_cpu", "has_memory", "has_normal_memory"]) this.file(node, name, "0");
    const n0 = node.addDir("node0", 0o755);
    this.file(n0, "cpulist", cpuList(info.cpuCount));
    this.file(n0, "cpumap", cpuMask(0, info.cpuCount, info.cpuCount));
    this.file(n0, "distance", "10");
    const kb = Math.floor(info.totalMemory / 1024);
    this.file(
      n0,
      "meminfo",
      `Node 0 MemTotal:       ${String(kb).padStart(8)} kB\n` +
        `Node 0 MemFree:        ${String(kb).padStart(8)} kB\n` +
        `Node 0 MemUsed:        ${"0".padStart(8)} kB`,
    );
  }

  /** /sys/kernel. */
  buildKernel(root: StaticDirectory): void {
    const kernel = root.addDir("kernel", 0o755);
    kernel.addDir("debug", 0o700);
    kernel.addDir("security", 0o755);
    kernel.addDir("tracing", 0o700);
    const mm = kernel.addDir("mm", 0o755);
    mm.addDir("hugepages", 0o755);
    const thp = mm.addDir("transparent_hugepage", 0o755);
    this.file(thp, "enabled", "always madvise [never]", 0o644);
    this.file(thp, "defrag", "always defer defer+madvise madvise [never]", 0o644);
    this.file(thp, "shmem_enabled", "always within_size advise [never] deny force", 0o644);
    this.file(thp, "hpage_pmd_size", "2097152");
    const ksm = mm.addDir("ksm", 0o755);
    this.file(ksm, "run", "0", 0o644);
  }
}

/** "0-3", as cpulist_parse(3) reads it. */
export function cpuList(n: number): string {
  return n === 1 ? "0" : `0-${n - 1}`;
}

/** Bits [from, to) of n processors as the kernel prints a cpumask: hexadecimal, 32 bits a group, comma-separated. */
export function cpuMask(from: number, to: number, n: number): string {
  const groups: string[] = [];
  for (let g = Math.ceil(n / 32) - 1; g >= 0; g--) {
    let bits = 0;
    for (let i = 0; i < 32; i++) {
      const cpu = g * 32 + i;
      if (cpu >= from && cpu < to) bits |= 1 << i;
    }
    // The first group has only as many digits as there are processors for.
    const digits = groups.length === 0 ? Math.ceil((n - g * 32) / 4) : 8;
    groups.push((bits >>> 0).toString(16).padStart(digits, "0"));
  }
  return groups.join(",");
}

/** The filesystem type "sysfs". */
export class SysType implements FilesystemType {
  static readonly stateType = stateType("sys.SysType", [
    "name",
    "requiresDevice",
    "allowUserMount",
    "allowUserList",
    "userVisible",
    "info",
  ]);
  readonly name = "sysfs";
  readonly requiresDevice = false;
  readonly allowUserMount = true;
  readonly allowUserList = true;
  readonly userVisible = true;
  readonly info: SysInfo;

  constructor(info: SysInfo) {
    this.info = info;
  }

  /** Who rules the caller's network namespace. */
  userNamespace(creds: Credentials, vfs: VirtualFilesystem): UserNamespace {
    return vfs.currentTask()?.networkNamespace.userNamespace ?? creds.userNamespace;
  }

  getFilesystem(vfs: VirtualFilesystem, _creds: Credentials, _source: string, _o: GetFilesystemOptions): Filesystem {
    return new SysFilesystem(vfs, this.info);
  }
}
