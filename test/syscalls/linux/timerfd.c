/* timerfd. */
#include "../test.h"
#include <poll.h>
#include <sys/timerfd.h>

static struct timespec now_of(int clock)
{
	struct timespec ts;
	OK(clock_gettime(clock, &ts));
	return ts;
}

static long ms_since(struct timespec start)
{
	struct timespec now = now_of(CLOCK_MONOTONIC);
	return (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
}

static uint64_t expirations(int fd)
{
	uint64_t n = 0;
	EQ(OK(read(fd, &n, 8)), 8);
	return n;
}

static void arm(int fd, long first_ms, long every_ms)
{
	struct itimerspec it = {{every_ms / 1000, every_ms % 1000 * 1000000}, {first_ms / 1000, first_ms % 1000 * 1000000}};
	OK(timerfd_settime(fd, 0, &it, 0));
}

TEST(fires_once_after_the_time)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	struct timespec start = now_of(CLOCK_MONOTONIC);
	arm(fd, 30, 0);
	EQ(expirations(fd), 1);
	CHECK(ms_since(start) >= 30);
	uint64_t n;
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, read(fd, &n, 8));
}

TEST(counts_periods_since_the_last_read)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	struct timespec start = now_of(CLOCK_MONOTONIC);
	arm(fd, 10, 10);
	usleep(65000);
	long n = expirations(fd);
	CHECK(n >= 5 && n <= ms_since(start) / 10);
	n += expirations(fd);
	CHECK(n >= 6 && n <= ms_since(start) / 10);
}

TEST(every_clock)
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	for (int i = 0; i < 3; i++) {
		int fd = OK(timerfd_create(clocks[i], 0));
		arm(fd, 5, 0);
		EQ(expirations(fd), 1);
		struct itimerspec it = {{0, 0}, now_of(clocks[i])};
		it.it_value.tv_nsec += 20000000;
		if (it.it_value.tv_nsec >= 1000000000) {
			it.it_value.tv_nsec -= 1000000000;
			it.it_value.tv_sec++;
		}
		struct timespec start = now_of(CLOCK_MONOTONIC);
		OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, 0));
		EQ(expirations(fd), 1);
		CHECK(ms_since(start) >= 18);
	}
}

TEST(an_absolute_time_in_the_past_fires_at_once)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	struct itimerspec it = {{0, 0}, {0, 1}};
	OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, 0));
	struct pollfd p = {fd, POLLIN, 0};
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLIN);
	EQ(expirations(fd), 1);
	EQ(poll(&p, 1, 0), 0);
	/* With a period, all the periods since are counted. */
	it.it_interval.tv_sec = 1;
	OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, 0));
	EQ(poll(&p, 1, -1), 1);
	struct timespec t = now_of(CLOCK_MONOTONIC);
	long n = expirations(fd);
	CHECK(n >= t.tv_sec && n <= t.tv_sec + 2);
}

TEST(gettime_shows_the_rest)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0));
	struct itimerspec it;
	OK(timerfd_gettime(fd, &it));
	EQ(it.it_value.tv_sec + it.it_value.tv_nsec + it.it_interval.tv_sec + it.it_interval.tv_nsec, 0);
	arm(fd, 5000, 7000);
	OK(timerfd_gettime(fd, &it));
	EQ(it.it_interval.tv_sec, 7);
	CHECK(it.it_value.tv_sec == 4 || (it.it_value.tv_sec == 5 && it.it_value.tv_nsec == 0));
	/* Also of a timer set to an absolute time. */
	struct itimerspec abs = {{0, 0}, now_of(CLOCK_MONOTONIC)}, old;
	abs.it_value.tv_sec += 100;
	OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &abs, &old));
	EQ(old.it_interval.tv_sec, 7);
	CHECK(old.it_value.tv_sec == 4 || old.it_value.tv_sec == 5);
	OK(timerfd_gettime(fd, &it));
	CHECK(it.it_value.tv_sec == 99 || it.it_value.tv_sec == 100);
}

TEST(disarming_forgets)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	struct itimerspec it;
	uint64_t n;
	arm(fd, 1, 1);
	usleep(5000);
	arm(fd, 0, 5);
	ERR(EAGAIN, read(fd, &n, 8));
	OK(timerfd_gettime(fd, &it));
	EQ(it.it_value.tv_sec + it.it_value.tv_nsec, 0);
	usleep(10000);
	ERR(EAGAIN, read(fd, &n, 8));
}

TEST(arming_again_forgets_what_has_expired)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	uint64_t n;
	arm(fd, 1, 0);
	usleep(5000);
	arm(fd, 10000, 0);
	ERR(EAGAIN, read(fd, &n, 8));
}

TEST(timerfd_errors)
{
	struct itimerspec it = {{0, 0}, {1, 0}}, bad = {{0, 0}, {0, 1000000000}}, neg = {{0, 0}, {-1, 0}}, bad2 = {{0, -1}, {1, 0}};
	uint64_t n;
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), other = OK(open("/dev/null", O_RDWR));
	ERR(EINVAL, timerfd_create(99, 0));
	ERR(EINVAL, timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	ERR(EINVAL, timerfd_create(CLOCK_MONOTONIC_RAW, 0));
	ERR(EINVAL, timerfd_create(CLOCK_MONOTONIC, 1));
	ERR(EINVAL, timerfd_settime(fd, 0, &bad, 0));
	ERR(EINVAL, timerfd_settime(fd, 0, &neg, 0));
	ERR(EINVAL, timerfd_settime(fd, 0, &bad2, 0));
	ERR(EINVAL, timerfd_settime(fd, 0x10, &it, 0));
	ERR(EINVAL, timerfd_settime(other, 0, &it, 0));
	ERR(EINVAL, timerfd_gettime(other, &it));
	ERR(EBADF, timerfd_settime(999, 0, &it, 0));
	ERR(EBADF, timerfd_gettime(999, &it));
	ERR(EFAULT, timerfd_settime(fd, 0, (void *)1, 0));
	ERR(EFAULT, timerfd_gettime(fd, (void *)1));
	ERR(EINVAL, read(fd, &n, 7));
	ERR(EINVAL, write(fd, &n, 8));
	ERR(EAGAIN, read(fd, &n, 8));
}

TEST(flags_of_timerfd)
{
	int fd = OK(timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
	char path[64], target[64] = "";
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	sprintf(path, "/proc/self/fd/%d", fd);
	OK(readlink(path, target, sizeof target - 1));
	EQ(strcmp(target, "anon_inode:[timerfd]"), 0);
}

TEST(shared_with_a_child)
{
	int fd = OK(timerfd_create(CLOCK_MONOTONIC, 0)), status;
	pid_t pid = fork();
	if (pid == 0) {
		usleep(10000);
		arm(fd, 10, 0);
		_exit(0);
	}
	EQ(expirations(fd), 1);
	EQ(OK(waitpid(pid, &status, 0)), pid);
}

TEST(many_timers_fire_in_order)
{
	int fds[50];
	struct timespec start = now_of(CLOCK_MONOTONIC);
	for (int i = 0; i < 50; i++) {
		fds[i] = OK(timerfd_create(CLOCK_MONOTONIC, 0));
		arm(fds[i], 50 - i, 0);
	}
	for (int i = 49; i >= 0; i--) {
		EQ(expirations(fds[i]), 1);
		CHECK(ms_since(start) >= 50 - i);
	}
}
