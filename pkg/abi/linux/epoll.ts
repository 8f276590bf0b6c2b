/** epoll(7) (include/uapi/linux/eventpoll.h). */

export const EPOLLIN = 0x0001;
export const EPOLLPRI = 0x0002;
export const EPOLLOUT = 0x0004;
export const EPOLLERR = 0x0008;
export const EPOLLHUP = 0x0010;
export const EPOLLNVAL = 0x0020;
export const EPOLLRDNORM = 0x0040;
export const EPOLLRDBAND = 0x0080;
export const EPOLLWRNORM = 0x0100;
export const EPOLLWRBAND = 0x0200;
export const EPOLLMSG = 0x0400;
export const EPOLLRDHUP = 0x2000;
export const EPOLL_URING_WAKE = 1 << 27;
export const EPOLLEXCLUSIVE = 1 << 28;
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
/** Bit 31, as a signed 32-bit number like every result of a bit operation. */
export const EPOLLET = 1 << 31;

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

/** Equal to O_CLOEXEC. */
export const EPOLL_CLOEXEC = 0o2000000;

/** struct epoll_event, packed on x86-64: u32 events, u64 data at 4. */
export const SIZEOF_EPOLL_EVENT = 12;

/** ioctl(2) of an epoll descriptor: struct epoll_params { u32 busy_poll_usecs; u16 budget; u8 prefer; u8 pad }. */
export const EPIOCSPARAMS = 0x40088a01;
export const EPIOCGPARAMS = 0x80088a02;
