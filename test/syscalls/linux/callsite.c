/*
 * System call sites that are called very often: registers, flags, stack and vector state as the system call ABI says, whatever the form of the
 * site; code that is read, changed, moved and mapped again; threads, fork, vfork and exec.
 */
#include "../callsite.h"
#include <asm/prctl.h>
#include <dlfcn.h>
#include <immintrin.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/uio.h>

/* Probes a site once with random registers. `nr` < 0: rax is random, too. `flags` says what of them must be unchanged. */
static void check_probe(struct probe *p, void *site, long nr, unsigned long flags)
{
	static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
					    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "flags"};
	for (int r = 0; r < NREGS; r++)
		p->in[r] = next_random();
	p->site = site;
	if (nr >= 0)
		p->in[RAX] = (unsigned long)nr;
	p->in[FLAGS] = (p->in[FLAGS] & ARITHMETIC) | 0x202;
	/* read() is to fail */
	p->in[RDI] |= 0x40000000;
	p->in[RDI] &= ~0x80000000ul;
	probe(p);
	for (int r = RBX; r < FLAGS; r++)
		if (r != RCX && r != R11 && p->in[r] != p->out[r] && !(site == argument_like_number && r == R8))
			FAIL("%s was 0x%lx, is 0x%lx", names[r], p->in[r], p->out[r]);
	if (((p->in[FLAGS] ^ p->out[FLAGS]) & flags) != 0)
		FAIL("flags were 0x%lx, are 0x%lx", p->in[FLAGS], p->out[FLAGS]);
}

/* The flags of `cmp $-4096, rax`, or -4095. */
static unsigned long flags_of_cmp(unsigned long rax, int imm)
{
	unsigned long f;
	if (imm == -4096)
		__asm__("lea -128(%%rsp),%%rsp; cmp $-4096,%1; pushf; pop %0; lea 128(%%rsp),%%rsp" : "=r"(f) : "r"(rax) : "cc");
	else
		__asm__("lea -128(%%rsp),%%rsp; cmp $-4095,%1; pushf; pop %0; lea 128(%%rsp),%%rsp" : "=r"(f) : "r"(rax) : "cc");
	return f & ARITHMETIC & ~0x400ul;
}

static long pid;

static void one_of_each(int i)
{
	struct probe p;
	static const struct {
		void *site;
		int imm;
	} comparing[] = {{compared, -4096}, {numbered_compared, -4095}, {compared_across, -4095}};
	static void *const plain[] = {numbered, long_number, numbered_across, numbered_last};
	(void)i;
	for (unsigned k = 0; k < sizeof plain / sizeof *plain; k++) {
		check_probe(&p, plain[k], -1, ARITHMETIC);
		EQ(p.out[RAX], pid);
	}
	for (unsigned k = 0; k < sizeof comparing / sizeof *comparing; k++) {
		check_probe(&p, comparing[k].site, SYS_getpid, 0x400);
		EQ(p.out[RAX], pid);
		EQ(p.out[FLAGS] & ARITHMETIC & ~0x400ul, flags_of_cmp(p.out[RAX], comparing[k].imm));
	}
	check_probe(&p, argument_like_number, -1, ARITHMETIC);
	EQ(p.out[RAX], pid);
	EQ(p.out[R8], 39);
	check_probe(&p, zeroed, -1, 0x400);
	EQ(p.out[RAX], -EBADF);
	EQ(p.out[FLAGS] & ARITHMETIC & ~0x400ul, 0x44);
	check_probe(&p, jumped, SYS_getpid, ARITHMETIC);
	EQ(p.out[RAX], pid);
	check_probe(&p, numbered_high, -1, ARITHMETIC);
	EQ(p.out[RAX], -ENOSYS);
}

TEST_TIMEOUT(registers_and_flags_of_every_form, 60)
{
	pid = getpid();
	in_all_manners(one_of_each, 600);
}

/* AC: misaligned accesses fault. NT, which stays set. */
#define EFLAGS_AC 0x40000ul
#define EFLAGS_NT 0x4000ul

