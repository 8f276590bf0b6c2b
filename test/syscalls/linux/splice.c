/* sendfile, copy_file_range, splice, tee, vmsplice. */
#include "../test.h"
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static char pattern[200000], back[200000];

static int file_with(const char *name, long n)
{
	int fd = OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
	for (long i = 0; i < (long)sizeof pattern; i++)
		pattern[i] = (char)(i * 13 + i / 251);
	EQ(write(fd, pattern, n), n);
	OK(lseek(fd, 0, SEEK_SET));
	return fd;
}

static void expect(int fd, long at, const char *want, long n)
{
	EQ(pread(fd, back, n, at), n);
	EQ(memcmp(back, want, n), 0);
}

TEST(sendfile_copies_between_files)
{
	int in = file_with("in", 100000), out = OK(open("out", O_RDWR | O_CREAT, 0600));
	off_t off = 1000;
	EQ(sendfile(out, in, 0, 60000), 60000);
	EQ(lseek(in, 0, SEEK_CUR), 60000);
	EQ(lseek(out, 0, SEEK_CUR), 60000);
	expect(out, 0, pattern, 60000);
	EQ(sendfile(out, in, &off, 500), 500);
	EQ(off, 1500);
	EQ(lseek(in, 0, SEEK_CUR), 60000);
	expect(out, 60000, pattern + 1000, 500);
	/* To the end, then nothing. */
	EQ(sendfile(out, in, 0, 1 << 20), 40000);
	EQ(sendfile(out, in, 0, 1 << 20), 0);
	EQ(sendfile(out, in, 0, 0), 0);
}

TEST(sendfile_to_a_pipe)
{
	int in = file_with("in", 100000), p[2];
	OK(pipe2(p, O_NONBLOCK));
	EQ(sendfile(p[1], in, 0, 10000), 10000);
	EQ(read(p[0], back, sizeof back), 10000);
	EQ(memcmp(back, pattern, 10000), 0);
	EQ(lseek(in, 0, SEEK_SET), 0);
	long n = OK(sendfile(p[1], in, 0, 100000));
	CHECK(n == 65536);
	ERR(EAGAIN, sendfile(p[1], in, 0, 1));
}

TEST(sendfile_errors)
{
	int in = file_with("in", 100), out = OK(open("out", O_RDWR | O_CREAT, 0600)), ro = OK(open("in", O_RDONLY)), wo = OK(open("in", O_WRONLY)), p[2];
	int app = OK(open("out", O_WRONLY | O_APPEND));
	off_t neg = -1;
	OK(pipe(p));
	ERR(EBADF, sendfile(999, in, 0, 1));
	ERR(EBADF, sendfile(out, 999, 0, 1));
	ERR(EBADF, sendfile(ro, in, 0, 1));
	ERR(EBADF, sendfile(out, wo, 0, 1));
	ERR(EINVAL, sendfile(app, in, 0, 1));
	ERR(EINVAL, sendfile(out, in, &neg, 1));
	ERR(EFAULT, sendfile(out, in, (off_t *)1, 1));
	ERR(ESPIPE, sendfile(out, p[0], (off_t[]){0}, 1));
	ERR(EINVAL, sendfile(out, in, 0, -1));
}

TEST(copy_file_range_copies)
{
	int in = file_with("in", 100000), out = OK(open("out", O_RDWR | O_CREAT, 0600));
	off_t a = 5000, b = 3;
	EQ(copy_file_range(in, 0, out, 0, 70000, 0), 70000);
	expect(out, 0, pattern, 70000);
	EQ(lseek(in, 0, SEEK_CUR), 70000);
	EQ(lseek(out, 0, SEEK_CUR), 70000);
	EQ(copy_file_range(in, &a, out, &b, 100, 0), 100);
	EQ(a, 5100);
	EQ(b, 103);
	expect(out, 3, pattern + 5000, 100);
	EQ(lseek(in, 0, SEEK_CUR), 70000);
	EQ(copy_file_range(in, 0, out, 0, 1 << 20, 0), 30000);
	EQ(copy_file_range(in, 0, out, 0, 1 << 20, 0), 0);
	/* Within one file, when the ranges are apart. */
	a = 0;
	b = 50000;
	EQ(copy_file_range(in, &a, in, &b, 1000, 0), 1000);
	expect(in, 50000, pattern, 1000);
}

