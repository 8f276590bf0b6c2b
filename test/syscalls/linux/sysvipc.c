/* System V shared memory, semaphores and message queues. Every object is removed at the end of its case. */
#include "../test.h"
#include <pthread.h>
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
	/* A copy is not cut. */
	OK(put(q, 1, "0123456789"));
	EQ(msgrcv(q, &m, 10, 0, MSG_COPY | IPC_NOWAIT), 10);
	ERR(E2BIG, msgrcv(q, &m, 5, 0, MSG_COPY | IPC_NOWAIT));
	ERR(EINVAL, msgrcv(q, &m, 5, 0, MSG_COPY | IPC_NOWAIT | MSG_NOERROR));
	ERR(ENOMSG, msgrcv(q, &m, 10, 1, MSG_COPY | IPC_NOWAIT));
	ERR(EINVAL, msgrcv(q, &m, 10, 0, MSG_COPY));
	ERR(EINVAL, msgrcv(q, &m, 10, 0, MSG_COPY | IPC_NOWAIT | MSG_EXCEPT));
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

TEST(attachments_are_counted_by_mapping)
{
	struct shmid_ds ds;
	int id = OK(shmget(IPC_PRIVATE, 4 * 4096, 0600));
	char *p = OK(shmat(id, 0, 0));
	p[0] = 1;
	p[3 * 4096] = 4;
	/* A hole makes two mappings of one. */
	OK(munmap(p + 4096, 4096));
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_nattch, 2);
	CHECK(ds.shm_atime > 0);
	OK(shmdt(p));
	ERR(EINVAL, shmdt(p + 2 * 4096));
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_nattch, 0);
	CHECK(ds.shm_dtime > 0);
	/* The start may be gone. */
	p = OK(shmat(id, 0, 0));
	EQ(p[3 * 4096], 4);
	OK(munmap(p, 4096));
	OK(shmdt(p));
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_nattch, 0);
	/* execve lets go of it, exit too. */
	p = OK(shmat(id, 0, 0));
	pid_t pid = fork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)0);
		_exit(1);
	}
	EQ(status_of(pid), 0);
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_nattch, 1);
	EQ(ds.shm_lpid, pid);
	OK(shmctl(id, IPC_RMID, 0));
	OK(munmap(p, 4 * 4096));
	ERR(EINVAL, shmctl(id, IPC_STAT, &ds));
}

TEST(a_removed_segment_has_no_key)
{
	struct shmid_ds ds;
	int id = OK(shmget(own_key(), 4096, IPC_CREAT | IPC_EXCL | 0600));
	char *p = OK(shmat(id, 0, 0)), line[512], want[32];
	p[0] = 7;
	sprintf(want, "/SYSV%08x (deleted)", own_key());
	FILE *f = fopen("/proc/self/maps", "r");
	int found = 0;
	while (fgets(line, sizeof line, f))
		if (strstr(line, want)) {
			unsigned long start, end, offset, ino;
			unsigned major, minor;
			char perms[5];
			found++;
			EQ(sscanf(line, "%lx-%lx %4s %lx %x:%x %lu", &start, &end, perms, &offset, &major, &minor, &ino), 7);
			EQ(strcmp(perms, "rw-s"), 0);
			EQ(start, (unsigned long)p);
			EQ(ino, (unsigned long)id);
		}
	fclose(f);
	EQ(found, 1);
	OK(shmctl(id, IPC_RMID, 0));
	OK(shmctl(id, IPC_STAT, &ds));
	EQ(ds.shm_perm.__key, 0);
	ERR(ENOENT, shmget(own_key(), 0, 0));
	/* It can still be attached by its id. */
	char *q = OK(shmat(id, 0, SHM_RDONLY));
	EQ(q[0], 7);
	ERR(EACCES, mprotect(q, 4096, PROT_READ | PROT_WRITE));
	OK(shmdt(q));
	OK(shmdt(p));
}

TEST(ids_are_not_reused_at_once)
{
	int a = OK(msgget(IPC_PRIVATE, 0600));
	OK(msgctl(a, IPC_RMID, 0));
	int b = OK(msgget(IPC_PRIVATE, 0600));
	OK(msgctl(b, IPC_RMID, 0));
	CHECK(a != b);
	ERR(EINVAL, msgctl(a, IPC_RMID, 0));
	ERR(EINVAL, msgctl(-1, IPC_RMID, 0));
	ERR(EINVAL, semctl(-1, 0, IPC_RMID));
	ERR(EINVAL, shmctl(-1, IPC_RMID, 0));
	ERR(EINVAL, shmat(-1, 0, 0));
}

