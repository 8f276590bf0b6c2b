/* ptrace(2): attaching and detaching, who may, memory, signals, options, and the errors of the requests. */
#include "../ptrace.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>

static int *shared_word(void)
{
	return OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

TEST(traceme_makes_the_parent_the_tracer)
{
	pid_t pid = tracee(do_nothing);
	EQ(status_field(pid, "TracerPid"), getpid());
	EQ(state_of(pid), 't');
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
}

TEST(a_namespace_dies_with_its_init_although_that_traced)
{
	OK(unshare(CLONE_NEWPID));
	pid_t init = OK(fork());
	if (init == 0) {
		tracee(do_nothing);
		pid_t dead = OK(fork());
		if (dead == 0) {
			OK(pt(PTRACE_TRACEME, 0, 0, 0));
			_exit(0);
		}
		siginfo_t si;
		OK(waitid(P_PID, dead, &si, WEXITED | WNOWAIT));
		_exit(5);
	}
	EQ(wait_for(init), 5 << 8);
}

TEST(traceme_twice)
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(pt(PTRACE_TRACEME, 0, 0, 0));
		ERR(EPERM, pt(PTRACE_TRACEME, 0, 0, 0));
		_exit(3);
	}
	EQ(wait_for(pid), 3 << 8);
}

TEST(requests_need_a_stopped_tracee)
{
	struct user_regs_struct r = {0};
	pid_t pid = child_of(do_pause);
	long word;
	ERR(ESRCH, pt(PTRACE_GETREGS, pid, 0, &r));
	ERR(ESRCH, pt(PTRACE_CONT, pid, 0, 0));
	OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	OK(pt(PTRACE_GETREGS, pid, 0, &r));
	pt_go(PTRACE_CONT, pid, 0);
	ERR(ESRCH, pt(PTRACE_GETREGS, pid, 0, &r));
	ERR(ESRCH, pt(PTRACE_PEEKDATA, pid, (uintptr_t)&word, &word));
	ERR(ESRCH, pt(PTRACE_DETACH, pid, 0, 0));
	ERR(ESRCH, pt(PTRACE_SETOPTIONS, pid, 0, 0));
	end_task(pid);
	ERR(ESRCH, pt(PTRACE_ATTACH, pid, 0, 0));
}

TEST(attach_and_detach)
{
	pid_t pid = child_of(do_pause);
	EQ(status_field(pid, "TracerPid"), 0);
	OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EQ(status_field(pid, "TracerPid"), getpid());
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	siginfo_t si = info_of(pid);
	EQ(si.si_signo, SIGSTOP);
	EQ(si.si_code, SI_KERNEL);
	ERR(EPERM, pt(PTRACE_ATTACH, pid, 0, 0));
	ERR(EPERM, pt(PTRACE_SEIZE, pid, 0, 0));
	OK(pt(PTRACE_DETACH, pid, 0, 0));
	EQ(status_field(pid, "TracerPid"), 0);
	await_state(pid, 'S');
	end_task(pid);
}

TEST(detach_with_a_signal)
{
	pid_t pid = child_of(do_pause);
	OK(pt(PTRACE_ATTACH, pid, 0, 0));
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	ERR(EIO, pt(PTRACE_DETACH, pid, 0, (void *)65));
	OK(pt(PTRACE_DETACH, pid, 0, (void *)SIGTERM));
	EQ(wait_for(pid), SIGTERM);
}

TEST(attach_errors)
{
	ERR(EPERM, pt(PTRACE_ATTACH, getpid(), 0, 0));
	ERR(ESRCH, pt(PTRACE_ATTACH, 999999, 0, 0));
	ERR(ESRCH, pt(PTRACE_ATTACH, -1, 0, 0));
	ERR(ESRCH, pt(PTRACE_ATTACH, 0, 0, 0));
	ERR(EPERM, pt(PTRACE_SEIZE, getpid(), 0, 0));
	pid_t pid = child_of(do_pause);
	ERR(EIO, pt(PTRACE_SEIZE, pid, 1, 0));
	ERR(EIO, pt(PTRACE_SEIZE, pid, 0, (void *)0x100));
	ERR(EIO, pt(PTRACE_SEIZE, pid, 0, (void *)0x100000000));
	ERR(ESRCH, pt(0x4321, pid, 0, 0));
	end_task(pid);
	pid = child_of(do_nothing);
	await_state(pid, 'Z');
	ERR(EPERM, pt(PTRACE_ATTACH, pid, 0, 0));
	EQ(wait_for(pid), 0);
}

