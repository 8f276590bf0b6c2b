/* memfd_create and its seals. */
#include "../test.h"
#include <linux/memfd.h>
#include <sys/uio.h>
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

#define PG 4096

static int make(unsigned flags, long size)
{
	int fd = OK(memfd_create("test", flags));
	OK(ftruncate(fd, size));
	return fd;
}

static void seal(int fd, int seals)
{
	OK(fcntl(fd, F_ADD_SEALS, seals));
}

TEST(a_memfd_is_a_file_without_a_name)
{
	struct stat st;
	char path[64], target[64] = "", buf[8] = "";
	int fd = OK(memfd_create("my file", 0));
	EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	EQ(fcntl(fd, F_GETFD), 0);
	OK(fstat(fd, &st));
	EQ(st.st_mode & S_IFMT, S_IFREG);
	EQ(st.st_size, 0);
	EQ(st.st_nlink, 0);
	EQ(st.st_uid, geteuid());
	sprintf(path, "/proc/self/fd/%d", fd);
	OK(readlink(path, target, sizeof target - 1));
	EQ(strcmp(target, "/memfd:my file (deleted)"), 0);
	EQ(write(fd, "hello", 5), 5);
	EQ(lseek(fd, 0, SEEK_CUR), 5);
	EQ(pread(fd, buf, 8, 1), 4);
	EQ(strcmp(buf, "ello"), 0);
	/* Opened again through proc it is the same file at its own offset. */
	int again = OK(open(path, O_RDONLY));
	EQ(read(again, buf, 1), 1);
	EQ(buf[0], 'h');
	ERR(EBADF, write(again, "x", 1));
}

TEST(memfd_flags_and_errors)
{
	char name[300];
	EQ(fcntl(OK(memfd_create("", MFD_CLOEXEC)), F_GETFD), FD_CLOEXEC);
	ERR(EINVAL, memfd_create("x", 0x4000));
	ERR(EFAULT, memfd_create((char *)1, 0));
	memset(name, 'n', sizeof name);
	name[249] = 0;
	OK(memfd_create(name, 0));
	name[249] = 'n';
	name[250] = 0;
	ERR(EINVAL, memfd_create(name, 0));
}

