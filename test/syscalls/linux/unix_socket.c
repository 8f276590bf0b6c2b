/* Unix domain sockets: names, connections, datagrams, shutdown, errors. What they can carry beside bytes is in unix_rights.c. */
#include "../test.h"
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t name(struct sockaddr_un *a, const char *path)
{
	memset(a, 0, sizeof *a);
	a->sun_family = AF_UNIX;
	/* A leading @ stands for the abstract name space. */
	size_t n = strlen(path);
	memcpy(a->sun_path, path, n);
	if (path[0] == '@') {
		a->sun_path[0] = 0;
		return offsetof(struct sockaddr_un, sun_path) + n;
	}
	return offsetof(struct sockaddr_un, sun_path) + n + 1;
}

static int do_bind(int fd, const char *path)
{
	struct sockaddr_un a;
	socklen_t n = name(&a, path);
	return bind(fd, (void *)&a, n);
}

static int do_connect(int fd, const char *path)
{
	struct sockaddr_un a;
	socklen_t n = name(&a, path);
	return connect(fd, (void *)&a, n);
}

static long send_to(int fd, const char *path, const char *msg)
{
	struct sockaddr_un a;
	socklen_t n = name(&a, path);
	return sendto(fd, msg, strlen(msg), 0, (void *)&a, n);
}

static int sock(int type)
{
	return OK(socket(AF_UNIX, type, 0));
}

static int listener(const char *path)
{
	int s = sock(SOCK_STREAM);
	OK(do_bind(s, path));
	OK(listen(s, 5));
	return s;
}

/* The abstract name space is the system's: names carry the process id. */
static const char *abstract(void)
{
	static char s[64];
	sprintf(s, "@runsc-test-%d", getpid());
	return s;
}

static void pair(int type, int s[2])
{
	OK(socketpair(AF_UNIX, type, 0, s));
}

static short events_of(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
	OK(poll(&p, 1, 0));
	return p.revents;
}

TEST(socket_creation_rules)
{
	int s[2];
	ERR(EAFNOSUPPORT, socket(99, SOCK_STREAM, 0));
	ERR(ESOCKTNOSUPPORT, socket(AF_UNIX, 9, 0));
	ERR(EPROTONOSUPPORT, socket(AF_UNIX, SOCK_STREAM, 99));
	ERR(EINVAL, socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	OK(socket(AF_UNIX, SOCK_STREAM, PF_UNIX));
	int fd = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	struct stat st;
	OK(fstat(fd, &st));
	EQ(st.st_mode, S_IFSOCK | 0777);
	ERR(EFAULT, socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
	ERR(EOPNOTSUPP, socketpair(AF_INET, SOCK_STREAM, 0, s));
	ERR(EAFNOSUPPORT, socketpair(99, SOCK_STREAM, 0, s));
	/* A raw one is a datagram socket. */
	pair(SOCK_RAW, s);
	int type;
	socklen_t n = sizeof type;
	OK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &n));
	EQ(type, SOCK_DGRAM);
}

