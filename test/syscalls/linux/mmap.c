/* mmap, munmap, mprotect, mremap, brk, madvise, msync, mincore, mlock. */
#include "../test.h"
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/time.h>

#define PG 4096ul

static sigjmp_buf back;
static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

/* Whether the byte can be read / written. */
static int readable(volatile char *p)
{
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	if (sigsetjmp(back, 1))
		return 0;
	(void)*p;
	return 1;
}

static int writable(volatile char *p)
{
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	if (sigsetjmp(back, 1))
		return 0;
	*p = *p;
	return 1;
}

static char *anon(size_t n, int prot)
{
	return OK(mmap(0, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

static int file_of(size_t n)
{
	int fd = OK(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
	char c;
	for (size_t i = 0; i < n; i += PG) {
		c = (char)('a' + i / PG);
		EQ(pwrite(fd, &c, 1, i), 1);
	}
	OK(ftruncate(fd, n));
	return fd;
}

TEST(anonymous_memory_is_zero_and_writable)
{
	char *p = anon(64 * PG, PROT_READ | PROT_WRITE);
	for (size_t i = 0; i < 64 * PG; i += 511) {
		EQ(p[i], 0);
		p[i] = (char)i;
	}
	for (size_t i = 0; i < 64 * PG; i += 511)
		EQ(p[i], (char)i);
	OK(munmap(p, 64 * PG));
	CHECK(!readable(p));
}

TEST(mmap_errors)
{
	int fd = file_of(PG), ro = OK(open("f", O_RDONLY)), wo = OK(open("f", O_WRONLY)), p[2];
	ERR(EINVAL, mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ERR(EINVAL, mmap(0, PG, PROT_READ, MAP_ANONYMOUS, -1, 0));
	ERR(EINVAL, mmap((void *)123, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ERR(EINVAL, syscall(SYS_mmap, 0, PG, PROT_READ, MAP_PRIVATE, fd, 123));
	ERR(EBADF, mmap(0, PG, PROT_READ, MAP_PRIVATE, -1, 0));
	ERR(EBADF, mmap(0, PG, PROT_READ, MAP_PRIVATE, 999, 0));
	ERR(EACCES, mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	ERR(EACCES, mmap(0, PG, PROT_READ, MAP_PRIVATE, wo, 0));
	ERR(ENOMEM, mmap(0, 1ul << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
	ERR(ENOMEM, mmap((void *)(1ul << 47), PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	OK(pipe(p));
	ERR(ENODEV, mmap(0, PG, PROT_READ, MAP_PRIVATE, p[0], 0));
	int d = OK(open(".", O_RDONLY));
	ERR(ENODEV, mmap(0, PG, PROT_READ, MAP_PRIVATE, d, 0));
	ERR(EOVERFLOW, syscall(SYS_mmap, 0, 2 * PG, PROT_READ, MAP_PRIVATE, fd, -PG));
	OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
}

TEST(fixed_replaces_and_noreplace_does_not)
{
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE), *q;
	p[PG] = 7;
	p[0] = 1;
	q = OK(mmap(p + PG, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	CHECK(q == p + PG);
	EQ(p[PG], 0);
	EQ(p[0], 1);
	ERR(EEXIST, mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	OK(munmap(p, PG));
	CHECK(OK(mmap(p, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0)) == p);
}

TEST(hint_is_honoured_when_free)
{
	char *p = anon(16 * PG, PROT_READ);
	OK(munmap(p, 16 * PG));
	CHECK(OK(mmap(p + 4 * PG, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) == p + 4 * PG);
	CHECK(OK(mmap(p + 4 * PG, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != p + 4 * PG);
	CHECK((unsigned long)OK(mmap(0, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0)) < 1ul << 31);
}

static volatile int ticks;
static void on_tick(int sig)
{
	(void)sig;
	ticks++;
}

static void store_all(char *p, int pages, char c)
{
	for (int i = 0; i < pages; i++)
		memset(p + i * PG, c, PG);
}

/* What is unmapped faults at once, and comes back as zeros; nothing of it is anybody else's meanwhile. */
TEST(munmap_in_turn_with_mmap)
{
	char *other = anon(16 * PG, PROT_READ | PROT_WRITE);
	store_all(other, 16, 'o');
	for (int round = 0; round < 300; round++) {
		int n = 1 + round % 16;
		char *p = anon(16 * PG, PROT_READ | PROT_WRITE);
		for (size_t i = 0; i < 16 * PG; i += 512)
			EQ(p[i], 0);
		store_all(p, 16, 'x');
		OK(munmap(p, n * PG));
		for (int i = 0; i < 16; i += 5) {
			EQ(readable(p + i * PG), i >= n);
			EQ(writable(p + i * PG), i >= n);
		}
		char *q = OK(mmap(p, n * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		for (size_t i = 0; i < n * PG; i += 512)
			EQ(q[i], 0);
		OK(munmap(p, 16 * PG));
		CHECK(!readable(p + 15 * PG));
		if (round % 30 == 0) {
			pid_t pid = OK(fork());
			if (pid == 0) {
				if (readable(p))
					_exit(1);
				store_all(anon(16 * PG, PROT_READ | PROT_WRITE), 16, 'c');
				_exit(other[0] != 'o');
			}
			int status;
			EQ(waitpid(pid, &status, 0), pid);
			EQ(status, 0);
		}
	}
	for (size_t i = 0; i < 16 * PG; i++)
		EQ(other[i], 'o');
}

/* Signals that come at the same time change nothing about it. */
TEST(munmap_under_signals)
{
	struct itimerval every = {{0, 200}, {0, 200}};
	struct sigaction sa = {.sa_handler = on_tick};
	OK(sigaction(SIGALRM, &sa, 0));
	OK(setitimer(ITIMER_REAL, &every, 0));
	for (int round = 0; round < 2000 || ticks < 50; round++) {
		char *p = anon(4 * PG, PROT_READ | PROT_WRITE);
		EQ(p[PG], 0);
		p[PG] = 1;
		OK(munmap(p, 4 * PG));
		char *q = OK(mmap(p, 4 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
		EQ(q, p);
		EQ(q[PG], 0);
		OK(munmap(q, 4 * PG));
	}
}

TEST(munmap_splits)
{
	char *p = anon(3 * PG, PROT_READ | PROT_WRITE);
	p[0] = 1;
	p[2 * PG] = 3;
	OK(munmap(p + PG, PG));
	CHECK(readable(p) && !readable(p + PG) && readable(p + 2 * PG));
	EQ(p[0] + p[2 * PG], 4);
	OK(munmap(p + PG, PG));
	ERR(EINVAL, munmap(p + 1, PG));
	ERR(EINVAL, munmap(p, 0));
	ERR(EINVAL, munmap(p, -1ul));
}

TEST(private_file_mapping_is_copy_on_write)
{
	int fd = file_of(3 * PG);
	char *p = OK(mmap(0, 3 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)), c;
	EQ(p[0], 'a');
	EQ(p[PG], 'b');
	p[PG] = 'X';
	EQ(pread(fd, &c, 1, PG), 1);
	EQ(c, 'b');
	EQ(p[PG], 'X');
	EQ(p[PG + 1], 0);
	EQ(p[2 * PG], 'c');
}

TEST(shared_file_mapping_is_coherent_with_io)
{
	int fd = file_of(2 * PG);
	char *p = OK(mmap(0, 2 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), c;
	p[5] = 'Z';
	EQ(pread(fd, &c, 1, 5), 1);
	EQ(c, 'Z');
	EQ(pwrite(fd, "Q", 1, PG + 7), 1);
	EQ(p[PG + 7], 'Q');
	char *q = OK(mmap(0, PG, PROT_READ, MAP_SHARED, fd, PG));
	p[PG + 9] = 'R';
	EQ(q[9], 'R');
	OK(msync(p, 2 * PG, MS_SYNC));
	OK(close(fd));
	p[1] = 1;
	EQ(p[1], 1);
}

TEST(shared_anonymous_memory_is_shared_with_children)
{
	int *p = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), status;
	pid_t pid = fork();
	if (pid == 0) {
		*p = 42;
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(*p, 42);
}

TEST(private_memory_is_not_shared_with_children)
{
	static int global = 1;
	int *p = (int *)anon(PG, PROT_READ | PROT_WRITE), status;
	*p = 5;
	pid_t pid = fork();
	if (pid == 0) {
		if (*p != 5 || global != 1)
			_exit(1);
		*p = 6;
		global = 2;
		_exit(*p == 6 ? 0 : 2);
	}
	*p = 7;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(*p, 7);
	EQ(global, 1);
}

TEST(mprotect_changes_access)
{
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE);
	p[PG] = 9;
	OK(mprotect(p + PG, PG, PROT_READ));
	CHECK(readable(p + PG) && !writable(p + PG) && writable(p) && writable(p + 2 * PG));
	EQ(p[PG], 9);
	OK(mprotect(p + PG, PG, PROT_NONE));
	CHECK(!readable(p + PG));
	OK(mprotect(p, 4 * PG, PROT_READ | PROT_WRITE));
	CHECK(writable(p + PG));
	EQ(p[PG], 9);
	ERR(EINVAL, mprotect(p + 1, PG, PROT_READ));
	ERR(EINVAL, mprotect(p, PG, 0x80));
	OK(munmap(p + 2 * PG, PG));
	ERR(ENOMEM, mprotect(p, 4 * PG, PROT_READ));
	CHECK(!writable(p));
	int ro = (OK(close(file_of(PG))), OK(open("f", O_RDONLY)));
	char *q = OK(mmap(0, PG, PROT_READ, MAP_SHARED, ro, 0));
	ERR(EACCES, mprotect(q, PG, PROT_READ | PROT_WRITE));
	OK(mprotect(p, 0, PROT_READ));
}

TEST(code_written_by_the_program_runs)
{
	unsigned char code[] = {0xb8, 42, 0, 0, 0, 0xc3};
	char *p = anon(PG, PROT_READ | PROT_WRITE);
	memcpy(p, code, sizeof code);
	OK(mprotect(p, PG, PROT_READ | PROT_EXEC));
	EQ(((int (*)(void))p)(), 42);
	p = anon(PG, PROT_READ | PROT_WRITE | PROT_EXEC);
	for (int i = 0; i < 100; i++) {
		code[1] = (unsigned char)i;
		memcpy(p, code, sizeof code);
		EQ(((int (*)(void))p)(), i);
	}
}

TEST(mremap_grows_shrinks_and_moves)
{
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE), *q;
	for (int i = 0; i < 4; i++)
		p[i * PG] = (char)(i + 1);
	q = OK(mremap(p, 4 * PG, 2 * PG, 0));
	CHECK(q == p && !readable(p + 2 * PG));
	q = OK(mremap(p, 2 * PG, 100 * PG, MREMAP_MAYMOVE));
	EQ(q[0], 1);
	EQ(q[PG], 2);
	EQ(q[2 * PG], 0);
	EQ(q[99 * PG], 0);
	char *to = anon(100 * PG, PROT_NONE);
	p = OK(mremap(q, 100 * PG, 100 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	CHECK(p == to && !readable(q));
	EQ(p[PG], 2);
	ERR(EINVAL, mremap(p + 1, PG, PG, 0));
	ERR(EINVAL, mremap(p, PG, 0, 0));
	ERR(EINVAL, mremap(p, PG, PG, MREMAP_FIXED, to));
	ERR(EINVAL, mremap(p, PG, PG, 0x100));
	ERR(EFAULT, mremap(q, PG, 2 * PG, MREMAP_MAYMOVE));
	ERR(EINVAL, mremap(p, 4 * PG, 4 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, p + PG));
	anon(PG, PROT_READ);
	q = anon(3 * PG, PROT_READ);
	OK(munmap(q + 2 * PG, PG));
	CHECK(OK(mmap(q + 2 * PG, PG, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)) != 0);
	ERR(ENOMEM, mremap(q, 2 * PG, 4 * PG, 0));
}

TEST(brk_moves_the_heap)
{
	char *start = sbrk(0), *p;
	CHECK(OK(sbrk(10 * PG)) == start);
	for (size_t i = 0; i < 10 * PG; i += PG)
		EQ(start[i], 0);
	start[5 * PG] = 1;
	OK(brk(start + PG));
	OK(brk(start + 10 * PG));
	EQ(start[5 * PG], 0);
	p = (char *)syscall(SYS_brk, 0);
	CHECK(p == start + 10 * PG);
	CHECK((char *)syscall(SYS_brk, 1) == p);
	CHECK((char *)syscall(SYS_brk, -1ul) == p);
}

TEST(madvise_dontneed_zeroes_anonymous_and_rereads_files)
{
	char *p = anon(2 * PG, PROT_READ | PROT_WRITE);
	p[0] = 1;
	OK(madvise(p, 2 * PG, MADV_DONTNEED));
	EQ(p[0], 0);
	int fd = file_of(PG);
	p = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	p[0] = 'X';
	OK(madvise(p, PG, MADV_DONTNEED));
	EQ(p[0], 'a');
	ERR(EINVAL, madvise(p + 1, PG, MADV_DONTNEED));
	ERR(EINVAL, madvise(p, PG, 9999));
	OK(munmap(p, PG));
	ERR(ENOMEM, madvise(p, PG, MADV_DONTNEED));
	OK(madvise(p, 0, MADV_NORMAL));
	p = anon(PG, PROT_READ | PROT_WRITE);
	OK(madvise(p, PG, MADV_WILLNEED));
	OK(madvise(p, PG, MADV_HUGEPAGE) == 0 || errno == EINVAL ? 0 : -1);
}

TEST(madvise_dontfork_and_wipeonfork)
{
	int status;
	char *p = anon(PG, PROT_READ | PROT_WRITE), *q = anon(PG, PROT_READ | PROT_WRITE);
	*p = *q = 1;
	OK(madvise(p, PG, MADV_DONTFORK));
	OK(madvise(q, PG, MADV_WIPEONFORK));
	pid_t pid = fork();
	if (pid == 0)
		_exit(readable(p) ? 1 : *q != 0 ? 2 : 0);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	EQ(*p + *q, 2);
}

TEST(mincore_and_msync_errors)
{
	unsigned char vec[4];
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE);
	p[0] = 1;
	OK(mincore(p, 4 * PG, vec));
	EQ(vec[0] & 1, 1);
	ERR(EINVAL, mincore(p + 1, PG, vec));
	ERR(EFAULT, mincore(p, PG, (void *)1));
	OK(munmap(p + PG, PG));
	ERR(ENOMEM, mincore(p, 4 * PG, vec));
	ERR(EINVAL, msync(p + 1, PG, MS_SYNC));
	ERR(EINVAL, msync(p, PG, MS_SYNC | MS_ASYNC));
	ERR(EINVAL, msync(p, PG, 0x80));
	ERR(ENOMEM, msync(p, 4 * PG, MS_ASYNC));
}

TEST(mlock_accounts)
{
	char *p = anon(4 * PG, PROT_READ | PROT_WRITE);
	OK(mlock(p, PG));
	OK(munlock(p, PG));
	OK(munmap(p + 3 * PG, PG));
	ERR(ENOMEM, mlock(p, 4 * PG));
	ERR(EINVAL, mlockall(0x80));
	OK(mlockall(MCL_CURRENT));
	OK(munlockall());
}

TEST(address_space_limit)
{
	struct rlimit rl = {256ul << 20, 256ul << 20};
	OK(setrlimit(RLIMIT_AS, &rl));
	ERR(ENOMEM, mmap(0, 512ul << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

TEST(maps_shows_mappings)
{
	char line[512], want[64];
	int found = 0, heap = 0, stack = 0, vdso = 0;
	OK(close(file_of(2 * PG)));
	int fd = OK(open("f", O_RDONLY));
	char *p = OK(mmap(0, 2 * PG, PROT_READ, MAP_PRIVATE, fd, 0));
	sprintf(want, "%lx-%lx r--p 00000000 ", (long)p, (long)(p + 2 * PG));
	sbrk(PG);
	FILE *f = fopen("/proc/self/maps", "r");
	CHECK(f);
	while (fgets(line, sizeof line, f)) {
		found += !strncmp(line, want, strlen(want)) && strstr(line, "/f\n");
		heap += !!strstr(line, "[heap]\n");
		stack += !!strstr(line, "[stack]\n");
		vdso += !!strstr(line, "[vdso]\n");
	}
	EQ(found, 1);
	/* The kernel may show the heap in pieces. */
	CHECK(heap >= 1);
	EQ(stack, 1);
	EQ(vdso, 1);
}

TEST(dev_zero_maps_as_anonymous_memory)
{
	int fd = OK(open("/dev/zero", O_RDWR));
	char *p = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	EQ(*p, 0);
	*p = 1;
	EQ(*p, 1);
}

TEST(many_mappings)
{
	char *p = anon(2000 * PG, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 2000; i += 2)
		OK(mprotect(p + i * PG, PG, PROT_READ));
	for (int i = 1; i < 2000; i += 2)
		p[i * PG] = 1;
	for (int i = 0; i < 2000; i++)
		EQ(p[i * PG], i & 1);
	OK(munmap(p, 2000 * PG));
}
