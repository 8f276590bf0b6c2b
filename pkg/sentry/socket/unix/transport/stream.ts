import * as errno from "../../../../abi/linux/errno.ts";
import { MSG_OOB, MSG_PEEK, MSG_WAITALL } from "../../../../abi/linux/socket.ts";
import * as linuxerr from "../../../../errors/linuxerr/index.ts";
import { PIDRef } from "../../../kernel/pid_ref.ts";
import type { Task } from "../../../kernel/task.ts";
import type { IOSequence } from "../../../usermem/index.ts";
import { parseControl } from "../../control/index.ts";
import type { Message } from "../../message.ts";
import { OPT_INQ, OPT_OOBINLINE, OPT_PASSCRED, OPT_PASSPIDFD, OPT_PASSRIGHTS, OPT_PASSSEC } from "../../options.ts";
import { CLOSED, ESTABLISHED, LISTENING, RECEIVE_SHUTDOWN, SEND_SHUTDOWN, UnixEndpoint } from "./endpoint.ts";
import { attachRights } from "./garbage.ts";
import { autobind, findEndpoint, validateName } from "./names.ts";
import { type Packet, STREAM_PACKET, streamSize } from "./packet.ts";

/** Bytes of the send buffer that are not for data when it is divided between two packets. */
const HALF_OVERHEAD = 64;

/** connect(2) of a stream or seqpacket endpoint. */
export function connectStream(t: Task, ep: UnixEndpoint, m: Message, nonblock: boolean): number {
  const bad = validateName(m);
  if (bad !== 0) return bad;
  if (ep.wantsCredentials() && ep.address === null) {
    const r = autobind(ep);
    if (r !== 0) return r;
  }
  const other = findEndpoint(t, ep, m);
  if (typeof other === "number") return other;
  if (other.state !== LISTENING || (other.shutdown & RECEIVE_SHUTDOWN) !== 0) return -errno.ECONNREFUSED;
  if (other.isFull()) {
    if (!nonblock) m.wait = other.peerWait;
    return -errno.EAGAIN;
  }
  if (ep.state !== CLOSED) return ep.state === ESTABLISHED ? -errno.EISCONN : -errno.EINVAL;
  if (!ep.system.addSocket()) return -errno.ENFILE;
  // What accept(2) will hand out exists from now on: data can be sent to it before.
  const accepted = new UnixEndpoint(ep.system, ep.namespace, ep.type);
  accepted.peer = ep;
  accepted.state = ESTABLISHED;
  accepted.listener = other;
  accepted.setPeerCredentials(t);
  const inherited = OPT_PASSCRED | OPT_PASSPIDFD | OPT_PASSSEC | OPT_PASSRIGHTS;
  accepted.options.flags = other.options.flags & inherited;
  accepted.address = other.address;
  accepted.place = other.place;
  accepted.place?.incRef();
  ep.peerCredentials = other.peerCredentials;
  ep.state = ESTABLISHED;
  ep.peer = accepted;
  const p = accepted.newPacket(0, 0);
  p.connection = accepted;
  other.enqueue(p);
  return 0;
}

/** Sends as much as there is room for. */
export function sendStream(t: Task, ep: UnixEndpoint, src: IOSequence, m: Message, flags: number): number {
  const again = m.parsed;
  const bad = parseControl(t, ep.system, m, true);
  if (bad !== 0) return bad;
  const urgent = (flags & MSG_OOB) !== 0;
  if (urgent && src.numBytes() === 0) return -errno.EOPNOTSUPP;
  if (m.nameLength > 0) return ep.state === ESTABLISHED ? -errno.EISCONN : -errno.EOPNOTSUPP;
  const other = ep.peer;
  if (other === null) return -errno.ENOTCONN;
  if ((ep.shutdown & SEND_SHUTDOWN) !== 0) {
    // As on Linux, a writer that was waiting for room gets no signal.
    m.broken = !again;
    return -errno.EPIPE;
  }
  const most = Math.min(STREAM_PACKET, Math.floor(ep.options.sendBuffer / 2) - HALF_OVERHEAD);
  let sent = 0;
  while (src.numBytes() > 0) {
    const last = urgent && src.numBytes() === 1;
    const n = last ? 1 : Math.min(src.numBytes() - (urgent ? 1 : 0), most);
    const r = sendPiece(t, ep, other, src, m, n, last);
    if (r < 0) {
      if (r === -errno.EAGAIN) m.wait = ep.queue;
      if (r === -errno.EPIPE && sent === 0) m.broken = (ep.shutdown & SEND_SHUTDOWN) === 0;
      return sent > 0 ? sent : r;
    }
    sent += n;
  }
  return sent;
}

/** Sends n bytes as one packet, with the rights if they have not been sent yet. */
function sendPiece(
  t: Task,
  ep: UnixEndpoint,
  other: UnixEndpoint,
  src: IOSequence,
  m: Message,
  n: number,
  urgent: boolean,
): number {
  const room = ep.checkRoom();
  if (room !== 0) return room;
  const p = ep.newPacket(n, streamSize(n));
  let r = attachRights(t, ep.system, p, m);
  if (r === 0) {
    try {
      if (src.copyIn(p.data, 0, n) !== n) r = -errno.EFAULT;
    } catch (e) {
      if (e !== linuxerr.EFAULT) throw e;
      r = -errno.EFAULT;
    }
  }
  if (r === 0 && (other.dead || (other.shutdown & RECEIVE_SHUTDOWN) !== 0)) r = -errno.EPIPE;
  if (r === 0 && p.rights !== null && !other.options.has(OPT_PASSRIGHTS)) r = -errno.EPERM;
  if (r !== 0) {
    ep.freePacket(p, true);
    return r;
  }
  ep.attach(t, p, m, other);
  if (urgent) {
    other.urgent = p;
    m.urgentTo = other.socket;
  }
  other.enqueue(p);
  return 0;
}

