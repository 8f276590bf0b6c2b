import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EAGAIN } from "../../abi/linux/errno.ts";
import { RWF_NOWAIT } from "../../abi/linux/file.ts";
import * as nr from "../../abi/linux/syscalls.ts";
import * as host from "../../hostsyscall/index.ts";
import { IovecArray } from "../../hostsyscall/iovec.ts";
import { EventIn } from "../../waiter/index.ts";
import { compileGuest, GuestJob, TestSandbox } from "../testutil/index.ts";
import { type IOJob, IOPool, type IOResource } from "./index.ts";

/** One thread works with a file, slowly; the other says that it is alive, until that is done. */
const program = compileGuest(`
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static volatile int done;
static const char *what;
static char text[64];
static void *slow(void *p) {
  static char buf[1 << 20];
  int fd = open("/host/file", O_RDWR);
  long r = -1;
  if (!strcmp(what, "fsync")) r = fsync(fd);
  if (!strcmp(what, "fdatasync")) r = fdatasync(fd);
  if (!strcmp(what, "read")) r = read(fd, buf, sizeof buf);
  if (!strcmp(what, "directory")) r = fsync(open("/host", O_RDONLY | O_DIRECTORY));
  snprintf(text, sizeof text, "%s %ld %d\\n", what, r, buf[300000]);
  done = 1;
  return p;
}
int main(int argc, char **argv) {
  pthread_t t;
  what = argv[1];
  pthread_create(&t, NULL, slow, NULL);
  while (!done) {
    write(1, "alive\\n", 6);
    usleep(1000);
  }
  pthread_join(t, NULL);
  write(1, text, strlen(text));
  return 0;
}`);

/** Calls return when the test says so: each waits for a byte of a pipe before what it is for. */
class HeldPool extends IOPool {
  readonly pipe: number[] = [];
  readonly buffer: number = host.mmap(0, 4096, 3, 0x22, -1, 0);
  held = 0;

  hold(resource: IOResource | null): IOJob | null {
    this.held++;
    return this.submit(resource, nr.SYS_read, this.pipe[0] ?? -1, this.buffer, 1, 0);
  }

  override sync(resource: IOResource | null): IOJob | null {
    return this.hold(resource);
  }

  release(): void {
    host.write(this.pipe[1] ?? -1, Buffer.from("x"));
  }
}

/** Lets a fetch fetch before it waits. */
class HeldFetches extends HeldPool {
  override fetch(resource: IOResource | null, _fd: number, _offset: number, _length: number): IOJob | null {
    readFileSync(join(dir, "file"));
    return this.hold(resource);
  }
}

const SIZE = 400_000;
let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "runsc-iopool-"));
  writeFileSync(join(dir, "file"), Buffer.alloc(SIZE, 7));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Runs the program; the call is held until the other thread has said ten more times that it is alive. */
function runHeld(pool: HeldPool, what: string, kill = false): string {
  host.pipe2(pool.pipe, 0x80000);
  expect(pool.start(2)).toBe(0);
  const s = new TestSandbox({ hostDirectory: dir });
  const k = s.kernel;
  k.vfs.ioPool = pool;
  s.platform.watchFD(pool.eventFD, EventIn, pool);
  s.startGuest(program, [what]);
  let from = -1;
  let released = 0;
  const job = new GuestJob(k, 1_000_000, () => {
    const alive = s.stdout.text.split("alive").length;
    if (pool.held === released) return true;
    if (from < 0) from = alive;
    if (alive < from + 10) return true;
    expect(s.stdout.text).not.toContain(what);
    if (kill) {
      k.kill(9);
      return false;
    }
    released++;
    from = -1;
    pool.release();
    return true;
  }).start();
  s.run();
  if (kill) pool.release();
  pool.stop();
  s.destroy();
  for (const fd of pool.pipe) host.close(fd);
  if (job.error !== null) throw job.error;
  return s.stdout.text.replaceAll("alive\n", "");
}

test("who waits for a disk holds up nobody else", () => {
  // The result is that of the held call.
  expect(runHeld(new HeldPool(), "fsync")).toBe("fsync 1 0\n");
  expect(runHeld(new HeldPool(), "fdatasync")).toBe("fdatasync 1 0\n");
  expect(runHeld(new HeldPool(), "directory")).toBe("directory 1 0\n");
}, 30_000);

test("a fatal signal ends the wait", () => {
  expect(runHeld(new HeldPool(), "fsync", true)).toBe("");
}, 30_000);

test("what is not in the host's page cache is fetched by another thread", () => {
  const fd = host.open(join(dir, "file"), 2);
  host.fsync(fd);
  host.fadvise(fd, 0, 0, 4);
  const iov = new IovecArray();
  iov.append(host.mmap(0, 4096, 3, 0x22, -1, 0), 4096);
  const cold = host.preadv2(fd, iov, 0, RWF_NOWAIT) === -EAGAIN;
  host.close(fd);
  const pool = new HeldFetches();
  const text = runHeld(pool, "read");
  expect(text).toBe(`read ${SIZE} 7\n`);
  // Not on hosts whose files are in memory.
  expect(pool.held > 0).toBe(cold);
}, 30_000);
