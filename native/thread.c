/*
 * Threads of the sentry that neither libc nor the JavaScript engine know, with all signals blocked. They never touch thread-local
 * storage: their FS base is their creator's.
 */

/* CLONE_VM|FS|FILES|SIGHAND|THREAD|SYSVSEM|CHILD_CLEARTID */
#define THREAD_CLONE 0x250f00ul

/* rdi flags, rsi stack top, rdx argument, rcx state word; the thread function is at 8(stack top). */
__asm__(".text\n"
        ".globl thread_clone\n"
        "thread_clone:\n"
        "  mov %rdx, %r9\n"
        "  xor %edx, %edx\n"
        "  mov %rcx, %r10\n"
        "  xor %r8d, %r8d\n"
        "  mov $56, %eax\n"
        "  syscall\n"
        "  test %rax, %rax\n"
        "  jnz 1f\n"
        "  xor %ebp, %ebp\n"
        "  mov %r9, %rdi\n"
        "  call *8(%rsp)\n"
        "  hlt\n"
        "1: ret\n");
extern i64 thread_clone(u64 flags, i64 top, void *arg, u32 *state) __attribute__((visibility("hidden")));

/*
 * Starts main(arg), which must not return, on the stack that ends at `top`. *state is 1 while the thread runs; then the kernel writes 0
 * and wakes thread_join. The thread's tid or a negative errno.
 */
static i64 thread_start(void *main, void *arg, i64 top, u32 *state) {
  u64 all = ~0ul;
  u64 before = 0;
  i64 r;
  u64 *sp = (u64 *)(top - 64);
  sp[1] = (u64)main;
  raw6(SYS_rt_sigprocmask, 2, (i64)&all, (i64)&before, 8, 0, 0);
  *state = 1;
  r = thread_clone(THREAD_CLONE, (i64)sp, arg, state);
  if (r < 0) {
    *state = 0;
  }
  raw6(SYS_rt_sigprocmask, 2, (i64)&before, 0, 8, 0, 0);
  return r;
}

/* Waits until the thread is gone: its stack is free afterwards. */
static void thread_join(u32 *state) {
  while (*(volatile u32 *)state != 0) {
    raw6(SYS_futex, (i64)state, FUTEX_WAIT, 1, 0, 0, 0);
  }
}
