import * as linux from "../../../abi/linux/clone.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { NSFileDescription } from "../../fsimpl/nsfs/index.ts";
import { PIDFileDescription } from "../../kernel/pidfd.ts";
import { namespacesOf, setNamespaces } from "../../kernel/setns.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import { type Task, TaskExitDead, TaskExitZombie } from "../../kernel/task.ts";
import { unshareTask } from "../../kernel/task_namespaces.ts";
import { openFile } from "./path.ts";
import { mayAttach } from "./sys_pidfd.ts";

/** What unshare(2) knows. */
const UNSHARE_FLAGS =
  (linux.CLONE_THREAD |
    linux.CLONE_FS |
    linux.CLONE_SIGHAND |
    linux.CLONE_VM |
    linux.CLONE_FILES |
    linux.CLONE_SYSVSEM |
    linux.CLONE_NS_FLAGS |
    linux.CLONE_NEWTIME) >>>
  0;

/** unshare(2). */
export function unshare(t: Task, args: SyscallArguments): number {
  let flags = args.u64(0);
  if (flags > 0xffffffff || (flags & ~UNSHARE_FLAGS) !== 0) return -errno.EINVAL;
  // What implies what.
  if ((flags & linux.CLONE_NEWUSER) !== 0) flags |= linux.CLONE_THREAD | linux.CLONE_FS;
  if ((flags & linux.CLONE_VM) !== 0) flags |= linux.CLONE_SIGHAND;
  if ((flags & linux.CLONE_SIGHAND) !== 0) flags |= linux.CLONE_THREAD;
  if ((flags & linux.CLONE_NEWNS) !== 0) flags |= linux.CLONE_FS;
  const tg = t.threadGroup;
  if ((flags & (linux.CLONE_THREAD | linux.CLONE_SIGHAND | linux.CLONE_VM)) !== 0 && tg.tasks.size > 1) {
    return -errno.EINVAL;
  }
  if ((flags & (linux.CLONE_SIGHAND | linux.CLONE_VM)) !== 0 && tg.signalHandlers.refs > 1) return -errno.EINVAL;
  if ((flags & linux.CLONE_VM) !== 0 && t.mm.users > 1) return -errno.EINVAL;
  unshareTask(t, flags);
  return 0;
}

/** setns(2): with the descriptor of a namespace, or of a process and the kinds of its namespaces to join. */
export function setns(t: Task, args: SyscallArguments): number {
  const file = openFile(t, args.i32(0));
  const flags = args.u32(1);
  if (file === null) return -errno.EBADF;
  if (file instanceof NSFileDescription) {
    const ns = file.namespace;
    if (flags !== 0 && flags !== ns.cloneFlag()) return -errno.EINVAL;
    setNamespaces(t, [ns]);
    return 0;
  }
  if (!(file instanceof PIDFileDescription)) return -errno.EINVAL;
  if (flags === 0 || (flags & ~linux.CLONE_NS_FLAGS) !== 0) return -errno.EINVAL;
  const { target } = file;
  if (target.exitState === TaskExitDead) return -errno.ESRCH;
  if (!mayAttach(t, target)) return -errno.EPERM;
  if (target.exitState >= TaskExitZombie) return -errno.ESRCH;
  setNamespaces(t, namespacesOf(target, flags));
  return 0;
}
