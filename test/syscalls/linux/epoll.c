/* epoll. */
#include "../test.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ep;

static void add(int fd, unsigned events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

static void mod(int fd, unsigned events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};
	OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
}

static struct epoll_event got[64];
static int ready(int timeout)
{
	memset(got, 0x55, sizeof got);
	return OK(epoll_wait(ep, got, 64, timeout));
}

static long ms_since(const struct timespec *start)
{
	struct timespec now;
	OK(clock_gettime(CLOCK_MONOTONIC, &now));
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

static void bump(int fd)
{
	uint64_t one = 1;
	EQ(OK(write(fd, &one, 8)), 8);
}

static void drain(int fd)
{
	uint64_t v;
	EQ(OK(read(fd, &v, 8)), 8);
}

TEST(epoll_create_rules)
{
	ERR(EINVAL, epoll_create(0));
	ERR(EINVAL, epoll_create(-1));
	ERR(EINVAL, epoll_create1(1));
	ep = OK(epoll_create(1));
	EQ(fcntl(ep, F_GETFD), 0);
	ep = OK(epoll_create1(EPOLL_CLOEXEC));
	EQ(fcntl(ep, F_GETFD), FD_CLOEXEC);
	char c;
	ERR(EINVAL, read(ep, &c, 1));
	ERR(EINVAL, write(ep, &c, 1));
}

TEST(epoll_ctl_errors)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int p[2];
	ep = OK(epoll_create1(0));
	OK(pipe(p));
	ERR(EBADF, epoll_ctl(999, EPOLL_CTL_ADD, p[0], &ev));
	ERR(EBADF, epoll_ctl(ep, EPOLL_CTL_ADD, 999, &ev));
	ERR(EINVAL, epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev));
	ERR(EINVAL, epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev));
	ERR(EINVAL, epoll_ctl(ep, 99, p[0], &ev));
	ERR(ENOENT, epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
	ERR(ENOENT, epoll_ctl(ep, EPOLL_CTL_DEL, p[0], &ev));
	ERR(EFAULT, epoll_ctl(ep, EPOLL_CTL_ADD, p[0], (void *)1));
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	ERR(EPERM, epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	int dir = OK(open(".", O_RDONLY));
	ERR(EPERM, epoll_ctl(ep, EPOLL_CTL_ADD, dir, &ev));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	ERR(EEXIST, epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	ERR(ENOENT, epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));
}

TEST(epoll_wait_errors)
{
	struct epoll_event ev;
	int p[2];
	ep = OK(epoll_create1(0));
	OK(pipe(p));
	ERR(EBADF, epoll_wait(999, &ev, 1, 0));
	ERR(EINVAL, epoll_wait(p[0], &ev, 1, 0));
	ERR(EINVAL, epoll_wait(ep, &ev, 0, 0));
	ERR(EINVAL, epoll_wait(ep, &ev, -1, 0));
	ERR(EINVAL, epoll_wait(ep, &ev, 1 << 30, 0));
	ERR(EINVAL, syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &ev, 4));
	ERR(EFAULT, syscall(SYS_epoll_pwait, ep, &ev, 1, 0, 1, 8));
	add(p[1], EPOLLOUT);
	ERR(EFAULT, epoll_wait(ep, (void *)8, 1, 0));
	EQ(ready(0), 1);
}

TEST(level_triggered_repeats)
{
	ep = OK(epoll_create1(0));
	int fd = OK(eventfd(0, 0));
	add(fd, EPOLLIN);
	EQ(ready(0), 0);
	bump(fd);
	for (int i = 0; i < 3; i++) {
		EQ(ready(0), 1);
		EQ(got[0].events, EPOLLIN);
		EQ(got[0].data.fd, fd);
	}
	drain(fd);
	EQ(ready(0), 0);
}

TEST(edge_triggered_tells_each_event_once)
{
	int p[2];
	char c;
	ep = OK(epoll_create1(0));
	OK(pipe2(p, O_NONBLOCK));
	add(p[0], EPOLLIN | EPOLLET);
	EQ(ready(0), 0);
	OK(write(p[1], "a", 1));
	EQ(ready(0), 1);
	EQ(ready(0), 0);
	OK(write(p[1], "b", 1));
	EQ(ready(0), 1);
	EQ(ready(0), 0);
	EQ(read(p[0], &c, 1), 1);
	EQ(ready(0), 0);
	/* A change of the registration asks again. */
	mod(p[0], EPOLLIN | EPOLLET);
	EQ(ready(0), 1);
	EQ(ready(0), 0);
	OK(close(p[1]));
	EQ(ready(0), 1);
	EQ(got[0].events, EPOLLIN | EPOLLHUP);
}

