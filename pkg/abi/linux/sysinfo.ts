/** sysinfo(2) (include/uapi/linux/sysinfo.h): size of struct sysinfo and offsets of its fields. */

export const SIZEOF_SYSINFO = 112;
export const SI_UPTIME = 0;
export const SI_LOADS = 8;
export const SI_TOTALRAM = 32;
export const SI_FREERAM = 40;
export const SI_SHAREDRAM = 48;
export const SI_BUFFERRAM = 56;
export const SI_TOTALSWAP = 64;
export const SI_FREESWAP = 72;
export const SI_PROCS = 80;
export const SI_TOTALHIGH = 88;
export const SI_FREEHIGH = 96;
export const SI_MEM_UNIT = 104;
/** Fixed-point shift of the load averages. */
export const SI_LOAD_SHIFT = 16;