static void other_flags(int i)
{
	static void *const fns[] = {numbered, compared, long_number, jumped};
	for (int k = 0; k < 4; k++) {
		struct probe p = {fns[k], {SYS_getpid}, {0}};
		p.in[FLAGS] = 0x202 | (i & 1 ? EFLAGS_AC : 0) | (i & 2 ? EFLAGS_NT : 0);
		probe(&p);
		EQ(p.out[RAX], pid);
		EQ(p.out[FLAGS] & (EFLAGS_AC | EFLAGS_NT), p.in[FLAGS] & (EFLAGS_AC | EFLAGS_NT));
	}
}

TEST_TIMEOUT(flags_that_are_no_results, 60)
{
	pid = getpid();
	in_all_manners(other_flags, 1000);
}

static void into_the_middle(int i)
{
	struct probe p;
	check_probe(&p, numbered, -1, ARITHMETIC);
	EQ(p.out[RAX], pid);
	check_probe(&p, compared, SYS_getpid, 0x400);
	EQ(p.out[RAX], pid);
	if (i % 4 != 0)
		return;
	/* Another call through a site that says getpid, and getpid itself. */
	check_probe(&p, numbered_call, SYS_getppid, ARITHMETIC);
	EQ(p.out[RAX], getppid());
	check_probe(&p, numbered_call, SYS_getpid, ARITHMETIC);
	EQ(p.out[RAX], pid);
	check_probe(&p, compared_cmp, -1, 0x400);
	EQ(p.out[RAX], p.in[RAX]);
	EQ(p.out[FLAGS] & ARITHMETIC & ~0x400ul, flags_of_cmp(p.out[RAX], -4096));
	check_probe(&p, numbered_behind, -1, ARITHMETIC);
	EQ(p.out[RAX], p.in[RAX]);
	check_probe(&p, compared_behind, -1, ARITHMETIC);
	EQ(p.out[RAX], p.in[RAX]);
}

TEST_TIMEOUT(jumps_into_the_middle_of_a_site, 60)
{
	pid = getpid();
	in_all_manners(into_the_middle, 1500);
}

static void odd_number(int i)
{
	static long x32;
	struct probe p;
	/* The number is the lower half of rax. */
	check_probe(&p, compared, (long)(0x7654321000000000 + SYS_getpid), 0x400);
	EQ(p.out[RAX], pid);
	check_probe(&p, compared, 100000 + i % 7, 0x400);
	EQ(p.out[RAX], -ENOSYS);
	check_probe(&p, compared, 0x80000000 + i % 7, 0x400);
	EQ(p.out[RAX], -ENOSYS);
	/* x32 is a matter of the kernel's configuration. */
	check_probe(&p, numbered_x32, -1, ARITHMETIC);
	if (i == 0)
		x32 = (long)p.out[RAX];
	CHECK(x32 == -ENOSYS || x32 == pid);
	EQ(p.out[RAX], x32);
	check_probe(&p, compared, 0x40000000 + SYS_getpid, 0x400);
	EQ(p.out[RAX], x32);
}

TEST_TIMEOUT(odd_numbers, 60)
{
	pid = getpid();
	in_all_manners(odd_number, 600);
}

static void varying_number(int i)
{
	static const long numbers[] = {SYS_getpid, SYS_gettid, SYS_getppid, SYS_getuid, SYS_getgid};
	long want[] = {pid, pid, getppid(), getuid(), getgid()};
	EQ(syscall(numbers[i % 5]), want[i % 5]);
	EQ(call5(numbers[i % 5]), want[i % 5]);
	ERR(EBADF, syscall(SYS_close, -1));
	EQ(call5(SYS_close, -1), -EBADF);
}

TEST_TIMEOUT(a_site_whose_number_varies, 60)
{
	pid = getpid();
	in_all_manners(varying_number, MANY);
}

