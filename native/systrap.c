/*
 * The stub of the systrap platform: the only code of ours that runs inside a guest's address space, and three helpers
 * of the sentry's hot path. The blob between systrap_blob_start and systrap_blob_end is position independent, uses no
 * stack and no memory it could be fooled by, and is copied into the first stub's ELF image.
 *
 * interp:  runs a program of 64-byte operations {nr, a0..a5, child} that lies in memory the guest can only read.
 *          nr >= 0: that system call; stops at the first error. A clone's child (result 0, child != 0) goes on at `child`.
 *          nr == -1: report (rdi = operation, rsi = last result) by the notified call NR_COMMAND and go on at the address the sentry answers.
 *          nr == -2: enter the guest: ud2 raises SIGILL, whose handler reports.
 * handler: every signal of a guest thread. Reports (signo, siginfo, ucontext, fs base, gs base) by the notified call NR_EVENT;
 *          the sentry edits the frame and answers 0, or 1 to load FS and GS base from sigcontext.reserved1[0..1] (ucontext + 232).
 * line:    a slot's request line (+0x40): {state, nr, six arguments, result}. State 0 none, 1 a patched site's request, 2 a dispatched
 *          call's, 3 taken, 4 answered, 5 refused, 6 taken and not to be answered soon, 7 its thread sleeps on the word. While the sentry says that it
 *          polls (a word that guests can only read, followed by how many rounds to wait), requests are put there and the answer is awaited for a while,
 *          then asleep; a request that nobody took is taken back. One refused or taken back is made the ordinary way.
 * dispatched calls: while a thread's selector (syscall user dispatch; +0x30 of its slot) says so, its system calls raise SIGSYS with
 *          SYS_USER_DISPATCH, and the handler uses the line, which it finds by its stack. It leaves the call's address at +0x28. The ordinary way
 *          is a report.
 * tramp:   what a patched call site reaches by its entry in the call table (rcx = entry, r11d = call number; both are free by the ABI).
 *          GS is the thread's slot: +8 a cookie, +0x20 the flags (lahf, seto), +0x28 the entry. The ordinary way is a system call in the entry. No
 *          stack, no vector register is touched.
 */
typedef long i64;
typedef unsigned long u64;
typedef unsigned int u32;

