import { MS_RDONLY } from "../../pkg/abi/linux/fs.ts";
import { GoferOptions, GoferType } from "../../pkg/sentry/fsimpl/gofer/index.ts";
import { PipeFS } from "../../pkg/sentry/fsimpl/pipefs/index.ts";
import { TmpfsType } from "../../pkg/sentry/fsimpl/tmpfs/index.ts";
import type { Credentials } from "../../pkg/sentry/kernel/auth/index.ts";
import type { Kernel } from "../../pkg/sentry/kernel/index.ts";
import type { MountNamespace } from "../../pkg/sentry/vfs/index.ts";
import { type BootSpec, FD } from "./spec.ts";

/** Makes the kinds of file systems known that a container can mount. */
export function registerFilesystems(k: Kernel): void {
  new PipeFS(k.vfs);
  k.vfs.registerFilesystemType(new TmpfsType(k.memoryFile, k.totalMemory));
  k.vfs.registerFilesystemType(new GoferType(k.memoryFile.fileIDs));
}

/** The container's mounts: the donated directory under an overlay in memory, and what Linux programs expect on top. */
export function makeMounts(k: Kernel, root: Credentials, _spec: BootSpec): MountNamespace {
  const internalData = new GoferOptions(FD.root);
  return k.vfs.newMountNamespace(root, "none", "9p", { flags: MS_RDONLY, data: "", internalData }, k.rootUserNamespace);
}
