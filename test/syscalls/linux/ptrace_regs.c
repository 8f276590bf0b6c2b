/* ptrace(2): registers of all kinds, and single steps. */
#include "../ptrace.h"
#include <cpuid.h>
#include <ucontext.h>

#define USER(member) offsetof(struct user, member)
#define REG(member) offsetof(struct user_regs_struct, member)
#define EFLAGS_TF 0x100

static unsigned long peek_user(pid_t pid, unsigned long off)
{
	unsigned long word = 0;
	OK(pt(PTRACE_PEEKUSR, pid, off, &word));
	return word;
}

static void poke_user(pid_t pid, unsigned long off, unsigned long word)
{
	OK(pt(PTRACE_POKEUSR, pid, off, (void *)word));
}

static long get_regset(pid_t pid, long type, void *buf, size_t *len)
{
	struct iovec v = {buf, *len};
	long r = pt(PTRACE_GETREGSET, pid, type, &v);
	*len = v.iov_len;
	return r;
}

static long set_regset(pid_t pid, long type, void *buf, size_t *len)
{
	struct iovec v = {buf, *len};
	long r = pt(PTRACE_SETREGSET, pid, type, &v);
	*len = v.iov_len;
	return r;
}

/* Fills every register with a value of its own, then traps. */
extern char distinct_trap[];
static void __attribute__((noinline)) distinct(void)
{
	__asm__ volatile("movq %%rsp, %%xmm0\n\t"
			 "mov $0x1515151515151515, %%r15\n\t"
			 "mov $0x1414141414141414, %%r14\n\t"
			 "mov $0x1313131313131313, %%r13\n\t"
			 "mov $0x1212121212121212, %%r12\n\t"
			 "mov $0x1111111111111111, %%r11\n\t"
			 "mov $0x1010101010101010, %%r10\n\t"
			 "mov $0x0909090909090909, %%r9\n\t"
			 "mov $0x0808080808080808, %%r8\n\t"
			 "mov $0xdbdbdbdbdbdbdbdb, %%rbp\n\t"
			 "mov $0xbbbbbbbbbbbbbbbb, %%rbx\n\t"
			 "mov $0xaaaaaaaaaaaaaaaa, %%rax\n\t"
			 "mov $0xcccccccccccccccc, %%rcx\n\t"
			 "mov $0xdddddddddddddddd, %%rdx\n\t"
			 "mov $0x5151515151515151, %%rsi\n\t"
			 "mov $0xd1d1d1d1d1d1d1d1, %%rdi\n\t"
			 "int3\n"
			 "distinct_trap:\n\t"
			 /* exit_group(rbx) */
			 "mov %%ebx, %%edi\n\t"
			 "mov $231, %%eax\n\t"
			 "syscall" ::: "memory");
	__builtin_unreachable();
}

static pid_t at_distinct(void)
{
	pid_t pid = tracee(distinct);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	return pid;
}

TEST(getregs_after_int3)
{
	pid_t pid = at_distinct();
	struct user_regs_struct r = regs_of(pid);
	siginfo_t si = info_of(pid);
	EQ(si.si_code, SI_KERNEL);
	EQ(r.r15, 0x1515151515151515);
	EQ(r.r14, 0x1414141414141414);
	EQ(r.r13, 0x1313131313131313);
	EQ(r.r12, 0x1212121212121212);
	EQ(r.rbp, 0xdbdbdbdbdbdbdbdb);
	EQ(r.rbx, 0xbbbbbbbbbbbbbbbb);
	EQ(r.r11, 0x1111111111111111);
	EQ(r.r10, 0x1010101010101010);
	EQ(r.r9, 0x0909090909090909);
	EQ(r.r8, 0x0808080808080808);
	EQ(r.rax, 0xaaaaaaaaaaaaaaaa);
	EQ(r.rcx, 0xcccccccccccccccc);
	EQ(r.rdx, 0xdddddddddddddddd);
	EQ(r.rsi, 0x5151515151515151);
	EQ(r.rdi, 0xd1d1d1d1d1d1d1d1);
	EQ(r.orig_rax, -1);
	EQ(r.rip, (uintptr_t)distinct_trap);
	EQ(r.cs, 0x33);
	EQ(r.ss, 0x2b);
	EQ(r.ds, 0);
	EQ(r.es, 0);
	EQ(r.fs, 0);
	EQ(r.gs, 0);
	CHECK(r.eflags & 0x200);
	CHECK(r.fs_base != 0);
	EQ(r.gs_base, 0);
	CHECK(r.rsp > 0x1000);
	end_task(pid);
}

