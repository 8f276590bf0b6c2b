/** inotify(7): include/uapi/linux/inotify.h. */

// Events that can be asked for.
export const IN_ACCESS = 0x1;
export const IN_MODIFY = 0x2;
export const IN_ATTRIB = 0x4;
export const IN_CLOSE_WRITE = 0x8;
export const IN_CLOSE_NOWRITE = 0x10;
export const IN_OPEN = 0x20;
export const IN_MOVED_FROM = 0x40;
export const IN_MOVED_TO = 0x80;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_ALL_EVENTS = 0xfff;

// Events that come unasked.
export const IN_UNMOUNT = 0x2000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_IGNORED = 0x8000;

// Flags.
export const IN_ONLYDIR = 0x1000000;
export const IN_DONT_FOLLOW = 0x2000000;
export const IN_EXCL_UNLINK = 0x4000000;
export const IN_MASK_CREATE = 0x10000000;
export const IN_MASK_ADD = 0x20000000;
export const IN_ISDIR = 0x40000000;
export const IN_ONESHOT = 0x80000000;
/** Everything that inotify_add_watch(2) knows. */
export const ALL_INOTIFY_BITS = 0xf700efff;

// Flags of inotify_init1(2).
export const IN_CLOEXEC = 0o2000000;
export const IN_NONBLOCK = 0o4000;

/** sizeof(struct inotify_event): wd, mask, cookie, len, 32 bits each. Names are padded with NULs to multiples of it. */
export const SizeofInotifyEvent = 16;
