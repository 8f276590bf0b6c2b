/* Mount namespaces: copies of the tree, propagation, what less privileged ones may not do. mount_namespaces(7). */
#include "../test.h"
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static void become(unsigned id)
{
	OK(setgroups(0, 0));
	OK(setresgid(id, id, id));
	OK(setresuid(id, id, id));
	OK(prctl(PR_SET_DUMPABLE, 1));
}

static void put(const char *path, const char *text)
{
	int fd = OK(open(path, O_WRONLY));
	EQ(OK(write(fd, text, strlen(text))), (long)strlen(text));
	close(fd);
}

/* A namespace of one's own in which nothing is shared. */
static void private_tree(void)
{
	OK(unshare(CLONE_NEWNS));
	OK(mount("", "/", 0, MS_REC | MS_PRIVATE, 0));
}

/* User 1000 as root of a user namespace with a mount namespace. */
static void less_privileged(void)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER | CLONE_NEWNS));
	put("/proc/self/uid_map", "0 1000 1");
	put("/proc/self/setgroups", "deny");
	put("/proc/self/gid_map", "0 1000 1");
}

static void touch(const char *path)
{
	close(OK(open(path, O_CREAT | O_WRONLY, 0644)));
}

static int exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void reap(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

/* Two processes that take turns: the child calls turn() first. */
static int up[2], down[2];
static pid_t child;

static int other_process(void)
{
	OK(pipe(up));
	OK(pipe(down));
	child = OK(fork());
	return child == 0;
}

static void turn(void)
{
	char c;
	if (child) {
		EQ(write(down[1], "x", 1), 1);
		EQ(read(up[0], &c, 1), 1);
	} else {
		EQ(write(up[1], "x", 1), 1);
		EQ(read(down[0], &c, 1), 1);
	}
}

static void first(void)
{
	char c;
	EQ(read(up[0], &c, 1), 1);
}

static void leave(void)
{
	EQ(write(up[1], "x", 1), 1);
	_exit(0);
}

static void finish(void)
{
	reap(child);
}

/* The optional fields of the mount at a path that ends so. */
static const char *fields(const char *end)
{
	static char line[1024], out[256];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	*out = 0;
	while (fgets(line, sizeof line, f)) {
		char point[512];
		int at = 0;
		if (sscanf(line, "%*s %*s %*s %*s %511s %*s %n", point, &at) != 1 || !at)
			continue;
		size_t n = strlen(point), m = strlen(end);
		if (n < m || strcmp(point + n - m, end))
			continue;
		strcpy(out, line + at);
		*strstr(out, "- ") = 0;
	}
	fclose(f);
	return out;
}

TEST(mountns_is_a_copy)
{
	OK(mkdir("m", 0755));
	if (other_process()) {
		private_tree();
		OK(mount("x", "m", "tmpfs", 0, 0));
		touch("m/a");
		turn();
		CHECK(exists("m/a"));
		leave();
	}
	first();
	CHECK(!exists("m/a"));
	ERR(EINVAL, umount("m"));
	turn();
	finish();
}

TEST(mountns_inherits_mounts_and_loses_them_alone)
{
	OK(mkdir("m", 0755));
	private_tree();
	OK(mount("x", "m", "tmpfs", 0, 0));
	touch("m/a");
	if (other_process()) {
		OK(unshare(CLONE_NEWNS));
		CHECK(exists("m/a"));
		touch("m/b");
		OK(umount("m"));
		turn();
		leave();
	}
	first();
	/* The filesystem is the same. */
	CHECK(exists("m/b"));
	turn();
	finish();
	OK(umount("m"));
}

TEST(mountns_root_and_directory_move_along)
{
	char cwd[512], before[512];
	struct stat a, b;
	OK(getcwd(before, sizeof before) ? 0 : -1);
	OK(stat(".", &a));
	private_tree();
	OK(getcwd(cwd, sizeof cwd) ? 0 : -1);
	CHECK(strcmp(cwd, before) == 0);
	OK(mkdir("m", 0755));
	OK(mount("x", "m", "tmpfs", 0, 0));
	OK(chdir("m"));
	OK(unshare(CLONE_NEWNS));
	/* Where we stand belongs to the new namespace, or this would be EINVAL. */
	OK(mkdir("sub", 0755));
	OK(mount("y", "sub", "tmpfs", 0, 0));
	OK(chdir(".."));
	OK(stat(".", &b));
	EQ(a.st_ino, b.st_ino);
	OK(umount("m/sub"));
	OK(umount("m"));
}

TEST(mountns_descriptors_stay_behind)
{
	private_tree();
	OK(mkdir("m", 0755));
	OK(mount("x", "m", "tmpfs", 0, 0));
	OK(mkdir("m/d", 0755));
	int fd = OK(open("m", O_RDONLY | O_DIRECTORY));
	if (other_process()) {
		turn();
		leave();
	}
	first();
	OK(unshare(CLONE_NEWNS));
	OK(fchdir(fd));
	/* The directory is in a mount of another namespace now. */
	ERR(EINVAL, mount("y", "d", "tmpfs", 0, 0));
	ERR(EINVAL, mount("d", "/mnt", 0, MS_BIND, 0));
	turn();
	finish();
	/* And that namespace is gone. */
	ERR(ENOENT, mount("y", "d", "tmpfs", 0, 0));
	ERR(EINVAL, mount("d", "/mnt", 0, MS_BIND, 0));
	touch("file");
}

TEST(mountns_needs_privilege)
{
	become(1000);
	ERR(EPERM, unshare(CLONE_NEWNS));
	ERR(EPERM, mount("x", "/mnt", "tmpfs", 0, 0));
	ERR(EPERM, mount("", "/", 0, MS_PRIVATE, 0));
	ERR(EPERM, umount("/proc"));
	ERR(EPERM, syscall(SYS_pivot_root, "/mnt", "/mnt"));
}

TEST(propagation_types)
{
	private_tree();
	OK(mkdir("m", 0755));
	ERR(EINVAL, mount("", "m", 0, MS_SHARED, 0));
	OK(mount("x", "m", "tmpfs", 0, 0));
	CHECK(strcmp(fields("/m"), "") == 0);
	ERR(EINVAL, mount("", "m", 0, MS_SHARED | MS_PRIVATE, 0));
	ERR(EINVAL, mount("", "m", 0, MS_SHARED | MS_RDONLY, 0));
	OK(mount("", "m", 0, MS_SHARED, 0));
	CHECK(strncmp(fields("/m"), "shared:", 7) == 0);
	OK(mount("", "m", 0, MS_UNBINDABLE, 0));
	CHECK(strcmp(fields("/m"), "unbindable ") == 0);
	OK(mount("", "m", 0, MS_PRIVATE, 0));
	CHECK(strcmp(fields("/m"), "") == 0);
	/* A slave of nobody is private. */
	OK(mount("", "m", 0, MS_SLAVE, 0));
	CHECK(strcmp(fields("/m"), "") == 0);
	OK(mount("", "m", 0, MS_SHARED, 0));
	OK(mount("", "m", 0, MS_SLAVE, 0));
	CHECK(strcmp(fields("/m"), "") == 0);
}

TEST(propagation_between_peers)
{
	private_tree();
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mount("x", "a", "tmpfs", 0, 0));
	OK(mount("", "a", 0, MS_SHARED, 0));
	OK(mount("a", "b", 0, MS_BIND, 0));
	CHECK(*fields("/a") && strncmp(fields("/a"), "shared:", 7) == 0);
	char group[64];
	strcpy(group, fields("/a"));
	CHECK(strcmp(fields("/b"), group) == 0);
	OK(mkdir("a/sub", 0755));
	OK(mount("y", "a/sub", "tmpfs", 0, 0));
	touch("a/sub/f");
	CHECK(exists("b/sub/f"));
	/* And the other way. */
	OK(mkdir("b/two", 0755));
	OK(mount("z", "b/two", "tmpfs", 0, 0));
	touch("b/two/g");
	CHECK(exists("a/two/g"));
	OK(umount("a/sub"));
	CHECK(!exists("b/sub/f"));
	ERR(EINVAL, umount("b/sub"));
	/* Taking one down takes down what is mounted on it, here and there. */
	OK(umount2("b", MNT_DETACH));
	CHECK(!exists("a/two/g"));
	OK(mount("z", "a/two", "tmpfs", 0, 0));
	/* What is in use on the other side cannot be unmounted here. */
	OK(mount("a", "b", 0, MS_BIND | MS_REC, 0));
	OK(umount("a/two"));
	OK(mount("z", "a/two", "tmpfs", 0, 0));
	int fd = OK(open("b/two", O_RDONLY));
	ERR(EBUSY, umount("a/two"));
	close(fd);
	OK(umount("a/two"));
	CHECK(!exists("b/two/g"));
}

