/*
 * Signals, filters and debuggers at system call sites that are called very often: what they see is the program as it was written, before, at or
 * behind its system call instruction, with the registers and flags that belong there.
 */
#include "../callsite.h"
#include "../ptrace.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

/* long storm(long count, long pid): calls by three sites with known registers and flags; 0 when all results were right. */
__asm__(".text\n"
	".balign 4096\n"
	".globl storm, storm_loop, storm_a, storm_a_call, storm_a_behind, storm_b, storm_b_cmp, storm_b_behind, storm_c, storm_c_behind, storm_out\n"
	"storm:\n"
	"  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
	"  mov %rdi, %r15\n"
	"  mov %rsi, %r13\n"
	"  movabs $0x1b1b1b1b1b1b1b1b, %rbx\n"
	"  movabs $0x1717171717171717, %rbp\n"
	"  movabs $0x1212121212121212, %r12\n"
	"  movabs $0x1414141414141414, %r14\n"
	"  movabs $0x0d0d0d0d0d0d0d0d, %rdi\n"
	"  movabs $0x0505050505050505, %rsi\n"
	"  movabs $0x0e0e0e0e0e0e0e0e, %rdx\n"
	"  movabs $0x0808080808080808, %r8\n"
	"  movabs $0x0909090909090909, %r9\n"
	"  movabs $0x1010101010101010, %r10\n"
	"storm_loop:\n"
	"  mov $0x7f, %al\n"
	"  add $1, %al\n" /* OF SF AF */
	"storm_a:\n"
	"  mov $39, %eax\n"
	"storm_a_call:\n"
	"  syscall\n"
	"storm_a_behind:\n"
	"  cmp %r13, %rax\n"
	"  jne 1f\n"
	"  xor %ecx, %ecx\n"
	"  mov $39, %eax\n"
	"  stc\n" /* CF PF ZF */
	"storm_b:\n"
	"  syscall\n"
	"storm_b_cmp:\n"
	"  cmp $-4095, %rax\n"
	"storm_b_behind:\n"
	"  mov %rax, %rcx\n"
	"  cmp %r13, %rcx\n"
	"  jne 1f\n"
	"  std\n"
	"  .byte 0x48, 0xc7, 0xc0, 39, 0, 0, 0\n" /* mov $39, %rax */
	"storm_c:\n"
	"  syscall\n"
	"storm_c_behind:\n"
	"  cld\n"
	"  cmp %r13, %rax\n"
	"  jne 1f\n"
	"  dec %r15\n"
	"  jnz storm_loop\n"
	"  xor %eax, %eax\n"
	"  jmp storm_out\n"
	"1:or $1, %rax\n"
	"storm_out:\n"
	"  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
	"  ret\n");
extern char storm_loop[], storm_a[], storm_a_call[], storm_a_behind[], storm_b[], storm_b_cmp[], storm_b_behind[], storm_c[],
	storm_c_behind[], storm_out[];
extern long storm(long count, long pid);

/* Executable mappings of the process. */
static struct {
	unsigned long lo, hi;
} code[64];
static int codes;

