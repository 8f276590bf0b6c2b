import { ptr, toArrayBuffer } from "bun:ffi";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import type { File } from "../../memmap/index.ts";
import {
  type AddressSpace,
  type CodeAccess,
  type Context,
  type ContextOwner,
  type FDListener,
  HostUsage,
} from "../platform.ts";
import {
  AFTER_SIZE,
  BEFORE_SIZE,
  CallTable,
  SITE_SIZE,
  type Site,
  siteAt,
  TABLE_BASE,
  TABLE_SIZE,
} from "./call_table.ts";
import { SystrapContext } from "./context.ts";
import {
  COMMAND_BASE,
  COMMAND_SIZE,
  encodeOp,
  MIN_ADDRESS,
  NR_COMMAND,
  OP_ENTER,
  OP_REPORT,
  OP_SIZE,
  type Op,
  SLOT_BASE,
  SLOT_SELECTOR,
  SLOT_SIZE,
  SLOT_STACK,
  STUB_BASE,
  STUB_MEMFD,
  STUB_MEMORY_FILE,
  STUB_TEXT_SIZE,
} from "./stub.ts";
import type { SystrapPlatform } from "./systrap.ts";

const SYS_close = 3;
const SYS_mmap = 9;
const SYS_mprotect = 10;
const SYS_munmap = 11;
const SYS_clone = 56;
const SYS_sigaltstack = 131;
const SYS_getrusage = 98;
const SYS_prctl = 157;
const SYS_clock_gettime = 228;
const SYS_seccomp = 317;
const SIGKILL = 9;
const ESRCH = 3;
const ENOMEM = 12;
const PR_SET_PDEATHSIG = 1;
const WALL = 0x40000000;
const MAP_SHARED = 0x01;
const MAP_FIXED = 0x10;
const MAP_POPULATE = 0x8000;
const MAP_NORESERVE = 0x4000;
const CLONE_PARENT = 0x8000;
const SIGCHLD = 17;
// CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM
const THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;
const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103;

/** Threads whose clocks are read when a stub is released. */
const MAX_CLOCKS = 64;
/** Descriptors that a stub keeps besides those every stub has. */
const MAX_FILES = 40;
const PR_SET_SYSCALL_USER_DISPATCH = 59;
const PR_SYS_DISPATCH_ON = 1;

/**
 * Calls from one place after which it is patched: dispatched ones, which patching makes faster, and notified ones, for which it does nothing until lines are polled again. How
 * often that is tried, and how many places are counted at a time.
 */
export const HOT_DISPATCHED = 16;
export const HOT_NOTIFIED = 128;
const PATCH_TRIES = 4;
const COUNTED_SITES = 4096;
/** Bytes of a page. */
const PAGE_SIZE = 4096;

// The command area: operations of a batch, then the program of a child, then data.
const BATCH_OPS = 192;
const CHILD_OP = 200;
const DATA_WORD = (COMMAND_SIZE - 256) / 4;
const DATA_BASE = COMMAND_BASE + COMMAND_SIZE - 256;
const CHILD_BASE = COMMAND_BASE + CHILD_OP * OP_SIZE;
const OP_WORDS = OP_SIZE / 4;

