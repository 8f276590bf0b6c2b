/* open(2), openat(2), creat(2), close(2), dup(2), lseek(2). */
#include "../test.h"
#include <limits.h>
#include <sys/resource.h>

static void put(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	EQ(OK(write(fd, text, strlen(text))), (long)strlen(text));
	OK(close(fd));
}

TEST(open_creates_with_mode_and_umask)
{
	struct stat st;
	umask(027);
	int fd = OK(open("f", O_RDWR | O_CREAT | O_EXCL, 0666));
	OK(fstat(fd, &st));
	EQ(st.st_mode, S_IFREG | 0640);
	EQ(st.st_size, 0);
	EQ(st.st_nlink, 1);
	EQ(st.st_uid, geteuid());
	ERR(EEXIST, open("f", O_RDWR | O_CREAT | O_EXCL, 0666));
	OK(symlink("nowhere", "l"));
	ERR(EEXIST, open("l", O_RDWR | O_CREAT | O_EXCL, 0666));
}

TEST(open_returns_the_lowest_free_descriptor)
{
	int a = OK(open("/dev/null", O_RDONLY)), b = OK(open("/dev/null", O_RDONLY));
	CHECK(b > a);
	OK(close(a));
	EQ(OK(open("/dev/null", O_RDONLY)), a);
}

TEST(open_errors)
{
	char longname[300], longpath[5000];
	put("f", "x");
	OK(mkdir("d", 0755));
	ERR(ENOENT, open("none", O_RDONLY));
	ERR(ENOENT, open("none/f", O_RDONLY));
	ERR(ENOENT, open("", O_RDONLY));
	ERR(ENOTDIR, open("f/x", O_RDONLY));
	ERR(ENOTDIR, open("f/", O_RDONLY));
	ERR(ENOTDIR, open("f", O_RDONLY | O_DIRECTORY));
	ERR(EISDIR, open("d", O_WRONLY));
	ERR(EISDIR, open("d", O_RDWR));
	ERR(EISDIR, open("d", O_RDONLY | O_CREAT, 0600));
	ERR(EISDIR, open("new/", O_WRONLY | O_CREAT, 0600));
	ERR(EFAULT, open((char *)1, O_RDONLY));
	ERR(EINVAL, open("d", O_RDONLY | O_CREAT | O_DIRECTORY, 0600));
	memset(longname, 'a', sizeof longname);
	longname[256] = 0;
	ERR(ENAMETOOLONG, open(longname, O_RDONLY));
	longname[255] = 0;
	ERR(ENOENT, open(longname, O_RDONLY));
	memset(longpath, '/', sizeof longpath);
	longpath[4096] = 0;
	ERR(ENAMETOOLONG, open(longpath, O_RDONLY));
	longpath[4095] = 0;
	OK(open(longpath, O_RDONLY));
	OK(symlink("loop", "loop"));
	ERR(ELOOP, open("loop", O_RDONLY));
	OK(symlink("f", "lf"));
	ERR(ELOOP, open("lf", O_RDONLY | O_NOFOLLOW));
	ERR(ENXIO, mkfifo("p", 0600) == 0 ? open("p", O_WRONLY | O_NONBLOCK) : 0);
}

TEST(openat_resolves_against_a_directory)
{
	OK(mkdir("d", 0755));
	put("d/f", "abc");
	int d = OK(open("d", O_RDONLY | O_DIRECTORY)), fd = OK(openat(d, "f", O_RDONLY)), f2;
	char c[4] = "";
	EQ(read(fd, c, 4), 3);
	EQ(strcmp(c, "abc"), 0);
	f2 = OK(openat(999, "/dev/null", O_RDONLY));
	OK(close(f2));
	ERR(EBADF, openat(999, "f", O_RDONLY));
	ERR(ENOTDIR, openat(fd, "f", O_RDONLY));
	ERR(EBADF, openat(-1, "f", O_RDONLY));
	EQ(OK(openat(AT_FDCWD, "d/f", O_RDONLY)), f2);
}

