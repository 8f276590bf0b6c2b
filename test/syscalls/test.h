/*
 * A conformance case: TEST(name) { ... CHECK(...) }. The same binary runs on the host kernel and in the sandbox and must pass on
 * both. Each case runs in a child of its own (a crash or a hang fails that case only) and in a temporary directory of its own.
 *
 * Output, one line a case: "ok NAME", "skip NAME: why", "not ok NAME: FILE:LINE: what".
 */
#ifndef RUNSC_TEST_SYSCALLS_TEST_H
#define RUNSC_TEST_SYSCALLS_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct test_case {
	const char *name;
	void (*run)(void);
	unsigned timeout;
	struct test_case *next;
};

static struct test_case *test_first, **test_last = &test_first;
static int test_report_fd = -1;
static const char *test_name = "";

/* Registers a case with a time limit in seconds. */
#define TEST_TIMEOUT(id, seconds)                                                                                      \
	static void id(void);                                                                                          \
	static struct test_case case_##id = {#id, id, seconds, 0};                                                     \
	__attribute__((constructor)) static void add_##id(void)                                                       \
	{                                                                                                              \
		*test_last = &case_##id;                                                                               \
		test_last = &case_##id.next;                                                                           \
	}                                                                                                              \
	static void id(void)
#define TEST(id) TEST_TIMEOUT(id, 10)

/* Ends the case with a message. Safe in children of the case too: the first message wins. */
__attribute__((noreturn, format(printf, 3, 4), unused)) static void test_fail(const char *file, int line, const char *fmt, ...)
{
	char buf[900], out[1100];
	va_list ap;
	int n;
	va_start(ap, fmt);
	vsnprintf(buf, sizeof buf, fmt, ap);
	va_end(ap);
	n = snprintf(out, sizeof out, "not ok %s: %s:%d: %s\n", test_name, file, line, buf);
	if (write(test_report_fd, out, n) < 0)
		_exit(99);
	_exit(98);
}

/* Ends the case as not applicable on this kernel; must come out the same on host and sandbox. */
#define SKIP(why)                                                                                                      \
	do {                                                                                                           \
		dprintf(test_report_fd, "skip %s: %s\n", test_name, why);                                              \
		_exit(97);                                                                                             \
	} while (0)

#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			test_fail(__FILE__, __LINE__, "%s (errno %d %s)", #cond, errno, strerror(errno));              \
	} while (0)
/* The call succeeds (is not -1 / MAP_FAILED); its value is the macro's value. */
#define OK(call)                                                                                                       \
	({                                                                                                             \
		errno = 0;                                                                                             \
		__typeof__(call) r_ = (call);                                                                          \
		if ((long)r_ == -1)                                                                                    \
			test_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno));                               \
		r_;                                                                                                    \
	})
/* The call fails with this errno. */
#define ERR(want, call)                                                                                                \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		long r_ = (long)(call);                                                                                \
		if (r_ != -1 || errno != (want))                                                                       \
			test_fail(__FILE__, __LINE__, "%s: got %ld errno %d (%s), want errno %d (%s)", #call, r_,      \
				  errno, strerror(errno), (want), strerror(want));                                     \
	} while (0)
/* Equality of integers, with both values shown. */
#define EQ(a, b)                                                                                                       \
	do {                                                                                                           \
		long long a_ = (long long)(a), b_ = (long long)(b);                                                    \
		if (a_ != b_)                                                                                          \
			test_fail(__FILE__, __LINE__, "%s is %lld, %s is %lld", #a, a_, #b, b_);                       \
	} while (0)

/* A child's wait status after running f(arg). */
__attribute__((unused)) static int test_in_child(void (*f)(void *), void *arg)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		f(arg);
		_exit(0);
	}
	CHECK(pid > 0);
	EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static int test_remove(const char *dir)
{
	char cmd[300];
	snprintf(cmd, sizeof cmd, "chmod -R u+rwx %s 2>/dev/null; rm -rf %s", dir, dir);
	return system(cmd);
}

static int test_run(struct test_case *t)
{
	char dir[] = "/tmp/runsc-test-XXXXXX", report[1024];
	int fds[2], status, n;
	pid_t pid;
	struct timespec start, now, pause = {0, 1000000};
	if (!mkdtemp(dir) || pipe(fds) < 0) {
		printf("not ok %s: harness: %s\n", t->name, strerror(errno));
		return 1;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		test_report_fd = fcntl(fds[1], F_DUPFD_CLOEXEC, 900);
		close(fds[1]);
		test_name = t->name;
		if (chdir(dir) < 0)
			_exit(99);
		t->run();
		fflush(stdout);
		_exit(0);
	}
	close(fds[1]);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec > (long)t->timeout) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			status = -1;
			break;
		}
		nanosleep(&pause, 0);
	}
	/* A stray child may hold the pipe open: what there is to read is there now. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	n = read(fds[0], report, sizeof report - 1);
	close(fds[0]);
	test_remove(dir);
	if (n > 0) {
		report[n] = 0;
		*strchrnul(report, '\n') = 0;
		printf("%s\n", report);
		return strncmp(report, "skip", 4) != 0;
	}
	if (status == 0) {
		printf("ok %s\n", t->name);
		return 0;
	}
	if (status == -1)
		printf("not ok %s: timed out after %u s\n", t->name, t->timeout);
	else
		printf("not ok %s: ended with wait status 0x%x\n", t->name, status);
	return 1;
}

/* Runs the cases named on the command line, or all. */
int main(int argc, char **argv)
{
	struct test_case *t;
	int i, failed = 0;
	setvbuf(stdout, 0, _IOLBF, 0);
	umask(022);
	for (t = test_first; t; t = t->next) {
		for (i = 1; i < argc && strcmp(argv[i], t->name); i++)
			;
		if (argc == 1 || i < argc)
			failed += test_run(t);
	}
	return failed != 0;
}
#endif
