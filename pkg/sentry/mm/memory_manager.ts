import { EFAULT as ERRNO_EFAULT } from "../../abi/linux/errno.ts";
import { MAX_MAP_COUNT, MMAP_MIN_ADDR, PAGE_SIZE } from "../../abi/linux/mm.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import * as host from "../../hostsyscall/index.ts";
import type { IovecArray } from "../../hostsyscall/iovec.ts";
import { setFields, stateType } from "../../state/index.ts";
import type { UserNamespace } from "../kernel/auth/index.ts";
import {
  AccessExec,
  AccessRead,
  AccessWrite,
  type Mappable,
  type MappingSpace,
  type MMapOpts,
  SegmentSet,
} from "../memmap/index.ts";
import type { MemoryFile } from "../pgalloc/index.ts";
import type { AddressSpace, CodeAccess, Context, Platform } from "../platform/platform.ts";
import type { IO } from "../usermem/index.ts";
import type { FileDescription } from "../vfs/index.ts";
import { AnonMappable } from "./anon_mappable.ts";
import { replaceCode } from "./code.ts";
import { FAULT_RESOLVED, type FaultResult, growStack, handleUserFault, resolve } from "./faults.ts";
import { ForcedIO } from "./forced_io.ts";
import { forkInto, prefault, premap } from "./fork.ts";
import { endBatch } from "./host_mapping.ts";
import { HotPages } from "./hot_pages.ts";
import { madvise } from "./madvise.ts";
import { mincore, mlock, mlockAll, msync, munlock, munlockAll } from "./mlock.ts";
import { brk, mmap, mprotect, munmap } from "./mmap.ts";
import { mremap } from "./mremap.ts";
import type { PMA } from "./pma.ts";
import { invalidatePMAs } from "./pma_ops.ts";
import { appendVdso, copyInVdso } from "./vdso.ts";
import { LOCK_NONE, type LockMode, VMA } from "./vma.ts";
import { findUnmappedArea, insertVMA, isolateVMA, mergeVMARange, removeAll } from "./vma_ops.ts";

/** The resource limits that memory asks for: limits.LimitSet. */
export interface Limits {
  /** The soft limit of an RLIMIT_ number; Infinity: none. */
  cur(resource: number): number;
}

/** What a MemoryManager is made with. */
export interface MemoryManagerOpts {
  platform: Platform;
  memoryFile: MemoryFile;
  /** Limits of the process that uses it. */
  limits: Limits;
  /** Memory and swap of the container, for the overcommit heuristic. Default: no limit. */
  totalMemory?: number;
}

/** Where mappings go; loader.newLayout chooses it. */
export interface MmapLayout {
  /** mmap places mappings below this address going down, or above it going up. */
  mmapBase: number;
  topDown: boolean;
}

/** Names a futex word: what is shared by all who can reach the word. */
export class SharedKey {
  static readonly stateType = stateType("mm.SharedKey", ["object", "offset"]);
  /** The mapped object for a shared mapping; the MemoryManager for private memory. */
  object: object | null = null;
  /** Offset in the object, or the address. */
  offset = 0;
}

/**
 * A guest address space: vmas (what the guest asked for), pmas (what backs it) and the host address space that caches them. Shared by the
 * tasks that were cloned with CLONE_VM; the last user's decUsers releases everything.
 *
 * As a usermem.IO it copies under the permissions of the mappings, faulting memory in and breaking copy-on-write.
 */
