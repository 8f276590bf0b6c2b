/* ptrace(2): the stops of a tracee and what wait(2) says about them. */
#include "../ptrace.h"
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>

static int *shared_words(void)
{
	return OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

static int *words;

/* Runs to the next system call stop. */
static struct user_regs_struct next_stop(pid_t pid, unsigned long message)
{
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	EQ(event_message(pid), message);
	return regs_of(pid);
}

/* Runs to the entry of a system call. */
static struct user_regs_struct to_entry(pid_t pid, long nr)
{
	for (;;) {
		pt_go(PTRACE_SYSCALL, pid, 0);
		EQ(wait_for(pid), SYSGOOD);
		struct user_regs_struct r = regs_of(pid);
		if (event_message(pid) == PTRACE_EVENTMSG_SYSCALL_ENTRY && (long)r.orig_rax == nr)
			return r;
	}
}

static void call_getppid(void)
{
	long r = syscall(SYS_getppid, 1, 2, 3, 4, 5, 6);
	_exit(r == getpid() ? 1 : r == 44 ? 2 : r == -1 && errno == ENOSYS ? 3 : r == -1 && errno == EPERM ? 4 : 5);
}

TEST(entry_and_exit_of_a_call)
{
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct r = to_entry(pid, SYS_getppid);
	EQ(r.rax, -ENOSYS);
	EQ(r.rdi, 1);
	EQ(r.rsi, 2);
	EQ(r.rdx, 3);
	EQ(r.r10, 4);
	EQ(r.r8, 5);
	EQ(r.r9, 6);
	EQ(r.rcx, r.rip);
	siginfo_t si = info_of(pid);
	EQ(si.si_signo, SIGTRAP);
	EQ(si.si_code, SIGTRAP | 0x80);
	EQ(si.si_pid, pid);
	unsigned long rip = r.rip;
	r = next_stop(pid, PTRACE_EVENTMSG_SYSCALL_EXIT);
	EQ(r.rax, getpid());
	EQ(r.orig_rax, SYS_getppid);
	EQ(r.rip, rip);
	EQ(r.rdi, 1);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 5 << 8);
}

TEST(without_sysgood_it_looks_like_a_sigtrap)
{
	pid_t pid = tracee(call_getppid);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	siginfo_t si = info_of(pid);
	EQ(si.si_code, SIGTRAP);
	struct ptrace_syscall_info info;
	EQ(OK(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info)), offsetof(struct ptrace_syscall_info, entry));
	EQ(info.op, PTRACE_SYSCALL_INFO_NONE);
	end_task(pid);
}

TEST(syscall_info)
{
	struct ptrace_syscall_info info;
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	EQ(OK(pt(PTRACE_GET_SYSCALL_INFO, pid, 0, 0)), offsetof(struct ptrace_syscall_info, entry));
	struct user_regs_struct r = to_entry(pid, SYS_getppid);
	memset(&info, 0xee, sizeof info);
	EQ(OK(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info)), offsetof(struct ptrace_syscall_info, entry.args) + 48);
	EQ(info.op, PTRACE_SYSCALL_INFO_ENTRY);
	EQ(info.arch, 0xc000003e);
	EQ(info.instruction_pointer, r.rip);
	EQ(info.stack_pointer, r.rsp);
	EQ(info.entry.nr, SYS_getppid);
	for (int i = 0; i < 6; i++)
		EQ(info.entry.args[i], i + 1);
	memset(&info, 0xee, sizeof info);
	EQ(OK(pt(PTRACE_GET_SYSCALL_INFO, pid, 8, &info)), offsetof(struct ptrace_syscall_info, entry.args) + 48);
	EQ(info.instruction_pointer, 0xeeeeeeeeeeeeeeee);
	ERR(EFAULT, pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, (void *)8));
	next_stop(pid, PTRACE_EVENTMSG_SYSCALL_EXIT);
	EQ(OK(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info)), offsetof(struct ptrace_syscall_info, exit.is_error) + 1);
	EQ(info.op, PTRACE_SYSCALL_INFO_EXIT);
	EQ(info.exit.rval, getpid());
	EQ(info.exit.is_error, 0);
	end_task(pid);
}

TEST(another_call_instead)
{
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct r = to_entry(pid, SYS_getppid);
	r.orig_rax = SYS_dup;
	r.rdi = 12345;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	r = next_stop(pid, PTRACE_EVENTMSG_SYSCALL_EXIT);
	EQ(r.rax, -EBADF);
	EQ(r.orig_rax, SYS_dup);
	end_task(pid);
}

TEST(no_call_at_all)
{
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_getppid);
	OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user_regs_struct, orig_rax), (void *)-1L));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 3 << 8);
	pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_getppid);
	OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user_regs_struct, orig_rax), (void *)-1L));
	OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user_regs_struct, rax), (void *)44L));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 2 << 8);
}

TEST(another_result)
{
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_getppid);
	struct user_regs_struct r = next_stop(pid, PTRACE_EVENTMSG_SYSCALL_EXIT);
	r.rax = -EPERM;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 4 << 8);
}

static void fork_and_wait(void)
{
	int status;
	pid_t pid = OK(fork());
	if (pid == 0)
		_exit(6);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	_exit(status >> 8);
}

TEST(a_call_turned_into_fork)
{
	/* The child comes back from the call too; both exit with what they find. */
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct r = to_entry(pid, SYS_getppid);
	r.orig_rax = SYS_fork;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	r = next_stop(pid, PTRACE_EVENTMSG_SYSCALL_EXIT);
	CHECK((long)r.rax > 0);
	end_task(pid);
}

