/* alarm, interval timers, POSIX timers. */
#include "../test.h"
#include <pthread.h>
#include <sys/time.h>

static volatile sig_atomic_t calls;
static siginfo_t got;

static void count_call(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	got = *si;
	calls++;
}

static void catch_info(int sig)
{
	struct sigaction sa = {.sa_sigaction = count_call, .sa_flags = SA_SIGINFO | SA_RESTART};
	OK(sigaction(sig, &sa, 0));
}

static struct timespec now_of(clockid_t c)
{
	struct timespec ts;
	OK(clock_gettime(c, &ts));
	return ts;
}

static long ms_since(struct timespec start)
{
	struct timespec now = now_of(CLOCK_MONOTONIC);
	return (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
}

static void block(int sig)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, sig);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
}

static int take(int sig, siginfo_t *si)
{
	sigset_t set;
	struct timespec ts = {5, 0};
	sigemptyset(&set);
	sigaddset(&set, sig);
	return sigtimedwait(&set, si, &ts);
}

TEST(alarm_returns_what_was_left)
{
	EQ(alarm(100), 0);
	unsigned left = alarm(50);
	CHECK(left == 100 || left == 99);
	left = alarm(0);
	CHECK(left == 50 || left == 49);
	EQ(alarm(0), 0);
}

TEST(alarm_and_setitimer_are_one_timer)
{
	struct itimerval it;
	alarm(20);
	OK(getitimer(ITIMER_REAL, &it));
	CHECK(it.it_value.tv_sec == 19 || (it.it_value.tv_sec == 20 && it.it_value.tv_usec == 0));
	it = (struct itimerval){{0, 0}, {0, 1}};
	catch_info(SIGALRM);
	OK(setitimer(ITIMER_REAL, &it, 0));
	while (!calls)
		usleep(1000);
	EQ(alarm(0), 0);
}

TEST(alarm_kills_by_default)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct itimerval it = {{0, 0}, {0, 5000}};
		setitimer(ITIMER_REAL, &it, 0);
		for (;;)
			pause();
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, SIGALRM);
}

TEST(itimer_real_repeats)
{
	struct itimerval it = {{0, 5000}, {0, 10000}}, old;
	struct timespec start = now_of(CLOCK_MONOTONIC);
	catch_info(SIGALRM);
	OK(setitimer(ITIMER_REAL, &it, 0));
	while (calls < 5)
		usleep(1000);
	CHECK(ms_since(start) >= 30);
	EQ(got.si_code, SI_KERNEL);
	EQ(got.si_signo, SIGALRM);
	it = (struct itimerval){{0, 0}, {0, 0}};
	OK(setitimer(ITIMER_REAL, &it, &old));
	EQ(old.it_interval.tv_usec, 5000);
	CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec <= 5000);
	int n = calls;
	usleep(20000);
	EQ(calls, n);
}

TEST(itimer_virtual_and_prof_run_with_the_cpu)
{
	struct itimerval it = {{0, 10000}, {0, 10000}};
	catch_info(SIGVTALRM);
	OK(setitimer(ITIMER_VIRTUAL, &it, 0));
	usleep(40000);
	EQ(calls, 0);
	while (calls < 3)
		;
	it = (struct itimerval){{0, 0}, {0, 0}};
	OK(setitimer(ITIMER_VIRTUAL, &it, 0));
	calls = 0;
	catch_info(SIGPROF);
	it = (struct itimerval){{0, 10000}, {0, 10000}};
	OK(setitimer(ITIMER_PROF, &it, 0));
	while (calls < 3)
		getppid();
	OK(getitimer(ITIMER_PROF, &it));
	EQ(it.it_interval.tv_usec, 10000);
}

TEST(itimer_errors)
{
	struct itimerval it = {{0, 0}, {0, 0}}, bad = {{0, 0}, {0, 1000000}}, neg = {{0, 0}, {-1, 0}}, bad2 = {{0, -1}, {1, 0}};
	ERR(EINVAL, setitimer(99, &it, 0));
	ERR(EINVAL, getitimer(99, &it));
	ERR(EINVAL, setitimer(ITIMER_REAL, &bad, 0));
	ERR(EINVAL, setitimer(ITIMER_REAL, &neg, 0));
	ERR(EINVAL, setitimer(ITIMER_REAL, &bad2, 0));
	ERR(EFAULT, setitimer(ITIMER_REAL, (void *)1, 0));
	ERR(EFAULT, getitimer(ITIMER_REAL, (void *)1));
}

