import * as linuxerr from "../../../errors/linuxerr/index.ts";
import * as host from "../../../hostsyscall/index.ts";
import type { File, Mappable, MappingIdentity, MappingSpace, Translation } from "../../memmap/index.ts";
import { MappingSet } from "../../memmap/index.ts";
import type { AddressSpace, Context, ContextOwner, FDListener, Platform, WorkSource } from "../../platform/platform.ts";
import { FAULT_RESOLVED, type MemoryManager } from "../index.ts";

const PAGE = 4096;

/** A page that a fake address space maps. */
export interface FakePage {
  file: File;
  offset: number;
  perms: number;
}

/** An AddressSpace that remembers pages instead of having a process; for tests. */
export class FakeAddressSpace implements AddressSpace {
  readonly pages: Map<number, FakePage> = new Map();
  released = false;
  /** Calls so far. */
  maps = 0;
  unmaps = 0;
  protects = 0;
  batching = 0;
  /** What is collected, or put off. */
  readonly queue: (() => void)[] = [];
  /** mapFile throws ENOMEM so many times. */
  failMaps = 0;

  mapFile(addr: number, file: File, offset: number, length: number, at: number, _precommit: boolean): void {
    this.check(addr, length);
    this.maps++;
    if (this.failMaps > 0) {
      this.failMaps--;
      throw linuxerr.ENOMEM;
    }
    if (offset % PAGE !== 0) throw new Error("fake: offset");
    this.change(() => {
      for (let o = 0; o < length; o += PAGE) this.pages.set(addr + o, { file, offset: offset + o, perms: at });
    });
  }

  unmap(addr: number, length: number): void {
    this.check(addr, length);
    this.unmaps++;
    this.change(() => {
      if (length / PAGE > this.pages.size) {
        for (const a of this.pages.keys()) if (a >= addr && a < addr + length) this.pages.delete(a);
      } else for (let o = 0; o < length; o += PAGE) this.pages.delete(addr + o);
    });
  }

  protect(addr: number, length: number, at: number): void {
    this.check(addr, length);
    this.protects++;
    this.change(() => {
      for (let o = 0; o < length; o += PAGE) {
        const p = this.pages.get(addr + o);
        if (p === undefined) throw new Error("fake: protect of a hole");
        p.perms = at;
      }
    });
  }

  change(op: () => void): void {
    this.queue.push(op);
    if (this.batching === 0) this.flush();
  }

  /** Carries out what was collected or put off. */
  flush(): void {
    for (const op of this.queue.splice(0)) op();
  }

  beginBatch(): void {
    this.batching++;
  }

  endBatch(later = false): void {
    this.batching--;
    if (this.batching < 0) throw new Error("fake: endBatch");
    if (this.batching === 0 && !later) this.flush();
  }

  restart(): boolean {
    this.queue.length = 0;
    this.pages.clear();
    return true;
  }

  newContext(_owner: ContextOwner): Context {
    throw linuxerr.ENOSYS;
  }

  setCodeAccess(): void {}

  inheritCode(): void {}

  restoreCode(): void {}

  forgetCode(): void {}

  kill(): void {}

  release(): void {
    this.queue.length = 0;
    this.pages.clear();
    this.released = true;
  }

  check(addr: number, length: number): void {
    if (this.released || addr % PAGE !== 0 || length <= 0 || length % PAGE !== 0) throw new Error("fake: bad range");
  }
}

/** A Platform of FakeAddressSpaces; for tests. */
export class FakePlatform implements Platform {
  readonly name = "fake";
  readonly minUserAddress = 0x10000;
  readonly maxUserAddress: number;
  readonly vdso = {
    vvarStart: 0x7ffff7fc0000,
    start: 0x7ffff7fc4000,
    end: 0x7ffff7fc6000,
    checksum: 0,
    hostAddress: 0,
  };
  readonly spaces: FakeAddressSpace[] = [];
  work: WorkSource | null = null;

  constructor(maxUserAddress = 0x7ffffffff000) {
    this.maxUserAddress = maxUserAddress;
  }

  newAddressSpace(): AddressSpace {
    const as = new FakeAddressSpace();
    this.spaces.push(as);
    return as;
  }
  poll(_timeoutNs: number): number {
    return 0;
  }
  watchFD(_fd: number, _mask: number, _listener: FDListener): void {}
  unwatchFD(_fd: number): void {}
  destroy(): void {}
}

/** Limits for tests: everything unlimited until set. */
export class FakeLimits {
  readonly values: Map<number, number> = new Map();
  cur(resource: number): number {
    return this.values.get(resource) ?? Number.POSITIVE_INFINITY;
  }
}

/** A host file as a mappable object with an identity; for tests. */
export class FakeFile implements File, Mappable, MappingIdentity {
  readonly fd: number;
  readonly fileID: number;
  readonly base: number;
  readonly room: number;
  size: number;
  refs = 1;
  pageRefs = 0;
  readonly mappings: MappingSet = new MappingSet();

  constructor(fileID: number, size: number, room = size) {
    this.fileID = fileID;
    this.fd = host.memfdCreate("fake", 1);
    this.size = size;
    this.room = Math.max(PAGE, Math.ceil(room / PAGE) * PAGE);
    host.ftruncate(this.fd, this.size);
    this.base = host.mmap(0, this.room, 3, 1, this.fd, 0);
    // Every page is its number, every byte known.
    const page = new Uint8Array(PAGE);
    for (let o = 0; o < size; o += PAGE) {
      page.fill(100 + ((o / PAGE) % 100));
      host.copyToHost(this.base + o, page, 0, Math.min(PAGE, size - o));
    }
  }