static void handler_counts(int sig)
{
	(void)sig;
	words[0]++;
}

static void usr1_getppid(void)
{
	signal(SIGUSR1, handler_counts);
	OK(raise(SIGSTOP));
	syscall(SYS_getppid);
	_exit(words[0]);
}

TEST(a_signal_sent_at_a_system_call_stop)
{
	words = shared_words();
	pid_t pid = tracee_with(usr1_getppid, PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	to_entry(pid, SYS_getppid);
	pt_go(PTRACE_SYSCALL, pid, SIGUSR1);
	EQ(wait_for(pid), SYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	EQ(info_of(pid).si_code, SI_KERNEL);
	pt_go(PTRACE_CONT, pid, SIGUSR1);
	EQ(wait_for(pid), 1 << 8);
}

TEST(sysemu_makes_no_call)
{
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_getppid);
	/* Resumed with it inside a call it is the next one that is not made. */
	pt_go(PTRACE_SYSEMU, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	struct user_regs_struct r = regs_of(pid);
	EQ(r.orig_rax, SYS_getpid);
	r.rax = 4711;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	pt_go(PTRACE_SYSEMU_SINGLESTEP, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	r = regs_of(pid);
	EQ(r.rax, 4711);
	end_task(pid);
}

/* ---- events */

TEST(fork_event)
{
	pid_t pid = tracee_with(fork_and_wait, PTRACE_O_TRACEFORK);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_FORK));
	pid_t child = event_message(pid);
	CHECK(child > 0 && child != pid);
	siginfo_t si = info_of(pid);
	EQ(si.si_code, SIGTRAP | PTRACE_EVENT_FORK << 8);
	EQ(regs_of(pid).rax, -ENOSYS);
	EQ(wait_for(child), STOPPED(SIGSTOP));
	EQ(status_field(child, "TracerPid"), getpid());
	EQ(info_of(child).si_code, SI_USER);
	EQ(regs_of(child).rax, 0);
	pt_go(PTRACE_CONT, child, 0);
	EQ(wait_for(child), 6 << 8);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	pt_go(PTRACE_CONT, pid, SIGCHLD);
	EQ(wait_for(pid), 6 << 8);
}

static void fork_twice(void)
{
	int status;
	if (!OK(fork())) {
		if (!OK(fork()))
			_exit(0);
		wait(&status);
		_exit(0);
	}
	wait(&status);
}

TEST(grandchildren_are_followed)
{
	int status, events = 0, ends = 0, stops = 0;
	pid_t first = tracee_with(fork_twice, PTRACE_O_TRACEFORK), pid;
	pt_go(PTRACE_CONT, first, 0);
	while (ends < 3) {
		pid = OK(waitpid(-1, &status, __WALL));
		if (WIFEXITED(status)) {
			EQ(status, 0);
			ends++;
			continue;
		}
		int sig = 0;
		if (status == EVENT(PTRACE_EVENT_FORK))
			events++;
		else if (status == STOPPED(SIGSTOP))
			stops++;
		else if (WSTOPSIG(status) == SIGCHLD)
			sig = SIGCHLD;
		else
			FAIL("status %x", status);
		pt_go(PTRACE_CONT, pid, sig);
	}
	EQ(events, 2);
	EQ(stops, 2);
}

static void vfork_child(void)
{
	pid_t pid = vfork();
	if (pid == 0)
		_exit(4);
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	_exit(status >> 8);
}

TEST(vfork_events)
{
	pid_t pid = tracee_with(vfork_child, PTRACE_O_TRACEVFORK | PTRACE_O_TRACEVFORKDONE);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_VFORK));
	pid_t child = event_message(pid);
	EQ(wait_for(child), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'D');
	pt_go(PTRACE_CONT, child, 0);
	EQ(wait_for(child), 4 << 8);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_VFORK_DONE));
	EQ(event_message(pid), child);
	EQ(regs_of(pid).rax, -ENOSYS);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 4 << 8);
}

TEST(vfork_done_alone)
{
	pid_t pid = tracee_with(vfork_child, PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_VFORK_DONE));
	pid_t child = event_message(pid);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	EQ(regs_of(pid).rax, child);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 4 << 8);
}

static void untraced_fork(void)
{
	int status;
	pid_t pid = OK(syscall(SYS_clone, SIGCHLD | CLONE_UNTRACED, 0, 0, 0, 0));
	if (pid == 0)
		_exit(9);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	_exit(status >> 8);
}

TEST(clone_untraced)
{
	pid_t pid = tracee_with(untraced_fork, PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 9 << 8);
}

static void ptrace_fork(void)
{
	int status;
	pid_t pid = OK(syscall(SYS_clone, SIGCHLD | CLONE_PTRACE, 0, 0, 0, 0));
	words[0] = pid;
	if (pid == 0)
		_exit(9);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	_exit(status >> 8);
}

TEST(clone_ptrace)
{
	int status;
	words = shared_words();
	pid_t pid = tracee(ptrace_fork);
	pt_go(PTRACE_CONT, pid, 0);
	pid_t child = OK(waitpid(-1, &status, __WALL));
	CHECK(child != pid);
	EQ(status, STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, child, 0);
	EQ(wait_for(child), 9 << 8);
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 9 << 8);
}

