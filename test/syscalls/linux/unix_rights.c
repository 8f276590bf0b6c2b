/* What Unix sockets carry beside bytes: descriptors and credentials; and the calls for many messages. */
#include "../test.h"
#include <sys/socket.h>
#include <sys/un.h>

static void pair(int type, int s[2])
{
	OK(socketpair(AF_UNIX, type, 0, s));
}

/* Sends text with n descriptors; the result is sendmsg's. */
static long send_fds(int s, const char *text, const int *fds, int n)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int) * 300)];
	} c;
	struct iovec v = {(char *)text, strlen(text)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	memset(&c, 0, sizeof c);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
	return sendmsg(s, &m, 0);
}

/* Receives into text; the descriptors go to fds; their number is returned. */
static int recv_fds(int s, char *text, int size, int *fds, int room, int flags, int *out_flags)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int) * 300)];
	} c;
	struct iovec v = {text, size};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = room ? CMSG_LEN(sizeof(int) * room) : 0};
	long n = OK(recvmsg(s, &m, flags));
	text[n < size ? n : size - 1] = 0;
	if (out_flags)
		*out_flags = m.msg_flags;
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (!h)
		return 0;
	EQ(h->cmsg_level, SOL_SOCKET);
	EQ(h->cmsg_type, SCM_RIGHTS);
	int k = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(h), k * sizeof(int));
	return k;
}

TEST(descriptors_travel)
{
	int s[2], fds[4];
	char buf[16];
	pair(SOCK_STREAM, s);
	int file = OK(open("f", O_RDWR | O_CREAT, 0600));
	EQ(write(file, "hello", 5), 5);
	EQ(send_fds(s[0], "x", &file, 1), 1);
	/* It is on its way: closing it here changes nothing. */
	OK(close(file));
	EQ(recv_fds(s[1], buf, 16, fds, 4, 0, 0), 1);
	EQ(strcmp(buf, "x"), 0);
	EQ(lseek(fds[0], 0, SEEK_CUR), 5);
	EQ(pread(fds[0], buf, 5, 0), 5);
	EQ(memcmp(buf, "hello", 5), 0);
	EQ(fcntl(fds[0], F_GETFD), 0);
}

TEST(descriptors_travel_to_another_process)
{
	int s[2], fds[2], p[2], status;
	char buf[16];
	pair(SOCK_SEQPACKET, s);
	pid_t pid = fork();
	if (pid == 0) {
		OK(pipe(p));
		EQ(send_fds(s[1], "two", p, 2), 3);
		EQ(read(p[0], buf, 1), 1);
		_exit(buf[0]);
	}
	EQ(recv_fds(s[0], buf, 16, fds, 2, MSG_CMSG_CLOEXEC, 0), 2);
	EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	EQ(write(fds[1], "\7", 1), 1);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 7 << 8);
}

TEST(too_little_room_drops_descriptors)
{
	int s[2], fds[4], three[3] = {0, 0, 0}, flags, before;
	char buf[16];
	pair(SOCK_STREAM, s);
	before = OK(dup(0));
	OK(close(before));
	EQ(send_fds(s[0], "x", three, 3), 1);
	EQ(recv_fds(s[1], buf, 16, fds, 1, 0, &flags), 1);
	EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
	EQ(fds[0], before);
	EQ(OK(dup(0)), before + 1);
	EQ(send_fds(s[0], "x", three, 3), 1);
	EQ(recv_fds(s[1], buf, 16, fds, 0, 0, &flags), 0);
	EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
	EQ(send_fds(s[0], "x", three, 3), 1);
	/* A plain read throws them away. */
	EQ(read(s[1], buf, 16), 1);
	EQ(OK(dup(0)), before + 2);
}

TEST(a_stream_read_stops_after_descriptors)
{
	int s[2], fds[4], zero = 0;
	char buf[16];
	pair(SOCK_STREAM, s);
	EQ(write(s[0], "ab", 2), 2);
	EQ(send_fds(s[0], "cd", &zero, 1), 2);
	EQ(write(s[0], "ef", 2), 2);
	/* The data that carries them is the last of its read. */
	EQ(recv_fds(s[1], buf, 16, fds, 4, 0, 0), 1);
	EQ(strcmp(buf, "abcd"), 0);
	EQ(recv_fds(s[1], buf, 16, fds, 4, 0, 0), 0);
	EQ(strcmp(buf, "ef"), 0);
}

