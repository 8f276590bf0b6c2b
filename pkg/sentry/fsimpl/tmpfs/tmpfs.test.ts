import { expect, test } from "bun:test";
import { ENODATA, EOPNOTSUPP } from "../../../abi/linux/errno.ts";
import * as O from "../../../abi/linux/file.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../../abi/linux/xattr.ts";
import { type MappingSpace, newMMapOpts } from "../../memmap/index.ts";
import {
  ATTR_SIZE,
  getXattr,
  listXattr,
  removeXattr,
  SetStatOptions,
  Statfs,
  Statx,
  setXattr,
} from "../../vfs/index.ts";
import { bytes, errorOf, sequence, TestFS } from "../../vfs/testutil/index.ts";
import { newMemfd, TmpfsFileDescription } from "./index.ts";

function create(t: TestFS, path: string, flags = 0): TmpfsFileDescription {
  const fd = t.open(path, O.O_CREAT | O.O_RDWR | flags);
  if (!(fd instanceof TmpfsFileDescription)) throw new Error();
  return fd;
}

function pread(fd: TmpfsFileDescription, offset: number, n: number): string {
  const buf = new Uint8Array(n);
  const got = fd.pread(sequence(buf), offset);
  return Buffer.from(buf.subarray(0, got)).toString("latin1");
}

function truncate(t: TestFS, fd: TmpfsFileDescription, size: number): void {
  const opts = new SetStatOptions();
  opts.mask = ATTR_SIZE;
  opts.size = size;
  fd.setStat(opts, t.creds);
}

function stat(fd: TmpfsFileDescription): Statx {
  const st = new Statx();
  fd.stat(st);
  return st;
}

class Space implements MappingSpace {
  calls: string[] = [];
  invalidate(start: number, end: number, p: boolean): void {
    this.calls.push(`${start}-${end}${p ? " private" : ""}`);
  }
}

test("reads and writes", () => {
  const t = new TestFS();
  const fd = create(t, "f");
  expect(fd.write(sequence(bytes("hello")))).toBe(5);
  expect(fd.write(sequence(bytes(" world")))).toBe(6);
  expect(pread(fd, 0, 100)).toBe("hello world");
  expect(pread(fd, 6, 3)).toBe("wor");
  expect(pread(fd, 11, 3)).toBe("");
  expect(fd.seek(0, O.SEEK_CUR)).toBe(11);
  expect(fd.seek(-5, O.SEEK_END)).toBe(6);
  expect(errorOf(() => fd.seek(-1, O.SEEK_SET))).toBe("EINVAL");
  expect(errorOf(() => fd.seek(0, 9))).toBe("EINVAL");
  const app = create(t, "f", O.O_APPEND);
  expect(app.write(sequence(bytes("!")))).toBe(1);
  expect(app.position()).toBe(12);
  expect(app.pwrite(sequence(bytes("?")), 0)).toBe(1);
  expect(pread(fd, 0, 100)).toBe("hello world!?");
  create(t, "f", O.O_TRUNC).decRef();
  expect(stat(fd).size).toBe(0);
  fd.decRef();
  app.decRef();
});