static void *thread_body(void *arg)
{
	(void)arg;
	words[1] = syscall(SYS_gettid);
	return 0;
}

static void one_thread(void)
{
	pthread_t t;
	CHECK(!pthread_create(&t, 0, thread_body, 0));
	CHECK(!pthread_join(t, 0));
	while (!__atomic_load_n(&words[2], __ATOMIC_SEQ_CST))
		usleep(1000);
	_exit(3);
}

TEST(clone_event_and_the_end_of_a_thread)
{
	words = shared_words();
	pid_t pid = tracee_with(one_thread, PTRACE_O_TRACECLONE);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_CLONE));
	pid_t tid = event_message(pid);
	EQ(wait_for(tid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, pid, 0);
	pt_go(PTRACE_CONT, tid, 0);
	/* The thread's end is reported like a process's, though it has no zombie for its parent. */
	EQ(wait_for(tid), 0);
	EQ(words[1], tid);
	words[2] = 1;
	EQ(wait_for(pid), 3 << 8);
	ERR(ECHILD, waitpid(tid, 0, __WALL));
}

static void exec_true(void)
{
	execl("/bin/true", "true", (char *)0);
	_exit(99);
}

TEST(exec_without_options_is_a_sigtrap)
{
	pid_t pid = tracee(exec_true);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGTRAP));
	siginfo_t si = info_of(pid);
	EQ(si.si_code, SI_USER);
	EQ(si.si_pid, pid);
	EQ(regs_of(pid).rax, 0);
	EQ(regs_of(pid).orig_rax, SYS_execve);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
}

TEST(exec_event)
{
	pid_t pid = tracee_with(exec_true, PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXEC));
	EQ(event_message(pid), pid);
	EQ(regs_of(pid).orig_rax, SYS_execve);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	EQ(event_message(pid), PTRACE_EVENTMSG_SYSCALL_EXIT);
	EQ(regs_of(pid).rax, 0);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
}

static void wait_then_exec(void)
{
	while (!__atomic_load_n(words, __ATOMIC_SEQ_CST))
		usleep(1000);
	exec_true();
}

TEST(exec_of_a_seized_task)
{
	words = shared_words();
	pid_t pid = child_of(wait_then_exec);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	*words = 1;
	EQ(wait_for(pid), 0);
}

static void *exec_in_thread(void *arg)
{
	(void)arg;
	exec_true();
	return 0;
}
static void exec_from_a_thread(void)
{
	pthread_t t;
	CHECK(!pthread_create(&t, 0, exec_in_thread, 0));
	do_pause();
}

TEST(exec_of_a_thread)
{
	int status;
	pid_t pid = tracee_with(exec_from_a_thread, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_CLONE));
	pid_t tid = event_message(pid);
	EQ(wait_for(tid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, pid, 0);
	pt_go(PTRACE_CONT, tid, 0);
	/* The leader dies of the exec: nothing is to be seen of it but its exit event. */
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
	EQ(event_message(pid), 0);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXEC));
	EQ(event_message(pid), tid);
	EQ(waitpid(tid, &status, __WALL | WNOHANG), -1);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
}

static void exit_7(void)
{
	_exit(7);
}

TEST(exit_event)
{
	pid_t pid = tracee_with(exit_7, PTRACE_O_TRACEEXIT);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
	EQ(event_message(pid), 7 << 8);
	EQ(regs_of(pid).orig_rax, SYS_exit_group);
	EQ(regs_of(pid).rax, -ENOSYS);
	EQ(state_of(pid), 't');
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 7 << 8);
}

TEST(exit_event_of_a_killed_task)
{
	static const int signals[] = {SIGKILL, SIGTERM};
	for (int i = 0; i < 2; i++) {
		pid_t pid = tracee_with(do_pause, PTRACE_O_TRACEEXIT);
		pt_go(PTRACE_CONT, pid, 0);
		OK(kill(pid, signals[i]));
		if (i == 1) {
			EQ(wait_for(pid), STOPPED(SIGTERM));
			pt_go(PTRACE_CONT, pid, SIGTERM);
		}
		EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
		EQ(event_message(pid), signals[i]);
		regs_of(pid);
		pt_go(PTRACE_CONT, pid, 0);
		EQ(wait_for(pid), signals[i]);
	}
}

/* ---- stops and deaths */

TEST(sigkill_ends_every_stop)
{
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_getppid);
	end_task(pid);
	pid = tracee_with(fork_and_wait, PTRACE_O_TRACEFORK);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_FORK));
	pid_t child = event_message(pid);
	end_task(pid);
	EQ(wait_for(child), STOPPED(SIGSTOP));
	end_task(child);
	pid = tracee_with(exit_7, PTRACE_O_TRACEEXIT);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
	/* It is dying already: the status stays. */
	OK(kill(pid, SIGKILL));
	pt(PTRACE_CONT, pid, 0, 0);
	EQ(wait_for(pid), 7 << 8);
}

TEST(a_fatal_signal_is_shown_first)
{
	pid_t pid = tracee(do_pause);
	pt_go(PTRACE_CONT, pid, 0);
	OK(kill(pid, SIGTERM));
	EQ(wait_for(pid), STOPPED(SIGTERM));
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGTERM));
	EQ(wait_for(pid), STOPPED(SIGTERM));
	pt_go(PTRACE_CONT, pid, SIGTERM);
	EQ(wait_for(pid), SIGTERM);
}

static void crash(void)
{
	*(volatile int *)16 = 1;
}

