import { CLONE_NEWNS } from "../../abi/linux/clone.ts";
import { MNT_NS_INIT_INO } from "../../abi/linux/nsfs.ts";
import { stateType } from "../../state/index.ts";
import { EventErr, EventPri, Queue } from "../../waiter/index.ts";
import type { UserNamespace } from "../kernel/auth/index.ts";
import type { Mount } from "./mount.ts";
import { Namespace, UCOUNT_MNT_NAMESPACES } from "./namespace.ts";
import type { VirtualDentry } from "./virtual_dentry.ts";

/** A tree of mounts that a set of tasks sees: mount_namespaces(7). */
export class MountNamespace extends Namespace {
  static override readonly stateType = stateType("vfs.MountNamespace", [
    "root",
    "mountCount",
    "owner",
    "changeQueue",
    "changes",
  ]);
  /** The root mount's root. */
  root: VirtualDentry;
  /** Mounts in the tree: bounded like /proc/sys/fs/mount-max. */
  mountCount = 1;
  /** The user namespace it belongs to. */
  owner: UserNamespace;
  /** Notified at every change, for those who poll /proc/[pid]/mounts. */
  readonly changeQueue: Queue = new Queue();
  /** Grows with every change. */
  changes = 0;

  constructor(root: Mount, owner: UserNamespace, ino: number = MNT_NS_INIT_INO) {
    super(ino);
    owner.incRef();
    this.root = root.rootVD;
    this.owner = owner;
    root.ns = this;
    root.fs.vfs.mountCount++;
  }

  /** A mount came, went or changed. */
  changed(): void {
    this.changes++;
    this.changeQueue.notify(EventErr | EventPri);
  }

  override cloneFlag(): number {
    return CLONE_NEWNS;
  }

  override kindName(): string {
    return "mnt";
  }

  override countedAs(): number {
    return UCOUNT_MNT_NAMESPACES;
  }

  override governor(): UserNamespace {
    return this.owner;
  }

  /** What "/" is: what is mounted on top of the root. */
  visibleRoot(): VirtualDentry {
    let vd = this.root;
    for (let m = vd.mount.children.get(vd.dentry); m !== undefined; m = vd.mount.children.get(vd.dentry)) vd = m.rootVD;
    return vd;
  }

  /** The whole tree is taken down. */
  override release(): void {
    this.root.mount.fs.vfs.umountTree(this.root.mount, false);
  }
}