TEST(setregs_is_what_the_program_goes_on_with)
{
	pid_t pid = at_distinct();
	struct user_regs_struct r = regs_of(pid), again;
	r.rbx = 42;
	r.r15 = 0xfedcba9876543210;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	again = regs_of(pid);
	CHECK(!memcmp(&r, &again, sizeof r));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 42 << 8);
}

TEST(register_errors)
{
	struct user_regs_struct r = {0};
	pid_t pid = at_distinct();
	ERR(EFAULT, pt(PTRACE_GETREGS, pid, 0, (void *)8));
	ERR(EFAULT, pt(PTRACE_SETREGS, pid, 0, (void *)8));
	ERR(EFAULT, pt(PTRACE_GETFPREGS, pid, 0, (void *)8));
	ERR(EFAULT, pt(PTRACE_SETFPREGS, pid, 0, (void *)8));
	OK(pt(PTRACE_GETREGS, pid, 0, &r));
	r.fs_base = 0x7ffffffff000;
	ERR(EIO, pt(PTRACE_SETREGS, pid, 0, &r));
	r.fs_base = 0;
	r.gs_base = -1UL;
	ERR(EIO, pt(PTRACE_SETREGS, pid, 0, &r));
	OK(pt(PTRACE_GETREGS, pid, 0, &r));
	r.cs = 0;
	ERR(EIO, pt(PTRACE_SETREGS, pid, 0, &r));
	OK(pt(PTRACE_GETREGS, pid, 0, &r));
	r.ss = 0x10;
	ERR(EIO, pt(PTRACE_SETREGS, pid, 0, &r));
	OK(pt(PTRACE_GETREGS, pid, 0, &r));
	r.ds = 0x18;
	ERR(EIO, pt(PTRACE_SETREGS, pid, 0, &r));
	end_task(pid);
}

TEST(peek_and_poke_user)
{
	pid_t pid = at_distinct();
	EQ(peek_user(pid, REG(rax)), 0xaaaaaaaaaaaaaaaa);
	EQ(peek_user(pid, REG(orig_rax)), -1);
	EQ(peek_user(pid, REG(rip)), (uintptr_t)distinct_trap);
	EQ(peek_user(pid, USER(u_fpvalid)), 0);
	EQ(peek_user(pid, USER(i387)), 0);
	EQ(peek_user(pid, USER(u_tsize)), 0);
	EQ(peek_user(pid, USER(signal)), 0);
	unsigned long word;
	ERR(EIO, pt(PTRACE_PEEKUSR, pid, 4, &word));
	ERR(EIO, pt(PTRACE_PEEKUSR, pid, 1, &word));
	ERR(EIO, pt(PTRACE_PEEKUSR, pid, 928, &word));
	ERR(EIO, pt(PTRACE_PEEKUSR, pid, -8UL, &word));
	ERR(EFAULT, pt(PTRACE_PEEKUSR, pid, 0, (void *)8));
	ERR(EIO, pt(PTRACE_POKEUSR, pid, 4, 0));
	ERR(EIO, pt(PTRACE_POKEUSR, pid, USER(i387), 0));
	ERR(EIO, pt(PTRACE_POKEUSR, pid, 928, 0));
	ERR(EIO, pt(PTRACE_POKEUSR, pid, REG(cs), 0));
	ERR(EIO, pt(PTRACE_POKEUSR, pid, REG(fs_base), (void *)-1L));
	poke_user(pid, REG(rbx), 17);
	EQ(regs_of(pid).rbx, 17);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 17 << 8);
}

