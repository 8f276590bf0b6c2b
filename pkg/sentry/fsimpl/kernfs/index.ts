/**
 * Package kernfs is the base of filesystems whose files are made up by the kernel (proc, sysfs): directories with fixed or computed
 * entries, files whose content is generated when they are read, symbolic links. Trees are built once, at the first look into their root;
 * entries of computed directories are made at lookup and live as long as a dentry shows them.
 */
export { KernfsDirectory, StaticDirectory } from "./directory.ts";
export { DynamicBytesFileDescription, DynamicBytesInode, StaticFile } from "./file.ts";
export { KernfsFilesystem } from "./filesystem.ts";
export { KernfsInode } from "./inode.ts";
export { KernfsSymlink, StaticSymlink } from "./symlink.ts";
