import { CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { AT_FDCWD } from "../../../abi/linux/file.ts";
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_MGC_MSK,
  MS_MGC_VAL,
  MS_MOVE,
  MS_PRIVATE,
  MS_REC,
  MS_REMOUNT,
  MS_SHARED,
  MS_SILENT,
  MS_SLAVE,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from "../../../abi/linux/fs.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { copyInPathOperation } from "./path.ts";

const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

/** Whether the caller may change its mount namespace. */
function mayMount(t: Task): boolean {
  return t.creds.hasCapabilityIn(CAP_SYS_ADMIN, t.mountNamespace.owner);
}

/** mount(2). */
export function mount(t: Task, args: SyscallArguments): number {
  const sourceAddr = args.u64(0);
  const typeAddr = args.u64(2);
  const dataAddr = args.u64(4);
  const type = typeAddr === 0 ? "" : t.copyInString(typeAddr, PAGE_SIZE);
  const source = sourceAddr === 0 ? "" : t.copyInString(sourceAddr, PAGE_SIZE);
  const data = dataAddr === 0 ? "" : copyInData(t, dataAddr);
  const target = copyInPathOperation(t, AT_FDCWD, args.u64(1), true);
  const vfs = t.kernel.vfs;
  let flags = args.u32(3) | 0;
  if ((flags & MS_MGC_MSK) === (MS_MGC_VAL | 0)) flags &= ~MS_MGC_MSK;
  vfs.getDentryAt(t.creds, target);
  if (!mayMount(t)) return -errno.EPERM;
  if ((flags & MS_REMOUNT) !== 0) {
    vfs.remountAt(t.creds, target, flags);
    return 0;
  }
  if ((flags & MS_BIND) !== 0) {
    if (source === "") return -errno.EINVAL;
    vfs.bindMountAt(t.creds, sourceOperation(t, sourceAddr), target, (flags & MS_REC) !== 0);
    return 0;
  }
  const propagation = flags & PROPAGATION;
  if (propagation !== 0) {
    if ((flags & ~(PROPAGATION | MS_REC | MS_SILENT)) !== 0 || (propagation & (propagation - 1)) !== 0) {
      return -errno.EINVAL;
    }
    vfs.setPropagationAt(t.creds, target, propagation, (flags & MS_REC) !== 0);
    return 0;
  }
  if ((flags & MS_MOVE) !== 0) {
    if (source === "") return -errno.EINVAL;
    vfs.moveMountAt(t.creds, sourceOperation(t, sourceAddr), target);
    return 0;
  }
  if (typeAddr === 0) return -errno.EINVAL;
  const fsType = vfs.fsTypes.get(type);
  if (fsType === undefined || !fsType.allowUserMount) return -errno.ENODEV;
  if (!vfs.mayMountType(t.creds, fsType)) return -errno.EPERM;
  vfs.mountAt(t.creds, source, target, type, { data, internalData: null, flags });
  return 0;
}

function sourceOperation(t: Task, addr: number) {
  return copyInPathOperation(t, AT_FDCWD, addr, true);
}

/** Options are a page at most; what is not readable behind them does not matter. */
function copyInData(t: Task, addr: number): string {
  return t.tryCopyInString(addr, PAGE_SIZE) ?? "";
}

/** umount2(2). */
export function umount2(t: Task, args: SyscallArguments): number {
  const flags = args.i32(1);
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -errno.EINVAL;
  const pop = copyInPathOperation(t, AT_FDCWD, args.u64(0), (flags & UMOUNT_NOFOLLOW) === 0);
  t.kernel.vfs.getDentryAt(t.creds, pop);
  if (!mayMount(t)) return -errno.EPERM;
  t.kernel.vfs.umountAt(t.creds, pop, flags);
  return 0;
}

/** pivot_root(2). */
export function pivotRoot(t: Task, args: SyscallArguments): number {
  if (!mayMount(t)) return -errno.EPERM;
  const next = copyInPathOperation(t, AT_FDCWD, args.u64(0), true);
  const putOld = copyInPathOperation(t, AT_FDCWD, args.u64(1), true);
  const vfs = t.kernel.vfs;
  const oldRoot = t.fsContext.root;
  const newRoot = vfs.getDentryAt(t.creds, next);
  oldRoot.incRef();
  newRoot.incRef();
  try {
    vfs.pivotRootAt(t.creds, next, putOld);
    // Whoever stood in the old root stands in the new one now.
    for (const other of t.kernel.tasks.all) {
      if (other.isExiting()) continue;
      const fs = other.fsContext;
      if (fs.root.equals(oldRoot)) fs.setRootDirectory(newRoot);
      if (fs.cwd.equals(oldRoot)) fs.setWorkingDirectory(newRoot);
    }
    return 0;
  } finally {
    newRoot.decRef();
    oldRoot.decRef();
  }
}
