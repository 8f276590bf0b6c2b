/* Unix sockets: making them, names, connections, streams and packets. */
#include "../test.h"
#include <linux/sockios.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>

#define PATH_OFF offsetof(struct sockaddr_un, sun_path)

static struct sockaddr_un named(const char *path)
{
	struct sockaddr_un a;
	memset(&a, 0, sizeof a);
	a.sun_family = AF_UNIX;
	strcpy(a.sun_path, path);
	return a;
}

static int bound(int type, const char *path)
{
	struct sockaddr_un a = named(path);
	int fd = OK(socket(AF_UNIX, type, 0));
	OK(bind(fd, (void *)&a, sizeof a));
	return fd;
}

static int listening(int type, const char *path, int backlog)
{
	int fd = bound(type, path);
	OK(listen(fd, backlog));
	return fd;
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un a = named(path);
	return connect(fd, (void *)&a, sizeof a);
}

static int connected(int type, const char *path)
{
	int fd = OK(socket(AF_UNIX, type, 0));
	OK(connect_to(fd, path));
	return fd;
}

static short events(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};
	OK(poll(&p, 1, 0));
	return p.revents;
}

static int signals;
static void count(int sig)
{
	signals++;
}

static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

TEST(socket_checks_its_arguments)
{
	ERR(EAFNOSUPPORT, socket(-1, SOCK_STREAM, 0));
	ERR(EAFNOSUPPORT, socket(46, SOCK_STREAM, 0));
	ERR(EAFNOSUPPORT, socket(AF_UNSPEC, SOCK_STREAM, 0));
	ERR(EINVAL, socket(AF_UNIX, 0x10 | SOCK_STREAM, 0));
	ERR(EINVAL, socket(AF_UNIX, 11, 0));
	ERR(ESOCKTNOSUPPORT, socket(AF_UNIX, 0, 0));
	ERR(ESOCKTNOSUPPORT, socket(AF_UNIX, SOCK_RDM, 0));
	ERR(ESOCKTNOSUPPORT, socket(AF_UNIX, 10, 0));
	ERR(EPROTONOSUPPORT, socket(AF_UNIX, SOCK_STREAM, 2));
	ERR(EPROTONOSUPPORT, socket(AF_UNIX, SOCK_STREAM, -1));
	OK(socket(AF_UNIX, SOCK_STREAM, AF_UNIX));
	int raw = OK(socket(AF_UNIX, SOCK_RAW, 0)), v;
	socklen_t l = sizeof v;
	OK(getsockopt(raw, SOL_SOCKET, SO_TYPE, &v, &l));
	EQ(v, SOCK_DGRAM);
	int fd = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	EQ(fcntl(fd, F_GETFD), 0);
	EQ(fcntl(fd, F_GETFL), O_RDWR);
}

TEST(socketpair_checks_its_arguments)
{
	int p[2] = {-7, -7};
	ERR(EFAULT, socketpair(99, SOCK_STREAM, 0, (int *)8));
	ERR(EAFNOSUPPORT, socketpair(99, SOCK_STREAM, 0, p));
	ERR(EINVAL, socketpair(AF_UNIX, 0x10 | SOCK_STREAM, 0, p));
	ERR(EINVAL, socketpair(AF_UNIX, 15, 0, p));
	ERR(ESOCKTNOSUPPORT, socketpair(AF_UNIX, SOCK_RDM, 0, p));
	ERR(EPROTONOSUPPORT, socketpair(AF_UNIX, SOCK_STREAM, 3, p));
	OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, p));
	EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	EQ(fcntl(p[1], F_GETFL), O_RDWR | O_NONBLOCK);
	EQ(p[1], p[0] + 1);
	struct sockaddr_un a;
	socklen_t l = sizeof a;
	OK(getsockname(p[0], (void *)&a, &l));
	EQ(l, 2);
	EQ(a.sun_family, AF_UNIX);
	l = sizeof a;
	OK(getpeername(p[0], (void *)&a, &l));
	EQ(l, 2);
}

