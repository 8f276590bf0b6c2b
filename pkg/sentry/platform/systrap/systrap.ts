import { ptr, toArrayBuffer } from "bun:ffi";
import { CLOCK_THREAD_CPUTIME_ID } from "../../../abi/linux/time.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import { stateType } from "../../../state/index.ts";
import type { File, FileCloseListener } from "../../memmap/index.ts";
import type { AddressSpace, ContextOwner, FDListener, Platform, Vdso, WorkSource } from "../platform.ts";
import { ownAffinity } from "./affinity.ts";
import type { SystrapContext } from "./context.ts";
import type { SystrapNative } from "./native.ts";
import { Placement, REVIEW_NS } from "./placement.ts";
import { LinePoller } from "./poller.ts";
import {
  COMMAND_BASE,
  COMMAND_SIZE,
  COOKIE,
  encodeOp,
  MAX_SLOTS,
  MAX_STUBS,
  MIN_ADDRESS,
  NR_EVENT,
  OP_REPORT,
  OP_SIZE,
  REGION_SIZE,
  SIZEOF_RUSAGE,
  SLOT_CLOCK,
  SLOT_COOKIE,
  SLOT_SIZE,
  STUB_BASE,
  STUB_MEMFD,
  STUB_MEMORY_FILE,
  StubImage,
} from "./stub.ts";
import { HOT_NOTIFIED, Subprocess } from "./subprocess.ts";
import { vdsoAddress, vdsoChecksum } from "./vdso.ts";

const SYS_munmap = 11;
const EPOLL_CLOEXEC = 0x80000;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_NORESERVE = 0x4000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLET = 0x80000000;
const SECCOMP_IOCTL_NOTIF_ADDFD = 0x40182103;
const SECCOMP_IOCTL_NOTIF_SET_FLAGS = 0x40082104;
const SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP = 1;
const SECCOMP_ADDFD_FLAG_SETFD = 1;
const CLOEXEC = 1;
/** Stubs kept for the next process. */
const POOL_MAX = 16;
const NOTIF_WORDS = 20;
/** Set in the result of systrap_wait when it received a notification. */
const NOTIFIED = 0x10000;
// The stub memfd: a region for every stub, the slots, the status word.
const SLOTS_OFFSET = MAX_STUBS * REGION_SIZE;
const STATUS_OFFSET = SLOTS_OFFSET + MAX_SLOTS * SLOT_SIZE;
const SHARED_SIZE = STATUS_OFFSET + 0x1000;
/**
 * A thread told to report that does not (a guest can block the signal in a forged frame) loses its stub after this many ms: many, as one that shares its CPU with the
 * threads of several busy sandboxes has been seen to come after more than three seconds. Nobody but its own process waits for it.
 */
const PATIENCE_MS = 15_000;
const PATIENCE_CHECK_NS = 250_000_000;
/** What counts of the time between two looks at it, in ms: a machine that stood still, or had no time for us, had none for the thread. */
const PATIENCE_STEP_MS = 300;

/** Where to say what an operator should read. */
export interface PlatformLog {
  warning(message: string): void;
}

/** Choices of the operator or of the host. */
export interface SystrapOptions {
  /** Cores that guests and the sentry can use. */
  readonly cores: number;
  /** Hot call sites are patched, and request lines polled while a core is to spare (with one core, none ever is). */
  readonly accelerate: boolean;
}

/** A watched descriptor. */
class Watch {
  static readonly stateType = stateType("systrap.Watch", [], ["listener", "generation"]);
  readonly listener: FDListener;
  readonly generation: number;

  constructor(listener: FDListener, generation: number) {
    this.listener = listener;
    this.generation = generation;
  }
}