/** A stub process: the host side of one guest address space. Its first thread only carries out commands. */
export class Subprocess implements AddressSpace, FDListener {
  static readonly stateType = stateType(
    "systrap.Subprocess",
    [],
    [
      "platform",
      "pid",
      "pidfd",
      "region",
      "area",
      "calls",
      "code",
      "callCounts",
      "commandLow",
      "commandHigh",
      "lastOp",
      "lastResult",
      "ops",
      "batching",
      "files",
      "evicted",
      "contexts",
      "idle",
      "dead",
      "releasing",
      "usage",
      "taken",
    ],
  );
  readonly platform: SystrapPlatform;
  pid = 0;
  pidfd = -1;
  /** Index of the command area in the stub memfd. */
  readonly region: number;
  /** The command area, which no guest can write. */
  readonly area: Uint32Array;
  /** Patched call sites, the mapping's owner that lets us patch, and how often calls came from where. */
  readonly calls: CallTable;
  code: CodeAccess | null = null;
  readonly callCounts: Map<number, number> = new Map();
  /** The command thread's unanswered report. */
  commandLow = 0;
  commandHigh = 0;
  /** Address of the operation that ended the last program, and its result or that of the last one carried out. */
  lastOp = 0;
  lastResult = 0;
  /** Operations collected and not yet carried out. */
  ops = 0;
  batching = 0;
  /**
   * Its descriptors by File.fileID, in order of donation. They are kept, since the same few files are mapped again and again, also by the next
   * process that has this stub: no guest can make a call that uses a descriptor.
   */
  readonly files: Map<number, number> = new Map();
  /** Descriptors that had to make room, closed at the end of the collected operations. */
  readonly evicted: number[] = [];
  /** All threads that live, parked ones included. */
  contexts: SystrapContext[] = [];
  idle: SystrapContext[] = [];
  dead = false;
  releasing = false;
  /** The stub's rusage since it began, as it was read last; and its counts as they were handed out last. */
  readonly usage: HostUsage = new HostUsage();
  readonly taken: HostUsage = new HostUsage();

  constructor(platform: SystrapPlatform, region: number) {
    this.platform = platform;
    this.region = region;
    this.area = new Uint32Array(toArrayBuffer(asPointer(platform.regionAddress(region)), 0, COMMAND_SIZE));
    this.calls = new CallTable(platform.regionAddress(region) + COMMAND_SIZE, platform.image.trampIP);
  }

  /** Watches the process that exists now. */
  attach(pid: number): void {
    const platform = this.platform;
    this.pid = pid;
    this.pidfd = host.pidfdOpen(pid, 0);
    if (this.pidfd < 0) throw new Error(`systrap: pidfd_open of stub ${pid}: ${linuxerr.nameOf(-this.pidfd)}`);
    platform.watchFD(this.pidfd, 1, this);
  }

  /** Remembers the report that a command thread waits in. */
  reported(notif: Uint32Array): void {
    this.commandLow = notif[0] ?? 0;
    this.commandHigh = notif[1] ?? 0;
    this.lastOp = (notif[9] ?? 0) * 4294967296 + (notif[8] ?? 0);
    this.lastResult = ((notif[11] ?? 0) | 0) * 4294967296 + (notif[10] ?? 0);
  }

  /** Runs the program at `address` in the stub; returns when its command thread reports, with the last result or a negative errno. */
  run(address: number): number {
    if (this.dead) return -ESRCH;
    const platform = this.platform;
    platform.poller?.commanded();
    platform.sendCommand(this.commandLow, this.commandHigh, address);
    if (!platform.awaitReport(this, this.pid)) {
      this.died();
      return -ESRCH;
    }
    return this.lastResult;
  }

  /** Adds an operation to the batch. */
  add(op: Op): void {
    if (this.ops >= BATCH_OPS - 16) this.flush();
    encodeOp(this.area, this.ops * OP_WORDS, op);
    this.ops++;
  }

  /** The same for a change of mappings; `a2`, `a3` and `a4` are less than 2^32. */
  change(nr: number, addr: number, length: number, a2: number, a3: number, a4: number, offset: number): void {
    if (this.ops >= BATCH_OPS - 16) this.flush();
    const { area } = this;
    const w = this.ops * OP_WORDS;
    // Stores take numbers modulo 2^32.
    area[w] = nr;
    area[w + 1] = 0;
    area[w + 2] = addr;
    area[w + 3] = addr / 4294967296;
    area[w + 4] = length;
    area[w + 5] = length / 4294967296;
    area[w + 6] = a2;
    area[w + 7] = 0;
    area[w + 8] = a3;
    area[w + 9] = 0;
    area[w + 10] = a4;
    area[w + 11] = 0;
    area[w + 12] = offset;
    area[w + 13] = offset / 4294967296;
    area[w + 14] = 0;
    area[w + 15] = 0;
    this.ops++;
  }