test("holes, blocks, SEEK_DATA and SEEK_HOLE", () => {
  const t = new TestFS();
  const fd = create(t, "f");
  fd.pwrite(sequence(bytes("x")), 1 << 20);
  expect([stat(fd).size, stat(fd).blocks]).toEqual([(1 << 20) + 1, 8]);
  expect(pread(fd, (1 << 20) - 2, 10)).toBe("\0\0x");
  expect(fd.seek(0, O.SEEK_DATA)).toBe(1 << 20);
  expect(fd.seek(0, O.SEEK_HOLE)).toBe(0);
  expect(fd.seek(1 << 20, O.SEEK_HOLE)).toBe((1 << 20) + 1);
  expect(errorOf(() => fd.seek((1 << 20) + 1, O.SEEK_DATA))).toBe("ENXIO");
  fd.pwrite(sequence(new Uint8Array(8192).fill(65)), 4096);
  expect(fd.seek(0, O.SEEK_DATA)).toBe(4096);
  expect(fd.seek(4096, O.SEEK_HOLE)).toBe(12288);
  fd.allocate(O.FALLOC_FL_PUNCH_HOLE | O.FALLOC_FL_KEEP_SIZE, 5000, 4096);
  expect(pread(fd, 4998, 4)).toBe("AA\0\0");
  expect(pread(fd, 9094, 4)).toBe("\0\0AA");
  expect(stat(fd).blocks).toBe(24);
  fd.allocate(O.FALLOC_FL_PUNCH_HOLE | O.FALLOC_FL_KEEP_SIZE, 4096, 8192);
  expect(stat(fd).blocks).toBe(8);
  fd.allocate(0, 0, 10000);
  expect([stat(fd).size, stat(fd).blocks]).toEqual([(1 << 20) + 1, 32]);
  fd.allocate(O.FALLOC_FL_KEEP_SIZE, 2 << 20, 4096);
  expect([stat(fd).size, stat(fd).blocks]).toEqual([(1 << 20) + 1, 40]);
  fd.pwrite(sequence(bytes("y")), 0);
  expect(stat(fd).blocks).toBe(40);
  expect(errorOf(() => fd.allocate(O.FALLOC_FL_ZERO_RANGE, 0, 1))).toBe("EOPNOTSUPP");
  truncate(t, fd, 4097);
  expect(stat(fd).blocks).toBe(16);
  t.vfs.unlinkAt(t.creds, t.pop("f"));
  expect(t.fs.usedPages).toBe(2);
  fd.decRef();
  expect([t.fs.usedPages, t.memoryFile.usedBytes]).toEqual([0, 0]);
});

test("truncation leaves zeros behind", () => {
  const t = new TestFS();
  const fd = create(t, "f");
  fd.pwrite(sequence(new Uint8Array(10000).fill(66)), 0);
  truncate(t, fd, 100);
  truncate(t, fd, 10000);
  expect(pread(fd, 98, 4)).toBe("BB\0\0");
  expect(pread(fd, 5000, 2)).toBe("\0\0");
  const space = new Space();
  fd.file.addMapping(space, 0x10000, 0x14000, 0, true);
  truncate(t, fd, 4096);
  expect(space.calls).toEqual(["69632-77824 private"]);
  fd.allocate(O.FALLOC_FL_PUNCH_HOLE | O.FALLOC_FL_KEEP_SIZE, 0, 4096);
  expect(space.calls[1]).toBe("65536-69632");
  fd.file.removeMapping(space, 0x10000, 0x14000, 0, true);
  fd.decRef();
});

test("random writes against a plain buffer", () => {
  const t = new TestFS();
  const fd = create(t, "f");
  const SIZE = 300000;
  const model = new Uint8Array(SIZE * 2);
  let size = 0;
  let seed = 7;
  const rnd = (n: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % n;
  };
  for (let i = 0; i < 1500; i++) {
    const off = rnd(SIZE);
    const len = 1 + rnd(rnd(4) === 0 ? 70000 : 3000);
    switch (rnd(6)) {
      case 0:
        truncate(t, fd, off);
        if (off < size) model.fill(0, off, size);
        size = off;
        break;
      case 1:
        fd.allocate(O.FALLOC_FL_PUNCH_HOLE | O.FALLOC_FL_KEEP_SIZE, off, len);
        model.fill(0, off, Math.min(off + len, size));
        break;
      case 2:
        fd.file.translate(off - (off % 4096), off - (off % 4096) + 4096, SIZE, 1);
        break;
      default: {
        const data = new Uint8Array(len).fill(1 + rnd(255));
        expect(fd.pwrite(sequence(data), off)).toBe(len);
        model.set(data, off);
        size = Math.max(size, off + len);
      }
    }
    if (i % 50 === 0) fd.file.extents.check();
  }
  const buf = new Uint8Array(SIZE * 2);
  expect(fd.pread(sequence(buf), 0)).toBe(size);
  expect(Buffer.compare(buf.subarray(0, size), model.subarray(0, size))).toBe(0);
  expect(t.memoryFile.usedBytes).toBe(t.fs.usedPages * 4096);
  fd.decRef();
});

