/* The files of a process in /proc that programs read. */
#include "../test.h"
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <sys/prctl.h>

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

static char *here(void)
{
	static char buf[PATH_MAX];
	CHECK(getcwd(buf, sizeof buf));
	return buf;
}

TEST(self_and_thread_self)
{
	char want[64];
	sprintf(want, "%d", getpid());
	link_is("/proc/self", want);
	sprintf(want, "%d/task/%ld", getpid(), syscall(SYS_gettid));
	link_is("/proc/thread-self", want);
	OK(access("/proc/thread-self/status", R_OK));
}

TEST(status_fields)
{
	unsigned a, b, c, d;
	OK(prctl(PR_SET_NAME, "the name"));
	slurp("/proc/self/status");
	EQ(strcmp(field("Name:"), "the name"), 0);
	EQ(strcmp(field("State:"), "R (running)"), 0);
	EQ(atoi(field("Tgid:")), getpid());
	EQ(atoi(field("Pid:")), getpid());
	EQ(atoi(field("PPid:")), getppid());
	EQ(atoi(field("TracerPid:")), 0);
	EQ(sscanf(field("Uid:"), "%u %u %u %u", &a, &b, &c, &d), 4);
	EQ(a, getuid());
	EQ(b, geteuid());
	EQ(strcmp(field("Umask:"), "0022"), 0);
	EQ(atoi(field("Threads:")), 1);
	CHECK(atol(field("VmSize:")) > 100);
	CHECK(atol(field("VmRSS:")) > 10);
	CHECK(atol(field("VmPeak:")) >= atol(field("VmSize:")));
	EQ(atoi(field("NoNewPrivs:")), 0);
	CHECK(isxdigit(field("CapEff:")[15]));
	CHECK(field("Cpus_allowed:")[0] && field("Cpus_allowed_list:")[0]);
	CHECK(atol(field("voluntary_ctxt_switches:")) >= 0);
	CHECK(atoi(field("FDSize:")) > 0);
	OK(setresuid(1, 2, 3));
	slurp("/proc/self/status");
	EQ(sscanf(field("Uid:"), "%u %u %u %u", &a, &b, &c, &d), 4);
	EQ(a * 1000 + b * 100 + c * 10 + d, 1232);
}

TEST(stat_has_52_fields)
{
	char name[64], state;
	int pid, ppid, pgrp, session, n = 0, at = 0;
	OK(prctl(PR_SET_NAME, "a ) b (c"));
	slurp("/proc/self/stat");
	EQ(sscanf(text, "%d (%63[^\n]", &pid, name), 2);
	EQ(pid, getpid());
	EQ(strncmp(name, "a ) b (c) R ", 12), 0);
	char *rest = strrchr(text, ')') + 2;
	EQ(sscanf(rest, "%c %d %d %d%n", &state, &ppid, &pgrp, &session, &at), 4);
	EQ(ppid, getppid());
	EQ(pgrp, getpgrp());
	EQ(session, getsid(0));
	for (char *p = strtok(rest, " \n"); p; p = strtok(0, " \n"), n++)
		if (n > 0)
			CHECK(isdigit(*p) || *p == '-');
	EQ(n, 50);
}

TEST(stat_and_statm_sizes_agree)
{
	unsigned long size, rss, vsize = 0, start = 0;
	long threads = 0;
	slurp("/proc/self/stat");
	char *p = strrchr(text, ')') + 2;
	for (int i = 3; *p; i++) {
		if (i == 20)
			threads = atol(p);
		if (i == 22)
			start = strtoul(p, 0, 10);
		if (i == 23)
			vsize = strtoul(p, 0, 10);
		p += strcspn(p, " \n");
		p += *p != 0;
	}
	EQ(threads, 1);
	CHECK(start > 0);
	slurp("/proc/self/statm");
	EQ(sscanf(text, "%lu %lu", &size, &rss), 2);
	CHECK(size >= vsize / 4096 - 64 && size <= vsize / 4096 + 64);
	CHECK(rss > 0 && rss <= size);
}

static pid_t run(const char *const argv[], const char *const env[])
{
	int p[2];
	OK(pipe2(p, O_CLOEXEC));
	pid_t pid = fork();
	if (pid == 0) {
		execve(argv[0], (char **)argv, (char **)env);
		_exit(9);
	}
	/* The pipe closes at exec. */
	char c;
	OK(close(p[1]));
	EQ(read(p[0], &c, 1), 0);
	return pid;
}

