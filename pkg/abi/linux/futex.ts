/** Futexes (include/uapi/linux/futex.h). */

export const FUTEX_WAIT = 0;
export const FUTEX_WAKE = 1;
export const FUTEX_FD = 2;
export const FUTEX_REQUEUE = 3;
export const FUTEX_CMP_REQUEUE = 4;
export const FUTEX_WAKE_OP = 5;
export const FUTEX_LOCK_PI = 6;
export const FUTEX_UNLOCK_PI = 7;
export const FUTEX_TRYLOCK_PI = 8;
export const FUTEX_WAIT_BITSET = 9;
export const FUTEX_WAKE_BITSET = 10;
export const FUTEX_WAIT_REQUEUE_PI = 11;
export const FUTEX_CMP_REQUEUE_PI = 12;
export const FUTEX_LOCK_PI2 = 13;

export const FUTEX_PRIVATE_FLAG = 128;
export const FUTEX_CLOCK_REALTIME = 256;
export const FUTEX_CMD_MASK = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

export const FUTEX_WAITERS = 0x80000000;
export const FUTEX_OWNER_DIED = 0x40000000;
export const FUTEX_TID_MASK = 0x3fffffff;
export const FUTEX_BITSET_MATCH_ANY = 0xffffffff;

/** Operations of FUTEX_WAKE_OP. */
export const FUTEX_OP_SET = 0;
export const FUTEX_OP_ADD = 1;
export const FUTEX_OP_OR = 2;
export const FUTEX_OP_ANDN = 3;
export const FUTEX_OP_XOR = 4;
export const FUTEX_OP_OPARG_SHIFT = 8;
export const FUTEX_OP_CMP_EQ = 0;
export const FUTEX_OP_CMP_NE = 1;
export const FUTEX_OP_CMP_LT = 2;
export const FUTEX_OP_CMP_LE = 3;
export const FUTEX_OP_CMP_GT = 4;
export const FUTEX_OP_CMP_GE = 5;

/** Flags of futex2 calls. */
export const FUTEX2_SIZE_U8 = 0;
export const FUTEX2_SIZE_U16 = 1;
export const FUTEX2_SIZE_U32 = 2;
export const FUTEX2_SIZE_U64 = 3;
export const FUTEX2_SIZE_MASK = 3;
export const FUTEX2_NUMA = 4;
export const FUTEX2_MPOL = 8;
export const FUTEX2_PRIVATE = FUTEX_PRIVATE_FLAG;

/** futex_waitv: most waiters, size of struct futex_waitv and offsets of its fields. */
export const FUTEX_WAITV_MAX = 128;
export const SIZEOF_FUTEX_WAITV = 24;
export const WAITV_VAL = 0;
export const WAITV_UADDR = 8;
export const WAITV_FLAGS = 16;
export const WAITV_RESERVED = 20;

/** Most entries of a robust list that exit looks at. */
export const ROBUST_LIST_LIMIT = 2048;
/** sizeof(struct robust_list_head): list, futex_offset, list_op_pending. */
export const SIZEOF_ROBUST_LIST_HEAD = 24;
