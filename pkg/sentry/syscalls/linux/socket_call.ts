import * as errno from "../../../abi/linux/errno.ts";
import { SIZEOF_SOCKADDR_STORAGE } from "../../../abi/linux/socket.ts";
import { Entry } from "../../../waiter/index.ts";
import type { Task } from "../../kernel/task.ts";
import { FOREVER, type Message, Socket } from "../../socket/index.ts";
import { openFile } from "./path.ts";

/** The socket behind a descriptor: null, and the errno is notSocket(). */
export function socketOf(t: Task, fd: number): Socket | null {
  const f = openFile(t, fd);
  return f instanceof Socket ? f : null;
}

/** Why socketOf returned null. */
export function notSocket(t: Task, fd: number): number {
  return openFile(t, fd) === null ? -errno.EBADF : -errno.ENOTSOCK;
}

// ---- addresses

/** Copies a sockaddr in. 0 or -EINVAL. */
export function copyInName(t: Task, m: Message, addr: number, length: number): number {
  if (length < 0 || length > SIZEOF_SOCKADDR_STORAGE) return -errno.EINVAL;
  m.nameLength = length;
  if (length > 0) t.copyIn(addr, m.name, 0, length);
  // Never what an earlier call left: a family, and the end of a path.
  if (length < 2) m.name.fill(0, length, 2);
  m.name[length] = 0;
  return 0;
}

/** Stores the message's name at a guest address, as much as the buffer takes, and its full length. 0 or -EINVAL. */
export function copyOutName(t: Task, m: Message, addr: number, lengthAddr: number): number {
  const room = t.copyInI32(lengthAddr);
  if (room < 0) return -errno.EINVAL;
  t.copyOut(addr, m.name, 0, Math.min(room, m.nameLength));
  t.copyOutI32(lengthAddr, m.nameLength);
  return 0;
}

// ---- waiting

/**
 * A call that waits on message.wait with the timeout of the socket. It holds a reference on the socket; finish() gives it and the
 * message back. Lives in a generator.
 */
export class Waiting {
  readonly t: Task;
  readonly sock: Socket;
  readonly m: Message;
  readonly timeout: number;
  readonly deadline: number;
  readonly entry: Entry;

  constructor(t: Task, sock: Socket, m: Message, timeout: number, events: number) {
    this.t = t;
    this.sock = sock;
    this.m = m;
    this.timeout = timeout;
    this.deadline = timeout === FOREVER ? FOREVER : t.kernel.monotonicNow() + timeout;
    this.entry = new Entry(t, events);
    sock.incRef();
  }

  /** To be yielded. */
  begin(): ReturnType<Task["block"]> {
    this.m.wait?.eventRegister(this.entry);
    return this.t.block(this.deadline);
  }

  /** After the yield. */
  end(): void {
    this.entry.queue?.eventUnregister(this.entry);
    this.m.wait = null;
  }

  /** The result of a call that a signal ended: with a timeout it is not restarted (signal(7)). */
  interrupted(): number {
    return this.timeout === FOREVER ? -errno.ERESTARTSYS : -errno.EINTR;
  }

  /** The call is over. */
  finish(): void {
    this.end();
    this.sock.system.putMessage(this.m);
    this.sock.decRef();
  }
}
