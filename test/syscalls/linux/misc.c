/* uname, sysinfo, getrandom, getcpu, personality, membarrier, sethostname, sync and others that stand alone. */
#include "../test.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

TEST(uname_names_linux)
{
	struct utsname u;
	int major = 0;
	OK(uname(&u));
	EQ(strcmp(u.sysname, "Linux"), 0);
	EQ(strcmp(u.machine, "x86_64"), 0);
	EQ(sscanf(u.release, "%d.", &major), 1);
	CHECK(major >= 4);
	CHECK(u.version[0] == '#');
	ERR(EFAULT, uname((struct utsname *)1));
}

TEST(hostname_agrees_with_uname)
{
	struct utsname u;
	char name[65], text[80] = "";
	OK(uname(&u));
	OK(gethostname(name, sizeof name));
	EQ(strcmp(name, u.nodename), 0);
	int fd = OK(open("/proc/sys/kernel/hostname", O_RDONLY));
	OK(read(fd, text, sizeof text - 1));
	EQ(strncmp(text, name, strlen(name)), 0);
	EQ(text[strlen(name)], '\n');
}

TEST(setting_names_needs_privilege)
{
	char big[100] = "x";
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, sethostname("x", 1));
	ERR(EPERM, setdomainname("x", 1));
	ERR(EPERM, sethostname(big, sizeof big));
}

TEST(names_have_a_limit)
{
	char big[100] = "x";
	ERR(EINVAL, sethostname(big, 65));
	ERR(EINVAL, sethostname(big, -1));
	ERR(EINVAL, setdomainname(big, 65));
	ERR(EFAULT, syscall(SYS_sethostname, 8, 5));
}

TEST(sysinfo_is_plausible)
{
	struct sysinfo si;
	OK(sysinfo(&si));
	CHECK(si.uptime > 0);
	CHECK(si.mem_unit >= 1);
	CHECK((unsigned long long)si.totalram * si.mem_unit > 16 << 20);
	CHECK(si.freeram <= si.totalram);
	CHECK(si.procs >= 1);
	ERR(EFAULT, sysinfo((struct sysinfo *)1));
}

TEST(getrandom_fills)
{
	unsigned char a[4096], b[4096];
	int zeros = 0;
	EQ(getrandom(a, sizeof a, 0), (long)sizeof a);
	EQ(getrandom(b, sizeof b, GRND_NONBLOCK), (long)sizeof b);
	CHECK(memcmp(a, b, sizeof a) != 0);
	for (size_t i = 0; i < sizeof a; i++)
		zeros += a[i] == 0;
	CHECK(zeros > 0 && zeros < 64);
	EQ(getrandom(a, 16, GRND_RANDOM), 16);
	EQ(getrandom(a, 16, 4 /* GRND_INSECURE */), 16);
	EQ(getrandom(a, 0, 0), 0);
	ERR(EINVAL, getrandom(a, 1, 8));
	ERR(EINVAL, getrandom(a, 1, GRND_RANDOM | 4));
	ERR(EFAULT, getrandom((void *)1, 16, 0));
}

TEST(getrandom_of_much)
{
	unsigned char *p = malloc(3 << 20);
	EQ(getrandom(p, 3 << 20, 0), 3 << 20);
	CHECK(memcmp(p, p + (1 << 20), 4096) != 0);
	CHECK(memcmp(p + (2 << 20), p + (3 << 20) - 4096, 4096) != 0);
}

TEST(urandom_differs_each_time)
{
	char a[32], b[32];
	int fd = OK(open("/dev/urandom", O_RDONLY));
	EQ(read(fd, a, 32), 32);
	EQ(read(fd, b, 32), 32);
	CHECK(memcmp(a, b, 32) != 0);
}

TEST(getcpu_answers)
{
	unsigned cpu = 12345678, node = 12345678;
	OK(syscall(SYS_getcpu, &cpu, &node, 0));
	CHECK(cpu < 8192 && node < 1024);
	OK(syscall(SYS_getcpu, 0, 0, 0));
	ERR(EFAULT, syscall(SYS_getcpu, 1, 0, 0));
	ERR(EFAULT, syscall(SYS_getcpu, 0, 1, 0));
}

TEST(personality_is_kept)
{
	int old = OK(personality(0xffffffff)), status;
	EQ(old, PER_LINUX);
	EQ(personality(ADDR_NO_RANDOMIZE), old);
	EQ(personality(0xffffffff), ADDR_NO_RANDOMIZE);
	pid_t pid = fork();
	if (pid == 0)
		_exit(personality(0xffffffff) == ADDR_NO_RANDOMIZE ? 0 : 1);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(membarrier_commands)
{
	long cmds = OK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0));
	CHECK(cmds & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	CHECK(cmds & MEMBARRIER_CMD_GLOBAL);
	ERR(EPERM, syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	OK(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
	ERR(EINVAL, syscall(SYS_membarrier, 1 << 20, 0, 0));
	ERR(EINVAL, syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 1, 0));
}

TEST(syncs)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	OK(write(fd, "x", 1));
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(syncfs(fd));
	OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	ERR(EINVAL, sync_file_range(fd, 0, 0, 0x100));
	ERR(EINVAL, sync_file_range(fd, -1, 0, 0));
	ERR(EBADF, fsync(999));
	ERR(EBADF, fdatasync(999));
	ERR(EBADF, syncfs(999));
	ERR(EBADF, sync_file_range(999, 0, 0, 0));
	int null = OK(open("/dev/null", O_RDWR));
	ERR(EINVAL, fsync(null));
}

