import { AF_UNIX } from "../../abi/linux/socket.ts";
import { setFields, stateType } from "../../state/index.ts";
import { SockFS } from "../fsimpl/sockfs/index.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { PIDRef } from "../kernel/pid_ref.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread_group.ts";
import { BufferPool } from "./buffer_pool.ts";
import { RightsAccounting } from "./control/index.ts";
import { Message } from "./message.ts";
import type { NetworkNamespace } from "./namespace.ts";
import type { Socket } from "./socket.ts";
import { UnixProvider } from "./unix/provider.ts";
import { Collector, type Packet, unixSocketTable } from "./unix/transport/index.ts";

/** Sockets a kernel has room for; then ENFILE. */
const MAX_SOCKETS = 32768;
/** Bytes of messages on their way above which sockets get only a small share, and above which there is none. */
const SOFT_BYTES = 48 << 20;
const HARD_BYTES = 96 << 20;
const SMALL_SHARE = 8192;
/** Messages kept for reuse. */
const KEEP_MESSAGES = 16;

/** A socket family. */
export interface SocketProvider {
  /** socket(2); `type` is below SOCK_MAX, `flags` O_NONBLOCK or 0. A negative errno: ESOCKTNOSUPPORT, EPROTONOSUPPORT, ENFILE... */
  socket(t: Task, type: number, protocol: number, flags: number): Socket | number;
  /** Connects two new sockets of the family: socketpair(2). 0 or a negative errno. */
  pair(t: Task, a: Socket, b: Socket): number;
}

/** The sockets of a kernel: their filesystem, their families, and what bounds them. */
export class SocketSystem {
  static readonly stateType = stateType(
    "socket.SocketSystem",
    ["kernel", "fs", "providers", "sockets", "bytes", "rights", "collector"],
    ["buffers", "messages", "packets", "pidRefs"],
  );
  readonly kernel: Kernel;
  readonly fs: SockFS;
  /** By address family. */
  readonly providers: Map<number, SocketProvider> = new Map();
  /** Sockets there are. */
  sockets = 0;
  /** Bytes that messages on their way take, as Linux would count them. */
  bytes = 0;
  readonly buffers: BufferPool = new BufferPool();
  /** Free messages and packets. */
  readonly messages: Message[] = [];
  readonly packets: Packet[] = [];
  readonly rights: RightsAccounting;
  readonly collector: Collector;
  readonly pidRefs: WeakMap<ThreadGroup, PIDRef> = new WeakMap();

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.fs = new SockFS(kernel.vfs);
    this.rights = new RightsAccounting(kernel);
    this.collector = new Collector(this);
    this.register(AF_UNIX, new UnixProvider(this));
  }

  afterLoad(): void {
    setFields<SocketSystem>(this, { buffers: new BufferPool(), messages: [], packets: [], pidRefs: new WeakMap() });
  }

  /** Makes a family available to socket(2). */
  register(family: number, provider: SocketProvider): void {
    if (this.providers.has(family)) throw new Error(`socket: family ${family} registered twice`);
    this.providers.set(family, provider);
  }

  /** The network namespace of a task. */
  namespaceOf(t: Task): NetworkNamespace {
    return t.networkNamespace;
  }

  /** Counts a new socket: false when there are too many. */
  addSocket(): boolean {
    if (this.sockets >= MAX_SOCKETS) return false;
    this.sockets++;
    return true;
  }

  /** A socket is gone. */
  removeSocket(): void {
    this.sockets--;
  }

  /** How much of its send buffer a socket may use: less when all sockets together hold much. */
  sendLimit(sendBuffer: number): number {
    return this.bytes > SOFT_BYTES ? Math.min(sendBuffer, SMALL_SHARE) : sendBuffer;
  }

  /** Whether no message may be added any more (ENOBUFS). */
  isFull(): boolean {
    return this.bytes > HARD_BYTES;
  }

  /** A message for one call. */
  takeMessage(): Message {
    return this.messages.pop() ?? new Message();
  }

  /** The call is over. */
  putMessage(m: Message): void {
    m.reset();
    if (this.messages.length < KEEP_MESSAGES) this.messages.push(m);
  }

  /** The reference to a process, always the same for the same process. */
  pidRefOf(tg: ThreadGroup): PIDRef {
    let r = this.pidRefs.get(tg);
    if (r === undefined) {
      r = PIDRef.ofTask(tg.leader);
      this.pidRefs.set(tg, r);
    }
    return r;
  }
}

/** The sockets of a kernel; made at first use. */
export function socketSystem(k: Kernel): SocketSystem {
  if (k.sockets === null) k.sockets = new SocketSystem(k);
  return k.sockets;
}

/** /proc/net/unix of a network namespace; a byte string. */
export function unixSockets(ns: NetworkNamespace): string {
  return unixSocketTable(ns.unix);
}
