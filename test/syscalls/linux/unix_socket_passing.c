/* Ancillary data of unix sockets: descriptors and credentials. */
#include "../test.h"
#include <grp.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAX_FD 253

static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};

/* Sends one byte (or `len` bytes) with n descriptors. */
static int send_fds(int s, const int *fds, int n, int len, int flags)
{
	static char ctl[CMSG_SPACE(4 * 300)], data[64];
	struct iovec v = {data, len};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = CMSG_SPACE(4 * n)};
	struct cmsghdr *c = (void *)ctl;
	memset(ctl, 0, sizeof ctl);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(4 * n);
	memcpy(CMSG_DATA(c), fds, 4 * n);
	return sendmsg(s, &m, flags);
}

struct got {
	int bytes, flags, controllen, n, fds[300], have_creds;
	struct ucred creds;
};

static struct got receive(int s, int room, int flags, int datalen)
{
	static char ctl[4096];
	char data[64];
	struct got g = {0};
	struct iovec v = {data, datalen};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = room ? ctl : 0, .msg_controllen = room};
	memset(ctl, 0xee, sizeof ctl);
	g.bytes = recvmsg(s, &m, flags);
	if (g.bytes < 0) {
		g.bytes = -errno;
		return g;
	}
	g.flags = m.msg_flags;
	g.controllen = m.msg_controllen;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		EQ(c->cmsg_level, SOL_SOCKET);
		if (c->cmsg_type == SCM_RIGHTS) {
			g.n = (c->cmsg_len - CMSG_LEN(0)) / 4;
			memcpy(g.fds, CMSG_DATA(c), 4 * g.n);
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			EQ(c->cmsg_len, CMSG_LEN(12));
			memcpy(&g.creds, CMSG_DATA(c), 12);
			g.have_creds = 1;
		} else
			FAIL("control message %d", c->cmsg_type);
	}
	return g;
}

