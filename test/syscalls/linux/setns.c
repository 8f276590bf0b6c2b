/* setns(2), and namespaces as files: nsfs, /proc/[pid]/ns, ioctl_nsfs(2). */
#include "../test.h"
#include <grp.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#ifndef NS_GET_TGID_IN_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(NSIO, 0x6, int)
#define NS_GET_TGID_FROM_PIDNS _IOR(NSIO, 0x7, int)
#define NS_GET_PID_IN_PIDNS _IOR(NSIO, 0x8, int)
#define NS_GET_TGID_IN_PIDNS _IOR(NSIO, 0x9, int)
#endif

static const struct {
	const char *name;
	int flag;
} kinds[] = {
	{"cgroup", CLONE_NEWCGROUP}, {"ipc", CLONE_NEWIPC}, {"mnt", CLONE_NEWNS}, {"net", CLONE_NEWNET},
	{"pid", CLONE_NEWPID},	     {"user", CLONE_NEWUSER}, {"uts", CLONE_NEWUTS},
};
#define KINDS (int)(sizeof kinds / sizeof kinds[0])

static void become(unsigned id)
{
	OK(setgroups(0, 0));
	OK(setresgid(id, id, id));
	OK(setresuid(id, id, id));
	OK(prctl(PR_SET_DUMPABLE, 1));
}

static long put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), e;
	long r;
	if (fd < 0)
		return -1;
	r = write(fd, text, strlen(text));
	e = errno;
	close(fd);
	errno = e;
	return r;
}

