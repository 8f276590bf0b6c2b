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
