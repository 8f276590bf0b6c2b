/** ioctl(2) request numbers of x86-64 (asm-generic/ioctls.h, linux/sockios.h, linux/fs.h, linux/random.h, linux/if_tun.h, linux/nsfs.h). */

// Terminals, and the requests any descriptor or stream understands (FIO*).
export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TCSETSW = 0x5403;
export const TCSETSF = 0x5404;
export const TCGETA = 0x5405;
export const TCSETA = 0x5406;
export const TCSETAW = 0x5407;
export const TCSETAF = 0x5408;
export const TCSBRK = 0x5409;
export const TCXONC = 0x540a;
export const TCFLSH = 0x540b;
export const TIOCEXCL = 0x540c;
export const TIOCNXCL = 0x540d;
export const TIOCSCTTY = 0x540e;
export const TIOCGPGRP = 0x540f;
export const TIOCSPGRP = 0x5410;
export const TIOCOUTQ = 0x5411;
export const TIOCSTI = 0x5412;
export const TIOCGWINSZ = 0x5413;
export const TIOCSWINSZ = 0x5414;
export const TIOCMGET = 0x5415;
export const TIOCMBIS = 0x5416;
export const TIOCMBIC = 0x5417;
export const TIOCMSET = 0x5418;
export const TIOCGSOFTCAR = 0x5419;
export const TIOCSSOFTCAR = 0x541a;
export const FIONREAD = 0x541b;
export const TIOCINQ = 0x541b;
export const TIOCLINUX = 0x541c;
export const TIOCCONS = 0x541d;
export const TIOCPKT = 0x5420;
export const FIONBIO = 0x5421;
export const TIOCNOTTY = 0x5422;
export const TIOCSETD = 0x5423;
export const TIOCGETD = 0x5424;
export const TCSBRKP = 0x5425;
export const TIOCSBRK = 0x5427;
export const TIOCCBRK = 0x5428;
export const TIOCGSERIAL = 0x541e;
export const TIOCSSERIAL = 0x541f;
export const TIOCGSID = 0x5429;
export const TCGETS2 = 0x802c542a;
export const TCSETS2 = 0x402c542b;
export const TCSETSW2 = 0x402c542c;
export const TCSETSF2 = 0x402c542d;
export const TIOCGPTN = 0x80045430;
export const TIOCSPTLCK = 0x40045431;
export const TIOCGDEV = 0x80045432;
export const TIOCSIG = 0x40045436;
export const TIOCVHANGUP = 0x5437;
export const TIOCGPKT = 0x80045438;
export const TIOCGPTLCK = 0x80045439;
export const TIOCGEXCL = 0x80045440;
export const TIOCGPTPEER = 0x5441;
export const FIONCLEX = 0x5450;
export const FIOCLEX = 0x5451;
export const FIOASYNC = 0x5452;
export const TIOCGLCKTRMIOS = 0x5456;
export const TIOCSLCKTRMIOS = 0x5457;
export const TIOCGICOUNT = 0x545d;
export const FIOQSIZE = 0x5460;

// Sockets and signal ownership.
export const FIOSETOWN = 0x8901;
export const SIOCSPGRP = 0x8902;
export const FIOGETOWN = 0x8903;
export const SIOCGPGRP = 0x8904;
export const SIOCATMARK = 0x8905;
export const SIOCINQ = 0x541b;
export const SIOCOUTQ = 0x5411;

// Files and file systems.
export const FIBMAP = 0x1;
export const FIGETBSZ = 0x2;
export const FICLONE = 0x40049409;
export const FICLONERANGE = 0x4020940d;
export const FIDEDUPERANGE = 0xc0189436;
export const FIFREEZE = 0xc0045877;
export const FITHAW = 0xc0045878;
export const FITRIM = 0xc0185879;
export const FS_IOC_GETFLAGS = 0x80086601;
export const FS_IOC_SETFLAGS = 0x40086602;
export const FS_IOC_GETVERSION = 0x80087601;
export const FS_IOC_FSGETXATTR = 0x801c581f;
export const FS_IOC_FSSETXATTR = 0x401c5820;
export const FS_IOC_FIEMAP = 0xc020660b;
export const FS_IOC_GETFSLABEL = 0x81009431;

// Block devices.
export const BLKROGET = 0x125e;
export const BLKGETSIZE = 0x1260;
export const BLKGETSIZE64 = 0x80081272;
export const BLKSSZGET = 0x1268;
export const BLKFLSBUF = 0x1261;

// /dev/random.
export const RNDGETENTCNT = 0x80045200;
export const RNDADDTOENTCNT = 0x40045201;
export const RNDADDENTROPY = 0x40085203;
export const RNDCLEARPOOL = 0x5206;
export const RNDRESEEDCRNG = 0x5207;

// Network tunnels and FUSE.
export const TUNSETIFF = 0x400454ca;
export const TUNGETIFF = 0x800454d2;
export const TUNSETPERSIST = 0x400454cb;
export const FUSE_DEV_IOC_CLONE = 0x8004e500;

// Namespace files.
export const NS_GET_USERNS = 0xb701;
export const NS_GET_PARENT = 0xb702;
export const NS_GET_NSTYPE = 0xb703;
export const NS_GET_OWNER_UID = 0xb704;
