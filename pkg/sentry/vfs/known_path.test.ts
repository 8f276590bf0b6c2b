import { afterAll, expect, test } from "bun:test";
import * as fs from "node:fs";
import { join } from "node:path";
import * as O from "../../abi/linux/file.ts";
import { MNT_DETACH, MS_NOSYMFOLLOW } from "../../abi/linux/fs.ts";
import { makeDeviceID, S_IFCHR, S_IFIFO } from "../../abi/linux/stat.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { GoferFilesystem, GoferOptions } from "../fsimpl/gofer/index.ts";
import { OverlayFilesystem, OverlayOptions } from "../fsimpl/overlay/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import {
  ATTR_GID,
  ATTR_MODE,
  ATTR_UID,
  type Filesystem,
  KnownPath,
  PathOperation,
  SetStatOptions,
  Statx,
  type VirtualDentry,
} from "./index.ts";
import { errorOf, TestFS } from "./testutil/index.ts";

const top = fs.mkdtempSync("/tmp/known-path-test-");
afterAll(() => fs.rmSync(top, { recursive: true }));

/** A filesystem as a root, and what is known of the paths that are used in it. */
class World {
  readonly t: TestFS;
  readonly dir: string = fs.mkdtempSync(join(top, "d"));
  root: VirtualDentry;
  cwd: VirtualDentry;
  creds: Credentials;
  readonly known: Map<string, KnownPath> = new Map();

  /** `trustFor` milliseconds; Infinity: the host's directory is ours. */
  constructor(kind: "tmpfs" | "gofer" | "overlay", trustFor: number) {
    this.t = new TestFS();
    fs.chmodSync(this.dir, 0o755);
    const { vfs, root } = this.t;
    this.root = root;
    if (kind !== "tmpfs") {
      const opts = new GoferOptions(host.open(this.dir, O.O_PATH | O.O_DIRECTORY | O.O_CLOEXEC));
      opts.exclusive = trustFor === Number.POSITIVE_INFINITY;
      opts.trustFor = opts.exclusive ? 0 : trustFor;
      let f: Filesystem = new GoferFilesystem(vfs, opts, this.t.memoryFile.fileIDs);
      if (kind === "overlay") {
        const lower = vfs.newDisconnectedMount(f, f.rootDentry(), "", 0).rootVD;
        const layers = new OverlayOptions(root, [lower]);
        layers.private = true;
        f = new OverlayFilesystem(vfs, layers, this.t.creds);
      }
      this.root = vfs.newMountNamespaceFrom(f, "none", 0, this.t.creds.userNamespace).root;
    }
    this.root.incRef();
    this.cwd = this.root;
    this.creds = this.t.creds;
  }

  pop(path: string, follow = true): PathOperation {
    return new PathOperation(this.root, this.cwd, path, follow);
  }

  /** The same path again and again, as a kernel has it. */
  again(path: string, follow = true): PathOperation {
    const pop = this.pop(path, follow);
    let known = this.known.get(path);
    if (known === undefined) {
      known = new KnownPath();
      known.become(path);
      this.known.set(path, known);
    }
    pop.known = known;
    return pop;
  }

  /** Where a path leads, or what is wrong with it. */
  where(pop: PathOperation): string {
    const st = new Statx();
    try {
      const r = this.t.vfs.tryStatAt(this.creds, pop, st);
      return r < 0 ? "ENOENT" : textOf(st);
    } catch (e) {
      if (e instanceof LinuxError) return e.name;
      throw e;
    }
  }

  /** As where(), for a path that holds, without a path operation. */
  whereKnown(known: KnownPath): string {
    if (known.missing) return "ENOENT";
    const st = new Statx();
    if (!this.t.vfs.statKnown(known, st)) throw new Error("stale");
    return textOf(st);
  }

