/*
 * A guest that attacks what the platform put into its address space. The first process forks a neighbour, which keeps a canary
 * and makes system calls all the time, and then one attacker after the other. Attackers may die in any way or live; the
 * neighbour, the first process and the sandbox must not notice. Prints one line an attack and "canary alive" at the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOP 0x7fff00000000ul /* one past the highest address a guest may map */
#define END 0x7ffffffff000ul
#define PG 4096ul

static sigjmp_buf back;
static char stack[65536];

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

static void catch_faults(void)
{
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof stack};
	struct sigaction sa = {.sa_handler = on_fault, .sa_flags = SA_ONSTACK | SA_NODEFER};
	sigaltstack(&ss, 0);
	sigaction(SIGSEGV, &sa, 0);
	sigaction(SIGBUS, &sa, 0);
	sigaction(SIGILL, &sa, 0);
	sigaction(SIGTRAP, &sa, 0);
	sigaction(SIGSYS, &sa, 0);
}

/* Candidate pages: the stub's text, its command area, the first slots, and a coarse walk of all that lies above. */
static unsigned long candidate(unsigned long i)
{
	if (i < 64)
		return TOP + i * PG;
	if (i < 64 + 1024)
		return TOP + 0x10000000ul + (i - 64) * PG;
	return TOP + (i - 1088) * 0x200000ul;
}
#define CANDIDATES (1088 + 2047)

/* Writes a pattern over every page of the platform that lets it, while making system calls. */
static void scribble(int pattern)
{
	catch_faults();
	for (volatile unsigned long i = 0; i < CANDIDATES; i++) {
		volatile char *p = (volatile char *)candidate(i);
		if ((unsigned long)p >= END)
			break;
		if (sigsetjmp(back, 1) == 0)
			for (unsigned j = 0; j < PG; j++)
				p[j] = (char)(pattern >= 0 ? pattern : random());
		getppid();
	}
}

static void scribble_zeros(void) { scribble(0); }
static void scribble_ones(void) { scribble(0xff); }
static void scribble_random(void) { scribble(-1); }

static void *scribbler(void *arg)
{
	for (;;)
		for (unsigned long i = 0; i < 64; i++) {
			volatile unsigned long *p = (volatile unsigned long *)(TOP + 0x10000000ul + i * PG);
			(void)arg;
			if (syscall(SYS_getpid) > 0 && sigsetjmp(back, 1) == 0)
				for (unsigned j = 0; j < PG / 8; j++)
					p[j] = (unsigned long)random() << 20;
		}
	return 0;
}

/* One thread overwrites the signal frames of others that fault and call. */
static void race_frames(void)
{
	pthread_t t;
	catch_faults();
	pthread_create(&t, 0, scribbler, 0);
	for (volatile int i = 0; i < 20000; i++)
		if (sigsetjmp(back, 1) == 0)
			*(volatile int *)8 = 1;
}

