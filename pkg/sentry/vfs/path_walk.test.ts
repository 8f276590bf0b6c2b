import { expect, test } from "bun:test";
import * as O from "../../abi/linux/file.ts";
import { MS_NODEV, MS_NOEXEC, MS_RDONLY } from "../../abi/linux/fs.ts";
import * as S from "../../abi/linux/stat.ts";
import {
  ATTR_ATIME_NOW,
  ATTR_CHOWN,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME_NOW,
  ATTR_SIZE,
  ATTR_UID,
  type DirentCallback,
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  SetStatOptions,
  Statx,
} from "./index.ts";
import { errorOf, TestFS } from "./testutil/index.ts";

function make(): TestFS {
  const t = new TestFS();
  const { vfs, rootCreds: c } = t;
  vfs.mkdirAt(c, t.pop("/d"), 0o755);
  vfs.mkdirAt(c, t.pop("/d/e"), 0o755);
  t.open("/d/f", O.O_CREAT | O.O_RDWR).decRef();
  vfs.symlinkAt(c, t.pop("/l"), "d/e");
  vfs.symlinkAt(c, t.pop("/lf"), "d/f");
  vfs.symlinkAt(c, t.pop("/dangling"), "nowhere");
  vfs.symlinkAt(c, t.pop("/loop"), "loop");
  vfs.symlinkAt(c, t.pop("/d/up"), "../d/f");
  vfs.symlinkAt(c, t.pop("/slash"), "d/");
  vfs.symlinkAt(c, t.pop("/fslash"), "d/f/");
  return t;
}

function ino(t: TestFS, path: string, follow = true): number {
  const st = new Statx();
  t.vfs.statAt(t.creds, t.pop(path, follow), st);
  return st.ino;
}

function setStat(mask: number, fields: Partial<SetStatOptions>): SetStatOptions {
  return Object.assign(new SetStatOptions(), { mask }, fields);
}

test("resolution", () => {
  const t = make();
  const f = ino(t, "/d/f");
  for (const p of [
    "d/f",
    "//d///f",
    "./d/./f",
    "d/e/../f",
    "/../../d/f",
    "lf",
    "d/up",
    "l/../f",
    "slash/f",
    "d/e/.././f",
  ]) {
    expect([p, ino(t, p)]).toEqual([p, f]);
  }
  for (const [p, e] of [
    ["", "ENOENT"],
    ["x", "ENOENT"],
    ["x/y", "ENOENT"],
    ["d/f/x", "ENOTDIR"],
    ["d/f/", "ENOTDIR"],
    ["d/f/.", "ENOTDIR"],
    ["d/f/..", "ENOTDIR"],
    ["dangling", "ENOENT"],
    ["dangling/", "ENOENT"],
    ["loop", "ELOOP"],
    ["loop/x", "ELOOP"],
    ["lf/", "ENOTDIR"],
    ["fslash", "ENOTDIR"],
    ["n".repeat(256), "ENAMETOOLONG"],
    [`x/${"n".repeat(256)}`, "ENOENT"],
  ] as const) {
    expect([p, errorOf(() => ino(t, p))]).toEqual([p, e]);
  }
  expect(ino(t, "l/", false)).toBe(ino(t, "d/e"));
  expect(ino(t, "l", false)).not.toBe(ino(t, "d/e"));
  expect(t.vfs.readlinkAt(t.creds, t.pop("l", false))).toBe("d/e");
  expect(errorOf(() => t.vfs.readlinkAt(t.creds, t.pop("d", false)))).toBe("EINVAL");
});

test("forty symbolic links and no more", () => {
  const t = make();
  let target = "d";
  for (let i = 1; i <= 41; i++) {
    t.vfs.symlinkAt(t.creds, t.pop(`s${i}`), target);
    target = `s${i}`;
  }
  expect(ino(t, "s40")).toBe(ino(t, "d"));
  expect(errorOf(() => ino(t, "s41"))).toBe("ELOOP");
});

