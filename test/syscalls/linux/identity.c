/* Users, groups and capabilities. */
#include "../test.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

/* The raw calls act on the calling thread only; the cases have one. */
static void expect_uids(unsigned r, unsigned e, unsigned s)
{
	unsigned a, b, c;
	OK(syscall(SYS_getresuid, &a, &b, &c));
	EQ(a, r);
	EQ(b, e);
	EQ(c, s);
	EQ(getuid(), r);
	EQ(geteuid(), e);
}

static void expect_gids(unsigned r, unsigned e, unsigned s)
{
	unsigned a, b, c;
	OK(syscall(SYS_getresgid, &a, &b, &c));
	EQ(a, r);
	EQ(b, e);
	EQ(c, s);
	EQ(getgid(), r);
	EQ(getegid(), e);
}

static uint64_t caps(int which)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	OK(syscall(SYS_capget, &h, d));
	return which == 0   ? (uint64_t)d[1].effective << 32 | d[0].effective
	       : which == 1 ? (uint64_t)d[1].permitted << 32 | d[0].permitted
			    : (uint64_t)d[1].inheritable << 32 | d[0].inheritable;
}

static int set_caps(uint64_t e, uint64_t p, uint64_t i)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{(uint32_t)e, (uint32_t)p, (uint32_t)i}, {(uint32_t)(e >> 32), (uint32_t)(p >> 32), (uint32_t)(i >> 32)}};
	return syscall(SYS_capset, &h, d);
}

#define CAP(n) (1ull << (n))

TEST(setuid_by_root_sets_all_three)
{
	OK(setuid(1000));
	expect_uids(1000, 1000, 1000);
	ERR(EPERM, setuid(0));
	ERR(EPERM, setuid(1001));
	OK(setuid(1000));
}

TEST(setuid_by_a_user_sets_the_effective_one)
{
	OK(setresuid(1000, 1001, 1002));
	OK(setuid(1002));
	expect_uids(1000, 1002, 1002);
	OK(setuid(1000));
	expect_uids(1000, 1000, 1002);
	ERR(EPERM, setuid(1001));
	ERR(EINVAL, setuid(-1));
}

TEST(setreuid_rules)
{
	OK(setreuid(1000, 2000));
	/* The saved id follows when the real one is set. */
	expect_uids(1000, 2000, 2000);
	OK(setreuid(2000, 1000));
	expect_uids(2000, 1000, 1000);
	OK(setreuid(-1, -1));
	expect_uids(2000, 1000, 1000);
	ERR(EPERM, setreuid(3000, -1));
	ERR(EPERM, setreuid(-1, 3000));
	OK(setreuid(-1, 2000));
	expect_uids(2000, 2000, 1000);
	/* The real one cannot become the saved one. */
	ERR(EPERM, setreuid(1000, -1));
}

TEST(setresuid_rules)
{
	OK(setresuid(1, 2, 3));
	expect_uids(1, 2, 3);
	OK(setresuid(3, 1, 2));
	expect_uids(3, 1, 2);
	OK(setresuid(-1, 3, -1));
	expect_uids(3, 3, 2);
	ERR(EPERM, setresuid(4, -1, -1));
	ERR(EPERM, setresuid(-1, 0, -1));
	ERR(EPERM, setresuid(-1, -1, 9));
	unsigned x;
	ERR(EFAULT, syscall(SYS_getresuid, 1, &x, &x));
	ERR(EFAULT, syscall(SYS_getresuid, &x, &x, 1));
}

TEST(setting_gids)
{
	OK(setgid(500));
	expect_gids(500, 500, 500);
	OK(setresgid(1, 2, 3));
	expect_gids(1, 2, 3);
	OK(setregid(7, 8));
	expect_gids(7, 8, 8);
	ERR(EINVAL, setgid(-1));
	OK(setresuid(1000, 1000, 1000));
	OK(setgid(7));
	expect_gids(7, 7, 8);
	ERR(EPERM, setgid(9));
	ERR(EPERM, setregid(9, -1));
	ERR(EPERM, setregid(-1, 9));
	ERR(EPERM, setresgid(-1, 9, -1));
	OK(setresgid(8, 7, 8));
	expect_gids(8, 7, 8);
	unsigned x;
	ERR(EFAULT, syscall(SYS_getresgid, &x, 1, &x));
}

