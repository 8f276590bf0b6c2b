/*
 * Copies and atomics on memory that may fault: a mapped host file can be truncated under us (SIGBUS), a mapping can go
 * away (SIGSEGV). Every instruction here that touches such memory is listed in safe_table with the place to go on at
 * when it faults. The handler compares the faulting RIP with the table; any other fault goes to the handler that was
 * installed before. Copies return the number of bytes NOT copied; atomics return -EFAULT.
 */
__asm__(".text\n"
        ".balign 16\n"
        /* i64 safe_copy(dst, src, n) */
        ".globl safe_copy\n"
        "safe_copy:\n"
        "  mov %rdx, %rcx\n"
        "safe_i0: rep movsb\n"
        "safe_f0: mov %rcx, %rax\n"
        "  ret\n"
        /* i64 safe_zero(dst, n) */
        ".globl safe_zero\n"
        "safe_zero:\n"
        "  mov %rsi, %rcx\n"
        "  xor %eax, %eax\n"
        "safe_i1: rep stosb\n"
        "safe_f1: mov %rcx, %rax\n"
        "  ret\n"
        /* i64 safe_load32(p) */
        ".globl safe_load32\n"
        "safe_load32:\n"
        "safe_i2: mov (%rdi), %eax\n"
        "  ret\n"
        /* i64 safe_cas32(p, old, new): the value before */
        ".globl safe_cas32\n"
        "safe_cas32:\n"
        "  mov %esi, %eax\n"
        "safe_i3: lock cmpxchg %edx, (%rdi)\n"
        "  mov %eax, %eax\n"
        "  ret\n"
        /* i64 safe_xchg32(p, v): the value before */
        ".globl safe_xchg32\n"
        "safe_xchg32:\n"
        "  mov %esi, %eax\n"
        "safe_i4: xchg %eax, (%rdi)\n"
        "  mov %eax, %eax\n"
        "  ret\n"
        /* i64 safe_add32(p, v): the value before */
        ".globl safe_add32\n"
        "safe_add32:\n"
        "  mov %esi, %eax\n"
        "safe_i5: lock xadd %eax, (%rdi)\n"
        "  mov %eax, %eax\n"
        "  ret\n"
        /* i64 safe_store32(p, v) */
        ".globl safe_store32\n"
        "safe_store32:\n"
        "safe_i6: mov %esi, (%rdi)\n"
        "  xor %eax, %eax\n"
        "  ret\n"
        "safe_efault:\n"
        "  mov $-14, %rax\n"
        "  ret\n"
        ".globl safe_restorer\n"
        "safe_restorer:\n"
        "  mov $15, %eax\n"
        "  syscall\n"
        ".data\n"
        ".balign 8\n"
        ".globl safe_table\n"
        "safe_table:\n"
        "  .quad safe_i0, safe_f0\n"
        "  .quad safe_i1, safe_f1\n"
        "  .quad safe_i2, safe_efault\n"
        "  .quad safe_i3, safe_efault\n"
        "  .quad safe_i4, safe_efault\n"
        "  .quad safe_i5, safe_efault\n"
        "  .quad safe_i6, safe_efault\n"
        "  .quad 0, 0\n"
        ".text\n");

extern u64 safe_table[] __attribute__((visibility("hidden")));
extern void safe_restorer(void) __attribute__((visibility("hidden")));
extern i64 safe_copy(u8 *dst, const u8 *src, i64 n) __attribute__((visibility("hidden")));
extern i64 safe_zero(u8 *dst, i64 n) __attribute__((visibility("hidden")));
extern i64 safe_load32(u32 *p) __attribute__((visibility("hidden")));
extern i64 safe_store32(u32 *p, i32 v) __attribute__((visibility("hidden")));
extern i64 safe_cas32(u32 *p, i32 old, i32 new) __attribute__((visibility("hidden")));
extern i64 safe_xchg32(u32 *p, i32 v) __attribute__((visibility("hidden")));
extern i64 safe_add32(u32 *p, i32 v) __attribute__((visibility("hidden")));

#define SIGBUS 7
#define SIGSEGV 11
#define SA_SIGINFO 4ul
#define SA_ONSTACK 0x08000000ul
#define SA_RESTORER 0x04000000ul
#define SYS_rt_sigaction 13
#define UC_RIP (168 / 8) /* words from the start of ucontext_t to gregs[REG_RIP] */

/* struct sigaction as rt_sigaction takes it. */
struct ksigaction {
  u64 handler;
  u64 flags;
  u64 restorer;
  u64 mask;
};

static struct ksigaction safe_previous[2];
static i32 safe_installed;

static void safe_handler(i32 sig, void *info, u64 *uc) {
  u64 rip = uc[UC_RIP];
  u64 *t = safe_table;
  for (; t[0]; t += 2) {
    if (t[0] == rip) {
      uc[UC_RIP] = t[1];
      return;
    }
  }
  struct ksigaction *p = &safe_previous[sig == SIGBUS];
  if (p->handler <= 1) {
    /* Default or ignored: put it back; the instruction faults again and the kernel acts. */
    raw6(SYS_rt_sigaction, sig, (i64)p, 0, 8, 0, 0);
    return;
  }
  if (p->flags & SA_SIGINFO) {
    ((void (*)(i32, void *, void *))p->handler)(sig, info, uc);
  } else {
    ((void (*)(i32))p->handler)(sig);
  }
}

static i64 safe_hook(i32 sig, struct ksigaction *previous) {
  struct ksigaction sa;
  i64 r = raw6(SYS_rt_sigaction, sig, 0, (i64)previous, 8, 0, 0);
  if (r < 0) {
    return r;
  }
  sa.handler = (u64)&safe_handler;
  sa.flags = previous->flags | SA_SIGINFO | SA_ONSTACK | SA_RESTORER;
  sa.restorer = (u64)&safe_restorer;
  sa.mask = previous->mask;
  return raw6(SYS_rt_sigaction, sig, (i64)&sa, 0, 8, 0, 0);
}

/* Takes over SIGSEGV and SIGBUS, once. */
i64 safe_install(void) {
  if (safe_installed) {
    return 0;
  }
  i64 r = safe_hook(SIGSEGV, &safe_previous[0]);
  if (r < 0) {
    return r;
  }
  r = safe_hook(SIGBUS, &safe_previous[1]);
  if (r < 0) {
    return r;
  }
  safe_installed = 1;
  return 0;
}

/* futex(2)'s FUTEX_OP_* on a word: op 0 set, 1 add, 2 or, 3 andn, 4 xor. The value before, or -EFAULT. */
i64 safe_op32(u32 *p, i32 op, i32 v) {
  i64 old;
  if (op == 0) {
    return safe_xchg32(p, v);
  }
  if (op == 1) {
    return safe_add32(p, v);
  }
  old = safe_load32(p);
  while (old >= 0) {
    u32 want = op == 2 ? (u32)old | (u32)v : op == 3 ? (u32)old & ~(u32)v : (u32)old ^ (u32)v;
    i64 seen = safe_cas32(p, (i32)old, (i32)want);
    if (seen == old) {
      return old;
    }
    /* Lost a race with a guest thread. It could keep winning on purpose: -EAGAIN, and the caller bounds the retries. */
    if (seen >= 0) {
      return -11;
    }
    old = seen;
  }
  return old;
}
