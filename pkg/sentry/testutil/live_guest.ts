/** Processes and threads that hold one of nearly everything a kernel has, and wait in as many ways. */
export const LIVE_GUEST = String.raw`
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int word;
static volatile unsigned long spins;
static void on_signal(int sig) { (void)sig; }

static void *thread(void *arg) {
  switch ((long)arg) {
  case 0: for (;;) spins++;
  case 1: syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0); break;
  case 2: pause(); break;
  case 3: { struct timespec ts = {1000, 0}; nanosleep(&ts, NULL); break; }
  case 4: { sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigwaitinfo(&s, NULL); break; }
  }
  return NULL;
}

static pid_t child(void (*f)(void)) {
  pid_t p = fork();
  if (p == 0) { f(); _exit(0); }
  return p;
}

static int pipes[2], sockets[2];
static void c_read(void) { char c; read(pipes[0], &c, 1); }
static void c_recv(void) { char c; recv(sockets[0], &c, 1, 0); }
static void c_vfork(void) { pid_t p = vfork(); if (p == 0) { for (;;) pause(); } }
static void c_wait(void) { if (fork() == 0) for (;;) pause(); wait(NULL); }
static void c_stop(void) { raise(SIGSTOP); }
static void c_zombie(void) { if (fork() == 0) _exit(3); for (;;) pause(); }
static void c_session(void) { setsid(); for (;;) pause(); }
static void c_lock(void) { int fd = open("/tmp/lock", O_RDWR); struct flock l = {.l_type = F_WRLCK}; fcntl(fd, F_SETLKW, &l); }
static void c_fifo(void) { open("/tmp/fifo", O_RDONLY); }
static void c_itimer(void) {
  struct itimerval it = {{100, 0}, {100, 0}};
  setitimer(ITIMER_REAL, &it, NULL); setitimer(ITIMER_VIRTUAL, &it, NULL); setitimer(ITIMER_PROF, &it, NULL);
  timer_t t; struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  timer_create(CLOCK_MONOTONIC, &ev, &t); timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &t);
  struct itimerspec its = {{0, 0}, {100, 0}}; timer_settime(t, 0, &its, NULL);
  struct sched_param sp = {0}; sched_setscheduler(0, SCHED_BATCH, &sp);
  cpu_set_t cs; CPU_ZERO(&cs); CPU_SET(0, &cs); sched_setaffinity(0, sizeof cs, &cs);
  for (;;) pause();
}
static void c_epoll(void) {
  int ep = epoll_create1(0), ev = eventfd(0, 0), tf = timerfd_create(CLOCK_REALTIME, 0);
  struct itimerspec its = {{50, 0}, {2000000000, 0}}; timerfd_settime(tf, TFD_TIMER_ABSTIME, &its, NULL);
  sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1); sigprocmask(SIG_BLOCK, &s, NULL);
  int sf = signalfd(-1, &s, 0);
  kill(getpid(), SIGUSR1);
  struct epoll_event e = {EPOLLIN | EPOLLET, {0}}, out[4];
  epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e); epoll_ctl(ep, EPOLL_CTL_ADD, tf, &e); epoll_ctl(ep, EPOLL_CTL_ADD, sf, &e);
  epoll_wait(ep, out, 4, -1);
  int inner = epoll_create1(0); epoll_ctl(inner, EPOLL_CTL_ADD, ep, &e);
  epoll_wait(inner, out, 4, -1);
}
static void c_unix(void) {
  int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
  struct sockaddr_un a = {AF_UNIX, "/tmp/sock"}; bind(s, (void *)&a, sizeof a); listen(s, 5);
  struct sockaddr_un b = {AF_UNIX, "\0abstract"}; bind(d, (void *)&b, 15);
  sendto(d, "x", 1, 0, (void *)&b, 15);
  int sp[2]; socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sp);
  struct iovec io = {"y", 1}; union { char buf[CMSG_SPACE(4)]; struct cmsghdr h; } c;
  struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof c};
  c.h.cmsg_level = SOL_SOCKET; c.h.cmsg_type = SCM_RIGHTS; c.h.cmsg_len = CMSG_LEN(4); memcpy(CMSG_DATA(&c.h), &s, 4);
  sendmsg(sp[0], &m, 0);
  fcntl(s, F_SETOWN, getpid()); fcntl(s, F_SETFL, O_ASYNC);
  int q = socket(AF_UNIX, SOCK_STREAM, 0); connect(q, (void *)&a, sizeof a); write(q, "hello", 5);
  accept(s, NULL, NULL);
  accept(s, NULL, NULL);
  /* Where the name was taken nothing listens. */
  for (;;) pause();
}
static void c_tty(void) {
  int zero = 0, one = 1, n;
  char name[40], buf[8192];
  setsid();
  int m = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  ioctl(m, TIOCSPTLCK, &zero); ioctl(m, TIOCGPTN, &n); ioctl(m, TIOCPKT, &one);
  snprintf(name, sizeof name, "/dev/pts/%d", n);
  int s = open(name, O_RDWR);
  struct winsize w = {24, 80, 0, 0}; ioctl(m, TIOCSWINSZ, &w);
  fcntl(s, F_SETFL, O_NONBLOCK);
  memset(buf, 'x', sizeof buf);
  while (write(s, buf, sizeof buf) > 0);
  write(m, "a line\npart", 11);
  int t = open("/dev/tty", O_RDONLY);
  if (fork() == 0) { read(t, buf, 10); read(t, buf, 10); }
  int m2 = open("/dev/pts/ptmx", O_RDWR), s2 = ioctl(m2, TIOCSPTLCK, &zero) ? -1 : ioctl(m2, 0x5441, O_RDWR | O_NOCTTY);
  struct termios raw; tcgetattr(s2, &raw); cfmakeraw(&raw); raw.c_cc[VMIN] = 3; raw.c_cc[VTIME] = 200; tcsetattr(s2, 0, &raw);
  write(m2, "a", 1);
  if (fork() == 0) { setpgid(0, 0); read(t, buf, 10); }
  read(s2, buf, 10);
}
static void c_inotify(void) {
  int in = inotify_init1(IN_NONBLOCK), in2 = inotify_init1(0);
  mkdir("/tmp/watched", 0700);
  inotify_add_watch(in, "/tmp/watched", IN_ALL_EVENTS); inotify_add_watch(in2, "/tmp/watched", IN_DELETE_SELF);
  int fd = open("/tmp/watched/f", O_CREAT | O_RDWR, 0600);
  inotify_add_watch(in, "/tmp/watched/f", IN_MODIFY | IN_ONESHOT);
  unlink("/tmp/watched/f");
  char b[200]; read(in2, b, 200);
  write(fd, b, 1);
}
static void c_poll(void) { struct pollfd p = {pipes[0], POLLIN, 0}; poll(&p, 1, 1000000); }
static void c_select(void) { fd_set f; FD_ZERO(&f); FD_SET(pipes[0], &f); struct timeval tv = {1000, 0}; select(pipes[0] + 1, &f, 0, 0, &tv); }
static void c_memory(void) {
  char *sh = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int mf = memfd_create("m", MFD_ALLOW_SEALING); ftruncate(mf, 65536);
  char *mm = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, mf, 0);
  int fd = open("/guest", O_RDONLY);
  char *ro = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  sh[0] = mm[0] = ro[0] = 1; sh[5000] = 2;
  mlock(sh, 4096); mprotect(sh + 8192, 4096, PROT_NONE); madvise(sh, 4096, MADV_DONTFORK);
  if (fork() == 0) { ro[1] = 3; mm[1] = 4; for (;;) pause(); }
  int p[2]; pipe2(p, O_NONBLOCK | O_DIRECT); write(p[1], "packet", 6); fcntl(p[1], F_SETPIPE_SZ, 131072);
  struct rlimit_dummy { int x; };
  int pr = open("/proc/self/status", O_RDONLY); char b[10]; read(pr, b, 10);
  int dir = open("/proc", O_RDONLY); char d[300]; syscall(SYS_getdents64, dir, d, 300);
  int td = open("/tmp", O_RDONLY); syscall(SYS_getdents64, td, d, 100);
  int nul = open("/dev/null", O_RDWR), ur = open("/dev/urandom", O_RDONLY); read(ur, b, 4); write(nul, b, 4);
  flock(fd, LOCK_SH);
  int pf = syscall(SYS_pidfd_open, getppid(), 0); (void)pf;
  umask(077); chdir("/tmp"); setpgid(0, 0);
  symlink("a", "/tmp/link"); link("/tmp/lock", "/tmp/lock2"); mknod("/tmp/node", S_IFCHR | 0600, 0x103);
  setxattr("/tmp/lock", "user.a", "b", 1, 0);
  int unl = open("/tmp/unlinked", O_CREAT | O_RDWR, 0600); write(unl, "data", 4); unlink("/tmp/unlinked");
  int hd = open("/host", O_RDONLY); syscall(SYS_getdents64, hd, d, 100);
  int hf = open("/host/file", O_RDWR), lf = open("/file", O_RDWR), nf = open("/host/new", O_CREAT | O_RDWR, 0600);
  char *hm = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, hf, 0);
  if (hm != MAP_FAILED) hm[0] = 'y';
  write(lf, "z", 1); write(nf, "n", 1); readlink("/link", d, 10); stat("/host/link", (void *)d);
  read(0, d, 1);
  for (;;) pause();
}

static void c_namespaces(void) {
  mkdir("/tmp/a", 0755); mkdir("/tmp/b", 0755);
  unshare(CLONE_NEWNS); mount("x", "/tmp/a", "tmpfs", 0, 0); mount("", "/tmp/a", 0, MS_SHARED, 0);
  mount("/tmp/a", "/tmp/b", 0, MS_BIND, 0); mount("", "/tmp/b", 0, MS_SLAVE, 0);
  mkdir("/tmp/a/m", 0755); mount("y", "/tmp/a/m", "tmpfs", 0, 0);
  int ns = open("/proc/self/ns/uts", O_RDONLY), map = open("/proc/self/uid_map", O_RDWR), dir = open("/tmp/a/m", O_RDONLY);
  close(open("/tmp/ns", O_CREAT | O_RDWR, 0600)); mount("/proc/self/ns/net", "/tmp/ns", 0, MS_BIND, 0);
  unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWCGROUP);
  int um = open("/proc/self/uid_map", O_RDWR); write(um, "0 0 1", 5);
  semget(1, 2, 0600 | IPC_CREAT); msgget(1, 0600 | IPC_CREAT); mount("z", "/tmp/a", "tmpfs", 0, 0);
  int own = open("/proc/self/ns/mnt", O_RDONLY); (void)ns; (void)map; (void)dir; (void)own;
  if (fork() == 0) for (;;) pause();
  for (;;) pause();
}

int main(int argc, char **argv) {
  (void)argv;
  /* A second set would find names taken, and some of it would end. */
  if (argc > 1) for (;;) pause();
  struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigaction(SIGUSR2, &sa, NULL);
  stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536}; sigaltstack(&ss, NULL);
  pipe(pipes); socketpair(AF_UNIX, SOCK_STREAM, 0, sockets);
  int lk = open("/tmp/lock", O_CREAT | O_RDWR, 0600); struct flock l = {.l_type = F_WRLCK}; fcntl(lk, F_SETLK, &l);
  mkfifo("/tmp/fifo", 0600);
  pthread_t t;
  for (long i = 0; i < 5; i++) pthread_create(&t, NULL, thread, (void *)i);
  void (*all[])(void) = {c_read, c_recv, c_vfork, c_wait, c_stop, c_zombie, c_session, c_lock, c_fifo, c_itimer, c_epoll,
                         c_unix, c_tty, c_inotify, c_poll, c_select, c_memory, c_namespaces};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) child(all[i]);
  usleep(300000);
  write(1, "ready\n", 6);
  if (fork() == 0) { execl("/guest", "/guest", "again", NULL); }
  for (;;) pause();
}
`;
