/**
 * Package pgalloc allocates guest memory from memory files (memfds). A range of guest memory is always (MemoryFile, offset); the
 * sentry reaches it through MemoryFile.mapInternal and pkg/hostsyscall's safe copies. All objects belong to the sentry's one thread.
 */
export { DirtyRange, MemoryFile, type MemoryFileOpts, UsedRange } from "./memory_file.ts";
export {
  KIND_ANONYMOUS,
  KIND_COUNT,
  KIND_MAPPED,
  KIND_PAGE_CACHE,
  KIND_RAMDISKFS,
  KIND_SYSTEM,
  KIND_TMPFS,
  type MemoryKind,
} from "./memory_kind.ts";
