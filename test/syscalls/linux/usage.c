/* What a process used: user and system time, faults, switches, bytes read and written, and the load averages. */
#include "../test.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>

static double seconds(struct timeval t)
{
	return t.tv_sec + t.tv_usec / 1e6;
}

static double cpu_clock(clockid_t c)
{
	struct timespec t;
	OK(clock_gettime(c, &t));
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Uses CPU time without a system call, but for the clock. */
static void compute(double want)
{
	double end = cpu_clock(CLOCK_PROCESS_CPUTIME_ID) + want;
	volatile long x = 0;
	while (cpu_clock(CLOCK_PROCESS_CPUTIME_ID) < end)
		for (int i = 0; i < 2000000; i++)
			x++;
}

/* Uses CPU time by system calls. */
static void call(double want)
{
	double end = cpu_clock(CLOCK_PROCESS_CPUTIME_ID) + want;
	while (cpu_clock(CLOCK_PROCESS_CPUTIME_ID) < end)
		for (int i = 0; i < 200; i++)
			syscall(SYS_getppid);
}

/* utime and stime of /proc/self/stat, in seconds. */
static void stat_times(double *user, double *system)
{
	char buf[1024], *p;
	unsigned long u, s;
	int fd = OK(open("/proc/self/stat", O_RDONLY));
	int n = OK(read(fd, buf, sizeof buf - 1));
	close(fd);
	buf[n] = 0;
	p = strrchr(buf, ')');
	CHECK(p && sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s) == 2);
	*user = u / (double)sysconf(_SC_CLK_TCK);
	*system = s / (double)sysconf(_SC_CLK_TCK);
}

static void get_all(double *u, double *s)
{
	struct rusage ru;
	struct tms t;
	double tick = sysconf(_SC_CLK_TCK), pu, ps;
	OK(getrusage(RUSAGE_SELF, &ru));
	*u = seconds(ru.ru_utime);
	*s = seconds(ru.ru_stime);
	OK(times(&t));
	CHECK(t.tms_utime / tick >= *u - 0.02 && t.tms_utime / tick < *u + 0.1);
	CHECK(t.tms_stime / tick >= *s - 0.02 && t.tms_stime / tick < *s + 0.1);
	stat_times(&pu, &ps);
	CHECK(pu >= *u - 0.02 && pu < *u + 0.1);
	CHECK(ps >= *s - 0.02 && ps < *s + 0.1);
}

TEST_TIMEOUT(user_and_system_time_are_told_apart, 30)
{
	double u0, s0, u1, s1, u2, s2;
	get_all(&u0, &s0);
	compute(0.4);
	get_all(&u1, &s1);
	CHECK(u1 - u0 > 0.3 && s1 - s0 < 0.1);
	call(0.4);
	get_all(&u2, &s2);
	CHECK(s2 - s1 > 0.1 && u2 - u1 < 0.3);
	/* clock() is their sum. */
	double c = clock() / (double)CLOCKS_PER_SEC;
	CHECK(c >= u2 + s2 - 0.001 && c < u2 + s2 + 0.1);
}

static void child_calls(void *arg)
{
	(void)arg;
	call(0.3);
}

TEST_TIMEOUT(children_bring_their_system_time, 30)
{
	struct rusage own, kids;
	struct tms t;
	int status;
	pid_t pid = OK(fork());
	if (pid == 0) {
		/* A grandchild's counts once it was waited for. */
		test_in_child(child_calls, 0);
		_exit(0);
	}
	OK(getrusage(RUSAGE_CHILDREN, &kids));
	CHECK(seconds(kids.ru_stime) == 0 && seconds(kids.ru_utime) == 0);
	EQ(OK(wait4(pid, &status, 0, &own)), pid);
	CHECK(seconds(own.ru_stime) > 0.07 && seconds(own.ru_stime) + seconds(own.ru_utime) > 0.29);
	OK(getrusage(RUSAGE_CHILDREN, &kids));
	EQ(kids.ru_stime.tv_usec, own.ru_stime.tv_usec);
	EQ(kids.ru_utime.tv_usec, own.ru_utime.tv_usec);
	EQ(kids.ru_maxrss, own.ru_maxrss);
	OK(times(&t));
	CHECK(t.tms_cstime > 5);
}

