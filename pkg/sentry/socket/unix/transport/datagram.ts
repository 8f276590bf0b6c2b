import * as errno from "../../../../abi/linux/errno.ts";
import { AF_UNSPEC, MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_SEQPACKET } from "../../../../abi/linux/socket.ts";
import * as linuxerr from "../../../../errors/linuxerr/index.ts";
import type { Task } from "../../../kernel/task.ts";
import type { IOSequence } from "../../../usermem/index.ts";
import { parseControl } from "../../control/index.ts";
import type { Message } from "../../message.ts";
import { OPT_PASSRIGHTS, OPT_TIMESTAMP } from "../../options.ts";
import { CLOSED, ESTABLISHED, RECEIVE_SHUTDOWN, type UnixEndpoint } from "./endpoint.ts";
import { attachRights } from "./garbage.ts";
import { autobind, findEndpoint, validateName } from "./names.ts";
import { datagramSize, type Packet } from "./packet.ts";

/** Bytes of the send buffer a datagram cannot use. */
const OVERHEAD = 32;
/** sizeof(sa_family_t) */
const FAMILY_END = 2;

/** Whether an endpoint takes datagrams of another: it is connected to nobody else. */
function mayReceiveFrom(other: UnixEndpoint, ep: UnixEndpoint): boolean {
  return other.peer === null || other.peer === ep;
}

/** connect(2) of a datagram endpoint: sets or (AF_UNSPEC) removes its peer. */
export function connectDatagram(t: Task, ep: UnixEndpoint, m: Message): number {
  if (m.nameLength < FAMILY_END) return -errno.EINVAL;
  let other: UnixEndpoint | null = null;
  if (m.family() !== AF_UNSPEC) {
    const bad = validateName(m);
    if (bad !== 0) return bad;
    if (ep.wantsCredentials() && ep.address === null) {
      const r = autobind(ep);
      if (r !== 0) return r;
    }
    const found = findEndpoint(t, ep, m);
    if (typeof found === "number") return found;
    if (!mayReceiveFrom(found, ep)) return -errno.EPERM;
    other = found;
    ep.state = ESTABLISHED;
    other.state = ESTABLISHED;
  }
  const old = ep.peer;
  ep.peer = other;
  if (old === null) return 0;
  if (other === null) ep.state = CLOSED;
  ep.stopRelay(old);
  ep.wakeWriters();
  if (other !== old) {
    ep.disconnected(old);
    if (old.peer === null) old.state = CLOSED;
  }
  return 0;
}

/** Sends one datagram, or a packet of a sequence, whole. */
export function sendDatagram(t: Task, ep: UnixEndpoint, src: IOSequence, m: Message, flags: number): number {
  if (ep.type === SOCK_SEQPACKET) {
    if (ep.error !== 0) return -ep.takeError();
    if (ep.state !== ESTABLISHED) return -errno.ENOTCONN;
    m.nameLength = 0;
  }
  const bad = parseControl(t, ep.system, m, true);
  if (bad !== 0) return bad;
  if ((flags & MSG_OOB) !== 0) return -errno.EOPNOTSUPP;
  if (m.nameLength > 0) {
    const r = validateName(m);
    if (r !== 0) return r;
  } else if (ep.peer === null) return -errno.ENOTCONN;
  if (ep.wantsCredentials() && ep.address === null) {
    const r = autobind(ep);
    if (r !== 0) return r;
  }
  const n = src.numBytes();
  if (n > ep.options.sendBuffer - OVERHEAD) return -errno.EMSGSIZE;
  const room = ep.checkRoom();
  if (room !== 0) {
    if (room === -errno.EAGAIN) m.wait = ep.queue;
    return room;
  }
  const mark = src.position();
  const p = ep.newPacket(n, datagramSize(n));
  let r = attachRights(t, ep.system, p, m);
  try {
    if (r === 0 && n > 0 && src.copyIn(p.data, 0, n) !== n) r = -errno.EFAULT;
    if (r === 0) r = deliver(t, ep, p, m, flags);
  } catch (e) {
    r = -errno.EIO;
    throw e;
  } finally {
    if (r !== 0) {
      // The call may be tried again with the same rights.
      if (r === -errno.EAGAIN && p.rights !== null) {
        m.rights = p.rights;
        p.rights = null;
      }
      ep.freePacket(p, true);
    }
  }
  if (r !== 0) {
    src.rewind(mark);
    return r;
  }
  return n;
}

