import { SEMMNI, SEMMSL } from "../../../abi/linux/sem.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { UserNamespace } from "../auth/index.ts";
import { Registry } from "../ipc/index.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../task.ts";
import { SemaphoreSet } from "./set.ts";

/** Semaphores in all sets together: the limit that SEMMNS promises would let a guest take gigabytes of the sentry's memory. */
const MAX_SEMAPHORES = 4 << 20;
/** Adjustments in all undo lists together. */
const MAX_UNDOS = 1 << 19;

/** The semaphore sets of an IPC namespace. */
export class SemaphoreRegistry extends Registry<SemaphoreSet> {
  static override readonly stateType = stateType("semaphore.SemaphoreRegistry", [
    "kernel",
    "userNamespace",
    "total",
    "undoCount",
  ]);
  readonly kernel: Kernel;
  readonly userNamespace: UserNamespace;
  /** Semaphores in all sets. */
  total = 0;
  /** Adjustments in all undo records. */
  undoCount = 0;

  constructor(kernel: Kernel, userNamespace: UserNamespace) {
    super(SEMMNI, kernel.ipcUsage);
    this.kernel = kernel;
    this.userNamespace = userNamespace;
  }

  /** Seconds since the epoch. */
  now(): number {
    return this.kernel.timekeeper.realtimeSeconds();
  }

  /** Whether `n` more adjustments may be noted. */
  mayUndo(n: number): boolean {
    return this.usage.undos + n <= MAX_UNDOS;
  }

  /** semget(2): the id. EINVAL, ENOENT, EEXIST, EACCES, ENOSPC. */
  findOrCreate(t: Task, key: number, count: number, flags: number): number {
    if (count < 0 || count > SEMMSL) throw linuxerr.EINVAL;
    const found = this.find(key, flags);
    if (found !== null) {
      if (count > found.values.length) throw linuxerr.EINVAL;
      return this.checkFound(found, t.creds, flags);
    }
    if (count === 0) throw linuxerr.EINVAL;
    if (this.usage.semaphores + count > MAX_SEMAPHORES || this.objects.size >= this.limit) throw linuxerr.ENOSPC;
    const s = new SemaphoreSet(this, t, key, count, flags);
    this.add(s);
    this.countSemaphores(count);
    return s.id;
  }

  /** Counts semaphores that came (or, negative, went). */
  countSemaphores(n: number): void {
    this.total += n;
    this.usage.semaphores += n;
  }

  /** Counts adjustments in undo records that came or went. */
  countUndos(n: number): void {
    this.undoCount += n;
    this.usage.undos += n;
  }
}
