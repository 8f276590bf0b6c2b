/* read(2), write(2) and their vector and positional forms. */
#include "../test.h"
#include <limits.h>
#include <sys/resource.h>
#include <sys/uio.h>

static int file_with(const char *text)
{
	int fd = OK(open("f", O_RDWR | O_CREAT | O_TRUNC, 0644));
	EQ(OK(write(fd, text, strlen(text))), (long)strlen(text));
	OK(lseek(fd, 0, SEEK_SET));
	return fd;
}

TEST(read_at_and_beyond_the_end)
{
	char buf[16];
	int fd = file_with("hello");
	EQ(read(fd, buf, 3), 3);
	EQ(read(fd, buf, 16), 2);
	EQ(read(fd, buf, 16), 0);
	OK(lseek(fd, 100, SEEK_SET));
	EQ(read(fd, buf, 16), 0);
	EQ(read(fd, buf, 0), 0);
}

TEST(read_errors)
{
	char buf[16];
	int fd = file_with("hello");
	ERR(EBADF, read(999, buf, 1));
	ERR(EBADF, read(-1, buf, 1));
	ERR(EFAULT, read(fd, (void *)1, 5));
	EQ(lseek(fd, 0, SEEK_CUR), 0);
	ERR(EINVAL, pread(fd, buf, 1, -1));
	ERR(EFAULT, write(fd, (void *)1, 5));
	ERR(EINVAL, pwrite(fd, buf, 1, -1));
	ERR(EFAULT, read(fd, (void *)-1, 5));
}

