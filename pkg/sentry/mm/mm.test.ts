import { expect, test } from "bun:test";
import * as linux from "../../abi/linux/mm.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK } from "../../abi/linux/rlimit.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { IovecArray } from "../../hostsyscall/iovec.ts";
import { type MMapOpts, newMMapOpts } from "../memmap/index.ts";
import { MemoryFile } from "../pgalloc/index.ts";
import {
  FAULT_ACCERR,
  FAULT_BUSERR,
  FAULT_MAPERR,
  FAULT_NOMEM,
  LOCK_EAGER,
  LOCK_ONFAULT,
  MemoryManager,
  mapsLine,
  SharedKey,
  smapsBlock,
  statm,
} from "./index.ts";
import {
  checkMM,
  FakeAddressSpace,
  FakeFile,
  FakeLimits,
  FakePlatform,
  guestLoad,
  guestStore,
} from "./testutil/fake_platform.ts";

host.safeInstall();
const PAGE = 4096;
const AT = 0x10000000;

class World {
  readonly platform = new FakePlatform();
  readonly memoryFile: MemoryFile;
  readonly limits = new FakeLimits();
  readonly mm: MemoryManager;
  constructor(limit?: number) {
    this.memoryFile = new MemoryFile(limit === undefined ? {} : { limit });
    this.mm = new MemoryManager({ platform: this.platform, memoryFile: this.memoryFile, limits: this.limits });
    this.mm.setLayout({ mmapBase: 0x7ffff0000000, topDown: true });
  }
  space(): FakeAddressSpace {
    const as = this.mm.activate();
    if (!(as instanceof FakeAddressSpace)) throw new Error("not fake");
    return as;
  }
  map(opts: Partial<MMapOpts>): number {
    return this.mm.mmap({ ...newMMapOpts(), length: PAGE, perms: 3, ...opts });
  }
  fixed(addr: number, length: number, opts: Partial<MMapOpts> = {}): number {
    return this.map({ addr, length, fixed: true, unmap: true, ...opts });
  }
  mapFile(f: FakeFile, addr: number, length: number, opts: Partial<MMapOpts> = {}): number {
    f.incRef();
    return this.fixed(addr, length, { mappable: f, mappingIdentity: f, ...opts });
  }
  end(): void {
    this.mm.decUsers();
    expect(this.memoryFile.usedBytes).toBe(0);
    this.memoryFile.destroy();
  }
}

/** The name of the error that f throws. */
function errorOf(f: () => unknown): string {
  try {
    f();
  } catch (e) {
    if (e instanceof LinuxError) return e.name;
    throw e;
  }
  return "";
}

test("mappings go down from the base, hints and flags decide", () => {
  const w = new World();
  const a = w.map({ length: 8 * PAGE });
  expect(a).toBe(0x7ffff0000000 - 8 * PAGE);
  const b = w.map({ length: PAGE, perms: 1 });
  expect(b).toBe(a - PAGE);
  w.mm.munmap(a + 2 * PAGE, 2 * PAGE);
  expect(w.map({ length: 2 * PAGE, perms: 1 })).toBe(a + 2 * PAGE);
  expect(w.map({ addr: AT + 5, length: PAGE })).toBe(AT + PAGE);
  expect(w.map({ addr: AT, length: 2 * PAGE })).toBeLessThan(b);
  const low = w.map({ map32Bit: true });
  expect(low).toBe(0x40000000);
  expect(errorOf(() => w.map({ addr: AT + PAGE, fixed: true }))).toBe("EEXIST");
  expect(errorOf(() => w.fixed(AT + 1, PAGE))).toBe("EINVAL");
  expect(errorOf(() => w.fixed(0x8000, PAGE))).toBe("EPERM");
  expect(errorOf(() => w.fixed(0x7ffffffff000, PAGE))).toBe("ENOMEM");
  expect(errorOf(() => w.map({ length: 0x800000000000 }))).toBe("ENOMEM");
  expect(w.map({ addr: 0x8000, length: PAGE })).toBe(0x10000);
  checkMM(w.mm);
  w.end();
});

