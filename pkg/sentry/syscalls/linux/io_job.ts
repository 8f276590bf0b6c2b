import * as errno from "../../../abi/linux/errno.ts";
import { Entry, EventInternal } from "../../../waiter/index.ts";
import type { IOJob } from "../../iopool/index.ts";
import { type SyscallGenerator, WAKE_INTERRUPT } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";

/** Waits for a host call of another thread: its result. As in Linux only a fatal signal ends a wait for a disk: -ERESTARTSYS. */
export function* waitForJob(t: Task, job: IOJob): SyscallGenerator {
  if (job.done) return job.result;
  const entry = new Entry(t, EventInternal);
  job.queue.eventRegister(entry);
  try {
    while (!job.done) {
      if ((yield t.blockKillable(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT) return -errno.ERESTARTSYS;
    }
    return job.result;
  } finally {
    job.queue.eventUnregister(entry);
  }
}
