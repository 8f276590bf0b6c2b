/*
 * Process creation for a launcher that has more than one thread: the child shares the memory of its parent (no copy of a
 * JavaScript heap), runs no JavaScript, works through a list of system calls on a stack of its own and ends in execve.
 * All memory it reads (this structure, calls, strings) belongs to the caller and must stay put until spawn_wait returns.
 */
#define SYS_exit 60
#define SYS_futex 202
#define CLONE_VM 0x100ul
#define CLONE_CHILD_CLEARTID 0x00200000ul
#define CLONE_PIDFD 0x1000ul
#define SIGCHLD 17
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define EINTR 4

/* Call number that stands for: wait until spawn_go was called. */
#define SPAWN_WAIT_GO -1

/* A failing call ends the child unless SPAWN_IGNORE is set. */
#define SPAWN_IGNORE 1

struct spawn_call {
  i32 nr;
  i32 flags;
  i64 args[6];
};

struct spawn {
  u64 flags;                /* 0: CLONE_NEW* */
  struct spawn_call *calls; /* 8: in order; the last is an execve */
  i64 ncalls;               /* 16 */
  i64 stack;                /* 24: lowest address of the child's stack */
  i64 stack_size;           /* 32 */
  i32 pidfd;                /* 40: out */
  i32 tid;                  /* 44: the kernel writes 0 and wakes at exec and at exit */
  i32 go;                   /* 48: set by spawn_go; a child that shall not go on is killed */
  i32 failed;               /* 52: 1 + index of the call that failed, or 0 */
  i64 error;                /* 56: its negative errno */
};

static void spawn_child(struct spawn *s) {
  struct ksigaction dfl;
  i64 i;
  /* Handlers of the parent must not run in this process. Ignored signals would stay ignored across exec. */
  dfl.handler = 0;
  dfl.flags = 0;
  dfl.restorer = 0;
  dfl.mask = 0;
  for (i = 1; i <= 64; i++) {
    raw6(SYS_rt_sigaction, i, (i64)&dfl, 0, 8, 0, 0);
  }
  for (i = 0; i < s->ncalls; i++) {
    struct spawn_call *c = &s->calls[i];
    i64 r;
    if (c->nr == SPAWN_WAIT_GO) {
      while (*(volatile i32 *)&s->go == 0) {
        raw6(SYS_futex, (i64)&s->go, FUTEX_WAIT, 0, 0, 0, 0);
      }
      continue;
    }
    do {
      r = raw6(c->nr, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4], c->args[5]);
    } while (r == -EINTR);
    if (r < 0 && r > -4096 && !(c->flags & SPAWN_IGNORE)) {
      s->error = r;
      s->failed = (i32)i + 1;
      break;
    }
  }
  raw6(SYS_exit, 127, 0, 0, 0, 0, 0);
}

/* Makes the child. Its pid, with s->pidfd set, or a negative errno. */
i64 spawn_start(struct spawn *s) {
  s->tid = 1;
  s->go = 0;
  s->failed = 0;
  s->error = 0;
  s->pidfd = -1;
  return clone_start(s->flags | CLONE_VM | CLONE_PIDFD | CLONE_CHILD_CLEARTID | SIGCHLD, &spawn_child, s,
                     (i64)s->stack + s->stack_size, &s->pidfd, &s->tid);
}

/* Lets a child past SPAWN_WAIT_GO. */
i64 spawn_go(struct spawn *s) {
  *(volatile i32 *)&s->go = 1;
  return raw6(SYS_futex, (i64)&s->go, FUTEX_WAKE, 1, 0, 0, 0);
}

/* Waits until the child has exec'd (0) or has failed and exits (s->failed and s->error say where and why). */
i64 spawn_wait(struct spawn *s) {
  i32 v;
  while ((v = *(volatile i32 *)&s->tid) != 0) {
    raw6(SYS_futex, (i64)&s->tid, FUTEX_WAIT, v, 0, 0, 0);
  }
  return s->failed ? s->error : 0;
}
