/** Sockets: families, types, options, messages (include/linux/socket.h, include/uapi/asm-generic/socket.h, linux/{net,un,sockios}.h). */

// Address families.
export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const AF_VSOCK = 40;
/** One past the highest family (NPROTO). */
export const AF_MAX = 46;

// socket(2) types.
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_RDM = 4;
export const SOCK_SEQPACKET = 5;
export const SOCK_DCCP = 6;
export const SOCK_PACKET = 10;
/** One past the highest type. */
export const SOCK_MAX = 11;
export const SOCK_TYPE_MASK = 0xf;
/** Equal to O_CLOEXEC. */
export const SOCK_CLOEXEC = 0o2000000;
/** Equal to O_NONBLOCK. */
export const SOCK_NONBLOCK = 0o4000;

/** struct sockaddr_storage. */
export const SIZEOF_SOCKADDR_STORAGE = 128;
/** struct sockaddr_un: u16 sun_family, char sun_path[108]. */
export const SIZEOF_SOCKADDR_UN = 110;
export const SUN_PATH = 2;
export const UNIX_PATH_MAX = 108;

// shutdown(2).
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/** Largest backlog of listen(2) (/proc/sys/net/core/somaxconn). */
export const SOMAXCONN = 4096;

// Flags of sendmsg(2) and recvmsg(2).
export const MSG_OOB = 0x1;
export const MSG_PEEK = 0x2;
export const MSG_DONTROUTE = 0x4;
export const MSG_CTRUNC = 0x8;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_EOR = 0x80;
export const MSG_WAITALL = 0x100;
export const MSG_FIN = 0x200;
export const MSG_SYN = 0x400;
export const MSG_CONFIRM = 0x800;
export const MSG_RST = 0x1000;
export const MSG_ERRQUEUE = 0x2000;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_MORE = 0x8000;
export const MSG_WAITFORONE = 0x10000;
export const MSG_BATCH = 0x40000;
export const MSG_ZEROCOPY = 0x4000000;
export const MSG_FASTOPEN = 0x20000000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
/** For 32-bit callers only: a 64-bit one gets EINVAL. Bit 31 as a signed number. */
export const MSG_CMSG_COMPAT = 1 << 31;
/** Flags only the kernel itself sets (MSG_SPLICE_PAGES, MSG_SENDPAGE_NOPOLICY, MSG_NO_SHARED_FRAGS...). */
export const MSG_INTERNAL_SENDMSG_FLAGS = 0x8000000 | 0x10000 | 0x80000 | 0x100000;

/** struct msghdr: name, namelen, iov, iovlen, control, controllen, flags. */
export const SIZEOF_MSGHDR = 56;
export const MSGHDR_NAME = 0;
export const MSGHDR_NAMELEN = 8;
export const MSGHDR_IOV = 16;
export const MSGHDR_IOVLEN = 24;
export const MSGHDR_CONTROL = 32;
export const MSGHDR_CONTROLLEN = 40;
export const MSGHDR_FLAGS = 48;
/** struct mmsghdr: a msghdr and u32 msg_len at 56. */
export const SIZEOF_MMSGHDR = 64;
export const MMSGHDR_LEN = 56;

/** struct cmsghdr: u64 cmsg_len, int cmsg_level at 8, int cmsg_type at 12. */
export const SIZEOF_CMSGHDR = 16;

// Control messages of level SOL_SOCKET.
export const SCM_RIGHTS = 1;
export const SCM_CREDENTIALS = 2;
export const SCM_SECURITY = 3;
export const SCM_PIDFD = 4;
/** Most descriptors of one message. */
export const SCM_MAX_FD = 253;
/** struct ucred: pid, uid, gid. */
export const SIZEOF_UCRED = 12;

export const SOL_SOCKET = 1;

