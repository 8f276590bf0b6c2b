/* futex, set_robust_list, futex_waitv. */
#include "../test.h"
#include <linux/futex.h>
#include <pthread.h>

static long futex(void *addr, int op, unsigned val, const void *timeout, void *addr2, unsigned val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static unsigned word, word2;

static struct timespec in_ms(clockid_t c, long ms)
{
	struct timespec ts;
	OK(clock_gettime(c, &ts));
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static long ms_since(struct timespec start)
{
	struct timespec now = in_ms(CLOCK_MONOTONIC, 0);
	return (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000;
}

struct waiter {
	pthread_t thread;
	unsigned *addr;
	int op;
	unsigned bits;
	volatile int result, error, started;
};

static void *wait_on(void *arg)
{
	struct waiter *w = arg;
	w->started = 1;
	w->result = futex(w->addr, w->op, 0, 0, 0, w->bits);
	w->error = errno;
	w->started = 2;
	return 0;
}

/* Starts n waiters; those that have come are found by waking nobody: only time tells, so give them some. */
static void start(struct waiter *w, int n, unsigned *addr, int op)
{
	for (int i = 0; i < n; i++) {
		w[i].addr = addr;
		w[i].op = op;
		if (w[i].bits == 0)
			w[i].bits = ~0u;
		EQ(pthread_create(&w[i].thread, 0, wait_on, &w[i]), 0);
	}
	for (int i = 0; i < n; i++)
		while (!w[i].started)
			usleep(500);
	usleep(30000);
}

static void join(struct waiter *w, int n)
{
	for (int i = 0; i < n; i++) {
		EQ(pthread_join(w[i].thread, 0), 0);
		EQ(w[i].result, 0);
	}
}

/* How many have been woken; waits long for the expected number, shortly for more. */
static int done(struct waiter *w, int n, int expected)
{
	for (int i = 0, k = 0;; i++, k = 0) {
		for (int j = 0; j < n; j++)
			k += w[j].started == 2;
		if (i > 2000 || (k >= expected && i >= 10))
			return k;
		usleep(1000);
	}
}

TEST(wait_compares_first)
{
	struct timespec soon = {0, 1000000};
	word = 5;
	ERR(EAGAIN, futex(&word, FUTEX_WAIT, 4, 0, 0, 0));
	ERR(EAGAIN, futex(&word, FUTEX_WAIT_PRIVATE, 4, 0, 0, 0));
	ERR(EAGAIN, futex(&word, FUTEX_WAIT_BITSET, 4, 0, 0, 1));
	ERR(ETIMEDOUT, futex(&word, FUTEX_WAIT, 5, &soon, 0, 0));
}

TEST(wait_times_out)
{
	struct timespec ts = {0, 30000000}, from = in_ms(CLOCK_MONOTONIC, 0), until;
	ERR(ETIMEDOUT, futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, 0, 0));
	CHECK(ms_since(from) >= 29);
	from = in_ms(CLOCK_MONOTONIC, 0);
	until = in_ms(CLOCK_MONOTONIC, 30);
	ERR(ETIMEDOUT, futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &until, 0, ~0u));
	CHECK(ms_since(from) >= 29);
	from = in_ms(CLOCK_MONOTONIC, 0);
	until = in_ms(CLOCK_REALTIME, 30);
	ERR(ETIMEDOUT, futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &until, 0, ~0u));
	CHECK(ms_since(from) >= 28);
	until = (struct timespec){1, 0};
	ERR(ETIMEDOUT, futex(&word, FUTEX_WAIT_BITSET, 0, &until, 0, ~0u));
	until = (struct timespec){0, 0};
	ERR(ETIMEDOUT, futex(&word, FUTEX_WAIT, 0, &until, 0, 0));
}

