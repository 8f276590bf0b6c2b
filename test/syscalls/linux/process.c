/* fork, vfork, clone, execve, exit, wait4, waitid and identities. */
#include "../test.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void exit_with(void *arg)
{
	_exit((int)(long)arg);
}

TEST(exit_status_reaches_the_parent)
{
	int status = test_in_child(exit_with, (void *)42);
	CHECK(WIFEXITED(status));
	EQ(WEXITSTATUS(status), 42);
	EQ(test_in_child(exit_with, (void *)0x1ff), 0xff00);
}

static void die_by(void *arg)
{
	raise((int)(long)arg);
	_exit(0);
}

TEST(death_by_signal_reaches_the_parent)
{
	int status = test_in_child(die_by, (void *)SIGTERM);
	CHECK(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGTERM);
	EQ(WTERMSIG(test_in_child(die_by, (void *)SIGKILL)), SIGKILL);
}

TEST(wait_options)
{
	int status;
	siginfo_t si;
	ERR(ECHILD, waitpid(-1, &status, 0));
	ERR(ECHILD, waitpid(getpid(), &status, 0));
	ERR(EINVAL, waitpid(-1, &status, 0x100));
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(1);
	}
	EQ(waitpid(pid, &status, WNOHANG), 0);
	EQ(waitpid(-1, &status, WNOHANG), 0);
	ERR(ECHILD, waitpid(pid + 100000, &status, 0));
	memset(&si, 0x55, sizeof si);
	OK(waitid(P_PID, pid, &si, WEXITED | WNOHANG));
	EQ(si.si_pid, 0);
	OK(kill(pid, SIGKILL));
	OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	EQ(si.si_pid, pid);
	EQ(si.si_code, CLD_KILLED);
	EQ(si.si_status, SIGKILL);
	EQ(si.si_signo, SIGCHLD);
	EQ(waitpid(pid, &status, 0), pid);
	EQ(status, SIGKILL);
	ERR(ECHILD, waitid(P_PID, pid, &si, WEXITED));
	ERR(EINVAL, waitid(P_PID, 1, &si, 0));
	ERR(EINVAL, waitid(99, 1, &si, WEXITED));
}

TEST(stopped_and_continued_children_are_reported)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	OK(kill(pid, SIGSTOP));
	EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
	CHECK(WIFSTOPPED(status));
	EQ(WSTOPSIG(status), SIGSTOP);
	EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
	OK(kill(pid, SIGCONT));
	EQ(OK(waitpid(pid, &status, WCONTINUED)), pid);
	CHECK(WIFCONTINUED(status));
	OK(kill(pid, SIGKILL));
	EQ(OK(waitpid(pid, &status, 0)), pid);
}

TEST(vfork_suspends_the_parent)
{
	volatile int x = 1;
	int status;
	pid_t pid = vfork();
	if (pid == 0) {
		x = 2;
		_exit(3);
	}
	EQ(x, 2);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(WEXITSTATUS(status), 3);
}

TEST(execve_replaces_the_program)
{
	int status, p[2];
	char buf[64] = "";
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		char *argv[] = {"sh", "-c", "echo $0 $1 $V", "zero", "one", 0}, *env[] = {"V=value", 0};
		execve("/bin/sh", argv, env);
		_exit(1);
	}
	OK(close(p[1]));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(read(p[0], buf, sizeof buf), 15);
	EQ(strcmp(buf, "zero one value\n"), 0);
}

