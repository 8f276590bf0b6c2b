/* Scheduling: affinity, nice values, policies. */
#include "../test.h"
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/resource.h>

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void end(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	EQ(status_of(pid), SIGKILL);
}

TEST(affinity_can_be_read_and_narrowed)
{
	unsigned long mask[128] = {0}, one[128] = {0};
	long n = OK(syscall(SYS_sched_getaffinity, 0, sizeof mask, mask));
	CHECK(n >= 8 && n % 8 == 0);
	int cpus = 0, first = -1;
	for (int i = 0; i < 8192; i++)
		if (mask[i / 64] >> (i % 64) & 1) {
			if (first < 0)
				first = i;
			cpus++;
		}
	CHECK(cpus >= 1);
	EQ(sysconf(_SC_NPROCESSORS_ONLN) >= cpus, 1);
	one[first / 64] = 1ul << (first % 64);
	OK(syscall(SYS_sched_setaffinity, 0, sizeof one, one));
	memset(mask, 0, sizeof mask);
	OK(syscall(SYS_sched_getaffinity, 0, sizeof mask, mask));
	EQ(memcmp(mask, one, sizeof mask), 0);
	EQ(sched_getcpu(), first);
	unsigned cpu, node;
	OK(syscall(SYS_getcpu, &cpu, &node, 0));
	EQ(cpu, first);
	/* A child has it too. */
	pid_t pid = fork();
	if (pid == 0) {
		memset(mask, 0, sizeof mask);
		OK(syscall(SYS_sched_getaffinity, 0, sizeof mask, mask));
		_exit(memcmp(mask, one, sizeof mask) != 0);
	}
	EQ(status_of(pid), 0);
}

TEST(affinity_errors)
{
	unsigned long mask[128] = {0};
	ERR(EINVAL, syscall(SYS_sched_setaffinity, 0, sizeof mask, mask));
	ERR(EINVAL, syscall(SYS_sched_getaffinity, 0, 0, mask));
	ERR(EINVAL, syscall(SYS_sched_getaffinity, 0, 9, mask));
	ERR(ESRCH, syscall(SYS_sched_getaffinity, 99999999, sizeof mask, mask));
	ERR(ESRCH, syscall(SYS_sched_setaffinity, 99999999, sizeof mask, memset(mask, 255, sizeof mask)));
	ERR(EFAULT, syscall(SYS_sched_getaffinity, 0, sizeof mask, 8));
	ERR(EFAULT, syscall(SYS_sched_setaffinity, 0, sizeof mask, 8));
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		OK(syscall(SYS_sched_getaffinity, parent, sizeof mask, mask));
		ERR(EPERM, syscall(SYS_sched_setaffinity, parent, sizeof mask, mask));
		OK(syscall(SYS_sched_setaffinity, 0, sizeof mask, mask));
		_exit(0);
	}
	EQ(status_of(pid), 0);
}

TEST(nice_values)
{
	errno = 0;
	EQ(getpriority(PRIO_PROCESS, 0), 0);
	/* The kernel answers 20 - nice, so that no answer looks like an error. */
	EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 20);
	OK(setpriority(PRIO_PROCESS, 0, 5));
	EQ(getpriority(PRIO_PROCESS, 0), 5);
	EQ(nice(3), 8);
	OK(setpriority(PRIO_PROCESS, 0, 100));
	EQ(getpriority(PRIO_PROCESS, 0), 19);
	pid_t pid = fork();
	if (pid == 0)
		_exit(getpriority(PRIO_PROCESS, 0));
	EQ(status_of(pid), 19 << 8);
}

TEST(priorities_of_groups_and_users)
{
	pid_t pid = sleeper();
	OK(setpgid(pid, pid));
	OK(setpriority(PRIO_PGRP, pid, 7));
	EQ(getpriority(PRIO_PROCESS, pid), 7);
	EQ(getpriority(PRIO_PGRP, pid), 7);
	EQ(getpriority(PRIO_PROCESS, 0), 0);
	end(pid);
	ERR(EINVAL, getpriority(99, 0));
	ERR(EINVAL, setpriority(99, 0, 0));
	ERR(ESRCH, getpriority(PRIO_PROCESS, 99999999));
	ERR(ESRCH, setpriority(PRIO_PROCESS, 99999999, 0));
	ERR(ESRCH, getpriority(PRIO_PGRP, 99999999));
	ERR(ESRCH, getpriority(PRIO_USER, 99999999));
	EQ(getpriority(PRIO_USER, 0) <= 0, 1);
}

TEST(priority_permissions)
{
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		ERR(EPERM, setpriority(PRIO_PROCESS, parent, 5));
		EQ(getpriority(PRIO_PROCESS, parent), 0);
		OK(setpriority(PRIO_PROCESS, 0, 5));
		_exit(0);
	}
	EQ(status_of(pid), 0);
}

TEST(policy_is_other_by_default)
{
	struct sched_param p = {9};
	struct timespec ts;
	EQ(sched_getscheduler(0), SCHED_OTHER);
	OK(sched_getparam(0, &p));
	EQ(p.sched_priority, 0);
	OK(sched_setscheduler(0, SCHED_OTHER, &p));
	OK(sched_setparam(0, &p));
	OK(sched_rr_get_interval(0, &ts));
	CHECK(ts.tv_sec == 0 && ts.tv_nsec >= 0);
	OK(sched_yield());
}