TEST(a_fault_is_shown)
{
	pid_t pid = tracee(crash);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSEGV));
	siginfo_t si = info_of(pid);
	EQ(si.si_code, SEGV_MAPERR);
	EQ((uintptr_t)si.si_addr, 16);
	pt_go(PTRACE_CONT, pid, SIGSEGV);
	EQ(wait_for(pid) & 0x7f, SIGSEGV);
}

static void stop_then_exit(void)
{
	OK(raise(SIGSTOP));
	_exit(2);
}

TEST(group_stop_of_an_attached_task)
{
	siginfo_t si;
	pid_t pid = tracee(stop_then_exit);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	OK(pt(PTRACE_GETSIGINFO, pid, 0, &si));
	pt_go(PTRACE_CONT, pid, SIGSTOP);
	/* The same status again, but without a siginfo: this is the group stop. */
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	ERR(EINVAL, pt(PTRACE_GETSIGINFO, pid, 0, &si));
	ERR(EINVAL, pt(PTRACE_SETSIGINFO, pid, 0, &si));
	EQ(state_of(pid), 't');
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 2 << 8);
}

TEST(group_stop_of_a_seized_task)
{
	int status;
	pid_t pid = child_of(do_pause);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	OK(kill(pid, SIGSTOP));
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, pid, SIGSTOP);
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	siginfo_t si = info_of(pid);
	EQ(si.si_signo, SIGSTOP);
	EQ(si.si_code, SIGSTOP | PTRACE_EVENT_STOP << 8);
	OK(pt(PTRACE_LISTEN, pid, 0, 0));
	ERR(ESRCH, pt(PTRACE_GETSIGINFO, pid, 0, &si));
	EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
	OK(kill(pid, SIGCONT));
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGCONT));
	pt_go(PTRACE_CONT, pid, SIGCONT);
	end_task(pid);
}

TEST(interrupt_while_listening)
{
	pid_t pid = child_of(do_pause);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	OK(kill(pid, SIGSTOP));
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, pid, SIGSTOP);
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	OK(pt(PTRACE_LISTEN, pid, 0, 0));
	OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	OK(kill(pid, SIGCONT));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	end_task(pid);
}

TEST(interrupt_in_a_stop_stops_again)
{
	pid_t pid = child_of(do_pause);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	end_task(pid);
}

TEST(attach_to_a_stopped_task)
{
	int status;
	pid_t pid = child_of(do_pause);
	OK(kill(pid, SIGSTOP));
	EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
	EQ(state_of(pid), 'T');
	OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EQ(state_of(pid), 't');
	EQ(OK(waitpid(pid, &status, WNOHANG)), pid);
	EQ(status, STOPPED(SIGSTOP));
	/* Detached it stands in the group stop again. */
	OK(pt(PTRACE_DETACH, pid, 0, 0));
	await_state(pid, 'T');
	OK(kill(pid, SIGCONT));
	await_state(pid, 'S');
	end_task(pid);
}

TEST(seize_a_stopped_task)
{
	int status;
	pid_t pid = child_of(do_pause);
	OK(setpgid(pid, pid));
	OK(kill(pid, SIGTSTP));
	EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTSTP));
	end_task(pid);
}

TEST(sigcont_in_the_stop_of_a_stop_signal)
{
	/* The stop signal was dequeued, so SIGCONT cannot discard it; it cancels the stop all the same. */
	pid_t pid = tracee(do_pause);
	pt_go(PTRACE_CONT, pid, 0);
	OK(kill(pid, SIGSTOP));
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	OK(kill(pid, SIGCONT));
	pt_go(PTRACE_CONT, pid, SIGSTOP);
	EQ(wait_for(pid), STOPPED(SIGCONT));
	end_task(pid);
}

/* ---- wait */

TEST(waitid_of_a_tracee)
{
	siginfo_t si = {0};
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(pt(PTRACE_TRACEME, 0, 0, 0));
		OK(raise(SIGSTOP));
		_exit(0);
	}
	/* Stops of tracees are seen whatever is asked for. */
	OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	EQ(si.si_signo, SIGCHLD);
	EQ(si.si_code, CLD_TRAPPED);
	EQ(si.si_status, SIGSTOP);
	EQ(si.si_pid, pid);
	si.si_pid = 0;
	OK(waitid(P_PID, pid, &si, WSTOPPED));
	EQ(si.si_pid, pid);
	OK(waitid(P_PID, pid, &si, WSTOPPED | WNOHANG));
	EQ(si.si_pid, 0);
	OK(pt(PTRACE_SETOPTIONS, pid, 0, (void *)PTRACE_O_TRACEEXIT));
	pt_go(PTRACE_CONT, pid, 0);
	OK(waitid(P_PID, pid, &si, WSTOPPED));
	EQ(si.si_status, SIGTRAP | PTRACE_EVENT_EXIT << 8);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
}

static volatile sig_atomic_t chld_code, chld_status, chld_pid;
static void on_chld(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	chld_code = si->si_code;
	chld_status = si->si_status;
	chld_pid = si->si_pid;
}

TEST(sigchld_of_a_stop)
{
	struct sigaction sa = {.sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART};
	pid_t pid = tracee(do_pause);
	OK(sigaction(SIGCHLD, &sa, 0));
	pt_go(PTRACE_CONT, pid, 0);
	OK(kill(pid, SIGUSR2));
	EQ(wait_for(pid), STOPPED(SIGUSR2));
	EQ(chld_code, CLD_TRAPPED);
	EQ(chld_status, SIGUSR2);
	EQ(chld_pid, pid);
	chld_code = 0;
	sa.sa_flags |= SA_NOCLDSTOP;
	OK(sigaction(SIGCHLD, &sa, 0));
	pt_go(PTRACE_CONT, pid, 0);
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	EQ(chld_code, 0);
	end_task(pid);
}

