/* prctl and arch_prctl. */
#include "../test.h"
#include <asm/prctl.h>
#include <linux/securebits.h>
#include <linux/seccomp.h>
#include <linux/filter.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

TEST(name_of_a_thread)
{
	char name[32], path[64], line[64] = "";
	memset(name, 'x', sizeof name);
	OK(prctl(PR_SET_NAME, "short"));
	OK(prctl(PR_GET_NAME, name));
	EQ(strcmp(name, "short"), 0);
	EQ(name[15], 0);
	EQ(name[16], 'x');
	ERR(EFAULT, prctl(PR_SET_NAME, 1));
	ERR(EFAULT, prctl(PR_GET_NAME, 1));
	/* Writing comm renames too. */
	sprintf(path, "/proc/self/task/%d/comm", getpid());
	int fd = OK(open(path, O_RDWR));
	EQ(write(fd, "0123456789abcdefXYZ", 19), 19);
	OK(prctl(PR_GET_NAME, name));
	EQ(strcmp(name, "0123456789abcde"), 0);
	EQ(pread(fd, line, sizeof line, 0), 16);
	EQ(strcmp(line, "0123456789abcde\n"), 0);
}

static void *name_self(void *arg)
{
	prctl(PR_SET_NAME, "other");
	return arg;
}

TEST(names_are_per_thread)
{
	char name[16];
	pthread_t t;
	OK(prctl(PR_SET_NAME, "mine"));
	EQ(pthread_create(&t, 0, name_self, 0), 0);
	EQ(pthread_join(t, 0), 0);
	OK(prctl(PR_GET_NAME, name));
	EQ(strcmp(name, "mine"), 0);
	pid_t pid = fork();
	if (pid == 0) {
		OK(prctl(PR_GET_NAME, name));
		_exit(strcmp(name, "mine"));
	}
	EQ(status_of(pid), 0);
}

TEST(dumpable)
{
	EQ(prctl(PR_GET_DUMPABLE), 1);
	OK(prctl(PR_SET_DUMPABLE, 0));
	EQ(prctl(PR_GET_DUMPABLE), 0);
	OK(prctl(PR_SET_DUMPABLE, 1));
	ERR(EINVAL, prctl(PR_SET_DUMPABLE, 2));
	ERR(EINVAL, prctl(PR_SET_DUMPABLE, -1));
	/* A change of identity clears it. */
	OK(setresuid(-1, 1000, -1));
	CHECK(prctl(PR_GET_DUMPABLE) != 1);
}

TEST(parent_death_signal_values)
{
	int sig = -1;
	OK(prctl(PR_GET_PDEATHSIG, &sig));
	EQ(sig, 0);
	OK(prctl(PR_SET_PDEATHSIG, 64));
	OK(prctl(PR_GET_PDEATHSIG, &sig));
	EQ(sig, 64);
	ERR(EINVAL, prctl(PR_SET_PDEATHSIG, 65));
	ERR(EINVAL, prctl(PR_SET_PDEATHSIG, -1));
	ERR(EFAULT, prctl(PR_GET_PDEATHSIG, 1));
	pid_t pid = fork();
	if (pid == 0) {
		OK(prctl(PR_GET_PDEATHSIG, &sig));
		_exit(sig);
	}
	EQ(status_of(pid), 0);
}

