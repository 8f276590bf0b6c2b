/* What a program finds when it starts: auxiliary vector, vDSO, stack layout, execve details. */
#include "../test.h"
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/uio.h>

extern char **environ;

static unsigned long aux(unsigned long type)
{
	errno = 0;
	unsigned long v = getauxval(type);
	if (v == 0 && errno == ENOENT)
		FAIL("no entry %lu", type);
	return v;
}

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

TEST(auxiliary_values)
{
	EQ(aux(AT_PAGESZ), 4096);
	EQ(aux(AT_CLKTCK), 100);
	EQ(aux(AT_UID), getuid());
	EQ(aux(AT_EUID), geteuid());
	EQ(aux(AT_GID), getgid());
	EQ(aux(AT_EGID), getegid());
	EQ(aux(AT_SECURE), 0);
	EQ(aux(AT_PHENT), sizeof(Elf64_Phdr));
	CHECK(aux(AT_PHNUM) >= 3 && aux(AT_PHNUM) < 64);
	EQ(aux(AT_FLAGS), 0);
	EQ(strcmp((char *)aux(AT_PLATFORM), "x86_64"), 0);
	CHECK(aux(AT_HWCAP) != 0);
	CHECK(aux(51 /* AT_MINSIGSTKSZ */) >= 1000 && aux(51) < 20000);
}

TEST(program_headers_are_in_memory)
{
	const Elf64_Phdr *ph = (const void *)aux(AT_PHDR);
	unsigned long bias = 0, entry = aux(AT_ENTRY), found = 0;
	int loads = 0, interp = 0;
	for (unsigned long i = 0; i < aux(AT_PHNUM); i++)
		if (ph[i].p_type == PT_PHDR)
			bias = (unsigned long)ph - ph[i].p_vaddr;
	for (unsigned long i = 0; i < aux(AT_PHNUM); i++) {
		loads += ph[i].p_type == PT_LOAD;
		interp += ph[i].p_type == PT_INTERP;
		if (ph[i].p_type == PT_LOAD && entry >= bias + ph[i].p_vaddr && entry < bias + ph[i].p_vaddr + ph[i].p_memsz)
			found += (ph[i].p_flags & PF_X) != 0;
	}
	CHECK(loads >= 2);
	EQ(found, 1);
	/* The base is the interpreter's. */
	if (interp) {
		const unsigned char *base = (const void *)aux(AT_BASE);
		EQ(memcmp(base, "\177ELF", 4), 0);
	}
}

TEST(random_bytes_differ_from_program_to_program)
{
	unsigned char mine[16], other[16];
	int p[2];
	memcpy(mine, (void *)aux(AT_RANDOM), 16);
	OK(pipe(p));
	/* The vector of a fresh program, from its proc file. */
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[1], 1);
		execl("/bin/sh", "sh", "-c", "exec cat /proc/self/auxv", (char *)0);
		_exit(9);
	}
	EQ(status_of(pid), 0);
	Elf64_auxv_t v[64];
	long n = OK(read(p[0], v, sizeof v));
	unsigned long at = 0;
	for (long i = 0; i < n / (long)sizeof *v; i++)
		if (v[i].a_type == AT_RANDOM)
			at = v[i].a_un.a_val;
	CHECK(at != 0 && at != aux(AT_RANDOM));
	memset(other, 0, 16);
	CHECK(memcmp(mine, other, 16) != 0);
}

TEST(proc_auxv_agrees)
{
	Elf64_auxv_t v[64];
	int fd = OK(open("/proc/self/auxv", O_RDONLY));
	long n = OK(read(fd, v, sizeof v)) / (long)sizeof *v;
	CHECK(n >= 15);
	EQ(v[n - 1].a_type, AT_NULL);
	for (long i = 0; i < n - 1; i++)
		/* The library answers AT_HWCAP with a value of its own. */
		if (v[i].a_type != AT_HWCAP && v[i].a_type != AT_HWCAP2)
			EQ(getauxval(v[i].a_type), v[i].a_un.a_val);
}

