/* Socket options of level SOL_SOCKET, as unix sockets have them. */
#include "../test.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int get(int fd, int name)
{
	int v = -99;
	socklen_t l = sizeof v;
	OK(getsockopt(fd, SOL_SOCKET, name, &v, &l));
	EQ(l, sizeof v);
	return v;
}

static int set(int fd, int name, int v)
{
	return setsockopt(fd, SOL_SOCKET, name, &v, sizeof v);
}

static int sock(int type)
{
	return OK(socket(AF_UNIX, type, 0));
}

TEST(what_a_socket_is)
{
	int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
	for (int i = 0; i < 3; i++) {
		int fd = sock(types[i]);
		EQ(get(fd, SO_TYPE), types[i]);
		EQ(get(fd, SO_DOMAIN), AF_UNIX);
		EQ(get(fd, SO_PROTOCOL), 0);
		EQ(get(fd, SO_ERROR), 0);
		EQ(get(fd, SO_ACCEPTCONN), 0);
		ERR(ENOPROTOOPT, set(fd, SO_TYPE, 1));
		ERR(ENOPROTOOPT, set(fd, SO_DOMAIN, 1));
		ERR(ENOPROTOOPT, set(fd, SO_PROTOCOL, 1));
		ERR(ENOPROTOOPT, set(fd, SO_ERROR, 1));
		ERR(ENOPROTOOPT, set(fd, SO_ACCEPTCONN, 1));
		ERR(ENOPROTOOPT, set(fd, SO_PEERCRED, 1));
		ERR(ENOPROTOOPT, set(fd, 1000, 1));
	}
}

TEST(arguments_are_checked)
{
	int fd = sock(SOCK_STREAM), v = 1;
	char big[64];
	socklen_t l = 4;
	ERR(EOPNOTSUPP, setsockopt(fd, 6, 1, &v, 4));
	ERR(EOPNOTSUPP, getsockopt(fd, 6, 1, &v, &l));
	ERR(EOPNOTSUPP, getsockopt(fd, 0, 1, &v, &l));
	ERR(EINVAL, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, -1));
	ERR(EINVAL, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 3));
	ERR(EINVAL, setsockopt(fd, SOL_SOCKET, 1000, &v, 3));
	ERR(EFAULT, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 0, 4));
	ERR(EFAULT, setsockopt(fd, SOL_SOCKET, 1000, 0, 4));
	OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 64));
	ERR(EFAULT, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, 0));
	ERR(EFAULT, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 0, &l));
	l = -1;
	ERR(EINVAL, getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &v, &l));
	l = 4;
	ERR(ENOPROTOOPT, getsockopt(fd, SOL_SOCKET, 1000, &v, &l));
	l = 64;
	memset(big, 0xee, sizeof big);
	OK(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, big, &l));
	EQ(l, 4);
	EQ((unsigned char)big[4], 0xee);
	l = 1;
	memset(big, 0xee, sizeof big);
	OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, big, &l));
	EQ(l, 1);
	EQ(big[0], SOCK_STREAM);
	EQ((unsigned char)big[1], 0xee);
	l = 0;
	OK(getsockopt(fd, SOL_SOCKET, SO_TYPE, 0, &l));
	EQ(l, 0);
}