static void *attach_to_leader(void *arg)
{
	(void)arg;
	ERR(EPERM, pt(PTRACE_ATTACH, getpid(), 0, 0));
	return 0;
}

TEST(no_thread_of_one_process_traces_another)
{
	pthread_t t;
	CHECK(!pthread_create(&t, 0, attach_to_leader, 0));
	CHECK(!pthread_join(t, 0));
}

static pid_t other_thread_target;
static void *request_from_thread(void *arg)
{
	struct user_regs_struct r = {0};
	(void)arg;
	ERR(ESRCH, pt(PTRACE_GETREGS, other_thread_target, 0, &r));
	ERR(ESRCH, pt(PTRACE_DETACH, other_thread_target, 0, 0));
	return 0;
}

TEST(only_the_thread_that_attached_is_the_tracer)
{
	pthread_t t;
	other_thread_target = tracee(do_nothing);
	CHECK(!pthread_create(&t, 0, request_from_thread, 0));
	CHECK(!pthread_join(t, 0));
	pt_go(PTRACE_CONT, other_thread_target, 0);
	EQ(wait_for(other_thread_target), 0);
}

TEST(attach_needs_the_same_user)
{
	pid_t target = child_of(do_pause);
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(setresgid(1000, 1000, 1000));
		OK(setresuid(1000, 1000, 1000));
		ERR(EPERM, pt(PTRACE_ATTACH, target, 0, 0));
		ERR(EPERM, pt(PTRACE_SEIZE, target, 0, 0));
		/* The change of user took it away. */
		OK(prctl(PR_SET_DUMPABLE, 1));
		pid_t own = child_of(do_pause);
		OK(pt(PTRACE_ATTACH, own, 0, 0));
		EQ(wait_for(own), STOPPED(SIGSTOP));
		end_task(own);
		/* Not dumpable: not even by its own user. */
		pid_t hidden = OK(fork());
		if (hidden == 0) {
			OK(prctl(PR_SET_DUMPABLE, 0));
			OK(raise(SIGSTOP));
			_exit(0);
		}
		int status;
		EQ(OK(waitpid(hidden, &status, WUNTRACED)), hidden);
		ERR(EPERM, pt(PTRACE_ATTACH, hidden, 0, 0));
		OK(kill(hidden, SIGKILL));
		EQ(wait_for(hidden), SIGKILL);
		_exit(5);
	}
	EQ(wait_for(pid), 5 << 8);
	end_task(target);
}

TEST(seize_does_not_stop)
{
	int status;
	pid_t pid = child_of(do_pause);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	EQ(status_field(pid, "TracerPid"), getpid());
	usleep(20000);
	EQ(waitpid(pid, &status, WNOHANG | __WALL), 0);
	OK(pt(PTRACE_INTERRUPT, pid, 0, 0));
	EQ(wait_for(pid), PTRACE_EVENT_STOP << 16 | STOPPED(SIGTRAP));
	OK(pt(PTRACE_DETACH, pid, 0, 0));
	end_task(pid);
}

TEST(interrupt_and_listen_need_seize)
{
	pid_t pid = tracee(do_nothing);
	ERR(EIO, pt(PTRACE_INTERRUPT, pid, 0, 0));
	ERR(EIO, pt(PTRACE_LISTEN, pid, 0, 0));
	end_task(pid);
}

TEST(listen_needs_a_trap_stop)
{
	pid_t pid = child_of(do_pause);
	OK(pt(PTRACE_SEIZE, pid, 0, 0));
	ERR(ESRCH, pt(PTRACE_LISTEN, pid, 0, 0));
	OK(kill(pid, SIGUSR1));
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	ERR(EIO, pt(PTRACE_LISTEN, pid, 0, 0));
	end_task(pid);
}

TEST(kill_ends_the_tracee)
{
	pid_t pid = tracee(do_pause);
	OK(pt(PTRACE_KILL, pid, 0, 0));
	EQ(wait_for(pid), SIGKILL);
	pid = tracee(do_pause);
	pt_go(PTRACE_CONT, pid, 0);
	OK(pt(PTRACE_KILL, pid, 0, 0));
	EQ(wait_for(pid), SIGKILL);
}

static volatile long watched = 0x1122334455667788;
static void use_watched(void)
{
	_exit(watched == 0x0102030405060708 ? 7 : 8);
}