TEST_TIMEOUT(virtual_time_is_user_time_and_prof_is_both, 30)
{
	struct itimerval set = {.it_value = {100, 0}}, v, p;
	struct itimerval off = {{0, 0}, {0, 0}};
	OK(setitimer(ITIMER_VIRTUAL, &set, 0));
	OK(setitimer(ITIMER_PROF, &set, 0));
	call(0.4);
	OK(getitimer(ITIMER_VIRTUAL, &v));
	OK(getitimer(ITIMER_PROF, &p));
	double user = 100 - seconds(v.it_value), all = 100 - seconds(p.it_value);
	CHECK(all > 0.35 && user < all - 0.1);
	OK(setitimer(ITIMER_VIRTUAL, &off, 0));
	OK(setitimer(ITIMER_PROF, &off, 0));
	/* The clocks they run on: CPUCLOCK_PROF, CPUCLOCK_VIRT, CPUCLOCK_SCHED of process 0, the caller's. */
	double prof = cpu_clock(~0 << 3 | 0), virt = cpu_clock(~0 << 3 | 1), sched = cpu_clock(~0 << 3 | 2);
	CHECK(virt < prof - 0.1 && prof < sched + 0.05 && prof > sched - 0.1);
}

static void *thread_computes(void *arg)
{
	struct timespec t;
	double end;
	volatile long x = 0;
	OK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t));
	end = t.tv_sec + t.tv_nsec / 1e9 + 0.2;
	while (cpu_clock(CLOCK_THREAD_CPUTIME_ID) < end)
		for (int i = 0; i < 1000000; i++)
			x++;
	OK(getrusage(RUSAGE_THREAD, arg));
	return 0;
}

TEST_TIMEOUT(a_thread_has_its_own_usage, 30)
{
	struct rusage a, b, all;
	pthread_t t;
	EQ(pthread_create(&t, 0, thread_computes, &a), 0);
	EQ(pthread_join(t, 0), 0);
	OK(getrusage(RUSAGE_THREAD, &b));
	OK(getrusage(RUSAGE_SELF, &all));
	CHECK(seconds(a.ru_utime) > 0.15);
	CHECK(seconds(b.ru_utime) < 0.1);
	CHECK(seconds(all.ru_utime) >= seconds(a.ru_utime) - 0.02);
}

