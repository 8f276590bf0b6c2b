/**
 * Package tmpfs is a filesystem in memory: /tmp, /dev/shm, the upper layer of overlays, and the files behind memfd_create(2) and shared
 * anonymous memory. File data lives in a pgalloc.MemoryFile, names and attributes in the sentry's heap, bounded by nr_inodes. All
 * objects may be touched whenever the sentry runs; nothing here blocks.
 */
export { TmpfsDirectory, TmpfsDirent } from "./directory.ts";
export { TmpfsInode } from "./inode.ts";
export { newMemfd, newShmFile } from "./memfd.ts";
export { TmpfsExtent, TmpfsFileDescription, TmpfsRegularFile } from "./regular_file.ts";
export { TmpfsSpecialFile, TmpfsSymlink } from "./special_file.ts";
export { parseTmpfsOptions, Tmpfs, type TmpfsOptions, TmpfsType } from "./tmpfs.ts";
