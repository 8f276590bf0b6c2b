import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import * as errno from "../../../abi/linux/errno.ts";
import {
  SCM_CREDENTIALS,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SIZEOF_CMSGHDR,
  SIZEOF_UCRED,
  SOL_SOCKET,
} from "../../../abi/linux/socket.ts";
import { type Credentials, NO_ID } from "../../kernel/auth/index.ts";
import { PIDRef } from "../../kernel/pid_ref.ts";
import type { Task } from "../../kernel/task.ts";
import type { Message } from "../message.ts";
import type { SocketSystem } from "../system.ts";
import { SCMRights } from "./rights.ts";

/**
 * Looks at the ancillary data of a message to be sent and fills in rights and credentials (scm_send()). `rights` says whether the family can
 * pass descriptors. 0 or a negative errno; then the message holds no rights. A no-op the second time.
 */
export function parseControl(t: Task, system: SocketSystem, m: Message, rights: boolean): number {
  if (m.parsed) return 0;
  m.parsed = true;
  if (m.controlLength === 0) return 0;
  const r = parse(t, system, m, rights);
  if (r < 0 && m.rights !== null) {
    m.rights.release();
    m.rights = null;
  }
  return r;
}

function parse(t: Task, system: SocketSystem, m: Message, rights: boolean): number {
  const buf = m.control;
  const view = new DataView(buf.buffer, buf.byteOffset, m.controlLength);
  const end = m.controlLength;
  let at = 0;
  while (at + SIZEOF_CMSGHDR <= end) {
    const len = view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
    if (len < SIZEOF_CMSGHDR || len > end - at) return -errno.EINVAL;
    if (view.getInt32(at + 8, true) === SOL_SOCKET) {
      const type = view.getInt32(at + 12, true);
      let r = -errno.EINVAL;
      if (type === SCM_RIGHTS && rights) r = addRights(t, system, m, view, at + SIZEOF_CMSGHDR, len - SIZEOF_CMSGHDR);
      else if (type === SCM_CREDENTIALS && len === SIZEOF_CMSGHDR + SIZEOF_UCRED) {
        r = setCredentials(t, system, m, view, at + SIZEOF_CMSGHDR);
      }
      if (r < 0) return r;
    }
    at += Math.ceil(len / 8) * 8;
  }
  return 0;
}

function addRights(t: Task, system: SocketSystem, m: Message, view: DataView, at: number, bytes: number): number {
  const n = Math.floor(bytes / 4);
  if (n === 0) return 0;
  if (n > SCM_MAX_FD) return -errno.EINVAL;
  if (m.rights === null) m.rights = new SCMRights(system.rights, t.creds.realKUID);
  if (m.rights.files.length + n > SCM_MAX_FD) return -errno.EINVAL;
  for (let i = 0; i < n; i++) {
    const file = t.fdTable.get(view.getInt32(at + 4 * i, true));
    if (file === null) return -errno.EBADF;
    m.rights.add(file);
  }
  return 0;
}

/** A task may claim to be what it could become: its own pid and ids, or what its capabilities allow. */
function setCredentials(t: Task, system: SocketSystem, m: Message, view: DataView, at: number): number {
  const pid = view.getInt32(at, true);
  const c = t.creds;
  const ns = c.userNamespace;
  const uid = ns.mapToKUID(view.getUint32(at + 4, true));
  const gid = ns.mapToKGID(view.getUint32(at + 8, true));
  if (uid === NO_ID || gid === NO_ID) return -errno.EINVAL;
  if (pid !== t.tgid && !c.hasCapabilityIn(CAP_SYS_ADMIN, t.pidNamespace.userNamespace)) return -errno.EPERM;
  if (!isOwnUID(c, uid) && !c.hasCapability(CAP_SETUID)) return -errno.EPERM;
  if (!isOwnGID(c, gid) && !c.hasCapability(CAP_SETGID)) return -errno.EPERM;
  const target = t.pidNamespace.taskWithID(pid);
  if (target === null) return -errno.ESRCH;
  m.pid = target.isLeader() ? system.pidRefOf(target.threadGroup) : PIDRef.ofTask(target);
  m.uid = uid;
  m.gid = gid;
  return 0;
}

function isOwnUID(c: Credentials, uid: number): boolean {
  return uid === c.realKUID || uid === c.effectiveKUID || uid === c.savedKUID;
}

function isOwnGID(c: Credentials, gid: number): boolean {
  return gid === c.realKGID || gid === c.effectiveKGID || gid === c.savedKGID;
}
