/*
 * The watchdog: a thread of the sentry, unknown to libc and the JavaScript engine, with all signals blocked. It wakes every
 * period; when the loop's heartbeat has not moved for `limit` of its own wake-ups in a row while the loop was not
 * asleep, it writes a report to a descriptor and ends the process. Counting wake-ups, not time, survives being frozen.
 * It uses only write, futex and exit_group. It never touches thread-local storage: its FS base is its creator's.
 */
#define SYS_write 1
#define SYS_exit_group 231

struct watchdog {
  u32 beat;        /* 0: the loop adds 1 each turn */
  u32 asleep;      /* 4: 1 while the loop waits for events */
  u32 stop;        /* 8: 1 asks the thread to exit; a futex */
  u32 state;       /* 12: 1 running; the kernel writes 0 and wakes when the thread is gone */
  u32 task;        /* 16: guest thread being served, 0 none */
  u32 sysno;       /* 20: its call */
  u32 args[12];    /* 24: the arguments, (low, high) words */
  i32 log_fd;      /* 72: where the report goes */
  u32 limit;       /* 76: silent periods before it acts */
  i64 period_sec;  /* 80: struct timespec of one period */
  i64 period_nsec; /* 88 */
  u32 exit_status; /* 96 */
  u32 text_length; /* 100 */
  u8 text[256];    /* 104: the beginning of the report */
};

static i64 watchdog_hex(u8 *p, u64 v) {
  i64 n = 0;
  i32 shift = 60;
  p[n++] = '0';
  p[n++] = 'x';
  while (shift > 0 && ((v >> shift) & 15) == 0) {
    shift -= 4;
  }
  for (; shift >= 0; shift -= 4) {
    u32 d = (v >> shift) & 15;
    p[n++] = d < 10 ? '0' + d : 'a' + d - 10;
  }
  return n;
}

static i64 watchdog_dec(u8 *p, u32 v) {
  u8 t[10];
  i64 n = 0, k = 0;
  do {
    t[k++] = '0' + v % 10;
    v /= 10;
  } while (v);
  while (k) {
    p[n++] = t[--k];
  }
  return n;
}

static i64 watchdog_put(u8 *p, const char *s) {
  i64 n = 0;
  while (s[n]) {
    p[n] = s[n];
    n++;
  }
  return n;
}

static void watchdog_report(struct watchdog *w) {
  u8 line[640];
  i64 n = 0, i;
  for (i = 0; i < w->text_length && i < 256; i++) {
    line[n++] = w->text[i];
  }
  if (w->task) {
    n += watchdog_put(line + n, " task ");
    n += watchdog_dec(line + n, w->task);
    n += watchdog_put(line + n, " in system call ");
    n += watchdog_dec(line + n, w->sysno);
    n += watchdog_put(line + n, "(");
    for (i = 0; i < 6; i++) {
      if (i) {
        n += watchdog_put(line + n, ", ");
      }
      n += watchdog_hex(line + n, w->args[2 * i] | ((u64)w->args[2 * i + 1] << 32));
    }
    n += watchdog_put(line + n, ")");
  } else {
    n += watchdog_put(line + n, " no system call was being served");
  }
  line[n++] = '\n';
  raw3(SYS_write, w->log_fd, (i64)line, n);
}

static void watchdog_main(struct watchdog *w) {
  u32 last = 0, silent = 0;
  for (;;) {
    u32 beat;
    raw6(SYS_futex, (i64)&w->stop, FUTEX_WAIT, 0, (i64)&w->period_sec, 0, 0);
    if (*(volatile u32 *)&w->stop) {
      break;
    }
    beat = *(volatile u32 *)&w->beat;
    if (*(volatile u32 *)&w->asleep || beat != last) {
      last = beat;
      silent = 0;
      continue;
    }
    if (++silent >= w->limit) {
      watchdog_report(w);
      raw6(SYS_exit_group, w->exit_status, 0, 0, 0, 0, 0);
    }
  }
  raw6(SYS_exit, 0, 0, 0, 0, 0, 0);
}

/* Starts the thread on the stack that ends at `top`. Its tid or a negative errno. */
i64 watchdog_start(struct watchdog *w, i64 top) {
  w->stop = 0;
  return thread_start(&watchdog_main, w, top, &w->state);
}

/* Asks the thread to exit and waits for it: its stack is free afterwards. */
i64 watchdog_stop(struct watchdog *w) {
  *(volatile u32 *)&w->stop = 1;
  raw6(SYS_futex, (i64)&w->stop, FUTEX_WAKE, 1, 0, 0, 0);
  thread_join(&w->state);
  return 0;
}
