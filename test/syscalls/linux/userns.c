/* User namespaces: who may map which ids, and what capabilities in one are good for. user_namespaces(7). */
#include "../test.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define OVERFLOW 65534

/* Becomes an ordinary user whose /proc files are its own, as after exec. */
static void become(unsigned id)
{
	OK(setgroups(0, 0));
	OK(setresgid(id, id, id));
	OK(setresuid(id, id, id));
	OK(prctl(PR_SET_DUMPABLE, 1));
}

/* The result of one write to a file. */
static long put_bytes(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY), e;
	long r;
	if (fd < 0)
		return -1;
	r = write(fd, data, n);
	e = errno;
	close(fd);
	errno = e;
	return r;
}

static long put(const char *path, const char *text)
{
	return put_bytes(path, text, strlen(text));
}

static long put_pid(pid_t pid, const char *name, const char *text)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
	return put(path, text);
}

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

/* An ordinary user in a user namespace of its own in which it is root. */
static void become_root_inside(unsigned id)
{
	char map[32];
	become(id);
	OK(unshare(CLONE_NEWUSER));
	snprintf(map, sizeof map, "0 %u 1", id);
	OK(put("/proc/self/uid_map", map));
	OK(put("/proc/self/setgroups", "deny"));
	OK(put("/proc/self/gid_map", map));
}

static void reap(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

static int go[2], done[2];

static void wait_for(int *p)
{
	char c;
	EQ(read(p[0], &c, 1), 1);
}

static void tell(int *p)
{
	EQ(write(p[1], "x", 1), 1);
}

/* A child in a new user namespace, made by user `id`; it stops until tell(go). */
static pid_t child_in_namespace(unsigned id)
{
	pid_t pid;
	OK(pipe(go));
	OK(pipe(done));
	pid = OK(fork());
	if (pid == 0) {
		if (id)
			become(id);
		OK(unshare(CLONE_NEWUSER));
		tell(done);
		wait_for(go);
		return 0;
	}
	wait_for(done);
	return pid;
}

static uint64_t effective(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	OK(syscall(SYS_capget, &h, d));
	return (uint64_t)d[1].effective << 32 | d[0].effective;
}

TEST(userns_without_maps_shows_overflow_ids)
{
	struct stat st;
	become(1000);
	EQ(effective(), 0);
	OK(unshare(CLONE_NEWUSER));
	EQ(getuid(), OVERFLOW);
	EQ(geteuid(), OVERFLOW);
	EQ(getgid(), OVERFLOW);
	EQ(getegid(), OVERFLOW);
	OK(stat("/proc/self", &st));
	EQ(st.st_uid, OVERFLOW);
	CHECK(strcmp(get("/proc/self/uid_map"), "") == 0);
	CHECK(strcmp(get("/proc/self/gid_map"), "") == 0);
	CHECK(strcmp(get("/proc/self/setgroups"), "allow\n") == 0);
	CHECK(strstr(get("/proc/self/status"), "Uid:\t65534\t65534\t65534\t65534\n"));
	ERR(EINVAL, setuid(0));
	ERR(EINVAL, setuid(1000));
	ERR(EPERM, setgroups(0, 0));
}

TEST(userns_gives_every_capability_inside)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	EQ(effective(), (1ull << 41) - 1);
	CHECK(strstr(get("/proc/self/status"), "CapBnd:\t000001ffffffffff\n"));
	CHECK(strstr(get("/proc/self/status"), "CapInh:\t0000000000000000\n"));
	EQ(OK(prctl(PR_GET_DUMPABLE)), 1);
}

TEST(userns_capabilities_are_lost_at_exec_without_a_map)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	pid_t pid = OK(fork());
	if (pid == 0) {
		execl("/bin/grep", "grep", "-q", "CapEff:.0000000000000000", "/proc/self/status", NULL);
		_exit(9);
	}
	reap(pid);
}

TEST(userns_own_uid_can_be_mapped_once)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	EQ(OK(put("/proc/self/uid_map", "0 1000 1\n")), 9);
	EQ(getuid(), 0);
	CHECK(strcmp(get("/proc/self/uid_map"), "         0       1000          1\n") == 0);
	ERR(EPERM, put("/proc/self/uid_map", "0 1000 1\n"));
	OK(setuid(0));
	ERR(EINVAL, setuid(1));
}

