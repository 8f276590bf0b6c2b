import {
  IPC_CREAT,
  IPC_EXCL,
  IPC_ID_SHIFT,
  IPC_MIN_CYCLE,
  IPC_MNI,
  IPC_PRIVATE,
  IPC_SEQ_MAX,
} from "../../../abi/linux/ipc.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials } from "../auth/index.ts";
import type { IPCObject } from "./object.ts";
import type { IPCUsage } from "./usage.ts";

/** Most objects in all IPC namespaces together. */
const MAX_OBJECTS = 1 << 17;

/** The objects of one kind in an IPC namespace. */
export class Registry<T extends IPCObject> {
  static readonly stateType = stateType("ipc.Registry", [
    "limit",
    "usage",
    "objects",
    "keys",
    "nextIndex",
    "lastIndex",
    "seq",
  ]);
  /** Most objects. */
  readonly limit: number;
  readonly usage: IPCUsage;
  /** By index. */
  readonly objects: Map<number, T> = new Map();
  /** By key, those that have one. */
  readonly keys: Map<number, T> = new Map();
  nextIndex = 0;
  lastIndex = -1;
  seq = 0;

  constructor(limit: number, usage: IPCUsage) {
    this.limit = limit;
    this.usage = usage;
  }

  /** Gives a new object an id. ENOSPC when there are too many. */
  add(o: T): void {
    if (this.objects.size >= this.limit || this.usage.objects >= MAX_OBJECTS) throw linuxerr.ENOSPC;
    const max = Math.min(Math.max(Math.floor((this.objects.size * 3) / 2), IPC_MIN_CYCLE), IPC_MNI);
    let i = this.nextIndex < max ? this.nextIndex : 0;
    for (let n = 0; this.objects.has(i); n++) {
      if (n > max) throw linuxerr.ENOSPC;
      i = i + 1 < max ? i + 1 : 0;
    }
    this.nextIndex = i + 1;
    if (i <= this.lastIndex) {
      this.seq++;
      if (this.seq >= IPC_SEQ_MAX) this.seq = 0;
    }
    this.lastIndex = i;
    o.index = i;
    o.seq = this.seq;
    this.objects.set(i, o);
    this.usage.objects++;
    if (o.key !== IPC_PRIVATE) this.keys.set(o.key, o);
  }

  /** Takes an object out for good. */
  remove(o: T): void {
    o.removed = true;
    if (this.objects.delete(o.index)) this.usage.objects--;
    this.hide(o);
  }

  /** Takes its key from an object: it can be found by id only. */
  hide(o: T): void {
    if (o.key !== IPC_PRIVATE) this.keys.delete(o.key);
    o.key = IPC_PRIVATE;
  }

  /** The object with an id; EINVAL. */
  get(id: number): T {
    if (id < 0) throw linuxerr.EINVAL;
    const o = this.objects.get(id & (IPC_MNI - 1));
    if (o === undefined || o.seq !== id >> IPC_ID_SHIFT) throw linuxerr.EINVAL;
    return o;
  }

  /** The object at an index (the STAT commands); EINVAL. */
  at(index: number): T {
    const o = index < 0 ? undefined : this.objects.get(index & (IPC_MNI - 1));
    if (o === undefined) throw linuxerr.EINVAL;
    return o;
  }

  /**
   * The get calls up to making an object: the one with the key, or null when one is to be made. ENOENT, EEXIST. The kind's own checks come
   * after it, then checkFound.
   */
  find(key: number, flags: number): T | null {
    if (key === IPC_PRIVATE) return null;
    const o = this.keys.get(key);
    if (o === undefined) {
      if ((flags & IPC_CREAT) === 0) throw linuxerr.ENOENT;
      return null;
    }
    if ((flags & IPC_CREAT) !== 0 && (flags & IPC_EXCL) !== 0) throw linuxerr.EEXIST;
    return o;
  }

  /** The id of a found object, when the access in the flags is granted; EACCES. */
  checkFound(o: T, creds: Credentials, flags: number): number {
    if (!o.mayAccess(creds, flags)) throw linuxerr.EACCES;
    return o.id;
  }

  /** The highest index in use, 0 when there is none: the result of the INFO commands. */
  maxIndex(): number {
    let max = 0;
    for (const i of this.objects.keys()) if (i > max) max = i;
    return max;
  }
}