  /** What is opened at the end of a path. */
  opened(pop: PathOperation): string {
    try {
      const file = this.t.vfs.tryOpenAt(this.creds, pop, { flags: O.O_RDONLY | O.O_NONBLOCK, mode: 0 });
      if (file === null) return "ENOENT";
      const at = `${file.vd.mount.id}:${file.vd.dentry.serial}:${file.inode.ino}`;
      file.decRef();
      return at;
    } catch (e) {
      if (e instanceof LinuxError) return e.name;
      throw e;
    }
  }

  setStat(path: string, mask: number, v: Partial<SetStatOptions>): void {
    const o = Object.assign(new SetStatOptions(), v);
    o.mask = mask;
    this.t.vfs.setStatAt(this.t.creds, this.pop(path, false), o);
  }

  make(path: string): void {
    this.t.vfs.openAt(this.t.creds, this.pop(path), { flags: O.O_CREAT | O.O_RDWR, mode: 0o644 }).decRef();
  }

  mount(path: string): void {
    this.t.vfs.mountAt(this.t.creds, "none", this.pop(path), "tmpfs", {
      flags: 0,
      data: "mode=755",
      internalData: null,
    });
  }
}

function textOf(st: Statx): string {
  return `${st.mountID}:${st.dev}:${st.ino}:${st.mode}:${st.uid}:${st.size}`;
}

/** A generator of pseudo-random numbers below n. */
function random(seed: number): (n: number) => number {
  let s = seed;
  return (n) => {
    s = (Math.imul(s, 1103515245) + 12345) >>> 0;
    return (s >>> 8) % n;
  };
}

const NAMES = ["a", "b", "c", "..", "."];

for (const kind of ["tmpfs", "gofer", "overlay"] as const) {
  test.each([1, 2, 3])(`what is known is what a walk finds, ${kind}, seed %d`, (seed) => {
    const w = new World(kind, Number.POSITIVE_INFINITY);
    const { vfs, creds: root, userCreds } = w.t;
    const next = random(seed);
    const real = w.root;
    const path = (): string => {
      let p = "";
      for (let i = next(4); i >= 0; i--) p += `/${NAMES[next(NAMES.length)]}`;
      if (next(8) === 0) p += "/";
      return next(3) === 0 ? p.slice(1) : p;
    };
    const steps: (() => void)[] = [
      () => vfs.mkdirAt(root, w.pop(path()), 0o755),
      () => vfs.mkdirAt(root, w.pop(path()), 0o755),
      () => w.make(path()),
      () => w.make(path()),
      () => vfs.symlinkAt(root, w.pop(path()), path()),
      () => vfs.mknodAt(root, w.pop(path()), S_IFIFO | 0o644, 0),
      () => vfs.linkAt(root, w.pop(path(), false), w.pop(path())),
      () => vfs.unlinkAt(root, w.pop(path())),
      () => vfs.rmdirAt(root, w.pop(path())),
      () => vfs.renameAt(root, w.pop(path()), w.pop(path()), 0),
      () => vfs.renameAt(root, w.pop(path()), w.pop(path()), 2),
      () => w.setStat(path(), ATTR_MODE, { mode: [0o755, 0o700, 0o711, 0o644][next(4)] ?? 0 }),
      () => w.setStat(path(), ATTR_UID | ATTR_GID, { uid: next(2) * 1000, gid: next(2) * 1000 }),
      () => w.mount(path()),
      () => vfs.bindMountAt(root, w.pop(path()), w.pop(path()), false),
      () => vfs.umountAt(root, w.pop(path()), MNT_DETACH),
      () => vfs.remountAt(root, w.pop(path()), next(2) === 0 ? MS_NOSYMFOLLOW : 0),
      () => {
        // Drops what nobody uses.
        const { dentryCache } = vfs;
        const { limit } = dentryCache;
        dentryCache.limit = 2;
        w.where(w.pop("/"));
        dentryCache.limit = limit;
      },
      () => {
        w.creds = next(2) === 0 ? root : userCreds;
      },
      () => {
        const vd = vfs.getDentryAt(root, new PathOperation(real, real, next(3) === 0 ? path() : "/", true));
        vd.incRef();
        if (vd.inode.isDir()) w.root = vd;
      },
      () => {
        const vd = vfs.getDentryAt(root, new PathOperation(real, real, path(), true));
        vd.incRef();
        if (vd.inode.isDir()) w.cwd = vd;
      },
    ];
    let held = 0;
    for (let i = 0; i < 2500; i++) {
      try {
        steps[next(steps.length)]?.();
      } catch (e) {
        if (!(e instanceof LinuxError)) throw e;
      }
      for (let k = 0; k < 6; k++) {
        const p = path();
        const follow = next(2) === 0;
        const pop = w.again(p, follow);
        const start = p.startsWith("/") ? null : w.cwd;
        const holds = pop.known?.holds(vfs, w.creds, w.root, start, follow) === true;
        const where = w.where(w.pop(p, follow));
        const known = holds && pop.known !== null ? w.whereKnown(pop.known) : where;
        if (known !== where) throw new Error(`step ${i}: ${p} is known to lead to ${known} instead of ${where}`);
        const file = w.opened(w.pop(p, follow));
        const opened = w.opened(pop);
        if (opened !== file) throw new Error(`step ${i}: ${p} opens ${opened} instead of ${file}`);
        const seen = w.where(pop);
        if (seen !== where) throw new Error(`step ${i}: ${p} leads to ${seen} instead of ${where}`);
        if (holds) held++;
      }
    }
    // Otherwise this tests nothing.
    expect(held).toBeGreaterThan(200);
  });
}

