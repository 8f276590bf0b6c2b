/* Unix datagram sockets: names, peers, full queues. */
#include "../test.h"
#include <linux/sockios.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#define PATH_OFF offsetof(struct sockaddr_un, sun_path)

static struct sockaddr_un named(const char *path)
{
	struct sockaddr_un a;
	memset(&a, 0, sizeof a);
	a.sun_family = AF_UNIX;
	strcpy(a.sun_path, path);
	return a;
}

static int bound(const char *path)
{
	struct sockaddr_un a = named(path);
	int fd = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	OK(bind(fd, (void *)&a, sizeof a));
	return fd;
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un a = named(path);
	return connect(fd, (void *)&a, sizeof a);
}

static int disconnect(int fd)
{
	struct sockaddr_un a = {AF_UNSPEC};
	return connect(fd, (void *)&a, sizeof a);
}

static ssize_t to(int fd, const char *path, const char *text, int flags)
{
	struct sockaddr_un a = named(path);
	return sendto(fd, text, strlen(text), flags, (void *)&a, sizeof a);
}

static short events(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};
	OK(poll(&p, 1, 0));
	return p.revents;
}

static int error_of(int fd)
{
	int e;
	socklen_t l = 4;
	OK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &l));
	return e;
}

TEST(datagrams_have_senders)
{
	char b[16];
	struct sockaddr_un a;
	socklen_t l = sizeof a;
	int r = bound("r"), s = bound("s"), anon = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	EQ(OK(to(s, "r", "hello", 0)), 5);
	EQ(OK(to(anon, "r", "who", 0)), 3);
	EQ(OK(recvfrom(r, b, 16, 0, (void *)&a, &l)), 5);
	EQ(l, PATH_OFF + 2);
	EQ(strcmp(a.sun_path, "s"), 0);
	l = sizeof a;
	EQ(OK(recvfrom(r, b, 16, 0, (void *)&a, &l)), 3);
	EQ(l, 0);
	/* Answers go to where the datagram came from. */
	EQ(OK(to(r, "s", "", 0)), 0);
	l = 3;
	EQ(OK(recvfrom(s, b, 16, 0, (void *)&a, &l)), 0);
	EQ(l, PATH_OFF + 2);
	l = -1;
	OK(to(s, "r", "x", 0));
	ERR(EINVAL, recvfrom(r, b, 16, 0, (void *)&a, &l));
	ERR(EAGAIN, recv(r, b, 16, MSG_DONTWAIT));
	OK(to(s, "r", "x", 0));
	ERR(EFAULT, recvfrom(r, b, 16, 0, (void *)&a, (void *)8));
	/* The name survives the sender. */
	OK(to(s, "r", "x", 0));
	close(s);
	l = sizeof a;
	EQ(OK(recvfrom(r, b, 16, 0, (void *)&a, &l)), 1);
	EQ(strcmp(a.sun_path, "s"), 0);
}

TEST(a_connected_socket_hears_only_its_peer)
{
	char b[16];
	int a = bound("a"), c = bound("c"), x = bound("x");
	OK(connect_to(a, "c"));
	OK(write(a, "1", 1));
	OK(to(x, "c", "2", 0));
	EQ(OK(read(c, b, 16)), 1);
	EQ(OK(read(c, b, 16)), 1);
	ERR(EPERM, to(x, "a", "3", 0));
	ERR(EPERM, connect_to(x, "a"));
	OK(connect_to(c, "a"));
	OK(write(c, "4", 1));
	EQ(OK(read(a, b, 16)), 1);
	/* A destination overrides the peer. */
	OK(to(a, "x", "5", 0));
	EQ(OK(read(x, b, 16)), 1);
	EQ(b[0], '5');
	/* Disconnected it is open to all, and has nobody to write to. */
	OK(disconnect(a));
	ERR(ENOTCONN, write(a, "6", 1));
	OK(to(x, "a", "7", 0));
	EQ(OK(read(a, b, 16)), 1);
	OK(disconnect(a));
	struct sockaddr_un short_name = {AF_UNSPEC};
	OK(connect(a, (void *)&short_name, 2));
	ERR(EINVAL, connect(a, (void *)&short_name, 1));
	ERR(EINVAL, connect(a, (void *)&short_name, 0));
}

TEST(a_new_peer_drops_the_messages_of_the_old)
{
	char b[16];
	int a = bound("a"), c = bound("c");
	bound("d");
	OK(connect_to(a, "c"));
	OK(connect_to(c, "a"));
	OK(write(c, "lost", 4));
	OK(connect_to(a, "d"));
	ERR(EAGAIN, recv(a, b, 16, MSG_DONTWAIT));
	EQ(events(c) & POLLERR, POLLERR);
	EQ(error_of(c), ECONNRESET);
	EQ(error_of(c), 0);
	/* c is still connected to a, which hears somebody else now. */
	ERR(EPERM, write(c, "x", 1));
}

