import { stateType } from "../../../state/index.ts";

/** An inode with a host descriptor that it can open again when it was closed. */
export interface CachedDescriptor {
  cachePrev: CachedDescriptor | null;
  cacheNext: CachedDescriptor | null;
  /** In the cache. */
  cached: boolean;
  /** Closes the descriptor; it has been taken out of the cache. */
  closeCached(): void;
}

/**
 * Bounds the host descriptors that are open only because they may be needed again: those of directories, and of files that
 * nobody has open just now. The least recently used are closed first.
 */
export class DescriptorCache {
  static readonly stateType = stateType("gofer.DescriptorCache", ["limit"], ["head", "tail", "count"]);
  head: CachedDescriptor | null = null;
  tail: CachedDescriptor | null = null;
  count = 0;
  limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Puts an inode at the young end, adding it when it is not there, and closes old ones beyond the limit. */
  use(d: CachedDescriptor): void {
    if (this.tail === d) return;
    if (d.cached) this.remove(d);
    d.cached = true;
    d.cachePrev = this.tail;
    d.cacheNext = null;
    if (this.tail === null) this.head = d;
    else this.tail.cacheNext = d;
    this.tail = d;
    this.count++;
    if (this.count > this.limit) this.evict(1);
  }

  /** Takes an inode out without closing anything; a no-op when it is not there. */
  remove(d: CachedDescriptor): void {
    if (!d.cached) return;
    d.cached = false;
    if (d.cachePrev === null) this.head = d.cacheNext;
    else d.cachePrev.cacheNext = d.cacheNext;
    if (d.cacheNext === null) this.tail = d.cachePrev;
    else d.cacheNext.cachePrev = d.cachePrev;
    d.cachePrev = null;
    d.cacheNext = null;
    this.count--;
  }

  /**
   * Closes up to n descriptors, oldest first, and returns how many. The two used last stay: a rename under way may have them in
   * hand.
   */
  evict(n: number): number {
    let closed = 0;
    while (closed < n && this.count > 2) {
      const d = this.head;
      if (d === null) break;
      this.remove(d);
      d.closeCached();
      closed++;
    }
    return closed;
  }

  /** Closes everything. */
  clear(): void {
    for (let d = this.head; d !== null; d = this.head) {
      this.remove(d);
      d.closeCached();
    }
  }
}
