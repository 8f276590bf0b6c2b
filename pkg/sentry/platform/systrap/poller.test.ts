import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import type { SystrapContext } from "./context.ts";
import { LinePoller } from "./poller.ts";
import type { SystrapPlatform } from "./systrap.ts";

/** A thread whose calls come as the test says. */
class Thread {
  // Where the host would run it is no matter here.
  readonly pinned = true;
  readonly hostTID = 0;
  readonly slotHost: number;
  hot = false;
  running = true;
  dead = false;
  waits = false;
  /** Calls that were served, and whether they are served this way. */
  calls = 0;
  serves = true;

  constructor(n: number) {
    this.slotHost = 0x10000 + n * 0x4000;
  }
  lineAddress(): number {
    return this.slotHost + 0x40;
  }
  isDead(): boolean {
    return this.dead;
  }
  isRunning(): boolean {
    return this.running;
  }
  isWaiting(): boolean {
    return this.waits;
  }
  requested(): boolean {
    this.calls++;
    return this.serves;
  }
}

/** What the poller asks of the platform, noting what it does. */
class World {
  running = 1;
  readonly deferred: unknown[] = [];
  readonly work = null;
  /** Whether a thread computes. */
  computes = false;
  readonly placement = {
    events: 0,
    forget: (): void => {},
    isComputing: (): boolean => this.computes,
    computing: (): unknown => (this.computes ? this : null),
  };
  readonly allCPUs: Uint32Array = new Uint32Array(32).fill(0xffffffff);
  /** What systrap_spin answers, in turn; then that nothing came. */
  readonly coming: number[] = [];
  /** Looks at other events, and what they bring. */
  looks = 0;
  others = 0;
  readonly selected: Map<number, number> = new Map();
  readonly calmed: number[] = [];
  readonly refused: number[] = [];
  readonly native = {
    systrap_cpu: (): number => 0,
    systrap_select: (address: number, value: number): void => {
      this.selected.set(address, value);
    },
    systrap_spin: (): number => this.coming.shift() ?? -1,
    systrap_calm: (line: number): void => {
      this.calmed.push(line);
    },
    systrap_refuse: (line: number): void => {
      this.refused.push(line);
    },
  };
  pollHost(): number {
    this.looks++;
    return this.others;
  }
}

let world: World;
let status: Int32Array;
let poller: LinePoller;

function make(cores: number): void {
  world = new World();
  status = new Int32Array(16);
  poller = new LinePoller(world as unknown as SystrapPlatform, cores, status);
}
const thread = (n: number): Thread & SystrapContext => new Thread(n) as unknown as Thread & SystrapContext;

/** Has notified calls come until lines are polled; how many it took. */
function begin(t: SystrapContext): number {
  for (let n = 1; n < 10_000; n++) {
    world.running = 0;
    poller.called(t);
    world.running = 1;
    if (poller.on) return n;
  }
  throw new Error("lines are never polled");
}

beforeEach(() => make(2));
afterAll(() => {
  if (poller.on) poller.end();
});

describe("a spell of polling", () => {
  test("begins after some notified calls, and tells guests", () => {
    const t = thread(0);
    expect(begin(t)).toBe(9);
    expect([status[0], t.hot, poller.hot.length]).toEqual([1, true, 1]);
    expect(world.selected.get(t.slotHost + 0x30)).toBe(1);
    expect(poller.end()).toBe(0);
    expect([status[0], t.hot, poller.hot.length]).toEqual([0, false, 0]);
    expect(world.selected.get(t.slotHost + 0x30)).toBe(0);
  });
  test("serves what came at its end", () => {
    const t = thread(0);
    const u = thread(1);
    begin(t);
    poller.runs(u);
    u.serves = false;
    world.coming.push(1, 0, 0);
    expect(poller.end()).toBe(2);
    expect([t.calls, u.calls, world.coming.length, world.refused]).toEqual([1, 1, 1, [u.lineAddress()]]);
    world.coming.length = 0;
  });
  test("ends when nothing comes, and such a one is dearer to begin again", () => {
    const t = thread(0);
    for (const calls of [9, 17, 33, 65]) {
      expect(begin(t)).toBe(calls);
      expect(poller.poll(false)).toBe(0);
      expect(poller.tired).toBe(true);
      poller.end();
    }
    expect(poller.silent).toBe(4);
    for (let i = 0; i < 20; i++) {
      begin(t);
      poller.end();
    }
    expect(poller.skip).toBe(4096);
    // One that was worth it is forgiven.
    begin(t);
    world.coming.push(...new Array<number>(16).fill(0));
    poller.poll(false);
    poller.end();
    expect([t.calls, poller.skip]).toEqual([16, 8]);
  });
  test("serves what comes, but looks at other events after 64 and between", () => {
    const t = thread(0);
    begin(t);
    world.coming.push(...new Array<number>(100).fill(0));
    expect(poller.poll(false)).toBe(64);
    expect([t.calls, world.looks, poller.tired]).toEqual([64, 0, false]);
    world.others = 1;
    expect(poller.poll(false)).toBe(37);
    expect([t.calls, world.looks, poller.tired]).toEqual([100, 1, false]);
  });
  test("with other work at hand is one look", () => {
    const t = thread(0);
    begin(t);
    expect(poller.poll(true)).toBe(0);
    world.coming.push(0);
    expect(poller.poll(true)).toBe(1);
    expect([poller.tired, world.looks]).toEqual([false, 0]);
  });
  test("refuses what is not served by line", () => {
    const t = thread(0);
    begin(t);
    t.serves = false;
    world.coming.push(0);
    poller.poll(true);
    expect(world.refused).toEqual([t.lineAddress()]);
  });
  test("ends when something else ran on our core", () => {
    begin(thread(0));
    world.coming.push(-2);
    poller.poll(false);
    expect([poller.tired, poller.preempted]).toEqual([true, 1]);
  });
  test("that others on the host ended is followed by a longer pause, however much it served", () => {
    const t = thread(0);
    for (const pause of [16, 32, 64, 128, 256, 512, 1024, 1024]) {
      begin(t);
      world.coming.push(...new Array<number>(40).fill(0), -2);
      poller.poll(false);
      poller.end();
      expect(poller.skip).toBe(pause);
    }
    begin(t);
    world.coming.push(...new Array<number>(40).fill(0));
    poller.poll(false);
    poller.end();
    expect(poller.skip).toBe(8);
  });
  test("goes on while nobody runs, without waiting", () => {
    const t = thread(0);
    begin(t);
    t.running = false;
    expect(poller.poll(false)).toBe(0);
    expect([poller.tired, world.looks]).toEqual([false, 0]);
  });
  test("does not wait for work that is to be told", () => {
    begin(thread(0));
    world.deferred.push(0);
    expect(poller.poll(false)).toBe(0);
    expect([poller.tired, world.looks]).toEqual([false, 0]);
  });
});

