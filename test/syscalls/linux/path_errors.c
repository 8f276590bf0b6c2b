/* The errors every call with a path has in common. */
#include "../test.h"
#include <limits.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static struct stat st;
static struct statfs sf;
static char buf[64], big[256];
static struct timespec times[2];

/* Calls that follow a final link, and look something up. */
static long c_open(const char *p) { return open(p, O_RDONLY); }
static long c_openat(const char *p) { return openat(AT_FDCWD, p, O_RDWR); }
static long c_creat(const char *p) { return creat(p, 0600); }
static long c_stat(const char *p) { return syscall(SYS_stat, p, &st); }
static long c_newfstatat(const char *p) { return syscall(SYS_newfstatat, AT_FDCWD, p, &st, 0); }
static long c_statx(const char *p) { return syscall(SYS_statx, AT_FDCWD, p, 0, 0x7ff, big); }
static long c_access(const char *p) { return access(p, F_OK); }
static long c_faccessat2(const char *p) { return syscall(SYS_faccessat2, AT_FDCWD, p, F_OK, 0); }
static long c_chmod(const char *p) { return chmod(p, 0600); }
static long c_fchmodat(const char *p) { return syscall(SYS_fchmodat, AT_FDCWD, p, 0600); }
static long c_chown(const char *p) { return chown(p, -1, -1); }
static long c_truncate(const char *p) { return truncate(p, 0); }
static long c_utimensat(const char *p) { return utimensat(AT_FDCWD, p, times, 0); }
static long c_utimes(const char *p) { return syscall(SYS_utimes, p, 0); }
static long c_utime(const char *p) { return syscall(SYS_utime, p, 0); }
static long c_futimesat(const char *p) { return syscall(SYS_futimesat, AT_FDCWD, p, 0); }
static long c_chdir(const char *p) { return chdir(p); }
static long c_chroot(const char *p) { return chroot(p); }
static long c_statfs(const char *p) { return statfs(p, &sf); }
static long c_execve(const char *p) { return execve(p, (char *[]){"x", 0}, (char *[]){0}); }
static long c_getxattr(const char *p) { return getxattr(p, "user.x", buf, sizeof buf); }
static long c_listxattr(const char *p) { return listxattr(p, buf, sizeof buf); }
/* Calls that act on the link itself or on the name. */
static long c_lstat(const char *p) { return syscall(SYS_lstat, p, &st); }
static long c_lchown(const char *p) { return lchown(p, -1, -1); }
static long c_readlink(const char *p) { return readlink(p, buf, sizeof buf); }
static long c_unlink(const char *p) { return unlink(p); }
static long c_unlinkat(const char *p) { return unlinkat(AT_FDCWD, p, 0); }
static long c_rmdir(const char *p) { return rmdir(p); }
static long c_rename(const char *p) { return rename(p, "elsewhere"); }
static long c_link(const char *p) { return link(p, "elsewhere"); }
/* Calls that make a name. */
static long c_mkdir(const char *p) { return mkdir(p, 0700); }
static long c_mknod(const char *p) { return mknod(p, S_IFIFO | 0600, 0); }
static long c_symlink(const char *p) { return symlink("target", p); }
static long c_link_to(const char *p) { return link("file", p); }
static long c_rename_to(const char *p) { return rename("file", p); }
static long c_open_creat(const char *p) { return open(p, O_RDWR | O_CREAT | O_EXCL, 0600); }

enum { FOLLOWS = 1, LOOKS = 2, MAKES = 4 };
static const struct {
	const char *name;
	long (*call)(const char *);
	int kind;
} calls[] = {
#define F(n) {#n, c_##n, FOLLOWS | LOOKS}
#define L(n) {#n, c_##n, LOOKS}
#define M(n) {#n, c_##n, MAKES}
	F(open), F(openat), F(stat), F(newfstatat), F(statx), F(access), F(faccessat2), F(chmod), F(fchmodat), F(chown), F(truncate), F(utimensat),
	F(utimes), F(utime), F(futimesat), F(chdir), F(chroot), F(statfs), F(execve), F(getxattr), F(listxattr),
	L(lstat), L(lchown), L(readlink), L(unlink), L(unlinkat), L(rmdir), L(rename), L(link),
	M(creat), M(mkdir), M(mknod), M(symlink), M(link_to), M(rename_to), M(open_creat),
};