TEST(propagation_to_slaves_only)
{
	private_tree();
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mount("x", "a", "tmpfs", 0, 0));
	OK(mount("", "a", 0, MS_SHARED, 0));
	OK(mount("a", "b", 0, MS_BIND, 0));
	OK(mount("", "b", 0, MS_SLAVE, 0));
	CHECK(strncmp(fields("/b"), "master:", 7) == 0);
	EQ(atoi(fields("/b") + 7), atoi(fields("/a") + 7));
	OK(mkdir("a/m", 0755));
	OK(mkdir("a/s", 0755));
	OK(mount("y", "a/m", "tmpfs", 0, 0));
	touch("a/m/f");
	CHECK(exists("b/m/f"));
	CHECK(strncmp(fields("/b/m"), "master:", 7) == 0);
	OK(mount("z", "b/s", "tmpfs", 0, 0));
	touch("b/s/g");
	CHECK(!exists("a/s/g"));
	/* Unmounting in the slave stays there. */
	OK(umount("b/m"));
	CHECK(exists("a/m/f"));
	OK(umount("a/m"));
	/* A slave that shares. */
	OK(mount("", "b", 0, MS_SHARED, 0));
	CHECK(strstr(fields("/b"), "shared:") && strstr(fields("/b"), "master:"));
	OK(mkdir("c", 0755));
	OK(mount("b", "c", 0, MS_BIND, 0));
	OK(mount("y", "a/m", "tmpfs", 0, 0));
	touch("a/m/f");
	CHECK(exists("b/m/f"));
	CHECK(exists("c/m/f"));
	CHECK(strstr(fields("/c/m"), "shared:") && strstr(fields("/c/m"), "master:"));
	OK(umount("a/m"));
	CHECK(!exists("c/m/f"));
}