/* A tracer that is not the parent: waits for words[1] before it lets the target go on, says what it sees in words[2]. */
static pid_t foreign_tracer(pid_t target)
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(pt(PTRACE_SEIZE, target, 0, 0));
		words[0] = 1;
		for (;;) {
			int status = wait_for(target), sig = WSTOPSIG(status);
			words[2] = status;
			if (!WIFSTOPPED(status))
				_exit(0);
			while (!__atomic_load_n(&words[1], __ATOMIC_SEQ_CST))
				usleep(1000);
			words[1]--;
			if (status >> 16 != PTRACE_EVENT_STOP)
				pt(PTRACE_CONT, target, 0, (void *)(long)sig);
			else if (sig == SIGTRAP)
				pt(PTRACE_CONT, target, 0, 0);
			else
				pt(PTRACE_LISTEN, target, 0, 0);
			words[3]++;
		}
	}
	while (!__atomic_load_n(&words[0], __ATOMIC_SEQ_CST))
		usleep(1000);
	return pid;
}

static void await_word(int i, int value)
{
	for (int n = 0; n < 3000 && __atomic_load_n(&words[i], __ATOMIC_SEQ_CST) != value; n++)
		usleep(1000);
	EQ(words[i], value);
}

TEST(group_stop_with_a_foreign_tracer)
{
	int status;
	words = shared_words();
	pid_t target = child_of(do_pause), tracer = foreign_tracer(target);
	OK(kill(target, SIGSTOP));
	await_word(2, STOPPED(SIGSTOP));
	EQ(waitpid(target, &status, WUNTRACED | WNOHANG), 0);
	words[1] = 1;
	await_word(2, PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	EQ(OK(waitpid(target, &status, WUNTRACED)), target);
	EQ(status, STOPPED(SIGSTOP));
	words[1] = 1;
	await_word(3, 2);
	words[1] = 1000;
	OK(kill(target, SIGCONT));
	EQ(OK(waitpid(target, &status, WCONTINUED)), target);
	EQ(status, 0xffff);
	OK(kill(target, SIGKILL));
	EQ(wait_for(tracer), 0);
	EQ(words[2], SIGKILL);
	EQ(wait_for(target), SIGKILL);
}

TEST(a_zombie_is_the_tracers_first)
{
	int status;
	words = shared_words();
	pid_t target = child_of(do_pause);
	pid_t tracer = OK(fork());
	if (tracer == 0) {
		OK(pt(PTRACE_SEIZE, target, 0, 0));
		words[0] = 1;
		while (!__atomic_load_n(&words[1], __ATOMIC_SEQ_CST))
			usleep(1000);
		EQ(wait_for(target), SIGKILL);
		ERR(ECHILD, waitpid(target, &status, __WALL));
		_exit(0);
	}
	await_word(0, 1);
	OK(kill(target, SIGKILL));
	await_state(target, 'Z');
	EQ(waitpid(target, &status, WNOHANG), 0);
	words[1] = 1;
	EQ(OK(waitpid(target, &status, 0)), target);
	EQ(status, SIGKILL);
	EQ(wait_for(tracer), 0);
}

TEST(a_zombie_of_a_dead_tracer)
{
	int status;
	words = shared_words();
	pid_t target = child_of(do_pause);
	pid_t tracer = OK(fork());
	if (tracer == 0) {
		OK(pt(PTRACE_SEIZE, target, 0, 0));
		words[0] = 1;
		do_pause();
	}
	await_word(0, 1);
	OK(kill(target, SIGKILL));
	await_state(target, 'Z');
	EQ(waitpid(target, &status, WNOHANG), 0);
	end_task(tracer);
	EQ(OK(waitpid(target, &status, 0)), target);
	EQ(status, SIGKILL);
}

TEST(a_tracer_without_tracees_has_no_children)
{
	pid_t pid = tracee(do_nothing);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
	ERR(ECHILD, waitpid(-1, 0, __WALL));
}

static void *sleeping_thread(void *arg)
{
	(void)arg;
	words[1] = syscall(SYS_gettid);
	do_pause();
	return 0;
}
static void leader_exits(void)
{
	pthread_t t;
	CHECK(!pthread_create(&t, 0, sleeping_thread, 0));
	while (!__atomic_load_n(&words[1], __ATOMIC_SEQ_CST))
		usleep(1000);
	syscall(SYS_exit, 5);
}

TEST(a_leader_that_exits_before_its_thread)
{
	int status;
	words = shared_words();
	pid_t pid = tracee_with(leader_exits, PTRACE_O_TRACECLONE);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_CLONE));
	pid_t tid = event_message(pid);
	EQ(wait_for(tid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, tid, 0);
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'Z');
	EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
	OK(syscall(SYS_tgkill, pid, tid, SIGTERM));
	EQ(wait_for(tid), STOPPED(SIGTERM));
	pt_go(PTRACE_CONT, tid, SIGTERM);
	EQ(wait_for(tid), SIGTERM);
	EQ(wait_for(pid), SIGTERM);
}