test("faults report what Linux would signal", () => {
  const w = new World();
  w.fixed(AT, PAGE, { perms: 1 });
  w.fixed(AT + PAGE, PAGE, { perms: 0 });
  w.fixed(AT + 2 * PAGE, PAGE, { perms: 2 });
  expect(guestLoad(w.mm, AT - 1)).toBe(FAULT_MAPERR);
  expect(guestLoad(w.mm, AT)).toBe(0);
  expect(guestStore(w.mm, AT, 1)).toBe(FAULT_ACCERR);
  expect(guestLoad(w.mm, AT + PAGE)).toBe(FAULT_ACCERR);
  expect(guestLoad(w.mm, AT + 2 * PAGE)).toBe(0);
  expect(w.mm.handleUserFault(AT + 2 * PAGE, 4)).toBe(FAULT_ACCERR);
  expect(w.mm.handleUserFault(2 ** 53, 1)).toBe(FAULT_MAPERR);
  w.end();
});

test("a large mapping takes few host mappings, two threads may fault together", () => {
  const w = new World();
  const size = 16 * 1024 * 1024;
  w.fixed(AT, size);
  const as = w.space();
  for (let o = 0; o < size; o += PAGE) expect(guestStore(w.mm, AT + o, 1)).toBe(0);
  expect(as.maps).toBeLessThan(16);
  expect(w.mm.pmas.count).toBe(1);
  const before = as.maps;
  expect(w.mm.handleUserFault(AT, 2)).toBe(0);
  expect(as.maps).toBe(before);
  // The mapping got lost: the second fault in a row makes it again.
  as.pages.delete(AT);
  expect(guestLoad(w.mm, AT)).toBe(1);
  w.end();
});

// Larger than what is mapped before it is touched.
test("a full host drops its mappings and goes on", () => {
  const w = new World();
  w.fixed(AT, 32 * PAGE);
  const as = w.space();
  guestStore(w.mm, AT, 5);
  w.fixed(AT + 64 * PAGE, 32 * PAGE);
  as.failMaps = 1;
  expect(guestStore(w.mm, AT + 64 * PAGE, 6)).toBe(0);
  expect(as.pages.has(AT)).toBe(false);
  checkMM(w.mm);
  expect(guestLoad(w.mm, AT)).toBe(5);
  as.failMaps = 9;
  w.fixed(AT + 128 * PAGE, 32 * PAGE);
  expect(w.mm.handleUserFault(AT + 128 * PAGE, 2)).toBe(FAULT_BUSERR);
  as.failMaps = 0;
  w.end();
});

test("memory limits shrink the pieces, then refuse", () => {
  const w = new World(40 * PAGE);
  w.fixed(AT, 1024 * PAGE);
  expect(guestStore(w.mm, AT + 512 * PAGE, 1)).toBe(0);
  expect(w.memoryFile.usedBytes).toBe(16 * PAGE);
  let n = 0;
  while (guestStore(w.mm, AT + n * PAGE, 1) === 0) n++;
  expect(n).toBe(24);
  expect(guestStore(w.mm, AT + n * PAGE, 1)).toBe(FAULT_NOMEM);
  expect(w.memoryFile.usedBytes).toBe(40 * PAGE);
  w.end();
});