TEST(other_descriptors_are_no_sockets)
{
	int p[2], path, v = 0;
	socklen_t l = 4;
	char b[8];
	struct sockaddr_un a = named("x");
	struct msghdr m = {0};
	struct mmsghdr mm = {0};
	OK(pipe(p));
	path = OK(open(".", O_PATH));
	ERR(ENOTSOCK, bind(p[0], (void *)&a, sizeof a));
	ERR(ENOTSOCK, listen(p[0], 1));
	ERR(ENOTSOCK, accept(p[0], 0, 0));
	ERR(ENOTSOCK, connect(p[0], (void *)&a, sizeof a));
	ERR(ENOTSOCK, getsockname(p[0], (void *)&a, &l));
	ERR(ENOTSOCK, getpeername(p[0], (void *)&a, &l));
	ERR(ENOTSOCK, shutdown(p[0], 0));
	ERR(ENOTSOCK, send(p[1], b, 1, 0));
	ERR(ENOTSOCK, recv(p[0], b, 1, 0));
	ERR(ENOTSOCK, sendmsg(p[1], &m, 0));
	ERR(ENOTSOCK, recvmsg(p[0], &m, 0));
	ERR(ENOTSOCK, sendmmsg(p[1], &mm, 1, 0));
	ERR(ENOTSOCK, recvmmsg(p[0], &mm, 1, 0, 0));
	ERR(ENOTSOCK, getsockopt(p[0], SOL_SOCKET, SO_TYPE, &v, &l));
	ERR(ENOTSOCK, setsockopt(p[0], SOL_SOCKET, SO_REUSEADDR, &v, 4));
	ERR(EBADF, bind(path, (void *)&a, sizeof a));
	ERR(EBADF, send(path, b, 1, 0));
	ERR(EBADF, accept4(path, 0, 0, 0));
	ERR(EBADF, socket(AF_UNIX, 1, 0) < 0 ? 0 : listen(-1, 1));
	ERR(EBADF, accept4(-1, 0, 0, 0x10));
	ERR(EINVAL, accept4(p[0], 0, 0, 0x10));
	ERR(EBADF, setsockopt(-1, SOL_SOCKET, SO_REUSEADDR, &v, -1));
	ERR(EFAULT, sendto(-1, (void *)-1, 1, 0, 0, 0));
	ERR(EBADF, sendto(-1, b, 1, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_sendmsg, -1, &m, 0x80000000));
	ERR(EINVAL, syscall(SYS_recvmsg, -1, &m, 0x80000000));
}

TEST(a_socket_is_a_file)
{
	struct stat st;
	char name[64], link[64], x[64];
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(fstat(fd, &st));
	EQ(st.st_mode, S_IFSOCK | 0777);
	EQ(st.st_nlink, 1);
	EQ(st.st_size, 0);
	EQ(st.st_uid, getuid());
	EQ(st.st_blksize, 4096);
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	if (access("/proc/self/fd", F_OK) == 0) {
		int n = OK(readlink(name, link, sizeof link - 1));
		link[n] = 0;
		snprintf(x, sizeof x, "socket:[%lu]", (unsigned long)st.st_ino);
		EQ(strcmp(link, x), 0);
		ERR(ENXIO, open(name, O_RDWR));
	}
	OK(fchmod(fd, 0600));
	OK(fstat(fd, &st));
	EQ(st.st_mode, S_IFSOCK | 0600);
	ERR(EINVAL, ftruncate(fd, 0));
	ERR(EINVAL, fsync(fd));
	ERR(ESPIPE, lseek(fd, 0, SEEK_CUR));
	ERR(ESPIPE, pread(fd, x, 1, 0));
	ERR(ENODEV, fallocate(fd, 0, 0, 1));
	CHECK(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	EQ(errno, ENODEV);
	EQ(OK(flistxattr(fd, x, sizeof x)), 21);
	EQ(strcmp(x, "system.sockprotoname"), 0);
	EQ(OK(fgetxattr(fd, "system.sockprotoname", x, sizeof x)), 12);
	EQ(strcmp(x, "UNIX-STREAM"), 0);
	ERR(ENOTTY, ioctl(fd, 0x5401, x));
	ERR(EINVAL, fcntl(fd, F_SETFL, O_DIRECT));
	int other = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	struct stat st2;
	OK(fstat(other, &st2));
	EQ(st2.st_dev, st.st_dev);
	CHECK(st2.st_ino != st.st_ino);
}

TEST(bind_checks_the_address)
{
	struct sockaddr_un a = named("x");
	char big[200] = {1};
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(EINVAL, bind(fd, (void *)&a, -1));
	ERR(EINVAL, bind(fd, (void *)big, 129));
	ERR(EINVAL, bind(fd, (void *)big, 111));
	ERR(EINVAL, bind(fd, (void *)&a, 0));
	ERR(EINVAL, bind(fd, (void *)&a, 1));
	ERR(EFAULT, bind(fd, (void *)8, 20));
	a.sun_family = AF_INET;
	ERR(EINVAL, bind(fd, (void *)&a, sizeof a));
	ERR(EINVAL, bind(fd, (void *)&a, 2));
	a = named("no/such/dir");
	ERR(ENOENT, bind(fd, (void *)&a, sizeof a));
	OK(close(OK(open("file", O_CREAT | O_RDWR, 0644))));
	a = named("file");
	ERR(EADDRINUSE, bind(fd, (void *)&a, sizeof a));
	a = named("file/x");
	ERR(ENOTDIR, bind(fd, (void *)&a, sizeof a));
	a = named("dir/");
	ERR(ENOENT, bind(fd, (void *)&a, sizeof a));
	OK(symlink("nowhere", "link"));
	a = named("link");
	ERR(EADDRINUSE, bind(fd, (void *)&a, sizeof a));
}

TEST(a_pathname_is_a_socket_file)
{
	struct sockaddr_un a = named("sock"), got;
	struct stat st;
	socklen_t l;
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(fd, (void *)&a, sizeof a));
	OK(stat("sock", &st));
	EQ(st.st_mode, S_IFSOCK | 0755);
	ERR(ENXIO, open("sock", O_RDWR));
	l = sizeof got;
	memset(&got, 0xff, sizeof got);
	OK(getsockname(fd, (void *)&got, &l));
	EQ(l, PATH_OFF + 5);
	EQ(strcmp(got.sun_path, "sock"), 0);
	/* A short buffer gets a part, and the whole length. */
	l = 4;
	memset(&got, 0xff, sizeof got);
	OK(getsockname(fd, (void *)&got, &l));
	EQ(l, PATH_OFF + 5);
	EQ((unsigned char)got.sun_path[2], 0xff);
	l = -1;
	ERR(EINVAL, getsockname(fd, (void *)&got, &l));
	ERR(EFAULT, getsockname(fd, (void *)&got, (void *)8));
	l = 20;
	ERR(EFAULT, getsockname(fd, (void *)8, &l));
	l = 0;
	OK(getsockname(fd, (void *)8, &l));
	EQ(l, PATH_OFF + 5);
	/* It cannot be bound again, and what was made in vain is gone. */
	struct sockaddr_un b = named("other");
	ERR(EINVAL, bind(fd, (void *)&b, sizeof b));
	ERR(ENOENT, stat("other", &st));
	ERR(EADDRINUSE, bind(fd, (void *)&a, sizeof a));
	/* The file outlives the socket, and the name stays taken. */
	close(fd);
	OK(stat("sock", &st));
	fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(EADDRINUSE, bind(fd, (void *)&a, sizeof a));
	ERR(ECONNREFUSED, connect_to(fd, "sock"));
	OK(unlink("sock"));
	OK(bind(fd, (void *)&a, sizeof a));
}

