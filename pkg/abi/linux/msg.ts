/** System V message queues (include/uapi/linux/msg.h, asm-generic/msgbuf.h). */

/** Commands of msgctl(2) besides IPC_*. */
export const MSG_STAT = 11;
export const MSG_INFO = 12;
export const MSG_STAT_ANY = 13;

/** Flags of msgrcv(2) besides IPC_NOWAIT. */
export const MSG_NOERROR = 0o10000;
export const MSG_EXCEPT = 0o20000;
export const MSG_COPY = 0o40000;

export const MSGMNI = 32000;
export const MSGMAX = 8192;
export const MSGMNB = 16384;
export const MSGPOOL = (MSGMNI * MSGMNB) / 1024;
export const MSGSSZ = 16;
export const MSGSEG = 0xffff;

/** struct msqid64_ds: size and offsets. */
export const SIZEOF_MSQID64_DS = 120;
export const MSG_STIME = 48;
export const MSG_RTIME = 56;
export const MSG_CTIME = 64;
export const MSG_CBYTES = 72;
export const MSG_QNUM = 80;
export const MSG_QBYTES = 88;
export const MSG_LSPID = 96;
export const MSG_LRPID = 100;

/** struct msginfo. */
export const SIZEOF_MSGINFO = 32;