TEST(page_faults_and_resident_set)
{
	enum { PAGES = 512 };
	struct rusage a, b;
	OK(getrusage(RUSAGE_SELF, &a));
	char *p = OK(mmap(0, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	madvise(p, PAGES * 4096, MADV_NOHUGEPAGE);
	for (int i = 0; i < PAGES; i++)
		p[i * 4096] = 1;
	OK(getrusage(RUSAGE_SELF, &b));
	CHECK(b.ru_minflt - a.ru_minflt >= PAGES / 2);
	CHECK(b.ru_maxrss >= PAGES * 4 && b.ru_maxrss >= a.ru_maxrss);
	EQ(b.ru_majflt - a.ru_majflt, 0);
}

/* A number of a "name:  N" line of a file. */
static long field(const char *path, const char *name)
{
	char line[256];
	long v = -1;
	FILE *f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			v = strtol(line + strlen(name) + 1, 0, 10);
	fclose(f);
	CHECK(v >= 0);
	return v;
}

TEST(context_switches)
{
	struct rusage a, b;
	long before = field("/proc/thread-self/status", "voluntary_ctxt_switches");
	OK(getrusage(RUSAGE_THREAD, &a));
	for (int i = 0; i < 10; i++)
		usleep(1000);
	OK(getrusage(RUSAGE_THREAD, &b));
	CHECK(b.ru_nvcsw - a.ru_nvcsw >= 10 && b.ru_nvcsw - a.ru_nvcsw < 100);
	CHECK(field("/proc/thread-self/status", "voluntary_ctxt_switches") >= before + 10);
	CHECK(field("/proc/thread-self/status", "nonvoluntary_ctxt_switches") >= 0);
}

struct io {
	long rchar, wchar, syscr, syscw;
};

static struct io io_of(const char *path)
{
	char buf[512];
	struct io o;
	int fd = OK(open(path, O_RDONLY));
	int n = OK(read(fd, buf, sizeof buf - 1));
	close(fd);
	buf[n] = 0;
	EQ(sscanf(buf, "rchar: %ld wchar: %ld syscr: %ld syscw: %ld", &o.rchar, &o.wchar, &o.syscr, &o.syscw), 4);
	return o;
}

/* What fn adds to the counters, without the reading of the file itself. */
static struct io io_spent(void (*fn)(void))
{
	struct io a = io_of("/proc/self/io"), b = io_of("/proc/self/io"), c;
	fn();
	c = io_of("/proc/self/io");
	long own = b.rchar - a.rchar, r = c.rchar - b.rchar;
	/* The numbers may have become longer. */
	return (struct io){r - own, c.wchar - b.wchar, c.syscr - b.syscr - 1, c.syscw - b.syscw};
}

static int io_fd;

static void io_plain(void)
{
	char buf[5000] = {0};
	struct iovec v[2] = {{buf, 100}, {buf, 50}};
	EQ(write(io_fd, buf, 5000), 5000);
	EQ(pwritev(io_fd, v, 2, 0), 150);
	EQ(pread(io_fd, buf, 3000, 0), 3000);
	EQ(pread(io_fd, buf, 3000, 1 << 20), 0);
	ERR(EBADF, write(-1, buf, 1));
}

static void io_failing(void)
{
	char c;
	int p[2];
	OK(pipe2(p, O_NONBLOCK));
	ERR(EAGAIN, read(p[0], &c, 1));
	EQ(write(p[1], "x", 1), 1);
	EQ(read(p[0], &c, 1), 1);
	close(p[0]);
	close(p[1]);
}

static void io_sendfile(void)
{
	off_t at = 0;
	int p[2];
	OK(pipe(p));
	EQ(syscall(SYS_sendfile, p[1], io_fd, &at, 1000), 1000);
	close(p[0]);
	close(p[1]);
}

static void io_in_child(void)
{
	int status;
	pid_t pid = OK(fork());
	if (pid == 0) {
		if (write(io_fd, "12345", 5) != 5)
			_exit(1);
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

#define NEAR(v, want) CHECK((v) >= (want) && (v) <= (want) + 8)

TEST(bytes_read_and_written)
{
	struct io d;
	io_fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	d = io_spent(io_plain);
	NEAR(d.rchar, 3000);
	EQ(d.wchar, 5150);
	EQ(d.syscr, 2);
	EQ(d.syscw, 2);
	d = io_spent(io_failing);
	NEAR(d.rchar, 1);
	EQ(d.wchar, 1);
	EQ(d.syscr, 2);
	EQ(d.syscw, 1);
	d = io_spent(io_sendfile);
	NEAR(d.rchar, 1000);
	EQ(d.wchar, 1000);
	EQ(d.syscr, 1);
	EQ(d.syscw, 1);
	/* A child that was waited for counts with its parent. */
	d = io_spent(io_in_child);
	EQ(d.wchar, 5);
	EQ(d.syscw, 1);
}

static void *thread_writes(void *arg)
{
	char path[64];
	(void)arg;
	EQ(write(io_fd, "1234567", 7), 7);
	snprintf(path, sizeof path, "/proc/self/task/%d/io", (int)syscall(SYS_gettid));
	EQ(io_of(path).wchar, 7);
	return 0;
}

TEST(bytes_of_threads)
{
	pthread_t t;
	io_fd = OK(open("file", O_RDWR | O_CREAT, 0600));
	struct io before = io_of("/proc/self/io");
	EQ(pthread_create(&t, 0, thread_writes, 0), 0);
	EQ(pthread_join(t, 0), 0);
	EQ(io_of("/proc/self/io").wchar - before.wchar, 7);
	EQ(io_of("/proc/thread-self/io").wchar, before.wchar);
}

TEST(load_averages)
{
	double a, b, c, d[3];
	int running, all, last;
	struct sysinfo si;
	FILE *f = fopen("/proc/loadavg", "r");
	CHECK(f);
	EQ(fscanf(f, "%lf %lf %lf %d/%d %d", &a, &b, &c, &running, &all, &last), 6);
	fclose(f);
	CHECK(running >= 1 && all >= running && last >= getpid());
	EQ(getloadavg(d, 3), 3);
	CHECK(a >= 0 && a - d[0] < 1 && d[0] - a < 1 && b - d[1] < 0.3 && d[2] - c < 0.2);
	OK(sysinfo(&si));
	double load = si.loads[1] / 65536.0;
	CHECK(load - b < 0.3 && b - load < 0.3);
}

TEST_TIMEOUT(a_busy_system_has_a_load, 30)
{
	double load = 0;
	time_t end = time(0) + 12;
	volatile long x = 0;
	while (load == 0 && time(0) < end) {
		for (int i = 0; i < 50000000; i++)
			x++;
		getloadavg(&load, 1);
	}
	CHECK(load > 0);
}