static void arguments_arrive(int i)
{
	/* All six: a mapping with a file and an offset. */
	static int fd = -1;
	char c;
	if (fd < 0) {
		fd = OK(memfd_create("m", 0));
		OK(ftruncate(fd, 16 * (long)PG));
		for (int k = 0; k < 16; k++)
			EQ(pwrite(fd, "abcdefghijklmnop" + k, 1, k * (long)PG), 1);
	}
	struct probe p = {compared, {SYS_mmap, 1, 2, PROT_READ, PG, 0, 3, (unsigned long)fd, (unsigned long)(i % 16) * PG, MAP_PRIVATE}, {0}};
	p.in[FLAGS] = 0x202;
	probe(&p);
	CHECK(p.out[RAX] < -4096ul);
	EQ(*(char *)p.out[RAX], 'a' + i % 16);
	EQ(call5(SYS_pread64, fd, &c, 1, (i + 1) % 16 * (long)PG), 1);
	EQ(c, 'a' + (i + 1) % 16);
	EQ(call5(SYS_munmap, p.out[RAX], PG), 0);
}

TEST_TIMEOUT(all_six_arguments_arrive, 60)
{
	in_all_manners(arguments_arrive, 600);
}

static void red_zone(int i)
{
	long bad;
	__asm__ volatile("xor %%ecx, %%ecx\n"
			 "1: mov %%rcx, %%rax; add %1, %%rax; mov %%rax, -128(%%rsp,%%rcx,8); inc %%ecx; cmp $16, %%ecx; jne 1b\n"
			 "mov $39, %%eax; syscall\n"
			 "mov $39, %%eax; syscall; cmp $-4095, %%rax\n"
			 "mov $39, %%rax; syscall; mov %%rax, %%rax\n"
			 "xor %0, %0; xor %%ecx, %%ecx\n"
			 "2: mov %%rcx, %%rax; add %1, %%rax; xor -128(%%rsp,%%rcx,8), %%rax; or %%rax, %0; inc %%ecx; cmp $16, %%ecx; jne 2b"
			 : "=&r"(bad)
			 : "r"((unsigned long)i * 0x9e3779b97f4a7c15ul)
			 : "rax", "rcx", "r11", "cc", "memory");
	EQ(bad, 0);
}

TEST_TIMEOUT(the_red_zone_is_not_touched, 60)
{
	in_all_manners(red_zone, MANY);
}

#define FOR_VECTORS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define LOAD(n) "vmovdqu " #n "*32(%1), %%ymm" #n "\n"
#define STORE(n) "vmovdqu %%ymm" #n ", " #n "*32(%2)\n"
#define SITES                                                                                                          \
	"mov $39, %%eax; syscall\n"                                                                                    \
	"mov $39, %%eax; syscall; cmp $-4095, %%rax\n"                                                                 \
	"mov $39, %%rax; syscall; mov %%rax, %%rax\n"