  /** Carries out what was collected. Throws ENOMEM when the host ran out of mappings or memory. */
  flush(): void {
    for (const fd of this.evicted) {
      encodeOp(this.area, this.ops * OP_WORDS, [SYS_close, fd]);
      this.ops++;
    }
    this.evicted.length = 0;
    if (this.ops === 0) return;
    encodeOp(this.area, this.ops * OP_WORDS, OP_REPORT);
    this.ops = 0;
    const platform = this.platform;
    let r = this.run(COMMAND_BASE);
    while (r < 0 && r > -4096) {
      // A dead stub has nothing mapped: every command on it has succeeded as far as memory is concerned.
      if (r === -ESRCH && this.dead) return;
      const at = this.lastOp - COMMAND_BASE;
      const word = at / 4;
      // mprotect stops at a hole: what it was to change is dropped instead, and comes back by faults with the right access.
      if (r !== -ENOMEM || this.area[word] !== SYS_mprotect) {
        platform.warn(`stub ${this.pid}: call ${this.area[word] ?? -1} failed: ${linuxerr.nameOf(-r)}`);
        throw linuxerr.fromErrno(-r);
      }
      this.area[word] = SYS_munmap;
      r = this.run(this.lastOp);
    }
  }

  mapFile(addr: number, file: File, offset: number, length: number, at: number, precommit: boolean): void {
    this.checkRange(addr, length);
    if (this.dead) return;
    if (this.ops >= BATCH_OPS - 24 || this.evicted.length >= 8) this.flush();
    const fd = this.descriptor(file);
    const flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE | (precommit ? MAP_POPULATE : 0);
    this.change(SYS_mmap, addr, length, at, flags, fd, offset);
    if (this.batching === 0) this.flush();
  }

  unmap(addr: number, length: number): void {
    this.checkRange(addr, length);
    if (this.dead) return;
    this.change(SYS_munmap, addr, length, 0, 0, 0, 0);
    if (this.batching === 0) this.flush();
  }

  protect(addr: number, length: number, at: number): void {
    this.checkRange(addr, length);
    if (this.dead) return;
    this.change(SYS_mprotect, addr, length, at, 0, 0, 0);
    if (this.batching === 0) this.flush();
  }

  beginBatch(): void {
    this.batching++;
  }

  endBatch(later = false): void {
    this.batching--;
    if (this.batching === 0 && !later) this.flush();
  }

  /** Stops the sentry rather than let a wrong range reach the stub's own pages. */
  checkRange(addr: number, length: number): void {
    if (addr < MIN_ADDRESS || length <= 0 || addr + length > STUB_BASE || addr % 4096 !== 0 || length % 4096 !== 0) {
      throw new Error(`systrap: bad range ${addr.toString(16)}+${length.toString(16)}`);
    }
  }

  /** The stub's descriptor of a file, donated unless the stub has it. */
  descriptor(file: File): number {
    const platform = this.platform;
    if (file.fileID === platform.memoryFileID) return STUB_MEMORY_FILE;
    const { files } = this;
    const known = files.get(file.fileID);
    if (known !== undefined) return known;
    if (files.size >= MAX_FILES) {
      for (const [id, fd] of files) {
        files.delete(id);
        platform.releasesFile(this, id);
        this.evicted.push(fd);
        break;
      }
    }
    const addfd = platform.addfd;
    addfd[0] = this.commandLow;
    addfd[1] = this.commandHigh;
    addfd[2] = 0;
    addfd[3] = file.hostFD();
    addfd[4] = 0;
    addfd[5] = 0;
    const fd = host.ioctl(platform.listener, SECCOMP_IOCTL_NOTIF_ADDFD, ptr(addfd));
    if (fd < 0)
      throw new Error(`systrap: donating descriptor ${file.hostFD()} to stub ${this.pid}: ${linuxerr.nameOf(-fd)}`);
    files.set(file.fileID, fd);
    platform.keepsFile(this, file);
    return fd;
  }