TEST(one_thread_of_many_is_attached)
{
	words = shared_words();
	pid_t pid = child_of(leader_exits);
	await_state(pid, 'Z');
	pid_t tid = words[1];
	OK(pt(PTRACE_ATTACH, tid, 0, 0));
	EQ(wait_for(tid), STOPPED(SIGSTOP));
	OK(pt(PTRACE_DETACH, tid, 0, 0));
	end_task(pid);
}

/* ---- calls that are interrupted */

static int pipe_fds[2];
static void read_pipe(void)
{
	char c = 0;
	struct sigaction sa = {.sa_handler = handler_counts};
	OK(sigaction(SIGUSR1, &sa, 0));
	int n = read(pipe_fds[0], &c, 1);
	_exit(n == 1 ? c : n == -1 && errno == EINTR ? 100 : 101);
}

TEST(an_interrupted_call_is_made_again)
{
	words = shared_words();
	OK(pipe(pipe_fds));
	pid_t pid = tracee_with(read_pipe, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_read);
	pt_go(PTRACE_SYSCALL, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), SYSGOOD);
	struct user_regs_struct r = regs_of(pid);
	EQ(r.rax, -512);
	EQ(r.orig_rax, SYS_read);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	r = regs_of(pid);
	EQ(r.rax, -512);
	EQ(r.orig_rax, SYS_read);
	/* Without the signal it goes on. */
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	r = regs_of(pid);
	EQ(r.orig_rax, SYS_read);
	EQ(event_message(pid), PTRACE_EVENTMSG_SYSCALL_ENTRY);
	EQ(write(pipe_fds[1], "A", 1), 1);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 'A' << 8);
}

TEST(with_a_handler_it_is_interrupted)
{
	words = shared_words();
	OK(pipe(pipe_fds));
	pid_t pid = tracee_with(read_pipe, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_read);
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	pt_go(PTRACE_CONT, pid, SIGUSR1);
	EQ(wait_for(pid), 100 << 8);
	EQ(words[0], 1);
}

TEST(a_tracer_can_prevent_the_restart)
{
	words = shared_words();
	OK(pipe(pipe_fds));
	pid_t pid = tracee(read_pipe);
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	struct user_regs_struct r = regs_of(pid);
	EQ(r.rax, -512);
	r.rax = -EINTR;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 100 << 8);
	pid = tracee(read_pipe);
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user_regs_struct, orig_rax), (void *)-1L));
	OK(pt(PTRACE_POKEUSR, pid, offsetof(struct user_regs_struct, rax), (void *)-EBADF));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 101 << 8);
}

static void sleep_a_little(void)
{
	struct timespec ts = {0, 100000000};
	_exit(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, 0));
}

TEST(sleeps_go_on_through_restart_syscall)
{
	pid_t pid = tracee_with(sleep_a_little, PTRACE_O_TRACESYSGOOD);
	to_entry(pid, SYS_clock_nanosleep);
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGWINCH));
	EQ(wait_for(pid), STOPPED(SIGWINCH));
	EQ(regs_of(pid).rax, -516);
	to_entry(pid, SYS_restart_syscall);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
}

TEST(attach_does_not_disturb_a_call)
{
	OK(pipe(pipe_fds));
	words = shared_words();
	pid_t pid = child_of(read_pipe);
	await_state(pid, 'S');
	for (int i = 0; i < 3; i++) {
		OK(pt(PTRACE_ATTACH, pid, 0, 0));
		EQ(wait_for(pid), STOPPED(SIGSTOP));
		OK(pt(PTRACE_DETACH, pid, 0, 0));
	}
	EQ(write(pipe_fds[1], "B", 1), 1);
	EQ(wait_for(pid), 'B' << 8);
}

static void return_from_handler(void)
{
	signal(SIGUSR1, handler_counts);
	OK(raise(SIGSTOP));
	OK(raise(SIGUSR1));
	_exit(words[0]);
}

TEST(the_return_from_a_handler)
{
	words = shared_words();
	pid_t pid = tracee_with(return_from_handler, PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	pt_go(PTRACE_SYSCALL, pid, SIGUSR1);
	EQ(wait_for(pid), SYSGOOD);
	EQ(regs_of(pid).orig_rax, SYS_rt_sigreturn);
	struct user_regs_struct r = next_stop(pid, PTRACE_EVENTMSG_SYSCALL_EXIT);
	EQ(r.orig_rax, -1);
	EQ(r.rax, 0);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 1 << 8);
}

/* ---- privileges */

static void exec_copy(void)
{
	execl("./copy", "copy", "-u", (char *)0);
	_exit(99);
}

TEST(set_user_id_programs_under_a_tracer)
{
	if (system("cp /usr/bin/id copy && chmod 4755 copy && chmod 755 ."))
		SKIP("no id program");
	pid_t pid = OK(fork());
	if (pid == 0) {
		int fds[2], n;
		char text[20] = "";
		OK(setresgid(1000, 1000, 1000));
		OK(setresuid(1000, 1000, 1000));
		OK(pipe(fds));
		pid_t child = OK(fork());
		if (child == 0) {
			OK(dup2(fds[1], 1));
			OK(pt(PTRACE_TRACEME, 0, 0, 0));
			exec_copy();
		}
		close(fds[1]);
		EQ(wait_for(child), STOPPED(SIGTRAP));
		pt_go(PTRACE_CONT, child, 0);
		EQ(wait_for(child), 0);
		n = read(fds[0], text, 19);
		CHECK(n > 0);
		EQ(atoi(text), 1000);
		_exit(0);
	}
	EQ(wait_for(pid), 0);
}

