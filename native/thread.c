/*
 * Threads of the sentry that neither libc nor the JavaScript engine know, with all signals blocked. They never touch thread-local
 * storage: their FS base is their creator's.
 */

/* CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM|CHILD_CLEARTID */
#define THREAD_CLONE 0x250f00ul

/*
 * Starts main(arg), which must not return, on the stack that ends at `top`. *state is 1 while the thread runs; then the kernel writes 0
 * and wakes thread_join. The thread's tid or a negative errno.
 */
static i64 thread_start(void *main, void *arg, i64 top, u32 *state) {
  i64 r;
  *state = 1;
  r = clone_start(THREAD_CLONE, main, arg, top, 0, state);
  if (r < 0) {
    *state = 0;
  }
  return r;
}

/* Waits until the thread is gone: its stack is free afterwards. */
static void thread_join(u32 *state) {
  while (*(volatile u32 *)state != 0) {
    raw6(SYS_futex, (i64)state, FUTEX_WAIT, 1, 0, 0, 0);
  }
}
