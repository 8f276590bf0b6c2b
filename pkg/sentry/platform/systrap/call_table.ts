import { toArrayBuffer } from "bun:ffi";
import { stateType } from "../../../state/index.ts";

/** Where the call table of a stub lies: byte 2 of an entry's address is 0x06, so a jump into the middle of a patched site is an invalid opcode. */
export const TABLE_BASE = 0x60000;
/** Bytes of a table. */
export const TABLE_SIZE = 0x10000;
const ENTRY_SIZE = 128;
const ENTRIES = TABLE_SIZE / ENTRY_SIZE;

/** Bytes that become `jmp *entry`. */
export const SITE_SIZE = 7;
/** Bytes that are looked at before the end of a system call instruction: a site and what may be a prefix to it. */
export const BEFORE_SIZE = 8;
/** Bytes behind a system call instruction that are looked at. */
export const AFTER_SIZE = 6;
/** `syscall`. */
const SYSCALL_SIZE = 2;
/** In ranges up to this size sites are looked up, not searched for. */
const PROBE_SIZE = 16;

// Parts of an entry.
const ENTRY_CONTINUE = 8;
const ENTRY_FAST = 16;
const ENTRY_SLOW = 45;
const ENTRY_TAIL = 47;
const ENTRY_RETURN = 64;

/**
 * Kinds of sites. NUMBERED: `mov $nr, %eax; syscall`. COMPARED: `syscall; cmp $imm32, %rax`, whose eighth byte stays behind the
 * jump and is never executed.
 */
export const SITE_NUMBERED = 1;
export const SITE_COMPARED = 2;
/** One of the above. */
export type SiteKind = 1 | 2;

/** A patched call site. */
export interface Site {
  readonly kind: SiteKind;
  /** Address of the first of the SITE_SIZE bytes. */
  readonly address: number;
  /** What they were. */
  readonly original: Uint8Array;
  /** The number moved, or what is compared to. */
  readonly operand: number;
  /** Address behind the system call instruction. */
  readonly syscallReturn: number;
}

/**
 * The site of a system call instruction that ends at `ip` and was executed with number `nr`, by the code around it: `before` are the
 * BEFORE_SIZE bytes that end there, `after` the AFTER_SIZE that follow; null: unknown. Null when it cannot be patched.
 */
export function siteAt(ip: number, nr: number, before: Uint8Array | null, after: Uint8Array | null): Site | null {
  if (after !== null && after[0] === 0x48 && after[1] === 0x3d) {
    const original = new Uint8Array(SITE_SIZE);
    original.set([0x0f, 0x05]);
    original.set(after.subarray(0, SITE_SIZE - SYSCALL_SIZE), SYSCALL_SIZE);
    const operand = new DataView(after.buffer, after.byteOffset).getInt32(2, true);
    return { kind: SITE_COMPARED, address: ip - SYSCALL_SIZE, original, operand, syscallReturn: ip };
  }
  if (before === null || before[1] !== 0xb8 || before[6] !== 0x0f || before[7] !== 0x05) return null;
  // REX.B: `mov $imm32, %r8d`.
  if (((before[0] ?? 0) & 0xf1) === 0x41) return null;
  const operand = new DataView(before.buffer, before.byteOffset).getInt32(2, true);
  // Were it the end of another instruction, its operand would hardly be the number.
  if (operand !== nr) return null;
  return { kind: SITE_NUMBERED, address: ip - SITE_SIZE, original: before.slice(1), operand, syscallReturn: ip };
}

/** What the sentry believes about the sites of a table; shared by tables that are copies of each other until one changes. */
class SiteList {
  static readonly stateType = stateType("systrap.SiteList", [], ["byAddress", "entries", "users"]);
  /** Entry index by address of the site. */
  readonly byAddress: Map<number, number> = new Map();
  /** By index; 0 is the table's head, null a site that is forgotten. */
  readonly entries: Site[] = [];
  users = 1;

  copy(): SiteList {
    const l = new SiteList();
    for (const [k, v] of this.byAddress) l.byAddress.set(k, v);
    for (const e of this.entries) l.entries.push(e);
    return l;
  }
}