TEST(itimers_are_not_inherited_by_fork)
{
	int status;
	alarm(100);
	pid_t pid = fork();
	if (pid == 0)
		_exit(alarm(0));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	CHECK(alarm(0) > 0);
}

TEST(itimers_survive_exec)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct itimerval it = {{0, 0}, {0, 100000}};
		setitimer(ITIMER_REAL, &it, 0);
		execl("/bin/sleep", "sleep", "5", (char *)0);
		_exit(1);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, SIGALRM);
}

/* The kernel's own interface: small numbers for timers, and its errors. */
static int create(clockid_t clock, int notify, int sig, int value)
{
	struct sigevent ev = {.sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = value};
	int id = -1;
	OK(syscall(SYS_timer_create, clock, &ev, &id));
	return id;
}

static void set(int id, int flags, long first_ms, long every_ms)
{
	struct itimerspec it = {{every_ms / 1000, every_ms % 1000 * 1000000}, {first_ms / 1000, first_ms % 1000 * 1000000}};
	OK(syscall(SYS_timer_settime, id, flags, &it, 0));
}

TEST(posix_timer_sends_its_value)
{
	siginfo_t si;
	block(SIGRTMIN);
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 77);
	struct timespec start = now_of(CLOCK_MONOTONIC);
	set(id, 0, 20, 0);
	EQ(take(SIGRTMIN, &si), SIGRTMIN);
	CHECK(ms_since(start) >= 20);
	EQ(si.si_code, SI_TIMER);
	EQ(si.si_value.sival_int, 77);
	EQ(si.si_timerid, id);
	EQ(si.si_overrun, 0);
	OK(syscall(SYS_timer_delete, id));
	ERR(EINVAL, syscall(SYS_timer_delete, id));
}

TEST(posix_timer_defaults)
{
	siginfo_t si;
	int id = -1;
	block(SIGALRM);
	OK(syscall(SYS_timer_create, CLOCK_REALTIME, 0, &id));
	set(id, 0, 1, 0);
	EQ(take(SIGALRM, &si), SIGALRM);
	EQ(si.si_code, SI_TIMER);
	EQ(si.si_value.sival_int, id);
}

TEST(posix_timer_counts_overruns)
{
	siginfo_t si;
	block(SIGRTMIN);
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 1);
	struct timespec start = now_of(CLOCK_MONOTONIC);
	set(id, 0, 5, 5);
	usleep(52000);
	/* One signal is queued however many periods have passed. */
	EQ(take(SIGRTMIN, &si), SIGRTMIN);
	CHECK(si.si_overrun >= 8 && si.si_overrun <= ms_since(start) / 5);
	EQ(syscall(SYS_timer_getoverrun, id), si.si_overrun);
	EQ(take(SIGRTMIN, &si), SIGRTMIN);
	set(id, 0, 0, 0);
}

TEST(posix_timer_without_a_signal)
{
	struct itimerspec it;
	int id = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
	set(id, 0, 5000, 3000);
	OK(syscall(SYS_timer_gettime, id, &it));
	EQ(it.it_interval.tv_sec, 3);
	CHECK(it.it_value.tv_sec == 4 || (it.it_value.tv_sec == 5 && it.it_value.tv_nsec == 0));
	set(id, 0, 1, 10000);
	usleep(5000);
	OK(syscall(SYS_timer_gettime, id, &it));
	CHECK(it.it_value.tv_sec == 9);
}

TEST(posix_timer_disarmed)
{
	struct itimerspec it;
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	OK(syscall(SYS_timer_gettime, id, &it));
	EQ(it.it_value.tv_sec + it.it_value.tv_nsec + it.it_interval.tv_sec, 0);
	set(id, 0, 20, 3000);
	set(id, 0, 0, 0);
	OK(syscall(SYS_timer_gettime, id, &it));
	EQ(it.it_value.tv_sec + it.it_value.tv_nsec + it.it_interval.tv_sec, 0);
	/* SIGUSR1 would end the case. */
	usleep(40000);
}

