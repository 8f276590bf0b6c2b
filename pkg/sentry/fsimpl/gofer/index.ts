/**
 * Package gofer is the filesystem of host directories: a container's root, and bind mounts. The sentry walks a donated directory descriptor
 * itself, one component at a time and never through a symbolic link of the host (directfs). The host's page cache is the only
 * cache of data; names and attributes are asked for at each use, unless the mount is `exclusive`. Inodes hold host descriptors: they may be
 * touched whenever the sentry runs, and every call may reach the disk.
 */
export { type CachedDescriptor, DescriptorCache } from "./descriptor_cache.ts";
export { GoferDirectory } from "./directory.ts";
export { GoferDirectoryDescription } from "./directory_fd.ts";
export { GoferFilesystem, GoferOptions, GoferType } from "./gofer.ts";
export { GoferInode, GoferLocation } from "./inode.ts";
export { GoferRegularFile } from "./regular_file.ts";
export { GoferFileDescription } from "./regular_file_fd.ts";
export { GoferSpecialFile, GoferSymlink } from "./special_file.ts";