/** The systrap platform: guests run in stub processes and seccomp brings their system calls here. */
export class SystrapPlatform implements Platform, FileCloseListener {
  static readonly stateType = stateType(
    "systrap.SystrapPlatform",
    [],
    [
      "name",
      "minUserAddress",
      "maxUserAddress",
      "native",
      "image",
      "log",
      "epfd",
      "listener",
      "stubMemFD",
      "shared",
      "memoryFileID",
      "source",
      "pool",
      "threads",
      "queue",
      "watches",
      "generation",
      "freeSlots",
      "nextSlot",
      "freeRegions",
      "nextRegion",
      "notif",
      "notifPtr",
      "events",
      "eventsPtr",
      "addfd",
      "fpStateSize",
      "fpSoftware",
      "fpInit",
      "mxcsrMask",
      "vdso",
      "waitStatus",
      "holders",
      "wordBytes",
      "words",
      "slotBytes",
      "slotInit",
      "running",
      "allCPUs",
      "notifiedCalls",
      "poller",
      "placement",
      "work",
      "sync",
      "deferred",
      "usageWords",
      "usageBytes",
      "expected",
      "patienceTime",
      "patienceSeen",
    ],
  );
  readonly name: string = "systrap";
  readonly minUserAddress: number = MIN_ADDRESS;
  readonly maxUserAddress: number = STUB_BASE;
  vdso: Vdso | null = null;
  readonly native: SystrapNative;
  readonly image: StubImage;
  readonly log: PlatformLog;
  readonly epfd: number;
  listener = -1;
  stubMemFD = -1;
  /** The stub memfd in the sentry: command areas, then slots. */
  shared = 0;
  memoryFileID: number;
  source: Subprocess | null = null;
  readonly pool: Subprocess[] = [];
  /** Guest threads by host thread id. */
  readonly threads: Map<number, SystrapContext> = new Map();
  /** Notifications received while waiting for a command's report. */
  readonly queue: Uint32Array[] = [];
  readonly watches: Map<number, Watch> = new Map();
  generation = 0;
  readonly freeSlots: number[] = [];
  nextSlot = 0;
  readonly freeRegions: number[] = [];
  nextRegion = 0;
  /** Native code keeps the addresses of these two: of an ArrayBuffer from the start, their bytes do not move. */
  readonly notif: Uint32Array = new Uint32Array(new ArrayBuffer(4 * NOTIF_WORDS));
  readonly notifPtr: number = ptr(this.notif);
  readonly events: Uint32Array = new Uint32Array(new ArrayBuffer(16 * 12));
  readonly eventsPtr: number = ptr(this.events);
  readonly addfd: Uint32Array = new Uint32Array(6);
  /** A 64-bit word read from a slot. */
  readonly wordBytes: Uint8Array<ArrayBuffer> = new Uint8Array(new ArrayBuffer(8));
  readonly words: Uint32Array = new Uint32Array(this.wordBytes.buffer);
  readonly usageWords: Uint32Array = new Uint32Array(new ArrayBuffer(SIZEOF_RUSAGE));
  readonly usageBytes: Uint8Array = new Uint8Array(this.usageWords.buffer);
  /** What the trampoline keeps in a slot, and how it looks for a new thread. */
  readonly slotBytes: Uint8Array = new Uint8Array(new ArrayBuffer(SLOT_CLOCK));
  readonly slotInit: Uint8Array = new Uint8Array(new ArrayBuffer(SLOT_CLOCK));
  /** Guest threads that run. */
  running = 0;
  /** Mask of the CPUs we were started on. */
  readonly allCPUs: Uint32Array = ownAffinity();
  notifiedCalls = 0;
  /** Null: sites are not patched and lines not polled. */
  readonly poller: LinePoller | null;
  readonly placement: Placement;
  work: WorkSource | null = null;
  /** Wake-ups of guests are told to stay on our core. */
  sync = true;
  /** Contexts with an event to be told at the next poll. */
  readonly deferred: SystrapContext[] = [];
  readonly waitStatus: host.HostWaitStatus = new host.HostWaitStatus();
  /** Stubs that keep a descriptor of a file, by File.fileID. */
  readonly holders: Map<number, Subprocess[]> = new Map();
  /** Threads told to report that have not yet. */
  readonly expected: Set<SystrapContext> = new Set();
  /** See patience(); and when that was asked for last (performance.now). */
  patienceTime = 1;
  patienceSeen = 0;
  fpStateSize = 0;
  fpSoftware: Uint8Array = new Uint8Array(48);
  /** The FP state of a fresh process. */
  fpInit: Uint8Array = new Uint8Array(0);
  mxcsrMask = 0xffff;

