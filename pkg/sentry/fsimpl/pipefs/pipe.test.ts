import { expect, test } from "bun:test";
import { EAGAIN, EBUSY, EINVAL, EPERM, EPIPE } from "../../../abi/linux/errno.ts";
import { O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../abi/linux/file.ts";
import { S_IFIFO } from "../../../abi/linux/stat.ts";
import { Entry, EventErr, EventHUp, EventIn, EventOut } from "../../../waiter/index.ts";
import { bytes, errorOf, sequence, TestFS } from "../../vfs/testutil/index.ts";
import { newPipe, PipeFileDescription } from "./index.ts";

function pair(t: TestFS, flags = 0): [PipeFileDescription, PipeFileDescription] {
  const [r, w] = newPipe(t.pipefs, t.creds, flags);
  if (!(r instanceof PipeFileDescription && w instanceof PipeFileDescription)) throw new Error();
  return [r, w];
}

function readAll(r: PipeFileDescription, n: number): string {
  const buf = new Uint8Array(n);
  const got = r.read(sequence(buf));
  return got < 0 ? String(got) : Buffer.from(buf.subarray(0, got)).toString("latin1");
}

function fill(t: TestFS, n: number): number {
  const [, w] = pair(t);
  const data = new Uint8Array(n);
  let total = 0;
  for (;;) {
    const k = w.write(sequence(data));
    if (k < 0) return total;
    total += k;
  }
}

test("data, end, EPIPE", () => {
  const t = new TestFS();
  const [r, w] = pair(t);
  expect(readAll(r, 10)).toBe(String(-EAGAIN));
  expect(w.write(sequence(bytes("hello ")))).toBe(6);
  expect(w.write(sequence(bytes("world")))).toBe(5);
  expect(r.pipe.used).toBe(1);
  expect(r.pipe.queued()).toBe(11);
  expect(readAll(r, 3)).toBe("hel");
  expect(readAll(r, 100)).toBe("lo world");
  w.write(sequence(bytes("rest")));
  w.decRef();
  expect(readAll(r, 100)).toBe("rest");
  expect(readAll(r, 100)).toBe("");
  r.decRef();
  const [r2, w2] = pair(t);
  r2.decRef();
  expect(w2.write(sequence(bytes("x")))).toBe(-EPIPE);
  expect(w2.readiness(EventOut)).toBe(EventOut | EventErr);
  w2.decRef();
  expect(t.pipefs.accounting.pages).toBe(0);
});

test("what fits is what fits on Linux", () => {
  const t = new TestFS();
  // Measured with O_NONBLOCK on Linux 6.18.
  for (const [n, total] of [
    [1, 65536],
    [100, 64000],
    [3000, 48000],
    [4096, 65536],
    [4097, 45066],
    [5000, 54096],
    [70000, 65536],
  ] as const) {
    expect([n, fill(t, n)]).toEqual([n, total]);
  }
});

test("long contents survive the ring", () => {
  const t = new TestFS();
  const [r, w] = pair(t);
  let sent = 0;
  let seen = 0;
  const check = (buf: Uint8Array, n: number): void => {
    for (let i = 0; i < n; i++) if (buf[i] !== ((seen + i) * 7) % 251) throw new Error(`byte ${seen + i}`);
    seen += n;
  };
  let seed = 1;
  for (let round = 0; round < 2000; round++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    const n = 1 + (seed % 9000);
    const buf = new Uint8Array(n);
    if (round % 2 === 0) {
      for (let i = 0; i < n; i++) buf[i] = ((sent + i) * 7) % 251;
      const k = w.write(sequence(buf));
      if (k > 0) sent += k;
    } else {
      const k = r.read(sequence(buf));
      if (k > 0) check(buf, k);
    }
  }
  for (;;) {
    const buf = new Uint8Array(70000);
    const k = r.read(sequence(buf));
    if (k <= 0) break;
    check(buf, k);
  }
  expect(seen).toBe(sent);
});

test("packets", () => {
  const t = new TestFS();
  const [r, w] = pair(t, O_DIRECT);
  w.write(sequence(bytes("one")));
  w.write(sequence(bytes("two")));
  w.write(sequence(new Uint8Array(5000)));
  expect(readAll(r, 100)).toBe("one");
  expect(readAll(r, 2)).toBe("tw");
  expect(readAll(r, 9000).length).toBe(4096);
  expect(readAll(r, 9000).length).toBe(904);
});

test("capacity", () => {
  const t = new TestFS();
  const [r, w] = pair(t);
  w.write(sequence(bytes("abc")));
  expect(w.pipe.setCapacity(100000)).toBe(131072);
  expect(w.pipe.capacity()).toBe(131072);
  expect(w.pipe.setCapacity(1048577)).toBe(-EPERM);
  expect(w.pipe.setCapacity(0x80000001)).toBe(-EINVAL);
  expect(w.write(sequence(new Uint8Array(10000)))).toBe(10000);
  expect(w.pipe.setCapacity(4096)).toBe(-EBUSY);
  expect(readAll(r, 3)).toBe("abc");
  expect(w.pipe.setCapacity(16384)).toBe(16384);
  expect(readAll(r, 20000).length).toBe(10000);
  expect(w.pipe.setCapacity(0)).toBe(4096);
});

class Listener {
  events: number[] = [];
  notifyEvent(_e: Entry, mask: number): void {
    this.events.push(mask);
  }
}

test("readiness and notifications", () => {
  const t = new TestFS();
  const [r, w] = pair(t);
  const rl = new Listener();
  const wl = new Listener();
  const re = new Entry(rl, EventIn);
  const we = new Entry(wl, EventOut);
  r.eventRegister(re);
  w.eventRegister(we);
  expect(r.readiness(EventIn | EventOut)).toBe(0);
  expect(w.readiness(EventIn | EventOut)).toBe(EventOut);
  w.write(sequence(new Uint8Array(65536)));
  expect(rl.events).toEqual([EventIn]);
  expect(w.readiness(EventOut)).toBe(0);
  readAll(r, 4095);
  expect(wl.events).toEqual([]);
  readAll(r, 1);
  expect(wl.events).toEqual([EventOut]);
  w.eventUnregister(we);
  w.decRef();
  expect(r.readiness(EventIn)).toBe(EventIn | EventHUp);
  r.eventUnregister(re);
});

test("opening FIFOs", () => {
  const t = new TestFS();
  t.vfs.mknodAt(t.creds, t.pop("f"), S_IFIFO | 0o600, 0);
  expect(errorOf(() => t.open("f", O_WRONLY | O_NONBLOCK))).toBe("ENXIO");
  expect(errorOf(() => t.open("f", 3))).toBe("EINVAL");
  const r = t.open("f", O_RDONLY | O_NONBLOCK);
  expect(r.openReady()).toBe(true);
  expect(r.readiness(EventIn)).toBe(0);
  const w = t.open("f", O_WRONLY);
  expect(w.openReady()).toBe(true);
  w.decRef();
  expect(r.readiness(EventIn)).toBe(EventHUp);
  r.decRef();
  expect(r.inode.fifo).toBe(null);

  const slow = t.open("f", O_RDONLY);
  expect(slow.openReady()).toBe(false);
  const l = new Listener();
  const e = new Entry(l, EventIn);
  slow.openQueue()?.eventRegister(e);
  const quick = t.open("f", O_WRONLY | O_NONBLOCK);
  expect(l.events.length).toBe(1);
  slow.openQueue()?.eventUnregister(e);
  quick.decRef();
  // The writer came and went: the reader goes on all the same.
  expect(slow.openReady()).toBe(true);
  slow.decRef();

  const both = t.open("f", O_RDWR);
  expect(both.openReady()).toBe(true);
  expect(both.write(sequence(bytes("x")))).toBe(1);
  both.decRef();
  const waiting = t.open("f", O_WRONLY);
  expect(waiting.openReady()).toBe(false);
  waiting.decRef();
  expect(t.pipefs.accounting.pages).toBe(0);
});

test("reopening an anonymous pipe", () => {
  const t = new TestFS();
  const [r, w] = pair(t);
  expect(t.vfs.pathnameWithDeleted(t.root, r.vd)).toMatch(/^pipe:\[\d+\]$/);
  r.decRef();
  const again = w.pipe.openFifo(w.vd, O_RDONLY);
  expect(again.openReady()).toBe(true);
  again.decRef();
  w.decRef();
});