TEST(the_mode_of_the_socket_file_follows_the_socket)
{
	struct sockaddr_un a = named("s");
	struct stat st;
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(fchmod(fd, 0666));
	umask(027);
	OK(bind(fd, (void *)&a, sizeof a));
	OK(stat("s", &st));
	EQ(st.st_mode, S_IFSOCK | 0640);
}

TEST(a_path_of_108_bytes_needs_no_zero)
{
	struct sockaddr_un a, got[2];
	socklen_t l = sizeof got;
	char path[120];
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	a.sun_family = AF_UNIX;
	memset(a.sun_path, 'a', sizeof a.sun_path);
	OK(bind(fd, (void *)&a, sizeof a));
	memset(got, 0, sizeof got);
	OK(getsockname(fd, (void *)got, &l));
	EQ(l, PATH_OFF + 109);
	memset(path, 'a', 108);
	path[108] = 0;
	EQ(strcmp(got[0].sun_path, path), 0);
	OK(access(path, F_OK));
	/* A path ends at its first zero or at the length given. */
	a = named("short");
	int fd2 = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(fd2, (void *)&a, PATH_OFF + 3));
	OK(access("sho", F_OK));
}

TEST(abstract_names)
{
	struct sockaddr_un a = named(""), got;
	socklen_t l = sizeof got;
	char tag[40];
	int n = snprintf(tag, sizeof tag, "runsc-test-%d", getpid());
	memcpy(a.sun_path + 1, tag, n);
	socklen_t len = PATH_OFF + 1 + n;
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0)), d = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), c;
	c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(ECONNREFUSED, connect(c, (void *)&a, len));
	OK(bind(s, (void *)&a, len));
	EQ(access(tag, F_OK), -1);
	OK(getsockname(s, (void *)&got, &l));
	EQ(l, len);
	EQ(memcmp(&got, &a, len), 0);
	int s2 = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(EADDRINUSE, bind(s2, (void *)&a, len));
	ERR(EINVAL, bind(s, (void *)&a, len));
	/* One byte more is another name; another type has names of its own. */
	OK(bind(s2, (void *)&a, len + 1));
	int dc = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	ERR(ECONNREFUSED, connect(dc, (void *)&a, len));
	OK(bind(d, (void *)&a, len));
	OK(connect(dc, (void *)&a, len));
	ERR(ECONNREFUSED, connect(c, (void *)&a, len));
	OK(listen(s, 5));
	OK(connect(c, (void *)&a, len));
	l = sizeof got;
	OK(getpeername(c, (void *)&got, &l));
	EQ(l, len);
	/* The name is free when the socket is closed. */
	close(s);
	s = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(s, (void *)&a, len));
}

TEST(autobind_gives_a_name)
{
	struct sockaddr_un a = {AF_UNIX}, got;
	socklen_t l = sizeof got;
	int fd = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	OK(bind(fd, (void *)&a, 2));
	OK(getsockname(fd, (void *)&got, &l));
	EQ(l, PATH_OFF + 6);
	EQ(got.sun_path[0], 0);
	for (int i = 1; i < 6; i++)
		CHECK(strchr("0123456789abcdef", got.sun_path[i]));
	struct sockaddr_un again = got;
	OK(bind(fd, (void *)&a, 2));
	l = sizeof got;
	OK(getsockname(fd, (void *)&got, &l));
	EQ(memcmp(&got, &again, PATH_OFF + 6), 0);
}

