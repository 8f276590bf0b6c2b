import { expect, test } from "bun:test";
import { EAGAIN, EDEADLK, EFAULT, EINVAL, EPERM, ESRCH } from "../../../abi/linux/errno.ts";
import { FUTEX_OWNER_DIED, FUTEX_WAITERS } from "../../../abi/linux/futex.ts";
import * as host from "../../../hostsyscall/index.ts";
import { newMMapOpts } from "../../memmap/index.ts";
import { MemoryManager } from "../../mm/index.ts";
import { FakeLimits, FakePlatform } from "../../mm/testutil/fake_platform.ts";
import { MemoryFile } from "../../pgalloc/index.ts";
import type { Task } from "../task.ts";
import { FutexManager } from "./index.ts";

host.safeInstall();
const memoryFile = new MemoryFile();
const ALL = 0xffffffff;

class FakeTask {
  readonly tid: number;
  readonly mm: MemoryManager;
  readonly pidNamespace: { tasks: Map<number, FakeTask> };
  futexWaiter: object | null = null;
  robustListHead = 0;
  woken = 0;
  exiting = false;

  constructor(tid: number, mm: MemoryManager, tasks: Map<number, FakeTask>) {
    this.tid = tid;
    this.mm = mm;
    this.pidNamespace = { tasks };
    tasks.set(tid, this);
  }
  wake(): void {
    this.woken++;
  }
  isExiting(): boolean {
    return this.exiting;
  }
}

/** An address space with a page at 0x10000 (private) and one at 0x20000 (shared), and tasks in it. */
function setup(n: number): { m: FutexManager; mm: MemoryManager; f: FakeTask[]; t: Task[] } {
  const mm = new MemoryManager({ platform: new FakePlatform(), memoryFile, limits: new FakeLimits() });
  for (const [addr, isPrivate] of [
    [0x10000, true],
    [0x20000, false],
  ] as const) {
    const o = newMMapOpts();
    o.addr = addr;
    o.length = 4096;
    o.fixed = true;
    o.unmap = true;
    o.perms = 3;
    o.isPrivate = isPrivate;
    mm.mmap(o);
  }
  const tasks = new Map<number, FakeTask>();
  const f: FakeTask[] = [];
  for (let i = 0; i < n; i++) f.push(new FakeTask(100 + i, mm, tasks));
  return { m: new FutexManager(), mm, f, t: f as unknown as Task[] };
}

function at<T>(a: readonly T[], i: number): T {
  const v = a[i];
  if (v === undefined) throw new Error("index");
  return v;
}

test("wait and wake", () => {
  const { m, mm, f, t } = setup(3);
  const w = t.map((x) => m.waiterOf(x));
  expect(m.waitPrepare(at(t, 0), at(w, 0), 0x10000, true, 1, ALL)).toBe(-EAGAIN);
  expect(m.waitPrepare(at(t, 0), at(w, 0), 0x10002, true, 0, ALL)).toBe(-EINVAL);
  expect(m.waitPrepare(at(t, 0), at(w, 0), 0x90000, true, 0, ALL)).toBe(-EFAULT);
  for (let i = 0; i < 3; i++) expect(m.waitPrepare(at(t, i), at(w, i), 0x10000, true, 0, 1 << i)).toBe(0);
  expect(m.wake(at(t, 0), 0x10004, true, 1, ALL)).toBe(0);
  expect(m.wake(at(t, 0), 0x10000, true, 10, 2)).toBe(1);
  expect(f.map((x) => x.woken)).toEqual([0, 1, 0]);
  expect(m.wake(at(t, 0), 0x10000, true, 1, ALL)).toBe(1);
  expect(f.map((x) => x.woken)).toEqual([1, 1, 0]);
  expect(m.dequeue(at(w, 2))).toBe(true);
  expect(m.dequeue(at(w, 2))).toBe(false);
  expect(m.wake(at(t, 0), 0x10000, true, 1, ALL)).toBe(0);
  expect(m.wake(at(t, 0), 0x10000, true, 1, 0)).toBe(-EINVAL);
  mm.decUsers();
});

test("shared words meet across address spaces, private ones do not", () => {
  const { m, mm, f, t } = setup(1);
  const child = mm.fork(new FakeLimits());
  const other = new FakeTask(7, child, new Map()) as unknown as Task;
  const w = m.waiterOf(at(t, 0));
  m.waitPrepare(at(t, 0), w, 0x20000, false, 0, ALL);
  expect(m.wake(other, 0x20000, true, 1, ALL)).toBe(0);
  expect(m.wake(other, 0x20000, false, 1, ALL)).toBe(1);
  m.waitPrepare(at(t, 0), w, 0x10000, false, 0, ALL);
  expect(m.wake(other, 0x10000, false, 1, ALL)).toBe(0);
  // Even in private memory, process-private and other futexes of a word are two.
  expect(m.wake(at(t, 0), 0x10000, true, 1, ALL)).toBe(0);
  expect(m.wake(at(t, 0), 0x10000, false, 1, ALL)).toBe(1);
  expect(at(f, 0).woken).toBe(2);
  child.decUsers();
  mm.decUsers();
});

