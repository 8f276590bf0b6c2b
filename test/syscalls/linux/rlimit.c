/* getrlimit, setrlimit, prlimit64, and what the limits do. */
#include "../test.h"
#include <sys/resource.h>
#include <sys/time.h>

static const int all[] = {RLIMIT_AS,	 RLIMIT_CORE,	 RLIMIT_CPU,  RLIMIT_DATA,   RLIMIT_FSIZE,	RLIMIT_LOCKS,  RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE,
			  RLIMIT_NICE,	 RLIMIT_NOFILE,	 RLIMIT_NPROC, RLIMIT_RSS,    RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_SIGPENDING, RLIMIT_STACK};

static void lower(int which, unsigned long soft)
{
	struct rlimit rl;
	OK(getrlimit(which, &rl));
	rl.rlim_cur = soft;
	if (rl.rlim_max < soft)
		rl.rlim_cur = rl.rlim_max;
	OK(setrlimit(which, &rl));
}

TEST(every_limit_can_be_read_and_set_again)
{
	struct rlimit rl, again;
	for (size_t i = 0; i < 16; i++) {
		OK(getrlimit(all[i], &rl));
		CHECK(rl.rlim_cur <= rl.rlim_max);
		OK(setrlimit(all[i], &rl));
		OK(getrlimit(all[i], &again));
		CHECK(again.rlim_cur == rl.rlim_cur && again.rlim_max == rl.rlim_max);
	}
}

TEST(soft_limits_move_below_the_hard_one)
{
	struct rlimit rl = {50, 100};
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = 100;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = 101;
	ERR(EINVAL, setrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = 10;
	rl.rlim_max = 90;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	OK(getrlimit(RLIMIT_NOFILE, &rl));
	EQ(rl.rlim_cur, 10);
	EQ(rl.rlim_max, 90);
}

TEST(rlimit_errors)
{
	struct rlimit rl = {1, 1};
	ERR(EINVAL, getrlimit(16, &rl));
	ERR(EINVAL, getrlimit(-1, &rl));
	ERR(EINVAL, setrlimit(16, &rl));
	ERR(EFAULT, syscall(SYS_getrlimit, RLIMIT_CORE, 1));
	ERR(EFAULT, syscall(SYS_setrlimit, RLIMIT_CORE, 1));
	ERR(EFAULT, syscall(SYS_prlimit64, 0, RLIMIT_CORE, 1, 0));
	ERR(EINVAL, syscall(SYS_prlimit64, 0, 16, 0, &rl));
	ERR(ESRCH, syscall(SYS_prlimit64, 99999999, RLIMIT_CORE, 0, &rl));
}

TEST(raising_the_hard_limit_needs_privilege)
{
	struct rlimit rl = {10, 20};
	OK(setrlimit(RLIMIT_CORE, &rl));
	OK(setresuid(65534, 65534, 65534));
	rl.rlim_max = 21;
	ERR(EPERM, setrlimit(RLIMIT_CORE, &rl));
	rl.rlim_max = 20;
	rl.rlim_cur = 20;
	OK(setrlimit(RLIMIT_CORE, &rl));
	rl.rlim_max = 5;
	rl.rlim_cur = 5;
	OK(setrlimit(RLIMIT_CORE, &rl));
}

TEST(prlimit_reaches_others)
{
	struct rlimit rl = {33, 44}, old;
	int p[2], status;
	char c;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		read(p[0], &c, 1);
		OK(getrlimit(RLIMIT_NOFILE, &old));
		_exit(old.rlim_cur == 33 && old.rlim_max == 44 ? 0 : 1);
	}
	OK(prlimit(pid, RLIMIT_NOFILE, &rl, &old));
	CHECK(old.rlim_max > 44);
	OK(prlimit(pid, RLIMIT_NOFILE, 0, &old));
	EQ(old.rlim_cur, 33);
	OK(getrlimit(RLIMIT_NOFILE, &old));
	CHECK(old.rlim_cur != 33);
	OK(write(p[1], "x", 1));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	pid_t parent = getpid();
	pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		ERR(EPERM, prlimit(parent, RLIMIT_NOFILE, 0, &old));
		OK(prlimit(getpid(), RLIMIT_NOFILE, 0, &old));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(limits_are_inherited)
{
	int status;
	lower(RLIMIT_NOFILE, 123);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "[ $(ulimit -n) = 123 ]", (char *)0);
		_exit(9);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(proc_limits_shows_them)
{
	struct rlimit rl = {77, 88};
	char line[256];
	int found = 0;
	OK(setrlimit(RLIMIT_NOFILE, &rl));
	FILE *f = fopen("/proc/self/limits", "r");
	CHECK(f);
	while (fgets(line, sizeof line, f)) {
		char soft[32], hard[32], unit[32];
		if (sscanf(line, "Max open files %31s %31s %31s", soft, hard, unit) == 3) {
			EQ(atoi(soft), 77);
			EQ(atoi(hard), 88);
			EQ(strcmp(unit, "files"), 0);
			found++;
		}
	}
	EQ(found, 1);
}

TEST(file_size)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	static char buf[3000];
	lower(RLIMIT_FSIZE, 2000);
	OK(signal(SIGXFSZ, SIG_IGN) == SIG_ERR ? -1 : 0);
	/* What fits is written. */
	EQ(write(fd, buf, 3000), 2000);
	ERR(EFBIG, write(fd, buf, 1));
	ERR(EFBIG, pwrite(fd, buf, 1, 2000));
	ERR(EFBIG, ftruncate(fd, 2001));
	EQ(pwrite(fd, buf, 10, 1990), 10);
	EQ(pwrite(fd, buf, 10, 1995), 5);
	pid_t pid = fork();
	int status;
	if (pid == 0) {
		signal(SIGXFSZ, SIG_DFL);
		write(fd, buf, 1);
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status & 0x7f, SIGXFSZ);
}