__asm__(
    ".text\n"
    ".balign 16\n"
    ".globl systrap_blob_start\n"
    "systrap_blob_start:\n"
    ".globl systrap_blob_entry\n"
    "systrap_blob_entry:\n"
    "  lea systrap_blob_end(%rip), %rbx\n" /* the initial program follows the blob */
    "1:mov (%rbx), %rax\n"
    "  cmp $-1, %rax\n"
    "  je 4f\n"
    "  cmp $-2, %rax\n"
    "  je 6f\n"
    "  mov 8(%rbx), %rdi\n"
    "  mov 16(%rbx), %rsi\n"
    "  mov 24(%rbx), %rdx\n"
    "  mov 32(%rbx), %r10\n"
    "  mov 40(%rbx), %r8\n"
    "  mov 48(%rbx), %r9\n"
    "  syscall\n"
    "  mov %rax, %r12\n"
    "  test %rax, %rax\n"
    "  jnz 2f\n"
    "  cmpq $0, 56(%rbx)\n"
    "  jne 3f\n"
    "2:cmp $-4096, %rax\n"
    "  ja 4f\n"
    "  add $64, %rbx\n"
    "  jmp 1b\n"
    "3:mov 56(%rbx), %rbx\n"
    "  jmp 1b\n"
    "4:mov %rbx, %rdi\n"
    "  mov %r12, %rsi\n"
    "  mov $0x7e01, %eax\n"
    "  syscall\n"
    ".globl systrap_blob_command\n"
    "systrap_blob_command:\n"
    "  mov %rax, %rbx\n"
    "  jmp 1b\n"
    "6:ud2\n"
    ".balign 16\n"
    ".globl systrap_blob_handler\n"
    "systrap_blob_handler:\n"
    "  cmp $31, %edi\n"
    "  je 1f\n"
    "5:.byte 0xf3,0x49,0x0f,0xae,0xc2\n" /* rdfsbase %r10 */
    "  .byte 0xf3,0x49,0x0f,0xae,0xc8\n" /* rdgsbase %r8 */
    "  mov $0x7e02, %eax\n"
    "  syscall\n"
    ".globl systrap_blob_event\n"
    "systrap_blob_event:\n"
    "  test %rax, %rax\n"
    "  jz 7f\n"
    "  mov 232(%rdx), %rax\n"
    "  .byte 0xf3,0x48,0x0f,0xae,0xd0\n" /* wrfsbase %rax */
    "  mov 240(%rdx), %rax\n"
    "  .byte 0xf3,0x48,0x0f,0xae,0xd8\n" /* wrgsbase %rax */
    "7:add $8, %rsp\n"
    ".globl systrap_blob_restorer\n"
    "systrap_blob_restorer:\n"
    "  mov $15, %eax\n"
    "  syscall\n"
    "  ud2\n"
    /* SIGSYS: rdi, rsi and rdx stay what a report needs. */
    "1:cmpl $2, 8(%rsi)\n" /* SYS_USER_DISPATCH */
    "  jne 5b\n"
    "  cmpl $0xc000003e, 28(%rsi)\n" /* AUDIT_ARCH_X86_64, not int 0x80 */
    "  jne 5b\n"
    "  cmpl $0, systrap_blob_start+0x7f80(%rip)\n"
    "  je 5b\n"
    "  mov %rsp, %rbx\n"
    "  and $-0x4000, %rbx\n"
    "  mov 144(%rdx), %eax\n"
    "  mov %eax, 0x44(%rbx)\n"
    "  mov 104(%rdx), %rax\n"
    "  mov %rax, 0x48(%rbx)\n"
    "  mov 112(%rdx), %rax\n"
    "  mov %rax, 0x50(%rbx)\n"
    "  mov 136(%rdx), %rax\n"
    "  mov %rax, 0x58(%rbx)\n"
    "  mov 56(%rdx), %rax\n"
    "  mov %rax, 0x60(%rbx)\n"
    "  mov 40(%rdx), %rax\n"
    "  mov %rax, 0x68(%rbx)\n"
    "  mov 48(%rdx), %rax\n"
    "  mov %rax, 0x70(%rbx)\n"
    "  mov 168(%rdx), %rax\n"
    "  mov %rax, 0x28(%rbx)\n"
    "  movl $2, 0x40(%rbx)\n"
    "2:mov systrap_blob_start+0x7f84(%rip), %ebp\n"
    "3:pause\n"
    "  mov 0x40(%rbx), %eax\n"
    "  cmp $3, %eax\n"
    "  ja 4f\n"
    "  sub $1, %ebp\n"
    "  jnz 3b\n"
    "  mov $2, %eax\n"
    "  lock; cmpxchg %ebp, 0x40(%rbx)\n"
    "  je 5b\n"
    "  cmp $3, %eax\n"
    "  ja 4f\n"
    "6:mov $7, %ebp\n" /* eax is 3 or 6 */
    "  lock; cmpxchg %ebp, 0x40(%rbx)\n"
    "  jne 4f\n"
    "9:mov %rsi, %r12\n"
    "  mov %rdx, %r13\n"
    "  lea 0x40(%rbx), %rdi\n"
    "  xor %esi, %esi\n" /* FUTEX_WAIT */
    "  mov $7, %edx\n"
    "  xor %r10d, %r10d\n"
    "  mov $202, %eax\n"
    "  syscall\n"
    "  mov $31, %edi\n"
    "  mov %r12, %rsi\n"
    "  mov %r13, %rdx\n"
    "  mov 0x40(%rbx), %eax\n"
    "4:cmp $4, %eax\n"
    "  jb 2b\n" /* a forged state */
    "  je 8f\n"
    "  cmp $6, %eax\n"
    "  je 6b\n"
    "  jb 5b\n"
    "  jmp 9b\n" /* woken too early */
    "8:"
    "  mov 0x78(%rbx), %rax\n"
    "  mov %rax, 144(%rdx)\n"
    "  jmp 7b\n"
    ".balign 16\n"
    ".globl systrap_blob_tramp\n"
    "systrap_blob_tramp:\n"
    "  .byte 0x9f\n" /* lahf */
    "  seto %al\n"
    ".globl systrap_blob_check\n"
    "systrap_blob_check:\n"
    "  .byte 0x65,0x81,0x3c,0x25,0x08,0,0,0,0x53,0x4e,0x55,0x52\n" /* cmpl $0x52554e53, %gs:8 */
    "  jne 9f\n"
    "  cmpl $0, systrap_blob_start+0x7f80(%rip)\n"
    "  je 9f\n"
    "  .byte 0x65,0x48,0x89,0x0c,0x25,0x28,0,0,0\n" /* mov %rcx, %gs:0x28 */
    "  .byte 0x65,0x89,0x04,0x25,0x20,0,0,0\n" /* mov %eax, %gs:0x20 */
    "  .byte 0x65,0x44,0x89,0x1c,0x25,0x44,0,0,0\n" /* mov %r11d, %gs:0x44 */
    "  .byte 0x65,0x48,0x89,0x3c,0x25,0x48,0,0,0\n" /* mov %rdi, %gs:0x48 */
    "  .byte 0x65,0x48,0x89,0x34,0x25,0x50,0,0,0\n" /* mov %rsi, %gs:0x50 */
    "  .byte 0x65,0x48,0x89,0x14,0x25,0x58,0,0,0\n" /* mov %rdx, %gs:0x58 */
    "  .byte 0x65,0x4c,0x89,0x14,0x25,0x60,0,0,0\n" /* mov %r10, %gs:0x60 */
    "  .byte 0x65,0x4c,0x89,0x04,0x25,0x68,0,0,0\n" /* mov %r8, %gs:0x68 */
    "  .byte 0x65,0x4c,0x89,0x0c,0x25,0x70,0,0,0\n" /* mov %r9, %gs:0x70 */
    "  .byte 0x65,0xc7,0x04,0x25,0x40,0,0,0,1,0,0,0\n" /* movl $1, %gs:0x40 */
    ".globl systrap_blob_wait\n"
    "systrap_blob_wait:\n"
    "  mov systrap_blob_start+0x7f84(%rip), %ecx\n"
    "8:pause\n"
    "  .byte 0x65,0x8b,0x04,0x25,0x40,0,0,0\n" /* mov %gs:0x40, %eax */
    "  cmp $3, %eax\n"
    "  ja 7f\n"
    "  sub $1, %ecx\n"
    "  jnz 8b\n"
    "  mov $1, %eax\n"
    "  .byte 0xf0,0x65,0x0f,0xb1,0x0c,0x25,0x40,0,0,0\n" /* lock cmpxchg %ecx, %gs:0x40 */
    "  je 5f\n"
    "  cmp $3, %eax\n"
    "  ja 7f\n"
    "6:mov $7, %ecx\n" /* eax is 3 or 6 */
    "  .byte 0xf0,0x65,0x0f,0xb1,0x0c,0x25,0x40,0,0,0\n" /* lock cmpxchg %ecx, %gs:0x40 */
    "  jne 7f\n"
    "4:.byte 0xf3,0x48,0x0f,0xae,0xcf\n" /* rdgsbase %rdi */
    "  add $0x40, %rdi\n"
    "  xor %esi, %esi\n" /* FUTEX_WAIT */
    "  mov $7, %edx\n"
    "  xor %r10d, %r10d\n"
    "  mov $202, %eax\n"
    "  syscall\n"
    "  .byte 0x65,0x48,0x8b,0x3c,0x25,0x48,0,0,0\n" /* mov %gs:0x48, %rdi */
    "  .byte 0x65,0x48,0x8b,0x34,0x25,0x50,0,0,0\n" /* mov %gs:0x50, %rsi */
    "  .byte 0x65,0x48,0x8b,0x14,0x25,0x58,0,0,0\n" /* mov %gs:0x58, %rdx */
    "  .byte 0x65,0x4c,0x8b,0x14,0x25,0x60,0,0,0\n" /* mov %gs:0x60, %r10 */
    "  .byte 0x65,0x8b,0x04,0x25,0x40,0,0,0\n" /* mov %gs:0x40, %eax */
    "7:cmp $4, %eax\n"
    "  jb systrap_blob_wait\n" /* a forged state */
    "  je systrap_blob_done\n"
    "  cmp $6, %eax\n"
    "  je 6b\n"
    "  ja 4b\n" /* woken too early */
    "5:.byte 0x65,0x48,0x8b,0x0c,0x25,0x28,0,0,0\n" /* mov %gs:0x28, %rcx */
    "  .byte 0x65,0x44,0x8b,0x1c,0x25,0x44,0,0,0\n" /* mov %gs:0x44, %r11d */
    "  .byte 0x65,0x8b,0x04,0x25,0x20,0,0,0\n" /* mov %gs:0x20, %eax */
    "  jmp 9f\n"
    ".globl systrap_blob_done\n"
    "systrap_blob_done:\n"
    "  .byte 0x65,0x48,0x8b,0x0c,0x25,0x28,0,0,0\n" /* mov %gs:0x28, %rcx */
    "  .byte 0x65,0x8b,0x04,0x25,0x20,0,0,0\n" /* mov %gs:0x20, %eax */
    "  add $0x7f, %al\n"
    "  .byte 0x9e\n" /* sahf */
    "  .byte 0x65,0x48,0x8b,0x04,0x25,0x78,0,0,0\n" /* mov %gs:0x78, %rax */
    "  mov 8(%rcx), %rcx\n"
    "  jmp *%rcx\n"
    ".globl systrap_blob_slow\n"
    "systrap_blob_slow:\n"
    "9:add $0x7f, %al\n"
    "  .byte 0x9e\n" /* sahf */
    "  mov %r11d, %eax\n"
    ".globl systrap_blob_restored\n"
    "systrap_blob_restored:\n"
    "  lea 45(%rcx), %rcx\n"
    "  jmp *%rcx\n"
    ".balign 16\n"
    ".globl systrap_blob_end\n"
    "systrap_blob_end:\n");

