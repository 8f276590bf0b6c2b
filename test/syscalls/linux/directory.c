/* mkdir, rmdir, unlink, link, symlink, readlink, rename, getdents64, getcwd, chdir. */
#include "../test.h"
#include <dirent.h>
#include <limits.h>
#include <linux/fs.h>

static void touch(const char *path)
{
	OK(close(OK(open(path, O_WRONLY | O_CREAT, 0644))));
}

static int exists(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

TEST(mkdir_and_rmdir)
{
	struct stat st;
	umask(022);
	OK(mkdir("d", 0777));
	OK(stat("d", &st));
	EQ(st.st_mode, S_IFDIR | 0755);
	EQ(st.st_nlink, 2);
	OK(mkdir("d/e", 0700));
	OK(stat("d", &st));
	EQ(st.st_nlink, 3);
	ERR(EEXIST, mkdir("d", 0777));
	ERR(ENOENT, mkdir("x/y", 0777));
	ERR(ENOENT, mkdir("", 0777));
	ERR(EEXIST, mkdir("/", 0777));
	ERR(EEXIST, mkdir(".", 0777));
	ERR(EFAULT, mkdir((char *)1, 0777));
	ERR(ENOTEMPTY, rmdir("d"));
	ERR(EINVAL, rmdir("d/."));
	ERR(ENOTEMPTY, rmdir("d/e/.."));
	touch("f");
	ERR(ENOTDIR, rmdir("f"));
	ERR(ENOTDIR, mkdir("f/x", 0777));
	ERR(ENOENT, rmdir("none"));
	ERR(EBUSY, rmdir("/"));
	OK(rmdir("d/e/"));
	OK(rmdir("d"));
	OK(mkdir("slash///", 0700));
	CHECK(exists("slash"));
}

TEST(unlink_rules)
{
	OK(mkdir("d", 0777));
	touch("f");
	ERR(EISDIR, unlink("d"));
	ERR(ENOENT, unlink("none"));
	ERR(ENOTDIR, unlink("f/"));
	ERR(ENOTDIR, unlink("f/x"));
	ERR(EISDIR, unlink("d/"));
	OK(unlink("f"));
	CHECK(!exists("f"));
	OK(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR));
	ERR(EINVAL, unlinkat(AT_FDCWD, "d", 0x1));
	ERR(EBADF, unlinkat(999, "d", 0));
}

TEST(link_counts_and_identity)
{
	struct stat a, b;
	touch("f");
	OK(link("f", "g"));
	OK(stat("f", &a));
	OK(stat("g", &b));
	EQ(a.st_ino, b.st_ino);
	EQ(a.st_nlink, 2);
	ERR(EEXIST, link("f", "g"));
	ERR(ENOENT, link("none", "h"));
	OK(mkdir("d", 0755));
	ERR(EPERM, link("d", "h"));
	OK(unlink("f"));
	OK(stat("g", &b));
	EQ(b.st_nlink, 1);
	OK(symlink("g", "s"));
	OK(link("s", "s2"));
	OK(lstat("s2", &b));
	EQ(b.st_mode & S_IFMT, S_IFLNK);
	OK(linkat(AT_FDCWD, "s", AT_FDCWD, "g2", AT_SYMLINK_FOLLOW));
	OK(lstat("g2", &b));
	EQ(b.st_mode & S_IFMT, S_IFREG);
	ERR(EINVAL, linkat(AT_FDCWD, "g", AT_FDCWD, "x", 0x8000));
	ERR(ENOENT, link("g", "x/"));
}

TEST(symlink_and_readlink)
{
	char buf[64];
	struct stat st;
	OK(symlink("target/of any", "l"));
	EQ(readlink("l", buf, sizeof buf), 13);
	EQ(memcmp(buf, "target/of any", 13), 0);
	EQ(readlink("l", buf, 3), 3);
	ERR(EINVAL, readlink("l", buf, 0));
	ERR(EINVAL, readlink(".", buf, 8));
	ERR(ENOENT, readlink("none", buf, 8));
	ERR(EFAULT, readlink("l", (char *)1, 8));
	OK(lstat("l", &st));
	EQ(st.st_size, 13);
	EQ(st.st_mode, S_IFLNK | 0777);
	ERR(EEXIST, symlink("x", "l"));
	ERR(ENOENT, symlink("", "m"));
	ERR(ENOENT, symlink("x", ""));
	ERR(ENOENT, stat("l", &st));
	int p = OK(open("l", O_PATH | O_NOFOLLOW));
	EQ(readlinkat(p, "", buf, sizeof buf), 13);
}

