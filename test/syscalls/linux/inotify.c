/* inotify. */
#include "../test.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static int in;

/* Reads one event and checks it; 0 as name means none. The answer is its cookie. */
static unsigned expect(int wd, unsigned mask, const char *name)
{
	static char buf[8192] __attribute__((aligned(8)));
	static long have, at;
	if (at >= have) {
		have = read(in, buf, sizeof buf);
		at = 0;
		if (have < 0)
			FAIL("no event; want mask %x name %s", mask, name ? name : "");
	}
	struct inotify_event *e = (void *)(buf + at);
	at += sizeof *e + e->len;
	if (e->wd != wd || e->mask != mask || (name ? e->len == 0 || strcmp(e->name, name) : e->len != 0))
		FAIL("got wd %d mask %x name %s; want wd %d mask %x name %s", e->wd, e->mask, e->len ? e->name : "", wd, mask, name ? name : "");
	EQ(e->len % sizeof(struct inotify_event), 0);
	return e->cookie;
}

static void expect_nothing(void)
{
	char buf[1024];
	ERR(EAGAIN, read(in, buf, sizeof buf));
}

static void start(void)
{
	in = OK(inotify_init1(IN_NONBLOCK));
}

TEST(creation_and_removal_in_a_directory)
{
	start();
	int wd = OK(inotify_add_watch(in, ".", IN_CREATE | IN_DELETE));
	EQ(wd, 1);
	OK(close(OK(open("f", O_CREAT | O_RDWR, 0600))));
	OK(mkdir("d", 0700));
	OK(symlink("x", "l"));
	OK(link("f", "g"));
	OK(unlink("f"));
	OK(rmdir("d"));
	expect(wd, IN_CREATE, "f");
	expect(wd, IN_CREATE | IN_ISDIR, "d");
	expect(wd, IN_CREATE, "l");
	expect(wd, IN_CREATE, "g");
	expect(wd, IN_DELETE, "f");
	expect(wd, IN_DELETE | IN_ISDIR, "d");
	expect_nothing();
}

TEST(use_of_a_file)
{
	char c;
	int fd = OK(open("f", O_CREAT | O_RDWR, 0600));
	start();
	int wd = OK(inotify_add_watch(in, "f", IN_ALL_EVENTS));
	OK(write(fd, "x", 1));
	EQ(pread(fd, &c, 1, 0), 1);
	OK(ftruncate(fd, 0));
	OK(fchmod(fd, 0644));
	OK(close(fd));
	OK(close(OK(open("f", O_RDONLY))));
	expect(wd, IN_MODIFY, 0);
	expect(wd, IN_ACCESS, 0);
	expect(wd, IN_MODIFY, 0);
	expect(wd, IN_ATTRIB, 0);
	expect(wd, IN_CLOSE_WRITE, 0);
	expect(wd, IN_OPEN, 0);
	expect(wd, IN_CLOSE_NOWRITE, 0);
	expect_nothing();
}

TEST(a_directory_watch_sees_its_files)
{
	start();
	int fd = OK(open("f", O_CREAT | O_RDWR, 0600)), wd = OK(inotify_add_watch(in, ".", IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE));
	OK(write(fd, "x", 1));
	OK(chmod("f", 0600));
	OK(close(fd));
	expect(wd, IN_MODIFY, "f");
	expect(wd, IN_ATTRIB, "f");
	expect(wd, IN_CLOSE_WRITE, "f");
	expect_nothing();
}

TEST(moves_are_paired)
{
	OK(mkdir("a", 0700));
	OK(mkdir("b", 0700));
	OK(close(OK(open("a/f", O_CREAT | O_RDWR, 0600))));
	start();
	int wa = OK(inotify_add_watch(in, "a", IN_MOVE)), wb = OK(inotify_add_watch(in, "b", IN_MOVE)), wf = OK(inotify_add_watch(in, "a/f", IN_MOVE_SELF));
	OK(rename("a/f", "b/g"));
	unsigned from = expect(wa, IN_MOVED_FROM, "f"), to = expect(wb, IN_MOVED_TO, "g");
	CHECK(from != 0);
	EQ(from, to);
	expect(wf, IN_MOVE_SELF, 0);
	expect_nothing();
}

