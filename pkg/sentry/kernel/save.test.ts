import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Subprocess } from "../platform/systrap/subprocess.ts";
import {
  CALLS_GUEST,
  compileGuest,
  GuestJob,
  LOAD_GUEST,
  patching,
  RestoredSandbox,
  saveTo,
  stopLoadGuest,
  TestSandbox,
} from "../testutil/index.ts";
import type { Kernel } from "./kernel.ts";

/**
 * A first process and children that each wait in one way (or compute), until the first one, itself asleep, wakes them; each then looks
 * at all it had before. Everything is printed by the first process, in order.
 */
const GUEST = String.raw`
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <time.h>
#include <unistd.h>

struct shared { int words[64]; volatile unsigned long compute[4]; int pids[64]; char page[4096]; };
static struct shared *sh;
static char *cow;
static int go[2], data[2], full[2], sp[2], evfd, lockfd;

#define CHECK(x) do { if (!(x)) { dprintf(1, "%s:%d: %s: errno %d\n", __func__, __LINE__, #x, errno); _exit(1); } } while (0)

static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static long futex(int *a, int op, int v, struct timespec *t) { return syscall(SYS_futex, a, op, v, t, NULL, 0); }

static void w_read(void) { char c = 0; CHECK(read(data[0], &c, 1) == 1 && c == 'A'); }
static void w_nanosleep(void) {
  struct timespec d = {1, 500000000}; double t = now();
  CHECK(nanosleep(&d, NULL) == 0);
  CHECK(now() - t >= 1.5);
}
static void w_abs_sleep(void) {
  struct timespec d; clock_gettime(CLOCK_REALTIME, &d); d.tv_sec += 2;
  CHECK(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &d, NULL) == 0);
  struct timespec e; clock_gettime(CLOCK_REALTIME, &e);
  CHECK(e.tv_sec > d.tv_sec || (e.tv_sec == d.tv_sec && e.tv_nsec >= d.tv_nsec));
}
static void w_futex(void) { while (sh->words[0] == 0) { long r = futex(&sh->words[0], FUTEX_WAIT, 0, NULL); CHECK(r == 0 || errno == EAGAIN); } }
static void w_futex_timeout(void) {
  struct timespec d = {1, 200000000}; double t = now();
  CHECK(futex(&sh->words[1], FUTEX_WAIT, 0, &d) == -1 && errno == ETIMEDOUT);
  CHECK(now() - t >= 1.2);
}
static void w_vfork(void) {
  static char b; int st; pid_t p = vfork();
  if (p == 0) { read(go[0], &b, 1); _exit(b == 'V' ? 7 : 8); }
  CHECK(p > 0 && b == 'V');
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 7);
}
static void w_poll(void) { struct pollfd p = {evfd, POLLIN, 0}; CHECK(poll(&p, 1, -1) == 1 && p.revents == POLLIN); }
static void w_poll_timeout(void) {
  int p2[2]; pipe(p2); struct pollfd p = {p2[0], POLLIN, 0}; double t = now();
  CHECK(poll(&p, 1, 1300) == 0); CHECK(now() - t >= 1.3);
}
static void w_select(void) {
  fd_set f; FD_ZERO(&f); FD_SET(evfd, &f); struct timeval tv = {100, 0};
  CHECK(select(evfd + 1, &f, 0, 0, &tv) == 1 && FD_ISSET(evfd, &f)); CHECK(tv.tv_sec < 100);
}
static void w_epoll(void) {
  int ep = epoll_create1(0); struct epoll_event e = {EPOLLIN, {.u64 = 0x1122334455667788}}, out[4];
  CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, evfd, &e) == 0);
  CHECK(epoll_wait(ep, out, 4, -1) == 1 && out[0].data.u64 == 0x1122334455667788);
}
static void w_epoll_timeout(void) {
  int ep = epoll_create1(0); struct epoll_event out[4]; double t = now();
  int r = epoll_wait(ep, out, 4, 1700);
  CHECK(r == 0); t = now() - t; CHECK(t >= 1.7);
}
static void w_wait4(void) {
  pid_t p = fork(); int st;
  if (p == 0) { usleep(1600000); _exit(42); }
  CHECK(wait4(p, &st, 0, NULL) == p && WIFEXITED(st) && WEXITSTATUS(st) == 42);
}
static void w_zombie(void) {
  pid_t p = fork(); int st; siginfo_t si;
  if (p == 0) _exit(33);
  CHECK(waitid(P_PID, p, &si, WEXITED | WNOWAIT) == 0);
  char c; CHECK(read(go[0], &c, 1) == 1);
  CHECK(kill(p, 0) == 0);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 33);
}
static void w_stopped(void) {
  pid_t p = fork(); int st;
  if (p == 0) { raise(SIGSTOP); _exit(21); }
  CHECK(waitpid(p, &st, WUNTRACED) == p && WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
  char c; CHECK(read(go[0], &c, 1) == 1);
  CHECK(waitpid(p, &st, WUNTRACED | WNOHANG) == 0);
  kill(p, SIGCONT);
  CHECK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 21);
}
static void w_compute(void) {
  // The same again and again until the end: the result is known, and some pass is under way at the save.
  for (int pass = 0; pass == 0 || sh->words[2] == 0; pass++) {
    double x = 1; unsigned long h = 1469598103934665603ul;
    for (unsigned long i = 0; i < 100000000ul; i++) { h = (h ^ (i & 255)) * 1099511628211ul; x = x * 1.0000001 + 1e-9; }
    if (pass == 0) { sh->compute[1] = h; memcpy((void *)&sh->compute[2], &x, 8); }
    CHECK(sh->compute[1] == h && memcmp((void *)&sh->compute[2], &x, 8) == 0);
  }
}
static void w_memory(void) {
  char *heap = malloc(1 << 20); for (int i = 0; i < 1 << 20; i++) heap[i] = i * 7;
  char *anon = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  anon[4096 * 3] = 5; mprotect(anon + 4096 * 3, 4096, PROT_READ);
  int mf = memfd_create("m", 0); ftruncate(mf, 8192);
  char *mm = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, mf, 0); strcpy(mm, "memfd");
  cow[1] = 'c';
  pid_t p = fork(); int st;
  if (p == 0) { cow[2] = 'g'; anon[0] = 9; char c; read(go[0], &c, 1); CHECK(cow[1] == 'c' && cow[2] == 'g' && anon[0] == 9 && heap[1000] == (char)7000); strcpy(mm + 100, "shared"); _exit(0); }
  char c; CHECK(read(go[0], &c, 1) == 1);
  for (int i = 0; i < 1 << 20; i++) CHECK(heap[i] == (char)(i * 7));
  CHECK(cow[0] == 'p' && cow[1] == 'c' && cow[2] == 0 && anon[0] == 0 && anon[4096 * 3] == 5);
  CHECK(waitpid(p, &st, 0) == p && st == 0);
  char b[10]; CHECK(pread(mf, b, 7, 100) == 7 && strcmp(b, "shared") == 0 && strcmp(mm, "memfd") == 0);
  CHECK(sh->page[7] == 'P'); sh->page[8] = 'M';
  anon[5000] = 1; free(heap); CHECK(munmap(anon, 1 << 20) == 0);
}
static void w_files(void) {
  int fd = open("/tmp/f", O_CREAT | O_RDWR, 0640); char b[100]; struct stat s;
  CHECK(write(fd, "0123456789", 10) == 10 && lseek(fd, 5, SEEK_SET) == 5);
  int dup2fd = dup(fd), ap = open("/tmp/f", O_WRONLY | O_APPEND), un = open("/tmp/un", O_CREAT | O_RDWR, 0600);
  write(un, "unlinked", 8); unlink("/tmp/un"); symlink("f", "/tmp/l"); mkdir("/tmp/d", 0711); chdir("/tmp/d"); umask(027);
  char c; CHECK(read(go[0], &c, 1) == 1);
  CHECK(read(dup2fd, b, 3) == 3 && memcmp(b, "567", 3) == 0 && lseek(fd, 0, SEEK_CUR) == 8);
  CHECK(write(ap, "AB", 2) == 2 && pread(fd, b, 100, 8) == 4 && memcmp(b, "89AB", 4) == 0);
  CHECK(pread(un, b, 100, 0) == 8 && memcmp(b, "unlinked", 8) == 0 && fstat(un, &s) == 0 && s.st_nlink == 0);
  CHECK(getcwd(b, 100) && strcmp(b, "/tmp/d") == 0 && umask(0) == 027);
  CHECK(readlink("/tmp/l", b, 100) == 1 && stat("/tmp/l", &s) == 0 && s.st_size == 12 && (s.st_mode & 0777) == 0640);
  CHECK(readlink("/proc/self/exe", b, 100) == 6 && memcmp(b, "/guest", 6) == 0);
  int n = open("/dev/null", O_WRONLY); CHECK(write(n, b, 10) == 10);
}
static void w_lock(void) {
  int fd = open("/tmp/lock", O_RDWR); struct flock l = {.l_type = F_WRLCK}, q = l;
  CHECK(fcntl(fd, F_GETLK, &q) == 0 && q.l_type == F_WRLCK && q.l_pid == getppid());
  CHECK(fcntl(fd, F_SETLKW, &l) == 0);
}
static int got[10], values[10], ngot;
static void on_info(int s, siginfo_t *i, void *u) { (void)u; if (ngot < 10) { got[ngot] = s; values[ngot++] = i->si_value.sival_int; } }
static void w_signals(void) {
  struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536}; sigaltstack(&ss, NULL);
  sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1); sigaddset(&s, SIGRTMIN + 1); sigprocmask(SIG_BLOCK, &s, NULL);
  sigaction(SIGUSR1, &sa, NULL); sigaction(SIGRTMIN + 1, &sa, NULL);
  int sf = signalfd(-1, &s, SFD_NONBLOCK);
  union sigval v;
  for (int i = 1; i <= 3; i++) { v.sival_int = i * 11; sigqueue(getpid(), SIGRTMIN + 1, v); }
  kill(getpid(), SIGUSR1);
  char c; CHECK(read(go[0], &c, 1) == 1);
  CHECK(ngot == 0);
  struct signalfd_siginfo si; CHECK(read(sf, &si, sizeof si) == sizeof si && si.ssi_signo == SIGUSR1);
  sigprocmask(SIG_UNBLOCK, &s, NULL);
  CHECK(ngot == 3 && got[0] == SIGRTMIN + 1 && values[0] == 11 && values[1] == 22 && values[2] == 33);
}
static void w_sigwait(void) {
  sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigprocmask(SIG_BLOCK, &s, NULL);
  struct timespec d = {100, 0}; siginfo_t si;
  CHECK(sigtimedwait(&s, &si, &d) == SIGUSR2);
}
static void w_sigsuspend(void) {
  struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO}; sigaction(SIGUSR2, &sa, NULL);
  sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigprocmask(SIG_BLOCK, &s, NULL); sigemptyset(&s);
  CHECK(sigsuspend(&s) == -1 && errno == EINTR && ngot == 1);
  sigprocmask(SIG_BLOCK, NULL, &s); CHECK(sigismember(&s, SIGUSR2));
}
static volatile int alarms;
static void on_alarm(int s) { (void)s; alarms++; }
static void w_timers(void) {
  signal(SIGALRM, on_alarm); signal(SIGUSR1, on_alarm);
  struct itimerval it = {{0, 0}, {1, 400000}}; setitimer(ITIMER_REAL, &it, NULL);
  timer_t t; struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1}; timer_create(CLOCK_MONOTONIC, &ev, &t);
  struct itimerspec its = {{0, 0}, {1, 100000000}}; timer_settime(t, 0, &its, NULL);
  int tf = timerfd_create(CLOCK_MONOTONIC, 0), rf = timerfd_create(CLOCK_REALTIME, 0);
  double b = now();
  its.it_value.tv_sec = 2; timerfd_settime(tf, 0, &its, NULL);
  clock_gettime(CLOCK_REALTIME, &its.it_value); its.it_value.tv_sec += 2; timerfd_settime(rf, TFD_TIMER_ABSTIME, &its, NULL);
  unsigned long n = 0; int r;
  while ((r = read(tf, &n, 8)) < 0 && errno == EINTR);
  CHECK(r == 8 && n == 1 && now() - b >= 2.1 - 0.01 && alarms == 2);
  CHECK(read(rf, &n, 8) == 8 && n == 1);
}
static void w_socket(void) {
  int s2[2]; char b[20]; socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s2);
  CHECK(write(s2[0], "one", 3) == 3 && write(s2[0], "three", 5) == 5);
  CHECK(read(sp[0], b, 20) == 5 && memcmp(b, "hello", 5) == 0);
  CHECK(read(s2[1], b, 20) == 3 && read(s2[1], b, 20) == 5 && memcmp(b, "three", 5) == 0);
}
static void w_fullpipe(void) {
  char *b = malloc(200000); for (int i = 0; i < 200000; i++) b[i] = i % 127;
  for (int d = 0; d < 200000;) { int n = write(full[1], b + d, 200000 - d); CHECK(n > 0); d += n; }
}
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t cv = PTHREAD_COND_INITIALIZER; static int ready;
static __thread int tls = 5;
static void *locker(void *a) { tls = (long)a; pthread_mutex_lock(&mu); pthread_mutex_unlock(&mu); return (void *)(long)tls; }
static void *waiter(void *a) { tls = (long)a; pthread_mutex_lock(&mu); while (!ready) pthread_cond_wait(&cv, &mu); pthread_mutex_unlock(&mu); return (void *)(long)tls; }
static void w_threads(void) {
  pthread_t t[4]; void *r; char c;
  for (long i = 0; i < 2; i++) pthread_create(&t[i], NULL, waiter, (void *)(i + 10));
  usleep(100000);
  pthread_mutex_lock(&mu);
  for (long i = 2; i < 4; i++) pthread_create(&t[i], NULL, locker, (void *)(i + 10));
  CHECK(read(go[0], &c, 1) == 1);
  ready = 1; pthread_cond_broadcast(&cv); pthread_mutex_unlock(&mu);
  for (long i = 0; i < 4; i++) { CHECK(pthread_join(t[i], &r) == 0); CHECK((long)r == i + 10); }
  CHECK(tls == 5);
}
static pid_t traced(int nr) {
  pid_t p = fork(); int st;
  if (p == 0) { ptrace(PTRACE_TRACEME, 0, 0, 0); raise(SIGSTOP); long r = nr < 0 ? raise(SIGUSR1) : syscall(nr); _exit(r == 77 ? 7 : 5); }
  CHECK(waitpid(p, &st, 0) == p && WSTOPSIG(st) == SIGSTOP);
  CHECK(ptrace(PTRACE_SETOPTIONS, p, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
  return p;
}
static void w_traced(void) {
  struct user_regs_struct r = {0}; siginfo_t si; int st; char c;
  pid_t a = traced(SYS_getppid), b = traced(-1), d = fork();
  if (d == 0) for (;;) pause();
  do { CHECK(ptrace(PTRACE_SYSCALL, a, 0, 0) == 0 && waitpid(a, &st, 0) == a && ptrace(PTRACE_GETREGS, a, 0, &r) == 0); } while (r.orig_rax != SYS_getppid);
  CHECK(ptrace(PTRACE_CONT, b, 0, 0) == 0 && waitpid(b, &st, 0) == b && WSTOPSIG(st) == SIGUSR1);
  CHECK(ptrace(PTRACE_SEIZE, d, 0, 0) == 0);
  CHECK(read(go[0], &c, 1) == 1);
  memset(&r, 0, sizeof r);
  CHECK(ptrace(PTRACE_GETREGS, a, 0, &r) == 0 && r.orig_rax == SYS_getppid && r.rax == (unsigned long)-ENOSYS);
  r.orig_rax = -1; r.rax = 77;
  CHECK(ptrace(PTRACE_SETREGS, a, 0, &r) == 0 && ptrace(PTRACE_SYSCALL, a, 0, 0) == 0);
  CHECK(waitpid(a, &st, 0) == a && WSTOPSIG(st) == (SIGTRAP | 0x80) && ptrace(PTRACE_CONT, a, 0, 0) == 0);
  CHECK(waitpid(a, &st, 0) == a && WEXITSTATUS(st) == 7);
  CHECK(ptrace(PTRACE_GETSIGINFO, b, 0, &si) == 0 && si.si_signo == SIGUSR1 && si.si_pid == b);
  CHECK(ptrace(PTRACE_CONT, b, 0, 0) == 0 && waitpid(b, &st, 0) == b && WEXITSTATUS(st) == 5);
  CHECK(ptrace(PTRACE_INTERRUPT, d, 0, 0) == 0 && waitpid(d, &st, 0) == d && st >> 16 == PTRACE_EVENT_STOP);
  CHECK(kill(d, SIGKILL) == 0 && waitpid(d, &st, 0) == d && WTERMSIG(st) == SIGKILL);
}
static void w_exec(void) { char c; read(go[0], &c, 1); execl("/guest", "guest", "exec", NULL); CHECK(0); }

#define LIST(X) X(read) X(nanosleep) X(abs_sleep) X(futex) X(futex_timeout) X(vfork) X(poll) X(poll_timeout) X(select) X(epoll) \
  X(epoll_timeout) X(wait4) X(zombie) X(stopped) X(compute) X(memory) X(files) X(lock) X(signals) X(sigwait) X(sigsuspend) X(timers) \
  X(socket) X(fullpipe) X(threads) X(traced) X(exec)
#define NAME(n) #n,
#define FN(n) w_##n,
static const char *names[] = {LIST(NAME)};
static void (*fns[])(void) = {LIST(FN)};
#define N ((int)(sizeof fns / sizeof *fns))

int main(int argc, char **argv) {
  if (argc > 1) return strcmp(argv[1], "exec") == 0 ? 0 : 1;
  sh = mmap(0, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  cow = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); cow[0] = 'p';
  sh->page[7] = 'P';
  pipe(go); pipe(data); pipe(full); socketpair(AF_UNIX, SOCK_STREAM, 0, sp); evfd = eventfd(0, 0);
  lockfd = open("/tmp/lock", O_CREAT | O_RDWR, 0600); struct flock l = {.l_type = F_WRLCK}; CHECK(fcntl(lockfd, F_SETLK, &l) == 0);
  for (int i = 0; i < N; i++) {
    pid_t p = fork();
    if (p == 0) { fns[i](); _exit(0); }
    sh->pids[i] = p;
  }
  usleep(400000);
  write(1, "ready\n", 6);
  usleep(300000);
  CHECK(write(data[1], "A", 1) == 1);
  sh->words[0] = 1; futex(&sh->words[0], FUTEX_WAKE, 10, NULL);
  l.l_type = F_UNLCK; CHECK(fcntl(lockfd, F_SETLK, &l) == 0);
  unsigned long one = 1; CHECK(write(evfd, &one, 8) == 8);
  CHECK(write(sp[1], "hello", 5) == 5);
  for (int i = 0; i < N; i++) if (fns[i] == w_sigwait || fns[i] == w_sigsuspend) kill(sh->pids[i], SIGUSR2);
  CHECK(write(go[1], "VVVVVVVVVVVVVVVV", 16) == 16);
  static char b[200000];
  for (int d = 0; d < 200000;) { int n = read(full[0], b + d, 200000 - d); CHECK(n > 0); d += n; }
  for (int i = 0; i < 200000; i++) CHECK(b[i] == i % 127);
  sh->words[2] = 1;
  for (int i = 0; i < N; i++) {
    int st = -1;
    CHECK(waitpid(sh->pids[i], &st, 0) == sh->pids[i]);
    dprintf(1, "%s %x\n", names[i], st);
  }
  CHECK(sh->page[8] == 'M');
  CHECK(getpid() == 1);
  CHECK(cow[0] == 'p' && cow[1] == 0);
  dprintf(1, "compute %lx %lx\n", sh->compute[1], sh->compute[2]);
  return 0;
}
`;