TEST(userns_gid_map_needs_setgroups_denied)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	OK(put("/proc/self/uid_map", "0 1000 1"));
	ERR(EPERM, put("/proc/self/gid_map", "0 1000 1"));
	OK(put("/proc/self/setgroups", "deny\n"));
	CHECK(strcmp(get("/proc/self/setgroups"), "deny\n") == 0);
	ERR(EPERM, put("/proc/self/setgroups", "allow"));
	OK(put("/proc/self/gid_map", "0 1000 1"));
	EQ(getgid(), 0);
	ERR(EPERM, put("/proc/self/setgroups", "deny"));
	ERR(EPERM, setgroups(0, 0));
}

TEST(userns_setgroups_takes_two_words)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	ERR(EINVAL, put("/proc/self/setgroups", "den"));
	ERR(EINVAL, put("/proc/self/setgroups", "deny x"));
	ERR(EINVAL, put("/proc/self/setgroups", "deny    "));
	ERR(EINVAL, put("/proc/self/setgroups", "x"));
	OK(put("/proc/self/setgroups", "allow \n"));
	int fd = OK(open("/proc/self/setgroups", O_RDWR));
	ERR(ESPIPE, pwrite(fd, "deny", 4, 0));
	OK(lseek(fd, 1, SEEK_SET));
	ERR(EINVAL, write(fd, "deny", 4));
	OK(lseek(fd, 0, SEEK_SET));
	OK(write(fd, "deny\n", 5));
}

TEST(userns_map_syntax)
{
	static const char *const bad[] = {"", "\n", "0", "0 1000", "0 1000 ", "x 1000 1", "0 1000 0", "0 1000 1 1",
					  "0 1000 1 x", "-1 1000 1", "4294967295 1000 1", "0 4294967295 1",
					  "1 1000 4294967295", "0 1000 1\n\n", "0 1000 1\n0 1001 1", "0 1000 2\n2 1001 1",
					  "0 1000 2\n1 1002 1", "0,1000,1", 0};
	int i;
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	for (i = 0; bad[i]; i++) {
		errno = 0;
		long r = put("/proc/self/uid_map", bad[i]);
		if (r != -1 || errno != EINVAL)
			FAIL("\"%s\": %ld errno %d", bad[i], r, errno);
	}
	OK(put("/proc/self/uid_map", " \t0 \t 1000\t1 \n"));
	EQ(getuid(), 0);
}

TEST(userns_map_is_one_short_write_at_the_beginning)
{
	char big[4096];
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	memset(big, ' ', sizeof big);
	memcpy(big, "0 1000 1", 8);
	ERR(EINVAL, put_bytes("/proc/self/uid_map", big, sizeof big));
	int fd = OK(open("/proc/self/uid_map", O_RDWR));
	ERR(ESPIPE, pwrite(fd, "0 1000 1", 8, 0));
	OK(put_bytes("/proc/self/uid_map", big, sizeof big - 1));
}

TEST(userns_user_cannot_map_others)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	ERR(EPERM, put("/proc/self/uid_map", "0 1001 1"));
	ERR(EPERM, put("/proc/self/uid_map", "0 0 1"));
	ERR(EPERM, put("/proc/self/uid_map", "0 1000 2"));
	ERR(EPERM, put("/proc/self/uid_map", "0 1000 1\n1 1001 1"));
	OK(put("/proc/self/setgroups", "deny"));
	ERR(EPERM, put("/proc/self/gid_map", "0 0 1"));
	OK(put("/proc/self/gid_map", "7 1000 1"));
	EQ(getgid(), 7);
}

TEST(userns_parent_writes_the_maps)
{
	pid_t pid = child_in_namespace(1000);
	if (pid == 0) {
		EQ(getuid(), 5);
		EQ(getgid(), 6);
		OK(setresuid(0, 0, 0));
		EQ(getuid(), 0);
		OK(setgid(3));
		gid_t g[2] = {3, 9}, back[2];
		OK(setgroups(2, g));
		EQ(OK(getgroups(2, back)), 2);
		EQ(back[1], 9);
		g[0] = 77;
		ERR(EINVAL, setgroups(1, g));
		ERR(EINVAL, setgid(77));
		_exit(0);
	}
	OK(put_pid(pid, "uid_map", "0 995 10"));
	OK(put_pid(pid, "gid_map", "0 994 10"));
	tell(go);
	reap(pid);
}

