import { afterAll, beforeEach, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import * as errno from "../../../abi/linux/errno.ts";
import * as O from "../../../abi/linux/file.ts";
import * as S from "../../../abi/linux/stat.ts";
import * as host from "../../../hostsyscall/index.ts";
import { type MappingSpace, newMMapOpts } from "../../memmap/index.ts";
import {
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  ATTR_UID,
  type DirentCallback,
  type FileDescription,
  PathOperation,
  SetStatOptions,
  Statfs,
  Statx,
  type VirtualDentry,
} from "../../vfs/index.ts";
import { bytes, errorOf, sequence, TestFS } from "../../vfs/testutil/index.ts";
import { GoferDirectory, GoferFilesystem, GoferOptions } from "./index.ts";

const top = fs.mkdtempSync("/tmp/gofer-test-");
afterAll(() => fs.rmSync(top, { recursive: true }));

/** A host directory mounted as the root of a vfs. */
class Mounted {
  readonly t: TestFS = new TestFS();
  readonly dir: string;
  readonly fs: GoferFilesystem;
  readonly root: VirtualDentry;

  constructor(exclusive = false, maxDescriptors = 100, prepare: (dir: string) => void = () => {}, trustFor = 0) {
    this.dir = fs.mkdtempSync(join(top, "d"));
    fs.chmodSync(this.dir, 0o755);
    prepare(this.dir);
    const opts = new GoferOptions(host.open(this.dir, O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC));
    opts.exclusive = exclusive;
    opts.trustFor = trustFor;
    opts.maxDescriptors = maxDescriptors;
    this.fs = new GoferFilesystem(this.t.vfs, opts, this.t.memoryFile.fileIDs);
    this.root = this.t.vfs.newDisconnectedMount(this.fs, this.fs.rootDentry(), "", 0).rootVD;
    this.root.incRef();
  }

  pop(path: string, follow = true): PathOperation {
    return new PathOperation(this.root, this.root, path, follow);
  }

  open(path: string, flags: number, mode = 0o644): FileDescription {
    return this.t.vfs.openAt(this.t.creds, this.pop(path), { flags, mode });
  }

  stat(path: string, follow = true): Statx {
    const st = new Statx();
    this.t.vfs.statAt(this.t.creds, this.pop(path, follow), st);
    return st;
  }

  host(path: string): string {
    return join(this.dir, path);
  }

  read(path: string): string {
    const fd = this.open(path, O.O_RDONLY);
    try {
      return readAll(fd);
    } finally {
      fd.decRef();
    }
  }

  setStat(path: string, mask: number, v: Partial<SetStatOptions>): void {
    const o = Object.assign(new SetStatOptions(), v);
    o.mask = mask;
    this.t.vfs.setStatAt(this.t.creds, this.pop(path, false), o);
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
  names(): string[] {
    return this.entries.map((e) => e.name);
  }
}

function openFDs(): number {
  return fs.readdirSync("/proc/self/fd").length;
}

let m = new Mounted();
beforeEach(() => {
  m = new Mounted();
});

for (const exclusive of [false, true]) {
  test(`walks, reads and stats (exclusive ${exclusive})`, () => {
    m = new Mounted(exclusive, 100, (dir) => {
      fs.mkdirSync(join(dir, "a/b"), { recursive: true });
      fs.writeFileSync(join(dir, "a/b/f"), "hello\n");
      fs.symlinkSync("b/f", join(dir, "a/l"));
      fs.symlinkSync("/etc/passwd", join(dir, "abs"));
    });
    expect(m.read("a/b/f")).toBe("hello\n");
    expect(m.read("a/b/../b/./f")).toBe("hello\n");
    expect(m.read("a/l")).toBe("hello\n");
    // Absolute links start at the guest's root.
    expect(errorOf(() => m.read("abs"))).toBe("ENOENT");
    expect(errorOf(() => m.read("a/b/g"))).toBe("ENOENT");
    expect(errorOf(() => m.read("a/b/f/x"))).toBe("ENOTDIR");
    expect(errorOf(() => m.read("../../../etc/passwd"))).toBe("ENOENT");
    expect(m.t.vfs.readlinkAt(m.t.creds, m.pop("abs", false))).toBe("/etc/passwd");
    for (const p of ["a", "a/b", "a/b/f", "a/l", "."]) {
      for (let i = 0; i < 2; i++) {
        const st = m.stat(p, false);
        const want = fs.lstatSync(m.host(p));
        expect([st.ino, st.mode, st.size, st.nlink, st.uid, st.blocks, st.mtimeSec]).toEqual([
          want.ino,
          want.mode,
          want.size,
          want.nlink,
          want.uid,
          want.blocks,
          Math.floor(want.mtimeMs / 1000),
        ]);
        expect(st.dev).toBe(S.makeDeviceID(0, m.fs.devMinor));
      }
    }
    const sf = new Statfs();
    m.t.vfs.statFSAt(m.t.creds, m.pop("a"), sf);
    const want = fs.statfsSync(m.dir);
    expect([sf.type, sf.bsize, sf.blocks, sf.files]).toEqual([want.type, want.bsize, want.blocks, want.files]);
  });
}

test("sees what the host does, unless exclusive", () => {
  fs.writeFileSync(m.host("f"), "one");
  expect(m.read("f")).toBe("one");
  fs.writeFileSync(m.host("f"), "longer");
  expect(m.read("f")).toBe("longer");
  expect(m.stat("f").size).toBe(6);
  fs.rmSync(m.host("f"));
  expect(errorOf(() => m.stat("f"))).toBe("ENOENT");
  fs.mkdirSync(m.host("f"));
  expect(m.stat("f").mode & S.S_IFMT).toBe(S.S_IFDIR);
  fs.writeFileSync(m.host("f/x"), "x");
  fs.renameSync(m.host("f"), m.host("g"));
  expect(m.read("g/x")).toBe("x");
  expect(errorOf(() => m.stat("f/x"))).toBe("ENOENT");
  // A link put in the place of a directory that we walked through.
  fs.mkdirSync(m.host("h"));
  fs.writeFileSync(m.host("h/passwd"), "mine");
  expect(m.read("h/passwd")).toBe("mine");
  fs.rmSync(m.host("h"), { recursive: true });
  fs.symlinkSync("/etc", m.host("h"));
  expect(errorOf(() => m.read("h/passwd"))).toBe("ENOENT");
});

test("what others change is seen when answers of the host are too old", () => {
  const trustFor = 200;
  m = new Mounted(false, 100, () => {}, trustFor);
  fs.writeFileSync(m.host("f"), "one");
  fs.symlinkSync("f", m.host("l"));
  fs.mkdirSync(m.host("d"));
  expect(m.stat("f").size).toBe(3);
  expect(errorOf(() => m.stat("d/new"))).toBe("ENOENT");
  const fd = m.open("l", O.O_RDONLY);
  fs.writeFileSync(m.host("f"), "longer");
  fs.writeFileSync(m.host("d/new"), "new");
  fs.rmSync(m.host("l"));
  fs.symlinkSync("d/new", m.host("l"));
  // Not yet by path, unless this machine was held up; by descriptor at once.
  const st = new Statx();
  fd.stat(st);
  expect(st.size).toBe(6);
  expect(fd.seek(0, O.SEEK_END)).toBe(6);
  fd.decRef();
  Bun.sleepSync(trustFor + 20);
  expect(m.stat("f").size).toBe(6);
  expect(m.read("d/new")).toBe("new");
  expect(m.read("l")).toBe("new");
  fs.rmSync(m.host("f"));
  Bun.sleepSync(trustFor + 20);
  expect(errorOf(() => m.stat("f"))).toBe("ENOENT");
});

test("open files are asked about, and keep their time of birth", () => {
  m = new Mounted(false, 100, () => {}, 1e9);
  fs.writeFileSync(m.host("f"), "one");
  for (let i = 0; i < 2; i++) expect(m.stat("f").size).toBe(3);
  const before = m.stat("f");
  const fd = m.open("f", O.O_RDONLY);
  fs.writeFileSync(m.host("f"), "longer");
  fs.chmodSync(m.host("f"), 0o600);
  fs.linkSync(m.host("f"), m.host("g"));
  const st = new Statx();
  fd.stat(st);
  expect([st.size, st.mode & 0o777, st.nlink, st.ino]).toEqual([6, 0o600, 2, before.ino]);
  expect([st.mask, st.btimeSec, st.btimeNsec]).toEqual([before.mask, before.btimeSec, before.btimeNsec]);
  expect(st.ctimeNsec).toBe(Number(fs.lstatSync(m.host("f"), { bigint: true }).ctimeNs % 1000000000n));
  // What was seen so is not unseen by path.
  expect([m.stat("f").size, m.stat("f").btimeNsec]).toEqual([6, before.btimeNsec]);
  fd.decRef();
});

for (const exclusive of [true, false]) {
  test(`remembers names and attributes, and finds out when a file was replaced (exclusive ${exclusive})`, () => {
    m = new Mounted(exclusive, 100, () => {}, 1e9);
    fs.mkdirSync(m.host("d"));
    fs.writeFileSync(m.host("d/f"), "one");
    const host = () => fs.lstatSync(m.host("d/f"));
    // What is asked for once only is not remembered.
    for (let i = 0; i < 2; i++) expect(m.stat("d/f").size).toBe(3);
    expect(errorOf(() => m.stat("d/g"))).toBe("ENOENT");
    // Others' changes do not show, for they are not asked for ...
    fs.chmodSync(m.host("d/f"), 0o600);
    fs.writeFileSync(m.host("d/g"), "other");
    expect(m.stat("d/f").mode & 0o777).toBe(0o644);
    expect(errorOf(() => m.stat("d/g"))).toBe("ENOENT");
    fs.rmSync(m.host("d/g"));
    // ... and our own do, at once.
    m.setStat("d/f", ATTR_MODE, { mode: 0o640 });
    expect(m.stat("d/f").mode).toBe(host().mode);
    const fd = m.open("d/f", O.O_RDWR);
    fd.pwrite(sequence(bytes("longer text")), 0);
    expect(m.stat("d/f").size).toBe(11);
    m.t.vfs.linkAt(m.t.creds, m.pop("d/f"), m.pop("d/g"));
    expect(m.stat("d/g").ino).toBe(host().ino);
    expect([m.stat("d/f").nlink, m.stat("d/g").nlink]).toEqual([2, 2]);
    expect(m.stat("d/g").ctimeNsec).toBe(Number(fs.lstatSync(m.host("d/g"), { bigint: true }).ctimeNs % 1000000000n));
    m.t.vfs.unlinkAt(m.t.creds, m.pop("d/f"));
    expect(errorOf(() => m.stat("d/f"))).toBe("ENOENT");
    expect(m.stat("d/g").nlink).toBe(1);
    m.t.vfs.renameAt(m.t.creds, m.pop("d/g"), m.pop("d/f"), 0);
    expect(m.stat("d/f").size).toBe(11);
    expect(errorOf(() => m.stat("d/g"))).toBe("ENOENT");
    m.t.vfs.mkdirAt(m.t.creds, m.pop("d/g"), 0o755);
    expect(m.stat("d").nlink).toBe(3);
    expect(m.stat("d").mtimeNsec).toBe(Number(fs.lstatSync(m.host("d"), { bigint: true }).mtimeNs % 1000000000n));
    fd.decRef();
    // Reading moves the access time.
    expect(m.read("d/f")).toBe("longer text");
    expect(m.stat("d/f").atimeNsec).toBe(Number(fs.lstatSync(m.host("d/f"), { bigint: true }).atimeNs % 1000000000n));
    // A file that has taken the place of another is found when the old one cannot be.
    fs.mkdirSync(m.host("e"));
    fs.writeFileSync(m.host("e/f"), "old");
    for (let i = 0; i < 2; i++) expect(m.stat("e/f").size).toBe(3);
    fs.writeFileSync(m.host("e/new"), "the new one");
    fs.renameSync(m.host("e/new"), m.host("e/f"));
    expect(m.stat("e/f").size).toBe(3);
    expect(m.read("e/f")).toBe("the new one");
    expect(m.stat("e/f").size).toBe(11);
    expect(m.t.vfs.strict).toBe(false);
  });
}

test("a name is not trusted for longer because the file is open", () => {
  const trustFor = 150;
  m = new Mounted(false, 100, () => {}, trustFor);
  fs.writeFileSync(m.host("f"), "old");
  const fd = m.open("f", O.O_RDONLY);
  fs.writeFileSync(m.host("new"), "the new one");
  fs.renameSync(m.host("new"), m.host("f"));
  const st = new Statx();
  const end = performance.now() + trustFor + 20;
  while (performance.now() < end) {
    fd.stat(st);
    expect(st.size).toBe(3);
  }
  expect(m.stat("f").size).toBe(11);
  fd.decRef();
});

test("creates, writes, appends, truncates", () => {
  const fd = m.open("f", O.O_CREAT | O.O_RDWR | O.O_EXCL, 0o640);
  expect(fd.write(sequence(bytes("hello world")))).toBe(11);
  expect(fd.pwrite(sequence(bytes("HE")), 0)).toBe(2);
  expect(fs.readFileSync(m.host("f"), "latin1")).toBe("HEllo world");
  expect(fs.statSync(m.host("f")).mode & 0o7777).toBe(0o640);
  const app = m.open("f", O.O_WRONLY | O.O_APPEND);
  expect(app.write(sequence(bytes("!")))).toBe(1);
  expect(app.position()).toBe(12);
  expect(app.pwrite(sequence(bytes("?")), 0)).toBe(1);
  expect(fs.readFileSync(m.host("f"), "latin1")).toBe("HEllo world!?");
  m.open("f", O.O_WRONLY | O.O_TRUNC).decRef();
  expect(fs.statSync(m.host("f")).size).toBe(0);
  fd.allocate(0, 0, 10000);
  expect(fs.statSync(m.host("f")).size).toBe(10000);
  expect(fd.seek(0, O.SEEK_END)).toBe(10000);
  fd.sync();
  fd.decRef();
  app.decRef();
  m.setStat("f", ATTR_SIZE, { size: 5 });
  expect(m.stat("f").size).toBe(5);
  const ro = m.open("f", O.O_RDONLY);
  const buf = new Uint8Array(10);
  expect(ro.pread(sequence(buf), 3)).toBe(2);
  expect(ro.pread(sequence(buf), 5)).toBe(0);
  ro.decRef();
});

test("large reads and writes go in pieces", () => {
  const data = new Uint8Array(1_000_000);
  for (let i = 0; i < data.length; i++) data[i] = (i * 7) ^ (i >> 8);
  const fd = m.open("f", O.O_CREAT | O.O_RDWR);
  expect(fd.write(sequence(data))).toBe(data.length);
  const back = new Uint8Array(data.length + 5);
  expect(fd.pread(sequence(back), 0)).toBe(data.length);
  expect(Buffer.compare(back.subarray(0, data.length), data)).toBe(0);
  fd.decRef();
});

test("names: mkdir, symlink, link, rename, unlink, rmdir", () => {
  const { vfs, creds } = m.t;
  vfs.mkdirAt(creds, m.pop("d"), 0o1777);
  expect(fs.statSync(m.host("d")).mode & 0o7777).toBe(0o1777);
  vfs.symlinkAt(creds, m.pop("d/l"), "../x");
  expect(fs.readlinkSync(m.host("d/l"))).toBe("../x");
  m.open("x", O.O_CREAT | O.O_WRONLY).decRef();
  vfs.linkAt(creds, m.pop("x"), m.pop("d/y"));
  expect([m.stat("x").nlink, m.stat("d/y").ino]).toEqual([2, m.stat("x").ino]);
  expect(errorOf(() => vfs.linkAt(creds, m.pop("d"), m.pop("z")))).toBe("EPERM");
  expect(errorOf(() => vfs.mkdirAt(creds, m.pop("d"), 0o755))).toBe("EEXIST");
  expect(errorOf(() => vfs.rmdirAt(creds, m.pop("d")))).toBe("ENOTEMPTY");
  vfs.unlinkAt(creds, m.pop("x"));
  // The other name of the file still works, though the one it was opened by has gone.
  m.setStat("d/y", ATTR_MODE, { mode: 0o600 });
  expect([m.stat("d/y").nlink, m.stat("d/y").mode & 0o777]).toEqual([1, 0o600]);
  vfs.renameAt(creds, m.pop("d/y"), m.pop("z"), 0);
  expect(errorOf(() => m.stat("d/y"))).toBe("ENOENT");
  vfs.renameAt(creds, m.pop("d"), m.pop("e"), 0);
  expect(fs.readdirSync(m.dir).sort()).toEqual(["e", "z"]);
  fs.writeFileSync(m.host("e/inside"), "i");
  expect(m.read("e/inside")).toBe("i");
  vfs.renameAt(creds, m.pop("e"), m.pop("z"), O.RENAME_EXCHANGE);
  expect(m.read("z/inside")).toBe("i");
  expect(m.stat("e").mode & S.S_IFMT).toBe(S.S_IFREG);
  expect(errorOf(() => vfs.renameAt(creds, m.pop("e"), m.pop("z"), O.RENAME_NOREPLACE))).toBe("EEXIST");
  vfs.unlinkAt(creds, m.pop("z/inside"));
  vfs.unlinkAt(creds, m.pop("z/l"));
  vfs.rmdirAt(creds, m.pop("z"));
  expect(errorOf(() => m.stat("z"))).toBe("ENOENT");
});

test("files that were unlinked or replaced while open", () => {
  const { vfs, creds } = m.t;
  const fd = m.open("f", O.O_CREAT | O.O_RDWR);
  fd.write(sequence(bytes("data")));
  const path = m.open("f", O.O_PATH);
  vfs.unlinkAt(creds, m.pop("f"));
  const st = new Statx();
  fd.stat(st);
  expect([st.nlink, st.size]).toEqual([0, 4]);
  fd.seek(0, O.SEEK_SET);
  expect(readAll(fd)).toBe("data");
  const o = new SetStatOptions();
  o.mask = ATTR_SIZE;
  o.size = 2;
  fd.setStat(o, creds);
  fd.stat(st);
  expect(st.size).toBe(2);
  fd.decRef();
  path.decRef();
  // Only known by O_PATH.
  fs.writeFileSync(m.host("g"), "gg");
  const p = m.open("g", O.O_PATH);
  vfs.unlinkAt(creds, m.pop("g"));
  p.stat(st);
  expect([st.nlink, st.size]).toEqual([0, 2]);
  p.decRef();
  vfs.mkdirAt(creds, m.pop("d"), 0o755);
  const d = m.open("d", O.O_RDONLY | O.O_DIRECTORY);
  vfs.rmdirAt(creds, m.pop("d"));
  d.stat(st);
  expect(st.nlink).toBe(0);
  expect(errorOf(() => d.iterDirents(new List()))).toBe("ENOENT");
  d.decRef();
});

test("owners, modes and times", () => {
  m.open("f", O.O_CREAT | O.O_WRONLY).decRef();
  m.setStat("f", ATTR_MODE | ATTR_MTIME, { mode: 0o4711, mtimeSec: 123, mtimeNsec: 456 });
  expect([m.stat("f").mode & 0o7777, m.stat("f").mtimeSec, m.stat("f").mtimeNsec]).toEqual([0o4711, 123, 456]);
  fs.symlinkSync("f", m.host("l"));
  m.setStat("l", ATTR_MTIME, { mtimeSec: 5 });
  expect([m.stat("l", false).mtimeSec, m.stat("f").mtimeSec]).toEqual([5, 123]);
  if (process.getuid?.() !== 0) return;
  m.setStat("f", ATTR_UID | ATTR_GID, { uid: 12, gid: 34 });
  expect([m.stat("f").uid, m.stat("f").gid]).toEqual([12, 34]);
  fs.chmodSync(m.dir, 0o777);
  m.stat(".");
  m.t.creds = m.t.userCreds;
  m.fs.rootDentry().inode.revalidate(null, "");
  const root = m.fs.rootDentry().inode;
  if (root instanceof GoferDirectory) root.fetch();
  m.open("mine", O.O_CREAT | O.O_WRONLY).decRef();
  expect([m.stat("mine").uid, m.stat("mine").gid]).toEqual([1000, 1000]);
  expect(errorOf(() => m.open("f", O.O_RDONLY))).toBe("EACCES");
});

test("reads directories in parts, and seeks in them", () => {
  const names: string[] = [];
  for (let i = 0; i < 3000; i++) {
    const n = `entry-with-a-name-${i}`;
    names.push(n);
    fs.writeFileSync(m.host(n), "");
  }
  const d = m.open(".", O.O_RDONLY | O.O_DIRECTORY);
  const all = new List();
  d.iterDirents(all);
  expect(all.names().sort().join()).toBe([...names, ".", ".."].sort().join());
  const inOrder = all.names();
  d.seek(0, O.SEEK_SET);
  const parts: string[] = [];
  for (;;) {
    const l = new List(7);
    d.iterDirents(l);
    if (l.entries.length === 0) break;
    parts.push(...l.names());
  }
  expect(parts.join()).toBe(inOrder.join());
  d.seek(0, O.SEEK_SET);
  const again = new List();
  d.iterDirents(again);
  for (const i of [1, 5, 1500, 2999]) {
    d.seek(again.entries[i]?.off ?? 0, O.SEEK_SET);
    const l = new List(3);
    d.iterDirents(l);
    expect(l.names()).toEqual(again.names().slice(i + 1, i + 4));
  }
  d.seek(again.entries[3001]?.off ?? 0, O.SEEK_SET);
  const end = new List();
  d.iterDirents(end);
  expect(end.entries.length).toBe(0);
  expect(again.entries.find((e) => e.name === ".")?.ino).toBe(m.stat(".").ino);
  d.decRef();
  // Making the files is slow on a busy disk.
}, 30_000);

test("few descriptors stay open, and directories are reached again", () => {
  m = new Mounted(false, 8);
  const before = openFDs();
  let deep = "";
  for (let i = 0; i < 60; i++) deep += `${i === 0 ? "" : "/"}d${i}`;
  fs.mkdirSync(m.host(deep), { recursive: true });
  fs.writeFileSync(m.host(`${deep}/f`), "deep");
  expect(m.read(`${deep}/f`)).toBe("deep");
  for (let i = 0; i < 40; i++) {
    fs.mkdirSync(m.host(`w${i}`));
    fs.writeFileSync(m.host(`w${i}/f`), "w");
    expect(m.read(`w${i}/f`)).toBe("w");
  }
  expect(openFDs() - before).toBeLessThanOrEqual(8);
  m.t.vfs.renameAt(m.t.creds, m.pop(`${deep}/f`), m.pop("w0/g"), 0);
  expect(m.read("w0/g")).toBe("deep");
  m.t.vfs.linkAt(m.t.creds, m.pop("w1/f"), m.pop(`${deep}/h`));
  expect(m.read(`${deep}/h`)).toBe("w");
  expect(openFDs() - before).toBeLessThanOrEqual(8);
});

test("descriptors and inodes go with their dentries", () => {
  const before = openFDs();
  for (let i = 0; i < 10; i++) {
    fs.mkdirSync(m.host(`d${i}`));
    fs.writeFileSync(m.host(`d${i}/f`), "x");
    m.read(`d${i}/f`);
  }
  m.t.vfs.dentryCache.limit = 0;
  for (let i = 0; i < 3; i++) m.t.vfs.dentryCache.evict();
  expect(m.t.vfs.dentryCache.count).toBe(0);
  let inodes = 0;
  for (const byIno of m.fs.inodes.values()) inodes += byIno.size;
  expect(inodes).toBe(1);
  expect(openFDs()).toBe(before);
});

test("special files of the host are seen but not opened", () => {
  host.mknodat(O.AT_FDCWD, m.host("fifo"), S.S_IFIFO | 0o644, 0);
  expect(m.stat("fifo").mode & S.S_IFMT).toBe(S.S_IFIFO);
  if (host.mknodat(O.AT_FDCWD, m.host("mem"), S.S_IFCHR | 0o644, S.makeDeviceID(1, 1)) === 0) {
    expect(m.stat("mem").rdev).toBe(S.makeDeviceID(1, 1));
    expect(errorOf(() => m.open("mem", O.O_RDONLY))).toBe("ENXIO");
  }
  m.t.vfs.mknodAt(m.t.creds, m.pop("sock"), S.S_IFSOCK | 0o755, 0);
  expect(fs.lstatSync(m.host("sock")).isSocket()).toBe(true);
  expect(errorOf(() => m.open("sock", O.O_RDONLY))).toBe("ENXIO");
  expect(errorOf(() => m.t.vfs.mknodAt(m.t.creds, m.pop("dev"), S.S_IFCHR, S.makeDeviceID(1, 3)))).toBe("EPERM");
});

test("extended attributes", () => {
  const { vfs, creds } = m.t;
  m.open("f", O.O_CREAT | O.O_WRONLY).decRef();
  try {
    vfs.setXattrAt(creds, m.pop("f"), "user.a", "v\0\xff", 0);
  } catch {
    return; // Not on this file system.
  }
  expect(vfs.getXattrAt(creds, m.pop("f"), "user.a")).toBe("v\0\xff");
  expect(vfs.listXattrAt(creds, m.pop("f"))).toEqual(["user.a"]);
  expect(vfs.getXattrAt(creds, m.pop("f"), "user.b")).toBe(-errno.ENODATA);
  vfs.removeXattrAt(creds, m.pop("f"), "user.a");
  expect(vfs.listXattrAt(creds, m.pop("f"))).toEqual([]);
  expect(vfs.getXattrAt(creds, m.pop("f"), "system.posix_acl_access")).toBe(-errno.EOPNOTSUPP);
});

test("that a file has no capabilities is remembered as long as it is what it was", () => {
  const trustFor = 100;
  m = new Mounted(false, 100, () => {}, trustFor);
  const { vfs, creds, clock } = m.t;
  const name = "security.capability";
  // cap_net_raw+ep
  const value = Buffer.from("0100000200200000000000000000000000000000", "hex");
  fs.writeFileSync(m.host("f"), "");
  const fd = host.open(m.host("f"), O.O_RDONLY);
  if (host.fsetxattr(fd, name, value, 0) < 0 || host.fremovexattr(fd, name) < 0) return; // Not here.
  const get = (): string | number => vfs.getXattrAt(creds, m.pop("f"), name);
  const calls = (): number => {
    const before = host.hostCalls();
    expect(get()).toBe(-errno.ENODATA);
    return host.hostCalls() - before;
  };
  // The file has just been changed.
  clock.sec = Math.floor(Date.now() / 1000);
  m.stat("f");
  calls();
  expect(calls()).toBeGreaterThan(0);
  clock.sec += 10;
  Bun.sleepSync(trustFor + 20);
  m.stat("f");
  calls();
  const until = performance.now() + trustFor / 2;
  const again = calls();
  if (performance.now() < until) expect(again).toBe(0);
  host.fsetxattr(fd, name, value, 0);
  Bun.sleepSync(trustFor + 20);
  expect(get()).toBe(value.toString("latin1"));
  vfs.removeXattrAt(creds, m.pop("f"), name);
  expect(get()).toBe(-errno.ENODATA);
  vfs.setXattrAt(creds, m.pop("f"), name, value.toString("latin1"), 0);
  expect(get()).toBe(value.toString("latin1"));
  host.close(fd);
});

test("mappings end with the file", () => {
  class Space implements MappingSpace {
    calls: string[] = [];
    invalidate(start: number, end: number, p: boolean): void {
      this.calls.push(`${start}-${end} ${p}`);
    }
  }
  const fd = m.open("f", O.O_CREAT | O.O_RDWR);
  fd.write(sequence(new Uint8Array(10000).fill(65)));
  const opts = newMMapOpts();
  fd.configureMMap(opts);
  const map = opts.mappable;
  if (map === null) throw new Error();
  const space = new Space();
  map.addMapping(space, 0x100000, 0x104000, 0, true);
  const [t] = map.translate(0, 4096, 1 << 20, 3);
  expect([t?.start, t?.end, t?.offset, t?.perms]).toEqual([0, 12288, 0, 7]);
  if (t === undefined) throw new Error();
  t.file.incRef(0, 4096);
  const buf = new Uint8Array(8);
  expect(host.copyFromHost(buf, 0, t.file.mapInternal(4096), 8)).toBe(0);
  expect(buf[0]).toBe(65);
  expect(map.translate(12288, 16384, 16384, 1)).toEqual([]);
  m.setStat("f", ATTR_SIZE, { size: 10 });
  expect(space.calls).toEqual([`${0x101000}-${0x103000} true`]);
  map.removeMapping(space, 0x100000, 0x104000, 0, true);
  const n = t.file.hostFD();
  opts.mappingIdentity?.decRef();
  fd.decRef();
  expect(fs.existsSync(`/proc/self/fd/${n}`)).toBe(true);
  t.file.decRef(0, 4096);
  expect(t.file.hostFD()).toBe(-1);
});

test("O_TMPFILE", () => {
  let fd: FileDescription;
  try {
    fd = m.open(".", O.O_TMPFILE | O.O_RDWR, 0o600);
  } catch {
    return; // Not on this file system.
  }
  fd.write(sequence(bytes("tmp")));
  expect(fs.readdirSync(m.dir)).toEqual([]);
  m.t.vfs.linkVirtualDentry(m.t.creds, fd.vd, m.pop("named"));
  expect(fs.readFileSync(m.host("named"), "latin1")).toBe("tmp");
  fd.decRef();
});