static int same_file(int a, int b)
{
	struct stat x, y;
	OK(fstat(a, &x));
	OK(fstat(b, &y));
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int closed_by_now(int fd)
{
	/* Descriptors nobody can receive are closed some time after a unix socket was closed. */
	for (int i = 0; i < 200; i++) {
		close(OK(socket(AF_UNIX, SOCK_DGRAM, 0)));
		struct pollfd p = {fd, POLLIN, 0};
		OK(poll(&p, 1, 10));
		if (p.revents & POLLHUP)
			return 1;
	}
	return 0;
}

TEST(descriptors_travel)
{
	for (int i = 0; i < 3; i++) {
		int p[2], q[2];
		char b;
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(pipe(q));
		EQ(OK(send_fds(p[0], q, 2, 1, 0)), 1);
		struct got g = receive(p[1], 1000, 0, 10);
		EQ(g.bytes, 1);
		EQ(g.flags, 0);
		EQ(g.n, 2);
		EQ(g.controllen, CMSG_SPACE(8));
		CHECK(same_file(g.fds[0], q[0]) && same_file(g.fds[1], q[1]));
		EQ(fcntl(g.fds[0], F_GETFD), 0);
		close(q[1]);
		OK(write(g.fds[1], "x", 1));
		EQ(OK(read(q[0], &b, 1)), 1);
		/* The description is shared: flags and offset too. */
		OK(fcntl(g.fds[0], F_SETFL, O_NONBLOCK));
		CHECK(fcntl(q[0], F_GETFL) & O_NONBLOCK);
		EQ(OK(send_fds(p[0], q, 1, 1, 0)), 1);
		g = receive(p[1], 1000, MSG_CMSG_CLOEXEC, 10);
		EQ(g.flags, MSG_CMSG_CLOEXEC);
		EQ(fcntl(g.fds[0], F_GETFD), FD_CLOEXEC);
	}
}

TEST(a_closed_descriptor_lives_on_in_the_message)
{
	int p[2], q[2];
	char b[4];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(pipe(q));
	OK(send_fds(p[0], q + 1, 1, 0, 0));
	close(q[1]);
	struct pollfd pf = {q[0], POLLIN, 0};
	EQ(OK(poll(&pf, 1, 0)), 0);
	struct got g = receive(p[1], 100, 0, 1);
	EQ(g.bytes, 0);
	EQ(g.n, 1);
	OK(write(g.fds[0], "hi", 2));
	EQ(OK(read(q[0], b, 4)), 2);
	close(g.fds[0]);
	EQ(OK(read(q[0], b, 4)), 0);
	/* It is closed with the socket it waits at. */
	OK(pipe(q));
	OK(send_fds(p[0], q + 1, 1, 1, 0));
	close(q[1]);
	close(p[1]);
	EQ(OK(read(q[0], b, 4)), 0);
}

TEST(descriptors_that_do_not_fit_are_closed)
{
	int p[2], q[2], three[3];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(pipe(q));
	three[0] = three[1] = three[2] = q[1];
	OK(send_fds(p[0], three, 3, 1, 0));
	struct got g = receive(p[1], CMSG_LEN(8), 0, 1);
	EQ(g.n, 2);
	EQ(g.flags, MSG_CTRUNC);
	EQ(g.controllen, CMSG_LEN(8));
	close(g.fds[0]);
	close(g.fds[1]);
	OK(send_fds(p[0], three, 3, 1, 0));
	g = receive(p[1], CMSG_LEN(0), 0, 1);
	EQ(g.n, 0);
	EQ(g.controllen, 0);
	EQ(g.flags, MSG_CTRUNC);
	OK(send_fds(p[0], three, 3, 1, 0));
	g = receive(p[1], 0, 0, 1);
	EQ(g.flags, MSG_CTRUNC);
	/* Without recvmsg they are lost silently. */
	OK(send_fds(p[0], three, 3, 1, 0));
	char b;
	EQ(OK(read(p[1], &b, 1)), 1);
	close(q[1]);
	EQ(OK(read(q[0], &b, 1)), 0);
}

TEST(descriptors_bound_pieces_of_a_stream)
{
	int p[2], q[2];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(pipe(q));
	OK(write(p[0], "aa", 2));
	OK(send_fds(p[0], q, 1, 3, 0));
	OK(write(p[0], "bb", 2));
	OK(send_fds(p[0], q + 1, 1, 1, 0));
	/* Plain data before it is put together with it; nothing after it. */
	struct got g = receive(p[1], 100, 0, 60);
	EQ(g.bytes, 5);
	EQ(g.n, 1);
	g = receive(p[1], 100, 0, 1);
	EQ(g.bytes, 1);
	EQ(g.n, 0);
	g = receive(p[1], 100, 0, 60);
	EQ(g.bytes, 2);
	EQ(g.n, 1);
	/* They come with the first byte. */
	OK(send_fds(p[0], q, 1, 3, 0));
	g = receive(p[1], 100, 0, 1);
	EQ(g.n, 1);
	g = receive(p[1], 100, 0, 10);
	EQ(g.n, 0);
	EQ(g.bytes, 2);
	/* A stream needs a byte to carry them. */
	EQ(OK(send_fds(p[0], q, 1, 0, 0)), 0);
	g = receive(p[1], 100, MSG_DONTWAIT, 10);
	EQ(g.bytes, -EAGAIN);
}

TEST(peeking_copies_descriptors)
{
	for (int i = 0; i < 3; i++) {
		int p[2], q[2];
		char b;
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(pipe(q));
		OK(send_fds(p[0], q + 1, 1, 1, 0));
		close(q[1]);
		struct got g = receive(p[1], 100, MSG_PEEK, 10);
		EQ(g.n, 1);
		struct got h = receive(p[1], 100, 0, 10);
		EQ(h.n, 1);
		CHECK(g.fds[0] != h.fds[0]);
		close(g.fds[0]);
		close(h.fds[0]);
		EQ(OK(read(q[0], &b, 1)), 0);
	}
}

TEST(bad_control_messages)
{
	for (int i = 0; i < 3; i++) {
		int p[2], fds[300];
		char ctl[200];
		struct iovec v = {"x", 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl};
		struct cmsghdr *c = (void *)ctl;
		OK(socketpair(AF_UNIX, types[i] | SOCK_NONBLOCK, 0, p));
		fds[0] = p[0];
		fds[1] = -1;
		ERR(EBADF, send_fds(p[0], fds, 2, 1, 0));
		fds[1] = 999;
		ERR(EBADF, send_fds(p[0], fds, 2, 1, 0));
		fds[1] = OK(open(".", O_PATH));
		OK(send_fds(p[0], fds, 2, 1, 0));
		struct got g = receive(p[1], 100, 0, 10);
		EQ(g.n, 2);
		for (int k = 0; k < 300; k++)
			fds[k] = p[1];
		ERR(EINVAL, send_fds(p[0], fds, MAX_FD + 1, 1, 0));
		OK(send_fds(p[0], fds, MAX_FD, 1, 0));
		g = receive(p[1], 4000, 0, 10);
		EQ(g.n, MAX_FD);
		for (int k = 0; k < g.n; k++)
			close(g.fds[k]);
		memset(ctl, 0, sizeof ctl);
		m.msg_controllen = sizeof *c;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = sizeof *c - 1;
		ERR(EINVAL, sendmsg(p[0], &m, 0));
		c->cmsg_len = sizeof *c + 1;
		ERR(EINVAL, sendmsg(p[0], &m, 0));
		c->cmsg_len = sizeof *c;
		OK(sendmsg(p[0], &m, 0));
		c->cmsg_type = 77;
		ERR(EINVAL, sendmsg(p[0], &m, 0));
		c->cmsg_level = 41;
		OK(sendmsg(p[0], &m, 0));
		m.msg_controllen = sizeof *c - 1;
		c->cmsg_len = 0;
		OK(sendmsg(p[0], &m, 0));
		m.msg_controllen = 1ul << 40;
		ERR(ENOBUFS, sendmsg(p[0], &m, 0));
		m.msg_controllen = 1 << 30;
		ERR(ENOBUFS, sendmsg(p[0], &m, 0));
		m.msg_control = (void *)8;
		m.msg_controllen = 20;
		ERR(EFAULT, sendmsg(p[0], &m, 0));
		m.msg_controllen = 0;
		m.msg_iovlen = 1025;
		ERR(EMSGSIZE, sendmsg(p[0], &m, 0));
		ERR(EMSGSIZE, recvmsg(p[0], &m, 0));
		m.msg_iovlen = 1;
		m.msg_name = ctl;
		m.msg_namelen = -1;
		ERR(EINVAL, sendmsg(p[0], &m, 0));
		ERR(EINVAL, recvmsg(p[0], &m, 0));
		ERR(EFAULT, sendmsg(p[0], (void *)8, 0));
		ERR(EFAULT, recvmsg(p[0], (void *)8, 0));
	}
}

TEST(two_rights_messages_are_joined)
{
	int p[2];
	char ctl[CMSG_SPACE(4) * 2] = {0};
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(4);
		memcpy(CMSG_DATA(c), &p[0], 4);
	}
	OK(sendmsg(p[0], &m, 0));
	struct got g = receive(p[1], 100, 0, 10);
	EQ(g.n, 2);
}