static void find_code(void)
{
	char line[500], perms[8];
	FILE *f = fopen("/proc/self/maps", "re");
	codes = 0;
	while (codes < 64 && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %7s", &code[codes].lo, &code[codes].hi, perms) == 3 && perms[2] == 'x')
			codes++;
	fclose(f);
}

static int in_code(unsigned long ip)
{
	for (int i = 0; i < codes; i++)
		if (ip >= code[i].lo && ip < code[i].hi)
			return 1;
	return 0;
}

static long pid;
static volatile long hits, hits_at_site;

/* Fails unless registers and flags are what they must be at the place of the storm where the thread stands. */
static void check_storm(const unsigned long *g)
{
	static const struct {
		int reg;
		unsigned long want;
	} fixed[] = {{REG_RBX, 0x1b1b1b1b1b1b1b1b}, {REG_RBP, 0x1717171717171717}, {REG_R12, 0x1212121212121212},
		     {REG_R14, 0x1414141414141414}, {REG_RDI, 0x0d0d0d0d0d0d0d0d}, {REG_RSI, 0x0505050505050505},
		     {REG_RDX, 0x0e0e0e0e0e0e0e0e}, {REG_R8, 0x0808080808080808},  {REG_R9, 0x0909090909090909},
		     {REG_R10, 0x1010101010101010}};
	unsigned long ip = g[REG_RIP], rax = g[REG_RAX], flags = g[REG_EFL] & ARITHMETIC;
	if (!in_code(ip))
		FAIL("the instruction pointer is 0x%lx", ip);
	if (ip < (unsigned long)storm_loop || ip >= (unsigned long)storm_out)
		return;
	for (unsigned i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (g[fixed[i].reg] != fixed[i].want)
			FAIL("register %d is 0x%lx at +%ld", fixed[i].reg, g[fixed[i].reg], ip - (unsigned long)storm_loop);
	EQ(g[REG_R13], pid);
#define IS(place) (ip == (unsigned long)(place))
	if (ip >= (unsigned long)storm_a && ip <= (unsigned long)storm_a_behind) {
		CHECK(IS(storm_a) || IS(storm_a_call) || IS(storm_a_behind));
		EQ(flags, 0x890);
		if (IS(storm_a_call))
			EQ(rax, 39);
		if (IS(storm_a_behind))
			EQ(rax, pid);
		hits_at_site++;
	}
	if (ip >= (unsigned long)storm_b && ip <= (unsigned long)storm_b_cmp) {
		CHECK(IS(storm_b) || IS(storm_b_cmp));
		EQ(flags & ~0x10ul, 0x45);
		EQ(rax, IS(storm_b) ? 39 : pid);
		hits_at_site++;
	}
	if (IS(storm_b_behind)) {
		EQ(rax, pid);
		EQ(flags & 0x8c1, 1);
	}
	if (ip >= (unsigned long)storm_c && ip <= (unsigned long)storm_c_behind) {
		EQ(flags & 0x400, 0x400);
		EQ(rax, IS(storm_c) ? 39 : pid);
		hits_at_site++;
	}
}

static void on_storm(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	hits++;
	check_storm((unsigned long *)((ucontext_t *)uc)->uc_mcontext.gregs);
	/* Sites are called from handlers, too. */
	if (hits % 3 == 0)
		EQ(((long (*)(void))numbered)(), pid);
	if (hits % 3 == 1)
		EQ(call5(SYS_getpid), pid);
}

static void handle(int sig, void (*f)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
	OK(sigaction(sig, &sa, 0));
}

static void every(long us)
{
	struct itimerval it = {{0, us}, {0, us}};
	OK(setitimer(ITIMER_REAL, &it, 0));
}

static void one_storm(int i)
{
	(void)i;
	EQ(storm(20, pid), 0);
}

TEST_TIMEOUT(a_timers_signals_at_hot_sites, 60)
{
	pid = getpid();
	find_code();
	handle(SIGALRM, on_storm, SA_RESTART);
	every(150);
	in_all_manners(one_storm, 500);
	every(0);
	CHECK(hits > 0);
}

TEST_TIMEOUT(a_timers_signals_when_gs_is_in_use, 60)
{
	static unsigned long block[512];
	pid = getpid();
	find_code();
	handle(SIGALRM, on_storm, SA_RESTART);
	every(150);
	/* Memory, and none. */
	for (int k = 0; k < 2; k++) {
		OK(syscall(SYS_arch_prctl, 0x1001, k ? 0x10000000000 : (unsigned long)block));
		in_all_manners(one_storm, 150);
	}
	every(0);
	CHECK(hits > 0);
	for (int k = 0; k < 512; k++)
		EQ(block[k], 0);
}

static pid_t target;
static volatile int shooting;
static void *shoot(void *arg)
{
	long n = (long)arg, seen;
	while (shooting) {
		seen = hits;
		syscall(SYS_tgkill, pid, target, n % 2 ? SIGUSR1 : SIGRTMIN);
		n++;
		/* The target is to get on, however slow it is. */
		for (int i = 0; i < 100 && hits == seen; i++)
			usleep(50);
	}
	return 0;
}

TEST_TIMEOUT(other_threads_signals_at_hot_sites, 60)
{
	pthread_t t[2];
	pid = getpid();
	target = gettid();
	find_code();
	handle(SIGUSR1, on_storm, SA_RESTART);
	handle(SIGRTMIN, on_storm, SA_RESTART);
	for (int k = 1; k <= 2; k++) {
		shooting = 1;
		for (long i = 0; i < k; i++)
			EQ(pthread_create(&t[i], 0, shoot, (void *)i), 0);
		for (int i = 0; i < 400; i++)
			one_storm(i);
		shooting = 0;
		for (int i = 0; i < k; i++)
			pthread_join(t[i], 0);
	}
	CHECK(hits > 0);
}

/* ---- blocking calls */

static int fds[2];
static volatile long alarms, wanted_alarms;
static volatile int word;
static volatile unsigned long last_ip, last_rax;

static void on_alarm(int sig, siginfo_t *si, void *uc)
{
	long *g = (long *)((ucontext_t *)uc)->uc_mcontext.gregs;
	(void)sig;
	(void)si;
	if (!in_code((unsigned long)g[REG_RIP]))
		FAIL("the instruction pointer is 0x%lx", g[REG_RIP]);
	last_ip = (unsigned long)g[REG_RIP];
	last_rax = (unsigned long)g[REG_RAX];
	if (++alarms == wanted_alarms) {
		word = 1;
		EQ(write(fds[1], "x", 1), 1);
	}
}

static long blocking_read(int form)
{
	char c;
	if (form == 2)
		return syscall(SYS_read, fds[0], &c, 1) == 1 ? 1 : -errno;
	return form == 0 ? read_numbered(fds[0], &c, 1) : call5(SYS_read, fds[0], &c, 1);
}

static void warm_read(void)
{
	for (int i = 0; i < WARM; i++) {
		EQ(write(fds[1], "x", 1), 1);
		EQ(blocking_read(i % 3), 1);
	}
}

static void restarted_read(int i)
{
	alarms = 0;
	wanted_alarms = 3;
	every(2000);
	EQ(blocking_read(i % 3), 1);
	every(0);
	CHECK(alarms >= 3);
	if (i % 3 == 0 && last_ip == (unsigned long)read_numbered + 5)
		EQ(last_rax, SYS_read);
	if (i % 3 == 1 && last_ip == (unsigned long)call5_call)
		EQ(last_rax, SYS_read);
}

TEST_TIMEOUT(a_read_is_restarted, 60)
{
	find_code();
	OK(pipe(fds));
	handle(SIGALRM, on_alarm, SA_RESTART);
	warm_read();
	in_all_manners(restarted_read, 20);
}

static void interrupted_read(int i)
{
	alarms = wanted_alarms = 0;
	every(2000);
	long r = blocking_read(i % 3);
	every(0);
	EQ(r, -EINTR);
	CHECK(alarms > 0);
	if (i % 3 == 1 && last_ip == (unsigned long)call5_cmp)
		EQ(last_rax, -EINTR);
}

TEST_TIMEOUT(a_read_is_interrupted, 60)
{
	find_code();
	OK(pipe(fds));
	handle(SIGALRM, on_alarm, 0);
	warm_read();
	in_all_manners(interrupted_read, 20);
}

static long sleep_by(int form, long us, struct timespec *rem)
{
	struct timespec req = {us / 1000000, us % 1000000 * 1000};
	return form ? call5(SYS_nanosleep, &req, rem) : nanosleep_numbered(&req, rem);
}

static void interrupted_sleep(int i)
{
	struct timespec rem = {5, 0};
	alarms = wanted_alarms = 0;
	every(3000);
	EQ(sleep_by(i % 2, 2000000, &rem), -EINTR);
	every(0);
	CHECK(rem.tv_sec == 1 && rem.tv_nsec > 0);
	EQ(sleep_by(i % 2, 1, &rem), 0);
}

TEST_TIMEOUT(a_sleep_is_interrupted, 60)
{
	find_code();
	/* SA_RESTART makes no difference. */
	handle(SIGALRM, on_alarm, SA_RESTART);
	for (int i = 0; i < WARM; i++)
		EQ(sleep_by(i % 2, 1, 0), 0);
	in_all_manners(interrupted_sleep, 20);
}

static void sleeper(void *arg)
{
	for (int i = 0; i < WARM; i++)
		EQ(sleep_by(i % 2, 1, 0), 0);
	for (int i = 0; i < 6; i++) {
		struct timespec a, b;
		EQ(write(*(int *)arg, "x", 1), 1);
		clock_gettime(CLOCK_MONOTONIC, &a);
		EQ(sleep_by(i % 2, 60000, 0), 0);
		clock_gettime(CLOCK_MONOTONIC, &b);
		CHECK((b.tv_sec - a.tv_sec) * 1000000000l + b.tv_nsec - a.tv_nsec >= 60000000);
	}
	_exit(7);
}

TEST_TIMEOUT(a_sleep_goes_on_after_a_stop, 30)
{
	int status, p[2];
	char c;
	OK(pipe(p));
	pid_t child = OK(fork());
	if (child == 0)
		sleeper(&p[1]);
	close(p[1]);
	while (read(p[0], &c, 1) == 1) {
		usleep(5000);
		for (int k = 0; k < 3; k++) {
			kill(child, SIGSTOP);
			usleep(1000);
			kill(child, SIGCONT);
			usleep(1000);
		}
	}
	EQ(waitpid(child, &status, 0), child);
	EQ(status, 0x700);
}

static long wait_by(int form, struct timespec *timeout)
{
	return form ? call5(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, timeout)
		    : futex_numbered((void *)&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, timeout);
}

static void restarted_wait(int i)
{
	struct timespec timeout = {5, 0};
	word = 0;
	alarms = 0;
	wanted_alarms = 3;
	every(2000);
	/* Restarted, it finds that the word has changed. */
	EQ(wait_by(i % 2, 0), -EAGAIN);
	CHECK(alarms >= 3);
	word = 0;
	/* With a timeout it is not. */
	alarms = wanted_alarms = 0;
	EQ(wait_by(i % 2, &timeout), -EINTR);
	every(0);
	timeout.tv_sec = 0;
	timeout.tv_nsec = 1000;
	EQ(wait_by(i % 2, &timeout), -ETIMEDOUT);
}

TEST_TIMEOUT(a_futex_wait_is_restarted_or_interrupted, 60)
{
	find_code();
	OK(pipe(fds));
	handle(SIGALRM, on_alarm, SA_RESTART);
	word = 1;
	for (int i = 0; i < WARM; i++)
		EQ(wait_by(i % 2, 0), -EAGAIN);
	in_all_manners(restarted_wait, 20);
}

static sigjmp_buf back;
static void jump_back(int sig, siginfo_t *si, void *uc)
{
	(void)si;
	CHECK(in_code((unsigned long)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP]));
	siglongjmp(back, sig);
}

static void jumped_out(int i)
{
	struct itimerval it = {{0, 0}, {0, 500 + i % 7 * 100}};
	if (sigsetjmp(back, 1) == 0) {
		OK(setitimer(ITIMER_REAL, &it, 0));
		if (i % 4 == 3)
			for (;;)
				storm(1000, pid);
		blocking_read(i % 4);
		FAIL("the read ended");
	}
	EQ(((long (*)(void))numbered)(), pid);
	EQ(call5(SYS_getpid), pid);
	EQ(write(fds[1], "x", 1), 1);
	EQ(blocking_read(i % 2), 1);
}

TEST_TIMEOUT(a_handler_jumps_out_of_a_call, 60)
{
	find_code();
	pid = getpid();
	OK(pipe(fds));
	handle(SIGALRM, jump_back, SA_RESTART);
	warm_read();
	in_all_manners(jumped_out, 100);
}

/* ---- filters */

static void filter_one_site(void *behind, int nr, int error)
{
	unsigned long ip = (unsigned long)behind;
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)ip, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(ip >> 32), 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {sizeof f / sizeof *f, f};
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
}

