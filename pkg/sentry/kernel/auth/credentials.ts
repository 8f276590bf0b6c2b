import {
  CAP_CHOWN,
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  CAP_LAST_CAP,
  CAP_LINUX_IMMUTABLE,
  CAP_MAC_OVERRIDE,
  CAP_MKNOD,
  CAP_SETFCAP,
  CAP_SETGID,
  CAP_SETPCAP,
  CAP_SETUID,
  SECBIT_KEEP_CAPS,
  SECBIT_KEEP_CAPS_LOCKED,
  SECBIT_NO_CAP_AMBIENT_RAISE,
  SECBIT_NO_SETUID_FIXUP,
  SECURE_ALL_BITS,
  SECURE_ALL_LOCKS,
  SECURE_ALL_UNPRIVILEGED,
} from "../../../abi/linux/capability.ts";
import * as linuxerr from "../../../errors/linuxerr/index.ts";
import { stateType } from "../../../state/index.ts";
import { UCOUNT_USER_NAMESPACES } from "../../vfs/namespace.ts";
import { ALL_CAPS, CapabilitySet, EMPTY_CAPS } from "./capability_set.ts";
import { readFileCapabilities, writeFileCapabilities } from "./file_caps.ts";
import { NO_ID, UserNamespace } from "./user_namespace.ts";

/** The deepest level a user namespace may have its children at: user_namespaces(7) says 32 nested ones. */
const MAX_USER_NS_LEVEL = 32;

/** Capabilities that follow the file system user id (CAP_FS_SET). */
const FS_CAPS = CapabilitySet.of(
  CAP_CHOWN,
  CAP_MKNOD,
  CAP_DAC_OVERRIDE,
  CAP_DAC_READ_SEARCH,
  CAP_FOWNER,
  CAP_FSETID,
  CAP_LINUX_IMMUTABLE,
  CAP_MAC_OVERRIDE,
);

const NO_GROUPS: readonly number[] = [];

/**
 * Who a task acts as. An object that a task (or an open file) holds is never modified: every change makes a new one, which
 * replaces it (`t.creds = t.creds.setuid(id)`), so one object may be shared by any number of holders. All ids are kernel ids.
 * Semantics: credentials(7), capabilities(7).
 */
export class Credentials {
  static readonly stateType = stateType("auth.Credentials", [
    "userNamespace",
    "realKUID",
    "effectiveKUID",
    "savedKUID",
    "fsKUID",
    "realKGID",
    "effectiveKGID",
    "savedKGID",
    "fsKGID",
    "extraKGIDs",
    "permittedCaps",
    "inheritableCaps",
    "effectiveCaps",
    "boundingCaps",
    "ambientCaps",
    "securebits",
    "execsAsItIs",
  ]);
  userNamespace: UserNamespace;
  realKUID = 0;
  effectiveKUID = 0;
  savedKUID = 0;
  /** The user id that file access is checked with. */
  fsKUID = 0;
  realKGID = 0;
  effectiveKGID = 0;
  savedKGID = 0;
  /** The group id that file access is checked with. */
  fsKGID = 0;
  /** Supplementary groups, ascending. */
  extraKGIDs: readonly number[] = NO_GROUPS;
  permittedCaps: CapabilitySet = EMPTY_CAPS;
  inheritableCaps: CapabilitySet = EMPTY_CAPS;
  effectiveCaps: CapabilitySet = EMPTY_CAPS;
  boundingCaps: CapabilitySet = EMPTY_CAPS;
  ambientCaps: CapabilitySet = EMPTY_CAPS;
  /** SECBIT_* */
  securebits = 0;
  /** A program without privileges of its own is known to run with these very credentials, and without AT_SECURE: set by execCredentials. */
  execsAsItIs = false;

  constructor(userNamespace: UserNamespace) {
    this.userNamespace = userNamespace;
  }

