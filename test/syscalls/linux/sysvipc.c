/* System V shared memory, semaphores and message queues. Every object is removed at the end of its case. */
#include "../test.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

/* A key nobody else has. */
static key_t own_key(void)
{
	return 0x52000000 | getpid();
}

static int status_of(pid_t pid)
{
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	return status;
}

TEST(shared_memory_is_shared)
{
	int id = OK(shmget(IPC_PRIVATE, 10000, 0600));
	char *a = OK(shmat(id, 0, 0)), *b = OK(shmat(id, 0, SHM_RDONLY));
	OK(shmctl(id, IPC_RMID, 0));
	CHECK(a != b);
	EQ(a[9999], 0);
	a[5] = 'x';
	EQ(b[5], 'x');
	pid_t pid = fork();
	if (pid == 0) {
		a[6] = 'y';
		_exit(0);
	}
	EQ(status_of(pid), 0);
	EQ(b[6], 'y');
	OK(shmdt(b));
	ERR(EINVAL, shmdt(b));
	ERR(EINVAL, shmdt(a + 4096));
	OK(shmdt(a));
}

TEST(shmget_rules)
{
	int id = OK(shmget(own_key(), 4096, IPC_CREAT | IPC_EXCL | 0600));
	EQ(shmget(own_key(), 0, 0), id);
	EQ(shmget(own_key(), 100, IPC_CREAT), id);
	ERR(EEXIST, shmget(own_key(), 4096, IPC_CREAT | IPC_EXCL));
	ERR(EINVAL, shmget(own_key(), 4097, 0));
	OK(shmctl(id, IPC_RMID, 0));
	ERR(ENOENT, shmget(own_key(), 0, 0));
	ERR(EINVAL, shmget(IPC_PRIVATE, 0, 0600));
	ERR(EINVAL, shmctl(id, IPC_STAT, 0));
}

TEST(shm_status)
{
	struct shmid_ds ds;
	int id = OK(shmget(IPC_PRIVATE, 5000, 0640));
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_segsz, 5000);
	EQ(ds.shm_perm.mode & 0777, 0640);
	EQ(ds.shm_perm.uid, geteuid());
	EQ(ds.shm_cpid, getpid());
	EQ(ds.shm_nattch, 0);
	char *p = OK(shmat(id, 0, 0));
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_nattch, 1);
	EQ(ds.shm_lpid, getpid());
	/* A child has it attached too. */
	pid_t pid = fork();
	if (pid == 0) {
		OK(shmctl(id, IPC_STAT, &ds));
		_exit(ds.shm_nattch);
	}
	EQ(status_of(pid), 2 << 8);
	ds.shm_perm.mode = 0600;
	OK(shmctl(id, IPC_SET, &ds));
	OK(shmctl(id, IPC_RMID, 0));
	/* Marked for the end, but here while attached. */
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_perm.mode & 01777, 01600);
	OK(shmdt(p));
	ERR(EINVAL, shmctl(id, IPC_STAT, &ds));
}