static void filtered(int i)
{
	struct probe p = {numbered_call, {SYS_getpid}, {0}};
	EQ(((long (*)(void))numbered)(), -77);
	EQ(call5(SYS_getpid), -78);
	EQ(call5(SYS_gettid), gettid());
	EQ(((long (*)(void))numbered_compared)(), pid);
	EQ(((long (*)(void))long_number)(), -79);
	if (i % 4 != 0)
		return;
	p.in[FLAGS] = 0x202;
	probe(&p);
	EQ(p.out[RAX], -77);
}

TEST_TIMEOUT(filters_see_where_calls_come_from, 60)
{
	pid = getpid();
	for (int i = 0; i < WARM; i++) {
		((long (*)(void))numbered)();
		((long (*)(void))long_number)();
		call5(SYS_getpid);
	}
	filter_one_site(numbered_behind, SYS_getpid, 77);
	filter_one_site(call5_cmp, SYS_getpid, 78);
	filter_one_site(long_number + 9, SYS_getpid, 79);
	in_all_manners(filtered, 600);
	/* The ordinary way of a site whose thread uses GS itself. */
	OK(syscall(SYS_arch_prctl, 0x1001, &code));
	in_all_manners(filtered, 600);
}

static volatile long trapped_at;
static void on_sys(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	trapped_at = (long)si->si_call_addr;
	EQ(((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP], trapped_at);
	EQ(si->si_syscall, SYS_getpid);
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_RAX] = 4711;
}

