/* Clocks and sleeping. */
#include "../test.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static long long ns_of(clockid_t c)
{
	struct timespec ts;
	OK(clock_gettime(c, &ts));
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static void burn(long long ns)
{
	long long end = ns_of(CLOCK_THREAD_CPUTIME_ID) + ns;
	while (ns_of(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static const clockid_t all_clocks[] = {CLOCK_REALTIME,		CLOCK_MONOTONIC,     CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
				       CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,	       CLOCK_TAI};

TEST(every_clock_can_be_read)
{
	for (size_t i = 0; i < sizeof all_clocks / sizeof *all_clocks; i++) {
		struct timespec lib, raw;
		OK(clock_gettime(all_clocks[i], &lib));
		OK(syscall(SYS_clock_gettime, all_clocks[i], &raw));
		/* Through the vDSO and through the kernel: the same clock. */
		long long d = (raw.tv_sec - lib.tv_sec) * 1000000000ll + raw.tv_nsec - lib.tv_nsec;
		CHECK(d >= 0 && d < 2000000000);
	}
}

TEST(clocks_do_not_go_back)
{
	for (size_t i = 1; i < 8; i++) {
		long long last = 0;
		if (all_clocks[i] == CLOCK_REALTIME_COARSE)
			continue;
		for (int n = 0; n < 2000; n++) {
			long long t = ns_of(all_clocks[i]);
			CHECK(t >= last);
			last = t;
			if (n % 50 == 0) {
				struct timespec raw;
				OK(syscall(SYS_clock_gettime, all_clocks[i], &raw));
				CHECK(raw.tv_sec * 1000000000ll + raw.tv_nsec >= last);
				last = raw.tv_sec * 1000000000ll + raw.tv_nsec;
			}
		}
	}
}

TEST(clock_getres_answers)
{
	struct timespec ts;
	for (size_t i = 0; i < sizeof all_clocks / sizeof *all_clocks; i++) {
		int coarse = all_clocks[i] == CLOCK_REALTIME_COARSE || all_clocks[i] == CLOCK_MONOTONIC_COARSE;
		OK(syscall(SYS_clock_getres, all_clocks[i], &ts));
		EQ(ts.tv_sec, 0);
		if (coarse)
			CHECK(ts.tv_nsec >= 1000000 && ts.tv_nsec <= 10000000);
		else
			EQ(ts.tv_nsec, 1);
	}
	OK(syscall(SYS_clock_getres, CLOCK_MONOTONIC, 0));
	ERR(EINVAL, clock_getres(99, &ts));
	ERR(EFAULT, syscall(SYS_clock_getres, CLOCK_REALTIME, 1));
}

TEST(clock_errors)
{
	struct timespec ts;
	ERR(EINVAL, clock_gettime(99, &ts));
	ERR(EINVAL, clock_gettime(-1, &ts));
	ERR(EFAULT, syscall(SYS_clock_gettime, CLOCK_REALTIME, 1));
	ERR(EFAULT, syscall(SYS_clock_gettime, CLOCK_MONOTONIC, 1));
	ERR(EFAULT, syscall(SYS_gettimeofday, 1, 0));
	ERR(EFAULT, syscall(SYS_time, 1));
	ERR(EFAULT, syscall(SYS_times, 1));
}

TEST(setting_clocks_is_refused)
{
	struct timespec ts = {1, 0}, bad = {1, 1000000000};
	struct timeval tv = {1, 0};
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, clock_settime(CLOCK_REALTIME, &ts));
	ERR(EINVAL, clock_settime(CLOCK_REALTIME, &bad));
	ERR(EINVAL, clock_settime(CLOCK_MONOTONIC, &ts));
	ERR(EFAULT, syscall(SYS_clock_settime, CLOCK_REALTIME, 1));
	ERR(EPERM, settimeofday(&tv, 0));
}

TEST(wall_clocks_agree)
{
	struct timeval tv;
	struct timezone tz = {77, 77};
	long long a = ns_of(CLOCK_REALTIME), b, c;
	OK(gettimeofday(&tv, 0));
	b = tv.tv_sec * 1000000000ll + tv.tv_usec * 1000ll;
	c = ns_of(CLOCK_REALTIME);
	CHECK(a / 1000 * 1000 <= b && b <= c);
	time_t t, u = time(&t), r = syscall(SYS_time, 0);
	EQ(t, u);
	/* time() reads the coarse clock, which may be behind by a tick. */
	CHECK(u >= a / 1000000000 - 1 && u <= c / 1000000000 + 1 && r >= u);
	OK(syscall(SYS_gettimeofday, &tv, &tz));
	CHECK(tz.tz_minuteswest != 77 && tz.tz_dsttime != 77);
	OK(syscall(SYS_gettimeofday, 0, &tz));
	CHECK(u > 1600000000);
}

TEST(monotonic_and_boottime_advance_alike)
{
	long long m = ns_of(CLOCK_MONOTONIC), b = ns_of(CLOCK_BOOTTIME), r = ns_of(CLOCK_REALTIME), w = ns_of(CLOCK_MONOTONIC_RAW);
	CHECK(b >= m);
	usleep(50000);
	long long dm = ns_of(CLOCK_MONOTONIC) - m, db = ns_of(CLOCK_BOOTTIME) - b, dr = ns_of(CLOCK_REALTIME) - r, dw = ns_of(CLOCK_MONOTONIC_RAW) - w;
	CHECK(dm >= 50000000);
	CHECK(llabs(dm - db) < 20000000 && llabs(dm - dr) < 20000000 && llabs(dm - dw) < 20000000);
}

TEST(sleeping_costs_no_cpu_time_and_working_does)
{
	long long p = ns_of(CLOCK_PROCESS_CPUTIME_ID), t = ns_of(CLOCK_THREAD_CPUTIME_ID);
	usleep(60000);
	CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - p < 50000000);
	burn(30000000);
	CHECK(ns_of(CLOCK_THREAD_CPUTIME_ID) - t >= 30000000);
	CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - p >= 30000000);
}

static void *burn_thread(void *arg)
{
	burn(20000000);
	return arg;
}

TEST(the_process_clock_sums_the_threads)
{
	pthread_t t[2];
	long long p = ns_of(CLOCK_PROCESS_CPUTIME_ID), mine = ns_of(CLOCK_THREAD_CPUTIME_ID);
	for (int i = 0; i < 2; i++)
		EQ(pthread_create(&t[i], 0, burn_thread, 0), 0);
	for (int i = 0; i < 2; i++)
		EQ(pthread_join(t[i], 0), 0);
	CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - p >= 40000000);
	CHECK(ns_of(CLOCK_THREAD_CPUTIME_ID) - mine < 20000000);
}