TEST(userns_map_has_340_lines_at_most)
{
	static char text[16384];
	char path[64];
	int i, n = 0;
	pid_t pid = child_in_namespace(0);
	if (pid == 0)
		_exit(0);
	for (i = 0; i < 340; i++)
		n += sprintf(text + n, "%d %d 1\n", i, i);
	CHECK(n < 4096);
	snprintf(path, sizeof path, "/proc/%d/gid_map", pid);
	sprintf(text + n, "%d %d 1\n", i, i);
	ERR(EINVAL, put(path, text));
	text[n] = 0;
	EQ(OK(put(path, text)), n);
	tell(go);
	reap(pid);
}

TEST(userns_other_users_cannot_write_maps)
{
	pid_t pid = child_in_namespace(1000);
	if (pid == 0)
		_exit(0);
	pid_t other = OK(fork());
	if (other == 0) {
		become(1001);
		ERR(EACCES, put_pid(pid, "uid_map", "0 1001 1"));
		ERR(EACCES, put_pid(pid, "setgroups", "deny"));
		_exit(0);
	}
	reap(other);
	/* Nor can the owner from a namespace that is neither the parent nor the one itself. */
	other = OK(fork());
	if (other == 0) {
		become(1000);
		OK(unshare(CLONE_NEWUSER));
		ERR(EPERM, put_pid(pid, "uid_map", "0 1000 1"));
		_exit(0);
	}
	reap(other);
	tell(go);
	reap(pid);
}

TEST(userns_root_of_the_parent_is_mapped_with_setfcap_only)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	OK(syscall(SYS_capget, &h, d));
	d[0].effective &= ~(1u << CAP_SETFCAP);
	OK(syscall(SYS_capset, &h, d));
	OK(unshare(CLONE_NEWUSER));
	ERR(EPERM, put("/proc/self/uid_map", "0 0 1"));
}

TEST(userns_map_shows_ids_of_the_reader)
{
	char path[64];
	pid_t pid = child_in_namespace(1000);
	if (pid == 0) {
		CHECK(strcmp(get("/proc/self/uid_map"), "         0       1000         10\n") == 0);
		pid_t inner = OK(fork());
		if (inner == 0) {
			OK(unshare(CLONE_NEWUSER));
			OK(put("/proc/self/uid_map", "20 0 1"));
			EQ(getuid(), 20);
			CHECK(strcmp(get("/proc/self/uid_map"), "        20          0          1\n") == 0);
			tell(done);
			wait_for(go);
			_exit(0);
		}
		wait_for(done);
		snprintf(path, sizeof path, "/proc/%d/uid_map", inner);
		CHECK(strcmp(get(path), "        20          0          1\n") == 0);
		EQ(write(done[1], &inner, sizeof inner), sizeof inner);
		reap(inner);
		_exit(0);
	}
	OK(put_pid(pid, "uid_map", "0 1000 10"));
	OK(put_pid(pid, "gid_map", "0 1000 10"));
	tell(go);
	pid_t inner;
	/* The inner child's byte may still be there: it comes first. */
	usleep(200000);
	EQ(read(done[0], &inner, sizeof inner), sizeof inner);
	snprintf(path, sizeof path, "/proc/%d/uid_map", inner);
	CHECK(strcmp(get(path), "        20       1000          1\n") == 0);
	tell(go);
	reap(pid);
}

TEST(userns_nesting_is_limited)
{
	int n = 0;
	for (;;) {
		errno = 0;
		if (unshare(CLONE_NEWUSER) < 0)
			break;
		n++;
		OK(put("/proc/self/uid_map", "0 0 1"));
		OK(put("/proc/self/setgroups", "deny"));
		OK(put("/proc/self/gid_map", "0 0 1"));
	}
	EQ(errno, ENOSPC);
	EQ(n, 33);
}

TEST(userns_creator_must_be_mapped)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	ERR(EPERM, unshare(CLONE_NEWUSER));
	OK(put("/proc/self/uid_map", "0 1000 1"));
	ERR(EPERM, unshare(CLONE_NEWUSER));
	OK(put("/proc/self/setgroups", "deny"));
	OK(put("/proc/self/gid_map", "0 1000 1"));
	OK(unshare(CLONE_NEWUSER));
}