__attribute__((target("avx"))) static void vectors(int i)
{
	unsigned char in[16][32], out[16][32];
	unsigned mxcsr = 0x1f80 | (unsigned)(i % 4) << 13 | (i & 0x3f), got;
	unsigned short cw = (unsigned short)(0x37f & ~(i % 4 == 1 ? 0x300 : 0)) | (unsigned short)(i % 3) << 10, gotcw;
	double d = 1.5 + i, gotd;
	for (unsigned k = 0; k < sizeof in / 8; k++)
		((unsigned long *)in)[k] = next_random();
	__asm__ volatile("ldmxcsr %6; fldcw %7; fldl %5\n" FOR_VECTORS(LOAD) SITES FOR_VECTORS(STORE)
			 "stmxcsr %0; fstpl %3; fnstcw %4\n"
			 "movl $0x1f80, -4(%%rsp); ldmxcsr -4(%%rsp); fninit"
			 : "=m"(got)
			 : "r"(in), "r"(out), "m"(gotd), "m"(gotcw), "m"(d), "m"(mxcsr), "m"(cw)
			 : "rax", "rcx", "r11", "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	EQ(memcmp(in, out, sizeof in), 0);
	EQ(got, mxcsr);
	EQ(gotcw, cw);
	CHECK(memcmp(&gotd, &d, 8) == 0 || i % 4 == 1);
}

TEST_TIMEOUT(vector_and_x87_state_is_not_touched, 60)
{
	if (!__builtin_cpu_supports("avx"))
		SKIP("no AVX");
	in_all_manners(vectors, MANY);
}

/* ---- threads */

static void *shared_page;
static pthread_barrier_t barrier;

static void *through_one_site(void *arg)
{
	long tid = syscall(SYS_gettid), self = getpid(), seed = (long)arg;
	site_seed = 88172645463325252ul; /* racy on purpose: any value will do */
	for (int round = 0; round < 30; round++) {
		pthread_barrier_wait(&barrier);
		if (arg == 0)
			shared_page = map_sites(0);
		pthread_barrier_wait(&barrier);
		long (*c)(long, ...) = AT(shared_page, call5);
		long (*n)(void) = AT(shared_page, numbered);
		struct probe p = {AT(shared_page, numbered_call), {SYS_gettid}, {0}};
		p.in[FLAGS] = 0x202;
		for (int i = 0; i < 300; i++) {
			EQ(c(SYS_gettid), tid);
			EQ(n(), self);
			EQ(c(SYS_getpid), self);
			if ((i + seed) % 8 == 0) {
				probe(&p);
				EQ(p.out[RAX], tid);
			}
		}
		pthread_barrier_wait(&barrier);
		if (arg == 0)
			OK(munmap(shared_page, PG));
	}
	return 0;
}

TEST_TIMEOUT(four_threads_while_a_site_becomes_hot, 60)
{
	pthread_t t[4];
	pthread_barrier_init(&barrier, 0, 4);
	for (long i = 0; i < 4; i++)
		EQ(pthread_create(&t[i], 0, through_one_site, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], 0);
}

static void own_gs(int i)
{
	static unsigned long block[512];
	static int own;
	long (*n)(void) = (void *)numbered;
	unsigned long at;
	if (i % 500 == 0) {
		own = !own;
		for (int k = 0; k < 512; k++)
			block[k] = 0x1111111111111111ul * (unsigned)(k % 16);
		OK(syscall(SYS_arch_prctl, ARCH_SET_GS, own ? (unsigned long)block : 0));
	}
	EQ(n(), pid);
	EQ(call5(SYS_getpid), pid);
	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &at));
	EQ(at, own ? (unsigned long)block : 0);
	if (!own)
		return;
	for (int k = 0; k < 512; k++)
		EQ(block[k], 0x1111111111111111ul * (unsigned)(k % 16));
	__asm__("mov %%gs:40, %0" : "=r"(at));
	EQ(at, 0x5555555555555555ul);
}

TEST_TIMEOUT(gs_is_the_programs_when_it_uses_it, 60)
{
	pid = getpid();
	in_all_manners(own_gs, 2000);
	OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
}

static void gs_by_instruction(int i)
{
	static unsigned long block[512];
	unsigned long base = i % 64 < 32 ? (unsigned long)block : 0x20000000000 + (unsigned)i * 8, at;
	long (*n)(void) = (void *)numbered;
	if (i % 200 >= 190)
		base = 0;
	/* wrgsbase %rax */
	__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8" ::"a"(base));
	EQ(n(), pid);
	EQ(call5(SYS_getpid), pid);
	EQ(syscall(SYS_gettid), pid);
	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &at));
	EQ(at, base);
	if (base != 0) {
		/* rdgsbase %rax */
		__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xc8" : "=a"(at));
		EQ(at, base);
	}
	for (int k = 0; k < 512; k++)
		EQ(block[k], 0);
}

TEST_TIMEOUT(gs_that_the_program_sets_by_itself, 60)
{
	/* HWCAP2_FSGSBASE */
	if ((getauxval(AT_HWCAP2) & 2) == 0)
		SKIP("no FSGSBASE");
	pid = getpid();
	in_all_manners(gs_by_instruction, 1000);
	__asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8" ::"a"(0l));
}

static void gs_nowhere(int i)
{
	struct probe p;
	unsigned long at;
	if (i == 0)
		OK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x10000000000));
	check_probe(&p, numbered, -1, ARITHMETIC);
	EQ(p.out[RAX], pid);
	check_probe(&p, compared, SYS_getpid, 0x400);
	EQ(p.out[RAX], pid);
	OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &at));
	EQ(at, 0x10000000000);
}