const work = mkdtempSync(join(tmpdir(), "runsc-save-"));
const image = join(work, "image");
const program = compileGuest(GUEST);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs the guest to its end, doing something once all of it waits. */
function run(whenReady: (s: TestSandbox) => void, cpus = 2): { status: number; output: string; warnings: string[] } {
  const s = new TestSandbox({ cpus });
  s.startGuest(program);
  const job = new GuestJob(s.kernel, 20_000_000, () => {
    if (!s.stdout.text.includes("ready")) return true;
    whenReady(s);
    return false;
  }).start();
  const status = s.run();
  s.destroy();
  if (job.error !== null) throw job.error;
  return { status, output: s.stdout.text, warnings: s.log.warnings.filter((w) => !w.includes("is not implemented")) };
}

/** What the guest prints when nobody disturbs it. */
const undisturbed = run(() => {});

test("the guest passes when it is left alone", () => {
  expect(undisturbed.output).toContain("\nexec 0\ncompute ");
  expect(undisturbed.status).toBe(0);
});

test("a kernel that was saved can go on", () => {
  const r = run((s) => {
    for (let i = 0; i < 3; i++) {
      saveTo(s.kernel, image);
      s.kernel.unpause();
    }
  });
  expect(r).toEqual(undisturbed);
}, 30_000);