test("open flags", () => {
  const t = make();
  const err = (p: string, flags: number): string => errorOf(() => t.open(p, flags).decRef());
  expect(err("x", O.O_RDONLY)).toBe("ENOENT");
  expect(err("d", O.O_WRONLY)).toBe("EISDIR");
  expect(err("d", O.O_CREAT)).toBe("EISDIR");
  expect(err("d/", O.O_CREAT)).toBe("EISDIR");
  expect(err("new/", O.O_CREAT)).toBe("EISDIR");
  expect(err("d/f/", O.O_CREAT)).toBe("EISDIR");
  expect(err("d/f", O.O_CREAT | O.O_EXCL)).toBe("EEXIST");
  expect(err("dangling", O.O_CREAT | O.O_EXCL)).toBe("EEXIST");
  expect(err(".", O.O_CREAT | O.O_EXCL)).toBe("EEXIST");
  expect(err("..", O.O_CREAT)).toBe("EISDIR");
  expect(err("d/f", O.O_DIRECTORY)).toBe("ENOTDIR");
  expect(err("lf", O.O_NOFOLLOW)).toBe("ELOOP");
  expect(err("l", O.O_NOFOLLOW | O.O_DIRECTORY)).toBe("ENOTDIR");
  expect(err("l/", O.O_NOFOLLOW | O.O_DIRECTORY)).toBe("");
  expect(err("lf", O.O_NOFOLLOW | O.O_PATH)).toBe("");
  expect(err("d", O.O_CREAT | O.O_DIRECTORY)).toBe("EINVAL");
  expect(err("d", O.O_TRUNC)).toBe("EISDIR");
  expect(err("d", O.__O_TMPFILE | O.O_RDWR)).toBe("EINVAL");
  expect(err("d", O.O_TMPFILE)).toBe("EINVAL");
  expect(err("dangling", O.O_CREAT)).toBe("");
  expect(ino(t, "nowhere")).toBe(ino(t, "dangling"));
  t.vfs.mknodAt(t.creds, t.pop("sock"), S.S_IFSOCK | 0o666, 0);
  t.vfs.mknodAt(t.creds, t.pop("dev"), S.S_IFCHR | 0o666, S.makeDeviceID(9, 9));
  expect(err("sock", O.O_RDONLY)).toBe("ENXIO");
  expect(err("dev", O.O_RDONLY)).toBe("ENXIO");
  const path = t.open("d/f", O.O_PATH);
  expect([path.readable, path.writable, path.statusFlags]).toEqual([false, false, O.O_PATH]);
  path.decRef();
});

test("O_TMPFILE", () => {
  const t = make();
  const fd = t.open("d", O.O_TMPFILE | O.O_RDWR, 0o600);
  expect(t.vfs.pathnameWithDeleted(t.root, fd.vd)).toBe(`/d/#${fd.inode.ino} (deleted)`);
  t.vfs.linkVirtualDentry(t.creds, fd.vd, t.pop("named"));
  expect(ino(t, "named")).toBe(fd.inode.ino);
  fd.decRef();
  const excl = t.open("d", O.O_TMPFILE | O.O_RDWR | O.O_EXCL, 0o600);
  expect(errorOf(() => t.vfs.linkVirtualDentry(t.creds, excl.vd, t.pop("named2")))).toBe("ENOENT");
  excl.decRef();
});

test("permissions", () => {
  const t = make();
  const { vfs } = t;
  vfs.mkdirAt(t.creds, t.pop("closed"), 0o700);
  t.open("closed/f", O.O_CREAT).decRef();
  t.open("own", O.O_CREAT, 0o600).decRef();
  vfs.setStatAt(t.creds, t.pop("own"), setStat(ATTR_UID, { uid: 1000 }));
  t.creds = t.userCreds;
  expect(errorOf(() => ino(t, "closed/f"))).toBe("EACCES");
  expect(errorOf(() => ino(t, "closed/x"))).toBe("EACCES");
  expect(errorOf(() => ino(t, `closed/${"n".repeat(300)}`))).toBe("EACCES");
  expect(errorOf(() => ino(t, "closed/."))).toBe("EACCES");
  expect(errorOf(() => t.open("d/new", O.O_CREAT))).toBe("EACCES");
  expect(errorOf(() => t.open("d/f", O.O_CREAT | O.O_RDWR))).toBe("EACCES");
  expect(errorOf(() => t.open("d/f", O.O_CREAT).decRef())).toBe("");
  expect(errorOf(() => t.open("own", O.O_RDWR).decRef())).toBe("");
  expect(errorOf(() => t.open("d/f", O.O_NOATIME))).toBe("EPERM");
  expect(errorOf(() => vfs.mkdirAt(t.creds, t.pop("d"), 0o755))).toBe("EEXIST");
  expect(errorOf(() => vfs.mkdirAt(t.creds, t.pop("d/new"), 0o755))).toBe("EACCES");
  expect(errorOf(() => vfs.unlinkAt(t.creds, t.pop("d/f")))).toBe("EACCES");
  expect(errorOf(() => vfs.unlinkAt(t.creds, t.pop("own")))).toBe("");
  expect(errorOf(() => vfs.unlinkAt(t.creds, t.pop("lf")))).toBe("EPERM");
  expect(errorOf(() => vfs.mknodAt(t.creds, t.pop("n"), S.S_IFCHR, 5))).toBe("EPERM");
  expect(errorOf(() => vfs.accessAt(t.creds, t.pop("d"), MAY_READ | MAY_EXEC))).toBe("");
  expect(errorOf(() => vfs.accessAt(t.creds, t.pop("d"), MAY_WRITE))).toBe("EACCES");
  // Root may do all but execute what nobody may execute.
  expect(errorOf(() => vfs.accessAt(t.rootCreds, t.pop("d/f"), MAY_READ | MAY_WRITE))).toBe("");
  expect(errorOf(() => vfs.accessAt(t.rootCreds, t.pop("d/f"), MAY_EXEC))).toBe("EACCES");
});