/** Finds the receiver and queues the packet: 0 or a negative errno. */
function deliver(t: Task, ep: UnixEndpoint, p: Packet, m: Message, flags: number): number {
  let other: UnixEndpoint | null;
  if (m.nameLength > 0) {
    const found = findEndpoint(t, ep, m);
    if (typeof found === "number") return found;
    other = found;
  } else {
    other = ep.peer;
    if (other === null) return -errno.ECONNRESET;
  }
  if (!mayReceiveFrom(other, ep)) return -errno.EPERM;
  if (other.dead) {
    if (ep.type === SOCK_SEQPACKET) return -errno.EPIPE;
    ep.peer = null;
    ep.stopRelay(other);
    ep.state = CLOSED;
    ep.wakeWriters();
    ep.disconnected(other);
    return -errno.ECONNREFUSED;
  }
  if ((other.shutdown & RECEIVE_SHUTDOWN) !== 0) return -errno.EPIPE;
  if (p.rights !== null && !other.options.has(OPT_PASSRIGHTS)) return -errno.EPERM;
  if (other !== ep && other.peer !== ep && other.isFull()) {
    if ((flags & MSG_DONTWAIT) === 0) m.wait = other.peerWait;
    else if (ep.peer === other) ep.relayWakeup(other);
    return -errno.EAGAIN;
  }
  ep.attach(t, p, m, other);
  other.enqueue(p);
  return 0;
}

/** Receives one datagram; what does not fit is lost. */
export function receiveDatagram(ep: UnixEndpoint, dst: IOSequence, m: Message, flags: number): number {
  if (ep.type === SOCK_SEQPACKET && ep.state !== ESTABLISHED) return -errno.ENOTCONN;
  if ((flags & MSG_OOB) !== 0) return -errno.EOPNOTSUPP;
  if (ep.error !== 0) return -ep.takeError();
  const peek = (flags & MSG_PEEK) !== 0;
  let skip = peek ? ep.options.peekStart() : 0;
  let p = ep.packets.head;
  if (peek && ep.options.peekOffset >= 0) {
    while (p !== null && skip >= p.length && (skip > 0 || p.peeked)) {
      skip -= p.length;
      p = p.next;
    }
  }
  if (p === null) {
    const shut = (ep.shutdown & RECEIVE_SHUTDOWN) !== 0;
    if (shut && ((flags & MSG_DONTWAIT) === 0 || ep.type === SOCK_SEQPACKET)) return 0;
    m.wait = ep.queue;
    return -errno.EAGAIN;
  }
  if (peek) p.peeked = true;
  else ep.dequeue(p);
  ep.wakeSenders();
  if (m.wantsName) ep.nameSender(p, m);
  const length = p.length - skip;
  const n = Math.min(dst.numBytes(), length);
  if (n < length) m.flags |= MSG_TRUNC;
  try {
    if (n > 0 && dst.copyOut(p.data, skip, n) !== n) throw linuxerr.EFAULT;
    if (ep.options.has(OPT_TIMESTAMP)) {
      m.timestampSec = p.timestampSec;
      m.timestampNsec = p.timestampNsec;
    }
    m.pid = p.pid;
    m.uid = p.uid;
    m.gid = p.gid;
    if (peek) {
      ep.options.peekForward(n);
      if (p.rights !== null) m.rights = p.rights.clone();
    } else {
      ep.options.peekBackward(p.length);
      ep.detachRights(p, m);
    }
  } finally {
    if (!peek) ep.freePacket(p);
  }
  return (flags & MSG_TRUNC) !== 0 ? length : n;
}
