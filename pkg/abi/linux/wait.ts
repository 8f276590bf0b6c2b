/** wait4(2), waitid(2): include/uapi/linux/wait.h; struct rusage: include/uapi/linux/resource.h. */

export const WNOHANG = 0x1;
export const WUNTRACED = 0x2;
export const WSTOPPED = WUNTRACED;
export const WEXITED = 0x4;
export const WCONTINUED = 0x8;
export const WNOWAIT = 0x1000000;
export const __WNOTHREAD = 0x20000000;
export const __WALL = 0x40000000;
export const __WCLONE = 0x80000000;

/** idtype of waitid. */
export const P_ALL = 0;
export const P_PID = 1;
export const P_PGID = 2;
export const P_PIDFD = 3;

/** sizeof(struct rusage). */
export const RUSAGE_SIZE = 144;
export const RUSAGE_SELF = 0;
export const RUSAGE_CHILDREN = -1;
export const RUSAGE_THREAD = 1;

/** Wait status of a normal exit. */
export function exitStatusWord(code: number): number {
  return (code & 0xff) << 8;
}

/** Wait status of a stop by a signal. */
export function stopStatusWord(sig: number): number {
  return (sig << 8) | 0x7f;
}

/** Wait status of a continue. */
export const CONTINUED_STATUS_WORD = 0xffff;
/** Bit of a wait status that says a core was dumped. */
export const WCOREFLAG = 0x80;
