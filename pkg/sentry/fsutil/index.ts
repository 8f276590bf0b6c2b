/**
 * Package fsutil is what filesystems over host descriptors share: a host file as memory that can be mapped, vectored I/O between host files
 * and guest memory, and translation of attributes. Objects belong to the filesystem that made them.
 */
export { fillStatfs, fillStatx } from "./host_attr.ts";
export { HostFile } from "./host_file.ts";
export { HostIO, MAX_HOST_IO } from "./host_io.ts";
