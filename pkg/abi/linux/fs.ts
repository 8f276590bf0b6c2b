/** Constants and layouts of mount(2), umount2(2) and statfs(2). Source: include/uapi/linux/{mount,magic}.h, include/linux/statfs.h, include/linux/fs.h. */

// mount(2) flags.
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_REMOUNT = 32;
export const MS_MANDLOCK = 64;
export const MS_DIRSYNC = 128;
export const MS_NOSYMFOLLOW = 256;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_MOVE = 8192;
export const MS_REC = 16384;
export const MS_SILENT = 32768;
export const MS_POSIXACL = 1 << 16;
export const MS_UNBINDABLE = 1 << 17;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;
export const MS_RELATIME = 1 << 21;
export const MS_I_VERSION = 1 << 23;
export const MS_STRICTATIME = 1 << 24;
export const MS_LAZYTIME = 1 << 25;
/** Old callers put 0xC0ED into the upper 16 bits of the flags. */
export const MS_MGC_VAL = 0xc0ed0000;
export const MS_MGC_MSK = 0xffff0000;

// umount2(2) flags.
export const MNT_FORCE = 1;
export const MNT_DETACH = 2;
export const MNT_EXPIRE = 4;
export const UMOUNT_NOFOLLOW = 8;

// statfs.f_type.
export const ANON_INODE_FS_MAGIC = 0x09041934;
export const CGROUP_SUPER_MAGIC = 0x27e0eb;
export const CGROUP2_SUPER_MAGIC = 0x63677270;
export const DEVPTS_SUPER_MAGIC = 0x00001cd1;
export const EXT_SUPER_MAGIC = 0xef53;
export const FUSE_SUPER_MAGIC = 0x65735546;
export const MQUEUE_MAGIC = 0x19800202;
export const NSFS_MAGIC = 0x6e736673;
export const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
export const PIPEFS_MAGIC = 0x50495045;
export const PROC_SUPER_MAGIC = 0x9fa0;
export const SOCKFS_MAGIC = 0x534f434b;
export const SYSFS_MAGIC = 0x62656572;
export const TMPFS_MAGIC = 0x01021994;
export const V9FS_MAGIC = 0x01021997;

// statfs.f_flags. ST_VALID is always set by the kernel.
export const ST_RDONLY = 0x0001;
export const ST_NOSUID = 0x0002;
export const ST_NODEV = 0x0004;
export const ST_NOEXEC = 0x0008;
export const ST_SYNCHRONOUS = 0x0010;
export const ST_VALID = 0x0020;
export const ST_MANDLOCK = 0x0040;
export const ST_NOATIME = 0x0400;
export const ST_NODIRATIME = 0x0800;
export const ST_RELATIME = 0x1000;
export const ST_NOSYMFOLLOW = 0x2000;

// struct statfs.
export const SIZEOF_STATFS = 120;
export const STATFS_TYPE = 0;
export const STATFS_BSIZE = 8;
export const STATFS_BLOCKS = 16;
export const STATFS_BFREE = 24;
export const STATFS_BAVAIL = 32;
export const STATFS_FILES = 40;
export const STATFS_FFREE = 48;
export const STATFS_FSID = 56;
export const STATFS_NAMELEN = 64;
export const STATFS_FRSIZE = 72;
export const STATFS_FLAGS = 80;
