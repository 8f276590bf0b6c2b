import * as errno from "../../../../abi/linux/errno.ts";
import { AF_UNIX, SIZEOF_SOCKADDR_UN, SUN_PATH } from "../../../../abi/linux/socket.ts";
import { S_IFMT, S_IFSOCK } from "../../../../abi/linux/stat.ts";
import * as linuxerr from "../../../../errors/linuxerr/index.ts";
import type { Task } from "../../../kernel/task.ts";
import { MAY_WRITE, PathOperation } from "../../../vfs/index.ts";
import type { Message } from "../../message.ts";
import { UnixAddress } from "./address.ts";
import { UnixEndpoint } from "./endpoint.ts";

/** Names autobind can give: five hexadecimal digits. */
const AUTO_NAMES = 0x100000;

/** Whether message.name can be a unix socket's name: 0 or -EINVAL. */
export function validateName(m: Message): number {
  if (m.nameLength <= SUN_PATH || m.nameLength > SIZEOF_SOCKADDR_UN || m.family() !== AF_UNIX) return -errno.EINVAL;
  return 0;
}

function keyOf(type: number, bytes: Uint8Array, length: number): string {
  let s = String.fromCharCode(type);
  for (let i = SUN_PATH; i < length; i++) s += String.fromCharCode(bytes[i] ?? 0);
  return s;
}

/** The pathname in message.name, a byte string. */
function pathOf(m: Message): string {
  let s = "";
  for (let i = SUN_PATH; i < m.nameLength; i++) {
    const c = m.name[i] ?? 0;
    if (c === 0) break;
    s += String.fromCharCode(c);
  }
  return s;
}

/** Whether message.name is an abstract name. */
function isAbstract(m: Message): boolean {
  return m.name[SUN_PATH] === 0;
}

/** Binds an endpoint to message.name, which was validated: 0, -EINVAL when it has a name, -EADDRINUSE, or what making a file throws. */
export function bindName(t: Task, ep: UnixEndpoint, m: Message): number {
  if (isAbstract(m)) {
    if (ep.address !== null) return -errno.EINVAL;
    const key = keyOf(ep.type, m.name, m.nameLength);
    const names = ep.namespace.unix;
    if (names.abstract.has(key)) return -errno.EADDRINUSE;
    ep.address = new UnixAddress(m.name.slice(0, m.nameLength));
    ep.abstractKey = key;
    names.abstract.set(key, ep);
    return 0;
  }
  const path = pathOf(m);
  const vfs = t.kernel.vfs;
  const pop = new PathOperation(t.fsContext.root, t.fsContext.cwd, path, false);
  const file = ep.socket;
  const perm = file === null ? 0o777 : file.inode.mode() & 0o7777;
  try {
    const vd = vfs.mknodAt(t.creds, pop, S_IFSOCK | (perm & ~t.fsContext.umask), 0);
    if (ep.address === null) {
      vd.incRef();
      vd.dentry.inode.boundEndpoint = ep;
      ep.place = vd;
      const bytes = new Uint8Array(SUN_PATH + path.length + 1);
      bytes[0] = AF_UNIX;
      for (let i = 0; i < path.length; i++) bytes[SUN_PATH + i] = path.charCodeAt(i);
      ep.address = new UnixAddress(bytes);
      return 0;
    }
  } catch (e) {
    if (e === linuxerr.EEXIST) return -errno.EADDRINUSE;
    throw e;
  }
  // Linux too makes the file before it finds that the socket has a name.
  vfs.unlinkAt(t.creds, pop);
  return -errno.EINVAL;
}

/** Gives a socket without a name an abstract one: 0 or -ENOSPC. */
export function autobind(ep: UnixEndpoint): number {
  if (ep.address !== null) return 0;
  const names = ep.namespace.unix;
  const first = Math.floor(Math.random() * AUTO_NAMES);
  for (let i = 0; i < AUTO_NAMES; i++) {
    const digits = ((first + i) % AUTO_NAMES).toString(16).padStart(5, "0");
    const key = `${String.fromCharCode(ep.type)}\0${digits}`;
    if (names.abstract.has(key)) continue;
    const bytes = new Uint8Array(SUN_PATH + 1 + digits.length);
    bytes[0] = AF_UNIX;
    for (let k = 0; k < digits.length; k++) bytes[SUN_PATH + 1 + k] = digits.charCodeAt(k);
    ep.address = new UnixAddress(bytes);
    ep.abstractKey = key;
    names.abstract.set(key, ep);
    return 0;
  }
  return -errno.ENOSPC;
}

/** The endpoint bound to message.name, which was validated: -ECONNREFUSED, -EPROTOTYPE, -EACCES, or what walking the path throws. */
export function findEndpoint(t: Task, ep: UnixEndpoint, m: Message): UnixEndpoint | number {
  if (isAbstract(m)) {
    return ep.namespace.unix.abstract.get(keyOf(ep.type, m.name, m.nameLength)) ?? -errno.ECONNREFUSED;
  }
  const pop = new PathOperation(t.fsContext.root, t.fsContext.cwd, pathOf(m), true);
  const vd = t.kernel.vfs.getDentryAt(t.creds, pop);
  const inode = vd.dentry.inode;
  const denied = inode.checkPermissions(t.creds, MAY_WRITE);
  if (denied !== 0) return denied;
  const other = inode.boundEndpoint;
  if ((inode.mode() & S_IFMT) !== S_IFSOCK || !(other instanceof UnixEndpoint)) return -errno.ECONNREFUSED;
  if (other.type !== ep.type) return -errno.EPROTOTYPE;
  vd.mount.touchAtime(inode, 0);
  return other;
}