TEST(propagation_master_goes_and_slaves_move_up)
{
	private_tree();
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("c", 0755));
	OK(mount("x", "a", "tmpfs", 0, 0));
	OK(mkdir("a/m", 0755));
	OK(mount("", "a", 0, MS_SHARED, 0));
	OK(mount("a", "b", 0, MS_BIND, 0));
	OK(mount("", "b", 0, MS_SLAVE, 0));
	OK(mount("", "b", 0, MS_SHARED, 0));
	OK(mount("b", "c", 0, MS_BIND, 0));
	OK(mount("", "c", 0, MS_SLAVE, 0));
	/* c receives from b, b from a: without b, c receives from a. */
	OK(umount("b"));
	EQ(atoi(strstr(fields("/c"), "master:") + 7), atoi(fields("/a") + 7));
	OK(mount("y", "a/m", "tmpfs", 0, 0));
	touch("a/m/f");
	CHECK(exists("c/m/f"));
	/* Without a, c is a slave of nobody. */
	OK(umount2("a", MNT_DETACH));
	CHECK(strcmp(fields("/c"), "") == 0);
}

TEST(propagation_under_what_is_mounted_already)
{
	private_tree();
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mount("x", "a", "tmpfs", 0, 0));
	OK(mkdir("a/m", 0755));
	OK(mkdir("a/n", 0755));
	OK(mount("", "a", 0, MS_SHARED, 0));
	OK(mount("a", "b", 0, MS_BIND, 0));
	OK(mount("", "b", 0, MS_SLAVE, 0));
	/* What arrives from a comes to lie under b's own mount. */
	OK(mount("t", "b/m", "tmpfs", 0, 0));
	touch("b/m/own");
	OK(mount("y", "a/m", "tmpfs", 0, 0));
	touch("a/m/theirs");
	CHECK(exists("b/m/own"));
	OK(umount("b/m"));
	CHECK(exists("b/m/theirs"));
	/* And goes from under it. */
	OK(mount("t", "b/m", "tmpfs", 0, 0));
	touch("b/m/own");
	OK(umount("a/m"));
	CHECK(exists("b/m/own"));
	OK(umount("b/m"));
	CHECK(!exists("b/m/own") && !exists("b/m/theirs"));
	ERR(EINVAL, umount("b/m"));
	/* Several at once, where only the middle of a stack goes. */
	OK(mount("y", "a/n", "tmpfs", 0, 0));
	OK(mkdir("a/n/deep", 0755));
	OK(mount("z", "a/n/deep", "tmpfs", 0, 0));
	OK(mount("t", "b/n/deep", "tmpfs", 0, 0));
	touch("b/n/deep/own");
	OK(umount2("a/n", MNT_DETACH));
	CHECK(exists("b/n/own") || exists("b/n/deep/own"));
	OK(umount2("b/n", MNT_DETACH));
	OK(umount("b"));
}

