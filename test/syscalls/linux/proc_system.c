/* The files of /proc that describe the system. */
#include "../test.h"
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>

static char text[1 << 18];

static long slurp(const char *path)
{
	long n = 0, got;
	int fd = OK(open(path, O_RDONLY));
	while ((got = OK(read(fd, text + n, sizeof text - 1 - n))) > 0)
		n += got;
	text[n] = 0;
	OK(close(fd));
	return n;
}

/* The rest of the line that begins with name. */
static const char *field(const char *name)
{
	static char line[1024];
	const char *p = text;
	size_t n = strlen(name);
	while (p && strncmp(p, name, n))
		p = (p = strchr(p, '\n')) ? p + 1 : 0;
	if (!p)
		FAIL("no line %s", name);
	p += n;
	while (*p == ' ' || *p == '\t')
		p++;
	snprintf(line, sizeof line, "%.*s", (int)strcspn(p, "\n"), p);
	return line;
}

static void link_is(const char *path, const char *want)
{
	char target[PATH_MAX] = "";
	OK(readlink(path, target, sizeof target - 1));
	if (strcmp(target, want))
		FAIL("%s is %s, want %s", path, target, want);
}

TEST(it_is_a_proc_file_system)
{
	struct statfs sf;
	struct stat st;
	OK(statfs("/proc", &sf));
	EQ(sf.f_type, 0x9fa0);
	OK(stat("/proc/self/status", &st));
	EQ(st.st_mode, S_IFREG | 0444);
	EQ(st.st_size, 0);
	OK(lstat("/proc/self", &st));
	CHECK(S_ISLNK(st.st_mode));
	OK(stat("/proc/self/fd", &st));
	EQ(st.st_mode, S_IFDIR | 0500);
}

TEST(proc_lists_processes)
{
	int found = 0;
	DIR *d = opendir("/proc");
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));)
		found += !strcmp(e->d_name, "self") || !strcmp(e->d_name, "meminfo") || atoi(e->d_name) == getpid() || atoi(e->d_name) == getppid();
	closedir(d);
	EQ(found, 4);
}

TEST(mounts_are_listed)
{
	int roots = 0, procs = 0, n;
	char type[64], dir[256], *p = text, *q;
	slurp("/proc/self/mounts");
	for (; (q = strchr(p, '\n')); p = q + 1) {
		EQ(sscanf(p, "%*s %255s %63s", dir, type), 2);
		roots += !strcmp(dir, "/");
		procs += !strcmp(dir, "/proc") && !strcmp(type, "proc");
	}
	CHECK(roots >= 1);
	EQ(procs >= 1, 1);
	link_is("/proc/mounts", "self/mounts");
	slurp("/proc/self/mountinfo");
	for (n = 0, p = text; (q = strchr(p, '\n')); p = q + 1, n++) {
		int id, parent, major, minor;
		*q = 0;
		EQ(sscanf(p, "%d %d %d:%d ", &id, &parent, &major, &minor), 4);
		CHECK(strstr(p, " - "));
	}
	CHECK(n >= 2);
}

TEST(memory_and_cpu_files)
{
	struct sysinfo si;
	OK(sysinfo(&si));
	slurp("/proc/meminfo");
	long total = atol(field("MemTotal:")), avail = atol(field("MemAvailable:"));
	EQ(total, (long)(si.totalram * (unsigned long)si.mem_unit / 1024));
	CHECK(atol(field("MemFree:")) <= total && avail > 0 && avail <= total);
	CHECK(strstr(field("SwapTotal:"), "kB"));
	slurp("/proc/cpuinfo");
	int cpus = 0;
	for (char *p = text; (p = strstr(p, "processor\t:")); p++)
		cpus++;
	EQ(cpus, sysconf(_SC_NPROCESSORS_ONLN));
	CHECK(strstr(text, "flags\t\t:"));
	slurp("/proc/stat");
	EQ(strncmp(text, "cpu ", 4), 0);
	CHECK(atol(field("btime")) > 1600000000);
	CHECK(atol(field("processes")) > 0);
	CHECK(field("ctxt")[0]);
	double up, idle;
	slurp("/proc/uptime");
	EQ(sscanf(text, "%lf %lf", &up, &idle), 2);
	CHECK(up > 0);
	double a, b, c;
	slurp("/proc/loadavg");
	EQ(sscanf(text, "%lf %lf %lf %*d/%*d %*d", &a, &b, &c), 3);
	slurp("/proc/version");
	EQ(strncmp(text, "Linux version ", 14), 0);
	slurp("/proc/filesystems");
	CHECK(strstr(text, "nodev\tproc\n"));
}

TEST(kernel_settings)
{
	slurp("/proc/sys/kernel/ostype");
	EQ(strcmp(text, "Linux\n"), 0);
	slurp("/proc/sys/kernel/osrelease");
	CHECK(isdigit(text[0]));
	slurp("/proc/sys/kernel/pid_max");
	CHECK(atoi(text) >= 301);
	slurp("/proc/sys/vm/overcommit_memory");
	CHECK(text[0] >= '0' && text[0] <= '2');
	slurp("/proc/sys/kernel/random/boot_id");
	EQ(strlen(text), 37);
	slurp("/proc/sys/kernel/cap_last_cap");
	CHECK(atoi(text) >= 37);
}

TEST(proc_cannot_be_changed)
{
	ERR(ENOENT, open("/proc/new", O_WRONLY | O_CREAT, 0600));
	ERR(ENOENT, mkdir("/proc/new", 0700));
	ERR(EPERM, unlink("/proc/version"));
	ERR(ENOENT, open("/proc/99999999/status", O_RDONLY));
	ERR(ENOENT, open("/proc/self/none", O_RDONLY));
}
