/*
 * A program of its own: what the launcher becomes while the command runs, since a JavaScript runtime that only waits keeps megabytes of memory. It
 * forwards signals, and ends as the command did. It has no data, calls nothing, and looks at no memory of the sandbox's.
 *
 * Its environment is what it is to do: first numbers in decimal, see struct waiter; then the arguments of the program that says what happened when
 * the sandbox ended otherwise than it should have. That one gets two more: the wait status, and what was read of the last message.
 */
#define SYS_read 0
#define SYS_poll 7
#define SYS_wait4 61
#define SYS_prctl 157
#define SYS_exit_group 231
#define SYS_execveat 322
#define SYS_pidfd_send_signal 424
#define PR_SET_NAME 15
#define AT_EMPTY_PATH 0x1000
#define EINTR 4
#define SIGKILL 9
/* Arguments of the other program, at most. */
#define WAITER_ARGS 16
#define WAITER_TEXT 65536
#define EXIT_FAILURE 128

struct waiter {
  u64 status;  /* descriptor: read end of the status pipe */
  u64 control; /* write end of the control pipe */
  u64 signals; /* signalfd of the signals to forward, which are blocked */
  u64 marked;  /* which of them the command's process group gets: bit n is signal n + 1 */
  u64 pid;     /* the sandbox process */
  u64 pidfd;
  u64 program; /* descriptor of the other program */
};

struct waiter_poll {
  i32 fd;
  short events;
  short revents;
};

static char *waiter_number(char *p, u64 *out) {
  u64 v = 0;
  while (*p >= '0' && *p <= '9') {
    v = 10 * v + (*p++ - '0');
  }
  *out = v;
  return *p == ' ' ? p + 1 : p;
}

/* The wait status in the message that the command ended, or -1: exactly what the sandbox process writes, or it is another message. */
static i64 waiter_exit_status(char *text, i64 length) {
  char *expected = "{\"state\":\"exit\",\"status\":";
  i64 i = 0, v = 0, digits = 0;
  for (; expected[i]; i++) {
    if (i >= length || text[i] != expected[i]) {
      return -1;
    }
  }
  for (; i < length && text[i] >= '0' && text[i] <= '9' && digits < 6; i++, digits++) {
    v = 10 * v + (text[i] - '0');
  }
  return digits > 0 && i + 2 == length && text[i] == '}' && text[i + 1] == '\n' ? v : -1;
}

static void waiter_decimal(char *out, u64 v) {
  char reversed[20];
  i64 n = 0;
  do {
    reversed[n++] = '0' + v % 10;
    v /= 10;
  } while (v);
  while (n) {
    *out++ = reversed[--n];
  }
  *out = 0;
}

/* Reads up to the end of a message or of the pipe while signals go the other way. Answers the bytes read. */
static i64 waiter_follow(struct waiter *w, char *text) {
  struct waiter_poll fds[2];
  u32 info[32];
  i64 length = 0, n;
  fds[0].fd = w->status;
  fds[1].fd = w->signals;
  fds[0].events = fds[1].events = 1;
  for (;;) {
    if (raw3(SYS_poll, (i64)fds, 2, -1) < 0) {
      continue;
    }
    if (fds[0].revents) {
      n = raw3(SYS_read, w->status, (i64)(text + length), WAITER_TEXT - length);
      if (n != -EINTR && n <= 0) {
        return length;
      }
      if (n > 0) {
        length += n;
        if (text[length - 1] == '\n' || length == WAITER_TEXT) {
          return length;
        }
      }
    }
    if (fds[1].revents && raw3(SYS_read, w->signals, (i64)info, 128) == 128) {
      w->control = control_send(w->control, info[0], w->marked);
    }
  }
}

/* `sp` is the stack as a program finds it: argument count, arguments, 0, environment, 0. */
void waiter_main(u64 *sp) {
  struct waiter w;
  char text[WAITER_TEXT + 1];
  char decimal[24];
  char *argv[WAITER_ARGS + 3];
  char **env = (char **)(sp + sp[0] + 2);
  char *p = env[0];
  i64 length, i, end;
  i32 status = 0;
  raw3(SYS_prctl, PR_SET_NAME, (i64) "runsc", 0);
  p = waiter_number(p, &w.status);
  p = waiter_number(p, &w.control);
  p = waiter_number(p, &w.signals);
  p = waiter_number(p, &w.marked);
  p = waiter_number(p, &w.pid);
  p = waiter_number(p, &w.pidfd);
  waiter_number(p, &w.program);
  length = waiter_follow(&w, text);
  if (length > 0) {
    /* The last message: nothing is left to forward, and it would end by itself. */
    raw6(SYS_pidfd_send_signal, w.pidfd, SIGKILL, 0, 0, 0, 0);
  }
  while (raw6(SYS_wait4, w.pid, (i64)&status, 0, 0, 0, 0) == -EINTR) {
  }
  end = waiter_exit_status(text, length);
  if (end >= 0) {
    raw3(SYS_exit_group, end & 0x7f ? 128 + (end & 0x7f) : end >> 8 & 0xff, 0, 0);
  }
  for (i = 0; i < WAITER_ARGS && env[i + 1]; i++) {
    argv[i] = env[i + 1];
  }
  waiter_decimal(decimal, (u32)status);
  text[length] = 0;
  argv[i] = decimal;
  argv[i + 1] = text;
  argv[i + 2] = 0;
  raw6(SYS_execveat, w.program, (i64) "", (i64)argv, (i64)(argv + i + 2), AT_EMPTY_PATH, 0);
  raw3(SYS_exit_group, EXIT_FAILURE, 0, 0);
}

__asm__(".text\n"
        ".globl waiter_start\n"
        "waiter_start:\n"
        "  mov %rsp, %rdi\n"
        "  and $-16, %rsp\n"
        "  call waiter_main\n"
        "  hlt\n");
extern void waiter_start(void) __attribute__((visibility("hidden")));
