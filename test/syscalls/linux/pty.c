/* Pseudoterminals: pty(7), devpts, and the requests of ioctl_tty(2) that are not about job control. */
#include "../tty.h"
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/vfs.h>

static volatile sig_atomic_t calls;
static void count_call(int sig)
{
	(void)sig;
	calls++;
}

TEST(ptmx_makes_a_locked_pair)
{
	int m = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY)), v = -1, n;
	char name[40];
	OK(ioctl(m, TIOCGPTN, &n));
	snprintf(name, sizeof name, "/dev/pts/%d", n);
	OK(ioctl(m, TIOCGPTLCK, &v));
	EQ(v, 1);
	ERR(EIO, open(name, O_RDWR | O_NOCTTY));
	v = 0;
	OK(ioctl(m, TIOCSPTLCK, &v));
	v = -1;
	OK(ioctl(m, TIOCGPTLCK, &v));
	EQ(v, 0);
	OK(open(name, O_RDWR | O_NOCTTY));
	ERR(EFAULT, ioctl(m, TIOCSPTLCK, 0));
	ERR(EFAULT, ioctl(m, TIOCGPTN, 0));
	EQ(strcmp(ptsname(m), name), 0);
}

TEST(nodes_look_as_they_should)
{
	struct pty p;
	struct stat st, fst;
	struct statfs fs;
	char link[60], path[60];
	pty_pair(&p);
	OK(stat(p.name, &st));
	OK(fstat(p.s, &fst));
	EQ(st.st_mode & S_IFMT, S_IFCHR);
	EQ(major(st.st_rdev), 136);
	EQ(minor(st.st_rdev), p.n);
	EQ(st.st_ino, p.n + 3);
	EQ(st.st_nlink, 1);
	EQ(st.st_uid, 0);
	EQ(st.st_blksize, 1024);
	EQ(fst.st_ino, st.st_ino);
	EQ(fst.st_dev, st.st_dev);
	OK(fstat(p.m, &fst));
	EQ(fst.st_mode & S_IFMT, S_IFCHR);
	EQ(fst.st_rdev, makedev(5, 2));
	OK(statfs("/dev/pts", &fs));
	EQ(fs.f_type, 0x1cd1);
	snprintf(link, sizeof link, "/proc/self/fd/%d", p.s);
	path[OK(readlink(link, path, sizeof path - 1))] = 0;
	EQ(strcmp(path, p.name), 0);
	EQ(isatty(p.m), 1);
	EQ(isatty(p.s), 1);
	EQ(strcmp(ttyname(p.s), p.name), 0);
	OK(stat("/dev/pts", &st));
	EQ(st.st_ino, 1);
	OK(stat("/dev/pts/ptmx", &st));
	EQ(st.st_ino, 2);
	EQ(st.st_rdev, makedev(5, 2));
}

TEST(nobody_else_makes_names)
{
	struct pty p;
	pty_pair(&p);
	ERR(EPERM, unlink(p.name));
	ERR(EACCES, open("/dev/pts/new", O_CREAT | O_RDWR, 0600));
	ERR(EPERM, mkdir("/dev/pts/new", 0700));
	ERR(ENOENT, open("/dev/pts/00", O_RDWR));
	OK(chmod(p.name, 0640));
	struct stat st;
	OK(stat(p.name, &st));
	EQ(st.st_mode, S_IFCHR | 0640);
}

TEST(numbers_are_the_lowest_free)
{
	struct pty a, b, c;
	pty_master(&a);
	pty_master(&b);
	CHECK(a.n != b.n);
	OK(close(a.m));
	usleep(20000);
	pty_master(&c);
	EQ(c.n, a.n);
}

TEST(a_number_is_in_use_until_both_ends_are_closed)
{
	struct pty a, b, c;
	pty_pair(&a);
	OK(close(a.m));
	usleep(20000);
	ERR(ENOENT, open(a.name, O_RDWR | O_NOCTTY));
	pty_master(&b);
	CHECK(b.n != a.n);
	OK(close(a.s));
	usleep(20000);
	pty_master(&c);
	EQ(c.n, a.n);
}

TEST(the_name_goes_with_the_master)
{
	struct pty p;
	char link[60], path[60], want[60];
	struct stat st;
	pty_pair(&p);
	OK(close(p.m));
	ERR(ENOENT, stat(p.name, &st));
	OK(fstat(p.s, &st));
	EQ(st.st_nlink, 0);
	snprintf(link, sizeof link, "/proc/self/fd/%d", p.s);
	snprintf(want, sizeof want, "%s (deleted)", p.name);
	path[OK(readlink(link, path, sizeof path - 1))] = 0;
	EQ(strcmp(path, want), 0);
}