TEST(peeking_duplicates_descriptors)
{
	int s[2], a[4], b[4], zero = 0;
	char buf[16];
	pair(SOCK_STREAM, s);
	EQ(send_fds(s[0], "x", &zero, 1), 1);
	EQ(recv_fds(s[1], buf, 16, a, 4, MSG_PEEK, 0), 1);
	EQ(recv_fds(s[1], buf, 16, b, 4, 0, 0), 1);
	CHECK(a[0] != b[0]);
	OK(fcntl(a[0], F_GETFD));
	OK(fcntl(b[0], F_GETFD));
}

TEST(rights_errors)
{
	int s[2], bad = 999, many[254];
	pair(SOCK_STREAM, s);
	ERR(EBADF, send_fds(s[0], "x", &bad, 1));
	for (int i = 0; i < 254; i++)
		many[i] = 0;
	ERR(EINVAL, send_fds(s[0], "x", many, 254));
	EQ(send_fds(s[0], "x", many, 253), 1);
	struct iovec v = {"x", 1};
	char junk[CMSG_SPACE(4)] = "";
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = junk, .msg_controllen = sizeof junk};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_len = 3;
	ERR(EINVAL, sendmsg(s[0], &m, 0));
	h->cmsg_len = sizeof junk + 100;
	ERR(EINVAL, sendmsg(s[0], &m, 0));
	h->cmsg_len = CMSG_LEN(4);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = 99;
	ERR(EINVAL, sendmsg(s[0], &m, 0));
	m.msg_control = (void *)8;
	ERR(EFAULT, sendmsg(s[0], &m, 0));
}

TEST(a_socket_can_travel_through_itself)
{
	int s[2], got[2];
	char buf[4];
	pair(SOCK_STREAM, s);
	EQ(send_fds(s[0], "x", &s[1], 1), 1);
	EQ(recv_fds(s[1], buf, 4, got, 2, 0, 0), 1);
	EQ(write(s[0], "y", 1), 1);
	EQ(read(got[0], buf, 1), 1);
	/* One that is left inside is garbage nobody can reach. */
	EQ(send_fds(s[0], "x", &s[1], 1), 1);
	OK(close(s[1]));
	OK(close(s[0]));
	OK(close(got[0]));
}

static int recv_cred(int s, struct ucred *out)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof *out)];
	} c;
	char text[16];
	struct iovec v = {text, sizeof text};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof c.buf};
	OK(recvmsg(s, &m, 0));
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	if (!h)
		return 0;
	EQ(h->cmsg_type, SCM_CREDENTIALS);
	EQ(h->cmsg_len, CMSG_LEN(sizeof *out));
	memcpy(out, CMSG_DATA(h), sizeof *out);
	return 1;
}

static long send_cred(int s, struct ucred u)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof u)];
	} c;
	struct iovec v = {"x", 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof c.buf};
	memset(&c, 0, sizeof c);
	c.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof u), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS};
	memcpy(CMSG_DATA(&c.h), &u, sizeof u);
	return sendmsg(s, &m, 0);
}

TEST(credentials_are_the_senders)
{
	int s[2], on = 1, status;
	struct ucred u;
	pair(SOCK_DGRAM, s);
	EQ(send(s[0], "x", 1, 0), 1);
	EQ(recv_cred(s[1], &u), 0);
	OK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresgid(11, 11, 11));
		OK(setresuid(22, 22, 22));
		EQ(send(s[0], "x", 1, 0), 1);
		_exit(0);
	}
	EQ(recv_cred(s[1], &u), 1);
	EQ(u.pid, pid);
	EQ(u.uid, 22);
	EQ(u.gid, 11);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(send_cred(s[0], (struct ucred){getpid(), 0, 0}), 1);
	EQ(recv_cred(s[1], &u), 1);
	EQ(u.pid, getpid());
}