TEST(the_end_of_the_watched)
{
	OK(close(OK(open("f", O_CREAT | O_RDWR, 0600))));
	OK(mkdir("d", 0700));
	start();
	int wf = OK(inotify_add_watch(in, "f", IN_DELETE_SELF | IN_ATTRIB)), wd = OK(inotify_add_watch(in, "d", IN_DELETE_SELF));
	OK(unlink("f"));
	expect(wf, IN_ATTRIB, 0);
	expect(wf, IN_DELETE_SELF, 0);
	expect(wf, IN_IGNORED, 0);
	OK(rmdir("d"));
	expect(wd, IN_DELETE_SELF, 0);
	expect(wd, IN_IGNORED, 0);
	expect_nothing();
	ERR(EINVAL, inotify_rm_watch(in, wf));
}

TEST(watches_are_replaced_joined_and_removed)
{
	OK(close(OK(open("f", O_CREAT | O_RDWR, 0600))));
	start();
	int wd = OK(inotify_add_watch(in, "f", IN_ATTRIB));
	EQ(OK(inotify_add_watch(in, "./f", IN_OPEN)), wd);
	OK(chmod("f", 0600));
	expect_nothing();
	EQ(OK(inotify_add_watch(in, "f", IN_ATTRIB | IN_MASK_ADD)), wd);
	OK(chmod("f", 0600));
	expect(wd, IN_ATTRIB, 0);
	ERR(EEXIST, inotify_add_watch(in, "f", IN_ATTRIB | IN_MASK_CREATE));
	OK(inotify_rm_watch(in, wd));
	expect(wd, IN_IGNORED, 0);
	OK(chmod("f", 0600));
	expect_nothing();
	/* Numbers are not used again. */
	EQ(OK(inotify_add_watch(in, "f", IN_ATTRIB)), wd + 1);
}

TEST(oneshot_and_onlydir_and_dont_follow)
{
	OK(close(OK(open("f", O_CREAT | O_RDWR, 0600))));
	OK(symlink("f", "l"));
	start();
	int wd = OK(inotify_add_watch(in, "f", IN_ATTRIB | IN_ONESHOT));
	OK(chmod("f", 0600));
	OK(chmod("f", 0600));
	expect(wd, IN_ATTRIB, 0);
	expect(wd, IN_IGNORED, 0);
	expect_nothing();
	ERR(ENOTDIR, inotify_add_watch(in, "f", IN_ATTRIB | IN_ONLYDIR));
	int wf = OK(inotify_add_watch(in, "l", IN_ATTRIB)), wl = OK(inotify_add_watch(in, "l", IN_ATTRIB | IN_DONT_FOLLOW));
	CHECK(wf != wl);
}

TEST(equal_events_in_a_row_are_one)
{
	int fd = OK(open("f", O_CREAT | O_RDWR, 0600));
	start();
	int wd = OK(inotify_add_watch(in, "f", IN_MODIFY | IN_ATTRIB));
	for (int i = 0; i < 5; i++)
		OK(write(fd, "x", 1));
	OK(fchmod(fd, 0600));
	OK(write(fd, "x", 1));
	expect(wd, IN_MODIFY, 0);
	expect(wd, IN_ATTRIB, 0);
	expect(wd, IN_MODIFY, 0);
	expect_nothing();
}

TEST(reading_and_polling)
{
	char small[8];
	int n = -1;
	start();
	struct pollfd p = {in, POLLIN, 0};
	OK(inotify_add_watch(in, ".", IN_CREATE));
	EQ(poll(&p, 1, 0), 0);
	OK(mkdir("d", 0700));
	EQ(poll(&p, 1, 0), 1);
	OK(ioctl(in, FIONREAD, &n));
	EQ(n, (int)sizeof(struct inotify_event) + 16);
	ERR(EINVAL, read(in, small, sizeof small));
	expect(1, IN_CREATE | IN_ISDIR, "d");
	EQ(poll(&p, 1, 0), 0);
	/* An event that cannot be delivered is gone. */
	OK(rmdir("d"));
	OK(mkdir("d", 0700));
	ERR(EFAULT, read(in, (void *)8, 4096));
	EQ(poll(&p, 1, 0), 0);
	ERR(EBADF, write(in, small, 1));
}

