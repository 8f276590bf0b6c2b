import { stateType } from "../../../../state/index.ts";
import type { UnixEndpoint } from "./endpoint.ts";

/** The unix sockets of a network namespace. */
export class UnixNames {
  static readonly stateType = stateType("unix.UnixNames", ["abstract", "endpoints", "maxDatagrams"]);
  /** Sockets with abstract names, by type (one character) and name. */
  readonly abstract: Map<string, UnixEndpoint> = new Map();
  /** All of them, for /proc/net/unix. */
  readonly endpoints: Set<UnixEndpoint> = new Set();
  /** Datagrams that wait at a socket whose peer is another one (/proc/sys/net/unix/max_dgram_qlen). */
  maxDatagrams = 10;
}
