/**
 * Package nsfs is namespaces as files: what /proc/[pid]/ns leads to. A file belongs to one namespace, and the namespace lives as long as
 * somebody has its file open or mounted (namespaces(7), ioctl_nsfs(2)).
 */
export { NSFileDescription, NSFilesystem, NSInode, namespacePlace } from "./nsfs.ts";
