import * as ipc from "../../../abi/linux/ipc.ts";
import { S_IRUGO } from "../../../abi/linux/stat.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import type { IPCObject, Registry } from "../../kernel/ipc/index.ts";
import type { Task } from "../../kernel/task.ts";

/** Clears `size` bytes of the scratch buffer for a structure of the ctl calls. */
export function beginStruct(t: Task, size: number): DataView {
  const { bytes, view } = t.kernel.syscallScratch;
  bytes.fill(0, 0, size);
  return view;
}

/** Copies a structure out that beginStruct began. */
export function endStruct(t: Task, addr: number, size: number): void {
  t.copyOut(addr, t.kernel.syscallScratch.bytes, 0, size);
}

/** Stores a non-negative number as 64 bits. */
export function putU64(v: DataView, at: number, n: number): void {
  v.setUint32(at, n >>> 0, true);
  v.setUint32(at + 4, Math.floor(n / 4294967296), true);
}

/** Reads 64 bits as an unsigned number: exact below 2^53. */
export function getU64(v: DataView, at: number): number {
  return v.getUint32(at + 4, true) * 4294967296 + v.getUint32(at, true);
}

/** Stores struct ipc64_perm at the start, with ids as the caller sees them. */
export function putPermissions(t: Task, v: DataView, o: IPCObject): void {
  const ns = t.creds.userNamespace;
  v.setInt32(ipc.PERM_KEY, o.key, true);
  v.setUint32(ipc.PERM_UID, ns.uidOrOverflow(o.kuid), true);
  v.setUint32(ipc.PERM_GID, ns.gidOrOverflow(o.kgid), true);
  v.setUint32(ipc.PERM_CUID, ns.uidOrOverflow(o.creatorKUID), true);
  v.setUint32(ipc.PERM_CGID, ns.gidOrOverflow(o.creatorKGID), true);
  v.setUint32(ipc.PERM_MODE, o.mode, true);
  v.setUint16(ipc.PERM_SEQ, o.seq, true);
}

/** The object that IPC_STAT or, by index, one of the other STAT commands asks for. EINVAL; EACCES, unless anybody may. */
export function objectForStat<T extends IPCObject>(
  t: Task,
  r: Registry<T>,
  id: number,
  byIndex: boolean,
  any: boolean,
): T {
  const o = byIndex ? r.at(id) : r.get(id);
  if (!any && !o.mayAccess(t.creds, S_IRUGO)) throw linuxerr.EACCES;
  return o;
}

/** The object that IPC_SET or IPC_RMID is to change. EINVAL, EPERM. */
export function ownedObject<T extends IPCObject>(t: Task, r: Registry<T>, id: number): T {
  const o = r.get(id);
  o.checkOwner(t.creds);
  return o;
}

/** IPC_SET: what of struct ipc64_perm it takes. EINVAL. */
export function setPermissions(t: Task, v: DataView, o: IPCObject, now: number): void {
  o.setPermissions(
    t.creds,
    v.getUint32(ipc.PERM_UID, true),
    v.getUint32(ipc.PERM_GID, true),
    v.getUint32(ipc.PERM_MODE, true),
  );
  o.changeTime = now;
}