TEST(edge_triggered_output)
{
	int p[2];
	static char big[65536];
	ep = OK(epoll_create1(0));
	OK(pipe2(p, O_NONBLOCK));
	add(p[1], EPOLLOUT | EPOLLET);
	EQ(ready(0), 1);
	EQ(ready(0), 0);
	EQ(write(p[1], big, sizeof big), 65536);
	EQ(ready(0), 0);
	EQ(read(p[0], big, sizeof big), 65536);
	EQ(ready(0), 1);
}

TEST(oneshot_disarms)
{
	ep = OK(epoll_create1(0));
	int fd = OK(eventfd(1, 0));
	add(fd, EPOLLIN | EPOLLONESHOT);
	EQ(ready(0), 1);
	EQ(ready(0), 0);
	bump(fd);
	EQ(ready(0), 0);
	mod(fd, EPOLLIN | EPOLLONESHOT);
	EQ(ready(0), 1);
	EQ(ready(0), 0);
}

TEST(hangup_and_error_need_not_be_asked_for)
{
	int p[2], q[2];
	ep = OK(epoll_create1(0));
	OK(pipe(p));
	OK(pipe(q));
	add(p[0], 0);
	add(q[1], 0);
	EQ(ready(0), 0);
	OK(close(p[1]));
	EQ(ready(0), 1);
	EQ(got[0].events, EPOLLHUP);
	EQ(got[0].data.fd, p[0]);
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], 0));
	OK(close(q[0]));
	EQ(ready(0), 1);
	EQ(got[0].events, EPOLLERR);
}

TEST(data_is_kept_as_given)
{
	ep = OK(epoll_create1(0));
	int fd = OK(eventfd(1, 0));
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	EQ(ready(0), 1);
	CHECK(got[0].data.u64 == 0x123456789abcdef0);
	ev.data.u64 = ~0ull;
	OK(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	EQ(ready(0), 1);
	CHECK(got[0].data.u64 == ~0ull);
}

TEST(mod_changes_the_interest)
{
	ep = OK(epoll_create1(0));
	int fd = OK(eventfd(1, 0));
	add(fd, EPOLLIN);
	EQ(ready(0), 1);
	mod(fd, EPOLLOUT);
	EQ(ready(0), 1);
	EQ(got[0].events, EPOLLOUT);
	mod(fd, EPOLLIN | EPOLLOUT);
	EQ(ready(0), 1);
	EQ(got[0].events, EPOLLIN | EPOLLOUT);
	mod(fd, 0);
	EQ(ready(0), 0);
}

TEST(events_beyond_maxevents_come_in_turn)
{
	int seen[10] = {0}, fds[10];
	struct epoll_event ev[3];
	ep = OK(epoll_create1(0));
	for (int i = 0; i < 10; i++) {
		fds[i] = OK(eventfd(1, 0));
		add(fds[i], EPOLLIN);
	}
	/* Three at a time from ten that are ready: nobody starves. */
	for (int round = 0; round < 10; round++) {
		EQ(OK(epoll_wait(ep, ev, 3, 0)), 3);
		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 10; j++)
				seen[j] += ev[i].data.fd == fds[j];
	}
	for (int j = 0; j < 10; j++)
		EQ(seen[j], 3);
}

TEST(wait_times_out)
{
	struct timespec start;
	ep = OK(epoll_create1(0));
	OK(clock_gettime(CLOCK_MONOTONIC, &start));
	EQ(ready(40), 0);
	CHECK(ms_since(&start) >= 39);
}

TEST(epoll_pwait2_takes_nanoseconds)
{
	struct timespec start, ts = {0, 30000000}, bad = {0, 1000000000};
	struct epoll_event ev;
	ep = OK(epoll_create1(0));
	OK(clock_gettime(CLOCK_MONOTONIC, &start));
	EQ(syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, 0, 8), 0);
	CHECK(ms_since(&start) >= 29);
	EQ(ts.tv_nsec, 30000000);
	ERR(EINVAL, syscall(SYS_epoll_pwait2, ep, &ev, 1, &bad, 0, 8));
	ERR(EFAULT, syscall(SYS_epoll_pwait2, ep, &ev, 1, 1, 0, 8));
	add(OK(eventfd(1, 0)), EPOLLIN);
	EQ(syscall(SYS_epoll_pwait2, ep, &ev, 1, 0, 0, 8), 1);
}

TEST(wait_wakes_up)
{
	int fd = OK(eventfd(0, 0));
	ep = OK(epoll_create1(0));
	add(fd, EPOLLIN);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		bump(fd);
		_exit(0);
	}
	EQ(ready(-1), 1);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