TEST(switches)
{
	static const int names[] = {SO_REUSEADDR, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_NO_CHECK,
				    SO_PASSCRED,  SO_PASSSEC,	SO_RXQ_OVFL,  SO_NOFCS,	    SO_WIFI_STATUS, SO_SELECT_ERR_QUEUE};
	int fd = sock(SOCK_DGRAM);
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		EQ(get(fd, names[i]), 0);
		OK(set(fd, names[i], 5));
		EQ(get(fd, names[i]), 1);
		OK(set(fd, names[i], 0));
		EQ(get(fd, names[i]), 0);
	}
	OK(set(fd, SO_REUSEPORT, 0));
	ERR(EOPNOTSUPP, set(fd, SO_REUSEPORT, 1));
	ERR(EOPNOTSUPP, set(fd, SO_ZEROCOPY, 1));
	OK(set(fd, SO_LOCK_FILTER, 0));
	OK(set(fd, SO_LOCK_FILTER, 1));
	ERR(EPERM, set(fd, SO_LOCK_FILTER, 0));
	OK(set(fd, SO_BSDCOMPAT, 1));
	EQ(get(fd, SO_BSDCOMPAT), 0);
	EQ(get(fd, SO_SNDLOWAT), 1);
	ERR(ENOPROTOOPT, set(fd, SO_SNDLOWAT, 1));
	EQ(get(fd, SO_BPF_EXTENSIONS), 64);
	ERR(EPERM, set(fd, SO_DETACH_FILTER, 0));
	ERR(ENOENT, set(sock(SOCK_STREAM), SO_DETACH_FILTER, 0));
	ERR(EINVAL, set(fd, SO_ATTACH_FILTER, 0));
	int v;
	socklen_t l = 4;
	ERR(ENOPROTOOPT, getsockopt(fd, SOL_SOCKET, SO_PEERSEC, &v, &l));
}

TEST(buffer_sizes)
{
	int fd = sock(SOCK_STREAM);
	EQ(get(fd, SO_SNDBUF), 212992);
	EQ(get(fd, SO_RCVBUF), 212992);
	OK(set(fd, SO_SNDBUF, 1));
	EQ(get(fd, SO_SNDBUF), 4608);
	OK(set(fd, SO_RCVBUF, 1));
	EQ(get(fd, SO_RCVBUF), 2304);
	OK(set(fd, SO_SNDBUF, 10000));
	EQ(get(fd, SO_SNDBUF), 20000);
	OK(set(fd, SO_RCVBUF, 10001));
	EQ(get(fd, SO_RCVBUF), 20002);
	/* Too much is cut, also by a negative number. */
	OK(set(fd, SO_SNDBUF, -1));
	int most = get(fd, SO_SNDBUF);
	CHECK(most >= 2 * 212992);
	OK(set(fd, SO_SNDBUF, 0x7fffffff));
	EQ(get(fd, SO_SNDBUF), most);
	if (getuid() == 0) {
		OK(set(fd, SO_SNDBUFFORCE, 100000));
		EQ(get(fd, SO_SNDBUF), 200000);
		OK(set(fd, SO_SNDBUFFORCE, -1));
		EQ(get(fd, SO_SNDBUF), 4608);
		OK(set(fd, SO_RCVBUFFORCE, 100000));
		EQ(get(fd, SO_RCVBUF), 200000);
		/* The privileged go beyond the limit. */
		OK(set(fd, SO_SNDBUFFORCE, 4000000));
		EQ(get(fd, SO_SNDBUF), 8000000);
		OK(set(fd, SO_RCVBUFFORCE, 4000000));
		EQ(get(fd, SO_RCVBUF), 8000000);
		OK(setgid(1000));
		OK(setuid(1000));
	}
	ERR(EPERM, set(fd, SO_SNDBUFFORCE, 100000));
	ERR(EPERM, set(fd, SO_RCVBUFFORCE, 100000));
}

TEST(a_small_send_buffer)
{
	int p[2], n;
	static char buf[10000];
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
	OK(set(p[0], SO_SNDBUF, 1));
	for (n = 0; write(p[0], "x", 1) == 1; n++)
		;
	EQ(n, 6);
	/* More room wakes a writer. */
	struct pollfd f = {p[0], POLLOUT, 0};
	EQ(OK(poll(&f, 1, 0)), 0);
	OK(set(p[0], SO_SNDBUF, 20000));
	EQ(OK(poll(&f, 1, 0)), 1);
	OK(write(p[0], "x", 1));
	OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p));
	OK(set(p[0], SO_SNDBUF, 1));
	ERR(EMSGSIZE, write(p[0], buf, 4608 - 31));
	EQ(OK(write(p[0], buf, 4608 - 32)), 4608 - 32);
	ERR(EAGAIN, write(p[0], buf, 1));
}

