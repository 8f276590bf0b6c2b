import type { Kernel } from "../kernel/index.ts";

/** Where the load guest counts, so that a test sees whether it runs. */
export const LOAD_COUNTERS = 0x10000000;

/**
 * Threads that compute, fork, sleep, pipe, fault, map, signal and use futexes, each checking what it does; the last line says
 * how it went. FP registers and a checksum of the stack would show a context that came back wrong.
 */
export const LOAD_GUEST = String.raw`
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long *counters;
static volatile int stop, failed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long guarded[2];
static volatile sig_atomic_t signals;

#define CHECK(x) do { if (!(x)) { failed = 1; fprintf(stderr, "%d: %s: errno %d\n", __LINE__, #x, errno); } } while (0)

static void on_signal(int s) { (void)s; signals++; }

static void *compute(void *a) {
  double x = 0; unsigned long h = 1, n = 0;
  while (!stop) {
    double y = 0;
    h = 1;
    for (int i = 1; i <= 1000; i++) { y += 1.0 / i; h = h * 6364136223846793005ul + i; counters[(long)a]++; }
    if (n++ == 0) x = y;
    CHECK(x == y && h != 0);
  }
  return NULL;
}
static void *forks(void *a) {
  for (int i = 0; !stop; i++) {
    pid_t p = i % 2 ? fork() : vfork();
    if (p == 0) _exit(i % 100);
    int st = 0;
    CHECK(p > 0);
    CHECK(waitpid(p, &st, 0) == p && WIFEXITED(st) && WEXITSTATUS(st) == i % 100);
    counters[(long)a]++;
  }
  return NULL;
}
static void *sleeps(void *a) {
  while (!stop) {
    struct timespec t0, t1, d = {0, 3000000};
    clock_gettime(CLOCK_MONOTONIC, &t0);
    CHECK(nanosleep(&d, NULL) == 0);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    CHECK((t1.tv_sec - t0.tv_sec) * 1000000000 + t1.tv_nsec - t0.tv_nsec >= 3000000);
    counters[(long)a]++;
  }
  return NULL;
}
static int fds[2];
static void *writer(void *a) {
  unsigned char b[3000]; unsigned n = 0;
  while (!stop) {
    for (unsigned i = 0; i < sizeof b; i++) b[i] = n++ % 251;
    for (unsigned d = 0; d < sizeof b;) { int r = write(fds[1], b + d, sizeof b - d); CHECK(r > 0); if (r <= 0) return NULL; d += r; }
    counters[(long)a]++;
  }
  close(fds[1]);
  return NULL;
}
static void *reader(void *a) {
  unsigned char b[1777]; unsigned n = 0;
  for (;;) {
    int r = read(fds[0], b, sizeof b);
    CHECK(r >= 0);
    if (r <= 0) return NULL;
    for (int i = 0; i < r; i++) { if (b[i] != n % 251) { CHECK(0); return NULL; } n++; }
    counters[(long)a]++;
  }
}
static void *faults(void *a) {
  while (!stop) {
    unsigned char *m = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    for (int i = 0; i < 1 << 20; i += 4096) m[i] = i >> 12;
    CHECK(mprotect(m, 1 << 19, PROT_READ) == 0);
    for (int i = 0; i < 1 << 20; i += 4096) CHECK(m[i] == ((i >> 12) & 255));
    CHECK(munmap(m, 1 << 20) == 0);
    counters[(long)a]++;
  }
  return NULL;
}
static void *locks(void *a) {
  while (!stop) {
    pthread_mutex_lock(&lock);
    CHECK(guarded[0] == guarded[1]);
    guarded[0]++; for (volatile int i = 0; i < 100; i++); guarded[1]++;
    pthread_mutex_unlock(&lock);
    counters[(long)a]++;
  }
  return NULL;
}
static void *kills(void *a) {
  while (!stop) { kill(getpid(), SIGUSR1); counters[(long)a]++; usleep(500); }
  return NULL;
}

int main(void) {
  counters = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &sa, NULL);
  sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1);
  pipe(fds);
  void *(*all[])(void *) = {compute, compute, forks, sleeps, writer, reader, faults, locks, locks, kills};
  pthread_t t[10];
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  for (long i = 0; i < 10; i++) {
    // Only the computing threads take signals: sleeps are then exact.
    if (i == 0) pthread_sigmask(SIG_UNBLOCK, &s, NULL);
    pthread_create(&t[i], NULL, all[i], (void *)i);
    if (i == 1) pthread_sigmask(SIG_BLOCK, &s, NULL);
  }
  char c;
  read(0, &c, 1);
  write(1, "started\n", 8);
  while (counters[100] == 0) usleep(10000);
  stop = 1;
  for (int i = 0; i < 10; i++) pthread_join(t[i], NULL);
  for (int i = 0; i < 10; i++) CHECK(counters[i] > 0);
  CHECK(signals > 0);
  printf("failed %d\n", failed);
  return failed;
}
`;

/** A guest that does nothing but cheap system calls from few places, which the platform patches. Stops and reports as the load guest does. */
export const CALLS_GUEST = String.raw`
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
  volatile unsigned long *counters = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  int failed = 0, p[2];
  pid_t me = getpid();
  pipe(p);
  write(1, "started\n", 8);
  for (unsigned long n = 0; counters[100] == 0; n++) {
    unsigned long v = 0;
    if (getpid() != me || getppid() != 0 || getuid() != 0) failed = 1;
    if (n % 16 == 0 && (write(p[1], &n, 8) != 8 || read(p[0], &v, 8) != 8 || v != n)) failed = 1;
    counters[0]++;
  }
  printf("failed %d\n", failed);
  return failed;
}
`;

/** Tells the load guest to end, and to say whether all was right. */
export function stopLoadGuest(k: Kernel): void {
  k.globalInit?.leader.mm.copyOut(LOAD_COUNTERS + 800, new Uint8Array([1]), 0, 1);
}
