import { PointerBlock, StringBlock } from "../../hostsyscall/index.ts";
import { stateType } from "../../state/index.ts";
import { BytesIO, IOSequence } from "../usermem/index.ts";
import type { EpollInterest } from "../vfs/epoll.ts";
import { type PathOperation, SetStatOptions, Statfs, Statx } from "../vfs/options.ts";

/** Size of SyscallScratch.bytes. */
const SCRATCH_SIZE = 65536;
/** Bytes that splice, sendfile and copy_file_range move in one go. */
export const TRANSFER_SIZE = 65536;

/** Arguments and environment of an execve under way. */
export class ExecScratch {
  static readonly stateType = stateType("kernel.ExecScratch", [], ["argvPointers", "envvPointers", "argv", "envv"]);
  readonly argvPointers: PointerBlock = new PointerBlock();
  readonly envvPointers: PointerBlock = new PointerBlock();
  readonly argv: StringBlock = new StringBlock();
  readonly envv: StringBlock = new StringBlock();
}

/**
 * Buffers that system calls share: one per Kernel. Whatever is in them is good until the call returns or yields, so a call fills them
 * and copies them out, or copies in and decodes, without a yield between.
 */
export class SyscallScratch {
  static readonly stateType = stateType(
    "kernel.SyscallScratch",
    [],
    [
      "bytes",
      "view",
      "words",
      "statx",
      "setStat",
      "statfs",
      "pop",
      "transferIO",
      "transferSequence",
      "epollWords",
      "epollBytes",
      "epollReported",
      "execScratch",
    ],
  );
  readonly bytes: Uint8Array = new Uint8Array(SCRATCH_SIZE);
  readonly view: DataView = new DataView(this.bytes.buffer);
  /** The same bytes as 32-bit words. */
  readonly words: Uint32Array = new Uint32Array(this.bytes.buffer);
  readonly statx: Statx = new Statx();
  readonly setStat: SetStatOptions = new SetStatOptions();
  readonly statfs: Statfs = new Statfs();
  /** The path of a call that takes one; null until the first. */
  pop: PathOperation | null = null;
  /** Data on its way between two files. Its buffer is made at first use. */
  readonly transferIO: BytesIO = new BytesIO(new Uint8Array(0));
  readonly transferSequence: IOSequence = new IOSequence();
  /** Events of epoll_wait: three words each. */
  epollWords: Uint32Array = new Uint32Array(3 * 64);
  epollBytes: Uint8Array = new Uint8Array(this.epollWords.buffer);
  readonly epollReported: EpollInterest[] = [];
  execScratch: ExecScratch | null = null;

  /** Buffers of execve, made at first use. */
  exec(): ExecScratch {
    this.execScratch ??= new ExecScratch();
    return this.execScratch;
  }

  /** The transfer buffer, TRANSFER_SIZE bytes. */
  transferBuffer(): Uint8Array {
    if (this.transferIO.bytes.length === 0) this.transferIO.bytes = new Uint8Array(TRANSFER_SIZE);
    return this.transferIO.bytes;
  }

  /** A sequence over the first n bytes of the transfer buffer. */
  transferOver(n: number): IOSequence {
    this.transferBuffer();
    return this.transferSequence.setSingle(this.transferIO, 0, n);
  }

  /** Room for n events of epoll_wait. */
  growEpoll(n: number): void {
    if (this.epollWords.length >= 3 * n) return;
    this.epollWords = new Uint32Array(3 * n);
    this.epollBytes = new Uint8Array(this.epollWords.buffer);
  }
}
