/*
 * System call sites in every form that compilers and people write, for the cases that call them so often that whatever accelerates hot sites
 * takes hold of them. The page can be mapped again from the program's file and called there.
 */
#ifndef RUNSC_TEST_SYSCALLS_CALLSITE_H
#define RUNSC_TEST_SYSCALLS_CALLSITE_H

#include "test.h"
#include <pthread.h>

#define PG 4096ul
/* Calls after which a site is hot, and calls that make a case. */
#define WARM 200
#define MANY 4000

__asm__(".text\n"
	".balign 4096\n"
	".globl sites\n"
	"sites:\n"
	"  ud2\n"
	/* getpid() in the form of musl and of hand-written code */
	".balign 64\n"
	".globl numbered, numbered_call, numbered_behind\n"
	"numbered:\n"
	"  mov $39, %eax\n"
	"numbered_call:\n"
	"  syscall\n"
	"numbered_behind:\n"
	"  ret\n"
	/* any call, in the form of glibc's inline calls */
	".balign 64\n"
	".globl compared, compared_cmp, compared_behind\n"
	"compared:\n"
	"  syscall\n"
	"compared_cmp:\n"
	"  cmp $-4096, %rax\n"
	"compared_behind:\n"
	"  ret\n"
	".balign 64\n"
	".globl numbered_compared\n"
	"numbered_compared:\n"
	"  mov $39, %eax\n"
	"  syscall\n"
	"  cmp $-4095, %rax\n"
	"  ret\n"
	".balign 64\n"
	".globl numbered_high\n" /* a number that no table has */
	"numbered_high:\n"
	"  mov $0x12345678, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	".globl numbered_x32\n"
	"numbered_x32:\n"
	"  mov $0x40000027, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	".globl long_number\n"
	"long_number:\n"
	"  .byte 0x48, 0xc7, 0xc0, 39, 0, 0, 0\n" /* mov $39, %rax */
	"  syscall\n"
	"  mov %rax, %rax\n"
	"  ret\n"
	".balign 64\n"
	".globl zeroed\n" /* read() */
	"zeroed:\n"
	"  xor %eax, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	".globl jumped\n"
	"jumped:\n"
	"  jmp 1f\n"
	"  mov $1, %eax\n"
	"1:syscall\n"
	"  ret\n"
	".balign 64\n"
	".globl argument_like_number\n" /* mov $imm, %r8d has the bytes of mov $imm, %eax behind a prefix */
	"argument_like_number:\n"
	"  mov $39, %eax\n"
	"  mov $39, %r8d\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	".globl read_numbered, nanosleep_numbered, futex_numbered\n"
	"read_numbered:\n"
	"  mov $0, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	"nanosleep_numbered:\n"
	"  mov $35, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	"futex_numbered:\n"
	"  mov %rcx, %r10\n"
	"  mov $202, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	".globl steps_itself\n" /* the trap flag is set right before the site */
	"steps_itself:\n"
	"  pushf\n"
	"  orl $0x100, (%rsp)\n"
	"  popf\n"
	"  mov $39, %eax\n"
	"  syscall\n"
	"  nop\n"
	"  pushf\n"
	"  andl $~0x100, (%rsp)\n"
	"  popf\n"
	"  ret\n"
	/* long call5(long nr, a, b, c, d, e) by a COMPARED site */
	".balign 64\n"
	".globl call5, call5_call, call5_cmp\n"
	"call5:\n"
	"  mov %rdi, %rax\n"
	"  mov %rsi, %rdi\n"
	"  mov %rdx, %rsi\n"
	"  mov %rcx, %rdx\n"
	"  mov %r8, %r10\n"
	"  mov %r9, %r8\n"
	"call5_call:\n"
	"  syscall\n"
	"call5_cmp:\n"
	"  cmp $-4095, %rax\n"
	"  ret\n"
	/* the ends of the page */
	".balign 4096\n"
	".globl sites_end\n"
	"sites_end:\n"
	".skip 4093\n"
	".globl numbered_across\n" /* the number's bytes lie on two pages */
	"numbered_across:\n"
	"  mov $39, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 4096\n"
	".skip 4094\n"
	".globl compared_across\n"
	"compared_across:\n"
	"  syscall\n"
	"  cmp $-4095, %rax\n"
	"  ret\n"
	".balign 4096\n"
	".skip 4088\n"
	".globl numbered_last\n" /* ends with the page */
	"numbered_last:\n"
	"  nop\n"
	"  mov $39, %eax\n"
	"  syscall\n"
	"  ret\n"
	".balign 64\n"
	/*
	 * probe(struct probe *): calls a site with all registers and flags as given and notes all that comes out.
	 */
	".globl probe\n"
	"probe:\n"
	"  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
	"  push %rdi\n"
	"  push 0(%rdi)\n"
	"  mov %rdi, %rax\n"
	"  push 128(%rax)\n"
	"  popf\n"
	"  mov 16(%rax), %rbx\n  mov 24(%rax), %rcx\n  mov 32(%rax), %rdx\n  mov 40(%rax), %rsi\n  mov 48(%rax), %rdi\n"
	"  mov 56(%rax), %rbp\n  mov 64(%rax), %r8\n  mov 72(%rax), %r9\n  mov 80(%rax), %r10\n  mov 88(%rax), %r11\n"
	"  mov 96(%rax), %r12\n  mov 104(%rax), %r13\n  mov 112(%rax), %r14\n  mov 120(%rax), %r15\n"
	"  mov 8(%rax), %rax\n"
	"  call *(%rsp)\n"
	"  pushf\n"
	"  push $0x202\n"
	"  popf\n"
	"  push %rax\n"
	"  mov 24(%rsp), %rax\n"
	"  popq 136(%rax)\n"
	"  popq 256(%rax)\n"
	"  mov %rbx, 144(%rax)\n  mov %rcx, 152(%rax)\n  mov %rdx, 160(%rax)\n  mov %rsi, 168(%rax)\n  mov %rdi, 176(%rax)\n"
	"  mov %rbp, 184(%rax)\n  mov %r8, 192(%rax)\n  mov %r9, 200(%rax)\n  mov %r10, 208(%rax)\n  mov %r11, 216(%rax)\n"
	"  mov %r12, 224(%rax)\n  mov %r13, 232(%rax)\n  mov %r14, 240(%rax)\n  mov %r15, 248(%rax)\n"
	"  add $16, %rsp\n"
	"  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n"
	"  ret\n"
	".balign 4096\n");

