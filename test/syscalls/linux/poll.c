/* poll, ppoll, select, pselect. */
#include "../test.h"
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>

static long ms_since(const struct timespec *start)
{
	struct timespec now;
	OK(clock_gettime(CLOCK_MONOTONIC, &now));
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

static struct timespec now(void)
{
	struct timespec ts;
	OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	return ts;
}

static pid_t write_later(int fd)
{
	pid_t pid = fork();
	if (pid == 0) {
		usleep(30000);
		OK(write(fd, "12345678", 8));
		_exit(0);
	}
	return pid;
}

TEST(poll_reports_only_what_is_asked_and_the_unmaskable)
{
	int p[2];
	OK(pipe(p));
	struct pollfd f[4] = {{p[0], POLLIN, -1}, {p[1], POLLOUT, -1}, {-1, POLLIN, -1}, {999, POLLIN, 0}};
	EQ(poll(f, 4, 0), 2);
	EQ(f[0].revents, 0);
	EQ(f[1].revents, POLLOUT);
	EQ(f[2].revents, 0);
	EQ(f[3].revents, POLLNVAL);
	OK(write(p[1], "x", 1));
	f[1].events = 0;
	EQ(poll(f, 3, 0), 1);
	EQ(f[0].revents, POLLIN);
	OK(close(p[1]));
	f[0].events = 0;
	EQ(poll(f, 1, -1), 1);
	EQ(f[0].revents, POLLHUP);
}

TEST(poll_of_files_directories_and_devices_is_always_ready)
{
	struct pollfd f[3] = {{OK(open("f", O_RDWR | O_CREAT, 0600)), POLLIN | POLLOUT | POLLPRI, 0},
			      {OK(open(".", O_RDONLY)), POLLIN | POLLOUT, 0},
			      {OK(open("/dev/null", O_RDWR)), POLLIN | POLLOUT, 0}};
	EQ(poll(f, 3, -1), 3);
	for (int i = 0; i < 3; i++)
		EQ(f[i].revents, POLLIN | POLLOUT);
}

TEST(poll_of_an_o_path_descriptor)
{
	struct pollfd f = {OK(open(".", O_PATH)), POLLIN, 0};
	EQ(poll(&f, 1, 0), 1);
	EQ(f.revents, POLLNVAL);
}

TEST(poll_times_out)
{
	int p[2];
	struct timespec start = now();
	OK(pipe(p));
	struct pollfd f = {p[0], POLLIN, -1};
	EQ(poll(&f, 1, 40), 0);
	CHECK(ms_since(&start) >= 39);
	EQ(f.revents, 0);
	start = now();
	EQ(poll(0, 0, 30), 0);
	CHECK(ms_since(&start) >= 29);
	EQ(poll(&f, 1, 0), 0);
}

TEST(poll_wakes_up)
{
	int p[2];
	OK(pipe(p));
	struct pollfd f = {p[0], POLLIN, 0};
	pid_t pid = write_later(p[1]);
	EQ(poll(&f, 1, -1), 1);
	EQ(f.revents, POLLIN);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(poll_errors)
{
	int p[2];
	struct rlimit rl = {10, 10};
	struct pollfd f[11] = {{0, 0, 0}};
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, zero = {0, 0};
	OK(pipe(p));
	ERR(EFAULT, poll((struct pollfd *)1, 1, 0));
	ERR(EINVAL, syscall(SYS_ppoll, f, 1, &bad, 0, 8));
	ERR(EINVAL, syscall(SYS_ppoll, f, 1, &neg, 0, 8));
	ERR(EINVAL, syscall(SYS_ppoll, f, 1, &zero, &rl, 4));
	ERR(EFAULT, syscall(SYS_ppoll, f, 1, 1, 0, 8));
	ERR(EFAULT, syscall(SYS_ppoll, f, 1, &zero, 1, 8));
	for (int i = 0; i < 11; i++)
		f[i].fd = -1;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	ERR(EINVAL, poll(f, 11, 0));
	EQ(poll(f, 10, 0), 0);
}

TEST(ppoll_writes_back_the_time_left)
{
	/* The C library hides it. */
	struct timespec ts = {3, 0};
	struct pollfd f = {OK(eventfd(1, 0)), POLLIN, 0};
	EQ(syscall(SYS_ppoll, &f, 1, &ts, 0, 8), 1);
	CHECK(ts.tv_sec == 2 || (ts.tv_sec == 3 && ts.tv_nsec == 0));
	ts = (struct timespec){0, 20000000};
	f.events = POLLPRI;
	EQ(syscall(SYS_ppoll, &f, 1, &ts, 0, 8), 0);
	EQ(ts.tv_sec, 0);
	EQ(ts.tv_nsec, 0);
}

TEST(poll_of_many)
{
	static struct pollfd f[900];
	for (int i = 0; i < 900; i++)
		f[i] = (struct pollfd){OK(eventfd(i % 3 == 0, 0)), POLLIN, 0};
	EQ(poll(f, 900, -1), 300);
	for (int i = 0; i < 900; i++)
		EQ(f[i].revents, i % 3 == 0 ? POLLIN : 0);
}

static void *close_later(void *arg)
{
	usleep(20000);
	close(*(int *)arg);
	return 0;
}

TEST(a_hangup_wakes_every_poller)
{
	int p[2], status;
	OK(pipe(p));
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			struct pollfd f = {p[0], POLLIN, 0};
			OK(close(p[1]));
			_exit(poll(&f, 1, -1) == 1 && f.revents == POLLHUP ? 0 : 1);
		}
	usleep(20000);
	OK(close(p[1]));
	for (int i = 0; i < 3; i++) {
		OK(wait(&status));
		EQ(status, 0);
	}
}

TEST(closing_a_polled_descriptor_does_not_wake)
{
	pthread_t t;
	int fd = OK(eventfd(0, 0));
	struct pollfd f = {fd, POLLIN, 0};
	EQ(pthread_create(&t, 0, close_later, &fd), 0);
	struct timespec start = now();
	OK(poll(&f, 1, 60));
	CHECK(ms_since(&start) >= 59);
	EQ(pthread_join(t, 0), 0);
}

TEST(select_reports_per_set)
{
	int p[2], q[2];
	fd_set r, w, e;
	OK(pipe(p));
	OK(pipe(q));
	OK(write(p[1], "x", 1));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r);
	FD_SET(q[0], &r);
	FD_SET(p[1], &w);
	FD_SET(p[0], &e);
	EQ(select(q[1] + 1, &r, &w, &e, 0), 2);
	CHECK(FD_ISSET(p[0], &r) && !FD_ISSET(q[0], &r));
	CHECK(FD_ISSET(p[1], &w) && !FD_ISSET(p[0], &e));
	/* A hangup reads as readable, an error as both. */
	OK(close(q[1]));
	OK(close(p[0]));
	FD_ZERO(&r);
	FD_SET(q[0], &r);
	FD_SET(p[1], &r);
	FD_ZERO(&w);
	FD_SET(p[1], &w);
	EQ(select(q[0] + 1, &r, &w, 0, 0), 3);
}

