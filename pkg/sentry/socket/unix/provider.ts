import * as errno from "../../../abi/linux/errno.ts";
import { AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM } from "../../../abi/linux/socket.ts";
import { stateType } from "../../../state/index.ts";
import type { Task } from "../../kernel/task.ts";
import type { Socket } from "../socket.ts";
import type { SocketProvider, SocketSystem } from "../system.ts";
import { UnixEndpoint } from "./transport/index.ts";
import { UnixSocket } from "./unix.ts";

/** Makes unix sockets. */
export class UnixProvider implements SocketProvider {
  static readonly stateType = stateType("unix.UnixProvider", ["system"]);
  readonly system: SocketSystem;

  constructor(system: SocketSystem) {
    this.system = system;
  }

  /** See SocketProvider. */
  socket(t: Task, type: number, protocol: number, flags: number): Socket | number {
    if (protocol !== 0 && protocol !== AF_UNIX) return -errno.EPROTONOSUPPORT;
    // A raw unix socket is one for datagrams.
    const real = type === SOCK_RAW ? SOCK_DGRAM : type;
    if (real !== SOCK_STREAM && real !== SOCK_DGRAM && real !== SOCK_SEQPACKET) return -errno.ESOCKTNOSUPPORT;
    if (!this.system.addSocket()) return -errno.ENFILE;
    return UnixSocket.create(t, flags, new UnixEndpoint(this.system, this.system.namespaceOf(t), real));
  }

  /** See SocketProvider. */
  pair(t: Task, a: Socket, b: Socket): number {
    if (!(a instanceof UnixSocket) || !(b instanceof UnixSocket)) return -errno.EOPNOTSUPP;
    a.endpoint.pair(t, b.endpoint);
    return 0;
  }
}
