import { ptr } from "bun:ffi";
import { native } from "../../../native/host.ts";
import { EINTR } from "../../abi/linux/errno.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../../abi/linux/file.ts";
import * as nr from "../../abi/linux/syscalls.ts";
import * as host from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";
import { EventIn, EventInternal, Queue } from "../../waiter/index.ts";
import type { FDListener } from "../platform/platform.ts";

// struct io_pool and struct io_slot, in words of 32 bits.
const STOP = 1;
const EVENT_FD = 2;
const SLOT_COUNT = 3;
const SLOTS = 16;
const SLOT_WORDS = 16;
const STATE = 0;
const NR = 1;
const ARGS = 2;
const RESULT = 14;
const STATE_FREE = 0;
const STATE_DONE = 3;

const MAX_THREADS = 12;
const STACK_SIZE = 16384;
const GUARD = 4096;
const PROT_READ_WRITE = 3;
/** MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK */
const MAP_STACK_PRIVATE = 0x20022;

/** Bytes of one fetch: what one host read of the file would have moved. */
const MAX_FETCH = 1024 * 1024;

/** What a call under way uses. */
export interface IOResource {
  /** The call has returned. */
  decUsers(): void;
}

/** One host call on another thread. */
export class IOJob {
  static readonly stateType = stateType("iopool.IOJob", [], ["done", "result", "resource", "queue"]);
  done = false;
  /** Of the call: >= 0 or a negative errno. */
  result = 0;
  /** Given back when the call has returned, whoever still waits for it. */
  readonly resource: IOResource | null;
  /** Told of the end. */
  readonly queue: Queue = new Queue();

  constructor(resource: IOResource | null) {
    this.resource = resource;
  }
}

/** Threads for host calls that may take long. */
export class IOPool implements FDListener {
  static readonly stateType = stateType(
    "iopool.IOPool",
    [],
    ["words", "address", "jobs", "slots", "stacks", "eventFD", "counter", "discard"],
  );
  readonly words: Uint32Array<ArrayBuffer>;
  readonly address: number;
  /** By slot. */
  readonly jobs: (IOJob | null)[];
  readonly slots: number;
  readonly stacks: number[] = [];
  /** The event counter, to be watched for EventIn with this as the listener. */
  eventFD = -1;
  readonly counter: Uint8Array = new Uint8Array(8);
  /** Where reads go that shall only make the host read a file; 0 until the first. */
  discard = 0;

  /** `slots`: most calls at a time. */
  constructor(slots = 64) {
    this.slots = slots;
    this.words = new Uint32Array(new ArrayBuffer(4 * (SLOTS + SLOT_WORDS * slots)));
    this.address = ptr(this.words);
    this.jobs = new Array(slots).fill(null);
  }

  /** Starts the threads: 0, or a negative errno. */
  start(threads: number): number {
    const fd = host.eventfd(0, O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return fd;
    this.eventFD = fd;
    this.words[EVENT_FD] = fd;
    this.words[SLOT_COUNT] = this.slots;
    this.words[STOP] = 0;
    for (let i = 0; i < Math.min(threads, MAX_THREADS); i++) {
      const stack = host.mmap(0, GUARD + STACK_SIZE, PROT_READ_WRITE, MAP_STACK_PRIVATE, -1, 0);
      if (stack < 0) return stack;
      host.mprotect(stack, GUARD, 0);
      this.stacks.push(stack);
      const tid = native.io_pool_start(this.address, i, stack + GUARD + STACK_SIZE);
      if (tid < 0) return tid;
    }
    return 0;
  }

  /** Ends the threads when the calls under way have returned. */
  stop(): void {
    native.io_pool_stop(this.address);
    this.collect();
    for (const stack of this.stacks) host.munmap(stack, GUARD + STACK_SIZE);
    this.stacks.length = 0;
    if (this.eventFD >= 0) host.close(this.eventFD);
    this.eventFD = -1;
  }

  /**
   * Has a thread make a host call with arguments that are numbers; null when no slot is free or there are no threads: make it here. `resource` is given
   * back (decUsers) when the call has returned, or not taken at all.
   */
  submit(resource: IOResource | null, call: number, a: number, b: number, c: number, d: number): IOJob | null {
    if (this.stacks.length === 0) return null;
    const slot = this.jobs.indexOf(null);
    if (slot < 0) return null;
    const w = this.words;
    const at = SLOTS + SLOT_WORDS * slot;
    w[at + NR] = call;
    host.put64(w, at + ARGS, a);
    host.put64(w, at + ARGS + 2, b);
    host.put64(w, at + ARGS + 4, c);
    host.put64(w, at + ARGS + 6, d);
    host.put64(w, at + ARGS + 8, 0);
    host.put64(w, at + ARGS + 10, 0);
    const job = new IOJob(resource);
    this.jobs[slot] = job;
    native.io_pool_submit(this.address, slot);
    return job;
  }

  /** fsync(2) or fdatasync(2). */
  sync(resource: IOResource | null, fd: number, dataOnly: boolean): IOJob | null {
    return this.submit(resource, dataOnly ? nr.SYS_fdatasync : nr.SYS_fsync, fd, 0, 0, 0);
  }

  /** Has the host read at most MAX_FETCH bytes of a file into its page cache, after which a read need not wait. */
  fetch(resource: IOResource | null, fd: number, offset: number, length: number): IOJob | null {
    if (this.discard === 0) {
      // All reads go to the same place at once, if need be: nobody looks at it.
      const address = host.mmap(0, MAX_FETCH, PROT_READ_WRITE, 0x22, -1, 0);
      if (address < 0) return null;
      this.discard = address;
    }
    return this.submit(resource, nr.SYS_pread64, fd, this.discard, Math.min(length, MAX_FETCH), offset);
  }

  /** The event counter has moved. */
  fdReady(fd: number, mask: number): void {
    if ((mask & EventIn) === 0) return;
    while (host.read(fd, this.counter) === -EINTR);
    this.collect();
  }

  /** Ends the jobs whose calls have returned. */
  collect(): void {
    const w = this.words;
    for (let slot = 0; slot < this.slots; slot++) {
      const job = this.jobs[slot];
      const at = SLOTS + SLOT_WORDS * slot;
      if (job === null || job === undefined || Atomics.load(w, at + STATE) !== STATE_DONE) continue;
      job.result = host.getI64(w, at + RESULT);
      job.done = true;
      w[at + STATE] = STATE_FREE;
      this.jobs[slot] = null;
      job.resource?.decUsers();
      job.queue.notify(EventInternal);
    }
  }
}