  /**
   * Starts the first stub. The calling thread must be the one that lives as long as the sentry (the stubs die with it), and
   * /proc must be there: call it before the sentry confines itself, with all signals it will use blocked or handled.
   */
  constructor(native: SystrapNative, memoryFile: File, log: PlatformLog, options: SystrapOptions) {
    this.native = native;
    this.log = log;
    new DataView(this.slotInit.buffer).setUint32(SLOT_COOKIE, COOKIE, true);
    this.memoryFileID = memoryFile.fileID;
    this.image = new StubImage(native, STATUS_OFFSET, COMMAND_SIZE);
    this.epfd = this.must("epoll_create1", host.epollCreate(EPOLL_CLOEXEC));
    const status = this.createShared();
    this.placement = new Placement(this);
    this.poller = options.accelerate && options.cores > 1 ? new LinePoller(this, options.cores, status) : null;
    this.start(memoryFile);
  }

  /** Throws a readable error for a failed host call. */
  must(what: string, r: number): number {
    if (r < 0) throw new Error(`systrap: ${what}: ${linuxerr.nameOf(-r)}`);
    return r;
  }

  /** Makes the memfd of command areas and slots and maps it; its status words. */
  createShared(): Int32Array {
    this.stubMemFD = this.must("memfd_create", host.memfdCreate("runsc-stub", CLOEXEC));
    this.must("ftruncate", host.ftruncate(this.stubMemFD, SHARED_SIZE));
    this.shared = this.must(
      "mmap",
      host.mmap(0, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, this.stubMemFD, 0),
    );
    // Guests cannot write this page, so an ArrayBuffer may cover it.
    const status = (this.shared + STATUS_OFFSET) as Parameters<typeof toArrayBuffer>[0];
    return new Int32Array(toArrayBuffer(status, 0, 4096));
  }

  /** Has wake-ups of guests stay on our core (we are about to sleep), or not (we are about to poll). */
  setSync(on: boolean): void {
    if (this.sync === on) return;
    this.sync = on;
    host.ioctl(this.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, on ? SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP : 0);
  }

  /** A thread made a notified system call, which is about to be served. */
  called(ctx: SystrapContext): void {
    this.notifiedCalls++;
    const { poller } = this;
    if (poller === null) return;
    const { subprocess, syscallIP } = ctx;
    const entry = subprocess.calls.indexOf(syscallIP);
    if (entry === 0) subprocess.countCall(syscallIP, ctx.sysno, HOT_NOTIFIED);
    else ctx.notifiedIP = subprocess.calls.returnOf(entry);
    poller.called(ctx);
  }

  /** A thread that ran runs no more. */
  runsNoMore(ctx: SystrapContext): void {
    this.running--;
    this.placement.leave(ctx);
  }

  /** Tells the owner of a context about its event at the next poll. */
  defer(ctx: SystrapContext): void {
    this.deferred.push(ctx);
  }