TEST(copy_file_range_errors)
{
	int in = file_with("in", 100), out = OK(open("out", O_RDWR | O_CREAT, 0600)), ro = OK(open("in", O_RDONLY)), wo = OK(open("in", O_WRONLY)), p[2];
	int app = OK(open("out", O_WRONLY | O_APPEND)), dir = OK(open(".", O_RDONLY));
	off_t a = 0, b = 5, neg = -1;
	OK(pipe(p));
	ERR(EBADF, copy_file_range(999, 0, out, 0, 1, 0));
	ERR(EBADF, copy_file_range(in, 0, 999, 0, 1, 0));
	ERR(EBADF, copy_file_range(in, 0, ro, 0, 1, 0));
	ERR(EBADF, copy_file_range(wo, 0, out, 0, 1, 0));
	ERR(EBADF, copy_file_range(in, 0, app, 0, 1, 0));
	ERR(EINVAL, copy_file_range(in, 0, out, 0, 1, 1));
	ERR(EINVAL, copy_file_range(in, &a, in, &b, 10, 0));
	ERR(EOVERFLOW, copy_file_range(in, &neg, out, &b, 10, 0));
	ERR(EINVAL, copy_file_range(p[0], 0, out, 0, 1, 0));
	ERR(EISDIR, copy_file_range(dir, 0, out, 0, 1, 0));
	ERR(EFAULT, copy_file_range(in, (off_t *)1, out, 0, 1, 0));
}

TEST(splice_from_a_file_to_a_pipe_and_on)
{
	int in = file_with("in", 100000), out = OK(open("out", O_RDWR | O_CREAT, 0600)), p[2];
	off_t off = 4096, to = 10;
	OK(pipe(p));
	EQ(splice(in, 0, p[1], 0, 5000, 0), 5000);
	EQ(lseek(in, 0, SEEK_CUR), 5000);
	EQ(splice(p[0], 0, out, 0, 5000, 0), 5000);
	expect(out, 0, pattern, 5000);
	EQ(splice(in, &off, p[1], 0, 100, 0), 100);
	EQ(off, 4196);
	EQ(splice(p[0], 0, out, &to, 1000, 0), 100);
	EQ(to, 110);
	expect(out, 10, pattern + 4096, 100);
	EQ(lseek(out, 0, SEEK_CUR), 5000);
	OK(lseek(in, 0, SEEK_END));
	EQ(splice(in, 0, p[1], 0, 100, 0), 0);
}

TEST(splice_between_pipes)
{
	int a[2], b[2];
	OK(pipe(a));
	OK(pipe(b));
	EQ(write(a[1], "hello world", 11), 11);
	EQ(splice(a[0], 0, b[1], 0, 5, 0), 5);
	EQ(read(b[0], back, 100), 5);
	EQ(memcmp(back, "hello", 5), 0);
	EQ(read(a[0], back, 100), 6);
	ERR(EAGAIN, splice(a[0], 0, b[1], 0, 5, SPLICE_F_NONBLOCK));
	OK(close(a[1]));
	EQ(splice(a[0], 0, b[1], 0, 5, 0), 0);
}