TEST(select_looks_at_the_first_n_only)
{
	int fd = OK(eventfd(1, 0));
	fd_set r;
	struct timeval zero = {0, 0};
	FD_ZERO(&r);
	FD_SET(fd, &r);
	EQ(select(fd, &r, 0, 0, &zero), 0);
	FD_ZERO(&r);
	FD_SET(fd, &r);
	EQ(select(fd + 1, &r, 0, 0, &zero), 1);
}

TEST(select_times_out_and_writes_back)
{
	struct timespec start = now();
	struct timeval tv = {0, 40000};
	fd_set r;
	int fd = OK(eventfd(0, 0));
	FD_ZERO(&r);
	FD_SET(fd, &r);
	EQ(select(fd + 1, &r, 0, 0, &tv), 0);
	CHECK(ms_since(&start) >= 39);
	CHECK(!FD_ISSET(fd, &r));
	CHECK(tv.tv_sec == 0 && tv.tv_usec == 0);
	tv = (struct timeval){5, 0};
	OK(write(fd, "\1\0\0\0\0\0\0\0", 8));
	FD_SET(fd, &r);
	EQ(select(fd + 1, &r, 0, 0, &tv), 1);
	CHECK(tv.tv_sec == 4 || (tv.tv_sec == 5 && tv.tv_usec == 0));
	/* More than a second of microseconds is normalised. */
	start = now();
	tv = (struct timeval){0, 1000001};
	FD_ZERO(&r);
	FD_SET(fd, &r);
	EQ(syscall(SYS_select, fd + 1, &r, 0, 0, &tv), 1);
}

TEST(select_errors)
{
	fd_set r;
	struct timeval neg = {-1, 0}, neg_us = {0, -1}, zero = {0, 0};
	struct timespec bad = {0, 1000000000}, zts = {0, 0};
	struct {
		const void *set;
		unsigned long size;
	} mask = {&r, 4};
	FD_ZERO(&r);
	FD_SET(500, &r);
	ERR(EBADF, select(501, &r, 0, 0, &zero));
	FD_ZERO(&r);
	ERR(EINVAL, select(-1, &r, 0, 0, &zero));
	ERR(EINVAL, select(1, &r, 0, 0, &neg));
	ERR(EINVAL, syscall(SYS_select, 1, &r, 0, 0, &neg_us));
	ERR(EFAULT, syscall(SYS_select, 1, 1, 0, 0, &zero));
	ERR(EFAULT, syscall(SYS_select, 1, 0, 0, 0, 1));
	ERR(EINVAL, syscall(SYS_pselect6, 1, &r, 0, 0, &bad, 0));
	ERR(EINVAL, syscall(SYS_pselect6, 1, &r, 0, 0, &zts, &mask));
	ERR(EFAULT, syscall(SYS_pselect6, 1, &r, 0, 0, &zts, 1));
	EQ(select(0, 0, 0, 0, &zero), 0);
}

TEST(select_wakes_up)
{
	int p[2];
	fd_set r;
	OK(pipe(p));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	pid_t pid = write_later(p[1]);
	EQ(select(p[0] + 1, &r, 0, 0, 0), 1);
	CHECK(FD_ISSET(p[0], &r));
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(select_of_a_high_descriptor)
{
	unsigned long sets[32] = {0};
	struct timeval zero = {0, 0};
	struct rlimit rl;
	OK(getrlimit(RLIMIT_NOFILE, &rl));
	if (rl.rlim_max < 2000)
		SKIP("few descriptors");
	rl.rlim_cur = rl.rlim_max;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	int fd = OK(eventfd(1, 0));
	OK(dup2(fd, 1900));
	sets[1900 / 64] |= 1ul << (1900 % 64);
	EQ(syscall(SYS_select, 1901, sets, 0, 0, &zero), 1);
	EQ(sets[1900 / 64], 1ul << (1900 % 64));
}

TEST(pselect_leaves_the_callers_timeout_and_mask)
{
	sigset_t full, before;
	struct timespec ts = {0, 10000000};
	sigfillset(&full);
	EQ(pselect(0, 0, 0, 0, &ts, &full), 0);
	EQ(ts.tv_nsec, 10000000);
	OK(sigprocmask(SIG_SETMASK, 0, &before));
	CHECK(!sigismember(&before, SIGUSR1));
}
