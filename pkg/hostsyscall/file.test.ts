import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as errno from "../abi/linux/errno.ts";
import { AT_FDCWD } from "../abi/linux/file.ts";
import * as abi from "../abi/linux/stat.ts";
import * as host from "./index.ts";

host.safeInstall();

const dir = mkdtempSync(join(tmpdir(), "hostsyscall-"));
let at = -1;
const stat = new host.HostStat();

beforeAll(() => {
  at = host.open(dir, 0o200000);
});
afterAll(() => {
  host.close(at);
  rmSync(dir, { recursive: true });
});

test("files, links and attributes", () => {
  const fd = host.openat(at, "f", 0o102, 0o640);
  expect(fd).toBeGreaterThan(2);
  expect(host.write(fd, Buffer.from("hello world"), 6, 5)).toBe(5);
  expect(host.pwrite(fd, Buffer.from("HE"), 0, 2, 1)).toBe(2);
  const buf = new Uint8Array(10);
  expect(host.pread(fd, buf, 2, 8, 0)).toBe(5);
  expect(host.byteString(buf, 2, 7)).toBe("wHEld");
  expect(host.lseek(fd, 2 ** 40, 0)).toBe(2 ** 40);
  expect(host.fallocate(fd, 0, 0, 100)).toBe(0);
  expect(host.ftruncate(fd, 70)).toBe(0);
  expect(host.fchmod(fd, 0o4755)).toBe(0);
  expect(host.utimensat(at, "f", -5, 7, 2 ** 33, 999999999, 0)).toBe(0);
  expect(host.linkat(at, "f", at, "g", 0)).toBe(0);
  expect(host.fstat(fd, stat)).toBe(0);
  expect([stat.size, stat.mode, stat.nlink, stat.uid]).toEqual([70, 0o104755, 2, host.geteuid()]);
  expect([stat.atimeSec, stat.atimeNsec, stat.mtimeSec, stat.mtimeNsec]).toEqual([-5, 7, 2 ** 33, 999999999]);
  const basic = new host.HostStat();
  for (const target of [fd, at]) {
    expect([host.fstat(target, stat), host.fstatBasic(target, basic)]).toEqual([0, 0]);
    expect(basic.mask).toBe(abi.STATX_BASIC_STATS);
    const fields = ["nlink", "uid", "gid", "mode", "ino", "size", "blocks", "blksize", "rdev", "dev"] as const;
    const times = ["atimeSec", "atimeNsec", "mtimeSec", "mtimeNsec", "ctimeSec", "ctimeNsec"] as const;
    for (const f of [...fields, ...times]) expect([f, basic[f]]).toEqual([f, stat[f]]);
  }
  expect(host.fstatBasic(-1, basic)).toBe(-errno.EBADF);
  const device = host.openat(AT_FDCWD, "/dev/null", 0);
  expect([host.fstat(device, stat), host.fstatBasic(device, basic)]).toEqual([0, 0]);
  expect([basic.rdev, basic.dev, basic.mode]).toEqual([stat.rdev, stat.dev, stat.mode]);
  expect(host.close(device)).toBe(0);
  expect(host.openat(at, "f", 0o300)).toBe(-errno.EEXIST);
  expect(host.close(fd)).toBe(0);
  expect(host.renameat2(at, "g", at, "f2", 0)).toBe(0);
  expect(host.symlinkat("some/\xff where", at, "l")).toBe(0);
  expect(host.readlinkat(at, "l")).toBe("some/\xff where");
  expect(host.readlinkat(at, "f")).toBe(-errno.EINVAL);
  expect(host.mkdirat(at, "d", 0o700)).toBe(0);
  expect(host.mknodat(at, "p", 0o010600, 0)).toBe(0);
  expect(host.openat2(at, "../x", 0, 0, 8)).toBe(-errno.EXDEV); // RESOLVE_BENEATH
  const d = new host.HostDirents(64);
  const names: string[] = [];
  while (d.fill(at) > 0) {
    while (d.next()) {
      names.push(`${d.name}:${d.type}`);
    }
  }
  expect(names.sort()).toEqual(["..:4", ".:4", "d:4", "f2:8", "f:8", "l:10", "p:1"]);
  for (const [n, f] of Object.entries({ d: 0x200, f: 0, f2: 0, l: 0, p: 0 })) {
    expect(host.unlinkat(at, n, f)).toBe(0);
  }
  expect(host.fstatat(at, "f", stat, 0)).toBe(-errno.ENOENT);
});

