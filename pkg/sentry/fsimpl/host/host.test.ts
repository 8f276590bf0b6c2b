import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import * as errno from "../../../abi/linux/errno.ts";
import * as O from "../../../abi/linux/file.ts";
import * as S from "../../../abi/linux/stat.ts";
import * as host from "../../../hostsyscall/index.ts";
import { Entry, EventHUp, EventIn, type EventListener, EventOut } from "../../../waiter/index.ts";
import { newMMapOpts } from "../../memmap/index.ts";
import type { FDListener } from "../../platform/platform.ts";
import { ATTR_MODE, ATTR_SIZE, type FileDescription, SetStatOptions, Statx } from "../../vfs/index.ts";
import { bytes, errorOf, sequence, TestFS } from "../../vfs/testutil/index.ts";
import { HostFilesystem, HostTTYFileDescription } from "./index.ts";

const top = fs.mkdtempSync("/tmp/host-test-");
afterAll(() => fs.rmSync(top, { recursive: true }));

/** Stands in for the platform: tells what was registered. */
class Watcher {
  readonly listeners: Map<number, FDListener> = new Map();
  watchFD(fd: number, _mask: number, l: FDListener): void {
    this.listeners.set(fd, l);
  }
  unwatchFD(fd: number): void {
    this.listeners.delete(fd);
  }
}

class Listener implements EventListener {
  masks: number[] = [];
  notifyEvent(_e: Entry, mask: number): void {
    this.masks.push(mask);
  }
}

const t = new TestFS();
const watcher = new Watcher();
const hostfs = new HostFilesystem(t.vfs, watcher, t.memoryFile.fileIDs);

function read(fd: FileDescription, n = 100): string | number {
  const buf = new Uint8Array(n);
  const got = fd.read(sequence(buf));
  return got < 0 ? got : Buffer.from(buf.subarray(0, got)).toString("latin1");
}

function write(fd: FileDescription, s: string): number {
  return fd.write(sequence(bytes(s)));
}

function pipe(): [number, number] {
  const p = [0, 0];
  expect(host.pipe2(p, O.O_CLOEXEC)).toBe(0);
  return [p[0] ?? -1, p[1] ?? -1];
}

for (const noNowait of [false, true]) {
  test(`pipes (poll instead of RWF_NOWAIT: ${noNowait})`, () => {
    const [r, w] = pipe();
    const rd = hostfs.newFD(r);
    const wr = hostfs.newFD(w);
    for (const fd of [rd, wr]) if ("host" in fd) (fd.host as { noNowait: boolean }).noNowait = noNowait;
    expect([rd.readable, rd.writable, wr.readable, wr.writable]).toEqual([true, false, false, true]);
    expect(read(rd)).toBe(-errno.EAGAIN);
    expect(rd.readiness(EventIn)).toBe(0);
    expect(wr.readiness(EventOut)).toBe(EventOut);
    const l = new Listener();
    const e = new Entry(l, EventIn);
    rd.eventRegister(e);
    expect(watcher.listeners.has(r)).toBe(true);
    expect(write(wr, "hello")).toBe(5);
    expect(rd.readiness(EventIn)).toBe(EventIn);
    watcher.listeners.get(r)?.fdReady(r, EventIn);
    expect(l.masks).toEqual([EventIn]);
    expect(read(rd, 3)).toBe("hel");
    expect(read(rd)).toBe("lo");
    rd.eventUnregister(e);
    // It takes what fits and no more.
    const big = "x".repeat(200_000);
    expect(write(wr, big)).toBe(65536);
    expect(write(wr, "y")).toBe(-errno.EAGAIN);
    expect(wr.readiness(EventOut)).toBe(0);
    let got = 0;
    for (;;) {
      const s = read(rd, 50_000);
      if (typeof s === "number") break;
      got += s.length;
    }
    expect(got).toBe(65536);
    wr.decRef();
    expect(read(rd)).toBe("");
    expect(rd.readiness(EventIn | EventHUp) & EventHUp).toBe(EventHUp);
    expect(errorOf(() => rd.seek(0, O.SEEK_SET))).toBe("ESPIPE");
    rd.decRef();
    expect(watcher.listeners.has(r)).toBe(false);
    expect(fs.existsSync(`/proc/self/fd/${r}`)).toBe(false);
  });
}

test("a pipe without readers", () => {
  const [r, w] = pipe();
  const wr = hostfs.newFD(w);
  host.close(r);
  expect(write(wr, "x")).toBe(-errno.EPIPE);
  wr.decRef();
});

test("stat, names and flags are the host's; flags of shared descriptions do not change", () => {
  const [r, w] = pipe();
  const rd = hostfs.newFD(r);
  const st = new Statx();
  rd.stat(st);
  const want = fs.fstatSync(r);
  expect([st.ino, st.mode, st.dev]).toEqual([want.ino, want.mode, want.dev]);
  expect(rd.inode.specialName()).toBe(`pipe:[${want.ino}]`);
  rd.setStatusFlags(rd.statusFlags | O.O_NONBLOCK);
  expect(host.fcntl(r, O.F_GETFL) & O.O_NONBLOCK).toBe(0);
  const o = new SetStatOptions();
  o.mask = ATTR_MODE;
  o.mode = 0o777;
  expect(errorOf(() => rd.setStat(o, t.creds))).toBe("EPERM");
  rd.decRef();
  const mine = hostfs.newFD(w, { exclusiveDescription: true });
  expect(host.fcntl(w, O.F_GETFL) & O.O_NONBLOCK).toBe(O.O_NONBLOCK);
  expect(mine.statusFlags & O.O_NONBLOCK).toBe(0);
  expect(write(mine, "x")).toBe(-errno.EPIPE);
  mine.decRef();
});

