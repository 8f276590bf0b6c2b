/*
 * The program that the benchmark lines are made of. It runs in the same way on the host and in every sandbox and measures with
 * CLOCK_MONOTONIC from inside, so that the start of a sandbox is not part of a figure.
 *
 *   bench NAME [-r RUNS] [-m MS] [-t THREADS] [-p PROCESSES] [-f FILE]
 *
 * prints the nanoseconds per operation of each of RUNS runs of about MS milliseconds. With -t every one of THREADS threads does
 * the same at once and the figure is elapsed time divided by all their operations; with -p that many processes sleep meanwhile.
 *
 *   bench walk DIRECTORY RUNS        nanoseconds of each walk, with fstatat(2) of everything; the entries on standard error
 *   bench readfile FILE RUNS         nanoseconds of each reading of a file in pieces of 1 MiB
 *   bench time RUNS COMMAND...       nanoseconds of each run of a command, which must succeed
 *   bench sleep                      says "ready" and sleeps for ever
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_RUNS 1000
#define MAX_THREADS 64

static const char *file = "/proc/self/exe";

static void die(const char *what) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* What one thread works with. */
struct state {
  int fd;
  int out;
  int devnull;
  long at;
  char buf[64];
};

static void op_getpid(struct state *s, long n) {
  (void)s;
  while (n-- > 0) syscall(SYS_getpid);
}

static void op_lseek(struct state *s, long n) {
  while (n-- > 0) lseek(s->fd, 0, SEEK_CUR);
}

/* A site that no rewriting of code can take: the number comes from a register, and the instruction is jumped to. */
static void op_lseek_unpatched(struct state *s, long n) {
  while (n-- > 0) {
    long ret;
    __asm__ volatile(
        "test %%rdi, %%rdi\n"
        "mov %%rbx, %%rax\n"
        "jns 1f\n"
        "nop\n"
        "1: syscall\n"
        : "=a"(ret)
        : "b"((long)SYS_lseek), "D"((long)s->fd), "S"(0L), "d"((long)SEEK_CUR)
        : "rcx", "r11", "memory", "cc");
    if (ret < 0) die("lseek");
  }
}

static void op_pread(struct state *s, long n) {
  while (n-- > 0)
    if (pread(s->fd, s->buf, 1, n & 1023) != 1) die("pread");
}

static void op_read(struct state *s, long n) {
  while (n-- > 0)
    if (read(s->fd, s->buf, 1) != 1 && lseek(s->fd, 0, SEEK_SET) != 0) die("read");
}

static void op_write(struct state *s, long n) {
  while (n-- > 0)
    if (write(s->devnull, s->buf, 1) != 1) die("write");
}

static void op_pwrite(struct state *s, long n) {
  while (n-- > 0)
    if (pwrite(s->out, s->buf, 1, n & 1023) != 1) die("pwrite");
}

static void op_fstat(struct state *s, long n) {
  struct stat st;
  while (n-- > 0)
    if (fstat(s->fd, &st) != 0) die("fstat");
}

static void op_stat(struct state *s, long n) {
  struct stat st;
  (void)s;
  while (n-- > 0)
    if (stat(file, &st) != 0) die("stat");
}

static void op_stat_missing(struct state *s, long n) {
  struct stat st;
  (void)s;
  while (n-- > 0)
    if (stat("/usr/lib/libmissing.so", &st) == 0) die("stat");
}

static void op_open_close(struct state *s, long n) {
  (void)s;
  while (n-- > 0) {
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) die("open");
    close(fd);
  }
}

static void op_clock_vdso(struct state *s, long n) {
  struct timespec ts;
  (void)s;
  while (n-- > 0) clock_gettime(CLOCK_MONOTONIC, &ts);
}

static void op_clock_call(struct state *s, long n) {
  struct timespec ts;
  (void)s;
  while (n-- > 0) syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts);
}

static void op_mmap(struct state *s, long n) {
  (void)s;
  while (n-- > 0) {
    volatile char *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) die("mmap");
    for (int i = 0; i < 65536; i += 4096) p[i] = 1;
    munmap((void *)p, 65536);
  }
}

static void reap(pid_t pid) {
  int status;
  if (pid < 0) die("fork");
  if (waitpid(pid, &status, 0) != pid || status != 0) {
    fprintf(stderr, "bench: child ended with %x\n", status);
    exit(1);
  }
}

static void op_fork(struct state *s, long n) {
  (void)s;
  while (n-- > 0) {
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    reap(pid);
  }
}

static void op_exec(struct state *s, long n) {
  (void)s;
  while (n-- > 0) {
    pid_t pid = fork();
    if (pid == 0) {
      execl("/bin/true", "true", (char *)NULL);
      _exit(127);
    }
    reap(pid);
  }
}