TEST(propagation_between_namespaces)
{
	private_tree();
	OK(mkdir("a", 0755));
	OK(mount("x", "a", "tmpfs", 0, 0));
	OK(mount("", "a", 0, MS_SHARED, 0));
	OK(mkdir("a/m", 0755));
	OK(mkdir("a/n", 0755));
	if (other_process()) {
		OK(unshare(CLONE_NEWNS));
		turn();
		CHECK(exists("a/m/f"));
		OK(mount("z", "a/n", "tmpfs", 0, 0));
		touch("a/n/g");
		turn();
		CHECK(!exists("a/m/f"));
		OK(mount("", "a", 0, MS_SLAVE, 0));
		OK(umount("a/n"));
		turn();
		leave();
	}
	first();
	OK(mount("y", "a/m", "tmpfs", 0, 0));
	touch("a/m/f");
	turn();
	CHECK(exists("a/n/g"));
	OK(umount("a/m"));
	turn();
	/* The slave's unmounting did not come back. */
	CHECK(exists("a/n/g"));
	turn();
	finish();
}

TEST(propagation_to_less_privileged_namespaces_is_one_way)
{
	private_tree();
	OK(chmod(".", 0777));
	OK(mkdir("a", 0777));
	OK(chmod("a", 0777));
	OK(mount("x", "a", "tmpfs", 0, "mode=777"));
	OK(mount("", "a", 0, MS_SHARED, 0));
	OK(mkdir("a/m", 0777));
	OK(mkdir("a/n", 0777));
	if (other_process()) {
		less_privileged();
		CHECK(strncmp(fields("/a"), "master:", 7) == 0);
		OK(mount("z", "a/n", "tmpfs", 0, 0));
		turn();
		CHECK(exists("a/m/f"));
		turn();
		leave();
	}
	first();
	CHECK(strcmp(fields("/a/n"), "") == 0);
	OK(mount("y", "a/m", "tmpfs", 0, 0));
	touch("a/m/f");
	turn();
	turn();
	finish();
}

TEST(unbindable_mounts)
{
	private_tree();
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mount("x", "a", "tmpfs", 0, 0));
	OK(mkdir("a/in", 0755));
	OK(mkdir("a/in2", 0755));
	OK(mount("y", "a/in", "tmpfs", 0, 0));
	OK(mount("z", "a/in2", "tmpfs", 0, 0));
	touch("a/in/f");
	touch("a/in2/f");
	OK(mount("", "a/in", 0, MS_UNBINDABLE, 0));
	ERR(EINVAL, mount("a/in", "b", 0, MS_BIND, 0));
	OK(mount("a", "b", 0, MS_BIND | MS_REC, 0));
	CHECK(!exists("b/in/f"));
	CHECK(exists("b/in2/f"));
	OK(unshare(CLONE_NEWNS));
	CHECK(exists("a/in/f"));
}

