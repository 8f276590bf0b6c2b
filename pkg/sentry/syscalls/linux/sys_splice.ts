import * as errno from "../../../abi/linux/errno.ts";
import { SPLICE_F_ALL, SPLICE_F_NONBLOCK } from "../../../abi/linux/fcntl.ts";
import { MAX_RW_COUNT, O_APPEND, O_NONBLOCK, RWF_NOWAIT, SEEK_SET } from "../../../abi/linux/file.ts";
import { IN_ACCESS, IN_MODIFY } from "../../../abi/linux/inotify.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import { SIGPIPE } from "../../../abi/linux/signal.ts";
import { S_IFDIR, S_IFMT, S_IFREG } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { Entry, EventOut, EventWrNorm, ReadableEvents, WritableEvents } from "../../../waiter/index.ts";
import { type Pipe, PipeFileDescription } from "../../fsimpl/pipefs/index.ts";
import { TRANSFER_SIZE } from "../../kernel/syscall_scratch.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
} from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { type FileDescription, notifyFile, removePrivileges } from "../../vfs/index.ts";
import { openFile } from "./path.ts";
import { countRead, countWrite, limitFileSize, readFile, SLICE, writeFile } from "./sys_read_write.ts";

/** What one step of a transfer came to: bytes moved, a negative errno, or which side has to be waited for. */
const WAIT_IN = -10001;
const WAIT_OUT = -10002;
/** There is more to move, but others shall run first. */
const MORE = -10003;
const FILE_TO_PIPE = 0;
const PIPE_TO_FILE = 1;
const PIPE_TO_PIPE = 2;
const TEE = 3;
const FILE_TO_FILE = 4;

/** A transfer between two descriptions; lives as long as its system call. Positions are -1 for "at the file offset". */
class Transfer {
  static readonly stateType = stateType("linux.Transfer", [
    "t",
    "input",
    "output",
    "inPos",
    "outPos",
    "left",
    "done",
    "nonblock",
    "kind",
    "inAddr",
    "outAddr",
    "outAtOffset",
  ]);
  readonly t: Task;
  readonly input: FileDescription;
  readonly output: FileDescription;
  inPos: number;
  outPos: number;
  left: number;
  done = 0;
  /** SPLICE_F_NONBLOCK: do not wait for a pipe. */
  nonblock: boolean;
  /** Moves one piece: see moveToPipe and its siblings. */
  readonly kind: 0 | 1 | 2 | 3 | 4;
  /** Address of off_in and off_out of the guest; 0: none. */
  inAddr = 0;
  outAddr = 0;
  /** copy_file_range without off_out: the file offset follows outPos. */
  outAtOffset = false;

  constructor(
    t: Task,
    kind: 0 | 1 | 2 | 3 | 4,
    input: FileDescription,
    inPos: number,
    output: FileDescription,
    outPos: number,
    len: number,
    nonblock: boolean,
  ) {
    this.t = t;
    this.kind = kind;
    this.input = input;
    this.output = output;
    this.inPos = inPos;
    this.outPos = outPos;
    this.left = len;
    this.nonblock = nonblock;
  }

  /** One piece of at most TRANSFER_SIZE bytes. */
  step(): number {
    switch (this.kind) {
      case FILE_TO_PIPE:
        return this.moveToPipe();
      case PIPE_TO_FILE:
        return this.moveFromPipe();
      case FILE_TO_FILE:
        return this.copy();
      default:
        return this.movePipeToPipe(this.kind === TEE);
    }
  }

  moveToPipe(): number {
    const pipe = pipeOf(this.output);
    if (pipe.readers === 0) return -errno.EPIPE;
    const room = (pipe.slots - pipe.used) * PAGE_SIZE;
    if (room === 0) return WAIT_OUT;
    const s = this.t.kernel.syscallScratch;
    const n = this.readTo(Math.min(room, this.left, TRANSFER_SIZE));
    if (n === -errno.EAGAIN) return WAIT_IN;
    if (n <= 0) return n;
    const w = pipe.write(s.transferOver(n), false);
    return w < 0 ? w : n;
  }

  moveFromPipe(): number {
    const pipe = pipeOf(this.input);
    if (pipe.used === 0) return pipe.writers === 0 ? 0 : WAIT_IN;
    const n = peek(pipe, this.t.kernel.syscallScratch.transferBuffer(), Math.min(this.left, TRANSFER_SIZE), 0);
    const w = this.writeFrom(n);
    if (w === -errno.EAGAIN) return WAIT_OUT;
    if (w > 0) consume(pipe, w);
    return w;
  }

