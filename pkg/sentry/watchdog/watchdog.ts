/** The watchdog's side that the kernel loop talks to. Layout of the shared words: native/watchdog.c. */
import { ptr } from "bun:ffi";
import { native } from "../../../native/host.ts";
import { mmap, mprotect, munmap, put64 } from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";

const BEAT = 0;
const ASLEEP = 1;
const TASK = 4;
const SYSNO = 5;
const ARGS = 6;
const LOG_FD = 18;
const LIMIT = 19;
const PERIOD = 20;
const EXIT_STATUS = 24;
const TEXT_LENGTH = 25;
const TEXT = 26;
const TEXT_MAX = 256;
const SIZE = 104 + TEXT_MAX;

const STACK_SIZE = 16384;
const GUARD = 4096;

/** How a watchdog behaves. */
export interface WatchdogOptions {
  /** Descriptor for the report; -1 for none. */
  readonly logFD: number;
  /** Begins the report; ASCII, up to 200 characters. */
  readonly text?: string;
  /** Silent periods in a row until it acts; default 30. */
  readonly limit?: number;
  /** Length of a period in nanoseconds; default 1 s. */
  readonly periodNs?: number;
  /** Exit status of the process; default 70. */
  readonly exitStatus?: number;
}

/** Heartbeat and state of the loop, watched by a native thread once started. */
export class Watchdog {
  static readonly stateType = stateType("watchdog.Watchdog", [], ["words", "stack", "tid"]);
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer((SIZE + 7) & ~7));
  /** Mapping with the thread's stack; 0 when it does not run. */
  stack = 0;
  /** Host thread id. */
  tid = 0;

  constructor(options: WatchdogOptions) {
    const w = this.words;
    const period = options.periodNs ?? 1e9;
    const sec = Math.floor(period / 1e9);
    w[LOG_FD] = options.logFD;
    w[LIMIT] = options.limit ?? 30;
    put64(w, PERIOD, sec);
    put64(w, PERIOD + 2, period - sec * 1e9);
    w[EXIT_STATUS] = options.exitStatus ?? 70;
    const text = options.text ?? "watchdog: the kernel loop hangs; the sandbox is ended:";
    const bytes = new Uint8Array(w.buffer, TEXT * 4, TEXT_MAX);
    const n = Math.min(text.length, 200);
    for (let i = 0; i < n; i++) {
      bytes[i] = text.charCodeAt(i);
    }
    w[TEXT_LENGTH] = n;
  }

  /** Starts the thread: its id, or a negative errno. */
  start(): number {
    const stack = mmap(0, GUARD + STACK_SIZE, 3, 0x20022, -1, 0);
    if (stack < 0) {
      return stack;
    }
    mprotect(stack, GUARD, 0);
    this.words[ASLEEP] = 0;
    const tid = native.watchdog_start(ptr(this.words), stack + GUARD + STACK_SIZE);
    if (tid < 0) {
      munmap(stack, GUARD + STACK_SIZE);
      return tid;
    }
    this.stack = stack;
    this.tid = tid;
    return tid;
  }

  /** Ends the thread and waits until it is gone. */
  stop(): void {
    if (this.stack !== 0) {
      native.watchdog_stop(ptr(this.words));
      munmap(this.stack, GUARD + STACK_SIZE);
      this.stack = 0;
      this.tid = 0;
    }
  }

  /** The loop is alive: once a turn, and in long jobs. */
  beat(): void {
    this.words[BEAT] = ((this.words[BEAT] ?? 0) + 1) >>> 0;
  }

  /** The loop is about to wait for events ... */
  sleep(): void {
    this.words[ASLEEP] = 1;
  }

  /** ... and is back. */
  wake(): void {
    this.beat();
    this.words[ASLEEP] = 0;
  }

  /** A system call of a guest thread begins; `args` are 12 words, for the report. */
  enter(task: number, sysno: number, args: Uint32Array): void {
    const w = this.words;
    w[SYSNO] = sysno;
    for (let i = 0; i < 12; i++) {
      w[ARGS + i] = args[i] ?? 0;
    }
    w[TASK] = task;
  }

  /** The system call is done. */
  leave(): void {
    this.words[TASK] = 0;
  }
}