TEST(userns_limit_per_user)
{
	char old[32];
	become_root_inside(1000);
	strcpy(old, get("/proc/sys/user/max_user_namespaces"));
	OK(put("/proc/sys/user/max_user_namespaces", "0"));
	ERR(ENOSPC, unshare(CLONE_NEWUSER));
	OK(put("/proc/sys/user/max_uts_namespaces", "1"));
	OK(unshare(CLONE_NEWUTS));
	/* The old one is gone by the time of a third. */
	pid_t pid = OK(fork());
	if (pid == 0) {
		ERR(ENOSPC, unshare(CLONE_NEWUTS));
		_exit(0);
	}
	reap(pid);
	OK(put("/proc/sys/user/max_uts_namespaces", "2"));
	OK(unshare(CLONE_NEWUTS));
	OK(unshare(CLONE_NEWUTS));
	EQ(atoi(get("/proc/sys/user/max_uts_namespaces")), 2);
	EQ(atoi(old), 0x7fffffff);
}

TEST(userns_not_for_the_chrooted)
{
	OK(mkdir("root", 0755));
	OK(chroot("root"));
	ERR(EPERM, unshare(CLONE_NEWUSER));
	ERR(EPERM, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}

static void *sleeper(void *arg)
{
	pause();
	return arg;
}

TEST(userns_not_for_one_of_many_threads)
{
	pthread_t th;
	OK(-pthread_create(&th, 0, sleeper, 0));
	ERR(EINVAL, unshare(CLONE_NEWUSER));
	ERR(EINVAL, syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
	ERR(EINVAL, syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
}

TEST(userns_clone_makes_a_child_with_capabilities)
{
	become(1000);
	ERR(EPERM, syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0));
	pid_t pid = OK(syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0));
	if (pid == 0) {
		EQ(getuid(), OVERFLOW);
		OK(sethostname("inside", 6));
		_exit(0);
	}
	reap(pid);
	EQ(getuid(), 1000);
	EQ(effective(), 0);
}

TEST(userns_all_kinds_at_once)
{
	char name[65];
	become(1000);
	OK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP));
	OK(sethostname("all", 3));
	OK(gethostname(name, sizeof name));
	CHECK(strcmp(name, "all") == 0);
	pid_t pid = OK(fork());
	if (pid == 0)
		_exit(getpid() == 1 ? 0 : 1);
	reap(pid);
}

TEST(userns_root_rules_only_what_is_inside)
{
	struct rlimit l;
	OK(chmod(".", 0777));
	OK(getrlimit(RLIMIT_NOFILE, &l));
	l.rlim_max++;
	become_root_inside(1000);
	ERR(EPERM, sethostname("x", 1));
	ERR(EPERM, mount("none", "/mnt", "tmpfs", 0, 0));
	ERR(EPERM, setrlimit(RLIMIT_NOFILE, &l));
	ERR(EACCES, setpriority(PRIO_PROCESS, 0, -5));
	ERR(EPERM, mknod("dev", S_IFCHR | 0600, makedev(1, 3)));
	ERR(EPERM, syscall(SYS_swapoff, "/nonexistent"));
	OK(unshare(CLONE_NEWUTS));
	OK(sethostname("x", 1));
}

TEST(userns_root_and_sysctl_files)
{
	ERR(EACCES, access("/proc/sys", W_OK));
	ERR(EACCES, access("/proc/sys/kernel", W_OK));
	OK(access("/proc/sys/kernel/hostname", W_OK));
	become_root_inside(1000);
	ERR(EACCES, access("/proc/sys/kernel/hostname", W_OK));
	ERR(EACCES, open("/proc/sys/kernel/hostname", O_WRONLY));
	ERR(EACCES, open("/proc/sys/kernel/pid_max", O_WRONLY));
	OK(unshare(CLONE_NEWUTS));
	/* The file belongs to root outside whatever the namespace. */
	ERR(EACCES, open("/proc/sys/kernel/hostname", O_WRONLY));
	close(OK(open("/proc/sys/user/max_mnt_namespaces", O_WRONLY)));
}

