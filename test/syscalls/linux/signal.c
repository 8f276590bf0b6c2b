/* Signal actions, masks, pending sets, queues and the alternate stack. */
#include "../test.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <ucontext.h>

/* The structure of rt_sigaction(2), which differs from the C library's. */
struct kernel_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	unsigned long mask;
};

#define BIT(sig) (1ul << ((sig) - 1))

static volatile sig_atomic_t calls, depth, deepest;
static int order[64], values[64];
static volatile sig_atomic_t orders;

static void count_call(int sig)
{
	(void)sig;
	calls++;
}

static void note_order(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	order[orders] = sig;
	values[orders] = si->si_value.sival_int;
	orders++;
}

static void catch_with(int sig, void (*f)(int), int flags)
{
	struct sigaction sa = {.sa_handler = f, .sa_flags = flags};
	OK(sigaction(sig, &sa, 0));
}

static void catch_info(int sig, int flags)
{
	struct sigaction sa = {.sa_sigaction = note_order, .sa_flags = SA_SIGINFO | flags};
	sigfillset(&sa.sa_mask);
	OK(sigaction(sig, &sa, 0));
}

static unsigned long mask_now(void)
{
	unsigned long m = 0;
	OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, 0, &m, 8));
	return m;
}

static unsigned long set_mask(unsigned long m)
{
	unsigned long old = 0;
	OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &m, &old, 8));
	return old;
}

static unsigned long pending_now(void)
{
	unsigned long m = 0;
	OK(syscall(SYS_rt_sigpending, &m, 8));
	return m;
}

TEST(sigaction_errors)
{
	struct kernel_action ka = {SIG_IGN, 0, 0, 0}, old;
	ERR(EINVAL, syscall(SYS_rt_sigaction, 0, &ka, 0, 8));
	ERR(EINVAL, syscall(SYS_rt_sigaction, -1, &ka, 0, 8));
	ERR(EINVAL, syscall(SYS_rt_sigaction, 65, &ka, 0, 8));
	ERR(EINVAL, syscall(SYS_rt_sigaction, 65, 0, &old, 8));
	ERR(EINVAL, syscall(SYS_rt_sigaction, SIGKILL, &ka, 0, 8));
	ERR(EINVAL, syscall(SYS_rt_sigaction, SIGSTOP, &ka, 0, 8));
	OK(syscall(SYS_rt_sigaction, SIGKILL, 0, &old, 8));
	CHECK(old.handler == SIG_DFL);
	ERR(EINVAL, syscall(SYS_rt_sigaction, SIGUSR1, &ka, 0, 4));
	ERR(EINVAL, syscall(SYS_rt_sigaction, SIGUSR1, &ka, 0, 128));
	ERR(EFAULT, syscall(SYS_rt_sigaction, SIGUSR1, 1, 0, 8));
	ERR(EFAULT, syscall(SYS_rt_sigaction, SIGUSR1, 0, 1, 8));
	OK(syscall(SYS_rt_sigaction, 64, &ka, 0, 8));
}

TEST(sigaction_returns_what_was_set)
{
	struct kernel_action ka = {count_call, SA_RESTART | SA_NODEFER | 0x04000000 | 0x400, (void *)0x1234, ~0ul}, old;
	OK(syscall(SYS_rt_sigaction, SIGUSR1, 0, &old, 8));
	CHECK(old.handler == SIG_DFL && old.flags == 0 && old.mask == 0);
	OK(syscall(SYS_rt_sigaction, SIGUSR1, &ka, &old, 8));
	CHECK(old.handler == SIG_DFL);
	OK(syscall(SYS_rt_sigaction, SIGUSR1, 0, &old, 8));
	CHECK(old.handler == count_call && old.restorer == ka.restorer);
	/* The bit that probes for unknown flags is dropped, and so are the two signals nobody blocks. */
	EQ(old.flags, SA_RESTART | SA_NODEFER | 0x04000000);
	EQ(old.mask, ~(BIT(SIGKILL) | BIT(SIGSTOP)));
}

static void note_depth(int sig)
{
	if (++depth > deepest)
		deepest = depth;
	if (calls++ < 3)
		raise(sig);
	depth--;
}

TEST(a_signal_is_blocked_in_its_own_handler)
{
	catch_with(SIGUSR1, note_depth, 0);
	raise(SIGUSR1);
	EQ(calls, 4);
	EQ(deepest, 1);
	EQ(mask_now(), 0);
}

TEST(sa_nodefer_lets_it_nest)
{
	catch_with(SIGUSR1, note_depth, SA_NODEFER);
	raise(SIGUSR1);
	EQ(calls, 4);
	EQ(deepest, 4);
}