TEST(the_name_of_the_file)
{
	char a[PATH_MAX], b[PATH_MAX];
	const char *fn = (const char *)aux(AT_EXECFN);
	CHECK(strlen(fn) > 0);
	CHECK(fn > (char *)environ[0] || !environ[0]);
	long n = OK(readlink("/proc/self/exe", a, sizeof a - 1));
	a[n] = 0;
	if (fn[0] == '/') {
		CHECK(realpath(fn, b));
		EQ(strcmp(a, b), 0);
	}
}

TEST(secure_mode_of_set_user_id_programs)
{
	char text[64] = "";
	int p[2];
	OK(system("cp /usr/bin/od od && chown 1234 od && chmod 4755 od"));
	OK(chmod(".", 0755));
	if (system("grep -q ' /tmp .*nosuid' /proc/self/mounts") == 0)
		SKIP("set-user-ID is off here");
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresuid(77, 77, 77));
		dup2(p[1], 1);
		/* The dynamic linker drops LD_ variables in secure mode: a bad preload goes unmentioned. */
		setenv("LD_PRELOAD", "/does/not/exist.so", 1);
		dup2(p[1], 2);
		execl("./od", "od", "/dev/null", (char *)0);
		_exit(9);
	}
	EQ(status_of(pid), 0);
	OK(read(p[0], text, sizeof text - 1));
	EQ(strcmp(text, "0000000\n"), 0);
}

TEST(the_vdso_is_an_elf_image_with_its_symbols)
{
	const unsigned char *base = (const void *)aux(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = 0;
	const char *strtab = 0;
	const Elf64_Sym *sym = 0;
	unsigned long bias = 0;
	int found = 0, has_load = 0;
	EQ(memcmp(base, "\177ELF", 4), 0);
	EQ(eh->e_type, ET_DYN);
	EQ(eh->e_machine, EM_X86_64);
	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !has_load) {
			bias = (unsigned long)base + ph[i].p_offset - ph[i].p_vaddr;
			has_load = 1;
		}
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + ph[i].p_offset);
	}
	CHECK(has_load && dyn);
	for (; dyn->d_tag; dyn++) {
		if (dyn->d_tag == DT_STRTAB)
			strtab = (const void *)(bias + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const void *)(bias + dyn->d_un.d_ptr);
	}
	CHECK(strtab && sym);
	int (*gettime)(clockid_t, struct timespec *) = 0;
	int (*getcpu)(unsigned *, unsigned *, void *) = 0;
	/* The names stand behind the symbols. */
	for (const Elf64_Sym *s = sym + 1; (const char *)s < strtab && s < sym + 64; s++) {
		const char *name = strtab + s->st_name;
		if (!strcmp(name, "__vdso_clock_gettime"))
			gettime = (int (*)(clockid_t, struct timespec *))(bias + s->st_value), found++;
		if (!strcmp(name, "__vdso_gettimeofday") || !strcmp(name, "__vdso_time"))
			found++;
		if (!strcmp(name, "__vdso_getcpu"))
			getcpu = (int (*)(unsigned *, unsigned *, void *))(bias + s->st_value), found++;
	}
	EQ(found, 4);
	struct timespec ts = {0, -1}, raw;
	EQ(gettime(CLOCK_MONOTONIC, &ts), 0);
	OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &raw));
	CHECK((raw.tv_sec - ts.tv_sec) * 1000000000 + raw.tv_nsec - ts.tv_nsec >= 0);
	EQ(gettime(99, &ts), -EINVAL);
	unsigned cpu = 99999;
	EQ(getcpu(&cpu, 0, 0), 0);
	CHECK(cpu < 8192);
}

TEST(the_vdso_can_be_read_by_system_calls)
{
	char *base = (char *)aux(AT_SYSINFO_EHDR), got[300];
	struct iovec iov[3] = {{"<", 1}, {base, 100}, {base + 4000, 200}};
	int p[2], dir = OK(open("/tmp", O_TMPFILE | O_RDWR, 0600));
	OK(pipe(p));
	EQ(OK(write(p[1], base + 1, 3)), 3);
	EQ(OK(read(p[0], got, sizeof got)), 3);
	EQ(memcmp(got, "ELF", 3), 0);
	EQ(OK(writev(p[1], iov, 3)), 301);
	EQ(OK(read(p[0], got, 101)), 101);
	EQ(memcmp(got + 1, base, 100), 0);
	EQ(OK(read(p[0], got, sizeof got)), 200);
	EQ(memcmp(got, base + 4000, 200), 0);
	EQ(OK(pwrite(dir, base, 300, 0)), 300);
	EQ(OK(pread(dir, got, 300, 0)), 300);
	EQ(memcmp(got, base, 300), 0);
	/* A name. */
	ERR(ENOENT, open(base + 1, O_RDONLY));
	EQ(OK(write(p[1], "x", 1)), 1);
	ERR(EFAULT, read(p[0], base, 1));
	close(p[0]), close(p[1]), close(dir);
}