test("translations cover what was asked and stop at the end", () => {
  const t = new TestFS();
  const fd = create(t, "f");
  fd.pwrite(sequence(new Uint8Array(5000).fill(1)), 0);
  truncate(t, fd, 200000);
  const [first] = fd.file.translate(8192, 12288, 200704, 1);
  expect(first?.start).toBeLessThanOrEqual(8192);
  expect(first?.end).toBeGreaterThanOrEqual(12288);
  expect(fd.file.translate(196608, 200704, 204800, 1).length).toBe(1);
  expect(fd.file.translate(200704, 204800, 204800, 1)).toEqual([]);
  fd.decRef();
});

test("quotas", () => {
  const t = new TestFS("size=16k,nr_inodes=4");
  const fd = create(t, "f");
  expect(fd.pwrite(sequence(new Uint8Array(20000)), 0)).toBe(16384);
  expect(errorOf(() => fd.pwrite(sequence(bytes("x")), 20000))).toBe("ENOSPC");
  expect(stat(fd).size).toBe(16384);
  expect(fd.pwrite(sequence(bytes("x")), 0)).toBe(1);
  expect(errorOf(() => fd.allocate(0, 0, 16385))).toBe("ENOSPC");
  create(t, "g").decRef();
  create(t, "h").decRef();
  expect(errorOf(() => create(t, "i"))).toBe("ENOSPC");
  expect(errorOf(() => t.vfs.linkAt(t.creds, t.pop("g"), t.pop("l")))).toBe("ENOSPC");
  t.vfs.unlinkAt(t.creds, t.pop("h"));
  t.vfs.linkAt(t.creds, t.pop("g"), t.pop("l"));
  t.vfs.unlinkAt(t.creds, t.pop("g"));
  t.vfs.unlinkAt(t.creds, t.pop("l"));
  const out = new Statfs();
  t.vfs.statFSVirtualDentry(t.root, out);
  expect([out.type, out.blocks, out.bfree, out.files, out.ffree]).toEqual([0x01021994, 4, 0, 4, 2]);
  fd.decRef();
});

test("sizes and link counts of directories", () => {
  const t = new TestFS();
  const st = new Statx();
  const show = (): number[] => {
    t.vfs.statAt(t.creds, t.pop("/d"), st);
    return [st.size, st.nlink];
  };
  t.vfs.mkdirAt(t.creds, t.pop("d"), 0o755);
  expect(show()).toEqual([40, 2]);
  t.vfs.mkdirAt(t.creds, t.pop("d/a"), 0o755);
  expect(show()).toEqual([60, 3]);
  t.vfs.renameAt(t.creds, t.pop("d/a"), t.pop("a"), 0);
  expect(show()).toEqual([40, 2]);
  t.vfs.mkdirAt(t.creds, t.pop("d/a"), 0o755);
  t.vfs.renameAt(t.creds, t.pop("a"), t.pop("d/a"), 0);
  expect(show()).toEqual([60, 3]);
  const fd = t.open("d/a", O.O_RDONLY);
  t.vfs.rmdirAt(t.creds, t.pop("d/a"));
  fd.stat(st);
  expect(st.nlink).toBe(0);
  fd.decRef();
  expect(t.fs.usedInodes).toBe(2);
});

test("timestamps", () => {
  const t = new TestFS();
  const fd = create(t, "f");
  fd.write(sequence(bytes("x")));
  t.clock.sec = 2000;
  pread(fd, 0, 1);
  expect([stat(fd).atimeSec, stat(fd).mtimeSec]).toEqual([2000, 1000]);
  t.clock.sec = 3000;
  pread(fd, 0, 1);
  expect(stat(fd).atimeSec).toBe(2000);
  fd.write(sequence(bytes("x")));
  expect([stat(fd).mtimeSec, stat(fd).ctimeSec]).toEqual([3000, 3000]);
  t.clock.sec = 4000;
  pread(fd, 0, 1);
  expect(stat(fd).atimeSec).toBe(4000);
  t.clock.sec = 4000 + 86400;
  pread(fd, 0, 1);
  expect(stat(fd).atimeSec).toBe(4000 + 86400);
  fd.decRef();
});