static volatile unsigned long mask_inside;
static void note_mask(int sig)
{
	(void)sig;
	mask_inside = mask_now();
}

TEST(the_mask_of_the_action_holds_in_the_handler)
{
	struct sigaction sa = {.sa_handler = note_mask};
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaddset(&sa.sa_mask, SIGRTMAX);
	set_mask(BIT(SIGTERM));
	OK(sigaction(SIGUSR1, &sa, 0));
	raise(SIGUSR1);
	EQ(mask_inside, BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(64) | BIT(SIGTERM));
	EQ(mask_now(), BIT(SIGTERM));
}

static void raise_and_expect_default(void *arg)
{
	catch_with(SIGUSR1, count_call, SA_RESETHAND);
	raise(SIGUSR1);
	if (calls != 1)
		_exit(1);
	if (arg) {
		struct sigaction old;
		sigaction(SIGUSR1, 0, &old);
		_exit(old.sa_handler == SIG_DFL ? 7 : 2);
	}
	raise(SIGUSR1);
}

TEST(sa_resethand_acts_once)
{
	EQ(test_in_child(raise_and_expect_default, 0), SIGUSR1);
	EQ(WEXITSTATUS(test_in_child(raise_and_expect_default, (void *)1)), 7);
}

TEST(sigprocmask_operations)
{
	unsigned long a = BIT(SIGUSR1) | BIT(SIGUSR2), b = BIT(SIGUSR2) | BIT(SIGHUP), old;
	OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &a, &old, 8));
	EQ(old, 0);
	OK(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &b, &old, 8));
	EQ(old, a);
	EQ(mask_now(), a | b);
	OK(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &b, &old, 8));
	EQ(old, a | b);
	EQ(mask_now(), BIT(SIGUSR1));
	set_mask(~0ul);
	EQ(mask_now(), ~(BIT(SIGKILL) | BIT(SIGSTOP)));
}

TEST(sigprocmask_errors)
{
	unsigned long m = 0;
	ERR(EINVAL, syscall(SYS_rt_sigprocmask, 3, &m, 0, 8));
	ERR(EINVAL, syscall(SYS_rt_sigprocmask, -1, &m, 0, 8));
	OK(syscall(SYS_rt_sigprocmask, 99, 0, &m, 8));
	ERR(EINVAL, syscall(SYS_rt_sigprocmask, SIG_BLOCK, &m, 0, 4));
	ERR(EINVAL, syscall(SYS_rt_sigprocmask, SIG_BLOCK, &m, 0, 16));
	ERR(EFAULT, syscall(SYS_rt_sigprocmask, SIG_BLOCK, 1, 0, 8));
	ERR(EFAULT, syscall(SYS_rt_sigprocmask, SIG_BLOCK, 0, 1, 8));
	ERR(EFAULT, syscall(SYS_rt_sigpending, 1, 8));
	ERR(EINVAL, syscall(SYS_rt_sigpending, &m, 9));
	OK(syscall(SYS_rt_sigpending, &m, 4));
}

TEST(blocked_signals_wait_and_coalesce)
{
	catch_with(SIGUSR1, count_call, 0);
	set_mask(BIT(SIGUSR1));
	for (int i = 0; i < 5; i++)
		OK(kill(getpid(), SIGUSR1));
	EQ(calls, 0);
	EQ(pending_now(), BIT(SIGUSR1));
	set_mask(0);
	EQ(calls, 1);
	EQ(pending_now(), 0);
}

TEST(pending_of_thread_and_process_are_both_shown)
{
	set_mask(~0ul);
	OK(kill(getpid(), SIGUSR1));
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2));
	EQ(pending_now(), BIT(SIGUSR1) | BIT(SIGUSR2));
	/* Once for the thread and once for the process. */
	catch_with(SIGUSR1, count_call, 0);
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	set_mask(~BIT(SIGUSR1));
	EQ(calls, 2);
}

TEST(real_time_signals_queue_in_order)
{
	for (int s = SIGRTMIN; s < SIGRTMIN + 3; s++)
		catch_info(s, 0);
	set_mask(~0ul);
	for (int i = 0; i < 4; i++)
		for (int s = SIGRTMIN + 2; s >= SIGRTMIN; s--)
			OK(sigqueue(getpid(), s, (union sigval){.sival_int = i}));
	set_mask(0);
	EQ(orders, 12);
	for (int i = 0; i < 12; i++) {
		EQ(order[i], SIGRTMIN + i / 4);
		EQ(values[i], i % 4);
	}
}