  /** Closes the descriptor of a file that goes away. */
  forgetFile(id: number): void {
    const fd = this.files.get(id);
    if (fd === undefined || !this.files.delete(id) || this.dead) return;
    if (this.evicted.length >= 8) this.flush();
    this.evicted.push(fd);
    if (this.batching === 0) this.flush();
  }

  setCodeAccess(code: CodeAccess | null): void {
    this.code = code;
  }

  inheritCode(from: AddressSpace): void {
    if (from instanceof Subprocess) this.calls.copyFrom(from.calls);
  }

  restoreCode(start: number, end: number): void {
    const { calls, code } = this;
    if (calls.size === 0 || code === null || this.dead) return;
    for (const site of [...calls.sitesIn(start, end)]) {
      if (!code.writeCode(site.address, site.original)) this.kill("there is no memory to restore patched code");
      calls.forget(site);
      this.callCounts.delete(site.syscallReturn);
    }
  }

  forgetCode(start: number, end: number): void {
    const { calls } = this;
    if (calls.size === 0) return;
    for (const site of [...calls.sitesIn(start, end)]) {
      calls.forget(site);
      this.callCounts.delete(site.syscallReturn);
    }
  }

  /** Whether the code at a site is what it was before it was patched. */
  isAsWritten(site: Site): boolean {
    const now = new Uint8Array(SITE_SIZE);
    return this.code?.readCode(site.address, now) === true && now.every((b, i) => b === site.original[i]);
  }

  /** Counts a call from the instruction that ends at `ip`; patches the site at every so many. */
  countCall(ip: number, nr: number, every: number): void {
    const counts = this.callCounts;
    const n = (counts.get(ip) ?? 0) + 1;
    if (n > every * PATCH_TRIES) return;
    if (n === 1 && counts.size >= COUNTED_SITES) counts.clear();
    counts.set(ip, n);
    if (n % every === 0 && !this.dead) this.patch(ip, nr);
  }

  /**
   * Has the call instruction that ends at `ip` lead to the trampoline, if it is of a known form. The page changes at once for all threads; one
   * that stands inside of what is patched faults, which fixStubFault mends.
   */
  patch(ip: number, nr: number): void {
    const { code, calls } = this;
    if (code === null || calls.full() || calls.isPatched(ip)) return;
    const before = new Uint8Array(BEFORE_SIZE);
    const after = new Uint8Array(AFTER_SIZE);
    const site = siteAt(
      ip,
      nr,
      code.readCode(ip - BEFORE_SIZE, before) ? before : null,
      code.readCode(ip, after) ? after : null,
    );
    if (site === null) return;
    const { address } = site;
    if (address % PAGE_SIZE > PAGE_SIZE - SITE_SIZE) return;
    // Sites that overlap one that is patched cannot be.
    if (!calls.sitesIn(address, address + SITE_SIZE).next().done) return;
    const jump = calls.add(site);
    if (!code.writeCode(address, jump)) calls.forget(site);
  }

  restart(ctx: Context): boolean {
    if (this.dead || !(ctx instanceof SystrapContext) || !ctx.isRestartable()) return false;
    if (this.idle.length !== this.contexts.length - 1) return false;
    ctx.fresh();
    this.code = null;
    this.callCounts.clear();
    this.calls.clear();
    this.unmap(MIN_ADDRESS, STUB_BASE - MIN_ADDRESS);
    return true;
  }