test("private file mappings copy on write, shared ones do not; truncation takes away", () => {
  const w = new World();
  const f = new FakeFile(w.memoryFile.fileIDs.newFileID(), 40 * PAGE);
  const shared = AT + 0x100000;
  w.mapFile(f, AT, 40 * PAGE);
  w.mapFile(f, shared, 48 * PAGE, { isPrivate: false });
  const as = w.space();
  expect(guestLoad(w.mm, AT + 30 * PAGE)).toBe(130);
  expect(as.maps).toBe(1);
  expect(guestLoad(w.mm, AT)).toBe(100);
  expect(as.maps).toBe(1);
  expect(guestStore(w.mm, AT + 20 * PAGE, 1)).toBe(0);
  expect(guestLoad(w.mm, shared + 20 * PAGE)).toBe(120);
  expect(guestStore(w.mm, shared + 35 * PAGE, 2)).toBe(0);
  expect(guestLoad(w.mm, AT + 35 * PAGE)).toBe(2);
  expect(guestLoad(w.mm, shared + 41 * PAGE)).toBe(FAULT_BUSERR);
  expect(w.mm.rssAnon).toBe(16 * PAGE);
  f.truncate(18 * PAGE);
  checkMM(w.mm);
  expect(guestLoad(w.mm, AT + 17 * PAGE)).toBe(117);
  expect(guestLoad(w.mm, AT + 20 * PAGE)).toBe(FAULT_BUSERR);
  expect(guestLoad(w.mm, shared + 20 * PAGE)).toBe(FAULT_BUSERR);
  expect(w.memoryFile.usedBytes).toBe(2 * PAGE);
  // The sentry's copies stop where the file ends.
  const buf = new Uint8Array(4 * PAGE);
  expect(w.mm.copyIn(shared + 16 * PAGE, buf, 0, buf.length)).toBe(2 * PAGE);
  expect(errorOf(() => w.mm.copyIn(shared + 18 * PAGE, buf, 0, 1))).toBe("EFAULT");
  w.end();
  expect(f.pageRefs).toBe(0);
  expect(f.refs).toBe(1);
  f.destroy();
});

test("fork copies on write and gives write access back without copying", () => {
  const w = new World();
  w.fixed(AT, 64 * PAGE);
  w.fixed(AT + 0x100000, 4 * PAGE, { isPrivate: false });
  guestStore(w.mm, AT, 1);
  guestStore(w.mm, AT + 63 * PAGE, 2);
  guestStore(w.mm, AT + 0x100000, 3);
  const child = w.mm.fork();
  expect(guestLoad(child, AT)).toBe(1);
  guestStore(w.mm, AT, 10);
  expect(guestLoad(child, AT)).toBe(1);
  guestStore(child, AT + 63 * PAGE, 20);
  expect(guestLoad(w.mm, AT + 63 * PAGE)).toBe(2);
  guestStore(child, AT + 0x100000, 30);
  expect(guestLoad(w.mm, AT + 0x100000)).toBe(30);
  checkMM(w.mm);
  checkMM(child);
  const shared = w.memoryFile.usedBytes;
  child.decUsers();
  const as = w.space();
  const { maps, protects } = as;
  const used = w.memoryFile.usedBytes;
  expect(used).toBeLessThan(shared);
  guestStore(w.mm, AT + 40 * PAGE, 4);
  expect(as.maps).toBe(maps);
  expect(as.protects).toBe(protects + 1);
  expect(w.memoryFile.usedBytes).toBe(used);
  guestStore(w.mm, AT + 30 * PAGE, 4);
  expect(as.protects).toBe(protects + 1);
  checkMM(w.mm);
  w.end();
});

test("MADV_DONTFORK, WIPEONFORK, DONTNEED, REMOVE", () => {
  const w = new World();
  w.fixed(AT, 8 * PAGE);
  for (let i = 0; i < 8; i++) guestStore(w.mm, AT + i * PAGE, i + 1);
  w.mm.madvise(AT, PAGE, linux.MADV_DONTFORK);
  w.mm.madvise(AT + PAGE, PAGE, linux.MADV_WIPEONFORK);
  w.mm.madvise(AT + 2 * PAGE, PAGE, linux.MADV_DONTNEED);
  expect(guestLoad(w.mm, AT + 2 * PAGE)).toBe(0);
  const child = w.mm.fork();
  expect(guestLoad(child, AT)).toBe(FAULT_MAPERR);
  expect(guestLoad(child, AT + PAGE)).toBe(0);
  expect(guestLoad(child, AT + 3 * PAGE)).toBe(4);
  w.mm.madvise(AT + 3 * PAGE, PAGE, linux.MADV_DONTNEED);
  expect(guestLoad(w.mm, AT + 3 * PAGE)).toBe(0);
  expect(guestLoad(child, AT + 3 * PAGE)).toBe(4);
  child.decUsers();
  const shared = AT + 0x100000;
  w.fixed(shared, 4 * PAGE, { isPrivate: false });
  guestStore(w.mm, shared + PAGE, 9);
  w.mm.madvise(shared + PAGE, PAGE, linux.MADV_DONTNEED);
  expect(guestLoad(w.mm, shared + PAGE)).toBe(9);
  w.mm.madvise(shared + PAGE, PAGE, linux.MADV_REMOVE);
  expect(guestLoad(w.mm, shared + PAGE)).toBe(0);
  expect(errorOf(() => w.mm.madvise(AT, PAGE, linux.MADV_REMOVE))).toBe("EINVAL");
  expect(errorOf(() => w.mm.madvise(AT + 6 * PAGE, 4 * PAGE, linux.MADV_DONTNEED))).toBe("ENOMEM");
  expect(guestLoad(w.mm, AT + 7 * PAGE)).toBe(0);
  expect(errorOf(() => w.mm.madvise(AT, PAGE, linux.MADV_GUARD_INSTALL))).toBe("EINVAL");
  checkMM(w.mm);
  w.end();
});

