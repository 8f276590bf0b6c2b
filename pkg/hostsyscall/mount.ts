/** Mounts and roots; used by the launcher, never by a confined sentry. Results are >= 0 or a negative errno. */
import { AT_EMPTY_PATH } from "../abi/linux/file.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { cString, type PathArg, path1, path2, put64, scratch, scratchAddress, sys3, sys6 } from "./raw.ts";

/** mount(2); null arguments are NULL. */
export function mount(
  source: PathArg | null,
  target: PathArg,
  fsType: PathArg | null,
  flags: number,
  data: PathArg | null,
): number {
  const p = path1(target);
  return p < 0
    ? p
    : sys6(
        nr.SYS_mount,
        source === null ? 0 : cString(source),
        p,
        fsType === null ? 0 : cString(fsType),
        flags,
        data === null ? 0 : cString(data),
        0,
      );
}

/** umount2(2). */
export function umount2(target: PathArg, flags: number): number {
  const p = path1(target);
  return p < 0 ? p : sys3(nr.SYS_umount2, p, flags, 0);
}

/** pivot_root(2). */
export function pivotRoot(newRoot: PathArg, putOld: PathArg): number {
  const n = path1(newRoot);
  const o = path2(putOld);
  return n < 0 ? n : o < 0 ? o : sys3(nr.SYS_pivot_root, n, o, 0);
}

/** chroot(2). */
export function chroot(path: PathArg): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_chroot, p, 0, 0);
}

/** open_tree(2). */
export function openTree(dirfd: number, path: PathArg, flags: number): number {
  const p = path1(path);
  return p < 0 ? p : sys3(nr.SYS_open_tree, dirfd, p, flags);
}

/** move_mount(2). */
export function moveMount(fromFD: number, from: PathArg, toFD: number, to: PathArg, flags: number): number {
  const f = path1(from);
  const t = path2(to);
  return f < 0 ? f : t < 0 ? t : sys6(nr.SYS_move_mount, fromFD, f, toFD, t, flags, 0);
}

/** fsopen(2). */
export function fsopen(fsType: PathArg, flags: number): number {
  const p = path1(fsType);
  return p < 0 ? p : sys3(nr.SYS_fsopen, p, flags, 0);
}

/** fsconfig(2). */
export function fsconfig(fd: number, cmd: number, key: PathArg | null, value: PathArg | null, aux: number): number {
  return sys6(nr.SYS_fsconfig, fd, cmd, key === null ? 0 : cString(key), value === null ? 0 : cString(value), aux, 0);
}

/** fsmount(2). */
export function fsmount(fd: number, flags: number, attrFlags: number): number {
  return sys3(nr.SYS_fsmount, fd, flags, attrFlags);
}

/** mount_setattr(2) on a path, or with "" on dirfd itself (AT_EMPTY_PATH is added). */
export function mountSetattr(
  dirfd: number,
  path: PathArg,
  flags: number,
  attrSet: number,
  attrClear: number,
  propagation: number,
  usernsFD: number,
): number {
  const p = path1(path);
  if (p < 0) {
    return p;
  }
  put64(scratch, 0, attrSet);
  put64(scratch, 2, attrClear);
  put64(scratch, 4, propagation);
  put64(scratch, 6, usernsFD);
  const f = path.length === 0 ? flags | AT_EMPTY_PATH : flags;
  return sys6(nr.SYS_mount_setattr, dirfd, p, f, scratchAddress, 32, 0);
}
