/*
 * clone with a stack of its own, in assembly: in the child the return address is gone.
 */
#define SYS_rt_sigprocmask 14

/* rdi flags, rsi stack top, rdx parent_tid (or where a pidfd goes), rcx child_tid, r8 argument; what the child calls is at 8(stack top). */
__asm__(".text\n"
        ".globl clone_raw\n"
        "clone_raw:\n"
        "  mov %rcx, %r10\n"
        "  mov %r8, %r9\n"
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
extern i64 clone_raw(u64 flags, i64 top, void *ptid, void *ctid, void *arg) __attribute__((visibility("hidden")));

/*
 * The child calls main(arg), which must not return, on the stack that ends at `top`, with all signals blocked. The child's id or a
 * negative errno.
 */
static i64 clone_start(u64 flags, void *main, void *arg, i64 top, void *ptid, void *ctid) {
  u64 all = ~0ul;
  u64 before = 0;
  i64 r;
  u64 *sp = (u64 *)(top - 64);
  sp[1] = (u64)main;
  raw6(SYS_rt_sigprocmask, 2, (i64)&all, (i64)&before, 8, 0, 0);
  r = clone_raw(flags, (i64)sp, ptid, ctid, arg);
  raw6(SYS_rt_sigprocmask, 2, (i64)&before, 0, 8, 0, 0);
  return r;
}
