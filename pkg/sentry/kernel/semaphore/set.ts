import { EAGAIN, EIDRM, ERANGE } from "../../../abi/linux/errno.ts";
import { IPC_NOWAIT } from "../../../abi/linux/ipc.ts";
import { SEM_UNDO, SEMAEM, SEMVMX } from "../../../abi/linux/sem.ts";
import { stateType } from "../../../state/index.ts";
import { IPCObject } from "../ipc/index.ts";
import { PIDRef } from "../pid_ref.ts";
import type { Task } from "../task.ts";
import type { SemaphoreRegistry } from "./registry.ts";
import type { SemaphoreUndo, SemaphoreUndoList } from "./undo.ts";

/** The operations cannot be done now, and may be waited for. */
export const SEM_BLOCKED = 1;

/** A semop(2) under way: one object a call. */
export class SemaphoreWaiter {
  static readonly stateType = stateType("semaphore.SemaphoreWaiter", [
    "task",
    "ops",
    "undo",
    "alters",
    "blocking",
    "status",
  ]);
  readonly task: Task;
  /** Number, change and flags of each operation in turn. */
  readonly ops: Int32Array;
  /** null when no operation has SEM_UNDO. */
  readonly undo: SemaphoreUndo | null;
  /** Whether an operation changes a value. */
  readonly alters: boolean;
  /** Index in ops of the operation that could not be done. */
  blocking = 0;
  /** SEM_BLOCKED while it waits, then the result of the call. */
  status = SEM_BLOCKED;

  constructor(task: Task, ops: Int32Array, undo: SemaphoreUndo | null, alters: boolean) {
    this.task = task;
    this.ops = ops;
    this.undo = undo;
    this.alters = alters;
  }
}

/** A set of semaphores. */
export class SemaphoreSet extends IPCObject {
  static override readonly stateType = stateType("semaphore.SemaphoreSet", [
    "registry",
    "values",
    "users",
    "operationTime",
    "zeroWaiters",
    "alterWaiters",
    "undos",
  ]);
  readonly registry: SemaphoreRegistry;
  readonly values: Uint16Array;
  /** Who changed or tested a semaphore last, by its number. */
  readonly users: Map<number, PIDRef> = new Map();
  /** Seconds since the epoch; 0: never. */
  operationTime = 0;
  /** Who waits, in order of arrival: those who change nothing are served first. */
  readonly zeroWaiters: Set<SemaphoreWaiter> = new Set();
  readonly alterWaiters: Set<SemaphoreWaiter> = new Set();
  /** The undo records that name this set, and the list each is in. */
  readonly undos: Map<SemaphoreUndo, SemaphoreUndoList> = new Map();

  constructor(registry: SemaphoreRegistry, t: Task, key: number, count: number, mode: number) {
    super(registry.userNamespace, t.creds, key, mode);
    this.registry = registry;
    this.values = new Uint16Array(count);
    this.changeTime = registry.now();
  }

  /** Does all operations or none: 0, SEM_BLOCKED, -EAGAIN, -ERANGE. */
  attempt(w: SemaphoreWaiter): number {
    const { ops, undo } = w;
    const { values } = this;
    let r = 0;
    let i = 0;
    for (; i < ops.length; i += 3) {
      const num = ops[i] ?? 0;
      const op = ops[i + 1] ?? 0;
      const flags = ops[i + 2] ?? 0;
      const cur = values[num] ?? 0;
      if ((op === 0 && cur !== 0) || cur + op < 0) {
        w.blocking = i;
        r = (flags & IPC_NOWAIT) !== 0 ? -EAGAIN : SEM_BLOCKED;
        break;
      }
      if (cur + op > SEMVMX) {
        r = -ERANGE;
        break;
      }
      if (undo !== null && (flags & SEM_UNDO) !== 0) {
        const adj = undo.get(num) - op;
        if (adj < -SEMAEM - 1 || adj > SEMAEM) {
          r = -ERANGE;
          break;
        }
        undo.store(num, adj);
      }
      values[num] = cur + op;
    }
    if (r === 0) {
      for (let k = 0; k < ops.length; k += 3) {
        const num = ops[k] ?? 0;
        const old = this.users.get(num) ?? null;
        const user = PIDRef.ofProcess(w.task, old);
        if (user !== old) this.users.set(num, user);
      }
      this.operationTime = this.registry.now();
      return 0;
    }
    for (i -= 3; i >= 0; i -= 3) {
      const num = ops[i] ?? 0;
      const op = ops[i + 1] ?? 0;
      values[num] = (values[num] ?? 0) - op;
      if (undo !== null && ((ops[i + 2] ?? 0) & SEM_UNDO) !== 0) undo.store(num, undo.get(num) + op);
    }
    return r;
  }

  /** Queues a waiter that was refused. */
  enqueue(w: SemaphoreWaiter): void {
    if (w.alters) this.alterWaiters.add(w);
    else this.zeroWaiters.add(w);
  }

  /** Takes a waiter out that gives up. */
  dequeue(w: SemaphoreWaiter): void {
    if (w.alters) this.alterWaiters.delete(w);
    else this.zeroWaiters.delete(w);
  }

  /** Values changed: ends the waits that can end, again after each that changes something. */
  wakeWaiters(): void {
    for (;;) {
      for (const w of this.zeroWaiters) this.tryWaiter(w);
      let changed = false;
      for (const w of this.alterWaiters) {
        if (this.tryWaiter(w) === 0) {
          changed = true;
          break;
        }
      }
      if (!changed) return;
    }
  }

  tryWaiter(w: SemaphoreWaiter): number {
    const r = this.attempt(w);
    if (r !== SEM_BLOCKED) this.finish(w, r);
    return r;
  }

  /** Ends a wait with a result. */
  finish(w: SemaphoreWaiter, result: number): void {
    this.dequeue(w);
    w.status = result;
    w.task.wake();
  }

  /** How many wait for a semaphore to grow, or (`zero`) to become zero. */
  countWaiters(num: number, zero: boolean): number {
    let n = 0;
    for (const w of this.alterWaiters) if (blocksOn(w, num, zero)) n++;
    for (const w of this.zeroWaiters) if (blocksOn(w, num, zero)) n++;
    return n;
  }

  /** SETVAL and SETALL: stores a value, and forgets what was to be undone. */
  setValue(t: Task, num: number, value: number): void {
    this.values[num] = value;
    this.users.set(num, PIDRef.ofProcess(t, this.users.get(num) ?? null));
    for (const u of this.undos.keys()) u.store(num, 0);
  }

  /** IPC_RMID: it goes at once, and all waits with it. */
  destroy(): void {
    for (const [u, list] of this.undos) {
      u.clear();
      list.undos.delete(this);
    }
    this.undos.clear();
    this.registry.countSemaphores(-this.values.length);
    this.registry.remove(this);
    for (const w of this.zeroWaiters) this.finish(w, -EIDRM);
    for (const w of this.alterWaiters) this.finish(w, -EIDRM);
  }
}

function blocksOn(w: SemaphoreWaiter, num: number, zero: boolean): boolean {
  const op = w.ops[w.blocking + 1] ?? 0;
  return w.ops[w.blocking] === num && (zero ? op === 0 : op < 0);
}
