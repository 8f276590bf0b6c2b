/* Unix sockets: waiting, time-outs, signals, epoll, many messages in one call, transfers. */
#include "../test.h"
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
static int signals;

static void count(int sig)
{
	signals++;
}

static void handle(int sig, int restart)
{
	struct sigaction sa = {.sa_handler = count, .sa_flags = restart ? SA_RESTART : 0};
	OK(sigaction(sig, &sa, 0));
}

static void alarm_in(int ms)
{
	struct itimerval it = {{0, 0}, {ms / 1000, ms % 1000 * 1000}};
	OK(setitimer(ITIMER_REAL, &it, 0));
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void timeout(int fd, int name, int ms)
{
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	OK(setsockopt(fd, SOL_SOCKET, name, &t, sizeof t));
}

static struct sockaddr_un named(const char *path)
{
	struct sockaddr_un a;
	memset(&a, 0, sizeof a);
	a.sun_family = AF_UNIX;
	strcpy(a.sun_path, path);
	return a;
}

static int listening(const char *path, int backlog)
{
	struct sockaddr_un a = named(path);
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(fd, (void *)&a, sizeof a));
	OK(listen(fd, backlog));
	return fd;
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un a = named(path);
	return connect(fd, (void *)&a, sizeof a);
}

static void fill(int fd)
{
	static char buf[4096];
	while (send(fd, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
	EQ(errno, EAGAIN);
}

TEST(readers_wait_for_data)
{
	for (int i = 0; i < 3; i++) {
		int p[2];
		char b[8];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		pid_t pid = fork();
		if (pid == 0) {
			usleep(10000);
			OK(write(p[0], "abc", 3));
			OK(read(p[0], b, 8));
			_exit(0);
		}
		EQ(OK(read(p[1], b, 8)), 3);
		OK(write(p[1], b, 1));
		wait(0);
	}
}

TEST(writers_wait_for_room)
{
	for (int i = 0; i < 3; i++) {
		int p[2], status;
		static char b[100000];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		fill(p[0]);
		pid_t pid = fork();
		if (pid == 0) {
			close(p[0]);
			usleep(10000);
			/* The end of datagrams is silence. */
			timeout(p[1], SO_RCVTIMEO, 500);
			while (read(p[1], b, sizeof b) > 0)
				;
			_exit(0);
		}
		close(p[1]);
		for (int k = 0; k < 5; k++)
			EQ(OK(write(p[0], b, sizeof b)), sizeof b);
		OK(shutdown(p[0], SHUT_WR));
		OK(close(p[0]));
		OK(waitpid(pid, &status, 0));
		EQ(status, 0);
	}
}

static void *consume_slowly(void *arg)
{
	char b[1000];
	int fd = *(int *)arg;
	usleep(20000);
	for (int i = 0; i < 10; i++)
		OK(read(fd, b, sizeof b));
	usleep(20000);
	close(fd);
	return 0;
}

TEST(a_waiting_writer_hears_of_the_end)
{
	static char big[1000000];
	int p[2];
	pthread_t th;
	handle(SIGPIPE, 0);
	/* Part of it was taken: that is the result. */
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(pthread_create(&th, 0, consume_slowly, &p[1]));
	long n = OK(write(p[0], big, sizeof big));
	CHECK(n > 100000 && n < 1000000);
	EQ(signals, 0);
	pthread_join(th, 0);
	ERR(EPIPE, write(p[0], big, 1) < 0 && errno == ECONNRESET ? write(p[0], big, 1) : -1);
	/* Nothing was. */
	signals = 0;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	fill(p[0]);
	OK(pthread_create(&th, 0, consume_slowly, &p[1]));
	n = write(p[0], big, 1);
	pthread_join(th, 0);
	CHECK(n == 1 || (n == -1 && (errno == ECONNRESET || errno == EPIPE)));
}

TEST(receive_timeouts)
{
	for (int i = 0; i < 3; i++) {
		int p[2];
		char b[8];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		timeout(p[1], SO_RCVTIMEO, 50);
		double t = now();
		ERR(EAGAIN, recv(p[1], b, 8, 0));
		CHECK(now() - t > 0.04 && now() - t < 2);
		ERR(EAGAIN, read(p[1], b, 8));
		struct msghdr m = {0};
		ERR(EAGAIN, recvmsg(p[1], &m, 0));
		/* A signal ends the call for good, whatever SA_RESTART says. */
		timeout(p[1], SO_RCVTIMEO, 5000);
		handle(SIGALRM, 1);
		alarm_in(20);
		ERR(EINTR, recv(p[1], b, 8, 0));
		alarm_in(20);
		ERR(EINTR, read(p[1], b, 8));
		timeout(p[1], SO_RCVTIMEO, 0);
		if (types[i] == SOCK_STREAM) {
			timeout(p[1], SO_RCVTIMEO, 50);
			OK(write(p[0], "abc", 3));
			EQ(OK(recv(p[1], b, 8, MSG_WAITALL)), 3);
		}
	}
}

TEST(send_timeouts)
{
	for (int i = 0; i < 3; i++) {
		int p[2];
		static char b[100000];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		fill(p[0]);
		timeout(p[0], SO_SNDTIMEO, 50);
		double t = now();
		ERR(EAGAIN, send(p[0], b, 8, 0));
		CHECK(now() - t > 0.04 && now() - t < 2);
		ERR(EAGAIN, write(p[0], b, 8));
		timeout(p[0], SO_SNDTIMEO, 5000);
		handle(SIGALRM, 1);
		alarm_in(20);
		ERR(EINTR, send(p[0], b, 8, 0));
	}
	/* What was sent before the time-out counts. */
	int p[2];
	static char b[1000000];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	timeout(p[0], SO_SNDTIMEO, 30);
	long n = OK(write(p[0], b, sizeof b));
	CHECK(n > 200000 && n < 250000);
}

TEST(signals_restart_or_interrupt)
{
	int p[2];
	char b[8];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	handle(SIGALRM, 0);
	alarm_in(20);
	ERR(EINTR, read(p[1], b, 8));
	alarm_in(20);
	ERR(EINTR, recv(p[1], b, 8, 0));
	int s = listening("s", 0);
	alarm_in(20);
	ERR(EINTR, accept(s, 0, 0));
	fill(p[0]);
	alarm_in(20);
	ERR(EINTR, write(p[0], b, 8));
	EQ(signals, 4);
	/* Restarted it goes on until there is something. */
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	handle(SIGALRM, 1);
	if (fork() == 0) {
		usleep(60000);
		OK(write(p[0], "x", 1));
		_exit(0);
	}
	alarm_in(20);
	EQ(OK(recv(p[1], b, 8, 0)), 1);
	EQ(signals, 5);
	/* A partial result is not thrown away. */
	handle(SIGALRM, 0);
	OK(write(p[0], "abc", 3));
	alarm_in(20);
	EQ(OK(recv(p[1], b, 8, MSG_WAITALL)), 3);
}

TEST(accept_waits)
{
	int s = listening("s", 5), status;
	pid_t pid = fork();
	if (pid == 0) {
		char b;
		usleep(10000);
		int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
		OK(connect_to(c, "s"));
		EQ(OK(read(c, &b, 1)), 1);
		_exit(0);
	}
	int n = OK(accept(s, 0, 0));
	OK(write(n, "x", 1));
	OK(waitpid(pid, &status, 0));
	EQ(status, 0);
	timeout(s, SO_RCVTIMEO, 30);
	ERR(EAGAIN, accept(s, 0, 0));
	timeout(s, SO_RCVTIMEO, 3000);
	handle(SIGALRM, 1);
	alarm_in(20);
	ERR(EINTR, accept(s, 0, 0));
}

static void *shut_later(void *arg)
{
	usleep(20000);
	OK(shutdown(*(int *)arg, SHUT_RDWR));
	return 0;
}

TEST(shutdown_wakes_waiters)
{
	pthread_t th;
	char b[4];
	int s = listening("s", 5);
	OK(pthread_create(&th, 0, shut_later, &s));
	ERR(EINVAL, accept(s, 0, 0));
	pthread_join(th, 0);
	for (int i = 0; i < 3; i++) {
		int p[2];
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(pthread_create(&th, 0, shut_later, &p[1]));
		EQ(OK(read(p[1], b, 4)), 0);
		pthread_join(th, 0);
		if (types[i] == SOCK_DGRAM)
			continue;
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(pthread_create(&th, 0, shut_later, &p[0]));
		EQ(OK(read(p[1], b, 4)), 0);
		pthread_join(th, 0);
		/* A writer that waits for room is told without a signal. */
		OK(socketpair(AF_UNIX, types[i], 0, p));
		fill(p[0]);
		signals = 0;
		handle(SIGPIPE, 0);
		OK(pthread_create(&th, 0, shut_later, &p[0]));
		ERR(EPIPE, write(p[0], b, 1));
		EQ(signals, 0);
		pthread_join(th, 0);
	}
}

TEST(connect_waits_for_room_in_the_backlog)
{
	int s = listening("s", 0), status, c[3];
	for (int i = 0; i < 3; i++)
		c[i] = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(connect_to(c[0], "s"));
	timeout(c[1], SO_SNDTIMEO, 30);
	ERR(EAGAIN, connect_to(c[1], "s"));
	handle(SIGALRM, 0);
	alarm_in(20);
	ERR(EINTR, connect_to(c[2], "s"));
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		OK(accept(s, 0, 0));
		usleep(20000);
		_exit(0);
	}
	OK(connect_to(c[2], "s"));
	OK(waitpid(pid, &status, 0));
	EQ(status, 0);
	/* The listener goes away while somebody waits. */
	pid = fork();
	if (pid == 0) {
		usleep(20000);
		_exit(0);
	}
	close(s);
	timeout(c[1], SO_SNDTIMEO, 0);
	ERR(ECONNREFUSED, connect_to(c[1], "s"));
	wait(0);
}

TEST(poll_wakes_for_data_room_and_the_end)
{
	int p[2], status;
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	struct pollfd f = {p[1], POLLIN | POLLRDHUP, 0};
	pid_t pid = fork();
	if (pid == 0) {
		char b;
		usleep(10000);
		OK(write(p[0], "x", 1));
		OK(read(p[0], &b, 1));
		OK(shutdown(p[0], SHUT_WR));
		_exit(0);
	}
	EQ(OK(poll(&f, 1, 2000)), 1);
	EQ(f.revents, POLLIN);
	char b[4];
	OK(read(p[1], b, 4));
	EQ(OK(poll(&f, 1, 0)), 0);
	OK(write(p[1], "y", 1));
	EQ(OK(poll(&f, 1, 2000)), 1);
	EQ(f.revents, POLLIN | POLLRDHUP);
	OK(waitpid(pid, &status, 0));
	EQ(status, 0);
	fill(p[1]);
	f.events = POLLOUT;
	EQ(OK(poll(&f, 1, 0)), 0);
	if (fork() == 0) {
		static char sink[300000];
		usleep(10000);
		OK(recv(p[0], sink, sizeof sink, MSG_DONTWAIT));
		usleep(10000);
		_exit(0);
	}
	EQ(OK(poll(&f, 1, 2000)), 1);
	EQ(f.revents, POLLOUT);
	wait(0);
	fd_set r, w, e;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[1], &r);
	FD_SET(p[1], &w);
	FD_SET(p[1], &e);
	EQ(OK(select(p[1] + 1, &r, &w, &e, &(struct timeval){0, 0})), 2);
	CHECK(FD_ISSET(p[1], &r) && FD_ISSET(p[1], &w) && !FD_ISSET(p[1], &e));
}