TEST(peek_and_poke_data)
{
	long word = 0;
	pid_t pid = tracee(use_watched);
	OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)&watched, &word));
	EQ(word, 0x1122334455667788);
	OK(pt(PTRACE_PEEKTEXT, pid, (uintptr_t)&watched + 1, &word));
	OK(pt(PTRACE_POKEDATA, pid, (uintptr_t)&watched, (void *)0x0102030405060708));
	OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)&watched, &word));
	EQ(word, 0x0102030405060708);
	EQ(watched, 0x1122334455667788);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 7 << 8);
}

TEST(the_library_call_returns_what_it_peeks)
{
	extern long ptrace();
	pid_t pid = tracee(do_nothing);
	errno = 0;
	EQ(ptrace(PTRACE_PEEKDATA, pid, &watched, 0), 0x1122334455667788);
	EQ(errno, 0);
	end_task(pid);
}

TEST(peek_and_poke_errors)
{
	long word;
	pid_t pid = tracee(do_nothing);
	ERR(EIO, pt(PTRACE_PEEKDATA, pid, 8, &word));
	ERR(EIO, pt(PTRACE_PEEKTEXT, pid, 0xffffffff81000000, &word));
	ERR(EIO, pt(PTRACE_PEEKDATA, pid, -1UL, &word));
	ERR(EIO, pt(PTRACE_POKEDATA, pid, 8, 0));
	ERR(EIO, pt(PTRACE_POKETEXT, pid, 0xffffffff81000000, 0));
	ERR(EFAULT, pt(PTRACE_PEEKDATA, pid, (uintptr_t)&watched, (void *)8));
	ERR(EIO, pt(0x4321, pid, 0, 0));
	ERR(EIO, pt(PTRACE_TRACEME + 100, pid, 0, 0));
	end_task(pid);
}

static int __attribute__((noinline, aligned(16))) patched(void)
{
	__asm__ volatile("");
	return 5;
}
static void run_patched(void)
{
	_exit(patched());
}

TEST(poke_text_changes_the_program)
{
	/* mov $9, %eax; ret */
	unsigned char code[8] = {0xb8, 9, 0, 0, 0, 0xc3, 0x90, 0x90};
	long word;
	memcpy(&word, code, 8);
	EQ(patched(), 5);
	pid_t pid = tracee(run_patched);
	OK(pt(PTRACE_POKETEXT, pid, (uintptr_t)patched, (void *)word));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 9 << 8);
	EQ(patched(), 5);
}

static char *hidden_page, *read_only_page;

TEST(protection_does_not_matter)
{
	long word;
	hidden_page = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	memset(hidden_page, 'h', 4096);
	OK(mprotect(hidden_page, 4096, PROT_NONE));
	read_only_page = OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	pid_t pid = tracee(do_nothing);
	OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)hidden_page, &word));
	EQ(word, 0x6868686868686868);
	OK(pt(PTRACE_POKEDATA, pid, (uintptr_t)hidden_page, (void *)5));
	OK(pt(PTRACE_POKEDATA, pid, (uintptr_t)read_only_page, (void *)6));
	OK(pt(PTRACE_PEEKDATA, pid, (uintptr_t)read_only_page, &word));
	EQ(word, 6);
	EQ(read_only_page[0], 0);
	char *shared = OK(mmap(0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	end_task(pid);
	pid = tracee(do_nothing);
	ERR(EIO, pt(PTRACE_POKEDATA, pid, (uintptr_t)shared, (void *)6));
	end_task(pid);
}

TEST(proc_mem_is_the_same_memory)
{
	char path[40];
	long word = 0;
	pid_t pid = tracee(run_patched);
	snprintf(path, sizeof path, "/proc/%d/mem", pid);
	int fd = OK(open(path, O_RDWR));
	EQ(pread(fd, &word, 8, (uintptr_t)&watched), 8);
	EQ(word, 0x1122334455667788);
	unsigned char code[6] = {0xb8, 11, 0, 0, 0, 0xc3};
	EQ(OK(pwrite(fd, code, 6, (uintptr_t)patched)), 6);
	OK(pt(PTRACE_PEEKTEXT, pid, (uintptr_t)patched, &word));
	EQ(word & 0xffffffffffff, 0xc30000000bb8);
	close(fd);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 11 << 8);
}

