/* Pseudoterminals for conformance cases. */
#ifndef RUNSC_TEST_SYSCALLS_TTY_H
#define RUNSC_TEST_SYSCALLS_TTY_H

#include "test.h"
#include <grp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

struct pty {
	int m, s, n;
	char name[40];
};

/* A master, unlocked, whose replica is not open. */
__attribute__((unused)) static void pty_master(struct pty *p)
{
	int zero = 0;
	p->s = -1;
	p->m = OK(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	OK(ioctl(p->m, TIOCSPTLCK, &zero));
	OK(ioctl(p->m, TIOCGPTN, &p->n));
	snprintf(p->name, sizeof p->name, "/dev/pts/%d", p->n);
}

/* A pair that controls nobody. */
__attribute__((unused)) static void pty_pair(struct pty *p)
{
	pty_master(p);
	p->s = OK(open(p->name, O_RDWR | O_NOCTTY));
}

/* Changes the settings: flags to clear and to set. */
__attribute__((unused)) static void tty_flags(int fd, int iclear, int iset, int oclear, int oset, int lclear, int lset)
{
	struct termios t;
	OK(tcgetattr(fd, &t));
	t.c_iflag = (t.c_iflag & ~iclear) | iset;
	t.c_oflag = (t.c_oflag & ~oclear) | oset;
	t.c_lflag = (t.c_lflag & ~lclear) | lset;
	OK(tcsetattr(fd, TCSANOW, &t));
}

__attribute__((unused)) static void tty_cc(int fd, int i, int value)
{
	struct termios t;
	OK(tcgetattr(fd, &t));
	t.c_cc[i] = value;
	OK(tcsetattr(fd, TCSANOW, &t));
}

__attribute__((unused)) static void tty_raw(int fd, int vmin, int vtime)
{
	struct termios t;
	OK(tcgetattr(fd, &t));
	cfmakeraw(&t);
	t.c_cc[VMIN] = vmin;
	t.c_cc[VTIME] = vtime;
	OK(tcsetattr(fd, TCSANOW, &t));
}

/* Waits for events, 2 s at most; returns them. */
__attribute__((unused)) static int tty_poll(int fd, int events)
{
	struct pollfd p = {fd, events, 0};
	EQ(OK(poll(&p, 1, 2000)), 1);
	return p.revents;
}

/* The events that are there after a moment. */
__attribute__((unused)) static int tty_ready(int fd, int events)
{
	struct pollfd p = {fd, events, 0};
	usleep(20000);
	OK(poll(&p, 1, 0));
	return p.revents;
}

__attribute__((unused)) static void tty_show(char *to, size_t size, const char *from, size_t n)
{
	size_t at = 0;
	for (size_t i = 0; i < n && at + 5 < size; i++) {
		unsigned char c = from[i];
		at += snprintf(to + at, size - at, c < 32 || c > 126 ? "\\%03o" : "%c", c);
	}
	to[at] = 0;
}

__attribute__((unused)) static void tty_send_n(int fd, const char *s, size_t n)
{
	EQ(OK(write(fd, s, n)), n);
}

__attribute__((unused)) static void tty_send(int fd, const char *s)
{
	tty_send_n(fd, s, strlen(s));
}

/* Reads exactly these bytes, in any pieces, and nothing behind them. */
__attribute__((unused)) static void tty_expect_at(int line, int fd, const char *want, size_t n)
{
	char got[9000], a[2000], b[2000];
	size_t at = 0;
	while (at < sizeof got) {
		struct pollfd p = {fd, POLLIN, 0};
		ssize_t k;
		if (poll(&p, 1, at < n ? 2000 : 30) <= 0)
			break;
		k = read(fd, got + at, sizeof got - at);
		if (k <= 0)
			break;
		at += k;
	}
	if (at == n && memcmp(got, want, n) == 0)
		return;
	tty_show(a, sizeof a, got, at);
	tty_show(b, sizeof b, want, n);
	test_fail(__FILE__, line, "read \"%s\", want \"%s\"", a, b);
}
#define EXPECT_N(fd, s, n) tty_expect_at(__LINE__, fd, s, n)
#define EXPECT(fd, s) tty_expect_at(__LINE__, fd, s, strlen(s))

/* One read gives exactly this. */
__attribute__((unused)) static void tty_line_at(int line, int fd, size_t size, const char *want)
{
	char got[9000], a[2000], b[2000];
	struct pollfd p = {fd, POLLIN, 0};
	ssize_t n = -1;
	if (poll(&p, 1, 2000) == 1)
		n = read(fd, got, size);
	if (n == (ssize_t)strlen(want) && memcmp(got, want, n) == 0)
		return;
	tty_show(a, sizeof a, got, n < 0 ? 0 : n);
	tty_show(b, sizeof b, want, strlen(want));
	test_fail(__FILE__, line, "read gave %d \"%s\", want \"%s\"", (int)n, a, b);
}
#define LINE(fd, s) tty_line_at(__LINE__, fd, 8192, s)
#define LINE_N(fd, size, s) tty_line_at(__LINE__, fd, size, s)

/* Nothing can be read for a moment. */
#define NOTHING(fd)                                                                                                    \
	do {                                                                                                           \
		struct pollfd p_ = {fd, POLLIN, 0};                                                                    \
		EQ(poll(&p_, 1, 40), 0);                                                                               \
	} while (0)

/* Runs f(p) in a child that leads a new session with the replica of p as its controlling terminal, p->s. Returns its pid. */
__attribute__((unused)) static pid_t tty_session(struct pty *p, void (*f)(struct pty *))
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(setsid());
		p->s = OK(open(p->name, O_RDWR));
		f(p);
		_exit(0);
	}
	return pid;
}

__attribute__((unused)) static int tty_wait(pid_t pid, int options)
{
	int status;
	EQ(OK(waitpid(pid, &status, options)), pid);
	return status;
}

/* Waits for a child that must have ended well. */
#define ENDS_WELL(pid) EQ(tty_wait(pid, 0), 0)

__attribute__((unused)) static void tty_become(uid_t uid)
{
	OK(setgroups(0, 0));
	OK(setresgid(uid, uid, uid));
	OK(setresuid(uid, uid, uid));
}
#endif
