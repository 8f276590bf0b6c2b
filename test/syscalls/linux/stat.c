/* stat family, statx, access, chmod, chown, utimensat, truncate, statfs, umask. */
#include "../test.h"
#include <linux/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <utime.h>

static void touch(const char *path)
{
	OK(close(OK(open(path, O_WRONLY | O_CREAT, 0644))));
}

TEST(stat_of_a_file)
{
	struct stat a, b;
	struct timespec now;
	OK(clock_gettime(CLOCK_REALTIME, &now));
	touch("f");
	int fd = OK(open("f", O_RDWR));
	EQ(write(fd, "hello", 5), 5);
	OK(stat("f", &a));
	OK(fstat(fd, &b));
	EQ(a.st_ino, b.st_ino);
	EQ(a.st_dev, b.st_dev);
	EQ(a.st_size, 5);
	EQ(a.st_mode, S_IFREG | 0644);
	EQ(a.st_uid, getuid());
	EQ(a.st_gid, getgid());
	CHECK(a.st_blksize > 0 && a.st_blocks >= 0);
	CHECK(a.st_mtime >= now.tv_sec - 2 && a.st_mtime <= now.tv_sec + 5);
	OK(fstatat(AT_FDCWD, "f", &b, 0));
	EQ(a.st_ino, b.st_ino);
	OK(fstatat(fd, "", &b, AT_EMPTY_PATH));
	EQ(a.st_ino, b.st_ino);
}

TEST(stat_errors)
{
	struct stat st;
	touch("f");
	ERR(ENOENT, stat("none", &st));
	ERR(ENOENT, stat("", &st));
	ERR(ENOTDIR, stat("f/x", &st));
	ERR(EFAULT, stat((char *)1, &st));
	ERR(EFAULT, syscall(SYS_stat, "f", 1));
	ERR(EBADF, fstat(999, &st));
	ERR(EBADF, fstatat(999, "x", &st, 0));
	ERR(EINVAL, fstatat(AT_FDCWD, "f", &st, 0x40000));
	ERR(ENOENT, fstatat(AT_FDCWD, "", &st, 0));
	OK(fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	EQ(st.st_mode & S_IFMT, S_IFDIR);
}

TEST(statx_agrees_with_stat)
{
	struct statx x;
	struct stat st;
	touch("f");
	OK(stat("f", &st));
	OK(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x));
	CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	EQ(x.stx_ino, st.st_ino);
	EQ(x.stx_mode, st.st_mode);
	EQ(x.stx_nlink, st.st_nlink);
	EQ(makedev(x.stx_dev_major, x.stx_dev_minor), st.st_dev);
	EQ(x.stx_mtime.tv_sec, st.st_mtim.tv_sec);
	EQ(x.stx_mtime.tv_nsec, st.st_mtim.tv_nsec);
	ERR(EINVAL, syscall(SYS_statx, AT_FDCWD, "f", 0, 0x80000000, &x));
	ERR(EINVAL, syscall(SYS_statx, AT_FDCWD, "f", 0x40000, STATX_BASIC_STATS, &x));
	ERR(EINVAL, syscall(SYS_statx, AT_FDCWD, "f", 0x6000, STATX_BASIC_STATS, &x));
	ERR(ENOENT, syscall(SYS_statx, AT_FDCWD, "none", 0, STATX_BASIC_STATS, &x));
	ERR(EFAULT, syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC_STATS, 1));
}

TEST(device_numbers)
{
	struct stat st;
	OK(stat("/dev/null", &st));
	EQ(st.st_mode, S_IFCHR | 0666);
	EQ(st.st_rdev, makedev(1, 3));
	OK(stat("/dev/zero", &st));
	EQ(st.st_rdev, makedev(1, 5));
}