TEST(the_vdso_can_be_read)
{
	unsigned long getauxval(unsigned long);
	long word = 0, base = getauxval(33);
	if (!base)
		SKIP("no vdso");
	pid_t pid = tracee(do_nothing);
	OK(pt(PTRACE_PEEKTEXT, pid, base, &word));
	EQ(word & 0xffffffff, 0x464c457f);
	end_task(pid);
}

static volatile sig_atomic_t got_signal, got_code;
static volatile long got_value;
static void note_signal(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	got_signal = sig;
	got_code = si->si_code;
	got_value = si->si_int;
}
static void raise_usr1(void)
{
	struct sigaction sa = {.sa_sigaction = note_signal, .sa_flags = SA_SIGINFO};
	OK(sigaction(SIGUSR1, &sa, 0));
	OK(sigaction(SIGUSR2, &sa, 0));
	OK(kill(getpid(), SIGUSR1));
	_exit(got_signal == SIGUSR1 ? 1 : got_signal == SIGUSR2 ? 2 + got_code : 0);
}

TEST(a_signal_can_be_suppressed_passed_or_changed)
{
	static const int sent[] = {0, SIGUSR1, SIGUSR2}, want[] = {0, 1, 2};
	for (int i = 0; i < 3; i++) {
		pid_t pid = tracee(raise_usr1);
		pt_go(PTRACE_CONT, pid, 0);
		EQ(wait_for(pid), STOPPED(SIGUSR1));
		siginfo_t si = info_of(pid);
		EQ(si.si_signo, SIGUSR1);
		EQ(si.si_code, SI_USER);
		EQ(si.si_pid, pid);
		pt_go(PTRACE_CONT, pid, sent[i]);
		EQ(wait_for(pid), want[i] << 8);
	}
}

static void raise_usr1_value(void)
{
	struct sigaction sa = {.sa_sigaction = note_signal, .sa_flags = SA_SIGINFO};
	OK(sigaction(SIGUSR1, &sa, 0));
	OK(kill(getpid(), SIGUSR1));
	_exit(got_code == SI_QUEUE && got_value == 77 ? 9 : 1);
}

TEST(setsiginfo_changes_what_the_handler_sees)
{
	pid_t pid = tracee(raise_usr1_value);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGUSR1));
	siginfo_t si = info_of(pid);
	si.si_code = SI_QUEUE;
	si.si_int = 77;
	OK(pt(PTRACE_SETSIGINFO, pid, 0, &si));
	ERR(EFAULT, pt(PTRACE_GETSIGINFO, pid, 0, (void *)8));
	ERR(EFAULT, pt(PTRACE_SETSIGINFO, pid, 0, (void *)8));
	pt_go(PTRACE_CONT, pid, SIGUSR1);
	EQ(wait_for(pid), 9 << 8);
}

TEST(cont_takes_only_signals)
{
	pid_t pid = tracee(do_pause);
	static const int requests[] = {PTRACE_CONT, PTRACE_SYSCALL, PTRACE_SINGLESTEP, PTRACE_SYSEMU, PTRACE_SYSEMU_SINGLESTEP};
	for (int i = 0; i < 5; i++) {
		ERR(EIO, pt(requests[i], pid, 0, (void *)65));
		ERR(EIO, pt(requests[i], pid, 0, (void *)-1L));
	}
	pt_go(PTRACE_CONT, pid, SIGTERM);
	EQ(wait_for(pid), SIGTERM);
}

TEST(ignored_signals_are_seen)
{
	pid_t pid = tracee(do_pause);
	pt_go(PTRACE_CONT, pid, 0);
	OK(kill(pid, SIGWINCH));
	EQ(wait_for(pid), STOPPED(SIGWINCH));
	pt_go(PTRACE_CONT, pid, SIGWINCH);
	OK(kill(pid, SIGCHLD));
	EQ(wait_for(pid), STOPPED(SIGCHLD));
	end_task(pid);
}

TEST(signal_mask)
{
	uint64_t set, want = 1 << (SIGUSR1 - 1);
	pid_t pid = tracee(do_pause);
	ERR(EINVAL, pt(PTRACE_GETSIGMASK, pid, 4, &set));
	ERR(EINVAL, pt(PTRACE_SETSIGMASK, pid, 16, &set));
	ERR(EFAULT, pt(PTRACE_GETSIGMASK, pid, 8, (void *)8));
	ERR(EFAULT, pt(PTRACE_SETSIGMASK, pid, 8, (void *)8));
	OK(pt(PTRACE_GETSIGMASK, pid, 8, &set));
	EQ(set, 0);
	set = want | 1 << (SIGKILL - 1) | 1 << (SIGSTOP - 1);
	OK(pt(PTRACE_SETSIGMASK, pid, 8, &set));
	OK(pt(PTRACE_GETSIGMASK, pid, 8, &set));
	EQ(set, want);
	OK(kill(pid, SIGUSR1));
	pt_go(PTRACE_CONT, pid, 0);
	await_state(pid, 'S');
	OK(kill(pid, SIGUSR2));
	EQ(wait_for(pid), STOPPED(SIGUSR2));
	end_task(pid);
}

