import { IPC_PRIVATE } from "../../../abi/linux/ipc.ts";
import { SHM_DEST, SHM_NORESERVE, SHMMAX, SHMMIN, SHMMNI } from "../../../abi/linux/shm.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { UserNamespace } from "../auth/index.ts";
import { Registry } from "../ipc/index.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../task.ts";
import { ShmSegment } from "./segment.ts";

/** The shared memory segments of an IPC namespace. */
export class ShmRegistry extends Registry<ShmSegment> {
  static override readonly stateType = stateType("shm.ShmRegistry", ["kernel", "userNamespace"]);
  readonly kernel: Kernel;
  readonly userNamespace: UserNamespace;

  constructor(kernel: Kernel, userNamespace: UserNamespace) {
    super(SHMMNI, kernel.ipcUsage);
    this.kernel = kernel;
    this.userNamespace = userNamespace;
  }

  /** Seconds since the epoch. */
  now(): number {
    return this.kernel.timekeeper.realtimeSeconds();
  }

  /** shmget(2) without huge pages: the id. EINVAL, ENOENT, EEXIST, EACCES, ENOMEM, ENOSPC. */
  findOrCreate(t: Task, key: number, size: number, flags: number): number {
    const found = this.find(key, flags);
    if (found !== null) {
      if (found.size < size) throw linuxerr.EINVAL;
      return this.checkFound(found, t.creds, flags);
    }
    this.checkSize(size);
    // What was promised to all must not exceed what there is: the heuristic of vm.overcommit_memory = 0 looks at each alone.
    if ((flags & SHM_NORESERVE) === 0 && size > this.kernel.totalMemory) throw linuxerr.ENOMEM;
    const s = new ShmSegment(this, t, key, size, flags);
    this.add(s);
    return s.id;
  }

  /** EINVAL for a size that no segment has. */
  checkSize(size: number): void {
    if (size < SHMMIN || size > SHMMAX || size >= 2 ** 63) throw linuxerr.EINVAL;
    // No address space holds more, and offsets must stay exact.
    if (size > 2 ** 52) throw linuxerr.ENOMEM;
  }

  /** IPC_RMID: it goes with its last mapping. */
  markRemoved(s: ShmSegment): void {
    s.mode |= SHM_DEST;
    if (s.key !== IPC_PRIVATE) this.hide(s);
    s.releaseIfUnused();
  }

  /** Pages of all segments. */
  totalPages(): number {
    let n = 0;
    for (const s of this.objects.values()) n += s.pageSize / 4096;
    return n;
  }

  /** Bytes that a user (kernel uid) holds locked with SHM_LOCK. */
  lockedBytes(kuid: number): number {
    let n = 0;
    for (const s of this.objects.values()) if (s.lockedBy === kuid) n += s.pageSize;
    return n;
  }
}
