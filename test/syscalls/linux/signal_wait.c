/* Waiting for signals, and what a handler does to a system call that sleeps. */
#include "../test.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/file.h>
#include <sys/time.h>

static volatile sig_atomic_t calls;
/* The same count where a child sees it. */
static volatile int *ticks;

__attribute__((constructor)) static void share_ticks(void)
{
	ticks = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void count_call(int sig)
{
	(void)sig;
	calls++;
	++*ticks;
}

/* Lets this process's parent have three more ticks, if it has any. */
static void let_it_tick(void)
{
	int from = *ticks;
	for (int i = 0; i < 200 && *ticks - from < 3; i++)
		usleep(1000);
}

static void catch_with(int sig, int flags)
{
	struct sigaction sa = {.sa_handler = count_call, .sa_flags = flags};
	OK(sigaction(sig, &sa, 0));
}

/* SIGALRM every 5 ms, so that one comes after the call has begun to sleep. */
static void tick(int flags)
{
	struct itimerval it = {{0, 5000}, {0, 5000}};
	catch_with(SIGALRM, flags);
	OK(setitimer(ITIMER_REAL, &it, 0));
}

static sigset_t only(int sig)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, sig);
	return set;
}

static void block(int sig)
{
	sigset_t set = only(sig);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
}

static long ms_since(const struct timespec *start)
{
	struct timespec now;
	OK(clock_gettime(CLOCK_MONOTONIC, &now));
	return (now.tv_sec - start->tv_sec) * 1000 + (now.tv_nsec - start->tv_nsec) / 1000000;
}

static struct timespec now(void)
{
	struct timespec ts;
	OK(clock_gettime(CLOCK_MONOTONIC, &ts));
	return ts;
}

/* A child that waits until this process has had a few ticks, or none in a good while, and then runs f. */
static pid_t later(void (*f)(int), int arg)
{
	pid_t pid = fork();
	if (pid == 0) {
		let_it_tick();
		f(arg);
		_exit(0);
	}
	CHECK(pid > 0);
	return pid;
}

static void write_x(int fd)
{
	OK(write(fd, "x", 1));
}

static void read_some(int fd)
{
	char buf[65536];
	OK(read(fd, buf, sizeof buf));
}

TEST(pause_returns_after_a_handler)
{
	tick(SA_RESTART);
	ERR(EINTR, pause());
	CHECK(calls >= 1);
}

TEST(sigsuspend_changes_the_mask_for_the_wait_only)
{
	sigset_t none, now_set;
	sigemptyset(&none);
	catch_with(SIGUSR1, 0);
	block(SIGUSR1);
	block(SIGUSR2);
	OK(kill(getpid(), SIGUSR1));
	EQ(calls, 0);
	ERR(EINTR, sigsuspend(&none));
	EQ(calls, 1);
	OK(sigprocmask(SIG_SETMASK, 0, &now_set));
	CHECK(sigismember(&now_set, SIGUSR1) && sigismember(&now_set, SIGUSR2) && !sigismember(&now_set, SIGHUP));
}

TEST(sigsuspend_ignores_ignored_signals)
{
	sigset_t none;
	sigemptyset(&none);
	OK(signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
	block(SIGUSR1);
	OK(kill(getpid(), SIGUSR1));
	OK(kill(getpid(), SIGWINCH));
	struct timespec start = now();
	struct itimerval it = {{0, 0}, {0, 30000}};
	catch_with(SIGALRM, SA_RESTART);
	OK(setitimer(ITIMER_REAL, &it, 0));
	ERR(EINTR, sigsuspend(&none));
	CHECK(ms_since(&start) >= 25);
}

TEST(sigsuspend_errors)
{
	unsigned long m = 0;
	ERR(EFAULT, syscall(SYS_rt_sigsuspend, 1, 8));
	ERR(EINVAL, syscall(SYS_rt_sigsuspend, &m, 4));
}

TEST(sigtimedwait_takes_pending_signals)
{
	sigset_t set = only(SIGRTMIN);
	siginfo_t si;
	struct timespec zero = {0, 0};
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 1}));
	OK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 2}));
	OK(kill(getpid(), SIGUSR1));
	EQ(OK(sigtimedwait(&set, &si, &zero)), SIGUSR1);
	EQ(si.si_code, SI_USER);
	EQ(OK(sigtimedwait(&set, &si, &zero)), SIGRTMIN);
	EQ(si.si_value.sival_int, 1);
	EQ(OK(sigtimedwait(&set, 0, 0)), SIGRTMIN);
	ERR(EAGAIN, sigtimedwait(&set, &si, &zero));
}