TEST(execve_errors)
{
	char *argv[] = {"x", 0}, *big[] = {"x", 0, 0};
	int fd;
	ERR(ENOENT, execve("none", argv, 0));
	ERR(ENOENT, execve("", argv, 0));
	ERR(EACCES, execve(".", argv, 0));
	ERR(EFAULT, execve((char *)1, argv, 0));
	fd = OK(open("f", O_WRONLY | O_CREAT, 0644));
	OK(close(fd));
	ERR(EACCES, execve("f", argv, 0));
	OK(chmod("f", 0755));
	ERR(ENOEXEC, execve("f", argv, 0));
	ERR(ENOTDIR, execve("f/x", argv, 0));
	fd = OK(open("s", O_WRONLY | O_CREAT, 0755));
	OK(write(fd, "#!/does/not/exist\n", 18));
	ERR(ETXTBSY, execve("s", argv, 0));
	OK(close(fd));
	ERR(ENOENT, execve("s", argv, 0));
	fd = OK(open("e", O_WRONLY | O_CREAT, 0755));
	OK(write(fd, "\177ELF\2\1\1", 7));
	OK(close(fd));
	ERR(ENOEXEC, execve("e", argv, 0));
	OK(symlink("loop", "loop"));
	ERR(ELOOP, execve("loop", argv, 0));
	big[1] = malloc(200000);
	memset(big[1], 'a', 199999);
	big[1][199999] = 0;
	ERR(E2BIG, execve("/bin/true", big, 0));
	ERR(EFAULT, execve("/bin/true", (char **)1, 0));
}

TEST(scripts_run_their_interpreter)
{
	int fd = OK(open("s", O_WRONLY | O_CREAT, 0755)), status, p[2];
	char buf[200] = "";
	const char *text = "#!/bin/sh -e x\n";
	OK(write(fd, text, strlen(text)));
	OK(close(fd));
	fd = OK(open("t", O_WRONLY | O_CREAT, 0755));
	text = "#! /bin/echo  one two \n";
	OK(write(fd, text, strlen(text)));
	OK(close(fd));
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl("./t", "ignored", "three", (char *)0);
		_exit(1);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	OK(read(p[0], buf, sizeof buf));
	EQ(strcmp(buf, "one two ./t three\n"), 0);
}

static void handler_that_exec_forgets(int sig)
{
	_exit(sig);
}

TEST(exec_closes_and_resets)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(1, 60);
		dup2(1, 61);
		fcntl(61, F_SETFD, FD_CLOEXEC);
		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, handler_that_exec_forgets);
		execl("/bin/sh", "sh", "-c",
		      "[ -e /proc/self/fd/60 ] || exit 1; [ ! -e /proc/self/fd/61 ] || exit 2; kill -USR1 $$; kill -USR2 $$; exit 3", (char *)0);
		_exit(4);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	CHECK(WIFSIGNALED(status));
	EQ(WTERMSIG(status), SIGUSR2);
}

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

TEST(exec_in_a_thread_collapses_the_group)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t;
		for (int i = 0; i < 3; i++)
			pthread_create(&t, 0, sleeper, 0);
		execl("/bin/sh", "sh", "-c", "exit 7", (char *)0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(WEXITSTATUS(status), 7);
}

static void *exec_thread(void *arg)
{
	execl("/bin/sh", "sh", "-c", "exit $(( $$ == PPIDX ? 9 : 8 ))", (char *)0);
	return arg;
}

TEST(exec_by_a_non_leader_takes_the_leaders_id)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		char v[32];
		pthread_t t;
		sprintf(v, "%d", getpid());
		setenv("PPIDX", v, 1);
		pthread_create(&t, 0, exec_thread, 0);
		for (;;)
			pause();
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(WEXITSTATUS(status), 9);
}

static int counter;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *count(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

TEST(threads_share_memory_and_join)
{
	pthread_t t[8];
	void *r;
	for (long i = 0; i < 8; i++)
		EQ(pthread_create(&t[i], 0, count, (void *)i), 0);
	for (long i = 0; i < 8; i++) {
		EQ(pthread_join(t[i], &r), 0);
		EQ((long)r, i);
	}
	EQ(counter, 80000);
}

static __thread int tls = 5;
static void *use_tls(void *arg)
{
	tls += (int)(long)arg;
	sched_yield();
	return (void *)(long)tls;
}

TEST(thread_local_storage_is_per_thread)
{
	pthread_t t[4];
	void *r;
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], 0, use_tls, (void *)i);
	for (long i = 0; i < 4; i++) {
		pthread_join(t[i], &r);
		EQ((long)r, 5 + i);
	}
	EQ(tls, 5);
}

