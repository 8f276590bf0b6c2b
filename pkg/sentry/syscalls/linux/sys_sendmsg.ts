import * as errno from "../../../abi/linux/errno.ts";
import { O_NONBLOCK } from "../../../abi/linux/file.ts";
import { SIGPIPE } from "../../../abi/linux/signal.ts";
import {
  MMSGHDR_LEN,
  MSG_CMSG_CLOEXEC,
  MSG_CMSG_COMPAT,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_INTERNAL_SENDMSG_FLAGS,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_WAITFORONE,
  MSGHDR_CONTROLLEN,
  MSGHDR_FLAGS,
  MSGHDR_NAMELEN,
  OPTMEM_MAX,
  SIZEOF_MMSGHDR,
  SIZEOF_MSGHDR,
  SIZEOF_SOCKADDR_STORAGE,
  SOCK_SEQPACKET,
} from "../../../abi/linux/socket.ts";
import { UIO_MAXIOV } from "../../../abi/linux/uio.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { Entry, ReadableEvents, WritableEvents } from "../../../waiter/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import { TASK_SIZE_MAX, type Task } from "../../kernel/task.ts";
import { receiveControl } from "../../socket/control/index.ts";
import { FOREVER, type Message, type Socket, type SocketSystem } from "../../socket/index.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { sendUrgent } from "./file_owner.ts";
import { copyInName, copyOutName, notSocket, socketOf, Waiting } from "./socket_call.ts";
import { copyInTimeout, deadlineIn } from "./timeout.ts";

const INT_MAX = 0x7fffffff;
/** Messages of sendmmsg and recvmmsg between which others get a turn. */
const MESSAGES_PER_TURN = 32;
/** Ancillary data up to this length is looked at in the kernel's scratch buffer. */
const SMALL_CONTROL = 4096;
/** What send and receive functions return while a call has to wait: see message.wait. */
const WAIT = -10001;

// ---- sending

/** One try to send. The bytes that all tries of the call together sent, a negative errno, or WAIT when there is no room for (all of) them. */
function trySend(t: Task, sock: Socket, src: IOSequence, m: Message, flags: number): number {
  const r = sock.sendMessage(t, src, m, flags);
  if (r > 0) m.copied += r;
  if (m.broken) {
    m.broken = false;
    if (m.copied === 0 && (flags & MSG_NOSIGNAL) === 0) t.sendSelfSignal(SIGPIPE);
  }
  if (m.urgentTo !== null) {
    sendUrgent(m.urgentTo);
    m.urgentTo = null;
  }
  if (m.wait !== null) {
    if ((flags & MSG_DONTWAIT) === 0) return WAIT;
    m.wait = null;
  }
  return m.copied > 0 ? m.copied : r;
}

/** Goes on with a send that could not do (all of) its work. The message is given back. */
function* sendSlow(t: Task, sock: Socket, src: IOSequence, m: Message, flags: number): SyscallGenerator {
  const w = new Waiting(t, sock, m, sock.options.sendTimeout, WritableEvents);
  try {
    for (;;) {
      const why = yield w.begin();
      w.end();
      if (why === WAKE_INTERRUPT) return m.copied > 0 ? m.copied : w.interrupted();
      if (why === WAKE_TIMEOUT) return m.copied > 0 ? m.copied : -errno.EAGAIN;
      const r = trySend(t, sock, src, m, flags);
      if (r !== WAIT) return r;
    }
  } finally {
    w.finish();
  }
}

/** Sends, and gives the message back when the call is over. */
function send(t: Task, sock: Socket, src: IOSequence, m: Message, flags: number): SyscallResult {
  let keep = false;
  try {
    const r = trySend(t, sock, src, m, flags);
    if (r !== WAIT) return r;
    keep = true;
    return sendSlow(t, sock, src, m, flags);
  } finally {
    if (!keep) sock.system.putMessage(m);
  }
}

/** The flags of a send or receive with those the socket adds: MSG_DONTWAIT for O_NONBLOCK, or when `timeout` leaves no time. */
function withStatus(sock: Socket, flags: number, timeout: number): number {
  return (sock.statusFlags & O_NONBLOCK) !== 0 || timeout === 0 ? flags | MSG_DONTWAIT : flags;
}

