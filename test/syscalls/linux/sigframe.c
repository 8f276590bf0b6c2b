/* What a handler finds on its stack and in its registers, and what the return from it restores. */
#include "../test.h"
#include <cpuid.h>
#include <setjmp.h>
#include <sys/time.h>
#include <ucontext.h>

/* The first words a handler sees: stack pointer, sig, siginfo, ucontext, rax, flags. */
unsigned long entry_state[8];
void record_entry(int);
__asm__(".text\n"
	".globl record_entry\n"
	"record_entry:\n"
	"	mov %rsp, entry_state+0(%rip)\n"
	"	mov %rdi, entry_state+8(%rip)\n"
	"	mov %rsi, entry_state+16(%rip)\n"
	"	mov %rdx, entry_state+24(%rip)\n"
	"	mov %rax, entry_state+32(%rip)\n"
	"	pushf\n"
	"	popq entry_state+40(%rip)\n"
	"	mov (%rsp), %rax\n"
	"	mov %rax, entry_state+48(%rip)\n"
	"	ret\n");

/*
 * Loads 15 registers and the flags from in[16], spins in[4] (rcx) times with an instruction that changes no flags, stores all to out.
 * Order: rax rbx (in[1]) .. as in the listing; in[15] is the flags.
 */
void spin_with_registers(const unsigned long *in, unsigned long *out);
__asm__(".text\n"
	"spin_with_registers:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rsi\n"
	"	push 120(%rdi); push 40(%rdi)\n"
	"	mov 0(%rdi),%rax; mov 8(%rdi),%rbx; mov 16(%rdi),%rdx; mov 24(%rdi),%rsi; mov 32(%rdi),%rcx\n"
	"	mov 48(%rdi),%rbp; mov 56(%rdi),%r8; mov 64(%rdi),%r9; mov 72(%rdi),%r10; mov 80(%rdi),%r11\n"
	"	mov 88(%rdi),%r12; mov 96(%rdi),%r13; mov 104(%rdi),%r14; mov 112(%rdi),%r15\n"
	"	pop %rdi\n"
	"	popf\n"
	"1:	loop 1b\n"
	"	pushf\n"
	"	cld\n"
	"	push %rdi\n"
	"	mov 16(%rsp),%rdi\n"
	"	mov %rax,0(%rdi); mov %rbx,8(%rdi); mov %rdx,16(%rdi); mov %rsi,24(%rdi); mov %rcx,32(%rdi)\n"
	"	mov %rbp,48(%rdi); mov %r8,56(%rdi); mov %r9,64(%rdi); mov %r10,72(%rdi); mov %r11,80(%rdi)\n"
	"	mov %r12,88(%rdi); mov %r13,96(%rdi); mov %r14,104(%rdi); mov %r15,112(%rdi)\n"
	"	pop 40(%rdi)\n"
	"	pop 120(%rdi)\n"
	"	pop %rsi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	ret\n");

/* Fills the 128 bytes below the stack pointer, makes the call kill(pid, sig), and counts the words that changed. */
long red_zone_changes(long pid, long sig);
__asm__(".text\n"
	"red_zone_changes:\n"
	"	mov $-16, %rcx\n"
	"1:	mov %rcx, (%rsp,%rcx,8)\n"
	"	inc %rcx\n"
	"	jnz 1b\n"
	"	mov $62, %eax\n"
	"	syscall\n"
	"	xor %eax, %eax\n"
	"	mov $-16, %rcx\n"
	"2:	cmp %rcx, (%rsp,%rcx,8)\n"
	"	je 3f\n"
	"	inc %eax\n"
	"3:	inc %rcx\n"
	"	jnz 2b\n"
	"	ret\n");

static volatile sig_atomic_t calls;
static siginfo_t info;
static ucontext_t context;
static unsigned char fp_area[8192];
static volatile unsigned long fp_at;
static void (*in_handler)(ucontext_t *);

static void take(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	(void)sig;
	info = *si;
	context = *uc;
	fp_at = (unsigned long)uc->uc_mcontext.fpregs;
	if (fp_at) {
		unsigned size = 512, *sw = (unsigned *)(fp_at + 464);
		if (sw[0] == 0x46505853 && sw[1] <= sizeof fp_area)
			size = sw[1];
		memcpy(fp_area, (void *)fp_at, size);
	}
	if (in_handler)
		in_handler(uc);
	calls++;
}

static void catch_with(int sig, void (*f)(ucontext_t *), int flags)
{
	struct sigaction sa = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | flags};
	in_handler = f;
	OK(sigaction(sig, &sa, 0));
}