TEST(exit_group_ends_all_threads)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		pthread_t t;
		for (int i = 0; i < 5; i++)
			pthread_create(&t, 0, i & 1 ? sleeper : count, 0);
		exit(11);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(WEXITSTATUS(status), 11);
}

TEST(clone_flag_rules)
{
	ERR(EINVAL, syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0));
}

TEST(clone_sets_ids)
{
	int ptid = 0, ctid = -1, status;
	pid_t pid = syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, 0, &ptid, &ctid, 0);
	if (pid == 0)
		_exit(ctid == getpid() ? 0 : 1);
	EQ(ptid, pid);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(orphans_go_to_the_reaper)
{
	int p[2], status;
	pid_t got, me = getpid();
	OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			pid_t parent;
			while ((parent = getppid()) != me)
				usleep(1000);
			OK(write(p[1], &parent, sizeof parent));
			_exit(5);
		}
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(read(p[0], &got, sizeof got), (long)sizeof got);
	EQ(got, me);
	OK(wait(&status));
	EQ(WEXITSTATUS(status), 5);
}

TEST(sessions_and_groups)
{
	int status;
	EQ(getpgrp(), getpgid(0));
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(getsid(0) != getpid());
		EQ(OK(setsid()), getpid());
		EQ(getsid(0), getpid());
		EQ(getpgrp(), getpid());
		ERR(EPERM, setsid());
		ERR(EPERM, setpgid(0, 0));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	OK(setpgid(pid, pid));
	EQ(getpgid(pid), pid);
	ERR(ESRCH, setpgid(1000000, 0));
	ERR(EINVAL, setpgid(0, -1));
	ERR(ESRCH, getpgid(1000000));
	OK(kill(-pid, SIGKILL));
	EQ(OK(waitpid(-pid, &status, 0)), pid);
}

TEST(parent_death_signal)
{
	int p[2], status, sig;
	char c;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			OK(prctl(PR_SET_PDEATHSIG, SIGKILL));
			OK(prctl(PR_GET_PDEATHSIG, &sig));
			EQ(sig, SIGKILL);
			OK(write(p[1], "r", 1));
			for (;;)
				pause();
		}
		read(p[0], &c, 1);
		_exit(0);
	}
	OK(close(p[1]));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(read(p[0], &c, 1), 0);
}

TEST(process_name)
{
	char name[17] = "", buf[64] = "";
	OK(prctl(PR_SET_NAME, "a-very-long-process-name"));
	OK(prctl(PR_GET_NAME, name));
	EQ(strcmp(name, "a-very-long-pro"), 0);
	int fd = OK(open("/proc/self/comm", O_RDONLY));
	EQ(read(fd, buf, sizeof buf), 16);
	EQ(strcmp(buf, "a-very-long-pro\n"), 0);
	ERR(EINVAL, prctl(9999, 0));
}

TEST(zombie_keeps_its_id_until_reaped)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	siginfo_t si;
	OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	OK(kill(pid, 0));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	ERR(ESRCH, kill(pid, 0));
}

/* The split between user and system time is an estimate; the sum is not. */
static long cpu_us(const struct rusage *ru)
{
	return (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000000 + ru->ru_utime.tv_usec + ru->ru_stime.tv_usec;
}

TEST(children_report_resource_usage)
{
	struct rusage ru;
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		for (volatile int i = 0; i < 20000000; i++)
			;
		_exit(0);
	}
	EQ(OK(wait4(pid, &status, 0, &ru)), pid);
	CHECK(cpu_us(&ru) > 1000);
	OK(getrusage(RUSAGE_CHILDREN, &ru));
	CHECK(cpu_us(&ru) > 1000);
	ERR(EINVAL, getrusage(99, &ru));
}

TEST(two_hundred_children)
{
	int status, n = 0;
	for (int i = 0; i < 200; i++)
		if (fork() == 0)
			_exit(i & 127);
	while (wait(&status) > 0)
		n++;
	EQ(n, 200);
	EQ(errno, ECHILD);
}
