/* The x87, SSE, AVX and AVX-512 state of a thread is its own through system calls, faults and signals. */
#include "../test.h"
#include <cpuid.h>
#include <immintrin.h>
#include <sys/time.h>

static volatile sig_atomic_t signals;

static void clobber(int sig)
{
	(void)sig;
	signals++;
	/* A handler that uses all it can. */
	__asm__ volatile("pxor %%xmm0,%%xmm0; pxor %%xmm7,%%xmm7; pxor %%xmm15,%%xmm15; fninit; fld1" ::: "xmm0", "xmm7", "xmm15");
	if (__builtin_cpu_supports("avx512f"))
		__asm__ volatile("vpternlogd $255,%%zmm0,%%zmm0,%%zmm0; vmovdqa64 %%zmm0,%%zmm31; kxnorw %%k3,%%k3,%%k3" ::: "memory");
	else if (__builtin_cpu_supports("avx"))
		__asm__ volatile("vxorps %%ymm15,%%ymm15,%%ymm15" ::: "memory");
}

struct state {
	unsigned char zmm[4][64];
	unsigned long k3;
	unsigned mxcsr;
	unsigned short fcw;
	long double st;
};

/* Loads a pattern into registers, makes `n` system calls or signals by `act`, and reads them back, in one asm so that the compiler uses none of them between. */
static void round_of(unsigned char seed, long nr, long a, long b, int n, struct state *out)
{
	unsigned char in[4][64];
	unsigned mxcsr = 0x1f80 | 0x6000, old_mxcsr;
	unsigned short fcw = 0x0f7f, old_fcw;
	long double pi = 3.25L;
	unsigned long k = 0x1234u + seed;
	int avx512 = __builtin_cpu_supports("avx512f");
	long count = n;
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < 64; j++)
			in[i][j] = (unsigned char)(seed + i * 64 + j);
	memset(out, 0, sizeof *out);
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(old_mxcsr), "=m"(old_fcw));
	__asm__ volatile("fldcw %0; fldt %1; ldmxcsr %2" ::"m"(fcw), "m"(pi), "m"(mxcsr));
	if (avx512) {
		__asm__ volatile("vmovdqu64 0(%[in]),%%zmm0; vmovdqu64 64(%[in]),%%zmm7; vmovdqu64 128(%[in]),%%zmm15; vmovdqu64 192(%[in]),%%zmm31\n"
				 "kmovw %k[k],%%k3\n"
				 "1: mov %[nr],%%rax; mov %[a],%%rdi; mov %[b],%%rsi; syscall; dec %[count]; jnz 1b\n"
				 "vmovdqu64 %%zmm0,0(%[out]); vmovdqu64 %%zmm7,64(%[out]); vmovdqu64 %%zmm15,128(%[out]); vmovdqu64 %%zmm31,192(%[out])\n"
				 "kmovw %%k3,%k[k]; vzeroupper\n"
				 : [count] "+r"(count), [k] "+r"(k)
				 : [in] "r"(in), [out] "r"(out->zmm), [nr] "r"(nr), [a] "r"(a), [b] "r"(b)
				 : "rax", "rdi", "rsi", "rcx", "r11", "memory");
	} else {
		__asm__ volatile("movdqu 0(%[in]),%%xmm0; movdqu 64(%[in]),%%xmm7; movdqu 128(%[in]),%%xmm15\n"
				 "1: mov %[nr],%%rax; mov %[a],%%rdi; mov %[b],%%rsi; syscall; dec %[count]; jnz 1b\n"
				 "movdqu %%xmm0,0(%[out]); movdqu %%xmm7,64(%[out]); movdqu %%xmm15,128(%[out])\n"
				 : [count] "+r"(count)
				 : [in] "r"(in), [out] "r"(out->zmm), [nr] "r"(nr), [a] "r"(a), [b] "r"(b)
				 : "rax", "rdi", "rsi", "rcx", "r11", "xmm0", "xmm7", "xmm15", "memory");
	}
	out->k3 = k;
	__asm__ volatile("stmxcsr %0; fnstcw %1; fstpt %2; ldmxcsr %3; fldcw %4"
			 : "=m"(out->mxcsr), "=m"(out->fcw), "=m"(out->st)
			 : "m"(old_mxcsr), "m"(old_fcw));
	EQ(out->mxcsr, mxcsr);
	EQ(out->fcw, fcw);
	CHECK(out->st == pi);
	EQ(out->k3, 0x1234u + seed);
	for (int i = 0; i < (avx512 ? 4 : 3); i++)
		for (int j = 0; j < (avx512 ? 64 : 16); j++)
			if (out->zmm[i][j] != (unsigned char)(seed + i * 64 + j))
				FAIL("register %d byte %d is %d, want %d", i, j, out->zmm[i][j], (unsigned char)(seed + i * 64 + j));
}

