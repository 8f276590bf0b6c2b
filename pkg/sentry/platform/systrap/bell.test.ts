import { beforeEach, expect, test } from "bun:test";
import { Bell } from "./bell.ts";
import { NR_COMMAND } from "./stub.ts";
import type { SystrapPlatform } from "./systrap.ts";

const PID = 77;

class Stub {
  dead = false;
  waits = 0;
  reports = 0;
  awaitEvents(): void {
    this.waits++;
  }
  isReport(notif: Uint32Array): boolean {
    return notif[2] === PID && notif[4] === NR_COMMAND;
  }
  reported(): void {
    this.reports++;
  }
}

let stub: Stub;
let made: number;
let bell: Bell;
/** Whether there can be another process. */
let isFull: boolean;

beforeEach(() => {
  stub = new Stub();
  made = 0;
  isFull = false;
  const platform = {
    newBell: (): Stub | null => {
      made++;
      return isFull ? null : stub;
    },
  };
  bell = new Bell(platform as unknown as SystrapPlatform);
});

/** So many notifications that poll(2) told of. */
function notified(n: number): void {
  for (let i = 0; i < n; i++) bell.notified();
}

function notification(tid: number, nr: number): Uint32Array {
  const words = new Uint32Array(20);
  words[2] = tid;
  words[4] = nr;
  return words;
}

test("it is set once notifications have come in a row", () => {
  notified(63);
  expect([made, bell.isSet, bell.covers(-1)]).toEqual([0, false, false]);
  bell.ready();
  notified(63);
  expect(made).toBe(0);
  notified(1);
  expect([made, stub.waits, bell.isSet, bell.covers(-1)]).toEqual([1, 1, true, true]);
  notified(500);
  expect([made, stub.waits]).toEqual([1, 1]);
});

test("a wait that ends before it rings is none for notifications alone", () => {
  notified(64);
  expect([bell.covers(300_000), bell.covers(1e9)]).toEqual([false, true]);
  bell.rings = performance.now() - 1;
  expect(bell.covers(1)).toBe(true);
});

test("it rings once, and is set again when notifications have come in a row", () => {
  notified(64);
  expect(bell.rang(notification(PID + 1, NR_COMMAND))).toBe(false);
  expect(bell.rang(notification(PID, 39))).toBe(false);
  expect([bell.isSet, stub.reports]).toEqual([true, 0]);
  expect(bell.rang(notification(PID, NR_COMMAND))).toBe(true);
  expect([bell.isSet, bell.covers(-1), stub.reports]).toEqual([false, false, 1]);
  notified(63);
  expect(stub.waits).toBe(1);
  notified(1);
  expect([made, stub.waits, bell.isSet]).toEqual([1, 2, true]);
});

test("without a process to be it there is none, and nobody tries again", () => {
  isFull = true;
  notified(200);
  expect([made, bell.isSet, bell.rang(notification(PID, NR_COMMAND))]).toEqual([1, false, false]);
});

test("one that died rings no more", () => {
  notified(64);
  bell.rang(notification(PID, NR_COMMAND));
  stub.dead = true;
  notified(200);
  expect([made, stub.waits, bell.isSet]).toEqual([1, 1, false]);
});

test("one that is late is not relied on until it has rung", () => {
  notified(64);
  bell.rings = performance.now() - 1000;
  for (let i = 0; i < 63; i++) expect(bell.covers(-1)).toBe(true);
  expect([bell.covers(-1), bell.isDue]).toEqual([false, false]);
  for (let i = 0; i < 200; i++) expect(bell.covers(-1)).toBe(false);
  notified(200);
  expect([stub.waits, bell.isSet]).toEqual([1, true]);
  bell.rang(notification(PID, NR_COMMAND));
  notified(64);
  expect([stub.waits, bell.covers(-1), bell.isDue]).toEqual([2, true, true]);
});