TEST(pending_signals_can_be_peeked)
{
	struct ptrace_peeksiginfo_args a = {0, 0, 10};
	siginfo_t si[10];
	uint64_t all = -1UL;
	pid_t pid = tracee(do_pause);
	OK(pt(PTRACE_SETSIGMASK, pid, 8, &all));
	union sigval v = {.sival_int = 5};
	OK(sigqueue(pid, SIGRTMIN + 3, v));
	v.sival_int = 6;
	OK(sigqueue(pid, SIGRTMIN + 1, v));
	OK(syscall(SYS_tgkill, pid, pid, SIGUSR1));
	EQ(OK(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&a, si)), 1);
	EQ(si[0].si_signo, SIGUSR1);
	EQ(si[0].si_code, SI_TKILL);
	a.flags = PTRACE_PEEKSIGINFO_SHARED;
	EQ(OK(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&a, si)), 2);
	EQ(si[0].si_signo, SIGRTMIN + 3);
	EQ(si[0].si_int, 5);
	EQ(si[1].si_signo, SIGRTMIN + 1);
	a.off = 1;
	a.nr = 1;
	EQ(OK(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&a, si)), 1);
	EQ(si[0].si_int, 6);
	a.off = 2;
	EQ(OK(pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&a, si)), 0);
	a.nr = -1;
	ERR(EINVAL, pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&a, si));
	a.nr = 1;
	a.flags = 2;
	ERR(EINVAL, pt(PTRACE_PEEKSIGINFO, pid, (uintptr_t)&a, si));
	ERR(EFAULT, pt(PTRACE_PEEKSIGINFO, pid, 8, si));
	end_task(pid);
}

TEST(option_errors)
{
	pid_t pid = tracee(do_pause);
	OK(pt(PTRACE_SETOPTIONS, pid, 0, (void *)0xff));
	ERR(EINVAL, pt(PTRACE_SETOPTIONS, pid, 0, (void *)0x100));
	ERR(EINVAL, pt(PTRACE_SETOPTIONS, pid, 0, (void *)0x100000000));
	OK(pt(PTRACE_SETOPTIONS, pid, 0, (void *)PTRACE_O_EXITKILL));
	ERR(EFAULT, pt(PTRACE_GETEVENTMSG, pid, 0, (void *)8));
	EQ(event_message(pid), 0);
	end_task(pid);
}

TEST(detached_at_the_death_of_the_tracer)
{
	int *word = shared_word();
	pid_t target = child_of(do_pause), pid = OK(fork());
	if (pid == 0) {
		OK(pt(PTRACE_ATTACH, target, 0, 0));
		EQ(wait_for(target), STOPPED(SIGSTOP));
		*word = 1;
		_exit(0);
	}
	EQ(wait_for(pid), 0);
	EQ(*word, 1);
	EQ(status_field(target, "TracerPid"), 0);
	await_state(target, 'S');
	end_task(target);
}

TEST(exitkill_kills_at_the_death_of_the_tracer)
{
	pid_t target = child_of(do_pause), pid = OK(fork());
	if (pid == 0) {
		OK(pt(PTRACE_SEIZE, target, 0, (void *)PTRACE_O_EXITKILL));
		_exit(0);
	}
	EQ(wait_for(pid), 0);
	EQ(wait_for(target), SIGKILL);
}

static void *tracer_thread(void *arg)
{
	OK(pt(PTRACE_ATTACH, *(pid_t *)arg, 0, 0));
	EQ(wait_for(*(pid_t *)arg), STOPPED(SIGSTOP));
	return 0;
}

TEST(the_end_of_the_tracing_thread_detaches)
{
	pid_t pid = child_of(do_pause);
	pthread_t t;
	CHECK(!pthread_create(&t, 0, tracer_thread, &pid));
	CHECK(!pthread_join(t, 0));
	for (int i = 0; i < 3000 && status_field(pid, "TracerPid") != 0; i++)
		usleep(1000);
	EQ(status_field(pid, "TracerPid"), 0);
	await_state(pid, 'S');
	end_task(pid);
}

