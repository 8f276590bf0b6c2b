/** Terminal ABI of x86-64: struct termios, termios2, winsize and their flags (asm-generic/termbits.h, asm-generic/termios.h). */

// Input flags (c_iflag).
export const IGNBRK = 0x1;
export const BRKINT = 0x2;
export const IGNPAR = 0x4;
export const PARMRK = 0x8;
export const INPCK = 0x10;
export const ISTRIP = 0x20;
export const INLCR = 0x40;
export const IGNCR = 0x80;
export const ICRNL = 0x100;
export const IUCLC = 0x200;
export const IXON = 0x400;
export const IXANY = 0x800;
export const IXOFF = 0x1000;
export const IMAXBEL = 0x2000;
export const IUTF8 = 0x4000;

// Output flags (c_oflag).
export const OPOST = 0x1;
export const OLCUC = 0x2;
export const ONLCR = 0x4;
export const OCRNL = 0x8;
export const ONOCR = 0x10;
export const ONLRET = 0x20;
export const OFILL = 0x40;
export const OFDEL = 0x80;
export const NLDLY = 0x100;
export const CRDLY = 0x600;
export const TABDLY = 0x1800;
export const XTABS = 0x1800;
export const BSDLY = 0x2000;
export const VTDLY = 16384;
export const FFDLY = 0x8000;

// Control flags (c_cflag).
export const CBAUD = 0x100f;
export const B0 = 0x0;
export const B38400 = 0xf;
export const CSIZE = 0x30;
export const CS5 = 0x0;
export const CS6 = 0x10;
export const CS7 = 0x20;
export const CS8 = 0x30;
export const CSTOPB = 0x40;
export const CREAD = 0x80;
export const PARENB = 0x100;
export const PARODD = 0x200;
export const HUPCL = 0x400;
export const CLOCAL = 0x800;
export const CBAUDEX = 0x1000;
export const CIBAUD = 0x100f0000;
export const CMSPAR = 0x40000000;
export const CRTSCTS = 0x80000000;
export const BOTHER = 0x1000;
export const IBSHIFT = 0x10;

// Local flags (c_lflag).
export const ISIG = 0x1;
export const ICANON = 0x2;
export const XCASE = 0x4;
export const ECHO = 0x8;
export const ECHOE = 0x10;
export const ECHOK = 0x20;
export const ECHONL = 0x40;
export const NOFLSH = 0x80;
export const TOSTOP = 0x100;
export const ECHOCTL = 0x200;
export const ECHOPRT = 0x400;
export const ECHOKE = 0x800;
export const FLUSHO = 0x1000;
export const PENDIN = 0x4000;
export const IEXTEN = 0x8000;
export const EXTPROC = 0x10000;

// Indices into c_cc.
export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSWTC = 7;
export const VSTART = 8;
export const VSTOP = 9;
export const VSUSP = 10;
export const VEOL = 11;
export const VREPRINT = 12;
export const VDISCARD = 13;
export const VWERASE = 14;
export const VLNEXT = 15;
export const VEOL2 = 16;
export const NCCS = 19;

// Arguments of TCXONC, TCFLSH and tcsetattr(3).
export const TCOOFF = 0;
export const TCOON = 1;
export const TCIOFF = 2;
export const TCION = 3;
export const TCIFLUSH = 0;
export const TCOFLUSH = 1;
export const TCIOFLUSH = 2;
export const TCSANOW = 0;
export const TCSADRAIN = 1;
export const TCSAFLUSH = 2;

// Packet mode control bytes (TIOCPKT).
export const TIOCPKT_DATA = 0x0;
export const TIOCPKT_FLUSHREAD = 0x1;
export const TIOCPKT_FLUSHWRITE = 0x2;
export const TIOCPKT_STOP = 0x4;
export const TIOCPKT_START = 0x8;
export const TIOCPKT_NOSTOP = 0x10;
export const TIOCPKT_DOSTOP = 0x20;
export const TIOCPKT_IOCTL = 0x40;

// Line disciplines.
export const N_TTY = 0x0;

/** sizeof(struct termios) as the kernel sees it: four 32-bit flag words, c_line, c_cc[19]. */
export const SizeofTermios = 36;
/** sizeof(struct termios2): a termios followed by c_ispeed and c_ospeed. */
export const SizeofTermios2 = 44;
/** sizeof(struct winsize): ws_row, ws_col, ws_xpixel, ws_ypixel, 16 bits each. */
export const SizeofWinsize = 8;
/** sizeof(struct termio), the ancestor of termios: four 16-bit flag words, c_line, c_cc[8]. */
export const SizeofTermio = 18;
/** Characters of a struct termio. */
export const NCC = 8;
/** A c_cc that is this stands for no character. */
export const DISABLED_CHAR = 0;
/** Offsets within struct termios. */
export const TERMIOS_IFLAG = 0;
export const TERMIOS_OFLAG = 4;
export const TERMIOS_CFLAG = 8;
export const TERMIOS_LFLAG = 12;
export const TERMIOS_LINE = 16;
export const TERMIOS_CC = 17;
export const TERMIOS_ISPEED = 36;
export const TERMIOS_OSPEED = 40;

/** Bits per second for the codes of CBAUD, those with CBAUDEX behind the others (drivers/tty/tty_baudrate.c). */
export const BaudRates: readonly number[] = [
  0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800,
  500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
];

// Pseudoterminals.
export const TTY_MAJOR = 4;
export const TTYAUX_MAJOR = 5;
export const TTY_MINOR = 0;
export const PTMX_MINOR = 2;
export const UNIX98_PTY_MASTER_MAJOR = 128;
export const UNIX98_PTY_SLAVE_MAJOR = 136;
/** Pseudoterminals there can be in one devpts: minors of their majors. */
export const NR_UNIX98_PTY_MAX = 0x100000;
/** /proc/sys/kernel/pty/max and reserve. */
export const NR_UNIX98_PTY_DEFAULT = 4096;
export const NR_UNIX98_PTY_RESERVE = 1024;

/** A control character as a terminal shows it: Ctrl('C') is 3. */
export function controlCharacter(c: string): number {
  return c.charCodeAt(0) & 0x1f;
}

/** The c_cc a fresh terminal has (INIT_C_CC in include/linux/tty.h), indexed by VINTR and its kind. */
export const DefaultControlCharacters: readonly number[] = [
  3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0,
];
/** The flags a fresh terminal has (tty_std_termios in drivers/tty/tty_io.c). */
export const DefaultInputFlags = ICRNL | IXON;
export const DefaultOutputFlags = OPOST | ONLCR;
export const DefaultControlFlags = B38400 | CS8 | CREAD | HUPCL;
export const DefaultLocalFlags = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