TEST(flags_keep_what_is_not_the_programs)
{
	pid_t pid = at_distinct();
	poke_user(pid, REG(eflags), 0xffffffff);
	EQ(peek_user(pid, REG(eflags)), 0x54fd7);
	poke_user(pid, REG(eflags), 0);
	EQ(peek_user(pid, REG(eflags)), 0x202);
	end_task(pid);
}

TEST(debug_registers)
{
	pid_t pid = at_distinct();
	for (int i = 0; i < 8; i++)
		EQ(peek_user(pid, USER(u_debugreg[i])), i == 6 ? 0xffff0ff0 : 0);
	poke_user(pid, USER(u_debugreg[6]), 0);
	EQ(peek_user(pid, USER(u_debugreg[6])), 0);
	poke_user(pid, USER(u_debugreg[7]), 0);
	ERR(EIO, pt(PTRACE_POKEUSR, pid, USER(u_debugreg[4]), 0));
	ERR(EIO, pt(PTRACE_POKEUSR, pid, USER(u_debugreg[5]), 0));
	ERR(EINVAL, pt(PTRACE_POKEUSR, pid, USER(u_debugreg[7]), (void *)0x20001L));
	end_task(pid);
}

/* ---- register sets */

TEST(the_general_register_set)
{
	pid_t pid = at_distinct();
	struct user_regs_struct r = regs_of(pid), s;
	size_t len = sizeof s;
	memset(&s, 0xee, sizeof s);
	OK(get_regset(pid, NT_PRSTATUS, &s, &len));
	EQ(len, sizeof s);
	CHECK(!memcmp(&r, &s, sizeof s));
	char big[1000];
	len = 1000;
	OK(get_regset(pid, NT_PRSTATUS, big, &len));
	EQ(len, sizeof s);
	memset(&s, 0xee, sizeof s);
	len = 16;
	OK(get_regset(pid, NT_PRSTATUS, &s, &len));
	EQ(len, 16);
	EQ(s.r15, 0x1515151515151515);
	EQ(s.r13, 0xeeeeeeeeeeeeeeee);
	s.r15 = 1;
	s.r14 = 2;
	OK(set_regset(pid, NT_PRSTATUS, &s, &len));
	EQ(regs_of(pid).r15, 1);
	EQ(regs_of(pid).r14, 2);
	EQ(regs_of(pid).r13, 0x1313131313131313);
	len = 0;
	OK(get_regset(pid, NT_PRSTATUS, &s, &len));
	EQ(len, 0);
	len = 12;
	ERR(EINVAL, get_regset(pid, NT_PRSTATUS, &s, &len));
	EQ(len, 12);
	len = 8;
	ERR(EINVAL, get_regset(pid, 0x999, &s, &len));
	ERR(EINVAL, get_regset(pid, 0, &s, &len));
	ERR(EINVAL, set_regset(pid, 0x999, &s, &len));
	ERR(EFAULT, get_regset(pid, NT_PRSTATUS, (void *)8, &len));
	ERR(EFAULT, pt(PTRACE_GETREGSET, pid, NT_PRSTATUS, (void *)8));
	end_task(pid);
}

static double fp_one = 1.5;
static void fp_values(void)
{
	uint64_t pattern[2] = {0x1111222233334444, 0x5555666677778888};
	__asm__ volatile("fldl %0\n\t"
			 "movdqu %1, %%xmm3\n\t"
			 "movdqu %1, %%xmm15\n\t"
			 "int3\n\t"
			 "movdqu %%xmm3, %1\n\t"
			 : "+m"(fp_one), "+m"(pattern)
			 :
			 : "xmm3", "xmm15", "memory");
	_exit(pattern[0] == 0xabcdef ? 1 : pattern[0] == 0x1111222233334444 ? 2 : 3);
}

