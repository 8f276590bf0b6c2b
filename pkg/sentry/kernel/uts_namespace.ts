import { stateType } from "../../state/index.ts";
import type { UserNamespace } from "./auth/index.ts";

/** A UTS namespace: host and domain name, byte strings of at most 64 bytes. */
export class UTSNamespace {
  static readonly stateType = stateType("kernel.UTSNamespace", ["hostName", "domainName", "userNamespace", "ino"]);
  hostName: string;
  domainName: string;
  readonly userNamespace: UserNamespace;
  /** Inode number on nsfs. */
  readonly ino: number;

  constructor(hostName: string, domainName: string, userNamespace: UserNamespace, ino: number) {
    this.hostName = hostName;
    this.domainName = domainName;
    this.userNamespace = userNamespace;
    this.ino = ino;
  }

  /** A copy for a new namespace. */
  fork(userNamespace: UserNamespace, ino: number): UTSNamespace {
    return new UTSNamespace(this.hostName, this.domainName, userNamespace, ino);
  }
}