TEST(fadvise_and_readahead)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600)), p[2];
	OK(ftruncate(fd, 8192));
	for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++)
		EQ(posix_fadvise(fd, 0, 0, advice), 0);
	EQ(posix_fadvise(fd, 0, 0, 99), EINVAL);
	EQ(posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL), EINVAL);
	EQ(posix_fadvise(999, 0, 0, 0), EBADF);
	OK(pipe(p));
	EQ(posix_fadvise(p[0], 0, 0, 0), ESPIPE);
	OK(readahead(fd, 0, 4096));
	ERR(EBADF, readahead(999, 0, 1));
	ERR(EINVAL, readahead(p[0], 0, 1));
	int wo = OK(open("f", O_WRONLY));
	ERR(EBADF, readahead(wo, 0, 1));
}

TEST(calls_that_are_gone)
{
	ERR(ENOSYS, syscall(SYS_uselib, "x"));
	ERR(ENOSYS, syscall(SYS_create_module, "x", 0));
	ERR(ENOSYS, syscall(SYS_get_kernel_syms, 0));
	ERR(ENOSYS, syscall(SYS_query_module, 0, 0, 0, 0, 0));
	ERR(ENOSYS, syscall(SYS_getpmsg));
	ERR(ENOSYS, syscall(SYS_afs_syscall));
	ERR(ENOSYS, syscall(SYS_tuxcall));
	ERR(ENOSYS, syscall(SYS_security));
	ERR(ENOSYS, syscall(SYS_vserver));
	ERR(ENOSYS, syscall(SYS_epoll_ctl_old));
	ERR(ENOSYS, syscall(SYS_epoll_wait_old));
	ERR(ENOSYS, syscall(-1));
	ERR(ENOSYS, syscall(100000));
}

TEST(privileged_calls_are_refused)
{
	OK(chmod(".", 0755));
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, syscall(SYS_reboot, 0xfee1dead, 672274793, 0x01234567, 0));
	ERR(EPERM, syscall(SYS_mount, "none", ".", "tmpfs", 0, 0));
	ERR(EPERM, syscall(SYS_umount2, ".", 0));
	ERR(EPERM, syscall(SYS_chroot, "."));
	ERR(EPERM, syscall(SYS_pivot_root, ".", "."));
	ERR(EPERM, syscall(SYS_vhangup));
}

TEST(chroot_moves_the_root)
{
	char buf[4096];
	struct stat a, b;
	OK(mkdir("r", 0755));
	OK(mkdir("r/d", 0755));
	OK(close(OK(open("r/f", O_RDWR | O_CREAT, 0600))));
	ERR(ENOENT, chroot("none"));
	ERR(ENOTDIR, chroot("r/f"));
	ERR(EFAULT, chroot((char *)1));
	int outside = OK(open(".", O_RDONLY));
	OK(chroot("r"));
	OK(chdir("/"));
	OK(access("/f", F_OK));
	OK(access("/../../f", F_OK));
	ERR(ENOENT, access("/proc", F_OK));
	OK(stat("/", &a));
	OK(stat("/..", &b));
	EQ(a.st_ino, b.st_ino);
	CHECK(OK(getcwd(buf, sizeof buf) ? 0 : -1) == 0);
	EQ(strcmp(buf, "/"), 0);
	/* What is reached through a descriptor is outside. */
	OK(fchdir(outside));
	long n = OK(syscall(SYS_getcwd, buf, sizeof buf));
	CHECK(n > 13);
	EQ(strncmp(buf, "(unreachable)", 13), 0);
	OK(access("r/f", F_OK));
}

static pthread_barrier_t barrier;
static void *gettid_of(void *arg)
{
	*(int *)arg = syscall(SYS_gettid);
	pthread_barrier_wait(&barrier);
	return 0;
}

TEST(thread_ids_are_distinct)
{
	pthread_t t[8];
	int id[9] = {getpid()};
	pthread_barrier_init(&barrier, 0, 8);
	for (int i = 1; i <= 8; i++)
		EQ(pthread_create(&t[i - 1], 0, gettid_of, &id[i]), 0);
	for (int i = 0; i < 8; i++)
		EQ(pthread_join(t[i], 0), 0);
	for (int i = 0; i < 9; i++)
		for (int j = 0; j < i; j++)
			CHECK(id[i] != id[j] && id[i] > 0);
}

TEST(ids_rise)
{
	pid_t last = 0;
	int wraps = 0;
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		EQ(OK(waitpid(pid, 0, 0)), pid);
		wraps += pid <= last;
		last = pid;
	}
	CHECK(wraps <= 1);
}

TEST(syslog_reads_need_privilege)
{
	OK(setresuid(65534, 65534, 65534));
	ERR(EPERM, syscall(SYS_syslog, 2, 0, 0));
	ERR(EPERM, syscall(SYS_syslog, 5, 0, 0));
}