static pid_t at_fp(void)
{
	pid_t pid = tracee(fp_values);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	return pid;
}

TEST(fp_registers)
{
	struct user_fpregs_struct f;
	pid_t pid = at_fp();
	memset(&f, 0xee, sizeof f);
	OK(pt(PTRACE_GETFPREGS, pid, 0, &f));
	EQ(f.cwd, 0x37f);
	EQ(f.mxcsr, 0x1f80);
	EQ(f.xmm_space[12], 0x33334444);
	EQ(f.xmm_space[13], 0x11112222);
	EQ(f.xmm_space[63], 0x55556666);
	/* 1.5 as an 80-bit number. */
	EQ(f.st_space[1], 0xc0000000);
	EQ(f.st_space[2] & 0xffff, 0x3fff);
	f.xmm_space[12] = 0xabcdef;
	f.xmm_space[13] = 0;
	OK(pt(PTRACE_SETFPREGS, pid, 0, &f));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 1 << 8);
	pid = at_fp();
	OK(pt(PTRACE_GETFPREGS, pid, 0, &f));
	f.mxcsr = 0xffffffff;
	ERR(EINVAL, pt(PTRACE_SETFPREGS, pid, 0, &f));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 2 << 8);
}

TEST(the_fp_register_set)
{
	struct user_fpregs_struct f, g;
	size_t len = sizeof f;
	pid_t pid = at_fp();
	OK(get_regset(pid, NT_PRFPREG, &f, &len));
	EQ(len, sizeof f);
	OK(pt(PTRACE_GETFPREGS, pid, 0, &g));
	CHECK(!memcmp(&f, &g, sizeof f));
	f.xmm_space[12] = 0xabcdef;
	f.xmm_space[13] = 0;
	len = 104;
	ERR(EINVAL, set_regset(pid, NT_PRFPREG, &f, &len));
	len = 9;
	ERR(EINVAL, set_regset(pid, NT_PRFPREG, &f, &len));
	len = sizeof f;
	OK(set_regset(pid, NT_PRFPREG, &f, &len));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 1 << 8);
}

TEST(the_extended_register_set)
{
	static unsigned char x[16384] __attribute__((aligned(64)));
	unsigned a, b, c, d;
	size_t len = sizeof x, size;
	uint64_t xcr0 = 0, bv;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1 << 27)))
		SKIP("no XSAVE");
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	pid_t pid = at_fp();
	OK(get_regset(pid, NT_X86_XSTATE, x, &len));
	size = len;
	CHECK(size >= 576 && size % 8 == 0);
	memcpy(&xcr0, x + 464, 8);
	CHECK((xcr0 & 7) == (a & 7));
	memcpy(&bv, x + 512, 8);
	EQ(bv & ~xcr0, 0);
	EQ(bv & 2, 2);
	EQ(*(uint32_t *)(x + 160 + 48), 0x33334444);
	*(uint32_t *)(x + 160 + 48) = 0xabcdef;
	*(uint32_t *)(x + 160 + 52) = 0;
	len = size - 8;
	ERR(EFAULT, set_regset(pid, NT_X86_XSTATE, x, &len));
	len = size - 4;
	ERR(EINVAL, set_regset(pid, NT_X86_XSTATE, x, &len));
	x[527] = 1;
	len = size;
	ERR(EINVAL, set_regset(pid, NT_X86_XSTATE, x, &len));
	x[527] = 0;
	bv |= 1ULL << 62;
	memcpy(x + 512, &bv, 8);
	ERR(EINVAL, set_regset(pid, NT_X86_XSTATE, x, &len));
	bv &= ~(1ULL << 62);
	memcpy(x + 512, &bv, 8);
	OK(set_regset(pid, NT_X86_XSTATE, x, &len));
	EQ(len, size);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 1 << 8);
}