for (const kind of ["gofer", "overlay"] as const) {
  test.each([1, 2, 3])(`what is asked for again is what a walk finds, ${kind}, seed %d`, (seed) => {
    const trustFor = 3;
    const w = new World(kind, trustFor);
    const { vfs, creds: root, userCreds } = w.t;
    const next = random(seed);
    const names = ["a", "b", "c"];
    const path = (): string => {
      let p = "";
      for (let i = next(3); i >= 0; i--) p += `/${names[next(names.length)]}`;
      return p;
    };
    const onHost = (): string => join(w.dir, path());
    const steps: (() => void)[] = [
      () => fs.mkdirSync(onHost()),
      () => fs.mkdirSync(onHost()),
      () => fs.writeFileSync(onHost(), "x".repeat(next(5))),
      () => fs.writeFileSync(onHost(), "x".repeat(next(5))),
      () => fs.rmSync(onHost()),
      () => fs.rmdirSync(onHost()),
      () => fs.renameSync(onHost(), onHost()),
      () => fs.symlinkSync(path().slice(1), onHost()),
      () => fs.chmodSync(onHost(), [0o755, 0o700, 0o644][next(3)] ?? 0),
      () => {
        w.creds = next(2) === 0 ? root : userCreds;
      },
    ];
    let held = 0;
    for (let i = 0; i < 250; i++) {
      try {
        steps[next(steps.length)]?.();
      } catch {
        // Not everything can be done.
      }
      Bun.sleepSync(trustFor + 1);
      for (let k = 0; k < 8; k++) {
        const p = path();
        const follow = next(2) === 0;
        const pop = w.again(p, follow);
        const holds = pop.known?.holds(vfs, w.creds, w.root, null, follow) === true;
        const known = holds && pop.known !== null ? w.whereKnown(pop.known) : "";
        const where = w.where(w.pop(p, follow));
        if (holds && known !== where)
          throw new Error(`step ${i}: ${p} is known to lead to ${known} instead of ${where}`);
        const seen = w.where(pop);
        if (seen !== where) throw new Error(`step ${i}: ${p} leads to ${seen} instead of ${where}`);
        if (holds) held++;
      }
    }
    // Otherwise this tests nothing.
    expect(held).toBeGreaterThan(100);
  });
}

