import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** How a pathname ended: at the root asked for, or elsewhere. */
export interface PathnameResult {
  path: string;
  reachable: boolean;
}

/**
 * The names from `root` (null: the root of the mount tree) down to vd, without any suffix. When vd is not below root, the path from
 * wherever the way up ends.
 */
export function buildPathname(root: VirtualDentry | null, vd: VirtualDentry): PathnameResult {
  let mount = vd.mount;
  let d = vd.dentry;
  const names: string[] = [];
  let reachable = true;
  for (;;) {
    if (root !== null && mount === root.mount && d === root.dentry) break;
    if (d === mount.root) {
      if (mount.parent === null || mount.mountpoint === null) {
        reachable = root === null && mount.ns !== null;
        break;
      }
      d = mount.mountpoint;
      mount = mount.parent;
      continue;
    }
    if (d.parent === null) {
      // The root of a filesystem above the root of a bind mount: the directory was moved out of the mount.
      reachable = false;
      break;
    }
    names.push(d.name);
    d = d.parent;
  }
  let path = "";
  for (let i = names.length - 1; i >= 0; i--) path += `/${names[i]}`;
  return { path: path === "" ? "/" : path, reachable };
}

/** A pathname as /proc/[pid]/fd/N and exe show it: " (deleted)" after a removed name, special names of files without a tree. */
export function pathnameWithDeleted(root: VirtualDentry | null, vd: VirtualDentry): string {
  const special = vd.dentry.inode.specialName();
  // The file of a namespace that is mounted somewhere shows as that place.
  const mounted = vd.dentry === vd.mount.root && vd.mount.parent !== null;
  if (special !== null && !mounted) return special;
  const { path } = buildPathname(root, vd);
  return vd.dentry.deleted ? `${path} (deleted)` : path;
}

/** The name a mapping shows in /proc/[pid]/maps: as the reader sees it. */
export function pathnameForMaps(vd: VirtualDentry): string {
  const reader = vd.dentry.inode.fs.vfs.taskSource?.current ?? null;
  return pathnameWithDeleted(reader === null ? null : reader.fsContext.root, vd);
}

/** getcwd(2): ENOENT for a removed directory, "(unreachable)" before a path outside the root. */
export function pathnameForGetcwd(root: VirtualDentry, vd: VirtualDentry): string {
  if (vd.dentry.deleted) throw linuxerr.ENOENT;
  const { path, reachable } = buildPathname(root, vd);
  return reachable ? path : `(unreachable)${path}`;
}
