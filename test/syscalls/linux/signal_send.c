/* kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo: who may send, who receives, and what the siginfo says. */
#include "../test.h"
#include <pthread.h>
#include <sched.h>

static siginfo_t got;
static volatile sig_atomic_t calls;
static volatile int by_thread;

static void note(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	got = *si;
	by_thread = syscall(SYS_gettid);
	calls++;
}

static void catch_info(int sig)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};
	memset(&got, 0x55, sizeof got);
	OK(sigaction(sig, &sa, 0));
}

static void reap(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

static void become_nobody(void)
{
	OK(setresgid(65534, 65534, 65534));
	OK(setresuid(65534, 65534, 65534));
}

TEST(kill_errors)
{
	ERR(EINVAL, kill(getpid(), 65));
	ERR(EINVAL, kill(getpid(), -1));
	ERR(ESRCH, kill(99999999, 0));
	ERR(ESRCH, kill(99999999, 65));
	ERR(ESRCH, kill(-99999999, 0));
	ERR(ESRCH, kill((pid_t)0x80000000, SIGUSR1));
	OK(kill(getpid(), 0));
}

TEST(tkill_and_tgkill_errors)
{
	ERR(EINVAL, syscall(SYS_tgkill, 0, getpid(), SIGUSR1));
	ERR(EINVAL, syscall(SYS_tgkill, getpid(), 0, SIGUSR1));
	ERR(EINVAL, syscall(SYS_tgkill, -1, getpid(), SIGUSR1));
	ERR(EINVAL, syscall(SYS_tgkill, getpid(), getpid(), 65));
	ERR(EINVAL, syscall(SYS_tkill, 0, SIGUSR1));
	ERR(EINVAL, syscall(SYS_tkill, -1, SIGUSR1));
	ERR(EINVAL, syscall(SYS_tkill, getpid(), -1));
	ERR(ESRCH, syscall(SYS_tkill, 99999999, 0));
	ERR(ESRCH, syscall(SYS_tgkill, getpid(), 99999999, 0));
	ERR(ESRCH, syscall(SYS_tgkill, getppid(), getpid(), 0));
	OK(syscall(SYS_tgkill, getpid(), getpid(), 0));
	OK(syscall(SYS_tkill, getpid(), 0));
}

TEST(siginfo_of_kill)
{
	catch_info(SIGUSR1);
	OK(kill(getpid(), SIGUSR1));
	EQ(calls, 1);
	EQ(got.si_signo, SIGUSR1);
	EQ(got.si_code, SI_USER);
	EQ(got.si_errno, 0);
	EQ(got.si_pid, getpid());
	EQ(got.si_uid, getuid());
}

TEST(siginfo_of_tgkill)
{
	catch_info(SIGUSR1);
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	EQ(got.si_code, SI_TKILL);
	EQ(got.si_pid, getpid());
	EQ(got.si_uid, getuid());
	OK(syscall(SYS_tkill, getpid(), SIGUSR1));
	EQ(got.si_code, SI_TKILL);
	EQ(calls, 2);
}

TEST(siginfo_of_sigqueue)
{
	catch_info(SIGRTMIN + 1);
	OK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_ptr = (void *)0x123456789abcdef}));
	EQ(got.si_signo, SIGRTMIN + 1);
	EQ(got.si_code, SI_QUEUE);
	EQ(got.si_pid, getpid());
	EQ(got.si_uid, getuid());
	CHECK(got.si_value.sival_ptr == (void *)0x123456789abcdef);
}

TEST(siginfo_of_a_signal_from_another_user)
{
	sigset_t set;
	pid_t parent = getpid();
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresuid(1234, 1234, 1234));
		OK(kill(parent, SIGCONT));
		_exit(0);
	}
	EQ(OK(sigwaitinfo(&set, &got)), SIGCONT);
	EQ(got.si_pid, pid);
	EQ(got.si_uid, 1234);
	reap(pid);
}

