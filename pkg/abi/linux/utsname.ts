/** uname(2) (include/uapi/linux/utsname.h). */

/** Longest name, without its NUL. */
export const UTS_LEN = 64;
/** sizeof(struct new_utsname): sysname, nodename, release, version, machine, domainname, 65 bytes each. */
export const SIZEOF_UTSNAME = 390;