test("links and mounts are seen at once", () => {
  const w = new World("tmpfs", Number.POSITIVE_INFINITY);
  const { vfs, creds } = w.t;
  vfs.mkdirAt(creds, w.pop("/d"), 0o755);
  vfs.mkdirAt(creds, w.pop("/e"), 0o755);
  w.make("/d/f");
  w.make("/e/f");
  const f = w.where(w.again("/d/f"));
  expect(w.where(w.again("/d/f"))).toBe(f);
  // A link in place of the directory.
  vfs.renameAt(creds, w.pop("/d"), w.pop("/old"), 0);
  vfs.symlinkAt(creds, w.pop("/d"), "e");
  expect(w.where(w.again("/d/f"))).toBe(w.where(w.pop("/e/f")));
  vfs.unlinkAt(creds, w.pop("/d"));
  expect(w.where(w.again("/d/f"))).toBe("ENOENT");
  vfs.renameAt(creds, w.pop("/old"), w.pop("/d"), 0);
  expect(w.where(w.again("/d/f"))).toBe(f);
  // Something mounted over it.
  w.mount("/d");
  expect(w.where(w.again("/d/f"))).toBe("ENOENT");
  vfs.umountAt(creds, w.pop("/d"), 0);
  expect(w.where(w.again("/d/f"))).toBe(f);
  // The end itself is another file, or a link.
  vfs.unlinkAt(creds, w.pop("/d/f"));
  expect(w.where(w.again("/d/f"))).toBe("ENOENT");
  vfs.symlinkAt(creds, w.pop("/d/f"), "/e/f");
  expect(w.where(w.again("/d/f", false))).toBe(w.where(w.pop("/d/f", false)));
  expect(w.where(w.again("/d/f"))).toBe(w.where(w.pop("/e/f")));
  // Another root.
  w.root = vfs.getDentryAt(creds, w.pop("/e"));
  expect(w.where(w.again("/d/f"))).toBe("ENOENT");
});

test("the right to search is asked for again by others, and when it changes", () => {
  for (const kind of ["tmpfs", "gofer", "overlay"] as const) {
    const w = new World(kind, 1e9);
    const { vfs, creds, userCreds } = w.t;
    vfs.mkdirAt(creds, w.pop("/d"), 0o755);
    w.make("/d/f");
    const f = w.where(w.again("/d/f"));
    w.creds = userCreds;
    expect(w.where(w.again("/d/f"))).toBe(f);
    w.setStat("/d", ATTR_MODE, { mode: 0o700 });
    expect(w.where(w.again("/d/f"))).toBe("EACCES");
    expect(w.where(w.again("/d/none"))).toBe("EACCES");
    w.creds = creds;
    expect(w.where(w.again("/d/f"))).toBe(f);
    // Known to root only.
    w.creds = userCreds;
    expect(w.where(w.again("/d/f"))).toBe("EACCES");
    w.setStat("/d", ATTR_UID, { uid: userCreds.fsKUID });
    expect(w.where(w.again("/d/f"))).toBe(f);
    w.setStat("/d", ATTR_UID, { uid: 0 });
    expect(w.where(w.again("/d/f"))).toBe("EACCES");
  }
});

test("modes of files, and names of what leads nowhere, change nothing for other paths", () => {
  for (const kind of ["tmpfs", "overlay"] as const) {
    const w = new World(kind, Number.POSITIVE_INFINITY);
    const { vfs, creds } = w.t;
    vfs.mkdirAt(creds, w.pop("/d"), 0o755);
    for (const name of ["/d/f", "/d/g"]) w.make(name);
    vfs.mknodAt(creds, w.pop("/d/fifo"), S_IFIFO | 0o644, 0);
    vfs.mknodAt(creds, w.pop("/d/null"), S_IFCHR | 0o644, makeDeviceID(1, 3));
    const holds = (path: string): boolean => w.again(path).known?.holds(vfs, creds, w.root, null, true) === true;
    for (const path of ["/d/f", "/d/null"]) w.where(w.again(path));
    w.setStat("/d/f", ATTR_MODE | ATTR_UID, { mode: 0o600, uid: 7 });
    vfs.unlinkAt(creds, w.pop("/d/fifo"));
    vfs.unlinkAt(creds, w.pop("/d/g"));
    expect(holds("/d/f")).toBe(true);
    expect(w.where(w.again("/d/f"))).toBe(w.where(w.pop("/d/f")));
    expect(holds("/d/null")).toBe(true);
    vfs.unlinkAt(creds, w.pop("/d/null"));
    expect(holds("/d/null")).toBe(false);
    w.setStat("/d", ATTR_MODE, { mode: 0o700 });
    expect(holds("/d/f")).toBe(false);
  }
});

