/** System V semaphores (include/uapi/linux/sem.h, asm/sembuf.h). */

/** Commands of semctl(2) besides IPC_*. */
export const GETPID = 11;
export const GETVAL = 12;
export const GETALL = 13;
export const GETNCNT = 14;
export const GETZCNT = 15;
export const SETVAL = 16;
export const SETALL = 17;
export const SEM_STAT = 18;
export const SEM_INFO = 19;
export const SEM_STAT_ANY = 20;

/** Flag of semop(2). */
export const SEM_UNDO = 0x1000;

export const SEMMNI = 32000;
export const SEMMSL = 32000;
export const SEMMNS = 1024000000;
export const SEMOPM = 500;
export const SEMVMX = 32767;
export const SEMAEM = 32767;
export const SEMUSZ = 20;

/** struct sembuf: size and offsets. */
export const SIZEOF_SEMBUF = 6;

/** struct semid64_ds: size and offsets. */
export const SIZEOF_SEMID64_DS = 104;
export const SEM_OTIME = 48;
export const SEM_CTIME = 64;
export const SEM_NSEMS = 80;

/** struct seminfo: ten ints. */
export const SIZEOF_SEMINFO = 40;
