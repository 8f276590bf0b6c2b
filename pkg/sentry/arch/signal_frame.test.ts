import { expect, test } from "bun:test";
import { SA_ONSTACK, SA_RESTORER, SA_SIGINFO, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from "../../abi/linux/signal.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { IovecArray } from "../../hostsyscall/iovec.ts";
import { REG_COUNT, REG_EFLAGS, REG_RAX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP } from "../platform/platform.ts";
import type { IO } from "../usermem/index.ts";
import { altStackState, FrameBuffer, popSignalFrame, pushSignalFrame } from "./signal_frame.ts";
import { SignalInfo } from "./signal_info.ts";

const BASE = 0x10000;
const SIZE = 0x10000;

/** Memory at [BASE, BASE+SIZE). */
class Memory implements IO {
  readonly bytes = new Uint8Array(SIZE);
  check(addr: number, len: number): void {
    if (addr < BASE || addr + len > BASE + SIZE) throw linuxerr.EFAULT;
  }
  copyOut(addr: number, src: Uint8Array, off: number, len: number): number {
    this.check(addr, len);
    this.bytes.set(src.subarray(off, off + len), addr - BASE);
    return len;
  }
  copyIn(addr: number, dst: Uint8Array, off: number, len: number): number {
    this.check(addr, len);
    dst.set(this.bytes.subarray(addr - BASE, addr - BASE + len), off);
    return len;
  }
  zeroOut(_addr: number, len: number): number {
    return len;
  }
  hostRanges(_addr: number, _len: number, _write: boolean, _iov: IovecArray): number {
    return 0;
  }
}

class Regs {
  readonly words = new Uint32Array(REG_COUNT * 2);
  get(i: number): number {
    return (this.words[2 * i + 1] ?? 0) * 4294967296 + (this.words[2 * i] ?? 0);
  }
  set(i: number, v: number): void {
    this.words[2 * i] = v;
    this.words[2 * i + 1] = Math.floor(v / 4294967296);
  }
}

const buf = new FrameBuffer();
const noStack = { altStackAddr: 0, altStackSize: 0, altStackFlags: 0 };

function push(regs: Regs, io: IO, altStack = noStack, flags = SA_RESTORER | SA_SIGINFO): boolean {
  return pushSignalFrame(
    {
      regs,
      io,
      fpState: new Uint8Array(700).fill(7),
      handler: 0x400000,
      restorer: 0x500000,
      flags,
      info: SignalInfo.fault(11, 1, 0xdead),
      maskLo: 0x11,
      maskHi: 0x80000000,
      altStack,
      trap: { trapErr: 6, trapNo: 14, trapAddr: 0xdead },
    },
    buf,
  );
}

function fresh(): Regs {
  const regs = new Regs();
  for (let i = 0; i < REG_COUNT * 2; i++) regs.words[i] = 0x1000 + i;
  regs.set(REG_RSP, BASE + SIZE - 100);
  regs.set(REG_RIP, 0x401234);
  regs.set(REG_EFLAGS, 0x10747);
  return regs;
}

test("a frame is where Linux puts it, and sigreturn undoes it", () => {
  const io = new Memory();
  const regs = fresh();
  const before = regs.words.slice();
  expect(push(regs, io)).toBe(true);
  const sp = regs.get(REG_RSP);
  expect((sp + 8) % 16).toBe(0);
  expect(regs.get(REG_RDI)).toBe(11);
  expect(regs.get(REG_RSI)).toBe(sp + 312);
  expect(regs.get(REG_RDX)).toBe(sp + 8);
  expect([regs.get(REG_RAX), regs.get(REG_RIP)]).toEqual([0, 0x400000]);
  // DF, RF and TF are off.
  expect(regs.get(REG_EFLAGS)).toBe(0x247);
  const v = new DataView(io.bytes.buffer, sp - BASE);
  const u64 = (off: number): number => Number(v.getBigUint64(off, true));
  expect(u64(0)).toBe(0x500000);
  expect(u64(8)).toBe(7);
  const fp = u64(48 + 184);
  expect(fp % 64).toBe(0);
  expect(fp + 700).toBeLessThanOrEqual(BASE + SIZE - 100 - 128);
  expect(fp).toBeGreaterThanOrEqual(sp + 440);
  expect([v.getUint16(48 + 144, true), v.getUint16(48 + 150, true)]).toEqual([0x33, 0x2b]);
  expect([u64(48 + 152), u64(48 + 160), u64(48 + 176)]).toEqual([6, 14, 0xdead]);
  expect([v.getUint32(48 + 256, true), v.getUint32(48 + 260, true)]).toEqual([0x11, 0x80000000]);
  expect([v.getUint32(312, true), v.getUint32(320, true), u64(328)]).toEqual([11, 1, 0xdead]);

  // The handler returned.
  regs.set(REG_RSP, sp + 8);
  regs.set(REG_EFLAGS, 0x202);
  const r = popSignalFrame(regs, io, buf);
  expect(r).toEqual({
    maskLo: 0x11,
    maskHi: 0x80000000,
    fpAddr: fp,
    altStackAddr: 0,
    altStackSize: 0,
    altStackFlags: 0,
  });
  // Reserved and privileged flags are the processor's.
  before[2 * REG_EFLAGS] = 0x10747 & ~2 & ~0x200;
  before[2 * REG_EFLAGS] = (before[2 * REG_EFLAGS] ?? 0) | 0x202;
  expect(regs.words).toEqual(before);
});

test("a frame that does not fit, or lacks a restorer, is refused without a change", () => {
  const io = new Memory();
  const regs = fresh();
  regs.set(REG_RSP, BASE + 500);
  const before = regs.words.slice();
  expect(push(regs, io)).toBe(false);
  regs.set(REG_RSP, 0);
  expect(push(regs, io)).toBe(false);
  regs.set(REG_RSP, BASE + 500);
  expect(push(fresh(), io, noStack, SA_SIGINFO)).toBe(false);
  expect(regs.words).toEqual(before);
  // A forged code segment.
  const good = fresh();
  push(good, io);
  const sp = good.get(REG_RSP);
  io.bytes[sp - BASE + 48 + 144] = 0x23;
  good.set(REG_RSP, sp + 8);
  expect(popSignalFrame(good, io, buf)).toBeNull();
});

test("alternate stacks", () => {
  const io = new Memory();
  const alt = { altStackAddr: BASE + 0x1000, altStackSize: 0x2000, altStackFlags: 0 };
  const regs = fresh();
  const flags = SA_RESTORER | SA_ONSTACK;
  expect(push(regs, io, alt, flags)).toBe(true);
  const sp = regs.get(REG_RSP);
  expect(sp).toBeGreaterThan(alt.altStackAddr);
  expect(sp).toBeLessThan(alt.altStackAddr + alt.altStackSize);
  expect(altStackState(alt, sp)).toBe(SS_ONSTACK);
  // A second one goes below the first; one that would leave the stack is refused.
  expect(push(regs, io, alt, flags)).toBe(true);
  expect(regs.get(REG_RSP)).toBeLessThan(sp);
  regs.set(REG_RSP, alt.altStackAddr + 600);
  expect(push(regs, io, alt, flags)).toBe(false);
  expect(altStackState({ ...alt, altStackFlags: SS_AUTODISARM }, sp)).toBe(0);
  expect(altStackState(noStack, sp)).toBe(SS_DISABLE);
});
