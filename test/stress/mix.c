/*
 * Threads, forks, execs, signals, mappings, pipes and futexes at the same time, each checking itself. Runs for as many seconds as the
 * argument says; prints "rounds N" and exits 0, or says what was wrong and exits 1. `mix x` is the program it executes itself as.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PG 4096ul

static const char *self;
static double deadline;
static atomic_long rounds;
static volatile sig_atomic_t alarms;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

#define DIE(...)                                                                                                       \
	do {                                                                                                           \
		char m_[400];                                                                                          \
		int n_ = snprintf(m_, sizeof m_, "line %d: ", __LINE__);                                               \
		n_ += snprintf(m_ + n_, sizeof m_ - (size_t)n_, __VA_ARGS__);                                          \
		n_ += snprintf(m_ + n_, sizeof m_ - (size_t)n_, " (%s)\n", strerror(errno));                           \
		if (write(2, m_, (size_t)n_) < 0)                                                                      \
			_exit(2);                                                                                      \
		_exit(1);                                                                                              \
	} while (0)

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static int wait_for(pid_t pid)
{
	int status;
	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			DIE("waitpid %d", pid);
	return status;
}

/* Children that change copied memory, with the parent's staying as it was. */
static void *forker(void *arg)
{
	unsigned seed = (unsigned)(long)arg;
	size_t n = 64 * PG;
	unsigned *m = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		DIE("mmap");
	while (now() < deadline) {
		unsigned v = next(&seed);
		for (size_t i = 0; i < n / 4; i += 512)
			m[i] = v + (unsigned)i;
		pid_t pid = fork();
		if (pid < 0)
			DIE("fork");
		if (pid == 0) {
			for (size_t i = 0; i < n / 4; i += 512) {
				if (m[i] != v + (unsigned)i)
					_exit(1);
				m[i] = 0;
			}
			_exit(v & 0x3f);
		}
		int status = wait_for(pid);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != (int)(v & 0x3f))
			DIE("forked child: status %x", status);
		for (size_t i = 0; i < n / 4; i += 512)
			if (m[i] != v + (unsigned)i)
				DIE("copied memory changed");
		rounds++;
	}
	return 0;
}

/* Programs started by vfork and exec, with a pipe to them. */
static void *execer(void *arg)
{
	volatile unsigned seeds = (unsigned)(long)arg;
	while (now() < deadline) {
		int p[2];
		char num[16], back[16] = "";
		unsigned v = (unsigned)(seeds = seeds * 1664525u + 1013904223u) >> 8;
		if (pipe2(p, O_CLOEXEC))
			DIE("pipe2");
		snprintf(num, sizeof num, "%u", v);
		pid_t pid = (v & 1) ? vfork() : fork();
		if (pid == 0) {
			char *argv[] = {(char *)self, "x", num, 0};
			dup2(p[1], 1);
			execv(self, argv);
			_exit(99);
		}
		if (pid < 0)
			DIE("vfork");
		close(p[1]);
		size_t got = 0;
		for (ssize_t n; (n = read(p[0], back + got, sizeof back - 1 - got)) != 0;) {
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				DIE("read");
			got += (size_t)n;
		}
		close(p[0]);
		int status = wait_for(pid);
		if (status != 0 || strcmp(back, num))
			DIE("program: status %x, said %s, not %s", status, back, num);
		rounds++;
	}
	return 0;
}

