/* fcntl's POSIX and OFD locks, flock, and leases' refusal. */
#include "../test.h"
#include <pthread.h>
#include <sys/file.h>

static struct flock range(int type, long start, long len)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static int set(int fd, int type, long start, long len)
{
	struct flock l = range(type, start, len);
	return fcntl(fd, F_SETLK, &l);
}

static struct flock get(int fd, int cmd, int type, long start, long len)
{
	struct flock l = range(type, start, len);
	OK(fcntl(fd, cmd, &l));
	return l;
}

static int file(void)
{
	return OK(open("f", O_RDWR | O_CREAT, 0600));
}

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

/* A child that takes a lock and holds it until killed. */
static pid_t holder(int type, long start, long len)
{
	int p[2];
	char c;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		int fd = file();
		OK(set(fd, type, start, len));
		OK(write(p[1], "r", 1));
		for (;;)
			pause();
	}
	EQ(read(p[0], &c, 1), 1);
	return pid;
}

static void end(pid_t pid)
{
	OK(kill(pid, SIGKILL));
	EQ(status_of(pid), SIGKILL);
}

TEST(another_process_is_kept_out)
{
	int fd = file();
	pid_t pid = holder(F_WRLCK, 10, 10);
	ERR(EAGAIN, set(fd, F_WRLCK, 15, 1));
	ERR(EAGAIN, set(fd, F_RDLCK, 0, 11));
	OK(set(fd, F_WRLCK, 0, 10));
	OK(set(fd, F_WRLCK, 20, 0));
	struct flock l = get(fd, F_GETLK, F_RDLCK, 0, 0);
	EQ(l.l_type, F_WRLCK);
	EQ(l.l_pid, pid);
	EQ(l.l_start, 10);
	EQ(l.l_len, 10);
	EQ(l.l_whence, SEEK_SET);
	end(pid);
	OK(set(fd, F_WRLCK, 15, 1));
	EQ(get(fd, F_GETLK, F_WRLCK, 0, 0).l_type, F_UNLCK);
}

TEST(readers_share)
{
	int fd = file();
	pid_t pid = holder(F_RDLCK, 0, 0);
	OK(set(fd, F_RDLCK, 0, 0));
	ERR(EAGAIN, set(fd, F_WRLCK, 0, 1));
	EQ(get(fd, F_GETLK, F_RDLCK, 0, 0).l_type, F_UNLCK);
	EQ(get(fd, F_GETLK, F_WRLCK, 0, 0).l_type, F_RDLCK);
	end(pid);
	OK(set(fd, F_WRLCK, 0, 1));
}

TEST(a_process_does_not_exclude_itself)
{
	int a = file(), b = file();
	OK(set(a, F_WRLCK, 0, 0));
	OK(set(b, F_WRLCK, 0, 0));
	EQ(get(b, F_GETLK, F_WRLCK, 0, 0).l_type, F_UNLCK);
}

static void expect_in_child(long start, long len, int type, long at, long length)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct flock l = get(file(), F_GETLK, F_WRLCK, start, len);
		EQ(l.l_type, type);
		if (type != F_UNLCK) {
			EQ(l.l_start, at);
			EQ(l.l_len, length);
		}
		_exit(0);
	}
	EQ(status_of(pid), 0);
}

TEST(ranges_split_and_merge)
{
	int fd = file();
	OK(set(fd, F_WRLCK, 0, 100));
	OK(set(fd, F_UNLCK, 40, 20));
	expect_in_child(0, 0, F_WRLCK, 0, 40);
	expect_in_child(40, 20, F_UNLCK, 0, 0);
	expect_in_child(50, 0, F_WRLCK, 60, 40);
	OK(set(fd, F_RDLCK, 10, 10));
	expect_in_child(10, 5, F_RDLCK, 10, 10);
	expect_in_child(0, 5, F_WRLCK, 0, 10);
	expect_in_child(25, 5, F_WRLCK, 20, 20);
	OK(set(fd, F_WRLCK, 0, 60));
	expect_in_child(0, 0, F_WRLCK, 0, 100);
	OK(set(fd, F_UNLCK, 0, 0));
	expect_in_child(0, 0, F_UNLCK, 0, 0);
}