static void every(int kinds, const char *path, int want)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (!(calls[i].kind & kinds))
			continue;
		errno = 0;
		long r = calls[i].call(path);
		if (r != -1 || errno != want)
			FAIL("%s: got %ld errno %d (%s), want %s", calls[i].name, r, errno, strerror(errno), strerror(want));
	}
}

static void prepare(void)
{
	OK(close(OK(open("file", O_RDWR | O_CREAT, 0700))));
	OK(mkdir("dir", 0755));
}

#define ALL (FOLLOWS | LOOKS | MAKES)

TEST(a_missing_name)
{
	prepare();
	every(LOOKS, "none", ENOENT);
	every(LOOKS, "dir/none", ENOENT);
}

TEST(a_missing_directory)
{
	prepare();
	every(ALL, "none/x", ENOENT);
	every(ALL, "dir/none/x", ENOENT);
	every(ALL, "none/../file", ENOENT);
}

TEST(an_empty_path)
{
	prepare();
	every(ALL, "", ENOENT);
}

TEST(a_dangling_link)
{
	prepare();
	OK(symlink("nowhere", "l"));
	every(FOLLOWS, "l", ENOENT);
	every(ALL, "l/x", ENOENT);
}

TEST(a_file_where_a_directory_should_be)
{
	prepare();
	OK(symlink("file", "l"));
	every(ALL, "file/x", ENOTDIR);
	every(ALL, "file/..", ENOTDIR);
	every(ALL, "file/.", ENOTDIR);
	every(ALL, "l/x", ENOTDIR);
	every(LOOKS, "file/", ENOTDIR);
}

TEST(a_name_too_long)
{
	static char name[NAME_MAX + 2], path[PATH_MAX + 1];
	prepare();
	memset(name, 'n', NAME_MAX + 1);
	every(ALL, name, ENAMETOOLONG);
	name[NAME_MAX] = 0;
	every(LOOKS, name, ENOENT);
	for (int i = 0; i < PATH_MAX; i++)
		path[i] = i % 2 ? '/' : '.';
	every(ALL, path, ENAMETOOLONG);
	path[PATH_MAX - 1] = 0;
	path[PATH_MAX - 2] = 'x';
	every(LOOKS, path, ENOENT);
}

TEST(links_that_go_round)
{
	prepare();
	OK(symlink("b", "a"));
	OK(symlink("a", "b"));
	every(FOLLOWS, "a", ELOOP);
	every(ALL, "a/x", ELOOP);
}