TEST(the_receiver_may_have_no_room)
{
	int p[2], q[2], both[2];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(pipe(q));
	both[0] = both[1] = q[1];
	OK(send_fds(p[0], both, 2, 1, 0));
	struct rlimit old, now;
	OK(getrlimit(RLIMIT_NOFILE, &old));
	int next = OK(dup(0));
	close(next);
	now = old;
	now.rlim_cur = next + 1;
	OK(setrlimit(RLIMIT_NOFILE, &now));
	struct got g = receive(p[1], 100, 0, 10);
	EQ(g.bytes, 1);
	EQ(g.n, 1);
	EQ(g.flags, MSG_CTRUNC);
	OK(send_fds(p[0], both, 1, 1, 0));
	g = receive(p[1], 100, 0, 10);
	EQ(g.n, 0);
	EQ(g.controllen, 0);
	EQ(g.flags, MSG_CTRUNC);
	OK(setrlimit(RLIMIT_NOFILE, &old));
}

static int send_creds(int s, struct ucred u, int len)
{
	char ctl[CMSG_SPACE(12)] = {0};
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_CREDENTIALS;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), &u, 12);
	return sendmsg(s, &m, 0);
}

TEST(credentials_come_with_passcred)
{
	for (int i = 0; i < 3; i++) {
		int p[2], one = 1;
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(write(p[0], "before", 6));
		OK(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &one, 4));
		struct got g = receive(p[1], 100, 0, 60);
		EQ(g.have_creds, 1);
		EQ(g.creds.pid, 0);
		EQ(g.creds.uid, 65534);
		EQ(g.creds.gid, 65534);
		OK(write(p[0], "after", 5));
		g = receive(p[1], 100, 0, 60);
		EQ(g.controllen, CMSG_SPACE(12));
		EQ(g.creds.pid, getpid());
		EQ(g.creds.uid, getuid());
		EQ(g.creds.gid, getgid());
		OK(write(p[0], "no room", 7));
		g = receive(p[1], 0, 0, 60);
		EQ(g.flags, MSG_CTRUNC);
		OK(write(p[0], "little room", 11));
		char small[20];
		struct iovec v = {small, 20};
		long ctl[4] = {0};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = 20};
		EQ(OK(recvmsg(p[1], &m, 0)), 11);
		EQ(m.msg_flags, MSG_CTRUNC);
		EQ(m.msg_controllen, 20);
		EQ(ctl[0], 20);
		OK(send_creds(p[0], (struct ucred){getpid(), getuid(), getgid()}, 12));
		g = receive(p[1], 100, 0, 60);
		EQ(g.creds.pid, getpid());
		/* A child is another process. */
		pid_t pid = fork();
		if (pid == 0) {
			OK(write(p[0], "x", 1));
			_exit(0);
		}
		wait(0);
		g = receive(p[1], 100, 0, 60);
		EQ(g.creds.pid, pid);
	}
}

