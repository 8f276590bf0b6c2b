import { SHM_DEST } from "../../../abi/linux/shm.ts";
import { stateType } from "../../../state/index.ts";
import type { Mappable, MappingSpace, Translation } from "../../memmap/index.ts";
import { AnonMappable } from "../../mm/index.ts";
import { IPCObject } from "../ipc/index.ts";
import { PIDRef } from "../pid_ref.ts";
import type { Task } from "../task.ts";
import type { ShmRegistry } from "./registry.ts";

const PAGE_SIZE = 4096;

/** A segment of shared memory. Who maps it maps this object. */
export class ShmSegment extends IPCObject implements Mappable {
  static override readonly stateType = stateType("shm.ShmSegment", [
    "registry",
    "size",
    "pageSize",
    "memory",
    "name",
    "creator",
    "last",
    "attachCount",
    "attachTime",
    "detachTime",
    "lockedBy",
  ]);
  readonly registry: ShmRegistry;
  /** As asked for, and in whole pages. */
  readonly size: number;
  readonly pageSize: number;
  readonly memory: AnonMappable;
  /** As /proc/[pid]/maps shows it. */
  readonly name: string;
  readonly creator: PIDRef;
  /** Who attached or detached last. */
  last: PIDRef | null = null;
  /** Mappings of it. */
  attachCount = 0;
  /** Seconds since the epoch; 0: never. */
  attachTime = 0;
  detachTime = 0;
  /** Kernel user id of who locked it, -1 when it is not locked. */
  lockedBy = -1;

  constructor(registry: ShmRegistry, t: Task, key: number, size: number, mode: number) {
    super(registry.userNamespace, t.creds, key, mode);
    this.registry = registry;
    this.size = size;
    this.pageSize = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
    this.memory = new AnonMappable(registry.kernel.memoryFile, this.pageSize);
    this.name = `/SYSV${(key >>> 0).toString(16).padStart(8, "0")} (deleted)`;
    this.creator = PIDRef.ofProcess(t, null);
    this.changeTime = registry.now();
  }

  /** A mapping came to exist. */
  attached(): void {
    this.attachCount++;
    this.attachTime = this.registry.now();
    this.noteUser();
  }

  /** A mapping is gone. */
  detached(): void {
    this.attachCount--;
    this.detachTime = this.registry.now();
    this.noteUser();
    this.releaseIfUnused();
  }

  noteUser(): void {
    const t = this.registry.kernel.current;
    if (t !== null) this.last = PIDRef.ofProcess(t, this.last);
  }

  /** The last mapping of a removed segment takes it along. */
  releaseIfUnused(): void {
    if (this.attachCount > 0 || (this.mode & SHM_DEST) === 0 || this.removed) return;
    this.registry.remove(this);
    this.memory.decRef();
  }

  addMapping(_ms: MappingSpace, _start: number, _end: number, _offset: number, _writable: boolean): void {}

  removeMapping(_ms: MappingSpace, _start: number, _end: number, _offset: number, _writable: boolean): void {}

  translate(start: number, end: number, optionalEnd: number, access: number): Translation[] {
    return this.memory.translate(start, end, optionalEnd, access);
  }

  /** Bytes of it that have memory. */
  residentBytes(): number {
    let n = 0;
    for (let p = this.memory.pieces.head; p !== null; p = p.next) n += p.end - p.start;
    return n;
  }
}
