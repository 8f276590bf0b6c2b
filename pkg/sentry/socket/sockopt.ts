import { SIZEOF_SOCK_FPROG } from "../../abi/linux/bpf.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../../abi/linux/capability.ts";
import * as errno from "../../abi/linux/errno.ts";
import * as s from "../../abi/linux/socket.ts";
import { NSEC_PER_SEC, USEC_PER_SEC } from "../../abi/linux/time.ts";
import { newPIDFD } from "../kernel/pidfd.ts";
import type { Task } from "../kernel/task.ts";
import * as o from "./options.ts";
import type { Socket } from "./socket.ts";

const INT_MAX = 0x7fffffff;
/** Longest network device name with its zero (IFNAMSIZ). */
const IFNAMSIZ = 16;
const SIZEOF_TIMESTAMPING = 8;
/** What SO_BPF_EXTENSIONS answers: SKF_AD_MAX. */
const BPF_EXTENSIONS = 64;

/** Options that are nothing but a bit. SO_TIMESTAMP and its relatives are not among them. */
function flagOf(name: number): number {
  switch (name) {
    case s.SO_DEBUG:
      return o.OPT_DEBUG;
    case s.SO_REUSEADDR:
      return o.OPT_REUSEADDR;
    case s.SO_REUSEPORT:
      return o.OPT_REUSEPORT;
    case s.SO_DONTROUTE:
      return o.OPT_DONTROUTE;
    case s.SO_BROADCAST:
      return o.OPT_BROADCAST;
    case s.SO_KEEPALIVE:
      return o.OPT_KEEPALIVE;
    case s.SO_OOBINLINE:
      return o.OPT_OOBINLINE;
    case s.SO_NO_CHECK:
      return o.OPT_NO_CHECK;
    case s.SO_PASSCRED:
      return o.OPT_PASSCRED;
    case s.SO_PASSPIDFD:
      return o.OPT_PASSPIDFD;
    case s.SO_PASSSEC:
      return o.OPT_PASSSEC;
    case s.SO_PASSRIGHTS:
      return o.OPT_PASSRIGHTS;
    case s.SO_RXQ_OVFL:
      return o.OPT_RXQ_OVFL;
    case s.SO_WIFI_STATUS:
      return o.OPT_WIFI_STATUS;
    case s.SO_NOFCS:
      return o.OPT_NOFCS;
    case s.SO_LOCK_FILTER:
      return o.OPT_LOCK_FILTER;
    case s.SO_SELECT_ERR_QUEUE:
      return o.OPT_SELECT_ERR_QUEUE;
    case s.SO_PREFER_BUSY_POLL:
      return o.OPT_PREFER_BUSY_POLL;
    case s.SO_RCVMARK:
      return o.OPT_RCVMARK;
    case s.SO_RCVPRIORITY:
      return o.OPT_RCVPRIORITY;
    default:
      return 0;
  }
}

function capable(t: Task, sock: Socket, cap: number): boolean {
  return t.creds.hasCapabilityIn(cap, sock.options.namespace.userNamespace);
}

// ---- setsockopt

/** What SO_SNDBUFFORCE and SO_RCVBUFFORCE allow at most: buffers lie in the sentry's memory. */
const FORCED_MAX = 16 << 20;

