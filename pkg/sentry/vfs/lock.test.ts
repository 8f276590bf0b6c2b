import { expect, test } from "bun:test";
import { EAGAIN } from "../../abi/linux/errno.ts";
import { F_RDLCK, F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN } from "../../abi/linux/file.ts";
import { Entry, EventIn } from "../../waiter/index.ts";
import { FileLocks, LOCK_MAX, LockWaits } from "./lock.ts";

function show(l: FileLocks): string {
  return l.ranges.map((r) => `${r.type === F_RDLCK ? "r" : "w"}${r.start}-${r.end}`).join(" ");
}

class Listener {
  woken = 0;
  notifyEvent(): void {
    this.woken++;
  }
}

test("ranges split and merge", () => {
  const l = new FileLocks();
  const a = {};
  expect(l.setRange(a, 1, F_WRLCK, 0, 100)).toBe(0);
  expect(l.setRange(a, 1, F_UNLCK, 40, 60)).toBe(0);
  expect(show(l)).toBe("w0-40 w60-100");
  l.setRange(a, 1, F_RDLCK, 30, 70);
  expect(show(l)).toBe("w0-30 r30-70 w70-100");
  l.setRange(a, 1, F_WRLCK, 30, 70);
  expect(show(l)).toBe("w0-100");
  l.setRange(a, 1, F_RDLCK, 100, LOCK_MAX);
  l.setRange(a, 1, F_RDLCK, 50, 100);
  expect(show(l)).toBe(`w0-50 r50-${LOCK_MAX}`);
  l.setRange(a, 1, F_UNLCK, 0, LOCK_MAX);
  expect(l.isEmpty()).toBe(true);
});

test("owners conflict, and are told when locks go", () => {
  const l = new FileLocks();
  const a = {};
  const b = {};
  const w = new Listener();
  l.queue.eventRegister(new Entry(w, EventIn));
  expect(l.setRange(a, 1, F_RDLCK, 0, 10)).toBe(0);
  expect(l.setRange(b, 2, F_RDLCK, 5, 20)).toBe(0);
  expect(l.setRange(b, 2, F_WRLCK, 0, 5)).toBe(-EAGAIN);
  expect(l.setRange(b, 2, F_WRLCK, 10, 20)).toBe(0);
  expect(l.conflict(a, F_RDLCK, 0, 100)).toMatchObject({ type: F_WRLCK, start: 10, end: 20, pid: 2 });
  expect(l.conflict(b, F_WRLCK, 0, 100)?.pid).toBe(1);
  expect(w.woken).toBe(0);
  l.setRange(b, 2, F_RDLCK, 10, 20);
  expect(w.woken).toBe(1);
  l.releasePOSIX(a);
  expect(w.woken).toBe(2);
  l.releasePOSIX(a);
  expect(w.woken).toBe(2);
  expect(l.setRange(b, 2, F_WRLCK, 0, 5)).toBe(0);
});

test("flock", () => {
  const l = new FileLocks();
  const a = {};
  const b = {};
  expect(l.flock(a, LOCK_SH)).toBe(0);
  expect(l.flock(b, LOCK_SH)).toBe(0);
  expect(l.flock(a, LOCK_EX)).toBe(-EAGAIN);
  // The failed conversion cost the old lock.
  expect(l.flock(b, LOCK_EX)).toBe(0);
  expect(l.flock(a, LOCK_SH)).toBe(-EAGAIN);
  expect(l.flock(b, LOCK_UN)).toBe(0);
  expect(l.flock(a, LOCK_EX)).toBe(0);
  l.releaseDescription(a);
  expect(l.isEmpty()).toBe(true);
});

test("deadlocks are found", () => {
  const w = new LockWaits();
  const [a, b, c] = [{}, {}, {}];
  const ab = w.add(a, b);
  w.add(b, c);
  expect(w.wouldDeadlock(c, a)).toBe(true);
  expect(w.wouldDeadlock(c, {})).toBe(false);
  w.remove(ab);
  expect(w.wouldDeadlock(c, a)).toBe(false);
});
