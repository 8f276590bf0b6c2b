/** System V IPC: what shared memory, semaphores and message queues have in common (include/uapi/linux/ipc.h, asm-generic/ipcbuf.h). */

export const IPC_PRIVATE = 0;

/** Flags of the get calls, besides nine permission bits. */
export const IPC_CREAT = 0o1000;
export const IPC_EXCL = 0o2000;
export const IPC_NOWAIT = 0o4000;

/** Commands of the ctl calls. */
export const IPC_RMID = 0;
export const IPC_SET = 1;
export const IPC_STAT = 2;
export const IPC_INFO = 3;

/** Most identifiers of one kind (ipc_mni); an id is (sequence << IPC_ID_SHIFT) + index. */
export const IPC_MNI = 32768;
export const IPC_ID_SHIFT = 15;
export const IPC_SEQ_MAX = 65535;
/** Indexes are given out in turn over at least as many. */
export const IPC_MIN_CYCLE = 64;

/** struct ipc64_perm: size and offsets. */
export const SIZEOF_IPC64_PERM = 48;
export const PERM_KEY = 0;
export const PERM_UID = 4;
export const PERM_GID = 8;
export const PERM_CUID = 12;
export const PERM_CGID = 16;
export const PERM_MODE = 20;
export const PERM_SEQ = 24;
