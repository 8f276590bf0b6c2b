/* Job control: SIGSTOP, SIGTSTP, SIGCONT, and orphaned groups. */
#include "../test.h"
#include <pthread.h>

static volatile sig_atomic_t calls;
static void count_call(int sig)
{
	(void)sig;
	calls++;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static int wait_status(pid_t pid, int options)
{
	int status;
	EQ(OK(waitpid(pid, &status, options)), pid);
	return status;
}

static void end(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	EQ(wait_status(pid, 0), SIGKILL);
}

TEST(each_stop_signal_stops)
{
	static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
	for (int i = 0; i < 4; i++) {
		pid_t pid = sleeper();
		OK(setpgid(pid, pid));
		OK(kill(pid, stops[i]));
		EQ(wait_status(pid, WUNTRACED), stops[i] << 8 | 0x7f);
		OK(kill(pid, SIGCONT));
		EQ(wait_status(pid, WCONTINUED), 0xffff);
		end(pid);
	}
}

TEST(a_stopped_process_does_not_run)
{
	int *shared = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), seen;
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			__atomic_add_fetch(shared, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(shared, __ATOMIC_SEQ_CST))
		usleep(1000);
	OK(kill(pid, SIGSTOP));
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	seen = __atomic_load_n(shared, __ATOMIC_SEQ_CST);
	usleep(30000);
	EQ(__atomic_load_n(shared, __ATOMIC_SEQ_CST), seen);
	OK(kill(pid, SIGCONT));
	while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == seen)
		usleep(1000);
	end(pid);
}

static void *spin(void *arg)
{
	for (;;)
		__atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST);
	return 0;
}

TEST(all_threads_stop)
{
	int *shared = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), seen;
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t;
		pthread_create(&t, 0, spin, shared);
		for (;;)
			pause();
	}
	while (!__atomic_load_n(shared, __ATOMIC_SEQ_CST))
		usleep(1000);
	OK(kill(pid, SIGSTOP));
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	seen = __atomic_load_n(shared, __ATOMIC_SEQ_CST);
	usleep(30000);
	EQ(__atomic_load_n(shared, __ATOMIC_SEQ_CST), seen);
	end(pid);
}

TEST(signals_wait_for_a_stopped_process)
{
	int p[2];
	char c;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		struct sigaction sa = {.sa_handler = count_call};
		sigset_t set, old;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, &old);
		sigaction(SIGUSR1, &sa, 0);
		OK(write(p[1], "r", 1));
		while (!calls)
			sigsuspend(&old);
		OK(write(p[1], "s", 1));
		for (;;)
			pause();
	}
	EQ(read(p[0], &c, 1), 1);
	OK(kill(pid, SIGSTOP));
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	OK(kill(pid, SIGUSR1));
	usleep(20000);
	OK(fcntl(p[0], F_SETFL, O_NONBLOCK));
	ERR(EAGAIN, read(p[0], &c, 1));
	OK(fcntl(p[0], F_SETFL, 0));
	OK(kill(pid, SIGCONT));
	EQ(read(p[0], &c, 1), 1);
	EQ(c, 's');
	end(pid);
}

TEST(kill_ends_a_stopped_process)
{
	pid_t pid = sleeper();
	OK(kill(pid, SIGSTOP));
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	end(pid);
	pid = sleeper();
	OK(kill(pid, SIGSTOP));
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	/* Another fatal signal acts when the process goes on. */
	OK(kill(pid, SIGTERM));
	usleep(10000);
	EQ(waitpid(pid, 0, WNOHANG), 0);
	OK(kill(pid, SIGCONT));
	EQ(wait_status(pid, 0), SIGTERM);
}

TEST(a_caught_tstp_does_not_stop)
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGTSTP, count_call);
		raise(SIGTSTP);
		_exit(calls == 1 ? 0 : 1);
	}
	EQ(wait_status(pid, WUNTRACED), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGTSTP, SIG_IGN);
		raise(SIGTSTP);
		_exit(0);
	}
	EQ(wait_status(pid, WUNTRACED), 0);
}

TEST(sigcont_discards_pending_stops_and_stops_discard_it)
{
	sigset_t set, pending;
	sigfillset(&set);
	OK(sigprocmask(SIG_SETMASK, &set, 0));
	OK(kill(getpid(), SIGTSTP));
	OK(kill(getpid(), SIGTTIN));
	OK(sigpending(&pending));
	CHECK(sigismember(&pending, SIGTSTP) && sigismember(&pending, SIGTTIN));
	OK(kill(getpid(), SIGCONT));
	OK(sigpending(&pending));
	CHECK(!sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGTTIN) && sigismember(&pending, SIGCONT));
	OK(kill(getpid(), SIGTSTP));
	OK(sigpending(&pending));
	CHECK(sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGCONT));
	OK(kill(getpid(), SIGCONT));
}