test("what is kept of attributes, and what is stored of them", () => {
  const kept: host.KeptStat = {
    fileMode: 0,
    kuid: 0,
    kgid: 0,
    blockSize: 0,
    links: 0,
    bytes: 0,
    blocks: 0,
    atimeSec: 0,
    atimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
  };
  const fd = host.openat(at, "kept", 0o102, 0o640);
  expect(host.write(fd, Buffer.from("hello"), 0, 5)).toBe(5);
  expect(host.utimensat(at, "kept", -5, 7, 2 ** 33, 999999999, 0)).toBe(0);
  expect(host.fstat(fd, stat)).toBe(0);
  expect(host.isStat(stat, kept)).toBe(false);
  host.keepStat(stat, kept);
  expect(host.isStat(stat, kept)).toBe(true);
  expect([kept.fileMode, kept.kuid, kept.kgid, kept.links]).toEqual([stat.mode, stat.uid, stat.gid, stat.nlink]);
  expect([kept.bytes, kept.blocks, kept.blockSize]).toEqual([stat.size, stat.blocks, stat.blksize]);
  expect([kept.atimeSec, kept.atimeNsec, kept.mtimeSec, kept.mtimeNsec]).toEqual([-5, 7, 2 ** 33, 999999999]);
  expect([kept.ctimeSec, kept.ctimeNsec]).toEqual([stat.ctimeSec, stat.ctimeNsec]);
  for (const field of Object.keys(kept) as (keyof host.KeptStat)[]) {
    kept[field]++;
    expect([field, host.isStat(stat, kept)]).toEqual([field, false]);
    kept[field]--;
  }
  expect(host.isStat(stat, kept)).toBe(true);
  expect(host.fchmod(fd, 0o600)).toBe(0);
  expect(host.fstatBasic(fd, stat)).toBe(0);
  expect(host.isStat(stat, kept)).toBe(false);
  expect(host.close(fd)).toBe(0);

  const fields = {
    dev: 0xfedcba98,
    ino: 2 ** 53 - 1,
    nlink: 3,
    mode: 0o104755,
    rdev: 0x87654321,
    size: 2 ** 40 + 1,
    blksize: 4096,
    blocks: 2 ** 33,
    atimeSec: -1,
    atimeNsec: 1,
    mtimeSec: 2 ** 34,
    mtimeNsec: 2,
    ctimeSec: 5,
    ctimeNsec: 999999999,
  };
  host.storedStat.fill(0xff);
  expect(host.storeStat(0, fields, 2 ** 32 - 2, 2 ** 32 - 3)).toBe(0);
  expect(host.storedStat.length).toBe(abi.SIZEOF_STAT);
  const v = new DataView(host.storedStat.buffer);
  const u64 = (o: number): number => Number(v.getBigInt64(o, true));
  const u32 = (o: number): number => v.getUint32(o, true);
  expect([u64(abi.STAT_DEV), u64(abi.STAT_INO), u64(abi.STAT_NLINK)]).toEqual([fields.dev, fields.ino, 3]);
  expect([u32(abi.STAT_MODE), u32(abi.STAT_UID), u64(abi.STAT_GID)]).toEqual([0o104755, 2 ** 32 - 2, 2 ** 32 - 3]);
  expect([u64(abi.STAT_RDEV), u64(abi.STAT_SIZE)]).toEqual([fields.rdev, fields.size]);
  expect([u64(abi.STAT_BLKSIZE), u64(abi.STAT_BLOCKS)]).toEqual([4096, 2 ** 33]);
  expect([u64(abi.STAT_ATIME), u64(abi.STAT_ATIME_NSEC)]).toEqual([-1, 1]);
  expect([u64(abi.STAT_MTIME), u64(abi.STAT_MTIME_NSEC)]).toEqual([2 ** 34, 2]);
  expect([u64(abi.STAT_CTIME), u64(abi.STAT_CTIME_NSEC)]).toEqual([5, 999999999]);
  expect([u64(120), u64(128), u64(136)]).toEqual([0, 0, 0]);
  // Nothing may be stored there.
  expect(host.storeStat(4096, fields, 0, 0)).toBeGreaterThan(0);
});

test("paths are byte strings of at most 4095 bytes without NUL", () => {
  expect(host.openat(at, "a\0b", 0)).toBe(-errno.EINVAL);
  expect(host.openat(at, `${"a/".repeat(2047)}x`, 0)).toBe(-errno.ENOENT);
  expect(host.openat(at, `${"a/".repeat(2048)}`, 0)).toBe(-errno.ENAMETOOLONG);
  const long = "\xe9".repeat(200);
  expect(host.mkdirat(at, long, 0o700)).toBe(0);
  expect(
    host.fstatat(
      at,
      Uint8Array.from(long, (c) => c.charCodeAt(0)),
      stat,
      0,
    ),
  ).toBe(0);
  expect(host.unlinkat(at, long, 0x200)).toBe(0);
});