TEST(whence_and_negative_lengths)
{
	int fd = file();
	OK(ftruncate(fd, 100));
	OK(lseek(fd, 50, SEEK_SET));
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = 5, .l_len = -10};
	OK(fcntl(fd, F_SETLK, &l));
	expect_in_child(0, 0, F_WRLCK, 45, 10);
	OK(set(fd, F_UNLCK, 0, 0));
	l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -10, .l_len = 0};
	OK(fcntl(fd, F_SETLK, &l));
	expect_in_child(0, 0, F_WRLCK, 90, 0);
	ERR(EINVAL, set(fd, F_WRLCK, -1, 1));
	ERR(EINVAL, set(fd, F_WRLCK, 5, -6));
	OK(set(fd, F_WRLCK, 5, -5));
}

TEST(fork_does_not_inherit_locks)
{
	int fd = file();
	OK(set(fd, F_WRLCK, 0, 0));
	pid_t pid = fork();
	if (pid == 0) {
		ERR(EAGAIN, set(fd, F_WRLCK, 0, 0));
		/* Closing here does not touch the parent's locks. */
		OK(close(fd));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	expect_in_child(0, 0, F_WRLCK, 0, 0);
}

TEST(closing_any_descriptor_of_the_file_releases)
{
	int a = file(), b = file();
	OK(set(a, F_WRLCK, 0, 0));
	OK(close(b));
	expect_in_child(0, 0, F_UNLCK, 0, 0);
}

TEST(exec_keeps_locks)
{
	int p[2], fd = file(), status;
	char c;
	OK(pipe(p));
	pid_t pid = fork();
	if (pid == 0) {
		OK(set(fd, F_WRLCK, 0, 0));
		dup2(p[1], 1);
		execl("/bin/sh", "sh", "-c", "echo r; exec sleep 5", (char *)0);
		_exit(1);
	}
	EQ(read(p[0], &c, 1), 1);
	ERR(EAGAIN, set(fd, F_WRLCK, 0, 0));
	OK(kill(pid, SIGKILL));
	EQ(OK(waitpid(pid, &status, 0)), pid);
	OK(set(fd, F_WRLCK, 0, 0));
}

TEST(setlkw_waits)
{
	int fd = file(), p[2];
	char c;
	OK(pipe(p));
	OK(set(fd, F_WRLCK, 0, 10));
	pid_t pid = fork();
	if (pid == 0) {
		struct flock l = range(F_WRLCK, 5, 1);
		int own = file();
		OK(fcntl(own, F_SETLKW, &l));
		OK(write(p[1], "g", 1));
		_exit(0);
	}
	OK(fcntl(p[0], F_SETFL, O_NONBLOCK));
	usleep(30000);
	ERR(EAGAIN, read(p[0], &c, 1));
	/* A part of the range in the way is enough to wait for. */
	OK(set(fd, F_UNLCK, 0, 5));
	usleep(20000);
	ERR(EAGAIN, read(p[0], &c, 1));
	OK(set(fd, F_UNLCK, 5, 5));
	EQ(status_of(pid), 0);
	EQ(read(p[0], &c, 1), 1);
}

static void on_alarm(int sig)
{
	(void)sig;
}

TEST(setlkw_is_interrupted)
{
	int fd = file();
	pid_t pid = holder(F_WRLCK, 0, 0);
	struct flock l = range(F_WRLCK, 0, 0);
	struct sigaction sa = {.sa_handler = on_alarm};
	OK(sigaction(SIGALRM, &sa, 0));
	ualarm(10000, 10000);
	ERR(EINTR, fcntl(fd, F_SETLKW, &l));
	ualarm(0, 0);
	end(pid);
}

TEST(deadlocks_are_found)
{
	int fd = file(), p[2];
	char c;
	OK(pipe(p));
	OK(set(fd, F_WRLCK, 0, 1));
	pid_t pid = fork();
	if (pid == 0) {
		struct flock l = range(F_WRLCK, 0, 1);
		int own = file();
		OK(set(own, F_WRLCK, 1, 1));
		OK(write(p[1], "r", 1));
		OK(fcntl(own, F_SETLKW, &l));
		_exit(0);
	}
	EQ(read(p[0], &c, 1), 1);
	/* Let it begin to wait. */
	usleep(100000);
	struct flock l = range(F_WRLCK, 1, 1);
	ERR(EDEADLK, fcntl(fd, F_SETLKW, &l));
	OK(set(fd, F_UNLCK, 0, 1));
	EQ(status_of(pid), 0);
}

TEST(fcntl_lock_errors)
{
	int fd = file(), ro = OK(open("f", O_RDONLY)), wo = OK(open("f", O_WRONLY)), path = OK(open("f", O_PATH));
	struct flock l = range(F_WRLCK, 0, 0);
	ERR(EBADF, fcntl(999, F_SETLK, &l));
	ERR(EBADF, set(ro, F_WRLCK, 0, 0));
	ERR(EBADF, set(wo, F_RDLCK, 0, 0));
	ERR(EBADF, set(path, F_RDLCK, 0, 0));
	OK(set(ro, F_RDLCK, 0, 0));
	OK(set(wo, F_WRLCK, 0, 0));
	ERR(EINVAL, set(fd, 99, 0, 0));
	l.l_whence = 9;
	ERR(EINVAL, fcntl(fd, F_SETLK, &l));
	ERR(EFAULT, fcntl(fd, F_SETLK, 1));
	ERR(EFAULT, fcntl(fd, F_GETLK, 1));
	l = range(F_UNLCK, 0, 0);
	ERR(EINVAL, fcntl(fd, F_GETLK, &l));
	l = range(F_WRLCK, 0x7fffffffffffffff, 2);
	ERR(EOVERFLOW, fcntl(fd, F_SETLK, &l));
}

TEST(ofd_locks_belong_to_the_open_file)
{
	int a = file(), b = file(), dup_a = OK(dup(a));
	struct flock l = range(F_WRLCK, 0, 10);
	OK(fcntl(a, F_OFD_SETLK, &l));
	OK(fcntl(dup_a, F_OFD_SETLK, &l));
	ERR(EAGAIN, fcntl(b, F_OFD_SETLK, &l));
	struct flock g = get(b, F_OFD_GETLK, F_WRLCK, 0, 0);
	EQ(g.l_type, F_WRLCK);
	EQ(g.l_pid, -1);
	EQ(g.l_len, 10);
	/* They exclude the other kind too. */
	ERR(EAGAIN, set(b, F_WRLCK, 5, 1));
	EQ(get(b, F_GETLK, F_WRLCK, 0, 0).l_pid, -1);
	/* Closing another descriptor leaves them, closing the last one of the file does not. */
	OK(close(OK(open("f", O_RDONLY))));
	OK(close(a));
	ERR(EAGAIN, fcntl(b, F_OFD_SETLK, &l));
	OK(close(dup_a));
	OK(fcntl(b, F_OFD_SETLK, &l));
	l.l_pid = 1;
	ERR(EINVAL, fcntl(b, F_OFD_SETLK, &l));
	ERR(EINVAL, fcntl(b, F_OFD_GETLK, &l));
}

TEST(ofd_locks_pass_to_children)
{
	int fd = file(), other = file();
	struct flock l = range(F_WRLCK, 0, 0);
	OK(fcntl(fd, F_OFD_SETLK, &l));
	pid_t pid = fork();
	if (pid == 0) {
		OK(fcntl(fd, F_OFD_SETLK, &l));
		l.l_type = F_UNLCK;
		OK(fcntl(fd, F_OFD_SETLK, &l));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	OK(fcntl(other, F_OFD_SETLK, &l));
}

static void *lock_ofd(void *arg)
{
	struct flock l = range(F_WRLCK, 0, 0);
	OK(fcntl(*(int *)arg, F_OFD_SETLKW, &l));
	return 0;
}

TEST(ofd_setlkw_waits_for_another_thread)
{
	int a = file(), b = file();
	pthread_t t;
	struct flock l = range(F_WRLCK, 0, 0);
	OK(fcntl(a, F_OFD_SETLK, &l));
	EQ(pthread_create(&t, 0, lock_ofd, &b), 0);
	usleep(20000);
	EQ(pthread_tryjoin_np(t, 0), EBUSY);
	l.l_type = F_UNLCK;
	OK(fcntl(a, F_OFD_SETLK, &l));
	EQ(pthread_join(t, 0), 0);
	l.l_type = F_WRLCK;
	ERR(EAGAIN, fcntl(a, F_OFD_SETLK, &l));
}

TEST(flock_rules)
{
	int a = file(), b = file(), c = OK(open("f", O_RDONLY));
	OK(flock(a, LOCK_SH));
	OK(flock(b, LOCK_SH | LOCK_NB));
	ERR(EAGAIN, flock(b, LOCK_EX | LOCK_NB));
	/* The attempt to convert gave up what was held. */
	OK(flock(a, LOCK_EX | LOCK_NB));
	ERR(EAGAIN, flock(c, LOCK_SH | LOCK_NB));
	OK(flock(OK(dup(a)), LOCK_UN));
	/* Whatever the mode it was opened in. */
	OK(flock(c, LOCK_EX | LOCK_NB));
	ERR(EAGAIN, flock(a, LOCK_SH | LOCK_NB));
	OK(close(c));
	OK(flock(a, LOCK_EX | LOCK_NB));
	ERR(EINVAL, flock(a, 0));
	ERR(EINVAL, flock(a, LOCK_SH | LOCK_EX));
	ERR(EBADF, flock(999, LOCK_SH));
	ERR(EBADF, flock(OK(open("f", O_PATH)), LOCK_SH));
}

TEST(flock_is_shared_with_children_and_kept_apart_from_fcntl)
{
	int fd = file(), other = file();
	OK(flock(fd, LOCK_EX));
	OK(set(other, F_WRLCK, 0, 0));
	pid_t pid = fork();
	if (pid == 0) {
		ERR(EAGAIN, flock(other, LOCK_EX | LOCK_NB));
		OK(flock(fd, LOCK_UN));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	OK(flock(other, LOCK_EX | LOCK_NB));
}

TEST(flock_waits)
{
	int a = file();
	OK(flock(a, LOCK_EX));
	pid_t pid = fork();
	if (pid == 0) {
		int own = file();
		OK(close(a));
		OK(flock(own, LOCK_SH));
		_exit(0);
	}
	usleep(20000);
	EQ(waitpid(pid, 0, WNOHANG), 0);
	OK(flock(a, LOCK_UN));
	EQ(status_of(pid), 0);
}

TEST(many_processes_count_under_a_lock)
{
	int fd = file(), v = 0;
	EQ(pwrite(fd, &v, sizeof v, 0), (long)sizeof v);
	for (int i = 0; i < 4; i++)
		if (fork() == 0) {
			int own = file();
			for (int n = 0; n < 50; n++) {
				struct flock l = range(F_WRLCK, 0, 0);
				OK(fcntl(own, F_SETLKW, &l));
				EQ(pread(own, &v, sizeof v, 0), (long)sizeof v);
				v++;
				EQ(pwrite(own, &v, sizeof v, 0), (long)sizeof v);
				OK(set(own, F_UNLCK, 0, 0));
			}
			_exit(0);
		}
	for (int i = 0; i < 4; i++) {
		int status;
		OK(wait(&status));
		EQ(status, 0);
	}
	EQ(pread(fd, &v, sizeof v, 0), (long)sizeof v);
	EQ(v, 200);
}