static void end(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(cmdline_environ_exe_and_comm_of_another)
{
	const char *argv[] = {"/bin/sleep", "100", "", 0}, *env[] = {"A=1", "B=two words", 0};
	char path[64], exe[PATH_MAX], want[PATH_MAX];
	argv[2] = 0;
	pid_t pid = run(argv, env);
	sprintf(path, "/proc/%d/cmdline", pid);
	EQ(slurp(path), 15);
	EQ(memcmp(text, "/bin/sleep\0" "100", 15), 0);
	sprintf(path, "/proc/%d/environ", pid);
	EQ(slurp(path), 16);
	EQ(memcmp(text, "A=1\0" "B=two words", 16), 0);
	sprintf(path, "/proc/%d/comm", pid);
	slurp(path);
	EQ(strcmp(text, "sleep\n"), 0);
	sprintf(path, "/proc/%d/exe", pid);
	CHECK(realpath("/bin/sleep", want));
	long n = OK(readlink(path, exe, sizeof exe - 1));
	exe[n] = 0;
	EQ(strcmp(exe, want), 0);
	end(pid);
}

TEST(cmdline_is_read_from_the_stack)
{
	char *args = 0, *p;
	slurp("/proc/self/stat");
	p = strrchr(text, ')') + 2;
	for (int i = 3; *p; i++) {
		if (i == 48)
			args = (char *)strtoul(p, 0, 10);
		p += strcspn(p, " \n");
		p += *p != 0;
	}
	CHECK(args);
	long n = slurp("/proc/self/cmdline");
	EQ(memcmp(args, text, n), 0);
	/* Programs that rename themselves write there. */
	args[0] = '@';
	EQ(slurp("/proc/self/cmdline"), n);
	EQ(text[0], '@');
}

TEST(cwd_and_root)
{
	char want[PATH_MAX + 32];
	link_is("/proc/self/cwd", here());
	OK(mkdir("d", 0755));
	OK(chdir("d"));
	link_is("/proc/self/cwd", here());
	OK(access("/proc/self/cwd/../d", F_OK));
	snprintf(want, sizeof want, "%s (deleted)", here());
	OK(rmdir("../d"));
	link_is("/proc/self/cwd", want);
	link_is("/proc/self/root", "/");
}

TEST(fd_links)
{
	char path[64], want[PATH_MAX + 64];
	struct stat a, b;
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600)), p[2];
	sprintf(path, "/proc/self/fd/%d", fd);
	snprintf(want, sizeof want, "%s/f", here());
	link_is(path, want);
	OK(fstat(fd, &a));
	OK(stat(path, &b));
	EQ(a.st_ino, b.st_ino);
	OK(lstat(path, &b));
	EQ(b.st_mode & 0777, 0700);
	EQ(b.st_size, 64);
	OK(rename("f", "g"));
	snprintf(want, sizeof want, "%s/g", here());
	link_is(path, want);
	OK(unlink("g"));
	strcat(want, " (deleted)");
	link_is(path, want);
	/* A deleted file can still be opened through it. */
	OK(close(OK(open(path, O_RDONLY))));
	OK(pipe(p));
	OK(fstat(p[0], &a));
	sprintf(path, "/proc/self/fd/%d", p[0]);
	sprintf(want, "pipe:[%lu]", (unsigned long)a.st_ino);
	link_is(path, want);
	OK(lstat(path, &b));
	EQ(b.st_mode & 0777, 0500);
	OK(close(p[0]));
	ERR(ENOENT, readlink(path, want, 10));
}

TEST(fd_lists_descriptors)
{
	int fd = OK(open("/dev/null", O_RDONLY)), seen[1024] = {0};
	OK(dup2(fd, 123));
	DIR *d = opendir("/proc/self/fd");
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));)
		if (isdigit(e->d_name[0])) {
			EQ(e->d_type, DT_LNK);
			seen[atoi(e->d_name)]++;
		}
	EQ(seen[0] + seen[1] + seen[2], 3);
	EQ(seen[fd] + seen[123] + seen[dirfd(d)], 3);
	closedir(d);
	slurp("/proc/self/fdinfo/123");
	EQ(atoi(field("pos:")), 0);
	EQ(strtol(field("flags:"), 0, 8) & O_ACCMODE, O_RDONLY);
	CHECK(atoi(field("mnt_id:")) > 0);
}

