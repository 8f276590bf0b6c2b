import * as errno from "../../../abi/linux/errno.ts";
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../../../abi/linux/file.ts";
import { PAGE_SIZE } from "../../../abi/linux/mm.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import {
  EventErr,
  EventHUp,
  EventIn,
  EventOut,
  EventRdNorm,
  EventWrNorm,
  Queue,
  ReadableEvents,
  WritableEvents,
} from "../../../waiter/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import type { Fifo, FileDescription, Inode, VirtualDentry } from "../../vfs/index.ts";
import { PipeFileDescription } from "./pipe_fd.ts";

/** Capacity of a new pipe. */
export const DEFAULT_PIPE_SIZE = 65536;
/** /proc/sys/fs/pipe-max-size; here nobody may exceed it, since pipes live in the sentry's heap. */
export const MAX_PIPE_SIZE = 1048576;
/** Capacity of a new pipe once the pages of all pipes exceed the soft limit. */
const SMALL_PIPE_SIZE = 2 * PAGE_SIZE;
/** Pages of all pipes: /proc/sys/fs/pipe-user-pages-soft, for the whole sandbox. */
const SOFT_PAGES = 16384;
/** Pages that F_SETPIPE_SZ may bring all pipes to. */
const HARD_PAGES = 32768;
const ALL_EVENTS = ReadableEvents | WritableEvents | EventErr | EventHUp;

/** Bounds the memory of all pipes of a kernel. */
export class PipeAccounting {
  static readonly stateType = stateType("pipefs.PipeAccounting", ["pages"]);
  /** Capacity of all pipes. */
  pages = 0;
}

/**
 * A pipe. As in Linux it is a ring of page-sized slots: a write fills slots, appending to the last one only when all of its odd bytes fit there;
 * so what "full" means, and what poll(2) says, is the same. The ring is one array: slot i is its page i modulo the slots.
 */
export class Pipe implements Fifo {
  static readonly stateType = stateType("pipefs.Pipe", [
    "accounting",
    "inode",
    "anonymous",
    "slots",
    "ring",
    "offsets",
    "lengths",
    "packets",
    "first",
    "used",
    "readers",
    "writers",
    "readerCounter",
    "writerCounter",
    "queue",
    "partners",
  ]);
  readonly accounting: PipeAccounting;
  readonly inode: Inode;
  /** Made by pipe(2): opening it again through /proc never waits. */
  readonly anonymous: boolean;
  /** A power of two. */
  slots: number;
  /** null until the first write. */
  ring: Uint8Array | null = null;
  /** Start and number of the unread bytes of each slot. */
  offsets: Uint16Array;
  lengths: Uint16Array;
  /** 1 for slots that are packets. */
  packets: Uint8Array;
  /** Index of the oldest slot in use. */
  first = 0;
  /** Slots in use. */
  used = 0;
  readers = 0;
  writers = 0;
  /** How often an end was opened: an opener that waits sees a partner that came and went. */
  readerCounter = 0;
  writerCounter = 0;
  readonly queue: Queue = new Queue();
  /** Opens of a FIFO that wait for the other end. */
  readonly partners: Queue = new Queue();

  constructor(accounting: PipeAccounting, inode: Inode, anonymous: boolean) {
    this.accounting = accounting;
    this.inode = inode;
    this.anonymous = anonymous;
    const small = accounting.pages + DEFAULT_PIPE_SIZE / PAGE_SIZE > SOFT_PAGES;
    this.slots = (small ? SMALL_PIPE_SIZE : DEFAULT_PIPE_SIZE) / PAGE_SIZE;
    accounting.pages += this.slots;
    this.offsets = new Uint16Array(this.slots);
    this.lengths = new Uint16Array(this.slots);
    this.packets = new Uint8Array(this.slots);
  }

  // ---- ends