  movePipeToPipe(keep: boolean): number {
    const from = pipeOf(this.input);
    const to = pipeOf(this.output);
    if (to.readers === 0) return -errno.EPIPE;
    const skip = keep ? this.done : 0;
    if (from.queued() <= skip) return from.writers === 0 || this.done > 0 ? 0 : WAIT_IN;
    const room = (to.slots - to.used) * PAGE_SIZE;
    if (room === 0) return WAIT_OUT;
    const s = this.t.kernel.syscallScratch;
    const n = peek(from, s.transferBuffer(), Math.min(room, this.left, TRANSFER_SIZE), skip);
    const w = to.write(s.transferOver(n), false);
    if (w > 0 && !keep) consume(from, w);
    return w;
  }

  /** Between files: the input is read at a position, so what the output did not take is simply read again. */
  copy(): number {
    const n = this.readAt(Math.min(this.left, TRANSFER_SIZE));
    if (n === -errno.EAGAIN) return WAIT_IN;
    if (n <= 0) return n;
    const w = this.writeFrom(n);
    if (w === -errno.EAGAIN) return WAIT_OUT;
    if (w > 0) this.inPos += w;
    return w;
  }

  readAt(n: number): number {
    return this.input.pread(this.t.kernel.syscallScratch.transferOver(n), this.inPos);
  }

  /** Reads up to n bytes to the transfer buffer, at inPos or the file offset, and moves that on. */
  readTo(n: number): number {
    const seq = this.t.kernel.syscallScratch.transferOver(n);
    if (this.inPos < 0) return this.input.read(seq);
    const got = this.input.pread(seq, this.inPos);
    if (got > 0) this.inPos += got;
    return got;
  }

  /** Writes n bytes of the transfer buffer at outPos or the file offset. */
  writeFrom(n: number): number {
    const seq = this.t.kernel.syscallScratch.transferOver(n);
    const r = limitFileSize(this.t, this.output, seq, this.outPos);
    if (r < 0) return r;
    removePrivileges(this.output.inode, this.t.creds);
    if (this.outPos < 0) return this.output.write(seq);
    const w = this.output.pwrite(seq, this.outPos);
    if (w > 0) this.outPos += w;
    return w;
  }

  /** Whether the side that is not ready must not be waited for. */
  mustNotWait(side: number): boolean {
    const file = side === WAIT_IN ? this.input : this.output;
    return this.nonblock || (file.statusFlags & O_NONBLOCK) !== 0;
  }

  /** The call is over: moves offsets on and gives its result. */
  finish(r: number): number {
    if (r === -errno.EPIPE) this.t.sendSelfSignal(SIGPIPE);
    if (this.kind === FILE_TO_FILE) {
      countRead(this.t, this.done);
      countWrite(this.t, this.done);
    }
    if (this.kind === FILE_TO_FILE && this.inAddr === 0 && this.done > 0) this.input.seek(this.inPos, SEEK_SET);
    if (this.done > 0) {
      notifyFile(this.input, IN_ACCESS);
      notifyFile(this.output, IN_MODIFY);
      if (this.inAddr !== 0) this.t.copyOutI64(this.inAddr, this.inPos);
      if (this.outAddr !== 0) this.t.copyOutI64(this.outAddr, this.outPos);
      if (this.outAtOffset) this.output.seek(this.outPos, SEEK_SET);
    }
    return this.done > 0 ? this.done : r;
  }

  /** Steps until everything is moved, nothing is left, or waiting is needed. Returns 0 (over), a negative errno, or WAIT_*. */
  run(limit: number): number {
    let budget = limit;
    while (this.left > 0) {
      let n: number;
      try {
        n = this.step();
      } catch (e) {
        if (!(e instanceof linuxerr.LinuxError)) throw e;
        return -e.errno;
      }
      if (n <= 0) return n;
      this.done += n;
      this.left -= n;
      budget -= n;
      if (budget <= 0 && this.left > 0) return MORE;
    }
    return 0;
  }

  /** Carries the transfer out. */
  start(): SyscallResult {
    const r = this.run(SLICE);
    if (r === MORE) return this.slow(r);
    if (r === WAIT_IN || r === WAIT_OUT) {
      if (this.done > 0) return this.finish(0);
      if (this.mustNotWait(r)) return -errno.EAGAIN;
      return this.slow(r);
    }
    return this.finish(r);
  }