test("vectors", () => {
  const p: number[] = [];
  expect(host.pipe2(p, 0o4000)).toBe(0);
  const [r = -1, w = -1] = p;
  const m = host.mmap(0, 4096, 3, 0x22, -1, 0);
  host.copyToHost(m, Buffer.from("abcdef"), 0, 6);
  const iov = new host.IovecArray();
  iov.append(m + 4, 2);
  iov.append(m, 2);
  expect(host.writev(w, iov)).toBe(4);
  iov.clear();
  iov.append(m + 100, 3);
  iov.append(m + 200, 9);
  expect(host.readv(r, iov)).toBe(4);
  const b = new Uint8Array(4);
  host.copyFromHost(b, 0, m + 100, 3);
  host.copyFromHost(b, 3, m + 200, 1);
  expect(host.byteString(b, 0, 4)).toBe("efab");
  expect(host.read(r, b)).toBe(-errno.EAGAIN);
  host.close(w);
  expect(host.read(r, b)).toBe(0);
  host.close(r);
  host.munmap(m, 4096);
});

test("poll, epoll, eventfd, timerfd", () => {
  const e = host.eventfd(0, 0o4000);
  const ep = host.epollCreate(0);
  const events = new host.EpollEvents(4);
  expect(host.epollCtl(ep, 1, e, 0x80000001, 0xdeadbeef, 0x1234)).toBe(0);
  expect(host.epollWait(ep, events, 0)).toBe(0);
  expect(host.write(e, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]))).toBe(8);
  expect(host.epollWaitNs(ep, events, 0)).toBe(1);
  expect([events.events(0), events.dataLow(0), events.dataHigh(0)]).toEqual([1, 0xdeadbeef, 0x1234]);
  const set = new host.PollSet(2);
  set.set(0, e, 5);
  set.set(1, -1, 1);
  expect(host.poll(set, 2, 0)).toBe(1);
  expect(set.revents(0)).toBe(5);
  const t = host.timerfdCreate(1, 0);
  expect(host.timerfdSettime(t, 0, 1e6, 0)).toBe(0);
  set.set(0, t, 1);
  const start = host.clockGettime(1);
  expect(host.poll(set, 1, -1)).toBe(1);
  expect(host.clockGettime(1) - start).toBeGreaterThan(5e5);
  for (const fd of [e, ep, t]) {
    host.close(fd);
  }
});

test("descriptor passing", () => {
  const p: number[] = [];
  expect(host.socketpair(1, 2 | 0o2000000, 0, p)).toBe(0);
  const [a = -1, b = -1] = p;
  expect(host.sendFDs(a, Buffer.from("x"), [a, b, 0])).toBe(1);
  expect(host.sendFDs(a, Buffer.from("yz"), [])).toBe(2);
  const fds: number[] = [];
  const buf = new Uint8Array(8);
  expect(host.recvFDs(b, buf, fds)).toBe(1);
  expect(fds.length).toBe(3);
  expect(host.fcntl(fds[0] ?? -1, 1)).toBe(1);
  expect(host.recvFDs(b, buf, fds)).toBe(2);
  expect(fds.length).toBe(3);
  expect(host.peerCredentials(a)).toEqual({ pid: host.getpid(), uid: host.geteuid(), gid: host.getegid() });
  for (const fd of [a, b, ...fds]) {
    host.close(fd);
  }
});

test("limits, capabilities, clocks", () => {
  const l = new host.HostRlimit();
  expect(host.getrlimit(0, 7, l)).toBe(0);
  expect(l.hard).toBeGreaterThan(10);
  expect(host.setrlimit(0, 7, l.soft, l.hard)).toBe(0);
  const c = new host.HostCaps();
  expect(host.capget(0, c)).toBe(0);
  expect(host.capset(c)).toBe(0);
  const t = new host.HostTime();
  expect(host.clockGettimeTo(0, t)).toBe(0);
  expect(Math.abs(t.sec - Date.now() / 1000)).toBeLessThan(2);
  expect(host.clockGettime(host.cpuClock(host.getpid(), false))).toBeGreaterThan(1e6);
  expect(host.clockGettime(77)).toBe(-errno.EINVAL);
});