extern char systrap_blob_start[] __attribute__((visibility("hidden")));
extern char systrap_blob_command[] __attribute__((visibility("hidden")));
extern char systrap_blob_handler[] __attribute__((visibility("hidden")));
extern char systrap_blob_event[] __attribute__((visibility("hidden")));
extern char systrap_blob_restorer[] __attribute__((visibility("hidden")));
extern char systrap_blob_tramp[] __attribute__((visibility("hidden")));
extern char systrap_blob_check[] __attribute__((visibility("hidden")));
extern char systrap_blob_wait[] __attribute__((visibility("hidden")));
extern char systrap_blob_done[] __attribute__((visibility("hidden"))); /* as a jump to it must not go through a PLT */
extern char systrap_blob_slow[] __attribute__((visibility("hidden")));
extern char systrap_blob_restored[] __attribute__((visibility("hidden")));
extern char systrap_blob_end[] __attribute__((visibility("hidden")));

static i64 systrap_sys6(i64 nr, i64 a, i64 b, i64 c, i64 d, i64 e, i64 f)
{
	i64 ret;
	register i64 r10 __asm__("r10") = d;
	register i64 r8 __asm__("r8") = e;
	register i64 r9 __asm__("r9") = f;
	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return ret;
}

/* Writes {address, size, command, handler, event, restorer, tramp, check, wait, slow, restored} of the blob; from the third on as offsets from its start. */
i64 systrap_blob(u64 *out)
{
	out[0] = (u64)systrap_blob_start;
	out[1] = systrap_blob_end - systrap_blob_start;
	out[2] = systrap_blob_command - systrap_blob_start;
	out[3] = systrap_blob_handler - systrap_blob_start;
	out[4] = systrap_blob_event - systrap_blob_start;
	out[5] = systrap_blob_restorer - systrap_blob_start;
	out[6] = systrap_blob_tramp - systrap_blob_start;
	out[7] = systrap_blob_check - systrap_blob_start;
	out[8] = systrap_blob_wait - systrap_blob_start;
	out[9] = systrap_blob_slow - systrap_blob_start;
	out[10] = systrap_blob_restored - systrap_blob_start;
	return 0;
}

