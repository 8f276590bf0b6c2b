import { beforeEach, expect, test } from "bun:test";
import type { SystrapContext } from "./context.ts";
import { Placement } from "./placement.ts";
import type { SystrapPlatform } from "./systrap.ts";

/** A host thread that does not exist: where it is to run is read off its context. */
const NOBODY = 0x7fffffff;

class Thread {
  readonly hostTID = NOBODY;
  pinned = false;
  home = -1;
  cpu = -1;
  stoppedAt = 0;
  ranAt = 0;
}

/** Where the sentry is. */
let here: number;
let placement: Placement;

function make(cpus: number): void {
  const allCPUs = new Uint32Array(32);
  allCPUs[0] = 2 ** cpus - 1;
  here = 0;
  const world = { allCPUs, native: { systrap_cpu: (): number => here } };
  placement = new Placement(world as unknown as SystrapPlatform);
}
const thread = (): Thread & SystrapContext => new Thread() as unknown as Thread & SystrapContext;

/** A thread makes calls that are answered at once. */
function calls(t: SystrapContext, n: number): void {
  for (let i = 0; i < n; i++) {
    placement.leave(t);
    placement.stopped(t);
    placement.runs(t);
  }
}

beforeEach(() => make(2));

test("threads that wait for each other go on where the sentry is", () => {
  const a = thread();
  const b = thread();
  placement.runs(a);
  for (let i = 0; i < 50; i++) {
    here = i & 1;
    // One wakes the other and waits itself.
    placement.runs(b);
    placement.leave(a);
    placement.stopped(a);
    placement.runs(a);
    placement.leave(b);
    placement.stopped(b);
    expect([a.home, b.home, a.cpu, b.cpu]).toEqual([-1, -1, here, -1]);
  }
  expect(placement.moves).toBe(0);
});

test("a thread that computes keeps its CPU, the next one gets another", () => {
  const a = thread();
  const b = thread();
  placement.runs(a);
  placement.runs(b);
  calls(b, 5);
  expect([a.home, b.home]).toEqual([-1, -1]);
  expect(placement.isComputing()).toBe(false);
  calls(b, 1);
  expect([a.home, b.home, a.cpu, b.cpu]).toEqual([0, 1, 0, 1]);
  expect([placement.isComputing(), placement.moves]).toEqual([true, 2]);
  // It stays there, whoever the sentry served before.
  calls(b, 3);
  expect([b.home, b.cpu]).toEqual([1, 1]);
  placement.leave(a);
  placement.stopped(a);
  placement.runs(a);
  expect([a.home, a.cpu, placement.running[0], placement.running[1]]).toEqual([0, 0, [a], [b]]);
});

test("one that was woken by others goes on beside them, unless one of them computes", () => {
  const a = thread();
  const b = thread();
  placement.runs(a);
  placement.runs(b);
  calls(b, 6);
  expect(b.home).toBe(1);
  placement.leave(b);
  placement.stopped(b);
  calls(a, 1);
  placement.runs(b);
  expect([b.home, b.cpu]).toEqual([-1, 0]);
  placement.leave(b);
  placement.stopped(b);
  calls(thread(), 6);
  placement.runs(b);
  expect([b.home, b.cpu]).toEqual([-1, 0]);
});

test("a CPU of its own is a thread's for a while", () => {
  const a = thread();
  const b = thread();
  placement.runs(a);
  placement.runs(b);
  calls(b, 6);
  placement.review();
  expect([a.home, b.home, placement.settled]).toEqual([0, 1, [a, b]]);
  placement.since -= 1000;
  placement.review();
  expect([a.home, b.home, placement.settled]).toEqual([-1, -1, []]);
  // They are where they are; another conflict settles it again.
  here = 1;
  calls(b, 3);
  expect([b.home, b.cpu]).toEqual([-1, 1]);
  here = 0;
  calls(b, 1);
  expect([a.home, b.home]).toEqual([0, 1]);
  placement.forget(b);
  placement.forget(a);
  placement.forget(a);
  expect([a.home, b.home, placement.settled]).toEqual([-1, -1, []]);
});

test("nobody moves when every CPU has something to do", () => {
  const threads = [thread(), thread(), thread()] as const;
  const [a, b, c] = threads;
  for (const t of threads) placement.runs(t);
  calls(b, 6);
  calls(c, 20);
  expect([a.home, b.home, c.home, c.cpu]).toEqual([0, 1, -1, 0]);
});

test("a thread with an affinity of its own is left alone", () => {
  const a = thread();
  const b = thread();
  a.pinned = true;
  b.pinned = true;
  placement.runs(a);
  placement.runs(b);
  calls(b, 20);
  expect([a.home, b.home, placement.moves]).toEqual([-1, -1, 0]);
});

test("with one CPU there is nothing to decide", () => {
  make(1);
  const a = thread();
  const b = thread();
  placement.runs(a);
  placement.runs(b);
  calls(b, 20);
  expect([a.home, b.home, b.cpu]).toEqual([-1, -1, -1]);
  // Whether one computes is known all the same.
  expect(placement.computing([a, b], 2)).toBe(a);
});

test("threads that are gone take no place", () => {
  const a = thread();
  const b = thread();
  const c = thread();
  for (const t of [a, b, c]) placement.runs(t);
  placement.leave(a);
  expect(placement.running[0]).toEqual([c, b]);
  placement.leave(a);
  placement.leave(b);
  placement.leave(c);
  expect(placement.running).toEqual([[], []]);
});