  destroy(): void {
    host.munmap(this.base, this.room);
    host.close(this.fd);
  }
  hostFD(): number {
    return this.fd;
  }
  mapInternal(offset: number): number {
    return this.base + offset;
  }
  mappedLength(offset: number): number {
    return this.room - offset;
  }
  listenClose(): void {}
  incRef(_offset?: number, length?: number): void {
    if (length === undefined) this.refs++;
    else this.pageRefs += length / PAGE;
  }
  decRef(_offset?: number, length?: number): void {
    if (length === undefined) this.refs--;
    else this.pageRefs -= length / PAGE;
    if (this.refs < 0 || this.pageRefs < 0) throw new Error("fake: refs");
  }
  mappedName(): string {
    return "/fake file";
  }
  deviceID(): number {
    return 0xfe00000;
  }
  inodeID(): number {
    return 1234;
  }
  msyncRange(_start: number, _end: number): void {}
  addMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    this.mappings.addMapping(ms, start, end, offset, writable);
  }
  removeMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void {
    this.mappings.removeMapping(ms, start, end, offset, writable);
  }
  translate(start: number, _end: number, optionalEnd: number, _access: number): Translation[] {
    const limit = Math.ceil(this.size / PAGE) * PAGE;
    if (start >= limit) return [];
    return [{ start, end: Math.min(limit, optionalEnd), file: this, offset: start, perms: 7 }];
  }
  /** ftruncate(2). */
  truncate(size: number): void {
    const old = this.size;
    this.size = size;
    if (size < old) this.mappings.invalidate(Math.ceil(size / PAGE) * PAGE, Math.ceil(old / PAGE) * PAGE, true);
    host.ftruncate(this.fd, size);
  }
}

/** What a guest access gave: the byte, or a negative fault code. */
export function guestLoad(mm: MemoryManager, addr: number): number {
  const at = guestTouch(mm, addr, 1);
  if (at < 0) return at;
  const buf = new Uint8Array(1);
  if (host.copyFromHost(buf, 0, at, 1) !== 0) return -5;
  return buf[0] ?? 0;
}

/** Stores a byte as a guest would: 0 or a negative fault code. */
export function guestStore(mm: MemoryManager, addr: number, value: number): number {
  const at = guestTouch(mm, addr, 2);
  if (at < 0) return at;
  return host.copyToHost(at, new Uint8Array([value]), 0, 1) === 0 ? 0 : -5;
}

/** Does what hardware and faults do for an access: the sentry's address of the byte, or a negative fault code. */
export function guestTouch(mm: MemoryManager, addr: number, access: number): number {
  const as = mm.activate() as FakeAddressSpace;
  for (let i = 0; i < 4; i++) {
    const page = as.pages.get(addr - (addr % PAGE));
    if (page !== undefined && (page.perms & access) === access) {
      return page.file.mapInternal(page.offset) + (addr % PAGE);
    }
    const r = mm.handleUserFault(addr, access);
    if (r !== FAULT_RESOLVED) return r;
  }
  throw new Error("fake: fault is not resolved");
}

/** Checks every invariant of an address space and its host side; for tests. */
export function checkMM(mm: MemoryManager): void {
  mm.vmas.check();
  mm.pmas.check();
  let total = 0;
  for (let v = mm.vmas.head; v !== null; v = v.next) {
    total += v.end - v.start;
    if (v.next?.special === false && v.canMerge(v.next)) throw new Error("unmerged vmas");
  }
  if (total !== mm.totalVM) throw new Error("totalVM");
  let rss = 0;
  for (let p = mm.pmas.head; p !== null; p = p.next) {
    rss += p.end - p.start;
    for (let a = p.start; a < p.end; a += PAGE) {
      const v = mm.vmas.find(a);
      if (v === null || v.special) throw new Error("pma without vma");
      const want = p.translatePerms & v.effective & (p.needCOW ? ~2 : ~0);
      if (p.perms !== want) throw new Error("pma perms");
    }
    if (p.file === mm.memoryFile) {
      for (let o = 0; o < p.end - p.start; o += PAGE) {
        const refs = mm.memoryFile.refsAt(p.offset + o);
        if (refs < 1) throw new Error("pma of free memory");
        if (refs > 1 && p.isPrivate && !p.needCOW) throw new Error("shared private memory without copy-on-write");
      }
    }
  }
  if (rss !== mm.currentRSS()) throw new Error("rss");
  const as = mm.hostSpace;
  if (!(as instanceof FakeAddressSpace)) return;
  as.flush();
  let mapped = 0;
  for (const [a, page] of as.pages) {
    const p = mm.pmas.find(a);
    if (p === null) throw new Error(`stale host mapping at ${a.toString(16)}`);
    if (!p.mapped) continue;
    mapped++;
    if (p.file !== page.file || p.offset + (a - p.start) !== page.offset || p.perms !== page.perms) {
      throw new Error(`wrong host mapping at ${a.toString(16)}`);
    }
  }
  for (const [a] of as.pages) if (mm.pmas.find(a)?.mapped !== true) throw new Error("host mapping of an unmapped pma");
  for (let p = mm.pmas.head; p !== null; p = p.next) if (p.mapped) mapped -= (p.end - p.start) / PAGE;
  if (mapped !== 0) throw new Error("mapped pma without host mapping");
}
