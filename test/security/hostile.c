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

#define SLOTS (TOP + 0x10000000ul)
#define SLOT_SIZE 0x4000ul
/* In a slot: the selector of dispatched calls, the request line. */
#define SELECTOR 0x30
#define LINE 0x40
/* Attackers that live at a time, where each is a process of its own. */
#define GANG 8

/* Forks an attacker that lives for so many ms at most. True in the attacker. */
static int attacker(int ms)
{
	static int living;
	int status;
	pid_t pid;
	if (living >= GANG && wait(&status) > 0)
		living--;
	pid = fork();
	if (pid == 0) {
		struct itimerval it = {{0, 0}, {0, ms * 1000}};
		signal(SIGALRM, SIG_DFL);
		setitimer(ITIMER_REAL, &it, 0);
		return 1;
	}
	if (pid > 0)
		living++;
	return 0;
}

/* Calls by sites of both kinds that are patched when they are hot. */
static void hot_calls(int n)
{
	long r;
	for (int i = 0; i < n; i++) {
		__asm__ volatile("mov $39, %%eax; syscall" : "=a"(r)::"rcx", "r11", "memory");
		__asm__ volatile("syscall; cmp $-4095, %%rax" : "=a"(r) : "0"(SYS_getppid) : "rcx", "r11", "memory", "cc");
		syscall(SYS_gettid);
	}
}

/* Bytes of the stub's text; 0: not there. */
static unsigned long find_in_stub(const char *bytes, unsigned long n, unsigned long from)
{
	for (unsigned long at = from; at + n < TOP + PG; at++)
		if (memcmp((void *)at, bytes, n) == 0)
			return at;
	return 0;
}

/* Slots of this process: all that can be written. */
static unsigned long own_slots[64];
static volatile int slots;
static void find_slots(void)
{
	catch_faults();
	slots = 0;
	for (volatile unsigned long a = SLOTS; a < SLOTS + 64 * SLOT_SIZE; a += SLOT_SIZE)
		if (sigsetjmp(back, 1) == 0) {
			*(volatile char *)(a + SLOT_SIZE - 1) = 0;
			own_slots[slots++] = a;
		}
}

static volatile int forging;
static void *forge(void *arg)
{
	unsigned long x = 88172645463325252ul + (unsigned long)arg;
	while (forging)
		for (int i = 0; i < slots; i++) {
			volatile unsigned *line = (volatile unsigned *)(own_slots[i] + LINE);
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			line[0] = (unsigned)(x >> 20 & 0xff);
			if (forging == 2 && (x & 7) == 0)
				line[1 + (x >> 8 & 15) % 14] = (unsigned)(x >> 32);
			if (forging == 3)
				*(volatile unsigned char *)(own_slots[i] + SELECTOR) = x >> 40 & 1;
		}
	return 0;
}

/* A thread of the process writes states, then whole requests, then selectors that are no answer of the sentry's, while calls go on. */
static void forge_lines(void)
{
	for (int how = 1; how <= 3; how++)
		for (int k = 0; k < 3; k++) {
			pid_t pid = fork();
			int status;
			if (pid == 0) {
				pthread_t t;
				struct itimerval it = {{0, 0}, {0, 400000}};
				signal(SIGALRM, SIG_DFL);
				setitimer(ITIMER_REAL, &it, 0);
				hot_calls(200);
				forging = how;
				pthread_create(&t, 0, forge, (void *)(unsigned long)k);
				find_slots();
				hot_calls(1000000);
				_exit(0);
			}
			waitpid(pid, &status, 0);
		}
}

/* Values of the selector that the host does not know. */
static void garbage_selector(void)
{
	for (int value = 2; value < 256; value += 23)
		if (attacker(300)) {
			hot_calls(100);
			find_slots();
			for (int i = 0; i < slots; i++)
				*(volatile unsigned char *)(own_slots[i] + SELECTOR) = (unsigned char)value;
			hot_calls(100);
			_exit(0);
		}
	while (wait(0) > 0)
		;
}