test("attribute changes", () => {
  const t = make();
  const { vfs } = t;
  const st = new Statx();
  const mode = (p: string): number => {
    vfs.statAt(t.rootCreds, t.pop(p), st);
    return st.mode & 0o7777;
  };
  vfs.setStatAt(t.creds, t.pop("d/f"), setStat(ATTR_MODE, { mode: 0o6755 }));
  expect(mode("d/f")).toBe(0o6755);
  vfs.setStatAt(t.creds, t.pop("d/f"), setStat(ATTR_CHOWN | ATTR_UID | ATTR_GID, { uid: 1000, gid: 77 }));
  expect(mode("d/f")).toBe(0o755);
  t.creds = t.userCreds;
  const change = (mask: number, f: Partial<SetStatOptions>): string =>
    errorOf(() => vfs.setStatAt(t.creds, t.pop("d/f"), setStat(mask, f)));
  expect(change(ATTR_MODE, { mode: 0o2755 })).toBe("");
  expect(mode("d/f")).toBe(0o755);
  expect(change(ATTR_UID, { uid: 0 })).toBe("EPERM");
  expect(change(ATTR_UID, { uid: 1000 })).toBe("");
  expect(change(ATTR_GID, { gid: 78 })).toBe("EPERM");
  expect(change(ATTR_GID, { gid: 50 })).toBe("");
  expect(change(ATTR_MODE, { mode: 0o2755 })).toBe("");
  expect(mode("d/f")).toBe(0o2755);
  expect(change(ATTR_SIZE, { size: 10 })).toBe("");
  expect(mode("d/f")).toBe(0o755);
  expect(errorOf(() => vfs.setStatAt(t.creds, t.pop("d"), setStat(ATTR_SIZE, { size: 1 })))).toBe("EISDIR");
  const now = ATTR_ATIME_NOW | ATTR_MTIME_NOW;
  expect(errorOf(() => vfs.setStatAt(t.creds, t.pop("d/e"), setStat(now, {})))).toBe("EACCES");
  expect(errorOf(() => vfs.setStatAt(t.creds, t.pop("d/e"), setStat(ATTR_MTIME_NOW, {})))).toBe("EPERM");
  expect(errorOf(() => vfs.setStatAt(t.creds, t.pop("lf", false), setStat(ATTR_MODE, { mode: 0 })))).toBe("EOPNOTSUPP");
});

test("setgid directories hand their group on", () => {
  const t = make();
  const st = new Statx();
  t.vfs.setStatAt(t.creds, t.pop("d"), setStat(ATTR_GID | ATTR_MODE, { gid: 42, mode: 0o2777 }));
  t.creds = t.userCreds;
  t.vfs.mkdirAt(t.creds, t.pop("d/sub"), 0o755);
  t.vfs.statAt(t.creds, t.pop("d/sub"), st);
  expect([st.gid, st.mode & 0o7777]).toEqual([42, 0o2755]);
  t.open("d/x", O.O_CREAT, 0o2755).decRef();
  t.vfs.statAt(t.creds, t.pop("d/x"), st);
  expect([st.uid, st.gid, st.mode & 0o7777]).toEqual([1000, 42, 0o755]);
});

