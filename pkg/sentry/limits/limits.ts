import {
  RLIM_INFINITY,
  RLIM_NLIMITS,
  RLIMIT_CORE,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_RTPRIO,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} from "../../abi/linux/rlimit.ts";
import * as linuxerr from "../../errors/linuxerr/index.ts";
import { stateType } from "../../state/index.ts";

/** The most descriptors a hard RLIMIT_NOFILE may allow (/proc/sys/fs/nr_open). */
export const NR_OPEN = 1048576;

/** Tasks a kernel has room for; as in Linux, half of it bounds queued signals. */
const MAX_THREADS = 65536;

/** One resource limit, immutable: the 64-bit soft and hard values word by word. RLIM_INFINITY is all ones. */
export class Limit {
  static readonly stateType = stateType("limits.Limit", ["curLo", "curHi", "maxLo", "maxHi"]);
  readonly curLo: number;
  readonly curHi: number;
  readonly maxLo: number;
  readonly maxHi: number;

  constructor(curLo: number, curHi: number, maxLo: number, maxHi: number) {
    this.curLo = curLo >>> 0;
    this.curHi = curHi >>> 0;
    this.maxLo = maxLo >>> 0;
    this.maxHi = maxHi >>> 0;
  }

  /** A limit from numbers below 2^53 or RLIM_INFINITY. */
  static of(cur: number, max: number): Limit {
    return new Limit(lowWord(cur), highWord(cur), lowWord(max), highWord(max));
  }

  /** The soft value: exact below 2^53; RLIM_INFINITY when unlimited. */
  get cur(): number {
    return value(this.curLo, this.curHi);
  }

  /** The hard value: exact below 2^53; RLIM_INFINITY when unlimited. */
  get max(): number {
    return value(this.maxLo, this.maxHi);
  }
}

function value(lo: number, hi: number): number {
  return lo === 0xffffffff && hi === 0xffffffff ? RLIM_INFINITY : hi * 4294967296 + lo;
}

function lowWord(v: number): number {
  return v === RLIM_INFINITY ? 0xffffffff : v >>> 0;
}

function highWord(v: number): number {
  return v === RLIM_INFINITY ? 0xffffffff : Math.floor(v / 4294967296);
}

function greater(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
  return aHi > bHi || (aHi === bHi && aLo > bLo);
}

/** The limits of a process (setrlimit(2)), shared by its threads; fork copies the set. */
export class LimitSet {
  static readonly stateType = stateType("limits.LimitSet", ["limits"]);
  limits: Limit[];

  constructor(limits: Limit[]) {
    this.limits = limits;
  }

  /** The limit of a resource (0 <= resource < RLIM_NLIMITS). */
  get(resource: number): Limit {
    const l = this.limits[resource];
    if (l === undefined) throw linuxerr.EINVAL;
    return l;
  }

  /** The soft value of a resource; RLIM_INFINITY when unlimited. */
  cur(resource: number): number {
    return this.get(resource).cur;
  }

  /** Replaces a limit without any check. */
  setUnchecked(resource: number, limit: Limit): void {
    this.limits[resource] = limit;
  }

  /**
   * Replaces a limit by the rules of prlimit(2): EINVAL when soft exceeds hard or the resource is unknown, EPERM when the
   * hard value would grow and the caller is not privileged (CAP_SYS_RESOURCE), or NOFILE would exceed nr_open.
   */
  set(resource: number, limit: Limit, privileged: boolean): void {
    const old = this.get(resource);
    if (greater(limit.curLo, limit.curHi, limit.maxLo, limit.maxHi)) throw linuxerr.EINVAL;
    if (resource === RLIMIT_NOFILE && limit.max > NR_OPEN) throw linuxerr.EPERM;
    if (greater(limit.maxLo, limit.maxHi, old.maxLo, old.maxHi) && !privileged) throw linuxerr.EPERM;
    this.limits[resource] = limit;
  }

  /** A copy for a child process. */
  getCopy(): LimitSet {
    return new LimitSet(this.limits.slice());
  }
}

/** The limits of a container's first process before its specification is applied. */
export function newDefaultLimitSet(): LimitSet {
  const unlimited = Limit.of(RLIM_INFINITY, RLIM_INFINITY);
  const all: Limit[] = [];
  for (let i = 0; i < RLIM_NLIMITS; i++) all.push(unlimited);
  all[RLIMIT_STACK] = Limit.of(8 << 20, RLIM_INFINITY);
  all[RLIMIT_CORE] = unlimited;
  all[RLIMIT_NOFILE] = Limit.of(NR_OPEN, NR_OPEN);
  all[RLIMIT_MEMLOCK] = Limit.of(65536, 65536);
  all[RLIMIT_SIGPENDING] = Limit.of(MAX_THREADS / 2, MAX_THREADS / 2);
  all[RLIMIT_MSGQUEUE] = Limit.of(819200, 819200);
  all[RLIMIT_NICE] = Limit.of(0, 0);
  all[RLIMIT_RTPRIO] = Limit.of(0, 0);
  return new LimitSet(all);
}
