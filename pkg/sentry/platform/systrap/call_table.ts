import { toArrayBuffer } from "bun:ffi";
import { stateType } from "../../../state/index.ts";

/** Where the call table of a stub lies: byte 2 of an entry's address is 0x06, so a jump into the middle of a patched site is an invalid opcode. */
export const TABLE_BASE = 0x60000;
/** Bytes of a table. */
export const TABLE_SIZE = 0x4000;
const ENTRY_SIZE = 64;
const ENTRIES = TABLE_SIZE / ENTRY_SIZE;

/** `mov $nr, %eax; syscall`, and what it becomes: `jmp *entry`. */
export const SITE_SIZE = 7;
const SITE_SYSCALL = 5;

// Parts of an entry.
const ENTRY_RETURN = 8;
const ENTRY_FAST = 16;
const ENTRY_SLOW = 40;
const ENTRY_SLOW_SYSCALL = 45;
const ENTRY_SLOW_RETURNED = 47;

/**
 * The patched call sites of one guest address space. An entry holds {address of its fast part, return address, fast part: rcx =
 * entry, r11d = number, jump to the trampoline; slow part: the original instructions, jump back}. Guests can execute and read the
 * table, only the sentry writes it; what the sentry believes about sites is its own copy.
 */
export class CallTable {
  static readonly stateType = stateType(
    "systrap.CallTable",
    [],
    ["bytes", "view", "trampoline", "sites", "returns", "numbers"],
  );
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly trampoline: number;
  /** Entry index by address of the site. */
  readonly sites: Map<number, number> = new Map();
  /** By index: return address and call number. Index 0 is the table's head. */
  readonly returns: number[] = [0];
  readonly numbers: number[] = [0];

  constructor(address: number, trampoline: number) {
    const buffer = toArrayBuffer(address as Parameters<typeof toArrayBuffer>[0], 0, TABLE_SIZE);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.trampoline = trampoline;
  }

  /** Whether another site fits. */
  full(): boolean {
    return this.returns.length >= ENTRIES;
  }

  /** Makes an entry for a site; the 7 bytes to put there. */
  add(site: number, nr: number): Uint8Array {
    const index = this.returns.length;
    const at = index * ENTRY_SIZE;
    const ret = site + SITE_SIZE;
    this.put64(0, this.trampoline);
    this.put64(at, TABLE_BASE + at + ENTRY_FAST);
    this.put64(at + ENTRY_RETURN, ret);
    const v = this.view;
    this.bytes.set([0x48, 0x8d, 0x0d], at + 16); // lea entry(%rip), %rcx
    v.setInt32(at + 19, -23, true);
    this.bytes.set([0x41, 0xbb], at + 23); // mov $nr, %r11d
    v.setUint32(at + 25, nr, true);
    this.bytes.set([0xff, 0x25], at + 29); // jmp *table(%rip)
    v.setInt32(at + 31, -(at + 35), true);
    this.bytes.set([0xb8], at + ENTRY_SLOW); // mov $nr, %eax
    v.setUint32(at + 41, nr, true);
    this.bytes.set([0x0f, 0x05, 0xff, 0x25], at + ENTRY_SLOW_SYSCALL); // syscall; jmp *return(%rip)
    v.setInt32(at + 49, ENTRY_RETURN - 53, true);
    this.returns.push(ret);
    this.numbers.push(nr);
    this.sites.set(site, index);
    const jump = new Uint8Array(SITE_SIZE);
    jump.set([0xff, 0x24, 0x25]);
    new DataView(jump.buffer).setUint32(3, TABLE_BASE + at, true);
    return jump;
  }

  put64(at: number, v: number): void {
    this.view.setUint32(at, v % 4294967296, true);
    this.view.setUint32(at + 4, Math.floor(v / 4294967296), true);
  }

  /** The 7 bytes that an entry's site had. */
  originalCode(index: number): Uint8Array {
    const code = new Uint8Array(SITE_SIZE);
    code.set([0xb8, 0, 0, 0, 0, 0x0f, 0x05]);
    new DataView(code.buffer).setUint32(1, this.numbers[index] ?? 0, true);
    return code;
  }

  /** Forgets all sites: the address space is empty again. */
  clear(): void {
    this.sites.clear();
    this.returns.length = 1;
    this.numbers.length = 1;
  }

  /** Takes over the sites of the address space this one is a copy of. */
  copyFrom(from: CallTable): void {
    this.clear();
    for (let i = 1; i < from.returns.length; i++) this.add((from.returns[i] ?? 0) - SITE_SIZE, from.numbers[i] ?? 0);
  }

  /** The index of the entry an address lies in; 0 when in none. */
  indexOf(address: number): number {
    const index = Math.floor((address - TABLE_BASE) / ENTRY_SIZE);
    return index > 0 && index < this.returns.length ? index : 0;
  }

  /** Return address of an entry. */
  returnOf(index: number): number {
    return this.returns[index] ?? 0;
  }

  /** What an instruction pointer inside an entry stands for in the unpatched program. */
  originalIP(index: number, address: number): number {
    const part = (address - TABLE_BASE) % ENTRY_SIZE;
    const ret = this.returnOf(index);
    if (part === ENTRY_SLOW_RETURNED) return ret;
    if (part === ENTRY_SLOW_SYSCALL) return ret - SITE_SIZE + SITE_SYSCALL;
    return ret - SITE_SIZE;
  }

  /** Where a thread must go on that is to execute the syscall instruction of a patched site; 0 when `ip` is not one. */
  syscallIP(ip: number): number {
    const index = this.sites.get(ip - SITE_SYSCALL);
    return index === undefined ? 0 : TABLE_BASE + index * ENTRY_SIZE + ENTRY_SLOW_SYSCALL;
  }

  /** Where a thread goes on that cannot use the trampoline. */
  slowIP(index: number): number {
    return TABLE_BASE + index * ENTRY_SIZE + ENTRY_SLOW;
  }
}