test("unlink and rmdir", () => {
  const t = make();
  const { vfs, creds: c } = t;
  const un = (p: string): string => errorOf(() => vfs.unlinkAt(c, t.pop(p)));
  const rm = (p: string): string => errorOf(() => vfs.rmdirAt(c, t.pop(p)));
  expect(un("x")).toBe("ENOENT");
  expect(un("x/")).toBe("ENOENT");
  expect(un("d")).toBe("EISDIR");
  expect(un("d/")).toBe("EISDIR");
  expect(un("d/f/")).toBe("ENOTDIR");
  expect(un("l/")).toBe("ENOTDIR");
  expect(un(".")).toBe("EISDIR");
  expect(un("/")).toBe("EISDIR");
  expect(rm("d")).toBe("ENOTEMPTY");
  expect(rm("d/f")).toBe("ENOTDIR");
  expect(rm("l")).toBe("ENOTDIR");
  expect(rm("d/.")).toBe("EINVAL");
  expect(rm("d/..")).toBe("ENOTEMPTY");
  expect(rm("/")).toBe("EBUSY");
  expect(rm("d/e/")).toBe("");
  expect(rm("d/e")).toBe("ENOENT");
});

test("a removed working directory", () => {
  const t = make();
  const vd = t.vfs.getDentryAt(t.creds, t.pop("d/e"));
  vd.incRef();
  t.cwd = vd;
  expect(t.vfs.pathnameForGetcwd(t.root, vd)).toBe("/d/e");
  t.vfs.rmdirAt(t.creds, t.pop("/d/e"));
  expect(errorOf(() => t.vfs.pathnameForGetcwd(t.root, vd))).toBe("ENOENT");
  expect(t.vfs.pathnameWithDeleted(t.root, vd)).toBe("/d/e (deleted)");
  expect(errorOf(() => t.open("new", O.O_CREAT))).toBe("ENOENT");
  expect(errorOf(() => t.vfs.mkdirAt(t.creds, t.pop("new"), 0o755))).toBe("ENOENT");
  expect(ino(t, "..")).toBe(ino(t, "/d"));
  expect(ino(t, ".")).toBe(vd.inode.ino);
  vd.decRef();
});

test("rename", () => {
  const t = make();
  const { vfs, creds: c } = t;
  const mv = (a: string, b: string, flags = 0): string => errorOf(() => vfs.renameAt(c, t.pop(a), t.pop(b), flags));
  expect(mv("x", "y")).toBe("ENOENT");
  expect(mv("d", "d/e/x")).toBe("EINVAL");
  expect(mv("d/e", "d")).toBe("ENOTEMPTY");
  expect(mv("d/f", "d")).toBe("ENOTEMPTY");
  expect(mv("lf", "d")).toBe("EISDIR");
  expect(mv("d", "lf")).toBe("ENOTDIR");
  expect(mv("d/.", "y")).toBe("EBUSY");
  expect(mv("d/f", "g/")).toBe("ENOTDIR");
  expect(mv("lf", "d/f", O.RENAME_NOREPLACE)).toBe("EEXIST");
  expect(mv("lf", "x", O.RENAME_EXCHANGE)).toBe("ENOENT");
  expect(mv("lf", "x", O.RENAME_EXCHANGE | O.RENAME_NOREPLACE)).toBe("EINVAL");
  const f = ino(t, "d/f");
  const e = ino(t, "d/e");
  expect(mv("d/f", "d/e", O.RENAME_EXCHANGE)).toBe("");
  expect([ino(t, "d/f"), ino(t, "d/e")]).toEqual([e, f]);
  expect(mv("d/f", "moved/")).toBe("");
  expect(ino(t, "moved")).toBe(e);
  expect(mv("d/e", "moved/file")).toBe("");
  expect(ino(t, "moved/file")).toBe(f);
  expect(mv("moved/file", "w", O.RENAME_WHITEOUT)).toBe("");
  const st = new Statx();
  vfs.statAt(c, t.pop("moved/file"), st);
  expect([st.mode, st.rdev]).toEqual([S.S_IFCHR, 0]);
  vfs.linkAt(c, t.pop("w"), t.pop("w2"));
  expect(mv("w", "w2")).toBe("");
  expect(ino(t, "w")).toBe(ino(t, "w2"));
});