TEST(descriptors)
{
	lower(RLIMIT_NOFILE, 3);
	ERR(EMFILE, open("/dev/null", O_RDONLY));
	int p[2];
	ERR(EMFILE, pipe(p));
	ERR(EMFILE, dup(0));
	ERR(EMFILE, syscall(SYS_eventfd2, 0, 0));
	ERR(EMFILE, syscall(SYS_epoll_create1, 0));
	ERR(EMFILE, syscall(SYS_memfd_create, "x", 0));
}

TEST(data_segment)
{
	char *at = sbrk(0);
	lower(RLIMIT_DATA, 1 << 20);
	ERR(ENOMEM, (long)sbrk(16 << 20));
	CHECK(sbrk(0) == at);
	/* Private writable mappings count too. */
	ERR(ENOMEM, mmap(0, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(0, 16 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	OK(mmap(0, 16 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

TEST(address_space)
{
	lower(RLIMIT_AS, 128 << 20);
	ERR(ENOMEM, mmap(0, 256 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *p = OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ERR(ENOMEM, mremap(p, 4096, 256 << 20, MREMAP_MAYMOVE));
	ERR(ENOMEM, (long)sbrk(256 << 20));
}

TEST(locked_memory)
{
	char *p = OK(mmap(0, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct rlimit rl = {8 * 4096, 8 * 4096}, zero = {0, 0};
	OK(setrlimit(RLIMIT_MEMLOCK, &rl));
	OK(setresuid(65534, 65534, 65534));
	OK(mlock(p, 8 * 4096));
	ERR(ENOMEM, mlock(p, 9 * 4096));
	ERR(ENOMEM, mlockall(MCL_CURRENT));
	ERR(EAGAIN, mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
	OK(munlock(p, 8 * 4096));
	OK(setrlimit(RLIMIT_MEMLOCK, &zero));
	ERR(EPERM, mlock(p, 4096));
	ERR(EPERM, mlockall(MCL_CURRENT));
}

TEST(processes_of_a_user)
{
	struct rlimit rl = {0, 0};
	/* An identity nothing else uses; the limit does not hold for the superuser. */
	OK(setrlimit(RLIMIT_NPROC, &rl));
	int status;
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		OK(setresuid(54321, 54321, 54321));
		ERR(EAGAIN, fork());
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST_TIMEOUT(cpu_time_soft_and_hard, 30)
{
	int status;
	struct rlimit rl = {1, 2};
	pid_t pid = fork();
	if (pid == 0) {
		OK(setrlimit(RLIMIT_CPU, &rl));
		for (;;)
			;
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status & 0x7f, SIGXCPU);
}

TEST(core_limit_of_zero_leaves_no_core)
{
	int status;
	lower(RLIMIT_CORE, 0);
	pid_t pid = fork();
	if (pid == 0)
		abort();
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, SIGABRT);
	CHECK(!WCOREDUMP(status));
}

TEST(stack_limit_bounds_growth)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		volatile char *sp;
		lower(RLIMIT_STACK, 1 << 20);
		__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
		/* Within the limit the stack grows, beyond it does not. */
		sp[-(512 << 10)] = 1;
		sp[-(2 << 20)] = 1;
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status & 0x7f, SIGSEGV);
}

TEST(priority_limit)
{
	struct rlimit zero = {0, 0};
	OK(setrlimit(RLIMIT_NICE, &zero));
	OK(setresuid(65534, 65534, 65534));
	ERR(EACCES, setpriority(PRIO_PROCESS, 0, -1));
	OK(setpriority(PRIO_PROCESS, 0, 3));
	ERR(EACCES, setpriority(PRIO_PROCESS, 0, 2));
}
