/* clone3, pidfds, and waiting for children of other kinds. */
#include "../test.h"
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

struct args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static pid_t clone3(struct args *a)
{
	return syscall(SYS_clone3, a, sizeof *a);
}

static pid_t spawn(uint64_t flags, int *pidfd)
{
	struct args a = {.flags = flags | CLONE_PIDFD, .pidfd = (uintptr_t)pidfd, .exit_signal = SIGCHLD};
	return OK(clone3(&a));
}

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

TEST(clone3_forks)
{
	struct args a = {.exit_signal = SIGCHLD};
	pid_t pid = OK(clone3(&a));
	if (pid == 0)
		_exit(7);
	EQ(status_of(pid), 7 << 8);
}

TEST(clone3_sets_ids)
{
	pid_t parent_tid = 0, child_tid = 0;
	struct args a = {.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, .parent_tid = (uintptr_t)&parent_tid, .child_tid = (uintptr_t)&child_tid, .exit_signal = SIGCHLD};
	pid_t pid = OK(clone3(&a));
	if (pid == 0)
		_exit(child_tid == syscall(SYS_getpid) ? 0 : 1);
	EQ(parent_tid, pid);
	EQ(child_tid, 0);
	EQ(status_of(pid), 0);
}

TEST(clone3_size_is_versioned)
{
	struct {
		struct args a;
		uint64_t more[2];
	} big = {.a = {.exit_signal = SIGCHLD}};
	ERR(EINVAL, syscall(SYS_clone3, &big.a, 63));
	ERR(E2BIG, syscall(SYS_clone3, &big.a, 5000));
	ERR(EFAULT, syscall(SYS_clone3, 8, sizeof(struct args)));
	big.more[1] = 1;
	ERR(E2BIG, syscall(SYS_clone3, &big, sizeof big));
	big.more[1] = 0;
	pid_t pid = OK(syscall(SYS_clone3, &big, sizeof big));
	if (pid == 0)
		_exit(0);
	EQ(status_of(pid), 0);
	pid = OK(syscall(SYS_clone3, &big.a, 64));
	if (pid == 0)
		_exit(0);
	EQ(status_of(pid), 0);
}

TEST(clone3_errors)
{
	static char stack[4096];
	struct args a;
	int fd;
#define BAD(...)                                                                                                       \
	do {                                                                                                           \
		a = (struct args){__VA_ARGS__};                                                                        \
		ERR(EINVAL, clone3(&a));                                                                               \
	} while (0)
	BAD(.exit_signal = 65);
	BAD(.exit_signal = -1);
	BAD(.flags = 0xff);
	BAD(.flags = CLONE_DETACHED, .exit_signal = SIGCHLD);
	BAD(.flags = 1ull << 40, .exit_signal = SIGCHLD);
	BAD(.flags = CLONE_THREAD);
	BAD(.flags = CLONE_SIGHAND, .exit_signal = SIGCHLD);
	BAD(.flags = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD, .stack = (uintptr_t)stack, .stack_size = sizeof stack);
	BAD(.flags = CLONE_PARENT, .exit_signal = SIGCHLD);
	BAD(.flags = CLONE_CLEAR_SIGHAND | CLONE_SIGHAND | CLONE_VM, .exit_signal = SIGCHLD);
	BAD(.flags = CLONE_FS | CLONE_NEWNS, .exit_signal = SIGCHLD);
	BAD(.exit_signal = SIGCHLD, .stack = (uintptr_t)stack);
	BAD(.exit_signal = SIGCHLD, .stack_size = 4096);
	BAD(.flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = (uintptr_t)&fd, .parent_tid = (uintptr_t)&fd, .exit_signal = SIGCHLD);
	BAD(.exit_signal = SIGCHLD, .set_tid_size = 1);
	BAD(.exit_signal = SIGCHLD, .set_tid = (uintptr_t)stack);
	BAD(.exit_signal = SIGCHLD, .set_tid = (uintptr_t)stack, .set_tid_size = 33);
}

TEST(clear_sighand_resets_handlers)
{
	struct sigaction sa;
	struct args a = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
	signal(SIGUSR1, (void (*)(int))exit);
	signal(SIGUSR2, SIG_IGN);
	pid_t pid = OK(clone3(&a));
	if (pid == 0) {
		OK(sigaction(SIGUSR1, 0, &sa));
		CHECK(sa.sa_handler == SIG_DFL);
		OK(sigaction(SIGUSR2, 0, &sa));
		CHECK(sa.sa_handler == SIG_IGN);
		_exit(0);
	}
	EQ(status_of(pid), 0);
}