test("open files follow renames", () => {
  const t = make();
  const fd = t.open("d/e", O.O_RDONLY);
  t.vfs.renameAt(t.creds, t.pop("d"), t.pop("q"), 0);
  expect(t.vfs.pathnameWithDeleted(t.root, fd.vd)).toBe("/q/e");
  t.vfs.renameAt(t.creds, t.pop("q/e"), t.pop("z"), 0);
  expect(t.vfs.pathnameWithDeleted(t.root, fd.vd)).toBe("/z");
  fd.decRef();
});

test("links", () => {
  const t = make();
  const { vfs, creds: c } = t;
  const ln = (a: string, b: string, follow = false): string => errorOf(() => vfs.linkAt(c, t.pop(a, follow), t.pop(b)));
  expect(ln("d", "x")).toBe("EPERM");
  expect(ln("d/f", "d/e")).toBe("EEXIST");
  expect(ln("d/f", "x/")).toBe("ENOENT");
  expect(ln("y", "x")).toBe("ENOENT");
  expect(ln("lf", "x")).toBe("");
  expect(ino(t, "x", false)).toBe(ino(t, "lf", false));
  expect(ln("lf", "x2", true)).toBe("");
  expect(ino(t, "x2", false)).toBe(ino(t, "d/f"));
  expect(errorOf(() => vfs.symlinkAt(c, t.pop("s"), ""))).toBe("ENOENT");
  expect(errorOf(() => vfs.symlinkAt(c, t.pop("s/"), "x"))).toBe("ENOENT");
  expect(errorOf(() => vfs.symlinkAt(c, t.pop("d/"), "x"))).toBe("EEXIST");
});

test("mounts", () => {
  const t = make();
  const { vfs, creds: c } = t;
  const opts = (flags: number) => ({ data: "size=1m,mode=755", internalData: null, flags });
  const under = ino(t, "d/e");
  vfs.mountAt(c, "tmp", t.pop("d/e"), "tmpfs", opts(MS_NODEV));
  const st = new Statx();
  vfs.statAt(c, t.pop("d/e"), st);
  expect([st.ino, st.mode & 0o777]).toEqual([1, 0o755]);
  expect(ino(t, "d/e/..")).toBe(ino(t, "d"));
  expect(ino(t, "d/e/../e/.")).toBe(1);
  expect(errorOf(() => vfs.rmdirAt(c, t.pop("d/e")))).toBe("EBUSY");
  expect(errorOf(() => vfs.renameAt(c, t.pop("d/e"), t.pop("x"), 0))).toBe("EBUSY");
  expect(errorOf(() => vfs.renameAt(c, t.pop("d/f"), t.pop("d/e/f"), 0))).toBe("EXDEV");
  expect(errorOf(() => vfs.linkAt(c, t.pop("d/f"), t.pop("d/e/f")))).toBe("EXDEV");
  expect(errorOf(() => vfs.mountAt(c, "x", t.pop("d/f"), "tmpfs", opts(0)))).toBe("ENOTDIR");
  expect(errorOf(() => vfs.mountAt(c, "x", t.pop("d"), "nofs", opts(0)))).toBe("ENODEV");
  expect(errorOf(() => vfs.mountAt(c, "x", t.pop("d"), "tmpfs", { ...opts(0), data: "bad" }))).toBe("EINVAL");
  vfs.mknodAt(c, t.pop("d/e/dev"), S.S_IFCHR | 0o666, 5);
  expect(errorOf(() => t.open("d/e/dev", O.O_RDONLY))).toBe("EACCES");
  const fd = t.open("d/e/x", O.O_CREAT | O.O_RDWR);
  expect(vfs.pathnameWithDeleted(t.root, fd.vd)).toBe("/d/e/x");
  const info = vfs.mountInfo(t.root).trimEnd().split("\n");
  expect(info.length).toBe(2);
  expect(info[1]).toMatch(/^\d+ \d+ 0:\d+ \/ \/d\/e rw,nodev,relatime - tmpfs tmp rw,size=1024k,mode=755,inode64$/);
  expect(errorOf(() => vfs.umountAt(c, t.pop("d/e"), 0))).toBe("EBUSY");
  fd.decRef();
  expect(errorOf(() => vfs.umountAt(c, t.pop("d"), 0))).toBe("EINVAL");
  vfs.umountAt(c, t.pop("d/e"), 0);
  expect(ino(t, "d/e")).toBe(under);
});

