import { CLONE_NEWUTS } from "../../abi/linux/clone.ts";
import { stateType } from "../../state/index.ts";
import { EventErr, EventPri, Queue } from "../../waiter/index.ts";
import { Namespace, UCOUNT_UTS_NAMESPACES, type UserNamespace } from "./auth/index.ts";

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
export class UTSNamespace extends Namespace {
  static override readonly stateType = stateType("kernel.UTSNamespace", [
    "hostName",
    "domainName",
    "userNamespace",
    "changes",
  ]);
  /** Change through setHostName. */
  hostName: string;
  /** Change through setDomainName. */
  domainName: string;
  readonly userNamespace: UserNamespace;
  /** Shared by all namespaces that came from one. */
  readonly changes: UTSChanges;

  constructor(
    hostName: string,
    domainName: string,
    userNamespace: UserNamespace,
    ino: number,
    changes: UTSChanges = new UTSChanges(),
  ) {
    super(ino);
    this.hostName = hostName;
    this.domainName = domainName;
    this.userNamespace = userNamespace;
    this.changes = changes;
    userNamespace.incRef();
  }

  override cloneFlag(): number {
    return CLONE_NEWUTS;
  }

  override kindName(): string {
    return "uts";
  }

  override countedAs(): number {
    return UCOUNT_UTS_NAMESPACES;
  }

  override governor(): UserNamespace {
    return this.userNamespace;
  }

  override release(): void {}

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