test("sockets are streams of bytes", () => {
  const pair = [0, 0];
  expect(host.socketpair(1, 1, 0, pair)).toBe(0);
  const a = hostfs.newFD(pair[0] ?? -1);
  const b = hostfs.newFD(pair[1] ?? -1);
  expect(read(b)).toBe(-errno.EAGAIN);
  expect(write(a, "ping")).toBe(4);
  expect(read(b)).toBe("ping");
  a.decRef();
  expect(read(b)).toBe("");
  b.decRef();
});

test("regular files share the host's position", () => {
  const path = join(top, "f");
  fs.writeFileSync(path, "0123456789");
  const fd = host.open(path, O.O_RDWR | O.O_CLOEXEC);
  const outside = host.dup(fd);
  const f = hostfs.newFD(fd);
  expect(read(f, 4)).toBe("0123");
  expect(host.lseek(outside, 0, O.SEEK_CUR)).toBe(4);
  expect(write(f, "ab")).toBe(2);
  expect(host.write(outside, bytes("!"))).toBe(1);
  expect(fs.readFileSync(path, "latin1")).toBe("0123ab!789");
  expect(f.position()).toBe(7);
  expect(f.seek(-3, O.SEEK_END)).toBe(7);
  const buf = new Uint8Array(20);
  expect(f.pread(sequence(buf), 8)).toBe(2);
  expect(f.canPoll()).toBe(false);
  f.setStatusFlags(f.statusFlags | O.O_APPEND);
  expect(write(f, "end")).toBe(3);
  expect(fs.readFileSync(path, "latin1")).toBe("0123ab!789end");
  const o = new SetStatOptions();
  o.mask = ATTR_SIZE;
  o.size = 4;
  f.setStat(o, t.creds);
  expect(fs.statSync(path).size).toBe(4);
  const big = new Uint8Array(600_000).fill(65);
  f.setStatusFlags(f.statusFlags & ~O.O_APPEND);
  f.seek(0, O.SEEK_SET);
  expect(f.write(sequence(big))).toBe(600_000);
  f.seek(0, O.SEEK_SET);
  expect(f.read(sequence(new Uint8Array(700_000)))).toBe(600_000);
  // Opened again, as through /proc/self/fd.
  const again = f.inode.open(f.vd, O.O_RDWR, t.creds);
  expect(write(again, "zz")).toBe(2);
  expect([again.position(), f.position()]).toEqual([2, 600_000]);
  again.decRef();
  const opts = newMMapOpts();
  f.configureMMap(opts);
  const [tr] = opts.mappable?.translate(0, 4096, 8192, 1) ?? [];
  expect([tr?.start, tr?.end, tr?.file.hostFD()]).toEqual([0, 8192, fd]);
  opts.mappingIdentity?.decRef();
  f.decRef();
  host.close(outside);
});

test("/dev/null and descriptors that cannot be imported", () => {
  const f = hostfs.newFD(host.open("/dev/null", O.O_RDWR | O.O_CLOEXEC));
  expect(write(f, "gone")).toBe(4);
  expect(read(f)).toBe("");
  expect(f.canPoll()).toBe(false);
  const st = new Statx();
  f.stat(st);
  expect(st.rdev).toBe(S.makeDeviceID(1, 3));
  f.decRef();
  expect(errorOf(() => hostfs.newFD(12345))).toBe("EBADF");
  const dir = host.open("/", O.O_RDONLY | O.O_CLOEXEC);
  expect(errorOf(() => hostfs.newFD(dir))).toBe("EINVAL");
  host.close(dir);
});

test("terminals", () => {
  const ptm = host.open("/dev/ptmx", O.O_RDWR | O.O_NOCTTY | O.O_CLOEXEC);
  if (ptm < 0) return;
  const out = new Uint8Array(4);
  expect(host.ioctl(ptm, 0x40045431, out)).toBe(0); // TIOCSPTLCK
  expect(host.ioctl(ptm, 0x80045430, out)).toBe(0); // TIOCGPTN
  const n = new DataView(out.buffer).getUint32(0, true);
  const pts = host.open(`/dev/pts/${n}`, O.O_RDWR | O.O_NOCTTY | O.O_CLOEXEC);
  if (pts < 0) {
    host.close(ptm);
    return;
  }
  const a = hostfs.newFD(pts);
  const b = hostfs.newFD(host.dup(pts));
  if (!(a instanceof HostTTYFileDescription) || !(b instanceof HostTTYFileDescription)) throw new Error();
  expect(a.terminal).toBe(b.terminal);
  expect(a.canPoll()).toBe(true);
  expect(read(a)).toBe(-errno.EAGAIN);
  expect(write(a, "hi\n")).toBe(3);
  const buf = new Uint8Array(100);
  expect(host.read(ptm, buf)).toBe(4);
  host.write(ptm, bytes("line\n"));
  expect(read(b)).toBe("line\n");
  expect(read(a)).toBe(-errno.EAGAIN);
  host.read(ptm, buf);
  expect(write(a, "x".repeat(1000))).toBe(1000);
  a.decRef();
  b.decRef();
  expect(hostfs.terminals.size).toBe(0);
  const plain = hostfs.newFD(host.dup(ptm), { hideTerminal: true });
  expect(plain instanceof HostTTYFileDescription).toBe(false);
  plain.decRef();
  host.close(ptm);
});