TEST(the_lowest_number_is_delivered_first)
{
	int sent[] = {SIGRTMIN + 1, SIGUSR2, SIGTERM, SIGUSR1, SIGHUP, SIGRTMIN};
	int want[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGRTMIN, SIGRTMIN + 1};
	set_mask(~0ul);
	for (int i = 0; i < 6; i++) {
		catch_info(sent[i], 0);
		OK(kill(getpid(), sent[i]));
	}
	set_mask(0);
	EQ(orders, 6);
	for (int i = 0; i < 6; i++)
		EQ(order[i], want[i]);
}

static volatile int entered[4], entries;
static void note_entry(int sig)
{
	entered[entries++ & 3] = sig;
}

TEST(unmasked_handlers_stack_so_that_the_last_runs_first)
{
	catch_with(SIGUSR1, note_entry, 0);
	catch_with(SIGUSR2, note_entry, 0);
	set_mask(~0ul);
	OK(kill(getpid(), SIGUSR1));
	OK(kill(getpid(), SIGUSR2));
	set_mask(0);
	EQ(entries, 2);
	EQ(entered[0], SIGUSR2);
	EQ(entered[1], SIGUSR1);
}

TEST(ignoring_discards_what_is_pending)
{
	set_mask(~0ul);
	OK(kill(getpid(), SIGUSR1));
	OK(kill(getpid(), SIGCHLD));
	OK(sigqueue(getpid(), SIGRTMIN, (union sigval){0}));
	OK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2));
	OK(signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
	OK(signal(SIGUSR2, SIG_IGN) == SIG_ERR ? -1 : 0);
	OK(signal(SIGRTMIN, SIG_IGN) == SIG_ERR ? -1 : 0);
	EQ(pending_now(), BIT(SIGCHLD));
	/* The default of SIGCHLD is to ignore it: setting that discards too. */
	OK(signal(SIGCHLD, SIG_DFL) == SIG_ERR ? -1 : 0);
	EQ(pending_now(), 0);
}

TEST(an_ignored_signal_that_is_blocked_stays_pending)
{
	OK(signal(SIGUSR1, SIG_IGN) == SIG_ERR ? -1 : 0);
	OK(kill(getpid(), SIGUSR1));
	EQ(pending_now(), 0);
	set_mask(~0ul);
	OK(kill(getpid(), SIGUSR1));
	EQ(pending_now(), BIT(SIGUSR1));
	set_mask(0);
	EQ(pending_now(), 0);
}

TEST(the_queue_is_limited)
{
	struct rlimit rl = {0, 0};
	set_mask(~0ul);
	OK(setrlimit(RLIMIT_SIGPENDING, &rl));
	ERR(EAGAIN, sigqueue(getpid(), SIGRTMIN, (union sigval){0}));
	EQ(pending_now(), 0);
	OK(kill(getpid(), SIGRTMIN));
	OK(kill(getpid(), SIGUSR1));
	OK(sigqueue(getpid(), SIGUSR2, (union sigval){0}));
	EQ(pending_now(), BIT(SIGRTMIN) | BIT(SIGUSR1) | BIT(SIGUSR2));
}

