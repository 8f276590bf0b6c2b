/* unshare(2) and clone(2) with IPC, network, cgroup, UTS and PID namespaces. */
#include "../test.h"
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>

#define KEY 0x6e734b31

static void become(unsigned id)
{
	OK(setgroups(0, 0));
	OK(setresgid(id, id, id));
	OK(setresuid(id, id, id));
	OK(prctl(PR_SET_DUMPABLE, 1));
}

static void reap(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

static ino_t ns(const char *name)
{
	char path[64];
	struct stat st;
	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	OK(stat(path, &st));
	return st.st_ino;
}

/* The text of a file. */
static const char *get(const char *path)
{
	static char buf[65536];
	int fd = OK(open(path, O_RDONLY)), n = 0, r;
	while ((r = OK(read(fd, buf + n, sizeof buf - 1 - n))) > 0)
		n += r;
	buf[n] = 0;
	close(fd);
	return buf;
}

TEST(unshare_flags)
{
	int i;
	static const long bad[] = {1, CLONE_PIDFD, CLONE_PTRACE, CLONE_VFORK, CLONE_PARENT, CLONE_SETTLS, CLONE_CHILD_SETTID, 0x100000000, -1, 0};
	for (i = 0; bad[i]; i++)
		ERR(EINVAL, syscall(SYS_unshare, bad[i]));
	OK(unshare(0));
	OK(unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM));
	OK(unshare(CLONE_THREAD | CLONE_SIGHAND | CLONE_VM));
}

static void *thread(void *arg)
{
	pause();
	return arg;
}

TEST(unshare_with_threads)
{
	pthread_t th;
	OK(-pthread_create(&th, 0, thread, 0));
	ERR(EINVAL, unshare(CLONE_THREAD));
	ERR(EINVAL, unshare(CLONE_SIGHAND));
	ERR(EINVAL, unshare(CLONE_VM));
	ERR(EINVAL, unshare(CLONE_NEWUSER));
	OK(unshare(CLONE_NEWUTS));
	OK(unshare(CLONE_NEWNS));
}

static void *other_thread(void *arg)
{
	*(ino_t *)arg = ns("uts");
	struct stat st;
	char path[64];
	snprintf(path, sizeof path, "/proc/self/task/%ld/ns/uts", syscall(SYS_gettid));
	OK(stat(path, &st));
	*(ino_t *)arg = st.st_ino;
	return 0;
}

TEST(unshare_is_for_one_thread)
{
	pthread_t th;
	ino_t before = ns("uts"), seen = 0;
	OK(-pthread_create(&th, 0, other_thread, &seen));
	pthread_join(th, 0);
	EQ(seen, before);
	OK(unshare(CLONE_NEWUTS));
	CHECK(ns("uts") != before);
	/* A new thread is where its maker is. */
	OK(-pthread_create(&th, 0, other_thread, &seen));
	pthread_join(th, 0);
	EQ(seen, ns("uts"));
}

TEST(unshare_needs_privilege)
{
	static const int flags[] = {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};
	int i;
	become(1000);
	for (i = 0; i < 6; i++) {
		ERR(EPERM, unshare(flags[i]));
		ERR(EPERM, syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0));
	}
	OK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC));
}

TEST(unshare_changes_only_what_is_asked_for)
{
	static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "user", "uts", 0};
	static const int flags[] = {CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWUTS};
	ino_t before[6];
	int i, k;
	for (i = 0; names[i]; i++) {
		for (k = 0; names[k]; k++)
			before[k] = ns(names[k]);
		OK(unshare(flags[i]));
		for (k = 0; names[k]; k++)
			EQ(ns(names[k]) != before[k], k == i);
		if (flags[i] == CLONE_NEWUSER)
			break;
	}
}