TEST(futex_errors)
{
	struct timespec bad = {0, 1000000000}, neg = {-1, 0}, zero = {0, 0};
	char *odd = (char *)&word + 1, *ro = OK(mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	ERR(EINVAL, futex(odd, FUTEX_WAIT, 0, &zero, 0, 0));
	ERR(EINVAL, futex(odd, FUTEX_WAKE, 1, 0, 0, 0));
	ERR(EFAULT, futex(0, FUTEX_WAIT, 0, &zero, 0, 0));
	ERR(EFAULT, futex((void *)4, FUTEX_WAIT_PRIVATE, 0, &zero, 0, 0));
	ERR(EFAULT, futex((void *)4, FUTEX_WAKE, 1, 0, 0, 0));
	/* A private wake looks at no memory. */
	EQ(futex((void *)4, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), 0);
	ERR(EFAULT, futex((void *)0xffff800000000000, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
	ERR(EINVAL, futex(&word, FUTEX_WAIT, 0, &bad, 0, 0));
	ERR(EINVAL, futex(&word, FUTEX_WAIT, 0, &neg, 0, 0));
	ERR(EFAULT, futex(&word, FUTEX_WAIT, 0, (void *)1, 0, 0));
	ERR(EINVAL, futex(&word, FUTEX_WAIT_BITSET, 0, &zero, 0, 0));
	ERR(EINVAL, futex(&word, FUTEX_WAKE_BITSET, 1, 0, 0, 0));
	ERR(ENOSYS, futex(&word, 99, 0, 0, 0, 0));
	ERR(ENOSYS, futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, 0, 0, 0));
	ERR(EINVAL, futex(&word, FUTEX_REQUEUE, -1, 0, &word2, 0));
	ERR(EINVAL, futex(&word, FUTEX_REQUEUE, 1, (void *)-1l, &word2, 0));
	ERR(EAGAIN, futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1l, &word2, 99));
	ERR(ETIMEDOUT, futex(ro, FUTEX_WAIT_PRIVATE, 0, &zero, 0, 0));
	/* Private memory that nobody can write is no place for a shared futex. */
	ERR(EFAULT, futex(ro, FUTEX_WAKE, 1, 0, 0, 0));
}

TEST(wake_wakes_as_many_as_asked)
{
	struct waiter w[4] = {{0}};
	EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0), 0);
	start(w, 4, &word, FUTEX_WAIT_PRIVATE);
	EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0), 0);
	EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), 1);
	EQ(done(w, 4, 1), 1);
	EQ(futex(&word, FUTEX_WAKE_PRIVATE, 2, 0, 0, 0), 2);
	EQ(done(w, 4, 3), 3);
	EQ(futex(&word, FUTEX_WAKE_PRIVATE, 0x7fffffff, 0, 0, 0), 1);
	join(w, 4);
}

TEST(bitsets_select)
{
	struct waiter w[3] = {{.bits = 1}, {.bits = 2}, {.bits = 6}};
	start(w, 3, &word, FUTEX_WAIT_BITSET_PRIVATE);
	EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, 0, 8), 0);
	EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, 0, 0, 4), 1);
	EQ(done(w, 3, 1), 1);
	EQ(w[2].started, 2);
	EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0), 2);
	join(w, 3);
}

TEST(requeue_moves_waiters)
{
	struct waiter w[4] = {{0}};
	start(w, 4, &word, FUTEX_WAIT_PRIVATE);
	/* The answer counts the woken and the moved, whatever the manual page says of FUTEX_REQUEUE. */
	EQ(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)1l, &word2, 0), 2);
	EQ(done(w, 4, 1), 1);
	EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1l, &word2, 0), 1);
	EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0), 2);
	EQ(done(w, 4, 3), 3);
	EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, 0, 0, 0), 1);
	join(w, 4);
}

static unsigned op_of(int op, int oparg, int cmp, int cmparg)
{
	return FUTEX_OP(op, oparg, cmp, cmparg);
}

TEST(wake_op_changes_the_second_word)
{
	static const struct {
		int op, arg;
		unsigned before, after;
	} ops[] = {{FUTEX_OP_SET, 7, 5, 7},
		   {FUTEX_OP_ADD, 3, 5, 8},
		   {FUTEX_OP_OR, 2, 5, 7},
		   {FUTEX_OP_ANDN, 4, 5, 1},
		   {FUTEX_OP_XOR, 6, 5, 3},
		   {FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 4, 5, 21},
		   {FUTEX_OP_ADD, -1, 5, 4}};
	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		word2 = ops[i].before;
		EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1l, &word2, op_of(ops[i].op, ops[i].arg & 0xfff, FUTEX_OP_CMP_EQ, 0)), 0);
		EQ(word2, ops[i].after);
	}
	ERR(ENOSYS, futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1l, &word2, op_of(7, 0, FUTEX_OP_CMP_EQ, 0)));
	ERR(ENOSYS, futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1l, &word2, op_of(FUTEX_OP_SET, 0, 9, 0)));
	ERR(EFAULT, futex(&word, FUTEX_WAKE_OP, 1, (void *)1l, (void *)4, op_of(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0)));
}

