/**
 * Package host makes descriptors of the host usable in a sandbox: the standard streams of its first process, and descriptors passed in later.
 * Descriptions of the host may be shared with processes outside (the user's shell): nothing here changes their flags, and nothing blocks
 * the sentry for longer than the host takes to copy bytes. Objects may be touched whenever the sentry runs.
 */
export { HostFileDescription } from "./file_description.ts";
export { HostFilesystem, type ImportOptions } from "./host.ts";
export { HostInode } from "./inode.ts";
export { HostTerminal, HostTTYFileDescription } from "./tty.ts";