TEST(moving_mounts)
{
	private_tree();
	OK(mkdir("a", 0755));
	OK(mkdir("b", 0755));
	OK(mkdir("plain", 0755));
	touch("file");
	OK(mount("x", "a", "tmpfs", 0, 0));
	touch("a/f");
	OK(mkdir("a/d", 0755));
	ERR(EINVAL, mount("plain", "b", 0, MS_MOVE, 0));
	ERR(EINVAL, mount("a", "file", 0, MS_MOVE, 0));
	ERR(ELOOP, mount("a", "a/d", 0, MS_MOVE, 0));
	ERR(ENOENT, mount("a", "nope", 0, MS_MOVE, 0));
	OK(mount("a", "b", 0, MS_MOVE, 0));
	CHECK(exists("b/f") && !exists("a/f"));
	/* Not out of a shared parent. */
	OK(mkdir("b/m", 0755));
	OK(mount("y", "b/m", "tmpfs", 0, 0));
	OK(mount("", "b", 0, MS_SHARED, 0));
	ERR(EINVAL, mount("b/m", "a", 0, MS_MOVE, 0));
	OK(mount("", "b", 0, MS_PRIVATE, 0));
	OK(mount("b/m", "a", 0, MS_MOVE, 0));
	/* Into a shared one it becomes shared. */
	OK(mount("", "b", 0, MS_SHARED, 0));
	CHECK(strcmp(fields("/a"), "") == 0);
	OK(mount("a", "b/m", 0, MS_MOVE, 0));
	CHECK(strncmp(fields("/b/m"), "shared:", 7) == 0);
}

TEST(bind_mounts_are_of_the_own_namespace)
{
	char path[64];
	OK(mkdir("m", 0755));
	private_tree();
	if (other_process()) {
		OK(unshare(CLONE_NEWNS));
		OK(mount("x", "m", "tmpfs", 0, 0));
		turn();
		leave();
	}
	first();
	snprintf(path, sizeof path, "/proc/%d/root", child);
	ERR(EINVAL, mount(path, "m", 0, MS_BIND, 0));
	snprintf(path, sizeof path, "/proc/%d/cwd/m", child);
	ERR(EINVAL, umount(path));
	turn();
	finish();
}

TEST(umount_flags)
{
	private_tree();
	OK(mkdir("m", 0755));
	OK(mount("x", "m", "tmpfs", 0, 0));
	ERR(EINVAL, umount2("m", 0x100));
	ERR(EINVAL, umount2("m", MNT_EXPIRE | MNT_DETACH));
	ERR(EINVAL, umount2("m", MNT_EXPIRE | MNT_FORCE));
	int fd = OK(open("m", O_RDONLY));
	ERR(EBUSY, umount("m"));
	OK(umount2("m", MNT_DETACH));
	ERR(EINVAL, umount("m"));
	OK(fchdir(fd));
	touch("still");
	close(fd);
}

TEST(umount_expired)
{
	private_tree();
	OK(mkdir("m", 0755));
	OK(mount("x", "m", "tmpfs", 0, 0));
	ERR(EAGAIN, umount2("m", MNT_EXPIRE));
	OK(umount2("m", MNT_EXPIRE));
	OK(mount("x", "m", "tmpfs", 0, 0));
	ERR(EAGAIN, umount2("m", MNT_EXPIRE));
	/* It was used in between. */
	close(OK(open("m", O_RDONLY)));
	ERR(EAGAIN, umount2("m", MNT_EXPIRE));
	int fd = OK(open("m", O_RDONLY));
	ERR(EBUSY, umount2("m", MNT_EXPIRE));
	close(fd);
}