  /** A copy that its maker may still change, before it gives it to anybody. */
  fork(): Credentials {
    const c = new Credentials(this.userNamespace);
    c.realKUID = this.realKUID;
    c.effectiveKUID = this.effectiveKUID;
    c.savedKUID = this.savedKUID;
    c.fsKUID = this.fsKUID;
    c.realKGID = this.realKGID;
    c.effectiveKGID = this.effectiveKGID;
    c.savedKGID = this.savedKGID;
    c.fsKGID = this.fsKGID;
    c.extraKGIDs = this.extraKGIDs;
    c.permittedCaps = this.permittedCaps;
    c.inheritableCaps = this.inheritableCaps;
    c.effectiveCaps = this.effectiveCaps;
    c.boundingCaps = this.boundingCaps;
    c.ambientCaps = this.ambientCaps;
    c.securebits = this.securebits;
    return c;
  }

  /** Whether they are the same in everything. */
  equals(o: Credentials): boolean {
    return (
      this.userNamespace === o.userNamespace &&
      this.realKUID === o.realKUID &&
      this.effectiveKUID === o.effectiveKUID &&
      this.savedKUID === o.savedKUID &&
      this.fsKUID === o.fsKUID &&
      this.realKGID === o.realKGID &&
      this.effectiveKGID === o.effectiveKGID &&
      this.savedKGID === o.savedKGID &&
      this.fsKGID === o.fsKGID &&
      this.extraKGIDs === o.extraKGIDs &&
      this.permittedCaps.equals(o.permittedCaps) &&
      this.inheritableCaps.equals(o.inheritableCaps) &&
      this.effectiveCaps.equals(o.effectiveCaps) &&
      this.boundingCaps.equals(o.boundingCaps) &&
      this.ambientCaps.equals(o.ambientCaps) &&
      this.securebits === o.securebits
    );
  }

  /** Whether the capability is effective, in the credentials' own user namespace. */
  hasCapability(cap: number): boolean {
    return this.effectiveCaps.has(cap);
  }

  /** Whether the capability is effective over the whole machine: only in the first user namespace (Linux's capable()). */
  capable(cap: number): boolean {
    return this.userNamespace.parent === null && this.effectiveCaps.has(cap);
  }

  /**
   * Whether the capability is effective over a file of this owner and group (kernel ids): both must exist in the user
   * namespace (Linux's capable_wrt_inode_uidgid()).
   */
  capableOverFile(cap: number, kuid: number, kgid: number): boolean {
    return this.effectiveCaps.has(cap) && this.userNamespace.mapsIDs(kuid, kgid);
  }

  /** Whether these credentials have the capability over things that belong to `ns` (user_namespaces(7)). */
  hasCapabilityIn(cap: number, ns: UserNamespace): boolean {
    let n = ns;
    for (;;) {
      if (n === this.userNamespace) return this.effectiveCaps.has(cap);
      if (n.parent === null || n.level <= this.userNamespace.level) return false;
      if (n.parent === this.userNamespace && n.owner === this.effectiveKUID) return true;
      n = n.parent;
    }
  }

  /** Whether the file system group or a supplementary group is kgid. */
  inGroup(kgid: number): boolean {
    return kgid === this.fsKGID || this.inExtraGroups(kgid);
  }

  /** Whether kgid is the effective or a supplementary group. */
  inEffectiveGroup(kgid: number): boolean {
    return kgid === this.effectiveKGID || this.inExtraGroups(kgid);
  }