TEST(info_and_stat_by_index)
{
	struct seminfo si;
	struct msginfo mi;
	struct shminfo hi;
	struct shm_info hu;
	struct semid_ds sds;
	struct msqid_ds mds;
	struct shmid_ds hds;
	int sem = OK(semget(IPC_PRIVATE, 3, 0600)), msg = OK(msgget(IPC_PRIVATE, 0600));
	int shm = OK(shmget(IPC_PRIVATE, 4096, 0600));
	CHECK(OK(semctl(0, 0, IPC_INFO, &si)) >= (sem & 0x7fff));
	EQ(si.semvmx, 32767);
	EQ(si.semopm, 500);
	EQ(si.semmsl, 32000);
	EQ(si.semusz, 20);
	OK(semctl(0, 0, SEM_INFO, &si));
	CHECK(si.semusz >= 1 && si.semaem >= 3);
	CHECK(OK(msgctl(0, IPC_INFO, (void *)&mi)) >= (msg & 0x7fff));
	EQ(mi.msgmax, 8192);
	EQ(mi.msgmnb, 16384);
	EQ(mi.msgseg, 0xffff);
	OK(msgctl(0, MSG_INFO, (void *)&mi));
	CHECK(mi.msgpool >= 1);
	CHECK(OK(shmctl(0, IPC_INFO, (void *)&hi)) >= (shm & 0x7fff));
	EQ(hi.shmmin, 1);
	EQ(hi.shmmni, 4096);
	OK(shmctl(0, SHM_INFO, (void *)&hu));
	CHECK(hu.used_ids >= 1 && hu.shm_tot >= 1);
	EQ(semctl(sem & 0x7fff, 0, SEM_STAT, &sds), sem);
	EQ(sds.sem_nsems, 3);
	EQ(msgctl(msg & 0x7fff, MSG_STAT, &mds), msg);
	EQ(mds.msg_qbytes, 16384);
	EQ(shmctl(shm & 0x7fff, SHM_STAT, &hds), shm);
	EQ(hds.shm_segsz, 4096);
	OK(semctl(sem, 0, IPC_RMID));
	OK(msgctl(msg, IPC_RMID, 0));
	OK(shmctl(shm, IPC_RMID, 0));
	ERR(EINVAL, semctl(32767, 0, SEM_STAT, &sds));
}

TEST(messages_can_be_copied)
{
	struct msg m;
	int q = OK(msgget(IPC_PRIVATE, 0600));
	OK(put(q, 5, "first"));
	OK(put(q, 6, "second"));
	EQ(msgrcv(q, &m, 64, 1, 040000 | IPC_NOWAIT), 6);
	EQ(m.type, 6);
	EQ(memcmp(m.text, "second", 6), 0);
	EQ(msgrcv(q, &m, 64, 0, 040000 | IPC_NOWAIT), 5);
	ERR(ENOMSG, msgrcv(q, &m, 64, 2, 040000 | IPC_NOWAIT));
	ERR(ENOMSG, msgrcv(q, &m, 64, -1, 040000 | IPC_NOWAIT));
	ERR(EINVAL, msgrcv(q, &m, 64, 0, 040000));
	ERR(EINVAL, msgrcv(q, &m, 64, 0, 040000 | IPC_NOWAIT | MSG_EXCEPT));
	EQ(strcmp(get(q, 0, 0), "first"), 0);
	/* A message that cannot be stored is lost. */
	ERR(EFAULT, msgrcv(q, (void *)8, 64, 0, 0));
	ERR(ENOMSG, msgrcv(q, &m, 64, 0, IPC_NOWAIT));
	OK(msgctl(q, IPC_RMID, 0));
}

TEST(types_are_64_bits_wide)
{
	struct msg m;
	int q = OK(msgget(IPC_PRIVATE, 0600));
	OK(put(q, 0x4000000000000001, "b"));
	OK(put(q, 0x4000000000000000, "a"));
	OK(put(q, 0x7fffffffffffffff, "c"));
	EQ(strcmp(get(q, -0x4000000000000001, 0), "a"), 0);
	EQ(msgrcv(q, &m, 64, 0x7fffffffffffffff, IPC_NOWAIT), 1);
	EQ(m.type, 0x7fffffffffffffff);
	EQ(strcmp(get(q, (long)(1ul << 63), 0), "b"), 0);
	OK(msgctl(q, IPC_RMID, 0));
}

static void on_alarm(int sig)
{
}

