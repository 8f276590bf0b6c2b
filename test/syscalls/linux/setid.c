/* Set-user-id and set-group-id bits go when the file is changed by somebody without CAP_FSETID (inode(7)). */
#include "../test.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

/* A file of the test's unprivileged user with a mode, open for reading and writing. */
static int file_with(mode_t mode)
{
	unlink("f");
	int fd = OK(open("f", O_CREAT | O_EXCL | O_RDWR, 0600));
	EQ(write(fd, "0123456789", 10), 10);
	OK(fchmod(fd, mode));
	struct stat st;
	OK(fstat(fd, &st));
	EQ(st.st_mode & 07777, mode);
	return fd;
}

static mode_t mode_of(int fd)
{
	struct stat st, again;
	OK(fstat(fd, &st));
	OK(stat("f", &again));
	EQ(st.st_mode, again.st_mode);
	return st.st_mode & 07777;
}

static void become_user(void)
{
	OK(chmod(".", 0777));
	OK(setgid(1000));
	OK(setuid(1000));
}

static void by_write(int fd)
{
	EQ(write(fd, "x", 1), 1);
}

static void by_pwritev(int fd)
{
	struct iovec v = {"x", 1};
	EQ(pwritev(fd, &v, 1, 2), 1);
}

static void by_truncate(int fd)
{
	(void)fd;
	OK(truncate("f", 5));
}

static void by_ftruncate(int fd)
{
	OK(ftruncate(fd, 5));
}

static void by_ftruncate_to_more(int fd)
{
	OK(ftruncate(fd, 5000));
}

static void by_open(int fd)
{
	(void)fd;
	close(OK(open("f", O_WRONLY | O_TRUNC)));
}

static void by_creat(int fd)
{
	(void)fd;
	close(OK(creat("f", 0600)));
}

static void by_fallocate(int fd)
{
	OK(fallocate(fd, 0, 0, 100));
}

static void by_sendfile(int fd)
{
	int in = OK(open("in", O_RDWR | O_CREAT | O_TRUNC, 0600));
	EQ(write(in, "abc", 3), 3);
	off_t at = 0;
	EQ(sendfile(fd, in, &at, 3), 3);
	close(in);
}

static void by_copy_file_range(int fd)
{
	int in = OK(open("in", O_RDWR | O_CREAT | O_TRUNC, 0600));
	EQ(write(in, "abc", 3), 3);
	off_t from = 0, to = 0;
	EQ(copy_file_range(in, &from, fd, &to, 3, 0), 3);
	close(in);
}

static void by_splice(int fd)
{
	int p[2];
	OK(pipe(p));
	EQ(write(p[1], "abc", 3), 3);
	EQ(splice(p[0], 0, fd, 0, 3, 0), 3);
	close(p[0]);
	close(p[1]);
}

static void (*const changes[])(int) = {
	by_write,     by_pwritev,  by_truncate, by_ftruncate,	    by_ftruncate_to_more, by_open,
	by_creat,     by_fallocate, by_sendfile, by_copy_file_range, by_splice,
};
enum { CHANGES = sizeof changes / sizeof *changes };

TEST(changes_by_users_clear_both_bits)
{
	become_user();
	for (int i = 0; i < CHANGES; i++) {
		int fd = file_with(06755);
		changes[i](fd);
		if (mode_of(fd) != 0755)
			FAIL("change %d leaves mode %o", i, mode_of(fd));
		close(fd);
	}
}

TEST(a_group_bit_without_execution_stays)
{
	become_user();
	for (int i = 0; i < CHANGES; i++) {
		int fd = file_with(06745);
		changes[i](fd);
		if (mode_of(fd) != 02745)
			FAIL("change %d leaves mode %o", i, mode_of(fd));
		close(fd);
	}
}

TEST(the_privileged_change_nothing_else)
{
	for (int i = 0; i < CHANGES; i++) {
		int fd = file_with(06755);
		changes[i](fd);
		if (mode_of(fd) != 06755)
			FAIL("change %d leaves mode %o", i, mode_of(fd));
		close(fd);
	}
}

TEST(nothing_written_changes_nothing)
{
	become_user();
	int fd = file_with(06755);
	EQ(write(fd, "x", 0), 0);
	EQ(mode_of(fd), 06755);
	ERR(EINVAL, ftruncate(fd, -1));
	EQ(mode_of(fd), 06755);
	char *p = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EQ(p[0], '0');
	EQ(mode_of(fd), 06755);
}