TEST(cpu_clocks_of_others)
{
	clockid_t c;
	struct timespec ts;
	pid_t pid = fork();
	if (pid == 0) {
		burn(20000000);
		for (;;)
			pause();
	}
	EQ(clock_getcpuclockid(pid, &c), 0);
	do {
		OK(clock_gettime(c, &ts));
		CHECK(ts.tv_sec < 5);
	} while (ts.tv_nsec < 20000000);
	OK(kill(pid, SIGKILL));
	EQ(OK(waitpid(pid, 0, 0)), pid);
	ERR(EINVAL, clock_gettime(c, &ts));
	EQ(clock_getcpuclockid(99999999, &c), ESRCH);
	EQ(clock_getcpuclockid(0, &c), 0);
	OK(clock_gettime(c, &ts));
}

TEST(times_and_getrusage_count)
{
	struct tms a, b;
	struct rusage ru;
	clock_t ta = OK(times(&a)), tb;
	EQ(sysconf(_SC_CLK_TCK), 100);
	EQ(a.tms_cutime + a.tms_cstime, 0);
	burn(60000000);
	tb = OK(times(&b));
	CHECK(tb - ta >= 5);
	CHECK(b.tms_utime + b.tms_stime - a.tms_utime - a.tms_stime >= 4);
	OK(getrusage(RUSAGE_SELF, &ru));
	CHECK((ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec >= 55000);
	CHECK(ru.ru_maxrss > 100);
	OK(getrusage(RUSAGE_THREAD, &ru));
	ERR(EFAULT, getrusage(RUSAGE_SELF, (void *)1));
	pid_t pid = fork();
	if (pid == 0) {
		burn(60000000);
		_exit(0);
	}
	EQ(OK(waitpid(pid, 0, 0)), pid);
	OK(times(&b));
	CHECK(b.tms_cutime + b.tms_cstime >= 4);
}

TEST(nanosleep_sleeps_at_least_so_long)
{
	for (long ns = 1; ns <= 50000000; ns *= 20) {
		struct timespec ts = {0, ns};
		long long a = ns_of(CLOCK_MONOTONIC);
		OK(nanosleep(&ts, 0));
		CHECK(ns_of(CLOCK_MONOTONIC) - a >= ns);
	}
	struct timespec zero = {0, 0};
	OK(nanosleep(&zero, 0));
}

TEST(nanosleep_errors)
{
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, neg_ns = {0, -1};
	ERR(EINVAL, nanosleep(&bad, 0));
	ERR(EINVAL, nanosleep(&neg, 0));
	ERR(EINVAL, nanosleep(&neg_ns, 0));
	ERR(EFAULT, nanosleep((void *)1, 0));
	EQ(clock_nanosleep(99, 0, &neg, 0), EINVAL);
	EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, 0), EINVAL);
	ERR(EOPNOTSUPP, syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){0, 1}, 0));
	ERR(EOPNOTSUPP, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &(struct timespec){0, 1}, 0));
	ERR(EOPNOTSUPP, syscall(SYS_clock_nanosleep, CLOCK_REALTIME_COARSE, 0, &(struct timespec){0, 1}, 0));
	ERR(EFAULT, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, 1, 0));
}

