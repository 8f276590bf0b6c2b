import { afterAll, beforeAll, expect, test } from "bun:test";
import { MADV_DONTNEED, MREMAP_MAYMOVE } from "../../abi/linux/mm.ts";
import { newMMapOpts } from "../memmap/index.ts";
import { MemoryFile } from "../pgalloc/index.ts";
import * as p from "../platform/platform.ts";
import { loadSystrapNative, SystrapPlatform } from "../platform/systrap/index.ts";
import { FAULT_ACCERR, FAULT_MAPERR, FAULT_RESOLVED, MemoryManager } from "./index.ts";
import { FakeLimits } from "./testutil/fake_platform.ts";

const PAGE = 4096;
const SYS_DONE = 1000;
const CODE = 0x400000;
const DATA = 0x10000000;
/** mov %rdx,(%rdi); add $4096,%rdi; dec %rsi; jnz; mov $1000,%eax; syscall */
const STORE = [0x48, 0x89, 0x17, 0x48, 0x81, 0xc7, 0, 0x10, 0, 0, 0x48, 0xff, 0xce, 0x75, 0xf1];
/** add (%rdi),%rdx; add $4096,%rdi; dec %rsi; jnz; mov %rdx,%rdi; mov $1000,%eax; syscall */
const SUM = [0x48, 0x03, 0x17, 0x48, 0x81, 0xc7, 0, 0x10, 0, 0, 0x48, 0xff, 0xce, 0x75, 0xf1, 0x48, 0x89, 0xd7];
const END = [0xb8, 0xe8, 0x03, 0, 0, 0x0f, 0x05];

let memoryFile: MemoryFile;
let platform: SystrapPlatform;
const warnings: string[] = [];
/** Nothing is patched. */
const SLOW = { cores: 1, accelerate: false };

beforeAll(() => {
  memoryFile = new MemoryFile();
  platform = new SystrapPlatform(loadSystrapNative(), memoryFile, { warning: (m) => warnings.push(m) }, SLOW);
});
afterAll(() => platform.destroy());

/** A guest thread that runs one of the two programs at a time. */
class Guest implements p.ContextOwner {
  readonly mm: MemoryManager;
  readonly ctx: p.Context;
  ready = true;
  failure = 0;
  faults = 0;
  running = false;

  constructor(mm: MemoryManager) {
    this.mm = mm;
    this.ctx = mm.activate().newContext(this);
  }

  platformEvent(ctx: p.Context): void {
    if (ctx.event === p.EventFault) {
      this.faults++;
      const access = (ctx.faultError & 16) !== 0 ? 4 : (ctx.faultError & 2) !== 0 ? 2 : 1;
      const r = this.mm.handleUserFault(ctx.faultAddr, access);
      if (r === FAULT_RESOLVED) ctx.resume();
      else {
        this.failure = r;
        this.running = false;
      }
    } else this.running = false;
  }

  wait(): void {
    const end = performance.now() + 5000;
    while (this.running) {
      if (performance.now() > end) throw new Error("timed out");
      platform.poll(10_000_000);
    }
  }

  run(entry: number, addr: number, pages: number, value: number): number {
    this.failure = 0;
    if (this.ctx.event === p.EventSyscall && this.ctx.stopped) {
      this.running = true;
      this.ctx.finishSyscall(0, true);
      this.wait();
    }
    const { regs } = this.ctx;
    regs.set(p.REG_RIP, entry);
    regs.set(p.REG_RDI, addr);
    regs.set(p.REG_RSI, pages);
    regs.set(p.REG_RDX, value);
    regs.set(p.REG_RSP, DATA);
    regs.set(p.REG_EFLAGS, 0x202);
    this.running = true;
    this.ctx.resume();
    this.wait();
    if (this.failure !== 0) return this.failure;
    return (this.ctx.args[1] ?? 0) * 4294967296 + (this.ctx.args[0] ?? 0);
  }

  store(addr: number, pages: number, value: number): number {
    const r = this.run(CODE, addr, pages, value);
    return this.failure !== 0 ? r : 0;
  }

  sum(addr: number, pages: number): number {
    return this.run(CODE + 64, addr, pages, 0);
  }

  exit(): void {
    this.ctx.release();
    this.mm.decUsers();
  }
}

function newGuest(): Guest {
  const mm = new MemoryManager({ platform, memoryFile, limits: new FakeLimits() });
  mm.setLayout({ mmapBase: 0x7ff000000000, topDown: true });
  const opts = newMMapOpts();
  mm.mmap({ ...opts, addr: CODE, length: PAGE, fixed: true, unmap: true, perms: 3 });
  mm.copyOut(CODE, Uint8Array.from([...STORE, ...END]), 0, STORE.length + END.length);
  mm.copyOut(CODE + 64, Uint8Array.from([...SUM, ...END]), 0, SUM.length + END.length);
  mm.mprotect(CODE, PAGE, 5);
  mm.mmap({ ...opts, addr: DATA, length: 1024 * PAGE, fixed: true, unmap: true, perms: 3 });
  return new Guest(mm);
}

test("a real guest sees its memory through fork, copy-on-write, mprotect, mremap and madvise", () => {
  const g = newGuest();
  expect(SYS_DONE).toBe(1000);
  expect(g.store(DATA, 1024, 7)).toBe(0);
  expect(g.faults).toBeLessThan(6);
  expect(g.sum(DATA, 1024)).toBe(7168);

  const child = new Guest(g.mm.fork());
  expect(child.sum(DATA, 1024)).toBe(7168);
  expect(child.faults).toBe(0);
  g.store(DATA + 100 * PAGE, 50, 8);
  expect(child.sum(DATA, 1024)).toBe(7168);
  child.store(DATA + 500 * PAGE, 100, 1);
  expect(g.sum(DATA, 1024)).toBe(7168 + 50);
  expect(child.sum(DATA, 1024)).toBe(7168 - 600);
  child.exit();

  const before = g.faults;
  g.store(DATA, 1024, 9);
  expect(g.sum(DATA, 1024)).toBe(9 * 1024);
  expect(g.faults - before).toBeLessThan(8);

  g.mm.mprotect(DATA + 10 * PAGE, 10 * PAGE, 1);
  expect(g.store(DATA + 9 * PAGE, 2, 1)).toBe(FAULT_ACCERR);
  expect(g.sum(DATA, 20)).toBe(180 - 8);
  g.mm.mprotect(DATA + 10 * PAGE, 10 * PAGE, 3);
  expect(g.store(DATA + 10 * PAGE, 10, 1)).toBe(0);

  g.mm.madvise(DATA, 100 * PAGE, MADV_DONTNEED);
  expect(g.sum(DATA, 200)).toBe(900);
  const moved = g.mm.mremap(DATA, 1024 * PAGE, 1030 * PAGE, MREMAP_MAYMOVE, 0);
  expect(g.sum(moved, 1030)).toBe(924 * 9);
  g.mm.munmap(moved + 500 * PAGE, PAGE);
  expect(g.sum(moved + 499 * PAGE, 2)).toBe(FAULT_MAPERR);
  g.mm.copyOut(moved, new Uint8Array([200]), 0, 1);
  expect(g.sum(moved, 1)).toBe(200);
  g.exit();
  expect(memoryFile.usedBytes).toBe(0);
  expect(warnings).toEqual([]);
});
