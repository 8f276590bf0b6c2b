/*
 * Host calls that wait for a disk, made by other threads than the kernel's. The kernel fills a slot and submits it; a thread makes the call,
 * stores the result and adds 1 to an event counter. Which calls with which arguments is the kernel's business, which must keep descriptors
 * and buffers alive until the slot is done.
 */
struct io_slot {
  u32 state; /* 0: 0 free, 1 submitted, 2 taken, 3 done */
  u32 nr;    /* 4: system call */
  i64 args[6]; /* 8 */
  i64 result;  /* 56 */
};

struct io_pool {
  u32 submissions; /* 0: a futex */
  u32 stop;        /* 4: 1 asks the threads to exit */
  i32 event_fd;    /* 8 */
  u32 slot_count;  /* 12 */
  u32 threads[12]; /* 16: see thread_start */
  struct io_slot slots[]; /* 64 */
};

static void io_pool_main(struct io_pool *p) {
  u64 one = 1;
  for (;;) {
    u32 seen = *(volatile u32 *)&p->submissions;
    u32 i, took = 0;
    for (i = 0; i < p->slot_count; i++) {
      struct io_slot *s = &p->slots[i];
      if (*(volatile u32 *)&s->state == 1 && safe_cas32(&s->state, 1, 2) == 1) {
        took = 1;
        s->result = raw6(s->nr, s->args[0], s->args[1], s->args[2], s->args[3], s->args[4], s->args[5]);
        safe_store32(&s->state, 3);
        raw3(SYS_write, p->event_fd, (i64)&one, 8);
      }
    }
    if (took) {
      continue;
    }
    if (*(volatile u32 *)&p->stop) {
      break;
    }
    raw6(SYS_futex, (i64)&p->submissions, FUTEX_WAIT, seen, 0, 0, 0);
  }
  raw6(SYS_exit, 0, 0, 0, 0, 0, 0);
}

/* Starts thread i on the stack that ends at `top`: its tid or a negative errno. */
i64 io_pool_start(struct io_pool *p, i32 i, i64 top) { return thread_start(&io_pool_main, p, top, &p->threads[i]); }

/* Hands a filled slot to the threads. */
i64 io_pool_submit(struct io_pool *p, i32 slot) {
  safe_store32(&p->slots[slot].state, 1);
  safe_op32(&p->submissions, 1, 1);
  raw6(SYS_futex, (i64)&p->submissions, FUTEX_WAKE, 1, 0, 0, 0);
  return 0;
}

/* Has the threads finish what was submitted, and waits until they are gone. */
i64 io_pool_stop(struct io_pool *p) {
  i32 i;
  safe_store32(&p->stop, 1);
  safe_op32(&p->submissions, 1, 1);
  raw6(SYS_futex, (i64)&p->submissions, FUTEX_WAKE, 1000, 0, 0, 0);
  for (i = 0; i < 12; i++) {
    thread_join(&p->threads[i]);
  }
  return 0;
}