describe("without a core to spare", () => {
  test("few calls begin no spell, many do", () => {
    const t = thread(0);
    for (let i = 0; i < 63; i++) poller.called(t);
    expect(poller.on).toBe(false);
    // The 64th decides by the time they took; this is the first count, which has no beginning.
    poller.called(t);
    expect(poller.skip).toBe(8);
  });
  test("waiting is paid for by calls served", () => {
    const t = thread(0);
    begin(t);
    world.running = 2;
    poller.credit = 600;
    poller.poll(false);
    expect([poller.tired, poller.crowded, poller.credit]).toEqual([true, 1, 0]);
    poller.tired = false;
    world.coming.push(0);
    expect(poller.poll(false)).toBe(1);
    expect(poller.credit).toBe(0);
    expect(poller.tired).toBe(true);
  });
  test("threads that wait for answers are told to sleep", () => {
    const t = thread(0);
    const u = thread(1);
    begin(t);
    t.waits = true;
    world.running = 0;
    poller.waits(t);
    expect(world.calmed).toEqual([]);
    world.running = 1;
    poller.runs(u);
    expect(world.calmed).toEqual([t.lineAddress()]);
    poller.runs(u);
    expect(world.calmed.length).toBe(1);
    u.waits = true;
    poller.waits(u);
    expect(world.calmed).toEqual([t.lineAddress(), u.lineAddress()]);
  });
});

describe("an answer to a thread that slept", () => {
  /** Serves twenty calls, each of which wakes a sleeper with so many threads running; whether lines are still polled. */
  const outlasts = (running: number, waiting: boolean): boolean => {
    const t = thread(0);
    const u = thread(1);
    begin(t);
    poller.runs(u);
    for (let i = 0; i < 20; i++) {
      world.coming.push(0);
      poller.poll(true);
      world.running = 0;
      if (waiting) poller.waits(u);
      world.running = running;
      poller.wokeSleeper();
    }
    return poller.poll(true) >= 0 && !poller.tired;
  };
  test("is a core to wake up when no other thread is awake", () => {
    expect(outlasts(1, false)).toBe(false);
  });
  test("is none beside one that runs or waits", () => {
    expect(outlasts(2, false)).toBe(true);
    make(2);
    expect(outlasts(1, true)).toBe(true);
  });
});

describe("hot threads", () => {
  test("are sixteen at most; the oldest goes", () => {
    const all = Array.from({ length: 18 }, (_, i) => thread(i));
    const [first] = all;
    if (first === undefined) throw new Error("no thread");
    begin(first);
    for (const t of all) poller.runs(t);
    expect(poller.hot.length).toBe(16);
    expect(all.map((t) => t.hot)).toEqual([false, false, ...new Array<boolean>(16).fill(true)]);
    expect(world.selected.get(first.slotHost + 0x30)).toBe(0);
    expect(poller.collect()).toBe(16);
  });
  test("that are gone are forgotten, and no slot of theirs is written", () => {
    const t = thread(0);
    const u = thread(1);
    begin(t);
    poller.runs(u);
    t.dead = true;
    world.selected.clear();
    expect(poller.collect()).toBe(1);
    expect([poller.hot.length, poller.lines[0], poller.lines[1]]).toEqual([1, u.lineAddress(), 0]);
    t.dead = false;
    u.dead = true;
    poller.end();
    expect(world.selected.size).toBe(0);
  });
});