/** setsockopt(2) of level SOL_SOCKET (sk_setsockopt()); `length` is not negative. 0 or a negative errno; EFAULT is thrown. */
export function setSocketOption(t: Task, sock: Socket, name: number, addr: number, length: number): number {
  if (name === s.SO_BINDTODEVICE) return bindToDevice(t, sock, addr, length);
  if (length < 4) return -errno.EINVAL;
  const value = t.copyInI32(addr);
  const opts = sock.options;
  const on = value !== 0;
  const flag = flagOf(name);
  if (flag !== 0) {
    const r = checkFlag(t, sock, name, on);
    if (r === 0) opts.set(flag, on);
    return r;
  }
  switch (name) {
    case s.SO_SNDBUF:
      setSendBuffer(sock, Math.min(value >>> 0, opts.namespace.wmemMax));
      return 0;
    case s.SO_SNDBUFFORCE:
      if (!capable(t, sock, CAP_NET_ADMIN)) return -errno.EPERM;
      setSendBuffer(sock, Math.min(Math.max(value, 0), FORCED_MAX));
      return 0;
    case s.SO_RCVBUF:
      setReceiveBuffer(sock, Math.min(value >>> 0, opts.namespace.rmemMax));
      return 0;
    case s.SO_RCVBUFFORCE:
      if (!capable(t, sock, CAP_NET_ADMIN)) return -errno.EPERM;
      setReceiveBuffer(sock, Math.min(Math.max(value, 0), FORCED_MAX));
      return 0;
    case s.SO_PRIORITY:
      if (!(value >= 0 && value <= 6) && !capable(t, sock, CAP_NET_RAW) && !capable(t, sock, CAP_NET_ADMIN)) {
        return -errno.EPERM;
      }
      opts.priority = value;
      return 0;
    case s.SO_LINGER:
      return setLinger(t, sock, addr, length);
    case s.SO_BSDCOMPAT:
    case s.SO_CNX_ADVICE:
      return 0;
    case s.SO_TIMESTAMP:
    case s.SO_TIMESTAMP_NEW:
    case s.SO_TIMESTAMPNS:
    case s.SO_TIMESTAMPNS_NEW:
      opts.set(o.OPT_TIMESTAMP, on);
      opts.set(o.OPT_TIMESTAMPNS, on && (name === s.SO_TIMESTAMPNS || name === s.SO_TIMESTAMPNS_NEW));
      opts.set(o.OPT_TIMESTAMP_NEW, on && (name === s.SO_TIMESTAMP_NEW || name === s.SO_TIMESTAMPNS_NEW));
      return 0;
    case s.SO_TIMESTAMPING:
    case s.SO_TIMESTAMPING_NEW:
      return setTimestamping(t, sock, addr, length, value);
    case s.SO_RCVLOWAT:
      opts.receiveLowWater = value < 0 ? INT_MAX : value === 0 ? 1 : value;
      return 0;
    case s.SO_RCVTIMEO:
    case s.SO_RCVTIMEO_NEW: {
      const ns = copyInTimeout(t, addr, length);
      if (ns >= 0) opts.receiveTimeout = ns;
      return Math.min(ns, 0);
    }
    case s.SO_SNDTIMEO:
    case s.SO_SNDTIMEO_NEW: {
      const ns = copyInTimeout(t, addr, length);
      if (ns >= 0) opts.sendTimeout = ns;
      return Math.min(ns, 0);
    }
    case s.SO_DETACH_FILTER:
      return opts.has(o.OPT_LOCK_FILTER) ? -errno.EPERM : -errno.ENOENT;
    case s.SO_ATTACH_FILTER:
      return length === SIZEOF_SOCK_FPROG ? -errno.ENOPROTOOPT : -errno.EINVAL;
    case s.SO_ATTACH_BPF:
    case s.SO_ATTACH_REUSEPORT_CBPF:
    case s.SO_ATTACH_REUSEPORT_EBPF:
    case s.SO_DETACH_REUSEPORT_BPF:
    case s.SO_TXTIME:
      return -errno.EINVAL;
    case s.SO_MARK:
      if (!capable(t, sock, CAP_NET_RAW) && !capable(t, sock, CAP_NET_ADMIN)) return -errno.EPERM;
      opts.mark = value;
      return 0;
    case s.SO_PEEK_OFF:
      return sock.setPeekOffset(value);
    case s.SO_BUSY_POLL:
      if (value < 0) return -errno.EINVAL;
      opts.busyPoll = value;
      return 0;
    case s.SO_BUSY_POLL_BUDGET:
      if (value !== 0 && !capable(t, sock, CAP_NET_ADMIN)) return value < 0 ? -errno.EINVAL : -errno.EPERM;
      return value < 0 || value > 0xffff ? -errno.EINVAL : 0;
    case s.SO_MAX_PACING_RATE:
      opts.pacingLow = value;
      opts.pacingHigh = value === -1 ? 0xffffffff : 0;
      if (length === 8) {
        t.copyIn(addr, t.kernel.scratch, 0, 8);
        opts.pacingLow = t.kernel.scratchWords[0] ?? 0;
        opts.pacingHigh = t.kernel.scratchWords[1] ?? 0;
      }
      return 0;
    case s.SO_INCOMING_CPU:
      opts.incomingCPU = value;
      return 0;
    case s.SO_ZEROCOPY:
    case s.SO_TXREHASH:
      return -errno.EOPNOTSUPP;
    case s.SO_RESERVE_MEM:
      return value < 0 ? -errno.EINVAL : -errno.EOPNOTSUPP;
    case s.SO_BINDTOIFINDEX:
      if (opts.boundIfindex !== 0 && !capable(t, sock, CAP_NET_RAW)) return -errno.EPERM;
      if (value < 0) return -errno.EINVAL;
      opts.boundIfindex = value;
      return 0;
    case s.SO_BUF_LOCK:
      if ((value & ~(s.SOCK_SNDBUF_LOCK | s.SOCK_RCVBUF_LOCK)) !== 0) return -errno.EINVAL;
      opts.bufferLock = value;
      return 0;
    case s.SO_INQ:
      if (sock.family !== s.AF_UNIX || sock.type !== s.SOCK_STREAM) return -errno.ENOPROTOOPT;
      if (length !== 4 || value < 0 || value > 1) return -errno.EINVAL;
      opts.set(o.OPT_INQ, on);
      return 0;
    default:
      return -errno.ENOPROTOOPT;
  }
}