TEST(masks_and_actions_across_fork)
{
	int status;
	catch_with(SIGUSR1, count_call, 0);
	set_mask(BIT(SIGUSR2) | BIT(SIGHUP));
	OK(kill(getpid(), SIGHUP));
	pid_t pid = fork();
	if (pid == 0) {
		struct sigaction sa;
		OK(sigaction(SIGUSR1, 0, &sa));
		CHECK(sa.sa_handler == count_call);
		EQ(mask_now(), BIT(SIGUSR2) | BIT(SIGHUP));
		EQ(pending_now(), 0);
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(pending_now() & BIT(SIGHUP), BIT(SIGHUP));
}

static unsigned long field_of(const char *text, const char *name)
{
	const char *p = strstr(text, name);
	CHECK(p);
	return strtoul(p + strlen(name), 0, 16);
}

TEST(masks_and_pending_signals_across_exec)
{
	int status, p[2], n;
	char text[8192];
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		set_mask(BIT(SIGUSR2) | BIT(SIGHUP));
		OK(kill(getpid(), SIGHUP));
		OK(signal(SIGTERM, SIG_IGN) == SIG_ERR ? -1 : 0);
		catch_with(SIGUSR1, count_call, 0);
		OK(dup2(p[1], 1));
		execl("/bin/cat", "cat", "/proc/self/status", (char *)0);
		_exit(9);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	n = OK(read(p[0], text, sizeof text - 1));
	text[n] = 0;
	EQ(field_of(text, "SigBlk:"), BIT(SIGUSR2) | BIT(SIGHUP));
	EQ(field_of(text, "ShdPnd:"), BIT(SIGHUP));
	EQ(field_of(text, "SigIgn:") & BIT(SIGTERM), BIT(SIGTERM));
	EQ(field_of(text, "SigCgt:") & BIT(SIGUSR1), 0);
}

static void edit_saved_mask(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	(void)sig;
	(void)si;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	sigaddset(&uc->uc_sigmask, SIGKILL);
}

TEST(the_mask_in_the_frame_is_what_returns)
{
	struct sigaction sa = {.sa_sigaction = edit_saved_mask, .sa_flags = SA_SIGINFO};
	OK(sigaction(SIGUSR1, &sa, 0));
	raise(SIGUSR1);
	EQ(mask_now(), BIT(SIGUSR2));
}

static sigjmp_buf away;
static void leave(int sig)
{
	siglongjmp(away, sig);
}

TEST(siglongjmp_leaves_a_handler_many_times)
{
	volatile int n = 0;
	catch_with(SIGUSR1, leave, 0);
	for (int i = 0; i < 1000; i++) {
		if (sigsetjmp(away, 1) == 0) {
			raise(SIGUSR1);
			FAIL("the handler returned");
		}
		n++;
		EQ(mask_now(), 0);
	}
	EQ(n, 1000);
}

static char stack_a[32768];
static stack_t seen_inside;
static volatile int set_inside;

static void use_altstack(int sig)
{
	stack_t ss = {.ss_sp = stack_a, .ss_size = sizeof stack_a};
	(void)sig;
	sigaltstack(0, &seen_inside);
	errno = 0;
	set_inside = sigaltstack(&ss, 0) == 0 ? 0 : errno;
}

TEST(sigaltstack_rules)
{
	stack_t ss = {.ss_sp = stack_a, .ss_size = sizeof stack_a}, old;
	OK(sigaltstack(0, &old));
	EQ(old.ss_flags, SS_DISABLE);
	ERR(ENOMEM, sigaltstack(&(stack_t){.ss_sp = stack_a, .ss_size = 100}, 0));
	ERR(EINVAL, sigaltstack(&(stack_t){.ss_sp = stack_a, .ss_size = sizeof stack_a, .ss_flags = 0x10}, 0));
	ERR(EFAULT, sigaltstack((stack_t *)1, 0));
	ERR(EFAULT, sigaltstack(0, (stack_t *)1));
	OK(sigaltstack(&ss, &old));
	EQ(old.ss_flags, SS_DISABLE);
	catch_with(SIGUSR1, use_altstack, SA_ONSTACK);
	raise(SIGUSR1);
	EQ(seen_inside.ss_flags, SS_ONSTACK);
	EQ(seen_inside.ss_size, sizeof stack_a);
	EQ(set_inside, EPERM);
	OK(sigaltstack(0, &old));
	EQ(old.ss_flags, 0);
	/* SS_ONSTACK is accepted and means nothing. */
	OK(sigaltstack(&(stack_t){.ss_sp = stack_a, .ss_size = sizeof stack_a, .ss_flags = SS_ONSTACK}, 0));
	OK(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, &old));
	CHECK(old.ss_sp == stack_a);
	OK(sigaltstack(0, &old));
	EQ(old.ss_flags, SS_DISABLE);
}

static char stack_b[32768];
static void arm_another(int sig)
{
	stack_t ss = {.ss_sp = stack_b, .ss_size = sizeof stack_b};
	(void)sig;
	sigaltstack(0, &seen_inside);
	set_inside = sigaltstack(&ss, 0);
}

TEST(autodisarm_forgets_the_stack_during_the_handler)
{
	stack_t ss = {.ss_sp = stack_a, .ss_size = sizeof stack_a, .ss_flags = (int)(1u << 31)}, old;
	OK(sigaltstack(&ss, 0));
	catch_with(SIGUSR1, arm_another, SA_ONSTACK);
	raise(SIGUSR1);
	EQ(seen_inside.ss_flags, SS_DISABLE);
	EQ(set_inside, 0);
	OK(sigaltstack(0, &old));
	EQ(old.ss_flags, (int)(1u << 31));
	CHECK(old.ss_sp == stack_a);
}

static void *altstack_of_thread(void *arg)
{
	sigaltstack(0, arg);
	return 0;
}

TEST(altstack_inheritance)
{
	stack_t ss = {.ss_sp = stack_a, .ss_size = sizeof stack_a}, old;
	int status;
	pthread_t t;
	OK(sigaltstack(&ss, 0));
	EQ(pthread_create(&t, 0, altstack_of_thread, &old), 0);
	EQ(pthread_join(t, 0), 0);
	EQ(old.ss_flags, SS_DISABLE);
	pid_t pid = fork();
	if (pid == 0) {
		OK(sigaltstack(0, &old));
		_exit(old.ss_sp == stack_a && old.ss_flags == 0 ? 0 : 1);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}