/** Receives what is there, up to the low-water mark of the call if that can be had. */
export function receiveStream(ep: UnixEndpoint, dst: IOSequence, m: Message, flags: number): number {
  if (ep.state !== ESTABLISHED) return m.copied > 0 ? m.copied : -errno.EINVAL;
  if ((flags & MSG_OOB) !== 0) return receiveUrgent(ep, dst, m, flags);
  const peek = (flags & MSG_PEEK) !== 0;
  if (m.target === 0) {
    const size = dst.numBytes();
    m.target = ((flags & MSG_WAITALL) !== 0 ? size : Math.min(ep.options.receiveLowWater, size)) || 1;
  }
  let skip = peek ? ep.options.peekStart() : 0;
  let p = ep.packets.head;
  do {
    if (!peek) p = ep.packets.head;
    let at = p;
    p = passUrgent(ep, at, peek, m.copied);
    while (p !== null && skip >= p.unread()) {
      skip -= p.unread();
      at = p.next;
      p = passUrgent(ep, at, peek, m.copied);
    }
    // The out-of-band byte comes next: the call ends before it.
    if (p === null && at !== null && m.copied > 0) break;
    if (p === null) {
      if (m.copied >= m.target) break;
      if (ep.error !== 0) {
        const e = ep.takeError();
        return m.copied > 0 ? m.copied : -e;
      }
      if ((ep.shutdown & RECEIVE_SHUTDOWN) !== 0) break;
      m.wait = ep.queue;
      return m.copied > 0 ? m.copied : -errno.EAGAIN;
    }
    if (m.hasCredentials) {
      // Pieces of different senders are never put together.
      if (!PIDRef.same(p.pid, m.pid) || p.uid !== m.uid || p.gid !== m.gid) break;
    } else if (ep.wantsCredentials()) {
      m.pid = p.pid;
      m.uid = p.uid;
      m.gid = p.gid;
      m.hasCredentials = true;
    }
    if (m.wantsName) ep.nameSender(p, m);
    const n = Math.min(p.unread() - skip, dst.numBytes());
    if (n > 0 && !copyTo(dst, p, p.consumed + skip, n)) {
      if (m.copied === 0) throw linuxerr.EFAULT;
      break;
    }
    m.copied += n;
    if (peek) {
      ep.options.peekForward(n);
      if (p.rights !== null) {
        m.rights = p.rights.clone();
        break;
      }
      skip = 0;
      p = p.next;
      if (p === null) break;
    } else if (!consume(ep, p, n, m)) break;
  } while (dst.numBytes() > 0);
  if (ep.options.has(OPT_INQ)) m.inq = ep.unread;
  return m.copied;
}

function copyTo(dst: IOSequence, p: Packet, from: number, n: number): boolean {
  try {
    return dst.copyOut(p.data, from, n) === n;
  } catch (e) {
    if (e === linuxerr.EFAULT) return false;
    throw e;
  }
}

/** n bytes of the packet were received, and its rights with them. Whether the next packet may follow in the same call. */
function consume(ep: UnixEndpoint, p: Packet, n: number, m: Message): boolean {
  p.consumed += n;
  ep.unread -= n;
  ep.options.peekBackward(n);
  if (p.rights !== null) {
    ep.passedFiles -= p.rights.files.length;
    ep.detachRights(p, m);
  }
  if (p.unread() > 0) return false;
  ep.packets.remove(p);
  ep.freePacket(p);
  return m.rights === null;
}

/**
 * Where reading goes on at a packet that may be the out-of-band byte, or the place of one that was received: reading stops before
 * it, and the next call passes over it (unless SO_OOBINLINE). Null: nothing can be read (now).
 */
function passUrgent(ep: UnixEndpoint, at: Packet | null, peek: boolean, copied: number): Packet | null {
  let p = at;
  if (p === null || (p.unread() > 0 && p !== ep.urgent)) return p;
  if (p.unread() === 0) {
    if (copied > 0 && (ep.urgent === null || ep.urgent === p)) return null;
    const next = p.next;
    if (!peek) {
      ep.dequeue(p);
      ep.freePacket(p);
    }
    p = next;
  }
  if (p === null || p !== ep.urgent) return p;
  if (copied > 0) return null;
  const inline = ep.options.has(OPT_OOBINLINE);
  if (peek) return inline ? p : p.next;
  ep.urgent = null;
  if (inline) return p;
  ep.dequeue(p);
  ep.freePacket(p);
  return ep.packets.head;
}

/** recv(2) with MSG_OOB: the one urgent byte. Its place in the stream stays marked. */
function receiveUrgent(ep: UnixEndpoint, dst: IOSequence, m: Message, flags: number): number {
  const p = ep.urgent;
  if (p === null || ep.options.has(OPT_OOBINLINE)) return -errno.EINVAL;
  const peek = (flags & MSG_PEEK) !== 0;
  if (!peek) ep.urgent = null;
  const copied = dst.numBytes() === 0 || copyTo(dst, p, p.consumed, 1);
  if (!peek) {
    p.consumed++;
    ep.unread--;
  }
  if (!copied) return -errno.EFAULT;
  m.flags |= MSG_OOB;
  return 1;
}