TEST(userns_root_has_no_power_over_unmapped_files)
{
	struct stat st;
	OK(chmod(".", 0777));
	close(OK(open("root", O_CREAT | O_WRONLY, 0600)));
	close(OK(open("mine", O_CREAT | O_WRONLY, 0)));
	OK(chown("mine", 1000, 1000));
	close(OK(open("half", O_CREAT | O_WRONLY, 0)));
	OK(chown("half", 1000, 0));
	OK(mkdir("dir", 0700));
	become_root_inside(1000);
	ERR(EACCES, open("root", O_RDONLY));
	ERR(EPERM, chmod("root", 0666));
	ERR(EPERM, chown("root", 0, 0));
	ERR(EACCES, open("dir/x", O_CREAT | O_WRONLY, 0600));
	ERR(EACCES, open("dir", O_RDONLY));
	OK(stat("root", &st));
	EQ(st.st_uid, OVERFLOW);
	/* Owner and group are mapped: the capability counts. */
	close(OK(open("mine", O_RDWR)));
	OK(stat("mine", &st));
	EQ(st.st_uid, 0);
	EQ(st.st_gid, 0);
	/* Only the owner is: the permission bits decide, but the owner may change them. */
	ERR(EACCES, open("half", O_RDONLY));
	OK(chmod("half", 0600));
	close(OK(open("half", O_RDWR)));
}

TEST(userns_chown_within_the_map)
{
	struct stat st;
	OK(chmod(".", 0777));
	close(OK(open("f", O_CREAT | O_WRONLY, 0644)));
	OK(chown("f", 1003, 1004));
	pid_t pid = child_in_namespace(1000);
	if (pid == 0) {
		OK(setresgid(0, 0, 0));
		OK(setresuid(0, 0, 0));
		OK(stat("f", &st));
		EQ(st.st_uid, 3);
		EQ(st.st_gid, 4);
		OK(chown("f", 5, 6));
		ERR(EINVAL, chown("f", 10, 0));
		ERR(EINVAL, chown("f", 0, 1000));
		close(OK(open("new", O_CREAT | O_WRONLY, 0644)));
		OK(setfsuid(7) == 0 ? 0 : -1);
		close(OK(open("g", O_CREAT | O_WRONLY, 0644)));
		_exit(0);
	}
	OK(put_pid(pid, "uid_map", "0 1000 10"));
	OK(put_pid(pid, "gid_map", "0 1000 10"));
	tell(go);
	reap(pid);
	OK(stat("f", &st));
	EQ(st.st_uid, 1005);
	EQ(st.st_gid, 1006);
	OK(stat("new", &st));
	EQ(st.st_uid, 1000);
	OK(stat("g", &st));
	EQ(st.st_uid, 1007);
}

TEST(userns_sticky_directories)
{
	OK(mkdir("t", 0777));
	OK(chmod("t", 01777));
	close(OK(open("t/root", O_CREAT | O_WRONLY, 0666)));
	close(OK(open("t/other", O_CREAT | O_WRONLY, 0666)));
	OK(chown("t/other", 1001, 1001));
	OK(chmod(".", 0755));
	pid_t pid = child_in_namespace(1000);
	if (pid == 0) {
		OK(setresuid(0, 0, 0));
		ERR(EPERM, unlink("t/root"));
		OK(unlink("t/other"));
		_exit(0);
	}
	OK(put_pid(pid, "uid_map", "0 1000 10"));
	OK(put_pid(pid, "gid_map", "0 1000 10"));
	tell(go);
	reap(pid);
}

TEST(userns_signals_need_the_capability_over_the_target)
{
	pid_t victim = OK(fork());
	if (victim == 0) {
		pause();
		_exit(0);
	}
	pid_t pid = OK(fork());
	if (pid == 0) {
		become_root_inside(1000);
		ERR(EPERM, kill(victim, 0));
		ERR(EPERM, kill(1, 0));
		/* Its own user's processes are not protected from it. */
		pid_t mine = OK(fork());
		if (mine == 0)
			pause();
		OK(kill(mine, SIGKILL));
		waitpid(mine, 0, 0);
		_exit(0);
	}
	reap(pid);
	kill(victim, SIGKILL);
	waitpid(victim, 0, 0);
}