/* SECCOMP_IOCTL_NOTIF_RECV into an 80-byte buffer, which the kernel wants zeroed. */
i64 systrap_recv(i64 fd, u64 *notif)
{
	int i;
	for (i = 0; i < 10; i++)
		notif[i] = 0;
	return systrap_sys6(16, fd, 0xc0502100, (i64)notif, 0, 0, 0);
}

/* SECCOMP_IOCTL_NOTIF_SEND: the call `id` (two halves) returns `val`, which is not a host error. */
i64 systrap_send(i64 fd, u64 idlo, u64 idhi, i64 val)
{
	u64 resp[3];
	resp[0] = (idhi << 32) | idlo;
	resp[1] = val;
	resp[2] = 0;
	return systrap_sys6(16, fd, 0xc0182101, (i64)resp, 0, 0, 0);
}

struct systrap_pollfd {
	int fd;
	short events, revents;
};

/* What poll(2) is to wait for: that a descriptor can be read. */
static void systrap_readable(struct systrap_pollfd *p, i64 fd)
{
	p->fd = fd;
	p->events = 1;
	p->revents = 0;
}

/*
 * Waits for a notification or events of the epoll, at most timeout_ns (negative: for ever). Returns the number of epoll events (16 at most, 12 bytes
 * each in evs), with bit 16 set when a notification was received; or -errno. The listener is polled beside the epoll and not by it: an epoll
 * would lose the host's hint to wake us where the guest stops, and we would wait for whoever runs where we ran last.
 */