/*
 * A static program without a library: checks its entry state and exits with 0, or with the number of what is wrong.
 * rsp is aligned, argc and argv are as given, the vector after the environment ends with AT_NULL, the registers are clear.
 */
static const char tiny[] =
	"cat > t.s <<'X'\n"
	".globl _start\n"
	"_start:\n"
	"	mov $1, %edi\n"
	"	test $15, %rsp\n"
	"	jnz out\n"
	"	mov $2, %edi\n"
	"	cmpq $3, (%rsp)\n"
	"	jne out\n"
	"	mov $3, %edi\n"
	"	cmpq $0, 32(%rsp)\n"
	"	jne out\n"
	"	mov $4, %edi\n"
	"	mov 16(%rsp), %rsi\n"
	"	cmpw $0x78, (%rsi)\n"
	"	jne out\n"
	"	mov $5, %edi\n"
	"	test %rbp, %rbp\n"
	"	jnz out\n"
	"	test %rbx, %rbx\n"
	"	jnz out\n"
	"	test %rdx, %rdx\n"
	"	jnz out\n"
	"	mov $6, %edi\n"
	"	lea 40(%rsp), %rsi\n"
	"1:	lodsq\n"
	"	test %rax, %rax\n"
	"	jnz 1b\n"
	"	mov $64, %ecx\n"
	"2:	lodsq\n"
	"	mov %rax, %rdx\n"
	"	lodsq\n"
	"	test %rdx, %rdx\n"
	"	jz 3f\n"
	"	loop 2b\n"
	"	jmp out\n"
	"3:	xor %edi, %edi\n"
	"out:	mov $231, %eax\n"
	"	syscall\n"
	"X\n"
	"cc -nostdlib -static -o t t.s";

TEST(entry_state_of_a_program)
{
	if (system("command -v cc >/dev/null && command -v as >/dev/null") != 0)
		SKIP("no compiler");
	EQ(system(tiny), 0);
	char *argv[] = {"./t", "x", "y", 0}, *env[] = {"A=1", "B=2", 0};
	pid_t pid = fork();
	if (pid == 0) {
		execve("./t", argv, env);
		_exit(99);
	}
	EQ(status_of(pid), 0);
}

TEST(no_arguments_means_an_empty_one)
{
	char *none[] = {0}, c;
	char path[64], buf[16];
	int p[2], q[2];
	OK(pipe(p));
	OK(pipe2(q, O_CLOEXEC));
	pid_t pid = fork();
	if (pid == 0) {
		dup2(p[0], 0);
		execve("/bin/cat", none, none);
		_exit(99);
	}
	OK(close(q[1]));
	EQ(read(q[0], &c, 1), 0);
	sprintf(path, "/proc/%d/cmdline", pid);
	int fd = OK(open(path, O_RDONLY));
	EQ(read(fd, buf, sizeof buf), 1);
	EQ(buf[0], 0);
	OK(kill(pid, SIGKILL));
	EQ(status_of(pid), SIGKILL);
}

TEST(execveat_forms)
{
	char *argv[] = {"true", 0}, *env[] = {0};
	int bin = OK(open("/bin", O_RDONLY | O_DIRECTORY)), file = OK(open("/bin/true", O_PATH));
	pid_t pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, bin, "true", argv, env, 0);
		_exit(9);
	}
	EQ(status_of(pid), 0);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, file, "", argv, env, AT_EMPTY_PATH);
		_exit(9);
	}
	EQ(status_of(pid), 0);
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, -5, "/bin/true", argv, env, 0);
		_exit(9);
	}
	EQ(status_of(pid), 0);
	OK(symlink("/bin/true", "l"));
	ERR(ELOOP, syscall(SYS_execveat, AT_FDCWD, "l", argv, env, AT_SYMLINK_NOFOLLOW));
	ERR(EINVAL, syscall(SYS_execveat, AT_FDCWD, "l", argv, env, 0x8));
	ERR(EBADF, syscall(SYS_execveat, 999, "true", argv, env, 0));
	ERR(ENOENT, syscall(SYS_execveat, bin, "", argv, env, 0));
	ERR(ENOTDIR, syscall(SYS_execveat, file, "x", argv, env, 0));
}

