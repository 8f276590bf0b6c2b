/** Clocks and their structures (include/uapi/linux/time.h, timex.h). */

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME_ID = 2;
export const CLOCK_THREAD_CPUTIME_ID = 3;
export const CLOCK_MONOTONIC_RAW = 4;
export const CLOCK_REALTIME_COARSE = 5;
export const CLOCK_MONOTONIC_COARSE = 6;
export const CLOCK_BOOTTIME = 7;
export const CLOCK_REALTIME_ALARM = 8;
export const CLOCK_BOOTTIME_ALARM = 9;
export const CLOCK_SGI_CYCLE = 10;
export const CLOCK_TAI = 11;
/** The static clocks are 0 .. MAX_CLOCKS-1. */
export const MAX_CLOCKS = 16;

/** The low bits of a dynamic (negative) clock id. */
export const CPUCLOCK_PROF = 0;
export const CPUCLOCK_VIRT = 1;
export const CPUCLOCK_SCHED = 2;
export const CLOCKFD = 3;
export const CPUCLOCK_CLOCK_MASK = 3;
export const CPUCLOCK_PERTHREAD_MASK = 4;

export const TIMER_ABSTIME = 1;

export const NSEC_PER_SEC = 1000000000;
export const NSEC_PER_USEC = 1000;
export const NSEC_PER_MSEC = 1000000;
export const USEC_PER_SEC = 1000000;
/** User-visible clock ticks a second (AT_CLKTCK, times(2)). */
export const USER_HZ = 100;
/** Nanoseconds of a user-visible tick. */
export const NSEC_PER_TICK = 10000000;
/** Largest number of seconds a ktime_t holds. */
export const KTIME_SEC_MAX = 9223372036;

export const SIZEOF_TIMESPEC = 16;
export const SIZEOF_TIMEVAL = 16;
export const SIZEOF_ITIMERSPEC = 32;
export const SIZEOF_ITIMERVAL = 32;
export const SIZEOF_TIMEZONE = 8;
export const SIZEOF_TMS = 32;

/** struct timex on x86-64: size, mode bits, and offsets of its fields. */
export const SIZEOF_TIMEX = 208;
export const TIMEX_MODES = 0;
export const TIMEX_OFFSET = 8;
export const TIMEX_FREQ = 16;
export const TIMEX_MAXERROR = 24;
export const TIMEX_ESTERROR = 32;
export const TIMEX_STATUS = 40;
export const TIMEX_CONSTANT = 48;
export const TIMEX_PRECISION = 56;
export const TIMEX_TOLERANCE = 64;
export const TIMEX_TIME = 72;
export const TIMEX_TICK = 88;
export const TIMEX_TAI = 160;
export const ADJ_OFFSET = 0x0001;
export const ADJ_FREQUENCY = 0x0002;
export const ADJ_SETOFFSET = 0x0100;
export const ADJ_NANO = 0x2000;
export const ADJ_TICK = 0x4000;
export const ADJ_ADJTIME = 0x8000;
export const ADJ_OFFSET_SINGLESHOT = 0x0001;
export const ADJ_OFFSET_READONLY = 0x2000;
export const STA_UNSYNC = 0x0040;
export const STA_NANO = 0x2000;
export const TIME_OK = 0;
export const TIME_ERROR = 5;