test("the stack grows down to its limits", () => {
  const w = new World();
  w.limits.values.set(RLIMIT_STACK, 1024 * 1024);
  const top = 0x7fffe0000000;
  w.fixed(top - 32 * PAGE, 32 * PAGE, { growsDown: true, hint: "[stack]" });
  expect(guestStore(w.mm, top - 40 * PAGE, 7)).toBe(0);
  expect(guestStore(w.mm, top - 200 * PAGE, 7)).toBe(0);
  expect(guestStore(w.mm, top - 256 * PAGE, 7)).toBe(0);
  expect(guestStore(w.mm, top - 257 * PAGE, 7)).toBe(FAULT_MAPERR);
  expect(guestLoad(w.mm, top - 40 * PAGE)).toBe(7);
  // The gap below a stack stays free, and the stack keeps clear of its neighbours.
  expect(w.map({ addr: top - 300 * PAGE })).not.toBe(top - 300 * PAGE);
  w.limits.values.set(RLIMIT_STACK, Number.POSITIVE_INFINITY);
  w.fixed(top - 600 * PAGE, PAGE);
  expect(guestStore(w.mm, top - 343 * PAGE, 7)).toBe(0);
  expect(guestStore(w.mm, top - 344 * PAGE, 7)).toBe(FAULT_MAPERR);
  expect(w.mm.copyOut(top - 300 * PAGE, new Uint8Array(8), 0, 8)).toBe(8);
  checkMM(w.mm);
  w.end();
});

test("brk grows, shrinks and respects its limits", () => {
  const w = new World();
  const { mm } = w;
  mm.setBrk(AT + 100);
  expect(mm.brk(0)).toBe(AT + 100);
  expect(mm.brk(AT + 10 * PAGE)).toBe(AT + 10 * PAGE);
  guestStore(mm, AT + 9 * PAGE, 1);
  expect(guestLoad(mm, AT)).toBe(FAULT_MAPERR);
  expect(mm.brk(AT + 5 * PAGE)).toBe(AT + 5 * PAGE);
  expect(mm.brk(AT + 10 * PAGE)).toBe(AT + 10 * PAGE);
  expect(guestLoad(mm, AT + 9 * PAGE)).toBe(0);
  w.fixed(AT + 20 * PAGE, PAGE);
  expect(mm.brk(AT + 20 * PAGE)).toBe(AT + 10 * PAGE);
  expect(mm.brk(AT + 19 * PAGE)).toBe(AT + 19 * PAGE);
  w.limits.values.set(RLIMIT_DATA, 19 * PAGE);
  expect(mm.brk(AT + 19 * PAGE + 1)).toBe(AT + 19 * PAGE);
  const heap = mm.findVMA(AT + PAGE);
  expect(heap === null ? "" : mapsLine(heap)).toBe(
    "10001000-10013000 rw-p 00000000 00:00 0                                  [heap]\n",
  );
  w.end();
});

