/**
 * Package memmap says how memory mappings and the things that can be mapped talk to each other (gVisor's pkg/sentry/memmap).
 * Addresses, offsets and lengths are plain numbers in bytes; every range is [start, end).
 */

/** Access bits, equal to PROT_READ, PROT_WRITE, PROT_EXEC. */
export const AccessRead = 1;
export const AccessWrite = 2;
export const AccessExec = 4;

/**
 * A host object with bytes that can be mapped: a memory file of the sentry or a host file.
 * The object `(File, offset)` names a byte of memory for its whole life.
 */
export interface File {
  /** The host descriptor to map from, in the sentry's table; the platform donates it to stubs as needed. */
  hostFD(): number;
  /** A number unique to this File while the sentry lives; platforms key their per-stub descriptors on it. */
  readonly fileID: number;
  /**
   * The sentry's own mapping of [offset, offset+length): returns the host address of `offset` and guarantees
   * mappedLength(offset) contiguous bytes behind it. Reading and writing it goes through pkg/hostsyscall's safe copies only.
   */
  mapInternal(offset: number): number;
  /** How many bytes from `offset` the address returned by mapInternal is good for. */
  mappedLength(offset: number): number;
  /** Takes a reference on every page of the range. */
  incRef(offset: number, length: number): void;
  /** Drops a reference on every page of the range; at zero the memory is freed (MemoryFile) or the file may be closed. */
  decRef(offset: number, length: number): void;
  /** Has somebody who keeps duplicates of the descriptor told, once, before it is closed. There is one listener: the platform. */
  listenClose(listener: FileCloseListener): void;
}

/** Keeps duplicates of Files' descriptors. */
export interface FileCloseListener {
  /** The file is about to be closed: lets go of the duplicates before it returns. */
  fileClosed(file: File): void;
}

/** One piece of the answer of Mappable.translate. */
export interface Translation {
  /** Range of the Mappable this covers, page-aligned. */
  start: number;
  end: number;
  file: File;
  /** Offset in `file` of `start`. */
  offset: number;
  /** Access bits that this translation can be mapped with. */
  perms: number;
}

/** Who maps a Mappable: mm.MemoryManager. */
export interface MappingSpace {
  /** Drops all translations of the given address range (truncate, COW break, MADV_REMOVE). Takes effect before it returns. */
  invalidate(start: number, end: number, invalidatePrivate: boolean): void;
}

/** Something mmap(2) can map. */
export interface Mappable {
  /** A mapping of [offset, offset+(end-start)) came to exist at [start, end) in ms. */
  addMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void;
  /** The reverse of addMapping, for a sub-range of what was added. */
  removeMapping(ms: MappingSpace, start: number, end: number, offset: number, writable: boolean): void;
  /**
   * Where the bytes of [start, end) of this object are now. May return more than asked (up to optionalEnd), must start at or before
   * `start`; stops early at the end of the object. An empty answer means SIGBUS (beyond the end of the file).
   */
  translate(start: number, end: number, optionalEnd: number, access: number): Translation[];
}

/** The name and identity a mapping shows in /proc/[pid]/maps; implemented by vfs.FileDescription. */
export interface MappingIdentity {
  incRef(): void;
  decRef(): void;
  /** Path as /proc/[pid]/maps shows it (byte string). */
  mappedName(): string;
  deviceID(): number;
  inodeID(): number;
  /** msync(2): writes the range of the object back. */
  msyncRange(start: number, end: number): void;
}

/** What FileDescription.configureMMap fills and MemoryManager.mmap takes. */
export interface MMapOpts {
  addr: number;
  length: number;
  /** MAP_FIXED. */
  fixed: boolean;
  /** MAP_FIXED_NOREPLACE is fixed without unmap. */
  unmap: boolean;
  /** MAP_32BIT. */
  map32Bit: boolean;
  growsDown: boolean;
  stack: boolean;
  /** MAP_POPULATE. */
  precommit: boolean;
  /** MAP_LOCKED or mlockall(MCL_FUTURE). */
  locked: boolean;
  noReserve: boolean;
  /** The file is going to be read at once. */
  reading: boolean;
  /** The data segment of a library, mapped by its linker. */
  library: boolean;
  /** MAP_PRIVATE when true. */
  isPrivate: boolean;
  perms: number;
  maxPerms: number;
  /** null: anonymous. */
  mappable: Mappable | null;
  mappingIdentity: MappingIdentity | null;
  offset: number;
  /** Name for /proc/[pid]/maps when there is no identity, e.g. "[heap]". */
  hint: string;
}

/** An MMapOpts with everything off, for callers to fill. */
export function newMMapOpts(): MMapOpts {
  return {
    addr: 0,
    length: 0,
    fixed: false,
    unmap: false,
    map32Bit: false,
    growsDown: false,
    stack: false,
    precommit: false,
    locked: false,
    noReserve: false,
    reading: false,
    library: false,
    isPrivate: true,
    perms: 0,
    maxPerms: 7,
    mappable: null,
    mappingIdentity: null,
    offset: 0,
    hint: "",
  };
}

export { FileIDs } from "./file_ids.ts";
export { MappingEntry, MappingSet } from "./mapping_set.ts";
export { Segment, SegmentSet } from "./segment_set.ts";