TEST(lingering_is_stored)
{
	struct linger l = {7, 33}, got;
	socklen_t n = sizeof got;
	int fd = sock(SOCK_STREAM);
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &n));
	EQ(n, 8);
	EQ(got.l_onoff, 0);
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &n));
	EQ(got.l_onoff, 1);
	EQ(got.l_linger, 33);
	l.l_onoff = 0;
	l.l_linger = 5;
	OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l));
	OK(getsockopt(fd, SOL_SOCKET, SO_LINGER, &got, &n));
	EQ(got.l_onoff, 0);
	EQ(got.l_linger, 33);
	ERR(EINVAL, setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, 7));
}

TEST(timeouts)
{
	struct timeval t = {3, 200000}, got;
	socklen_t n = sizeof got;
	int fd = sock(SOCK_STREAM), names[] = {SO_RCVTIMEO, SO_SNDTIMEO};
	for (int i = 0; i < 2; i++) {
		n = sizeof got;
		OK(getsockopt(fd, SOL_SOCKET, names[i], &got, &n));
		EQ(n, 16);
		EQ(got.tv_sec, 0);
		EQ(got.tv_usec, 0);
		t = (struct timeval){3, 200000};
		OK(setsockopt(fd, SOL_SOCKET, names[i], &t, sizeof t));
		OK(getsockopt(fd, SOL_SOCKET, names[i], &got, &n));
		EQ(got.tv_sec, 3);
		EQ(got.tv_usec, 200000);
		t.tv_usec = 1000000;
		ERR(EDOM, setsockopt(fd, SOL_SOCKET, names[i], &t, sizeof t));
		t.tv_usec = -1;
		ERR(EDOM, setsockopt(fd, SOL_SOCKET, names[i], &t, sizeof t));
		ERR(EINVAL, setsockopt(fd, SOL_SOCKET, names[i], &t, 15));
		OK(getsockopt(fd, SOL_SOCKET, names[i], &got, &n));
		EQ(got.tv_sec, 3);
		t = (struct timeval){-1, 0};
		OK(setsockopt(fd, SOL_SOCKET, names[i], &t, sizeof t));
		OK(getsockopt(fd, SOL_SOCKET, names[i], &got, &n));
		EQ(got.tv_sec, 0);
	}
}

TEST(numbers)
{
	int fd = sock(SOCK_STREAM);
	EQ(get(fd, SO_RCVLOWAT), 1);
	OK(set(fd, SO_RCVLOWAT, 0));
	EQ(get(fd, SO_RCVLOWAT), 1);
	OK(set(fd, SO_RCVLOWAT, 100));
	EQ(get(fd, SO_RCVLOWAT), 100);
	OK(set(fd, SO_RCVLOWAT, -5));
	EQ(get(fd, SO_RCVLOWAT), 0x7fffffff);
	EQ(get(fd, SO_PRIORITY), 0);
	OK(set(fd, SO_PRIORITY, 6));
	EQ(get(fd, SO_PRIORITY), 6);
	EQ(get(fd, SO_PEEK_OFF), -1);
	OK(set(fd, SO_PEEK_OFF, 7));
	EQ(get(fd, SO_PEEK_OFF), 7);
	if (getuid() == 0) {
		OK(set(fd, SO_PRIORITY, 7));
		OK(set(fd, SO_MARK, 99));
		EQ(get(fd, SO_MARK), 99);
		OK(set(fd, SO_DEBUG, 1));
		OK(setgid(1000));
		OK(setuid(1000));
	}
	ERR(EPERM, set(fd, SO_PRIORITY, 7));
	ERR(EPERM, set(fd, SO_PRIORITY, -1));
	ERR(EPERM, set(fd, SO_MARK, 0));
	ERR(EACCES, set(fd, SO_DEBUG, 1));
	OK(set(fd, SO_DEBUG, 0));
}

