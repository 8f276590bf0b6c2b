import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } from "../../pkg/abi/linux/fs.ts";
import * as linuxerr from "../../pkg/errors/linuxerr/index.ts";
import { DevType, registerDevices } from "../../pkg/sentry/fsimpl/dev/index.ts";
import { DevptsType } from "../../pkg/sentry/fsimpl/devpts/index.ts";
import { GoferOptions, GoferType } from "../../pkg/sentry/fsimpl/gofer/index.ts";
import { OverlayOptions, OverlayType } from "../../pkg/sentry/fsimpl/overlay/index.ts";
import { PipeFS } from "../../pkg/sentry/fsimpl/pipefs/index.ts";
import { type ProcInfo, ProcType } from "../../pkg/sentry/fsimpl/proc/index.ts";
import { SysType } from "../../pkg/sentry/fsimpl/sys/index.ts";
import { TmpfsType } from "../../pkg/sentry/fsimpl/tmpfs/index.ts";
import type { Credentials } from "../../pkg/sentry/kernel/auth/index.ts";
import type { Kernel } from "../../pkg/sentry/kernel/index.ts";
import { type MountNamespace, PathOperation, Statx, type VirtualDentry } from "../../pkg/sentry/vfs/index.ts";
import { type BootSpec, FD } from "./spec.ts";

/** How long what the host said about a name is good with fileAccess "timed". */
const TIMED_MS = 1000;

/** A file system every container finds, in order of mounting. */
interface StandardMount {
  readonly target: string;
  readonly type: string;
  readonly source: string;
  readonly flags: number;
  readonly data: string;
}

const standardMounts: readonly StandardMount[] = [
  { target: "/proc", type: "proc", source: "proc", flags: MS_NOSUID | MS_NODEV | MS_NOEXEC, data: "" },
  { target: "/sys", type: "sysfs", source: "sysfs", flags: MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, data: "" },
  { target: "/dev", type: "dev", source: "none", flags: MS_NOSUID | MS_NOEXEC, data: "" },
  {
    target: "/dev/pts",
    type: "devpts",
    source: "devpts",
    flags: MS_NOSUID | MS_NOEXEC,
    data: "newinstance,ptmxmode=0666,mode=0620,gid=5",
  },
  { target: "/dev/shm", type: "tmpfs", source: "none", flags: MS_NOSUID | MS_NODEV, data: "mode=1777" },
];

/** Makes the kinds of file systems known that a container can mount, and the devices behind their nodes. */
export function registerFilesystems(k: Kernel, proc: ProcInfo): void {
  const vfs = k.vfs;
  // Registers itself as the maker of pipes.
  new PipeFS(vfs);
  vfs.registerFilesystemType(new TmpfsType(k.memoryFile, k.totalMemory));
  vfs.registerFilesystemType(new ProcType(k, proc));
  vfs.registerFilesystemType(new SysType({ cpuCount: k.cpuCount, totalMemory: k.totalMemory }));
  vfs.registerFilesystemType(new DevType());
  vfs.registerFilesystemType(new DevptsType(vfs));
  vfs.registerFilesystemType(new OverlayType());
  vfs.registerFilesystemType(new GoferType(k.memoryFile.fileIDs));
  registerDevices(vfs);
}

/** The donated directory under an overlay in memory, as the root of a new namespace. */
function makeRoot(
  k: Kernel,
  creds: Credentials,
  maxDescriptors: number,
  fileAccess: BootSpec["fileAccess"],
): MountNamespace {
  const vfs = k.vfs;
  const directory = new GoferOptions(FD.root);
  directory.exclusive = fileAccess === "exclusive";
  directory.trustFor = fileAccess === "timed" ? TIMED_MS : 0;
  directory.maxDescriptors = Math.min(directory.maxDescriptors, maxDescriptors);
  const lower = vfs.newFilesystem(creds, "9p", "none", {
    flags: MS_RDONLY,
    data: "",
    internalData: directory,
  });
  const lowerRoot = vfs.newDisconnectedMount(lower, lower.rootDentry(), "none", MS_RDONLY).rootVD;
  // The overlay's root has the upper layer's attributes: make them the directory's own.
  const st = new Statx();
  lowerRoot.inode.stat(st);
  // As much room as there is memory: programs ask statfs(2) for it, and one without a limit has none to show.
  const upper = vfs.newFilesystem(creds, "tmpfs", "none", {
    flags: 0,
    data: `mode=${(st.mode & 0o7777).toString(8)},uid=${st.uid},gid=${st.gid},size=100%`,
    internalData: null,
  });
  const upperRoot = vfs.newDisconnectedMount(upper, upper.rootDentry(), "none", 0).rootVD;
  const layers = new OverlayOptions(upperRoot, [lowerRoot]);
  layers.private = true;
  return vfs.newMountNamespace(
    creds,
    "none",
    "overlay",
    { flags: 0, data: "", internalData: layers },
    k.rootUserNamespace,
  );
}

/** Makes a directory and what leads to it where there is none. */
function makeDirectory(k: Kernel, creds: Credentials, root: VirtualDentry, path: string): void {
  for (let end = path.indexOf("/", 1); ; end = path.indexOf("/", end + 1)) {
    const part = end < 0 ? path : path.slice(0, end);
    try {
      k.vfs.mkdirAt(creds, new PathOperation(root, root, part, false), 0o755);
    } catch (e) {
      if (e !== linuxerr.EEXIST) throw e;
    }
    if (end < 0) return;
  }
}

/**
 * The container's mounts: its root, and what Linux programs expect on top. At most `maxDescriptors` of our descriptors are kept for files of
 * the host that are not open.
 */
export function makeMounts(
  k: Kernel,
  creds: Credentials,
  maxDescriptors: number,
  fileAccess: BootSpec["fileAccess"],
): MountNamespace {
  const ns = makeRoot(k, creds, maxDescriptors, fileAccess);
  for (const m of standardMounts) {
    makeDirectory(k, creds, ns.root, m.target);
    const at = new PathOperation(ns.root, ns.root, m.target, true);
    k.vfs.mountAt(creds, m.source, at, m.type, { flags: m.flags, data: m.data, internalData: null });
  }
  return ns;
}