TEST(mountpoints_of_other_namespaces_can_be_removed)
{
	OK(mkdir("m", 0755));
	OK(mkdir("n", 0755));
	OK(mkdir("dest", 0755));
	OK(mkdir("o", 0755));
	touch("file");
	private_tree();
	if (other_process()) {
		OK(unshare(CLONE_NEWNS));
		OK(mount("x", "m", "tmpfs", 0, 0));
		OK(mount("x", "n", "tmpfs", 0, 0));
		OK(mount("x", "dest", "tmpfs", 0, 0));
		OK(mount("/dev/null", "file", 0, MS_BIND, 0));
		touch("n/f");
		ERR(EBUSY, rmdir("m"));
		ERR(EBUSY, unlink("file"));
		ERR(EBUSY, rename("n", "n2"));
		turn();
		CHECK(!exists("m"));
		CHECK(!exists("file"));
		CHECK(exists("n2/f"));
		/* The mount went with the directory that was replaced. */
		CHECK(strcmp(fields("/dest"), "") == 0 && exists("dest/from_o"));
		turn();
		leave();
	}
	first();
	OK(rmdir("m"));
	OK(unlink("file"));
	OK(rename("n", "n2"));
	touch("o/from_o");
	OK(rename("o", "dest"));
	turn();
	turn();
	finish();
}

TEST(mounts_on_links_do_not_disturb_others)
{
	char path[64];
	touch("target");
	OK(symlink("target", "link"));
	OK(mkdir("dir", 0755));
	touch("dir/inside");
	OK(symlink("dir", "dirlink"));
	private_tree();
	if (other_process()) {
		OK(unshare(CLONE_NEWNS));
		snprintf(path, sizeof path, "/proc/self/fd/%d", OK(open("link", O_PATH | O_NOFOLLOW)));
		OK(mount("/dev/null", path, 0, MS_BIND, 0));
		snprintf(path, sizeof path, "/proc/self/fd/%d", OK(open("dirlink", O_PATH | O_NOFOLLOW)));
		OK(mount("/dev/null", path, 0, MS_BIND, 0));
		struct stat st;
		OK(stat("link", &st));
		CHECK(S_ISCHR(st.st_mode));
		ERR(ENOTDIR, access("dirlink/inside", F_OK));
		turn();
		leave();
	}
	first();
	struct stat st;
	OK(stat("link", &st));
	CHECK(S_ISREG(st.st_mode));
	close(OK(open("link", O_CREAT | O_RDWR, 0600)));
	OK(access("dirlink/inside", F_OK));
	OK(access("dirlink/", F_OK));
	turn();
	finish();
}

TEST(mounts_on_processes_end_with_them)
{
	char path[64];
	private_tree();
	pid_t pid = OK(fork());
	if (pid == 0)
		pause();
	snprintf(path, sizeof path, "/proc/%d", pid);
	OK(mount("x", path, "tmpfs", 0, 0));
	CHECK(*fields(path) == 0);
	kill(pid, SIGKILL);
	waitpid(pid, 0, 0);
	ERR(ENOENT, access(path, F_OK));
}

TEST(pivot_root_in_a_namespace)
{
	private_tree();
	OK(mkdir("new", 0755));
	ERR(EBUSY, syscall(SYS_pivot_root, "new", "new"));
	OK(mount("x", "new", "tmpfs", 0, 0));
	OK(mkdir("new/old", 0755));
	OK(mkdir("new/proc", 0755));
	OK(mkdir("elsewhere", 0755));
	ERR(EINVAL, syscall(SYS_pivot_root, "new/old", "new/old"));
	ERR(EBUSY, syscall(SYS_pivot_root, "/", "new/old"));
	ERR(EBUSY, syscall(SYS_pivot_root, "new", "elsewhere"));
	ERR(ENOENT, syscall(SYS_pivot_root, "new", "new/nope"));
	ERR(ENOTDIR, syscall(SYS_pivot_root, "new", "/proc/self/status"));
	OK(mount("", "new", 0, MS_SHARED, 0));
	ERR(EINVAL, syscall(SYS_pivot_root, "new", "new/old"));
	OK(mount("", "new", 0, MS_PRIVATE, 0));
	OK(mount("proc", "new/proc", "proc", 0, 0));
	OK(syscall(SYS_pivot_root, "new", "new/old"));
	OK(chdir("/"));
	CHECK(exists("/old/proc/self"));
	OK(umount2("/old", MNT_DETACH));
	CHECK(!exists("/old/proc"));
	FILE *f = fopen("/proc/self/mounts", "r");
	char line[256];
	OK(fgets(line, sizeof line, f) ? 0 : -1);
	CHECK(strncmp(line, "x / tmpfs ", 10) == 0);
	OK(fgets(line, sizeof line, f) ? 0 : -1);
	CHECK(strncmp(line, "proc /proc proc ", 16) == 0);
	CHECK(!fgets(line, sizeof line, f));
}