/** sendto(2). */
export function sendto(t: Task, args: SyscallArguments): SyscallResult {
  const addr = args.u64(1);
  const len = args.u64(2);
  if (addr + len > TASK_SIZE_MAX) return -errno.EFAULT;
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const m = sock.system.takeMessage();
  const nameAddr = args.u64(4);
  if (nameAddr !== 0) {
    const r = takeName(t, sock, m, nameAddr, args.i32(5));
    if (r < 0) return r;
  }
  const flags = withStatus(sock, args.i32(3) & ~MSG_INTERNAL_SENDMSG_FLAGS, sock.options.sendTimeout);
  return send(t, sock, t.singleIOSequence(addr, len), m, flags);
}

/** Copies a destination in; on failure the message is given back. */
function takeName(t: Task, sock: Socket, m: Message, addr: number, length: number): number {
  let r = -1;
  try {
    r = copyInName(t, m, addr, length);
    return r;
  } finally {
    if (r < 0) sock.system.putMessage(m);
  }
}

/** write(2) and writev(2) on a socket. */
export function writeSocket(t: Task, sock: Socket, src: IOSequence, nowait: boolean, nosignal: boolean): SyscallResult {
  let flags = withStatus(sock, nowait ? MSG_DONTWAIT : 0, sock.options.sendTimeout);
  if (nosignal) flags |= MSG_NOSIGNAL;
  if (sock.type === SOCK_SEQPACKET) flags |= MSG_EOR;
  return send(t, sock, src, sock.system.takeMessage(), flags);
}

/** A struct msghdr as the guest gave it. */
class MessageHeader {
  readonly name: number;
  readonly nameLength: number;
  readonly iov: number;
  readonly iovLength: number;
  readonly control: number;
  readonly controlLength: number;
  readonly flags: number;

  /** Copies it in. */
  constructor(t: Task, addr: number) {
    t.copyIn(addr, t.kernel.scratch, 0, SIZEOF_MSGHDR);
    const w = t.kernel.scratchWords;
    this.name = u64(w, 0);
    this.nameLength = this.name === 0 ? 0 : (w[2] ?? 0) | 0;
    this.iov = u64(w, 4);
    this.iovLength = u64(w, 6);
    this.control = u64(w, 8);
    this.controlLength = u64(w, 10);
    this.flags = (w[12] ?? 0) | 0;
  }
}

function u64(w: Uint32Array, i: number): number {
  return (w[i + 1] ?? 0) * 4294967296 + (w[i] ?? 0);
}

/** sendmsg(2). */
export function sendmsg(t: Task, args: SyscallArguments): SyscallResult {
  const flags = args.i32(2);
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -errno.EINVAL;
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  return sendHeader(t, sock, args.u64(1), flags & ~MSG_INTERNAL_SENDMSG_FLAGS, 0);
}

/** Sends what a msghdr describes; of its msg_flags those in `allowed` count. */
function sendHeader(t: Task, sock: Socket, addr: number, flags: number, allowed: number): SyscallResult {
  const system = sock.system;
  const m = system.takeMessage();
  let keep = false;
  try {
    const h = new MessageHeader(t, addr);
    if (h.nameLength < 0) return -errno.EINVAL;
    if (h.nameLength > 0) copyInName(t, m, h.name, Math.min(h.nameLength, SIZEOF_SOCKADDR_STORAGE));
    if (h.iovLength > UIO_MAXIOV) return -errno.EMSGSIZE;
    const src = t.iovecsIOSequence(h.iov, h.iovLength);
    if (h.controlLength > INT_MAX) return -errno.ENOBUFS;
    if (h.controlLength > 0) {
      if (h.controlLength > OPTMEM_MAX) return -errno.ENOBUFS;
      m.control = h.controlLength <= SMALL_CONTROL ? t.kernel.scratch : new Uint8Array(h.controlLength);
      m.controlLength = h.controlLength;
      t.copyIn(h.control, m.control, 0, h.controlLength);
    }
    keep = true;
    return send(t, sock, src, m, withStatus(sock, flags | (h.flags & allowed), sock.options.sendTimeout));
  } finally {
    if (!keep) system.putMessage(m);
  }
}

/** sendmmsg(2). */
export function* sendmmsg(t: Task, args: SyscallArguments): SyscallGenerator {
  const flags = args.i32(3);
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -errno.EINVAL;
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const count = Math.min(args.u32(2), UIO_MAXIOV);
  let addr = args.u64(1);
  sock.incRef();
  let sent = 0;
  try {
    for (; sent < count; sent++) {
      let r = sendHeader(t, sock, addr, flags & ~MSG_INTERNAL_SENDMSG_FLAGS, MSG_EOR);
      if (typeof r !== "number") r = yield* r;
      if (r < 0) return sent > 0 ? sent : r;
      const rest = t.ioSequence.numBytes();
      t.copyOutU32(addr + MMSGHDR_LEN, r);
      addr += SIZEOF_MMSGHDR;
      if (rest > 0) return sent + 1;
      if (sent % MESSAGES_PER_TURN === MESSAGES_PER_TURN - 1 && (yield t.reschedule()) === WAKE_INTERRUPT)
        return sent + 1;
    }
    return sent;
  } catch (e) {
    if (sent > 0 && e instanceof linuxerr.LinuxError) return sent;
    throw e;
  } finally {
    sock.decRef();
  }
}