  private inExtraGroups(kgid: number): boolean {
    const g = this.extraKGIDs;
    let lo = 0;
    let hi = g.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      const v = g[mid] ?? 0;
      if (v === kgid) return true;
      if (v < kgid) lo = mid + 1;
      else hi = mid;
    }
    return false;
  }

  /** Whether a task that changed from `old` to these credentials loses its dumpability and its parent-death signal. */
  changesDumpability(old: Credentials): boolean {
    return (
      old.effectiveKUID !== this.effectiveKUID ||
      old.effectiveKGID !== this.effectiveKGID ||
      old.fsKUID !== this.fsKUID ||
      old.fsKGID !== this.fsKGID ||
      !this.isNoStrongerThan(old)
    );
  }

  /** Whether `old` had all the power that these credentials have (Linux's cred_cap_issubset()). */
  isNoStrongerThan(old: Credentials): boolean {
    if (old.userNamespace === this.userNamespace) return this.permittedCaps.isSubsetOf(old.permittedCaps);
    for (let ns = this.userNamespace; ns.parent !== null; ns = ns.parent) {
      if (ns.parent === old.userNamespace && ns.owner === old.effectiveKUID) return true;
    }
    return false;
  }

  /** The same ids in another user namespace, with every capability there. */
  inUserNamespace(ns: UserNamespace): Credentials {
    const c = this.fork();
    c.userNamespace = ns;
    c.securebits = 0;
    c.inheritableCaps = EMPTY_CAPS;
    c.permittedCaps = ALL_CAPS;
    c.effectiveCaps = ALL_CAPS;
    c.boundingCaps = ALL_CAPS;
    c.ambientCaps = EMPTY_CAPS;
    return c;
  }

  /**
   * The credentials in a new user namespace below the current one; the caller has the reference on that. ENOSPC: too deep, too many; EPERM: the
   * creator's ids do not exist in the current one.
   */
  inNewUserNamespace(ino: number): Credentials {
    const parent = this.userNamespace;
    if (parent.level > MAX_USER_NS_LEVEL) throw linuxerr.ENOSPC;
    if (!parent.charge(this.effectiveKUID, UCOUNT_USER_NAMESPACES)) throw linuxerr.ENOSPC;
    if (!parent.mapsIDs(this.effectiveKUID, this.effectiveKGID)) {
      parent.uncharge(this.effectiveKUID, UCOUNT_USER_NAMESPACES);
      throw linuxerr.EPERM;
    }
    const ns = new UserNamespace(parent, this.effectiveKUID, this.effectiveKGID, ino);
    ns.creator = this.effectiveKUID;
    ns.parentCouldSetfcap = this.effectiveCaps.has(CAP_SETFCAP);
    return this.inUserNamespace(ns);
  }

  // ---- user ids; ids are given as the caller's namespace has them, NO_ID leaves one as it is

  /** setuid(2). */
  setuid(uid: number): Credentials {
    const kuid = this.toKUID(uid);
    const c = this.fork();
    if (this.hasCapability(CAP_SETUID)) {
      c.realKUID = kuid;
      c.savedKUID = kuid;
    } else if (kuid !== this.realKUID && kuid !== this.savedKUID) {
      throw linuxerr.EPERM;
    }
    c.effectiveKUID = kuid;
    c.fsKUID = kuid;
    c.fixCapsAfterSetxuid(this);
    return c;
  }

  /** setreuid(2). */
  setreuid(ruid: number, euid: number): Credentials {
    const c = this.fork();
    const privileged = this.hasCapability(CAP_SETUID);
    const kruid = ruid === NO_ID ? NO_ID : this.toKUID(ruid);
    const keuid = euid === NO_ID ? NO_ID : this.toKUID(euid);
    if (kruid !== NO_ID) {
      if (kruid !== this.realKUID && kruid !== this.effectiveKUID && !privileged) throw linuxerr.EPERM;
      c.realKUID = kruid;
    }
    if (keuid !== NO_ID) {
      if (keuid !== this.realKUID && keuid !== this.effectiveKUID && keuid !== this.savedKUID && !privileged) {
        throw linuxerr.EPERM;
      }
      c.effectiveKUID = keuid;
    }
    if (kruid !== NO_ID || (keuid !== NO_ID && keuid !== this.realKUID)) c.savedKUID = c.effectiveKUID;
    c.fsKUID = c.effectiveKUID;
    c.fixCapsAfterSetxuid(this);
    return c;
  }

  /** setresuid(2). */
  setresuid(ruid: number, euid: number, suid: number): Credentials {
    const kruid = ruid === NO_ID ? this.realKUID : this.toKUID(ruid);
    const keuid = euid === NO_ID ? this.effectiveKUID : this.toKUID(euid);
    const ksuid = suid === NO_ID ? this.savedKUID : this.toKUID(suid);
    if (
      kruid === this.realKUID &&
      keuid === this.effectiveKUID &&
      (keuid === this.fsKUID || euid === NO_ID) &&
      ksuid === this.savedKUID
    ) {
      return this;
    }
    if (!this.hasCapability(CAP_SETUID) && !(this.isOwnUID(kruid) && this.isOwnUID(keuid) && this.isOwnUID(ksuid))) {
      throw linuxerr.EPERM;
    }
    const c = this.fork();
    c.realKUID = kruid;
    c.effectiveKUID = keuid;
    c.savedKUID = ksuid;
    c.fsKUID = keuid;
    c.fixCapsAfterSetxuid(this);
    return c;
  }

  /** setfsuid(2): the credentials afterwards, unchanged when not permitted; the call itself returns the previous id. */
  setfsuid(uid: number): Credentials {
    const kuid = this.userNamespace.mapToKUID(uid);
    if (kuid === NO_ID || kuid === this.fsKUID) return this;
    if (!this.isOwnUID(kuid) && !this.hasCapability(CAP_SETUID)) return this;
    const c = this.fork();
    c.fsKUID = kuid;
    if ((this.securebits & SECBIT_NO_SETUID_FIXUP) === 0) {
      const root = this.userNamespace.mapToKUID(0);
      if (this.fsKUID === root && kuid !== root) c.effectiveCaps = c.effectiveCaps.minus(FS_CAPS);
      if (this.fsKUID !== root && kuid === root) {
        c.effectiveCaps = c.effectiveCaps.union(FS_CAPS.intersect(c.permittedCaps));
      }
    }
    return c;
  }

  // ---- group ids

  /** setgid(2). */
  setgid(gid: number): Credentials {
    const kgid = this.toKGID(gid);
    const c = this.fork();
    if (this.hasCapability(CAP_SETGID)) {
      c.realKGID = kgid;
      c.savedKGID = kgid;
    } else if (kgid !== this.realKGID && kgid !== this.savedKGID) {
      throw linuxerr.EPERM;
    }
    c.effectiveKGID = kgid;
    c.fsKGID = kgid;
    return c;
  }

  /** setregid(2). */
  setregid(rgid: number, egid: number): Credentials {
    const c = this.fork();
    const privileged = this.hasCapability(CAP_SETGID);
    const krgid = rgid === NO_ID ? NO_ID : this.toKGID(rgid);
    const kegid = egid === NO_ID ? NO_ID : this.toKGID(egid);
    if (krgid !== NO_ID) {
      if (krgid !== this.realKGID && krgid !== this.effectiveKGID && !privileged) throw linuxerr.EPERM;
      c.realKGID = krgid;
    }
    if (kegid !== NO_ID) {
      if (kegid !== this.realKGID && kegid !== this.effectiveKGID && kegid !== this.savedKGID && !privileged) {
        throw linuxerr.EPERM;
      }
      c.effectiveKGID = kegid;
    }
    if (krgid !== NO_ID || (kegid !== NO_ID && kegid !== this.realKGID)) c.savedKGID = c.effectiveKGID;
    c.fsKGID = c.effectiveKGID;
    return c;
  }

  /** setresgid(2). */
  setresgid(rgid: number, egid: number, sgid: number): Credentials {
    const krgid = rgid === NO_ID ? this.realKGID : this.toKGID(rgid);
    const kegid = egid === NO_ID ? this.effectiveKGID : this.toKGID(egid);
    const ksgid = sgid === NO_ID ? this.savedKGID : this.toKGID(sgid);
    if (
      krgid === this.realKGID &&
      kegid === this.effectiveKGID &&
      (kegid === this.fsKGID || egid === NO_ID) &&
      ksgid === this.savedKGID
    ) {
      return this;
    }
    if (!this.hasCapability(CAP_SETGID) && !(this.isOwnGID(krgid) && this.isOwnGID(kegid) && this.isOwnGID(ksgid))) {
      throw linuxerr.EPERM;
    }
    const c = this.fork();
    c.realKGID = krgid;
    c.effectiveKGID = kegid;
    c.savedKGID = ksgid;
    c.fsKGID = kegid;
    return c;
  }

  /** setfsgid(2): as setfsuid. */
  setfsgid(gid: number): Credentials {
    const kgid = this.userNamespace.mapToKGID(gid);
    if (kgid === NO_ID || kgid === this.fsKGID) return this;
    if (!this.isOwnGID(kgid) && kgid !== this.fsKGID && !this.hasCapability(CAP_SETGID)) return this;
    const c = this.fork();
    c.fsKGID = kgid;
    return c;
  }

  /** Whether setgroups(2) is permitted. */
  maySetgroups(): boolean {
    return this.hasCapability(CAP_SETGID) && this.userNamespace.mayCallSetgroups();
  }

  /** setgroups(2), after maySetgroups(); ids as the caller's namespace has them. */
  setgroups(gids: readonly number[]): Credentials {
    const kgids: number[] = [];
    for (const g of gids) kgids.push(this.toKGID(g));
    kgids.sort(ascending);
    const c = this.fork();
    c.extraKGIDs = kgids;
    return c;
  }

  // ---- capabilities

  /** capset(2). */
  capset(effective: CapabilitySet, permitted: CapabilitySet, inheritable: CapabilitySet): Credentials {
    if (!this.hasCapability(CAP_SETPCAP) && !inheritable.isSubsetOf(this.inheritableCaps.union(this.permittedCaps))) {
      throw linuxerr.EPERM;
    }
    if (!inheritable.isSubsetOf(this.inheritableCaps.union(this.boundingCaps))) throw linuxerr.EPERM;
    if (!permitted.isSubsetOf(this.permittedCaps)) throw linuxerr.EPERM;
    if (!effective.isSubsetOf(permitted)) throw linuxerr.EPERM;
    const c = this.fork();
    c.effectiveCaps = effective;
    c.permittedCaps = permitted;
    c.inheritableCaps = inheritable;
    c.ambientCaps = c.ambientCaps.intersect(permitted).intersect(inheritable);
    return c;
  }

  /** prctl(PR_CAPBSET_READ): 0 or 1. */
  capbsetRead(cap: number): number {
    checkCap(cap);
    return this.boundingCaps.has(cap) ? 1 : 0;
  }

  /** prctl(PR_CAPBSET_DROP). */
  capbsetDrop(cap: number): Credentials {
    if (!this.hasCapability(CAP_SETPCAP)) throw linuxerr.EPERM;
    checkCap(cap);
    const c = this.fork();
    c.boundingCaps = c.boundingCaps.without(cap);
    return c;
  }

  /** prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET): 0 or 1. */
  ambientIsSet(cap: number): number {
    checkCap(cap);
    return this.ambientCaps.has(cap) ? 1 : 0;
  }

  /** prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE). */
  ambientRaise(cap: number): Credentials {
    checkCap(cap);
    if (
      !this.permittedCaps.has(cap) ||
      !this.inheritableCaps.has(cap) ||
      (this.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) !== 0
    ) {
      throw linuxerr.EPERM;
    }
    const c = this.fork();
    c.ambientCaps = c.ambientCaps.with(cap);
    return c;
  }

  /** prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER). */
  ambientLower(cap: number): Credentials {
    checkCap(cap);
    const c = this.fork();
    c.ambientCaps = c.ambientCaps.without(cap);
    return c;
  }

  /** prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL). */
  ambientClearAll(): Credentials {
    const c = this.fork();
    c.ambientCaps = EMPTY_CAPS;
    return c;
  }

  /** prctl(PR_GET_KEEPCAPS): 0 or 1. */
  keepCaps(): number {
    return (this.securebits & SECBIT_KEEP_CAPS) !== 0 ? 1 : 0;
  }

  /** prctl(PR_SET_KEEPCAPS); value as the guest gave it. */
  setKeepCaps(value: number): Credentials {
    if (value > 1) throw linuxerr.EINVAL;
    if ((this.securebits & SECBIT_KEEP_CAPS_LOCKED) !== 0) throw linuxerr.EPERM;
    const c = this.fork();
    c.securebits = value === 1 ? c.securebits | SECBIT_KEEP_CAPS : c.securebits & ~SECBIT_KEEP_CAPS;
    return c;
  }

  /** prctl(PR_SET_SECUREBITS); value as the guest gave it. */
  setSecurebits(value: number): Credentials {
    if (value > 0xffffffff) throw linuxerr.EPERM;
    const old = this.securebits;
    const changed = (old ^ value) >>> 0;
    if (
      (((old & SECURE_ALL_LOCKS) >> 1) & changed) !== 0 ||
      (old & SECURE_ALL_LOCKS & ~value) !== 0 ||
      (value & ~(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) !== 0
    ) {
      throw linuxerr.EPERM;
    }
    if (!this.hasCapability(CAP_SETPCAP) && (changed === 0 || (changed & ~SECURE_ALL_UNPRIVILEGED) !== 0)) {
      throw linuxerr.EPERM;
    }
    const c = this.fork();
    c.securebits = value;
    return c;
  }

  /** What reading a stored security.capability gives: the value or a negative errno. */
  readFileCapabilities(value: string): string | number {
    return readFileCapabilities(value, this);
  }

  /** What is stored when security.capability of a file of this owner and group is written. EINVAL, EPERM. */
  writeFileCapabilities(value: string, kuid: number, kgid: number): string {
    return writeFileCapabilities(value, this, kuid, kgid);
  }

  // ---- helpers

  /** The kernel id of a user id a guest gave; EINVAL when there is none. */
  private toKUID(uid: number): number {
    const k = this.userNamespace.mapToKUID(uid);
    if (k === NO_ID) throw linuxerr.EINVAL;
    return k;
  }

  private toKGID(gid: number): number {
    const k = this.userNamespace.mapToKGID(gid);
    if (k === NO_ID) throw linuxerr.EINVAL;
    return k;
  }

  private isOwnUID(kuid: number): boolean {
    return kuid === this.realKUID || kuid === this.effectiveKUID || kuid === this.savedKUID;
  }

  private isOwnGID(kgid: number): boolean {
    return kgid === this.realKGID || kgid === this.effectiveKGID || kgid === this.savedKGID;
  }

  /** Capabilities follow user id 0 (capabilities(7), "Effect of user ID changes on capabilities"). */
  private fixCapsAfterSetxuid(old: Credentials): void {
    if ((old.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return;
    const root = this.userNamespace.mapToKUID(0);
    const hadRoot = old.realKUID === root || old.effectiveKUID === root || old.savedKUID === root;
    const hasRoot = this.realKUID === root || this.effectiveKUID === root || this.savedKUID === root;
    if (hadRoot && !hasRoot) {
      if ((old.securebits & SECBIT_KEEP_CAPS) === 0) {
        this.permittedCaps = EMPTY_CAPS;
        this.effectiveCaps = EMPTY_CAPS;
      }
      this.ambientCaps = EMPTY_CAPS;
    }
    if (old.effectiveKUID === root && this.effectiveKUID !== root) this.effectiveCaps = EMPTY_CAPS;
    if (old.effectiveKUID !== root && this.effectiveKUID === root) this.effectiveCaps = this.permittedCaps;
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}

function checkCap(cap: number): void {
  if (cap > CAP_LAST_CAP) throw linuxerr.EINVAL;
}

/** Credentials of root with every capability (no inheritable or ambient ones), as Linux's init has them. */
export function newRootCredentials(ns: UserNamespace): Credentials {
  const c = new Credentials(ns);
  c.permittedCaps = ALL_CAPS;
  c.effectiveCaps = ALL_CAPS;
  c.boundingCaps = ALL_CAPS;
  return c;
}

/** The capability sets of a process description (OCI process.capabilities). */
export interface TaskCapabilities {
  permitted: CapabilitySet;
  inheritable: CapabilitySet;
  effective: CapabilitySet;
  bounding: CapabilitySet;
  ambient: CapabilitySet;
}

/** Credentials of a user with the ids (kernel ids) and capability sets given; used for a container's first process. */
export function newUserCredentials(
  ns: UserNamespace,
  kuid: number,
  kgid: number,
  extraKGIDs: readonly number[],
  caps: TaskCapabilities,
): Credentials {
  const c = new Credentials(ns);
  c.realKUID = kuid;
  c.effectiveKUID = kuid;
  c.savedKUID = kuid;
  c.fsKUID = kuid;
  c.realKGID = kgid;
  c.effectiveKGID = kgid;
  c.savedKGID = kgid;
  c.fsKGID = kgid;
  c.extraKGIDs = extraKGIDs.toSorted(ascending);
  c.permittedCaps = caps.permitted;
  c.inheritableCaps = caps.inheritable;
  c.effectiveCaps = caps.effective;
  c.boundingCaps = caps.bounding;
  c.ambientCaps = caps.ambient;
  return c;
}
