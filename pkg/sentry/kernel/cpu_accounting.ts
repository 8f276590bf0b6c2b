import { CLOCK_THREAD_CPUTIME_ID } from "../../abi/linux/time.ts";
import * as host from "../../hostsyscall/index.ts";
import { setFields, stateType } from "../../state/index.ts";
import { type Context, HostUsage } from "../platform/platform.ts";
import type { CPUClock } from "../time/index.ts";
import type { LoadAverage } from "./load_average.ts";
import type { Task } from "./task.ts";
import type { Usage } from "./thread_group.ts";

/** Events after which the sentry's time is shared out even if nobody asks: some 10 ms of work. */
const SETTLE_EVENTS = 2048;
/** Moving this many bytes weighs as much as an event. */
const BYTES_PER_EVENT = 32768;

/**
 * Shares the CPU time of the sentry's thread among the tasks that it worked for: it is their system time. No clock is read for an
 * event: events are counted, and what was used between two readings is divided by the counts.
 */
export class CPUAccounting {
  static readonly stateType = stateType(
    "kernel.CPUAccounting",
    ["loadAverage"],
    ["active", "left", "lastNs", "hostUsage"],
  );
  readonly loadAverage: LoadAverage;
  /** Tasks with events since the last reading. */
  active: Task[] = [];
  /** Events until the next reading. */
  left = SETTLE_EVENTS;
  /** CPU time of the sentry's thread at the last reading. */
  lastNs: number = host.clockGettime(CLOCK_THREAD_CPUTIME_ID);
  /** For reading a context's. */
  readonly hostUsage: HostUsage = new HostUsage();

  constructor(loadAverage: LoadAverage) {
    this.loadAverage = loadAverage;
  }

  afterLoad(): void {
    setFields<CPUAccounting>(this, { hostUsage: new HostUsage() });
    this.active = [];
    this.left = SETTLE_EVENTS;
    this.lastNs = host.clockGettime(CLOCK_THREAD_CPUTIME_ID);
  }

  /** Shares out what the sentry used since the last reading. */
  settle(): void {
    const now = host.clockGettime(CLOCK_THREAD_CPUTIME_ID);
    const spent = now - this.lastNs;
    this.lastNs = now;
    this.left = SETTLE_EVENTS;
    const active = this.active;
    let total = 0;
    for (const t of active) total += t.cpu.takeWeight(t);
    for (const t of active) t.cpu.servedNs += (spent * t.cpu.weight) / total;
    active.length = 0;
    this.loadAverage.tick();
  }
}

/** The CPU time of one task: what its host threads used, told apart as the host does, and what the sentry used for it. */
export class TaskCPU {
  static readonly stateType = stateType("kernel.TaskCPU", [
    "servedNs",
    "pastUserNs",
    "pastSystemNs",
    "hostUserNs",
    "hostSystemNs",
    "baseCPU",
    "baseUser",
    "baseSystem",
    "weight",
    "bytes",
    "folded",
  ]);
  /** The sentry's time. */
  servedNs = 0;
  /** Of contexts before the present one. */
  pastUserNs = 0;
  pastSystemNs = 0;
  /** Of the present one; neither ever goes back. */
  hostUserNs = 0;
  hostSystemNs = 0;
  /** What the host said of thread and process when the context became the task's. */
  baseCPU = 0;
  baseUser = 0;
  baseSystem = 0;
  /** Share in the time being divided, and how many bytes were moved up to then. */
  weight = 0;
  bytes = 0;
  /** The task is exiting and was added to its group's dead threads. */
  folded = false;

  /** The events since the last reading, and the bytes moved. */
  takeWeight(t: Task): number {
    const bytes = t.usage.readBytes + t.usage.writtenBytes;
    this.weight = t.work + (bytes - this.bytes) / BYTES_PER_EVENT;
    this.bytes = bytes;
    t.work = 0;
    return this.weight;
  }

  /** Another context becomes the task's; the old one was read if it is to count. */
  attach(ctx: Context, h: HostUsage): void {
    this.pastUserNs += this.hostUserNs;
    this.pastSystemNs += this.hostSystemNs;
    this.hostUserNs = 0;
    this.hostSystemNs = 0;
    ctx.readUsage(h);
    this.baseCPU = h.cpuNs;
    this.baseUser = h.userNs;
    this.baseSystem = h.systemNs;
  }

  /** Reads the context, whose thread may be gone, into `u`. */
  read(ctx: Context, h: HostUsage, u: Usage): void {
    if (ctx.readUsage(h)) {
      const cpu = h.cpuNs - this.baseCPU;
      const system = h.systemNs - this.baseSystem;
      const both = h.userNs - this.baseUser + system;
      // The host tells user and system time of the stub apart, not of the thread.
      const part = both > 0 ? Math.min(Math.max(system / both, 0), 1) : 0;
      const newSystem = Math.min(Math.max(cpu * part, this.hostSystemNs), Math.max(cpu - this.hostUserNs, 0));
      this.hostSystemNs = Math.max(this.hostSystemNs, newSystem);
      this.hostUserNs = Math.max(this.hostUserNs, cpu - this.hostSystemNs);
      u.minorFaults += h.minorFaults;
      u.majorFaults += h.majorFaults;
      u.involuntarySwitches += h.involuntarySwitches;
    }
    u.userNs = Math.floor(this.pastUserNs + this.hostUserNs);
    u.systemNs = Math.floor(this.pastSystemNs + this.hostSystemNs + this.servedNs);
  }
}

/** Something whose user time is a clock: a Task or ThreadGroup. */
export interface UserTimeSource {
  userTimeNs(): number;
}

/** The clock of ITIMER_VIRTUAL and CPUCLOCK_VIRT: user time alone. */
export class UserTimeClock implements CPUClock {
  static readonly stateType = stateType("kernel.UserTimeClock", ["source"]);
  readonly source: UserTimeSource;

  constructor(source: UserTimeSource) {
    this.source = source;
  }

  cpuTimeNs(): number {
    return this.source.userTimeNs();
  }
}