test("extended attributes", () => {
  const t = new TestFS();
  const fd = create(t, "f");
  const { vd } = fd;
  const set = (n: string, v: string, flags = 0): string => errorOf(() => setXattr(vd, n, v, flags, t.creds));
  expect(getXattr(vd, "user.a", t.creds)).toBe(-ENODATA);
  expect(set("user.a", "1", XATTR_REPLACE)).toBe("ENODATA");
  expect(set("user.a", "1", XATTR_CREATE)).toBe("");
  expect(set("user.a", "1", XATTR_CREATE)).toBe("EEXIST");
  expect(set("trusted.t", "\0\xff")).toBe("");
  expect(set("bogus.a", "1")).toBe("EOPNOTSUPP");
  expect(set("user.", "1")).toBe("EINVAL");
  expect(getXattr(vd, "bogus.a", t.creds)).toBe(-EOPNOTSUPP);
  expect(getXattr(vd, "trusted.t", t.creds)).toBe("\0\xff");
  expect(listXattr(vd, t.creds)).toEqual(["user.a", "trusted.t"]);
  t.creds = t.userCreds;
  expect(getXattr(vd, "trusted.t", t.creds)).toBe(-ENODATA);
  expect(listXattr(vd, t.creds)).toEqual(["user.a"]);
  expect(set("user.b", "1")).toBe("EACCES");
  expect(set("trusted.t", "1")).toBe("EPERM");
  t.creds = t.rootCreds;
  removeXattr(vd, "user.a", t.creds);
  expect(errorOf(() => removeXattr(vd, "user.a", t.creds))).toBe("ENODATA");
  t.vfs.symlinkAt(t.creds, t.pop("s"), "f");
  expect(errorOf(() => t.vfs.setXattrAt(t.creds, t.pop("s", false), "user.x", "1", 0))).toBe("EPERM");
  fd.decRef();
});

test("memfds and seals", () => {
  const t = new TestFS();
  const mount = t.vfs.newInternalMount(t.fs);
  const fd = newMemfd(mount, t.creds, "x", { sealable: true, noExec: false });
  expect(t.vfs.pathnameWithDeleted(t.root, fd.vd)).toBe("/memfd:x (deleted)");
  expect([stat(fd).nlink, stat(fd).mode]).toEqual([0, 0o100777]);
  fd.write(sequence(bytes("data")));
  fd.file.addSeals(O.F_SEAL_SHRINK | O.F_SEAL_GROW);
  expect(errorOf(() => truncate(t, fd, 0))).toBe("EPERM");
  expect(errorOf(() => truncate(t, fd, 100))).toBe("EPERM");
  expect(errorOf(() => fd.pwrite(sequence(bytes("xx")), 3))).toBe("EPERM");
  const space = new Space();
  fd.file.addMapping(space, 0, 4096, 0, true);
  expect(errorOf(() => fd.file.addSeals(O.F_SEAL_WRITE))).toBe("EBUSY");
  fd.file.removeMapping(space, 0, 4096, 0, true);
  fd.file.addSeals(O.F_SEAL_WRITE | O.F_SEAL_SEAL);
  expect(errorOf(() => fd.pwrite(sequence(bytes("x")), 0))).toBe("EPERM");
  expect(errorOf(() => fd.file.addSeals(O.F_SEAL_GROW))).toBe("EPERM");
  const opts = newMMapOpts();
  opts.isPrivate = false;
  opts.perms = 3;
  expect(errorOf(() => fd.configureMMap(opts))).toBe("EPERM");
  opts.perms = 1;
  fd.configureMMap(opts);
  expect(opts.maxPerms & 2).toBe(0);
  fd.decRef();
  expect(t.fs.usedPages).toBe(1);
  fd.decRef();
  expect([t.fs.usedPages, t.fs.usedInodes]).toEqual([0, 1]);
  const plain = newMemfd(mount, t.creds, "y", { sealable: false, noExec: false });
  expect(plain.file.seals).toBe(O.F_SEAL_SEAL);
  expect(errorOf(() => plain.file.addSeals(O.F_SEAL_GROW))).toBe("EPERM");
  plain.decRef();
});
