import { CAP_NET_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import { O_PATH } from "../../../abi/linux/file.ts";
import { SIOCATMARK, SIOCINQ, SIOCOUTQ } from "../../../abi/linux/ioctl.ts";
import { AF_UNIX, SIOCUNIXFILE, SOCK_DGRAM, SOCK_STREAM, SUN_PATH } from "../../../abi/linux/socket.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Entry } from "../../../waiter/index.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import type { IOSequence } from "../../usermem/index.ts";
import { OPathFileDescription, type VirtualDentry } from "../../vfs/index.ts";
import type { Message } from "../message.ts";
import { type PeerCredentials, Socket } from "../socket.ts";
import {
  autobind,
  bindName,
  connectDatagram,
  connectStream,
  ESTABLISHED,
  LISTENING,
  RECEIVE_SHUTDOWN,
  receiveDatagram,
  receiveStream,
  SEND_SHUTDOWN,
  sendDatagram,
  sendStream,
  type UnixEndpoint,
  validateName,
} from "./transport/index.ts";

/** The description of a unix socket. */
export class UnixSocket extends Socket {
  static override readonly stateType = stateType("unix.UnixSocket", ["endpoint", "family", "type", "protocol"]);
  readonly endpoint: UnixEndpoint;
  override readonly family = AF_UNIX;
  override readonly type: number;
  override readonly protocol = 0;

  constructor(vd: VirtualDentry, flags: number, endpoint: UnixEndpoint) {
    super(endpoint.system, vd, flags, endpoint.options);
    this.endpoint = endpoint;
    this.type = endpoint.type;
    endpoint.socket = this;
  }

  /** A description for an endpoint, with one reference. `flags`: O_NONBLOCK or 0. */
  static create(t: Task, flags: number, endpoint: UnixEndpoint): UnixSocket {
    const name = endpoint.type === SOCK_STREAM ? "UNIX-STREAM" : "UNIX";
    return new UnixSocket(endpoint.system.fs.newPlace(t.creds, name), flags, endpoint);
  }

  /** A descriptor was closed: perhaps the last one, of a socket that is in flight too. */
  override flush(): number {
    this.system.collector.descriptorClosed(this);
    return 0;
  }

  override release(): void {
    this.endpoint.release(false);
    super.release();
  }

  // ---- names and connections

  override bind(t: Task, m: Message): number {
    if (m.nameLength === SUN_PATH && m.family() === AF_UNIX) return autobind(this.endpoint);
    const bad = validateName(m);
    return bad !== 0 ? bad : bindName(t, this.endpoint, m);
  }

  override listen(t: Task, backlog: number): number {
    return this.endpoint.listen(t, backlog);
  }

  override accept(t: Task, m: Message, flags: number, nonblock: boolean): Socket | number {
    const ep = this.endpoint;
    if (!ep.isConnectionOriented()) return -errno.EOPNOTSUPP;
    if (ep.state !== LISTENING) return -errno.EINVAL;
    if (ep.error !== 0) return -ep.takeError();
    const p = ep.packets.head;
    if (p === null) {
      if (nonblock) return -errno.EAGAIN;
      if ((ep.shutdown & RECEIVE_SHUTDOWN) !== 0) return -errno.EINVAL;
      m.wait = ep.queue;
      return -errno.EAGAIN;
    }
    const accepted = p.connection;
    ep.dequeue(p);
    ep.freePacket(p);
    ep.wakeSenders();
    if (accepted === null) return -errno.ECONNABORTED;
    accepted.listener = null;
    return UnixSocket.create(t, flags, accepted);
  }

  override connect(t: Task, m: Message, nonblock: boolean): number {
    return this.type === SOCK_DGRAM
      ? connectDatagram(t, this.endpoint, m)
      : connectStream(t, this.endpoint, m, nonblock);
  }

  override getName(m: Message, peer: boolean): number {
    const ep = peer ? this.endpoint.peer : this.endpoint;
    if (ep === null) return -errno.ENOTCONN;
    if (ep.address === null) {
      m.name[0] = AF_UNIX;
      m.name[1] = 0;
      m.nameLength = SUN_PATH;
    } else {
      m.name.set(ep.address.bytes);
      m.nameLength = ep.address.bytes.length;
    }
    return 0;
  }

  override shutdown(how: number): number {
    if (how < 0 || how > 2) return -errno.EINVAL;
    this.endpoint.shutDown((how + 1) & (RECEIVE_SHUTDOWN | SEND_SHUTDOWN));
    return 0;
  }

  // ---- data

  override sendMessage(t: Task, src: IOSequence, m: Message, flags: number): number {
    return this.type === SOCK_STREAM
      ? sendStream(t, this.endpoint, src, m, flags)
      : sendDatagram(t, this.endpoint, src, m, flags);
  }

  override receiveMessage(_t: Task, dst: IOSequence, m: Message, flags: number): number {
    return this.type === SOCK_STREAM
      ? receiveStream(this.endpoint, dst, m, flags)
      : receiveDatagram(this.endpoint, dst, m, flags);
  }

  // ---- options

  override takeError(): number {
    return this.endpoint.takeError();
  }

  override setError(err: number): void {
    this.endpoint.error = err;
  }

  override isListening(): boolean {
    return this.endpoint.state === LISTENING;
  }

  override peerCredentials(): PeerCredentials | null {
    return this.endpoint.peerCredentials;
  }

  override sendAllocated(): number {
    return this.endpoint.allocated;
  }

  override buffersChanged(): void {
    this.endpoint.wakeWriters();
  }

  override setPeekOffset(offset: number): number {
    this.options.peekOffset = offset;
    return 0;
  }

  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    const ep = this.endpoint;
    switch (cmd) {
      case SIOCOUTQ:
        t.copyOutI32(args.u64(2), ep.allocated);
        return 0;
      case SIOCINQ: {
        if (ep.state === LISTENING) return -errno.EINVAL;
        const first = ep.packets.head;
        const n = ep.isConnectionOriented() ? ep.unread : first === null ? 0 : first.length;
        t.copyOutI32(args.u64(2), n);
        return 0;
      }
      case SIOCATMARK: {
        if (this.type !== SOCK_STREAM) return -errno.EOPNOTSUPP;
        t.copyOutI32(args.u64(2), this.atMark() ? 1 : 0);
        return 0;
      }
      case SIOCUNIXFILE:
        return this.openName(t);
      default:
        throw linuxerr.ENOTTY;
    }
  }

  /** Whether the out-of-band byte comes next. */
  atMark(): boolean {
    const ep = this.endpoint;
    const p = ep.packets.head;
    if (p === null) return false;
    return p === ep.urgent || (p.unread() === 0 && (ep.urgent === null || p.next === ep.urgent));
  }

  /** SIOCUNIXFILE: an O_PATH descriptor of the file the socket is bound to. */
  openName(t: Task): number {
    const ep = this.endpoint;
    if (!t.creds.hasCapabilityIn(CAP_NET_ADMIN, ep.namespace.userNamespace)) return -errno.EPERM;
    if (ep.place === null) return -errno.ENOENT;
    const file = new OPathFileDescription(ep.place, O_PATH);
    try {
      return t.newFD(file, true);
    } finally {
      file.decRef();
    }
  }

  // ---- readiness

  override readiness(mask: number): number {
    return this.endpoint.readiness(mask);
  }

  override eventRegister(e: Entry): void {
    this.endpoint.queue.eventRegister(e);
  }

  override eventUnregister(e: Entry): void {
    this.endpoint.queue.eventUnregister(e);
  }

  override fdInfo(): string {
    const ep = this.endpoint;
    let n = 0;
    if (ep.type === SOCK_DGRAM || ep.state === ESTABLISHED) n = ep.passedFiles;
    else if (ep.state === LISTENING) {
      for (let p = ep.packets.head; p !== null; p = p.next) n += p.connection?.passedFiles ?? 0;
    }
    return `scm_fds: ${n}\n`;
  }
}
