import * as errno from "../../abi/linux/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../../abi/linux/file.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL, SOL_SOCKET } from "../../abi/linux/socket.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { StateType } from "../../state/index.ts";
import { stateType } from "../../state/index.ts";
import type { Credentials } from "../kernel/auth/index.ts";
import type { PIDRef } from "../kernel/pid_ref.ts";
import type { Task } from "../kernel/task.ts";
import type { IOSequence } from "../usermem/index.ts";
import { FileDescription, type VirtualDentry } from "../vfs/index.ts";
import type { Message } from "./message.ts";
import type { SocketOptions } from "./options.ts";
import { getSocketOption, setSocketOption } from "./sockopt.ts";
import type { SocketSystem } from "./system.ts";

/** Who is at the other end of a connection: SO_PEERCRED. */
export class PeerCredentials {
  static readonly stateType = stateType("socket.PeerCredentials", ["pid", "creds"]);
  readonly pid: PIDRef;
  readonly creds: Credentials;

  constructor(pid: PIDRef, creds: Credentials) {
    this.pid = pid;
    this.creds = creds;
  }
}

/**
 * The description of a socket. Its methods never block. Those that may have to be tried again take a Message: when they could not do (all
 * of) their work they set message.wait, return -EAGAIN or what they did, and are called again with the same message once that queue
 * was notified. `flags` are MSG_*; with MSG_DONTWAIT the caller will not come back.
 */
export abstract class Socket extends FileDescription {
  static override readonly stateType: StateType = stateType("socket.Socket", ["system", "options"]);
  readonly system: SocketSystem;
  readonly options: SocketOptions;

  /** `flags`: O_NONBLOCK or 0. */
  constructor(system: SocketSystem, vd: VirtualDentry, flags: number, options: SocketOptions) {
    super(vd, O_RDWR | (flags & O_NONBLOCK));
    this.system = system;
    this.options = options;
  }

  /** AF_* */
  abstract readonly family: number;
  /** SOCK_* */
  abstract readonly type: number;
  /** SO_PROTOCOL. */
  abstract readonly protocol: number;

  /** bind(2) to message.name. 0 or a negative errno; may throw. */
  abstract bind(t: Task, m: Message): number;
  /** listen(2); the backlog is between 0 and somaxconn. */
  abstract listen(t: Task, backlog: number): number;
  /** Takes a connection: a new description with one reference, or a negative errno. */
  abstract accept(t: Task, m: Message, flags: number, nonblock: boolean): Socket | number;
  /** connect(2) to message.name. */
  abstract connect(t: Task, m: Message, nonblock: boolean): number;
  /** Puts the socket's own or its peer's address into the message: 0 or a negative errno. */
  abstract getName(m: Message, peer: boolean): number;
  /** shutdown(2). */
  abstract shutdown(how: number): number;
  /** Sends what the sequence has left; the bytes taken, or a negative errno. */
  abstract sendMessage(t: Task, src: IOSequence, m: Message, flags: number): number;
  /** Receives; the bytes that all attempts of the call together moved, or a negative errno. */
  abstract receiveMessage(t: Task, dst: IOSequence, m: Message, flags: number): number;
  /** SO_ERROR: the pending error (positive), which is cleared. */
  abstract takeError(): number;
  /** An error that the next call shall report. */
  abstract setError(err: number): void;
  /** SO_ACCEPTCONN. */
  abstract isListening(): boolean;
  /** SO_PEERCRED; null: nobody. */
  abstract peerCredentials(): PeerCredentials | null;
  /** Bytes of messages sent and not yet received, as Linux counts them. */
  abstract sendAllocated(): number;
  /** SO_SNDBUF or SO_RCVBUF was changed. */
  abstract buffersChanged(): void;

  /** getsockopt(2): stores the value at `addr` and its length at `lengthAddr`. */
  getOption(t: Task, level: number, name: number, addr: number, lengthAddr: number): number {
    if (level !== SOL_SOCKET) return -errno.EOPNOTSUPP;
    return getSocketOption(t, this, name, addr, lengthAddr);
  }

  /** setsockopt(2); the length is not negative. */
  setOption(t: Task, level: number, name: number, addr: number, length: number): number {
    if (level !== SOL_SOCKET) return -errno.EOPNOTSUPP;
    return setSocketOption(t, this, name, addr, length);
  }

  /** SO_PEEK_OFF. */
  setPeekOffset(_offset: number): number {
    return -errno.EOPNOTSUPP;
  }

  // ---- as a file; system calls use sendMessage and receiveMessage, so these serve splice(2) and its relatives

  override read(dst: IOSequence): number {
    if (dst.numBytes() === 0) return 0;
    const m = this.system.takeMessage();
    try {
      return this.receiveMessage(this.currentTask(), dst, m, MSG_DONTWAIT);
    } finally {
      this.system.putMessage(m);
    }
  }

  override write(src: IOSequence): number {
    const m = this.system.takeMessage();
    try {
      return this.sendMessage(this.currentTask(), src, m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } finally {
      this.system.putMessage(m);
    }
  }

  currentTask(): Task {
    const t = this.inode.fs.vfs.currentTask();
    if (t === null) throw linuxerr.EINVAL;
    return t;
  }

  override canPoll(): boolean {
    return true;
  }
}