test("names that were missing are seen when they are made", () => {
  for (const kind of ["tmpfs", "gofer", "overlay"] as const) {
    const w = new World(kind, Number.POSITIVE_INFINITY);
    const { vfs, creds } = w.t;
    const missing = (path: string): void => {
      for (let i = 0; i < 2; i++) expect(w.where(w.again(path))).toBe("ENOENT");
    };
    const there = (path: string): void => expect(w.where(w.again(path))).toBe(w.where(w.pop(path)));
    missing("/f");
    w.make("/f");
    there("/f");
    missing("/d/f");
    vfs.mkdirAt(creds, w.pop("/d"), 0o755);
    missing("/d/f");
    vfs.renameAt(creds, w.pop("/f"), w.pop("/d/f"), 0);
    there("/d/f");
    missing("/f");
    vfs.linkAt(creds, w.pop("/d/f"), w.pop("/f"));
    there("/f");
    missing("/l");
    vfs.symlinkAt(creds, w.pop("/l"), "f");
    there("/l");
    expect(errorOf(() => vfs.mkdirAt(creds, w.again("/l"), 0o755))).toBe("EEXIST");
  }
});

test("what others do on the host is seen after the time for which it is trusted", () => {
  const trustFor = 150;
  for (const kind of ["gofer", "overlay"] as const) {
    const w = new World(kind, trustFor);
    const at = (path: string): string => join(w.dir, path);
    fs.mkdirSync(at("d/e"), { recursive: true });
    fs.mkdirSync(at("x"));
    fs.writeFileSync(at("d/e/f"), "one");
    fs.writeFileSync(at("x/f"), "other one");
    const sizeOf = (path: string): string => w.where(w.again(path)).split(":").at(-1) ?? "";
    const wait = (): void => Bun.sleepSync(trustFor + 10);
    expect(sizeOf("/d/e/f")).toBe("3");
    expect(sizeOf("/d/e/g")).toBe("ENOENT");
    fs.writeFileSync(at("d/e/f"), "longer");
    fs.writeFileSync(at("d/e/g"), "g");
    wait();
    expect(sizeOf("/d/e/f")).toBe("6");
    expect(sizeOf("/d/e/g")).toBe("1");
    // A directory on the way goes, a link comes in its place.
    fs.renameSync(at("d/e"), at("e"));
    fs.symlinkSync("../x", at("d/e"));
    wait();
    expect(sizeOf("/d/e/f")).toBe("9");
    expect(sizeOf("/d/e/g")).toBe("ENOENT");
    fs.rmSync(at("d/e"));
    fs.renameSync(at("e"), at("d/e"));
    wait();
    expect(sizeOf("/d/e/f")).toBe("6");
    w.creds = w.t.userCreds;
    expect(sizeOf("/d/e/f")).toBe("6");
    fs.chmodSync(at("d"), 0o700);
    wait();
    expect(sizeOf("/d/e/f")).toBe("EACCES");
    // Each use does not make it good for longer.
    fs.chmodSync(at("d"), 0o755);
    wait();
    const until = performance.now() + trustFor + 10;
    expect(sizeOf("/d/e/f")).toBe("6");
    fs.rmSync(at("d/e/f"));
    while (performance.now() < until) sizeOf("/d/e/f");
    expect(sizeOf("/d/e/f")).toBe("ENOENT");
  }
});

