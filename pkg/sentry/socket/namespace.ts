import { CLONE_NEWNET } from "../../abi/linux/clone.ts";
import { SK_RMEM_DEFAULT, SK_RMEM_MAX, SK_WMEM_DEFAULT, SK_WMEM_MAX, SOMAXCONN } from "../../abi/linux/socket.ts";
import { stateType } from "../../state/index.ts";
import { Namespace, UCOUNT_NET_NAMESPACES, type UserNamespace } from "../kernel/auth/index.ts";
import { UnixNames } from "./unix/transport/name_table.ts";

/** A network namespace (network_namespaces(7)): the scope of abstract socket names, of limits under /proc/sys/net and of CAP_NET_*. */
export class NetworkNamespace extends Namespace {
  static override readonly stateType = stateType("socket.NetworkNamespace", [
    "userNamespace",
    "unix",
    "somaxconn",
    "wmemDefault",
    "wmemMax",
    "rmemDefault",
    "rmemMax",
    "lastCookie",
  ]);
  readonly userNamespace: UserNamespace;
  readonly unix: UnixNames = new UnixNames();
  /** /proc/sys/net/core/somaxconn. */
  somaxconn = SOMAXCONN;
  /** /proc/sys/net/core/{w,r}mem_{default,max}. */
  wmemDefault = SK_WMEM_DEFAULT;
  wmemMax = SK_WMEM_MAX;
  rmemDefault = SK_RMEM_DEFAULT;
  rmemMax = SK_RMEM_MAX;
  /** SO_COOKIE given out last. */
  lastCookie = 0;

  constructor(userNamespace: UserNamespace, ino: number) {
    super(ino);
    this.userNamespace = userNamespace;
    userNamespace.incRef();
  }

  override cloneFlag(): number {
    return CLONE_NEWNET;
  }

  override kindName(): string {
    return "net";
  }

  override countedAs(): number {
    return UCOUNT_NET_NAMESPACES;
  }

  override governor(): UserNamespace {
    return this.userNamespace;
  }

  override release(): void {}
}
