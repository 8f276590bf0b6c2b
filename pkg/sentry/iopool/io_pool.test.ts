import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EBADF } from "../../abi/linux/errno.ts";
import * as nr from "../../abi/linux/syscalls.ts";
import * as host from "../../hostsyscall/index.ts";
import { type Entry, EventIn, EventInternal, type EventListener, Entry as WaiterEntry } from "../../waiter/index.ts";
import { type IOJob, IOPool, type IOResource } from "./index.ts";

/** A host call that lasts until finish(): a read of an empty pipe. */
class SlowCall implements IOResource, EventListener {
  readonly pipe: number[] = [];
  readonly buffer: number = host.mmap(0, 4096, 3, 0x22, -1, 0);
  users = 1;
  told = 0;
  job: IOJob | null = null;

  start(pool: IOPool): this {
    host.pipe2(this.pipe, 0x80000);
    this.job = pool.submit(this, nr.SYS_read, this.pipe[0] ?? -1, this.buffer, 16, 0);
    this.job?.queue.eventRegister(new WaiterEntry(this, EventInternal));
    return this;
  }

  finish(text: string): void {
    host.write(this.pipe[1] ?? -1, Buffer.from(text));
  }

  decUsers(): void {
    this.users--;
  }

  notifyEvent(_entry: Entry, _mask: number): void {
    this.told++;
  }
}

let pool = new IOPool();
beforeEach(() => {
  pool = new IOPool(8);
  expect(pool.start(3)).toBe(0);
});
afterEach(() => pool.stop());

/** Waits until the event counter says that something has returned, as the loop does. */
function awaitEvent(): void {
  const set = new host.PollSet(1);
  set.set(0, pool.eventFD, EventIn);
  expect(host.poll(set, 1, 10e9)).toBe(1);
  pool.fdReady(pool.eventFD, EventIn);
}

test("calls wait beside each other and beside their maker", () => {
  const calls = [0, 1, 2].map(() => new SlowCall().start(pool));
  // All three threads wait; a fourth call waits for a thread.
  const fourth = pool.submit(null, nr.SYS_getppid, 0, 0, 0, 0);
  pool.collect();
  expect([...calls.map((c) => c.job?.done), fourth?.done]).toEqual([false, false, false, false]);
  calls[1]?.finish("second");
  while (fourth?.done !== true) awaitEvent();
  expect(fourth?.result).toBe(process.ppid);
  expect(calls.map((c) => [c.job?.done, c.users, c.told])).toEqual([
    [false, 1, 0],
    [true, 0, 1],
    [false, 1, 0],
  ]);
  expect(calls[1]?.job?.result).toBe(6);
  calls[0]?.finish("x");
  calls[2]?.finish("yz");
  while (calls.some((c) => c.job?.done !== true)) awaitEvent();
  expect(calls.map((c) => c.job?.result)).toEqual([1, 6, 2]);
});

test("without a free slot, or threads, the caller makes the call", () => {
  const calls = [...new Array(8)].map(() => new SlowCall().start(pool));
  expect(pool.submit(null, nr.SYS_getppid, 0, 0, 0, 0)).toBe(null);
  for (const c of calls) c.finish("x");
  while (calls.some((c) => c.job?.done !== true)) awaitEvent();
  expect(pool.submit(null, nr.SYS_getppid, 0, 0, 0, 0)).not.toBe(null);
  expect(new IOPool().submit(null, nr.SYS_getppid, 0, 0, 0, 0)).toBe(null);
});

test("results are the host's", () => {
  const bad = pool.sync(null, 12345, true);
  while (bad?.done !== true) awaitEvent();
  expect(bad.result).toBe(-EBADF);
  const dir = mkdtempSync(join(tmpdir(), "runsc-iopool-"));
  try {
    writeFileSync(join(dir, "f"), Buffer.alloc(300_000, "x"));
    const fd = openSync(join(dir, "f"), "r+");
    const synced = pool.sync(null, fd, false);
    const fetched = pool.fetch(null, fd, 4096, 1 << 30);
    const behind = pool.fetch(null, fd, 1e12, 4096);
    while (synced?.done !== true || fetched?.done !== true || behind?.done !== true) awaitEvent();
    expect([synced.result, fetched.result, behind.result]).toEqual([0, 300_000 - 4096, 0]);
    host.close(fd);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("starts and stops many times without leaving threads", () => {
  const threads = () => Number(String(host.readFile("/proc/self/status")).match(/Threads:\s*(\d+)/)?.[1]);
  const before = threads();
  for (let i = 0; i < 30; i++) {
    const p = new IOPool();
    expect(p.start(4)).toBe(0);
    const job = p.submit(null, nr.SYS_getppid, 0, 0, 0, 0);
    p.stop();
    // What was submitted is made.
    expect(job?.done).toBe(true);
  }
  // The runtime may have started one of its own.
  expect(threads()).toBeLessThan(before + 4);
});