TEST(supplementary_groups)
{
	gid_t set[3] = {30, 10, 20}, got[100];
	int n;
	OK(setgroups(3, set));
	EQ(getgroups(0, 0), 3);
	n = OK(getgroups(100, got));
	EQ(n, 3);
	/* The kernel keeps them sorted. */
	EQ(got[0], 10);
	EQ(got[1], 20);
	EQ(got[2], 30);
	ERR(EINVAL, getgroups(2, got));
	ERR(EINVAL, getgroups(-1, got));
	ERR(EFAULT, getgroups(3, (gid_t *)1));
	ERR(EFAULT, setgroups(3, (gid_t *)1));
	ERR(EINVAL, setgroups(65537, set));
	OK(setgroups(0, 0));
	EQ(getgroups(0, 0), 0);
	OK(setuid(1000));
	ERR(EPERM, setgroups(1, set));
}

TEST(groups_grant_access)
{
	gid_t g = 4321;
	int fd = OK(open("f", O_RDWR | O_CREAT, 0640));
	OK(fchown(fd, 0, 4321));
	OK(chmod(".", 0755));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setgroups(1, &g));
		OK(setresgid(100, 100, 100));
		OK(setresuid(1000, 1000, 1000));
		OK(open("f", O_RDONLY));
		ERR(EACCES, open("f", O_WRONLY));
		_exit(0);
	}
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	pid = fork();
	if (pid == 0) {
		OK(setgroups(0, 0));
		OK(setresgid(100, 100, 100));
		OK(setresuid(1000, 1000, 1000));
		ERR(EACCES, open("f", O_RDONLY));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(fsuid_follows_and_can_differ)
{
	struct stat st;
	OK(chmod(".", 0777));
	EQ(setfsuid(-1), 0);
	EQ(setfsuid(1000), 0);
	EQ(setfsuid(-1), 1000);
	EQ(setfsgid(1001), 0);
	OK(close(OK(open("f", O_RDWR | O_CREAT, 0600))));
	OK(stat("f", &st));
	EQ(st.st_uid, 1000);
	EQ(st.st_gid, 1001);
	/* Leaving 0 takes the file capabilities away, coming back returns them. */
	EQ(caps(0) & CAP(CAP_DAC_OVERRIDE), 0);
	EQ(setfsuid(0), 1000);
	EQ(caps(0) & CAP(CAP_DAC_OVERRIDE), CAP(CAP_DAC_OVERRIDE));
	OK(setresuid(-1, 2000, -1));
	EQ(setfsuid(-1), 2000);
	EQ(setfsuid(3000), 2000);
	EQ(setfsuid(-1), 2000);
}

TEST(access_uses_the_real_user)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600));
	OK(close(fd));
	OK(chmod(".", 0755));
	OK(setresuid(1000, 0, 0));
	ERR(EACCES, access("f", R_OK));
	OK(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS));
	OK(open("f", O_RDONLY));
	OK(setresuid(0, 1000, 0));
	OK(access("f", R_OK));
	ERR(EACCES, open("f", O_RDONLY));
}

TEST(capabilities_follow_the_user)
{
	uint64_t all = caps(1);
	CHECK((all & CAP(CAP_SETUID)) && (all & CAP(CAP_CHOWN)));
	EQ(caps(0), all);
	OK(setresuid(-1, 1000, -1));
	EQ(caps(0), 0);
	EQ(caps(1), all);
	OK(setresuid(-1, 0, -1));
	EQ(caps(0), all);
	OK(setresuid(1000, 1000, 1000));
	EQ(caps(0), 0);
	EQ(caps(1), 0);
}

TEST(keepcaps_keeps_the_permitted_ones)
{
	uint64_t all = caps(1);
	EQ(prctl(PR_GET_KEEPCAPS), 0);
	OK(prctl(PR_SET_KEEPCAPS, 1));
	EQ(prctl(PR_GET_KEEPCAPS), 1);
	OK(setresuid(1000, 1000, 1000));
	EQ(caps(1), all);
	EQ(caps(0), 0);
	OK(set_caps(CAP(CAP_SETUID), all, 0));
	OK(setresuid(0, 0, 0));
	ERR(EINVAL, prctl(PR_SET_KEEPCAPS, 2));
}

TEST(capset_rules)
{
	uint64_t all = caps(1), two = CAP(CAP_CHOWN) | CAP(CAP_SETPCAP);
	OK(set_caps(two, two, two));
	EQ(caps(0), two);
	EQ(caps(1), two);
	EQ(caps(2), two);
	ERR(EPERM, set_caps(all, all, 0));
	ERR(EPERM, set_caps(two | CAP(CAP_KILL), two, 0));
	OK(set_caps(0, CAP(CAP_CHOWN), 0));
	EQ(caps(0), 0);
	ERR(EPERM, set_caps(CAP(CAP_SETPCAP), CAP(CAP_CHOWN), 0));
	OK(set_caps(CAP(CAP_CHOWN), CAP(CAP_CHOWN), 0));
}