export class MemoryManager implements MappingSpace, IO, CodeAccess {
  static readonly stateType = stateType(
    "mm.MemoryManager",
    [
      "platform",
      "memoryFile",
      "limits",
      "totalMemory",
      "users",
      "vmas",
      "pmas",
      "mmapBase",
      "topDown",
      "maxMapCount",
      "brkStart",
      "brkEnd",
      "startCode",
      "endCode",
      "startData",
      "endData",
      "startStack",
      "argStart",
      "argEnd",
      "envStart",
      "envEnd",
      "auxv",
      "executable",
      "dumpable",
      "userNamespace",
      "coredumpFilter",
      "defaultLockMode",
      "totalVM",
      "dataVM",
      "stackVM",
      "execVM",
      "lockedVM",
      "peakVM",
      "rssAnon",
      "rssFile",
      "rssShmem",
      "peakRSS",
      "membarrier",
    ],
    ["hostSpace", "codeSource", "forced", "failure", "spuriousAddr", "hot"],
  );
  readonly platform: Platform;
  readonly memoryFile: MemoryFile;
  /** Set again when a process with other limits takes the space over. */
  limits: Limits;
  readonly totalMemory: number;
  /** Tasks that share it. */
  users = 1;
  readonly vmas: SegmentSet<VMA> = new SegmentSet();
  readonly pmas: SegmentSet<PMA> = new SegmentSet();
  /** null until activate(). */
  hostSpace: AddressSpace | null = null;
  /** The space this one was forked from, until activate(). */
  codeSource: AddressSpace | null = null;
  readonly forced: ForcedIO = new ForcedIO(this);
  /** Where to copy at fork. Shared by what was forked from one program. */
  hot: HotPages = new HotPages();

  mmapBase: number;
  topDown = true;
  maxMapCount = MAX_MAP_COUNT;
  /** The heap: [brkStart, brkEnd), not page-aligned. */
  brkStart = 0;
  brkEnd = 0;

  /** Set by the loader, shown in /proc/[pid]/stat. */
  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  startStack = 0;
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  /** The bytes of /proc/[pid]/auxv. */
  auxv: Uint8Array = new Uint8Array(0);
  /** The program, for /proc/[pid]/exe; a reference is held. Set with setExecutable. */
  executable: FileDescription | null = null;
  /** PR_SET_DUMPABLE: 0, 1 or 2. */
  dumpable = 1;
  /**
   * Who may look into it when it is not dumpable needs CAP_SYS_PTRACE here: where the program was started, or the nearest namespace above whose root could
   * read it. null: the first one.
   */
  userNamespace: UserNamespace | null = null;
  /** Which mappings a core dump would hold: /proc/[pid]/coredump_filter. Survives execve(2). */
  coredumpFilter = 0x33;
  /** Registrations of membarrier(2), MEMBARRIER_CMD bits. */
  membarrier = 0;

  /** mlockall(MCL_FUTURE). */
  defaultLockMode: LockMode = LOCK_NONE;
  /** Bytes mapped: all, private writable, stacks, executable, locked; and the most there ever were. */
  totalVM = 0;
  dataVM = 0;
  stackVM = 0;
  execVM = 0;
  lockedVM = 0;
  peakVM = 0;
  /** Bytes backed: private memory, files, shared memory; and the most there ever were. An upper bound: pieces count whole. */
  rssAnon = 0;
  rssFile = 0;
  rssShmem = 0;
  peakRSS = 0;

  /** Why the last resolve gave null. */
  failure: FaultResult = FAULT_RESOLVED;
  /** Address of the last fault if that needed nothing. */
  spuriousAddr = -1;

  constructor(opts: MemoryManagerOpts) {
    this.platform = opts.platform;
    this.memoryFile = opts.memoryFile;
    this.limits = opts.limits;
    this.totalMemory = opts.totalMemory ?? Number.POSITIVE_INFINITY;
    this.mmapBase = this.maxAddr();
  }

  afterLoad(): void {
    setFields<MemoryManager>(this, { forced: new ForcedIO(this) });
    this.hostSpace = null;
    this.codeSource = null;
    this.hot = new HotPages();
    this.failure = FAULT_RESOLVED;
    this.spuriousAddr = -1;
  }

  // ---- lifetime

  /** Another task shares this space. False when it is gone already. */
  incUsers(): boolean {
    if (this.users === 0) return false;
    this.users++;
    return true;
  }

  /** A task leaves (exit, exec), after it released its context. The last one releases everything. */
  decUsers(): void {
    this.users--;
    if (this.users < 0) throw new Error("mm: decUsers of a released address space");
    if (this.users > 0) return;
    // The host address space goes first: memory may be reused only when nobody maps it.
    const as = this.hostSpace;
    this.hostSpace = null;
    as?.release();
    removeAll(this);
    this.setExecutable(null);
  }