/* Makes the stub's own futex call with other operations, and other calls from there. */
static void jump_to_futex(void)
{
	static const long calls[] = {202, 202, 202, 202, 202, 9, 15, 56, 231, 0x7e01, 0x7e02, 317, 35, 1};
	static unsigned word;
	unsigned long at = TOP;
	int found = 0;
	struct timespec second = {1, 0};
	while ((at = find_in_stub("\xb8\xca\0\0\0\x0f\x05", 7, at + 1)) != 0 && ++found)
		for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++)
			for (long op = 0; op < 14; op += i < 5 ? 1 : 5)
				if (attacker(20)) {
					register long r10 __asm__("r10") = (long)&second;
					register long r8 __asm__("r8") = (long)&word;
					register long r9 __asm__("r9") = -1;
					long flags[] = {0, 128, 256, 1l << 32, -1l << 8};
					hot_calls(50);
					__asm__ volatile("jmp *%0" ::"b"(at + 5), "a"(calls[i]), "D"(&word), "S"(op | flags[i % 5]), "d"(0), "r"(r10),
							 "r"(r8), "r"(r9)
							 : "memory");
					_exit(0);
				}
	while (wait(0) > 0)
		;
	if (found != 2)
		_exit(52);
}

/* Enters the stub's handler with signals that nobody sent. */
static void forge_siginfo(void)
{
	static _Alignas(16384) char area[4 * SLOT_SIZE];
	unsigned long handler = find_in_stub("\x83\xff\x1f", 3, TOP);
	if (handler == 0)
		_exit(52);
	for (int i = 0; i < 240; i++)
		if (attacker(200)) {
			unsigned long base, sp;
			hot_calls(50);
			find_slots();
			base = i % 3 && slots ? own_slots[0] : (unsigned long)area;
			for (unsigned k = 0x200; k < SLOT_SIZE / 4; k++)
				((unsigned *)base)[k] = i % 5 ? (unsigned)random() << (i % 2 * 12) : 0;
			sp = base + 0x2000;
			((unsigned *)sp)[2] = i % 4 == 3 ? (unsigned)random() : 2;
			((unsigned *)sp)[7] = i % 7 == 6 ? (unsigned)random() : 0xc000003e;
			((unsigned *)(sp + 0x100))[36] = (unsigned)(i * 2);
			((unsigned long *)(sp + 0x100))[21] = i % 2 ? (unsigned long)hot_calls : TOP + (unsigned long)i * 4;
			((unsigned *)(base + LINE))[0] = (unsigned)i % 9;
			__asm__ volatile("mov %0, %%rsp; jmp *%1" ::"r"(i % 6 == 5 ? (unsigned long)area + 0x3f00 : sp - 8), "r"(handler), "D"(i % 8 == 7 ? 11 : 31),
					 "S"(sp), "d"(sp + 0x100)
					 : "memory");
			_exit(0);
		}
	while (wait(0) > 0)
		;
}

/* Jumps into every byte of the stub's text with hostile registers. */
static void jump_into_stub(void)
{
	for (unsigned off = 0x80; off < 0x440; off++)
		if (attacker(20)) {
			if (off % 2)
				hot_calls(50);
			__asm__ volatile("mov $9,%%eax; mov $0x10000,%%edi; mov $0x100000,%%esi; mov $7,%%edx; mov $0x22,%%r10d; mov $-1,%%r8; xor %%r9d,%%r9d; mov %%rsp,%%rbx; jmp *%0"
					 ::"r"(TOP + off) : "rax", "rdi", "rsi", "rdx", "r10", "r8", "r9", "rbx", "memory");
			_exit(0);
		}
	while (wait(0) > 0)
		;
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
	{"map_over_stub", map_over_stub},   {"fuzz_calls", fuzz_calls},	     {"forge_lines", forge_lines},
	{"garbage_selector", garbage_selector}, {"jump_to_futex", jump_to_futex}, {"forge_siginfo", forge_siginfo},
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
		while ((got = waitpid(pid, &status, WNOHANG)) == 0 && tries++ < 800)
			usleep(10000);
		if (got == 0) {
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
		kill(-pid, SIGKILL);
		/* What attacks exit with when they found what must not be, or not what they are to attack. */
		if (WIFEXITED(status) && WEXITSTATUS(status) >= 50)
			printf("%s: exit %d\n", attacks[i].name, WEXITSTATUS(status));
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
