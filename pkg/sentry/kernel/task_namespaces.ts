import { CAP_SYS_ADMIN } from "../../abi/linux/capability.ts";
import * as linux from "../../abi/linux/clone.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import type { NetworkNamespace } from "../socket/index.ts";
import { NetworkNamespace as NewNetworkNamespace } from "../socket/namespace.ts";
import type { MountNamespace, VirtualDentry } from "../vfs/index.ts";
import {
  type Credentials,
  type Namespace,
  UCOUNT_CGROUP_NAMESPACES,
  UCOUNT_IPC_NAMESPACES,
  UCOUNT_MNT_NAMESPACES,
  UCOUNT_NET_NAMESPACES,
  UCOUNT_PID_NAMESPACES,
  UCOUNT_UTS_NAMESPACES,
} from "./auth/index.ts";
import { CgroupNamespace } from "./cgroup_namespace.ts";
import type { FSContext } from "./fs_context.ts";
import { IPCNamespace } from "./ipc_namespace.ts";
import type { Kernel } from "./kernel.ts";
import { PIDNamespace } from "./pid_namespace.ts";
import { exitSemaphores } from "./semaphore/index.ts";
import type { Task } from "./task.ts";
import { commitCreds } from "./task_creds.ts";
import type { UTSNamespace } from "./uts_namespace.ts";

/** The namespaces of a task besides its user namespace and its own PID namespace (Linux's nsproxy), each with a reference. */
export interface TaskNamespaces {
  mount: MountNamespace;
  uts: UTSNamespace;
  ipc: IPCNamespace;
  /** Where children go. */
  childPID: PIDNamespace;
  cgroup: CgroupNamespace;
  network: NetworkNamespace;
}

/** Namespaces to be, and where root and working directory are in the new mount namespace (null when that is the old one). */
export interface NewNamespaces {
  readonly namespaces: TaskNamespaces;
  readonly root: VirtualDentry | null;
  readonly cwd: VirtualDentry | null;
}

/** Flags for namespaces other than the user namespace. */
const PROXY_FLAGS = ((linux.CLONE_NS_FLAGS & ~linux.CLONE_NEWUSER) | linux.CLONE_NEWTIME) >>> 0;

/** The namespaces of a container's process. */
export function initialNamespaces(
  k: Kernel,
  pid: PIDNamespace,
  mount: MountNamespace,
  uts: UTSNamespace,
): TaskNamespaces {
  const n = {
    mount,
    uts,
    ipc: k.rootIPCNamespace,
    childPID: pid,
    cgroup: k.rootCgroupNamespace,
    network: k.rootNetworkNamespace,
  };
  incRefs(n);
  return n;
}

/** Those a task has now, without references. */
export function currentNamespaces(t: Task): TaskNamespaces {
  return {
    mount: t.mountNamespace,
    uts: t.utsNamespace,
    ipc: t.ipcNamespace,
    childPID: t.childPIDNamespace,
    cgroup: t.cgroupNamespace,
    network: t.networkNamespace,
  };
}

/** Takes a reference on each. */
export function incRefs(n: TaskNamespaces): void {
  n.mount.incRef();
  n.uts.incRef();
  n.ipc.incRef();
  n.childPID.incRef();
  n.cgroup.incRef();
  n.network.incRef();
}

/** Gives the references back. */
export function decRefs(n: TaskNamespaces): void {
  n.mount.decRef();
  n.uts.decRef();
  n.ipc.decRef();
  n.childPID.decRef();
  n.cgroup.decRef();
  n.network.decRef();
}

/** An exiting task leaves its namespaces. */
export function releaseNamespaces(t: Task): void {
  decRefs(currentNamespaces(t));
}

/** A task moves to other namespaces; their references are handed over. */
export function switchNamespaces(t: Task, n: TaskNamespaces): void {
  const old = currentNamespaces(t);
  t.mountNamespace = n.mount;
  t.utsNamespace = n.uts;
  t.ipcNamespace = n.ipc;
  t.childPIDNamespace = n.childPID;
  t.cgroupNamespace = n.cgroup;
  t.networkNamespace = n.network;
  decRefs(old);
}

/** Whether the task's root directory is not that of its mount namespace. */
function isChrooted(t: Task): boolean {
  return !t.fsContext.root.equals(t.mountNamespace.visibleRoot());
}

/** The caller's credentials in a new user namespace, whose maker's reference goes to who asks: CLONE_NEWUSER. ENOSPC, EPERM. */
export function newUserNamespace(t: Task): Credentials {
  // Who was locked into a part of the tree must not get out by capabilities of its own making.
  if (isChrooted(t)) throw linuxerr.EPERM;
  return t.creds.inNewUserNamespace(t.kernel.newNamespaceInode());
}

/** Makes a namespace that is charged to the user; ENOSPC when there are too many. */
function charged<T extends Namespace>(creds: Credentials, kind: number, make: () => T): T {
  const uid = creds.effectiveKUID;
  if (!creds.userNamespace.charge(uid, kind)) throw linuxerr.ENOSPC;
  try {
    const ns = make();
    ns.creator = uid;
    return ns;
  } catch (e) {
    creds.userNamespace.uncharge(uid, kind);
    throw e;
  }
}

