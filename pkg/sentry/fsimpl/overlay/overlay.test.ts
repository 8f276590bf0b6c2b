import { afterAll, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import * as errno from "../../../abi/linux/errno.ts";
import * as O from "../../../abi/linux/file.ts";
import { OVERLAYFS_SUPER_MAGIC } from "../../../abi/linux/fs.ts";
import * as S from "../../../abi/linux/stat.ts";
import * as host from "../../../hostsyscall/index.ts";
import { Entry, EventInternal } from "../../../waiter/index.ts";
import type { Task } from "../../kernel/task.ts";
import { type MappingSpace, newMMapOpts } from "../../memmap/index.ts";
import {
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  type DirentCallback,
  type FileDescription,
  PathOperation,
  SetStatOptions,
  Statfs,
  Statx,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { bytes, errorOf, sequence, TestFS } from "../../vfs/testutil/index.ts";
import { GoferFilesystem, GoferOptions } from "../gofer/index.ts";
import { parseTmpfsOptions, Tmpfs } from "../tmpfs/index.ts";
import { OverlayFilesystem, OverlayOptions } from "./index.ts";

const top = fs.mkdtempSync("/tmp/overlay-test-");
afterAll(() => fs.rmSync(top, { recursive: true }));

class List implements DirentCallback {
  entries: { name: string; type: number; ino: number; off: number }[] = [];
  max: number;
  constructor(max = Number.POSITIVE_INFINITY) {
    this.max = max;
  }
  handle(name: string, type: number, ino: number, off: number): boolean {
    if (this.entries.length >= this.max) return false;
    this.entries.push({ name, type, ino, off });
    return true;
  }
}

/** Takes entries over in bulk, as getdents64(2) does: in calls with little room. */
class Taker implements DirentCallback {
  entries: List["entries"] = [];
  readonly room: number;
  readonly bytes: Uint8Array = new Uint8Array(new ArrayBuffer(4096));
  readonly view: DataView = new DataView(this.bytes.buffer);
  used = 0;
  taken = 0;
  constructor(room: number) {
    this.room = room;
  }
  handle(name: string, type: number, ino: number, off: number): boolean {
    const size = (20 + name.length + 7) & ~7;
    if (this.used + size > this.room) return false;
    this.used += size;
    this.entries.push({ name, type, ino, off });
    return true;
  }
  take(d: host.HostDirents, first: number, inoHigh: number, offsets: Uint32Array<ArrayBuffer>, index: number): boolean {
    const v = this.view;
    const end = this.used + d.take(this.bytes, this.used, this.room - this.used, first, inoHigh, offsets, index);
    while (this.used < end) {
      const at = this.used;
      const name = Buffer.from(this.bytes.buffer, at + 19, this.bytes.indexOf(0, at + 19) - at - 19).toString("latin1");
      const number = (i: number): number => Number(v.getBigUint64(at + i, true));
      this.entries.push({ name, type: v.getUint8(at + 18), ino: number(0), off: number(8) });
      this.used += v.getUint16(at + 16, true);
      this.taken++;
    }
    return d.taken[3] === 0;
  }
}

/** A tmpfs over host directories. */
class Mounted {
  readonly t: TestFS = new TestFS();
  readonly lower: string;
  readonly upper: Tmpfs;
  readonly fs: OverlayFilesystem;
  readonly root: VirtualDentry;

  /** `lowers` further host directories, below the first. */
  constructor(prepare: (dir: string) => void, exclusive = false, lowers: string[] = []) {
    this.lower = fs.mkdtempSync(join(top, "d"));
    fs.chmodSync(this.lower, 0o755);
    prepare(this.lower);
    const { vfs, creds, memoryFile } = this.t;
    const layer = (dir: string): VirtualDentry => {
      const opts = new GoferOptions(host.open(dir, O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC));
      opts.exclusive = exclusive;
      const g = new GoferFilesystem(vfs, opts, memoryFile.fileIDs);
      return vfs.newDisconnectedMount(g, g.rootDentry(), "", 0).rootVD;
    };
    this.upper = new Tmpfs(vfs, memoryFile, creds, parseTmpfsOptions("mode=755", 1 << 30, creds), 1 << 29);
    const up = vfs.newDisconnectedMount(this.upper, this.upper.rootDentry(), "", 0).rootVD;
    this.fs = new OverlayFilesystem(vfs, new OverlayOptions(up, [this.lower, ...lowers].map(layer)), creds);
    this.root = vfs.newDisconnectedMount(this.fs, this.fs.rootDentry(), "", 0).rootVD;
    this.root.incRef();
  }

  pop(path: string, follow = true): PathOperation {
    return new PathOperation(this.root, this.root, path, follow);
  }

  open(path: string, flags: number, mode = 0o644): FileDescription {
    return this.t.vfs.openAt(this.t.creds, this.pop(path), { flags, mode });
  }

  write(path: string, text: string, flags = O.O_CREAT | O.O_TRUNC): void {
    const fd = this.open(path, O.O_WRONLY | flags);
    expect(fd.write(sequence(bytes(text)))).toBe(text.length);
    fd.decRef();
  }

  read(path: string): string {
    const fd = this.open(path, O.O_RDONLY);
    const s = readAll(fd);
    fd.decRef();
    return s;
  }

  stat(path: string, follow = false): Statx {
    const st = new Statx();
    this.t.vfs.statAt(this.t.creds, this.pop(path, follow), st);
    return st;
  }

  ls(path: string): string[] {
    return this.dirents(path).map((e) => e.name);
  }

  dirents(path: string): List["entries"] {
    const fd = this.open(path, O.O_RDONLY | O.O_DIRECTORY);
    const l = new List();
    fd.iterDirents(l);
    fd.decRef();
    return l.entries.filter((e) => e.name !== "." && e.name !== "..").sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  setStat(path: string, mask: number, v: Partial<SetStatOptions>): void {
    const o = Object.assign(new SetStatOptions(), v);
    o.mask = mask;
    this.t.vfs.setStatAt(this.t.creds, this.pop(path, false), o);
  }

  mkdir(path: string): void {
    this.t.vfs.mkdirAt(this.t.creds, this.pop(path), 0o755);
  }

  unlink(path: string): void {
    this.t.vfs.unlinkAt(this.t.creds, this.pop(path));
  }

  rmdir(path: string): void {
    this.t.vfs.rmdirAt(this.t.creds, this.pop(path));
  }

  rename(from: string, to: string, flags = 0): void {
    this.t.vfs.renameAt(this.t.creds, this.pop(from), this.pop(to), flags);
  }

  /** Forgets all cached names, so that everything is looked up anew. */
  forget(): void {
    const c = this.t.vfs.dentryCache;
    const limit = c.limit;
    c.limit = 0;
    for (let i = 0; i < 10; i++) c.evict();
    c.limit = limit;
  }
}

function readAll(fd: FileDescription): string {
  const parts: string[] = [];
  const buf = new Uint8Array(1000);
  for (;;) {
    const n = fd.read(sequence(buf));
    if (n <= 0) return parts.join("");
    parts.push(Buffer.from(buf.subarray(0, n)).toString("latin1"));
  }
}

function populate(dir: string): void {
  fs.mkdirSync(join(dir, "d/sub"), { recursive: true });
  fs.writeFileSync(join(dir, "f"), "lower f");
  fs.writeFileSync(join(dir, "d/x"), "lower x");
  fs.writeFileSync(join(dir, "d/sub/y"), "lower y");
  fs.symlinkSync("d/x", join(dir, "l"));
  fs.mkdirSync(join(dir, "empty"));
  fs.chmodSync(join(dir, "d"), 0o750);
  fs.utimesSync(join(dir, "f"), 100, 200);
  fs.utimesSync(join(dir, "d"), 300, 400);
}

let m = new Mounted(populate);
beforeEach(() => {
  m = new Mounted(populate);
});

/** What the lower layer looked like must never change. */
function expectLowerUntouched(): void {
  expect(fs.readFileSync(join(m.lower, "f"), "latin1")).toBe("lower f");
  expect(fs.readFileSync(join(m.lower, "d/x"), "latin1")).toBe("lower x");
  expect(fs.readFileSync(join(m.lower, "d/sub/y"), "latin1")).toBe("lower y");
  expect(fs.readdirSync(m.lower).sort()).toEqual(["d", "empty", "f", "l"]);
  expect(fs.readdirSync(join(m.lower, "d")).sort()).toEqual(["sub", "x"]);
}

test("shows the lower layer", () => {
  expect(m.read("f")).toBe("lower f");
  expect(m.read("l")).toBe("lower x");
  expect(m.ls(".")).toEqual(["d", "empty", "f", "l"]);
  for (const p of ["f", "d", "d/x", "l", "d/sub"]) {
    const st = m.stat(p);
    const want = fs.lstatSync(join(m.lower, p));
    expect([st.ino, st.mode, st.size]).toEqual([want.ino, want.mode, want.size]);
    expect(st.dev).toBe(S.makeDeviceID(0, m.fs.devMinor));
  }
  expect(m.stat(".").ino).toBe(fs.statSync(m.lower).ino);
  expect(m.stat("d").nlink).toBe(3);
  const sf = new Statfs();
  m.t.vfs.statFSAt(m.t.creds, m.pop("."), sf);
  expect(sf.type).toBe(OVERLAYFS_SUPER_MAGIC);
  expect(m.upper.usedInodes).toBe(1);
});

test("copies up what is written, with its directories", () => {
  const ino = m.stat("d/sub/y").ino;
  m.write("d/sub/y", "!", O.O_APPEND);
  expect(m.read("d/sub/y")).toBe("lower y!");
  expect(m.stat("d/sub/y").ino).toBe(ino);
  expect(m.stat("d").mode & 0o7777).toBe(0o750);
  expect(m.stat("d").mtimeSec).toBe(400);
  m.forget();
  expect(m.read("d/sub/y")).toBe("lower y!");
  expect(m.stat("d/sub/y").ino).toBe(ino);
  expect(m.dirents("d/sub").map((e) => e.ino)).toEqual([ino]);
  expectLowerUntouched();
});

test("attributes, links and truncation copy up", () => {
  const before = m.stat("f");
  m.setStat("f", ATTR_MODE, { mode: 0o600 });
  const after = m.stat("f");
  expect([after.mode & 0o7777, after.mtimeSec, after.ino, after.size]).toEqual([
    0o600,
    before.mtimeSec,
    before.ino,
    before.size,
  ]);
  m.setStat("l", ATTR_MTIME, { mtimeSec: 7 });
  expect([m.stat("l").mtimeSec, m.t.vfs.readlinkAt(m.t.creds, m.pop("l", false))]).toEqual([7, "d/x"]);
  m.t.vfs.linkAt(m.t.creds, m.pop("d/x"), m.pop("hard"));
  expect([m.stat("hard").ino, m.stat("hard").nlink, m.stat("d/x").nlink]).toEqual([m.stat("d/x").ino, 2, 2]);
  m.write("hard", "new");
  expect(m.read("d/x")).toBe("new");
  m.forget();
  expect(m.stat("hard").ino).toBe(m.stat("d/x").ino);
  m.setStat("d/sub/y", ATTR_SIZE, { size: 5 });
  expect(m.read("d/sub/y")).toBe("lower");
  expectLowerUntouched();
});

test("O_TRUNC copies no data", () => {
  m = new Mounted((dir) => {
    fs.writeFileSync(join(dir, "big"), new Uint8Array(3 << 20).fill(1));
    fs.writeFileSync(join(dir, "sparse"), "");
    fs.truncateSync(join(dir, "sparse"), 8 << 20);
  });
  m.write("big", "small", O.O_TRUNC);
  expect([m.read("big"), m.upper.usedPages]).toEqual(["small", 1]);
  m.write("sparse", "x", 0);
  expect([m.stat("sparse").size, m.upper.usedPages]).toEqual([8 << 20, 2]);
});

test("large copies are exact", () => {
  const data = new Uint8Array(700_000);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31) ^ (i >> 7);
  m = new Mounted((dir) => fs.writeFileSync(join(dir, "big"), data));
  const fd = m.open("big", O.O_RDWR);
  const back = new Uint8Array(data.length);
  expect(fd.pread(sequence(back), 0)).toBe(data.length);
  expect(Buffer.compare(back, data)).toBe(0);
  fd.decRef();
});

test("large files are copied up while the opener waits", () => {
  const data = new Uint8Array(3_000_000).fill(7);
  m = new Mounted((dir) => {
    fs.writeFileSync(join(dir, "big"), data);
    fs.writeFileSync(join(dir, "gone"), data);
    fs.writeFileSync(join(dir, "full"), data);
  });
  const jobs: { run(): boolean }[] = [];
  const kernel = { addJob: (j: { run(): boolean }) => jobs.push(j) };
  m.t.vfs.taskSource = { current: { kernel } as unknown as Task };
  const fd = m.open("big", O.O_RDWR);
  const fd2 = m.open("big", O.O_WRONLY | O.O_APPEND);
  expect([fd.openReady(), fd2.openReady(), jobs.length]).toEqual([false, false, 1]);
  let woken = 0;
  const entry = new Entry({ notifyEvent: () => woken++ }, EventInternal);
  fd.openQueue()?.eventRegister(entry);
  jobs[0]?.run();
  expect(m.read("big").length).toBe(data.length);
  expect(m.ls(".")).toEqual(["big", "full", "gone"]);
  while (jobs[0]?.run() === true);
  expect([woken, fd.openReady(), fd2.openReady()]).toEqual([1, true, true]);
  fd.openQueue()?.eventUnregister(entry);
  fd.pwrite(sequence(bytes("A")), 0);
  fd2.write(sequence(bytes("Z")));
  expect(m.stat("big").size).toBe(data.length + 1);
  const buf = new Uint8Array(2);
  fd.pread(sequence(buf), 0);
  expect([...buf]).toEqual([65, 7]);
  fd.decRef();
  fd2.decRef();
  // Removed, and needed at once, while the copy is under way.
  const gone = m.open("gone", O.O_RDWR);
  jobs[1]?.run();
  m.unlink("gone");
  expect(m.ls(".")).toEqual(["big", "full"]);
  while (jobs[1]?.run() === true);
  expect(gone.openReady()).toBe(true);
  gone.seek(-1, O.SEEK_END);
  gone.read(sequence(buf));
  expect(buf[0]).toBe(7);
  gone.decRef();
  m.upper.maxPages = m.upper.usedPages + 300;
  const full = m.open("full", O.O_RDWR);
  while (jobs[2]?.run() === true);
  expect(errorOf(() => full.openReady())).toBe("ENOSPC");
  full.decRef();
  expect(m.read("full").length).toBe(data.length);
  m.upper.maxPages = 1 << 20;
  const slow = m.open("full", O.O_RDWR);
  m.rename("full", "renamed");
  expect([slow.openReady(), m.read("renamed").length, jobs[3]?.run()]).toEqual([true, data.length, false]);
  slow.decRef();
});

test("open files follow a copy-up", () => {
  const ro = m.open("f", O.O_RDONLY);
  const buf = new Uint8Array(6);
  expect(ro.read(sequence(buf))).toBe(6);
  m.write("f", "LOWER F and more", 0);
  expect(readAll(ro)).toBe("F and more");
  ro.decRef();
  // Also when the name has gone.
  const x = m.open("d/x", O.O_RDONLY);
  m.unlink("d/x");
  const o = new SetStatOptions();
  o.mask = ATTR_MODE;
  o.mode = 0o400;
  x.setStat(o, m.t.creds);
  const st = new Statx();
  x.stat(st);
  expect([st.mode & 0o7777, st.nlink]).toEqual([0o400, 0]);
  expect(readAll(x)).toBe("lower x");
  expect(errorOf(() => m.stat("d/x"))).toBe("ENOENT");
  x.decRef();
  expectLowerUntouched();
});

test("mappings follow a copy-up", () => {
  class Space implements MappingSpace {
    calls: string[] = [];
    invalidate(start: number, end: number, p: boolean): void {
      this.calls.push(`${start}-${end} ${p}`);
    }
  }
  const fd = m.open("f", O.O_RDONLY);
  const opts = newMMapOpts();
  fd.configureMMap(opts);
  const map = opts.mappable;
  if (map === null) throw new Error();
  const space = new Space();
  map.addMapping(space, 0x1000, 0x2000, 0, false);
  const [low] = map.translate(0, 4096, 4096, 1);
  expect([low?.perms, low?.file === m.t.memoryFile]).toEqual([5, false]);
  m.write("f", "L", 0);
  expect(space.calls).toEqual(["4096-8192 false"]);
  const [up] = map.translate(0, 4096, 4096, 1);
  expect(up?.file === m.t.memoryFile).toBe(true);
  m.setStat("f", ATTR_SIZE, { size: 0 });
  expect(space.calls).toEqual(["4096-8192 false", "4096-8192 true"]);
  map.removeMapping(space, 0x1000, 0x2000, 0, false);
  opts.mappingIdentity?.decRef();
  fd.decRef();
});

test("removed names stay removed", () => {
  m.unlink("f");
  m.unlink("l");
  expect(errorOf(() => m.stat("f"))).toBe("ENOENT");
  expect(m.ls(".")).toEqual(["d", "empty"]);
  m.forget();
  expect(m.ls(".")).toEqual(["d", "empty"]);
  expect(errorOf(() => m.open("f", O.O_RDONLY))).toBe("ENOENT");
  m.write("f", "again");
  expect([m.read("f"), m.ls(".").join()]).toEqual(["again", "d,empty,f"]);
  m.unlink("f");
  m.mkdir("f");
  expect(m.ls("f")).toEqual([]);
  m.rmdir("f");
  expect(errorOf(() => m.stat("f"))).toBe("ENOENT");
  expectLowerUntouched();
});

test("removed directories", () => {
  expect(errorOf(() => m.rmdir("d"))).toBe("ENOTEMPTY");
  m.unlink("d/x");
  m.unlink("d/sub/y");
  m.rmdir("d/sub");
  m.rmdir("d");
  expect(errorOf(() => m.stat("d"))).toBe("ENOENT");
  m.rmdir("empty");
  m.mkdir("d");
  m.forget();
  expect(m.ls("d")).toEqual([]);
  expect(errorOf(() => m.stat("d/x"))).toBe("ENOENT");
  m.mkdir("d/sub");
  expect(m.ls("d/sub")).toEqual([]);
  expect(m.ls(".")).toEqual(["d", "f", "l"]);
  expectLowerUntouched();
});

test("merged directories list each name once, at stable offsets", () => {
  for (let i = 0; i < 20; i++) m.write(`d/new${i}`, "n");
  m.write("d/x", "upper");
  const fd = m.open("d", O.O_RDONLY | O.O_DIRECTORY);
  const all = new List();
  fd.iterDirents(all);
  const names = all.entries.map((e) => e.name);
  expect(new Set(names).size).toBe(names.length);
  expect(names.length).toBe(2 + 20 + 2);
  for (const i of [0, 1, 5, 22, 23]) {
    fd.seek(all.entries[i]?.off ?? 0, O.SEEK_SET);
    const l = new List(2);
    fd.iterDirents(l);
    expect(l.entries.map((e) => e.name)).toEqual(names.slice(i + 1, i + 3));
  }
  // In small parts, removing as rm -r does.
  fd.seek(0, O.SEEK_SET);
  const seen: string[] = [];
  for (;;) {
    const l = new List(3);
    fd.iterDirents(l);
    if (l.entries.length === 0) break;
    for (const e of l.entries) {
      seen.push(e.name);
      if (e.type === 8) m.unlink(`d/${e.name}`);
    }
  }
  expect(seen.sort()).toEqual([...names].sort());
  expect(m.ls("d")).toEqual(["sub"]);
  for (const e of m.dirents(".")) expect(e.ino).toBe(m.stat(e.name).ino);
  fd.decRef();
});

test("renames", () => {
  const ino = m.stat("f").ino;
  m.rename("f", "d/g");
  expect([m.read("d/g"), m.stat("d/g").ino]).toEqual(["lower f", ino]);
  expect(errorOf(() => m.stat("f"))).toBe("ENOENT");
  m.rename("d/g", "d/x");
  expect(m.read("d/x")).toBe("lower f");
  expect(errorOf(() => m.rename("d", "e"))).toBe("EXDEV");
  m.mkdir("n");
  m.write("n/a", "a");
  expect(errorOf(() => m.rename("n", "d"))).toBe("ENOTEMPTY");
  m.rename("n", "empty");
  expect([m.ls("empty").join(), m.read("empty/a")]).toEqual(["a", "a"]);
  expect(errorOf(() => m.rename("empty", "l"))).toBe("ENOTDIR");
  m.unlink("l");
  m.rename("empty", "l");
  m.forget();
  expect([m.read("l/a"), m.ls(".").join()]).toEqual(["a", "d,l"]);
  m.write("p", "p");
  m.rename("p", "d/x", O.RENAME_EXCHANGE);
  expect([m.read("p"), m.read("d/x")]).toEqual(["lower f", "p"]);
  expect(errorOf(() => m.rename("p", "q", O.RENAME_WHITEOUT))).toBe("EINVAL");
  // A moved directory does not let the lower one of its new name through.
  m.unlink("d/x");
  m.unlink("d/sub/y");
  m.rmdir("d/sub");
  m.mkdir("s");
  m.rename("s", "d/sub");
  m.forget();
  expect(m.ls("d/sub")).toEqual([]);
  expectLowerUntouched();
});

test("several lower layers", () => {
  const second = fs.mkdtempSync(join(top, "d"));
  fs.mkdirSync(join(second, "d/deep"), { recursive: true });
  fs.writeFileSync(join(second, "d/z"), "second z");
  fs.writeFileSync(join(second, "d/x"), "second x");
  fs.writeFileSync(join(second, "f"), "second f");
  fs.writeFileSync(join(second, "only"), "second");
  fs.writeFileSync(join(second, "wh"), "hidden");
  let whiteouts = false;
  m = new Mounted(
    (dir) => {
      populate(dir);
      whiteouts = host.mknodat(O.AT_FDCWD, join(dir, "wh"), S.S_IFCHR, 0) === 0;
    },
    true,
    [second],
  );
  expect(m.read("d/x")).toBe("lower x");
  expect(m.read("d/z")).toBe("second z");
  expect(m.read("only")).toBe("second");
  expect(m.ls("d")).toEqual(["deep", "sub", "x", "z"]);
  expect(m.stat("d").nlink).toBe(1);
  if (whiteouts) {
    expect(errorOf(() => m.stat("wh"))).toBe("ENOENT");
    expect(m.ls(".")).toEqual(["d", "empty", "f", "l", "only"]);
  }
  m.unlink("d/x");
  expect(m.ls("d")).toEqual(["deep", "sub", "z"]);
  m.write("d/z", "3");
  expect(m.ls("d")).toEqual(["deep", "sub", "z"]);
  for (const e of m.dirents("d")) expect(e.ino).toBe(m.stat(`d/${e.name}`).ino);
});

test("whiteouts cannot be made by hand, and the overlay's attributes are hidden", () => {
  expect(errorOf(() => m.t.vfs.mknodAt(m.t.creds, m.pop("w"), S.S_IFCHR, 0))).toBe("EPERM");
  m.mkdir("o");
  expect(m.t.vfs.getXattrAt(m.t.creds, m.pop("o"), "trusted.overlay.opaque")).toBe(-errno.EOPNOTSUPP);
  expect(m.t.vfs.listXattrAt(m.t.creds, m.pop("o"))).toEqual([]);
  m.t.vfs.setXattrAt(m.t.creds, m.pop("f"), "user.k", "v", 0);
  expect(m.t.vfs.listXattrAt(m.t.creds, m.pop("f"))).toEqual(["user.k"]);
});

test("executed files cannot be written, also after a copy-up", () => {
  m.setStat("f", ATTR_MODE, { mode: 0o755 });
  const exec = m.t.vfs.openAt(m.t.creds, m.pop("f"), { flags: O.O_RDONLY, mode: 0, fileExec: true });
  expect(errorOf(() => m.open("f", O.O_WRONLY))).toBe("ETXTBSY");
  exec.decRef();
  m.open("f", O.O_WRONLY).decRef();
});

test("what is used up is given back", () => {
  m.write("d/sub/y", "1");
  m.write("n", "2");
  m.unlink("n");
  m.unlink("d/sub/y");
  m.rmdir("d/sub");
  m.forget();
  // Only the root, d, and two whiteouts are left.
  expect([m.upper.usedInodes, m.upper.usedPages]).toEqual([3, 0]);
  expect(m.fs.byUpper.size).toBe(0);
});

test("O_TMPFILE", () => {
  const fd = m.open("d", O.O_TMPFILE | O.O_RDWR, 0o600);
  fd.write(sequence(bytes("tmp")));
  expect(m.ls("d")).toEqual(["sub", "x"]);
  m.t.vfs.linkVirtualDentry(m.t.creds, fd.vd, m.pop("d/named"));
  expect(m.read("d/named")).toBe("tmp");
  fd.decRef();
});

test("entries taken over in bulk are those that are given one by one", () => {
  m = new Mounted((dir) => {
    for (const sub of ["plain", "changed"]) {
      fs.mkdirSync(join(dir, sub));
      for (let i = 0; i < 300; i++) fs.writeFileSync(join(dir, sub, "n".repeat(1 + ((i * 7) % 60)) + i), "");
      fs.mkdirSync(join(dir, sub, "directory"));
      fs.symlinkSync("x", join(dir, sub, ".l"));
      fs.symlinkSync("x", join(dir, sub, "..l"));
      host.mknodat(O.AT_FDCWD, join(dir, sub, "gone"), S.S_IFCHR, 0);
    }
  });
  m.write("changed/new", "");
  m.t.vfs.unlinkAt(m.t.creds, m.pop("changed/directory/../.l"));
  for (const sub of ["plain", "changed"]) {
    const each = new List();
    const one = m.open(sub, O.O_RDONLY | O.O_DIRECTORY);
    one.iterDirents(each);
    one.decRef();
    expect(each.entries.length).toBeGreaterThan(300);
    for (const room of [96, 200, 1000, 4096]) {
      const fd = m.open(sub, O.O_RDONLY | O.O_DIRECTORY);
      const all: List["entries"] = [];
      let taken = 0;
      const read = (): number => {
        const t = new Taker(room);
        fd.iterDirents(t);
        all.push(...t.entries);
        taken += t.taken;
        return t.entries.length;
      };
      while (read() > 0);
      expect(all).toEqual(each.entries);
      expect(taken > 300).toBe(sub === "plain");
      // From the middle on, by one way and the other.
      for (const i of [0, 1, 2, 3, 150, each.entries.length - 1]) {
        const off = i === 0 ? 0 : (each.entries[i - 1]?.off ?? 0);
        fd.seek(off, 0);
        all.length = 0;
        while (read() > 0);
        expect(all).toEqual(each.entries.slice(i));
        fd.seek(off, 0);
        const rest = new List();
        fd.iterDirents(rest);
        expect(rest.entries).toEqual(each.entries.slice(i));
      }
      fd.decRef();
    }
  }
});

test("a file shows the same attributes whether it is in memory or not", () => {
  for (const exclusive of [true, false]) {
    m = new Mounted((dir) => {
      fs.mkdirSync(join(dir, "d"));
      fs.writeFileSync(join(dir, "d/f"), "text");
      fs.linkSync(join(dir, "d/f"), join(dir, "d/f2"));
      fs.symlinkSync("f", join(dir, "d/l"));
      fs.symlinkSync("none", join(dir, "d/dangling"));
      fs.mkdirSync(join(dir, "d/sub"));
      host.mknodat(O.AT_FDCWD, join(dir, "d/p"), S.S_IFIFO | 0o600, 0);
      host.mknodat(O.AT_FDCWD, join(dir, "d/w"), S.S_IFCHR, 0);
    }, exclusive);
    const look = (name: string, follow: boolean): string => {
      try {
        return JSON.stringify(m.stat(name, follow));
      } catch (e) {
        return String(e);
      }
    };
    for (const merged of [false, true]) {
      if (merged) m.write("d/new", "x");
      for (const name of [
        "d/f",
        "d/f2",
        "d/l",
        "d/dangling",
        "d/sub",
        "d/sub/",
        "d/f/",
        "d/p",
        "d/w",
        "d/none",
        "d/new",
      ]) {
        for (const follow of [true, false]) {
          const first = look(name, follow);
          const children = m.t.vfs.dentryCache.count;
          expect(look(name, follow)).toBe(first);
          expect(look(name, follow)).toBe(first);
          if (name === "d/p" && follow && !merged) expect(m.t.vfs.dentryCache.count).toBeGreaterThan(children);
        }
      }
    }
    // What was looked at once is known no longer than anything else.
    expect(m.stat("d/new").size).toBe(1);
    m.write("d/f", "longer");
    expect([m.stat("d/f").size, m.stat("d/f2").size]).toEqual([6, 4]);
  }
});
