/** What an allocation is used for; usage is counted by kind. */
export type MemoryKind = 0 | 1 | 2 | 3 | 4 | 5;
/** The sentry's own needs. */
export const KIND_SYSTEM = 0;
/** Private guest memory and shared anonymous mappings. */
export const KIND_ANONYMOUS = 1;
/** Copies of file data. */
export const KIND_PAGE_CACHE = 2;
/** Files of tmpfs, memfd, SysV shared memory. */
export const KIND_TMPFS = 3;
/** Files of in-memory file systems other than tmpfs. */
export const KIND_RAMDISKFS = 4;
/** Host files mapped by guests; counted, never allocated here. */
export const KIND_MAPPED = 5;
/** Number of kinds. */
export const KIND_COUNT = 6;