/** What some on/off options need. */
function checkFlag(t: Task, sock: Socket, name: number, on: boolean): number {
  const unix = sock.family === s.AF_UNIX;
  switch (name) {
    case s.SO_DEBUG:
      return on && !capable(t, sock, CAP_NET_ADMIN) ? -errno.EACCES : 0;
    case s.SO_REUSEPORT:
      return on && sock.family !== s.AF_INET && sock.family !== s.AF_INET6 ? -errno.EOPNOTSUPP : 0;
    case s.SO_PASSCRED:
    case s.SO_PASSSEC:
      return unix || sock.family === s.AF_NETLINK ? 0 : -errno.EOPNOTSUPP;
    case s.SO_PASSPIDFD:
    case s.SO_PASSRIGHTS:
      return unix ? 0 : -errno.EOPNOTSUPP;
    case s.SO_LOCK_FILTER:
      return !on && sock.options.has(o.OPT_LOCK_FILTER) ? -errno.EPERM : 0;
    case s.SO_PREFER_BUSY_POLL:
      return on && !capable(t, sock, CAP_NET_ADMIN) ? -errno.EPERM : 0;
    case s.SO_RCVMARK:
      return capable(t, sock, CAP_NET_RAW) || capable(t, sock, CAP_NET_ADMIN) ? 0 : -errno.EPERM;
    default:
      return 0;
  }
}

function setSendBuffer(sock: Socket, bytes: number): void {
  sock.options.bufferLock |= s.SOCK_SNDBUF_LOCK;
  sock.options.sendBuffer = Math.max(bytes * 2, s.SOCK_MIN_SNDBUF);
  sock.buffersChanged();
}

function setReceiveBuffer(sock: Socket, bytes: number): void {
  sock.options.bufferLock |= s.SOCK_RCVBUF_LOCK;
  sock.options.receiveBuffer = Math.max(bytes * 2, s.SOCK_MIN_RCVBUF);
  sock.buffersChanged();
}

function setLinger(t: Task, sock: Socket, addr: number, length: number): number {
  if (length < 8) return -errno.EINVAL;
  t.copyIn(addr, t.kernel.scratch, 0, 8);
  const on = (t.kernel.scratchWords[0] ?? 0) !== 0;
  sock.options.set(o.OPT_LINGER, on);
  if (on) sock.options.lingerSeconds = t.kernel.scratchWords[1] ?? 0;
  return 0;
}

function setTimestamping(t: Task, sock: Socket, addr: number, length: number, value: number): number {
  let bind = 0;
  if (length === SIZEOF_TIMESTAMPING) {
    t.copyIn(addr, t.kernel.scratch, 0, SIZEOF_TIMESTAMPING);
    bind = t.kernel.scratchWords[1] ?? 0;
  }
  if ((value & ~s.SOF_TIMESTAMPING_MASK) !== 0) return -errno.EINVAL;
  sock.options.timestamping = value;
  sock.options.timestampingBind = bind;
  return 0;
}

/** A struct timeval as nanoseconds; none is FOREVER, a negative one 0. */
function copyInTimeout(t: Task, addr: number, length: number): number {
  if (length < 16) return -errno.EINVAL;
  t.copyIn(addr, t.kernel.scratch, 0, 16);
  const w = t.kernel.scratchWords;
  const sec = ((w[1] ?? 0) | 0) * 4294967296 + (w[0] ?? 0);
  const usec = ((w[3] ?? 0) | 0) * 4294967296 + (w[2] ?? 0);
  if (usec < 0 || usec >= USEC_PER_SEC) return -errno.EDOM;
  if (sec < 0) return 0;
  if (sec === 0 && usec === 0) return o.FOREVER;
  const ns = sec * NSEC_PER_SEC + usec * 1000;
  return ns >= Number.MAX_SAFE_INTEGER ? o.FOREVER : ns;
}

function bindToDevice(t: Task, sock: Socket, addr: number, length: number): number {
  const n = Math.min(length, IFNAMSIZ - 1);
  const buf = t.kernel.scratch;
  t.copyIn(addr, buf, 0, n);
  if (n > 0 && buf[0] !== 0) return -errno.ENODEV;
  if (sock.options.boundIfindex !== 0 && !capable(t, sock, CAP_NET_RAW)) return -errno.EPERM;
  sock.options.boundIfindex = 0;
  return 0;
}