TEST(symlinks_are_followed)
{
	char name[64], target[64];
	struct stat st;
	OK(mkdir("d", 0755));
	touch("d/f");
	OK(symlink("d", "ld"));
	OK(symlink("ld/f", "lf"));
	OK(stat("lf", &st));
	EQ(st.st_mode & S_IFMT, S_IFREG);
	OK(stat("ld/../d/f", &st));
	OK(lstat("ld/", &st));
	EQ(st.st_mode & S_IFMT, S_IFDIR);
	ERR(ENOTDIR, stat("lf/", &st));
	OK(symlink("d/f", "s0"));
	for (int i = 1; i <= 41; i++) {
		sprintf(name, "s%d", i);
		sprintf(target, "s%d", i - 1);
		OK(symlink(target, name));
	}
	OK(stat("s39", &st));
	ERR(ELOOP, stat("s40", &st));
}

TEST(rename_replaces)
{
	struct stat a, b;
	touch("f");
	touch("g");
	OK(stat("f", &a));
	OK(rename("f", "g"));
	OK(stat("g", &b));
	EQ(a.st_ino, b.st_ino);
	CHECK(!exists("f"));
	OK(link("g", "h"));
	OK(rename("g", "h"));
	CHECK(exists("g") && exists("h"));
	OK(rename("g", "g"));
}

TEST(rename_directories)
{
	struct stat st;
	OK(mkdir("a", 0755));
	OK(mkdir("a/b", 0755));
	OK(mkdir("c", 0755));
	touch("f");
	ERR(EINVAL, rename("a", "a/b/x"));
	ERR(ENOTEMPTY, rename("c", "a"));
	ERR(ENOTDIR, rename("c", "f"));
	ERR(EISDIR, rename("f", "c"));
	ERR(ENOENT, rename("none", "x"));
	ERR(ENOENT, rename("f", "none/x"));
	ERR(EBUSY, rename(".", "x"));
	ERR(EBUSY, rename("c", "c/."));
	OK(rename("a/b", "c"));
	CHECK(!exists("a/b"));
	OK(stat("a", &st));
	EQ(st.st_nlink, 2);
	ERR(ENOTDIR, rename("f", "x/"));
}

TEST(renameat2_flags)
{
	struct stat a, b;
	touch("f");
	OK(mkdir("d", 0755));
	OK(stat("f", &a));
	ERR(EEXIST, syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "d", RENAME_NOREPLACE));
	OK(syscall(SYS_renameat2, AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE));
	OK(syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "d", RENAME_EXCHANGE));
	OK(stat("d", &b));
	EQ(a.st_ino, b.st_ino);
	ERR(ENOENT, syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "none", RENAME_EXCHANGE));
	ERR(EINVAL, syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE));
	ERR(EINVAL, syscall(SYS_renameat2, AT_FDCWD, "g", AT_FDCWD, "d", 64));
}

TEST(sticky_directories_protect)
{
	if (geteuid() != 0)
		SKIP("needs root");
	OK(chmod(".", 0755));
	OK(mkdir("d", 0));
	OK(chmod("d", 01777));
	touch("d/f");
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, unlink("d/f"));
	ERR(EPERM, rename("d/f", "d/g"));
	touch("d/mine");
	OK(unlink("d/mine"));
	ERR(EACCES, unlink("d"));
}

struct seen {
	int count, dot, dotdot, dirs;
};

static struct seen list(const char *path, int bufsize)
{
	char buf[32768];
	struct seen s = {0};
	int fd = OK(open(path, O_RDONLY | O_DIRECTORY)), n;
	while ((n = OK(syscall(SYS_getdents64, fd, buf, bufsize))) > 0) {
		for (int at = 0; at < n;) {
			struct dirent64 *d = (struct dirent64 *)(buf + at);
			CHECK(d->d_reclen % 8 == 0);
			s.count++;
			s.dot += !strcmp(d->d_name, ".");
			s.dotdot += !strcmp(d->d_name, "..");
			s.dirs += d->d_type == DT_DIR;
			at += d->d_reclen;
		}
	}
	OK(close(fd));
	return s;
}

TEST(getdents_lists_everything_once)
{
	char name[300];
	for (int i = 0; i < 500; i++) {
		sprintf(name, "file-%d", i);
		touch(name);
	}
	OK(mkdir("sub", 0755));
	struct seen a = list(".", 32768), b = list(".", 200);
	EQ(a.count, 503);
	EQ(b.count, 503);
	EQ(a.dot, 1);
	EQ(a.dotdot, 1);
	EQ(a.dirs, 3);
}

