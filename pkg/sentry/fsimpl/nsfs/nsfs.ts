import * as errno from "../../../abi/linux/errno.ts";
import { O_ACCMODE, O_CLOEXEC, O_RDONLY } from "../../../abi/linux/file.ts";
import { NSFS_MAGIC } from "../../../abi/linux/fs.ts";
import * as linux from "../../../abi/linux/nsfs.ts";
import { makeDeviceID, S_IFREG } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { type Namespace, UserNamespace } from "../../kernel/auth/index.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { PIDNamespace } from "../../kernel/pid_namespace.ts";
import type { SyscallArguments } from "../../kernel/syscalls.ts";
import type { Task } from "../../kernel/task.ts";
import { Dentry } from "../../vfs/dentry.ts";
import {
  FileDescription,
  Filesystem,
  Inode,
  type Mount,
  type Statfs,
  type Statx,
  VirtualDentry,
  type VirtualFilesystem,
} from "../../vfs/index.ts";

/** The one instance of nsfs. */
export class NSFilesystem extends Filesystem {
  static override readonly stateType = stateType("nsfs.NSFilesystem", ["mount"]);
  override readonly type = "nsfs";
  readonly mount: Mount;

  constructor(vfs: VirtualFilesystem) {
    super(vfs);
    const root = this.setRoot(new NSRoot(this, 1));
    this.mount = vfs.newDisconnectedMount(this, root, "nsfs", 0);
    this.mount.refs++;
  }

  override statFS(out: Statfs): void {
    out.type = NSFS_MAGIC;
  }
}

/** The root directory, which nobody ever sees. */
export class NSRoot extends Inode {
  static override readonly stateType = stateType("nsfs.NSRoot", []);

  override mode(): number {
    return 0o555;
  }

  override uid(): number {
    return 0;
  }

  override gid(): number {
    return 0;
  }

  override stat(out: Statx): void {
    out.reset();
  }
}

/** The file of a namespace. */
export class NSInode extends Inode {
  static override readonly stateType = stateType("nsfs.NSInode", ["namespace"]);
  readonly namespace: Namespace;

  constructor(fs: NSFilesystem, namespace: Namespace) {
    super(fs, namespace.ino);
    this.namespace = namespace;
  }

  override mode(): number {
    return S_IFREG | 0o444;
  }

  override uid(): number {
    return 0;
  }

  override gid(): number {
    return 0;
  }

  override stat(out: Statx): void {
    out.reset();
    out.mode = this.mode();
    out.ino = this.ino;
    out.dev = makeDeviceID(0, this.fs.devMinor);
  }

  override specialName(): string {
    return this.namespace.fileName();
  }

  override boundNamespace(): Namespace {
    return this.namespace;
  }

  override open(vd: VirtualDentry, flags: number): FileDescription {
    // The file is immutable.
    if ((flags & O_ACCMODE) !== O_RDONLY) throw linuxerr.EPERM;
    return new NSFileDescription(vd, flags, this.namespace);
  }

  override release(): void {
    this.namespace.dentryReleased();
  }
}

/** An open namespace. */
export class NSFileDescription extends FileDescription {
  static override readonly stateType = stateType("nsfs.NSFileDescription", ["namespace"]);
  readonly namespace: Namespace;

  constructor(vd: VirtualDentry, flags: number, namespace: Namespace) {
    super(vd, flags);
    this.namespace = namespace;
  }

  /** ioctl_nsfs(2). */
  override ioctl(t: Task, cmd: number, args: SyscallArguments): number {
    const ns = this.namespace;
    switch (cmd) {
      case linux.NS_GET_USERNS:
        return openRelated(t, ownerFor(t, ns));
      case linux.NS_GET_PARENT:
        if (ns instanceof UserNamespace) return openRelated(t, ownerFor(t, ns));
        return ns instanceof PIDNamespace ? openRelated(t, parentFor(t, ns)) : -errno.EINVAL;
      case linux.NS_GET_NSTYPE:
        return ns.cloneFlag();
      case linux.NS_GET_OWNER_UID:
        if (!(ns instanceof UserNamespace)) return -errno.EINVAL;
        t.copyOutU32(args.u64(2), t.creds.userNamespace.uidOrOverflow(ns.owner));
        return 0;
      case linux.NS_GET_PID_FROM_PIDNS:
      case linux.NS_GET_TGID_FROM_PIDNS:
      case linux.NS_GET_PID_IN_PIDNS:
      case linux.NS_GET_TGID_IN_PIDNS:
        return ns instanceof PIDNamespace ? translate(t, ns, cmd, args.i32(2)) : -errno.EINVAL;
      default:
        return super.ioctl(t, cmd, args);
    }
  }
}

/** The user namespace that governs `ns`; EPERM when it is not the caller's or below. */
function ownerFor(t: Task, ns: Namespace): UserNamespace {
  const owner = ns.governor();
  if (owner === null || !owner.isWithin(t.creds.userNamespace)) throw linuxerr.EPERM;
  return owner;
}

/** The parent of a PID namespace; EPERM when the caller's is not it or above it. */
function parentFor(t: Task, ns: PIDNamespace): PIDNamespace {
  const p = ns.parent;
  if (p === null || !t.pidNamespace.contains(p)) throw linuxerr.EPERM;
  return p;
}

/** NS_GET_*_PIDNS: a process id in the caller's namespace from one in `ns`, or the other way round; -ESRCH. */
function translate(t: Task, ns: PIDNamespace, cmd: number, id: number): number {
  const isFrom = cmd === linux.NS_GET_PID_FROM_PIDNS || cmd === linux.NS_GET_TGID_FROM_PIDNS;
  const target = (isFrom ? ns : t.pidNamespace).taskWithID(id);
  if (target === null) return -errno.ESRCH;
  const to = isFrom ? t.pidNamespace : ns;
  const isThread = cmd === linux.NS_GET_PID_FROM_PIDNS || cmd === linux.NS_GET_PID_IN_PIDNS;
  const r = isThread ? to.idOfTask(target) : to.idOfThreadGroup(target.threadGroup);
  return r === 0 ? -errno.ESRCH : r;
}

function openRelated(t: Task, ns: Namespace): number {
  const file = new NSFileDescription(namespacePlace(t.kernel, ns), O_RDONLY | O_CLOEXEC, ns);
  try {
    return t.newFD(file, true);
  } finally {
    file.decRef();
  }
}

/** The file of a namespace. Good until the next system call unless a reference is taken, as any place. */
export function namespacePlace(k: Kernel, ns: Namespace): VirtualDentry {
  if (k.nsfs === null) k.nsfs = new NSFilesystem(k.vfs);
  if (ns.dentry === null) ns.dentry = new Dentry(k.nsfs, null, ns.fileName(), new NSInode(k.nsfs, ns));
  return new VirtualDentry(k.nsfs.mount, ns.dentry);
}
