/** Constants and layouts of getdents(2) and getdents64(2). Source: include/linux/dirent.h, include/linux/fs_types.h, fs/readdir.c. */

// d_type: the file type bits of st_mode shifted right by 12.
export const DT_UNKNOWN = 0;
export const DT_FIFO = 1;
export const DT_CHR = 2;
export const DT_DIR = 4;
export const DT_BLK = 6;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_SOCK = 12;
export const DT_WHT = 14;

// struct linux_dirent64: the NUL-terminated name follows the header; d_reclen is a multiple of 8.
export const DIRENT64_INO = 0;
export const DIRENT64_OFF = 8;
export const DIRENT64_RECLEN = 16;
export const DIRENT64_TYPE = 18;
export const DIRENT64_NAME = 19;

// struct linux_dirent: the NUL-terminated name follows the header; d_type is the last byte of the record.
export const DIRENT_INO = 0;
export const DIRENT_OFF = 8;
export const DIRENT_RECLEN = 16;
export const DIRENT_NAME = 18;

/** The d_type of a st_mode. */
export function direntType(mode: number): number {
  return (mode >>> 12) & 0xf;
}
