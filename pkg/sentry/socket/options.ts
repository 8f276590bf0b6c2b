import { stateType } from "../../state/index.ts";
import type { NetworkNamespace } from "./namespace.ts";

/** No timeout. */
export const FOREVER = Number.POSITIVE_INFINITY;

// Bits of SocketOptions.flags: options that are on or off.
export const OPT_DEBUG = 1 << 0;
export const OPT_REUSEADDR = 1 << 1;
export const OPT_REUSEPORT = 1 << 2;
export const OPT_DONTROUTE = 1 << 3;
export const OPT_BROADCAST = 1 << 4;
export const OPT_KEEPALIVE = 1 << 5;
export const OPT_OOBINLINE = 1 << 6;
export const OPT_NO_CHECK = 1 << 7;
export const OPT_LINGER = 1 << 8;
export const OPT_TIMESTAMP = 1 << 9;
/** Timestamps with nanoseconds. */
export const OPT_TIMESTAMPNS = 1 << 10;
/** Timestamps in the layout of the *_NEW options. */
export const OPT_TIMESTAMP_NEW = 1 << 11;
export const OPT_PASSCRED = 1 << 12;
export const OPT_PASSPIDFD = 1 << 13;
export const OPT_PASSSEC = 1 << 14;
export const OPT_PASSRIGHTS = 1 << 15;
export const OPT_RXQ_OVFL = 1 << 16;
export const OPT_WIFI_STATUS = 1 << 17;
export const OPT_NOFCS = 1 << 18;
export const OPT_LOCK_FILTER = 1 << 19;
export const OPT_SELECT_ERR_QUEUE = 1 << 20;
export const OPT_PREFER_BUSY_POLL = 1 << 21;
export const OPT_RCVMARK = 1 << 22;
export const OPT_RCVPRIORITY = 1 << 23;
export const OPT_INQ = 1 << 24;

/** What setsockopt(2) sets on level SOL_SOCKET. Most of it is only stored, for getsockopt(2) and for whoever asks. */
export class SocketOptions {
  static readonly stateType = stateType("socket.SocketOptions", [
    "namespace",
    "flags",
    "sendBuffer",
    "receiveBuffer",
    "bufferLock",
    "receiveLowWater",
    "receiveTimeout",
    "sendTimeout",
    "lingerSeconds",
    "priority",
    "mark",
    "peekOffset",
    "timestamping",
    "timestampingBind",
    "busyPoll",
    "incomingCPU",
    "pacingLow",
    "pacingHigh",
    "boundIfindex",
    "cookie",
  ]);
  readonly namespace: NetworkNamespace;
  /** OPT_* */
  flags = OPT_PASSRIGHTS;
  /** As getsockopt(2) shows them: twice what was asked for. */
  sendBuffer: number;
  receiveBuffer: number;
  /** SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK. */
  bufferLock = 0;
  receiveLowWater = 1;
  /** Nanoseconds; FOREVER for none. */
  receiveTimeout: number = FOREVER;
  sendTimeout: number = FOREVER;
  lingerSeconds = 0;
  priority = 0;
  mark = 0;
  /** SO_PEEK_OFF; negative: off. */
  peekOffset = -1;
  timestamping = 0;
  timestampingBind = 0;
  busyPoll = 0;
  incomingCPU = -1;
  /** SO_MAX_PACING_RATE, two words. */
  pacingLow = 0xffffffff;
  pacingHigh = 0xffffffff;
  boundIfindex = 0;
  /** SO_COOKIE; 0: not asked for yet. */
  cookie = 0;

  constructor(namespace: NetworkNamespace) {
    this.namespace = namespace;
    this.sendBuffer = namespace.wmemDefault;
    this.receiveBuffer = namespace.rmemDefault;
  }

  /** Whether a bit of `flags` is set. */
  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** Sets or clears a bit of `flags`. */
  set(flag: number, on: boolean): void {
    this.flags = on ? this.flags | flag : this.flags & ~flag;
  }

  /** SO_PEEK_OFF: where a call with MSG_PEEK starts. */
  peekStart(): number {
    return Math.max(this.peekOffset, 0);
  }

  /** n bytes were peeked at. */
  peekForward(n: number): void {
    if (this.peekOffset >= 0) this.peekOffset += n;
  }

  /** n bytes were taken off the queue. */
  peekBackward(n: number): void {
    if (this.peekOffset >= 0) this.peekOffset = Math.max(this.peekOffset - n, 0);
  }
}
