import * as errno from "../../../../abi/linux/errno.ts";
import { SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../../../../abi/linux/socket.ts";
import { CLOCK_REALTIME } from "../../../../abi/linux/time.ts";
import { stateType } from "../../../../state/index.ts";
import {
  Entry,
  EventErr,
  EventHUp,
  EventIn,
  type EventListener,
  EventOut,
  EventPri,
  EventRdHUp,
  EventRdNorm,
  EventWrNorm,
  Queue,
} from "../../../../waiter/index.ts";
import { NO_ID } from "../../../kernel/auth/index.ts";
import type { Task } from "../../../kernel/task.ts";
import type { BoundEndpoint, FileDescription, VirtualDentry } from "../../../vfs/index.ts";
import type { Message } from "../../message.ts";
import type { NetworkNamespace } from "../../namespace.ts";
import { OPT_PASSCRED, OPT_PASSPIDFD, OPT_TIMESTAMP, SocketOptions } from "../../options.ts";
import { PeerCredentials } from "../../socket.ts";
import type { SocketSystem } from "../../system.ts";
import type { UnixAddress } from "./address.ts";
import { Packet, PacketQueue } from "./packet.ts";

// UnixEndpoint.state.
export const CLOSED = 0;
export const ESTABLISHED = 1;
export const LISTENING = 2;

// Bits of UnixEndpoint.shutdown.
export const RECEIVE_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;
const BOTH = RECEIVE_SHUTDOWN | SEND_SHUTDOWN;

const EventRdBand = 0x80;
const EventWrBand = 0x200;
const READABLE = EventIn | EventRdNorm;
const WRITABLE = EventOut | EventWrNorm | EventWrBand;
/** What waiters are told when the state of a connection changed. */
const STATE_CHANGE = READABLE | WRITABLE | EventPri | EventRdHUp;
const EVERYTHING = STATE_CHANGE | EventErr | EventHUp;

/** Packets kept for reuse. */
const KEEP_PACKETS = 256;

/**
 * Passes a wakeup of a full receiver on to the waiters of a sender that is connected to it: registered when a send or a poll found the
 * receiver full, gone after one wakeup.
 */
export class PeerRelay implements EventListener {
  static readonly stateType = stateType("unix.PeerRelay", ["endpoint", "entry"]);
  readonly endpoint: UnixEndpoint;
  readonly entry: Entry;

  constructor(endpoint: UnixEndpoint) {
    this.endpoint = endpoint;
    this.entry = new Entry(this, EventOut);
  }

  notifyEvent(entry: Entry, _mask: number): void {
    entry.queue?.eventUnregister(entry);
    this.endpoint.queue.notify(WRITABLE);
  }
}

/** One end of unix(7) communication (Linux's struct unix_sock). */
export class UnixEndpoint implements BoundEndpoint {
  static readonly stateType = stateType("unix.UnixEndpoint", [
    "system",
    "namespace",
    "type",
    "options",
    "socket",
    "state",
    "shutdown",
    "error",
    "dead",
    "peer",
    "address",
    "abstractKey",
    "place",
    "listener",
    "packets",
    "unread",
    "allocated",
    "backlog",
    "peerCredentials",
    "queue",
    "peerWait",
    "relay",
    "urgent",
    "passedFiles",
  ]);
  readonly system: SocketSystem;
  readonly namespace: NetworkNamespace;
  /** SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. */
  readonly type: number;
  readonly options: SocketOptions;
  /** Its description; null until it is accepted, and after release. */
  socket: FileDescription | null = null;
  state = CLOSED;
  /** RECEIVE_SHUTDOWN | SEND_SHUTDOWN. */
  shutdown = 0;
  /** Pending error, positive; 0: none. */
  error = 0;
  /** Released. */
  dead = false;
  peer: UnixEndpoint | null = null;
  address: UnixAddress | null = null;
  /** Its key in UnixNames.abstract. */
  abstractKey: string | null = null;
  /** The name in the filesystem; a reference is held. */
  place: VirtualDentry | null = null;
  /** Where it waits to be accepted. */
  listener: UnixEndpoint | null = null;
  readonly packets: PacketQueue = new PacketQueue();
  /** Bytes in `packets`. */
  unread = 0;
  /** What its packets in the queues of others count as. */
  allocated = 0;
  /** A queue with more packets is full: listen(2)'s backlog, or max_dgram_qlen. */
  backlog: number;
  peerCredentials: PeerCredentials | null = null;
  /** Who waits for this endpoint. */
  readonly queue: Queue = new Queue();
  /** Senders and connections that wait for room in `packets`. */
  readonly peerWait: Queue = new Queue();
  readonly relay: PeerRelay = new PeerRelay(this);
  /** The packet with the out-of-band byte. */
  urgent: Packet | null = null;
  /** Descriptors in `packets`. */
  passedFiles = 0;

  constructor(system: SocketSystem, namespace: NetworkNamespace, type: number) {
    this.system = system;
    this.namespace = namespace;
    this.type = type;
    this.options = new SocketOptions(namespace);
    this.backlog = namespace.unix.maxDatagrams;
    namespace.unix.endpoints.add(this);
  }

  /** Whether it is a stream or a sequence of packets, which have connections. */
  isConnectionOriented(): boolean {
    return this.type === SOCK_STREAM || this.type === SOCK_SEQPACKET;
  }

  // ---- errors and credentials

  /** The pending error, which is cleared. */
  takeError(): number {
    const e = this.error;
    this.error = 0;
    return e;
  }

  /** Remembers who the calling process is, for the other side. */
  setPeerCredentials(t: Task): void {
    this.peerCredentials = new PeerCredentials(this.system.pidRefOf(t.threadGroup), t.creds);
  }

  /** Whether received messages show credentials. */
  wantsCredentials(): boolean {
    return (this.options.flags & (OPT_PASSCRED | OPT_PASSPIDFD)) !== 0;
  }

  // ---- packets

  /** Whether a packet may be sent now: 0, the pending error, -EPIPE, -ENOBUFS, or -EAGAIN for lack of room in the send buffer. */
  checkRoom(): number {
    if (this.error !== 0) return -this.takeError();
    if ((this.shutdown & SEND_SHUTDOWN) !== 0) return -errno.EPIPE;
    if (this.allocated >= this.system.sendLimit(this.options.sendBuffer)) return -errno.EAGAIN;
    return this.system.isFull() ? -errno.ENOBUFS : 0;
  }

  /** A packet with room for n bytes that counts as `size` against this endpoint's send buffer. */
  newPacket(n: number, size: number): Packet {
    const s = this.system;
    const data = s.buffers.get(n);
    const p = s.packets.pop() ?? new Packet(data);
    p.data = data;
    p.length = n;
    p.size = size;
    p.sender = this;
    this.allocated += size;
    s.bytes += size;
    return p;
  }

  /** Frees a packet that is in no queue; its sender may have room again, and is told so unless `quiet`. */
  freePacket(p: Packet, quiet = false): void {
    const s = this.system;
    const sender = p.sender;
    s.buffers.put(p.data);
    s.bytes -= p.size;
    if (p.rights !== null) {
      if (p.rights.inFlight) s.collector.removeRights(p.rights);
      p.rights.release();
      p.rights = null;
    }
    const size = p.size;
    p.data = s.buffers.get(0);
    p.length = 0;
    p.consumed = 0;
    p.size = 0;
    p.sender = null;
    p.connection = null;
    p.pid = null;
    p.uid = NO_ID;
    p.gid = NO_ID;
    p.timestampSec = -1;
    p.peeked = false;
    if (s.packets.length < KEEP_PACKETS) s.packets.push(p);
    if (sender !== null && size > 0) {
      sender.allocated -= size;
      if (!quiet && !sender.dead && sender.isWritable()) sender.queue.notify(WRITABLE);
    }
  }

  /** Puts credentials and rights of a message into a packet for `other`: the sender's own credentials when somebody wants them. */
  attach(t: Task, p: Packet, m: Message, other: UnixEndpoint): void {
    if (m.pid !== null) {
      p.pid = m.pid;
      p.uid = m.uid;
      p.gid = m.gid;
    } else if (this.wantsCredentials() || other.wantsCredentials() || other.socket === null) {
      p.pid = this.system.pidRefOf(t.threadGroup);
      p.uid = t.creds.realKUID;
      p.gid = t.creds.realKGID;
    }
    if (other.options.has(OPT_TIMESTAMP)) {
      const k = t.kernel.timekeeper;
      k.read(CLOCK_REALTIME);
      p.timestampSec = k.time.sec;
      p.timestampNsec = k.time.nsec;
    }
  }

  /** Appends a packet of data and wakes readers. */
  enqueue(p: Packet): void {
    if (p.rights !== null) {
      this.passedFiles += p.rights.files.length;
      this.system.collector.addRights(p.rights, this);
    }
    this.packets.push(p);
    this.unread += p.length;
    this.queue.notify(READABLE | EventRdBand);
  }

  /** Takes a packet out of the queue. */
  dequeue(p: Packet): void {
    this.packets.remove(p);
    this.unread -= p.unread();
    if (p.rights !== null) this.passedFiles -= p.rights.files.length;
  }

  /** Takes the rights off a packet in or from the queue: they are the receiver's now. */
  detachRights(p: Packet, m: Message): void {
    const r = p.rights;
    if (r === null) return;
    if (r.inFlight) this.system.collector.removeRights(r);
    p.rights = null;
    if (m.rights !== null) m.rights.release();
    m.rights = r;
  }

  /** Puts the name of a packet's sender into the message. */
  nameSender(p: Packet, m: Message): void {
    const a = p.sender?.address ?? null;
    if (a === null) return;
    m.name.set(a.bytes);
    m.nameLength = a.bytes.length;
  }

  /** Drops all packets. */
  purge(): void {
    for (let p = this.packets.head; p !== null; p = this.packets.head) {
      this.dequeue(p);
      this.freePacket(p);
    }
  }

  /** Whether more packets wait than the backlog allows. */
  isFull(): boolean {
    return this.packets.count > this.backlog;
  }

  // ---- readiness

  /** Whether poll(2) shows it writable: three quarters of the send buffer are free. */
  isWritable(): boolean {
    return this.state !== LISTENING && (this.allocated + 1) * 4 <= this.system.sendLimit(this.options.sendBuffer);
  }

  /** See waiter.Waitable. */
  readiness(mask: number): number {
    let r = 0;
    if (this.error !== 0) r |= EventErr;
    if (this.shutdown === BOTH) r |= EventHUp;
    if ((this.shutdown & RECEIVE_SHUTDOWN) !== 0) r |= EventRdHUp | READABLE;
    if (this.packets.head !== null) r |= READABLE;
    if (this.urgent !== null) r |= EventPri;
    if (this.state === CLOSED && this.type !== SOCK_DGRAM) r |= EventHUp;
    if ((mask & WRITABLE) !== 0 && this.isWritable() && (this.type === SOCK_STREAM || !this.peerIsFull()))
      r |= WRITABLE;
    return r & (mask | EventErr | EventHUp);
  }

  /** Whether the peer takes datagrams of others and is full; then a wakeup of it is passed on. */
  peerIsFull(): boolean {
    const other = this.peer;
    return other !== null && other.peer !== this && other.isFull() && this.relayWakeup(other);
  }

  /** Has the next wakeup of a full peer passed on. False when it is dead: then sending fails at once. */
  relayWakeup(other: UnixEndpoint): boolean {
    if (other.dead || !other.isFull()) return false;
    if (this.relay.entry.queue === null) other.peerWait.eventRegister(this.relay.entry);
    return true;
  }

  /** The endpoint is not connected to `other` any more. */
  stopRelay(other: UnixEndpoint): void {
    other.peerWait.eventUnregister(this.relay.entry);
  }

  /** The state of the connection changed; with `hangup` it is over. */
  notifyState(hangup: boolean): void {
    this.queue.notify(hangup ? EVERYTHING : STATE_CHANGE);
  }

  /** Sets the error that the next call reports. */
  reportError(err: number): void {
    this.error = err;
    this.queue.notify(EventErr);
  }

  /** Wakes senders that wait for room. */
  wakeSenders(): void {
    if (!this.peerWait.isEmpty()) this.peerWait.notify(WRITABLE);
  }

  /** Room was made in the send buffer from outside (SO_SNDBUF). */
  wakeWriters(): void {
    if (this.isWritable()) this.queue.notify(WRITABLE);
  }

  // ---- connections

  /** listen(2). */
  listen(t: Task, backlog: number): number {
    if (!this.isConnectionOriented()) return -errno.EOPNOTSUPP;
    if (this.address === null) return -errno.EINVAL;
    if (this.state === ESTABLISHED) return -errno.EINVAL;
    const more = backlog > this.backlog;
    this.backlog = backlog;
    this.state = LISTENING;
    this.setPeerCredentials(t);
    if (more) this.wakeSenders();
    return 0;
  }

  /** Connects two new endpoints with each other: socketpair(2). */
  pair(t: Task, other: UnixEndpoint): void {
    this.peer = other;
    other.peer = this;
    this.state = ESTABLISHED;
    other.state = ESTABLISHED;
    this.setPeerCredentials(t);
    other.setPeerCredentials(t);
  }

  /** shutdown(2) with SHUT_RD + 1 and so on: bits of `shutdown`. */
  shutDown(bits: number): void {
    this.shutdown |= bits;
    this.notifyState(this.shutdown === BOTH);
    const other = this.peer;
    if (other === null || !this.isConnectionOriented()) return;
    other.shutdown |= ((bits & RECEIVE_SHUTDOWN) << 1) | ((bits & SEND_SHUTDOWN) >> 1);
    other.notifyState(other.shutdown === BOTH);
  }

  /** A datagram endpoint got another peer, or none: messages of the old one are dropped, which is told to it when it is connected to us. */
  disconnected(from: UnixEndpoint): void {
    if (this.packets.head === null) return;
    this.purge();
    this.wakeSenders();
    if (!from.dead && from.peer === this) from.reportError(errno.ECONNRESET);
  }

  /** The description is gone, or (`refused`) the listener that would have accepted it. */
  release(refused: boolean): void {
    const names = this.namespace.unix;
    names.endpoints.delete(this);
    if (this.abstractKey !== null && names.abstract.get(this.abstractKey) === this) {
      names.abstract.delete(this.abstractKey);
    }
    const place = this.place;
    this.place = null;
    if (place !== null && place.dentry.inode.boundEndpoint === this) place.dentry.inode.boundEndpoint = null;
    this.dead = true;
    this.socket = null;
    this.shutdown = BOTH;
    const wasListening = this.state === LISTENING;
    this.state = CLOSED;
    const other = this.peer;
    this.peer = null;
    this.urgent = null;
    this.wakeSenders();
    if (other !== null) {
      if (this.isConnectionOriented()) {
        other.shutdown = BOTH;
        if (this.packets.head !== null || refused) other.error = errno.ECONNRESET;
        other.notifyState(true);
      }
      this.stopRelay(other);
    }
    for (let p = this.packets.head; p !== null; p = this.packets.head) {
      this.dequeue(p);
      if (wasListening) p.connection?.release(true);
      this.freePacket(p);
    }
    if (place !== null) place.decRef();
    this.system.removeSocket();
    this.system.collector.socketClosed();
  }
}