  *slow(first: number): SyscallGenerator {
    const { t, input, output } = this;
    input.incRef();
    output.incRef();
    const reader = new Entry(t, ReadableEvents);
    const writer = new Entry(t, WritableEvents);
    if (input.canPoll()) input.eventRegister(reader);
    if (output.canPoll()) output.eventRegister(writer);
    try {
      let r = first;
      for (;;) {
        if (r === MORE) {
          if ((yield t.reschedule()) === WAKE_INTERRUPT) return this.finish(-errno.EINTR);
        } else if (r === WAIT_IN || r === WAIT_OUT) {
          // A copy between files goes on until all is there; a splice gives what it has.
          if (this.done > 0 && this.kind !== FILE_TO_FILE) return this.finish(0);
          if (this.mustNotWait(r)) return this.finish(-errno.EAGAIN);
          if ((yield t.block(Number.POSITIVE_INFINITY)) === WAKE_INTERRUPT) return this.finish(-errno.ERESTARTSYS);
        } else return this.finish(r);
        r = this.run(SLICE);
      }
    } finally {
      input.eventUnregister(reader);
      output.eventUnregister(writer);
      input.decRef();
      output.decRef();
    }
  }
}

function pipeOf(file: FileDescription): Pipe {
  if (!(file instanceof PipeFileDescription)) throw linuxerr.EINVAL;
  return file.pipe;
}

/** Copies up to n bytes of what is in the pipe, after the first `skip`, and leaves them there. Returns how many. */
function peek(pipe: Pipe, dst: Uint8Array, n: number, skip: number): number {
  const ring = pipe.ring;
  if (ring === null) return 0;
  let done = 0;
  let over = skip;
  for (let k = 0; k < pipe.used && done < n; k++) {
    const i = (pipe.first + k) % pipe.slots;
    const len = pipe.lengths[i] ?? 0;
    if (over >= len) {
      over -= len;
      continue;
    }
    const start = i * PAGE_SIZE + (pipe.offsets[i] ?? 0) + over;
    const part = Math.min(len - over, n - done);
    dst.set(ring.subarray(start, start + part), done);
    done += part;
    over = 0;
  }
  return done;
}

/** Takes n bytes out of the pipe and tells writers. */
function consume(pipe: Pipe, n: number): void {
  const wasFull = pipe.used === pipe.slots;
  pipe.consume(n);
  if (wasFull && pipe.used < pipe.slots) pipe.queue.notify(EventOut | EventWrNorm);
}

/** splice(2). */
export function splice(t: Task, args: SyscallArguments): SyscallResult {
  const len = Math.min(args.u64(4), MAX_RW_COUNT);
  const flags = args.u32(5);
  if (len === 0) return 0;
  if ((flags & ~SPLICE_F_ALL) !== 0) return -errno.EINVAL;
  const input = openFile(t, args.i32(0));
  const output = openFile(t, args.i32(2));
  if (input === null || output === null) return -errno.EBADF;
  const inAddr = args.u64(1);
  const outAddr = args.u64(3);
  const fromPipe = input instanceof PipeFileDescription;
  const toPipe = output instanceof PipeFileDescription;
  if ((fromPipe && inAddr !== 0) || (toPipe && outAddr !== 0)) return -errno.ESPIPE;
  const outPos = outAddr === 0 ? -1 : t.copyInI64(outAddr);
  const inPos = inAddr === 0 ? -1 : t.copyInI64(inAddr);
  if (!input.readable || !output.writable) return -errno.EBADF;
  const nonblock = (flags & SPLICE_F_NONBLOCK) !== 0;
  if (fromPipe && toPipe) {
    if (input.pipe === output.pipe) return -errno.EINVAL;
    return new Transfer(t, PIPE_TO_PIPE, input, -1, output, -1, len, nonblock).start();
  }
  if (fromPipe) {
    if (outAddr !== 0) {
      if (!output.canSeek()) return -errno.EINVAL;
      if (outPos < 0 || outPos + len >= 2 ** 63) return -errno.EINVAL;
    }
    if ((output.statusFlags & O_APPEND) !== 0) return -errno.EINVAL;
    const x = new Transfer(t, PIPE_TO_FILE, input, -1, output, outPos, len, nonblock);
    x.outAddr = outAddr;
    return x.start();
  }
  if (toPipe) {
    if (inAddr !== 0) {
      if (!input.canSeek()) return -errno.EINVAL;
      if (inPos < 0 || inPos + len >= 2 ** 63) return -errno.EINVAL;
    }
    if ((input.inode.mode() & S_IFMT) === S_IFDIR) return -errno.EINVAL;
    const x = new Transfer(t, FILE_TO_PIPE, input, inPos, output, -1, len, nonblock);
    x.inAddr = inAddr;
    return x.start();
  }
  return -errno.EINVAL;
}