TEST(sigtimedwait_times_out)
{
	sigset_t set = only(SIGUSR1);
	struct timespec start = now(), ts = {0, 30000000};
	block(SIGUSR1);
	ERR(EAGAIN, sigtimedwait(&set, 0, &ts));
	CHECK(ms_since(&start) >= 29);
}

TEST(sigtimedwait_errors)
{
	unsigned long m = 1 << 9;
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, zero = {0, 0};
	ERR(EINVAL, syscall(SYS_rt_sigtimedwait, &m, 0, &bad, 8));
	ERR(EINVAL, syscall(SYS_rt_sigtimedwait, &m, 0, &neg, 8));
	ERR(EINVAL, syscall(SYS_rt_sigtimedwait, &m, 0, &zero, 4));
	ERR(EFAULT, syscall(SYS_rt_sigtimedwait, 1, 0, &zero, 8));
	ERR(EFAULT, syscall(SYS_rt_sigtimedwait, &m, 0, 1, 8));
	block(SIGUSR1);
	OK(kill(getpid(), SIGUSR1));
	m = 1ul << (SIGUSR1 - 1);
	ERR(EFAULT, syscall(SYS_rt_sigtimedwait, &m, 1, &zero, 8));
}

TEST(sigtimedwait_is_interrupted_by_other_handlers)
{
	sigset_t set = only(SIGUSR1);
	block(SIGUSR1);
	tick(SA_RESTART);
	ERR(EINTR, sigwaitinfo(&set, 0));
	CHECK(calls >= 1);
}

static void send_usr1(int pid)
{
	OK(kill(pid, SIGUSR1));
}

TEST(sigwaitinfo_sleeps_until_the_signal)
{
	sigset_t set = only(SIGUSR1);
	siginfo_t si;
	block(SIGUSR1);
	pid_t pid = later(send_usr1, getpid());
	EQ(OK(sigwaitinfo(&set, &si)), SIGUSR1);
	EQ(si.si_pid, pid);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

static void *wait_here(void *arg)
{
	sigset_t set = only(SIGUSR1);
	/* A waiter may be woken for a signal that another one takes. */
	return (void *)(long)TEMP_FAILURE_RETRY(sigwaitinfo(&set, arg));
}

TEST(one_of_many_waiters_takes_it)
{
	pthread_t t[4];
	siginfo_t si[4];
	void *r;
	block(SIGUSR1);
	for (int i = 0; i < 4; i++)
		EQ(pthread_create(&t[i], 0, wait_here, &si[i]), 0);
	for (int i = 0; i < 4; i++) {
		OK(kill(getpid(), SIGUSR1));
		usleep(5000);
	}
	for (int i = 0; i < 4; i++) {
		while (pthread_tryjoin_np(t[i], &r) == EBUSY) {
			/* Two that came together were one. */
			kill(getpid(), SIGUSR1);
			usleep(1000);
		}
		EQ((long)r, SIGUSR1);
	}
}

TEST(read_is_interrupted_without_sa_restart)
{
	int p[2];
	char c;
	OK(pipe(p));
	tick(0);
	ERR(EINTR, read(p[0], &c, 1));
}

TEST(read_restarts_with_sa_restart)
{
	int p[2];
	char c;
	OK(pipe(p));
	tick(SA_RESTART);
	pid_t pid = later(write_x, p[1]);
	EQ(read(p[0], &c, 1), 1);
	CHECK(calls >= 2);
	while (waitpid(pid, 0, 0) < 0)
		EQ(errno, EINTR);
}

TEST(write_returns_what_it_has_written)
{
	int p[2];
	static char big[1 << 20];
	OK(pipe(p));
	tick(SA_RESTART);
	EQ(write(p[1], big, sizeof big), 65536);
	CHECK(calls >= 1);
}

TEST(full_pipe_write_restarts)
{
	int p[2];
	static char big[65536];
	OK(pipe(p));
	EQ(write(p[1], big, sizeof big), 65536);
	tick(SA_RESTART);
	pid_t pid = later(read_some, p[0]);
	EQ(write(p[1], "x", 1), 1);
	CHECK(calls >= 2);
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, 0, 0)), pid);
	calls = 0;
	EQ(write(p[1], big, 65535), 65535);
	tick(0);
	ERR(EINTR, write(p[1], "x", 1));
}

