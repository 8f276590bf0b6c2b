/** Namespaces as files: ioctls and the inode numbers of the first namespaces. Source: include/uapi/linux/nsfs.h. */

// Requests; they open a related namespace, or tell about the one that is open.
export const NS_GET_USERNS = 0xb701;
export const NS_GET_PARENT = 0xb702;
export const NS_GET_NSTYPE = 0xb703;
export const NS_GET_OWNER_UID = 0xb704;
/** Translations of process ids between the caller's PID namespace and that of the file. */
export const NS_GET_PID_FROM_PIDNS = 0x8004b706;
export const NS_GET_TGID_FROM_PIDNS = 0x8004b707;
export const NS_GET_PID_IN_PIDNS = 0x8004b708;
export const NS_GET_TGID_IN_PIDNS = 0x8004b709;

// enum init_ns_ino.
export const IPC_NS_INIT_INO = 0xefffffff;
export const UTS_NS_INIT_INO = 0xeffffffe;
export const USER_NS_INIT_INO = 0xeffffffd;
export const PID_NS_INIT_INO = 0xeffffffc;
export const CGROUP_NS_INIT_INO = 0xeffffffb;
export const NET_NS_INIT_INO = 0xeffffff9;
export const MNT_NS_INIT_INO = 0xeffffff8;