/**
 * The patched call sites of one guest address space. An entry holds {address of its fast part, address of where a fast call continues, fast
 * part: rcx = entry, r11d = number, jump to the trampoline; slow part: the number, the system call; tail: what the patch
 * took from behind the call, jump back; address behind the site}. Guests can execute and read the table, only the sentry writes it; what the
 * sentry believes about sites is its own copy. An entry is never reused while the address space lives: a thread may stand in it.
 */
export class CallTable {
  static readonly stateType = stateType("systrap.CallTable", [], ["bytes", "view", "trampoline", "list"]);
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly trampoline: number;
  list: SiteList = new SiteList();

  constructor(address: number, trampoline: number) {
    const buffer = toArrayBuffer(address as Parameters<typeof toArrayBuffer>[0], 0, TABLE_SIZE);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
    this.trampoline = trampoline;
  }

  /** Number of sites that are patched. */
  get size(): number {
    return this.list.byAddress.size;
  }

  /** Whether another site fits. */
  full(): boolean {
    return this.list.entries.length + 1 >= ENTRIES;
  }

  /** The list, for a change. */
  own(): SiteList {
    if (this.list.users > 1) {
      this.list.users--;
      this.list = this.list.copy();
    }
    return this.list;
  }

  /** Makes an entry for a site; the 7 bytes to put there. */
  add(site: Site): Uint8Array {
    const list = this.own();
    list.entries.push(site);
    const index = list.entries.length;
    list.byAddress.set(site.address, index);
    const at = index * ENTRY_SIZE;
    const v = this.view;
    const compared = site.kind === SITE_COMPARED;
    const returnTo = compared ? site.syscallReturn + 6 : site.syscallReturn;
    this.put64(0, this.trampoline);
    this.put64(at, TABLE_BASE + at + ENTRY_FAST);
    this.put64(at + ENTRY_CONTINUE, compared ? TABLE_BASE + at + ENTRY_TAIL : returnTo);
    this.put64(at + ENTRY_RETURN, returnTo);
    this.bytes.set([0x48, 0x8d, 0x0d], at + ENTRY_FAST); // lea entry(%rip), %rcx
    v.setInt32(at + 19, -23, true);
    if (compared) {
      this.bytes.set([0x41, 0x89, 0xc3, 0x0f, 0x1f, 0x00], at + 23); // mov %eax, %r11d; nop
    } else {
      this.bytes.set([0x41, 0xbb], at + 23); // mov $nr, %r11d
      v.setInt32(at + 25, site.operand, true);
    }
    this.bytes.set([0xff, 0x25], at + 29); // jmp *table(%rip)
    v.setInt32(at + 31, -(at + 35), true);
    this.bytes.set([0x0f, 0x05], at + ENTRY_SLOW); // syscall
    let tail = at + ENTRY_TAIL;
    if (compared) {
      this.bytes.set([0x48, 0x3d], tail); // cmp $imm, %rax
      v.setInt32(tail + 2, site.operand, true);
      tail += 6;
    }
    this.bytes.set([0xff, 0x25], tail); // jmp *return(%rip)
    v.setInt32(tail + 2, at + ENTRY_RETURN - (tail + 6), true);
    // The displacement's byte that a jump behind the system call would execute: IN, which faults, for one; an invalid opcode for the other.
    const jump = new Uint8Array(SITE_SIZE);
    jump.set([0xff, 0x24, compared ? 0xe5 : 0x25]);
    new DataView(jump.buffer).setUint32(3, TABLE_BASE + at, true);
    return jump;
  }

  put64(at: number, v: number): void {
    this.view.setUint32(at, v % 4294967296, true);
    this.view.setUint32(at + 4, Math.floor(v / 4294967296), true);
  }

  /** Forgets all sites, and what their entries say of the program: the address space is empty again. */
  clear(): void {
    const { length } = this.list.entries;
    if (length === 0) return;
    this.bytes.fill(0, 0, (length + 1) * ENTRY_SIZE);
    this.list.users--;
    this.list = new SiteList();
  }

