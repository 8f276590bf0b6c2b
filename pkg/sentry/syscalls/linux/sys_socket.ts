import * as errno from "../../../abi/linux/errno.ts";
import { O_NONBLOCK } from "../../../abi/linux/file.ts";
import { AF_MAX, SOCK_CLOEXEC, SOCK_MAX, SOCK_NONBLOCK, SOCK_TYPE_MASK } from "../../../abi/linux/socket.ts";
import { ReadableEvents, WritableEvents } from "../../../waiter/index.ts";
import {
  type SyscallArguments,
  type SyscallGenerator,
  type SyscallResult,
  WAKE_INTERRUPT,
  WAKE_TIMEOUT,
} from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { type Message, type Socket, socketSystem } from "../../socket/index.ts";
import { openFile } from "./path.ts";
import { copyInName, copyOutName, notSocket, socketOf, Waiting } from "./socket_call.ts";
import { fdLimit } from "./sys_file.ts";

// ---- making sockets

/** socket(2). */
export function socket(t: Task, args: SyscallArguments): number {
  const type = args.i32(1);
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -errno.EINVAL;
  const sock = create(t, args.i32(0), type & SOCK_TYPE_MASK, args.i32(2), flags);
  if (typeof sock === "number") return sock;
  try {
    return t.newFD(sock, (flags & SOCK_CLOEXEC) !== 0);
  } finally {
    sock.decRef();
  }
}

/** A socket of any family, with one reference, or a negative errno. */
function create(t: Task, family: number, type: number, protocol: number, flags: number): Socket | number {
  if (family < 0 || family >= AF_MAX) return -errno.EAFNOSUPPORT;
  if (type >= SOCK_MAX) return -errno.EINVAL;
  const provider = socketSystem(t.kernel).providers.get(family);
  if (provider === undefined) return -errno.EAFNOSUPPORT;
  return provider.socket(t, type, protocol, flags & O_NONBLOCK);
}

/** socketpair(2). */
export function socketpair(t: Task, args: SyscallArguments): number {
  const family = args.i32(0);
  const type = args.i32(1) & SOCK_TYPE_MASK;
  const flags = args.i32(1) & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -errno.EINVAL;
  const limit = fdLimit(t);
  const first = t.fdTable.lowestFree(0);
  const second = t.fdTable.lowestFree(first + 1);
  if (first >= limit || second >= limit) return -errno.EMFILE;
  // The numbers are stored before there are sockets, as Linux does since it must not fail afterwards.
  const words = t.kernel.scratchWords;
  words[0] = first;
  words[1] = second;
  t.copyOut(args.u64(3), t.kernel.scratch, 0, 8);
  const a = create(t, family, type, args.i32(2), flags);
  if (typeof a === "number") return a;
  const b = create(t, family, type, args.i32(2), flags);
  if (typeof b === "number") {
    a.decRef();
    return b;
  }
  try {
    const provider = a.system.providers.get(family);
    const r = provider === undefined ? -errno.EAFNOSUPPORT : provider.pair(t, a, b);
    if (r < 0) return r;
    const cloexec = (flags & SOCK_CLOEXEC) !== 0;
    t.fdTable.newFD(a, first, cloexec, limit);
    t.fdTable.newFD(b, second, cloexec, limit);
    return 0;
  } finally {
    a.decRef();
    b.decRef();
  }
}

// ---- names and connections

/** bind(2). */
export function bind(t: Task, args: SyscallArguments): number {
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const m = sock.system.takeMessage();
  try {
    const r = copyInName(t, m, args.u64(1), args.i32(2));
    return r < 0 ? r : sock.bind(t, m);
  } finally {
    sock.system.putMessage(m);
  }
}

/** listen(2). */
export function listen(t: Task, args: SyscallArguments): number {
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  return sock.listen(t, Math.min(args.u32(1), sock.options.namespace.somaxconn));
}

/** accept(2). */
export function accept(t: Task, args: SyscallArguments): SyscallResult {
  return acceptOn(t, args.i32(0), args.u64(1), args.u64(2), 0);
}

/** accept4(2). */
export function accept4(t: Task, args: SyscallArguments): SyscallResult {
  return acceptOn(t, args.i32(0), args.u64(1), args.u64(2), args.i32(3));
}

