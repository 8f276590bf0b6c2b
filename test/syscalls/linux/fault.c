/* Signals for faults: number, si_code, si_addr, and the way back. */
#include "../test.h"
#include <setjmp.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile siginfo_t got;
static volatile long got_err, got_trapno, got_cr2;

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	*(siginfo_t *)&got = *si;
	got_err = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_ERR];
	got_trapno = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_TRAPNO];
	got_cr2 = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_CR2];
	siglongjmp(back, 1);
}

static void catch_fault(int sig)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	OK(sigaction(sig, &sa, 0));
	memset((void *)&got, 0, sizeof got);
}

TEST(load_from_unmapped_is_segv_maperr)
{
	catch_fault(SIGSEGV);
	if (!sigsetjmp(back, 1)) {
		*(volatile int *)0x10;
		FAIL("no fault");
	}
	EQ(got.si_signo, SIGSEGV);
	EQ(got.si_code, SEGV_MAPERR);
	EQ((long)got.si_addr, 0x10);
	EQ(got_trapno, 14);
	EQ(got_err, 4);
	EQ(got_cr2, 0x10);
}

TEST(store_to_read_only_is_segv_accerr)
{
	char *p = OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	catch_fault(SIGSEGV);
	EQ(*p, 0);
	if (!sigsetjmp(back, 1)) {
		p[5] = 1;
		FAIL("no fault");
	}
	EQ(got.si_code, SEGV_ACCERR);
	EQ((long)got.si_addr, (long)(p + 5));
	EQ(got_err & 2, 2);
}

TEST(execute_of_data_is_segv_accerr)
{
	char *p = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	*p = (char)0xc3;
	catch_fault(SIGSEGV);
	if (!sigsetjmp(back, 1)) {
		((void (*)(void))p)();
		FAIL("no fault");
	}
	EQ(got.si_code, SEGV_ACCERR);
	EQ((long)got.si_addr, (long)p);
}

TEST(non_canonical_address_is_segv_kernel)
{
	catch_fault(SIGSEGV);
	if (!sigsetjmp(back, 1)) {
		*(volatile int *)0x8000000000000000ul;
		FAIL("no fault");
	}
	EQ(got.si_code, SI_KERNEL);
	EQ((long)got.si_addr, 0);
	EQ(got_trapno, 13);
}

TEST(access_beyond_the_end_of_a_file_is_sigbus)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	char *p;
	OK(ftruncate(fd, 100));
	p = OK(mmap(0, 8192, PROT_READ, MAP_SHARED, fd, 0));
	EQ(p[99], 0);
	EQ(p[4095], 0);
	catch_fault(SIGBUS);
	if (!sigsetjmp(back, 1)) {
		*(volatile char *)(p + 4096);
		FAIL("no fault");
	}
	EQ(got.si_signo, SIGBUS);
	EQ(got.si_code, BUS_ADRERR);
	EQ((long)got.si_addr, (long)(p + 4096));
}

TEST(truncated_mapping_is_sigbus)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	char *p;
	OK(ftruncate(fd, 8192));
	p = OK(mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	p[5000] = 1;
	OK(ftruncate(fd, 4096));
	p[100] = 1;
	catch_fault(SIGBUS);
	if (!sigsetjmp(back, 1)) {
		p[5000] = 2;
		FAIL("no fault");
	}
	EQ(got.si_code, BUS_ADRERR);
}

TEST(integer_division_by_zero_is_sigfpe)
{
	catch_fault(SIGFPE);
	if (!sigsetjmp(back, 1)) {
		__asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cdq; idiv %%ecx" ::: "eax", "ecx", "edx");
		FAIL("no fault");
	}
	EQ(got.si_signo, SIGFPE);
	EQ(got.si_code, FPE_INTDIV);
}

TEST(undefined_instruction_is_sigill)
{
	void *at = 0;
	catch_fault(SIGILL);
	if (!sigsetjmp(back, 1)) {
		__asm__ volatile("lea 1f(%%rip), %0; mov %0, %1; 1: ud2" : "=&r"(at), "=m"(at));
		FAIL("no fault");
	}
	EQ(got.si_signo, SIGILL);
	EQ(got.si_code, ILL_ILLOPN);
}

TEST(int3_is_sigtrap)
{
	catch_fault(SIGTRAP);
	if (!sigsetjmp(back, 1)) {
		__asm__ volatile("int3");
		FAIL("no fault");
	}
	EQ(got.si_signo, SIGTRAP);
	EQ(got.si_code, SI_KERNEL);
}

static void crash_with_ignored(void *arg)
{
	(void)arg;
	signal(SIGSEGV, SIG_IGN);
	*(volatile int *)8 = 1;
}

TEST(an_ignored_fault_kills)
{
	int status = test_in_child(crash_with_ignored, 0);
	CHECK(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGSEGV);
}

static void crash_with_blocked(void *arg)
{
	sigset_t set;
	(void)arg;
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, 0);
	*(volatile int *)8 = 1;
}

TEST(a_blocked_fault_kills)
{
	int status = test_in_child(crash_with_blocked, 0);
	CHECK(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGSEGV);
}

static void fix_rip(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	(void)sig;
	(void)si;
	uc->uc_mcontext.gregs[REG_RAX] = 4242;
	uc->uc_mcontext.gregs[REG_RIP] += 2;
}

TEST(a_handler_can_change_registers)
{
	struct sigaction sa = {.sa_sigaction = fix_rip, .sa_flags = SA_SIGINFO};
	long v = 0;
	OK(sigaction(SIGILL, &sa, 0));
	__asm__ volatile("ud2" : "=a"(v) : "a"(v));
	EQ(v, 4242);
}

static char big_stack[65536];
static volatile unsigned long handler_sp;

static void note_sp(int sig)
{
	char c;
	(void)sig;
	handler_sp = (unsigned long)&c;
}

TEST(handler_runs_on_the_alternate_stack)
{
	stack_t ss = {.ss_sp = big_stack, .ss_size = sizeof big_stack}, old;
	struct sigaction sa = {.sa_handler = note_sp, .sa_flags = SA_ONSTACK};
	OK(sigaltstack(&ss, 0));
	OK(sigaltstack(0, &old));
	EQ(old.ss_flags, 0);
	CHECK(old.ss_sp == big_stack);
	OK(sigaction(SIGUSR1, &sa, 0));
	OK(raise(SIGUSR1));
	CHECK(handler_sp > (unsigned long)big_stack && handler_sp < (unsigned long)(big_stack + sizeof big_stack));
}

static volatile int deep = 1 << 30;

static int overflow(int n)
{
	volatile char page[4096];
	page[0] = n;
	if (n < deep)
		return overflow(n + 1) + page[0];
	return 0;
}

TEST(stack_overflow_is_caught_on_the_alternate_stack)
{
	stack_t ss = {.ss_sp = big_stack, .ss_size = sizeof big_stack};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	OK(sigaltstack(&ss, 0));
	OK(sigaction(SIGSEGV, &sa, 0));
	if (!sigsetjmp(back, 1)) {
		overflow(0);
		FAIL("no fault");
	}
	EQ(got.si_signo, SIGSEGV);
}

TEST(stack_grows_on_demand)
{
	volatile char big[2 << 20];
	for (size_t i = 0; i < sizeof big; i += 4096)
		big[sizeof big - 1 - i] = 1;
	EQ(big[sizeof big - 1], 1);
}
