/* fcntl commands and what descriptors share: open files across dup, fork, exec and CLONE_FILES. */
#include "../test.h"
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

static int file_with(const char *text)
{
	int fd = OK(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
	EQ(write(fd, text, strlen(text)), (long)strlen(text));
	OK(lseek(fd, 0, SEEK_SET));
	return fd;
}

TEST(status_flags_belong_to_the_open_file)
{
	int a = file_with("x"), b = OK(dup(a)), c = OK(open("f", O_RDWR));
	OK(fcntl(a, F_SETFL, O_APPEND | O_NONBLOCK));
	EQ(fcntl(b, F_GETFL) & (O_APPEND | O_NONBLOCK), O_APPEND | O_NONBLOCK);
	EQ(fcntl(c, F_GETFL) & (O_APPEND | O_NONBLOCK), 0);
	EQ(write(b, "end", 3), 3);
	EQ(lseek(a, 0, SEEK_CUR), 4);
	/* The access mode and the creation flags cannot be changed. */
	OK(fcntl(a, F_SETFL, O_WRONLY | O_CREAT | O_TRUNC | O_EXCL));
	EQ(fcntl(a, F_GETFL) & (O_ACCMODE | O_CREAT | O_TRUNC | O_EXCL | O_APPEND), O_RDWR);
}

TEST(descriptor_flags_belong_to_the_descriptor)
{
	int a = file_with("x"), b = OK(dup(a));
	OK(fcntl(a, F_SETFD, FD_CLOEXEC));
	EQ(fcntl(b, F_GETFD), 0);
	OK(fcntl(a, F_SETFD, ~0));
	EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
	OK(fcntl(a, F_SETFD, 0));
	EQ(fcntl(a, F_GETFD), 0);
	OK(ioctl(a, FIOCLEX));
	EQ(fcntl(a, F_GETFD), FD_CLOEXEC);
	OK(ioctl(a, FIONCLEX));
	EQ(fcntl(a, F_GETFD), 0);
}

TEST(fionbio_and_fionread)
{
	int p[2], on = 1, n;
	OK(pipe(p));
	OK(ioctl(p[0], FIONBIO, &on));
	EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	on = 0;
	OK(ioctl(p[0], FIONBIO, &on));
	EQ(fcntl(p[0], F_GETFL) & O_NONBLOCK, 0);
	int fd = file_with("12345");
	OK(lseek(fd, 2, SEEK_SET));
	OK(ioctl(fd, FIONREAD, &n));
	EQ(n, 3);
	ERR(EFAULT, ioctl(fd, FIONREAD, 8));
	ERR(EFAULT, ioctl(fd, FIONBIO, 8));
	ERR(ENOTTY, ioctl(fd, 0x12345678, 0));
	ERR(EBADF, ioctl(999, FIONREAD, &n));
	ERR(EBADF, ioctl(OK(open("f", O_PATH)), FIONREAD, &n));
}

TEST(fork_shares_the_offset)
{
	int fd = file_with("0123456789");
	char c;
	pid_t pid = fork();
	if (pid == 0) {
		OK(lseek(fd, 5, SEEK_SET));
		OK(fcntl(fd, F_SETFL, O_APPEND));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	EQ(read(fd, &c, 1), 1);
	EQ(c, '5');
	EQ(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
}

TEST(fork_copies_the_table)
{
	int fd = file_with("x");
	pid_t pid = fork();
	if (pid == 0) {
		OK(close(fd));
		OK(dup2(0, 77));
		OK(fcntl(0, F_SETFD, FD_CLOEXEC));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	EQ(fcntl(fd, F_GETFD), 0);
	EQ(fcntl(0, F_GETFD), 0);
	ERR(EBADF, fcntl(77, F_GETFD));
}

static int run_in_clone(int flags, int (*f)(void *), void *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t pid = OK(clone(f, stack + sizeof stack, flags | SIGCHLD, arg));
	return status_of(pid);
}

static int change_table(void *arg)
{
	return close((int)(long)arg) || dup2(0, 77) != 77;
}

TEST(clone_files_shares_the_table)
{
	int fd = file_with("x");
	EQ(run_in_clone(CLONE_FILES, change_table, (void *)(long)fd), 0);
	ERR(EBADF, fcntl(fd, F_GETFD));
	EQ(fcntl(77, F_GETFD), 0);
}

static int unshare_and_change(void *arg)
{
	return unshare(CLONE_FILES) || change_table(arg);
}

TEST(unshare_files_ends_the_sharing)
{
	int fd = file_with("x");
	EQ(run_in_clone(CLONE_FILES, unshare_and_change, (void *)(long)fd), 0);
	EQ(fcntl(fd, F_GETFD), 0);
	ERR(EBADF, fcntl(77, F_GETFD));
	ERR(EINVAL, unshare(0x1));
}

static int close_range_unshare(void *arg)
{
	int fd = (int)(long)arg;
	if (syscall(SYS_close_range, 3, 800, 2 /* CLOSE_RANGE_UNSHARE */))
		return 1;
	return fcntl(fd, F_GETFD) != -1;
}

TEST(close_range_can_unshare)
{
	int fd = file_with("x");
	EQ(run_in_clone(CLONE_FILES, close_range_unshare, (void *)(long)fd), 0);
	EQ(fcntl(fd, F_GETFD), 0);
}

static int change_fs(void *arg)
{
	(void)arg;
	umask(0123);
	return chdir("d");
}

TEST(clone_fs_shares_directory_and_umask)
{
	char a[4096], b[4096];
	OK(mkdir("d", 0755));
	CHECK(getcwd(a, sizeof a));
	EQ(run_in_clone(0, change_fs, 0), 0);
	CHECK(getcwd(b, sizeof b));
	EQ(strcmp(a, b), 0);
	EQ(run_in_clone(CLONE_FS, change_fs, 0), 0);
	CHECK(getcwd(b, sizeof b));
	EQ(strcmp(b + strlen(a), "/d"), 0);
	EQ(umask(022), 0123);
}

static void *thread_chdir(void *arg)
{
	OK(chdir(arg));
	return 0;
}

TEST(threads_share_the_directory)
{
	pthread_t t;
	OK(mkdir("d", 0755));
	EQ(pthread_create(&t, 0, thread_chdir, "d"), 0);
	EQ(pthread_join(t, 0), 0);
	OK(access("../d", F_OK));
}

static void *read_all(void *arg)
{
	char c;
	*(long *)arg = read(*(int *)arg, &c, 1);
	return 0;
}

TEST(closing_does_not_end_a_read_in_progress)
{
	int p[2];
	long v;
	pthread_t t;
	OK(pipe(p));
	v = p[0];
	EQ(pthread_create(&t, 0, read_all, &v), 0);
	usleep(20000);
	OK(close(p[0]));
	OK(write(p[1], "x", 1) == 1 ? 0 : -1);
	EQ(pthread_join(t, 0), 0);
	EQ(v, 1);
}

TEST(exec_closes_marked_descriptors)
{
	int keep = file_with("x"), drop = OK(dup(keep));
	char cmd[200];
	OK(fcntl(drop, F_SETFD, FD_CLOEXEC));
	sprintf(cmd, "[ -e /proc/self/fd/%d ] && [ ! -e /proc/self/fd/%d ]", keep, drop);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", cmd, (char *)0);
		_exit(9);
	}
	EQ(status_of(pid), 0);
}

TEST(dupfd_takes_the_lowest_from_a_bound)
{
	int fd = file_with("x");
	EQ(OK(fcntl(fd, F_DUPFD, 200)), 200);
	EQ(OK(fcntl(fd, F_DUPFD, 200)), 201);
	OK(close(200));
	EQ(OK(fcntl(fd, F_DUPFD_CLOEXEC, 200)), 200);
	EQ(fcntl(200, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(201, F_GETFD), 0);
	EQ(OK(fcntl(fd, F_DUPFD, 0)), fd + 1);
}

TEST(owner_of_signals)
{
	int p[2];
	OK(pipe(p));
	EQ(fcntl(p[0], F_GETOWN), 0);
	EQ(fcntl(p[0], F_GETSIG), 0);
	OK(fcntl(p[0], F_SETOWN, getpid()));
	EQ(fcntl(p[0], F_GETOWN), getpid());
	OK(syscall(SYS_fcntl, p[0], F_SETOWN, -getpgrp()));
	struct f_owner_ex ex = {0, 0};
	OK(fcntl(p[0], F_GETOWN_EX, &ex));
	EQ(ex.type, F_OWNER_PGRP);
	EQ(ex.pid, getpgrp());
	ex = (struct f_owner_ex){F_OWNER_TID, getpid()};
	OK(fcntl(p[0], F_SETOWN_EX, &ex));
	OK(fcntl(p[0], F_SETSIG, SIGUSR1));
	EQ(fcntl(p[0], F_GETSIG), SIGUSR1);
	ERR(EINVAL, fcntl(p[0], F_SETSIG, 65));
	ERR(ESRCH, fcntl(p[0], F_SETOWN, 99999999));
	ex.type = 9;
	ERR(EINVAL, fcntl(p[0], F_SETOWN_EX, &ex));
	ERR(EFAULT, fcntl(p[0], F_GETOWN_EX, 8));
}

static volatile sig_atomic_t io_signals;
static volatile int io_fd, io_band;
static void on_io(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	io_fd = si->si_fd;
	io_band = si->si_band;
	io_signals++;
}

TEST(o_async_sends_a_signal_when_ready)
{
	int p[2];
	struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
	OK(sigaction(SIGIO, &sa, 0));
	OK(sigaction(SIGRTMIN, &sa, 0));
	OK(pipe(p));
	OK(fcntl(p[0], F_SETOWN, getpid()));
	OK(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	OK(write(p[1], "x", 1));
	EQ(io_signals, 1);
	OK(fcntl(p[0], F_SETSIG, SIGRTMIN));
	char c;
	EQ(read(p[0], &c, 1), 1);
	OK(write(p[1], "x", 1));
	EQ(io_signals, 2);
	EQ(io_fd, p[0]);
	EQ(io_band & 1, 1);
	OK(fcntl(p[0], F_SETFL, 0));
	OK(write(p[1], "x", 1));
	EQ(io_signals, 2);
}

TEST(o_path_descriptors_allow_little)
{
	OK(close(file_with("x")));
	int fd = OK(open("f", O_PATH));
	EQ(fcntl(fd, F_GETFD), 0);
	OK(fcntl(fd, F_SETFD, FD_CLOEXEC));
	EQ(fcntl(OK(fcntl(fd, F_DUPFD, 0)), F_GETFL) & O_PATH, O_PATH);
	ERR(EBADF, fcntl(fd, F_SETFL, O_APPEND));
	ERR(EBADF, fcntl(fd, F_GETOWN));
	ERR(EBADF, fcntl(fd, F_GETPIPE_SZ));
}

TEST(leases_need_a_regular_file)
{
	int p[2];
	OK(pipe(p));
	ERR(EINVAL, fcntl(p[0], F_SETLEASE, F_RDLCK));
}

TEST(a_descriptor_number_is_reused_at_once)
{
	for (int i = 0; i < 200; i++) {
		int a = OK(dup(0)), b = OK(dup(0));
		EQ(b, a + 1);
		OK(close(a));
		EQ(OK(dup(0)), a);
		OK(close(b));
		OK(close(a));
	}
}

TEST(a_large_table)
{
	struct rlimit rl;
	OK(getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = rl.rlim_max;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	if (rl.rlim_cur < 4000)
		SKIP("few descriptors");
	EQ(OK(dup2(0, 3999)), 3999);
	EQ(OK(fcntl(0, F_DUPFD, 3000)), 3000);
	pid_t pid = fork();
	if (pid == 0)
		_exit(fcntl(3999, F_GETFD));
	EQ(status_of(pid), 0);
	OK(close(3999));
	ERR(EBADF, close(3999));
}