static void *nothing(void *p) { return p; }

static void op_thread(struct state *s, long n) {
  (void)s;
  while (n-- > 0) {
    pthread_t t;
    if (pthread_create(&t, NULL, nothing, NULL) != 0) die("pthread_create");
    pthread_join(t, NULL);
  }
}

/* Ping-pong: the other side is a thread or a process that answers until it is told to end. */
static int ping[2], pong[2];
static uint32_t *words;
static int futex_flag;

static void *pipe_echo(void *p) {
  char c;
  while (read(ping[0], &c, 1) == 1 && write(pong[1], &c, 1) == 1 && c == 'x');
  return p;
}

static void op_pipe(struct state *s, long n) {
  (void)s;
  while (n-- > 0) {
    char c = 'x';
    if (write(ping[1], &c, 1) != 1 || read(pong[0], &c, 1) != 1) die("pipe");
  }
}

static void futex_await(uint32_t *w, uint32_t value) {
  uint32_t v;
  while ((v = __atomic_load_n(w, __ATOMIC_ACQUIRE)) != value) syscall(SYS_futex, w, FUTEX_WAIT | futex_flag, v, NULL);
}

static void futex_set(uint32_t *w, uint32_t value) {
  __atomic_store_n(w, value, __ATOMIC_RELEASE);
  syscall(SYS_futex, w, FUTEX_WAKE | futex_flag, 1);
}

static void *futex_echo(void *p) {
  for (uint32_t i = 1;; i++) {
    futex_await(&words[0], i);
    futex_set(&words[16], i);
    if (__atomic_load_n(&words[32], __ATOMIC_ACQUIRE) == i) return p;
  }
}

static void op_futex(struct state *s, long n) {
  while (n-- > 0) {
    uint32_t i = (uint32_t)++s->at;
    futex_set(&words[0], i);
    futex_await(&words[16], i);
  }
}

enum peer { NONE, THREAD, PROCESS };

static const struct op {
  const char *name;
  void (*run)(struct state *, long);
  enum peer peer;
  void *(*echo)(void *);
} ops[] = {
    {"getpid", op_getpid, NONE, NULL},
    {"lseek", op_lseek, NONE, NULL},
    {"lseek-unpatched", op_lseek_unpatched, NONE, NULL},
    {"pread", op_pread, NONE, NULL},
    {"read", op_read, NONE, NULL},
    {"write", op_write, NONE, NULL},
    {"pwrite", op_pwrite, NONE, NULL},
    {"fstat", op_fstat, NONE, NULL},
    {"stat", op_stat, NONE, NULL},
    {"stat-missing", op_stat_missing, NONE, NULL},
    {"open-close", op_open_close, NONE, NULL},
    {"clock-vdso", op_clock_vdso, NONE, NULL},
    {"clock-call", op_clock_call, NONE, NULL},
    {"mmap", op_mmap, NONE, NULL},
    {"fork", op_fork, NONE, NULL},
    {"exec", op_exec, NONE, NULL},
    {"thread", op_thread, NONE, NULL},
    {"pipe-threads", op_pipe, THREAD, pipe_echo},
    {"pipe-processes", op_pipe, PROCESS, pipe_echo},
    {"futex-threads", op_futex, THREAD, futex_echo},
    {"futex-processes", op_futex, PROCESS, futex_echo},
};

/* One run: all threads start together, the figure is from the first start to the last end. */
static const struct op *op;
static pthread_barrier_t barrier;
static struct state states[MAX_THREADS];
static long todo;

static void *worker(void *p) {
  pthread_barrier_wait(&barrier);
  op->run(p, todo);
  pthread_barrier_wait(&barrier);
  return NULL;
}

static double run(int threads, long n) {
  double start;
  if (threads == 1) {
    start = now();
    op->run(&states[0], n);
    return now() - start;
  }
  pthread_t ids[MAX_THREADS];
  todo = n;
  pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
  for (int i = 0; i < threads; i++)
    if (pthread_create(&ids[i], NULL, worker, &states[i]) != 0) die("pthread_create");
  pthread_barrier_wait(&barrier);
  start = now();
  pthread_barrier_wait(&barrier);
  double took = now() - start;
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  return took;
}

static void print_result(double ns) {
  printf("%.1f ", ns);
  fflush(stdout);
}