TEST(a_reader_sleeps_until_an_event)
{
	char buf[1024];
	in = OK(inotify_init1(0));
	OK(inotify_add_watch(in, ".", IN_CREATE));
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		_exit(mkdir("d", 0700));
	}
	EQ(read(in, buf, sizeof buf), (long)sizeof(struct inotify_event) + 16);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(inotify_errors)
{
	start();
	int null = OK(open("/dev/null", O_RDWR));
	ERR(EINVAL, inotify_init1(1));
	ERR(EBADF, inotify_add_watch(999, ".", IN_CREATE));
	ERR(EINVAL, inotify_add_watch(null, ".", IN_CREATE));
	ERR(EINVAL, inotify_add_watch(in, ".", 0));
	ERR(EINVAL, inotify_add_watch(in, ".", IN_CREATE | IN_MASK_ADD | IN_MASK_CREATE));
	ERR(ENOENT, inotify_add_watch(in, "none", IN_CREATE));
	ERR(EFAULT, inotify_add_watch(in, (char *)8, IN_CREATE));
	ERR(EBADF, inotify_rm_watch(999, 1));
	ERR(EINVAL, inotify_rm_watch(null, 1));
	ERR(EINVAL, inotify_rm_watch(in, 99));
	EQ(fcntl(OK(inotify_init1(IN_CLOEXEC)), F_GETFD), FD_CLOEXEC);
	EQ(fcntl(in, F_GETFL) & O_ACCMODE, O_RDONLY);
	OK(mkdir("closed", 0000));
	OK(chmod(".", 0755));
	OK(setresuid(65534, 65534, 65534));
	ERR(EACCES, inotify_add_watch(in, "closed", IN_CREATE));
}

static int file(const char *name)
{
	return OK(open(name, O_CREAT | O_RDWR, 0600));
}

TEST(every_change_of_attributes)
{
	struct timespec access[2] = {{1, 0}, {0, UTIME_OMIT}}, modify[2] = {{0, UTIME_OMIT}, {1, 0}};
	int fd = file("f");
	start();
	int wd = OK(inotify_add_watch(in, "f", IN_ALL_EVENTS));
	OK(chown("f", 0, 0));
	expect(wd, IN_ATTRIB, 0);
	OK(utimensat(AT_FDCWD, "f", 0, 0));
	expect(wd, IN_ATTRIB, 0);
	OK(utimensat(AT_FDCWD, "f", access, 0));
	expect(wd, IN_ACCESS, 0);
	OK(futimens(fd, modify));
	expect(wd, IN_MODIFY, 0);
	OK(truncate("f", 0));
	expect(wd, IN_MODIFY, 0);
	OK(posix_fallocate(fd, 0, 10));
	expect(wd, IN_MODIFY, 0);
	OK(syscall(SYS_setxattr, "f", "user.a", "b", 1, 0));
	expect(wd, IN_ATTRIB, 0);
	OK(syscall(SYS_fremovexattr, fd, "user.a"));
	expect(wd, IN_ATTRIB, 0);
	OK(close(OK(open("f", O_WRONLY | O_TRUNC))));
	expect(wd, IN_OPEN, 0);
	expect(wd, IN_MODIFY, 0);
	expect(wd, IN_CLOSE_WRITE, 0);
	OK(close(OK(open("f", O_PATH))));
	expect_nothing();
}

TEST(directories)
{
	char buf[1000];
	OK(mkdir("d", 0700));
	start();
	int wd = OK(inotify_add_watch(in, "d", IN_ALL_EVENTS)), up = OK(inotify_add_watch(in, ".", IN_OPEN | IN_CLOSE | IN_ATTRIB));
	int fd = OK(open("d", O_RDONLY));
	OK(syscall(SYS_getdents64, fd, buf, sizeof buf));
	OK(close(fd));
	OK(chmod("d", 0755));
	expect(up, IN_OPEN | IN_ISDIR, "d");
	expect(wd, IN_OPEN | IN_ISDIR, 0);
	expect(wd, IN_ACCESS | IN_ISDIR, 0);
	expect(up, IN_CLOSE_NOWRITE | IN_ISDIR, "d");
	expect(wd, IN_CLOSE_NOWRITE | IN_ISDIR, 0);
	expect(up, IN_ATTRIB | IN_ISDIR, "d");
	expect(wd, IN_ATTRIB | IN_ISDIR, 0);
	expect_nothing();
}

TEST(links_and_the_last_of_them)
{
	OK(close(file("a")));
	OK(link("a", "b"));
	start();
	int wd = OK(inotify_add_watch(in, "a", IN_ALL_EVENTS));
	EQ(OK(inotify_add_watch(in, "b", IN_ALL_EVENTS)), wd);
	OK(link("a", "c"));
	expect(wd, IN_ATTRIB, 0);
	OK(unlink("a"));
	expect(wd, IN_ATTRIB, 0);
	OK(close(OK(open("b", O_RDONLY))));
	expect(wd, IN_OPEN, 0);
	expect(wd, IN_CLOSE_NOWRITE, 0);
	OK(unlink("b"));
	OK(unlink("c"));
	expect(wd, IN_ATTRIB, 0);
	expect(wd, IN_DELETE_SELF, 0);
	expect(wd, IN_IGNORED, 0);
	expect_nothing();
}