TEST(data_of_different_senders_is_not_mixed)
{
	int p[2], one = 1;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &one, 4));
	OK(write(p[0], "aa", 2));
	OK(write(p[0], "bb", 2));
	pid_t pid = fork();
	if (pid == 0) {
		OK(write(p[0], "child", 5));
		_exit(0);
	}
	wait(0);
	struct got g = receive(p[1], 100, 0, 60);
	EQ(g.bytes, 4);
	EQ(g.creds.pid, getpid());
	g = receive(p[1], 100, 0, 60);
	EQ(g.bytes, 5);
	EQ(g.creds.pid, pid);
}

static void as_user(void *arg)
{
	int *p = arg;
	struct ucred u = {getpid(), 1000, 2000};
	OK(setresgid(2000, 2001, 2002));
	OK(setresuid(1000, 1001, 1002));
	OK(send_creds(p[0], u, 12));
	u.uid = 1001;
	u.gid = 2002;
	OK(send_creds(p[0], u, 12));
	u.uid = 1003;
	ERR(EPERM, send_creds(p[0], u, 12));
	u.uid = 1000;
	u.gid = 0;
	ERR(EPERM, send_creds(p[0], u, 12));
	u.gid = 2000;
	u.pid = 1;
	ERR(EPERM, send_creds(p[0], u, 12));
	u.pid = getpid();
	u.uid = -1;
	ERR(EINVAL, send_creds(p[0], u, 12));
	OK(write(p[0], "x", 1));
}

TEST(credentials_are_checked)
{
	if (getuid() != 0)
		SKIP("needs root");
	int p[2], one = 1;
	struct ucred u = {getpid(), 5, 6};
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &one, 4));
	OK(send_creds(p[0], u, 12));
	struct got g = receive(p[1], 100, 0, 60);
	EQ(g.creds.uid, 5);
	EQ(g.creds.gid, 6);
	u.pid = getppid();
	OK(send_creds(p[0], u, 12));
	g = receive(p[1], 100, 0, 60);
	EQ(g.creds.pid, getppid());
	u.pid = 0x7ffffff;
	ERR(ESRCH, send_creds(p[0], u, 12));
	ERR(EINVAL, send_creds(p[0], u, 8));
	EQ(test_in_child(as_user, p), 0);
	g = receive(p[1], 100, 0, 60);
	EQ(g.creds.uid, 1000);
	g = receive(p[1], 100, 0, 60);
	EQ(g.creds.uid, 1001);
	EQ(g.creds.gid, 2002);
	/* What the kernel adds are the real ids. */
	g = receive(p[1], 100, 0, 60);
	EQ(g.creds.uid, 1000);
	EQ(g.creds.gid, 2000);
}