TEST(mappings_share_the_contents)
{
	int fd = make(0, 3 * PG), status;
	char *a = OK(mmap(0, 3 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), *b = OK(mmap(0, PG, PROT_READ, MAP_SHARED, fd, PG)), c;
	a[PG + 5] = 'x';
	EQ(b[5], 'x');
	EQ(pread(fd, &c, 1, PG + 5), 1);
	EQ(c, 'x');
	EQ(pwrite(fd, "y", 1, 7), 1);
	EQ(a[7], 'y');
	pid_t pid = fork();
	if (pid == 0) {
		a[9] = 'z';
		_exit(0);
	}
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(a[9], 'z');
	char *p = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	p[9] = 'p';
	EQ(a[9], 'z');
}

TEST(seals_are_refused_unless_allowed)
{
	int fd = make(0, PG);
	EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	ERR(EPERM, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	int null = OK(open("/dev/null", O_RDWR));
	ERR(EINVAL, fcntl(null, F_GET_SEALS));
	ERR(EINVAL, fcntl(null, F_ADD_SEALS, F_SEAL_WRITE));
	fd = make(MFD_ALLOW_SEALING, PG);
	EQ(fcntl(fd, F_GET_SEALS), 0);
	ERR(EINVAL, fcntl(fd, F_ADD_SEALS, 0x1000));
	seal(fd, F_SEAL_GROW);
	seal(fd, F_SEAL_SHRINK);
	EQ(fcntl(fd, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK);
	seal(fd, F_SEAL_SEAL);
	ERR(EPERM, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
}

TEST(sealing_needs_write_access)
{
	char path[64];
	int fd = make(MFD_ALLOW_SEALING, PG);
	sprintf(path, "/proc/self/fd/%d", fd);
	int ro = OK(open(path, O_RDONLY));
	ERR(EPERM, fcntl(ro, F_ADD_SEALS, F_SEAL_GROW));
	EQ(fcntl(ro, F_GET_SEALS), 0);
}

TEST(seal_shrink)
{
	int fd = make(MFD_ALLOW_SEALING, 2 * PG);
	seal(fd, F_SEAL_SHRINK);
	ERR(EPERM, ftruncate(fd, PG));
	OK(ftruncate(fd, 2 * PG));
	OK(ftruncate(fd, 3 * PG));
	EQ(pwrite(fd, "x", 1, 0), 1);
	char path[64];
	sprintf(path, "/proc/self/fd/%d", fd);
	ERR(EPERM, open(path, O_RDWR | O_TRUNC));
}

TEST(seal_grow)
{
	int fd = make(MFD_ALLOW_SEALING, 2 * PG);
	seal(fd, F_SEAL_GROW);
	ERR(EPERM, ftruncate(fd, 3 * PG));
	OK(ftruncate(fd, PG));
	EQ(pwrite(fd, "x", 1, PG - 1), 1);
	ERR(EPERM, pwrite(fd, "xy", 2, PG));
	ERR(EPERM, fallocate(fd, 0, 0, 2 * PG));
	OK(fallocate(fd, 0, 0, PG));
}

TEST(seal_write)
{
	int fd = make(MFD_ALLOW_SEALING, 2 * PG);
	char *shared = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	/* Not while somebody may write through a mapping. */
	ERR(EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	OK(munmap(shared, PG));
	char *private = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	seal(fd, F_SEAL_WRITE);
	ERR(EPERM, write(fd, "x", 1));
	ERR(EPERM, pwrite(fd, "x", 1, 0));
	ERR(EPERM, writev(fd, &(struct iovec){"x", 1}, 1));
	ERR(EPERM, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PG));
	ERR(EPERM, mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char *ro = OK(mmap(0, PG, PROT_READ, MAP_SHARED, fd, 0));
	EQ(ro[0], 0);
	OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	private[0] = 1;
	OK(ftruncate(fd, PG));
	OK(ftruncate(fd, 4 * PG));
}

TEST(seal_future_write)
{
	int fd = make(MFD_ALLOW_SEALING, PG);
	char *before = OK(mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	seal(fd, 0x10 /* F_SEAL_FUTURE_WRITE */);
	before[0] = 'k';
	EQ(before[0], 'k');
	ERR(EPERM, pwrite(fd, "x", 1, 0));
	ERR(EPERM, mmap(0, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	char *after = OK(mmap(0, PG, PROT_READ, MAP_SHARED, fd, 0));
	EQ(after[0], 'k');
	ERR(EACCES, mprotect(after, PG, PROT_READ | PROT_WRITE));
}

TEST(a_memfd_can_be_executed)
{
	int fd = OK(memfd_create("prog", MFD_CLOEXEC)), in = OK(open("/bin/true", O_RDONLY)), status;
	char buf[65536];
	long n;
	while ((n = OK(read(in, buf, sizeof buf))) > 0)
		EQ(write(fd, buf, n), n);
	char *argv[] = {"prog", 0}, *env[] = {0};
	pid_t pid = fork();
	if (pid == 0) {
		char path[64];
		sprintf(path, "/proc/self/fd/%d", fd);
		int ro = open(path, O_RDONLY | O_CLOEXEC);
		close(fd);
		syscall(SYS_execveat, ro, "", argv, env, AT_EMPTY_PATH);
		_exit(9);
	}
	OK(close(fd));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(noexec_seal_takes_the_execute_bits)
{
	struct stat st;
	int fd = OK(memfd_create("x", MFD_NOEXEC_SEAL));
	OK(fstat(fd, &st));
	EQ(st.st_mode & 0777, 0666);
	EQ(fcntl(fd, F_GET_SEALS) & 0x20, 0x20);
	ERR(EPERM, fchmod(fd, 0777));
	OK(fchmod(fd, 0600));
	fd = OK(memfd_create("x", 0));
	OK(fstat(fd, &st));
	EQ(st.st_mode & 0777, 0777);
}

TEST(holes_and_allocation)
{
	struct stat st;
	int fd = make(0, 100 * PG);
	OK(fstat(fd, &st));
	EQ(st.st_blocks, 0);
	EQ(pwrite(fd, "x", 1, 50 * PG), 1);
	OK(fstat(fd, &st));
	EQ(st.st_blocks, 8);
	EQ(lseek(fd, 0, SEEK_DATA), 50 * PG);
	EQ(lseek(fd, 50 * PG, SEEK_HOLE), 51 * PG);
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 100 * PG));
	OK(fstat(fd, &st));
	EQ(st.st_blocks, 0);
	EQ(st.st_size, 100 * PG);
	ERR(ENXIO, lseek(fd, 0, SEEK_DATA));
}