TEST(a_bad_pointer)
{
	prepare();
	every(ALL, (char *)8, EFAULT);
	every(ALL, (char *)~0ul, EFAULT);
	/* One that runs into unmapped memory before its end. */
	char *p = OK(mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(munmap(p + 4096, 4096));
	memset(p, 'x', 4096);
	every(ALL, p + 4090, EFAULT);
	/* One that ends just before. */
	p[4095] = 0;
	every(LOOKS, p + 4090, ENOENT);
}

TEST(a_directory_that_may_not_be_searched)
{
	prepare();
	OK(mkdir("closed", 0755));
	OK(close(OK(open("closed/f", O_RDWR | O_CREAT, 0777))));
	OK(chmod("closed", 0600));
	OK(chown("closed", 4242, -1));
	OK(chown("file", 4242, -1));
	OK(chown(".", 4242, -1));
	OK(setresgid(4242, 4242, 4242));
	OK(setresuid(4242, 4242, 4242));
	every(ALL, "closed/f", EACCES);
	every(ALL, "closed/none", EACCES);
	every(LOOKS, "dir/none", ENOENT);
}

TEST(a_directory_that_may_not_be_written)
{
	prepare();
	OK(close(OK(open("dir/f", O_RDWR | O_CREAT, 0777))));
	OK(chown("file", 4242, -1));
	OK(chown(".", 4242, -1));
	OK(setresgid(4242, 4242, 4242));
	OK(setresuid(4242, 4242, 4242));
	every(MAKES, "dir/new", EACCES);
	ERR(EACCES, unlink("dir/f"));
	ERR(EACCES, rename("dir/f", "x"));
}

TEST(an_existing_name_is_not_made_again)
{
	prepare();
	static const char *const names[] = {"file", "dir", "l"};
	OK(symlink("nowhere", "l"));
	for (int i = 0; i < 3; i++) {
		ERR(EEXIST, mkdir(names[i], 0700));
		ERR(EEXIST, mknod(names[i], S_IFIFO | 0600, 0));
		ERR(EEXIST, symlink("x", names[i]));
		ERR(EEXIST, link("file", names[i]));
		ERR(EEXIST, open(names[i], O_RDWR | O_CREAT | O_EXCL, 0600));
	}
	/* Even where nothing may be written. */
	OK(chown("file", 4242, -1));
	OK(chmod(".", 0755));
	OK(setresuid(4242, 4242, 4242));
	ERR(EEXIST, mkdir("dir", 0700));
}

TEST(a_bad_directory_descriptor)
{
	int file, dir, n = 0;
	prepare();
	file = OK(open("file", O_RDONLY));
	dir = OK(open("dir", O_RDONLY));
	for (int i = 0; i < 2; i++) {
		int fd = i ? file : 999, want = i ? ENOTDIR : EBADF;
		ERR(want, openat(fd, "x", O_RDONLY));
		ERR(want, syscall(SYS_newfstatat, fd, "x", &st, 0));
		ERR(want, syscall(SYS_statx, fd, "x", 0, 0x7ff, big));
		ERR(want, mkdirat(fd, "x", 0700));
		ERR(want, mknodat(fd, "x", S_IFIFO | 0600, 0));
		ERR(want, unlinkat(fd, "x", 0));
		ERR(want, unlinkat(fd, "x", AT_REMOVEDIR));
		ERR(want, renameat(fd, "x", AT_FDCWD, "y"));
		ERR(want, renameat(AT_FDCWD, "file", fd, "y"));
		ERR(want, linkat(fd, "x", AT_FDCWD, "y", 0));
		ERR(want, linkat(AT_FDCWD, "file", fd, "y", 0));
		ERR(want, symlinkat("t", fd, "x"));
		ERR(want, readlinkat(fd, "x", buf, 8));
		ERR(want, syscall(SYS_fchmodat, fd, "x", 0600));
		ERR(want, fchownat(fd, "x", 0, 0, 0));
		ERR(want, syscall(SYS_faccessat, fd, "x", F_OK));
		ERR(want, utimensat(fd, "x", times, 0));
		ERR(want, syscall(SYS_execveat, fd, "x", 0, 0, 0));
		n++;
	}
	/* An absolute path needs no directory. */
	OK(syscall(SYS_newfstatat, 999, "/", &st, 0));
	OK(syscall(SYS_newfstatat, file, "/", &st, 0));
	ERR(ENOENT, openat(dir, "file", O_RDONLY));
	OK(openat(dir, "../file", O_RDONLY));
	EQ(n, 2);
}

TEST(a_deleted_current_directory)
{
	OK(mkdir("d", 0700));
	OK(chdir("d"));
	OK(rmdir("../d"));
	every(MAKES, "x", ENOENT);
	OK(access(".", F_OK));
	OK(access("..", F_OK));
	ERR(ENOENT, open("x", O_RDONLY));
}

TEST(slashes_and_dots)
{
	prepare();
	OK(access("dir/", F_OK));
	OK(access("dir//..////dir/.", F_OK));
	OK(access("././file", F_OK));
	OK(mkdir("new/", 0700));
	ERR(EEXIST, mkdir("new/.", 0700));
	ERR(ENOENT, mkdir("none/.", 0700));
	ERR(EISDIR, open("made/", O_RDWR | O_CREAT, 0600));
	ERR(ENOENT, symlink("x", "s/"));
	OK(rename("new/", "newer/"));
	ERR(ENOTDIR, rename("file", "other/"));
	OK(rmdir("newer/"));
}