/* Jumps into every byte of the stub's text with hostile registers. */
static void jump_into_stub(void)
{
	for (unsigned off = 0x80; off < 0x1c0; off++) {
		pid_t pid = fork();
		int status;
		if (pid == 0) {
			struct itimerval it = {{0, 0}, {0, 30000}};
			signal(SIGALRM, SIG_DFL);
			setitimer(ITIMER_REAL, &it, 0);
			__asm__ volatile("mov $9,%%eax; mov $0x10000,%%edi; mov $0x100000,%%esi; mov $7,%%edx; mov $0x22,%%r10d; mov $-1,%%r8; xor %%r9d,%%r9d; mov %%rsp,%%rbx; jmp *%0"
					 ::"r"(TOP + off) : "rax", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rbx", "memory");
			_exit(0);
		}
		waitpid(pid, &status, 0);
	}
}

/* System calls with the numbers the platform uses for itself, and in the forms that bypass the usual entry. */
static void odd_calls(void)
{
	catch_faults();
	for (volatile long nr = 0x7e00; nr < 0x7e10; nr++)
		if (sigsetjmp(back, 1) == 0)
			syscall(nr, 11, 0x7fff10000100ul, 0x7fff10000200ul, -1l, -1l, -1l);
	if (sigsetjmp(back, 1) == 0) {
		long r;
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
	}
	if (sigsetjmp(back, 1) == 0)
		syscall(0x40000000 | SYS_mmap, 0, 4096, 7, 0x22, -1, 0);
	for (volatile long nr = -3; nr < 0; nr++)
		if (sigsetjmp(back, 1) == 0)
			syscall(nr, -1l, -1l, -1l, -1l, -1l, -1l);
}

/* Maps, unmaps and protects what is not its own. */
static void map_over_stub(void)
{
	for (unsigned long i = 0; i < CANDIDATES; i++) {
		unsigned long a = candidate(i);
		if (mmap((void *)a, PG, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
			_exit(50);
		if (mprotect((void *)a, PG, PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
			_exit(51);
		munmap((void *)a, PG);
	}
	munmap((void *)0, TOP);
}

/* Every system call number with bad pointers and huge lengths. */
static void fuzz_calls(void)
{
	static const unsigned long values[] = {0, 1, ~0ul, 0x7fffffff, 0x80000000, 4096, 0x7ffffffff000ul, 0x7fff10000000ul, 0x8000000000000000ul};
	srandom(7);
	catch_faults();
	for (int n = 0; n < 4000; n++) {
		long nr = random() % 470;
		unsigned long a[6];
		if (nr == SYS_pause || nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn || nr == SYS_kill || nr == SYS_rt_sigsuspend || nr == SYS_fork || nr == SYS_vfork || nr == SYS_clone || nr == SYS_clone3 || nr == SYS_tkill || nr == SYS_tgkill || nr == SYS_pidfd_send_signal || nr == SYS_rt_sigtimedwait || nr == SYS_rt_sigqueueinfo || nr == SYS_rt_tgsigqueueinfo)
			continue;
		for (int i = 0; i < 6; i++)
			a[i] = values[(unsigned long)random() % (sizeof values / sizeof *values)];
		/* What could block is cut short. */
		struct itimerval it = {{0, 0}, {0, 20000}};
		signal(SIGALRM, on_fault);
		setitimer(ITIMER_REAL, &it, 0);
		if (sigsetjmp(back, 1) == 0)
			syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} attacks[] = {
	{"scribble_zeros", scribble_zeros}, {"scribble_ones", scribble_ones}, {"scribble_random", scribble_random},
	{"race_frames", race_frames},       {"jump_into_stub", jump_into_stub}, {"odd_calls", odd_calls},
	{"map_over_stub", map_over_stub},   {"fuzz_calls", fuzz_calls},
};

/* Arguments: the attacks to run; none: all. */
int main(int argc, char **argv)
{
	unsigned long canary[512], *shared = mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t neighbour = fork();
	if (neighbour == 0) {
		for (int i = 0; i < 512; i++)
			canary[i] = 0x5ca1ab1e00000000ul + (unsigned)i;
		for (;;) {
			for (int i = 0; i < 512; i++)
				if (canary[i] != 0x5ca1ab1e00000000ul + (unsigned)i)
					_exit(1);
			if (getppid() <= 0)
				_exit(2);
			shared[0]++;
			usleep(500);
		}
	}
	for (unsigned i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		pid_t pid, got;
		int tries = 0, arg;
		for (arg = 1; arg < argc && strcmp(argv[arg], attacks[i].name); arg++)
			;
		if (argc > 1 && arg == argc)
			continue;
		pid = fork();
		if (pid == 0) {
			setpgid(0, 0);
			attacks[i].run();
			_exit(0);
		}
		while ((got = waitpid(pid, &status, WNOHANG)) == 0 && tries++ < 400)
			usleep(10000);
		if (got == 0) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
		kill(-pid, SIGKILL);
		printf("%s: over\n", attacks[i].name);
		fflush(stdout);
	}
	unsigned long before = shared[0];
	usleep(200000);
	if (waitpid(neighbour, &status, WNOHANG) != 0 || shared[0] == before) {
		printf("canary dead: status 0x%x\n", status);
		return 1;
	}
	kill(neighbour, SIGKILL);
	waitpid(neighbour, &status, 0);
	printf("canary alive\n");
	return 0;
}