TEST(wake_op_wakes_the_second_if_the_old_value_matches)
{
	static const struct {
		int cmp, arg, yes;
	} cmps[] = {{FUTEX_OP_CMP_EQ, 5, 1}, {FUTEX_OP_CMP_NE, 5, 0}, {FUTEX_OP_CMP_LT, 6, 1}, {FUTEX_OP_CMP_LE, 4, 0}, {FUTEX_OP_CMP_GT, 5, 0}, {FUTEX_OP_CMP_GE, 5, 1}};
	for (size_t i = 0; i < sizeof cmps / sizeof *cmps; i++) {
		struct waiter a = {0}, b = {0};
		word2 = 0;
		start(&a, 1, &word, FUTEX_WAIT_PRIVATE);
		start(&b, 1, &word2, FUTEX_WAIT_PRIVATE);
		word2 = 5;
		EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1l, &word2, op_of(FUTEX_OP_SET, 9, cmps[i].cmp, cmps[i].arg)), 1 + cmps[i].yes);
		EQ(word2, 9);
		EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), !cmps[i].yes);
		join(&a, 1);
		join(&b, 1);
	}
}

TEST(shared_words_are_found_by_what_is_mapped)
{
	int fd = OK(open("f", O_RDWR | O_CREAT, 0600)), status;
	OK(ftruncate(fd, 8192));
	unsigned *a = OK(mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	unsigned *b = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4096));
	pid_t pid = fork();
	if (pid == 0)
		_exit(futex(b, FUTEX_WAIT, 0, 0, 0, 0) == 0 ? 0 : 1);
	usleep(20000);
	/* A private wake does not reach a shared wait. */
	EQ(futex(a + 1024, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), 0);
	while (futex(a + 1024, FUTEX_WAKE, 1, 0, 0, 0) == 0)
		usleep(1000);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(private_memory_is_per_process)
{
	int status;
	struct timespec ts = {0, 60000000};
	pid_t pid = fork();
	if (pid == 0)
		_exit(futex(&word, FUTEX_WAIT, 0, &ts, 0, 0) == -1 && errno == ETIMEDOUT ? 0 : 1);
	usleep(20000);
	EQ(futex(&word, FUTEX_WAKE, 1, 0, 0, 0), 0);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
	int *anon = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pid = fork();
	if (pid == 0)
		_exit(futex(anon, FUTEX_WAIT, 0, 0, 0, 0) == 0 ? 0 : 1);
	while (futex(anon, FUTEX_WAKE, 1, 0, 0, 0) == 0)
		usleep(1000);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

static volatile sig_atomic_t calls;
static void count_call(int sig)
{
	(void)sig;
	calls++;
}

TEST(a_handler_interrupts_a_wait_or_it_restarts)
{
	struct sigaction sa = {.sa_handler = count_call};
	struct waiter w = {0};
	OK(sigaction(SIGUSR1, &sa, 0));
	start(&w, 1, &word, FUTEX_WAIT_PRIVATE);
	EQ(pthread_kill(w.thread, SIGUSR1), 0);
	EQ(pthread_join(w.thread, 0), 0);
	EQ(w.result, -1);
	EQ(w.error, EINTR);
	/* Without a time limit SA_RESTART restarts it. */
	sa.sa_flags = SA_RESTART;
	OK(sigaction(SIGUSR1, &sa, 0));
	w = (struct waiter){0};
	start(&w, 1, &word, FUTEX_WAIT_PRIVATE);
	EQ(pthread_kill(w.thread, SIGUSR1), 0);
	EQ(done(&w, 1, 0), 0);
	EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), 1);
	join(&w, 1);
	EQ(calls, 2);
}

static void *end_at_once(void *arg)
{
	return arg;
}

TEST(clear_child_tid_wakes)
{
	/* pthread_join relies on it. */
	for (int i = 0; i < 50; i++) {
		pthread_t t;
		EQ(pthread_create(&t, 0, end_at_once, 0), 0);
		EQ(pthread_join(t, 0), 0);
	}
}