  /** The host address space, made now when there was none. */
  activate(): AddressSpace {
    if (this.hostSpace !== null) return this.hostSpace;
    if (this.users === 0) throw new Error("mm: use of a released address space");
    const as = this.platform.newAddressSpace();
    this.hostSpace = as;
    if (this.codeSource !== null) as.inheritCode(this.codeSource);
    this.codeSource = null;
    as.setCodeAccess(this);
    premap(this);
    return as;
  }

  /**
   * For exec: takes over the host address space of a program with no other user, and its thread, emptied for this one. False when the thread cannot
   * stay: then nothing has changed.
   */
  takeOver(old: MemoryManager, ctx: Context): boolean {
    const as = old.hostSpace;
    if (as === null || old.users !== 1 || this.hostSpace !== null) return false;
    as.beginBatch();
    if (!as.restart(ctx)) {
      as.endBatch();
      return false;
    }
    old.hostSpace = null;
    this.hostSpace = as;
    as.setCodeAccess(this);
    premap(this);
    // What the old program had mapped is free only now.
    endBatch(this);
    return true;
  }

  /** See platform.CodeAccess. */
  readCode(addr: number, dst: Uint8Array): boolean {
    return (
      this.isFileCode(addr) &&
      this.isFileCode(addr + dst.length - 1) &&
      this.forced.peek(addr, dst, 0, dst.length) === dst.length
    );
  }

  /** See platform.CodeAccess. */
  writeCode(addr: number, src: Uint8Array): boolean {
    return replaceCode(this, addr, src);
  }

  /** Whether an address lies in a private mapping of a file that can be executed and not written: code that nobody generates. */
  isFileCode(addr: number): boolean {
    const v = this.vmas.find(addr);
    return v?.isPrivate === true && v.mappable !== null && (v.perms & (AccessExec | AccessWrite)) === AccessExec;
  }

  /**
   * A copy for fork(2): private memory is shared until one side stores to it. The copy has one user. `limits` are the child's.
   */
  fork(limits: Limits = this.limits): MemoryManager {
    const child = new MemoryManager({
      platform: this.platform,
      memoryFile: this.memoryFile,
      limits,
      totalMemory: this.totalMemory,
    });
    child.mmapBase = this.mmapBase;
    child.topDown = this.topDown;
    child.maxMapCount = this.maxMapCount;
    child.brkStart = this.brkStart;
    child.brkEnd = this.brkEnd;
    child.startCode = this.startCode;
    child.endCode = this.endCode;
    child.startData = this.startData;
    child.endData = this.endData;
    child.startStack = this.startStack;
    child.argStart = this.argStart;
    child.argEnd = this.argEnd;
    child.envStart = this.envStart;
    child.envEnd = this.envEnd;
    child.auxv = this.auxv;
    child.setExecutable(this.executable);
    child.dumpable = this.dumpable;
    child.userNamespace = this.userNamespace;
    child.coredumpFilter = this.coredumpFilter;
    child.membarrier = this.membarrier;
    child.hot = this.hot;
    forkInto(this, child);
    child.codeSource = this.hostSpace;
    return child;
  }

  /** Replaces the executable, taking a reference on it. */
  setExecutable(file: FileDescription | null): void {
    file?.incRef();
    this.executable?.decRef();
    this.executable = file;
  }

  /** A program has been loaded: brings in what it is going to touch. */
  prefault(): void {
    prefault(this);
  }

  /** Chooses where mappings go; before the first of them. */
  setLayout(layout: MmapLayout): void {
    this.mmapBase = layout.mmapBase;
    this.topDown = layout.topDown;
  }

  /** Starts an empty heap at an address. */
  setBrk(start: number): void {
    this.brkStart = start;
    this.brkEnd = start;
  }

  /** Notes the platform's [vvar] and [vdso], which are in the host address space already. */
  addSpecialMappings(): void {
    const { vdso } = this.platform;
    if (vdso === null) return;
    if (vdso.vvarStart < vdso.start) this.addSpecial(vdso.vvarStart, vdso.start, AccessRead, "[vvar]");
    this.addSpecial(vdso.start, vdso.end, AccessRead | AccessExec, "[vdso]");
  }

