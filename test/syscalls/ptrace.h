/* What the cases about ptrace(2) share. */
#ifndef RUNSC_TEST_SYSCALLS_PTRACE_H
#define RUNSC_TEST_SYSCALLS_PTRACE_H

#include "test.h"
#include <linux/elf.h>
#include <linux/ptrace.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/user.h>
#ifndef PTRACE_O_SUSPEND_SECCOMP
#define PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#endif
#define PTRACE_SINGLESTEP 9
#define PTRACE_ATTACH 16
#define PTRACE_DETACH 17
#define PTRACE_TRACEME 0
#define PTRACE_PEEKTEXT 1
#define PTRACE_PEEKDATA 2
#define PTRACE_PEEKUSR 3
#define PTRACE_POKETEXT 4
#define PTRACE_POKEDATA 5
#define PTRACE_POKEUSR 6
#define PTRACE_CONT 7
#define PTRACE_KILL 8
#define PTRACE_SYSCALL 24
#ifndef PTRACE_GETREGS
#define PTRACE_GETREGS 12
#define PTRACE_SETREGS 13
#define PTRACE_GETFPREGS 14
#define PTRACE_SETFPREGS 15
#endif
#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#define PTRACE_SYSEMU_SINGLESTEP 32
#endif
#ifndef PTRACE_ARCH_PRCTL
#define PTRACE_ARCH_PRCTL 30
#endif

/* The raw call, which stores what PEEK requests read through its last argument. */
__attribute__((unused)) static long pt(long request, pid_t pid, unsigned long addr, const void *data)
{
	return syscall(SYS_ptrace, request, pid, addr, data);
}

__attribute__((unused)) static void pt_go(long request, pid_t pid, long sig)
{
	OK(pt(request, pid, 0, (void *)sig));
}

/* The next wait status of a task. */
__attribute__((unused)) static int wait_for(pid_t pid)
{
	int status = -1;
	EQ(OK(waitpid(pid, &status, __WALL)), pid);
	return status;
}

#define STOPPED(sig) ((sig) << 8 | 0x7f)
#define EVENT(event) (((event) << 8 | SIGTRAP) << 8 | 0x7f)
#define SYSGOOD STOPPED(SIGTRAP | 0x80)

/* A traced child that stopped itself and will run f. */
__attribute__((unused)) static pid_t tracee(void (*f)(void))
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(pt(PTRACE_TRACEME, 0, 0, 0));
		OK(raise(SIGSTOP));
		f();
		_exit(0);
	}
	EQ(wait_for(pid), STOPPED(SIGSTOP));
	return pid;
}

/* As tracee, with options set. */
__attribute__((unused)) static pid_t tracee_with(void (*f)(void), unsigned long options)
{
	pid_t pid = tracee(f);
	OK(pt(PTRACE_SETOPTIONS, pid, 0, (void *)options));
	return pid;
}

__attribute__((unused)) static void do_nothing(void)
{
}

__attribute__((unused)) static void do_pause(void)
{
	for (;;)
		pause();
}

/* Ends a task that is traced or a child. */
__attribute__((unused)) static void end_task(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	EQ(wait_for(pid), SIGKILL);
}

/* An untraced child that runs f for good. */
__attribute__((unused)) static pid_t child_of(void (*f)(void))
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		f();
		_exit(0);
	}
	return pid;
}

__attribute__((unused)) static struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct r = {0};
	OK(pt(PTRACE_GETREGS, pid, 0, &r));
	return r;
}

__attribute__((unused)) static unsigned long event_message(pid_t pid)
{
	unsigned long message = 0;
	OK(pt(PTRACE_GETEVENTMSG, pid, 0, &message));
	return message;
}

__attribute__((unused)) static siginfo_t info_of(pid_t pid)
{
	siginfo_t si;
	memset(&si, 0xee, sizeof si);
	OK(pt(PTRACE_GETSIGINFO, pid, 0, &si));
	return si;
}

/* The letter of /proc/PID/stat. */
__attribute__((unused)) static char state_of(pid_t pid)
{
	char path[40], text[500], *p;
	int fd, n;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	fd = OK(open(path, O_RDONLY));
	n = OK(read(fd, text, sizeof text - 1));
	text[n] = 0;
	close(fd);
	p = strrchr(text, ')');
	CHECK(p);
	return p[2];
}

/* A number in /proc/PID/status. */
__attribute__((unused)) static long status_field(pid_t pid, const char *name)
{
	char path[40], line[300];
	long value = -1;
	FILE *f;
	snprintf(path, sizeof path, "/proc/%d/status", pid);
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			value = atol(line + strlen(name) + 1);
	fclose(f);
	return value;
}

__attribute__((unused)) static void await_state(pid_t pid, char state)
{
	for (int i = 0; i < 3000 && state_of(pid) != state; i++)
		usleep(1000);
	EQ(state_of(pid), state);
}

#endif