static int micro(int argc, char **argv) {
  int runs = 5, threads = 1, processes = 0, opt;
  double ms = 20;
  while ((opt = getopt(argc, argv, "r:m:t:p:f:")) != -1) switch (opt) {
      case 'r': runs = atoi(optarg); break;
      case 'm': ms = atof(optarg); break;
      case 't': threads = atoi(optarg); break;
      case 'p': processes = atoi(optarg); break;
      case 'f': file = optarg; break;
      default: return 2;
    }
  if (threads < 1 || threads > MAX_THREADS || runs < 1 || runs > MAX_RUNS) return 2;
  for (int i = 0; i < threads; i++) {
    char name[64];
    states[i].fd = open(file, O_RDONLY);
    states[i].devnull = open("/dev/null", O_WRONLY);
    snprintf(name, sizeof name, "/tmp/bench-%d-%d", (int)getpid(), i);
    states[i].out = open(name, O_RDWR | O_CREAT, 0600);
    if (states[i].fd < 0 || states[i].devnull < 0 || states[i].out < 0) die("open");
    unlink(name);
  }
  pid_t *sleepers = calloc((size_t)processes + 1, sizeof *sleepers);
  for (int i = 0; i < processes; i++) {
    sleepers[i] = fork();
    if (sleepers[i] < 0) die("fork");
    if (sleepers[i] == 0)
      for (;;) pause();
  }
  pthread_t echo;
  pid_t child = -1;
  if (op->peer != NONE) {
    if (pipe(ping) != 0 || pipe(pong) != 0) die("pipe");
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (words == MAP_FAILED) die("mmap");
    futex_flag = op->peer == THREAD ? FUTEX_PRIVATE_FLAG : 0;
    if (op->peer == THREAD) {
      if (pthread_create(&echo, NULL, op->echo, NULL) != 0) die("pthread_create");
    } else if ((child = fork()) == 0) {
      op->echo(NULL);
      _exit(0);
    }
  }
  /* As many operations as fill a run, found by doubling. */
  long n = 1;
  double took;
  while ((took = run(threads, n)) < ms * 0.3e6 && n < 1L << 40) n *= took < ms * 0.02e6 ? 8 : 2;
  long count = (long)((double)n * ms * 1e6 / took);
  if (count < 1) count = 1;
  for (int i = 0; i < runs; i++) print_result(run(threads, count) / ((double)count * threads));
  if (op->peer != NONE) {
    char c = 'e';
    if (op->echo == pipe_echo) {
      if (write(ping[1], &c, 1) != 1) die("write");
    } else {
      /* The round it ends with: it may not have looked after the last one yet. */
      __atomic_store_n(&words[32], (uint32_t)states[0].at + 1, __ATOMIC_RELEASE);
      run(1, 1);
    }
    if (op->peer == THREAD) pthread_join(echo, NULL);
    else waitpid(child, NULL, 0);
  }
  for (int i = 0; i < processes; i++) kill(sleepers[i], SIGKILL);
  for (int i = 0; i < processes; i++) waitpid(sleepers[i], NULL, 0);
  return 0;
}

static long walk(int parent, const char *name) {
  int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return 0;
  DIR *d = fdopendir(fd);
  if (d == NULL) die("fdopendir");
  long count = 0;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    struct stat st;
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    count++;
    if (S_ISDIR(st.st_mode)) count += walk(fd, e->d_name);
  }
  closedir(d);
  return count;
}

static void readfile(const char *path) {
  static char buf[1 << 20];
  ssize_t n;
  int fd = open(path, O_RDONLY);
  if (fd < 0) die(path);
  while ((n = read(fd, buf, sizeof buf)) > 0);
  if (n < 0) die("read");
  close(fd);
}

static void command(char **argv) {
  pid_t pid = fork();
  if (pid == 0) {
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    execvp(argv[0], argv);
    _exit(127);
  }
  reap(pid);
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  const char *name = argv[1];
  if (strcmp(name, "sleep") == 0) {
    printf("ready\n");
    fflush(stdout);
    for (;;) pause();
  }
  if (strcmp(name, "walk") == 0 && argc == 4) {
    for (int i = 0; i < atoi(argv[3]); i++) {
      double start = now();
      long count = walk(AT_FDCWD, argv[2]);
      print_result(now() - start);
      if (i == 0) fprintf(stderr, "%ld entries\n", count);
    }
    return 0;
  }
  if (strcmp(name, "readfile") == 0 && argc == 4) {
    for (int i = 0; i < atoi(argv[3]); i++) {
      double start = now();
      readfile(argv[2]);
      print_result(now() - start);
    }
    return 0;
  }
  if (strcmp(name, "time") == 0 && argc >= 4) {
    for (int i = 0; i < atoi(argv[2]); i++) {
      double start = now();
      command(argv + 3);
      print_result(now() - start);
    }
    return 0;
  }
  for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
    if (strcmp(name, ops[i].name) == 0) op = &ops[i];
  if (op == NULL) {
    fprintf(stderr, "bench: no benchmark \"%s\"\n", name);
    return 2;
  }
  return micro(argc - 1, argv + 1);
}