i64 systrap_wait(i64 epfd, i64 listener, u64 *notif, char *evs, i64 timeout_ns)
{
	struct systrap_pollfd p[2];
	i64 n, ts[2];
	systrap_readable(&p[0], listener);
	systrap_readable(&p[1], epfd);
	if (timeout_ns <= 0) {
		n = systrap_sys6(7, (i64)p, 2, timeout_ns < 0 ? -1 : 0, 0, 0, 0);
	} else {
		ts[0] = timeout_ns / 1000000000;
		ts[1] = timeout_ns % 1000000000;
		n = systrap_sys6(271, (i64)p, 2, (i64)ts, 0, 8, 0);
	}
	if (n <= 0)
		return n;
	n = p[1].revents ? systrap_sys6(232, epfd, (i64)evs, 16, 0, 0, 0) : 0;
	if (n >= 0 && p[0].revents & 1 && systrap_recv(listener, notif) == 0)
		n |= 0x10000;
	return n;
}

static u32 systrap_cas(u64 line, u32 was, u32 to)
{
	__asm__ volatile("lock; cmpxchg %2, %1" : "+a"(was), "+m"(*(volatile u32 *)line) : "r"(to) : "memory", "cc");
	return was;
}

static u64 systrap_cycles(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((u64)hi << 32) | lo;
}

/*
 * Looks at n request lines, `spins` times over, for one with a request; takes it and copies number and arguments (13 words), then
 * the state it had, to out. Returns its index, -1, or -2 when something else ran on our core meanwhile (a gap of 2^18 cycles). What is copied
 * is the guest's to choose: nothing is read twice.
 */
i64 systrap_spin(u64 *lines, i64 n, i64 spins, u32 *out)
{
	i64 s, i, k;
	u64 before = systrap_cycles();
	for (s = 0; s < spins; s++) {
		for (i = 0; i < n; i++) {
			volatile u32 *line = (volatile u32 *)lines[i];
			u32 was = *line;
			if (was != 1 && was != 2)
				continue;
			if (systrap_cas(lines[i], was, 3) != was)
				continue;
			for (k = 0; k < 13; k++)
				out[k] = line[k + 1];
			out[13] = was;
			return i;
		}
		__asm__ volatile("pause");
		u64 now = systrap_cycles();
		if (now - before > 1 << 18)
			return -2;
		before = now;
	}
	return -1;
}

/* Sets the state of a line; the state it had. */
static i64 systrap_set(u64 line, u32 state)
{
	__asm__ volatile("xchg %0, %1" : "+r"(state), "+m"(*(volatile u32 *)line) : : "memory");
	return state;
}

/* Ends the request of a line with a state; wakes its thread when that sleeps: 1 then, else 0. */
static i64 systrap_end(u64 line, u32 state)
{
	if (systrap_set(line, state) != 7)
		return 0;
	systrap_sys6(202, line, 1, 1, 0, 0, 0); /* FUTEX_WAKE */
	return 1;
}

