import { CLONE_NEWUSER } from "../../../abi/linux/clone.ts";
import { USER_NS_INIT_INO } from "../../../abi/linux/nsfs.ts";
import { stateType } from "../../../state/index.ts";
import { Namespace, UCOUNT_COUNTS, UCOUNT_USER_NAMESPACES } from "../../vfs/namespace.ts";

/** The id that no user has; also "leave as it is" in set*id calls. */
export const NO_ID = 0xffffffff;
/** What an id that is not mapped shows as (/proc/sys/kernel/overflowuid). */
export const OVERFLOW_ID = 65534;

/** One line of an id map: [first, first+length) in the namespace are [lower, lower+length) of the kernel. */
export class IDMapEntry {
  static readonly stateType = stateType("auth.IDMapEntry", ["first", "lower", "length"]);
  readonly first: number;
  readonly lower: number;
  readonly length: number;

  constructor(first: number, lower: number, length: number) {
    this.first = first;
    this.lower = lower;
    this.length = length;
  }
}

const IDENTITY: readonly IDMapEntry[] = [new IDMapEntry(0, 0, NO_ID)];

function mapDown(map: readonly IDMapEntry[], id: number): number {
  for (const e of map) {
    if (id >= e.first && id - e.first < e.length) return id - e.first + e.lower;
  }
  return NO_ID;
}

/** Where the whole range is mapped to, or NO_ID unless it lies within one line of the map. */
function mapRangeDown(map: readonly IDMapEntry[], id: number, length: number): number {
  for (const e of map) {
    if (id >= e.first && id - e.first < e.length) {
      return id - e.first + length <= e.length ? id - e.first + e.lower : NO_ID;
    }
  }
  return NO_ID;
}

function mapUp(map: readonly IDMapEntry[], kid: number): number {
  // Each stat does this twice: no iterator.
  for (let i = 0; i < map.length; i++) {
    const e = map[i];
    if (e !== undefined && kid >= e.lower && kid - e.lower < e.length) return kid - e.lower + e.first;
  }
  return NO_ID;
}

/** Namespaces of every kind a user may make by default: /proc/sys/user/max_*_namespaces of the first user namespace. */
const MAX_NAMESPACES_DEFAULT = 8192;
const INT_MAX = 0x7fffffff;

/** A user namespace: the scope of capabilities and of user and group ids. "Kernel ids" are those of the root namespace. */
export class UserNamespace extends Namespace {
  static override readonly stateType = stateType("auth.UserNamespace", [
    "parent",
    "level",
    "owner",
    "group",
    "uidMap",
    "gidMap",
    "setgroupsAllowed",
    "parentCouldSetfcap",
    "limits",
    "counts",
  ]);
  readonly parent: UserNamespace | null;
  /** Distance from the root namespace. */
  readonly level: number;
  /** Effective kernel ids of the creator. */
  readonly owner: number;
  readonly group: number;
  uidMap: readonly IDMapEntry[];
  gidMap: readonly IDMapEntry[];
  /** /proc/[pid]/setgroups. */
  setgroupsAllowed = true;
  /** The creator had CAP_SETFCAP: user id 0 of the parent may be mapped from inside. */
  parentCouldSetfcap = false;
  /** Most namespaces of each kind (UCOUNT_*) that one of its users may have. */
  readonly limits: number[];
  /** How many of each kind its users have, by kernel uid. */
  readonly counts: Map<number, number[]> = new Map();

  /** Takes a reference on the parent. */
  constructor(parent: UserNamespace | null, owner: number, group: number, ino: number) {
    super(ino);
    this.parent = parent;
    this.level = parent === null ? 0 : parent.level + 1;
    this.owner = owner;
    this.group = group;
    this.uidMap = parent === null ? IDENTITY : [];
    this.gidMap = parent === null ? IDENTITY : [];
    this.limits = new Array<number>(UCOUNT_COUNTS).fill(parent === null ? MAX_NAMESPACES_DEFAULT : INT_MAX);
    if (parent !== null) {
      this.setgroupsAllowed = parent.setgroupsAllowed;
      parent.incRef();
    }
  }

  override cloneFlag(): number {
    return CLONE_NEWUSER;
  }

  override kindName(): string {
    return "user";
  }

  override countedAs(): number {
    return UCOUNT_USER_NAMESPACES;
  }