TEST(clock_nanosleep_until)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
	for (int i = 0; i < 4; i++) {
		long long until = ns_of(clocks[i]) + 15000000;
		struct timespec ts = {until / 1000000000, until % 1000000000}, past = {1, 0};
		EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &ts, 0), 0);
		CHECK(ns_of(clocks[i]) >= until);
		EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &past, 0), 0);
		ts = (struct timespec){0, 5000000};
		long long a = ns_of(CLOCK_MONOTONIC);
		EQ(clock_nanosleep(clocks[i], 0, &ts, 0), 0);
		CHECK(ns_of(CLOCK_MONOTONIC) - a >= 5000000);
	}
}

static void *worker(void *arg)
{
	for (volatile long i = 0; !*(volatile int *)arg; i++)
		;
	return 0;
}

TEST(clock_nanosleep_on_cpu_time)
{
	pthread_t t;
	static volatile int stop;
	struct timespec ts = {0, 20000000};
	EQ(pthread_create(&t, 0, worker, (void *)&stop), 0);
	long long a = ns_of(CLOCK_PROCESS_CPUTIME_ID);
	EQ(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &ts, 0), 0);
	CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - a >= 20000000);
	stop = 1;
	EQ(pthread_join(t, 0), 0);
}

TEST(a_thousand_short_sleeps)
{
	struct timespec ts = {0, 1000};
	long long a = ns_of(CLOCK_MONOTONIC);
	for (int i = 0; i < 1000; i++)
		OK(nanosleep(&ts, 0));
	CHECK(ns_of(CLOCK_MONOTONIC) - a >= 1000000);
}

static void bad_vsyscall(void *arg)
{
	(void)arg;
	((time_t (*)(time_t *))0xffffffffff600400)((time_t *)1);
}

TEST(vsyscalls)
{
	char line[512];
	int listed = 0;
	FILE *f = fopen("/proc/self/maps", "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		listed |= strcmp(line, "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n") == 0;
	fclose(f);
	if (!listed)
		SKIP("the kernel has no vsyscalls");
	time_t t = 0, now = ((time_t (*)(time_t *))0xffffffffff600400)(&t);
	CHECK(now == t && now >= time(0) - 1 && now <= time(0));
	struct timeval tv;
	EQ(((int (*)(struct timeval *, void *))0xffffffffff600000)(&tv, 0), 0);
	CHECK(tv.tv_sec >= now && tv.tv_sec <= now + 2);
	unsigned cpu = 9999;
	EQ(((int (*)(unsigned *, void *, void *))0xffffffffff600800)(&cpu, 0, 0), 0);
	CHECK(cpu < 9999);
	EQ(test_in_child(bad_vsyscall, 0), SIGSEGV);
}

TEST(clock_adjtime_reads)
{
	/* struct timex: modes 0 only looks. */
	long buf[26] = {0};
	OK(setresuid(65534, 65534, 65534));
	CHECK(syscall(SYS_adjtimex, buf) >= 0);
	memset(buf, 0, sizeof buf);
	CHECK(syscall(SYS_clock_adjtime, CLOCK_REALTIME, buf) >= 0);
	((unsigned *)buf)[0] = 1;
	ERR(EPERM, syscall(SYS_adjtimex, buf));
	ERR(EFAULT, syscall(SYS_adjtimex, 1));
	((unsigned *)buf)[0] = 0;
	ERR(EINVAL, syscall(SYS_clock_adjtime, 99, buf));
}