test("read-only and noexec mounts", () => {
  const t = make();
  const { vfs, creds: c } = t;
  vfs.mkdirAt(c, t.pop("b"), 0o755);
  const b = vfs.bindMountAt(c, t.pop("d"), t.pop("b"), false);
  b.flags = MS_RDONLY | MS_NOEXEC;
  expect(ino(t, "b/f")).toBe(ino(t, "d/f"));
  expect(errorOf(() => t.open("b/f", O.O_RDWR))).toBe("EROFS");
  expect(errorOf(() => t.open("b/f", O.O_TRUNC))).toBe("EROFS");
  expect(errorOf(() => t.open("b/new", O.O_CREAT))).toBe("EROFS");
  expect(errorOf(() => t.open("b/f", O.O_CREAT).decRef())).toBe("");
  expect(errorOf(() => vfs.mkdirAt(c, t.pop("b/e"), 0o755))).toBe("EEXIST");
  expect(errorOf(() => vfs.mkdirAt(c, t.pop("b/n"), 0o755))).toBe("EROFS");
  expect(errorOf(() => vfs.unlinkAt(c, t.pop("b/f")))).toBe("EROFS");
  expect(errorOf(() => vfs.unlinkAt(c, t.pop("b/nothing")))).toBe("EROFS");
  expect(errorOf(() => vfs.accessAt(c, t.pop("b/f"), MAY_WRITE))).toBe("EROFS");
  expect(errorOf(() => vfs.setStatAt(c, t.pop("b/f"), setStat(ATTR_MODE, { mode: 0o755 })))).toBe("EROFS");
  vfs.setStatAt(c, t.pop("d/f"), setStat(ATTR_MODE, { mode: 0o755 }));
  const exec = { flags: O.O_RDONLY, mode: 0, fileExec: true };
  expect(errorOf(() => vfs.openAt(c, t.pop("b/f"), exec))).toBe("EACCES");
  const x = vfs.openAt(c, t.pop("d/f"), exec);
  expect(errorOf(() => t.open("d/f", O.O_RDWR))).toBe("ETXTBSY");
  expect(errorOf(() => vfs.setStatAt(c, t.pop("d/f"), setStat(ATTR_SIZE, { size: 0 })))).toBe("ETXTBSY");
  x.decRef();
  const w = t.open("d/f", O.O_RDWR);
  expect(errorOf(() => vfs.openAt(c, t.pop("d/f"), exec))).toBe("ETXTBSY");
  w.decRef();
  vfs.openAt(c, t.pop("d/f"), exec).decRef();
  vfs.umountAt(c, t.pop("b"), 0);
});

test("recursive binds, moves, detached trees", () => {
  const t = make();
  const { vfs, creds: c } = t;
  const opts = { data: "", internalData: null, flags: 0 };
  vfs.mountAt(c, "a", t.pop("d/e"), "tmpfs", opts);
  vfs.mkdirAt(c, t.pop("d/e/in"), 0o755);
  vfs.mkdirAt(c, t.pop("copy"), 0o755);
  vfs.bindMountAt(c, t.pop("d"), t.pop("copy"), true);
  expect(ino(t, "copy/e/in")).toBe(ino(t, "d/e/in"));
  vfs.mkdirAt(c, t.pop("to"), 0o755);
  vfs.moveMountAt(c, t.pop("copy"), t.pop("to"));
  expect(ino(t, "to/e/in")).toBe(ino(t, "d/e/in"));
  expect(errorOf(() => ino(t, "copy/e"))).toBe("ENOENT");
  const vd = vfs.getDentryAt(c, t.pop("to/e/in"));
  vd.incRef();
  vfs.umountAt(c, t.pop("to"), 2);
  expect(vfs.pathnameForGetcwd(t.root, vd)).toBe("(unreachable)/in");
  expect(errorOf(() => ino(t, "to/e"))).toBe("ENOENT");
  vd.decRef();
  expect(vfs.mountInfo(t.root).trimEnd().split("\n").length).toBe(2);
});