TEST(scripts_of_a_closed_descriptor_cannot_run)
{
	int fd = OK(open("s", O_RDWR | O_CREAT, 0755));
	char *argv[] = {"s", 0}, *env[] = {0};
	OK(write(fd, "#!/bin/sh\nexit 4\n", 17));
	OK(close(fd));
	fd = OK(open("s", O_RDONLY | O_CLOEXEC));
	ERR(ENOENT, syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH));
	OK(fcntl(fd, F_SETFD, 0));
	pid_t pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
		_exit(9);
	}
	EQ(status_of(pid), 4 << 8);
}

TEST(interpreters_nest_five_deep)
{
	char name[8], line[64];
	char *argv[] = {"x", 0}, *env[] = {0};
	for (int i = 0; i < 8; i++) {
		sprintf(name, "s%d", i);
		sprintf(line, i == 0 ? "#!/bin/true\n" : "#!./s%d\n", i - 1);
		int fd = OK(open(name, O_RDWR | O_CREAT, 0755));
		OK(write(fd, line, strlen(line)));
		OK(close(fd));
	}
	pid_t pid = fork();
	if (pid == 0) {
		execve("./s4", argv, env);
		_exit(9);
	}
	EQ(status_of(pid), 0);
	ERR(ELOOP, execve("./s6", argv, env));
}

TEST(long_argument_lists)
{
	/* 128 KiB a string, a quarter of the stack limit in all. */
	static char *argv[6000], *env[] = {0};
	char *s = malloc(131072);
	int n;
	memset(s, 'a', 131071);
	s[131071] = 0;
	argv[0] = "/bin/true";
	argv[1] = s;
	argv[2] = 0;
	pid_t pid = fork();
	if (pid == 0) {
		execve("/bin/true", argv, env);
		_exit(9);
	}
	EQ(status_of(pid), 0);
	s = malloc(131073);
	memset(s, 'a', 131072);
	s[131072] = 0;
	argv[1] = s;
	ERR(E2BIG, execve("/bin/true", argv, env));
	s[1000] = 0;
	for (n = 1; n < 5999; n++)
		argv[n] = s;
	argv[n] = 0;
	ERR(E2BIG, execve("/bin/true", argv, env));
	argv[1000] = 0;
	pid = fork();
	if (pid == 0) {
		execve("/bin/true", argv, env);
		_exit(9);
	}
	EQ(status_of(pid), 0);
}

TEST(broken_executables)
{
	char buf[4096], *argv[] = {"x", 0}, *env[] = {0};
	int in = OK(open("/bin/true", O_RDONLY));
	EQ(read(in, buf, sizeof buf), (long)sizeof buf);
	for (int i = 0; i < 6; i++) {
		char copy[4096], name[8];
		memcpy(copy, buf, sizeof copy);
		Elf64_Ehdr *c = (void *)copy;
		if (i == 0)
			c->e_machine = EM_AARCH64;
		if (i == 1)
			c->e_type = ET_REL;
		if (i == 2)
			c->e_phentsize = 8;
		if (i == 3)
			c->e_phnum = 0;
		if (i == 4)
			c->e_ident[0] = 'x';
		if (i == 5)
			c->e_phoff = 1 << 30;
		sprintf(name, "b%d", i);
		int fd = OK(open(name, O_RDWR | O_CREAT, 0755));
		EQ(write(fd, copy, sizeof copy), (long)sizeof copy);
		OK(close(fd));
		errno = 0;
		EQ(execve(name, argv, env), -1);
		if (i == 5)
			CHECK(errno == EIO || errno == ENOEXEC);
		else
			EQ(errno, ENOEXEC);
	}
}
