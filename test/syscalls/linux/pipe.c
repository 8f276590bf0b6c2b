/* Pipes and fifos. */
#include "../test.h"
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

static char big[1 << 20];

static void reap(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

static long queued(int fd)
{
	int n = -1;
	OK(ioctl(fd, FIONREAD, &n));
	return n;
}

TEST(pipe_makes_a_reader_and_a_writer)
{
	int p[2];
	struct stat st, st2;
	char buf[8] = "";
	OK(pipe(p));
	CHECK(p[0] < p[1]);
	EQ(fcntl(p[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	EQ(fcntl(p[1], F_GETFL) & O_ACCMODE, O_WRONLY);
	OK(fstat(p[0], &st));
	OK(fstat(p[1], &st2));
	EQ(st.st_mode, S_IFIFO | 0600);
	EQ(st.st_ino, st2.st_ino);
	EQ(st.st_dev, st2.st_dev);
	EQ(write(p[1], "hello", 5), 5);
	EQ(read(p[0], buf, 2), 2);
	EQ(read(p[0], buf, 8), 3);
	EQ(memcmp(buf, "llo", 3), 0);
	ERR(EBADF, write(p[0], "x", 1));
	ERR(EBADF, read(p[1], buf, 1));
}

TEST(pipe_errors)
{
	int p[2];
	ERR(EFAULT, pipe((int *)1));
	ERR(EINVAL, pipe2(p, O_APPEND));
	ERR(EINVAL, pipe2(p, 0x40000000));
	struct rlimit rl = {0, 100}, old;
	OK(getrlimit(RLIMIT_NOFILE, &old));
	int top = OK(dup(0));
	OK(close(top));
	rl.rlim_cur = top + 1;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	ERR(EMFILE, pipe(p));
	/* The one descriptor that was free is free again. */
	EQ(OK(dup(0)), top);
}

TEST(pipe2_flags)
{
	int p[2];
	OK(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	EQ(fcntl(p[1], F_GETFD), FD_CLOEXEC);
	EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	EQ(fcntl(p[1], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	OK(pipe2(p, 0));
	EQ(fcntl(p[0], F_GETFD), 0);
	EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
}

TEST(a_pipe_holds_65536_bytes)
{
	int p[2];
	OK(pipe2(p, O_NONBLOCK));
	EQ(fcntl(p[1], F_GETPIPE_SZ), 65536);
	EQ(write(p[1], big, sizeof big), 65536);
	ERR(EAGAIN, write(p[1], big, 1));
	EQ(queued(p[0]), 65536);
	EQ(queued(p[1]), 65536);
	EQ(read(p[0], big, sizeof big), 65536);
	ERR(EAGAIN, read(p[0], big, 1));
	EQ(queued(p[0]), 0);
}

TEST(small_nonblocking_writes_are_all_or_nothing)
{
	int p[2];
	OK(pipe2(p, O_NONBLOCK));
	EQ(write(p[1], big, 65536 - 100), 65536 - 100);
	/* 100 bytes fit; up to PIPE_BUF is written whole or not at all, more is written in part. */
	ERR(EAGAIN, write(p[1], big, PIPE_BUF));
	EQ(write(p[1], big, 100), 100);
	EQ(read(p[0], big, 4096), 4096);
	EQ(write(p[1], big, 3 * PIPE_BUF), 4096);
}

TEST(concurrent_small_writes_do_not_mix)
{
	int p[2], counts[4] = {0};
	char rec[500];
	OK(pipe(p));
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			memset(rec, 'a' + i, sizeof rec);
			for (int n = 0; n < 300; n++)
				EQ(write(p[1], rec, sizeof rec), (long)sizeof rec);
			_exit(0);
		}
	OK(close(p[1]));
	FILE *f = fdopen(p[0], "r");
	while (fread(rec, 1, sizeof rec, f) == sizeof rec) {
		for (size_t i = 1; i < sizeof rec; i++)
			EQ(rec[i], rec[0]);
		counts[rec[0] - 'a']++;
	}
	for (int i = 0; i < 4; i++) {
		EQ(counts[i], 300);
		OK(wait(0));
	}
}

TEST(a_large_write_blocks_until_read)
{
	int p[2], status;
	long total = 0, n;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < sizeof big; i++)
			big[i] = (char)(i * 7 + i / 256);
		_exit(write(p[1], big, sizeof big) == sizeof big ? 0 : 1);
	}
	OK(close(p[1]));
	while ((n = OK(read(p[0], big, 10007))) > 0) {
		for (long i = 0; i < n; i++)
			EQ(big[i], (char)((total + i) * 7 + (total + i) / 256));
		total += n;
	}
	EQ(total, (long)sizeof big);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(end_of_file_when_the_last_writer_goes)
{
	int p[2];
	char c;
	OK(pipe(p));
	int w2 = OK(dup(p[1]));
	OK(close(p[1]));
	OK(write(w2, "x", 1));
	OK(close(w2));
	EQ(read(p[0], &c, 1), 1);
	EQ(read(p[0], &c, 1), 0);
	EQ(read(p[0], &c, 1), 0);
}

TEST(writing_without_readers)
{
	int p[2];
	OK(pipe(p));
	OK(close(p[0]));
	OK(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	ERR(EPIPE, write(p[1], "x", 1));
	EQ(write(p[1], "", 0), 0);
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		write(p[1], "x", 1);
		_exit(0);
	}
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, SIGPIPE);
}

TEST(a_sleeping_writer_learns_that_the_reader_left)
{
	int p[2];
	OK(pipe(p));
	EQ(write(p[1], big, 65536), 65536);
	pid_t pid = fork();
	if (pid == 0) {
		OK(close(p[0]));
		signal(SIGPIPE, SIG_IGN);
		_exit(write(p[1], "x", 1) == -1 && errno == EPIPE ? 0 : 1);
	}
	usleep(20000);
	OK(close(p[0]));
	reap(pid);
}

TEST(set_pipe_size)
{
	int p[2];
	OK(pipe2(p, O_NONBLOCK));
	EQ(fcntl(p[0], F_SETPIPE_SZ, 4096), 4096);
	EQ(fcntl(p[1], F_GETPIPE_SZ), 4096);
	EQ(write(p[1], big, 10000), 4096);
	EQ(fcntl(p[0], F_SETPIPE_SZ, 5000), 8192);
	EQ(fcntl(p[0], F_SETPIPE_SZ, 1), 4096);
	EQ(fcntl(p[0], F_SETPIPE_SZ, 100000), 131072);
	EQ(write(p[1], big, sizeof big), 131072 - 4096);
	ERR(EBUSY, fcntl(p[0], F_SETPIPE_SZ, 4096));
	EQ(read(p[0], big, 4096), 4096);
	EQ(fcntl(p[0], F_GETPIPE_SZ), 131072);
	int fd = OK(open("/dev/null", O_RDWR));
	ERR(EBADF, fcntl(fd, F_GETPIPE_SZ));
	ERR(EBADF, fcntl(fd, F_SETPIPE_SZ, 4096));
}

TEST(pipe_size_beyond_the_limit_needs_privilege)
{
	int p[2];
	OK(setresuid(65534, 65534, 65534));
	OK(pipe(p));
	EQ(fcntl(p[0], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	ERR(EPERM, fcntl(p[0], F_SETPIPE_SZ, 1 << 21));
}

TEST(packet_mode_keeps_boundaries)
{
	int p[2];
	char buf[16];
	OK(pipe2(p, O_DIRECT | O_NONBLOCK));
	EQ(write(p[1], "one", 3), 3);
	EQ(write(p[1], "three", 5), 5);
	EQ(read(p[0], buf, sizeof buf), 3);
	/* What does not fit the reader is lost. */
	EQ(read(p[0], buf, 2), 2);
	EQ(memcmp(buf, "th", 2), 0);
	ERR(EAGAIN, read(p[0], buf, sizeof buf));
	/* Larger ones are split in pieces of PIPE_BUF. */
	EQ(write(p[1], big, PIPE_BUF + 10), PIPE_BUF + 10);
	EQ(read(p[0], big, sizeof big), PIPE_BUF);
	EQ(read(p[0], big, sizeof big), 10);
	/* A full pipe holds 16 packets of any size. */
	int n = 0;
	while (write(p[1], "x", 1) == 1)
		n++;
	EQ(n, 16);
}

TEST(vectors_and_zero_lengths)
{
	int p[2];
	char a[3], b[10];
	struct iovec w[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}}, r[2] = {{a, 3}, {b, 10}};
	OK(pipe2(p, O_NONBLOCK));
	EQ(writev(p[1], w, 3), 6);
	EQ(readv(p[0], r, 2), 6);
	EQ(memcmp(a, "abc", 3), 0);
	EQ(memcmp(b, "def", 3), 0);
	EQ(write(p[1], "", 0), 0);
	ERR(EAGAIN, read(p[0], a, 1));
	EQ(read(p[0], a, 0), 0);
	ERR(ESPIPE, pread(p[0], a, 1, 0));
	ERR(ESPIPE, pwrite(p[1], a, 1, 0));
	ERR(ESPIPE, lseek(p[0], 0, SEEK_SET));
	ERR(EINVAL, ftruncate(p[1], 0));
	ERR(EINVAL, fsync(p[1]));
}

TEST(bad_memory)
{
	int p[2];
	char c = 0;
	OK(pipe2(p, O_NONBLOCK));
	ERR(EFAULT, write(p[1], (void *)1, 10));
	ERR(EAGAIN, read(p[0], &c, 1));
	EQ(write(p[1], "xy", 2), 2);
	ERR(EFAULT, read(p[0], (void *)1, 2));
	EQ(queued(p[0]), 2);
	EQ(read(p[0], &c, 1), 1);
	EQ(c, 'x');
	ERR(EFAULT, ioctl(p[0], FIONREAD, 1));
	ERR(ENOTTY, ioctl(p[0], 0x5401 /* TCGETS */, big));
}

static short events_of(int fd, short want)
{
	struct pollfd pfd = {fd, want, 0};
	OK(poll(&pfd, 1, 0));
	return pfd.revents;
}

TEST(poll_sees_both_ends)
{
	int p[2];
	OK(pipe2(p, O_NONBLOCK));
	EQ(events_of(p[0], POLLIN | POLLOUT), 0);
	EQ(events_of(p[1], POLLIN | POLLOUT), POLLOUT);
	OK(write(p[1], "x", 1));
	EQ(events_of(p[0], POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
	EQ(read(p[0], big, 1), 1);
	EQ(write(p[1], big, sizeof big), 65536);
	EQ(events_of(p[1], POLLOUT), 0);
	EQ(read(p[0], big, sizeof big), 65536);
	EQ(events_of(p[1], POLLOUT | POLLWRNORM), POLLOUT | POLLWRNORM);
	OK(close(p[1]));
	EQ(events_of(p[0], POLLIN), POLLHUP);
	OK(pipe(p));
	OK(close(p[0]));
	EQ(events_of(p[1], POLLOUT), POLLOUT | POLLERR);
}

TEST(reopening_through_proc_makes_new_descriptions)
{
	int p[2], q;
	char path[64], c;
	OK(pipe(p));
	sprintf(path, "/proc/self/fd/%d", p[0]);
	q = OK(open(path, O_WRONLY | O_NONBLOCK));
	OK(close(p[1]));
	OK(write(q, "z", 1));
	EQ(read(p[0], &c, 1), 1);
	EQ(c, 'z');
	OK(close(q));
	EQ(read(p[0], &c, 1), 0);
}

TEST(fifo_open_waits_for_the_other_side)
{
	char c = 0;
	OK(mkfifo("p", 0600));
	ERR(EEXIST, mkfifo("p", 0600));
	pid_t pid = fork();
	if (pid == 0) {
		usleep(10000);
		int w = OK(open("p", O_WRONLY));
		OK(write(w, "w", 1));
		_exit(0);
	}
	int r = OK(open("p", O_RDONLY));
	EQ(read(r, &c, 1), 1);
	EQ(c, 'w');
	EQ(read(r, &c, 1), 0);
	reap(pid);
	pid = fork();
	if (pid == 0) {
		OK(close(r));
		usleep(60000);
		r = OK(open("p", O_RDONLY));
		_exit(read(r, &c, 1) == 1 ? 0 : 1);
	}
	OK(close(r));
	/* Until the child has closed its copy, the pipe has a reader. */
	usleep(20000);
	int w = OK(open("p", O_WRONLY));
	OK(write(w, "w", 1));
	reap(pid);
}

TEST(fifo_open_without_blocking)
{
	char c;
	OK(mkfifo("p", 0600));
	ERR(ENXIO, open("p", O_WRONLY | O_NONBLOCK));
	int r = OK(open("p", O_RDONLY | O_NONBLOCK));
	EQ(read(r, &c, 1), 0);
	EQ(events_of(r, POLLIN), 0);
	int w = OK(open("p", O_WRONLY | O_NONBLOCK));
	ERR(EAGAIN, read(r, &c, 1));
	OK(write(w, "a", 1));
	OK(close(w));
	EQ(read(r, &c, 1), 1);
	EQ(events_of(r, POLLIN), POLLHUP);
	EQ(read(r, &c, 1), 0);
	w = OK(open("p", O_WRONLY));
	EQ(events_of(r, POLLIN), 0);
}

TEST(fifo_opened_for_both)
{
	char c;
	struct stat st;
	OK(mkfifo("p", 0600));
	int rw = OK(open("p", O_RDWR));
	OK(write(rw, "b", 1));
	EQ(read(rw, &c, 1), 1);
	EQ(c, 'b');
	int r = OK(open("p", O_RDONLY)), w = OK(open("p", O_WRONLY));
	OK(write(w, "qq", 2));
	EQ(queued(r), 2);
	OK(fstat(r, &st));
	CHECK(S_ISFIFO(st.st_mode));
	EQ(st.st_size, 0);
	OK(unlink("p"));
	EQ(read(r, &c, 1), 1);
	ERR(ENOENT, open("p", O_RDWR));
}

TEST(fifo_contents_go_with_the_last_descriptor)
{
	char c;
	OK(mkfifo("p", 0600));
	int rw = OK(open("p", O_RDWR));
	OK(write(rw, "lost", 4));
	OK(close(rw));
	int r = OK(open("p", O_RDONLY | O_NONBLOCK));
	EQ(read(r, &c, 1), 0);
}

TEST(many_pipes)
{
	static int p[400][2];
	for (int i = 0; i < 400; i++) {
		OK(pipe(p[i]));
		EQ(write(p[i][1], &i, sizeof i), (long)sizeof i);
	}
	for (int i = 0; i < 400; i++) {
		int v;
		EQ(read(p[i][0], &v, sizeof v), (long)sizeof v);
		EQ(v, i);
	}
}

TEST(ping_pong)
{
	int a[2], b[2];
	OK(pipe(a));
	OK(pipe(b));
	pid_t pid = fork();
	if (pid == 0) {
		int v;
		for (int i = 0; i < 2000; i++) {
			EQ(read(a[0], &v, sizeof v), (long)sizeof v);
			v++;
			EQ(write(b[1], &v, sizeof v), (long)sizeof v);
		}
		_exit(0);
	}
	for (int i = 0, v; i < 2000; i++) {
		EQ(write(a[1], &i, sizeof i), (long)sizeof i);
		EQ(read(b[0], &v, sizeof v), (long)sizeof v);
		EQ(v, i + 1);
	}
	reap(pid);
}
