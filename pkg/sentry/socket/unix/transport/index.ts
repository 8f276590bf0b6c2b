/**
 * Package transport is what is under unix sockets: endpoints, their queues of packets, names, and the collector of sockets that only keep
 * each other alive. An endpoint lives from socket(2) (or connect(2), for the accepting side) until its description is released; nothing
 * here blocks or yields.
 */
export { UnixAddress } from "./address.ts";
export { connectDatagram, receiveDatagram, sendDatagram } from "./datagram.ts";
export {
  CLOSED,
  ESTABLISHED,
  LISTENING,
  RECEIVE_SHUTDOWN,
  SEND_SHUTDOWN,
  UnixEndpoint,
} from "./endpoint.ts";
export { Collector } from "./garbage.ts";
export { UnixNames } from "./name_table.ts";
export { autobind, bindName, findEndpoint, validateName } from "./names.ts";
export { Packet, PacketQueue } from "./packet.ts";
export { connectStream, receiveStream, sendStream } from "./stream.ts";
export { unixSocketTable } from "./table.ts";