TEST(peercred_is_taken_when_the_connection_is_made)
{
	struct sockaddr_un a = {AF_UNIX, "s"};
	struct ucred u;
	socklen_t l = sizeof u;
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0)), n, status;
	OK(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &l));
	EQ(u.pid, 0);
	EQ((int)u.uid, -1);
	OK(bind(s, (void *)&a, sizeof a));
	OK(listen(s, 5));
	OK(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &l));
	EQ(u.pid, getpid());
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
		if (getuid() == 0) {
			OK(chmod(".", 0777));
			OK(chmod("s", 0777));
			OK(setresgid(2001, 2000, 2001));
			OK(setresuid(1001, 1000, 0));
		}
		OK(connect(c, (void *)&a, sizeof a));
		OK(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &u, &l));
		EQ(u.pid, parent);
		EQ(u.uid, getuid() == 1001 ? 0 : getuid());
		_exit(0);
	}
	OK(waitpid(pid, &status, 0));
	EQ(status, 0);
	n = OK(accept(s, 0, 0));
	OK(getsockopt(n, SOL_SOCKET, SO_PEERCRED, &u, &l));
	EQ(l, 12);
	EQ(u.pid, pid);
	if (getuid() == 0) {
		EQ(u.uid, 1000);
		EQ(u.gid, 2000);
	}
	int p[2];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	l = 4;
	OK(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &l));
	EQ(l, 4);
	EQ(u.pid, getpid());
}

TEST(peer_groups)
{
	int p[2], s = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	gid_t g[4] = {1, 2, 3}, got[8];
	socklen_t l = sizeof got;
	if (getuid() != 0)
		SKIP("needs root");
	ERR(ENODATA, getsockopt(s, SOL_SOCKET, SO_PEERGROUPS, got, &l));
	OK(setgroups(3, g));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(setgroups(0, 0));
	l = 8;
	ERR(ERANGE, getsockopt(p[0], SOL_SOCKET, SO_PEERGROUPS, got, &l));
	EQ(l, 12);
	l = sizeof got;
	OK(getsockopt(p[0], SOL_SOCKET, SO_PEERGROUPS, got, &l));
	EQ(l, 12);
	EQ(got[2], 3);
}

TEST(passcred_is_inherited_by_accepted_sockets)
{
	struct sockaddr_un a = {AF_UNIX, "s"};
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0)), c = OK(socket(AF_UNIX, SOCK_STREAM, 0)), v = 1;
	socklen_t l = 4;
	OK(bind(s, (void *)&a, sizeof a));
	OK(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &v, 4));
	OK(listen(s, 5));
	OK(connect(c, (void *)&a, sizeof a));
	OK(write(c, "x", 1));
	int n = OK(accept(s, 0, 0));
	v = 0;
	OK(getsockopt(n, SOL_SOCKET, SO_PASSCRED, &v, &l));
	EQ(v, 1);
	struct got g = receive(n, 100, 0, 60);
	EQ(g.creds.pid, getpid());
}

TEST(descriptors_in_flight_are_limited)
{
	int p[2], fds[MAX_FD], sent = 0;
	if (getuid() != 0)
		SKIP("needs root");
	OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p));
	struct rlimit r = {600, 600};
	OK(setrlimit(RLIMIT_NOFILE, &r));
	/* A user nobody else is. */
	OK(setgid(54321));
	OK(setuid(54321));
	for (int i = 0; i < MAX_FD; i++)
		fds[i] = 0;
	while (send_fds(p[0], fds, MAX_FD, 1, 0) == 1)
		sent += MAX_FD;
	EQ(errno, ETOOMANYREFS);
	EQ(sent, 3 * MAX_FD);
	struct got g = receive(p[1], 100, 0, 10);
	EQ(g.flags, MSG_CTRUNC);
	OK(send_fds(p[0], fds, MAX_FD, 1, 0));
	ERR(ETOOMANYREFS, send_fds(p[0], fds, 1, 1, 0));
}