TEST(access_checks)
{
	touch("f");
	OK(chmod("f", 0));
	OK(access("f", F_OK));
	ERR(ENOENT, access("none", F_OK));
	ERR(EINVAL, access("f", 8));
	ERR(EFAULT, access((char *)1, F_OK));
	if (geteuid() != 0)
		SKIP("needs root");
	OK(access("f", R_OK | W_OK));
	ERR(EACCES, access("f", X_OK));
	OK(chmod("f", 0100));
	OK(access("f", X_OK));
	OK(chmod("f", 0644));
	OK(chmod(".", 0755));
	OK(setresuid(65534, 0, 0));
	OK(access("f", R_OK));
	ERR(EACCES, access("f", W_OK));
	OK(syscall(SYS_faccessat2, AT_FDCWD, "f", W_OK, AT_EACCESS));
	ERR(EINVAL, syscall(SYS_faccessat2, AT_FDCWD, "f", W_OK, 0x8000));
}

TEST(chmod_rules)
{
	struct stat st;
	touch("f");
	OK(chmod("f", 04755));
	OK(stat("f", &st));
	EQ(st.st_mode & 07777, 04755);
	int fd = OK(open("f", O_RDWR));
	OK(fchmod(fd, 0600));
	OK(fstat(fd, &st));
	EQ(st.st_mode & 07777, 0600);
	OK(fchmodat(AT_FDCWD, "f", 0644, 0));
	ERR(ENOENT, chmod("none", 0600));
	ERR(EBADF, fchmod(999, 0600));
	OK(symlink("f", "l"));
	OK(chmod("l", 0611));
	OK(stat("f", &st));
	EQ(st.st_mode & 07777, 0611);
	if (geteuid() != 0)
		SKIP("needs root");
	OK(chmod(".", 0755));
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, chmod("f", 0777));
}

TEST(chown_rules)
{
	struct stat st;
	if (geteuid() != 0)
		SKIP("needs root");
	touch("f");
	OK(chmod("f", 06755));
	OK(chown("f", 1000, -1));
	OK(stat("f", &st));
	EQ(st.st_uid, 1000);
	EQ(st.st_gid, getgid());
	EQ(st.st_mode & 07777, 0755);
	int fd = OK(open("f", O_RDWR));
	OK(fchown(fd, -1, 1001));
	OK(fstat(fd, &st));
	EQ(st.st_gid, 1001);
	OK(symlink("f", "l"));
	OK(lchown("l", 7, 8));
	OK(lstat("l", &st));
	EQ(st.st_uid, 7);
	OK(fchownat(fd, "", 5, 6, AT_EMPTY_PATH));
	OK(fstat(fd, &st));
	EQ(st.st_uid, 5);
	ERR(ENOENT, chown("none", 1, 1));
	ERR(EBADF, fchown(999, 1, 1));
	ERR(EINVAL, fchownat(AT_FDCWD, "f", 1, 1, 0x8000));
	OK(chmod(".", 0755));
	OK(setresuid(5, 5, 5));
	ERR(EPERM, chown("f", 6, -1));
	ERR(EPERM, chown("f", -1, 77));
}

TEST(write_clears_setuid)
{
	struct stat st;
	if (geteuid() != 0)
		SKIP("needs root");
	OK(chmod(".", 0755));
	touch("f");
	OK(chown("f", 65534, 65534));
	OK(chmod("f", 06777));
	OK(setresgid(65534, 65534, 65534));
	OK(setresuid(65534, 65534, 65534));
	int fd = OK(open("f", O_WRONLY));
	EQ(write(fd, "x", 1), 1);
	OK(fstat(fd, &st));
	EQ(st.st_mode & 07777, 0777);
}