  addSpecial(start: number, end: number, perms: number, hint: string): void {
    const v = new VMA(start, end);
    v.setPerms(perms);
    v.maxPerms = perms;
    v.special = true;
    v.dontDump = hint === "[vvar]";
    v.hint = hint;
    insertVMA(this, v);
  }

  /** The lowest address that can be mapped. */
  minAddr(): number {
    return Math.max(MMAP_MIN_ADDR, this.platform.minUserAddress);
  }

  /** One past the highest. */
  maxAddr(): number {
    return this.platform.maxUserAddress;
  }

  // ---- system calls

  /**
   * mmap(2). Takes over the reference that opts.mappingIdentity carries, also when it throws. A shared mapping without a mappable becomes
   * shared anonymous memory. `privileged`: CAP_IPC_LOCK. Returns the address; throws EINVAL, ENOMEM, EPERM, EEXIST, EAGAIN, EOVERFLOW.
   */
  mmap(opts: MMapOpts, privileged = false): number {
    return mmap(this, opts, privileged);
  }

  /** Where mmap would put a mapping; the errors of mmap that concern the address. `length` is page-aligned. */
  findUnmappedArea(addr: number, length: number, fixed: boolean, map32Bit: boolean): number {
    return findUnmappedArea(this, addr, length, fixed, map32Bit);
  }

  /** munmap(2): EINVAL, ENOMEM. */
  munmap(addr: number, length: number): void {
    munmap(this, addr, length);
  }

  /** mprotect(2); perms are PROT_READ | PROT_WRITE | PROT_EXEC. EINVAL, ENOMEM, EACCES; what lies before the culprit is changed. */
  mprotect(addr: number, length: number, perms: number, growsDown = false): void {
    mprotect(this, addr, length, perms, growsDown);
  }

  /** brk(2): the end of the heap afterwards, unchanged when it cannot be moved. */
  brk(addr: number, privileged = false): number {
    return brk(this, addr, privileged);
  }

  /** mremap(2): the new address. EINVAL, EFAULT, ENOMEM, EAGAIN. */
  mremap(
    addr: number,
    oldLength: number,
    newLength: number,
    flags: number,
    newAddr: number,
    privileged = false,
  ): number {
    return mremap(this, addr, oldLength, newLength, flags, newAddr, privileged);
  }

  /** madvise(2): EINVAL, ENOMEM, EAGAIN, EACCES, EFAULT. */
  madvise(addr: number, length: number, advice: number): void {
    madvise(this, addr, length, advice);
  }

  /** msync(2) of [addr, end), both page-aligned; flags were checked. ENOMEM, EBUSY. */
  msync(addr: number, end: number, flags: number): void {
    msync(this, addr, end, flags);
  }

  /** mincore(2): fills vec for up to `pages` pages, returns how many; ENOMEM when the first is not mapped. */
  mincore(addr: number, pages: number, vec: Uint8Array): number {
    return mincore(this, addr, pages, vec);
  }

  /** mlock(2), mlock2(2): EPERM, ENOMEM, EAGAIN, EINVAL. */
  mlock(addr: number, length: number, mode: LockMode, privileged: boolean): void {
    mlock(this, addr, length, mode, privileged);
  }

  /** munlock(2): ENOMEM, EINVAL. */
  munlock(addr: number, length: number): void {
    munlock(this, addr, length);
  }

  /** mlockall(2): EINVAL, EPERM, ENOMEM. */
  mlockAll(flags: number, privileged: boolean): void {
    mlockAll(this, flags, privileged);
  }

  /** munlockall(2). */
  munlockAll(): void {
    munlockAll(this);
  }

  /** mbind(2) of page-aligned [addr, end): EFAULT, and no change, when any of it is not mapped; ENOMEM. */
  setMemoryPolicy(addr: number, end: number, policy: number): void {
    for (let at = addr; at < end; ) {
      const v = this.vmas.find(at);
      if (v === null) throw linuxerr.EFAULT;
      at = v.end;
    }
    let at = addr;
    try {
      while (at < end) {
        const v = this.vmas.find(at);
        if (v === null) throw linuxerr.EFAULT;
        const hi = Math.min(end, v.end);
        if (v.memoryPolicy !== policy) isolateVMA(this, v, at, hi).memoryPolicy = policy;
        at = hi;
      }
    } finally {
      mergeVMARange(this, addr, Math.max(addr, at));
    }
  }