TEST(listen_needs_a_name_and_a_connection_type)
{
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0)), d = bound(SOCK_DGRAM, "d"), p[2];
	ERR(EINVAL, listen(fd, 1));
	ERR(EOPNOTSUPP, listen(d, 1));
	ERR(EOPNOTSUPP, accept(d, 0, 0));
	ERR(EINVAL, accept(fd, 0, 0));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	ERR(EINVAL, listen(p[0], 1));
	ERR(EINVAL, accept(p[0], 0, 0));
	struct sockaddr_un a = named("pair");
	OK(bind(p[0], (void *)&a, sizeof a));
	ERR(EINVAL, listen(p[0], 1));
	fd = bound(SOCK_STREAM, "s");
	OK(listen(fd, -1));
	OK(listen(fd, 0));
	OK(listen(fd, 1 << 30));
	int v;
	socklen_t l = 4;
	OK(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &l));
	EQ(v, 1);
	ERR(ENOTCONN, send(fd, "x", 1, MSG_NOSIGNAL));
	ERR(EINVAL, recv(fd, &v, 1, 0));
	ERR(ENOTCONN, getpeername(fd, (void *)&a, &l));
}

TEST(connect_finds_the_listener)
{
	for (int i = 0; i < 3; i += 2) {
		struct sockaddr_un a, got;
		socklen_t l = sizeof a;
		char name[8] = {'s', '0' + i};
		int s = listening(types[i], name, 5);
		int c = OK(socket(AF_UNIX, types[i], 0));
		ERR(ENOTCONN, getpeername(c, (void *)&a, &l));
		OK(connect_to(c, name));
		ERR(EISCONN, connect_to(c, name));
		EQ(events(s), POLLIN);
		memset(&got, 0xee, sizeof got);
		l = sizeof got;
		int n = OK(accept(s, (void *)&got, &l));
		EQ(l, 2);
		EQ(got.sun_family, AF_UNIX);
		EQ(events(s), 0);
		l = sizeof got;
		OK(getsockname(n, (void *)&got, &l));
		EQ(l, PATH_OFF + 3);
		EQ(strcmp(got.sun_path, name), 0);
		l = sizeof got;
		OK(getpeername(c, (void *)&got, &l));
		EQ(strcmp(got.sun_path, name), 0);
		l = sizeof got;
		OK(getsockname(c, (void *)&got, &l));
		EQ(l, 2);
		EQ(OK(send(c, "abc", 3, 0)), 3);
		char b[8];
		EQ(OK(recv(n, b, 8, 0)), 3);
		EQ(memcmp(b, "abc", 3), 0);
		ERR(EINVAL, listen(c, 1));
		ERR(EINVAL, connect_to(s, name));
	}
}

TEST(connect_errors)
{
	struct sockaddr_un a = named("s");
	int c = OK(socket(AF_UNIX, SOCK_STREAM, 0)), s, d;
	ERR(ENOENT, connect_to(c, "nothing"));
	OK(close(OK(open("file", O_CREAT | O_RDWR, 0644))));
	ERR(ECONNREFUSED, connect_to(c, "file"));
	ERR(ECONNREFUSED, connect_to(c, "."));
	ERR(ENOTDIR, connect_to(c, "file/x"));
	s = bound(SOCK_STREAM, "s");
	ERR(ECONNREFUSED, connect_to(c, "s"));
	OK(listen(s, 1));
	d = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	ERR(EPROTOTYPE, connect_to(d, "s"));
	d = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	ERR(EPROTOTYPE, connect_to(d, "s"));
	ERR(EINVAL, connect(c, (void *)&a, 2));
	ERR(EINVAL, connect(c, (void *)&a, 111));
	ERR(EINVAL, connect(c, (void *)&a, 200));
	ERR(EFAULT, connect(c, (void *)8, 20));
	a.sun_family = AF_UNSPEC;
	ERR(EINVAL, connect(c, (void *)&a, sizeof a));
	/* By a link too, and when the file was moved. */
	OK(symlink("s", "link"));
	OK(connect_to(c, "link"));
	OK(rename("s", "t"));
	c = connected(SOCK_STREAM, "t");
	OK(shutdown(s, SHUT_RD));
	c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(ECONNREFUSED, connect_to(c, "t"));
	close(s);
	ERR(ECONNREFUSED, connect_to(c, "t"));
	OK(unlink("t"));
	ERR(ENOENT, connect_to(c, "t"));
}

TEST(connecting_needs_write_permission)
{
	if (getuid() != 0)
		SKIP("needs root");
	int s = listening(SOCK_STREAM, "s", 5);
	OK(chmod(".", 0755));
	OK(chmod("s", 0755));
	OK(setgid(12345));
	OK(setuid(12345));
	int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ERR(EACCES, connect_to(c, "s"));
	struct sockaddr_un a = named("mine");
	ERR(EACCES, bind(c, (void *)&a, sizeof a));
	(void)s;
}