TEST(credentials_cannot_be_forged)
{
	int s[2], status;
	pair(SOCK_DGRAM, s);
	EQ(send_cred(s[0], (struct ucred){getpid(), 123, 456}), 1);
	ERR(ESRCH, send_cred(s[0], (struct ucred){99999999, 0, 0}));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresgid(11, 11, 11));
		OK(setresuid(22, 22, 22));
		ERR(EPERM, send_cred(s[0], (struct ucred){getpid(), 0, 11}));
		ERR(EPERM, send_cred(s[0], (struct ucred){getpid(), 22, 0}));
		ERR(EPERM, send_cred(s[0], (struct ucred){getppid(), 22, 11}));
		EQ(send_cred(s[0], (struct ucred){getpid(), 22, 11}), 1);
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(peer_credentials)
{
	int s[2];
	struct ucred u;
	socklen_t n = sizeof u;
	pair(SOCK_STREAM, s);
	OK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &n));
	EQ(u.pid, getpid());
	EQ(u.uid, geteuid());
	EQ(u.gid, getegid());
	/* Those of the time of the connection. */
	OK(setresuid(-1, 500, -1));
	OK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &n));
	EQ(u.uid, 0);
	int lone = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(getsockopt(lone, SOL_SOCKET, SO_PEERCRED, &u, &n));
	EQ(u.pid, 0);
	EQ(u.uid, (uid_t)-1);
}

TEST(sendmsg_gathers_and_recvmsg_scatters)
{
	int s[2];
	char a[2], b[10];
	struct iovec w[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}}, r[2] = {{a, 2}, {b, 10}};
	struct msghdr m = {.msg_iov = w, .msg_iovlen = 3};
	pair(SOCK_DGRAM, s);
	EQ(sendmsg(s[0], &m, 0), 6);
	m.msg_iov = r;
	m.msg_iovlen = 2;
	EQ(recvmsg(s[1], &m, 0), 6);
	EQ(memcmp(a, "ab", 2), 0);
	EQ(memcmp(b, "cdef", 4), 0);
	EQ(m.msg_controllen, 0);
	m.msg_iovlen = 1025;
	ERR(EMSGSIZE, sendmsg(s[0], &m, 0));
	ERR(EFAULT, sendmsg(s[0], (void *)8, 0));
	ERR(EFAULT, recvmsg(s[0], (void *)8, 0));
}

TEST(many_messages_in_one_call)
{
	int s[2];
	char buf[4][8];
	struct iovec w[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}}, r[4];
	struct mmsghdr out[3] = {{.msg_hdr = {.msg_iov = &w[0], .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &w[1], .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &w[2], .msg_iovlen = 1}}}, in[4];
	struct timespec soon = {0, 10000000}, bad = {0, 1000000000};
	pair(SOCK_DGRAM, s);
	EQ(sendmmsg(s[0], out, 3, 0), 3);
	EQ(out[2].msg_len, 3);
	memset(in, 0, sizeof in);
	for (int i = 0; i < 4; i++) {
		r[i] = (struct iovec){buf[i], 8};
		in[i].msg_hdr.msg_iov = &r[i];
		in[i].msg_hdr.msg_iovlen = 1;
	}
	EQ(recvmmsg(s[1], in, 4, MSG_DONTWAIT, 0), 3);
	EQ(in[0].msg_len + in[1].msg_len * 10 + in[2].msg_len * 100, 321);
	EQ(memcmp(buf[2], "ccc", 3), 0);
	ERR(EAGAIN, recvmmsg(s[1], in, 4, MSG_DONTWAIT, 0));
	ERR(EINVAL, recvmmsg(s[1], in, 4, 0, &bad));
	EQ(sendmmsg(s[0], out, 1, 0), 1);
	EQ(recvmmsg(s[1], in, 4, MSG_WAITFORONE, &soon), 1);
	ERR(EBADF, sendmmsg(999, out, 1, 0));
	ERR(EFAULT, sendmmsg(s[0], (void *)8, 1, 0));
}

TEST(truncated_and_closed_lists_leak_nothing)
{
	int s[2], zero = OK(dup(0)), top;
	char buf[4];
	/* Descriptors in flight die with the last end of the socket. */
	OK(close(zero));
	for (int i = 0; i < 200; i++) {
		int p[2];
		pair(SOCK_STREAM, s);
		OK(pipe(p));
		EQ(send_fds(s[0], "x", &p[1], 1), 1);
		OK(close(p[1]));
		OK(close(s[0]));
		OK(close(s[1]));
		EQ(read(p[0], buf, 1), 0);
		OK(close(p[0]));
	}
	top = OK(dup(0));
	EQ(top, zero);
}