  /** The policy that mbind(2) gave the mapping at an address, 0 for none; EFAULT. */
  memoryPolicyAt(addr: number): number {
    const v = this.vmas.find(addr);
    if (v === null) throw linuxerr.EFAULT;
    return v.memoryPolicy;
  }

  /** prctl(PR_SET_VMA_ANON_NAME) of page-aligned [addr, end): ENOMEM at a hole, EBADF for a file mapping. null removes the name. */
  setAnonName(addr: number, end: number, name: string | null): void {
    let hole = false;
    let at = addr;
    try {
      while (at < end) {
        const v = this.vmas.lowerBound(at);
        if (v === null || v.start >= end) {
          hole = true;
          break;
        }
        if (v.start > at) hole = true;
        const hi = Math.min(end, v.end);
        if (v.mappable !== null && !(v.mappable instanceof AnonMappable)) throw linuxerr.EBADF;
        if (v.anonName !== name) isolateVMA(this, v, Math.max(at, v.start), hi).anonName = name;
        at = hi;
      }
    } finally {
      mergeVMARange(this, addr, Math.max(at, addr));
    }
    if (hole) throw linuxerr.ENOMEM;
  }

  // ---- faults

  /**
   * The guest touched an address it could not. `access` holds Access bits. Returns FAULT_RESOLVED: continue it; or which signal it earned.
   * Never throws for what a guest can do.
   */
  handleUserFault(addr: number, access: number): FaultResult {
    return handleUserFault(this, addr, access);
  }

  /** See MappingSpace. */
  invalidate(start: number, end: number, invalidatePrivate: boolean): void {
    invalidatePMAs(this, start, end, invalidatePrivate);
  }

  /** The pma for an access by the sentry on the guest's behalf, or null. */
  accessible(addr: number, access: number): PMA | null {
    const p = this.pmas.find(addr);
    if (p !== null && (p.perms & access) === access) return p;
    const v = this.vmas.find(addr) ?? growStack(this, addr);
    if (v === null || (v.effective & access) !== access) return null;
    return resolve(this, v, addr, access);
  }

  /** The sentry's address of [addr, addr+len) if that can be accessed and is in one piece there; 0: it is to be copied, which says EFAULT. */
  hostRange(addr: number, len: number, access: number): number {
    const p = this.accessible(addr, access);
    if (p === null) return 0;
    const at = p.hostAddress(addr);
    return p.hostLength(addr) < len ? 0 : at;
  }

  /** Counts a pma's bytes (negative: gone). */
  addRSS(p: PMA, bytes: number): void {
    if (p.isPrivate) this.rssAnon += bytes;
    else if (p.file === this.memoryFile) this.rssShmem += bytes;
    else this.rssFile += bytes;
    const total = this.rssAnon + this.rssFile + this.rssShmem;
    if (total > this.peakRSS) this.peakRSS = total;
  }

  /** Bytes backed by memory now. */
  currentRSS(): number {
    return this.rssAnon + this.rssFile + this.rssShmem;
  }

  // ---- usermem.IO

  /** See IO. */
  copyOut(addr: number, src: Uint8Array, off: number, len: number): number {
    let done = 0;
    while (done < len) {
      const at = addr + done;
      const p = this.accessible(at, AccessWrite);
      if (p === null) break;
      const to = p.hostAddress(at);
      const n = Math.min(len - done, p.hostLength(at));
      const left = host.copyToHost(to, src, off + done, n);
      done += n - left;
      if (left !== 0) break;
    }
    if (done === 0 && len > 0) throw linuxerr.EFAULT;
    return done;
  }

  /** See IO. */
  copyIn(addr: number, dst: Uint8Array, off: number, len: number): number {
    let done = 0;
    while (done < len) {
      const at = addr + done;
      const p = this.accessible(at, AccessRead);
      if (p === null) {
        const n = copyInVdso(this, at, dst, off + done, len - done, false);
        if (n === 0) break;
        done += n;
        continue;
      }
      const from = p.hostAddress(at);
      const n = Math.min(len - done, p.hostLength(at));
      const left = host.copyFromHost(dst, off + done, from, n);
      done += n - left;
      if (left !== 0) break;
    }
    if (done === 0 && len > 0) throw linuxerr.EFAULT;
    return done;
  }