TEST(the_backlog_is_a_limit)
{
	int s = listening(SOCK_STREAM, "s", 1), c[4];
	for (int i = 0; i < 4; i++)
		c[i] = OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	OK(connect_to(c[0], "s"));
	OK(connect_to(c[1], "s"));
	ERR(EAGAIN, connect_to(c[2], "s"));
	OK(listen(s, 2));
	OK(connect_to(c[2], "s"));
	ERR(EAGAIN, connect_to(c[3], "s"));
	OK(accept(s, 0, 0));
	OK(connect_to(c[3], "s"));
	fcntl(s, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 3; i++)
		OK(accept(s, 0, 0));
	ERR(EAGAIN, accept(s, 0, 0));
}

TEST(accept4_sets_flags_and_inherits_none)
{
	int s = listening(SOCK_STREAM, "s", 5);
	fcntl(s, F_SETFL, O_NONBLOCK);
	connected(SOCK_STREAM, "s");
	int n = OK(accept(s, 0, 0));
	EQ(fcntl(n, F_GETFL), O_RDWR);
	EQ(fcntl(n, F_GETFD), 0);
	connected(SOCK_STREAM, "s");
	n = OK(accept4(s, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC));
	EQ(fcntl(n, F_GETFL), O_RDWR | O_NONBLOCK);
	EQ(fcntl(n, F_GETFD), FD_CLOEXEC);
	/* The name of a client, also of one that is gone. */
	int c = bound(SOCK_STREAM, "client");
	OK(connect_to(c, "s"));
	close(c);
	struct sockaddr_un a;
	socklen_t l = sizeof a;
	n = OK(accept(s, (void *)&a, &l));
	EQ(l, PATH_OFF + 7);
	EQ(strcmp(a.sun_path, "client"), 0);
	char b;
	EQ(OK(recv(n, &b, 1, 0)), 0);
	/* A bad address loses the connection. */
	connected(SOCK_STREAM, "s");
	l = sizeof a;
	ERR(EFAULT, accept(s, (void *)8, &l));
	ERR(EAGAIN, accept(s, 0, 0));
	l = -1;
	connected(SOCK_STREAM, "s");
	ERR(EINVAL, accept(s, (void *)&a, &l));
}

TEST(accept_on_a_shut_listener)
{
	int s = listening(SOCK_STREAM, "s", 5);
	OK(shutdown(s, SHUT_RD));
	ERR(EINVAL, accept(s, 0, 0));
	fcntl(s, F_SETFL, O_NONBLOCK);
	ERR(EAGAIN, accept(s, 0, 0));
}

TEST(data_can_be_sent_before_accept)
{
	int s = listening(SOCK_STREAM, "s", 5), c = connected(SOCK_STREAM, "s");
	char b[8];
	EQ(OK(write(c, "early", 5)), 5);
	EQ(events(c), POLLOUT);
	int n = OK(accept(s, 0, 0));
	EQ(OK(read(n, b, 8)), 5);
	/* Closing the listener resets what was not accepted. */
	c = connected(SOCK_STREAM, "s");
	close(s);
	EQ(events(c), POLLIN | POLLOUT | POLLHUP | POLLERR | POLLRDHUP);
	int e;
	socklen_t l = 4;
	OK(getsockopt(c, SOL_SOCKET, SO_ERROR, &e, &l));
	EQ(e, ECONNRESET);
	EQ(OK(read(c, b, 8)), 0);
}

TEST(a_stream_has_no_borders)
{
	int p[2];
	char b[16];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(write(p[0], "ab", 2));
	OK(write(p[0], "cdef", 4));
	EQ(OK(read(p[1], b, 3)), 3);
	EQ(memcmp(b, "abc", 3), 0);
	EQ(OK(read(p[1], b, 16)), 3);
	EQ(memcmp(b, "def", 3), 0);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	ERR(EAGAIN, read(p[1], b, 16));
	ERR(EAGAIN, recv(p[1], b, 0, 0));
	EQ(read(p[1], b, 0), 0);
	EQ(OK(write(p[0], b, 0)), 0);
	ERR(EAGAIN, read(p[1], b, 16));
	ERR(EFAULT, write(p[0], (void *)8, 10));
	OK(write(p[0], "xy", 2));
	ERR(EFAULT, read(p[1], (void *)8, 2));
	EQ(OK(read(p[1], b, 16)), 2);
	struct iovec v[3] = {{"one", 3}, {"", 0}, {"two", 3}};
	EQ(OK(writev(p[0], v, 3)), 6);
	struct iovec r[2] = {{b, 4}, {b + 8, 4}};
	EQ(OK(readv(p[1], r, 2)), 6);
	EQ(memcmp(b, "onet", 4), 0);
	EQ(memcmp(b + 8, "wo", 2), 0);
}