  override governor(): UserNamespace | null {
    return this.parent;
  }

  override release(): void {}

  /** Whether this is `ns` or below it. */
  isWithin(ns: UserNamespace): boolean {
    let n: UserNamespace | null = this;
    while (n !== null && n.level > ns.level) n = n.parent;
    return n === ns;
  }

  /**
   * Counts a namespace of a kind for a user (kernel uid), and for the creators of the user namespaces it lives in. False when one of them has as many
   * as allowed: ENOSPC.
   */
  charge(kuid: number, kind: number): boolean {
    let uid = kuid;
    for (let ns: UserNamespace | null = this; ns !== null; ns = ns.parent) {
      const counts = ns.countsOf(uid);
      if ((counts[kind] ?? 0) >= (ns.limits[kind] ?? 0)) {
        this.unchargeUpTo(ns, kuid, kind);
        return false;
      }
      counts[kind] = (counts[kind] ?? 0) + 1;
      uid = ns.owner;
    }
    return true;
  }

  /** Undoes charge(). */
  uncharge(kuid: number, kind: number): void {
    this.unchargeUpTo(null, kuid, kind);
  }

  private unchargeUpTo(end: UserNamespace | null, kuid: number, kind: number): void {
    let uid = kuid;
    for (let ns: UserNamespace | null = this; ns !== end && ns !== null; ns = ns.parent) {
      const counts = ns.countsOf(uid);
      counts[kind] = (counts[kind] ?? 0) - 1;
      if (counts.every(isZero)) ns.counts.delete(uid);
      uid = ns.owner;
    }
  }

  private countsOf(kuid: number): number[] {
    let c = this.counts.get(kuid);
    if (c === undefined) {
      c = new Array<number>(UCOUNT_COUNTS).fill(0);
      this.counts.set(kuid, c);
    }
    return c;
  }

  /** Whether both kernel ids exist in this namespace. */
  mapsIDs(kuid: number, kgid: number): boolean {
    return this.parent === null || (this.hasUID(kuid) && this.hasGID(kgid));
  }

  /** Whether the kernel user id exists in this namespace. */
  hasUID(kuid: number): boolean {
    return mapUp(this.uidMap, kuid) !== NO_ID;
  }

  /** Whether the kernel group id exists in this namespace. */
  hasGID(kgid: number): boolean {
    return mapUp(this.gidMap, kgid) !== NO_ID;
  }

  /** The first kernel id of a range of user (or else group) ids, or NO_ID unless one line of the map has all of it. */
  mapRange(isUID: boolean, id: number, length: number): number {
    return mapRangeDown(isUID ? this.uidMap : this.gidMap, id, length);
  }

  /** The kernel id of a user id given in this namespace, or NO_ID. */
  mapToKUID(uid: number): number {
    return mapDown(this.uidMap, uid);
  }

  /** The kernel id of a group id given in this namespace, or NO_ID. */
  mapToKGID(gid: number): number {
    return mapDown(this.gidMap, gid);
  }

  /** A kernel user id as this namespace sees it, or NO_ID. */
  mapFromKUID(kuid: number): number {
    return mapUp(this.uidMap, kuid);
  }

  /** A kernel group id as this namespace sees it, or NO_ID. */
  mapFromKGID(kgid: number): number {
    return mapUp(this.gidMap, kgid);
  }

  /** As mapFromKUID; what is not mapped shows as OVERFLOW_ID. */
  uidOrOverflow(kuid: number): number {
    const id = mapUp(this.uidMap, kuid);
    return id === NO_ID ? OVERFLOW_ID : id;
  }

  /** As mapFromKGID; what is not mapped shows as OVERFLOW_ID. */
  gidOrOverflow(kgid: number): number {
    const id = mapUp(this.gidMap, kgid);
    return id === NO_ID ? OVERFLOW_ID : id;
  }

  /** Whether setgroups(2) may be called: gids are mapped and it was not denied. */
  mayCallSetgroups(): boolean {
    return this.setgroupsAllowed && this.gidMap.length > 0;
  }
}

function isZero(n: number): boolean {
  return n === 0;
}

/** The root user namespace. */
export function newRootUserNamespace(): UserNamespace {
  return new UserNamespace(null, 0, 0, USER_NS_INIT_INO);
}