TEST(stream_pair_carries_bytes_both_ways)
{
	int s[2];
	char buf[16] = "";
	pair(SOCK_STREAM, s);
	EQ(write(s[0], "hello", 5), 5);
	EQ(write(s[0], "world", 5), 5);
	EQ(read(s[1], buf, 16), 10);
	EQ(memcmp(buf, "helloworld", 10), 0);
	EQ(send(s[1], "back", 4, 0), 4);
	EQ(recv(s[0], buf, 2, MSG_PEEK), 2);
	EQ(recv(s[0], buf, 16, 0), 4);
	EQ(memcmp(buf, "back", 4), 0);
	ERR(EAGAIN, recv(s[0], buf, 1, MSG_DONTWAIT));
	OK(close(s[1]));
	EQ(read(s[0], buf, 1), 0);
	OK(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	ERR(EPIPE, write(s[0], "x", 1));
}

TEST(closing_with_unread_data_resets)
{
	int s[2];
	char c;
	pair(SOCK_STREAM, s);
	OK(write(s[0], "unread", 6));
	OK(close(s[1]));
	ERR(ECONNRESET, read(s[0], &c, 1));
	EQ(read(s[0], &c, 1), 0);
}

TEST(datagrams_keep_boundaries)
{
	static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
	for (int i = 0; i < 2; i++) {
		int s[2];
		char buf[16];
		pair(types[i], s);
		EQ(send(s[0], "one", 3, 0), 3);
		EQ(send(s[0], "", 0, 0), 0);
		EQ(send(s[0], "three", 5, 0), 5);
		EQ(recv(s[1], buf, 16, 0), 3);
		EQ(recv(s[1], buf, 16, 0), 0);
		/* What does not fit is lost; MSG_TRUNC tells the true length. */
		EQ(recv(s[1], buf, 2, MSG_TRUNC), 5);
		ERR(EAGAIN, recv(s[1], buf, 16, MSG_DONTWAIT));
		struct iovec v = {buf, 2};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
		EQ(send(s[0], "four", 4, 0), 4);
		EQ(recvmsg(s[1], &m, 0), 2);
		EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
		EQ(recv(s[1], buf, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, 1);
	}
}

TEST(seqpacket_ends_and_datagrams_are_refused)
{
	int s[2];
	char c;
	OK(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	pair(SOCK_SEQPACKET, s);
	OK(close(s[1]));
	EQ(recv(s[0], &c, 1, 0), 0);
	ERR(EPIPE, send(s[0], "x", 1, 0));
	pair(SOCK_DGRAM, s);
	OK(close(s[1]));
	ERR(ECONNREFUSED, send(s[0], "x", 1, 0));
	ERR(EAGAIN, recv(s[0], &c, 1, MSG_DONTWAIT));
}

TEST(bind_listen_connect_accept)
{
	struct sockaddr_un a;
	socklen_t n = sizeof a;
	struct stat st;
	char c = 0;
	int l = listener("sock"), client = sock(SOCK_STREAM), server;
	OK(stat("sock", &st));
	EQ(st.st_mode, S_IFSOCK | 0755);
	OK(do_connect(client, "sock"));
	server = OK(accept(l, (void *)&a, &n));
	/* The client has no name. */
	EQ(n, sizeof(sa_family_t));
	EQ(a.sun_family, AF_UNIX);
	n = sizeof a;
	OK(getsockname(server, (void *)&a, &n));
	EQ(strcmp(a.sun_path, "sock"), 0);
	EQ(n, offsetof(struct sockaddr_un, sun_path) + 5);
	n = sizeof a;
	OK(getpeername(client, (void *)&a, &n));
	EQ(strcmp(a.sun_path, "sock"), 0);
	OK(write(client, "q", 1));
	EQ(read(server, &c, 1), 1);
	EQ(c, 'q');
	/* The name can go: the connection stays, new ones fail. */
	OK(unlink("sock"));
	OK(write(server, "r", 1));
	EQ(read(client, &c, 1), 1);
	ERR(ENOENT, do_connect(sock(SOCK_STREAM), "sock"));
}

TEST(abstract_names)
{
	struct sockaddr_un a;
	socklen_t n = sizeof a;
	int l = listener(abstract()), client = sock(SOCK_STREAM);
	ERR(EADDRINUSE, do_bind(sock(SOCK_STREAM), abstract()));
	OK(do_connect(client, abstract()));
	OK(getpeername(client, (void *)&a, &n));
	EQ(n, offsetof(struct sockaddr_un, sun_path) + strlen(abstract()));
	EQ(a.sun_path[0], 0);
	EQ(memcmp(a.sun_path + 1, abstract() + 1, strlen(abstract()) - 1), 0);
	/* The name goes with the socket. */
	OK(close(l));
	ERR(ECONNREFUSED, do_connect(sock(SOCK_STREAM), abstract()));
	OK(do_bind(sock(SOCK_STREAM), abstract()));
}

TEST(autobind_makes_a_name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t n = sizeof a;
	int s = sock(SOCK_DGRAM);
	OK(bind(s, (void *)&a, sizeof(sa_family_t)));
	OK(getsockname(s, (void *)&a, &n));
	EQ(n, offsetof(struct sockaddr_un, sun_path) + 6);
	EQ(a.sun_path[0], 0);
}

TEST(bind_errors)
{
	struct sockaddr_un a;
	int s = sock(SOCK_STREAM);
	socklen_t n = name(&a, "x");
	ERR(EBADF, bind(999, (void *)&a, n));
	ERR(ENOTSOCK, bind(OK(open("/dev/null", O_RDWR)), (void *)&a, n));
	ERR(EFAULT, bind(s, (void *)8, n));
	ERR(EINVAL, bind(s, (void *)&a, 1));
	ERR(EINVAL, bind(s, (void *)&a, sizeof a + 1));
	ERR(EINVAL, bind(s, (void *)&a, -1));
	a.sun_family = AF_INET;
	ERR(EINVAL, bind(s, (void *)&a, n));
	ERR(ENOENT, do_bind(s, "none/x"));
	OK(close(OK(open("file", O_CREAT | O_RDWR, 0600))));
	ERR(ENOTDIR, do_bind(s, "file/x"));
	ERR(EADDRINUSE, do_bind(s, "file"));
	OK(do_bind(s, "x"));
	ERR(EINVAL, do_bind(s, "y"));
	ERR(EADDRINUSE, do_bind(sock(SOCK_STREAM), "x"));
	OK(mkdir("ro", 0555));
	OK(chmod(".", 0755));
	OK(setresuid(65534, 65534, 65534));
	ERR(EACCES, do_bind(sock(SOCK_STREAM), "ro/x"));
}

TEST(connect_errors)
{
	int s = sock(SOCK_STREAM), l = sock(SOCK_STREAM);
	struct sockaddr_un a;
	socklen_t n = name(&a, "x");
	ERR(ENOENT, do_connect(s, "none"));
	OK(close(OK(open("file", O_CREAT | O_RDWR, 0600))));
	ERR(ECONNREFUSED, do_connect(s, "file"));
	OK(do_bind(l, "x"));
	/* Bound but not listening. */
	ERR(ECONNREFUSED, do_connect(s, "x"));
	OK(listen(l, 5));
	ERR(EPROTOTYPE, do_connect(sock(SOCK_DGRAM), "x"));
	ERR(EPROTOTYPE, do_connect(sock(SOCK_SEQPACKET), "x"));
	OK(do_connect(s, "x"));
	ERR(EISCONN, do_connect(s, "x"));
	ERR(EINVAL, do_connect(l, "x"));
	ERR(EBADF, connect(999, (void *)&a, n));
	ERR(EFAULT, connect(sock(SOCK_STREAM), (void *)8, n));
	ERR(EINVAL, connect(sock(SOCK_STREAM), (void *)&a, 1));
	ERR(ENOTCONN, send(sock(SOCK_STREAM), "x", 1, 0));
	ERR(EINVAL, recv(sock(SOCK_STREAM), &a, 1, 0));
	ERR(ENOTCONN, getpeername(sock(SOCK_STREAM), (void *)&a, &n));
	OK(chmod("x", 0));
	OK(chmod(".", 0755));
	OK(setresuid(65534, 65534, 65534));
	ERR(EACCES, do_connect(sock(SOCK_STREAM), "x"));
}

TEST(listen_and_accept_errors)
{
	int s = sock(SOCK_STREAM), d = sock(SOCK_DGRAM);
	ERR(EINVAL, listen(s, 1));
	ERR(EOPNOTSUPP, listen(d, 1));
	ERR(EINVAL, accept(s, 0, 0));
	ERR(EOPNOTSUPP, accept(d, 0, 0));
	ERR(EBADF, listen(999, 1));
	ERR(ENOTSOCK, accept(OK(open("/dev/null", O_RDWR)), 0, 0));
	int l = listener("x");
	ERR(EINVAL, accept4(l, 0, 0, 0x100));
	OK(fcntl(l, F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, accept(l, 0, 0));
	OK(do_connect(s, "x"));
	int c = OK(accept4(l, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK));
	EQ(fcntl(c, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(c, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	ERR(EINVAL, do_connect(l, "x"));
}

TEST(the_backlog_is_bounded)
{
	int l = sock(SOCK_STREAM), n = 0;
	OK(do_bind(l, "x"));
	OK(listen(l, 2));
	for (; n < 10; n++) {
		int c = sock(SOCK_STREAM | SOCK_NONBLOCK);
		if (do_connect(c, "x") < 0) {
			EQ(errno, EAGAIN);
			break;
		}
	}
	EQ(n, 3);
	OK(accept(l, 0, 0));
	OK(do_connect(sock(SOCK_STREAM | SOCK_NONBLOCK), "x"));
}

TEST(named_datagrams)
{
	int a = sock(SOCK_DGRAM), b = sock(SOCK_DGRAM), c = sock(SOCK_DGRAM);
	struct sockaddr_un from;
	socklen_t n = sizeof from;
	char buf[16];
	OK(do_bind(a, "a"));
	OK(do_bind(b, "b"));
	EQ(send_to(b, "a", "hello"), 5);
	EQ(recvfrom(a, buf, 16, 0, (void *)&from, &n), 5);
	EQ(strcmp(from.sun_path, "b"), 0);
	EQ(send_to(c, "a", "anon"), 4);
	n = sizeof from;
	EQ(recvfrom(a, buf, 16, 0, (void *)&from, &n), 4);
	EQ(n, 0);
	ERR(ENOENT, send_to(c, "none", "x"));
	ERR(ENOTCONN, send(c, "x", 1, 0));
	OK(do_connect(c, "a"));
	EQ(send(c, "now", 3, 0), 3);
	EQ(recv(a, buf, 16, 0), 3);
	/* Connected to b, a hears b alone. */
	OK(do_connect(a, "b"));
	ERR(EPERM, send(c, "x", 1, 0));
	EQ(send_to(b, "a", "ok"), 2);
	EQ(recv(a, buf, 16, 0), 2);
	/* AF_UNSPEC takes the connection back. */
	struct sockaddr unspec = {.sa_family = AF_UNSPEC};
	OK(connect(a, &unspec, sizeof unspec));
	EQ(send(c, "x", 1, 0), 1);
	OK(close(a));
	ERR(ECONNREFUSED, send(c, "x", 1, 0));
}

TEST(shutdown_ends_a_direction)
{
	int s[2];
	char c;
	OK(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	pair(SOCK_STREAM, s);
	OK(write(s[0], "x", 1));
	OK(shutdown(s[0], SHUT_WR));
	ERR(EPIPE, write(s[0], "y", 1));
	EQ(read(s[1], &c, 1), 1);
	EQ(read(s[1], &c, 1), 0);
	EQ(write(s[1], "z", 1), 1);
	EQ(read(s[0], &c, 1), 1);
	OK(shutdown(s[0], SHUT_RD));
	EQ(read(s[0], &c, 1), 0);
	ERR(EPIPE, write(s[1], "z", 1));
	ERR(EINVAL, shutdown(s[0], 3));
	ERR(EBADF, shutdown(999, SHUT_RD));
}

TEST(poll_states)
{
	int s[2];
	char c;
	pair(SOCK_STREAM, s);
	EQ(events_of(s[0]), POLLOUT);
	OK(write(s[1], "x", 1));
	EQ(events_of(s[0]), POLLIN | POLLOUT);
	EQ(read(s[0], &c, 1), 1);
	OK(shutdown(s[1], SHUT_WR));
	EQ(events_of(s[0]), POLLIN | POLLOUT | POLLRDHUP);
	OK(close(s[1]));
	EQ(events_of(s[0]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	int l = listener("x"), k = sock(SOCK_STREAM);
	EQ(events_of(l), 0);
	EQ(events_of(k), POLLOUT | POLLHUP);
	OK(do_connect(k, "x"));
	EQ(events_of(l), POLLIN);
}

TEST(a_full_buffer_blocks_or_refuses)
{
	int s[2];
	static char big[1 << 16];
	long total = 0, n;
	pair(SOCK_STREAM | SOCK_NONBLOCK, s);
	while ((n = write(s[0], big, sizeof big)) > 0)
		total += n;
	EQ(errno, EAGAIN);
	CHECK(total >= 65536 && total < 8 << 20);
	EQ(events_of(s[0]), 0);
	while ((n = read(s[1], big, sizeof big)) > 0)
		total -= n;
	EQ(total, 0);
	EQ(events_of(s[0]), POLLOUT);
	/* A blocking write goes on when there is room. */
	OK(fcntl(s[0], F_SETFL, 0));
	OK(fcntl(s[1], F_SETFL, 0));
	pid_t pid = fork();
	if (pid == 0) {
		static char much[2 << 20];
		_exit(write(s[0], much, sizeof much) == sizeof much ? 0 : 1);
	}
	while (total < 2 << 20)
		total += OK(read(s[1], big, sizeof big));
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(waitall_and_fionread)
{
	int s[2], n = 0;
	char buf[16];
	pair(SOCK_STREAM, s);
	pid_t pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			usleep(3000);
			OK(write(s[0], "ab", 2));
		}
		_exit(0);
	}
	EQ(recv(s[1], buf, 10, MSG_WAITALL), 10);
	EQ(OK(waitpid(pid, 0, 0)), pid);
	OK(write(s[0], "12345", 5));
	OK(ioctl(s[1], FIONREAD, &n));
	EQ(n, 5);
	ERR(EOPNOTSUPP, send(sock(SOCK_DGRAM), "x", 1, MSG_OOB));
}

TEST(options)
{
	int s[2], v;
	socklen_t n = sizeof v;
	struct timeval tv = {0, 20000}, got;
	struct timespec a, b;
	char c;
	pair(SOCK_STREAM, s);
	OK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &n));
	EQ(v, SOCK_STREAM);
	OK(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &v, &n));
	EQ(v, AF_UNIX);
	OK(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &n));
	EQ(v, 0);
	OK(getsockopt(s[0], SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
	EQ(v, 0);
	OK(getsockopt(listener("x"), SOL_SOCKET, SO_ACCEPTCONN, &v, &n));
	EQ(v, 1);
	v = 8192;
	OK(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v));
	OK(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, &n));
	EQ(v, 16384);
	OK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
	n = sizeof got;
	OK(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n));
	EQ(got.tv_usec, 20000);
	OK(clock_gettime(CLOCK_MONOTONIC, &a));
	ERR(EAGAIN, recv(s[0], &c, 1, 0));
	OK(clock_gettime(CLOCK_MONOTONIC, &b));
	CHECK((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 19);
	ERR(ENOPROTOOPT, getsockopt(s[0], SOL_SOCKET, 9999, &v, &n));
	ERR(ENOPROTOOPT, setsockopt(s[0], SOL_SOCKET, 9999, &v, sizeof v));
	ERR(EINVAL, setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, 1));
	ERR(EFAULT, getsockopt(s[0], SOL_SOCKET, SO_TYPE, (void *)8, &n));
	ERR(EBADF, getsockopt(999, SOL_SOCKET, SO_TYPE, &v, &n));
	ERR(EOPNOTSUPP, setsockopt(s[0], 6, 1, &v, sizeof v));
}