TEST(pivot_root_onto_itself)
{
	private_tree();
	OK(mkdir("new", 0755));
	OK(mount("x", "new", "tmpfs", 0, 0));
	touch("new/f");
	OK(chdir("new"));
	/* The old root comes to lie over the new one, and is taken away. */
	OK(syscall(SYS_pivot_root, ".", "."));
	OK(umount2(".", MNT_DETACH));
	OK(chdir("/"));
	CHECK(exists("/f"));
}

TEST(chroot_limits_what_is_shown)
{
	char line[256];
	private_tree();
	OK(mkdir("r", 0755));
	OK(mount("x", "r", "tmpfs", 0, 0));
	OK(mkdir("r/proc", 0755));
	OK(mount("proc", "r/proc", "proc", MS_NOSUID, 0));
	OK(chroot("r"));
	OK(chdir("/"));
	FILE *f = fopen("/proc/self/mountinfo", "r");
	OK(fgets(line, sizeof line, f) ? 0 : -1);
	CHECK(strstr(line, " / / rw,relatime - tmpfs x "));
	OK(fgets(line, sizeof line, f) ? 0 : -1);
	CHECK(strstr(line, " / /proc rw,nosuid,relatime - proc proc "));
	CHECK(!fgets(line, sizeof line, f));
}

TEST(less_privileged_mounts)
{
	less_privileged();
	OK(mount("x", "/mnt", "tmpfs", 0, 0));
	OK(mkdir("/mnt/d", 0755));
	OK(mount("/mnt/d", "/mnt/d", 0, MS_BIND, 0));
	OK(umount("/mnt/d"));
	ERR(ENODEV, mount("x", "/mnt/d", "nosuchfs", 0, 0));
	/* Of an outer process namespace and an outer network. */
	ERR(EPERM, mount("x", "/mnt/d", "proc", 0, 0));
	ERR(EPERM, mount("x", "/mnt/d", "sysfs", 0, 0));
	OK(umount("/mnt"));
}

TEST(less_privileged_proc_of_the_own_processes)
{
	become(1000);
	OK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID));
	put("/proc/self/uid_map", "0 1000 1");
	pid_t pid = OK(fork());
	if (pid == 0) {
		OK(mount("proc", "/mnt", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0));
		CHECK(exists("/mnt/1/status"));
		_exit(0);
	}
	reap(pid);
}

TEST(less_privileged_proc_may_not_reveal)
{
	private_tree();
	/* Something of the outer proc is hidden. */
	OK(mount("/dev/null", "/proc/version", 0, MS_BIND, 0));
	become(1000);
	OK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID));
	put("/proc/self/uid_map", "0 1000 1");
	pid_t pid = OK(fork());
	if (pid == 0) {
		ERR(EPERM, mount("proc", "/mnt", "proc", 0, 0));
		_exit(0);
	}
	reap(pid);
}

TEST(less_privileged_cannot_take_inherited_mounts_apart)
{
	private_tree();
	OK(mkdir("top", 0755));
	OK(mount("x", "top", "tmpfs", 0, "mode=777"));
	OK(mkdir("top/sub", 0755));
	touch("top/sub/hidden");
	OK(mount("y", "top/sub", "tmpfs", 0, "mode=777"));
	OK(mkdir("dest", 0777));
	OK(chmod(".", 0755));
	less_privileged();
	ERR(EINVAL, umount("top/sub"));
	ERR(EINVAL, umount2("top/sub", MNT_DETACH));
	ERR(EINVAL, umount("top"));
	ERR(EINVAL, mount("top/sub", "dest", 0, MS_MOVE, 0));
	/* Without what hides it, it cannot be bound. */
	ERR(EINVAL, mount("top", "dest", 0, MS_BIND, 0));
	OK(mount("top", "dest", 0, MS_BIND | MS_REC, 0));
	ERR(EINVAL, umount("dest/sub"));
	/* As a whole the copy may go. */
	int fd = OK(open("dest", O_RDONLY));
	OK(umount2("dest", MNT_DETACH));
	OK(fchdir(fd));
	CHECK(!exists("sub/hidden"));
	/* On top of inherited mounts there may be others. */
	OK(mount("z", "/mnt", "tmpfs", 0, 0));
	OK(umount("/mnt"));
}