TEST(batch_and_idle_need_no_privilege)
{
	struct sched_param p = {0};
	OK(setresuid(65534, 65534, 65534));
	OK(sched_setscheduler(0, SCHED_BATCH, &p));
	EQ(sched_getscheduler(0), SCHED_BATCH);
	OK(sched_setscheduler(0, SCHED_IDLE, &p));
	EQ(sched_getscheduler(0), SCHED_IDLE);
	pid_t pid = fork();
	if (pid == 0)
		_exit(sched_getscheduler(0));
	EQ(status_of(pid), SCHED_IDLE << 8);
}

TEST(reset_on_fork)
{
	struct sched_param p = {0};
	OK(setpriority(PRIO_PROCESS, 0, 5));
	OK(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &p));
	EQ(sched_getscheduler(0), SCHED_BATCH | SCHED_RESET_ON_FORK);
	pid_t pid = fork();
	if (pid == 0)
		_exit(sched_getscheduler(0));
	EQ(status_of(pid) & ~(SCHED_BATCH << 8), 0);
}

TEST(real_time_needs_privilege)
{
	struct sched_param p = {1};
	struct rlimit zero = {0, 0};
	OK(setrlimit(RLIMIT_RTPRIO, &zero));
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, sched_setscheduler(0, SCHED_FIFO, &p));
	ERR(EPERM, sched_setscheduler(0, SCHED_RR, &p));
}

TEST(scheduler_errors)
{
	struct sched_param p = {0}, one = {1}, big = {100};
	struct timespec ts;
	ERR(EINVAL, sched_setscheduler(0, 99, &p));
	ERR(EINVAL, sched_setscheduler(0, SCHED_OTHER, &one));
	ERR(EINVAL, sched_setscheduler(0, SCHED_FIFO, &p));
	ERR(EINVAL, sched_setscheduler(0, SCHED_FIFO, &big));
	ERR(EINVAL, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 0));
	ERR(EFAULT, syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, 8));
	ERR(ESRCH, sched_setscheduler(99999999, SCHED_OTHER, &p));
	ERR(EINVAL, sched_setscheduler(-1, SCHED_OTHER, &p));
	ERR(ESRCH, sched_getscheduler(99999999));
	ERR(EINVAL, sched_getscheduler(-1));
	ERR(ESRCH, sched_getparam(99999999, &p));
	ERR(EINVAL, sched_getparam(-1, &p));
	ERR(EINVAL, syscall(SYS_sched_getparam, 0, 0));
	ERR(EFAULT, syscall(SYS_sched_getparam, 0, 8));
	ERR(ESRCH, sched_rr_get_interval(99999999, &ts));
	ERR(EINVAL, sched_rr_get_interval(-1, &ts));
	ERR(EFAULT, syscall(SYS_sched_rr_get_interval, 0, 8));
}

TEST(priority_ranges)
{
	EQ(sched_get_priority_min(SCHED_OTHER), 0);
	EQ(sched_get_priority_max(SCHED_OTHER), 0);
	EQ(sched_get_priority_min(SCHED_FIFO), 1);
	EQ(sched_get_priority_max(SCHED_FIFO), 99);
	EQ(sched_get_priority_max(SCHED_RR), 99);
	EQ(sched_get_priority_max(SCHED_IDLE), 0);
	ERR(EINVAL, sched_get_priority_min(99));
	ERR(EINVAL, sched_get_priority_max(-1));
}

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
	uint32_t util_min, util_max;
};

TEST(sched_attributes)
{
	struct attr a = {0};
	OK(setpriority(PRIO_PROCESS, 0, 4));
	OK(syscall(SYS_sched_getattr, 0, &a, 48, 0));
	EQ(a.size, 48);
	EQ(a.policy, SCHED_OTHER);
	EQ(a.nice, 4);
	a.nice = 6;
	a.policy = SCHED_BATCH;
	OK(syscall(SYS_sched_setattr, 0, &a, 0));
	EQ(sched_getscheduler(0), SCHED_BATCH);
	EQ(getpriority(PRIO_PROCESS, 0), 6);
	ERR(EINVAL, syscall(SYS_sched_getattr, 0, &a, 40, 0));
	ERR(EINVAL, syscall(SYS_sched_getattr, 0, &a, 48, 1));
	ERR(EINVAL, syscall(SYS_sched_getattr, 0, 0, 48, 0));
	ERR(ESRCH, syscall(SYS_sched_getattr, 99999999, &a, 48, 0));
	ERR(EINVAL, syscall(SYS_sched_setattr, 0, &a, 1));
	a.size = 40;
	ERR(E2BIG, syscall(SYS_sched_setattr, 0, &a, 0));
	EQ(a.size, sizeof a);
	a.policy = 99;
	ERR(EINVAL, syscall(SYS_sched_setattr, 0, &a, 0));
}

TEST(io_priorities)
{
	EQ(OK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3)), 0);
	EQ(OK(syscall(SYS_ioprio_get, 1, 0)), 2 << 13 | 3);
	ERR(EINVAL, syscall(SYS_ioprio_set, 1, 0, 5 << 13));
	ERR(EINVAL, syscall(SYS_ioprio_set, 9, 0, 2 << 13));
	ERR(ESRCH, syscall(SYS_ioprio_get, 1, 99999999));
}
