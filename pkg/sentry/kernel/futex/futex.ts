import { EAGAIN, EDEADLK, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from "../../../abi/linux/errno.ts";
import * as linux from "../../../abi/linux/futex.ts";
import { setFields, stateType } from "../../../state/index.ts";
import { SharedKey } from "../../mm/index.ts";
import { TASK_SIZE_MAX, type Task } from "../task.ts";
import { walkRobustList } from "./robust.ts";
import { Bucket, Waiter } from "./waiter.ts";

const BUCKETS = 1024;
/** Most attempts at a word that guest threads keep changing. */
const MAX_TRIES = 100;

/** All futexes of a kernel (futex(2)). Nothing here waits: a task is queued, and the system call blocks until its waiter left its bucket. */
export class FutexManager {
  static readonly stateType = stateType("futex.FutexManager", ["buckets", "piWaiters"], ["key1", "key2"]);
  readonly buckets: Bucket[] = [];
  /** Queued waiters of FUTEX_LOCK_PI. */
  piWaiters = 0;
  readonly key1: SharedKey = new SharedKey();
  readonly key2: SharedKey = new SharedKey();

  constructor() {
    for (let i = 0; i < BUCKETS; i++) this.buckets.push(new Bucket());
  }

  afterLoad(): void {
    setFields<FutexManager>(this, { key1: new SharedKey(), key2: new SharedKey() });
  }

  /** The key of a futex word: 0, -EINVAL when it is not aligned, -EFAULT when it is outside of the address space or (shared only) not mapped. */
  getKey(t: Task, addr: number, isPrivate: boolean, out: SharedKey): number {
    if (addr % 4 !== 0) return -EINVAL;
    if (addr > TASK_SIZE_MAX - 4) return -EFAULT;
    if (!isPrivate) return t.mm.getSharedKey(addr, out);
    out.object = t.mm;
    out.offset = addr;
    return 0;
  }

  /** The bucket of a key. */
  bucketOf(k: SharedKey): Bucket {
    const o = k.offset;
    const h = Math.imul((o % 4294967296) >>> 2, 0x9e3779b1) ^ Math.imul(Math.floor(o / 4294967296) + 1, 0x85ebca6b);
    const b = this.buckets[(h >>> 16) % BUCKETS];
    if (b === undefined) throw new Error("futex: no such bucket");
    return b;
  }

  /** The reusable waiter of a task. */
  waiterOf(t: Task): Waiter {
    const w = t.futexWaiter;
    if (w instanceof Waiter) return w;
    const n = new Waiter(t);
    t.futexWaiter = n;
    return n;
  }

  /** Queues a waiter under a key. */
  enqueue(w: Waiter, k: SharedKey, bitset: number): void {
    w.object = k.object;
    w.offset = k.offset;
    w.bitset = bitset;
    w.pi = false;
    this.bucketOf(k).append(w);
  }

  /** Takes a waiter out. True when it still waited; false when it was woken. */
  dequeue(w: Waiter): boolean {
    w.object = w.bucket === null ? w.object : null;
    if (w.bucket === null) return false;
    if (w.pi) this.piWaiters--;
    w.bucket.remove(w);
    return true;
  }

  /**
   * FUTEX_WAIT up to the point of blocking: queues the task's waiter when the word has the value. 0, -EAGAIN when it has another,
   * -EFAULT, -EINVAL.
   */
  waitPrepare(t: Task, w: Waiter, addr: number, isPrivate: boolean, val: number, bitset: number): number {
    const k = this.key1;
    const r = this.getKey(t, addr, isPrivate, k);
    if (r < 0) return r;
    const cur = t.mm.loadU32(addr);
    if (cur < 0) return cur;
    if (cur !== val) return -EAGAIN;
    this.enqueue(w, k, bitset);
    return 0;
  }

  /** Wakes waiters of the key at `k` that share a bit with bitset: at least one, at most n. Returns how many; -EINVAL for waiters in LOCK_PI. */
  wakeKey(k: SharedKey, n: number, bitset: number): number {
    const b = this.bucketOf(k);
    let done = 0;
    for (let w = b.head; w !== null; ) {
      const next: Waiter | null = w.next;
      if (w.object === k.object && w.offset === k.offset) {
        if (w.pi || w.requeueObject !== null) return -EINVAL;
        if ((w.bitset & bitset) !== 0) {
          b.remove(w);
          w.task.wake();
          if (++done >= n) break;
        }
      }
      w = next;
    }
    return done;
  }

  /** FUTEX_WAKE and FUTEX_WAKE_BITSET. */
  wake(t: Task, addr: number, isPrivate: boolean, n: number, bitset: number): number {
    if (bitset === 0) return -EINVAL;
    const r = this.getKey(t, addr, isPrivate, this.key1);
    return r < 0 ? r : this.wakeKey(this.key1, n, bitset);
  }

  /** FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: wakes up to nWake waiters of addr and moves up to nRequeue others to addr2. `cmp` < 0: no comparison. */
  requeue(
    t: Task,
    addr: number,
    private1: boolean,
    nWake: number,
    nRequeue: number,
    addr2: number,
    private2: boolean,
    cmp: number,
  ): number {
    if (nWake < 0 || nRequeue < 0) return -EINVAL;
    const k1 = this.key1;
    const k2 = this.key2;
    let r = this.getKey(t, addr, private1, k1);
    if (r < 0) return r;
    r = this.getKey(t, addr2, private2, k2);
    if (r < 0) return r;
    if (cmp >= 0) {
      const cur = t.mm.loadU32(addr);
      if (cur < 0) return cur;
      if (cur !== cmp) return -EAGAIN;
    }
    const b1 = this.bucketOf(k1);
    const b2 = this.bucketOf(k2);
    let done = 0;
    // Waiters that are moved to the end of the same bucket must not be met again.
    const last = b1.tail;
    for (let w = b1.head; w !== null && done < nWake + nRequeue; ) {
      const next: Waiter | null = w === last ? null : w.next;
      if (w.object === k1.object && w.offset === k1.offset) {
        if (w.pi || w.requeueObject !== null) return -EINVAL;
        if (++done <= nWake) {
          b1.remove(w);
          w.task.wake();
        } else if (k1.object !== k2.object || k1.offset !== k2.offset) {
          b1.remove(w);
          w.object = k2.object;
          w.offset = k2.offset;
          b2.append(w);
        }
      }
      w = next;
    }
    return done;
  }

  /** FUTEX_WAKE_OP. */
  wakeOp(t: Task, addr: number, isPrivate: boolean, n: number, addr2: number, n2: number, encoded: number): number {
    const k1 = this.key1;
    const k2 = this.key2;
    let r = this.getKey(t, addr, isPrivate, k1);
    if (r < 0) return r;
    r = this.getKey(t, addr2, isPrivate, k2);
    if (r < 0) return r;
    const op = (encoded >>> 28) & 7;
    const cmp = (encoded >>> 24) & 15;
    let arg = (encoded << 8) >> 20;
    const cmpArg = (encoded << 20) >> 20;
    if (((encoded >>> 28) & linux.FUTEX_OP_OPARG_SHIFT) !== 0) arg = 1 << (arg & 31);
    if (op > linux.FUTEX_OP_XOR) return -ENOSYS;
    const before = t.mm.opU32(addr2, op, arg);
    if (before < 0) return before;
    const old = before | 0;
    let hit: boolean;
    switch (cmp) {
      case linux.FUTEX_OP_CMP_EQ:
        hit = old === cmpArg;
        break;
      case linux.FUTEX_OP_CMP_NE:
        hit = old !== cmpArg;
        break;
      case linux.FUTEX_OP_CMP_LT:
        hit = old < cmpArg;
        break;
      case linux.FUTEX_OP_CMP_GE:
        hit = old >= cmpArg;
        break;
      case linux.FUTEX_OP_CMP_LE:
        hit = old <= cmpArg;
        break;
      case linux.FUTEX_OP_CMP_GT:
        hit = old > cmpArg;
        break;
      default:
        return -ENOSYS;
    }
    const woken = this.wakeKey(k1, n, linux.FUTEX_BITSET_MATCH_ANY);
    if (woken < 0 || !hit) return woken;
    const more = this.wakeKey(k2, n2, linux.FUTEX_BITSET_MATCH_ANY);
    return more < 0 ? more : woken + more;
  }

  // ---- FUTEX_LOCK_PI: the kernel hands the word from owner to the longest waiter; priorities are not inherited

  /** The longest waiter of a key, or null. */
  firstWaiter(k: SharedKey): Waiter | null {
    for (let w = this.bucketOf(k).head; w !== null; w = w.next) {
      if (w.object === k.object && w.offset === k.offset) return w;
    }
    return null;
  }

  /**
   * FUTEX_LOCK_PI and TRYLOCK_PI up to the point of blocking. 1: acquired. 0: the task's waiter is queued (LOCK_PI). Negative: -EDEADLK when it
   * has the lock, -ESRCH when the owner does not exist, -EAGAIN when `tryOnly` and taken, -EINVAL when the word and the waiters disagree, -EFAULT.
   */
  lockPI(t: Task, w: Waiter, addr: number, isPrivate: boolean, tryOnly: boolean): number {
    const r = this.getKey(t, addr, isPrivate, this.key1);
    return r < 0 ? r : this.lockPIFor(t, w, this.key1, addr, addr, tryOnly);
  }

  /**
   * As lockPI, for the task of `w`, on the word with the key `k`: at `addr` in the memory of `t`, at `ownAddr` in that of the waiter.
   */
  lockPIFor(t: Task, w: Waiter, k: SharedKey, addr: number, ownAddr: number, tryOnly: boolean): number {
    const self = w.task.tid;
    for (let i = 0; i < MAX_TRIES; i++) {
      const cur = t.mm.loadU32(addr);
      if (cur < 0) return cur;
      const ownerTID = cur & linux.FUTEX_TID_MASK;
      if (ownerTID === self) return -EDEADLK;
      const first = this.firstWaiter(k);
      if (first !== null && !first.pi) return -EINVAL;
      if (ownerTID === 0 && first === null) {
        const want = (self | (cur & linux.FUTEX_OWNER_DIED)) >>> 0;
        const was = t.mm.casU32(addr, cur, want);
        if (was < 0) return was;
        if (was === cur) return 1;
        continue;
      }
      // Set first, so that the owner's unlock comes to the kernel.
      if ((cur & linux.FUTEX_WAITERS) === 0) {
        const was = t.mm.casU32(addr, cur, (cur | linux.FUTEX_WAITERS) >>> 0);
        if (was < 0) return was;
        if (was !== cur) continue;
      }
      const owner = w.task.pidNamespace.tasks.get(ownerTID) ?? null;
      if (first !== null) {
        if (ownerTID !== 0 && first.owner !== owner) return -EINVAL;
      } else if (owner === null) {
        return -ESRCH;
      } else if (owner.isExiting()) {
        return (cur & linux.FUTEX_OWNER_DIED) !== 0 ? -ESRCH : -EAGAIN;
      }
      if (tryOnly) return -EAGAIN;
      w.object = k.object;
      w.offset = k.offset;
      w.bitset = linux.FUTEX_BITSET_MATCH_ANY;
      w.pi = true;
      w.owner = first !== null ? first.owner : owner;
      w.addr = ownAddr;
      this.bucketOf(k).append(w);
      this.piWaiters++;
      return 0;
    }
    return -EAGAIN;
  }

  /** FUTEX_WAIT_REQUEUE_PI up to the point of blocking: as waitPrepare, for a waiter that will be moved to addr2. */
  waitRequeuePrepare(t: Task, w: Waiter, addr: number, isPrivate: boolean, val: number, addr2: number): number {
    if (addr === addr2) return -EINVAL;
    const k2 = this.key2;
    let r = this.getKey(t, addr2, isPrivate, k2);
    if (r < 0) return r;
    r = this.getKey(t, addr, isPrivate, this.key1);
    if (r < 0) return r;
    if (this.key1.object === k2.object && this.key1.offset === k2.offset) return -EINVAL;
    r = this.waitPrepare(t, w, addr, isPrivate, val, linux.FUTEX_BITSET_MATCH_ANY);
    if (r < 0) return r;
    w.requeueObject = k2.object;
    w.requeueOffset = k2.offset;
    w.requeueAddr = addr2;
    return 0;
  }

  /**
   * FUTEX_CMP_REQUEUE_PI: gives the PI word at addr2 to the longest waiter of addr if it is free; that one and up to nRequeue others wait for
   * addr2 then. Returns how many were woken or moved; -EAGAIN when the word has another value than `cmp`, or the owner of addr2 is exiting.
   */
  requeuePI(
    t: Task,
    addr: number,
    isPrivate: boolean,
    nWake: number,
    nRequeue: number,
    addr2: number,
    cmp: number,
  ): number {
    if (nWake < 0 || nRequeue < 0 || addr === addr2 || nWake !== 1) return -EINVAL;
    const k1 = this.key1;
    const k2 = this.key2;
    let r = this.getKey(t, addr, isPrivate, k1);
    if (r < 0) return r;
    r = this.getKey(t, addr2, isPrivate, k2);
    if (r < 0) return r;
    if (k1.object === k2.object && k1.offset === k2.offset) return -EINVAL;
    const cur = t.mm.loadU32(addr);
    if (cur < 0) return cur;
    if (cur !== cmp) return -EAGAIN;
    const b = this.bucketOf(k1);
    let done = 0;
    for (let w = b.head; w !== null && done < nWake + nRequeue; ) {
      const next: Waiter | null = w.next;
      if (w.object === k1.object && w.offset === k1.offset) {
        if (w.pi || w.requeueObject !== k2.object || w.requeueOffset !== k2.offset) return -EINVAL;
        b.remove(w);
        r = this.lockPIFor(t, w, k2, addr2, w.requeueAddr, false);
        if (r < 0) {
          // It goes on waiting where it was.
          w.object = k1.object;
          w.offset = k1.offset;
          b.insertBefore(w, next);
          return r;
        }
        done++;
        if (r === 1) w.task.wake();
      }
      w = next;
    }
    return done;
  }

  /** FUTEX_UNLOCK_PI: 0, -EPERM when the task does not own the word, -EAGAIN, -EFAULT, -EINVAL. */
  unlockPI(t: Task, addr: number, isPrivate: boolean): number {
    if (addr % 4 !== 0) return -EINVAL;
    if (addr > TASK_SIZE_MAX - 4) return -EFAULT;
    const first = t.mm.loadU32(addr);
    if (first < 0) return first;
    if ((first & linux.FUTEX_TID_MASK) !== t.tid) return -EPERM;
    const k = this.key1;
    const r = this.getKey(t, addr, isPrivate, k);
    if (r < 0) return r;
    const w = this.firstWaiter(k);
    if (w !== null) {
      if (!w.pi || w.owner !== t) return -EINVAL;
      return this.handOff(w, first, 0);
    }
    let cur = first;
    for (let i = 0; i < MAX_TRIES; i++) {
      const was = t.mm.casU32(addr, cur, 0);
      if (was < 0) return was;
      if (was === cur) return 0;
      if ((was & linux.FUTEX_TID_MASK) !== t.tid) return -EAGAIN;
      cur = was;
    }
    return -EAGAIN;
  }

  /** Gives the word to a queued LOCK_PI waiter. `cur` is what it holds as far as known; `extra` is OWNER_DIED or 0. */
  handOff(w: Waiter, cur: number, extra: number): number {
    const b = w.bucket;
    if (b === null) return -EINVAL;
    const value = (w.task.tid | linux.FUTEX_WAITERS | extra) >>> 0;
    let old = cur;
    for (let i = 0; i < MAX_TRIES; i++) {
      const was = w.task.mm.casU32(w.addr, old, value);
      if (was < 0) return was;
      if (was === old) break;
      if (extra === 0 && (was & linux.FUTEX_TID_MASK) !== (cur & linux.FUTEX_TID_MASK)) return -EINVAL;
      old = was;
    }
    b.remove(w);
    this.piWaiters--;
    for (let o = b.head; o !== null; o = o.next) {
      if (o.object === w.object && o.offset === w.offset) o.owner = w.task;
    }
    w.task.wake();
    return 0;
  }

  /** The owner of LOCK_PI words dies: each goes to its longest waiter. */
  releasePI(t: Task): void {
    if (this.piWaiters === 0) return;
    for (const b of this.buckets) {
      for (let w = b.head; w !== null; ) {
        const next: Waiter | null = w.next;
        if (w.pi && w.owner === t) {
          const cur = w.task.mm.loadU32(w.addr);
          if (cur >= 0) this.handOff(w, cur, linux.FUTEX_OWNER_DIED);
          else w.owner = null;
        }
        w = next;
      }
    }
  }

  // ---- exit

  /** A thread exits (or execs): wakes who waits for its robust mutexes, hands over its PI mutexes. Call while mm is still the task's. */
  exitRobustList(t: Task): void {
    if (t.robustListHead !== 0) {
      walkRobustList(this, t, t.robustListHead);
      t.robustListHead = 0;
    }
    this.releasePI(t);
  }

  /** Wakes up to n waiters of a word as FUTEX_WAKE without FUTEX_PRIVATE_FLAG does: the word of CLONE_CHILD_CLEARTID. */
  wakeAddress(t: Task, addr: number, n: number): number {
    return this.wake(t, addr, false, n, linux.FUTEX_BITSET_MATCH_ANY);
  }
}