TEST(sigcont_continues_even_when_blocked_or_ignored)
{
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			sigset_t set;
			sigfillset(&set);
			if (i)
				sigprocmask(SIG_SETMASK, &set, 0);
			else
				signal(SIGCONT, SIG_IGN);
			raise(SIGSTOP);
			_exit(0);
		}
		EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
		OK(kill(pid, SIGCONT));
		EQ(wait_status(pid, 0), 0);
	}
}

TEST(a_sigcont_handler_runs)
{
	pid_t pid = fork();
	if (pid == 0) {
		signal(SIGCONT, count_call);
		raise(SIGSTOP);
		_exit(calls == 1 ? 0 : 1);
	}
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	OK(kill(pid, SIGCONT));
	EQ(wait_status(pid, 0), 0);
}

TEST(an_orphaned_group_does_not_stop_from_the_keyboard)
{
	pid_t pid = fork();
	if (pid == 0) {
		OK(setsid());
		raise(SIGTSTP);
		raise(SIGTTIN);
		raise(SIGTTOU);
		_exit(5);
	}
	EQ(wait_status(pid, WUNTRACED), 5 << 8);
	pid = fork();
	if (pid == 0) {
		OK(setsid());
		raise(SIGSTOP);
		_exit(6);
	}
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	OK(kill(pid, SIGCONT));
	EQ(wait_status(pid, 0), 6 << 8);
}

TEST(a_stopped_group_that_is_orphaned_gets_hup_and_cont)
{
	int p[2];
	char c = 0;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		pid_t child;
		OK(setsid());
		child = fork();
		if (child == 0) {
			/* The end by SIGHUP closes the pipe. */
			OK(setpgid(0, 0));
			for (;;)
				raise(SIGSTOP);
		}
		EQ(wait_status(child, WUNTRACED), SIGSTOP << 8 | 0x7f);
		OK(write(p[1], "s", 1));
		_exit(0);
	}
	OK(close(p[1]));
	EQ(wait_status(pid, 0), 0);
	EQ(read(p[0], &c, 1), 1);
	EQ(c, 's');
	EQ(read(p[0], &c, 1), 0);
}

TEST(waitid_sees_stop_and_continue_once)
{
	siginfo_t si;
	pid_t pid = sleeper();
	OK(kill(pid, SIGSTOP));
	OK(waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT));
	EQ(si.si_code, CLD_STOPPED);
	EQ(si.si_status, SIGSTOP);
	OK(waitid(P_PID, pid, &si, WSTOPPED));
	si.si_pid = 1;
	OK(waitid(P_PID, pid, &si, WSTOPPED | WNOHANG));
	EQ(si.si_pid, 0);
	OK(kill(pid, SIGCONT));
	OK(waitid(P_ALL, 0, &si, WCONTINUED));
	EQ(si.si_pid, pid);
	EQ(si.si_code, CLD_CONTINUED);
	EQ(si.si_status, SIGCONT);
	si.si_pid = 1;
	OK(waitid(P_PGID, getpgrp(), &si, WCONTINUED | WNOHANG));
	EQ(si.si_pid, 0);
	end(pid);
}

TEST(stop_interrupts_nothing)
{
	int p[2];
	char c;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		long n = read(p[0], &c, 1);
		_exit(n == 1 && c == 'x' ? 0 : 1);
	}
	usleep(20000);
	for (int i = 0; i < 3; i++) {
		OK(kill(pid, SIGSTOP));
		EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
		OK(kill(pid, SIGCONT));
		EQ(wait_status(pid, WCONTINUED), 0xffff);
	}
	OK(write(p[1], "x", 1));
	EQ(wait_status(pid, 0), 0);
}

TEST(nanosleep_goes_on_after_a_stop)
{
	struct timespec ts = {0, 100000000}, start, end_time;
	pid_t pid = fork();
	if (pid == 0)
		_exit(nanosleep(&ts, &ts) == 0 ? 0 : 1);
	OK(clock_gettime(CLOCK_MONOTONIC, &start));
	usleep(10000);
	OK(kill(pid, SIGSTOP));
	EQ(wait_status(pid, WUNTRACED), SIGSTOP << 8 | 0x7f);
	OK(kill(pid, SIGCONT));
	EQ(wait_status(pid, 0), 0);
	OK(clock_gettime(CLOCK_MONOTONIC, &end_time));
	CHECK((end_time.tv_sec - start.tv_sec) * 1000 + (end_time.tv_nsec - start.tv_nsec) / 1000000 >= 70);
}