test("a chroot cannot be left", () => {
  const t = make();
  const { vfs, creds: c } = t;
  const root = vfs.getDentryAt(c, t.pop("d"));
  root.incRef();
  vfs.symlinkAt(c, t.pop("d/abs"), "/f");
  const st = new Statx();
  const p = t.pop("../../abs");
  p.root = root;
  p.start = root;
  vfs.statAt(c, p, st);
  expect(st.ino).toBe(ino(t, "d/f"));
  root.decRef();
});

test("pivot_root", () => {
  const t = make();
  const { vfs, creds: c } = t;
  vfs.mountAt(c, "new", t.pop("d"), "tmpfs", { data: "", internalData: null, flags: 0 });
  vfs.mkdirAt(c, t.pop("d/old"), 0o755);
  expect(errorOf(() => vfs.pivotRootAt(c, t.pop("l"), t.pop("d/old")))).not.toBe("");
  const ns = t.root.mount.ns;
  vfs.pivotRootAt(c, t.pop("d"), t.pop("d/old"));
  expect(ns?.root.mount.source).toBe("new");
  const root = ns === null || ns === undefined ? t.root : ns.root;
  const p = t.pop("/old/lf", false);
  p.root = root;
  const st = new Statx();
  vfs.statAt(c, p, st);
  expect(st.mode & S.S_IFMT).toBe(S.S_IFLNK);
  expect(ns?.mountCount).toBe(2);
  const copy = vfs.cloneMountNamespace(root.mount.ns ?? (ns as never), t.rootCreds.userNamespace, 1, []);
  expect(vfs.mountInfo(copy.root).trimEnd().split("\n").length).toBe(2);
  copy.decRef();
});

test("the dentry cache stays within its limit and loses nothing that is held", () => {
  const t = new TestFS("", 64);
  const { vfs, creds: c } = t;
  vfs.mkdirAt(c, t.pop("keep"), 0o755);
  const held = t.open("keep", O.O_RDONLY);
  for (let i = 0; i < 500; i++) {
    vfs.mkdirAt(c, t.pop(`d${i}`), 0o755);
    t.open(`d${i}/f`, O.O_CREAT).decRef();
  }
  expect(vfs.dentryCache.count).toBeLessThan(80);
  expect(t.open("keep", O.O_RDONLY).vd.dentry).toBe(held.vd.dentry);
  for (let i = 0; i < 500; i++) expect(errorOf(() => ino(t, `d${i}/f`))).toBe("");
  expect(vfs.walkersInUse).toBe(0);
});

class Collect implements DirentCallback {
  names: string[] = [];
  room: number;
  constructor(room: number) {
    this.room = room;
  }
  handle(name: string): boolean {
    if (this.room-- <= 0) return false;
    this.names.push(name);
    return true;
  }
}

test("directories can be read while they change", () => {
  const t = new TestFS();
  for (let i = 0; i < 10; i++) t.open(`f${i}`, O.O_CREAT).decRef();
  const dir = t.open("/", O.O_RDONLY);
  const some = new Collect(5);
  dir.iterDirents(some);
  expect(some.names).toEqual([".", "..", "f9", "f8", "f7"]);
  t.vfs.unlinkAt(t.creds, t.pop("f7"));
  t.vfs.unlinkAt(t.creds, t.pop("f6"));
  t.open("g", O.O_CREAT).decRef();
  const rest = new Collect(100);
  dir.iterDirents(rest);
  expect(rest.names).toEqual(["f5", "f4", "f3", "f2", "f1", "f0"]);
  expect(dir.seek(0, O.SEEK_SET)).toBe(0);
  const again = new Collect(2);
  dir.iterDirents(again);
  expect(again.names).toEqual([".", ".."]);
  dir.decRef();
});

test("what gets a second name is not dropped from memory meanwhile", () => {
  const t = make();
  const { vfs, rootCreds: c } = t;
  const { inode } = vfs.getDentryAt(c, t.pop("/d/f"));
  const before = inode.refs;
  const { limit } = vfs.dentryCache;
  vfs.dentryCache.limit = 0;
  vfs.linkAt(c, t.pop("/d/f"), t.pop("/d/g"));
  vfs.dentryCache.limit = limit;
  expect(vfs.getDentryAt(c, t.pop("/d/g")).inode).toBe(inode);
  expect(inode.refs).toBe(before + 1);
});