extern char sites[], sites_end[], numbered[], numbered_call[], numbered_behind[], compared[], compared_cmp[], compared_behind[],
	numbered_compared[], numbered_high[], numbered_x32[], long_number[], zeroed[], jumped[], argument_like_number[],
	steps_itself[], numbered_across[], compared_across[], numbered_last[], call5_call[], call5_cmp[];
extern long call5(long nr, ...);
extern long read_numbered(long fd, void *buf, long n), nanosleep_numbered(void *req, void *rem),
	futex_numbered(void *addr, long op, long val, void *timeout);

enum { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, FLAGS, NREGS };
/* CF PF AF ZF SF DF OF */
#define ARITHMETIC 0xcd5ul

struct probe {
	void *site;
	unsigned long in[NREGS], out[NREGS];
};
extern void probe(struct probe *);

__attribute__((unused)) static unsigned long site_seed = 88172645463325252ul;
__attribute__((unused)) static unsigned long next_random(void)
{
	site_seed ^= site_seed << 13;
	site_seed ^= site_seed >> 7;
	return site_seed ^= site_seed << 17;
}

/* A function of the page at `page`, which is a copy of it. */
#define AT(page, fn) ((void *)((char *)(page) + ((char *)(fn) - sites)))

/* A private mapping of the page of sites from the program's file, at `addr` or anywhere. */
__attribute__((unused)) static void *map_sites(void *addr)
{
	static unsigned long start, offset;
	unsigned long lo, hi, off;
	void *p;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (start == 0) {
		char line[500], perms[8];
		FILE *f = fopen("/proc/self/maps", "re");
		while (fgets(line, sizeof line, f))
			if (sscanf(line, "%lx-%lx %7s %lx", &lo, &hi, perms, &off) == 4 && lo <= (unsigned long)sites &&
			    (unsigned long)sites < hi) {
				start = lo;
				offset = off;
			}
		fclose(f);
	}
	CHECK(start != 0);
	p = OK(mmap(addr, PG, PROT_READ | PROT_EXEC, MAP_PRIVATE | (addr ? MAP_FIXED : 0), fd,
		    (long)((unsigned long)sites - start + offset)));
	close(fd);
	return p;
}

/* What the program's file says is at a place of the page of sites. */
__attribute__((unused)) static void file_bytes(void *buf, const void *at, unsigned long n)
{
	char line[500], perms[8];
	unsigned long lo, hi, off, start = 0, offset = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %7s %lx", &lo, &hi, perms, &off) == 4 && lo <= (unsigned long)at && (unsigned long)at < hi) {
			start = lo;
			offset = off;
		}
	fclose(f);
	EQ(pread(fd, buf, n, (long)((unsigned long)at - start + offset)), n);
	close(fd);
}

__attribute__((unused)) static volatile int busy_stop;
__attribute__((unused)) static void *busy_compute(void *arg)
{
	while (!busy_stop)
		for (volatile int i = 0; i < 1000; i++)
			;
	return arg;
}
__attribute__((unused)) static void *busy_call(void *arg)
{
	while (!busy_stop)
		syscall(SYS_getppid);
	return arg;
}

/* Runs the body while calls come alone, beside a thread that computes, beside one that calls, and with short sleeps in between. */
#define MANNERS 4
__attribute__((unused)) static void in_all_manners(void (*body)(int i), int n)
{
	pthread_t t;
	sigset_t all, old;
	sigfillset(&all);
	for (int m = 0; m < MANNERS; m++) {
		busy_stop = 0;
		/* Signals are for the thread that runs the body. */
		pthread_sigmask(SIG_SETMASK, &all, &old);
		if (m == 1)
			EQ(pthread_create(&t, 0, busy_compute, 0), 0);
		if (m == 2)
			EQ(pthread_create(&t, 0, busy_call, 0), 0);
		pthread_sigmask(SIG_SETMASK, &old, 0);
		for (int i = 0; i < n; i++) {
			body(i);
			if (m == 3 && i % 100 == 99)
				usleep(100);
		}
		busy_stop = 1;
		if (m == 1 || m == 2)
			pthread_join(t, 0);
	}
}
#endif
