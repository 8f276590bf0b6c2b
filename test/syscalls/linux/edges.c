/* Edges of calls: sizes at their limits, buffers that end early, files that lost their subject. */
#include "../test.h"
#include <dirent.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>

/* The last `n` bytes before memory that is not there. */
static char *before_a_hole(int n)
{
	char *p = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	OK(p == MAP_FAILED ? -1 : 0);
	OK(munmap(p + 4096, 4096));
	return p + 4096 - n;
}

static void write_file(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY));
	EQ(OK(write(fd, text, strlen(text))), (long)strlen(text));
	OK(close(fd));
}

static int text_is(const char *path, const char *text)
{
	char buf[256] = "";
	int fd = OK(open(path, O_RDONLY));
	long n = OK(read(fd, buf, sizeof buf - 1));
	OK(close(fd));
	buf[n] = 0;
	return strcmp(buf, text) == 0;
}

TEST(eventfd_writes_are_eight_bytes)
{
	uint64_t v[2] = {1, 1};
	int fd = OK(eventfd(0, EFD_NONBLOCK));
	ERR(EINVAL, write(fd, v, 16));
	ERR(EINVAL, write(fd, v, 9));
	ERR(EINVAL, write(fd, v, 7));
	EQ(OK(write(fd, v, 8)), 8);
	EQ(OK(read(fd, v, 16)), 8);
}

TEST(getdents_gives_the_records_that_fit_in_memory)
{
	int fd, i, seen = 0;
	char name[16];
	OK(mkdir("d", 0755));
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof name, "d/%d", i);
		OK(close(OK(open(name, O_WRONLY | O_CREAT, 0644))));
	}
	fd = OK(open("d", O_RDONLY | O_DIRECTORY));
	ERR(EFAULT, syscall(SYS_getdents64, fd, before_a_hole(8), 4096));
	for (;;) {
		char *p = before_a_hole(100);
		long n = OK(syscall(SYS_getdents64, fd, p, 4096)), at = 0;
		if (n == 0)
			break;
		CHECK(n <= 100);
		for (; at < n; seen++)
			at += *(unsigned short *)(p + at + offsetof(struct dirent, d_reclen));
		EQ(at, n);
	}
	EQ(seen, 22);
}

TEST(getdents_has_no_room_beyond_int_max)
{
	char buf[4096];
	int fd = OK(open(".", O_RDONLY | O_DIRECTORY));
	ERR(EINVAL, syscall(SYS_getdents64, fd, buf, 0x80000000u));
	ERR(EINVAL, syscall(SYS_getdents64, fd, buf, ~0u));
	CHECK(OK(syscall(SYS_getdents64, fd, buf, 0x7fffffffu)) > 0);
}

TEST(directories_of_proc_and_sys_have_an_end)
{
	const char *paths[] = {"/proc", "/proc/self", "/proc/self/fd", "/proc/self/task", "/proc/sys", "/sys"};
	for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
		int fd = OK(open(paths[i], O_RDONLY | O_DIRECTORY));
		EQ(OK(lseek(fd, 5, SEEK_END)), 5);
		ERR(EINVAL, lseek(fd, -1, SEEK_END));
		OK(close(fd));
	}
}

TEST(a_dead_process_has_no_files)
{
	char path[64], buf[256];
	int dir, task, pid = OK(fork());
	if (pid == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof path, "/proc/%d", pid);
	dir = OK(open(path, O_RDONLY | O_DIRECTORY));
	task = OK(openat(dir, "task", O_RDONLY | O_DIRECTORY));
	OK(kill(pid, SIGKILL));
	EQ(OK(waitpid(pid, 0, 0)), pid);
	ERR(ESRCH, readlinkat(dir, "exe", buf, sizeof buf));
	ERR(ESRCH, readlinkat(dir, "ns/pid", buf, sizeof buf));
	ERR(ESRCH, openat(dir, "stat", O_RDONLY));
	ERR(ESRCH, faccessat(dir, "no such name", F_OK, 0));
	ERR(ENOENT, syscall(SYS_getdents64, dir, buf, sizeof buf));
	ERR(ENOENT, syscall(SYS_getdents64, task, buf, sizeof buf));
	ERR(ENOENT, open(path, O_RDONLY));
}

TEST(only_regular_files_open_directly)
{
	OK(mkdir("d", 0755));
	ERR(EINVAL, open("d", O_RDONLY | O_DIRECT));
	ERR(EINVAL, open("/dev/null", O_RDWR | O_DIRECT));
	ERR(EINVAL, open("/proc", O_RDONLY | O_DIRECT));
	OK(open("d", O_PATH | O_DIRECT));
}

TEST(lengths_that_pass_the_last_offset)
{
	loff_t last = INT64_MAX - 1;
	int p[2], in, out = OK(open("out", O_RDWR | O_CREAT, 0644));
	OK(close(OK(open("in", O_WRONLY | O_CREAT, 0644))));
	in = OK(open("in", O_RDONLY));
	ERR(EINVAL, sendfile(out, in, &last, 3));
	ERR(EINVAL, sendfile(out, in, 0, -1));
	EQ(OK(sendfile(out, in, 0, INT64_MAX)), 0);
	OK(pipe(p));
	EQ(OK(write(p[1], "abc", 3)), 3);
	ERR(EINVAL, splice(p[0], 0, out, &last, 3, 0));
	ERR(EINVAL, splice(in, &last, p[1], 0, 3, 0));
	ERR(EINVAL, sync_file_range(out, 8192, INT64_MAX - 4096, 0));
	ERR(EINVAL, sync_file_range(out, 0, -1, 0));
	OK(sync_file_range(out, 0, INT64_MAX, 0));
}