// ---- getsockopt

/** getsockopt(2) of level SOL_SOCKET. 0 or a negative errno; EFAULT is thrown. */
export function getSocketOption(t: Task, sock: Socket, name: number, addr: number, lengthAddr: number): number {
  const length = t.copyInI32(lengthAddr);
  if (length < 0) return -errno.EINVAL;
  const words = t.kernel.scratchWords;
  const opts = sock.options;
  switch (name) {
    case s.SO_LINGER:
      words[0] = opts.has(o.OPT_LINGER) ? 1 : 0;
      words[1] = opts.lingerSeconds;
      return answer(t, addr, lengthAddr, length, 8);
    case s.SO_RCVTIMEO:
    case s.SO_RCVTIMEO_NEW:
      putTimeout(words, opts.receiveTimeout);
      return answer(t, addr, lengthAddr, length, 16);
    case s.SO_SNDTIMEO:
    case s.SO_SNDTIMEO_NEW:
      putTimeout(words, opts.sendTimeout);
      return answer(t, addr, lengthAddr, length, 16);
    case s.SO_PEERCRED:
      return getPeerCredentials(t, sock, addr, lengthAddr, length);
    case s.SO_PEERGROUPS:
      return getPeerGroups(t, sock, addr, lengthAddr, length);
    case s.SO_PEERPIDFD:
      return getPeerPIDFD(t, sock, addr, lengthAddr, length);
    case s.SO_PEERNAME:
      return getPeerName(t, sock, addr, lengthAddr, length);
    case s.SO_BINDTODEVICE:
    case s.SO_ATTACH_FILTER:
      return answer(t, addr, lengthAddr, 0, 0);
    case s.SO_TIMESTAMPING:
    case s.SO_TIMESTAMPING_NEW:
      words[0] = opts.timestamping;
      words[1] = opts.timestampingBind;
      return answer(t, addr, lengthAddr, length, 8);
    case s.SO_MAX_PACING_RATE:
      words[0] = opts.pacingLow;
      words[1] = opts.pacingHigh;
      return answer(t, addr, lengthAddr, length, length >= 8 ? 8 : 4);
    case s.SO_MEMINFO:
      words.fill(0, 0, 9);
      words[1] = opts.receiveBuffer;
      words[2] = sock.sendAllocated();
      words[3] = opts.sendBuffer;
      return answer(t, addr, lengthAddr, length, 36);
    case s.SO_COOKIE:
      if (length < 8) return -errno.EINVAL;
      if (opts.cookie === 0) opts.cookie = ++opts.namespace.lastCookie;
      words[0] = opts.cookie;
      words[1] = Math.floor(opts.cookie / 4294967296);
      return answer(t, addr, lengthAddr, length, 8);
    case s.SO_NETNS_COOKIE:
      if (length !== 8) return -errno.EINVAL;
      words[0] = 1;
      words[1] = 0;
      return answer(t, addr, lengthAddr, length, 8);
    case s.SO_TXTIME:
      words[0] = 0;
      words[1] = 0;
      return answer(t, addr, lengthAddr, length, 8);
    case s.SO_TXREHASH:
      return -errno.EOPNOTSUPP;
    default: {
      const v = intOption(sock, name);
      if (v === null) return -errno.ENOPROTOOPT;
      words[0] = v;
      return answer(t, addr, lengthAddr, length, 4);
    }
  }
}