TEST(userns_owner_has_capabilities_inside_from_outside)
{
	char path[64];
	pid_t pid = child_in_namespace(1000);
	if (pid == 0)
		_exit(0);
	OK(put_pid(pid, "uid_map", "0 1000 10"));
	pid_t other = OK(fork());
	if (other == 0) {
		become(1000);
		/* CAP_SYS_PTRACE over it. */
		snprintf(path, sizeof path, "/proc/%d/environ", pid);
		close(OK(open(path, O_RDONLY)));
		_exit(0);
	}
	reap(other);
	other = OK(fork());
	if (other == 0) {
		become(1001);
		snprintf(path, sizeof path, "/proc/%d/environ", pid);
		ERR(EACCES, open(path, O_RDONLY));
		_exit(0);
	}
	reap(other);
	tell(go);
	reap(pid);
}

TEST(userns_inside_cannot_inspect_outside)
{
	char path[64];
	become(1000);
	pid_t outside = OK(fork());
	if (outside == 0) {
		pause();
		_exit(0);
	}
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(unshare(CLONE_NEWUSER));
		OK(put("/proc/self/uid_map", "0 1000 1"));
		snprintf(path, sizeof path, "/proc/%d/environ", outside);
		ERR(EACCES, open(path, O_RDONLY));
		snprintf(path, sizeof path, "/proc/%d/ns/user", outside);
		ERR(EACCES, open(path, O_RDONLY));
		_exit(0);
	}
	reap(pid);
	kill(outside, SIGKILL);
	waitpid(outside, 0, 0);
}

TEST(userns_resets_securebits)
{
	OK(prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_KEEP_CAPS | SECBIT_NO_SETUID_FIXUP));
	OK(unshare(CLONE_NEWUSER));
	EQ(OK(prctl(PR_GET_SECUREBITS)), 0);
	EQ(OK(prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN)), 1);
}

static void copy(const char *from, const char *to)
{
	char cmd[200];
	snprintf(cmd, sizeof cmd, "cp %s %s", from, to);
	EQ(system(cmd), 0);
}

/* What ./id says the effective user is, run by a child. */
static int effective_of_id(void (*prepare)(unsigned), unsigned arg)
{
	int p[2], status;
	char buf[32];
	OK(pipe(p));
	pid_t pid = OK(fork());
	if (pid == 0) {
		prepare(arg);
		dup2(p[1], 1);
		execl("./id", "id", "-u", NULL);
		_exit(9);
	}
	close(p[1]);
	int n = OK(read(p[0], buf, sizeof buf - 1));
	buf[n] = 0;
	close(p[0]);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	return atoi(buf);
}

TEST(userns_set_user_id_counts_for_mapped_owners_only)
{
	OK(chmod(".", 0755));
	copy("/usr/bin/id", "id");
	OK(chmod("id", 04755));
	EQ(effective_of_id(become, 1000), 0);
	/* Root is not mapped: the bit is ignored. */
	EQ(effective_of_id(become_root_inside, 1000), 0);
	OK(chown("id", 1001, 1001));
	OK(chmod("id", 04755));
	EQ(effective_of_id(become, 1000), 1001);
	EQ(effective_of_id(become_root_inside, 1000), 0);
}

TEST(userns_unreadable_programs_stay_unreadable)
{
	char path[64], buf[16];
	int i;
	OK(chmod(".", 0755));
	copy("/bin/sleep", "secret");
	OK(chmod("secret", 0711));
	copy("/bin/sleep", "open");
	become_root_inside(1000);
	for (i = 0; i < 2; i++) {
		int hidden = i == 0, p[2];
		OK(pipe2(p, O_CLOEXEC));
		pid_t pid = OK(fork());
		if (pid == 0) {
			execl(hidden ? "./secret" : "./open", "sleep", "9", NULL);
			_exit(9);
		}
		close(p[1]);
		EQ(read(p[0], buf, 1), 0);
		static const char *const names[] = {"environ", "maps", "mem", "auxv", 0};
		int k;
		for (k = 0; names[k]; k++) {
			snprintf(path, sizeof path, "/proc/%d/%s", pid, names[k]);
			if (hidden)
				ERR(EACCES, open(path, O_RDONLY));
			else
				close(OK(open(path, O_RDONLY)));
		}
		snprintf(path, sizeof path, "/proc/%d/exe", pid);
		if (hidden)
			ERR(EACCES, open(path, O_RDONLY));
		else
			close(OK(open(path, O_RDONLY)));
		kill(pid, SIGKILL);
		waitpid(pid, 0, 0);
	}
}