TEST(read_stops_at_an_unmapped_page)
{
	char *p = OK(mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	OK(munmap(p + 4096, 4096));
	OK(ftruncate(fd, 8192));
	EQ(read(fd, p + 4000, 200), 96);
	EQ(write(fd, p + 4000, 200), 96);
}

TEST(write_extends_and_leaves_a_hole_of_zeros)
{
	char buf[8192];
	struct stat st;
	int fd = file_with("ab");
	EQ(pwrite(fd, "z", 1, 8191), 1);
	OK(fstat(fd, &st));
	EQ(st.st_size, 8192);
	EQ(read(fd, buf, sizeof buf), 8192);
	EQ(buf[1], 'b');
	for (int i = 2; i < 8191; i++)
		EQ(buf[i], 0);
	EQ(buf[8191], 'z');
}

TEST(pread_and_pwrite_leave_the_offset)
{
	char buf[8];
	int fd = file_with("0123456789"), p[2];
	EQ(pread(fd, buf, 2, 4), 2);
	EQ(buf[0], '4');
	EQ(pwrite(fd, "xx", 2, 0), 2);
	EQ(lseek(fd, 0, SEEK_CUR), 0);
	EQ(read(fd, buf, 3), 3);
	EQ(memcmp(buf, "xx2", 3), 0);
	OK(pipe(p));
	ERR(ESPIPE, pread(p[0], buf, 1, 0));
	ERR(ESPIPE, pwrite(p[1], buf, 1, 0));
}

TEST(vectors_are_filled_in_order)
{
	char a[3], b[4], c[5];
	struct iovec iov[3] = {{a, 3}, {b, 0}, {c, 5}};
	int fd = file_with("abcdefghij");
	EQ(readv(fd, iov, 3), 8);
	EQ(memcmp(a, "abc", 3), 0);
	EQ(memcmp(c, "defgh", 5), 0);
	OK(lseek(fd, 0, SEEK_SET));
	EQ(writev(fd, iov, 3), 8);
	EQ(preadv(fd, iov, 3, 8), 2);
	EQ(pwritev(fd, iov, 1, 20), 3);
	EQ(lseek(fd, 0, SEEK_END), 23);
}

TEST(vector_errors)
{
	char a[3];
	struct iovec iov[2] = {{a, 3}, {a, -1}}, many[1025];
	int fd = file_with("abc");
	ERR(EINVAL, readv(fd, iov, 2));
	ERR(EINVAL, readv(fd, iov, -1));
	EQ(readv(fd, iov, 0), 0);
	for (int i = 0; i < 1025; i++)
		many[i] = (struct iovec){a, 0};
	ERR(EINVAL, readv(fd, many, 1025));
	EQ(readv(fd, many, 1024), 0);
	ERR(EFAULT, readv(fd, (void *)1, 1));
	ERR(EBADF, readv(999, iov, 1));
	ERR(EINVAL, preadv(fd, iov, 1, -1));
	iov[1].iov_base = (void *)1;
	iov[1].iov_len = 5;
	EQ(writev(fd, iov, 2), 3);
}

TEST(preadv2_flags)
{
	char a[3];
	struct iovec iov = {a, 3};
	int fd = file_with("abcdef");
	EQ(syscall(SYS_preadv2, fd, &iov, 1, -1L, -1L, 0), 3);
	EQ(lseek(fd, 0, SEEK_CUR), 3);
	EQ(syscall(SYS_preadv2, fd, &iov, 1, 1L, 0L, 0), 3);
	EQ(a[0], 'b');
	ERR(EOPNOTSUPP, syscall(SYS_preadv2, fd, &iov, 1, 0L, 0L, 0x40000000));
}

TEST(file_size_limit)
{
	struct rlimit rl = {100, 100};
	int fd = file_with("");
	char buf[200] = "";
	signal(SIGXFSZ, SIG_IGN);
	OK(setrlimit(RLIMIT_FSIZE, &rl));
	EQ(write(fd, buf, 200), 100);
	ERR(EFBIG, write(fd, buf, 1));
	ERR(EFBIG, ftruncate(fd, 101));
	OK(ftruncate(fd, 50));
}

TEST(broken_pipe)
{
	int p[2];
	OK(pipe(p));
	OK(close(p[0]));
	signal(SIGPIPE, SIG_IGN);
	ERR(EPIPE, write(p[1], "x", 1));
}

TEST(nonblocking_pipe)
{
	int p[2];
	char c;
	OK(pipe2(p, O_NONBLOCK));
	ERR(EAGAIN, read(p[0], &c, 1));
	while (write(p[1], "0123456789abcdef", 16) == 16)
		;
	EQ(errno, EAGAIN);
}

TEST(writes_beyond_the_largest_offset)
{
	int fd = file_with("");
	ERR(EINVAL, pwrite(fd, "x", 1, -5));
	ERR(EINVAL, pwrite(fd, "x", 1, LONG_MAX));
}

TEST(large_transfers_are_whole)
{
	size_t n = 3 << 20;
	char *a = OK(mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), *b = malloc(n);
	int fd = file_with("");
	for (size_t i = 0; i < n; i++)
		a[i] = (char)(i * 31 + (i >> 12));
	EQ(write(fd, a, n), (long)n);
	EQ(pread(fd, b, n, 0), (long)n);
	EQ(memcmp(a, b, n), 0);
}

TEST(devices)
{
	char buf[64];
	int fd;
	memset(buf, 1, sizeof buf);
	fd = OK(open("/dev/zero", O_RDWR));
	EQ(read(fd, buf, 64), 64);
	EQ(buf[63], 0);
	EQ(write(fd, buf, 64), 64);
	fd = OK(open("/dev/null", O_RDWR));
	EQ(read(fd, buf, 64), 0);
	EQ(write(fd, buf, 64), 64);
	fd = OK(open("/dev/full", O_RDWR));
	EQ(read(fd, buf, 64), 64);
	ERR(ENOSPC, write(fd, buf, 64));
	fd = OK(open("/dev/urandom", O_RDONLY));
	memset(buf, 0, 64);
	EQ(read(fd, buf, 64), 64);
	int sum = 0;
	for (int i = 0; i < 64; i++)
		sum |= buf[i];
	CHECK(sum != 0);
}
