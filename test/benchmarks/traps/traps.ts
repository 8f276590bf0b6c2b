/**
 * Measures the trap classes a platform can be built from, answered by JavaScript: USER_NOTIF, SIGSYS (seccomp TRAP) and a patched call
 * site whose request is one cache line, with both sides spinning. Prints a Markdown table; figures are medians of 3 runs.
 * Run it on one core and on two: `taskset -c 0 bun test/benchmarks/traps/traps.ts`, `bun test/benchmarks/traps/traps.ts`.
 */
import { loadNative } from "../../../native/index.ts";
import * as host from "../../../pkg/hostsyscall/index.ts";
import type { File } from "../../../pkg/sentry/memmap/index.ts";
import * as p from "../../../pkg/sentry/platform/platform.ts";
import { loadSystrapNative, SystrapPlatform } from "../../../pkg/sentry/platform/systrap/index.ts";
import spinSource from "./spin.c" with { type: "text" };

const MEMORY_SIZE = 1 << 24;
const CODE = 0x400000;
const LINES = 0x600000;
const SYS_DONE = 1000;
const spin = loadNative({
  source: spinSource,
  name: "spin.c",
  symbols: {
    spin_wait: { args: ["ptr", "i64_fast", "i64_fast"], returns: "i64_fast" },
    spin_answer: { args: ["ptr", "i64_fast"], returns: "i64_fast" },
  },
});
const native = loadSystrapNative();
const memfd = host.memfdCreate("guest", 1);
host.ftruncate(memfd, MEMORY_SIZE);
const memory = host.mmap(0, MEMORY_SIZE, 3, 1, memfd, 0);
const file: File = {
  fileID: 1,
  hostFD: () => memfd,
  mapInternal: (offset) => memory + offset,
  mappedLength: (offset) => MEMORY_SIZE - offset,
  incRef() {},
  decRef() {},
  listenClose() {},
};
const platform = new SystrapPlatform(
  native,
  file,
  { warning: (m) => console.error(m) },
  { cores: 1, accelerate: false },
);

/** Machine code: `count` times system call nr, then SYS_DONE. */
function callLoop(nr: number, count: number): number[] {
  return [
    0xbb,
    ...le32(count), // mov ebx, count
    0xb8,
    ...le32(nr), // 1: mov eax, nr
    0x0f,
    0x05, // syscall
    0xff,
    0xcb, // dec ebx
    0x75,
    0xf5, // jnz 1b
    0xb8,
    ...le32(SYS_DONE),
    0x0f,
    0x05,
    0xeb,
    0xf7,
  ];
}

/** The same with a request line instead of a system call: bump word 0, wait until word 1 follows. */
function lineLoop(line: number, count: number): number[] {
  return [
    0xbb,
    ...le32(count), // mov ebx, count
    0xff,
    0x04,
    0x25,
    ...le32(line), // 1: inc dword [line]
    0x8b,
    0x04,
    0x25,
    ...le32(line), // mov eax, [line]
    0xf3,
    0x90, // 2: pause
    0x3b,
    0x04,
    0x25,
    ...le32(line + 4), // cmp eax, [line + 4]
    0x75,
    0xf5, // jne 2b
    0xff,
    0xcb, // dec ebx
    0x75,
    0xe3, // jnz 1b
    0xb8,
    ...le32(SYS_DONE),
    0x0f,
    0x05,
    0xeb,
    0xf7,
  ];
}

/** Computes for ever. */
const COMPUTE = [0x48, 0xff, 0xc0, 0xeb, 0xfb]; // 1: inc rax; jmp 1b

function le32(v: number): number[] {
  return [v & 255, (v >>> 8) & 255, (v >>> 16) & 255, (v >>> 24) & 255];
}

/** What a guest thread of a measurement does and how its calls are answered. */
class Guest implements p.ContextOwner {
  readonly as: p.AddressSpace;
  readonly ctx: p.Context;
  done = false;
  /** With a peer, a call is answered only by the peer's next call: ping-pong. */
  peer: Guest | null = null;
  waiting = false;

