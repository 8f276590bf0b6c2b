import { stateType } from "../../state/index.ts";
import { EventErr, EventPri, Queue } from "../../waiter/index.ts";
import type { UserNamespace } from "./auth/index.ts";

/** Changes of names in any UTS namespace: as in Linux, those who poll /proc/sys/kernel/{host,domain}name hear of all. */
export class UTSChanges {
  static readonly stateType = stateType("kernel.UTSChanges", ["queue", "hostNames", "domainNames"]);
  readonly queue: Queue = new Queue();
  /** How often a host name was set. */
  hostNames = 0;
  /** How often a domain name was set. */
  domainNames = 0;
}

/** A UTS namespace: host and domain name, byte strings of at most 64 bytes. */
export class UTSNamespace {
  static readonly stateType = stateType("kernel.UTSNamespace", [
    "hostName",
    "domainName",
    "userNamespace",
    "ino",
    "changes",
  ]);
  /** Change through setHostName. */
  hostName: string;
  /** Change through setDomainName. */
  domainName: string;
  readonly userNamespace: UserNamespace;
  /** Inode number on nsfs. */
  readonly ino: number;
  /** Shared by all namespaces that came from one. */
  readonly changes: UTSChanges;

  constructor(
    hostName: string,
    domainName: string,
    userNamespace: UserNamespace,
    ino: number,
    changes: UTSChanges = new UTSChanges(),
  ) {
    this.hostName = hostName;
    this.domainName = domainName;
    this.userNamespace = userNamespace;
    this.ino = ino;
    this.changes = changes;
  }

  /** sethostname(2). */
  setHostName(name: string): void {
    this.hostName = name;
    this.changes.hostNames++;
    this.changes.queue.notify(EventErr | EventPri);
  }

  /** setdomainname(2). */
  setDomainName(name: string): void {
    this.domainName = name;
    this.changes.domainNames++;
    this.changes.queue.notify(EventErr | EventPri);
  }

  /** A copy for a new namespace. */
  fork(userNamespace: UserNamespace, ino: number): UTSNamespace {
    return new UTSNamespace(this.hostName, this.domainName, userNamespace, ino, this.changes);
  }
}