/* Answers the request of a line; whether its thread slept. */
i64 systrap_answer(u64 line, i64 value)
{
	*(volatile i64 *)(line + 56) = value;
	return systrap_end(line, 4);
}

/* Refuses the request of a line: its thread makes the call the ordinary way. */
i64 systrap_refuse(u64 line)
{
	return systrap_end(line, 5);
}

/* Tells a thread whose request was taken not to wait for the answer on its core. */
i64 systrap_calm(u64 line)
{
	return systrap_cas(line, 3, 6);
}

/* Sets the state of a line to 0; the state it had. */
i64 systrap_clear(u64 line)
{
	return systrap_set(line, 0);
}

/* The CPU we are on. */
i64 systrap_cpu(void)
{
	u32 aux;
	__asm__ volatile(".byte 0x0f, 0x01, 0xf9" : "=c"(aux) : : "rax", "rdx"); /* rdtscp */
	return aux & 0xfff;
}

/* Sets a thread's selector: 0 its system calls are notified, 1 dispatched. */
i64 systrap_select(u64 selector, i64 value)
{
	*(volatile unsigned char *)selector = value;
	return 0;
}

/*
 * Receives the next notification while a command is under way: 0 with notif valid, 1 when there was none after all, -ESRCH
 * (-3) when the stub behind pidfd is gone, else -errno.
 */
i64 systrap_await(i64 listener, i64 pidfd, u64 *notif)
{
	struct systrap_pollfd p[2];
	i64 n;
	systrap_readable(&p[0], listener);
	systrap_readable(&p[1], pidfd);
	n = systrap_sys6(7, (i64)p, 2, -1, 0, 0, 0);
	if (n < 0)
		return n;
	if (p[0].revents & 1)
		return systrap_recv(listener, notif) == 0 ? 0 : 1;
	if (p[1].revents)
		return -3;
	return 1;
}

/*
 * Starts the first stub: a child that shares our memory until its exec of the image (vfork rules; it uses our stack but does
 * not return). All signals stay blocked across the exec; the stub unblocks them. Returns the pid, or -errno (the child's too).
 */
i64 systrap_spawn(i64 image_fd)
{
	i64 pid;
	volatile i64 err = 0;
	u64 all = ~0ul, old = 0;
	u64 stack_limit[2];
	char *argv[2];
	char *envv[1];
	argv[0] = "runsc-stub";
	argv[1] = 0;
	envv[0] = 0;
	stack_limit[0] = 8ul << 20;
	stack_limit[1] = 8ul << 20;
	systrap_sys6(14, 0, (i64)&all, (i64)&old, 8, 0, 0);
	/*
	 * clone(CLONE_VM | CLONE_VFORK | SIGCHLD), inline: the child's calls reuse the stack below this frame, so the parent must not
	 * have a return address there.
	 */
	__asm__ volatile("xor %%esi, %%esi; xor %%edx, %%edx; xor %%r10d, %%r10d; xor %%r8d, %%r8d; syscall"
			 : "=a"(pid)
			 : "a"(56l), "D"(0x4111l)
			 : "rsi", "rdx", "r10", "r8", "rcx", "r11", "memory");
	if (pid == 0) {
		systrap_sys6(135, 0x0040000, 0, 0, 0, 0, 0); /* personality(ADDR_NO_RANDOMIZE): the stub's layout is ours to choose */
		systrap_sys6(160, 3, (i64)stack_limit, 0, 0, 0, 0); /* RLIMIT_STACK decides where the vDSO goes */
		systrap_sys6(33, image_fd, 1023, 0, 0, 0, 0);
		systrap_sys6(436, 0, 1022, 0, 0, 0, 0);
		systrap_sys6(436, 1024, 0xffffffffu, 0, 0, 0, 0);
		systrap_sys6(72, 1023, 2, 1, 0, 0, 0);
		err = systrap_sys6(322, 1023, (i64) "", (i64)argv, (i64)envv, 0x1000, 0);
		systrap_sys6(231, 127, 0, 0, 0, 0, 0);
	}
	systrap_sys6(14, 2, (i64)&old, 0, 8, 0, 0);
	if (err < 0)
		return err;
	return pid;
}