TEST(userns_file_capabilities_belong_to_the_namespace)
{
	struct vfs_ns_cap_data v3 = {0};
	struct vfs_cap_data v2 = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};
	v2.data[0].permitted = 1 << CAP_NET_RAW;
	OK(chmod(".", 0777));
	close(OK(open("mine", O_CREAT | O_WRONLY, 0755)));
	OK(chown("mine", 1000, 1000));
	close(OK(open("root", O_CREAT | O_WRONLY, 0755)));
	OK(setxattr("root", "security.capability", &v2, sizeof v2, 0));
	pid_t pid = OK(fork());
	if (pid == 0) {
		become(1000);
		ERR(EPERM, setxattr("mine", "security.capability", &v2, sizeof v2, 0));
		OK(unshare(CLONE_NEWUSER));
		ERR(EPERM, setxattr("mine", "security.capability", &v2, sizeof v2, 0));
		OK(put("/proc/self/uid_map", "0 1000 1"));
		OK(put("/proc/self/setgroups", "deny"));
		OK(put("/proc/self/gid_map", "0 1000 1"));
		ERR(EPERM, setxattr("root", "security.capability", &v2, sizeof v2, 0));
		ERR(EPERM, removexattr("root", "security.capability"));
		ERR(EPERM, setxattr("mine", "trusted.x", "1", 1, 0));
		ERR(EPERM, setxattr("mine", "security.x", "1", 1, 0));
		ERR(EINVAL, setxattr("mine", "security.capability", &v2, sizeof v2 - 1, 0));
		OK(setxattr("mine", "security.capability", &v2, sizeof v2, 0));
		/* Inside it looks like version 2. */
		EQ(OK(getxattr("mine", "security.capability", &v3, sizeof v3)), sizeof v2);
		EQ(v3.magic_etc, v2.magic_etc);
		EQ(OK(getxattr("root", "security.capability", &v3, sizeof v3)), sizeof v2);
		_exit(0);
	}
	reap(pid);
	EQ(OK(getxattr("mine", "security.capability", &v3, sizeof v3)), sizeof v3);
	EQ(v3.magic_etc, VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE);
	EQ(v3.rootid, 1000);
	EQ(v3.data[0].permitted, 1 << CAP_NET_RAW);
	/* Namespaces of other users have nothing to do with it. */
	pid = OK(fork());
	if (pid == 0) {
		become_root_inside(1002);
		ERR(EOVERFLOW, getxattr("mine", "security.capability", &v3, sizeof v3));
		_exit(0);
	}
	reap(pid);
}

TEST(userns_peer_credentials_are_translated)
{
	struct ucred c;
	socklen_t len = sizeof c;
	int sv[2];
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	become_root_inside(1000);
	OK(getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &c, &len));
	EQ(c.uid, OVERFLOW);
	EQ(c.gid, OVERFLOW);
	OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	OK(getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &c, &len));
	EQ(c.uid, 0);
	EQ(c.gid, 0);
}

TEST(userns_sender_of_a_signal_is_translated)
{
	siginfo_t si;
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	OK(sigprocmask(SIG_BLOCK, &set, 0));
	OK(pipe(go));
	pid_t pid = OK(fork());
	if (pid == 0) {
		become_root_inside(1000);
		tell(go);
		OK(sigwaitinfo(&set, &si));
		EQ(si.si_uid, OVERFLOW);
		_exit(0);
	}
	wait_for(go);
	OK(kill(pid, SIGUSR1));
	reap(pid);
}

TEST(userns_dropped_capabilities_stay_dropped)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{0}};
	become_root_inside(1000);
	OK(prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN));
	OK(syscall(SYS_capset, &h, d));
	ERR(EPERM, unshare(CLONE_NEWUTS));
	d[0].effective = d[0].permitted = 1 << CAP_SETUID;
	ERR(EPERM, syscall(SYS_capset, &h, d));
	/* A namespace below gives new ones. */
	OK(unshare(CLONE_NEWUSER));
	OK(unshare(CLONE_NEWUTS));
}