static void *add_later(void *arg)
{
	usleep(20000);
	add((int)(long)arg, EPOLLIN);
	return 0;
}

TEST(a_descriptor_added_during_the_wait_counts)
{
	pthread_t t;
	ep = OK(epoll_create1(0));
	EQ(pthread_create(&t, 0, add_later, (void *)(long)OK(eventfd(1, 0))), 0);
	EQ(ready(-1), 1);
	EQ(pthread_join(t, 0), 0);
}

TEST(closing_the_last_descriptor_removes_it)
{
	int fd = OK(eventfd(1, 0)), other;
	ep = OK(epoll_create1(0));
	add(fd, EPOLLIN);
	other = OK(dup(fd));
	EQ(ready(0), 1);
	/* The registration belongs to the open file, which the copy keeps. */
	OK(close(fd));
	EQ(ready(0), 1);
	EQ(got[0].data.fd, fd);
	ERR(EBADF, epoll_ctl(ep, EPOLL_CTL_DEL, fd, 0));
	ERR(ENOENT, epoll_ctl(ep, EPOLL_CTL_DEL, other, 0));
	OK(close(other));
	EQ(ready(0), 0);
}

TEST(one_file_under_two_descriptors)
{
	int a = OK(eventfd(1, 0)), b = OK(dup(a));
	ep = OK(epoll_create1(0));
	add(a, EPOLLIN);
	add(b, EPOLLIN);
	EQ(ready(0), 2);
	EQ(got[0].data.fd + got[1].data.fd, a + b);
}

TEST(epolls_nest)
{
	int inner = OK(epoll_create1(0)), outer = OK(epoll_create1(0)), fd = OK(eventfd(0, 0));
	ep = inner;
	add(fd, EPOLLIN);
	ep = outer;
	add(inner, EPOLLIN);
	EQ(ready(0), 0);
	struct pollfd pfd = {outer, POLLIN, 0};
	EQ(poll(&pfd, 1, 0), 0);
	bump(fd);
	EQ(poll(&pfd, 1, 0), 1);
	EQ(ready(0), 1);
	EQ(got[0].data.fd, inner);
	struct epoll_event ev = {.events = EPOLLIN};
	ERR(ELOOP, epoll_ctl(inner, EPOLL_CTL_ADD, outer, &ev));
}

TEST(epolls_nest_five_deep_only)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int prev = OK(epoll_create1(0)), n = 0;
	for (; n < 10; n++) {
		int next = OK(epoll_create1(0));
		if (epoll_ctl(next, EPOLL_CTL_ADD, prev, &ev) < 0) {
			EQ(errno, ELOOP);
			break;
		}
		prev = next;
	}
	CHECK(n >= 4 && n <= 5);
}

TEST(exclusive_is_restricted)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int fd = OK(eventfd(1, 0)), inner = OK(epoll_create1(0));
	ep = OK(epoll_create1(0));
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	EQ(ready(0), 1);
	ERR(EINVAL, epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	ERR(EINVAL, epoll_ctl(ep, EPOLL_CTL_ADD, inner, &ev));
	OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, 0));
	ev.events = EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT;
	ERR(EINVAL, epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	ev.events = EPOLLIN | EPOLLPRI | EPOLLEXCLUSIVE;
	ERR(EINVAL, epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

TEST(shared_with_a_child)
{
	int fd = OK(eventfd(0, 0)), status;
	ep = OK(epoll_create1(0));
	pid_t pid = fork();
	if (pid == 0) {
		add(fd, EPOLLIN);
		bump(fd);
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(ready(0), 1);
}

TEST(each_edge_wakes_one_of_several_waiters)
{
	int fd = OK(eventfd(0, EFD_NONBLOCK)), status, n = 0;
	ep = OK(epoll_create1(0));
	add(fd, EPOLLIN | EPOLLET);
	pid_t pids[3];
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(ready(300) == 1 ? 1 : 0);
	}
	usleep(50000);
	bump(fd);
	for (int i = 0; i < 3; i++) {
		EQ(OK(waitpid(pids[i], &status, 0)), pids[i]);
		n += WEXITSTATUS(status);
	}
	EQ(n, 1);
}

TEST(a_thousand_descriptors)
{
	static int fds[800];
	ep = OK(epoll_create1(0));
	for (int i = 0; i < 800; i++) {
		fds[i] = OK(eventfd(0, 0));
		add(fds[i], EPOLLIN);
	}
	for (int i = 0; i < 800; i += 37) {
		bump(fds[i]);
		EQ(ready(-1), 1);
		EQ(got[0].data.fd, fds[i]);
		drain(fds[i]);
	}
	EQ(ready(0), 0);
}