/** Options whose value is an int; null: not one of them. */
function intOption(sock: Socket, name: number): number | null {
  const opts = sock.options;
  const flag = flagOf(name);
  if (flag !== 0) return opts.has(flag) ? 1 : 0;
  const stamps = opts.has(o.OPT_TIMESTAMP);
  const nanos = opts.has(o.OPT_TIMESTAMPNS);
  const fresh = opts.has(o.OPT_TIMESTAMP_NEW);
  switch (name) {
    case s.SO_TYPE:
      return sock.type;
    case s.SO_PROTOCOL:
      return sock.protocol;
    case s.SO_DOMAIN:
      return sock.family;
    case s.SO_ERROR:
      return sock.takeError();
    case s.SO_ACCEPTCONN:
      return sock.isListening() ? 1 : 0;
    case s.SO_SNDBUF:
      return opts.sendBuffer;
    case s.SO_RCVBUF:
      return opts.receiveBuffer;
    case s.SO_PRIORITY:
      return opts.priority;
    case s.SO_BSDCOMPAT:
    case s.SO_INCOMING_NAPI_ID:
    case s.SO_ZEROCOPY:
    case s.SO_RESERVE_MEM:
      return 0;
    case s.SO_TIMESTAMP:
      return stamps && !nanos && !fresh ? 1 : 0;
    case s.SO_TIMESTAMPNS:
      return stamps && nanos && !fresh ? 1 : 0;
    case s.SO_TIMESTAMP_NEW:
      return stamps && !nanos && fresh ? 1 : 0;
    case s.SO_TIMESTAMPNS_NEW:
      return stamps && nanos && fresh ? 1 : 0;
    case s.SO_RCVLOWAT:
      return opts.receiveLowWater;
    case s.SO_SNDLOWAT:
      return 1;
    case s.SO_MARK:
      return opts.mark;
    case s.SO_PEEK_OFF:
      return opts.peekOffset;
    case s.SO_BUSY_POLL:
      return opts.busyPoll;
    case s.SO_BPF_EXTENSIONS:
      return BPF_EXTENSIONS;
    case s.SO_INCOMING_CPU:
      return opts.incomingCPU;
    case s.SO_BINDTOIFINDEX:
      return opts.boundIfindex;
    case s.SO_BUF_LOCK:
      return opts.bufferLock;
    default:
      return null;
  }
}

/** Stores the first min(length, size) bytes of the scratch buffer and that number. */
function answer(t: Task, addr: number, lengthAddr: number, length: number, size: number): number {
  const n = Math.min(length, size);
  t.copyOut(addr, t.kernel.scratch, 0, n);
  t.copyOutI32(lengthAddr, n);
  return 0;
}

function putTimeout(words: Uint32Array, ns: number): void {
  const finite = ns === o.FOREVER ? 0 : ns;
  const sec = Math.floor(finite / NSEC_PER_SEC);
  words[0] = sec;
  words[1] = Math.floor(sec / 4294967296);
  words[2] = Math.floor((finite - sec * NSEC_PER_SEC) / 1000);
  words[3] = 0;
}

function getPeerCredentials(t: Task, sock: Socket, addr: number, lengthAddr: number, length: number): number {
  const peer = sock.peerCredentials();
  const ns = t.creds.userNamespace;
  const words = t.kernel.scratchWords;
  words[0] = peer === null ? 0 : peer.pid.idIn(t.pidNamespace);
  words[1] = peer === null ? -1 : ns.uidOrOverflow(peer.creds.effectiveKUID);
  words[2] = peer === null ? -1 : ns.gidOrOverflow(peer.creds.effectiveKGID);
  return answer(t, addr, lengthAddr, length, s.SIZEOF_UCRED);
}

function getPeerGroups(t: Task, sock: Socket, addr: number, lengthAddr: number, length: number): number {
  const peer = sock.peerCredentials();
  if (peer === null) return -errno.ENODATA;
  const groups = peer.creds.extraKGIDs;
  const size = groups.length * 4;
  if (length < size) {
    t.copyOutI32(lengthAddr, size);
    return -errno.ERANGE;
  }
  const buf = new Uint32Array(groups.length);
  const ns = t.creds.userNamespace;
  groups.forEach((g, i) => {
    buf[i] = ns.gidOrOverflow(g);
  });
  t.copyOut(addr, new Uint8Array(buf.buffer), 0, size);
  t.copyOutI32(lengthAddr, size);
  return 0;
}

function getPeerPIDFD(t: Task, sock: Socket, addr: number, lengthAddr: number, length: number): number {
  const peer = sock.peerCredentials();
  if (peer === null) return -errno.ENODATA;
  const tg = peer.pid.process?.deref();
  if (tg === undefined) return -errno.ESRCH;
  const n = Math.min(length, 4);
  const fd = newPIDFD(t, tg.leader, false, 0);
  try {
    t.kernel.scratchWords[0] = fd;
    t.copyOut(addr, t.kernel.scratch, 0, n);
    t.copyOutI32(lengthAddr, n);
  } catch (e) {
    t.fdTable.remove(fd);
    throw e;
  }
  return 0;
}

function getPeerName(t: Task, sock: Socket, addr: number, lengthAddr: number, length: number): number {
  const m = sock.system.takeMessage();
  try {
    if (sock.getName(m, true) < 0) return -errno.ENOTCONN;
    if (m.nameLength < length) return -errno.EINVAL;
    t.copyOut(addr, m.name, 0, length);
    t.copyOutI32(lengthAddr, length);
    return 0;
  } finally {
    sock.system.putMessage(m);
  }
}