TEST_TIMEOUT(gs_that_points_nowhere, 60)
{
	pid = getpid();
	in_all_manners(gs_nowhere, 1000);
}

/* ---- memory */

static void warm(void *page)
{
	long (*c)(long, ...) = AT(page, call5);
	long (*n)(void) = AT(page, numbered);
	for (int i = 0; i < WARM; i++) {
		EQ(n(), getpid());
		EQ(c(SYS_getpid), getpid());
	}
}

TEST_TIMEOUT(code_is_read_as_it_was_written, 30)
{
	char want[PG], got[PG], *page;
	int fd;
	file_bytes(want, sites, PG);
	for (int round = 0; round < 20; round++) {
		warm(sites);
		page = map_sites(0);
		warm(page);
		fd = OK(open("/proc/self/mem", O_RDWR));
		EQ(pread(fd, got, PG, (long)sites), PG);
		EQ(memcmp(want, got, PG), 0);
		EQ(pread(fd, got, PG, (long)page), PG);
		EQ(memcmp(want, got, PG), 0);
		warm(page);
		struct iovec local = {got, PG}, remote = {page, PG};
		EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), PG);
		EQ(memcmp(want, got, PG), 0);
		warm(page);
		/* A part of a site. */
		char *site = AT(page, round % 2 ? compared : numbered);
		for (int k = -8; k < 10; k++) {
			warm(page);
			EQ(pread(fd, got, 1, (long)site + k), 1);
			EQ(got[0], want[site + k - page]);
		}
		close(fd);
		OK(munmap(page, PG));
	}
}

TEST_TIMEOUT(another_process_reads_code_as_it_was_written, 30)
{
	char want[PG], got[PG], path[64], c;
	int up[2], down[2], status, fd;
	file_bytes(want, sites, PG);
	OK(pipe(up));
	OK(pipe(down));
	pid_t child = OK(fork());
	if (child == 0) {
		close(down[1]);
		for (;;) {
			warm(sites);
			if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
				_exit(0);
		}
	}
	snprintf(path, sizeof path, "/proc/%d/mem", child);
	for (int round = 0; round < 20; round++) {
		EQ(read(up[0], &c, 1), 1);
		if (round % 2) {
			struct iovec local = {got, PG}, remote = {sites, PG};
			EQ(process_vm_readv(child, &local, 1, &remote, 1, 0), PG);
		} else {
			fd = OK(open(path, O_RDONLY));
			EQ(pread(fd, got, PG, (long)sites), PG);
			close(fd);
		}
		EQ(memcmp(want, got, PG), 0);
		EQ(write(down[1], "x", 1), 1);
	}
	close(down[1]);
	EQ(waitpid(child, &status, 0), child);
	EQ(status, 0);
}

TEST_TIMEOUT(code_is_read_while_threads_run_it, 60)
{
	char want[PG], got[PG];
	pthread_t t[2];
	int fd = OK(open("/proc/self/mem", O_RDONLY));
	pthread_barrier_init(&barrier, 0, 2);
	file_bytes(want, sites, PG);
	for (long i = 0; i < 2; i++)
		EQ(pthread_create(&t[i], 0, through_one_site, (void *)i), 0);
	for (int i = 0; i < 300; i++) {
		char *page = shared_page;
		usleep(300);
		if (page != 0 && pread(fd, got, PG, (long)page) == (long)PG)
			EQ(memcmp(want, got, PG), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], 0);
}

TEST_TIMEOUT(code_written_through_proc_mem_runs, 30)
{
	int fd = OK(open("/proc/self/mem", O_RDWR));
	int number;
	for (int round = 0; round < 20; round++) {
		char *page = map_sites(0);
		long (*n)(void) = AT(page, numbered);
		warm(page);
		for (int k = 0; k < 10; k++) {
			number = k % 2 ? SYS_getpid : SYS_getppid;
			EQ(pwrite(fd, &number, 4, (long)AT(page, numbered) + 1), 4);
			for (int i = 0; i < 40; i++)
				EQ(n(), k % 2 ? getpid() : getppid());
		}
		OK(munmap(page, PG));
	}
}