function acceptOn(t: Task, fd: number, nameAddr: number, lengthAddr: number, flags: number): SyscallResult {
  if (openFile(t, fd) === null) return -errno.EBADF;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -errno.EINVAL;
  if (!t.fdTable.hasRoom(fdLimit(t))) return -errno.EMFILE;
  const sock = socketOf(t, fd);
  if (sock === null) return -errno.ENOTSOCK;
  const m = sock.system.takeMessage();
  let keep = false;
  try {
    const nonblock = (sock.statusFlags & O_NONBLOCK) !== 0 || sock.options.receiveTimeout === 0;
    const r = sock.accept(t, m, flags & O_NONBLOCK, nonblock);
    if (typeof r !== "number") return finishAccept(t, r, m, nameAddr, lengthAddr, flags);
    if (m.wait === null) return r;
    keep = true;
    return acceptSlow(t, sock, m, nameAddr, lengthAddr, flags);
  } finally {
    if (!keep) sock.system.putMessage(m);
  }
}

/** Waits for a connection. */
function* acceptSlow(
  t: Task,
  sock: Socket,
  m: Message,
  nameAddr: number,
  lengthAddr: number,
  flags: number,
): SyscallGenerator {
  const w = new Waiting(t, sock, m, sock.options.receiveTimeout, ReadableEvents);
  try {
    for (;;) {
      const why = yield w.begin();
      w.end();
      if (why === WAKE_INTERRUPT) return w.interrupted();
      if (why === WAKE_TIMEOUT) return -errno.EAGAIN;
      const r = sock.accept(t, m, flags & O_NONBLOCK, false);
      if (typeof r !== "number") return finishAccept(t, r, m, nameAddr, lengthAddr, flags);
      if (m.wait === null) return r;
    }
  } finally {
    w.finish();
  }
}

/** Gives an accepted socket a descriptor and stores its peer's name; drops the reference. */
function finishAccept(t: Task, sock: Socket, m: Message, nameAddr: number, lengthAddr: number, flags: number): number {
  try {
    if (nameAddr !== 0) {
      if (sock.getName(m, true) < 0) return -errno.ECONNABORTED;
      const r = copyOutName(t, m, nameAddr, lengthAddr);
      if (r < 0) return r;
    }
    return t.newFD(sock, (flags & SOCK_CLOEXEC) !== 0);
  } finally {
    sock.decRef();
  }
}

/** connect(2). */
export function connect(t: Task, args: SyscallArguments): SyscallResult {
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const m = sock.system.takeMessage();
  let keep = false;
  try {
    const bad = copyInName(t, m, args.u64(1), args.i32(2));
    if (bad < 0) return bad;
    const nonblock = (sock.statusFlags & O_NONBLOCK) !== 0 || sock.options.sendTimeout === 0;
    const r = sock.connect(t, m, nonblock);
    if (m.wait === null) return r;
    keep = true;
    return connectSlow(t, sock, m);
  } finally {
    if (!keep) sock.system.putMessage(m);
  }
}

/** Waits for the other side. */
function* connectSlow(t: Task, sock: Socket, m: Message): SyscallGenerator {
  const w = new Waiting(t, sock, m, sock.options.sendTimeout, WritableEvents);
  try {
    for (;;) {
      const why = yield w.begin();
      w.end();
      if (why === WAKE_INTERRUPT) return w.interrupted();
      if (why === WAKE_TIMEOUT) return sock.connect(t, m, true);
      const r = sock.connect(t, m, false);
      if (m.wait === null) return r;
    }
  } finally {
    w.finish();
  }
}

/** getsockname(2). */
export function getsockname(t: Task, args: SyscallArguments): number {
  return nameOf(t, args, false);
}

/** getpeername(2). */
export function getpeername(t: Task, args: SyscallArguments): number {
  return nameOf(t, args, true);
}

function nameOf(t: Task, args: SyscallArguments, peer: boolean): number {
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const m = sock.system.takeMessage();
  try {
    const r = sock.getName(m, peer);
    return r < 0 ? r : copyOutName(t, m, args.u64(1), args.u64(2));
  } finally {
    sock.system.putMessage(m);
  }
}

/** shutdown(2). */
export function shutdown(t: Task, args: SyscallArguments): number {
  const sock = socketOf(t, args.i32(0));
  return sock === null ? notSocket(t, args.i32(0)) : sock.shutdown(args.i32(1));
}

/** getsockopt(2). */
export function getsockopt(t: Task, args: SyscallArguments): number {
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  return sock.getOption(t, args.i32(1), args.i32(2), args.u64(3), args.u64(4));
}

/** setsockopt(2). */
export function setsockopt(t: Task, args: SyscallArguments): number {
  const sock = socketOf(t, args.i32(0));
  if (sock === null) return notSocket(t, args.i32(0));
  const length = args.i32(4);
  if (length < 0) return -errno.EINVAL;
  return sock.setOption(t, args.i32(1), args.i32(2), args.u64(3), length);
}