TEST_TIMEOUT(trapped_calls_say_where_they_are, 60)
{
	struct sock_filter f[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {sizeof f / sizeof *f, f};
	for (int i = 0; i < WARM; i++) {
		((long (*)(void))numbered)();
		call5(SYS_getpid);
	}
	handle(SIGSYS, on_sys, 0);
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
	for (int i = 0; i < 2000; i++) {
		EQ(((long (*)(void))numbered)(), 4711);
		EQ(trapped_at, (long)numbered_behind);
		EQ(call5(SYS_getpid), 4711);
		EQ(trapped_at, (long)call5_cmp);
	}
}

/* ---- single steps and debuggers */

static unsigned long steps[64];
static volatile int nsteps;
static void on_step(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	if (nsteps < 64)
		steps[nsteps++] = (unsigned long)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];
}

/* Runs fn with the trap flag set; rax is the number. */
__attribute__((noinline)) static long step_through(void *fn, long nr)
{
	long r;
	nsteps = 0;
	__asm__ volatile("lea -128(%%rsp),%%rsp; pushf; orl $0x100,(%%rsp); popf; call *%1; pushf; andl $~0x100,(%%rsp); popf; lea 128(%%rsp),%%rsp"
			 : "=a"(r)
			 : "b"(fn), "0"(nr)
			 : "rcx", "r11", "cc", "memory");
	return r;
}

