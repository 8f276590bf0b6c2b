/** Sockets: what descriptor passing, control connections and host networking need. Results are >= 0 or a negative errno. */
import { ptr } from "bun:ffi";
import { pinnedBytes } from "../../native/index.ts";
import { AF_UNIX, SCM_RIGHTS, SOL_SOCKET } from "../abi/linux/socket.ts";
import * as nr from "../abi/linux/syscalls.ts";
import { stateType } from "../state/index.ts";
import type { IovecArray } from "./iovec.ts";
import { byteString, put64, scratch, scratchAddress, span, sys3, sys6, whole } from "./raw.ts";

/** The most descriptors one message carries (SCM_MAX_FD). */
export const SCM_MAX_FD = 253;

/** socket(2). */
export function socket(domain: number, type: number, protocol: number): number {
  return sys3(nr.SYS_socket, domain, type, protocol);
}

/** socketpair(2) into out[0] and out[1]. */
export function socketpair(domain: number, type: number, protocol: number, out: Int32Array | number[]): number {
  const r = sys6(nr.SYS_socketpair, domain, type, protocol, scratchAddress, 0, 0);
  if (r === 0) {
    out[0] = scratch[0] ?? 0;
    out[1] = scratch[1] ?? 0;
  }
  return r;
}

/** bind(2) to the bytes of a sockaddr. */
export function bind(fd: number, address: Uint8Array): number {
  return sys3(nr.SYS_bind, fd, whole(address), address.length);
}

/** connect(2). */
export function connect(fd: number, address: Uint8Array): number {
  return sys3(nr.SYS_connect, fd, whole(address), address.length);
}

/** listen(2). */
export function listen(fd: number, backlog: number): number {
  return sys3(nr.SYS_listen, fd, backlog, 0);
}

/** accept4(2); the peer's address is dropped. */
export function accept4(fd: number, flags: number): number {
  return sys6(nr.SYS_accept4, fd, 0, 0, flags, 0, 0);
}

/** shutdown(2). */
export function shutdown(fd: number, how: number): number {
  return sys3(nr.SYS_shutdown, fd, how, 0);
}

/** getsockopt(2): bytes put into out. */
export function getsockopt(fd: number, level: number, name: number, out: Uint8Array): number {
  scratch[0] = out.length;
  const r = sys6(nr.SYS_getsockopt, fd, level, name, whole(out), scratchAddress, 0);
  return r < 0 ? r : (scratch[0] ?? 0);
}

/** setsockopt(2). */
export function setsockopt(fd: number, level: number, name: number, value: Uint8Array): number {
  return sys6(nr.SYS_setsockopt, fd, level, name, whole(value), value.length, 0);
}

/** getsockname(2): length of the address (more than out.length when it was cut). */
export function getsockname(fd: number, out: Uint8Array): number {
  scratch[0] = out.length;
  const r = sys3(nr.SYS_getsockname, fd, whole(out), scratchAddress);
  return r < 0 ? r : (scratch[0] ?? 0);
}

/** getpeername(2): length of the address. */
export function getpeername(fd: number, out: Uint8Array): number {
  scratch[0] = out.length;
  const r = sys3(nr.SYS_getpeername, fd, whole(out), scratchAddress);
  return r < 0 ? r : (scratch[0] ?? 0);
}

/** sendto(2); `address` null for a connected socket. */
export function sendto(
  fd: number,
  buf: Uint8Array,
  off: number,
  len: number,
  flags: number,
  address: Uint8Array | null,
): number {
  return sys6(nr.SYS_sendto, fd, span(buf, off, len), len, flags, whole(address), address?.length ?? 0);
}

/** recvfrom(2) without the sender's address. */
export function recv(fd: number, buf: Uint8Array, off: number, len: number, flags: number): number {
  return sys6(nr.SYS_recvfrom, fd, span(buf, off, len), len, flags, 0, 0);
}

/** The sockaddr_un of a path (byte string). A name that starts with NUL is abstract. Null when it does not fit (107 bytes). */
export function unixAddress(path: string): Uint8Array<ArrayBuffer> | null {
  const abstract = path.charCodeAt(0) === 0;
  if (path.length === 0 || path.length > (abstract ? 108 : 107)) {
    return null;
  }
  const b = pinnedBytes(2 + path.length + (abstract ? 0 : 1));
  b[0] = AF_UNIX;
  for (let i = 0; i < path.length; i++) {
    b[2 + i] = path.charCodeAt(i);
  }
  return b;
}

/** A struct msghdr with its control buffer, for sendmsg and recvmsg. Point it at an IovecArray, a name buffer and control bytes. */
export class HostMsghdr {
  static readonly stateType = stateType("hostsyscall.HostMsghdr", [], ["words", "address", "name", "control"]);
  readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(new ArrayBuffer(56));
  readonly address: number = ptr(this.words);
  /** Socket address bytes. */
  readonly name: Uint8Array<ArrayBuffer> = pinnedBytes(128);
  /** Control bytes. */
  readonly control: Uint8Array<ArrayBuffer>;