static void nothing(int arg)
{
	(void)arg;
}

TEST(wait_restarts_or_not)
{
	int status;
	tick(SA_RESTART);
	pid_t pid = later(nothing, 0);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK(calls >= 2);
	pid = later(nothing, 0);
	tick(0);
	ERR(EINTR, waitpid(pid, &status, 0));
	ERR(EINTR, waitid(P_PID, pid, &(siginfo_t){0}, WEXITED));
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)), pid);
}

TEST(nanosleep_is_always_interrupted_and_says_what_is_left)
{
	struct timespec ts = {5, 0}, rem = {0, 0};
	tick(SA_RESTART);
	ERR(EINTR, nanosleep(&ts, &rem));
	CHECK(rem.tv_sec == 4 && rem.tv_nsec > 0 && rem.tv_nsec < 1000000000);
	ERR(EINTR, nanosleep(&ts, 0));
	rem.tv_sec = 0;
	EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &rem), EINTR);
	CHECK(rem.tv_sec == 4);
	ts = now();
	ts.tv_sec += 5;
	rem.tv_sec = 77;
	EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rem), EINTR);
	EQ(rem.tv_sec, 77);
}

TEST(ignored_and_default_ignored_signals_do_not_interrupt)
{
	struct itimerval it = {{0, 5000}, {0, 5000}};
	struct timespec ts = {0, 50000000}, rem = {0, 0}, start = now();
	OK(signal(SIGALRM, SIG_IGN) == SIG_ERR ? -1 : 0);
	OK(setitimer(ITIMER_REAL, &it, 0));
	OK(nanosleep(&ts, &rem));
	CHECK(ms_since(&start) >= 49);
	int p[2];
	char c;
	OK(pipe(p));
	pid_t pid = later(write_x, p[1]);
	EQ(read(p[0], &c, 1), 1);
	EQ(OK(waitpid(pid, 0, 0)), pid);
	/* Its end sent SIGCHLD, which is ignored by default. */
	pid = fork();
	if (pid == 0) {
		usleep(10000);
		_exit(0);
	}
	OK(nanosleep(&ts, &rem));
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(blocked_signals_do_not_interrupt)
{
	struct timespec ts = {0, 50000000}, rem;
	block(SIGALRM);
	tick(0);
	OK(nanosleep(&ts, &rem));
	EQ(calls, 0);
}

TEST(waits_for_events_are_never_restarted)
{
	int p[2], ep = OK(epoll_create1(0));
	struct epoll_event ev = {.events = EPOLLIN};
	OK(pipe(p));
	struct pollfd pfd = {p[0], POLLIN, 0};
	fd_set fds;
	OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	tick(SA_RESTART);
	ERR(EINTR, poll(&pfd, 1, -1));
	ERR(EINTR, ppoll(&pfd, 1, 0, 0));
	FD_ZERO(&fds);
	FD_SET(p[0], &fds);
	ERR(EINTR, select(p[0] + 1, &fds, 0, 0, 0));
	CHECK(FD_ISSET(p[0], &fds));
	ERR(EINTR, pselect(p[0] + 1, &fds, 0, 0, 0, 0));
	ERR(EINTR, epoll_wait(ep, &ev, 1, -1));
	ERR(EINTR, epoll_pwait(ep, &ev, 1, 5000, 0));
}

TEST(locks_restart_or_not)
{
	int a = OK(open("f", O_RDWR | O_CREAT, 0600)), b = OK(open("f", O_RDWR));
	OK(flock(a, LOCK_EX));
	tick(0);
	ERR(EINTR, flock(b, LOCK_EX));
	tick(SA_RESTART);
	pid_t pid = fork();
	if (pid == 0) {
		let_it_tick();
		flock(a, LOCK_UN);
		_exit(0);
	}
	calls = 0;
	OK(flock(b, LOCK_EX));
	CHECK(calls >= 2);
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, 0, 0)), pid);
}

