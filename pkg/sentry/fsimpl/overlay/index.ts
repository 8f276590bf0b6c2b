/**
 * Package overlay shows directories on top of each other as one: a writable upper layer (usually a tmpfs) over any number of lower ones that
 * are never changed. It is the root of containers. Whiteouts and opaque directories are those of Linux's overlayfs
 * (Documentation/filesystems/overlayfs.rst), without redirect_dir, metacopy and index. Layers belong to the overlay: nothing else may change the
 * upper one. Everything may be touched whenever the sentry runs.
 */
export { CopyUp } from "./copy_up.ts";
export { OverlayDirectory } from "./directory.ts";
export { OverlayDirectoryDescription } from "./directory_fd.ts";
export { OverlayInode, OverlaySpecialFile, UnfinishedCopy } from "./inode.ts";
export { OverlayFilesystem, OverlayOptions, OverlayType } from "./overlay.ts";
export { OverlayRegularFile, PendingCopyUp } from "./regular_file.ts";
export { OverlayFileDescription } from "./regular_file_fd.ts";