TEST(arch_prctl_of_a_tracee)
{
	unsigned long base = 0;
	pid_t pid = at_distinct();
	OK(pt(PTRACE_ARCH_PRCTL, pid, (uintptr_t)&base, (void *)0x1003));
	EQ(base, regs_of(pid).fs_base);
	OK(pt(PTRACE_ARCH_PRCTL, pid, 0x123456789000, (void *)0x1001));
	OK(pt(PTRACE_ARCH_PRCTL, pid, (uintptr_t)&base, (void *)0x1004));
	EQ(base, 0x123456789000);
	EQ(regs_of(pid).gs_base, 0x123456789000);
	ERR(EPERM, pt(PTRACE_ARCH_PRCTL, pid, 0x7ffffffff000, (void *)0x1002));
	ERR(EINVAL, pt(PTRACE_ARCH_PRCTL, pid, 0, (void *)0x1234));
	ERR(EFAULT, pt(PTRACE_ARCH_PRCTL, pid, 8, (void *)0x1003));
	end_task(pid);
}

/* ---- single steps */

extern char steps_begin[], steps_end[];
static void __attribute__((noinline)) steps(void)
{
	__asm__ volatile("int3\n"
			 "steps_begin:\n\t"
			 "mov $7, %%ebx\n\t"
			 "nop\n\t"
			 "mov $39, %%eax\n\t"
			 "syscall\n\t"
			 "mov $9, %%ebx\n\t"
			 "pushf\n\t"
			 "pop %%rcx\n"
			 "steps_end:\n\t"
			 "nop\n\t"
			 "mov %%ebx, %%edi\n\t"
			 "mov $231, %%eax\n\t"
			 "syscall" ::: "memory");
	__builtin_unreachable();
}

static void step(pid_t pid, int code)
{
	pt_go(PTRACE_SINGLESTEP, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	siginfo_t si = info_of(pid);
	EQ(si.si_code, code);
	EQ((uintptr_t)si.si_addr, regs_of(pid).rip);
}

TEST(single_steps)
{
	pid_t pid = tracee(steps);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	unsigned long at = (uintptr_t)steps_begin;
	EQ(regs_of(pid).rip, at);
	step(pid, TRAP_TRACE);
	EQ(regs_of(pid).rip, at + 5);
	EQ(regs_of(pid).rbx, 7);
	EQ(regs_of(pid).orig_rax, -1);
	EQ(peek_user(pid, USER(u_debugreg[6])), 0xffff4ff0);
	CHECK(!(regs_of(pid).eflags & EFLAGS_TF));
	step(pid, TRAP_TRACE);
	EQ(regs_of(pid).rip, at + 6);
	step(pid, TRAP_TRACE);
	/* Over the system call, and no further. */
	step(pid, TRAP_BRKPT);
	EQ(regs_of(pid).rip, at + 13);
	EQ(regs_of(pid).rax, pid);
	EQ(regs_of(pid).orig_rax, 39);
	EQ(regs_of(pid).rbx, 7);
	CHECK(!(regs_of(pid).eflags & EFLAGS_TF));
	step(pid, TRAP_TRACE);
	EQ(regs_of(pid).rbx, 9);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 9 << 8);
}

