import { expect, test } from "bun:test";
import { type AlarmOwner, ClockAlarm, CPUAlarm, Timekeeper } from "./index.ts";
import { TimerQueue } from "./timer_queue.ts";

/** A timekeeper whose clocks are set by the test. */
class FakeTimekeeper extends Timekeeper {
  mono = 1e12;
  real = 1.7e9;
  override monotonic(): number {
    return this.mono;
  }
  override untilAbsolute(_clock: number, sec: number, nsec: number): number {
    return (sec - this.real) * 1e9 + nsec;
  }
}

class Owner implements AlarmOwner {
  count = 0;
  alarmExpired(): void {
    this.count++;
  }
}

test("periodic alarms rest until they are forwarded", () => {
  const q = new TimerQueue();
  const tk = new FakeTimekeeper();
  const o = new Owner();
  const a = new ClockAlarm(q, tk, 1, o);
  a.arm(false, 1, 0, 1e8, false);
  expect(a.remaining()).toBe(1e9);
  q.runDue(tk.mono + 1e9 - 1, 10);
  expect(o.count).toBe(0);
  tk.mono += 1.35e9;
  q.runDue(tk.mono, 10);
  q.runDue(tk.mono, 10);
  expect(o.count).toBe(1);
  expect(a.forward(0)).toBe(4);
  expect(a.remaining()).toBe(0.5e8);
  expect(a.forward(0)).toBe(0);
  a.disarm();
  expect(a.remaining()).toBe(Number.POSITIVE_INFINITY);
  expect(q.heap.length).toBe(0);
});

test("absolute alarms follow the clock when it is set", () => {
  const q = new TimerQueue();
  const tk = new FakeTimekeeper();
  const o = new Owner();
  const a = new ClockAlarm(q, tk, 0, o);
  a.arm(true, 1.7e9 + 10, 0, 0, false);
  expect(a.remaining()).toBe(1e10);
  tk.real += 8;
  for (const l of tk.listeners) l.clockWasSet();
  expect(a.remaining()).toBe(2e9);
  tk.mono += 2e9;
  q.runDue(tk.mono, 10);
  expect(o.count).toBe(1);
  expect(a.armed()).toBe(false);
  expect(tk.listeners.size).toBe(0);
});

test("CPU time alarms look at the clock until it is due", () => {
  const q = new TimerQueue();
  const tk = new FakeTimekeeper();
  const o = new Owner();
  const cpu = { used: 5e9, cpuTimeNs: (): number => cpu.used };
  const a = new CPUAlarm(q, tk, cpu, 2, o);
  a.arm(false, 0, 1e8, 1e8, false);
  let looks = 0;
  while (o.count === 0 && looks < 1000) {
    tk.mono = Math.max(q.next(), tk.mono);
    if (looks > 20) cpu.used += 1e6;
    q.runDue(tk.mono, 10);
    looks++;
  }
  expect(cpu.used).toBeGreaterThanOrEqual(5.1e9);
  cpu.used += 2.5e8;
  expect(a.forward(0)).toBe(3);
  expect(a.armed()).toBe(true);
});