TEST(edges_of_epoll)
{
	int p[2], e = OK(epoll_create1(0));
	char b[8];
	struct epoll_event ev = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
	OK(epoll_ctl(e, EPOLL_CTL_ADD, p[1], &ev));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(ev.events, EPOLLOUT);
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 0);
	OK(write(p[0], "ab", 2));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(ev.events, EPOLLIN | EPOLLOUT);
	EQ(OK(read(p[1], b, 1)), 1);
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 0);
	OK(write(p[0], "c", 1));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(OK(read(p[1], b, 8)), 2);
	/* Filled, then read by the other side: writable again. */
	fill(p[1]);
	OK(epoll_wait(e, &ev, 1, 0));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 0);
	static char sink[400000];
	while (read(p[0], sink, sizeof sink) > 0)
		;
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(ev.events, EPOLLOUT);
	OK(shutdown(p[0], SHUT_WR));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(ev.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	close(p[0]);
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(ev.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	/* A listener. */
	int s = listening("s", 5), c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	ev.events = EPOLLIN | EPOLLET;
	OK(epoll_ctl(e, EPOLL_CTL_ADD, s, &ev));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 0);
	OK(connect_to(c, "s"));
	EQ(OK(epoll_wait(e, &ev, 1, 0)), 1);
	EQ(ev.events, EPOLLIN);
}

