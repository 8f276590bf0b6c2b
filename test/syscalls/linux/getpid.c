#include "../test.h"

TEST(getpid_is_stable_and_matches_proc_self)
{
	char link[32];
	int n;
	EQ(getpid(), syscall(SYS_getpid));
	EQ(getpid(), syscall(SYS_gettid));
	n = OK(readlink("/proc/self", link, sizeof link - 1));
	link[n] = 0;
	EQ(atoi(link), getpid());
}

TEST(getppid_of_a_child_is_the_parent)
{
	pid_t parent = getpid(), pid = fork();
	int status;
	if (pid == 0)
		_exit(getppid() == parent ? 0 : 1);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(unknown_system_call_is_enosys)
{
	ERR(ENOSYS, syscall(2000));
	ERR(ENOSYS, syscall(0x40000000 | SYS_getpid));
}