TEST(peer_name_as_an_option)
{
	int p[2], fd = sock(SOCK_STREAM);
	char b[64];
	socklen_t l = 2;
	ERR(ENOTCONN, getsockopt(fd, SOL_SOCKET, SO_PEERNAME, b, &l));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(getsockopt(p[0], SOL_SOCKET, SO_PEERNAME, b, &l));
	EQ(b[0], AF_UNIX);
	l = 3;
	ERR(EINVAL, getsockopt(p[0], SOL_SOCKET, SO_PEERNAME, b, &l));
}

TEST(devices)
{
	int fd = sock(SOCK_STREAM);
	char b[16];
	socklen_t l = sizeof b;
	OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, b, &l));
	EQ(l, 0);
	OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 1));
	OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	ERR(ENODEV, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "no-device", 10));
}

TEST(the_low_water_mark_of_a_stream)
{
	int p[2];
	char b[16];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(set(p[1], SO_RCVLOWAT, 6));
	if (fork() == 0) {
		for (int i = 0; i < 4; i++) {
			OK(write(p[0], "ab", 2));
			usleep(5000);
		}
		_exit(0);
	}
	int n = OK(read(p[1], b, 16));
	CHECK(n >= 6);
	EQ(OK(read(p[1], b, 1 + (n < 8))) > 0 || n == 8, 1);
	wait(0);
}

TEST(cookies_differ)
{
	unsigned long a = 0, b = 0;
	socklen_t l = 8;
	OK(getsockopt(sock(SOCK_STREAM), SOL_SOCKET, SO_COOKIE, &a, &l));
	int fd = sock(SOCK_STREAM);
	OK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &b, &l));
	CHECK(a && b && a != b);
	OK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &a, &l));
	EQ(a, b);
	l = 7;
	ERR(EINVAL, getsockopt(fd, SOL_SOCKET, SO_COOKIE, &a, &l));
}

/* Options of Linux 6.16 and 6.17. */
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#define SO_INQ_UNIX 84

TEST(rights_can_be_refused)
{
	int p[2];
	char ctl[CMSG_SPACE(4)] = {0};
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(4);
	for (int t = SOCK_STREAM; t <= SOCK_SEQPACKET; t += t == SOCK_DGRAM ? 3 : 1) {
		OK(socketpair(AF_UNIX, t, 0, p));
		if (set(p[1], SO_PASSRIGHTS, 0) < 0 && errno == ENOPROTOOPT)
			SKIP("no SO_PASSRIGHTS");
		EQ(get(p[1], SO_PASSRIGHTS), 0);
		EQ(get(p[0], SO_PASSRIGHTS), 1);
		ERR(EPERM, sendmsg(p[0], &m, 0));
		OK(sendmsg(p[1], &m, 0));
		OK(set(p[1], SO_PASSRIGHTS, 1));
		OK(sendmsg(p[0], &m, 0));
	}
}

TEST(what_is_left_to_read_is_told)
{
	int p[2];
	char b[4];
	long ctl[8];
	struct iovec v = {b, 2};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	if (set(p[1], SO_INQ_UNIX, 1) < 0 && errno == ENOPROTOOPT)
		SKIP("no SO_INQ");
	OK(write(p[0], "abcde", 5));
	OK(recvmsg(p[1], &m, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_INQ_UNIX && c->cmsg_len == CMSG_LEN(4));
	EQ(*(int *)CMSG_DATA(c), 3);
}

TEST(a_peer_as_a_pidfd)
{
	int p[2], fd, s = sock(SOCK_STREAM);
	socklen_t l = 4;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	ERR(ENODATA, getsockopt(s, SOL_SOCKET, 77, &fd, &l));
	OK(getsockopt(p[0], SOL_SOCKET, 77, &fd, &l));
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0), 0);
	int one = 1;
	char b[4];
	long ctl[16];
	struct iovec v = {b, 2};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	OK(setsockopt(p[1], SOL_SOCKET, 76, &one, 4));
	OK(write(p[0], "x", 1));
	OK(recvmsg(p[1], &m, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == 4 && c->cmsg_len == CMSG_LEN(4));
	EQ(syscall(SYS_pidfd_send_signal, *(int *)CMSG_DATA(c), 0, 0, 0), 0);
}