TEST(rt_sigqueueinfo_rules)
{
	siginfo_t si = {.si_code = SI_QUEUE, .si_errno = 5};
	pid_t pid;
	si.si_pid = 4321;
	si.si_uid = 77;
	si.si_value.sival_int = 99;
	catch_info(SIGUSR1);
	/* A process may tell itself anything. */
	OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si));
	EQ(got.si_signo, SIGUSR1);
	EQ(got.si_code, SI_QUEUE);
	EQ(got.si_pid, 4321);
	EQ(got.si_uid, 77);
	EQ(got.si_errno, 5);
	EQ(got.si_value.sival_int, 99);
	si.si_code = SI_USER;
	OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si));
	EQ(got.si_code, SI_USER);
	EQ(got.si_pid, 4321);
	si.si_code = 7;
	OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &si));
	EQ(got.si_code, 7);
	/* Another one must not be told what looks like the kernel's or kill's. */
	pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	si.si_code = SI_USER;
	ERR(EPERM, syscall(SYS_rt_sigqueueinfo, pid, SIGUSR1, &si));
	si.si_code = 1;
	ERR(EPERM, syscall(SYS_rt_sigqueueinfo, pid, 0, &si));
	si.si_code = SI_TKILL;
	ERR(EPERM, syscall(SYS_rt_sigqueueinfo, pid, 0, &si));
	si.si_code = SI_QUEUE;
	OK(syscall(SYS_rt_sigqueueinfo, pid, 0, &si));
	ERR(EINVAL, syscall(SYS_rt_sigqueueinfo, pid, 65, &si));
	ERR(ESRCH, syscall(SYS_rt_sigqueueinfo, 99999999, SIGUSR1, &si));
	ERR(EFAULT, syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 1));
	OK(kill(pid, SIGKILL));
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(rt_tgsigqueueinfo_rules)
{
	siginfo_t si = {.si_code = SI_QUEUE, .si_value.sival_int = 3};
	catch_info(SIGUSR1);
	OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &si));
	EQ(got.si_code, SI_QUEUE);
	EQ(got.si_value.sival_int, 3);
	ERR(EINVAL, syscall(SYS_rt_tgsigqueueinfo, 0, getpid(), SIGUSR1, &si));
	ERR(EINVAL, syscall(SYS_rt_tgsigqueueinfo, getpid(), -1, SIGUSR1, &si));
	ERR(EINVAL, syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 65, &si));
	ERR(ESRCH, syscall(SYS_rt_tgsigqueueinfo, getppid(), getpid(), SIGUSR1, &si));
	ERR(EFAULT, syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, 1));
}

TEST(sending_needs_the_same_user)
{
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		become_nobody();
		ERR(EPERM, kill(parent, SIGTERM));
		ERR(EPERM, kill(parent, 0));
		ERR(EPERM, syscall(SYS_tgkill, parent, parent, SIGTERM));
		ERR(EPERM, sigqueue(parent, SIGTERM, (union sigval){0}));
		/* SIGCONT may be sent within the session. */
		OK(kill(parent, SIGCONT));
		OK(setsid());
		ERR(EPERM, kill(parent, SIGCONT));
		OK(kill(getpid(), 0));
		_exit(0);
	}
	reap(pid);
}

TEST(the_saved_user_counts_for_the_receiver)
{
	int p[2], status;
	char c;
	OK(pipe(p));
	pid_t victim = fork();
	if (victim == 0) {
		/* Effective 2001, saved and real 2000: 2000 may send, 2001 may not. */
		OK(setresuid(2000, 2001, 2000));
		OK(write(p[1], "r", 1));
		for (;;)
			pause();
	}
	EQ(read(p[0], &c, 1), 1);
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresuid(2001, 2001, 2001));
		ERR(EPERM, kill(victim, SIGTERM));
		_exit(0);
	}
	reap(pid);
	pid = fork();
	if (pid == 0) {
		OK(setresuid(3000, 2000, 3000));
		OK(kill(victim, SIGTERM));
		_exit(0);
	}
	reap(pid);
	EQ(OK(waitpid(victim, &status, 0)), victim);
	EQ(status, SIGTERM);
}

TEST(a_group_gets_one_each)
{
	int p[2], status;
	char c;
	pid_t pids[4];
	OK(pipe(p));
	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			if (i == 0)
				OK(setpgid(0, 0));
			else
				while (setpgid(0, pids[0]) < 0)
					sched_yield();
			OK(write(p[1], "r", 1));
			for (;;)
				pause();
		}
	}
	for (int i = 0; i < 4; i++)
		EQ(read(p[0], &c, 1), 1);
	OK(kill(-pids[0], 0));
	OK(kill(-pids[0], SIGUSR1));
	for (int i = 0; i < 4; i++) {
		EQ(OK(waitpid(pids[i], &status, 0)), pids[i]);
		EQ(status, SIGUSR1);
	}
	ERR(ESRCH, kill(-pids[0], 0));
}

TEST(kill_zero_is_the_own_group)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		OK(setpgid(0, 0));
		pid_t child = fork();
		if (child == 0)
			for (;;)
				pause();
		OK(signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
		OK(kill(0, SIGUSR1));
		OK(kill(0, SIGTERM) < 0 ? -1 : 0);
		for (;;)
			pause();
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, SIGTERM);
}

TEST(signal_to_oneself_is_handled_before_kill_returns)
{
	catch_info(SIGUSR1);
	for (int i = 1; i <= 1000; i++) {
		OK(kill(getpid(), SIGUSR1));
		EQ(calls, i);
	}
}

static int ready[2];
static void *wait_with_all_open(void *arg)
{
	sigset_t none;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, 0);
	*(int *)arg = syscall(SYS_gettid);
	OK(write(ready[1], "r", 1));
	while (!calls)
		usleep(1000);
	return 0;
}