TEST_TIMEOUT(code_made_writable_and_changed_runs, 30)
{
	for (int round = 0; round < 20; round++) {
		char want[PG], *page = map_sites(0);
		long (*n)(void) = AT(page, numbered);
		long (*c)(long, ...) = AT(page, call5);
		file_bytes(want, sites, PG);
		warm(page);
		for (int k = 0; k < 6; k++) {
			OK(mprotect(page, PG, PROT_READ | PROT_WRITE | PROT_EXEC));
			want[numbered - sites + 1] = k % 2 ? SYS_getpid : SYS_getppid;
			((char *)n)[1] = k % 2 ? SYS_getpid : SYS_getppid;
			EQ(memcmp(page, want, PG), 0);
			for (int i = 0; i < 40; i++)
				EQ(n(), k % 2 ? getpid() : getppid());
			if (k < 3)
				OK(mprotect(page, PG, PROT_READ | PROT_EXEC));
			for (int i = 0; i < 40; i++) {
				EQ(n(), k % 2 ? getpid() : getppid());
				EQ(c(SYS_getppid), getppid());
			}
		}
		OK(munmap(page, PG));
	}
}

TEST_TIMEOUT(hot_code_is_moved, 30)
{
	for (int round = 0; round < 30; round++) {
		char want[PG], *page = map_sites(0), *to;
		file_bytes(want, sites, PG);
		warm(page);
		to = OK(mmap(0, PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
		EQ(OK(mremap(page, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED, to)), to);
		if (round % 2)
			EQ(memcmp(want, to, PG), 0);
		warm(to);
		/* Onto itself at another size, and away again. */
		page = OK(mremap(to, PG, 2 * PG, MREMAP_MAYMOVE));
		warm(page);
		page = OK(mremap(page, 2 * PG, PG, 0));
		warm(page);
		/* Something else where it was. */
		if (page != to) {
			EQ(OK(mmap(to, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)), to);
			for (unsigned i = 0; i < PG; i++)
				EQ(to[i], 0);
			OK(munmap(to, PG));
		}
		OK(munmap(page, PG));
	}
}

/* A file with the page of sites in which getpid() is getppid(). */
static int other_file(void)
{
	char bytes[PG];
	int fd = OK(open("other", O_RDWR | O_CREAT | O_TRUNC, 0700));
	file_bytes(bytes, sites, PG);
	bytes[numbered - sites + 1] = SYS_getppid;
	EQ(write(fd, bytes, PG), PG);
	close(fd);
	return OK(open("other", O_RDONLY));
}

TEST_TIMEOUT(another_file_at_the_same_address, 30)
{
	int fd = other_file(), mem = OK(open("/proc/self/mem", O_RDONLY));
	char want[PG], got[PG];
	EQ(pread(fd, want, PG, 0), PG);
	for (int round = 0; round < 30; round++) {
		char *page = map_sites(0);
		long (*n)(void) = AT(page, numbered);
		warm(page);
		if (round % 3 == 0)
			OK(munmap(page, PG));
		EQ(OK(mmap(page, PG, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0)), page);
		EQ(memcmp(page, want, PG), 0);
		for (int i = 0; i < 100; i++)
			EQ(n(), getppid());
		EQ(pread(mem, got, PG, (long)page), PG);
		EQ(memcmp(got, want, PG), 0);
		map_sites(page);
		warm(page);
		OK(munmap(page, PG));
	}
}

TEST_TIMEOUT(discarded_code_comes_back, 30)
{
	for (int round = 0; round < 30; round++) {
		char want[PG], *page = map_sites(0);
		file_bytes(want, sites, PG);
		warm(page);
		OK(madvise(page, PG, MADV_DONTNEED));
		EQ(memcmp(want, page, PG), 0);
		warm(page);
		OK(mprotect(page, PG, PROT_READ | PROT_WRITE | PROT_EXEC));
		page[numbered - sites + 1] = SYS_getppid;
		for (int i = 0; i < 40; i++)
			EQ(((long (*)(void))AT(page, numbered))(), getppid());
		OK(madvise(page, PG, MADV_DONTNEED));
		warm(page);
		OK(munmap(page, PG));
	}
}

static sigjmp_buf back;
static void on_bus(int sig)
{
	siglongjmp(back, sig);
}

TEST_TIMEOUT(hot_code_of_a_file_that_shrinks, 30)
{
	char bytes[PG];
	struct sigaction sa = {.sa_handler = on_bus};
	OK(sigaction(SIGBUS, &sa, 0));
	OK(sigaction(SIGSEGV, &sa, 0));
	file_bytes(bytes, sites, PG);
	int fd = OK(open("shrinks", O_RDWR | O_CREAT, 0700));
	for (volatile int round = 0; round < 20; round++) {
		EQ(pwrite(fd, bytes, PG, 0), PG);
		char *page = OK(mmap(0, PG, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
		long (*n)(void) = AT(page, numbered);
		warm(page);
		OK(ftruncate(fd, 0));
		int sig = sigsetjmp(back, 1);
		if (sig == 0) {
			n();
			FAIL("there was code");
		}
		EQ(sig, SIGBUS);
		bytes[numbered - sites + 1] = SYS_getppid;
		EQ(pwrite(fd, bytes, PG, 0), PG);
		for (int i = 0; i < 100; i++)
			EQ(n(), getppid());
		bytes[numbered - sites + 1] = SYS_getpid;
		OK(munmap(page, PG));
	}
}

static void *at_fixed;

static void child_maps_another(void *arg)
{
	int fd = *(int *)arg;
	char want[PG], got[PG], *page = at_fixed;
	int mem = OK(open("/proc/self/mem", O_RDONLY));
	EQ(pread(mem, got, 1, (long)page), -1);
	EQ(OK(mmap(page, PG, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0)), page);
	EQ(pread(fd, want, PG, 0), PG);
	EQ(pread(mem, got, PG, (long)page), PG);
	EQ(memcmp(got, want, PG), 0);
	EQ(memcmp(page, want, PG), 0);
	for (int i = 0; i < 100; i++)
		EQ(((long (*)(void))AT(page, numbered))(), getppid());
	OK(mprotect(page, PG, PROT_READ | PROT_WRITE | PROT_EXEC));
	EQ(memcmp(page, want, PG), 0);
}

TEST_TIMEOUT(hot_code_that_fork_leaves_out, 30)
{
	int fd = other_file();
	for (int round = 0; round < 10; round++) {
		at_fixed = map_sites(0);
		warm(at_fixed);
		OK(madvise(at_fixed, PG, MADV_DONTFORK));
		warm(at_fixed);
		EQ(test_in_child(child_maps_another, &fd), 0);
		warm(at_fixed);
		OK(munmap(at_fixed, PG));
	}
}

TEST_TIMEOUT(mappings_come_and_go_600_times, 60)
{
	for (int round = 0; round < 600; round++) {
		char *page = map_sites(0);
		long (*n)(void) = AT(page, numbered);
		long (*c)(long, ...) = AT(page, call5);
		for (int i = 0; i < 40; i++) {
			EQ(n(), getpid());
			EQ(c(SYS_getppid), getppid());
		}
		OK(munmap(page, PG));
	}
	pid = getpid();
	for (int i = 0; i < 200; i++)
		one_of_each(i);
}

TEST_TIMEOUT(mappings_add_up, 60)
{
	char *page[300];
	for (int round = 0; round < 300; round++) {
		page[round] = map_sites(0);
		for (int i = 0; i < 40; i++) {
			EQ(((long (*)(void))AT(page[round], numbered))(), getpid());
			EQ(((long (*)(long, ...))AT(page[round], call5))(SYS_getppid), getppid());
		}
	}
	EQ(test_in_child((void (*)(void *))warm, page[299]), 0);
	for (int round = 0; round < 300; round++) {
		warm(page[round]);
		OK(munmap(page[round], PG));
	}
}

/* ---- processes */

static void first_calls(void *arg)
{
	long (*n)(void) = (void *)numbered;
	(void)arg;
	EQ(n(), syscall(SYS_getpid));
	EQ(call5(SYS_getppid), syscall(SYS_getppid));
	warm(sites);
}

TEST_TIMEOUT(fork_from_a_hot_site, 60)
{
	int status;
	warm(sites);
	for (int i = 0; i < 100; i++) {
		long parent = getpid();
		long child = call5(SYS_fork);
		if (child == 0) {
			EQ(call5(SYS_getppid), parent);
			EQ(((long (*)(void))numbered)(), call5(SYS_getpid));
			CHECK(call5(SYS_getpid) != parent);
			first_calls(0);
			if (i % 10 == 0)
				EQ(test_in_child(first_calls, 0), 0);
			_exit(3);
		}
		CHECK(child > 0);
		/* The parent makes further sites hot, which the child has not. */
		if (i % 10 == 0)
			warm(map_sites(0));
		EQ(call5(SYS_wait4, child, &status, 0, 0), child);
		EQ(WEXITSTATUS(status), 3);
	}
}

TEST_TIMEOUT(vfork_and_exec_from_hot_sites, 60)
{
	static char *argv[] = {"true", 0};
	int status;
	warm(sites);
	for (int i = 0; i < 60; i++) {
		long parent = getpid();
		pid_t child = vfork();
		if (child == 0) {
			for (int k = 0; k < 50; k++)
				if (call5(SYS_getppid) != parent || ((long (*)(void))numbered)() == parent)
					_exit(9);
			call5(SYS_execve, "/bin/true", argv, argv + 1);
			_exit(8);
		}
		CHECK(child > 0);
		EQ(((long (*)(void))numbered)(), parent);
		EQ(call5(SYS_wait4, child, &status, 0, 0), child);
		EQ(status, 0);
	}
}

/* ---- all of it at once */

static volatile int caller_stop;
static void *call_all_the_time(void *arg)
{
	char *page = arg;
	long (*c)(long, ...) = AT(page, call5);
	long (*n)(void) = AT(page, numbered), tid = gettid(), self = getpid();
	struct probe middle = {AT(page, numbered_call), {SYS_gettid}, {0}}, behind = {AT(page, compared_cmp), {4711}, {0}};
	middle.in[FLAGS] = behind.in[FLAGS] = 0x202;
	for (unsigned i = 0; !caller_stop; i++) {
		EQ(c(SYS_gettid), tid);
		EQ(n(), self);
		EQ(c(SYS_getpid), self);
		if (i % 16 == 0) {
			probe(&middle);
			EQ(middle.out[RAX], tid);
			probe(&behind);
			EQ(behind.out[RAX], 4711);
		}
	}
	return 0;
}

TEST_TIMEOUT(code_is_handled_in_every_way_while_threads_run_it, 60)
{
	char want[PG], got[PG], *page = map_sites(0);
	pthread_t t[3];
	int mem = OK(open("/proc/self/mem", O_RDWR));
	struct iovec local = {got, PG}, remote = {page, PG};
	file_bytes(want, sites, PG);
	for (int i = 0; i < 3; i++)
		EQ(pthread_create(&t[i], 0, call_all_the_time, page), 0);
	for (int i = 0; i < 400; i++) {
		usleep(next_random() % 400);
		switch (next_random() % 6) {
		case 0:
			EQ(pread(mem, got, PG, (long)page), PG);
			EQ(memcmp(got, want, PG), 0);
			break;
		case 1:
			EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), PG);
			EQ(memcmp(got, want, PG), 0);
			break;
		case 2:
			OK(mprotect(page, PG, PROT_READ | PROT_WRITE | PROT_EXEC));
			EQ(memcmp(page, want, PG), 0);
			OK(mprotect(page, PG, PROT_READ | PROT_EXEC));
			break;
		case 3:
			OK(madvise(page, PG, MADV_DONTNEED));
			break;
		case 4:
			/* The same bytes. */
			EQ(pwrite(mem, want + 64, 256, (long)page + 64), 256);
			break;
		default:
			if (i % 4 == 0)
				EQ(test_in_child((void (*)(void *))warm, page), 0);
			else
				map_sites(page);
		}
	}
	caller_stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], 0);
}
