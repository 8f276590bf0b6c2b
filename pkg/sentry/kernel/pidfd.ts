import { O_NONBLOCK, O_RDWR } from "../../abi/linux/file.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";
import { type Entry, EventHUp, ReadableEvents } from "../../waiter/index.ts";
import { FileDescription, type VirtualDentry } from "../vfs/index.ts";
import { type Task, TaskExitDead, TaskExitNone } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** O_EXCL in the status flags marks a descriptor for one thread (PIDFD_THREAD). */
export const PIDFD_THREAD = 0o200;
/** pidfd_open(2) flag. */
export const PIDFD_NONBLOCK = O_NONBLOCK;

/** pidfd_open(2): a process, or with PIDFD_THREAD a thread, as a descriptor that is readable once it is gone. */
export class PIDFileDescription extends FileDescription {
  static override readonly stateType = stateType("kernel.PIDFileDescription", ["threadGroup", "task"]);
  readonly threadGroup: ThreadGroup;
  /** The thread meant; null: the whole process. */
  readonly task: Task | null;

  constructor(vd: VirtualDentry, threadGroup: ThreadGroup, task: Task | null, flags: number) {
    super(vd, O_RDWR | flags);
    this.threadGroup = threadGroup;
    this.task = task;
  }

  /** The task that stands for what is meant. */
  get target(): Task {
    return this.task ?? this.threadGroup.leader;
  }

  override read(): number {
    throw linuxerr.EINVAL;
  }

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    const t = this.target;
    if (t.exitState === TaskExitDead) return (ReadableEvents | EventHUp) & (mask | EventHUp);
    const gone = this.task !== null ? t.exitState > 1 : t.exitState > 1 && this.threadGroup.tasks.size <= 1;
    return gone ? ReadableEvents & mask : 0;
  }

  override eventRegister(e: Entry): void {
    this.threadGroup.eventQueue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.threadGroup.eventQueue.eventUnregister(e);
  }

  override fdInfo(): string {
    const t = this.target;
    const pid = t.exitState === TaskExitDead ? -1 : t.tid;
    return `Pid:\t${pid}\nNSpid:\t${pid}\n`;
  }
}

/** The descriptor number newPIDFD will use; EMFILE. Nothing may come in between. */
export function reservePIDFD(t: Task, limit: number): number {
  const fd = t.fdTable.lowestFree(0);
  if (fd >= limit) throw linuxerr.EMFILE;
  return fd;
}

/** Opens a pidfd for a task's process, or for the thread itself; close-on-exec is always set. */
export function newPIDFD(t: Task, target: Task, thread: boolean, flags: number): number {
  const vd = t.kernel.vfs.newAnonVirtualDentry("[pidfd]");
  const file = new PIDFileDescription(
    vd,
    target.threadGroup,
    thread ? target : null,
    (flags & PIDFD_NONBLOCK) | (thread ? PIDFD_THREAD : 0),
  );
  try {
    return t.newFD(file, true);
  } finally {
    file.decRef();
  }
}

/** Whether the process or thread can still be signalled. */
export function isAlive(t: Task): boolean {
  return t.exitState === TaskExitNone;
}
