/** epoll(7). */
import { ptr } from "bun:ffi";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import { putTimespec, scratch, scratchAddress, sys3, sys6 } from "./raw.ts";

/** An array of struct epoll_event (12 bytes, packed) for epollWait. */
export class EpollEvents {
  static readonly stateType = stateType("hostsyscall.EpollEvents", ["capacity"], ["words", "address"]);
  readonly capacity: number;
  /** Three words an entry: events, data low, data high. */
  readonly words: Uint32Array<ArrayBuffer>;
  /** Host address of words. */
  readonly address: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.words = new Uint32Array(new ArrayBuffer(capacity * 12));
    this.address = ptr(this.words);
  }

  /** EPOLL* bits of entry i. */
  events(i: number): number {
    return this.words[3 * i] ?? 0;
  }
  /** Low word of the data given to epollCtl. */
  dataLow(i: number): number {
    return this.words[3 * i + 1] ?? 0;
  }
  /** High word of the data given to epollCtl. */
  dataHigh(i: number): number {
    return this.words[3 * i + 2] ?? 0;
  }
}

/** epoll_create1(2). */
export function epollCreate(flags: number): number {
  return sys3(nr.SYS_epoll_create1, flags, 0, 0);
}

/** epoll_ctl(2) with 64 bits of data as two words. */
export function epollCtl(
  epfd: number,
  op: number,
  fd: number,
  events: number,
  dataLow: number,
  dataHigh: number,
): number {
  scratch[0] = events;
  scratch[1] = dataLow;
  scratch[2] = dataHigh;
  return sys6(nr.SYS_epoll_ctl, epfd, op, fd, scratchAddress, 0, 0);
}

/** epoll_pwait(2) without a mask; timeout in milliseconds, -1 for ever. Entries ready, or a negative errno (EINTR happens: the engine uses signals). */
export function epollWait(epfd: number, out: EpollEvents, timeoutMs: number): number {
  return sys6(nr.SYS_epoll_pwait, epfd, out.address, out.capacity, timeoutMs, 0, 8);
}

/** epoll_pwait2(2) (Linux 5.11): timeout in nanoseconds, negative for ever. */
export function epollWaitNs(epfd: number, out: EpollEvents, timeoutNs: number): number {
  if (timeoutNs >= 0) {
    putTimespec(scratch, 0, timeoutNs);
  }
  return sys6(nr.SYS_epoll_pwait2, epfd, out.address, out.capacity, timeoutNs < 0 ? 0 : scratchAddress, 0, 8);
}
