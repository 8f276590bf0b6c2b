import { stateType } from "../../state/index.ts";
import type { EpollInterest } from "../vfs/epoll.ts";
import { SetStatOptions, Statfs, Statx } from "../vfs/options.ts";

/** Size of SyscallScratch.bytes. */
const SCRATCH_SIZE = 65536;
/** Bytes that splice, sendfile and copy_file_range move in one go. */
export const TRANSFER_SIZE = 65536;

/**
 * Buffers that system calls share: one per Kernel. Whatever is in them is good until the call returns or yields, so a call fills them
 * and copies them out, or copies in and decodes, without a yield between.
 */
export class SyscallScratch {
  static readonly stateType = stateType(
    "kernel.SyscallScratch",
    [],
    ["bytes", "view", "words", "statx", "setStat", "statfs", "transfer", "epollWords", "epollBytes", "epollReported"],
  );
  readonly bytes: Uint8Array = new Uint8Array(SCRATCH_SIZE);
  readonly view: DataView = new DataView(this.bytes.buffer);
  /** The same bytes as 32-bit words. */
  readonly words: Uint32Array = new Uint32Array(this.bytes.buffer);
  readonly statx: Statx = new Statx();
  readonly setStat: SetStatOptions = new SetStatOptions();
  readonly statfs: Statfs = new Statfs();
  /** For data on its way between two files; made at first use. */
  transfer: Uint8Array | null = null;
  /** Events of epoll_wait: three words each. */
  epollWords: Uint32Array = new Uint32Array(3 * 64);
  epollBytes: Uint8Array = new Uint8Array(this.epollWords.buffer);
  readonly epollReported: EpollInterest[] = [];

  /** The transfer buffer. */
  transferBuffer(): Uint8Array {
    if (this.transfer === null) this.transfer = new Uint8Array(TRANSFER_SIZE);
    return this.transfer;
  }

  /** Room for n events of epoll_wait. */
  growEpoll(n: number): void {
    if (this.epollWords.length >= 3 * n) return;
    this.epollWords = new Uint32Array(3 * n);
    this.epollBytes = new Uint8Array(this.epollWords.buffer);
  }
}