TEST(splice_errors)
{
	int in = file_with("in", 100), p[2], q[2], app = OK(open("out", O_WRONLY | O_APPEND | O_CREAT, 0600));
	off_t off = 0;
	OK(pipe(p));
	OK(pipe(q));
	OK(write(p[1], "xyz", 3));
	ERR(EINVAL, splice(in, 0, app, 0, 1, 0));
	ERR(EINVAL, splice(p[0], 0, p[1], 0, 1, 0));
	ERR(ESPIPE, splice(in, 0, p[1], &off, 1, 0));
	ERR(ESPIPE, splice(p[0], &off, q[1], 0, 1, 0));
	ERR(EBADF, splice(999, 0, p[1], 0, 1, 0));
	ERR(EBADF, splice(p[1], 0, q[1], 0, 1, 0));
	ERR(EBADF, splice(p[0], 0, q[0], 0, 1, 0));
	ERR(EINVAL, splice(p[0], 0, app, 0, 1, 0));
	ERR(EINVAL, splice(p[0], 0, q[1], 0, 1, 0x100));
	ERR(EFAULT, splice(in, (off_t *)1, p[1], 0, 1, 0));
	OK(close(q[0]));
	OK(signal(SIGPIPE, SIG_IGN) == SIG_ERR ? -1 : 0);
	ERR(EPIPE, splice(p[0], 0, q[1], 0, 1, 0));
	EQ(splice(999, 0, 999, 0, 0, 0), 0);
}

TEST(tee_copies_without_consuming)
{
	int a[2], b[2];
	OK(pipe(a));
	OK(pipe(b));
	EQ(write(a[1], "hello", 5), 5);
	EQ(tee(a[0], b[1], 100, 0), 5);
	EQ(read(a[0], back, 100), 5);
	EQ(read(b[0], back + 10, 100), 5);
	EQ(memcmp(back, back + 10, 5), 0);
	ERR(EAGAIN, tee(a[0], b[1], 5, SPLICE_F_NONBLOCK));
	ERR(EINVAL, tee(a[0], a[1], 5, 0));
	ERR(EINVAL, tee(file_with("in", 10), a[1], 5, 0));
	ERR(EBADF, tee(999, a[1], 5, 0));
	ERR(EBADF, tee(a[1], b[1], 5, 0));
	EQ(tee(a[0], b[1], 0, 0), 0);
	OK(close(a[1]));
	EQ(tee(a[0], b[1], 5, 0), 0);
}

TEST(vmsplice_moves_memory)
{
	int p[2];
	struct iovec v[2] = {{"abc", 3}, {"defg", 4}}, r = {back, 7};
	OK(pipe(p));
	EQ(vmsplice(p[1], v, 2, 0), 7);
	EQ(vmsplice(p[0], &r, 1, 0), 7);
	EQ(memcmp(back, "abcdefg", 7), 0);
	ERR(EAGAIN, vmsplice(p[0], &r, 1, SPLICE_F_NONBLOCK));
	ERR(EBADF, vmsplice(999, v, 1, 0));
	ERR(EBADF, vmsplice(file_with("in", 10), v, 1, 0));
	ERR(EINVAL, vmsplice(p[1], v, 1, 0x100));
	ERR(EINVAL, vmsplice(p[1], v, 1025, 0));
	EQ(vmsplice(p[1], v, 0, 0), 0);
}

TEST(splice_waits_for_data)
{
	int a[2], b[2], status;
	OK(pipe(a));
	OK(pipe(b));
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		_exit(write(a[1], "late", 4) == 4 ? 0 : 1);
	}
	EQ(splice(a[0], 0, b[1], 0, 100, 0), 4);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(a_large_copy_through_pipes)
{
	int in = file_with("in", 200000), out = OK(open("out", O_RDWR | O_CREAT, 0600)), p[2];
	long total = 0, n;
	OK(pipe(p));
	while ((n = OK(splice(in, 0, p[1], 0, 1 << 20, SPLICE_F_MORE))) > 0) {
		total += n;
		while (n > 0) {
			long m = OK(splice(p[0], 0, out, 0, n, SPLICE_F_MOVE));
			CHECK(m > 0);
			n -= m;
		}
	}
	EQ(total, 200000);
	expect(out, 0, pattern, 200000);
}