TEST(step_through_system_call_stops)
{
	pid_t pid = tracee_with(steps, PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	/* From the entry a step ends behind the call. */
	step(pid, TRAP_BRKPT);
	EQ(regs_of(pid).rip, (uintptr_t)steps_begin + 13);
	EQ(regs_of(pid).rax, pid);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	EQ(regs_of(pid).orig_rax, SYS_exit_group);
	end_task(pid);
	pid = tracee_with(steps, PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	step(pid, TRAP_TRACE);
	EQ(regs_of(pid).rip, (uintptr_t)steps_begin + 18);
	end_task(pid);
}

static volatile int handled;
static void on_usr1(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	handled = ((ucontext_t *)uc)->uc_mcontext.gregs[REG_EFL] & EFLAGS_TF ? 2 : 1;
}
static void spin_with_handler(void)
{
	struct sigaction sa = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};
	OK(sigaction(SIGUSR1, &sa, 0));
	OK(raise(SIGSTOP));
	while (!handled)
		;
	_exit(handled);
}

TEST(a_step_into_a_handler)
{
	pid_t pid = tracee(spin_with_handler);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	pt_go(PTRACE_SINGLESTEP, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	OK(kill(pid, SIGUSR1));
	pt_go(PTRACE_SINGLESTEP, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	pt_go(PTRACE_SINGLESTEP, pid, SIGUSR1);
	/* It stops at the first instruction of the handler. */
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	EQ(regs_of(pid).rip, (uintptr_t)on_usr1);
	EQ(regs_of(pid).rdi, SIGUSR1);
	EQ(info_of(pid).si_code, SIGTRAP);
	pt_go(PTRACE_SINGLESTEP, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	CHECK(regs_of(pid).rip != (uintptr_t)on_usr1);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 1 << 8);
}

TEST(a_trap_flag_of_the_tracer)
{
	pid_t pid = tracee(steps);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	poke_user(pid, REG(eflags), EFLAGS_TF);
	CHECK(regs_of(pid).eflags & EFLAGS_TF);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	EQ(regs_of(pid).rip, (uintptr_t)steps_begin + 5);
	CHECK(regs_of(pid).eflags & EFLAGS_TF);
	poke_user(pid, REG(eflags), 0);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 9 << 8);
}

static volatile int loops;
static void loop(void)
{
	for (loops = 0; loops < 200; loops++)
		;
	_exit(loops == 200 ? 5 : 6);
}

TEST(a_whole_program_in_single_steps)
{
	int status, n = 0;
	pid_t pid = tracee(loop);
	for (;;) {
		pt_go(PTRACE_SINGLESTEP, pid, 0);
		status = wait_for(pid);
		if (!WIFSTOPPED(status))
			break;
		EQ(status, STOPPED(SIGTRAP));
		n++;
	}
	EQ(status, 5 << 8);
	CHECK(n > 600);
}

static int __attribute__((noipa)) target_of_breakpoint(int n)
{
	return n + 1;
}
static void call_target(void)
{
	int n = 0;
	for (int i = 0; i < 3; i++)
		n = target_of_breakpoint(n);
	_exit(n);
}

TEST(a_breakpoint)
{
	long word;
	unsigned long at = (uintptr_t)target_of_breakpoint;
	pid_t pid = tracee(call_target);
	OK(pt(PTRACE_PEEKTEXT, pid, at, &word));
	for (int i = 0; i < 3; i++) {
		OK(pt(PTRACE_POKETEXT, pid, at, (void *)((word & ~0xffL) | 0xcc)));
		pt_go(PTRACE_CONT, pid, 0);
		EQ(wait_for(pid), STOPPED(SIGTRAP));
		EQ(peek_user(pid, REG(rip)), at + 1);
		EQ(regs_of(pid).rdi & 0xffffffff, i);
		OK(pt(PTRACE_POKETEXT, pid, at, (void *)word));
		poke_user(pid, REG(rip), at);
		step(pid, TRAP_TRACE);
	}
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 3 << 8);
}

static int called_with;
static void called_by_tracer(int n)
{
	called_with = n;
	__asm__ volatile("int3");
}

TEST(a_call_made_by_the_tracer)
{
	long word = 0;
	pid_t pid = tracee(do_pause);
	struct user_regs_struct saved = regs_of(pid), r = saved;
	r.rsp = (r.rsp - 512) & ~15UL;
	r.rsp -= 8;
	r.rip = (uintptr_t)called_by_tracer;
	r.rdi = 77;
	/* Not in a system call any more. */
	r.orig_rax = -1;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)&called_with, &word));
	EQ(word & 0xffffffff, 77);
	OK(pt(PTRACE_SETREGS, pid, 0, &saved));
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	end_task(pid);
}

static void load_gs(void)
{
	unsigned long value;
	__asm__ volatile("int3\n\tmov %%gs:0, %0" : "=r"(value));
	_exit(value == 0x77 ? 7 : 8);
}

