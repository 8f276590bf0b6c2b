import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as host from "../../../hostsyscall/index.ts";
import type { File, FileCloseListener } from "../../memmap/index.ts";
import * as p from "../platform.ts";
import type { Site } from "./call_table.ts";
import type { SystrapContext } from "./context.ts";
import { loadSystrapNative, SystrapPlatform } from "./index.ts";
import { SLOT_BASE, STUB_BASE } from "./stub.ts";
import { Subprocess } from "./subprocess.ts";

const MEMORY_SIZE = 1 << 22;
const CODE = 0x400000;
const DATA = 0x700000;
const SYS_DONE = 1000;

/** A memfd as guest memory. */
class Memory implements File {
  readonly fileID: number;
  readonly fd: number;
  readonly address: number;
  closeListener: FileCloseListener | null = null;

  constructor(fileID = 1) {
    this.fileID = fileID;
    this.fd = host.memfdCreate("test", 1);
    host.ftruncate(this.fd, MEMORY_SIZE);
    this.address = host.mmap(0, MEMORY_SIZE, 3, 1, this.fd, 0);
  }
  hostFD(): number {
    return this.fd;
  }
  mapInternal(offset: number): number {
    return this.address + offset;
  }
  mappedLength(offset: number): number {
    return MEMORY_SIZE - offset;
  }
  incRef(): void {}
  decRef(): void {}
  listenClose(listener: FileCloseListener): void {
    this.closeListener = listener;
  }
  close(): void {
    this.closeListener?.fileClosed(this);
    host.munmap(this.address, MEMORY_SIZE);
    host.close(this.fd);
  }
}

/** Records the events of a thread and answers them as a test says. */
class Guest implements p.ContextOwner {
  readonly ctx: p.Context;
  events: p.EventKind[] = [];
  done = false;
  onEvent: (ctx: p.Context) => void = () => {};

  constructor(as: p.AddressSpace) {
    this.ctx = as.newContext(this);
  }
  platformEvent(ctx: p.Context): void {
    this.events.push(ctx.event);
    if (ctx.event === p.EventDied || (ctx.event === p.EventSyscall && ctx.sysno === SYS_DONE)) this.done = true;
    else this.onEvent(ctx);
  }
}

const work = mkdtempSync(join(tmpdir(), "runsc-systrap-"));
const memory = new Memory();
let platform: SystrapPlatform;
const warnings: string[] = [];
/** Nothing is patched. */
const SLOW = { cores: 1, accelerate: false };

beforeAll(() => {
  platform = new SystrapPlatform(loadSystrapNative(), memory, { warning: (m) => warnings.push(m) }, SLOW);
});
afterAll(() => {
  platform.destroy();
  rmSync(work, { recursive: true, force: true });
});

/** Assembles a flat program at CODE and puts it at the start of memory. */
function load(source: string): void {
  writeFileSync(join(work, "a.s"), `.globl _start\n_start:\n${source}\n`);
  const r = Bun.spawnSync(
    ["cc", "-nostdlib", "-static", "-Wl,--oformat=binary", `-Wl,-Ttext=${CODE}`, "-o", "a.bin", "a.s"],
    { cwd: work },
  );
  if (r.exitCode !== 0) throw new Error(r.stderr.toString());
  const code = new Uint8Array(readFileSync(join(work, "a.bin")));
  host.copyToHost(memory.address, code, 0, code.length);
}

/** A new address space with code at CODE (read, exec) and a data page at DATA. */
function addressSpace(): p.AddressSpace {
  const as = platform.newAddressSpace();
  as.beginBatch();
  as.mapFile(CODE, memory, 0, 0x10000, 5, false);
  as.mapFile(DATA, memory, 0x10000, 0x10000, 3, false);
  as.endBatch();
  return as;
}

function start(g: Guest, entry = CODE): void {
  g.ctx.regs.set(p.REG_RIP, entry);
  g.ctx.regs.set(p.REG_RSP, DATA + 0x8000);
  g.ctx.regs.set(p.REG_EFLAGS, 0x202);
  g.ctx.resume();
}