  /** Takes over the sites of the address space this one is a copy of. */
  copyFrom(from: CallTable): void {
    this.clear();
    if (from.list.entries.length === 0) return;
    const used = (from.list.entries.length + 1) * ENTRY_SIZE;
    this.bytes.set(from.bytes.subarray(0, used));
    from.list.users++;
    this.list = from.list;
  }

  /** Each patched site that shares a byte with [start, end). */
  *sitesIn(start: number, end: number): Generator<Site> {
    const { byAddress, entries } = this.list;
    if (end - start <= PROBE_SIZE) {
      for (let a = start - SITE_SIZE + 1; a < end; a++) {
        const s = entries[(byAddress.get(a) ?? 0) - 1];
        if (s !== undefined) yield s;
      }
      return;
    }
    for (const [a, i] of byAddress) {
      const s = entries[i - 1];
      if (s !== undefined && a < end && a + SITE_SIZE > start) yield s;
    }
  }

  /** What is at a site is no longer ours. Threads that stand in its entry go on from there. */
  forget(site: Site): void {
    this.own().byAddress.delete(site.address);
  }

  /** Whether a system call instruction that ends at `ip` is patched. */
  isPatched(ip: number): boolean {
    const { byAddress } = this.list;
    return byAddress.has(ip - SITE_SIZE) || byAddress.has(ip - SYSCALL_SIZE);
  }

  /** The index of the entry an address lies in; 0 when in none. */
  indexOf(address: number): number {
    const index = Math.floor((address - TABLE_BASE) / ENTRY_SIZE);
    return index > 0 && index <= this.list.entries.length ? index : 0;
  }

  /** The site of an entry. */
  siteOf(index: number): Site {
    const s = this.list.entries[index - 1];
    if (s === undefined) throw new Error("systrap: no such entry in the call table");
    return s;
  }

  /** Address behind the system call instruction of an entry's site. */
  returnOf(index: number): number {
    return this.siteOf(index).syscallReturn;
  }

  /** Where a thread stands in the unpatched program whose call of an entry is not begun. */
  startOf(index: number): number {
    return this.siteOf(index).address;
  }

  /** What an instruction pointer inside an entry stands for in the unpatched program. */
  originalIP(index: number, address: number): number {
    const part = (address - TABLE_BASE) % ENTRY_SIZE;
    const site = this.siteOf(index);
    if (part < ENTRY_SLOW) return site.address;
    if (part < ENTRY_TAIL) return site.syscallReturn - SYSCALL_SIZE;
    return part === ENTRY_TAIL ? site.syscallReturn : site.syscallReturn + 6;
  }

  /**
   * Where a thread must go on that the unpatched program has at `ip`, inside of what was patched: before the system call instruction of a
   * NUMBERED site, behind that of a COMPARED one. 0 when `ip` is no such place.
   */
  resumeIP(ip: number): number {
    const { byAddress, entries } = this.list;
    if (byAddress.size === 0) return 0;
    const numbered = byAddress.get(ip - SITE_SIZE + SYSCALL_SIZE);
    if (numbered !== undefined && entries[numbered - 1]?.kind === SITE_NUMBERED)
      return TABLE_BASE + numbered * ENTRY_SIZE + ENTRY_SLOW;
    const compared = byAddress.get(ip - SYSCALL_SIZE);
    if (compared !== undefined && entries[compared - 1]?.kind === SITE_COMPARED)
      return TABLE_BASE + compared * ENTRY_SIZE + ENTRY_TAIL;
    return 0;
  }

  /** The last site, forgotten or not, that has `ip` where resumeIP() says; null: none. */
  siteAround(ip: number): Site | null {
    const { entries } = this.list;
    for (let i = entries.length; i > 0; i--) {
      const s = this.siteOf(i);
      if (ip === (s.kind === SITE_NUMBERED ? s.syscallReturn - SYSCALL_SIZE : s.syscallReturn)) return s;
    }
    return null;
  }

  /** Where a thread goes on that cannot use the trampoline: it needs the number in EAX. */
  slowIP(index: number): number {
    return TABLE_BASE + index * ENTRY_SIZE + ENTRY_SLOW;
  }
}