  newContext(owner: ContextOwner): Context {
    const reuse = this.idle.pop();
    if (reuse !== undefined) {
      reuse.owner = owner;
      reuse.fresh();
      return reuse;
    }
    if (this.dead) throw linuxerr.ENOMEM;
    const platform = this.platform;
    const slot = platform.allocateSlot();
    const ctx = new SystrapContext(owner, this, slot);
    const base = SLOT_BASE + slot * SLOT_SIZE;
    const stack = base + SLOT_STACK;
    this.flush();
    // stack_t of the signal stack
    this.area.fill(0, DATA_WORD, DATA_WORD + 6);
    this.area[DATA_WORD] = stack % 4294967296;
    this.area[DATA_WORD + 1] = Math.floor(stack / 4294967296);
    this.area[DATA_WORD + 4] = SLOT_SIZE - SLOT_STACK;
    encodeOp(this.area, CHILD_OP * OP_WORDS, [SYS_sigaltstack, DATA_BASE, 0]);
    encodeOp(this.area, (CHILD_OP + 1) * OP_WORDS, [
      SYS_prctl,
      PR_SET_SYSCALL_USER_DISPATCH,
      PR_SYS_DISPATCH_ON,
      STUB_BASE,
      STUB_TEXT_SIZE,
      base + SLOT_SELECTOR,
    ]);
    encodeOp(this.area, (CHILD_OP + 2) * OP_WORDS, [SYS_seccomp, 1, 0, platform.image.guestFprog]);
    encodeOp(this.area, (CHILD_OP + 3) * OP_WORDS, OP_ENTER);
    encodeOp(this.area, 0, [
      SYS_mmap,
      base,
      SLOT_SIZE,
      3,
      MAP_SHARED | MAP_FIXED,
      STUB_MEMFD,
      platform.slotOffset(slot),
    ]);
    encodeOp(this.area, OP_WORDS, [SYS_clone, THREAD_FLAGS, base + SLOT_SIZE, 0, 0, 0, 0, CHILD_BASE]);
    encodeOp(this.area, 2 * OP_WORDS, OP_REPORT);
    const tid = this.run(COMMAND_BASE);
    if (tid <= 0) {
      // It may be another stub's next.
      encodeOp(this.area, 0, [SYS_munmap, base, SLOT_SIZE]);
      encodeOp(this.area, OP_WORDS, OP_REPORT);
      if (this.run(COMMAND_BASE) < 0 && !this.dead) throw new Error("systrap: a slot cannot be unmapped");
      platform.freeSlot(slot);
      throw linuxerr.fromErrno(tid === -ENOMEM ? ENOMEM : 11);
    }
    ctx.hostTID = tid;
    this.contexts.push(ctx);
    platform.threads.set(tid, ctx);
    if (!platform.awaitEntry(ctx)) {
      this.died();
      throw linuxerr.ENOMEM;
    }
    return ctx;
  }

  /** Reads a thread's CPU clock in the stub (only there it can be read), and the stub's rusage. */
  readUsage(ctx: SystrapContext): void {
    this.flush();
    encodeOp(this.area, 0, [SYS_clock_gettime, ctx.clockID(), ctx.clockAddress()]);
    encodeOp(this.area, OP_WORDS, [SYS_getrusage, 0, ctx.rusageAddress()]);
    encodeOp(this.area, 2 * OP_WORDS, OP_REPORT);
    this.run(COMMAND_BASE);
    if (this.dead) return;
    ctx.clockRead();
    ctx.rusageRead(this.usage);
  }

  /** Hands out the stub's part of a context's usage. */
  takeUsage(out: HostUsage): void {
    const { usage, taken } = this;
    out.userNs = usage.userNs;
    out.systemNs = usage.systemNs;
    // The guest may have written something else meanwhile.
    out.minorFaults = Math.max(usage.minorFaults - taken.minorFaults, 0);
    out.majorFaults = Math.max(usage.majorFaults - taken.majorFaults, 0);
    out.involuntarySwitches = Math.max(usage.involuntarySwitches - taken.involuntarySwitches, 0);
    taken.minorFaults = usage.minorFaults;
    taken.majorFaults = usage.majorFaults;
    taken.involuntarySwitches = usage.involuntarySwitches;
  }

