import { expect, test } from "bun:test";
import { MADV_DONTNEED, MADV_FREE, MREMAP_FIXED, MREMAP_MAYMOVE } from "../../abi/linux/mm.ts";
import { LinuxError } from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import { newMMapOpts } from "../memmap/index.ts";
import { MemoryFile } from "../pgalloc/index.ts";
import { MemoryManager } from "./index.ts";
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
const BASE = 0x200000;
const PAGES = 96;

/** A byte of memory that may be shared. */
interface Cell {
  value: number;
}
/** What the model knows of a page. */
interface PageModel {
  perms: number;
  isPrivate: boolean;
  initial: number;
  cell: Cell;
}
/** One process: the real space and the model. */
interface Proc {
  mm: MemoryManager;
  pages: (PageModel | null)[];
}

function readable(p: PageModel | null): boolean {
  return p !== null && p.perms !== 0;
}

test("random histories of several processes agree with a model", () => {
  for (let seed = 1; seed <= 16; seed++) run(seed, 500);
});

function run(seed: number, steps: number): void {
  let x = seed * 7919;
  const rnd = (n: number) => {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    return (x >>> 8) % n;
  };
  const platform = new FakePlatform();
  const memoryFile = new MemoryFile();
  const file = new FakeFile(memoryFile.fileIDs.newFileID(), 64 * PAGE);
  const first = new MemoryManager({ platform, memoryFile, limits: new FakeLimits() });
  const procs: Proc[] = [{ mm: first, pages: new Array<PageModel | null>(PAGES).fill(null) }];
  for (let step = 0; step < steps; step++) {
    const which = rnd(procs.length);
    const proc = procs[which];
    if (proc === undefined) throw new Error("no process");
    const { mm, pages } = proc;
    const n = 1 + rnd(20);
    const at = rnd(PAGES - n);
    const addr = BASE + at * PAGE;
    const range = pages.slice(at, at + n);
    const op = rnd(15);
    if (op <= 2) {
      const opts = newMMapOpts();
      opts.addr = addr;
      opts.length = n * PAGE;
      opts.fixed = true;
      opts.unmap = true;
      opts.perms = rnd(3) === 0 ? rnd(8) : 3;
      opts.isPrivate = op !== 1;
      const first = rnd(40);
      if (op === 2) {
        file.incRef();
        opts.mappable = file;
        opts.mappingIdentity = file;
        opts.offset = first * PAGE;
      }
      opts.library = op === 2 && rnd(2) === 0;
      expect(mm.mmap(opts)).toBe(addr);
      for (let i = 0; i < n; i++) {
        const initial = op === 2 ? 100 + ((first + i) % 100) : 0;
        pages[at + i] = { perms: opts.perms, isPrivate: opts.isPrivate, initial, cell: { value: initial } };
      }
    } else if (op === 3) {
      mm.munmap(addr, n * PAGE);
      pages.fill(null, at, at + n);
    } else if (op === 4) {
      const perms = rnd(2) === 0 ? 3 : rnd(8);
      let ok = true;
      try {
        mm.mprotect(addr, n * PAGE, perms);
      } catch (e) {
        if (!(e instanceof LinuxError)) throw e;
        ok = false;
      }
      expect(ok).toBe(range.every((p) => p !== null));
      for (const p of range) {
        if (p === null) break;
        p.perms = perms;
      }
    } else if (op === 5) {
      let ok = true;
      const advice = rnd(2) === 0 ? MADV_DONTNEED : MADV_FREE;
      const onlyAnon = range.every((p) => p === null || (p.isPrivate && p.initial === 0));
      if (advice === MADV_FREE && !onlyAnon) continue;
      try {
        mm.madvise(addr, n * PAGE, advice);
      } catch (e) {
        if (!(e instanceof LinuxError)) throw e;
        ok = false;
      }
      expect(ok).toBe(range.every((p) => p !== null));
      for (const p of range) if (p?.isPrivate) p.cell.value = p.initial;
    } else if (op === 6) {
      const to = rnd(PAGES - n);
      if (Math.abs(to - at) < n) continue;
      const v = mm.vmas.find(addr);
      if (v === null || v.end < addr + n * PAGE) continue;
      expect(mm.mremap(addr, n * PAGE, n * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, BASE + to * PAGE)).toBe(
        BASE + to * PAGE,
      );
      pages.fill(null, at, at + n);
      for (let i = 0; i < n; i++) pages[to + i] = range[i] ?? null;
    } else if (op === 7 && procs.length < 4) {
      const child = mm.fork();
      procs.push({
        mm: child,
        pages: pages.map((p) => (p === null ? null : { ...p, cell: p.isPrivate ? { value: p.cell.value } : p.cell })),
      });
    } else if (op === 14) {
      // What exec and fork do beforehand changes nothing that can be seen.
      if (rnd(2) === 0) mm.prefault();
      else for (let i = 0; i < 4; i++) mm.hot.note(addr + rnd(n) * PAGE);
    } else if (op === 8 && procs.length > 1 && rnd(3) === 0) {
      mm.decUsers();
      procs.splice(which, 1);
    } else if (op === 9) {
      // The sentry stores for the guest: all up to the first page that does not let it.
      const src = new Uint8Array(n * PAGE).fill(1 + rnd(255));
      let done = 0;
      try {
        done = mm.copyOut(addr, src, 0, src.length);
      } catch (e) {
        if (!(e instanceof LinuxError)) throw e;
      }
      let want = 0;
      while (want < n && ((range[want]?.perms ?? 0) & 2) !== 0) want++;
      expect(done).toBe(want * PAGE);
      for (let i = 0; i < want; i++) {
        const p = range[i];
        if (p) p.cell.value = src[0] ?? 0;
      }
    } else if (op === 10) {
      const dst = new Uint8Array(n * PAGE);
      let done = 0;
      try {
        done = mm.copyIn(addr, dst, 0, dst.length);
      } catch (e) {
        if (!(e instanceof LinuxError)) throw e;
      }
      let want = 0;
      while (want < n && readable(range[want] ?? null)) want++;
      expect(done).toBe(want * PAGE);
      for (let i = 0; i < want; i++) expect(dst[i * PAGE]).toBe(range[i]?.cell.value);
    } else {
      for (let i = 0; i < 4; i++) {
        const k = rnd(PAGES);
        const p = pages[k] ?? null;
        const a = BASE + k * PAGE;
        if (rnd(2) === 0) {
          const want = p === null ? -14 : p.perms === 0 ? -13 : p.cell.value;
          expect(guestLoad(mm, a)).toBe(want);
        } else {
          const value = rnd(256);
          const want = p === null ? -14 : (p.perms & 2) === 0 ? -13 : 0;
          expect(guestStore(mm, a, value)).toBe(want);
          if (want === 0 && p !== null) p.cell.value = value;
        }
      }
      if (rnd(40) === 0) {
        const as = mm.activate();
        if (as instanceof FakeAddressSpace) as.failMaps = 1;
      }
    }
    for (const q of procs) checkMM(q.mm);
  }
  for (const p of procs) p.mm.decUsers();
  expect(memoryFile.usedBytes).toBe(0);
  expect(file.pageRefs).toBe(0);
  expect(file.refs).toBe(1);
  expect(file.mappings.isEmpty()).toBe(true);
  for (const as of platform.spaces) expect(as.released).toBe(true);
  file.destroy();
  memoryFile.destroy();
}
