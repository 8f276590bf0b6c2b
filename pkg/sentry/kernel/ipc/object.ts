import { CAP_IPC_OWNER, CAP_SYS_ADMIN } from "../../../abi/linux/capability.ts";
import { IPC_ID_SHIFT } from "../../../abi/linux/ipc.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import type { Credentials, UserNamespace } from "../auth/index.ts";
import { NO_ID } from "../auth/index.ts";

/** A shared memory segment, semaphore set or message queue: who made it, who owns it, who may use it. */
export class IPCObject {
  static readonly stateType = stateType("ipc.IPCObject", [
    "userNamespace",
    "key",
    "index",
    "seq",
    "kuid",
    "kgid",
    "creatorKUID",
    "creatorKGID",
    "mode",
    "removed",
    "changeTime",
  ]);
  /** The user namespace that owns the IPC namespace. */
  readonly userNamespace: UserNamespace;
  /** IPC_PRIVATE: it cannot be found. */
  key: number;
  /** Place in its Registry, and how often places were used before it; set by the Registry. */
  index = 0;
  seq = 0;
  kuid: number;
  kgid: number;
  readonly creatorKUID: number;
  readonly creatorKGID: number;
  /** Nine permission bits, and what the kind adds. */
  mode: number;
  /** It is gone: those who waited for it find out by this. */
  removed = false;
  /** Seconds since the epoch: made, or changed by IPC_SET and its like. */
  changeTime = 0;

  constructor(userNamespace: UserNamespace, creds: Credentials, key: number, mode: number) {
    this.userNamespace = userNamespace;
    this.key = key;
    this.mode = mode & 0o777;
    this.kuid = creds.effectiveKUID;
    this.kgid = creds.effectiveKGID;
    this.creatorKUID = this.kuid;
    this.creatorKGID = this.kgid;
  }

  /** The identifier that system calls name it by. */
  get id(): number {
    return (this.seq << IPC_ID_SHIFT) + this.index;
  }

  /** Whether the access is granted that the permission bits in `flag` ask for, whichever of the three digits they are in. */
  mayAccess(creds: Credentials, flag: number): boolean {
    const wanted = (flag >> 6) | (flag >> 3) | flag;
    let granted = this.mode;
    if (creds.effectiveKUID === this.creatorKUID || creds.effectiveKUID === this.kuid) granted >>= 6;
    else if (creds.inGroup(this.creatorKGID) || creds.inGroup(this.kgid)) granted >>= 3;
    return (wanted & ~granted & 7) === 0 || creds.hasCapabilityIn(CAP_IPC_OWNER, this.userNamespace);
  }

  /** Throws EPERM unless the object may be changed and removed. */
  checkOwner(creds: Credentials): void {
    const uid = creds.effectiveKUID;
    if (uid === this.creatorKUID || uid === this.kuid) return;
    if (!creds.hasCapabilityIn(CAP_SYS_ADMIN, this.userNamespace)) throw linuxerr.EPERM;
  }

  /** IPC_SET: new owner (ids as the caller sees them) and permission bits. EINVAL. */
  setPermissions(creds: Credentials, uid: number, gid: number, mode: number): void {
    const kuid = creds.userNamespace.mapToKUID(uid);
    const kgid = creds.userNamespace.mapToKGID(gid);
    if (kuid === NO_ID || kgid === NO_ID) throw linuxerr.EINVAL;
    this.kuid = kuid;
    this.kgid = kgid;
    this.mode = (this.mode & ~0o777) | (mode & 0o777);
  }
}