TEST(cycles_of_sockets_are_collected)
{
	for (int i = 0; i < 3; i++) {
		int a[2], b[2], q[2], fds[2];
		/* Each pair is only referenced from the other's queue. */
		OK(socketpair(AF_UNIX, types[i], 0, a));
		OK(socketpair(AF_UNIX, types[i], 0, b));
		OK(pipe(q));
		fds[0] = b[0];
		fds[1] = q[1];
		OK(send_fds(a[0], fds, 2, 1, 0));
		OK(send_fds(b[1], &a[1], 1, 1, 0));
		close(q[1]);
		close(a[0]);
		close(a[1]);
		close(b[0]);
		close(b[1]);
		CHECK(closed_by_now(q[0]));
		/* A socket in its own queue. */
		OK(socketpair(AF_UNIX, types[i], 0, a));
		OK(pipe(q));
		fds[0] = a[1];
		fds[1] = q[1];
		OK(send_fds(a[0], fds, 2, 1, 0));
		close(q[1]);
		close(a[1]);
		close(a[0]);
		CHECK(closed_by_now(q[0]));
	}
}

TEST(what_can_still_be_received_is_kept)
{
	int a[2], b[2], c[2];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, a));
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, b));
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, c));
	/* a[1] and b[1] hold each other, and c[1] holds b[1]. */
	OK(send_fds(a[0], &b[1], 1, 1, 0));
	OK(send_fds(b[0], &a[1], 1, 2, 0));
	OK(send_fds(c[0], &b[1], 1, 3, 0));
	close(a[1]);
	close(b[1]);
	close(a[0]);
	close(b[0]);
	close(OK(socket(AF_UNIX, SOCK_STREAM, 0)));
	usleep(20000);
	struct got g = receive(c[1], 100, 0, 60);
	EQ(g.bytes, 3);
	EQ(g.n, 1);
	g = receive(g.fds[0], 100, MSG_DONTWAIT, 60);
	EQ(g.bytes, 2);
	EQ(g.n, 1);
	g = receive(g.fds[0], 100, MSG_DONTWAIT, 60);
	EQ(g.bytes, 1);
	EQ(g.n, 1);
}

TEST(long_chains_of_sockets_end)
{
	/* Every socket waits in the queue of the one before it. */
	int p[2], q[2], last[2];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(pipe(q));
	OK(send_fds(p[0], &q[1], 1, 1, 0));
	close(q[1]);
	for (int i = 0; i < 3000; i++) {
		OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, last));
		OK(send_fds(last[0], &p[1], 1, 1, 0));
		close(p[0]);
		close(p[1]);
		p[0] = last[0];
		p[1] = last[1];
	}
	close(p[0]);
	close(p[1]);
	CHECK(closed_by_now(q[0]));
}

TEST(unaccepted_connections_hold_descriptors)
{
	struct sockaddr_un a = {AF_UNIX, "s"};
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0)), c = OK(socket(AF_UNIX, SOCK_STREAM, 0)), q[2], fds[2];
	OK(bind(s, (void *)&a, sizeof a));
	OK(listen(s, 5));
	OK(connect(c, (void *)&a, sizeof a));
	OK(pipe(q));
	/* The listener waits at a connection of its own. */
	fds[0] = s;
	fds[1] = q[1];
	OK(send_fds(c, fds, 2, 1, 0));
	close(q[1]);
	close(c);
	struct pollfd p = {q[0], POLLIN, 0};
	EQ(OK(poll(&p, 1, 20)), 0);
	close(s);
	CHECK(closed_by_now(q[0]));
}

TEST(timestamps)
{
	int p[2], one = 1;
	struct timespec now;
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(setsockopt(p[1], SOL_SOCKET, SO_TIMESTAMP, &one, 4));
	OK(write(p[0], "x", 1));
	char ctl[100], b[4];
	struct iovec v = {b, 4};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
	OK(recvmsg(p[1], &m, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMP && c->cmsg_len == CMSG_LEN(16));
	clock_gettime(CLOCK_REALTIME, &now);
	long *t = (void *)CMSG_DATA(c);
	CHECK(now.tv_sec - t[0] >= 0 && now.tv_sec - t[0] < 5 && t[1] >= 0 && t[1] < 1000000);
	OK(setsockopt(p[1], SOL_SOCKET, SO_TIMESTAMPNS, &one, 4));
	OK(write(p[0], "x", 1));
	m.msg_controllen = sizeof ctl;
	OK(recvmsg(p[1], &m, 0));
	c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_type == SCM_TIMESTAMPNS);
	EQ(m.msg_controllen, CMSG_SPACE(16));
}