TEST_TIMEOUT(the_trap_flag_at_hot_sites, 30)
{
	pid = getpid();
	handle(SIGTRAP, on_step, 0);
	for (int round = 0; round < 20; round++) {
		void *page = map_sites(0);
		static char *const fns[] = {numbered, compared, numbered_compared, long_number, steps_itself + 9};
		for (int k = 0; k < 5; k++) {
			unsigned long cold[64];
			int ncold;
			EQ(step_through(AT(page, fns[k]), SYS_getpid), pid);
			ncold = nsteps;
			memcpy(cold, steps, sizeof cold);
			CHECK(ncold > 4);
			CHECK(cold[0] == (unsigned long)AT(page, fns[k]));
			for (int hot = 0; hot < 3; hot++) {
				struct probe p = {AT(page, fns[k]), {SYS_getpid}, {0}};
				p.in[FLAGS] = 0x202;
				for (int i = 0; i < WARM; i++)
					probe(&p);
				EQ(step_through(AT(page, fns[k]), SYS_getpid), pid);
				EQ(nsteps, ncold);
				for (int i = 0; i < ncold; i++)
					if (steps[i] != cold[i])
						FAIL("step %d of %d is at 0x%lx, was at 0x%lx", i, k, steps[i], cold[i]);
			}
		}
		/* What traps first is the site's first instruction. */
		for (int hot = 0; hot < 3; hot++) {
			char *at = AT(page, steps_itself);
			nsteps = 0;
			EQ(((long (*)(void))at)(), pid);
			CHECK(nsteps >= 3);
			CHECK(steps[0] == (unsigned long)at + 14);
			struct probe p = {at + 9, {SYS_getpid}, {0}};
			p.in[FLAGS] = 0x202;
			for (int i = 0; i < WARM; i++)
				probe(&p);
		}
		OK(munmap(page, PG));
	}
}

