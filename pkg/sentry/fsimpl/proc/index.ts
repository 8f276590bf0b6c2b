/**
 * Package proc is procfs: a directory for every process and thread of a PID namespace, and what the kernel tells about the system
 * (/proc/meminfo, /proc/sys). Texts are made when they are read and say what is true at that moment; nothing is cached.
 */
export { mayInspect } from "./access.ts";
export { ProcFilesystem, type ProcInfo, ProcType } from "./filesystem.ts";
export { randomUUID } from "./sysctl.ts";