TEST(capget_errors)
{
	struct __user_cap_header_struct h = {0x12345678, 0};
	struct __user_cap_data_struct d[2];
	ERR(EINVAL, syscall(SYS_capget, &h, d));
	/* The preferred version is told. */
	EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.version = 0;
	OK(syscall(SYS_capget, &h, 0));
	EQ(h.version, _LINUX_CAPABILITY_VERSION_3);
	h.pid = -1;
	ERR(EINVAL, syscall(SYS_capget, &h, d));
	h.pid = 99999999;
	ERR(ESRCH, syscall(SYS_capget, &h, d));
	h.pid = getppid();
	OK(syscall(SYS_capget, &h, d));
	ERR(EPERM, syscall(SYS_capset, &h, d));
	h.pid = 0;
	ERR(EFAULT, syscall(SYS_capget, 1, d));
	ERR(EFAULT, syscall(SYS_capget, &h, 1));
	ERR(EFAULT, syscall(SYS_capset, &h, 1));
}

TEST(the_bounding_set)
{
	EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 1);
	ERR(EINVAL, prctl(PR_CAPBSET_READ, 64));
	OK(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
	EQ(prctl(PR_CAPBSET_READ, CAP_CHOWN), 0);
	ERR(EINVAL, prctl(PR_CAPBSET_DROP, 64));
	/* What a process has it keeps until it executes a program. */
	EQ(caps(0) & CAP(CAP_CHOWN), CAP(CAP_CHOWN));
	OK(set_caps(0, caps(1), 0));
	ERR(EPERM, prctl(PR_CAPBSET_DROP, CAP_KILL));
}

TEST(ambient_capabilities)
{
	EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
	ERR(EPERM, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	OK(set_caps(caps(0), caps(1), CAP(CAP_KILL)));
	OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 1);
	OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_KILL, 0, 0));
	EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
	OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
	OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
	EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
	ERR(EINVAL, prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 64, 0, 0));
	ERR(EINVAL, prctl(PR_CAP_AMBIENT, 99, CAP_KILL, 0, 0));
}

static void cap_line_after_exec(const char *line, char *out, int ambient)
{
	int p[2], status, n;
	static char text[8192];
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		if (ambient) {
			OK(prctl(PR_SET_KEEPCAPS, 1));
			uint64_t all = caps(1);
			OK(setresuid(1000, 1000, 1000));
			OK(set_caps(all, all, CAP(CAP_KILL)));
			OK(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0));
		} else
			OK(setresuid(1000, 1000, 1000));
		OK(dup2(p[1], 1));
		execl("/bin/cat", "cat", "/proc/self/status", (char *)0);
		_exit(1);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	n = OK(read(p[0], text, sizeof text - 1));
	text[n] = 0;
	char *at = strstr(text, line);
	CHECK(at);
	memcpy(out, at + strlen(line) + 1, 16);
	out[16] = 0;
}

TEST(capabilities_across_exec)
{
	char eff[17];
	cap_line_after_exec("CapEff:", eff, 0);
	EQ(strcmp(eff, "0000000000000000"), 0);
	cap_line_after_exec("CapEff:", eff, 1);
	EQ(strcmp(eff, "0000000000000020"), 0);
	cap_line_after_exec("CapPrm:", eff, 1);
	EQ(strcmp(eff, "0000000000000020"), 0);
}

TEST(set_user_id_programs)
{
	char text[64] = "";
	int p[2], status, suid;
	/* A file system mounted nosuid does not honour the bit. */
	OK(pipe(p));
	OK(system("cp /usr/bin/id id && chown 1234:2345 id && chmod 6755 id"));
	OK(chmod(".", 0755));
	suid = system("grep -q ' /tmp .*nosuid' /proc/self/mounts") != 0;
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresgid(77, 77, 77));
		OK(setresuid(77, 77, 77));
		OK(dup2(p[1], 1));
		execl("./id", "id", "-u", (char *)0);
		_exit(1);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	OK(read(p[0], text, sizeof text - 1));
	EQ(atoi(text), suid ? 1234 : 77);
	pid = fork();
	if (pid == 0) {
		OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		OK(setresgid(77, 77, 77));
		OK(setresuid(77, 77, 77));
		OK(dup2(p[1], 1));
		execl("./id", "id", "-u", (char *)0);
		_exit(1);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	memset(text, 0, sizeof text);
	OK(read(p[0], text, sizeof text - 1));
	EQ(atoi(text), 77);
}

TEST(ids_are_inherited_by_fork)
{
	int status;
	OK(setresgid(5, 6, 7));
	OK(setresuid(8, 9, 0));
	pid_t pid = fork();
	if (pid == 0) {
		expect_uids(8, 9, 0);
		expect_gids(5, 6, 7);
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}