test("requeue and wake_op", () => {
  const { m, mm, f, t } = setup(4);
  const w = t.map((x) => m.waiterOf(x));
  for (let i = 0; i < 4; i++) m.waitPrepare(at(t, i), at(w, i), 0x10000, true, 0, ALL);
  const self = at(t, 0);
  expect(m.requeue(self, 0x10000, true, 1, 2, 0x10008, true, 5)).toBe(-EAGAIN);
  expect(m.requeue(self, 0x10000, true, -1, 2, 0x10008, true, 0)).toBe(-EINVAL);
  expect(m.requeue(self, 0x10000, true, 1, 2, 0x10008, true, 0)).toBe(3);
  expect(f.map((x) => x.woken)).toEqual([1, 0, 0, 0]);
  expect(m.wake(self, 0x10008, true, 10, ALL)).toBe(2);
  expect(f.map((x) => x.woken)).toEqual([1, 1, 1, 0]);
  // *addr2 += 3 when it was 0; wake one of each.
  m.waitPrepare(self, at(w, 0), 0x1000c, true, 0, ALL);
  const op = (1 << 28) | (0 << 24) | (3 << 12) | 0;
  expect(m.wakeOp(self, 0x10000, true, 1, 0x1000c, 1, op)).toBe(2);
  expect(mm.loadU32(0x1000c)).toBe(3);
  expect(m.wakeOp(self, 0x10000, true, 1, 0x1000c, 1, (5 << 28) | 0)).toBe(-38);
  mm.decUsers();
});

test("priority inheritance words are handed over in order", () => {
  const { m, mm, f, t } = setup(3);
  const w = t.map((x) => m.waiterOf(x));
  const a = at(t, 0);
  expect(m.lockPI(a, at(w, 0), 0x10000, true, false)).toBe(1);
  expect(mm.loadU32(0x10000)).toBe(100);
  expect(m.lockPI(a, at(w, 0), 0x10000, true, false)).toBe(-EDEADLK);
  expect(m.lockPI(at(t, 1), at(w, 1), 0x10000, true, true)).toBe(-EAGAIN);
  expect(m.lockPI(at(t, 1), at(w, 1), 0x10000, true, false)).toBe(0);
  expect(m.lockPI(at(t, 2), at(w, 2), 0x10000, true, false)).toBe(0);
  expect(mm.loadU32(0x10000)).toBe(100 + FUTEX_WAITERS);
  expect(m.wake(a, 0x10000, true, 1, ALL)).toBe(-EINVAL);
  expect(m.unlockPI(at(t, 1), 0x10000, true)).toBe(-EPERM);
  expect(m.unlockPI(a, 0x10000, true)).toBe(0);
  expect(mm.loadU32(0x10000)).toBe(101 + FUTEX_WAITERS);
  expect(f.map((x) => x.woken)).toEqual([0, 1, 0]);
  m.exitRobustList(at(t, 1));
  expect(mm.loadU32(0x10000)).toBe(102 + FUTEX_WAITERS + FUTEX_OWNER_DIED);
  expect(m.unlockPI(at(t, 2), 0x10000, true)).toBe(0);
  expect(mm.loadU32(0x10000)).toBe(0);
  expect(m.piWaiters).toBe(0);
  mm.storeU32(0x10000, 999);
  expect(m.lockPI(a, at(w, 0), 0x10000, true, false)).toBe(-ESRCH);
  mm.decUsers();
});

test("robust lists", () => {
  const { m, mm, f, t } = setup(2);
  const words = (addr: number, ...v: number[]): void => {
    const b = new Uint32Array(v.flatMap((x) => [x >>> 0, Math.floor(x / 4294967296)]));
    mm.copyOut(addr, new Uint8Array(b.buffer), 0, b.length * 4);
  };
  // head: first entry, offset of the word, pending entry. The first entry's word is ours, the second is not.
  words(0x10100, 0x10200, 16, 0x10400);
  words(0x10200, 0x10300);
  words(0x10300, 0x10100);
  mm.storeU32(0x10210, (100 | FUTEX_WAITERS) >>> 0);
  mm.storeU32(0x10310, 55);
  mm.storeU32(0x10410, 100);
  const w = m.waiterOf(at(t, 1));
  m.waitPrepare(at(t, 1), w, 0x10210, false, (100 | FUTEX_WAITERS) >>> 0, ALL);
  at(f, 0).robustListHead = 0x10100;
  m.exitRobustList(at(t, 0));
  expect(mm.loadU32(0x10210)).toBe(FUTEX_WAITERS + FUTEX_OWNER_DIED);
  expect(mm.loadU32(0x10310)).toBe(55);
  expect(mm.loadU32(0x10410)).toBe(FUTEX_OWNER_DIED);
  expect(at(f, 1).woken).toBe(1);
  // A ring that never ends, and wild pointers.
  words(0x10100, 0x10200, 16, 0);
  words(0x10200, 0x10200);
  at(f, 0).robustListHead = 0x10100;
  m.exitRobustList(at(t, 0));
  at(f, 0).robustListHead = 0x7fff_ffff_fff8;
  m.exitRobustList(at(t, 0));
  words(0x10100, 2 ** 63, 2 ** 63, 2 ** 63);
  at(f, 0).robustListHead = 0x10100;
  m.exitRobustList(at(t, 0));
  mm.decUsers();
});
