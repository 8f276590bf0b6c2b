/** Interval timers, POSIX timers and timer descriptors (include/uapi/linux/time.h, timerfd.h, asm-generic/siginfo.h). */

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;

export const SIGEV_SIGNAL = 0;
export const SIGEV_NONE = 1;
export const SIGEV_THREAD = 2;
export const SIGEV_THREAD_ID = 4;
/** sizeof(struct sigevent) and offsets of its fields. */
export const SIZEOF_SIGEVENT = 64;
export const SIGEV_VALUE = 0;
export const SIGEV_SIGNO = 8;
export const SIGEV_NOTIFY = 12;
export const SIGEV_TID = 16;

export const TFD_TIMER_ABSTIME = 1;
export const TFD_TIMER_CANCEL_ON_SET = 2;
export const TFD_CLOEXEC = 0o2000000;
export const TFD_NONBLOCK = 0o4000;
/** ioctl: sets the number of expirations (checkpoint/restore only). */
export const TFD_IOC_SET_TICKS = 0x40085400;

/** timer_getoverrun never reports more than this. */
export const DELAYTIMER_MAX = 0x7fffffff;
