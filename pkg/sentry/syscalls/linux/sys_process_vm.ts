/** Memory of other processes: process_vm_readv(2), process_vm_writev(2). */
import * as errno from "../../../abi/linux/errno.ts";
import { SIZEOF_IOVEC } from "../../../abi/linux/uio.ts";
import { LinuxError } from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
} from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task, TaskExitZombie, UIO_MAXIOV } from "../../kernel/task.ts";
import type { MemoryManager } from "../../mm/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { mayAttach } from "./sys_pidfd.ts";

/** Bytes that are copied before others have their turn. */
const SLICE = 256 * 1024;

/** process_vm_readv(pid, local_iov, liovcnt, remote_iov, riovcnt, flags). */
export function processVMReadv(t: Task, args: SyscallArguments): SyscallResult {
  return transfer(t, args, false);
}

/** process_vm_writev(pid, local_iov, liovcnt, remote_iov, riovcnt, flags). */
export function processVMWritev(t: Task, args: SyscallArguments): SyscallResult {
  return transfer(t, args, true);
}

function transfer(t: Task, args: SyscallArguments, write: boolean): SyscallResult {
  if (args.u64(5) !== 0) return -errno.EINVAL;
  const local = t.iovecsIOSequence(args.u64(1), args.u64(2));
  if (local.numBytes() === 0) return 0;
  const remote = remotePieces(t, args.u64(3), args.u64(4));
  if (typeof remote === "number") return remote;
  if (remote.length === 0) return 0;
  const target = t.pidNamespace.taskWithID(args.i32(0));
  if (target === null) return -errno.ESRCH;
  const { mm } = target;
  if (target.exitState >= TaskExitZombie || mm.users === 0) return -errno.ESRCH;
  if (mm !== t.mm && !mayAttach(t, target)) return -errno.EPERM;
  const x = new Transfer(t, mm, local.takeFirst(local.numBytes()), remote, write);
  if (x.run()) return x.result();
  return x.slow();
}

/** Addresses and lengths of the remote pieces that are not empty, in turn. EINVAL, EFAULT. */
function remotePieces(t: Task, addr: number, count: number): number[] | number {
  if (count > UIO_MAXIOV) return -errno.EINVAL;
  const { bytes, view } = t.kernel.syscallScratch;
  t.copyIn(addr, bytes, 0, count * SIZEOF_IOVEC);
  const out: number[] = [];
  for (let i = 0; i < count; i++) {
    const p = i * SIZEOF_IOVEC;
    const len = view.getUint32(p + 12, true) * 4294967296 + view.getUint32(p + 8, true);
    if (len >= 2 ** 63) return -errno.EINVAL;
    if (len > 0) out.push(view.getUint32(p + 4, true) * 4294967296 + view.getUint32(p, true), len);
  }
  return out;
}

/** A transfer under way. */
class Transfer {
  static readonly stateType = stateType("linux.ProcessVMTransfer", [
    "t",
    "mm",
    "local",
    "remote",
    "write",
    "index",
    "offset",
    "done",
  ]);
  readonly t: Task;
  readonly mm: MemoryManager;
  readonly local: IOSequence;
  readonly remote: readonly number[];
  readonly write: boolean;
  /** Piece of `remote` and position in it. */
  index = 0;
  offset = 0;
  done = 0;

  constructor(t: Task, mm: MemoryManager, local: IOSequence, remote: readonly number[], write: boolean) {
    this.t = t;
    this.mm = mm;
    this.local = local;
    this.remote = remote;
    this.write = write;
  }

  /** Moves a slice. True when that was the end: everything is moved, or an address is not accessible. */
  run(): boolean {
    const buf = this.t.kernel.syscallScratch.transferBuffer();
    let budget = SLICE;
    while (budget > 0) {
      if (this.index >= this.remote.length || this.local.numBytes() === 0) return true;
      const addr = (this.remote[this.index] ?? 0) + this.offset;
      const left = (this.remote[this.index + 1] ?? 0) - this.offset;
      const want = Math.min(left, buf.length, this.local.numBytes());
      const n = this.move(addr, buf, want);
      this.done += n;
      this.offset += n;
      budget -= n;
      if (n < want) return true;
      if (n === left) {
        this.index += 2;
        this.offset = 0;
      }
    }
    return false;
  }

  /** Moves up to n bytes; fewer when memory on one side is not accessible. */
  move(addr: number, buf: Uint8Array, n: number): number {
    if (addr >= TASK_SIZE_MAX) return 0;
    const mark = this.local.position();
    let got = 0;
    try {
      if (!this.write) {
        this.mm.hostSpace?.restoreCode(addr, addr + n);
        got = this.mm.copyIn(addr, buf, 0, n);
        return this.local.copyOut(buf, 0, got);
      }
      got = this.local.copyIn(buf, 0, n);
      const put = this.mm.copyOut(addr, buf, 0, got);
      if (put < got) this.local.rewind(mark + put);
      return put;
    } catch (e) {
      if (e instanceof LinuxError) return 0;
      throw e;
    }
  }

  result(): number {
    return this.done > 0 ? this.done : -errno.EFAULT;
  }

  *slow(): SyscallGenerator {
    const { t, mm } = this;
    if (!mm.incUsers()) return this.result();
    try {
      do {
        if ((yield t.reschedule()) === WAKE_INTERRUPT) return this.result();
      } while (!this.run());
      return this.result();
    } finally {
      mm.decUsers();
    }
  }
}
