import { stateType } from "../../../../state/index.ts";
import { NO_ID } from "../../../kernel/auth/index.ts";
import type { PIDRef } from "../../../kernel/pid_ref.ts";
import type { SCMRights } from "../../control/index.ts";
import type { UnixEndpoint } from "./endpoint.ts";

/** Overhead of the bookkeeping that Linux counts with a buffer: struct skb_shared_info and struct sk_buff. */
const SHARED_INFO = 320;
const SK_BUFF = 256;
const SMALLEST_BLOCK = 512;
const PAGE = 4096;
/** Bytes that fit beside the bookkeeping into one page, and into four. */
const PAGE_HEAD = PAGE - SHARED_INFO;
const FOUR_PAGES_HEAD = 4 * PAGE - SHARED_INFO;
/** Pages a buffer can have beside its head. */
const MAX_FRAGMENTS = 17;
/** Most bytes of one packet of a stream. */
export const STREAM_PACKET = PAGE_HEAD + 32768;

function roundUp(n: number, to: number): number {
  return Math.ceil(n / to) * to;
}

/** What a buffer with n bytes in one block counts as. */
function headSize(n: number): number {
  const want = roundUp(n, 64) + SHARED_INFO;
  let block = SMALLEST_BLOCK;
  while (block < want) block *= 2;
  return block + SK_BUFF;
}

/** What a datagram counts as against SO_SNDBUF (skb->truesize): so that as many fit as on Linux. */
export function datagramSize(n: number): number {
  if (n <= FOUR_PAGES_HEAD) return headSize(n);
  const pages = roundUp(Math.min(n - FOUR_PAGES_HEAD, MAX_FRAGMENTS * PAGE), PAGE);
  return headSize(n - pages) + pages;
}

/** What a piece of a stream of at most STREAM_PACKET bytes counts as. */
export function streamSize(n: number): number {
  if (n <= PAGE_HEAD) return headSize(n);
  const data = Math.min(n, roundUp(n - PAGE_HEAD, PAGE));
  return headSize(n - data) + roundUp(data, PAGE);
}

/** A message in a queue: data, or a connection waiting to be accepted. Made and freed by endpoints, which reuse them. */
export class Packet {
  static readonly stateType = stateType("unix.Packet", [
    "prev",
    "next",
    "data",
    "length",
    "consumed",
    "size",
    "sender",
    "connection",
    "pid",
    "uid",
    "gid",
    "rights",
    "timestampSec",
    "timestampNsec",
    "peeked",
  ]);
  prev: Packet | null = null;
  next: Packet | null = null;
  /** From the pool; longer than `length`. */
  data: Uint8Array;
  length = 0;
  /** Bytes at the start that were received already. */
  consumed = 0;
  /** What it counts as. */
  size = 0;
  sender: UnixEndpoint | null = null;
  /** The endpoint accept(2) will hand out; null for data. */
  connection: UnixEndpoint | null = null;
  /** The sender's credentials, or null and NO_ID when nobody asked for them. */
  pid: PIDRef | null = null;
  uid = NO_ID;
  gid = NO_ID;
  rights: SCMRights | null = null;
  /** CLOCK_REALTIME at which it was sent; -1: not recorded. */
  timestampSec = -1;
  timestampNsec = 0;
  /** MSG_PEEK has seen it. */
  peeked = false;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  /** Bytes still to be received. */
  unread(): number {
    return this.length - this.consumed;
  }
}

/** Packets in order of arrival. */
export class PacketQueue {
  static readonly stateType = stateType("unix.PacketQueue", ["head", "tail", "count"]);
  head: Packet | null = null;
  tail: Packet | null = null;
  count = 0;

  /** Adds at the end. */
  push(p: Packet): void {
    p.prev = this.tail;
    p.next = null;
    if (this.tail === null) this.head = p;
    else this.tail.next = p;
    this.tail = p;
    this.count++;
  }

  /** Takes a packet out. */
  remove(p: Packet): void {
    if (p.prev === null) this.head = p.next;
    else p.prev.next = p.next;
    if (p.next === null) this.tail = p.prev;
    else p.next.prev = p.prev;
    p.prev = null;
    p.next = null;
    this.count--;
  }

  /** Takes the first out; null when there is none. */
  shift(): Packet | null {
    const p = this.head;
    if (p !== null) this.remove(p);
    return p;
  }
}