  /** See vfs.Fifo. */
  openFifo(vd: VirtualDentry, flags: number): FileDescription {
    const acc = flags & O_ACCMODE;
    if (acc === O_ACCMODE) {
      this.releaseIfUnused();
      throw linuxerr.EINVAL;
    }
    if (acc === O_WRONLY && !this.anonymous && (flags & O_NONBLOCK) !== 0 && this.readers === 0) {
      this.releaseIfUnused();
      throw linuxerr.ENXIO;
    }
    const fd = new PipeFileDescription(vd, flags, this);
    if (this.anonymous || acc === O_RDWR) return fd;
    if (acc === O_RDONLY && this.writers === 0) {
      // A reader that does not wait learns of hang-ups only after it has seen a writer.
      if ((flags & O_NONBLOCK) !== 0) fd.seenWriters = this.writerCounter;
      else fd.awaitPartner(this.writerCounter);
    } else if (acc === O_WRONLY && this.readers === 0) fd.awaitPartner(this.readerCounter);
    return fd;
  }

  /** An end was opened. */
  addEnds(reads: boolean, writes: boolean): void {
    let first = false;
    if (reads) {
      this.readerCounter++;
      first = this.readers++ === 0;
    }
    if (writes) {
      this.writerCounter++;
      first = this.writers++ === 0 || first;
    }
    if (first) this.partners.notify(ALL_EVENTS);
  }

  /** An end was closed. */
  dropEnds(reads: boolean, writes: boolean): void {
    if (reads) this.readers--;
    if (writes) this.writers--;
    if ((this.readers === 0) !== (this.writers === 0)) this.queue.notify(ALL_EVENTS);
    this.releaseIfUnused();
  }

  /** The last end is gone: so is the data. */
  releaseIfUnused(): void {
    if (this.readers > 0 || this.writers > 0) return;
    this.accounting.pages -= this.slots;
    this.slots = 0;
    this.ring = null;
    this.used = 0;
    if (this.inode.fifo === this) this.inode.fifo = null;
  }

  // ---- data

  /** Reads; 0 at the end, -EAGAIN when empty with writers. A packet is read whole, and what does not fit is lost. */
  read(dst: IOSequence): number {
    if (dst.numBytes() === 0) return 0;
    const ring = this.ring;
    if (this.used === 0 || ring === null) return this.writers === 0 ? 0 : -errno.EAGAIN;
    const wasFull = this.used === this.slots;
    let done = 0;
    let failed: unknown = null;
    while (this.used > 0 && dst.numBytes() > 0) {
      const i = this.first;
      const packet = (this.packets[i] ?? 0) !== 0;
      const start = i * PAGE_SIZE + (this.offsets[i] ?? 0);
      let len = this.lengths[i] ?? 0;
      // Full pages that follow each other are copied in one go.
      for (let n = 1; !packet && n < this.used && len < dst.numBytes(); n++) {
        const j = i + n;
        if (j >= this.slots || (start + len) % PAGE_SIZE !== 0) break;
        if ((this.offsets[j] ?? 0) !== 0 || (this.packets[j] ?? 0) !== 0) break;
        len += this.lengths[j] ?? 0;
      }
      const want = Math.min(len, dst.numBytes());
      let got = 0;
      try {
        got = dst.copyOut(ring, start, want);
      } catch (e) {
        failed = e;
        break;
      }
      done += got;
      if (packet && got === want) {
        this.dropSlot();
        break;
      }
      this.consume(got);
      if (got < want) break;
    }
    if (wasFull && this.used < this.slots) this.queue.notify(EventOut | EventWrNorm);
    if (done === 0 && failed !== null) throw failed;
    return done;
  }

  /** Takes n bytes off the front. */
  consume(n: number): void {
    let left = n;
    while (left > 0) {
      const i = this.first;
      const len = this.lengths[i] ?? 0;
      if (left < len) {
        this.offsets[i] = (this.offsets[i] ?? 0) + left;
        this.lengths[i] = len - left;
        return;
      }
      left -= len;
      this.dropSlot();
    }
  }

  dropSlot(): void {
    this.lengths[this.first] = 0;
    this.first = (this.first + 1) % this.slots;
    this.used--;
  }

