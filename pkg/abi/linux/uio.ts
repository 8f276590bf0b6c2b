/** Scattered reads and writes: readv(2), sendmsg(2) (include/uapi/linux/uio.h). */

/** Most pieces of one call. */
export const UIO_MAXIOV = 1024;
/** struct iovec: u64 iov_base, u64 iov_len at 8. */
export const SIZEOF_IOVEC = 16;
export const IOVEC_BASE = 0;
export const IOVEC_LEN = 8;