TEST(an_empty_vector_still_has_an_address)
{
	char b[4];
	struct iovec v[2] = {{(void *)~0ul, 0}, {b, sizeof b}};
	int fd = OK(open("f", O_RDWR | O_CREAT, 0644));
	ERR(EFAULT, readv(fd, v, 2));
	ERR(EFAULT, writev(fd, v, 2));
	v[0].iov_base = 0;
	EQ(OK(readv(fd, v, 2)), 0);
}

TEST(who_opened_a_file_may_link_it)
{
	int fd = OK(open(".", O_TMPFILE | O_RDWR, 0644)), pid;
	struct stat st;
	OK(linkat(fd, "", AT_FDCWD, "privileged", AT_EMPTY_PATH));
	OK(stat("privileged", &st));
	if (geteuid() != 0)
		SKIP("needs root");
	OK(chmod(".", 0777));
	pid = OK(fork());
	if (pid == 0) {
		OK(syscall(SYS_setresgid, 1000, 1000, 1000));
		OK(syscall(SYS_setresuid, 1000, 1000, 1000));
		ERR(ENOENT, linkat(fd, "", AT_FDCWD, "foreign", AT_EMPTY_PATH));
		fd = OK(open(".", O_TMPFILE | O_RDWR, 0644));
		OK(linkat(fd, "", AT_FDCWD, "own", AT_EMPTY_PATH));
		_exit(0);
	}
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(capabilities_of_a_file_fall_with_its_owner_and_its_content)
{
	struct vfs_cap_data c = {.magic_etc = VFS_CAP_REVISION_2, .data[0] = {1, 0}};
	const char *name = "security.capability";
	int fd = OK(open("f", O_RDWR | O_CREAT, 0755));
	if (fsetxattr(fd, name, &c, sizeof c, 0) != 0)
		SKIP("may not give capabilities");
	OK(fchmod(fd, 0700));
	CHECK(OK(fgetxattr(fd, name, 0, 0)) > 0);
	OK(fchown(fd, 1, 1));
	ERR(ENODATA, fgetxattr(fd, name, 0, 0));
	OK(fsetxattr(fd, name, &c, sizeof c, 0));
	EQ(OK(write(fd, "x", 1)), 1);
	ERR(ENODATA, fgetxattr(fd, name, 0, 0));
	OK(fsetxattr(fd, name, &c, sizeof c, 0));
	OK(ftruncate(fd, 0));
	ERR(ENODATA, fgetxattr(fd, name, 0, 0));
}

TEST(numbers_are_written_to_proc_as_c_spells_them)
{
	write_file("/proc/self/coredump_filter", "0x27");
	CHECK(text_is("/proc/self/coredump_filter", "00000027\n"));
	int fd = OK(open("/proc/self/coredump_filter", O_WRONLY));
	EQ(OK(write(fd, "7\0", 2)), 2);
	CHECK(text_is("/proc/self/coredump_filter", "00000007\n"));
	int status, pid = OK(fork());
	if (pid == 0) {
		CHECK(text_is("/proc/self/coredump_filter", "00000007\n"));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	ERR(EINVAL, write(fd, "-1", 2));
	ERR(EINVAL, write(fd, "x", 1));
	write_file("/proc/self/oom_score_adj", "010");
	CHECK(text_is("/proc/self/oom_score_adj", "8\n"));
	fd = OK(open("/proc/self/oom_score_adj", O_WRONLY));
	EQ(OK(write(fd, "9\0", 2)), 2);
	CHECK(text_is("/proc/self/oom_score_adj", "9\n"));
}

TEST(waiting_for_a_stop_ends_when_the_last_child_dies)
{
	siginfo_t si;
	int pid = OK(fork());
	if (pid == 0) {
		usleep(50000);
		_exit(3);
	}
	ERR(ECHILD, waitid(P_ALL, 0, &si, WSTOPPED));
	ERR(ECHILD, waitid(P_PID, pid, &si, WSTOPPED | WCONTINUED | WNOHANG));
	OK(waitid(P_PID, pid, &si, WEXITED));
	EQ(si.si_status, 3);
}

static int futex_word;

static void *wait_privately(void *result)
{
	struct timespec t = {1, 0};
	*(long *)result = syscall(SYS_futex, &futex_word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &t, 0, 0);
	return 0;
}

TEST(shared_wakes_do_not_reach_private_waiters)
{
	pthread_t thread;
	long result = -2;
	EQ(pthread_create(&thread, 0, wait_privately, &result), 0);
	usleep(200000);
	EQ(OK(syscall(SYS_futex, &futex_word, FUTEX_WAKE, 1, 0, 0, 0)), 0);
	EQ(OK(syscall(SYS_futex, &futex_word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0, 0, 0)), 1);
	EQ(pthread_join(thread, 0), 0);
	EQ(result, 0);
}

TEST(a_change_of_the_host_name_is_an_event)
{
	char name[65] = "";
	struct epoll_event ev = {0}, got;
	int ep = OK(epoll_create1(0)), fd = OK(open("/proc/sys/kernel/hostname", O_RDONLY));
	if (unshare(CLONE_NEWUTS) != 0)
		SKIP("may not make a UTS namespace");
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	OK(epoll_wait(ep, &got, 1, 0));
	OK(gethostname(name, sizeof name));
	OK(sethostname(name, strlen(name)));
	EQ(OK(epoll_wait(ep, &got, 1, 1000)), 1);
	CHECK((got.events & EPOLLERR) != 0);
}
