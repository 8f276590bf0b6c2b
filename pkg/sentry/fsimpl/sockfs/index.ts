/**
 * Package sockfs is the internal filesystem of sockets: every socket has an inode of its own here, shown as "socket:[N]". Owner, mode and
 * times are attributes like any file's; what a socket does is in pkg/sentry/socket.
 */
export { SocketInode, SockFS } from "./sockfs.ts";