TEST(lock_pi_and_unlock_pi)
{
	word = 0;
	OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
	EQ(word, syscall(SYS_gettid));
	ERR(EDEADLK, futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
	OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
	EQ(word, 0);
	ERR(EPERM, futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
	OK(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0));
	EQ(word, syscall(SYS_gettid));
	word = 99999999 & FUTEX_TID_MASK;
	ERR(ESRCH, futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
}

static volatile int order;
static void *lock_pi(void *arg)
{
	long r = futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0);
	if (r == 0 && (word & FUTEX_TID_MASK) == (unsigned)syscall(SYS_gettid) && order == 1)
		order = 2;
	futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
	return arg;
}

TEST(lock_pi_hands_over)
{
	pthread_t t;
	struct timespec soon;
	word = 0;
	OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
	EQ(pthread_create(&t, 0, lock_pi, 0), 0);
	while (!(__atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		usleep(1000);
	order = 1;
	OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
	EQ(pthread_join(t, 0), 0);
	EQ(order, 2);
	EQ(word & FUTEX_TID_MASK, 0);
	/* The limit is absolute and of the wall clock. */
	pid_t pid = fork();
	if (pid == 0) {
		word = getppid();
		soon = in_ms(CLOCK_REALTIME, 20);
		ERR(ETIMEDOUT, futex(&word, FUTEX_LOCK_PI, 0, &soon, 0, 0));
		_exit(0);
	}
	int status;
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(status, 0);
}

TEST(robust_mutex_tells_that_the_owner_died)
{
	pthread_mutexattr_t a;
	pthread_mutex_t *m = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	EQ(pthread_mutex_init(m, &a), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(m);
		usleep(30000);
		_exit(0);
	}
	while (!__atomic_load_n(&m->__data.__lock, __ATOMIC_SEQ_CST))
		usleep(500);
	EQ(pthread_mutex_lock(m), EOWNERDEAD);
	EQ(pthread_mutex_consistent(m), 0);
	EQ(pthread_mutex_unlock(m), 0);
	EQ(pthread_mutex_lock(m), 0);
	EQ(OK(waitpid(pid, 0, 0)), pid);
	/* The same when the owner is killed. */
	EQ(pthread_mutex_unlock(m), 0);
	pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(m);
		for (;;)
			pause();
	}
	while (!__atomic_load_n(&m->__data.__lock, __ATOMIC_SEQ_CST))
		usleep(500);
	OK(kill(pid, SIGKILL));
	EQ(pthread_mutex_lock(m), EOWNERDEAD);
	EQ(OK(waitpid(pid, 0, 0)), pid);
}

TEST(robust_list_head_is_kept)
{
	struct robust_list_head head = {{&head.list}, 0, 0}, *got;
	size_t len = 0;
	OK(syscall(SYS_set_robust_list, &head, sizeof head));
	OK(syscall(SYS_get_robust_list, 0, &got, &len));
	CHECK(got == &head);
	EQ(len, sizeof head);
	ERR(EINVAL, syscall(SYS_set_robust_list, &head, sizeof head + 1));
	ERR(ESRCH, syscall(SYS_get_robust_list, 99999999, &got, &len));
	ERR(EFAULT, syscall(SYS_get_robust_list, 0, 1, &len));
}

TEST(waitv_waits_on_several)
{
	struct {
		uint64_t val, uaddr;
		uint32_t flags, reserved;
	} v[2] = {{0, (uintptr_t)&word, 2 | 128, 0}, {0, (uintptr_t)&word2, 2 | 128, 0}};
	struct timespec until = in_ms(CLOCK_MONOTONIC, 10);
	int status;
	ERR(ETIMEDOUT, syscall(449, v, 2, 0, &until, CLOCK_MONOTONIC));
	v[1].val = 3;
	ERR(EAGAIN, syscall(449, v, 2, 0, 0, 0));
	ERR(EINVAL, syscall(449, v, 0, 0, 0, 0));
	ERR(EINVAL, syscall(449, v, 129, 0, 0, 0));
	ERR(EINVAL, syscall(449, v, 2, 1, 0, 0));
	v[1].val = 0;
	unsigned *shared = OK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	v[0].uaddr = (uintptr_t)shared;
	v[1].uaddr = (uintptr_t)(shared + 1);
	v[0].flags = v[1].flags = 2;
	pid_t pid = fork();
	if (pid == 0)
		_exit(syscall(449, v, 2, 0, 0, 0));
	while (futex(shared + 1, FUTEX_WAKE, 1, 0, 0, 0) == 0)
		usleep(1000);
	EQ(OK(waitpid(pid, &status, 0)), pid);
	EQ(WEXITSTATUS(status), 1);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int turn, total;
static void *take_turns(void *arg)
{
	int me = (int)(long)arg;
	for (int i = 0; i < 500; i++) {
		pthread_mutex_lock(&lock);
		while (turn != me)
			pthread_cond_wait(&cond, &lock);
		turn = (turn + 1) % 3;
		total++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	return 0;
}

TEST(condition_variables_pass_turns)
{
	pthread_t t[3];
	for (long i = 0; i < 3; i++)
		EQ(pthread_create(&t[i], 0, take_turns, (void *)i), 0);
	for (int i = 0; i < 3; i++)
		EQ(pthread_join(t[i], 0), 0);
	EQ(total, 1500);
}

static unsigned pi_cond, pi_lock;
static volatile int pi_served;
static void *wait_requeue(void *arg)
{
	long r = futex(&pi_cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, 0, &pi_lock, 0);
	if (r == 0 && (__atomic_load_n(&pi_lock, __ATOMIC_SEQ_CST) & FUTEX_TID_MASK) == (unsigned)syscall(SYS_gettid))
		pi_served++;
	futex(&pi_lock, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0);
	return (void *)r;
}

static void wait_until_asleep(int n)
{
	/* Nothing tells how many wait; a comparison that fails is no way to ask either. */
	usleep(50000 * n);
}

TEST(requeue_pi_gives_the_lock_to_one_at_a_time)
{
	pthread_t t[3];
	void *r;
	for (int i = 0; i < 3; i++)
		EQ(pthread_create(&t[i], 0, wait_requeue, 0), 0);
	wait_until_asleep(1);
	/* Ordinary wakes and requeues do not mix with it. */
	ERR(EINVAL, futex(&pi_cond, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
	ERR(EINVAL, futex(&pi_cond, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &word2, 0));
	/* Another target than the waiters named. */
	ERR(EINVAL, futex(&pi_cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &word2, 0));
	ERR(EAGAIN, futex(&pi_cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &pi_lock, 1));
	ERR(EINVAL, futex(&pi_cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 2, (void *)1, &pi_lock, 0));
	ERR(EINVAL, futex(&pi_cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)1, &pi_cond, 0));
	OK(futex(&pi_lock, FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0));
	EQ(futex(&pi_cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, (void *)100, &pi_lock, 0), 3);
	wait_until_asleep(1);
	EQ(pi_served, 0);
	OK(futex(&pi_lock, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0));
	for (int i = 0; i < 3; i++) {
		EQ(pthread_join(t[i], &r), 0);
		EQ((long)r, 0);
	}
	EQ(pi_served, 3);
	EQ(pi_lock & FUTEX_TID_MASK, 0);
}

TEST(requeue_pi_of_a_free_lock_wakes_the_first)
{
	pthread_t t;
	void *r;
	struct timespec soon;
	EQ(futex(&pi_cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 0, &pi_lock, 0), 0);
	EQ(pthread_create(&t, 0, wait_requeue, 0), 0);
	wait_until_asleep(1);
	EQ(futex(&pi_cond, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 0, &pi_lock, 0), 1);
	EQ(pthread_join(t, &r), 0);
	EQ((long)r, 0);
	EQ(pi_lock & FUTEX_TID_MASK, 0);
	soon = in_ms(CLOCK_MONOTONIC, 20);
	ERR(ETIMEDOUT, futex(&pi_cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, &soon, &pi_lock, 0));
	soon = in_ms(CLOCK_REALTIME, 20);
	ERR(ETIMEDOUT, futex(&pi_cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE | FUTEX_CLOCK_REALTIME, 0, &soon, &pi_lock, 0));
	ERR(EAGAIN, futex(&pi_cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 1, 0, &pi_lock, 0));
	ERR(EINVAL, futex(&pi_cond, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, 0, &pi_cond, 0));
}