  constructor(controlCapacity: number) {
    this.control = pinnedBytes(Math.max(16, controlCapacity));
  }

  /** Prepares a call: how many bytes of `name` and `control` are given (send) or may be filled (receive). */
  prepare(iov: IovecArray, nameLength: number, controlLength: number): void {
    if (nameLength > this.name.length || controlLength > this.control.length) {
      throw new RangeError("HostMsghdr.prepare");
    }
    const w = this.words;
    put64(w, 0, nameLength === 0 ? 0 : ptr(this.name));
    put64(w, 2, nameLength);
    put64(w, 4, iov.address);
    put64(w, 6, iov.count);
    put64(w, 8, controlLength === 0 ? 0 : ptr(this.control));
    put64(w, 10, controlLength);
    put64(w, 12, 0);
  }

  /** After recvmsg: length of the sender's address. */
  get nameLength(): number {
    return this.words[2] ?? 0;
  }
  /** After recvmsg: control bytes received. */
  get controlLength(): number {
    return this.words[10] ?? 0;
  }
  /** After recvmsg: MSG_* flags. */
  get flags(): number {
    return this.words[12] ?? 0;
  }
}

/** sendmsg(2). */
export function sendmsg(fd: number, msg: HostMsghdr, flags: number): number {
  return sys3(nr.SYS_sendmsg, fd, msg.address, flags);
}

/** recvmsg(2). */
export function recvmsg(fd: number, msg: HostMsghdr, flags: number): number {
  return sys3(nr.SYS_recvmsg, fd, msg.address, flags);
}

/** Sends data (at least one byte) with descriptors (SCM_RIGHTS). Bytes sent, or a negative errno. */
export function sendFDs(fd: number, data: Uint8Array, fds: readonly number[], flags = 0): number {
  if (fds.length > SCM_MAX_FD) {
    return -22;
  }
  const control = new Uint32Array(new ArrayBuffer(fds.length === 0 ? 8 : 16 + ((fds.length + 1) & ~1) * 4));
  put64(control, 0, 16 + fds.length * 4);
  if (fds.length > 0) {
    control[2] = SOL_SOCKET;
    control[3] = SCM_RIGHTS;
    control.set(fds, 4);
  }
  const m = new Uint32Array(new ArrayBuffer(80));
  const at = ptr(m);
  put64(m, 4, at + 56);
  put64(m, 6, 1);
  put64(m, 8, fds.length === 0 ? 0 : ptr(control));
  put64(m, 10, fds.length === 0 ? 0 : control.byteLength);
  put64(m, 14, data.length === 0 ? 0 : ptr(data));
  put64(m, 16, data.length);
  // The addresses in m do not keep their buffers alive, but nothing is allocated, so nothing collected, before the call returns.
  return sys3(nr.SYS_sendmsg, fd, at, flags);
}

/** Receives data and descriptors. Bytes received (0: end), or a negative errno; descriptors are appended to `fds`, close-on-exec. */
export function recvFDs(fd: number, data: Uint8Array, fds: number[], flags = 0): number {
  const MSG_CMSG_CLOEXEC = 0x40000000;
  const control = new Uint32Array(new ArrayBuffer(16 + (SCM_MAX_FD + 1) * 4));
  const m = new Uint32Array(new ArrayBuffer(80));
  const at = ptr(m);
  put64(m, 4, at + 56);
  put64(m, 6, 1);
  put64(m, 8, ptr(control));
  put64(m, 10, control.byteLength);
  put64(m, 14, data.length === 0 ? 0 : ptr(data));
  put64(m, 16, data.length);
  const r = sys3(nr.SYS_recvmsg, fd, at, flags | MSG_CMSG_CLOEXEC);
  if (r >= 0) {
    const end = (m[10] ?? 0) >> 2;
    let i = 0;
    while (i + 4 <= end) {
      const length = control[i] ?? 0;
      if (length < 16) {
        break;
      }
      if (control[i + 2] === SOL_SOCKET && control[i + 3] === SCM_RIGHTS) {
        for (let k = 4; k < length >> 2; k++) {
          fds.push((control[i + k] ?? 0) | 0);
        }
      }
      i += ((length + 7) & ~7) >> 2;
    }
  }
  return r;
}

/** Credentials of the process at the other end of a unix socket (SO_PEERCRED): pid, uid, gid; null when it cannot be told. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } | null {
  const SO_PEERCRED = 17;
  const out = pinnedBytes(12);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, out) !== 12) {
    return null;
  }
  const w = new Int32Array(out.buffer);
  return { pid: w[0] ?? 0, uid: (w[1] ?? 0) >>> 0, gid: (w[2] ?? 0) >>> 0 };
}

/** The path of a sockaddr_un of `length` bytes as a byte string; "" when unnamed. */
export function unixPath(address: Uint8Array, length: number): string {
  if (length <= 2) {
    return "";
  }
  const s = byteString(address, 2, Math.min(length, address.length));
  return s.charCodeAt(0) === 0 ? s : (s.split("\0", 1)[0] ?? "");
}