TEST(signals_interrupt_waits)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct msg m;
	int id = OK(semget(IPC_PRIVATE, 1, 0600)), q = OK(msgget(IPC_PRIVATE, 0600));
	OK(sigaction(SIGALRM, &sa, 0));
	/* Never restarted by a handler. */
	alarm(1);
	ERR(EINTR, op(id, 0, -1, 0));
	EQ(semctl(id, 0, GETNCNT), 0);
	alarm(1);
	ERR(EINTR, msgrcv(q, &m, 64, 0, 0));
	OK(semctl(id, 0, IPC_RMID));
	OK(msgctl(q, IPC_RMID, 0));
}

TEST(several_waiters_are_served_in_order)
{
	int id = OK(semget(IPC_PRIVATE, 2, 0600)), p[2];
	pid_t pid[3];
	char order[4] = "";
	OK(pipe(p));
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			/* The second wants more than the others. */
			if (op(id, 0, i == 1 ? -2 : -1, 0) == 0)
				write(p[1], &"abc"[i], 1);
			_exit(0);
		}
		while (semctl(id, 0, GETNCNT) != i + 1)
			usleep(1000);
	}
	OK(op(id, 0, 1, 0));
	EQ(read(p[0], order, 1), 1);
	/* Not enough for the second: the third overtakes. */
	OK(op(id, 0, 1, 0));
	EQ(read(p[0], order + 1, 1), 1);
	OK(op(id, 0, 2, 0));
	EQ(read(p[0], order + 2, 1), 1);
	EQ(strcmp(order, "acb"), 0);
	for (int i = 0; i < 3; i++)
		EQ(status_of(pid[i]), 0);
	OK(semctl(id, 0, IPC_RMID));
}

static int undo_set;
static void *undo_in_thread(void *arg)
{
	return (void *)(long)op(undo_set, 0, -2, SEM_UNDO);
}

TEST(threads_share_what_is_undone)
{
	pthread_t t;
	void *r;
	undo_set = OK(semget(IPC_PRIVATE, 1, 0600));
	OK(op(undo_set, 0, 5, 0));
	pid_t pid = fork();
	if (pid == 0) {
		EQ(pthread_create(&t, 0, undo_in_thread, 0), 0);
		EQ(pthread_join(t, &r), 0);
		EQ((long)r, 0);
		usleep(10000);
		/* Only the exit of the process undoes. */
		EQ(semctl(undo_set, 0, GETVAL), 3);
		_exit(0);
	}
	EQ(status_of(pid), 0);
	EQ(semctl(undo_set, 0, GETVAL), 5);
	/* The adjustment wakes who waits, is forgotten by SETVAL, and survives execve. */
	pid = fork();
	if (pid == 0) {
		OK(op(undo_set, 0, -5, SEM_UNDO));
		execl("/bin/sleep", "sleep", "0.05", (char *)0);
		_exit(1);
	}
	while (semctl(undo_set, 0, GETVAL) == 5)
		usleep(1000);
	OK(op(undo_set, 0, -1, 0));
	EQ(status_of(pid), 0);
	EQ(semctl(undo_set, 0, GETVAL), 4);
	pid = fork();
	if (pid == 0) {
		OK(op(undo_set, 0, -1, SEM_UNDO));
		OK(semctl(undo_set, 0, SETVAL, (union semun){.val = 1}));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	EQ(semctl(undo_set, 0, GETVAL), 1);
	/* Out of range: nothing is done. */
	ERR(ERANGE, op(undo_set, 0, 32767, SEM_UNDO));
	OK(semctl(undo_set, 0, IPC_RMID));
}

TEST(owners_and_modes_can_be_set)
{
	struct semid_ds ds;
	int id = OK(semget(IPC_PRIVATE, 1, 0600));
	OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
	ds.sem_perm.uid = 65534;
	ds.sem_perm.gid = 65534;
	ds.sem_perm.mode = 0440;
	OK(semctl(id, 0, IPC_SET, (union semun){.buf = &ds}));
	OK(semctl(id, 0, IPC_STAT, (union semun){.buf = &ds}));
	EQ(ds.sem_perm.uid, 65534);
	EQ(ds.sem_perm.cuid, geteuid());
	EQ(ds.sem_perm.mode & 0777, 0440);
	ds.sem_perm.uid = -1;
	ERR(EINVAL, semctl(id, 0, IPC_SET, (union semun){.buf = &ds}));
	pid_t pid = fork();
	if (pid == 0) {
		OK(setresuid(65534, 65534, 65534));
		EQ(semctl(id, 0, GETVAL), 0);
		ERR(EACCES, semctl(id, 0, SETVAL, (union semun){.val = 1}));
		ERR(EACCES, op(id, 0, 1, 0));
		OK(op(id, 0, 0, IPC_NOWAIT));
		OK(semctl(id, 0, IPC_RMID));
		_exit(0);
	}
	EQ(status_of(pid), 0);
	ERR(EINVAL, semctl(id, 0, GETVAL));
}