TEST(an_open_file_lives_on)
{
	int fd = file("f");
	start();
	int wd = OK(inotify_add_watch(in, "f", IN_ALL_EVENTS)), up = OK(inotify_add_watch(in, ".", IN_ALL_EVENTS));
	OK(unlink("f"));
	expect(wd, IN_ATTRIB, 0);
	expect(up, IN_DELETE, "f");
	OK(write(fd, "x", 1));
	expect(up, IN_MODIFY, "f");
	expect(wd, IN_MODIFY, 0);
	OK(close(fd));
	expect(up, IN_CLOSE_WRITE, "f");
	expect(wd, IN_CLOSE_WRITE, 0);
	expect(wd, IN_DELETE_SELF, 0);
	expect(wd, IN_IGNORED, 0);
	expect_nothing();
}

TEST(excluding_what_is_unlinked)
{
	int fd = file("f");
	start();
	int up = OK(inotify_add_watch(in, ".", IN_ALL_EVENTS | IN_EXCL_UNLINK));
	OK(write(fd, "x", 1));
	expect(up, IN_MODIFY, "f");
	OK(unlink("f"));
	expect(up, IN_DELETE, "f");
	OK(write(fd, "x", 1));
	OK(close(fd));
	expect_nothing();
}

TEST(a_directory_in_use_goes_late)
{
	int pipes[2], status;
	char c;
	OK(pipe(pipes));
	OK(mkdir("d", 0700));
	start();
	int wd = OK(inotify_add_watch(in, "d", IN_DELETE_SELF));
	pid_t pid = fork();
	if (pid == 0) {
		OK(close(pipes[1]));
		OK(chdir("d"));
		OK(read(pipes[0], &c, 1));
		_exit(0);
	}
	usleep(50000);
	OK(rmdir("d"));
	expect_nothing();
	OK(close(pipes[1]));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	for (int i = 0; i < 100; i++) {
		struct pollfd p = {in, POLLIN, 0};
		if (poll(&p, 1, 20) == 1)
			break;
	}
	expect(wd, IN_DELETE_SELF, 0);
	expect(wd, IN_IGNORED, 0);
}

TEST(renaming_over_a_file_and_exchanging)
{
	OK(close(file("a")));
	OK(close(file("b")));
	start();
	int up = OK(inotify_add_watch(in, ".", IN_MOVE)), a = OK(inotify_add_watch(in, "a", IN_ALL_EVENTS)), b = OK(inotify_add_watch(in, "b", IN_ALL_EVENTS));
	OK(rename("a", "b"));
	unsigned cookie = expect(up, IN_MOVED_FROM, "a");
	EQ(expect(up, IN_MOVED_TO, "b"), cookie);
	expect(b, IN_ATTRIB, 0);
	expect(a, IN_MOVE_SELF, 0);
	expect(b, IN_DELETE_SELF, 0);
	expect(b, IN_IGNORED, 0);
	OK(close(file("c")));
	OK(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "c", 2));
	unsigned first = expect(up, IN_MOVED_FROM, "b");
	EQ(expect(up, IN_MOVED_TO, "c"), first);
	CHECK(first != cookie);
	expect(a, IN_MOVE_SELF, 0);
	unsigned second = expect(up, IN_MOVED_FROM, "c");
	EQ(expect(up, IN_MOVED_TO, "b"), second);
	CHECK(second != first);
	OK(rename("b", "b"));
	expect_nothing();
}

TEST(files_of_other_kinds)
{
	start();
	int up = OK(inotify_add_watch(in, ".", IN_ALL_EVENTS));
	OK(mkfifo("p", 0600));
	expect(up, IN_CREATE, "p");
	OK(close(OK(open("p", O_RDWR))));
	expect(up, IN_OPEN, "p");
	expect(up, IN_CLOSE_WRITE, "p");
	OK(symlink("p", "l"));
	expect(up, IN_CREATE, "l");
	char buf[10];
	OK(readlink("l", buf, sizeof buf));
	OK(unlink("l"));
	expect(up, IN_DELETE, "l");
	int wd = OK(inotify_add_watch(in, "/dev/null", IN_ALL_EVENTS)), fd = OK(open("/dev/null", O_RDWR));
	OK(write(fd, "x", 1));
	OK(read(fd, buf, 1));
	OK(close(fd));
	expect(wd, IN_OPEN, 0);
	expect(wd, IN_MODIFY, 0);
	expect(wd, IN_CLOSE_WRITE, 0);
	expect_nothing();
}

