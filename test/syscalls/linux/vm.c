/* Memory of other processes, growing mappings, locked memory, and corners of the address space. */
#include "../test.h"
#include <setjmp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define PG 4096ul

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

static char *anon(size_t n)
{
	return OK(mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static sigjmp_buf back;
static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

static int touches(volatile char *p)
{
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	if (sigsetjmp(back, 1))
		return 0;
	*p = 1;
	return 1;
}

static char shared_text[64] = "parent";

TEST(process_vm_readv_and_writev)
{
	char buf[16] = "";
	pid_t pid = fork();
	if (pid == 0) {
		strcpy(shared_text, "childs");
		kill(getpid(), SIGSTOP);
		EQ(strcmp(shared_text, "chXYZs"), 0);
		_exit(0);
	}
	int status;
	EQ(OK(waitpid(pid, &status, WUNTRACED)), pid);
	struct iovec local[2] = {{buf, 2}, {buf + 2, 14}}, remote[2] = {{shared_text, 3}, {shared_text + 3, 3}};
	EQ(process_vm_readv(pid, local, 2, remote, 2, 0), 6);
	EQ(strcmp(buf, "childs"), 0);
	EQ(strcmp(shared_text, "parent"), 0);
	local[0] = (struct iovec){"XYZ", 3};
	remote[0] = (struct iovec){shared_text + 2, 3};
	EQ(process_vm_writev(pid, local, 1, remote, 1, 0), 3);
	OK(kill(pid, SIGCONT));
	EQ(status_of(pid), 0);
}

TEST(process_vm_of_oneself)
{
	char a[8] = "abcdefg", b[8] = "";
	struct iovec l = {b, 8}, r = {a, 8};
	EQ(process_vm_readv(getpid(), &l, 1, &r, 1, 0), 8);
	EQ(strcmp(a, b), 0);
}

TEST(process_vm_errors)
{
	char buf[16];
	char *p = anon(2 * PG);
	OK(munmap(p + PG, PG));
	struct iovec l = {buf, 16}, r = {p + PG - 8, 16}, bad = {(void *)8, 16}, huge = {buf, -1ul};
	/* Partial transfers come in whole remote pages. */
	EQ(process_vm_readv(getpid(), &l, 1, &r, 1, 0), 8);
	ERR(EFAULT, process_vm_readv(getpid(), &l, 1, &bad, 1, 0));
	ERR(EFAULT, process_vm_readv(getpid(), (struct iovec *)8, 1, &r, 1, 0));
	ERR(EFAULT, process_vm_readv(getpid(), &l, 1, (struct iovec *)8, 1, 0));
	ERR(EINVAL, process_vm_readv(getpid(), &l, 1, &r, 1, 1));
	ERR(EINVAL, process_vm_readv(getpid(), &l, 1025, &r, 1, 0));
	ERR(EINVAL, process_vm_readv(getpid(), &huge, 1, &r, 1, 0));
	ERR(ESRCH, process_vm_readv(99999999, &l, 1, &r, 1, 0));
	EQ(process_vm_readv(getpid(), &l, 0, &r, 1, 0), 0);
	EQ(process_vm_readv(getpid(), &l, 1, &r, 0, 0), 0);
	/* Read-only memory is not written, not even through another process's eyes. */
	char *ro = OK(mmap(0, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	r = (struct iovec){ro, 4};
	ERR(EFAULT, process_vm_writev(getpid(), &l, 1, &r, 1, 0));
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		ERR(EPERM, process_vm_readv(parent, &l, 1, &r, 1, 0));
		_exit(0);
	}
	EQ(status_of(pid), 0);
}

TEST(a_growsdown_mapping_grows)
{
	char *area = anon(64 * PG);
	OK(munmap(area, 64 * PG));
	char *p = OK(mmap(area + 60 * PG, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	p[0] = 7;
	CHECK(touches(p - 1));
	CHECK(touches(p - 3 * (long)PG));
	EQ(p[0], 7);
	EQ(p[-2 * (long)PG], 0);
	OK(munmap(p - 3 * PG, 4 * PG));
}

TEST(a_growing_mapping_keeps_its_distance)
{
	char *area = anon(1024 * PG);
	OK(munmap(area, 1024 * PG));
	char *below = OK(mmap(area, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	char *p = OK(mmap(area + 300 * PG, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	/* 256 pages stay free above what is mapped below. */
	CHECK(touches(area + 280 * PG));
	CHECK(!touches(area + 100 * PG));
	below[0] = 1;
	p[0] = 1;
}

TEST(the_stack_grows_and_is_bounded)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit rl = {2 << 20, RLIM_INFINITY};
		volatile char *sp;
		__asm__ volatile("mov %%rsp, %0" : "=r"(sp));
		setrlimit(RLIMIT_STACK, &rl);
		for (long i = 0; i < 1 << 20; i += PG)
			sp[-i] = 1;
		_exit(5);
	}
	EQ(status_of(pid), 5 << 8);
}

TEST(mprotect_growsdown_reaches_the_start_of_the_stack)
{
	char *area = anon(16 * PG);
	OK(munmap(area, 16 * PG));
	char *p = OK(mmap(area + 8 * PG, 4 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	OK(mprotect(p + 2 * PG, PG, PROT_READ | PROT_GROWSDOWN));
	CHECK(!touches(p));
	CHECK(touches(p + 3 * PG));
	char *plain = anon(PG);
	ERR(EINVAL, mprotect(plain, PG, PROT_READ | PROT_GROWSDOWN));
	ERR(EINVAL, mprotect(p, PG, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
}

TEST(mlock_of_future_mappings)
{
	char line[256];
	long locked = 0;
	OK(mlockall(MCL_FUTURE));
	char *p = anon(16 * PG);
	p[0] = 1;
	FILE *f = fopen("/proc/self/status", "r");
	CHECK(f);
	while (fgets(line, sizeof line, f))
		sscanf(line, "VmLck: %ld kB", &locked);
	CHECK(locked >= 64);
	OK(munlockall());
}

TEST(mlock2_on_fault)
{
	char *p = anon(4 * PG);
	OK(syscall(SYS_mlock2, p, 4 * PG, MLOCK_ONFAULT));
	OK(syscall(SYS_mlock2, p, 4 * PG, 0));
	ERR(EINVAL, syscall(SYS_mlock2, p, PG, 99));
	OK(munlock(p, 4 * PG));
}

TEST(madvise_free_and_remove)
{
	char *p = anon(4 * PG);
	memset(p, 1, 4 * PG);
	OK(madvise(p, 4 * PG, MADV_FREE));
	p[0] = 2;
	EQ(p[0], 2);
	CHECK(p[PG] == 0 || p[PG] == 1);
	char *s = OK(mmap(0, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	s[0] = s[PG] = 3;
	OK(madvise(s, PG, MADV_REMOVE));
	EQ(s[0], 0);
	EQ(s[PG], 3);
	/* Shared memory survives DONTNEED. */
	OK(madvise(s, 2 * PG, MADV_DONTNEED));
	EQ(s[PG], 3);
	ERR(EINVAL, madvise(p, PG, MADV_REMOVE));
	OK(madvise(p, 4 * PG, MADV_POPULATE_WRITE));
	OK(madvise(p, 4 * PG, MADV_COLD));
	OK(madvise(p, 4 * PG, MADV_DONTDUMP));
}

/* The C library passes no address with MREMAP_DONTUNMAP, and the kernel looks at it. */
static char *move_keep(char *p, size_t from, size_t to, int flags)
{
	return (char *)syscall(SYS_mremap, p, from, to, flags, 0);
}

TEST(mremap_dontunmap)
{
	char *p = anon(2 * PG);
	p[0] = 5;
	char *q = OK(move_keep(p, 2 * PG, 2 * PG, MREMAP_MAYMOVE | 4));
	CHECK(q != p);
	EQ(q[0], 5);
	EQ(p[0], 0);
	ERR(EINVAL, move_keep(p, 2 * PG, PG, MREMAP_MAYMOVE | 4));
	ERR(EINVAL, move_keep(p, 2 * PG, 2 * PG, 4));
}

TEST(mremap_of_shared_memory_with_old_size_zero_duplicates)
{
	char *s = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	s[0] = 9;
	char *t = OK(mremap(s, 0, PG, MREMAP_MAYMOVE));
	CHECK(t != s);
	EQ(t[0], 9);
	t[1] = 8;
	EQ(s[1], 8);
	ERR(EINVAL, mremap(anon(PG), 0, PG, MREMAP_MAYMOVE));
}

TEST(remap_file_pages_reorders)
{
	char *s = OK(mmap(0, 4 * PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	for (int i = 0; i < 4; i++)
		s[i * PG] = (char)('a' + i);
	OK(syscall(SYS_remap_file_pages, s, PG, 0, 2, 0));
	EQ(s[0], 'c');
	EQ(s[2 * PG], 'c');
	ERR(EINVAL, syscall(SYS_remap_file_pages, anon(PG), PG, 0, 0, 0));
}

TEST(populate_and_noreserve)
{
	unsigned char vec[8];
	char *p = OK(mmap(0, 8 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0));
	OK(mincore(p, 8 * PG, vec));
	for (int i = 0; i < 8; i++)
		EQ(vec[i] & 1, 1);
	char *big = OK(mmap(0, 1ul << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	big[1ul << 39] = 1;
	EQ(big[(1ul << 39) + PG], 0);
	OK(munmap(big, 1ul << 40));
}

TEST(reads_into_protected_memory_fail_cleanly)
{
	char *p = anon(3 * PG);
	int fd = OK(open("/dev/zero", O_RDONLY));
	memset(p, 1, 3 * PG);
	OK(mprotect(p + PG, PG, PROT_READ));
	/* What lies before the barrier is filled. */
	EQ(read(fd, p, 3 * PG), (long)PG);
	EQ(p[0], 0);
	EQ(p[PG], 1);
	ERR(EFAULT, read(fd, p + PG, 1));
	OK(mprotect(p + PG, PG, PROT_NONE));
	int out = OK(open("f", O_RDWR | O_CREAT, 0600));
	ERR(EFAULT, write(out, p + PG, 10));
	EQ(write(out, p + PG - 10, 20), 10);
}

TEST(a_large_fork_copies_on_write)
{
	size_t n = 32 << 20;
	char *p = anon(n);
	for (size_t i = 0; i < n; i += PG)
		p[i] = (char)(i / PG);
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < n; i += PG) {
			EQ(p[i], (char)(i / PG));
			p[i] = 99;
		}
		_exit(0);
	}
	EQ(status_of(pid), 0);
	for (size_t i = 0; i < n; i += PG)
		EQ(p[i], (char)(i / PG));
}

TEST(grandchildren_see_what_was_written_last)
{
	char *p = anon(4 * PG);
	for (int gen = 0; gen < 6; gen++) {
		p[gen % 4 * PG] = (char)(gen + 1);
		pid_t pid = fork();
		if (pid != 0) {
			int s = status_of(pid);
			EQ(p[gen % 4 * PG], gen + 1);
			_exit(s != 0);
		}
		EQ(p[gen % 4 * PG], gen + 1);
	}
	EQ(p[0] == 5 && p[PG] == 6 && p[2 * PG] == 3 && p[3 * PG] == 4, 1);
	_exit(0);
}

TEST(transparent_hugepages_can_be_refused)
{
	EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 0);
	OK(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	EQ(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0), 1);
}

TEST(process_vm_of_many_pages)
{
	size_t n = 1 << 21;
	char *from = anon(n), *to = anon(n);
	for (size_t i = 0; i < n; i += 8)
		*(size_t *)(from + i) = i * 3;
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	memset(from, 0, n);
	struct iovec l[2] = {{to, 100003}, {to + 100003, n - 100003}}, r[2] = {{from, n - 5}, {from + n - 5, 5}};
	EQ(process_vm_readv(pid, l, 2, r, 2, 0), (long)n);
	for (size_t i = 0; i < n; i += 8)
		EQ(*(size_t *)(to + i), i * 3);
	/* The ends need not match. */
	l[0].iov_len = 10;
	EQ(process_vm_readv(pid, l, 1, r, 2, 0), 10);
	EQ(process_vm_writev(pid, l, 1, r, 2, 0), 10);
	OK(kill(pid, SIGKILL));
	EQ(status_of(pid), SIGKILL);
	ERR(ESRCH, process_vm_readv(pid, l, 1, r, 1, 0));
}