test("a heap that grows and shrinks stays one mapping, counted right, and comes back as zeros", () => {
  const w = new World();
  const { mm } = w;
  const as = w.space();
  mm.setBrk(AT);
  mm.brk(AT + 40 * PAGE);
  guestStore(mm, AT + 30 * PAGE, 7);
  guestStore(mm, AT + 39 * PAGE, 8);
  mm.brk(AT + 35 * PAGE);
  expect(guestLoad(mm, AT + 35 * PAGE)).toBe(FAULT_MAPERR);
  expect(as.pages.has(AT + 35 * PAGE)).toBe(false);
  expect([mm.totalVM, mm.dataVM, mm.rssAnon]).toEqual([35 * PAGE, 35 * PAGE, 35 * PAGE]);
  mm.brk(AT + 40 * PAGE);
  expect([mm.vmas.count, mm.totalVM, mm.dataVM]).toEqual([1, 40 * PAGE, 40 * PAGE]);
  expect([guestLoad(mm, AT + 30 * PAGE), guestLoad(mm, AT + 39 * PAGE)]).toEqual([7, 0]);
  // What was changed about the heap does not hold for what is added to it.
  mm.mprotect(AT, 40 * PAGE, 1);
  mm.brk(AT + 41 * PAGE);
  expect(mm.vmas.count).toBe(2);
  expect(guestStore(mm, AT + 40 * PAGE, 9)).toBe(0);
  expect(guestStore(mm, AT + 39 * PAGE, 9)).toBe(FAULT_ACCERR);
  mm.brk(AT + 20 * PAGE);
  expect([mm.vmas.count, mm.totalVM]).toEqual([1, 20 * PAGE]);
  checkMM(mm);
  w.end();
});

test("the end of a mapping goes without a trace, file mappings included", () => {
  const w = new World();
  const f = new FakeFile(w.memoryFile.fileIDs.newFileID(), 8 * PAGE);
  const as = w.space();
  w.mapFile(f, AT, 8 * PAGE, { perms: 3 });
  guestStore(w.mm, AT + 7 * PAGE, 1);
  guestLoad(w.mm, AT);
  w.mm.munmap(AT + 5 * PAGE, 9 * PAGE);
  expect([as.pages.has(AT + 4 * PAGE), as.pages.has(AT + 5 * PAGE)]).toEqual([true, false]);
  expect(guestLoad(w.mm, AT + 5 * PAGE)).toBe(FAULT_MAPERR);
  // A hole in the middle, and what is left of both sides.
  w.mm.munmap(AT + PAGE, PAGE);
  expect([guestLoad(w.mm, AT), guestLoad(w.mm, AT + PAGE), guestLoad(w.mm, AT + 4 * PAGE)]).toEqual([
    100,
    FAULT_MAPERR,
    104,
  ]);
  checkMM(w.mm);
  w.end();
  expect([f.pageRefs, f.refs, f.mappings.isEmpty()]).toEqual([0, 1, true]);
  f.destroy();
});

test("a library is mapped with its data segment, which is the process's own from then on", () => {
  const w = new World();
  const f = new FakeFile(w.memoryFile.fileIDs.newFileID(), 40 * PAGE);
  const as = w.space();
  w.mapFile(f, AT, 40 * PAGE, { perms: 1 });
  w.mapFile(f, AT + 8 * PAGE, 20 * PAGE, { perms: 5, offset: 8 * PAGE });
  expect(as.maps).toBe(0);
  w.mapFile(f, AT + 30 * PAGE, 4 * PAGE, { perms: 3, offset: 29 * PAGE, library: true });
  expect([0, 8, 27, 28, 30, 33].map((i) => as.pages.get(AT + i * PAGE)?.perms)).toEqual([1, 5, 5, 1, 3, 3]);
  expect(as.pages.get(AT + 33 * PAGE)?.file).toBe(w.memoryFile);
  const { maps } = as;
  expect([guestLoad(w.mm, AT + 8 * PAGE), guestLoad(w.mm, AT + 33 * PAGE)]).toEqual([108, 132]);
  expect(guestStore(w.mm, AT + 33 * PAGE, 5)).toBe(0);
  expect(as.maps).toBe(maps);
  // A large one is not copied before somebody stores to it.
  w.mapFile(f, AT + 100 * PAGE, 40 * PAGE, { perms: 3, library: true });
  expect(as.pages.has(AT + 100 * PAGE)).toBe(false);
  checkMM(w.mm);
  w.end();
  f.destroy();
});