TEST(packets_keep_their_borders)
{
	for (int i = 1; i < 3; i++) {
		int p[2];
		char b[16];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(write(p[0], "abcdef", 6));
		OK(write(p[0], "", 0));
		OK(write(p[0], "gh", 2));
		EQ(OK(read(p[1], b, 3)), 3);
		EQ(OK(recv(p[1], b, 16, 0)), 0);
		EQ(OK(recv(p[1], b, 16, MSG_PEEK)), 2);
		EQ(OK(recv(p[1], b, 1, MSG_PEEK | MSG_TRUNC)), 2);
		EQ(OK(recv(p[1], b, 1, MSG_TRUNC)), 2);
		ERR(EAGAIN, recv(p[1], b, 16, MSG_DONTWAIT));
		/* A message that cannot be stored is lost. */
		OK(write(p[0], "12", 2));
		OK(write(p[0], "3", 1));
		ERR(EFAULT, read(p[1], (void *)8, 2));
		EQ(OK(read(p[1], b, 16)), 1);
		EQ(b[0], '3');
		struct iovec v = {b, 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
		OK(write(p[0], "12", 2));
		EQ(OK(recvmsg(p[1], &m, 0)), 1);
		EQ(m.msg_flags, MSG_TRUNC);
		static char big[300000];
		ERR(EMSGSIZE, write(p[0], big, 212992 - 31));
		EQ(OK(write(p[0], big, 212992 - 32)), 212992 - 32);
		EQ(OK(read(p[1], big, sizeof big)), 212992 - 32);
		ERR(EFAULT, write(p[0], (void *)8, 8));
		ERR(EOPNOTSUPP, send(p[0], b, 1, MSG_OOB));
		ERR(EOPNOTSUPP, recv(p[0], b, 1, MSG_OOB | MSG_DONTWAIT));
	}
}

TEST(send_buffers_fill_as_on_linux)
{
	static const int sizes[] = {1, 1000, 4096, 65536}, many[3][4] = {{278, 93, 44, 4}, {278, 93, 26, 4}, {278, 93, 26, 4}};
	static char buf[65536];
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 4; k++) {
			int p[2], n = 0, q, r;
			OK(socketpair(AF_UNIX, types[i] | SOCK_NONBLOCK, 0, p));
			while ((r = write(p[0], buf, sizes[k])) == sizes[k])
				n++;
			if (r < 0)
				EQ(errno, EAGAIN);
			else
				n++;
			EQ(n, many[i][k]);
			ERR(EAGAIN, write(p[0], buf, 1));
			EQ(events(p[0]), 0);
			OK(ioctl(p[0], SIOCOUTQ, &q));
			CHECK(q >= 212992);
			/* Writable again when three quarters are free. */
			do {
				OK(read(p[1], buf, sizes[k]));
				OK(ioctl(p[0], SIOCOUTQ, &q));
				EQ(events(p[0]), q < 53248 ? POLLOUT : 0);
			} while (q >= 53248);
		}
	}
}

TEST(queued_bytes_are_counted)
{
	int p[2], q;
	char b[100] = {0};
	for (int i = 0; i < 3; i++) {
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(write(p[0], b, 10));
		OK(write(p[0], b, 90));
		OK(ioctl(p[1], SIOCINQ, &q));
		EQ(q, types[i] == SOCK_DGRAM ? 10 : 100);
		OK(ioctl(p[1], FIONREAD, &q));
		EQ(q, types[i] == SOCK_DGRAM ? 10 : 100);
		OK(ioctl(p[0], SIOCOUTQ, &q));
		EQ(q, 1536);
		OK(ioctl(p[1], SIOCOUTQ, &q));
		EQ(q, 0);
		OK(read(p[1], b, 10));
		OK(ioctl(p[1], FIONREAD, &q));
		EQ(q, 90);
		ERR(EFAULT, ioctl(p[1], FIONREAD, (void *)8));
	}
	int s = listening(SOCK_STREAM, "s", 1);
	ERR(EINVAL, ioctl(s, SIOCINQ, &q));
}