TEST(open_permissions)
{
	if (geteuid() == 0) {
		put("f", "x");
		OK(chmod("f", 0));
		OK(chmod(".", 0755));
		OK(mkdir("d", 0700));
		put("d/f", "x");
		OK(setresgid(65534, 65534, 65534));
		OK(setresuid(65534, 65534, 65534));
	} else {
		put("f", "x");
		OK(chmod("f", 0));
		SKIP("needs root");
	}
	ERR(EACCES, open("f", O_RDONLY));
	ERR(EACCES, open("f", O_WRONLY));
	ERR(EACCES, open("new", O_WRONLY | O_CREAT, 0600));
	ERR(EACCES, open("d/f", O_RDONLY));
	ERR(EACCES, open("d", O_RDONLY));
	OK(open("f", O_PATH));
}

TEST(truncate_and_append_flags)
{
	struct stat st;
	put("f", "0123456789");
	int fd = OK(open("f", O_WRONLY | O_APPEND));
	OK(lseek(fd, 0, SEEK_SET));
	EQ(write(fd, "ab", 2), 2);
	OK(fstat(fd, &st));
	EQ(st.st_size, 12);
	EQ(lseek(fd, 0, SEEK_CUR), 12);
	EQ(pwrite(fd, "X", 1, 0), 1);
	OK(fstat(fd, &st));
	EQ(st.st_size, 13);
	fd = OK(open("f", O_RDWR | O_TRUNC));
	OK(fstat(fd, &st));
	EQ(st.st_size, 0);
}

TEST(access_mode_is_enforced)
{
	char c;
	put("f", "x");
	int r = OK(open("f", O_RDONLY)), w = OK(open("f", O_WRONLY)), p = OK(open("f", O_PATH)), d = OK(open(".", O_RDONLY));
	ERR(EBADF, write(r, "x", 1));
	ERR(EBADF, read(w, &c, 1));
	ERR(EBADF, read(p, &c, 1));
	ERR(EBADF, write(p, &c, 1));
	ERR(EBADF, lseek(p, 0, SEEK_SET));
	ERR(EBADF, fchmod(p, 0600));
	ERR(EISDIR, read(d, &c, 1));
	ERR(EBADF, write(d, &c, 1));
	ERR(EBADF, ftruncate(p, 0));
	ERR(EINVAL, ftruncate(r, 0));
}

TEST(close_errors)
{
	int fd = OK(dup(1));
	OK(close(fd));
	ERR(EBADF, close(fd));
	ERR(EBADF, close(-1));
	ERR(EBADF, close(1 << 30));
}

TEST(dup_shares_the_offset)
{
	char c;
	put("f", "0123");
	int a = OK(open("f", O_RDONLY)), b = OK(dup(a)), other = OK(open("f", O_RDONLY));
	EQ(read(a, &c, 1), 1);
	EQ(lseek(b, 0, SEEK_CUR), 1);
	EQ(lseek(other, 0, SEEK_CUR), 0);
	EQ(fcntl(b, F_GETFD), 0);
	ERR(EBADF, dup(999));
}

TEST(dup2_and_dup3)
{
	int a = OK(open("/dev/null", O_RDONLY | O_CLOEXEC));
	EQ(OK(dup2(a, 100)), 100);
	EQ(fcntl(100, F_GETFD), 0);
	EQ(OK(dup2(a, a)), a);
	EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
	ERR(EBADF, dup2(999, 100));
	ERR(EBADF, dup2(999, 999));
	ERR(EBADF, dup2(a, -1));
	ERR(EBADF, dup2(a, 1 << 30));
	EQ(fcntl(100, F_GETFD), 0);
	EQ(OK(dup3(a, 101, O_CLOEXEC)), 101);
	EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
	ERR(EINVAL, dup3(a, a, 0));
	ERR(EINVAL, dup3(a, 102, O_APPEND));
	ERR(EBADF, dup3(a, -1, 0));
}

TEST(descriptor_limit)
{
	struct rlimit rl = {20, 20};
	int fd, last = -1;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	while ((fd = open("/dev/null", O_RDONLY)) >= 0)
		last = fd;
	EQ(errno, EMFILE);
	EQ(last, 19);
	ERR(EMFILE, dup(0));
	ERR(EBADF, dup2(0, 20));
	ERR(EINVAL, fcntl(0, F_DUPFD, 20));
	ERR(EMFILE, fcntl(0, F_DUPFD, 19));
}