test("zeros behind a library's data are mapped with the next change, or at a fault", () => {
  const w = new World();
  const f = new FakeFile(w.memoryFile.fileIDs.newFileID(), 8 * PAGE);
  const as = w.space();
  const load = (at: number) => {
    w.mapFile(f, at, 4 * PAGE, { perms: 3, library: true });
    w.fixed(at + 4 * PAGE, 2 * PAGE);
    expect([as.pages.has(at + 3 * PAGE), as.pages.has(at + 4 * PAGE)]).toEqual([true, false]);
  };
  load(AT);
  w.mm.mprotect(AT, PAGE, 1);
  expect(as.pages.get(AT + 4 * PAGE)?.perms).toBe(3);
  load(AT + 100 * PAGE);
  const { maps } = as;
  expect(guestStore(w.mm, AT + 105 * PAGE, 7)).toBe(0);
  expect(as.maps).toBe(maps);
  // What goes before it was there leaves nothing behind.
  load(AT + 200 * PAGE);
  w.mm.munmap(AT + 204 * PAGE, 2 * PAGE);
  expect(as.pages.has(AT + 204 * PAGE)).toBe(false);
  load(AT + 300 * PAGE);
  const child = w.mm.fork();
  expect(guestLoad(child, AT + 304 * PAGE)).toBe(0);
  expect(guestStore(w.mm, AT + 304 * PAGE, 1)).toBe(0);
  expect(guestLoad(child, AT + 304 * PAGE)).toBe(0);
  checkMM(child);
  child.decUsers();
  checkMM(w.mm);
  w.end();
  f.destroy();
});

test("mprotect checks as it goes", () => {
  const w = new World();
  const f = new FakeFile(w.memoryFile.fileIDs.newFileID(), 8 * PAGE);
  w.fixed(AT, 2 * PAGE);
  w.mapFile(f, AT + 2 * PAGE, 2 * PAGE, { isPrivate: false, perms: 1, maxPerms: 5 });
  expect(errorOf(() => w.mm.mprotect(AT, 4 * PAGE, 2))).toBe("EACCES");
  expect(w.mm.findVMA(AT)?.perms).toBe(2);
  expect(errorOf(() => w.mm.mprotect(AT + 3 * PAGE, 2 * PAGE, 1))).toBe("ENOMEM");
  expect(errorOf(() => w.mm.mprotect(AT + 8 * PAGE, PAGE, 1))).toBe("ENOMEM");
  expect(errorOf(() => w.mm.mprotect(AT, PAGE, 1, true))).toBe("EINVAL");
  guestStore(w.mm, AT, 5);
  const as = w.space();
  w.mm.mprotect(AT, 2 * PAGE, 1);
  expect(as.protects).toBe(1);
  expect(guestStore(w.mm, AT, 6)).toBe(FAULT_ACCERR);
  w.mm.mprotect(AT, 2 * PAGE, 3);
  expect(guestStore(w.mm, AT, 6)).toBe(0);
  checkMM(w.mm);
  w.end();
  f.destroy();
});

