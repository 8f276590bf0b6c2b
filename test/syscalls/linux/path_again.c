/* Paths that are given again: the answer is that of now, whatever it was the last time. */
#include "../test.h"

static struct stat st;
static char buf[64];

/* What five calls say about a path, twice: 0 or an errno each; for the link the length of its target. */
static void says(const char *path, int opens, int stats, int lstats, int links, int reads)
{
	for (int i = 0; i < 2; i++) {
		int fd = open(path, O_RDONLY);
		CHECK((fd >= 0 ? 0 : errno) == opens);
		if (fd >= 0)
			close(fd);
		CHECK((syscall(SYS_stat, path, &st) == 0 ? 0 : errno) == stats);
		CHECK((syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) == 0 ? 0 : errno) == stats);
		CHECK((syscall(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno) == lstats);
		int n = readlink(path, buf, sizeof buf);
		CHECK(links < 0 ? n == -1 && errno == -links : n == links);
		CHECK((access(path, R_OK) == 0 ? 0 : errno) == reads);
	}
}

static void make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
	CHECK(fd >= 0);
	close(fd);
}

TEST(names_that_come_and_go)
{
	says("f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	make("f");
	says("f", 0, 0, 0, -EINVAL, 0);
	CHECK(S_ISREG(st.st_mode));
	CHECK(unlink("f") == 0);
	says("f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	CHECK(mkdir("f", 0755) == 0);
	says("f", 0, 0, 0, -EINVAL, 0);
	CHECK(S_ISDIR(st.st_mode));
	CHECK(rmdir("f") == 0);
	CHECK(symlink("g", "f") == 0);
	says("f", ENOENT, ENOENT, 0, 1, ENOENT);
	make("g");
	says("f", 0, 0, 0, 1, 0);
	CHECK(rename("g", "f") == 0);
	says("f", 0, 0, 0, -EINVAL, 0);
	says("g", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
}

TEST(directories_on_the_way)
{
	says("d/e/f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
	says("d/e/f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	make("d/e/f");
	says("d/e/f", 0, 0, 0, -EINVAL, 0);
	CHECK(rename("d", "x") == 0);
	says("d/e/f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	CHECK(symlink("x", "d") == 0);
	says("d/e/f", 0, 0, 0, -EINVAL, 0);
	CHECK(unlink("d") == 0);
	make("d");
	says("d/e/f", ENOTDIR, ENOTDIR, ENOTDIR, -ENOTDIR, ENOTDIR);
}

TEST(flags_that_ask_for_more)
{
	int fd;
	says("f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	CHECK(open("f", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOENT);
	CHECK(open("f", O_PATH) == -1 && errno == ENOENT);
	CHECK((fd = open("f", O_RDWR | O_CREAT, 0644)) >= 0);
	CHECK(write(fd, "abc", 3) == 3);
	close(fd);
	says("f", 0, 0, 0, -EINVAL, 0);
	CHECK(st.st_size == 3);
	CHECK(open("f", O_RDONLY | O_DIRECTORY) == -1 && errno == ENOTDIR);
	CHECK(open("f", O_RDWR | O_CREAT | O_EXCL, 0644) == -1 && errno == EEXIST);
	CHECK((fd = open("f", O_WRONLY | O_TRUNC)) >= 0);
	close(fd);
	CHECK(stat("f", &st) == 0 && st.st_size == 0);
	CHECK(symlink("f", "l") == 0);
	says("l", 0, 0, 0, 1, 0);
	CHECK(open("l", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
	CHECK((fd = open("l", O_PATH | O_NOFOLLOW)) >= 0);
	CHECK(fstat(fd, &st) == 0 && S_ISLNK(st.st_mode));
	close(fd);
	CHECK((fd = open(".", O_RDWR | O_TMPFILE, 0600)) >= 0);
	close(fd);
}

TEST(relative_to_other_places)
{
	int a, b;
	CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
	make("a/f");
	CHECK((a = open("a", O_RDONLY | O_DIRECTORY)) >= 0);
	CHECK((b = open("b", O_RDONLY | O_DIRECTORY)) >= 0);
	for (int i = 0; i < 3; i++) {
		CHECK(fstatat(a, "f", &st, 0) == 0);
		CHECK(fstatat(b, "f", &st, 0) == -1 && errno == ENOENT);
		CHECK(fstatat(b, "f", &st, 0) == -1 && errno == ENOENT);
		CHECK(openat(b, "f", O_RDONLY) == -1 && errno == ENOENT);
		CHECK(openat(-1, "f", O_RDONLY) == -1 && errno == EBADF);
		CHECK(readlinkat(a, "f", buf, sizeof buf) == -1 && errno == EINVAL);
		CHECK(readlinkat(b, "f", buf, sizeof buf) == -1 && errno == ENOENT);
		CHECK(faccessat(b, "f", F_OK, 0) == -1 && errno == ENOENT);
	}
	/* Another directory under the same number. */
	CHECK(dup2(a, b) == b);
	CHECK(faccessat(b, "f", F_OK, 0) == 0);
	CHECK(chdir("b") == 0);
	says("f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	CHECK(chdir("../a") == 0);
	says("f", 0, 0, 0, -EINVAL, 0);
}

TEST(rights_that_change)
{
	int status;
	if (geteuid() != 0)
		SKIP("only root can become somebody else");
	CHECK(chmod(".", 0755) == 0 && mkdir("d", 0755) == 0);
	make("d/f");
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		says("d/f", 0, 0, 0, -EINVAL, 0);
		CHECK(syscall(SYS_setresuid, 1000, 1000, 1000) == 0);
		says("d/f", 0, 0, 0, -EINVAL, 0);
		_exit(7);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHECK(chmod("d", 0700) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		says("d/f", 0, 0, 0, -EINVAL, 0);
		CHECK(syscall(SYS_setresuid, 1000, 1000, 1000) == 0);
		says("d/f", EACCES, EACCES, EACCES, -EACCES, EACCES);
		says("d/none", EACCES, EACCES, EACCES, -EACCES, EACCES);
		_exit(7);
	}
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
	CHECK(chmod("d/f", 0600) == 0 && chmod("d", 0755) == 0);
	/* Real and effective ids: access(2) asks for the first. */
	says("d/f", 0, 0, 0, -EINVAL, 0);
	CHECK(syscall(SYS_setresuid, 1000, 0, 0) == 0);
	says("d/f", 0, 0, 0, -EINVAL, EACCES);
}

TEST(no_room_for_descriptors)
{
	int fds[64], n = 0;
	says("f", ENOENT, ENOENT, ENOENT, -ENOENT, ENOENT);
	struct { unsigned long cur, max; } l = {32, 32};
	CHECK(syscall(SYS_prlimit64, 0, 7, &l, 0) == 0);
	while (n < 64 && (fds[n] = dup(0)) >= 0)
		n++;
	CHECK(errno == EMFILE);
	/* That comes first. */
	CHECK(open("f", O_RDONLY) == -1 && errno == EMFILE);
	CHECK(stat("f", &st) == -1 && errno == ENOENT);
	close(fds[0]);
	CHECK(open("f", O_RDONLY) == -1 && errno == ENOENT);
}