  /** Starts the source stub, takes its listener, gives it its descriptors. */
  start(memoryFile: File): void {
    const imageFD = this.must("memfd_create", host.memfdCreate("runsc-stub", CLOEXEC));
    this.must("write", host.write(imageFD, this.image.bytes));
    const source = new Subprocess(this, this.allocateRegion());
    const pid = this.must("starting the first stub", this.native.systrap_spawn(imageFD));
    host.close(imageFD);
    const pidfd = this.must("pidfd_open", host.pidfdOpen(pid, 0));
    // The stub installs its filter first thing; its descriptor table is empty, so the listener is descriptor 0.
    for (let i = 0; i < 50_000 && this.listener < 0; i++) {
      this.listener = host.pidfdGetfd(pidfd, 0);
      if (this.listener < 0) host.nanosleep(20_000);
    }
    host.close(pidfd);
    this.must("taking the seccomp listener of the first stub", this.listener);
    // Linux before 6.6 has no such flag and wakes without the hint.
    host.ioctl(this.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    source.attach(pid);
    if (!this.awaitReport(source, pid)) throw new Error("systrap: the first stub died at start");
    this.donate(source, this.stubMemFD, STUB_MEMFD);
    this.donate(source, memoryFile.hostFD(), STUB_MEMORY_FILE);
    source.run(this.image.secondProgram);
    if (source.dead) throw new Error("systrap: the first stub died at start");
    this.source = source;
    this.clearSource(source);
    this.learn();
  }

  /** Puts one of our descriptors at a fixed number of the stub. */
  donate(stub: Subprocess, fd: number, number: number): void {
    const a = this.addfd;
    a[0] = stub.commandLow;
    a[1] = stub.commandHigh;
    a[2] = SECCOMP_ADDFD_FLAG_SETFD;
    a[3] = fd;
    a[4] = number;
    a[5] = 0;
    this.must("donating a descriptor", host.ioctl(this.listener, SECCOMP_IOCTL_NOTIF_ADDFD, ptr(a)));
  }

  /** A stub keeps a descriptor of a file from here on. */
  keepsFile(stub: Subprocess, file: File): void {
    const list = this.holders.get(file.fileID);
    if (list !== undefined) {
      list.push(stub);
      return;
    }
    this.holders.set(file.fileID, [stub]);
    file.listenClose(this);
  }

  /** ... and no longer. */
  releasesFile(stub: Subprocess, id: number): void {
    const list = this.holders.get(id);
    const at = list?.indexOf(stub) ?? -1;
    if (list === undefined || at < 0) return;
    const last = list.pop();
    if (last !== undefined && last !== stub) list[at] = last;
    if (list.length === 0) this.holders.delete(id);
  }

  /** See FileCloseListener: what the host keeps for an open descriptor (space of deleted files, locks) must not outlive the guest's. */
  fileClosed(file: File): void {
    const list = this.holders.get(file.fileID);
    if (list === undefined) return;
    this.holders.delete(file.fileID);
    for (const stub of list) stub.forgetFile(file.fileID);
  }

  /** Removes the stack that exec made and notes where the vDSO is. */
  clearSource(source: Subprocess): void {
    const maps = host.readFile(`/proc/${source.pid}/maps`);
    if (typeof maps === "number") throw new Error(`systrap: reading the first stub's maps: ${linuxerr.nameOf(-maps)}`);
    let vvarStart = 0;
    let ops = 0;
    for (const line of maps.split("\n")) {
      const m = /^([0-9a-f]+)-([0-9a-f]+) .*?(\[[a-z_]+\])?$/.exec(line);
      if (m === null) continue;
      const start = Number.parseInt(m[1] ?? "0", 16);
      const end = Number.parseInt(m[2] ?? "0", 16);
      if (m[3] === "[vvar]" && vvarStart === 0) vvarStart = start;
      if (m[3] === "[vdso]") {
        const hostAddress = vdsoAddress();
        const checksum = vdsoChecksum(hostAddress, end - start);
        this.vdso = { vvarStart: vvarStart || start, start, end, checksum, hostAddress };
      }
      if (m[3] === "[stack]") encodeOp(source.area, (ops++ * OP_SIZE) / 4, [SYS_munmap, start, end - start]);
    }
    encodeOp(source.area, (ops * OP_SIZE) / 4, OP_REPORT);
    source.run(COMMAND_BASE);
  }

  /** Learns the host's FP state layout from a first thread. */
  learn(): void {
    const as = this.newAddressSpace() as Subprocess;
    const owner: ContextOwner = { platformEvent(): void {} };
    this.fpStateSize = 0;
    const ctx = as.newContext(owner) as SystrapContext;
    ctx.learnFPState();
    ctx.resetFPState();
    ctx.release();
    as.release();
  }

  newAddressSpace(): AddressSpace {
    const pooled = this.pool.pop();
    if (pooled !== undefined) {
      pooled.releasing = false;
      return pooled;
    }
    if (this.source === null || this.source.dead) throw linuxerr.EAGAIN;
    return this.source.fork();
  }

  /** Takes back a stub with nothing mapped and all threads parked. */
  recycle(stub: Subprocess): void {
    if (stub.dead) return;
    if (this.pool.length < POOL_MAX) this.pool.push(stub);
    else stub.died();
  }

  regionOffset(region: number): number {
    return region * REGION_SIZE;
  }

  regionAddress(region: number): number {
    return this.shared + this.regionOffset(region);
  }

  slotOffset(slot: number): number {
    return SLOTS_OFFSET + slot * SLOT_SIZE;
  }

  slotAddress(slot: number): number {
    return this.shared + this.slotOffset(slot);
  }

  allocateSlot(): number {
    const s = this.freeSlots.pop();
    if (s !== undefined) return s;
    if (this.nextSlot >= MAX_SLOTS) throw linuxerr.EAGAIN;
    return this.nextSlot++;
  }

  freeSlot(slot: number): void {
    this.freeSlots.push(slot);
  }

  allocateRegion(): number {
    const r = this.freeRegions.pop();
    if (r !== undefined) return r;
    if (this.nextRegion >= MAX_STUBS) throw linuxerr.EAGAIN;
    return this.nextRegion++;
  }

  freeRegion(region: number): void {
    this.freeRegions.push(region);
  }

  /** Answers a notification of a guest thread. One that died meanwhile is not there to be told: ignored. */
  send(idLow: number, idHigh: number, value: number): void {
    // A guest that is to go on beside us is woken elsewhere.
    this.setSync(!(this.poller?.on ?? false));
    this.native.systrap_send(this.listener, idLow, idHigh, value);
  }

  /** Answers the report of a stub's command thread, for which we then wait: it runs on our core. */
  sendCommand(idLow: number, idHigh: number, value: number): void {
    this.setSync(true);
    this.native.systrap_send(this.listener, idLow, idHigh, value);
  }

  /** Waits for the report of a stub's command thread, queueing what else comes. False when the stub died. */
  awaitReport(stub: Subprocess, tid: number): boolean {
    const notif = this.awaitNotification(tid, stub.pidfd);
    if (notif === null) return false;
    stub.reported(notif);
    return true;
  }

  /** Waits for the first report of a new guest thread. False when its stub died. */
  awaitEntry(ctx: SystrapContext): boolean {
    const notif = this.awaitNotification(ctx.hostTID, ctx.subprocess.pidfd);
    if (notif === null) return false;
    ctx.begin(notif);
    return true;
  }

  /** The next notification of a host thread, which may have come already: a new process or thread can be faster than its maker's report. */
  awaitNotification(tid: number, pidfd: number): Uint32Array | null {
    for (let i = 0; i < this.queue.length; i++) {
      const q = this.queue[i];
      if (q !== undefined && q[2] === tid) {
        this.queue.splice(i, 1);
        return q;
      }
    }
    for (;;) {
      const r = this.native.systrap_await(this.listener, pidfd, this.notifPtr);
      if (r === 0) {
        if (this.notif[2] === tid) return this.notif;
        this.queue.push(this.notif.slice());
      } else if (r === -3) {
        return null;
      }
    }
  }

  /** Hands a notification to its thread. */
  dispatch(notif: Uint32Array): void {
    const ctx = this.threads.get(notif[2] ?? 0);
    if (ctx === undefined) return;
    const ip = (notif[7] ?? 0) * 4294967296 + (notif[6] ?? 0);
    ctx.notified(notif, notif[4] === NR_EVENT && ip === this.image.eventIP);
  }

  poll(timeoutNs: number): number {
    let handled = 0;
    while (this.deferred.length > 0) {
      const ctx = this.deferred.shift();
      if (ctx !== undefined) ctx.tellInterrupted();
      handled++;
    }
    while (this.queue.length > 0 && handled < 64) {
      const q = this.queue.shift();
      if (q !== undefined) this.dispatch(q);
      handled++;
    }
    const { poller } = this;
    if (poller?.on) {
      // With other work at hand, only a look.
      handled += poller.poll(timeoutNs === 0);
      if (poller.tired) handled += poller.end();
    }
    // What came is for the caller to work on, and what came on the way is still to be told: no sleep now.
    let timeout = handled > 0 || this.deferred.length > 0 || this.queue.length > 0 ? 0 : timeoutNs;
    if (this.expected.size > 0) {
      this.checkExpected();
      if (timeout < 0 || timeout > PATIENCE_CHECK_NS) timeout = PATIENCE_CHECK_NS;
    }
    if (this.placement.settled.length > 0) {
      this.placement.review();
      if (timeout < 0 || timeout > REVIEW_NS) timeout = REVIEW_NS;
    }
    return handled + this.pollHost(timeout);
  }

  /** Waits for a notification or ready descriptors and hands them on; how many there were. */
  pollHost(timeout: number): number {
    const r = this.native.systrap_wait(this.epfd, this.listener, this.notifPtr, this.eventsPtr, timeout);
    if (r <= 0) return 0;
    const n = r & 0xffff;
    if (n > 0) this.hostEvents(n);
    if (r < NOTIFIED) return n;
    this.dispatch(this.notif);
    return n + 1;
  }

  /** A thread was told to report. */
  expectReport(ctx: SystrapContext): void {
    if (this.expected.size === 0) this.patienceSeen = performance.now();
    ctx.interruptedAt = this.patience();
    this.expected.add(ctx);
  }

  /** It did. */
  reportCame(ctx: SystrapContext): void {
    ctx.interruptedAt = 0;
    this.expected.delete(ctx);
  }

  /** The time by which patience is measured (ms): it stands still while nobody is expected, and while we cannot run. */
  patience(): number {
    const now = performance.now();
    this.patienceTime += Math.min(now - this.patienceSeen, PATIENCE_STEP_MS);
    this.patienceSeen = now;
    return this.patienceTime;
  }

  /** Kills the stubs of threads that will not report. */
  checkExpected(): void {
    const limit = this.patience() - PATIENCE_MS;
    for (const ctx of this.expected) {
      // Sets iterate in order of insertion: the rest was told later.
      if (ctx.interruptedAt > limit) break;
      this.reportCame(ctx);
      ctx.subprocess.kill("a guest thread did not stop when told to");
    }
  }

  /** Tells the listeners of ready descriptors; an event of a descriptor number that was reused since is dropped. */
  hostEvents(n: number): void {
    const e = this.events;
    for (let i = 0; i < n; i++) {
      const fd = (e[3 * i + 1] ?? 0) - 1;
      if (fd < 0) continue;
      const w = this.watches.get(fd);
      if (w !== undefined && w.generation === e[3 * i + 2]) w.listener.fdReady(fd, e[3 * i] ?? 0);
    }
  }

  watchFD(fd: number, mask: number, listener: FDListener): void {
    this.generation = (this.generation + 1) % 4294967296;
    const r = host.epollCtl(this.epfd, EPOLL_CTL_ADD, fd, (mask | EPOLLET) >>> 0, fd + 1, this.generation);
    if (r < 0) throw linuxerr.fromErrno(-r);
    this.watches.set(fd, new Watch(listener, this.generation));
  }

  unwatchFD(fd: number): void {
    if (!this.watches.delete(fd)) return;
    host.epollCtl(this.epfd, EPOLL_CTL_DEL, fd, 0, 0, 0);
  }

  /** What an engineer wants to know of a sandbox's calls, for the log. */
  statistics(): string {
    const p = this.poller;
    const cpu = Math.round(host.clockGettime(CLOCK_THREAD_CPUTIME_ID) / 1e6);
    const notified = `${cpu} ms of CPU, ${this.notifiedCalls} calls notified`;
    if (p === null) return notified;
    return `${notified}, ${p.lineCalls} by line in ${p.spells} spells (${p.silent} ended in silence, ${p.crowded} crowded, ${p.preempted} preempted, ${p.mixed} mixed)`;
  }

  warn(message: string): void {
    this.log.warning(message);
  }

  destroy(): void {
    const stubs = new Set<Subprocess>(this.pool);
    for (const ctx of this.threads.values()) stubs.add(ctx.subprocess);
    if (this.source !== null) stubs.add(this.source);
    for (const s of stubs) s.died();
    host.munmap(this.shared, SHARED_SIZE);
  }
}