  /** See IO. */
  zeroOut(addr: number, len: number): number {
    let done = 0;
    while (done < len) {
      const at = addr + done;
      const p = this.accessible(at, AccessWrite);
      if (p === null) break;
      const to = p.hostAddress(at);
      const n = Math.min(len - done, p.hostLength(at));
      const left = host.zeroHost(to, n);
      done += n - left;
      if (left !== 0) break;
    }
    if (done === 0 && len > 0) throw linuxerr.EFAULT;
    return done;
  }

  /** See IO. */
  hostRanges(addr: number, len: number, write: boolean, iov: IovecArray): number {
    const access = write ? AccessWrite : AccessRead;
    let done = 0;
    while (done < len && !iov.full()) {
      const at = addr + done;
      const p = this.accessible(at, access);
      if (p === null) {
        const n = write ? 0 : appendVdso(this, at, len - done, iov);
        done += n;
        if (n !== 0) continue;
        if (done === 0) throw linuxerr.EFAULT;
        break;
      }
      const base = p.hostAddress(at);
      const n = Math.min(len - done, p.hostLength(at));
      iov.append(base, n);
      done += n;
    }
    return done;
  }

  // ---- single words

  /** Sentry address of an aligned word with the access given, or -EFAULT. Good until the next change to this space. */
  wordAddress(addr: number, access: number): number {
    const p = this.accessible(addr, access);
    return p === null ? -ERRNO_EFAULT : p.hostAddress(addr);
  }

  /** Atomically reads an aligned 32-bit word: its unsigned value or -EFAULT. */
  loadU32(addr: number): number {
    const at = this.wordAddress(addr, AccessRead);
    return at < 0 ? at : host.loadU32(at);
  }

  /** Atomically compares and exchanges an aligned 32-bit word: the unsigned value before or -EFAULT. */
  casU32(addr: number, old: number, value: number): number {
    const at = this.wordAddress(addr, AccessWrite);
    return at < 0 ? at : host.casU32(at, old, value);
  }

  /** Atomically stores an aligned 32-bit word: 0 or -EFAULT. */
  storeU32(addr: number, value: number): number {
    const at = this.wordAddress(addr, AccessWrite);
    return at < 0 ? at : host.storeU32(at, value);
  }

  /** Atomic FUTEX_OP on an aligned 32-bit word: the unsigned value before, -EFAULT, or -EAGAIN when guests keep changing it. */
  opU32(addr: number, op: number, operand: number): number {
    const at = this.wordAddress(addr, AccessWrite);
    return at < 0 ? at : host.opU32(at, op, operand);
  }

  /**
   * What a futex word is known by among processes: (object, offset) for a shared mapping, (this, address) for private memory. Returns 0
   * or -EFAULT.
   */
  getSharedKey(addr: number, out: SharedKey): number {
    if (this.accessible(addr, AccessRead) === null) return -ERRNO_EFAULT;
    const v = this.vmas.find(addr);
    if (v === null) return -ERRNO_EFAULT;
    const m: Mappable | null = v.isPrivate ? null : v.mappable;
    if (m === null) {
      // Anonymous memory that nobody can write never changes (get_futex_key in kernel/futex/core.c).
      if (v.mappable === null && (v.effective & AccessWrite) === 0) return -ERRNO_EFAULT;
      out.object = this;
      // Words are aligned to 4: the bit keeps a word of private memory apart from a process-private futex at the same address.
      out.offset = addr + 2;
    } else {
      out.object = m;
      out.offset = v.offsetAt(addr);
    }
    return 0;
  }

  /** The vma of an address, or null. */
  findVMA(addr: number): VMA | null {
    return this.vmas.find(addr);
  }

  /** Pages of all mappings, as statm and ps count. */
  totalPages(): number {
    return this.totalVM / PAGE_SIZE;
  }
}