TEST(segment_bases_are_real)
{
	unsigned long word = 0x77;
	static unsigned long place;
	pid_t pid = tracee(load_gs);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	OK(pt(PTRACE_POKEDATA, pid, (uintptr_t)&place, (void *)word));
	poke_user(pid, REG(gs_base), (uintptr_t)&place);
	EQ(peek_user(pid, REG(gs_base)), (uintptr_t)&place);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 7 << 8);
}

extern char busy_begin[], busy_end[];
static void __attribute__((noinline)) busy(void)
{
	__asm__ volatile("mov $0x1212121212121212, %%r12\n\t"
			 "mov $0x3131, %%edi\n\t"
			 "mov $0x3232, %%esi\n\t"
			 "mov $0x3333, %%edx\n\t"
			 "mov $0x3434, %%r10d\n\t"
			 "mov $0x3535, %%r8d\n\t"
			 "mov $0x3636, %%r9d\n\t"
			 "mov $0x110, %%eax\n"
			 "busy_begin:\n\t"
			 "mov $110, %%eax\n\t"
			 "syscall\n\t"
			 "test %%r12, %%r12\n\t"
			 "jnz busy_begin\n"
			 "busy_end:" ::: "memory");
	_exit(3);
}

static void check_busy(struct user_regs_struct *r)
{
	CHECK(r->rip >= (uintptr_t)busy_begin && r->rip < (uintptr_t)busy_end);
	EQ(r->r12, 0x1212121212121212);
	EQ(r->rdi, 0x3131);
	EQ(r->rsi, 0x3232);
	EQ(r->rdx, 0x3333);
	EQ(r->r10, 0x3434);
	EQ(r->r8, 0x3535);
	EQ(r->r9, 0x3636);
}

TEST(a_program_that_makes_one_call_after_the_other)
{
	static const unsigned char code[] = {0xb8, 110, 0, 0, 0, 0x0f, 0x05};
	pid_t pid = child_of(busy);
	usleep(50000);
	for (int i = 0; i < 20; i++) {
		OK(pt(PTRACE_ATTACH, pid, 0, 0));
		EQ(wait_for(pid), STOPPED(SIGSTOP));
		struct user_regs_struct r = regs_of(pid);
		check_busy(&r);
		OK(pt(PTRACE_SETOPTIONS, pid, 0, (void *)PTRACE_O_TRACESYSGOOD));
		/* A trap flag that is not the kernel's own; over a call it goes one instruction further. */
		for (int n = 0; n < 7; n++) {
			poke_user(pid, REG(eflags), EFLAGS_TF);
			pt_go(PTRACE_CONT, pid, 0);
			EQ(wait_for(pid), STOPPED(SIGTRAP));
			unsigned long was = r.rip - (uintptr_t)busy_begin;
			r = regs_of(pid);
			check_busy(&r);
			unsigned long is = r.rip - (uintptr_t)busy_begin;
			EQ(is, was == 0 ? 5 : was == 5 ? 10 : was == 7 ? 10 : 0);
			/* test %r12, %r12 */
			poke_user(pid, REG(eflags), 0);
		}
		for (int n = 0; n < 9; n++) {
			pt_go(PTRACE_SINGLESTEP, pid, 0);
			EQ(wait_for(pid), STOPPED(SIGTRAP));
			unsigned long was = r.rip - (uintptr_t)busy_begin;
			r = regs_of(pid);
			check_busy(&r);
			unsigned long is = r.rip - (uintptr_t)busy_begin;
			EQ(is, was == 0 ? 5 : was == 5 ? 7 : was == 7 ? 10 : 0);
		}
		for (int n = 0; n < 6; n++) {
			pt_go(PTRACE_SYSCALL, pid, 0);
			EQ(wait_for(pid), SYSGOOD);
			r = regs_of(pid);
			check_busy(&r);
			EQ(r.orig_rax, 110);
			EQ(r.rip, (uintptr_t)busy_begin + 7);
			EQ(r.rcx, r.rip);
			EQ(r.rax, event_message(pid) == PTRACE_EVENTMSG_SYSCALL_ENTRY ? -ENOSYS : getpid());
		}
		if (i % 4 == 3) {
			unsigned char seen[8];
			OK(pt(PTRACE_PEEKTEXT, pid, (uintptr_t)busy_begin, seen));
			CHECK(!memcmp(seen, code, 7));
		}
		OK(pt(PTRACE_DETACH, pid, 0, 0));
		usleep(5000 + 1000 * i);
	}
	OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	poke_user(pid, REG(r12), 0);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 3 << 8);
}

