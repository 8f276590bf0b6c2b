/* eventfd. */
#include "../test.h"
#include <poll.h>
#include <sys/eventfd.h>

static uint64_t get(int fd)
{
	uint64_t v = 0;
	EQ(OK(read(fd, &v, 8)), 8);
	return v;
}

static void put(int fd, uint64_t v)
{
	EQ(OK(write(fd, &v, 8)), 8);
}

static short events_of(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	OK(poll(&p, 1, 0));
	return p.revents;
}

TEST(counts_up_and_reads_to_zero)
{
	int fd = OK(eventfd(3, EFD_NONBLOCK));
	uint64_t v;
	put(fd, 4);
	EQ(get(fd), 7);
	ERR(EAGAIN, read(fd, &v, 8));
	put(fd, 0);
	ERR(EAGAIN, read(fd, &v, 8));
	fd = OK(eventfd(0xffffffff, EFD_NONBLOCK));
	EQ(get(fd), 0xffffffff);
}

TEST(semaphore_mode_takes_one)
{
	int fd = OK(eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));
	uint64_t v;
	EQ(get(fd), 1);
	EQ(get(fd), 1);
	ERR(EAGAIN, read(fd, &v, 8));
}

TEST(it_is_full_just_below_the_maximum)
{
	int fd = OK(eventfd(0, EFD_NONBLOCK));
	uint64_t max = ~0ull - 1, one = 1, all = ~0ull;
	put(fd, max - 1);
	EQ(events_of(fd), POLLIN | POLLOUT);
	put(fd, 1);
	EQ(events_of(fd), POLLIN);
	ERR(EAGAIN, write(fd, &one, 8));
	ERR(EINVAL, write(fd, &all, 8));
	EQ(get(fd), max);
	EQ(events_of(fd), POLLOUT);
}

TEST(eventfd_errors)
{
	char buf[16];
	uint64_t v = 1;
	int fd = OK(eventfd(1, 0));
	ERR(EINVAL, eventfd(0, 0x10));
	ERR(EINVAL, read(fd, buf, 7));
	ERR(EINVAL, write(fd, buf, 7));
	ERR(EFAULT, read(fd, (void *)1, 8));
	ERR(EFAULT, write(fd, (void *)1, 8));
	EQ(lseek(fd, 5, SEEK_SET), 0);
	ERR(ESPIPE, pread(fd, &v, 8, 0));
	put(fd, 1);
	EQ(read(fd, buf, 16), 8);
}

TEST(flags_of_eventfd)
{
	int fd = OK(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	char link[64];
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
	OK(snprintf(link, sizeof link, "/proc/self/fd/%d", fd));
	char target[64] = "";
	OK(readlink(link, target, sizeof target - 1));
	EQ(strcmp(target, "anon_inode:[eventfd]"), 0);
	fd = OK(syscall(SYS_eventfd, 5));
	EQ(get(fd), 5);
	EQ(fcntl(fd, F_GETFL), O_RDWR);
}

TEST(a_reader_sleeps_until_a_write)
{
	int fd = OK(eventfd(0, 0)), status;
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		put(fd, 9);
		_exit(0);
	}
	EQ(get(fd), 9);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(a_writer_sleeps_until_there_is_room)
{
	int fd = OK(eventfd(0, 0)), status;
	put(fd, ~0ull - 1);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		_exit(get(fd) == ~0ull - 1 ? 0 : 1);
	}
	put(fd, 2);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(get(fd), 2);
}

TEST(fdinfo_shows_the_count)
{
	int fd = OK(eventfd(0x1f, 0));
	char path[64], line[128];
	int found = 0;
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	FILE *f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		found += !!strstr(line, "eventfd-count:               1f");
	EQ(found, 1);
}
