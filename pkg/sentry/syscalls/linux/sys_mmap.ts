/** Memory: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), madvise(2), msync(2), mincore(2), mlock(2) and relatives. */
import { CAP_IPC_LOCK, CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import { O_PATH } from "../../../abi/linux/file.ts";
import { MS_NOEXEC } from "../../../abi/linux/fs.ts";
import * as linux from "../../../abi/linux/mm.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { AccessExec, AccessRead, AccessWrite, type MMapOpts, newMMapOpts } from "../../memmap/index.ts";
import { canLock, LOCK_EAGER, LOCK_ONFAULT, mlockFutureOK } from "../../mm/index.ts";
import type { FileDescription } from "../../vfs/index.ts";

/** 2^64: where unsigned long wraps. */
const ULONG_SPAN = 2 ** 64;
/** With which linkers put a library's segments into the room they made for it. */
const LINKERS_FLAGS = linux.MAP_FIXED | linux.MAP_DENYWRITE;
/** Pages that mincore answers in one go. */
const MINCORE_CHUNK = 4096;

/**
 * Argument i plus `add` (less than a page) rounded up to a page as unsigned long does it: sizes near 2^64 come to 0. Multiples of the page
 * size are exact numbers whatever their size.
 */
function pageUp(args: SyscallArguments, i: number, add = 0): number {
  const low = args.u32(i) + add + (linux.PAGE_SIZE - 1);
  const high = (args.words[2 * i + 1] ?? 0) + (low >= 4294967296 ? 1 : 0);
  return (high >>> 0) * 4294967296 + ((low & -linux.PAGE_SIZE) >>> 0);
}

/** Whether an address argument is off a page; exact whatever its upper bits are. */
function misaligned(args: SyscallArguments, i: number): boolean {
  return (args.u32(i) & (linux.PAGE_SIZE - 1)) !== 0;
}

/** The page of the address that is argument 0. */
function pageDown(args: SyscallArguments): number {
  return args.u64(0) - (args.u32(0) % linux.PAGE_SIZE);
}

function mayLockFreely(t: Task): boolean {
  return t.creds.capable(CAP_IPC_LOCK);
}

/** What mmap(2) demands of the file, in Linux's order; fills the protection that the mapping may have. */
function checkFile(file: FileDescription, prot: number, flags: number, opts: MMapOpts): void {
  const type = flags & linux.MAP_TYPE;
  if (type === linux.MAP_SHARED || type === linux.MAP_SHARED_VALIDATE) {
    // No file system here knows flags beyond the old ones.
    if (type === linux.MAP_SHARED_VALIDATE && (flags & ~linux.LEGACY_MAP_MASK) !== 0) throw linuxerr.EOPNOTSUPP;
    if ((prot & linux.PROT_WRITE) !== 0 && !file.writable) throw linuxerr.EACCES;
    opts.isPrivate = false;
    if (!file.writable) opts.maxPerms &= ~AccessWrite;
  } else if (type !== linux.MAP_PRIVATE) {
    throw linuxerr.EINVAL;
  }
  if (!file.readable) throw linuxerr.EACCES;
  if ((file.vd.mount.flags & MS_NOEXEC) !== 0) {
    if ((prot & linux.PROT_EXEC) !== 0) throw linuxerr.EPERM;
    opts.maxPerms &= ~AccessExec;
  }
}

/** The errors of MAP_HUGETLB on a machine whose pools of huge pages are empty. */
function mmapHuge(args: SyscallArguments, flags: number): number {
  const shift = (flags >>> linux.MAP_HUGE_SHIFT) & linux.MAP_HUGE_MASK;
  if (shift !== 0 && shift !== 21 && shift !== 30) return -linuxerr.EINVAL.errno;
  const size = shift === 30 ? 2 ** 30 : linux.HUGE_PAGE_SIZE;
  const length = Math.ceil(pageUp(args, 1) / size) * size;
  if (length === 0 || length >= ULONG_SPAN) return -linuxerr.EINVAL.errno;
  if (length > linux.TASK_SIZE) return -linuxerr.ENOMEM.errno;
  const type = flags & linux.MAP_TYPE;
  const fixed = (flags & (linux.MAP_FIXED | linux.MAP_FIXED_NOREPLACE)) !== 0;
  if (fixed && args.u64(0) % size !== 0) return -linuxerr.EINVAL.errno;
  if (type !== linux.MAP_PRIVATE && type !== linux.MAP_SHARED) return -linuxerr.EINVAL.errno;
  return -linuxerr.ENOMEM.errno;
}

/** mmap(addr, length, prot, flags, fd, offset). */
export function mmap(t: Task, args: SyscallArguments): number {
  const prot = args.u32(2);
  const flags = args.u32(3);
  const offset = args.u64(5);
  if (misaligned(args, 5)) return -linuxerr.EINVAL.errno;
  const anonymous = (flags & linux.MAP_ANONYMOUS) !== 0;
  let file: FileDescription | null = null;
  if (!anonymous) {
    file = t.getFile(args.i32(4));
    if ((file.statusFlags & O_PATH) !== 0) return -linuxerr.EBADF.errno;
    if ((flags & linux.MAP_HUGETLB) !== 0) return -linuxerr.EINVAL.errno;
  }
  if (anonymous && (flags & linux.MAP_HUGETLB) !== 0) return mmapHuge(args, flags);

  const { mm } = t;
  if (args.u64(1) === 0) return -linuxerr.EINVAL.errno;
  const length = pageUp(args, 1);
  if (length === 0) return -linuxerr.ENOMEM.errno;
  if (mm.vmas.count > mm.maxMapCount) return -linuxerr.ENOMEM.errno;
  const opts = newMMapOpts();
  opts.fixed = (flags & (linux.MAP_FIXED | linux.MAP_FIXED_NOREPLACE)) !== 0;
  opts.unmap = (flags & linux.MAP_FIXED_NOREPLACE) === 0;
  opts.map32Bit = (flags & linux.MAP_32BIT) !== 0;
  opts.addr = mm.findUnmappedArea(args.u64(0), length, opts.fixed, opts.map32Bit);
  if (opts.fixed && !opts.unmap && !mm.vmas.isFree(opts.addr, opts.addr + length)) return -linuxerr.EEXIST.errno;
  opts.locked = (flags & linux.MAP_LOCKED) !== 0;
  const privileged = mayLockFreely(t);
  if (opts.locked && !canLock(mm, privileged)) return -linuxerr.EPERM.errno;
  if ((opts.locked || mm.defaultLockMode !== 0) && !mlockFutureOK(mm, length, privileged))
    return -linuxerr.EAGAIN.errno;
  opts.length = length;
  // The address is settled.
  opts.fixed = true;
  opts.perms = prot & (AccessRead | AccessWrite | AccessExec);
  opts.growsDown = (flags & linux.MAP_GROWSDOWN) !== 0;
  opts.stack = (flags & linux.MAP_STACK) !== 0;
  opts.noReserve = (flags & linux.MAP_NORESERVE) !== 0;
  opts.precommit = (flags & linux.MAP_POPULATE) !== 0 && (flags & linux.MAP_NONBLOCK) === 0;
  if (file !== null) {
    // Offsets are signed in files.
    if (!Number.isSafeInteger(offset + length)) return -linuxerr.EOVERFLOW.errno;
    checkFile(file, prot, flags, opts);
    opts.offset = offset;
    // Not the images of libraries: linkers ask for those with a flag that is of no other use, and put other mappings over most of it.
    opts.reading = opts.perms === AccessRead && (flags & (linux.MAP_FIXED | linux.MAP_DENYWRITE)) === 0;
    opts.library = opts.isPrivate && (prot & linux.PROT_WRITE) !== 0 && (flags & LINKERS_FLAGS) === LINKERS_FLAGS;
    // Some files cannot be mapped at all, which Linux finds out before it looks at this flag.
    if (opts.growsDown) {
      const probe = { ...opts };
      file.configureMMap(probe);
      probe.mappingIdentity?.decRef();
      return -linuxerr.EINVAL.errno;
    }
    file.configureMMap(opts);
  } else {
    const type = flags & linux.MAP_TYPE;
    if (type === linux.MAP_SHARED) {
      if (opts.growsDown) return -linuxerr.EINVAL.errno;
      opts.isPrivate = false;
    } else if (type !== linux.MAP_PRIVATE) {
      return -linuxerr.EINVAL.errno;
    }
  }
  return mm.mmap(opts, privileged);
}

/** munmap(addr, length). */
export function munmap(t: Task, args: SyscallArguments): number {
  if (misaligned(args, 0)) return -linuxerr.EINVAL.errno;
  t.mm.munmap(args.u64(0), args.u64(1));
  return 0;
}

/** mprotect(addr, length, prot). */
export function mprotect(t: Task, args: SyscallArguments): number {
  const addr = args.u64(0);
  const length = pageUp(args, 1);
  const grows = args.u32(2) & (linux.PROT_GROWSDOWN | linux.PROT_GROWSUP);
  const prot = (args.u32(2) & ~(linux.PROT_GROWSDOWN | linux.PROT_GROWSUP)) >>> 0;
  if (grows === (linux.PROT_GROWSDOWN | linux.PROT_GROWSUP)) return -linuxerr.EINVAL.errno;
  if (misaligned(args, 0)) return -linuxerr.EINVAL.errno;
  if (args.u64(1) === 0) return 0;
  if (length === 0 || addr + length >= ULONG_SPAN) return -linuxerr.ENOMEM.errno;
  const known = linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC | linux.PROT_SEM;
  if ((prot & ~known) !== 0 || args.words[5] !== 0) return -linuxerr.EINVAL.errno;
  // No mapping here grows up: the range is looked up first, then the flag is refused.
  if (grows === linux.PROT_GROWSUP)
    return t.mm.vmas.find(addr) === null ? -linuxerr.ENOMEM.errno : -linuxerr.EINVAL.errno;
  t.mm.mprotect(addr, length, prot & (AccessRead | AccessWrite | AccessExec), grows !== 0);
  return 0;
}

/** brk(addr). */
export function brk(t: Task, args: SyscallArguments): number {
  return t.mm.brk(args.u64(0), mayLockFreely(t));
}

/** mremap(old_address, old_size, new_size, flags, new_address). */
export function mremap(t: Task, args: SyscallArguments): number {
  if (args.words[7] !== 0 || misaligned(args, 0)) return -linuxerr.EINVAL.errno;
  return t.mm.mremap(args.u64(0), pageUp(args, 1), pageUp(args, 2), args.u32(3), args.u64(4), mayLockFreely(t));
}

/** madvise(addr, length, advice). */
export function madvise(t: Task, args: SyscallArguments): number {
  const advice = args.i32(2);
  // Memory failures cannot be injected here; who asks without the privilege learns that first.
  if (advice === linux.MADV_HWPOISON || advice === linux.MADV_SOFT_OFFLINE) {
    return t.creds.capable(CAP_SYS_ADMIN) ? -linuxerr.EINVAL.errno : -linuxerr.EPERM.errno;
  }
  const length = pageUp(args, 1);
  // A size that wraps is no size, but the advice is looked at first.
  if (length === 0 && args.u64(1) !== 0) return -linuxerr.EINVAL.errno;
  t.mm.madvise(args.u64(0), length, advice);
  return 0;
}

/** msync(addr, length, flags). */
export function msync(t: Task, args: SyscallArguments): number {
  const addr = args.u64(0);
  const flags = args.u32(2);
  if ((flags & ~(linux.MS_ASYNC | linux.MS_INVALIDATE | linux.MS_SYNC)) !== 0) return -linuxerr.EINVAL.errno;
  if (misaligned(args, 0)) return -linuxerr.EINVAL.errno;
  if ((flags & linux.MS_ASYNC) !== 0 && (flags & linux.MS_SYNC) !== 0) return -linuxerr.EINVAL.errno;
  const end = addr + pageUp(args, 1);
  if (end >= ULONG_SPAN) return -linuxerr.ENOMEM.errno;
  if (end > addr) t.mm.msync(addr, end, flags);
  return 0;
}

/** mincore(addr, length, vec). */
export function mincore(t: Task, args: SyscallArguments): number {
  const addr = args.u64(0);
  const length = args.u64(1);
  const vec = args.u64(2);
  if (misaligned(args, 0)) return -linuxerr.EINVAL.errno;
  if (addr + length > linux.TASK_SIZE) return -linuxerr.ENOMEM.errno;
  const pages = pageUp(args, 1) / linux.PAGE_SIZE;
  if (vec + pages > linux.TASK_SIZE) return -linuxerr.EFAULT.errno;
  const buf = new Uint8Array(Math.min(pages, MINCORE_CHUNK));
  let done = 0;
  while (done < pages) {
    const n = t.mm.mincore(addr + done * linux.PAGE_SIZE, Math.min(pages - done, MINCORE_CHUNK), buf);
    t.copyOut(vec + done, buf, 0, n);
    done += n;
  }
  return 0;
}

/** mlock(addr, length). */
export function mlock(t: Task, args: SyscallArguments): number {
  t.mm.mlock(pageDown(args), pageUp(args, 1, args.u32(0) % linux.PAGE_SIZE), LOCK_EAGER, mayLockFreely(t));
  return 0;
}

/** mlock2(addr, length, flags). */
export function mlock2(t: Task, args: SyscallArguments): number {
  const flags = args.u32(2);
  if ((flags & ~linux.MLOCK_ONFAULT) !== 0) return -linuxerr.EINVAL.errno;
  const mode = (flags & linux.MLOCK_ONFAULT) !== 0 ? LOCK_ONFAULT : LOCK_EAGER;
  t.mm.mlock(pageDown(args), pageUp(args, 1, args.u32(0) % linux.PAGE_SIZE), mode, mayLockFreely(t));
  return 0;
}

/** munlock(addr, length). */
export function munlock(t: Task, args: SyscallArguments): number {
  t.mm.munlock(pageDown(args), pageUp(args, 1, args.u32(0) % linux.PAGE_SIZE));
  return 0;
}

/** mlockall(flags). */
export function mlockall(t: Task, args: SyscallArguments): number {
  t.mm.mlockAll(args.u32(0), mayLockFreely(t));
  return 0;
}

/** munlockall(). */
export function munlockall(t: Task, _args: SyscallArguments): number {
  t.mm.munlockAll();
  return 0;
}

/** remap_file_pages(start, size, prot, pgoff, flags): no longer a page table trick, but a new shared mapping of the same file in the place. */
export function remapFilePages(t: Task, args: SyscallArguments): number {
  const { mm } = t;
  const start = pageDown(args);
  const size = args.u64(1) - (args.u32(1) % linux.PAGE_SIZE);
  const offset = args.u64(3) * linux.PAGE_SIZE;
  if (args.u64(2) !== 0) return -linuxerr.EINVAL.errno;
  if (size === 0 || start + size >= ULONG_SPAN || offset / linux.PAGE_SIZE + size / linux.PAGE_SIZE >= ULONG_SPAN) {
    return -linuxerr.EINVAL.errno;
  }
  const first = mm.vmas.find(start);
  if (first === null || first.isPrivate || first.mappable === null) return -linuxerr.EINVAL.errno;
  // The range may span vmas that differ in nothing but where they show the file.
  let last = first;
  while (last.end < start + size) {
    const { next } = last;
    if (next === null || next.start !== last.end || next.mappable !== first.mappable) return -linuxerr.EINVAL.errno;
    if (next.isPrivate || next.perms !== first.perms || next.maxPerms !== first.maxPerms) return -linuxerr.EINVAL.errno;
    if (next.lockMode !== first.lockMode) return -linuxerr.EINVAL.errno;
    last = next;
  }
  if (!Number.isSafeInteger(offset + size)) return -linuxerr.EOVERFLOW.errno;
  const opts = newMMapOpts();
  opts.addr = start;
  opts.length = size;
  opts.fixed = true;
  opts.unmap = true;
  opts.isPrivate = false;
  opts.perms = first.perms;
  opts.maxPerms = first.maxPerms;
  opts.locked = first.lockMode !== 0;
  opts.precommit = (args.u32(4) & linux.MAP_NONBLOCK) === 0;
  opts.mappable = first.mappable;
  opts.mappingIdentity = first.identity;
  opts.mappingIdentity?.incRef();
  opts.offset = offset;
  opts.hint = first.hint;
  mm.mmap(opts, mayLockFreely(t));
  return 0;
}