TEST(a_peer_that_is_gone_is_refused_once)
{
	char b[8];
	int p[2];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	OK(write(p[1], "kept", 4));
	close(p[1]);
	EQ(events(p[0]), POLLIN | POLLOUT);
	ERR(ECONNREFUSED, write(p[0], "x", 1));
	ERR(ENOTCONN, write(p[0], "x", 1));
	/* Finding out dropped what was received. */
	ERR(EAGAIN, recv(p[0], b, 8, MSG_DONTWAIT));
	int r = bound("r"), s = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	OK(connect_to(s, "r"));
	close(r);
	ERR(ECONNREFUSED, to(s, "r", "x", 0));
	ERR(ECONNREFUSED, write(s, "x", 1));
	ERR(ENOTCONN, write(s, "x", 1));
	OK(unlink("r"));
	ERR(ENOENT, to(s, "r", "x", 0));
	/* The error comes after a fault. */
	ERR(EFAULT, sendto(s, (void *)8, 8, 0, (void *)&(struct sockaddr_un){AF_UNIX, "r"}, sizeof(struct sockaddr_un)));
}

TEST(shutdown_of_datagram_sockets)
{
	char b[8];
	int r = bound("r"), s = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	OK(connect_to(s, "r"));
	OK(shutdown(r, SHUT_RD));
	EQ(events(r), POLLIN | POLLOUT | POLLRDHUP);
	ERR(EPIPE, write(s, "x", 1));
	ERR(EPIPE, to(s, "r", "x", 0));
	EQ(OK(recv(r, b, 8, 0)), 0);
	ERR(EAGAIN, recv(r, b, 8, MSG_DONTWAIT));
	EQ(events(s), POLLOUT);
	int q = bound("q");
	OK(connect_to(s, "q"));
	OK(write(s, "x", 1));
	OK(shutdown(s, SHUT_WR));
	ERR(EPIPE, write(s, "x", 1));
	EQ(OK(recv(q, b, 8, 0)), 1);
	OK(shutdown(s, SHUT_RD));
	EQ(events(s), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
}

static int queue_length(void)
{
	int n = 10;
	FILE *f = fopen("/proc/sys/net/unix/max_dgram_qlen", "r");
	if (f) {
		if (fscanf(f, "%d", &n) != 1)
			n = 10;
		fclose(f);
	}
	return n;
}

TEST(a_queue_takes_so_many_from_strangers)
{
	char b[8];
	int most = queue_length() + 1, r = bound("r"), n = 0;
	int s = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	while (to(s, "r", "x", MSG_DONTWAIT) == 1)
		n++;
	EQ(errno, EAGAIN);
	EQ(n, most);
	/* A sender that is not connected is writable all the same. */
	EQ(events(s), POLLOUT);
	OK(connect_to(s, "r"));
	EQ(events(s), 0);
	ERR(EAGAIN, send(s, "x", 1, MSG_DONTWAIT));
	OK(read(r, b, 8));
	EQ(events(s), POLLOUT);
	OK(send(s, "x", 1, MSG_DONTWAIT));
	EQ(events(s), 0);
	/* Connected both ways only the send buffer counts. */
	close(r);
	OK(unlink("r"));
	EQ(events(s), POLLOUT);
	int p[2];
	OK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, p));
	for (n = 0; write(p[0], "x", 1) == 1; n++)
		;
	EQ(n, 278);
}

TEST(a_full_queue_blocks_and_wakes)
{
	char b[8];
	int r = bound("r"), s = OK(socket(AF_UNIX, SOCK_DGRAM, 0)), most = queue_length() + 1;
	for (int i = 0; i < most; i++)
		OK(to(s, "r", "x", 0));
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		for (int i = 0; i < most + 2; i++)
			EQ(OK(read(r, b, 8)), 1);
		_exit(0);
	}
	OK(to(s, "r", "y", 0));
	OK(connect_to(s, "r"));
	OK(write(s, "z", 1));
	int status;
	OK(waitpid(pid, &status, 0));
	EQ(status, 0);
	/* The receiver goes away while somebody waits. */
	for (int i = 0; i < most; i++)
		OK(write(s, "x", 1));
	pid = fork();
	if (pid == 0) {
		usleep(20000);
		_exit(0);
	}
	close(r);
	ERR(ECONNREFUSED, write(s, "x", 1));
	OK(waitpid(pid, &status, 0));
}

TEST(epoll_hears_of_room_in_the_peers_queue)
{
	char b[8];
	int r = bound("r"), s = OK(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)), e = OK(epoll_create1(0));
	struct epoll_event ev = {EPOLLOUT | EPOLLET};
	OK(connect_to(s, "r"));
	OK(epoll_ctl(e, EPOLL_CTL_ADD, s, &ev));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 0);
	while (write(s, "x", 1) == 1)
		;
	EQ(errno, EAGAIN);
	OK(epoll_wait(e, &ev, 1, 0));
	OK(read(r, b, 8));
	EQ(OK(epoll_wait(e, &ev, 1, 100)), 1);
	EQ(ev.events, EPOLLOUT);
}

TEST(a_socket_can_send_to_itself)
{
	char b[8];
	int s = bound("s");
	OK(connect_to(s, "s"));
	OK(write(s, "me", 2));
	EQ(OK(read(s, b, 8)), 2);
	for (int i = 0; i < 50; i++)
		OK(write(s, "me", 2));
	EQ(events(s), POLLIN | POLLOUT);
	close(s);
}

TEST(passcred_binds_a_name)
{
	int one = 1, s = OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	bound("r");
	struct sockaddr_un a;
	socklen_t l = sizeof a;
	OK(setsockopt(s, SOL_SOCKET, SO_PASSCRED, &one, 4));
	OK(to(s, "r", "x", 0));
	OK(getsockname(s, (void *)&a, &l));
	EQ(l, PATH_OFF + 6);
	EQ(a.sun_path[0], 0);
}