TEST(a_handler_starts_as_the_calling_convention_says)
{
	for (int flags = 0; flags <= SA_SIGINFO; flags += SA_SIGINFO) {
		struct sigaction sa = {.sa_handler = record_entry, .sa_flags = flags};
		struct {
			void *handler;
			unsigned long flags;
			void *restorer;
			unsigned long mask;
		} ka;
		memset(entry_state, 0x55, sizeof entry_state);
		OK(sigaction(SIGUSR1, &sa, 0));
		OK(syscall(SYS_rt_sigaction, SIGUSR1, 0, &ka, 8));
		/* With the direction flag set: the handler must not see it. */
		__asm__ volatile("std; syscall; cld" ::"a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1) : "rcx", "r11", "memory", "cc");
		EQ((entry_state[0] + 8) & 15, 0);
		EQ(entry_state[1], SIGUSR1);
		/* Both pointers are passed even without SA_SIGINFO; then only the context is filled in. */
		CHECK(entry_state[2] > entry_state[0] && entry_state[2] < entry_state[0] + 65536);
		CHECK(entry_state[3] > entry_state[0] && entry_state[3] < entry_state[0] + 65536);
		EQ(entry_state[4], 0);
		EQ(entry_state[5] & 0x400, 0);
		EQ(entry_state[6], (long)ka.restorer);
	}
}

TEST(the_frame_is_below_the_red_zone)
{
	unsigned long sp;
	struct sigaction sa = {.sa_handler = record_entry};
	OK(sigaction(SIGUSR1, &sa, 0));
	EQ(red_zone_changes(getpid(), SIGUSR1), 0);
	__asm__("mov %%rsp, %0" : "=r"(sp));
	CHECK(entry_state[0] < sp - 128);
}

TEST(ucontext_describes_the_interrupted_thread)
{
	unsigned long here = 0, sp = 0, m = 0;
	sigset_t set;
	catch_with(SIGUSR1, 0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	OK(sigprocmask(SIG_SETMASK, &set, 0));
	__asm__ volatile("mov $0x1234567, %%r12; mov $0x7654321, %%rbx; mov %%rsp, %1; lea 1f(%%rip), %0; syscall; 1:"
			 : "=&r"(here), "=&r"(sp)
			 : "a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "r12", "rbx", "memory", "cc");
	EQ(calls, 1);
	greg_t *g = context.uc_mcontext.gregs;
	EQ(g[REG_RIP], here);
	EQ(g[REG_RSP], sp);
	EQ(g[REG_RAX], 0);
	EQ(g[REG_RDI], getpid());
	EQ(g[REG_RSI], SIGUSR1);
	EQ(g[REG_R12], 0x1234567);
	EQ(g[REG_RBX], 0x7654321);
	EQ(g[REG_RCX], here);
	EQ(g[REG_R11] & 0x202, 0x202);
	EQ(g[REG_EFL] & 0x202, 0x202);
	EQ(g[REG_CSGSFS] & 0xffff, 0x33);
	EQ((unsigned long)g[REG_CSGSFS] >> 48, 0x2b);
	CHECK(context.uc_link == 0);
	memcpy(&m, &context.uc_sigmask, 8);
	EQ(m, 1ul << (SIGHUP - 1));
	EQ(g[REG_OLDMASK], 1ul << (SIGHUP - 1));
	EQ(context.uc_stack.ss_size, 0);
	/* Bit 1: the stack segment is saved; bit 2: and restored. */
	EQ(context.uc_flags & 6, 6);
}

TEST(ucontext_carries_the_alternate_stack)
{
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
	OK(sigaltstack(&ss, 0));
	catch_with(SIGUSR1, 0, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(context.uc_stack.ss_sp == stack);
	EQ(context.uc_stack.ss_size, sizeof stack);
	EQ(context.uc_stack.ss_flags, 0);
	CHECK(fp_at > (unsigned long)stack && fp_at < (unsigned long)stack + sizeof stack);
}

TEST(floating_point_state_is_in_the_frame)
{
	unsigned *sw = (unsigned *)(fp_area + 464), a, b, c, d, want = 0x1fa0;
	unsigned long x = 0x1122334455667788, seen;
	catch_with(SIGUSR1, 0, 0);
	__asm__ volatile("ldmxcsr %0" ::"m"(want));
	__asm__ volatile("movq %[x],%%xmm9; syscall"
			 : "=a"(seen)
			 : [x] "r"(x), "a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "xmm9", "memory", "cc");
	EQ(calls, 1);
	CHECK(fp_at != 0);
	memcpy(&seen, fp_area + 160 + 9 * 16, 8);
	EQ(seen, x);
	EQ(*(unsigned *)(fp_area + 24), want);
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		SKIP("no XSAVE");
	EQ(fp_at & 63, 0);
	EQ(context.uc_flags & 1, 1);
	EQ(sw[0], 0x46505853);
	CHECK(sw[1] <= sizeof fp_area && sw[4] >= 576 && sw[1] == sw[4] + 4);
	EQ(*(unsigned *)(fp_area + sw[4]), 0x46505845);
	/* The components the frame can hold are those the CPU has switched on for us, or fewer. */
	unsigned lo, hi;
	__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	EQ(sw[2] & 3, 3);
	EQ(sw[2] & ~lo, 0);
	EQ(sw[3] & ~hi, 0);
}

static volatile unsigned inner_mxcsr, inner_fcw;
static void note_fp(ucontext_t *uc)
{
	unsigned m;
	unsigned short w;
	(void)uc;
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(m), "=m"(w));
	inner_mxcsr = m;
	inner_fcw = w;
}

TEST(a_handler_starts_with_a_clean_fpu)
{
	unsigned m = 0x1f80 | 0x6000;
	unsigned short w = 0x0f7f;
	catch_with(SIGUSR1, note_fp, 0);
	__asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(m), "m"(w));
	OK(kill(getpid(), SIGUSR1));
	EQ(inner_mxcsr, 0x1f80);
	EQ(inner_fcw, 0x37f);
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(m), "=m"(w));
	EQ(m, 0x1f80 | 0x6000);
	EQ(w, 0x0f7f);
}

static void change_xmm(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs->_xmm[3].element[0] = 0xabcdef01;
	uc->uc_mcontext.fpregs->mxcsr = 0x1f80 | 0x2000;
}

TEST(changed_floating_point_state_is_restored)
{
	unsigned long v = 0;
	unsigned m;
	catch_with(SIGUSR1, change_xmm, 0);
	__asm__ volatile("pxor %%xmm3,%%xmm3; syscall; movq %%xmm3,%0; stmxcsr %1"
			 : "=r"(v), "=m"(m)
			 : "a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "xmm3", "memory", "cc");
	EQ(v, 0xabcdef01);
	EQ(m, 0x1f80 | 0x2000);
}

static void drop_fp(ucontext_t *uc)
{
	uc->uc_mcontext.fpregs = 0;
}

TEST(no_floating_point_state_means_initial_state)
{
	unsigned m = 0x1f80 | 0x6000;
	unsigned long v = 1;
	catch_with(SIGUSR1, drop_fp, 0);
	__asm__ volatile("ldmxcsr %1; pcmpeqd %%xmm3,%%xmm3; syscall; movq %%xmm3,%0; stmxcsr %1"
			 : "=r"(v), "+m"(m)
			 : "a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "xmm3", "memory", "cc");
	EQ(v, 0);
	EQ(m, 0x1f80);
}

static void change_registers(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_R13] = 0x1313;
	uc->uc_mcontext.gregs[REG_RCX] = 0xcccc;
	uc->uc_mcontext.gregs[REG_R11] = 0x1111;
	uc->uc_mcontext.gregs[REG_RAX] = 0xaaaa;
	uc->uc_mcontext.gregs[REG_EFL] |= 0x841;
}

TEST(changed_registers_are_restored)
{
	unsigned long ax, cx, r11, r13, fl;
	catch_with(SIGUSR1, change_registers, 0);
	__asm__ volatile("syscall; mov %%rcx,%1; mov %%r11,%2; mov %%r13,%3; lea -128(%%rsp),%%rsp; pushf; pop %4; lea 128(%%rsp),%%rsp"
			 : "=a"(ax), "=&r"(cx), "=&r"(r11), "=&r"(r13), "=&r"(fl)
			 : "a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "r13", "memory", "cc");
	EQ(ax, 0xaaaa);
	EQ(cx, 0xcccc);
	EQ(r11, 0x1111);
	EQ(r13, 0x1313);
	EQ(fl & 0x841, 0x841);
}

static void set_system_flags(ucontext_t *uc)
{
	/* IOPL, NT, VIF, VIP, VM, and interrupts off. */
	uc->uc_mcontext.gregs[REG_EFL] = (uc->uc_mcontext.gregs[REG_EFL] | 0x1a7000) & ~0x200;
}

TEST(system_flags_cannot_be_set)
{
	unsigned long fl;
	catch_with(SIGUSR1, set_system_flags, 0);
	raise(SIGUSR1);
	__asm__ volatile("lea -128(%%rsp),%%rsp; pushf; pop %0; lea 128(%%rsp),%%rsp" : "=r"(fl));
	EQ(fl & 0x1a7200, 0x200);
}

TEST_TIMEOUT(all_registers_survive_asynchronous_signals, 30)
{
	static const unsigned long flags[] = {0x202, 0x202 | 0x1, 0x202 | 0x8d5, 0x202 | 0x400, 0x202 | 0x840};
	unsigned long in[16], out[16];
	struct itimerval it = {{0, 1000}, {0, 1000}};
	catch_with(SIGALRM, 0, SA_RESTART);
	OK(setitimer(ITIMER_REAL, &it, 0));
	for (int round = 0; calls < 100 || round < 5; round++) {
		for (int i = 0; i < 15; i++)
			in[i] = 0x0123456789abcdef * (unsigned long)(i + 1 + round);
		in[4] = 2000000;
		in[15] = flags[round % 5];
		spin_with_registers(in, out);
		for (int i = 0; i < 15; i++)
			if (i != 4 && out[i] != in[i])
				FAIL("register %d was %lx, is %lx", i, in[i], out[i]);
		EQ(out[4], 0);
		EQ(out[15], in[15]);
	}
}

static void bad_frame(void *arg)
{
	if (arg)
		signal(SIGSEGV, SIG_IGN);
	__asm__ volatile("mov $8, %%rsp; mov $15, %%eax; syscall; ud2" ::: "memory");
}

TEST(sigreturn_from_nowhere_kills)
{
	EQ(test_in_child(bad_frame, 0) & 0x7f, SIGSEGV);
	EQ(test_in_child(bad_frame, (void *)1) & 0x7f, SIGSEGV);
}

static void go_to_kernel_space(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0xffffffff81000000;
}

static void go_nowhere(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)0x8000000000000000;
}

static void jump_away(void *arg)
{
	catch_with(SIGUSR1, (void (*)(ucontext_t *))arg, 0);
	raise(SIGUSR1);
}

TEST(returning_to_a_bad_address_faults)
{
	EQ(test_in_child(jump_away, go_to_kernel_space) & 0x7f, SIGSEGV);
	EQ(test_in_child(jump_away, go_nowhere) & 0x7f, SIGSEGV);
}

static void deliver_without_a_stack(void *arg)
{
	struct sigaction sa = {.sa_sigaction = take, .sa_flags = SA_SIGINFO};
	stack_t ss = {.ss_sp = (void *)0x10000, .ss_size = 65536};
	sigaction(SIGUSR1, &sa, 0);
	sigaction(SIGSEGV, &sa, 0);
	if (arg) {
		/* An alternate stack where nothing is mapped. */
		sa.sa_flags |= SA_ONSTACK;
		sigaltstack(&ss, 0);
		sigaction(SIGUSR1, &sa, 0);
		kill(getpid(), SIGUSR1);
		_exit(calls == 1 && info.si_signo == SIGSEGV ? 7 : 8);
	}
	__asm__ volatile("mov $64, %%rsp; syscall" ::"a"(SYS_kill), "D"((long)getpid()), "S"((long)SIGUSR1) : "rcx", "r11", "memory");
}

TEST(no_room_for_a_frame_is_segv)
{
	EQ(test_in_child(deliver_without_a_stack, 0) & 0x7f, SIGSEGV);
	EQ(test_in_child(deliver_without_a_stack, (void *)1), 7 << 8);
}

static sigjmp_buf back;
static void leave(ucontext_t *uc)
{
	(void)uc;
	siglongjmp(back, 1);
}

TEST(a_handler_that_is_not_code_faults_at_its_address)
{
	struct sigaction sa = {.sa_handler = (void (*)(int))0x1230};
	catch_with(SIGSEGV, leave, 0);
	OK(sigaction(SIGUSR1, &sa, 0));
	if (!sigsetjmp(back, 1)) {
		raise(SIGUSR1);
		FAIL("no fault");
	}
	EQ(info.si_signo, SIGSEGV);
	EQ((long)info.si_addr, 0x1230);
	EQ(context.uc_mcontext.gregs[REG_RIP], 0x1230);
}

static volatile int steps;
static void step(int sig, siginfo_t *si, void *ucv)
{
	(void)sig;
	info = *si;
	if (++steps >= 5)
		((ucontext_t *)ucv)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

TEST(the_trap_flag_single_steps)
{
	struct sigaction sa = {.sa_sigaction = step, .sa_flags = SA_SIGINFO};
	OK(sigaction(SIGTRAP, &sa, 0));
	__asm__ volatile("lea -128(%%rsp),%%rsp; pushf; orl $0x100,(%%rsp); popf; nop; nop; nop; nop; nop; nop; nop; nop; lea 128(%%rsp),%%rsp" ::: "cc", "memory");
	EQ(steps, 5);
	EQ(info.si_signo, SIGTRAP);
	EQ(info.si_code, TRAP_TRACE);
}