TEST(many_messages_in_one_call)
{
	int p[2];
	char b[5][8];
	struct mmsghdr m[5];
	struct iovec v[5];
	OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, p));
	memset(m, 0, sizeof m);
	for (int i = 0; i < 5; i++) {
		v[i] = (struct iovec){"abcdefg", i + 1};
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	EQ(OK(sendmmsg(p[0], m, 5, 0)), 5);
	EQ(m[2].msg_len, 3);
	for (int i = 0; i < 5; i++)
		v[i] = (struct iovec){b[i], 8};
	m[0].msg_len = 0;
	EQ(OK(recvmmsg(p[1], m, 3, 0, 0)), 3);
	EQ(m[2].msg_len, 3);
	EQ(memcmp(b[2], "abc", 3), 0);
	EQ(OK(recvmmsg(p[1], m, 5, MSG_DONTWAIT, 0)), 2);
	EQ(m[1].msg_len, 5);
	ERR(EAGAIN, recvmmsg(p[1], m, 5, MSG_DONTWAIT, 0));
	OK(write(p[0], "x", 1));
	EQ(OK(recvmmsg(p[1], m, 5, MSG_WAITFORONE, 0)), 1);
	EQ(OK(sendmmsg(p[0], m, 0, 0)), 0);
	EQ(OK(recvmmsg(p[1], m, 0, 0, 0)), 0);
	/* The time-out is looked at between messages. */
	OK(write(p[0], "1", 1));
	struct timespec t = {0, 0};
	EQ(OK(recvmmsg(p[1], m, 5, 0, &t)), 1);
	t = (struct timespec){0, 2000000000};
	ERR(EINVAL, recvmmsg(p[1], m, 5, 0, &t));
	ERR(EFAULT, recvmmsg(p[1], m, 5, 0, (void *)8));
	t = (struct timespec){100, 0};
	OK(write(p[0], "1", 1));
	EQ(OK(recvmmsg(p[1], m, 5, MSG_WAITFORONE, &t)), 1);
	CHECK(t.tv_sec == 99);
	/* An error after the first message is kept for the next call. */
	v[1].iov_base = (void *)8;
	OK(write(p[0], "1", 1));
	OK(write(p[0], "2", 1));
	EQ(OK(recvmmsg(p[1], m, 5, 0, 0)), 1);
	ERR(EFAULT, recvmmsg(p[1], m, 5, MSG_DONTWAIT, 0));
	ERR(EAGAIN, recvmmsg(p[1], m, 5, MSG_DONTWAIT, 0));
	v[1].iov_len = 4;
	EQ(OK(sendmmsg(p[0], m, 5, 0)), 1);
	ERR(EFAULT, sendmmsg(p[0], m + 1, 4, 0));
	ERR(EFAULT, sendmmsg(p[0], (void *)8, 4, 0));
}

