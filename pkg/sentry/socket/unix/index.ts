/**
 * Package unix is AF_UNIX (unix(7)): stream, datagram and seqpacket sockets. UnixSocket is the description; what it does is in
 * transport. A name in the filesystem leads to its endpoint by Inode.boundEndpoint; abstract names belong to the network namespace.
 */
export { UnixProvider } from "./provider.ts";
export { UnixSocket } from "./unix.ts";
