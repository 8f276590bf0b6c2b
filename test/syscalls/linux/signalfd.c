/* signalfd. */
#include "../test.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static sigset_t only(int sig)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, sig);
	return set;
}

static int make(int sig, int flags)
{
	sigset_t set = only(sig);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	return OK(signalfd(-1, &set, flags));
}

static struct signalfd_siginfo get(int fd)
{
	struct signalfd_siginfo si;
	memset(&si, 0x55, sizeof si);
	EQ(OK(read(fd, &si, sizeof si)), (long)sizeof si);
	return si;
}

TEST(a_read_takes_the_signal)
{
	int fd = make(SIGUSR1, SFD_NONBLOCK);
	sigset_t pending;
	EQ(sizeof(struct signalfd_siginfo), 128);
	OK(kill(getpid(), SIGUSR1));
	struct signalfd_siginfo si = get(fd);
	EQ(si.ssi_signo, SIGUSR1);
	EQ(si.ssi_code, SI_USER);
	EQ(si.ssi_pid, getpid());
	EQ(si.ssi_uid, getuid());
	EQ(si.ssi_errno, 0);
	OK(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGUSR1));
	ERR(EAGAIN, read(fd, &si, sizeof si));
}

TEST(values_of_queued_signals)
{
	int fd = make(SIGRTMIN, 0);
	struct signalfd_siginfo si[4];
	for (int i = 1; i <= 3; i++)
		OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = (void *)(0x100000000ul * i + i)}));
	/* One read takes as many as fit. */
	EQ(read(fd, si, 2 * sizeof *si + 5), (long)(2 * sizeof *si));
	EQ(read(fd, si + 2, 2 * sizeof *si), (long)sizeof *si);
	for (int i = 0; i < 3; i++) {
		EQ(si[i].ssi_signo, SIGRTMIN);
		EQ(si[i].ssi_code, SI_QUEUE);
		EQ(si[i].ssi_int, i + 1);
		EQ(si[i].ssi_ptr, 0x100000000ul * (i + 1) + i + 1);
	}
}

TEST(child_fields)
{
	int fd = make(SIGCHLD, 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(9);
	struct signalfd_siginfo si = get(fd);
	EQ(si.ssi_signo, SIGCHLD);
	EQ(si.ssi_code, CLD_EXITED);
	EQ(si.ssi_pid, pid);
	EQ(si.ssi_status, 9);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(poll_and_epoll_see_it)
{
	int fd = make(SIGUSR1, SFD_NONBLOCK), ep = OK(epoll_create1(0));
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};
	struct epoll_event ev = {.events = EPOLLIN};
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	EQ(poll(&p, 1, 0), 0);
	EQ(epoll_wait(ep, &ev, 1, 0), 0);
	OK(kill(getpid(), SIGUSR1));
	EQ(poll(&p, 1, -1), 1);
	EQ(p.revents, POLLIN);
	EQ(epoll_wait(ep, &ev, 1, -1), 1);
	get(fd);
	EQ(poll(&p, 1, 0), 0);
}

TEST(a_reader_sleeps_until_the_signal)
{
	int fd = make(SIGUSR1, 0);
	pid_t me = getpid(), pid = fork();
	if (pid == 0) {
		usleep(20000);
		OK(kill(me, SIGUSR1));
		_exit(0);
	}
	struct signalfd_siginfo si = get(fd);
	EQ(si.ssi_pid, pid);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(the_mask_can_be_changed)
{
	int fd = make(SIGUSR1, SFD_NONBLOCK);
	sigset_t set = only(SIGUSR2);
	struct signalfd_siginfo si;
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	OK(kill(getpid(), SIGUSR2));
	ERR(EAGAIN, read(fd, &si, sizeof si));
	EQ(OK(signalfd(fd, &set, 0)), fd);
	EQ(get(fd).ssi_signo, SIGUSR2);
	OK(kill(getpid(), SIGUSR1));
	ERR(EAGAIN, read(fd, &si, sizeof si));
	/* KILL and STOP are quietly left out. */
	sigfillset(&set);
	EQ(OK(signalfd(fd, &set, 0)), fd);
	EQ(get(fd).ssi_signo, SIGUSR1);
}

TEST(an_unblocked_signal_goes_to_its_handler)
{
	int fd = make(SIGUSR1, SFD_NONBLOCK);
	sigset_t set = only(SIGUSR1);
	struct signalfd_siginfo si;
	OK(signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
	OK(sigprocmask(SIG_UNBLOCK, &set, 0));
	OK(kill(getpid(), SIGUSR1));
	ERR(EAGAIN, read(fd, &si, sizeof si));
}

TEST(signalfd_errors)
{
	unsigned long m = 1;
	struct signalfd_siginfo si;
	int fd = make(SIGUSR1, SFD_NONBLOCK), other = OK(open("/dev/null", O_RDWR));
	ERR(EINVAL, syscall(SYS_signalfd4, -1, &m, 8, 1));
	ERR(EINVAL, syscall(SYS_signalfd4, -1, &m, 4, 0));
	ERR(EFAULT, syscall(SYS_signalfd4, -1, 1, 8, 0));
	ERR(EBADF, syscall(SYS_signalfd4, 999, &m, 8, 0));
	ERR(EINVAL, syscall(SYS_signalfd4, other, &m, 8, 0));
	ERR(EINVAL, read(fd, &si, 127));
	ERR(EINVAL, write(fd, &si, 128));
	OK(kill(getpid(), SIGUSR1));
	ERR(EFAULT, read(fd, (void *)1, 128));
}

TEST(flags_of_signalfd)
{
	int fd = make(SIGUSR1, SFD_CLOEXEC | SFD_NONBLOCK);
	char path[64], target[64] = "";
	EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	sprintf(path, "/proc/self/fd/%d", fd);
	OK(readlink(path, target, sizeof target - 1));
	EQ(strcmp(target, "anon_inode:[signalfd]"), 0);
}

TEST(it_reads_the_signals_of_the_reader)
{
	int fd = make(SIGUSR1, SFD_NONBLOCK), status;
	OK(kill(getpid(), SIGUSR1));
	pid_t pid = fork();
	if (pid == 0) {
		struct signalfd_siginfo si;
		/* The parent's pending signal is not the child's. */
		ERR(EAGAIN, read(fd, &si, sizeof si));
		OK(kill(getpid(), SIGUSR1));
		EQ(get(fd).ssi_pid, getpid());
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(get(fd).ssi_pid, getpid());
}
