/** System V shared memory (include/uapi/linux/shm.h, asm-generic/shmbuf.h). */

/** Commands of shmctl(2) besides IPC_*. */
export const SHM_LOCK = 11;
export const SHM_UNLOCK = 12;
export const SHM_STAT = 13;
export const SHM_INFO = 14;
export const SHM_STAT_ANY = 15;

/** Flags of shmget(2). */
export const SHM_HUGETLB = 0o4000;
export const SHM_NORESERVE = 0o10000;
export const SHM_HUGE_SHIFT = 26;
export const SHM_HUGE_MASK = 0x3f;

/** Flags of shmat(2). */
export const SHM_RDONLY = 0o10000;
export const SHM_RND = 0o20000;
export const SHM_REMAP = 0o40000;
export const SHM_EXEC = 0o100000;

/** Bits of shm_perm.mode. */
export const SHM_DEST = 0o1000;
export const SHM_LOCKED = 0o2000;

export const SHMMIN = 1;
export const SHMMNI = 4096;
/** ULONG_MAX - 2^24, of which a number is only nearly the value: the two words of SHMMAX (bytes) and SHMALL (pages). */
export const SHMMAX = 2 ** 64 - 2 ** 24;
export const SHMMAX_LO = 0xfeffffff;
export const SHMMAX_HI = 0xffffffff;

/** struct shmid64_ds: size and offsets. */
export const SIZEOF_SHMID64_DS = 112;
export const SHM_SEGSZ = 48;
export const SHM_ATIME = 56;
export const SHM_DTIME = 64;
export const SHM_CTIME = 72;
export const SHM_CPID = 80;
export const SHM_LPID = 84;
export const SHM_NATTCH = 88;

/** struct shminfo64. */
export const SIZEOF_SHMINFO64 = 72;
/** struct shm_info. */
export const SIZEOF_SHM_INFO = 48;