test("mremap grows, moves, duplicates", () => {
  const w = new World();
  const { mm } = w;
  const move = linux.MREMAP_MAYMOVE;
  w.fixed(AT, 4 * PAGE);
  guestStore(mm, AT, 1);
  guestStore(mm, AT + 3 * PAGE, 4);
  expect(mm.mremap(AT, 4 * PAGE, 8 * PAGE, 0, 0)).toBe(AT);
  w.fixed(AT + 8 * PAGE, PAGE, { perms: 1 });
  expect(errorOf(() => mm.mremap(AT, 8 * PAGE, 9 * PAGE, 0, 0))).toBe("ENOMEM");
  const b = mm.mremap(AT, 8 * PAGE, 16 * PAGE, move, 0);
  expect(guestLoad(mm, b)).toBe(1);
  expect(guestLoad(mm, b + 3 * PAGE)).toBe(4);
  expect(guestLoad(mm, AT)).toBe(FAULT_MAPERR);
  expect(mm.mremap(b, 16 * PAGE, 2 * PAGE, 0, 0)).toBe(b);
  expect(guestLoad(mm, b + 3 * PAGE)).toBe(FAULT_MAPERR);
  const kept = mm.mremap(b, 2 * PAGE, 2 * PAGE, move | linux.MREMAP_DONTUNMAP, 0);
  expect(guestLoad(mm, kept)).toBe(1);
  expect(guestLoad(mm, b)).toBe(0);
  const shared = AT + 0x100000;
  w.fixed(shared, 2 * PAGE, { isPrivate: false });
  guestStore(mm, shared, 8);
  const again = mm.mremap(shared, 0, 2 * PAGE, move, 0);
  expect(guestLoad(mm, again)).toBe(8);
  expect(errorOf(() => mm.mremap(b, 0, PAGE, move, 0))).toBe("EINVAL");
  expect(errorOf(() => mm.mremap(b, PAGE, PAGE, linux.MREMAP_FIXED, AT))).toBe("EINVAL");
  expect(errorOf(() => mm.mremap(AT + 0x800000, PAGE, PAGE, 0, 0))).toBe("EFAULT");
  checkMM(mm);
  w.end();
});

test("locks are counted, mincore sees what is committed", () => {
  const w = new World();
  const { mm } = w;
  w.limits.values.set(RLIMIT_MEMLOCK, 8 * PAGE);
  w.space();
  w.fixed(AT, 64 * PAGE);
  const vec = new Uint8Array(64);
  expect(mm.mincore(AT, 64, vec)).toBe(64);
  expect(vec.every((x) => x === 0)).toBe(true);
  guestStore(mm, AT + 20 * PAGE, 1);
  mm.mincore(AT, 64, vec);
  expect(vec.indexOf(1)).toBe(20);
  expect(vec.lastIndexOf(1)).toBe(20);
  mm.mlock(AT, 8 * PAGE, LOCK_EAGER, false);
  mm.mlock(AT + 2 * PAGE, 4 * PAGE, LOCK_ONFAULT, false);
  expect(mm.lockedVM).toBe(8 * PAGE);
  expect(errorOf(() => mm.mlock(AT + 8 * PAGE, PAGE, LOCK_EAGER, false))).toBe("ENOMEM");
  mm.mlock(AT + 8 * PAGE, PAGE, LOCK_EAGER, true);
  expect(errorOf(() => mm.madvise(AT, PAGE, linux.MADV_DONTNEED))).toBe("EINVAL");
  expect(errorOf(() => w.map({ locked: true }))).toBe("EAGAIN");
  expect(errorOf(() => mm.msync(AT, AT + PAGE, linux.MS_INVALIDATE))).toBe("EBUSY");
  mm.munlock(AT, 64 * PAGE);
  expect(mm.lockedVM).toBe(0);
  expect(mm.vmas.count).toBe(1);
  w.limits.values.set(RLIMIT_MEMLOCK, 0);
  expect(errorOf(() => mm.mlockAll(linux.MCL_CURRENT, false))).toBe("EPERM");
  mm.mlockAll(linux.MCL_CURRENT | linux.MCL_FUTURE, true);
  expect(mm.lockedVM).toBe(64 * PAGE);
  mm.munlockAll();
  expect(errorOf(() => mm.mincore(AT + 64 * PAGE, 1, vec))).toBe("ENOMEM");
  checkMM(mm);
  w.end();
});

test("address space limits and the number of mappings", () => {
  const w = new World();
  w.limits.values.set(RLIMIT_AS, 16 * PAGE);
  w.fixed(AT, 10 * PAGE);
  expect(errorOf(() => w.map({ length: 7 * PAGE }))).toBe("ENOMEM");
  w.fixed(AT, 10 * PAGE);
  w.map({ length: 6 * PAGE });
  w.limits.values.clear();
  w.mm.maxMapCount = 10;
  let n = 0;
  while (errorOf(() => w.fixed(AT + (100 + 2 * n) * PAGE, PAGE)) === "") n++;
  expect(w.mm.vmas.count).toBe(11);
  expect(errorOf(() => w.mm.munmap(AT + PAGE, PAGE))).toBe("ENOMEM");
  expect(errorOf(() => w.mm.mprotect(AT, PAGE, 1))).toBe("ENOMEM");
  w.end();
});

