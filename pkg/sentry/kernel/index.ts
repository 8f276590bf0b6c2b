/**
 * Package kernel is the heart of the sentry: tasks, thread groups, signals, scheduling of work, process creation and exit. Everything
 * hangs off one Kernel and belongs to the sentry's one thread. Tasks may be touched whenever the sentry runs; the registers of a task only
 * while its context is stopped with them (platform.Context). Import from here, or from single files inside this package.
 */

export { Timer, type TimerListener, TimerQueue } from "../time/index.ts";
export { FDTable } from "./fd_table.ts";
export { FSContext } from "./fs_context.ts";
export {
  type CreateProcessArgs,
  type Heartbeat,
  type Job,
  Kernel,
  type KernelArgs,
  type KernelLog,
  type SyscallEntry,
  type SyscallTracer,
} from "./kernel.ts";
export { SentryPanic } from "./panic.ts";
export { PendingSignals, type SignalTimer } from "./pending_signals.ts";
export { PIDNamespace } from "./pid_namespace.ts";
export { PIDFileDescription } from "./pidfd.ts";
export { type RestoreArgs, restoreKernel } from "./restore.ts";
export type { RunState } from "./run_state.ts";
export { saveKernel, stateConstants } from "./save.ts";
export { ProcessGroup, Session } from "./sessions.ts";
export { SignalAction, SignalHandlers } from "./signal_handlers.ts";
export {
  BlockRequest,
  SyscallArguments,
  type SyscallFn,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_EVENT,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
  type WakeReason,
} from "./syscalls.ts";
export {
  type SyscallRestartBlock,
  Task,
  TaskExitDead,
  TaskExitInitiated,
  TaskExitNone,
  TaskExitZombie,
} from "./task.ts";
export { TaskSet } from "./task_set.ts";
export { EventGroupExit, type GroupTimers, ThreadGroup, Usage } from "./thread_group.ts";
export { jobControlIoctl, NOT_JOB_CONTROL, TTY } from "./tty.ts";
export { UTSNamespace } from "./uts_namespace.ts";