function runUntil(done: () => boolean): void {
  const end = performance.now() + 5000;
  while (!done()) {
    if (performance.now() > end) throw new Error("timed out");
    platform.poll(10_000_000);
  }
}

const DONE = `mov $${SYS_DONE}, %eax; syscall`;

describe("systrap", () => {
  test("notified and trapped calls carry arguments and results", () => {
    load(`mov $39,%eax; mov $1,%edi; mov $2,%esi; mov $-3,%rdx; mov $4,%r10d; mov $5,%r8d; mov $6,%r9d; syscall
      mov %rax,%rdi; mov $158,%eax; syscall; mov %rax,%rdi; ${DONE}`);
    const as = addressSpace();
    const g = new Guest(as);
    const seen: number[][] = [];
    g.onEvent = (c) => {
      seen.push([c.event, c.sysno, ...c.args]);
      if (c.event === p.EventSyscall) c.finishSyscall(-5, false);
      else {
        c.regs.set(p.REG_RAX, 0x123456789);
        c.resume();
      }
    };
    start(g);
    runUntil(() => g.done);
    expect(seen[0]).toEqual([p.EventSyscall, 39, 1, 0, 2, 0, 0xfffffffd, 0xffffffff, 4, 0, 5, 0, 6, 0]);
    expect(seen[1]?.slice(0, 4)).toEqual([p.EventSyscallRegs, 158, 0xfffffffb, 0xffffffff]);
    expect([g.ctx.args[0], g.ctx.args[1]]).toEqual([0x23456789, 1]);
    g.ctx.release();
    as.release();
  });

  test("faults say what and where, and go on after the mapping came", () => {
    load(`movq $7, 0x${(DATA + 0x20010).toString(16)}; xor %ecx,%ecx; div %rcx; ${DONE}`);
    const as = addressSpace();
    const g = new Guest(as);
    const seen: number[][] = [];
    g.onEvent = (c) => {
      seen.push([c.faultSignal, c.faultCode, c.faultAddr, c.faultTrapno, c.faultError]);
      if (c.faultSignal === 11) as.mapFile(DATA + 0x20000, memory, 0x30000, 0x1000, 3, false);
      else c.regs.set(p.REG_RIP, c.regs.get(p.REG_RIP) + 3);
      c.resume();
    };
    start(g);
    runUntil(() => g.done);
    expect(seen[0]).toEqual([11, 1, DATA + 0x20010, 14, 6]);
    expect(seen[1]?.slice(0, 2)).toEqual([8, 1]);
    const word = new Uint8Array(8);
    host.copyFromHost(word, 0, memory.address + 0x30010, 8);
    expect([...word]).toEqual([7, 0, 0, 0, 0, 0, 0, 0]);
    g.ctx.release();
    as.release();
  });

  test("FS and GS base and the FP state are the thread's own", () => {
    load(`mov %fs:0,%rdi; mov %gs:8,%rsi; movq %xmm5,%rdx; stmxcsr 0x${DATA.toString(16)}; ${DONE}`);
    const as = addressSpace();
    host.copyToHost(
      memory.address + 0x10100,
      new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
      0,
      16,
    );
    const g = new Guest(as);
    const fp = new Uint8Array(g.ctx.fpStateSize());
    g.ctx.getFPState(fp);
    const view = new DataView(fp.buffer);
    view.setUint32(24, 0xffff_1f80, true); // MXCSR with reserved bits: masked, not refused
    fp[160 + 5 * 16] = 0x42;
    view.setUint32(512, 3, true);
    expect(g.ctx.setFPState(fp)).toBe(true);
    fp[464] = 0;
    expect(g.ctx.setFPState(fp)).toBe(false);
    g.ctx.regs.set(p.REG_FS_BASE, DATA + 0x100);
    g.ctx.regs.set(p.REG_GS_BASE, DATA + 0x100);
    start(g);
    runUntil(() => g.done);
    expect([...g.ctx.args.slice(0, 6)]).toEqual([0x04030201, 0x08070605, 0x0c0b0a09, 0x100f0e0d, 0x42, 0]);
    g.ctx.release();
    as.release();
  });

  test("a running guest is interrupted; a call in progress is interrupted when it is answered", () => {
    load(`1: jmp 1b; mov $39,%eax; syscall; 2: ${DONE}`);
    const as = addressSpace();
    const g = new Guest(as);
    let rip = 0;
    g.onEvent = (c) => {
      if (c.event === p.EventSyscall) {
        c.finishSyscall(77, true);
        return;
      }
      rip = c.regs.get(p.REG_RIP);
      if (g.events.length === 1) c.regs.set(p.REG_RIP, CODE + 2);
      c.resume();
    };
    start(g);
    platform.poll(1_000_000);
    g.ctx.interrupt();
    runUntil(() => g.done);
    expect(g.events).toEqual([p.EventInterrupted, p.EventSyscall, p.EventInterrupted, p.EventSyscall]);
    expect(rip).toBe(CODE + 9);
    g.ctx.release();
    as.release();
  });

  test("time in which we do not run does not count against a thread that is to report", () => {
    platform.patienceSeen = performance.now();
    const before = platform.patience();
    platform.patienceSeen -= 60_000;
    expect(platform.patience() - before).toBeLessThan(1000);
  });

  test("there is no sleep after a request that is served when a spell of polling ends", () => {
    const fast = new SystrapPlatform(
      loadSystrapNative(),
      memory,
      { warning: (m) => warnings.push(m) },
      { cores: 2, accelerate: true },
    );
    try {
      const { poller } = fast;
      if (poller === null) throw new Error("no poller");
      // A spell that found nothing, and ends while a request comes.
      let late = 1;
      poller.on = true;
      poller.poll = () => {
        poller.tired = true;
        return 0;
      };
      poller.serveRest = () => late;
      const before = performance.now();
      expect(fast.poll(3_000_000_000)).toBe(1);
      expect(performance.now() - before).toBeLessThan(2000);
      expect(poller.on).toBe(false);
      late = 0;
      poller.on = true;
      expect(fast.poll(1_000_000)).toBe(0);
    } finally {
      fast.destroy();
    }
  });

  test("threads of one address space run beside each other and are reused", () => {
    load(`mov $39,%eax; mov %rsp,%rdi; syscall; ${DONE}`);
    const as = addressSpace();
    const first = [new Guest(as), new Guest(as), new Guest(as)];
    const tids = new Set(first.map((g) => g.ctx.hostTID));
    expect(tids.size).toBe(3);
    for (const g of first) {
      g.onEvent = (c) => c.finishSyscall(0, false);
      start(g);
    }
    runUntil(() => first.every((g) => g.done));
    for (const g of first) g.ctx.release();
    for (let i = 0; i < 20; i++) platform.poll(1_000_000);
    const again = new Guest(as);
    expect(tids.has(again.ctx.hostTID)).toBe(true);
    again.onEvent = (c) => c.finishSyscall(0, false);
    start(again);
    runUntil(() => again.done);
    again.ctx.release();
    as.release();
  });

  test("nothing of one guest is left in a recycled stub", () => {
    load(`mov 0x${DATA.toString(16)},%rax; ${DONE}`);
    const as = addressSpace();
    const g = new Guest(as);
    g.ctx.release();
    as.release();
    const next = platform.newAddressSpace();
    expect(next).toBe(as);
    next.mapFile(CODE, memory, 0, 0x1000, 5, false);
    const h = new Guest(next);
    let fault = 0;
    h.onEvent = (c) => {
      fault = c.faultAddr;
      h.done = true;
    };
    start(h);
    runUntil(() => h.done);
    expect(fault).toBe(DATA);
    h.ctx.release();
    next.release();
  });

  test("a stub keeps descriptors for the next process, until the file is closed or others need the room", () => {
    const as = platform.newAddressSpace();
    if (!(as instanceof Subprocess)) throw new Error("not a stub");
    const open = (): number => readdirSync(`/proc/${as.pid}/fd`).length;
    const before = open();
    const files = Array.from({ length: 60 }, (_, i) => new Memory(1000 + i));
    const map = (space: p.AddressSpace, f: Memory): void => space.mapFile(DATA, f, 0, 0x1000, 3, false);
    const [first, second] = files;
    if (first === undefined || second === undefined) throw new Error("no files");
    map(as, first);
    map(as, second);
    map(as, first);
    expect(open()).toBe(before + 2);
    as.release();
    const next = platform.newAddressSpace();
    expect(next).toBe(as);
    map(next, second);
    expect(open()).toBe(before + 2);
    first.close();
    expect(open()).toBe(before + 1);
    // In one batch, which uses them all.
    next.beginBatch();
    for (const f of files.slice(1)) map(next, f);
    next.endBatch();
    expect(open()).toBeLessThanOrEqual(before + 40);
    next.beginBatch();
    for (const f of files.slice(1)) f.close();
    next.endBatch();
    expect(open()).toBe(before);
    next.release();
  });

  test("a stub that dies keeps nothing of what the next one has", () => {
    const site = (address: number): Site => {
      const original = new Uint8Array([0xb8, 39, 0, 0, 0, 0x0f, 0x05]);
      return { kind: 1, address, original, operand: 39, syscallReturn: address + 7 };
    };
    // Stubs that are not from the pool.
    const pooled: p.AddressSpace[] = [];
    while (platform.pool.length > 0) pooled.push(platform.newAddressSpace());
    const first = platform.newAddressSpace() as Subprocess;
    first.calls.add(site(CODE));
    host.kill(first.pid, 9);
    runUntil(() => first.dead);
    const second = platform.newAddressSpace() as Subprocess;
    expect(second.region).toBe(first.region);
    expect(second.calls.bytes.every((b) => b === 0)).toBe(true);
    second.calls.add(site(CODE));
    const bytes = second.calls.bytes.slice();
    first.release();
    expect(second.calls.bytes).toEqual(bytes);
    second.release();
    expect(second.calls.bytes.every((b) => b === 0)).toBe(true);
    for (const as of pooled) as.release();
  });

  test.each([SLOW, { cores: 2, accelerate: true }])("int 0x80 makes no call: %j", (options) => {
    const own = new SystrapPlatform(loadSystrapNative(), memory, { warning: (m) => warnings.push(m) }, options);
    const slow = platform;
    platform = own;
    try {
      // The number of getpid() for int 0x80 is that of writev(); eax keeps the error, or is overwritten by it.
      load(`mov $400,%r15d; xor %r14d,%r14d; mov %rsp,%r13
        1: mov $39,%rax; syscall; cmp $77,%rax; jne 2f
        mov $20,%eax; int $0x80; cmp $-38,%eax; jne 2f
        cmp %r13,%rsp; jne 2f
        inc %r14d; dec %r15d; jnz 1b
        2: mov %r14,%rdi; ${DONE}`);
      const as = addressSpace();
      const g = new Guest(as);
      const odd: number[] = [];
      g.onEvent = (c) => {
        if (c.event === p.EventSyscall && c.sysno === 39) {
          c.finishSyscall(77, false);
          return;
        }
        if (c.event !== p.EventSyscallRegs) odd.push(c.event);
        else if (c.sysno !== 39 && c.sysno !== -1) odd.push(c.sysno);
        c.regs.set(p.REG_RAX, c.sysno === 39 ? 77 : -38);
        c.resume();
      };
      start(g);
      runUntil(() => g.done);
      expect(odd).toEqual([]);
      expect(g.ctx.args[0]).toBe(400);
      g.ctx.release();
      as.release();
    } finally {
      platform = slow;
      own.destroy();
    }
  });

  test("protect over a hole takes effect on both sides of it", () => {
    load(`movq $1, 0x${DATA.toString(16)}; movq $1, 0x${(DATA + 0x8000).toString(16)}; ${DONE}`);
    const as = addressSpace();
    as.unmap(DATA + 0x4000, 0x1000);
    as.protect(DATA, 0x10000, 1);
    const g = new Guest(as);
    const faults: number[] = [];
    g.onEvent = (c) => {
      faults.push(c.faultAddr);
      c.regs.set(p.REG_RIP, c.regs.get(p.REG_RIP) + 12);
      c.resume();
    };
    start(g);
    runUntil(() => g.done);
    expect(faults).toEqual([DATA, DATA + 0x8000]);
    g.ctx.release();
    as.release();
  });

  describe("a hostile guest loses its own process only", () => {
    /** Runs the code, which must get its stub killed; a neighbour in another stub goes on. */
    function dies(source: string, entry?: number): void {
      load(source);
      const as = addressSpace();
      const neighbour = addressSpace();
      const g = new Guest(as);
      g.onEvent = (c) => {
        if (c.event === p.EventSyscall) c.finishSyscall(0, false);
        else if (c.event === p.EventFault) {
          // A kernel would deliver SIGSEGV; the process is over either way.
          g.done = true;
        } else c.resume();
      };
      start(g, entry);
      runUntil(() => g.done);
      g.ctx.release();
      as.release();
      load(`mov $3,%edi; ${DONE}`);
      const n = new Guest(neighbour);
      start(n);
      runUntil(() => n.done);
      expect(n.ctx.args[0]).toBe(3);
      n.ctx.release();
      neighbour.release();
    }
    const image = (): SystrapPlatform["image"] => platform.image;

    test("forging a signal report", () => {
      dies(
        `mov $0x7e02,%eax; mov $11,%edi; mov $0x1234,%esi; mov $0x5678,%edx; movabs $${image().eventIP - 2},%rcx; jmp *%rcx`,
      );
    });
    test("jumping to the command thread's system call with mmap", () => {
      dies(`mov $9,%eax; xor %edi,%edi; mov $4096,%esi; mov $7,%edx; mov $0x22,%r10d; mov $-1,%r8; xor %r9d,%r9d
        movabs $${image().commandIP - 2},%rcx; jmp *%rcx`);
    });
    test("reporting as the command thread", () => {
      dies(`mov $0x7e01,%eax; movabs $${image().commandIP - 2},%rcx; jmp *%rcx`);
    });
    test("running the command interpreter on its own program", () => {
      dies(
        `movq $9,0x${DATA.toString(16)}; mov $0x${DATA.toString(16)},%ebx; movabs $${STUB_BASE + 0x80 + 7},%rcx; jmp *%rcx`,
      );
    });
    test("returning from a forged frame", () => {
      dies(`movabs $${image().eventIP + 33},%rcx; mov $0x${(DATA + 0x100).toString(16)},%esp; jmp *%rcx`);
    });
    test("writing the command area", () => {
      dies(`movabs $${STUB_BASE + 0x1_0000},%rcx; movq $0,(%rcx)`);
    });
    test("setting the stack pointer into the signal stack and faulting", () => {
      load("");
      dies(`movabs $${SLOT_BASE + 64},%rsp; movq $0,0x10`);
    });
  });

  test("a thread that scribbles over the slots of its process cannot harm the sentry", () => {
    // Thread A computes and calls; thread B overwrites A's slot all the time.
    load(`1: mov $158,%eax; syscall; dec %r15; jnz 1b; ${DONE}
      .org 0x100
      2: mov %r14,%rdi; mov %r13,%rcx; mov $-1,%rax; rep stosb; jmp 2b`);
    const as = addressSpace();
    const a = new Guest(as);
    const b = new Guest(as);
    let over = false;
    const answer = (g: Guest) => (c: p.Context) => {
      if (c.event === p.EventSyscall) c.finishSyscall(0, false);
      else if (c.event === p.EventFault) {
        over = true;
        g.done = true;
      } else c.resume();
    };
    a.onEvent = answer(a);
    b.onEvent = answer(b);
    const slot = (a.ctx as SystrapContext).slot;
    b.ctx.regs.set(p.REG_R14, SLOT_BASE + slot * 0x4000);
    b.ctx.regs.set(p.REG_R13, 0x4000);
    a.ctx.regs.set(p.REG_R15, 100_000);
    start(a);
    start(b, CODE + 0x100);
    runUntil(() => a.done || over);
    a.ctx.release();
    b.ctx.release();
    as.release();
    for (let i = 0; i < 10; i++) platform.poll(1_000_000);
  });
});
