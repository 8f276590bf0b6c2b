/** Constants and layouts of stat(2), statx(2), mknod(2) and utimensat(2). Source: include/uapi/linux/stat.h, arch/x86/include/uapi/asm/stat.h. */

// File type bits of st_mode.
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

// Permission bits of st_mode.
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
export const S_IRWXU = 0o700;
export const S_IRUSR = 0o400;
export const S_IWUSR = 0o200;
export const S_IXUSR = 0o100;
export const S_IRWXG = 0o070;
export const S_IRGRP = 0o040;
export const S_IWGRP = 0o020;
export const S_IXGRP = 0o010;
export const S_IRWXO = 0o007;
export const S_IROTH = 0o004;
export const S_IWOTH = 0o002;
export const S_IXOTH = 0o001;
// Permissions for everybody.
export const S_IRUGO = 0o444;
export const S_IWUGO = 0o222;
export const S_IXUGO = 0o111;
/** All permission bits with setuid, setgid and sticky. */
export const S_IALLUGO = 0o7777;

// struct stat.
export const SIZEOF_STAT = 144;
export const STAT_DEV = 0;
export const STAT_INO = 8;
export const STAT_NLINK = 16;
export const STAT_MODE = 24;
export const STAT_UID = 28;
export const STAT_GID = 32;
export const STAT_RDEV = 40;
export const STAT_SIZE = 48;
export const STAT_BLKSIZE = 56;
export const STAT_BLOCKS = 64;
export const STAT_ATIME = 72;
export const STAT_ATIME_NSEC = 80;
export const STAT_MTIME = 88;
export const STAT_MTIME_NSEC = 96;
export const STAT_CTIME = 104;
export const STAT_CTIME_NSEC = 112;

// struct statx. A timestamp is s64 seconds, u32 nanoseconds, u32 padding.
export const SIZEOF_STATX = 256;
export const STATX_OFF_MASK = 0;
export const STATX_OFF_BLKSIZE = 4;
export const STATX_OFF_ATTRIBUTES = 8;
export const STATX_OFF_NLINK = 16;
export const STATX_OFF_UID = 20;
export const STATX_OFF_GID = 24;
export const STATX_OFF_MODE = 28;
export const STATX_OFF_INO = 32;
export const STATX_OFF_SIZE = 40;
export const STATX_OFF_BLOCKS = 48;
export const STATX_OFF_ATTRIBUTES_MASK = 56;
export const STATX_OFF_ATIME = 64;
export const STATX_OFF_BTIME = 80;
export const STATX_OFF_CTIME = 96;
export const STATX_OFF_MTIME = 112;
export const STATX_OFF_RDEV_MAJOR = 128;
export const STATX_OFF_RDEV_MINOR = 132;
export const STATX_OFF_DEV_MAJOR = 136;
export const STATX_OFF_DEV_MINOR = 140;
export const STATX_OFF_MNT_ID = 144;
export const STATX_OFF_DIO_MEM_ALIGN = 152;
export const STATX_OFF_DIO_OFFSET_ALIGN = 156;

// statx(2) mask bits.
export const STATX_TYPE = 0x0001;
export const STATX_MODE = 0x0002;
export const STATX_NLINK = 0x0004;
export const STATX_UID = 0x0008;
export const STATX_GID = 0x0010;
export const STATX_ATIME = 0x0020;
export const STATX_MTIME = 0x0040;
export const STATX_CTIME = 0x0080;
export const STATX_INO = 0x0100;
export const STATX_SIZE = 0x0200;
export const STATX_BLOCKS = 0x0400;
export const STATX_BASIC_STATS = 0x07ff;
export const STATX_BTIME = 0x0800;
export const STATX_MNT_ID = 0x1000;
export const STATX_DIOALIGN = 0x2000;
export const STATX_MNT_ID_UNIQUE = 0x4000;
/** Must not be set by the caller: EINVAL. */
export const STATX__RESERVED = 0x80000000;

// stx_attributes bits.
export const STATX_ATTR_COMPRESSED = 0x0004;
export const STATX_ATTR_IMMUTABLE = 0x0010;
export const STATX_ATTR_APPEND = 0x0020;
export const STATX_ATTR_NODUMP = 0x0040;
export const STATX_ATTR_ENCRYPTED = 0x0800;
export const STATX_ATTR_AUTOMOUNT = 0x1000;
export const STATX_ATTR_MOUNT_ROOT = 0x2000;
export const STATX_ATTR_VERITY = 0x100000;
export const STATX_ATTR_DAX = 0x200000;

// Special tv_nsec values of utimensat(2).
export const UTIME_NOW = 0x3fffffff;
export const UTIME_OMIT = 0x3ffffffe;

/** The device number of (major, minor) as st_dev, st_rdev and mknod(2) carry it: 12 bits of major, 20 of minor. */
export function makeDeviceID(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}

/** The major number of a device number. */
export function deviceMajor(dev: number): number {
  return (dev >>> 8) & 0xfff;
}

/** The minor number of a device number. */
export function deviceMinor(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}
