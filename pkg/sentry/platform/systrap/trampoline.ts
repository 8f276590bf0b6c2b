/*
 * The trampoline (native/systrap.c) seen from outside: what a frame that was interrupted in it, or in the call table, means for the program as it
 * was written. The contexts are stopped.
 */
import * as host from "../../../hostsyscall/index.ts";
import { REG_EFLAGS, REG_R10, REG_R11, REG_RAX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI } from "../platform.ts";
import type { SystrapContext } from "./context.ts";
import { SLOT_ARGS, SLOT_ENTRY, SLOT_FLAGS, SLOT_NR, SLOT_RESULT } from "./stub.ts";

/** State of a request line that was answered. */
const LINE_ANSWERED = 4;

/** The first four arguments of a request. */
const SLEEPER_REGS = [REG_RDI, REG_RSI, REG_RDX, REG_R10] as const;

/** The frame becomes that of a thread whose request from the trampoline was answered. */
export function completed(c: SystrapContext, ret: number): void {
  const slot = readSlot(c);
  const { calls } = c.subprocess;
  const index = entryIn(c, slot);
  if (index === 0) return;
  c.regs.set(REG_RAX, ret);
  c.regs.set(REG_RIP, calls.returnOf(index));
  c.regs.set(REG_RCX, calls.returnOf(index));
  restoreArguments(c, slot);
  restoreFlags(c, slot.getUint32(SLOT_FLAGS, true), true);
}

/** The registers in which a sleeper in the trampoline had something else. */
function restoreArguments(c: SystrapContext, slot: DataView): void {
  const w = c.regs.words;
  for (let i = 0; i < SLEEPER_REGS.length; i++) {
    const r = SLEEPER_REGS[i] ?? 0;
    w[2 * r] = slot.getUint32(SLOT_ARGS + 8 * i, true);
    w[2 * r + 1] = slot.getUint32(SLOT_ARGS + 8 * i + 4, true);
  }
}

/** The arithmetic flags as the trampoline saved them: OF in bit 0, the others in bits 8 to 15. */
export function restoreFlags(c: SystrapContext, saved: number, overflow: boolean): void {
  const w = c.regs.words;
  let flags = ((w[2 * REG_EFLAGS] ?? 0) & ~0xd5) | ((saved >>> 8) & 0xd5);
  if (overflow) flags = (flags & ~0x800) | ((saved & 1) << 11);
  w[2 * REG_EFLAGS] = flags;
}

/** The index of the entry that the trampoline left in the slot; 0 when it is none. */
function entryIn(c: SystrapContext, slot: DataView): number {
  const address = slot.getUint32(SLOT_ENTRY + 4, true) * 4294967296 + slot.getUint32(SLOT_ENTRY, true);
  return c.subprocess.calls.indexOf(address);
}

/** The trampoline's part of the slot, copied. */
function readSlot(c: SystrapContext): DataView {
  const bytes = c.subprocess.platform.slotBytes;
  host.copyFromHost(bytes, 0, c.slotHost, bytes.length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The same for a thread in the call table; false when it is not there. */
export function normaliseEntry(c: SystrapContext): boolean {
  const { calls } = c.subprocess;
  const ip = c.regs.get(REG_RIP);
  const entry = calls.indexOf(ip);
  if (entry === 0) return false;
  c.regs.set(REG_RIP, calls.originalIP(entry, ip));
  return true;
}

/**
 * A frame that shows a thread inside the trampoline or the call table becomes that of the program as it was written: before
 * its `mov $nr, %eax`, or behind the system call.
 */
export function normalise(c: SystrapContext): void {
  if (normaliseEntry(c)) return;
  const { regs } = c;
  const { platform, calls } = c.subprocess;
  const { image } = platform;
  const ip = regs.get(REG_RIP);
  if (ip < image.trampIP || ip >= image.endIP) return;
  if (ip >= image.waitIP && ip < image.slowIP) {
    const was = platform.native.systrap_clear(c.lineAddress());
    const slot = readSlot(c);
    if (was === LINE_ANSWERED) {
      const low = slot.getUint32(SLOT_RESULT, true);
      const high = slot.getUint32(SLOT_RESULT + 4, true);
      completed(c, 0);
      regs.words[2 * REG_RAX] = low;
      regs.words[2 * REG_RAX + 1] = high;
      return;
    }
    const index = entryIn(c, slot);
    if (index === 0) return;
    restoreArguments(c, slot);
    restoreFlags(c, slot.getUint32(SLOT_FLAGS, true), true);
    regs.set(REG_RAX, slot.getUint32(SLOT_NR, true));
    regs.set(REG_RIP, calls.startOf(index));
    return;
  }
  const index = calls.indexOf(regs.get(REG_RCX));
  if (index === 0) return;
  // Between the end of its add and that of the trampoline, OF is right already.
  if (ip >= image.checkIP && ip < image.restoredIP) restoreFlags(c, regs.words[2 * REG_RAX] ?? 0, ip <= image.slowIP);
  if (ip !== image.trampIP) regs.set(REG_RAX, regs.words[2 * REG_R11] ?? 0);
  regs.set(REG_RIP, calls.startOf(index));
}