TEST(shmat_rules)
{
	int id = OK(shmget(IPC_PRIVATE, 8192, 0600));
	char *area = OK(mmap(0, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ERR(EINVAL, shmat(id, area, 0));
	ERR(EINVAL, shmat(id, area + 1, SHM_REMAP));
	char *p = OK(shmat(id, area, SHM_REMAP));
	CHECK(p == area);
	CHECK(OK(shmat(id, area + 16384 + 100, SHM_RND | SHM_REMAP)) == area + 16384);
	ERR(EINVAL, shmat(id + 1000, 0, 0));
	ERR(EINVAL, shmctl(id, 9999, 0));
	ERR(EFAULT, shmctl(id, IPC_STAT, (void *)8));
	OK(chmod(".", 0755));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		ERR(EACCES, shmat(id, 0, SHM_RDONLY));
		ERR(EPERM, shmctl(id, IPC_RMID, 0));
		_exit(0);
	}
	int s = status_of(pid);
	OK(shmctl(id, IPC_RMID, 0));
	EQ(s, 0);
}

static int op(int id, int num, int delta, int flags)
{
	struct sembuf b = {num, delta, flags};
	return semop(id, &b, 1);
}

TEST(semaphores_count)
{
	int id = OK(semget(IPC_PRIVATE, 3, 0600));
	EQ(semctl(id, 0, GETVAL), 0);
	OK(op(id, 0, 5, 0));
	EQ(semctl(id, 0, GETVAL), 5);
	OK(op(id, 0, -3, 0));
	EQ(semctl(id, 0, GETVAL), 2);
	EQ(semctl(id, 0, GETPID), getpid());
	ERR(EAGAIN, op(id, 0, -3, IPC_NOWAIT));
	ERR(EAGAIN, op(id, 0, 0, IPC_NOWAIT));
	OK(op(id, 1, 0, IPC_NOWAIT));
	OK(semctl(id, 2, SETVAL, (union semun){.val = 7}));
	unsigned short all[3];
	OK(semctl(id, 0, GETALL, (union semun){.array = all}));
	EQ(all[0] * 100 + all[1] * 10 + all[2], 207);
	all[1] = 9;
	OK(semctl(id, 0, SETALL, (union semun){.array = all}));
	EQ(semctl(id, 1, GETVAL), 9);
	OK(semctl(id, 0, IPC_RMID));
	ERR(EINVAL, op(id, 0, 1, 0));
}

TEST(several_operations_are_one)
{
	int id = OK(semget(IPC_PRIVATE, 2, 0600));
	struct sembuf b[2] = {{0, 1, 0}, {1, -1, IPC_NOWAIT}};
	ERR(EAGAIN, semop(id, b, 2));
	EQ(semctl(id, 0, GETVAL), 0);
	OK(op(id, 1, 1, 0));
	OK(semop(id, b, 2));
	EQ(semctl(id, 0, GETVAL), 1);
	EQ(semctl(id, 1, GETVAL), 0);
	OK(semctl(id, 0, IPC_RMID));
}

TEST(semop_waits)
{
	int id = OK(semget(IPC_PRIVATE, 1, 0600));
	pid_t pid = fork();
	if (pid == 0)
		_exit(op(id, 0, -2, 0) == 0 ? 0 : 1);
	while (semctl(id, 0, GETNCNT) == 0)
		usleep(1000);
	OK(op(id, 0, 1, 0));
	usleep(10000);
	EQ(waitpid(pid, 0, WNOHANG), 0);
	OK(op(id, 0, 1, 0));
	EQ(status_of(pid), 0);
	EQ(semctl(id, 0, GETVAL), 0);
	/* For zero. */
	OK(op(id, 0, 1, 0));
	pid = fork();
	if (pid == 0)
		_exit(op(id, 0, 0, 0) == 0 ? 0 : 1);
	while (semctl(id, 0, GETZCNT) == 0)
		usleep(1000);
	OK(op(id, 0, -1, 0));
	EQ(status_of(pid), 0);
	/* Its end wakes with an error. */
	pid = fork();
	if (pid == 0)
		_exit(op(id, 0, -1, 0) == -1 && errno == EIDRM ? 0 : 1);
	while (semctl(id, 0, GETNCNT) == 0)
		usleep(1000);
	OK(semctl(id, 0, IPC_RMID));
	EQ(status_of(pid), 0);
}

TEST(semtimedop_gives_up)
{
	int id = OK(semget(IPC_PRIVATE, 1, 0600));
	struct sembuf b = {0, -1, 0};
	struct timespec ts = {0, 20000000}, bad = {0, 1000000000};
	ERR(EAGAIN, semtimedop(id, &b, 1, &ts));
	ERR(EINVAL, semtimedop(id, &b, 1, &bad));
	OK(semctl(id, 0, IPC_RMID));
}

TEST(undo_at_exit)
{
	int id = OK(semget(IPC_PRIVATE, 1, 0600));
	OK(op(id, 0, 5, 0));
	pid_t pid = fork();
	if (pid == 0) {
		OK(op(id, 0, -2, SEM_UNDO));
		OK(op(id, 0, -1, 0));
		_exit(semctl(id, 0, GETVAL));
	}
	EQ(status_of(pid), 2 << 8);
	EQ(semctl(id, 0, GETVAL), 4);
	OK(semctl(id, 0, IPC_RMID));
}

TEST(semaphore_errors)
{
	int id = OK(semget(own_key(), 2, IPC_CREAT | IPC_EXCL | 0600));
	struct semid_ds ds;
	EQ(semget(own_key(), 2, 0), id);
	EQ(semget(own_key(), 0, 0), id);
	ERR(EINVAL, semget(own_key(), 3, 0));
	ERR(EEXIST, semget(own_key(), 2, IPC_CREAT | IPC_EXCL));
	ERR(EFBIG, op(id, 2, 1, 0));
	ERR(ERANGE, op(id, 0, 32767, 0) == 0 ? op(id, 0, 1, 0) : 0);
	ERR(ERANGE, semctl(id, 0, SETVAL, (union semun){.val = 32768}));
	ERR(ERANGE, semctl(id, 0, SETVAL, (union semun){.val = -1}));
	ERR(EINVAL, semctl(id, 2, GETVAL));
	ERR(EINVAL, semctl(id, 0, 9999));
	ERR(EINVAL, semop(id, 0, 0));
	ERR(E2BIG, semop(id, (struct sembuf *)8, 100000));
	ERR(EFAULT, semop(id, (struct sembuf *)8, 1));
	OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
	EQ(ds.sem_nsems, 2);
	EQ(ds.sem_perm.__key, own_key());
	OK(semctl(id, 0, IPC_RMID));
	ERR(EINVAL, semget(IPC_PRIVATE, 0, 0600));
	ERR(EINVAL, semget(IPC_PRIVATE, -1, 0600));
	ERR(ENOENT, semget(own_key(), 1, 0));
}

struct msg {
	long type;
	char text[64];
};

static int put(int q, long type, const char *text)
{
	struct msg m = {.type = type};
	strcpy(m.text, text);
	return msgsnd(q, &m, strlen(text), IPC_NOWAIT);
}

static const char *get(int q, long type, int flags)
{
	static struct msg m;
	memset(&m, 0, sizeof m);
	if (msgrcv(q, &m, sizeof m.text, type, flags | IPC_NOWAIT) < 0)
		return "";
	return m.text;
}

TEST(messages_are_taken_by_type)
{
	int q = OK(msgget(IPC_PRIVATE, 0600));
	OK(put(q, 3, "c"));
	OK(put(q, 1, "a"));
	OK(put(q, 2, "b"));
	OK(put(q, 1, "aa"));
	OK(put(q, 5, "e"));
	EQ(strcmp(get(q, 1, 0), "a"), 0);
	/* Zero takes the first, a negative type the lowest up to it. */
	EQ(strcmp(get(q, 0, 0), "c"), 0);
	EQ(strcmp(get(q, -2, 0), "aa"), 0);
	EQ(strcmp(get(q, 2, MSG_EXCEPT), "e"), 0);
	EQ(strcmp(get(q, 9, 0), ""), 0);
	EQ(errno, ENOMSG);
	EQ(strcmp(get(q, -5, 0), "b"), 0);
	OK(msgctl(q, IPC_RMID, 0));
}

TEST(message_lengths)
{
	int q = OK(msgget(IPC_PRIVATE, 0600));
	struct msg m;
	struct msqid_ds ds;
	OK(put(q, 1, "0123456789"));
	OK(msgctl(q, IPC_STAT, &ds));
	EQ(ds.msg_qnum, 1);
	EQ(ds.__msg_cbytes, 10);
	EQ(ds.msg_lspid, getpid());
	ERR(E2BIG, msgrcv(q, &m, 5, 0, 0));
	EQ(msgrcv(q, &m, 5, 0, MSG_NOERROR), 5);
	EQ(memcmp(m.text, "01234", 5), 0);
	ERR(ENOMSG, msgrcv(q, &m, 5, 0, IPC_NOWAIT));
	OK(put(q, 1, ""));
	EQ(msgrcv(q, &m, 5, 0, 0), 0);
	OK(msgctl(q, IPC_RMID, 0));
}

TEST(full_queues_and_waiting)
{
	int q = OK(msgget(IPC_PRIVATE, 0600)), n = 0;
	struct msqid_ds ds;
	struct msg m = {.type = 1};
	OK(msgctl(q, IPC_STAT, &ds));
	ds.msg_qbytes = 256;
	OK(msgctl(q, IPC_SET, &ds));
	while (msgsnd(q, &m, 64, IPC_NOWAIT) == 0)
		n++;
	EQ(errno, EAGAIN);
	EQ(n, 4);
	pid_t pid = fork();
	if (pid == 0)
		_exit(msgsnd(q, &m, 64, 0) == 0 ? 0 : 1);
	usleep(20000);
	EQ(waitpid(pid, 0, WNOHANG), 0);
	EQ(msgrcv(q, &m, 64, 0, 0), 64);
	EQ(status_of(pid), 0);
	pid = fork();
	if (pid == 0) {
		EQ(msgrcv(q, &m, 64, 77, 0), 3);
		ERR(EIDRM, msgrcv(q, &m, 64, 78, 0));
		_exit(0);
	}
	usleep(10000);
	ds.msg_qbytes = 512;
	OK(msgctl(q, IPC_SET, &ds));
	OK(put(q, 77, "abc"));
	usleep(50000);
	OK(msgctl(q, IPC_RMID, 0));
	EQ(status_of(pid), 0);
}

TEST(message_queue_errors)
{
	struct msg m = {.type = 0};
	int q = OK(msgget(own_key(), IPC_CREAT | IPC_EXCL | 0600));
	EQ(msgget(own_key(), 0), q);
	ERR(EEXIST, msgget(own_key(), IPC_CREAT | IPC_EXCL));
	ERR(EINVAL, msgsnd(q, &m, 1, 0));
	m.type = 1;
	ERR(EINVAL, msgsnd(q, &m, -1, 0));
	ERR(EFAULT, msgsnd(q, (void *)8, 1, 0));
	ERR(EINVAL, msgsnd(q + 1000, &m, 1, 0));
	ERR(EINVAL, msgrcv(q, &m, -1, 0, 0));
	ERR(EINVAL, msgctl(q, 9999, 0));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		ERR(EACCES, msgsnd(q, &m, 1, 0));
		ERR(EACCES, msgrcv(q, &m, 1, 0, IPC_NOWAIT));
		ERR(EPERM, msgctl(q, IPC_RMID, 0));
		ERR(EACCES, msgget(own_key() - getpid() + getppid(), 0600));
		_exit(0);
	}
	int s = status_of(pid);
	OK(msgctl(q, IPC_RMID, 0));
	ERR(ENOENT, msgget(own_key(), 0));
	EQ(s, 0);
}