/* ---- several threads */

static void *counting_thread(void *arg)
{
	(void)arg;
	words[1] = syscall(SYS_gettid);
	for (;;)
		__atomic_add_fetch(&words[3], 1, __ATOMIC_SEQ_CST);
	return 0;
}
static void two_threads(void)
{
	pthread_t t;
	CHECK(!pthread_create(&t, 0, counting_thread, 0));
	for (;;)
		__atomic_add_fetch(&words[4], 1, __ATOMIC_SEQ_CST);
}

static pid_t start_two_threads(pid_t *tid)
{
	words = shared_words();
	pid_t pid = child_of(two_threads);
	while (!__atomic_load_n(&words[4], __ATOMIC_SEQ_CST) || !__atomic_load_n(&words[3], __ATOMIC_SEQ_CST))
		usleep(1000);
	*tid = words[1];
	return pid;
}

static int changes_within(int i, int ms)
{
	int was = __atomic_load_n(&words[i], __ATOMIC_SEQ_CST);
	for (int n = 0; n < ms; n++) {
		usleep(1000);
		if (__atomic_load_n(&words[i], __ATOMIC_SEQ_CST) != was)
			return 1;
	}
	return 0;
}

static int moves(int i)
{
	return changes_within(i, 3000);
}

static int stands(int i)
{
	return !changes_within(i, 50);
}

