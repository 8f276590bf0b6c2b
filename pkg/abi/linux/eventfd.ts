/** eventfd(2) (include/uapi/linux/eventfd.h). */

export const EFD_SEMAPHORE = 1;
/** Equal to O_CLOEXEC. */
export const EFD_CLOEXEC = 0o2000000;
/** Equal to O_NONBLOCK. */
export const EFD_NONBLOCK = 0o4000;
