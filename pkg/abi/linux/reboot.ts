/** Machine management: reboot(2), syslog(2), swapon(2), quotactl(2), ioperm(2) (include/uapi/linux/{reboot,quota,swap}.h, include/linux/syslog.h). */

export const LINUX_REBOOT_MAGIC1 = 0xfee1dead;
/** Any of these is good as the second. */
export const LINUX_REBOOT_MAGIC2: readonly number[] = [672274793, 85072278, 369367448, 537993216];
export const LINUX_REBOOT_CMD_RESTART = 0x01234567;
export const LINUX_REBOOT_CMD_HALT = 0xcdef0123;
export const LINUX_REBOOT_CMD_POWER_OFF = 0x4321fedc;
export const LINUX_REBOOT_CMD_RESTART2 = 0xa1b2c3d4;

export const SYSLOG_ACTION_CLOSE = 0;
export const SYSLOG_ACTION_OPEN = 1;
export const SYSLOG_ACTION_READ = 2;
export const SYSLOG_ACTION_READ_ALL = 3;
export const SYSLOG_ACTION_READ_CLEAR = 4;
export const SYSLOG_ACTION_CLEAR = 5;
export const SYSLOG_ACTION_CONSOLE_OFF = 6;
export const SYSLOG_ACTION_CONSOLE_ON = 7;
export const SYSLOG_ACTION_CONSOLE_LEVEL = 8;
export const SYSLOG_ACTION_SIZE_UNREAD = 9;
export const SYSLOG_ACTION_SIZE_BUFFER = 10;
/** Size of the log, of which nothing is used. */
export const LOG_BUF_LEN = 131072;

export const SWAP_FLAGS_VALID = 0x7ffff;

export const SUBCMDSHIFT = 8;
export const SUBCMDMASK = 0xff;
export const MAXQUOTAS = 3;
export const Q_SYNC = 0x800001;

export const IO_BITMAP_BITS = 65536;