TEST(utimensat_sets_times)
{
	struct stat st;
	struct timespec ts[2] = {{1000, 5}, {2000, 999999999}};
	touch("f");
	OK(utimensat(AT_FDCWD, "f", ts, 0));
	OK(stat("f", &st));
	EQ(st.st_atim.tv_sec, 1000);
	EQ(st.st_atim.tv_nsec, 5);
	EQ(st.st_mtim.tv_sec, 2000);
	EQ(st.st_mtim.tv_nsec, 999999999);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	OK(utimensat(AT_FDCWD, "f", ts, 0));
	OK(stat("f", &st));
	EQ(st.st_atim.tv_sec, 1000);
	CHECK(st.st_mtim.tv_sec > 1000000000);
	ts[1].tv_nsec = 1000000000;
	ERR(EINVAL, utimensat(AT_FDCWD, "f", ts, 0));
	ERR(ENOENT, utimensat(AT_FDCWD, "none", 0, 0));
	int fd = OK(open("f", O_RDONLY));
	OK(futimens(fd, 0));
	struct utimbuf ub = {11, 22};
	OK(utime("f", &ub));
	OK(stat("f", &st));
	EQ(st.st_mtim.tv_sec, 22);
	ERR(EFAULT, utimensat(AT_FDCWD, "f", (void *)1, 0));
}

TEST(truncate_rules)
{
	char buf[16];
	struct stat st;
	touch("f");
	int fd = OK(open("f", O_RDWR));
	EQ(write(fd, "0123456789", 10), 10);
	OK(ftruncate(fd, 5));
	OK(ftruncate(fd, 8));
	EQ(pread(fd, buf, 16, 0), 8);
	EQ(memcmp(buf, "01234\0\0\0", 8), 0);
	OK(truncate("f", 0));
	OK(stat("f", &st));
	EQ(st.st_size, 0);
	ERR(EINVAL, truncate("f", -1));
	ERR(EINVAL, ftruncate(fd, -1));
	ERR(EISDIR, truncate(".", 0));
	ERR(ENOENT, truncate("none", 0));
	ERR(EBADF, ftruncate(999, 0));
}

TEST(fallocate_modes)
{
	struct stat st;
	char buf[4096];
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600)), p[2];
	OK(fallocate(fd, 0, 0, 10000));
	OK(fstat(fd, &st));
	EQ(st.st_size, 10000);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000));
	OK(fstat(fd, &st));
	EQ(st.st_size, 10000);
	memset(buf, 'x', sizeof buf);
	EQ(pwrite(fd, buf, 4096, 0), 4096);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 200));
	EQ(pread(fd, buf, 4096, 0), 4096);
	EQ(buf[99], 'x');
	EQ(buf[100], 0);
	EQ(buf[299], 0);
	EQ(buf[300], 'x');
	ERR(EINVAL, fallocate(fd, 0, 0, 0));
	ERR(EINVAL, fallocate(fd, 0, -1, 10));
	ERR(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
	ERR(EBADF, fallocate(999, 0, 0, 10));
	OK(pipe(p));
	ERR(ESPIPE, fallocate(p[1], 0, 0, 10));
}

TEST(statfs_answers)
{
	struct statfs s;
	OK(statfs("/", &s));
	CHECK(s.f_bsize > 0 && s.f_namelen == 255);
	OK(statfs("/proc", &s));
	EQ(s.f_type, 0x9fa0);
	int fd = OK(open(".", O_RDONLY));
	OK(fstatfs(fd, &s));
	ERR(ENOENT, statfs("none", &s));
	ERR(EBADF, fstatfs(999, &s));
	ERR(EFAULT, statfs("/", (void *)1));
}

TEST(umask_is_kept_by_fork)
{
	int status;
	EQ(umask(077) & ~0777, 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(umask(0) == 077 ? 0 : 1);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(umask(07777), 077);
	EQ(umask(0), 0777);
}

TEST(times_follow_changes)
{
	struct stat a, b;
	struct timespec old[2] = {{1000, 0}, {1000, 0}};
	touch("f");
	OK(utimensat(AT_FDCWD, "f", old, 0));
	OK(utimensat(AT_FDCWD, ".", old, 0));
	int fd = OK(open("f", O_WRONLY));
	EQ(write(fd, "x", 1), 1);
	OK(stat("f", &a));
	CHECK(a.st_mtime > 1000);
	OK(mkdir("d", 0755));
	OK(stat(".", &b));
	CHECK(b.st_mtime > 1000);
}
