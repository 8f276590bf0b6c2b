/**
 * Package vfs is the virtual filesystem: mounts, names, path resolution, permissions, open file descriptions, locks. Filesystems under
 * fsimpl implement Filesystem, Inode and FileDescription; system calls use VirtualFilesystem with a PathOperation. Paths and names are byte
 * strings (one char code 0..255 per byte). Nothing here blocks or yields: what would block returns -EAGAIN and offers a queue.
 * Objects kept across system calls (VirtualDentry, FileDescription, MountNamespace) are reference counted.
 */

export { AnonFilesystem, AnonInode } from "./anon_fs.ts";
export { newFileMode, newInodeGID } from "./create.ts";
export { Dentry, DentryCache } from "./dentry.ts";
export { BLOCK_DEVICE, CHAR_DEVICE, type Device, type DeviceKind } from "./device.ts";
export { DIR_FIRST_OFFSET, DirectoryFileDescription } from "./directory.ts";
export { EpollAccounting, EpollInterest, EventPoll } from "./epoll.ts";
export { FileAsync, FileDescription } from "./file_description.ts";
export { Filesystem, type FilesystemType, type GetFilesystemOptions } from "./filesystem.ts";
export { type BoundEndpoint, type Fifo, Inode, STAT_FILLED, STAT_MISSING, STAT_UNKNOWN } from "./inode.ts";
export { notifyFile, notifyName } from "./inotify.ts";
export { InotifyFileDescription } from "./inotify_fd.ts";
export { KnownPath } from "./known_path.ts";
export { FileLocks, LOCK_MAX, LockRange, LockWait, LockWaits, type PosixLockConflict } from "./lock.ts";
export { MemoryInode } from "./memory_inode.ts";
export { MOUNT_FLAGS, Mount } from "./mount.ts";
export { MountNamespace } from "./mount_namespace.ts";
export { OPathFileDescription } from "./opath.ts";
export { checkAccess } from "./open.ts";
export * from "./options.ts";
export { dentryOf, lookupChild, lookupInode, mountedAt } from "./path_walk.ts";
export { checkModePermissions, MAY_EXEC, MAY_READ, MAY_WRITE } from "./permissions.ts";
export { finishRename } from "./rename.ts";
export { MAX_FILE_OFFSET, SeekableFileDescription } from "./seekable.ts";
export { ownerOrCapable, removePrivileges } from "./setstat.ts";
export { type FifoFactory, VirtualFilesystem } from "./vfs.ts";
export { VirtualDentry } from "./virtual_dentry.ts";
export { getXattr, listXattr, removeXattr, setXattr } from "./xattr.ts";