TEST(copies_inside_the_kernel)
{
	int a = file("a"), b = file("b");
	loff_t from = 0, to = 0;
	OK(write(a, "0123456789", 10));
	start();
	int wa = OK(inotify_add_watch(in, "a", IN_ALL_EVENTS)), wb = OK(inotify_add_watch(in, "b", IN_ALL_EVENTS));
	EQ(OK(syscall(SYS_copy_file_range, a, &from, b, &to, 5, 0)), 5);
	expect(wa, IN_ACCESS, 0);
	expect(wb, IN_MODIFY, 0);
	from = 0;
	EQ(OK(syscall(SYS_sendfile, b, a, &from, 5)), 5);
	expect(wa, IN_ACCESS, 0);
	expect(wb, IN_MODIFY, 0);
	expect_nothing();
}

TEST(too_many_events)
{
	enum { MANY = 16400 };
	char *buf = malloc(4 << 20), name[20];
	int n = 0, last = 0, wd = 0;
	start();
	OK(inotify_add_watch(in, ".", IN_CREATE | IN_DELETE));
	for (int i = 0; i < MANY / 2; i++) {
		snprintf(name, sizeof name, "n%d", i);
		OK(mkdir(name, 0700));
		OK(rmdir(name));
	}
	long have = OK(read(in, buf, 4 << 20));
	for (long at = 0; at < have;) {
		struct inotify_event *e = (void *)(buf + at);
		last = e->mask;
		wd = e->wd;
		at += sizeof *e + e->len;
		n++;
	}
	EQ(n, 16385);
	EQ(last, IN_Q_OVERFLOW);
	EQ(wd, -1);
	/* Then it goes on. */
	OK(mkdir("d", 0700));
	expect(1, IN_CREATE | IN_ISDIR, "d");
}

TEST(instances_are_apart_and_shared_by_fork)
{
	int status;
	start();
	int first = in, wd = OK(inotify_add_watch(in, ".", IN_CREATE));
	start();
	EQ(OK(inotify_add_watch(in, ".", IN_CREATE | IN_DELETE)), wd);
	pid_t pid = fork();
	if (pid == 0) {
		OK(mkdir("d", 0700));
		OK(rmdir("d"));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	expect(wd, IN_CREATE | IN_ISDIR, "d");
	expect(wd, IN_DELETE | IN_ISDIR, "d");
	expect_nothing();
	in = first;
	expect(wd, IN_CREATE | IN_ISDIR, "d");
	expect_nothing();
}

TEST(limits)
{
	int n = 0, fds[200];
	char buf[20] = "";
	int fd = OK(open("/proc/sys/fs/inotify/max_user_instances", O_RDONLY));
	OK(read(fd, buf, sizeof buf - 1));
	if (atoi(buf) > 150)
		SKIP("too many instances are allowed");
	while (n < 200 && (fds[n] = inotify_init1(0)) >= 0)
		n++;
	EQ(errno, EMFILE);
	CHECK(n > 10 && n < 200);
	OK(close(fds[0]));
	usleep(50000);
	OK(inotify_init1(0));
}

TEST(its_description)
{
	char name[60], line[300], want[100];
	struct stat st;
	int seen = 0;
	start();
	OK(inotify_add_watch(in, ".", IN_CREATE | IN_ONESHOT));
	OK(stat(".", &st));
	snprintf(name, sizeof name, "/proc/self/fdinfo/%d", in);
	snprintf(want, sizeof want, "inotify wd:1 ino:%lx sdev:", (unsigned long)st.st_ino);
	FILE *f = fopen(name, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		seen += strncmp(line, want, strlen(want)) == 0 && strstr(line, "mask:80000100 ignored_mask:0 ") != 0;
	EQ(seen, 1);
	snprintf(name, sizeof name, "/proc/self/fd/%d", in);
	line[OK(readlink(name, line, sizeof line - 1))] = 0;
	EQ(strcmp(line, "anon_inode:inotify"), 0);
}