static void install_filter(unsigned action, int nr)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog p = {4, code};
	OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p));
}

static void trace_getppid(void)
{
	install_filter(SECCOMP_RET_TRACE | 0x123, SYS_getppid);
	long r = syscall(SYS_getppid);
	_exit(r == getpid() ? 1 : r == -1 && errno == ENOSYS ? 2 : r == 55 ? 3 : 4);
}

TEST(seccomp_trace_without_a_tracer)
{
	EQ(wait_for(child_of(trace_getppid)), 2 << 8);
	pid_t pid = tracee(trace_getppid);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 2 << 8);
}

TEST(seccomp_trace_asks_the_tracer)
{
	for (int i = 0; i < 3; i++) {
		pid_t pid = tracee_with(trace_getppid, PTRACE_O_TRACESECCOMP);
		pt_go(PTRACE_CONT, pid, 0);
		EQ(wait_for(pid), EVENT(PTRACE_EVENT_SECCOMP));
		EQ(event_message(pid), 0x123);
		struct user_regs_struct r = regs_of(pid);
		EQ(r.orig_rax, SYS_getppid);
		EQ(r.rax, -ENOSYS);
		struct ptrace_syscall_info info;
		EQ(OK(pt(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info)), offsetof(struct ptrace_syscall_info, seccomp.ret_data) + 4);
		EQ(info.op, PTRACE_SYSCALL_INFO_SECCOMP);
		EQ(info.seccomp.nr, SYS_getppid);
		EQ(info.seccomp.ret_data, 0x123);
		if (i == 1) {
			/* Another call instead. */
			r.orig_rax = SYS_getpid;
			OK(pt(PTRACE_SETREGS, pid, 0, &r));
		} else if (i == 2) {
			/* None at all. */
			r.orig_rax = -1;
			r.rax = 55;
			OK(pt(PTRACE_SETREGS, pid, 0, &r));
		}
		pt_go(PTRACE_CONT, pid, 0);
		static const int want[] = {4, 1, 3};
		EQ(wait_for(pid), want[i] << 8);
	}
}

TEST(a_system_call_stop_can_follow_a_seccomp_stop)
{
	pid_t pid = tracee_with(trace_getppid, PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), EVENT(PTRACE_EVENT_SECCOMP));
	pt_go(PTRACE_SYSCALL, pid, 0);
	EQ(wait_for(pid), SYSGOOD);
	EQ(event_message(pid), PTRACE_EVENTMSG_SYSCALL_EXIT);
	EQ(regs_of(pid).rax, getpid());
	end_task(pid);
}

static void filtered_getppid(void)
{
	install_filter(SECCOMP_RET_ERRNO | 77, SYS_getppid);
	OK(raise(SIGSTOP));
	_exit(syscall(SYS_getppid) == -1 ? errno : 0);
}

TEST(filters_can_be_read_and_suspended)
{
	struct sock_filter code[10];
	pid_t pid = tracee(filtered_getppid);
	ERR(EINVAL, pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, 0));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	EQ(OK(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, 0)), 4);
	EQ(OK(pt(PTRACE_SECCOMP_GET_FILTER, pid, 0, code)), 4);
	EQ(code[1].k, SYS_getppid);
	ERR(ENOENT, pt(PTRACE_SECCOMP_GET_FILTER, pid, 1, 0));
	OK(pt(PTRACE_SETOPTIONS, pid, 0, (void *)PTRACE_O_SUSPEND_SECCOMP));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
	pid = tracee(filtered_getppid);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 77 << 8);
}

TEST(a_tracer_sees_the_call_before_the_filter_does)
{
	pid_t pid = tracee_with(filtered_getppid, PTRACE_O_TRACESYSGOOD);
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	for (;;) {
		pt_go(PTRACE_SYSCALL, pid, 0);
		EQ(wait_for(pid), SYSGOOD);
		struct user_regs_struct r = regs_of(pid);
		if (event_message(pid) != PTRACE_EVENTMSG_SYSCALL_ENTRY || r.orig_rax != SYS_getppid)
			continue;
		r.orig_rax = SYS_getpid;
		OK(pt(PTRACE_SETREGS, pid, 0, &r));
		break;
	}
	pt_go(PTRACE_CONT, pid, 0);
	EQ(wait_for(pid), 0);
}