  constructor(code: number[], index: number, as?: p.AddressSpace) {
    this.as = as ?? platform.newAddressSpace();
    const offset = 0x10000 * (index + 1);
    const bytes = new Uint8Array(code);
    host.copyToHost(memory + offset, bytes, 0, bytes.length);
    if (as === undefined) {
      this.as.mapFile(CODE, file, 0, 0x200000, 5, true);
      this.as.mapFile(LINES, file, 0x800000, 0x10000, 3, true);
    }
    this.ctx = this.as.newContext(this);
    this.ctx.regs.set(p.REG_RIP, CODE + offset);
    this.ctx.regs.set(p.REG_RSP, LINES + 0x8000);
    this.ctx.regs.set(p.REG_EFLAGS, 0x202);
  }

  platformEvent(c: p.Context): void {
    if (c.event === p.EventSyscallRegs) {
      c.regs.set(p.REG_RAX, 0);
      c.resume();
    } else if (c.event === p.EventSyscall && c.sysno === SYS_DONE) {
      this.done = true;
    } else if (c.event === p.EventSyscall) {
      const peer = this.peer;
      if (peer === null) c.finishSyscall(0, false);
      else if (peer.waiting) {
        peer.waiting = false;
        this.waiting = true;
        peer.ctx.finishSyscall(0, false);
      } else if (peer.done) c.finishSyscall(0, false);
      else this.waiting = true;
    }
  }
}

/** Runs guests until all that count are done; microseconds per call of one of them. */
function run(counted: Guest[], others: Guest[], count: number, lines: number): number {
  const t = performance.now();
  for (const g of [...counted, ...others]) g.ctx.resume();
  while (counted.some((g) => !g.done)) {
    if (lines > 0) {
      // Bounded: a same-core peer would otherwise wait for our time slice to end.
      const i = spin.spin_wait(memory + 0x800000, lines, 2000);
      if (i >= 0) spin.spin_answer(memory + 0x800000, i);
      else platform.poll(0);
    } else {
      platform.poll(-1);
    }
    for (const g of counted) {
      if (g.done && g.peer?.waiting === true) {
        g.peer.waiting = false;
        g.peer.ctx.finishSyscall(0, false);
      }
    }
  }
  const us = ((performance.now() - t) * 1000) / count;
  for (const g of [...counted, ...others]) g.ctx.release();
  for (const as of new Set([...counted, ...others].map((g) => g.as))) as.release();
  // Let interrupted compute threads reach their parking place.
  for (let i = 0; i < 20; i++) platform.poll(1_000_000);
  return us;
}

function median(f: () => number): string {
  const v = [f(), f(), f()].sort((a, b) => a - b);
  return (v[1] ?? 0).toFixed(2);
}

const NOTIFIED = 39;
const TRAPPED = 158;
const kinds = [
  { name: "USER_NOTIF", count: 30_000, code: (n: number) => callLoop(NOTIFIED, n), lines: false },
  { name: "SIGSYS (TRAP)", count: 20_000, code: (n: number) => callLoop(TRAPPED, n), lines: false },
  { name: "patched, spin", count: 300_000, code: (n: number, i: number) => lineLoop(LINES + 64 * i, n), lines: true },
];
const cores = navigator.hardwareConcurrency;
console.log(
  `| us per call, ${cores} core(s) visible | one thread | two threads | ping-pong of two processes | one beside two computing |`,
);
console.log("| --- | --- | --- | --- | --- |");
for (const k of kinds) {
  const slow = k.lines && process.argv[2] === "one-core" ? 100 : 1;
  const n = k.count / slow;
  const lines = (many: number): number => (k.lines ? many : 0);
  const one = median(() => run([new Guest(k.code(n, 0), 0)], [], n, lines(1)));
  const two = median(() => {
    const a = new Guest(k.code(n, 0), 0);
    return run([a, new Guest(k.code(n, 1), 1, a.as)], [], n, lines(2));
  });
  let pingPong = "-";
  if (k.name === "USER_NOTIF") {
    pingPong = median(() => {
      const a = new Guest(k.code(n, 0), 0);
      const b = new Guest(k.code(n, 1), 1);
      a.peer = b;
      b.peer = a;
      return run([a, b], [], n, 0);
    });
  }
  const busy = median(() => {
    const a = new Guest(k.code(n / 10, 0), 0);
    return run([a], [new Guest(COMPUTE, 5, a.as), new Guest(COMPUTE, 5, a.as)], n / 10, lines(1));
  });
  console.log(`| ${k.name} | ${one} | ${two} | ${pingPong} | ${busy} |`);
}
platform.destroy();