/* Mappings made, protected, moved and removed, contents kept. */
static void *mapper(void *arg)
{
	unsigned seed = (unsigned)(long)arg;
	while (now() < deadline) {
		size_t pages = 1 + next(&seed) % 100;
		unsigned char v = (unsigned char)next(&seed);
		unsigned char *m = mmap(0, pages * PG, PROT_READ | PROT_WRITE, ((v & 1) ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
		if (m == MAP_FAILED)
			DIE("mmap");
		for (size_t i = 0; i < pages; i++)
			m[i * PG + v] = (unsigned char)(v + i);
		size_t cut = next(&seed) % pages;
		if (mprotect(m + cut * PG, PG, PROT_READ))
			DIE("mprotect");
		unsigned char *q = mremap(m, pages * PG, (pages + 7) * PG, MREMAP_MAYMOVE);
		if (q != MAP_FAILED) {
			m = q;
			pages += 7;
		} else if (errno != EFAULT) {
			DIE("mremap");
		}
		for (size_t i = 0; i + 7 < pages; i++)
			if (m[i * PG + v] != (unsigned char)(v + i))
				DIE("mapping lost a byte");
		if (munmap(m, pages * PG))
			DIE("munmap");
		rounds++;
	}
	return 0;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long turn;

/* Two threads that wake each other. */
static void *player(void *arg)
{
	long me = (long)arg;
	while (now() < deadline) {
		struct timespec t;
		clock_gettime(CLOCK_REALTIME, &t);
		t.tv_sec += 1;
		pthread_mutex_lock(&lock);
		while (turn % 2 != me && now() < deadline)
			pthread_cond_timedwait(&cond, &lock, &t);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
		rounds++;
	}
	return 0;
}

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static volatile sig_atomic_t queued;
static void on_queued(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (si->si_signo != sig)
		DIE("siginfo");
	queued++;
}

/* Signals to itself and to a child that counts them. */
static void *signaller(void *arg)
{
	(void)arg;
	while (now() < deadline) {
		sigset_t set;
		union sigval v = {.sival_int = 7};
		int before = queued;
		for (int i = 0; i < 20; i++)
			if (sigqueue(getpid(), SIGRTMIN + 1, v) && errno != EAGAIN)
				DIE("sigqueue");
		for (int i = 0; queued < before + 1 && i < 5000; i++)
			usleep(1000);
		if (queued == before)
			DIE("no signal came");
		pid_t pid = fork();
		if (pid == 0) {
			signal(SIGUSR2, SIG_DFL);
			sigemptyset(&set);
			sigprocmask(SIG_SETMASK, &set, 0);
			for (;;)
				pause();
		}
		kill(pid, SIGSTOP);
		int status;
		while (waitpid(pid, &status, WUNTRACED) != pid)
			if (errno != EINTR)
				DIE("wait for stop");
		if (!WIFSTOPPED(status))
			DIE("not stopped: %x", status);
		kill(pid, SIGCONT);
		kill(pid, SIGUSR2);
		status = wait_for(pid);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGUSR2)
			DIE("signalled child: %x", status);
		rounds++;
	}
	return 0;
}

/* Files that are written, mapped, truncated and renamed. */
static void *filer(void *arg)
{
	unsigned seed = (unsigned)(long)arg;
	char a[64], b[64];
	snprintf(a, sizeof a, "mix-%ld-a", (long)arg);
	snprintf(b, sizeof b, "mix-%ld-b", (long)arg);
	while (now() < deadline) {
		unsigned v = next(&seed);
		int fd = open(a, O_RDWR | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || ftruncate(fd, 8 * (long)PG))
			DIE("file");
		unsigned char *m = mmap(0, 8 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), c;
		if (m == MAP_FAILED)
			DIE("mmap file");
		m[v % (8 * PG)] = (unsigned char)(v | 1);
		if (pread(fd, &c, 1, v % (8 * PG)) != 1 || c != (unsigned char)(v | 1))
			DIE("file and mapping differ");
		if (rename(a, b) || unlink(b))
			DIE("rename");
		munmap(m, 8 * PG);
		close(fd);
		rounds++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t t[16];
	int n = 0;
	struct itimerval it = {{0, 3000}, {0, 3000}}, off = {{0, 0}, {0, 0}};
	struct sigaction alrm = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct sigaction rt = {.sa_sigaction = on_queued, .sa_flags = SA_RESTART | SA_SIGINFO};
	if (argc == 3 && !strcmp(argv[1], "x")) {
		printf("%s", argv[2]);
		return 0;
	}
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	if (len < 0)
		DIE("readlink");
	path[len] = 0;
	self = path;
	deadline = now() + (argc > 1 ? atof(argv[1]) : 5);
	sigaction(SIGALRM, &alrm, 0);
	sigaction(SIGRTMIN + 1, &rt, 0);
	setitimer(ITIMER_REAL, &it, 0);
	pthread_create(&t[n++], 0, forker, (void *)1);
	pthread_create(&t[n++], 0, forker, (void *)2);
	pthread_create(&t[n++], 0, execer, (void *)3);
	pthread_create(&t[n++], 0, execer, (void *)4);
	pthread_create(&t[n++], 0, mapper, (void *)5);
	pthread_create(&t[n++], 0, mapper, (void *)6);
	pthread_create(&t[n++], 0, player, (void *)0);
	pthread_create(&t[n++], 0, player, (void *)1);
	pthread_create(&t[n++], 0, signaller, (void *)7);
	pthread_create(&t[n++], 0, filer, (void *)8);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], 0);
	setitimer(ITIMER_REAL, &off, 0);
	if (alarms == 0)
		DIE("the interval timer never came");
	printf("rounds %ld\n", (long)rounds);
	return 0;
}