TEST(the_end_of_a_stream)
{
	signal(SIGPIPE, count);
	for (int i = 0; i < 3; i += 2) {
		int p[2], e, pipes = types[i] == SOCK_STREAM;
		socklen_t l = 4;
		char b[8];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(write(p[1], "last", 4));
		close(p[1]);
		EQ(events(p[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
		EQ(OK(read(p[0], b, 8)), 4);
		EQ(OK(read(p[0], b, 8)), 0);
		signals = 0;
		ERR(EPIPE, write(p[0], b, 1));
		EQ(signals, pipes);
		ERR(EPIPE, send(p[0], b, 1, MSG_NOSIGNAL));
		EQ(signals, pipes);
		OK(getpeername(p[0], (void *)b, &l));
		/* With unread data the other side hears of a reset. */
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(write(p[1], "last", 4));
		OK(write(p[0], "unread", 6));
		close(p[1]);
		EQ(events(p[0]), POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLERR);
		if (types[i] == SOCK_STREAM) {
			EQ(OK(read(p[0], b, 8)), 4);
			ERR(ECONNRESET, read(p[0], b, 8));
		} else {
			ERR(ECONNRESET, read(p[0], b, 8));
			EQ(OK(read(p[0], b, 8)), 4);
		}
		EQ(OK(read(p[0], b, 8)), 0);
		l = 4;
		OK(getsockopt(p[0], SOL_SOCKET, SO_ERROR, &e, &l));
		EQ(e, 0);
	}
}

TEST(shutdown_halves)
{
	signal(SIGPIPE, count);
	for (int i = 0; i < 3; i += 2) {
		int p[2], pipes = types[i] == SOCK_STREAM;
		char b[8];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		ERR(EINVAL, shutdown(p[0], -1));
		ERR(EINVAL, shutdown(p[0], 3));
		OK(write(p[0], "abc", 3));
		OK(shutdown(p[0], SHUT_WR));
		signals = 0;
		ERR(EPIPE, write(p[0], b, 1));
		EQ(signals, pipes);
		EQ(events(p[0]), POLLOUT);
		EQ(events(p[1]), POLLIN | POLLOUT | POLLRDHUP);
		EQ(OK(read(p[1], b, 8)), 3);
		EQ(OK(read(p[1], b, 8)), 0);
		EQ(events(p[1]), POLLIN | POLLOUT | POLLRDHUP);
		OK(write(p[1], "back", 4));
		EQ(OK(read(p[0], b, 8)), 4);
		OK(shutdown(p[0], SHUT_RD));
		EQ(events(p[0]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
		EQ(events(p[1]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
		EQ(OK(read(p[0], b, 8)), 0);
		signals = 0;
		ERR(EPIPE, write(p[1], b, 1));
		EQ(signals, pipes);
		/* What was received before the shutdown can still be read. */
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(write(p[0], "abc", 3));
		OK(shutdown(p[1], SHUT_RDWR));
		EQ(OK(read(p[1], b, 8)), 3);
		EQ(OK(read(p[1], b, 8)), 0);
	}
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	EQ(events(fd), POLLOUT | POLLHUP);
	OK(shutdown(fd, SHUT_RDWR));
	EQ(events(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
	fd = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	EQ(events(fd), POLLOUT);
}

TEST(unconnected_sockets)
{
	char b[8];
	struct sockaddr_un a = named("x");
	signal(SIGPIPE, count);
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0)), d = OK(socket(AF_UNIX, SOCK_DGRAM, 0)),
	    q = OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	ERR(ENOTCONN, send(s, b, 1, 0));
	ERR(ENOTCONN, send(d, b, 1, 0));
	ERR(ENOTCONN, send(q, b, 1, 0));
	ERR(EINVAL, recv(s, b, 1, 0));
	ERR(EAGAIN, recv(d, b, 1, MSG_DONTWAIT));
	ERR(ENOTCONN, recv(q, b, 1, 0));
	ERR(EOPNOTSUPP, sendto(s, b, 1, 0, (void *)&a, sizeof a));
	ERR(ENOTCONN, sendto(q, b, 1, 0, (void *)&a, sizeof a));
	ERR(ENOENT, sendto(d, b, 1, 0, (void *)&a, sizeof a));
	ERR(EINVAL, sendto(d, b, 1, 0, (void *)&a, 200));
	ERR(EINVAL, sendto(d, b, 1, 0, (void *)&a, 111));
	ERR(EFAULT, sendto(d, b, 1, 0, (void *)8, 20));
	EQ(signals, 0);
	int p[2];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	ERR(EISCONN, sendto(p[0], b, 1, 0, (void *)&a, sizeof a));
	OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p));
	EQ(OK(sendto(p[0], b, 1, 0, (void *)&a, sizeof a)), 1);
}

TEST(peeking_and_waiting_for_all)
{
	int p[2];
	char b[16];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(write(p[0], "abc", 3));
	OK(write(p[0], "def", 3));
	EQ(OK(recv(p[1], b, 5, MSG_PEEK)), 5);
	EQ(memcmp(b, "abcde", 5), 0);
	EQ(OK(recv(p[1], b, 16, MSG_PEEK)), 6);
	EQ(OK(recv(p[1], b, 16, MSG_TRUNC | MSG_PEEK)), 6);
	EQ(OK(recv(p[1], b, 16, MSG_WAITALL | MSG_DONTWAIT)), 6);
	if (fork() == 0) {
		for (int i = 0; i < 4; i++) {
			usleep(5000);
			OK(write(p[0], "wxyz", 4));
		}
		_exit(0);
	}
	EQ(OK(recv(p[1], b, 16, MSG_WAITALL)), 16);
	EQ(memcmp(b, "wxyzwxyzwxyzwxyz", 16), 0);
	/* The end of the stream ends the wait. */
	if (fork() == 0) {
		OK(write(p[0], "12", 2));
		usleep(5000);
		OK(shutdown(p[0], SHUT_WR));
		_exit(0);
	}
	EQ(OK(recv(p[1], b, 16, MSG_WAITALL)), 2);
	wait(0);
	wait(0);
}

TEST(peek_offset_moves)
{
	int p[2], v = 0;
	char b[16];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(write(p[0], "abcdefgh", 8));
	OK(setsockopt(p[1], SOL_SOCKET, SO_PEEK_OFF, &v, 4));
	EQ(OK(recv(p[1], b, 3, MSG_PEEK)), 3);
	EQ(OK(recv(p[1], b, 3, MSG_PEEK)), 3);
	EQ(memcmp(b, "def", 3), 0);
	EQ(OK(recv(p[1], b, 2, 0)), 2);
	socklen_t l = 4;
	OK(getsockopt(p[1], SOL_SOCKET, SO_PEEK_OFF, &v, &l));
	EQ(v, 4);
	EQ(OK(recv(p[1], b, 16, MSG_PEEK)), 2);
	EQ(memcmp(b, "gh", 2), 0);
	ERR(EAGAIN, recv(p[1], b, 16, MSG_PEEK | MSG_DONTWAIT));
	v = 0;
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(setsockopt(p[1], SOL_SOCKET, SO_PEEK_OFF, &v, 4));
	OK(write(p[0], "one", 3));
	OK(write(p[0], "two", 3));
	EQ(OK(recv(p[1], b, 16, MSG_PEEK)), 3);
	EQ(OK(recv(p[1], b, 2, MSG_PEEK)), 2);
	EQ(memcmp(b, "tw", 2), 0);
	EQ(OK(recv(p[1], b, 16, MSG_PEEK)), 1);
	EQ(b[0], 'o');
}

TEST(out_of_band_data)
{
	int p[2], q;
	char b[16];
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
	ERR(EOPNOTSUPP, send(p[0], b, 0, MSG_OOB));
	ERR(EINVAL, recv(p[1], b, 1, MSG_OOB));
	EQ(OK(send(p[0], "abcU", 4, MSG_OOB)), 4);
	EQ(events(p[1]), POLLIN | POLLOUT | POLLPRI);
	OK(write(p[0], "def", 3));
	OK(ioctl(p[1], SIOCATMARK, &q));
	EQ(q, 0);
	EQ(OK(recv(p[1], b, 1, MSG_OOB | MSG_PEEK)), 1);
	EQ(b[0], 'U');
	/* Reading stops before it. */
	EQ(OK(recv(p[1], b, 16, 0)), 3);
	OK(ioctl(p[1], SIOCATMARK, &q));
	EQ(q, 1);
	EQ(OK(recv(p[1], b, 1, MSG_OOB)), 1);
	EQ(b[0], 'U');
	ERR(EINVAL, recv(p[1], b, 1, MSG_OOB));
	EQ(events(p[1]), POLLIN | POLLOUT);
	EQ(OK(recv(p[1], b, 16, 0)), 3);
	EQ(memcmp(b, "def", 3), 0);
	/* Passing over it loses it. */
	EQ(OK(send(p[0], "xY", 2, MSG_OOB)), 2);
	OK(write(p[0], "z", 1));
	EQ(OK(recv(p[1], b, 16, 0)), 1);
	EQ(OK(recv(p[1], b, 16, 0)), 1);
	EQ(b[0], 'z');
	ERR(EINVAL, recv(p[1], b, 1, MSG_OOB));
	/* Inline it is like any other byte. */
	q = 1;
	OK(setsockopt(p[1], SOL_SOCKET, SO_OOBINLINE, &q, 4));
	EQ(OK(send(p[0], "xY", 2, MSG_OOB)), 2);
	OK(write(p[0], "z", 1));
	ERR(EINVAL, recv(p[1], b, 1, MSG_OOB));
	EQ(OK(recv(p[1], b, 16, 0)), 1);
	EQ(OK(recv(p[1], b, 16, 0)), 2);
	EQ(memcmp(b, "Yz", 2), 0);
}

TEST(out_of_band_data_sends_sigurg)
{
	int p[2], own;
	signal(SIGURG, count);
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(send(p[0], "a", 1, MSG_OOB));
	EQ(signals, 0);
	OK(fcntl(p[1], F_SETOWN, getpid()));
	OK(send(p[0], "a", 1, MSG_OOB));
	EQ(signals, 1);
	OK(ioctl(p[1], SIOCGPGRP, &own));
	EQ(own, getpid());
	own = 0;
	OK(ioctl(p[1], FIOSETOWN, &own));
	OK(send(p[0], "a", 1, MSG_OOB));
	EQ(signals, 1);
}

TEST(names_of_senders_on_streams)
{
	struct sockaddr_un a;
	socklen_t l = sizeof a;
	char b[4];
	int s = listening(SOCK_STREAM, "srv", 5), c = connected(SOCK_STREAM, "srv"), n = OK(accept(s, 0, 0));
	OK(write(n, "x", 1));
	OK(recvfrom(c, b, 1, 0, (void *)&a, &l));
	EQ(l, PATH_OFF + 4);
	EQ(strcmp(a.sun_path, "srv"), 0);
	OK(write(c, "x", 1));
	l = sizeof a;
	OK(recvfrom(n, b, 1, 0, (void *)&a, &l));
	EQ(l, 0);
}

TEST(dup_and_fork_share_a_socket)
{
	int p[2];
	char b[8];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	int d = OK(dup(p[0]));
	close(p[0]);
	OK(write(d, "x", 1));
	EQ(OK(read(p[1], b, 8)), 1);
	if (fork() == 0) {
		OK(write(d, "child", 5));
		_exit(0);
	}
	wait(0);
	close(d);
	EQ(OK(read(p[1], b, 8)), 5);
	EQ(OK(read(p[1], b, 8)), 0);
}
