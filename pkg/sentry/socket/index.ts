/**
 * Package socket is what all socket families share: the file description (Socket), the messages that system calls hand to it, options of
 * level SOL_SOCKET, ancillary data, and the registry of families (SocketSystem, one per kernel). Nothing here blocks: what would block
 * returns -EAGAIN and says in the message which queue to wait on.
 */
export { BufferPool } from "./buffer_pool.ts";
export { Message } from "./message.ts";
export { NetworkNamespace } from "./namespace.ts";
export { FOREVER, SocketOptions } from "./options.ts";
export { PeerCredentials, Socket } from "./socket.ts";
export { getSocketOption, setSocketOption } from "./sockopt.ts";
export { type SocketProvider, SocketSystem, socketSystem, unixSockets } from "./system.ts";