TEST(transfers_to_and_from_files)
{
	int p[2], q[2], f = OK(open("f", O_CREAT | O_RDWR, 0644));
	static char data[100000], back[100000];
	for (unsigned i = 0; i < sizeof data; i++)
		data[i] = i * 7 + i / 256;
	OK(write(f, data, sizeof data));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	off_t off = 0;
	EQ(OK(sendfile(p[0], f, &off, sizeof data)), sizeof data);
	EQ(OK(recv(p[1], back, sizeof back, MSG_WAITALL)), sizeof back);
	EQ(memcmp(data, back, sizeof data), 0);
	OK(pipe(q));
	OK(write(q[1], "through a pipe", 14));
	EQ(OK(splice(q[0], 0, p[0], 0, 14, 0)), 14);
	EQ(OK(splice(p[1], 0, q[1], 0, 100, 0)), 14);
	EQ(OK(read(q[0], back, 100)), 14);
	EQ(memcmp(back, "through a pipe", 14), 0);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	ERR(EAGAIN, splice(p[1], 0, q[1], 0, 100, 0));
}

TEST(asynchronous_notification)
{
	int p[2];
	struct sigaction sa = {.sa_handler = count};
	OK(sigaction(SIGIO, &sa, 0));
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	OK(fcntl(p[1], F_SETOWN, getpid()));
	OK(fcntl(p[1], F_SETFL, O_ASYNC));
	OK(write(p[0], "x", 1));
	EQ(signals, 1);
	int off = 0;
	OK(ioctl(p[1], FIOASYNC, &off));
	OK(write(p[0], "x", 1));
	EQ(signals, 1);
}

static void *echo(void *arg)
{
	int fd = *(int *)arg, n;
	char b[512];
	while ((n = read(fd, b, sizeof b)) > 0)
		OK(write(fd, b, n));
	return 0;
}

TEST(ping_pong)
{
	for (int i = 0; i < 3; i++) {
		int p[2];
		char b[512] = {0}, r[512];
		pthread_t th;
		OK(socketpair(AF_UNIX, types[i], 0, p));
		OK(pthread_create(&th, 0, echo, &p[1]));
		for (int k = 0; k < 200; k++) {
			b[0] = k;
			OK(write(p[0], b, 100));
			EQ(OK(read(p[0], r, 512)), 100);
			EQ(r[0], b[0]);
		}
		OK(shutdown(p[0], SHUT_RDWR));
		if (types[i] == SOCK_DGRAM)
			OK(shutdown(p[1], SHUT_RDWR));
		pthread_join(th, 0);
	}
}
