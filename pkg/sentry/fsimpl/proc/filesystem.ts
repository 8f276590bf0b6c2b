import { PROC_SUPER_MAGIC } from "../../../abi/linux/fs.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials, UserNamespace } from "../../kernel/auth/index.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { PIDNamespace } from "../../kernel/pid_namespace.ts";
import type { Task } from "../../kernel/task.ts";
import type { Filesystem, FilesystemType, GetFilesystemOptions, VirtualFilesystem } from "../../vfs/index.ts";
import { KernfsFilesystem } from "../kernfs/index.ts";
import { RootDirectory } from "./root.ts";

/** What /proc tells about the machine; given in by the runtime, which reads it before it is confined. */
export interface ProcInfo {
  /** The text of the host's /proc/cpuinfo. */
  readonly cpuInfo: string;
  /** A random UUID for /proc/sys/kernel/random/boot_id. */
  readonly bootID: string;
}

/** An instance of proc: the processes of one PID namespace. */
export class ProcFilesystem extends KernfsFilesystem {
  static override readonly stateType = stateType("proc.ProcFilesystem", [
    "kernel",
    "pidNamespace",
    "info",
    "userTicks",
    "systemTicks",
  ]);
  override readonly type = "proc";
  override readonly magic = PROC_SUPER_MAGIC;
  readonly kernel: Kernel;
  readonly pidNamespace: PIDNamespace;
  readonly info: ProcInfo;
  /** Clock ticks of CPU time shown in /proc/stat last: they must not go back when processes end. */
  userTicks = 0;
  systemTicks = 0;

  constructor(vfs: VirtualFilesystem, kernel: Kernel, pidNamespace: PIDNamespace, info: ProcInfo) {
    super(vfs);
    this.kernel = kernel;
    this.pidNamespace = pidNamespace;
    this.info = info;
    this.revalidates = true;
    this.unknownNamesAreErrors = true;
    this.setRoot(new RootDirectory(this));
  }

  /** Whoever is looking; null inside the sentry. */
  reader(): Task | null {
    return this.kernel.current;
  }
}

/** The filesystem type "proc". */
export class ProcType implements FilesystemType {
  static readonly stateType = stateType("proc.ProcType", [
    "name",
    "requiresDevice",
    "allowUserMount",
    "allowUserList",
    "userVisible",
    "kernel",
    "info",
  ]);
  readonly name = "proc";
  readonly requiresDevice = false;
  readonly allowUserMount = true;
  readonly allowUserList = true;
  readonly userVisible = true;
  readonly kernel: Kernel;
  readonly info: ProcInfo;

  constructor(kernel: Kernel, info: ProcInfo) {
    this.kernel = kernel;
    this.info = info;
  }

  /** Who rules the PID namespace that a mount would show. */
  userNamespace(_creds: Credentials): UserNamespace {
    return (this.kernel.current?.pidNamespace ?? this.kernel.tasks.root).userNamespace;
  }

  /** Shows the PID namespace given as internalData, else the mounting task's, else the root one. */
  getFilesystem(vfs: VirtualFilesystem, _creds: Credentials, _source: string, opts: GetFilesystemOptions): Filesystem {
    for (const o of opts.data.split(",")) {
      // Hiding processes of others is not offered; saying that nothing is to be hidden is fine.
      if (o !== "" && o !== "hidepid=0" && o !== "hidepid=off" && !o.startsWith("gid=")) throw linuxerr.EINVAL;
    }
    const k = this.kernel;
    const ns =
      opts.internalData instanceof PIDNamespace ? opts.internalData : (k.current?.pidNamespace ?? k.tasks.root);
    return new ProcFilesystem(vfs, k, ns, this.info);
  }
}