TEST(getdents_errors)
{
	char buf[512];
	touch("f");
	int fd = OK(open("f", O_RDONLY)), d = OK(open(".", O_RDONLY));
	ERR(ENOTDIR, syscall(SYS_getdents64, fd, buf, sizeof buf));
	ERR(EBADF, syscall(SYS_getdents64, 999, buf, sizeof buf));
	ERR(EINVAL, syscall(SYS_getdents64, d, buf, 5));
	ERR(EFAULT, syscall(SYS_getdents64, d, 1, 512));
	OK(mkdir("gone", 0755));
	d = OK(open("gone", O_RDONLY));
	OK(rmdir("gone"));
	ERR(ENOENT, syscall(SYS_getdents64, d, buf, sizeof buf));
}

TEST(readdir_while_unlinking_sees_the_rest)
{
	char name[64];
	int seen = 0;
	for (int i = 0; i < 100; i++) {
		sprintf(name, "f%d", i);
		touch(name);
	}
	DIR *d = opendir(".");
	struct dirent *e;
	while ((e = readdir(d)))
		if (e->d_name[0] == 'f') {
			seen++;
			OK(unlink(e->d_name));
		}
	EQ(seen, 100);
	rewinddir(d);
	seen = 0;
	while ((e = readdir(d)))
		seen++;
	EQ(seen, 2);
}

TEST(seekdir_returns_to_an_entry)
{
	char name[64];
	for (int i = 0; i < 20; i++) {
		sprintf(name, "f%d", i);
		touch(name);
	}
	DIR *d = opendir(".");
	struct dirent *e;
	for (int i = 0; i < 10; i++)
		readdir(d);
	long at = telldir(d);
	e = readdir(d);
	strcpy(name, e->d_name);
	while (readdir(d))
		;
	seekdir(d, at);
	e = readdir(d);
	CHECK(e && !strcmp(e->d_name, name));
}

TEST(chdir_and_getcwd)
{
	char a[PATH_MAX], b[PATH_MAX];
	CHECK(getcwd(a, sizeof a));
	OK(mkdir("d", 0755));
	touch("f");
	int fd = OK(open("d", O_RDONLY)), f = OK(open("f", O_RDONLY));
	OK(chdir("d"));
	CHECK(getcwd(b, sizeof b));
	strcat(a, "/d");
	EQ(strcmp(a, b), 0);
	OK(chdir(".."));
	OK(fchdir(fd));
	CHECK(getcwd(b, sizeof b));
	EQ(strcmp(a, b), 0);
	EQ(syscall(SYS_getcwd, b, sizeof b), (long)strlen(a) + 1);
	ERR(ERANGE, syscall(SYS_getcwd, b, strlen(a)));
	ERR(ERANGE, syscall(SYS_getcwd, b, 0));
	ERR(EFAULT, syscall(SYS_getcwd, 1, 4096));
	ERR(ENOENT, chdir("none"));
	ERR(ENOTDIR, chdir("../f"));
	ERR(ENOTDIR, fchdir(f));
	ERR(EBADF, fchdir(999));
	OK(rmdir("../d"));
	ERR(ENOENT, syscall(SYS_getcwd, b, sizeof b));
	ERR(ENOENT, open("x", O_CREAT | O_WRONLY, 0600));
	OK(chdir("/"));
	CHECK(getcwd(b, sizeof b));
	EQ(strcmp(b, "/"), 0);
	OK(chdir("/../.."));
	CHECK(getcwd(b, sizeof b));
	EQ(strcmp(b, "/"), 0);
}

TEST(mknod_kinds)
{
	struct stat st;
	OK(mknod("r", S_IFREG | 0640, 0));
	OK(stat("r", &st));
	EQ(st.st_mode, S_IFREG | 0640);
	OK(mknod("r2", 0600, 0));
	OK(stat("r2", &st));
	EQ(st.st_mode, S_IFREG | 0600);
	OK(mkfifo("p", 0600));
	OK(stat("p", &st));
	EQ(st.st_mode, S_IFIFO | 0600);
	OK(mknod("s", S_IFSOCK | 0600, 0));
	ERR(EEXIST, mknod("p", S_IFREG | 0600, 0));
	ERR(EPERM, mknod("d", S_IFDIR | 0600, 0));
	ERR(EINVAL, mknod("x", 0170000 | 0600, 0));
	ERR(ENXIO, open("s", O_RDONLY));
}