TEST(clone_pidfd)
{
	int fd = -1;
	siginfo_t si;
	pid_t pid = spawn(0, &fd);
	if (pid == 0)
		for (;;)
			pause();
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	struct pollfd p = {fd, POLLIN, 0};
	EQ(poll(&p, 1, 0), 0);
	OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, 0, 0));
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents & POLLIN, POLLIN);
	OK(waitid(P_PIDFD, fd, &si, WEXITED | WNOWAIT));
	EQ(si.si_pid, pid);
	OK(waitid(P_PIDFD, fd, &si, WEXITED));
	EQ(si.si_status, SIGTERM);
	ERR(ECHILD, waitid(P_PIDFD, fd, &si, WEXITED));
	ERR(ESRCH, syscall(SYS_pidfd_send_signal, fd, 0, 0, 0));
	EQ(poll(&p, 1, 0), 1);
}

TEST(pidfd_open_rules)
{
	int fd = OK(syscall(SYS_pidfd_open, getpid(), 0));
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	EQ(fcntl(OK(syscall(SYS_pidfd_open, getpid(), O_NONBLOCK)), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	OK(syscall(SYS_pidfd_send_signal, fd, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_pidfd_open, 0, 0));
	ERR(EINVAL, syscall(SYS_pidfd_open, -1, 0));
	ERR(EINVAL, syscall(SYS_pidfd_open, getpid(), 1));
	ERR(ESRCH, syscall(SYS_pidfd_open, 99999999, 0));
	char c;
	ERR(EINVAL, read(fd, &c, 1));
}

TEST(pidfd_send_signal_rules)
{
	int fd = OK(syscall(SYS_pidfd_open, getpid(), 0)), other = OK(open("/dev/null", O_RDONLY));
	siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_QUEUE}, got;
	sigset_t set;
	struct timespec zero = {0, 0};
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	si.si_value.sival_int = 42;
	OK(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &si, 0));
	EQ(OK(sigtimedwait(&set, &got, &zero)), SIGUSR1);
	EQ(got.si_value.sival_int, 42);
	EQ(got.si_code, SI_QUEUE);
	OK(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, 0, 0));
	EQ(OK(sigtimedwait(&set, &got, &zero)), SIGUSR1);
	EQ(got.si_code, SI_USER);
	EQ(got.si_pid, getpid());
	ERR(EINVAL, syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &si, 0));
	/* Another process may not be told lies; a wrong number is seen first. */
	pid_t sleeper = OK(fork());
	if (sleeper == 0)
		for (;;)
			pause();
	int sleeper_fd = OK(syscall(SYS_pidfd_open, sleeper, 0));
	si.si_code = SI_USER;
	ERR(EPERM, syscall(SYS_pidfd_send_signal, sleeper_fd, SIGUSR1, &si, 0));
	ERR(EINVAL, syscall(SYS_pidfd_send_signal, sleeper_fd, SIGUSR2, &si, 0));
	si.si_code = SI_QUEUE;
	OK(kill(sleeper, SIGKILL));
	EQ(OK(waitpid(sleeper, 0, 0)), sleeper);
	ERR(EINVAL, syscall(SYS_pidfd_send_signal, fd, 65, 0, 0));
	ERR(EINVAL, syscall(SYS_pidfd_send_signal, fd, SIGUSR1, 0, 0x100));
	ERR(EBADF, syscall(SYS_pidfd_send_signal, other, SIGUSR1, 0, 0));
	ERR(EBADF, syscall(SYS_pidfd_send_signal, 999, SIGUSR1, 0, 0));
	ERR(EFAULT, syscall(SYS_pidfd_send_signal, fd, SIGUSR1, 8, 0));
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		ERR(EPERM, syscall(SYS_pidfd_send_signal, fd, SIGUSR1, 0, 0));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(pidfd_in_epoll)
{
	int fd = -1, ep = OK(epoll_create1(0)), gate[2];
	struct epoll_event ev = {.events = EPOLLIN};
	char c;
	OK(pipe(gate));
	pid_t pid = spawn(0, &fd);
	if (pid == 0) {
		read(gate[0], &c, 1);
		_exit(0);
	}
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	EQ(epoll_wait(ep, &ev, 1, 0), 0);
	OK(write(gate[1], "x", 1));
	EQ(epoll_wait(ep, &ev, 1, -1), 1);
	EQ(status_of(pid), 0);
}