TEST_TIMEOUT(state_survives_100000_system_calls, 60)
{
	struct state s;
	for (int i = 0; i < 10; i++)
		round_of((unsigned char)(i * 7), SYS_getppid, 0, 0, 10000, &s);
}

TEST_TIMEOUT(state_survives_10000_signals, 60)
{
	struct state s;
	OK(signal(SIGUSR1, clobber) == SIG_ERR ? -1 : 0);
	for (int i = 0; i < 10; i++)
		round_of((unsigned char)(i * 11), SYS_kill, getpid(), SIGUSR1, 1000, &s);
	EQ(signals, 10000);
}

TEST_TIMEOUT(state_survives_asynchronous_signals, 60)
{
	struct itimerval it = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
	struct state s;
	OK(signal(SIGALRM, clobber) == SIG_ERR ? -1 : 0);
	OK(setitimer(ITIMER_REAL, &it, 0));
	for (int i = 0; signals < 50 && i < 100000; i++)
		round_of((unsigned char)i, SYS_getppid, 0, 0, 100, &s);
	OK(setitimer(ITIMER_REAL, &off, 0));
	CHECK(signals >= 50);
}

TEST(state_is_inherited_by_fork)
{
	struct state s;
	int status;
	pid_t pid;
	unsigned mxcsr = 0x1f80 | 0x2000, seen;
	double x = 0;
	__asm__ volatile("ldmxcsr %0" ::"m"(mxcsr));
	pid = fork();
	__asm__ volatile("stmxcsr %0" : "=m"(seen));
	if (pid == 0) {
		__asm__ volatile("movq %1,%%xmm3; movq %%xmm3,%0" : "=r"(x) : "r"(1.5) : "xmm3");
		_exit(seen == mxcsr ? 0 : 1);
	}
	CHECK(pid > 0);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(seen, mxcsr);
	round_of(3, SYS_getppid, 0, 0, 10, &s);
}

TEST(registers_survive_a_system_call)
{
	unsigned long in[7] = {0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777}, out[9] = {0};
	void *src = in, *dst = out;
	__asm__ volatile("mov 0(%%rsi),%%rbx; mov 8(%%rsi),%%r12; mov 16(%%rsi),%%r13; mov 24(%%rsi),%%r14; mov 32(%%rsi),%%r15\n"
			 "mov $0xaaaa,%%r8d; mov $0xbbbb,%%r9d; mov $0xcccc,%%r10d; mov $0xdddd,%%edx; stc\n"
			 "mov $39,%%eax; syscall; 1: setc %%al; movzbl %%al,%%eax\n"
			 "mov %%rbx,0(%%rdi); mov %%r12,8(%%rdi); mov %%r13,16(%%rdi); mov %%r14,24(%%rdi); mov %%r15,32(%%rdi)\n"
			 "mov %%r8,40(%%rdi); mov %%r9,48(%%rdi); mov %%rax,56(%%rdi); lea 1b(%%rip),%%rax; sub %%rcx,%%rax; mov %%rax,64(%%rdi)\n"
			 : "+S"(src), "+D"(dst)
			 :
			 : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	CHECK(src == in && dst == out);
	for (int i = 0; i < 5; i++)
		EQ(out[i], in[i]);
	EQ(out[5], 0xaaaa);
	EQ(out[6], 0xbbbb);
	EQ(out[7], 1); /* carry */
	EQ(out[8], 0); /* rcx is the return address */
}