// ---- receiving

/** One try to receive. Returns WAIT when the caller has to wait for (more) data. */
function tryReceive(t: Task, sock: Socket, dst: IOSequence, m: Message, flags: number): number {
  const r = sock.receiveMessage(t, dst, m, flags);
  if (m.wait !== null) {
    if ((flags & MSG_DONTWAIT) === 0) return WAIT;
    m.wait = null;
  }
  return r;
}

/** Goes on with a receive that has to wait; the message stays the caller's. */
function* receiveSlow(t: Task, sock: Socket, dst: IOSequence, m: Message, flags: number): SyscallGenerator {
  const entry = new Entry(t, ReadableEvents);
  const timeout = sock.options.receiveTimeout;
  const deadline = timeout === FOREVER ? FOREVER : t.kernel.monotonicNow() + timeout;
  sock.incRef();
  try {
    for (;;) {
      m.wait?.eventRegister(entry);
      const why = yield t.block(deadline);
      entry.queue?.eventUnregister(entry);
      m.wait = null;
      if (why === WAKE_INTERRUPT) {
        if (m.copied > 0) return m.copied;
        return timeout === FOREVER ? -errno.ERESTARTSYS : -errno.EINTR;
      }
      if (why === WAKE_TIMEOUT) return m.copied > 0 ? m.copied : -errno.EAGAIN;
      const r = tryReceive(t, sock, dst, m, flags);
      if (r !== WAIT) return r;
    }
  } finally {
    entry.queue?.eventUnregister(entry);
    m.wait = null;
    sock.decRef();
  }
}

/** read(2) and readv(2) on a socket. */
export function readSocket(t: Task, sock: Socket, dst: IOSequence, nowait: boolean): SyscallResult {
  if (dst.numBytes() === 0) return 0;
  const flags = withStatus(sock, nowait ? MSG_DONTWAIT : 0, sock.options.receiveTimeout);
  return receive(t, sock, dst, flags, 0, 0);
}

/** recvfrom(2). */
export function recvfrom(t: Task, args: SyscallArguments): SyscallResult {
  const addr = args.u64(1);
  const len = args.u64(2);
  if (addr + len > TASK_SIZE_MAX) return -errno.EFAULT;
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const dst = t.singleIOSequence(addr, len);
  const flags = withStatus(sock, args.i32(3), sock.options.receiveTimeout);
  return receive(t, sock, dst, flags, args.u64(4), args.u64(5));
}

/** Receives data, and the sender's name when nameAddr is not 0. */
function receive(
  t: Task,
  sock: Socket,
  dst: IOSequence,
  flags: number,
  nameAddr: number,
  lengthAddr: number,
): SyscallResult {
  const m = sock.system.takeMessage();
  m.wantsName = nameAddr !== 0;
  let keep = false;
  try {
    const r = tryReceive(t, sock, dst, m, flags);
    if (r === WAIT) {
      keep = true;
      return receiveAndFinish(t, sock, dst, m, flags, nameAddr, lengthAddr);
    }
    return finishReceive(t, m, r, nameAddr, lengthAddr);
  } finally {
    if (!keep) sock.system.putMessage(m);
  }
}

function* receiveAndFinish(
  t: Task,
  sock: Socket,
  dst: IOSequence,
  m: Message,
  flags: number,
  nameAddr: number,
  lengthAddr: number,
): SyscallGenerator {
  const system: SocketSystem = sock.system;
  try {
    const r = yield* receiveSlow(t, sock, dst, m, flags);
    return finishReceive(t, m, r, nameAddr, lengthAddr);
  } finally {
    system.putMessage(m);
  }
}

function finishReceive(t: Task, m: Message, r: number, nameAddr: number, lengthAddr: number): number {
  if (r < 0 || nameAddr === 0) return r;
  const bad = copyOutName(t, m, nameAddr, lengthAddr);
  return bad < 0 ? bad : r;
}

/** recvmsg(2). */
export function recvmsg(t: Task, args: SyscallArguments): SyscallResult {
  const flags = args.i32(2);
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -errno.EINVAL;
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  return receiveHeader(t, sock, args.u64(1), flags);
}