TEST(clone_flags_that_do_not_go_together)
{
	ERR(EINVAL, syscall(SYS_clone, CLONE_NEWIPC | CLONE_SYSVSEM | SIGCHLD, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_NEWPID | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
}

TEST(clone_makes_them_for_the_child)
{
	ino_t uts = ns("uts"), ipc = ns("ipc"), net = ns("net"), cgroup = ns("cgroup"), mnt = ns("mnt");
	pid_t pid = OK(syscall(SYS_clone, CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
	if (pid == 0) {
		EQ(syscall(SYS_getpid), 1);
		EQ(getppid(), 0);
		OK(mount("proc", "/proc", "proc", 0, 0));
		CHECK(ns("uts") != uts && ns("ipc") != ipc && ns("net") != net && ns("cgroup") != cgroup && ns("mnt") != mnt);
		_exit(0);
	}
	reap(pid);
	EQ(ns("uts"), uts);
	EQ(ns("mnt"), mnt);
}

TEST(pid_namespaces_nest_32_deep)
{
	int depth = 0, p[2];
	OK(pipe(p));
	for (;;) {
		errno = 0;
		if (unshare(CLONE_NEWPID) < 0)
			break;
		depth++;
		pid_t pid = OK(fork());
		if (pid) {
			reap(pid);
			_exit(0);
		}
		EQ(getpid(), 1);
	}
	EQ(errno, ENOSPC);
	EQ(depth, 32);
	_exit(0);
}

TEST(pid_namespace_of_children_is_unshared_once)
{
	OK(unshare(CLONE_NEWPID));
	ERR(EINVAL, unshare(CLONE_NEWPID));
	ERR(EINVAL, syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
}

static void put(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY));
	EQ(OK(write(fd, text, strlen(text))), (long)strlen(text));
	close(fd);
}

TEST_TIMEOUT(namespaces_end_with_their_tasks, 60)
{
	static const char *const kinds[] = {"user", "pid", "uts", "ipc", "net", "mnt", "cgroup", 0};
	int all = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWCGROUP;
	int i, tries;
	OK(unshare(CLONE_NEWUSER));
	put("/proc/self/uid_map", "0 0 1");
	put("/proc/self/setgroups", "deny");
	put("/proc/self/gid_map", "0 0 1");
	for (i = 0; kinds[i]; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/sys/user/max_%s_namespaces", kinds[i]);
		put(path, "2\n");
	}
	/* Only two of each may be alive: those of earlier rounds must go. Linux takes a moment for some. */
	for (i = 0; i < 12; i++) {
		pid_t pid = OK(fork());
		if (pid == 0) {
			for (tries = 0; unshare(all) < 0; tries++) {
				if (errno != ENOSPC || tries > 2000)
					FAIL("round %d: errno %d", i, errno);
				usleep(1000);
			}
			pid_t init = OK(fork());
			if (init == 0)
				_exit(0);
			reap(init);
			/* A descriptor holds one until it is closed at the end. */
			OK(open("/proc/self/ns/mnt", O_RDONLY));
			_exit(0);
		}
		reap(pid);
	}
}

TEST(ipc_objects_are_of_one_namespace)
{
	int q = OK(msgget(KEY, IPC_CREAT | 0600));
	int s = OK(semget(KEY, 2, IPC_CREAT | 0600));
	int m = OK(shmget(KEY, 4096, IPC_CREAT | 0600));
	pid_t pid = OK(fork());
	if (pid == 0) {
		struct msqid_ds ds;
		OK(unshare(CLONE_NEWIPC));
		ERR(ENOENT, msgget(KEY, 0600));
		ERR(ENOENT, semget(KEY, 2, 0600));
		ERR(ENOENT, shmget(KEY, 4096, 0600));
		ERR(EINVAL, msgctl(q, IPC_STAT, &ds));
		ERR(EINVAL, shmat(m, 0, 0) == (void *)-1 ? -1 : 0);
		/* The same keys name others here. */
		OK(msgget(KEY, IPC_CREAT | IPC_EXCL | 0600));
		OK(semget(KEY, 5, IPC_CREAT | IPC_EXCL | 0600));
		OK(shmget(KEY, 8192, IPC_CREAT | IPC_EXCL | 0600));
		_exit(0);
	}
	reap(pid);
	EQ(OK(msgget(KEY, 0)), q);
	struct shmid_ds sd;
	OK(shmctl(m, IPC_STAT, &sd));
	EQ(sd.shm_segsz, 4096);
	OK(msgctl(q, IPC_RMID, 0));
	OK(semctl(s, 0, IPC_RMID));
	OK(shmctl(m, IPC_RMID, 0));
}

TEST(ipc_segments_outlive_their_namespace_while_mapped)
{
	int p[2];
	OK(pipe(p));
	OK(unshare(CLONE_NEWIPC));
	int m = OK(shmget(IPC_PRIVATE, 4096, 0600));
	char *mem = OK(shmat(m, 0, 0));
	strcpy(mem, "kept");
	OK(unshare(CLONE_NEWIPC));
	ERR(EINVAL, shmctl(m, IPC_RMID, 0));
	CHECK(strcmp(mem, "kept") == 0);
	pid_t pid = OK(fork());
	if (pid == 0) {
		strcpy(mem, "child");
		_exit(0);
	}
	reap(pid);
	CHECK(strcmp(mem, "child") == 0);
	OK(shmdt(mem));
}

TEST(ipc_undo_happens_when_the_namespace_is_left)
{
	struct sembuf up = {0, 3, SEM_UNDO};
	int s = OK(semget(IPC_PRIVATE, 1, 0600));
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(semop(s, &up, 1));
		EQ(OK(semctl(s, 0, GETVAL)), 3);
		OK(unshare(CLONE_NEWIPC));
		pause();
	}
	int i;
	for (i = 0; i < 100 && (usleep(10000), semctl(s, 0, GETZCNT)) == 0; i++)
		if (semctl(s, 0, GETVAL) == 0 && semctl(s, 0, GETPID) == pid)
			break;
	EQ(OK(semctl(s, 0, GETVAL)), 0);
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
	OK(semctl(s, 0, IPC_RMID));
}

static int abstract(const char *name, int type, int server)
{
	struct sockaddr_un a = {AF_UNIX};
	int fd = OK(socket(AF_UNIX, type, 0));
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
	strcpy(a.sun_path + 1, name);
	if (server)
		return bind(fd, (void *)&a, len) || listen(fd, 5) ? -1 : fd;
	return connect(fd, (void *)&a, len) ? -1 : fd;
}

TEST(net_abstract_names_are_of_one_namespace)
{
	OK(abstract("runsc-ns-test", SOCK_STREAM, 1));
	OK(abstract("runsc-ns-test", SOCK_STREAM, 0));
	ERR(EADDRINUSE, abstract("runsc-ns-test", SOCK_STREAM, 1));
	OK(unshare(CLONE_NEWNET));
	ERR(ECONNREFUSED, abstract("runsc-ns-test", SOCK_STREAM, 0));
	OK(abstract("runsc-ns-test", SOCK_STREAM, 1));
	OK(abstract("runsc-ns-test", SOCK_STREAM, 0));
}

TEST(net_sockets_with_paths_are_reached_across)
{
	struct sockaddr_un a = {AF_UNIX, "sock"};
	int s = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(bind(s, (void *)&a, sizeof a));
	OK(listen(s, 5));
	OK(unshare(CLONE_NEWNET));
	int c = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	OK(connect(c, (void *)&a, sizeof a));
}

TEST(net_proc_shows_the_own_namespace)
{
	OK(abstract("runsc-ns-seen", SOCK_STREAM, 1));
	CHECK(strstr(get("/proc/net/unix"), "@runsc-ns-seen"));
	pid_t outside = OK(fork());
	if (outside == 0) {
		pause();
		_exit(0);
	}
	OK(unshare(CLONE_NEWNET));
	CHECK(!strstr(get("/proc/net/unix"), "@runsc-ns-seen"));
	CHECK(!strstr(get("/proc/self/net/unix"), "@"));
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/net/unix", outside);
	CHECK(strstr(get(path), "@runsc-ns-seen"));
	CHECK(strstr(get("/proc/net/dev"), "    lo: "));
	kill(outside, SIGKILL);
}

TEST(uts_names_are_copied)
{
	char name[65];
	OK(unshare(CLONE_NEWUTS));
	OK(sethostname("one", 3));
	OK(setdomainname("dom", 3));
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(unshare(CLONE_NEWUTS));
		OK(gethostname(name, sizeof name));
		CHECK(strcmp(name, "one") == 0);
		OK(sethostname("two", 3));
		CHECK(strcmp(get("/proc/sys/kernel/hostname"), "two\n") == 0);
		CHECK(strcmp(get("/proc/sys/kernel/domainname"), "dom\n") == 0);
		_exit(0);
	}
	reap(pid);
	OK(gethostname(name, sizeof name));
	CHECK(strcmp(name, "one") == 0);
}