TEST(waitid_on_a_nonblocking_pidfd)
{
	int fd = -1;
	siginfo_t si;
	pid_t pid = spawn(0, &fd);
	if (pid == 0)
		for (;;)
			pause();
	OK(fcntl(fd, F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, waitid(P_PIDFD, fd, &si, WEXITED));
	OK(kill(pid, SIGKILL));
	OK(fcntl(fd, F_SETFL, 0));
	OK(waitid(P_PIDFD, fd, &si, WEXITED));
	ERR(EBADF, waitid(P_PIDFD, 999, &si, WEXITED));
	ERR(EINVAL, waitid(P_PIDFD, -1, &si, WEXITED));
}

TEST(pidfd_getfd_takes_a_descriptor)
{
	int fd = -1, gate[2], got;
	char c;
	OK(pipe(gate));
	pid_t pid = spawn(0, &fd);
	if (pid == 0) {
		int file = open("f", O_RDWR | O_CREAT, 0600);
		dup2(file, 100);
		write(file, "abc", 3);
		write(gate[1], "r", 1);
		for (;;)
			pause();
	}
	EQ(read(gate[0], &c, 1), 1);
	got = OK(syscall(SYS_pidfd_getfd, fd, 100, 0));
	EQ(fcntl(got, F_GETFD), FD_CLOEXEC);
	EQ(lseek(got, 0, SEEK_CUR), 3);
	EQ(pread(got, &c, 1, 1), 1);
	EQ(c, 'b');
	ERR(EBADF, syscall(SYS_pidfd_getfd, fd, 555, 0));
	ERR(EBADF, syscall(SYS_pidfd_getfd, 999, 0, 0));
	ERR(EINVAL, syscall(SYS_pidfd_getfd, fd, 100, 1));
	OK(kill(pid, SIGKILL));
	EQ(status_of(pid), SIGKILL);
	ERR(ESRCH, syscall(SYS_pidfd_getfd, fd, 100, 0));
}

static volatile sig_atomic_t calls;
static void count_call(int sig)
{
	(void)sig;
	calls++;
}

TEST(exit_signal_of_another_kind)
{
	struct sigaction sa = {.sa_handler = count_call, .sa_flags = SA_RESTART};
	struct args a = {.exit_signal = SIGUSR1};
	int status;
	OK(sigaction(SIGUSR1, &sa, 0));
	OK(sigaction(SIGCHLD, &sa, 0));
	pid_t pid = OK(clone3(&a));
	if (pid == 0)
		_exit(3);
	/* A child that does not send SIGCHLD is a "clone" child: plain waits do not see it. */
	while (!calls)
		usleep(1000);
	ERR(ECHILD, waitpid(pid, &status, 0));
	EQ(OK(waitpid(pid, &status, __WCLONE)), pid);
	EQ(status, 3 << 8);
	a.exit_signal = 0;
	calls = 0;
	pid = OK(clone3(&a));
	if (pid == 0)
		_exit(4);
	EQ(OK(waitpid(pid, &status, __WALL)), pid);
	EQ(status, 4 << 8);
	EQ(calls, 0);
	ERR(ECHILD, waitpid(-1, &status, __WALL));
}

static int child_of_clone(void *arg)
{
	*(int *)arg = 42;
	return 5;
}

TEST(clone_with_shared_memory)
{
	static char stack[65536] __attribute__((aligned(16)));
	volatile int v = 0;
	pid_t pid = OK(clone(child_of_clone, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)&v));
	EQ(status_of(pid), 5 << 8);
	EQ(v, 42);
	v = 0;
	pid = OK(clone(child_of_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)&v));
	EQ(v, 42);
	EQ(status_of(pid), 5 << 8);
}

TEST(clone_parent_makes_a_sibling)
{
	int status, p[2];
	pid_t sibling = 0;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		pid_t me = getpid(), parent = getppid();
		struct args a = {.flags = CLONE_PARENT};
		pid_t s = OK(clone3(&a));
		if (s == 0)
			_exit(syscall(SYS_getppid) == parent && me != parent ? 9 : 1);
		OK(write(p[1], &s, sizeof s));
		ERR(ECHILD, waitpid(-1, &status, __WALL));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	EQ(read(p[0], &sibling, sizeof sibling), (long)sizeof sibling);
	EQ(OK(waitpid(sibling, &status, 0)), sibling);
	EQ(status, 9 << 8);
}

TEST(unshare_and_setns_errors)
{
	ERR(EINVAL, unshare(CLONE_PIDFD));
	ERR(EINVAL, unshare(1));
	OK(unshare(0));
	OK(unshare(CLONE_FS));
	ERR(EBADF, syscall(SYS_setns, 999, 0));
	int null = OK(open("/dev/null", O_RDONLY));
	ERR(EINVAL, syscall(SYS_setns, null, 0));
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, unshare(CLONE_NEWNS));
	ERR(EPERM, unshare(CLONE_NEWUTS));
	ERR(EPERM, unshare(CLONE_NEWIPC));
}