static volatile int watched_word;
static volatile int other_word;
static void write_words(void)
{
	for (int i = 1; i <= 3; i++) {
		other_word = i;
		target_of_breakpoint(i);
		watched_word = i;
	}
	_exit(3);
}

/* What the cases about breakpoints share: whether the machine has any. */
static long set_breakpoint(pid_t pid, int n, const volatile void *at, unsigned long type, unsigned long length)
{
	poke_user(pid, USER(u_debugreg[n]), (uintptr_t)at);
	unsigned long dr7 = 1UL << (2 * n) | (type | length << 2) << (16 + 4 * n);
	return pt(PTRACE_POKEUSR, pid, USER(u_debugreg[7]), (void *)dr7);
}

TEST(a_watchpoint)
{
	pid_t pid = tracee(write_words);
	if (set_breakpoint(pid, 1, &watched_word, 1, 3) < 0)
		SKIP("no breakpoints");
	for (int i = 1; i <= 3; i++) {
		long word = 0;
		pt_go(PTRACE_CONT, pid, 0);
		EQ(wait_for(pid), STOPPED(SIGTRAP));
		siginfo_t si = info_of(pid);
		EQ(si.si_code, TRAP_HWBKPT);
		EQ((uintptr_t)si.si_addr, regs_of(pid).rip);
		EQ(peek_user(pid, USER(u_debugreg[6])), 0xffff0ff2);
		CHECK(!(regs_of(pid).eflags & EFLAGS_TF));
		OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)&watched_word, &word));
		EQ(word & 0xffffffff, i);
		OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)&other_word, &word));
		EQ(word & 0xffffffff, i);
	}
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 3 << 8);
}

TEST(a_breakpoint_in_a_debug_register)
{
	pid_t pid = tracee(write_words);
	if (set_breakpoint(pid, 0, (void *)target_of_breakpoint, 0, 0) < 0)
		SKIP("no breakpoints");
	for (int i = 1; i <= 3; i++) {
		pt_go(PTRACE_CONT, pid, 0);
		EQ(wait_for(pid), STOPPED(SIGTRAP));
		EQ(info_of(pid).si_code, TRAP_HWBKPT);
		EQ(regs_of(pid).rip, (uintptr_t)target_of_breakpoint);
		EQ(regs_of(pid).rdi & 0xffffffff, i);
		EQ(peek_user(pid, USER(u_debugreg[6])), 0xffff0ff1);
	}
	/* Without it the program runs to its end. */
	poke_user(pid, USER(u_debugreg[7]), 0);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 3 << 8);
}

TEST(breakpoints_that_cannot_be)
{
	pid_t pid = tracee(write_words);
	if (set_breakpoint(pid, 0, (void *)target_of_breakpoint, 0, 0) < 0)
		SKIP("no breakpoints");
	poke_user(pid, USER(u_debugreg[7]), 0);
	ERR(EINVAL, set_breakpoint(pid, 0, (void *)target_of_breakpoint, 0, 3));
	ERR(EINVAL, set_breakpoint(pid, 0, &watched_word, 2, 0));
	ERR(EINVAL, set_breakpoint(pid, 0, (char *)&watched_word + 1, 1, 3));
	EQ(peek_user(pid, USER(u_debugreg[7])), 0);
	ERR(EINVAL, pt(PTRACE_POKEUSR, pid, USER(u_debugreg[0]), (void *)0xffffffff81000000));
	end_task(pid);
}