test("a saved kernel goes on in another process", () => {
  const before = run((s) => {
    saveTo(s.kernel, image);
    s.kernel.leaveLoop = true;
  });
  expect(before.output).toBe("ready\n");
  const r = Bun.spawnSync([process.execPath, join(import.meta.dir, "../testutil/restore.ts"), image]);
  const text = r.stdout.toString();
  if (r.exitCode !== 0 || text === "") throw new Error(r.stderr.toString());
  const after = JSON.parse(text);
  expect(after.output).toBe(undisturbed.output);
  expect(after).toEqual(undisturbed);
}, 30_000);

/** Lets a kernel run for a random while, then does something from its loop. */
function after(k: Kernel, ready: () => boolean, act: () => void): GuestJob {
  const job = new GuestJob(k, Math.floor(Math.random() * 30_000_000) + 1_000_000, () => {
    if (!ready()) return true;
    act();
    return false;
  });
  return job.start();
}

/** Call sites that the platform has patched in the address space of the first process. */
function patchedSites(k: Kernel): number {
  const as = k.globalInit?.leader.mm.hostSpace;
  return as instanceof Subprocess ? as.calls.size : 0;
}

for (const [name, source] of [
  ["busy", LOAD_GUEST],
  ["chatty", CALLS_GUEST],
] as const) {
  test(`a ${name} kernel can be saved at any moment, and goes on`, () => {
    const s = new TestSandbox();
    const k = s.kernel;
    s.startGuest(compileGuest(source));
    let saves = 0;
    const save = (): void => {
      if (saves++ === 20) {
        stopLoadGuest(k);
        return;
      }
      saveTo(k, image);
      k.unpause();
      jobs.push(after(k, () => true, save));
    };
    const jobs = [after(k, () => s.stdout.text.includes("started"), save)];
    const status = s.run();
    s.destroy();
    for (const j of jobs) if (j.error !== null) throw j.error;
    expect({ status, output: s.stdout.text }).toEqual({ status: 0, output: "started\nfailed 0\n" });
  }, 60_000);

  test(`a ${name} kernel moves from sandbox to sandbox`, () => {
    let patched = 0;
    const move = (k: Kernel): void => {
      patched += patchedSites(k);
      saveTo(k, image);
      expect(patchedSites(k)).toBe(0);
      k.leaveLoop = true;
    };
    const first = new TestSandbox();
    first.startGuest(compileGuest(source));
    const job = after(
      first.kernel,
      () => first.stdout.text.includes("started"),
      () => move(first.kernel),
    );
    first.run();
    first.destroy();
    if (job.error !== null) throw job.error;
    for (let hop = 0; hop <= 10; hop++) {
      const s = new RestoredSandbox(image);
      const last = hop === 10;
      const j = after(
        s.kernel,
        () => true,
        () => (last ? stopLoadGuest(s.kernel) : move(s.kernel)),
      );
      const r = s.run();
      const warnings = s.log.warnings.filter((w) => !w.includes("is not implemented"));
      s.destroy();
      if (j.error !== null) throw j.error;
      expect(warnings).toEqual([]);
      if (last) expect(r).toEqual({ status: 0, output: "started\nfailed 0\n" });
    }
    if (patching && name === "chatty") expect(patched).toBeGreaterThan(0);
  }, 60_000);
}

test("an image that is cut short or not one is refused", () => {
  const bytes = new Uint8Array(readFileSync(image));
  const bad = join(work, "bad");
  const cases: [number, RegExp][] = [
    [0, /ends early/],
    [100, /ends early/],
    [bytes.length - 1000, /ends early/],
  ];
  for (const [length, message] of cases) {
    writeFileSync(bad, bytes.subarray(0, length));
    expect(() => new RestoredSandbox(bad)).toThrow(message);
  }
  writeFileSync(bad, new Uint8Array(100));
  expect(() => new RestoredSandbox(bad)).toThrow("no image of a kernel");
  bytes[2000] = (bytes[2000] ?? 0) ^ 255;
  writeFileSync(bad, bytes);
  expect(() => new RestoredSandbox(bad)).toThrow("damaged");
});
