import {
  __SO_ACCEPTCON,
  SS_CONNECTED,
  SS_CONNECTING,
  SS_DISCONNECTING,
  SS_UNCONNECTED,
} from "../../../../abi/linux/socket.ts";
import { ESTABLISHED, LISTENING, type UnixEndpoint } from "./endpoint.ts";
import type { UnixNames } from "./name_table.ts";

const HEADER = "Num       RefCount Protocol Flags    Type St Inode Path\n";

/** /proc/net/unix of a network namespace; a byte string. Addresses of kernel objects are not shown: they are zero. */
export function unixSocketTable(names: UnixNames): string {
  let s = HEADER;
  for (const ep of names.endpoints) s += line(ep);
  return s;
}

function hex(n: number, digits: number): string {
  return n.toString(16).toUpperCase().padStart(digits, "0");
}

function line(ep: UnixEndpoint): string {
  const refs = 2 + (ep.peer === null ? 0 : 1);
  const flags = ep.state === LISTENING ? __SO_ACCEPTCON : 0;
  const up = ep.state === ESTABLISHED;
  const accepted = ep.socket !== null;
  const state = accepted ? (up ? SS_CONNECTED : SS_UNCONNECTED) : up ? SS_CONNECTING : SS_DISCONNECTING;
  const ino = ep.socket === null ? 0 : ep.socket.inode.ino;
  let s = `0000000000000000: ${hex(refs, 8)} 00000000 ${hex(flags, 8)} ${hex(ep.type, 4)} ${hex(state, 2)} `;
  s += String(ino).padStart(5);
  if (ep.address !== null) s += ` ${ep.address.display()}`;
  return `${s}\n`;
}