TEST(a_thread_stops_alone)
{
	pid_t tid, pid = start_two_threads(&tid);
	OK(pt(PTRACE_SEIZE, tid, 0, 0));
	OK(pt(PTRACE_INTERRUPT, tid, 0, 0));
	EQ(wait_for(tid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	EQ(state_of(tid), 't');
	CHECK(stands(3));
	CHECK(moves(4));
	pt_go(PTRACE_CONT, tid, 0);
	CHECK(moves(3));
	OK(pt(PTRACE_INTERRUPT, tid, 0, 0));
	EQ(wait_for(tid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	OK(pt(PTRACE_DETACH, tid, 0, 0));
	CHECK(moves(3));
	end_task(pid);
}

TEST(group_stop_of_two_seized_threads)
{
	int status;
	pid_t tid, pid = start_two_threads(&tid);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	OK(pt(PTRACE_SEIZE, tid, 0, 0));
	OK(syscall(SYS_tgkill, pid, tid, SIGSTOP));
	EQ(wait_for(tid), STOPPED(SIGSTOP));
	EQ(waitpid(pid, &status, __WALL | WNOHANG), 0);
	pt_go(PTRACE_CONT, tid, SIGSTOP);
	EQ(wait_for(tid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	OK(pt(PTRACE_LISTEN, pid, 0, 0));
	OK(pt(PTRACE_LISTEN, tid, 0, 0));
	OK(kill(pid, SIGCONT));
	EQ(wait_for(tid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	end_task(tid);
	EQ(wait_for(pid), SIGKILL);
}

TEST(group_stop_of_two_attached_threads)
{
	int status;
	siginfo_t si;
	pid_t tid, pid = start_two_threads(&tid);
	OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	OK(pt(PTRACE_ATTACH, tid, 0, 0));
	EQ(wait_for(tid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, tid, 0);
	pt_go(PTRACE_CONT, pid, SIGSTOP);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	ERR(EINVAL, pt(PTRACE_GETSIGINFO, pid, 0, &si));
	EQ(wait_for(tid), STOPPED(SIGSTOP));
	ERR(EINVAL, pt(PTRACE_GETSIGINFO, tid, 0, &si));
	/* Both can run in a group stop; only SIGCONT ends it. */
	pt_go(PTRACE_CONT, tid, 0);
	CHECK(moves(3));
	CHECK(stands(4));
	OK(pt(PTRACE_DETACH, pid, 0, 0));
	await_state(pid, 'T');
	OK(kill(pid, SIGCONT));
	CHECK(moves(4));
	EQ(waitpid(pid, &status, WNOHANG), 0);
	/* The process is not gone before the tracer has seen its thread go. */
	OK(kill(pid, SIGKILL));
	EQ(wait_for(tid), SIGKILL);
	EQ(wait_for(pid), SIGKILL);
}

TEST(an_untraced_thread_beside_a_traced_one)
{
	int status;
	pid_t tid, pid = start_two_threads(&tid);
	OK(pt(PTRACE_SEIZE, tid, 0, 0));
	OK(kill(pid, SIGSTOP));
	/* The leader takes the signal; the thread is told of the group stop. */
	EQ(wait_for(tid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGSTOP));
	EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
	EQ(status, STOPPED(SIGSTOP));
	EQ(state_of(pid), 'T');
	EQ(state_of(tid), 't');
	end_task(tid);
	EQ(wait_for(pid), SIGKILL);
}

TEST(death_of_the_process_reaps_untraced_and_shows_traced_threads)
{
	pid_t tid, pid = start_two_threads(&tid);
	OK(pt(PTRACE_SEIZE, tid, 0, (void *)PTRACE_O_TRACEEXIT));
	OK(kill(pid, SIGTERM));
	EQ(wait_for(tid), EVENT(PTRACE_EVENT_EXIT));
	EQ(event_message(tid), SIGTERM);
	pt_go(PTRACE_CONT, tid, 0);
	EQ(wait_for(tid), SIGTERM);
	EQ(wait_for(pid), SIGTERM);
}

TEST(waiting_for_groups_and_without_threads)
{
	int status;
	pid_t pid = tracee(do_pause);
	OK(setpgid(pid, pid));
	pt_go(PTRACE_CONT, pid, 0);
	OK(kill(pid, SIGUSR1));
	EQ(OK(waitpid(-pid, &status, __WNOTHREAD)), pid);
	EQ(status, STOPPED(SIGUSR1));
	ERR(ECHILD, waitpid(0, &status, WNOHANG));
	/* What was reported is not reported again. */
	EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
	end_task(pid);
}

/* ---- masks that last as long as a call */

static void suspend(void)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGUSR2);
	OK(sigprocmask(SIG_BLOCK, &s, 0));
	signal(SIGUSR1, handler_counts);
	signal(SIGUSR2, handler_counts);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	int r = sigsuspend(&s);
	_exit(r == -1 && errno == EINTR ? 10 + words[0] : 1);
}

TEST(a_suppressed_signal_does_not_end_sigsuspend)
{
	uint64_t mask = 0;
	words = shared_words();
	pid_t pid = tracee(suspend);
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	EQ(regs_of(pid).rax, -514);
	OK(pt(PTRACE_GETSIGMASK, pid, 8, &mask));
	EQ(mask, 1 << (SIGUSR1 - 1) | 1 << (SIGUSR2 - 1));
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	pt_go(PTRACE_CONT, pid, SIGUSR1);
	EQ(wait_for(pid), 11 << 8);
}

TEST(a_signal_that_became_blocked_is_queued_again)
{
	uint64_t mask = 1 << (SIGUSR1 - 1);
	words = shared_words();
	pid_t pid = tracee(do_pause);
	pt_go(PTRACE_CONT, pid, 0);
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	OK(pt(PTRACE_SETSIGMASK, pid, 8, &mask));
	pt_go(PTRACE_CONT, pid, SIGUSR1);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR2));
	EQ(wait_for(pid), STOPPED(SIGUSR2));
	mask = 0;
	OK(pt(PTRACE_SETSIGMASK, pid, 8, &mask));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	end_task(pid);
}

static void fork_in_syscall_mode(void)
{
	pid_t pid = syscall(SYS_fork);
	if (pid == 0) {
		syscall(SYS_getppid);
		_exit(0);
	}
	words[0] = pid;
	do_pause();
}

TEST(children_do_not_inherit_the_way_of_going_on)
{
	words = shared_words();
	pid_t pid = tracee_with(fork_in_syscall_mode, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK);
	to_entry(pid, SYS_fork);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_FORK));
	pid_t child = event_message(pid);
	EQ(wait_for(child), STOPPED(SIGSTOP));
	EQ(regs_of(child).orig_rax, SYS_fork);
	EQ(regs_of(child).rax, 0);
	pt_go(PTRACE_CONT, child, 0);
	EQ(wait_for(child), 0);
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	EQ(regs_of(pid).rax, child);
	end_task(pid);
}

/* ---- children and threads of seized tasks */

static void wait_then_fork(void)
{
	while (!__atomic_load_n(words, __ATOMIC_SEQ_CST))
		usleep(1000);
	fork_and_wait();
}

TEST(children_of_a_seized_task_begin_in_a_trap)
{
	words = shared_words();
	pid_t pid = child_of(wait_then_fork);
	OK(pt(PTRACE_SEIZE, pid, 0, (void *)(PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT)));
	*words = 1;
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_FORK));
	pid_t child = event_message(pid);
	EQ(wait_for(child), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	siginfo_t si = info_of(child);
	EQ(si.si_signo, SIGTRAP);
	EQ(si.si_code, SIGTRAP | PTRACE_EVENT_STOP << 8);
	EQ(regs_of(child).rax, 0);
	/* No signal is left behind. */
	pt_go(PTRACE_CONT, child, 0);
	EQ(wait_for(child), EVENT(PTRACE_EVENT_EXIT));
	pt_go(PTRACE_CONT, child, 0);
	EQ(wait_for(child), 6 << 8);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_EXIT));
	EQ(event_message(pid), 6 << 8);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 6 << 8);
}

static void vfork_and_hold(void)
{
	int status;
	if (vfork() == 0) {
		while (!__atomic_load_n(words, __ATOMIC_SEQ_CST))
			usleep(1000);
		_exit(0);
	}
	wait(&status);
	_exit(8);
}

TEST(a_parent_of_vfork_stops_behind_it)
{
	int status;
	words = shared_words();
	pid_t pid = child_of(vfork_and_hold);
	await_state(pid, 'D');
	OK(pt(PTRACE_SEIZE, pid, 0, (void *)PTRACE_O_TRACEVFORKDONE));
	OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	usleep(20000);
	EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
	*words = 1;
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_VFORK_DONE));
	pt_go(PTRACE_CONT, pid, 0);
	/* A stop takes the trap that was asked for with it. */
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 8 << 8);
}

TEST(a_call_that_does_not_exist)
{
	pid_t pid = tracee_with(call_getppid, PTRACE_O_TRACESYSGOOD);
	struct user_regs_struct r = to_entry(pid, SYS_getppid);
	r.orig_rax = 100000;
	OK(pt(PTRACE_SETREGS, pid, 0, &r));
	r = next_stop(pid, PTRACE_EVENTMSG_SYSCALL_EXIT);
	EQ(r.rax, -ENOSYS);
	EQ(r.orig_rax, 100000);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 3 << 8);
}
