import * as errno from "../../../abi/linux/errno.ts";
import { MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_EXEC, MFD_HUGETLB, MFD_NOEXEC_SEAL } from "../../../abi/linux/file.ts";
import { newMemfd } from "../../fsimpl/tmpfs/index.ts";
import { newRootCredentials } from "../../kernel/auth/index.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { Mount } from "../../vfs/index.ts";

/** Longest name, without its NUL: NAME_MAX less the prefix "memfd:". */
const NAME_MAX_LEN = 249;

/** memfd_create(2). Huge pages do not exist here. */
export function memfdCreate(t: Task, args: SyscallArguments): number {
  const flags = args.u32(1);
  if ((flags & MFD_HUGETLB) !== 0) return -errno.ENOSYS;
  if ((flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC)) !== 0) return -errno.EINVAL;
  if ((flags & MFD_EXEC) !== 0 && (flags & MFD_NOEXEC_SEAL) !== 0) return -errno.EINVAL;
  const name = t.tryCopyInString(args.u64(0), NAME_MAX_LEN + 1);
  if (name === null) return -errno.EINVAL;
  const noExec = (flags & MFD_NOEXEC_SEAL) !== 0;
  const file = newMemfd(shmMount(t.kernel), t.creds, name, {
    sealable: noExec || (flags & MFD_ALLOW_SEALING) !== 0,
    noExec,
  });
  try {
    return t.newFD(file, (flags & MFD_CLOEXEC) !== 0);
  } finally {
    file.decRef();
  }
}

/** The internal tmpfs of a kernel, for files that are only descriptors. */
export function shmMount(k: Kernel): Mount {
  if (k.shmMount === null) {
    const opts = { data: "", internalData: null, flags: 0 };
    const fs = k.vfs.newFilesystem(newRootCredentials(k.rootUserNamespace), "tmpfs", "tmpfs", opts);
    k.shmMount = k.vfs.newInternalMount(fs);
  }
  return k.shmMount;
}
