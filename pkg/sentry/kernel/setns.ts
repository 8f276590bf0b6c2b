import { CAP_SYS_ADMIN, CAP_SYS_CHROOT } from "../../abi/linux/capability.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { NetworkNamespace } from "../socket/namespace.ts";
import { MountNamespace, type VirtualDentry } from "../vfs/index.ts";
import { type Credentials, type Namespace, UserNamespace } from "./auth/index.ts";
import { CgroupNamespace } from "./cgroup_namespace.ts";
import { IPCNamespace } from "./ipc_namespace.ts";
import { PIDNamespace } from "./pid_namespace.ts";
import { exitSemaphores } from "./semaphore/index.ts";
import type { Task } from "./task.ts";
import { commitCreds } from "./task_creds.ts";
import { currentNamespaces, incRefs, switchNamespaces, type TaskNamespaces } from "./task_namespaces.ts";
import { UTSNamespace } from "./uts_namespace.ts";

/** A setns(2) on its way: nothing of the task changes before all namespaces were found to be fine. */
interface Change {
  creds: Credentials;
  readonly namespaces: TaskNamespaces;
  /** Root and working directory to be; null: as they are. */
  root: VirtualDentry | null;
}

/** The namespaces of a process that the flags (CLONE_NEW*) ask for, in the order in which they are joined. */
export function namespacesOf(target: Task, flags: number): Namespace[] {
  const all: Namespace[] = [
    target.creds.userNamespace,
    target.mountNamespace,
    target.utsNamespace,
    target.ipcNamespace,
    target.pidNamespace,
    target.cgroupNamespace,
    target.networkNamespace,
  ];
  return all.filter((ns) => (flags & ns.cloneFlag()) !== 0);
}

/** Moves a task into namespaces, all or none. EPERM, EINVAL. */
export function setNamespaces(t: Task, list: readonly Namespace[]): void {
  const c: Change = { creds: t.creds, namespaces: currentNamespaces(t), root: null };
  let leavesIPC = false;
  for (const ns of list) {
    install(t, c, ns);
    if (ns instanceof IPCNamespace) leavesIPC = true;
  }
  incRefs(c.namespaces);
  commitCreds(t, c.creds);
  if (c.root !== null) {
    t.fsContext.setWorkingDirectory(c.root);
    t.fsContext.setRootDirectory(c.root);
  }
  if (leavesIPC) exitSemaphores(t);
  switchNamespaces(t, c.namespaces);
}

/** Checks that a task may join a namespace, and notes it in `c`. */
function install(t: Task, c: Change, ns: Namespace): void {
  if (ns instanceof UserNamespace) {
    installUser(t, c, ns);
    return;
  }
  const creds = t.creds;
  const owner = ns.governor();
  const may = (cap: number, over: UserNamespace): boolean => creds.hasCapabilityIn(cap, over);
  if (owner === null || !may(CAP_SYS_ADMIN, owner) || !may(CAP_SYS_ADMIN, c.creds.userNamespace)) throw linuxerr.EPERM;
  const n = c.namespaces;
  if (ns instanceof MountNamespace) {
    if (!may(CAP_SYS_CHROOT, c.creds.userNamespace)) throw linuxerr.EPERM;
    if (t.fsContext.refs !== 1) throw linuxerr.EINVAL;
    n.mount = ns;
    c.root = ns.visibleRoot();
  } else if (ns instanceof PIDNamespace) {
    if (!t.pidNamespace.contains(ns)) throw linuxerr.EINVAL;
    n.childPID = ns;
  } else if (ns instanceof UTSNamespace) n.uts = ns;
  else if (ns instanceof IPCNamespace) n.ipc = ns;
  else if (ns instanceof CgroupNamespace) n.cgroup = ns;
  else if (ns instanceof NetworkNamespace) n.network = ns;
  else throw linuxerr.EINVAL;
}

function installUser(t: Task, c: Change, ns: UserNamespace): void {
  // Entering it again would give back capabilities that were dropped.
  if (ns === t.creds.userNamespace) throw linuxerr.EINVAL;
  if (t.threadGroup.tasks.size > 1 || t.fsContext.refs !== 1) throw linuxerr.EINVAL;
  if (!t.creds.hasCapabilityIn(CAP_SYS_ADMIN, ns)) throw linuxerr.EPERM;
  c.creds = t.creds.inUserNamespace(ns);
}
