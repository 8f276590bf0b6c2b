import { SUN_PATH } from "../../../../abi/linux/socket.ts";
import { stateType } from "../../../../state/index.ts";

/** The name of a unix socket; immutable, shared by a listener and what it accepts. */
export class UnixAddress {
  static readonly stateType = stateType("unix.UnixAddress", ["bytes"]);
  /** A whole sockaddr_un, as getsockname(2) shows it: with the final zero of a pathname. */
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Whether the name is not in the filesystem. */
  isAbstract(): boolean {
    return this.bytes[SUN_PATH] === 0;
  }

  /** As /proc/net/unix shows it: zeros as "@". */
  display(): string {
    const end = this.isAbstract() ? this.bytes.length : this.bytes.length - 1;
    let s = "";
    for (let i = SUN_PATH; i < end; i++) {
      const c = this.bytes[i] ?? 0;
      s += c === 0 ? "@" : String.fromCharCode(c);
    }
    return s;
  }
}