TEST(bytes_go_both_ways)
{
	struct pty p;
	char all[256];
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	for (int i = 0; i < 256; i++)
		all[i] = i;
	tty_send_n(p.m, all, 256);
	EXPECT_N(p.s, all, 256);
	tty_send_n(p.s, all, 256);
	EXPECT_N(p.m, all, 256);
}

TEST(closing_the_master_hangs_the_replica_up)
{
	struct pty p;
	struct termios t;
	int v;
	char c;
	pty_pair(&p);
	tty_send(p.m, "never read\n");
	OK(close(p.m));
	EQ(tty_poll(p.s, POLLIN | POLLOUT | POLLPRI), POLLIN | POLLOUT | POLLERR | POLLHUP);
	EQ(OK(read(p.s, &c, 1)), 0);
	ERR(EIO, write(p.s, "x", 1));
	ERR(EIO, tcgetattr(p.s, &t));
	ERR(EIO, ioctl(p.s, FIONREAD, &v));
	ERR(EIO, ioctl(p.s, TIOCGPGRP, &v));
	ERR(ENOTTY, ioctl(p.s, TIOCSPGRP, &v));
	EQ(isatty(p.s), 0);
}

TEST(closing_the_replica_is_eio_for_the_master)
{
	struct pty p;
	char c;
	int s2;
	pty_pair(&p);
	s2 = OK(open(p.name, O_RDWR | O_NOCTTY));
	OK(close(p.s));
	OK(fcntl(p.m, F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, read(p.m, &c, 1));
	tty_send(s2, "last");
	EQ(tty_poll(p.m, POLLIN), POLLIN);
	OK(close(s2));
	LINE(p.m, "last");
	ERR(EIO, read(p.m, &c, 1));
	EQ(tty_poll(p.m, POLLIN | POLLOUT), POLLOUT | POLLHUP);
	/* Until somebody opens it again. */
	s2 = OK(open(p.name, O_RDWR | O_NOCTTY));
	ERR(EAGAIN, read(p.m, &c, 1));
	EQ(tty_ready(p.m, POLLIN | POLLOUT), POLLOUT);
}

TEST(before_anybody_opens_the_replica)
{
	struct pty p;
	char c;
	pty_master(&p);
	OK(fcntl(p.m, F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, read(p.m, &c, 1));
	EQ(tty_ready(p.m, POLLIN | POLLOUT), POLLOUT);
	tty_send(p.m, "early\n");
	EXPECT(p.m, "early\r\n");
	p.s = OK(open(p.name, O_RDWR | O_NOCTTY));
	LINE(p.s, "early\n");
}

TEST(settings_outlive_the_last_close)
{
	struct pty p;
	struct termios t;
	pty_pair(&p);
	tty_raw(p.s, 7, 0);
	OK(close(p.s));
	p.s = OK(open(p.name, O_RDWR | O_NOCTTY));
	OK(tcgetattr(p.s, &t));
	EQ(t.c_cc[VMIN], 7);
	EQ(t.c_lflag & ICANON, 0);
}

TEST(initial_settings)
{
	struct pty p;
	struct {
		unsigned iflag, oflag, cflag, lflag;
		unsigned char line, cc[19];
		unsigned ispeed, ospeed;
	} t;
	static const unsigned char cc[19] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0};
	pty_pair(&p);
	for (int i = 0; i < 2; i++) {
		memset(&t, 0xff, sizeof t);
		/* Through the master one sees the replica's settings. */
		OK(ioctl(i ? p.m : p.s, 0x802c542a /* TCGETS2 */, &t));
		EQ(t.iflag, ICRNL | IXON);
		EQ(t.oflag, OPOST | ONLCR);
		EQ(t.cflag, B38400 | CS8 | CREAD);
		EQ(t.lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
		EQ(t.line, 0);
		EQ(memcmp(t.cc, cc, 19), 0);
		EQ(t.ispeed, 38400);
		EQ(t.ospeed, 38400);
	}
	memset(&t, 0xee, sizeof t);
	OK(ioctl(p.s, TCGETS, &t));
	EQ(t.ispeed, 0xeeeeeeee);
	EQ(t.lflag, ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN);
	ERR(EFAULT, ioctl(p.s, TCGETS, 0));
	ERR(EFAULT, ioctl(p.s, TCSETS, 0));
}

TEST(every_flag_is_kept)
{
	struct pty p;
	unsigned t[11], back[11];
	pty_pair(&p);
	OK(ioctl(p.s, TCGETS, t));
	t[0] = 0xffffffff;
	t[1] = 0xfffffffe;
	t[3] = 0xffffffff & ~TOSTOP;
	OK(ioctl(p.s, TCSETS, t));
	OK(ioctl(p.s, TCGETS, back));
	EQ(back[0], t[0]);
	EQ(back[1], t[1]);
	EQ(back[3], t[3]);
}

TEST(characters_have_eight_bits)
{
	struct pty p;
	struct termios t;
	pty_pair(&p);
	OK(tcgetattr(p.s, &t));
	t.c_cflag = (t.c_cflag & ~(CSIZE | CREAD)) | CS7 | PARENB | CSTOPB | HUPCL;
	OK(tcsetattr(p.s, TCSANOW, &t));
	OK(tcgetattr(p.s, &t));
	EQ(t.c_cflag & (CSIZE | CREAD | PARENB | CSTOPB | HUPCL), CS8 | CREAD | CSTOPB | HUPCL);
}

TEST(speeds)
{
	struct pty p;
	unsigned t[11];
	struct termios g;
	pty_pair(&p);
	OK(ioctl(p.s, 0x802c542a, t));
	t[2] = (t[2] & ~0x100f) | B115200;
	OK(ioctl(p.s, TCSETS, t));
	OK(ioctl(p.s, 0x802c542a, t));
	EQ(t[9], 115200);
	EQ(t[10], 115200);
	/* BOTHER: as the numbers say. */
	t[2] = (t[2] & ~0x100f) | 0x1000;
	t[10] = 12345;
	OK(ioctl(p.s, 0x402c542b /* TCSETS2 */, t));
	OK(ioctl(p.s, 0x802c542a, t));
	EQ(t[10], 12345);
	EQ(t[9], 12345);
	OK(tcgetattr(p.s, &g));
	OK(cfsetspeed(&g, B9600));
	OK(tcsetattr(p.s, TCSADRAIN, &g));
	OK(tcgetattr(p.s, &g));
	EQ(cfgetospeed(&g), B9600);
}

TEST(old_struct_termio)
{
	struct pty p;
	struct {
		unsigned short iflag, oflag, cflag, lflag;
		unsigned char line, cc[8], pad[20];
	} t;
	struct termios g;
	pty_pair(&p);
	memset(&t, 0xee, sizeof t);
	OK(ioctl(p.s, TCGETA, &t));
	EQ(t.iflag, ICRNL | IXON);
	EQ(t.cc[VINTR], 3);
	EQ(t.pad[1], 0xee);
	t.lflag &= ~ECHO;
	t.cc[VINTR] = 9;
	OK(ioctl(p.s, TCSETA, &t));
	OK(tcgetattr(p.s, &g));
	EQ(g.c_lflag & ECHO, 0);
	EQ(g.c_cc[VINTR], 9);
	EQ(g.c_cc[VWERASE], 23);
}

TEST(locked_settings_do_not_change)
{
	struct pty p;
	struct termios t, lock;
	pty_pair(&p);
	OK(ioctl(p.s, TIOCGLCKTRMIOS, &lock));
	EQ(lock.c_lflag, 0);
	lock.c_lflag = ECHO;
	lock.c_cc[VINTR] = 1;
	OK(ioctl(p.s, TIOCSLCKTRMIOS, &lock));
	tty_flags(p.s, 0, 0, 0, 0, ECHO | ICANON, 0);
	tty_cc(p.s, VINTR, 9);
	OK(tcgetattr(p.s, &t));
	EQ(t.c_lflag & (ECHO | ICANON), ECHO);
	EQ(t.c_cc[VINTR], 3);
	if (fork() == 0) {
		tty_become(1000);
		ERR(EPERM, ioctl(p.s, TIOCSLCKTRMIOS, &lock));
		_exit(0);
	}
	OK(wait(0));
}

TEST(window_size)
{
	struct pty p;
	struct winsize w = {1, 2, 3, 4}, got;
	pty_pair(&p);
	OK(ioctl(p.s, TIOCGWINSZ, &got));
	EQ(got.ws_row | got.ws_col | got.ws_xpixel | got.ws_ypixel, 0);
	OK(ioctl(p.m, TIOCSWINSZ, &w));
	OK(ioctl(p.s, TIOCGWINSZ, &got));
	EQ(memcmp(&w, &got, sizeof w), 0);
	w.ws_row = 99;
	OK(ioctl(p.s, TIOCSWINSZ, &w));
	OK(ioctl(p.m, TIOCGWINSZ, &got));
	EQ(got.ws_row, 99);
	ERR(EFAULT, ioctl(p.s, TIOCSWINSZ, 0));
	ERR(EFAULT, ioctl(p.s, TIOCGWINSZ, 0));
}

TEST(counts)
{
	struct pty p;
	int n = -1;
	pty_pair(&p);
	tty_send(p.m, "abc");
	usleep(20000);
	OK(ioctl(p.s, FIONREAD, &n));
	EQ(n, 0);
	tty_send(p.m, "de\nx\004y");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	usleep(20000);
	OK(ioctl(p.s, FIONREAD, &n));
	/* "abcde\n" and "x"; the end of file does not count. */
	EQ(n, 7);
	OK(ioctl(p.s, TIOCOUTQ, &n));
	EQ(n, 0);
	OK(ioctl(p.m, TIOCOUTQ, &n));
	EQ(n, 0);
	tty_raw(p.s, 1, 0);
	OK(ioctl(p.s, FIONREAD, &n));
	EQ(n, 9);
	ERR(EFAULT, ioctl(p.s, FIONREAD, 0));
}

TEST(flushing)
{
	struct pty p;
	int n;
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	tty_send(p.m, "input");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	OK(tcflush(p.s, TCOFLUSH));
	OK(ioctl(p.s, FIONREAD, &n));
	EQ(n, 5);
	OK(tcflush(p.s, TCIFLUSH));
	OK(ioctl(p.s, FIONREAD, &n));
	EQ(n, 0);
	tty_send(p.m, "input");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	OK(tcflush(p.s, TCIOFLUSH));
	OK(ioctl(p.s, FIONREAD, &n));
	EQ(n, 0);
	tty_send(p.s, "output");
	EQ(tty_poll(p.m, POLLIN), POLLIN);
	OK(tcflush(p.m, TCIFLUSH));
	NOTHING(p.m);
	ERR(EINVAL, ioctl(p.s, TCFLSH, 3));
	/* TCSETSF drops input, TCSETSW does not. */
	struct termios t;
	OK(tcgetattr(p.s, &t));
	tty_send(p.m, "input");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	OK(tcsetattr(p.s, TCSADRAIN, &t));
	OK(ioctl(p.s, FIONREAD, &n));
	EQ(n, 5);
	OK(tcsetattr(p.s, TCSAFLUSH, &t));
	OK(ioctl(p.s, FIONREAD, &n));
	EQ(n, 0);
}

TEST(flow_by_ioctl)
{
	struct pty p;
	pty_pair(&p);
	tty_flags(p.s, 0, 0, OPOST, 0, ECHO, 0);
	OK(fcntl(p.s, F_SETFL, O_NONBLOCK));
	OK(tcflow(p.s, TCOOFF));
	ERR(EAGAIN, write(p.s, "x", 1));
	EQ(tty_ready(p.s, POLLOUT), 0);
	/* VSTART does not lift it. */
	tty_send(p.m, "\021");
	EQ(tty_ready(p.s, POLLOUT), 0);
	OK(tcflow(p.s, TCOON));
	EQ(tty_ready(p.s, POLLOUT), POLLOUT);
	tty_send(p.s, "x");
	EXPECT(p.m, "x");
	OK(tcflow(p.s, TCIOFF));
	EXPECT(p.m, "\023");
	OK(tcflow(p.s, TCION));
	EXPECT(p.m, "\021");
	ERR(EINVAL, ioctl(p.s, TCXONC, 4));
}

TEST(breaks_do_nothing)
{
	struct pty p;
	pty_pair(&p);
	OK(tcsendbreak(p.s, 0));
	OK(tcdrain(p.s));
	OK(ioctl(p.s, TCSBRKP, 1));
	OK(ioctl(p.s, TIOCSBRK, 0));
	OK(ioctl(p.s, TIOCCBRK, 0));
	NOTHING(p.m);
}

TEST(line_disciplines)
{
	struct pty p;
	int d = -1;
	pty_pair(&p);
	OK(ioctl(p.s, TIOCGETD, &d));
	EQ(d, 0);
	OK(ioctl(p.s, TIOCSETD, &d));
	d = 1000;
	ERR(EINVAL, ioctl(p.s, TIOCSETD, &d));
	ERR(EFAULT, ioctl(p.s, TIOCSETD, 0));
}

TEST(requests_that_are_not_for_it)
{
	struct pty p;
	int v = 0;
	char buf[100];
	pty_pair(&p);
	ERR(ENOTTY, ioctl(p.s, 0x1234, buf));
	ERR(ENOTTY, ioctl(p.m, 0x1234, buf));
	ERR(ENOTTY, ioctl(p.s, TIOCMGET, &v));
	ERR(ENOTTY, ioctl(p.s, TIOCMSET, &v));
	ERR(ENOTTY, ioctl(p.s, TIOCGSERIAL, buf));
	ERR(ENOTTY, ioctl(p.s, TIOCGICOUNT, buf));
	/* Of masters. */
	ERR(ENOTTY, ioctl(p.s, TIOCGPTN, &v));
	ERR(ENOTTY, ioctl(p.s, TIOCSPTLCK, &v));
	ERR(ENOTTY, ioctl(p.s, TIOCPKT, &v));
	ERR(EIO, ioctl(p.s, TIOCGPTPEER, O_RDWR));
	ERR(EINVAL, ioctl(p.m, TIOCCONS, 0));
	ERR(ESPIPE, lseek(p.s, 0, SEEK_SET));
	ERR(ESPIPE, pread(p.m, buf, 1, 0));
	ERR(ESPIPE, pwrite(p.m, buf, 1, 0));
	ERR(EINVAL, fsync(p.s));
	ERR(EINVAL, ftruncate(p.s, 0));
	ERR(ENODEV, mmap(0, 4096, PROT_READ, MAP_SHARED, p.s, 0));
}

TEST(device_numbers)
{
	struct pty p;
	unsigned dev = 0;
	pty_pair(&p);
	OK(ioctl(p.s, TIOCGDEV, &dev));
	EQ(dev, makedev(136, p.n));
	OK(ioctl(p.m, TIOCGDEV, &dev));
	EQ(dev, makedev(136, p.n));
}

TEST(peer_by_ioctl)
{
	struct pty p;
	int fd, zero = 0;
	char link[60], path[60];
	p.m = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	ERR(EIO, ioctl(p.m, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	OK(ioctl(p.m, TIOCSPTLCK, &zero));
	OK(ioctl(p.m, TIOCGPTN, &p.n));
	fd = OK(ioctl(p.m, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	path[OK(readlink(link, path, sizeof path - 1))] = 0;
	snprintf(link, sizeof link, "/dev/pts/%d", p.n);
	EQ(strcmp(path, link), 0);
	tty_send(p.m, "hi\n");
	LINE(fd, "hi\n");
	fd = OK(ioctl(p.m, TIOCGPTPEER, O_RDONLY | O_NOCTTY));
	EQ(fcntl(fd, F_GETFD), 0);
	ERR(EBADF, write(fd, "x", 1));
}

TEST(exclusive_use)
{
	struct pty p;
	int v = -1, status;
	pty_pair(&p);
	OK(chmod(p.name, 0666));
	OK(ioctl(p.s, TIOCGEXCL, &v));
	EQ(v, 0);
	OK(ioctl(p.s, TIOCEXCL));
	OK(ioctl(p.s, TIOCGEXCL, &v));
	EQ(v, 1);
	OK(close(OK(open(p.name, O_RDWR | O_NOCTTY))));
	pid_t pid = fork();
	if (pid == 0) {
		tty_become(1000);
		ERR(EBUSY, open(p.name, O_RDWR | O_NOCTTY));
		OK(ioctl(p.s, TIOCNXCL));
		OK(open(p.name, O_RDWR | O_NOCTTY));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(permissions_of_nodes)
{
	struct pty p;
	int status;
	pty_master(&p);
	OK(chmod(p.name, 0600));
	pid_t pid = fork();
	if (pid == 0) {
		struct pty own;
		struct stat st;
		tty_become(1000);
		ERR(EACCES, open(p.name, O_RDWR | O_NOCTTY));
		pty_master(&own);
		OK(stat(own.name, &st));
		EQ(st.st_uid, 1000);
		OK(open(own.name, O_RDWR | O_NOCTTY));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(packet_mode_data)
{
	struct pty p;
	int v = -1, on = 1;
	char buf[10];
	pty_pair(&p);
	OK(ioctl(p.m, TIOCGPKT, &v));
	EQ(v, 0);
	OK(ioctl(p.m, TIOCPKT, &on));
	OK(ioctl(p.m, TIOCGPKT, &v));
	EQ(v, 1);
	tty_send(p.s, "abc");
	EQ(tty_poll(p.m, POLLIN | POLLPRI), POLLIN);
	EQ(OK(read(p.m, buf, sizeof buf)), 4);
	EQ(memcmp(buf, "\0abc", 4), 0);
	tty_send(p.s, "defg");
	EQ(tty_poll(p.m, POLLIN), POLLIN);
	EQ(OK(read(p.m, buf, 3)), 3);
	EQ(memcmp(buf, "\0de", 3), 0);
	EQ(OK(read(p.m, buf, 3)), 3);
	EQ(memcmp(buf, "\0fg", 3), 0);
	OK(fcntl(p.m, F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, read(p.m, buf, 3));
	/* Masters write as ever. */
	tty_send(p.m, "x\n");
	LINE(p.s, "x\n");
	on = 0;
	OK(ioctl(p.m, TIOCPKT, &on));
	EXPECT(p.m, "x\r\n");
}

static int status_byte(int m)
{
	char buf[10];
	EQ(tty_poll(m, POLLIN | POLLPRI) & POLLPRI, POLLPRI);
	EQ(OK(read(m, buf, sizeof buf)), 1);
	return buf[0];
}

TEST(packet_mode_events)
{
	struct pty p;
	int on = 1;
	pty_pair(&p);
	tty_flags(p.s, 0, 0, 0, 0, ECHO, 0);
	OK(ioctl(p.m, TIOCPKT, &on));
	OK(tcflush(p.s, TCIFLUSH));
	EQ(status_byte(p.m), TIOCPKT_FLUSHREAD);
	OK(tcflush(p.s, TCOFLUSH));
	EQ(status_byte(p.m), TIOCPKT_FLUSHWRITE);
	OK(tcflush(p.s, TCIOFLUSH));
	EQ(status_byte(p.m), TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
	OK(tcflow(p.s, TCOOFF));
	EQ(status_byte(p.m), TIOCPKT_STOP);
	OK(tcflow(p.s, TCOON));
	EQ(status_byte(p.m), TIOCPKT_START);
	tty_flags(p.s, IXON, 0, 0, 0, 0, 0);
	EQ(status_byte(p.m), TIOCPKT_NOSTOP);
	tty_flags(p.s, 0, IXON, 0, 0, 0, 0);
	EQ(status_byte(p.m), TIOCPKT_DOSTOP);
	tty_cc(p.s, VSTOP, 5);
	EQ(status_byte(p.m), TIOCPKT_NOSTOP);
	tty_flags(p.s, 0, 0, 0, 0, 0, EXTPROC);
	EQ(status_byte(p.m), TIOCPKT_IOCTL);
	tty_flags(p.s, 0, 0, 0, 0, EXTPROC, 0);
	EQ(status_byte(p.m), TIOCPKT_IOCTL);
	/* A change of something else says nothing. */
	tty_flags(p.s, 0, 0, 0, 0, ECHOK, 0);
	NOTHING(p.m);
}

TEST(nonblocking)
{
	struct pty p;
	char buf[4096];
	int n, total = 0;
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	OK(fcntl(p.s, F_SETFL, O_NONBLOCK));
	OK(fcntl(p.m, F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, read(p.s, buf, 1));
	memset(buf, 'x', sizeof buf);
	do {
		while ((n = write(p.s, buf, 1000)) > 0)
			total += n;
		EQ(n, -1);
		EQ(errno, EAGAIN);
		CHECK(total >= 4096 && total < 200000);
	} while (tty_ready(p.s, POLLOUT));
	while (total > 0) {
		EQ(tty_poll(p.m, POLLIN), POLLIN);
		total -= OK(read(p.m, buf, sizeof buf));
	}
	EQ(total, 0);
	EQ(tty_poll(p.s, POLLOUT), POLLOUT);
}

TEST(a_blocked_writer_goes_on)
{
	struct pty p;
	char buf[8192];
	int total = 0, n, status;
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	pid_t pid = fork();
	if (pid == 0) {
		char *big = malloc(300000);
		memset(big, 'y', 300000);
		EQ(OK(write(p.s, big, 300000)), 300000);
		_exit(0);
	}
	OK(close(p.s));
	while ((n = read(p.m, buf, sizeof buf)) > 0)
		total += n;
	EQ(errno, EIO);
	EQ(total, 300000);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(a_blocked_writer_is_interrupted)
{
	struct pty p;
	struct sigaction sa = {.sa_handler = count_call};
	struct itimerval {
		struct timeval i, v;
	} it = {{0, 0}, {0, 100000}};
	char *big = calloc(1, 300000);
	int n;
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	OK(sigaction(SIGALRM, &sa, 0));
	OK(syscall(SYS_setitimer, 0, &it, 0));
	n = OK(write(p.s, big, 300000));
	CHECK(n > 0 && n < 300000);
	/* Little may fit yet. */
	do {
		it.v.tv_usec = 100000;
		OK(syscall(SYS_setitimer, 0, &it, 0));
		n = write(p.s, big, 300000);
	} while (n > 0);
	EQ(n, -1);
	EQ(errno, EINTR);
	CHECK(calls >= 2);
}

TEST(blocked_readers)
{
	struct pty p;
	struct sigaction sa = {.sa_handler = count_call};
	char c;
	int status;
	pty_pair(&p);
	OK(sigaction(SIGALRM, &sa, 0));
	alarm(1);
	ERR(EINTR, read(p.s, &c, 1));
	pid_t pid = fork();
	if (pid == 0) {
		OK(close(p.m));
		/* The end of the master ends the wait. */
		ERR(EIO, read(p.s, &c, 1));
		EQ(OK(read(p.s, &c, 1)), 0);
		_exit(0);
	}
	usleep(50000);
	OK(close(p.m));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(bad_buffers)
{
	struct pty p;
	char *page = OK(mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(munmap(page + 4096, 4096));
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	ERR(EFAULT, write(p.s, page + 4096, 10));
	ERR(EFAULT, write(p.s, page + 4090, 10));
	NOTHING(p.m);
	tty_send(p.m, "abc");
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	ERR(EFAULT, read(p.s, page + 4096, 10));
	EQ(OK(read(p.s, page, 0)), 0);
	EQ(OK(write(p.s, page, 0)), 0);
}

TEST(vectors)
{
	struct pty p;
	char a[3], b[10];
	struct iovec out[2] = {{"ab", 2}, {"cd\n", 3}}, in[2] = {{a, 3}, {b, 10}};
	pty_pair(&p);
	EQ(OK(writev(p.m, out, 2)), 5);
	EQ(tty_poll(p.s, POLLIN), POLLIN);
	EQ(OK(readv(p.s, in, 2)), 5);
	EQ(memcmp(a, "abc", 3), 0);
	EQ(memcmp(b, "d\n", 2), 0);
}

TEST(hangup_by_ioctl)
{
	struct pty p;
	struct termios t;
	char c;
	int s2, status;
	pty_pair(&p);
	tty_raw(p.s, 5, 0);
	pid_t pid = fork();
	if (pid == 0) {
		tty_become(1000);
		ERR(EPERM, ioctl(p.s, TIOCVHANGUP));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	OK(ioctl(p.s, TIOCVHANGUP));
	EQ(OK(read(p.s, &c, 1)), 0);
	ERR(EIO, write(p.s, "x", 1));
	/* Opened anew it works, with fresh settings. */
	s2 = OK(open(p.name, O_RDWR | O_NOCTTY));
	OK(tcgetattr(s2, &t));
	EQ(t.c_lflag & ICANON, ICANON);
	tty_send(p.m, "x\n");
	LINE(s2, "x\n");
	ERR(EIO, write(p.s, "x", 1));
}

TEST(edges_of_epoll)
{
	struct pty p;
	struct epoll_event ev = {EPOLLIN | EPOLLET, {0}}, got[2];
	char buf[10];
	int ep = OK(epoll_create1(0));
	pty_pair(&p);
	tty_raw(p.s, 1, 0);
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, p.s, &ev));
	EQ(OK(epoll_wait(ep, got, 2, 20)), 0);
	tty_send(p.m, "ab");
	EQ(OK(epoll_wait(ep, got, 2, 2000)), 1);
	EQ(got[0].events, EPOLLIN);
	EQ(OK(epoll_wait(ep, got, 2, 20)), 0);
	EQ(OK(read(p.s, buf, 1)), 1);
	EQ(OK(epoll_wait(ep, got, 2, 20)), 0);
	tty_send(p.m, "c");
	EQ(OK(epoll_wait(ep, got, 2, 2000)), 1);
	OK(close(p.m));
	EQ(OK(epoll_wait(ep, got, 2, 2000)), 1);
	EQ(got[0].events & (EPOLLHUP | EPOLLERR), EPOLLHUP | EPOLLERR);
}

TEST(signals_of_io)
{
	struct pty p;
	struct sigaction sa = {.sa_handler = count_call};
	pty_pair(&p);
	OK(sigaction(SIGIO, &sa, 0));
	OK(fcntl(p.s, F_SETOWN, getpid()));
	OK(fcntl(p.s, F_SETFL, O_ASYNC));
	tty_send(p.m, "x\n");
	for (int i = 0; i < 200 && !calls; i++)
		usleep(10000);
	CHECK(calls >= 1);
}

TEST(fdinfo_of_masters)
{
	struct pty p;
	char name[60], line[200], want[60];
	int seen = 0;
	pty_master(&p);
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", p.m);
	snprintf(want, sizeof want, "tty-index:\t%d\n", p.n);
	FILE *f = fopen(name, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		seen += strcmp(line, want) == 0;
	EQ(seen, 1);
}

TEST(sysctls)
{
	static const char *const names[] = {"max", "nr", "reserve"};
	int v[3];
	struct pty p;
	for (int round = 0; round < 2; round++) {
		int before = v[1];
		for (int i = 0; i < 3; i++) {
			char name[60], buf[20] = "";
			snprintf(name, sizeof name, "/proc/sys/kernel/pty/%s", names[i]);
			int fd = OK(open(name, O_RDONLY));
			OK(read(fd, buf, sizeof buf - 1));
			OK(close(fd));
			v[i] = atoi(buf);
		}
		EQ(v[0], 4096);
		EQ(v[2], 1024);
		if (round)
			CHECK(v[1] > before - 50);
		else
			pty_master(&p);
	}
}

TEST(an_instance_of_ones_own)
{
	struct statfs fs;
	struct stat st;
	int m, n, zero = 0;
	OK(mkdir("pts", 0755));
	if (mount("devpts", "pts", "devpts", 0, "newinstance,ptmxmode=0642,mode=0620,gid=5,uid=7,max=2") < 0)
		SKIP("cannot mount");
	OK(statfs("pts", &fs));
	EQ(fs.f_type, 0x1cd1);
	OK(stat("pts/ptmx", &st));
	EQ(st.st_mode, S_IFCHR | 0642);
	m = OK(open("pts/ptmx", O_RDWR | O_NOCTTY));
	OK(ioctl(m, TIOCGPTN, &n));
	EQ(n, 0);
	OK(ioctl(m, TIOCSPTLCK, &zero));
	OK(stat("pts/0", &st));
	EQ(st.st_mode, S_IFCHR | 0620);
	EQ(st.st_uid, 7);
	EQ(st.st_gid, 5);
	int s = OK(open("pts/0", O_RDWR | O_NOCTTY));
	int m2 = OK(open("pts/ptmx", O_RDWR | O_NOCTTY));
	ERR(ENOSPC, open("pts/ptmx", O_RDWR | O_NOCTTY));
	/* Another node leads to the instance beside it. */
	OK(mknod("ptmx", S_IFCHR | 0666, makedev(5, 2)));
	OK(close(m2));
	usleep(20000);
	m2 = OK(open("ptmx", O_RDWR | O_NOCTTY));
	OK(ioctl(m2, TIOCGPTN, &n));
	EQ(n, 1);
	OK(mkdir("elsewhere", 0755));
	OK(mknod("elsewhere/ptmx", S_IFCHR | 0666, makedev(5, 2)));
	ERR(ENOENT, open("elsewhere/ptmx", O_RDWR | O_NOCTTY));
	OK(mkdir("elsewhere/pts", 0755));
	ERR(ENODEV, open("elsewhere/ptmx", O_RDWR | O_NOCTTY));
	ERR(EBUSY, umount("pts"));
	OK(close(m));
	OK(close(m2));
	OK(close(s));
	OK(umount("pts"));
	ERR(EINVAL, mount("devpts", "pts", "devpts", 0, "nonsense"));
	ERR(EINVAL, mount("devpts", "pts", "devpts", 0, "mode=9"));
	ERR(EINVAL, mount("devpts", "pts", "devpts", 0, "max=1048577"));
}
