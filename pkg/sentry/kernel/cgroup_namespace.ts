import { CLONE_NEWCGROUP } from "../../abi/linux/clone.ts";
import { stateType } from "../../state/index.ts";
import { Namespace, UCOUNT_CGROUP_NAMESPACES, type UserNamespace } from "./auth/index.ts";

/** A cgroup namespace (cgroup_namespaces(7)). There is only the root group, so all of them show the same. */
export class CgroupNamespace extends Namespace {
  static override readonly stateType = stateType("kernel.CgroupNamespace", ["userNamespace"]);
  readonly userNamespace: UserNamespace;

  constructor(userNamespace: UserNamespace, ino: number) {
    super(ino);
    this.userNamespace = userNamespace;
    userNamespace.incRef();
  }

  override cloneFlag(): number {
    return CLONE_NEWCGROUP;
  }

  override kindName(): string {
    return "cgroup";
  }

  override countedAs(): number {
    return UCOUNT_CGROUP_NAMESPACES;
  }

  override governor(): UserNamespace {
    return this.userNamespace;
  }

  override release(): void {}
}