/* A child that is hot, stops, and calls for ever. */
static pid_t hot_child(void)
{
	pid_t child = OK(fork());
	if (child != 0)
		return child;
	pid = getpid();
	for (int i = 0; i < WARM; i++) {
		((long (*)(void))numbered)();
		call5(SYS_getpid);
		EQ(storm(1, pid), 0);
	}
	pt(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (;;) {
		((long (*)(void))numbered)();
		call5(SYS_gettid, 1, 2, 3, 4, 5);
		EQ(storm(1, pid), 0);
	}
}

static void end_child(pid_t child)
{
	int status;
	kill(child, SIGKILL);
	EQ(waitpid(child, &status, __WALL), child);
}

TEST_TIMEOUT(a_tracer_sees_calls_of_hot_sites, 60)
{
	struct user_regs_struct in, out;
	pid_t child = hot_child();
	int seen = 0;
	EQ(wait_for(child), SIGSTOP << 8 | 0x7f);
	pt_go(PTRACE_SYSCALL, child, 0);
	wait_for(child);
	/* The first stop may be the end of the call that raised the signal. */
	OK(pt(PTRACE_GETREGS, child, 0, &in));
	if ((long)in.rax != -ENOSYS) {
		pt_go(PTRACE_SYSCALL, child, 0);
		wait_for(child);
	}
	for (int i = 0; i < 500; i++) {
		OK(pt(PTRACE_GETREGS, child, 0, &in));
		EQ(in.rax, -ENOSYS);
		pt_go(PTRACE_SYSCALL, child, 0);
		EQ(wait_for(child), SIGTRAP << 8 | 0x7f);
		OK(pt(PTRACE_GETREGS, child, 0, &out));
		EQ(in.rip, out.rip);
		EQ(in.rsp, out.rsp);
		EQ(in.rdi, out.rdi);
		EQ(in.r10, out.r10);
		EQ(in.eflags, out.eflags);
		EQ(out.rax, child);
		CHECK(in.orig_rax == SYS_getpid || in.orig_rax == SYS_gettid);
		if (in.rip == (unsigned long)call5_cmp) {
			EQ(in.orig_rax, SYS_gettid);
			EQ(in.rdi, 1);
			EQ(in.rsi, 2);
			EQ(in.rdx, 3);
			EQ(in.r10, 4);
			EQ(in.r8, 5);
		} else if (in.rip == (unsigned long)storm_a_behind) {
			EQ(in.eflags & ARITHMETIC, 0x890);
			seen |= 1;
		} else if (in.rip == (unsigned long)storm_b_cmp) {
			EQ(in.eflags & ARITHMETIC & ~0x10, 0x45);
			seen |= 2;
		} else {
			CHECK(in.rip == (unsigned long)numbered_behind || in.rip == (unsigned long)storm_c_behind);
			seen |= 4;
		}
		pt_go(PTRACE_SYSCALL, child, 0);
		EQ(wait_for(child), SIGTRAP << 8 | 0x7f);
	}
	EQ(seen, 7);
	end_child(child);
}

TEST_TIMEOUT(a_tracer_attaches_to_hot_sites, 60)
{
	struct user_regs_struct r;
	find_code();
	pid_t child = hot_child();
	EQ(wait_for(child), SIGSTOP << 8 | 0x7f);
	pt_go(PTRACE_DETACH, child, SIGCONT);
	for (int i = 0; i < 200; i++) {
		unsigned long g[NGREG] = {0};
		usleep(200 + i % 10 * 30);
		OK(pt(PTRACE_ATTACH, child, 0, 0));
		EQ(wait_for(child), SIGSTOP << 8 | 0x7f);
		OK(pt(PTRACE_GETREGS, child, 0, &r));
		g[REG_RIP] = r.rip, g[REG_RAX] = r.rax, g[REG_EFL] = r.eflags, g[REG_RBX] = r.rbx, g[REG_RBP] = r.rbp, g[REG_R8] = r.r8;
		g[REG_R9] = r.r9, g[REG_R10] = r.r10, g[REG_R12] = r.r12, g[REG_R13] = r.r13, g[REG_R14] = r.r14, g[REG_RDI] = r.rdi;
		g[REG_RSI] = r.rsi, g[REG_RDX] = r.rdx;
		pid = child;
		check_storm(g);
		/* Another number for the call that it is about to make. */
		if (r.rip == (unsigned long)numbered) {
			r.rip = (unsigned long)numbered_call;
			r.rax = SYS_getppid;
			OK(pt(PTRACE_SETREGS, child, 0, &r));
			pt_go(PTRACE_SYSCALL, child, 0);
			EQ(wait_for(child), SIGTRAP << 8 | 0x7f);
			OK(pt(PTRACE_GETREGS, child, 0, &r));
			EQ(r.orig_rax, SYS_getppid);
		}
		pt_go(PTRACE_DETACH, child, 0);
	}
	end_child(child);
}

TEST_TIMEOUT(a_tracer_reads_and_writes_hot_code, 60)
{
	union {
		long words[PG / 8];
		char bytes[PG];
	} want;
	pid_t child = hot_child();
	struct user_regs_struct r;
	file_bytes(want.bytes, sites, PG);
	EQ(wait_for(child), SIGSTOP << 8 | 0x7f);
	for (int round = 0; round < 10; round++) {
		for (unsigned long i = 0; i < 64; i++) {
			long word;
			OK(pt(PTRACE_PEEKTEXT, child, (unsigned long)sites + 8 * i, &word));
			EQ(word, want.words[i]);
		}
		/* A breakpoint behind the call, and on it. */
		char *at = round % 2 ? numbered_call : numbered_behind;
		unsigned long base = (unsigned long)at & ~7ul, shift = ((unsigned long)at & 7) * 8;
		long old = want.words[(base - (unsigned long)sites) / 8];
		OK(pt(PTRACE_POKETEXT, child, base, (void *)((old & ~(0xffl << shift)) | 0xccl << shift)));
		pt_go(PTRACE_CONT, child, 0);
		EQ(wait_for(child), SIGTRAP << 8 | 0x7f);
		OK(pt(PTRACE_GETREGS, child, 0, &r));
		EQ(r.rip, (unsigned long)at + 1);
		EQ(r.rax, round % 2 ? SYS_getpid : child);
		OK(pt(PTRACE_POKETEXT, child, base, (void *)old));
		r.rip--;
		OK(pt(PTRACE_SETREGS, child, 0, &r));
		pt_go(PTRACE_CONT, child, 0);
		/* It becomes hot again. */
		usleep(3000);
		kill(child, SIGSTOP);
		EQ(wait_for(child), SIGSTOP << 8 | 0x7f);
	}
	end_child(child);
}

TEST_TIMEOUT(a_tracer_steps_through_hot_sites, 60)
{
	struct user_regs_struct r;
	pid_t child = hot_child();
	int seen = 0;
	unsigned long last = 0;
	EQ(wait_for(child), SIGSTOP << 8 | 0x7f);
	find_code();
	for (int round = 0; round < 12; round++) {
		for (int i = 0; i < 150; i++) {
			pt_go(PTRACE_SINGLESTEP, child, 0);
			EQ(wait_for(child), SIGTRAP << 8 | 0x7f);
			OK(pt(PTRACE_GETREGS, child, 0, &r));
			if (!in_code(r.rip))
				FAIL("stepped to 0x%llx", r.rip);
			if (last == (unsigned long)numbered)
				EQ(r.rip, (unsigned long)numbered_call);
			if (last == (unsigned long)numbered_call) {
				EQ(r.rip, (unsigned long)numbered_behind);
				EQ(r.rax, child);
				seen |= 1;
			}
			if (last == (unsigned long)call5_call) {
				EQ(r.rip, (unsigned long)call5_cmp);
				EQ(r.rax, child);
				seen |= 2;
			}
			if (last == (unsigned long)call5_cmp)
				EQ(r.rip, (unsigned long)call5_cmp + 6);
			if (last == (unsigned long)storm_a)
				EQ(r.rip, (unsigned long)storm_a_call);
			last = r.rip;
		}
		pt_go(PTRACE_CONT, child, 0);
		usleep(2000);
		kill(child, SIGSTOP);
		EQ(wait_for(child), SIGSTOP << 8 | 0x7f);
		last = 0;
	}
	EQ(seen, 3);
	end_child(child);
}
