import * as errno from "../../../abi/linux/errno.ts";
import {
  PIDFD_SIGNAL_PROCESS_GROUP,
  PIDFD_SIGNAL_THREAD,
  PIDFD_SIGNAL_THREAD_GROUP,
} from "../../../abi/linux/signal.ts";
import { newPIDFD, PIDFD_NONBLOCK, PIDFD_THREAD, PIDFileDescription } from "../../kernel/pidfd.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import { type Task, TaskExitDead, TaskExitZombie } from "../../kernel/task.ts";
import { mayAccessTask } from "../../kernel/task_access.ts";
import { copyInSignalInfo, signalGroup, signalThread } from "./sys_signal.ts";

/** pidfd_open(2). */
export function pidfdOpen(t: Task, args: SyscallArguments): number {
  const pid = args.i32(0);
  const flags = args.u32(1);
  if ((flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD)) !== 0) return -errno.EINVAL;
  if (pid <= 0) return -errno.EINVAL;
  const target = t.pidNamespace.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  const thread = (flags & PIDFD_THREAD) !== 0;
  if (!thread && !target.isLeader()) return -errno.ENOENT;
  return newPIDFD(t, target, thread, flags);
}

/** pidfd_send_signal(2). */
export function pidfdSendSignal(t: Task, args: SyscallArguments): number {
  const sig = args.i32(1);
  const infoAddr = args.u64(2);
  const flags = args.u32(3);
  const scopes = PIDFD_SIGNAL_THREAD | PIDFD_SIGNAL_THREAD_GROUP | PIDFD_SIGNAL_PROCESS_GROUP;
  if ((flags & ~scopes) !== 0 || (flags & (flags - 1)) !== 0) return -errno.EINVAL;
  const f = t.getFile(args.i32(0));
  if (!(f instanceof PIDFileDescription)) return -errno.EBADF;
  const target = f.target;
  let info = null;
  if (infoAddr !== 0) {
    if (t.copyInI32(infoAddr) !== sig) return -errno.EINVAL;
    info = copyInSignalInfo(t, infoAddr, sig, target === t);
  }
  if (target.exitState === TaskExitDead) return -errno.ESRCH;
  if (flags === PIDFD_SIGNAL_PROCESS_GROUP) {
    let result = -errno.ESRCH;
    let success = false;
    for (const tg of [...target.threadGroup.processGroup.threadGroups]) {
      result = signalGroup(t, tg, sig, info);
      if (result === 0) success = true;
    }
    return success ? 0 : result;
  }
  const thread = flags === PIDFD_SIGNAL_THREAD || (flags === 0 && f.task !== null);
  return thread ? signalThread(t, target, sig, info) : signalGroup(t, target.threadGroup, sig, info);
}

/** pidfd_getfd(2). */
export function pidfdGetfd(t: Task, args: SyscallArguments): number {
  if (args.u32(2) !== 0) return -errno.EINVAL;
  const f = t.getFile(args.i32(0));
  if (!(f instanceof PIDFileDescription)) return -errno.EBADF;
  const target = f.target;
  if (target.exitState >= TaskExitZombie) return -errno.ESRCH;
  if (!mayAttach(t, target)) return -errno.EPERM;
  const file = target.fdTable.get(args.i32(1));
  if (file === null) return -errno.EBADF;
  return t.newFD(file, true);
}

/** ptrace access to another task with real credentials (ptrace(2), "Ptrace access mode checking"). */
export function mayAttach(t: Task, target: Task): boolean {
  return mayAccessTask(t, target, "real");
}