  /**
   * Writes as much as fits: all or nothing up to PIPE_BUF. Returns the bytes taken, -EAGAIN when full, -EPIPE without readers.
   */
  write(src: IOSequence, packet: boolean): number {
    const total = src.numBytes();
    if (total === 0) return 0;
    if (this.readers === 0) return -errno.EPIPE;
    if (this.ring === null) this.ring = new Uint8Array(this.slots * PAGE_SIZE);
    const ring = this.ring;
    let done = 0;
    let failed: unknown = null;
    const odd = total % PAGE_SIZE;
    let short = false;
    if (odd !== 0 && this.used > 0) {
      const last = (this.first + this.used - 1) % this.slots;
      const end = (this.offsets[last] ?? 0) + (this.lengths[last] ?? 0);
      if ((this.packets[last] ?? 0) === 0 && end + odd <= PAGE_SIZE) {
        try {
          done = src.copyIn(ring, last * PAGE_SIZE + end, odd);
        } catch (e) {
          failed = e;
        }
        this.lengths[last] = (this.lengths[last] ?? 0) + done;
        short = done < odd;
      }
    }
    while (!short && failed === null && this.used < this.slots && src.numBytes() > 0) {
      const i = (this.first + this.used) % this.slots;
      const room = Math.min(this.slots - this.used, this.slots - i) * PAGE_SIZE;
      const want = Math.min(room, src.numBytes());
      let got = 0;
      try {
        got = src.copyIn(ring, i * PAGE_SIZE, want);
      } catch (e) {
        failed = e;
        break;
      }
      short = got < want;
      done += got;
      for (let j = i; got > 0; j++) {
        const n = Math.min(got, PAGE_SIZE);
        this.offsets[j] = 0;
        this.lengths[j] = n;
        this.packets[j] = packet ? 1 : 0;
        this.used++;
        got -= n;
      }
    }
    if (done > 0) {
      this.queue.notify(EventIn | EventRdNorm);
      return done;
    }
    if (failed !== null) throw failed;
    return -errno.EAGAIN;
  }

  /** Bytes that can be read: FIONREAD. */
  queued(): number {
    let n = 0;
    for (let k = 0; k < this.used; k++) n += this.lengths[(this.first + k) % this.slots] ?? 0;
    return n;
  }

  /** fcntl(F_GETPIPE_SZ). */
  capacity(): number {
    return this.slots * PAGE_SIZE;
  }

  /** fcntl(F_SETPIPE_SZ): the new capacity, or -EINVAL, -EPERM, -EBUSY. */
  setCapacity(bytes: number): number {
    if (bytes > 0x80000000) return -errno.EINVAL;
    let size = PAGE_SIZE;
    while (size < bytes) size *= 2;
    const slots = size / PAGE_SIZE;
    if (slots > this.slots) {
      if (size > MAX_PIPE_SIZE) return -errno.EPERM;
      if (this.accounting.pages - this.slots + slots > HARD_PAGES) return -errno.EPERM;
    }
    if (slots < this.used) return -errno.EBUSY;
    if (slots === this.slots) return size;
    const offsets = new Uint16Array(slots);
    const lengths = new Uint16Array(slots);
    const packets = new Uint8Array(slots);
    const ring = this.ring === null ? null : new Uint8Array(size);
    for (let k = 0; k < this.used; k++) {
      const i = (this.first + k) % this.slots;
      offsets[k] = this.offsets[i] ?? 0;
      lengths[k] = this.lengths[i] ?? 0;
      packets[k] = this.packets[i] ?? 0;
      if (ring !== null && this.ring !== null) {
        ring.set(this.ring.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE), k * PAGE_SIZE);
      }
    }
    const wasFull = this.used === this.slots;
    this.accounting.pages += slots - this.slots;
    this.slots = slots;
    this.first = 0;
    this.offsets = offsets;
    this.lengths = lengths;
    this.packets = packets;
    this.ring = ring;
    if (wasFull && this.used < slots) this.queue.notify(EventOut | EventWrNorm);
    return size;
  }
}
