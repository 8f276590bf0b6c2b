import { stateType } from "../../../state/index.ts";

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

function mapUp(map: readonly IDMapEntry[], kid: number): number {
  for (const e of map) {
    if (kid >= e.lower && kid - e.lower < e.length) return kid - e.lower + e.first;
  }
  return NO_ID;
}

/** A user namespace: the scope of capabilities and of user and group ids. "Kernel ids" are those of the root namespace. */
export class UserNamespace {
  static readonly stateType = stateType("auth.UserNamespace", [
    "parent",
    "level",
    "owner",
    "group",
    "uidMap",
    "gidMap",
    "setgroupsAllowed",
    "ino",
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
  /** Inode number on nsfs. */
  ino: number;

  constructor(parent: UserNamespace | null, owner: number, group: number, ino: number) {
    this.parent = parent;
    this.level = parent === null ? 0 : parent.level + 1;
    this.owner = owner;
    this.group = group;
    this.ino = ino;
    this.uidMap = parent === null ? IDENTITY : [];
    this.gidMap = parent === null ? IDENTITY : [];
    if (parent !== null) this.setgroupsAllowed = parent.setgroupsAllowed;
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

/** The root user namespace, with the inode number Linux gives it (PROC_USER_INIT_INO). */
export function newRootUserNamespace(): UserNamespace {
  return new UserNamespace(null, 0, 0, 0xeffffffd);
}