TEST(a_process_signal_goes_to_a_thread_that_does_not_block_it)
{
	pthread_t t;
	sigset_t all;
	char c;
	int tid = 0;
	catch_info(SIGUSR1);
	OK(pipe(ready));
	sigfillset(&all);
	OK(sigprocmask(SIG_SETMASK, &all, 0));
	EQ(pthread_create(&t, 0, wait_with_all_open, &tid), 0);
	EQ(read(ready[0], &c, 1), 1);
	OK(kill(getpid(), SIGUSR1));
	EQ(pthread_join(t, 0), 0);
	EQ(by_thread, tid);
}

TEST(a_thread_signal_goes_to_that_thread)
{
	pthread_t t;
	char c;
	int tid = 0;
	catch_info(SIGUSR1);
	OK(pipe(ready));
	EQ(pthread_create(&t, 0, wait_with_all_open, &tid), 0);
	EQ(read(ready[0], &c, 1), 1);
	OK(syscall(SYS_tgkill, getpid(), tid, SIGUSR1));
	EQ(pthread_join(t, 0), 0);
	EQ(by_thread, tid);
	EQ(got.si_code, SI_TKILL);
	/* A joined thread is gone soon after. */
	for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), tid, 0) == 0; i++)
		usleep(1000);
	ERR(ESRCH, syscall(SYS_tgkill, getpid(), tid, 0));
}

static void *sleep_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

TEST(a_fatal_signal_to_one_thread_ends_all)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t;
		for (int i = 0; i < 4; i++)
			pthread_create(&t, 0, sleep_forever, 0);
		pthread_kill(t, SIGUSR2);
		for (;;)
			pause();
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, SIGUSR2);
}

static void wait_for(int sig, siginfo_t *si)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, sig);
	EQ(OK(sigwaitinfo(&set, si)), sig);
}

TEST(siginfo_of_sigchld)
{
	sigset_t set;
	siginfo_t si;
	struct sigaction sa = {.sa_handler = SIG_DFL};
	OK(sigaction(SIGCHLD, &sa, 0));
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	pid_t pid = fork();
	if (pid == 0)
		_exit(3);
	wait_for(SIGCHLD, &si);
	EQ(si.si_code, CLD_EXITED);
	EQ(si.si_status, 3);
	EQ(si.si_pid, pid);
	EQ(si.si_uid, getuid());
	CHECK(si.si_utime >= 0 && si.si_stime >= 0);
	EQ(OK(waitpid(pid, 0, 0)), pid);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	OK(kill(pid, SIGSTOP));
	wait_for(SIGCHLD, &si);
	EQ(si.si_code, CLD_STOPPED);
	EQ(si.si_status, SIGSTOP);
	OK(kill(pid, SIGCONT));
	wait_for(SIGCHLD, &si);
	EQ(si.si_code, CLD_CONTINUED);
	EQ(si.si_status, SIGCONT);
	OK(kill(pid, SIGKILL));
	wait_for(SIGCHLD, &si);
	EQ(si.si_code, CLD_KILLED);
	EQ(si.si_status, SIGKILL);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(sa_nocldstop_is_silent_about_stops)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_NOCLDSTOP};
	int status;
	OK(sigaction(SIGCHLD, &sa, 0));
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	OK(kill(pid, SIGSTOP));
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, &status, WUNTRACED)), pid);
	OK(kill(pid, SIGCONT));
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, &status, WCONTINUED)), pid);
	EQ(calls, 0);
	OK(kill(pid, SIGKILL));
	EQ(TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)), pid);
	while (!calls)
		usleep(1000);
	EQ(got.si_code, CLD_KILLED);
}

static void children_vanish(void *arg)
{
	struct sigaction sa = {.sa_handler = arg ? SIG_IGN : SIG_DFL, .sa_flags = arg ? 0 : SA_NOCLDWAIT};
	int status;
	OK(sigaction(SIGCHLD, &sa, 0));
	for (int i = 0; i < 5; i++)
		if (fork() == 0)
			_exit(0);
	/* The call waits for all, then finds none. */
	ERR(ECHILD, waitpid(-1, &status, 0));
}

TEST(ignored_children_leave_no_zombies)
{
	EQ(test_in_child(children_vanish, 0), 0);
	EQ(test_in_child(children_vanish, (void *)1), 0);
}

TEST(default_actions)
{
	static const int terminate[] = {SIGHUP, SIGINT, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGUSR2, SIGPROF, SIGVTALRM, SIGIO, SIGPWR, SIGSTKFLT, 34, 64};
	static const int dump[] = {SIGQUIT, SIGILL, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ};
	static const int ignore[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, 0};
	int status;
	for (size_t i = 0; i < sizeof terminate / sizeof *terminate + sizeof dump / sizeof *dump; i++) {
		size_t n = sizeof terminate / sizeof *terminate;
		int sig = i < n ? terminate[i] : dump[i - n];
		pid_t pid = fork();
		if (pid == 0) {
			kill(getpid(), sig);
			_exit(1);
		}
		EQ(OK(waitpid(pid, &status, 0)), pid);
		CHECK(WIFSIGNALED(status));
		EQ(WTERMSIG(status), sig);
	}
	for (const int *s = ignore; *s; s++)
		OK(kill(getpid(), *s));
}