TEST(opening_a_fifo_restarts_or_not)
{
	OK(mkfifo("p", 0600));
	tick(0);
	ERR(EINTR, open("p", O_RDONLY));
	tick(SA_RESTART);
	calls = 0;
	pid_t pid = fork();
	if (pid == 0) {
		let_it_tick();
		_exit(open("p", O_WRONLY) < 0);
	}
	OK(open("p", O_RDONLY));
	CHECK(calls >= 2);
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, 0, 0)), pid);
}

TEST(each_handler_decides_for_itself)
{
	int p[2];
	char c;
	OK(pipe(p));
	catch_with(SIGUSR1, SA_RESTART);
	catch_with(SIGUSR2, 0);
	pid_t me = getpid(), pid = fork();
	if (pid == 0) {
		for (int i = 0;; i++) {
			usleep(5000);
			kill(me, i < 4 ? SIGUSR1 : SIGUSR2);
		}
	}
	/* The signals that restart it do not end it. */
	ERR(EINTR, read(p[0], &c, 1));
	OK(kill(pid, SIGKILL));
	CHECK(calls >= 2);
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, 0, 0)), pid);
}

TEST(ppoll_and_friends_take_a_mask)
{
	sigset_t none;
	struct epoll_event ev;
	int ep = OK(epoll_create1(0));
	sigemptyset(&none);
	catch_with(SIGUSR1, 0);
	block(SIGUSR1);
	OK(kill(getpid(), SIGUSR1));
	ERR(EINTR, ppoll(0, 0, 0, &none));
	EQ(calls, 1);
	OK(kill(getpid(), SIGUSR1));
	EQ(calls, 1);
	ERR(EINTR, pselect(0, 0, 0, 0, 0, &none));
	EQ(calls, 2);
	OK(kill(getpid(), SIGUSR1));
	ERR(EINTR, epoll_pwait(ep, &ev, 1, -1, &none));
	EQ(calls, 3);
	OK(kill(getpid(), SIGUSR1));
	EQ(calls, 3);
}

TEST(an_itimer_storm_loses_no_data)
{
	int p[2], status;
	unsigned char buf[4096];
	struct itimerval it = {{0, 500}, {0, 500}};
	long total = 0, n;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		unsigned char next = 0;
		for (int i = 0; i < 2000; i++) {
			for (int j = 0; j < 100; j++)
				buf[j] = next++;
			EQ(write(p[1], buf, 100), 100);
		}
		_exit(0);
	}
	OK(close(p[1]));
	catch_with(SIGALRM, SA_RESTART);
	OK(setitimer(ITIMER_REAL, &it, 0));
	while ((n = OK(read(p[0], buf, 37))) > 0)
		for (int i = 0; i < n; i++)
			EQ(buf[i], (unsigned char)total++);
	EQ(total, 200000);
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}