TEST(fdinfo_shows_position_and_flags)
{
	char path[64];
	int fd = OK(open("f", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	EQ(write(fd, "12345", 5), 5);
	sprintf(path, "/proc/self/fdinfo/%d", fd);
	slurp(path);
	EQ(atoi(field("pos:")), 5);
	EQ(strtol(field("flags:"), 0, 8) & (O_ACCMODE | O_APPEND | O_CLOEXEC), O_RDWR | O_APPEND | O_CLOEXEC);
}

static int gate[2];
static void *wait_at_gate(void *arg)
{
	char c;
	prctl(PR_SET_NAME, "worker");
	*(volatile int *)arg = syscall(SYS_gettid);
	read(gate[0], &c, 1);
	return 0;
}

TEST(task_lists_threads)
{
	pthread_t t;
	volatile int tid = 0;
	int n = 0, found = 0;
	char path[64];
	OK(pipe(gate));
	EQ(pthread_create(&t, 0, wait_at_gate, (void *)&tid), 0);
	while (!tid)
		usleep(1000);
	DIR *d = opendir("/proc/self/task");
	CHECK(d);
	for (struct dirent *e; (e = readdir(d));)
		if (isdigit(e->d_name[0])) {
			n++;
			found += atoi(e->d_name) == tid || atoi(e->d_name) == getpid();
		}
	closedir(d);
	EQ(n, 2);
	EQ(found, 2);
	sprintf(path, "/proc/self/task/%d/status", tid);
	slurp(path);
	EQ(strcmp(field("Name:"), "worker"), 0);
	EQ(atoi(field("Pid:")), tid);
	EQ(atoi(field("Tgid:")), getpid());
	EQ(atoi(field("Threads:")), 2);
	/* A thread can be looked up but is not listed. */
	sprintf(path, "/proc/%d/status", tid);
	OK(access(path, R_OK));
	OK(write(gate[1], "x", 1));
	EQ(pthread_join(t, 0), 0);
	do {
		slurp("/proc/self/status");
	} while (atoi(field("Threads:")) != 1);
}

TEST(zombies_and_sleepers_have_states)
{
	char path[64];
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	sprintf(path, "/proc/%d/status", pid);
	do
		slurp(path);
	while (strcmp(field("State:"), "S (sleeping)"));
	OK(kill(pid, SIGSTOP));
	EQ(waitpid(pid, 0, WUNTRACED), pid);
	slurp(path);
	EQ(strcmp(field("State:"), "T (stopped)"), 0);
	OK(kill(pid, SIGKILL));
	siginfo_t si;
	OK(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	slurp(path);
	EQ(strcmp(field("State:"), "Z (zombie)"), 0);
	sprintf(path, "/proc/%d/cmdline", pid);
	EQ(slurp(path), 0);
	EQ(OK(waitpid(pid, 0, 0)), pid);
	ERR(ENOENT, open(path, O_RDONLY));
}

TEST(a_descriptor_of_a_dead_process_answers_esrch)
{
	char path[64], c;
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	sprintf(path, "/proc/%d/status", pid);
	int fd = OK(open(path, O_RDONLY));
	sprintf(path, "/proc/%d", pid);
	int dir = OK(open(path, O_RDONLY | O_DIRECTORY));
	end(pid);
	ERR(ESRCH, read(fd, &c, 1));
	CHECK(openat(dir, "status", O_RDONLY) == -1 && (errno == ESRCH || errno == ENOENT));
}

/* Who could look into the program that was there at open(2) may not look into the one that is executed then. */
TEST(files_about_memory_stay_with_the_program_they_were_opened_on)
{
	static const char *const names[] = {"environ", "maps", "smaps", "smaps_rollup", "mem", "auxv", "cmdline"};
	int go[2], started[2], fds[7];
	char byte, path[64], first[4096], buf[4096];
	OK(pipe(go));
	OK(pipe2(started, O_CLOEXEC));
	pid_t pid = OK(fork());
	if (pid == 0) {
		read(go[0], &byte, 1);
		execl("/bin/sleep", "sleep", "100", NULL);
		_exit(1);
	}
	close(started[1]);
	for (int i = 0; i < 7; i++) {
		sprintf(path, "/proc/%d/%s", pid, names[i]);
		fds[i] = OK(open(path, O_RDONLY));
	}
	CHECK(OK(pread(fds[0], buf, sizeof buf, 0)) > 0);
	CHECK(OK(pread(fds[1], buf, sizeof buf, 0)) > 0);
	int auxv = OK(pread(fds[5], first, sizeof first, 0));
	OK(write(go[1], "x", 1));
	EQ(OK(read(started[0], &byte, 1)), 0);
	EQ(OK(pread(fds[0], buf, sizeof buf, 0)), 0);
	EQ(OK(pread(fds[1], buf, sizeof buf, 0)), 0);
	EQ(OK(pread(fds[2], buf, sizeof buf, 0)), 0);
	ERR(ESRCH, pread(fds[3], buf, sizeof buf, 0));
	EQ(OK(pread(fds[4], buf, sizeof buf, 0x400000)), 0);
	EQ(OK(pread(fds[5], buf, sizeof buf, 0)), auxv);
	EQ(memcmp(buf, first, auxv), 0);
	EQ(OK(pread(fds[6], buf, sizeof buf, 0)), 10);
	OK(kill(pid, SIGKILL));
	OK(waitpid(pid, NULL, 0));
	EQ(OK(pread(fds[0], buf, sizeof buf, 0)), 0);
	ERR(ESRCH, pread(fds[1], buf, sizeof buf, 0));
	ERR(ESRCH, pread(fds[3], buf, sizeof buf, 0));
	EQ(OK(pread(fds[5], buf, sizeof buf, 0)), auxv);
	for (int i = 0; i < 7; i++)
		close(fds[i]);
	close(go[0]), close(go[1]), close(started[0]);
}

TEST(smaps_and_maps_describe_the_same)
{
	char *p = OK(mmap(0, 10 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)), want[64], *at;
	memset(p, 1, 3 * 4096);
	sprintf(want, "%lx-", (unsigned long)p);
	OK(mprotect(p + 4 * 4096, 6 * 4096, PROT_NONE));
	slurp("/proc/self/smaps");
	sprintf(want, "-%lx rw-p", (unsigned long)(p + 4 * 4096));
	CHECK((at = strstr(text, want)));
	CHECK((at = strstr(at, "Rss:")));
	CHECK(atol(at + 4) >= 12);
	slurp("/proc/self/maps");
	CHECK(strstr(text, want));
	sprintf(want, "%lx-%lx ---p", (unsigned long)(p + 4 * 4096), (unsigned long)(p + 10 * 4096));
	CHECK(strstr(text, want));
}

TEST(maps_show_names_as_the_reader_sees_them)
{
	int proc = OK(open("/proc", O_RDONLY | O_DIRECTORY)), n;
	OK(mkdir("inside", 0755));
	OK(chroot("inside"));
	int fd = OK(open("/file", O_CREAT | O_RDWR, 0600));
	OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
	int maps = OK(openat(proc, "self/maps", O_RDONLY));
	for (text[0] = 0, n = 0; (size_t)n < sizeof text - 1;) {
		int got = OK(read(maps, text + n, sizeof text - 1 - n));
		if (got == 0)
			break;
		text[n += got] = 0;
	}
	CHECK(strstr(text, " /file\n"));
	CHECK(!strstr(text, "inside"));
}

TEST(mem_reads_and_writes_memory)
{
	volatile char secret[8] = "secret";
	char buf[8] = "";
	int fd = OK(open("/proc/self/mem", O_RDWR));
	EQ(pread(fd, buf, 7, (off_t)(uintptr_t)secret), 7);
	EQ(strcmp(buf, "secret"), 0);
	EQ(pwrite(fd, "public", 6, (off_t)(uintptr_t)secret), 6);
	EQ(secret[0], 'p');
	ERR(EIO, pread(fd, buf, 1, 0));
}

TEST(oom_score_adj)
{
	char buf[16] = "";
	int fd = OK(open("/proc/self/oom_score_adj", O_RDWR));
	OK(write(fd, "500", 3));
	OK(pread(fd, buf, sizeof buf - 1, 0));
	EQ(strcmp(buf, "500\n"), 0);
	ERR(EINVAL, write(fd, "1001", 4));
	ERR(EINVAL, write(fd, "x", 1));
	slurp("/proc/self/oom_score");
	CHECK(isdigit(text[0]));
}

TEST(others_see_little)
{
	char path[64];
	pid_t parent = getpid(), pid = fork();
	int status;
	if (pid == 0) {
		OK(setresgid(65534, 65534, 65534));
		OK(setresuid(65534, 65534, 65534));
		sprintf(path, "/proc/%d/status", parent);
		OK(open(path, O_RDONLY));
		sprintf(path, "/proc/%d/cmdline", parent);
		OK(open(path, O_RDONLY));
		sprintf(path, "/proc/%d/environ", parent);
		ERR(EACCES, open(path, O_RDONLY));
		sprintf(path, "/proc/%d/fd", parent);
		ERR(EACCES, open(path, O_RDONLY));
		sprintf(path, "/proc/%d/exe", parent);
		ERR(EACCES, readlink(path, text, 10));
		sprintf(path, "/proc/%d/cwd", parent);
		ERR(EACCES, readlink(path, text, 10));
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}