TEST(no_new_privs_is_for_good)
{
	EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	ERR(EINVAL, prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	ERR(EINVAL, prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	ERR(EINVAL, prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	ERR(EINVAL, prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	pid_t pid = fork();
	if (pid == 0)
		_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	EQ(status_of(pid), 1 << 8);
}

TEST(child_subreaper_is_not_inherited)
{
	int v = -1;
	OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
	EQ(v, 0);
	OK(prctl(PR_SET_CHILD_SUBREAPER, 5));
	OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
	EQ(v, 1);
	pid_t pid = fork();
	if (pid == 0) {
		OK(prctl(PR_GET_CHILD_SUBREAPER, &v));
		_exit(v);
	}
	EQ(status_of(pid), 0);
}

TEST(securebits)
{
	EQ(prctl(PR_GET_SECUREBITS), 0);
	OK(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED));
	EQ(prctl(PR_GET_SECUREBITS), SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED);
	/* A locked bit stays. */
	ERR(EPERM, prctl(PR_SET_SECUREBITS, 0));
	EQ(prctl(PR_GET_KEEPCAPS), 1);
	OK(setresuid(1000, 1000, 1000));
	OK(setresuid(0, 0, 0));
}

TEST(timer_slack)
{
	EQ(prctl(PR_GET_TIMERSLACK), 50000);
	OK(prctl(PR_SET_TIMERSLACK, 1000));
	EQ(prctl(PR_GET_TIMERSLACK), 1000);
	OK(prctl(PR_SET_TIMERSLACK, 0));
	EQ(prctl(PR_GET_TIMERSLACK), 50000);
}

TEST(timing_and_endian_and_alignment)
{
	int v;
	EQ(prctl(PR_GET_TIMING), PR_TIMING_STATISTICAL);
	OK(prctl(PR_SET_TIMING, PR_TIMING_STATISTICAL));
	ERR(EINVAL, prctl(PR_SET_TIMING, PR_TIMING_TIMESTAMP));
	/* Other machines' options. */
	ERR(EINVAL, prctl(PR_GET_ENDIAN, &v));
	ERR(EINVAL, prctl(PR_GET_UNALIGN, &v));
	ERR(EINVAL, prctl(PR_GET_FPEMU, &v));
}

TEST(tsc_can_be_read)
{
	int v = 0;
	OK(prctl(PR_GET_TSC, &v));
	EQ(v, PR_TSC_ENABLE);
	unsigned long a = __builtin_ia32_rdtsc(), b = __builtin_ia32_rdtsc();
	CHECK(a && b >= a);
}

TEST(unknown_options)
{
	ERR(EINVAL, prctl(9999));
	ERR(EINVAL, prctl(-1));
	ERR(EINVAL, prctl(0));
}

TEST(tid_address)
{
	int *at = 0, word;
	OK(prctl(PR_GET_TID_ADDRESS, &at));
	EQ(syscall(SYS_set_tid_address, &word), syscall(SYS_gettid));
	OK(prctl(PR_GET_TID_ADDRESS, &at));
	CHECK(at == &word);
}

TEST(set_mm_needs_privilege)
{
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, prctl(PR_SET_MM, PR_SET_MM_BRK, sbrk(0), 0, 0));
	ERR(EINVAL, prctl(PR_SET_MM, PR_SET_MM_BRK, sbrk(0), 1, 1));
}

TEST(fs_and_gs_bases)
{
	unsigned long fs = 0, gs = 1, seen;
	OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	__asm__("mov %%fs:0, %0" : "=r"(seen));
	/* The thread pointer's first word is itself. */
	EQ(seen, fs);
	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	EQ(gs, 0);
	static unsigned long block[4] = {11, 22, 33, 44};
	OK(syscall(SYS_arch_prctl, ARCH_SET_GS, block));
	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	EQ(gs, (unsigned long)block);
	__asm__("mov %%gs:16, %0" : "=r"(seen));
	EQ(seen, 33);
	/* Through calls and faults too, and in a child. */
	for (int i = 0; i < 100; i++) {
		sched_yield();
		__asm__ volatile("mov %%gs:8, %0" : "=r"(seen));
		EQ(seen, 22);
	}
	pid_t pid = fork();
	if (pid == 0) {
		__asm__ volatile("mov %%gs:24, %0" : "=r"(seen));
		_exit(seen == 44 ? 0 : 1);
	}
	EQ(status_of(pid), 0);
	ERR(EPERM, syscall(SYS_arch_prctl, ARCH_SET_GS, 1ul << 47));
	ERR(EPERM, syscall(SYS_arch_prctl, ARCH_SET_FS, 1ul << 63));
	ERR(EFAULT, syscall(SYS_arch_prctl, ARCH_GET_FS, 1));
	ERR(EINVAL, syscall(SYS_arch_prctl, 0x9999, &fs));
}

static int filter(int sys, unsigned answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sys, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {4, code};
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

TEST(seccomp_filters_answer_errors)
{
	EQ(prctl(PR_GET_SECCOMP), 0);
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(filter(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY));
	EQ(prctl(PR_GET_SECCOMP), 2);
	ERR(EBUSY, syscall(SYS_getppid));
	OK(getpgrp());
	/* Filters add up, and children have them. */
	OK(filter(SYS_getpgrp, SECCOMP_RET_ERRNO | EXDEV));
	ERR(EXDEV, syscall(SYS_getpgrp));
	ERR(EBUSY, syscall(SYS_getppid));
	pid_t pid = fork();
	if (pid == 0)
		_exit(syscall(SYS_getppid) == -1 && errno == EBUSY ? 0 : 1);
	EQ(status_of(pid), 0);
}

TEST(seccomp_kills)
{
	pid_t pid = fork();
	if (pid == 0) {
		OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		OK(filter(SYS_getppid, SECCOMP_RET_KILL_PROCESS));
		syscall(SYS_getppid);
		_exit(0);
	}
	EQ(status_of(pid) & 0x7f, SIGSYS);
	pid = fork();
	if (pid == 0) {
		OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
		syscall(SYS_getppid);
		syscall(SYS_exit, 0);
	}
	EQ(status_of(pid) & 0x7f, SIGKILL);
}

static siginfo_t got;
static void on_sys(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	got = *si;
}

TEST(seccomp_traps)
{
	struct sigaction sa = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
	OK(sigaction(SIGSYS, &sa, 0));
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(filter(SYS_getppid, SECCOMP_RET_TRAP | 123));
	syscall(SYS_getppid);
	EQ(got.si_signo, SIGSYS);
	EQ(got.si_code, 1);
	EQ(got.si_errno, 123);
	EQ(got.si_syscall, SYS_getppid);
	EQ(got.si_arch, 0xc000003e);
	CHECK(got.si_call_addr != 0);
}

TEST(seccomp_errors)
{
	struct sock_filter bad = {0xffff, 0, 0, 0}, ret = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog prog = {1, &ret};
	unsigned act = SECCOMP_RET_TRAP;
	OK(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &act));
	act = 0x12340000;
	ERR(EOPNOTSUPP, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &act));
	OK(setresuid(65534, 65534, 65534));
	ERR(EACCES, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x4000, &prog));
	ERR(EINVAL, syscall(SYS_seccomp, 99, 0, 0));
	ERR(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, 0));
	ERR(EFAULT, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 1));
	prog.filter = &bad;
	ERR(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	prog.len = 0;
	ERR(EINVAL, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
	prog = (struct sock_fprog){1, &ret};
	OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
}