// Options of level SOL_SOCKET.
export const SO_DEBUG = 1;
export const SO_REUSEADDR = 2;
export const SO_TYPE = 3;
export const SO_ERROR = 4;
export const SO_DONTROUTE = 5;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const SO_OOBINLINE = 10;
export const SO_NO_CHECK = 11;
export const SO_PRIORITY = 12;
export const SO_LINGER = 13;
export const SO_BSDCOMPAT = 14;
export const SO_REUSEPORT = 15;
export const SO_PASSCRED = 16;
export const SO_PEERCRED = 17;
export const SO_RCVLOWAT = 18;
export const SO_SNDLOWAT = 19;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
export const SO_DETACH_FILTER = 27;
export const SO_PEERNAME = 28;
export const SO_TIMESTAMP = 29;
export const SO_ACCEPTCONN = 30;
export const SO_PEERSEC = 31;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_PASSSEC = 34;
export const SO_TIMESTAMPNS = 35;
export const SO_MARK = 36;
export const SO_TIMESTAMPING = 37;
export const SO_PROTOCOL = 38;
export const SO_DOMAIN = 39;
export const SO_RXQ_OVFL = 40;
export const SO_WIFI_STATUS = 41;
export const SO_PEEK_OFF = 42;
export const SO_NOFCS = 43;
export const SO_LOCK_FILTER = 44;
export const SO_SELECT_ERR_QUEUE = 45;
export const SO_BUSY_POLL = 46;
export const SO_MAX_PACING_RATE = 47;
export const SO_BPF_EXTENSIONS = 48;
export const SO_INCOMING_CPU = 49;
export const SO_ATTACH_BPF = 50;
export const SO_ATTACH_REUSEPORT_CBPF = 51;
export const SO_ATTACH_REUSEPORT_EBPF = 52;
export const SO_CNX_ADVICE = 53;
export const SO_MEMINFO = 55;
export const SO_INCOMING_NAPI_ID = 56;
export const SO_COOKIE = 57;
export const SO_PEERGROUPS = 59;
export const SO_ZEROCOPY = 60;
export const SO_TXTIME = 61;
export const SO_BINDTOIFINDEX = 62;
export const SO_TIMESTAMP_NEW = 63;
export const SO_TIMESTAMPNS_NEW = 64;
export const SO_TIMESTAMPING_NEW = 65;
export const SO_RCVTIMEO_NEW = 66;
export const SO_SNDTIMEO_NEW = 67;
export const SO_DETACH_REUSEPORT_BPF = 68;
export const SO_PREFER_BUSY_POLL = 69;
export const SO_BUSY_POLL_BUDGET = 70;
export const SO_NETNS_COOKIE = 71;
export const SO_BUF_LOCK = 72;
export const SO_RESERVE_MEM = 73;
export const SO_TXREHASH = 74;
export const SO_RCVMARK = 75;
export const SO_PASSPIDFD = 76;
export const SO_PEERPIDFD = 77;
export const SO_RCVPRIORITY = 82;
export const SO_PASSRIGHTS = 83;
export const SO_INQ = 84;
export const SCM_INQ = 84;

/** Bits of SO_BUF_LOCK. */
export const SOCK_SNDBUF_LOCK = 1;
export const SOCK_RCVBUF_LOCK = 2;
/** Bits that SO_TIMESTAMPING knows (SOF_TIMESTAMPING_MASK). */
export const SOF_TIMESTAMPING_MASK = 0x7ffff;

/** Defaults and bounds of SO_SNDBUF and SO_RCVBUF (/proc/sys/net/core/{w,r}mem_{default,max}; net/sock.h). */
export const SK_WMEM_DEFAULT = 212992;
export const SK_RMEM_DEFAULT = 212992;
export const SK_WMEM_MAX = 212992;
export const SK_RMEM_MAX = 212992;
export const SOCK_MIN_SNDBUF = 4608;
export const SOCK_MIN_RCVBUF = 2304;
/** Most bytes of ancillary data and options of one socket (/proc/sys/net/core/optmem_max). */
export const OPTMEM_MAX = 131072;

// ioctl(2) of sockets.
export const SIOCGSTAMP_OLD = 0x8906;
export const SIOCGSTAMPNS_OLD = 0x8907;
export const SIOCUNIXFILE = 0x89e0;

// enum socket_state, as /proc/net/unix shows it.
export const SS_UNCONNECTED = 1;
export const SS_CONNECTING = 2;
export const SS_CONNECTED = 3;
export const SS_DISCONNECTING = 4;
/** The listening flag of /proc/net/unix. */
export const __SO_ACCEPTCON = 1 << 16;