test("a name is not trusted for longer because another one of the file was seen", () => {
  const trustFor = 300;
  for (const kind of ["gofer", "overlay"] as const) {
    const w = new World(kind, trustFor);
    const at = (path: string): string => join(w.dir, path);
    fs.writeFileSync(at("a"), "one");
    fs.linkSync(at("a"), at("b"));
    // Once to be seen, once to be remembered.
    for (let i = 0; i < 2; i++) expect(w.where(w.again("/b"))).not.toBe("ENOENT");
    const until = performance.now() + trustFor + 10;
    fs.rmSync(at("b"));
    Bun.sleepSync(trustFor / 2);
    for (let i = 0; i < 2; i++) expect(w.where(w.again("/a"))).not.toBe("ENOENT");
    const { vfs, creds } = w.t;
    try {
      vfs.openAt(creds, w.again("/b"), { flags: O.O_RDONLY, mode: 0 }).decRef();
    } catch (e) {
      if (!(e instanceof LinuxError)) throw e;
    }
    while (performance.now() < until) w.where(w.again("/b"));
    expect(w.where(w.again("/b"))).toBe("ENOENT");
    expect(w.where(w.again("/a"))).not.toBe("ENOENT");
  }
});

test("a missing name is not trusted for longer because a layer remembers it", () => {
  const trustFor = 300;
  const w = new World("overlay", trustFor);
  // As when another name takes its place in the table.
  const forget = (): void => w.t.vfs.missingNames.forget(w.root.dentry, "f");
  for (let i = 0; i < 3; i++) {
    expect(w.where(w.pop("/f"))).toBe("ENOENT");
    forget();
  }
  const until = performance.now() + trustFor + 10;
  fs.writeFileSync(join(w.dir, "f"), "");
  Bun.sleepSync(trustFor / 2);
  forget();
  while (performance.now() < until) w.where(w.pop("/f"));
  expect(w.where(w.again("/f"))).not.toBe("ENOENT");
});

test("what is shared with the host is asked for each time", () => {
  const w = new World("overlay", 0);
  fs.writeFileSync(join(w.dir, "f"), "one");
  expect(w.where(w.again("/f")).endsWith(":3")).toBe(true);
  fs.writeFileSync(join(w.dir, "f"), "four");
  expect(w.where(w.again("/f")).endsWith(":4")).toBe(true);
  fs.rmSync(join(w.dir, "f"));
  expect(w.where(w.again("/f"))).toBe("ENOENT");
  fs.writeFileSync(join(w.dir, "f"), "one");
  expect(w.where(w.again("/f")).endsWith(":3")).toBe(true);
});

test("a link that keeps no access time is not walked again, and not taken for its target", () => {
  for (const kind of ["gofer", "overlay"] as const) {
    const w = new World(kind, Number.POSITIVE_INFINITY);
    const { vfs, creds } = w.t;
    fs.mkdirSync(join(w.dir, "d"));
    fs.writeFileSync(join(w.dir, "d/f"), "one");
    fs.symlinkSync("d", join(w.dir, "l"));
    fs.symlinkSync("f", join(w.dir, "d/k"));
    const f = w.where(w.pop("/d/f"));
    expect(w.where(w.again("/l/k"))).toBe(f);
    const pop = w.again("/l/k");
    expect(pop.known?.holds(vfs, creds, w.root, null, true)).toBe(true);
    expect(pop.known?.holds(vfs, creds, w.root, null, false)).toBe(false);
    expect(w.where(w.again("/l/k", false))).toBe(w.where(w.pop("/d/k", false)));
    expect(w.where(w.again("/l/k"))).toBe(f);
    vfs.unlinkAt(creds, w.pop("/d/f"));
    expect(w.where(w.again("/l/k"))).toBe("ENOENT");
    expect(w.where(w.again("/l/k", false))).toBe(w.where(w.pop("/d/k", false)));
    vfs.unlinkAt(creds, w.pop("/l"));
    expect(w.where(w.again("/l/k", false))).toBe("ENOENT");
  }
  // Here each use of the link is to be seen.
  const w = new World("tmpfs", Number.POSITIVE_INFINITY);
  w.make("/f");
  w.t.vfs.symlinkAt(w.t.creds, w.pop("/l"), "f");
  w.where(w.again("/l"));
  expect(w.again("/l").known?.holds(w.t.vfs, w.creds, w.root, null, true)).toBe(false);
});