/**
 * The namespaces that a child (clone) or the caller (unshare) will have: new ones for CLONE_NEW* flags, else those of the caller. `creds` are the credentials
 * to be, in a new user namespace perhaps, and `fs` the root and working directory to be found again. EPERM, EINVAL, ENOSPC.
 */
export function copyNamespaces(t: Task, flags: number, creds: Credentials, fs: FSContext): NewNamespaces {
  const n = currentNamespaces(t);
  let places: VirtualDentry[] = [];
  if ((flags & PROXY_FLAGS) !== 0) {
    if (!t.creds.hasCapabilityIn(CAP_SYS_ADMIN, creds.userNamespace)) throw linuxerr.EPERM;
    const made: Namespace[] = [];
    try {
      places = makeNamespaces(t, flags, creds, fs, n, made);
    } catch (e) {
      for (const ns of made) ns.decRef();
      throw e;
    }
    incRefs(n);
    for (const ns of made) ns.decRef();
  } else {
    incRefs(n);
  }
  return { namespaces: n, root: places[0] ?? null, cwd: places[1] ?? null };
}

/** Replaces what the flags ask for in `n`. Each new namespace goes to `made` with its maker's reference. */
function makeNamespaces(
  t: Task,
  flags: number,
  creds: Credentials,
  fs: FSContext,
  n: TaskNamespaces,
  made: Namespace[],
): VirtualDentry[] {
  const k = t.kernel;
  const user = creds.userNamespace;
  let places: VirtualDentry[] = [];
  const make = <T extends Namespace>(kind: number, f: () => T): T => {
    const ns = charged(creds, kind, f);
    made.push(ns);
    return ns;
  };
  if ((flags & linux.CLONE_NEWNS) !== 0) {
    places = [fs.root, fs.cwd];
    const old = n.mount;
    n.mount = make(UCOUNT_MNT_NAMESPACES, () => k.vfs.cloneMountNamespace(old, user, k.newNamespaceInode(), places));
  }
  if ((flags & linux.CLONE_NEWUTS) !== 0) {
    const old = n.uts;
    n.uts = make(UCOUNT_UTS_NAMESPACES, () => old.fork(user, k.newNamespaceInode()));
  }
  if ((flags & linux.CLONE_NEWIPC) !== 0) {
    n.ipc = make(UCOUNT_IPC_NAMESPACES, () => new IPCNamespace(k, user, k.newNamespaceInode()));
  }
  if ((flags & linux.CLONE_NEWPID) !== 0) {
    const parent = n.childPID;
    if (parent !== t.pidNamespace || !user.isWithin(parent.userNamespace)) throw linuxerr.EINVAL;
    if (parent.level + 1 > linux.MAX_PID_NS_LEVEL) throw linuxerr.ENOSPC;
    n.childPID = make(UCOUNT_PID_NAMESPACES, () => new PIDNamespace(parent, user, k.newNamespaceInode()));
  }
  if ((flags & linux.CLONE_NEWCGROUP) !== 0) {
    n.cgroup = make(UCOUNT_CGROUP_NAMESPACES, () => new CgroupNamespace(user, k.newNamespaceInode()));
  }
  if ((flags & linux.CLONE_NEWNET) !== 0) {
    n.network = make(UCOUNT_NET_NAMESPACES, () => new NewNetworkNamespace(user, k.newNamespaceInode()));
  }
  // As on a kernel without CONFIG_TIME_NS.
  if ((flags & linux.CLONE_NEWTIME) !== 0) throw linuxerr.EINVAL;
  return places;
}

/** unshare(2), after its flags were checked and completed. Throws EPERM, ENOSPC, EINVAL. */
export function unshareTask(t: Task, flags: number): void {
  const oldFS = t.fsContext;
  const fs = (flags & linux.CLONE_FS) !== 0 && oldFS.refs > 1 ? oldFS.fork() : oldFS;
  let creds = t.creds;
  let next: NewNamespaces;
  try {
    if ((flags & linux.CLONE_NEWUSER) !== 0) creds = newUserNamespace(t);
    next = copyNamespaces(t, flags, creds, fs);
  } catch (e) {
    if (creds !== t.creds) creds.userNamespace.decRef();
    if (fs !== oldFS) fs.decRef();
    throw e;
  }
  if ((flags & linux.CLONE_FILES) !== 0 && t.fdTable.refs > 1) {
    const own = t.fdTable.fork();
    t.fdTable.decRef();
    t.fdTable = own;
  }
  if (fs !== oldFS) {
    t.fsContext = fs;
    oldFS.decRef();
  }
  if ((flags & (linux.CLONE_NEWIPC | linux.CLONE_SYSVSEM)) !== 0) exitSemaphores(t);
  moveDirectories(fs, next);
  switchNamespaces(t, next.namespaces);
  if (creds !== t.creds) {
    commitCreds(t, creds);
    creds.userNamespace.decRef();
  }
}

/** Root and working directory move to their copies in a new mount namespace. */
export function moveDirectories(fs: FSContext, n: NewNamespaces): void {
  if (n.root !== null) fs.setRootDirectory(n.root);
  if (n.cwd !== null) fs.setWorkingDirectory(n.cwd);
}