  /** A process of its own like this one, which must be the source stub (nothing mapped, no guest threads). */
  fork(): Subprocess {
    const platform = this.platform;
    const child = new Subprocess(platform, platform.allocateRegion());
    encodeOp(this.area, CHILD_OP * OP_WORDS, [SYS_prctl, PR_SET_PDEATHSIG, SIGKILL]);
    encodeOp(this.area, (CHILD_OP + 1) * OP_WORDS, [
      SYS_mmap,
      COMMAND_BASE,
      COMMAND_SIZE,
      1,
      MAP_SHARED | MAP_FIXED,
      STUB_MEMFD,
      platform.regionOffset(child.region),
    ]);
    // From here on the child reads its own area.
    encodeOp(child.area, (CHILD_OP + 2) * OP_WORDS, [
      SYS_mmap,
      TABLE_BASE,
      TABLE_SIZE,
      5,
      MAP_SHARED | MAP_FIXED,
      STUB_MEMFD,
      platform.regionOffset(child.region) + COMMAND_SIZE,
    ]);
    encodeOp(child.area, (CHILD_OP + 3) * OP_WORDS, OP_REPORT);
    encodeOp(this.area, 0, [SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0, 0, CHILD_BASE]);
    encodeOp(this.area, OP_WORDS, OP_REPORT);
    const pid = this.run(COMMAND_BASE);
    if (pid <= 0) {
      platform.freeRegion(child.region);
      throw linuxerr.EAGAIN;
    }
    child.attach(pid);
    if (!platform.awaitReport(child, pid)) {
      child.died();
      throw linuxerr.EAGAIN;
    }
    return child;
  }

  /** A released thread reached its parking place. */
  parked(ctx: SystrapContext): void {
    this.idle.push(ctx);
    if (this.releasing && this.idle.length === this.contexts.length) this.platform.recycle(this);
  }

  release(): void {
    if (this.releasing) return;
    this.releasing = true;
    this.code = null;
    this.callCounts.clear();
    this.batching = 0;
    this.ops = 0;
    if (this.dead) return;
    // Acknowledged before anybody frees the pages: a thread that still runs can only fault from here on. What the threads used will be asked for:
    // it is read on the way.
    const asked: SystrapContext[] = [];
    for (const ctx of this.contexts) {
      if (ctx.clockKnown || asked.length >= MAX_CLOCKS) continue;
      asked.push(ctx);
      this.add([SYS_clock_gettime, ctx.clockID(), ctx.clockAddress()]);
    }
    if (asked[0] !== undefined) this.add([SYS_getrusage, 0, asked[0].rusageAddress()]);
    this.add([SYS_munmap, MIN_ADDRESS, STUB_BASE - MIN_ADDRESS]);
    this.flush();
    this.calls.clear();
    if (!this.dead) {
      for (const ctx of asked) ctx.clockRead();
      asked[0]?.rusageRead(this.usage);
    }
    if (this.idle.length === this.contexts.length) this.platform.recycle(this);
  }

  /** Ends the process for misbehaviour of its guest; the death is noticed by its pidfd. */
  kill(reason: string): void {
    this.platform.warn(`stub ${this.pid}: killed: ${reason}`);
    host.kill(this.pid, SIGKILL);
  }

  fdReady(): void {
    this.died();
  }

  /** The process is gone: reaps it, tells the owners of its threads. */
  died(): void {
    if (this.dead) return;
    this.dead = true;
    const platform = this.platform;
    host.kill(this.pid, SIGKILL);
    host.wait4(this.pid, WALL, platform.waitStatus);
    platform.unwatchFD(this.pidfd);
    host.close(this.pidfd);
    // The table may be another stub's next.
    this.calls.clear();
    platform.freeRegion(this.region);
    for (const id of this.files.keys()) platform.releasesFile(this, id);
    this.files.clear();
    for (const ctx of this.contexts) {
      platform.threads.delete(ctx.hostTID);
      platform.freeSlot(ctx.slot);
    }
    const contexts = this.contexts;
    this.contexts = [];
    this.idle = [];
    for (const ctx of contexts) ctx.died();
  }

  /** Whether a notification is the command thread's report. */
  isReport(notif: Uint32Array): boolean {
    return notif[4] === NR_COMMAND && notif[2] === this.pid;
  }
}

/** bun:ffi types pointers as a branded number. */
function asPointer(address: number): Parameters<typeof toArrayBuffer>[0] {
  return address as Parameters<typeof toArrayBuffer>[0];
}