static int ns_of(pid_t pid, const char *name)
{
	char path[64];
	if (pid == 0)
		snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	else
		snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static ino_t ino_of(int fd)
{
	struct stat st;
	OK(fstat(fd, &st));
	return st.st_ino;
}

static ino_t own(const char *name)
{
	int fd = OK(ns_of(0, name));
	ino_t i = ino_of(fd);
	close(fd);
	return i;
}

static void reap(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

/* A child that unshared and then sleeps until it is killed. */
static pid_t sleeper_in(int flags)
{
	int p[2];
	char c;
	OK(pipe(p));
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(unshare(flags));
		if (flags & CLONE_NEWUTS)
			OK(sethostname("sleeper", 7));
		EQ(write(p[1], "x", 1), 1);
		close(p[1]);
		pause();
		_exit(0);
	}
	close(p[1]);
	EQ(read(p[0], &c, 1), 1);
	close(p[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
}

static int hostname_is(const char *want)
{
	char name[65];
	OK(gethostname(name, sizeof name));
	return strcmp(name, want) == 0;
}

TEST(nsfs_link_and_inode_agree)
{
	char path[64], link[64], want[64];
	struct stat st;
	int i;
	for (i = 0; i < KINDS; i++) {
		snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i].name);
		int n = OK(readlink(path, link, sizeof link - 1));
		link[n] = 0;
		OK(stat(path, &st));
		snprintf(want, sizeof want, "%s:[%lu]", kinds[i].name, (unsigned long)st.st_ino);
		if (strcmp(link, want))
			FAIL("%s is not %s", link, want);
		EQ(st.st_mode, S_IFREG | 0444);
		EQ(st.st_uid, 0);
		EQ(st.st_size, 0);
		OK(lstat(path, &st));
		EQ(st.st_mode, S_IFLNK | 0777);
		EQ(st.st_size, 0);
	}
}

TEST(nsfs_files_can_only_be_opened_for_reading)
{
	struct statfs fs;
	char link[64], path[64];
	int fd = OK(open("/proc/self/ns/net", O_RDONLY));
	ERR(EPERM, open("/proc/self/ns/net", O_WRONLY));
	ERR(EPERM, open("/proc/self/ns/net", O_RDWR));
	ERR(EPERM, open("/proc/self/ns/net", O_RDONLY | O_TRUNC));
	ERR(ELOOP, open("/proc/self/ns/net", O_RDONLY | O_NOFOLLOW));
	ERR(ENOENT, open("/proc/self/ns/nope", O_RDONLY));
	ERR(EINVAL, read(fd, link, 1));
	ERR(EBADF, write(fd, link, 1));
	ERR(ESPIPE, lseek(fd, 0, SEEK_SET));
	ERR(ENODEV, mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
	ERR(EPERM, fchmod(fd, 0600));
	ERR(EPERM, fchown(fd, 0, 0));
	OK(fstatfs(fd, &fs));
	EQ(fs.f_type, 0x6e736673);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int n = OK(readlink(path, link, sizeof link - 1));
	link[n] = 0;
	CHECK(strncmp(link, "net:[", 5) == 0);
	/* Again through the descriptor. */
	EQ(ino_of(OK(open(path, O_RDONLY))), ino_of(fd));
}

TEST(nsfs_inode_is_shared_by_all_tasks_in_a_namespace)
{
	ino_t uts = own("uts"), pid_ns = own("pid");
	pid_t pid = sleeper_in(CLONE_NEWUTS);
	EQ(ino_of(OK(ns_of(pid, "pid"))), pid_ns);
	CHECK(ino_of(OK(ns_of(pid, "uts"))) != uts);
	struct stat a, b;
	OK(fstat(OK(ns_of(pid, "ipc")), &a));
	OK(fstat(OK(ns_of(0, "ipc")), &b));
	EQ(a.st_ino, b.st_ino);
	EQ(a.st_dev, b.st_dev);
	end(pid);
}

TEST(nsfs_type)
{
	int i;
	for (i = 0; i < KINDS; i++)
		EQ(ioctl(OK(ns_of(0, kinds[i].name)), NS_GET_NSTYPE), kinds[i].flag);
	ERR(ENOTTY, ioctl(OK(ns_of(0, "uts")), 0xb7ff));
}

TEST(nsfs_user_namespace_of_a_namespace)
{
	int user, i;
	pid_t pid = sleeper_in(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWCGROUP);
	int their = OK(ns_of(pid, "user"));
	for (i = 0; i < KINDS; i++) {
		if (kinds[i].flag == CLONE_NEWUSER || kinds[i].flag == CLONE_NEWPID)
			continue;
		user = OK(ioctl(OK(ns_of(pid, kinds[i].name)), NS_GET_USERNS));
		EQ(ino_of(user), ino_of(their));
		EQ(fcntl(user, F_GETFD), FD_CLOEXEC);
		user = OK(ioctl(OK(ns_of(0, kinds[i].name)), NS_GET_USERNS));
		EQ(ino_of(user), own("user"));
	}
	/* That of a user namespace is its parent. */
	EQ(ino_of(OK(ioctl(their, NS_GET_USERNS))), own("user"));
	EQ(ino_of(OK(ioctl(their, NS_GET_PARENT))), own("user"));
	end(pid);
}

TEST(nsfs_parent)
{
	ERR(EINVAL, ioctl(OK(ns_of(0, "uts")), NS_GET_PARENT));
	ERR(EINVAL, ioctl(OK(ns_of(0, "mnt")), NS_GET_PARENT));
	ERR(EPERM, ioctl(OK(ns_of(0, "user")), NS_GET_PARENT));
	ERR(EPERM, ioctl(OK(ns_of(0, "user")), NS_GET_USERNS));
	ERR(EPERM, ioctl(OK(ns_of(0, "pid")), NS_GET_PARENT));
	ino_t outer = own("pid");
	OK(unshare(CLONE_NEWPID));
	pid_t pid = OK(fork());
	if (pid == 0) {
		ERR(EPERM, ioctl(OK(open("/proc/thread-self/ns/pid", O_RDONLY)) < 0 ? -1 : OK(ns_of(0, "pid")), NS_GET_PARENT));
		_exit(0);
	}
	EQ(ino_of(OK(ioctl(OK(ns_of(pid, "pid")), NS_GET_PARENT))), outer);
	waitpid(pid, 0, 0);
}

TEST(nsfs_owner)
{
	uid_t uid = 77;
	ERR(EINVAL, ioctl(OK(ns_of(0, "uts")), NS_GET_OWNER_UID, &uid));
	OK(ioctl(OK(ns_of(0, "user")), NS_GET_OWNER_UID, &uid));
	EQ(uid, 0);
	become(1000);
	OK(unshare(CLONE_NEWUSER));
	int fd = OK(ns_of(0, "user"));
	OK(ioctl(fd, NS_GET_OWNER_UID, &uid));
	EQ(uid, 65534);
	OK(put("/proc/self/uid_map", "5 1000 1"));
	OK(ioctl(fd, NS_GET_OWNER_UID, &uid));
	EQ(uid, 5);
	ERR(EFAULT, ioctl(fd, NS_GET_OWNER_UID, (void *)1));
}

TEST(nsfs_translates_process_ids)
{
	OK(unshare(CLONE_NEWPID));
	pid_t pid = OK(fork());
	if (pid == 0)
		pause();
	int fd = OK(ns_of(pid, "pid"));
	EQ(OK(ioctl(fd, NS_GET_PID_IN_PIDNS, pid)), 1);
	EQ(OK(ioctl(fd, NS_GET_TGID_IN_PIDNS, pid)), 1);
	EQ(OK(ioctl(fd, NS_GET_PID_FROM_PIDNS, 1)), pid);
	EQ(OK(ioctl(fd, NS_GET_TGID_FROM_PIDNS, 1)), pid);
	ERR(ESRCH, ioctl(fd, NS_GET_PID_FROM_PIDNS, 2));
	ERR(ESRCH, ioctl(fd, NS_GET_PID_IN_PIDNS, getpid()));
	ERR(EINVAL, ioctl(OK(ns_of(0, "uts")), NS_GET_PID_IN_PIDNS, 1));
	end(pid);
}

TEST(nsfs_needs_access_to_the_process)
{
	char link[64], path[64];
	pid_t pid = sleeper_in(CLONE_NEWUTS);
	snprintf(path, sizeof path, "/proc/%d/ns/uts", pid);
	pid_t other = OK(fork());
	if (other == 0) {
		become(1000);
		ERR(EACCES, readlink(path, link, sizeof link));
		ERR(EACCES, open(path, O_RDONLY));
		_exit(0);
	}
	reap(other);
	end(pid);
}

TEST(nsfs_of_the_dead)
{
	char path[64], link[64];
	siginfo_t si;
	pid_t pid = OK(fork());
	if (pid == 0)
		_exit(0);
	OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	snprintf(path, sizeof path, "/proc/%d/ns/uts", pid);
	ERR(ENOENT, readlink(path, link, sizeof link));
	ERR(ENOENT, open(path, O_RDONLY));
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	close(OK(open(path, O_RDONLY)));
	snprintf(path, sizeof path, "/proc/%d/ns/pid", pid);
	close(OK(open(path, O_RDONLY)));
	reap(pid);
}

TEST(nsfs_pid_for_children)
{
	char link[64];
	ino_t old = own("pid");
	EQ(own("pid_for_children"), old);
	OK(unshare(CLONE_NEWPID));
	EQ(own("pid"), old);
	/* Nobody is in there yet. */
	ERR(ENOENT, readlink("/proc/self/ns/pid_for_children", link, sizeof link));
	pid_t pid = OK(fork());
	if (pid == 0)
		pause();
	EQ(own("pid_for_children"), ino_of(OK(ns_of(pid, "pid"))));
	CHECK(own("pid_for_children") != old);
	end(pid);
}

TEST(nsfs_descriptor_keeps_the_namespace)
{
	pid_t pid = sleeper_in(CLONE_NEWUTS);
	int fd = OK(ns_of(pid, "uts"));
	ino_t ino = ino_of(fd);
	end(pid);
	OK(setns(fd, CLONE_NEWUTS));
	CHECK(hostname_is("sleeper"));
	EQ(own("uts"), ino);
}

TEST(nsfs_mount_keeps_the_namespace)
{
	char path[64], line[512];
	int found = 0;
	pid_t pid = sleeper_in(CLONE_NEWUTS);
	OK(unshare(CLONE_NEWNS));
	OK(mount("", "/", 0, MS_REC | MS_PRIVATE, 0));
	close(OK(open("ns", O_CREAT | O_WRONLY, 0600)));
	snprintf(path, sizeof path, "/proc/%d/ns/uts", pid);
	OK(mount(path, "ns", 0, MS_BIND, 0));
	ino_t ino = ino_of(OK(ns_of(pid, "uts")));
	end(pid);
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char want[64];
	snprintf(want, sizeof want, " uts:[%lu] ", (unsigned long)ino);
	while (fgets(line, sizeof line, f))
		if (strstr(line, want) && strstr(line, " - nsfs nsfs "))
			found++;
	EQ(found, 1);
	int fd = OK(open("ns", O_RDONLY));
	EQ(ino_of(fd), ino);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	int n = OK(readlink(path, line, sizeof line - 1));
	line[n] = 0;
	CHECK(strcmp(line + n - 3, "/ns") == 0);
	OK(setns(fd, 0));
	CHECK(hostname_is("sleeper"));
	ERR(EBUSY, umount("ns"));
	close(fd);
	OK(umount("ns"));
}

TEST(nsfs_mount_namespace_cannot_be_bound_in_younger_ones)
{
	char path[64];
	pid_t younger;
	OK(unshare(CLONE_NEWNS));
	OK(mount("", "/", 0, MS_REC | MS_PRIVATE, 0));
	close(OK(open("ns", O_CREAT | O_WRONLY, 0600)));
	ERR(EINVAL, mount("/proc/self/ns/mnt", "ns", 0, MS_BIND, 0));
	younger = sleeper_in(CLONE_NEWNS);
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", younger);
	OK(mount(path, "ns", 0, MS_BIND, 0));
	/* Copies of the tree leave it out. */
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(unshare(CLONE_NEWNS));
		ERR(EINVAL, umount("ns"));
		_exit(0);
	}
	reap(pid);
	OK(umount("ns"));
	end(younger);
}

TEST(setns_errors)
{
	int p[2], fd = OK(ns_of(0, "uts"));
	OK(pipe(p));
	ERR(EBADF, setns(-1, 0));
	ERR(EBADF, setns(900000, 0));
	ERR(EINVAL, setns(p[0], 0));
	ERR(EINVAL, setns(OK(open("/dev/null", O_RDONLY)), CLONE_NEWUTS));
	ERR(EINVAL, setns(fd, CLONE_NEWNET));
	ERR(EINVAL, setns(fd, CLONE_NEWNET | CLONE_NEWUTS));
	ERR(EINVAL, setns(fd, 1));
	ERR(EBADF, setns(OK(open("/proc/self/ns/uts", O_PATH)), 0));
	OK(setns(fd, 0));
	OK(setns(fd, CLONE_NEWUTS));
}

TEST(setns_needs_capabilities)
{
	int i, fds[KINDS];
	for (i = 0; i < KINDS; i++)
		fds[i] = OK(ns_of(0, kinds[i].name));
	become(1000);
	for (i = 0; i < KINDS; i++)
		if (kinds[i].flag != CLONE_NEWUSER)
			ERR(EPERM, setns(fds[i], 0));
		else
			ERR(EINVAL, setns(fds[i], 0));
	OK(unshare(CLONE_NEWUSER));
	/* Capabilities here are none over what belongs to the parent. */
	for (i = 0; i < KINDS; i++)
		ERR(EPERM, setns(fds[i], 0));
}

TEST(setns_joins_each_kind)
{
	int i;
	static const int some[] = {CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWCGROUP, CLONE_NEWNS};
	for (i = 0; i < 5; i++) {
		const char *name = 0;
		int k;
		for (k = 0; k < KINDS; k++)
			if (kinds[k].flag == some[i])
				name = kinds[k].name;
		pid_t pid = sleeper_in(some[i]);
		int fd = OK(ns_of(pid, name));
		ino_t was = own(name);
		CHECK(was != ino_of(fd));
		OK(setns(fd, some[i]));
		EQ(own(name), ino_of(fd));
		end(pid);
	}
}

TEST(setns_ipc_objects)
{
	pid_t pid = sleeper_in(CLONE_NEWIPC);
	int fd = OK(ns_of(pid, "ipc")), mine = OK(ns_of(0, "ipc"));
	key_t key = 0x52554e53;
	OK(setns(fd, 0));
	int q = OK(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	OK(setns(mine, 0));
	ERR(ENOENT, msgget(key, 0600));
	OK(setns(fd, 0));
	EQ(OK(msgget(key, 0600)), q);
	end(pid);
}

TEST(setns_mount_moves_root_and_directory)
{
	char cwd[256];
	OK(mkdir("root", 0755));
	OK(mkdir("mnt", 0755));
	OK(realpath("mnt", cwd) ? 0 : -1);
	pid_t pid = OK(fork());
	int p[2];
	if (pid == 0)
		_exit(0);
	reap(pid);
	OK(pipe(p));
	pid = OK(fork());
	if (pid == 0) {
		OK(unshare(CLONE_NEWNS));
		OK(mount("", "/", 0, MS_REC | MS_PRIVATE, 0));
		OK(mount("x", "mnt", "tmpfs", 0, 0));
		close(OK(open("mnt/there", O_CREAT | O_WRONLY, 0600)));
		EQ(write(p[1], "x", 1), 1);
		pause();
	}
	char c;
	EQ(read(p[0], &c, 1), 1);
	int fd = OK(ns_of(pid, "mnt"));
	OK(chroot("root"));
	char there[300];
	snprintf(there, sizeof there, "%s/there", cwd);
	OK(setns(fd, CLONE_NEWNS));
	OK(access(there, F_OK));
	CHECK(strcmp(getcwd(cwd, sizeof cwd), "/") == 0);
	OK(access("/proc/self/ns/mnt", F_OK));
	end(pid);
}

static int shares_fs(void *arg)
{
	pause();
	return arg != 0;
}

TEST(setns_mount_not_with_shared_directories)
{
	static char stack[65536];
	pid_t pid = sleeper_in(CLONE_NEWNS);
	pid_t sharer = OK(clone(shares_fs, stack + sizeof stack, CLONE_FS | CLONE_VM | SIGCHLD, 0));
	ERR(EINVAL, setns(OK(ns_of(pid, "mnt")), 0));
	end(sharer);
	OK(setns(OK(ns_of(pid, "mnt")), 0));
	end(pid);
}

static void *thread(void *arg)
{
	pause();
	return arg;
}

TEST(setns_user_not_with_threads)
{
	pthread_t th;
	pid_t pid = sleeper_in(CLONE_NEWUSER);
	int fd = OK(ns_of(pid, "user"));
	OK(-pthread_create(&th, 0, thread, 0));
	ERR(EINVAL, setns(fd, 0));
	end(pid);
}

TEST(setns_user_of_a_child)
{
	int p[2];
	char c;
	OK(pipe(p));
	become(1000);
	int mine = OK(ns_of(0, "user"));
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(unshare(CLONE_NEWUSER));
		OK(put("/proc/self/uid_map", "3 1000 1"));
		EQ(write(p[1], "x", 1), 1);
		pause();
	}
	EQ(read(p[0], &c, 1), 1);
	int fd = OK(ns_of(pid, "user"));
	ERR(EINVAL, setns(mine, 0));
	OK(setns(fd, CLONE_NEWUSER));
	EQ(getuid(), 3);
	OK(unshare(CLONE_NEWUTS));
	/* It is the current one now, and there is no way back. */
	ERR(EINVAL, setns(fd, 0));
	ERR(EPERM, setns(mine, 0));
	end(pid);
}

TEST(setns_user_of_strangers)
{
	pid_t pid = OK(fork());
	if (pid == 0) {
		become(1001);
		OK(unshare(CLONE_NEWUSER));
		pause();
	}
	usleep(100000);
	int fd = OK(ns_of(pid, "user"));
	pid_t other = OK(fork());
	if (other == 0) {
		become(1000);
		ERR(EPERM, setns(fd, 0));
		_exit(0);
	}
	reap(other);
	other = OK(fork());
	if (other == 0) {
		/* Root outside has every capability in it. */
		OK(setns(fd, 0));
		EQ(getuid(), 65534);
		_exit(0);
	}
	reap(other);
	end(pid);
}

TEST(setns_pid_is_for_children)
{
	int outer = OK(ns_of(0, "pid"));
	pid_t self = getpid();
	OK(unshare(CLONE_NEWPID));
	pid_t init = OK(fork());
	if (init == 0) {
		ERR(EINVAL, setns(outer, 0));
		pause();
	}
	int fd = OK(ns_of(init, "pid"));
	OK(setns(outer, 0));
	pid_t pid = OK(fork());
	if (pid == 0)
		_exit(getpid() > 1 ? 0 : 1);
	reap(pid);
	OK(setns(fd, CLONE_NEWPID));
	EQ(getpid(), self);
	pid = OK(fork());
	if (pid == 0)
		_exit(getpid() == 2 && getppid() == 0 ? 0 : 1);
	reap(pid);
	ERR(EINVAL, unshare(CLONE_NEWPID));
	end(init);
	/* Without its init nobody can be made there. */
	ERR(ENOMEM, fork());
}

TEST(setns_pid_not_upwards)
{
	int outer = OK(ns_of(0, "pid"));
	OK(unshare(CLONE_NEWPID));
	pid_t pid = OK(fork());
	if (pid == 0) {
		ERR(EINVAL, setns(outer, CLONE_NEWPID));
		_exit(0);
	}
	reap(pid);
}

static int pidfd_of(pid_t pid)
{
	return OK(syscall(SYS_pidfd_open, pid, 0));
}

TEST(setns_pidfd_flags)
{
	pid_t pid = sleeper_in(CLONE_NEWUTS | CLONE_NEWIPC);
	int fd = pidfd_of(pid);
	ERR(EINVAL, setns(fd, 0));
	ERR(EINVAL, setns(fd, CLONE_VM));
	ERR(EINVAL, setns(fd, CLONE_NEWUTS | CLONE_FILES));
	ino_t ipc = own("ipc");
	OK(setns(fd, CLONE_NEWUTS));
	CHECK(hostname_is("sleeper"));
	EQ(own("ipc"), ipc);
	OK(setns(fd, CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWCGROUP));
	EQ(own("ipc"), ino_of(OK(ns_of(pid, "ipc"))));
	/* All or nothing: the user namespace is the current one. */
	pid_t other = sleeper_in(CLONE_NEWIPC);
	ERR(EINVAL, setns(pidfd_of(other), CLONE_NEWIPC | CLONE_NEWUSER));
	EQ(own("ipc"), ino_of(OK(ns_of(pid, "ipc"))));
	end(other);
	end(pid);
}

TEST(setns_pidfd_of_the_dead)
{
	pid_t pid = sleeper_in(CLONE_NEWUTS);
	int fd = pidfd_of(pid);
	end(pid);
	ERR(ESRCH, setns(fd, CLONE_NEWUTS));
}

TEST(setns_pidfd_needs_access)
{
	pid_t pid = sleeper_in(CLONE_NEWUTS);
	int fd = pidfd_of(pid);
	pid_t other = OK(fork());
	if (other == 0) {
		become(1000);
		ERR(EPERM, setns(fd, CLONE_NEWUTS));
		_exit(0);
	}
	reap(other);
	end(pid);
}

TEST(setns_pidfd_enters_a_container)
{
	int all = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP;
	int p[2];
	char c;
	OK(pipe(p));
	become(1000);
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(unshare(all));
		OK(put("/proc/self/uid_map", "0 1000 1"));
		OK(put("/proc/self/setgroups", "deny"));
		OK(put("/proc/self/gid_map", "0 1000 1"));
		OK(sethostname("container", 9));
		OK(mount("x", "/mnt", "tmpfs", 0, 0));
		close(OK(open("/mnt/inside", O_CREAT | O_WRONLY, 0600)));
		EQ(write(p[1], "x", 1), 1);
		pause();
	}
	EQ(read(p[0], &c, 1), 1);
	ERR(EPERM, setns(pidfd_of(pid), CLONE_NEWUTS));
	OK(setns(pidfd_of(pid), all));
	EQ(getuid(), 0);
	CHECK(hostname_is("container"));
	OK(access("/mnt/inside", F_OK));
	end(pid);
}