TEST(less_privileged_cannot_weaken_flags)
{
	private_tree();
	OK(mkdir("m", 0755));
	OK(mount("x", "m", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME, 0));
	OK(mkdir("n", 0755));
	OK(mount("x", "n", "tmpfs", 0, 0));
	OK(chmod(".", 0755));
	less_privileged();
	int all = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;
	OK(mount("", "m", 0, all, 0));
	ERR(EPERM, mount("", "m", 0, all & ~MS_RDONLY, 0));
	ERR(EPERM, mount("", "m", 0, all & ~MS_NOSUID, 0));
	ERR(EPERM, mount("", "m", 0, all & ~MS_NODEV, 0));
	ERR(EPERM, mount("", "m", 0, all & ~MS_NOEXEC, 0));
	ERR(EPERM, mount("", "m", 0, (all & ~MS_NOATIME) | MS_RELATIME, 0));
	/* Saying nothing about access times leaves them. */
	OK(mount("", "m", 0, all & ~MS_NOATIME, 0));
	/* Stricter is fine, and one's own strictness may go. */
	OK(mount("", "n", 0, MS_BIND | MS_REMOUNT | MS_RDONLY, 0));
	OK(mount("", "n", 0, MS_BIND | MS_REMOUNT, 0));
	/* The filesystem itself belongs to another user namespace. */
	ERR(EPERM, mount("", "n", 0, MS_REMOUNT | MS_RDONLY, 0));
	ERR(EPERM, umount2("n", MNT_FORCE) == -1 && errno == EINVAL ? (errno = EPERM, -1) : -1);
}

TEST(less_privileged_filesystems_have_no_devices)
{
	OK(chmod(".", 0777));
	less_privileged();
	OK(mount("x", "/mnt", "tmpfs", 0, 0));
	ERR(EPERM, mknod("/mnt/null", S_IFCHR | 0666, makedev(1, 3)));
	OK(mknod("/mnt/fifo", S_IFIFO | 0666, 0));
	OK(mount("", "/mnt", 0, MS_REMOUNT | MS_RDONLY, 0));
	ERR(EROFS, mkdir("/mnt/d", 0755));
	OK(mount("", "/mnt", 0, MS_REMOUNT, 0));
	/* Its files are owned by ids that exist inside. */
	ERR(EINVAL, chown("/mnt/fifo", 5, 5));
}

TEST(less_privileged_pivot_root)
{
	less_privileged();
	OK(mount("x", "/mnt", "tmpfs", 0, 0));
	OK(mkdir("/mnt/old", 0755));
	OK(syscall(SYS_pivot_root, "/mnt", "/mnt/old"));
	OK(chdir("/"));
	CHECK(exists("/old/proc/self"));
	ERR(EINVAL, umount("/old/proc"));
	OK(umount2("/old", MNT_DETACH));
	ERR(EINVAL, umount2("/", MNT_DETACH));
}

TEST(mounts_file_can_be_polled)
{
	struct pollfd p = {.events = POLLPRI};
	char buf[4096];
	private_tree();
	OK(mkdir("m", 0755));
	p.fd = OK(open("/proc/self/mounts", O_RDONLY));
	while (OK(read(p.fd, buf, sizeof buf)) > 0)
		;
	EQ(OK(poll(&p, 1, 0)), 0);
	OK(mount("x", "m", "tmpfs", 0, 0));
	EQ(OK(poll(&p, 1, 0)), 1);
	EQ(p.revents, POLLPRI | POLLERR);
	EQ(OK(poll(&p, 1, 0)), 0);
	OK(umount("m"));
	EQ(OK(poll(&p, 1, 0)), 1);
}