TEST(posix_timer_absolute_time)
{
	siginfo_t si;
	struct itimerspec it = {{0, 0}, now_of(CLOCK_REALTIME)}, past = {{0, 0}, {1, 0}}, old;
	block(SIGRTMIN);
	int id = create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGRTMIN, 0);
	it.it_value.tv_sec += 100;
	OK(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &it, 0));
	OK(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &past, &old));
	CHECK(old.it_value.tv_sec == 99 || old.it_value.tv_sec == 100);
	EQ(take(SIGRTMIN, &si), SIGRTMIN);
}

TEST(posix_timer_for_one_thread)
{
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
	int id = -1;
	siginfo_t si;
	block(SIGRTMIN);
	ev._sigev_un._tid = syscall(SYS_gettid);
	OK(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
	set(id, 0, 1, 0);
	EQ(take(SIGRTMIN, &si), SIGRTMIN);
	ev._sigev_un._tid = 1 << 22;
	ERR(EINVAL, syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
	ev._sigev_un._tid = getppid();
	ERR(EINVAL, syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id));
}

TEST(posix_timer_on_cpu_time)
{
	static const clockid_t clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
	catch_info(SIGUSR1);
	for (int i = 0; i < 2; i++) {
		calls = 0;
		int id = create(clocks[i], SIGEV_SIGNAL, SIGUSR1, 5 + i);
		set(id, 0, 20, 0);
		usleep(40000);
		EQ(calls, 0);
		while (!calls)
			;
		EQ(got.si_value.sival_int, 5 + i);
		EQ(got.si_code, SI_TIMER);
		OK(syscall(SYS_timer_delete, id));
	}
}

TEST(posix_timer_errors)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1}, bad_sig = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65},
			bad_notify = {.sigev_notify = 77, .sigev_signo = SIGUSR1};
	struct itimerspec it = {{0, 0}, {0, 0}}, bad = {{0, 0}, {0, 1000000000}}, neg = {{0, 0}, {-1, 0}};
	int id;
	ERR(EINVAL, syscall(SYS_timer_create, 99, &ev, &id));
	ERR(EOPNOTSUPP, syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, &ev, &id));
	ERR(EINVAL, syscall(SYS_timer_create, CLOCK_MONOTONIC, &bad_sig, &id));
	ERR(EINVAL, syscall(SYS_timer_create, CLOCK_MONOTONIC, &bad_notify, &id));
	ERR(EFAULT, syscall(SYS_timer_create, CLOCK_MONOTONIC, 1, &id));
	ERR(EFAULT, syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, 1));
	id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	ERR(EINVAL, syscall(SYS_timer_settime, id, 0, &bad, 0));
	ERR(EINVAL, syscall(SYS_timer_settime, id, 0, &neg, 0));
	ERR(EINVAL, syscall(SYS_timer_settime, id, 0, 0, 0));
	ERR(EFAULT, syscall(SYS_timer_settime, id, 0, 1, 0));
	ERR(EINVAL, syscall(SYS_timer_settime, id + 100, 0, &it, 0));
	ERR(EINVAL, syscall(SYS_timer_gettime, id + 100, &it));
	ERR(EFAULT, syscall(SYS_timer_gettime, id, 1));
	ERR(EINVAL, syscall(SYS_timer_getoverrun, id + 100));
	ERR(EINVAL, syscall(SYS_timer_delete, -1));
}

TEST(posix_timers_go_with_fork_and_exec)
{
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0), status;
	struct itimerspec it;
	pid_t pid = fork();
	if (pid == 0) {
		ERR(EINVAL, syscall(SYS_timer_gettime, id, &it));
		id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
		set(id, 0, 50, 0);
		execl("/bin/sleep", "sleep", "0.1", (char *)0);
		_exit(1);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	OK(syscall(SYS_timer_gettime, id, &it));
}

TEST(deleting_a_timer_keeps_no_signal_coming)
{
	catch_info(SIGUSR1);
	int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
	set(id, 0, 1, 1);
	while (calls < 3)
		usleep(500);
	OK(syscall(SYS_timer_delete, id));
	int n = calls;
	usleep(10000);
	EQ(calls, n);
}

static void notify(union sigval v)
{
	*(volatile int *)v.sival_ptr += 1;
}

TEST(library_timers_with_threads)
{
	static volatile int n;
	struct sigevent ev = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = notify, .sigev_value.sival_ptr = (void *)&n};
	struct itimerspec it = {{0, 2000000}, {0, 2000000}};
	timer_t t;
	OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
	OK(timer_settime(t, 0, &it, 0));
	while (n < 5)
		usleep(1000);
	OK(timer_delete(t));
}
