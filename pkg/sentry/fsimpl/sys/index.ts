/**
 * Package sys is sysfs: the part of /sys that C libraries, language runtimes and tools ask for the number of processors, nodes and
 * kernel features. A fixed tree of read-only files, built when somebody looks.
 */
export { cpuList, cpuMask, SysFilesystem, type SysInfo, SysRoot, SysType } from "./sys.ts";