/** Receives to where a msghdr says. */
function receiveHeader(t: Task, sock: Socket, addr: number, callFlags: number): SyscallResult {
  const system = sock.system;
  const m = system.takeMessage();
  let keep = false;
  try {
    const h = new MessageHeader(t, addr);
    if (h.nameLength < 0) return -errno.EINVAL;
    if (h.iovLength > UIO_MAXIOV) return -errno.EMSGSIZE;
    const dst = t.iovecsIOSequence(h.iov, h.iovLength);
    m.wantsName = h.name !== 0;
    m.flags = callFlags & MSG_CMSG_CLOEXEC;
    const flags = withStatus(sock, callFlags, sock.options.receiveTimeout);
    const r = tryReceive(t, sock, dst, m, flags);
    if (r === WAIT) {
      keep = true;
      return receiveHeaderSlow(t, sock, dst, m, flags, addr, h);
    }
    return finishHeader(t, sock, m, r, addr, h);
  } finally {
    if (!keep) system.putMessage(m);
  }
}

function* receiveHeaderSlow(
  t: Task,
  sock: Socket,
  dst: IOSequence,
  m: Message,
  flags: number,
  addr: number,
  h: MessageHeader,
): SyscallGenerator {
  const system: SocketSystem = sock.system;
  sock.incRef();
  try {
    const r = yield* receiveSlow(t, sock, dst, m, flags);
    return finishHeader(t, sock, m, r, addr, h);
  } finally {
    system.putMessage(m);
    sock.decRef();
  }
}

/** Stores ancillary data, name and flags of a received message in the guest. */
function finishHeader(t: Task, sock: Socket, m: Message, r: number, addr: number, h: MessageHeader): number {
  if (r < 0) return r;
  const stored = receiveControl(t, sock.options, m, h.control, Math.min(h.controlLength, Number.MAX_SAFE_INTEGER));
  if (h.name !== 0) {
    const bad = copyOutName(t, m, h.name, addr + MSGHDR_NAMELEN);
    if (bad < 0) return bad;
  }
  t.copyOutU32(addr + MSGHDR_FLAGS, m.flags);
  t.copyOutU64(addr + MSGHDR_CONTROLLEN, stored);
  return r;
}

/** recvmmsg(2). */
export function* recvmmsg(t: Task, args: SyscallArguments): SyscallGenerator {
  let flags = args.i32(3);
  if ((flags & MSG_CMSG_COMPAT) !== 0) return -errno.EINVAL;
  const timeoutAddr = args.u64(4);
  const end = timeoutAddr === 0 ? FOREVER : deadlineIn(t, copyInTimeout(t, timeoutAddr, 1));
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const pending = sock.takeError();
  if (pending !== 0) return -pending;
  const count = args.u32(2);
  let addr = args.u64(1);
  let got = 0;
  sock.incRef();
  try {
    while (got < count) {
      let r: number;
      let outOfBand = false;
      try {
        const first = receiveHeader(t, sock, addr, flags & ~MSG_WAITFORONE);
        r = typeof first === "number" ? first : yield* first;
        if (r >= 0) {
          t.copyOutU32(addr + MMSGHDR_LEN, r);
          outOfBand = (flags & MSG_OOB) !== 0;
        }
      } catch (e) {
        if (!(e instanceof linuxerr.LinuxError)) throw e;
        r = -e.errno;
      }
      if (r < 0) {
        if (got === 0) return r;
        // What came after the first message is reported by the next call.
        if (r !== -errno.EAGAIN && r > -errno.ERESTARTSYS) sock.setError(-r);
        break;
      }
      got++;
      addr += SIZEOF_MMSGHDR;
      if ((flags & MSG_WAITFORONE) !== 0) flags |= MSG_DONTWAIT;
      if (timeoutAddr !== 0 && t.kernel.monotonicNow() >= end) break;
      if (outOfBand) break;
      if (got % MESSAGES_PER_TURN === 0 && (yield t.reschedule()) === WAKE_INTERRUPT) break;
    }
    if (timeoutAddr !== 0 && got > 0) copyOutRest(t, timeoutAddr, end);
    return got;
  } finally {
    sock.decRef();
  }
}

/** Stores what is left of recvmmsg's timeout. */
function copyOutRest(t: Task, addr: number, end: number): void {
  if (end === FOREVER) return;
  const rest = Math.max(end - t.kernel.monotonicNow(), 0);
  const sec = Math.floor(rest / 1e9);
  t.copyOutU64(addr, sec);
  t.copyOutU64(addr + 8, rest - sec * 1e9);
}
