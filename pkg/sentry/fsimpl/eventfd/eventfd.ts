import * as errno from "../../../abi/linux/errno.ts";
import { EFD_NONBLOCK } from "../../../abi/linux/eventfd.ts";
import { O_RDWR } from "../../../abi/linux/file.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { setFields, stateType } from "../../../state/index.ts";
import { type Entry, EventErr, Queue, ReadableEvents, WritableEvents } from "../../../waiter/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../../vfs/index.ts";

/** eventfd(2): a 64-bit counter that can be waited for. */
export class EventFileDescription extends FileDescription {
  static override readonly stateType = stateType(
    "eventfd.EventFileDescription",
    ["low", "high", "semaphore", "queue"],
    ["buf", "words"],
  );
  /** The counter, at most 2^64-2 by writes. */
  low: number;
  high = 0;
  /** EFD_SEMAPHORE. */
  readonly semaphore: boolean;
  queue: Queue = new Queue();
  readonly words: Uint32Array = new Uint32Array(2);
  readonly buf: Uint8Array = new Uint8Array(this.words.buffer);

  /** `flags`: EFD_NONBLOCK or 0. */
  constructor(vd: VirtualDentry, initial: number, flags: number, semaphore: boolean) {
    super(vd, O_RDWR | (flags & EFD_NONBLOCK));
    this.low = initial >>> 0;
    this.semaphore = semaphore;
  }

  afterLoad(): void {
    const words = new Uint32Array(2);
    setFields<EventFileDescription>(this, { words, buf: new Uint8Array(words.buffer) });
  }

  override read(dst: IOSequence): number {
    if (dst.numBytes() < 8) throw linuxerr.EINVAL;
    if (this.low === 0 && this.high === 0) return -errno.EAGAIN;
    const w = this.words;
    if (this.semaphore) {
      w[0] = 1;
      w[1] = 0;
      if (this.low === 0) this.high--;
      this.low = (this.low - 1) >>> 0;
    } else {
      w[0] = this.low;
      w[1] = this.high;
      this.low = 0;
      this.high = 0;
    }
    this.queue.notify(WritableEvents);
    if (dst.copyOut(this.buf, 0, 8) !== 8) throw linuxerr.EFAULT;
    return 8;
  }

  override write(src: IOSequence): number {
    if (src.numBytes() !== 8) throw linuxerr.EINVAL;
    const mark = src.position();
    if (src.copyIn(this.buf, 0, 8) !== 8) throw linuxerr.EFAULT;
    const addLow = this.words[0] ?? 0;
    const addHigh = this.words[1] ?? 0;
    if (addLow === 0xffffffff && addHigh === 0xffffffff) throw linuxerr.EINVAL;
    if (!this.add(addLow, addHigh)) {
      src.rewind(mark);
      return -errno.EAGAIN;
    }
    return 8;
  }

  /** Adds to the counter unless it would pass 2^64-2. Kernel objects (aio, io_uring) signal through it as well. */
  add(addLow: number, addHigh: number): boolean {
    const low = this.low + addLow;
    const high = this.high + addHigh + (low > 0xffffffff ? 1 : 0);
    if (high > 0xffffffff || (high === 0xffffffff && low >>> 0 === 0xffffffff)) return false;
    this.low = low >>> 0;
    this.high = high;
    if (addLow !== 0 || addHigh !== 0) this.queue.notify(ReadableEvents);
    return true;
  }

  override canPoll(): boolean {
    return true;
  }

  override readiness(mask: number): number {
    let ready = 0;
    if (this.low !== 0 || this.high !== 0) ready |= ReadableEvents;
    if (this.high !== 0xffffffff || this.low < 0xfffffffe) ready |= WritableEvents;
    if (this.high === 0xffffffff && this.low === 0xffffffff) ready |= EventErr;
    // Linux reports EPOLLIN and EPOLLOUT alone, not their "normal data" twins.
    return ready & mask & ~0x140;
  }

  override eventRegister(e: Entry): void {
    this.queue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.queue.eventUnregister(e);
  }

  /** noop_llseek: any seek succeeds and changes nothing. */
  override seek(_offset: number, _whence: number): number {
    return 0;
  }

  override fdInfo(): string {
    const count = ((BigInt(this.high) << 32n) | BigInt(this.low)).toString(16).padStart(16);
    return `eventfd-count: ${count}\neventfd-id: ${this.inode.ino}\neventfd-semaphore: ${this.semaphore ? 1 : 0}\n`;
  }
}
