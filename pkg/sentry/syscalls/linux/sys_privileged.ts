/**
 * Calls that manage a machine: restart, kernel log, accounting, swap, ports, quotas, modules. Who lacks the privilege learns that, as in Linux; who
 * has it finds that there is nothing to manage.
 */
import * as caps from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { AT_FDCWD } from "../../../abi/linux/file.ts";
import * as linux from "../../../abi/linux/reboot.ts";
import { SIGHUP, SIGINT } from "../../../abi/linux/signal.ts";
import { S_IFBLK, S_IFDIR, S_IFMT } from "../../../abi/linux/stat.ts";
import type { SyscallArguments, SyscallGenerator, SyscallResult } from "../../kernel/syscalls.ts";
import { WAKE_INTERRUPT } from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task } from "../../kernel/task.ts";
import { copyInPathOperation, openFile } from "./path.ts";

/** Whether the task has a capability over the sandbox as a whole. */
function capable(t: Task, cap: number): boolean {
  return t.creds.hasCapabilityIn(cap, t.kernel.rootUserNamespace);
}

/** reboot(magic, magic2, cmd, arg): as in a PID namespace, restarting or halting it kills its init with a signal that tells which. */
export function reboot(t: Task, args: SyscallArguments): number {
  const ns = t.pidNamespace;
  if (!t.creds.hasCapabilityIn(caps.CAP_SYS_BOOT, ns.userNamespace)) return -errno.EPERM;
  if (args.u32(0) !== linux.LINUX_REBOOT_MAGIC1 || !linux.LINUX_REBOOT_MAGIC2.includes(args.u32(1))) {
    return -errno.EINVAL;
  }
  switch (args.u32(2)) {
    case linux.LINUX_REBOOT_CMD_RESTART:
    case linux.LINUX_REBOOT_CMD_RESTART2:
      ns.init?.prepareGroupExit(SIGHUP);
      return 0;
    case linux.LINUX_REBOOT_CMD_HALT:
    case linux.LINUX_REBOOT_CMD_POWER_OFF:
      ns.init?.prepareGroupExit(SIGINT);
      return 0;
    default:
      return -errno.EINVAL;
  }
}

/** syslog(type, buf, len): the log is always empty, and restricted (kernel.dmesg_restrict). */
export function syslog(t: Task, args: SyscallArguments): SyscallResult {
  const type = args.i32(0);
  const len = args.i32(2);
  if (!capable(t, caps.CAP_SYSLOG)) return -errno.EPERM;
  switch (type) {
    case linux.SYSLOG_ACTION_CLOSE:
    case linux.SYSLOG_ACTION_OPEN:
    case linux.SYSLOG_ACTION_CLEAR:
    case linux.SYSLOG_ACTION_CONSOLE_OFF:
    case linux.SYSLOG_ACTION_CONSOLE_ON:
    case linux.SYSLOG_ACTION_SIZE_UNREAD:
      return 0;
    case linux.SYSLOG_ACTION_READ:
    case linux.SYSLOG_ACTION_READ_ALL:
    case linux.SYSLOG_ACTION_READ_CLEAR:
      if (args.u64(1) === 0 || len < 0) return -errno.EINVAL;
      if (len === 0) return 0;
      if (args.u64(1) + len > TASK_SIZE_MAX) return -errno.EFAULT;
      return type === linux.SYSLOG_ACTION_READ ? waitForEver(t) : 0;
    case linux.SYSLOG_ACTION_CONSOLE_LEVEL:
      return len < 1 || len > 8 ? -errno.EINVAL : 0;
    case linux.SYSLOG_ACTION_SIZE_BUFFER:
      return linux.LOG_BUF_LEN;
    default:
      return -errno.EINVAL;
  }
}

/** Waits for a message that never comes. */
function* waitForEver(t: Task): SyscallGenerator {
  while ((yield t.block(Number.POSITIVE_INFINITY)) !== WAKE_INTERRUPT);
  return -errno.ERESTARTSYS;
}

/** acct(filename): as a kernel without process accounting. */
export function acct(t: Task, _args: SyscallArguments): number {
  return capable(t, caps.CAP_SYS_PACCT) ? -errno.ENOSYS : -errno.EPERM;
}

/** swapon(path, swapflags): nothing is a swap area. */
export function swapon(t: Task, args: SyscallArguments): number {
  if ((args.u32(1) & ~linux.SWAP_FLAGS_VALID) !== 0) return -errno.EINVAL;
  if (!capable(t, caps.CAP_SYS_ADMIN)) return -errno.EPERM;
  return (statPath(t, args.u64(0)) & S_IFMT) === S_IFDIR ? -errno.EISDIR : -errno.EINVAL;
}

/** swapoff(path). */
export function swapoff(t: Task, args: SyscallArguments): number {
  if (!capable(t, caps.CAP_SYS_ADMIN)) return -errno.EPERM;
  return (statPath(t, args.u64(0)) & S_IFMT) === S_IFDIR ? -errno.EISDIR : -errno.EINVAL;
}

/** The mode of what a path names; throws what looking it up throws. */
function statPath(t: Task, addr: number): number {
  const st = t.kernel.syscallScratch.statx;
  t.kernel.vfs.statAt(t.creds, copyInPathOperation(t, AT_FDCWD, addr, true), st);
  return st.mode;
}

/** iopl(level): no ports for guests. */
export function iopl(_t: Task, args: SyscallArguments): number {
  const level = args.u32(0);
  if (level > 3) return -errno.EINVAL;
  return level === 0 ? 0 : -errno.EPERM;
}

/** ioperm(from, num, turn_on). */
export function ioperm(_t: Task, args: SyscallArguments): number {
  const from = args.u64(0);
  const num = args.u64(1);
  if (num === 0 || from + num > linux.IO_BITMAP_BITS) return -errno.EINVAL;
  return args.i32(2) === 0 ? 0 : -errno.EPERM;
}

/** quotactl(cmd, special, id, addr): no file system here has quotas. */
export function quotactl(t: Task, args: SyscallArguments): number {
  const cmd = args.u32(0) >>> linux.SUBCMDSHIFT;
  if ((args.u32(0) & linux.SUBCMDMASK) >= linux.MAXQUOTAS) return -errno.EINVAL;
  if (args.u64(1) === 0) return cmd === linux.Q_SYNC ? 0 : -errno.ENODEV;
  const mode = statPath(t, args.u64(1));
  return (mode & S_IFMT) === S_IFBLK ? -errno.ENODEV : -errno.ENOTBLK;
}

/** quotactl_fd(fd, cmd, id, addr). */
export function quotactlFD(t: Task, args: SyscallArguments): number {
  if (openFile(t, args.i32(0)) === null) return -errno.EBADF;
  return (args.u32(1) & linux.SUBCMDMASK) >= linux.MAXQUOTAS ? -errno.EINVAL : -errno.ENOSYS;
}

/** init_module(2), finit_module(2), delete_module(2): as with kernel.modules_disabled. */
export function initModule(_t: Task, _args: SyscallArguments): number {
  return -errno.EPERM;
}

/** kexec_load(2), kexec_file_load(2): as with kernel.kexec_load_disabled. */
export function kexecLoad(_t: Task, _args: SyscallArguments): number {
  return -errno.EPERM;
}

/** vhangup(). */
export function vhangup(t: Task, _args: SyscallArguments): number {
  if (!capable(t, caps.CAP_SYS_TTY_CONFIG)) return -errno.EPERM;
  t.threadGroup.tty?.hangup();
  return 0;
}