test("copies cross mappings, host ranges follow the memory", () => {
  const w = new World();
  const { mm } = w;
  w.fixed(AT, 2 * PAGE);
  w.fixed(AT + 2 * PAGE, PAGE, { isPrivate: false });
  w.fixed(AT + 3 * PAGE, PAGE, { perms: 1 });
  const src = Uint8Array.from({ length: 4 * PAGE }, (_, i) => i % 251);
  expect(mm.copyOut(AT + 10, src, 0, src.length)).toBe(3 * PAGE - 10);
  const dst = new Uint8Array(3 * PAGE);
  expect(mm.copyIn(AT + 10, dst, 0, 3 * PAGE - 10)).toBe(3 * PAGE - 10);
  expect(dst.subarray(0, 3 * PAGE - 10)).toEqual(src.subarray(0, 3 * PAGE - 10));
  expect(mm.zeroOut(AT + PAGE, PAGE)).toBe(PAGE);
  expect(guestLoad(mm, AT + PAGE + 5)).toBe(0);
  const iov = new IovecArray();
  expect(mm.hostRanges(AT + 10, 4 * PAGE, true, iov)).toBe(3 * PAGE - 10);
  expect(iov.count).toBeLessThanOrEqual(2);
  expect(errorOf(() => mm.hostRanges(AT + 3 * PAGE, 1, true, iov))).toBe("EFAULT");
  expect(mm.loadU32(AT + 3 * PAGE)).toBe(0);
  expect(mm.casU32(AT + 3 * PAGE, 0, 1)).toBe(-14);
  expect(mm.casU32(AT, 5, 6)).not.toBe(5);
  expect(mm.storeU32(AT, 5)).toBe(0);
  expect(mm.casU32(AT, 5, 6)).toBe(5);
  expect(mm.loadU32(AT)).toBe(6);
  const key = new SharedKey();
  expect(mm.getSharedKey(AT, key)).toBe(0);
  expect(key.object).toBe(mm);
  const child = mm.fork();
  const other = new SharedKey();
  mm.getSharedKey(AT + 2 * PAGE + 8, key);
  child.getSharedKey(AT + 2 * PAGE + 8, other);
  expect(other).toEqual(key);
  expect(key.offset).toBe(8);
  child.decUsers();
  w.end();
});

test("/proc shows mappings as Linux does", () => {
  const w = new World();
  const f = new FakeFile(w.memoryFile.fileIDs.newFileID(), 8 * PAGE);
  w.mapFile(f, 0x555555554000, 4 * PAGE, { perms: 5, offset: PAGE });
  w.fixed(AT, 4 * PAGE);
  w.mm.setAnonName(AT, AT + PAGE, "mine");
  w.mm.addSpecialMappings();
  guestStore(w.mm, AT + 2 * PAGE, 1);
  const lines: string[] = [];
  for (let v = w.mm.vmas.head; v !== null; v = v.next) lines.push(mapsLine(v));
  expect(lines).toEqual([
    "10000000-10001000 rw-p 00000000 00:00 0                                  [anon:mine]\n",
    "10001000-10004000 rw-p 00000000 00:00 0 \n",
    "555555554000-555555558000 r-xp 00001000 fe:00 1234                       /fake file\n",
    "7ffff7fc0000-7ffff7fc4000 r--p 00000000 00:00 0                          [vvar]\n",
    "7ffff7fc4000-7ffff7fc6000 r-xp 00000000 00:00 0                          [vdso]\n",
  ]);
  const v = w.mm.findVMA(AT + PAGE);
  const block = v === null ? "" : smapsBlock(w.mm, v);
  expect(block).toContain("Size:                 12 kB\n");
  expect(block).toContain("Rss:                   4 kB\n");
  expect(block).toContain("VmFlags: rd wr mr mw me ac \n");
  expect(statm(w.mm)[0]).toBe(14);
  expect(guestStore(w.mm, 0x7ffff7fc4000, 1)).toBe(FAULT_ACCERR);
  w.end();
  f.destroy();
});