/** tee(2). */
export function tee(t: Task, args: SyscallArguments): SyscallResult {
  const len = Math.min(args.u64(2), MAX_RW_COUNT);
  const flags = args.u32(3);
  if ((flags & ~SPLICE_F_ALL) !== 0) return -errno.EINVAL;
  if (len === 0) return 0;
  const input = openFile(t, args.i32(0));
  const output = openFile(t, args.i32(1));
  if (input === null || output === null || !input.readable || !output.writable) return -errno.EBADF;
  if (!(input instanceof PipeFileDescription) || !(output instanceof PipeFileDescription)) return -errno.EINVAL;
  if (input.pipe === output.pipe) return -errno.EINVAL;
  return new Transfer(t, TEE, input, -1, output, -1, len, (flags & SPLICE_F_NONBLOCK) !== 0).start();
}

/** vmsplice(2): pages are copied, never given away. */
export function vmsplice(t: Task, args: SyscallArguments): SyscallResult {
  const flags = args.u32(3);
  if ((flags & ~SPLICE_F_ALL) !== 0) return -errno.EINVAL;
  const file = openFile(t, args.i32(0));
  if (file === null || (!file.readable && !file.writable)) return -errno.EBADF;
  const seq = t.iovecsIOSequence(args.u64(1), args.u64(2));
  if (seq.numBytes() === 0) return 0;
  if (!(file instanceof PipeFileDescription)) return -errno.EBADF;
  const nowait = (flags & SPLICE_F_NONBLOCK) !== 0 ? RWF_NOWAIT : 0;
  return file.writable ? writeFile(t, file, seq, -1, nowait) : readFile(t, file, seq, -1, nowait);
}

/** sendfile(2). */
export function sendfile(t: Task, args: SyscallArguments): SyscallResult {
  const addr = args.u64(2);
  const given = addr === 0 ? -1 : t.copyInI64(addr);
  const input = openFile(t, args.i32(1));
  if (input === null || !input.readable) return -errno.EBADF;
  if (addr !== 0 && !input.canSeek()) return -errno.ESPIPE;
  const pos = addr === 0 ? input.position() : given;
  const count = args.u64(3);
  const len = Math.min(count, MAX_RW_COUNT);
  // INT64_MAX itself reads as 2^63.
  if (pos < 0 || args.i64(3) < 0 || pos + count > 2 ** 63 || pos + len >= 2 ** 63) return -errno.EINVAL;
  const output = openFile(t, args.i32(0));
  if (output === null || !output.writable) return -errno.EBADF;
  if ((output.statusFlags & O_APPEND) !== 0) return -errno.EINVAL;
  if (!input.canSeek() || (input.inode.mode() & S_IFMT) === S_IFDIR) return -errno.EINVAL;
  if (len === 0) return 0;
  const x = new Transfer(t, FILE_TO_FILE, input, pos, output, -1, len, false);
  x.inAddr = addr;
  return x.start();
}

/** Whether a position and a length added up as unsigned 64-bit numbers wrap around. */
function wraps(pos: number, len: number): boolean {
  return pos < 0 ? pos + len >= 0 : pos + len >= 2 ** 64;
}

/** copy_file_range(2). */
export function copyFileRange(t: Task, args: SyscallArguments): SyscallResult {
  const input = openFile(t, args.i32(0));
  const output = openFile(t, args.i32(2));
  if (input === null || output === null) return -errno.EBADF;
  const inAddr = args.u64(1);
  const outAddr = args.u64(3);
  const inPos = inAddr === 0 ? input.position() : t.copyInI64(inAddr);
  const outPos = outAddr === 0 ? output.position() : t.copyInI64(outAddr);
  if (args.u32(5) !== 0) return -errno.EINVAL;
  const inType = input.inode.mode() & S_IFMT;
  const outType = output.inode.mode() & S_IFMT;
  if (inType === S_IFDIR || outType === S_IFDIR) return -errno.EISDIR;
  if (inType !== S_IFREG || outType !== S_IFREG) return -errno.EINVAL;
  if (!input.readable || !output.writable || (output.statusFlags & O_APPEND) !== 0) return -errno.EBADF;
  if (input.inode.fs !== output.inode.fs) return -errno.EXDEV;
  let len = args.u64(4);
  if (wraps(inPos, len) || wraps(outPos, len)) return -errno.EOVERFLOW;
  if (inPos < 0 || outPos < 0) return -errno.EINVAL;
  const st = t.kernel.syscallScratch.statx;
  input.stat(st);
  len = Math.min(len, MAX_RW_COUNT, Math.max(0, st.size - inPos));
  if (input.inode === output.inode && inPos < outPos + len && outPos < inPos + len) return -errno.EINVAL;
  if (len === 0) return 0;
  const x = new Transfer(t, FILE_TO_FILE, input, inPos, output, outPos, len, false);
  x.inAddr = inAddr;
  x.outAddr = outAddr;
  if (outAddr === 0) x.outAtOffset = true;
  return x.start();
}