TEST(lseek_moves)
{
	put("f", "0123456789");
	int fd = OK(open("f", O_RDWR)), p[2];
	EQ(lseek(fd, 5, SEEK_SET), 5);
	EQ(lseek(fd, 2, SEEK_CUR), 7);
	EQ(lseek(fd, -1, SEEK_END), 9);
	EQ(lseek(fd, 100, SEEK_END), 110);
	ERR(EINVAL, lseek(fd, -1, SEEK_SET));
	ERR(EINVAL, lseek(fd, -111, SEEK_CUR));
	ERR(EINVAL, lseek(fd, 0, 99));
	EQ(lseek(fd, 0, SEEK_CUR), 110);
	EQ(lseek(fd, 0, SEEK_DATA), 0);
	EQ(lseek(fd, 0, SEEK_HOLE), 10);
	ERR(ENXIO, lseek(fd, 10, SEEK_DATA));
	ERR(ENXIO, lseek(fd, 10, SEEK_HOLE));
	OK(pipe(p));
	ERR(ESPIPE, lseek(p[0], 0, SEEK_CUR));
	ERR(EBADF, lseek(999, 0, SEEK_SET));
}

TEST(fcntl_flags)
{
	int fd = OK(open("f", O_RDWR | O_CREAT | O_APPEND, 0600)), fl;
	fl = OK(fcntl(fd, F_GETFL));
	EQ(fl & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND);
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	fl = OK(fcntl(fd, F_GETFL));
	EQ(fl & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	EQ(fcntl(fd, F_GETFD), 0);
	OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(OK(fcntl(fd, F_DUPFD, 50)), 50);
	EQ(OK(fcntl(fd, F_DUPFD_CLOEXEC, 50)), 51);
	EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
	ERR(EINVAL, fcntl(fd, F_DUPFD, -1));
	ERR(EINVAL, fcntl(fd, 9999));
	ERR(EBADF, fcntl(999, F_GETFL));
}

TEST(close_range_closes)
{
	int i;
	for (i = 50; i < 60; i++)
		OK(dup2(1, i));
	OK(syscall(SYS_close_range, 52, 55, 0));
	for (i = 50; i < 60; i++)
		EQ(fcntl(i, F_GETFD), i >= 52 && i <= 55 ? -1 : 0);
	OK(syscall(SYS_close_range, 56, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */));
	EQ(fcntl(57, F_GETFD), FD_CLOEXEC);
	ERR(EINVAL, syscall(SYS_close_range, 5, 4, 0));
	ERR(EINVAL, syscall(SYS_close_range, 5, 6, 64));
}

TEST(o_cloexec_and_o_path)
{
	struct stat st;
	put("f", "x");
	int fd = OK(open("f", O_RDONLY | O_CLOEXEC)), p;
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	OK(symlink("f", "l"));
	p = OK(open("l", O_PATH | O_NOFOLLOW));
	OK(fstat(p, &st));
	EQ(st.st_mode & S_IFMT, S_IFLNK);
	EQ(fcntl(p, F_GETFL) & O_PATH, O_PATH);
}

TEST(unlinked_file_stays_open)
{
	char buf[8] = "";
	struct stat st;
	put("f", "keep");
	int fd = OK(open("f", O_RDWR));
	OK(unlink("f"));
	ERR(ENOENT, open("f", O_RDONLY));
	EQ(pread(fd, buf, 8, 0), 4);
	EQ(strcmp(buf, "keep"), 0);
	OK(fstat(fd, &st));
	EQ(st.st_nlink, 0);
}

TEST(creat_truncates)
{
	struct stat st;
	put("f", "abc");
	int fd = OK(creat("f", 0600));
	OK(fstat(fd, &st));
	EQ(st.st_size, 0);
	EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
}

TEST(file_being_executed_is_busy)
{
	int status;
	pid_t pid;
	int fds[2];
	char c;
	OK(system("cp /bin/sleep s"));
	OK(pipe(fds));
	pid = fork();
	if (pid == 0) {
		fcntl(fds[1], F_SETFD, FD_CLOEXEC);
		close(fds[0]);
		execl("./s", "s", "5", (char *)0);
		_exit(1);
	}
	close(fds[1]);
	EQ(read(fds[0], &c, 1), 0);
	ERR(ETXTBSY, open("s", O_WRONLY));
	OK(open("s", O_RDONLY));
	kill(pid, SIGKILL);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	OK(open("s", O_WRONLY));
}
